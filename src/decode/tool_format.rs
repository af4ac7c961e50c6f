//! Detection of the format in which a model writes tool calls. The model's own chat template
//! renders an answer with calls. The preset that writes the same text is the model's format.
//!
//! The template's source is not searched for key words. If a template does not write calls, or no
//! verified preset writes the same text, no format is detected.

use serde_json::{Map, Value as Json, json};

use super::chat_error::ChatTemplateError;
use super::chat_input::{Answer, ChatInput, Message};
use super::chat_template::ChatTemplate;
use crate::tags::{Preset, WrittenCall};

/// The result of [`ChatTemplate::detect_tool_format`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DetectedFormat {
    /// The preset that writes calls as the template does; `None` if there is none.
    pub preset: Option<Preset>,
    /// The names of further presets whose text is a part of what the template writes.
    pub also: Vec<String>,
    /// The text that the template writes for an answer with calls; empty if it writes none.
    pub written: String,
    /// The reason why the template could not be rendered, if it could not.
    pub fault: Option<String>,
}

/// One trial: an answer with these calls, which the template is asked to render.
struct Trial {
    calls: Vec<WrittenCall>,
    /// True if the arguments are given as JSON in a string, and false if as an object.
    in_string: bool,
}

impl ChatTemplate {
    /// The text that a prompt for `input` has after the last message: the beginning of the
    /// assistant's answer, such as `<|im_start|>assistant\n<think>\n`.
    ///
    /// # Errors
    /// Those of [`render`](Self::render).
    pub fn generation_prompt(&self, input: &ChatInput) -> Result<String, ChatTemplateError> {
        let closed = self.render(&ChatInput { answer: Answer::None, ..input.clone() })?;
        let opened = self.render(&ChatInput { answer: Answer::Opened, ..input.clone() })?;
        Ok(after_common_start(&closed, &opened).to_owned())
    }

    /// The beginning of the answer that a prompt for `input` has: the
    /// [`generation_prompt`](Self::generation_prompt), or the message of the assistant that the
    /// output continues, with all that the template writes before it.
    ///
    /// # Errors
    /// Those of [`render`](Self::render).
    pub fn answer_start(&self, input: &ChatInput) -> Result<String, ChatTemplateError> {
        match (input.answer, input.messages.split_last()) {
            (Answer::None, _) => Ok(String::new()),
            (Answer::Opened, _) | (Answer::Continued, None) => self.generation_prompt(input),
            (Answer::Continued, Some((_, []))) => self.render(input),
            (Answer::Continued, Some((_, earlier))) => {
                let messages = earlier.to_vec();
                let closed = self.render(&ChatInput { messages, answer: Answer::None, ..input.clone() })?;
                Ok(after_common_start(&closed, &self.render(input)?).to_owned())
            }
        }
    }

    /// Finds the verified preset that writes calls exactly as this template does. `variables` are
    /// those of [`ChatInput::variables`], such as `bos_token`.
    ///
    /// ```
    /// use hedgerow::decode::ChatTemplate;
    /// let template = ChatTemplate::new(
    ///     "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% for call in m.tool_calls %}\
    ///      [TOOL_CALLS]{{ call.function.name }}[ARGS]{{ call.function.arguments | tojson }}\
    ///      {% endfor %}{% endfor %}",
    /// )?;
    /// let found = template.detect_tool_format(&Default::default());
    /// assert_eq!(found.preset.map(|preset| preset.name().to_owned()).as_deref(), Some("mistral"));
    /// # Ok::<(), hedgerow::decode::ChatTemplateError>(())
    /// ```
    pub fn detect_tool_format(&self, variables: &Map<String, Json>) -> DetectedFormat {
        let mut found =
            DetectedFormat { preset: None, also: Vec::new(), written: String::new(), fault: None };
        for trial in trials() {
            let written = match self.render_trial(&trial, variables) {
                Ok(written) => written,
                Err(error) => {
                    found.fault.get_or_insert(error.to_string());
                    continue;
                }
            };
            let several = trial.calls.len() > 1;
            let mut fitting: Vec<(usize, &Preset)> = Preset::all()
                .iter()
                .filter(|preset| preset.is_verified() && (preset.is_parallel() || !several))
                .filter_map(|preset| {
                    // Some templates write keys in alphabetical order.
                    let texts = [preset.write(&trial.calls), preset.write(&sorted(&trial.calls))];
                    let found = texts.iter().find(|text| written.contains(text.as_str()))?;
                    Some((found.len(), preset))
                })
                .collect();
            // A shorter text may be only a part of the format that writes the longer one.
            fitting.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
            if let Some((_, preset)) = fitting.first() {
                let also = fitting[1..].iter().map(|(_, preset)| preset.name().to_owned()).collect();
                return DetectedFormat { preset: Some((*preset).clone()), also, written, fault: None };
            }
            if found.written.is_empty() && trial.calls.iter().any(|call| written.contains(&call.name)) {
                found.written = written;
            }
        }
        found
    }

