//! Matchers: `hr_matcher`, one sequence's position in a constraint.
//!
//! "This token is not allowed" is a result, not an error: `advance` answers false and nothing has changed.
//!
//! Unsafe code: entry points that take pointers; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, Failure, Guarded};
use super::constraint::hr_constraint;
use super::error::hr_error;
use super::interrupt::{self, hr_interrupt};
use super::status::hr_status;
use super::vocab;
use crate::engine::{fill_masks, Matcher};
use crate::vocab::TokenId;
use std::num::NonZeroUsize;

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

/// Says when calls on a matcher end early, from now on, and on those cloned from it later; NULL for never. Other matchers of its
/// constraint are not concerned.
///
/// A call that was ended fails with HR_ERROR_LIMIT or HR_ERROR_CANCELLED, has changed nothing and may be repeated; so do all calls
/// while the flag is set. A mask that is known already is written in any case. The struct may be freed at once, and so may the
/// flag: the matcher keeps what it needs of it alive.
#[no_mangle]
pub unsafe extern "C" fn hr_matcher_set_interrupt(
    matcher: *mut hr_matcher,
    interrupt: *const hr_interrupt,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let matcher = boundary::object_mut(matcher, "matcher")?;
        let interrupt = interrupt::read(interrupt)?;
        matcher.0.change(|matcher| {
            matcher.set_interrupt(interrupt);
            Ok(())
        })
    };
    unsafe { boundary::guard(error, body) }
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

/// Fills the masks of many matchers, each as hr_matcher_fill_mask() does; they may be of different constraints.
///
/// The mask of matchers[i] begins at masks + i * words. words must be hr_vocab_mask_words() of the vocabulary, and the
/// matchers' vocabularies equally large. The rows are shared out over at most threads threads, which changes nothing about them; 0
/// and 1 start none. No matcher may occur twice. If a limit is exceeded, some rows may have been written.
#[no_mangle]
pub unsafe extern "C" fn hr_matchers_fill_masks(
    matchers: *const *mut hr_matcher,
    count: usize,
    masks: *mut u32,
    words: usize,
    threads: usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let pointers = boundary::slice(matchers, count, "matchers")?;
        let mut sorted = pointers.to_vec();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Failure::argument("matchers holds the same matcher twice"));
        }
        let matchers: Result<Vec<_>, Failure> =
            pointers.iter().map(|&matcher| boundary::object_mut(matcher, "a member of matchers")).collect();
        let all =
            words.checked_mul(count).ok_or_else(|| Failure::argument("masks: words * count overflows"))?;
        let masks = boundary::slice_mut(masks, all, "masks")?;
        let mut guarded: Vec<_> = matchers?.into_iter().map(|matcher| &mut matcher.0).collect();
        Guarded::change_all(&mut guarded, |matchers| {
            let threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
            Ok(fill_masks(matchers, masks, threads)?)
        })
    };
    unsafe { boundary::guard(error, body) }
}

/// Fills the mask behind every node of a tree of guessed tokens, for speculative decoding. The matcher does not move.
///
/// Node i is tokens[i] behind node parents[i], which must be lower than i, or behind the matcher's position where that is -1. The row
/// at masks + i * stride receives what may come once the path to node i has been read; it has words words, which must be
/// hr_vocab_mask_words() of the vocabulary. What may come before all nodes is what hr_matcher_fill_mask() says.
///
/// allowed[i] becomes whether the path to node i may come; where it may not, the row is all zeros. allowed may be NULL.
#[no_mangle]
pub unsafe extern "C" fn hr_matcher_mask_draft_tree(
    matcher: *mut hr_matcher,
    tokens: *const u32,
    parents: *const i32,
    count: usize,
    masks: *mut u32,
    words: usize,
    stride: usize,
    allowed: *mut bool,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let matcher = boundary::object_mut(matcher, "matcher")?;
        let tokens = vocab::tokens(tokens, count, "tokens")?;
        let parents = boundary::slice(parents, count, "parents")?.iter().map(|&parent| match parent {
            -1 => Ok(None),
            parent => usize::try_from(parent).map(Some).map_err(|_| parent),
        });
        let parents: Result<Vec<_>, i32> = parents.collect();
        let parents = parents
            .map_err(|parent| Failure::argument(format!("parents holds {parent}, which is no node")))?;
        let before_last = stride.checked_mul(count.saturating_sub(1));
        let all = before_last.and_then(|n| n.checked_add(if count == 0 { 0 } else { words }));
        let all =
            all.ok_or_else(|| Failure::argument(format!("masks: {count} rows of stride {stride} overflow")))?;
        let masks = boundary::slice_mut(masks, all, "masks")?;
        // What lies there may never have been initialised, and then is no `bool`.
        let wanted = if allowed.is_null() { 0 } else { count };
        let allowed = boundary::slice_mut(allowed.cast::<u8>(), wanted, "allowed")?;
        let found = matcher.0.change(|matcher| {
            let needed = matcher.vocabulary().size().div_ceil(32);
            if words != needed {
                return Err(Failure::argument(format!("words is {words}, but a mask has {needed}")));
            }
            Ok(matcher.mask_draft_tree(tokens, &parents, masks, stride)?)
        })?;
        allowed.iter_mut().zip(found).for_each(|(place, allowed)| *place = u8::from(allowed));
        Ok(())
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

/// A number for what may follow: matchers of one constraint with equal numbers have equal masks now and after every same
/// continuation. Different numbers say nothing. 0 for NULL.
///
/// The upper 32 bits count how often what the constraint remembers was dropped for want of memory (see hr_limits). No number is
/// given twice for different futures, so a cache keyed by it is never wrong; entries from before are just not met again.
#[no_mangle]
pub unsafe extern "C" fn hr_matcher_state_id(matcher: *const hr_matcher) -> u64 {
    boundary::value(0, || Some(unsafe { matcher.as_ref() }?.0.get().ok()?.state_id()))
}

/// Tokens that complete the output from here, a short way of many: none if it is complete. Each is allowed after the ones before
/// it. found becomes false where a bounded search finds no way. The matcher does not move.
///
/// Writes as many ids as fit into the buffer and sets count to how many there are in all; a buffer of capacity 0 may be NULL.
#[no_mangle]
pub unsafe extern "C" fn hr_matcher_completion(
    matcher: *mut hr_matcher,
    buffer: *mut u32,
    capacity: usize,
    count: *mut usize,
    found: *mut bool,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let matcher = boundary::object_mut(matcher, "matcher")?;
        let found = boundary::out(found, "found")?;
        let completion = matcher.0.change(|matcher| Ok(matcher.completion()?))?;
        boundary::copy_out(
            completion.as_deref().unwrap_or_default(),
            buffer.cast::<TokenId>(),
            capacity,
            count,
        )?;
        found.set(completion.is_some());
        Ok(())
    };
    unsafe { boundary::guard(error, body) }
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
