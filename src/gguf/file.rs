//! The file: header, metadata, table of tensors, and the place of each tensor's bytes.

use super::reader::GgufReader;
use super::value::{GgufArray, GgufValue, read_type};
use super::{GgmlType, GgufError};
use std::collections::HashMap;
use std::ops::Range;

/// Alignment of the tensors' bytes in a file without `general.alignment`.
const DEFAULT_ALIGNMENT: u64 = 32;
/// Largest number of dimensions of a tensor: ggml's own limit.
const MAX_DIMENSIONS: u32 = 4;

/// A parsed GGUF file over the bytes it was read from.
///
/// ```
/// use hedgerow::gguf::{GgufError, GgufFile};
///
/// let mut bytes = b"GGUF\x03\0\0\0".to_vec();
/// bytes.extend(0u64.to_le_bytes()); // no tensors
/// bytes.extend(1u64.to_le_bytes()); // one pair: llama.block_count = 16 (type 4 is u32)
/// bytes.extend(17u64.to_le_bytes());
/// bytes.extend(b"llama.block_count");
/// bytes.extend(4u32.to_le_bytes());
/// bytes.extend(16u32.to_le_bytes());
///
/// let file = GgufFile::parse(&bytes)?;
/// assert_eq!(file.u32("llama.block_count")?, Some(16));
/// assert_eq!(file.str("general.architecture")?, None);
/// assert!(matches!(GgufFile::parse(&bytes[..50]), Err(GgufError::Truncated { .. })));
/// # Ok::<(), GgufError>(())
/// ```
#[derive(Clone, Debug)]
pub struct GgufFile<'a> {
    bytes: &'a [u8],
    version: u32,
    metadata: Vec<(&'a str, GgufValue<'a>)>,
    metadata_index: HashMap<&'a str, usize>,
    tensors: Vec<GgufTensor<'a>>,
    tensor_index: HashMap<&'a str, usize>,
}

/// One tensor of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GgufTensor<'a> {
    name: &'a str,
    dims: Vec<u64>,
    ggml_type: GgmlType,
    start: usize,
    /// Length in bytes; `None` if the type's layout is unknown.
    len: Option<usize>,
}

impl<'a> GgufTensor<'a> {
    /// The tensor's name, such as `blk.0.attn_q.weight`.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The dimensions in ggml's order, the fastest-varying first: a matrix of `rows × columns` has
    /// `[columns, rows]`. At most four; none for a single number.
    pub fn dims(&self) -> &[u64] {
        &self.dims
    }

    /// The number format.
    pub fn ggml_type(&self) -> GgmlType {
        self.ggml_type
    }

    /// Number of elements. It fits `u64`, because the elements' bytes do; for a type of unknown
    /// layout it saturates.
    pub fn element_count(&self) -> u64 {
        self.dims.iter().fold(1, |product: u64, &dim| product.saturating_mul(dim))
    }

    /// The place of the tensor's bytes, counted from the beginning of the file. It is checked to be
    /// inside the file. `None` if the type's layout is unknown.
    pub fn byte_range(&self) -> Option<Range<usize>> {
        self.len.map(|len| self.start..self.start + len)
    }
}

impl<'a> GgufFile<'a> {
    /// Reads the header, the metadata and the table of tensors.
    ///
    /// Time and memory grow with the metadata and the table. The tensors' bytes are not read.
    ///
    /// # Errors
    /// A [`GgufError`] that names the fault and its byte.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, GgufError> {
        if !bytes.starts_with(b"GGUF") {
            return Err(GgufError::Magic { found: bytes[..bytes.len().min(4)].to_vec() });
        }
        let mut reader = GgufReader::new(bytes);
        reader.take(4, || "the magic".to_owned())?;
        let version = reader.u32(|| "the version".to_owned())?;
        match version {
            2 | 3 => {}
            _ if matches!(version.swap_bytes(), 2 | 3) => return Err(GgufError::BigEndian),
            _ => return Err(GgufError::Version { version }),
        }
        let tensor_count = reader.u64(|| "the number of tensors".to_owned())?;
        let pair_count = reader.u64(|| "the number of metadata pairs".to_owned())?;

        // A pair takes at least a key's length, a type and a byte of value. A table entry takes at
        // least two lengths, a type and an offset.
        reader.check(pair_count, 8 + 4 + 1, || format!("metadata of {pair_count} pairs"))?;
        let mut metadata = Vec::new();
        let mut metadata_index = HashMap::new();
        for i in 0..pair_count {
            let at = reader.at() as u64;
            let key = reader.utf8(|| format!("the key of metadata pair {i}"))?;
            let what = || format!("the metadata's {key:?}");
            if metadata_index.insert(key, metadata.len()).is_some() {
                return Err(GgufError::Duplicate { what: what(), at });
            }
            let value_type = read_type(&mut reader, &what)?;
            metadata.push((key, GgufValue::read(&mut reader, value_type, 0, &what)?));
        }

