//! Sampler chains compared with llama.cpp's: the same chains on the same logits, in turn, with one
//! plain pass over the row as the lower bound.
//!
//! A round times three operations, one after another: a scan for the row's maximum, hedgerow's
//! `Sampler::sample`, and the work of `llama_sampler_sample` for one row (fill the candidate array,
//! apply the chain). The row has just been read before each. Figures are medians over the rounds.
//!
//! Before the rounds, both are asked for the distribution from which they draw, so that the table
//! can show differences. llama.cpp works in single precision, and leaves candidates at a cut in any
//! order.

#[path = "../../rows/mod.rs"]
mod rows;

use crate::clock::Stopwatch;
use crate::llama::{Chain, Link, Llama};
use crate::statistics::{Table, rounded, shown};
use anyhow::{Context, Result};
use hedgerow::sampling::{ChainOrder, Mirostat, MirostatVersion, Sampler, SamplingParams};
use rows::{KINDS, mask, row, scan};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs::File;
use std::hint::black_box;
use std::io::BufWriter;
use std::path::Path;

/// The plan of a run.
pub struct Plan {
    /// Vocabulary sizes.
    pub sizes: Vec<usize>,
    /// Number of rounds of each measurement.
    pub rounds: usize,
}

const MASKS: [usize; 4] = [1, 100, 5_000, 120_000];

/// One chain, in the terms of both libraries, and the mask under which it works.
struct Contest {
    name: String,
    params: SamplingParams,
    links: Vec<Link>,
    /// The mask: one bit a token.
    mask: Option<Vec<u32>>,
    /// True if the distributions can be compared. A chain such as Mirostat has none to compare,
    /// because it draws within its steps.
    is_comparable: bool,
}

fn contests(size: usize) -> Vec<Contest> {
    use Link::{Draw, Greedy, MinP, Temperature, TopK, TopP, Typical};
    let params = || SamplingParams::default().order(ChainOrder::Llama);
    let mirostat = |version| params().mirostat(Mirostat::default().version(version));
    let contest = |name: &str, params, links: &[Link]| {
        let (name, links) = (name.to_owned(), links.to_vec());
        Contest { name, params, links, mask: None, is_comparable: true }
    };
    let drawn =
        |name: &str, params, links: &[Link]| Contest { is_comparable: false, ..contest(name, params, links) };
    let cut = || params().top_k(40).top_p(0.95).min_p(0.05).temperature(0.8);
    let default =
        |name: &str| contest(name, cut(), &[TopK(40), TopP(0.95), MinP(0.05), Temperature(0.8), Draw]);
    let mut contests = vec![
        default("default chain"),
        contest(
            "default, hf order",
            cut().order(ChainOrder::Hf),
            &[Temperature(0.8), TopK(40), TopP(0.95), MinP(0.05), Draw],
        ),
        drawn("greedy", params().temperature(0.0), &[Greedy]),
        contest("temperature", params().temperature(0.8), &[Temperature(0.8), Draw]),
        contest("top-p", params().top_p(0.95), &[TopP(0.95), Draw]),
        contest("min-p", params().min_p(0.05), &[MinP(0.05), Draw]),
        contest("typical", params().typical_p(0.95), &[Typical(0.95), Draw]),
        drawn("mirostat 1", mirostat(MirostatVersion::V1), &[Link::Mirostat(size as i32, 5.0, 0.1)]),
        drawn("mirostat 2", mirostat(MirostatVersion::V2), &[Link::MirostatV2(5.0, 0.1)]),
    ];
    for count in MASKS.into_iter().filter(|&count| count < size) {
        let mask = Some(mask(size, count));
        contests.push(Contest { mask, ..default(&format!("default, mask of {count}")) });
    }
    contests
}

/// Medians, in microseconds.
struct Times {
    scan: f64,
    hedgerow: f64,
    llama: f64,
}

fn measure(
    clock: &Stopwatch,
    rounds: usize,
    row: &[f32],
    mask: Option<&[u32]>,
    sampler: &mut Sampler,
    chain: &mut Chain,
) -> Result<Times> {
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    let mut timed = |place: usize, task: &mut dyn FnMut() -> Result<()>| -> Result<()> {
        black_box(scan(black_box(row)));
        let lap = clock.start();
        task()?;
        times[place].push(clock.stop(&lap));
        Ok(())
    };
    for _ in 0..rounds.max(1) {
        timed(0, &mut || {
            black_box(scan(black_box(row)));
            Ok(())
        })?;
        timed(1, &mut || {
            black_box(sampler.sample(row, mask)?);
            Ok(())
        })?;
        // Resets Mirostat's μ to its start. hedgerow's stays there until a token is accepted.
        chain.reset();
        timed(2, &mut || {
            black_box(chain.sample(row, mask).context("llama.cpp selected no token")?);
            Ok(())
        })?;
    }
    let [scan, hedgerow, llama] = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2] as f64 / 1e3
    });
    Ok(Times { scan, hedgerow, llama })
}

