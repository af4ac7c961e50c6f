//! The sampler: parameters, chain and state, from a row of logits to a token.
//!
//! [`Sampler::sample`] does not change the state, so sampling the same row twice gives the same
//! token: random numbers depend only on the position. [`Sampler::accept`] moves the state on, and
//! [`Sampler::rollback`] moves it back.
//!
//! `run` runs the chain on a whole row, and `top_logits` on the logits that a device has selected.

mod run;
mod top_logits;

use super::adaptive::Average;
use super::bias;
use super::block_maxima::Index;
use super::candidates::Candidates;
use super::error::SamplingError;
use super::history::{Feedback, History};
use super::mirostat;
use super::params::SamplingParams;
use super::rng::{Purpose, Rng, bits_below, gumbel_of};
use super::row::{LogitRow, allows, check_lengths};
use super::step_settings::Selection;
use super::steps::Step;
use super::watermark::Watermarker;
use crate::vocab::TokenId;
use hashbrown::HashSet;
use run::{EndTokens, Outcome, WholeRow};
use std::sync::Arc;

pub use top_logits::{TopLogits, TopLogitsQuery};

/// Draws tokens from rows of logits by a chain of steps. `Clone` forks it, with its state.
///
/// ```
/// use hedgerow::sampling::{Sampler, SamplingParams};
/// use hedgerow::vocab::TokenId;
/// let params = SamplingParams::default().temperature(0.0).repetition_penalty(2.0);
/// let mut sampler = Sampler::new(params)?;
/// let logits = [1.0, 3.0, 2.5];
/// let first = sampler.sample(&logits, None)?;
/// assert_eq!(first.token, TokenId(1));
/// sampler.accept(first.token);
/// // Token 1 now counts 1.5; the mask (one bit a token, 32 a word) forbids token 2.
/// assert_eq!(sampler.sample(&logits, None)?.token, TokenId(2));
/// assert_eq!(sampler.sample(&logits, Some(&[0b011]))?.token, TokenId(1));
/// # Ok::<(), hedgerow::sampling::SamplingError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sampler {
    params: SamplingParams,
    steps: Arc<[Step]>,
    rng: Rng,
    history: History,
    watermark: Option<Watermarker>,
    allowed: Option<HashSet<u32>>,
    observed: Observed,
    scratch: Scratch,
}

/// Memory that is used again for every row.
#[derive(Debug, Clone, Default)]
struct Scratch {
    work: Work,
    widened: Vec<f32>,
    edits: Vec<(u32, f32)>,
    mask: Vec<u32>,
    ids: Vec<u32>,
    gathered: Vec<f32>,
}

/// Buffers that filters work with.
#[derive(Debug, Clone, Default)]
struct Work {
    candidates: Candidates,
    index: Index,
    sums: Vec<f64>,
    weights: Vec<f32>,
}

/// A drawn token.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Sampled {
    /// The token.
    pub token: TokenId,
    /// ln of the probability it was drawn with (under the processed distribution), ≤ 0.
    pub logprob: f32,
}

/// The distribution after one step of the chain.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Stage {
    /// The step's name; `logits` for the row before any step.
    pub name: &'static str,
    /// The tokens it kept with their probabilities, most probable first.
    pub kept: Vec<(TokenId, f32)>,
}

/// A point that [`Sampler::rollback`] can return to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SamplerCheckpoint {
    output: usize,
}

impl Sampler {
    /// A sampler at position 0 with no prompt.
    ///
    /// # Errors
    /// The errors of [`SamplingParams::validate`].
    pub fn new(params: SamplingParams) -> Result<Self, SamplingError> {
        params.validate()?;
        let initial = Feedback {
            mu: params.mirostat.as_ref().map(mirostat::initial_mu),
            average: params.adaptive_p.as_ref().map(Average::new),
        };
        Ok(Sampler {
            steps: params.order.active(&params).into(),
            rng: Rng::new(params.seed, params.completion),
            history: History::new(initial),
            watermark: params.watermark.clone().map(Watermarker::new),
            allowed: params.allowed_tokens.as_ref().map(|ids| ids.iter().map(|t| t.0).collect()),
            observed: Observed::default(),
            scratch: Scratch::default(),
            params,
        })
    }

    /// The parameters.
    pub fn params(&self) -> &SamplingParams {
        &self.params
    }

    /// The random numbers of this request, for a caller that draws more (speculative decoding).
    pub fn rng(&self) -> Rng {
        self.rng
    }

    /// Number of accepted tokens, which is the position of the next one.
    pub fn position(&self) -> usize {
        self.history.output()
    }

