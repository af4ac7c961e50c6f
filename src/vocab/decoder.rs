//! The conversion of a `tokenizer.json`'s tokens to bytes, by the file's own decoder.
//!
//! A decoder turns a *list* of tokens into text, so some of its steps treat the first or the last
//! token differently (for example, no space before the first word). A vocabulary gives each token
//! the same bytes at every position. Every step is therefore read as it treats a token *in the
//! middle* of a text:
//!
//! | step | a token in the middle |
//! |---|---|
//! | `ByteLevel` | the GPT-2 byte alphabet undone; literal if a character is not of it |
//! | `Replace` of a string | replaced (`▁` → space) |
//! | `ByteFallback` | `<0xNN>` is that byte |
//! | `Metaspace` | its replacement character is a space |
//! | `WordPiece` | `##piece` is `piece`, any other `piece` is ` piece`; then the clean-up, if on |
//! | `BPEDecoder` | the end-of-word suffix is a space |
//! | `Strip` | before `Fuse`: cut from each token; after it: no change |
//!
//! A step that has no such reading (`CTC`, `Replace` by a regular expression) is refused by name.
//!
//! Source: the decoders of the Hugging Face `tokenizers` crate, 0.22.

use super::{VocabularyError, byte_level};
use serde::de::{Deserialize, Deserializer, Visitor};
use std::borrow::Cow;
use std::fmt;

/// A JSON string, borrowed from the file if it has no escapes.
#[derive(Clone, Debug)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// One step of the file's `decoder`, with the fields of all kinds of step.
#[derive(serde::Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) struct DecoderJson<'a> {
    #[serde(rename = "type")]
    kind: Text<'a>,
    #[serde(default)]
    decoders: Vec<DecoderJson<'a>>,
    pattern: Option<PatternJson<'a>>,
    content: Option<Text<'a>>,
    replacement: Option<Text<'a>>,
    prefix: Option<Text<'a>>,
    suffix: Option<Text<'a>>,
    #[serde(default)]
    cleanup: bool,
    #[serde(default)]
    start: usize,
    #[serde(default)]
    stop: usize,
}

#[derive(serde::Deserialize)]
struct PatternJson<'a> {
    #[serde(rename = "String", borrow, default)]
    string: Option<Text<'a>>,
}

enum Step {
    ByteLevel,
    ByteFallback,
    Replace { from: String, to: String },
    Strip { content: char, start: usize, stop: usize },
    WordPiece { prefix: String, cleanup: bool },
    LeadingSpace,
}

/// The decoder of a `tokenizer.json`, which gives the bytes of each token.
pub(super) struct TokenDecoder {
    steps: Vec<Step>,
    /// True after a step that joins the tokens: the following steps see the whole text at once.
    fused: bool,
}

impl TokenDecoder {
    pub(super) fn from_json(json: &DecoderJson<'_>) -> Result<Self, VocabularyError> {
        let mut decoder = Self { steps: Vec::new(), fused: false };
        decoder.add(json)?;
        Ok(decoder)
    }

    pub(super) fn byte_level() -> Self {
        Self { steps: vec![Step::ByteLevel], fused: true }
    }

    pub(super) fn metaspace(replacement: &str) -> Self {
        let from = if replacement.is_empty() { "\u{2581}" } else { replacement };
        Self { steps: vec![Step::Replace { from: from.to_owned(), to: " ".to_owned() }], fused: false }
    }

    pub(super) fn word_piece(prefix: &str) -> Self {
        Self { steps: vec![Step::WordPiece { prefix: prefix.to_owned(), cleanup: false }], fused: false }
    }

    /// The behaviour of the `tokenizers` crate for a file without a decoder: tokens are words,
    /// joined by spaces.
    pub(super) fn words() -> Self {
        Self { steps: vec![Step::LeadingSpace], fused: false }
    }

    pub(super) fn with_byte_fallback(mut self) -> Self {
        if !self.steps.iter().any(|step| matches!(step, Step::ByteFallback)) {
            self.steps.insert(0, Step::ByteFallback);
        }
        self
    }

