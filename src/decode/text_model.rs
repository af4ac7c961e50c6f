//! Generation in one expression: a model with its tokenizer and chat template, and a prompt.
//!
//! [`TextModel`] is the interface of such a model. `torch::Model` has it, and
#![cfg_attr(feature = "tokenizers", doc = "[`Tokenized`] gives it to any other [`LanguageModel`].")]
#![cfg_attr(not(feature = "tokenizers"), doc = "`Tokenized` gives it to any other [`LanguageModel`].")]

use std::ops::ControlFlow;

use serde_json::{Map, Value as Json};

use super::batch::Batch;
use super::chat_error::ChatTemplateError;
use super::chat_input::{ChatInput, Message};
use super::chat_template::ChatTemplate;
use super::chat_templates::ChatTemplates;
use super::error::DecodeError;
use super::model::LanguageModel;
use super::request::{Chunk, Generation, Request};
use super::strategy::Strategy;
use super::tool_format::DetectedFormat;
use crate::engine::Constraint;
use crate::sampling::{SamplingError, SamplingParams};
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
    #[error("this model has no chat template, which a conversation needs; give the prompt as one text")]
    NoTemplate,
    /// Messages that the model's chat template rejects.
    #[error("cannot put the messages into the model's chat template: {0}")]
    Template(#[from] ChatTemplateError),
    /// A text that could not be tokenised.
    #[error("cannot make tokens of the prompt: {0}")]
    Tokens(#[source] VocabularyError),
}

/// The reason for which [`Generate::run`] failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// A prompt that could not be made tokens.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// A failure of the decoding loop.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// A language model with its vocabulary, tokenizer and chat template.
pub trait TextModel {
    /// The type of the language model.
    type Model: LanguageModel;

    /// The language model.
    fn language_model(&self) -> &Self::Model;

    /// The vocabulary, as long as the model's rows of logits.
    fn vocabulary(&self) -> &Vocabulary;

    /// The tokens of a text in which special tokens stand by their names.
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

    /// The sampling parameters of [`generate`](Self::generate) where the caller sets none.
    ///
    /// # Errors
    /// A [`SamplingError`] if the model's files recommend parameters that have no meaning.
    fn default_sampling(&self) -> Result<SamplingParams, SamplingError> {
        Ok(SamplingParams::default())
    }

    /// The tokens of a prompt.
    ///
    /// A model without a chat template continues the text of a single message of the user.
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
                [only] if only.role() == "user" && input.tools.is_empty() => {
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

    /// The beginning of the answer that the prompt already has: the text that the chat template
    /// writes after the last message, or the assistant's message that is continued. Of a prompt
    /// that is no conversation it is the text behind the last end token. It is the
    /// [`prompt_end`](crate::tags::ToolOptions::prompt_end) of a reply with tools.
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

    /// The format in which the model writes calls, as far as its chat template
    /// [proves](ChatTemplate::detect_tool_format) it: that of conversations with tools.
    ///
    /// # Errors
    /// [`PromptError::NoTemplate`]; [`PromptError::Template`] for an invalid template.
    fn tool_format(&self) -> Result<DetectedFormat, PromptError> {
        let template = ChatTemplate::new(self.chat_templates().for_tools().ok_or(PromptError::NoTemplate)?)?;
        let variables = self.template_input(&ChatInput::default()).variables;
        Ok(template.detect_tool_format(&variables))
    }

    /// A request to continue `prompt`, which [`Generate::run`] carries out. Its sampling begins
    /// with [`default_sampling`](Self::default_sampling).
    ///
    /// ```
    /// use hedgerow::decode::{GenerateError, Prompt, TextModel};
    /// use hedgerow::Constraint;
    ///
    /// fn ask(model: &impl TextModel, question: &str) -> Result<String, GenerateError> {
    ///     let yes_or_no = Constraint::choice(&["yes", "no"], model.vocabulary()).unwrap();
    ///     let made = model.generate(Prompt::user(question)).constraint(yes_or_no).run()?;
    ///     Ok(made.text().to_owned())
    /// }
    /// ```
    fn generate(&self, prompt: impl Into<Prompt>) -> Generate<'_, Self>
    where
        Self: Sized,
    {
        let (sampling, fault) = match self.default_sampling() {
            Ok(sampling) => (sampling, None),
            Err(fault) => (SamplingParams::default(), Some(fault)),
        };
        let request = Request::new(Vec::new()).sampling(sampling);
        Generate { model: self, prompt: prompt.into(), request, fault, on_chunk: None }
    }
}

/// The part of a prompt behind its last end token, which ended an earlier message.
fn behind_end_token<'t>(vocabulary: &Vocabulary, prompt: &'t str) -> &'t str {
    let names = vocabulary.eos().iter().filter_map(|&eos| vocabulary.name(eos));
    let ends = names.filter_map(|name| Some(prompt.rfind(name)? + name.len()));
    &prompt[ends.max().unwrap_or(0)..]
}

