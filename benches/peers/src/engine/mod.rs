//! The engines behind one interface, each with the settings that its authors recommend.

mod hedgerow;
mod llguidance;
mod outlines;

use crate::options::Options;
use ::hedgerow::engine::ablation::{OPTIMISATIONS, Optimisation, disable};
use ::hedgerow::vocab::Vocabulary;
use anyhow::{Context, Result, bail};
use std::path::Path;

pub use self::hedgerow::{Hedgerow, accepts, parts};
pub use self::llguidance::LlGuidance;
pub use self::outlines::Outlines;

/// An engine with its vocabulary prepared.
pub trait Engine {
    /// Compiles a schema from its text and gives a session at the beginning of an output.
    ///
    /// # Errors
    /// The engine's error for a schema that it does not take.
    fn compile(&mut self, schema: &str) -> Result<Box<dyn Session>>;

    /// Compiles a grammar in Lark's notation.
    ///
    /// # Errors
    /// The engine's error for a grammar that it does not take. The provided method always fails:
    /// the engine reads no Lark.
    fn compile_lark(&mut self, _grammar: &str) -> Result<Box<dyn Session>> {
        bail!("the engine reads no Lark")
    }

    /// Milliseconds from the tokens' bytes to an engine that is ready to compile schemas.
    fn trie_build_ms(&self) -> Result<f64>;
}

/// A session that follows one output.
pub trait Session {
    /// Writes the tokens allowed next: token `i` is bit `i % 32` of word `i / 32`.
    ///
    /// # Errors
    /// The engine's error if it cannot continue.
    fn fill_mask(&mut self, out: &mut [u32]) -> Result<()>;

    /// Reads a token that the mask allows; `false` if the engine refuses it all the same.
    ///
    /// # Errors
    /// As [`fill_mask`](Self::fill_mask).
    fn advance(&mut self, token: u32) -> Result<bool>;

    /// Returns to the beginning of the output.
    ///
    /// # Errors
    /// As [`fill_mask`](Self::fill_mask).
    fn reset(&mut self) -> Result<()>;

    /// A second session at the same position.
    fn fork(&self) -> Box<dyn Session>;

    /// The engine's own counters, as text.
    fn stats(&self) -> String {
        String::new()
    }
}

/// The engine that runs in a Python process: [`XGRAMMAR_WORKER`].
pub const XGRAMMAR: &str = "xgrammar";

/// The program of XGrammar's process.
pub const XGRAMMAR_WORKER: &str = include_str!("../../xgrammar_worker.py");

/// The names that [`prepare`] knows.
pub const NAMES: [&str; 4] = ["hedgerow", "llguidance", "llguidance-bytes", "outlines-core"];

/// The engine of that name, prepared from the text of a `tokenizer.json` of `tokens` tokens;
/// `output` is [`OUTPUT`] in these tokens.
pub fn prepare(
    name: &str,
    tokenizer_json: &[u8],
    tokens: usize,
    output: &[u32],
    options: &Options,
) -> Result<Box<dyn Engine>> {
    let vocabulary = || Vocabulary::from_tokenizer_json(tokenizer_json);
    let mut engine: Box<dyn Engine> = match name {
        "hedgerow" => Box::new(Hedgerow::new(vocabulary()?, options)),
        _ if left_out(name).is_some() => {
            left_out(name).into_iter().for_each(disable);
            Box::new(Hedgerow::new(vocabulary()?, options))
        }
        "llguidance" => Box::new(LlGuidance::from_tokenizer_json(tokenizer_json, options)?),
        "llguidance-bytes" => Box::new(LlGuidance::from_vocabulary(&vocabulary()?, options)?),
        // outlines-core keeps nothing between schemas, so there is nothing to warm up.
        "outlines-core" => return Ok(Box::new(Outlines::new(&vocabulary()?, options)?)),
        XGRAMMAR => bail!("{XGRAMMAR} has a process of its own, which only maskbench and slowest start"),
        _ => bail!(
            "there is no engine `{name}`; there are {}, {XGRAMMAR}, and hedgerow-without-… any of {}",
            NAMES.join(", "),
            OPTIMISATIONS.map(|(name, _)| name).join(", ")
        ),
    };
    warm_up(&mut *engine, tokens, output)?;
    Ok(engine)
}

