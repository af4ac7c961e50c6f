//! The steps of a chain, one row each: name, place, when it is active, what it does.
//!
//! Everything else about a step follows from its row: the orders, [`Step`], the names on command
//! lines and in C, and the sampler's call. The rows stand in the order of
//! [`ChainOrder::Hf`](super::ChainOrder::Hf).
//!
//! There are four kinds of steps. *Edits* change single logits (biases, bans, penalties).
//! *Restrictions* say which tokens may be drawn (the grammar mask). *Filters* use the whole
//! distribution (temperatures, truncations). A *draw* is a filter with feedback: it learns from the
//! token that is accepted, and comes last.

use super::candidates::Candidates;
use super::history::History;
use super::params::SamplingParams;
use super::penalties::EditLogits;
use super::rng::{Purpose, Rng};
use super::watermark::Watermarker;
use super::{adaptive, bias, dry, mirostat, penalties, smoothing, temperature, truncation};
use crate::vocab::TokenId;
use hashbrown::HashSet;

/// The input of a step besides the logits.
pub(super) struct StepInput<'a> {
    pub params: &'a SamplingParams,
    pub history: &'a History,
    pub rng: Rng,
    pub watermark: Option<&'a Watermarker>,
    /// Length of a whole row.
    pub vocab: usize,
    /// True if no step after the first filter changes single logits. Such a step depends on their
    /// level.
    pub edits_come_first: bool,
}

impl StepInput<'_> {
    fn position(&self) -> usize {
        self.history.output()
    }
}

