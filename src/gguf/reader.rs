//! A reader of little-endian numbers and strings in a slice. It checks every length.

use super::GgufError;

/// A position in the file's bytes.
#[derive(Clone, Debug)]
pub(super) struct GgufReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> GgufReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The bytes from `start` to the reader's position.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        &self.bytes[start..self.at]
    }

    pub(super) fn take(&mut self, n: u64, what: impl FnOnce() -> String) -> Result<&'a [u8], GgufError> {
        self.check(n, 1, what)?;
        let bytes = &self.bytes[self.at..self.at + n as usize];
        self.at += n as usize;
        Ok(bytes)
    }

    /// Checks that `count` items of at least `size` bytes each can follow. A count from the file is
    /// used only after this check.
    pub(super) fn check(
        &self,
        count: u64,
        size: u64,
        what: impl FnOnce() -> String,
    ) -> Result<(), GgufError> {
        let needed = count as u128 * size as u128;
        if needed > self.left() as u128 {
            return Err(GgufError::Truncated {
                what: what(),
                at: self.at as u64,
                needed,
                left: self.left() as u64,
            });
        }
        Ok(())
    }

    pub(super) fn u32(&mut self, what: impl FnOnce() -> String) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(array(self.take(4, what)?)))
    }

    pub(super) fn u64(&mut self, what: impl FnOnce() -> String) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(array(self.take(8, what)?)))
    }

    /// A string: its length as a u64, then its bytes.
    pub(super) fn string(&mut self, what: impl Fn() -> String) -> Result<&'a [u8], GgufError> {
        let len = self.u64(|| format!("the length of {}", what()))?;
        self.take(len, what)
    }

    pub(super) fn utf8(&mut self, what: impl Fn() -> String) -> Result<&'a str, GgufError> {
        let at = self.at as u64;
        let bytes = self.string(&what)?;
        std::str::from_utf8(bytes).map_err(|_| GgufError::NotUtf8 { what: what(), at })
    }
}

/// The first `N` bytes. A shorter slice would be filled with zeros, but no caller gives one.
pub(super) fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    let n = bytes.len().min(N);
    out[..n].copy_from_slice(&bytes[..n]);
    out
}
