//! The reading of a text in which special tokens stand by their names.
//!
//! A name such as `<|call|>` in a text may stand for the token, or it may be bytes that happen to
//! spell the name. A text alone does not say which, so both readings are followed. At each name the
//! token is tried before the bytes, and a longer name before a shorter one. The first way to the
//! end of the text at which the output may end is taken. Without one, the first way to the end of
//! the text is taken, and without that too, the one that comes furthest. The search has a limit on
//! its steps. If it is reached, the best way to the end of the text so far is taken. If none has
//! come there, the text is too ambiguous, which is an error.
//!
//! Two ways that are at one place of the text in one position have the same future, so only the
//! first is followed. Where the grammar reads whole tokens of a set, as `any_tokens` of structural
//! tags does, the text is also cut into ordinary tokens, in all ways.

use super::error::EngineError;
use crate::automata::ByteSet;
use crate::vocab::{TokenId, Vocabulary};
use hashbrown::{HashMap, HashSet};
use std::hash::Hash;
use std::ops::Range;

/// The most steps of a search for each byte of the text, and for any text. A step reads a byte or a
/// token.
const STEPS_PER_BYTE: usize = 64;
const STEPS: usize = 1 << 16;

/// A piece of a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum TextPiece {
    /// The bytes at these places.
    Bytes(Range<usize>),
    /// A token, and the number of bytes of the text for which it stands.
    Token(TokenId, usize),
}

/// A reader of pieces: a graph of states.
pub(super) trait TextSteps {
    /// All that decides about the future of a reading.
    type Position: Clone + Eq + Hash;

    /// The position after a token; `None` if it is not allowed.
    fn token(&mut self, at: &Self::Position, token: TokenId) -> Result<Option<Self::Position>, EngineError>;

    /// The position after the longest beginning of `bytes` that is allowed, and its length.
    fn bytes(&mut self, at: &Self::Position, bytes: &[u8]) -> Result<(Self::Position, usize), EngineError>;

    /// True if the output may end.
    fn may_end(&self, at: &Self::Position) -> bool;

    /// True if the grammar reads whole tokens of a set.
    fn reads_token_sets(&self) -> bool;
}

/// The result of reading a text.
#[derive(Debug)]
pub(super) struct TextReading {
    /// The pieces to read. Two pieces of bytes never stand side by side.
    pub pieces: Vec<TextPiece>,
    /// The number of bytes of the text that the pieces cover.
    pub len: usize,
}

/// Divides the longest beginning of a text that can be read into pieces.
///
/// # Errors
/// Those of the steps, and [`EngineError::AmbiguousText`].
pub(super) fn read_text<S: TextSteps>(
    vocabulary: &Vocabulary,
    text: &[u8],
    start: S::Position,
    steps: &mut S,
) -> Result<TextReading, EngineError> {
    let names = SpecialTokenNames::of(vocabulary, text, steps.reads_token_sets());
    let mut search =
        ReadingSearch { steps, names, text, trail: Vec::new(), open: Vec::new(), seen: HashSet::new() };
    search.run(start)
}

/// A piece of one of the ways, and the piece before it.
struct Taken {
    piece: TextPiece,
    before: Option<usize>,
}

/// A step that is still to be tried.
struct Untried<P> {
    from: P,
    at: usize,
    piece: TextPiece,
    before: Option<usize>,
}

struct ReadingSearch<'s, S: TextSteps> {
    steps: &'s mut S,
    names: SpecialTokenNames<'s>,
    text: &'s [u8],
    trail: Vec<Taken>,
    /// The steps to try, the next one last.
    open: Vec<Untried<S::Position>>,
    seen: HashSet<(usize, S::Position)>,
}

