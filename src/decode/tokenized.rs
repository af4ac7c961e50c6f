//! Any language model together with a tokenizer.

use serde_json::{Map, Value as Json};

use super::chat_templates::ChatTemplates;
use super::model::LanguageModel;
use super::prompt::PromptEncoder;
use super::text_model::TextModel;
use crate::vocab::{TextTokenizer, TokenId, Vocabulary, VocabularyError};

/// A language model with the tokenizer that belongs to it, and a chat template if it has one.
///
/// ```no_run
/// use hedgerow::decode::{LanguageModel, Prompt, TextModel, Tokenized};
/// use hedgerow::vocab::TextTokenizer;
/// use hedgerow::Vocabulary;
///
/// fn greet(model: impl LanguageModel) -> Result<(), Box<dyn std::error::Error>> {
///     let json = std::fs::read("tokenizer.json")?;
///     let vocabulary = Vocabulary::from_tokenizer_json(&json)?;
///     let vocabulary = vocabulary.with_model_size(model.vocab_size())?;
///     let tokenizer = TextTokenizer::from_tokenizer_json(&json)?;
///     let model = Tokenized::new(model, vocabulary, tokenizer);
///     println!("{}", model.generate(Prompt::text("Hello,")).max_tokens(20).run()?.text());
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Tokenized<M> {
    model: M,
    vocabulary: Vocabulary,
    tokenizer: TextTokenizer,
    templates: ChatTemplates,
    template_variables: Map<String, Json>,
}

impl<M> Tokenized<M> {
    /// A model with its vocabulary and tokenizer, and without a chat template.
    pub fn new(model: M, vocabulary: Vocabulary, tokenizer: TextTokenizer) -> Self {
        let templates = ChatTemplates::default();
        Self { model, vocabulary, tokenizer, templates, template_variables: Map::new() }
    }

    /// Sets the chat template of all conversations.
    #[must_use]
    pub fn with_chat_template(self, template: impl Into<String>) -> Self {
        self.with_chat_templates(ChatTemplates::new(template))
    }

    /// Sets the chat templates.
    #[must_use]
    pub fn with_chat_templates(self, templates: ChatTemplates) -> Self {
        Self { templates, ..self }
    }

    /// Sets a variable of the chat template, such as `bos_token`.
    #[must_use]
    pub fn with_template_variable(mut self, name: impl Into<String>, value: impl Into<Json>) -> Self {
        self.template_variables.insert(name.into(), value.into());
        self
    }
}

impl<M: LanguageModel> TextModel for Tokenized<M> {
    type Model = M;

    fn language_model(&self) -> &M {
        &self.model
    }
}

impl<M> PromptEncoder for Tokenized<M> {
    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn encode(&self, text: &str) -> Result<Vec<TokenId>, VocabularyError> {
        self.tokenizer.encode(text)
    }

    fn encode_prompt(&self, text: &str) -> Result<Vec<TokenId>, VocabularyError> {
        self.tokenizer.encode_prompt(text)
    }

    fn chat_templates(&self) -> &ChatTemplates {
        &self.templates
    }

    fn template_variables(&self) -> Map<String, Json> {
        self.template_variables.clone()
    }
}
