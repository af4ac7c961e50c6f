//! `email`: Mailbox of RFC 5321 §4.1.2, a local part that is a dot-string or a quoted string, and a domain or an
//! IPv4 or IPv6 address literal. The lengths of §4.5.3.1 are advice to senders and not part of the grammar.

use crate::automata::{LangId, Languages};

/// The local part; `extra` are the characters beyond ASCII that may stand where a letter may (the inside of a
/// class).
pub(super) fn local_part(extra: &str) -> String {
    let atom = format!("[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{extra}-]+");
    let quoted = format!(r#""(?:[\x20\x21\x23-\x5b\x5d-\x7e{extra}]|\\[\x20-\x7e])*""#);
    format!(r"(?:{atom}(?:\.{atom})*|{quoted})")
}

/// `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
pub(super) fn address_literal() -> String {
    format!(r"\[(?:{}|[Ii][Pp][Vv]6:{})\]", super::ipv4::PATTERN, super::ipv6::pattern())
}

pub(super) fn language(pool: &mut Languages) -> LangId {
    let label = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?";
    let pattern = format!(r"{}@(?:{label}(?:\.{label})*|{})", local_part(""), address_literal());
    super::rust(pool, &pattern)
}
