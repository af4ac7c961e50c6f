//! Matchers: `hr_matcher`, one sequence's position in a constraint.
//!
//! "This token is not allowed" is a result, not an error: `advance` answers false and nothing has changed.
//!
//! Unsafe code: entry points that take pointers; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, Guarded};
use super::constraint::hr_constraint;
use super::error::hr_error;
use super::status::hr_status;
use super::vocab;
use crate::engine::Matcher;
use crate::vocab::TokenId;

/// One sequence's position in a constraint. Made by hr_matcher_new() and hr_matcher_clone(), freed by hr_matcher_free().
///
/// One thread at a time may use it; it may move between threads, and matchers of one constraint may be used by different threads at
/// once. It keeps its constraint alive.
pub struct hr_matcher(Guarded<Matcher>);

/// Makes a matcher at the beginning of an output. Cheap.
#[no_mangle]
pub unsafe extern "C" fn hr_matcher_new(
    constraint: *const hr_constraint,
    out: *mut *mut hr_matcher,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let out = boundary::out(out, "out")?;
        let constraint = boundary::object(constraint, "constraint")?;
        out.object(hr_matcher(Guarded::new(constraint.0.matcher())));
        Ok(())
    };
    unsafe { boundary::guard(error, body) }
}

/// A second matcher at the same position, history included; both go on independently.
#[no_mangle]
pub unsafe extern "C" fn hr_matcher_clone(
    matcher: *const hr_matcher,
    out: *mut *mut hr_matcher,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let out = boundary::out(out, "out")?;
        let matcher = boundary::object(matcher, "matcher")?;
        out.object(hr_matcher(Guarded::new(matcher.0.get()?.fork())));
        Ok(())
    };
    unsafe { boundary::guard(error, body) }
}

/// Frees a matcher. NULL is fine.
#[no_mangle]
pub unsafe extern "C" fn hr_matcher_free(matcher: *mut hr_matcher) {
    unsafe { boundary::free(matcher) }
}

/// Writes which tokens may come next: bit i % 32 of word i / 32 is 1 if token i may. The tokens that end a sequence are
/// among them when the output so far is complete.
///
/// words must be hr_vocab_mask_words() of the vocabulary. Bits past the vocabulary's end are 0.
#[no_mangle]
pub unsafe extern "C" fn hr_matcher_fill_mask(
    matcher: *mut hr_matcher,
    mask: *mut u32,
    words: usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let matcher = boundary::object_mut(matcher, "matcher")?;
        let mask = boundary::slice_mut(mask, words, "mask")?;
        matcher.0.change(|matcher| Ok(matcher.fill_mask(mask)?))
    };
    unsafe { boundary::guard(error, body) }
}

/// Whether a token may come next. For a single token this is cheaper than a mask.
#[no_mangle]
pub unsafe extern "C" fn hr_matcher_allows(
    matcher: *mut hr_matcher,
    token: u32,
    allowed: *mut bool,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let matcher = boundary::object_mut(matcher, "matcher")?;
        let allowed = boundary::out(allowed, "allowed")?;
        allowed.set(matcher.0.change(|matcher| Ok(matcher.allows(TokenId(token))?))?);
        Ok(())
    };
    unsafe { boundary::guard(error, body) }
}

/// Moves on by a token. accepted becomes false, and nothing changes, if the token is not allowed here.
#[no_mangle]
pub unsafe extern "C" fn hr_matcher_advance(
    matcher: *mut hr_matcher,
    token: u32,
    accepted: *mut bool,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let matcher = boundary::object_mut(matcher, "matcher")?;
        let accepted = boundary::out(accepted, "accepted")?;
        accepted.set(matcher.0.change(|matcher| Ok(matcher.advance(TokenId(token))?))?);
        Ok(())
    };
    unsafe { boundary::guard(error, body) }
}

/// Moves on by bytes, whatever tokens would spell them; they count as one step. accepted becomes false, and nothing changes, if
/// they are not allowed here.
#[no_mangle]
pub unsafe extern "C" fn hr_matcher_advance_bytes(
    matcher: *mut hr_matcher,
    bytes: *const u8,
    len: usize,
    accepted: *mut bool,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let matcher = boundary::object_mut(matcher, "matcher")?;
        let bytes = boundary::slice(bytes, len, "bytes")?;
        let accepted = boundary::out(accepted, "accepted")?;
        accepted.set(matcher.0.change(|matcher| Ok(matcher.advance_bytes(bytes)?))?);
        Ok(())
    };
    unsafe { boundary::guard(error, body) }
}

