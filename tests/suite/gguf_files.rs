//! GGUF files that are built here byte by byte, read back, cut short at every byte, and damaged at
//! every byte. If `HEDGEROW_GGUF` names a real model file, its vocabulary and its table of tensors
//! are read, too.

use crate::support::gguf::gguf_parts;
use hedgerow::gguf::{GgmlType, GgufError, GgufFile, GgufValue, GgufValueType};
use hedgerow::vocab::{TokenId, Vocabulary};
use std::io::Read;

/// A GGUF file under construction.
#[derive(Default)]
struct Writer {
    pairs: Vec<u8>,
    pair_count: u64,
    tensors: Vec<u8>,
    tensor_count: u64,
    data: Vec<u8>,
}

fn string(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [&(text.len() as u64).to_le_bytes(), text].concat()
}

fn array(element_type: u32, elements: &[Vec<u8>]) -> Vec<u8> {
    let mut out = element_type.to_le_bytes().to_vec();
    out.extend((elements.len() as u64).to_le_bytes());
    elements.iter().for_each(|element| out.extend(element));
    out
}

impl Writer {
    fn pair(mut self, key: &str, value_type: u32, value: impl AsRef<[u8]>) -> Self {
        self.pairs.extend(string(key));
        self.pairs.extend(value_type.to_le_bytes());
        self.pairs.extend(value.as_ref());
        self.pair_count += 1;
        self
    }

    fn text(self, key: &str, text: &str) -> Self {
        self.pair(key, 8, string(text))
    }

    fn u32(self, key: &str, number: u32) -> Self {
        self.pair(key, 4, number.to_le_bytes())
    }

    fn tokens<T: AsRef<[u8]>>(self, tokens: &[T]) -> Self {
        let elements: Vec<_> = tokens.iter().map(string).collect();
        self.pair("tokenizer.ggml.tokens", 9, array(8, &elements))
    }

    fn kinds(self, kinds: &[i32]) -> Self {
        let elements: Vec<_> = kinds.iter().map(|kind| kind.to_le_bytes().to_vec()).collect();
        self.pair("tokenizer.ggml.token_type", 9, array(5, &elements))
    }

    fn tensor_entry(mut self, name: &str, dims: &[u64], ggml_type: u32, offset: u64) -> Self {
        self.tensors.extend(string(name));
        self.tensors.extend((dims.len() as u32).to_le_bytes());
        dims.iter().for_each(|dim| self.tensors.extend(dim.to_le_bytes()));
        self.tensors.extend(ggml_type.to_le_bytes());
        self.tensors.extend(offset.to_le_bytes());
        self.tensor_count += 1;
        self
    }

    fn tensor(mut self, name: &str, dims: &[u64], ggml_type: u32, data: &[u8]) -> Self {
        self.data.resize(self.data.len().next_multiple_of(32), 0);
        let offset = self.data.len() as u64;
        self.data.extend(data);
        self.tensor_entry(name, dims, ggml_type, offset)
    }

    fn build(self, version: u32) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(version.to_le_bytes());
        out.extend(self.tensor_count.to_le_bytes());
        out.extend(self.pair_count.to_le_bytes());
        out.extend(self.pairs);
        out.extend(self.tensors);
        if !self.data.is_empty() {
            out.resize(out.len().next_multiple_of(32), 0);
            out.extend(self.data);
        }
        out
    }
}

fn sample() -> Writer {
    let nested = array(9, &[array(4, &[7u32.to_le_bytes().to_vec()]), array(8, &[string("x"), string("")])]);
    Writer::default()
        .text("general.architecture", "llama")
        .u32("llama.block_count", 2)
        .pair("rope.freq_base", 6, 1e4f32.to_le_bytes())
        .pair("a.u8", 0, [200])
        .pair("a.i8", 1, [0xff])
        .pair("a.u16", 2, 65535u16.to_le_bytes())
        .pair("a.i16", 3, (-2i16).to_le_bytes())
        .pair("a.i32", 5, (-3i32).to_le_bytes())
        .pair("a.bool", 7, [1])
        .pair("a.u64", 10, u64::MAX.to_le_bytes())
        .pair("a.i64", 11, (-4i64).to_le_bytes())
        .pair("a.f64", 12, 0.5f64.to_le_bytes())
        .pair("a.nested", 9, nested)
        .pair("a.empty", 9, array(8, &[]))
        .text("tokenizer.ggml.model", "llama")
        .tokens(&["<unk>", "</s>", "<0x0A>", "▁a", "b"])
        .kinds(&[2, 3, 6, 1, 1])
        .u32("tokenizer.ggml.eos_token_id", 1)
        .tensor("w", &[2, 3], 0, &[1; 24])
        .tensor("q", &[32, 2], 8, &[2; 68])
        .tensor("scalar", &[], 1, &[3; 2])
}

