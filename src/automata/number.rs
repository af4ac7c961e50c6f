//! Plain decimal numbers between bounds, such as `-12.5`, without exponents.
//!
//! A range is a small table. A state says how many digits were read, and if they are below, equal
//! to or above the digits of each bound at the same places. The table is built by following these
//! comparisons from the start. Only states that reach acceptance are kept: from 5 to 17, a `2` is
//! refused as soon as a further digit is needed. The module [`multiples`](super::multiples) has the
//! multiples of a number between bounds.
//!
//! The table has about ten states for each digit of the bounds.

use super::byte_classes::ByteClasses;
use super::decimal::Decimal;
use super::expr::LangId;
use super::expr_pool::ExprPool;
use super::machine::{DigitRuns, Machine};
use hashbrown::HashMap;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

/// The digits that may follow a decimal point.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fraction {
    /// No decimal point.
    None,
    /// Only zeros: whole numbers in every plain spelling.
    Zeros,
    /// One to this many digits, or any number of digits if it is [`UNBOUNDED`](super::UNBOUNDED).
    Digits(u32),
}

/// One end of a range.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Bound {
    /// The bound.
    pub value: Decimal,
    /// True if the bound itself is outside of the range.
    pub exclusive: bool,
}

/// The most digits that a bound may have on a side of its point.
pub const MAX_BOUND_DIGITS: usize = 400;

impl ExprPool {
    /// The plain spellings of the numbers between `lower` and `upper`. `zero` says if `-0` is one.
    /// `None` when a bound has more than [`MAX_BOUND_DIGITS`] digits on a side of its point.
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
        let table = RangeTable::build(key, Range::new(lower, upper, fraction, zero, 0)?)?;
        Some(self.machine(Arc::new(table)))
    }
}

/// The rule for `-0`: a spelling of zero or none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SignedZero {
    /// `-0` is refused.
    Refused,
    /// `-0` is zero.
    Allowed,
}

pub(super) const DEAD: u16 = u16::MAX;
/// The input classes: the digits, `-`, `.`.
pub(super) const MINUS: usize = 10;
pub(super) const POINT: usize = 11;
const CLASSES: usize = 12;

pub(super) struct RangeTable {
    key: String,
    pub(super) rows: Vec<[u16; CLASSES]>,
    /// The positions that the states stand for.
    pub(super) positions: Vec<Position>,
    pub(super) range: Range,
    /// The bytes left to the nearest end of a number, by state. `DEAD` if there is no end.
    distance: Vec<u16>,
    digit_runs: Vec<DigitRuns>,
}

/// A bound on a magnitude, by its digits before and after the point.
pub(super) struct Magnitude {
    pub whole: Vec<u8>,
    pub fraction: Vec<u8>,
    pub exclusive: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    Start,
    AfterMinus,
    /// After a lone `0` before the point.
    Zero,
    /// After this many digits before the point, counted up to one more than the longest bound has.
    Whole(u16),
    Point,
    /// After this many digits after the point, counted in the same way.
    Fraction(u16),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Position {
    pub phase: Phase,
    pub negative: bool,
    /// The order of the digits read and the digits of the lower bound at the same places.
    pub low: Ordering,
    /// The same for the upper bound.
    pub high: Ordering,
    /// True if a digit other than 0 was read.
    pub nonzero: bool,
}

/// The bounds on the magnitudes of one sign, lower and upper. `None` if no number has this sign.
pub(super) type Side = Option<(Option<Magnitude>, Option<Magnitude>)>;

pub(super) struct Range {
    pub sides: [Side; 2],
    fraction: Fraction,
    pub zero: SignedZero,
    pub longest_whole: u16,
    longest_fraction: u16,
}

impl Range {
    /// The numbers between two bounds. Digits after the point are counted as far as a bound has
    /// digits there, and at least as far as `places`.
    pub(super) fn new(
        lower: Option<&Bound>,
        upper: Option<&Bound>,
        fraction: Fraction,
        zero: SignedZero,
        places: u16,
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
        let (longest_whole, longest_fraction) =
            (longest(|m| m.whole.len()), longest(|m| m.fraction.len()).max(places));
        Some(Range { longest_whole, longest_fraction, sides, fraction, zero })
    }

