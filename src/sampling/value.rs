//! Values of parameters: their text, their JSON and their ranges.
//!
//! A value has one text, which command lines, traces and the table of parameters use, and one form
//! in JSON, which [parameter sets](super::parameter_sets) read. Here are numbers, tokens and lists.
//! The [settings of single steps](super::step_settings) have their own file.

use super::error::SamplingError;
use crate::vocab::TokenId;
use serde_json::Value as Json;
use std::str::FromStr;

/// Numbers that a parameter takes.
pub(super) struct Range {
    holds: fn(f32) -> bool,
    expected: &'static str,
}

pub(super) const ANY: Range = Range { holds: |_| true, expected: "a finite number" };
pub(super) const AT_LEAST_ZERO: Range = Range { holds: |x| x >= 0.0, expected: "a finite number >= 0" };
pub(super) const ABOVE_ZERO: Range = Range { holds: |x| x > 0.0, expected: "a finite number > 0" };
pub(super) const AT_LEAST_ONE: Range = Range { holds: |x| x >= 1.0, expected: "a finite number >= 1" };
pub(super) const UNIT: Range = Range { holds: |x| (0.0..=1.0).contains(&x), expected: "a number in [0, 1]" };
pub(super) const DECAY: Range =
    Range { holds: |x| (0.0..=0.99).contains(&x), expected: "a number in [0, 0.99]" };
pub(super) const BELOW_ONE: Range =
    Range { holds: |x| (0.0..1.0).contains(&x), expected: "a number in [0, 1)" };
pub(super) const SHARE: Range = Range { holds: |x| x > 0.0 && x <= 1.0, expected: "a number in (0, 1]" };
pub(super) const INSIDE: Range = Range { holds: |x| x > 0.0 && x < 1.0, expected: "a number in (0, 1)" };
pub(super) const PENALTY: Range =
    Range { holds: |x| (-2.0..=2.0).contains(&x), expected: "a number in [-2, 2]" };

impl Range {
    pub fn check(&self, name: &'static str, value: f32) -> Result<(), SamplingError> {
        match (self.holds)(value) && value.is_finite() {
            true => Ok(()),
            false => Err(SamplingError::parameter(name, value, self.expected)),
        }
    }
}

/// The least and the greatest number that an API allows for a parameter.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub low: f64,
    pub high: f64,
}

impl Bounds {
    fn holds(self, number: f64) -> bool {
        (self.low..=self.high).contains(&number)
    }

    /// The error for a value that is not `kind`, or that is out of bounds.
    fn refuse<T>(self, json: &Json, kind: &str) -> Result<T, String> {
        let Bounds { low, high } = self;
        Err(match high.is_infinite() {
            true => format!("{json} is not {kind} >= {low}"),
            false => format!("{json} is not {kind} in [{low}, {high}]"),
        })
    }
}

/// A value of a parameter, as text and in JSON.
pub(super) trait Value: Sized {
    /// True for a list, whose members can be given one by one.
    const IS_LIST: bool = false;

    fn read(text: &str) -> Result<Self, String>;

    fn show(&self) -> String;

    /// Reads the value from JSON as APIs write it. Unless the type has another form, that is its
    /// text in a string. The error says what was expected, as in `true is not a number in [0, 1]`.
    fn from_json(json: &Json, _bounds: Bounds) -> Result<Self, String> {
        Self::read(json.as_str().ok_or_else(|| format!("{json} is not a string"))?)
    }

    /// Refuses a value that has no meaning. `range` is the range that a plain number must be in.
    fn check(&self, _name: &'static str, _range: &Range) -> Result<(), SamplingError> {
        Ok(())
    }
}

/// Numbers separated by colons: `least` of them at least, as many as `form` names at most.
pub(super) fn numbers<T: FromStr>(text: &str, form: &str, least: usize) -> Result<Vec<T>, String> {
    let expected = || format!("expected {form}");
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() < least || parts.len() > form.split(':').count() {
        return Err(expected());
    }
    parts.into_iter().map(|part| part.parse().map_err(|_| expected())).collect()
}

