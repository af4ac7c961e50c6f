//! A loaded model as a [`TextModel`]: text in, text out.

use super::model::Model;
use crate::decode::{ChatTemplates, Generate, Prompt, PromptEncoder, TextModel};
use crate::sampling::{SamplingError, SamplingParams};
use crate::vocab::{TokenId, Vocabulary, VocabularyError};
use serde_json::{Map, Value};

impl TextModel for Model {
    type Model = Self;

    fn language_model(&self) -> &Self {
        self
    }

    fn default_sampling(&self) -> Result<SamplingParams, SamplingError> {
        self.default_sampling()
    }
}

impl PromptEncoder for Model {
    fn vocabulary(&self) -> &Vocabulary {
        self.vocabulary()
    }

    fn encode(&self, text: &str) -> Result<Vec<TokenId>, VocabularyError> {
        self.tokenizer().encode(text)
    }

    fn encode_prompt(&self, text: &str) -> Result<Vec<TokenId>, VocabularyError> {
        self.tokenizer().encode_prompt(text)
    }

    fn chat_templates(&self) -> &ChatTemplates {
        self.chat_templates()
    }

    fn template_variables(&self) -> Map<String, Value> {
        self.template_variables().clone()
    }
}

impl Model {
    /// A request to continue `prompt`, which [`Generate::run`] carries out: as
    /// [`TextModel::generate`].
    ///
    /// ```no_run
    /// use hedgerow::decode::Prompt;
    /// use hedgerow::torch::{LoadOptions, Model};
    ///
    /// let model = Model::load("model.gguf", LoadOptions::default())?;
    /// let made = model.generate(Prompt::user("Name a colour.")).max_tokens(10).run()?;
    /// println!("{}", made.text());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn generate(&self, prompt: impl Into<Prompt>) -> Generate<'_, Self> {
        TextModel::generate(self, prompt)
    }
}