    fn compare(so_far: Ordering, digit: u8, bound: Option<u8>) -> Ordering {
        match (so_far, bound) {
            (Ordering::Equal, Some(bound)) => digit.cmp(&bound),
            // Past the end of a bound only zeros keep a fraction equal. Before the point lengths
            // decide.
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

    /// Replaces the comparison with a bound that does not exist by one that keeps the number inside
    /// the range.
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

    /// The order of the digits read and a bound, once all `count` digits before the point are read.
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
            // A bound with digits left is larger, since its last digit is not zero.
            so_far.then(usize::from(digits).min(bound.fraction.len()).cmp(&bound.fraction.len()))
        };
        let holds = |so_far: Ordering, bound: &Option<Magnitude>, inside: Ordering| match bound {
            None => true,
            Some(ends) => match order(so_far, bound) {
                Ordering::Equal => !ends.exclusive,
                order => order == inside,
            },
        };
        let above = holds(at.low, &side.0, Ordering::Greater);
        let below = holds(at.high, &side.1, Ordering::Less);
        matches!(at.phase, Phase::Zero | Phase::Whole(_) | Phase::Fraction(_)) && above && below
    }
}

impl RangeTable {
    /// Builds the table.
    pub(super) fn build(key: String, range: Range) -> Option<Self> {
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
        // The search goes backwards from the accepting states, breadth first.
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
        Some(RangeTable { key, rows, positions, range, distance, digit_runs })
    }

