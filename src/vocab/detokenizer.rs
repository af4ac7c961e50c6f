//! The conversion of an output's tokens to text, while the output is written.

use super::text_stream::{Stops, TextStream};
use super::{TokenId, Vocabulary};

/// The text of an output while it is written, and its end by a stop string or an end token.
///
/// Text is held back while it may still belong to a stop string that has begun, or to a character
/// whose bytes are not all there. Stop strings are found wherever the borders between tokens are.
/// The first to be complete ends the text; of several that end with the same byte, the longest. The
/// stop string is no part of the text. Invalid UTF-8 becomes U+FFFD.
///
/// ```
/// use hedgerow::vocab::{Detokenizer, TextEnd, TokenId, Vocabulary};
/// let tokens = ["one", " E", "ND", " two"].map(|token| token.as_bytes().to_vec());
/// let vocabulary = Vocabulary::from_byte_list(tokens.to_vec())?;
/// let mut text = Detokenizer::new(&vocabulary, [b"END".as_slice()]);
/// assert_eq!(text.push(TokenId(0)), "one");
/// assert_eq!(text.push(TokenId(1)), " "); // The E may begin END.
/// assert_eq!(text.push(TokenId(2)), "");
/// assert_eq!(text.end(), Some(TextEnd::StopString(b"END")));
/// assert_eq!(text.text(), "one ");
/// # Ok::<(), hedgerow::vocab::VocabularyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Detokenizer {
    vocabulary: Vocabulary,
    stream: TextStream,
    end_token: Option<TokenId>,
    is_finished: bool,
}

/// The end of a text that a [`Detokenizer`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextEnd<'a> {
    /// A stop string was complete.
    StopString(&'a [u8]),
    /// A token that ends the sequence was read.
    EndToken(TokenId),
    /// [`Detokenizer::finish`] was called.
    Finished,
}

impl Detokenizer {
    /// An empty text, which each of `stop` ends; empty stop strings are ignored. The end tokens are
    /// those of the vocabulary.
    pub fn new<'a>(vocabulary: &Vocabulary, stop: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Detokenizer {
            vocabulary: vocabulary.clone(),
            stream: TextStream::new(stop),
            end_token: None,
            is_finished: false,
        }
    }

    /// Reads a token, and returns the text that it releases. After the [`end`](Self::end) it reads
    /// nothing. Special tokens, and ids that do not exist, have no text.
    pub fn push(&mut self, token: TokenId) -> &str {
        if self.end().is_some() {
            return "";
        }
        if self.vocabulary.eos().contains(&token) {
            self.end_token = Some(token);
            return self.release_all();
        }
        let is_over = self.stream.push(self.vocabulary.bytes(token), Stops::Heeded);
        let start = match is_over {
            true => return self.release_all(),
            false => self.stream.release(),
        };
        &self.stream.text()[start..]
    }

    /// Ends the text, because no token will follow, and returns what was held back. A second call
    /// returns nothing.
    pub fn finish(&mut self) -> &str {
        self.is_finished = true;
        self.release_all()
    }

    fn release_all(&mut self) -> &str {
        let start = self.stream.finish();
        &self.stream.text()[start..]
    }

    /// All text that was released so far.
    pub fn text(&self) -> &str {
        self.stream.text()
    }

    /// The reason why the text has ended; `None` while tokens may follow.
    pub fn end(&self) -> Option<TextEnd<'_>> {
        let by_text = self.stream.stop_string().map(TextEnd::StopString);
        let by_token = self.end_token.map(TextEnd::EndToken);
        by_text.or(by_token).or(self.is_finished.then_some(TextEnd::Finished))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: TokenId = TokenId(4);

    fn vocabulary() -> Vocabulary {
        let tokens = ["a", "ST", "OP", "\u{20ac}"].map(|token| token.as_bytes().to_vec());
        let mut tokens = tokens.to_vec();
        tokens.extend([b"</s>".to_vec(), vec![0xe2], vec![0x82, 0xac]]);
        Vocabulary::from_byte_list(tokens).unwrap().with_eos(&[END]).unwrap()
    }

    #[test]
    fn text_is_released_when_it_is_sure() {
        let cases: &[(&[u32], &[&str], Option<TextEnd<'static>>)] = &[
            (&[0, 3, 0], &["a", "\u{20ac}", "a"], None),
            (&[0, 1, 0], &["a", "", "STa"], None),
            (&[0, 1, 2, 0], &["a", "", "", ""], Some(TextEnd::StopString(b"STOP"))),
            (&[0, 1, 4, 0], &["a", "", "ST", ""], Some(TextEnd::EndToken(END))),
            (&[5, 6, 99], &["", "\u{20ac}", ""], None),
            (&[5, 0], &["", "\u{fffd}a"], None),
        ];
        for (tokens, texts, end) in cases {
            let mut text = Detokenizer::new(&vocabulary(), [b"STOP".as_slice(), b""]);
            let released: Vec<String> =
                tokens.iter().map(|&token| text.push(TokenId(token)).to_owned()).collect();
            assert_eq!(released, *texts, "{tokens:?}");
            assert_eq!(text.end(), *end, "{tokens:?}");
            assert_eq!(text.text(), texts.concat(), "{tokens:?}");
        }
    }

    #[test]
    fn a_finished_text_reads_nothing() {
        let mut text = Detokenizer::new(&vocabulary(), [b"STOP".as_slice()]);
        assert_eq!(text.push(TokenId(1)), "");
        assert_eq!(text.push(TokenId(5)), "ST");
        assert_eq!(text.finish(), "\u{fffd}");
        assert_eq!((text.finish().to_owned(), text.push(TokenId(0)).to_owned()), Default::default());
        assert_eq!((text.end(), text.text()), (Some(TextEnd::Finished), "ST\u{fffd}"));
    }
}
