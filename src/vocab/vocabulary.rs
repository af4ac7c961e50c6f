//! The vocabulary: the bytes or the name of each of a model's token ids.
//!
//! All bytes stand in one array with one offset per token, beside the [trie](TokenTrie) over them.
//! A `Vocabulary` is a handle: a clone copies a pointer, and every grammar, request and thread
//! shares the same tables. Values that other modules derive from the vocabulary alone are kept with
//! it ([`Vocabulary::extension`]), so they live as long as it does and are shared by its clones.

use super::extension::Extensions;
use super::fingerprint::Fingerprint;
use super::{TokenId, TokenSet, TokenTrie, VocabularyError, spelling};
use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The parts of a vocabulary; see [`Vocabulary::from_tokens`].
///
/// ```
/// use hedgerow::vocab::{TokenId, Vocabulary, VocabularyParts};
///
/// let vocabulary = Vocabulary::from_tokens(VocabularyParts {
///     tokens: vec![b"hel".to_vec(), b"lo".to_vec(), vec![]],
///     special: vec![("</s>".to_owned(), TokenId(2))],
///     eos: vec![TokenId(2)],
///     model_size: Some(64),
/// })?;
/// assert_eq!(vocabulary.decode(&[TokenId(0), TokenId(1), TokenId(2)]), b"hello");
/// assert_eq!(vocabulary.special("</s>"), Some(TokenId(2)));
/// assert_eq!((vocabulary.token_count(), vocabulary.size()), (3, 64));
/// # Ok::<(), hedgerow::vocab::VocabularyError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VocabularyParts {
    /// The bytes of token `i` at index `i`. Empty for ids that stand for no text.
    pub tokens: Vec<Vec<u8>>,
    /// Names and ids of the special (control) tokens. The bytes that `tokens` has for these ids are
    /// ignored. If several ids have one name, a look-up of the name gives the lowest id. If an id
    /// has several names, [`Vocabulary::name`] gives the first.
    pub special: Vec<(String, TokenId)>,
    /// The tokens that end a sequence. One that is not in `special` becomes special, named by its
    /// bytes.
    pub eos: Vec<TokenId>,
    /// Number of logits the model gives if it differs from the length of `tokens`; `None` if it is
    /// the same. See [`Vocabulary::with_model_size`].
    pub model_size: Option<usize>,
}

/// The tokens of a model: ids, bytes, names and the trie over them. Cheap to clone, `Send` and
/// `Sync`.
///
/// Ids range over `0 .. size()`. Ids below [`token_count`](Self::token_count) are the tokenizer's
/// own. Higher ids are padding of the model's output: they stand for no text and are never allowed.
#[derive(Clone)]
pub struct Vocabulary(Arc<Inner>);

struct Inner {
    /// Shared by vocabularies that differ only in their end-of-sequence tokens or size.
    table: Arc<TokenTable>,
    eos: Vec<TokenId>,
    size: usize,
    fingerprint: OnceLock<u64>,
    extensions: Extensions,
}

struct TokenTable {
    /// The text tokens' bytes, one after the other.
    bytes: Box<[u8]>,
    /// Token `i` is `bytes[offsets[i] .. offsets[i + 1]]`.
    offsets: Box<[u32]>,
    max_token_len: usize,
    special: TokenSet,
    /// Sorted by name, then id.
    names: Vec<(String, TokenId)>,
    /// Index into `names` for each id that has one, sorted by id.
    names_by_id: Vec<(TokenId, u32)>,
    trie: TokenTrie,
}

impl TokenTable {
    fn token_count(&self) -> usize {
        self.offsets.len() - 1
    }

    fn bytes(&self, id: TokenId) -> &[u8] {
        slice_of(&self.bytes, &self.offsets, id)
    }

