//! `duration`: the grammar of RFC 3339, appendix A.
//!
//! Units come in order, and no unit between two others is left out. Weeks stand alone.

use crate::automata::{ExprPool, LangId};

const TIME: &str = "(?:T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S))";
const DATE: &str = "(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)";

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    super::rust(pool, &format!("P(?:{DATE}{TIME}?|{TIME}|[0-9]+W)"))
}
