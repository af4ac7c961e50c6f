//! The sampler: parameters, chain and state, from a row of logits to a token.
//!
//! [`Sampler::sample`] reads, [`Sampler::accept`] writes. Sampling the same row twice gives the same token, as random numbers
//! depend on the position only; state moves when a token is accepted, and [`Sampler::rollback`] moves it back.
//!
//! The leading part of a chain runs on the whole row: edits become a short sorted list beside the row, few allowed tokens are
//! gathered by the mask's words, and a temperature followed by top-k, top-p, min-p or nothing goes through
//! [`selection`](super::selection). From there on, and for every other order, steps work on [`Candidates`].

use super::adaptive::{self, Average};
use super::bias;
use super::candidates::Candidates;
use super::chain::Step;
use super::dry;
use super::error::SamplingError;
use super::history::{Feedback, History};
use super::mirostat;
use super::params::{DynamicTemperature, MirostatVersion, SamplingParams, Selection, Ties};
use super::penalties::{self, settle, CandidateLogits, EditLogits};
use super::rng::{Purpose, Rng};
use super::row::{allows, check_lengths, LogitRow, Row};
use super::selection::{self, Index};
use super::simd;
use super::smoothing;
use super::temperature;
use super::truncation;
use super::watermark::Watermarker;
use crate::vocab::TokenId;
use hashbrown::{HashMap, HashSet};
use std::sync::Arc;

/// Draws tokens from rows of logits by a chain of steps. `Clone` forks it, with its state.
///
/// ```
/// use hedgerow::sampling::{Sampler, SamplingParams};
/// use hedgerow::vocab::TokenId;
/// let mut sampler = Sampler::new(SamplingParams::default().temperature(0.0).repetition_penalty(2.0))?;
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
    candidates: Candidates,
    index: Index,
    sums: Vec<f64>,
    widened: Vec<f32>,
    edits: Vec<(u32, f32)>,
    mask: Vec<u32>,
    ids: Vec<u32>,
    gathered: Vec<f32>,
}

/// A drawn token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampled {
    /// The token.
    pub token: TokenId,
    /// ln of the probability it was drawn with (under the processed law), ≤ 0.
    pub logprob: f32,
}

/// The law after one step of the chain.
#[derive(Debug, Clone, PartialEq)]
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

/// What a chain comes to.
enum Outcome {
    /// The candidates in the scratch memory.
    Candidates,
    /// A token, drawn from the whole row.
    Drawn(Sampled),
}

/// What to do if no step narrows the row.
#[derive(Clone, Copy, PartialEq)]
enum WholeRow {
    /// Draw from it as it lies.
    Draw,
    /// Make candidates of all its tokens.
    Collect,
}

/// Whether end tokens are held back before the minimum length, or allowed because there is nothing else.
#[derive(Clone, Copy, PartialEq)]
enum MinTokens {
    Hold,
    Yield,
}

impl Sampler {
    /// A sampler at position 0 with no prompt.
    ///
    /// # Errors
    /// What [`SamplingParams::validate`] refuses.
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

    /// Draws a token for the current position. Changes neither the logits nor what later draws depend on.
    ///
    /// `logits` is one row, `[vocab]`; `mask` packs one bit a token, lowest bit first, and may be shorter than the row (tokens beyond
    /// its end are forbidden). Logits that the mask forbids are not read. Cost: about one pass over the row for the
    /// usual chains, O(allowed tokens) under a narrow mask.
    ///
    /// # Errors
    /// NaN or +∞ among the logits read; no token left; a row or mask of a wrong length; a parameter that names a token the row
    /// does not have. State is unchanged then.
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
        let whole_row = match self.params.selection {
            Selection::InverseCdf => WholeRow::Draw,
            Selection::GumbelMax => WholeRow::Collect,
        };
        let result = self.run(values, mask, whole_row, scratch);
        scratch.widened = widened;
        match result? {
            Outcome::Drawn(sampled) => Ok(sampled),
            Outcome::Candidates => {
                let at = self.draw(&mut scratch.candidates);
                let c = &mut scratch.candidates;
                Ok(Sampled { token: TokenId(c.ids()[at]), logprob: c.log_probability(at) })
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
            Selection::GumbelMax => {
                let mut best = (f64::NEG_INFINITY, 0);
                for (at, (&id, &logit)) in candidates.ids().iter().zip(candidates.logits()).enumerate() {
                    let value = logit as f64 + self.rng.gumbel(position, Purpose::Gumbel, id);
                    if value > best.0 {
                        best = (value, at);
                    }
                }
                best.1
            }
        }
    }