    fn build(
        tokens: &[Vec<u8>],
        named: Vec<(String, TokenId)>,
        special: TokenSet,
    ) -> Result<Self, VocabularyError> {
        let of_text = || tokens.iter().enumerate().filter(|&(i, _)| !special.contains(TokenId(i as u32)));
        let total: u64 = of_text().map(|(_, bytes)| bytes.len() as u64).sum();
        if total > u32::MAX as u64 {
            return Err(VocabularyError::TooManyBytes { given: total, limit: u32::MAX as u64 });
        }
        let mut bytes = Vec::with_capacity(total as usize);
        let mut offsets = Vec::with_capacity(tokens.len() + 1);
        offsets.push(0);
        for (i, token) in tokens.iter().enumerate() {
            if !special.contains(TokenId(i as u32)) {
                bytes.extend_from_slice(token);
            }
            offsets.push(bytes.len() as u32);
        }
        let max_token_len = of_text().map(|(_, bytes)| bytes.len()).max().unwrap_or(0);
        let trie = TokenTrie::build(tokens.len(), |id| slice_of(&bytes, &offsets, id))?;

        let mut positioned: Vec<_> = named.into_iter().enumerate().collect();
        positioned.sort_by(|(_, a), (_, b)| a.cmp(b));
        positioned.dedup_by(|(_, a), (_, b)| a == b);
        let mut by_id: Vec<_> =
            positioned.iter().enumerate().map(|(n, (given, (_, id)))| (*id, *given, n as u32)).collect();
        by_id.sort_unstable();
        by_id.dedup_by_key(|entry| entry.0);
        Ok(Self {
            bytes: bytes.into(),
            offsets: offsets.into(),
            max_token_len,
            special,
            names: positioned.into_iter().map(|(_, name)| name).collect(),
            names_by_id: by_id.into_iter().map(|(id, _, n)| (id, n)).collect(),
            trie,
        })
    }

    fn to_tokens(&self) -> Vec<Vec<u8>> {
        (0..self.token_count() as u32).map(|id| self.bytes(TokenId(id)).to_vec()).collect()
    }
}

fn slice_of<'a>(bytes: &'a [u8], offsets: &[u32], id: TokenId) -> &'a [u8] {
    match (offsets.get(id.index()), offsets.get(id.index() + 1)) {
        (Some(&start), Some(&end)) => &bytes[start as usize..end as usize],
        _ => &[],
    }
}

impl Vocabulary {
    /// Largest number of ids of a vocabulary, padding included: 2²², sixteen times the size of
    /// large models' vocabularies.
    pub const MAX_SIZE: usize = 1 << 22;

    /// A vocabulary of the given parts.
    ///
    /// # Errors
    /// - [`VocabularyError::NoSuchToken`] for a special or end-of-sequence id without an entry in
    ///   `tokens`.
    /// - [`VocabularyError::TokenTooLong`], [`VocabularyError::TooManyBytes`] and
    ///   [`VocabularyError::TooManyTokens`] for tokens beyond the supported sizes.
    /// - [`VocabularyError::ModelTooSmall`] for a `model_size` too small for a text token.
    pub fn from_tokens(parts: VocabularyParts) -> Result<Self, VocabularyError> {
        let VocabularyParts { mut tokens, special: mut named, eos, model_size } = parts;
        check_size(tokens.len().max(model_size.unwrap_or(0)))?;
        let count = tokens.len();
        for (name, id) in &named {
            check_id(*id, count, || format!("the special token {name:?}"))?;
        }
        for &id in &eos {
            check_id(id, count, || "the end-of-sequence token".to_owned())?;
        }
        let mut special = TokenSet::from_ids(count, named.iter().map(|&(_, id)| id));
        for &id in &eos {
            if special.insert(id) && !tokens[id.index()].is_empty() {
                named.push((String::from_utf8_lossy(&tokens[id.index()]).into_owned(), id));
            }
        }
        let mut size = count;
        if let Some(model_size) = model_size {
            let text = |&i: &usize| !tokens[i].is_empty() && !special.contains(TokenId(i as u32));
            if let Some(i) = (model_size..count).find(text) {
                return Err(VocabularyError::ModelTooSmall { given: model_size, id: TokenId(i as u32) });
            }
            tokens.truncate(model_size);
            named.retain(|&(_, id)| id.index() < model_size);
            special = TokenSet::from_ids(tokens.len(), special.iter());
            size = model_size;
        }
        let table = TokenTable::build(&tokens, named, special)?;
        Ok(Self::of_table(Arc::new(table), eos, size))
    }

