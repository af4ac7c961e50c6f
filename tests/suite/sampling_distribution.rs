//! Draws follow the distribution, by enumeration of the random number, and by chi-square tests with
//! fixed seeds.

use hedgerow::sampling::*;
use hedgerow::vocab::TokenId;
use std::collections::BTreeMap;

const DRAWS: u64 = 200_000;

fn row() -> Vec<f32> {
    (0..16).map(|i| ((i * 7) % 16) as f32 * 0.25).collect()
}

/// The chi-square statistic of `DRAWS` draws with seeds 0, 1, … against the distribution, and its
/// degrees of freedom.
fn chi_square(params: &SamplingParams, row: &[f32], mask: Option<&[u32]>) -> (f64, usize) {
    let distribution = Sampler::new(params.clone()).unwrap().distribution(row, mask).unwrap();
    let mut counts: BTreeMap<TokenId, f64> = BTreeMap::new();
    for seed in 0..DRAWS {
        let mut sampler = Sampler::new(params.clone().seed(seed)).unwrap();
        *counts.entry(sampler.sample(row, mask).unwrap().token).or_default() += 1.0;
    }
    assert!(counts.keys().all(|token| distribution.iter().any(|entry| entry.0 == *token)), "{params:?}");
    let chi = distribution.iter().map(|&(token, p)| {
        let expected = p as f64 * DRAWS as f64;
        (counts.get(&token).copied().unwrap_or(0.0) - expected).powi(2) / expected
    });
    (chi.sum(), distribution.len() - 1)
}

#[test]
fn draws_follow_the_distribution() {
    let p = SamplingParams::default;
    let mask = [0b1010_1100_0111_0101];
    for (params, mask) in [
        (p(), None),
        (p().temperature(0.6), None),
        (p().selection(Selection::GumbelMax), None),
        (p().selection(Selection::GumbelMax).temperature(1.4).top_k(9), None),
        (p().temperature(0.8).top_k(40).top_p(0.95).min_p(0.05), None),
        (p().top_p(0.8).order(ChainOrder::Llama), Some(&mask[..])),
        (p().typical_p(0.7), None),
        (p().mirostat(Mirostat::default().tau(1.5)), None),
        (p().adaptive_p(AdaptiveP::default().target(0.1).decay(0.9)), None),
    ] {
        let (chi, freedom) = chi_square(&params, &row(), mask);
        // The statistic has mean f and deviation √(2f); it is never beyond five deviations by
        // chance.
        let bound = freedom as f64 + 5.0 * (2.0 * freedom as f64).sqrt();
        assert!(chi < bound, "{params:?}: {chi} with {freedom} degrees of freedom");
    }
}

/// The probability with which XTC acts. `sample` draws it for each token, and in `distribution` the
/// seed fixes it. Therefore the mixture over seeds has to be right.
#[test]
fn xtc_acts_with_its_probability() {
    let params = SamplingParams::default().xtc(Xtc::new(0.3, 0.1));
    let acts = (0..10_000)
        .filter(|&seed| {
            let mut sampler = Sampler::new(params.clone().seed(seed)).unwrap();
            sampler.distribution(&row(), None).unwrap().len() < 16
        })
        .count();
    assert!((2_770..3_230).contains(&acts), "{acts}");
}

/// The joint distribution of several steps with state: the positions use independent numbers.
#[test]
fn two_steps_have_the_product_distribution() {
    let row = [0.0, 1.0, 0.5, -0.5];
    let params = SamplingParams::default().frequency_penalty(1.0);
    let draws = 100_000;
    let mut counts = BTreeMap::new();
    for seed in 0..draws {
        let mut sampler = Sampler::new(params.clone().seed(seed)).unwrap();
        let first = sampler.sample(&row, None).unwrap().token;
        sampler.accept(first);
        let second = sampler.sample(&row, None).unwrap().token;
        *counts.entry((first, second)).or_insert(0.0) += 1.0;
    }
    let mut chi = 0.0;
    let mut sampler = Sampler::new(params).unwrap();
    for (first, p) in sampler.distribution(&row, None).unwrap() {
        let start = sampler.checkpoint();
        sampler.accept(first);
        for (second, q) in sampler.distribution(&row, None).unwrap() {
            let expected = (p * q) as f64 * draws as f64;
            chi += (counts.get(&(first, second)).copied().unwrap_or(0.0) - expected).powi(2) / expected;
        }
        sampler.rollback(&start).unwrap();
    }
    assert!(chi < 15.0 + 5.0 * 30f64.sqrt(), "{chi}");
}

/// Rows as long as real vocabularies, on which the shortcuts take samples and bounds, have the same
/// distribution as the step-by-step chain.
#[test]
fn large_rows_have_the_distribution_of_the_steps() {
    let p = SamplingParams::default;
    for n in [32_000, 128_256] {
        for kind in ["flat", "normal", "peaked", "holes"] {
            let mut state = n as u64;
            let mut uniform = || {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 48) as f32 / 65_536.0
            };
            let sigma = if kind == "flat" { 0.02 } else { 5.0 };
            let mut row: Vec<f32> =
                (0..n).map(|_| (0..4).map(|_| uniform() - 0.5).sum::<f32>() * sigma).collect();
            match kind {
                "peaked" => (0..40).for_each(|i| row[(i * 7919 + 13) % n] = 20.0 - 0.4 * i as f32),
                "holes" => row.iter_mut().skip(1).step_by(3).for_each(|l| *l = f32::NEG_INFINITY),
                _ => {}
            }
            for params in [
                p().top_k(40),
                p().top_k(20_000),
                p().top_p(0.9),
                p().temperature(0.7).top_p(0.5),
                p().min_p(0.2),
                p().typical_p(0.8),
                p().temperature(1.3).typical_p(0.95),
                p().mirostat(Mirostat::default().tau(7.0)),
                p().mirostat(Mirostat::default().version(MirostatVersion::V1)),
            ] {
                let mut sampler = Sampler::new(params.clone()).unwrap();
                let fast: BTreeMap<_, _> = sampler.distribution(&row, None).unwrap().into_iter().collect();
                let slow: BTreeMap<_, _> =
                    sampler.stages(&row, None).unwrap().pop().unwrap().kept.into_iter().collect();
                // Rounding may move single tokens across the cut.
                let different = fast.keys().filter(|t| !slow.contains_key(t)).count()
                    + slow.keys().filter(|t| !fast.contains_key(t)).count();
                assert!(
                    different <= 1 + slow.len() / 20_000,
                    "{n} {kind} {different} of {} {params:?}",
                    slow.len()
                );
                let sampled = sampler.sample(&row, None).unwrap();
                assert!((sampled.logprob.exp() - fast[&sampled.token]).abs() <= 1e-5 * fast[&sampled.token]);
            }
        }
    }
}
