//! Token healing: the model may spell the end of a prompt with other tokens.
//!
//! A prompt may end in the middle of a text that the model writes as one token. That misleads the
//! model. For example, after `http:` it rarely continues with `//`, because in training it has seen
//! `://` as one token. Token healing removes the prompt's last token. The output must then begin
//! with the bytes of that token, in any tokens, and these bytes are no part of the output's text.
//! If a token has further bytes, they belong to the output and must match the constraint.
//!
//! The cost is one walk through the tokens that begin with these bytes, with one step of the
//! matcher for each node of the trie.
//!
//! Source: Lundberg 2023, “Prompt boundaries and token healing”.

use crate::engine::{EngineError, Matcher};
use crate::vocab::{TokenId, Vocabulary};

/// The bytes of the prompt's end that an output has yet to spell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Healing {
    rest: Vec<u8>,
}

/// Removes a prompt's last token and returns its bytes, if some longer token begins with them. At
/// least one token stays in the prompt.
pub(crate) fn split_last_token(prompt: &mut Vec<TokenId>, vocabulary: &Vocabulary) -> Option<Vec<u8>> {
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
    /// Healing of an output that must spell these bytes first.
    pub fn new(rest: Vec<u8>) -> Self {
        Self { rest }
    }

    /// True if all bytes are spelt.
    pub fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    /// Fills `mask` with the tokens that may come next, packed. The matcher ends in the state in
    /// which it began.
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
        // Nodes stand in preorder. The matcher has read the path to the previous node, and is
        // rolled back to the point where the paths part.
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

    /// The bytes of a token that go beyond the prompt's end; `None` if the token does not match the
    /// bytes to spell.
    pub fn output_part<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (start, own) = bytes.split_at(bytes.len().min(self.rest.len()));
        self.rest.starts_with(start).then_some(own)
    }

    /// Records that this many more bytes were spelt.
    pub fn spell(&mut self, bytes: usize) {
        self.rest.drain(..bytes.min(self.rest.len()));
    }
}
