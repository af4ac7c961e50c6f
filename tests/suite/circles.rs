//! Circles of imports between the files of one folder of `src/`, those of its sub-folders included.
//!
//! The test has no parser at hand, since `style.rs` is also compiled alone. It reads `use` items
//! with their groups, and the paths in code that begin with `crate` or `super`. A path leads to the
//! file that defines its first item. Where that is a re-export, it is followed: in
//! `vocab/error.rs`, `super::TokenId` leads to `vocab/token_id.rs` and not to `vocab/mod.rs`. A
//! re-export alone is no import: it counts as one if the file also uses the name.

use std::collections::{BTreeMap, BTreeSet};

/// The paths that a file imports and re-exports.
struct Imports {
    module: Vec<String>,
    /// Each with the name that it has in the file.
    imported: Vec<(Vec<String>, String)>,
    reexported: Vec<(Vec<String>, String)>,
    /// The code without its `use` items.
    code: String,
}

/// All files of `src/`, by the module that each of them is.
struct Crate {
    files: BTreeMap<Vec<String>, (String, Imports)>,
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// True if `word` stands in `text` as a word of its own.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(is_word) && !text[at + word.len()..].starts_with(is_word))
}

/// The length of the literal or comment at the beginning of `text`, if one begins there.
fn literal_length(text: &str) -> Option<usize> {
    let closed =
        |from: usize, end: &str| text[from..].find(end).map_or(text.len(), |at| from + at + end.len());
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if let Some(raw) = text.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let end = format!("\"{}", &raw[..hashes]);
        return raw[hashes..].starts_with('"').then(|| closed(hashes + 2, &end));
    }
    if text.starts_with("'\"'") || text.starts_with("'\\") {
        return Some(closed(2, "'").max(3));
    }
    let mut is_escaped = false;
    let inner = text.strip_prefix('"')?;
    let end = inner.find(|c| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends
    });
    Some(end.map_or(text.len(), |end| end + 2))
}

/// The text without comments and literals, and without what is compiled for unit tests only.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let plain = rest.find(['/', 'r', '\'', '"']).unwrap_or(rest.len());
        code.push_str(&rest[..plain]);
        rest = &rest[plain..];
        let Some(c) = rest.chars().next() else { break };
        let follows_word = code.ends_with(is_word);
        match literal_length(rest).filter(|_| !(c == 'r' && follows_word)) {
            Some(length) => rest = &rest[length..],
            None => {
                code.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    let mut kept = String::new();
    let mut rest = code.as_str();
    while let Some(at) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..at]);
        let mut depth = 0;
        let end = rest[at..].char_indices().find(|&(_, c)| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth == 0 && (c == ';' || c == '}')
        });
        rest = end.map_or("", |(end, _)| &rest[at + end + 1..]);
    }
    kept + rest
}

/// Adds the paths of a tree such as `super::{a, b::{self, C as D}}`, each with its name.
fn paths_of(tree: &str, before: &[String], found: &mut Vec<(Vec<String>, String)>) {
    let mut depth = 0;
    let branches = tree.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    for branch in branches.map(str::trim).filter(|branch| !branch.is_empty()) {
        let (head, group) = match branch.split_once('{') {
            Some((head, group)) => (head, Some(group.rsplit_once('}').map_or(group, |parts| parts.0))),
            None => (branch, None),
        };
        let (head, renamed) = head.split_once(" as ").map_or((head, None), |(head, name)| (head, Some(name)));
        let words = head.split("::").map(str::trim).filter(|word| !word.is_empty() && *word != "self");
        let path: Vec<String> = before.iter().cloned().chain(words.map(str::to_owned)).collect();
        match (group, path.last()) {
            (Some(group), _) => paths_of(group, &path, found),
            (None, Some(last)) => {
                let name = renamed.unwrap_or(last).trim().to_owned();
                found.push((path, name));
            }
            (None, None) => {}
        }
    }
}

/// The paths in code that begin with `crate` or `super`, as in `super::rules::NEST_LIMIT`. The one
/// of `pub(in super::super)` imports nothing.
fn paths_in(code: &str) -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    for at in ["crate::", "super::"].iter().flat_map(|first| code.match_indices(first)).map(|(at, _)| at) {
        let before = &code[..at];
        if before.ends_with(|c| is_word(c) || c == ':') || before.ends_with("(in ") {
            continue;
        }
        let end = code[at..].find(|c| !is_word(c) && c != ':').map_or(code.len(), |length| at + length);
        let words = code[at..end].split("::").take_while(|word| !word.is_empty());
        let path: Vec<String> = words.map(|word| word.replace(':', "")).collect();
        if let [_, .., last] = &path[..] {
            let name = last.clone();
            found.push((path, name));
        }
    }
    found
}

