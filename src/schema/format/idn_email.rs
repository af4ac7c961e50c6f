//! `idn-email`: the Mailbox as RFC 6531 §3.3 extends it, with UTF-8 in the local part and U-labels
//! in the domain.

use crate::automata::{ExprPool, LangId};

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    let local = super::email::local_part(pool, r"\u{80}-\u{10FFFF}");
    let at = super::rust(pool, "@");
    // Only the ASCII dot separates the labels of a mailbox's domain.
    let domain = super::idn_hostname::name(pool, ".");
    let literal = super::email::address_literal(pool);
    let domain = pool.union(&[domain, literal]);
    pool.sequence(&[local, at, domain])
}
