//! Functions that read the files that the command line names: texts, standard input, vocabularies.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::command_error::CommandError;
use hedgerow::vocab::{TokenizerFile, Vocabulary, VocabularyError};

/// Number of bytes of the largest file that is read into memory.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Reads a file's bytes; `-` is standard input, which is read once and then kept. `what` names the
/// file in errors: "schema".
pub(super) fn read(path: &Path, what: &str) -> Result<Vec<u8>, CommandError> {
    static STDIN: OnceLock<Vec<u8>> = OnceLock::new();
    let failed = || CommandError::new(format!("cannot read the {what} `{}`", path.display()));
    let read = |input: &mut dyn Read| {
        let mut bytes = Vec::new();
        let read = input.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|error| failed().because(&error))?;
        match bytes.len() as u64 > MAX_FILE_BYTES {
            true => Err(failed().help("it has more than a gibibyte")),
            false => Ok(bytes),
        }
    };
    if path.as_os_str() != "-" {
        return read(&mut std::fs::File::open(path).map_err(|error| failed().because(&error))?);
    }
    match STDIN.get() {
        Some(bytes) => Ok(bytes.clone()),
        None => {
            let bytes = read(&mut std::io::stdin().lock())?;
            Ok(STDIN.get_or_init(|| bytes).clone())
        }
    }
}

/// Reads a file's text, as [`read`] does.
pub(super) fn read_text(path: &Path, what: &str) -> Result<String, CommandError> {
    String::from_utf8(read(path, what)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        CommandError::new(format!(
            "the {what} `{}` is not UTF-8 text: byte {at} is the first that is not",
            path.display()
        ))
    })
}

/// Reads the text of a file that hedgerow parses. A byte order mark at its beginning, which some
/// editors write, is left out.
pub(super) fn read_source(path: &Path, what: &str) -> Result<String, CommandError> {
    let text = read_text(path, what)?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Finds the tokenizer file of a model's folder. A path that is no folder is returned as it is.
pub(super) fn find_tokenizer_file(path: &Path) -> Result<PathBuf, CommandError> {
    const NAMES: [&str; 3] = ["tokenizer.json", TEKKEN, "tokenizer.model"];
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let found = NAMES.iter().map(|name| path.join(name)).find(|file| file.is_file());
    found.ok_or_else(|| {
        let what = format!("the folder `{}` has no tokenizer", path.display());
        CommandError::new(what).help(match find_gguf_file(path) {
            Some(file) => format!("give the GGUF file in it, `{}`", file.display()),
            None => format!("give the folder of a model, with one of {}, or a GGUF file", NAMES.join(", ")),
        })
    })
}

/// Finds a GGUF file in a folder.
fn find_gguf_file(folder: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    files.filter(|file| file.extension().is_some_and(|extension| extension == "gguf")).min()
}

/// The name of the tokenizer file of Mistral's models.
const TEKKEN: &str = "tekken.json";

/// Reads the vocabulary in a tokenizer file of any kind, or in the folder of a model. The
/// configuration in a folder may name the tokens that end an output.
pub(super) fn read_vocabulary(path: &Path) -> Result<Vocabulary, CommandError> {
    let file = find_tokenizer_file(path)?;
    let vocabulary = parse_vocabulary(&file, &read(&file, "vocabulary")?)?;
    for name in ["generation_config.json", "config.json"] {
        let Ok(bytes) = std::fs::read(path.join(name)) else { continue };
        // A list without members, or `null`, names no token.
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let names_some = json["eos_token_id"].is_number()
            || json["eos_token_id"].as_array().is_some_and(|list| !list.is_empty());
        if names_some {
            return vocabulary.with_eos_from_config(&[&bytes]).map_err(|error| {
                let file = path.join(name);
                CommandError::new(format!("cannot use the end tokens of `{}`", file.display()))
                    .because(&error)
            });
        }
    }
    Ok(vocabulary)
}

/// Parses the vocabulary in the bytes of a tokenizer file of any kind. `path` is the file's path.
pub(super) fn parse_vocabulary(path: &Path, bytes: &[u8]) -> Result<Vocabulary, CommandError> {
    let failed = || CommandError::new(format!("cannot read a vocabulary from `{}`", path.display()));
    // A damaged tekken.json is recognised by its name.
    let is_tekken = path.file_name().is_some_and(|name| name == TEKKEN);
    let read = match TokenizerFile::of(bytes) {
        Some(TokenizerFile::TokenizerJson) if is_tekken => Vocabulary::from_tekken_json(bytes),
        _ => Vocabulary::from_tokenizer_file(bytes),
    };
    read.map_err(|error| match error {
        // The error already lists the supported kinds.
        VocabularyError::UnsupportedTokenizer { .. } => failed().because(&error),
        _ => failed().because(&error).help(format!("what can be read: {}", TokenizerFile::KINDS)),
    })
}

/// The line and the column of a byte, both from 1; columns count characters.
pub(super) fn line_column(text: &str, byte: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..byte.min(text.len())];
    let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
    let start = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    (line, String::from_utf8_lossy(&before[start..]).chars().count() + 1)
}