    /// The accepted tokens.
    pub fn output(&self) -> &[TokenId] {
        &self.history.tokens()[self.history.prompt().len()..]
    }

    /// Starts over with a prompt, whose tokens count for repetition, DRY, n-grams and sequences.
    pub fn with_prompt(&mut self, prompt: &[TokenId]) {
        self.history.restart(prompt);
        self.observed.position = None;
    }

    /// Draws a token for the current position. Changes neither the logits nor the state.
    ///
    /// `logits` is one row, `[vocab]`; `mask` packs one bit a token, lowest bit first, and may be
    /// shorter than the row (tokens beyond its end are forbidden). Logits that the mask forbids are
    /// not read. Cost: about one pass over the row for the usual chains, O(allowed tokens) under a
    /// mask with few tokens.
    ///
    /// # Errors
    /// NaN or +∞ among the logits read; no token left; a row or mask of a wrong length; a parameter
    /// that names a token beyond the row's end. An error leaves the sampler's state unchanged.
    pub fn sample<'a>(
        &mut self,
        logits: impl Into<LogitRow<'a>>,
        mask: Option<&[u32]>,
    ) -> Result<Sampled, SamplingError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = self.sample_with(&logits.into(), mask, &mut scratch);
        self.scratch = scratch;
        result
    }

    fn sample_with(
        &mut self,
        logits: &LogitRow<'_>,
        mask: Option<&[u32]>,
        scratch: &mut Scratch,
    ) -> Result<Sampled, SamplingError> {
        let mut widened = std::mem::take(&mut scratch.widened);
        let values = logits.widen(&mut widened);
        let result = self.run(values, mask, self.whole_row(), scratch);
        scratch.widened = widened;
        Ok(self.drawn(result?, &mut scratch.work.candidates))
    }

    /// The treatment of the whole row if no step narrows it, for the way in which tokens are drawn.
    fn whole_row(&self) -> WholeRow {
        match self.params.selection {
            Selection::InverseCdf => WholeRow::Draw,
            Selection::GumbelMax => WholeRow::Collect,
        }
    }

    /// The result of a chain, as a token.
    fn drawn(&self, outcome: Outcome, candidates: &mut Candidates) -> Sampled {
        match outcome {
            Outcome::Drawn(sampled) => sampled,
            Outcome::Candidates => {
                let at = self.draw(candidates);
                let token = TokenId(candidates.ids()[at]);
                Sampled { token, logprob: candidates.log_probability(at) }
            }
        }
    }

    /// Place of the drawn candidate.
    fn draw(&self, candidates: &mut Candidates) -> usize {
        if candidates.len() == 1 {
            return 0;
        }
        let position = self.position() as u32;
        match self.params.selection {
            Selection::InverseCdf => candidates.draw(self.rng.uniform(position, Purpose::Draw, 0)),
            Selection::GumbelMax => self.gumbel_max(candidates),
        }
    }

    /// Place of the largest sum of logit and Gumbel number, the first of equals.
    ///
    /// Most numbers are too small to win even for the largest logit. Their bits show that before a
    /// logarithm is computed.
    fn gumbel_max(&self, candidates: &Candidates) -> usize {
        const PART: usize = 64;
        let position = self.position() as u32;
        let bits = |at: usize| self.rng.bits(position, Purpose::Gumbel, candidates.ids()[at]);
        let value = |at: usize, bits: u64| candidates.logits()[at] as f64 + gumbel_of(bits);
        let mut chosen = candidates.argmax();
        let mut best = value(chosen, bits(chosen));
        for (part, logits) in candidates.logits().chunks(PART).enumerate() {
            let max = logits.iter().copied().fold(f32::MIN, f32::max) as f64;
            let mut least = bits_below(best - max);
            for at in part * PART..part * PART + logits.len() {
                let bits = bits(at);
                if bits < least {
                    continue;
                }
                let value = value(at, bits);
                if value > best || (value == best && at < chosen) {
                    (best, chosen) = (value, at);
                    least = bits_below(best - max);
                }
            }
        }
        chosen
    }

    /// The distribution that [`sample`](Self::sample) draws from: every token that can be drawn
    /// with its probability, in no particular order; the probabilities sum to 1 up to rounding.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    pub fn distribution<'a>(
        &mut self,
        logits: impl Into<LogitRow<'a>>,
        mask: Option<&[u32]>,
    ) -> Result<Vec<(TokenId, f32)>, SamplingError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut widened = std::mem::take(&mut scratch.widened);
        let result = self
            .run(logits.into().widen(&mut widened), mask, WholeRow::Collect, &mut scratch)
            .map(|_| scratch.work.candidates.distribution());
        scratch.widened = widened;
        self.scratch = scratch;
        result
    }

    /// Applies the steps that change single tokens to `logits`, in place: biases, bans, penalties,
    /// and the mask, which gives −∞. Temperature, truncations and feedback rules are left out. For
    /// strategies that rank tokens instead of drawing them.
    ///
    /// O(vocab). Such steps are applied wherever they stand in the
    /// [`ChainOrder`](crate::sampling::ChainOrder).
    ///
    /// # Errors
    /// As [`sample`](Self::sample), except that it is no error if no token is left.
    pub fn process(&mut self, logits: &mut [f32], mask: Option<&[u32]>) -> Result<(), SamplingError> {
        check_lengths(logits.len(), mask)?;
        if let Some(token) = self.forced(logits.len(), mask)? {
            let kept = logits[token.index()];
            logits.fill(f32::NEG_INFINITY);
            logits[token.index()] = kept;
            return Ok(());
        }
        if let Some(mask) = mask {
            forbid(logits, |id| allows(mask, id));
        }
        if let (true, Some(allowed)) = (self.steps.contains(&Step::AllowedTokens), &self.allowed) {
            forbid(logits, |id| allowed.contains(&id));
        }
        let steps = Arc::clone(&self.steps);
        let mut changed = Vec::new();
        for end_tokens in [EndTokens::HeldBack, EndTokens::Allowed] {
            self.edit_row(&steps, logits, end_tokens, &mut changed)?;
            let at = |id: usize| changed.binary_search_by_key(&(id as u32), |change| change.0).ok();
            let mut values = logits.iter().enumerate().map(|(id, &l)| at(id).map_or(l, |at| changed[at].1));
            if !self.holds_back() || values.any(|l| l > f32::NEG_INFINITY) {
                break;
            }
        }
        for (id, logit) in changed {
            logits[id as usize] = logit;
        }
        Ok(())
    }

    /// The tokens that every step of the chain keeps, from the row itself to the final
    /// distribution: for people who tune a chain.
    ///
    /// Steps run one by one on all tokens, without the shortcuts of [`sample`](Self::sample); the
    /// last stage is the same distribution. O(vocab · log vocab) a stage. The whole row is read,
    /// whatever the mask forbids.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    pub fn stages<'a>(
        &mut self,
        logits: impl Into<LogitRow<'a>>,
        mask: Option<&[u32]>,
    ) -> Result<Vec<Stage>, SamplingError> {
        let mut widened = Vec::new();
        let logits = logits.into();
        let values = logits.widen(&mut widened);
        check_lengths(values.len(), mask)?;
        if let Some(token) = self.forced(values.len(), mask)? {
            return Ok(vec![Stage { name: "forced", kept: vec![(token, 1.0)] }]);
        }
        self.holding_back(|sampler, ends| sampler.staged(values, mask, ends))
    }

    fn staged(
        &mut self,
        values: &[f32],
        mask: Option<&[u32]>,
        end_tokens: EndTokens,
    ) -> Result<Vec<Stage>, SamplingError> {
        let mut c = Candidates::from_logits(values)?;
        let stage = |name, c: &mut Candidates| {
            c.sort_descending();
            Stage { name, kept: c.distribution() }
        };
        let mut stages = vec![stage("logits", &mut c)];
        for &step in self.steps.clone().iter() {
            if end_tokens == EndTokens::Allowed && step == Step::MinTokens {
                continue;
            }
            match (step, mask) {
                (Step::Mask, None) => continue,
                (Step::Mask, Some(mask)) => {
                    c.map_logits(|id, l| if allows(mask, id) { l } else { f32::NEG_INFINITY })
                }
                _ => self.step(step, &mut c, values.len())?,
            }
            c.non_empty(step.name())?;
            stages.push(stage(step.name(), &mut c));
        }
        Ok(stages)
    }

    /// Moves on to the next position: `token` is the output's next token, drawn here or not.
    ///
    /// Feedback rules (Mirostat, adaptive-p) learn from the token if the distribution of this
    /// position was computed before and has the token.
    pub fn accept(&mut self, token: TokenId) {
        let mut feedback = self.history.feedback();
        if let Some(p) = self.observed.probability(self.position(), token) {
            if let (Some(rule), Some(mu)) = (&self.params.mirostat, &mut feedback.mu) {
                // A weight that underflowed is replaced by the smallest positive number.
                *mu = mirostat::updated_mu(rule, *mu, -p.max(f64::MIN_POSITIVE).log2());
            }
            if let (Some(rule), Some(average)) = (&self.params.adaptive_p, &mut feedback.average) {
                *average = average.after(rule, p);
            }
        }
        self.observed.position = None;
        self.history.push(token, feedback);
    }

    /// The current point. O(1).
    pub fn checkpoint(&self) -> SamplerCheckpoint {
        SamplerCheckpoint { output: self.position() }
    }

    /// Forgets every token accepted after the checkpoint. Takes constant time for each token.
    ///
    /// # Errors
    /// [`SamplingError::Rollback`] if the sampler has gone back before the checkpoint since.
    pub fn rollback(&mut self, to: &SamplerCheckpoint) -> Result<(), SamplingError> {
        match self.position().checked_sub(to.output) {
            Some(tokens) => self.rollback_tokens(tokens),
            None => Err(SamplingError::Rollback { wanted: to.output, held: self.position() }),
        }
    }

    /// Forgets the last `tokens` accepted tokens.
    ///
    /// # Errors
    /// [`SamplingError::Rollback`] if fewer were accepted; nothing is forgotten then.
    pub fn rollback_tokens(&mut self, tokens: usize) -> Result<(), SamplingError> {
        if tokens > self.position() {
            return Err(SamplingError::Rollback { wanted: tokens, held: self.position() });
        }
        for _ in 0..tokens {
            self.history.pop();
        }
        self.observed.position = None;
        Ok(())
    }

    /// Forgets every accepted token; the prompt stays.
    pub fn reset(&mut self) {
        let prompt = self.history.prompt().to_vec();
        self.with_prompt(&prompt);
    }

    /// Leaves out `forced_last`, because the output cannot end with it.
    #[cfg_attr(not(feature = "decode"), allow(dead_code))]
    pub(crate) fn leave_out_forced_last(&mut self) {
        self.params.forced_last = None;
    }

    /// The token that `forced_first` or `forced_last` prescribes for this position.
    fn forced(&self, logits: usize, mask: Option<&[u32]>) -> Result<Option<TokenId>, SamplingError> {
        let position = self.position();
        let last = self.params.max_tokens.and_then(|max| max.checked_sub(1)) == Some(position);
        let is_allowed = |name, token: TokenId| match (token.0 as usize) < logits {
            true => Ok(mask.is_none_or(|mask| allows(mask, token.0))),
            false => Err(SamplingError::TokenOutOfRange { name, token, logits }),
        };
        let history = self.history.tokens();
        let is_banned = |token| {
            self.params.forbids_after(history, position, token)
                || bias::repeats_ngram(self.params.no_repeat_ngram, history, token)
                || position < self.params.min_tokens && self.params.end_tokens.contains(&token)
        };
        // Tokens before the last position cannot be chosen so that the grammar and the bans allow
        // it there.
        if let Some(token) = self.params.forced_last.filter(|_| last)
            && is_allowed("forced_last", token)?
            && !is_banned(token)
        {
            return Ok(Some(token));
        }
        let Some(token) = self.params.forced_first.filter(|_| position == 0) else { return Ok(None) };
        if !is_allowed("forced_first", token)? {
            let reason =
                "the mask does not allow the forced token; do not force a token that the grammar excludes";
            return Err(SamplingError::EmptySupport { reason });
        }
        match is_banned(token) {
            true => Err(SamplingError::EmptySupport {
                reason: "the forced first token completes a banned sequence, or ends the output too early",
            }),
            false => Ok(Some(token)),
        }
    }
}

/// The distribution of a position, kept until its token is accepted.
#[derive(Debug, Clone, Default)]
struct Observed {
    position: Option<usize>,
    ids: Vec<u32>,
    weights: Vec<f32>,
    total: f64,
}

impl Observed {
    /// Remembers the distribution of a position, for [`Sampler::accept`].
    fn observe(&mut self, position: usize, c: &mut Candidates) {
        let (_, total) = c.weights();
        self.position = Some(position);
        self.total = total;
        self.ids.clear();
        self.ids.extend_from_slice(c.ids());
        self.weights.clear();
        self.weights.extend_from_slice(c.weights().0);
    }

    fn probability(&self, position: usize, token: TokenId) -> Option<f64> {
        if self.position != Some(position) {
            return None;
        }
        let at = self.ids.iter().position(|&id| id == token.0)?;
        Some(self.weights[at] as f64 / self.total)
    }
}

/// Gives −∞ to the tokens that may not be drawn.
fn forbid(logits: &mut [f32], allowed: impl Fn(u32) -> bool) {
    for (id, logit) in logits.iter_mut().enumerate() {
        if !allowed(id as u32) {
            *logit = f32::NEG_INFINITY;
        }
    }
}