    /// The text that the template adds for an answer with calls.
    fn render_trial(
        &self,
        trial: &Trial,
        variables: &Map<String, Json>,
    ) -> Result<String, ChatTemplateError> {
        let user = Message::new("user", "Hello");
        let calls: Vec<Json> = trial
            .calls
            .iter()
            .map(|call| {
                let arguments = match trial.in_string {
                    true => Json::String(spaced_text(&call.arguments)),
                    false => Json::Object(call.arguments.clone()),
                };
                let function = json!({"name": call.name, "arguments": arguments});
                json!({"id": call.id, "type": "function", "function": function})
            })
            .collect();
        let answer = Message::new("assistant", "").with("tool_calls", calls);
        let input = |messages: Vec<Message>| ChatInput {
            messages,
            answer: Answer::None,
            tools: tools(),
            variables: variables.clone(),
            now: Some(0),
        };
        let whole = self.render(&input(vec![user.clone(), answer]))?;
        // A template may refuse a conversation that ends with the user's message.
        let before = self.render(&input(vec![user])).unwrap_or_default();
        Ok(after_common_start(&before, &whole).to_owned())
    }
}

/// The trials, beginning with the one that tells most formats apart.
fn trials() -> Vec<Trial> {
    let call = |name: &str, arguments: Json, id: &str| WrittenCall {
        name: name.to_owned(),
        arguments: arguments.as_object().cloned().unwrap_or_default(),
        id: id.to_owned(),
    };
    let full = || {
        let arguments = json!({"text": "a \"b\"\nc", "count": 3, "place": {"list": [1, "x"], "none": {}}});
        call("first_tool", arguments, "callaaaa0")
    };
    let flat = || call("first_tool", json!({"text": "a \"b\"\nc", "count": 3}), "callaaaa0");
    let empty = || call("second_tool", json!({}), "callaaaa1");
    let mut trials = Vec::new();
    for in_string in [false, true] {
        for first in [full(), flat()] {
            trials.push(Trial { calls: vec![first.clone(), empty()], in_string });
            trials.push(Trial { calls: vec![first.clone(), first.clone()], in_string });
            trials.push(Trial { calls: vec![first], in_string });
        }
    }
    trials
}

/// The calls with the keys of their arguments in alphabetical order.
fn sorted(calls: &[WrittenCall]) -> Vec<WrittenCall> {
    let mut calls = calls.to_vec();
    calls.iter_mut().for_each(|call| call.arguments.sort_keys());
    calls
}

/// JSON with spaces, as templates that take arguments in a string expect it.
fn spaced_text(arguments: &Map<String, Json>) -> String {
    let call = WrittenCall { name: String::new(), arguments: arguments.clone(), id: String::new() };
    call.arguments_text()
}

/// The tools that the trials call.
fn tools() -> Vec<Json> {
    let tool = |name: &str, properties: Json| {
        json!({"type": "function", "function": {"name": name, "description": name, "parameters":
            {"type": "object", "properties": properties, "required": [], "additionalProperties": false}}})
    };
    let text = json!({"type": "string", "description": "text"});
    let count = json!({"type": "integer", "description": "count"});
    let place = json!({"type": "object", "description": "place", "properties": {}});
    vec![
        tool("first_tool", json!({"text": text, "count": count, "place": place})),
        tool("second_tool", json!({})),
    ]
}

/// The part of `longer` after the beginning that it has in common with `shorter`.
fn after_common_start<'t>(shorter: &str, longer: &'t str) -> &'t str {
    let same = shorter.bytes().zip(longer.bytes()).take_while(|(a, b)| a == b).count();
    let start = (0..=same.min(longer.len())).rev().find(|&at| longer.is_char_boundary(at)).unwrap_or(0);
    &longer[start..]
}
