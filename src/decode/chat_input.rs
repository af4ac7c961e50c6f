//! The input of a chat template: messages, tools, and further variables.

use serde_json::{Map, Value as Json};

use super::chat_error::ChatTemplateError;

/// One message of a conversation: a role, a content, and any further fields that the model's
/// template reads, such as `tool_calls`.
///
/// ```
/// use hedgerow::decode::Message;
/// let message = Message::new("user", "Hello").with("name", "Ada");
/// assert_eq!(message.role(), "user");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Message(pub(super) Map<String, Json>);

impl Message {
    /// A message of `system`, `user`, `assistant`, `tool` or any other role that the template
    /// knows.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        let mut fields = Map::new();
        fields.insert("role".to_owned(), Json::String(role.into()));
        fields.insert("content".to_owned(), Json::String(content.into()));
        Self(fields)
    }

    /// A message as chat APIs write it: an object with a `role`, and with a `content` or
    /// `tool_calls`. Any role is accepted here; the model's template may refuse it.
    ///
    /// A `content` of several parts (`[{"type": "text", "text": "Hi"}]`) becomes one text, with a
    /// space between the parts, as transformers' server makes it for language models.
    ///
    /// # Errors
    /// [`ChatTemplateError::Message`] for any other value, and [`ChatTemplateError::Part`] for a
    /// part that is no text, such as an image.
    pub fn from_json(json: Json) -> Result<Self, ChatTemplateError> {
        let fault =
            |given: &Json| ChatTemplateError::Message { number: 1, given: shortened(&given.to_string()) };
        let Json::Object(mut fields) = json else { return Err(fault(&json)) };
        let calls = fields.get("tool_calls").is_some_and(Json::is_array);
        let has_calls_or_none = calls || fields.get("tool_calls").is_none_or(Json::is_null);
        let has_role = fields.get("role").is_some_and(Json::is_string);
        match fields.get("content") {
            _ if !has_role || !has_calls_or_none => return Err(fault(&Json::Object(fields))),
            Some(Json::String(_)) => {}
            None | Some(Json::Null) if calls => {}
            Some(Json::Array(parts)) => {
                let text = joined_parts(parts)?;
                fields.insert("content".to_owned(), Json::String(text));
            }
            _ => return Err(fault(&Json::Object(fields))),
        }
        Ok(Self(fields))
    }

    /// The same message with one more field.
    #[must_use]
    pub fn with(mut self, field: impl Into<String>, value: impl Into<Json>) -> Self {
        self.0.insert(field.into(), value.into());
        self
    }

    /// The role of the speaker, such as `user`.
    pub fn role(&self) -> &str {
        self.0.get("role").and_then(Json::as_str).unwrap_or_default()
    }

    /// The content, if it is a text.
    pub fn text(&self) -> Option<&str> {
        self.0.get("content").and_then(Json::as_str)
    }

    /// True if the message has tool calls.
    pub(super) fn has_calls(&self) -> bool {
        self.0.get("tool_calls").and_then(Json::as_array).is_some_and(|calls| !calls.is_empty())
    }

    /// The same message with another content.
    pub(super) fn with_text(&self, text: String) -> Self {
        let mut fields = self.0.clone();
        fields.insert("content".to_owned(), Json::String(text));
        Self(fields)
    }

    /// Turns arguments of tool calls that are JSON in a string, as APIs write them, into the
    /// objects that templates expect.
    fn parse_arguments(&mut self) {
        let calls = self.0.get_mut("tool_calls").and_then(Json::as_array_mut);
        for call in calls.into_iter().flatten() {
            let Some(arguments) = call.pointer_mut("/function/arguments") else { continue };
            let parsed = arguments.as_str().and_then(|text| serde_json::from_str::<Json>(text).ok());
            if let Some(parsed) = parsed.filter(Json::is_object) {
                *arguments = parsed;
            }
        }
    }
}

