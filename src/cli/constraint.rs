//! The options that set the constraint of an output, and the grammar that they compile to.

use std::path::{Path, PathBuf};

use super::command_error::CommandError;
use super::effect::{GivenOptions, Need};
use super::input;
use super::number::{parse_whole_number, range_parser};
use super::policy::policy_parser;
use hedgerow::CompileError;
use hedgerow::engine::Constraint;
use hedgerow::grammar::{CompileErrorKind, Grammar, KeyOrder};
use hedgerow::schema::{
    self, AdditionalProperties, ContentEncoding, Draft, EscapePolicy, FormatPolicy, Numbers, SchemaOptions,
    SchemaWarning, Strictness, UniqueKeys, UnknownFormat, Whitespace,
};
use hedgerow::syntax::regex::{self, Dialect};
use hedgerow::syntax::{Notation, choice, lark};
use hedgerow::tags;
use hedgerow::vocab::Vocabulary;

/// The options of [`ConstraintArgs`], for errors.
pub(super) const CONSTRAINT_OPTIONS: &str =
    "--schema FILE, --regex PATTERN, --grammar FILE, --choice TEXT, --structural-tag FILE";

/// The constraint of the output.
#[derive(Debug, clap::Args)]
#[group(id = "constraint", multiple = false)]
pub(super) struct ConstraintArgs {
    /// The output is a JSON value that satisfies the JSON Schema in FILE (`-` is standard input)
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
    /// The whole output matches a regular expression
    #[arg(long, value_name = "PATTERN")]
    pub regex: Option<String>,
    /// The whole output follows the grammar in FILE (`-` is standard input); its extension says the
    /// notation
    #[arg(long, value_name = "FILE")]
    pub grammar: Option<PathBuf>,
    /// The output is one of these texts (repeat the option)
    #[arg(long, value_name = "TEXT")]
    pub choice: Vec<String>,
    /// The output is text with schemas and grammars in it, as the structural tag in FILE says (`-`
    /// is standard input)
    #[arg(long, value_name = "FILE")]
    pub structural_tag: Option<PathBuf>,
}

/// A constraint over a vocabulary.
#[derive(Debug, clap::Args)]
pub(super) struct VocabularyConstraintArgs {
    /// The tokens: a tokenizer.json, tekken.json, SentencePiece model or GGUF file, or a model's
    /// folder with one of them
    #[arg(long, value_name = "PATH")]
    vocab: PathBuf,
    #[command(flatten)]
    constraint: ConstraintArgs,
}

impl VocabularyConstraintArgs {
    /// Reads the constraint and the vocabulary. `given` are the options of the command line.
    pub fn load(&self, policy: &PolicyArgs, given: &GivenOptions) -> Result<Constraint, CommandError> {
        given.check(|need| self.constraint.meets(need) && policy.meets(need))?;
        let LoadedConstraint { grammar, has_schemas, .. } = self.constraint.require(policy)?;
        given.check_schema_options(has_schemas)?;
        fit_to_vocabulary(&grammar, &input::read_vocabulary(&self.vocab)?, "the vocabulary")
    }
}

/// Makes a constraint of a grammar over a vocabulary. `name` names the vocabulary in errors.
pub(super) fn fit_to_vocabulary(
    grammar: &Grammar,
    vocabulary: &Vocabulary,
    name: &str,
) -> Result<Constraint, CommandError> {
    Constraint::new(grammar, vocabulary)
        .map_err(|error| CommandError::new(format!("the constraint does not fit {name}")).because(&error))
}

