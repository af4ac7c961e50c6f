//! Sets of numbers: points, and intervals with conditions on divisibility. They are closed under ∪
//! ∩ ¬, by arithmetic on exact decimals.

use super::options::Numbers as Policy;
use crate::automata::number::{Bound, Fraction, SignedZero};
use crate::automata::{Decimal, ExprPool, LangId, UNBOUNDED, UNLABELLED};
use std::sync::Arc;

/// One number, with the spelling that the schema gives it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Point {
    pub value: Decimal,
    pub spelling: Arc<str>,
}

/// A set of numbers: those that satisfy every condition in the fields.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Part {
    pub lower: Option<Bound>,
    pub upper: Option<Bound>,
    /// `true` allows whole numbers only, `false` allows none of them.
    pub integer: Option<bool>,
    pub multiples: Vec<Decimal>,
    pub not_multiples: Vec<Decimal>,
    /// Excluded numbers, sorted.
    pub except: Vec<Decimal>,
}

/// A union of points and parts.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct NumberSet {
    /// Single numbers, sorted by value.
    pub points: Vec<Point>,
    pub parts: Vec<Part>,
}

impl Part {
    fn contains(&self, value: &Decimal) -> bool {
        self.lower.as_ref().is_none_or(|b| if b.exclusive { *value > b.value } else { *value >= b.value })
            && self
                .upper
                .as_ref()
                .is_none_or(|b| if b.exclusive { *value < b.value } else { *value <= b.value })
            && self.integer.is_none_or(|integer| value.is_integer() == integer)
            && self.multiples.iter().all(|m| value.is_multiple_of(m) == Some(true))
            && self.not_multiples.iter().all(|m| value.is_multiple_of(m) != Some(true))
            && self.except.binary_search(value).is_err()
    }

    /// True if a bound is itself a number of the set, and a whole one that every policy spells. For
    /// example, 1 is one of the whole numbers from 1 to 100.
    fn has_whole_bound(&self) -> bool {
        let is_spelt = |value: &Decimal| value.is_integer() && value.plain_digits(15).is_some();
        let mut bounds = self.lower.iter().chain(&self.upper).map(|bound| &bound.value);
        bounds.any(|value| is_spelt(value) && self.contains(value))
    }

    fn is_any(&self) -> bool {
        *self == Part::default()
    }

    fn crossed(&self) -> bool {
        match (&self.lower, &self.upper) {
            (Some(low), Some(high)) => {
                low.value > high.value || (low.value == high.value && (low.exclusive || high.exclusive))
            }
            _ => false,
        }
    }

    /// Replaces several divisors by their least common multiple, in which 1 stands for whole
    /// numbers.
    fn tidy(&mut self) {
        if self.multiples.is_empty() {
            return;
        }
        let one = (self.integer == Some(true)).then(|| Decimal::parse("1")).flatten();
        let mut divisors = self.multiples.iter().chain(&one);
        let first = divisors.next().cloned();
        let least = divisors.try_fold(first, |least, next| Some(Some(least?.common_multiple(next)?)));
        if let Some(Some(least)) = least {
            self.multiples = vec![least];
        }
    }

    /// The numbers in both parts; `None` if there evidently are none.
    fn and(&self, other: &Part) -> Option<Part> {
        let mut both = self.clone();
        if let Some(bound) = &other.lower {
            both.raise(bound.clone());
        }
        if let Some(bound) = &other.upper {
            both.cap(bound.clone());
        }
        match (both.integer, other.integer) {
            (Some(a), Some(b)) if a != b => return None,
            (None, b) => both.integer = b,
            _ => {}
        }
        let merge = |into: &mut Vec<Decimal>, from: &[Decimal]| {
            into.extend_from_slice(from);
            into.sort();
            into.dedup();
        };
        merge(&mut both.multiples, &other.multiples);
        merge(&mut both.not_multiples, &other.not_multiples);
        merge(&mut both.except, &other.except);
        both.tidy();
        let refused = |m: &Decimal| both.not_multiples.iter().any(|n| m.is_multiple_of(n) == Some(true));
        let contradiction = both.multiples.iter().any(refused);
        (!contradiction && !both.crossed()).then_some(both)
    }