/// The text of a number, as Rust writes it.
macro_rules! number_as_text {
    ($expected:literal) => {
        fn read(text: &str) -> Result<Self, String> {
            text.parse().map_err(|_| $expected.to_owned())
        }

        fn show(&self) -> String {
            self.to_string()
        }
    };
}

impl Value for f32 {
    number_as_text!("expected a number");

    fn from_json(json: &Json, bounds: Bounds) -> Result<Self, String> {
        let number = json.as_f64().filter(|&number| bounds.holds(number));
        number.map_or_else(|| bounds.refuse(json, "a number"), |number| Ok(number as f32))
    }

    fn check(&self, name: &'static str, range: &Range) -> Result<(), SamplingError> {
        range.check(name, *self)
    }
}

macro_rules! whole_numbers {
    ($($type:ty),*) => {$(
        impl Value for $type {
            number_as_text!("expected a whole number");

            fn from_json(json: &Json, bounds: Bounds) -> Result<Self, String> {
                let number = json.as_u64().filter(|&number| bounds.holds(number as f64));
                let number = number.and_then(|number| Self::try_from(number).ok());
                number.map_or_else(|| bounds.refuse(json, "an integer"), Ok)
            }
        }
    )*};
}
whole_numbers!(usize, u32);

impl Value for u64 {
    number_as_text!("expected a whole number");

    /// Any 64-bit integer; negative ones by their two's complement.
    fn from_json(json: &Json, _: Bounds) -> Result<Self, String> {
        let number = json.as_u64().or_else(|| json.as_i64().map(|number| number as u64));
        number.ok_or_else(|| format!("{json} is not a 64-bit integer"))
    }
}

