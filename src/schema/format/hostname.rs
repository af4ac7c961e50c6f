//! `hostname` by RFC 1123 §2.1 over RFC 952.
//!
//! A name consists of labels of letters, digits and inner hyphens. A label has at most 63 octets
//! and the name at most 253.
//!
//! Since draft 7 a label that starts with `xn--` must be the Punycode of a valid U-label (RFC 5890
//! §2.3.2.3). That rule is not regular, so such labels are not accepted from draft 7 on.

use crate::automata::{ExprPool, LangId, UNBOUNDED};

/// Any ASCII label.
pub(super) const LABEL: &str = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";

/// The texts with a label that starts with `xn--`, by the label separators of RFC 3490 §3.1. Such a
/// label may be the first one of a mail address's domain, too.
pub(super) const WITH_A_LABEL: &str = r"(?s:(?:.*[@.\u{3002}\u{FF0E}\u{FF61}])?[Xx][Nn]--.*)";

/// One label that is not an A-label.
///
/// The pattern spells this out. An intersection with the texts that do not start with `xn--` would
/// hide from the engine how few characters complete a label.
pub(super) fn label(pool: &mut ExprPool) -> LangId {
    let rest = |most: u32| format!("(?:[A-Za-z0-9-]{{0,{most}}}[A-Za-z0-9])");
    let (after_one, after_two, after_three, after_four) = (rest(61), rest(60), rest(59), rest(58));
    super::rust(
        pool,
        &format!(
            "[A-WYZa-wyz0-9]{after_one}?\
             |[Xx](?:[A-MO-Za-mo-z0-9]{after_two}?|-{after_two}|[Nn](?:[A-Za-z0-9]{after_three}?|-[A-Za-z0-9]{after_four}?)?)?"
        ),
    )
}

/// Names made of the labels of one language.
fn name(pool: &mut ExprPool, label: LangId) -> LangId {
    let dot = super::rust(pool, r"\.");
    let more = pool.concat(dot, label);
    let more = pool.repeat(more, 0, UNBOUNDED);
    let name = pool.concat(label, more);
    super::of_octets(pool, name, 253)
}

/// Names with ASCII labels of any kind, including A-labels.
pub(super) fn ascii(pool: &mut ExprPool) -> LangId {
    let label = super::rust(pool, LABEL);
    name(pool, label)
}

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    let label = label(pool);
    name(pool, label)
}
