//! Every strategy compared with a plain 64-bit implementation of its definition, on random rows.
//!
//! The reference sorts, sums and compares in the most obvious way. If a token is so near a cut that
//! rounding may put it on either side, it is "edge" and is not compared. `HEDGEROW_REFERENCE_ROWS`
//! sets the number of rows of a long run.

use hedgerow::sampling::*;
use hedgerow::vocab::TokenId;
use std::collections::BTreeMap;

/// The distance from a cut below which a probability or a mass is edge: sums of 32-bit weights
/// round.
const EDGE: f64 = 1e-6;
/// The same distance after a step that has rounded logits to 32 bits.
const ROUNDED_EDGE: f64 = 2e-5;

/// A distribution as sorted pairs (id, logit), most probable first, with the ids that may fall on
/// either side of a cut.
struct Distribution {
    tokens: Vec<(u32, f64)>,
    edge: Vec<u32>,
    tolerance: f64,
    /// Half a unit in the last place of logits that have been rounded to 32 bits.
    rounding: f64,
}

impl Distribution {
    fn new(row: &[f32]) -> Distribution {
        let tokens = row.iter().enumerate().filter(|(_, l)| l.is_finite());
        let tokens = tokens.map(|(i, &l)| (i as u32, l as f64)).collect();
        let mut distribution = Distribution { tokens, edge: vec![], tolerance: EDGE, rounding: 0.0 };
        distribution.sort();
        distribution
    }

