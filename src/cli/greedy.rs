//! Options that temperature 0 makes void, as it takes the most probable token.

use hedgerow::sampling::{ChainOrder, DynamicTemperature, SamplingParams, Step};

use super::command_error::CommandError;
use super::effect::option_of;
use super::sampling::{Chosen, SamplingArgs};

/// A step that looks at the whole distribution, and its parameters.
struct Filter {
    step: Step,
    parameters: &'static [&'static str],
    /// True if the most probable token before the step is the most probable one behind it.
    keeps_the_first: bool,
}

const fn filter(step: Step, parameters: &'static [&'static str]) -> Filter {
    Filter { step, parameters, keeps_the_first: true }
}

const FILTERS: [Filter; 17] = [
    filter(Step::Smoothing, &["smoothing"]),
    filter(Step::Temperature, &["dynamic_temperature"]),
    filter(Step::TopK, &["top_k", "top_k_ties"]),
    filter(Step::TopP, &["top_p"]),
    filter(Step::MinP, &["min_p"]),
    filter(Step::TailFree, &["tfs_z", "tfs_end"]),
    Filter { step: Step::Typical, parameters: &["typical_p"], keeps_the_first: false },
    filter(Step::Epsilon, &["epsilon_cutoff"]),
    filter(Step::Eta, &["eta_cutoff"]),
    filter(Step::TopA, &["top_a"]),
    filter(Step::TopNSigma, &["top_n_sigma"]),
    filter(Step::TopH, &["top_h"]),
    filter(Step::PLess, &["p_less"]),
    Filter { step: Step::Xtc, parameters: &["xtc"], keeps_the_first: false },
    Filter { step: Step::Watermark, parameters: &["watermark"], keeps_the_first: false },
    filter(Step::Mirostat, &["mirostat"]),
    filter(Step::AdaptiveP, &["adaptive_p"]),
];

/// The parameters that change nothing because the temperature is 0; none at other temperatures.
///
/// Temperature 0 leaves one token, so all filters behind it are void. Those before it are void if
/// they do not change which token is the most probable one.
fn void_at_temperature_0(params: &SamplingParams) -> Vec<&'static str> {
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
    for (at, step) in active.iter().enumerate() {
        match FILTERS.iter().find(|filter| filter.step == *step) {
            None => edits += usize::from(*step != Step::Mask),
            Some(filter) if at >= temperature || filter.keeps_the_first => void.extend(filter.parameters),
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

/// Notes about what temperature 0 makes void: options of drawing, and all outputs but one. `others`
/// are options beside those of sampling that are void, and `outputs` is the number of outputs that
/// are drawn.
///
/// A watermark that is asked for by an option is refused, as a text without it would be taken for
/// one that has it.
pub(super) fn notes_at_temperature_0(
    sampling: &SamplingArgs,
    chosen: &Chosen,
    others: &[&str],
    outputs: usize,
) -> Result<Vec<String>, CommandError> {
    let void = void_at_temperature_0(&chosen.params);
    if void.is_empty() {
        return Ok(Vec::new());
    }
    let origin = chosen.origin_of_temperature(sampling);
    if void.contains(&"watermark") && sampling.names().any(|name| name == "watermark") {
        return Err(CommandError::usage(format!("--watermark has no effect at temperature 0 ({origin})"))
            .help(
                "a watermark is in what is drawn: give a --temperature above 0, or leave --watermark out",
            ));
    }
    let mut named: Vec<String> = sampling.names().filter(|name| void.contains(name)).map(option_of).collect();
    named.extend(others.iter().map(|option| (*option).to_owned()));
    let of_file: Vec<&str> = sampling.names_of_source(chosen).filter(|name| void.contains(name)).collect();
    if !of_file.is_empty() {
        named.push(format!("{} of {}", of_file.join(", "), chosen.source));
    }
    let mut notes = Vec::new();
    if let Some((last, others)) = named.split_last() {
        let (names, change) = match others {
            [] => (last.clone(), if of_file.len() > 1 { "change" } else { "changes" }),
            _ => (format!("{} and {last}", others.join(", ")), "change"),
        };
        notes.push(format!("at temperature 0 the most probable token is taken; {names} {change} nothing"));
    }
    if outputs > 1 {
        notes.push(format!("at temperature 0 all {outputs} outputs that are drawn are alike"));
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hedgerow::sampling::{Parameter, Watermark, Xtc};

    /// A new step gets a row, or it changes single logits and stands in this list.
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
             exponential-decay repetition-penalty frequency-presence dry mask"
        );
        for name in FILTERS.iter().flat_map(|filter| filter.parameters) {
            assert!(Parameter::ALL.iter().any(|parameter| parameter.name == *name), "{name}");
        }
    }

    #[test]
    fn what_temperature_0_makes_void() {
        let greedy = || SamplingParams::default().temperature(0.0).xtc(Xtc::new(0.5, 0.1));
        let marked = || greedy().watermark(Watermark::default());
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
            (
                marked().order(order("mask,watermark,temperature,xtc")),
                "selection dynamic_temperature xtc seed",
            ),
        ] {
            assert_eq!(void_at_temperature_0(&params).join(" "), expected, "{params:?}");
        }
    }
}
