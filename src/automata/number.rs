//! Plain decimal numbers (`-12.5`, no exponent) between bounds, and multiples of a number.
//!
//! A range is a small table: the digits read so far against the digits of each bound, position by position (equal,
//! below or above), and how many digits there were. The table is built by exploring those comparisons from the
//! start and keeps only states that reach acceptance, so that `minimum: 5, maximum: 17` never offers `2` followed
//! by nothing. Multiples keep the remainder; whether a multiple can still be reached is arithmetic.
//!
//! Cost: a table of about ten states a digit of the bounds; nothing is built for multiples.

use super::byte_classes::ByteClasses;
use super::decimal::Decimal;
use super::languages::{LangId, Languages};
use super::machine::{DigitRuns, Machine};
use hashbrown::HashMap;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

/// Which digits may follow a decimal point.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fraction {
    /// No decimal point.
    None,
    /// Zeros only: whole numbers in every plain spelling.
    Zeros,
    /// One to this many digits ([`UNBOUNDED`](super::UNBOUNDED) for no limit).
    Digits(u32),
}

/// One end of a range.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Bound {
    /// The bound.
    pub value: Decimal,
    /// Whether the bound itself is outside.
    pub exclusive: bool,
}

/// Bounds with more digits than this on one side of the point are not supported.
pub const MAX_BOUND_DIGITS: usize = 400;

impl Languages {
    /// The plain spellings of the numbers between `lower` and `upper`. Zero is not spelt with a sign unless
    /// `fraction` is [`Fraction::Zeros`]-like (see [`signed_zero`](SignedZero)). `None` when a bound has more than
    /// [`MAX_BOUND_DIGITS`] digits on a side.
    pub fn number_range(
        &mut self,
        lower: Option<&Bound>,
        upper: Option<&Bound>,
        fraction: Fraction,
        zero: SignedZero,
    ) -> Option<LangId> {
        let end = |bound: Option<&Bound>| {
            bound.map_or(String::new(), |b| {
                format!("{}{}", b.value.text(), if b.exclusive { "!" } else { "" })
            })
        };
        let key = format!("number[{}..{}] {fraction:?} {zero:?}", end(lower), end(upper));
        if let Some(known) = self.known_machine(&key) {
            return Some(known);
        }
        let table = RangeTable::build(key, lower, upper, fraction, zero)?;
        Some(self.machine(Arc::new(table)))
    }

    /// The plain spellings of the multiples of `divisor` (its sign does not matter), with decimal digits only
    /// where `fraction` allows them. `None` when the divisor is zero or has more than 15 significant digits.
    pub fn multiples_of(&mut self, divisor: &Decimal, fraction: Fraction) -> Option<LangId> {
        let (divisor, places) =
            divisor.scaled().filter(|&(d, places)| d > 0 && d < 1_000_000_000_000_000 && places <= 15)?;
        let not = Box::default();
        Some(self.machine(Arc::new(Multiples {
            divisor,
            places,
            not,
            modulus: divisor,
            fraction,
            signs: Signs::All,
        })))
    }

    /// The same for a whole divisor, whole numbers and some signs only, without the multiples of the numbers `not`. As an
    /// intersection one would have to search through the remainders, which can be many. `None` also where the remainders by
    /// all the numbers together are too many to count, or where `fraction` lets other numbers than whole ones be spelt.
    pub fn whole_multiples_of(
        &mut self,
        divisor: &Decimal,
        not: &[Decimal],
        fraction: Fraction,
        signs: Signs,
    ) -> Option<LangId> {
        let fits = |n: u64| n > 0 && n < 1_000_000_000_000_000;
        let (divisor, places) = divisor.scaled().filter(|&(d, _)| fits(d))?;
        if places != 0 || !matches!(fraction, Fraction::None | Fraction::Zeros) {
            return None;
        }
        let mut refused = Vec::with_capacity(not.len());
        let mut modulus = divisor;
        for divisor in not {
            // A whole number is a multiple of a fraction in lowest terms if it is one of the numerator.
            let (scaled, places) = divisor.scaled().filter(|&(d, places)| fits(d) && places <= 15)?;
            let refusing = scaled / gcd(scaled.into(), 10u128.pow(places)) as u64;
            let common =
                u128::from(modulus / gcd(modulus.into(), refusing.into()) as u64) * u128::from(refusing);
            modulus = u64::try_from(common).ok().filter(|&n| fits(n))?;
            refused.push(refusing);
        }
        refused.sort_unstable();
        refused.dedup();
        if refused.iter().any(|refusing| divisor % refusing == 0) {
            return Some(LangId::NEVER);
        }
        let not = refused.into();
        Some(self.machine(Arc::new(Multiples { divisor, places, not, modulus, fraction, signs })))
    }
}

