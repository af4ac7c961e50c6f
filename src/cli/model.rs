//! Functions of `generate` about models: loading them with a progress bar, the parts beside them
//! that guess tokens, and their errors.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use super::command_error::CommandError;
use super::sampling::Chosen;
use super::strategy::{Drafter, StrategyArgs};
use hedgerow::decode::{
    Batch, DraftHeads, DynModel, LanguageModel, PromptEncoder, PromptError, check_partner,
};
use hedgerow::torch::{LoadOptions, MedusaHeads, Model, ModelFiles, TorchError};

/// Reads the files of a model except for its weights. `what` names the model in errors.
pub(super) fn open_model(what: &str, path: &Path) -> Result<ModelFiles, CommandError> {
    ModelFiles::open(path).map_err(|error| load_error(what, path, &error))
}

/// Reads the files of a draft model or an amateur, the value of `option`. It must have the same
/// vocabulary as the model.
pub(super) fn open_partner_model(
    what: &'static str,
    option: &str,
    path: &Path,
    model: &ModelFiles,
) -> Result<ModelFiles, CommandError> {
    let partner = open_model(what, path)?;
    check_partner(what, model.vocabulary(), partner.vocabulary())
        .map_err(|error| unusable_file_error(option, path).because(&error))?;
    Ok(partner)
}

/// Loads the weights of a model with a progress bar.
pub(super) fn load_model(what: &str, files: ModelFiles, options: LoadOptions) -> Result<Model, CommandError> {
    let path = files.path().to_owned();
    let bar = progress_bar(0, "loading {bar:30} {bytes} of {total_bytes}");
    let model = Model::from_files(files, options, |progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    });
    bar.finish_and_clear();
    model.map_err(|error| load_error(what, &path, &error))
}

/// The error of a model that cannot be loaded.
fn load_error(what: &str, path: &Path, error: &TorchError) -> CommandError {
    CommandError::new(format!("cannot load the {what} `{}`", path.display())).because(error)
}

/// Checks `--draft` and `--dola`: refuses layers that the model does not have, and a file of draft
/// heads that cannot be opened.
pub(super) fn check_draft_options(strategy: &StrategyArgs, model: &ModelFiles) -> Result<(), CommandError> {
    let skipped = match &strategy.draft {
        Some(Drafter::Skip(layers)) => Some(("--draft skip", layers)),
        Some(Drafter::Medusa(path)) => {
            let what = || format!("cannot read the file of draft heads `{}`", path.display());
            File::open(path).map_err(|error| CommandError::new(what()).because(&error))?;
            None
        }
        _ => None,
    };
    let count = model.layer_count();
    for (option, layers) in skipped.into_iter().chain(strategy.dola.iter().map(|layers| ("--dola", layers))) {
        if let Some(layer) = layers.0.iter().max().filter(|&&layer| layer >= count) {
            return Err(CommandError::usage(format!(
                "{option} names layer {layer}, but the model has {count} layers, numbered from 0"
            )));
        }
    }
    Ok(())
}

/// Makes a progress bar for the tokens of outputs. It is hidden if the outputs are streamed.
pub(super) fn token_progress_bar(most: u64, is_streamed: bool) -> ProgressBar {
    match is_streamed {
        true => ProgressBar::hidden(),
        false => progress_bar(most, "{pos} tokens of at most {len}, {per_sec}"),
    }
}

