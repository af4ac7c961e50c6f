//! The official JSON-Schema-Test-Suite, drafts 4 to 2020-12: the required tests, and the optional
//! ones about formats.
//!
//! Every group's schema is compiled with options under which the language is JSON Schema's own: any
//! key order, any whitespace, every spelling. Every instance is read byte by byte, and must be
//! accepted exactly if it is valid. [`KNOWN`] lists the failures with their reasons. The test fails
//! on a failure that is not listed, and on a listed one that no longer occurs.

use hedgerow::engine::Constraint;
use hedgerow::grammar::KeyOrder;
use hedgerow::schema::{
    ContentEncoding, Draft, EscapePolicy, FormatPolicy, Numbers, SchemaOptions, Whitespace, compile,
};
use hedgerow::vocab::Vocabulary;

use crate::support::bytes::byte_vocabulary;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const DRAFTS: [(&str, Draft); 5] = [
    ("draft4", Draft::Four),
    ("draft6", Draft::Six),
    ("draft7", Draft::Seven),
    ("draft2019-09", Draft::Y2019),
    ("draft2020-12", Draft::Y2020),
];

/// Tests of one group that are known to fail, and the reason. The list names tests of several
/// revisions of the suite.
struct Known {
    drafts: &'static [&'static str],
    file: &'static str,
    group: &'static str,
    tests: &'static [&'static str],
    /// The reason, for readers.
    #[allow(dead_code)]
    reason: &'static str,
}

const A_LABELS: &str =
    "A-labels (`xn--…`) are not accepted: whether Punycode decodes to a valid label is not regular";

const KNOWN: &[Known] = &[
    Known {
        drafts: &["draft7", "draft2019-09", "draft2020-12"],
        file: "optional/format/hostname.json",
        group: "validation of A-label (punycode) host names",
        tests: &[
            "a valid host name (example.test in Hangul)",
            "Exceptions that are PVALID, left-to-right chars",
            "Exceptions that are PVALID, right-to-left chars",
            "MIDDLE DOT with surrounding 'l's",
            "Greek KERAIA followed by Greek",
            "Hebrew GERESH preceded by Hebrew",
            "Hebrew GERSHAYIM preceded by Hebrew",
            "KATAKANA MIDDLE DOT with Hiragana",
            "KATAKANA MIDDLE DOT with Katakana",
            "KATAKANA MIDDLE DOT with Han",
            "Arabic-Indic digits not mixed with Extended Arabic-Indic digits",
            "Extended Arabic-Indic digits not mixed with Arabic-Indic digits",
            "ZERO WIDTH JOINER preceded by Virama",
            "ZERO WIDTH NON-JOINER preceded by Virama",
            "ZERO WIDTH NON-JOINER not preceded by Virama but matches regexp",
        ],
        reason: A_LABELS,
    },
    Known {
        drafts: &["draft7", "draft2019-09", "draft2020-12"],
        file: "optional/format/hostname.json",
        group: "validation of host names",
        tests: &["a valid punycoded IDN hostname"],
        reason: A_LABELS,
    },
    Known {
        drafts: &["draft7", "draft2019-09", "draft2020-12"],
        file: "optional/format/idn-hostname.json",
        group: "validation of internationalized host names",
        tests: &["valid Chinese Punycode"],
        reason: A_LABELS,
    },
];

fn json_files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "json"));
    files.sort();
    files
}

/// The documents that the suite serves at `http://localhost:1234/`.
fn add_remotes(mut options: SchemaOptions, root: &Path, dir: &Path) -> SchemaOptions {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            options = add_remotes(options, root, &path);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            let text = std::fs::read_to_string(&path).unwrap();
            options = options.document(format!("http://localhost:1234/{name}"), text);
        }
    }
    options
}

#[derive(Default)]
struct Score {
    groups: usize,
    exact_groups: usize,
    tests: usize,
    pass: usize,
    refused: usize,
    accepted_invalid: usize,
    refused_valid: usize,
}

