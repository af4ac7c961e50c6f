//! `generation_config.json` of Hugging Face transformers.
//!
//! Without `do_sample`, transformers is greedy and warns about sampling fields. So it is here: such
//! fields are [unused](ParameterSet::unused). With `do_sample`, `top_k` defaults to 50, and beams
//! are a conflict, as beam search here draws nothing. Lengths that count the prompt (`max_length`,
//! `min_length`) are not read.
//!
//! Source: documentation of `transformers.GenerationConfig`.

use super::{Beams, EarlyStopping, Fields, NotRead, ParameterSet};
use crate::sampling::{ExponentialDecay, SamplingError, Watermark, WatermarkSeeding};
use crate::vocab::TokenId;
use serde_json::Value;

const HARMLESS: &[&str] = &[
    "_from_model_config",
    "_commit_hash",
    "transformers_version",
    "use_cache",
    "cache_implementation",
    "cache_config",
    "return_legacy_cache",
    "remove_invalid_values",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "output_logits",
    "return_dict_in_generate",
    "pad_token_id",
    "bos_token_id",
    "decoder_start_token_id",
    "low_memory",
    "num_assistant_tokens",
    "num_assistant_tokens_schedule",
    "assistant_confidence_threshold",
    "assistant_early_exit",
    "assistant_lookbehind",
    "target_lookbehind",
    "max_matching_ngram_size",
    "is_assistant",
    "compile_config",
    "disable_compile",
    "prefill_chunk_size",
    "trust_remote_code",
];

const TELLING: &[&str] = &[
    "custom_generate",
    "max_length",
    "max_time",
    "min_length",
    "prompt_lookup_num_tokens",
    "renormalize_logits",
    "token_healing",
];

/// Fields that do not act on one row of logits. Only their neutral value is accepted.
const UNSUPPORTED: &[(&str, f64)] = &[
    ("encoder_repetition_penalty", 1.0),
    ("encoder_no_repeat_ngram_size", 0.0),
    ("force_words_ids", f64::NAN),
    ("constraints", f64::NAN),
    ("penalty_alpha", 0.0),
    ("guidance_scale", 1.0),
    ("dola_layers", f64::NAN),
];

pub(super) fn read(fields: &mut Fields<'_>, set: &mut ParameterSet) -> Result<NotRead, SamplingError> {
    for &(name, neutral) in UNSUPPORTED {
        match fields.take(name) {
            Some(value) if value.as_f64() != Some(neutral) => {
                return Err(fields.fault(name, "not supported as a sampling parameter; remove it"));
            }
            _ => {}
        }
    }
    let draws = sampling(fields, set)?;
    tokens(fields, set)?;
    lengths(fields, set)?;
    beams(fields, set)?;
    set.stop = fields.strings("stop_strings")?;
    set.n = fields.integer("num_return_sequences", 1, u64::MAX)?.unwrap_or(1);
    if draws && set.beams.is_some() {
        let reason = "conflicts with `do_sample`, which is true: beam search draws no tokens here; \
                      remove one of them";
        return Err(fields.fault("num_beams", reason));
    }
    if !draws && set.beams.is_none() && set.n > 1 {
        let reason = "conflicts with `do_sample`, which is not true: greedy outputs are all the same; \
                      set it to true, or remove this field";
        return Err(fields.fault("num_return_sequences", reason));
    }
    set.sampling.watermark = watermark(fields)?;
    Ok(NotRead { harmless: HARMLESS, telling: TELLING })
}

