//! Golden vectors: the tokens that transformers, llama.cpp and a 64-bit reference keep of the same
//! rows.
//!
//! `tests/golden/generate.py` makes `vectors.jsonl`. Rows are computed from integers on both sides.
//! `tests/golden/differences.txt` lists the cases in which a peer differs by design; the vectors
//! leave them out.

use hedgerow::sampling::*;
use hedgerow::vocab::TokenId;
use serde_json::Value;
use std::collections::BTreeMap;

const HISTORY: [u32; 11] = [3, 5, 3, 7, 3, 5, 9, 11, 3, 5, 3];
const END: u32 = 4;

fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

fn row(kind: &str, n: usize) -> Vec<f32> {
    let whole = |i: usize| {
        let (a, b) = (mix((2 * i + n) as u32), mix((2 * i + n + 1) as u32));
        ((a & 0xffff) + (a >> 16) + (b & 0xffff) + (b >> 16)) as i32 - 131_070
    };
    let normal = |i: usize| whole(i) as f32 / 16384.0;
    let mut row: Vec<f32> = (0..n)
        .map(|i| match kind {
            "wide" => 4.0 * normal(i),
            "ties" => (whole(i) >> 14) as f32 * 0.5,
            "uniform" => 0.25,
            "masked" if i % 3 == 1 => f32::NEG_INFINITY,
            _ => normal(i),
        })
        .collect();
    if kind == "peaked" {
        for j in 0..5 {
            row[(j * 7919 + 13) % n] = 20.0 - 2.0 * j as f32;
        }
    }
    row
}

fn ids(ids: &[u32]) -> Vec<TokenId> {
    ids.iter().copied().map(TokenId).collect()
}

fn params(op: &str, a: &[f64]) -> SamplingParams {
    let p = SamplingParams::default();
    let x = |i: usize| a[i] as f32;
    let sequences = vec![ids(&[5, 3, 8]), ids(&[2]), ids(&[9, 1])];
    match op {
        "top_k" => p.top_k(a[0] as usize),
        "top_p" => p.top_p(x(0)),
        "min_p" => p.min_p(x(0)),
        "typical" => p.typical_p(x(0)),
        "epsilon" => p.epsilon_cutoff(x(0)),
        "eta" => p.eta_cutoff(x(0)),
        "top_h" => p.top_h(x(0)),
        "top_n_sigma" => p.top_n_sigma(x(0)),
        "xtc" => p.xtc(Xtc::new(1.0, x(0))),
        "temperature" => p.temperature(x(0)),
        "temperature_range" => {
            p.dynamic_temperature(DynamicTemperature::Range { low: x(0), high: x(1), exponent: x(2) })
        }
        "mirostat_1" => p.mirostat(Mirostat::default().version(MirostatVersion::V1).tau(x(0))),
        "mirostat_2" => p.mirostat(Mirostat::default().tau(x(0))),
        "adaptive_p" => p.adaptive_p(AdaptiveP::default().target(x(0)).decay(0.9)),
        "repetition" => p.repetition_penalty(x(0)),
        "penalties" => p.repetition_penalty(x(0)).frequency_penalty(x(1)).presence_penalty(x(2)),
        "no_repeat_ngram" => p.no_repeat_ngram(a[0] as usize),
        "sequence_bias" => p.sequence_bias(sequences.into_iter().zip([x(0), x(1), 50.0]).collect()),
        "bad_words" => p.bad_words(sequences),
        "exponential_decay" => {
            p.exponential_decay(ExponentialDecay::new(a[0] as usize, x(1))).end_tokens(ids(&[END]))
        }
        "suppress" => p.suppressed_tokens(a.iter().map(|&id| TokenId(id as u32)).collect()),
        "watermark_left" => p.watermark(Watermark::default().greenlist_ratio(x(0)).bias(x(1))),
        "watermark_self" => p.watermark(
            Watermark::default()
                .greenlist_ratio(x(0))
                .bias(x(1))
                .seeding(WatermarkSeeding::SelfHash { context_width: 4 }),
        ),
        "logit_bias" => {
            p.logit_bias(a.chunks(2).map(|pair| (TokenId(pair[0] as u32), pair[1] as f32)).collect())
        }
        "dry" => {
            let mut dry = Dry::default()
                .multiplier(x(0))
                .base(x(1))
                .allowed_length(a[2] as usize)
                .breakers(a[4..].iter().map(|&id| TokenId(id as u32)).collect());
            dry.window = (a[3] > 0.0).then_some(a[3] as usize);
            p.dry(dry)
        }
        "begin_suppress" => p.begin_suppressed_tokens(a.iter().map(|&id| TokenId(id as u32)).collect()),
        "min_tokens" => p.min_tokens(a[0] as usize).end_tokens(ids(&[END])),
        "allowed" => p.allowed_tokens(a.iter().map(|&id| TokenId(id as u32)).collect()),
        "forced_last" => p.forced_last(TokenId(END)).max_tokens(HISTORY.len() + 1),
        "chain_llama" => {
            p.order(ChainOrder::Llama).top_k(a[0] as usize).top_p(x(1)).min_p(x(2)).temperature(x(3))
        }
        "chain_hf" => p.temperature(x(0)).top_k(a[1] as usize).top_p(x(2)).min_p(x(3)),
        other => panic!("unknown operation {other}"),
    }
}

