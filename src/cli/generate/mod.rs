//! `hedgerow generate`: reads a prompt and writes constrained text.
//!
//! Loading a model takes long, so what can be checked without its weights is checked before: the
//! options (`args`, `choose`), the files that they name (`inputs`), and the request over the
//! model's vocabulary (`prepare`). `run` is the rest.

mod args;
mod choose;
mod inputs;
#[cfg(feature = "torch")]
mod prepare;
#[cfg(feature = "torch")]
mod run;

use std::io;
use std::process::ExitCode;

use super::command_error::CommandError;
use super::ctrl_c::CtrlC;
use super::effect::GivenOptions;
#[cfg(feature = "torch")]
use super::model::{check_draft_options, load_drafters, load_model, open_model, open_partner_model};
#[cfg(feature = "torch")]
use super::strategy::Drafter;
#[cfg(feature = "torch")]
use super::trace::TraceFile;
pub(super) use args::Args;
use choose::{choose, print_parameters};
#[cfg(feature = "torch")]
use hedgerow::decode::{ContrastiveDecoding, Dola, Guided};
#[cfg(feature = "torch")]
use hedgerow::torch::LoadOptions;
use inputs::Inputs;
#[cfg(feature = "torch")]
use prepare::{note_on_draft_context, prepare_request};
#[cfg(feature = "torch")]
use run::{Run, trace_error};

pub(super) fn run(
    args: &Args,
    given: &GivenOptions,
    program_with_libtorch: Option<fn() -> io::Result<ExitCode>>,
) -> Result<ExitCode, CommandError> {
    if let Some(start) = program_with_libtorch {
        // Loading libtorch takes time (docs/decoding.md, "Start"), so options are checked before.
        // The other program checks them again, and writes the notes.
        if args.sampling.can_be_read_twice() {
            choose(args, given)?;
        }
        return start().map_err(|error| {
            CommandError::new("cannot start the program that runs models").because(&error).help(
                "it lies beside this one, and both are built by `cargo build --release --features torch,cli`",
            )
        });
    }
    let ctrl_c = CtrlC::catch();
    let (chosen, notes) = choose(args, given)?;
    notes.iter().for_each(|note| write_stderr!("note: {note}"));
    if args.sampling.is_verbose() {
        print_parameters(args, &chosen);
    }
    load_and_generate(args, Inputs::read(args, given, chosen)?, ctrl_c)
}

/// Refuses to generate, because models need the feature `torch`.
#[cfg(not(feature = "torch"))]
fn load_and_generate(_args: &Args, _inputs: Inputs, _ctrl_c: CtrlC) -> Result<ExitCode, CommandError> {
    Err(CommandError::new("this build of hedgerow cannot run models").help(
        "build it with the feature `torch`: `make setup`, then `cargo build --release --features torch,cli`",
    ))
}

/// Loads the model and generates with it.
#[cfg(feature = "torch")]
fn load_and_generate(args: &Args, inputs: Inputs, ctrl_c: CtrlC) -> Result<ExitCode, CommandError> {
    let usage = |error| CommandError::usage("the options are not usable").because(&error);
    let mut options = LoadOptions::default()
        .device(args.device.parse().map_err(usage)?)
        .dtype(args.dtype.parse().map_err(usage)?);
    if let Some(threads) = args.threads {
        options = options.threads(threads as usize);
    }
    // Whatever does not need the weights comes before them.
    let trace = args.trace.as_deref().map(TraceFile::open).transpose();
    let trace = trace.map_err(|error| trace_error(args, &error))?;
    let strategy = &args.strategy;
    let files = open_model("model", &args.model)?;
    check_draft_options(strategy, &files)?;
    let drafter = match &strategy.draft {
        Some(Drafter::Model(path)) => Some(open_partner_model("draft model", "--draft model", path, &files)?),
        _ => None,
    };
    let amateur = strategy.amateur.as_deref();
    let amateur =
        amateur.map(|path| open_partner_model("amateur model", "--amateur", path, &files)).transpose()?;
    let (prepared, negative) = prepare_request(args, inputs, &files, amateur.as_ref(), trace.is_some())?;
    if !args.quiet {
        drafter.iter().for_each(|drafter| note_on_draft_context(drafter, prepared.request.prompt.len()));
    }

    let model = load_model("model", files, options)?;
    let drafters = load_drafters(strategy, &model, drafter, options)?;
    let amateur = amateur.map(|files| load_model("amateur model", files, options)).transpose()?;
    let (name, vocabulary, prompt) = (model.name(), model.vocabulary(), prepared.request.prompt.len());
    let run = Run { args, name, vocabulary, drafters, prepared, trace, ctrl_c };
    match (strategy.guidance, negative, amateur, &strategy.dola) {
        (Some(scale), Some(negative), ..) => run.generate(Guided::new(&model, prompt, negative, scale)),
        (_, _, Some(amateur), _) => run.generate(ContrastiveDecoding::new(&model, amateur, 0.1, 0.5)),
        (.., Some(layers)) => run.generate(Dola::new(&model, layers.0.clone())),
        _ => run.generate(&model),
    }
}
