//! The official JSON Schema test suite: counts the tests for which the engine's judgement is the
//! suite's.
//!
//! All files of a draft count except those of `optional/`, of which only `optional/format/` counts.
//! Instances are written compactly and read byte by byte. No vocabulary is needed, because the
//! language of a schema does not depend on one.
//!
//! Schemas without `$schema` get that of their draft. hedgerow is given the suite's `remotes/`,
//! read by the draft's rules; llguidance's grammar interface takes no such documents. The required
//! tests treat `format` and `contentEncoding` as annotations, the optional ones enforce formats.
//! hedgerow gets the matching option; llguidance has none.

use crate::engine::{Engine, Hedgerow, LlGuidance, allows};
use crate::options::Options;
use crate::statistics::{Table, counts};
use anyhow::{Context, Result, bail};
use hedgerow::schema::{ContentEncoding, Draft, FormatPolicy};
use hedgerow::vocab::{TokenId, Vocabulary, VocabularyParts};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The drafts, each with its `$schema`.
const DRAFTS: [(&str, Draft, &str); 5] = [
    ("draft4", Draft::Four, "http://json-schema.org/draft-04/schema#"),
    ("draft6", Draft::Six, "http://json-schema.org/draft-06/schema#"),
    ("draft7", Draft::Seven, "http://json-schema.org/draft-07/schema#"),
    ("draft2019-09", Draft::Y2019, "https://json-schema.org/draft/2019-09/schema"),
    ("draft2020-12", Draft::Y2020, "https://json-schema.org/draft/2020-12/schema"),
];

/// The URI at which the suite's schemas expect its `remotes/`.
const REMOTES: &str = "http://localhost:1234/";

const EOS: u32 = 256;

#[derive(Deserialize)]
struct Group {
    description: String,
    schema: Value,
    tests: Vec<SuiteTest>,
}

#[derive(Deserialize)]
struct SuiteTest {
    description: String,
    data: Value,
    valid: bool,
}

counts! {
    Score {
        groups,
        groups_right,
        tests,
        pass,
        refused,
        false_positive,
        false_negative,
    }
}

impl Score {
    fn add(&mut self, other: &Score) {
        self.groups += other.groups;
        self.groups_right += other.groups_right;
        self.tests += other.tests;
        self.pass += other.pass;
        self.refused += other.refused;
        self.false_positive += other.false_positive;
        self.false_negative += other.false_negative;
    }
}

/// The `schema-suite` command.
pub fn run(
    dir: &Path,
    engines: &[String],
    options: &Options,
    draft: Option<&str>,
    files: bool,
    json: Option<&Path>,
) -> Result<()> {
    let mut options = options.clone();
    let remotes = dir.join("remotes");
    for path in json_files(&remotes)? {
        let name = path.strip_prefix(&remotes)?.to_string_lossy().replace('\\', "/");
        let text = std::fs::read_to_string(&path)?;
        options.schema = options.schema.document(format!("{REMOTES}{name}"), text);
    }
    let vocabulary = Vocabulary::from_tokens(VocabularyParts {
        tokens: (0..=255).map(|byte| vec![byte]).chain([Vec::new()]).collect(),
        special: vec![("<|end|>".to_owned(), TokenId(EOS))],
        eos: vec![TokenId(EOS)],
        model_size: None,
    })?;
    let mut all = Map::new();
    for name in engines {
        let engine = |options: &Options| -> Result<Box<dyn Engine>> {
            Ok(match name.as_str() {
                "hedgerow" => Box::new(Hedgerow::new(vocabulary.clone(), options)),
                "llguidance" | "llguidance-bytes" => {
                    Box::new(LlGuidance::from_vocabulary(&vocabulary, options)?)
                }
                _ => bail!("the suite runs hedgerow and llguidance, not `{name}`"),
            })
        };
        println!("\n== {name}");
        let mut table = Table::new(std::iter::once("").chain(Score::default().named().map(|(name, _)| name)));
        let mut failures = Vec::new();
        let mut drafts = Map::new();
        for (folder, version, uri) in DRAFTS {
            if draft.is_some_and(|d| !folder.contains(d)) {
                continue;
            }
            let mut asserting = options.clone();
            asserting.schema = asserting.schema.default_draft(version);
            let mut annotating = asserting.clone();
            annotating.schema =
                annotating.schema.format(FormatPolicy::Annotate).content_encoding(ContentEncoding::Annotate);
            let (mut asserting, mut annotating) = (engine(&asserting)?, engine(&annotating)?);
            let by_file = score_files(dir, (folder, uri), &mut *asserting, &mut *annotating, &mut failures)?;
            let mut total = Score::default();
            by_file.values().for_each(|score| total.add(score));
            let cells = |score: &Score| score.named().map(|(_, count)| count.to_string());
            table.row(std::iter::once(folder.to_owned()).chain(cells(&total)));
            for (file, score) in by_file.iter().filter(|(_, score)| files || score.pass < score.tests) {
                table.row(std::iter::once(format!("  {file}")).chain(cells(score)));
            }
            let to_json = |score: &Score| {
                let figures = score.named().map(|(name, count)| (name.to_owned(), json!(count)));
                figures.into_iter().collect::<Map<_, _>>()
            };
            let mut figures = to_json(&total);
            let by_file = by_file.iter().map(|(file, score)| (file.clone(), to_json(score).into()));
            figures.insert("files".to_owned(), by_file.collect::<Map<_, _>>().into());
            drafts.insert(folder.to_owned(), figures.into());
        }
        table.print();
        println!("\n{name}: failures");
        for failure in &failures {
            println!("{failure}");
        }
        all.insert(name.clone(), drafts.into());
    }
    if let Some(path) = json {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        serde_json::to_writer_pretty(BufWriter::new(file), &all)?;
    }
    Ok(())
}

