//! Masks applied to logits: a logit becomes −∞ if the mask's bit is 0.
//!
//! Each row is the work of [`mask_logits`]. Rows have a stride: they may lie in a larger tensor,
//! and may share one mask.
//!
//! Unsafe code: pointers and strides become slices in [`boundary`]; every row is checked to lie
//! inside.
#![allow(unsafe_code)]

use super::boundary::{self, CallError};
use super::error::hr_error;
use super::status::hr_status;
use crate::vocab::mask_logits;

/// Forbids tokens in rows of 32-bit logits: every logit whose bit in the mask is 0 becomes
/// -infinity. Other logits are unchanged.
///
/// Row r begins at logits + r * row_stride and has columns logits. Its mask begins at masks + r *
/// mask_stride and has mask_words words (token i is bit i % 32 of word i / 32). Strides count
/// elements. mask_stride 0 gives all rows the same mask. Tokens beyond the mask's end are
/// forbidden, as the padding of a model's output must be. Words beyond the row's end are ignored.
///
/// Several threads may work on different rows at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_mask_logits_f32(
    logits: *mut f32,
    rows: usize,
    columns: usize,
    row_stride: usize,
    masks: *const u32,
    mask_words: usize,
    mask_stride: usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let shape = Shape { rows, columns, row_stride, mask_words, mask_stride };
    unsafe { boundary::return_status(error, || apply_masks(logits, masks, shape, f32::NEG_INFINITY)) }
}

/// As hr_mask_logits_f32(), for IEEE 754 half precision given by its bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_mask_logits_f16(
    logits: *mut u16,
    rows: usize,
    columns: usize,
    row_stride: usize,
    masks: *const u32,
    mask_words: usize,
    mask_stride: usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let shape = Shape { rows, columns, row_stride, mask_words, mask_stride };
    unsafe { boundary::return_status(error, || apply_masks(logits, masks, shape, F16_NEG_INFINITY)) }
}

/// As hr_mask_logits_f32(), for bfloat16 given by its bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_mask_logits_bf16(
    logits: *mut u16,
    rows: usize,
    columns: usize,
    row_stride: usize,
    masks: *const u32,
    mask_words: usize,
    mask_stride: usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let shape = Shape { rows, columns, row_stride, mask_words, mask_stride };
    unsafe { boundary::return_status(error, || apply_masks(logits, masks, shape, BF16_NEG_INFINITY)) }
}

const F16_NEG_INFINITY: u16 = 0xfc00;
const BF16_NEG_INFINITY: u16 = 0xff80;

/// The shape of a batch: rows of logits, each with a mask. Strides count elements.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) mask_words: usize,
    pub(super) mask_stride: usize,
}

impl Shape {
    /// Borrows the rows of logits to read them. Relies on rows of this shape at `logits`.
    pub(super) unsafe fn logit_rows<'a, T: Copy>(&self, logits: *const T) -> Result<Vec<&'a [T]>, CallError> {
        unsafe { self.rows(logits, self.row_stride, self.columns, "logits") }
    }

    /// Borrows the masks of the rows. Relies on masks of this shape at `masks`.
    pub(super) unsafe fn mask_rows<'a>(&self, masks: *const u32) -> Result<Vec<&'a [u32]>, CallError> {
        unsafe { self.rows(masks, self.mask_stride, self.mask_words, "masks") }
    }

    /// Borrows the rows: each has `width` elements, and they begin `stride` elements apart. The
    /// memory between them is the caller's, so no slice covers it. Relies on such rows at `start`.
    unsafe fn rows<'a, T: Copy>(
        &self,
        start: *const T,
        stride: usize,
        width: usize,
        name: &str,
    ) -> Result<Vec<&'a [T]>, CallError> {
        boundary::check_extent(start, boundary::strided_len(self.rows, stride, width, name)?, name)?;
        (0..self.rows)
            .map(|row| unsafe { boundary::slice(start.wrapping_add(row.wrapping_mul(stride)), width, name) })
            .collect()
    }
}