    fn sort(&mut self) {
        self.tokens.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap().then(a.0.cmp(&b.0)));
    }

    fn p(&self) -> Vec<f64> {
        let max = self.tokens[0].1;
        let weights: Vec<f64> = self.tokens.iter().map(|t| (t.1 - max).exp()).collect();
        let total: f64 = weights.iter().sum();
        weights.iter().map(|w| w / total).collect()
    }

    fn entropy(&self) -> f64 {
        self.p().iter().map(|&p| if p > 0.0 { -p * p.ln() } else { 0.0 }).sum()
    }

    /// The distance between logits below which their order is edge. It is some units in the last
    /// place of the largest distance in 32 bits and of the logits in 64 bits, and never less than
    /// the smallest 32-bit float.
    fn near(&self) -> f64 {
        let (max, min) = (self.tokens[0].1, self.tokens[self.tokens.len() - 1].1);
        self.tolerance * (max - min) + 1e-15 * max.abs() + 3e-45
    }

    fn scale(&mut self, t: f64) {
        self.tolerance = ROUNDED_EDGE;
        if t == 0.0 {
            return self.tokens.truncate(1);
        }
        self.tokens.iter_mut().for_each(|x| x.1 /= t);
        self.rounding = 1e-7 * self.tokens[0].1.abs();
    }

    /// Keeps the tokens whose value reaches the bound. If the first does not reach it, keeps all
    /// that equal the first. Values within the tolerance are edge.
    fn keep_from(&mut self, values: &[f64], bound: f64, tolerance: f64) {
        let first = self.tokens[0].1;
        for (token, value) in self.tokens.iter().zip(values) {
            if (value - bound).abs() <= tolerance {
                self.edge.push(token.0);
            }
            // Logits near the first may have become equal to it by rounding.
            let near_first = (value - values[0]).abs() <= tolerance && token.1 < first;
            if bound > values[0] - tolerance && near_first && self.tolerance > EDGE {
                self.edge.push(token.0);
            }
        }
        let mut at = 0;
        self.tokens.retain(|token| {
            at += 1;
            values[at - 1] >= bound || (values[0] < bound && token.1 == first)
        });
    }

    /// Keeps the tokens at the first `n` places of `order`.
    fn keep_places(&mut self, order: &[usize], n: usize) {
        let (last, near) = (self.tokens[order[n.max(1) - 1]].1, self.near());
        if self.tolerance > EDGE && n < order.len() {
            // Logits near the last one kept may have changed places with it by rounding.
            self.edge.extend(self.tokens.iter().filter(|t| (t.1 - last).abs() <= near).map(|t| t.0));
        }
        self.tokens = order[..n.max(1)].iter().map(|&i| self.tokens[i]).collect();
        self.sort();
    }

    /// Keeps the `n` most probable tokens.
    fn keep_first(&mut self, n: usize) {
        let order: Vec<usize> = (0..self.tokens.len()).collect();
        self.keep_places(&order, n);
    }

    /// Keeps tokens in `order` while the mass before them is below `bound`.
    fn keep_mass(&mut self, order: &[usize], bound: f64) {
        let p = self.p();
        let mut before = 0.0;
        let mut keep = 0;
        for &i in order {
            if (before - bound).abs() <= self.tolerance {
                self.edge.push(self.tokens[i].0);
            }
            if before < bound {
                keep += 1;
            }
            before += p[i];
        }
        self.keep_places(order, keep);
    }

    fn step(&mut self, step: Step, s: &SamplingParams, mu: f64) {
        let n = self.tokens.len();
        let in_order: Vec<usize> = (0..n).collect();
        let p = self.p();
        let logits: Vec<f64> = self.tokens.iter().map(|t| t.1).collect();
        let max = logits[0];
        let (near, edge) = (self.near(), self.tolerance);
        match step {
            Step::Temperature => self.temperature(s),
            Step::TopK => self.keep_first(s.top_k.min(n)),
            Step::TopP => self.keep_mass(&in_order, s.top_p as f64),
            Step::MinP => self.keep_from(&logits, max + (s.min_p as f64).ln(), near),
            Step::Typical => self.typical(s),
            Step::TailFree if n > 2 => self.tail_free(s),
            Step::Epsilon => self.keep_from(&p, s.epsilon_cutoff as f64, edge * s.epsilon_cutoff as f64),
            Step::Eta => {
                let e = s.eta_cutoff as f64;
                let bound = e.min(e.sqrt() * (-self.entropy()).exp());
                self.keep_from(&p, bound, edge * bound);
            }
            Step::TopA => {
                let bound = s.top_a as f64 * p[0] * p[0];
                self.keep_from(&p, bound, edge * bound);
            }
            Step::TopNSigma => {
                let mean = logits.iter().sum::<f64>() / n as f64;
                let sigma = (logits.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
                self.keep_from(&logits, max - s.top_n_sigma.unwrap() as f64 * sigma, near);
            }
            Step::TopH => self.top_h(s),
            Step::PLess => {
                let collision: f64 = p.iter().map(|p| p * p).sum();
                let v = n as f64;
                let bound = match s.p_less.unwrap() {
                    PLess::Plain => collision,
                    PLess::Normalised if n == 1 => 0.0,
                    _ => (v * collision - 1.0) / (v - 1.0),
                };
                self.keep_from(&p, bound, edge * collision);
            }
            Step::Xtc => self.xtc(s),
            Step::Smoothing => {
                self.tolerance = ROUNDED_EDGE;
                let Smoothing { factor, curve, .. } = s.smoothing.unwrap();
                let (f, k, c) = (factor as f64, (3.0 - curve as f64) / 2.0, (curve as f64 - 1.0) / 2.0);
                for token in &mut self.tokens {
                    let d = token.1 - max;
                    token.1 = max - k * f * d * d + c * f * d * d * d;
                }
                self.sort();
            }
            Step::Mirostat => match s.mirostat.unwrap().version {
                MirostatVersion::V2 => {
                    let surprise: Vec<f64> = p.iter().map(|p| p.log2()).collect();
                    self.keep_from(&surprise, -mu, 2.0 * edge);
                    if surprise[0] < -mu {
                        self.tokens.truncate(1);
                        // Logits near the first may have come before it by rounding.
                        self.edge.extend((edge > EDGE).then_some(self.tokens[0].0));
                    }
                }
                _ => self.mirostat_1(mu),
            },
            Step::AdaptiveP => {
                self.tolerance = ROUNDED_EDGE;
                let target = s.adaptive_p.unwrap().target as f64;
                for (token, p) in self.tokens.iter_mut().zip(&p) {
                    let d = (p - target).abs() / 0.3;
                    token.1 = 5.0 - 10.0 * d * d / (1.0 + d);
                }
                self.sort();
            }
            _ => {}
        }
    }

    /// Divides logits by the temperature, plain or dynamic.
    fn temperature(&mut self, s: &SamplingParams) {
        let n = self.tokens.len();
        let h = if n < 2 { 0.0 } else { self.entropy() / (n as f64).ln() };
        let t = s.temperature as f64;
        self.scale(match s.dynamic_temperature {
            None => t,
            Some(DynamicTemperature::Position { total }) => t * (1.0 + 0.3 * 4.0 / total as f64),
            Some(DynamicTemperature::Entropy) => t * (0.5 + h),
            Some(DynamicTemperature::Range { low, high, exponent }) => {
                low as f64 + (high - low) as f64 * h.powf(exponent as f64)
            }
            Some(other) => unreachable!("{other:?} has no reference"),
        });
    }

    /// Keeps the tokens whose surprise is nearest to the entropy, by mass.
    fn typical(&mut self, s: &SamplingParams) {
        let n = self.tokens.len();
        let p = self.p();
        let logits: Vec<f64> = self.tokens.iter().map(|t| t.1).collect();
        let (max, near) = (logits[0], self.near());
        // −ln p − H without logarithms: H = ln Z − Σ p·(l − max).
        let mean: f64 = p.iter().zip(&logits).map(|(p, l)| p * (l - max)).sum();
        let distance = |i: usize| ((max - logits[i]) + mean).abs();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| {
            distance(a).total_cmp(&distance(b)).then(self.tokens[a].0.cmp(&self.tokens[b].0))
        });
        let all = self.tokens.clone();
        self.keep_mass(&order, s.typical_p as f64);
        // A token as far from H as the last one kept may change places with it.
        let last = distance(order[self.tokens.len() - 1]);
        self.edge.extend((0..n).filter(|&i| (distance(i) - last).abs() <= near).map(|i| all[i].0));
    }

    /// Keeps the tokens before the tail, by the curvature of the sorted probabilities.
    fn tail_free(&mut self, s: &SamplingParams) {
        let n = self.tokens.len();
        let p = self.p();
        let logits: Vec<f64> = self.tokens.iter().map(|t| t.1).collect();
        let edge = self.tolerance;
        let curve: Vec<f64> = p.windows(3).map(|w| (w[0] - 2.0 * w[1] + w[2]).abs()).collect();
        let sum: f64 = curve.iter().sum();
        let mut running = 0.0;
        let mut keep = n;
        for (i, c) in curve.iter().enumerate() {
            running += if sum <= 1e-6 { 1.0 / curve.len() as f64 } else { c / sum };
            if (running - s.tfs_z as f64).abs() <= edge {
                self.edge.extend(self.tokens[i..(i + 3).min(n)].iter().map(|t| t.0));
            }
            if running > s.tfs_z as f64 {
                keep = i + 1;
                break;
            }
        }
        if keep < n {
            self.edge.extend(self.tokens[keep..].iter().filter(|t| t.1 == logits[keep - 1]).map(|t| t.0));
        }
        self.keep_first(keep);
    }

    /// Keeps the most probable tokens, by their share of the entropy.
    fn top_h(&mut self, s: &SamplingParams) {
        let n = self.tokens.len();
        let edge = self.tolerance;
        self.keep_first(n.min(100));
        let bound = s.top_h.unwrap() as f64 * self.entropy();
        let mut running = 0.0;
        let mut keep = 0;
        for (i, p) in self.p().into_iter().enumerate() {
            running += if p > 0.0 { -p * p.ln() } else { 0.0 };
            if (running - bound).abs() <= edge {
                self.edge.extend(self.tokens.get(i).map(|t| t.0));
            }
            if running > bound {
                break;
            }
            keep += 1;
        }
        self.keep_first(keep);
    }

    /// Drops all top choices but the least likely.
    fn xtc(&mut self, s: &SamplingParams) {
        let n = self.tokens.len();
        let p = self.p();
        let edge = self.tolerance;
        let threshold = s.xtc.unwrap().threshold as f64;
        let top = p.iter().filter(|&&p| p >= threshold).count();
        for (token, p) in self.tokens.iter().zip(&p) {
            if (p - threshold).abs() <= edge {
                // The least likely top choice may change: all tokens near the top are edge.
                self.edge.push(token.0);
            }
        }
        if !self.edge.is_empty() {
            self.edge.extend(self.tokens[..(top + 1).min(n)].iter().map(|t| t.0));
        }
        if top > 1 {
            self.tokens.drain(..top - 1);
        }
    }

    /// Keeps the number of tokens that Mirostat 1 estimates from the slope of the logits.
    fn mirostat_1(&mut self, mu: f64) {
        let n = self.tokens.len();
        let logits: Vec<f64> = self.tokens.iter().map(|t| t.1).collect();
        let (mut tb, mut tt) = (0.0, 0.0);
        for i in 0..n.min(100) - 1 {
            let t = ((i + 2) as f64 / (i + 1) as f64).ln();
            tb += t * (logits[i] - logits[i + 1]);
            tt += t * t;
        }
        if n == 1 {
            return;
        }
        let s = tb / tt;
        let e = s - 1.0;
        let k = (e * mu.exp2() / (1.0 - (n as f64).powf(-e))).powf(1.0 / s);
        let keep = (k as usize).clamp(1, n);
        if (k - k.round()).abs() < 1e-6 * k {
            self.edge.extend(self.tokens[keep - 1..(keep + 1).min(n)].iter().map(|t| t.0));
        }
        self.keep_first(keep);
    }
}

