//! The special tokens that a grammar names.
//!
//! A grammar knows no vocabulary, so it names special tokens: `<|eot_id|>`, or `<[128009]>` for the
//! token with this number. Here the names are looked up. A name may also belong to an ordinary
//! token; then the grammar means this token's text.

use super::error::EngineError;
use crate::automata::ByteSet;
use crate::grammar::TokenNames;
use crate::vocab::{TokenId, TokenSet, Vocabulary};

/// The special token of this name.
///
/// # Errors
/// [`EngineError::UnknownSpecialToken`].
pub(super) fn special_token(vocabulary: &Vocabulary, name: &str) -> Result<TokenId, EngineError> {
    let token = vocabulary.special(name);
    let token = token.or_else(|| by_number(name).filter(|&token| vocabulary.is_special(token)));
    token.ok_or_else(|| EngineError::UnknownSpecialToken(name.to_owned()))
}

/// The text of the ordinary token of this name; `None` if a special token has the name, or no
/// token.
pub(super) fn ordinary_text<'v>(vocabulary: &'v Vocabulary, name: &str) -> Option<&'v [u8]> {
    if vocabulary.special(name).is_some() {
        return None;
    }
    let token = by_number(name).filter(|token| (token.0 as usize) < vocabulary.size()).or_else(|| {
        let trie = vocabulary.trie();
        trie.tokens(trie.descend(0, name.as_bytes())?).first().copied()
    })?;
    Some(vocabulary.bytes(token)).filter(|bytes| !bytes.is_empty())
}

/// The bytes that are tokens of their own.
pub(super) fn single_bytes(vocabulary: &Vocabulary) -> ByteSet {
    let trie = vocabulary.trie();
    let is_token = |byte| trie.child(0, byte).is_some_and(|node| !trie.tokens(node).is_empty());
    let mut bytes = ByteSet::EMPTY;
    (0..=u8::MAX).filter(|&byte| is_token(byte)).for_each(|byte| bytes.insert(byte));
    bytes
}

/// A set of tokens that a grammar names: special tokens, ordinary ones by their text, or numbers.
///
/// # Errors
/// [`EngineError::UnknownSpecialToken`].
pub(super) fn token_set(vocabulary: &Vocabulary, tokens: &TokenNames) -> Result<TokenSet, EngineError> {
    let size = vocabulary.size();
    let find = |name: &str| {
        let number = || by_number(name).filter(|token| (token.0 as usize) < size);
        let trie = vocabulary.trie();
        let text = || trie.tokens(trie.descend(0, name.as_bytes())?).first().copied();
        vocabulary.special(name).or_else(number).or_else(text)
    };
    let mut named = TokenSet::new(size);
    for name in &tokens.names {
        named.insert(find(name).ok_or_else(|| EngineError::UnknownSpecialToken(name.to_string()))?);
    }
    if !tokens.all_but {
        return Ok(named);
    }
    let is_token = |token: &TokenId| vocabulary.is_special(*token) || !vocabulary.bytes(*token).is_empty();
    let mut others = TokenSet::from_ids(size, (0..size as u32).map(TokenId).filter(is_token));
    others.subtract(&named);
    others.remove_all(vocabulary.eos());
    Ok(others)
}

/// The token that `<[7]>` names by its number.
fn by_number(name: &str) -> Option<TokenId> {
    name.strip_prefix("<[")?.strip_suffix("]>")?.parse().ok().map(TokenId)
}
