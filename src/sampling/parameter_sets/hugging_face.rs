//! `generation_config.json` of Hugging Face transformers.
//!
//! Without `do_sample`, transformers is greedy and warns about sampling fields. So it is here: such
//! fields are [unused](ParameterSet::unused). With `do_sample`, `top_k` defaults to 50, and beams
//! are a conflict, as beam search here draws nothing. `max_length` and `min_length` count the
//! prompt too, so they hold for a prompt of known length only ([`ParameterSet::for_prompt`]). If
//! `max_new_tokens` and `min_new_tokens` are there as well, these take precedence, as in
//! transformers. `forced_bos_token_id` is unused: transformers heeds it only for a prompt of a
//! single token, as encoder–decoder models have. `bad_words_ids` do not ban the end tokens of
//! `eos_token_id`.
//!
//! Source: documentation of `transformers.GenerationConfig`.

use super::row::{ANY, FieldRow, rows};
use super::{Beams, EarlyStopping, Fields, Json, NotRead, ParameterSet};
use crate::sampling::{SamplingError, SamplingParams, Watermark, WatermarkSeeding};

const NO_EFFECT: &[&str] = &[
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
    "assistant_lookbehind",
    "target_lookbehind",
    "max_matching_ngram_size",
    "is_assistant",
    "compile_config",
    "disable_compile",
    "prefill_chunk_size",
    "trust_remote_code",
];

const AFFECTS_OUTPUT: &[&str] = &[
    "assistant_early_exit",
    "custom_generate",
    "forced_bos_token_id",
    "max_time",
    "prompt_lookup_num_tokens",
    "renormalize_logits",
    "token_healing",
];

const OF_ENCODERS: &str = "remove the field";
const OF_WORDS: &str = "make a constraint of it and remove the field";

/// Fields that concern more than one row of logits. Each has the value that changes nothing, which
/// is accepted, and the remedy for other values.
const UNSUPPORTED: &[(&str, f64, &str)] = &[
    ("encoder_repetition_penalty", 1.0, OF_ENCODERS),
    ("encoder_no_repeat_ngram_size", 0.0, OF_ENCODERS),
    ("force_words_ids", f64::NAN, OF_WORDS),
    ("constraints", f64::NAN, OF_WORDS),
    ("penalty_alpha", 0.0, "ask for contrastive search (`Strategy::Contrastive`) and remove the field"),
    ("guidance_scale", 1.0, "guide the model (`decode::Guided`) and remove the field"),
    ("dola_layers", f64::NAN, "wrap the model (`decode::Dola`) and remove the field"),
];

/// Fields of drawing tokens, which need `do_sample`.
const DRAWING: &[FieldRow] = rows! {
    "temperature" => temperature, 0.0, ANY;
    "top_k" => top_k, 0.0, ANY;
    "top_p" => top_p, 0.0, 1.0;
    "min_p" => min_p, 0.0, 1.0;
    "typical_p" => typical_p, 0.0, 1.0;
    "epsilon_cutoff" => epsilon_cutoff, 0.0, 1.0;
    "eta_cutoff" => eta_cutoff, 0.0, 1.0;
    "top_h" => top_h, 0.0, 1.0;
};

/// Fields that act without `do_sample`, too.
const ALWAYS: &[FieldRow] = rows! {
    "repetition_penalty" => repetition_penalty, 0.0, ANY;
    "no_repeat_ngram_size" => no_repeat_ngram, 0.0, ANY;
    "suppress_tokens" => suppressed_tokens;
    "begin_suppress_tokens" => begin_suppressed_tokens;
    "forced_eos_token_id" => forced_last;
    "bad_words_ids" => bad_words;
    "sequence_bias" => sequence_bias;
    "exponential_decay_length_penalty" => exponential_decay;
    "max_new_tokens" => max_tokens, 1.0, ANY;
    "min_new_tokens" => min_tokens, 0.0, ANY;
};

/// The default of `top_k` in transformers, for a file without one.
const TOP_K: usize = 50;

pub(super) fn read(fields: &mut Fields<'_>, set: &mut ParameterSet) -> Result<NotRead, SamplingError> {
    for &(name, neutral, remedy) in UNSUPPORTED {
        match fields.take(name) {
            Some(value) if value.as_f64() != Some(neutral) => {
                return Err(fields.fault(name, format!("not supported; {remedy}")));
            }
            _ => {}
        }
    }
    let draws = drawing(fields, set)?;
    fields.read(ALWAYS, &mut set.sampling)?;
    if let Some(ends) = fields.take("eos_token_id") {
        let ends = fields.tokens("eos_token_id", ends)?;
        set.sampling.bad_words.retain(|word| !matches!(word[..], [only] if ends.contains(&only)));
        set.sampling.end_tokens = ends;
        fields.parameters.push(("end_tokens", "eos_token_id"));
    }
    lengths(fields, set)?;
    beams(fields, set)?;
    set.stop = fields.strings("stop_strings")?;
    set.completions = fields.value("num_return_sequences", 1.0, ANY)?.unwrap_or(1);
    if draws && set.beams.is_some() {
        let reason = "conflicts with `do_sample`, which is true: beam search draws no tokens here; \
                      remove one of them";
        return Err(fields.fault("num_beams", reason));
    }
    if !draws && set.beams.is_none() && set.completions > 1 {
        let reason = "conflicts with `do_sample`, which is not true: greedy outputs are all the same; \
                      set it to true, or remove this field";
        return Err(fields.fault("num_return_sequences", reason));
    }
    if let Some(Beams { beams, .. }) = set.beams.filter(|found| set.completions > found.beams) {
        let reason =
            format!("{} is above `num_beams`, {beams}; lower it, or raise `num_beams`", set.completions);
        return Err(fields.fault("num_return_sequences", reason));
    }
    set.sampling.watermark = watermark(fields)?;
    Ok(NotRead { no_effect: NO_EFFECT, affects_output: AFFECTS_OUTPUT })
}

