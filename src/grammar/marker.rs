//! Markers: the texts and tokens that delimit the parts of an output.

use std::sync::Arc;

/// A text, or one token, at which a part of an output begins or ends.
///
/// ```
/// use hedgerow::grammar::Marker;
/// let end = Marker::from("</call>");
/// assert!(end.begins_with(&Marker::from("</")));
/// // Which text the token 7 has, only a vocabulary says.
/// assert!(!end.begins_with(&Marker::Token("<[7]>".into())));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Marker {
    /// A text, see [`Node::Spelled`](super::Node::Spelled).
    Text(Arc<str>),
    /// One token, by its name, or by its id as `<[7]>`. Where the vocabulary has the token as
    /// ordinary text, the marker is this text.
    Token(Arc<str>),
}

impl Marker {
    /// The text, or the token's name.
    pub fn text(&self) -> &Arc<str> {
        match self {
            Marker::Text(text) | Marker::Token(text) => text,
        }
    }

    /// True for the empty text.
    pub fn is_empty(&self) -> bool {
        self.text().is_empty()
    }

    /// The text to look for, as far as it is known without a vocabulary: `None` for a token's id.
    pub fn known_text(&self) -> Option<&Arc<str>> {
        match self {
            Marker::Token(name) if name.starts_with("<[") && name.ends_with("]>") => None,
            marker => Some(marker.text()),
        }
    }

    /// True where this marker is known to begin with another one.
    pub fn begins_with(&self, other: &Marker) -> bool {
        match (self, other) {
            (Marker::Token(own), Marker::Token(other)) => own == other,
            _ => match (self.known_text(), other.known_text()) {
                (Some(own), Some(other)) => own.starts_with(&**other),
                _ => false,
            },
        }
    }
}

impl From<&str> for Marker {
    fn from(text: &str) -> Self {
        Marker::Text(text.into())
    }
}

impl From<Arc<str>> for Marker {
    fn from(text: Arc<str>) -> Self {
        Marker::Text(text)
    }
}