        reader.check(tensor_count, 8 + 4 + 4 + 8, || format!("a table of {tensor_count} tensors"))?;
        let mut tensors = Vec::new();
        let mut tensor_index = HashMap::new();
        let mut offsets = Vec::new();
        for i in 0..tensor_count {
            let at = reader.at() as u64;
            let name = reader.utf8(|| format!("the name of tensor {i}"))?;
            if tensor_index.insert(name, tensors.len()).is_some() {
                return Err(GgufError::Duplicate { what: format!("tensor {name:?}"), at });
            }
            let (tensor, offset) = read_tensor(&mut reader, name)?;
            tensors.push(tensor);
            offsets.push(offset);
        }

        let mut file = Self { bytes, version, metadata, metadata_index, tensors: Vec::new(), tensor_index };
        let alignment = file.alignment()?;
        let data_start = (reader.at() as u64).next_multiple_of(alignment);
        for (tensor, offset) in tensors.iter_mut().zip(offsets) {
            place_tensor(tensor, data_start, offset, alignment, bytes.len())?;
        }
        file.tensors = tensors;
        Ok(file)
    }

    /// The version of the format: 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// All metadata in the file's order.
    pub fn metadata(&self) -> &[(&'a str, GgufValue<'a>)] {
        &self.metadata
    }

    /// The value of a metadata key; `None` if the key is absent.
    pub fn get(&self, key: &str) -> Option<&GgufValue<'a>> {
        self.metadata_index.get(key).map(|&i| &self.metadata[i].1)
    }

    /// The string under `key`, or `None` if the key is absent.
    ///
    /// # Errors
    /// [`GgufError::WrongType`] if the value is no string or not UTF-8.
    pub fn str(&self, key: &str) -> Result<Option<&'a str>, GgufError> {
        self.typed(key, "a string of UTF-8", |value| value.as_str())
    }

    /// The integer under `key`, of whichever integer type, or `None` if the key is absent.
    ///
    /// # Errors
    /// [`GgufError::WrongType`] if the value is no integer or does not fit `u32`.
    pub fn u32(&self, key: &str) -> Result<Option<u32>, GgufError> {
        self.typed(key, "an integer below 2^32", |value| value.as_integer()?.try_into().ok())
    }

    /// The integer under `key`, of whichever integer type, or `None` if the key is absent.
    ///
    /// # Errors
    /// [`GgufError::WrongType`] if the value is no integer or does not fit `u64`.
    pub fn u64(&self, key: &str) -> Result<Option<u64>, GgufError> {
        self.typed(key, "an integer below 2^64", |value| value.as_integer()?.try_into().ok())
    }

    /// The floating-point number under `key` (an `f64` is rounded), or `None` if the key is absent.
    ///
    /// # Errors
    /// [`GgufError::WrongType`] if the value is no floating-point number.
    pub fn f32(&self, key: &str) -> Result<Option<f32>, GgufError> {
        self.typed(key, "a floating-point number", |value| value.as_float().map(|n| n as f32))
    }

    /// The truth value under `key`, or `None` if the key is absent.
    ///
    /// # Errors
    /// [`GgufError::WrongType`] if the value is no truth value.
    pub fn bool(&self, key: &str) -> Result<Option<bool>, GgufError> {
        self.typed(key, "a bool", |value| match value {
            GgufValue::Bool(truth) => Some(*truth),
            _ => None,
        })
    }

    /// The array under `key`, or `None` if the key is absent.
    ///
    /// # Errors
    /// [`GgufError::WrongType`] if the value is no array.
    pub fn array(&self, key: &str) -> Result<Option<GgufArray<'a>>, GgufError> {
        self.typed(key, "an array", |value| match value {
            GgufValue::Array(array) => Some(*array),
            _ => None,
        })
    }

    /// All tensors in the file's order.
    pub fn tensors(&self) -> &[GgufTensor<'a>] {
        &self.tensors
    }

    /// The tensor of that name, or `None` if the file has none.
    pub fn tensor(&self, name: &str) -> Option<&GgufTensor<'a>> {
        self.tensor_index.get(name).map(|&i| &self.tensors[i])
    }

    /// The bytes of a tensor of this file, as they are stored.
    ///
    /// # Errors
    /// [`GgufError::UnknownTensorType`] if the type's layout is unknown; [`GgufError::Truncated`]
    /// if the tensor belongs to another, larger file.
    pub fn tensor_bytes(&self, tensor: &GgufTensor<'_>) -> Result<&'a [u8], GgufError> {
        let range = tensor.byte_range().ok_or_else(|| GgufError::UnknownTensorType {
            name: tensor.name.to_owned(),
            given: tensor.ggml_type.0,
        })?;
        self.bytes.get(range.clone()).ok_or_else(|| GgufError::Truncated {
            what: format!("tensor {:?}", tensor.name),
            at: range.start as u64,
            needed: range.len() as u128,
            left: self.bytes.len().saturating_sub(range.start) as u64,
        })
    }

    fn typed<T>(
        &self,
        key: &str,
        expected: &'static str,
        read: impl FnOnce(&GgufValue<'a>) -> Option<T>,
    ) -> Result<Option<T>, GgufError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| {
            let found = match value {
                GgufValue::String(bytes) => format!("a string of {} bytes", bytes.len()),
                GgufValue::Array(array) => {
                    format!("an array of {} × {}", array.len(), array.element_type())
                }
                other => format!("{other:?}"),
            };
            GgufError::WrongType { key: key.to_owned(), found, expected }
        })
    }

    fn alignment(&self) -> Result<u64, GgufError> {
        const KEY: &str = "general.alignment";
        let alignment = self.u32(KEY)?.map_or(DEFAULT_ALIGNMENT, u64::from);
        if !alignment.is_power_of_two() {
            return Err(GgufError::Alignment {
                what: KEY.to_owned(),
                given: alignment,
                rule: "it must be a power of two".to_owned(),
            });
        }
        Ok(alignment)
    }
}