#[test]
fn reads_what_was_written() {
    for version in [2, 3] {
        let bytes = sample().build(version);
        let file = GgufFile::parse(&bytes).unwrap();
        assert_eq!(file.version(), version);
        assert_eq!(file.str("general.architecture"), Ok(Some("llama")));
        assert_eq!(file.u32("llama.block_count"), Ok(Some(2)));
        assert_eq!(file.u32("a.u8"), Ok(Some(200)));
        assert_eq!(file.u64("a.u64"), Ok(Some(u64::MAX)));
        assert_eq!(file.f32("rope.freq_base"), Ok(Some(1e4)));
        assert_eq!(file.f32("a.f64"), Ok(Some(0.5)));
        assert_eq!(file.bool("a.bool"), Ok(Some(true)));
        assert_eq!(file.u32("absent"), Ok(None));
        for (key, integer) in [("a.i8", -1), ("a.u16", 65535), ("a.i16", -2), ("a.i32", -3), ("a.i64", -4)] {
            assert_eq!(file.get(key).and_then(GgufValue::as_integer), Some(integer), "{key}");
        }
        let nested: Vec<_> = file.array("a.nested").unwrap().unwrap().iter().collect();
        let [GgufValue::Array(numbers), GgufValue::Array(texts)] = nested[..] else { panic!("{nested:?}") };
        assert_eq!(numbers.iter().collect::<Vec<_>>(), [GgufValue::U32(7)]);
        assert_eq!(texts.iter().filter_map(|text| text.as_str()).collect::<Vec<_>>(), ["x", ""]);
        assert_eq!(texts.element_type(), GgufValueType::String);
        assert!(file.array("a.empty").unwrap().unwrap().is_empty());
        assert_eq!(file.metadata().len(), 18);

        let tensors: Vec<_> = file.tensors().iter().map(|tensor| tensor.name()).collect();
        assert_eq!(tensors, ["w", "q", "scalar"]);
        let q = file.tensor("q").unwrap();
        assert_eq!((q.dims(), q.element_count(), q.ggml_type()), (&[32, 2][..], 64, GgmlType::Q8_0));
        assert_eq!(file.tensor_bytes(q), Ok(&[2; 68][..]));
        assert_eq!(file.tensor_bytes(file.tensor("w").unwrap()), Ok(&[1; 24][..]));
        assert_eq!(file.tensor_bytes(file.tensor("scalar").unwrap()), Ok(&[3; 2][..]));
        assert_eq!(file.tensor("absent"), None);
        assert!(q.byte_range().unwrap().start.is_multiple_of(32));
    }
}

