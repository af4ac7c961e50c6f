//! `ipv4`: the dotted quad of RFC 2673 §3.2, which is four decimal numbers up to 255 without
//! leading zeros.

use crate::automata::{ExprPool, LangId};

/// The IPv4address of RFC 3986, which is the same language.
pub(super) const PATTERN: &str =
    r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    super::rust(pool, PATTERN)
}
