//! `json-pointer`: the string form of RFC 6901 §3, not the form in a URI fragment.

use crate::automata::{ExprPool, LangId};

pub(super) const PATTERN: &str = "(?:/(?:[^/~]|~[01])*)*";

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    super::rust(pool, PATTERN)
}