impl<S: TextSteps> ReadingSearch<'_, S> {
    fn run(&mut self, start: S::Position) -> Result<TextReading, EngineError> {
        let limit = STEPS_PER_BYTE.saturating_mul(self.text.len()).saturating_add(STEPS);
        let mut work = 0usize;
        // The place to which the best way comes, and its last piece.
        let mut best = (0, None);
        self.arrive(start, 0, None);
        while let Some(Untried { from, at, piece, before }) = self.open.pop() {
            if work > limit {
                // A way to the end of the text may be known, but another one may end the output.
                return Err(EngineError::AmbiguousText { limit: limit as u64 });
            }
            work += 1;
            let (position, to) = match &piece {
                TextPiece::Token(token, len) => match self.steps.token(&from, *token)? {
                    Some(position) => (position, at + len),
                    None => continue,
                },
                TextPiece::Bytes(range) => {
                    let (position, count) = self.steps.bytes(&from, &self.text[range.clone()])?;
                    work += count;
                    (position, at + count)
                }
            };
            let is_cut = matches!(&piece, TextPiece::Bytes(range) if to < range.end);
            let is_end = to == self.text.len() && self.steps.may_end(&position);
            if !is_end && to <= best.0 && (is_cut || self.seen.contains(&(to, position.clone()))) {
                continue;
            }
            let last = Some(self.trail.len());
            let piece = if is_cut { TextPiece::Bytes(at..to) } else { piece };
            self.trail.push(Taken { piece, before });
            if is_end || to > best.0 {
                best = (to, last);
            }
            if is_end {
                break;
            }
            if !is_cut {
                self.arrive(position, to, last);
            }
        }
        Ok(self.way(best))
    }

    /// Notes the steps from a position that was not reached before.
    fn arrive(&mut self, position: S::Position, at: usize, last: Option<usize>) {
        if at == self.text.len() || !self.seen.insert((at, position.clone())) {
            return;
        }
        let open = |piece| Untried { from: position.clone(), at, piece, before: last };
        self.open.push(open(TextPiece::Bytes(at..self.names.next(at + 1))));
        let from = self.open.len();
        self.names.tokens_at(&self.text[at..], at, |token, len| {
            self.open.push(open(TextPiece::Token(token, len)));
        });
        // The steps to try first come last.
        self.open[from..].reverse();
    }

    /// The pieces of the way whose last piece is `last`, in order.
    fn way(&self, (len, mut last): (usize, Option<usize>)) -> TextReading {
        let mut pieces: Vec<TextPiece> = Vec::new();
        while let Some(taken) = last.and_then(|last| self.trail.get(last)) {
            match (&taken.piece, pieces.last_mut()) {
                (TextPiece::Bytes(earlier), Some(TextPiece::Bytes(later))) => later.start = earlier.start,
                (piece, _) => pieces.push(piece.clone()),
            }
            last = taken.before;
        }
        pieces.reverse();
        TextReading { pieces, len }
    }
}

/// The names of tokens, and the places of a text at which they stand.
struct SpecialTokenNames<'v> {
    vocabulary: &'v Vocabulary,
    /// The special tokens of each name: several tokens may have one name.
    named: HashMap<&'v [u8], Vec<TokenId>>,
    /// The lengths of names, the longest first.
    lengths: Vec<usize>,
    /// The places at which a name stands.
    places: Vec<usize>,
    end: usize,
    /// True if ordinary tokens stand by their bytes, at every place.
    with_ordinary: bool,
}

impl<'v> SpecialTokenNames<'v> {
    fn of(vocabulary: &'v Vocabulary, text: &[u8], with_ordinary: bool) -> Self {
        let mut named: HashMap<&[u8], Vec<TokenId>> = HashMap::new();
        let mut begins = ByteSet::EMPTY;
        for (name, token) in vocabulary.special_tokens().filter(|(name, _)| !name.is_empty()) {
            begins.insert(name.as_bytes()[0]);
            named.entry(name.as_bytes()).or_default().push(token);
        }
        let mut lengths: Vec<usize> = named.keys().map(|name| name.len()).collect();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        lengths.dedup();
        let mut names = SpecialTokenNames {
            vocabulary,
            named,
            lengths,
            places: Vec::new(),
            end: text.len(),
            with_ordinary,
        };
        let stands =
            |at: &usize| begins.contains(text[*at]) && names.special_at(&text[*at..]).next().is_some();
        names.places = (0..text.len()).filter(stands).collect();
        names
    }

    /// The special tokens whose name stands at the beginning of a text, the longest first, each
    /// with its length.
    fn special_at<'t>(&'t self, text: &'t [u8]) -> impl Iterator<Item = (TokenId, usize)> + 't {
        let named = |&length: &usize| Some((self.named.get(text.get(..length)?)?, length));
        let tokens = self.lengths.iter().filter_map(named);
        tokens.flat_map(|(tokens, length)| tokens.iter().map(move |&token| (token, length)))
    }

    /// The next place, from `at` on, at which a token stands; the text's end if there is none.
    fn next(&self, at: usize) -> usize {
        if self.with_ordinary {
            return at;
        }
        let i = self.places.partition_point(|&place| place < at);
        self.places.get(i).copied().unwrap_or(self.end)
    }

    /// Gives the tokens that stand at the beginning of `text`, which is at the place `at`. Those to
    /// prefer come first.
    fn tokens_at(&self, text: &[u8], at: usize, mut give: impl FnMut(TokenId, usize)) {
        if self.places.binary_search(&at).is_ok() {
            self.special_at(text).for_each(|(token, len)| give(token, len));
        }
        if !self.with_ordinary {
            return;
        }
        let trie = self.vocabulary.trie();
        let (mut node, mut found) = (0, Vec::new());
        for (i, &byte) in text.iter().enumerate() {
            let Some(child) = trie.child(node, byte) else { break };
            node = child;
            found.extend(trie.tokens(node).iter().map(|&token| (token, i + 1)));
        }
        found.into_iter().rev().for_each(|(token, len)| give(token, len));
    }
}
