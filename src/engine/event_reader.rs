//! The reader of events: it gives the parts of an output, such as text and calls, while the output
//! is written.
//!
//! A reader holds the *readings* of the output so far. A reading is a state and the marks passed on
//! the way to it. Nearly always there is one. If there are several, the reader gives bytes and
//! marks as events only as far as all readings agree. At the end of the output, and when two
//! readings come to the same state, only the preferred reading stays. It is the one that passes a
//! mark at the first place at which they differ. So a text that can be read as a call is read as a
//! call.
//!
//! Bytes that may turn out to be the beginning of a trigger wait, too, until that is decided.

use super::constraint::Constraint;
use super::error::EngineError;
use super::event_graph::EventGraph;
use super::recogniser::marks::Outcome;
use super::recogniser::state::StateId;
use super::text_reading::{TextPiece, TextSteps, read_text};
use crate::grammar::MarkId;
use crate::tags::{Event, Fold};
use crate::vocab::TokenId;
use smallvec::SmallVec;
use std::sync::Arc;

/// The most readings of one output.
const MAX_READINGS: usize = 256;

/// A way to read the output so far.
#[derive(Clone, Copy, Debug)]
struct Reading {
    state: StateId,
    /// The mark passed last, in the trail.
    last: u32,
}

type Readings = SmallVec<[Reading; 2]>;

/// A mark that a reading has passed. The marks of all readings form a tree, whose root is no mark.
#[derive(Clone, Copy, Debug)]
struct TrailMark {
    mark: MarkId,
    /// The place in the output.
    at: usize,
    /// The mark before it.
    before: u32,
    /// The number of marks before it.
    depth: u32,
}

/// The parts of a reader that a step changes, other than by appending.
#[derive(Clone, Debug)]
struct Position {
    readings: Readings,
    /// Bytes that were given to the fold.
    folded: usize,
    /// The last mark that was given to the fold, in the trail.
    folded_mark: u32,
    fold: Fold,
    is_finished: bool,
}

/// A position to which a rollback returns.
#[derive(Clone, Debug)]
struct Step {
    before: Position,
    bytes: usize,
    trail: usize,
}

/// Reads the [events](Event) of one output.
///
/// An output may be read token by token or by its bytes, with the same result. A step gives the
/// events that have become certain by it. If the step is taken back, its events are void.
///
/// ```
/// use hedgerow::tags::Event;
/// use hedgerow::{Constraint, Vocabulary};
/// let tag = r#"{"format": {"type": "triggered_tags", "triggers": ["<call>"],
///     "tags": [{"begin": "<call>", "end": "</call>", "role": "call", "name": "now",
///         "content": {"type": "json_schema", "json_schema": {"type": "object"}}}]}}"#;
/// let vocabulary = Vocabulary::from_byte_list((0..=255).map(|byte| vec![byte]).collect())?;
/// let constraint = Constraint::structural_tag(tag, &vocabulary)?;
/// let mut reader = constraint.event_reader()?;
/// let mut events = Vec::new();
/// assert!(reader.advance_bytes(b"Wait <", &mut events)?);
/// assert_eq!(events, [Event::Text("Wait ".to_owned())]);
/// events.clear();
/// assert!(reader.advance_bytes(b"call>{", &mut events)?);
/// assert_eq!(events, [
///     Event::CallBegin { index: 0, name: "now".to_owned(), id: None },
///     Event::Arguments { index: 0, delta: "{".to_owned() },
/// ]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct EventReader {
    graph: Arc<EventGraph>,
    bytes: Vec<u8>,
    trail: Vec<TrailMark>,
    now: Position,
    steps: Vec<Step>,
}

impl Constraint {
    /// A reader of the events of one output. Without marks in the grammar, all of the output is
    /// text.
    ///
    /// # Errors
    /// As [`Constraint::new`].
    pub fn event_reader(&self) -> Result<EventReader, EngineError> {
        EventReader::new(self.shared.event_graph()?)
    }
}

impl EventReader {
    fn new(graph: Arc<EventGraph>) -> Result<Self, EngineError> {
        let root = TrailMark { mark: MarkId(u32::MAX), at: 0, before: 0, depth: 0 };
        let now = Position {
            readings: Readings::new(),
            folded: 0,
            folded_mark: 0,
            fold: Fold::default(),
            is_finished: false,
        };
        let mut reader = EventReader { graph, bytes: Vec::new(), trail: vec![root], now, steps: Vec::new() };
        let start = reader.graph.start.clone();
        let mut readings = Readings::new();
        reader.follow(0, &start, &mut readings)?;
        reader.now.readings = readings;
        Ok(reader)
    }

