//! Options that have no effect at temperature 0, which takes the most probable token.

use hedgerow::sampling::{ChainOrder, DynamicTemperature, SamplingParams, Step, Ties};

use super::command_error::CommandError;
use super::effect::option_name;
use super::sampling::{Chosen, SamplingArgs};

/// A step that looks at the whole distribution, such as top-k, and its parameters.
struct Filter {
    step: Step,
    parameters: &'static [&'static str],
    /// True if the most probable token before the step is the most probable one behind it.
    keeps_most_probable: fn(&SamplingParams) -> bool,
}

/// A filter behind which the most probable token is the same as before.
const fn keeping_filter(step: Step, parameters: &'static [&'static str]) -> Filter {
    Filter { step, parameters, keeps_most_probable: |_| true }
}

/// A filter that may drop the most probable token or make another one the most probable.
const fn reordering_filter(step: Step, parameters: &'static [&'static str]) -> Filter {
    Filter { step, parameters, keeps_most_probable: |_| false }
}

/// The steps that look at the whole distribution.
const FILTERS: [Filter; 17] = [
    Filter {
        step: Step::Smoothing,
        parameters: &["smoothing"],
        // Other curves may lift tokens above the most probable one.
        keeps_most_probable: |params| params.smoothing.is_none_or(|it| (1.0..=3.0).contains(&it.curve)),
    },
    keeping_filter(Step::Temperature, &["dynamic_temperature"]),
    keeping_filter(Step::TopK, &["top_k", "top_k_ties"]),
    keeping_filter(Step::TopP, &["top_p"]),
    keeping_filter(Step::MinP, &["min_p"]),
    keeping_filter(Step::TailFree, &["tfs_z", "tfs_end"]),
    reordering_filter(Step::Typical, &["typical_p"]),
    keeping_filter(Step::Epsilon, &["epsilon_cutoff"]),
    keeping_filter(Step::Eta, &["eta_cutoff"]),
    keeping_filter(Step::TopA, &["top_a"]),
    keeping_filter(Step::TopNSigma, &["top_n_sigma"]),
    keeping_filter(Step::TopH, &["top_h"]),
    keeping_filter(Step::PLess, &["p_less"]),
    reordering_filter(Step::Xtc, &["xtc"]),
    reordering_filter(Step::Watermark, &["watermark"]),
    keeping_filter(Step::Mirostat, &["mirostat"]),
    keeping_filter(Step::AdaptiveP, &["adaptive_p"]),
];

/// The steps that change the logits of single tokens and forbid none, with their parameters. Steps
/// that may forbid a token, such as `bad-words`, have an effect even on a distribution of one
/// token, and so are not among them.
const LOGIT_EDITS: [(Step, &[&str]); 6] = [
    (Step::LogitBias, &["logit_bias"]),
    (Step::SequenceBias, &["sequence_bias"]),
    (Step::ExponentialDecay, &["exponential_decay"]),
    (Step::RepetitionPenalty, &["repetition_penalty", "repetition_window"]),
    (Step::FrequencyPresence, &["frequency_penalty", "presence_penalty"]),
    (Step::Dry, &["dry"]),
];

/// The parameters that have no effect because the temperature is 0; none at other temperatures.
///
/// Temperature 0 leaves one token, so a later step has no effect unless it forbids tokens. A filter
/// before it has no effect if it keeps the most probable token, and no step between the two changes
/// single logits.
fn without_effect_at_temperature_0(params: &SamplingParams) -> Vec<&'static str> {
    if params.temperature != 0.0
        || matches!(params.dynamic_temperature, Some(DynamicTemperature::Range { .. }))
    {
        return Vec::new();
    }
    let active: Vec<Step> =
        params.order.steps().iter().copied().filter(|step| step.is_active(params)).collect();
    let temperature = active.iter().position(|step| *step == Step::Temperature).unwrap_or_default();
    let mut void = vec!["selection"];
    let (mut decides, mut draws, mut edits) = (false, false, 0);
    let last_edit = active[..temperature].iter().rposition(|step| !is_filter(*step));
    for (at, step) in active.iter().enumerate() {
        match FILTERS.iter().find(|filter| filter.step == *step) {
            None if at > temperature && !may_forbid(*step, params) => {
                let edit = LOGIT_EDITS.iter().filter(|(edit, _)| edit == step);
                void.extend(edit.flat_map(|(_, parameters)| *parameters));
            }
            None => edits += usize::from(*step != Step::Mask),
            Some(filter)
                if at >= temperature
                    || (filter.keeps_most_probable)(params) && last_edit.is_none_or(|edit| edit < at) =>
            {
                void.extend(filter.parameters);
            }
            Some(_) => (decides, draws) = (true, draws || *step == Step::Xtc),
        }
    }
    if !draws {
        void.push("seed");
    }
    // A list may change the order of two biases or penalties.
    if !decides && (edits < 2 || !matches!(params.order, ChainOrder::Custom(_))) {
        void.push("order");
    }
    void
}

