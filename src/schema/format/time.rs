//! `time`: the full-time of RFC 3339 §5.6, with its offset.
//!
//! Second 60 is a leap second, which exists only at 23:59:60 UTC (§5.7 and appendix D). So the
//! offset decides whether a time such as `15:59:60` is valid: `15:59:60-08:00` is. The automaton
//! therefore keeps the time of day as long as the seconds may still be 60, and after that the
//! offset that must follow.

use crate::automata::byte_classes::{ByteClasses, ByteSet};
use crate::automata::{ExprPool, LangId, Machine};
use std::sync::Arc;

const DAY: u64 = 24 * 60;

/// The value in place of the minute of the day that stands for any minute. Second 60 is then
/// allowed with any offset.
const ANY: u64 = DAY;

/// The place of a state in `hh:mm:ss.f±hh:mm`: the number of its bytes that were read.
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

/// A state: a place, a number whose meaning depends on the place, and whether the second is a leap
/// second.
#[derive(Clone, Copy)]
struct State {
    place: u64,
    /// A number. Before the offset it is the first digit of the hour, the hour, or the minute of
    /// the day. In the offset of a leap second it is the required offset in minutes. In other
    /// offsets it is the first digit of the hour.
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

    /// The state after `byte`.
    fn after(self, byte: u8) -> Option<Self> {
        let State { place: at, value, leap } = self;
        let digit = || byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
        let up_to = |limit: u64| digit().filter(|&d| d <= limit);
        let exactly = |wanted: u64| digit().filter(|&d| d == wanted);
        let go = |place: u64, value: u64| Some(State { place, value, leap });
        match at {
            place::HOUR => go(place::HOUR_UNIT, up_to(2)?),
            place::HOUR_UNIT => go(place::HOUR_END, value * 10 + up_to(if value == 2 { 3 } else { 9 })?),
            place::HOUR_END if byte == b':' => go(place::MINUTE, value),
            place::MINUTE | place::MINUTE_UNIT if value == ANY => {
                up_to(if at == place::MINUTE { 5 } else { 9 })?;
                go(at + 1, ANY)
            }
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
            place::SECOND_END | place::FRACTION_MORE if leap && value == ANY => {
                State { place: at, value: 0, leap: false }.after(byte)
            }
            place::SECOND_END | place::FRACTION_MORE => match byte {
                b'Z' | b'z' if !leap || value == DAY - 1 => {
                    Some(State { place: place::DONE, value: 0, leap: false })
                }
                // UTC is local time minus the offset, and it must be 23:59.
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
        }
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
        State::unpack(state).after(byte).map(State::pack)
    }

    fn accepts(&self, state: u64) -> bool {
        State::unpack(state).place == place::DONE
    }

    /// The bytes of `hh:mm:ssZ` that are left, or those of the offset that has begun.
    fn at_least(&self, state: u64) -> u32 {
        let place = State::unpack(state).place;
        let left = match place {
            place::HOUR..=place::SECOND_END => 9 - place,
            place::FRACTION | place::FRACTION_MORE => 12 - place - 1,
            _ => place::DONE - place,
        };
        left as u32
    }

    /// A state that forgets the minute of the day or the required offset.
    fn wider(&self, state: u64) -> Option<u64> {
        let State { place: at, value, leap } = State::unpack(state);
        let value = match at {
            place::HOUR_END..=place::SECOND if value != ANY => ANY,
            place::SECOND_UNIT..=place::FRACTION_MORE if leap && value != ANY => ANY,
            place::OFFSET_HOUR_UNIT if leap => value / 600,
            place::OFFSET_HOUR.. if leap => 0,
            _ => return None,
        };
        Some(State { place: at, value, leap: leap && at < place::OFFSET_HOUR }.pack())
    }

    fn classes(&self) -> ByteClasses {
        let mut alone = ByteSet::range(b'0', b'9');
        b":.+-Zz".iter().for_each(|&b| alone.insert(b));
        ByteClasses::singletons(&alone)
    }

    fn is_text(&self, _state: u64) -> bool {
        true
    }
}

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    pool.machine(Arc::new(Time))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wider state reads every text that its state reads, and so does the wider state of that
    /// one.
    #[test]
    fn wider_states_read_as_much() {
        let minutes = (0..24).flat_map(|hour| [0, 7, 59].map(|minute| (hour, minute)));
        for (hour, minute) in minutes {
            let offset = (hour * 60 + minute + 1) % 1440;
            let leap = format!("{hour:02}:{minute:02}:60.5+{:02}:{:02}", offset / 60, offset % 60);
            for text in
                [leap, format!("{hour:02}:{minute:02}:59.25z"), format!("{hour:02}:{minute:02}:00-09:30")]
            {
                let mut state = Time.start().unwrap();
                for (at, byte) in text.bytes().enumerate() {
                    state = Time.step(state, byte).unwrap();
                    let rest = &text.as_bytes()[at + 1..];
                    let mut wider = Time.wider(state);
                    while let Some(from) = wider {
                        let to = rest.iter().try_fold(from, |state, &byte| Time.step(state, byte));
                        assert!(to.is_some_and(|to| Time.accepts(to)), "{text} after {at}");
                        wider = Time.wider(from);
                    }
                }
                assert!(Time.accepts(state), "{text}");
            }
        }
    }
}
