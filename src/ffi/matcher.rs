//! Matchers: `hr_matcher`, one sequence's position in a constraint.
//!
//! "This token is not allowed" is a result, not an error: `advance` returns false and changes
//! nothing.
//!
//! Unsafe code: entry points that take pointers; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, CallError, Poisonable};
use super::constraint::hr_constraint;
use super::error::hr_error;
use super::interrupt::{self, hr_interrupt};
use super::status::hr_status;
use super::vocab::{self, hr_vocab};
use crate::engine::{Matcher, fill_mask_rows};
use crate::vocab::TokenId;
use std::num::NonZeroUsize;

/// One sequence's position in a constraint. Made by hr_matcher_new() and hr_matcher_clone(), freed
/// by hr_matcher_free().
///
/// One thread at a time may use it; it may move between threads. Different threads may use matchers
/// of one constraint at once. It keeps its constraint alive.
pub struct hr_matcher(pub(super) Poisonable<Matcher>);

/// Makes a matcher at the beginning of an output. Cheap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_matcher_new(
    constraint: *const hr_constraint,
    out: *mut *mut hr_matcher,
    error: *mut *mut hr_error,
) -> hr_status {
    let make = || unsafe {
        Ok(hr_matcher(Poisonable::new(boundary::object(constraint, "constraint")?.0.matcher())))
    };
    unsafe { boundary::create_object(out, error, make) }
}

/// A handle to the matcher's vocabulary, to be freed by the caller; NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_matcher_vocab(matcher: *const hr_matcher) -> *mut hr_vocab {
    boundary::return_new_object(|| {
        Some(hr_vocab(unsafe { matcher.as_ref() }?.0.get().ok()?.vocabulary().clone()))
    })
}

/// Sets the conditions under which later calls on a matcher end early; NULL for none. They also
/// hold for matchers that are cloned from it later, but for no other matchers of its constraint.
///
/// A call that ends early fails with HR_ERROR_LIMIT or HR_ERROR_CANCELLED. It has changed nothing
/// and may be repeated. While the flag is set, all calls fail, except that masks which are
/// remembered already are still given. The struct and the flag may be freed at once: the matcher
/// keeps the flag's state.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_matcher_set_interrupt(
    matcher: *mut hr_matcher,
    interrupt: *const hr_interrupt,
    error: *mut *mut hr_error,
) -> hr_status {
    let work = |matcher: &mut Matcher| {
        matcher.set_interrupt(unsafe { interrupt::read(interrupt)? });
        Ok(())
    };
    unsafe { boundary::change_state(matcher, error, work) }
}

/// Writes the mask of the tokens that are allowed next: bit i % 32 of word i / 32 is 1 if token i
/// is allowed. The tokens that end a sequence are among them if the output so far is complete.
///
/// words must be hr_vocab_mask_words() of the vocabulary. Bits past the vocabulary's end are 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_matcher_fill_mask(
    matcher: *mut hr_matcher,
    mask: *mut u32,
    words: usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let work =
        |matcher: &mut Matcher| Ok(matcher.fill_mask(unsafe { boundary::slice_mut(mask, words, "mask")? })?);
    unsafe { boundary::change_state(matcher, error, work) }
}

/// The ids of the tokens that are allowed next, in ascending order. This is the mask of
/// hr_matcher_fill_mask() as a list, for positions with few allowed tokens.
///
/// Writes as many ids as fit into the buffer and sets count to the number of all; a buffer of
/// capacity 0 may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_matcher_allowed_tokens(
    matcher: *mut hr_matcher,
    buffer: *mut u32,
    capacity: usize,
    count: *mut usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let list = || unsafe {
        boundary::object_mut(matcher, "matcher")?.0.change(|matcher| {
            let size = matcher.vocabulary().size();
            let mut mask = vec![0; size.div_ceil(32)];
            matcher.fill_mask(&mut mask)?;
            let allowed = |id: &u32| mask[*id as usize / 32] >> (id % 32) & 1 == 1;
            Ok((0..size as u32).filter(allowed).collect::<Vec<u32>>())
        })
    };
    unsafe { boundary::write_list(buffer, capacity, count, error, list) }
}

