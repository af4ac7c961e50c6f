//! Multiples of a number between bounds, in plain decimal spelling, that are no multiples of some
//! other numbers.
//!
//! A state is a state of the [range](super::number) and a remainder: that of the digits read,
//! divided by the least common multiple of all divisors. These are many pairs, such as thirteen
//! digits times 1009 remainders, and an intersection of a range with multiples would search them.
//! Here plain arithmetic tells if a multiple can still be reached. Let `12` be read of a number
//! from 1000 to 1250 that is a multiple of 7. Two more digits lead to a number in 1200..=1250.
//! These are more than 6 numbers in a row, so one of them is a multiple of 7.
//!
//! Numbers are counted in units of the last decimal place of a divisor: multiples of 0.25 are
//! multiples of 25 hundredths. Digits after that place must be zeros.
//!
//! A *reach* is the interval of numbers that a given number of further digits can lead to. The
//! digits read move left by as many places, and something from `low` to `high` is added. A state
//! has one reach for each number of digits that may follow. A reach that is at least as long as the
//! modulus has a number of every remainder. In a shorter one the multiples of the divisor are tried
//! one by one. Few have to be tried: of 100 consecutive multiples, at least one is divided by no
//! other divisor. This follows from Jacobsthal's function, which is below 100 for numbers of at
//! most 15 digits, as the product of the divisors' prime factors is.

use super::byte_classes::ByteClasses;
use super::decimal::Decimal;
use super::expr::LangId;
use super::expr_pool::ExprPool;
use super::machine::{DigitRuns, Machine};
use super::number::{self, Bound, Fraction, Magnitude, Phase, Position, Range, RangeTable, SignedZero};
use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

/// The limit that divisors and their least common multiple stay below.
const TOO_LARGE: u64 = 1_000_000_000_000_000;
/// The bits of a state that hold the remainder. The others hold the state of the range.
const REMAINDER_BITS: u32 = 50;
const MAX_ROWS: usize = 1 << (64 - REMAINDER_BITS);
/// The most decimal places of a divisor.
const MAX_PLACES: u32 = 15;

impl ExprPool {
    /// The plain spellings of the multiples of `divisor` between `lower` and `upper` that are
    /// multiples of none of `not`. The signs of divisors do not matter. `fraction` says which
    /// digits may follow the point.
    ///
    /// `None` when a divisor is zero or a number has too many digits. A divisor and the least
    /// common multiple of all may have 15 significant digits, and a bound may have
    /// [`MAX_BOUND_DIGITS`](number::MAX_BOUND_DIGITS) on each side of its point.
    pub fn multiples_between(
        &mut self,
        divisor: &Decimal,
        not: &[Decimal],
        (lower, upper): (Option<&Bound>, Option<&Bound>),
        fraction: Fraction,
        zero: SignedZero,
    ) -> Option<LangId> {
        let divisors = Divisors::new(divisor, not, fraction)?;
        if divisors.not.iter().any(|n| divisors.of.is_multiple_of(*n)) {
            return Some(LangId::NEVER);
        }
        let end = |bound: Option<&Bound>| {
            bound.map_or(String::new(), |b| {
                format!("{}{}", b.value.text(), if b.exclusive { "!" } else { "" })
            })
        };
        let Divisors { of, not, places, .. } = &divisors;
        let range = format!("[{}..{}] {fraction:?} {zero:?}", end(lower), end(upper));
        let key = format!("multiples({of}e-{places} not {not:?}) {range}");
        if let Some(known) = self.known_machine(&key) {
            return Some(known);
        }
        let range =
            RangeTable::build(key.clone(), Range::new(lower, upper, fraction, zero, *places as u16)?)?;
        if range.rows.len() > MAX_ROWS {
            return None;
        }
        let reaches = range.rows.iter().map(|_| OnceLock::new()).collect();
        Some(self.machine(Arc::new(Multiples { key, divisors, range, reaches })))
    }
}

/// The number that must divide and the numbers that must not, in units of the last decimal place.
struct Divisors {
    of: u64,
    /// The numbers that must not divide. None of them divides `of`.
    not: Box<[u64]>,
    /// The least common multiple of all divisors.
    modulus: u64,
    places: u32,
}

