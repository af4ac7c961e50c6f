//! Masks compared with llguidance's, token by token, with a judgement of every kind of difference.
//!
//! A token should be allowed exactly if some output continues with it. A token that only one engine
//! allows can therefore be judged. That engine finishes an output with the token, and the
//! `jsonschema` crate judges the output. A valid output shows that the other engine forbids too
//! much. An invalid one, or none at all, shows that this engine allows too much. If hedgerow
//! forbids a token of a valid output, its policies are widened one at a time to find the one that
//! forbids it.
//!
//! llguidance runs without a tokenizer here: with one, its mask holds a single token wherever the
//! text is forced.

use crate::Selection;
use crate::cases;
use crate::engine::{self, Engine, Hedgerow, LlGuidance, Session, accepts, allows};
use crate::options::Options;
use crate::random::Random;
use crate::statistics::Table;
use anyhow::{Context, Result};
use hedgerow::engine::Constraint;
use hedgerow::vocab::{TokenId, Vocabulary};
use indicatif::ProgressBar;
use jsonschema::Validator;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

/// The plan of a comparison.
pub struct Plan {
    /// Number of positions in each instance.
    pub positions: usize,
    /// Number of tokens judged at each position and side.
    pub tokens: usize,
    /// Number of examples printed for each cause.
    pub examples: usize,
}

/// Largest number of tokens of an output after the token in question.
const MAX_STEPS: usize = 500;

/// The options whose widening may explain that hedgerow forbids a valid output.
const POLICIES: [&str; 6] = [
    "key_order=any",
    "whitespace=unlimited",
    "numbers=json",
    "escapes=any",
    "unique_keys=ignored",
    "format=annotate",
];

#[derive(Default)]
struct Cause {
    tokens: usize,
    positions: usize,
    schemas: Vec<String>,
    examples: Vec<String>,
}

#[derive(Default)]
struct Tally {
    schemas: usize,
    positions: usize,
    differing: usize,
    only_hedgerow: usize,
    only_llguidance: usize,
    causes: BTreeMap<String, Cause>,
}

/// The `diff` command.
pub fn run(selection: &Selection, plan: &Plan, json: Option<&Path>) -> Result<()> {
    let cases = cases::load(selection)?;
    let vocabulary = Vocabulary::from_tokenizer_json(&engine::read(&selection.vocab)?)?;
    let mut hedgerow = Hedgerow::new(vocabulary.clone(), &selection.options);
    let mut llguidance = LlGuidance::from_vocabulary(&vocabulary, &selection.options)?;
    let court = Court::new(&vocabulary, &selection.options)?;
    let mut random = Random::new(selection.seed);
    let mut tally = Tally::default();
    let progress = ProgressBar::new(cases.len() as u64);
    for case in &cases {
        progress.inc(1);
        let (Ok(ours), Ok(theirs)) = (hedgerow.compile(&case.schema), llguidance.compile(&case.schema))
        else {
            continue;
        };
        tally.schemas += 1;
        let mut trial = Trial::new(&court, &case.schema);
        for test in &case.tests {
            let positions = random.choose(test.tokens.len() + 1, plan.positions);
            let mut sides = [ours.fork(), theirs.fork()];
            // An engine that fails on the way has no mask to compare; `maskbench` counts such
            // failures.
            let words = vocabulary.size().div_ceil(32);
            let _ = follow(&mut sides, &test.tokens, &positions, words, &mut |sides, masks, place| {
                tally.positions += 1;
                let only = differences(masks, vocabulary.size());
                tally.only_hedgerow += only[0].len();
                tally.only_llguidance += only[1].len();
                tally.differing += usize::from(!only.iter().all(Vec::is_empty));
                for (side, tokens) in only.iter().enumerate() {
                    let mut causes: Vec<String> = Vec::new();
                    for i in random.choose(tokens.len(), plan.tokens) {
                        let prefix = &test.tokens[..place];
                        let (cause, text) = trial.cause(side, &*sides[side], prefix, tokens[i], &mut random);
                        let entry = tally.causes.entry(cause.clone()).or_default();
                        entry.tokens += 1;
                        if !causes.contains(&cause) {
                            entry.positions += 1;
                            causes.push(cause);
                        }
                        if !entry.schemas.contains(&case.id) {
                            entry.schemas.push(case.id.clone());
                            entry.examples.push(text);
                        }
                    }
                }
                Ok(())
            });
        }
    }
    progress.finish_and_clear();
    print(&tally, plan);
    if let Some(path) = json {
        let causes: serde_json::Map<String, Value> = tally
            .causes
            .iter()
            .map(|(name, of)| {
                let figures =
                    json!({"tokens": of.tokens, "positions": of.positions, "schemas": of.schemas.len()});
                (name.clone(), figures)
            })
            .collect();
        let all = json!({"schemas": tally.schemas, "positions": tally.positions, "differing": tally.differing,
            "only_hedgerow": tally.only_hedgerow, "only_llguidance": tally.only_llguidance, "causes": causes});
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        serde_json::to_writer_pretty(BufWriter::new(file), &all)?;
    }
    Ok(())
}