/// Fills the masks of many matchers, each as hr_matcher_fill_mask() does. They may be of different
/// constraints. No matcher may occur twice.
///
/// The mask of matchers[i] begins at masks + rows[i] * words. rows may be NULL, which stands for 0,
/// 1, 2 and so on; it may not hold a number twice. Other rows are unchanged. words must be
/// hr_vocab_mask_words() of the vocabulary, and the vocabularies of all matchers equally large. At
/// most threads threads compute the masks, without influence on the result; 0 and 1 start none.
///
/// If single matchers fail, because of a limit for example, the masks of all others are still
/// written. The call then returns the status of the first that failed, and error receives its
/// error. row_errors may be NULL; otherwise it has count places, and the place i receives the error
/// of matchers[i], which the caller frees, or NULL. Impossible arguments leave row_errors
/// unchanged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_matchers_fill_masks(
    matchers: *const *mut hr_matcher,
    count: usize,
    rows: *const usize,
    masks: *mut u32,
    words: usize,
    threads: usize,
    row_errors: *mut *mut hr_error,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let matchers = boundary::objects_mut(matchers, count, "matchers")?;
        let mut guarded: Vec<_> = matchers.into_iter().map(|matcher| &mut matcher.0).collect();
        let row_errors = boundary::RowErrors::new(row_errors, count)?;
        let consecutive: Vec<usize>;
        let rows = match rows.is_null() {
            true => {
                consecutive = (0..count).collect();
                &consecutive[..]
            }
            false => boundary::slice(rows, count, "rows")?,
        };
        let rows = split_rows(rows, masks, words)?;
        let failures = Poisonable::change_all(&mut guarded, |matchers| {
            matchers.iter().try_for_each(|matcher| check_mask_words(matcher, words))?;
            let threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
            Ok(fill_mask_rows(matchers, rows, threads))
        })?;
        row_errors.write(failures.into_iter().map(|(row, error)| (row, error.into())))
    };
    unsafe { boundary::return_status(error, body) }
}

/// Refuses a number of words that is not that of the matcher's masks.
fn check_mask_words(matcher: &Matcher, words: usize) -> Result<(), CallError> {
    let needed = matcher.vocabulary().size().div_ceil(32);
    if words != needed {
        return Err(CallError::invalid_argument(format!("words is {words}, but a mask has {needed}")));
    }
    Ok(())
}

/// Borrows the rows of `masks` with these numbers, each of `words` words. Relies on `masks` being
/// NULL or having all of these rows, and on no other use of them meanwhile.
unsafe fn split_rows<'a>(
    rows: &[usize],
    masks: *mut u32,
    words: usize,
) -> Result<Vec<&'a mut [u32]>, CallError> {
    if boundary::has_duplicate(rows) {
        return Err(CallError::invalid_argument("rows holds the same row twice"));
    }
    let count = rows.iter().max().map_or(Some(0), |last| last.checked_add(1));
    let extent = count.and_then(|count| count.checked_mul(words));
    let extent = extent.ok_or_else(|| CallError::invalid_argument("masks: words times rows overflows"))?;
    // The rows between the requested ones belong to the caller, so no slice covers them.
    boundary::check_extent(masks, extent, "masks")?;
    rows.iter()
        .map(|row| unsafe { boundary::slice_mut(masks.wrapping_add(row * words), words, "masks") })
        .collect()
}