/// Which signs multiples may have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Signs {
    /// Both, `-0` included.
    All,
    /// Both, without `-0`.
    NoNegativeZero,
    /// No minus.
    NotNegative,
    /// Neither a minus nor zero.
    Positive,
}

/// Whether `-0` counts as a spelling of zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SignedZero {
    /// `-0` is refused.
    Refused,
    /// `-0` is zero.
    Allowed,
}

// --- ranges ---------------------------------------------------------------------------------------------------

const DEAD: u16 = u16::MAX;
/// The input classes: the digits, `-`, `.`.
const MINUS: usize = 10;
const POINT: usize = 11;
const CLASSES: usize = 12;

struct RangeTable {
    key: String,
    rows: Vec<[u16; CLASSES]>,
    /// The bytes left to the nearest end of a number, by state; `DEAD` where there is none.
    distance: Vec<u16>,
    digit_runs: Vec<DigitRuns>,
}

/// A bound on the magnitude.
struct Magnitude {
    whole: Vec<u8>,
    fraction: Vec<u8>,
    exclusive: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    Start,
    AfterMinus,
    /// A lone `0` before the point.
    Zero,
    /// This many digits before the point, clamped past the longest bound.
    Whole(u16),
    Point,
    /// This many digits after the point, clamped.
    Fraction(u16),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Position {
    phase: Phase,
    negative: bool,
    /// What was read against the bound below and above, as far as both go.
    low: Ordering,
    high: Ordering,
    nonzero: bool,
}

/// What the magnitudes of one sign must satisfy; `None`: no number has this sign.
type Side = Option<(Option<Magnitude>, Option<Magnitude>)>;

struct Range {
    sides: [Side; 2],
    fraction: Fraction,
    zero: SignedZero,
    longest_whole: u16,
    longest_fraction: u16,
}

impl Range {
    fn new(
        lower: Option<&Bound>,
        upper: Option<&Bound>,
        fraction: Fraction,
        zero: SignedZero,
    ) -> Option<Self> {
        let magnitude = |bound: &Bound| {
            let (whole, fraction) = bound.value.plain_digits(MAX_BOUND_DIGITS)?;
            Some(Magnitude { whole, fraction, exclusive: bound.exclusive })
        };
        let below_zero = |bound: &Bound| bound.value.is_negative();
        let not_positive = |bound: &Bound| bound.value.is_negative() || bound.value.is_zero();
        let check = |bound: Option<&Bound>| match bound {
            Some(bound) => magnitude(bound).map(Some),
            None => Some(None),
        };
        let (low, high) = (check(lower)?, check(upper)?);
        let again = |bound: Option<&Bound>| bound.and_then(magnitude);
        let positive = match upper {
            Some(bound) if below_zero(bound) => None,
            _ => Some((low.filter(|_| lower.is_some_and(|b| !below_zero(b))), high)),
        };
        let negative = match lower {
            Some(bound) if !not_positive(bound) => None,
            _ => Some((again(upper).filter(|_| upper.is_some_and(not_positive)), again(lower))),
        };
        let sides = [positive, negative];
        let longest = |of: fn(&Magnitude) -> usize| {
            sides.iter().flatten().flat_map(|s| [&s.0, &s.1]).flatten().map(of).max().unwrap_or(0) as u16
        };
        let (longest_whole, longest_fraction) = (longest(|m| m.whole.len()), longest(|m| m.fraction.len()));
        Some(Range { longest_whole, longest_fraction, sides, fraction, zero })
    }