/// The options for reading schemas, patterns and grammars.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Constraint details")]
pub(super) struct PolicyArgs {
    /// Order of an object's declared keys [default: declared]
    #[arg(long, value_parser = policy_parser(KeyOrder::ALL, KeyOrder::name))]
    pub key_order: Option<KeyOrder>,
    /// Whitespace between JSON tokens: up to 64 bytes, without limit, none, or one item a line
    /// [default: flexible]
    #[arg(long, value_parser = ["flexible", "unlimited", "compact", PRETTY])]
    pub whitespace: Option<String>,
    /// Spaces a level under --whitespace pretty, at most 16 [default: 2]
    #[arg(long, value_name = "N", value_parser = range_parser(0..=16_u8))]
    pub indent: Option<u8>,
    /// Exactly these between items and behind keys, and no other whitespace (Python writes ', ' and
    /// ': ')
    #[arg(long, num_args = 2, value_names = ["COMMA", "COLON"], conflicts_with = "whitespace")]
    pub separators: Option<Vec<String>>,
    /// Whitespace between JSON tokens, as a regular expression in Rust's syntax
    #[arg(long, value_name = "PATTERN", conflicts_with = "whitespace", conflicts_with = "separators")]
    pub whitespace_pattern: Option<String>,
    /// Keys of objects that no part of the schema names: allowed as the schema says, or forbidden
    #[arg(long, default_value_t, value_parser = policy_parser(AdditionalProperties::ALL, AdditionalProperties::name))]
    pub additional_properties: AdditionalProperties,
    /// Spelling of strings: all escapes in free strings but only the required ones in keys, `enum`
    /// and `const`; all everywhere; only the required ones; all but \uXXXX
    /// [default: free-strings]
    #[arg(long, value_parser = policy_parser(EscapePolicy::ALL, EscapePolicy::name))]
    pub escapes: Option<EscapePolicy>,
    /// Undeclared keys that come twice in one object: refused, or allowed
    #[arg(long, default_value_t, value_parser = policy_parser(UniqueKeys::ALL, UniqueKeys::name))]
    pub unique_keys: UniqueKeys,
    /// Spelling of numbers: whole numbers without fraction, or as `1.0` as well
    #[arg(long, default_value_t, value_parser = policy_parser(Numbers::ALL, Numbers::name))]
    pub numbers: Numbers,
    /// Effect of `format`: an assertion about known formats, or an annotation
    #[arg(long, default_value_t, value_parser = policy_parser(FormatPolicy::ALL, FormatPolicy::name))]
    pub format: FormatPolicy,
    /// Effect of `contentEncoding`: an assertion about base64, or an annotation
    #[arg(long, default_value_t, value_parser = policy_parser(ContentEncoding::ALL, ContentEncoding::name))]
    pub content_encoding: ContentEncoding,
    /// Effect of a `format` that is not known: a warning, or an error
    #[arg(long, default_value_t, value_parser = policy_parser(UnknownFormat::ALL, UnknownFormat::name))]
    pub unknown_format: UnknownFormat,
    /// Rules of schemas that do not name theirs with `$schema` [default: 2020-12 with older
    /// spellings]
    #[arg(long, value_name = "DRAFT", value_parser = policy_parser(named_drafts(), Draft::name))]
    pub default_draft: Option<Draft>,
    /// A document that `$ref` may name (repeat the option); FILE may be - for standard input;
    /// nothing is ever fetched
    #[arg(long, value_name = "URI=FILE")]
    pub documents: Vec<String>,
    /// Largest number of steps that combining a schema's parts may take
    #[arg(long, value_name = "STEPS", default_value_t = SchemaOptions::DEFAULT_FUEL, value_parser = parse_whole_number::<u64>)]
    pub fuel: u64,
    /// Allow whitespace before and after the JSON text, at most 64 bytes each
    #[arg(long)]
    pub surrounding_whitespace: bool,
    /// Cap the characters of strings for which the schema sets no greatest length; such a cap gives
    /// way to what the schema demands [default: no cap]
    #[arg(long, value_name = "N", value_parser = parse_whole_number::<u32>)]
    pub max_string_length: Option<u32>,
    /// Cap the items of arrays for which the schema sets no greatest number [default: no cap]
    #[arg(long, value_name = "N", value_parser = parse_whole_number::<u32>)]
    pub max_items: Option<u32>,
    /// Cap the digits of numbers, each of those before the point, after it and in the exponent
    /// [default: no cap]
    #[arg(long, value_name = "N", value_parser = range_parser(1..=u32::MAX))]
    pub max_digits: Option<u32>,
    /// Effect of a keyword that cannot be enforced: an error, or a warning
    #[arg(long, default_value_t, value_parser = policy_parser(Strictness::ALL, Strictness::name))]
    pub strictness: Strictness,
    /// Syntax of --regex: JavaScript's, as in JSON Schema, or that of Rust's regex crate
    #[arg(long, default_value_t, value_parser = policy_parser(Dialect::ALL, Dialect::name))]
    pub regex_dialect: Dialect,
    /// Notation of --grammar [default: as the file's extension says]
    #[arg(long, value_parser = policy_parser(Notation::ALL, Notation::name))]
    pub grammar_notation: Option<Notation>,
    /// Rule that outputs of a --grammar in Lark's notation start from [default: start]
    #[arg(long, value_name = "RULE")]
    pub start: Option<String>,
    /// Folder of the grammars that a --grammar in Lark's notation imports from: `a.b` is
    /// DIR/a/b.lark
    #[arg(long, value_name = "DIR")]
    pub import_dir: Option<PathBuf>,
}