    /// Finds the runs of digits that complete each state. An accepting state is completed by all
    /// runs if every digit leads back to it. So is a state that a digit leads to such a state. A
    /// state is completed by few runs if digits always lead out of the range in the end.
    fn find_digit_runs(rows: &[[u16; CLASSES]], distance: &[u16]) -> Vec<DigitRuns> {
        let is_loop = |state: usize| rows[state][..10].iter().all(|&next| usize::from(next) == state);
        let mut runs: Vec<DigitRuns> = (0..rows.len())
            .map(
                |state| {
                    if is_loop(state) && distance[state] == 0 { DigitRuns::All } else { DigitRuns::Unknown }
                },
            )
            .collect();
        // Positions are numbered in the order of their digits, so two rounds from the last position
        // down decide nearly all. A state that they miss stays unknown, which is safe.
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

pub(super) fn class_of(byte: u8) -> Option<usize> {
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

    fn is_text(&self, _state: u64) -> bool {
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

    /// True if the digits of `word` after the point are such as `fraction` allows.
    fn has_fraction(word: &str, value: &Decimal, fraction: Fraction) -> bool {
        let places = word.split_once('.').map_or(0, |parts| parts.1.len());
        match fraction {
            Fraction::None => places == 0,
            Fraction::Zeros => value.is_integer(),
            Fraction::Digits(max) => places as u64 <= u64::from(max),
        }
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
                        let mut pool = ExprPool::new();
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
                                (sides & 1 == 0 || if open { value > low.value } else { value >= low.value })
                                    && (sides & 2 == 0
                                        || if open { value < high.value } else { value <= high.value })
                                    && has_fraction(&word, &value, fraction)
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

    /// Checks that acceptance can be reached from every state that a few steps lead to.
    fn check_trim(pool: &mut ExprPool, root: LangId) {
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

    /// Intersections that digit runs decide are empty exactly if no number is in both parts.
    #[test]
    fn digit_runs_decide() {
        let ends = [None, Some("-70"), Some("-0.5"), Some("0"), Some("13"), Some("250")];
        for low in ends {
            for high in ends {
                for (divisor, not) in [("7", None), ("6", Some("4")), ("130", Some("14"))] {
                    let mut pool = ExprPool::new();
                    let bound = |end: Option<&str>| end.map(|end| Bound { value: d(end), exclusive: true });
                    let (low, high) = (bound(low), bound(high));
                    let range =
                        pool.number_range(low.as_ref(), high.as_ref(), Fraction::Zeros, SignedZero::Allowed);
                    let not: Vec<Decimal> = not.map(d).into_iter().collect();
                    let allowed = SignedZero::Allowed;
                    let multiples = pool
                        .multiples_between(&d(divisor), &not, (None, None), Fraction::Zeros, allowed)
                        .unwrap();
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
    fn multiples_between_bounds() {
        let open = |text: &str| Some(Bound { value: d(text), exclusive: true });
        let closed = |text: &str| Some(Bound { value: d(text), exclusive: false });
        let bounds = [
            (None, None),
            (closed("-12.5"), closed("100")),
            (open("0.05"), closed("3")),
            (open("0"), None),
            (None, open("-0.5")),
            (None, open("0")),
            (closed("998"), open("1001")),
            (open("-2.499"), open("0.001")),
            (closed("7"), closed("7")),
        ];
        let divisors = ["1", "2", "7", "10", "0.5", "0.01", "0.25", "1.5", "12.5", "1e1", "33", "0.05"];
        let refused: [&[&str]; 5] = [&[], &["3"], &["0.3", "4"], &["2", "12"], &["6.5", "7"]];
        let fractions = [Fraction::None, Fraction::Zeros, Fraction::Digits(1), Fraction::Digits(UNBOUNDED)];
        let spellings: Vec<(String, Decimal)> = spellings()
            .into_iter()
            .filter(|word| is_plain(word))
            .map(|word| {
                let value = d(&word);
                (word, value)
            })
            .collect();
        for (low, high) in &bounds {
            for divisor in divisors.map(d) {
                for not in refused {
                    let not: Vec<Decimal> = not.iter().map(|n| d(n)).collect();
                    for (i, fraction) in fractions.into_iter().enumerate() {
                        let zero = if i % 2 == 0 { SignedZero::Allowed } else { SignedZero::Refused };
                        let mut pool = ExprPool::new();
                        let ends = (low.as_ref(), high.as_ref());
                        let id = pool.multiples_between(&divisor, &not, ends, fraction, zero).unwrap();
                        for (word, value) in &spellings {
                            let want = value.is_multiple_of(&divisor) == Some(true)
                                && not.iter().all(|n| value.is_multiple_of(n) == Some(false))
                                && low
                                    .as_ref()
                                    .is_none_or(|b| *value > b.value || !b.exclusive && *value == b.value)
                                && high
                                    .as_ref()
                                    .is_none_or(|b| *value < b.value || !b.exclusive && *value == b.value)
                                && (zero == SignedZero::Allowed
                                    || !word.starts_with('-')
                                    || !value.is_zero())
                                && has_fraction(word, value, fraction);
                            assert_eq!(
                                pool.accepts(id, word.as_bytes()),
                                want,
                                "{word} / {divisor:?}, not {not:?}, {low:?} {high:?} {fraction:?} {zero:?}"
                            );
                        }
                        check_trim(&mut pool, id);
                    }
                }
            }
        }
        let mut pool = ExprPool::new();
        let any = (None, None);
        assert_eq!(pool.multiples_between(&d("0"), &[], any, Fraction::None, SignedZero::Allowed), None);
    }

    /// Random digits always lead to a number of the language, though remainders are many and
    /// nothing is searched.
    #[test]
    fn long_multiples_end_well() {
        let mut pool = ExprPool::new();
        pool.set_search_budget(0);
        let closed = |text: &str| Bound { value: d(text), exclusive: false };
        for (divisor, not, low, high) in [
            ("1009", &[][..], "0", "1000000000000"),
            ("10007", &[], "-1000000000000", "1000000000000"),
            ("1001", &["17"], "12", "987654321012345"),
            ("0.37", &["0.2", "3"], "0.5", "123456789.123"),
            ("123457", &[], "123456789000000000000000", "123456789000000000123456"),
        ] {
            let not: Vec<Decimal> = not.iter().map(|n| d(n)).collect();
            let (low, high) = (closed(low), closed(high));
            let ends = (Some(&low), Some(&high));
            let fraction = Fraction::Digits(3);
            let id = pool.multiples_between(&d(divisor), &not, ends, fraction, SignedZero::Refused).unwrap();
            for seed in 0..300u64 {
                let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
                let (mut at, mut word) = (id, String::new());
                loop {
                    let next: Vec<u8> = b"-.0123456789"
                        .iter()
                        .copied()
                        .filter(|&b| pool.step(at, b) != LangId::NEVER)
                        .collect();
                    if next.is_empty() {
                        break;
                    }
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let byte = next[(random >> 33) as usize % next.len()];
                    at = pool.step(at, byte);
                    word.push(char::from(byte));
                }
                assert!(pool.is_nullable(at), "{word} ends nowhere");
                let value = d(&word);
                assert_eq!(value.is_multiple_of(&d(divisor)), Some(true), "{word}");
                assert!(not.iter().all(|n| value.is_multiple_of(n) == Some(false)), "{word}");
                assert!(value >= low.value && value <= high.value, "{word}");
            }
        }
        assert!(!pool.exhausted());
    }
}
