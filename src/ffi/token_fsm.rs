//! State machines over tokens: `hr_token_fsm`, all states of a constraint that has finitely many.
//!
//! Unsafe code: entry points that take pointers; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary;
use super::constraint::hr_constraint;
use super::error::hr_error;
use super::interrupt::{self, hr_interrupt};
use super::status::hr_status;
use crate::engine::TokenFsm;
use crate::vocab::TokenId;

/// All states of a constraint, with the tokens that each allows and the states that they lead to.
/// It serves loops that run without this library, such as on a GPU. Made by hr_token_fsm_new() or
/// hr_token_fsm_from_bytes(), freed by hr_token_fsm_free().
///
/// It never changes: any number of threads may use it at once. It needs neither constraint nor
/// vocabulary.
///
/// States are numbered from 0, which is the one before the first token. A token that ends the
/// sequence leads to a state of its own, in which only such tokens are allowed. Tokens that behave
/// the same in every state are of one class; class 0 is allowed in no state.
pub struct hr_token_fsm(TokenFsm);

/// Computes all states of a constraint, with equal ones merged. interrupt may be NULL.
///
/// Fails with HR_ERROR_LIMIT if there are more than max_states before they are merged. A recursive
/// grammar, for example, has infinitely many states. The time is proportional to the number of
/// states times the number of allowed tokens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_token_fsm_new(
    constraint: *const hr_constraint,
    max_states: usize,
    interrupt: *const hr_interrupt,
    out: *mut *mut hr_token_fsm,
    error: *mut *mut hr_error,
) -> hr_status {
    let make = || unsafe {
        let constraint = boundary::object(constraint, "constraint")?;
        let interrupt = interrupt::read(interrupt)?;
        Ok(hr_token_fsm(interrupt.scope(|| constraint.0.compile_token_fsm(max_states))??))
    };
    unsafe { boundary::create_object(out, error, make) }
}

/// Reads the bytes that hr_token_fsm_to_bytes() wrote. Any other bytes, such as damaged ones, are
/// refused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_token_fsm_from_bytes(
    bytes: *const u8,
    len: usize,
    out: *mut *mut hr_token_fsm,
    error: *mut *mut hr_error,
) -> hr_status {
    let make = || unsafe { Ok(hr_token_fsm(TokenFsm::from_bytes(boundary::slice(bytes, len, "bytes")?)?)) };
    unsafe { boundary::create_object(out, error, make) }
}

/// The machine as bytes. They are the same on every computer, and later versions of the library can
/// read them.
///
/// Writes as many bytes as fit into the buffer and sets len to the number of all; a buffer of
/// capacity 0 may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_token_fsm_to_bytes(
    fsm: *const hr_token_fsm,
    buffer: *mut u8,
    capacity: usize,
    len: *mut usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let list = || unsafe { Ok(boundary::object(fsm, "fsm")?.0.to_bytes()) };
    unsafe { boundary::write_list(buffer, capacity, len, error, list) }
}

/// Number of states. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_token_fsm_state_count(fsm: *const hr_token_fsm) -> usize {
    boundary::return_value_or(0, || Some(unsafe { fsm.as_ref() }?.0.state_count()))
}

/// Number of classes of tokens. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_token_fsm_class_count(fsm: *const hr_token_fsm) -> usize {
    boundary::return_value_or(0, || Some(unsafe { fsm.as_ref() }?.0.class_count()))
}

/// The class of each token; count becomes the number of tokens, the padding of the model's output
/// included. Lives as long as the machine. NULL, with count 0, for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_token_fsm_token_classes(
    fsm: *const hr_token_fsm,
    count: *mut usize,
) -> *const u32 {
    boundary::return_value_or(std::ptr::null(), || {
        unsafe { boundary::write_if_not_null(count, 0) };
        let classes = unsafe { fsm.as_ref() }?.0.token_classes();
        unsafe { boundary::write_if_not_null(count, classes.len()) };
        Some(classes.as_ptr())
    })
}

/// The target of each class from each state: element state * classes + class, or UINT32_MAX if the
/// class is not allowed.
///
/// Writes as many elements as fit into the buffer and sets count to the number of all; a buffer of
/// capacity 0 may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_token_fsm_table(
    fsm: *const hr_token_fsm,
    buffer: *mut u32,
    capacity: usize,
    count: *mut usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let list = || unsafe { Ok(boundary::object(fsm, "fsm")?.0.to_table()) };
    unsafe { boundary::write_list(buffer, capacity, count, error, list) }
}

/// True if a token is allowed in a state; next then becomes the state after it. False if there is
/// no such state or token, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_token_fsm_next(
    fsm: *const hr_token_fsm,
    state: u32,
    token: u32,
    next: *mut u32,
) -> bool {
    boundary::return_value_or(false, || {
        let target = unsafe { fsm.as_ref() }?.0.next(state, TokenId(token))?;
        unsafe { boundary::write_if_not_null(next, target) };
        Some(true)
    })
}

/// Writes the tokens that a state allows, as hr_matcher_fill_mask() does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_token_fsm_fill_mask(
    fsm: *const hr_token_fsm,
    state: u32,
    mask: *mut u32,
    words: usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let fsm = boundary::object(fsm, "fsm")?;
        Ok(fsm.0.fill_mask(state, boundary::slice_mut(mask, words, "mask")?)?)
    };
    unsafe { boundary::return_status(error, body) }
}

/// True if an output may end in a state. False if there is no such state, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_token_fsm_is_accepting(fsm: *const hr_token_fsm, state: u32) -> bool {
    boundary::return_value_or(false, || Some(unsafe { fsm.as_ref() }?.0.is_accepting(state)))
}

/// True if a state follows a token that ends the sequence. False if there is no such state, and for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_token_fsm_is_stopped(fsm: *const hr_token_fsm, state: u32) -> bool {
    boundary::return_value_or(false, || Some(unsafe { fsm.as_ref() }?.0.is_stopped(state)))
}
