//! Vocabularies.

use super::call::outside;
use super::error::CallError;
use super::token::{Whole, numbers, text, token};
use hedgerow::vocab::VocabularyParts;
use hedgerow::{TokenId, Vocabulary as Inner};
use pyo3::exceptions::{PyOSError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// The tokens of a model: ids with their bytes, special tokens with their names, and the tokens
/// that end a sequence.
///
/// `Vocabulary.from_tokenizer` reads it from nearly everything that holds a tokenizer. Immutable;
/// share it.
#[pyclass(frozen, weakref, module = "hedgerow")]
#[derive(Clone)]
pub struct Vocabulary(pub Inner);

#[pymethods]
impl Vocabulary {
    /// The vocabulary of a tokenizer: a fast tokenizer of transformers, a `tokenizers.Tokenizer`, a
    /// `tiktoken.Encoding`, the bytes of a tokenizer.json, or the path of such a file, of a folder
    /// that holds one (with the model's configuration beside it), or of a GGUF file.
    ///
    /// `model_size` is the length of the model's rows of logits, where it is larger than the
    /// vocabulary. `eos` names the tokens that end a sequence, by id or name; the default is what
    /// the tokenizer and its files say.
    #[staticmethod]
    #[pyo3(signature = (tokenizer, *, model_size=None, eos=None))]
    fn from_tokenizer<'py>(
        py: Python<'py>,
        tokenizer: &Bound<'py, PyAny>,
        model_size: Option<&Bound<'py, PyAny>>,
        eos: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let read = py.import("hedgerow._tokenizer")?.getattr("read")?;
        read.call1((tokenizer, model_size, eos))
    }

    /// The vocabulary of the text of a tokenizer.json.
    #[staticmethod]
    #[pyo3(signature = (json, *, model_size=None, eos=None))]
    fn from_tokenizer_json(
        py: Python<'_>,
        json: &Bound<'_, PyAny>,
        model_size: Option<Whole<'_>>,
        eos: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let json = text(json)?;
        let made = outside(py, move || Ok(Inner::from_tokenizer_json(&json)?))?;
        Self(made).changed(py, model_size, eos)
    }

    /// The vocabulary of the bytes of a tokenizer file: a tokenizer.json, a tekken.json, a
    /// SentencePiece model or a GGUF model, told apart by what it holds.
    #[staticmethod]
    #[pyo3(signature = (data, *, model_size=None, eos=None))]
    fn from_tokenizer_file(
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        model_size: Option<Whole<'_>>,
        eos: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let data = text(data)?;
        let made = outside(py, move || Ok(Inner::from_tokenizer_file(&data)?))?;
        Self(made).changed(py, model_size, eos)
    }

    /// The vocabulary of a GGUF file. Only the beginning of the file is read, not the weights.
    #[staticmethod]
    #[pyo3(signature = (path, *, model_size=None, eos=None))]
    fn from_gguf(
        py: Python<'_>,
        path: PathBuf,
        model_size: Option<Whole<'_>>,
        eos: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let made = outside(py, || Ok(File::open(&path).and_then(Inner::read_gguf)))?;
        let made = made.map_err(|error| file_error(py, error, &path))?;
        let made = made.map_err(|error| CallError::from(error).raise(py))?;
        Self(made).changed(py, model_size, eos)
    }

    /// The vocabulary of a list of tokens: token `i` has the bytes `tokens[i]`, and text is taken
    /// in UTF-8. `special` maps the names of special tokens to their ids; text never matches them.
    #[staticmethod]
    #[pyo3(signature = (tokens, *, special=None, model_size=None, eos=None))]
    fn from_tokens(
        py: Python<'_>,
        tokens: &Bound<'_, PyAny>,
        special: Option<&Bound<'_, PyAny>>,
        model_size: Option<Whole<'_>>,
        eos: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let is_mapping = tokens.hasattr("keys")?;
        if is_mapping || tokens.cast::<PyString>().is_ok() || tokens.cast::<PyBytes>().is_ok() {
            let said = format!(
                "tokens are a list in which token i is at place i, not {}; \
                 a tokenizer's own vocabulary is read by Vocabulary.from_tokenizer",
                tokens.get_type()
            );
            return Err(PyTypeError::new_err(said));
        }
        let tokens: Vec<Vec<u8>> = tokens.try_iter()?.map(|bytes| text(&bytes?)).collect::<PyResult<_>>()?;
        let special = special_ids(special)?;
        let made = outside(py, move || {
            Ok(Inner::from_tokens(VocabularyParts { tokens, special, ..VocabularyParts::default() })?)
        })?;
        Self(made).changed(py, model_size, eos)
    }

    /// The vocabulary of a tiktoken file: a line for each token, its bytes in base64 and its rank.
    #[staticmethod]
    #[pyo3(signature = (ranks, *, special=None, model_size=None, eos=None))]
    fn from_tiktoken(
        py: Python<'_>,
        ranks: &Bound<'_, PyAny>,
        special: Option<&Bound<'_, PyAny>>,
        model_size: Option<Whole<'_>>,
        eos: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let ranks = text(ranks)?;
        let special = special_ids(special)?;
        let made = outside(py, move || {
            let special: Vec<(&str, TokenId)> =
                special.iter().map(|(name, id)| (name.as_str(), *id)).collect();
            Ok(Inner::from_tiktoken(&ranks, &special)?)
        })?;
        Self(made).changed(py, model_size, eos)
    }

    /// The same tokens with other end-of-sequence tokens, each given by id or name.
    fn with_eos(&self, py: Python<'_>, eos: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.clone().changed(py, None, Some(eos))
    }

    /// The same tokens with the end-of-sequence tokens that the model's files name, added up: the
    /// texts of generation_config.json, config.json and tokenizer_config.json, as far as they are
    /// at hand.
    #[pyo3(signature = (*files))]
    fn with_eos_from_config(&self, py: Python<'_>, files: &Bound<'_, PyAny>) -> PyResult<Self> {
        let files: Vec<Vec<u8>> = files.try_iter()?.map(|file| text(&file?)).collect::<PyResult<_>>()?;
        let made = outside(py, || {
            let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
            Ok(self.0.with_eos_from_config(&files)?)
        })?;
        Ok(Self(made))
    }

    /// The same tokens for a model whose rows of logits have another length.
    fn with_model_size(&self, py: Python<'_>, size: Whole<'_>) -> PyResult<Self> {
        self.clone().changed(py, Some(size), None)
    }

    /// Does now what the first constraint over this vocabulary would have to do.
    fn prepare(&self, py: Python<'_>) -> PyResult<()> {
        outside(py, || {
            hedgerow::engine::prepare(&self.0);
            Ok(())
        })
    }

    /// The number of ids that masks range over: the length of the model's rows of logits.
    #[getter]
    fn size(&self) -> usize {
        self.0.size()
    }

    /// The number of tokens, without the padding of the model's rows.
    #[getter]
    fn token_count(&self) -> usize {
        self.0.token_count()
    }

    /// The number of 32-bit words of a mask.
    #[getter]
    fn mask_words(&self) -> usize {
        self.0.size().div_ceil(32)
    }

    /// The tokens that end a sequence.
    #[getter]
    fn eos(&self) -> Vec<u32> {
        numbers(self.0.eos())
    }

    /// The special tokens: their ids by name.
    #[getter]
    fn special_tokens<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let names = PyDict::new(py);
        for (name, id) in self.0.special_tokens() {
            names.set_item(name, id.0)?;
        }
        Ok(names)
    }

    /// A number for all that the vocabulary holds, the same on every machine.
    #[getter]
    fn fingerprint(&self, py: Python<'_>) -> u64 {
        py.detach(|| self.0.fingerprint())
    }

    /// Memory for masks, all bits 0: a `memoryview` of `mask_words` words, or of so many rows of
    /// them.
    #[pyo3(signature = (rows=None))]
    fn mask_buffer<'py>(&self, py: Python<'py>, rows: Option<Whole<'_>>) -> PyResult<Bound<'py, PyAny>> {
        let words = self.mask_words();
        let rows = rows.map(|rows| rows.count("rows")).transpose()?;
        let bytes = rows.unwrap_or(1).checked_mul(words * 4);
        let bytes = bytes.filter(|&bytes| bytes <= isize::MAX as usize);
        let bytes = match (bytes, rows) {
            (_, Some(0)) => Err("rows is 0; masks need at least one row".to_owned()),
            (Some(0), _) => Err("the vocabulary has no tokens, and masks over it no words".to_owned()),
            (Some(bytes), _) => Ok(bytes),
            (None, _) => Err(format!("no memory holds {} rows of {words} words", rows.unwrap_or(1))),
        };
        let bytes = bytes.map_err(PyValueError::new_err)?;
        let builtins = py.import("builtins")?;
        let memory = builtins.getattr("bytearray")?.call1((bytes,))?;
        let memory = builtins.getattr("memoryview")?.call1((memory,))?;
        match rows {
            None => memory.call_method1("cast", ("I",)),
            Some(rows) => memory.call_method1("cast", ("I", (rows, words))),
        }
    }

    /// The bytes of a token; of a special token none.
    fn bytes<'py>(&self, py: Python<'py>, token: &Bound<'_, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, self.0.bytes(self.known(token)?)))
    }

    /// The name of a special token; `None` for others.
    fn name(&self, token: &Bound<'_, PyAny>) -> PyResult<Option<&str>> {
        Ok(self.0.name(self.known(token)?))
    }

    /// Tells whether a token is special.
    fn is_special(&self, token: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.0.is_special(self.known(token)?))
    }

    /// The bytes of the tokens, one after the other; special tokens have none.
    fn decode<'py>(&self, py: Python<'py>, tokens: &Bound<'_, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let known = tokens.try_iter()?.map(|token| self.known(&token?));
        let tokens: Vec<TokenId> = known.collect::<PyResult<_>>()?;
        Ok(PyBytes::new(py, &self.0.decode(&tokens)))
    }

    /// Tokens that spell a text, the longest first at every place. A model's own tokenizer may
    /// split it otherwise.
    fn greedy_tokenize(&self, py: Python<'_>, text: &Bound<'_, PyAny>) -> PyResult<Vec<u32>> {
        let bytes = self::text(text)?;
        outside(py, || Ok(numbers(&self.0.greedy_tokenize(&bytes)?)))
    }

    fn __len__(&self) -> usize {
        self.0.size()
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> bool {
        let Ok(other) = other.cast::<Vocabulary>() else { return false };
        self.fingerprint(py) == other.get().fingerprint(py)
    }

    fn __hash__(&self, py: Python<'_>) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.fingerprint(py).hash(&mut hasher);
        hasher.finish()
    }

    /// It does not change, so that a copy is itself.
    fn __copy__(slf: &Bound<'_, Self>) -> Py<Self> {
        slf.clone().unbind()
    }

    fn __deepcopy__(slf: &Bound<'_, Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        slf.clone().unbind()
    }

    fn __repr__(&self) -> String {
        format!("Vocabulary(size={}, tokens={}, eos={:?})", self.size(), self.token_count(), self.eos())
    }

    /// Vocabularies are pickled whole.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let py = slf.py();
        let inner = &slf.get().0;
        let ids = (0..inner.token_count() as u32).map(TokenId);
        let tokens: Vec<Bound<'py, PyBytes>> = ids.map(|id| PyBytes::new(py, inner.bytes(id))).collect();
        let names: Vec<(&str, u32)> = inner.special_tokens().map(|(name, id)| (name, id.0)).collect();
        let restore = py.import("hedgerow._tokenizer")?.getattr("restore")?;
        let parts = (tokens, names, slf.get().eos(), inner.size());
        Ok((restore, parts.into_pyobject(py)?.into_any()))
    }
}

