//! `iri`: the IRI of RFC 3987 §2.2.
//!
//! Its grammar is that of URIs with `ucschar` wherever an unreserved character may stand, and with
//! `iprivate` in queries.

use super::uri::{Characters, UriRules};
use crate::automata::{ExprPool, LangId};

/// The rule `ucschar` of the RFC.
pub(super) const UCSCHAR: &str = concat!(
    r"\u{A0}-\u{D7FF}\u{F900}-\u{FDCF}\u{FDF0}-\u{FFEF}\u{10000}-\u{1FFFD}\u{20000}-\u{2FFFD}\u{30000}-\u{3FFFD}",
    r"\u{40000}-\u{4FFFD}\u{50000}-\u{5FFFD}\u{60000}-\u{6FFFD}\u{70000}-\u{7FFFD}\u{80000}-\u{8FFFD}",
    r"\u{90000}-\u{9FFFD}\u{A0000}-\u{AFFFD}\u{B0000}-\u{BFFFD}\u{C0000}-\u{CFFFD}\u{D0000}-\u{DFFFD}",
    r"\u{E1000}-\u{EFFFD}"
);
/// The rule `iprivate` of the RFC.
pub(super) const IPRIVATE: &str = r"\u{E000}-\u{F8FF}\u{F0000}-\u{FFFFD}\u{100000}-\u{10FFFD}";

pub(super) const UNICODE: Characters = Characters { everywhere: UCSCHAR, in_queries: IPRIVATE };

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    super::rust(pool, &UriRules::new(&UNICODE).absolute())
}
