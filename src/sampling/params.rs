//! The parameters of sampling, as plain data: one row of one table for each parameter.
//!
//! Every strategy is off by default: `SamplingParams::default()` draws from softmax(logits). Fields
//! are public; the by-value setters take plain values. [`SamplingParams::validate`] refuses what
//! has no meaning, naming the field.
//!
//! From the rows below follow the fields, their defaults and documentation, the setters, the
//! checks, the options of the command line with their help, and the texts that traces show
//! ([`Parameter`]).

use super::chain::ChainOrder;
use super::error::SamplingError;
use super::step_settings::{
    AdaptiveP, Dry, DynamicTemperature, ExponentialDecay, Mirostat, PLess, Selection, Smoothing, TailFreeEnd,
    Ties, Watermark, Xtc,
};
use super::value::{ABOVE_ZERO, ANY, AT_LEAST_ZERO, BELOW_ONE, PENALTY, Range, SHARE, UNIT, Value};
use crate::vocab::TokenId;

/// A parameter of [`SamplingParams`] by name, for front ends that read it as text.
///
/// ```
/// use hedgerow::sampling::{Parameter, SamplingParams};
/// let mut params = SamplingParams::default();
/// let xtc = Parameter::ALL.iter().find(|parameter| parameter.name == "xtc").unwrap();
/// xtc.set(&mut params, "0.5:0.1")?;
/// assert_eq!(params.xtc.unwrap().threshold, 0.1);
/// assert_eq!(xtc.get(&params), "0.5:0.1");
/// assert_eq!(xtc.get(&SamplingParams::default()), "off");
/// assert!(xtc.set(&mut params, "often").is_err());
/// # Ok::<(), hedgerow::sampling::SamplingError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Parameter {
    /// The field's name.
    pub name: &'static str,
    /// The form of its text, such as `P:T`.
    pub form: &'static str,
    /// The kind of caller that usually sets it.
    pub group: Group,
    /// True for a list; the text is that of the members with commas between them.
    pub is_list: bool,
    help: &'static str,
    set: fn(&mut SamplingParams, &str) -> Result<(), String>,
    get: fn(&SamplingParams) -> String,
}

/// The kinds of callers that usually set a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Group {
    /// Any caller.
    Common,
    /// A caller who knows the strategy by name.
    Special,
    /// The loop around the sampler.
    Loop,
}

impl Parameter {
    /// The field's documentation, as plain text.
    pub fn help(&self) -> &'static str {
        self.help.trim()
    }

    /// Sets the field by its text. Ranges are checked by [`SamplingParams::validate`].
    ///
    /// # Errors
    /// [`SamplingError::Text`] if the text does not have the parameter's form.
    pub fn set(&self, params: &mut SamplingParams, text: &str) -> Result<(), SamplingError> {
        (self.set)(params, text).map_err(|expected| SamplingError::Text {
            name: self.name,
            given: text.to_owned(),
            expected,
        })
    }

    /// The field as text: what [`set`](Self::set) reads.
    pub fn get(&self, params: &SamplingParams) -> String {
        (self.get)(params)
    }
}

impl std::fmt::Debug for Parameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parameter")
            .field("name", &self.name)
            .field("form", &self.form)
            .finish_non_exhaustive()
    }
}

