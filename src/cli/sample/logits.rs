//! Logits from a file: a NumPy array or a JSON array, of one row `[vocab]` or several `[rows,
//! vocab]`.
//!
//! A file that begins with `\x93NUMPY` is a `.npy` file (NumPy Enhancement Proposal 1, versions 1
//! to 3); any other file is read as JSON. The header of a `.npy` file is a Python literal, of which
//! only the forms that NumPy writes are read. JSON has no infinities, so `null` stands for −∞.

use serde_json::Value;

const MAGIC: &[u8] = b"\x93NUMPY";
const FORMATS: &str = "expected float16, float32 or float64 (`<f2`, `<f4`, `<f8`); convert it: \
    `numpy.save(path, array.astype('float32'))`";

/// A row of logits, and the number of rows of its file.
#[derive(Debug, PartialEq)]
pub(super) struct ChosenRow {
    /// The logits of the chosen row.
    pub logits: Vec<f32>,
    /// The number of rows of the file; `None` if the file holds one row of shape `[vocab]`.
    pub rows: Option<usize>,
}

/// The reason why a file cannot be used, and a remedy.
#[derive(Debug, PartialEq)]
pub(super) struct LogitsError {
    pub what: String,
    pub help: String,
}

/// Makes the error of a file.
fn logits_error<T>(what: impl Into<String>, help: impl Into<String>) -> Result<T, LogitsError> {
    Err(LogitsError { what: what.into(), help: help.into() })
}

/// Reads row `row` of a file's content. If `row` is `None`, the file must hold a single row.
pub(super) fn read(bytes: &[u8], row: Option<usize>) -> Result<ChosenRow, LogitsError> {
    match bytes.strip_prefix(MAGIC) {
        Some(rest) => read_npy(rest, row),
        None => read_json(bytes, row),
    }
}

/// Chooses a row out of `rows` rows. `row` is the value of `--row`.
fn choose_row(row: Option<usize>, rows: Option<usize>) -> Result<usize, LogitsError> {
    match (row, rows) {
        (None, None | Some(1)) => Ok(0),
        (None, Some(rows)) => {
            logits_error(format!("it holds {rows} rows"), "choose one with --row, counted from 0")
        }
        (Some(row), None) => logits_error(
            format!("--row {row} was given, but it holds a single row without a dimension for rows"),
            "leave out --row",
        ),
        (Some(row), Some(rows)) if row >= rows => {
            logits_error(format!("there is no row {row}: it holds {rows}"), "rows are counted from 0")
        }
        (Some(row), Some(_)) => Ok(row),
    }
}

/// Reads a row of a `.npy` file; `rest` is its content after the magic bytes.
fn read_npy(rest: &[u8], row: Option<usize>) -> Result<ChosenRow, LogitsError> {
    let damaged = |what: &str| {
        logits_error(format!("it begins like a NumPy file, but {what}"), "save it again with `numpy.save`")
    };
    let (length, rest) = match *rest {
        [1, _, a, b, ref rest @ ..] => (usize::from(u16::from_le_bytes([a, b])), rest),
        [2 | 3, _, a, b, c, d, ref rest @ ..] => (u32::from_le_bytes([a, b, c, d]) as usize, rest),
        _ => return damaged("its version is not 1, 2 or 3"),
    };
    let Some((header, data)) = rest.split_at_checked(length) else {
        return damaged("it ends inside its header");
    };
    if header.last() != Some(&b'\n') {
        return damaged("its header does not end where it says");
    }
    let header = String::from_utf8_lossy(header);
    let Some(format) = header_field(&header, "descr").and_then(|text| quoted_string(text)) else {
        return match header_field(&header, "descr") {
            Some(_) => logits_error("its elements are records", FORMATS),
            None => damaged("its header names no `descr`"),
        };
    };
    let Some(shape) = header_field(&header, "shape").and_then(parse_shape) else {
        return damaged("its header names no `shape`");
    };
    let is_fortran = header_field(&header, "fortran_order").is_some_and(|text| text.starts_with("True"));
    let Some((width, element)) = element_reader(format) else {
        return logits_error(format!("its elements are `{format}`"), FORMATS);
    };
    let (rows, columns) = match *shape.as_slice() {
        [columns] => (None, columns),
        [rows, columns] => (Some(rows), columns),
        _ => {
            return logits_error(
                format!("its shape {shape:?} is neither [vocab] nor [rows, vocab]"),
                "save the logits of one position, such as `logits[0, -1]`",
            );
        }
    };
    let held = rows.unwrap_or(1).checked_mul(columns).and_then(|count| count.checked_mul(width));
    match held {
        Some(held) if held <= data.len() => {}
        _ => {
            return damaged(&format!(
                "its {} bytes of data are fewer than shape {shape:?} needs",
                data.len()
            ));
        }
    }
    let row = choose_row(row, rows)?;
    let (start, step) = if is_fortran { (row, rows.unwrap_or(1)) } else { (row * columns, 1) };
    let at = |column: usize| &data[(start + column * step) * width..][..width];
    Ok(ChosenRow { logits: (0..columns).map(|column| element(at(column))).collect(), rows })
}

