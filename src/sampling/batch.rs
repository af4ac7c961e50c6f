//! Draws for many sequences at once.

use super::error::SamplingError;
use super::row::LogitRow;
use super::sampler::{Sampled, Sampler};
use std::borrow::BorrowMut;
use std::num::NonZeroUsize;

/// The least number of rows for one thread. Starting a thread takes as long as drawing from a few
/// rows.
const ROWS_A_THREAD: usize = 4;

/// Draws a token for each sampler from its row of logits, under its mask, as [`Sampler::sample`]
/// does. The samplers are `Sampler` or `&mut Sampler`. The results are in the order of the
/// samplers; samplers without a row, and rows without a sampler, are left out.
///
/// At most `threads` threads work at it, the caller's among them, and fewer for few rows. The
/// results do not depend on their number.
///
/// ```
/// use hedgerow::sampling::{Sampler, SamplingParams, sample_batch};
/// # use hedgerow::vocab::TokenId;
/// # use std::num::NonZeroUsize;
/// let greedy = Sampler::new(SamplingParams::default().temperature(0.0))?;
/// let rows = [[0.0, 2.0, 1.0], [3.0, 2.0, 1.0]];
/// let draws = [((&rows[0][..]).into(), None), ((&rows[1][..]).into(), Some(&[0b110][..]))];
/// for drawn in sample_batch(&mut [greedy.clone(), greedy], &draws, NonZeroUsize::MIN) {
///     assert_eq!(drawn?.token, TokenId(1));
/// }
/// # Ok::<(), hedgerow::sampling::SamplingError>(())
/// ```
pub fn sample_batch<S: BorrowMut<Sampler> + Send>(
    samplers: &mut [S],
    rows: &[(LogitRow<'_>, Option<&[u32]>)],
    threads: NonZeroUsize,
) -> Vec<Result<Sampled, SamplingError>> {
    fn draw<S: BorrowMut<Sampler>>(
        samplers: &mut [S],
        rows: &[(LogitRow<'_>, Option<&[u32]>)],
    ) -> Vec<Result<Sampled, SamplingError>> {
        let pairs = samplers.iter_mut().zip(rows);
        pairs.map(|(sampler, &(row, mask))| sampler.borrow_mut().sample(row, mask)).collect()
    }
    let count = samplers.len().min(rows.len());
    let (samplers, rows) = (&mut samplers[..count], &rows[..count]);
    let share = count.div_ceil(threads.get()).max(ROWS_A_THREAD);
    if count <= share {
        return draw(samplers, rows);
    }
    let (own, others) = samplers.split_at_mut(share);
    let (own_rows, other_rows) = rows.split_at(share);
    std::thread::scope(|scope| {
        let shares = others.chunks_mut(share).zip(other_rows.chunks(share));
        let workers: Vec<_> =
            shares.map(|(samplers, rows)| scope.spawn(move || draw(samplers, rows))).collect();
        let mut drawn = draw(own, own_rows);
        for worker in workers {
            match worker.join() {
                Ok(more) => drawn.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        drawn
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::SamplingParams;
    use crate::vocab::TokenId;

    #[test]
    fn threads_do_not_change_the_results() {
        let rows: Vec<Vec<f32>> =
            (0..23).map(|row| (0..50).map(|token| ((row * token) % 7) as f32).collect()).collect();
        let mask = [0xffff_fffeu32, 0xf];
        let draws: Vec<(LogitRow<'_>, Option<&[u32]>)> = rows
            .iter()
            .enumerate()
            .map(|(at, row)| (LogitRow::from(row), (at % 2 == 0).then_some(&mask[..])))
            .collect();
        let samplers: Vec<Sampler> =
            (0..23).map(|seed| Sampler::new(SamplingParams::default().seed(seed)).unwrap()).collect();
        let each: Vec<_> = samplers
            .iter()
            .zip(&draws)
            .map(|(sampler, &(row, mask))| sampler.clone().sample(row, mask))
            .collect();
        for threads in [1, 2, 5, 64] {
            let threads = NonZeroUsize::new(threads).unwrap();
            assert_eq!(sample_batch(&mut samplers.clone(), &draws, threads), each, "{threads} threads");
            let mut own = samplers.clone();
            let mut lent: Vec<&mut Sampler> = own.iter_mut().collect();
            assert_eq!(sample_batch(&mut lent, &draws, threads), each, "{threads} threads");
        }
    }

    #[test]
    fn a_row_that_fails_stops_no_other() {
        let sampler = Sampler::new(SamplingParams::default().temperature(0.0)).unwrap();
        let (good, bad) = ([0.0f32, 1.0], [f32::NAN, 1.0]);
        let draws = [((&bad[..]).into(), None), ((&good[..]).into(), None)];
        let drawn = sample_batch(&mut [sampler.clone(), sampler.clone(), sampler], &draws, NonZeroUsize::MIN);
        assert_eq!(drawn[0], Err(SamplingError::NotANumber(TokenId(0))));
        assert_eq!(drawn[1].as_ref().unwrap().token, TokenId(1));
        assert_eq!(drawn.len(), 2);
    }
}
