//! MaskBench's tables: time to first mask, time between masks, correct and wrong results, and the
//! ratios to llguidance on the schemas that both engines compile.

use crate::cases::{self, Case, Prepared};
use crate::clock::Stopwatch;
use crate::driver::{Run, drive};
use crate::engine::{self, Hedgerow, XGRAMMAR, accepts};
use crate::slowest;
use crate::statistics::{PERCENTILES, Summary, Table, counts, rounded, shown};
use crate::worker::{Followed, Outcome, Wrong};
use crate::{Processes, Selection};
use anyhow::{Context, Result};
use hedgerow::grammar::KeyOrder;
use hedgerow::vocab::{TokenId, Vocabulary};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// The engine with which the others are compared.
const BASE: &str = "llguidance";

/// The engines that require keys in the order in which the schema declares them. They refuse
/// another order by policy, not by mistake.
const ORDERED: [&str; 2] = ["hedgerow", XGRAMMAR];

/// The plan of a run.
pub struct Plan {
    /// The engines, in turn.
    pub engines: Vec<String>,
    /// Number of schemas that an engine runs before the next engine's turn.
    pub turn: usize,
    /// The settings of their processes.
    pub processes: Processes,
}

/// The output to print beside the table of all cases.
pub struct Prints {
    /// True to print the tables of every split.
    pub splits: bool,
    /// Number of the slowest operations of every engine to print.
    pub slowest: usize,
}

/// Cases, and the engines' results on them.
pub struct Results {
    /// The cases.
    pub cases: Vec<Case>,
    /// Their vocabulary.
    pub vocabulary: Vocabulary,
    /// The engines' runs.
    pub runs: Vec<Run>,
    /// The valid instances (case, test) that an engine of [`ORDERED`] refused and that break only
    /// the declared key order. Empty if the order is not declared.
    order_only: HashSet<(usize, usize)>,
}

/// Prepares the selected cases and runs all engines on them.
pub fn measure(selection: &Selection, plan: &Plan) -> Result<Results> {
    let cases = cases::load(selection)?;
    let vocabulary = Vocabulary::from_tokenizer_json(&engine::read(&selection.vocab)?)?;
    let prepared = Prepared::new(&cases)?;
    let runs = drive(selection, plan, &prepared.path, &vocabulary, cases.len())?;
    let mut results = Results { cases, vocabulary, runs, order_only: HashSet::new() };
    if selection.options.schema.key_order == KeyOrder::Declared {
        let lenient = Hedgerow::new(results.vocabulary.clone(), &selection.options.with("key_order=any")?);
        let strict = Hedgerow::new(results.vocabulary.clone(), &selection.options);
        results.find_order_only(&strict, &lenient);
    }
    Ok(results)
}

impl Results {
    /// Finds the valid instances that were refused and that hedgerow accepts in any order
    /// (`lenient`), but not in the declared one (`strict`).
    fn find_order_only(&mut self, strict: &Hedgerow, lenient: &Hedgerow) {
        for run in self.runs.iter().filter(|run| ORDERED.contains(&run.engine.as_str())) {
            for (index, followed) in run.compiled() {
                let wrong = followed.wrong.iter().filter(|wrong| wrong.valid && wrong.error.is_empty());
                for wrong in wrong {
                    let case = &self.cases[index];
                    let text = case.tests[wrong.test].text.as_bytes();
                    let accepted =
                        |by: &Hedgerow| by.constraint(&case.schema).and_then(|c| accepts(&c, text));
                    if matches!((accepted(strict), accepted(lenient)), (Ok(false), Ok(true))) {
                        self.order_only.insert((index, wrong.test));
                    }
                }
            }
        }
    }

    /// The place at which an instance was judged wrongly: the end of the output before the token,
    /// and the token.
    pub fn place(&self, case: usize, test: usize, token: usize) -> String {
        let tokens = &self.cases[case].tests[test].tokens;
        let before: Vec<TokenId> = tokens.iter().take(token).map(|&id| TokenId(id)).collect();
        let before = self.vocabulary.decode(&before);
        let before = String::from_utf8_lossy(&before);
        let skipped = before.chars().count().saturating_sub(60);
        let before: String = before.chars().skip(skipped).collect();
        match tokens.get(token) {
            Some(&id) => {
                format!("{before} ⟨{}⟩", String::from_utf8_lossy(self.vocabulary.bytes(TokenId(id))))
            }
            None => format!("{before} ⟨end⟩"),
        }
    }

