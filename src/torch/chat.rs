//! The tokens of a chat: the model's own chat template, rendered and tokenised.

use super::model::Model;
use crate::decode::{ChatInput, ChatTemplate, ChatTemplateError, Message};
use crate::vocab::{TokenId, VocabularyError};

/// The reason for which no prompt could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// A system message for a model without a chat template.
    #[error("this model has no chat template, which a system message needs; leave the system message out")]
    NoTemplate,
    /// Messages that the model's chat template rejects.
    #[error("cannot put the messages into the model's chat template: {0}")]
    Template(#[from] ChatTemplateError),
    /// A text that could not be tokenised.
    #[error("cannot make tokens of the prompt: {0}")]
    Tokens(#[source] VocabularyError),
}

impl Model {
    /// The tokens of one message of the user in the model's chat template, after a system message
    /// if there is one. The model's answer comes next. A model without a template continues `user`
    /// as it is.
    ///
    /// `now` is the time, in seconds since 1970, for templates that print the date.
    ///
    /// # Errors
    /// [`PromptError::NoTemplate`] for a system message without a template;
    /// [`PromptError::Template`] or [`PromptError::Tokens`] if the messages cannot be rendered or
    /// tokenised.
    pub fn chat_tokens(
        &self,
        system: Option<&str>,
        user: &str,
        now: Option<i64>,
    ) -> Result<Vec<TokenId>, PromptError> {
        let Some(template) = self.chat_template() else {
            if system.is_some() {
                return Err(PromptError::NoTemplate);
            }
            return self.tokenizer().encode_prompt(user).map_err(PromptError::Tokens);
        };
        let system = system.map(|text| Message::new("system", text));
        let mut input = ChatInput::new(system.into_iter().chain([Message::new("user", user)]));
        if let Some(bos) = self.bos_token() {
            input = input.variable("bos_token", bos);
        }
        let eos = self.vocabulary().eos().first().and_then(|&eos| self.vocabulary().name(eos));
        if let Some(eos) = eos {
            input = input.variable("eos_token", eos);
        }
        if let Some(now) = now {
            input = input.now(now);
        }
        let text = ChatTemplate::new(template)?.render(&input)?;
        self.tokenizer().encode(&text).map_err(PromptError::Tokens)
    }
}
