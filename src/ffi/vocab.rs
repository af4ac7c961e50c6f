//! Vocabularies: `hr_vocab`.
//!
//! A handle is a counted reference to an immutable table, so every object made from a vocabulary
//! keeps it alive.
//!
//! Unsafe code: entry points that take pointers; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, CallError};
use super::error::hr_error;
use super::status::hr_status;
use crate::gguf::GgufFile;
use crate::vocab::{TokenId, Vocabulary, VocabularyError, VocabularyParts};
use std::ffi::c_char;
use std::fs::File;

/// The value for "no token" of every parameter and result that is a token id.
pub const HR_NO_TOKEN: u32 = u32::MAX;

/// The tokens of a model: ids, bytes and names. Made by one of the hr_vocab_from_... functions,
/// freed by hr_vocab_free().
///
/// It never changes: any number of threads may use it at once. Objects made from it keep the parts
/// that they need alive, so it may be freed at any time.
#[derive(Clone)]
pub struct hr_vocab(pub(super) Vocabulary);

/// Bytes in the caller's memory. data is ignored if len is 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_bytes {
    /// The first byte.
    pub data: *const u8,
    /// Number of bytes.
    pub len: usize,
}

/// UTF-8 text in the caller's memory. data is ignored if len is 0; no NUL is needed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_text {
    /// The first byte.
    pub data: *const c_char,
    /// Number of bytes.
    pub len: usize,
}

/// A special (control) token, which text never matches.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_special_token {
    /// Its name, such as "<|im_end|>".
    pub name: hr_text,
    /// Its id.
    pub id: u32,
}

impl hr_bytes {
    /// Borrows the bytes; `name` names them in errors. Relies on the promise of the C type.
    pub(super) unsafe fn get<'a>(self, name: &str) -> Result<&'a [u8], CallError> {
        unsafe { boundary::slice(self.data, self.len, name) }
    }
}

impl hr_text {
    /// Borrows the text; `name` names it in errors. Relies on the promise of the C type.
    pub(super) unsafe fn get<'a>(self, name: &str) -> Result<&'a str, CallError> {
        unsafe { boundary::text(self.data, self.len, name) }
    }

    /// Lends a text to C, which may read it as long as the text lives.
    pub(super) fn lend(text: &str) -> Self {
        hr_text { data: text.as_ptr().cast(), len: text.len() }
    }
}

impl From<VocabularyError> for CallError {
    fn from(error: VocabularyError) -> Self {
        CallError::from_error(hr_status::HR_ERROR_VOCABULARY, &error)
    }
}

/// Borrows an array of token ids. Relies on the promises of [`boundary::slice`].
pub(super) unsafe fn token_slice<'a>(
    ids: *const u32,
    count: usize,
    name: &str,
) -> Result<&'a [TokenId], CallError> {
    // A `TokenId` is a `u32` in memory.
    unsafe { boundary::slice(ids.cast::<TokenId>(), count, name) }
}

/// Makes a vocabulary from a file in memory, the parameter called `name`. Relies on the promises of
/// [`boundary::slice`] and [`boundary::create_object`].
unsafe fn create_from_file(
    file: *const u8,
    len: usize,
    name: &str,
    out: *mut *mut hr_vocab,
    error: *mut *mut hr_error,
    parse: impl FnOnce(&[u8]) -> Result<Vocabulary, VocabularyError>,
) -> hr_status {
    let make = || unsafe { Ok(hr_vocab(parse(boundary::slice(file, len, name)?)?)) };
    unsafe { boundary::create_object(out, error, make) }
}

/// Reads the vocabulary of a Hugging Face tokenizer.json (byte-level BPE, BPE with byte fallback,
/// Unigram, WordPiece).
///
/// The end-of-sequence tokens are those with well-known names; see hr_vocab_with_eos().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_vocab_from_tokenizer_json(
    json: *const c_char,
    json_len: usize,
    out: *mut *mut hr_vocab,
    error: *mut *mut hr_error,
) -> hr_status {
    unsafe {
        create_from_file(json.cast::<u8>(), json_len, "json", out, error, Vocabulary::from_tokenizer_json)
    }
}

