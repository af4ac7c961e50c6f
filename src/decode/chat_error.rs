//! Errors of chat templates.

use minijinja::Error;

/// The reason why a conversation could not be turned into a prompt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChatTemplateError {
    /// A message that is no object, or has no role, or neither a content nor calls.
    #[error(
        "message {number} must be an object with a `role`, and with a `content` or `tool_calls`, but it is {given}"
    )]
    Message {
        /// Its number in the conversation, from 1.
        number: usize,
        /// The message, shortened.
        given: String,
    },
    /// A part of a message that is no text.
    #[error("a message has a part of the kind `{kind}`, but only parts of the kind `text` can be read")]
    Part {
        /// The part's `type`, or the part itself.
        kind: String,
    },
    /// A template variable that the other fields of the input set, such as `messages`; see
    /// [`ChatInput::OWN_VARIABLES`](super::ChatInput::OWN_VARIABLES).
    #[error(
        "the template's variable `{name}` follows from the conversation; change the conversation in its place"
    )]
    Variable {
        /// The variable.
        name: &'static str,
    },
    /// A value that is no conversation.
    #[error(
        "this is no conversation: {reason}; give an array of messages, or an object with `messages`, `tools` and `chat_template_kwargs`"
    )]
    Conversation {
        /// The fault.
        reason: String,
    },
    /// An answer that cannot be continued, because the template does not render it as it is.
    #[error(
        "the output cannot continue the assistant's last message, because the chat template changes it, or it has no text or has tool calls; end the conversation with another role"
    )]
    Continuation,
    /// A template that does not compile.
    #[error("the chat template is not valid Jinja: {0}")]
    Syntax(#[source] Box<Error>),
    /// A conversation that the template rejected, with its own message.
    #[error("the chat template refuses these messages: {reason}")]
    Refused {
        /// The template's message.
        reason: String,
    },
    /// A template that failed while it ran, or that took too many steps.
    #[error("the chat template failed: {0}")]
    Render(#[source] Box<Error>),
}
