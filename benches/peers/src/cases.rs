//! MaskBench's cases: read, sampled, tokenised once, and given to the engines' processes as a file.
//!
//! The instances are tokenised here, canonically, by the tokenizer of the vocabulary. No engine's
//! process therefore needs a tokenizer for them, and all engines see the same tokens.

use crate::Selection;
use crate::random::Random;
use anyhow::{Context, Result, anyhow, bail};
use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokenizers::Tokenizer;

/// A schema and instances of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Case {
    /// The name of the schema in its collection.
    pub id: String,
    /// The collection.
    pub split: String,
    /// The schema's text.
    pub schema: String,
    /// The instances.
    pub tests: Vec<Test>,
}

/// An instance with its properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Test {
    /// True if it satisfies the schema.
    pub valid: bool,
    /// The instance's text.
    pub text: String,
    /// Its tokens.
    #[serde(default)]
    pub tokens: Vec<u32>,
}

fn open(path: &Path) -> Result<Box<dyn BufRead>> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut magic = [0; 2];
    let gzipped = file.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
    let file = File::open(path)?;
    Ok(if gzipped {
        Box::new(BufReader::new(MultiGzDecoder::new(file)))
    } else {
        Box::new(BufReader::new(file))
    })
}

/// Loads the selected cases and tokenises them.
pub fn load(selection: &Selection) -> Result<Vec<Case>> {
    let path = &selection.cases;
    let lines: Vec<String> = open(path)?.lines().collect::<Result<_, _>>()?;
    let mut cases = Vec::new();
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let case: Case = serde_json::from_str(line)
            .with_context(|| format!("{}, line {}: not a case", path.display(), number + 1))?;
        let wanted = selection.id.as_ref().is_none_or(|id| *id == case.id)
            && selection.split.as_ref().is_none_or(|split| *split == case.split);
        if wanted {
            cases.push(case);
        }
    }
    if let Some(sample) = selection.sample {
        let chosen = Random::new(selection.seed).choose(cases.len(), sample);
        cases = chosen.into_iter().map(|i| cases[i].clone()).collect();
    }
    if cases.is_empty() {
        bail!("{} has no such case", path.display());
    }
    tokenize(&mut cases, &selection.vocab)?;
    Ok(cases)
}

fn tokenize(cases: &mut [Case], vocab: &Path) -> Result<()> {
    let tokenizer = Tokenizer::from_file(vocab)
        .map_err(|error| anyhow!("cannot read the tokenizer {}: {error}", vocab.display()))?;
    for test in cases.iter_mut().flat_map(|case| &mut case.tests) {
        let encoding = tokenizer
            .encode_fast(test.text.as_str(), false)
            .map_err(|error| anyhow!("cannot tokenise an instance: {error}"))?;
        test.tokens = encoding.get_ids().to_vec();
    }
    Ok(())
}

/// Cases in a temporary file, which is removed on drop.
pub struct Prepared {
    /// The path of the file, which has one case a line.
    pub path: PathBuf,
}

impl Prepared {
    /// Writes `cases` to a temporary file.
    pub fn new(cases: &[Case]) -> Result<Self> {
        static FILES: AtomicUsize = AtomicUsize::new(0);
        let (process, file) = (std::process::id(), FILES.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("peers-{process}-{file}.jsonl"));
        let prepared = Prepared { path };
        let mut out = BufWriter::new(File::create(&prepared.path)?);
        for case in cases {
            serde_json::to_writer(&mut out, case)?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
        Ok(prepared)
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // If this fails, only space in the temporary folder is lost.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A reader of a prepared file that gives the cases one by one, so that a process holds one at a
/// time.
pub struct Reader {
    lines: std::io::Lines<BufReader<File>>,
    next: usize,
}

impl Reader {
    /// Opens the file at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Reader { lines: BufReader::new(File::open(path)?).lines(), next: 0 })
    }

    /// The case of number `index`, which must not be before one already read.
    pub fn get(&mut self, index: usize) -> Result<Case> {
        loop {
            let line = self.lines.next().with_context(|| format!("there is no case {index}"))??;
            self.next += 1;
            if self.next > index {
                return Ok(serde_json::from_str(&line)?);
            }
        }
    }
}