fn print(tally: &Tally, plan: &Plan) {
    println!(
        "{} schemas both compile, {} positions, masks differ at {}; tokens allowed by hedgerow alone {}, by llguidance alone {}",
        tally.schemas, tally.positions, tally.differing, tally.only_hedgerow, tally.only_llguidance
    );
    let mut table = Table::new(["cause", "tokens judged", "positions", "schemas"]);
    for (name, cause) in &tally.causes {
        let counts = [cause.tokens, cause.positions, cause.schemas.len()];
        table.row(std::iter::once(name.clone()).chain(counts.map(|count| count.to_string())));
    }
    table.print();
    for (name, cause) in &tally.causes {
        println!("\n{name}");
        for (schema, example) in cause.schemas.iter().zip(&cause.examples).take(plan.examples) {
            println!("  {schema}: {example}");
        }
    }
}

type Visit<'a> = dyn FnMut(&[Box<dyn Session>; 2], &[Vec<u32>; 2], usize) -> Result<()> + 'a;

/// Leads both engines along `tokens` as far as both accept them, and calls `visit` with their masks
/// of `words` words at `positions`.
fn follow(
    sides: &mut [Box<dyn Session>; 2],
    tokens: &[u32],
    positions: &[usize],
    words: usize,
    visit: &mut Visit<'_>,
) -> Result<()> {
    let mut masks = [vec![0; words], vec![0; words]];
    for place in 0..=tokens.len() {
        for (side, mask) in sides.iter_mut().zip(&mut masks) {
            side.fill_mask(mask)?;
        }
        if positions.binary_search(&place).is_ok() {
            visit(sides, &masks, place)?;
        }
        let Some(&token) = tokens.get(place) else { break };
        for (side, mask) in sides.iter_mut().zip(&masks) {
            if !allows(mask, token) || !side.advance(token)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The tokens that only one of two masks allows.
pub fn differences(masks: &[Vec<u32>; 2], tokens: usize) -> [Vec<u32>; 2] {
    let mut only = [Vec::new(), Vec::new()];
    for (i, (&a, &b)) in masks[0].iter().zip(&masks[1]).enumerate() {
        let mut differing = a ^ b;
        while differing != 0 {
            let bit = differing.trailing_zeros();
            differing &= differing - 1;
            let token = (i as u32) << 5 | bit;
            if (token as usize) < tokens {
                only[usize::from(a >> bit & 1 == 0)].push(token);
            }
        }
    }
    only
}

/// The data for judgements that do not depend on a schema.
struct Court<'a> {
    vocabulary: &'a Vocabulary,
    policies: Vec<(&'static str, Hedgerow)>,
    /// The tokens that close open strings, arrays and objects, best first.
    closing: Vec<u32>,
}

impl<'a> Court<'a> {
    fn new(vocabulary: &'a Vocabulary, options: &Options) -> Result<Self> {
        let mut policies = Vec::new();
        for policy in POLICIES {
            policies.push((policy, Hedgerow::new(vocabulary.clone(), &options.with(policy)?)));
        }
        let all = options.with(&POLICIES.join(","))?;
        policies.push(("several of them together", Hedgerow::new(vocabulary.clone(), &all)));
        // The quote comes first: inside a string the brackets are text.
        let closing = ["\"", "}", "]", ":", ",", "0", "1", "a", "-"];
        let closing = closing.iter().filter_map(|text| {
            vocabulary.greedy_tokenize(text.as_bytes()).ok().and_then(|tokens| tokens.first().map(|id| id.0))
        });
        Ok(Court { closing: closing.collect(), vocabulary, policies })
    }
}

/// The judgement of one schema's tokens.
struct Trial<'a> {
    court: &'a Court<'a>,
    schema: &'a str,
    judge: Option<Validator>,
    widened: HashMap<&'static str, Option<Constraint>>,
}

enum Ending {
    Text(Vec<u8>),
    None(Vec<u8>),
    TooLong(Vec<u8>),
}

impl<'a> Trial<'a> {
    fn new(court: &'a Court<'a>, schema: &'a str) -> Self {
        let parsed: Option<Value> = serde_json::from_str(schema).ok();
        let judge =
            parsed.and_then(|schema| jsonschema::options().should_validate_formats(true).build(&schema).ok());
        Trial { court, schema, judge, widened: HashMap::new() }
    }

    /// The reason for which only one engine (0: hedgerow) allows `token` after `prefix`, and the
    /// output that shows it.
    fn cause(
        &mut self,
        side: usize,
        session: &dyn Session,
        prefix: &[u32],
        token: u32,
        random: &mut Random,
    ) -> (String, String) {
        let vocabulary = self.court.vocabulary;
        let own = ["hedgerow", "llguidance"][side];
        let other = ["hedgerow", "llguidance"][1 - side];
        let bytes =
            |tokens: &[u32]| vocabulary.decode(&tokens.iter().map(|&id| TokenId(id)).collect::<Vec<_>>());
        let before = bytes(prefix);
        let kind = kind(vocabulary, TokenId(token));
        let show = |rest: &[u8]| {
            let before = String::from_utf8_lossy(&before).into_owned();
            let skipped = before.chars().count().saturating_sub(80);
            let before: String = before.chars().skip(skipped).collect();
            let token = String::from_utf8_lossy(&bytes(&[token])).escape_debug().to_string();
            format!("{before} ⟨{token}⟩ {:.80}", String::from_utf8_lossy(rest).escape_debug().to_string())
        };
        if vocabulary.eos().contains(&TokenId(token)) {
            let verdict = match self.verdict(&before) {
                Ok(()) => format!("{other} forbids the end of a valid output"),
                Err(why) => format!("{own} allows the end of an output that is {why}"),
            };
            return (verdict, show(b""));
        }
        match self.finish(session, token, random) {
            Ending::Text(rest) => {
                let text = [before.clone(), bytes(&[token]), rest.clone()].concat();
                let verdict = match self.verdict(&text) {
                    Err(why) => format!("{own} allows an output that is {why} ({kind})"),
                    Ok(()) if side == 1 => match self.policy(&text) {
                        Some(policy) => format!("hedgerow's policy: valid under {policy}"),
                        None => format!("hedgerow forbids a valid output ({kind})"),
                    },
                    Ok(()) => format!("llguidance forbids a valid output ({kind})"),
                };
                (verdict, show(&rest))
            }
            Ending::None(rest) => (format!("{own} allows a dead end ({kind})"), show(&rest)),
            Ending::TooLong(rest) => {
                (format!("unjudged: {own} did not end in {MAX_STEPS} tokens ({kind})"), show(&rest))
            }
        }
    }

    /// Finishes an output with `token` in it. It closes open strings, arrays and objects if it can,
    /// and otherwise continues at random.
    fn finish(&self, session: &dyn Session, token: u32, random: &mut Random) -> Ending {
        let vocabulary = self.court.vocabulary;
        let mut longest = Vec::new();
        let mut is_dead = false;
        for _ in 0..3 {
            let mut session = session.fork();
            let mut rest: Vec<u8> = Vec::new();
            let mut mask = vec![0; vocabulary.size().div_ceil(32)];
            let mut next = token;
            is_dead = false;
            for _ in 0..MAX_STEPS {
                if !matches!(session.advance(next), Ok(true)) || session.fill_mask(&mut mask).is_err() {
                    is_dead = true;
                    break;
                }
                if vocabulary.eos().iter().any(|eos| allows(&mask, eos.0)) {
                    return Ending::Text(rest);
                }
                let closing = self.court.closing.iter().copied().find(|&token| allows(&mask, token));
                let Some(chosen) = closing.or_else(|| draw(&mask, vocabulary, random)) else {
                    is_dead = true;
                    break;
                };
                rest.extend_from_slice(vocabulary.bytes(TokenId(chosen)));
                next = chosen;
            }
            longest = rest;
            if is_dead {
                break;
            }
        }
        if is_dead { Ending::None(longest) } else { Ending::TooLong(longest) }
    }

    /// `Ok` if the judge finds `text` valid; otherwise the fault of the text.
    fn verdict(&self, text: &[u8]) -> Result<(), &'static str> {
        let text = std::str::from_utf8(text).map_err(|_| "not UTF-8")?;
        let value: Value = serde_json::from_str(text).map_err(|_| "not JSON")?;
        match &self.judge {
            Some(judge) if judge.is_valid(&value) => Ok(()),
            Some(_) => Err("invalid"),
            None => Err("beyond the judge"),
        }
    }

    /// The first policy of hedgerow whose widening allows `text`.
    fn policy(&mut self, text: &[u8]) -> Option<&'static str> {
        for &(policy, ref engine) in &self.court.policies {
            let constraint =
                self.widened.entry(policy).or_insert_with(|| engine.constraint(self.schema).ok()).as_ref();
            if constraint.is_some_and(|constraint| accepts(constraint, text).unwrap_or(false)) {
                return Some(policy);
            }
        }
        None
    }
}

