//! `ipv6`: the text forms of RFC 4291 §2.2, as the grammar of RFC 3986 §3.2.2 spells them.

use crate::automata::{ExprPool, LangId};

/// The IPv6address as a pattern.
///
/// An address has eight groups. An IPv4 address may stand for the last two, and `::` may stand once
/// for one or more groups of zeros.
pub(super) fn pattern() -> String {
    let group = "[0-9A-Fa-f]{1,4}";
    let last = format!("(?:{group}:{group}|{})", super::ipv4::PATTERN);
    let mut forms = vec![format!("(?:{group}:){{6}}{last}")];
    // After `::` stand at most five groups and then the last two. Before it stand at most as many
    // groups as are left.
    for after in (0..=5usize).rev() {
        let before = 5 - after;
        let before = match before {
            0 => String::new(),
            n => format!("(?:(?:{group}:){{0,{}}}{group})?", n - 1),
        };
        forms.push(format!("{before}::(?:{group}:){{{after}}}{last}"));
    }
    forms.push(format!("(?:(?:{group}:){{0,5}}{group})?::{group}"));
    forms.push(format!("(?:(?:{group}:){{0,6}}{group})?::"));
    format!("(?:{})", forms.join("|"))
}

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    super::rust(pool, &pattern())
}
