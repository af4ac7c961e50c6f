//! The options for the strategy, such as beam search, and for guessing tokens ahead.
//!
//! An option with several numbers takes them in one argument, separated by colons: `beam:4:1.5` is
//! beam search with four beams and a length penalty of 1.5. Options of sampling do the same.

use std::path::PathBuf;

use hedgerow::decode::{Acceptance, DecodeError, Draft, DraftChoice, EarlyStopping, Strategy};

use super::command_error::CommandError;
use super::effect::Need;
use super::number::{parse_finite_number, range_parser};
use super::policy::policy_parser;

/// The options under the heading "Strategy".
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Strategy")]
pub(super) struct StrategyArgs {
    /// `sample`; `best-of:N`; `beam:BEAMS[:LENGTH_PENALTY[:EARLY_STOPPING]]`;
    /// `diverse-beam:BEAMS:GROUPS:PENALTY[:LENGTH_PENALTY[:EARLY_STOPPING]]`;
    /// `contrastive[:CANDIDATES[:PENALTY]]`. A LENGTH_PENALTY above 0 favours longer outputs (1),
    /// PENALTY weighs diversity; contrastive search has 4 CANDIDATES and the PENALTY 0.6
    /// [default: the one in --params or in the model's generation_config.json, or else sample]
    #[arg(long, value_name = "STRATEGY", value_parser = parse_strategy)]
    strategy: Option<NamedStrategy>,
    /// When beam search stops: when the best beam scores no more than the worst ended output
    /// (`heuristic`), when as many outputs as beams have ended (`full`), or when no beam can reach
    /// a higher score (`never`) [default: heuristic]
    #[arg(long, value_parser = policy_parser(EarlyStopping::ALL, EarlyStopping::name))]
    early_stopping: Option<EarlyStopping>,
    /// Guess tokens ahead, which saves forward passes: `ngram[:LONGEST[:TOKENS]]` from the text so
    /// far, by its last LONGEST tokens (3); `model:PATH` by a smaller model; `skip:LAYERS` by the
    /// model without some layers (such as `10-19,25`); `medusa:FILE` by heads on the model
    #[arg(long, value_name = "DRAFTER", value_parser = parse_drafter)]
    pub draft: Option<Drafter>,
    /// Guess at most N tokens at a time, 1 to 64; for `medusa`, a tree of at most N tokens
    /// [default: 5]
    #[arg(long, value_name = "N", value_parser = range_parser(1..=MAX_DRAFT_TOKENS))]
    draft_tokens: Option<u64>,
    /// Have a draft model guess its likeliest token, which leaves every output as it is, or a token
    /// it draws, which leaves the distribution of outputs as it is
    /// [default: likeliest]
    #[arg(long, value_parser = policy_parser(DraftChoice::ALL, DraftChoice::name))]
    draft_choice: Option<DraftChoice>,
    /// Take guesses that are more probable than EPSILON or than DELTA·exp(−entropy), such as
    /// 0.09:0.3, though that changes the distribution of outputs
    #[arg(long, value_name = "EPSILON:DELTA", value_parser = parse_typical_acceptance)]
    accept_typical: Option<Acceptance>,
    /// Classifier-free guidance: increase the effect of the prompt over that of --negative-prompt
    /// by this factor; 1 changes nothing
    #[arg(long, value_name = "SCALE", group = "mixture", value_parser = parse_guidance)]
    pub guidance: Option<f32>,
    /// The prompt whose likely tokens --guidance makes less likely [default: the last token of the
    /// prompt]
    #[arg(long, value_name = "TEXT")]
    pub negative_prompt: Option<String>,
    /// Contrastive decoding: favour tokens that this weaker model finds less likely than the model
    /// does
    #[arg(long, value_name = "PATH", group = "mixture")]
    pub amateur: Option<PathBuf>,
    /// DoLa: favour tokens that these layers find less likely than the last layer does, such as
    /// `0-14`; 0 is the input of the first layer
    #[arg(long, value_name = "LAYERS", group = "mixture", value_parser = parse_layers)]
    pub dola: Option<Layers>,
}

