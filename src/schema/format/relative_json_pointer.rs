//! `relative-json-pointer`: draft-bhutton-relative-json-pointer-00 §3.
//!
//! Index manipulation is left out, since JSON Schema does not refer to it.

use crate::automata::{ExprPool, LangId};

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    super::rust(pool, &format!("(?:0|[1-9][0-9]*)(?:#|{})", super::json_pointer::PATTERN))
}