macro_rules! parameters {
    ($($(#[doc = $doc:literal])* $name:ident: [$($type:tt)+] = $default:expr_2021, $form:literal, $group:ident, $range:expr_2021;)*) => {
        /// Parameters of a [`Sampler`](crate::sampling::Sampler).
        ///
        /// The functions of the single strategies document the formulas and edge cases
        /// ([`temperature`](crate::sampling::temperature),
        /// [`truncation`](crate::sampling::truncation), [`penalties`](crate::sampling::penalties)
        /// and the other modules of this folder).
        ///
        /// ```
        /// use hedgerow::sampling::SamplingParams;
        /// let params = SamplingParams::default().temperature(0.7).top_p(0.9).seed(1);
        /// assert!(params.validate().is_ok());
        /// assert!(SamplingParams::default().top_p(1.5).validate().is_err());
        /// ```
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub struct SamplingParams {
            $($(#[doc = $doc])*
            ///
            #[doc = concat!("Default: `", stringify!($default), "`.")]
            pub $name: $($type)+,)*
        }

        impl Default for SamplingParams {
            fn default() -> Self {
                SamplingParams { $($name: $default),* }
            }
        }

        impl SamplingParams {
            $(setter! { $name, $($type)+ })*

            /// Checks every parameter by itself.
            fn validate_each(&self) -> Result<(), SamplingError> {
                $({
                    const RANGE: Range = $range;
                    self.$name.check(stringify!($name), &RANGE)?;
                })*
                Ok(())
            }
        }

        impl Parameter {
            /// Every parameter, in the order of the fields.
            pub const ALL: &'static [Parameter] = &[$(Parameter {
                name: stringify!($name),
                form: $form,
                group: Group::$group,
                is_list: <$($type)+ as Value>::IS_LIST,
                help: concat!($($doc),*),
                set: |params, text| {
                    params.$name = Value::read(text)?;
                    Ok(())
                },
                get: |params| params.$name.show(),
            }),*];
        }
    };
}

