//! Arrays of other libraries: memory that the buffer protocol or DLPack gives, with its shape
//! checked.
//!
//! An [`Array`] has one or two dimensions, and numbers that lie next to each other in a row. Rows
//! may have a stride, so that a part of a larger array can be given. The memory stays exported
//! while the `Array` lives; the caller of the Python function sees to it that nobody else writes it
//! meanwhile, as with every library that releases the interpreter's lock.
//!
//! The buffer protocol's functions are in every CPython since 3.0, with the same struct, but count
//! as part of the stable interface from 3.11 on only. They are therefore declared here.
//!
//! Unsafe code: foreign functions, the structs of DLPack, and slices made of the memory that both
//! describe.
#![allow(unsafe_code)]

use super::token::Whole;
use pyo3::exceptions::{PyBufferError, PyIndexError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::ffi::{CStr, c_char, c_int, c_void};

/// The buffer protocol's description of memory, as CPython lays it out.
#[repr(C)]
struct BufferView {
    buf: *mut c_void,
    obj: *mut ffi::PyObject,
    len: ffi::Py_ssize_t,
    itemsize: ffi::Py_ssize_t,
    readonly: c_int,
    ndim: c_int,
    format: *mut c_char,
    shape: *mut ffi::Py_ssize_t,
    strides: *mut ffi::Py_ssize_t,
    suboffsets: *mut ffi::Py_ssize_t,
    internal: *mut c_void,
}

unsafe extern "C" {
    fn PyObject_GetBuffer(object: *mut ffi::PyObject, view: *mut BufferView, flags: c_int) -> c_int;
    fn PyBuffer_Release(view: *mut BufferView);
}

const WRITABLE: c_int = 0x1;
const FORMAT: c_int = 0x4;
const STRIDES: c_int = 0x18;

/// DLPack's description of memory.
#[repr(C)]
struct DlTensor {
    data: *mut c_void,
    device_type: i32,
    device_id: i32,
    ndim: i32,
    code: u8,
    bits: u8,
    lanes: u16,
    shape: *const i64,
    strides: *const i64,
    byte_offset: u64,
}

/// The content of a capsule of DLPack 1.
#[repr(C)]
struct Versioned {
    major: u32,
    minor: u32,
    context: *mut c_void,
    deleter: *mut c_void,
    flags: u64,
    tensor: DlTensor,
}

/// The numbers that arrays may hold, as errors tell it.
const SUPPORTED: &str = "masks must hold 32-bit integers, and logits floats of 16, 32 or 64 bits";

/// Kinds of memory that the CPU reads and writes: its own, and that which is pinned for the copies
/// of CUDA and of ROCm, as torch's tensors with `pin_memory=True` have it.
const DL_HOST: [i32; 3] = [1, 3, 11];
const DL_READ_ONLY: u64 = 1;

/// A kind of number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Element {
    /// A 32-bit integer, signed or not.
    Word,
    /// A 32-bit float.
    F32,
    /// A 64-bit float.
    F64,
    /// A half-precision float.
    F16,
    /// A bfloat16.
    Bf16,
}

impl Element {
    fn size(self) -> usize {
        match self {
            Element::Word | Element::F32 => 4,
            Element::F64 => 8,
            Element::F16 | Element::Bf16 => 2,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Element::Word => "32-bit integers",
            Element::F32 => "32-bit floats",
            Element::F64 => "64-bit floats",
            Element::F16 => "16-bit floats",
            Element::Bf16 => "bfloat16",
        }
    }

    fn of_format(format: &[u8], size: usize) -> Option<Self> {
        let native = if cfg!(target_endian = "little") { b'<' } else { b'>' };
        let code = match format {
            [order, code] if [b'@', b'=', native].contains(order) => code,
            [code] => code,
            _ => return None,
        };
        let element = match code {
            b'i' | b'I' | b'l' | b'L' => Element::Word,
            b'f' => Element::F32,
            b'd' => Element::F64,
            b'e' => Element::F16,
            _ => return None,
        };
        (element.size() == size).then_some(element)
    }

