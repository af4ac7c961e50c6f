//! Masks for many sequences at once.
//!
//! A batch of sequences needs one mask each before every step of the model. Most of them are known
//! and only copied. The rest are computed, in parallel if they belong to different constraints.

use super::error::EngineError;
use super::matcher::Matcher;
use crate::automata::Interrupt;
use std::borrow::{Borrow, BorrowMut};
use std::num::NonZeroUsize;

/// Fills one mask row for each matcher. Row `i` is `out[i * words .. (i + 1) * words]`, where
/// `words` is `size.div_ceil(32)`, written as [`Matcher::fill_mask`] writes it. The matchers,
/// `Matcher` or `&mut Matcher`, may belong to different constraints.
///
/// At most `threads` threads work at it, the caller's among them. The result does not depend on
/// their number. The caller's thread copies known masks, since starting a thread takes longer than
/// many copies (`peers scaling` prints the time of a copy). Unknown masks of one constraint are
/// computed one after the other in any case. So threads are started only if several constraints
/// have unknown masks, and at most one for each of these constraints.
///
/// # Errors
/// [`EngineError::MaskLength`] if `out` is not `matchers.len() * words` long or the matchers'
/// vocabularies differ in size; otherwise the error of the first row that fails.
///
/// ```
/// # use hedgerow::engine::{fill_masks, Constraint};
/// # use hedgerow::{grammar::GrammarBuilder, vocab::{TokenId, Vocabulary}};
/// # use std::num::NonZeroUsize;
/// # let mut builder = GrammarBuilder::new();
/// # let word = builder.nodes.literal(b"abab");
/// # let tokens = ["a", "b", "ab"].map(|token| token.as_bytes().to_vec());
/// # let vocabulary = Vocabulary::from_byte_list(tokens.to_vec())?;
/// # let constraint = Constraint::new(&builder.build(word, None)?, &vocabulary)?;
/// let mut matchers = vec![constraint.matcher(), constraint.matcher()];
/// matchers[1].advance(TokenId(0))?;
/// let mut rows = vec![0; 2];
/// fill_masks(&mut matchers, &mut rows, NonZeroUsize::MIN.saturating_add(1))?;
/// assert_eq!(rows, [1 << 0 | 1 << 2, 1 << 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn fill_masks<M: BorrowMut<Matcher> + Send>(
    matchers: &mut [M],
    out: &mut [u32],
    threads: NonZeroUsize,
) -> Result<(), EngineError> {
    let Some(first) = matchers.first().map(Borrow::borrow) else {
        return if out.is_empty() {
            Ok(())
        } else {
            Err(EngineError::MaskLength { given: out.len(), needed: 0, tokens: 0 })
        };
    };
    let tokens = first.vocabulary().size();
    let words = tokens.div_ceil(32);
    if out.len() != words * matchers.len() {
        return Err(EngineError::MaskLength { given: out.len(), needed: words * matchers.len(), tokens });
    }
    let failures = fill_mask_rows(matchers, out.chunks_mut(words).collect(), threads);
    failures.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
}

/// Fills the masks of many matchers, the mask of `matchers[i]` into `rows[i]`, as [`fill_masks`]
/// does.
///
/// If a matcher fails, the rows of the others are filled all the same. The errors are returned with
/// the indices of their matchers, in ascending order; none means success. Matchers without a row,
/// and rows without a matcher, are left alone.
pub fn fill_mask_rows<M: BorrowMut<Matcher> + Send>(
    matchers: &mut [M],
    rows: Vec<&mut [u32]>,
    threads: NonZeroUsize,
) -> Vec<(usize, EngineError)> {
    let mut unknown: Vec<PendingRow<'_, M>> = Vec::new();
    let mut failures = Vec::new();
    for (at, (matcher, out)) in matchers.iter_mut().zip(rows).enumerate() {
        match (*matcher).borrow_mut().fill_known(out) {
            Ok(true) => {}
            Ok(false) => unknown.push(PendingRow { at, matcher, out }),
            Err(error) => failures.push((at, error)),
        }
    }
    let constraint = |row: &PendingRow<'_, M>| (*row.matcher).borrow().constraint_address();
    unknown.sort_by_key(constraint);
    let mut groups: Vec<Vec<PendingRow<'_, M>>> = Vec::new();
    for row in unknown {
        match groups.last_mut() {
            Some(group) if constraint(&group[0]) == constraint(&row) => group.push(row),
            _ => groups.push(vec![row]),
        }
    }
    failures.extend(fill_groups(groups, threads.get()));
    failures.sort_by_key(|(at, _)| *at);
    failures
}

/// A mask to be computed, and the place of its row.
struct PendingRow<'a, M> {
    at: usize,
    matcher: &'a mut M,
    out: &'a mut [u32],
}

/// The number of threads to be started beside the caller's.
fn extra_threads(constraints: usize, threads: usize) -> usize {
    constraints.min(threads).saturating_sub(1)
}

/// Computes masks, those of each group one after the other. Returns the errors of rows that failed.
fn fill_groups<M: BorrowMut<Matcher> + Send>(
    groups: Vec<Vec<PendingRow<'_, M>>>,
    threads: usize,
) -> Vec<(usize, EngineError)> {
    let workers = extra_threads(groups.len(), threads);
    let mut shares: Vec<Vec<PendingRow<'_, M>>> = (0..=workers).map(|_| Vec::new()).collect();
    for (i, group) in groups.into_iter().enumerate() {
        shares[i % (workers + 1)].extend(group);
    }
    let fill = |share: Vec<PendingRow<'_, M>>| -> Vec<(usize, EngineError)> {
        let errors = share.into_iter().filter_map(|row| {
            let result = row.matcher.borrow_mut().fill_mask(row.out);
            result.err().map(|error| (row.at, error))
        });
        errors.collect()
    };
    let around = Interrupt::current();
    let around = &around;
    let interrupted = |share: Vec<PendingRow<'_, M>>| {
        let all: Vec<usize> = share.iter().map(|row| row.at).collect();
        let filled = around.scope(|| fill(share));
        filled.unwrap_or_else(|why| all.into_iter().map(|at| (at, why.into())).collect())
    };
    let interrupted = &interrupted;
    std::thread::scope(|scope| {
        let own = shares.pop();
        let others: Vec<_> =
            shares.into_iter().map(|share| scope.spawn(move || interrupted(share))).collect();
        let mut errors: Vec<(usize, EngineError)> = own.map(fill).unwrap_or_default();
        for other in others {
            match other.join() {
                Ok(error) => errors.extend(error),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        errors
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_started_for_unknown_masks_of_several_constraints_only() {
        let table = [((0, 8), 0), ((1, 8), 0), ((2, 8), 1), ((2, 1), 0), ((5, 3), 2), ((3, 100), 2)];
        for ((constraints, threads), workers) in table {
            assert_eq!(
                extra_threads(constraints, threads),
                workers,
                "{constraints} constraints, {threads} threads"
            );
        }
    }
}