/// The value of --whitespace for one item a line.
const PRETTY: &str = "pretty";

/// The drafts that an option can name.
fn named_drafts() -> &'static [Draft] {
    Draft::ALL.strip_suffix(&[Draft::Unspecified]).unwrap_or(Draft::ALL)
}

/// A compiled constraint, and what messages about its outputs need to know of it.
#[derive(Debug)]
pub(super) struct LoadedConstraint {
    pub grammar: Grammar,
    /// The schema of the whole output, if there is one.
    pub schema: Option<SchemaFile>,
    /// True if a part of the output has a schema, so that options such as `--max-items` apply.
    pub has_schemas: bool,
    /// True if the output may be free text, which a limit on tokens may cut anywhere.
    pub allows_free_text: bool,
    /// True for a list of choices.
    pub is_list: bool,
    /// The texts around reasoning, if the model may reason.
    pub reasoning: Option<ReasoningMarks>,
}

/// The texts around reasoning, such as `<think>` and `</think>`.
#[derive(Debug)]
pub(super) struct ReasoningMarks {
    pub begin: String,
    pub end: String,
    /// True if the prompt ends with the beginning of reasoning.
    pub begins_in_prompt: bool,
}

impl ReasoningMarks {
    /// True if an output ends within reasoning.
    pub fn is_reasoning_open(&self, text: &str) -> bool {
        match text.contains(&self.begin) {
            true => ends_within(text, &self.begin, &self.end),
            false => self.begins_in_prompt && !text.contains(&self.end),
        }
    }
}

/// True if a text ends behind `begin` and before the `end` that belongs to it.
pub(super) fn ends_within(text: &str, begin: &str, end: &str) -> bool {
    text.rfind(begin).is_some_and(|at| !text[at..].contains(end))
}

impl LoadedConstraint {
    /// A constraint of which nothing but the grammar is known.
    pub fn from_grammar(grammar: Grammar) -> Self {
        Self {
            grammar,
            schema: None,
            has_schemas: false,
            allows_free_text: false,
            is_list: false,
            reasoning: None,
        }
    }
}

/// The text of a schema, where it came from, and the options with which it was compiled.
#[derive(Debug)]
pub(super) struct SchemaFile {
    pub path: PathBuf,
    pub text: String,
    pub options: SchemaOptions,
}

impl ConstraintArgs {
    /// True if there is a constraint, and it is no schema.
    pub fn is_given_without_schema(&self) -> bool {
        let Self { schema: _, regex, grammar, choice, structural_tag } = self;
        regex.is_some() || grammar.is_some() || !choice.is_empty() || structural_tag.is_some()
    }

    /// Describes the constraint in words: the path of its file, or its kind.
    pub fn describe(&self) -> String {
        let file = self.schema.as_ref().or(self.grammar.as_ref()).or(self.structural_tag.as_ref());
        match (file, &self.regex) {
            (Some(path), _) => path.display().to_string(),
            (None, Some(_)) => "the regular expression".to_owned(),
            (None, None) => "the list of choices".to_owned(),
        }
    }

    /// True if the constraint meets a need. Needs that concern no constraint count as met.
    pub fn meets(&self, need: Need) -> bool {
        match need {
            Need::Constraint => self.is_given(),
            // A grammar may have schemas in it, which is known when it has been read.
            Need::Schema => self.schema.is_some() || self.structural_tag.is_some() || self.grammar.is_some(),
            Need::Regex => self.regex.is_some(),
            Need::Grammar => self.grammar.is_some(),
            _ => true,
        }
    }

    /// True if there is a constraint.
    pub fn is_given(&self) -> bool {
        let files = [&self.schema, &self.grammar, &self.structural_tag];
        files.iter().any(|file| file.is_some()) || self.regex.is_some() || !self.choice.is_empty()
    }

    /// Compiles the constraint that the options give; `None` if they give none.
    pub fn load(&self, policy: &PolicyArgs) -> Result<Option<LoadedConstraint>, CommandError> {
        self.load_with(policy, UnusedDocuments::Named)
    }

