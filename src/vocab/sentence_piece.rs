//! Vocabularies from SentencePiece models, such as `tokenizer.model` and `spiece.model`.
//!
//! A model is a message in protocol buffers: a list of pieces, each with its text and its type, and
//! the settings of its training and of its normaliser. The id of a piece is its place in the list.
//! `▁` in a piece is a space, unless the normaliser does not escape spaces. A piece of the type
//! `BYTE` is written `<0xNN>`.
//!
//! The kind of the model (unigram, BPE, words, characters) decides how text is cut into pieces, not
//! which bytes a piece stands for. The normaliser's dummy prefix is a space before a whole text.
//! Here too a piece has the bytes that it has in the middle of a text, so `▁a` is ` a`.
//!
//! Sources: `sentencepiece_model.proto` of the SentencePiece project, and the encoding of protocol
//! buffers.

use super::{TokenId, Vocabulary, VocabularyError, VocabularyParts, byte_level, eos};

/// The wire type of numbers of variable length, and of texts and messages.
const VARINT: u64 = 0;
const BYTES: u64 = 2;

/// A field of a message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// A number of fixed size, which no field that is read here has.
    Fixed,
}

/// The fields of a message, one after the other.
struct Message<'a> {
    rest: &'a [u8],
}

impl<'a> Message<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, len: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(len).ok()?)?;
        self.rest = rest;
        Some(taken)
    }

    /// The number of the next field, and its value; an error where the bytes are no message.
    fn field(&mut self) -> Option<(u64, Field<'a>)> {
        let tag = self.number()?;
        let field = match tag & 7 {
            VARINT => Field::Number(self.number()?),
            1 => self.take(8).map(|_| Field::Fixed)?,
            BYTES => {
                let len = self.number()?;
                Field::Bytes(self.take(len)?)
            }
            5 => self.take(4).map(|_| Field::Fixed)?,
            _ => return None,
        };
        (tag >> 3 != 0).then_some((tag >> 3, field))
    }

    /// Calls `read` with every field.
    fn each(bytes: &'a [u8], mut read: impl FnMut(u64, Field<'a>) -> Option<()>) -> Option<()> {
        let mut message = Message { rest: bytes };
        while !message.rest.is_empty() {
            let (number, field) = message.field()?;
            read(number, field)?;
        }
        Some(())
    }
}

/// The type of a piece, by its number in the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PieceType {
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

impl PieceType {
    const ALL: [PieceType; 6] = [
        PieceType::Normal,
        PieceType::Unknown,
        PieceType::Control,
        PieceType::UserDefined,
        PieceType::Unused,
        PieceType::Byte,
    ];
}

/// The pieces of a model, and the settings that say how they are read.
struct Model<'a> {
    pieces: Vec<(&'a [u8], PieceType)>,
    /// The id of the piece that ends a sequence; negative if there is none.
    eos: i32,
    escapes_spaces: bool,
}

impl<'a> Model<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut model = Model { pieces: Vec::new(), eos: 2, escapes_spaces: true };
        Message::each(bytes, |number, field| {
            match (number, field) {
                (1, Field::Bytes(piece)) => model.pieces.push(Self::piece(piece)?),
                (2, Field::Bytes(trainer)) => Message::each(trainer, |number, field| {
                    if let (42, Field::Number(id)) = (number, field) {
                        // Negative numbers are written in 64 bits.
                        model.eos = id as i32;
                    }
                    Some(())
                })?,
                (3, Field::Bytes(normaliser)) => Message::each(normaliser, |number, field| {
                    if let (5, Field::Number(flag)) = (number, field) {
                        model.escapes_spaces = flag != 0;
                    }
                    Some(())
                })?,
                (1..=3, _) => return None,
                _ => {}
            }
            Some(())
        })?;
        Some(model)
    }

    fn piece(bytes: &'a [u8]) -> Option<(&'a [u8], PieceType)> {
        let (mut text, mut kind) = (&b""[..], PieceType::Normal);
        Message::each(bytes, |number, field| {
            match (number, field) {
                (1, Field::Bytes(found)) => text = found,
                (3, Field::Number(number)) => {
                    kind = *PieceType::ALL.iter().find(|kind| **kind as u64 == number)?;
                }
                (1 | 3, _) => return None,
                _ => {}
            }
            Some(())
        })?;
        Some((text, kind))
    }
}