impl Divisors {
    fn new(divisor: &Decimal, not: &[Decimal], fraction: Fraction) -> Option<Self> {
        let scaled = |d: &Decimal| d.scaled().filter(|&(d, places)| d > 0 && places <= MAX_PLACES);
        let (_, places) = scaled(divisor)?;
        let mut most = places;
        for divisor in not {
            most = most.max(scaled(divisor)?.1);
        }
        let allowed = match fraction {
            Fraction::None | Fraction::Zeros => 0,
            Fraction::Digits(max) => max.min(most),
        };
        // Numbers with fewer places than the divisors are multiples of `unit`, so that common
        // factors of the divisors and the unit cancel.
        let unit = 10u128.pow(most - allowed);
        let in_units = |d: &Decimal| {
            let (d, places) = scaled(d)?;
            let d = u128::from(d) * 10u128.pow(most - places);
            u64::try_from(d / gcd(d, unit)).ok().filter(|&d| d < TOO_LARGE)
        };
        let of = in_units(divisor)?;
        let mut others = not.iter().map(in_units).collect::<Option<Vec<u64>>>()?;
        others.sort_unstable();
        others.dedup();
        let mut modulus = of;
        for &other in &others {
            let common = u128::from(modulus / gcd(modulus.into(), other.into()) as u64) * u128::from(other);
            modulus = u64::try_from(common).ok().filter(|&n| n < TOO_LARGE)?;
        }
        Some(Divisors { of, not: others.into(), modulus, places: allowed })
    }

    /// True if a number with this remainder belongs to the language.
    fn admit(&self, remainder: u64) -> bool {
        remainder.is_multiple_of(self.of) && !self.not.iter().any(|n| remainder.is_multiple_of(*n))
    }

    /// The remainder times ten to the power of `places`, modulo the modulus.
    fn shifted(&self, remainder: u64, places: u32) -> u64 {
        let modulus = u128::from(self.modulus);
        let (mut power, mut base, mut n) = (1 % modulus, 10 % modulus, places);
        while n > 0 {
            if n & 1 == 1 {
                power = power * base % modulus;
            }
            base = base * base % modulus;
            n >>= 1;
        }
        (u128::from(remainder) * power % modulus) as u64
    }
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The numbers that `shift` further digits can lead to. The digits read move left by `shift`
/// places, and a number from `low` to `low + more` is added.
struct Reach {
    shift: u32,
    /// The least number that is added, modulo the modulus.
    low: u64,
    more: u64,
}

/// The remainders that further digits can lead to.
enum Reaches {
    /// Every remainder.
    All,
    Some(Box<[Reach]>),
}

struct Multiples {
    key: String,
    divisors: Divisors,
    range: RangeTable,
    /// The reaches of each state of the range, found when they are first needed.
    reaches: Box<[OnceLock<Reaches>]>,
}

impl Multiples {
    fn pack(row: u16, remainder: u64) -> u64 {
        u64::from(row) << REMAINDER_BITS | remainder
    }

    fn unpack(state: u64) -> (usize, u64) {
        ((state >> REMAINDER_BITS) as usize, state & ((1 << REMAINDER_BITS) - 1))
    }

    /// The number of digits after the point that were read, up to the last place that matters.
    fn read_places(&self, row: usize) -> u32 {
        match self.range.positions[row].phase {
            Phase::Fraction(digits) => u32::from(digits).min(self.divisors.places),
            _ => 0,
        }
    }

    /// True if some word continues from this state.
    fn is_live(&self, row: usize, remainder: u64) -> bool {
        if matches!(self.range.positions[row].phase, Phase::Start | Phase::AfterMinus) {
            let state = Self::pack(row as u16, remainder);
            return b"-0123456789".iter().any(|&byte| self.step(state, byte).is_some());
        }
        match self.reaches[row].get_or_init(|| self.find_reaches(row)) {
            Reaches::All => true,
            Reaches::Some(reaches) => reaches.iter().any(|reach| self.holds(reach, remainder)),
        }
    }

    /// True if a number of the reach belongs to the language.
    fn holds(&self, reach: &Reach, remainder: u64) -> bool {
        let Divisors { of, modulus, .. } = self.divisors;
        let first = (self.divisors.shifted(remainder, reach.shift) + reach.low) % modulus;
        let mut ahead = (of - first % of) % of;
        while ahead <= reach.more {
            if self.divisors.admit((first + ahead) % modulus) {
                return true;
            }
            ahead += of;
        }
        false
    }

