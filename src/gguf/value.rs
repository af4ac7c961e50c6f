//! The values of the metadata: numbers, strings and arrays, borrowed from the file.
//!
//! An array is checked once while the file is parsed and then kept as its bytes. A vocabulary of
//! 128 k strings therefore takes no memory of its own until it is iterated.

use super::GgufError;
use super::reader::{GgufReader, array};
use std::fmt;

/// Largest depth of nested arrays. No known file nests arrays; the format sets no limit.
pub(super) const MAX_ARRAY_DEPTH: usize = 4;

/// The type of a metadata value.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // named after what they are
pub enum GgufValueType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    String,
    Array,
    U64,
    I64,
    F64,
}

impl GgufValueType {
    const ALL: [Self; 13] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::F32,
        Self::Bool,
        Self::String,
        Self::Array,
        Self::U64,
        Self::I64,
        Self::F64,
    ];

    /// The type with this id; `None` for an id that has none.
    pub fn from_id(id: u32) -> Option<Self> {
        Self::ALL.get(id as usize).copied()
    }

    /// The fewest bytes that a value of this type takes in a file.
    fn min_size(self) -> u64 {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 | Self::String => 8,
            Self::Array => 12,
        }
    }

    fn is_fixed_size(self) -> bool {
        !matches!(self, Self::String | Self::Array)
    }
}

impl fmt::Display for GgufValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::F32 => "f32",
            Self::Bool => "bool",
            Self::String => "string",
            Self::Array => "array",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F64 => "f64",
        })
    }
}

/// A metadata value. Strings are bytes: the format asks for UTF-8, but tokens of older files are
/// not.
#[derive(Copy, Clone, Debug, PartialEq)]
#[allow(missing_docs)] // named after what they hold
pub enum GgufValue<'a> {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    String(&'a [u8]),
    Array(GgufArray<'a>),
    U64(u64),
    I64(i64),
    F64(f64),
}

impl<'a> GgufValue<'a> {
    /// The type of the value.
    pub fn value_type(&self) -> GgufValueType {
        match self {
            Self::U8(_) => GgufValueType::U8,
            Self::I8(_) => GgufValueType::I8,
            Self::U16(_) => GgufValueType::U16,
            Self::I16(_) => GgufValueType::I16,
            Self::U32(_) => GgufValueType::U32,
            Self::I32(_) => GgufValueType::I32,
            Self::F32(_) => GgufValueType::F32,
            Self::Bool(_) => GgufValueType::Bool,
            Self::String(_) => GgufValueType::String,
            Self::Array(_) => GgufValueType::Array,
            Self::U64(_) => GgufValueType::U64,
            Self::I64(_) => GgufValueType::I64,
            Self::F64(_) => GgufValueType::F64,
        }
    }

    /// The value as an integer, if it has one of the integer types.
    pub fn as_integer(&self) -> Option<i128> {
        Some(match *self {
            Self::U8(n) => n.into(),
            Self::I8(n) => n.into(),
            Self::U16(n) => n.into(),
            Self::I16(n) => n.into(),
            Self::U32(n) => n.into(),
            Self::I32(n) => n.into(),
            Self::U64(n) => n.into(),
            Self::I64(n) => n.into(),
            _ => return None,
        })
    }

    /// The value as a floating-point number, if it is an `f32` or `f64`.
    pub fn as_float(&self) -> Option<f64> {
        match *self {
            Self::F32(n) => Some(n.into()),
            Self::F64(n) => Some(n),
            _ => None,
        }
    }

