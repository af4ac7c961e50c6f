//! Events: `hr_events`, which reads an output as it is generated and tells the meaning of its
//! parts.
//!
//! Unsafe code: entry points that take pointers; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, CallError, Poisonable};
use super::constraint::hr_constraint;
use super::enumeration::enumeration;
use super::error::hr_error;
use super::status::hr_status;
use super::vocab::{self, hr_text};
use crate::engine::EventReader;
use crate::tags::Event;

/// A reader of the events of one output: text, reasoning, calls of tools with their arguments. Made
/// by hr_events_new() and hr_events_clone(), freed by hr_events_free().
///
/// It reads the same tokens as a matcher does. The events that a function of the reader makes are
/// kept until the next function call that changes the reader. One thread at a time may use it; it
/// may move between threads. It keeps what it needs of its constraint alive.
pub struct hr_events(pub(super) Poisonable<EventReaderState>);

/// The state of an `hr_events`.
#[derive(Clone)]
pub(super) struct EventReaderState {
    reader: EventReader,
    /// The events that the last function call made.
    events: Vec<Event>,
}

impl hr_events {
    /// Makes a reader at the beginning of an output.
    fn new(constraint: &hr_constraint) -> Result<Self, CallError> {
        let state = EventReaderState { reader: constraint.0.event_reader()?, events: Vec::new() };
        Ok(hr_events(Poisonable::new(state)))
    }
}

enumeration! {
    /// The kind of an event. Later versions may add some, so a switch needs a default.
    hr_event_kind {
        /// More text for the user, in the member text.
        HR_EVENT_KIND_TEXT = 0,
        /// More reasoning, in the member text.
        HR_EVENT_KIND_REASONING = 1,
        /// A call of a tool begins. text is the tool's name; id is the call's id, if the output has
        /// given one so far.
        HR_EVENT_KIND_CALL_BEGIN = 2,
        /// The id of a call whose id comes after its name, in the member id.
        HR_EVENT_KIND_CALL_ID = 3,
        /// More of a call's arguments, in the member text. The arguments so far are the beginning
        /// of a JSON text.
        HR_EVENT_KIND_ARGUMENTS = 4,
        /// A call is complete.
        HR_EVENT_KIND_CALL_END = 5,
        /// A tag without a role of its own begins. text is its name.
        HR_EVENT_KIND_TAG_BEGIN = 6,
        /// More content of the innermost tag, in the member text.
        HR_EVENT_KIND_CONTENT = 7,
        /// The innermost tag ends. text is its name.
        HR_EVENT_KIND_TAG_END = 8,
    }
}

/// Makes a reader at the beginning of an output. docs/tools.md says how a structural tag gives
/// parts of an output their roles; under other constraints all of it is text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_events_new(
    constraint: *const hr_constraint,
    out: *mut *mut hr_events,
    error: *mut *mut hr_error,
) -> hr_status {
    let make = || unsafe { hr_events::new(boundary::object(constraint, "constraint")?) };
    unsafe { boundary::create_object(out, error, make) }
}

/// Reads tokens, one step for each, up to the first that is not allowed. accepted becomes the
/// number of steps. A token that ends the sequence finishes the output, as hr_events_finish() does.
/// A call that fails has read the tokens before the one that failed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_events_advance(
    events: *mut hr_events,
    tokens: *const u32,
    count: usize,
    accepted: *mut usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let work = |EventReaderState { reader, events }: &mut EventReaderState| {
        let tokens = unsafe { vocab::token_slice(tokens, count, "tokens")? };
        events.clear();
        for (steps, &token) in tokens.iter().enumerate() {
            if !reader.advance(token, events)? {
                return Ok(steps);
            }
        }
        Ok(tokens.len())
    };
    unsafe { boundary::change_state_with_result(events, accepted, "accepted", error, work) }
}

/// Reads bytes, as one step. accepted becomes false, and nothing changes, if they are not allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_events_advance_bytes(
    events: *mut hr_events,
    bytes: *const u8,
    len: usize,
    accepted: *mut bool,
    error: *mut *mut hr_error,
) -> hr_status {
    let work = |EventReaderState { reader, events }: &mut EventReaderState| {
        let bytes = unsafe { boundary::slice(bytes, len, "bytes")? };
        events.clear();
        Ok(reader.advance_bytes(bytes, events)?)
    };
    unsafe { boundary::change_state_with_result(events, accepted, "accepted", error, work) }
}

