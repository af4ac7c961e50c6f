//! `date-time` of RFC 3339 §5.6: a date, `T` in either case, and a time with its offset.

use crate::automata::{ExprPool, LangId};

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    let date = super::date::language(pool);
    let separator = super::rust(pool, "[Tt]");
    let time = super::time::language(pool);
    pool.sequence(&[date, separator, time])
}