/// Largest number of tokens to guess at a time, and largest length of the text that `ngram` looks
/// for.
const MAX_DRAFT_TOKENS: u64 = 64;

/// Number of tokens to guess at a time, if no option gives it.
const DEFAULT_DRAFT_TOKENS: u64 = 5;

/// Parses the value of `--guidance`. Larger scales could turn logits into infinities.
fn parse_guidance(text: &str) -> Result<f32, String> {
    const MAX_SCALE: f32 = 1e6;
    let scale = parse_finite_number::<f32>(text)?;
    let is_usable = scale.abs() <= MAX_SCALE;
    is_usable.then_some(scale).ok_or_else(|| format!("expected a number from -{MAX_SCALE} to {MAX_SCALE}"))
}

/// The value of `--strategy`.
#[derive(Clone, Debug)]
struct NamedStrategy {
    strategy: Strategy,
    /// True if the value names the rule that ends beam search, as `beam:4:1:full` does.
    names_early_stopping: bool,
}

/// Numbers of layers, counted from 0.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layers(pub Vec<usize>);

/// A source of guesses, as `--draft` names it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Drafter {
    Ngram { longest: usize, tokens: Option<usize> },
    Model(PathBuf),
    Skip(Layers),
    Medusa(PathBuf),
}

impl StrategyArgs {
    /// The strategy of the options, or else `of_file`, the strategy of the file of parameters.
    pub fn strategy(&self, of_file: Option<Strategy>) -> Option<Strategy> {
        let given = self.strategy.as_ref().map(|given| given.strategy.clone());
        Some(match given.or(of_file)? {
            Strategy::Beam(search) => {
                let early_stopping = self.early_stopping.unwrap_or(search.early_stopping);
                Strategy::Beam(search.early_stopping(early_stopping))
            }
            other => other,
        })
    }

    /// True if these options meet a need under a strategy. Needs that concern other options count
    /// as met.
    pub fn meets(&self, need: Need, strategy: &Strategy) -> bool {
        match need {
            Need::Beams => matches!(strategy, Strategy::Beam(_)),
            Need::Draft => self.draft.is_some(),
            Need::Guidance => self.guidance.is_some(),
            _ => true,
        }
    }

    /// True if an option gives the strategy.
    pub fn is_given(&self) -> bool {
        self.strategy.is_some()
    }

    /// The source of guesses, and the number of tokens to guess, as the decoding loop takes them.
    pub fn draft(&self) -> Draft {
        let choice = self.draft_choice.unwrap_or_default();
        let tokens = self.draft_tokens.unwrap_or(DEFAULT_DRAFT_TOKENS) as usize;
        match &self.draft {
            None => Draft::None,
            Some(Drafter::Ngram { longest, tokens: most }) => {
                Draft::Ngram { longest: *longest, tokens: most.unwrap_or(tokens) }
            }
            Some(Drafter::Model(_) | Drafter::Skip(_)) => Draft::Model { tokens, choice },
            Some(Drafter::Medusa(_)) => Draft::Heads { tokens },
        }
    }