    /// Reads a token. The events that it decides are added to `events`. `false` if the token is not
    /// allowed; then nothing has changed. An end-of-sequence token [finishes](Self::finish).
    ///
    /// # Errors
    /// [`EngineError::UnknownToken`], and those of the constraint's limits. Then nothing has
    /// changed.
    pub fn advance(&mut self, token: TokenId, events: &mut Vec<Event>) -> Result<bool, EngineError> {
        let graph = self.graph.clone();
        let vocabulary = graph.vocabulary();
        let tokens = vocabulary.size();
        if token.0 as usize >= tokens {
            return Err(EngineError::UnknownToken { token: token.0, tokens });
        }
        let bytes = vocabulary.bytes(token);
        if !bytes.is_empty() && !graph.reads_token_sets {
            return self.advance_bytes(bytes, events);
        }
        self.step(events, |reader| {
            let (before, len) = (reader.now.clone(), reader.bytes.len());
            let mut next = Readings::new();
            if !bytes.is_empty() && reader.read_bytes(bytes)? {
                next = std::mem::take(&mut reader.now.readings);
            }
            reader.now = before;
            reader.bytes.truncate(len);
            if !reader.now.is_finished && (!bytes.is_empty() || vocabulary.is_special(token)) {
                let name = vocabulary.name(token).unwrap_or_default().as_bytes();
                reader.bytes.extend_from_slice(if bytes.is_empty() { name } else { bytes });
                for reading in reader.now.readings.clone() {
                    let outcomes = reader.graph.step_special(reading.state, token)?;
                    reader.follow(reading.last, &outcomes, &mut next)?;
                }
            }
            if !next.is_empty() {
                reader.now.readings = next;
                return Ok(true);
            }
            reader.bytes.truncate(len);
            Ok(vocabulary.eos().contains(&token) && (reader.now.is_finished || reader.end()))
        })
    }

