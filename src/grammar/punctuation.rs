//! The texts around and between the members of objects and the items of arrays.

use super::node_id::NodeId;
use crate::automata::LangId;

/// One of these texts. JSON's have the whitespace before them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Delimiter {
    /// A language of bytes.
    Text(LangId),
    /// A node, which may hold special tokens. It is never nullable.
    Spelled(NodeId),
}

/// The delimiters of an object or array. In JSON they are `{`, `}` and `,`, or `[`, `]` and `,`. In
/// a style of arguments they may be any texts, such as `<call:` before the first key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Punctuation {
    /// The text before the first part.
    pub open: Delimiter,
    /// The text after the last part.
    pub close: Delimiter,
    /// The text between two parts.
    pub comma: Delimiter,
}

impl Punctuation {
    /// Delimiters that are languages of bytes.
    pub fn text([open, close, comma]: [LangId; 3]) -> Self {
        let [open, close, comma] = [open, close, comma].map(Delimiter::Text);
        Punctuation { open, close, comma }
    }

    /// The delimiters that are nodes.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        [self.open, self.close, self.comma].into_iter().filter_map(|delimiter| match delimiter {
            Delimiter::Spelled(node) => Some(node),
            Delimiter::Text(_) => None,
        })
    }
}