/// Reproducible random numbers for the rows.
struct Numbers(u64);

impl Numbers {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as f64 / (1u64 << 31) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        (self.uniform() * n as f64) as usize
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    fn row(&mut self) -> Vec<f32> {
        let n = match self.below(4) {
            0 => 1 + self.below(20),
            1 => 1 + self.below(400),
            2 => 1 + self.below(3000),
            _ => 200 + self.below(1000),
        };
        let sigma = [0.1, 1.0, 3.0, 12.0][self.below(4)];
        let mut row: Vec<f32> = (0..n).map(|_| (sigma * self.normal()) as f32).collect();
        match self.below(5) {
            0 => (0..1 + self.below(6)).for_each(|_| {
                let at = self.below(n);
                row[at] += (15.0 * self.uniform()) as f32;
            }),
            1 => row.iter_mut().for_each(|l| *l = l.round()),
            2 => (0..n / 2).for_each(|_| {
                let at = self.below(n);
                row[at] = f32::NEG_INFINITY;
            }),
            3 if self.below(4) == 0 => row.fill(1.5),
            _ => {}
        }
        if row.iter().all(|l| *l == f32::NEG_INFINITY) {
            row[0] = 0.0;
        }
        row
    }

    /// A row around any number with any spread, from one unit in the last place to nearly the
    /// largest float, with ties and holes among its values.
    fn spread_row(&mut self) -> Vec<f32> {
        let n = [2, 40, 129, 300, 1000, 2100, 5000][self.below(7)] + self.below(40);
        let centre = [0.0, 1e-20, 0.01, -0.3, 1.0, 10.0, 100.0, -7000.0, 1e6, 3e12, -1e30][self.below(11)];
        let unit = (f32::next_up(centre) - centre) as f64;
        let spread = match self.below(3) {
            // A spread of up to a thousand units in the last place.
            0 => unit * 10f64.powf(3.0 * self.uniform()),
            // A spread that is a part of the number itself.
            1 => (centre as f64).abs().max(1e-30) * 10f64.powf(-8.0 * self.uniform()),
            _ => 10f64.powf(60.0 * self.uniform() - 30.0),
        };
        let shape = self.below(4);
        let value = |numbers: &mut Numbers| match shape {
            0 => numbers.normal(),
            1 => numbers.uniform(),
            // Few different values, many of them equal.
            2 => numbers.below(5) as f64 / 4.0,
            _ => numbers.normal() * 10f64.powf(-6.0 * numbers.uniform()),
        };
        let mut row: Vec<f32> = (0..n).map(|_| (centre as f64 + spread * value(self)) as f32).collect();
        if self.below(4) == 0 {
            row.iter_mut().skip(1).step_by(1 + self.below(9)).for_each(|l| *l = f32::NEG_INFINITY);
        }
        row
    }

