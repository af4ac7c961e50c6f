//! Sampling parameters as other APIs spell them, read from JSON.
//!
//! Each API has a file. A table there says which field is which parameter of [`SamplingParams`],
//! and in which range. The rest of the file knows the API's defaults and conflicts. A field that
//! the API does not have, a value of the wrong type or range, or two fields that contradict each
//! other is an error that names the field by JSON pointer. Fields that the API has but that do not
//! concern sampling (`model`, `messages`, …) are listed in [`ParameterSet::passed_over`]. Those of
//! them that would change the output (`messages`, but not `model`) are also listed in
//! [`ParameterSet::unused`], so that a caller can say what was not used. `null` counts as absent.

mod anthropic;
mod hugging_face;
mod openai;
mod row;
mod vllm;

use super::error::SamplingError;
use super::params::SamplingParams;
use super::value::{self, Bounds, Value};
use crate::vocab::TokenId;
use serde_json::{Map, Value as Json};

policy! {
    /// An API whose parameters can be read.
    enum Api {
        /// OpenAI's chat completions.
        OpenAi = "openai",
        /// Anthropic's messages.
        Anthropic = "anthropic",
        /// `generation_config.json` of Hugging Face transformers.
        HuggingFace = "hugging-face",
        /// vLLM's `SamplingParams`.
        Vllm = "vllm",
    }
}

/// The parameters that were read: those of sampling, and those that concern the loop around them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ParameterSet {
    /// The API in whose spelling the parameters were read.
    pub api: Api,
    /// Parameters of the sampler, validated.
    pub sampling: SamplingParams,
    /// The seed, if one was given (it is in `sampling` too); if not, a caller may choose one.
    pub seed: Option<u64>,
    /// Strings that end the output.
    pub stop: Vec<String>,
    /// Strings that must not occur. A caller with the tokenizer turns them into `bad_words`.
    pub bad_words: Vec<String>,
    /// Number of completions.
    pub completions: usize,
    /// Number of the most probable tokens to report with each token; `None` reports no log
    /// probabilities.
    pub logprobs: Option<usize>,
    /// OpenAI's `response_format`, as it was given. `None` also for the type `text`.
    pub response_format: Option<Json>,
    /// Beam search, if more than one beam was asked for.
    pub beams: Option<Beams>,
    /// Largest number of tokens of prompt and output together. Hugging Face's sets have it, without
    /// a `max_new_tokens`. [`for_prompt`](Self::for_prompt) applies it.
    pub max_length: Option<usize>,
    /// Smallest number of tokens of prompt and output together. Hugging Face's sets have it,
    /// without a `min_new_tokens`. [`for_prompt`](Self::for_prompt) applies it.
    pub min_length: Option<usize>,
    /// Fields that are not used, in the order of the text: those of the API that do not concern
    /// sampling, and sampling fields that have no effect because of another field.
    pub passed_over: Vec<String>,
    /// The fields among these that would change the output: `messages`, or a `temperature` without
    /// `do_sample`, for example. Fields whose value changes nothing, such as `false`, are left out.
    pub unused: Vec<String>,
    /// The names of the parameters that were read, each with the name of its field.
    fields: Vec<(&'static str, &'static str)>,
}

/// Beam search as `generation_config.json` asks for it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Beams {
    /// Number of beams, ≥ 2.
    pub beams: usize,
    /// Number of groups; 1 is plain beam search.
    pub groups: usize,
    /// λ of diverse beam search.
    pub diversity_penalty: f32,
    /// Exponent α of the length in the score.
    pub length_penalty: f32,
    /// The rule that ends the search.
    pub early_stopping: EarlyStopping,
}

policy! {
    /// The rule that ends beam search, once there are as many ended outputs as beams.
    enum EarlyStopping {
        /// Stops when the best beam, at its present length, scores no more than the worst ended
        /// output.
        Heuristic = "heuristic",
        /// Stops at once.
        Full = "full",
        /// Stops when no beam can reach a higher score. It differs from `Heuristic` only for a
        /// length penalty above 0, which is then applied with the largest length.
        Never = "never",
    }
}

