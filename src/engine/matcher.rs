//! A matcher: one sequence's position in a constraint.
//!
//! A matcher is a state number and the history that led to it. Forking copies these; rolling back
//! returns to an earlier state number. Everything that is found out on the way is kept in the
//! graph, which all matchers of the constraint share. Positions are numbers of one graph, so a
//! matcher that leaves a full graph reads its history again in the fresh one.

use super::error::EngineError;
use super::graph::Graph;
use super::mask::data::MaskData;
use super::recogniser::state::StateId;
use super::shared::{Shared, Stats};
use super::text_reading::{TextPiece, TextReading, TextSteps, read_text};
use crate::automata::Interrupt;
use crate::vocab::{TokenId, TokenSet};
use std::sync::Arc;

/// The largest number of bytes that [`Matcher::forced_bytes`] looks ahead.
const MAX_FORCED: usize = 1 << 16;

/// The input of one step.
#[derive(Clone)]
enum Input {
    Token(TokenId),
    /// A token that stands in a text. The tokens of a text are not counted: others may spell it.
    TokenOfText(TokenId),
    Bytes(Arc<[u8]>),
}

/// One step of the history: the input, and the position before it.
#[derive(Clone)]
struct HistoryEntry {
    before: StateId,
    was_stopped: bool,
    input: Input,
}

/// The position of an output: a state, and true if an end-of-sequence token was read in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Position {
    pub state: StateId,
    pub stopped: bool,
}

/// A count of the masks that a matcher was asked for, and of those that were known. It is added to
/// the constraint's figures at the end: a counter that all threads share would slow all of them.
#[derive(Default)]
struct HitCounter {
    masks: u64,
    hits: u64,
}

/// A fork begins its own count.
impl Clone for HitCounter {
    fn clone(&self) -> Self {
        HitCounter::default()
    }
}

/// A position in a [`Constraint`](super::Constraint): a state number and the history that led to
/// it. Cloning forks.
///
/// A token that is not allowed is an answer (`false`) and changes nothing. After an end-of-sequence
/// token the matcher is stopped: from then on only end-of-sequence is allowed, until a rollback.
///
/// ```
/// use hedgerow::engine::Constraint;
/// use hedgerow::grammar::GrammarBuilder;
/// use hedgerow::vocab::{TokenId, Vocabulary};
///
/// let mut builder = GrammarBuilder::new();
/// let word = builder.nodes.literal(b"abab");
/// let tokens = ["a", "b", "ab"].map(|token| token.as_bytes().to_vec());
/// let vocabulary = Vocabulary::from_byte_list(tokens.to_vec())?;
/// let mut matcher = Constraint::new(&builder.build(word, None)?, &vocabulary)?.matcher();
/// let [a, b, ab] = [0, 1, 2].map(TokenId);
///
/// let mut words = vec![0; vocabulary.size().div_ceil(32)];
/// matcher.fill_mask(&mut words)?;
/// assert_eq!(words, [1 << a.0 | 1 << ab.0]);
/// assert!(matcher.allows(ab)? && !matcher.advance(b)?);
/// assert_eq!(matcher.validate(&[a, b, b])?, 2);
/// assert!(matcher.advance(ab)?);
/// assert_eq!(matcher.forced_bytes()?, b"ab");
/// let fork = matcher.fork();
/// assert!(matcher.advance_bytes(b"ab")? && matcher.is_accepting() && !fork.is_accepting());
/// matcher.rollback(2)?;
/// assert_eq!(matcher.mask()?.words(), words);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Matcher {
    shared: Arc<Shared>,
    graph: Arc<Graph>,
    state: StateId,
    stopped: bool,
    history: Vec<HistoryEntry>,
    interrupt: Interrupt,
    hits: HitCounter,
}