/// A prompt for a model, with the parameters of a [`Request`].
#[must_use = "nothing is generated before `run`"]
pub struct Generate<'a, T> {
    model: &'a T,
    prompt: Prompt,
    request: Request,
    /// The fault of the model's default sampling, unless the caller replaced all of it.
    fault: Option<SamplingError>,
    on_chunk: Option<OnChunk<'a>>,
}

type OnChunk<'a> = Box<dyn FnMut(Chunk<'_>) -> ControlFlow<()> + 'a>;

impl<'a, T: TextModel> Generate<'a, T> {
    /// Sets the constraint of the outputs. Default none.
    pub fn constraint(self, constraint: Constraint) -> Self {
        self.with(|request| request.constraint(constraint))
    }

    /// Sets the largest number of tokens of an output. Default: as many as the context holds.
    pub fn max_tokens(self, tokens: usize) -> Self {
        self.sample_with(|sampling| sampling.max_tokens(tokens))
    }

    /// Sets the temperature; at 0 the most probable token is taken. Default: the model's, or 1.
    pub fn temperature(self, temperature: f32) -> Self {
        self.sample_with(|sampling| sampling.temperature(temperature))
    }

    /// Sets the seed of the random numbers. Default 0: the same call gives the same output.
    pub fn seed(self, seed: u64) -> Self {
        self.sample_with(|sampling| sampling.seed(seed))
    }

    /// Sets all sampling parameters, those of the methods above and the model's own included.
    pub fn sampling(self, sampling: SamplingParams) -> Self {
        Self { fault: None, ..self }.with(|request| request.sampling(sampling))
    }

    /// Sets the texts that end an output. Default none.
    pub fn stop(self, stop: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        self.with(|request| request.stop(stop))
    }

    /// Sets the number of outputs. Default 1.
    pub fn completions(self, completions: usize) -> Self {
        self.with(|request| request.completions(completions))
    }

    /// Sets the strategy. Default [`Strategy::Sample`].
    pub fn strategy(self, strategy: Strategy) -> Self {
        self.with(|request| request.strategy(strategy))
    }

    /// Asks for events and for a parsed reply, see [`Request::reply`](Request#structfield.reply).
    pub fn reply(self) -> Self {
        self.with(Request::reply)
    }

    /// Changes any part of the request but its prompt, such as its drafts:
    /// `.with(|request| request.draft(draft))`.
    pub fn with(self, change: impl FnOnce(Request) -> Request) -> Self {
        Self { request: change(self.request), ..self }
    }

    fn sample_with(self, change: impl FnOnce(SamplingParams) -> SamplingParams) -> Self {
        self.with(|mut request| {
            request.sampling = change(request.sampling);
            request
        })
    }

    /// Calls `on_chunk` with each new part of the outputs.
    pub fn stream(self, mut on_chunk: impl FnMut(Chunk<'_>) + 'a) -> Self {
        self.stream_until(move |chunk| {
            on_chunk(chunk);
            ControlFlow::Continue(())
        })
    }

    /// Calls `on_chunk` with each new part of the outputs, until it returns `Break`, which cancels
    /// the request.
    pub fn stream_until(self, on_chunk: impl FnMut(Chunk<'_>) -> ControlFlow<()> + 'a) -> Self {
        Self { on_chunk: Some(Box::new(on_chunk)), ..self }
    }

    /// Generates the outputs.
    ///
    /// # Errors
    /// [`GenerateError::Prompt`] as [`TextModel::prompt_tokens`], [`GenerateError::Decode`] as
    /// [`Batch::run`] and for a fault of [`TextModel::default_sampling`].
    pub fn run(self) -> Result<Generation, GenerateError> {
        let Self { model, prompt, mut request, fault, mut on_chunk } = self;
        if let Some(fault) = fault {
            return Err(DecodeError::from(fault).into());
        }
        request.prompt = model.prompt_tokens(&prompt)?;
        let batch = Batch::new(model.language_model(), model.vocabulary())?;
        Ok(batch.run(request, |chunk| match &mut on_chunk {
            Some(on_chunk) => on_chunk(chunk),
            None => ControlFlow::Continue(()),
        })?)
    }
}

impl<T> std::fmt::Debug for Generate<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Generate");
        shown.field("prompt", &self.prompt).field("request", &self.request).finish_non_exhaustive()
    }
}
