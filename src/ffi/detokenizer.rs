//! The text of an output, token by token as it is generated: `hr_detokenizer`.
//!
//! Unsafe code: entry points that take pointers; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, CallError, Poisonable};
use super::error::hr_error;
use super::status::hr_status;
use super::vocab::{self, HR_NO_TOKEN, hr_text, hr_vocab};
use crate::vocab::{Detokenizer, TextEnd};

/// The text of one output, made from its tokens as they are generated. It ends at a stop text or at
/// an end token. Made by hr_detokenizer_new() and hr_detokenizer_clone(), freed by
/// hr_detokenizer_free().
///
/// One thread at a time may use it; it may move between threads. It keeps what it needs of its
/// vocabulary alive.
pub struct hr_detokenizer(pub(super) Poisonable<DetokenizerState>);

/// The state of an `hr_detokenizer`.
#[derive(Clone)]
pub(super) struct DetokenizerState {
    text: Detokenizer,
    /// The text that the last call released.
    released: String,
}

/// Makes a detokenizer for a new output. The output's text ends at the first of the count texts of
/// stop that occurs in it, or at an end token of the vocabulary. Empty texts are ignored.
///
/// Text is held back while it may still belong to a stop text that has begun, or to a character
/// whose bytes are not all there. A stop text is found even if it begins or ends within a token.
/// The first stop text to be complete ends the text. If several are complete at the same byte, the
/// longest counts. The stop text is no part of the text. Bytes that are not UTF-8 become U+FFFD.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_detokenizer_new(
    vocab: *const hr_vocab,
    stop: *const hr_text,
    count: usize,
    out: *mut *mut hr_detokenizer,
    error: *mut *mut hr_error,
) -> hr_status {
    let make = || unsafe {
        let vocabulary = &boundary::object(vocab, "vocab")?.0;
        let stop: Result<Vec<&str>, CallError> =
            boundary::slice(stop, count, "stop")?.iter().map(|text| text.get("a stop text")).collect();
        let text = Detokenizer::new(vocabulary, stop?.into_iter().map(str::as_bytes));
        Ok(hr_detokenizer(Poisonable::new(DetokenizerState { text, released: String::new() })))
    };
    unsafe { boundary::create_object(out, error, make) }
}

/// Reads tokens up to the end of the text. Special tokens, and ids that do not exist, have no text.
///
/// read, which may be NULL, becomes the number of tokens that were read, the one that ended the
/// text among them. released, which may be NULL, becomes the text that can now be shown. It is not
/// NUL-terminated, and lives until the next call that changes this object. ended becomes true if
/// the text has ended; later calls read nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_detokenizer_push(
    detokenizer: *mut hr_detokenizer,
    tokens: *const u32,
    count: usize,
    read: *mut usize,
    released: *mut hr_text,
    ended: *mut bool,
    error: *mut *mut hr_error,
) -> hr_status {
    let work = |state: &mut DetokenizerState| unsafe {
        let tokens = vocab::token_slice(tokens, count, "tokens")?;
        state.released.clear();
        let mut steps = 0;
        for &token in tokens {
            if state.text.end().is_some() {
                break;
            }
            state.released.push_str(state.text.push(token));
            steps += 1;
        }
        boundary::write_if_not_null(read, steps);
        boundary::write_if_not_null(released, hr_text::lend(&state.released));
        Ok(state.text.end().is_some())
    };
    unsafe { boundary::change_state_with_result(detokenizer, ended, "ended", error, work) }
}

/// Ends the text, because no token will follow. released, which may be NULL, becomes what was held
/// back, as for hr_detokenizer_push().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_detokenizer_finish(
    detokenizer: *mut hr_detokenizer,
    released: *mut hr_text,
    error: *mut *mut hr_error,
) -> hr_status {
    let work = |state: &mut DetokenizerState| {
        state.released.clear();
        state.released.push_str(state.text.finish());
        unsafe { boundary::write_if_not_null(released, hr_text::lend(&state.released)) };
        Ok(())
    };
    unsafe { boundary::change_state(detokenizer, error, work) }
}

/// All text that was released so far: UTF-8, not NUL-terminated, alive until the next call that
/// changes this object. Empty for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_detokenizer_text(detokenizer: *const hr_detokenizer) -> hr_text {
    let none = hr_text { data: std::ptr::null(), len: 0 };
    boundary::return_value_or(none, || {
        Some(hr_text::lend(unsafe { detokenizer.as_ref() }?.0.get().ok()?.text.text()))
    })
}

/// The stop text that ended the text. Returns false, and changes nothing, if none did, and for
/// NULL. It lives as long as this object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_detokenizer_stop_text(
    detokenizer: *const hr_detokenizer,
    stop: *mut hr_text,
) -> bool {
    boundary::return_value_or(false, || {
        let state = unsafe { detokenizer.as_ref() }?.0.get().ok()?;
        let Some(TextEnd::StopString(bytes)) = state.text.end() else { return None };
        // Stop texts are given as UTF-8, so this cannot fail.
        let text = std::str::from_utf8(bytes).ok()?;
        unsafe { boundary::write_if_not_null(stop, hr_text::lend(text)) };
        Some(true)
    })
}

/// The end token that ended the text; HR_NO_TOKEN if none did, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_detokenizer_end_token(detokenizer: *const hr_detokenizer) -> u32 {
    boundary::return_value_or(HR_NO_TOKEN, || {
        match unsafe { detokenizer.as_ref() }?.0.get().ok()?.text.end()? {
            TextEnd::EndToken(token) => Some(token.0),
            _ => None,
        }
    })
}
