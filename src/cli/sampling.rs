//! The options that say how tokens are drawn; each is a field of [`SamplingParams`].
//!
//! Options with several numbers take them in one argument, separated by colons, so that an option is one thing to the shell.

use std::str::FromStr;

use clap::ValueEnum;

use super::failure::Failure;
use hedgerow::sampling::presets::{Preset, PRESETS, RECIPES};
use hedgerow::sampling::{
    AdaptiveP, ChainOrder, Dry, DynamicTemperature, ExponentialDecay, Mirostat, MirostatVersion, PLess,
    SamplingParams, Selection, Smoothing, Step, Watermark, Xtc,
};
use hedgerow::vocab::TokenId;

/// How tokens are drawn.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Sampling")]
pub(super) struct SamplingArgs {
    /// Temperature, top-p and frequency penalty by mood (factual, code-gen, balanced, creative, brainstorm) or task (factual-qa,
    /// code-generation, code-review, chat, creative-writing, brainstorming, translation, summarisation, data-extraction,
    /// classification); the options of these names go before it
    #[arg(long, value_name = "NAME", default_value = "balanced", value_parser = preset)]
    preset: Preset,
    /// Divides the logits: below 1 is bolder, above 1 more even; 0 always takes the most probable token [default: the preset's]
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    temperature: Option<f32>,
    /// Keep the K most probable tokens; 0 keeps all
    #[arg(long, value_name = "K", default_value_t = 0)]
    top_k: usize,
    /// Keep the most probable tokens until their mass reaches P; 1 keeps all [default: the preset's]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    top_p: Option<f32>,
    /// Keep tokens at least M times as probable as the most probable one
    #[arg(long, value_name = "M", default_value_t = 0.0, allow_negative_numbers = true)]
    min_p: f32,
    /// Any number: the same seed and options give the same output
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Divide positive and multiply negative logits of tokens seen so far
    #[arg(long, value_name = "R", default_value_t = 1.0, allow_negative_numbers = true)]
    repetition_penalty: f32,
    /// Look at the last N tokens only for --repetition-penalty
    #[arg(long, value_name = "N")]
    repetition_window: Option<usize>,
    /// Subtract F for every time a token stands in the output [default: the preset's]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    frequency_penalty: Option<f32>,
    /// Subtract A from tokens that stand in the output
    #[arg(long, value_name = "A", default_value_t = 0.0, allow_negative_numbers = true)]
    presence_penalty: f32,
    /// Add B to the logit of token ID; `-inf` bans it (repeat the option)
    #[arg(long, value_name = "ID=B", value_parser = logit_bias)]
    logit_bias: Vec<(TokenId, f32)>,

