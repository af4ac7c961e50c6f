//! A model's chat template: it turns messages into the prompt format that the model was trained on.
//!
//! Templates are Jinja programs that come with the model (`tokenizer_config.json`,
//! `chat_template.jinja`, or `tokenizer.chat_template` of a GGUF file). They are written for the
//! environment of Hugging Face's `apply_chat_template`, and this module provides the same:
//!
//! - `trim_blocks` and `lstrip_blocks`;
//! - the functions `raise_exception` and `strftime_now`;
//! - `tojson` with the arguments of Python's `json.dumps`;
//! - Python's methods on strings, dicts and lists;
//! - `None`, `True` and `False` printed in Python's spelling;
//! - `{% generation %}`, which is ignored.
//!
//! A template is untrusted code. It runs in minijinja, which gives it no files, no network, and a
//! budget of steps.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Output, State, Value};
use serde_json::{Map, Value as Json};

use super::chat_error::ChatTemplateError;
use super::chat_input::{Answer, ChatInput, Message};
use super::chat_json;
use super::chat_list;

/// Largest number of steps of a template, by default.
const STEPS: u64 = 5_000_000;
/// Name of the only template of the environment.
const NAME: &str = "chat template";

/// A compiled chat template. Cheap to clone.
///
/// ```
/// use hedgerow::decode::{ChatInput, ChatTemplate, Message};
///
/// let template = ChatTemplate::new(
///     "{% for m in messages %}<|{{ m.role }}|>{{ m.content | trim }}{{ eos_token }}{% endfor %}\
///      {% if add_generation_prompt %}<|assistant|>{% endif %}",
/// )?;
/// let input = ChatInput::new([Message::new("user", " Hello ")]).variable("eos_token", "</s>");
/// assert_eq!(template.render(&input)?, "<|user|>Hello</s><|assistant|>");
/// # Ok::<(), hedgerow::decode::ChatTemplateError>(())
/// ```
#[derive(Clone)]
pub struct ChatTemplate(Arc<Environment<'static>>);

impl fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChatTemplate")
    }
}

impl ChatTemplate {
    /// Compiles the text of a template.
    ///
    /// # Errors
    /// [`ChatTemplateError::Syntax`] if the text is no valid template.
    pub fn new(source: &str) -> Result<Self, ChatTemplateError> {
        Self::with_steps(source, STEPS)
    }

