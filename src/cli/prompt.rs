//! The options for the input of the model: a text, or a conversation.

use std::path::PathBuf;

use serde_json::Value;

use super::command_error::CommandError;
use super::input;
use hedgerow::decode::{Answer, ChatInput, ChatTemplate, Message, Prompt};

/// The input of the model.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("input").args(["prompt", "messages"]).required(true))]
pub(super) struct PromptArgs {
    /// A message to the model (`-` reads standard input, without a line feed at its end)
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// A conversation in JSON: an array of messages, or an object with `messages` and `tools`,
    /// which count as --tools; an assistant's message at its end is continued (`-` reads standard
    /// input)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["raw", "system"])]
    messages: Option<PathBuf>,
    /// The system message, in place of the template's own
    #[arg(long, value_name = "TEXT", conflicts_with = "raw")]
    system: Option<String>,
    /// A variable of the chat template, such as `enable_thinking=false` (repeat the option for
    /// others)
    #[arg(long, value_name = "NAME=JSON", value_parser = parse_variable, conflicts_with = "raw")]
    template_variables: Vec<(String, Value)>,
    /// Continue the prompt as it is, without the chat template
    #[arg(long)]
    raw: bool,
    /// Let the output cut the end of the prompt into other tokens (token healing), for a prompt
    /// that ends within a word
    #[arg(long, conflicts_with = "guidance")]
    pub healing: bool,
}

/// Parses the value of `--template-variables`.
fn parse_variable(text: &str) -> Result<(String, Value), String> {
    let (name, json) = text.split_once('=').ok_or("expected NAME=JSON, such as enable_thinking=false")?;
    if ChatInput::OWN_VARIABLES.contains(&name) {
        return Err(format!("`{name}` follows from the prompt and from other options"));
    }
    match serde_json::from_str(json) {
        Ok(value) if !name.is_empty() => Ok((name.to_owned(), value)),
        Ok(_) => Err("there is no name before the `=`".to_owned()),
        Err(_) => Err(format!("`{json}` is not JSON; a text stands in quotes: {name}='\"{json}\"'")),
    }
}

impl PromptArgs {
    /// True if the input is a conversation in a file, which may have tools of its own.
    pub fn is_conversation(&self) -> bool {
        self.messages.is_some()
    }

    /// Refuses a prompt that a model without a chat template cannot read, and variables of a
    /// template that it does not have.
    pub fn check_without_template(&self, prompt: &Prompt) -> Result<(), CommandError> {
        if !needs_no_template(prompt) {
            let what = "this model has no chat template, which --system, --messages and --tools need";
            return Err(CommandError::usage(what)
                .help("give the whole prompt as one text with --prompt; with --tools, add --raw"));
        }
        let in_file = matches!(prompt, Prompt::Chat(input) if !input.variables.is_empty());
        let given = match (self.template_variables.is_empty(), in_file) {
            (false, _) => "--template-variables has",
            (true, true) => "the chat_template_kwargs of --messages have",
            (true, false) => return Ok(()),
        };
        let what = format!("{given} no effect on this model, which has no chat template");
        Err(CommandError::usage(what).help("leave them out"))
    }

    /// Notes on the parts of a conversation that a chat template leaves out: variables, messages,
    /// tools, and whitespace around a continued message. `prompt` is the rendered conversation.
    pub fn notes_on_template(&self, input: &ChatInput, template: &ChatTemplate, prompt: &str) -> Vec<String> {
        let unread = input.variables.keys().filter(|name| !template.reads(name));
        let unread = unread.map(|name| {
            let option = self.template_variables.iter().any(|(given, _)| given == name);
            let of = if option { "--template-variables" } else { "chat_template_kwargs" };
            format!("`{name}` of {of} changes nothing: the model's chat template does not read it")
        });
        // Templates may change a text, so a message counts as left out if the prompt is the same
        // without it.
        let is_left_out = |(at, message): &(usize, &Message)| {
            let text = message.text().unwrap_or_default().trim();
            if text.is_empty() || prompt.contains(text) {
                return false;
            }
            let mut others = input.clone();
            others.messages.remove(*at);
            template.render(&others).is_ok_and(|without| without == prompt)
        };
        let messages = input.messages.iter().enumerate().filter(is_left_out);
        let left_out = messages.map(|(at, message)| {
            let (number, role) = (at + 1, message.role());
            format!("the model's chat template leaves out message {number}, of the role `{role}`")
        });
        let tools = (!input.tools.is_empty() && !template.reads("tools"))
            .then(|| "the model's chat template does not show the tools to the model".to_owned());
        let is_cut = |last: &Message| last.text().is_some_and(|text| !prompt.ends_with(text));
        let is_continued = input.answer == Answer::Continued;
        let cut = (is_continued && input.messages.last().is_some_and(is_cut)).then(|| {
            "the model's chat template removes whitespace around the message that is continued".to_owned()
        });
        unread.chain(left_out).chain(tools).chain(cut).collect()
    }

