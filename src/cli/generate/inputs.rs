//! The files that the options of `hedgerow generate` name, except for files of models.

use std::path::Path;

use super::super::command_error::CommandError;
use super::super::constraint::{LoadedConstraint, UnusedDocuments};
use super::super::effect::{GivenOptions, Need};
use super::super::sampling::Chosen;
use super::args::Args;
use hedgerow::decode::Prompt;
use hedgerow::tags::Tools;

/// The parts of a run that do not need the model.
pub(super) struct Inputs {
    pub prompt: Prompt,
    /// The prompt of `--negative-prompt`.
    pub negative: Option<Prompt>,
    pub chosen: Chosen,
    pub constraint: Option<LoadedConstraint>,
    pub tools: Option<Tools>,
}

impl Inputs {
    /// Reads the files, compiles the constraint, and refuses options that have no effect on either.
    pub fn read(args: &Args, given: &GivenOptions, mut chosen: Chosen) -> Result<Self, CommandError> {
        let mut prompt = args.prompt.load()?;
        let negative = args.strategy.negative_prompt.as_deref();
        let negative = negative.map(|text| args.prompt.make_prompt(text, "negative prompt"));
        let negative = negative.transpose()?;
        let reasons = args.reasoning_budget.is_some();
        let tools =
            args.tools.load_with_prompt(&mut prompt, args.constraint.is_given_without_schema(), reasons)?;
        let unused = if tools.is_some() { UnusedDocuments::LeftToTools } else { UnusedDocuments::Named };
        let constraint = load_constraint(args, &mut chosen, unused)?;
        args.tools.named_format()?;
        args.tools.check_choice(tools.as_ref())?;
        let is_value = constraint.as_ref().is_some_and(|constraint| constraint.schema.is_some());
        if reasons && tools.is_none() && (is_value || !args.constraint.choice.is_empty()) {
            let what = "--reasoning-budget has no effect on a constraint that leaves no room for reasoning";
            return Err(CommandError::usage(what).help("leave it out, or give tools with --tools FILE"));
        }
        let has_schema = constraint.as_ref().is_some_and(|constraint| constraint.has_schemas)
            || tools.is_some() && args.tools.may_call();
        given.check(|need| match need {
            Need::Constraint => constraint.is_some() || tools.is_some(),
            need => need != Need::Schema || has_schema,
        })?;
        Ok(Self { prompt, negative, chosen, constraint, tools })
    }
}

/// Loads the constraint of the options, or else the response format of `--params`.
fn load_constraint(
    args: &Args,
    chosen: &mut Chosen,
    unused: UnusedDocuments,
) -> Result<Option<LoadedConstraint>, CommandError> {
    let constraint = args.constraint.load_with(&args.policy, unused)?;
    let Some(format) = chosen.set.as_mut().and_then(|set| set.response_format.take()) else {
        return Ok(constraint);
    };
    let name = format!("response_format of {}", chosen.source);
    let kind = format.get("type").and_then(serde_json::Value::as_str);
    if !matches!(kind, Some("json_object" | "json_schema")) {
        let what = format!("the {name} has no `type` that is known: {}", kind.unwrap_or("it has none"));
        return Err(CommandError::usage(what).help("known are text, json_object and json_schema"));
    }
    if constraint.is_some() {
        write_stderr!("note: the {name} is not used: another constraint is given");
        return Ok(constraint);
    }
    args.policy.compile_schema(Path::new(&name), format.to_string(), unused).map(Some)
}