    fn of_dlpack(code: u8, bits: u8, lanes: u16) -> Option<Self> {
        match (code, bits, lanes) {
            (0 | 1, 32, 1) => Some(Element::Word),
            (2, 32, 1) => Some(Element::F32),
            (2, 64, 1) => Some(Element::F64),
            (2, 16, 1) => Some(Element::F16),
            (4, 16, 1) => Some(Element::Bf16),
            _ => None,
        }
    }
}

/// Keeps memory exported.
enum Hold<'py> {
    Buffer(Box<BufferView>, #[allow(dead_code)] Python<'py>),
    Capsule(#[allow(dead_code)] Bound<'py, PyAny>),
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        if let Hold::Buffer(view, _) = self {
            // SAFETY: the view was filled by PyObject_GetBuffer, and the marker shows that this
            // thread is attached.
            unsafe { PyBuffer_Release(&mut **view) };
        }
    }
}

/// An array of one or two dimensions in memory of another library.
pub struct Array<'py> {
    _hold: Hold<'py>,
    data: *mut c_void,
    /// The kind of its numbers.
    pub element: Element,
    /// Rows; 1 for an array of one dimension.
    pub rows: usize,
    /// Numbers in a row.
    pub columns: usize,
    /// Numbers from the beginning of a row to that of the next.
    pub stride: usize,
}

/// Rows of numbers in one slice.
pub struct Rows<S> {
    /// From the first number of the first row to the last of the last.
    pub all: S,
    /// Rows.
    pub rows: usize,
    /// Numbers in a row.
    pub columns: usize,
    /// Numbers from the beginning of a row to that of the next.
    pub stride: usize,
}

impl<T> Rows<&[T]> {
    /// A row.
    pub fn row(&self, row: usize) -> &[T] {
        &self.all[row * self.stride..][..self.columns]
    }
}

impl<T> Rows<&mut [T]> {
    /// A row.
    pub fn row_mut(&mut self, row: usize) -> &mut [T] {
        &mut self.all[row * self.stride..][..self.columns]
    }
}

/// A type of which [`Array`]s may be, at any bits.
pub trait Number: Copy {
    /// Tells whether numbers of the kind are of this type.
    fn is(element: Element) -> bool;
}

impl Number for u32 {
    fn is(element: Element) -> bool {
        element == Element::Word
    }
}

impl Number for f32 {
    fn is(element: Element) -> bool {
        element == Element::F32
    }
}

impl Number for f64 {
    fn is(element: Element) -> bool {
        element == Element::F64
    }
}

/// The bits of a half or a bfloat16.
impl Number for u16 {
    fn is(element: Element) -> bool {
        matches!(element, Element::F16 | Element::Bf16)
    }
}

impl<'py> Array<'py> {
    /// The array in `object`, to be read. `name` is the argument's, for errors.
    pub fn readable(object: &Bound<'py, PyAny>, name: &str) -> PyResult<Self> {
        Self::of(object, name, false)
    }

    /// The array in `object`, to be written.
    pub fn writable(object: &Bound<'py, PyAny>, name: &str) -> PyResult<Self> {
        Self::of(object, name, true)
    }

    fn of(object: &Bound<'py, PyAny>, name: &str, is_written: bool) -> PyResult<Self> {
        match Self::of_buffer(object, name, is_written)? {
            Some(array) => Ok(array),
            None => Self::of_dlpack(object, name, is_written),
        }
    }