impl Vocabulary {
    /// A token that the vocabulary has.
    fn known(&self, object: &Bound<'_, PyAny>) -> PyResult<TokenId> {
        let id = token(object)?;
        let size = self.0.size();
        match id.index() < size {
            true => Ok(id),
            false => Err(PyValueError::new_err(format!("token {} is not in a vocabulary of {size}", id.0))),
        }
    }

    fn changed(
        self,
        py: Python<'_>,
        model_size: Option<Whole<'_>>,
        eos: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let eos = eos.map(|eos| self.ids(eos)).transpose()?;
        let model_size = model_size.map(|size| size.count("model_size")).transpose()?;
        let changed = outside(py, move || {
            let mut inner = self.0;
            if let Some(size) = model_size {
                inner = inner.with_model_size(size)?;
            }
            if let Some(eos) = eos {
                inner = inner.with_eos(&eos)?;
            }
            Ok(inner)
        })?;
        Ok(Vocabulary(changed))
    }

    /// Tokens by id or name: one of them, or several.
    fn ids(&self, given: &Bound<'_, PyAny>) -> PyResult<Vec<TokenId>> {
        let one = |object: &Bound<'_, PyAny>| match object.extract::<String>() {
            Err(_) => token(object),
            Ok(name) => self.0.special(&name).ok_or_else(|| {
                CallError::from(hedgerow::vocab::VocabularyError::NoSuchName { name }).raise(object.py())
            }),
        };
        if given.extract::<String>().is_ok() || given.try_iter().is_err() {
            return Ok(vec![one(given)?]);
        }
        given.try_iter()?.map(|object| one(&object?)).collect()
    }
}