/// Fills the mask after every node of a tree of guessed tokens, for speculative decoding. The
/// matcher does not move.
///
/// Node i is tokens[i] after node parents[i], which must be lower than i, or after the matcher's
/// position if parents[i] is -1. The row at masks + i * stride receives the tokens allowed after
/// the path to node i. It has words words, which must be hr_vocab_mask_words() of the vocabulary.
/// hr_matcher_fill_mask() gives the tokens allowed before all nodes.
///
/// allowed[i] becomes true if all tokens on the path to node i are allowed; if not, the row is all
/// zeros. allowed may be NULL.
#[unsafe(no_mangle)]
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
        let tokens = vocab::token_slice(tokens, count, "tokens")?;
        let parents = boundary::slice(parents, count, "parents")?.iter().map(|&parent| match parent {
            -1 => Ok(None),
            parent => usize::try_from(parent).map(Some).map_err(|_| parent),
        });
        let parents: Result<Vec<_>, i32> = parents.collect();
        let parents = parents.map_err(|parent| {
            CallError::invalid_argument(format!("parents holds {parent}, which is no node"))
        })?;
        let masks_len = boundary::strided_len(count, stride, words, "masks")?;
        let masks = boundary::slice_mut(masks, masks_len, "masks")?;
        // The memory may never have been initialised, and then holds no valid `bool`.
        let allowed = boundary::optional_slice_mut(allowed.cast::<u8>(), count, "allowed")?;
        let found = matcher.0.change(|matcher| {
            check_mask_words(matcher, words)?;
            Ok(matcher.mask_draft_tree(tokens, &parents, masks, stride)?)
        })?;
        allowed.iter_mut().zip(found).for_each(|(place, allowed)| *place = u8::from(allowed));
        Ok(())
    };
    unsafe { boundary::return_status(error, body) }
}

/// Sets allowed to true if a token is allowed next. For a single token this is cheaper than a mask.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_matcher_allows(
    matcher: *mut hr_matcher,
    token: u32,
    allowed: *mut bool,
    error: *mut *mut hr_error,
) -> hr_status {
    unsafe {
        boundary::change_state_with_result(matcher, allowed, "allowed", error, |matcher| {
            Ok(matcher.allows(TokenId(token))?)
        })
    }
}

/// Moves by one token. accepted becomes false, and nothing changes, if the token is not allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_matcher_advance(
    matcher: *mut hr_matcher,
    token: u32,
    accepted: *mut bool,
    error: *mut *mut hr_error,
) -> hr_status {
    unsafe {
        boundary::change_state_with_result(matcher, accepted, "accepted", error, |matcher| {
            Ok(matcher.advance(TokenId(token))?)
        })
    }
}

/// Moves by several tokens, one step for each, up to the first that is not allowed. accepted
/// becomes the number of steps. A call that fails has moved by none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_matcher_advance_all(
    matcher: *mut hr_matcher,
    tokens: *const u32,
    count: usize,
    accepted: *mut usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let work = |matcher: &mut Matcher| {
        Ok(matcher.advance_all(unsafe { vocab::token_slice(tokens, count, "tokens")? })?)
    };
    unsafe { boundary::change_state_with_result(matcher, accepted, "accepted", error, work) }
}

/// Moves by bytes, however tokens would spell them; they count as one step. accepted becomes false,
/// and nothing changes, if they are not allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_matcher_advance_bytes(
    matcher: *mut hr_matcher,
    bytes: *const u8,
    len: usize,
    accepted: *mut bool,
    error: *mut *mut hr_error,
) -> hr_status {
    let work =
        |matcher: &mut Matcher| Ok(matcher.advance_bytes(unsafe { boundary::slice(bytes, len, "bytes")? })?);
    unsafe { boundary::change_state_with_result(matcher, accepted, "accepted", error, work) }
}

/// Moves by a text in which special tokens stand by their names, as decoders write them. accepted
/// becomes false, and nothing changes, if the text is not allowed. Each token counts as a step, and
/// so do the bytes between two tokens.
///
/// A special token's name in the text may mean the token or the plain bytes, so both readings are
/// tried. If both are allowed, a reading after which the output is complete is preferred. Among the
/// rest, one that reads the token is preferred.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_matcher_advance_text(
    matcher: *mut hr_matcher,
    text: *const u8,
    len: usize,
    accepted: *mut bool,
    error: *mut *mut hr_error,
) -> hr_status {
    let work =
        |matcher: &mut Matcher| Ok(matcher.advance_text(unsafe { boundary::slice(text, len, "text")? })?);
    unsafe { boundary::change_state_with_result(matcher, accepted, "accepted", error, work) }
}

/// Counts the tokens that are allowed one after the other, up to the first that is not. The matcher
/// does not move.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_matcher_validate(
    matcher: *mut hr_matcher,
    tokens: *const u32,
    count: usize,
    accepted: *mut usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let work = |matcher: &mut Matcher| {
        Ok(matcher.validate(unsafe { vocab::token_slice(tokens, count, "tokens")? })?)
    };
    unsafe { boundary::change_state_with_result(matcher, accepted, "accepted", error, work) }
}

