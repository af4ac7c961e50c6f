//! A constraint in one step from the text that describes it: a JSON Schema, a pattern, a grammar,
//! or a list of strings.
//!
//! Each constructor compiles the text into a [`Grammar`] and ties the grammar to a vocabulary. A
//! program that ties one grammar to several vocabularies, or sets [`Limits`](super::Limits), takes
//! the two steps itself.

use super::constraint::Constraint;
use super::error::EngineError;
use crate::grammar::{CompileError, Grammar};
use crate::schema::{self, SchemaOptions};
use crate::syntax::regex::{self, Dialect};
use crate::syntax::{Notation, choice, lark};
use crate::tags::{self, Preset, TagOptions, ToolOptions, Tools};
use crate::vocab::Vocabulary;

/// The reason why a text gave no constraint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConstraintError {
    /// The text gives no grammar: it has a fault, asks for what cannot be enforced, or no output
    /// satisfies it.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The vocabulary and the grammar do not go together.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Constraint {
    /// Outputs are JSON texts that satisfy a JSON Schema, given as text, with default
    /// [`SchemaOptions`].
    ///
    /// ```
    /// use hedgerow::{Constraint, Vocabulary};
    ///
    /// let vocabulary = Vocabulary::from_byte_list((0..=255).map(|byte| vec![byte]).collect())?;
    /// let schema = r#"{
    ///     "type": "object",
    ///     "properties": {"age": {"type": "integer"}},
    ///     "required": ["age"]
    /// }"#;
    /// let mut matcher = Constraint::json_schema(schema, &vocabulary)?.matcher();
    /// assert!(matcher.advance_bytes(br#"{"age": 36}"#)? && matcher.is_accepting());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ConstraintError::Compile`], [`ConstraintError::Engine`].
    pub fn json_schema(text: &str, vocabulary: &Vocabulary) -> Result<Self, ConstraintError> {
        Self::json_schema_with(text, vocabulary, &SchemaOptions::default())
    }

    /// Outputs are JSON texts that satisfy a JSON Schema, spelt and ordered as `options` say.
    ///
    /// ```
    /// use hedgerow::schema::Whitespace;
    /// use hedgerow::{Constraint, SchemaOptions, Vocabulary};
    ///
    /// let vocabulary = Vocabulary::from_byte_list((0..=255).map(|byte| vec![byte]).collect())?;
    /// let compact = SchemaOptions::default().whitespace(Whitespace::Compact);
    /// let schema = r#"{"type": "array"}"#;
    /// let constraint = Constraint::json_schema_with(schema, &vocabulary, &compact)?;
    /// assert!(!constraint.matcher().advance_bytes(b"[1, 2]")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`json_schema`](Self::json_schema).
    pub fn json_schema_with(
        text: &str,
        vocabulary: &Vocabulary,
        options: &SchemaOptions,
    ) -> Result<Self, ConstraintError> {
        tie(&schema::compile(text, options)?, vocabulary)
    }

    /// Outputs are what a regular expression matches from the first byte to the last, in Rust's
    /// dialect.
    ///
    /// ```
    /// use hedgerow::{Constraint, Vocabulary};
    ///
    /// let vocabulary = Vocabulary::from_byte_list((0..=255).map(|byte| vec![byte]).collect())?;
    /// let mut matcher = Constraint::regex(r"[A-Z]{3}-\d{4}", &vocabulary)?.matcher();
    /// assert!(matcher.advance_bytes(b"ABC-2026")? && matcher.is_accepting());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ConstraintError::Compile`], [`ConstraintError::Engine`].
    pub fn regex(pattern: &str, vocabulary: &Vocabulary) -> Result<Self, ConstraintError> {
        Self::regex_with(pattern, vocabulary, Dialect::Rust)
    }

    /// Outputs are what a regular expression of `dialect` matches from the first byte to the last.
    ///
    /// # Errors
    /// As [`regex`](Self::regex).
    pub fn regex_with(
        pattern: &str,
        vocabulary: &Vocabulary,
        dialect: Dialect,
    ) -> Result<Self, ConstraintError> {
        tie(&regex::compile(pattern, dialect)?, vocabulary)
    }

    /// The output is one of the given strings.
    ///
    /// ```
    /// use hedgerow::{Constraint, Vocabulary};
    ///
    /// let tokens = ["y", "es", "no"].map(|token| token.as_bytes().to_vec());
    /// let vocabulary = Vocabulary::from_byte_list(tokens.to_vec())?;
    /// let mut matcher = Constraint::choice(&["yes", "no"], &vocabulary)?.matcher();
    /// assert_eq!(matcher.mask()?.iter().map(|token| token.0).collect::<Vec<_>>(), [0, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ConstraintError::Compile`], [`ConstraintError::Engine`].
    pub fn choice<S: AsRef<str>>(choices: &[S], vocabulary: &Vocabulary) -> Result<Self, ConstraintError> {
        tie(&choice::compile(choices)?, vocabulary)
    }

    /// Outputs are the texts of a grammar in one of the [notations](Notation).
    ///
    /// ```
    /// use hedgerow::syntax::Notation;
    /// use hedgerow::{Constraint, Vocabulary};
    ///
    /// let vocabulary = Vocabulary::from_byte_list((0..=255).map(|byte| vec![byte]).collect())?;
    /// let list = r#"root ::= "[" (root ("," root)*)? "]""#;
    /// let mut matcher = Constraint::grammar_text(Notation::Gbnf, list, &vocabulary)?.matcher();
    /// assert!(matcher.advance_bytes(b"[[],[[]]]")? && matcher.is_accepting());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ConstraintError::Compile`], [`ConstraintError::Engine`].
    pub fn grammar_text(
        notation: Notation,
        text: &str,
        vocabulary: &Vocabulary,
    ) -> Result<Self, ConstraintError> {
        tie(&notation.compile(text)?, vocabulary)
    }

    /// Outputs are the texts of a grammar in Lark's notation, from the start rule of `options` on.
    /// Modules that the grammar imports are in `options`, too.
    ///
    /// ```
    /// use hedgerow::syntax::lark;
    /// use hedgerow::{Constraint, Vocabulary};
    ///
    /// let vocabulary = Vocabulary::from_byte_list((0..=255).map(|byte| vec![byte]).collect())?;
    /// let options = lark::Options::default().start("sum").module("digits", "INT: /[0-9]+/");
    /// let sums = "sum: INT (\"+\" INT)*\n%import digits.INT";
    /// let mut matcher = Constraint::lark_with(sums, &vocabulary, &options)?.matcher();
    /// assert!(matcher.advance_bytes(b"1+23")? && matcher.is_accepting());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`grammar_text`](Self::grammar_text).
    pub fn lark_with(
        text: &str,
        vocabulary: &Vocabulary,
        options: &lark::Options,
    ) -> Result<Self, ConstraintError> {
        tie(&lark::compile_with(text, options)?, vocabulary)
    }

    /// Outputs are free text, schemas and grammars between markers, as a structural tag says; see
    /// [`tags`](crate::tags).
    ///
    /// ```
    /// use hedgerow::{Constraint, Vocabulary};
    ///
    /// let vocabulary = Vocabulary::from_byte_list((0..=255).map(|byte| vec![byte]).collect())?;
    /// let tag = r#"{"format": {"type": "tag", "begin": "<n>", "end": "</n>",
    ///     "content": {"type": "json_schema", "json_schema": {"type": "integer"}}}}"#;
    /// let mut matcher = Constraint::structural_tag(tag, &vocabulary)?.matcher();
    /// assert!(matcher.advance_bytes(b"<n>36</n>")? && matcher.is_accepting());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ConstraintError::Compile`], [`ConstraintError::Engine`].
    pub fn structural_tag(text: &str, vocabulary: &Vocabulary) -> Result<Self, ConstraintError> {
        Self::structural_tag_with(text, vocabulary, &TagOptions::default())
    }

    /// Outputs are what a structural tag says, whose schemas have the options of `options`.
    ///
    /// # Errors
    /// As [`structural_tag`](Self::structural_tag).
    pub fn structural_tag_with(
        text: &str,
        vocabulary: &Vocabulary,
        options: &TagOptions,
    ) -> Result<Self, ConstraintError> {
        tie(&tags::compile(&tags::parse(text)?, options)?, vocabulary)
    }
}

