//! The options that say what an output may be, and the grammar they make.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::command_error::CommandError;
use super::input;
use hedgerow::grammar::{CompileErrorKind, Grammar, KeyOrder};
use hedgerow::schema::{
    self, AdditionalProperties, ContentEncoding, EscapePolicy, FormatPolicy, SchemaOptions, SchemaWarning,
    Strictness, UniqueKeys, UnknownFormat, Whitespace,
};
use hedgerow::syntax::{self, choice, lark, regex};
use hedgerow::tags;

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

/// The kinds of constraints with which an option about schemas is in conflict.
///
/// Such an option already requires `--schema`, but clap does not enforce this if another kind is
/// given. So the option names the conflict as well.
const NOT_SCHEMA: [&str; 3] = ["regex", "grammar", "choice"];
const NOT_REGEX: [&str; 3] = ["schema", "grammar", "choice"];
const NOT_GRAMMAR: [&str; 3] = ["schema", "regex", "choice"];

/// The options for reading schemas, patterns and grammars.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Constraint details")]
pub(super) struct PolicyArgs {
    /// Order of an object's declared keys
    #[arg(long, value_enum, default_value_t = Keys::Declared, requires = "schema", conflicts_with_all = NOT_SCHEMA)]
    pub key_order: Keys,
    /// Whitespace between JSON tokens: up to 64 bytes, without limit, none, or one item a line
    #[arg(long, value_enum, default_value_t = Spaces::Flexible, requires = "schema", conflicts_with_all = NOT_SCHEMA)]
    pub whitespace: Spaces,
    /// Spaces a level under --whitespace pretty, at most 16
    #[arg(long, value_name = "N", default_value_t = 2, requires = "schema", conflicts_with_all = NOT_SCHEMA)]
    pub indent: u8,
    /// Exactly these between items and behind keys, and no other whitespace (Python writes ', ' and
    /// ': ')
    #[arg(long, num_args = 2, value_names = ["COMMA", "COLON"], requires = "schema", conflicts_with = "whitespace", conflicts_with_all = NOT_SCHEMA)]
    pub separators: Option<Vec<String>>,
    /// What a regular expression (Rust's syntax) matches as whitespace between JSON tokens
    #[arg(long, value_name = "PATTERN", requires = "schema", conflicts_with = "whitespace", conflicts_with = "separators", conflicts_with_all = NOT_SCHEMA)]
    pub whitespace_pattern: Option<String>,
    /// Whether objects may have keys that no part of the schema names
    #[arg(long, value_enum, default_value_t = Additional::AsSchema, requires = "schema", conflicts_with_all = NOT_SCHEMA)]
    pub additional_properties: Additional,
    /// Spelling of strings: all escapes in free strings but only the required ones in keys, `enum`
    /// and `const`; all everywhere; only the required ones; all but \uXXXX
    #[arg(long, value_enum, default_value_t = Escapes::FreeStrings, requires = "schema", conflicts_with_all = NOT_SCHEMA)]
    pub escapes: Escapes,
    /// Let an undeclared key come twice in one object
    #[arg(long, requires = "schema", conflicts_with_all = NOT_SCHEMA)]
    pub repeated_keys: bool,
    /// Spelling of numbers: whole numbers without fraction, or as `1.0` as well
    #[arg(long, value_enum, default_value_t = Numbers::Canonical, requires = "schema", conflicts_with_all = NOT_SCHEMA)]
    pub numbers: Numbers,
    /// Treat `format` as an annotation
    #[arg(long, requires = "schema", conflicts_with_all = NOT_SCHEMA)]
    pub ignore_format: bool,
    /// Treat `contentEncoding` as an annotation
    #[arg(long, requires = "schema", conflicts_with_all = NOT_SCHEMA)]
    pub ignore_content_encoding: bool,
    /// Refuse schemas with a `format` that is not known, instead of warning
    #[arg(long, requires = "schema", conflicts_with = "ignore_format", conflicts_with_all = NOT_SCHEMA)]
    pub refuse_unknown_format: bool,
    /// Rules of schemas that do not name theirs with `$schema` [default: 2020-12 with older
    /// spellings]
    #[arg(long, value_enum, hide_default_value = true, default_value_t = Draft::Unspecified, requires = "schema", conflicts_with_all = NOT_SCHEMA)]
    pub schema_draft: Draft,
    /// A document that `$ref` may name (repeat the option); nothing is ever fetched
    #[arg(long, value_name = "URI=FILE", requires = "schema", conflicts_with_all = NOT_SCHEMA)]
    pub document: Vec<String>,
    /// Steps that combining a schema's parts may take
    #[arg(long, value_name = "STEPS", default_value_t = SchemaOptions::DEFAULT_FUEL, requires = "schema", conflicts_with_all = NOT_SCHEMA)]
    pub fuel: u64,
    /// Ignore keywords that cannot be enforced, instead of refusing the schema
    #[arg(long, requires = "schema", conflicts_with_all = NOT_SCHEMA)]
    pub lenient: bool,
    /// Syntax of --regex: JavaScript's, as in JSON Schema, or that of Rust's regex crate
    #[arg(long, value_enum, default_value_t = Dialect::Ecma, requires = "regex", conflicts_with_all = NOT_REGEX)]
    pub regex_dialect: Dialect,
    /// Notation of --grammar [default: as the file's extension says]
    #[arg(long, value_enum, requires = "grammar", conflicts_with_all = NOT_GRAMMAR)]
    pub grammar_notation: Option<Notation>,
    /// Rule that outputs of a --grammar in Lark's notation start from [default: start]
    #[arg(long, value_name = "RULE", requires = "grammar", conflicts_with_all = NOT_GRAMMAR)]
    pub start: Option<String>,
    /// Folder of the grammars that a --grammar in Lark's notation imports from: `a.b` is
    /// DIR/a/b.lark
    #[arg(long, value_name = "DIR", requires = "grammar", conflicts_with_all = NOT_GRAMMAR)]
    pub import_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Keys {
    Declared,
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Spaces {
    Flexible,
    Unlimited,
    Compact,
    Pretty,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Additional {
    AsSchema,
    Forbid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Escapes {
    FreeStrings,
    Any,
    Minimal,
    NoUnicode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Numbers {
    Canonical,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Draft {
    #[value(name = "4")]
    Four,
    #[value(name = "6")]
    Six,
    #[value(name = "7")]
    Seven,
    #[value(name = "2019-09")]
    Y2019,
    #[value(name = "2020-12")]
    Y2020,
    #[value(hide = true)]
    Unspecified,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Dialect {
    Ecma,
    Rust,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Notation {
    Gbnf,
    Ebnf,
    Lark,
}

/// A grammar, and the schema it came from.
#[derive(Debug)]
pub(super) struct Loaded {
    pub grammar: Grammar,
    pub schema: Option<SchemaFile>,
}

/// The text of a schema and where it came from.
#[derive(Debug)]
pub(super) struct SchemaFile {
    pub path: PathBuf,
    pub text: String,
}

impl ConstraintArgs {
    /// The constraint in words: the path of its file, or its kind.
    pub fn shown(&self) -> String {
        match (&self.schema, &self.grammar, &self.regex) {
            (Some(path), ..) | (_, Some(path), _) => path.display().to_string(),
            (.., Some(_)) => "the regular expression".to_owned(),
            _ => "the list of choices".to_owned(),
        }
    }

    /// The grammar asked for, if one was.
    pub fn load(&self, policy: &PolicyArgs) -> Result<Option<Loaded>, CommandError> {
        if let Some(path) = &self.schema {
            return policy.load_schema(path).map(Some);
        }
        if let Some(pattern) = &self.regex {
            let dialect = match policy.regex_dialect {
                Dialect::Ecma => regex::Dialect::Ecma262,
                Dialect::Rust => regex::Dialect::Rust,
            };
            let grammar = regex::compile(pattern, dialect)
                .map_err(|error| CommandError::usage("--regex is not usable").because(&error))?;
            return Ok(Some(Loaded { grammar, schema: None }));
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
            .map_err(|error| CommandError::usage("--choice is not usable").because(&error))?;
        Ok(Some(Loaded { grammar, schema: None }))
    }

    /// The grammar asked for, by a command that needs one.
    pub fn require(&self, policy: &PolicyArgs) -> Result<Loaded, CommandError> {
        self.load(policy)?.ok_or_else(|| {
            CommandError::usage("no constraint given")
                .help("give one of --schema FILE, --regex PATTERN, --grammar FILE, --choice TEXT, --structural-tag FILE")
        })
    }
}

/// Warnings as lines, one for each kind: the keyword and the message, the number of places, and the
/// first of them.
fn grouped(warnings: &[SchemaWarning]) -> Vec<String> {
    /// Largest number of places that are named.
    const MOST: usize = 3;
    let mut kinds: Vec<(&SchemaWarning, Vec<&str>)> = Vec::new();
    for warning in warnings {
        let same = |kind: &&mut (&SchemaWarning, Vec<&str>)| {
            (&kind.0.keyword, &kind.0.message) == (&warning.keyword, &warning.message)
        };
        match kinds.iter_mut().find(same) {
            Some((_, places)) => places.push(&warning.pointer),
            None => kinds.push((warning, vec![&warning.pointer])),
        }
    }
    let line = |(warning, places): &(&SchemaWarning, Vec<&str>)| match places.len() {
        1 => warning.to_string(),
        count => {
            let more = if count > MOST { ", …" } else { "" };
            let first = places[..count.min(MOST)].join(", ");
            format!("`{}` {} ({count} places: {first}{more})", warning.keyword, warning.message)
        }
    };
    kinds.iter().map(line).collect()
}

impl PolicyArgs {
    /// Compiles the schema in a file.
    pub fn load_schema(&self, path: &Path) -> Result<Loaded, CommandError> {
        let text = input::read_text(path, "schema")?;
        let (grammar, warnings) =
            schema::compile_with_warnings(&text, &self.options()?).map_err(|error| {
                let failure = CommandError::new(format!("cannot compile the schema `{}`", path.display()));
                let failure = failure.because(&error);
                match error.kind() {
                    CompileErrorKind::Unsupported => {
                        failure.help("--lenient ignores what cannot be enforced")
                    }
                    _ => failure,
                }
            })?;
        for line in grouped(&warnings) {
            eprintln!("warning: {}: {line}", path.display());
        }
        Ok(Loaded { grammar, schema: Some(SchemaFile { path: path.to_owned(), text }) })
    }

    /// Compiles the structural tag in a file.
    pub fn load_structural_tag(&self, path: &Path) -> Result<Loaded, CommandError> {
        let text = input::read_text(path, "structural tag")?;
        let options = tags::TagOptions::default().schema(self.options()?);
        let compiled = tags::parse(&text).and_then(|tag| tags::compile(&tag, &options));
        let grammar = compiled.map_err(|error| {
            CommandError::new(format!("cannot compile the structural tag `{}`", path.display()))
                .because(&error)
        })?;
        Ok(Loaded { grammar, schema: None })
    }

    /// Compiles the grammar in a file.
    pub fn load_grammar(&self, path: &Path) -> Result<Loaded, CommandError> {
        let notation = match self.grammar_notation {
            Some(Notation::Gbnf) => syntax::Notation::Gbnf,
            Some(Notation::Ebnf) => syntax::Notation::Ebnf,
            Some(Notation::Lark) => syntax::Notation::Lark,
            None => {
                let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
                syntax::Notation::of_extension(extension).ok_or_else(|| {
                    let what = format!("cannot tell the notation of the grammar `{}`", path.display());
                    let names: Vec<&str> = syntax::Notation::ALL.iter().map(|n| n.name()).collect();
                    CommandError::usage(what)
                        .help(format!("say it with --grammar-notation ({})", names.join(", ")))
                })?
            }
        };
        let text = input::read_text(path, "grammar")?;
        let compiled = match notation {
            syntax::Notation::Lark => lark::compile_with(&text, &self.lark_options(&text)?),
            notation if self.start.is_none() && self.import_dir.is_none() => notation.compile(&text),
            _ => {
                return Err(CommandError::usage(
                    "--start and --import-dir are for grammars in Lark's notation",
                ));
            }
        };
        let grammar = compiled.map_err(|error| {
            CommandError::new(format!("cannot compile the grammar `{}`", path.display())).because(&error)
        })?;
        Ok(Loaded { grammar, schema: None })
    }

    /// The start rule of the grammar `text`, and the files from which it and its imports import.
    fn lark_options(&self, text: &str) -> Result<lark::Options, CommandError> {
        let mut options = lark::Options::default();
        if let Some(start) = &self.start {
            options = options.start(start);
        }
        let Some(folder) = &self.import_dir else { return Ok(options) };
        let mut known = std::collections::HashSet::new();
        let mut work = vec![(String::new(), text.to_owned())];
        while let Some((name, text)) = work.pop() {
            // Faults of the text are reported when it is compiled.
            for module in lark::imports(&text, &name).unwrap_or_default() {
                let path = folder.join(module.replace('.', "/")).with_extension("lark");
                if !known.insert(module.clone()) || (module == "common" && !path.exists()) {
                    continue;
                }
                let text = input::read_text(&path, "grammar")?;
                options = options.module(module.clone(), text.clone());
                work.push((module, text));
            }
        }
        Ok(options)
    }

    /// The library's options; fails where a document cannot be read.
    pub fn options(&self) -> Result<SchemaOptions, CommandError> {
        let whitespace = match (&self.separators, &self.whitespace_pattern) {
            (Some(texts), _) => Whitespace::Exact { item: texts[0].clone(), key: texts[1].clone() },
            (_, Some(pattern)) => Whitespace::Pattern(pattern.clone()),
            _ => match self.whitespace {
                Spaces::Flexible => Whitespace::Flexible,
                Spaces::Unlimited => Whitespace::Unlimited,
                Spaces::Compact => Whitespace::Compact,
                Spaces::Pretty => Whitespace::Pretty(self.indent),
            },
        };
        let options = SchemaOptions::default()
            .key_order(match self.key_order {
                Keys::Declared => KeyOrder::Declared,
                Keys::Any => KeyOrder::Any,
            })
            .whitespace(whitespace)
            .additional_properties(match self.additional_properties {
                Additional::AsSchema => AdditionalProperties::AsSchema,
                Additional::Forbid => AdditionalProperties::Forbid,
            })
            .escapes(match self.escapes {
                Escapes::FreeStrings => EscapePolicy::FreeStrings,
                Escapes::Any => EscapePolicy::Any,
                Escapes::Minimal => EscapePolicy::Minimal,
                Escapes::NoUnicode => EscapePolicy::NoUnicode,
            })
            .unique_keys(if self.repeated_keys { UniqueKeys::Ignored } else { UniqueKeys::Enforced })
            .numbers(match self.numbers {
                Numbers::Canonical => schema::Numbers::Canonical,
                Numbers::Json => schema::Numbers::Json,
            })
            .format(if self.ignore_format { FormatPolicy::Annotate } else { FormatPolicy::Assert })
            .content_encoding(match self.ignore_content_encoding {
                true => ContentEncoding::Annotate,
                false => ContentEncoding::Assert,
            })
            .unknown_format(match self.refuse_unknown_format {
                true => UnknownFormat::Refuse,
                false => UnknownFormat::Warn,
            })
            .draft(match self.schema_draft {
                Draft::Four => schema::Draft::Four,
                Draft::Six => schema::Draft::Six,
                Draft::Seven => schema::Draft::Seven,
                Draft::Y2019 => schema::Draft::Y2019,
                Draft::Y2020 => schema::Draft::Y2020,
                Draft::Unspecified => schema::Draft::Unspecified,
            })
            .strictness(if self.lenient { Strictness::Lenient } else { Strictness::Strict })
            .fuel(self.fuel);
        self.document.iter().try_fold(options, |options, document| {
            let Some((uri, file)) = document.rsplit_once('=') else {
                return Err(CommandError::usage(format!("--document `{document}` is not URI=FILE")));
            };
            Ok(options.document(uri, input::read_text(Path::new(file), "document")?))
        })
    }
}