/// The text after `'name':` in a header.
fn header_field<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = header.split_once(&format!("'{name}'"))?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

/// The content of a string in single quotes.
fn quoted_string(text: &str) -> Option<&str> {
    Some(text.strip_prefix('\'')?.split_once('\'')?.0)
}

/// Parses a shape: `(3, 4)`, or `(3,)` with a comma behind a single number.
fn parse_shape(text: &str) -> Option<Vec<usize>> {
    let (inside, _) = text.strip_prefix('(')?.split_once(')')?;
    let parts = inside.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.trim_end_matches('L').parse().ok()).collect()
}

/// Reads an element from its bytes.
type ReadElement = fn(&[u8]) -> f32;

/// The number of bytes of an element, and the function that reads it. The byte orders `=` and `|`
/// do not occur with these element types.
fn element_reader(format: &str) -> Option<(usize, ReadElement)> {
    fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
        std::array::from_fn(|i| bytes[i])
    }
    Some(match format {
        "<f2" => (2, |b| f16_to_f32(u16::from_le_bytes(array(b)))),
        ">f2" => (2, |b| f16_to_f32(u16::from_be_bytes(array(b)))),
        "<f4" => (4, |b| f32::from_le_bytes(array(b))),
        ">f4" => (4, |b| f32::from_be_bytes(array(b))),
        "<f8" => (8, |b| f64::from_le_bytes(array(b)) as f32),
        ">f8" => (8, |b| f64::from_be_bytes(array(b)) as f32),
        _ => return None,
    })
}

/// Widens a half-precision number, given by its bits.
fn f16_to_f32(bits: u16) -> f32 {
    hedgerow::sampling::LogitRow::F16(&[bits]).get(0).unwrap_or(f32::NAN)
}

/// Reads a row of a JSON array.
fn read_json(bytes: &[u8], row: Option<usize>) -> Result<ChosenRow, LogitsError> {
    let value: Value = match serde_json::from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)) {
        Ok(value) => value,
        Err(error) => {
            return logits_error(
                format!("it is neither a NumPy file nor JSON: {error}"),
                "give what `numpy.save` writes, or a JSON array of numbers; JSON has no infinities, write null for -inf",
            );
        }
    };
    let form = "give an array of numbers, with null for -inf, or an array of such arrays";
    let Value::Array(items) = value else {
        return logits_error("its JSON is no array", form);
    };
    let (items, rows, place) = match items.first() {
        Some(Value::Array(_)) => {
            let rows = items.len();
            let row = choose_row(row, Some(rows))?;
            match items.into_iter().nth(row) {
                Some(Value::Array(items)) => (items, Some(rows), format!("/{row}")),
                _ => {
                    return logits_error(
                        format!("the JSON at /{row} is no array, as those before it are"),
                        form,
                    );
                }
            }
        }
        _ => {
            choose_row(row, None)?;
            (items, None, String::new())
        }
    };
    let logit = |(at, item): (usize, Value)| match item {
        Value::Null => Ok(f32::NEG_INFINITY),
        // `None` is a number that no float can hold. It becomes an infinity, which the sampler
        // refuses.
        Value::Number(number) => Ok(number.as_f64().map_or(f32::INFINITY, |value| value as f32)),
        other => {
            logits_error(format!("the JSON at {place}/{at} is {}, not a number", describe_kind(&other)), form)
        }
    };
    Ok(ChosenRow { logits: items.into_iter().enumerate().map(logit).collect::<Result<_, _>>()?, rows })
}