    fn compare(so_far: Ordering, digit: u8, bound: Option<u8>) -> Ordering {
        match (so_far, bound) {
            (Ordering::Equal, Some(bound)) => digit.cmp(&bound),
            // Past the end of a bound only zeros keep a fraction equal; before the point lengths decide anyway.
            (Ordering::Equal, None) => digit.cmp(&0),
            (other, _) => other,
        }
    }

    fn after_digit(&self, at: Position, digit: u8) -> Option<Position> {
        let side = self.sides[usize::from(at.negative)].as_ref()?;
        let (low, high) = (side.0.as_ref(), side.1.as_ref());
        let mut next = Position { nonzero: at.nonzero || digit != 0, ..at };
        match at.phase {
            Phase::Zero => return None,
            Phase::Start | Phase::AfterMinus | Phase::Whole(_) => {
                let count = if let Phase::Whole(n) = at.phase { n } else { 0 };
                let i = usize::from(count);
                next.low = Self::compare(at.low, digit, low.and_then(|m| m.whole.get(i).copied()));
                next.high = Self::compare(at.high, digit, high.and_then(|m| m.whole.get(i).copied()));
                next.phase = if count == 0 && digit == 0 {
                    Phase::Zero
                } else {
                    Phase::Whole((count + 1).min(self.longest_whole + 1))
                };
            }
            Phase::Point | Phase::Fraction(_) => {
                let count = if let Phase::Fraction(n) = at.phase { n } else { 0 };
                let i = usize::from(count);
                let clamp = match self.fraction {
                    Fraction::None => return None,
                    Fraction::Zeros if digit != 0 => return None,
                    Fraction::Digits(max) if max <= u32::from(u16::MAX - 1) => {
                        if u32::from(count) >= max {
                            return None;
                        }
                        max as u16
                    }
                    Fraction::Zeros | Fraction::Digits(_) => self.longest_fraction + 1,
                };
                next.low = Self::compare(at.low, digit, low.and_then(|m| m.fraction.get(i).copied()));
                next.high = Self::compare(at.high, digit, high.and_then(|m| m.fraction.get(i).copied()));
                next.phase = Phase::Fraction((count + 1).min(clamp));
            }
        }
        Some(self.settle(next))
    }

    /// Without a bound there is nothing to compare with.
    fn settle(&self, mut at: Position) -> Position {
        if let Some(side) = &self.sides[usize::from(at.negative)] {
            if side.0.is_none() {
                at.low = Ordering::Greater;
            }
            if side.1.is_none() {
                at.high = Ordering::Less;
            }
        }
        at
    }

    /// The order once the part before the point is complete.
    fn whole_order(so_far: Ordering, count: u16, bound: Option<&Magnitude>) -> Ordering {
        match bound {
            Some(bound) => usize::from(count).cmp(&bound.whole.len()).then(so_far),
            None => so_far,
        }
    }

    fn after_point(&self, at: Position) -> Option<Position> {
        let count = match at.phase {
            Phase::Zero => 1,
            Phase::Whole(n) => n,
            _ => return None,
        };
        if self.fraction == Fraction::None {
            return None;
        }
        let side = self.sides[usize::from(at.negative)].as_ref()?;
        let low = Self::whole_order(at.low, count, side.0.as_ref());
        let high = Self::whole_order(at.high, count, side.1.as_ref());
        Some(self.settle(Position { phase: Phase::Point, low, high, ..at }))
    }