#[test]
fn values_of_another_type_are_refused() {
    let bytes = sample().build(3);
    let file = GgufFile::parse(&bytes).unwrap();
    let cases = [
        (
            file.u32("a.i8").map(drop),
            "the metadata's \"a.i8\" is I8(-1), but an integer below 2^32 is expected",
        ),
        (file.u32("a.u64").map(drop), "is U64(18446744073709551615), but an integer below 2^32 is expected"),
        (file.str("a.u8").map(drop), "is U8(200), but a string of UTF-8 is expected"),
        (file.f32("a.u8").map(drop), "a floating-point number is expected"),
        (file.bool("a.u8").map(drop), "a bool is expected"),
        (file.u32("tokenizer.ggml.tokens").map(drop), "is an array of 5 × string, but"),
        (file.array("general.architecture").map(drop), "is a string of 5 bytes, but an array is expected"),
    ];
    for (result, expected) in cases {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// Calls every accessor of a file that parsed.
fn exercise(file: &GgufFile<'_>) {
    assert!(gguf_parts(file).is_none_or(|vocabulary| vocabulary.size() <= 5));
}

#[test]
fn every_shorter_file_is_refused() {
    let bytes = sample().build(3);
    for end in 0..bytes.len() {
        let error = GgufFile::parse(&bytes[..end]).expect_err("a shorter file parsed");
        match error {
            GgufError::Magic { .. } => assert!(end < 4),
            GgufError::Truncated { at, needed, left, .. } => {
                assert!(at as u128 + needed > end as u128, "{end}");
                assert!(at.saturating_add(left) as usize <= end || left == 0, "{end}");
            }
            other => panic!("{end}: {other}"),
        }
    }
}

#[test]
fn damaged_files_do_no_harm() {
    let bytes = sample().build(3);
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            if let Ok(file) = GgufFile::parse(&damaged) {
                exercise(&file);
            }
        }
        // A length or count of almost 2^64.
        let mut damaged = bytes.clone();
        let end = (at + 8).min(damaged.len());
        damaged[at..end].fill(0xff);
        if let Ok(file) = GgufFile::parse(&damaged) {
            exercise(&file);
        }
    }
}

#[test]
fn errors_say_what_is_wrong_and_where() {
    let tensor = |dims: &[u64], ggml_type, offset| {
        Writer::default().tensor_entry("t", dims, ggml_type, offset).build(3)
    };
    let deep = (0..6).fold(array(0, &[]), |inner, _| array(9, &[inner]));
    let mut lying = b"GGUF\x03\0\0\0".to_vec();
    lying.extend(u64::MAX.to_le_bytes());
    lying.extend(u64::MAX.to_le_bytes());
    let mut big_endian = sample().build(3);
    big_endian[4..8].reverse();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"GGML....".to_vec(), "not a GGUF file: it begins with [47, 47, 4d, 4c] where \"GGUF\" is expected"),
        (
            Writer::default().build(1),
            "GGUF version 1 is not supported, only 2 and 3 are; convert the model anew",
        ),
        (big_endian, "the GGUF file is big-endian, which is not supported"),
        (
            lying,
            "metadata of 18446744073709551615 pairs at byte 24 takes 239807672958224170995 bytes, but the file ends after 0 more",
        ),
        (
            Writer::default().pair("k", 9, array(4, &[])).pair("k", 0, [1]).build(3),
            "the metadata's \"k\" at byte 49 was given before",
        ),
        (Writer::default().pair("k", 13, [0]).build(3), "the metadata's \"k\" at byte 33 has type 13"),
        (Writer::default().pair("k", 9, deep).build(3), "nests arrays deeper than 4 levels"),
        (
            Writer::default()
                .pair("k", 9, [&10u32.to_le_bytes()[..], &(1u64 << 61).to_le_bytes()].concat())
                .build(3),
            "the metadata's \"k\" at byte 49 takes 18446744073709551616 bytes, but the file ends after 0 more",
        ),
        (
            Writer::default().u32("general.alignment", 24).build(3),
            "general.alignment is 24, which the alignment rules forbid: it must be a power of two",
        ),
        (tensor(&[1; 5], 0, 0), "tensor \"t\" at byte 33 has 5 dimensions, but at most 4 are supported"),
        (
            tensor(&[33], 8, 0),
            "tensor \"t\" has shape [33], which type Q8_0 cannot hold: rows are not whole blocks",
        ),
        (tensor(&[1 << 40, 1 << 40], 0, 0), "its size does not fit 64 bits"),
        (tensor(&[1 << 61, 2], 0, 0), "its size does not fit 64 bits"),
        (
            tensor(&[1], 0, 8),
            "the offset of tensor \"t\" is 8, which the alignment rules forbid: it must be a multiple of 32",
        ),
        (tensor(&[1], 0, u64::MAX - 31), "tensor \"t\" at byte 18446744073709551615 takes 4 bytes"),
        (
            tensor(&[1 << 40], 0, 0),
            "tensor \"t\" at byte 64 takes 4398046511104 bytes, but the file ends after 0 more",
        ),
        (
            Writer::default().tensor("t", &[1], 0, &[0; 4]).tensor_entry("t", &[0], 0, 0).build(3),
            "tensor \"t\" at byte 57 was given before",
        ),
    ];
    for (bytes, expected) in cases {
        let error = GgufFile::parse(&bytes).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}\n{expected}");
    }
}