impl Imports {
    fn of(module: Vec<String>, text: &str) -> Self {
        let code = code_of(text);
        let mut imports =
            Imports { module, imported: Vec::new(), reexported: Vec::new(), code: String::new() };
        let mut rest = code.as_str();
        while let Some(at) = rest.match_indices("use ").map(|(at, _)| at).find(|&at| {
            let line = rest[..at].rsplit('\n').next().unwrap_or_default().trim();
            line.is_empty() || line.starts_with("pub")
        }) {
            let start = rest[..at].rfind('\n').map_or(0, |end| end + 1);
            let end = rest[at..].find(';').map_or(rest.len(), |length| at + length);
            let found = match rest[start..at].trim() {
                "" => &mut imports.imported,
                _ => &mut imports.reexported,
            };
            paths_of(&rest[at + 4..end], &[], found);
            imports.code.push_str(&rest[..start]);
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        imports.code.push_str(rest);
        imports.imported.extend(paths_in(&imports.code));
        imports
    }
}

impl Crate {
    fn of(sources: &BTreeMap<String, String>) -> Self {
        let mut files = BTreeMap::new();
        for (name, text) in sources {
            let Some(below) = name.strip_prefix("src/").and_then(|below| below.strip_suffix(".rs")) else {
                continue;
            };
            let mut module: Vec<String> = below.split('/').map(str::to_owned).collect();
            if module.last().is_some_and(|last| last == "mod" || last == "lib") {
                module.pop();
            }
            files.insert(module.clone(), (name.clone(), Imports::of(module, text)));
        }
        Crate { files }
    }

    /// The path from the crate's root; `None` for a path into another crate.
    fn absolute(&self, path: &[String], module: &[String]) -> Option<Vec<String>> {
        let mut base = module.to_vec();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => {
                base.clear();
                rest = &rest[1..];
            }
            "super" => {
                while rest.first().is_some_and(|word| word == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            first => {
                base.push(first.to_owned());
                if !self.files.contains_key(&base) {
                    return None;
                }
                rest = &rest[1..];
            }
        }
        base.extend_from_slice(rest);
        Some(base)
    }

    /// The file that defines the item at the end of a path, re-exports followed.
    fn file_of(&self, path: &[String], follows: usize) -> Option<&str> {
        let length = (1..=path.len()).rev().find(|&length| self.files.contains_key(&path[..length]))?;
        let (file, imports) = &self.files[&path[..length]];
        let Some(name) = path.get(length) else { return Some(file) };
        let reexport = imports.reexported.iter().find(|(_, own)| own == name);
        let target = reexport.and_then(|(path, _)| self.absolute(path, &imports.module));
        let target = target.filter(|_| follows > 0).and_then(|path| self.file_of(&path, follows - 1));
        Some(target.unwrap_or(file))
    }

    /// The files of the same folder that each file imports.
    fn imports(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let folder = |file: &str| file.split('/').nth(1).map(str::to_owned);
        let mut all = BTreeMap::new();
        for (file, imports) in self.files.values().filter(|(file, _)| file.split('/').count() > 2) {
            let used = imports.reexported.iter().filter(|(_, name)| has_word(&imports.code, name));
            let targets = imports.imported.iter().chain(used).filter_map(|(path, _)| {
                let target = self.file_of(&self.absolute(path, &imports.module)?, 4)?;
                (target != file && folder(target) == folder(file)).then_some(target)
            });
            all.insert(file.as_str(), targets.collect());
        }
        all
    }
}

/// The files on circles of imports.
pub fn files_on_circles(sources: &BTreeMap<String, String>) -> BTreeSet<String> {
    let all = Crate::of(sources);
    let imports = all.imports();
    let reaches = |from: &str| {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut work = vec![from];
        while let Some(at) = work.pop() {
            work.extend(imports.get(at).into_iter().flatten().copied().filter(|next| seen.insert(next)));
        }
        seen.contains(from)
    };
    imports.keys().filter(|name| reaches(name)).map(|name| (*name).to_owned()).collect()
}

#[test]
fn circles_are_found() {
    type Case<'c> = (&'c [(&'c str, &'c str)], &'c [&'c str]);
    let cases: [Case<'_>; 7] = [
        (
            &[("a/b", "use super::c::C;"), ("a/c", "use super::d;"), ("a/d", "use super::b;")],
            &["b", "c", "d"],
        ),
        (&[("a/b", "use super::{c, E};"), ("a/c", "use super::{x::{self, y}, b::B};")], &["b", "c"]),
        (
            &[("a/mod", "pub use b::B; pub use c::C;"), ("a/b", "use super::C;"), ("a/c", "use super::B;")],
            &["b", "c"],
        ),
        (&[("a/mod", "pub use b::B;"), ("a/b", "use super::X;")], &[]),
        (&[("a/mod", "pub use b::B;\nfn f(b: B) {}"), ("a/b", "use super::X;")], &["b", "mod"]),
        (
            &[("a/b/mod", "fn f() { super::c::g() }"), ("a/c/mod", "fn g() { crate::a::b::f() }")],
            &["b/mod", "c/mod"],
        ),
        (
            &[
                ("a/b", "// use super::c;\n#[cfg(test)]\nmod t { use super::super::c; }"),
                ("a/c", "use super::b;"),
            ],
            &[],
        ),
    ];
    for (files, expected) in cases {
        let file = |(name, text): &(&str, &str)| (format!("src/{name}.rs"), (*text).replace("; ", ";\n"));
        let found = files_on_circles(&files.iter().map(file).collect());
        let expected = expected.iter().map(|name| format!("src/a/{name}.rs")).collect();
        assert_eq!(found, expected, "{files:?}");
    }
}