/// How many of these tokens could be read from here, one after the other. The matcher does not move.
#[no_mangle]
pub unsafe extern "C" fn hr_matcher_validate(
    matcher: *mut hr_matcher,
    tokens: *const u32,
    count: usize,
    accepted: *mut usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let matcher = boundary::object_mut(matcher, "matcher")?;
        let tokens = vocab::tokens(tokens, count, "tokens")?;
        let accepted = boundary::out(accepted, "accepted")?;
        accepted.set(matcher.0.change(|matcher| Ok(matcher.validate(tokens)?))?);
        Ok(())
    };
    unsafe { boundary::guard(error, body) }
}

/// Takes back the last steps. Fails, and takes back none, if there are fewer.
#[no_mangle]
pub unsafe extern "C" fn hr_matcher_rollback(
    matcher: *mut hr_matcher,
    steps: usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let matcher = boundary::object_mut(matcher, "matcher")?;
        matcher.0.change(|matcher| Ok(matcher.rollback(steps)?))
    };
    unsafe { boundary::guard(error, body) }
}

/// Goes back to the beginning of the output.
#[no_mangle]
pub unsafe extern "C" fn hr_matcher_reset(matcher: *mut hr_matcher, error: *mut *mut hr_error) -> hr_status {
    let body = || unsafe {
        let matcher = boundary::object_mut(matcher, "matcher")?;
        matcher.0.change(|matcher| {
            matcher.reset();
            Ok(())
        })
    };
    unsafe { boundary::guard(error, body) }
}

/// Whether the output so far is complete; it may still go on. False for NULL.
#[no_mangle]
pub unsafe extern "C" fn hr_matcher_is_accepting(matcher: *const hr_matcher) -> bool {
    boundary::value(false, || Some(unsafe { matcher.as_ref() }?.0.get().ok()?.is_accepting()))
}

/// Whether a token that ends the sequence was read; from then on only such tokens are allowed. False for NULL.
#[no_mangle]
pub unsafe extern "C" fn hr_matcher_is_stopped(matcher: *const hr_matcher) -> bool {
    boundary::value(false, || Some(unsafe { matcher.as_ref() }?.0.get().ok()?.is_stopped()))
}

/// Number of steps read so far. 0 for NULL.
#[no_mangle]
pub unsafe extern "C" fn hr_matcher_output_len(matcher: *const hr_matcher) -> usize {
    boundary::value(0, || Some(unsafe { matcher.as_ref() }?.0.get().ok()?.output_len()))
}

/// The bytes that must come next, as far as there is only one way on; none if there is a choice. The matcher does not move.
///
/// Writes as many bytes as fit into the buffer and sets len to how many there are in all; a buffer of capacity 0 may be NULL.
#[no_mangle]
pub unsafe extern "C" fn hr_matcher_forced_bytes(
    matcher: *mut hr_matcher,
    buffer: *mut u8,
    capacity: usize,
    len: *mut usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let matcher = boundary::object_mut(matcher, "matcher")?;
        let bytes = matcher.0.change(|matcher| Ok(matcher.forced_bytes()?))?;
        boundary::copy_out(&bytes, buffer, capacity, len)
    };
    unsafe { boundary::guard(error, body) }
}

/// Tokens that spell the forced bytes, longest first; the last is held back where a longer token could begin with it. Each is
/// allowed after the ones before it, so that they may be read without asking a model. The matcher does not move.
///
/// Writes as many ids as fit into the buffer and sets count to how many there are in all; a buffer of capacity 0 may be NULL.
#[no_mangle]
pub unsafe extern "C" fn hr_matcher_forced_tokens(
    matcher: *mut hr_matcher,
    buffer: *mut u32,
    capacity: usize,
    count: *mut usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let matcher = boundary::object_mut(matcher, "matcher")?;
        let tokens = matcher.0.change(|matcher| Ok(matcher.forced_tokens()?))?;
        boundary::copy_out(&tokens, buffer.cast::<TokenId>(), capacity, count)
    };
    unsafe { boundary::guard(error, body) }
}