    /// `None` if the object has no buffer.
    fn of_buffer(object: &Bound<'py, PyAny>, name: &str, is_written: bool) -> PyResult<Option<Self>> {
        let py = object.py();
        // SAFETY: all zeros is what the protocol asks for before the call.
        let mut view: Box<BufferView> = Box::new(unsafe { std::mem::zeroed() });
        let flags = FORMAT | STRIDES | if is_written { WRITABLE } else { 0 };
        // SAFETY: the object is alive, and the view is one.
        if unsafe { PyObject_GetBuffer(object.as_ptr(), &mut *view, flags) } != 0 {
            let error = PyErr::fetch(py);
            return match error.is_instance_of::<PyTypeError>(py) {
                true => Ok(None),
                false => Err(as_value_error(error, name, py)),
            };
        }
        let hold = Hold::Buffer(view, py);
        let Hold::Buffer(view, _) = &hold else { return Ok(None) };
        let format: &[u8] = match view.format.is_null() {
            true => b"B",
            // SAFETY: a format is a C string that lives as long as the view.
            false => unsafe { CStr::from_ptr(view.format) }.to_bytes(),
        };
        let size = usize::try_from(view.itemsize).unwrap_or(0);
        let element = Element::of_format(format, size).ok_or_else(|| {
            let format = String::from_utf8_lossy(format);
            PyTypeError::new_err(format!(
                "{name} holds numbers of format {format:?}, {size} bytes each; {SUPPORTED}"
            ))
        })?;
        let dims = usize::try_from(view.ndim).unwrap_or(0);
        // SAFETY: with STRIDES, both have `ndim` numbers, if there are any.
        let (shape, strides) = unsafe { (numbers(view.shape, dims), numbers(view.strides, dims)) };
        let shape: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
        let strides: Vec<i64> = strides.iter().map(|&n| n as i64).collect();
        let data = view.buf;
        Self::shaped(hold, data, element, &shape, Some(&strides), name).map(Some)
    }

    fn of_dlpack(object: &Bound<'py, PyAny>, name: &str, is_written: bool) -> PyResult<Self> {
        let py = object.py();
        if !object.hasattr("__dlpack__")? || !object.hasattr("__dlpack_device__")? {
            return Err(PyTypeError::new_err(format!(
                "{name} must have a buffer or __dlpack__, as NumPy's arrays and torch's tensors have; {} has neither",
                object.get_type()
            )));
        }
        let device = object.call_method0("__dlpack_device__")?;
        let device: (i32, i32) = device.extract().map_err(|_| {
            PyTypeError::new_err(format!(
                "{name}: __dlpack_device__ gave {device}, which is no pair of small numbers"
            ))
        })?;
        if !DL_HOST.contains(&device.0) {
            let said =
                format!("{name} is not in the memory of the CPU (DLPack device {device:?}); copy it there");
            return Err(PyValueError::new_err(said));
        }
        let wanted = PyDict::new(py);
        wanted.set_item("max_version", (1, 1))?;
        let capsule = match object.call_method("__dlpack__", (), Some(&wanted)) {
            Err(error) if error.is_instance_of::<PyTypeError>(py) => object.call_method0("__dlpack__"),
            other => other,
        };
        let capsule = capsule.map_err(|error| as_value_error(error, name, py))?;
        let pointer = |tag: &CStr| {
            // SAFETY: both functions take any object; the second is called for a capsule of that
            // name only.
            unsafe {
                match ffi::PyCapsule_IsValid(capsule.as_ptr(), tag.as_ptr()) {
                    1 => ffi::PyCapsule_GetPointer(capsule.as_ptr(), tag.as_ptr()),
                    _ => std::ptr::null_mut(),
                }
            }
        };
        let (versioned, plain) = (pointer(c"dltensor_versioned"), pointer(c"dltensor"));
        // SAFETY: the names say what the capsules hold, and the capsule is kept.
        let tensor: &DlTensor = unsafe {
            match (versioned.cast::<Versioned>().as_ref(), plain.cast::<DlTensor>().as_ref()) {
                (Some(held), _) if held.major != 1 => {
                    return Err(PyValueError::new_err(format!("{name}: unknown version of DLPack")));
                }
                (Some(held), _) if is_written && held.flags & DL_READ_ONLY != 0 => {
                    return Err(PyValueError::new_err(format!("{name} is read-only")));
                }
                (Some(held), _) => &held.tensor,
                (None, Some(tensor)) => tensor,
                (None, None) => {
                    return Err(PyTypeError::new_err(format!("{name}: __dlpack__ gave no tensor")));
                }
            }
        };
        let DlTensor { code, bits, lanes, .. } = *tensor;
        let element = Element::of_dlpack(code, bits, lanes).ok_or_else(|| {
            let kind = match code {
                0 => "integers",
                1 => "unsigned integers",
                2 => "floats",
                4 => "bfloats",
                5 => "complex numbers",
                6 => "bools",
                _ => "numbers of an unknown kind",
            };
            PyTypeError::new_err(format!("{name} holds {bits}-bit {kind}; {SUPPORTED}"))
        })?;
        let dims = usize::try_from(tensor.ndim).unwrap_or(0);
        // SAFETY: both have `ndim` numbers; strides may be absent.
        let (shape, strides) = unsafe { (numbers(tensor.shape, dims), numbers(tensor.strides, dims)) };
        let size = element.size() as i64;
        let strides: Option<Vec<i64>> = match strides.len() == dims {
            true => Some(strides.iter().map(|&n| n.saturating_mul(size)).collect()),
            false => None,
        };
        let offset = usize::try_from(tensor.byte_offset).unwrap_or(0);
        let data = tensor.data.wrapping_byte_add(offset);
        let shape = shape.to_vec();
        Self::shaped(Hold::Capsule(capsule), data, element, &shape, strides.as_deref(), name)
    }