    fn is_order_only(&self, run: &Run, case: usize, wrong: &Wrong) -> bool {
        ORDERED.contains(&run.engine.as_str()) && self.order_only.contains(&(case, wrong.test))
    }

    fn counts(&self, run: &Run, chosen: &[usize]) -> Counts {
        let mut counts = Counts { schemas: chosen.len(), ..Counts::default() };
        for &case in chosen {
            match &run.outcomes[case] {
                Outcome::CompileError(_) => counts.compile_error += 1,
                Outcome::Crash(_) => counts.crash += 1,
                Outcome::Timeout(_) => counts.timeout += 1,
                Outcome::Compiled(followed) => {
                    let order = |wrong: &&Wrong| self.is_order_only(run, case, wrong);
                    let refused = followed.wrong.iter().any(|wrong| wrong.valid && !order(&wrong));
                    let accepted = followed.wrong.iter().any(|wrong| !wrong.valid);
                    counts.validation_error += usize::from(refused);
                    counts.invalidation_error += usize::from(accepted);
                    if !refused && !accepted {
                        let only = !followed.wrong.is_empty();
                        counts.policy_difference += usize::from(only);
                        counts.passing += usize::from(!only);
                    }
                }
            }
        }
        counts
    }
}

impl Run {
    /// The cases that the engine compiled and followed to their ends.
    pub fn compiled(&self) -> impl Iterator<Item = (usize, &Followed)> {
        self.outcomes.iter().enumerate().filter_map(|(i, outcome)| match outcome {
            Outcome::Compiled(followed) => Some((i, followed)),
            _ => None,
        })
    }

    fn times(&self, chosen: &[usize]) -> Times {
        let followed: Vec<&Followed> = chosen
            .iter()
            .filter_map(|&case| match &self.outcomes[case] {
                Outcome::Compiled(followed) => Some(followed),
                _ => None,
            })
            .collect();
        let steps = |f: &mut dyn FnMut(u64, u64) -> Option<u64>| {
            let all = followed.iter().flat_map(|of| of.masks.iter().zip(&of.commits));
            Summary::of(all.filter_map(|(&mask, &commit)| f(mask, commit)).collect())
        };
        Times {
            tbm: steps(&mut |mask, commit| Some(mask + commit)),
            mask: steps(&mut |mask, _| Some(mask)),
            commit: steps(&mut |_, commit| (commit > 0).then_some(commit)),
            ttfm: Summary::of(followed.iter().map(|of| of.compile + of.first_mask).collect()),
            compile: Summary::of(followed.iter().map(|of| of.compile).collect()),
        }
    }
}

counts! {
    Counts {
        schemas,
        passing,
        policy_difference,
        compile_error,
        validation_error,
        invalidation_error,
        crash,
        timeout,
    }
}

struct Times {
    tbm: Summary,
    mask: Summary,
    commit: Summary,
    ttfm: Summary,
    compile: Summary,
}

impl Times {
    fn named(&self) -> [(&'static str, &Summary); 5] {
        [
            ("tbm", &self.tbm),
            ("mask", &self.mask),
            ("commit", &self.commit),
            ("ttfm", &self.ttfm),
            ("compile", &self.compile),
        ]
    }
}

/// The figures of a set of cases, for printing and for JSON.
struct Figures<'a> {
    results: &'a Results,
    chosen: Vec<usize>,
}

