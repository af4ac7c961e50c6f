//! Masks applied to logits.

/// Forbids tokens in a row of logits: every logit whose bit in the mask is 0 becomes `forbidden`.
///
/// Token `i` is bit `i % 32` of word `i / 32`, as in [`Vocabulary::mask_buffer`]. Tokens beyond the
/// mask's end are forbidden, as the padding of a model's output must be. Words beyond the row's end
/// are ignored. The cost is one pass over the mask, and writes for the forbidden tokens: a word of
/// 32 ones is skipped, and a word of zeros is filled.
///
/// ```
/// let mut logits = [0.5, 1.5, 2.5];
/// hedgerow::vocab::mask_logits(&mut logits, &[0b101], f32::NEG_INFINITY);
/// assert_eq!(logits, [0.5, f32::NEG_INFINITY, 2.5]);
/// ```
///
/// [`Vocabulary::mask_buffer`]: super::Vocabulary::mask_buffer
pub fn mask_logits<T: Copy>(logits: &mut [T], mask: &[u32], forbidden: T) {
    let covered = logits.len().min(mask.len().saturating_mul(32));
    let (inside, beyond) = logits.split_at_mut(covered);
    for (part, &word) in inside.chunks_mut(32).zip(mask) {
        match word {
            u32::MAX => {}
            0 => part.fill(forbidden),
            _ => {
                for (bit, logit) in part.iter_mut().enumerate() {
                    if word >> bit & 1 == 0 {
                        *logit = forbidden;
                    }
                }
            }
        }
    }
    beyond.fill(forbidden);
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO: f32 = f32::NEG_INFINITY;

    #[test]
    fn bits_decide() {
        for columns in [0, 1, 31, 32, 33, 64, 100] {
            for mask in [&[][..], &[0], &[u32::MAX, 0xffff_0001, 3], &[0, u32::MAX, u32::MAX, u32::MAX, 7]] {
                let mut row: Vec<f32> = (0..columns).map(|i| i as f32).collect();
                mask_logits(&mut row, mask, NO);
                for (i, &logit) in row.iter().enumerate() {
                    let allowed = mask.get(i / 32).is_some_and(|word| word >> (i % 32) & 1 == 1);
                    assert_eq!(logit, if allowed { i as f32 } else { NO }, "{columns} {mask:?} {i}");
                }
            }
        }
    }
}
