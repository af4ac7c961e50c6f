//! Grammars as text: hedgerow and llguidance on the same grammars in Lark's notation and on the
//! same texts.
//!
//! MaskBench has collected outputs for its schemas, but there are none for these grammars. The
//! texts are therefore random walks through the tokens that hedgerow allows (`walks.rs`). They are
//! followed twice. First both engines' masks are compared at every token; a text ends where
//! llguidance refuses it, which is counted and named. Then each text is followed with newly
//! prepared engines, and every token is timed: mask written into the caller's buffer, and the token
//! read. Only the first text meets a grammar without memoised results.
//!
//! llguidance runs without a tokenizer, as in `diff` and `scaling`. With one, its mask holds a
//! single token wherever the text is forced, and it would refuse a random walk that spells the text
//! in another way.

use crate::clock::Stopwatch;
use crate::diff::differences;
use crate::engine::{self, Session, allows};
use crate::options::Options;
use crate::random::Random;
use crate::statistics::{Summary, Table, rounded, shown};
use crate::walks::Walker;
use anyhow::{Context, Result, bail};
use hedgerow::engine::Constraint;
use hedgerow::syntax::lark;
use hedgerow::vocab::{TokenId, Vocabulary};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// The engines compared.
const PAIR: [&str; 2] = ["hedgerow", "llguidance-bytes"];

/// Number of repetitions with newly prepared engines; the median TTFM counts, and every mask.
const ROUNDS: usize = 3;

/// Number of characters of a text shown before the place in question.
const SHOWN: usize = 60;

/// The texts to make.
pub struct Plan {
    /// Number of texts of each grammar.
    pub walks: usize,
    /// Largest number of tokens of a text.
    pub steps: usize,
    /// Seed of the texts.
    pub seed: u64,
    /// True to print the texts.
    pub texts: bool,
}

struct Named {
    name: String,
    text: String,
}

/// The grammars of these files, or those that are kept with this program.
fn load(files: &[PathBuf]) -> Result<Vec<Named>> {
    if files.is_empty() {
        let kept = [
            ("json", include_str!("../grammars/json.lark")),
            ("sql", include_str!("../grammars/sql.lark")),
            ("code", include_str!("../grammars/code.lark")),
            ("calculator", include_str!("../../../grammars/calculator.lark")),
        ];
        return Ok(kept.map(|(name, text)| Named { name: name.to_owned(), text: text.to_owned() }).into());
    }
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path);
        let text = text.with_context(|| format!("cannot read the grammar {}", path.display()))?;
        let name = path.file_stem().unwrap_or(path.as_os_str());
        Ok(Named { name: name.to_string_lossy().into_owned(), text })
    };
    files.iter().map(read).collect()
}

/// The `grammars` command.
pub fn run(vocab: &Path, files: &[PathBuf], plan: &Plan, json: Option<&Path>) -> Result<()> {
    let grammars = load(files)?;
    let vocabulary = Vocabulary::from_tokenizer_json(&engine::read(vocab)?)?;
    let (clock, walker) = (Stopwatch::new(), Walker::new(&vocabulary));
    let bench = Bench { clock: &clock, vocabulary: &vocabulary, options: "".parse()? };
    let head =
        ["grammar", "engine", "TTFM µs", "masks", "TBM avg µs", "p50", "p90", "p99", "max", "first text"];
    let mut table = Table::new(head);
    let mut all = Map::new();
    let mut notes = Vec::new();
    for grammar in &grammars {
        match bench.grammar(grammar, &walker, plan) {
            Ok(found) => {
                found.row(&grammar.name, &mut table);
                notes.push(found.notes(&grammar.name));
                all.insert(grammar.name.clone(), found.to_json());
            }
            Err(error) => {
                notes.push(format!("{}: {error:#}", grammar.name));
                all.insert(grammar.name.clone(), json!({"error": format!("{error:#}")}));
            }
        }
    }
    table.print();
    notes.iter().for_each(|note| println!("\n{note}"));
    if let Some(path) = json {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        serde_json::to_writer_pretty(BufWriter::new(file), &all)?;
    }
    Ok(())
}