impl Figures<'_> {
    /// For every engine but the base: its name, and its and the base's times on the schemas that
    /// both compile.
    fn compared(&self) -> Vec<(&str, usize, Times, Times)> {
        let runs = &self.results.runs;
        let Some(base) = runs.iter().find(|run| run.engine == BASE) else { return Vec::new() };
        let is_compiled = |run: &Run, case: usize| matches!(run.outcomes[case], Outcome::Compiled(_));
        runs.iter()
            .filter(|run| run.engine != BASE)
            .map(|run| {
                let chosen = self.chosen.iter().copied();
                let both: Vec<usize> =
                    chosen.filter(|&case| is_compiled(run, case) && is_compiled(base, case)).collect();
                (run.engine.as_str(), both.len(), run.times(&both), base.times(&both))
            })
            .collect()
    }

    fn print(&self) {
        let runs = &self.results.runs;
        let times: Vec<Times> = runs.iter().map(|run| run.times(&self.chosen)).collect();
        let mut table = Table::new(std::iter::once("").chain(runs.iter().map(|run| run.engine.as_str())));
        let titles = [
            ("tbm", "TBM (mask + commit), µs"),
            ("mask", "mask alone, µs"),
            ("commit", "commit alone, µs"),
            ("ttfm", "TTFM (compile + first mask), µs"),
            ("compile", "compile alone, µs"),
        ];
        for (i, (_, title)) in titles.into_iter().enumerate() {
            table.row([title]);
            let summaries: Vec<&Summary> = times.iter().map(|times| times.named()[i].1).collect();
            for (j, name) in std::iter::once("avg").chain(PERCENTILES.map(|(name, _)| name)).enumerate() {
                let cells = summaries.iter().map(|s| s.named().nth(j).map_or(0.0, |(_, value)| value));
                table.row(std::iter::once(format!("  {name}")).chain(cells.map(shown)));
            }
        }
        let row = |table: &mut Table, name: &str, value: &dyn Fn(usize) -> String| {
            table.row(std::iter::once(name.to_owned()).chain((0..runs.len()).map(value)));
        };
        row(&mut table, "masks", &|i| times[i].mask.count.to_string());
        let counts: Vec<Counts> = runs.iter().map(|run| self.results.counts(run, &self.chosen)).collect();
        for j in 0..counts.first().map_or(0, |counts| counts.named().len()) {
            let name = counts[0].named()[j].0.replace('_', " ");
            row(&mut table, &name, &|i| counts[i].named()[j].1.to_string());
        }
        table.print();
        let compared = self.compared();
        if !compared.is_empty() {
            println!("\nTimes faster than {BASE} on the schemas both compile:");
            let names = std::iter::once("avg").chain(PERCENTILES.map(|(name, _)| name));
            let mut table = Table::new(["", "schemas"].into_iter().chain(names));
            for (engine, schemas, own, base) in &compared {
                for (own, base) in own.named().into_iter().zip(base.named()) {
                    let ratios = own.1.speedup_over(base.1);
                    let head = [format!("{engine} {}", own.0), schemas.to_string()];
                    table.row(head.into_iter().chain(ratios.into_iter().map(|(_, ratio)| shown(ratio))));
                }
            }
            table.print();
        }
    }

    fn to_json(&self) -> Map<String, Value> {
        let engines: Map<_, _> = self
            .results
            .runs
            .iter()
            .map(|run| {
                let mut figures = Map::new();
                for (name, summary) in run.times(&self.chosen).named() {
                    figures.insert(name.to_owned(), summary.to_json());
                }
                for (name, count) in self.results.counts(run, &self.chosen).named() {
                    figures.insert(name.to_owned(), json!(count));
                }
                figures.insert("peak_rss_mb".to_owned(), json!(rounded(run.peak_rss_mb)));
                figures.insert("prepare_rss_mb".to_owned(), json!(rounded(run.prepare_rss_mb)));
                figures.insert("vocab_build_ms".to_owned(), json!(rounded(run.vocab_build_ms)));
                figures.insert("trie_build_ms".to_owned(), json!(rounded(run.trie_build_ms)));
                (run.engine.clone(), Value::from(figures))
            })
            .collect();
        let ratios: Map<_, _> = self
            .compared()
            .into_iter()
            .map(|(engine, schemas, own, base)| {
                let mut ratios = Map::new();
                for (own, base) in own.named().into_iter().zip(base.named()) {
                    let named = own.1.speedup_over(base.1).into_iter();
                    let figures = named.map(|(name, ratio)| (name.to_owned(), json!(rounded(ratio))));
                    ratios.insert(own.0.to_owned(), figures.collect::<Map<_, _>>().into());
                }
                ratios.insert("schemas".to_owned(), json!(schemas));
                (engine.to_owned(), Value::from(ratios))
            })
            .collect();
        let mut all = Map::new();
        all.insert("engines".to_owned(), engines.into());
        all.insert("ratio_to_llguidance".to_owned(), ratios.into());
        all
    }
}

