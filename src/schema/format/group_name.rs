//! The names of groups in a regular expression: at most one group has a name, and `\k<…>` repeats
//! it.
//!
//! This rule is intersected with the grammar in [`regex`](super::regex). An automaton checks it by
//! keeping the name in its state, so a name has at most nine characters. A backreference may only
//! follow the group's name, although ECMA-262 also allows it to come first.

use crate::automata::byte_classes::{ByteClasses, ByteSet};
use crate::automata::{ExprPool, LangId, Machine};
use std::sync::Arc;

/// The most characters that a name may have.
pub(super) const MAX_NAME_CHARS: u32 = 9;
/// The bits that a character of a name takes in a state. The value 0 stands for no character.
const BITS: u32 = 6;

mod phase {
    pub const TEXT: u64 = 0;
    pub const ESCAPED: u64 = 1;
    pub const CLASS: u64 = 2;
    pub const CLASS_ESCAPED: u64 = 3;
    /// The phases after `(`, `(?` and `(?<`.
    pub const OPEN: u64 = 4;
    pub const QUESTION: u64 = 5;
    pub const ANGLE: u64 = 6;
    pub const NAME: u64 = 7;
    /// The phases after `\k` and after `\k<`.
    pub const REFERENCE: u64 = 8;
    pub const REPEATED: u64 = 9;
}

/// A state: the phase, the number of characters already read of a name, and the name with its first
/// character in the lowest bits. A *forgotten* name cannot be repeated.
#[derive(Clone, Copy)]
struct State {
    phase: u64,
    read: u32,
    name: u64,
}

/// The value that stands for a forgotten name.
const FORGOTTEN: u64 = 1 << (BITS * MAX_NAME_CHARS);

impl State {
    fn pack(self) -> u64 {
        self.phase | u64::from(self.read) << 4 | self.name << 8
    }

    fn unpack(state: u64) -> Self {
        State { phase: state & 15, read: (state >> 4) as u32 & 15, name: state >> 8 }
    }
}

/// The number of a character of a name, from 1 up; `None` if names cannot contain it.
fn code(byte: u8) -> Option<u64> {
    Some(u64::from(match byte {
        b'a'..=b'z' => byte - b'a' + 1,
        b'A'..=b'Z' => byte - b'A' + 27,
        b'0'..=b'9' => byte - b'0' + 53,
        b'_' => 63,
        _ => return None,
    }))
}

struct GroupNames;

impl Machine for GroupNames {
    fn key(&self) -> String {
        "regex group names".to_owned()
    }

    fn start(&self) -> Option<u64> {
        Some(State { phase: phase::TEXT, read: 0, name: 0 }.pack())
    }

    fn step(&self, state: u64, byte: u8) -> Option<u64> {
        let State { phase: at, read, name } = State::unpack(state);
        let go = |phase: u64| Some(State { phase, read: 0, name });
        let character = |read: u32| (name >> (BITS * read)) & ((1 << BITS) - 1);
        let next = match (at, byte) {
            (phase::TEXT | phase::OPEN, b'\\') => go(phase::ESCAPED),
            (phase::TEXT | phase::OPEN, b'[') => go(phase::CLASS),
            (phase::TEXT | phase::OPEN, b'(') => go(phase::OPEN),
            (phase::OPEN, b'?') => go(phase::QUESTION),
            (phase::TEXT | phase::OPEN, _) => go(phase::TEXT),
            (phase::ESCAPED, b'k') if name == 0 || name == FORGOTTEN => None,
            (phase::ESCAPED, b'k') => go(phase::REFERENCE),
            (phase::ESCAPED, _) => go(phase::TEXT),
            (phase::CLASS, b'\\') => go(phase::CLASS_ESCAPED),
            (phase::CLASS, b']') => go(phase::TEXT),
            (phase::CLASS | phase::CLASS_ESCAPED, _) => go(phase::CLASS),
            (phase::QUESTION, b'<') => go(phase::ANGLE),
            (phase::QUESTION, _) | (phase::ANGLE, b'=' | b'!') => go(phase::TEXT),
            (phase::ANGLE, _) if name != 0 => None,
            (phase::ANGLE, _) => Some(State { phase: phase::NAME, read: 1, name: code(byte)? }),
            (phase::NAME, b'>') => go(phase::TEXT),
            (phase::NAME, _) if read == MAX_NAME_CHARS => None,
            (phase::NAME, _) if name == FORGOTTEN => {
                code(byte)?;
                Some(State { phase: at, read: read + 1, name })
            }
            (phase::NAME, _) => {
                Some(State { phase: at, read: read + 1, name: name | code(byte)? << (BITS * read) })
            }
            (phase::REFERENCE, b'<') => go(phase::REPEATED),
            (phase::REPEATED, b'>') if character(read) == 0 => go(phase::TEXT),
            (phase::REPEATED, _) if code(byte) == Some(character(read)) => {
                Some(State { phase: at, read: read + 1, name })
            }
            _ => None,
        };
        next.map(State::pack)
    }

    fn accepts(&self, state: u64) -> bool {
        matches!(State::unpack(state).phase, phase::TEXT | phase::OPEN)
    }

    fn narrower(&self, state: u64) -> Option<u64> {
        let State { phase: at, read, name } = State::unpack(state);
        let is_needed = matches!(at, phase::REFERENCE | phase::REPEATED);
        let is_named = name != 0 && name != FORGOTTEN;
        (is_named && !is_needed).then(|| State { phase: at, read, name: FORGOTTEN }.pack())
    }

    fn at_least(&self, state: u64) -> u32 {
        let State { phase: at, read, name } = State::unpack(state);
        let length = (u64::BITS - name.leading_zeros()).div_ceil(BITS);
        match at {
            phase::TEXT | phase::OPEN => 0,
            phase::REFERENCE => length + 2,
            phase::REPEATED => length - read + 1,
            _ => 1,
        }
    }

    fn classes(&self) -> ByteClasses {
        let mut alone = ByteSet::EMPTY;
        (0..=255u8).filter(|&b| code(b).is_some()).for_each(|b| alone.insert(b));
        br"\[]()?<>=!".iter().for_each(|&b| alone.insert(b));
        ByteClasses::singletons(&alone)
    }

    fn is_text(&self, _state: u64) -> bool {
        false
    }
}

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    pool.machine(Arc::new(GroupNames))
}