/// Declares the text of types that have `FromStr` and `Display`.
macro_rules! spelled {
    ($($type:ty),*) => {$(
        impl Value for $type {
            fn read(text: &str) -> Result<Self, String> {
                text.parse().map_err(|error: <$type as std::str::FromStr>::Err| error.to_string())
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
pub(super) use spelled;

impl Value for TokenId {
    fn read(text: &str) -> Result<Self, String> {
        text.trim().parse().map(TokenId).map_err(|_| "expected the id of a token".to_owned())
    }

    fn show(&self) -> String {
        self.0.to_string()
    }

    /// A token id, or a list of one.
    fn from_json(json: &Json, _: Bounds) -> Result<Self, String> {
        match json.as_array().map(Vec::as_slice) {
            Some([_, _, ..]) => Err("several tokens; only one can be forced".to_owned()),
            Some([only]) => token(only),
            _ => token(json),
        }
    }
}

/// A token id in JSON.
pub(super) fn token(json: &Json) -> Result<TokenId, String> {
    let id = json.as_u64().and_then(|id| u32::try_from(id).ok());
    id.map(TokenId).ok_or_else(|| format!("{json} is not a token id"))
}

/// Parameters that are off unless they are given.
impl<T: Value> Value for Option<T> {
    const IS_LIST: bool = T::IS_LIST;

    fn read(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(None),
            text => T::read(text).map(Some),
        }
    }

    fn show(&self) -> String {
        self.as_ref().map_or("off".to_owned(), T::show)
    }

    fn from_json(json: &Json, bounds: Bounds) -> Result<Self, String> {
        T::from_json(json, bounds).map(Some)
    }

    fn check(&self, name: &'static str, range: &Range) -> Result<(), SamplingError> {
        self.as_ref().map_or(Ok(()), |value| value.check(name, range))
    }
}

/// The text has commas between the members: `8` or `8,9`. An empty text is the empty list.
impl<T: ListItem> Value for Vec<T> {
    const IS_LIST: bool = true;

    fn read(text: &str) -> Result<Self, String> {
        text.split(',').filter(|_| !text.is_empty()).map(T::read_member).collect()
    }

    fn show(&self) -> String {
        self.iter().map(T::show_member).collect::<Vec<_>>().join(",")
    }

    fn from_json(json: &Json, bounds: Bounds) -> Result<Self, String> {
        T::list_from_json(json, bounds)
    }

    fn check(&self, name: &'static str, _: &Range) -> Result<(), SamplingError> {
        self.iter().try_for_each(|member| member.check_member(name))
    }
}

/// A member of a list.
pub(super) trait ListItem: Sized {
    /// Words for the list, for errors.
    const LIST: &'static str;
    /// True for members that can be keys of an object in JSON.
    const IS_KEY: bool = false;

    fn read_member(text: &str) -> Result<Self, String>;

    fn show_member(&self) -> String;

    /// Reads one member from JSON.
    fn member_from_json(json: &Json, bounds: Bounds) -> Result<Self, String>;

    /// Reads a list from JSON.
    fn list_from_json(json: &Json, bounds: Bounds) -> Result<Vec<Self>, String> {
        let items = json.as_array().ok_or_else(|| format!("{json} is not {}", Self::LIST))?;
        items.iter().map(|item| Self::member_from_json(item, bounds)).collect()
    }

    fn check_member(&self, _name: &'static str) -> Result<(), SamplingError> {
        Ok(())
    }
}

impl ListItem for TokenId {
    const LIST: &'static str = "a list of token ids";
    const IS_KEY: bool = true;

    fn read_member(text: &str) -> Result<Self, String> {
        Self::read(text)
    }

    fn show_member(&self) -> String {
        self.show()
    }

    fn member_from_json(json: &Json, _: Bounds) -> Result<Self, String> {
        token(json)
    }
}

/// A sequence of tokens: `5:3:8`.
impl ListItem for Vec<TokenId> {
    const LIST: &'static str = "a list of lists";

    fn read_member(text: &str) -> Result<Self, String> {
        text.split(':').map(TokenId::read).collect()
    }

    fn show_member(&self) -> String {
        self.iter().map(TokenId::show).collect::<Vec<_>>().join(":")
    }

    fn member_from_json(json: &Json, bounds: Bounds) -> Result<Self, String> {
        Value::from_json(json, bounds)
    }

    fn check_member(&self, name: &'static str) -> Result<(), SamplingError> {
        match self.is_empty() {
            true => Err(SamplingError::parameter(name, "[]", "sequences of at least one token")),
            false => Ok(()),
        }
    }
}

/// A token or a sequence of tokens with a bias: `5=-1.5`, `5:3=-inf`.
impl<T: ListItem> ListItem for (T, f32) {
    const LIST: &'static str = "a list of [token ids, number] pairs";

    fn read_member(text: &str) -> Result<Self, String> {
        let read = |(tokens, bias): (&str, &str)| Some((T::read_member(tokens).ok()?, bias.parse().ok()?));
        text.split_once('=').and_then(read).ok_or_else(|| "expected TOKENS=BIAS, such as 42=-1.5".to_owned())
    }

    fn show_member(&self) -> String {
        format!("{}={}", self.0.show_member(), self.1)
    }

    fn member_from_json(json: &Json, bounds: Bounds) -> Result<Self, String> {
        match json.as_array().map(Vec::as_slice) {
            Some([tokens, bias]) => Ok((T::member_from_json(tokens, bounds)?, f32::from_json(bias, bounds)?)),
            _ => Err(format!("{json} is not a [token ids, number] pair")),
        }
    }

    /// Biases of single tokens are an object whose keys are the tokens' ids.
    fn list_from_json(json: &Json, bounds: Bounds) -> Result<Vec<Self>, String> {
        match (json, T::IS_KEY) {
            (Json::Object(map), true) => map
                .iter()
                .map(|(key, bias)| {
                    let token = T::read_member(key).map_err(|_| format!("`{key}` is not a token id"))?;
                    Ok((token, f32::from_json(bias, bounds)?))
                })
                .collect(),
            (Json::Array(items), false) => {
                items.iter().map(|item| Self::member_from_json(item, bounds)).collect()
            }
            (_, true) => Err(format!("{json} is not an object of token ids and numbers")),
            (_, false) => Err(format!("{json} is not {}", Self::LIST)),
        }
    }

    fn check_member(&self, name: &'static str) -> Result<(), SamplingError> {
        self.0.check_member(name)?;
        match self.1.is_nan() || self.1 == f32::INFINITY {
            true => Err(SamplingError::parameter(name, self.1, "a finite number or -inf")),
            false => Ok(()),
        }
    }
}