    /// Reports whether every number of the part evidently is in `other`: each condition of `other`
    /// follows from one of the part's own.
    fn is_within(&self, other: &Part) -> bool {
        let mut both = self.clone();
        other.lower.iter().for_each(|bound| both.raise(bound.clone()));
        other.upper.iter().for_each(|bound| both.cap(bound.clone()));
        let divides = |n: &Decimal| self.multiples.iter().any(|m| m.is_multiple_of(n) == Some(true));
        both == *self
            && (other.integer.is_none() || other.integer == self.integer)
            && other.multiples.iter().all(divides)
            && other.not_multiples.iter().all(|n| self.not_multiples.contains(n))
            && other.except.iter().all(|value| self.except.contains(value))
    }

    pub fn raise(&mut self, bound: Bound) {
        let tighter =
            self.lower.as_ref().is_none_or(|b| (&b.value, b.exclusive) < (&bound.value, bound.exclusive));
        if tighter {
            self.lower = Some(bound);
        }
    }

    pub fn cap(&mut self, bound: Bound) {
        let tighter = self
            .upper
            .as_ref()
            .is_none_or(|b| bound.value < b.value || (bound.value == b.value && bound.exclusive));
        if tighter {
            self.upper = Some(bound);
        }
    }

    fn complement(&self) -> NumberSet {
        let mut set = NumberSet::default();
        let mut add = |part: Part| set.parts.push(part);
        if let Some(b) = &self.lower {
            let upper = Some(Bound { value: b.value.clone(), exclusive: !b.exclusive });
            add(Part { upper, ..Part::default() });
        }
        if let Some(b) = &self.upper {
            let lower = Some(Bound { value: b.value.clone(), exclusive: !b.exclusive });
            add(Part { lower, ..Part::default() });
        }
        if let Some(integer) = self.integer {
            add(Part { integer: Some(!integer), ..Part::default() });
        }
        for m in &self.multiples {
            add(Part { not_multiples: vec![m.clone()], ..Part::default() });
        }
        for m in &self.not_multiples {
            add(Part { multiples: vec![m.clone()], ..Part::default() });
        }
        set.points = self
            .except
            .iter()
            .map(|value| Point { value: value.clone(), spelling: value.text().into() })
            .collect();
        set
    }

    /// The spellings of the part's numbers; `None` if a bound or divisor has too many digits.
    fn language(&self, policy: Policy, pool: &mut ExprPool) -> Option<LangId> {
        if self.is_any() {
            return Some(any_number(pool));
        }
        if let Some(values) = self.few() {
            return Self::spellings(&values, self.integer, policy, pool);
        }
        let only_integer = Part { integer: Some(true), ..Part::default() };
        if policy == Policy::Canonical && *self == only_integer {
            return Some(any_integer(pool));
        }
        // Multiples of a whole number are whole. They may still be spelt with a fraction of zeros,
        // unless the schema asks for integers.
        let whole_divisor = self.multiples.iter().any(Decimal::is_integer);
        let fraction = spelling(policy, self.integer, whole_divisor);
        let zero = signed_zero(policy, self.lower.as_ref().is_none_or(|bound| bound.value.is_negative()));
        let mut parts = Vec::new();
        match self.multiples_between(fraction, zero, pool) {
            Some(multiples) => parts.push(multiples),
            None => {
                let bounds = (self.lower.as_ref(), self.upper.as_ref());
                parts.push(pool.number_range(bounds.0, bounds.1, fraction, zero)?);
                let mut multiples_of = |divisor: &Decimal| {
                    pool.multiples_between(divisor, &[], (None, None), fraction, SignedZero::Allowed)
                };
                for divisor in &self.multiples {
                    parts.push(multiples_of(divisor)?);
                }
                let mut refused = Vec::new();
                for divisor in &self.not_multiples {
                    refused.push(multiples_of(divisor)?);
                }
                if self.integer == Some(false) {
                    refused.push(pool.number_range(None, None, Fraction::Zeros, SignedZero::Allowed)?);
                }
                parts.extend(refused.into_iter().map(|refused| pool.not(refused)));
            }
        }
        for value in &self.except {
            let spellings = every_spelling(value, pool)?;
            parts.push(pool.not(spellings));
        }
        let plain = pool.inter(&parts);
        if !self.is_interval() {
            return Some(plain);
        }
        let positive = scientific(self.lower.as_ref(), self.upper.as_ref(), pool)?;
        let mirror = |bound: &Option<Bound>| {
            bound.as_ref().map(|b| Bound { value: b.value.negated(), exclusive: b.exclusive })
        };
        let negative = scientific(mirror(&self.upper).as_ref(), mirror(&self.lower).as_ref(), pool)?;
        let minus = pool.bytes(b"-");
        let negative = pool.concat(minus, negative);
        Some(pool.union(&[plain, positive, negative]))
    }

