//! Checks the floors of `src/`: a folder imports only the folders listed for it, so that folders
//! cannot import each other in a circle.
//!
//! Every file is parsed. Every path that starts at the crate's root (`crate::…`, or `super::…` that
//! climbs there) is resolved to the folder that it enters. Paths inside macro calls are found token
//! by token. Code that is compiled only for unit tests may import any floor. The other tests of
//! this file check rules that the table cannot express: nobody imports through the re-exports of
//! `lib.rs`, `unsafe` is used only in the listed places, and a library does not print.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::parse::Parser;
use syn::visit::{self, Visit};

/// Each folder with the folders that it may import. A list holds lower floors only, which
/// `the_table_has_no_circles` checks.
const FLOORS: &[(&str, &[&str])] = &[
    ("gguf", &[]),
    ("vocab", &["gguf"]),
    ("automata", &[]),
    ("grammar", &["automata"]),
    ("sampling", &["vocab"]),
    ("schema", &["automata", "grammar"]),
    ("syntax", &["automata", "grammar", "schema"]),
    ("tags", &["automata", "grammar", "schema", "syntax"]),
    ("engine", &["automata", "grammar", "schema", "syntax", "tags", "vocab"]),
    ("decode", &["automata", "engine", "grammar", "sampling", "tags", "vocab"]),
    ("torch", &["decode", "engine", "gguf", "grammar", "sampling", "vocab"]),
    (
        "ffi",
        &["decode", "engine", "gguf", "grammar", "sampling", "schema", "syntax", "tags", "torch", "vocab"],
    ),
    (
        "cli",
        &[
            "automata", "decode", "engine", "gguf", "grammar", "sampling", "schema", "syntax", "tags",
            "torch", "vocab",
        ],
    ),
];

/// The only names of the vocabulary that `sampling` may use: ids, sets of ids, and the error for a
/// set.
const SAMPLING_MAY_IMPORT: &[&str] = &["TokenId", "TokenSet", "VocabularyError"];

/// The only places of `allow(unsafe_code)`: whole folders, and single files.
const UNSAFE_IN: &[&str] = &["ffi/", "torch/", "sampling/simd/", "start.rs"];

/// The only places that may print.
const MAY_PRINT: &[&str] = &["cli/", "main.rs", "main_torch.rs"];

/// The only places that may read the environment.
const MAY_READ_ENVIRONMENT: &[&str] = &["cli/", "main_torch.rs", "start.rs"];

/// Names of folders and files without a single subject, which tend to be imported in circles.
const GRAB_BAGS: &[&str] =
    &["util", "utils", "common", "helpers", "helper", "api", "types", "prelude", "misc"];

/// A source file: its path below `src/`, its module path, and its syntax tree.
struct Source {
    path: String,
    module: Vec<String>,
    file: syn::File,
}

impl Source {
    /// The folder directly below `src/` that has the file, if it is in one.
    fn folder(&self) -> Option<&str> {
        self.path.split_once('/').map(|(folder, _)| folder)
    }

    fn is_in(&self, places: &[&str]) -> bool {
        places
            .iter()
            .any(|place| self.path == *place || (place.ends_with('/') && self.path.starts_with(place)))
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut pending = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = pending.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(read(&root, path));
            }
        }
    }
    assert!(found.len() > FLOORS.len(), "only {} files of src/ were found", found.len());
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn read(root: &Path, path: PathBuf) -> Source {
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let below = path.strip_prefix(root).unwrap();
    let mut module: Vec<String> =
        below.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib" || last == "main") {
        module.pop();
    }
    Source { path: below.to_string_lossy().replace('\\', "/"), module, file }
}

/// All paths of a file that start with `crate` or `super`, resolved from the crate's root:
/// `["vocab", "TokenId"]`. A glob ends in `*`.
#[derive(Default)]
struct RootPaths {
    module: Vec<String>,
    found: BTreeSet<Vec<String>>,
    /// Names of the macros that are called, and the `std::…` paths that are used.
    macros: BTreeSet<String>,
    std_paths: BTreeSet<Vec<String>>,
    allows_unsafe: bool,
}

impl RootPaths {
    fn of(source: &Source) -> Self {
        let mut paths = RootPaths { module: source.module.clone(), ..Default::default() };
        paths.visit_file(&source.file);
        paths
    }