/// Reads the fields about drawing tokens; true if tokens are drawn.
fn sampling(fields: &mut Fields<'_>, set: &mut ParameterSet) -> Result<bool, SamplingError> {
    let p = &mut set.sampling;
    let sample = fields.flag("do_sample")?.unwrap_or(false);
    let temperature = fields.number("temperature", 0.0, f64::INFINITY)?;
    let top_k = fields.integer("top_k", 0, u64::MAX)?;
    let mut distribution = [
        ("top_p", fields.number("top_p", 0.0, 1.0)?, 1.0, &mut p.top_p),
        ("min_p", fields.number("min_p", 0.0, 1.0)?, 0.0, &mut p.min_p),
        ("typical_p", fields.number("typical_p", 0.0, 1.0)?, 1.0, &mut p.typical_p),
        ("epsilon_cutoff", fields.number("epsilon_cutoff", 0.0, 1.0)?, 0.0, &mut p.epsilon_cutoff),
        ("eta_cutoff", fields.number("eta_cutoff", 0.0, 1.0)?, 0.0, &mut p.eta_cutoff),
    ];
    let top_h = fields.number("top_h", 0.0, 1.0)?;
    if sample {
        for (_, given, off, value) in &mut distribution {
            **value = given.unwrap_or(*off);
        }
        p.temperature = temperature.unwrap_or(1.0);
        p.top_k = top_k.unwrap_or(50);
        p.top_h = top_h;
        return Ok(true);
    }
    let truncates =
        distribution.iter().map(|(name, given, off, _)| (*name, given.is_some_and(|x| x != *off)));
    let others = [
        ("temperature", temperature.is_some_and(|t| t != 1.0 && t != 0.0)),
        // 50 is the library's own default and is written out by it.
        ("top_k", top_k.is_some_and(|k| k > 1 && k != 50)),
        ("top_h", top_h.is_some()),
    ];
    fields.void.extend(truncates.chain(others).filter(|(_, is_set)| *is_set).map(|(name, _)| name));
    p.temperature = 0.0;
    Ok(false)
}

fn tokens(fields: &mut Fields<'_>, set: &mut ParameterSet) -> Result<(), SamplingError> {
    let p = &mut set.sampling;
    p.repetition_penalty = fields.number("repetition_penalty", 0.0, f64::INFINITY)?.unwrap_or(1.0);
    p.no_repeat_ngram = fields.integer("no_repeat_ngram_size", 0, u64::MAX)?.unwrap_or(0);
    p.end_tokens = fields.tokens("eos_token_id")?.unwrap_or_default();
    p.suppressed_tokens = fields.only_tokens("suppress_tokens")?.unwrap_or_default();
    p.begin_suppressed_tokens = fields.only_tokens("begin_suppress_tokens")?.unwrap_or_default();
    p.forced_first = first(fields, "forced_bos_token_id")?;
    p.forced_last = first(fields, "forced_eos_token_id")?;
    if let Some(value) = fields.take("bad_words_ids") {
        p.bad_words = value
            .as_array()
            .ok_or_else(|| fields.fault("bad_words_ids", format!("{value} is not a list of lists")))?
            .iter()
            .map(|word| fields.token_array("bad_words_ids", word))
            .collect::<Result<_, _>>()?;
    }
    if let Some(value) = fields.take("sequence_bias") {
        let pairs: Option<Vec<(&Value, f32)>> = value.as_array().and_then(|items| {
            items
                .iter()
                .map(|item| match item.as_array().map(Vec::as_slice) {
                    Some([ids, bias]) => bias.as_f64().map(|bias| (ids, bias as f32)),
                    _ => None,
                })
                .collect()
        });
        let pairs =
            pairs.ok_or_else(|| fields.fault("sequence_bias", "not a list of [token ids, number] pairs"))?;
        p.sequence_bias = pairs
            .into_iter()
            .map(|(ids, bias)| Ok((fields.token_array("sequence_bias", ids)?, bias)))
            .collect::<Result<_, SamplingError>>()?;
    }
    if let Some(value) = fields.take("exponential_decay_length_penalty") {
        p.exponential_decay = match value.as_array().map(Vec::as_slice) {
            Some([start, factor]) => start
                .as_u64()
                .zip(factor.as_f64())
                .map(|(start, factor)| ExponentialDecay { start: start as usize, factor: factor as f32 }),
            _ => None,
        };
        if p.exponential_decay.is_none() {
            return Err(fields.fault("exponential_decay_length_penalty", "not a pair [start, factor]"));
        }
    }
    Ok(())
}

