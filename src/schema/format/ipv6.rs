//! `ipv6`: the text forms of RFC 4291 §2.2, as the grammar of RFC 3986 §3.2.2 spells them.

use crate::automata::{ExprPool, LangId};

/// IPv6address as a pattern: eight groups, the last two perhaps an IPv4 address, and once `::` for one or more
/// groups of zeros.
pub(super) fn pattern() -> String {
    let group = "[0-9A-Fa-f]{1,4}";
    let last = format!("(?:{group}:{group}|{})", super::ipv4::PATTERN);
    let mut forms = vec![format!("(?:{group}:){{6}}{last}")];
    // After `::` stand five to no groups and the last two; before it at most as many as are left.
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