/// Describes the kind of a JSON value.
fn describe_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `.npy` file of version 1.
    fn npy(format: &str, shape: &str, order: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': {format}, 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), data].concat()
    }

    #[test]
    fn arrays_of_every_format_and_order() {
        let values = [1.5f32, -2.0, f32::NEG_INFINITY, 0.25, 3.0, -0.5];
        let le: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let be: Vec<u8> = values.iter().flat_map(|v| v.to_be_bytes()).collect();
        let wide: Vec<u8> = values.iter().flat_map(|v| f64::from(*v).to_le_bytes()).collect();
        let half: Vec<u8> = [0x3e00u16, 0xc000, 0xfc00, 0x3400, 0x4200, 0xb800]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let one = |bytes: &[u8]| read(bytes, None).unwrap().logits;
        for (format, data) in [("'<f4'", &le), ("'>f4'", &be), ("'<f8'", &wide), ("'<f2'", &half)] {
            assert_eq!(one(&npy(format, "(6,)", "False", data)), values, "{format}");
        }
        let table = npy("'<f4'", "(2, 3)", "False", &le);
        assert_eq!(read(&table, Some(1)), Ok(ChosenRow { logits: values[3..].to_vec(), rows: Some(2) }));
        let by_column = npy("'<f4'", "(3, 2)", "True", &le);
        assert_eq!(read(&by_column, Some(1)).unwrap().logits, [values[1], values[4]]);
        assert_eq!(one(&npy("'<f4'", "(1, 6)", "False", &le)), values);
        assert_eq!(one(&npy("'<f4'", "(0,)", "False", &[])), [0.0; 0]);
        let second = |length: u32| {
            [MAGIC, &[2, 0], &length.to_le_bytes(), &npy("'<f4'", "(6,)", "False", &le)[10..]].concat()
        };
        let length = (second(0).len() - 12 - le.len()) as u32;
        assert_eq!(one(&second(length)), values);
        for wrong in [length - 1, length + 4, u32::MAX] {
            assert!(read(&second(wrong), None).is_err(), "a header of {length} bytes said to have {wrong}");
        }
    }

    #[test]
    fn json_of_one_row_or_several() {
        let read = |text: &str, row| read(text.as_bytes(), row).map(|rows| rows.logits);
        assert_eq!(read("[1, -2.5e0, null]", None), Ok(vec![1.0, -2.5, f32::NEG_INFINITY]));
        assert_eq!(read("[[1, 2], [3]]", Some(1)), Ok(vec![3.0]));
        assert_eq!(read("[[1, 2]]", None), Ok(vec![1.0, 2.0]));
        assert_eq!(read("[1e999]", None), Ok(vec![f32::INFINITY]));
        assert_eq!(read("[]", None), Ok(vec![]));
    }

    #[test]
    fn unusable_files_are_reported() {
        let four = [0; 16];
        for (bytes, row, expected) in [
            (npy("'<i8'", "(2,)", "False", &four), None, "its elements are `<i8`"),
            (npy("'|V2'", "(8,)", "False", &four), None, "its elements are `|V2`"),
            (npy("[('a', '<f4')]", "(4,)", "False", &four), None, "its elements are records"),
            (npy("'<f4'", "(5,)", "False", &four), None, "fewer than shape [5] needs"),
            (npy("'<f4'", "(9999999999999999, 9999999999999999)", "False", &four), Some(0), "fewer than"),
            (npy("'<f4'", "(1, 2, 2)", "False", &four), None, "neither [vocab] nor [rows, vocab]"),
            (npy("'<f4'", "()", "False", &four), None, "neither [vocab]"),
            (npy("'<f4'", "4", "False", &four), None, "names no `shape`"),
            (npy("'<f4'", "(2, 2)", "False", &four), None, "it holds 2 rows"),
            (npy("'<f4'", "(2, 2)", "False", &four), Some(2), "there is no row 2: it holds 2"),
            (npy("'<f4'", "(4,)", "False", &four), Some(0), "a single row without a dimension"),
            (b"\x93NUMPY\x04\x00".to_vec(), None, "its version is not 1, 2 or 3"),
            (b"\x93NUMPY\x01\x00\xff\xff{".to_vec(), None, "it ends inside its header"),
            (b"[1, NaN]".to_vec(), None, "neither a NumPy file nor JSON"),
            (b"{}".to_vec(), None, "its JSON is no array"),
            (b"[1, true]".to_vec(), None, "the JSON at /1 is a boolean, not a number"),
            (b"[[1], [\"x\"]]".to_vec(), Some(1), "the JSON at /1/0 is a string, not a number"),
            (b"[[1], 2]".to_vec(), Some(1), "the JSON at /1 is no array"),
            (vec![], None, "neither a NumPy file nor JSON"),
        ] {
            let error = read(&bytes, row).expect_err(expected);
            assert!(error.what.contains(expected), "{} for {expected}", error.what);
            assert!(!error.help.is_empty());
        }
    }
}