/// Undoes the last steps. Fails, and undoes none, if there are fewer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_matcher_rollback(
    matcher: *mut hr_matcher,
    steps: usize,
    error: *mut *mut hr_error,
) -> hr_status {
    unsafe { boundary::change_state(matcher, error, |matcher| Ok(matcher.rollback(steps)?)) }
}

/// Returns to the beginning of the output.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_matcher_reset(matcher: *mut hr_matcher, error: *mut *mut hr_error) -> hr_status {
    let work = |matcher: &mut Matcher| {
        matcher.reset();
        Ok(())
    };
    unsafe { boundary::change_state(matcher, error, work) }
}

/// True if the output so far is complete; tokens may still follow it. False for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_matcher_is_accepting(matcher: *const hr_matcher) -> bool {
    boundary::return_value_or(false, || Some(unsafe { matcher.as_ref() }?.0.get().ok()?.is_accepting()))
}

/// True if a token that ends the sequence was read; from then on only such tokens are allowed.
/// False for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_matcher_is_stopped(matcher: *const hr_matcher) -> bool {
    boundary::return_value_or(false, || Some(unsafe { matcher.as_ref() }?.0.get().ok()?.is_stopped()))
}

/// Number of steps read so far. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_matcher_output_len(matcher: *const hr_matcher) -> usize {
    boundary::return_value_or(0, || Some(unsafe { matcher.as_ref() }?.0.get().ok()?.output_len()))
}

/// A number for the state of a matcher. Matchers of one constraint with equal numbers have equal
/// masks, now and after the same further tokens. Matchers with different numbers may have equal
/// masks too. 0 for NULL.
///
/// The upper 32 bits count how often the constraint has dropped its states because they exceeded
/// graph_bytes of hr_limits. A number never stands for two different states, so a cache may use it
/// as a key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_matcher_state_id(matcher: *const hr_matcher) -> u64 {
    boundary::return_value_or(0, || Some(unsafe { matcher.as_ref() }?.0.get().ok()?.state_id()))
}

/// Tokens that complete the output with a text that is as short as possible, or a few bytes longer
/// if its parts depend on each other; no tokens if the output is complete. Each is allowed after
/// the ones before it. found becomes false if a bounded search finds no such sequence. The matcher
/// does not move.
///
/// Writes as many ids as fit into the buffer and sets count to the number of all; a buffer of
/// capacity 0 may be NULL.
#[unsafe(no_mangle)]
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
        let found = boundary::out_parameter(found, "found")?;
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
    unsafe { boundary::return_status(error, body) }
}

/// The bytes that must come next, up to the first choice. The matcher does not move.
///
/// Writes as many bytes as fit into the buffer and sets len to the number of all; a buffer of
/// capacity 0 may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_matcher_forced_bytes(
    matcher: *mut hr_matcher,
    buffer: *mut u8,
    capacity: usize,
    len: *mut usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let forced = |matcher: &mut Matcher| Ok(matcher.forced_bytes()?);
    let list = || unsafe { boundary::object_mut(matcher, "matcher")?.0.change(forced) };
    unsafe { boundary::write_list(buffer, capacity, len, error, list) }
}

/// Tokens that spell the forced bytes, each the longest that fits. The last is left out if a longer
/// token could begin with it. Each is allowed after the ones before it, so they may be read without
/// asking a model. The matcher does not move.
///
/// Writes as many ids as fit into the buffer and sets count to the number of all; a buffer of
/// capacity 0 may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_matcher_forced_tokens(
    matcher: *mut hr_matcher,
    buffer: *mut u32,
    capacity: usize,
    count: *mut usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let forced = |matcher: &mut Matcher| Ok(matcher.forced_tokens()?);
    let list = || unsafe { boundary::object_mut(matcher, "matcher")?.0.change(forced) };
    unsafe { boundary::write_list(buffer.cast::<TokenId>(), capacity, count, error, list) }
}