// Name, type, default, form of the text, who gives it, range of a plain number.
parameters! {
    /// Divides the logits, 0 or more: below 1 is sharper, above 1 more even; 0 always takes the
    /// most probable token, of the lowest id among equals.
    temperature: [f32] = 1.0, "T", Common, AT_LEAST_ZERO;
    /// A temperature that changes: it rises along TOTAL tokens (`position:TOTAL`), follows the
    /// entropy of the distribution (`entropy`), or does so between two bounds
    /// (`range:LOW:HIGH[:EXPONENT]`).
    dynamic_temperature: [Option<DynamicTemperature>] = None, "RULE", Special, ANY;
    /// Keep the K most probable tokens; 0 keeps all.
    top_k: [usize] = 0, "K", Common, ANY;
    /// Tokens equal to the last that top-k keeps: drop those of higher ids (`lowest-id`), or keep
    /// them (`keep-all`).
    top_k_ties: [Ties] = Ties::LowestId, "TIES", Special, ANY;
    /// Keep the most probable tokens until their mass reaches P, in [0, 1]; 1 keeps all.
    top_p: [f32] = 1.0, "P", Common, UNIT;
    /// Keep tokens at least M times as probable as the most probable one, M in [0, 1]; 0 keeps all.
    min_p: [f32] = 0.0, "M", Common, UNIT;
    /// Keep tokens of typical surprise up to mass P, in [0, 1]; 1 keeps all.
    typical_p: [f32] = 1.0, "P", Special, UNIT;
    /// Tail-free sampling: cut where the curve of probabilities flattens, Z in [0, 1]; 1 keeps all.
    tfs_z: [f32] = 1.0, "Z", Special, UNIT;
    /// The end of the tail-free cut: `after` the token at which the weight passes Z, or `before`
    /// it, as llama.cpp did.
    tfs_end: [TailFreeEnd] = TailFreeEnd::After, "END", Special, ANY;
    /// Keep tokens of probability at least E, in [0, 1); 0 keeps all.
    epsilon_cutoff: [f32] = 0.0, "E", Special, BELOW_ONE;
    /// Keep tokens of probability at least min(E, √E·exp(−entropy)), E in [0, 1); 0 keeps all.
    eta_cutoff: [f32] = 0.0, "E", Special, BELOW_ONE;
    /// Keep tokens of probability at least A times the square of the largest, A in [0, 1]; 0 keeps
    /// all.
    top_a: [f32] = 0.0, "A", Special, UNIT;
    /// Keep logits within N standard deviations of the largest, N above 0.
    top_n_sigma: [Option<f32>] = None, "N", Special, ABOVE_ZERO;
    /// Keep tokens while their cumulative entropy is at most H times the whole, H in (0, 1].
    top_h: [Option<f32>] = None, "H", Special, SHARE;
    /// Keep tokens whose probability is at least that of drawing the same token twice: `plain`, or
    /// `normalised` by the number of tokens.
    p_less: [Option<PLess>] = None, "FORM", Special, ANY;
    /// Exclude top choices: with probability P, drop every token of probability at least T but the
    /// least probable of these.
    xtc: [Option<Xtc>] = None, "P:T", Special, ANY;
    /// Quadratic smoothing: tokens close to the most probable one become more alike, and distant
    /// ones less probable. FACTOR is the strength, and 0 is off; CURVE above 1 lowers the
    /// distant ones more (1).
    smoothing: [Option<Smoothing>] = None, "FACTOR[:CURVE]", Special, ANY;
    /// Mirostat, which steers surprise by feedback: algorithm 1 or 2, target in bits (5), learning
    /// rate (0.1). Not with adaptive-p.
    mirostat: [Option<Mirostat>] = None, "VERSION[:TAU[:ETA]]", Special, ANY;
    /// Adaptive-p, which steers the probability of chosen tokens towards TARGET, in [0, 1]; DECAY
    /// is the weight of earlier tokens, in [0, 0.99] (0.9). Not with Mirostat.
    adaptive_p: [Option<AdaptiveP>] = None, "TARGET[:DECAY]", Special, ANY;
    /// Divide positive and multiply negative logits of tokens seen so far, in prompt and output, by
    /// R above 0; 1 changes nothing.
    repetition_penalty: [f32] = 1.0, "R", Common, ABOVE_ZERO;
    /// Look at the last N tokens only for the repetition penalty; `off` looks at all.
    repetition_window: [Option<usize>] = None, "N", Common, ANY;
    /// Subtract F, in [-2, 2], for every time a token stands in the output.
    frequency_penalty: [f32] = 0.0, "F", Common, PENALTY;
    /// Subtract A, in [-2, 2], from tokens that stand in the output.
    presence_penalty: [f32] = 0.0, "A", Common, PENALTY;
    /// DRY, which penalises tokens that would extend a repetition: multiplier, base (1.75), length
    /// up to which repetitions are free (2), and number of the last tokens that are searched (0 for
    /// all). After a `/` come the tokens that end every repetition.
    dry: [Option<Dry>] = None, "M[:BASE[:LENGTH[:WINDOW]]][/IDS]", Special, ANY;
    /// Add B to the logit of token ID; `-inf` bans it. A token named twice gets the sum.
    logit_bias: [Vec<(TokenId, f32)>] = Vec::new(), "ID=B", Common, ANY;
    /// Add B to the logit of a sequence's last token where the text so far ends with the tokens
    /// before it. The ids have colons between them.
    sequence_bias: [Vec<(Vec<TokenId>, f32)>] = Vec::new(), "ID:ID=B", Special, ANY;
    /// Never complete this sequence of tokens (ids with colons between them).
    bad_words: [Vec<Vec<TokenId>>] = Vec::new(), "ID:ID", Special, ANY;
    /// Draw only these tokens.
    allowed_tokens: [Option<Tokens>] = None, "ID", Special, ANY;
    /// Never draw token ID.
    suppressed_tokens: [Tokens] = Vec::new(), "ID", Special, ANY;
    /// Do not draw token ID as the first one.
    begin_suppressed_tokens: [Tokens] = Vec::new(), "ID", Special, ANY;
    /// No N tokens in a row may come twice, in prompt and output; 0 allows all.
    no_repeat_ngram: [usize] = 0, "N", Special, ANY;
    /// After START tokens, add |l|·(FACTOR^(tokens since START) − 1) to the logit l of each end
    /// token. Needs end tokens.
    exponential_decay: [Option<ExponentialDecay>] = None, "START:FACTOR", Special, ANY;
    /// The first token of the output.
    forced_first: [Option<TokenId>] = None, "ID", Special, ANY;
    /// The token at the last position that the greatest length leaves, if the output can end with
    /// it. Outputs that end earlier do without it.
    forced_last: [Option<TokenId>] = None, "ID", Special, ANY;
    /// Tokens that end the output.
    end_tokens: [Tokens] = Vec::new(), "ID", Loop, ANY;
    /// No end token before this many tokens, unless the grammar and bans leave nothing else.
    min_tokens: [usize] = 0, "N", Loop, ANY;
    /// The greatest length: where `forced_last` applies, and what the decoding loop stops at.
    max_tokens: [Option<usize>] = None, "N", Loop, ANY;
    /// Mark drawn tokens by a green list, which a detector finds: the share of green tokens, the
    /// bias that they get, a secret key (15485863 unless given), and the number of last tokens that
    /// choose the list, the candidate included (without it, the last token alone).
    watermark: [Option<Watermark>] = None, "RATIO:BIAS[:KEY[:WIDTH]]", Special, ANY;
    /// Order of the steps: `hf`, `vllm`, `llama`, or names of steps with commas, such as
    /// `mask,temperature,top-k`.
    order: [ChainOrder] = ChainOrder::Hf, "ORDER", Special, ANY;
    /// The way to draw a token: one random number against the cumulative distribution
    /// (`inverse-cdf`), or the largest of logits plus Gumbel noise (`gumbel-max`).
    selection: [Selection] = Selection::InverseCdf, "SELECTION", Special, ANY;
    /// A whole number of any size: the same seed and options give the same output.
    seed: [u64] = 0, "SEED", Common, ANY;
    /// Index of the completion, if a request has several: each draws its own numbers.
    completion: [u32] = 0, "N", Loop, ANY;
}

