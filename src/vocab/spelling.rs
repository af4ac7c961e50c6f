//! Spellings of bytes by tokens: longest match first, or the fewest tokens.
//!
//! Neither result is the tokenizer's own segmentation, which BPE merges or Unigram scores decide.
//! Any text that some sequence of tokens spells is spelt, however.
//!
//! Longest match first alone fails on `abc` with the tokens `ab`, `a`, `bc`: after `ab` no token
//! matches `c`. If it fails, the positions from which the end can be reached are computed, and each
//! step takes the longest token that ends at such a position.

use super::{TokenId, TokenTrie, VocabularyError};

/// Spells `text` with tokens. Time: one step per byte of the text and of each token tried; in the
/// worst case text length × longest token.
pub(super) fn longest_match(trie: &TokenTrie, text: &[u8]) -> Result<Vec<TokenId>, VocabularyError> {
    longest_match_where(trie, text, |_| true).or_else(|_| {
        let spellable = spellable_suffixes(trie, text);
        longest_match_where(trie, text, |at| spellable[at])
            .map_err(|_| unspellable(text, furthest_reached(trie, text)))
    })
}

/// Takes the longest token that ends at a position for which `may_end` is true, again and again.
/// The error is the position from which no such token exists.
fn longest_match_where(
    trie: &TokenTrie,
    text: &[u8],
    may_end: impl Fn(usize) -> bool,
) -> Result<Vec<TokenId>, usize> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let (end, token) = matches_at(trie, text, at).filter(|&(end, _)| may_end(end)).last().ok_or(at)?;
        tokens.push(token);
        at = end;
    }
    Ok(tokens)
}

/// The fewest tokens that spell `text`, all of which `may_occur`; `None` if there are none. O(bytes
/// × longest token).
pub(crate) fn fewest_tokens(
    trie: &TokenTrie,
    text: &[u8],
    may_occur: impl Fn(TokenId) -> bool,
) -> Option<Vec<TokenId>> {
    // For each offset from which the text can be spelt: the number of tokens from there on, the end
    // of the first, and the first.
    let mut left: Vec<Option<(usize, usize, TokenId)>> = vec![None; text.len() + 1];
    left[text.len()] = Some((0, text.len(), TokenId(0)));
    for from in (0..text.len()).rev() {
        let mut node = 0;
        for (at, &byte) in text.iter().enumerate().skip(from) {
            let Some(child) = trie.child(node, byte) else { break };
            node = child;
            let Some((rest, ..)) = left[at + 1] else { continue };
            let Some(&token) = trie.tokens(node).iter().find(|token| may_occur(**token)) else { continue };
            if left[from].is_none_or(|(count, ..)| rest + 1 < count) {
                left[from] = Some((rest + 1, at + 1, token));
            }
        }
    }
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let (_, end, token) = left[at]?;
        tokens.push(token);
        at = end;
    }
    Some(tokens)
}

/// The tokens that match `text` at byte `at`, shortest first, each with its end; one id for each
/// byte string.
fn matches_at<'a>(
    trie: &'a TokenTrie,
    text: &'a [u8],
    at: usize,
) -> impl Iterator<Item = (usize, TokenId)> + 'a {
    let mut node = 0;
    let path = text[at..].iter().map_while(move |&byte| {
        node = trie.child(node, byte)?;
        Some(node)
    });
    path.enumerate().filter_map(move |(n, node)| Some((at + n + 1, *trie.tokens(node).first()?)))
}

fn spellable_suffixes(trie: &TokenTrie, text: &[u8]) -> Vec<bool> {
    let mut spellable = vec![false; text.len() + 1];
    spellable[text.len()] = true;
    for at in (0..text.len()).rev() {
        spellable[at] = matches_at(trie, text, at).any(|(end, _)| spellable[end]);
    }
    spellable
}

fn furthest_reached(trie: &TokenTrie, text: &[u8]) -> usize {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut furthest = 0;
    for at in 0..text.len() {
        if reached[at] {
            furthest = at;
            matches_at(trie, text, at).for_each(|(end, _)| reached[end] = true);
        }
    }
    furthest
}

fn unspellable(text: &[u8], offset: usize) -> VocabularyError {
    VocabularyError::Unspellable { offset, byte: text.get(offset).copied().unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::super::Vocabulary;

    #[test]
    fn spells_longest_match_first_and_everything_spellable() {
        type Case<'a> = (&'a [&'a str], &'a str, Result<&'a [u32], &'a str>);
        let cases: &[Case<'_>] = &[
            (&["a"], "", Ok(&[])),
            (&["a", "aa", "aaa"], "aaaaa", Ok(&[2, 1])),
            (&["ab", "a", "bc"], "abc", Ok(&[1, 2])),
            (&["ab", "ab", "c"], "abcab", Ok(&[0, 2, 0])),
            (&["abcd", "abc", "ab", "a", "dx", "cd", "e"], "abcdxabcde", Ok(&[1, 4, 0, 6])),
            (&["ab", "a"], "aabb", Err("nothing continues it past byte 3 (0x62)")),
            (&["ab", "a", "abb"], "abba?", Err("nothing continues it past byte 4 (0x3f)")),
            (&["ab", "abc"], "abcd", Err("nothing continues it past byte 3 (0x64)")),
            (&[], "a", Err("nothing continues it past byte 0 (0x61)")),
        ];
        for (tokens, text, expected) in cases {
            let vocabulary =
                Vocabulary::from_byte_list(tokens.iter().map(|t| t.as_bytes().to_vec()).collect()).unwrap();
            let found = vocabulary.greedy_tokenize(text.as_bytes());
            match expected {
                Ok(ids) => {
                    let found = found.unwrap();
                    assert_eq!(found.iter().map(|id| id.0).collect::<Vec<_>>(), *ids, "{text}");
                    assert_eq!(vocabulary.decode(&found), text.as_bytes());
                }
                Err(message) => {
                    let error = found.unwrap_err().to_string();
                    assert!(error.ends_with(message), "{text}: {error}");
                }
            }
        }
    }
}