    /// Compiles the text of a template that may take at most `steps` steps for a prompt. By default
    /// a template may take 5 million, which is a fraction of a second.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_steps(source: &str, steps: u64) -> Result<Self, ChatTemplateError> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_fuel(Some(steps));
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.set_formatter(print);
        environment.add_filter("tojson", chat_json::to_json);
        environment.add_function(chat_list::LIST, chat_list::list);
        environment.add_function("namespace", chat_list::namespace);
        environment.add_function("raise_exception", |reason: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, RAISED).with_source(Raised(reason)))
        });
        environment
            .add_template_owned(NAME, rewritten(source))
            .map_err(|error| ChatTemplateError::Syntax(Box::new(error)))?;
        Ok(Self(Arc::new(environment)))
    }

    /// True if the template reads this variable anywhere. A variable that it does not read changes
    /// nothing.
    ///
    /// ```
    /// use hedgerow::decode::ChatTemplate;
    /// let template = ChatTemplate::new("{% if enable_thinking is defined %}…{% endif %}")?;
    /// assert!(template.reads("enable_thinking") && !template.reads("enable_thoughts"));
    /// # Ok::<(), hedgerow::decode::ChatTemplateError>(())
    /// ```
    pub fn reads(&self, variable: &str) -> bool {
        let template = self.0.get_template(NAME);
        template.is_ok_and(|template| template.undeclared_variables(false).contains(variable))
    }

    /// The prompt for a conversation.
    ///
    /// # Errors
    /// - [`ChatTemplateError::Refused`] if the template itself rejects the conversation, for
    ///   example because roles do not alternate.
    /// - [`ChatTemplateError::Variable`] if `input.variables` sets one of
    ///   [`ChatInput::OWN_VARIABLES`].
    /// - [`ChatTemplateError::Render`] if the template fails or takes more steps than it
    ///   may ([`with_steps`](Self::with_steps)).
    /// - [`ChatTemplateError::Continuation`] if the output is to continue the last message, and the
    ///   template does not render its text.
    pub fn render(&self, input: &ChatInput) -> Result<String, ChatTemplateError> {
        input.check_variables()?;
        let Some((last, earlier)) = input.messages.split_last().filter(|_| input.answer == Answer::Continued)
        else {
            return self.render_messages(input, &input.messages, input.answer == Answer::Opened);
        };
        match last.text() {
            // An answer without text is one that has not begun.
            Some(text) if text.trim().is_empty() => self.render_messages(input, earlier, true),
            Some(text) if !last.has_calls() => {
                let messages = [earlier, &[last.with_text(format!("{text}{MARK} "))]].concat();
                cut_before_mark(self.render_messages(input, &messages, false)?, text)
            }
            // A message with calls cannot go on with text.
            _ => Err(ChatTemplateError::Continuation),
        }
    }

    fn render_messages(
        &self,
        input: &ChatInput,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<String, ChatTemplateError> {
        let mut variables: Vec<(String, Value)> = vec![
            ("messages".to_owned(), messages.iter().map(|m| object(&m.0)).collect()),
            ("add_generation_prompt".to_owned(), Value::from(add_generation_prompt)),
            ("tools".to_owned(), tools(&input.tools)),
            ("documents".to_owned(), Value::from(())),
        ];
        let now = input.now;
        let clock = Value::from_function(move |format: String| {
            let seconds = now.ok_or_else(|| {
                Error::new(ErrorKind::InvalidOperation, "the template asks for the date, and none was given")
            })?;
            strftime(seconds, &format)
        });
        variables.push(("strftime_now".to_owned(), clock));
        variables.extend(input.variables.iter().map(|(name, value)| (name.clone(), jinja(value))));
        let context: Value = variables.into_iter().collect();
        let template = self.0.get_template(NAME).map_err(render_error)?;
        // minijinja 2.24 panics at some slices of slices, such as `messages[::-1][:1:-1][:0]`.
        let rendered = catch_unwind(AssertUnwindSafe(|| template.render(context)));
        rendered.unwrap_or_else(|_| Err(engine_failed())).map_err(render_error)
    }
}

/// The error of a template at which the template engine itself fails.
fn engine_failed() -> Error {
    let what = "the template engine cannot render this template; simplify its slices";
    Error::new(ErrorKind::InvalidOperation, what)
}

/// A text that is appended to the message that the output continues. It marks the end of the
/// message in the rendered prompt. A search for the message itself could find another place: the
/// message `|` also occurs in `<|im_end|>`.
const MARK: &str = "HedgerowContinuesHere";

/// Cuts a prompt before the mark, which follows `text` and precedes a space. A template that
/// removes the space would have removed whitespace at the end of the message as well.
fn cut_before_mark(mut prompt: String, text: &str) -> Result<String, ChatTemplateError> {
    let at = prompt.rfind(MARK).ok_or(ChatTemplateError::Continuation)?;
    let keeps_space = prompt[at + MARK.len()..].starts_with(' ');
    prompt.truncate(at);
    // A template may also change the text itself. For example, some leave out all that stands
    // before `</think>`.
    if !prompt.trim_end().ends_with(text.trim()) {
        return Err(ChatTemplateError::Continuation);
    }
    if !keeps_space {
        let kept = prompt.trim_end().len();
        let whitespace = text.len() - text.trim_end().len();
        prompt.truncate(kept.max(at - whitespace));
    }
    Ok(prompt)
}

fn tools(tools: &[Json]) -> Value {
    match tools {
        [] => Value::from(()),
        tools => tools.iter().map(jinja).collect(),
    }
}

const RAISED: &str = "raise_exception";

/// The error that `raise_exception` raises, with its message.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Raised(String);

fn render_error(error: Error) -> ChatTemplateError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(cause) = source {
        if let Some(Raised(reason)) = cause.downcast_ref() {
            return ChatTemplateError::Refused { reason: reason.clone() };
        }
        source = cause.source();
    }
    ChatTemplateError::Render(Box::new(error))
}