    /// Reads bytes, as one step. See [`advance`](Self::advance).
    ///
    /// # Errors
    /// Those of the constraint's limits. Then nothing has changed.
    pub fn advance_bytes(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<bool, EngineError> {
        self.step(events, |reader| reader.read_bytes(bytes))
    }

    /// Reads text in which special tokens stand by their names, as decoders write them. `false` if
    /// the text is not allowed; then nothing has changed. Each token is a step, and so are the
    /// bytes between two tokens. A name may stand for the token, or be plain bytes: see
    /// [`Matcher::advance_text`](super::Matcher::advance_text).
    ///
    /// ```
    /// use hedgerow::tags::Event;
    /// use hedgerow::vocab::{TokenId, Vocabulary, VocabularyParts};
    /// use hedgerow::Constraint;
    ///
    /// let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    /// tokens.push(Vec::new());
    /// let special = vec![("<|think|>".to_owned(), TokenId(256))];
    /// let vocabulary =
    ///     Vocabulary::from_tokens(VocabularyParts { tokens, special, ..Default::default() })?;
    /// let tag = r#"{"format": {"type": "tag", "begin": "<|think|>", "end": "!",
    ///     "content": {"type": "any_text", "role": "reasoning"}}}"#;
    /// let mut reader = Constraint::structural_tag(tag, &vocabulary)?.event_reader()?;
    /// let mut events = Vec::new();
    /// assert!(reader.advance_text(b"<|think|>Hm.", &mut events)?);
    /// assert!(events.contains(&Event::Reasoning("Hm.".to_owned())));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`EngineError::AmbiguousText`], and those of the constraint's limits. Then nothing has
    /// changed.
    pub fn advance_text(&mut self, text: &[u8], events: &mut Vec<Event>) -> Result<bool, EngineError> {
        let graph = self.graph.clone();
        let reading = read_text(graph.vocabulary(), text, self.possible(), &mut &*graph)?;
        if reading.len < text.len() {
            return Ok(false);
        }
        let (steps, mut found) = (self.steps.len(), Vec::new());
        for piece in &reading.pieces {
            let read = match piece {
                TextPiece::Bytes(range) => self.advance_bytes(&text[range.clone()], &mut found),
                TextPiece::Token(token, _) => self.advance(*token, &mut found),
            };
            if read != Ok(true) {
                self.rollback(self.steps.len() - steps)?;
                return read;
            }
        }
        events.append(&mut found);
        Ok(true)
    }

    /// The states of all readings.
    fn possible(&self) -> Possible {
        let states = self.now.readings.iter().map(|reading| reading.state);
        Possible::of(states, self.now.is_finished)
    }

    /// Ends the output, as one step, and gives all events that were waiting. An output that is not
    /// complete may be ended, too; its last call then has no [`Event::CallEnd`].
    pub fn finish(&mut self, events: &mut Vec<Event>) {
        // No step of this kind fails.
        let _ = self.step(events, |reader| {
            if !reader.end() {
                reader.now.readings.truncate(1);
                reader.now.is_finished = true;
            }
            Ok(true)
        });
    }

    /// Takes back the last `steps` steps. Their events are void.
    ///
    /// # Errors
    /// [`EngineError::Rollback`] if there are not that many; then nothing has changed.
    pub fn rollback(&mut self, steps: usize) -> Result<(), EngineError> {
        let available = self.steps.len();
        let Some(left) = available.checked_sub(steps) else {
            return Err(EngineError::Rollback { asked: steps, available });
        };
        if steps > 0 {
            self.steps.truncate(left + 1);
            self.undo_step();
        }
        Ok(())
    }

    /// The number of steps read.
    pub fn output_len(&self) -> usize {
        self.steps.len()
    }

    /// The bytes that were read and are in no event yet, because they may be the beginning of a
    /// marker.
    pub fn waiting(&self) -> &[u8] {
        &self.bytes[self.now.folded..]
    }

    /// Moves all readings by bytes. `false` if none is left.
    fn read_bytes(&mut self, bytes: &[u8]) -> Result<bool, EngineError> {
        if self.now.is_finished {
            return Ok(false);
        }
        for &byte in bytes {
            self.bytes.push(byte);
            if let [reading] = &mut self.now.readings[..]
                && let Some(next) = self.graph.plain_step(reading.state, byte)
            {
                if next == StateId::DEAD {
                    return Ok(false);
                }
                reading.state = next;
                continue;
            }
            let mut next = Readings::new();
            for reading in self.now.readings.clone() {
                match self.graph.plain_step(reading.state, byte) {
                    Some(StateId::DEAD) => {}
                    Some(state) => add(&mut next, Reading { state, ..reading })?,
                    None => {
                        let outcomes = self.graph.step(reading.state, byte)?;
                        self.follow(reading.last, &outcomes, &mut next)?;
                    }
                }
            }
            if next.is_empty() {
                return Ok(false);
            }
            self.now.readings = next;
        }
        Ok(true)
    }

    /// Runs a step, and takes it back unless it gives `true`.
    fn step(
        &mut self,
        events: &mut Vec<Event>,
        work: impl FnOnce(&mut Self) -> Result<bool, EngineError>,
    ) -> Result<bool, EngineError> {
        let (before, bytes, trail) = (self.now.clone(), self.bytes.len(), self.trail.len());
        self.steps.push(Step { before, bytes, trail });
        // A step that is taken back takes its own events back. So none of its text goes into an
        // event of an earlier step.
        let mut found = Vec::new();
        let done = work(self).and_then(|done| {
            if done {
                self.fold_agreed(&mut found)?;
            }
            Ok(done)
        });
        match done {
            Ok(true) => events.append(&mut found),
            _ => self.undo_step(),
        }
        done
    }

    /// Returns to before the last step.
    fn undo_step(&mut self) {
        if let Some(Step { before, bytes, trail }) = self.steps.pop() {
            self.now = before;
            self.bytes.truncate(bytes);
            self.trail.truncate(trail);
        }
    }

    /// Adds the readings to which the outcomes lead from a reading whose last mark is `last`.
    fn follow(&mut self, last: u32, outcomes: &[Outcome], next: &mut Readings) -> Result<(), EngineError> {
        for outcome in outcomes {
            let mut last = last;
            for &(mark, back) in &outcome.marks {
                let at = self.bytes.len().saturating_sub(back as usize);
                let before = self.trail[last as usize];
                let mark = TrailMark { mark, at: at.max(before.at), before: last, depth: before.depth + 1 };
                last = self.trail.len() as u32;
                self.trail.push(mark);
            }
            add(next, Reading { state: outcome.state, last })?;
        }
        Ok(())
    }

    /// Ends the output by the preferred reading that is complete. `false` if none is.
    fn end(&mut self) -> bool {
        let complete = self.now.readings.iter().find(|reading| self.graph.is_accepting(reading.state));
        let Some(&reading) = complete else { return false };
        self.now.readings = Readings::from_slice(&[reading]);
        self.now.is_finished = true;
        true
    }

    /// Gives the bytes and marks on which all readings agree to the fold.
    fn fold_agreed(&mut self, events: &mut Vec<Event>) -> Result<(), EngineError> {
        let mut until = self.bytes.len();
        let mut common = self.now.readings.first().map_or(0, |reading| reading.last);
        for i in 0..self.now.readings.len() {
            let Reading { state, last } = self.now.readings[i];
            if !self.now.is_finished {
                until =
                    until.min(self.bytes.len() - (self.graph.held(state)? as usize).min(self.bytes.len()));
            }
            common = self.fork_of(common, last, &mut until);
        }
        let until = until.max(self.now.folded);
        if common != self.now.folded_mark {
            let mut passed: SmallVec<[u32; 8]> = SmallVec::new();
            let mut at = common;
            while at != self.now.folded_mark && at != 0 {
                passed.push(at);
                at = self.trail[at as usize].before;
            }
            while let Some(next) = passed.pop() {
                let TrailMark { mark, at, .. } = self.trail[next as usize];
                if at > until {
                    break;
                }
                self.now.fold.bytes(&self.bytes[self.now.folded..at.max(self.now.folded)], events);
                self.now.folded = at.max(self.now.folded);
                self.now.fold.mark(self.graph.mark(mark), events);
                self.now.folded_mark = next;
            }
        }
        self.now.fold.bytes(&self.bytes[self.now.folded..until], events);
        self.now.folded = until;
        if self.now.is_finished {
            self.now.fold.finish(events);
        }
        Ok(())
    }

    /// The last mark that the ways to two marks have in common. The marks after it limit `until`.
    fn fork_of(&self, mut a: u32, mut b: u32, until: &mut usize) -> u32 {
        while a != b {
            let (at, bt) = (self.trail[a as usize], self.trail[b as usize]);
            if at.depth >= bt.depth {
                *until = (*until).min(at.at);
                a = at.before;
            } else {
                *until = (*until).min(bt.at);
                b = bt.before;
            }
        }
        a
    }
}

/// The states that all readings of an output are in.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Possible {
    states: SmallVec<[StateId; 2]>,
    is_finished: bool,
}

