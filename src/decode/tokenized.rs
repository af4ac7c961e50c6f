//! Any language model together with a tokenizer.

use super::model::LanguageModel;
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
    chat_template: Option<String>,
    bos_token: Option<String>,
}

impl<M> Tokenized<M> {
    /// A model with its vocabulary and tokenizer, and without a chat template.
    pub fn new(model: M, vocabulary: Vocabulary, tokenizer: TextTokenizer) -> Self {
        Self { model, vocabulary, tokenizer, chat_template: None, bos_token: None }
    }

    /// Sets the chat template.
    #[must_use]
    pub fn with_chat_template(self, template: impl Into<String>) -> Self {
        Self { chat_template: Some(template.into()), ..self }
    }

    /// Sets the name of the beginning-of-sequence token, for the chat template.
    #[must_use]
    pub fn with_bos_token(self, name: impl Into<String>) -> Self {
        Self { bos_token: Some(name.into()), ..self }
    }
}

impl<M: LanguageModel> TextModel for Tokenized<M> {
    type Model = M;

    fn language_model(&self) -> &M {
        &self.model
    }

    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn encode(&self, text: &str) -> Result<Vec<TokenId>, VocabularyError> {
        self.tokenizer.encode(text)
    }

    fn encode_prompt(&self, text: &str) -> Result<Vec<TokenId>, VocabularyError> {
        self.tokenizer.encode_prompt(text)
    }

    fn chat_template(&self) -> Option<&str> {
        self.chat_template.as_deref()
    }

    fn bos_token(&self) -> Option<&str> {
        self.bos_token.as_deref()
    }
}