    /// Records a path as written in the current module.
    fn take(&mut self, segments: &[String]) {
        let mut rest = segments;
        let mut base = match rest.first().map(String::as_str) {
            Some("crate") => {
                rest = &rest[1..];
                Vec::new()
            }
            Some("std") => {
                self.std_paths.insert(segments.to_vec());
                return;
            }
            Some("super") => self.module.clone(),
            _ => return,
        };
        while rest.first().is_some_and(|s| s == "super") {
            assert!(base.pop().is_some(), "super:: climbs out of the crate: {segments:?}");
            rest = &rest[1..];
        }
        base.extend_from_slice(rest);
        self.found.insert(base);
    }

    fn take_tree(&mut self, prefix: &mut Vec<String>, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.take_tree(prefix, &path.tree);
                prefix.pop();
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.take_tree(prefix, tree)),
            leaf => {
                let name = match leaf {
                    syn::UseTree::Name(name) => name.ident.to_string(),
                    syn::UseTree::Rename(rename) => rename.ident.to_string(),
                    _ => "*".to_owned(),
                };
                // `use crate::vocab::{self, TokenId}`: `self` is the folder itself.
                let own = name == "self" && !prefix.is_empty();
                let path: Vec<String> = prefix.iter().cloned().chain((!own).then_some(name)).collect();
                self.take(&path);
            }
        }
    }

    /// Records the paths in tokens that are not parsed: the arguments of macro calls.
    fn take_tokens(&mut self, tokens: &str) {
        let words: Vec<&str> = tokens.split_whitespace().collect();
        for (i, word) in words.iter().enumerate() {
            if !matches!(*word, "crate" | "super" | "std") || (i > 0 && words[i - 1] == "::") {
                continue;
            }
            let mut path = vec![(*word).to_owned()];
            let mut at = i + 1;
            while words.get(at) == Some(&"::") {
                match words.get(at + 1) {
                    Some(next) if next.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                        path.push((*next).to_owned());
                    }
                    _ => break,
                }
                at += 2;
            }
            if path.len() > 1 {
                self.take(&path);
            }
        }
    }
}

/// True if an item is compiled for unit tests only.
fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        list.path.is_ident("cfg") && list.tokens.to_string() == "test"
    })
}

