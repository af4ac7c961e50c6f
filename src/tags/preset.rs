//! Presets: the ways in which families of models write calls, as data.
//!
//! A preset is a JSON file: see `presets/README.md`. It says where calls, reasoning and text begin
//! and end, and how arguments are spelt. The files of `presets/` are part of the library; a program
//! may read further ones with [`Preset::from_json`].

use super::call_template::{CallTemplate, Piece};
use super::error::fault;
use super::fields::{Fields, kind};
use crate::automata::interrupt;
use crate::grammar::CompileError;
use crate::schema::{ArgumentStyle, Elements, StringSpelling, ValueKind, Words};
use crate::syntax::similar;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::{Arc, LazyLock};

/// The way in which a family of models writes calls, reasoning and text.
///
/// ```
/// use hedgerow::tags::Preset;
/// let preset = Preset::named("hermes")?;
/// assert!(preset.models().iter().any(|model| model.contains("Qwen3")));
/// assert!(preset.is_verified());
/// # Ok::<(), hedgerow::CompileError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Preset(Arc<Data>);

/// The content of a preset's file.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Data {
    name: String,
    models: Vec<String>,
    verified: Result<String, String>,
    pub reasoning: Option<ReasoningMarkers>,
    pub text: TextMarkers,
    /// The most line breaks that models write before reasoning, calls without text before them, and
    /// answers with a schema.
    pub line_breaks: u32,
    /// The text that may stand behind the whole answer.
    pub end: Arc<str>,
    pub calls: CallMarkers,
}

/// The texts around reasoning.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct ReasoningMarkers {
    pub begin: Arc<str>,
    pub end: Arc<str>,
    /// The text between the end of reasoning and the answer.
    pub after: Arc<str>,
    /// The text that models may write in place of reasoning.
    pub without: Arc<str>,
}

/// The texts around and in the text of an answer.
#[derive(PartialEq, Eq, Debug, Default)]
pub(super) struct TextMarkers {
    pub begin: Arc<str>,
    pub end: Arc<str>,
    /// True if calls may follow text.
    pub before_calls: bool,
    /// Texts that the answer's text must not contain.
    pub excludes: Vec<Arc<str>>,
}

/// The texts around and in calls.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct CallMarkers {
    /// The text that begins calls wherever it occurs in free text.
    pub trigger: Arc<str>,
    /// The text before the first call and the text after the last one.
    pub section: [Arc<str>; 2],
    /// The text between two calls.
    pub separator: Arc<str>,
    /// The spellings of one call. Chat templates write the first one; models write the others, too.
    pub calls: Vec<CallTemplate>,
    /// A pattern of ids.
    pub id: Option<String>,
    /// The number of the first call.
    pub first_index: u32,
    /// True if one answer may have several calls.
    pub parallel: bool,
    /// The spelling of arguments; `None` for JSON.
    pub arguments: Option<Arc<ArgumentStyle>>,
}

/// A call, as a preset writes it.
#[derive(Clone, PartialEq, Debug)]
pub struct WrittenCall {
    /// The tool's name.
    pub name: String,
    /// The arguments.
    pub arguments: Map<String, Value>,
    /// The call's id, where the format has ids.
    pub id: String,
}

impl WrittenCall {
    /// The arguments as JSON with a space after `,` and `:`.
    pub fn arguments_text(&self) -> String {
        spaced(&Value::Object(self.arguments.clone()), Words::Json)
    }
}