/// The texts of the parts of a content.
fn joined_parts(parts: &[Json]) -> Result<String, ChatTemplateError> {
    let text = |part: &Json| {
        let kind = part.get("type").and_then(Json::as_str);
        match (kind, part.get("text").and_then(Json::as_str)) {
            (Some("text" | "input_text" | "output_text"), Some(text)) => Ok(text.to_owned()),
            (kind, _) => {
                let kind = kind.map_or_else(|| shortened(&part.to_string()), shortened);
                Err(ChatTemplateError::Part { kind })
            }
        }
    };
    Ok(parts.iter().map(text).collect::<Result<Vec<_>, _>>()?.join(" "))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The input of a template. `Default` has no messages, no tools, an opened answer and no date.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ChatInput {
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// The end of the prompt: with or without the beginning of the assistant's answer. Default
    /// [`Answer::Opened`].
    pub answer: Answer,
    /// Descriptions of tools, in the form that the model's template expects. Default none.
    pub tools: Vec<Json>,
    /// Further variables of the template. They hold the text of the special tokens by the names
    /// that templates use, such as `bos_token` and `eos_token`, and options such as
    /// `enable_thinking`. The [`OWN_VARIABLES`](Self::OWN_VARIABLES) are set from the other fields
    /// and are refused here. Default none.
    pub variables: Map<String, Json>,
    /// The local time that the template's function `strftime_now` shows, in seconds since
    /// 1970-01-01 00:00 local time. `None`, the default, makes a template that asks for the date
    /// fail.
    pub now: Option<i64>,
}

/// The end of a prompt: the place at which the assistant's answer begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// The prompt ends with the header of the assistant's message (`add_generation_prompt`).
    #[default]
    Opened,
    /// The last message is the beginning of the assistant's answer, which the output continues
    /// (`continue_final_message`).
    Continued,
    /// The prompt ends with the last message.
    None,
}

impl ChatInput {
    /// The template variables that are set from the other fields.
    pub const OWN_VARIABLES: [&str; 4] = ["messages", "add_generation_prompt", "tools", "strftime_now"];

    /// The given messages, and defaults for all other fields.
    pub fn new(messages: impl IntoIterator<Item = Message>) -> Self {
        Self { messages: messages.into_iter().collect(), ..Self::default() }
    }

    /// A conversation as chat APIs write it: an array of messages, or an object with `messages`,
    /// `tools` and `chat_template_kwargs` (further variables of the template).
    ///
    /// If the last message is the assistant's, the output [continues](Answer::Continued) it. The
    /// arguments of tool calls may be JSON in a string or objects.
    ///
    /// # Errors
    /// Those of [`Message::from_json`]; [`ChatTemplateError::Variable`] for a variable that other
    /// fields set; [`ChatTemplateError::Conversation`] for any other value, for a conversation
    /// without messages, and for other keys of the object.
    ///
    /// ```
    /// use hedgerow::decode::{Answer, ChatInput};
    ///
    /// let text = r#"[{"role": "user", "content": "Hi"},
    ///     {"role": "assistant", "content": "Hello,"}]"#;
    /// let chat = ChatInput::from_json(serde_json::from_str(text)?)?;
    /// assert_eq!((chat.messages.len(), chat.answer), (2, Answer::Continued));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_json(json: Json) -> Result<Self, ChatTemplateError> {
        let fault = |reason: String| Err(ChatTemplateError::Conversation { reason });
        let mut input = Self::default();
        let messages = match json {
            Json::Array(messages) => messages,
            Json::Object(fields) => {
                let mut messages = Vec::new();
                for (name, value) in fields {
                    match (name.as_str(), value) {
                        ("messages", Json::Array(list)) => messages = list,
                        ("tools", Json::Array(tools)) => input.tools = tools,
                        ("tools", Json::Null) => {}
                        ("chat_template_kwargs", Json::Object(variables)) => {
                            input.variables = variables;
                            input.check_variables()?;
                        }
                        ("messages" | "tools", _) => return fault(format!("`{name}` is not an array")),
                        ("chat_template_kwargs", _) => return fault(format!("`{name}` is not an object")),
                        _ => return fault(format!("`{name}` is no part of a conversation")),
                    }
                }
                messages
            }
            _ => return fault("it is neither an array nor an object".to_owned()),
        };
        for (at, message) in messages.into_iter().enumerate() {
            let mut message = Message::from_json(message).map_err(|error| match error {
                ChatTemplateError::Message { given, .. } => {
                    ChatTemplateError::Message { number: at + 1, given }
                }
                error => error,
            })?;
            message.parse_arguments();
            input.messages.push(message);
        }
        match input.messages.last() {
            None => return fault("it has no messages".to_owned()),
            Some(last) if last.role() == "assistant" => input.answer = Answer::Continued,
            Some(_) => {}
        }
        Ok(input)
    }

    /// Refuses variables that are set from the other fields.
    pub(super) fn check_variables(&self) -> Result<(), ChatTemplateError> {
        match Self::OWN_VARIABLES.into_iter().find(|name| self.variables.contains_key(*name)) {
            None => Ok(()),
            Some(name) => Err(ChatTemplateError::Variable { name }),
        }
    }

    /// Sets a variable of the template; see [`variables`](Self#structfield.variables).
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<Json>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Sets [`now`](Self#structfield.now).
    #[must_use]
    pub fn now(mut self, seconds: i64) -> Self {
        self.now = Some(seconds);
        self
    }
}