impl<'ast> Visit<'ast> for RootPaths {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if is_test_only(&item.attrs) {
            return;
        }
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_test_only(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if !is_test_only(&item.attrs) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_test_only(&item.attrs) {
            self.take_tree(&mut Vec::new(), &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        if segments.len() > 1 {
            self.take(&segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if let Some(name) = call.path.segments.last() {
            self.macros.insert(name.ident.to_string());
        }
        self.take_tokens(&call.tokens.to_string().replace("::", " :: "));
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            let names_unsafe = list.tokens.to_string().contains("unsafe_code");
            self.allows_unsafe |=
                names_unsafe && (list.path.is_ident("allow") || list.path.is_ident("expect"));
        }
        visit::visit_attribute(self, attribute);
    }
}

fn may_import(folder: &str) -> &'static [&'static str] {
    let listed = FLOORS.iter().find(|(name, _)| *name == folder);
    listed.unwrap_or_else(|| panic!("src/{folder}/ is on no floor: add it to FLOORS")).1
}

/// Fails with all complaints in one message.
fn report(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn folders_import_lower_floors_only() {
    let mut complaints = Vec::new();
    for source in sources() {
        let Some(folder) = source.folder() else { continue };
        let allowed = may_import(folder);
        for path in RootPaths::of(&source).found {
            let Some(target) = path.first() else { continue };
            let known = FLOORS.iter().any(|(name, _)| name == target);
            if known && target != folder && !allowed.contains(&target.as_str()) {
                complaints.push(format!(
                    "src/{}: crate::{} is out of reach; {folder} may import {allowed:?}",
                    source.path,
                    path.join("::")
                ));
            }
        }
    }
    report(complaints);
}

#[test]
fn nobody_imports_through_the_root() {
    let mut complaints = Vec::new();
    for source in sources() {
        if source.folder().is_none() {
            continue;
        }
        for path in RootPaths::of(&source).found {
            if path.first().is_some_and(|first| !FLOORS.iter().any(|(name, _)| name == first)) {
                complaints.push(format!(
                    "src/{}: crate::{} goes through lib.rs; name its folder",
                    source.path,
                    path.join("::")
                ));
            }
        }
    }
    report(complaints);
}

#[test]
fn sampling_knows_ids_and_sets_only() {
    let mut complaints = Vec::new();
    for source in sources().iter().filter(|s| s.folder() == Some("sampling")) {
        for path in RootPaths::of(source).found {
            let beyond = path.first().is_some_and(|first| first == "vocab")
                && !path.get(1).is_some_and(|name| SAMPLING_MAY_IMPORT.contains(&name.as_str()));
            if beyond {
                complaints.push(format!("src/{}: crate::{}", source.path, path.join("::")));
            }
        }
    }
    report(complaints);
}

#[test]
fn the_table_has_no_circles() {
    let mut done: BTreeSet<&str> = BTreeSet::new();
    let mut left: BTreeMap<&str, &[&str]> = FLOORS.iter().copied().collect();
    assert_eq!(left.len(), FLOORS.len(), "a folder is listed twice");
    while !left.is_empty() {
        let free: Vec<&str> = left
            .iter()
            .filter(|(_, needs)| needs.iter().all(|n| done.contains(n)))
            .map(|(f, _)| *f)
            .collect();
        assert!(!free.is_empty(), "a circle, or an unknown folder, among {left:?}");
        for folder in free {
            left.remove(folder);
            done.insert(folder);
        }
    }
}

#[test]
fn unsafe_stays_where_it_is_argued() {
    let offending = sources()
        .iter()
        .filter(|s| RootPaths::of(s).allows_unsafe && !s.is_in(UNSAFE_IN))
        .map(|s| format!("src/{} allows unsafe code", s.path))
        .collect();
    report(offending);
}

#[test]
fn the_library_neither_prints_nor_reads_the_environment() {
    let mut complaints = Vec::new();
    for source in sources() {
        let paths = RootPaths::of(&source);
        if !source.is_in(MAY_PRINT) {
            for name in ["print", "println", "eprint", "eprintln", "dbg"] {
                if paths.macros.contains(name) {
                    complaints.push(format!("src/{} calls {name}!", source.path));
                }
            }
        }
        let reads = paths.std_paths.iter().any(|p| p.get(1).is_some_and(|second| second == "env"));
        if reads && !source.is_in(MAY_READ_ENVIRONMENT) {
            complaints.push(format!("src/{} uses std::env", source.path));
        }
    }
    report(complaints);
}

#[test]
fn no_module_is_a_grab_bag() {
    let offending = sources()
        .iter()
        .filter(|s| s.module.iter().any(|name| GRAB_BAGS.contains(&name.as_str())))
        .map(|s| format!("src/{}: a name that says no subject", s.path))
        .collect();
    report(offending);
}

#[test]
fn paths_are_resolved() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("use crate::vocab::TokenId;", &["engine", "mask"], &["vocab::TokenId"]),
        ("use crate::vocab::{self, trie::*, A as B};", &["engine"], &["vocab", "vocab::A", "vocab::trie::*"]),
        ("use super::super::vocab::TokenId;", &["engine", "mask"], &["vocab::TokenId"]),
        ("use super::Other;", &["engine", "mask"], &["engine::Other"]),
        ("fn f(x: crate::gguf::File) {}", &["engine"], &["gguf::File"]),
        ("fn f() { g!(1, crate::cli::run()) }", &["engine"], &["cli::run"]),
        ("mod inner { fn f() { super::super::cli::run() } }", &["engine"], &["cli::run"]),
        ("#[cfg(test)] mod tests { use crate::cli::run; }", &["engine"], &[]),
        ("use crate::Matcher;", &["engine"], &["Matcher"]),
        ("use std::fmt; use serde::de;", &["engine"], &[]),
    ];
    for (text, module, expected) in cases {
        let source = Source {
            path: String::new(),
            module: module.iter().map(|m| (*m).to_owned()).collect(),
            file: syn::parse_str(text).unwrap(),
        };
        let found: Vec<String> = RootPaths::of(&source).found.iter().map(|p| p.join("::")).collect();
        assert_eq!(&found, expected, "{text}");
    }
    let attribute = syn::Attribute::parse_inner.parse_str("#![allow(unsafe_code)]").unwrap();
    let source = Source {
        path: "engine/mod.rs".to_owned(),
        module: vec![],
        file: syn::File { shebang: None, attrs: attribute, items: vec![] },
    };
    assert!(RootPaths::of(&source).allows_unsafe && !source.is_in(UNSAFE_IN));
}
