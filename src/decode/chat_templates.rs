//! The chat templates in a model's files: one for all conversations, and possibly one for those
//! with tools.
//!
//! A model's files may hold several templates by name. As in transformers' `get_chat_template`, a
//! conversation with tools is rendered by the one named `tool_use` if there is one, and any other
//! conversation by the one named `default`.

use serde_json::{Map, Value as Json};

use super::chat_input::ChatInput;

/// The name of the template of conversations with tools.
const TOOL_USE: &str = "tool_use";
/// The name of the template of all other conversations.
const DEFAULT: &str = "default";

/// The texts of a model's chat templates.
///
/// ```
/// use hedgerow::decode::ChatTemplates;
///
/// let config = serde_json::json!({"chat_template": [
///     {"name": "default", "template": "{{ messages[0].content }}"},
///     {"name": "tool_use", "template": "{{ tools }}"},
/// ]});
/// let templates = ChatTemplates::from_config(config.as_object().unwrap());
/// assert_eq!(templates.for_tools(), Some("{{ tools }}"));
/// assert_eq!(templates.default.as_deref(), Some("{{ messages[0].content }}"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChatTemplates {
    /// The template of conversations without tools.
    pub default: Option<String>,
    /// The template of conversations with tools, if they have one of their own.
    pub tool_use: Option<String>,
}

impl ChatTemplates {
    /// One template, for all conversations.
    pub fn new(template: impl Into<String>) -> Self {
        Self { default: Some(template.into()), tool_use: None }
    }

    /// Sets the template of conversations with tools.
    #[must_use]
    pub fn tool_use(self, template: impl Into<String>) -> Self {
        Self { tool_use: Some(template.into()), ..self }
    }

    /// The templates in the object of a `tokenizer_config.json`. Its `chat_template` is a text, or
    /// a list of objects with `name` and `template`.
    pub fn from_config(config: &Map<String, Json>) -> Self {
        match config.get("chat_template") {
            Some(Json::String(only)) => Self::new(only),
            Some(Json::Array(list)) => {
                let named = |name: &str| {
                    let entry = list.iter().find(|entry| entry["name"] == name)?;
                    entry["template"].as_str().map(str::to_owned)
                };
                Self { default: named(DEFAULT), tool_use: named(TOOL_USE) }
            }
            _ => Self::default(),
        }
    }

    /// The templates in a model's folder, of which `config` is the object of the
    /// `tokenizer_config.json`. `read` gives the text of a file of the folder; `None` if there is
    /// no such file. Files with templates, which are `chat_template.jinja` and those in
    /// `additional_chat_templates`, replace all templates of the configuration.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn from_folder<E>(
        config: &Map<String, Json>,
        mut read: impl FnMut(&str) -> Result<Option<String>, E>,
    ) -> Result<Self, E> {
        let default = read("chat_template.jinja")?;
        let tool_use = read(&format!("additional_chat_templates/{TOOL_USE}.jinja"))?;
        let in_files = Self { default, tool_use };
        Ok(if in_files == Self::default() { Self::from_config(config) } else { in_files })
    }

    /// The templates in a GGUF file. `read` gives the text of a key of its metadata.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn from_gguf<E>(mut read: impl FnMut(&str) -> Result<Option<String>, E>) -> Result<Self, E> {
        let default = read("tokenizer.chat_template")?;
        Ok(Self { default, tool_use: read(&format!("tokenizer.chat_template.{TOOL_USE}"))? })
    }

    /// The template that renders this conversation.
    pub fn for_input(&self, input: &ChatInput) -> Option<&str> {
        if input.tools.is_empty() { self.default.as_deref() } else { self.for_tools() }
    }

    /// The template of conversations with tools.
    pub fn for_tools(&self) -> Option<&str> {
        self.tool_use.as_ref().or(self.default.as_ref()).map(String::as_str)
    }
}
