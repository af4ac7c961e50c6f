//! `json-pointer`: RFC 6901 §3, as a string and not as a URI fragment.

use crate::automata::{LangId, Languages};

pub(super) const PATTERN: &str = "(?:/(?:[^/~]|~[01])*)*";

pub(super) fn language(pool: &mut Languages) -> LangId {
    super::rust(pool, PATTERN)
}
