//! Text to tokens, by a model's own tokenizer: `hr_tokenizer`.
//!
//! Unsafe code: entry points that take pointers; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary;
use super::error::hr_error;
use super::status::hr_status;
use crate::vocab::TextTokenizer;
use std::ffi::c_char;

/// A model's tokenizer: text to tokens, as the model was trained on them. Made by
/// hr_tokenizer_from_json(), freed by hr_tokenizer_free().
///
/// It never changes: any number of threads may use it at once.
pub struct hr_tokenizer(TextTokenizer);

/// Reads a Hugging Face tokenizer.json.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_tokenizer_from_json(
    json: *const c_char,
    json_len: usize,
    out: *mut *mut hr_tokenizer,
    error: *mut *mut hr_error,
) -> hr_status {
    let make = || unsafe {
        let json = boundary::slice(json.cast::<u8>(), json_len, "json")?;
        Ok(hr_tokenizer(TextTokenizer::from_tokenizer_json(json)?))
    };
    unsafe { boundary::create_object(out, error, make) }
}

/// The tokens of a text; special tokens are recognised by their names, and none are added. As many
/// as fit are written to buffer (NULL with capacity 0 to ask), and len becomes the number of all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_tokenizer_encode(
    tokenizer: *const hr_tokenizer,
    text: *const c_char,
    text_len: usize,
    buffer: *mut u32,
    capacity: usize,
    len: *mut usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let list = || unsafe {
        let text = boundary::text(text, text_len, "text")?;
        let tokens = boundary::object(tokenizer, "tokenizer")?.0.encode(text)?;
        Ok(tokens.into_iter().map(|token| token.0).collect::<Vec<u32>>())
    };
    unsafe { boundary::write_list(buffer, capacity, len, error, list) }
}
