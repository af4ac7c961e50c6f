//! The part of the project's style that a machine can check: the width of comments and pages, the
//! words that open documentation comments, the length of files and functions, and circles between
//! the files of one folder of `src/`, those of its sub-folders included.
//!
//! `tests/data/style_exceptions.txt` lists the files that break a rule: the file, the rule, the
//! number of its faults, and the reason why they stay. The list only shrinks: the test also fails
//! on a file that has fewer faults than its line says, and on a line without a reason.
//! `HEDGEROW_UPDATE_STYLE=1 cargo test --test suite style` rewrites the list and keeps the reasons.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

// The path is the same where this file is compiled alone.
#[path = "circles.rs"]
mod circles;

/// The widest line that a comment or the prose of a page may have, in characters.
const WIDTH: usize = 100;

/// The most lines that a file may have.
const LINES: usize = 900;

/// The most lines that a function may have, from its `fn` to its closing brace.
const FUNCTION_LINES: usize = 80;

/// Words with which a documentation comment names no subject.
const RIDDLES: [&str; 7] = ["What", "Where", "Whether", "Who", "How", "Which", "Of those"];

/// The faults that are counted, by the names they have in the list of exceptions.
const FAULTS: [&str; 5] = ["wide-lines", "riddles", "long-file", "long-functions", "circle-files"];

/// The folders with Rust files.
const RUST: [&str; 7] =
    ["src", "tests", "benches", "examples", "fuzz/src", "fuzz/fuzz_targets", "bindings/python/src"];

/// The folders and files, other than those of Rust, whose comments or prose are checked. The header
/// `hedgerow.h` is generated from Rust's comments.
const OTHER: [&str; 10] =
    [".", "docs", "fuzz", "setup", "presets", "grammars", "include", "make", "tests/capi", "bindings/python"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Adds the files below `folder`, or only those directly in it, that have one of the endings.
fn files(folder: &Path, endings: &[&str], is_deep: bool, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("a folder's entry").path()) {
        if path.is_dir() && is_deep {
            files(&path, endings, is_deep, found);
        } else if path.extension().is_some_and(|ending| endings.iter().any(|known| ending == *known)) {
            found.push(path);
        }
    }
}

/// The texts of files by their paths below the root.
fn texts(paths: Vec<PathBuf>) -> BTreeMap<String, String> {
    let root = root();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&root).expect("below the root").to_string_lossy().replace('\\', "/");
        (name, fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    };
    paths.into_iter().map(read).collect()
}

/// The text of every Rust file of the project, by its path below the root.
fn sources() -> BTreeMap<String, String> {
    let root = root();
    let mut paths = vec![root.join("build.rs")];
    RUST.iter().for_each(|folder| files(&root.join(folder), &["rs"], true, &mut paths));
    texts(paths)
}

/// The text of every page, header, C program and makefile, by its path below the root.
fn pages() -> BTreeMap<String, String> {
    let root = root();
    let mut paths = vec![root.join("Makefile"), root.join("tests/capi/Makefile")];
    let endings = ["md", "h", "hpp", "c", "cpp", "mk"];
    OTHER.iter().for_each(|folder| files(&root.join(folder), &endings, false, &mut paths));
    paths.retain(|path| path.exists() && !path.ends_with("include/hedgerow.h"));
    texts(paths)
}

/// The wide lines of a page: all lines but those of tables, code and links, or the comments of a
/// program.
fn wide_lines(name: &str, text: &str) -> usize {
    let is_wide = |line: &str| line.chars().count() > WIDTH;
    if !name.ends_with(".md") {
        let openings: &[&str] =
            if name.contains('.') && !name.ends_with(".mk") { &["//", "/*", "* "] } else { &["#"] };
        let is_comment = |line: &&str| openings.iter().any(|opening| line.trim_start().starts_with(opening));
        return text.lines().filter(is_comment).filter(|line| is_wide(line)).count();
    }
    let mut is_code = false;
    let is_prose = |line: &&str| {
        let start = line.trim_start();
        is_code ^= start.starts_with("```");
        !is_code && !start.starts_with("```") && !start.starts_with(['|', '<']) && start.contains(' ')
    };
    text.lines().filter(is_prose).filter(|line| is_wide(line)).count()
}