/// Prepares a template for minijinja. Lists that `set` names become [mutable](chat_list). The tags
/// `{% generation %}` and `{% endgeneration %}`, which mark the text that a trainer learns from,
/// become `{% if true %}` and `{% endif %}`.
fn rewritten(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start + 2);
        out.push_str(before);
        let Some(end) = tag.find("%}") else {
            rest = tag;
            break;
        };
        match tag[..end].trim_matches(['-', '+', ' ', '\t', '\n', '\r']) {
            word @ ("generation" | "endgeneration") => {
                let as_if = if word == "generation" { "if true" } else { "endif" };
                out.push_str(&tag[..end].replacen(word, as_if, 1));
            }
            _ => match chat_list::with_mutable_lists(&tag[..end]) {
                Some(changed) => out.push_str(&changed),
                None => out.push_str(&tag[..end]),
            },
        }
        rest = &tag[end..];
    }
    out.push_str(rest);
    out
}

/// Prints a value as Python's `str` does: `None`, `True` and `False`, where minijinja would print
/// `none`, `true` and `false`.
fn print(out: &mut Output<'_>, state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    let written = match value.kind() {
        ValueKind::None => out.write_str("None"),
        ValueKind::Bool => out.write_str(if value.is_true() { "True" } else { "False" }),
        _ => return minijinja::escape_formatter(out, state, value),
    };
    written.map_err(|_| Error::new(ErrorKind::WriteFailure, "the output could not be written"))
}

/// Converts JSON to a minijinja value. Objects keep the order of their keys.
fn jinja(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(value), ..) => Value::from(value),
            (_, Some(value), _) => Value::from(value),
            (.., Some(value)) => Value::from(value),
            _ => Value::from(number.to_string()),
        },
        Json::String(value) => Value::from(value.as_str()),
        Json::Array(items) => items.iter().map(jinja).collect(),
        Json::Object(fields) => object(fields),
    }
}

fn object(fields: &Map<String, Json>) -> Value {
    fields.iter().map(|(name, value)| (name.clone(), jinja(value))).collect()
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Formats a time by the directives of C's `strftime`, in the C locale.
fn strftime(seconds: i64, format: &str) -> Result<String, Error> {
    let days = seconds.div_euclid(86_400);
    let time = seconds.rem_euclid(86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    let month_name = MONTHS[(month - 1) as usize];
    let weekday = WEEKDAYS[(days + 4).rem_euclid(7) as usize];
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let piece = match chars.next() {
            Some('Y') => format!("{year}"),
            Some('y') => format!("{:02}", year.rem_euclid(100)),
            Some('m') => format!("{month:02}"),
            Some('d') => format!("{day:02}"),
            Some('e') => format!("{day:2}"),
            Some('B') => month_name.to_owned(),
            Some('b' | 'h') => month_name[..3].to_owned(),
            Some('A') => weekday.to_owned(),
            Some('a') => weekday[..3].to_owned(),
            Some('H') => format!("{hour:02}"),
            Some('I') => format!("{:02}", (hour + 11) % 12 + 1),
            Some('p') => (if hour < 12 { "AM" } else { "PM" }).to_owned(),
            Some('M') => format!("{minute:02}"),
            Some('S') => format!("{second:02}"),
            Some('F') => format!("{year}-{month:02}-{day:02}"),
            Some('T') => format!("{hour:02}:{minute:02}:{second:02}"),
            Some('j') => format!("{:03}", days - days_before(year) + 1),
            Some('%') => "%".to_owned(),
            other => {
                let directive = other.map_or_else(|| "%".to_owned(), |c| format!("%{c}"));
                let reason = format!("strftime_now does not know `{directive}`");
                return Err(Error::new(ErrorKind::InvalidOperation, reason));
            }
        };
        out.push_str(&piece);
    }
    Ok(out)
}

/// Year, month and day of a number of days since 1970-01-01, in the proleptic Gregorian calendar.
///
/// The computation counts in years that begin in March, so that the leap day comes last, within
/// cycles of 400 years (146,097 days).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let cycle = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + cycle * 400 + i64::from(month <= 2), month, day_of_month)
}