/// hedgerow, or for any other name llguidance without its tokenizer. The vocabulary is built again
/// from the tokens of this one, so that no engine gains from the work of another.
pub fn prepare_anew(name: &str, vocabulary: &Vocabulary, options: &Options) -> Result<Box<dyn Engine>> {
    let anew = Vocabulary::from_tokens(parts(vocabulary))?;
    let mut engine: Box<dyn Engine> = match name {
        "hedgerow" => Box::new(Hedgerow::new(anew, options)),
        _ => Box::new(LlGuidance::from_vocabulary(&anew, options)?),
    };
    warm_up(&mut *engine, vocabulary.size(), &output(vocabulary))?;
    Ok(engine)
}

/// The optimisation that an engine named `hedgerow-without-…` runs without. It is switched off for
/// the whole process, and each engine has its own process.
fn left_out(name: &str) -> Option<Optimisation> {
    let name = name.strip_prefix("hedgerow-without-")?;
    OPTIMISATIONS.iter().find(|(known, _)| *known == name).map(|&(_, optimisation)| optimisation)
}

/// Any JSON value.
const ANY: &str = r#"{"type": ["object", "array", "string", "number", "boolean", "null"]}"#;

/// A value that contains something of every kind.
pub const OUTPUT: &str =
    r#"{"key": [-1.5e3, "text \u0041", true, {}, null, [ "a", {"b": 0}]], "other": "é"}"#;

/// Makes an engine build all that it builds at first use and keeps for every schema. For all
/// engines alike this counts as preparation.
pub fn warm_up(engine: &mut dyn Engine, tokens: usize, output: &[u32]) -> Result<()> {
    let mut mask = vec![0; tokens.div_ceil(32)];
    let mut session = engine.compile(ANY).context("the warm-up schema")?;
    session.fill_mask(&mut mask).context("the warm-up mask")?;
    for &token in output {
        // An engine may require another spelling, or refuse an escape. The parts built up to here
        // stay built.
        if !allows(&mask, token) || !session.advance(token)? {
            break;
        }
        session.fill_mask(&mut mask)?;
    }
    Ok(())
}

/// [`OUTPUT`] in tokens of this vocabulary; nothing if it cannot spell it.
pub fn output(vocabulary: &Vocabulary) -> Vec<u32> {
    let tokens = vocabulary.greedy_tokenize(OUTPUT.as_bytes()).unwrap_or_default();
    tokens.into_iter().map(|id| id.0).collect()
}

/// Reads the file of a vocabulary.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read the vocabulary {}", path.display()))
}

/// True if a mask allows a token.
pub fn allows(mask: &[u32], token: u32) -> bool {
    mask.get((token >> 5) as usize).is_some_and(|word| word >> (token & 31) & 1 == 1)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A vocabulary for `true` and `false`.
    pub const TOKENIZER: &str = r#"{
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "post_processor": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "added_tokens": [{"id": 9, "content": "<|end_of_text|>", "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true}],
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": {"t": 0, "r": 1, "u": 2, "e": 3, "f": 4, "a": 5, "l": 6, "s": 7, "tr": 8}, "merges": ["t r"]}
    }"#;

    /// Every engine agrees on a grammar that none can get wrong.
    #[test]
    fn engines_follow_a_boolean() {
        let options = "whitespace=compact".parse().expect("known options");
        for name in NAMES {
            let mut engine = prepare(name, TOKENIZER.as_bytes(), 10, &[], &options).expect(name);
            let mut session = engine.compile(r#"{"const": true}"#).expect(name);
            let mut mask = vec![0];
            for _ in 0..2 {
                for (token, next) in [(8, 2), (2, 3), (3, 9)] {
                    session.fill_mask(&mut mask).expect(name);
                    assert!(allows(&mask, token) && !allows(&mask, 9), "{name}: {mask:?}");
                    assert!(session.advance(token).expect(name), "{name}");
                    session.fork().fill_mask(&mut mask).expect(name);
                    assert!(allows(&mask, next), "{name}: {mask:?}");
                }
                session.reset().expect(name);
            }
            assert!(engine.compile("{").is_err(), "{name}");
            assert!(engine.trie_build_ms().expect(name) >= 0.0);
        }
    }
}
