//! `hostname`: RFC 1123 §2.1 over RFC 952: labels of letters, digits and inner hyphens, at most 63 octets each and 253
//! in all.
//!
//! A label that starts with `xn--` must be the Punycode of a valid U-label (RFC 5890 §2.3.2.3, which JSON Schema
//! cites); that is not regular, so such labels are not accepted.

use crate::automata::{LangId, Languages};

/// One label.
pub(super) fn label(pool: &mut Languages) -> LangId {
    super::ecma(pool, "(?![Xx][Nn]--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
}

pub(super) fn language(pool: &mut Languages) -> LangId {
    let label = label(pool);
    let dot = super::rust(pool, r"\.");
    let more = pool.concat(dot, label);
    let more = pool.repeat(more, 0, crate::automata::UNBOUNDED);
    let name = pool.concat(label, more);
    let length = super::rust(pool, "[A-Za-z0-9.-]{1,253}");
    pool.inter(&[name, length])
}
