//! Vocabularies read from files. The tokens of small files of every kind are compared with their
//! expected bytes and with the `tokenizers` crate's own decoder. If `HEDGEROW_TOKENIZERS` names a
//! folder, every token of the `tokenizer.json` files below it is compared, too.

use hedgerow::vocab::{TokenId, Vocabulary};
use std::path::{Path, PathBuf};

fn data(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vocab").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Two SentencePiece models, compared piece by piece with what the library itself makes of them
/// (`tests/data/vocab/sentence_piece.py`).
#[test]
fn sentence_piece_models_decode_as_their_library_does() {
    let expected: serde_json::Value = serde_json::from_slice(&data("sentence_piece.json")).unwrap();
    for kind in ["unigram", "bpe"] {
        let vocabulary =
            Vocabulary::from_tokenizer_file(&data(&format!("sentence_piece_{kind}.model"))).unwrap();
        let expected = &expected[kind];
        let id = |text: &str| TokenId(text.parse().unwrap());
        let (texts, bytes) = (expected["texts"].as_object().unwrap(), expected["bytes"].as_object().unwrap());
        for (piece, text) in texts {
            assert_eq!(vocabulary.bytes(id(piece)), text.as_str().unwrap().as_bytes(), "{kind} {piece}");
        }
        for (piece, byte) in bytes {
            assert_eq!(vocabulary.bytes(id(piece)), [byte.as_u64().unwrap() as u8], "{kind} {piece}");
        }
        let special = expected["special"].as_object().unwrap();
        for (name, piece) in special {
            assert_eq!(vocabulary.special(name).map(|id| u64::from(id.0)), piece.as_u64(), "{kind} {name}");
        }
        assert_eq!(texts.len() + bytes.len() + special.len(), vocabulary.token_count());
        assert_eq!(vocabulary.eos(), [TokenId(expected["end"].as_u64().unwrap() as u32)]);
    }
}

struct Case {
    file: &'static str,
    /// The bytes of each id, or the name of a special token as `Err(name)`.
    tokens: &'static [Result<&'static [u8], &'static str>],
    eos: &'static [u32],
}

const CASES: &[Case] = &[
    Case {
        file: "byte_level_bpe.json",
        tokens: &[
            Ok(b"!"),
            Ok(b"a"),
            Ok(b"b"),
            Ok(b"c"),
            Ok(b" "),
            Ok(b" a"),
            Ok(b"\n"),
            Ok(b"\xc3"),
            Ok(b"\xa9"),
            Ok(b"\xc3\xa9"),
            Ok(b"\xf0\x9f"),
            Ok(b"\x98"),
            Ok(b"\x80"),
            Ok(b"ab"),
            Ok(b"\""),
            Ok(b" ab"),
            Err("<|endoftext|>"),
            Ok(b"<tool call>"),
            Ok(b"<think>"),
            Err("<｜end▁of▁sentence｜>"),
        ],
        eos: &[16, 19],
    },
    Case {
        file: "sentencepiece_bpe.json",
        tokens: &[
            Err("<unk>"),
            Err("<s>"),
            Err("</s>"),
            Ok(b"\0"),
            Ok(b"\n"),
            Ok(b"\xe2"),
            Ok(b"\x82"),
            Ok(b"\xac"),
            Ok(b" "),
            Ok(b"a"),
            Ok(b"b"),
            Ok(b" a"),
            Ok(b"ab"),
            Ok(b" ab"),
            Ok(b"  "),
            Ok(b"\xc3\xa9"),
            Ok(b"\""),
            Ok(b"   "),
            Ok(b"<extra>"),
        ],
        eos: &[2],
    },
    Case {
        file: "unigram.json",
        tokens: &[
            Err("<pad>"),
            Err("</s>"),
            Err("<unk>"),
            Ok(b" "),
            Ok(b" the"),
            Ok(b"a"),
            Ok(b"cat"),
            Ok(b" a b"),
            Ok(b"\xc3\xa9"),
            Err("<extra_id_0>"),
        ],
        eos: &[1],
    },
    Case {
        file: "word_piece.json",
        tokens: &[
            Err("[PAD]"),
            Err("[UNK]"),
            Err("[CLS]"),
            Err("[SEP]"),
            Ok(b" the"),
            Ok(b"s"),
            Ok(b" cat"),
            Ok(b"."),
            Ok(b"."),
            Ok(b"'s"),
            Ok(b"\xc3\xa9"),
        ],
        eos: &[],
    },
    Case { file: "words.json", tokens: &[Err("[UNK]"), Ok(b" yes"), Ok(b""), Ok(b" no")], eos: &[] },
];

#[test]
fn tokens_stand_for_their_bytes() {
    for case in CASES {
        let vocabulary = Vocabulary::from_tokenizer_json(&data(case.file)).unwrap();
        assert_eq!(vocabulary.token_count(), case.tokens.len(), "{}", case.file);
        for (id, token) in (0..).map(TokenId).zip(case.tokens) {
            match *token {
                Ok(bytes) => {
                    assert_eq!(vocabulary.bytes(id), bytes, "{} {id}", case.file);
                    assert!(!vocabulary.is_special(id), "{} {id}", case.file);
                }
                Err(name) => {
                    assert_eq!(vocabulary.bytes(id), b"", "{} {id}", case.file);
                    assert_eq!(vocabulary.name(id), Some(name), "{} {id}", case.file);
                    assert_eq!(vocabulary.special(name), Some(id), "{} {id}", case.file);
                }
            }
        }
        assert_eq!(vocabulary.eos().iter().map(|id| id.0).collect::<Vec<_>>(), case.eos, "{}", case.file);
    }
}

#[test]
fn files_that_are_no_tokenizer_are_refused() {
    let cases = [
        ("", "tokenizer.json is not as expected: EOF while parsing a value at line 1 column 0"),
        ("{}", "missing field `model`"),
        (r#"{"model": {"type": "BPE"}}"#, "missing field `vocab`"),
        (r#"{"model": {"vocab": 3}}"#, "expected a map from tokens to ids or a list of tokens with scores"),
        (r#"{"model": {"vocab": {"a": -1}}}"#, "expected u32"),
        (r#"{"model": {"vocab": {"a": 4294967295}}}"#, "4294967296 token ids, but at most 4194304"),
        (r#"{"model": {"vocab": {"a": 0, "b": 0}}}"#, "token id 0 is given twice, the second time to \"b\""),
        (
            r#"{"model": {"vocab": {"a": 0}}, "decoder": {"type": "CTC"}}"#,
            "the decoder step \"CTC\" is not known is not supported",
        ),
    ];
    for (json, expected) in cases {
        let error = Vocabulary::from_tokenizer_json(json.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{json}: {error}");
    }
    let whole = data("byte_level_bpe.json");
    for end in 0..whole.len() - 2 {
        assert!(Vocabulary::from_tokenizer_json(&whole[..end]).is_err(), "{end}");
    }
    let deep = format!(r#"{{"decoder": {}"#, r#"{"type":"Sequence","decoders":["#.repeat(100_000));
    assert!(Vocabulary::from_tokenizer_json(deep.as_bytes()).is_err());
}

#[test]
fn files_without_a_decoder_are_read_by_their_pre_tokenizer() {
    let cases: &[(&str, &str, &[u8])] = &[
        (r#""pre_tokenizer": {"type": "ByteLevel"}"#, "Ġa", b" a"),
        (
            r#""pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits"}, {"type": "ByteLevel"}]}"#,
            "Ġa",
            b" a",
        ),
        (r#""pre_tokenizer": {"type": "Metaspace", "replacement": "_"}"#, "_a", b" a"),
        (r#""pre_tokenizer": null"#, "a", b" a"),
    ];
    for (pre_tokenizer, token, bytes) in cases {
        let json = format!(r#"{{{pre_tokenizer}, "model": {{"type": "BPE", "vocab": {{"{token}": 0}}}}}}"#);
        let vocabulary = Vocabulary::from_tokenizer_json(json.as_bytes()).unwrap();
        assert_eq!(vocabulary.bytes(TokenId(0)), *bytes, "{json}");
    }
    for (token, bytes) in [("##s", &b"s"[..]), ("s", b" s")] {
        let json = format!(r#"{{"model": {{"type": "WordPiece", "vocab": {{"{token}": 0}}}}}}"#);
        assert_eq!(Vocabulary::from_tokenizer_json(json.as_bytes()).unwrap().bytes(TokenId(0)), bytes);
    }
    let json =
        r#"{"decoder": {"type": "Metaspace"}, "model": {"byte_fallback": true, "vocab": [["<0x0A>", 0.0]]}}"#;
    assert_eq!(Vocabulary::from_tokenizer_json(json.as_bytes()).unwrap().bytes(TokenId(0)), b"\n");
}

/// The `tokenizer.json` files below `folder`.
fn tokenizer_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name == "tokenizer.json") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The files below the folder `HEDGEROW_TOKENIZERS`, else below the folder that `make bench-deps`
/// fills.
fn real_tokenizers() -> Vec<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/.deps/tokenizers");
    let folder = std::env::var_os("HEDGEROW_TOKENIZERS").unwrap_or_else(|| default.into());
    let files = tokenizer_files(Path::new(&folder));
    assert!(!files.is_empty(), "no tokenizer.json below {}", folder.to_string_lossy());
    files
}

mod needs_tokenizers {
    #[test]
    #[ignore = "needs real tokenizers: make bench-deps"]
    fn real_tokenizers_load() {
        super::real_tokenizers_load();
    }

    #[cfg(feature = "tokenizers")]
    #[test]
    #[ignore = "needs real tokenizers: make bench-deps"]
    fn real_files_decode_alike() {
        super::against_the_tokenizers_crate::real_files_decode_alike();
    }
}

/// Checks that real files load, and prints the cost of building with `--nocapture`.
fn real_tokenizers_load() {
    for path in real_tokenizers() {
        let json = std::fs::read(&path).unwrap();
        let start = std::time::Instant::now();
        let vocabulary = Vocabulary::from_tokenizer_json(&json).unwrap();
        let loaded = start.elapsed();
        let list: Vec<_> =
            (0..vocabulary.size() as u32).map(|id| vocabulary.bytes(TokenId(id)).to_vec()).collect();
        let start = std::time::Instant::now();
        let again = Vocabulary::from_byte_list(list).unwrap();
        let built = start.elapsed();
        let start = std::time::Instant::now();
        let fingerprint = vocabulary.fingerprint();
        eprintln!(
            "{}: {} tokens, {} nodes, longest {}; {loaded:?} from JSON, {built:?} from bytes, {:?} for fingerprint {fingerprint:016x}; eos {:?}",
            path.display(),
            vocabulary.size(),
            vocabulary.trie().node_count(),
            vocabulary.max_token_len(),
            start.elapsed(),
            vocabulary.eos().iter().map(|&id| vocabulary.name(id).unwrap_or("")).collect::<Vec<_>>(),
        );
        assert_eq!(again.trie().order(), vocabulary.trie().order());
        assert!(!vocabulary.eos().is_empty());
        let every_byte: Vec<u8> = (0..=255).collect();
        let text = if vocabulary.trie().children(0).count() == 256 { &every_byte[..] } else { b"plain text" };
        let spelt = vocabulary.greedy_tokenize(text).unwrap();
        assert_eq!(vocabulary.decode(&spelt), text);
    }
}

#[cfg(feature = "tokenizers")]
mod against_the_tokenizers_crate {
    use super::*;
    use tokenizers::{NormalizedString, Normalizer, Tokenizer};

    /// Checks that every text token after an anchor decodes to the anchor's text and the token's
    /// bytes, with invalid UTF-8 replaced.
    fn check_each_token(path: &Path, json: &[u8]) {
        let vocabulary = Vocabulary::from_tokenizer_json(json).unwrap();
        let tokenizer = Tokenizer::from_bytes(json).unwrap();
        assert_eq!(vocabulary.token_count() as u32, tokenizer.get_vocab(true).values().max().unwrap() + 1);
        // An ASCII letter separates incomplete characters from the text before them. A letter that
        // is spelt as a byte (`<0x61>`) would be joined to the bytes after it.
        let anchor = (0..vocabulary.token_count() as u32)
            .find(|&id| {
                matches!(vocabulary.bytes(TokenId(id)), [b'a'..=b'z'] | [b' ', b'a'..=b'z', ..])
                    && tokenizer.id_to_token(id).is_some_and(|token| !token.starts_with('<'))
            })
            .unwrap();
        let before = tokenizer.decode(&[anchor], false).unwrap();
        for id in 0..vocabulary.token_count() as u32 {
            let Some(token) = tokenizer.id_to_token(id) else {
                assert_eq!(vocabulary.bytes(TokenId(id)), b"", "{} {id}", path.display());
                continue;
            };
            if vocabulary.is_special(TokenId(id)) {
                assert_eq!(vocabulary.name(TokenId(id)), Some(&token[..]), "{} {id}", path.display());
                continue;
            }
            let mut expected = before.clone().into_bytes();
            expected.extend_from_slice(vocabulary.bytes(TokenId(id)));
            let decoded = tokenizer.decode(&[anchor, id], false).unwrap();
            assert_eq!(String::from_utf8_lossy(&expected), decoded, "{} {id} {token:?}", path.display());
        }
    }

    /// Checks that text encoded by the crate is given back byte for byte. The text has the
    /// characters of many scripts one after the other, so that tokens that end inside a character
    /// are compared exactly, too.
    fn check_round_trip(path: &Path, json: &[u8]) {
        let vocabulary = Vocabulary::from_tokenizer_json(json).unwrap();
        let tokenizer = Tokenizer::from_bytes(json).unwrap();
        let unchanged = |text: &str| match tokenizer.get_normalizer() {
            Some(normalizer) => {
                let mut normalized = NormalizedString::from(text);
                normalizer.normalize(&mut normalized).is_ok()
                    && normalized.get().replace('\u{2581}', " ") == text
            }
            None => true,
        };
        let scripts = (0..0x3000).chain(0x4e00..0x5000).chain(0xac00..0xad00).chain(0x1f300..0x1f700);
        let characters = scripts.filter_map(char::from_u32).filter(|&c| c != '\u{2581}');
        let mut text = "if x == 1:\n\treturn  \"naïve\"   # done\r\n\r\n".to_owned();
        for c in characters {
            let word = format!("{c}a {c}{c}\n");
            if unchanged(&word) {
                text.push_str(&word);
            }
        }
        let ids: Vec<TokenId> =
            tokenizer.encode(text.as_str(), false).unwrap().get_ids().iter().map(|&id| TokenId(id)).collect();
        let decoded = vocabulary.decode(&ids);
        let first_difference = decoded.iter().zip(text.as_bytes()).position(|(a, b)| a != b);
        assert_eq!((first_difference, decoded.len()), (None, text.len()), "{}", path.display());
        assert!(text.len() > 100_000);
    }

    #[test]
    fn small_files_decode_alike() {
        for case in CASES {
            check_each_token(Path::new(case.file), &data(case.file));
        }
    }

    pub fn real_files_decode_alike() {
        for path in real_tokenizers() {
            let json = std::fs::read(&path).unwrap();
            check_each_token(&path, &json);
            check_round_trip(&path, &json);
        }
    }
}