    pub(super) fn is_byte_level(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::ByteLevel))
    }

    fn add(&mut self, json: &DecoderJson<'_>) -> Result<(), VocabularyError> {
        let text = |field: &Option<Text<'_>>, default: &str| {
            field.as_ref().map_or_else(|| default.to_owned(), |text| text.0.clone().into_owned())
        };
        let kind = &*json.kind.0;
        let unsupported = |why: &str| VocabularyError::UnsupportedTokenizer {
            what: format!("the decoder step {kind:?} {why}"),
            supported:
                "ByteLevel, ByteFallback, Replace of a string, Metaspace, WordPiece, BPEDecoder, Strip, \
                        Fuse and a Sequence of these"
                    .to_owned(),
        };
        if self.fused
            && matches!(kind, "ByteLevel" | "ByteFallback" | "Metaspace" | "WordPiece" | "BPEDecoder")
        {
            return Err(unsupported("after the tokens were joined"));
        }
        match kind {
            "Sequence" => json.decoders.iter().try_for_each(|step| self.add(step))?,
            "ByteLevel" => {
                self.steps.push(Step::ByteLevel);
                self.fused = true;
            }
            "ByteFallback" => self.steps.push(Step::ByteFallback),
            "Fuse" => self.fused = true,
            "Metaspace" => self.push_replace(text(&json.replacement, "\u{2581}"), " ".to_owned()),
            "BPEDecoder" => self.push_replace(text(&json.suffix, "</w>"), " ".to_owned()),
            "Replace" => {
                let Some(from) = json.pattern.as_ref().and_then(|pattern| pattern.string.as_ref()) else {
                    return Err(unsupported("with a pattern other than a string"));
                };
                if self.fused && from.0.chars().count() > 1 {
                    return Err(unsupported("of several characters after the tokens were joined"));
                }
                self.push_replace(from.0.clone().into_owned(), text(&json.content, ""));
            }
            "Strip" if self.fused => {}
            "Strip" => {
                let content = text(&json.content, " ");
                let mut chars = content.chars();
                let (Some(content), None) = (chars.next(), chars.next()) else {
                    return Err(unsupported("of other than one character"));
                };
                self.steps.push(Step::Strip { content, start: json.start, stop: json.stop });
            }
            "WordPiece" => {
                self.steps.push(Step::WordPiece { prefix: text(&json.prefix, "##"), cleanup: json.cleanup })
            }
            _ => return Err(unsupported("is not known")),
        }
        Ok(())
    }

    /// Adds a replacement. An empty pattern marks a suffix or prefix that the tokenizer does not
    /// use, so it adds no step.
    fn push_replace(&mut self, from: String, to: String) {
        if !from.is_empty() {
            self.steps.push(Step::Replace { from, to });
        }
    }

    /// The bytes of `token` in the middle of a text.
    pub(super) fn decode(&self, token: &str) -> Vec<u8> {
        let mut text = Cow::Borrowed(token);
        for step in &self.steps {
            match step {
                Step::ByteLevel => {
                    if let Some(bytes) = byte_level::decode(&text) {
                        match String::from_utf8(bytes) {
                            Ok(decoded) => text = Cow::Owned(decoded),
                            // The bytes are part of a character, so no later step can match in
                            // them.
                            Err(error) => return error.into_bytes(),
                        }
                    }
                }
                Step::ByteFallback => match byte_level::fallback_byte(&text) {
                    Some(byte) if byte.is_ascii() => text = Cow::Owned((byte as char).to_string()),
                    Some(byte) => return vec![byte],
                    None => {}
                },
                Step::Replace { from, to } => {
                    if text.contains(from.as_str()) {
                        text = Cow::Owned(text.replace(from.as_str(), to));
                    }
                }
                Step::Strip { content, start, stop } => {
                    let mut rest = &*text;
                    for _ in 0..*start {
                        let Some(shorter) = rest.strip_prefix(*content) else { break };
                        rest = shorter;
                    }
                    for _ in 0..*stop {
                        let Some(shorter) = rest.strip_suffix(*content) else { break };
                        rest = shorter;
                    }
                    text = Cow::Owned(rest.to_owned());
                }
                Step::WordPiece { prefix, cleanup } => {
                    let piece = match text.strip_prefix(prefix.as_str()) {
                        Some(continuation) => continuation.to_owned(),
                        None => format!(" {text}"),
                    };
                    text = Cow::Owned(if *cleanup { clean_up(piece) } else { piece });
                }
                Step::LeadingSpace => text = Cow::Owned(format!(" {text}")),
            }
        }
        text.into_owned().into_bytes()
    }
}