/// True if `--order` lists several steps that change single logits. Their order changes the result.
pub(super) fn orders_several_edits(params: &SamplingParams) -> bool {
    let is_edit = |step: &&Step| step.is_active(params) && LOGIT_EDITS.iter().any(|(edit, _)| edit == *step);
    matches!(params.order, ChainOrder::Custom(_)) && params.order.steps().iter().filter(is_edit).count() > 1
}

/// True if a top-k of 1 leaves the watermark no choice.
fn leaves_watermark_no_choice(params: &SamplingParams) -> bool {
    let at = |step| params.order.steps().iter().position(|other| *other == step);
    params.top_k == 1 && params.top_k_ties == Ties::LowestId && at(Step::TopK) < at(Step::Watermark)
}

/// True for a step that looks at the whole distribution.
fn is_filter(step: Step) -> bool {
    FILTERS.iter().any(|filter| filter.step == step)
}

/// True if the step may forbid a token. That has an effect even if only one token is left.
fn may_forbid(step: Step, params: &SamplingParams) -> bool {
    let forbids = |bias: f32| bias == f32::NEG_INFINITY;
    match step {
        Step::LogitBias => params.logit_bias.iter().any(|&(_, bias)| forbids(bias)),
        Step::SequenceBias => params.sequence_bias.iter().any(|&(_, bias)| forbids(bias)),
        _ => LOGIT_EDITS.iter().all(|(edit, _)| *edit != step),
    }
}

