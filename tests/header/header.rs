//! Compares `include/hedgerow.h` with a header that is generated from `src/ffi/`.
//!
//! `HEDGEROW_UPDATE=1 cargo test -p hedgerow-header` writes the header.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The files whose items make up the header, in the header's order, each with the feature that it
/// needs.
const FILES: &[(&str, Feature)] = &[
    ("version", Feature::None),
    ("status", Feature::None),
    ("error", Feature::None),
    ("vocab", Feature::None),
    ("detokenizer", Feature::None),
    ("tokenizer", Feature::Tokenizers),
    ("cancel_flag", Feature::None),
    ("interrupt", Feature::None),
    ("grammar", Feature::None),
    ("schema", Feature::None),
    ("tools", Feature::None),
    ("constraint", Feature::None),
    ("cache", Feature::None),
    ("matcher", Feature::None),
    ("events", Feature::None),
    ("token_fsm", Feature::None),
    ("mask", Feature::None),
    ("sampler_options", Feature::None),
    ("sampler", Feature::None),
    ("sampler_batch", Feature::None),
    ("parameters", Feature::None),
    ("model", Feature::Torch),
    ("generation_options", Feature::Torch),
    ("generation", Feature::Torch),
];

/// Files of `src/ffi/` that declare nothing.
const INTERNAL: &[&str] =
    &["mod", "boundary", "c_names", "enumeration", "objects", "options", "sampler_params"];

#[derive(Clone, Copy, PartialEq)]
enum Feature {
    None,
    Tokenizers,
    Torch,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All files as one source text, each in a module with its feature, so that the header has the
/// order above and the right `#if`s. Nothing outside `src/ffi/` is parsed, because the contents of
/// its types do not matter in C.
fn combined_source() -> String {
    let mut source = String::new();
    let read = |name: &str| {
        let path = root().join(format!("src/ffi/{name}.rs"));
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let objects = read("objects");
    for (name, feature) in FILES {
        let text = read(name);
        let condition = match feature {
            Feature::None => "",
            Feature::Tokenizers => "#[cfg(feature = \"tokenizers\")]\n",
            Feature::Torch => "#[cfg(feature = \"torch\")]\n",
        };
        let functions = functions_of_objects(&objects, &text);
        let text = expand_enumerations(&text);
        writeln!(source, "{condition}mod {name} {{\n{text}\n{functions}\n}}").unwrap();
    }
    source
}

/// The text with each `enumeration! { … }` as the `enum` that C sees. cbindgen does not expand
/// macros.
fn expand_enumerations(text: &str) -> String {
    let mut expanded = String::new();
    let mut inside = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if line == "enumeration! {" {
            inside = true;
        } else if inside && line == "}" {
            inside = false;
        } else if inside && trimmed.starts_with("hr_") {
            let name = trimmed.split(' ').next().unwrap();
            writeln!(expanded, "#[repr(u32)]\npub enum {name} {{").unwrap();
        } else if inside && trimmed.starts_with("HR_") {
            let member = trimmed.split(" => ").next().unwrap().trim_end_matches(',');
            writeln!(expanded, "{member},").unwrap();
        } else {
            writeln!(expanded, "{line}").unwrap();
        }
    }
    expanded
}

/// The functions in the rows of `objects.rs` whose objects the text declares, as C sees them.
fn functions_of_objects(objects: &str, text: &str) -> String {
    let mut functions = String::new();
    let (mut kind, mut comment) = ("", String::new());
    for line in objects.lines() {
        let row = line.trim();
        if let Some(found) = line.strip_suffix("! {") {
            kind = found;
        } else if line == "}" {
            kind = "";
        } else if kind.is_empty() {
            // The head of the file, and the macros themselves.
        } else if row.starts_with("///") {
            writeln!(comment, "{row}").unwrap();
        } else if let Some((function, rest)) = row.strip_suffix(");").and_then(|row| row.split_once('(')) {
            let comment = std::mem::take(&mut comment);
            let (name, rest) = rest.split_once(": ").unwrap();
            let object = rest.split(' ').next().unwrap();
            if !["(", " {"].iter().any(|end| text.contains(&format!("pub struct {object}{end}"))) {
                continue;
            }
            let signature = match kind {
                "clone" => format!(
                    "({name}: *const {object}, out: *mut *mut {object}, error: *mut *mut hr_error) -> hr_status"
                ),
                "share" => format!("({name}: *const {object}) -> *mut {object}"),
                "free" => format!("({name}: *mut {object})"),
                other => panic!("{function} is in a table of the unknown kind {other}"),
            };
            let head = "#[unsafe(no_mangle)]\npub unsafe extern \"C\" fn";
            writeln!(functions, "{comment}{head} {function}{signature} {{}}").unwrap();
        }
    }
    functions
}

/// The generated header. It is made once, because tests that run in parallel would write the same
/// file.
fn generate() -> &'static str {
    static HEADER: OnceLock<String> = OnceLock::new();
    HEADER.get_or_init(make)
}