/// Reads the fields of drawing tokens; true if tokens are drawn.
fn drawing(fields: &mut Fields<'_>, set: &mut ParameterSet) -> Result<bool, SamplingError> {
    let plain = SamplingParams::default().top_k(TOP_K);
    if fields.flag("do_sample")?.unwrap_or(false) {
        set.sampling = plain;
        fields.read(DRAWING, &mut set.sampling)?;
        return Ok(true);
    }
    for row in DRAWING {
        let mut read = plain.clone();
        fields.read(std::slice::from_ref(row), &mut read)?;
        // Greedy, as it is without `do_sample`.
        let is_greedy = read.temperature == 0.0 || read.top_k <= 1;
        if read != plain && !is_greedy {
            fields.overridden.push(row.field);
        }
    }
    set.sampling.temperature = 0.0;
    Ok(false)
}

/// Reads the lengths that count the prompt. The lengths that do not count it take precedence.
fn lengths(fields: &mut Fields<'_>, set: &mut ParameterSet) -> Result<(), SamplingError> {
    set.max_length = fields.value("max_length", 1.0, ANY)?;
    let least: Option<usize> = fields.value("min_length", 0.0, ANY)?;
    set.min_length = least.filter(|&length| length > 0);
    if fields.take("max_new_tokens").is_some() && set.max_length.take().is_some() {
        fields.overridden.push("max_length");
    }
    if set.max_length.is_some() {
        fields.parameters.push(("max_tokens", "max_length"));
    }
    if fields.take("min_new_tokens").is_some() && set.min_length.take().is_some() {
        fields.overridden.push("min_length");
    }
    match (set.min_length, set.max_length) {
        (Some(min), Some(max)) if min > max => {
            Err(fields.fault("min_length", format!("{min} is above `max_length`, {max}")))
        }
        _ => Ok(()),
    }
}

fn beams(fields: &mut Fields<'_>, set: &mut ParameterSet) -> Result<(), SamplingError> {
    let beams: usize = fields.value("num_beams", 1.0, ANY)?.unwrap_or(1);
    let groups: usize = fields.value("num_beam_groups", 1.0, ANY)?.unwrap_or(1);
    let diversity_penalty = fields.value("diversity_penalty", 0.0, ANY)?.unwrap_or(0.0);
    let length_penalty = fields.value("length_penalty", f64::MIN, f64::MAX)?.unwrap_or(1.0);
    let early_stopping = match fields.take("early_stopping") {
        None | Some(Json::Bool(false)) => EarlyStopping::Heuristic,
        Some(Json::Bool(true)) => EarlyStopping::Full,
        Some(Json::String(s)) if s == "never" => EarlyStopping::Never,
        Some(other) => {
            return Err(fields.fault("early_stopping", format!("{other} is not true, false or \"never\"")));
        }
    };
    if !beams.is_multiple_of(groups) {
        return Err(fields.fault("num_beam_groups", format!("{groups} does not divide `num_beams`, {beams}")));
    }
    set.beams =
        (beams > 1).then_some(Beams { beams, groups, diversity_penalty, length_penalty, early_stopping });
    Ok(())
}

fn watermark(fields: &mut Fields<'_>) -> Result<Option<Watermark>, SamplingError> {
    let Some(value) = fields.take("watermarking_config") else { return Ok(None) };
    fields.parameters.push(("watermark", "watermarking_config"));
    let Json::Object(map) = value else {
        return Err(fields.fault("watermarking_config", "not an object"));
    };
    let inner = |e: SamplingError| match e {
        SamplingError::ParameterSet { api, pointer, reason } => {
            SamplingError::ParameterSet { api, pointer: format!("/watermarking_config{pointer}"), reason }
        }
        other => other,
    };
    let mut config = Fields::of(fields.api, map);
    let read = |config: &mut Fields<'_>| {
        let standard = Watermark::default();
        let width = config.value("context_width", 1.0, ANY)?.unwrap_or(1);
        let seeding = match config.take("seeding_scheme").map(Json::as_str) {
            None | Some(Some("lefthash")) => WatermarkSeeding::LeftHash,
            Some(Some("selfhash")) => WatermarkSeeding::SelfHash { context_width: width },
            _ => return Err(config.fault("seeding_scheme", "not \"lefthash\" or \"selfhash\"")),
        };
        Ok(Watermark {
            greenlist_ratio: config.value("greenlist_ratio", 0.0, 1.0)?.unwrap_or(standard.greenlist_ratio),
            bias: config.value("bias", f64::MIN, f64::MAX)?.unwrap_or(standard.bias),
            hashing_key: config
                .value::<usize>("hashing_key", 0.0, ANY)?
                .map_or(standard.hashing_key, |key| key as u64),
            seeding,
        })
    };
    let watermark = read(&mut config).map_err(inner)?;
    config.check_all_read().map_err(inner)?;
    Ok(Some(watermark))
}
