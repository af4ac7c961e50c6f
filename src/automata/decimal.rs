//! Decimal numbers of any precision, as JSON writes them. They are compared and divided exactly and
//! never rounded.
//!
//! A number is `±digits × 10^exponent`. Its digits have no zeros in front or behind, so that equal
//! values are equal records: `1`, `1.0` and `10e-1` are one [`Decimal`].

use smallvec::SmallVec;
use std::cmp::Ordering;

/// A decimal number. Equality, order and hash are those of the value.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Decimal {
    negative: bool,
    /// Digits from 0 to 9. The first and the last are not zero. Zero has none.
    digits: SmallVec<[u8; 20]>,
    /// The power of ten of the last digit, and 0 for zero.
    exponent: i64,
}

impl Decimal {
    /// Reads the spelling of a JSON number. `None` when `text` is no number, or when its exponent
    /// does not fit into 32 bits.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, e)) => (mantissa, i64::from(e.parse::<i32>().ok()?)),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits {
            return None;
        }
        let mut digits: SmallVec<[u8; 20]> =
            whole.bytes().chain(fraction.bytes()).skip_while(|&b| b == b'0').map(|b| b - b'0').collect();
        let mut exponent = exponent - fraction.len() as i64;
        while digits.last() == Some(&0) {
            digits.pop();
            exponent += 1;
        }
        if digits.is_empty() {
            return Some(Self::zero());
        }
        Some(Decimal { negative, digits, exponent })
    }

    /// Zero.
    pub fn zero() -> Self {
        Decimal { negative: false, digits: SmallVec::new(), exponent: 0 }
    }

    /// True if the value is zero.
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// True if the value is below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// True if the value is a whole number.
    pub fn is_integer(&self) -> bool {
        self.exponent >= 0
    }

    /// The magnitude: the same number without its sign.
    pub fn abs(&self) -> Self {
        Decimal { negative: false, ..self.clone() }
    }

    /// The value as a `u32`. `None` when it is negative, too large or no whole number.
    pub fn to_u32(&self) -> Option<u32> {
        if self.negative || self.exponent < 0 || self.exponent > 10 {
            return None;
        }
        let (whole, _) = self.plain_digits(10)?;
        whole.iter().try_fold(0u32, |n, &d| n.checked_mul(10)?.checked_add(u32::from(d)))
    }

    /// The digits before and after the decimal point in the spelling without exponent, with at
    /// least one before it: `[0]` and `[0, 5]` for 0.05. `None` when one side has more than `limit`
    /// digits.
    pub fn plain_digits(&self, limit: usize) -> Option<(Vec<u8>, Vec<u8>)> {
        let point = self.digits.len() as i64 + self.exponent;
        if point > limit as i64 || -self.exponent > limit as i64 {
            return None;
        }
        let mut whole = Vec::new();
        let mut fraction = Vec::new();
        if point <= 0 {
            whole.push(0);
            fraction.extend(std::iter::repeat_n(0, (-point) as usize));
            fraction.extend_from_slice(&self.digits);
        } else {
            let point = point as usize;
            let split = point.min(self.digits.len());
            whole.extend_from_slice(&self.digits[..split]);
            whole.extend(std::iter::repeat_n(0, point - split));
            fraction.extend_from_slice(&self.digits[split..]);
        }
        if self.is_zero() {
            fraction.clear();
        }
        Some((whole, fraction))
    }

    /// The same number with the other sign.
    pub fn negated(&self) -> Self {
        Decimal { negative: !self.negative && !self.is_zero(), ..self.clone() }
    }

    /// A positive value as a number from 1 to below 10 and a power of ten: `1.25` and 1 for 12.5.
    pub fn normalised(&self) -> Option<(Decimal, i32)> {
        if self.negative || self.is_zero() {
            return None;
        }
        let last = 1 - self.digits.len() as i64;
        let power = i32::try_from(self.exponent - last).ok()?;
        Some((Decimal { exponent: last, ..self.clone() }, power))
    }

    /// The integer `n` and the number of decimal places `p` with `|value| = n × 10^-p`: 25 and 2
    /// for 0.25. For whole numbers `p` is 0. `None` when `n` does not fit.
    pub fn scaled(&self) -> Option<(u64, u32)> {
        let mut n: u64 = 0;
        for &d in &self.digits {
            n = n.checked_mul(10)?.checked_add(u64::from(d))?;
        }
        if self.exponent >= 0 {
            for _ in 0..self.exponent.min(32) {
                n = n.checked_mul(10)?;
            }
            (self.exponent <= 32).then_some((n, 0))
        } else {
            u32::try_from(-self.exponent).ok().map(|places| (n, places))
        }
    }

    /// The smallest positive number that both divide. `None` when it has more than 15 digits on a
    /// side of the point.
    pub fn common_multiple(&self, other: &Decimal) -> Option<Decimal> {
        let ((a, a_places), (b, b_places)) = (self.scaled()?, other.scaled()?);
        let mut places = a_places.max(b_places);
        let scale = |n: u64, from: u32| u128::from(n).checked_mul(10u128.checked_pow(places - from)?);
        let (a, b) = (scale(a, a_places)?, scale(b, b_places)?);
        let (mut gcd, mut rest) = (a, b);
        while rest != 0 {
            (gcd, rest) = (rest, gcd % rest);
        }
        if gcd == 0 {
            return None;
        }
        let mut least = (a / gcd).checked_mul(b)?;
        while places > 0 && least % 10 == 0 {
            least /= 10;
            places -= 1;
        }
        if least >= 1_000_000_000_000_000 || places > 15 {
            return None;
        }
        Decimal::parse(&format!("{least}e-{places}"))
    }

    /// The multiples of this positive number from `low` to `high`, in rising order. `None` when
    /// there are more than `limit`, or when the numbers do not fit into 128 bits.
    pub fn multiples_between(&self, low: &Decimal, high: &Decimal, limit: u32) -> Option<Vec<Decimal>> {
        let (step, places, [first, last]) = self.factors_and_scale(low, high)?;
        if last - first >= i128::from(limit) {
            return None;
        }
        (first..=last).map(|k| Decimal::parse(&format!("{}e-{places}", k.checked_mul(step)?))).collect()
    }

    /// The first and the last `k` for which `k` times this positive number lies from `low` to
    /// `high`: 2 and 4 for the number 5 from 6 to 20. The first is greater than the last if there
    /// is none. `None` when the numbers do not fit into 128 bits.
    pub fn factors_between(&self, low: &Decimal, high: &Decimal) -> Option<[i128; 2]> {
        self.factors_and_scale(low, high).map(|(_, _, factors)| factors)
    }

    /// This number as `n × 10^-places`, the places, and the [factors](Self::factors_between).
    fn factors_and_scale(&self, low: &Decimal, high: &Decimal) -> Option<(i128, u32, [i128; 2])> {
        let places = [self, low, high].map(Decimal::scaled);
        let places = places.into_iter().try_fold(0, |most, scaled| Some(most.max(scaled?.1)))?;
        let scaled = |value: &Decimal| {
            let (n, own) = value.scaled()?;
            let n = i128::from(n).checked_mul(10i128.checked_pow(places - own)?)?;
            Some(if value.negative { -n } else { n })
        };
        let (step, low, high) = (scaled(self).filter(|&n| n > 0)?, scaled(low)?, scaled(high)?);
        let first = low.div_euclid(step) + i128::from(low.rem_euclid(step) != 0);
        Some((step, places, [first, high.div_euclid(step)]))
    }

    /// True if the value is `k × divisor` for a whole `k`. `None` when the divisor is zero or has
    /// more than 18 significant digits.
    pub fn is_multiple_of(&self, divisor: &Decimal) -> Option<bool> {
        let m =
            divisor.digits.iter().try_fold(0u128, |n, &d| n.checked_mul(10)?.checked_add(u128::from(d)))?;
        if m == 0 || divisor.digits.len() > 18 {
            return None;
        }
        if self.is_zero() {
            return Some(true);
        }
        let shift = self.exponent - divisor.exponent;
        let mut rest = self.digits.iter().fold(0u128, |r, &d| (r * 10 + u128::from(d)) % m);
        if shift >= 0 {
            // r × 10^shift mod m, by squaring.
            let (mut base, mut n) = (10 % m, shift as u64);
            while n > 0 {
                if n & 1 == 1 {
                    rest = rest * base % m;
                }
                base = base * base % m;
                n >>= 1;
            }
            return Some(rest == 0);
        }
        // The divisor has fewer decimal places than the value. In units of the value's last place
        // the divisor is m × 10^-shift, and that must divide the value's digits.
        let Some(scale) = u32::try_from(-shift).ok().and_then(|s| 10u128.checked_pow(s)) else {
            return Some(false);
        };
        let Some(m) = m.checked_mul(scale).filter(|&m| m < u128::MAX / 16) else { return Some(false) };
        Some(self.digits.iter().fold(0u128, |r, &d| (r * 10 + u128::from(d)) % m) == 0)
    }

    /// The shortest spelling without exponent, or one with an exponent where more than 64 digits
    /// would be needed.
    pub fn text(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let write = |digits: &[u8]| digits.iter().map(|&d| char::from(b'0' + d)).collect::<String>();
        match self.plain_digits(64) {
            Some((whole, fraction)) if fraction.is_empty() => format!("{sign}{}", write(&whole)),
            Some((whole, fraction)) => format!("{sign}{}.{}", write(&whole), write(&fraction)),
            None => format!("{sign}{}e{}", write(&self.digits), self.exponent),
        }
    }

    fn cmp_magnitude(&self, other: &Self) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            _ => {}
        }
        let point = |d: &Decimal| d.digits.len() as i64 + d.exponent;
        point(self).cmp(&point(other)).then_with(|| self.digits.cmp(&other.digits))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.cmp_magnitude(other),
            (true, true) => other.cmp_magnitude(self),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        Decimal::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn values_not_spellings() {
        for (a, b) in
            [("1", "1.0"), ("10e-1", "1"), ("-0", "0"), ("0.0e7", "0"), ("1.50", "15e-1"), ("1e3", "1000")]
        {
            assert_eq!(d(a), d(b));
        }
        assert!(Decimal::parse("1e99999999999").is_none() && Decimal::parse("x").is_none());
        for (text, plain) in
            [("1.50", "1.5"), ("-0.001", "-0.001"), ("12e2", "1200"), ("1e100", "1e100"), ("-0", "0")]
        {
            assert_eq!(d(text).text(), plain);
        }
    }

    #[test]
    fn signs_and_powers() {
        for (text, digits, power) in
            [("12.5", "1.25", 1), ("0.003", "3", -3), ("1e20", "1", 20), ("9", "9", 0)]
        {
            assert_eq!(d(text).normalised(), Some((d(digits), power)), "{text}");
            assert_eq!(d(&format!("-{text}")), d(text).negated());
        }
        assert_eq!((d("0").normalised(), d("-1").normalised()), (None, None));
        assert_eq!((d("0").negated(), d("-2").negated()), (d("0"), d("2")));
    }

    #[test]
    fn multiples_in_an_interval() {
        for (divisor, low, high, limit, values) in [
            ("2.5", "-3", "5", 4, Some(vec!["-2.5", "0", "2.5", "5"])),
            ("2.5", "-3", "5", 3, None),
            ("7", "1", "6.99", 9, Some(vec![])),
            ("0.5", "1e30", "2e30", 9, None),
            ("0", "1", "2", 9, None),
        ] {
            let values = values.map(|v| v.into_iter().map(d).collect::<Vec<_>>());
            assert_eq!(
                d(divisor).multiples_between(&d(low), &d(high), limit),
                values,
                "{divisor} {low} {high}"
            );
        }
    }

    #[test]
    fn common_multiples() {
        for (a, b, least) in [
            ("4", "6", Some("12")),
            ("0.5", "0.75", Some("1.5")),
            ("0.123456789", "1", Some("123456789")),
            ("1e14", "1e13", Some("1e14")),
            ("999999999999999", "999999999999998", None),
            ("0", "2", Some("0")),
            ("1e-20", "1", Some("1")),
        ] {
            assert_eq!(d(a).common_multiple(&d(b)), least.map(d), "{a} {b}");
            assert_eq!(d(b).common_multiple(&d(a)), least.map(d), "{b} {a}");
        }
    }

    #[test]
    fn order() {
        let rising = ["-1e3", "-10.5", "-10", "-0.1", "-0.01", "0", "0.01", "0.1", "0.11", "9", "10", "1e2"];
        for (i, a) in rising.iter().enumerate() {
            for (j, b) in rising.iter().enumerate() {
                assert_eq!(d(a).cmp(&d(b)), i.cmp(&j), "{a} {b}");
            }
        }
    }

    #[test]
    fn division() {
        let table = [
            ("10", "5", true),
            ("11", "5", false),
            ("0.0075", "0.0001", true),
            ("0.00751", "0.0001", false),
            ("4.5", "1.5", true),
            ("35", "1.5", false),
            ("1e308", "0.5", true),
            ("1e308", "0.123456789", false),
            ("-14", "7", true),
            ("0", "3", true),
            ("12391239123", "1e-8", true),
            ("5", "1e300", false),
            ("0.5", "2", false),
            ("200", "1e2", true),
        ];
        for (value, divisor, want) in table {
            assert_eq!(d(value).is_multiple_of(&d(divisor)), Some(want), "{value} / {divisor}");
        }
        assert_eq!(d("1").is_multiple_of(&d("0")), None);
        assert_eq!(d("0.25").scaled(), Some((25, 2)));
        assert_eq!(d("2500").scaled(), Some((2500, 0)));
        assert_eq!(d("4294967295").to_u32(), Some(u32::MAX));
        assert_eq!((d("4294967296").to_u32(), d("-1").to_u32(), d("1.5").to_u32()), (None, None, None));
        assert_eq!(d("3.0").to_u32(), Some(3));
    }
}
