//! `uri-reference`: the URI-reference of RFC 3986 §4.1, which is a URI or a reference relative to
//! one.

use super::uri::{ASCII, UriRules};
use crate::automata::{ExprPool, LangId};

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    let rules = UriRules::new(&ASCII);
    super::rust(pool, &format!("{}|{}", rules.absolute(), rules.relative()))
}