/// The score of every file of a draft, given by the folder of its tests and its URI. The optional
/// tests of formats are judged by the asserting engine, and the required tests by the other.
fn score_files(
    dir: &Path,
    (folder, uri): (&str, &str),
    asserting: &mut dyn Engine,
    annotating: &mut dyn Engine,
    failures: &mut Vec<String>,
) -> Result<BTreeMap<String, Score>> {
    let mut by_file = BTreeMap::new();
    let root = dir.join("tests").join(folder);
    for path in json_files(&root)? {
        let file = path.strip_prefix(&root)?.to_string_lossy().replace('\\', "/");
        let is_optional = file.starts_with("optional/");
        if is_optional && !file.starts_with("optional/format/") {
            continue;
        }
        let engine: &mut dyn Engine = if is_optional { &mut *asserting } else { &mut *annotating };
        let groups: Vec<Group> = serde_json::from_str(&std::fs::read_to_string(&path)?)
            .with_context(|| format!("{} is no file of the suite", path.display()))?;
        let mut score = Score::default();
        for group in groups {
            let place = format!("{folder}/{file}: {}", group.description);
            score.add(&judge(engine, group, uri, &place, failures));
        }
        by_file.insert(file, score);
    }
    Ok(by_file)
}

fn judge(engine: &mut dyn Engine, group: Group, uri: &str, place: &str, failures: &mut Vec<String>) -> Score {
    let mut score = Score { groups: 1, tests: group.tests.len(), ..Score::default() };
    let mut schema = group.schema;
    if let Some(schema) = schema.as_object_mut().filter(|schema| !schema.contains_key("$schema")) {
        schema.shift_insert(0, "$schema".to_owned(), uri.into());
    }
    let guarded = catch_unwind(AssertUnwindSafe(|| engine.compile(&schema.to_string())));
    let session = guarded.unwrap_or_else(|_| Err(anyhow::anyhow!("panic")));
    let mut session = match session {
        Ok(session) => session,
        Err(error) if is_empty_language(&error) => {
            // No instance satisfies the schema, and the engine reports that at compile time.
            for test in &group.tests {
                score.pass += usize::from(!test.valid);
                score.false_negative += usize::from(test.valid);
                if test.valid {
                    failures.push(format!("false negative  {place}: {} (no instance)", test.description));
                }
            }
            score.groups_right = usize::from(score.pass == score.tests);
            return score;
        }
        Err(error) => {
            score.refused = score.tests;
            let error = format!("{error:#}");
            failures.push(format!("refused  {place}: {:.200}", error.lines().next().unwrap_or_default()));
            return score;
        }
    };
    for test in group.tests {
        let text = test.data.to_string();
        let guarded = catch_unwind(AssertUnwindSafe(|| {
            session.reset()?;
            let mut mask = vec![0; 9];
            for byte in text.bytes() {
                session.fill_mask(&mut mask)?;
                if !allows(&mask, byte.into()) || !session.advance(byte.into())? {
                    return Ok(false);
                }
            }
            session.fill_mask(&mut mask)?;
            Ok(allows(&mask, EOS))
        }));
        let accepted: Result<bool> = guarded.unwrap_or_else(|_| Err(anyhow::anyhow!("panic")));
        let mut fail = |what: &str, why: &str| {
            failures.push(format!("{what}  {place}: {}: {text:.100}{why}", test.description));
        };
        match (accepted, test.valid) {
            (Ok(true), true) | (Ok(false), false) => score.pass += 1,
            (Ok(true), false) => {
                score.false_positive += 1;
                fail("false positive", "");
            }
            (Ok(false), true) => {
                score.false_negative += 1;
                fail("false negative", "");
            }
            (Err(_), false) => score.pass += 1,
            (Err(error), true) => {
                score.false_negative += 1;
                fail("false negative", &format!(" ({error:#})"));
            }
        }
    }
    score.groups_right = usize::from(score.pass == score.tests);
    score
}

/// True if the engine refused the schema because no instance satisfies it.
fn is_empty_language(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}");
    text.contains("no JSON value satisfies the schema") || text.contains("Unsatisfiable schema")
}

/// All `.json` files below a folder, sorted.
fn json_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