/// A parameter that names a token which the logits do not have.
pub(super) type UnknownToken = (&'static str, TokenId);

/// Changes candidates by their distribution, and passes the distribution that feedback uses to its
/// last argument.
pub(super) type DrawStep = fn(&mut Candidates, &StepInput<'_>, &mut dyn FnMut(&mut Candidates));

/// Changes one token's logit by the function; false if there is no such token.
type EditOne<'a> = dyn FnMut(TokenId, &mut dyn FnMut(f32) -> f32) -> bool + 'a;

/// The action of a step.
pub(super) enum StepKind {
    /// Changes single logits.
    Edit(fn(&mut AnyLogits<'_>, &StepInput<'_>) -> Result<(), UnknownToken>),
    /// Says which tokens may be drawn. It is applied when the candidates are made.
    Restriction,
    /// Changes candidates by their distribution.
    Filter(fn(&mut Candidates, &StepInput<'_>)),
    /// Changes candidates by their distribution, and passes the distribution that feedback uses to
    /// the last argument.
    Draw(DrawStep),
}

/// Everything about a step.
pub(super) struct StepRow {
    pub name: &'static str,
    /// True if the parameters ask for it.
    pub is_active: fn(&SamplingParams) -> bool,
    pub kind: StepKind,
}

macro_rules! steps {
    ($($(#[$doc:meta])* $step:ident, $name:literal, $llama:literal, $active:expr_2021, $kind:expr_2021;)*) => {
        /// One step of a chain.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Step {
            $($(#[$doc])* $step,)*
        }

        impl Step {
            /// Every step, in the order of [`ChainOrder::Hf`](super::ChainOrder::Hf).
            pub const ALL: &'static [Step] = &[$(Step::$step),*];
        }

        /// The rows, indexed by the number of the step.
        static ROWS: &[StepRow] = &[$(StepRow { name: $name, is_active: $active, kind: $kind }),*];

        /// The places in llama.cpp's order, indexed by the number of the step. Steps with a lower
        /// place come first. Steps with the same place keep the order of the table.
        const LLAMA_PLACES: &[u8] = &[$($llama),*];
    };
}

use StepKind::{Draw, Edit, Filter, Restriction};

// Step, name, place in llama.cpp's order, whether the parameters ask for it, what it does.
steps! {
    /// `logit_bias`.
    LogitBias, "logit-bias", 0, |p| !p.logit_bias.is_empty(),
        Edit(|l, i| bias::logit_bias(l, &i.params.logit_bias).map_err(|t| ("logit_bias", t)));
    /// `sequence_bias`.
    SequenceBias, "sequence-bias", 0, |p| !p.sequence_bias.is_empty(),
        Edit(|l, i| {
            let biases = &i.params.sequence_bias;
            bias::sequence_bias(l, biases, i.history.tokens()).map_err(|t| ("sequence_bias", t))
        });
    /// `allowed_tokens`.
    AllowedTokens, "allowed-tokens", 0, |p| p.allowed_tokens.is_some(), Restriction;
    /// `suppressed_tokens` and `begin_suppressed_tokens`.
    SuppressedTokens, "suppressed-tokens", 0,
        |p| !p.suppressed_tokens.is_empty() || !p.begin_suppressed_tokens.is_empty(), Edit(suppress);
    /// `bad_words`.
    BadWords, "bad-words", 0, |p| !p.bad_words.is_empty(),
        Edit(|l, i| bias::bad_words(l, &i.params.bad_words, i.history.tokens()).map_err(|t| ("bad_words", t)));
    /// `min_tokens`.
    MinTokens, "min-tokens", 0, |p| p.min_tokens > 0 && !p.end_tokens.is_empty(),
        Edit(|l, i| match i.position() < i.params.min_tokens {
            true => bias::suppress(l, &i.params.end_tokens).map_err(|t| ("end_tokens", t)),
            false => Ok(()),
        });
    /// `no_repeat_ngram`.
    NoRepeatNgram, "no-repeat-ngram", 0, |p| p.no_repeat_ngram > 0,
        Edit(|l, i| {
            bias::no_repeat_ngram(l, i.params.no_repeat_ngram, i.history.tokens());
            Ok(())
        });
    /// `repetition_penalty`.
    RepetitionPenalty, "repetition-penalty", 0, |p| p.repetition_penalty != 1.0, Edit(repetition);
    /// `frequency_penalty` and `presence_penalty`.
    FrequencyPresence, "frequency-presence", 0,
        |p| p.frequency_penalty != 0.0 || p.presence_penalty != 0.0,
        Edit(|l, i| {
            let (frequency, presence) = (i.params.frequency_penalty, i.params.presence_penalty);
            penalties::frequency_presence(l, i.history.output_counts(), frequency, presence);
            Ok(())
        });
    /// `dry`.
    Dry, "dry", 0, |p| p.dry.as_ref().is_some_and(|d| d.multiplier > 0.0),
        Edit(|l, i| {
            i.params.dry.iter().for_each(|rule| dry::dry(l, i.history.tokens(), rule));
            Ok(())
        });
    /// `exponential_decay`.
    ExponentialDecay, "exponential-decay", 0, |p| p.exponential_decay.is_some(),
        Edit(|l, i| i.params.exponential_decay.map_or(Ok(()), |decay| {
            let (end, at) = (&i.params.end_tokens, i.position());
            bias::exponential_decay(l, end, decay.start, decay.factor, at).map_err(|t| ("end_tokens", t))
        }));
    /// The grammar mask; always active.
    Mask, "mask", 0, |_| true, Restriction;
    /// `smoothing`.
    Smoothing, "smoothing", 0, |p| p.smoothing.is_some_and(|s| s.factor > 0.0),
        Filter(|c, i| i.params.smoothing.iter().for_each(|s| match i.edits_come_first {
            true => smoothing::smoothing_of_distribution(c, s.factor, s.curve),
            false => smoothing::smoothing(c, s.factor, s.curve),
        }));
    /// `temperature` and `dynamic_temperature`.
    Temperature, "temperature", 8, |p| p.temperature != 1.0 || p.dynamic_temperature.is_some(),
        Filter(|c, i| {
            let t = i.params.temperature;
            let t = i.params.dynamic_temperature.map_or(t, |rule| temperature::dynamic(c, t, rule, i.position()));
            match i.edits_come_first {
                true => temperature::temperature_of_distribution(c, t),
                false => temperature::temperature(c, t),
            }
        });
    /// `top_k`.
    TopK, "top-k", 2, |p| p.top_k > 0,
        Filter(|c, i| truncation::top_k_with_ties(c, i.params.top_k, i.params.top_k_ties));
    /// `top_p`.
    TopP, "top-p", 5, |p| p.top_p < 1.0, Filter(|c, i| truncation::top_p(c, i.params.top_p));
    /// `min_p`.
    MinP, "min-p", 6, |p| p.min_p > 0.0, Filter(|c, i| truncation::min_p(c, i.params.min_p));
    /// `tfs_z`.
    TailFree, "tail-free", 3, |p| p.tfs_z < 1.0,
        Filter(|c, i| truncation::tail_free(c, i.params.tfs_z, i.params.tfs_end));
    /// `typical_p`.
    Typical, "typical", 4, |p| p.typical_p < 1.0, Filter(|c, i| truncation::typical(c, i.params.typical_p));
    /// `epsilon_cutoff`.
    Epsilon, "epsilon", 7, |p| p.epsilon_cutoff > 0.0,
        Filter(|c, i| truncation::epsilon(c, i.params.epsilon_cutoff));
    /// `eta_cutoff`.
    Eta, "eta", 7, |p| p.eta_cutoff > 0.0, Filter(|c, i| truncation::eta(c, i.params.eta_cutoff));
    /// `top_a`.
    TopA, "top-a", 7, |p| p.top_a > 0.0, Filter(|c, i| truncation::top_a(c, i.params.top_a));
    /// `top_n_sigma`.
    TopNSigma, "top-n-sigma", 1, |p| p.top_n_sigma.is_some(),
        Filter(|c, i| i.params.top_n_sigma.iter().for_each(|&n| truncation::top_n_sigma(c, n)));
    /// `top_h`.
    TopH, "top-h", 7, |p| p.top_h.is_some(),
        Filter(|c, i| i.params.top_h.iter().for_each(|&h| truncation::top_h(c, h)));
    /// `p_less`.
    PLess, "p-less", 7, |p| p.p_less.is_some(),
        Filter(|c, i| i.params.p_less.iter().for_each(|&form| truncation::p_less(c, form)));
    /// `xtc`.
    Xtc, "xtc", 7, |p| p.xtc.is_some_and(|x| x.probability > 0.0 && x.threshold <= 0.5),
        Filter(|c, i| i.params.xtc.iter().for_each(|xtc| {
            let coin = i.rng.uniform(i.position() as u32, Purpose::Xtc, 0);
            truncation::xtc(c, xtc.probability, xtc.threshold, coin);
        }));
    /// `watermark`.
    Watermark, "watermark", 9, |p| p.watermark.is_some(),
        Filter(|c, i| i.watermark.iter().for_each(|w| w.apply(c, i.history.tokens(), i.vocab)));
    /// `mirostat`.
    Mirostat, "mirostat", 9, |p| p.mirostat.is_some(),
        Draw(|c, i, observe| {
            if let (Some(rule), Some(mu)) = (&i.params.mirostat, i.history.feedback().mu) {
                mirostat::mirostat(c, rule, mu);
                observe(c);
            }
        });
    /// `adaptive_p`.
    AdaptiveP, "adaptive-p", 9, |p| p.adaptive_p.is_some(),
        Draw(|c, i, observe| {
            if let (Some(rule), Some(average)) = (i.params.adaptive_p, i.history.feedback().average) {
                observe(c);
                adaptive::adaptive_p(c, average.aim(&rule));
            }
        });
}

fn suppress(logits: &mut AnyLogits<'_>, input: &StepInput<'_>) -> Result<(), UnknownToken> {
    let p = input.params;
    bias::suppress(logits, &p.suppressed_tokens).map_err(|t| ("suppressed_tokens", t))?;
    let first: &[TokenId] = if input.position() == 0 { &p.begin_suppressed_tokens } else { &[] };
    bias::suppress(logits, first).map_err(|t| ("begin_suppressed_tokens", t))
}

fn repetition(logits: &mut AnyLogits<'_>, input: &StepInput<'_>) -> Result<(), UnknownToken> {
    let penalty = input.params.repetition_penalty;
    match input.params.repetition_window {
        None => penalties::repetition(logits, input.history.seen(), penalty),
        Some(window) => {
            let history = input.history.tokens();
            let last = &history[history.len().saturating_sub(window)..];
            let seen: HashSet<TokenId> = last.iter().copied().collect();
            penalties::repetition(logits, seen, penalty);
        }
    }
    Ok(())
}

impl Step {
    pub(super) fn row(self) -> &'static StepRow {
        &ROWS[self as usize]
    }

    /// The step's name as people write it, such as `top-k`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// True if the step looks at the whole distribution (and so comes after the mask).
    pub(crate) fn is_filter(self) -> bool {
        matches!(self.row().kind, StepKind::Filter(_) | StepKind::Draw(_))
    }

    /// True if the step decides the draw (and so comes last).
    pub(super) fn is_draw(self) -> bool {
        matches!(self.row().kind, StepKind::Draw(_))
    }

    /// True if the parameters ask for the step. The mask is always active.
    ///
    /// ```
    /// use hedgerow::sampling::{SamplingParams, Step};
    /// let params = SamplingParams::default().top_k(40);
    /// assert!(Step::TopK.is_active(&params) && !Step::TopP.is_active(&params));
    /// ```
    pub fn is_active(self, params: &SamplingParams) -> bool {
        (self.row().is_active)(params)
    }
}

impl std::str::FromStr for Step {
    type Err = String;

    /// The step of a [name](Step::name).
    fn from_str(name: &str) -> Result<Step, String> {
        Step::ALL.iter().copied().find(|step| step.name() == name).ok_or_else(|| {
            let names: Vec<_> = Step::ALL.iter().map(|step| step.name()).collect();
            format!("`{name}` is no step; the steps are {}", names.join(", "))
        })
    }
}

/// The order of [`ChainOrder::Llama`](super::ChainOrder::Llama).
pub(super) const LLAMA: [Step; Step::ALL.len()] = by_place(LLAMA_PLACES);

/// The order of [`ChainOrder::Vllm`](super::ChainOrder::Vllm): min-p comes before top-k.
pub(super) const VLLM: [Step; Step::ALL.len()] = {
    let mut places = [0; Step::ALL.len()];
    let mut at = 0;
    while at < places.len() {
        places[at] = 2 * at as u8 + 1;
        at += 1;
    }
    places[Step::MinP as usize] = 2 * Step::TopK as u8;
    by_place(&places)
};

/// The steps sorted by their places. Steps with the same place keep the order of the table.
const fn by_place(places: &[u8]) -> [Step; Step::ALL.len()] {
    let mut order = [Step::Mask; Step::ALL.len()];
    let mut at = 0;
    while at < order.len() {
        // Insertion keeps the order of equals.
        let step = Step::ALL[at];
        let mut place = at;
        while place > 0 && places[order[place - 1] as usize] > places[step as usize] {
            order[place] = order[place - 1];
            place -= 1;
        }
        order[place] = step;
        at += 1;
    }
    order
}

/// Logits of any kind, wrapped in one type that a table can name.
pub(super) struct AnyLogits<'a>(pub &'a mut EditOne<'a>);

impl EditLogits for AnyLogits<'_> {
    fn edit(&mut self, token: TokenId, change: impl FnOnce(f32) -> f32) -> bool {
        let mut change = Some(change);
        (self.0)(token, &mut |logit| change.take().map_or(logit, |change| change(logit)))
    }
}
