//! The options about tools, and `hedgerow tools`: the format in which a model writes calls.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::command_error::{CommandError, check_stdout};
use super::constraint::{
    LoadedConstraint, PolicyArgs, ReasoningMarks, SchemaFile, ends_within, print_warnings,
};
use super::input;
use hedgerow::CompileError;
use hedgerow::decode::{ChatTemplate, ChatTemplates, DetectedFormat, Prompt};
use hedgerow::gguf::GgufFile;
use hedgerow::tags::{Preset, ToolChoice, ToolOptions, Tools};

/// The tools that the model may call.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Tools")]
pub(super) struct ToolArgs {
    /// Tools that the model may call: a list in JSON, as chat APIs take it (`-` reads standard
    /// input). Arguments have their keys in any order, at most 2 bytes of whitespace between tokens
    /// and no \uXXXX, unless options say otherwise. With --schema, an answer that is no call
    /// satisfies the schema
    #[arg(long, value_name = "FILE", conflicts_with_all = ["regex", "grammar", "choice", "structural_tag"])]
    pub tools: Option<PathBuf>,
    /// Calls that the reply has: `auto`, `none`, `required`, a tool's name, or a choice in JSON as
    /// chat APIs take it [default: auto]
    #[arg(long, value_name = "CHOICE")]
    pub tool_choice: Option<String>,
    /// Format of calls: a name that `hedgerow tools list` shows, a file with a format, or that of
    /// the model's chat template (`auto`, for `generate`) [default: auto]
    #[arg(long, value_name = "NAME|FILE")]
    pub tool_format: Option<String>,
    /// At most one call in a reply
    #[arg(long)]
    pub one_call: bool,
}

/// The value of `--tool-choice` and `--tool-format` where it is not given.
const AUTO: &str = "auto";

impl ToolArgs {
    /// Reads the tools of `--tools`. `reasons` is true if `--reasoning-budget` needs the format of
    /// calls, so that `--tool-format` has an effect without tools.
    pub fn load(&self, reasons: bool) -> Result<Option<Tools>, CommandError> {
        let Some(path) = &self.tools else { return self.refuse_options_of_calls(reasons).map(|()| None) };
        let text = input::read_source(path, "list of tools")?;
        let tools = Tools::from_json(&text).map_err(|error| {
            CommandError::new(format!("cannot use the tools `{}`", path.display())).because(&error)
        })?;
        if tools.is_empty() {
            let what = format!("the list of --tools, `{}`, has no tool", path.display());
            return Err(CommandError::new(what).help("name at least one, or leave out --tools"));
        }
        Ok(Some(tools))
    }

    /// Reads the tools of `--tools` and puts them into the prompt. Without that option, the tools
    /// are those of the conversation. `is_constrained` is true if another constraint leaves no room
    /// for calls. `reasons` is as for [`load`](Self::load).
    pub fn load_with_prompt(
        &self,
        prompt: &mut Prompt,
        is_constrained: bool,
        reasons: bool,
    ) -> Result<Option<Tools>, CommandError> {
        let own = match prompt {
            Prompt::Chat(input) => std::mem::take(&mut input.tools),
            _ => Vec::new(),
        };
        let tools = match (&self.tools, own.as_slice()) {
            (_, []) => self.load(reasons)?,
            (Some(_), _) => {
                return Err(CommandError::usage("the conversation of --messages has tools of its own")
                    .help("leave out --tools, or the `tools` of the conversation"));
            }
            (None, own) => {
                let tools = Tools::from_json(&serde_json::json!(own).to_string());
                Some(tools.map_err(|error| {
                    CommandError::new("cannot use the tools of --messages").because(&error)
                })?)
            }
        };
        let Some(tools) = tools else { return Ok(None) };
        if let Prompt::Chat(input) = prompt {
            input.tools = tools.for_template().to_vec();
        }
        if self.tools.is_none() && is_constrained {
            write_stderr!(
                "note: the tools of --messages do not constrain the output: another constraint does"
            );
            return self.refuse_options_of_calls(reasons).map(|()| None);
        }
        Ok(Some(tools))
    }