fn first(fields: &mut Fields<'_>, name: &'static str) -> Result<Option<TokenId>, SamplingError> {
    match fields.tokens(name)?.as_deref() {
        None | Some([]) => Ok(None),
        Some([only]) => Ok(Some(*only)),
        Some(_) => Err(fields.fault(name, "several tokens; only one can be forced")),
    }
}

fn lengths(fields: &mut Fields<'_>, set: &mut ParameterSet) -> Result<(), SamplingError> {
    let p = &mut set.sampling;
    p.max_tokens = fields.integer("max_new_tokens", 1, u64::MAX)?;
    p.min_tokens = fields.integer("min_new_tokens", 0, u64::MAX)?.unwrap_or(0);
    Ok(())
}

fn beams(fields: &mut Fields<'_>, set: &mut ParameterSet) -> Result<(), SamplingError> {
    let beams = fields.integer("num_beams", 1, u64::MAX)?.unwrap_or(1);
    let groups = fields.integer("num_beam_groups", 1, u64::MAX)?.unwrap_or(1);
    let diversity_penalty = fields.number("diversity_penalty", 0.0, f64::INFINITY)?.unwrap_or(0.0);
    let length_penalty = fields.number("length_penalty", f64::MIN, f64::MAX)?.unwrap_or(1.0);
    let early_stopping = match fields.take("early_stopping") {
        None | Some(Value::Bool(false)) => EarlyStopping::Heuristic,
        Some(Value::Bool(true)) => EarlyStopping::Full,
        Some(Value::String(s)) if s == "never" => EarlyStopping::Never,
        Some(other) => {
            return Err(fields.fault("early_stopping", format!("{other} is not true, false or \"never\"")));
        }
    };
    if beams % groups != 0 {
        return Err(fields.fault("num_beam_groups", format!("{groups} does not divide `num_beams`, {beams}")));
    }
    set.beams =
        (beams > 1).then_some(Beams { beams, groups, diversity_penalty, length_penalty, early_stopping });
    Ok(())
}

fn watermark(fields: &mut Fields<'_>) -> Result<Option<Watermark>, SamplingError> {
    let Some(value) = fields.take("watermarking_config") else { return Ok(None) };
    let Value::Object(map) = value else {
        return Err(fields.fault("watermarking_config", "not an object"));
    };
    let inner = |e: SamplingError| match e {
        SamplingError::ParameterSet { api, pointer, reason } => {
            SamplingError::ParameterSet { api, pointer: format!("/watermarking_config{pointer}"), reason }
        }
        other => other,
    };
    let mut config = Fields { api: fields.api, map, used: Vec::new(), void: Vec::new() };
    let read = |config: &mut Fields<'_>| {
        let standard = Watermark::default();
        let width = config.integer("context_width", 1, u64::MAX)?.unwrap_or(1);
        let seeding = match config.take("seeding_scheme").map(Value::as_str) {
            None | Some(Some("lefthash")) => WatermarkSeeding::LeftHash,
            Some(Some("selfhash")) => WatermarkSeeding::SelfHash { context_width: width },
            _ => return Err(config.fault("seeding_scheme", "not \"lefthash\" or \"selfhash\"")),
        };
        Ok(Watermark {
            greenlist_ratio: config.number("greenlist_ratio", 0.0, 1.0)?.unwrap_or(standard.greenlist_ratio),
            bias: config.number("bias", f64::MIN, f64::MAX)?.unwrap_or(standard.bias),
            hashing_key: config
                .integer("hashing_key", 0, u64::MAX)?
                .map_or(standard.hashing_key, |k| k as u64),
            seeding,
        })
    };
    let watermark = read(&mut config).map_err(inner)?;
    config.check_all_read().map_err(inner)?;
    Ok(Some(watermark))
}
