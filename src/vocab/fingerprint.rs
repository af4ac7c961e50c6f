//! A hash of a vocabulary's contents, the same on every machine and in every version of the
//! library.
//!
//! The hash is FNV-1a with 64 bits (Fowler, Noll and Vo; draft-eastlake-fnv). It is short, fixed
//! and good enough to tell vocabularies apart. It is no defence against forgery.

pub(super) struct Fingerprint(u64);

impl Fingerprint {
    pub(super) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds the number of bytes, then the bytes, so that `["ab", "c"]` and `["a", "bc"]` differ.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.add_number(bytes.len() as u64);
        self.add_raw(bytes);
    }

    pub(super) fn add_number(&mut self, number: u64) {
        self.add_raw(&number.to_le_bytes());
    }

    pub(super) fn finish(&self) -> u64 {
        self.0
    }

    fn add_raw(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_fnv_1a() {
        // The expected values are the published test vectors.
        for (text, expected) in
            [("", 0xcbf29ce484222325), ("a", 0xaf63dc4c8601ec8c), ("foobar", 0x85944171f73967e8)]
        {
            let mut fingerprint = Fingerprint::new();
            fingerprint.add_raw(text.as_bytes());
            assert_eq!(fingerprint.finish(), expected, "{text}");
        }
    }
}