/// Reads a table entry: the tensor and the offset it states. The place of its bytes is only known
/// after the whole table is read.
fn read_tensor<'a>(reader: &mut GgufReader<'a>, name: &'a str) -> Result<(GgufTensor<'a>, u64), GgufError> {
    let what = |part: &str| format!("the {part} of tensor {name:?}");
    let at = reader.at() as u64;
    let given = reader.u32(|| what("number of dimensions"))?;
    if given > MAX_DIMENSIONS {
        return Err(GgufError::Dimensions { name: name.to_owned(), at, given, limit: MAX_DIMENSIONS });
    }
    let dims = (0..given).map(|_| reader.u64(|| what("dimensions"))).collect::<Result<Vec<_>, _>>()?;
    let ggml_type = GgmlType(reader.u32(|| what("type"))?);
    let offset = reader.u64(|| what("offset"))?;
    Ok((GgufTensor { name, dims, ggml_type, start: 0, len: None }, offset))
}

/// Sets the place of the tensor's bytes, after a check that they are in the file.
fn place_tensor(
    tensor: &mut GgufTensor<'_>,
    data_start: u64,
    offset: u64,
    alignment: u64,
    file_len: usize,
) -> Result<(), GgufError> {
    if !offset.is_multiple_of(alignment) {
        return Err(GgufError::Alignment {
            what: format!("the offset of tensor {:?}", tensor.name),
            given: offset,
            rule: format!("it must be a multiple of {alignment}"),
        });
    }
    let len = match tensor.ggml_type.layout() {
        None => None,
        Some(layout) => {
            let wrong = |reason| GgufError::Shape {
                name: tensor.name.to_owned(),
                dims: tensor.dims.clone(),
                ggml_type: tensor.ggml_type.to_string(),
                reason,
            };
            let row = tensor.dims.first().copied().unwrap_or(1);
            if !row.is_multiple_of(layout.elements as u64) {
                return Err(wrong("rows are not whole blocks"));
            }
            let bytes = (tensor.dims.iter())
                .try_fold(1u64, |product, &dim| product.checked_mul(dim))
                .and_then(|elements| (elements / layout.elements as u64).checked_mul(layout.bytes as u64));
            Some(bytes.ok_or_else(|| wrong("its size does not fit 64 bits"))?)
        }
    };
    let start = data_start as u128 + offset as u128;
    let needed = len.unwrap_or(0);
    if start + needed as u128 > file_len as u128 && (needed > 0 || start > file_len as u128) {
        let left = (file_len as u128).saturating_sub(start) as u64;
        return Err(GgufError::Truncated {
            what: format!("tensor {:?}", tensor.name),
            at: start.min(u64::MAX as u128) as u64,
            needed: needed as u128,
            left,
        });
    }
    tensor.start = start as usize;
    tensor.len = len.map(|len| len as usize);
    Ok(())
}