    /// The given options that have no effect at temperature 0. The most probable token is taken
    /// there, whatever was guessed.
    pub fn without_effect_at_temperature_0(&self) -> Vec<&'static str> {
        let all = [
            ("--draft-choice", self.draft_choice == Some(DraftChoice::Drawn)),
            ("--accept-typical", self.accept_typical.is_some()),
        ];
        all.into_iter().filter(|(_, is_given)| *is_given).map(|(option, _)| option).collect()
    }

    /// The rule by which guesses are accepted.
    pub fn acceptance(&self) -> Acceptance {
        self.accept_typical.unwrap_or_default()
    }

    /// Refuses options that exclude each other under a strategy. `source` names the origin of the
    /// strategy if no option gives it. `asking` names the origin of the number of outputs.
    pub fn check(
        &self,
        strategy: &Strategy,
        source: &str,
        outputs: usize,
        asking: &str,
    ) -> Result<(), CommandError> {
        let is_named = self.strategy.as_ref().is_some_and(|given| given.names_early_stopping);
        if self.early_stopping.is_some() && is_named {
            return Err(CommandError::usage(
                "--strategy names the EARLY_STOPPING that --early-stopping gives",
            )
            .help("leave one of them out"));
        }
        self.check_beams(strategy)?;
        if let Err(error) = strategy.check(outputs) {
            let of_source = match (&self.strategy, strategy) {
                (None, Strategy::Beam(_)) => format!(" of {source}"),
                _ => String::new(),
            };
            return Err(match outputs {
                1 => CommandError::usage(format!("the strategy{of_source} is not usable")).because(&error),
                _ => CommandError::usage(format!(
                    "the strategy{of_source} and the number of outputs are not usable"
                ))
                .because(&error)
                .help(format!("{outputs} outputs are asked for by {asking}")),
            });
        }
        if self.draft.is_some() && !matches!(strategy, Strategy::Sample | Strategy::BestOf(_)) {
            let on = match &self.strategy {
                Some(_) => "this strategy".to_owned(),
                None => format!("the strategy {strategy} of {source}"),
            };
            return Err(CommandError::usage(format!("--draft has no effect on {on}")).help(
                "only --strategy sample and best-of draw tokens, which drafts can guess; leave one of them out",
            ));
        }
        if self.draft_tokens.is_some() && matches!(self.draft, Some(Drafter::Ngram { tokens: Some(_), .. })) {
            return Err(CommandError::usage("--draft ngram:LONGEST:TOKENS and --draft-tokens say the same")
                .help("leave one of them out"));
        }
        if self.draft_choice.is_some()
            && matches!(self.draft, Some(Drafter::Ngram { .. } | Drafter::Medusa(_)))
        {
            return Err(CommandError::usage("--draft-choice has no effect on this drafter")
                .help("only the models of --draft model:PATH and skip:LAYERS choose; leave it out"));
        }
        let mixed = self.guidance.is_some() || self.amateur.is_some() || self.dola.is_some();
        let inside =
            matches!(self.draft, Some(Drafter::Medusa(_))) || matches!(strategy, Strategy::Contrastive(_));
        if mixed && inside {
            return Err(CommandError::usage(
                "--guidance, --amateur and --dola go with neither contrastive search nor Medusa heads",
            )
            .help("these two look at hidden states, which a mixture of distributions does not have"));
        }
        Ok(())
    }
}

impl StrategyArgs {
    /// Refuses options of beams that change nothing.
    fn check_beams(&self, strategy: &Strategy) -> Result<(), CommandError> {
        let Strategy::Beam(search) = strategy else { return Ok(()) };
        if self.strategy.is_some() && search.groups == 1 && search.diversity_penalty != 0.0 {
            return Err(CommandError::usage("the PENALTY of diverse-beam has no effect on one group")
                .help("give more GROUPS, or --strategy beam:BEAMS"));
        }
        if self.early_stopping == Some(EarlyStopping::Never) && search.length_penalty <= 0.0 {
            let what = "--early-stopping never is the same as heuristic if no LENGTH_PENALTY is above 0";
            return Err(CommandError::usage(what).help("leave it out, or raise the LENGTH_PENALTY"));
        }
        Ok(())
    }
}

/// Parses part `at` of an option's value as a number; `default` if the value has fewer parts.
fn parse_part<T: std::str::FromStr>(parts: &[&str], at: usize, default: Option<T>) -> Option<T> {
    match parts.get(at) {
        Some(text) => text.parse().ok(),
        None => default,
    }
}