impl Constraint {
    /// Outputs are replies that may call tools, in a preset's format; see
    /// [`Tools`](crate::tags::Tools).
    ///
    /// ```
    /// use hedgerow::tags::{Preset, Tools};
    /// use hedgerow::{Constraint, Vocabulary};
    ///
    /// let vocabulary = Vocabulary::from_byte_list((0..=255).map(|byte| vec![byte]).collect())?;
    /// let tools = Tools::from_json(r#"[{"name": "now", "parameters": {"type": "object"}}]"#)?;
    /// let constraint = Constraint::tools(&tools, &Preset::named("mistral")?, &vocabulary)?;
    /// let mut matcher = constraint.matcher();
    /// assert!(matcher.advance_bytes(b"Well: [TOOL_CALLS]now[ARGS]{}")? && matcher.is_accepting());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ConstraintError::Compile`], [`ConstraintError::Engine`].
    pub fn tools(tools: &Tools, preset: &Preset, vocabulary: &Vocabulary) -> Result<Self, ConstraintError> {
        Self::tools_with(tools, preset, vocabulary, &ToolOptions::default())
    }

    /// Outputs are replies that may call tools, with the choices of `options`.
    ///
    /// # Errors
    /// As [`tools`](Self::tools).
    pub fn tools_with(
        tools: &Tools,
        preset: &Preset,
        vocabulary: &Vocabulary,
        options: &ToolOptions,
    ) -> Result<Self, ConstraintError> {
        tie(&tools.grammar(preset, options)?, vocabulary)
    }
}

fn tie(grammar: &Grammar, vocabulary: &Vocabulary) -> Result<Constraint, ConstraintError> {
    Ok(Constraint::new(grammar, vocabulary)?)
}
