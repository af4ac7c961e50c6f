//! Tells the linker where libtorch lies, so that binaries, tests, examples and the C library find it
//! when they run, without `LD_LIBRARY_PATH`.
//!
//! torch-sys publishes the folder it links against as `DEP_TCH_LIBTORCH_LIB` (cargo hands it to the
//! build scripts of direct dependents only, hence hedgerow's own dependency on torch-sys). Without the
//! feature `torch` this script does nothing.

use std::env;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_TORCH").is_none() {
        return;
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