#[test]
fn tensors_of_unknown_type_are_listed() {
    let bytes = Writer::default().tensor("t", &[7], 1000, &[0; 32]).build(3);
    let file = GgufFile::parse(&bytes).unwrap();
    let tensor = file.tensor("t").unwrap();
    assert_eq!((tensor.byte_range(), tensor.ggml_type().to_string()), (None, "type 1000".to_owned()));
    let error = file.tensor_bytes(tensor).unwrap_err().to_string();
    assert_eq!(error, "tensor \"t\" has ggml type 1000, whose layout is not known");
}

fn vocabulary(writer: Writer) -> Result<Vocabulary, String> {
    let bytes = writer.build(3);
    let file = GgufFile::parse(&bytes).unwrap();
    Vocabulary::from_gguf(&file).map_err(|error| error.to_string())
}

fn model(name: &str) -> Writer {
    Writer::default().text("tokenizer.ggml.model", name)
}

#[test]
fn vocabularies_of_each_kind_are_read() {
    let bytes_of = |vocabulary: &Vocabulary| -> Vec<Vec<u8>> {
        (0..vocabulary.size() as u32).map(|id| vocabulary.bytes(TokenId(id)).to_vec()).collect()
    };
    let names = |vocabulary: &Vocabulary, ids: &[TokenId]| -> Vec<String> {
        ids.iter().map(|&id| vocabulary.name(id).unwrap_or("").to_owned()).collect()
    };

    let gpt2 = model("gpt2")
        .tokens(&["Ġa", "Ċ", "ĠĠ", "<think>", "é", "<|im_end|>", "[PAD6]", "<|endoftext|>", "a b"])
        .kinds(&[1, 1, 1, 4, 4, 3, 5, 3, 1])
        .u32("tokenizer.ggml.eos_token_id", 5);
    let gpt2 = vocabulary(gpt2).unwrap();
    let expected: &[&[u8]] = &[b" a", b"\n", b"  ", b"<think>", "é".as_bytes(), b"", b"", b"", b"a b"];
    assert_eq!(bytes_of(&gpt2), expected);
    assert_eq!(names(&gpt2, gpt2.eos()), ["<|im_end|>", "<|endoftext|>"]);
    assert!(!gpt2.is_special(TokenId(6)));

    let llama = model("llama")
        .tokens(&[&b"<unk>"[..], b"</s>", b"<0xE2>", "▁▁x".as_bytes(), "▁▁".as_bytes(), b"\xff", b"<end>"])
        .kinds(&[2, 3, 6, 1, 4, 1, 1])
        .u32("tokenizer.ggml.eot_token_id", 6);
    let llama = vocabulary(llama).unwrap();
    assert_eq!(bytes_of(&llama), [&b""[..], b"", b"\xe2", b"  x", b"  ", b"\xff", b""]);
    assert_eq!(names(&llama, llama.eos()), ["</s>", "<end>"]);
    assert_eq!(llama.special("<unk>"), Some(TokenId(0)));

    let without_types = model("llama")
        .tokens(&["<s>", "<0x0A>", "▁a", "</s>"])
        .u32("tokenizer.ggml.bos_token_id", 0)
        .u32("tokenizer.ggml.eos_token_id", 3);
    let without_types = vocabulary(without_types).unwrap();
    assert_eq!(bytes_of(&without_types), [&b""[..], b"\n", b" a", b""]);
    assert_eq!(without_types.special("<s>"), Some(TokenId(0)));

    let bert = vocabulary(model("bert").tokens(&["[CLS]", "▁walk", "ing"]).kinds(&[3, 1, 1])).unwrap();
    assert_eq!(bytes_of(&bert), [&b""[..], b" walk", b"ing"]);
}