    /// Does the same as [`load`](Self::load), and treats unused documents of a schema as asked.
    pub fn load_with(
        &self,
        policy: &PolicyArgs,
        unused: UnusedDocuments,
    ) -> Result<Option<LoadedConstraint>, CommandError> {
        if let Some(path) = &self.schema {
            return policy.compile_schema(path, input::read_source(path, "schema")?, unused).map(Some);
        }
        if let Some(pattern) = &self.regex {
            let grammar = regex::compile(pattern, policy.regex_dialect).map_err(|error| {
                CommandError::new("cannot compile the regular expression").because(&error)
            })?;
            return Ok(Some(LoadedConstraint::from_grammar(grammar)));
        }
        if let Some(path) = &self.grammar {
            return policy.load_grammar(path).map(Some);
        }
        if let Some(path) = &self.structural_tag {
            return policy.load_structural_tag(path).map(Some);
        }
        if self.choice.is_empty() {
            return Ok(None);
        }
        let grammar = choice::compile(&self.choice)
            .map_err(|error| CommandError::new("cannot compile the choices").because(&error))?;
        Ok(Some(LoadedConstraint { is_list: true, ..LoadedConstraint::from_grammar(grammar) }))
    }

    /// Compiles the constraint that the options give; an error if they give none.
    pub fn require(&self, policy: &PolicyArgs) -> Result<LoadedConstraint, CommandError> {
        self.load(policy)?.ok_or_else(|| {
            CommandError::usage("no constraint given").help(format!("give one of {CONSTRAINT_OPTIONS}"))
        })
    }
}

/// True if the format allows free text without any tag. A limit on tokens may cut such text
/// anywhere.
fn is_free_text(format: &tags::Format) -> bool {
    use tags::Format;

    match format {
        Format::Text(_) | Format::Dispatch(_) => true,
        Format::Triggered(tags) => !tags.at_least_one,
        Format::Marked { content, .. } => is_free_text(content),
        Format::Or(parts) => parts.iter().any(is_free_text),
        _ => false,
    }
}

/// The treatment of documents of `--documents` to which a schema does not refer.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum UnusedDocuments {
    /// A warning names them.
    Named,
    /// Tools are compiled together with the schema, and may refer to them. The warnings of the
    /// tools name those to which neither refers.
    LeftToTools,
}

/// Prints warnings about a file to stderr.
pub(super) fn print_warnings(path: &Path, warnings: &[SchemaWarning]) {
    for line in group_warnings(warnings) {
        write_stderr!("warning: {}: {line}", path.display());
    }
}

/// Groups warnings by message. Each group becomes a line with its keywords, the number of its
/// places, and the first of them.
fn group_warnings(warnings: &[SchemaWarning]) -> Vec<String> {
    let mut kinds: Vec<(&SchemaWarning, Vec<&str>, Vec<&str>)> = Vec::new();
    for warning in warnings {
        match kinds.iter_mut().find(|(first, ..)| first.message == warning.message) {
            Some((_, keywords, places)) => {
                if !keywords.contains(&&*warning.keyword) {
                    keywords.push(&warning.keyword);
                }
                places.push(&warning.pointer);
            }
            None => kinds.push((warning, vec![&warning.keyword], vec![&warning.pointer])),
        }
    }
    let line = |(warning, keywords, places): &(&SchemaWarning, Vec<&str>, Vec<&str>)| match places.len() {
        1 => warning.to_string(),
        count => {
            let keywords: Vec<String> = keywords.iter().map(|keyword| format!("`{keyword}`")).collect();
            let (keywords, places) = (first_few(&keywords), first_few(places));
            format!("{keywords} {} ({count} places: {places})", warning.message)
        }
    };
    kinds.iter().map(line).collect()
}

/// Lists the first few of some names: "a, b, c, …".
fn first_few(names: &[impl AsRef<str>]) -> String {
    /// Largest number of names in the list.
    const MAX_NAMES: usize = 3;
    let first: Vec<&str> = names.iter().take(MAX_NAMES).map(AsRef::as_ref).collect();
    let more = if names.len() > MAX_NAMES { ", …" } else { "" };
    format!("{}{more}", first.join(", "))
}

