//! Generation in one expression: a model with its tokenizer and chat template, and a prompt.
//!
//! [`TextModel`] is the interface of such a model. `torch::Model` has it, and
#![cfg_attr(feature = "tokenizers", doc = "[`Tokenized`] gives it to any other [`LanguageModel`].")]
#![cfg_attr(not(feature = "tokenizers"), doc = "`Tokenized` gives it to any other [`LanguageModel`].")]

use std::ops::ControlFlow;

use super::batch::Batch;
use super::error::DecodeError;
use super::model::LanguageModel;
use super::prompt::{Prompt, PromptEncoder, PromptError};
use super::request::{Chunk, Generation, Request};
use super::strategy::Strategy;
use crate::engine::Constraint;
use crate::sampling::{SamplingError, SamplingParams};

/// The reason why [`Generate::run`] failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// A prompt that could not be turned into tokens.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// A failure of the decoding loop.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// A language model that reads and writes text.
pub trait TextModel: PromptEncoder {
    /// The type of the language model.
    type Model: LanguageModel;

    /// The language model.
    fn language_model(&self) -> &Self::Model;

    /// The sampling parameters of [`generate`](Self::generate) where the caller sets none.
    ///
    /// # Errors
    /// A [`SamplingError`] if the model's files recommend parameters that have no meaning.
    fn default_sampling(&self) -> Result<SamplingParams, SamplingError> {
        Ok(SamplingParams::default())
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
    /// [`GenerateError::Prompt`] as [`PromptEncoder::prompt_tokens`], [`GenerateError::Decode`] as
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
