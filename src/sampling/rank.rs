//! The order of tokens by logit, as a number: falling logits, and rising ids among equals.

/// A number that grows with the logit, and for equal logits with falling id.
pub(crate) fn rank(logit: f32, id: u32) -> u64 {
    // Adding 0 turns −0 into +0: they are equal as logits.
    let bits = (logit + 0.0).to_bits();
    let ordered = if bits >> 31 != 0 { !bits } else { bits | 1 << 31 };
    (ordered as u64) << 32 | !id as u64
}