    fn accepts(&self, at: Position) -> bool {
        let Some(side) = self.sides[usize::from(at.negative)].as_ref() else { return false };
        if at.negative && !at.nonzero && self.zero == SignedZero::Refused {
            return false;
        }
        let order = |so_far: Ordering, bound: &Option<Magnitude>| {
            let Some(bound) = bound else { return so_far };
            let (so_far, digits) = match at.phase {
                Phase::Zero => (Self::whole_order(so_far, 1, Some(bound)), 0),
                Phase::Whole(n) => (Self::whole_order(so_far, n, Some(bound)), 0),
                Phase::Fraction(n) => (so_far, n),
                _ => (so_far, 0),
            };
            // A bound with digits left is larger: its last digit is not zero.
            so_far.then(usize::from(digits).min(bound.fraction.len()).cmp(&bound.fraction.len()))
        };
        let above = match &side.0 {
            None => true,
            Some(bound) => match order(at.low, &side.0) {
                Ordering::Less => false,
                Ordering::Equal => !bound.exclusive,
                Ordering::Greater => true,
            },
        };
        let below = match &side.1 {
            None => true,
            Some(bound) => match order(at.high, &side.1) {
                Ordering::Less => true,
                Ordering::Equal => !bound.exclusive,
                Ordering::Greater => false,
            },
        };
        matches!(at.phase, Phase::Zero | Phase::Whole(_) | Phase::Fraction(_)) && above && below
    }
}

impl RangeTable {
    fn build(
        key: String,
        lower: Option<&Bound>,
        upper: Option<&Bound>,
        fraction: Fraction,
        zero: SignedZero,
    ) -> Option<Self> {
        let range = Range::new(lower, upper, fraction, zero)?;
        let start = Position {
            phase: Phase::Start,
            negative: false,
            low: Ordering::Equal,
            high: Ordering::Equal,
            nonzero: false,
        };
        let mut positions = vec![start];
        let mut index: HashMap<Position, u16> = HashMap::from([(start, 0)]);
        let mut rows: Vec<[u16; CLASSES]> = Vec::new();
        let mut into: Vec<Vec<u16>> = vec![Vec::new()];
        while rows.len() < positions.len() {
            let from = rows.len();
            let at = positions[from];
            let mut row = [DEAD; CLASSES];
            for (class, slot) in row.iter_mut().enumerate() {
                let next = match class {
                    MINUS if at.phase == Phase::Start => {
                        Some(Position { phase: Phase::AfterMinus, negative: true, ..at })
                    }
                    MINUS => None,
                    POINT => range.after_point(at),
                    digit => range.after_digit(at, digit as u8),
                };
                let Some(next) = next else { continue };
                let id = *index.entry(next).or_insert_with(|| {
                    positions.push(next);
                    into.push(Vec::new());
                    (positions.len() - 1) as u16
                });
                into[usize::from(id)].push(from as u16);
                *slot = id;
            }
            rows.push(row);
            if positions.len() >= usize::from(DEAD) {
                return None;
            }
        }
        let accepting: Vec<bool> = positions.iter().map(|&p| range.accepts(p)).collect();
        // Breadth first from the accepting states backwards.
        let mut distance: Vec<u16> =
            accepting.iter().map(|&accepts| if accepts { 0 } else { DEAD }).collect();
        let mut queue: VecDeque<u16> =
            (0..positions.len() as u16).filter(|&s| accepting[usize::from(s)]).collect();
        while let Some(state) = queue.pop_front() {
            for &from in &into[usize::from(state)] {
                if distance[usize::from(from)] == DEAD {
                    distance[usize::from(from)] = distance[usize::from(state)] + 1;
                    queue.push_back(from);
                }
            }
        }
        for row in &mut rows {
            for slot in row.iter_mut().filter(|slot| **slot != DEAD) {
                if distance[usize::from(*slot)] == DEAD {
                    *slot = DEAD;
                }
            }
        }
        if distance[0] == DEAD {
            rows.clear();
        }
        let digit_runs = Self::find_digit_runs(&rows, &distance);
        Some(RangeTable { key, rows, distance, digit_runs })
    }