    /// An array of a shape, with strides in bytes; `None` if rows follow each other.
    fn shaped(
        hold: Hold<'py>,
        data: *mut c_void,
        element: Element,
        shape: &[i64],
        strides: Option<&[i64]>,
        name: &str,
    ) -> PyResult<Self> {
        let wrong = |what: &str| PyValueError::new_err(format!("{name} {what}"));
        let size = element.size();
        let length = |n: i64| usize::try_from(n).map_err(|_| wrong("has a negative length"));
        let (rows, columns) = match *shape {
            [columns] => (1, length(columns)?),
            [rows, columns] => (length(rows)?, length(columns)?),
            _ => return Err(wrong(&format!("has {} dimensions; it must have one or two", shape.len()))),
        };
        let (across, down) = match strides {
            Some([across]) => (*across, 0),
            Some([down, across]) => (*across, *down),
            _ => (size as i64, (columns * size) as i64),
        };
        if columns > 1 && across != size as i64 {
            return Err(wrong("has rows whose numbers do not lie next to each other; copy it"));
        }
        let is_empty = rows == 0 || columns == 0;
        let stride = match rows > 1 && !is_empty {
            false => columns,
            true => {
                if down < 0 {
                    return Err(wrong("has its rows in reverse order (a negative stride); copy it"));
                }
                let stride = usize::try_from(down)
                    .ok()
                    .filter(|down| down.is_multiple_of(size))
                    .map(|down| down / size);
                stride.filter(|&stride| stride >= columns).ok_or_else(|| wrong("has rows that overlap"))?
            }
        };
        if !is_empty && (data.is_null() || !(data as usize).is_multiple_of(size)) {
            return Err(wrong("is not aligned"));
        }
        Ok(Array { _hold: hold, data, element, rows, columns, stride })
    }

    /// Numbers from the first of the first row to the last of the last.
    fn extent(&self) -> usize {
        match self.rows == 0 || self.columns == 0 {
            true => 0,
            false => (self.rows - 1) * self.stride + self.columns,
        }
    }

