//! Masks for many sequences at once.

use super::error::EngineError;
use super::matcher::Matcher;
use crate::automata::Interrupt;
use std::borrow::{Borrow, BorrowMut};
use std::num::NonZeroUsize;

/// Fills one mask row per matcher: row `i` is `out[i * words .. (i + 1) * words]` with `words = size.div_ceil(32)`,
/// as [`Matcher::fill_mask`] writes it. The matchers, `Matcher` or `&mut Matcher`, may be of different constraints.
///
/// The rows are shared out over at most `threads` threads, in equal parts; the result does not depend on how many. With one
/// thread, or one matcher, none is started. Known masks are read without a lock; unknown ones of one constraint are found
/// one after the other. Starting a thread costs some tens of microseconds, a known mask less than one.
///
/// # Errors
/// [`EngineError::MaskLength`] when `out` is not `matchers.len() * words` long or the matchers' vocabularies differ in
/// size; else the first row's error.
///
/// ```
/// # use hedgerow::engine::{fill_masks, Constraint};
/// # use hedgerow::{grammar::GrammarBuilder, vocab::{TokenId, Vocabulary}};
/// # use std::num::NonZeroUsize;
/// # let mut builder = GrammarBuilder::new();
/// # let word = builder.nodes.literal(b"abab");
/// # let vocabulary = Vocabulary::from_byte_list(vec![b"a".to_vec(), b"b".to_vec(), b"ab".to_vec()])?;
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
    let fill = |matchers: &mut [M], out: &mut [u32]| {
        matchers.iter_mut().zip(out.chunks_mut(words)).try_for_each(|(m, row)| m.borrow_mut().fill_mask(row))
    };
    let per_thread = matchers.len().div_ceil(threads.get());
    if per_thread == matchers.len() {
        return fill(matchers, out);
    }
    let around = Interrupt::current();
    let around = &around;
    std::thread::scope(|scope| {
        let work: Vec<_> = matchers
            .chunks_mut(per_thread)
            .zip(out.chunks_mut(per_thread * words))
            .map(|(matchers, out)| scope.spawn(move || around.scope(|| fill(matchers, out))?))
            .collect();
        work.into_iter().try_for_each(|w| match w.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}