    fn find_reaches(&self, row: usize) -> Reaches {
        let at = self.range.positions[row];
        let places = self.divisors.places;
        let Some((low, high)) = &self.range.range.sides[usize::from(at.negative)] else {
            return Reaches::Some(Box::default());
        };
        let (digits, most) = match at.phase {
            // Without an upper bound, further digits lead to any remainder.
            Phase::Whole(_) if high.is_none() => return Reaches::All,
            Phase::Whole(digits) => (digits, (self.range.range.longest_whole + 1).saturating_sub(digits)),
            _ => (1, 0),
        };
        let mut reaches = Vec::new();
        // More digits lead further, so the longest reach comes first.
        for more in (0..=most).rev() {
            let ends = match at.phase {
                Phase::Zero | Phase::Whole(_) => {
                    let end = |bound: &Option<Magnitude>, so_far| {
                        End::whole(bound.as_ref(), so_far, (digits, digits + more), places)
                    };
                    (end(low, at.low), end(high, at.high), u32::from(more) + places)
                }
                _ => {
                    let read = if let Phase::Fraction(digits) = at.phase { usize::from(digits) } else { 0 };
                    let end = |bound: &Option<Magnitude>, so_far| {
                        End::fraction(bound.as_ref(), so_far, read, places as usize)
                    };
                    (end(low, at.low), end(high, at.high), places - self.read_places(row))
                }
            };
            let Some((lowest, highest)) = self.between(at, ends) else { continue };
            let Some(longer) = difference(&highest, &lowest) else { continue };
            if longer >= self.divisors.modulus - 1 {
                return Reaches::All;
            }
            let modulus = u128::from(self.divisors.modulus);
            let low = lowest.iter().fold(0u128, |n, &d| (n * 10 + u128::from(d)) % modulus) as u64;
            reaches.push(Reach { shift: ends_shift(&lowest), low, more: longer });
        }
        Reaches::Some(reaches.into())
    }

    /// The least and the greatest number that `shift` digits can add, by their digits. `None` if
    /// there is none.
    fn between(&self, at: Position, (low, high, shift): (End, End, u32)) -> Option<(Vec<u8>, Vec<u8>)> {
        let all = |digit: u8| vec![digit; shift as usize];
        let mut lowest = match low {
            End::Below => return None,
            End::Above => all(0),
            // The least number is the bound, or the next one if the bound has more digits or is
            // itself outside.
            End::Along { digits, exact, exclusive } => {
                let mut digits = digits;
                if (!exact || exclusive) && !increment(&mut digits) {
                    return None;
                }
                digits
            }
        };
        let highest = match high {
            End::Above => return None,
            End::Below => all(9),
            End::Along { digits, exact, exclusive } => {
                let mut digits = digits;
                if exact && exclusive && !decrement(&mut digits) {
                    return None;
                }
                digits
            }
        };
        let no_zero = at.negative && !at.nonzero && self.range.range.zero == SignedZero::Refused;
        if no_zero && lowest.iter().all(|&d| d == 0) && !increment(&mut lowest) {
            return None;
        }
        Some((lowest, highest))
    }
}

/// The shift of a number that is kept with zeros in front: the number of its digits.
fn ends_shift(digits: &[u8]) -> u32 {
    digits.len() as u32
}

/// The order of the digits read and a bound, once a given number of further digits is there.
enum End {
    /// Below the bound, whatever digits follow.
    Below,
    /// Above the bound, whatever digits follow.
    Above,
    /// Equal to the bound so far. The bound goes on with these digits, and `exact` says if it ends
    /// with them.
    Along { digits: Vec<u8>, exact: bool, exclusive: bool },
}

impl End {
    /// The order with `now` digits before the point, once they are `in_all`.
    fn whole(bound: Option<&Magnitude>, so_far: Ordering, (now, in_all): (u16, u16), places: u32) -> End {
        let Some(bound) = bound else { return End::of(so_far) };
        match usize::from(in_all).cmp(&bound.whole.len()).then(so_far) {
            Ordering::Equal => {
                let mut digits = bound.whole[usize::from(now)..].to_vec();
                let exact = extend(&mut digits, &bound.fraction, 0, places as usize);
                End::Along { digits, exact, exclusive: bound.exclusive }
            }
            other => End::of(other),
        }
    }

