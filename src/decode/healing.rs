//! Token healing: the end of a prompt may be cut into other tokens than its own.
//!
//! A prompt that ends in the middle of what a model writes as one token misleads it: behind `http:` it hardly ever goes on with
//! `//`, since it has always seen `://` whole. So the prompt's last token is taken back, and the output has to begin with
//! its bytes, in whatever tokens the model likes; they are no part of the output's text (Lundberg 2023, “Prompt boundaries and
//! token healing”). What a token says beyond them is the output's own, and must be in the constraint's language. The
//! price is one walk through the tokens that begin with these bytes, with one step of the matcher for each node.

use crate::engine::{EngineError, Matcher};
use crate::vocab::{TokenId, Vocabulary};

/// What of a prompt's end an output has yet to spell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Healing {
    rest: Vec<u8>,
}

/// Takes back a prompt's last token, if there are tokens that begin with it and go on, and gives its bytes. One token stays.
pub(crate) fn take_back(prompt: &mut Vec<TokenId>, vocabulary: &Vocabulary) -> Option<Vec<u8>> {
    let &[.., _, last] = prompt.as_slice() else { return None };
    let bytes = vocabulary.bytes(last);
    let trie = vocabulary.trie();
    let node = trie.descend(0, bytes).filter(|_| !bytes.is_empty() && !vocabulary.is_special(last))?;
    if trie.subtree_tokens(node).len() == trie.tokens(node).len() {
        return None;
    }
    prompt.pop();
    Some(bytes.to_vec())
}

impl Healing {
    /// The output has these bytes to spell first.
    pub fn new(rest: Vec<u8>) -> Self {
        Self { rest }
    }

    /// Whether everything is spelled.
    pub fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tokens that may come next, packed. The matcher stands where it stood.
    pub fn fill_mask(
        &self,
        vocabulary: &Vocabulary,
        matcher: Option<&mut Matcher>,
        mask: &mut [u32],
    ) -> Result<(), EngineError> {
        mask.fill(0);
        let mut allow = |tokens: &[TokenId]| {
            for token in tokens {
                if let Some(word) = mask.get_mut(token.index() / 32) {
                    *word |= 1 << (token.index() % 32);
                }
            }
        };
        let trie = vocabulary.trie();
        let mut node = 0;
        for &byte in &self.rest {
            match trie.child(node, byte) {
                Some(child) => node = child,
                None => return Ok(()),
            }
            allow(trie.tokens(node));
        }
        let Some(matcher) = matcher else {
            allow(trie.subtree_tokens(node));
            return Ok(());
        };
        // Nodes stand in preorder: the matcher has read the path to the node before, and goes back to where it parts.
        let base = usize::from(trie.depth(node));
        let (mut next, mut read) = (node + 1, 0);
        while next < trie.end(node) {
            let above = usize::from(trie.depth(next)) - base - 1;
            matcher.rollback(read - above)?;
            read = above;
            if matcher.advance_bytes(&[trie.byte(next)])? {
                read += 1;
                allow(trie.tokens(next));
                next += 1;
            } else {
                next = trie.end(next);
            }
        }
        matcher.rollback(read)
    }

    /// What a token of these bytes says beyond the prompt's end; `None` if it spells something else.
    pub fn beyond<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (start, own) = bytes.split_at(bytes.len().min(self.rest.len()));
        self.rest.starts_with(start).then_some(own)
    }

    /// Counts so many bytes as spelled.
    pub fn spell(&mut self, bytes: usize) {
        self.rest.drain(..bytes.min(self.rest.len()));
    }
}