impl Vocabulary {
    /// The vocabulary of a SentencePiece model, given as the file's bytes. Unigram and BPE models
    /// are read alike.
    ///
    /// - Control and unknown pieces are special.
    /// - Unused pieces stand for no text.
    /// - User-defined pieces are text.
    /// - The tokens that end a sequence are the one that the model names and the special tokens
    ///   with a [well-known name](Self::WELL_KNOWN_EOS). Change them with
    ///   [`with_eos`](Self::with_eos).
    ///
    /// ```
    /// use hedgerow::vocab::{TokenId, Vocabulary};
    ///
    /// // Three pieces: the unknown one, a word and a byte.
    /// let pieces: [&[u8]; 3] = [
    ///     b"\x0a\x09\x0a\x05<unk>\x18\x02",
    ///     b"\x0a\x06\x0a\x04\xe2\x96\x81a",
    ///     b"\x0a\x0a\x0a\x06<0x0A>\x18\x06",
    /// ];
    /// let vocabulary = Vocabulary::from_sentence_piece(&pieces.concat())?;
    /// assert_eq!(vocabulary.decode(&[TokenId(1), TokenId(2)]), b" a\n");
    /// assert_eq!(vocabulary.special("<unk>"), Some(TokenId(0)));
    /// # Ok::<(), hedgerow::vocab::VocabularyError>(())
    /// ```
    ///
    /// # Errors
    /// - [`VocabularyError::SentencePiece`] for bytes that are no such model.
    /// - [`VocabularyError::TooManyTokens`] for more pieces than supported.
    pub fn from_sentence_piece(model: &[u8]) -> Result<Self, VocabularyError> {
        let fault = |problem: String| VocabularyError::SentencePiece { problem };
        let model = Model::read(model)
            .ok_or_else(|| fault("it is no protocol buffer of pieces, or it is cut off".to_owned()))?;
        if model.pieces.is_empty() {
            return Err(fault("it has no pieces".to_owned()));
        }
        if model.pieces.len() > Self::MAX_SIZE {
            let (given, limit) = (model.pieces.len() as u64, Self::MAX_SIZE as u64);
            return Err(VocabularyError::TooManyTokens { given, limit });
        }
        let mut parts = VocabularyParts::default();
        for (id, &(text, kind)) in model.pieces.iter().enumerate() {
            let id = TokenId(id as u32);
            let written =
                std::str::from_utf8(text).map_err(|_| fault(format!("piece {} is no text", id.0)))?;
            parts.tokens.push(match kind {
                PieceType::Unused => Vec::new(),
                PieceType::Unknown | PieceType::Control => {
                    parts.special.push((written.to_owned(), id));
                    Vec::new()
                }
                PieceType::Byte => vec![byte_level::fallback_byte(written).ok_or_else(|| {
                    fault(format!("piece {} is a byte, but {written:?} is not of the form <0x0A>", id.0))
                })?],
                PieceType::Normal | PieceType::UserDefined => match model.escapes_spaces {
                    true => written.replace('\u{2581}', " ").into_bytes(),
                    false => written.as_bytes().to_vec(),
                },
            });
        }
        let is_control = |id: &usize| matches!(model.pieces.get(*id), Some((_, PieceType::Control)));
        let named = usize::try_from(model.eos).ok().filter(is_control);
        parts.eos = eos::well_known(&parts.special);
        parts.eos.extend(named.map(|id| TokenId(id as u32)));
        Self::from_tokens(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field with a length.
    fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, content.len() as u8];
        out.extend_from_slice(content);
        out
    }

    fn piece(text: &str, kind: u8) -> Vec<u8> {
        let mut fields = bytes(1, text.as_bytes());
        // A score, which has four bytes.
        fields.extend_from_slice(&[2 << 3 | 5, 0, 0, 0x80, 0xbf, 3 << 3, kind]);
        bytes(1, &fields)
    }

    #[test]
    fn pieces_are_read_by_type() {
        let pieces = [
            ("<unk>", 2),
            ("[end]", 3),
            ("▁a", 1),
            ("▁▁", 4),
            ("gone", 5),
            ("<0xE2>", 6),
            ("é", 1),
            ("</s>", 3),
        ];
        let mut file: Vec<u8> = pieces.iter().flat_map(|(text, kind)| piece(text, *kind)).collect();
        // Fields that are not known are passed over: number 9, and one of eight bytes.
        file.extend([9 << 3, 5, 9 << 3 | 1, 1, 2, 3, 4, 5, 6, 7, 8]);
        let plain = Vocabulary::from_sentence_piece(&file).unwrap();
        let texts: Vec<&[u8]> = (0..8).map(|id| plain.bytes(TokenId(id))).collect();
        assert_eq!(texts, [b"", b"", " a".as_bytes(), b"  ", b"", b"\xe2", "é".as_bytes(), b""]);
        assert_eq!(plain.eos(), [TokenId(7)]);
        // The trainer names the end token; the normaliser leaves spaces as they are.
        file.extend(bytes(2, &[0xd0, 0x02, 1]));
        file.extend(bytes(3, &[5 << 3, 0]));
        let named = Vocabulary::from_sentence_piece(&file).unwrap();
        assert_eq!(named.eos(), [TokenId(1), TokenId(7)]);
        assert_eq!(named.bytes(TokenId(2)), "▁a".as_bytes());
    }

    #[test]
    fn faults_are_told() {
        for (file, expected) in [
            (b"".to_vec(), "it has no pieces"),
            (b"{\"a\": 1}".to_vec(), "it is no protocol buffer of pieces, or it is cut off"),
            (b"\x0a\x05\x0a".to_vec(), "cut off"),
            (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01".to_vec(), "cut off"),
            (vec![0xff; 20], "cut off"),
            (piece("a", 9), "cut off"),
            (piece("<0xZZ>", 6), "piece 0 is a byte, but \"<0xZZ>\" is not of the form <0x0A>"),
            (bytes(1, &bytes(1, b"\xff")), "piece 0 is no text"),
            (vec![1 << 3, 1], "cut off"),
        ] {
            let error = Vocabulary::from_sentence_piece(&file).unwrap_err().to_string();
            assert!(error.contains(expected), "{file:?}: {error}");
        }
    }
}
