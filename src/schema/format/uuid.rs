//! `uuid`: the hexadecimal form of RFC 4122 §3, in either case, of any version and variant.

use crate::automata::{ExprPool, LangId};

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    super::rust(pool, "[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
}