impl ParameterSet {
    /// The sampling parameters that a model's authors recommend, from the text of its
    /// `generation_config.json`.
    ///
    /// End tokens, limits of length and `forced_last` are left out: the model's vocabulary and each
    /// request have their own. Stop strings, the number of outputs and beams are no sampling
    /// parameters. [`from_text`](Self::from_text) reads all of them.
    ///
    /// # Errors
    /// As [`from_text`](Self::from_text).
    ///
    /// ```
    /// use hedgerow::sampling::parameter_sets::ParameterSet;
    /// let text = r#"{"do_sample": true, "temperature": 0.6, "max_length": 99}"#;
    /// let sampling = ParameterSet::recommended(text)?;
    /// assert_eq!((sampling.temperature, sampling.max_tokens), (0.6, None));
    /// # Ok::<(), hedgerow::sampling::SamplingError>(())
    /// ```
    pub fn recommended(generation_config: &str) -> Result<SamplingParams, SamplingError> {
        let mut sampling = Self::from_text(Api::HuggingFace, generation_config)?.sampling;
        let plain = SamplingParams::default();
        sampling.end_tokens = plain.end_tokens;
        (sampling.min_tokens, sampling.max_tokens) = (plain.min_tokens, plain.max_tokens);
        sampling.forced_last = plain.forced_last;
        Ok(sampling)
    }

    /// Reads a JSON object.
    ///
    /// # Errors
    /// [`SamplingError::ParameterSet`] if the text is not a JSON object, or if a field is unknown,
    /// has a wrong type, is out of range or conflicts with another.
    ///
    /// ```
    /// use hedgerow::sampling::parameter_sets::{Api, ParameterSet};
    /// let text = r#"{"model": "m", "temperature": 0.2, "top_p": 0.9, "stop": "END",
    ///                "max_completion_tokens": 64}"#;
    /// let set = ParameterSet::from_text(Api::OpenAi, text)?;
    /// assert_eq!((set.sampling.temperature, set.sampling.max_tokens), (0.2, Some(64)));
    /// assert_eq!((set.stop[0].as_str(), set.passed_over[0].as_str()), ("END", "model"));
    /// let error = ParameterSet::from_text(Api::OpenAi, r#"{"top_q": 1}"#).unwrap_err();
    /// assert!(error.to_string().contains("/top_q"));
    /// # Ok::<(), hedgerow::sampling::SamplingError>(())
    /// ```
    pub fn from_text(api: Api, text: &str) -> Result<Self, SamplingError> {
        Self::from_value(api, &Self::parse(api, text)?)
    }

    fn parse(api: Api, text: &str) -> Result<Json, SamplingError> {
        serde_json::from_str(text).map_err(|e| SamplingError::ParameterSet {
            api: api.title(),
            pointer: "the document".to_owned(),
            reason: format!("not JSON: {e}"),
        })
    }

    /// Reads a JSON object like [`from_text`](Self::from_text), and leaves out the fields that
    /// cannot be used. The second value has the error of each of them.
    ///
    /// A model's `generation_config.json` may have fields of other programs, which are no reason to
    /// ignore the others.
    ///
    /// # Errors
    /// [`SamplingError::ParameterSet`] if the text is not a JSON object, or if the API requires a
    /// field that is missing.
    ///
    /// ```
    /// use hedgerow::sampling::parameter_sets::{Api, ParameterSet};
    /// let text = r#"{"do_sample": true, "temperature": 0.6, "chat_format": "chatml"}"#;
    /// let (set, faults) = ParameterSet::usable_fields(Api::HuggingFace, text)?;
    /// assert_eq!(set.sampling.temperature, 0.6);
    /// assert!(faults[0].to_string().contains("/chat_format"));
    /// # Ok::<(), hedgerow::sampling::SamplingError>(())
    /// ```
    pub fn usable_fields(api: Api, text: &str) -> Result<(Self, Vec<SamplingError>), SamplingError> {
        let mut value = Self::parse(api, text)?;
        let mut faults = Vec::new();
        loop {
            let error = match Self::from_value(api, &value) {
                Ok(set) => return Ok((set, faults)),
                Err(error) => error,
            };
            let SamplingError::ParameterSet { pointer, .. } = &error else { return Err(error) };
            // The field of the object, also where the pointer leads into the field.
            let name = pointer.trim_start_matches('/').split('/').next().unwrap_or_default();
            let name = name.replace("~1", "/").replace("~0", "~");
            if value.as_object_mut().and_then(|map| map.remove(&name)).is_none() {
                return Err(error);
            }
            faults.push(error);
        }
    }

