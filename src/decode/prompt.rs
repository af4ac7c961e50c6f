//! Prompts, and the part of a language model that turns them into tokens.

use serde_json::{Map, Value as Json};

use super::chat_error::ChatTemplateError;
use super::chat_input::{ChatInput, Message};
use super::chat_template::ChatTemplate;
use super::chat_templates::ChatTemplates;
use super::tool_format::DetectedFormat;
use crate::vocab::{TokenId, Vocabulary, VocabularyError};

/// The text, conversation or tokens that an output follows.
///
/// ```
/// use hedgerow::decode::Prompt;
///
/// let question = Prompt::user("How many legs has a spider?").system("Answer in one word.");
/// let story = Prompt::text("Once upon a time");
/// # let _ = (question, story);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Prompt {
    /// A text that the output continues, without a chat template.
    Text(String),
    /// A conversation, which the model's chat template renders.
    Chat(ChatInput),
    /// Tokens that the output continues.
    Tokens(Vec<TokenId>),
}

impl Prompt {
    /// A text that the output continues, without a chat template.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A conversation that consists of one message of the user.
    pub fn user(text: impl Into<String>) -> Self {
        Self::Chat(ChatInput::new([Message::new("user", text)]))
    }

    /// The same conversation after a system message. A prompt that is no conversation stays as it
    /// is.
    #[must_use]
    pub fn system(mut self, text: impl Into<String>) -> Self {
        if let Self::Chat(input) = &mut self {
            input.messages.insert(0, Message::new("system", text));
        }
        self
    }
}

impl From<ChatInput> for Prompt {
    fn from(input: ChatInput) -> Self {
        Self::Chat(input)
    }
}

impl From<Vec<TokenId>> for Prompt {
    fn from(tokens: Vec<TokenId>) -> Self {
        Self::Tokens(tokens)
    }
}