    /// Refuses token healing of a prompt that ends with the chat template's own text.
    pub fn check_healing(&self, prompt: &Prompt) -> Result<(), CommandError> {
        match prompt {
            Prompt::Chat(input) if self.healing && input.answer == Answer::Opened => {
                let what =
                    "--healing has no effect on this prompt, which ends with the chat template's own text";
                Err(CommandError::usage(what)
                    .help("give --raw, or a conversation that ends with the assistant's message"))
            }
            _ => Ok(()),
        }
    }

    /// Reads the prompt, which is turned into tokens once the model is loaded.
    pub fn load(&self) -> Result<Prompt, CommandError> {
        let names = self.template_variables.iter().map(|(name, _)| name);
        if let Some((_, name)) = names
            .enumerate()
            .find(|(at, name)| self.template_variables[..*at].iter().any(|(earlier, _)| earlier == *name))
        {
            return Err(CommandError::usage(format!("--template-variables gives `{name}` twice"))
                .help("a variable has one value; several may be one list: NAME='[1, 2]'"));
        }
        let Some(path) = &self.messages else {
            return self.make_prompt(self.prompt.as_deref().unwrap_or_default(), "prompt");
        };
        let text = input::read_source(path, "conversation")?;
        let unusable = || CommandError::new(format!("cannot use the conversation `{}`", path.display()));
        let json = serde_json::from_str(&text).map_err(|error| {
            unusable().because(&error).help(
                "it is JSON, such as [{\"role\": \"user\", \"content\": \"Hello\"}]; --prompt takes a plain text",
            )
        })?;
        let input = ChatInput::from_json(json).map_err(|error| unusable().because(&error))?;
        Ok(Prompt::Chat(self.with_variables(input)))
    }

    /// Makes a prompt of one text, under the options for the text of `--prompt`. `what` names the
    /// text in errors.
    pub fn make_prompt(&self, text: &str, what: &str) -> Result<Prompt, CommandError> {
        let text = match text {
            "-" => {
                let text = input::read_text("-".as_ref(), what)?;
                text.strip_suffix('\n').map_or(text.clone(), str::to_owned)
            }
            text => text.to_owned(),
        };
        if self.raw {
            return Ok(Prompt::Text(text));
        }
        let system = self.system.iter().map(|system| Message::new("system", system));
        let input = ChatInput::new(system.chain([Message::new("user", text)]));
        Ok(Prompt::Chat(self.with_variables(input)))
    }

    /// Sets the variables of the command line and the time of day.
    fn with_variables(&self, mut input: ChatInput) -> ChatInput {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        input.now = now.ok().and_then(|now| i64::try_from(now.as_secs()).ok());
        self.template_variables
            .iter()
            .fold(input, |input, (name, value)| input.variable(name.clone(), value.clone()))
    }
}

/// True if a model without a chat template can read all of the prompt: it is a plain text, or one
/// message of the user without tools and without the beginning of an answer.
pub(super) fn needs_no_template(prompt: &Prompt) -> bool {
    match prompt {
        Prompt::Chat(input) => {
            let is_text = |message: &Message| message.role() == "user" && message.text().is_some();
            let one = input.messages.len() == 1 && input.messages.iter().all(is_text);
            one && input.tools.is_empty() && input.answer == Answer::Opened
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn variables_are_read() {
        for (text, expected) in [
            ("a=1", Some(("a", json!(1)))),
            ("enable_thinking=false", Some(("enable_thinking", json!(false)))),
            ("date_string=\"1 May\"", Some(("date_string", json!("1 May")))),
            ("list=[1, 2]", Some(("list", json!([1, 2])))),
            ("a=b", None),
            ("a", None),
            ("=1", None),
            ("messages=[]", None),
            ("add_generation_prompt=false", None),
        ] {
            let expected = expected.map(|(name, value)| (name.to_owned(), value));
            assert_eq!(parse_variable(text).ok(), expected, "{text}");
        }
    }
}