    /// The spellings of all numbers of the part apart from its exceptions, by arithmetic and
    /// without a search. `None` if there is no divisor, or if there are several.
    fn multiples_between(&self, fraction: Fraction, zero: SignedZero, pool: &mut ExprPool) -> Option<LangId> {
        let one = Decimal::parse("1")?;
        let divisor = match &self.multiples[..] {
            [divisor] => divisor,
            // Whole numbers are the multiples of 1.
            [] if self.integer == Some(true) && !self.not_multiples.is_empty() => &one,
            _ => return None,
        };
        let mut not = self.not_multiples.clone();
        if self.integer == Some(false) {
            not.push(one.clone());
        }
        let bounds = (self.lower.as_ref(), self.upper.as_ref());
        pool.multiples_between(divisor, &not, bounds, fraction, zero)
    }

    /// The numbers of a part between two bounds, if few multiples have to be tried to find them and
    /// the result is small.
    fn few(&self) -> Option<Vec<Decimal>> {
        let (Some(lower), Some(upper), [divisor]) = (&self.lower, &self.upper, &self.multiples[..]) else {
            return None;
        };
        let mut values = divisor.multiples_between(&lower.value, &upper.value, MAX_TRIED)?;
        values.retain(|value| self.contains(value));
        (values.len() <= MAX_FEW).then_some(values)
    }

    /// The spellings of the numbers `values` of a part.
    fn spellings(
        values: &[Decimal],
        integer: Option<bool>,
        policy: Policy,
        pool: &mut ExprPool,
    ) -> Option<LangId> {
        let mut all = Vec::with_capacity(values.len());
        let zero = signed_zero(policy, values.iter().any(Decimal::is_negative));
        for value in values {
            let bound = Bound { value: value.clone(), exclusive: false };
            let fraction = spelling(policy, integer, value.is_integer());
            all.push(pool.number_range(Some(&bound), Some(&bound), fraction, zero)?);
        }
        Some(pool.union(&all))
    }

    /// Reports whether the part evidently has infinitely many numbers.
    ///
    /// That holds for an interval of more than one point without other conditions, and for whole
    /// numbers or multiples without a bound on one side. Excluded single numbers make no
    /// difference.
    fn is_evidently_infinite(&self) -> bool {
        let has_inside = match (&self.lower, &self.upper) {
            (Some(low), Some(high)) => {
                low.value < high.value && self.integer.is_none() && self.multiples.is_empty()
            }
            _ => self.integer != Some(false) || self.multiples.is_empty(),
        };
        has_inside && self.not_multiples.is_empty()
    }

    /// The divisor, with `one` for whole numbers, if apart from bounds and exceptions nothing else
    /// restricts the part.
    fn only_divisor<'d>(&'d self, one: &'d Decimal) -> Option<&'d Decimal> {
        match &self.multiples[..] {
            _ if !self.not_multiples.is_empty() => None,
            [] if self.integer == Some(true) => Some(one),
            [divisor] if self.integer.is_none() || divisor.is_integer() && self.integer == Some(true) => {
                Some(divisor)
            }
            _ => None,
        }
    }

    /// Reports whether only bounds restrict the part.
    fn is_interval(&self) -> bool {
        self.integer.is_none()
            && self.multiples.is_empty()
            && self.not_multiples.is_empty()
            && self.except.is_empty()
    }
}

/// The most multiples that are tried to list the numbers of a part, and the most numbers in such a
/// list.
const MAX_TRIED: u32 = 1_000;
const MAX_FEW: usize = 8;

/// The most multiples that are listed to count the numbers of a part.
const MAX_LISTED: u32 = 4_096;

