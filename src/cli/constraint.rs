//! The options that say what an output may be, and the grammar they make.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::failure::Failure;
use super::input;
use hedgerow::grammar::{Grammar, KeyOrder};
use hedgerow::schema::{self, SchemaOptions, Strictness, Whitespace};
use hedgerow::syntax::{choice, regex};

/// What the output must be.
#[derive(Debug, clap::Args)]
#[group(id = "constraint", multiple = false)]
pub(super) struct ConstraintArgs {
    /// The output is a JSON value that satisfies the JSON Schema in FILE (`-` is standard input)
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
    /// The whole output matches a regular expression
    #[arg(long, value_name = "PATTERN")]
    pub regex: Option<String>,
    /// The output is one of these texts (repeat the option)
    #[arg(long, value_name = "TEXT")]
    pub choice: Vec<String>,
}

/// How schemas and patterns are read.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Constraint details")]
pub(super) struct PolicyArgs {
    /// Order of an object's declared keys
    #[arg(long, value_enum, default_value_t = Keys::Declared)]
    pub key_order: Keys,
    /// Whitespace between JSON tokens: up to 64 bytes, without limit, none, or two spaces a level
    #[arg(long, value_enum, default_value_t = Spaces::Flexible)]
    pub whitespace: Spaces,
    /// Ignore keywords that cannot be enforced, instead of refusing the schema
    #[arg(long)]
    pub lenient: bool,
    /// Syntax of --regex: JavaScript's, as in JSON Schema, or that of Rust's regex crate
    #[arg(long, value_enum, default_value_t = Dialect::Ecma)]
    pub regex_dialect: Dialect,
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
pub(super) enum Dialect {
    Ecma,
    Rust,
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
    /// The grammar asked for, if one was.
    pub fn load(&self, policy: &PolicyArgs) -> Result<Option<Loaded>, Failure> {
        if let Some(path) = &self.schema {
            return policy.load_schema(path).map(Some);
        }
        if let Some(pattern) = &self.regex {
            let dialect = match policy.regex_dialect {
                Dialect::Ecma => regex::Dialect::Ecma262,
                Dialect::Rust => regex::Dialect::Rust,
            };
            let grammar = regex::compile(pattern, dialect)
                .map_err(|error| Failure::usage("--regex is not usable").because(&error))?;
            return Ok(Some(Loaded { grammar, schema: None }));
        }
        if self.choice.is_empty() {
            return Ok(None);
        }
        let grammar = choice::compile(&self.choice)
            .map_err(|error| Failure::usage("--choice is not usable").because(&error))?;
        Ok(Some(Loaded { grammar, schema: None }))
    }

    /// The grammar asked for, by a command that needs one.
    pub fn require(&self, policy: &PolicyArgs) -> Result<Loaded, Failure> {
        self.load(policy)?.ok_or_else(|| {
            Failure::usage("no constraint given")
                .help("give one of --schema FILE, --regex PATTERN, --choice TEXT")
        })
    }
}

impl PolicyArgs {
    /// Compiles the schema in a file.
    pub fn load_schema(&self, path: &Path) -> Result<Loaded, Failure> {
        let text = input::read_text(path, "schema")?;
        let (grammar, warnings) = schema::compile_with_warnings(&text, &self.options()).map_err(|error| {
            let failure = Failure::new(format!("cannot compile the schema `{}`", path.display()));
            let failure = failure.because(&error);
            match error {
                schema::SchemaError::Unsupported { .. } => {
                    failure.help("--lenient ignores what cannot be enforced")
                }
                _ => failure,
            }
        })?;
        for warning in warnings {
            eprintln!("warning: {}: {warning}", path.display());
        }
        Ok(Loaded { grammar, schema: Some(SchemaFile { path: path.to_owned(), text }) })
    }

    fn options(&self) -> SchemaOptions {
        SchemaOptions::default()
            .key_order(match self.key_order {
                Keys::Declared => KeyOrder::Declared,
                Keys::Any => KeyOrder::Any,
            })
            .whitespace(match self.whitespace {
                Spaces::Flexible => Whitespace::Flexible,
                Spaces::Unlimited => Whitespace::Unlimited,
                Spaces::Compact => Whitespace::Compact,
                Spaces::Pretty => Whitespace::Pretty(2),
            })
            .strictness(if self.lenient { Strictness::Lenient } else { Strictness::Strict })
    }
}