/// Reads a tokenizer file of any of these kinds, recognised by its content: a Hugging Face
/// tokenizer.json, a tekken.json of Mistral's models, a SentencePiece model, a GGUF model.
///
/// The end-of-sequence tokens are those that the file names and those with well-known names; see
/// hr_vocab_with_eos().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_vocab_from_tokenizer_file(
    file: *const u8,
    file_len: usize,
    out: *mut *mut hr_vocab,
    error: *mut *mut hr_error,
) -> hr_status {
    unsafe { create_from_file(file, file_len, "file", out, error, Vocabulary::from_tokenizer_file) }
}

/// Reads a tiktoken rank file (each line holds a base64 token and its rank). The file does not name
/// the special tokens, so they are given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_vocab_from_tiktoken(
    ranks: *const u8,
    ranks_len: usize,
    special: *const hr_special_token,
    special_count: usize,
    out: *mut *mut hr_vocab,
    error: *mut *mut hr_error,
) -> hr_status {
    let make = || unsafe {
        let ranks = boundary::slice(ranks, ranks_len, "ranks")?;
        let special = read_special_tokens(special, special_count)?;
        Ok(hr_vocab(Vocabulary::from_tiktoken(ranks, &special)?))
    };
    unsafe { boundary::create_object(out, error, make) }
}

/// Reads the vocabulary inside a GGUF file that is in memory (mapped, for example). Only its
/// beginning is read, and none of it is needed afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_vocab_from_gguf(
    gguf: *const u8,
    gguf_len: usize,
    out: *mut *mut hr_vocab,
    error: *mut *mut hr_error,
) -> hr_status {
    let parse = |file: &[u8]| Vocabulary::from_gguf(&GgufFile::parse(file)?);
    unsafe { create_from_file(gguf, gguf_len, "gguf", out, error, parse) }
}

/// Reads the vocabulary inside a GGUF file. Only the beginning of the file, up to the vocabulary's
/// end, is read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_vocab_from_gguf_file(
    path: *const c_char,
    path_len: usize,
    out: *mut *mut hr_vocab,
    error: *mut *mut hr_error,
) -> hr_status {
    let make = || unsafe { Ok(hr_vocab(read_gguf_file(boundary::text(path, path_len, "path")?)?)) };
    unsafe { boundary::create_object(out, error, make) }
}

/// Makes a vocabulary from the bytes of its tokens: token i has the bytes tokens[i]. A token
/// without bytes stands for no text.
///
/// special names the tokens that text never matches. eos lists the ids that end a sequence, which
/// are special too. model_size is the number of logits that the model gives; 0 stands for count. If
/// it is more, the ids from count on are padding, which is never allowed. If it is less, the tokens
/// from model_size on are dropped; they must be special, and none of them may be in eos.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_vocab_from_tokens(
    tokens: *const hr_bytes,
    count: usize,
    special: *const hr_special_token,
    special_count: usize,
    eos: *const u32,
    eos_count: usize,
    model_size: usize,
    out: *mut *mut hr_vocab,
    error: *mut *mut hr_error,
) -> hr_status {
    let make = || unsafe {
        let given = boundary::slice(tokens, count, "tokens")?;
        let eos = token_slice(eos, eos_count, "eos")?;
        check_sizes(count, model_size, eos)?;
        let bytes: Result<Vec<Vec<u8>>, CallError> =
            given.iter().map(|token| Ok(token.get("a token")?.to_vec())).collect();
        let special = read_special_tokens(special, special_count)?;
        let parts = VocabularyParts {
            tokens: bytes?,
            special: special.into_iter().map(|(name, id)| (name.to_owned(), id)).collect(),
            eos: eos.to_vec(),
            model_size: (model_size > 0).then_some(model_size),
        };
        Ok(hr_vocab(Vocabulary::from_tokens(parts)?))
    };
    unsafe { boundary::create_object(out, error, make) }
}