    /// The value as bytes, if it is a string.
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        match *self {
            Self::String(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The value as text, if it is a string of UTF-8.
    pub fn as_str(&self) -> Option<&'a str> {
        self.as_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// Reads a value of the given type. `depth` is the number of arrays around it.
    pub(super) fn read(
        reader: &mut GgufReader<'a>,
        value_type: GgufValueType,
        depth: usize,
        what: &dyn Fn() -> String,
    ) -> Result<Self, GgufError> {
        if value_type.is_fixed_size() {
            let bytes = reader.take(value_type.min_size(), what)?;
            return Ok(match value_type {
                GgufValueType::U8 => Self::U8(u8::from_le_bytes(array(bytes))),
                GgufValueType::I8 => Self::I8(i8::from_le_bytes(array(bytes))),
                GgufValueType::U16 => Self::U16(u16::from_le_bytes(array(bytes))),
                GgufValueType::I16 => Self::I16(i16::from_le_bytes(array(bytes))),
                GgufValueType::U32 => Self::U32(u32::from_le_bytes(array(bytes))),
                GgufValueType::I32 => Self::I32(i32::from_le_bytes(array(bytes))),
                GgufValueType::F32 => Self::F32(f32::from_le_bytes(array(bytes))),
                GgufValueType::U64 => Self::U64(u64::from_le_bytes(array(bytes))),
                GgufValueType::I64 => Self::I64(i64::from_le_bytes(array(bytes))),
                GgufValueType::F64 => Self::F64(f64::from_le_bytes(array(bytes))),
                GgufValueType::Bool | GgufValueType::String | GgufValueType::Array => {
                    Self::Bool(bytes != [0])
                }
            });
        }
        if value_type == GgufValueType::String {
            return reader.string(what).map(Self::String);
        }
        let at = reader.at();
        if depth == MAX_ARRAY_DEPTH {
            return Err(GgufError::TooDeep { what: what(), at: at as u64, limit: MAX_ARRAY_DEPTH });
        }
        let element_type = read_type(reader, what)?;
        let len = reader.u64(|| format!("the length of {}", what()))?;
        reader.check(len, element_type.min_size(), what)?;
        let start = reader.at();
        if element_type.is_fixed_size() {
            reader.take(len * element_type.min_size(), what)?;
        } else {
            for i in 0..len {
                Self::read(reader, element_type, depth + 1, &|| format!("element {i} of {}", what()))?;
            }
        }
        Ok(Self::Array(GgufArray { element_type, len: len as usize, bytes: reader.since(start) }))
    }
}

/// Reads the id of a type.
pub(super) fn read_type(
    reader: &mut GgufReader<'_>,
    what: &dyn Fn() -> String,
) -> Result<GgufValueType, GgufError> {
    let at = reader.at() as u64;
    let given = reader.u32(|| format!("the type of {}", what()))?;
    GgufValueType::from_id(given).ok_or_else(|| GgufError::ValueType { what: what(), at, given })
}

/// An array of metadata values of one type, borrowed from the file.
#[derive(Copy, Clone, PartialEq)]
pub struct GgufArray<'a> {
    element_type: GgufValueType,
    len: usize,
    /// The elements as the file has them, checked to be complete.
    bytes: &'a [u8],
}

impl<'a> GgufArray<'a> {
    /// The type of every element.
    pub fn element_type(&self) -> GgufValueType {
        self.element_type
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The elements in order.
    pub fn iter(&self) -> GgufArrayIter<'a> {
        GgufArrayIter { reader: GgufReader::new(self.bytes), element_type: self.element_type, left: self.len }
    }
}

impl<'a> IntoIterator for GgufArray<'a> {
    type Item = GgufValue<'a>;
    type IntoIter = GgufArrayIter<'a>;
    fn into_iter(self) -> GgufArrayIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for GgufArray<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}; {}]", self.element_type, self.len)
    }
}

/// The elements of a [`GgufArray`]; see [`GgufArray::iter`].
#[derive(Clone, Debug)]
pub struct GgufArrayIter<'a> {
    reader: GgufReader<'a>,
    element_type: GgufValueType,
    left: usize,
}

impl<'a> Iterator for GgufArrayIter<'a> {
    type Item = GgufValue<'a>;

    fn next(&mut self) -> Option<GgufValue<'a>> {
        self.left = self.left.checked_sub(1)?;
        // The bytes were read once before, at a greater depth, so this succeeds.
        GgufValue::read(&mut self.reader, self.element_type, 1, &String::new).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}