    /// A row of a real vocabulary's size, on which shortcuts look at samples and bounds first.
    fn large_row(&mut self) -> Vec<f32> {
        let n = 20_000 + self.below(140_000);
        let sigma = [0.01, 1.0, 2.5, 5.0][self.below(4)];
        let mut row: Vec<f32> = (0..n).map(|_| (sigma * self.normal()) as f32).collect();
        let top = row.iter().copied().fold(f32::MIN, f32::max);
        match self.below(5) {
            0 | 1 => (0..1 + self.below(60)).for_each(|i| {
                let at = self.below(n);
                row[at] = top + (12.0 * self.uniform()) as f32 - 0.2 * i as f32;
            }),
            2 => row.iter_mut().for_each(|l| *l = (*l * 50.0).round() / 50.0),
            3 => row.iter_mut().step_by(3).for_each(|l| *l = f32::NEG_INFINITY),
            _ => {}
        }
        row
    }

    fn params(&mut self, step: Step) -> SamplingParams {
        let p = SamplingParams::default();
        let x = self.uniform() as f32;
        match step {
            Step::Temperature => match self.below(5) {
                0 => p.temperature(0.0),
                1 => p.dynamic_temperature(DynamicTemperature::Entropy).temperature(0.3 + x),
                2 => p.dynamic_temperature(DynamicTemperature::Position { total: 10 }).temperature(0.3 + x),
                3 => p.dynamic_temperature(DynamicTemperature::Range {
                    low: 0.2,
                    high: 0.2 + 2.0 * x,
                    exponent: 1.0 + x,
                }),
                _ => p.temperature(0.1 + 2.0 * x),
            },
            Step::TopK => p.top_k(1 + self.below(if x < 0.5 { 50 } else { 3000 })),
            Step::TopP => p.top_p(x),
            Step::MinP => p.min_p(0.001 + x * x * 0.9),
            Step::Typical => p.typical_p(x),
            Step::TailFree => p.tfs_z(x),
            Step::Epsilon => p.epsilon_cutoff(0.1 * x * x + 1e-6),
            Step::Eta => p.eta_cutoff(0.1 * x * x + 1e-6),
            Step::TopA => p.top_a(0.01 + 0.9 * x),
            Step::TopNSigma => p.top_n_sigma(0.01 + 3.0 * x),
            Step::TopH => p.top_h(0.05 + 0.9 * x),
            Step::PLess => p.p_less(if x < 0.5 { PLess::Plain } else { PLess::Normalised }),
            Step::Xtc => p.xtc(Xtc::new(1.0, 0.5 * x)),
            Step::Smoothing => p.smoothing(Smoothing::default().factor(0.3 * x).curve(1.0 + 2.0 * x)),
            Step::Mirostat => {
                let version = if x < 0.5 { MirostatVersion::V1 } else { MirostatVersion::V2 };
                p.mirostat(Mirostat::default().version(version).tau(0.5 + 4.0 * x).eta(0.1))
            }
            Step::AdaptiveP => p.adaptive_p(AdaptiveP::default().target(x).decay(0.9)),
            _ => p,
        }
    }
}