/// The fraction that spellings may have, for numbers that must be integers or must not (`integer`)
/// and for numbers that are known to be whole (`whole`).
fn spelling(policy: Policy, integer: Option<bool>, whole: bool) -> Fraction {
    match (policy, integer) {
        (Policy::Canonical, Some(true)) => Fraction::None,
        _ if whole || integer == Some(true) => Fraction::Zeros,
        _ => Fraction::Digits(UNBOUNDED),
    }
}

/// The rule for `-0`. If no negative number is allowed, the canonical spelling has no `-`, because
/// only `-0` could follow.
fn signed_zero(policy: Policy, has_negative: bool) -> SignedZero {
    match policy == Policy::Json || has_negative {
        true => SignedZero::Allowed,
        false => SignedZero::Refused,
    }
}

/// The greatest exponent, up or down, of scientific notation under a bound. Every reader of doubles
/// can hold such numbers.
const MAX_EXPONENT: i32 = 300;

/// The positive numbers between the bounds in scientific notation: one digit other than zero before
/// the point, and an exponent.
///
/// In general, the spellings with exponents of the numbers within a bound are not a regular
/// language. In scientific notation they are: the exponent alone decides, unless it equals the
/// exponent of the bound. Then the digits decide.
fn scientific(lower: Option<&Bound>, upper: Option<&Bound>, pool: &mut ExprPool) -> Option<LangId> {
    let bound = |digits: &str, exclusive| Decimal::parse(digits).map(|value| Bound { value, exclusive });
    let one = bound("1", false)?;
    let ten = bound("10", true)?;
    // A positive bound as `digits × 10^exponent`.
    let split = |b: &Bound| {
        let (digits, exponent) = b.value.normalised()?;
        Some((Bound { value: digits, exclusive: b.exclusive }, exponent))
    };
    let low = lower.and_then(split);
    let high = match upper {
        Some(b) => match split(b) {
            Some(high) => Some(high),
            // No positive number is below this bound.
            None => return Some(LangId::NEVER),
        },
        None => None,
    };
    let least = low.as_ref().map_or(-MAX_EXPONENT - 1, |l| l.1);
    let most = high.as_ref().map_or(MAX_EXPONENT + 1, |h| h.1);
    let mut zones = Vec::new();
    if least == most {
        zones.push((low.as_ref().map(|l| &l.0), high.as_ref().map(|h| &h.0), least, most));
    } else {
        zones.extend(low.as_ref().map(|l| (Some(&l.0), None, l.1, l.1)));
        zones.push((None, None, least.saturating_add(1), most.saturating_sub(1)));
        zones.extend(high.as_ref().map(|h| (None, Some(&h.0), h.1, h.1)));
    }
    let mut alternatives = Vec::new();
    for (low, high, first, last) in zones {
        let (first, last) = (first.max(-MAX_EXPONENT), last.min(MAX_EXPONENT));
        if first > last {
            continue;
        }
        let (low, high) = (low.unwrap_or(&one), high.unwrap_or(&ten));
        let digits =
            pool.number_range(Some(low), Some(high), Fraction::Digits(UNBOUNDED), SignedZero::Refused)?;
        let exponent = exponents(first, last, pool)?;
        alternatives.push(pool.concat(digits, exponent));
    }
    Some(pool.union(&alternatives))
}

/// The letter `e` and a whole number between `first` and `last`, with or without a sign, and
/// perhaps with one zero in front.
fn exponents(first: i32, last: i32, pool: &mut ExprPool) -> Option<LangId> {
    let mut set = crate::automata::ByteSet::EMPTY;
    b"eE".iter().for_each(|&b| set.insert(b));
    let e = pool.byte(&set);
    let (plus, minus, zero) = (pool.bytes(b"+"), pool.bytes(b"-"), pool.bytes(b"0"));
    let (plus, zero) = (pool.repeat(plus, 0, 1), pool.repeat(zero, 0, 1));
    let mut signed = Vec::new();
    for (sign, first, last) in [(plus, first.max(0), last), (minus, (-last).max(0), -first)] {
        if first <= last {
            let bound =
                |n: i32| Decimal::parse(&n.to_string()).map(|value| Bound { value, exclusive: false });
            let (first, last) = (bound(first)?, bound(last)?);
            let size = pool.number_range(Some(&first), Some(&last), Fraction::None, SignedZero::Refused)?;
            signed.push(pool.sequence(&[sign, zero, size]));
        }
    }
    let signed = pool.union(&signed);
    Some(pool.concat(e, signed))
}

