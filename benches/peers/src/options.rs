//! The options of a run, as written on the command line: `key=value,key=value`.

use anyhow::{Context, Result, bail};
use hedgerow::grammar::KeyOrder;
use hedgerow::schema::{
    EscapePolicy, FormatPolicy, Numbers, SchemaOptions, UniqueKeys, UnknownFormat, Whitespace,
};
use std::fmt;
use std::str::FromStr;

/// hedgerow's schema options, and the text from which they were read.
#[derive(Clone, Debug)]
pub struct Options {
    text: String,
    /// The options that the text sets.
    pub schema: SchemaOptions,
}

impl Options {
    /// These options with those of `text` in addition.
    pub fn with(&self, text: &str) -> Result<Self> {
        format!("{},{text}", self.text).parse()
    }

    /// True if whitespace between JSON tokens is forbidden.
    pub fn is_compact(&self) -> bool {
        self.schema.whitespace == Whitespace::Compact
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Options {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut schema = SchemaOptions::default();
        for pair in text.split(',').filter(|pair| !pair.is_empty()) {
            let (key, value) =
                pair.split_once('=').with_context(|| format!("`{pair}` is not of the form key=value"))?;
            schema = match (key, value) {
                ("key_order", "declared") => schema.key_order(KeyOrder::Declared),
                ("key_order", "any") => schema.key_order(KeyOrder::Any),
                ("whitespace", "flexible") => schema.whitespace(Whitespace::Flexible),
                ("whitespace", "unlimited") => schema.whitespace(Whitespace::Unlimited),
                ("whitespace", "compact") => schema.whitespace(Whitespace::Compact),
                ("numbers", "canonical") => schema.numbers(Numbers::Canonical),
                ("numbers", "json") => schema.numbers(Numbers::Json),
                ("escapes", "free") => schema.escapes(EscapePolicy::FreeStrings),
                ("escapes", "any") => schema.escapes(EscapePolicy::Any),
                ("escapes", "minimal") => schema.escapes(EscapePolicy::Minimal),
                ("unique_keys", "enforced") => schema.unique_keys(UniqueKeys::Enforced),
                ("unique_keys", "ignored") => schema.unique_keys(UniqueKeys::Ignored),
                ("format", "assert") => schema.format(FormatPolicy::Assert),
                ("format", "annotate") => schema.format(FormatPolicy::Annotate),
                ("unknown_format", "warn") => schema.unknown_format(UnknownFormat::Warn),
                ("unknown_format", "refuse") => schema.unknown_format(UnknownFormat::Refuse),
                _ => bail!("there is no option `{key}` with a value `{value}`"),
            };
        }
        Ok(Options { text: text.to_owned(), schema })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_options_win_and_unknown_ones_are_errors() {
        let options: Options = "key_order=declared,whitespace=compact".parse().expect("known options");
        let wider = options.with("key_order=any").expect("a known option");
        assert_eq!((options.schema.key_order, wider.schema.key_order), (KeyOrder::Declared, KeyOrder::Any));
        assert!(wider.is_compact());
        for wrong in ["key_order", "key_order=sorted", "colour=red"] {
            assert!(wrong.parse::<Options>().is_err(), "{wrong}");
        }
    }
}
