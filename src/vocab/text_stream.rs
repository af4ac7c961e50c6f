//! The conversion of tokens' bytes to text that can be shown: whole characters, and nothing past a
//! stop string.
//!
//! A byte is *held back* while it may still belong to an incomplete character or to a stop string
//! that has begun. All bytes before it are released. Each stop string is matched byte by byte with
//! one Knuth–Morris–Pratt automaton (Knuth, Morris & Pratt 1977). Token boundaries therefore do not
//! matter, and the number of bytes held is the largest number of bytes that an automaton has
//! matched. Time: O(stop strings) a byte, amortised.
//!
//! The released parts, joined, are the text that [`String::from_utf8_lossy`] gives for all bytes:
//! invalid UTF-8 becomes U+FFFD.

/// One stop string with its failure function.
#[derive(Clone, Debug)]
struct Pattern {
    bytes: Vec<u8>,
    /// Length of the longest proper border of each prefix.
    borders: Vec<usize>,
    /// Length of the longest prefix of the pattern with which the text ends.
    matched: usize,
}

impl Pattern {
    fn new(bytes: &[u8]) -> Self {
        let mut borders = vec![0; bytes.len()];
        let mut border = 0;
        for at in 1..bytes.len() {
            while border > 0 && bytes[border] != bytes[at] {
                border = borders[border - 1];
            }
            if bytes[border] == bytes[at] {
                border += 1;
            }
            borders[at] = border;
        }
        Self { bytes: bytes.to_vec(), borders, matched: 0 }
    }

    /// Reads one byte; returns true if the pattern ends with it.
    fn push(&mut self, byte: u8) -> bool {
        if self.matched == self.bytes.len() {
            self.matched = self.borders[self.matched - 1];
        }
        while self.matched > 0 && self.bytes[self.matched] != byte {
            self.matched = self.borders[self.matched - 1];
        }
        if self.bytes[self.matched] == byte {
            self.matched += 1;
        }
        self.matched == self.bytes.len()
    }
}

/// The present effect of stop strings, and of the caller's end tokens if there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stops {
    /// The first stop string ends the text.
    Heeded,
    /// They have no effect: the output has not reached its least length, or its end is not written
    /// by the model.
    Ignored,
}

/// A text under construction.
#[derive(Clone, Debug)]
pub(crate) struct TextStream {
    patterns: Vec<Pattern>,
    /// All bytes so far; after a stop string, those before it.
    bytes: Vec<u8>,
    /// Number of `bytes` that have been released.
    released: usize,
    /// The released bytes as text.
    text: String,
    stopped: Option<usize>,
}

impl TextStream {
    /// An empty text that any of `stop` ends; empty stop strings are ignored.
    pub fn new<'a>(stop: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let patterns = stop.into_iter().filter(|s| !s.is_empty()).map(Pattern::new).collect();
        Self { patterns, bytes: Vec::new(), released: 0, text: String::new(), stopped: None }
    }

    /// Appends a token's bytes. Returns true if a stop string has ended the text, which is then cut
    /// before it.
    ///
    /// If several stop strings end with the same byte, the longest of them ends the text.
    pub fn push(&mut self, bytes: &[u8], stops: Stops) -> bool {
        for &byte in bytes {
            if self.stopped.is_some() {
                return true;
            }
            self.bytes.push(byte);
            let mut longest = None;
            for (index, pattern) in self.patterns.iter_mut().enumerate() {
                let length = pattern.bytes.len();
                if pattern.push(byte)
                    && stops == Stops::Heeded
                    && longest.is_none_or(|(_, other)| length > other)
                {
                    longest = Some((index, length));
                }
            }
            if let Some((index, length)) = longest {
                self.bytes.truncate(self.bytes.len() - length);
                self.stopped = Some(index);
            }
        }
        self.stopped.is_some()
    }

    /// The stop string that ended the text.
    pub fn stop_string(&self) -> Option<&[u8]> {
        self.stopped.map(|index| self.patterns[index].bytes.as_slice())
    }

    /// Releases the text that can be shown now, and returns the offset in [`text`](Self::text) at
    /// which it begins.
    pub fn release(&mut self) -> usize {
        let held = match self.stopped {
            Some(_) => 0,
            // A complete match that was ignored need not be held back, except for its end, which
            // may begin another match.
            None => self.patterns.iter().map(Pattern::may_continue).max().unwrap_or(0),
        };
        self.release_to(self.bytes.len().saturating_sub(held).max(self.released), Tail::Incomplete)
    }

    /// Releases everything, because no byte will follow.
    pub fn finish(&mut self) -> usize {
        self.release_to(self.bytes.len(), Tail::Final)
    }

    fn release_to(&mut self, end: usize, tail: Tail) -> usize {
        let start = self.text.len();
        while self.released < end {
            let rest = &self.bytes[self.released..end];
            let (valid, skip) = match std::str::from_utf8(rest) {
                Ok(text) => (text.len(), 0),
                Err(error) => match (error.error_len(), tail) {
                    (Some(length), _) => (error.valid_up_to(), length),
                    (None, Tail::Final) => (error.valid_up_to(), rest.len() - error.valid_up_to()),
                    (None, Tail::Incomplete) => (error.valid_up_to(), 0),
                },
            };
            self.text.push_str(&String::from_utf8_lossy(&rest[..valid]));
            if skip > 0 {
                self.text.push(char::REPLACEMENT_CHARACTER);
            }
            self.released += valid + skip;
            if skip == 0 {
                break;
            }
        }
        start
    }

    /// Number of [`bytes`](Self::bytes) that have been released.
    pub fn released(&self) -> usize {
        self.released
    }

    /// The text that has been released.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All bytes, released or not.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The treatment of an incomplete character at the end.