/// Number of days from 1970-01-01 to the first day of a year.
fn days_before(year: i64) -> i64 {
    let past = year - 1;
    past * 365 + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400) - 719_162
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(source: &str, input: ChatInput) -> Result<String, ChatTemplateError> {
        ChatTemplate::new(source)?.render(&input)
    }

    fn conversation() -> ChatInput {
        ChatInput::new([
            Message::new("system", "Be brief."),
            Message::new("user", "Hi <there>"),
            Message::new("assistant", "Hello"),
            Message::new("user", "Bye"),
        ])
    }

    #[test]
    fn chatml() {
        let source = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
        assert_eq!(
            render(source, conversation()).unwrap(),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi <there><|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n\
             <|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n"
        );
        let closed = ChatInput { answer: Answer::None, ..ChatInput::new([Message::new("user", "Bye")]) };
        assert_eq!(
            render(source, closed).unwrap(),
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n"
        );
    }

    /// The template engine may fail at slices of lists that are empty. A prompt or an error comes
    /// of it, and no panic.
    #[test]
    fn slices_of_empty_lists_do_not_panic() {
        for slices in ["[:0][::-1]", "[::-1][:0][::-1][:0]", "[::-1][:1:-1][:0]", "[:0][::-1][80]"] {
            let _ = render(&format!("{{{{ messages{slices} }}}}"), conversation());
        }
        assert_eq!(render("{{ messages[::-1][0].content }}", conversation()).unwrap(), "Bye");
    }

    #[test]
    fn answers_are_continued() {
        let source = "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
        let end = |answer: &str| {
            let messages = json!([
                {"role": "user", "content": "Yes, "},
                {"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": "{\"a\": 1}"}}]},
                {"role": "tool", "content": "7", "name": "f"},
                {"role": "assistant", "content": answer},
            ]);
            let input = ChatInput::from_json(json!({"messages": messages, "tools": null})).unwrap();
            let calls = &input.messages[1].0["tool_calls"];
            assert_eq!(calls[0]["function"]["arguments"], json!({"a": 1}));
            render(source, input).map(|text| text.rsplit_once("<tool>").unwrap().1.to_owned())
        };
        assert_eq!(end("Yes, it is").unwrap(), "7</><assistant>Yes, it is");
        assert_eq!(end(" Yes, ").unwrap(), "7</><assistant>Yes,");
        assert_eq!(end("  ").unwrap(), "7</><assistant>");
        let loud = "{% for m in messages %}{{ m.content | upper }}{% endfor %}";
        let input = ChatInput::from_json(json!([{"role": "assistant", "content": "quiet"}])).unwrap();
        assert!(matches!(render(loud, input), Err(ChatTemplateError::Continuation)));
        for (json, named) in [
            (json!(3), "neither an array nor an object"),
            (json!([]), "no messages"),
            (json!({"messages": {}}), "`messages` is not an array"),
            (json!({"messages": [], "temperature": 1}), "`temperature` is no part of a conversation"),
            (json!([{"content": "x"}]), "must be an object with a `role`"),
        ] {
            let error = ChatInput::from_json(json).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn the_environment_is_the_one_templates_are_written_for() {
        let tool = json!({"args": {"a": {}, "z": [1, 2]}, "big": 3, "html": "<&>'é", "n": 1.5, "name": "f"});
        let input = |tools: Vec<Json>| ChatInput { tools, ..conversation() };
        for (source, expected) in [
            (
                "{{ tools[0] | tojson }}",
                r#"{"args": {"a": {}, "z": [1, 2]}, "big": 3, "html": "<&>'é", "n": 1.5, "name": "f"}"#,
            ),
            ("{{ tools[0].args | tojson(indent=2) }}", "{\n  \"a\": {},\n  \"z\": [\n    1,\n    2\n  ]\n}"),
            (
                "{{ tools[0] | tojson(separators=(',', ':')) }}",
                r#"{"args":{"a":{},"z":[1,2]},"big":3,"html":"<&>'é","n":1.5,"name":"f"}"#,
            ),
            (
                "{{ {'b': {'d': 1, 'c': 'é𝄞\n'}, 'a': []} | tojson(ensure_ascii=true, sort_keys=true) }}",
                r#"{"a": [], "b": {"c": "\u00e9\ud834\udd1e\n", "d": 1}}"#,
            ),
            (
                "{{ [1, {'a': []}] | tojson(indent='\t', separators=(', ', '=')) }}",
                "[\n\t1, \n\t{\n\t\t\"a\"=[]\n\t}\n]",
            ),
            ("{{ {'b': 1, 'a': 'é'} | tojson(true, none, none, true) }}", r#"{"a": "\u00e9", "b": 1}"#),
            ("{{ none }}{{ true }}{{ false }}{{ undefined_thing }}", "NoneTrueFalse"),
            ("{% if true %}\nx\n    {% endif %}\ny\n", "x\ny"),
            ("{{ ' a b '.strip().split(' ')[1].upper() }}", "B"),
            ("{{ 'user'.startswith('us') }}{{ 'abc'.endswith('x') }}", "TrueFalse"),
            ("{% for k, v in tools[0].args.items() %}{{ k }}{% endfor %}", "az"),
            ("{{ messages[-1].content[:2] }}{{ messages | length }}", "By4"),
            (
                "{% set ns = namespace(n=0) %}{% for m in messages %}{% if loop.index0 == 2 %}{% break %}{% endif %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
                "2",
            ),
            (
                "{% for m in messages %}{%- if m.role == 'assistant' -%}\n {% generation %} {{ m.content }}{% endgeneration %}{%- endif %}{% endfor %}",
                " Hello",
            ),
            ("{% macro f(x) %}[{{ x }}]{% endmacro %}{{ f(bos_token) }}", "[<s>]"),
            ("{{ strftime_now('%d %b %Y') }}", "29 Feb 2024"),
            ("{{ messages[0].get('name', 'x') }}{{ 'name' in messages[0] }}", "xFalse"),
            ("{{ messages[0].content is string }}{{ tools is defined }}", "TrueTrue"),
        ] {
            let input = input(vec![tool.clone()]).variable("bos_token", "<s>").now(1_709_164_800);
            assert_eq!(render(source, input).unwrap(), expected, "{source}");
        }
        assert_eq!(render("{{ tools }}{{ tools is none }}", input(vec![])).unwrap(), "NoneTrue");
    }

    #[test]
    fn dates() {
        for (seconds, expected) in [
            (0, "Thursday Thu 1970-01-01 00:00:00 12 AM 001  1"),
            (951_782_399, "Monday Mon 2000-02-28 23:59:59 11 PM 059 28"),
            (951_782_400, "Tuesday Tue 2000-02-29 00:00:00 12 AM 060 29"),
            (1_735_603_200 + 13 * 3600, "Tuesday Tue 2024-12-31 13:00:00 01 PM 366 31"),
            (-1, "Wednesday Wed 1969-12-31 23:59:59 11 PM 365 31"),
            (4_107_542_400, "Monday Mon 2100-03-01 00:00:00 12 AM 060  1"),
        ] {
            assert_eq!(strftime(seconds, "%A %a %F %T %I %p %j %e").unwrap(), expected);
        }
        assert!(strftime(0, "%Q").is_err() && strftime(0, "%").is_err());
        assert_eq!(strftime(0, "%B %b %y %m %d %H:%M:%S %%").unwrap(), "January Jan 70 01 01 00:00:00 %");
    }

    #[test]
    fn errors_say_whose_fault_it_is() {
        let refused = render("{{ raise_exception('roles must alternate') }}", conversation()).unwrap_err();
        assert_eq!(refused.to_string(), "the chat template refuses these messages: roles must alternate");
        let nested =
            render("{% macro f() %}{{ raise_exception('no') }}{% endmacro %}{{ f() }}", conversation());
        assert!(matches!(nested, Err(ChatTemplateError::Refused { reason }) if reason == "no"));
        for unknown in ["{{ 1 | tojson(sort=true) }}", "{{ 1 | tojson(separators=',') }}"] {
            assert!(
                matches!(render(unknown, conversation()), Err(ChatTemplateError::Render(_))),
                "{unknown}"
            );
        }
        assert!(matches!(ChatTemplate::new("{% if %}"), Err(ChatTemplateError::Syntax(_))));
        assert!(matches!(ChatTemplate::new("{% generation"), Err(ChatTemplateError::Syntax(_))));
        let date = render("{{ strftime_now('%Y') }}", conversation()).unwrap_err().to_string();
        assert!(date.contains("asks for the date"), "{date}");
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}";
        assert!(matches!(render(endless, conversation()), Err(ChatTemplateError::Render(_))));
        assert!(Message::from_json(json!({"content": "x"})).is_err());
        let calls =
            |calls: Json| Message::from_json(json!({"role": "user", "content": "x", "tool_calls": calls}));
        assert!(calls(json!(5)).is_err() && calls(json!([])).is_ok() && calls(Json::Null).is_ok());
        let parts = |part: Json| Message::from_json(json!({"role": "user", "content": [part]}));
        assert!(parts(json!({"type": "text", "text": "Hello"})).is_ok());
        assert!(parts(json!({"type": "text"})).is_err());
    }
}