/// Every plain spelling of one number.
fn every_spelling(value: &Decimal, pool: &mut ExprPool) -> Option<LangId> {
    let bound = Bound { value: value.clone(), exclusive: false };
    pool.number_range(Some(&bound), Some(&bound), Fraction::Digits(UNBOUNDED), SignedZero::Allowed)
}

/// All integers: `-?(0|[1-9][0-9]*)`.
pub(super) fn any_integer(pool: &mut ExprPool) -> LangId {
    integers_of_digits(UNBOUNDED, pool)
}

/// The integers of at most `digits` digits, of at least one.
fn integers_of_digits(digits: u32, pool: &mut ExprPool) -> LangId {
    use crate::automata::ByteSet;
    let minus = pool.bytes(b"-");
    let minus = pool.repeat(minus, 0, 1);
    let digit = pool.byte(&ByteSet::range(b'0', b'9'));
    let first = pool.byte(&ByteSet::range(b'1', b'9'));
    let more = pool.repeat(digit, 0, if digits == UNBOUNDED { digits } else { digits.max(1) - 1 });
    let (zero, nonzero) = (pool.bytes(b"0"), pool.concat(first, more));
    let whole = pool.union(&[zero, nonzero]);
    pool.concat(minus, whole)
}

/// All numbers by RFC 8259 §6.
pub(super) fn any_number(pool: &mut ExprPool) -> LangId {
    numbers_of_digits(UNBOUNDED, UNBOUNDED, UNBOUNDED, pool)
}

/// The numbers by RFC 8259 §6 with at most `whole` digits before the point, `fraction` after it and
/// `exponent` in the exponent. Each of these parts has at least one digit.
pub(super) fn numbers_of_digits(whole: u32, fraction: u32, exponent: u32, pool: &mut ExprPool) -> LangId {
    use crate::automata::ByteSet;
    let digit = pool.byte(&ByteSet::range(b'0', b'9'));
    let digits = pool.repeat(digit, 1, fraction.max(1));
    let point = pool.bytes(b".");
    let fraction = pool.concat(point, digits);
    let fraction = pool.repeat(fraction, 0, 1);
    let class = |bytes: &[u8]| {
        let mut set = ByteSet::EMPTY;
        bytes.iter().for_each(|&b| set.insert(b));
        set
    };
    let (e, sign) = (pool.byte(&class(b"eE")), pool.byte(&class(b"+-")));
    let sign = pool.repeat(sign, 0, 1);
    let digits = pool.repeat(digit, 1, exponent.max(1));
    let exponent = pool.sequence(&[e, sign, digits]);
    let exponent = pool.repeat(exponent, 0, 1);
    let integer = integers_of_digits(whole, pool);
    pool.sequence(&[integer, fraction, exponent])
}

impl NumberSet {
    pub fn any() -> Self {
        NumberSet { points: Vec::new(), parts: vec![Part::default()] }
    }

    pub fn part(mut part: Part) -> Self {
        if part.crossed() {
            return NumberSet::default();
        }
        part.tidy();
        NumberSet { points: Vec::new(), parts: vec![part] }
    }

    pub fn of_points(mut points: Vec<Point>) -> Self {
        points.sort_by(|a, b| a.value.cmp(&b.value));
        points.dedup_by(|a, b| a.value == b.value);
        NumberSet { points, parts: Vec::new() }
    }