/// Refuses sizes that are too large, before any token is copied, and tokens that end a sequence but
/// have no logit.
fn check_sizes(count: usize, model_size: usize, eos: &[TokenId]) -> Result<(), CallError> {
    let (given, limit) = (count.max(model_size) as u64, Vocabulary::MAX_SIZE as u64);
    if given > limit {
        return Err(VocabularyError::TooManyTokens { given, limit }.into());
    }
    match eos.iter().find(|id| model_size > 0 && id.index() >= model_size) {
        None => Ok(()),
        Some(id) => Err(CallError::new(
            hr_status::HR_ERROR_VOCABULARY,
            format!("model_size is {model_size}, but the end-of-sequence token has id {}", id.0),
        )),
    }
}

/// Reads the caller's list of special tokens. Relies on the promises of the C types.
unsafe fn read_special_tokens<'a>(
    special: *const hr_special_token,
    count: usize,
) -> Result<Vec<(&'a str, TokenId)>, CallError> {
    let special = unsafe { boundary::slice(special, count, "special")? };
    special
        .iter()
        .map(|s| Ok((unsafe { s.name.get("the name of a special token")? }, TokenId(s.id))))
        .collect()
}

/// Reads the vocabulary of the GGUF file with this path.
fn read_gguf_file(path: &str) -> Result<Vocabulary, CallError> {
    let failed = |error: std::io::Error| CallError::new(hr_status::HR_ERROR_IO, format!("{path}: {error}"));
    let file = File::open(path).map_err(failed)?;
    Ok(Vocabulary::read_gguf(file).map_err(failed)??)
}

/// Makes a vocabulary with the same tokens, in which the tokens eos end a sequence in place of the
/// earlier ones.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_vocab_with_eos(
    vocab: *const hr_vocab,
    eos: *const u32,
    eos_count: usize,
    out: *mut *mut hr_vocab,
    error: *mut *mut hr_error,
) -> hr_status {
    let make = || unsafe {
        let vocab = boundary::object(vocab, "vocab")?;
        Ok(hr_vocab(vocab.0.with_eos(token_slice(eos, eos_count, "eos")?)?))
    };
    unsafe { boundary::create_object(out, error, make) }
}

/// Makes a vocabulary with the same tokens, whose end-of-sequence tokens are those that a model's
/// generation_config.json, config.json or tokenizer_config.json names.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_vocab_with_eos_from_config(
    vocab: *const hr_vocab,
    json: *const c_char,
    json_len: usize,
    out: *mut *mut hr_vocab,
    error: *mut *mut hr_error,
) -> hr_status {
    let make = || unsafe {
        let vocab = boundary::object(vocab, "vocab")?;
        let json = boundary::slice(json.cast::<u8>(), json_len, "json")?;
        Ok(hr_vocab(vocab.0.with_eos_from_config(&[json])?))
    };
    unsafe { boundary::create_object(out, error, make) }
}

/// Makes a vocabulary with the same tokens, for a model that gives model_size logits. If the
/// model's output is padded, model_size is more than the number of the tokenizer's tokens. The
/// padding is never allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_vocab_with_model_size(
    vocab: *const hr_vocab,
    model_size: usize,
    out: *mut *mut hr_vocab,
    error: *mut *mut hr_error,
) -> hr_status {
    let make = || unsafe { Ok(hr_vocab(boundary::object(vocab, "vocab")?.0.with_model_size(model_size)?)) };
    unsafe { boundary::create_object(out, error, make) }
}

/// Number of token ids, the padding of the model's output included: the length of a row of logits.
/// 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_vocab_size(vocab: *const hr_vocab) -> usize {
    boundary::return_value_or(0, || Some(unsafe { vocab.as_ref() }?.0.size()))
}

/// Number of 32-bit words in a mask: the size divided by 32, rounded up. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_vocab_mask_words(vocab: *const hr_vocab) -> usize {
    boundary::return_value_or(0, || Some(unsafe { vocab.as_ref() }?.0.size().div_ceil(32)))
}

/// Number of tokens that the tokenizer itself has; ids from here to the size are padding. 0 for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_vocab_token_count(vocab: *const hr_vocab) -> usize {
    boundary::return_value_or(0, || Some(unsafe { vocab.as_ref() }?.0.token_count()))
}

