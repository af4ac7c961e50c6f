//! The byte order mark, which some editors write at the beginning of a file.

/// The bytes of a file without a byte order mark at its beginning, as JSON parsers expect them.
pub(crate) fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}