    /// As [`from_text`](Self::from_text), for parsed JSON.
    ///
    /// # Errors
    /// As [`from_text`](Self::from_text).
    pub fn from_value(api: Api, value: &Json) -> Result<Self, SamplingError> {
        let Json::Object(map) = value else {
            return Err(SamplingError::ParameterSet {
                api: api.title(),
                pointer: "the document".to_owned(),
                reason: "not a JSON object".to_owned(),
            });
        };
        let mut fields = Fields::of(api.title(), map);
        let mut set = ParameterSet {
            api,
            sampling: SamplingParams::default(),
            seed: None,
            stop: Vec::new(),
            bad_words: Vec::new(),
            completions: 1,
            logprobs: None,
            response_format: None,
            beams: None,
            max_length: None,
            min_length: None,
            passed_over: Vec::new(),
            unused: Vec::new(),
            fields: Vec::new(),
        };
        let not_read = match api {
            Api::OpenAi => openai::read(&mut fields, &mut set)?,
            Api::Anthropic => anthropic::read(&mut fields, &mut set)?,
            Api::HuggingFace => hugging_face::read(&mut fields, &mut set)?,
            Api::Vllm => vllm::read(&mut fields, &mut set)?,
        };
        fields.finish(&not_read, &mut set)?;
        set.validate().map_err(|error| fields.named(error))?;
        set.fields = fields.parameters;
        Ok(set)
    }

    /// The field that gave a [parameter](crate::sampling::Parameter), by its name: `stop_token_ids`
    /// for `end_tokens` in a set of vLLM's. `None` for a parameter that no field gave.
    pub fn field(&self, parameter: &str) -> Option<&'static str> {
        self.fields.iter().find(|(name, _)| *name == parameter).map(|(_, field)| *field)
    }

    /// Checks the sampling parameters. The caller may still add end tokens and a largest number of
    /// tokens, so values that fit stand for them here if the set has none. A `max_length` counts as
    /// such a number.
    fn validate(&self) -> Result<(), SamplingError> {
        let mut checked = self.sampling.clone();
        checked.max_tokens = checked.max_tokens.or(self.max_length).or(Some(usize::MAX));
        if checked.end_tokens.is_empty() {
            checked.end_tokens.push(TokenId(0));
        }
        checked.validate()
    }

    /// The set for a prompt of `tokens` tokens. The lengths that count the prompt become numbers of
    /// tokens of the output, in [`sampling`](Self#structfield.sampling).
    ///
    /// # Errors
    /// [`SamplingError::ParameterSet`] if the prompt leaves no room below `max_length`, or if
    /// `min_length` asks for more tokens than the output may have.
    ///
    /// ```
    /// use hedgerow::sampling::parameter_sets::{Api, ParameterSet};
    /// let set = ParameterSet::from_text(Api::HuggingFace, r#"{"max_length": 20}"#)?;
    /// assert_eq!(set.clone().for_prompt(5)?.sampling.max_tokens, Some(15));
    /// assert!(set.for_prompt(20).is_err());
    /// # Ok::<(), hedgerow::sampling::SamplingError>(())
    /// ```
    pub fn for_prompt(mut self, tokens: usize) -> Result<Self, SamplingError> {
        if let Some(length) = self.max_length {
            let room = length.checked_sub(tokens).filter(|&room| room > 0);
            let reason = || {
                format!(
                    "{length} tokens of prompt and output together, but the prompt has {tokens}; raise it, or \
                     give `max_new_tokens`, which counts the output alone"
                )
            };
            self.sampling.max_tokens = Some(room.ok_or_else(|| self.fault("max_length", &reason()))?);
            self.max_length = None;
        }
        if let Some(length) = self.min_length.take() {
            self.sampling.min_tokens = length.saturating_sub(tokens);
            if let Some(most) = self.sampling.max_tokens.filter(|&most| self.sampling.min_tokens > most) {
                let reason = format!(
                    "{length} tokens of prompt and output together, but the prompt has {tokens}, and the output \
                     at most {most}; lower it, or give `min_new_tokens`, which counts the output alone"
                );
                return Err(self.fault("min_length", &reason));
            }
        }
        self.validate()?;
        Ok(self)
    }

    /// An error about one of the fields.
    pub(crate) fn fault(&self, name: &str, reason: &str) -> SamplingError {
        fault(self.api.title(), name, reason)
    }
}

/// An error about the field `name` of a set of parameters.
fn fault(api: &'static str, name: &str, reason: impl Into<String>) -> SamplingError {
    let name = name.replace('~', "~0").replace('/', "~1");
    SamplingError::ParameterSet { api, pointer: format!("/{name}"), reason: reason.into() }
}

impl Api {
    /// The API's name, as errors say it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Api::OpenAi => "OpenAI",
            Api::Anthropic => "Anthropic",
            Api::HuggingFace => "Hugging Face",
            Api::Vllm => "vLLM",
        }
    }
}