    /// A vocabulary of text tokens alone: token `i` is the `i`-th byte string. An id with no bytes
    /// never matches text. Name the end-of-sequence tokens with [`with_eos`](Self::with_eos).
    ///
    /// # Errors
    /// As [`from_tokens`](Self::from_tokens) for tokens beyond the supported sizes.
    pub fn from_byte_list(tokens: Vec<Vec<u8>>) -> Result<Self, VocabularyError> {
        Self::from_tokens(VocabularyParts { tokens, ..VocabularyParts::default() })
    }

    /// The same tokens for a model that gives `size` logits.
    ///
    /// The model has more logits than the tokenizer has tokens if its output layer is padded. It
    /// has fewer if the tokenizer has special tokens that the model never learnt; those ids are
    /// dropped.
    ///
    /// # Errors
    /// [`VocabularyError::ModelTooSmall`] if a text token would be dropped;
    /// [`VocabularyError::TooManyTokens`] for a size above [`MAX_SIZE`](Self::MAX_SIZE).
    pub fn with_model_size(&self, size: usize) -> Result<Self, VocabularyError> {
        check_size(size)?;
        if size >= self.token_count() {
            return Ok(Self::of_table(Arc::clone(&self.0.table), self.0.eos.clone(), size));
        }
        Self::from_tokens(VocabularyParts { model_size: Some(size), ..self.to_parts() })
    }

    /// The same tokens with `eos` as the tokens that end a sequence. A text token among them
    /// becomes special, named by its bytes, and text no longer matches it.
    ///
    /// # Errors
    /// [`VocabularyError::NoSuchToken`] for an id at or past [`token_count`](Self::token_count).
    pub fn with_eos(&self, eos: &[TokenId]) -> Result<Self, VocabularyError> {
        let known = |id: &TokenId| self.is_special(*id);
        if eos.iter().all(known) {
            return Ok(Self::of_table(Arc::clone(&self.0.table), eos.to_vec(), self.0.size));
        }
        Self::from_tokens(VocabularyParts { eos: eos.to_vec(), ..self.to_parts() })
    }

    fn of_table(table: Arc<TokenTable>, mut eos: Vec<TokenId>, size: usize) -> Self {
        eos.retain(|id| id.index() < size);
        eos.sort_unstable();
        eos.dedup();
        Self(Arc::new(Inner {
            table,
            eos,
            size,
            fingerprint: OnceLock::new(),
            extensions: Extensions::default(),
        }))
    }

    fn to_parts(&self) -> VocabularyParts {
        VocabularyParts {
            tokens: self.0.table.to_tokens(),
            special: self.0.table.names.clone(),
            eos: self.0.eos.clone(),
            model_size: Some(self.0.size),
        }
    }

    /// Number of ids, the padding of the model's output included: the length of every [`TokenSet`]
    /// and row of logits.
    #[inline]
    pub fn size(&self) -> usize {
        self.0.size
    }

    /// A mask of this vocabulary with no token allowed: `size.div_ceil(32)` words. Use it again and
    /// again with [`Matcher::fill_mask`](crate::engine::Matcher::fill_mask).
    ///
    /// ```
    /// use hedgerow::Vocabulary;
    /// let vocabulary = Vocabulary::from_byte_list((0..=255).map(|byte| vec![byte]).collect())?;
    /// assert_eq!(vocabulary.mask_buffer(), [0; 8]);
    /// # Ok::<(), hedgerow::vocab::VocabularyError>(())
    /// ```
    pub fn mask_buffer(&self) -> Vec<u32> {
        vec![0; self.size().div_ceil(32)]
    }

    /// Number of ids that the tokenizer itself has. Ids from here to [`size`](Self::size) are
    /// padding.
    #[inline]
    pub fn token_count(&self) -> usize {
        self.0.table.token_count()
    }

    /// The bytes of `id`; empty for special, unused and padding ids.
    #[inline]
    pub fn bytes(&self, id: TokenId) -> &[u8] {
        self.0.table.bytes(id)
    }

    /// Length of the longest text token in bytes.
    #[inline]
    pub fn max_token_len(&self) -> usize {
        self.0.table.max_token_len
    }