/// FNV-1a over the ids in rising order.
fn fnv(ids: impl Iterator<Item = u32>) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for byte in ids.flat_map(u32::to_le_bytes) {
        hash = (hash ^ byte as u64).wrapping_mul(0x100_0000_01b3);
    }
    format!("{hash:016x}")
}

#[test]
fn golden_vectors_are_met() {
    let text = include_str!("../golden/vectors.jsonl");
    let mut sources: BTreeMap<String, usize> = BTreeMap::new();
    for line in text.lines() {
        let v: Value = serde_json::from_str(line).unwrap();
        let (kind, op) = (v["row"].as_str().unwrap(), v["op"].as_str().unwrap());
        let n = v["vocab"].as_u64().unwrap() as usize;
        let args: Vec<f64> = v["args"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        let mut sampler = Sampler::new(params(op, &args)).unwrap();
        // Feedback rules start at position 0. The others come after the history, as output.
        if op == "begin_suppress" {
            sampler.with_prompt(&ids(&HISTORY));
        } else if !op.starts_with("mirostat") && op != "adaptive_p" {
            HISTORY.iter().for_each(|&id| sampler.accept(TokenId(id)));
        }
        let distribution: BTreeMap<u32, f32> =
            sampler.distribution(&row(kind, n), None).unwrap().into_iter().map(|x| (x.0.0, x.1)).collect();
        let edge: Vec<u32> =
            v["edge"].as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as u32).collect();
        let kept: Vec<u32> = distribution.keys().copied().filter(|id| !edge.contains(id)).collect();
        assert_eq!(kept.len() as u64, v["count"].as_u64().unwrap(), "{line}");
        assert_eq!(fnv(kept.into_iter()), v["kept"].as_str().unwrap(), "{line}");
        // Peers compute in 32 bits.
        let tolerance = if v["source"] == "reference" { 2e-5 } else { 2e-4 };
        if edge.is_empty() {
            for pair in v["top"].as_array().unwrap() {
                let (id, p) = (pair[0].as_u64().unwrap() as u32, pair[1].as_f64().unwrap());
                let found = distribution[&id] as f64;
                assert!((found - p).abs() <= tolerance * p + 1e-7, "{id} has {found}: {line}");
            }
        }
        *sources.entry(v["source"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    for (source, least) in [("reference", 400), ("transformers", 300), ("llama.cpp", 200)] {
        assert!(sources[source] >= least, "{source}: {}", sources[source]);
    }
}