/// A JSON object whose fields are taken one by one. Fields that are left over are unknown.
struct Fields<'a> {
    api: &'static str,
    map: &'a Map<String, Json>,
    used: Vec<&'static str>,
    /// Fields that were taken, but have no effect because of another field.
    overridden: Vec<&'static str>,
    /// The names of the parameters that were read, each with the name of its field.
    parameters: Vec<(&'static str, &'static str)>,
}

/// The fields of an API that are not read.
struct NotRead {
    /// Fields that change no output here.
    no_effect: &'static [&'static str],
    /// Fields that would change the output.
    affects_output: &'static [&'static str],
}

/// True if this value of a field means the same as its absence, such as `false`, 0 or an empty
/// list.
fn asks_nothing(name: &str, value: &Json) -> bool {
    match value {
        // Without the field, calls may be parallel.
        Json::Bool(flag) if name == "parallel_tool_calls" => *flag,
        Json::Null | Json::Bool(false) => true,
        Json::Bool(true) => false,
        // Zero is a token, too.
        Json::Number(_) if name.ends_with("_token_id") => false,
        Json::Number(number) => number.as_f64() == Some(0.0),
        Json::String(text) => text.is_empty() || text == "none",
        Json::Array(list) => list.is_empty(),
        Json::Object(object) => {
            object.is_empty() || object.get("type").is_some_and(|kind| kind == "none" || kind == "disabled")
        }
    }
}

impl<'a> Fields<'a> {
    fn of(api: &'static str, map: &'a Map<String, Json>) -> Self {
        Fields { api, map, used: Vec::new(), overridden: Vec::new(), parameters: Vec::new() }
    }

    /// Turns an error about parameters into one about the fields that set them.
    fn named(&self, error: SamplingError) -> SamplingError {
        // The name of a parameter's member begins with that of the parameter, as in `mirostat.tau`.
        let field = |name: &str| {
            let rule = name.split('.').next();
            self.parameters.iter().find(|entry| Some(entry.0) == rule).map(|entry| entry.1)
        };
        match &error {
            SamplingError::InvalidParameter { name, value, expected } => match field(name) {
                Some(field) => self.fault(field, format!("{value} is not usable; expected {expected}")),
                None => error,
            },
            SamplingError::Conflict { first, second, reason } => match (field(first), field(second)) {
                (Some(first), Some(second)) => {
                    self.fault(first, format!("conflicts with `{second}`: {reason}"))
                }
                (Some(one), None) | (None, Some(one)) => self.fault(one, *reason),
                (None, None) => error,
            },
            _ => error,
        }
    }

    fn fault(&self, name: &str, reason: impl Into<String>) -> SamplingError {
        fault(self.api, name, reason)
    }

    /// A field that is there and not null.
    fn take(&mut self, name: &'static str) -> Option<&'a Json> {
        self.used.push(name);
        self.map.get(name).filter(|v| !v.is_null())
    }

    /// True for a field that is there and not null.
    fn has(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|value| !value.is_null())
    }

    /// Takes a field and reads its value as that of a parameter, such as a number from `low` to
    /// `high`.
    fn value<T: Value>(
        &mut self,
        name: &'static str,
        low: f64,
        high: f64,
    ) -> Result<Option<T>, SamplingError> {
        let value = self.take(name).map(|json| T::from_json(json, Bounds { low, high }));
        value.transpose().map_err(|reason| self.fault(name, reason))
    }

    fn flag(&mut self, name: &'static str) -> Result<Option<bool>, SamplingError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| self.fault(name, format!("{value} is not true or false")))
    }

    /// A list of strings.
    fn string_list(&mut self, name: &'static str) -> Result<Vec<String>, SamplingError> {
        match self.map.get(name) {
            Some(value @ Json::String(_)) => {
                Err(self.fault(name, format!("{value} is not a list of strings")))
            }
            _ => self.strings(name),
        }
    }

    /// A string or a list of strings.
    fn strings(&mut self, name: &'static str) -> Result<Vec<String>, SamplingError> {
        let strings: Vec<String> = match self.take(name) {
            None => return Ok(Vec::new()),
            Some(Json::String(s)) => vec![s.clone()],
            Some(Json::Array(items)) => {
                let strings =
                    items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<_>>();
                strings.ok_or_else(|| self.fault(name, "not every item is a string"))?
            }
            Some(value) => {
                return Err(self.fault(name, format!("{value} is not a string or a list of strings")));
            }
        };
        match strings.iter().any(String::is_empty) {
            true => Err(self.fault(name, "an empty string is in every text; leave it out")),
            false => Ok(strings),
        }
    }