    /// The order with `read` digits after the point.
    fn fraction(bound: Option<&Magnitude>, so_far: Ordering, read: usize, places: usize) -> End {
        let Some(bound) = bound.filter(|_| so_far == Ordering::Equal) else { return End::of(so_far) };
        let mut digits = Vec::new();
        let exact = extend(&mut digits, &bound.fraction, read, places);
        End::Along { digits, exact, exclusive: bound.exclusive }
    }

    fn of(order: Ordering) -> End {
        match order {
            Ordering::Less => End::Below,
            // No state is "equal" to a bound that does not exist, because `Range::settle` replaces
            // this order.
            Ordering::Greater | Ordering::Equal => End::Above,
        }
    }
}

/// Adds the digits `from..places` of a fraction, with zeros behind it. True if the fraction has no
/// further digit but zeros.
fn extend(digits: &mut Vec<u8>, fraction: &[u8], from: usize, places: usize) -> bool {
    digits.extend((from..places).map(|at| fraction.get(at).copied().unwrap_or(0)));
    fraction.get(places.max(from)..).is_none_or(|rest| rest.iter().all(|&d| d == 0))
}

/// Adds one to a number. False if that takes one more digit.
fn increment(digits: &mut [u8]) -> bool {
    for digit in digits.iter_mut().rev() {
        *digit = (*digit + 1) % 10;
        if *digit != 0 {
            return true;
        }
    }
    false
}

/// Takes one from a number. False if the number is zero.
fn decrement(digits: &mut [u8]) -> bool {
    for digit in digits.iter_mut().rev() {
        *digit = (*digit + 9) % 10;
        if *digit != 9 {
            return true;
        }
    }
    false
}

/// The difference `high - low` of numbers with equally many digits, or some large number if it is
/// large. `None` if it is negative.
fn difference(high: &[u8], low: &[u8]) -> Option<u64> {
    let mut difference: i128 = 0;
    for (&high, &low) in high.iter().zip(low) {
        difference = difference * 10 + i128::from(high) - i128::from(low);
        // The digits that follow change it by less than one unit of this place.
        difference = difference.clamp(-(1 << 70), 1 << 70);
    }
    (difference >= 0).then_some(u64::try_from(difference).unwrap_or(u64::MAX))
}

impl Machine for Multiples {
    fn key(&self) -> String {
        self.key.clone()
    }

    fn start(&self) -> Option<u64> {
        let is_live = !self.range.rows.is_empty() && self.is_live(0, 0);
        is_live.then(|| Self::pack(0, 0))
    }

    fn step(&self, state: u64, byte: u8) -> Option<u64> {
        let (row, remainder) = Self::unpack(state);
        let next = self.range.rows[row][number::class_of(byte)?];
        if next == number::DEAD {
            return None;
        }
        let remainder = match (byte, self.range.positions[row].phase) {
            (b'0'..=b'9', Phase::Point | Phase::Fraction(_))
                if self.read_places(row) == self.divisors.places =>
            {
                // Only zeros follow the places that count.
                if byte != b'0' {
                    return None;
                }
                remainder
            }
            (b'0'..=b'9', _) => {
                let digit = u128::from(byte - b'0');
                ((u128::from(remainder) * 10 + digit) % u128::from(self.divisors.modulus)) as u64
            }
            _ => remainder,
        };
        self.is_live(usize::from(next), remainder).then(|| Self::pack(next, remainder))
    }

    fn accepts(&self, state: u64) -> bool {
        let (row, remainder) = Self::unpack(state);
        let left = self.divisors.places - self.read_places(row);
        self.range.accepts(row as u64) && self.divisors.admit(self.divisors.shifted(remainder, left))
    }

    fn classes(&self) -> ByteClasses {
        self.range.classes()
    }

    fn at_least(&self, state: u64) -> u32 {
        self.range.at_least(Self::unpack(state).0 as u64).max(1)
    }

    fn digit_runs(&self, state: u64) -> DigitRuns {
        let row = Self::unpack(state).0;
        match (self.range.digit_runs(row as u64), self.range.positions[row].phase) {
            (DigitRuns::All, Phase::Start | Phase::AfterMinus | Phase::Whole(_)) => DigitRuns::Some,
            (DigitRuns::Few, _) => DigitRuns::Few,
            _ => DigitRuns::Unknown,
        }
    }

    fn is_text(&self, _state: u64) -> bool {
        true
    }
}