    /// A state that every digit leaves as it is and that accepts is completed by all runs of digits, and so is what leads
    /// there by a digit. A state that digits lead out of the numbers sooner or later is completed by few.
    fn find_digit_runs(rows: &[[u16; CLASSES]], distance: &[u16]) -> Vec<DigitRuns> {
        let is_loop = |state: usize| rows[state][..10].iter().all(|&next| usize::from(next) == state);
        let mut runs: Vec<DigitRuns> = (0..rows.len())
            .map(
                |state| {
                    if is_loop(state) && distance[state] == 0 {
                        DigitRuns::All
                    } else {
                        DigitRuns::Unknown
                    }
                },
            )
            .collect();
        // Positions are found in the order of their digits, so that few rounds from the last one down suffice; what they
        // miss is not known, which is safe.
        for _ in 0..2 {
            for state in (0..rows.len()).rev() {
                if runs[state] != DigitRuns::Unknown {
                    continue;
                }
                let mut next =
                    rows[state][..10].iter().filter(|&&next| next != DEAD).map(|&next| usize::from(next));
                if next.clone().any(|next| runs[next] == DigitRuns::All) {
                    runs[state] = DigitRuns::All;
                } else if next.all(|next| runs[next] == DigitRuns::Few) {
                    runs[state] = DigitRuns::Few;
                }
            }
        }
        runs
    }
}

fn class_of(byte: u8) -> Option<usize> {
    match byte {
        b'0'..=b'9' => Some(usize::from(byte - b'0')),
        b'-' => Some(MINUS),
        b'.' => Some(POINT),
        _ => None,
    }
}

impl Machine for RangeTable {
    fn key(&self) -> String {
        self.key.clone()
    }

    fn start(&self) -> Option<u64> {
        (!self.rows.is_empty()).then_some(0)
    }

    fn step(&self, state: u64, byte: u8) -> Option<u64> {
        let next = self.rows[state as usize][class_of(byte)?];
        (next != DEAD).then_some(u64::from(next))
    }

    fn accepts(&self, state: u64) -> bool {
        self.distance[state as usize] == 0
    }

    fn classes(&self) -> ByteClasses {
        ByteClasses::by_key(class_of)
    }

    fn at_least(&self, state: u64) -> u32 {
        u32::from(self.distance[state as usize])
    }

    fn digit_runs(&self, state: u64) -> DigitRuns {
        self.digit_runs[state as usize]
    }

    fn is_text(&self) -> bool {
        true
    }
}

// --- multiples ------------------------------------------------------------------------------------------------

/// Multiples of `divisor × 10^-places`.
struct Multiples {
    divisor: u64,
    places: u32,
    /// For whole numbers only: those are left out that are multiples of any of these, of which none divides the divisor.
    not: Box<[u64]>,
    /// The least common multiple of the divisor and all of `not`.
    modulus: u64,
    fraction: Fraction,
    signs: Signs,
}

/// State: the remainder in the low 50 bits, then the phase in 3 bits, then the digits after the point in 8.
const REMAINDER_BITS: u32 = 50;
const START: u64 = 0;
const MINUS_READ: u64 = 1;
const LONE_ZERO: u64 = 2;
const WHOLE: u64 = 3;
const AFTER_POINT: u64 = 4;

impl Multiples {
    fn pack(phase: u64, digits: u32, remainder: u64) -> u64 {
        remainder | phase << REMAINDER_BITS | u64::from(digits) << (REMAINDER_BITS + 3)
    }

    fn unpack(state: u64) -> (u64, u32, u64) {
        let remainder = state & ((1 << REMAINDER_BITS) - 1);
        ((state >> REMAINDER_BITS) & 7, (state >> (REMAINDER_BITS + 3)) as u32, remainder)
    }

    /// How many digits after the point can still change the value.
    fn places_left(&self, digits: u32) -> u32 {
        let allowed = match self.fraction {
            Fraction::None | Fraction::Zeros => 0,
            Fraction::Digits(max) => max,
        };
        self.places.min(allowed).saturating_sub(digits)
    }

    /// The remainder once the value is scaled to whole units of the last place.
    fn scaled(&self, remainder: u64, digits: u32) -> u64 {
        let power = 10u128.pow(self.places.saturating_sub(digits));
        (u128::from(remainder) * power % u128::from(self.divisor)) as u64
    }

    /// Whether no number of `not` divides what has this remainder.
    fn is_admitted(&self, remainder: u64) -> bool {
        !self.not.iter().any(|n| remainder.is_multiple_of(*n))
    }