    /// True if `id` is a special (control) token, which text never matches.
    #[inline]
    pub fn is_special(&self, id: TokenId) -> bool {
        self.0.table.special.contains(id)
    }

    /// The special token of that name; the lowest id if several have it.
    pub fn special(&self, name: &str) -> Option<TokenId> {
        let names = &self.0.table.names;
        let at = names.partition_point(|(other, _)| other.as_str() < name);
        names.get(at).filter(|(other, _)| other == name).map(|&(_, id)| id)
    }

    /// Names and ids of the special tokens, sorted by name.
    pub fn special_tokens(&self) -> impl Iterator<Item = (&str, TokenId)> {
        self.0.table.names.iter().map(|(name, id)| (name.as_str(), *id))
    }

    /// The name of a special token; `None` for any other.
    pub fn name(&self, id: TokenId) -> Option<&str> {
        let table = &self.0.table;
        let at = table.names_by_id.binary_search_by_key(&id, |entry| entry.0).ok()?;
        Some(&table.names[table.names_by_id[at].1 as usize].0)
    }

    /// The tokens that end a sequence, in ascending order; all are special. Empty if none were
    /// named.
    #[inline]
    pub fn eos(&self) -> &[TokenId] {
        &self.0.eos
    }

    /// The trie over the text tokens' bytes.
    #[inline]
    pub fn trie(&self) -> &TokenTrie {
        &self.0.table.trie
    }

    /// The bytes of the tokens, one after the other. Special tokens add none.
    pub fn decode(&self, tokens: &[TokenId]) -> Vec<u8> {
        let mut out = Vec::with_capacity(tokens.iter().map(|&id| self.bytes(id).len()).sum());
        tokens.iter().for_each(|&id| out.extend_from_slice(self.bytes(id)));
        out
    }

    /// The text of the tokens, with special tokens written by their names. Bytes that are no UTF-8
    /// become replacement characters.
    pub fn decode_with_names(&self, tokens: &[TokenId]) -> String {
        let spell = |&id: &TokenId| self.name(id).map_or(self.bytes(id), str::as_bytes);
        String::from_utf8_lossy(&tokens.iter().map(spell).collect::<Vec<_>>().concat()).into_owned()
    }

    /// Spells `text` with text tokens, by the longest match from which the rest of the text can
    /// still be spelt.
    ///
    /// The result is a valid spelling, not the tokenizer's own. If several ids have the same bytes,
    /// the lowest is taken. Time: about one step per byte; at worst the text's length times
    /// [`max_token_len`](Self::max_token_len).
    ///
    /// # Errors
    /// [`VocabularyError::Unspellable`] if no sequence of tokens spells the text.
    pub fn greedy_tokenize(&self, text: &[u8]) -> Result<Vec<TokenId>, VocabularyError> {
        spelling::longest_match(self.trie(), text)
    }

    /// A hash of all that the vocabulary holds: tokens, names, end-of-sequence tokens and size. It
    /// is the same on every machine and run. It is computed once, in one pass over the bytes.
    pub fn fingerprint(&self) -> u64 {
        *self.0.fingerprint.get_or_init(|| {
            let table = &self.0.table;
            let mut hash = Fingerprint::new();
            hash.add_number(self.0.size as u64);
            hash.add_number(self.token_count() as u64);
            for id in (0..self.token_count() as u32).map(TokenId) {
                hash.add(table.bytes(id));
            }
            hash.add_number(table.special.count() as u64);
            table.special.iter().for_each(|id| hash.add_number(id.0.into()));
            for (name, id) in &table.names {
                hash.add(name.as_bytes());
                hash.add_number(id.0.into());
            }
            self.0.eos.iter().for_each(|id| hash.add_number(id.0.into()));
            hash.finish()
        })
    }

    /// The value of type `T` that is kept with this vocabulary, made by `init` on first use. It is
    /// meant for caches and all else that follows from the vocabulary alone.
    ///
    /// Clones share the value; [`with_eos`](Self::with_eos) and
    /// [`with_model_size`](Self::with_model_size) start without it. `init` runs once, and other
    /// threads wait for it. `init` may ask for extensions of other types, but not for its own. A
    /// value that holds a clone of the vocabulary keeps the vocabulary alive for ever.
    pub fn extension<T: Any + Send + Sync>(&self, init: impl FnOnce() -> T) -> Arc<T> {
        self.0.extensions.get_or_init(init)
    }
}