impl Possible {
    fn of(states: impl Iterator<Item = StateId>, is_finished: bool) -> Self {
        let mut states: SmallVec<[StateId; 2]> = states.filter(|&state| state != StateId::DEAD).collect();
        states.sort_unstable();
        states.dedup();
        Possible { states, is_finished }
    }

    /// The states after a byte.
    fn after(&self, graph: &EventGraph, byte: u8) -> Result<Self, EngineError> {
        let mut next = Vec::new();
        for &state in &self.states {
            match graph.plain_step(state, byte) {
                Some(state) => next.push(state),
                None => next.extend(graph.step(state, byte)?.iter().map(|outcome| outcome.state)),
            }
        }
        let next = Possible::of(next.into_iter(), false);
        match next.states.len() > MAX_READINGS {
            true => Err(EngineError::Ambiguous { limit: MAX_READINGS as u64 }),
            false => Ok(next),
        }
    }
}

impl TextSteps for &EventGraph {
    type Position = Possible;

    fn token(&mut self, at: &Possible, token: TokenId) -> Result<Option<Possible>, EngineError> {
        let vocabulary = self.vocabulary();
        let bytes = vocabulary.bytes(token);
        let mut next = Vec::new();
        if !at.is_finished && !bytes.is_empty() {
            let (after, len) = self.bytes(at, bytes)?;
            next.extend(after.states.into_iter().filter(|_| len == bytes.len()));
        }
        if !at.is_finished && (bytes.is_empty() || self.reads_token_sets) {
            for &state in &at.states {
                next.extend(self.step_special(state, token)?.iter().map(|outcome| outcome.state));
            }
        }
        let next = Possible::of(next.into_iter(), false);
        if !next.states.is_empty() {
            return Ok(Some(next));
        }
        let ends = bytes.is_empty() && vocabulary.eos().contains(&token) && self.may_end(at);
        Ok(ends.then(|| Possible { is_finished: true, ..at.clone() }))
    }

    fn bytes(&mut self, at: &Possible, bytes: &[u8]) -> Result<(Possible, usize), EngineError> {
        let mut now = at.clone();
        for (i, &byte) in bytes.iter().enumerate() {
            let next = now.after(self, byte)?;
            if now.is_finished || next.states.is_empty() {
                return Ok((now, i));
            }
            now = next;
        }
        Ok((now, bytes.len()))
    }

    fn may_end(&self, at: &Possible) -> bool {
        at.is_finished || at.states.iter().any(|&state| self.is_accepting(state))
    }

    fn reads_token_sets(&self) -> bool {
        self.reads_token_sets
    }
}

/// Adds a reading unless a preferred one has the same future.
fn add(readings: &mut Readings, reading: Reading) -> Result<(), EngineError> {
    if readings.iter().any(|other| other.state == reading.state) {
        return Ok(());
    }
    if readings.len() >= MAX_READINGS {
        return Err(EngineError::Ambiguous { limit: MAX_READINGS as u64 });
    }
    readings.push(reading);
    Ok(())
}

impl std::fmt::Debug for EventReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventReader")
            .field("steps", &self.steps.len())
            .field("readings", &self.now.readings.len())
            .field("waiting", &self.waiting().len())
            .finish()
    }
}
