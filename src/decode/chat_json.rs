//! The filter `tojson` of chat templates, which writes JSON as Python's `json.dumps` does.
//!
//! Its arguments are those of transformers' `apply_chat_template`, in the same order:
//! `ensure_ascii=false`, `indent=none`, `separators=none`, `sort_keys=false`. The model was trained
//! on JSON with one exact spacing. An unknown argument might change it, and is therefore an error.

use std::io::{self, Write};

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Error, ErrorKind, Value};
use serde::Serialize;
use serde_json::ser::Formatter;

/// The filter `tojson`. Its positional arguments are in `places`, and its named ones in `options`.
pub(super) fn to_json(value: &Value, places: Rest<Value>, options: Kwargs) -> Result<Value, Error> {
    if places.len() > 4 {
        return Err(Error::new(ErrorKind::TooManyArguments, "`tojson` has four arguments"));
    }
    let argument = |place: usize, name: &str| -> Result<Option<Value>, Error> {
        let given = options.get::<Option<Value>>(name)?.or_else(|| places.get(place).cloned());
        Ok(given.filter(|value| !value.is_none() && !value.is_undefined()))
    };
    let is_set = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let ascii = is_set(argument(0, "ensure_ascii")?);
    let indent = argument(1, "indent")?.map(indentation).transpose()?;
    let (item, key) = match argument(2, "separators")? {
        Some(pair) => pair_of_texts(&pair)?,
        None if indent.is_some() => (",".to_owned(), ": ".to_owned()),
        None => (", ".to_owned(), ": ".to_owned()),
    };
    let sorted = is_set(argument(3, "sort_keys")?);
    options.assert_all_used()?;
    let mut text = Vec::new();
    let layout = Layout { item, key, indent, ascii, depth: 0, is_empty: true };
    let mut out = serde_json::Serializer::with_formatter(&mut text, layout);
    let written = match sorted {
        false => value.serialize(&mut out),
        true => serde_json::to_value(value).and_then(|mut json| {
            json.sort_all_objects();
            json.serialize(&mut out)
        }),
    };
    written.map_err(|error| {
        Error::new(ErrorKind::BadSerialization, "a value cannot be written as JSON").with_source(error)
    })?;
    Ok(Value::from_safe_string(String::from_utf8_lossy(&text).into_owned()))
}

/// The indentation of one level: a number gives that many spaces, and a text stands for itself.
fn indentation(indent: Value) -> Result<String, Error> {
    if indent.kind() == ValueKind::String {
        return Ok(indent.to_string());
    }
    let spaces = i64::try_from(indent)?;
    Ok(" ".repeat(spaces.clamp(0, 64) as usize))
}

fn pair_of_texts(pair: &Value) -> Result<(String, String), Error> {
    let texts: Vec<Value> = pair.try_iter()?.collect();
    match texts.as_slice() {
        [item, key] => Ok((item.to_string(), key.to_string())),
        _ => Err(Error::new(ErrorKind::InvalidOperation, "`separators` of `tojson` are no pair")),
    }
}

/// The layout of JSON, as arguments of `json.dumps` describe it.
struct Layout {
    /// The text between the members of an array or object.
    item: String,
    /// The text between a key and its value.
    key: String,
    /// The indentation of one level; `None` writes one line.
    indent: Option<String>,
    /// True if characters beyond ASCII are written as `\uXXXX`.
    ascii: bool,
    depth: usize,
    /// True if nothing has been written in the latest array or object.
    is_empty: bool,
}

impl Layout {
    fn line<W: ?Sized + Write>(&self, out: &mut W) -> io::Result<()> {
        let Some(indent) = &self.indent else { return Ok(()) };
        out.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| out.write_all(indent.as_bytes()))
    }

    fn open<W: ?Sized + Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.is_empty = true;
        out.write_all(bracket)
    }

    fn close<W: ?Sized + Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if !self.is_empty {
            self.line(out)?;
        }
        self.is_empty = false;
        out.write_all(bracket)
    }

    fn member<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.is_empty = false;
        if !first {
            out.write_all(self.item.as_bytes())?;
        }
        self.line(out)
    }
}

impl Formatter for Layout {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.member(out, first)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.member(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(self.key.as_bytes())
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        if !self.ascii {
            return out.write_all(text.as_bytes());
        }
        for c in text.chars() {
            if matches!(c, ' '..='~') {
                out.write_all(&[c as u8])?;
            } else {
                let mut units = [0; 2];
                c.encode_utf16(&mut units).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}"))?;
            }
        }
        Ok(())
    }
}
