//! Runs every file of `fuzz/corpus/` through its target, so that faults found by fuzzing do not
//! return. No fuzzer is needed.

use super::fuzz;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder's entry").path()).collect();
    paths.sort();
    paths
}

fn stems(folder: &Path) -> BTreeSet<String> {
    files(folder).iter().filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect()
}

#[test]
fn every_target_has_a_program_and_a_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let targets: BTreeSet<String> = fuzz::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(stems(&folder.join("fuzz_targets")), targets);
    assert_eq!(stems(&folder.join("corpus")), targets);
}

#[test]
fn the_corpus_breaks_no_promise() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in fuzz::TARGETS {
        let files = files(&corpus.join(name));
        assert!(files.len() >= 10, "the corpus of {name} has only {} files", files.len());
        for file in files {
            let data = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            if std::panic::catch_unwind(|| target(&data)).is_err() {
                panic!("{} breaks {name}; see above", file.display());
            }
        }
    }
}