/// Parses the value of `--strategy`.
fn parse_strategy(text: &str) -> Result<NamedStrategy, String> {
    let strategy = text.parse().map_err(|error| match error {
        DecodeError::Strategy { reason } => reason.to_owned(),
        other => other.to_string(),
    })?;
    let last = text.rsplit(':').next().unwrap_or_default();
    Ok(NamedStrategy { strategy, names_early_stopping: last.parse::<EarlyStopping>().is_ok() })
}

/// Parses the value of `--draft`.
fn parse_drafter(text: &str) -> Result<Drafter, String> {
    let expected = || "expected ngram[:LONGEST[:TOKENS]], model:PATH, skip:LAYERS or medusa:FILE".to_owned();
    match text.split_once(':').unwrap_or((text, "")) {
        ("ngram", rest) => {
            let parts: Vec<&str> = rest.split(':').filter(|_| !rest.is_empty()).collect();
            let longest = parse_part(&parts, 0, Some(3)).ok_or_else(expected)?;
            let tokens = parts.get(1).map(|tokens| tokens.parse()).transpose().map_err(|_| expected())?;
            let usable = |number: usize| number >= 1 && number as u64 <= MAX_DRAFT_TOKENS;
            match parts.len() {
                0..=2 if usable(longest) && tokens.is_none_or(usable) => {
                    Ok(Drafter::Ngram { longest, tokens })
                }
                0..=2 => Err(format!("LONGEST and TOKENS are from 1 to {MAX_DRAFT_TOKENS}")),
                _ => Err(expected()),
            }
        }
        ("model", path) if !path.is_empty() => Ok(Drafter::Model(path.into())),
        ("medusa", path) if !path.is_empty() => Ok(Drafter::Medusa(path.into())),
        ("skip", list) => Ok(Drafter::Skip(parse_layers(list)?)),
        _ => Err(expected()),
    }
}

/// Parses numbers of layers, such as `3,5,10-19`.
fn parse_layers(text: &str) -> Result<Layers, String> {
    let expected = || "expected numbers of layers, such as 10-19,25".to_owned();
    let mut all = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number =
            |text: &str| text.parse::<usize>().ok().filter(|layer| *layer < 1000).ok_or_else(expected);
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(format!("{part} counts down; write {last}-{first}"));
        }
        all.extend(first..=last);
    }
    Ok(Layers(all))
}

/// Parses the value of `--accept-typical`.
fn parse_typical_acceptance(text: &str) -> Result<Acceptance, String> {
    let numbers = text.split_once(':').and_then(|(epsilon, delta)| {
        let (epsilon, delta): (f32, f32) = (epsilon.parse().ok()?, delta.parse().ok()?);
        let usable = epsilon > 0.0 && epsilon < 1.0 && delta > 0.0 && delta.is_finite();
        usable.then_some(Acceptance::Typical { epsilon, delta })
    });
    let expected = "expected EPSILON:DELTA, such as 0.09:0.3, with EPSILON between 0 and 1 and DELTA above 0";
    numbers.ok_or_else(|| expected.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drafters_are_read() {
        for (text, expected) in [
            ("ngram", Some(Drafter::Ngram { longest: 3, tokens: None })),
            ("ngram:4:9", Some(Drafter::Ngram { longest: 4, tokens: Some(9) })),
            ("model:C:/x", Some(Drafter::Model("C:/x".into()))),
            ("skip:3,5-7", Some(Drafter::Skip(Layers(vec![3, 5, 6, 7])))),
            ("medusa:heads", Some(Drafter::Medusa("heads".into()))),
            ("ngram:4:9:1", None),
            ("ngram:a", None),
            ("ngram:0", None),
            ("ngram:3:900", None),
            ("model:", None),
            ("skip:", None),
            ("skip:7-5", None),
            ("skip:1-99999999", None),
            ("other", None),
        ] {
            assert_eq!(parse_drafter(text).ok(), expected, "{text}");
        }
    }
}