#[derive(Clone, Copy)]
enum Tail {
    Incomplete,
    Final,
}

impl Pattern {
    /// Number of the text's last bytes that may be the beginning of this pattern.
    fn may_continue(&self) -> usize {
        match self.matched == self.bytes.len() {
            true => self.borders[self.matched - 1],
            false => self.matched,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn released(stream: &mut TextStream, bytes: &[u8]) -> String {
        stream.push(bytes, Stops::Heeded);
        let start = stream.release();
        stream.text()[start..].to_owned()
    }

    #[test]
    fn holds_back_what_may_be_a_stop_string() {
        let mut stream = TextStream::new([b"STOP".as_slice(), b"\n\n"]);
        for (given, shown) in [
            ("on", "on"),
            ("e S", "e "),
            ("T", ""),
            ("S", "ST"),
            ("TO\n", "STO"),
            ("x", "\nx"),
            ("\nS", "\n"),
        ] {
            assert_eq!(released(&mut stream, given.as_bytes()), shown, "after {given:?}");
        }
        assert!(stream.push(b"TOPPED", Stops::Heeded));
        stream.release();
        stream.finish();
        assert_eq!(stream.text(), "one STSTO\nx\n");
        assert_eq!(stream.stop_string(), Some(b"STOP".as_slice()));
    }

    #[test]
    fn the_first_to_end_wins_then_the_longest() {
        for (stops, text, cut) in [
            (["abc", "b"], "xabc", "xa"),
            (["bc", "abc"], "xabc", "x"),
            (["abc", "bc"], "xabc", "x"),
            (["aab", "zz"], "aaab", "a"),
        ] {
            let mut stream = TextStream::new(stops.map(str::as_bytes));
            assert!(stream.push(text.as_bytes(), Stops::Heeded));
            stream.finish();
            assert_eq!(stream.text(), cut, "{stops:?} in {text}");
        }
    }

    #[test]
    fn ignored_stop_strings_are_text() {
        let mut stream = TextStream::new([b"aba".as_slice()]);
        assert!(!stream.push(b"xaba", Stops::Ignored));
        stream.release();
        // The last `a` may begin another stop string.
        assert_eq!(stream.text(), "xab");
        assert!(stream.push(b"ba", Stops::Heeded));
        stream.finish();
        assert_eq!(stream.text(), "xab");
    }

    #[test]
    fn holds_back_incomplete_characters() {
        let mut stream = TextStream::new([]);
        let euro = "€".as_bytes();
        assert_eq!(released(&mut stream, &euro[..1]), "");
        assert_eq!(released(&mut stream, &euro[1..2]), "");
        assert_eq!(released(&mut stream, &[euro[2], b'a', 0xff, b'b', 0xf0, 0x9f]), "€a\u{fffd}b");
        assert_eq!(released(&mut stream, b"c"), "\u{fffd}c");
        assert_eq!(released(&mut stream, &euro[..2]), "");
        stream.finish();
        assert_eq!(stream.text(), "€a\u{fffd}b\u{fffd}c\u{fffd}");
        assert_eq!(stream.text(), String::from_utf8_lossy(stream.bytes()));
    }

    proptest! {
        #[test]
        fn equals_searching_the_whole_text(
            bytes in proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(0xc3), Just(0xa4)], 0..40),
            cuts in proptest::collection::vec(1usize..5, 40),
            stops in proptest::collection::vec(proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(0xc3), Just(0xa4)], 1..4), 0..3),
        ) {
            let mut stream = TextStream::new(stops.iter().map(Vec::as_slice));
            let (mut shown, mut rest) = (String::new(), bytes.as_slice());
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                rest = later;
                let stopped = stream.push(now, Stops::Heeded);
                let start = stream.release();
                shown.push_str(&stream.text()[start..]);
                if stopped || rest.is_empty() {
                    break;
                }
            }
            let start = stream.finish();
            shown.push_str(&stream.text()[start..]);
            let found = (0..=bytes.len()).find_map(|end| {
                let ending = stops.iter().filter(|stop| bytes[..end].ends_with(stop)).map(Vec::len).max()?;
                Some(end - ending)
            });
            let expected = &bytes[..found.unwrap_or(bytes.len())];
            prop_assert_eq!(&shown, &String::from_utf8_lossy(expected));
            prop_assert_eq!(shown, stream.text());
        }
    }
}