    /// Temperature by position (`position:TOTAL`), entropy (`entropy`) or range (`range:LOW:HIGH[:EXPONENT]`)
    #[arg(long, value_name = "RULE", value_parser = dynamic_temperature, help_heading = MORE)]
    dynamic_temperature: Option<DynamicTemperature>,
    /// Keep tokens of typical surprise up to mass P; 1 keeps all
    #[arg(long, value_name = "P", default_value_t = 1.0, help_heading = MORE, allow_negative_numbers = true)]
    typical_p: f32,
    /// Tail-free sampling: cut where the curve of probabilities flattens; 1 keeps all
    #[arg(long, value_name = "Z", default_value_t = 1.0, help_heading = MORE, allow_negative_numbers = true)]
    tfs_z: f32,
    /// Keep tokens of probability at least E
    #[arg(long, value_name = "E", default_value_t = 0.0, help_heading = MORE, allow_negative_numbers = true)]
    epsilon_cutoff: f32,
    /// Keep tokens of probability at least min(E, √E·exp(−entropy))
    #[arg(long, value_name = "E", default_value_t = 0.0, help_heading = MORE, allow_negative_numbers = true)]
    eta_cutoff: f32,
    /// Keep tokens of probability at least A times the square of the largest
    #[arg(long, value_name = "A", default_value_t = 0.0, help_heading = MORE, allow_negative_numbers = true)]
    top_a: f32,
    /// Keep logits within N standard deviations of the largest
    #[arg(long, value_name = "N", help_heading = MORE, allow_negative_numbers = true)]
    top_n_sigma: Option<f32>,
    /// Keep tokens while their entropy is at most H times the whole
    #[arg(long, value_name = "H", help_heading = MORE, allow_negative_numbers = true)]
    top_h: Option<f32>,
    /// Keep tokens more probable than two draws are to agree
    #[arg(long, value_enum, value_name = "FORM", help_heading = MORE)]
    p_less: Option<PLessForm>,
    /// With probability P, drop all tokens of probability at least T but the last of them
    #[arg(long, value_name = "P:T", value_parser = xtc, help_heading = MORE)]
    xtc: Option<Xtc>,
    /// Quadratic smoothing of the logits
    #[arg(long, value_name = "FACTOR[:CURVE]", value_parser = smoothing, help_heading = MORE)]
    smoothing: Option<Smoothing>,
    /// Steer surprise: algorithm 1 or 2, target in bits (5), learning rate (0.1)
    #[arg(long, value_name = "VERSION[:TAU[:ETA]]", value_parser = mirostat, help_heading = MORE)]
    mirostat: Option<Mirostat>,
    /// Steer the probability of chosen tokens towards a target
    #[arg(long, value_name = "TARGET[:DECAY]", value_parser = adaptive_p, help_heading = MORE)]
    adaptive_p: Option<AdaptiveP>,
    /// Penalise what would extend a repetition: multiplier, base (1.75), length that is free (2)
    #[arg(long, value_name = "M[:BASE[:LENGTH]]", value_parser = dry, help_heading = MORE)]
    dry: Option<Dry>,
    /// No N tokens in a row may come twice; 0 allows all
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = MORE)]
    no_repeat_ngram: usize,
    /// After START tokens, pull towards the end by a factor for each further one
    #[arg(long, value_name = "START:FACTOR", value_parser = length_decay, help_heading = MORE)]
    length_decay: Option<ExponentialDecay>,
    /// Never draw token ID (repeat the option)
    #[arg(long, value_name = "ID", help_heading = MORE)]
    suppress: Vec<u32>,
    /// Mark the output by a green list: share of green tokens, bias
    #[arg(long, value_name = "RATIO:BIAS", value_parser = watermark, help_heading = MORE)]
    watermark: Option<Watermark>,
    /// Order of the steps: `hf`, `llama`, or a list of step names with commas
    #[arg(long, value_name = "ORDER", default_value = "hf", value_parser = order, help_heading = MORE)]
    order: ChainOrder,
    /// How the draw is made: one random number against the cumulative law, or the largest of logits plus Gumbel noise
    #[arg(long, value_enum, default_value_t = Draw::Cdf, help_heading = MORE)]
    draw: Draw,
}