    /// Refuses options about calls, because there are no tools.
    fn refuse_options_of_calls(&self, reasons: bool) -> Result<(), CommandError> {
        let given = [
            ("--tool-choice", self.tool_choice.is_some()),
            ("--tool-format", self.tool_format.is_some() && !reasons),
            ("--one-call", self.one_call),
        ];
        match given.iter().find(|(_, is_given)| *is_given) {
            None => Ok(()),
            Some((option, _)) => {
                let what = format!("{option} has no effect without tools, or with another constraint");
                Err(CommandError::usage(what).help("give tools with --tools FILE"))
            }
        }
    }

    /// True if the options allow calls.
    pub fn may_call(&self) -> bool {
        !matches!(self.choice(), Ok(ToolChoice::None))
    }

    /// True if no option asks for tools or calls. The tools of a conversation may then be left out
    /// of the constraint.
    pub fn are_calls_optional(&self) -> bool {
        let choice = self.tool_choice.as_deref().unwrap_or(AUTO);
        self.tools.is_none() && choice == AUTO && !self.one_call
    }

    /// Refuses a `--tool-choice` that cannot be read, or that names a tool which is not in `tools`.
    pub fn check_choice(&self, tools: Option<&Tools>) -> Result<(), CommandError> {
        let choice = self.choice()?;
        if self.one_call && choice == ToolChoice::None {
            return Err(CommandError::usage("--one-call has no effect with --tool-choice none")
                .help("leave one of them out"));
        }
        tools.map_or(Ok(()), |tools| tools.check_choice(&choice)).map_err(|error| tool_choice_error(&error))
    }

    /// Parses the value of `--tool-choice`.
    fn choice(&self) -> Result<ToolChoice, CommandError> {
        self.tool_choice.as_deref().unwrap_or(AUTO).parse().map_err(|error| tool_choice_error(&error))
    }

    /// The library's options, as the command line sets them.
    fn tool_options(&self) -> Result<ToolOptions, CommandError> {
        let options = ToolOptions::default().choice(self.choice()?);
        Ok(if self.one_call { options.calls(1) } else { options })
    }

    /// Compiles the grammar of replies. An answer that is no call satisfies `response`, if there is
    /// such a schema. `policy` has the options of all schemas.
    pub fn compile_replies(
        &self,
        tools: &Tools,
        preset: &Preset,
        response: Option<SchemaFile>,
        policy: &PolicyArgs,
        prompt_end: String,
    ) -> Result<LoadedConstraint, CommandError> {
        let mut options = self.tool_options()?.prompt_end(prompt_end);
        options.schema = policy.schema_options_over(options.schema)?;
        options.response = response.map(|schema| schema.text);
        let compiled = tools.grammar_with_warnings(preset, &options);
        let (grammar, mut warnings) = compiled.map_err(|error| policy.compile_error("the tools", &error))?;
        // Those of --schema were printed when it was read.
        warnings.retain(|warning| !warning.pointer.starts_with("#/response"));
        print_warnings(self.tools.as_deref().unwrap_or(Path::new("tools")), &warnings);
        let allows_free_text = options.response.is_none() && !options.choice.is_required();
        let has_schemas = options.response.is_some() || self.may_call();
        let reasoning = preset.reasoning().map(|(begin, end)| ReasoningMarks {
            begin: begin.to_owned(),
            end: end.to_owned(),
            begins_in_prompt: ends_within(&options.prompt_end, begin, end),
        });
        Ok(LoadedConstraint {
            has_schemas,
            allows_free_text,
            reasoning,
            ..LoadedConstraint::from_grammar(grammar)
        })
    }

    /// Reads the format that `--tool-format` names; `None` for `auto`.
    pub fn named_format(&self) -> Result<Option<Preset>, CommandError> {
        match self.tool_format.as_deref().unwrap_or(AUTO) {
            AUTO => Ok(None),
            name if name.ends_with(".json") || name.contains('/') => {
                let text = input::read_source(Path::new(name), "format of calls")?;
                Preset::from_json(&text).map(Some).map_err(|error| {
                    CommandError::new(format!("cannot use the format of calls `{name}`")).because(&error)
                })
            }
            name => Preset::named(name)
                .map(Some)
                .map_err(|error| CommandError::usage("--tool-format is not usable").because(&error)),
        }
    }
}