fn check_size(size: usize) -> Result<(), VocabularyError> {
    if size > Vocabulary::MAX_SIZE {
        let limit = Vocabulary::MAX_SIZE as u64;
        return Err(VocabularyError::TooManyTokens { given: size as u64, limit });
    }
    Ok(())
}

fn check_id(id: TokenId, count: usize, role: impl FnOnce() -> String) -> Result<(), VocabularyError> {
    if id.index() >= count {
        return Err(VocabularyError::NoSuchToken { id, count, role: role() });
    }
    Ok(())
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vocabulary")
            .field("token_count", &self.token_count())
            .field("size", &self.size())
            .field("special", &self.0.table.special.count())
            .field("eos", &self.eos())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn parts() -> VocabularyParts {
        VocabularyParts {
            tokens: ["a", "<s>", "ab", "", "</s>", "a"].map(|text| text.as_bytes().to_vec()).to_vec(),
            special: vec![("<s>".to_owned(), TokenId(1)), ("</s>".to_owned(), TokenId(4))],
            eos: vec![TokenId(4)],
            model_size: Some(8),
        }
    }

    fn ids(ids: &[u32]) -> Vec<TokenId> {
        ids.iter().map(|&id| TokenId(id)).collect()
    }

    #[test]
    fn says_what_each_id_stands_for() {
        let vocabulary = Vocabulary::from_tokens(parts()).unwrap();
        assert_eq!((vocabulary.size(), vocabulary.token_count(), vocabulary.max_token_len()), (8, 6, 2));
        let bytes: Vec<&[u8]> = (0..9).map(|id| vocabulary.bytes(TokenId(id))).collect();
        assert_eq!(bytes, [&b"a"[..], b"", b"ab", b"", b"", b"a", b"", b"", b""]);
        assert_eq!(vocabulary.bytes(TokenId(u32::MAX)), b"");
        assert_eq!(vocabulary.trie().order(), ids(&[0, 5, 2]));
        assert_eq!(vocabulary.special("<s>"), Some(TokenId(1)));
        assert_eq!(vocabulary.special("a"), None);
        assert_eq!(vocabulary.special(""), None);
        assert_eq!(vocabulary.name(TokenId(4)), Some("</s>"));
        assert_eq!(vocabulary.name(TokenId(0)), None);
        assert!(vocabulary.is_special(TokenId(1)) && !vocabulary.is_special(TokenId(3)));
        assert_eq!(
            vocabulary.special_tokens().collect::<Vec<_>>(),
            [("</s>", TokenId(4)), ("<s>", TokenId(1))]
        );
        assert_eq!(vocabulary.decode(&ids(&[1, 0, 2, 3, 7, 4])), b"aab");
        assert_eq!(
            format!("{vocabulary:?}"),
            "Vocabulary { token_count: 6, size: 8, special: 2, eos: [TokenId(4)], .. }"
        );
    }

    #[test]
    fn names_may_repeat() {
        let mut parts = parts();
        parts.special = [("pad", 3), ("pad", 1), ("first", 4), ("also", 4)]
            .map(|(n, id)| (n.to_owned(), TokenId(id)))
            .into();
        let vocabulary = Vocabulary::from_tokens(parts).unwrap();
        assert_eq!(vocabulary.special("pad"), Some(TokenId(1)));
        assert_eq!(vocabulary.name(TokenId(3)), Some("pad"));
        assert_eq!(vocabulary.name(TokenId(4)), Some("first"));
        assert_eq!(vocabulary.special("also"), Some(TokenId(4)));
    }

    #[test]
    fn an_end_of_sequence_token_is_never_text() {
        let list =
            Vocabulary::from_byte_list(["a", "<end>", ""].map(|t| t.as_bytes().to_vec()).to_vec()).unwrap();
        assert!(list.eos().is_empty());
        assert_eq!(list.trie().order(), ids(&[1, 0]));
        let ended = list.with_eos(&ids(&[2, 1, 1])).unwrap();
        assert_eq!(ended.eos(), ids(&[1, 2]));
        assert_eq!(ended.trie().order(), ids(&[0]));
        assert_eq!(ended.special("<end>"), Some(TokenId(1)));
        assert!(ended.is_special(TokenId(2)));
        assert_eq!(ended.name(TokenId(2)), None);
        assert_eq!(ended.with_eos(&ids(&[1])).unwrap().eos(), ids(&[1]));
    }

    #[test]
    fn model_size_pads_or_drops_special_tokens() {
        let vocabulary = Vocabulary::from_tokens(VocabularyParts { model_size: None, ..parts() }).unwrap();
        assert_eq!(vocabulary.size(), 6);
        let padded = vocabulary.with_model_size(100).unwrap();
        assert_eq!((padded.size(), padded.token_count()), (100, 6));
        let error = vocabulary.with_model_size(5).unwrap_err().to_string();
        assert_eq!(
            error,
            "the model has 5 logits, but text token 5 needs at least 6; is this the model's own tokenizer?"
        );
        let mut last_special = parts();
        last_special.tokens.pop();
        let vocabulary = Vocabulary::from_tokens(last_special).unwrap();
        let narrow = vocabulary.with_model_size(4).unwrap();
        assert_eq!((narrow.size(), narrow.token_count(), narrow.eos()), (4, 4, &[][..]));
        assert_eq!((narrow.special("</s>"), narrow.special("<s>")), (None, Some(TokenId(1))));
        assert!(vocabulary.with_model_size(usize::MAX).is_err());
    }

    #[test]
    fn ids_without_a_token_are_refused() {
        let mut bad = parts();
        bad.special.push(("<x>".to_owned(), TokenId(6)));
        assert_eq!(
            Vocabulary::from_tokens(bad).unwrap_err().to_string(),
            "the special token \"<x>\" has id 6, but the vocabulary has 6 tokens, numbered from 0"
        );
        let vocabulary = Vocabulary::from_tokens(parts()).unwrap();
        assert_eq!(
            vocabulary.with_eos(&[TokenId(7)]).unwrap_err().to_string(),
            "the end-of-sequence token has id 7, but the vocabulary has 6 tokens, numbered from 0"
        );
    }

    #[test]
    fn fingerprint_depends_on_all_parts() {
        let of = |change: fn(&mut VocabularyParts)| {
            let mut parts = parts();
            change(&mut parts);
            Vocabulary::from_tokens(parts).unwrap().fingerprint()
        };
        let same = of(|_| ());
        assert_eq!(same, of(|_| ()));
        let others = [
            of(|p| p.tokens[0] = b"x".to_vec()),
            of(|p| p.tokens.swap(0, 2)),
            of(|p| p.special[0].0.push('x')),
            of(|p| p.special[0].1 = TokenId(3)),
            of(|p| p.eos.clear()),
            of(|p| p.model_size = Some(9)),
            of(|p| p.tokens.push(Vec::new())),
        ];
        for (i, other) in others.iter().enumerate() {
            assert_ne!(same, *other, "change {i}");
        }
    }

    #[test]
    fn extensions_are_made_once_and_shared() {
        struct Outer(Arc<String>);
        let vocabulary = Vocabulary::from_tokens(parts()).unwrap();
        let made = AtomicUsize::new(0);
        let make = || {
            made.fetch_add(1, Ordering::Relaxed);
            Outer(vocabulary.extension(|| "inner".to_owned()))
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| vocabulary.extension(make));
            }
        });
        let outer = vocabulary.clone().extension(make);
        assert_eq!(made.load(Ordering::Relaxed), 1);
        assert!(Arc::ptr_eq(&outer.0, &vocabulary.extension(String::new)));
        let other = vocabulary.with_model_size(9).unwrap().extension(|| "new".to_owned());
        assert_eq!(*other, "new");
    }

    #[test]
    fn is_shared_between_threads() {
        fn check<T: Send + Sync + Clone>() {}
        check::<Vocabulary>();
    }
}
