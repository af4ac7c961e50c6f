//! vLLM's `SamplingParams`.
//!
//! A request to vLLM's server may also have `use_beam_search` and `length_penalty`. The number of
//! beams is then that of outputs, `n`. One beam is greedy search. The order of the chain is vLLM's,
//! in which min-p looks at all tokens.
//!
//! Sources: vLLM's documentation of `vllm.SamplingParams` and of its OpenAI-compatible server.

use super::row::{ANY, FieldRow, rows};
use super::{Beams, EarlyStopping, Fields, NotRead, ParameterSet};
use crate::sampling::{ChainOrder, SamplingError};

const NOT_READ: NotRead = NotRead {
    no_effect: &["detokenize", "spaces_between_special_tokens", "output_kind", "flat_logprobs"],
    affects_output: &[
        "include_stop_str_in_output",
        "prompt_logprobs",
        "truncate_prompt_tokens",
        "extra_args",
        "length_penalty",
    ],
};

const PARAMETERS: &[FieldRow] = rows! {
    "temperature" => temperature, 0.0, ANY;
    "top_p" => top_p, 0.0, 1.0;
    "min_p" => min_p, 0.0, 1.0;
    "frequency_penalty" => frequency_penalty, -2.0, 2.0;
    "presence_penalty" => presence_penalty, -2.0, 2.0;
    "repetition_penalty" => repetition_penalty, 0.0, ANY;
    "logit_bias" => logit_bias, -100.0, 100.0;
    "allowed_token_ids" => allowed_tokens;
    "stop_token_ids" => end_tokens;
    "min_tokens" => min_tokens, 0.0, ANY;
    "max_tokens" => max_tokens, 1.0, ANY;
    "seed" => seed;
};

/// The `max_tokens` of a request to vLLM that has no such field. `null` means no limit.
const MAX_TOKENS: usize = 16;

pub(super) fn read(fields: &mut Fields<'_>, set: &mut ParameterSet) -> Result<NotRead, SamplingError> {
    let p = &mut set.sampling;
    p.order = ChainOrder::Vllm;
    p.max_tokens = (!fields.map.contains_key("max_tokens")).then_some(MAX_TOKENS);
    fields.read(PARAMETERS, p)?;
    if let Some(k) = fields.take("top_k") {
        p.top_k = match k.as_i64() {
            Some(-1) => 0,
            Some(k) if k >= 0 => k as usize,
            _ => return Err(fields.fault("top_k", format!("{k} is not -1 (off) or an integer >= 0"))),
        };
    }
    set.seed = fields.has("seed").then_some(p.seed);
    if fields.flag("ignore_eos")?.unwrap_or(false) {
        return Err(fields.fault("ignore_eos", "not supported; suppress the end tokens instead"));
    }
    if !fields.flag("skip_special_tokens")?.unwrap_or(true) {
        return Err(fields.fault("skip_special_tokens", "not supported; special tokens are no text here"));
    }
    for name in ["structured_outputs", "guided_decoding"] {
        let Some(value) = fields.take(name) else { continue };
        let kind = value.as_object().into_iter().flatten().find(|(_, value)| !value.is_null());
        let of = kind.map_or_else(|| "it".to_owned(), |(kind, _)| format!("its `{kind}`"));
        let reason = format!("not supported; make a constraint of {of} and remove the field");
        return Err(fields.fault(name, reason));
    }
    set.stop = fields.strings("stop")?;
    set.bad_words = fields.strings("bad_words")?;
    set.completions = fields.value("n", 1.0, ANY)?.unwrap_or(1);
    beams(fields, set)?;
    set.logprobs = fields.value("logprobs", 0.0, ANY)?;
    Ok(NOT_READ)
}

/// Reads `use_beam_search`. vLLM continues all beams up to the largest length.
/// [`EarlyStopping::Never`], which stops only when no beam can reach a higher score, finds the same
/// outputs.
fn beams(fields: &mut Fields<'_>, set: &mut ParameterSet) -> Result<(), SamplingError> {
    if !fields.flag("use_beam_search")?.unwrap_or(false) {
        return Ok(());
    }
    let length_penalty = fields.value("length_penalty", f64::MIN, f64::MAX)?.unwrap_or(1.0);
    match set.completions {
        1 => set.sampling.temperature = 0.0,
        beams => {
            let early_stopping = EarlyStopping::Never;
            let (groups, diversity_penalty) = (1, 0.0);
            set.beams = Some(Beams { beams, groups, diversity_penalty, length_penalty, early_stopping });
        }
    }
    Ok(())
}
