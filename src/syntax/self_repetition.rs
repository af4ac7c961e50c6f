//! Removal of alternatives that consist only of repetitions of the rule itself, as in `s ::= s s |
//! x` or `s ::= s{50} | x | ""`.
//!
//! Let `c` be all other alternatives, and `s{m,n}` the one that is removed. A text of `s` begins as
//! one part `c`. Any part may be replaced by `m..=n` parts, again and again. Each replacement adds
//! `m-1..=n-1` parts, so
//!
//! ```text
//! s = c (c{m-1,n-1})*        and, where two parts may take the place of one,        s = c+
//! ```
//!
//! As written, `s{50}` is nested in itself, with a count on every level. The rewritten rule is a
//! repetition, and regular if `c` is.

use super::expr::{Expr, Rule};
use crate::automata::UNBOUNDED;

/// Rewrites a rule that has such alternatives.
pub(super) fn remove(rule: &mut Rule) {
    let alternatives = match std::mem::replace(&mut rule.body, Expr::EMPTY) {
        Expr::Alt(parts) => parts,
        one => vec![one],
    };
    let (mut powers, mut others) = (Vec::new(), Vec::new());
    for part in alternatives {
        match power(&part, &rule.name).filter(|&(_, most)| most > 0) {
            Some(power) => powers.push(power),
            None => others.push(part),
        }
    }
    // A rule without a finite text is not rewritten, so that the error names it as it is.
    let has_empty = powers.iter().any(|power| power.0 == 0);
    if powers.is_empty() || (others.is_empty() && !has_empty) {
        let itself = |&(least, most): &(u32, u32)| {
            Expr::Rule(rule.name.clone(), rule.span.clone()).repeat(least, most)
        };
        others.extend(powers.iter().map(itself));
        rule.body = Expr::alt(others);
        return;
    }
    if has_empty {
        others.push(Expr::EMPTY);
    }
    let part = Expr::alt(others);
    let fewer = |count: u32| if count == UNBOUNDED { count } else { count.saturating_sub(1) };
    let steps: Vec<(u32, u32)> = powers
        .into_iter()
        .map(|(least, most)| (fewer(least), fewer(most)))
        .filter(|&(_, most)| most > 0)
        .collect();
    rule.body = if steps.is_empty() {
        part
    } else if steps.iter().any(|&(least, _)| least <= 1) {
        part.repeat(1, UNBOUNDED)
    } else {
        let more = steps.into_iter().map(|(least, most)| part.clone().repeat(least, most)).collect();
        Expr::seq(vec![part.clone(), Expr::alt(more).repeat(0, UNBOUNDED)])
    };
}

/// The smallest and largest number of times that `expr` repeats the rule named `name`. It is `None`
/// if `expr` contains anything else or some number between is impossible.
fn power(expr: &Expr, name: &str) -> Option<(u32, u32)> {
    match expr {
        Expr::Rule(other, _) => (other == name).then_some((1, 1)),
        Expr::Text(text) => text.is_empty().then_some((0, 0)),
        Expr::Seq(parts) => parts.iter().try_fold((0u32, 0u32), |(least, most), part| {
            let (low, high) = power(part, name)?;
            Some((least.saturating_add(low), most.saturating_add(high)))
        }),
        Expr::Repeat(body, min, max) if min <= max => match power(body, name)? {
            (1, 1) => Some((*min, *max)),
            (0, 0) => Some((0, 0)),
            _ => None,
        },
        _ => None,
    }
}
