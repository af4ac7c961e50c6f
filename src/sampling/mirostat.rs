//! Mirostat: steers the surprise of the text to a target by feedback.
//!
//! Surprise is measured in bits, of the token under the distribution it was drawn from (the
//! truncated, renormalised one), as in llama.cpp. μ starts at 2τ and moves when a token is
//! accepted: μ −= η(S − τ).
//!
//! Source: Basu, Ramachandran, Keskar, Varshney, "Mirostat: a neural text decoding algorithm that
//! directly controls perplexity", 2021.

use super::candidates::Candidates;
use super::step_settings::{Mirostat, MirostatVersion};

/// Tokens that version 1 estimates Zipf's exponent from.
pub(crate) const TOP: usize = 100;

/// μ before the first token.
pub fn initial_mu(rule: &Mirostat) -> f64 {
    2.0 * rule.tau as f64
}

/// μ after a token of the given surprise (bits).
pub fn updated_mu(rule: &Mirostat, mu: f64, surprise: f64) -> f64 {
    mu - rule.eta as f64 * (surprise - rule.tau as f64)
}

/// Cuts the candidates to those that Mirostat draws from at μ.
pub fn mirostat(candidates: &mut Candidates, rule: &Mirostat, mu: f64) {
    match rule.version {
        MirostatVersion::V1 => version_1(candidates, mu),
        MirostatVersion::V2 => version_2(candidates, mu),
    }
}

/// Version 1: keeps the top k = (ε̂ · 2^μ / (1 − n^−ε̂))^(1/ŝ) of n candidates, at least one.
///
/// Here ŝ is an estimate of Zipf's exponent from the top 100: ŝ = Σ tᵢbᵢ / Σ tᵢ² with tᵢ =
/// ln((i+2)/(i+1)) and bᵢ = ln(pᵢ/pᵢ₊₁). ε̂ is ŝ − 1. For ε̂ → 0 the fraction tends to 2^μ / ln n.
pub fn version_1(candidates: &mut Candidates, mu: f64) {
    let n = candidates.len() as f64;
    let mut head = candidates.clone();
    head.keep_largest(TOP);
    if let Some(k) = zipf_cut(&mut head, n, mu) {
        candidates.keep_largest(k);
    }
}

/// k of version 1, from the [`TOP`] largest of `n` candidates; `None` keeps all.
pub(crate) fn zipf_cut(head: &mut Candidates, n: f64, mu: f64) -> Option<usize> {
    head.sort_descending();
    let (mut tb, mut tt) = (0.0, 0.0);
    for (i, pair) in head.logits().windows(2).enumerate() {
        let t = ((i + 2) as f64 / (i + 1) as f64).ln();
        // ln(p/p') is the difference of the logits, so no probability can vanish here.
        tb += t * (pair[0] as f64 - pair[1] as f64);
        tt += t * t;
    }
    (tt > 0.0).then(|| zipf_k(tb / tt, n, mu))
}

fn zipf_k(s: f64, n: f64, mu: f64) -> usize {
    let e = s - 1.0;
    let fraction = if e.abs() < 1e-9 { 1.0 / n.ln() } else { e / (1.0 - n.powf(-e)) };
    let k = (fraction * mu.exp2()).powf(1.0 / s);
    // The cast turns NaN into 0 and infinity into the largest number.
    (k as usize).max(1)
}

/// Version 2: keeps the candidates with −log₂ p ≤ μ. If there are none, keeps the most probable
/// one, with the lowest id among equals.
pub fn version_2(candidates: &mut Candidates, mu: f64) {
    let (_, total) = candidates.weights();
    cut_surprise(candidates, mu, total);
}

/// Version 2, for candidates whose weights are shares of `mass`.
pub(crate) fn cut_surprise(candidates: &mut Candidates, mu: f64, mass: f64) {
    let bound = (-mu).exp2() * mass;
    if bound > 1.0 {
        let top = candidates.argmax();
        return candidates.keep_one(top);
    }
    candidates.keep_weight(bound);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zipf_k_is_continuous_where_the_exponent_is_one() {
        for (n, mu) in [(1000.0, 5.0), (50.0, 2.0)] {
            assert_eq!(zipf_k(1.0, n, mu), zipf_k(1.0 + 1e-8, n, mu));
            assert_eq!(zipf_k(1.0, n, mu), zipf_k(1.0 - 1e-8, n, mu));
        }
        // Flat rows have exponent 0, and μ can run away in both directions.
        for s in [0.0, -0.0, 1e-300, 1e300] {
            for mu in [-1e9, 0.0, 1e9] {
                assert!(zipf_k(s, 128_000.0, mu) >= 1);
            }
        }
    }

    #[test]
    fn version_2_by_hand() {
        // p = 1/2, 1/4, 1/8, 1/8: surprises 1, 2, 3, 3 bits.
        let logits = [0.5f32.ln(), 0.25f32.ln(), 0.125f32.ln(), 0.125f32.ln()];
        for (mu, kept) in [(10.0, 4), (2.5, 2), (1.5, 1), (-3.0, 1)] {
            let mut c = Candidates::from_logits(&logits).unwrap();
            version_2(&mut c, mu);
            assert_eq!(c.len(), kept, "{mu}");
        }
    }

    #[test]
    fn feedback() {
        let rule = Mirostat::default();
        assert_eq!(initial_mu(&rule), 10.0);
        assert!((updated_mu(&rule, 10.0, 7.0) - 9.8).abs() < 1e-6);
    }
}
