//! Tells the linker where libtorch lies, so that binaries, tests, examples and the C library find
//! it when they run, without `LD_LIBRARY_PATH`. Lists the functions that the program `hedgerow`
//! must not take from libtorch's bindings (see `src/start.rs`).
//!
//! torch-sys publishes the folder it links against as `DEP_TCH_LIBTORCH_LIB` (cargo hands it to the
//! build scripts of direct dependents only, hence hedgerow's own dependency on torch-sys). Without
//! the feature `torch` this script does nothing.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_TORCH").is_none() {
        return;
    }
    if let Some(out) = env::var_os("OUT_DIR").map(PathBuf::from) {
        fs::write(out.join("unused_functions.s"), unused_functions(&out)).expect("OUT_DIR can be written");
    }
    let Some(libraries) = env::var_os("DEP_TCH_LIBTORCH_LIB").map(PathBuf::from) else {
        // Windows: libraries are found through PATH, and torch-sys publishes nothing.
        return;
    };
    // Relative entries first: a checkout moved or copied with its target folder goes on working.
    // Binaries and the C library lie two folders below the checkout, tests and examples three.
    if let Some(inside) = env::var_os("CARGO_MANIFEST_DIR")
        .and_then(|root| libraries.strip_prefix(root).ok().map(Path::to_path_buf))
        && env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux")
    {
        println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../../{}", inside.display());
        println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../../../{}", inside.display());
    }
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", libraries.display());
}

/// Assembly that defines every function of torch-sys's C interface, all at one place where there is
/// nothing. The definitions are weak: they give way if the linker takes the real ones after all.
fn unused_functions(out: &Path) -> String {
    // OUT_DIR is `target/PROFILE/build/hedgerow-HASH/out`; torch-sys has one of its own beside it.
    let packages = out.ancestors().nth(2).and_then(|folder| fs::read_dir(folder).ok());
    let archives = packages.into_iter().flatten().flatten().filter_map(|package| {
        let is_bindings = package.file_name().to_string_lossy().starts_with("torch-sys-");
        is_bindings.then(|| fs::read(package.path().join("out/libtch.a")).ok()).flatten()
    });
    let names: BTreeSet<String> = archives.flat_map(|archive| c_functions(&archive)).collect();
    let mut text = String::from(".text\n");
    for name in names {
        text += &format!(".weak {name}\n.type {name}, %function\n{name}:\n");
    }
    text + ".long 0\n"
}

/// The names of C functions in the index of an archive. The index is its first member: the number
/// of symbols, that many offsets, and the symbols' names, each with a NUL behind it.
fn c_functions(archive: &[u8]) -> Vec<String> {
    const HEADER: usize = 8 + 60;
    let Some(index) = archive.get(HEADER..).filter(|_| archive.starts_with(b"!<arch>\n/ ")) else {
        return Vec::new();
    };
    let Some((count, rest)) = index.split_first_chunk() else { return Vec::new() };
    let count = u32::from_be_bytes(*count) as usize;
    let names = rest.get(4 * count..).unwrap_or_default().split(|&byte| byte == 0).take(count);
    let names = names.filter_map(|name| std::str::from_utf8(name).ok());
    // Names of C++ begin with an underscore, and those of data for exceptions have a dot.
    let is_c = |name: &&str| {
        !name.starts_with('_') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    names.filter(is_c).map(str::to_owned).collect()
}