/// Makes a progress bar on stderr. It is hidden if stderr is not a terminal.
fn progress_bar(length: u64, template: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

/// The sources of guesses beside the model: a draft model, or draft heads. At most one is there.
#[derive(Default)]
pub(super) struct Drafters {
    pub model: Option<DynModel>,
    pub heads: Option<Box<dyn DraftHeads>>,
}

impl Drafters {
    /// Adds the sources to a batch.
    pub fn add_to<M: LanguageModel>(self, mut batch: Batch<M>) -> Batch<M> {
        if let Some(model) = self.model {
            batch = batch.draft_model(model);
        }
        if let Some(heads) = self.heads {
            batch = batch.draft_heads(heads);
        }
        batch
    }
}

/// Loads the source of guesses that `--draft` names. `drafter` has the files of a draft model.
pub(super) fn load_drafters(
    strategy: &StrategyArgs,
    model: &Model,
    drafter: Option<ModelFiles>,
    options: LoadOptions,
) -> Result<Drafters, CommandError> {
    let mut drafters = Drafters::default();
    match &strategy.draft {
        None | Some(Drafter::Ngram { .. }) => {}
        Some(Drafter::Model(_)) => {
            let loaded = drafter.map(|files| load_model("draft model", files, options)).transpose()?;
            drafters.model = loaded.map(DynModel::new);
        }
        Some(Drafter::Skip(layers)) => {
            let skipping = model.skipping_layers(&layers.0);
            let skipping = skipping
                .map_err(|error| CommandError::usage("--draft skip is not usable").because(&error))?;
            drafters.model = Some(DynModel::new(skipping));
        }
        Some(Drafter::Medusa(path)) => {
            let heads = MedusaHeads::load(path, model);
            let heads = heads.map_err(|error| {
                CommandError::new(format!("cannot load the draft heads `{}`", path.display())).because(&error)
            })?;
            drafters.heads = Some(Box::new(heads));
        }
    }
    Ok(drafters)
}

/// Encodes the texts that `bad_words` in a file of parameters forbids, and adds them to the
/// parameters. As in vLLM, a text is also forbidden behind a space, if its first token differs
/// there and the number of tokens does not.
pub(super) fn forbid_words(model: &ModelFiles, chosen: &mut Chosen) {
    let words = chosen.set.as_mut().map_or_else(Vec::new, |set| std::mem::take(&mut set.bad_words));
    for word in words {
        let source = &chosen.source;
        let tokens = |text: &str| model.encode(text).ok().filter(|tokens| !tokens.is_empty());
        let (Some(own), Some(begun)) = (tokens(&word), tokens(&format!(" {}", word.trim_start()))) else {
            write_stderr!(
                "note: left out of `bad_words` of {source}: {word:?}, which the model has no tokens for"
            );
            continue;
        };
        let bad_words = &mut chosen.params.bad_words;
        if begun.len() == own.len() && begun.first() != own.first() {
            bad_words.push(begun);
        }
        bad_words.push(own);
    }
}

/// The error of an option whose file cannot serve the model.
pub(super) fn unusable_file_error(option: &str, path: &Path) -> CommandError {
    CommandError::new(format!("{option} `{}` is not usable", path.display()))
}

/// The error of a model whose format of calls is not known. If there are no tools, the format is
/// needed for `--reasoning-budget`, and the error says so.
pub(super) fn missing_format_error(failure: CommandError, has_tools: bool) -> CommandError {
    let what = format!(
        "--reasoning-budget needs the format of calls, which says how the model marks its reasoning, and {}",
        failure.message()
    );
    if has_tools { failure } else { failure.with_message(what) }
}

/// The error of a model without a chat template, of which a format of calls is needed.
pub(super) fn no_template_error() -> CommandError {
    CommandError::usage("the model has no chat template that would prove a format of calls")
        .help("name the format with --tool-format; `hedgerow tools list` shows all")
}

/// Detects the format of calls by the model's chat template.
pub(super) fn detect_format(model: &ModelFiles) -> Result<hedgerow::tags::Preset, CommandError> {
    match model.tool_format() {
        Ok(found) => super::tools::require_preset(found),
        Err(PromptError::NoTemplate) => Err(no_template_error()),
        Err(error) => Err(template_error(error)),
    }
}

/// The error of a chat template that cannot be read.
pub(super) fn template_error(error: PromptError) -> CommandError {
    CommandError::new("cannot read the model's chat template").because(&error)
}

/// The error of a prompt that the chat template or the tokenizer refuses.
pub(super) fn prompt_error(error: PromptError) -> CommandError {
    CommandError::new("cannot prepare the prompt").because(&error)
}
