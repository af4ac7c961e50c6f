//! `iri-reference`: IRI-reference of RFC 3987 §2.2.

use super::iri::UNICODE;
use super::uri::Rules;
use crate::automata::{LangId, Languages};

pub(super) fn language(pool: &mut Languages) -> LangId {
    let rules = Rules::new(&UNICODE);
    super::rust(pool, &format!("{}|{}", rules.absolute(), rules.relative()))
}