fn make() -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = folder.join("ffi.rs");
    fs::write(&source, combined_source()).unwrap();
    let config =
        cbindgen::Config::from_file(root().join("cbindgen.toml")).expect("cbindgen.toml is readable");
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(&source)
        .generate()
        .expect("src/ffi/ is parsed");
    let mut header = Vec::new();
    bindings.write(&mut header);
    finish(&String::from_utf8(header).unwrap())
}

/// Adds what cbindgen cannot: the attribute of functions that return a status, and the inline
/// function `hr_…_init` behind each `hr_…_init_sized`.
fn finish(header: &str) -> String {
    let mut finished = String::new();
    let mut lines = header.lines().peekable();
    while let Some(line) = lines.next() {
        // A declaration that is too long for one line has HR_API on a line of its own.
        let rest = match line {
            "HR_API" => lines.peek().copied().unwrap_or_default(),
            line => line.strip_prefix("HR_API ").unwrap_or_default(),
        };
        let attribute = if rest.starts_with("hr_status ") { "HR_NODISCARD " } else { "" };
        writeln!(finished, "{attribute}{line}").unwrap();
        let Some(name) = rest.strip_prefix("void hr_").filter(|rest| rest.contains("_init_sized(")) else {
            continue;
        };
        let mut declaration = format!("hr_{name}");
        if line == "HR_API" {
            writeln!(finished, "{rest}").unwrap();
            lines.next();
        }
        while !declaration.ends_with(';') {
            let line = lines.next().expect("a declaration ends with a semicolon");
            writeln!(finished, "{line}").unwrap();
            declaration.push(' ');
            declaration.push_str(line.trim());
        }
        let kind = declaration.split("_init_sized(").next().unwrap();
        let text = "/**\n * Initialises the struct: sets struct_size, and every other member to its default. NULL is\n \
                    * ignored.\n */\n";
        writeln!(
            finished,
            "\n{text}static inline void {kind}_init(struct {kind} *place) {{\n    \
             {kind}_init_sized(place, sizeof(struct {kind}));\n}}"
        )
        .unwrap();
    }
    finished
}

#[test]
fn the_header_is_up_to_date() {
    let path = root().join("include/hedgerow.h");
    let header = generate();
    if std::env::var_os("HEDGEROW_UPDATE").is_some() {
        fs::write(&path, header).unwrap();
    }
    let checked_in = fs::read_to_string(&path).unwrap_or_default();
    if header != checked_in {
        let line = header.lines().zip(checked_in.lines()).position(|(a, b)| a != b);
        panic!(
            "include/hedgerow.h differs from src/ffi/ (line {:?}); run HEDGEROW_UPDATE=1 cargo test -p hedgerow-header",
            line.map(|n| n + 1)
        );
    }
}

#[test]
fn every_file_of_the_abi_is_declared() {
    let entries = fs::read_dir(root().join("src/ffi")).unwrap();
    for entry in entries {
        let name = entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
        let known = INTERNAL.contains(&name.as_str()) || FILES.iter().any(|(file, _)| *file == name);
        assert!(known, "src/ffi/{name}.rs is in neither FILES nor INTERNAL");
    }
}

#[test]
fn the_header_declares_what_the_library_exports() {
    let header = generate();
    let mut exported: Vec<String> = Vec::new();
    for line in combined_source().lines() {
        let Some((_, rest)) = line.split_once("extern \"C\" fn ") else { continue };
        exported.extend(rest.split(['(', '<']).next().map(str::to_owned));
    }
    assert!(exported.len() > 40, "{exported:?}");
    for name in exported {
        assert!(name.starts_with("hr_"), "{name}");
        assert!(header.contains(&format!("{name}(")), "{name} is not in the header");
    }
}

#[test]
fn the_header_reads_as_plain_c() {
    let header = generate();
    for (number, line) in header.lines().enumerate() {
        let rust =
            ["::", "`", "](", "Option<", "&mut ", "#[", "_number "].iter().find(|mark| line.contains(**mark));
        assert!(rust.is_none(), "line {}: {line}", number + 1);
    }
}
