//! The error that a command reports on the terminal: what went wrong, why, and what to do.

use std::error::Error;
use std::io;
use std::process::ExitCode;

/// The error of a command, with its causes and a remedy.
#[derive(Debug)]
pub(super) struct CommandError {
    /// The sentence that says what went wrong.
    message: String,
    causes: Vec<String>,
    help: Option<String>,
    /// The exit code.
    code: u8,
}

impl CommandError {
    /// Creates the error of a command that has failed: exit code 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), causes: Vec::new(), help: None, code: super::EXIT_NEGATIVE }
    }

    /// Creates the error of a command line that cannot be used: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, ..Self::new(message) }
    }

    /// Adds an error and its sources as causes.
    pub fn because(mut self, error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = with_option_names(&error.to_string());
            // The fault of a whole file has the pointer `#`, which says nothing.
            let text = text.strip_prefix("#: ").map_or(text.clone(), str::to_owned);
            // Leave out a source that the message before it already quotes.
            let said = self.causes.last().unwrap_or(&self.message).contains(&text);
            if !said {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Replaces the sentence that says what went wrong.
    pub fn with_message(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// Adds the remedy.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The sentence that says what went wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The causes in one line: "cannot read `a.json`: no such file".
    pub fn causes_line(&self) -> String {
        self.causes.join(": ")
    }

    /// Writes the error to stderr and returns the exit code.
    pub fn report(&self) -> ExitCode {
        write_stderr!("error: {}", self.message);
        for cause in &self.causes {
            write_stderr!("  cause: {}", cause.replace('\n', "\n    "));
        }
        if let Some(help) = &self.help {
            write_stderr!("  help: {help}");
        }
        ExitCode::from(self.code)
    }
}

/// The text with the command's options in place of the library's: "pass its text with
/// `SchemaOptions::document`" becomes "pass its text with --documents URI=FILE".
pub(super) fn with_option_names(text: &str) -> String {
    const NAMES: &[(&str, &str)] = &[
        ("`SchemaOptions::document`", "--documents URI=FILE"),
        ("with `lark::Options::module`", "as a file with --import-dir DIR"),
        (
            "the prompt has no tokens; give at least one, such as the beginning-of-sequence token",
            "the model's tokenizer makes no tokens of the prompt; give it a text that has some",
        ),
        (
            ", or use a matcher, which finds states as outputs come to them",
            "; `hedgerow generate` needs no such file",
        ),
        ("raise `fuel`", "raise --fuel"),
        ("the option `whitespace`", "the whitespace"),
        ("raise `max_tokens`", "raise --max-tokens"),
        ("`Budget::Cut`", "--budget cut"),
        ("raise `max_states`", "raise --max-states"),
        (
            "ask for contrastive search (`Strategy::Contrastive`)",
            "give --strategy contrastive:CANDIDATES:PENALTY",
        ),
        ("guide the model (`decode::Guided`)", "give --guidance SCALE"),
        ("wrap the model (`decode::Dola`)", "give --dola LAYERS"),
        ("make a constraint of its `regex`", "give it by --regex"),
        ("make a constraint of its `choice`", "give it by --choice"),
        ("make a constraint of its `json`", "give it as a file by --schema"),
        ("make a constraint of its `json_object`", "give {\"type\": \"object\"} as a file by --schema"),
        ("make a constraint of its `grammar`", "give it as a file by --grammar"),
        ("make a constraint of its `structural_tag`", "give it as a file by --structural-tag"),
        ("make a constraint of it and", "give it by --regex, --grammar or another constraint, and"),
        ("suppress the end tokens instead", "give the end tokens to --suppressed-tokens instead"),
        (
            "there is no end token to raise; set end_tokens",
            "no end token is known; name one with --stop-tokens",
        ),
    ];
    let text = NAMES.iter().fold(text.to_owned(), |text, (library, option)| text.replace(library, option));
    // No option raises the limits of the engine.
    match text.split_once("raise `Limits::") {
        Some((before, rest)) => match rest.split_once("` or ") {
            Some((_, remedy)) => format!("{before}{remedy}"),
            None => text,
        },
        None => text,
    }
}

/// Checks the result of a write to stdout. A closed pipe is no error: the command then ends with
/// success.
pub(super) fn check_stdout(result: io::Result<()>) -> Result<StdoutState, CommandError> {
    match result {
        Ok(()) => Ok(StdoutState::Open),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(StdoutState::Closed),
        Err(error) => Err(CommandError::new("cannot write to stdout").because(&error)),
    }
}

/// The state of stdout after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StdoutState {
    Open,
    /// The reader has closed its end of the pipe, as `head` does.
    Closed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedies_are_those_of_the_command() {
        for (text, expected) in [
            ("too many; raise `fuel`", "too many; raise --fuel"),
            (
                "more than 3; raise `Limits::state_threads` or simplify the grammar",
                "more than 3; simplify the grammar",
            ),
            ("raise `Limits::state_threads`", "raise `Limits::state_threads`"),
        ] {
            assert_eq!(with_option_names(text), expected);
        }
    }
}