/// The number of functions with too many lines. `cargo fmt` puts the closing brace of a function
/// below its first line, at the same indentation.
fn long_functions(text: &str) -> usize {
    const BEFORE: [&str; 7] = ["pub", "const", "async", "unsafe", "extern", "\"C\"", "default"];
    let is_before = |word: &&str| BEFORE.contains(word) || word.starts_with("pub(") || word.ends_with(')');
    let lines: Vec<&str> = text.lines().collect();
    let is_long = |&(first, line): &(usize, &&str)| {
        let opens = line.split_whitespace().find(|word| !is_before(word)) == Some("fn");
        let indentation = &line[..line.len() - line.trim_start().len()];
        let is_end = |line: &&str| line.strip_prefix(indentation) == Some("}");
        let is_one_line = |line: &str| line.ends_with(';') || line.ends_with('}');
        opens && !is_one_line(line) && {
            let length = lines[first..].iter().position(is_end).map_or(0, |last| last + 1);
            length > FUNCTION_LINES
        }
    };
    lines.iter().enumerate().filter(is_long).count()
}

/// The number of each fault in each file, without those that have none.
fn faults() -> BTreeMap<(String, &'static str), usize> {
    let sources = sources();
    let mut found = BTreeMap::new();
    for (name, text) in &sources {
        let comments = || text.lines().filter(|line| line.trim_start().starts_with("//"));
        let is_wide = |line: &&str| line.chars().count() > WIDTH;
        // A line opens a comment unless the line before belongs to the same comment.
        let mut riddles = 0;
        let mut before = "";
        for line in text.lines().map(str::trim_start) {
            let kind = ["/// ", "//! "].into_iter().find(|kind| line.starts_with(kind));
            if let Some(kind) = kind.filter(|kind| !before.starts_with(kind.trim_end())) {
                let said = &line[kind.len()..];
                let opens = |word: &&str| {
                    said.strip_prefix(*word).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
                };
                riddles += usize::from(RIDDLES.iter().any(opens));
            }
            before = line;
        }
        found.insert((name.clone(), FAULTS[0]), comments().filter(is_wide).count());
        found.insert((name.clone(), FAULTS[1]), riddles);
        found.insert((name.clone(), FAULTS[2]), text.lines().count().saturating_sub(LINES));
        found.insert((name.clone(), FAULTS[3]), long_functions(text));
    }
    for (name, text) in pages() {
        let count = wide_lines(&name, &text);
        found.insert((name, FAULTS[0]), count);
    }
    for name in circles::files_on_circles(&sources) {
        found.insert((name, FAULTS[4]), 1);
    }
    found.retain(|_, count| *count > 0);
    found
}

#[test]
fn style_is_held_but_for_the_named_exceptions() {
    let path = root().join("tests/data/style_exceptions.txt");
    let found = faults();
    let list = fs::read_to_string(&path).expect("the list of exceptions");
    let mut allowed: BTreeMap<(String, &str), (usize, &str)> = BTreeMap::new();
    for line in list.lines() {
        let [name, fault, count, reason] = line.splitn(4, ' ').collect::<Vec<_>>()[..] else {
            panic!("not FILE RULE NUMBER REASON: {line}");
        };
        let fault = FAULTS.into_iter().find(|known| *known == fault).expect("a known fault");
        allowed.insert((name.to_owned(), fault), (count.parse().expect("a number"), reason));
    }
    if std::env::var_os("HEDGEROW_UPDATE_STYLE").is_some() {
        let line = |(key, count): (&(String, &str), &usize)| {
            let reason = allowed.get(key).map_or("", |known| known.1);
            format!("{} {} {count} {reason}\n", key.0, key.1)
        };
        fs::write(&path, found.iter().map(line).collect::<String>()).expect("the list can be written");
        return;
    }
    let keys: BTreeSet<&(String, &str)> = found.keys().chain(allowed.keys()).collect();
    let complaints: Vec<String> = keys
        .into_iter()
        .filter_map(|key| {
            let is = found.get(key).copied().unwrap_or(0);
            let (may, reason) = allowed.get(key).copied().unwrap_or((0, ""));
            let (name, fault) = key;
            let what = match is.cmp(&may) {
                std::cmp::Ordering::Equal if reason.is_empty() && may > 0 => "say why, or mend them",
                std::cmp::Ordering::Equal => return None,
                std::cmp::Ordering::Greater => "mend them",
                std::cmp::Ordering::Less => "better than listed: run with HEDGEROW_UPDATE_STYLE=1",
            };
            Some(format!("{name}: {is} {fault}, {may} allowed; {what}"))
        })
        .collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
