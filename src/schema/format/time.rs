//! `time`: full-time of RFC 3339 §5.6, with its offset.
//!
//! Second 60 is a leap second, which exists only at 23:59:60 UTC (§5.7 and appendix D): whether `15:59:60` is a time
//! depends on the offset behind it. The automaton therefore keeps the time of day where the seconds may still be 60,
//! and the offset it needs once they are.

use crate::automata::byte_classes::{ByteClasses, ByteSet};
use crate::automata::{LangId, Languages, Machine};
use std::sync::Arc;

const DAY: u64 = 24 * 60;

/// Where in `hh:mm:ss.f±hh:mm` a state is: how many of the bytes are read.
mod place {
    pub const HOUR: u64 = 0;
    pub const HOUR_UNIT: u64 = 1;
    pub const HOUR_END: u64 = 2;
    pub const MINUTE: u64 = 3;
    pub const MINUTE_UNIT: u64 = 4;
    pub const MINUTE_END: u64 = 5;
    pub const SECOND: u64 = 6;
    pub const SECOND_UNIT: u64 = 7;
    pub const SECOND_END: u64 = 8;
    pub const FRACTION: u64 = 9;
    pub const FRACTION_MORE: u64 = 10;
    pub const OFFSET_HOUR: u64 = 11;
    pub const OFFSET_HOUR_UNIT: u64 = 12;
    pub const OFFSET_HOUR_END: u64 = 13;
    pub const OFFSET_MINUTE: u64 = 14;
    pub const OFFSET_MINUTE_UNIT: u64 = 15;
    pub const DONE: u64 = 16;
}

/// A state: a place; a number, whose meaning depends on the place; and whether this is a leap second.
#[derive(Clone, Copy)]
struct State {
    place: u64,
    /// Before the offset: the first digit of the hour, the hour, or the minute of the day. In the offset of a leap
    /// second: the offset that must follow, in minutes. In other offsets: the first digit of the hour.
    value: u64,
    leap: bool,
}

impl State {
    fn pack(self) -> u64 {
        self.place | u64::from(self.leap) << 8 | self.value << 16
    }

    fn unpack(state: u64) -> Self {
        State { place: state & 0xff, leap: state >> 8 & 1 == 1, value: state >> 16 }
    }
}

struct Time;

impl Machine for Time {
    fn key(&self) -> String {
        "time".to_owned()
    }

    fn start(&self) -> Option<u64> {
        Some(State { place: place::HOUR, value: 0, leap: false }.pack())
    }

    fn step(&self, state: u64, byte: u8) -> Option<u64> {
        let State { place: at, value, leap } = State::unpack(state);
        let digit = || byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
        let up_to = |limit: u64| digit().filter(|&d| d <= limit);
        let exactly = |wanted: u64| digit().filter(|&d| d == wanted);
        let go = |place: u64, value: u64| Some(State { place, value, leap });
        let next = match at {
            place::HOUR => go(place::HOUR_UNIT, up_to(2)?),
            place::HOUR_UNIT => go(place::HOUR_END, value * 10 + up_to(if value == 2 { 3 } else { 9 })?),
            place::HOUR_END if byte == b':' => go(place::MINUTE, value),
            place::MINUTE => go(place::MINUTE_UNIT, value * 60 + up_to(5)? * 10),
            place::MINUTE_UNIT => go(place::MINUTE_END, value + digit()?),
            place::MINUTE_END if byte == b':' => go(place::SECOND, value),
            place::SECOND => match up_to(6)? {
                6 => Some(State { place: place::SECOND_UNIT, value, leap: true }),
                _ => go(place::SECOND_UNIT, 0),
            },
            place::SECOND_UNIT => {
                up_to(if leap { 0 } else { 9 })?;
                go(place::SECOND_END, value)
            }
            place::SECOND_END if byte == b'.' => go(place::FRACTION, value),
            place::FRACTION => {
                digit()?;
                go(place::FRACTION_MORE, value)
            }
            place::FRACTION_MORE if byte.is_ascii_digit() => go(place::FRACTION_MORE, value),
            place::SECOND_END | place::FRACTION_MORE => match byte {
                b'Z' | b'z' if !leap || value == DAY - 1 => {
                    Some(State { place: place::DONE, value: 0, leap: false })
                }
                // UTC is local time minus the offset, and must be 23:59.
                b'+' => go(place::OFFSET_HOUR, if leap { (value + 1) % DAY } else { 0 }),
                b'-' => go(place::OFFSET_HOUR, if leap { DAY - 1 - value } else { 0 }),
                _ => None,
            },
            place::OFFSET_HOUR if leap => {
                exactly(value / 600)?;
                go(place::OFFSET_HOUR_UNIT, value)
            }
            place::OFFSET_HOUR => go(place::OFFSET_HOUR_UNIT, up_to(2)?),
            place::OFFSET_HOUR_UNIT if leap => {
                exactly(value / 60 % 10)?;
                go(place::OFFSET_HOUR_END, value)
            }
            place::OFFSET_HOUR_UNIT => {
                up_to(if value == 2 { 3 } else { 9 })?;
                go(place::OFFSET_HOUR_END, 0)
            }
            place::OFFSET_HOUR_END if byte == b':' => go(place::OFFSET_MINUTE, value),
            place::OFFSET_MINUTE => {
                if leap {
                    exactly(value % 60 / 10)?;
                } else {
                    up_to(5)?;
                }
                go(place::OFFSET_MINUTE_UNIT, value)
            }
            place::OFFSET_MINUTE_UNIT => {
                if leap {
                    exactly(value % 10)?;
                } else {
                    digit()?;
                }
                Some(State { place: place::DONE, value: 0, leap: false })
            }
            _ => None,
        };
        next.map(State::pack)
    }

    fn accepts(&self, state: u64) -> bool {
        State::unpack(state).place == place::DONE
    }

    fn classes(&self) -> ByteClasses {
        let mut alone = ByteSet::range(b'0', b'9');
        b":.+-Zz".iter().for_each(|&b| alone.insert(b));
        ByteClasses::singletons(&alone)
    }

    fn is_text(&self) -> bool {
        true
    }
}

pub(super) fn language(pool: &mut Languages) -> LangId {
    pool.machine(Arc::new(Time))
}