impl PolicyArgs {
    /// Compiles the text of a schema that comes from `path`.
    pub fn compile_schema(
        &self,
        path: &Path,
        text: String,
        unused: UnusedDocuments,
    ) -> Result<LoadedConstraint, CommandError> {
        let options = self.schema_options()?;
        let (grammar, mut warnings) = schema::compile_with_warnings(&text, &options)
            .map_err(|error| self.compile_error(&format!("the schema `{}`", path.display()), &error))?;
        if unused == UnusedDocuments::LeftToTools {
            let names = |uri: &String, warning: &SchemaWarning| warning.pointer == format!("{uri}#");
            warnings.retain(|warning| !options.documents.keys().any(|uri| names(uri, warning)));
        }
        print_warnings(path, &warnings);
        Ok(LoadedConstraint {
            schema: Some(SchemaFile { path: path.to_owned(), text, options }),
            has_schemas: true,
            ..LoadedConstraint::from_grammar(grammar)
        })
    }

    /// The error of a schema, or of tools or a structural tag, which have schemas in them. `what`
    /// names it.
    pub fn compile_error(&self, what: &str, error: &CompileError) -> CommandError {
        let failure = CommandError::new(format!("cannot compile {what}"));
        match error.kind() {
            CompileErrorKind::Unsupported => {
                failure.because(error).help("--strictness lenient ignores what cannot be enforced")
            }
            CompileErrorKind::Option => self.whitespace_error(error),
            _ => failure.because(error),
        }
    }

    /// The error of an option about whitespace. All other options of schemas were checked when they
    /// were parsed.
    fn whitespace_error(&self, error: &CompileError) -> CommandError {
        let option = match (&self.separators, &self.whitespace_pattern) {
            (Some(_), _) => "--separators",
            (None, Some(_)) => "--whitespace-pattern",
            (None, None) => "--whitespace",
        };
        CommandError::usage(format!("{option} is not usable")).because(error)
    }

    /// Compiles the structural tag in a file.
    pub fn load_structural_tag(&self, path: &Path) -> Result<LoadedConstraint, CommandError> {
        let text = input::read_source(path, "structural tag")?;
        let options = tags::TagOptions::default().schema(self.schema_options()?);
        let compiled = tags::parse(&text)
            .and_then(|tag| Ok((tags::compile_with_warnings(&tag, &options)?, is_free_text(&tag.format))));
        let ((grammar, warnings), allows_free_text) = compiled.map_err(|error| {
            self.compile_error(&format!("the structural tag `{}`", path.display()), &error)
        })?;
        print_warnings(path, &warnings);
        Ok(LoadedConstraint {
            has_schemas: true,
            allows_free_text,
            ..LoadedConstraint::from_grammar(grammar)
        })
    }

    /// Compiles the grammar in a file.
    pub fn load_grammar(&self, path: &Path) -> Result<LoadedConstraint, CommandError> {
        let notation = match self.grammar_notation {
            Some(notation) => notation,
            None => {
                let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
                Notation::of_extension(extension).ok_or_else(|| {
                    let what = format!("cannot tell the notation of the grammar `{}`", path.display());
                    let names: Vec<&str> = Notation::ALL.iter().map(|n| n.name()).collect();
                    CommandError::usage(what)
                        .help(format!("say it with --grammar-notation ({})", names.join(", ")))
                })?
            }
        };
        let of_lark = [("--start", self.start.is_some()), ("--import-dir", self.import_dir.is_some())];
        let of_lark = of_lark.iter().find(|(_, is_given)| *is_given);
        if let Some((option, _)) = of_lark.filter(|_| notation != Notation::Lark) {
            let what = format!("{option} has no effect on a grammar in the notation {notation}");
            return Err(CommandError::usage(what)
                .help(format!("leave it out; it is for grammars in the notation {}", Notation::Lark)));
        }
        let text = input::read_source(path, "grammar")?;
        let mut has_schemas = false;
        let compiled = match notation {
            Notation::Lark => {
                let options = self.lark_options(&text)?.schema(self.schema_options()?);
                let mut texts = options.modules.iter().map(|(_, module)| module).chain([&text]);
                has_schemas = texts.any(|text| text.contains("%json"));
                lark::compile_with_warnings(&text, &options)
            }
            notation => notation.compile_with_warnings(&text),
        };
        let (grammar, warnings) = compiled
            .map_err(|error| self.compile_error(&format!("the grammar `{}`", path.display()), &error))?;
        print_warnings(path, &warnings);
        Ok(LoadedConstraint { has_schemas, ..LoadedConstraint::from_grammar(grammar) })
    }