impl Matcher {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let graph = shared.current();
        let (state, history) = (graph.start, Vec::new());
        let interrupt = Interrupt::default();
        Matcher { state, graph, shared, stopped: false, history, interrupt, hits: HitCounter::default() }
    }

    /// Ends calls of this matcher early from now on, and those of its forks.
    ///
    /// A [timeout](Interrupt::timeout) ends each call that takes longer. A
    /// [deadline](Interrupt::deadline) or a [flag](Interrupt::flag) ends the call under way at that
    /// moment and all later ones. A call that is ended fails with [`EngineError::Deadline`] or
    /// [`EngineError::Cancelled`], has changed nothing, and may be repeated. A mask that is known
    /// is given in any case. Other matchers of the constraint are not affected.
    /// [`Interrupt::default`] never ends a call.
    ///
    /// ```
    /// # use hedgerow::{grammar::GrammarBuilder, vocab::Vocabulary};
    /// use hedgerow::automata::Interrupt;
    /// use hedgerow::engine::{Constraint, EngineError};
    /// use std::sync::{atomic::{AtomicBool, Ordering}, Arc};
    /// use std::time::Duration;
    /// # let mut builder = GrammarBuilder::new();
    /// # let word = builder.nodes.literal(b"abab");
    /// # let tokens = ["a", "b", "ab"].map(|token| token.as_bytes().to_vec());
    /// # let vocabulary = Vocabulary::from_byte_list(tokens.to_vec())?;
    /// # let constraint = Constraint::new(&builder.build(word, None)?, &vocabulary)?;
    /// let flag = Arc::new(AtomicBool::new(true));
    /// let (mut one, mut other) = (constraint.matcher(), constraint.matcher());
    /// let timeout = Duration::from_millis(50);
    /// one.set_interrupt(Interrupt::default().timeout(timeout).flag(flag.clone()));
    /// assert_eq!(one.advance_bytes(b"ab"), Err(EngineError::Cancelled));
    /// assert!(other.advance_bytes(b"ab")?);
    /// flag.store(false, Ordering::Relaxed);
    /// assert!(one.advance_bytes(b"ab")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_interrupt(&mut self, interrupt: Interrupt) {
        self.interrupt = interrupt;
    }

    /// Runs work that this matcher's interrupt may end.
    pub(super) fn interruptible<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        if self.interrupt.is_never() {
            return work(self);
        }
        let interrupt = self.interrupt.clone();
        interrupt.scope(|| work(self))?
    }

    /// The tokens allowed next, the end-of-sequence tokens among them if the output may end. The
    /// set is made if the constraint does not hold it already; in a loop prefer
    /// [`fill_mask`](Self::fill_mask).
    ///
    /// # Errors
    /// Those of the constraint's limits, and of lazily expanded grammars.
    pub fn mask(&mut self) -> Result<Arc<TokenSet>, EngineError> {
        self.interruptible(|matcher| {
            if !matcher.stopped {
                matcher.leave_full_graph()?;
            }
            matcher.mask_at(matcher.position())
        })
    }

    /// Writes the tokens allowed next as bits: token `i` is bit `i % 32` of word `i / 32`. `out`
    /// has exactly `size.div_ceil(32)` words. O(words) once the state's mask is known.
    ///
    /// # Errors
    /// [`EngineError::MaskLength`], and those of [`mask`](Self::mask).
    #[inline]
    pub fn fill_mask(&mut self, out: &mut [u32]) -> Result<(), EngineError> {
        let tokens = self.shared.vocabulary.size();
        let needed = tokens.div_ceil(32);
        if out.len() != needed {
            return Err(EngineError::MaskLength { given: out.len(), needed, tokens });
        }
        if !self.stopped
            && let Some(known) = self.graph.known_mask(self.state)
        {
            self.hits.masks += 1;
            self.hits.hits += 1;
            known.write(out);
            return Ok(());
        }
        let data = self.interruptible(|matcher| {
            if !matcher.stopped {
                matcher.leave_full_graph()?;
            }
            matcher.data_at(matcher.position())
        })?;
        self.write(data.as_deref(), out);
        Ok(())
    }

    /// Writes the mask as [`fill_mask`](Self::fill_mask) does, if it is known; else gives `false`.
    pub(super) fn fill_known(&mut self, out: &mut [u32]) -> Result<bool, EngineError> {
        let is_known = self.stopped || self.graph.known_mask(self.state).is_some();
        if is_known {
            self.fill_mask(out)?;
        }
        Ok(is_known)
    }

    /// A number that the matchers of this constraint share, and no others while they exist.
    pub(super) fn constraint_address(&self) -> usize {
        Arc::as_ptr(&self.shared).addr()
    }

    /// The mask at a position in this matcher's graph, found if need be. `None` at a position
    /// behind an end-of-sequence token, where only such tokens are allowed.
    pub(super) fn data_at(&mut self, at: Position) -> Result<Option<Arc<MaskData>>, EngineError> {
        if at.stopped {
            return Ok(None);
        }
        self.hits.masks += 1;
        self.hits.hits += u64::from(self.graph.known_mask(at.state).is_some());
        self.graph.mask(at.state).map(Some)
    }

    /// The tokens allowed at a position in this matcher's graph.
    pub(super) fn mask_at(&mut self, at: Position) -> Result<Arc<TokenSet>, EngineError> {
        let size = self.shared.vocabulary.size();
        Ok(match self.data_at(at)? {
            Some(data) => data.to_set(size),
            None => Arc::new(TokenSet::from_ids(size, self.shared.vocabulary.eos().iter().copied())),
        })
    }

    /// Writes a mask that [`data_at`](Self::data_at) gave; `out` has the right length.
    pub(super) fn write(&self, data: Option<&MaskData>, out: &mut [u32]) {
        match data {
            Some(data) => data.write(out),
            None => {
                out.fill(0);
                for id in self.shared.vocabulary.eos() {
                    out[(id.0 >> 5) as usize] |= 1 << (id.0 & 31);
                }
            }
        }
    }

    /// The graph to which this matcher's positions belong.
    pub(super) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The position of the output now.
    pub(super) fn position(&self) -> Position {
        Position { state: self.state, stopped: self.stopped }
    }

    /// The position after `token` from a position in this matcher's graph; `None` if the token is
    /// not allowed there.
    pub(super) fn follow(&self, at: Position, token: TokenId) -> Result<Option<Position>, EngineError> {
        self.follow_input(at, token, &Input::Token(token))
    }

    /// The position after `input`, which is `token`.
    fn follow_input(
        &self,
        at: Position,
        token: TokenId,
        input: &Input,
    ) -> Result<Option<Position>, EngineError> {
        self.check_token(token)?;
        if at.stopped {
            return Ok(self.shared.vocabulary.eos().contains(&token).then_some(at));
        }
        Ok(match self.successor(&self.graph, at.state, input)? {
            Some(StateId::DEAD) => None,
            Some(state) => Some(Position { state, stopped: false }),
            None => Some(Position { stopped: true, ..at }),
        })
    }

    /// Moves from a full graph to one within its budget, by reading the output so far again.
    pub(super) fn leave_full_graph(&mut self) -> Result<(), EngineError> {
        if !self.graph.is_full() {
            return Ok(());
        }
        let graph = self.shared.replace_full_graph(&self.graph)?;
        let mut state = graph.start;
        let mut states = Vec::with_capacity(self.history.len());
        for step in &self.history {
            states.push(state);
            if let Some(next) = self.successor(&graph, state, &step.input)? {
                state = next;
            }
        }
        for (step, before) in self.history.iter_mut().zip(states) {
            step.before = before;
        }
        graph.raise_budget();
        self.state = state;
        self.graph = graph;
        Ok(())
    }

    /// The state after `input`; `None` for an end-of-sequence token, which changes no state.
    fn successor(
        &self,
        graph: &Graph,
        state: StateId,
        input: &Input,
    ) -> Result<Option<StateId>, EngineError> {
        let next = self.successor_within(graph, state, input)?;
        next.map(|next| graph.after_input(next, matches!(input, Input::Token(_)))).transpose()
    }

    /// The state after `input`, before its tokens are counted.
    fn successor_within(
        &self,
        graph: &Graph,
        state: StateId,
        input: &Input,
    ) -> Result<Option<StateId>, EngineError> {
        match input {
            Input::Bytes(bytes) => Ok(Some(graph.step_bytes(state, bytes)?)),
            Input::Token(token) | Input::TokenOfText(token) => {
                let vocabulary = &self.shared.vocabulary;
                let bytes = vocabulary.bytes(*token);
                if !bytes.is_empty() {
                    return Ok(Some(match graph.reads_token_sets {
                        true => graph.step_token(state, *token, bytes)?,
                        false => graph.step_bytes(state, bytes)?,
                    }));
                }
                if vocabulary.is_special(*token) {
                    let next = graph.step_special(state, *token)?;
                    if next != StateId::DEAD {
                        return Ok(Some(next));
                    }
                }
                if vocabulary.eos().contains(token) && graph.is_accepting(state) {
                    return Ok(None);
                }
                Ok(Some(StateId::DEAD))
            }
        }
    }

    /// Fails for a token that is not in the vocabulary.
    pub(super) fn check_token(&self, token: TokenId) -> Result<(), EngineError> {
        let tokens = self.shared.vocabulary.size();
        if token.0 as usize >= tokens {
            return Err(EngineError::UnknownToken { token: token.0, tokens });
        }
        Ok(())
    }

    /// True if `token` may come next.
    ///
    /// # Errors
    /// [`EngineError::UnknownToken`], and those of [`mask`](Self::mask).
    pub fn allows(&mut self, token: TokenId) -> Result<bool, EngineError> {
        self.check_token(token)?;
        if self.stopped {
            return Ok(self.shared.vocabulary.eos().contains(&token));
        }
        if let Some(known) = self.graph.known_mask(self.state) {
            return Ok(known.contains(token));
        }
        self.interruptible(|matcher| {
            matcher.leave_full_graph()?;
            let next = matcher.successor(&matcher.graph, matcher.state, &Input::Token(token))?;
            Ok(next != Some(StateId::DEAD))
        })
    }

    /// Reads tokens one after the other, each as one step, up to the first that is not allowed.
    /// Gives the number of steps. After an error the matcher has not moved.
    ///
    /// # Errors
    /// As [`allows`](Self::allows).
    pub fn advance_all(&mut self, tokens: &[TokenId]) -> Result<usize, EngineError> {
        for (steps, &token) in tokens.iter().enumerate() {
            match self.advance(token) {
                Ok(true) => {}
                Ok(false) => return Ok(steps),
                Err(error) => {
                    self.rollback(steps)?;
                    return Err(error);
                }
            }
        }
        Ok(tokens.len())
    }

    /// Reads `token`. `false` if it is not allowed; then nothing has changed.
    ///
    /// # Errors
    /// As [`allows`](Self::allows).
    pub fn advance(&mut self, token: TokenId) -> Result<bool, EngineError> {
        self.advance_token(token, Input::Token(token))
    }

    /// Reads `input`, which is `token`.
    fn advance_token(&mut self, token: TokenId, input: Input) -> Result<bool, EngineError> {
        self.check_token(token)?;
        if self.stopped {
            return Ok(self.shared.vocabulary.eos().contains(&token) && {
                self.history.push(HistoryEntry { before: self.state, was_stopped: true, input });
                true
            });
        }
        self.advance_by(input)
    }

    /// Reads bytes, as one step of the history. `false` if they are not allowed; then nothing has
    /// changed.
    ///
    /// # Errors
    /// As [`mask`](Self::mask).
    pub fn advance_bytes(&mut self, bytes: &[u8]) -> Result<bool, EngineError> {
        if self.stopped {
            return Ok(false);
        }
        self.advance_by(Input::Bytes(bytes.into()))
    }

    /// Reads text in which special tokens stand by their names, as decoders write them. `false` if
    /// the text is not allowed; then nothing has changed. Each token is a step of the history, and
    /// so are the bytes between two tokens.
    ///
    /// A name may stand for the token, or be plain bytes. Both readings are followed. One at whose
    /// end the output may end is preferred, and then one that reads the token where the two differ.
    /// The choice is made for each call, so give a text whole.
    ///
    /// ```
    /// use hedgerow::syntax::Notation;
    /// use hedgerow::vocab::{TokenId, Vocabulary, VocabularyParts};
    /// use hedgerow::Constraint;
    ///
    /// let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    /// tokens.push(Vec::new());
    /// let special = vec![("<|call|>".to_owned(), TokenId(256))];
    /// let vocabulary =
    ///     Vocabulary::from_tokens(VocabularyParts { tokens, special, ..Default::default() })?;
    /// let text = r#"root ::= "ab" <|call|> [0-9]"#;
    /// let constraint = Constraint::grammar_text(Notation::Gbnf, text, &vocabulary)?;
    /// let mut matcher = constraint.matcher();
    /// assert!(!matcher.advance_bytes(b"ab<|call|>7")?);
    /// assert!(matcher.advance_text(b"ab<|call|>7")? && matcher.is_accepting());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`EngineError::AmbiguousText`], and those of [`mask`](Self::mask).
    pub fn advance_text(&mut self, text: &[u8]) -> Result<bool, EngineError> {
        let reading = self.text_reading(text)?;
        Ok(reading.len == text.len() && self.advance_pieces(text, &reading.pieces)?)
    }

    /// Reads the longest beginning of a text that is allowed, and gives its length in bytes.
    /// Otherwise this is [`advance_text`](Self::advance_text).
    ///
    /// ```
    /// use hedgerow::{Constraint, Vocabulary};
    /// let vocabulary = Vocabulary::from_byte_list((0..=255).map(|byte| vec![byte]).collect())?;
    /// let mut matcher = Constraint::regex("[0-9]+", &vocabulary)?.matcher();
    /// assert_eq!(matcher.advance_text_prefix(b"12 o'clock")?, 2);
    /// assert!(matcher.is_accepting());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`advance_text`](Self::advance_text). Then nothing has changed.
    pub fn advance_text_prefix(&mut self, text: &[u8]) -> Result<usize, EngineError> {
        let reading = self.text_reading(text)?;
        let is_read = self.advance_pieces(text, &reading.pieces)?;
        debug_assert!(is_read, "a reading has pieces that may come");
        Ok(if is_read { reading.len } else { 0 })
    }

    fn text_reading(&mut self, text: &[u8]) -> Result<TextReading, EngineError> {
        let vocabulary = self.vocabulary().clone();
        self.interruptible(|matcher| {
            if !matcher.stopped {
                matcher.leave_full_graph()?;
            }
            read_text(&vocabulary, text, matcher.position(), &mut &*matcher)
        })
    }

    /// Reads the pieces of a text, each as one step. If one of them is not allowed, `false`; then,
    /// as after an error, nothing has changed.
    fn advance_pieces(&mut self, text: &[u8], pieces: &[TextPiece]) -> Result<bool, EngineError> {
        let before = self.history.len();
        for piece in pieces {
            let read = match piece {
                TextPiece::Bytes(range) => self.advance_bytes(&text[range.clone()]),
                TextPiece::Token(token, _) => self.advance_token(*token, Input::TokenOfText(*token)),
            };
            if read != Ok(true) {
                self.rollback(self.history.len() - before)?;
                return read;
            }
        }
        Ok(true)
    }

    fn advance_by(&mut self, input: Input) -> Result<bool, EngineError> {
        let next = self.interruptible(|matcher| {
            matcher.leave_full_graph()?;
            matcher.successor(&matcher.graph, matcher.state, &input)
        })?;
        if next == Some(StateId::DEAD) {
            return Ok(false);
        }
        self.history.push(HistoryEntry { before: self.state, was_stopped: false, input });
        match next {
            Some(next) => self.state = next,
            None => self.stopped = true,
        }
        Ok(true)
    }

    /// The number of `tokens` that would be accepted, one after the other. Changes nothing. O(bytes
    /// of the tokens) if these were read here before.
    ///
    /// # Errors
    /// As [`allows`](Self::allows).
    pub fn validate(&mut self, tokens: &[TokenId]) -> Result<usize, EngineError> {
        self.interruptible(|matcher| {
            matcher.leave_full_graph()?;
            let mut at = matcher.position();
            for (i, &token) in tokens.iter().enumerate() {
                match matcher.follow(at, token)? {
                    Some(next) => at = next,
                    None => return Ok(i),
                }
            }
            Ok(tokens.len())
        })
    }

    /// Takes back the last `tokens` steps. O(tokens).
    ///
    /// # Errors
    /// [`EngineError::Rollback`] if there are not that many; then nothing has changed.
    pub fn rollback(&mut self, tokens: usize) -> Result<(), EngineError> {
        let available = self.history.len();
        let Some(left) = available.checked_sub(tokens) else {
            return Err(EngineError::Rollback { asked: tokens, available });
        };
        if let Some(step) = self.history.get(left) {
            self.state = step.before;
            self.stopped = step.was_stopped;
        }
        self.history.truncate(left);
        Ok(())
    }

    /// A second matcher at the same position, independent from now on.
    #[must_use]
    pub fn fork(&self) -> Matcher {
        self.clone()
    }

    /// A second matcher at the same position that cannot go back before it, and so costs the same
    /// however long the output is.
    #[cfg_attr(not(feature = "decode"), allow(dead_code))]
    pub(crate) fn fork_here(&self) -> Matcher {
        let Matcher { shared, graph, state, stopped, interrupt, .. } = self;
        Matcher {
            shared: Arc::clone(shared),
            graph: Arc::clone(graph),
            state: *state,
            stopped: *stopped,
            history: Vec::new(),
            interrupt: interrupt.clone(),
            hits: HitCounter::default(),
        }
    }

    /// Returns to the beginning of the output.
    pub fn reset(&mut self) {
        self.flush_hits();
        self.graph = self.shared.current();
        self.state = self.graph.start;
        self.stopped = false;
        self.history.clear();
    }

    /// True if the output so far is complete. It may still go on.
    pub fn is_accepting(&self) -> bool {
        self.graph.is_accepting(self.state)
    }

    /// True if an end-of-sequence token was read.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// The number of steps read.
    pub fn output_len(&self) -> usize {
        self.history.len()
    }

    /// A number for the set of texts that may follow. Two matchers of one constraint with equal
    /// numbers have equal masks, now and after every continuation. So a result about one of them is
    /// valid for the other. Matchers with different numbers may still have equal masks.
    ///
    /// The upper 32 bits count the times that the constraint's graph was dropped and built again
    /// for want of memory ([`Limits::graph_bytes`](super::Limits::graph_bytes)). No number is given
    /// twice for different futures, so a cache keyed by it is never wrong. After a rebuild its old
    /// entries are not met again; they may be dropped when the upper half of a number grows. A
    /// matcher moves to the new graph in its next call that changes it or asks for a mask.
    ///
    /// ```
    /// # use hedgerow::{engine::Constraint, grammar::GrammarBuilder, vocab::{TokenId, Vocabulary}};
    /// # let mut builder = GrammarBuilder::new();
    /// # let word = builder.nodes.literal(b"abab");
    /// # let tokens = ["a", "b", "ab"].map(|token| token.as_bytes().to_vec());
    /// # let vocabulary = Vocabulary::from_byte_list(tokens.to_vec())?;
    /// # let constraint = Constraint::new(&builder.build(word, None)?, &vocabulary)?;
    /// let (mut one, mut other) = (constraint.matcher(), constraint.matcher());
    /// one.advance(TokenId(0))?;
    /// assert_ne!(one.state_id(), other.state_id());
    /// one.advance(TokenId(1))?;
    /// other.advance_bytes(b"ab")?;
    /// assert_eq!(one.state_id(), other.state_id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn state_id(&self) -> u64 {
        // States are numbered below 2²⁸, so no state has this number.
        let state = if self.stopped { u32::MAX } else { self.state.0 };
        u64::from(self.graph.generation) << 32 | u64::from(state)
    }

    /// The constraint's figures, with the masks that this matcher was asked for.
    pub fn stats(&self) -> Stats {
        let stats = self.shared.stats(&self.graph);
        let HitCounter { masks, hits } = self.hits;
        Stats { masks: stats.masks + masks, mask_hits: stats.mask_hits + hits, ..stats }
    }

    /// Adds the count to the constraint's statistics.
    fn flush_hits(&mut self) {
        let HitCounter { masks, hits } = std::mem::take(&mut self.hits);
        if masks > 0 {
            self.shared.count_masks(masks, hits);
        }
    }

    /// The vocabulary.
    pub fn vocabulary(&self) -> &crate::vocab::Vocabulary {
        &self.shared.vocabulary
    }

    /// Tokens that complete the output from here; empty if it is complete. Each is allowed after
    /// the ones before it.
    ///
    /// The tokens spell a shortest text that completes the output, with as few tokens as this text
    /// can be spelt with. If parts of the text depend on each other, it may be a few bytes longer
    /// than the shortest: items that must differ, keys that require others, several counts
    /// (`contains`), lexemes. A longer text could have fewer tokens.
    ///
    /// The cost is about one state for each terminal of the text, and once for each grammar a look
    /// at the rules that it needs. Answers are kept for each state, so a call after every token of
    /// a long text costs little. `None` if the vocabulary cannot spell the text, if a bounded
    /// search finds no text because its parts depend on each other, or if the text has more than
    /// some 100,000 parts.
    ///
    /// ```
    /// use hedgerow::{Constraint, Vocabulary};
    ///
    /// let vocabulary = Vocabulary::from_byte_list((0..=255).map(|byte| vec![byte]).collect())?;
    /// let schema = r#"{
    ///     "type": "object",
    ///     "properties": {"on": {"type": "string", "format": "date"}},
    ///     "required": ["on"]
    /// }"#;
    /// let mut matcher = Constraint::json_schema(schema, &vocabulary)?.matcher();
    /// assert!(matcher.advance_bytes(br#"{"on": "2026-1"#)?);
    /// let way = matcher.completion()?.ok_or("no way")?;
    /// let bytes = way.iter().flat_map(|&token| vocabulary.bytes(token).to_vec());
    /// let text: Vec<u8> = bytes.collect();
    /// assert_eq!(text.len(), r#"0-10"}"#.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`mask`](Self::mask).
    pub fn completion(&mut self) -> Result<Option<Arc<[TokenId]>>, EngineError> {
        if self.stopped {
            return Ok(Some(Arc::new([])));
        }
        self.interruptible(|matcher| {
            matcher.leave_full_graph()?;
            matcher.graph.completion(matcher.state)
        })
    }

    /// The bytes that must come next, up to the first choice. Empty if there is a choice now, or if
    /// the output may end here. Looks ahead at most 65,536 bytes.
    ///
    /// # Errors
    /// As [`mask`](Self::mask).
    pub fn forced_bytes(&mut self) -> Result<Vec<u8>, EngineError> {
        if self.stopped {
            return Ok(Vec::new());
        }
        self.interruptible(|matcher| {
            matcher.leave_full_graph()?;
            matcher.graph.forced_bytes(matcher.state, MAX_FORCED)
        })
    }

    /// The tokens that spell [`forced_bytes`](Self::forced_bytes), each the longest that fits. The
    /// last token is left out if a longer token begins with it and might be chosen in its place.
    /// Each is allowed after the ones before it.
    ///
    /// # Errors
    /// As [`mask`](Self::mask).
    pub fn forced_tokens(&mut self) -> Result<Vec<TokenId>, EngineError> {
        let bytes = self.forced_bytes()?;
        let trie = self.shared.vocabulary.trie();
        let mut tokens = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let mut node = 0;
            let mut best = None;
            let mut depth = at;
            while let Some(child) = bytes.get(depth).and_then(|&b| trie.child(node, b)) {
                node = child;
                depth += 1;
                if let Some(&token) = trie.tokens(node).first() {
                    best = Some((token, depth));
                }
            }
            let may_go_on = depth == bytes.len() && trie.end(node) > node + 1;
            match best {
                Some((token, end)) if !may_go_on => {
                    tokens.push(token);
                    at = end;
                }
                _ => break,
            }
        }
        Ok(tokens)
    }
}

impl TextSteps for &Matcher {
    type Position = Position;

    fn token(&mut self, at: &Position, token: TokenId) -> Result<Option<Position>, EngineError> {
        self.follow_input(*at, token, &Input::TokenOfText(token))
    }

    fn bytes(&mut self, at: &Position, bytes: &[u8]) -> Result<(Position, usize), EngineError> {
        if at.stopped {
            return Ok((*at, 0));
        }
        let (state, len) = self.graph.step_allowed(at.state, bytes)?;
        let state = self.graph.after_input(state, false)?;
        Ok((Position { state, stopped: false }, len))
    }

    fn may_end(&self, at: &Position) -> bool {
        self.graph.is_accepting(at.state)
    }

    fn reads_token_sets(&self) -> bool {
        self.graph.reads_token_sets
    }
}

impl Drop for Matcher {
    fn drop(&mut self) {
        self.flush_hits();
    }
}

impl std::fmt::Debug for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Matcher")
            .field("steps", &self.history.len())
            .field("accepting", &self.is_accepting())
            .field("stopped", &self.stopped)
            .finish()
    }
}