/// WordPiece's clean-up within one token: removes the space before punctuation and English
/// contractions, as in ` ,` and ` n't`.
///
/// The `tokenizers` crate has further rules whose pattern has an inner space. They cannot match
/// within one token and are left out.
fn clean_up(piece: String) -> String {
    const TIGHT: [&str; 9] = [".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re"];
    let mut piece = piece;
    for tight in TIGHT {
        let spaced = format!(" {tight}");
        if piece.contains(&spaced) {
            piece = piece.replace(&spaced, tight);
        }
    }
    piece
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoder(json: &str) -> Result<TokenDecoder, VocabularyError> {
        TokenDecoder::from_json(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn decodes_as_the_steps_say() {
        let llama = r#"{"type":"Sequence","decoders":[
            {"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},
            {"type":"Strip","content":" ","start":1,"stop":0}]}"#;
        let word_piece = r###"{"type":"WordPiece","prefix":"##","cleanup":true}"###;
        let cases: &[(&str, &str, &[u8])] = &[
            (llama, "▁the", b" the"),
            (llama, "▁▁", b"  "),
            (llama, "<0xE2>", b"\xe2"),
            (llama, "<0x20>", b" "),
            (llama, "<0x20", b"<0x20"),
            (r#"{"type":"ByteLevel","add_prefix_space":true}"#, "Ġthe", b" the"),
            (r#"{"type":"ByteLevel"}"#, "<｜a b｜>", "<｜a b｜>".as_bytes()),
            (r#"{"type":"Sequence","decoders":[{"type":"ByteLevel"},{"type":"Fuse"}]}"#, "Ã", b"\xc3"),
            (r#"{"type":"Metaspace","replacement":"_","prepend_scheme":"always"}"#, "_a_", b" a "),
            (r#"{"type":"Metaspace"}"#, "▁a", b" a"),
            (word_piece, "##ing", b"ing"),
            (word_piece, "walk", b" walk"),
            (word_piece, ".", b"."),
            (word_piece, "'s", b"'s"),
            (r###"{"type":"WordPiece","prefix":"##","cleanup":false}"###, ".", b" ."),
            (r#"{"type":"BPEDecoder","suffix":"</w>"}"#, "cat</w>", b"cat "),
            (r#"{"type":"Strip","content":"x","start":1,"stop":2}"#, "xxaxxx", b"xax"),
            (r#"{"type":"Strip","content":"x","start":2,"stop":2}"#, "xxx", b""),
        ];
        for (json, token, bytes) in cases {
            assert_eq!(decoder(json).unwrap().decode(token), *bytes, "{json} {token}");
        }
    }

    #[test]
    fn what_no_table_can_say_is_refused_by_name() {
        let cases = [
            (r#"{"type":"CTC","pad_token":"<pad>"}"#, "\"CTC\" is not known"),
            (
                r#"{"type":"Replace","pattern":{"Regex":"a+"},"content":""}"#,
                "with a pattern other than a string",
            ),
            (r#"{"type":"Strip","content":"ab","start":1,"stop":0}"#, "of other than one character"),
            (
                r#"{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Replace","pattern":{"String":"ab"},"content":""}]}"#,
                "of several characters after the tokens were joined",
            ),
            (
                r#"{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Metaspace"}]}"#,
                "\"Metaspace\" after the tokens were joined",
            ),
        ];
        for (json, expected) in cases {
            let error = decoder(json).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }
}