    /// A token id or a list of token ids.
    fn tokens(&self, name: &str, value: &Json) -> Result<Vec<TokenId>, SamplingError> {
        let ids = match value {
            Json::Array(items) => items.iter().map(value::token).collect(),
            single => value::token(single).map(|id| vec![id]),
        };
        ids.map_err(|reason| self.fault(name, format!("{reason} or a list of token ids")))
    }

    /// Refuses fields that have not been read.
    fn check_all_read(&self) -> Result<(), SamplingError> {
        match self.map.keys().find(|name| !self.used.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(self.unknown(name)),
        }
    }

    fn unknown(&self, name: &str) -> SamplingError {
        self.fault(name, "unknown field; remove it or correct its spelling")
    }

    /// Lists in `set` the fields that have not been used. Refuses a field that the API does not
    /// have.
    fn finish(&self, not_read: &NotRead, set: &mut ParameterSet) -> Result<(), SamplingError> {
        for (name, value) in self.map {
            let is_overridden = self.overridden.contains(&name.as_str());
            if self.used.contains(&name.as_str()) && !is_overridden {
                continue;
            }
            let affects_output = is_overridden || not_read.affects_output.contains(&name.as_str());
            if !affects_output && !not_read.no_effect.contains(&name.as_str()) {
                return Err(self.unknown(name));
            }
            set.passed_over.push(name.clone());
            if affects_output && !asks_nothing(name, value) {
                set.unused.push(name.clone());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::{ExponentialDecay, Watermark, WatermarkSeeding};

    fn read(api: Api, text: &str) -> ParameterSet {
        ParameterSet::from_text(api, text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn openai() {
        let set = read(
            Api::OpenAi,
            r#"{"messages": [], "temperature": 2, "top_p": 0.5, "frequency_penalty": -2, "presence_penalty": 1.5,
                "max_tokens": 10, "stop": ["a", "b"], "seed": -1, "n": 3, "logit_bias": {"5": -100, "7": 2.5},
                "logprobs": true, "top_logprobs": 4, "response_format": {"type": "json_object"}, "user": null}"#,
        );
        let expected = SamplingParams::default()
            .temperature(2.0)
            .top_p(0.5)
            .frequency_penalty(-2.0)
            .presence_penalty(1.5)
            .max_tokens(10)
            .seed(u64::MAX)
            .logit_bias(vec![(TokenId(5), -100.0), (TokenId(7), 2.5)]);
        assert_eq!(set.sampling, expected);
        assert_eq!((set.completions, set.logprobs, set.stop.len()), (3, Some(4), 2));
        assert_eq!(set.passed_over, ["messages", "user"]);
        assert!(set.unused.is_empty());
        assert!(set.response_format.is_some());
        assert_eq!(read(Api::OpenAi, r#"{"logprobs": true}"#).logprobs, Some(0));
    }

    #[test]
    fn anthropic() {
        let set = read(
            Api::Anthropic,
            r#"{"model": "m", "max_tokens": 9, "temperature": 0, "top_k": 5, "top_p": 0.9, "stop_sequences": ["x"]}"#,
        );
        let expected = SamplingParams::default().temperature(0.0).top_k(5).top_p(0.9).max_tokens(9);
        assert_eq!((set.sampling, set.stop), (expected, vec!["x".to_owned()]));
    }

    #[test]
    fn hugging_face() {
        let set = read(
            Api::HuggingFace,
            r#"{"do_sample": true, "temperature": 0.6, "top_p": 0.9, "eos_token_id": [2, 3], "max_new_tokens": 7,
                "repetition_penalty": 1.1, "no_repeat_ngram_size": 3, "bad_words_ids": [[3], [1, 2]], "transformers_version": "4.40",
                "exponential_decay_length_penalty": [5, 1.2], "sequence_bias": [[[4, 5], -1.5]], "bos_token_id": 1,
                "watermarking_config": {"seeding_scheme": "selfhash", "context_width": 4, "bias": 3.0}, "suppress_tokens": [8]}"#,
        );
        let expected = SamplingParams::default()
            .temperature(0.6)
            .top_k(50)
            .top_p(0.9)
            .end_tokens(vec![TokenId(2), TokenId(3)])
            .max_tokens(7)
            .repetition_penalty(1.1)
            .no_repeat_ngram(3)
            .bad_words(vec![vec![TokenId(1), TokenId(2)]])
            .exponential_decay(ExponentialDecay { start: 5, factor: 1.2 })
            .sequence_bias(vec![(vec![TokenId(4), TokenId(5)], -1.5)])
            .suppressed_tokens(vec![TokenId(8)])
            .watermark(Watermark {
                bias: 3.0,
                seeding: WatermarkSeeding::SelfHash { context_width: 4 },
                ..Watermark::default()
            });
        assert_eq!(set.sampling, expected);
        let greedy = read(Api::HuggingFace, r#"{"num_beams": 4, "early_stopping": "never", "top_p": 1.0}"#);
        assert_eq!((greedy.sampling.temperature, greedy.sampling.top_k), (0.0, 0));
        let beams = greedy.beams.unwrap();
        assert_eq!((beams.beams, beams.early_stopping), (4, EarlyStopping::Never));
        // Without `do_sample`, fields of sampling are void, as in transformers.
        let void = read(Api::HuggingFace, r#"{"do_sample": false, "temperature": 0.6, "top_p": 0.9}"#);
        assert_eq!(void.sampling, SamplingParams::default().temperature(0.0));
        assert_eq!(void.unused, ["temperature", "top_p"]);
    }

    #[test]
    fn lengths_that_count_the_prompt_depend_on_it() {
        for (text, prompt, expected) in [
            (r#"{"max_length": 20}"#, 5, Some((0, Some(15)))),
            (r#"{"max_length": 20}"#, 19, Some((0, Some(1)))),
            (r#"{"max_length": 20}"#, 20, None),
            (r#"{"max_length": 20, "min_length": 10}"#, 5, Some((5, Some(15)))),
            (r#"{"max_length": 20, "min_length": 10}"#, 12, Some((0, Some(8)))),
            (r#"{"max_length": 20, "max_new_tokens": 30}"#, 25, Some((0, Some(30)))),
            (r#"{"min_length": 20, "min_new_tokens": 3}"#, 5, Some((3, None))),
            // The smallest output is longer than the largest.
            (r#"{"min_length": 20, "max_new_tokens": 3}"#, 5, None),
            (r#"{"min_length": 20, "max_new_tokens": 3}"#, 18, Some((2, Some(3)))),
            // A void length conflicts with none.
            (r#"{"max_length": 20, "max_new_tokens": 50, "min_length": 30}"#, 5, Some((25, Some(50)))),
            ("{}", 5, Some((0, None))),
        ] {
            let found = read(Api::HuggingFace, text).for_prompt(prompt);
            let found = found.ok().map(|set| (set.sampling.min_tokens, set.sampling.max_tokens));
            assert_eq!(found, expected, "{text} {prompt}");
        }
    }

    #[test]
    fn fields_that_change_the_output_are_named() {
        for (api, text, expected) in [
            (
                Api::HuggingFace,
                r#"{"max_length": 99, "min_length": 3, "max_time": 1.5, "token_healing": true, "use_cache": false,
                    "prompt_lookup_num_tokens": 3, "pad_token_id": 1}"#,
                "max_time token_healing prompt_lookup_num_tokens",
            ),
            (Api::HuggingFace, r#"{"max_length": null, "min_length": 0, "token_healing": false}"#, ""),
            (Api::HuggingFace, r#"{"max_length": 99, "max_new_tokens": 5}"#, "max_length"),
            (Api::HuggingFace, r#"{"min_length": 9, "min_new_tokens": 5}"#, "min_length"),
            (
                Api::OpenAi,
                r#"{"model": "m", "messages": [{}], "tools": [{}], "tool_choice": "auto", "prediction": {"a": 1},
                    "stream": true, "parallel_tool_calls": false, "store": true}"#,
                "messages tools tool_choice prediction stream parallel_tool_calls",
            ),
            (Api::OpenAi, r#"{"stream": false, "parallel_tool_calls": true}"#, ""),
            (
                Api::HuggingFace,
                r#"{"assistant_early_exit": 4, "num_assistant_tokens": 3, "forced_bos_token_id": 0}"#,
                "assistant_early_exit forced_bos_token_id",
            ),
            (Api::OpenAi, r#"{"tools": [], "tool_choice": "none", "modalities": null}"#, ""),
            (Api::OpenAi, r#"{"response_format": {"type": "text"}}"#, ""),
            (
                Api::Anthropic,
                r#"{"max_tokens": 1, "messages": [{}], "system": "s", "thinking": {"type": "enabled"}}"#,
                "messages system thinking",
            ),
            (Api::Anthropic, r#"{"max_tokens": 1, "thinking": {"type": "disabled"}}"#, ""),
            (
                Api::Vllm,
                r#"{"include_stop_str_in_output": true, "truncate_prompt_tokens": 4, "detokenize": true}"#,
                "include_stop_str_in_output truncate_prompt_tokens",
            ),
        ] {
            let set = read(api, text);
            assert_eq!(set.unused.join(" "), expected, "{text}");
            assert!(set.response_format.is_none());
        }
    }

    #[test]
    fn beams_of_vllm() {
        let text = r#"{"n": 3, "use_beam_search": true, "length_penalty": 0.5}"#;
        let beams = read(Api::Vllm, text).beams.unwrap();
        assert_eq!((beams.beams, beams.groups, beams.length_penalty), (3, 1, 0.5));
        let greedy = read(Api::Vllm, r#"{"use_beam_search": true, "temperature": 0.7}"#);
        assert!(greedy.beams.is_none() && greedy.sampling.temperature == 0.0);
        assert_eq!(read(Api::Vllm, r#"{"stop_token_ids": [9]}"#).field("end_tokens"), Some("stop_token_ids"));
        let sampled = read(Api::Vllm, r#"{"n": 2, "use_beam_search": false, "length_penalty": 0.5}"#);
        assert_eq!((sampled.beams, sampled.unused), (None, vec!["length_penalty".to_owned()]));
    }

    #[test]
    fn vllm() {
        let set = read(
            Api::Vllm,
            r#"{"temperature": 0.5, "top_k": -1, "min_p": 0.1, "stop": "s", "stop_token_ids": [9], "min_tokens": 2, "bad_words": ["no"],
                "allowed_token_ids": [1, 2, 9], "logprobs": 3, "repetition_penalty": 1.2, "ignore_eos": false}"#,
        );
        let expected = SamplingParams::default()
            .temperature(0.5)
            .min_p(0.1)
            .end_tokens(vec![TokenId(9)])
            .min_tokens(2)
            .max_tokens(16)
            .allowed_tokens(vec![TokenId(1), TokenId(2), TokenId(9)])
            .repetition_penalty(1.2)
            .order(crate::sampling::ChainOrder::Vllm);
        assert_eq!(set.sampling, expected);
        assert_eq!((set.logprobs, set.bad_words), (Some(3), vec!["no".to_owned()]));
    }

    #[test]
    fn faults_name_the_field() {
        for (api, text, expected) in [
            (Api::OpenAi, "[]", "OpenAI parameters: the document: not a JSON object"),
            (Api::OpenAi, "{", "not JSON"),
            (Api::OpenAi, r#"{"top_k": 5}"#, "/top_k: unknown field"),
            (Api::OpenAi, r#"{"temperature": "hot"}"#, r#"/temperature: "hot" is not a number in [0, 2]"#),
            (Api::OpenAi, r#"{"temperature": 2.1}"#, "/temperature: 2.1 is not a number in [0, 2]"),
            (Api::OpenAi, r#"{"n": 0}"#, "/n: 0 is not an integer"),
            (Api::OpenAi, r#"{"n": 1.5}"#, "/n: 1.5 is not an integer"),
            (
                Api::OpenAi,
                r#"{"max_tokens": 1, "max_completion_tokens": 2}"#,
                "/max_tokens: conflicts with `max_completion_tokens`",
            ),
            (Api::OpenAi, r#"{"top_logprobs": 2}"#, "/top_logprobs: needs `logprobs`"),
            (Api::OpenAi, r#"{"logit_bias": {"x": 1}}"#, "/logit_bias: `x` is not a token id"),
            (Api::OpenAi, r#"{"logit_bias": {"1": 101}}"#, "/logit_bias: 101 is not"),
            (Api::OpenAi, r#"{"stop": ["1", "2", "3", "4", "5"]}"#, "/stop: 5 strings; at most 4"),
            (Api::OpenAi, r#"{"stop": ["a", ""]}"#, "/stop: an empty string"),
            (Api::OpenAi, r#"{"a/b~": 1}"#, "/a~1b~0: unknown"),
            (Api::Anthropic, r#"{"temperature": 0.5}"#, "/max_tokens: missing"),
            (
                Api::Anthropic,
                r#"{"max_tokens": 1, "temperature": 1.5}"#,
                "/temperature: 1.5 is not a number in [0, 1]",
            ),
            (Api::Anthropic, r#"{"max_tokens": 1, "stop": "x"}"#, "/stop: unknown"),
            (Api::Anthropic, r#"{"max_tokens": 1, "stop_sequences": "x"}"#, "\"x\" is not a list of strings"),
        ] {
            check_fault(api, text, expected);
        }
    }

    #[test]
    fn faults_of_hugging_face_name_the_field() {
        for (api, text, expected) in [
            (
                Api::HuggingFace,
                r#"{"do_sample": true, "num_beams": 4}"#,
                "/num_beams: conflicts with `do_sample`, which is true",
            ),
            (
                Api::HuggingFace,
                r#"{"num_return_sequences": 2}"#,
                "/num_return_sequences: conflicts with `do_sample`",
            ),
            (Api::HuggingFace, r#"{"bad_words_ids": [3]}"#, "/bad_words_ids: 3 is not a list of token ids"),
            (Api::HuggingFace, r#"{"suppress_tokens": 3}"#, "/suppress_tokens: 3 is not a list of token ids"),
            (Api::HuggingFace, r#"{"sequence_bias": [[3, 1.5]]}"#, "/sequence_bias: 3 is not a list"),
            (Api::HuggingFace, r#"{"forced_eos_token_id": [3, 4]}"#, "/forced_eos_token_id: several tokens"),
            (
                Api::HuggingFace,
                r#"{"num_beams": 4, "num_beam_groups": 3}"#,
                "/num_beam_groups: 3 does not divide",
            ),
            (
                Api::HuggingFace,
                r#"{"encoder_repetition_penalty": 1.2}"#,
                "/encoder_repetition_penalty: not supported; remove the field",
            ),
            (
                Api::HuggingFace,
                r#"{"num_beams": 2, "num_return_sequences": 4}"#,
                "/num_return_sequences: 4 is above `num_beams`, 2",
            ),
            (
                Api::HuggingFace,
                r#"{"watermarking_config": {"greenlist_ratio": 1.0}}"#,
                "/watermarking_config: 1 is not usable",
            ),
            (
                Api::HuggingFace,
                r#"{"exponential_decay_length_penalty": [1, 0]}"#,
                "/exponential_decay_length_penalty: 0 is not usable",
            ),
            (
                Api::HuggingFace,
                r#"{"penalty_alpha": 0.6}"#,
                "ask for contrastive search (`Strategy::Contrastive`)",
            ),
            (Api::HuggingFace, r#"{"guidance_scale": 2}"#, "guide the model (`decode::Guided`) and remove"),
            (
                Api::HuggingFace,
                r#"{"dola_layers": "high"}"#,
                "wrap the model (`decode::Dola`) and remove the",
            ),
            // The parameters conflict, or have no meaning.
            (
                Api::HuggingFace,
                r#"{"max_new_tokens": 3, "min_new_tokens": 9}"#,
                "/min_new_tokens: conflicts with `max_new_tokens`: the minimum is above the maximum",
            ),
            (
                Api::HuggingFace,
                r#"{"min_new_tokens": 9, "max_length": 5}"#,
                "/min_new_tokens: conflicts with `max_length`",
            ),
            (
                Api::HuggingFace,
                r#"{"repetition_penalty": 0}"#,
                "/repetition_penalty: 0 is not usable; expected",
            ),
            (Api::HuggingFace, r#"{"eos_token_id": -1}"#, "/eos_token_id: -1 is not a token id"),
            (Api::HuggingFace, r#"{"early_stopping": "often"}"#, "/early_stopping"),
            (Api::HuggingFace, r#"{"watermarking_config": {"key": 1}}"#, "/watermarking_config/key: unknown"),
        ] {
            check_fault(api, text, expected);
        }
    }

    #[test]
    fn faults_of_vllm_name_the_field() {
        for (api, text, expected) in [
            (Api::Vllm, r#"{"top_k": -2}"#, "/top_k: -2 is not"),
            (Api::Vllm, r#"{"use_beam_search": 3}"#, "/use_beam_search: "),
            (Api::Vllm, r#"{"ignore_eos": true}"#, "/ignore_eos: not supported"),
            (Api::Vllm, r#"{"skip_special_tokens": false}"#, "/skip_special_tokens: not supported"),
            (
                Api::Vllm,
                r#"{"structured_outputs": {"json": null, "regex": "a"}}"#,
                "/structured_outputs: not supported; make a constraint of its `regex` and remove the field",
            ),
            (Api::Vllm, r#"{"structured_outputs": 3}"#, "make a constraint of it and remove the field"),
            (Api::Vllm, r#"{"stop_token_ids": 3}"#, "/stop_token_ids: 3 is not a list of token ids"),
            (Api::Vllm, r#"{"min_tokens": 20, "max_tokens": 5}"#, "/min_tokens: conflicts with `max_tokens`"),
        ] {
            check_fault(api, text, expected);
        }
    }

    fn check_fault(api: Api, text: &str, expected: &str) {
        let error = ParameterSet::from_text(api, text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