    /// Reads the options of a grammar in Lark's notation: its start rule, and the files that the
    /// grammar `text` and its imports import.
    fn lark_options(&self, text: &str) -> Result<lark::Options, CommandError> {
        let mut options = lark::Options::default();
        if let Some(start) = &self.start {
            options = options.start(start);
        }
        let Some(folder) = &self.import_dir else { return Ok(options) };
        std::fs::read_dir(folder).map_err(|error| {
            CommandError::new(format!("cannot read the folder of --import-dir, `{}`", folder.display()))
                .because(&error)
        })?;
        let mut known = std::collections::HashSet::new();
        let mut work = vec![(String::new(), text.to_owned())];
        while let Some((name, text)) = work.pop() {
            // Errors in the text are reported when it is compiled.
            for module in lark::imports(&text, &name).unwrap_or_default() {
                let path = folder.join(module.replace('.', "/")).with_extension("lark");
                if !known.insert(module.clone()) || (module == "common" && !path.exists()) {
                    continue;
                }
                let text = input::read_source(&path, "grammar")?;
                options = options.module(module.clone(), text.clone());
                work.push((module, text));
            }
        }
        Ok(options)
    }

    /// Converts the options for the library. Reads the files of `--documents`.
    pub fn schema_options(&self) -> Result<SchemaOptions, CommandError> {
        self.schema_options_over(SchemaOptions::default())
    }

    /// Converts the options for the library, over the defaults in `base`. Reads the files of
    /// `--documents`.
    pub fn schema_options_over(&self, base: SchemaOptions) -> Result<SchemaOptions, CommandError> {
        let whitespace = match (&self.separators, &self.whitespace_pattern, self.whitespace.as_deref()) {
            (Some(texts), ..) => Whitespace::Exact { item: texts[0].clone(), key: texts[1].clone() },
            (_, Some(pattern), _) => Whitespace::Pattern(pattern.clone()),
            (.., Some("unlimited")) => Whitespace::Unlimited,
            (.., Some("compact")) => Whitespace::Compact,
            (.., Some(PRETTY)) => Whitespace::Pretty(self.indent.unwrap_or(2)),
            (.., Some(_)) => Whitespace::Flexible,
            (.., None) => base.whitespace.clone(),
        };
        let (key_order, escapes) = (base.key_order, base.escapes);
        let mut options = base
            .key_order(self.key_order.unwrap_or(key_order))
            .whitespace(whitespace)
            .additional_properties(self.additional_properties)
            .escapes(self.escapes.unwrap_or(escapes))
            .unique_keys(self.unique_keys)
            .numbers(self.numbers)
            .format(self.format)
            .content_encoding(self.content_encoding)
            .unknown_format(self.unknown_format)
            .default_draft(self.default_draft.unwrap_or_default())
            .strictness(self.strictness)
            .fuel(self.fuel)
            .surrounding_whitespace(self.surrounding_whitespace);
        options.max_string_length = self.max_string_length;
        options.max_items = self.max_items;
        options.max_digits = self.max_digits;
        self.documents.iter().try_fold(options, |options, document| {
            let Some((uri, file)) = document.rsplit_once('=') else {
                return Err(CommandError::usage(format!("--documents `{document}` is not URI=FILE")));
            };
            // An empty fragment is no part of a document's URI.
            let uri = uri.strip_suffix('#').unwrap_or(uri);
            if options.documents.contains_key(uri) {
                return Err(CommandError::usage(format!("--documents gives `{uri}` twice"))
                    .help("a document has one URI; leave one of the two out"));
            }
            Ok(options.document(uri, input::read_source(Path::new(file), "document")?))
        })
    }

    /// True if these options meet a need. Needs that concern other options count as met.
    pub fn meets(&self, need: Need) -> bool {
        match need {
            Need::Pretty => self.whitespace.as_deref() == Some(PRETTY),
            Need::Assertion => self.format == FormatPolicy::Assert,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_is_open_until_its_last_end() {
        let marks = |begins_in_prompt| ReasoningMarks {
            begin: "<think>".to_owned(),
            end: "</think>".to_owned(),
            begins_in_prompt,
        };
        for (text, begins_in_prompt, allows_free_text) in [
            ("", false, false),
            ("", true, true),
            ("so", true, true),
            ("so</think>yes", true, false),
            ("<think>so", false, true),
            ("<think>so</think>yes", false, false),
            ("<think>a</think>b<think>c", false, true),
        ] {
            assert_eq!(
                marks(begins_in_prompt).is_reasoning_open(text),
                allows_free_text,
                "{text} {begins_in_prompt}"
            );
        }
    }
}
