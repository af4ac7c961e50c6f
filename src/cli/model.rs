//! Functions of `generate` about models: loading them with a progress bar, the parts beside them
//! that guess tokens, and their errors.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use super::command_error::CommandError;
use super::constraint::Loaded;
use super::sampling::Chosen;
use super::strategy::{Drafter, StrategyArgs};
use hedgerow::decode::{
    Batch, DraftHeads, DynModel, LanguageModel, PromptEncoder, PromptError, check_partner,
};
use hedgerow::engine::Constraint;
use hedgerow::torch::{LoadOptions, MedusaHeads, Model, ModelFiles, TorchError};
use hedgerow::vocab::Vocabulary;

/// Reads the files of a model except for its weights. `what` names the model in errors.
pub(super) fn open(what: &str, path: &Path) -> Result<ModelFiles, CommandError> {
    ModelFiles::open(path).map_err(|error| unloaded(what, path, &error))
}

/// Reads the files of a model that works beside another one, as the value of `option`. It must have
/// the same vocabulary.
pub(super) fn open_partner(
    what: &'static str,
    option: &str,
    path: &Path,
    model: &ModelFiles,
) -> Result<ModelFiles, CommandError> {
    let partner = open(what, path)?;
    check_partner(what, model.vocabulary(), partner.vocabulary())
        .map_err(|error| unusable_file(option, path).because(&error))?;
    Ok(partner)
}

/// Loads the weights of a model with a progress bar.
pub(super) fn load(what: &str, files: ModelFiles, options: LoadOptions) -> Result<Model, CommandError> {
    let path = files.path().to_owned();
    let bar = bar(0, "loading {bar:30} {bytes} of {total_bytes}");
    let model = Model::from_files(files, options, |progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    });
    bar.finish_and_clear();
    model.map_err(|error| unloaded(what, &path, &error))
}

fn unloaded(what: &str, path: &Path, error: &TorchError) -> CommandError {
    CommandError::new(format!("cannot load the {what} `{}`", path.display())).because(error)
}

/// Refuses layers that the model does not have, and a file of draft heads that cannot be opened.
pub(super) fn check_drafts(strategy: &StrategyArgs, model: &ModelFiles) -> Result<(), CommandError> {
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

/// A progress bar for the tokens of outputs, hidden where the outputs are streamed.
pub(super) fn bar_of_tokens(most: u64, is_streamed: bool) -> ProgressBar {
    match is_streamed {
        true => ProgressBar::hidden(),
        false => bar(most, "{pos} tokens of at most {len}, {per_sec}"),
    }
}

/// A progress bar on stderr; a hidden one if stderr is not a terminal.
fn bar(length: u64, template: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

/// The parts beside the model that guess tokens ahead: a smaller model, or heads on the model.
#[derive(Default)]
pub(super) struct Drafters {
    pub model: Option<DynModel>,
    pub heads: Option<Box<dyn DraftHeads>>,
}

impl Drafters {
    /// The batch with these parts.
    pub fn beside<M: LanguageModel>(self, mut batch: Batch<M>) -> Batch<M> {
        if let Some(model) = self.model {
            batch = batch.draft_model(model);
        }
        if let Some(heads) = self.heads {
            batch = batch.draft_heads(heads);
        }
        batch
    }
}

/// The parts that guess tokens, as the options name them. `drafter` holds the files of a draft
/// model.
pub(super) fn drafters(
    strategy: &StrategyArgs,
    model: &Model,
    drafter: Option<ModelFiles>,
    options: LoadOptions,
) -> Result<Drafters, CommandError> {
    let mut drafters = Drafters::default();
    match &strategy.draft {
        None | Some(Drafter::Ngram { .. }) => {}
        Some(Drafter::Model(_)) => {
            let loaded = drafter.map(|files| load("draft model", files, options)).transpose()?;
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

/// Makes tokens of the texts that a file of parameters forbids. As in vLLM, a text is forbidden
/// behind a space too, if it begins with another token there and has as many.
pub(super) fn forbid_words(model: &ModelFiles, chosen: &mut Chosen) {
    let words = chosen.set.as_mut().map_or_else(Vec::new, |set| std::mem::take(&mut set.bad_words));
    for word in words {
        let source = &chosen.source;
        let tokens = |text: &str| model.encode(text).ok().filter(|tokens| !tokens.is_empty());
        let (Some(own), Some(begun)) = (tokens(&word), tokens(&format!(" {}", word.trim_start()))) else {
            say!("note: left out of `bad_words` of {source}: {word:?}, which the model has no tokens for");
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
pub(super) fn unusable_file(option: &str, path: &Path) -> CommandError {
    CommandError::new(format!("{option} `{}` is not usable", path.display()))
}

/// The error of a model whose format of calls is not known. Without tools it is the limit on
/// reasoning that needs the format.
pub(super) fn without_format(failure: CommandError, has_tools: bool) -> CommandError {
    let what = format!(
        "--reasoning-budget needs the format of calls, which says how the model marks its reasoning, and {}",
        failure.what()
    );
    if has_tools { failure } else { failure.of(what) }
}

pub(super) fn no_template() -> CommandError {
    CommandError::usage("the model has no chat template that would prove a format of calls")
        .help("name the format with --tool-format; `hedgerow tools list` shows all")
}

/// The format of calls that the model's chat template proves.
pub(super) fn detected_format(model: &ModelFiles) -> Result<hedgerow::tags::Preset, CommandError> {
    match model.tool_format() {
        Ok(found) => super::tools::proven(found),
        Err(PromptError::NoTemplate) => Err(no_template()),
        Err(error) => Err(unreadable_template(error)),
    }
}

pub(super) fn unreadable_template(error: PromptError) -> CommandError {
    CommandError::new("cannot read the model's chat template").because(&error)
}

pub(super) fn unusable_prompt(error: PromptError) -> CommandError {
    CommandError::new("cannot prepare the prompt").because(&error)
}

/// A constraint over the model's vocabulary.
pub(super) fn over_vocabulary(loaded: &Loaded, vocabulary: &Vocabulary) -> Result<Constraint, CommandError> {
    Constraint::new(&loaded.grammar, vocabulary).map_err(|error| {
        CommandError::new("the constraint does not fit the model's vocabulary").because(&error)
    })
}