const STEPS: [Step; 16] = [
    Step::Temperature,
    Step::TopK,
    Step::TopP,
    Step::MinP,
    Step::Typical,
    Step::TailFree,
    Step::Epsilon,
    Step::Eta,
    Step::TopA,
    Step::TopNSigma,
    Step::TopH,
    Step::PLess,
    Step::Xtc,
    Step::Smoothing,
    Step::Mirostat,
    Step::AdaptiveP,
];

fn rows() -> u64 {
    std::env::var("HEDGEROW_REFERENCE_ROWS").ok().and_then(|n| n.parse().ok()).unwrap_or(1500)
}

fn compare(context: &str, expected: &Distribution, found: &[(TokenId, f32)]) {
    let found: BTreeMap<u32, f32> = found.iter().map(|x| (x.0.0, x.1)).collect();
    let kept: BTreeMap<u32, f64> =
        expected.tokens.iter().map(|t| t.0).zip(expected.p()).filter(|x| x.1 > 1e-37).collect();
    for (id, p) in &found {
        let near_zero = *p < 1e-30;
        assert!(
            kept.contains_key(id) || expected.edge.contains(id) || near_zero,
            "{context}: {id} kept wrongly"
        );
    }
    for id in kept.keys() {
        assert!(found.contains_key(id) || expected.edge.contains(id), "{context}: {id} dropped wrongly");
    }
    if expected.edge.is_empty() {
        for (id, p) in &kept {
            let difference = (found[id] as f64 - p).abs();
            assert!(
                difference <= (1e-4 + expected.rounding) * p + 1e-9,
                "{context}: {id} has {} instead of {p}",
                found[id]
            );
        }
    }
}