    /// The law that [`sample`](Self::sample) draws from: every token that can be drawn with its probability, in no
    /// particular order; the probabilities sum to 1 up to rounding.
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
            .map(|_| scratch.candidates.distribution());
        scratch.widened = widened;
        self.scratch = scratch;
        result
    }

    /// Applies to `logits`, in place, what the chain does to single tokens: biases, bans, penalties, and the mask, which gives −∞.
    /// Temperature, truncations and feedback rules are left out. For strategies that rank tokens instead of drawing them.
    ///
    /// O(vocab). Steps of [`ChainOrder`](super::ChainOrder) count wherever they stand.
    ///
    /// # Errors
    /// As [`sample`](Self::sample), save that it is no error if no token is left.
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
        for min_tokens in [MinTokens::Hold, MinTokens::Yield] {
            self.edit_row(&steps, logits, min_tokens, &mut changed)?;
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

    /// What every step of the chain keeps, from the row itself to the final law: for people who tune a chain.
    ///
    /// Steps run one by one on all tokens, without the shortcuts of [`sample`](Self::sample); the last stage is the same
    /// law. O(vocab · log vocab) a stage. The whole row is read, whatever the mask forbids.
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
        match self.staged(values, mask, MinTokens::Hold) {
            Err(SamplingError::EmptySupport { .. }) if self.holds_back() => {
                self.staged(values, mask, MinTokens::Yield)
            }
            result => result,
        }
    }

    fn staged(
        &mut self,
        values: &[f32],
        mask: Option<&[u32]>,
        min_tokens: MinTokens,
    ) -> Result<Vec<Stage>, SamplingError> {
        let mut c = Candidates::from_logits(values)?;
        let stage = |name, c: &mut Candidates| {
            c.sort_descending();
            Stage { name, kept: c.distribution() }
        };
        let mut stages = vec![stage("logits", &mut c)];
        for &step in self.steps.clone().iter() {
            if min_tokens == MinTokens::Yield && step == Step::MinTokens {
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
    /// Feedback rules (Mirostat, adaptive-p) learn from it if the law of this position was computed before and holds it.
    pub fn accept(&mut self, token: TokenId) {
        let mut feedback = self.history.feedback();
        if let Some(p) = self.observed.probability(self.position(), token) {
            if let (Some(rule), Some(mu)) = (&self.params.mirostat, &mut feedback.mu) {
                // A weight that underflowed counts as the smallest there is.
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

    /// Forgets every token accepted after the checkpoint. O(1) a token.
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

    /// The token that `forced_first` or `forced_last` leaves no choice about.
    fn forced(&self, logits: usize, mask: Option<&[u32]>) -> Result<Option<TokenId>, SamplingError> {
        let position = self.position();
        let last = self.params.max_tokens.and_then(|max| max.checked_sub(1)) == Some(position);
        let (name, token) = match (self.params.forced_first, self.params.forced_last) {
            (_, Some(token)) if last => ("forced_last", token),
            (Some(token), _) if position == 0 => ("forced_first", token),
            _ => return Ok(None),
        };
        if token.0 as usize >= logits {
            return Err(SamplingError::TokenOutOfRange { name, token, logits });
        }
        if mask.is_some_and(|mask| !allows(mask, token.0)) {
            return Err(SamplingError::EmptySupport {
                reason:
                    "the mask does not allow the forced token; do not force a token that the grammar excludes",
            });
        }
        Ok(Some(token))
    }

    /// Whether end tokens are held back at this position.
    fn holds_back(&self) -> bool {
        self.position() < self.params.min_tokens && self.steps.contains(&Step::MinTokens)
    }

    /// Runs the chain; min-tokens yields where it would leave nothing.
    fn run(
        &mut self,
        values: &[f32],
        mask: Option<&[u32]>,
        whole_row: WholeRow,
        scratch: &mut Scratch,
    ) -> Result<Outcome, SamplingError> {
        check_lengths(values.len(), mask)?;
        if let Some(token) = self.forced(values.len(), mask)? {
            scratch.candidates.refill();
            scratch.candidates.push(token.0, 0.0)?;
            return Ok(Outcome::Candidates);
        }
        match self.chain(values, mask, whole_row, MinTokens::Hold, scratch) {
            Err(SamplingError::EmptySupport { .. }) if self.holds_back() => {
                self.chain(values, mask, whole_row, MinTokens::Yield, scratch)
            }
            result => result,
        }
    }

    fn chain(
        &mut self,
        values: &[f32],
        mask: Option<&[u32]>,
        whole_row: WholeRow,
        min_tokens: MinTokens,
        scratch: &mut Scratch,
    ) -> Result<Outcome, SamplingError> {
        let steps = Arc::clone(&self.steps);
        let first_filter = steps.iter().position(|s| s.is_filter()).unwrap_or(steps.len());
        let (edits, mut filters) = steps.split_at(first_filter);
        self.edit_row(edits, values, min_tokens, &mut scratch.edits)?;
        let Scratch { candidates, index, sums, edits: changed, mask: combined, ids, gathered, .. } = scratch;
        let mut row = Row { logits: values, mask, edits: changed };
        if let (true, Some(allowed)) = (edits.contains(&Step::AllowedTokens), &self.allowed) {
            intersection(allowed, mask, values.len(), combined);
            row.mask = Some(combined);
        }
        // Few allowed tokens are gathered into a short row of their own, and get their ids back after its first filter.
        let narrow = row.mask.filter(|mask| simd::count_ones(mask) <= values.len() / 16);
        if let Some(mask) = narrow {
            selection::gather(&row, mask, ids, gathered)?;
            row = Row { logits: gathered, mask: None, edits: &[] };
        }
        let names = narrow.map(|_| &ids[..]);
        index.build(&row)?;
        let mut t = 1.0;
        if let Some(plain) = filters.first().and_then(|&step| self.plain_temperature(step)) {
            t = plain;
            filters = &filters[1..];
        }
        let used = match filters.first() {
            _ if t == 0.0 => {
                candidates.refill();
                candidates.push(index.argmax(&row), index.max)?;
                0
            }
            None if whole_row == WholeRow::Draw => {
                let u = self.rng.uniform(self.position() as u32, Purpose::Draw, 0);
                let (id, logprob) = index.draw(&row, t, u, sums);
                let id = names.map_or(id, |names| names[id as usize]);
                return Ok(Outcome::Drawn(Sampled { token: TokenId(id), logprob }));
            }
            Some(Step::TopK) if self.params.top_k_ties == Ties::LowestId => {
                index.top_k(&row, self.params.top_k, candidates);
                temperature::temperature(candidates, t);
                1
            }
            Some(Step::TopP) => {
                let p = self.params.top_p;
                let mass = index.collect_nucleus(&row, t, p, sums, candidates);
                temperature::temperature(candidates, t);
                candidates.keep_prefix(p as f64, Some(mass), |l| l);
                1
            }
            Some(Step::Mirostat) => {
                if let (Some(rule), Some(mu)) = (&self.params.mirostat, self.history.feedback().mu) {
                    match rule.version {
                        MirostatVersion::V1 => {
                            index.top_k(&row, mirostat::TOP, candidates);
                            temperature::temperature(candidates, t);
                            match mirostat::zipf_cut(candidates, index.finite(&row), mu) {
                                Some(k) => index.top_k(&row, k, candidates),
                                None => index.collect(&row, f32::MIN, candidates),
                            }
                            temperature::temperature(candidates, t);
                        }
                        MirostatVersion::V2 => {
                            let mass = index.collect_unsurprising(&row, t, mu, sums, candidates);
                            temperature::temperature(candidates, t);
                            mirostat::cut_surprise(candidates, mu, mass);
                        }
                    }
                    self.observe(candidates);
                }
                1
            }
            Some(Step::MinP) => {
                index.collect_near_top(&row, t, self.params.min_p, candidates);
                temperature::temperature(candidates, t);
                0
            }
            _ => {
                index.collect(&row, f32::MIN, candidates);
                temperature::temperature(candidates, t);
                0
            }
        };
        filters = &filters[used..];
        if let Some(names) = names {
            candidates.rename(names);
        }
        for &step in filters {
            self.step(step, candidates, values.len())?;
            candidates.non_empty(step.name())?;
        }
        Ok(Outcome::Candidates)
    }

    /// The temperature of a step that needs nothing but a number, if it is one that a row can be scaled by.
    fn plain_temperature(&self, step: Step) -> Option<f32> {
        if step != Step::Temperature {
            return None;
        }
        let t = match self.params.dynamic_temperature {
            None => self.params.temperature,
            Some(DynamicTemperature::Position { total }) => {
                temperature::at_position(self.params.temperature, total, self.position())
            }
            Some(_) => return None,
        };
        (t == 0.0 || t.recip().is_finite()).then_some(t)
    }

    /// Puts the logits that the edits change into `changed`, by ascending id.
    fn edit_row(
        &self,
        steps: &[Step],
        values: &[f32],
        min_tokens: MinTokens,
        changed: &mut Vec<(u32, f32)>,
    ) -> Result<(), SamplingError> {
        let mut edits = RowEdits { values, changed: HashMap::new() };
        for &step in steps {
            if step == Step::MinTokens && min_tokens == MinTokens::Yield {
                continue;
            }
            self.edit(step, &mut edits).map_err(|(name, token)| SamplingError::TokenOutOfRange {
                name,
                token,
                logits: values.len(),
            })?;
        }
        changed.clear();
        changed.extend(edits.changed);
        changed.sort_unstable_by_key(|e| e.0);
        Ok(())
    }

    /// One step that changes single logits. Fails with the parameter and the token that the logits do not have.
    fn edit(&self, step: Step, logits: &mut impl EditLogits) -> Result<(), (&'static str, TokenId)> {
        let p = &self.params;
        let history = self.history.tokens();
        let position = self.position();
        match step {
            Step::LogitBias => bias::logit_bias(logits, &p.logit_bias).map_err(|t| ("logit_bias", t)),
            Step::SequenceBias => {
                bias::sequence_bias(logits, &p.sequence_bias, history).map_err(|t| ("sequence_bias", t))
            }
            Step::SuppressedTokens => {
                bias::suppress(logits, &p.suppressed_tokens).map_err(|t| ("suppressed_tokens", t))?;
                let first: &[TokenId] = if position == 0 { &p.begin_suppressed_tokens } else { &[] };
                bias::suppress(logits, first).map_err(|t| ("begin_suppressed_tokens", t))
            }
            Step::BadWords => bias::bad_words(logits, &p.bad_words, history).map_err(|t| ("bad_words", t)),
            Step::MinTokens if position < p.min_tokens => {
                bias::suppress(logits, &p.end_tokens).map_err(|t| ("end_tokens", t))
            }
            Step::NoRepeatNgram => {
                bias::no_repeat_ngram(logits, p.no_repeat_ngram, history);
                Ok(())
            }
            Step::ExponentialDecay => match p.exponential_decay {
                Some(decay) => {
                    bias::exponential_decay(logits, &p.end_tokens, decay.start, decay.factor, position)
                        .map_err(|t| ("end_tokens", t))
                }
                None => Ok(()),
            },
            Step::RepetitionPenalty => {
                match p.repetition_window {
                    None => penalties::repetition(logits, self.history.seen(), p.repetition_penalty),
                    Some(window) => {
                        let last = &history[history.len().saturating_sub(window)..];
                        let seen: HashSet<TokenId> = last.iter().copied().collect();
                        penalties::repetition(logits, seen, p.repetition_penalty);
                    }
                }
                Ok(())
            }
            Step::FrequencyPresence => {
                let counts = self.history.output_counts();
                penalties::frequency_presence(logits, counts, p.frequency_penalty, p.presence_penalty);
                Ok(())
            }
            Step::Dry => {
                if let Some(rule) = &p.dry {
                    dry::dry(logits, history, rule);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// One step on candidates. The mask is not a step here: who makes the candidates has applied it.
    fn step(&mut self, step: Step, c: &mut Candidates, vocab: usize) -> Result<(), SamplingError> {
        let p = &self.params;
        match step {
            Step::Mask => {}
            Step::AllowedTokens => {
                if let Some(allowed) = &self.allowed {
                    c.map_logits(|id, l| if allowed.contains(&id) { l } else { f32::NEG_INFINITY });
                }
            }
            Step::Smoothing => {
                if let Some(s) = p.smoothing {
                    smoothing::smoothing(c, s.factor, s.curve);
                }
            }
            Step::Temperature => {
                let t = match p.dynamic_temperature {
                    None => p.temperature,
                    Some(rule) => temperature::dynamic(c, p.temperature, rule, self.position()),
                };
                temperature::temperature(c, t);
            }
            Step::TopK => truncation::top_k_with_ties(c, p.top_k, p.top_k_ties),
            Step::TopP => truncation::top_p(c, p.top_p),
            Step::MinP => truncation::min_p(c, p.min_p),
            Step::TailFree => truncation::tail_free(c, p.tfs_z, p.tfs_end),
            Step::Typical => truncation::typical(c, p.typical_p),
            Step::Epsilon => truncation::epsilon(c, p.epsilon_cutoff),
            Step::Eta => truncation::eta(c, p.eta_cutoff),
            Step::TopA => truncation::top_a(c, p.top_a),
            Step::TopNSigma => {
                if let Some(n) = p.top_n_sigma {
                    truncation::top_n_sigma(c, n);
                }
            }
            Step::TopH => {
                if let Some(h) = p.top_h {
                    truncation::top_h(c, h);
                }
            }
            Step::PLess => {
                if let Some(form) = p.p_less {
                    truncation::p_less(c, form);
                }
            }
            Step::Xtc => {
                if let Some(xtc) = p.xtc {
                    let coin = self.rng.uniform(self.position() as u32, Purpose::Xtc, 0);
                    truncation::xtc(c, xtc.probability, xtc.threshold, coin);
                }
            }
            Step::Watermark => {
                if let Some(watermark) = &self.watermark {
                    watermark.apply(c, self.history.tokens(), vocab);
                }
            }
            Step::Mirostat => {
                if let (Some(rule), Some(mu)) = (&p.mirostat, self.history.feedback().mu) {
                    mirostat::mirostat(c, rule, mu);
                    self.observe(c);
                }
            }
            Step::AdaptiveP => {
                if let (Some(rule), Some(average)) = (p.adaptive_p, self.history.feedback().average) {
                    self.observe(c);
                    adaptive::adaptive_p(c, average.aim(&rule));
                }
            }
            _ => {
                let mut logits = CandidateLogits::new(c);
                // A token that an earlier step has removed is no mistake of the caller's.
                let _ = self.edit(step, &mut logits);
                logits.finish();
            }
        }
        Ok(())
    }

    /// Remembers the law, for [`accept`](Self::accept).
    fn observe(&mut self, c: &mut Candidates) {
        let position = self.position();
        let (_, total) = c.weights();
        self.observed.position = Some(position);
        self.observed.total = total;
        self.observed.ids.clear();
        self.observed.ids.extend_from_slice(c.ids());
        self.observed.weights.clear();
        self.observed.weights.extend_from_slice(c.weights().0);
    }
}

/// The law of a position, kept until its token is accepted.
#[derive(Debug, Clone, Default)]
struct Observed {
    position: Option<usize>,
    ids: Vec<u32>,
    weights: Vec<f32>,
    total: f64,
}

impl Observed {
    fn probability(&self, position: usize, token: TokenId) -> Option<f64> {
        if self.position != Some(position) {
            return None;
        }
        let at = self.ids.iter().position(|&id| id == token.0)?;
        Some(self.weights[at] as f64 / self.total)
    }
}

/// Edits beside a row that is not to be changed.
struct RowEdits<'a> {
    values: &'a [f32],
    changed: HashMap<u32, f32>,
}

impl EditLogits for RowEdits<'_> {
    fn edit(&mut self, token: TokenId, change: impl FnOnce(f32) -> f32) -> bool {
        match self.values.get(token.0 as usize) {
            // What is not a logit stays as it is and is reported by whoever reads the row.
            Some(&original) if original.is_nan() || original == f32::INFINITY => true,
            Some(&original) => {
                let logit = self.changed.entry(token.0).or_insert(original);
                *logit = settle(change(*logit));
                true
            }
            None => false,
        }
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

/// The packed set of the tokens that are in `allowed` and in the mask.
fn intersection(allowed: &HashSet<u32>, mask: Option<&[u32]>, logits: usize, out: &mut Vec<u32>) {
    out.clear();
    out.resize(logits.div_ceil(32), 0);
    for &id in allowed {
        if (id as usize) < logits && mask.is_none_or(|mask| allows(mask, id)) {
            out[id as usize / 32] |= 1 << (id % 32);
        }
    }
}