/// A source of which too much was read fails.
#[test]
fn no_weights_are_read_for_a_vocabulary() {
    let head = model("llama").tokens(&["<s>", "▁a"]).u32("tokenizer.ggml.eos_token_id", 0).build(3);
    let weights = std::io::repeat(0).take(8 << 20);
    let vocabulary =
        Vocabulary::read_gguf(head.as_slice().chain(weights).chain(Unreadable)).unwrap().unwrap();
    assert_eq!((vocabulary.size(), vocabulary.eos()), (2, &[TokenId(0)][..]));
    // A vocabulary that is longer than the first part that is read.
    let tokens: Vec<String> = (0..9 << 10).map(|number| format!("{number:01024}")).collect();
    let head = model("llama").tokens(&tokens).build(3);
    assert_eq!(Vocabulary::read_gguf(&head[..]).unwrap().unwrap().size(), 9 << 10);
    let cut = Vocabulary::read_gguf(&head[..head.len() - 1]).unwrap().unwrap_err();
    assert!(cut.to_string().contains("truncated"), "{cut}");
    assert!(Vocabulary::read_gguf(Unreadable).is_err());
}

struct Unreadable;

impl Read for Unreadable {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("unreadable"))
    }
}

#[test]
fn vocabularies_that_contradict_themselves_are_refused() {
    let cases = [
        (Writer::default(), "the metadata has no \"tokenizer.ggml.model\""),
        (model("gpt2"), "the metadata has no \"tokenizer.ggml.tokens\""),
        (
            model("rwkv").tokens(&["a"]),
            "the GGUF tokenizer \"rwkv\" is not supported; supported are gpt2, llama, t5 and bert",
        ),
        (
            model("llama").tokens(&["a", "b"]).kinds(&[1]),
            "is an array of 1, but an array with one type for each token",
        ),
        (
            model("llama").tokens(&["a"]).kinds(&[7]),
            "token 0 of the GGUF file has type I32(7), but token types are 0 to 6",
        ),
        (
            model("llama").tokens(&["<0x0>"]).kinds(&[6]),
            "token 0 of the GGUF file is a byte, but \"<0x0>\" is not",
        ),
        (
            model("llama").tokens(&["a"]).u32("tokenizer.ggml.eos_token_id", 1),
            "tokenizer.ggml.eos_token_id has id 1, but the vocabulary has 1 tokens, numbered from 0",
        ),
        (
            model("llama").pair("tokenizer.ggml.tokens", 9, array(4, &[vec![0; 4]])),
            "is an array of u32, but an array of strings is expected",
        ),
    ];
    for (writer, expected) in cases {
        let error = vocabulary(writer).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

mod needs_model {
    #[test]
    #[ignore = "needs the demo model: make setup"]
    fn a_real_file_loads() {
        super::a_real_file_loads();
    }
}

fn a_real_file_loads() {
    let path = std::env::var_os("HEDGEROW_GGUF").map_or_else(crate::support::files::demo_model, Into::into);
    let bytes = std::fs::read(&path).unwrap();
    let start = std::time::Instant::now();
    let file = GgufFile::parse(&bytes).unwrap();
    let parsed = start.elapsed();
    let vocabulary = Vocabulary::from_gguf(&file).unwrap();
    eprintln!(
        "{:?}: {} tensors, {} tokens; {parsed:?} to parse, {:?} with the vocabulary; eos {:?}",
        file.str("general.architecture").unwrap(),
        file.tensors().len(),
        vocabulary.size(),
        start.elapsed(),
        vocabulary.eos().iter().map(|&id| vocabulary.name(id)).collect::<Vec<_>>(),
    );
    assert!(!vocabulary.eos().is_empty() && !file.tensors().is_empty());
    // Tensors follow each other to the end of the file, so the sizes of their types are right.
    let alignment = file.u32("general.alignment").unwrap().unwrap_or(32) as usize;
    let mut ranges: Vec<_> = file.tensors().iter().map(|tensor| tensor.byte_range().unwrap()).collect();
    ranges.sort_by_key(|range| range.start);
    for pair in ranges.windows(2) {
        assert_eq!(pair[0].end.next_multiple_of(alignment), pair[1].start);
    }
    assert!(bytes.len() - ranges.last().unwrap().end < alignment);
    for text in ["Hello, world!\n\n  naïve café 🙂 {\"key\": [1, 2]}", "\t\u{1f600}"] {
        let ids = vocabulary.greedy_tokenize(text.as_bytes()).unwrap();
        assert_eq!(vocabulary.decode(&ids), text.as_bytes());
    }
}