impl Preset {
    /// The presets that are part of the library.
    pub fn all() -> &'static [Preset] {
        &BUILT_IN
    }

    /// The preset of the library with this name.
    ///
    /// # Errors
    ///
    /// There is no such preset. The message names the nearest one.
    pub fn named(name: &str) -> Result<Preset, CompileError> {
        let names = || Preset::all().iter().map(Preset::name);
        match Preset::all().iter().find(|preset| preset.name() == name) {
            Some(preset) => Ok(preset.clone()),
            None => {
                let error = fault("", format!("there is no format of calls named {name:?}"));
                Err(match similar(name, names()) {
                    Some(near) => error.help(format!("did you mean {near:?}?")),
                    None => error.help(format!("there are {}", names().collect::<Vec<_>>().join(", "))),
                })
            }
        }
    }

    /// Reads a preset.
    ///
    /// # Errors
    ///
    /// Text that is no JSON, a field that is missing, unknown or of the wrong kind, and markers
    /// that cannot be told apart.
    pub fn from_json(text: &str) -> Result<Preset, CompileError> {
        let value = super::parse::read(text, "")?;
        read_preset(&value).map(|data| Preset(Arc::new(data)))
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The models that write calls in this way.
    pub fn models(&self) -> &[String] {
        &self.0.models
    }

    /// True if the format was compared with a model's own chat template or with its reference
    /// implementation. Other presets are used only if a caller names them.
    pub fn is_verified(&self) -> bool {
        self.0.verified.is_ok()
    }

    /// The way in which the format was verified, or the reason why it was not.
    pub fn verification(&self) -> &str {
        match &self.0.verified {
            Ok(text) | Err(text) => text,
        }
    }

    /// True if one answer may have several calls.
    pub fn is_parallel(&self) -> bool {
        self.0.calls.parallel
    }

    /// The texts around reasoning, if the models reason.
    pub fn reasoning(&self) -> Option<(&str, &str)> {
        self.0.reasoning.as_ref().map(|markers| (&*markers.begin, &*markers.end))
    }

    pub(super) fn data(&self) -> &Data {
        &self.0
    }

    /// The text of calls, as this format spells them.
    ///
    /// ```
    /// use hedgerow::tags::{Preset, WrittenCall};
    /// let arguments = serde_json::from_str(r#"{"city": "Oslo"}"#)?;
    /// let call = WrittenCall { name: "weather".into(), arguments, id: String::new() };
    /// let text = Preset::named("hermes")?.write(&[call]);
    /// let expected = r#"{"name": "weather", "arguments": {"city": "Oslo"}}"#;
    /// assert_eq!(text, format!("<tool_call>\n{expected}\n</tool_call>"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write(&self, calls: &[WrittenCall]) -> String {
        let markers = &self.0.calls;
        let [before, after] = &markers.section;
        let mut out = before.to_string();
        for (i, call) in calls.iter().enumerate() {
            if i > 0 {
                out.push_str(&markers.separator);
            }
            let arguments = match &markers.arguments {
                None => spaced(&Value::Object(call.arguments.clone()), Words::Json),
                Some(style) if style.is_json() => spaced(&Value::Object(call.arguments.clone()), Words::Json),
                Some(style) => write_arguments(style, None, &call.arguments),
            };
            let index = markers.first_index.saturating_add(i as u32);
            if let Some(template) = markers.calls.first() {
                out.push_str(&template.write(&call.name, &arguments, &call.id, index));
            }
        }
        out.push_str(after);
        out
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Arguments between a style's markers, or an object in them, which is the value of a key.
fn write_arguments(style: &ArgumentStyle, key: Option<&str>, arguments: &Map<String, Value>) -> String {
    let members: Vec<String> = arguments.iter().map(|(key, value)| write_member(style, key, value)).collect();
    let members = members.join(&style.between);
    match (key, &style.elements) {
        (Some(_), Some(_)) => members,
        _ => format!("{}{members}{}", style.open, style.close),
    }
}

fn write_member(style: &ArgumentStyle, key: &str, value: &Value) -> String {
    format!("{}{key}{}{}", style.before_key, style.after_key, write_value(style, key, value))
}

/// A value of arguments, with the texts around it.
fn write_value(style: &ArgumentStyle, key: &str, value: &Value) -> String {
    let (around, text) = match (value, &style.arrays) {
        (Value::Array(items), None) if style.elements.is_some() => {
            let item_key = style.elements.as_ref().map_or("", |elements| &*elements.item_key);
            let items: Vec<String> = items.iter().map(|item| write_member(style, item_key, item)).collect();
            (style.around(ValueKind::Array), items.join(&style.between))
        }
        (Value::Object(members), None) if style.elements.is_some() => {
            (style.around(ValueKind::Object), write_arguments(style, Some(key), members))
        }
        (Value::String(text), _) if style.strings == StringSpelling::Raw => {
            (&style.around_strings, text.clone())
        }
        (Value::String(_), _) => (&style.around_strings, spaced(value, style.words)),
        (Value::Array(values), Some([open, between, close])) => {
            let items: Vec<String> = values.iter().map(|item| write_value(style, "", item)).collect();
            (style.around(ValueKind::Array), format!("{open}{}{close}", items.join(between)))
        }
        (Value::Object(members), Some(_)) => {
            (style.around(ValueKind::Object), write_arguments(style, Some(key), members))
        }
        (Value::Null, _) => (style.around(ValueKind::Null), spaced(value, style.words)),
        (Value::Bool(_), _) => (style.around(ValueKind::Boolean), spaced(value, style.words)),
        (Value::Number(_), _) => (style.around(ValueKind::Number), spaced(value, style.words)),
        (Value::Array(_), _) => (style.around(ValueKind::Array), spaced(value, style.words)),
        (Value::Object(_), _) => (style.around(ValueKind::Object), spaced(value, style.words)),
    };
    let end = format!("{}{}", around[1], style.after_value);
    match &style.elements {
        Some(elements) => format!("{}{text}{end}{key}{}", around[0], elements.after_key),
        None => format!("{}{text}{end}", around[0]),
    }
}

/// JSON with a space after `,` and `:`, as chat templates write it. `words` are the spellings of
/// `null`, `true` and `false`.
fn spaced(value: &Value, words: Words) -> String {
    let [null, no, yes] = match words {
        Words::Json => ["null", "false", "true"],
        Words::Python => ["None", "False", "True"],
    };
    match value {
        Value::Null => null.to_owned(),
        Value::Bool(false) => no.to_owned(),
        Value::Bool(true) => yes.to_owned(),
        Value::Number(_) | Value::String(_) => value.to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| spaced(item, words)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| {
                format!("{}: {}", Value::String(key.clone()), spaced(value, words))
            };
            let members: Vec<String> = members.iter().map(member).collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

fn read_preset(value: &Value) -> Result<Data, CompileError> {
    let mut fields = Fields::of(value, "", "a preset")?;
    let name = fields.need_text("name")?.to_owned();
    let models = fields.texts("models")?.iter().map(|model| model.to_string()).collect();
    let verified = match (fields.text("verified")?, fields.text("unverified")?) {
        (Some(by), None) => Ok(by.to_owned()),
        (None, Some(why)) => Err(why.to_owned()),
        _ => {
            let what = "a preset must say either how it was `verified`, or why it is `unverified`";
            return Err(fault("", what).help("write one of the two fields, with a sentence"));
        }
    };
    let at = fields.at("reasoning");
    let reasoning = match fields.take("reasoning") {
        None => None,
        Some(value) => {
            let mut fields = Fields::of(value, &at, "reasoning")?;
            let (begin, end) = (marker(&mut fields, "begin")?, marker(&mut fields, "end")?);
            let (after, without) = (optional(&mut fields, "after")?, optional(&mut fields, "without")?);
            fields.finish(false)?;
            Some(ReasoningMarkers { begin, end, after, without })
        }
    };
    let at = fields.at("text");
    let text = match fields.take("text") {
        None => TextMarkers { before_calls: true, ..TextMarkers::default() },
        Some(value) => {
            let mut fields = Fields::of(value, &at, "text")?;
            let text = TextMarkers {
                begin: optional(&mut fields, "begin")?,
                end: optional(&mut fields, "end")?,
                before_calls: fields.flag("before_calls", true)?,
                excludes: fields.texts("excludes")?,
            };
            fields.finish(false)?;
            text
        }
    };
    let at = fields.at("calls");
    let calls = read_calls(fields.need("calls")?, &at, text.before_calls && text.begin.is_empty())?;
    let line_breaks = fields.count("line_breaks")?.unwrap_or(2);
    let end = optional(&mut fields, "end")?;
    fields.finish(false)?;
    Ok(Data { name, models, verified, reasoning, text, line_breaks, end, calls })
}

fn read_calls(value: &Value, at: &str, in_text: bool) -> Result<CallMarkers, CompileError> {
    let mut fields = Fields::of(value, at, "calls")?;
    let trigger = marker(&mut fields, "trigger")?;
    let section = match fields.text("section")? {
        None => [Arc::from(""), Arc::from("")],
        Some(section) => match section.split_once("$CALLS") {
            Some((before, after)) => [before.into(), after.into()],
            None => {
                let help = "write $CALLS where the calls stand in it";
                return Err(fault(&fields.at("section"), "the section has no $CALLS").help(help));
            }
        },
    };
    let at_call = fields.at("call");
    let calls: Vec<CallTemplate> = match fields.need("call")? {
        Value::String(text) => vec![CallTemplate::parse(text, &at_call)?],
        Value::Array(_) => {
            let texts = fields.texts("call")?;
            let parse = |(i, text): (usize, &Arc<str>)| CallTemplate::parse(text, &format!("{at_call}/{i}"));
            texts.iter().enumerate().map(parse).collect::<Result<_, _>>()?
        }
        other => {
            let what = format!("`call` must be a string or a list, and not {}", kind(other));
            return Err(fault(&at_call, what));
        }
    };
    if calls.is_empty() {
        return Err(fault(&at_call, "`call` is empty"));
    }
    // Calls that do not follow text need no trigger, but it says what text must not hold.
    for (i, call) in calls.iter().enumerate().take(if in_text { calls.len() } else { 1 }) {
        let lead = format!("{}{}", section[0], call.lead());
        if !lead.starts_with(&*trigger) {
            let pointer = if calls.len() == 1 { at_call.clone() } else { format!("{at_call}/{i}") };
            let what = format!("calls begin with {lead:?}, and not with the trigger {trigger:?}");
            return Err(fault(&pointer, what).help("let `trigger` be the beginning of `section` and `call`"));
        }
    }
    let id = fields.text("id")?.map(str::to_owned);
    if id.is_none() && calls.iter().any(|call| call.has(&Piece::Id)) {
        let what = "a call has an $ID, and `id` is missing";
        return Err(fault(at, what).help("write the pattern of ids as `id`"));
    }
    let at_arguments = fields.at("arguments");
    let arguments = match fields.take("arguments") {
        None => None,
        Some(value) => Some(Arc::new(read_style(value, &at_arguments)?)),
    };
    let markers = CallMarkers {
        trigger,
        section,
        separator: optional(&mut fields, "separator")?,
        calls,
        id,
        first_index: fields.count("first_index")?.unwrap_or(0),
        parallel: fields.flag("parallel", true)?,
        arguments,
    };
    fields.finish(false)?;
    Ok(markers)
}

/// The value of the word that a field holds. The first word is the default.
fn one_of<T: Copy>(
    fields: &mut Fields<'_>,
    name: &'static str,
    values: [(&str, T); 2],
) -> Result<T, CompileError> {
    let [(default, _), (other, _)] = values;
    let given = fields.text(name)?.unwrap_or(default);
    values.into_iter().find(|(word, _)| *word == given).map(|(_, value)| value).ok_or_else(|| {
        fault(&fields.at(name), format!("{name} are {default:?} or {other:?}, and not {given:?}"))
    })
}

fn read_style(value: &Value, at: &str) -> Result<ArgumentStyle, CompileError> {
    let mut fields = Fields::of(value, at, "arguments")?;
    let strings =
        one_of(&mut fields, "strings", [("raw", StringSpelling::Raw), ("json", StringSpelling::Json)])?;
    let words = one_of(&mut fields, "words", [("json", Words::Json), ("python", Words::Python)])?;
    let mut style = ArgumentStyle { strings, words, ..ArgumentStyle::default() };
    style.open = optional(&mut fields, "open")?;
    style.close = optional(&mut fields, "close")?;
    style.between = optional(&mut fields, "between")?;
    style.before_key = optional(&mut fields, "before_key")?;
    style.after_key = optional(&mut fields, "after_key")?;
    style.after_value = optional(&mut fields, "after_value")?;
    style.elements = elements(&mut fields, &mut style.after_value)?;
    style.around_strings = around(&mut fields, "around_strings")?;
    if let Some(given) = fields.take("around_others") {
        let at = fields.at("around_others");
        match given {
            Value::Object(_) => {
                let mut kinds = Fields::of(given, &at, "around_others")?;
                for kind in ValueKind::ALL {
                    if kinds.has(kind.name()) {
                        style.around_kinds.push((kind, around(&mut kinds, kind.name())?));
                    }
                }
                kinds.finish(false)?;
            }
            given => style.around_others = strings_of(given, "around_others", &at)?,
        }
    }
    if let Some(given) = fields.take("arrays") {
        style.arrays = Some(strings_of(given, "arrays", &fields.at("arrays"))?);
    }
    style.special_tokens = fields.flag("special_tokens", false)?;
    style.excludes = fields.texts("excludes")?;
    let pointer = fields.pointer.clone();
    fields.finish(false)?;
    match style.fault() {
        None => Ok(style),
        Some(reason) => Err(fault(&pointer, reason)),
    }
}

/// The repetition of keys at the ends of values, which `$KEY` in `after_value` asks for.
fn elements(fields: &mut Fields<'_>, after_value: &mut Arc<str>) -> Result<Option<Elements>, CompileError> {
    let item_key = fields.text("item_key")?;
    let divided = after_value.split_once("$KEY").map(|(before, after)| (Arc::from(before), Arc::from(after)));
    match (divided, item_key) {
        (None, None) => Ok(None),
        (Some((before, after_key)), Some(item_key)) => {
            *after_value = before;
            Ok(Some(Elements { after_key, item_key: item_key.into() }))
        }
        _ => {
            let what = "`item_key` and $KEY in `after_value` are given without each other";
            Err(fault(&fields.pointer, what).help("write both, or neither"))
        }
    }
}

fn around(fields: &mut Fields<'_>, name: &'static str) -> Result<[Arc<str>; 2], CompileError> {
    let at = fields.at(name);
    fields.take(name).map_or_else(|| Ok(Default::default()), |given| strings_of(given, name, &at))
}

/// A list of `N` strings.
fn strings_of<const N: usize>(
    value: &Value,
    name: &str,
    pointer: &str,
) -> Result<[Arc<str>; N], CompileError> {
    let texts = value.as_array().and_then(|texts| {
        texts.iter().map(|text| text.as_str().map(Arc::from)).collect::<Option<Vec<Arc<str>>>>()
    });
    let texts = texts.and_then(|texts| <[Arc<str>; N]>::try_from(texts).ok());
    texts.ok_or_else(|| fault(pointer, format!("`{name}` must be a list of {N} strings")))
}

fn marker(fields: &mut Fields<'_>, name: &'static str) -> Result<Arc<str>, CompileError> {
    match fields.need_text(name)? {
        "" => Err(fault(&fields.at(name), format!("`{name}` is empty"))),
        text => Ok(text.into()),
    }
}

fn optional(fields: &mut Fields<'_>, name: &'static str) -> Result<Arc<str>, CompileError> {
    Ok(fields.text(name)?.unwrap_or_default().into())
}

macro_rules! files {
    ($($name:literal)*) => {
        [$(include_str!(concat!("../../presets/", $name, ".json"))),*]
    };
}

/// The files of `presets/`.
const FILES: [&str; 41] = files! {
    "apertus"
    "apriel"
    "command_cofl"
    "command_r7b"
    "deepseek_r1"
    "deepseek_v3_1"
    "deepseek_v3_2"
    "deepseek_v4"
    "exaone4"
    "functionary_v3_1"
    "functiongemma"
    "gemma4"
    "gigachat3"
    "gigachat3_0"
    "glm45"
    "glm47"
    "gpt_oss"
    "granite3"
    "hermes"
    "hunyuan3"
    "kimi_k2"
    "kimi_k3"
    "lfm2"
    "llama3_json"
    "llama_pythonic"
    "mimo"
    "minicpm5"
    "minimax_m1"
    "minimax_m2"
    "minimax_m3"
    "mistral"
    "mistral_nemo"
    "mistral_small_3_2"
    "nemotron_nano_v2"
    "phi4_mini"
    "qwen3_coder"
    "reka"
    "seed_oss"
    "solar_open"
    "step3"
    "xlam"
};

static BUILT_IN: LazyLock<Vec<Preset>> = LazyLock::new(|| {
    // A test reads every file, so that none is ever left out here.
    interrupt::suspended(|| FILES.iter().filter_map(|text| Preset::from_json(text).ok()).collect())
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_library_is_read() {
        for text in FILES {
            if let Err(error) = Preset::from_json(text) {
                panic!("{error}: {text}");
            }
        }
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/presets");
        let files = std::fs::read_dir(folder).unwrap().flatten();
        let files = files.filter(|file| file.path().extension().is_some_and(|e| e == "json"));
        for file in files {
            let name = file.path().file_stem().unwrap().to_str().unwrap().to_owned();
            assert!(Preset::named(&name).is_ok(), "presets/{name}.json is not embedded");
        }
    }
}