const MORE: &str = "More sampling";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PLessForm {
    Plain,
    Normalised,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Draw {
    Cdf,
    Gumbel,
}

impl SamplingArgs {
    /// The parameters, checked.
    pub fn params(&self, min_tokens: usize, max_tokens: usize) -> Result<SamplingParams, Failure> {
        let mut params = SamplingParams::default()
            .temperature(self.temperature.unwrap_or(self.preset.temperature))
            .top_k(self.top_k)
            .top_p(self.top_p.unwrap_or(self.preset.top_p))
            .min_p(self.min_p)
            .seed(self.seed)
            .repetition_penalty(self.repetition_penalty)
            .repetition_window(self.repetition_window)
            .frequency_penalty(self.frequency_penalty.unwrap_or(self.preset.frequency_penalty))
            .presence_penalty(self.presence_penalty)
            .logit_bias(self.logit_bias.clone())
            .dynamic_temperature(self.dynamic_temperature)
            .typical_p(self.typical_p)
            .tfs_z(self.tfs_z)
            .epsilon_cutoff(self.epsilon_cutoff)
            .eta_cutoff(self.eta_cutoff)
            .top_a(self.top_a)
            .top_n_sigma(self.top_n_sigma)
            .top_h(self.top_h)
            .p_less(self.p_less.map(|form| match form {
                PLessForm::Plain => PLess::Plain,
                PLessForm::Normalised => PLess::Normalised,
            }))
            .xtc(self.xtc)
            .smoothing(self.smoothing)
            .mirostat(self.mirostat)
            .adaptive_p(self.adaptive_p)
            .dry(self.dry.clone())
            .no_repeat_ngram(self.no_repeat_ngram)
            .suppressed_tokens(self.suppress.iter().map(|&id| TokenId(id)).collect())
            .watermark(self.watermark.clone())
            .order(self.order.clone())
            .selection(match self.draw {
                Draw::Cdf => Selection::InverseCdf,
                Draw::Gumbel => Selection::GumbelMax,
            })
            .min_tokens(min_tokens)
            .max_tokens(Some(max_tokens));
        params
            .validate()
            .map_err(|error| Failure::usage("the sampling options are not usable").because(&error))?;
        // Needs end tokens, which the model brings; the decoding loop validates it again with them.
        params.exponential_decay = self.length_decay;
        Ok(params)
    }
}

/// Numbers separated by colons: `least` of them at least, as many as `form` names at most.
fn numbers<T: FromStr>(text: &str, form: &str, least: usize) -> Result<Vec<T>, String> {
    let expected = || format!("expected {form}");
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() < least || parts.len() > form.split(':').count() {
        return Err(expected());
    }
    parts.into_iter().map(|part| part.parse().map_err(|_| expected())).collect()
}

fn preset(text: &str) -> Result<Preset, String> {
    Preset::by_name(text).ok_or_else(|| {
        let names: Vec<_> = PRESETS.iter().chain(&RECIPES).map(|preset| preset.name).collect();
        format!("expected one of {}", names.join(", "))
    })
}

fn logit_bias(text: &str) -> Result<(TokenId, f32), String> {
    let parsed =
        text.split_once('=').and_then(|(id, bias)| Some((TokenId(id.parse().ok()?), bias.parse().ok()?)));
    parsed.ok_or_else(|| "expected ID=BIAS, such as 42=-1.5".to_owned())
}

fn dynamic_temperature(text: &str) -> Result<DynamicTemperature, String> {
    let expected = "expected `position:TOTAL`, `entropy` or `range:LOW:HIGH[:EXPONENT]`";
    let (rule, rest) = text.split_once(':').unwrap_or((text, ""));
    match rule {
        "entropy" if rest.is_empty() => Ok(DynamicTemperature::Entropy),
        "position" => {
            Ok(DynamicTemperature::Position { total: rest.parse().map_err(|_| expected.to_owned())? })
        }
        "range" => match *numbers::<f32>(rest, "LOW:HIGH:EXPONENT", 2)?.as_slice() {
            [low, high] => Ok(DynamicTemperature::Range { low, high, exponent: 1.0 }),
            [low, high, exponent] => Ok(DynamicTemperature::Range { low, high, exponent }),
            _ => Err(expected.to_owned()),
        },
        _ => Err(expected.to_owned()),
    }
}

fn xtc(text: &str) -> Result<Xtc, String> {
    let form = "PROBABILITY:THRESHOLD";
    match numbers(text, form, 2)?.as_slice() {
        &[probability, threshold] => Ok(Xtc { probability, threshold }),
        _ => Err(format!("expected {form}")),
    }
}

fn smoothing(text: &str) -> Result<Smoothing, String> {
    let values = numbers(text, "FACTOR:CURVE", 1)?;
    let factor = values.first().copied().unwrap_or_default();
    Ok(Smoothing { factor, curve: values.get(1).copied().unwrap_or(1.0) })
}

fn mirostat(text: &str) -> Result<Mirostat, String> {
    let (version, rest) = text.split_once(':').map_or((text, None), |(version, rest)| (version, Some(rest)));
    let version = match version {
        "1" => MirostatVersion::V1,
        "2" => MirostatVersion::V2,
        _ => return Err("expected VERSION[:TAU[:ETA]] with version 1 or 2".to_owned()),
    };
    let mut mirostat = Mirostat { version, ..Mirostat::default() };
    if let Some(rest) = rest {
        let values = numbers(rest, "TAU:ETA", 1)?;
        mirostat.tau = values.first().copied().unwrap_or(mirostat.tau);
        mirostat.eta = values.get(1).copied().unwrap_or(mirostat.eta);
    }
    Ok(mirostat)
}

fn adaptive_p(text: &str) -> Result<AdaptiveP, String> {
    let values = numbers(text, "TARGET:DECAY", 1)?;
    let target = values.first().copied().unwrap_or_default();
    Ok(AdaptiveP { target, decay: values.get(1).copied().unwrap_or(0.9) })
}

fn dry(text: &str) -> Result<Dry, String> {
    let expected = "expected MULTIPLIER[:BASE[:LENGTH]]";
    let mut parts = text.splitn(3, ':');
    let number = |part: &str| part.parse::<f32>().map_err(|_| expected.to_owned());
    let mut dry = Dry { multiplier: number(parts.next().unwrap_or_default())?, ..Dry::default() };
    if let Some(base) = parts.next() {
        dry.base = number(base)?;
    }
    if let Some(length) = parts.next() {
        dry.allowed_length = length.parse().map_err(|_| expected.to_owned())?;
    }
    Ok(dry)
}

fn length_decay(text: &str) -> Result<ExponentialDecay, String> {
    let parsed = text.split_once(':').and_then(|(start, factor)| {
        let (start, factor) = (start.parse().ok()?, factor.parse::<f32>().ok()?);
        (factor > 0.0 && factor.is_finite()).then_some(ExponentialDecay { start, factor })
    });
    parsed.ok_or_else(|| "expected START:FACTOR with a factor above 0, such as 100:1.05".to_owned())
}

fn watermark(text: &str) -> Result<Watermark, String> {
    let form = "RATIO:BIAS";
    match numbers(text, form, 2)?.as_slice() {
        &[greenlist_ratio, bias] => Ok(Watermark { greenlist_ratio, bias, ..Watermark::default() }),
        _ => Err(format!("expected {form}")),
    }
}

fn order(text: &str) -> Result<ChainOrder, String> {
    match text {
        "hf" => return Ok(ChainOrder::Hf),
        "llama" => return Ok(ChainOrder::Llama),
        _ => {}
    }
    let step = |name: &str| {
        Step::from_name(name).ok_or_else(|| {
            let names: Vec<_> = Step::all().iter().map(|step| step.name()).collect();
            format!("`{name}` is no step; expected `hf`, `llama` or a list of {}", names.join(", "))
        })
    };
    text.split(',').map(|name| step(name.trim())).collect::<Result<_, _>>().map(ChainOrder::Custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        sampling: SamplingArgs,
    }

    fn parse(line: &str) -> Result<SamplingParams, String> {
        let words = std::iter::once("line").chain(line.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.sampling.params(0, 9).map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn every_option_reaches_its_parameter() {
        let line = "--temperature 0.5 --top-k 3 --top-p 0.8 --min-p 0.1 --seed 7 --repetition-penalty 1.1 \
            --repetition-window 64 --frequency-penalty -0.5 --presence-penalty 0.25 --logit-bias 5=-inf --logit-bias 6=1.5 \
            --dynamic-temperature range:0.5:1.5:2 --typical-p 0.9 --tfs-z 0.95 --epsilon-cutoff 0.01 --eta-cutoff 0.02 \
            --top-a 0.3 --top-n-sigma 2 --top-h 0.4 --p-less normalised --xtc 0.5:0.1 --smoothing 0.2:0.5 \
            --mirostat 1:4:0.2 --dry 0.8:1.5:3 --no-repeat-ngram 4 --length-decay 10:1.2 --suppress 1 \
            --suppress 2 --watermark 0.5:3 --draw gumbel";
        let dry = Dry { multiplier: 0.8, base: 1.5, allowed_length: 3, ..Dry::default() };
        let expected = SamplingParams::default()
            .temperature(0.5)
            .top_k(3)
            .top_p(0.8)
            .min_p(0.1)
            .seed(7)
            .repetition_penalty(1.1)
            .repetition_window(Some(64))
            .frequency_penalty(-0.5)
            .presence_penalty(0.25)
            .logit_bias(vec![(TokenId(5), f32::NEG_INFINITY), (TokenId(6), 1.5)])
            .dynamic_temperature(Some(DynamicTemperature::Range { low: 0.5, high: 1.5, exponent: 2.0 }))
            .typical_p(0.9)
            .tfs_z(0.95)
            .epsilon_cutoff(0.01)
            .eta_cutoff(0.02)
            .top_a(0.3)
            .top_n_sigma(Some(2.0))
            .top_h(Some(0.4))
            .p_less(Some(PLess::Normalised))
            .xtc(Some(Xtc { probability: 0.5, threshold: 0.1 }))
            .smoothing(Some(Smoothing { factor: 0.2, curve: 0.5 }))
            .mirostat(Some(Mirostat { version: MirostatVersion::V1, tau: 4.0, eta: 0.2 }))
            .dry(Some(dry))
            .no_repeat_ngram(4)
            .exponential_decay(Some(ExponentialDecay { start: 10, factor: 1.2 }))
            .suppressed_tokens(vec![TokenId(1), TokenId(2)])
            .watermark(Some(Watermark { greenlist_ratio: 0.5, bias: 3.0, ..Watermark::default() }))
            .selection(Selection::GumbelMax)
            .max_tokens(Some(9));
        assert_eq!(parse(line).unwrap(), expected);
        let other =
            "--adaptive-p 0.3 --dynamic-temperature position:40 --order mask,temperature,top-p,adaptive-p";
        let params = parse(other).unwrap();
        assert_eq!(params.adaptive_p, Some(AdaptiveP { target: 0.3, decay: 0.9 }));
        assert_eq!(params.dynamic_temperature, Some(DynamicTemperature::Position { total: 40 }));
        assert_eq!(
            params.order,
            ChainOrder::Custom(vec![Step::Mask, Step::Temperature, Step::TopP, Step::AdaptiveP])
        );
    }

    #[test]
    fn presets_give_way_to_options() {
        let expected = |temperature, top_p, penalty| {
            let params = SamplingParams::default().temperature(temperature).top_p(top_p);
            params.frequency_penalty(penalty).max_tokens(Some(9))
        };
        for (line, temperature, top_p, penalty) in [
            ("", 0.7, 0.9, 0.0),
            ("--preset chat", 0.7, 0.9, 0.3),
            ("--preset creative_writing --top-p 1", 0.9, 1.0, 0.5),
            ("--preset factual --temperature 0.25 --frequency-penalty -1", 0.25, 1.0, -1.0),
        ] {
            assert_eq!(parse(line).unwrap(), expected(temperature, top_p, penalty), "{line}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "--temperature -1",
            "--top-p 1.5",
            "--xtc 0.5",
            "--xtc 0.5:0.1:3",
            "--mirostat 3",
            "--mirostat 2:x",
            "--logit-bias 5",
            "--logit-bias x=1",
            "--dynamic-temperature range:1",
            "--dynamic-temperature heat",
            "--length-decay 3:-1",
            "--dry x",
            "--order top-x",
            "--order top-k",
            "--mirostat 2 --adaptive-p 0.3",
            "--repetition-penalty nan",
            "--seed -1",
            "--preset nonesuch",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