    /// Refuses two arrays of which one is written and the other read, in one memory.
    pub fn check_apart(&self, other: &Array<'_>) -> PyResult<()> {
        let bytes = |array: &Array<'_>| {
            let start = array.data as usize;
            start..start.saturating_add(array.extent().saturating_mul(array.element.size()))
        };
        let (one, two) = (bytes(self), bytes(other));
        match one.start < two.end && two.start < one.end {
            true => Err(PyValueError::new_err("logits and masks share memory")),
            false => Ok(()),
        }
    }

    fn typed<T: Number>(&self, name: &str, expected: Element) -> PyResult<()> {
        match T::is(self.element) {
            true => Ok(()),
            false => Err(PyTypeError::new_err(format!(
                "{name} holds {}; it must hold {}",
                self.element.name(),
                expected.name()
            ))),
        }
    }

    /// The numbers, if they are of that type.
    pub fn rows<T: Number>(&self, name: &str, expected: Element) -> PyResult<Rows<&[T]>> {
        self.typed::<T>(name, expected)?;
        let all = match self.extent() {
            0 => &[],
            // SAFETY: the exporter gives memory of this shape and keeps it while `self` lives; it
            // is aligned.
            extent => unsafe { std::slice::from_raw_parts(self.data.cast::<T>(), extent) },
        };
        Ok(Rows { all, rows: self.rows, columns: self.columns, stride: self.stride })
    }

    /// The numbers, to be written.
    pub fn rows_mut<T: Number>(&mut self, name: &str, expected: Element) -> PyResult<Rows<&mut [T]>> {
        self.typed::<T>(name, expected)?;
        let all = match self.extent() {
            0 => &mut [],
            // SAFETY: as in `rows`, and the exporter was asked for memory that may be written.
            extent => unsafe { std::slice::from_raw_parts_mut(self.data.cast::<T>(), extent) },
        };
        Ok(Rows { all, rows: self.rows, columns: self.columns, stride: self.stride })
    }
}

/// The `ValueError` for a `BufferError`, which tells that memory is read-only or may not be
/// exported.
fn as_value_error(error: PyErr, name: &str, py: Python<'_>) -> PyErr {
    if !error.is_instance_of::<PyBufferError>(py) {
        return error;
    }
    let said = PyValueError::new_err(format!("the memory of {name} cannot be used: {}", error.value(py)));
    said.set_cause(py, Some(error));
    said
}

/// # Safety
/// The pointer is null, or there are so many numbers there.
unsafe fn numbers<'a, T>(pointer: *const T, count: usize) -> &'a [T] {
    match pointer.is_null() || count == 0 {
        true => &[],
        // SAFETY: the caller's promise.
        false => unsafe { std::slice::from_raw_parts(pointer, count) },
    }
}

/// A row of masks to write: `words` words, and the words behind them, which no token of the
/// vocabulary has.
pub fn mask_row<'a>(
    array: &'a mut Array<'_>,
    row: Option<&Whole<'_>>,
    words: usize,
) -> PyResult<(&'a mut [u32], &'a mut [u32])> {
    let rows: Rows<&mut [u32]> = array.rows_mut("out", Element::Word)?;
    check_words(rows.columns, words)?;
    let row = match row {
        Some(row) => row.row(rows.rows, "a mask array")?,
        None if rows.rows == 0 => return Err(PyIndexError::new_err("row 0 of a mask array of 0 rows")),
        None => 0,
    };
    let start = row * rows.stride;
    Ok(rows.all[start..][..rows.columns].split_at_mut(words))
}

/// Refuses rows that are too short for a mask.
pub fn check_words(given: usize, words: usize) -> PyResult<()> {
    match given >= words {
        true => Ok(()),
        false => Err(PyValueError::new_err(format!(
            "a mask over this vocabulary has {words} words of 32 bits, but rows of out have {given}"
        ))),
    }
}

/// Numbers as a read-only `memoryview` of unsigned 32-bit integers.
pub fn view<'py>(py: Python<'py>, numbers: &[u32]) -> PyResult<Bound<'py, PyAny>> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
    let bytes = pyo3::types::PyBytes::new(py, &bytes);
    py.import("builtins")?.getattr("memoryview")?.call1((bytes,))?.call_method1("cast", ("I",))
}