/// Describes a set of bytes in words: "`a` to `z`, space". At most a dozen parts are named.
pub(super) fn describe_bytes(bytes: &[u8]) -> String {
    const MAX_PARTS: usize = 12;
    let quoted = |b: u8| match b {
        b' ' => "space".to_owned(),
        b'\n' => "line feed".to_owned(),
        b'\r' => "carriage return".to_owned(),
        b'\t' => "tab".to_owned(),
        0x21..=0x7e => format!("`{}`", b as char),
        _ => format!("0x{b:02x}"),
    };
    const WHITESPACE: &[u8] = b"\t\n\r ";
    let mut parts = Vec::new();
    let mut others = bytes.to_vec();
    if WHITESPACE.iter().all(|b| bytes.contains(b)) {
        parts.push("whitespace".to_owned());
        others.retain(|b| !WHITESPACE.contains(b));
    }
    let mut rest = others.as_slice();
    while let Some(&first) = rest.first() {
        // A range joins characters of one kind only: `0`-`9`, but not `9`-`A`.
        let kind = |b: u8| (b.is_ascii_digit(), b.is_ascii_uppercase(), b.is_ascii_lowercase(), b < 0x80);
        let in_run =
            |(at, b): &(usize, &u8)| usize::from(first) + at == usize::from(**b) && kind(**b) == kind(first);
        let run = rest.iter().enumerate().take_while(in_run).count();
        let used = if run >= 3 { run } else { 1 };
        parts.push(match used {
            1 => quoted(first),
            _ => format!("{} to {}", quoted(first), quoted(rest[run - 1])),
        });
        rest = &rest[used..];
    }
    match parts.len() > MAX_PARTS {
        true => format!("{} and {} more", parts[..MAX_PARTS].join(", "), parts.len() - MAX_PARTS),
        false => parts.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_1() {
        let text = "ab\ncé€\n";
        assert_eq!(
            [0, 2, 3, 4, 6, 9, 10, 99].map(|at| line_column(text, at)),
            [(1, 1), (1, 3), (2, 1), (2, 2), (2, 3), (2, 4), (3, 1), (3, 1)]
        );
    }

    #[test]
    fn sets_of_bytes_are_described() {
        let all: Vec<u8> = (0..=255).collect();
        for (bytes, expected) in [
            (b"\"".as_slice(), "`\"`"),
            (b"\t\n ,", "tab, line feed, space, `,`"),
            (b"-0123456789", "`-`, `0` to `9`"),
            (b"789:", "`7` to `9`, `:`"),
            (b"abE", "`a`, `b`, `E`"),
            (b"\t\n\r ,0", "whitespace, `,`, `0`"),
            (b"", ""),
            (b"\xc3\xc4\xc5", "0xc3 to 0xc5"),
        ] {
            assert_eq!(describe_bytes(bytes), expected);
        }
        assert!(describe_bytes(&all).len() < 200);
    }
}
