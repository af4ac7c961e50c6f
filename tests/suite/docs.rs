//! Every file of the repository that a page or a comment names exists.

use std::path::{Path, PathBuf};

/// Folders of the repository, with which the path of one of its files begins.
const FOLDERS: &[&str] = &[
    "src/",
    "tests/",
    "docs/",
    "benches/",
    "fuzz/",
    "examples/",
    "grammars/",
    "include/",
    "setup/",
    "make/",
    "packaging/",
    "bindings/",
    "presets/",
];

/// Files of other projects, and files that appear when something runs.
const ELSEWHERE: &[&str] = &[
    "include/llama.h",        // llama.cpp
    "src/llama-grammar.cpp",  // llama.cpp
    "grammars/README.md",     // llama.cpp
    "docs/gguf.md",           // ggml
    "docs/json_schema.md",    // llguidance
    "fuzz/found/",            // `make fuzz`
    "fuzz/artifacts/TARGET/", // `make fuzz`
    "fuzz/corpus/TARGET/",    // any target
];

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            // Folders of built files, fetched files and data hold no pages of the project.
            if !name.starts_with('.') && !["target", "corpus", "node_modules"].contains(&name.as_str()) {
                pages(&path, found);
            }
        } else if name.ends_with(".md") || name.ends_with(".rs") || name == "Makefile" {
            found.push(path);
        }
    }
}

/// The paths that a text names between backticks, without their line numbers.
fn named_paths(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter(|word| {
        FOLDERS.iter().any(|folder| word.starts_with(folder))
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
    })
}

#[test]
fn files_that_are_named_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    pages(root, &mut found);
    let mut missing = Vec::new();
    for page in found {
        let text = std::fs::read_to_string(&page).unwrap();
        // Backticks pair up within a paragraph; fences of code blocks would shift them.
        for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.contains("```")) {
            let missing_here = |path: &&str| !ELSEWHERE.contains(path) && !root.join(path).exists();
            for path in named_paths(paragraph).filter(missing_here) {
                missing.push(format!("{}: {path}", page.strip_prefix(root).unwrap().display()));
            }
        }
    }
    assert!(missing.is_empty(), "files that do not exist are named:\n{}", missing.join("\n"));
}
