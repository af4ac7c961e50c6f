//! The reasons why a structural tag gives no grammar: what, where, and what to do.

use std::fmt;

/// The reason why a structural tag, a list of tools or a preset could not be compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagError {
    pointer: String,
    what: String,
    help: Option<String>,
}

impl TagError {
    pub(super) fn new(pointer: &str, what: impl Into<String>) -> Self {
        TagError { pointer: pointer.to_owned(), what: what.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The place in the input, as a JSON pointer with `#` in front.
    pub fn pointer(&self) -> String {
        format!("#{}", self.pointer)
    }
}

impl fmt::Display for TagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}: {}", self.pointer, self.what)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for TagError {}