    /// Reports whether the set evidently has no number.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty() && self.parts.is_empty()
    }

    /// Reports whether the set is exactly the whole numbers.
    pub fn is_integers(&self) -> bool {
        self.points.is_empty()
            && self.parts.len() == 1
            && self.parts[0] == Part { integer: Some(true), ..Part::default() }
    }

    pub fn contains(&self, value: &Decimal) -> bool {
        self.points.binary_search_by(|p| p.value.cmp(value)).is_ok()
            || self.parts.iter().any(|p| p.contains(value))
    }

    pub fn and(&self, other: &NumberSet) -> NumberSet {
        if *self == NumberSet::any() {
            return other.clone();
        }
        if *other == NumberSet::any() {
            return self.clone();
        }
        let mut points: Vec<Point> =
            self.points.iter().filter(|p| other.contains(&p.value)).cloned().collect();
        points.extend(other.points.iter().filter(|p| self.contains(&p.value)).cloned());
        let mut set = NumberSet::of_points(points);
        for a in &self.parts {
            for b in &other.parts {
                if let Some(both) = a.and(b) {
                    set.add(both);
                }
            }
        }
        set
    }

    /// Adds a part, unless another one includes it, and drops the parts that it includes.
    fn add(&mut self, part: Part) {
        if !self.parts.iter().any(|known| part.is_within(known)) {
            self.parts.retain(|known| !known.is_within(&part));
            self.parts.push(part);
        }
    }

    /// The approximate number of steps that combining the set with another one takes.
    pub fn work(&self, other: &NumberSet) -> u64 {
        (self.parts.len() as u64).saturating_mul(other.parts.len() as u64)
    }

    pub fn or(&self, other: &NumberSet) -> NumberSet {
        if self.parts.iter().any(Part::is_any) || other.parts.iter().any(Part::is_any) {
            return NumberSet::any();
        }
        let mut set = NumberSet::of_points(self.points.iter().chain(&other.points).cloned().collect());
        set.parts = self.parts.clone();
        other.parts.iter().for_each(|part| set.add(part.clone()));
        let halves = [true, false].map(|i| Part { integer: Some(i), ..Part::default() });
        if halves.iter().all(|h| set.parts.contains(h)) {
            return NumberSet::any();
        }
        set
    }

    pub fn complement(&self) -> NumberSet {
        let except: Vec<Decimal> = self.points.iter().map(|p| p.value.clone()).collect();
        let mut set = NumberSet::part(Part { except, ..Part::default() });
        for part in &self.parts {
            set = set.and(&part.complement());
        }
        set
    }

    /// The spellings of the set's numbers; `None` if a bound or divisor has too many digits.
    pub fn language(&self, policy: Policy, pool: &mut ExprPool) -> Option<LangId> {
        let mut alternatives = Vec::new();
        for part in &self.parts {
            alternatives.push(part.language(policy, pool)?);
        }
        if !self.points.is_empty() {
            match policy {
                Policy::Canonical => alternatives.push(pool.literals(self.points.iter().flat_map(|p| {
                    [(p.value.text().into_bytes(), UNLABELLED), (p.spelling.as_bytes().to_vec(), UNLABELLED)]
                }))),
                Policy::Json => {
                    for p in &self.points {
                        alternatives.push(pool.bytes(p.spelling.as_bytes()));
                        alternatives.push(every_spelling(&p.value, pool)?);
                    }
                }
            }
        }
        Some(pool.union(&alternatives))
    }

    /// Reports whether the set has a number. A set with too many digits for a decision is assumed
    /// to have one.
    pub fn is_inhabited(&self, policy: Policy, pool: &mut ExprPool) -> bool {
        let obvious = |p: &Part| p.is_interval() || p.is_evidently_infinite() || p.has_whole_bound();
        if !self.points.is_empty() || self.parts.iter().any(obvious) {
            return true;
        }
        self.parts.iter().any(|part| match part.language(policy, pool) {
            Some(language) => !pool.is_never(language),
            None => true,
        })
    }

    /// Reports whether the set evidently has infinitely many numbers.
    pub fn is_evidently_infinite(&self) -> bool {
        self.parts.iter().any(Part::is_evidently_infinite)
    }

    /// The number of numbers in the set, if it is at most `limit` and easy to find.
    ///
    /// Parts may overlap, and a number of several parts counts once. Most parts have all multiples
    /// of one divisor between two bounds, apart from exceptions. Such ranges are counted by
    /// arithmetic on the factors of the divisor. The numbers of other parts are listed.
    pub fn count(&self, limit: usize) -> Option<usize> {
        let one = Decimal::parse("1")?;
        let divisor = self.parts.iter().find_map(|part| part.only_divisor(&one)).unwrap_or(&one);
        let mut ranges: Vec<[i128; 2]> = Vec::new();
        let mut listed: Vec<Decimal> = self.points.iter().map(|point| point.value.clone()).collect();
        let mut excluded: Vec<Decimal> = Vec::new();
        for part in &self.parts {
            let (Some(low), Some(high)) = (&part.lower, &part.upper) else { return None };
            if part.only_divisor(&one) == Some(divisor) {
                let [mut first, mut last] = divisor.factors_between(&low.value, &high.value)?;
                let is_multiple = |bound: &Bound| bound.value.is_multiple_of(divisor) == Some(true);
                first += i128::from(low.exclusive && is_multiple(low));
                last -= i128::from(high.exclusive && is_multiple(high));
                ranges.extend((first <= last).then_some([first, last]));
                excluded.extend(part.except.iter().cloned());
            } else {
                let steps = match part.multiples.first() {
                    Some(multiple) => multiple,
                    None if part.integer == Some(true) => &one,
                    None => return None,
                };
                let mut values = steps.multiples_between(&low.value, &high.value, MAX_LISTED)?;
                values.retain(|value| part.contains(value));
                listed.extend(values);
            }
        }
        ranges.sort_unstable();
        let mut apart: Vec<[i128; 2]> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match apart.last_mut() {
                Some(last) if range[0] <= last[1] => last[1] = last[1].max(range[1]),
                _ => apart.push(range),
            }
        }
        let in_range = |value: &Decimal| {
            value.is_multiple_of(divisor) == Some(true)
                && divisor
                    .factors_between(value, value)
                    .is_some_and(|[k, _]| apart.iter().any(|range| range[0] <= k && k <= range[1]))
        };
        let distinct = |values: &mut Vec<Decimal>| {
            values.sort_unstable();
            values.dedup();
        };
        distinct(&mut listed);
        listed.retain(|value| !in_range(value));
        distinct(&mut excluded);
        excluded.retain(|value| in_range(value) && !self.contains(value));
        let in_ranges = apart.iter().fold(0i128, |sum, [first, last]| sum.saturating_add(last - first + 1));
        let total = in_ranges.saturating_add(listed.len() as i128) - excluded.len() as i128;
        usize::try_from(total).ok().filter(|&total| total <= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    fn bound(text: &str, exclusive: bool) -> Option<Bound> {
        Some(Bound { value: d(text), exclusive })
    }

    /// The count of a union agrees with the number of its members among all tenths.
    #[test]
    fn counts_agree_with_membership() {
        let part = |low: &str, high: &str, more: Part| Part {
            lower: bound(low, more.except.len() % 2 == 1),
            upper: bound(high, more.not_multiples.len() == 1),
            ..more
        };
        let whole = || Part { integer: Some(true), ..Part::default() };
        let parts = [
            part("1", "3", whole()),
            part("2", "4.5", whole()),
            part("-3", "2", Part { except: vec![d("0")], ..whole() }),
            part("0", "12", Part { except: vec![d("2"), d("3")], ..whole() }),
            part("0", "12", Part { multiples: vec![d("3")], ..whole() }),
            part("0", "6", Part { multiples: vec![d("0.5")], ..Part::default() }),
            part("0", "6", Part { multiples: vec![d("0.5")], integer: Some(false), ..Part::default() }),
            part("-4", "9", Part { not_multiples: vec![d("2")], ..whole() }),
            part("5", "5", whole()),
        ];
        let points = ["2", "0.5", "40", "-3"].map(|t| Point { value: d(t), spelling: t.into() });
        let points = [NumberSet::default(), NumberSet::of_points(points.to_vec())];
        let tenths: Vec<Decimal> = (-60..=420).map(|n| d(&format!("{n}e-1"))).collect();
        for (a, b, c) in (0..9).flat_map(|a| (0..9).flat_map(move |b| (0..9).map(move |c| (a, b, c)))) {
            let [a, b, c] = [a, b, c].map(|i: usize| NumberSet::part(parts[i].clone()));
            for points in &points {
                let set = a.or(&b).or(&c).or(points);
                let members = tenths.iter().filter(|n| set.contains(n)).count();
                assert_eq!(set.count(100), Some(members), "{set:?}");
                assert_eq!(set.count(members.max(1) - 1), (members == 0).then_some(0), "{set:?}");
            }
        }
        let far = NumberSet::part(part("0", "999999999999", whole()));
        assert_eq!((far.count(usize::MAX), far.count(4_000_000_000)), (Some(1_000_000_000_000), None));
    }

    /// Membership in a combined set agrees with membership in its operands, for each number.
    #[test]
    fn boolean_operations_agree_with_membership() {
        let points = |texts: &[&str]| {
            NumberSet::of_points(texts.iter().map(|t| Point { value: d(t), spelling: (*t).into() }).collect())
        };
        let sets = [
            NumberSet::any(),
            NumberSet::default(),
            points(&["1", "2.5", "-3"]),
            NumberSet::part(Part { integer: Some(true), ..Part::default() }),
            NumberSet::part(Part { lower: bound("0", false), upper: bound("10", true), ..Part::default() }),
            NumberSet::part(Part { multiples: vec![d("2")], ..Part::default() }),
            NumberSet::part(Part { integer: Some(false), lower: bound("2", true), ..Part::default() }),
            NumberSet::part(Part {
                lower: bound("-3", false),
                upper: bound("9", true),
                multiples: vec![d("2.5")],
                not_multiples: vec![d("5")],
                ..Part::default()
            }),
            NumberSet::part(Part {
                lower: bound("-3", true),
                upper: bound("5", true),
                integer: Some(true),
                multiples: vec![d("4")],
                ..Part::default()
            }),
            points(&["4", "0"]).complement(),
        ];
        let values: Vec<Decimal> =
            ["-3", "-2", "0", "1", "2", "2.5", "3.5", "4", "9.5", "10"].map(d).to_vec();
        for a in &sets {
            for v in &values {
                assert_eq!(a.complement().contains(v), !a.contains(v), "¬{a:?} {v:?}");
            }
            for b in &sets {
                for v in &values {
                    assert_eq!(a.and(b).contains(v), a.contains(v) && b.contains(v), "{a:?} ∩ {b:?} {v:?}");
                    assert_eq!(a.or(b).contains(v), a.contains(v) || b.contains(v), "{a:?} ∪ {b:?} {v:?}");
                }
            }
            for policy in [Policy::Canonical, Policy::Json] {
                let mut pool = ExprPool::new();
                let language = a.language(policy, &mut pool).unwrap();
                for v in &values {
                    assert_eq!(pool.accepts(language, v.text().as_bytes()), a.contains(v), "{a:?} {v:?}");
                }
            }
        }
    }

    #[test]
    fn spellings_in_scientific_notation() {
        let mut pool = ExprPool::new();
        let scientific = |lower, upper| NumberSet::part(Part { lower, upper, ..Part::default() });
        for (set, yes, no) in [
            (
                scientific(bound("0", false), None),
                &["1e-06", "5.5E+300", "9e0", "1e16"][..],
                &["-1e5", "1e301", "12e2"][..],
            ),
            (
                scientific(bound("0", true), bound("1", false)),
                &["1e-06", "1e0", "9.99e-1"],
                &["1.1e0", "1e1", "0e5"],
            ),
            (
                scientific(bound("-25", true), bound("500", false)),
                &["-2.4e1", "5e2", "-2e-9", "1e1"],
                &["-2.5e1", "5.01e+2", "-1e2"],
            ),
            (
                scientific(bound("30", false), bound("40", true)),
                &["3e1", "3.99e+01"],
                &["4e1", "2.9e1", "3e0"],
            ),
            (scientific(None, bound("-1", false)), &["-1e0", "-7e200"], &["1e5", "-9e-1"]),
        ] {
            let language = set.language(Policy::Canonical, &mut pool).unwrap();
            yes.iter().for_each(|t| assert!(pool.accepts(language, t.as_bytes()), "{set:?} refuses {t}"));
            no.iter().for_each(|t| assert!(!pool.accepts(language, t.as_bytes()), "{set:?} accepts {t}"));
        }
    }

    #[test]
    fn parts_are_counted() {
        let mut pool = ExprPool::new();
        let narrow = Part { lower: bound("1", true), upper: bound("2", true), ..Part::default() };
        assert!(NumberSet::part(narrow.clone()).is_inhabited(Policy::Canonical, &mut pool));
        let none = NumberSet::part(Part { integer: Some(true), ..narrow });
        assert!(!none.is_inhabited(Policy::Canonical, &mut pool));
        let few = Part {
            lower: bound("-1", false),
            upper: bound("3", true),
            integer: Some(true),
            ..Part::default()
        };
        assert_eq!(NumberSet::part(few.clone()).count(8), Some(4));
        assert_eq!(NumberSet::part(few).count(3), None);
    }
}