/// The difference of two distributions over tokens.
struct Agreement {
    /// Number of tokens that only one of them can draw.
    alone: usize,
    /// Total variation distance: half the sum of the differences between probabilities.
    distance: f64,
}

fn compare(own: Vec<(u32, f64)>, other: Vec<(u32, f64)>) -> Agreement {
    let mut left: HashMap<u32, f64> = own.into_iter().collect();
    let mut agreement = Agreement { alone: 0, distance: 0.0 };
    for (token, p) in other {
        let own = left.remove(&token);
        agreement.alone += usize::from(own.is_none());
        agreement.distance += (own.unwrap_or(0.0) - p).abs() / 2.0;
    }
    agreement.alone += left.len();
    agreement.distance += left.values().sum::<f64>() / 2.0;
    agreement
}

fn softmax(kept: Vec<(u32, f32)>) -> Vec<(u32, f64)> {
    let max = kept.iter().map(|&(_, logit)| logit).fold(f32::NEG_INFINITY, f32::max);
    let weight = |logit: f32| f64::from(logit - max).exp();
    let sum: f64 = kept.iter().map(|&(_, logit)| weight(logit)).sum();
    kept.into_iter().map(|(token, logit)| (token, weight(logit) / sum)).collect()
}

/// The `samplers` command.
pub fn run(library: &Path, plan: &Plan, only: Option<&str>, json: Option<&Path>) -> Result<()> {
    let llama = Llama::open(library)?;
    let clock = Stopwatch::new();
    let mut table = Table::new([
        "vocabulary",
        "row",
        "chain",
        "hedgerow µs",
        "llama.cpp µs",
        "ratio",
        "scan µs",
        "× scan",
        "kept by one",
        "distance",
    ]);
    let mut points = Vec::new();
    for (&size, kind) in plan.sizes.iter().flat_map(|size| KINDS.map(|kind| (size, kind))) {
        let row = row(kind, size);
        for contest in contests(size).into_iter().filter(|of| only.is_none_or(|only| of.name.contains(only)))
        {
            let mask = contest.mask.as_deref();
            let mut sampler = Sampler::new(contest.params)?;
            let mut chain = llama.chain(&contest.links)?;
            let mut agreement = None;
            if contest.is_comparable {
                let own = sampler.distribution(&row, mask)?;
                let own = own.into_iter().map(|(token, p)| (token.0, f64::from(p))).collect();
                agreement = Some(compare(own, softmax(chain.kept(&row, mask))));
            }
            let times = measure(&clock, plan.rounds, &row, mask, &mut sampler, &mut chain)?;
            let (ratio, scans) = (times.llama / times.hedgerow, times.hedgerow / times.scan);
            let head = [size.to_string(), kind.to_owned(), contest.name.clone()];
            let figures = [times.hedgerow, times.llama, ratio, times.scan, scans].map(shown);
            let differing =
                agreement.as_ref().map(|of| [of.alone.to_string(), format!("{:.0e}", of.distance)]);
            table.row(head.into_iter().chain(figures).chain(differing.into_iter().flatten()));
            points.push(json!({"vocabulary": size, "row": kind, "chain": contest.name,
                "hedgerow_us": rounded(times.hedgerow), "llama_us": rounded(times.llama), "ratio": rounded(ratio),
                "scan_us": rounded(times.scan), "scans": rounded(scans),
                "kept_by_one": agreement.as_ref().map(|of| of.alone),
                "distance": agreement.as_ref().map(|of| of.distance)}));
        }
    }
    table.print();
    if let Some(path) = json {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        serde_json::to_writer_pretty(BufWriter::new(file), &Value::from(points))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_compared_by_token() {
        let same = compare(vec![(1, 0.5), (2, 0.5)], softmax(vec![(2, 3.0), (1, 3.0)]));
        assert_eq!((same.alone, same.distance), (0, 0.0));
        let apart = compare(vec![(1, 0.5), (2, 0.5)], vec![(2, 0.5), (3, 0.5)]);
        assert_eq!((apart.alone, apart.distance), (2, 0.5));
    }

    #[test]
    fn masks_hold_as_many_tokens_as_asked() {
        for (size, count) in [(32_000, 1), (32_000, 5_000), (262_144, 120_000)] {
            let ones: u32 = mask(size, count).iter().map(|word| word.count_ones()).sum();
            assert_eq!(ones as usize, count);
        }
    }

    #[test]
    fn the_scan_reads_the_whole_row() {
        let mut row = row("flat", 1_000);
        row[999] = 7.0;
        assert_eq!(scan(&row), 7.0);
    }
}
