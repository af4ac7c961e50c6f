//! `email`: the Mailbox of RFC 5321 §4.1.2.
//!
//! The local part is a dot-string or a quoted string. After the `@` stands a domain, or an IPv4 or
//! IPv6 address literal. By §4.5.3.1 a local part has at most 64 octets. The domain keeps the
//! lengths of host names: 63 octets a label and 253 in all.

use crate::automata::{ExprPool, LangId};

/// The local part. `extra`, the inside of a class, holds the characters beyond ASCII that may stand
/// wherever a letter may.
pub(super) fn local_part(pool: &mut ExprPool, extra: &str) -> LangId {
    let atom = format!("[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{extra}-]+");
    let quoted = format!(r#""(?:[\x20\x21\x23-\x5b\x5d-\x7e{extra}]|\\[\x20-\x7e])*""#);
    let local = super::rust(pool, &format!(r"{atom}(?:\.{atom})*|{quoted}"));
    super::of_octets(pool, local, 64)
}

/// An address literal such as `[192.0.2.1]` or `[IPv6:2001:db8::1]`. By §4.1.3 `::` stands for at
/// least two groups in it.
pub(super) fn address_literal(pool: &mut ExprPool) -> LangId {
    super::rust(
        pool,
        &format!(r"\[(?:{}|[Ii][Pp][Vv]6:{})\]", super::ipv4::PATTERN, super::ipv6::compressed_by(2)),
    )
}

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    let domain = super::hostname::ascii(pool);
    let literal = address_literal(pool);
    let domain = pool.union(&[domain, literal]);
    let (local, at) = (local_part(pool, ""), super::rust(pool, "@"));
    pool.sequence(&[local, at, domain])
}