/// Notes about options that have no effect at temperature 0, and about outputs that are all alike.
/// `others` are further options without effect, beside those of sampling. `outputs` is the number
/// of outputs that are drawn.
///
/// A watermark that an option asks for is refused, because a user would take the text for one that
/// has it.
pub(super) fn notes_at_temperature_0(
    sampling: &SamplingArgs,
    chosen: &Chosen,
    others: &[&str],
    outputs: usize,
) -> Result<Vec<String>, CommandError> {
    let void = without_effect_at_temperature_0(&chosen.params);
    let is_given = |option: &str| sampling.names().any(|name| name == option);
    if is_given("watermark") && leaves_watermark_no_choice(&chosen.params) {
        return Err(CommandError::usage("--watermark has no effect on a top-k of 1")
            .help("a watermark is in what is drawn: raise --top-k, or leave --watermark out"));
    }
    if void.is_empty() {
        let ranges = matches!(chosen.params.dynamic_temperature, Some(DynamicTemperature::Range { .. }));
        let note = "--temperature changes nothing beside a --dynamic-temperature range";
        return Ok(if ranges && is_given("temperature") { vec![note.to_owned()] } else { Vec::new() });
    }
    let origin = chosen.origin_of_temperature(sampling);
    if void.contains(&"watermark") && is_given("watermark") {
        return Err(CommandError::usage(format!("--watermark has no effect at temperature 0 ({origin})"))
            .help(
                "a watermark is in what is drawn: give a --temperature above 0, or leave --watermark out",
            ));
    }
    let mut named: Vec<String> =
        sampling.names().filter(|name| void.contains(name)).map(option_name).collect();
    named.extend(others.iter().map(|option| (*option).to_owned()));
    let of_file: Vec<&str> = sampling.names_of_source(chosen).filter(|name| void.contains(name)).collect();
    if !of_file.is_empty() {
        let fields: Vec<&str> = of_file.iter().map(|name| chosen.field(name)).collect();
        named.push(format!("{} of {}", fields.join(", "), chosen.source));
    }
    let mut notes = Vec::new();
    if let Some((last, others)) = named.split_last() {
        let (names, change) = match others {
            [] => (last.clone(), if of_file.len() > 1 { "change" } else { "changes" }),
            _ => (format!("{} and {last}", others.join(", ")), "change"),
        };
        notes.push(format!("at temperature 0 the most probable token is taken; {names} {change} nothing"));
    }
    if outputs > 1 && void.contains(&"seed") {
        notes.push(format!("at temperature 0 all {outputs} outputs that are drawn are alike"));
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hedgerow::sampling::{Parameter, Smoothing, Watermark, Xtc};
    use hedgerow::vocab::TokenId;

    /// Every step has a row in `FILTERS`, or changes single logits and stands in this list.
    #[test]
    fn every_filter_has_a_row() {
        let others: Vec<&str> = Step::ALL
            .iter()
            .filter(|step| FILTERS.iter().all(|filter| filter.step != **step))
            .map(|step| step.name())
            .collect();
        assert_eq!(
            others.join(" "),
            "logit-bias sequence-bias allowed-tokens suppressed-tokens bad-words min-tokens no-repeat-ngram \
             repetition-penalty frequency-presence dry exponential-decay mask"
        );
        for name in FILTERS.iter().flat_map(|filter| filter.parameters) {
            assert!(Parameter::ALL.iter().any(|parameter| parameter.name == *name), "{name}");
        }
    }

    #[test]
    fn parameters_without_effect_at_temperature_0() {
        let greedy = || SamplingParams::default().temperature(0.0).xtc(Xtc::new(0.5, 0.1));
        let marked = || greedy().watermark(Watermark::default());
        let biased = |bias| greedy().logit_bias(vec![(TokenId(5), bias)]);
        let curved = |curve| greedy().smoothing(Smoothing::default().factor(0.2).curve(curve));
        let order = |text: &str| text.parse::<ChainOrder>().unwrap();
        for (params, expected) in [
            (SamplingParams::default().top_k(3), ""),
            (greedy().temperature(0.1), ""),
            (
                greedy().dynamic_temperature(DynamicTemperature::Range {
                    low: 0.5,
                    high: 1.0,
                    exponent: 1.0,
                }),
                "",
            ),
            (
                greedy().dynamic_temperature(DynamicTemperature::Entropy),
                "selection dynamic_temperature xtc seed order",
            ),
            (greedy().top_k(3), "selection dynamic_temperature top_k top_k_ties xtc seed order"),
            // The steps before the temperature may choose another token.
            (greedy().top_k(3).order(ChainOrder::Llama), "selection top_k top_k_ties dynamic_temperature"),
            (marked(), "selection dynamic_temperature xtc watermark seed order"),
            // Some curves lift other tokens.
            (
                curved(1.0).order(order("mask,smoothing,temperature,xtc")),
                "selection smoothing dynamic_temperature xtc seed order",
            ),
            (curved(0.5), "selection dynamic_temperature xtc seed"),
            (curved(3.5), "selection dynamic_temperature xtc seed"),
            // A step that changes single logits acts on the tokens that an earlier filter has left.
            (
                biased(2.0).top_k(3).order(order("mask,top-k,logit-bias,temperature,xtc")),
                "selection dynamic_temperature xtc seed",
            ),
            // Behind the temperature there is one token, which only a ban changes.
            (
                biased(2.0).order(order("mask,temperature,logit-bias,xtc")),
                "selection dynamic_temperature logit_bias xtc seed order",
            ),
            (
                biased(f32::NEG_INFINITY).order(order("mask,temperature,logit-bias,xtc")),
                "selection dynamic_temperature xtc seed order",
            ),
            (
                marked().order(order("mask,watermark,temperature,xtc")),
                "selection dynamic_temperature xtc seed",
            ),
        ] {
            assert_eq!(without_effect_at_temperature_0(&params).join(" "), expected, "{params:?}");
        }
    }
}
