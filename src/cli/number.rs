//! Parsers of options whose value is a number. Their errors say which numbers are expected.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Parses a whole number, such as `12`.
pub(super) fn parse_whole_number<T: FromStr>(text: &str) -> Result<T, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().map_err(|_| match is_number {
        true => "the number is too large".to_owned(),
        false => "expected a whole number, 0 or more".to_owned(),
    })
}

/// Makes a parser of whole numbers in a range.
pub(super) fn range_parser<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr + PartialOrd + Display + Clone,
{
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("expected a whole number from {} to {}", range.start(), range.end()))
    }
}

/// Parses a whole number, 1 or more.
pub(super) fn parse_positive_number<T: FromStr + From<u8> + PartialOrd>(text: &str) -> Result<T, String> {
    match parse_whole_number::<T>(text) {
        Ok(number) if number >= T::from(1) => Ok(number),
        Err(error) if error.contains("too large") => Err(error),
        _ => Err("expected a whole number, 1 or more".to_owned()),
    }
}

/// Parses a number that is neither infinite nor NaN.
pub(super) fn parse_finite_number<T: FromStr + Into<f64> + Copy>(text: &str) -> Result<T, String> {
    let number = text.parse().ok().filter(|&number: &T| number.into().is_finite());
    number.ok_or_else(|| "expected a number, and a finite one".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_or_refused_in_words() {
        let whole_number = "expected a whole number, 0 or more";
        for (text, expected) in [
            ("0", Ok(0)),
            ("4294967295", Ok(u32::MAX)),
            ("4294967296", Err("the number is too large")),
            ("-1", Err(whole_number)),
            ("1.5", Err(whole_number)),
            ("", Err(whole_number)),
        ] {
            assert_eq!(parse_whole_number::<u32>(text), expected.map_err(str::to_owned), "{text}");
        }
        for (text, expected) in [("2", Ok(2)), ("8", Err("to 7")), ("1", Err("from 2")), ("x", Err("whole"))]
        {
            let found = range_parser(2..=7)(text);
            assert!(
                match expected {
                    Ok(number) => found == Ok(number),
                    Err(part) => found.is_err_and(|error| error.contains(part)),
                },
                "{text}"
            );
        }
        for (text, expected) in [("1", Some(1)), ("0", None), ("-1", None), ("300", None)] {
            assert_eq!(parse_positive_number::<u8>(text).ok(), expected, "{text}");
        }
        for (text, expected) in [("-1.5", Some(-1.5)), ("nan", None), ("1e39", None), ("x", None)] {
            assert_eq!(parse_finite_number::<f32>(text).ok(), expected, "{text}");
        }
    }
}
