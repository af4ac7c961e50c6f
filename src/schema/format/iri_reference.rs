//! `iri-reference`: the IRI-reference of RFC 3987 §2.2.

use super::iri::UNICODE;
use super::uri::UriRules;
use crate::automata::{ExprPool, LangId};

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    let rules = UriRules::new(&UNICODE);
    super::rust(pool, &format!("{}|{}", rules.absolute(), rules.relative()))
}
