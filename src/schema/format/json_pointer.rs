//! `json-pointer`: RFC 6901 §3, as a string and not as a URI fragment.

use crate::automata::{ExprPool, LangId};

pub(super) const PATTERN: &str = "(?:/(?:[^/~]|~[01])*)*";

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    super::rust(pool, PATTERN)
}
