//! The command with a small random model that the tests write.
//!
//! The model has a tokenizer with a token for each printable ASCII character, the space and the
//! line feed. It ends an output with `&`, token 5. Its outputs are noise, but they follow options
//! and constraints as those of any other model.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::program::{Said, hedgerow};
use super::small_model::{safetensors, tokenizer_json, weights};

/// A chat template that writes the parts of a conversation one after another.
const TEMPLATE: &str = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}\
    {% if tools %}[{{ tools | length }}]{% endif %}{% if tone %}({{ tone }}){% endif %}\
    {% if add_generation_prompt %}<assistant>{% endif %}";

/// The folder of the model, without a chat template.
pub static PLAIN: LazyLock<PathBuf> = LazyLock::new(|| model("plain", &[]));

/// The folder of the model with a chat template.
pub static CHAT: LazyLock<PathBuf> = LazyLock::new(|| {
    model("chat", &[("tokenizer_config.json", json!({"chat_template": TEMPLATE}).to_string())])
});

/// A path in the folder of this program's files.
pub fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generation");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

/// A file with this text.
pub fn file(name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = scratch(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// The folder of a model, with more files in it, or with others in place of the usual ones.
pub fn model(name: &str, files: &[(&str, String)]) -> PathBuf {
    let folder = scratch(name);
    std::fs::create_dir_all(&folder).unwrap();
    let case: Value = serde_json::from_str(include_str!("../data/torch/strategies.json")).unwrap();
    let mut tokenizer = tokenizer_json();
    let vocab = tokenizer["model"]["vocab"].as_object_mut().unwrap();
    vocab.retain(|_, id| id.as_u64().unwrap() < 94);
    vocab.extend([("Ġ".to_owned(), json!(94)), ("Ċ".to_owned(), json!(95)), ("¡".to_owned(), json!(96))]);
    std::fs::write(folder.join("config.json"), case["config"].to_string()).unwrap();
    std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    std::fs::write(folder.join("model.safetensors"), safetensors(&weights(&case["weights"]))).unwrap();
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    folder
}

/// The command with a model, in the folder of test data.
pub fn command(model: &Path, options: &[&str]) -> Command {
    let mut command = hedgerow();
    command.args(["generate", "--threads", "1", "--model"]).arg(model).args(options).stdin(Stdio::null());
    command
}

pub fn run(model: &Path, options: &[&str]) -> Said {
    Said::of(command(model, options).output().unwrap())
}

/// Runs the command with options that have no spaces in them, after the prompt `Hi`.
pub fn hi(model: &Path, options: &str) -> Said {
    let options: Vec<&str> = ["--prompt", "Hi"].into_iter().chain(options.split_whitespace()).collect();
    run(model, &options)
}

/// The notes and warnings among the lines of stderr.
pub fn notes(said: &Said) -> Vec<&str> {
    let is_note = |line: &&str| line.starts_with("note: ") || line.starts_with("warning: ");
    said.stderr.lines().filter(is_note).filter(|line| !line.contains("has no chat template")).collect()
}
