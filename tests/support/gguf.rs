//! The use of a GGUF file by all its accessors.

use hedgerow::gguf::{GgufFile, GgufValue};
use hedgerow::vocab::Vocabulary;

/// Calls every accessor of a file that parsed. The result is its vocabulary, if it has one.
pub fn gguf_parts(file: &GgufFile<'_>) -> Option<Vocabulary> {
    fn count(value: &GgufValue<'_>) -> usize {
        match value {
            GgufValue::Array(array) => {
                assert_eq!(array.iter().count(), array.len());
                array.iter().map(|element| count(&element)).sum()
            }
            _ => 1,
        }
    }
    for (key, value) in file.metadata() {
        count(value);
        assert!(file.get(key).is_some());
    }
    for tensor in file.tensors() {
        if let Ok(bytes) = file.tensor_bytes(tensor) {
            assert_eq!(Some(bytes.len()), tensor.byte_range().map(|range| range.len()));
        }
    }
    Vocabulary::from_gguf(file).ok()
}