/// Judges one file and returns each failure as group, test and observation.
fn judge(
    path: &Path,
    options: &SchemaOptions,
    bytes: &Vocabulary,
    score: &mut Score,
) -> Vec<(String, String, String)> {
    let groups: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut failures = Vec::new();
    for group in groups.as_array().unwrap() {
        let name = group["description"].as_str().unwrap();
        let tests = group["tests"].as_array().unwrap();
        score.groups += 1;
        score.tests += tests.len();
        let before = failures.len();
        let constraint = compile(&group["schema"].to_string(), options)
            .map_err(|e| e.to_string())
            .and_then(|g| Constraint::new(&g, bytes).map_err(|e| e.to_string()));
        let constraint = match constraint {
            Ok(constraint) => constraint,
            // A schema without values refuses every instance.
            Err(error) if error.contains("no JSON value satisfies the schema") => {
                let valid: Vec<&Value> = tests.iter().filter(|t| t["valid"] == true).collect();
                score.refused_valid += valid.len();
                score.pass += tests.len() - valid.len();
                score.exact_groups += usize::from(valid.is_empty());
                for test in valid {
                    failures.push((name.into(), test["description"].as_str().unwrap().into(), error.clone()));
                }
                continue;
            }
            Err(error) => {
                score.refused += tests.len();
                failures.push((name.into(), "*".into(), error));
                continue;
            }
        };
        for test in tests {
            let text = test["data"].to_string();
            let valid = test["valid"].as_bool().unwrap();
            let mut matcher = constraint.matcher();
            let accepted = matcher.advance_bytes(text.as_bytes()).map(|ok| ok && matcher.is_accepting());
            if accepted == Ok(valid) {
                score.pass += 1;
                continue;
            }
            match accepted {
                Ok(true) => score.accepted_invalid += 1,
                _ => score.refused_valid += 1,
            }
            let what = match accepted {
                Ok(true) => "accepted although invalid".to_owned(),
                Ok(false) => "refused although valid".to_owned(),
                Err(error) => error.to_string(),
            };
            failures.push((name.into(), test["description"].as_str().unwrap().into(), what));
        }
        score.exact_groups += usize::from(failures.len() == before);
    }
    failures
}

/// The group and the name of every test in a file.
fn names(path: &Path) -> impl Iterator<Item = (String, String)> + use<> {
    let groups: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let text = |value: &Value| value["description"].as_str().unwrap().to_owned();
    groups.into_iter().flat_map(move |group| {
        let name = text(&group);
        let tests = group["tests"].as_array().unwrap().clone();
        tests.into_iter().map(move |test| (name.clone(), text(&test)))
    })
}

mod needs_suite {
    #[test]
    #[ignore = "needs the official suite: make data"]
    fn all_drafts() {
        super::all_drafts(&crate::support::files::official_suite());
    }
}

fn all_drafts(root: &Path) {
    let bytes = byte_vocabulary(&[]);
    let remotes = root.join("remotes");
    let base = SchemaOptions::default()
        .key_order(KeyOrder::Any)
        .whitespace(Whitespace::Unlimited)
        .escapes(EscapePolicy::Any)
        .numbers(Numbers::Json);
    let base = add_remotes(base, &remotes, &remotes);
    let mut wrong = Vec::new();
    let (mut present, mut met) = (BTreeSet::new(), BTreeSet::new());
    for (draft, version) in DRAFTS {
        let options = base.clone().default_draft(version);
        let mut score = Score::default();
        let dir = root.join("tests").join(draft);
        // The required tests take `format` and `contentEncoding` as annotations; the optional ones
        // enforce formats.
        let annotated =
            options.clone().format(FormatPolicy::Annotate).content_encoding(ContentEncoding::Annotate);
        for path in json_files(&dir).into_iter().chain(json_files(&dir.join("optional/format"))) {
            let file = path.strip_prefix(&dir).unwrap().to_str().unwrap().replace('\\', "/");
            let options = if file.starts_with("optional/") { &options } else { &annotated };
            present.extend(names(&path).map(|(group, test)| (draft, file.clone(), group, test)));
            for (group, test, what) in judge(&path, options, &bytes, &mut score) {
                let known = |k: &Known| {
                    k.drafts.contains(&draft)
                        && k.file == file
                        && k.group == group
                        && k.tests.contains(&&*test)
                };
                if KNOWN.iter().any(known) {
                    met.insert((draft, file.clone(), group, test));
                } else {
                    wrong.push(format!("{draft} {file}: {group}: {test}: {what}"));
                }
            }
        }
        println!(
            "{draft}: {}/{} groups exactly right ({:.2} %), {}/{} tests; {} refused at compile, {} invalid accepted, {} \
             valid refused",
            score.exact_groups,
            score.groups,
            100.0 * score.exact_groups as f64 / score.groups as f64,
            score.pass,
            score.tests,
            score.refused,
            score.accepted_invalid,
            score.refused_valid
        );
        let row = format!(
            "| {draft} | {} of {} | {} of {} |",
            score.exact_groups, score.groups, score.pass, score.tests
        );
        let page = include_str!("../../docs/json-schema.md");
        let pinned = std::env::var_os("HEDGEROW_SUITE").is_none();
        if pinned && !page.lines().any(|line| line.starts_with(&row)) {
            wrong.push(format!("docs/json-schema.md lacks the row {row}"));
        }
        assert!(score.exact_groups * 100 > score.groups * 99, "{draft} fell below 99 % of the groups");
    }
    for known in KNOWN {
        for (draft, test) in known.drafts.iter().flat_map(|d| known.tests.iter().map(move |t| (*d, *t))) {
            let name = (draft, known.file.to_owned(), known.group.to_owned(), test.to_owned());
            if present.contains(&name) && !met.contains(&name) {
                wrong.push(format!(
                    "no failure any more, take it off the list: {draft} {}: {test}",
                    known.file
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} failures:\n{}", wrong.len(), wrong.join("\n"));
}
