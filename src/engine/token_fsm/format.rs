//! State machines as bytes, to be kept beside a model or sent to where the model runs.
//!
//! This is version 1 of the format. All numbers are unsigned and little-endian. All but two have 32
//! bits, so every table is aligned if the whole is, and can be used in place.
//!
//! | at | content |
//! |---|---|
//! | 0 | the eight letters `hedgefsm` |
//! | 8 | the version, 1 |
//! | 12 | number of tokens T, padding included |
//! | 16 | 64 bits: the vocabulary's fingerprint |
//! | 24 | number of states S, at least 1; state 0 is the start |
//! | 28 | number of classes C, at least 1; class 0 is in no row |
//! | 32 | number of edges E |
//! | 36 | 0 |
//! | 40 | T numbers: each token's class |
//! | | S numbers: each state's flags: 1 if an output may end, 2 behind an end-of-sequence token |
//! | | S + 1 numbers: the start of each state's row among the edges; the last is E |
//! | | E numbers: each edge's class, ascending within a row |
//! | | E numbers: each edge's target |
//! | | 64 bits: FNV-1a (draft-eastlake-fnv) of all bytes before |
//!
//! The reader trusts nothing. It checks lengths before it allocates anything, every number against
//! its bounds, and the hash against damage (which is no defence against forgery). A machine that
//! was read has no dead ends.

use super::machine::TokenFsm;
use super::tables::{ACCEPTING, STOPPED, Tables};
use crate::engine::error::EngineError;

const MAGIC: &[u8; 8] = b"hedgefsm";
const VERSION: u32 = 1;
const HEADER: usize = 40;
const HASH: usize = 8;

fn fnv_1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

fn malformed(offset: usize, reason: &'static str) -> EngineError {
    EngineError::TokenFsmBytes { offset, reason }
}

/// Numbers read one after the other.
struct FsmReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl FsmReader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], EngineError> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk());
        let taken = *taken.ok_or_else(|| malformed(self.bytes.len(), "the bytes end too early"))?;
        self.at += N;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, EngineError> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    /// `count` numbers that all pass `check`. The length was checked before.
    fn numbers(
        &mut self,
        count: usize,
        reason: &'static str,
        mut check: impl FnMut(usize, u32) -> bool,
    ) -> Result<Box<[u32]>, EngineError> {
        let mut numbers = Vec::with_capacity(count);
        for index in 0..count {
            let offset = self.at;
            let number = self.number()?;
            if !check(index, number) {
                return Err(malformed(offset, reason));
            }
            numbers.push(number);
        }
        Ok(numbers.into())
    }
}

impl TokenFsm {
    /// The state machine as bytes, which are the same on every computer. The source file
    /// `token_fsm/format.rs` defines the format, version 1. It has 8 bytes for each edge, 4 for
    /// each token, and 8 for each state.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Tables { vocabulary, classes, token_classes, flags, row_starts, edge_classes, edge_targets } =
            &self.tables;
        let numbers = token_classes.len() + flags.len() + row_starts.len() + 2 * edge_classes.len();
        let mut bytes = Vec::with_capacity(HEADER + 4 * numbers + HASH);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(token_classes.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&vocabulary.to_le_bytes());
        for number in [flags.len() as u32, *classes, edge_classes.len() as u32, 0] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for table in [token_classes, flags, row_starts, edge_classes, edge_targets] {
            table.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        }
        bytes.extend_from_slice(&fnv_1a(&bytes).to_le_bytes());
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. The caller compares
    /// [`vocabulary_fingerprint`](Self::vocabulary_fingerprint) to see if it fits a vocabulary.
    ///
    /// # Errors
    /// [`EngineError::TokenFsmBytes`] for anything but a whole, undamaged machine of a known
    /// version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EngineError> {
        let mut reader = FsmReader { bytes, at: 0 };
        if reader.take::<8>()? != *MAGIC {
            return Err(malformed(0, "these are not the bytes of a token state machine"));
        }
        if reader.number()? != VERSION {
            return Err(malformed(8, "this version of the format is not known"));
        }
        let tokens = reader.number()?;
        let vocabulary = u64::from_le_bytes(reader.take()?);
        let (states, classes, edges) = (reader.number()?, reader.number()?, reader.number()?);
        if reader.number()? != 0 {
            return Err(malformed(36, "a number that must be 0 is not"));
        }
        let (count, edge_count) = (u64::from(states), u64::from(edges));
        let numbers = u64::from(tokens) + 2 * count + 1 + 2 * edge_count;
        if bytes.len() as u64 != HEADER as u64 + 4 * numbers + HASH as u64 {
            return Err(malformed(
                bytes.len(),
                "the length is not what the numbers of tokens, states and edges make it",
            ));
        }
        let (content, hash) = bytes.split_at(bytes.len() - HASH);
        if fnv_1a(content).to_le_bytes() != hash {
            return Err(malformed(content.len(), "the hash is another: the bytes are damaged"));
        }
        if states == 0 || classes == 0 {
            return Err(malformed(24, "there is no state or no class"));
        }
        // Every class but the first has a token.
        if u64::from(classes) > u64::from(tokens) + 1 {
            return Err(malformed(28, "there are more classes than tokens"));
        }
        let (tokens, states, edges) = (tokens as usize, states as usize, edges as usize);
        let token_classes =
            reader.numbers(tokens, "a token is of a class that there is not", |_, class| class < classes)?;
        let known = ACCEPTING | STOPPED;
        let flags =
            reader.numbers(states, "a state has flags that are not known", |_, flags| flags & !known == 0)?;
        let mut before = 0;
        let row_starts = reader.numbers(states + 1, "rows do not follow each other", |index, start| {
            let last = index == states;
            let right = if last { start as usize == edges } else { start as usize <= edges };
            let first = index > 0 || start == 0;
            std::mem::replace(&mut before, start) <= start && right && first
        })?;
        let dead = (0..states).find(|&state| row_starts[state] == row_starts[state + 1] && flags[state] == 0);
        if let Some(state) = dead {
            return Err(malformed(HEADER + 4 * (tokens + states + state), "a state has no way on"));
        }
        let (mut row, mut class_before) = (0, 0);
        let edge_classes =
            reader.numbers(edges, "the classes of a row are not in order", |index, class| {
                while row_starts[row + 1] as usize <= index {
                    row += 1;
                    class_before = 0;
                }
                std::mem::replace(&mut class_before, class) < class && class < classes
            })?;
        let edge_targets =
            reader.numbers(edges, "an edge leads nowhere", |_, target| (target as usize) < states)?;
        Ok(TokenFsm::of(Tables {
            vocabulary,
            classes,
            token_classes,
            flags,
            row_starts,
            edge_classes,
            edge_targets,
        }))
    }
}