#[test]
fn every_strategy_equals_its_reference() {
    let mut numbers = Numbers(1);
    let mut edges = 0;
    // One row in 750 is large.
    for case in 0..rows() + rows() / 750 {
        let row = if case < rows() { numbers.row() } else { numbers.large_row() };
        for step in STEPS {
            let params = numbers.params(step);
            let mut sampler = Sampler::new(params.clone()).unwrap();
            (0..4).for_each(|_| sampler.accept(TokenId(0)));
            let mut distribution = Distribution::new(&row);
            distribution.step(step, &params, 2.0 * params.mirostat.unwrap_or_default().tau as f64);
            edges += usize::from(!distribution.edge.is_empty());
            let found = sampler.distribution(&row, None).unwrap();
            compare(&format!("case {case} {} {} {params:?}", row.len(), step.name()), &distribution, &found);
        }
    }
    println!("{} rows, {edges} comparisons had edge tokens", rows() + rows() / 750);
}

#[test]
fn chains_equal_their_reference() {
    let mut numbers = Numbers(2);
    let mut compared = 0;
    for case in 0..rows() {
        let row = numbers.row();
        let x = numbers.uniform() as f32;
        let params = SamplingParams::default()
            .temperature(0.3 + x)
            .top_k(if case % 3 == 0 { 0 } else { 1 + numbers.below(60) })
            .top_p(1.0 - 0.5 * numbers.uniform() as f32)
            .min_p(0.1 * x)
            .typical_p(if case % 4 == 0 { 0.9 } else { 1.0 })
            .order(match (case % 2, case % 5) {
                (1, _) => ChainOrder::Llama,
                (_, 0 | 1) => ChainOrder::Vllm,
                _ => ChainOrder::Hf,
            });
        let order = match params.order {
            ChainOrder::Llama => [Step::TopK, Step::Typical, Step::TopP, Step::MinP, Step::Temperature],
            ChainOrder::Vllm => [Step::Temperature, Step::MinP, Step::TopK, Step::TopP, Step::Typical],
            _ => [Step::Temperature, Step::TopK, Step::TopP, Step::MinP, Step::Typical],
        };
        let mut distribution = Distribution::new(&row);
        for step in order {
            let off = match step {
                Step::TopK => params.top_k == 0,
                Step::Typical => params.typical_p >= 1.0,
                _ => false,
            };
            if !off {
                distribution.step(step, &params, 0.0);
            }
        }
        if distribution.edge.is_empty() {
            compared += 1;
            let found = Sampler::new(params.clone()).unwrap().distribution(&row, None).unwrap();
            compare(&format!("case {case} {} {params:?}", row.len()), &distribution, &found);
        }
    }
    assert!(compared > rows() / 3, "{compared}");
}