/// Reads a text in which special tokens stand by their names, as hr_matcher_advance_text() does.
/// accepted becomes false, and nothing changes, if the text is not allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_events_advance_text(
    events: *mut hr_events,
    text: *const u8,
    len: usize,
    accepted: *mut bool,
    error: *mut *mut hr_error,
) -> hr_status {
    let work = |EventReaderState { reader, events }: &mut EventReaderState| {
        let text = unsafe { boundary::slice(text, len, "text")? };
        events.clear();
        Ok(reader.advance_text(text, events)?)
    };
    unsafe { boundary::change_state_with_result(events, accepted, "accepted", error, work) }
}

/// Ends the output, as one step: bytes that were waiting because they may be the beginning of a
/// marker become events. An output that is not complete may be ended, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_events_finish(events: *mut hr_events, error: *mut *mut hr_error) -> hr_status {
    let work = |EventReaderState { reader, events }: &mut EventReaderState| {
        events.clear();
        reader.finish(events);
        Ok(())
    };
    unsafe { boundary::change_state(events, error, work) }
}

/// Undoes the last steps. The caller forgets their events; the reader then holds no events. Fails,
/// and undoes none, if there are fewer steps.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_events_rollback(
    events: *mut hr_events,
    steps: usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let work = |EventReaderState { reader, events }: &mut EventReaderState| {
        reader.rollback(steps)?;
        events.clear();
        Ok(())
    };
    unsafe { boundary::change_state(events, error, work) }
}

/// Number of events that the last function call which changed the reader has made. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_events_count(events: *const hr_events) -> usize {
    boundary::return_value_or(0, || Some(unsafe { events.as_ref() }?.0.get().ok()?.events.len()))
}

/// The event with this index, counted from 0, among those that the last function call made. Returns
/// false, and changes nothing, if there is none.
///
/// kind becomes its kind. call becomes the number of the tool call to which it belongs, counted
/// from 0, and 0 for an event that belongs to none. The comments of hr_event_kind say what text and
/// id become; in all other cases they are empty. Any of the four may be NULL. The texts are not
/// NUL-terminated, and live until the reader changes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_events_get(
    events: *const hr_events,
    index: usize,
    kind: *mut hr_event_kind,
    call: *mut usize,
    text: *mut hr_text,
    id: *mut hr_text,
) -> bool {
    use hr_event_kind as kinds;
    boundary::return_value_or(false, || {
        let event = unsafe { events.as_ref() }?.0.get().ok()?.events.get(index)?;
        let (its_kind, its_call, its_text, its_id): (_, _, &str, &str) = match event {
            Event::Text(delta) => (kinds::HR_EVENT_KIND_TEXT, 0, delta, ""),
            Event::Reasoning(delta) => (kinds::HR_EVENT_KIND_REASONING, 0, delta, ""),
            Event::CallBegin { index, name, id } => {
                (kinds::HR_EVENT_KIND_CALL_BEGIN, *index, name, id.as_deref().unwrap_or_default())
            }
            Event::CallId { index, id } => (kinds::HR_EVENT_KIND_CALL_ID, *index, "", id),
            Event::Arguments { index, delta } => (kinds::HR_EVENT_KIND_ARGUMENTS, *index, delta, ""),
            Event::CallEnd { index } => (kinds::HR_EVENT_KIND_CALL_END, *index, "", ""),
            Event::TagBegin { name } => (kinds::HR_EVENT_KIND_TAG_BEGIN, 0, name, ""),
            Event::Content(delta) => (kinds::HR_EVENT_KIND_CONTENT, 0, delta, ""),
            Event::TagEnd { name } => (kinds::HR_EVENT_KIND_TAG_END, 0, name, ""),
        };
        unsafe {
            boundary::write_if_not_null(kind, its_kind);
            boundary::write_if_not_null(call, its_call);
            boundary::write_if_not_null(text, hr_text::lend(its_text));
            boundary::write_if_not_null(id, hr_text::lend(its_id));
        }
        Some(true)
    })
}