    /// Whether digits after the point, from here on, reach a multiple.
    fn reachable(&self, remainder: u64, digits: u32) -> bool {
        let left = self.places_left(digits);
        // Values r × 10^p + x × 10^(p - left) for 0 ≤ x < 10^left, where p = places - digits.
        let step = 10u128.pow(self.places.saturating_sub(digits).saturating_sub(left));
        let missing = (u128::from(self.divisor) - u128::from(self.scaled(remainder, digits)))
            % u128::from(self.divisor);
        if step == 1 {
            return missing < 10u128.pow(left);
        }
        // Rare: the policy allows fewer places than the divisor has.
        let common = gcd(step, u128::from(self.divisor));
        if missing % common != 0 {
            return false;
        }
        (0..10u128.pow(left.min(6))).any(|x| x * step % u128::from(self.divisor) == missing)
    }
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl Machine for Multiples {
    fn key(&self) -> String {
        let Multiples { divisor, places, not, fraction, signs, .. } = self;
        format!("multiples({divisor}e-{places} not {not:?} {fraction:?} {signs:?})")
    }

    fn start(&self) -> Option<u64> {
        Some(Self::pack(START, 0, 0))
    }

    fn step(&self, state: u64, byte: u8) -> Option<u64> {
        let (phase, digits, remainder) = Self::unpack(state);
        match (byte, phase) {
            (b'-', START) if self.signs >= Signs::NotNegative => None,
            (b'0', START) if self.signs == Signs::Positive => None,
            (b'0', MINUS_READ) if self.signs == Signs::NoNegativeZero => None,
            (b'-', START) => Some(Self::pack(MINUS_READ, 0, 0)),
            (b'0', START | MINUS_READ) => self.is_admitted(0).then(|| Self::pack(LONE_ZERO, 0, 0)),
            // More digits lead to any remainder.
            (b'0'..=b'9', START | MINUS_READ | WHOLE) => {
                let digit = u64::from(byte - b'0');
                Some(Self::pack(WHOLE, 0, (remainder * 10 + digit) % self.modulus))
            }
            (b'.', LONE_ZERO | WHOLE) => {
                let allowed = !matches!(self.fraction, Fraction::None | Fraction::Digits(0));
                (allowed && self.reachable(remainder, 0) && self.is_admitted(remainder))
                    .then(|| Self::pack(AFTER_POINT, 0, remainder))
            }
            (b'0'..=b'9', AFTER_POINT) => {
                let digit = u64::from(byte - b'0');
                if let Fraction::Digits(max) = self.fraction {
                    if digits >= max.min(255) {
                        return None;
                    }
                }
                if digits >= self.places || self.fraction == Fraction::Zeros {
                    // Digits past the divisor's places add nothing but zeros.
                    let counted = match self.fraction {
                        Fraction::Digits(max) if max < 255 => digits + 1,
                        _ => (digits + 1).min(self.places.max(1)),
                    };
                    let next = if digits < self.places { remainder * 10 % self.divisor } else { remainder };
                    return (digit == 0).then(|| Self::pack(AFTER_POINT, counted, next));
                }
                let next = (remainder * 10 + digit) % self.divisor;
                self.reachable(next, digits + 1).then(|| Self::pack(AFTER_POINT, digits + 1, next))
            }
            _ => None,
        }
    }

    fn accepts(&self, state: u64) -> bool {
        let (phase, digits, remainder) = Self::unpack(state);
        match phase {
            LONE_ZERO => true,
            WHOLE => self.scaled(remainder, 0) == 0 && self.is_admitted(remainder),
            AFTER_POINT => digits > 0 && self.scaled(remainder, digits) == 0,
            _ => false,
        }
    }

    fn classes(&self) -> ByteClasses {
        ByteClasses::by_key(class_of)
    }

    fn digit_runs(&self, state: u64) -> DigitRuns {
        match Self::unpack(state).0 {
            START | MINUS_READ | WHOLE => DigitRuns::Some,
            _ => DigitRuns::Unknown,
        }
    }

    fn is_text(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::UNBOUNDED;
    use super::*;

    fn d(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    fn spellings() -> Vec<String> {
        let mut all = Vec::new();
        for sign in ["", "-"] {
            for whole in (0..130).chain([998, 999, 1000, 1001, 9999]) {
                all.push(format!("{sign}{whole}"));
                for fraction in ["0", "5", "05", "49", "50", "500", "51", "999", "25", "75", "00"] {
                    all.push(format!("{sign}{whole}.{fraction}"));
                }
            }
        }
        all.extend(["", "-", "00", "01", "1.", ".5", "-.5", "1e3", "+1", "1.5.5", "--1"].map(String::from));
        all
    }

    fn is_plain(word: &str) -> bool {
        serde_json::from_str::<serde_json::Number>(word).is_ok() && !word.contains('e')
    }

    #[test]
    fn ranges_compare_values() {
        let ends = ["-100", "-12.5", "-0.5", "0", "0.5", "0.05", "3", "12.49", "100", "999"];
        for fraction in [Fraction::None, Fraction::Zeros, Fraction::Digits(2), Fraction::Digits(UNBOUNDED)] {
            for (i, low) in ends.iter().enumerate() {
                for high in &ends[i..] {
                    for (open, sides) in [(false, 3), (true, 3), (false, 1), (true, 2)] {
                        let low = Bound { value: d(low), exclusive: open };
                        let high = Bound { value: d(high), exclusive: open };
                        let mut pool = Languages::new();
                        let range = pool
                            .number_range(
                                (sides & 1 > 0).then_some(&low),
                                (sides & 2 > 0).then_some(&high),
                                fraction,
                                SignedZero::Allowed,
                            )
                            .unwrap();
                        for word in spellings() {
                            let want = is_plain(&word) && {
                                let value = d(&word);
                                let places = word.split_once('.').map_or(0, |p| p.1.len());
                                (sides & 1 == 0 || if open { value > low.value } else { value >= low.value })
                                    && (sides & 2 == 0
                                        || if open { value < high.value } else { value <= high.value })
                                    && match fraction {
                                        Fraction::None => places == 0,
                                        Fraction::Zeros => value.is_integer(),
                                        Fraction::Digits(max) => places as u64 <= u64::from(max),
                                    }
                            };
                            assert_eq!(
                                pool.accepts(range, word.as_bytes()),
                                want,
                                "{word} in {low:?} {high:?} {sides} {fraction:?}"
                            );
                        }
                        check_trim(&mut pool, range);
                    }
                }
            }
        }
    }

    /// Every state reached within a few steps must reach acceptance.
    fn check_trim(pool: &mut Languages, root: LangId) {
        if root == LangId::NEVER {
            return;
        }
        let mut into: HashMap<LangId, Vec<LangId>> = HashMap::new();
        let mut seen = vec![root];
        let mut i = 0;
        while i < seen.len() && i < 2000 {
            for byte in b"0123456789.-".iter() {
                let next = pool.step(seen[i], *byte);
                if next != LangId::NEVER {
                    into.entry(next).or_default().push(seen[i]);
                    if !seen.contains(&next) {
                        seen.push(next);
                    }
                }
            }
            i += 1;
        }
        if i == 2000 {
            return;
        }
        let mut stack: Vec<LangId> = seen.iter().copied().filter(|&s| pool.is_nullable(s)).collect();
        let mut live: hashbrown::HashSet<LangId> = stack.iter().copied().collect();
        while let Some(state) = stack.pop() {
            for &from in into.get(&state).into_iter().flatten() {
                if live.insert(from) {
                    stack.push(from);
                }
            }
        }
        assert_eq!(live.len(), seen.len(), "a dead end");
    }

    /// What is known without a search is what the search finds.
    #[test]
    fn digit_runs_decide() {
        let ends = [None, Some("-70"), Some("-0.5"), Some("0"), Some("13"), Some("250")];
        for low in ends {
            for high in ends {
                for (divisor, not) in [("7", None), ("6", Some("4")), ("130", Some("14"))] {
                    let mut pool = Languages::new();
                    let bound = |end: Option<&str>| end.map(|end| Bound { value: d(end), exclusive: true });
                    let (low, high) = (bound(low), bound(high));
                    let range =
                        pool.number_range(low.as_ref(), high.as_ref(), Fraction::Zeros, SignedZero::Allowed);
                    let not: Vec<Decimal> = not.map(d).into_iter().collect();
                    let multiples =
                        pool.whole_multiples_of(&d(divisor), &not, Fraction::Zeros, Signs::All).unwrap();
                    let id = pool.inter(&[range.unwrap(), multiples]);
                    let inside = |n: i32| {
                        let n = d(&n.to_string());
                        low.as_ref().is_none_or(|b| n > b.value)
                            && high.as_ref().is_none_or(|b| n < b.value)
                            && n.is_multiple_of(&d(divisor)) == Some(true)
                            && not.iter().all(|m| n.is_multiple_of(m) == Some(false))
                    };
                    assert_eq!(pool.is_never(id), !(-999..999).any(inside), "{low:?} {high:?} {divisor}");
                    for n in -300..300 {
                        assert_eq!(
                            pool.accepts(id, n.to_string().as_bytes()),
                            inside(n),
                            "{n} {low:?} {high:?}"
                        );
                    }
                    if !pool.is_never(id) {
                        check_trim(&mut pool, id);
                    }
                }
            }
        }
    }

    #[test]
    fn multiples_divide() {
        for divisor in ["1", "2", "7", "10", "0.5", "0.01", "0.25", "1.5", "12.5", "1e1", "100", "0.05"] {
            for fraction in
                [Fraction::None, Fraction::Zeros, Fraction::Digits(2), Fraction::Digits(UNBOUNDED)]
            {
                let mut pool = Languages::new();
                let multiples = pool.multiples_of(&d(divisor), fraction).unwrap();
                for word in spellings() {
                    let want = is_plain(&word) && {
                        let value = d(&word);
                        let places = word.split_once('.').map_or(0, |p| p.1.len());
                        value.is_multiple_of(&d(divisor)) == Some(true)
                            && match fraction {
                                Fraction::None => places == 0,
                                Fraction::Zeros => value.is_integer(),
                                Fraction::Digits(max) => places as u64 <= u64::from(max),
                            }
                    };
                    assert_eq!(
                        pool.accepts(multiples, word.as_bytes()),
                        want,
                        "{word} / {divisor} {fraction:?}"
                    );
                }
                check_trim(&mut pool, multiples);
            }
        }
        let mut pool = Languages::new();
        assert_eq!(pool.multiples_of(&d("0"), Fraction::None), None);
        assert_eq!(pool.whole_multiples_of(&d("0.5"), &[], Fraction::None, Signs::All), None);
        let yes = |signs| match signs {
            Signs::All => ["-0", "-12", "0", "36"].as_slice(),
            Signs::NoNegativeZero => &["-12", "0", "36"],
            Signs::NotNegative => &["0", "36"],
            Signs::Positive => &["36"],
        };
        for (divisor, not) in [("3", &["2", "12"][..]), ("1", &["6.5", "7"]), ("4", &["0.3"]), ("6", &["3"])]
        {
            let not: Vec<Decimal> = not.iter().map(|n| d(n)).collect();
            let id = pool.whole_multiples_of(&d(divisor), &not, Fraction::Zeros, Signs::All).unwrap();
            for word in spellings().iter().filter(|word| is_plain(word)) {
                let value = d(word);
                let want = value.is_multiple_of(&d(divisor)) == Some(true)
                    && not.iter().all(|n| value.is_multiple_of(n) == Some(false));
                assert_eq!(pool.accepts(id, word.as_bytes()), want, "{word} / {divisor}, not {not:?}");
            }
            check_trim(&mut pool, id);
        }
        for signs in [Signs::All, Signs::NoNegativeZero, Signs::NotNegative, Signs::Positive] {
            let id = pool.whole_multiples_of(&d("12"), &[], Fraction::None, signs).unwrap();
            for text in ["-0", "-12", "0", "36", "37", "-11"] {
                assert_eq!(pool.accepts(id, text.as_bytes()), yes(signs).contains(&text), "{signs:?} {text}");
            }
        }
    }
}