/// The numbers of tokens that chains keep of rows whose spread is a few units in the last place.
#[test]
fn narrow_rows_are_cut_exactly() {
    let p = SamplingParams::default;
    let mut numbers = Numbers(3);
    let mut narrow = |n: usize, centre: f64, spread: f64| -> Vec<f32> {
        (0..n).map(|_| (centre + spread * numbers.normal()) as f32).collect()
    };
    let hundred = narrow(300, 100.0, 1e-4);
    let ten = narrow(2100, 10.0, 1e-5);
    let flat = vec![0.25f32; 64];
    let steps: Vec<f32> = (0..400).map(|i| f32::from_bits(100f32.to_bits() + i / 4)).collect();
    for (name, row, params, kept) in [
        ("top-k", &hundred, p().top_k(5), 5),
        ("top-k after a temperature", &hundred, p().top_k(5).temperature(0.7), 5),
        ("top-k of many", &ten, p().top_k(1500), 1500),
        ("top-k of four equal ones each", &steps, p().top_k(6), 6),
        ("top-k with ties", &steps, p().top_k(6).top_k_ties(Ties::KeepAll), 8),
        ("top-p", &ten, p().top_p(0.9), 1890),
        ("top-p after a temperature", &ten, p().top_p(0.9).temperature(1.3), 1890),
        ("top-p of a flat row", &flat, p().top_p(0.5), 32),
        ("typical", &ten, p().typical_p(0.9002), 1891),
        // No token reaches these bounds, so that all that are as probable as the top one stay.
        ("epsilon of a flat row", &flat, p().epsilon_cutoff(0.02), 64),
        ("eta of a flat row", &flat, p().eta_cutoff(0.5), 64),
        ("epsilon of four equal ones each", &steps, p().epsilon_cutoff(0.02), 4),
        // All tokens are equal, and rounding must not tell them apart.
        ("p-less of a flat row", &flat, p().p_less(PLess::Plain), 64),
        ("top-a of a flat row", &flat, p().top_a(1.0), 64),
        ("min-p of a flat row", &flat, p().min_p(1.0), 64),
        ("min-p of four equal ones each", &steps, p().min_p(1.0), 4),
        ("top-n-sigma of a flat row", &flat, p().top_n_sigma(0.5), 64),
        ("Mirostat keeps one", &flat, p().mirostat(Mirostat::default().tau(0.5)), 1),
    ] {
        for order in [ChainOrder::Hf, ChainOrder::Llama] {
            let mut sampler = Sampler::new(params.clone().order(order.clone())).unwrap();
            let found = sampler.distribution(row, None).unwrap();
            assert_eq!(found.len(), kept, "{name}, {order:?}");
            let stages = sampler.stages(row, None).unwrap();
            assert_eq!(stages.last().unwrap().kept.len(), kept, "{name}, {order:?}, step by step");
        }
    }
}

#[test]
fn rows_of_any_spread_equal_their_reference() {
    let mut numbers = Numbers(4);
    let (mut compared, mut edges) = (0, 0);
    for case in 0..rows() {
        let row = numbers.spread_row();
        for step in STEPS {
            // Half of the cases have a temperature before the step, and one order has it after the
            // step.
            let params = numbers.params(step);
            let t = if step == Step::Temperature { 1.0 } else { [1.0, 0.7, 1.0, 1.6][numbers.below(4)] };
            for order in [ChainOrder::Hf, ChainOrder::Llama] {
                let mut params = params.clone().order(order.clone());
                let chain = if t == 1.0 {
                    vec![step]
                } else {
                    params.temperature = t;
                    let in_chain = |s: &Step| *s == step || *s == Step::Temperature;
                    order.steps().iter().copied().filter(in_chain).collect()
                };
                let mut distribution = Distribution::new(&row);
                for step in chain {
                    distribution.step(step, &params, 2.0 * params.mirostat.unwrap_or_default().tau as f64);
                }
                compared += 1;
                edges += usize::from(!distribution.edge.is_empty());
                let mut sampler = Sampler::new(params.clone()).unwrap();
                (0..4).for_each(|_| sampler.accept(TokenId(0)));
                let found = sampler.distribution(&row, None).unwrap();
                let finite = || row.iter().copied().filter(|l| l.is_finite());
                let (low, high) = (finite().fold(f32::MAX, f32::min), finite().fold(f32::MIN, f32::max));
                let name = step.name();
                let context =
                    format!("case {case}: {name} on {} in [{low:e}, {high:e}], {params:?}", row.len());
                compare(&context, &distribution, &found);
            }
        }
    }
    println!("{compared} comparisons, {edges} had edge tokens");
}