/// Applies each row's mask: forbidden tokens get the logit `forbidden`. Relies on rows of this
/// shape at `logits` and `masks`.
unsafe fn apply_masks<T: Copy>(
    logits: *mut T,
    masks: *const u32,
    shape: Shape,
    forbidden: T,
) -> Result<(), CallError> {
    if shape.rows > 1 && shape.row_stride < shape.columns {
        return Err(CallError::invalid_argument(format!(
            "row_stride is {}, so that rows of {} logits overlap",
            shape.row_stride, shape.columns
        )));
    }
    let Shape { rows, columns, row_stride, mask_words, mask_stride } = shape;
    let logits_len = boundary::strided_len(rows, row_stride, columns, "logits")?;
    let masks_len = boundary::strided_len(rows, mask_stride, mask_words, "masks")?;
    let logits = unsafe { boundary::slice_mut(logits, logits_len, "logits")? };
    let masks = unsafe { boundary::slice(masks, masks_len, "masks")? };
    if logits_len == 0 {
        return Ok(());
    }
    for row in 0..rows {
        let mask: &[u32] = match masks_len {
            0 => &[],
            _ => &masks[row * mask_stride..][..mask_words],
        };
        mask_logits(&mut logits[row * row_stride..][..columns], mask, forbidden);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr;

    const NO: f32 = f32::NEG_INFINITY;

    #[test]
    fn rows_have_strides() {
        let mut logits = [1.0f32; 7];
        let masks = [0b01, 99, 0b10];
        let status = unsafe {
            hr_mask_logits_f32(logits.as_mut_ptr(), 2, 2, 4, masks.as_ptr(), 1, 2, ptr::null_mut())
        };
        assert_eq!(status, hr_status::HR_OK);
        assert_eq!(logits, [1.0, NO, 1.0, 1.0, NO, 1.0, 1.0]);
        let shared = unsafe {
            hr_mask_logits_f32(logits.as_mut_ptr(), 2, 2, 2, masks.as_ptr(), 1, 0, ptr::null_mut())
        };
        assert_eq!(shared, hr_status::HR_OK);
        assert_eq!(logits, [1.0, NO, 1.0, NO, NO, 1.0, 1.0]);
    }

    #[test]
    fn halves_get_their_own_infinity() {
        let (mut f16, mut bf16) = ([0x3c00u16; 2], [0x3f80u16; 2]);
        let mask = [0b10u32];
        unsafe {
            hr_mask_logits_f16(f16.as_mut_ptr(), 1, 2, 2, mask.as_ptr(), 1, 1, ptr::null_mut());
            hr_mask_logits_bf16(bf16.as_mut_ptr(), 1, 2, 2, mask.as_ptr(), 1, 1, ptr::null_mut());
        }
        assert_eq!((f16, bf16), ([0xfc00, 0x3c00], [0xff80, 0x3f80]));
    }

    #[test]
    fn impossible_shapes_are_refused() {
        let mut logits = [0.0f32; 4];
        let bad = hr_status::HR_ERROR_INVALID_ARGUMENT;
        let mut call = |rows, columns, stride, words, mask_stride| unsafe {
            hr_mask_logits_f32(
                logits.as_mut_ptr(),
                rows,
                columns,
                stride,
                [0u32; 4].as_ptr(),
                words,
                mask_stride,
                ptr::null_mut(),
            )
        };
        assert_eq!(call(2, 3, 1, 1, 0), bad);
        assert_eq!(call(usize::MAX, 2, usize::MAX, 1, 0), bad);
        assert_eq!(call(1, usize::MAX, 0, 1, 0), bad);
        assert_eq!(call(3, 1, 1, 1, usize::MAX), bad);
        assert_eq!(call(0, usize::MAX, usize::MAX, usize::MAX, usize::MAX), hr_status::HR_OK);
        assert_eq!(call(usize::MAX, 0, usize::MAX, 0, usize::MAX), hr_status::HR_OK);
        let null =
            unsafe { hr_mask_logits_f32(ptr::null_mut(), 1, 1, 1, ptr::null(), 0, 0, ptr::null_mut()) };
        assert_eq!(null, bad);
    }
}
