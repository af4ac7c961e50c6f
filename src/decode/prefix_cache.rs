//! Kept caches of ended requests, for later requests whose prompts begin with the same tokens.
//!
//! When a request ends, the cache of its first output is kept with its tokens, and the oldest kept
//! cache is dropped. A new prompt takes a copy of the cache with which it shares the most tokens,
//! cut back to these. The cost is the memory of the kept caches, one comparison with each, and one
//! copy.

use std::collections::VecDeque;

use crate::vocab::TokenId;

/// Tokens, and the cache of a model that has read them.
pub(crate) type Prefix<'a, C> = (&'a [TokenId], &'a C);

/// The caches of ended requests.
pub(crate) struct PrefixCache<C> {
    kept: VecDeque<(Vec<TokenId>, C)>,
    most: usize,
}

impl<C> PrefixCache<C> {
    /// Keeps `most` caches. With 0, no cache is kept and none is found.
    pub fn new(most: usize) -> Self {
        Self { kept: VecDeque::new(), most }
    }

    /// Number of first tokens of `prompt` that need not be read, and the cache that holds them: a
    /// kept one, or one of a request in progress. The last token must always be read, for the
    /// logits after it.
    pub fn longest<'a>(
        &'a self,
        prompt: &[TokenId],
        in_progress: impl Iterator<Item = Prefix<'a, C>>,
    ) -> Option<(usize, &'a C)> {
        if self.most == 0 {
            return None;
        }
        let limit = prompt.len().saturating_sub(1);
        let shared = |tokens: &[TokenId]| tokens.iter().zip(prompt).take_while(|(a, b)| a == b).count();
        self.kept
            .iter()
            .map(|(tokens, cache)| (tokens.as_slice(), cache))
            .chain(in_progress)
            .map(|(tokens, cache)| (shared(tokens).min(limit), cache))
            .filter(|(length, _)| *length > 0)
            .max_by_key(|(length, _)| *length)
    }

    /// Keeps a cache and drops the oldest one, if there are too many. With a limit of 0 nothing is
    /// kept.
    pub fn keep(&mut self, prefix: Option<(Vec<TokenId>, C)>) {
        let Some(prefix) = prefix.filter(|_| self.most > 0) else { return };
        if self.kept.len() == self.most {
            self.kept.pop_front();
        }
        self.kept.push_back(prefix);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<TokenId> {
        text.bytes().map(|byte| TokenId(byte.into())).collect()
    }

    #[test]
    fn the_longest_shared_beginning_is_found() {
        let mut prefixes = PrefixCache::new(2);
        for text in ["abcd", "abx", "q"] {
            prefixes.keep(Some((tokens(text), text)));
        }
        prefixes.keep(None);
        let active = tokens("axyz");
        for (prompt, expected) in [
            ("abxyz", Some((3, "abx"))),
            // The oldest cache has been dropped; the last token must be read.
            ("abcd", Some((2, "abx"))),
            ("abx", Some((2, "abx"))),
            ("axyz", Some((3, "active"))),
            ("q", None),
            ("zz", None),
        ] {
            let in_progress = [(active.as_slice(), &"active")].into_iter();
            let found =
                prefixes.longest(&tokens(prompt), in_progress).map(|(length, cache)| (length, *cache));
            assert_eq!(found, expected, "{prompt}");
        }
        let mut none = PrefixCache::new(0);
        none.keep(Some((tokens("ab"), "ab")));
        assert_eq!(none.longest(&tokens("abc"), [(active.as_slice(), &"active")].into_iter()), None);
    }
}