/// The bytes of a token, not NUL-terminated; len becomes their number. They live as long as this
/// handle or any other to the same vocabulary.
///
/// NULL, with len 0, for tokens without text: special ones, padding, ids that do not exist. For
/// these, len may be NULL too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_vocab_token_bytes(
    vocab: *const hr_vocab,
    token: u32,
    len: *mut usize,
) -> *const u8 {
    boundary::return_value_or(std::ptr::null(), || {
        unsafe { boundary::write_if_not_null(len, 0) };
        let bytes = unsafe { vocab.as_ref() }?.0.bytes(TokenId(token));
        unsafe { boundary::write_if_not_null(len, bytes.len()) };
        (!bytes.is_empty()).then_some(bytes.as_ptr())
    })
}

/// True if a token is special, so that text never matches it. False for NULL and for ids that do
/// not exist.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_vocab_is_special(vocab: *const hr_vocab, token: u32) -> bool {
    boundary::return_value_or(false, || Some(unsafe { vocab.as_ref() }?.0.is_special(TokenId(token))))
}

/// The id of a special token, by name; HR_NO_TOKEN if there is none, or for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_vocab_special_token(
    vocab: *const hr_vocab,
    name: *const c_char,
    name_len: usize,
) -> u32 {
    boundary::return_value_or(HR_NO_TOKEN, || {
        let name = unsafe { boundary::text(name, name_len, "name") }.ok()?;
        Some(unsafe { vocab.as_ref() }?.0.special(name)?.0)
    })
}

/// The name of a special token, not NUL-terminated; len becomes its length. It lives as long as
/// this handle or any other to the same vocabulary. NULL, with len 0, if the token has no name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_vocab_token_name(
    vocab: *const hr_vocab,
    token: u32,
    len: *mut usize,
) -> *const c_char {
    boundary::return_value_or(std::ptr::null(), || {
        unsafe { boundary::write_if_not_null(len, 0) };
        let name = unsafe { vocab.as_ref() }?.0.name(TokenId(token))?;
        unsafe { boundary::write_if_not_null(len, name.len()) };
        Some(name.as_ptr().cast())
    })
}

/// The ids that end a sequence, in ascending order; count becomes their number. They live as long
/// as this handle or any other to the same vocabulary. NULL, with count 0, if there are none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_vocab_eos(vocab: *const hr_vocab, count: *mut usize) -> *const u32 {
    boundary::return_value_or(std::ptr::null(), || {
        unsafe { boundary::write_if_not_null(count, 0) };
        let eos = unsafe { vocab.as_ref() }?.0.eos();
        unsafe { boundary::write_if_not_null(count, eos.len()) };
        (!eos.is_empty()).then_some(eos.as_ptr().cast())
    })
}

/// The bytes of tokens, one after another. Special tokens, padding and ids that do not exist add
/// none.
///
/// Writes as many bytes as fit into the buffer and sets len to the number of all; a buffer of
/// capacity 0 may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_vocab_decode(
    vocab: *const hr_vocab,
    ids: *const u32,
    count: usize,
    buffer: *mut u8,
    capacity: usize,
    len: *mut usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let list = || unsafe {
        let vocab = boundary::object(vocab, "vocab")?;
        Ok(vocab.0.decode(token_slice(ids, count, "ids")?))
    };
    unsafe { boundary::write_list(buffer, capacity, len, error, list) }
}

/// Spells text with tokens, by the longest match. The result is a valid spelling, but not always
/// the tokenizer's.
///
/// Writes as many ids as fit into the buffer and sets count to the number of all; a buffer of
/// capacity 0 may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_vocab_spell(
    vocab: *const hr_vocab,
    text: *const u8,
    text_len: usize,
    buffer: *mut u32,
    capacity: usize,
    count: *mut usize,
    error: *mut *mut hr_error,
) -> hr_status {
    let list = || unsafe {
        let vocab = boundary::object(vocab, "vocab")?;
        Ok(vocab.0.greedy_tokenize(boundary::slice(text, text_len, "text")?)?)
    };
    unsafe { boundary::write_list(buffer.cast::<TokenId>(), capacity, count, error, list) }
}
