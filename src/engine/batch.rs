//! Masks for many sequences at once.

use super::error::EngineError;
use super::matcher::Matcher;
use std::num::NonZeroUsize;

/// Fills one mask row per matcher: row `i` is `out[i * words .. (i + 1) * words]` with `words = size.div_ceil(32)`,
/// as [`Matcher::fill_mask`] writes it. The rows are shared out over at most `threads` threads; the result does not
/// depend on how many.
///
/// # Errors
/// [`EngineError::MaskLength`] when `out` is not `matchers.len() * words` long or the matchers' vocabularies differ in
/// size; else the first row's error.
pub fn fill_masks(
    matchers: &mut [Matcher],
    out: &mut [u32],
    threads: NonZeroUsize,
) -> Result<(), EngineError> {
    let Some(first) = matchers.first() else {
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
    let fill = |matchers: &mut [Matcher], out: &mut [u32]| {
        matchers.iter_mut().zip(out.chunks_mut(words)).try_for_each(|(m, row)| m.fill_mask(row))
    };
    let per_thread = matchers.len().div_ceil(threads.get());
    if per_thread == matchers.len() {
        return fill(matchers, out);
    }
    std::thread::scope(|scope| {
        let work: Vec<_> = matchers
            .chunks_mut(per_thread)
            .zip(out.chunks_mut(per_thread * words))
            .map(|(matchers, out)| scope.spawn(move || fill(matchers, out)))
            .collect();
        work.into_iter().try_for_each(|w| match w.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}