/// Ids of tokens.
type Tokens = Vec<TokenId>;

impl SamplingParams {
    /// The parameters that are not the default's, with their texts.
    ///
    /// ```
    /// use hedgerow::sampling::SamplingParams;
    /// let params = SamplingParams::default().temperature(0.7).top_k(40);
    /// let changed = params.changed();
    /// assert_eq!(changed, [("temperature", "0.7".to_owned()), ("top_k", "40".to_owned())]);
    /// ```
    pub fn changed(&self) -> Vec<(&'static str, String)> {
        let plain = SamplingParams::default();
        let texts = Parameter::ALL.iter().map(|p| (p.name, p.get(self), p.get(&plain)));
        texts.filter(|(_, text, default)| text != default).map(|(name, text, _)| (name, text)).collect()
    }

    /// The tokens that parameters name, each with the name of its parameter. A caller who knows the
    /// vocabulary can check them: an id beyond it has no effect on most steps.
    ///
    /// ```
    /// use hedgerow::sampling::SamplingParams;
    /// use hedgerow::vocab::TokenId;
    /// let params = SamplingParams::default().bad_words(vec![vec![TokenId(7), TokenId(9)]]);
    /// assert_eq!(params.tokens(), [("bad_words", TokenId(7)), ("bad_words", TokenId(9))]);
    /// ```
    pub fn tokens(&self) -> Vec<(&'static str, TokenId)> {
        fn each<'a>(
            name: &'static str,
            tokens: impl IntoIterator<Item = &'a TokenId>,
        ) -> impl Iterator<Item = (&'static str, TokenId)> {
            tokens.into_iter().map(move |&token| (name, token))
        }
        each("logit_bias", self.logit_bias.iter().map(|(token, _)| token))
            .chain(each("sequence_bias", self.sequence_bias.iter().flat_map(|(tokens, _)| tokens)))
            .chain(each("bad_words", self.bad_words.iter().flatten()))
            .chain(each("allowed_tokens", self.allowed_tokens.iter().flatten()))
            .chain(each("suppressed_tokens", &self.suppressed_tokens))
            .chain(each("begin_suppressed_tokens", &self.begin_suppressed_tokens))
            .chain(each("forced_first", &self.forced_first))
            .chain(each("forced_last", &self.forced_last))
            .chain(each("end_tokens", &self.end_tokens))
            .chain(each("dry", self.dry.iter().flat_map(|dry| &dry.breakers)))
            .collect()
    }

    /// True if a parameter bans this token everywhere.
    #[cfg_attr(not(feature = "decode"), allow(dead_code))]
    pub(crate) fn forbids(&self, token: TokenId) -> bool {
        self.ban_of(token).is_some()
    }

    /// The parameter that bans this token everywhere, if one does.
    fn ban_of(&self, token: TokenId) -> Option<&'static str> {
        let only = |word: &[TokenId]| word == [token];
        let is_ban = |bias: f32| bias == f32::NEG_INFINITY;
        if self.suppressed_tokens.contains(&token) {
            Some("suppressed_tokens")
        } else if self.bad_words.iter().any(|word| only(word)) {
            Some("bad_words")
        } else if self.sequence_bias.iter().any(|(word, bias)| is_ban(*bias) && only(word)) {
            Some("sequence_bias")
        } else if self.allowed_tokens.as_ref().is_some_and(|allowed| !allowed.contains(&token)) {
            Some("allowed_tokens")
        } else if self.logit_bias.iter().any(|(id, bias)| *id == token && is_ban(*bias)) {
            Some("logit_bias")
        } else {
            None
        }
    }

    /// True if a parameter that names tokens bans this one after `history`, or prescribes another
    /// for the first position. `output` is the number of tokens of the output so far. Of the
    /// history only the last tokens are needed, as many as the [longest ban](Self::longest_ban)
    /// has.
    pub(crate) fn forbids_after(&self, history: &[TokenId], output: usize, token: TokenId) -> bool {
        let completes = |word: &[TokenId]| match word.split_last() {
            Some((last, before)) => *last == token && history.ends_with(before),
            None => false,
        };
        let mut biases = self.sequence_bias.iter().filter(|(_, bias)| *bias == f32::NEG_INFINITY);
        self.forbids(token)
            || output == 0 && self.begin_suppressed_tokens.contains(&token)
            || output == 0 && self.forced_first.is_some_and(|first| first != token)
            || self.bad_words.iter().any(|word| completes(word))
            || biases.any(|(word, _)| completes(word))
    }

    /// Number of tokens of the longest sequence that a parameter bans; 0 if there is none.
    #[cfg_attr(not(feature = "decode"), allow(dead_code))]
    pub(crate) fn longest_ban(&self) -> usize {
        let biases = self.sequence_bias.iter().filter(|(_, bias)| *bias == f32::NEG_INFINITY);
        let words = self.bad_words.iter().chain(biases.map(|(word, _)| word));
        words.map(Vec::len).max().unwrap_or(0)
    }

    /// True if a parameter bans tokens by their ids, or prescribes them.
    pub fn names_bans(&self) -> bool {
        let is_ban = |bias: &f32| *bias == f32::NEG_INFINITY;
        self.allowed_tokens.is_some()
            || self.forced_first.or(self.forced_last).is_some()
            || !(self.suppressed_tokens.is_empty() && self.begin_suppressed_tokens.is_empty())
            || !self.bad_words.is_empty()
            || self.logit_bias.iter().any(|(_, bias)| is_ban(bias))
            || self.sequence_bias.iter().any(|(_, bias)| is_ban(bias))
    }

    /// Checks every parameter, alone and against the others.
    ///
    /// # Errors
    /// [`SamplingError::InvalidParameter`], [`SamplingError::Conflict`] or [`SamplingError::Order`]
    /// for the first fault found.
    pub fn validate(&self) -> Result<(), SamplingError> {
        self.validate_each()?;
        let conflict = |first, second, reason| Err(SamplingError::Conflict { first, second, reason });
        if self.allowed_tokens.as_ref().is_some_and(Vec::is_empty) {
            let expected = "at least one token, or none for all";
            return Err(SamplingError::parameter("allowed_tokens", "[]", expected));
        }
        if self.exponential_decay.is_some() && self.end_tokens.is_empty() {
            let reason = "there is no end token to raise; set end_tokens";
            return conflict("exponential_decay", "end_tokens", reason);
        }
        if self.forced_last.is_some() && self.max_tokens.is_none() {
            return conflict("forced_last", "max_tokens", "the last position is unknown; set max_tokens");
        }
        let reason = "the token is prescribed and forbidden; allow it, or do not prescribe it";
        for (name, forced) in [("forced_first", self.forced_first), ("forced_last", self.forced_last)] {
            let Some(token) = forced else { continue };
            if let Some(ban) = self.ban_of(token) {
                return conflict(name, ban, reason);
            }
            if name == "forced_first" && self.begin_suppressed_tokens.contains(&token) {
                return conflict(name, "begin_suppressed_tokens", reason);
            }
        }
        if self.max_tokens.is_some_and(|max| self.min_tokens > max) {
            return conflict("min_tokens", "max_tokens", "the minimum is above the maximum");
        }
        if self.mirostat.is_some() && self.adaptive_p.is_some() {
            return conflict("mirostat", "adaptive_p", "both decide the final draw; use one");
        }
        self.order.validate(self)
    }
}
