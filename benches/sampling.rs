//! Microseconds a token for common sampler chains, beside one plain pass over the row.
//!
//! `cargo bench --bench sampling` prints the times for vocabularies of 32 k to 262 k and for
//! peaked, normal and flat rows. For each chain it prints the median and the best time, and the
//! ratios to a scan for the maximum that is measured in turn in the same run. On a busy machine the
//! best time is the more reliable. An argument filters chains by name.

#[path = "rows/mod.rs"]
mod rows;

use hedgerow::sampling::{ChainOrder, Mirostat, MirostatVersion, Sampler, SamplingParams};
use hedgerow::vocab::TokenId;
use rows::{KINDS, mask, row, scan};
use std::hint::black_box;
use std::time::Instant;

/// Sorted microseconds of a task and of the plain scan, run in turn.
fn measure(row: &[f32], mut task: impl FnMut()) -> (Vec<f64>, Vec<f64>) {
    let rounds = 41;
    let (mut times, mut scans) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
    for _ in 0..rounds {
        let start = Instant::now();
        black_box(scan(black_box(row)));
        scans.push(start.elapsed().as_secs_f64() * 1e6);
        let start = Instant::now();
        task();
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    scans.sort_by(f64::total_cmp);
    (times, scans)
}

fn chains() -> Vec<(&'static str, SamplingParams)> {
    let p = SamplingParams::default;
    let mirostat = |version| p().mirostat(Mirostat::default().version(version));
    let default = p().top_k(40).top_p(0.95).min_p(0.05).temperature(0.8);
    vec![
        ("greedy", p().temperature(0.0)),
        ("default chain", default.clone()),
        ("default chain, llama order", default.clone().order(ChainOrder::Llama)),
        ("default + 200 biases", default.logit_bias((0..200).map(|i| (TokenId(i * 37), 0.5)).collect())),
        ("temperature", p().temperature(0.8)),
        ("top-p", p().top_p(0.95)),
        ("min-p", p().min_p(0.05)),
        ("typical", p().typical_p(0.95)),
        ("mirostat 1", mirostat(MirostatVersion::V1)),
        ("mirostat 2", mirostat(MirostatVersion::V2)),
    ]
}

fn main() {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    println!(
        "{:<8}{:<8}{:<30}{:>10}{:>8}{:>10}{:>8}",
        "vocab", "row", "chain", "median us", "x scan", "best us", "x scan"
    );
    for n in [32_000, 128_256, 151_936, 262_144] {
        for kind in KINDS {
            let row = row(kind, n);
            let report = |name: &str, (times, scans): (Vec<f64>, Vec<f64>)| {
                let (median, ratio) =
                    (times[times.len() / 2], times[times.len() / 2] / scans[scans.len() / 2]);
                println!(
                    "{n:<8}{kind:<8}{name:<30}{median:>10.1}{ratio:>8.1}{:>10.1}{:>8.1}",
                    times[0],
                    times[0] / scans[0]
                );
            };
            for (name, params) in chains() {
                if name.contains(&filter) {
                    let mut sampler = Sampler::new(params).expect("valid parameters");
                    let sample = || {
                        let _ = black_box(sampler.sample(&row, None));
                    };
                    report(name, measure(&row, sample));
                }
            }
            for count in [1, 100, 5_000, 120_000] {
                let name = format!("default, mask of {count}");
                if count >= n || !name.contains(&filter) {
                    continue;
                }
                let mask = mask(n, count);
                let mut sampler = Sampler::new(chains().swap_remove(1).1).expect("valid parameters");
                let sample = || {
                    let _ = black_box(sampler.sample(&row, Some(&mask)));
                };
                report(&name, measure(&row, sample));
            }
        }
    }
}