/// The `maskbench` command.
pub fn run(
    selection: &Selection,
    plan: &Plan,
    prints: Prints,
    json: Option<&Path>,
    failures: Option<&Path>,
) -> Result<()> {
    let results = measure(selection, plan)?;
    let figures = Figures { results: &results, chosen: (0..results.cases.len()).collect() };
    figures.print();
    println!();
    let mut table = Table::new([
        "",
        "vocab build, ms",
        "trie build, ms",
        "peak preparing, MiB",
        "peak running, MiB",
        "clock, ns",
    ]);
    for run in &results.runs {
        let numbers =
            [run.vocab_build_ms, run.trie_build_ms, run.prepare_rss_mb, run.peak_rss_mb, run.clock_ns];
        table.row(std::iter::once(run.engine.clone()).chain(numbers.map(shown)));
    }
    table.print();
    let size = results.vocabulary.size();
    println!("Copying a mask of {size} tokens alone takes {} ns.", shown(Stopwatch::new().copy_cost(size)));
    print_reasons(&results);
    let mut by_split: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, case) in results.cases.iter().enumerate() {
        by_split.entry(&case.split).or_default().push(i);
    }
    let mut all = figures.to_json();
    let mut split_figures = Map::new();
    for (split, chosen) in by_split {
        let figures = Figures { results: &results, chosen };
        if prints.splits {
            println!("\n== {split}");
            figures.print();
        }
        split_figures.insert(split.to_owned(), figures.to_json().into());
    }
    all.insert("splits".to_owned(), split_figures.into());
    slowest::print(&results, prints.slowest);
    if let Some(path) = json {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        serde_json::to_writer_pretty(BufWriter::new(file), &all)?;
    }
    if let Some(path) = failures {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        write_failures(&results, &mut BufWriter::new(file))?;
    }
    Ok(())
}

/// Prints the most frequent reasons for refused schemas, without the parts that vary from schema to
/// schema.
fn print_reasons(results: &Results) {
    for run in &results.runs {
        let mut reasons: BTreeMap<String, (usize, &str)> = BTreeMap::new();
        for (case, outcome) in results.cases.iter().zip(&run.outcomes) {
            let reason = match outcome {
                Outcome::CompileError(error) => general(error),
                Outcome::Crash(error) => format!("crash: {}", general(error)),
                Outcome::Timeout(phase) => format!("timeout: {phase:?}"),
                Outcome::Compiled(_) => continue,
            };
            reasons.entry(reason).or_insert((0, case.id.as_str())).0 += 1;
        }
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        if !reasons.is_empty() {
            println!("\n{}: schemas refused, by reason", run.engine);
        }
        for (reason, (count, id)) in reasons.iter().take(25) {
            println!("{count:6}  {reason:.140}  (as {id})");
        }
    }
}

/// The text of an error without its quoted parts, pointers and numbers.
fn general(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    let mut out = String::new();
    let mut quote = None;
    for word in line.split_inclusive(' ') {
        for c in word.chars() {
            match quote {
                Some(end) if c == end => {
                    quote = None;
                    out.push('…');
                    out.push(c);
                }
                Some(_) => {}
                None => {
                    out.push(c);
                    if c == '"' || c == '`' {
                        quote = Some(c);
                    }
                }
            }
        }
    }
    let words = out.split(' ').map(|word| {
        let is_varying =
            word.starts_with('#') || word.starts_with('/') || word.chars().any(|c| c.is_ascii_digit());
        if is_varying { "…" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn write_failures(results: &Results, out: &mut dyn Write) -> Result<()> {
    for run in &results.runs {
        for (index, (case, outcome)) in results.cases.iter().zip(&run.outcomes).enumerate() {
            let mut line = |kind: &str, rest: &str| {
                writeln!(out, "{}\t{}\t{kind}\t{}", run.engine, case.id, rest.replace(['\n', '\t'], " "))
            };
            match outcome {
                Outcome::CompileError(error) => line("compile_error", error)?,
                Outcome::Crash(error) => line("crash", error)?,
                Outcome::Timeout(phase) => line("timeout", &format!("{phase:?}"))?,
                Outcome::Compiled(followed) => {
                    for wrong in &followed.wrong {
                        let kind = match (results.is_order_only(run, index, wrong), wrong.valid) {
                            (true, _) => "policy_difference",
                            (false, true) => "validation_error",
                            (false, false) => "invalidation_error",
                        };
                        let place = results.place(index, wrong.test, wrong.token);
                        line(kind, &format!("test {}: {place} {}", wrong.test, wrong.error))?;
                    }
                }
            }
        }
    }
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_gathered_without_what_varies() {
        for (error, reason) in [
            ("Unimplemented keys: [\"not\"]", "Unimplemented keys: [\"…\"]"),
            ("`x` at #/a/b: 12 of them", "`…` at … … of them"),
        ] {
            assert_eq!(general(error), reason);
        }
    }
}