/// The results of the comparison of masks.
#[derive(Default)]
struct Compared {
    masks: usize,
    /// Number of masks that differ.
    differing: usize,
    /// Number of tokens that only one engine allows, for each engine.
    only: [usize; 2],
    /// The first difference of each side.
    examples: [Option<String>; 2],
    /// Number of texts that ended early because llguidance refused them.
    refused: usize,
    refusal: Option<String>,
}

/// Times of one engine.
#[derive(Default)]
struct Times {
    ttfm: Vec<u64>,
    first: Vec<u64>,
    tbm: Vec<u64>,
    /// The longest mask and advance of the last round: nanoseconds, text and token.
    slowest: (u64, usize, usize),
}

struct Figures {
    ttfm: f64,
    first: Summary,
    tbm: Summary,
    slowest: String,
}

struct Found {
    compared: Compared,
    engines: Vec<Figures>,
}

struct Bench<'a> {
    clock: &'a Stopwatch,
    vocabulary: &'a Vocabulary,
    options: Options,
}

impl Bench<'_> {
    fn grammar(&self, grammar: &Named, walker: &Walker<'_>, plan: &Plan) -> Result<Found> {
        let mut walks = self.walks(&grammar.text, walker, plan).context("hedgerow")?;
        if plan.texts {
            println!("== {}", grammar.name);
            walks.iter().for_each(|walk| println!("{}", self.text(walk).escape_debug()));
        }
        let compared = self.compare(&grammar.text, &mut walks)?;
        let mut times = [Times::default(), Times::default()];
        for _ in 0..ROUNDS {
            for (name, times) in PAIR.iter().zip(&mut times) {
                self.measure(name, &grammar.text, &walks, times).with_context(|| (*name).to_owned())?;
            }
        }
        let engines = times.into_iter().map(|mut times| {
            times.ttfm.sort_unstable();
            let (_, walk, step) = times.slowest;
            Figures {
                ttfm: times.ttfm[times.ttfm.len() / 2] as f64 / 1e3,
                first: Summary::of(times.first),
                tbm: Summary::of(times.tbm),
                slowest: walks.get(walk).map_or_else(String::new, |walk| self.place(walk, step)),
            }
        });
        Ok(Found { compared, engines: engines.collect() })
    }

    fn walks(&self, grammar: &str, walker: &Walker<'_>, plan: &Plan) -> Result<Vec<Vec<u32>>> {
        let constraint = Constraint::new(&lark::compile(grammar)?, self.vocabulary)?;
        let mut random = Random::new(plan.seed);
        (0..plan.walks).map(|_| walker.walk(&mut constraint.matcher(), &mut random, plan.steps)).collect()
    }

    fn session(&self, name: &str, grammar: &str) -> Result<Box<dyn Session>> {
        engine::prepare_anew(name, self.vocabulary, &self.options)?.compile_lark(grammar)
    }

    /// Compares the masks before each token, and shortens the walks to the part that both engines
    /// follow.
    fn compare(&self, grammar: &str, walks: &mut [Vec<u32>]) -> Result<Compared> {
        let mut found = Compared::default();
        let session = |name: &str| self.session(name, grammar).with_context(|| name.to_owned());
        let mut sides = [session(PAIR[0])?, session(PAIR[1])?];
        let words = self.vocabulary.size().div_ceil(32);
        let mut masks = [vec![0; words], vec![0; words]];
        for walk in walks {
            sides.iter_mut().try_for_each(|side| side.reset())?;
            for step in 0..=walk.len() {
                let filled =
                    sides.iter_mut().zip(&mut masks).try_for_each(|(side, mask)| side.fill_mask(mask));
                if filled.is_ok() {
                    found.masks += 1;
                    let only = differences(&masks, self.vocabulary.size());
                    found.differing += usize::from(!only.iter().all(Vec::is_empty));
                    for (side, tokens) in only.iter().enumerate() {
                        found.only[side] += tokens.len();
                        if let (Some(&token), None) = (tokens.first(), &found.examples[side]) {
                            let place = [&walk[..step], &[token]].concat();
                            found.examples[side] = Some(self.place(&place, step));
                        }
                    }
                }
                let Some(&token) = walk.get(step) else { break };
                let is_read = |side: &mut Box<dyn Session>| side.advance(token).unwrap_or(false);
                if filled.is_err() || !allows(&masks[1], token) || !sides.iter_mut().all(is_read) {
                    found.refused += 1;
                    let place = self.place(walk, step);
                    found.refusal.get_or_insert(match filled {
                        Ok(()) => place,
                        Err(error) => format!("{place} ({error:#})"),
                    });
                    walk.truncate(step);
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Follows the walks with a newly prepared engine.
    fn measure(&self, name: &str, grammar: &str, walks: &[Vec<u32>], times: &mut Times) -> Result<()> {
        let mut engine = engine::prepare_anew(name, self.vocabulary, &self.options)?;
        let mut mask = vec![0; self.vocabulary.size().div_ceil(32)];
        let lap = self.clock.start();
        let mut session = engine.compile_lark(grammar)?;
        session.fill_mask(&mut mask)?;
        times.ttfm.push(self.clock.stop(&lap));
        times.slowest = (0, 0, 0);
        for (i, walk) in walks.iter().enumerate() {
            session.reset()?;
            for (step, &token) in walk.iter().enumerate() {
                let lap = self.clock.start();
                session.fill_mask(&mut mask)?;
                let filled = self.clock.stop(&lap);
                if !allows(&mask, token) {
                    bail!("no token any more: {}", self.place(walk, step));
                }
                let lap = self.clock.start();
                let is_read = session.advance(token)?;
                let took = filled + self.clock.stop(&lap);
                if !is_read {
                    bail!("not read: {}", self.place(walk, step));
                }
                times.tbm.push(took);
                if i == 0 {
                    times.first.push(took);
                }
                times.slowest = times.slowest.max((took, i, step));
            }
        }
        Ok(())
    }

    fn text(&self, tokens: &[u32]) -> String {
        let tokens: Vec<TokenId> = tokens.iter().map(|&id| TokenId(id)).collect();
        String::from_utf8_lossy(&self.vocabulary.decode(&tokens)).into_owned()
    }

    /// The end of the text before a token, and the token.
    fn place(&self, walk: &[u32], step: usize) -> String {
        let before = self.text(&walk[..step]);
        let skipped = before.chars().count().saturating_sub(SHOWN);
        let before: String = before.chars().skip(skipped).collect();
        let token = match walk.get(step) {
            Some(&token) => match self.vocabulary.name(TokenId(token)) {
                Some(name) if self.vocabulary.is_special(TokenId(token)) => name.to_owned(),
                _ => self.text(&[token]),
            },
            None => "end".to_owned(),
        };
        format!("{} ⟨{}⟩", before.escape_debug(), token.escape_debug())
    }
}

impl Figures {
    fn shown(&self) -> [f64; 7] {
        let [_, p50, _, p90, _, p99, _, max] = self.tbm.percentiles;
        [self.ttfm, self.tbm.avg, p50, p90, p99, max, self.first.avg]
    }
}

impl Found {
    fn row(&self, grammar: &str, table: &mut Table) {
        let mut row = |engine: &str, masks: String, figures: [f64; 7]| {
            let mut cells = vec![grammar.to_owned(), engine.to_owned()];
            cells.extend(figures.map(shown));
            cells.insert(3, masks);
            table.row(cells);
        };
        for (name, figures) in PAIR.iter().zip(&self.engines) {
            row(name, figures.tbm.count.to_string(), figures.shown());
        }
        row("ratio", String::new(), self.ratios());
    }

    /// The factor by which hedgerow's figures are smaller than llguidance's.
    fn ratios(&self) -> [f64; 7] {
        let (own, base) = (self.engines[0].shown(), self.engines[1].shown());
        std::array::from_fn(|i| base[i] / own[i])
    }

    fn notes(&self, grammar: &str) -> String {
        let of = &self.compared;
        let mut out = format!("{grammar}: {} of {} masks differ", of.differing, of.masks);
        for ((side, name), example) in PAIR.iter().enumerate().zip(&of.examples) {
            if let Some(example) = example {
                out += &format!("\n  allowed by {name} alone: {} tokens, as {example}", of.only[side]);
            }
        }
        if let Some(place) = &of.refusal {
            out += &format!("\n  texts that {} refuses: {}, as {place}", PAIR[1], of.refused);
        }
        for (name, figures) in PAIR.iter().zip(&self.engines) {
            out += &format!("\n  slowest with {name}: {}", figures.slowest);
        }
        out
    }

    fn to_json(&self) -> Value {
        let engines = PAIR.iter().zip(&self.engines).map(|(name, of)| {
            let figures = json!({"ttfm_us": rounded(of.ttfm), "tbm": of.tbm.to_json(), "first_text": of.first.to_json()});
            ((*name).to_owned(), figures)
        });
        let of = &self.compared;
        json!({"engines": engines.collect::<Map<_, _>>(), "masks": of.masks, "differing": of.differing,
            "only_hedgerow": of.only[0], "only_llguidance": of.only[1], "refused_texts": of.refused})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::TOKENIZER;

    fn bench<T>(use_it: impl FnOnce(&Bench<'_>) -> T) -> T {
        let vocabulary = Vocabulary::from_tokenizer_json(TOKENIZER.as_bytes()).expect("a vocabulary");
        let options = "".parse().expect("no options");
        use_it(&Bench { clock: &Stopwatch::new(), vocabulary: &vocabulary, options })
    }

    /// If a keyword and a name match the same length, hedgerow takes the keyword, as Lark does;
    /// llguidance takes both.
    #[test]
    fn differences_are_counted_and_named() {
        let text = "start: \"tr\" \"f\" | NAME \"a\"\nNAME: /tr|ts/".to_owned();
        let grammar = Named { name: "x".to_owned(), text };
        let plan = Plan { walks: 9, steps: 9, seed: 1, texts: false };
        let found = bench(|bench| bench.grammar(&grammar, &Walker::new(bench.vocabulary), &plan));
        let found = found.expect("both read it");
        let of = &found.compared;
        assert_eq!((of.only[0], of.refused), (0, 0));
        assert!(of.differing > 0 && of.differing == of.only[1] && of.masks > of.differing);
        assert_eq!(of.examples, [None, Some("tr ⟨a⟩".to_owned())]);
        assert_eq!(found.engines[0].tbm.count, found.engines[1].tbm.count);
        assert!(found.ratios().iter().all(|ratio| ratio.is_finite() && *ratio > 0.0));
        let notes = found.notes("x");
        assert!(notes.contains("  allowed by llguidance-bytes alone: "), "{notes}");
    }

    #[test]
    fn kept_grammars_are_read_by_both() {
        bench(|bench| {
            for grammar in load(&[]).expect("kept grammars") {
                lark::compile(&grammar.text).expect(&grammar.name);
                if let Err(error) = bench.session(PAIR[1], &grammar.text) {
                    panic!("{}: {error:#}", grammar.name);
                }
            }
        });
        let missing = load(&[PathBuf::from("/nowhere/x.lark")]).err().expect("there is no such file");
        assert_eq!(missing.to_string(), "cannot read the grammar /nowhere/x.lark");
    }
}