/// The reason why a prompt could not be turned into tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// A conversation for a model without a chat template.
    #[error(
        "this model has no chat template, which a conversation, tools and template variables need; give the prompt as one text"
    )]
    NoTemplate,
    /// Messages that the model's chat template rejects.
    #[error("cannot put the messages into the model's chat template: {0}")]
    Template(#[from] ChatTemplateError),
    /// A text that could not be tokenised.
    #[error("cannot make tokens of the prompt: {0}")]
    Tokens(#[source] VocabularyError),
}

/// The part of a language model that turns prompts into tokens: its vocabulary, tokenizer and chat
/// templates. It needs no weights.
///
/// ```
/// use hedgerow::decode::{Prompt, PromptEncoder, PromptError};
///
/// fn length(model: &impl PromptEncoder, question: &str) -> Result<usize, PromptError> {
///     Ok(model.prompt_tokens(&Prompt::user(question))?.len())
/// }
/// ```
pub trait PromptEncoder {
    /// The vocabulary, as long as the model's rows of logits.
    fn vocabulary(&self) -> &Vocabulary;

    /// The tokens of a text. The name of a special token in the text, such as `<|im_end|>`, becomes
    /// that token. No other tokens are added.
    ///
    /// # Errors
    /// A [`VocabularyError`] for a text that the tokenizer cannot encode.
    fn encode(&self, text: &str) -> Result<Vec<TokenId>, VocabularyError>;

    /// The tokens of a text, with those that the model expects around a prompt, such as a beginning
    /// of sequence.
    ///
    /// # Errors
    /// A [`VocabularyError`] for a text that the tokenizer cannot encode.
    fn encode_prompt(&self, text: &str) -> Result<Vec<TokenId>, VocabularyError>;

    /// The chat templates. A model without any has `ChatTemplates::default()`.
    fn chat_templates(&self) -> &ChatTemplates;

    /// The variables of chat templates that the model's files set: the names of its special tokens,
    /// such as `bos_token`. Default none.
    fn template_variables(&self) -> Map<String, Json> {
        Map::new()
    }

    /// The tokens of a prompt.
    ///
    /// Without a chat template, a conversation that is one message of the user is taken as a text
    /// to continue. It must then have no tools and no template variables.
    ///
    /// # Errors
    /// [`PromptError::NoTemplate`] for any other conversation without a template;
    /// [`PromptError::Template`] or [`PromptError::Tokens`] if the messages cannot be rendered or
    /// tokenised.
    fn prompt_tokens(&self, prompt: &Prompt) -> Result<Vec<TokenId>, PromptError> {
        let input = match prompt {
            Prompt::Tokens(tokens) => return Ok(tokens.clone()),
            Prompt::Text(text) => return self.encode_prompt(text).map_err(PromptError::Tokens),
            Prompt::Chat(input) => input,
        };
        let Some(template) = self.chat_templates().for_input(input) else {
            return match input.messages.as_slice() {
                [only] if only.role() == "user" && input.tools.is_empty() && input.variables.is_empty() => {
                    let text = only.text().ok_or(PromptError::NoTemplate)?;
                    self.encode_prompt(text).map_err(PromptError::Tokens)
                }
                _ => Err(PromptError::NoTemplate),
            };
        };
        let text = ChatTemplate::new(template)?.render(&self.template_input(input))?;
        self.encode(&text).map_err(PromptError::Tokens)
    }

    /// A conversation with the variables that templates expect: its own, and otherwise those of the
    /// [model](Self::template_variables). An `eos_token` that neither sets is the first end token
    /// of the vocabulary.
    fn template_input(&self, input: &ChatInput) -> ChatInput {
        let mut variables = self.template_variables();
        let eos = self.vocabulary().eos().first().and_then(|&eos| self.vocabulary().name(eos));
        if let Some(eos) = eos.filter(|_| !variables.contains_key("eos_token")) {
            variables.insert("eos_token".to_owned(), eos.into());
        }
        variables.extend(input.variables.clone());
        ChatInput { variables, ..input.clone() }
    }

    /// The beginning of the answer, as far as the prompt already contains it. In a conversation
    /// that is the text that the chat template writes after the last message, or the assistant's
    /// message that is continued. In any other prompt it is the text after the last end token.
    ///
    /// An example is `<|im_start|>assistant\n<think>\n`. A reply with tools takes the result as its
    /// [`prompt_end`](crate::tags::ToolOptions::prompt_end).
    ///
    /// # Errors
    /// [`PromptError::Template`] as [`prompt_tokens`](Self::prompt_tokens).
    fn prompt_end(&self, prompt: &Prompt) -> Result<String, PromptError> {
        let input = match prompt {
            Prompt::Text(text) => return Ok(behind_end_token(self.vocabulary(), text).to_owned()),
            Prompt::Tokens(tokens) => {
                let text = self.vocabulary().decode_with_names(tokens);
                return Ok(behind_end_token(self.vocabulary(), &text).to_owned());
            }
            Prompt::Chat(input) => self.template_input(input),
        };
        let Some(template) = self.chat_templates().for_input(&input) else { return Ok(String::new()) };
        Ok(ChatTemplate::new(template)?.answer_start(&input)?)
    }

    /// The format in which the model writes tool calls,
    /// [detected](ChatTemplate::detect_tool_format) from its chat template for conversations with
    /// tools.
    ///
    /// # Errors
    /// [`PromptError::NoTemplate`]; [`PromptError::Template`] for an invalid template.
    fn tool_format(&self) -> Result<DetectedFormat, PromptError> {
        let template = ChatTemplate::new(self.chat_templates().for_tools().ok_or(PromptError::NoTemplate)?)?;
        let variables = self.template_input(&ChatInput::default()).variables;
        Ok(template.detect_tool_format(&variables))
    }
}

/// The part of a prompt after its last end token, which ended an earlier message.
fn behind_end_token<'t>(vocabulary: &Vocabulary, prompt: &'t str) -> &'t str {
    let names = vocabulary.eos().iter().filter_map(|&eos| vocabulary.name(eos));
    let ends = names.filter_map(|name| Some(prompt.rfind(name)? + name.len()));
    &prompt[ends.max().unwrap_or(0)..]
}