/// The error of a `--tool-choice` that cannot be used.
fn tool_choice_error(error: &CompileError) -> CommandError {
    CommandError::usage("--tool-choice is not usable").because(error)
}

/// The preset of a detected format; an error with the reason if no preset was detected.
pub(super) fn require_preset(found: DetectedFormat) -> Result<Preset, CommandError> {
    let help = "name the format with --tool-format; `hedgerow tools list` shows all";
    match found {
        DetectedFormat { preset: Some(preset), .. } => Ok(preset),
        DetectedFormat { written, fault, .. } => {
            let failure = CommandError::new("the model's chat template proves no format of calls");
            Err(match (fault, written.is_empty()) {
                (Some(fault), true) => failure.help(format!("it fails: {fault}; {help}")),
                (_, true) => failure.help(format!("it writes no calls; {help}")),
                (_, false) => failure.help(format!("it writes {written:?}, which no format does; {help}")),
            })
        }
    }
}

const AFTER_HELP: &str = "\
`detect` lets a chat template write an answer with calls. The format that writes the same text is the model's: \
its name goes to stdout, and --tool-format of other commands takes it.

Exit codes:
  0  done; for `detect`, a format is found
  1  none is found, or the command failed
  2  the command line makes no sense

Examples:
  hedgerow tools list
  hedgerow tools detect chat_template.jinja
  hedgerow tools detect model-folder/
  hedgerow tools detect model.gguf";

/// Shows the formats in which models call tools, and finds the one of a chat template
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Shows all formats of calls: their names, models, and how they were verified
    List,
    /// Finds the format of calls that a chat template proves
    Detect {
        /// A chat template, or what has one: a model's folder, its tokenizer_config.json, or a GGUF
        /// file
        #[arg(value_name = "PATH")]
        template: PathBuf,
    },
}

pub(super) fn run(args: &Args) -> Result<ExitCode, CommandError> {
    let mut out = std::io::stdout();
    match &args.command {
        Command::List => {
            for preset in Preset::all() {
                let how = if preset.is_verified() { "verified" } else { "unverified" };
                let models = preset.models().join(", ");
                check_stdout(writeln!(out, "{preset}: {models}\n  {how}: {}", preset.verification()))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Detect { template } => {
            let text = read_template(template)?;
            let compiled = ChatTemplate::new(&text).map_err(|error| {
                CommandError::new(format!("cannot read the chat template `{}`", template.display()))
                    .because(&error)
            })?;
            let variables = [("bos_token", "<s>"), ("eos_token", "</s>")];
            let variables = variables.map(|(name, value)| (name.to_owned(), value.into()));
            let found = compiled.detect_tool_format(&variables.into_iter().collect());
            let Some(preset) = &found.preset else {
                require_preset(found)?;
                return Ok(ExitCode::from(super::EXIT_NEGATIVE));
            };
            check_stdout(writeln!(out, "{preset}"))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Reads the chat template for conversations with tools, from a file or the folder of a model.
fn read_template(path: &Path) -> Result<String, CommandError> {
    let missing = || CommandError::new(format!("there is no chat template in `{}`", path.display()));
    let config = |text: &str| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
    let templates = if path.is_dir() {
        let read = |name: &str| {
            let file = path.join(name);
            if file.is_file() { input::read_text(&file, "chat template").map(Some) } else { Ok(None) }
        };
        let settings = read("tokenizer_config.json")?.and_then(|text| config(&text).ok());
        ChatTemplates::from_folder(&settings.unwrap_or_default(), read)?
    } else {
        let bytes = input::read(path, "chat template")?;
        if bytes.starts_with(b"GGUF") {
            let file = GgufFile::parse(&bytes).map_err(|error| missing().because(&error))?;
            let text = |key: &str| file.str(key).map(|text| text.map(str::to_owned));
            ChatTemplates::from_gguf(text).map_err(|error| missing().because(&error))?
        } else {
            let text = String::from_utf8(bytes).map_err(|error| missing().because(&error))?;
            match config(&text) {
                Ok(settings) => ChatTemplates::from_config(&settings),
                Err(_) => ChatTemplates::new(text),
            }
        }
    };
    templates.for_tools().map(str::to_owned).ok_or_else(missing)
}