/// Special tokens' names and ids, of a mapping or of pairs.
fn special_ids(given: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<(String, TokenId)>> {
    let Some(given) = given else { return Ok(Vec::new()) };
    let pairs = match given.hasattr("items")? {
        true => given.call_method0("items")?,
        false => given.clone(),
    };
    let pair = |pair: PyResult<Bound<'_, PyAny>>| {
        let pair = pair?;
        let (name, id): (String, Bound<'_, PyAny>) = pair.extract().map_err(|_| {
            let pair = pair.repr().map_or_else(|_| pair.get_type().to_string(), |text| text.to_string());
            PyTypeError::new_err(format!(
                "special maps names to ids, as {{\"</s>\": 2}} does; {pair} is no such pair"
            ))
        })?;
        Ok((name, token(&id)?))
    };
    let pairs: Vec<(String, TokenId)> = pairs.try_iter()?.map(pair).collect::<PyResult<_>>()?;
    let mut ids: HashMap<&str, TokenId> = HashMap::new();
    for (name, id) in &pairs {
        if let Some(other) = ids.insert(name, *id).filter(|other| other != id) {
            let said = format!("the special token {name:?} has two ids, {} and {}", other.0, id.0);
            return Err(PyValueError::new_err(said));
        }
    }
    Ok(pairs)
}

/// The `OSError` for a file, with its number and its path.
fn file_error(py: Python<'_>, error: std::io::Error, path: &Path) -> PyErr {
    let Some(code) = error.raw_os_error() else { return error.into() };
    let said = py.import("os").and_then(|os| os.call_method1("strerror", (code,)));
    match said {
        Ok(said) => PyOSError::new_err((code, said.unbind(), path.as_os_str().to_owned())),
        Err(error) => error,
    }
}