/// A text token of the mask, drawn at random.
fn draw(mask: &[u32], vocabulary: &Vocabulary, random: &mut Random) -> Option<u32> {
    let is_text = |token: &u32| !vocabulary.bytes(TokenId(*token)).is_empty();
    let all = 0..vocabulary.token_count() as u32;
    let allowed: Vec<u32> = all.filter(|&token| allows(mask, token)).filter(is_text).collect();
    (!allowed.is_empty()).then(|| allowed[random.below(allowed.len())])
}

/// The kind of a token, by the properties about which engines are known to differ.
fn kind(vocabulary: &Vocabulary, token: TokenId) -> &'static str {
    let bytes = vocabulary.bytes(token);
    if vocabulary.is_special(token) {
        return "special token";
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return "part of a character" };
    let is_blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
    match text {
        _ if text.chars().all(is_blank) => "whitespace",
        _ if text.contains('\\') => "escape",
        _ if text.chars().any(char::is_control) => "control character",
        _ if text.contains(['"', '{', '}', '[', ']', ':', ',']) => "structure",
        _ if text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E')) => "number",
        _ => "text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_by_side() {
        let masks = [vec![0b1010, 1], vec![0b0110, 1 << 31]];
        assert_eq!(differences(&masks, 64), [vec![3, 32], vec![2, 63]]);
        assert_eq!(differences(&masks, 63), [vec![3, 32], vec![2]]);
    }
}
