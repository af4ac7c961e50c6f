//! `ipv6`: the text forms of RFC 4291 §2.2, as the grammar of RFC 3986 §3.2.2 spells them.

use crate::automata::{ExprPool, LangId};

/// The IPv6address as a pattern.
///
/// An address has eight groups. An IPv4 address may stand for the last two, and `::` may stand once
/// for one or more groups of zeros.
pub(super) fn pattern() -> String {
    compressed_by(1)
}

/// The addresses in which `::` stands for at least `least` groups, which is 1 or 2.
pub(super) fn compressed_by(least: usize) -> String {
    let group = "[0-9A-Fa-f]{1,4}";
    let last = format!("(?:{group}:{group}|{})", super::ipv4::PATTERN);
    let mut forms = vec![format!("(?:{group}:){{6}}{last}")];
    let before = |most: usize| match most {
        0 => String::new(),
        n => format!("(?:(?:{group}:){{0,{}}}{group})?", n - 1),
    };
    // After `::` stand some groups and then the last two. Before it stand at most as many groups as
    // are left.
    for after in (0..=6 - least).rev() {
        forms.push(format!("{}::(?:{group}:){{{after}}}{last}", before(6 - least - after)));
    }
    forms.push(format!("{}::{group}", before(7 - least)));
    forms.push(format!("{}::", before(8 - least)));
    format!("(?:{})", forms.join("|"))
}

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    super::rust(pool, &pattern())
}
