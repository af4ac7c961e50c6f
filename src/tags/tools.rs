//! Lists of tools, and the choice among them, in the forms that chat APIs use.

use super::error::fault;
use super::fields::{Fields, kind};
use super::style::of_objects;
use crate::automata::interrupt;
use crate::grammar::CompileError;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

/// A tool that a model may call.
#[derive(Clone, PartialEq, Debug)]
pub struct Tool {
    name: Arc<str>,
    /// The schema of the arguments, as text; `None` for any object.
    schema: Option<Arc<str>>,
    /// False if calls may have other arguments than the schema allows.
    is_strict: bool,
    /// The tool's place in the list.
    pub(super) pointer: Arc<str>,
    /// The place of its schema.
    pub(super) schema_pointer: Arc<str>,
}

impl Tool {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The schema that the arguments of calls satisfy, as JSON. It is an object schema; a tool
    /// without parameters, and one that says `"strict": false`, takes any object.
    pub fn schema(&self) -> &str {
        self.schema.as_deref().filter(|_| self.is_strict).unwrap_or(ANY_OBJECT)
    }

    /// The schema of calls in a format. `only_declared` is true for formats whose objects have only
    /// declared keys: there, arguments cannot be free.
    pub(super) fn schema_of_calls(&self, only_declared: bool) -> Arc<str> {
        let schema = self.schema.as_ref().filter(|_| self.is_strict || only_declared);
        schema.cloned().unwrap_or_else(|| ANY_OBJECT.into())
    }
}

const ANY_OBJECT: &str = r#"{"type":"object"}"#;

/// The tools of one request. No two have the same name.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Tools {
    tools: Vec<Tool>,
    by_name: HashMap<Arc<str>, usize>,
    json: Vec<Value>,
}

/// The most characters of a tool's name.
const LONGEST_NAME: usize = 256;

impl Tools {
    /// Reads a list of tools in the form of OpenAI's chat completions (`function` with
    /// `parameters`), of its responses (`parameters`), of Anthropic (`input_schema`) or of MCP
    /// (`inputSchema`), or an object with such a list under `tools`.
    ///
    /// ```
    /// use hedgerow::tags::Tools;
    /// let tools = Tools::from_json(r#"[
    ///     {"type": "function", "function": {"name": "weather", "parameters": {
    ///         "properties": {"city": {"type": "string"}}, "required": ["city"]}}},
    ///     {"name": "ping", "input_schema": {"type": "object"}}]"#)?;
    /// let names: Vec<&str> = tools.iter().map(|tool| tool.name()).collect();
    /// assert_eq!(names, ["weather", "ping"]);
    /// # Ok::<(), hedgerow::CompileError>(())
    /// ```
    ///
    /// A call has the arguments that the schema declares under `properties` and no others, unless
    /// the schema says something about further ones. Nested objects are as JSON Schema has them.
    ///
    /// # Errors
    ///
    /// Text that is no such list, a name that is empty, too long or used twice or cannot be spelt
    /// in every format of calls, and parameters that are no schema of an object.
    pub fn from_json(text: &str) -> Result<Self, CompileError> {
        Self::from_list(super::parse::read(text, "")?)
    }

    /// Reads a list of tools like [`from_json`](Self::from_json).
    ///
    /// # Errors
    ///
    /// As [`from_json`](Self::from_json).
    pub fn from_value(value: &Value) -> Result<Self, CompileError> {
        Self::from_list(value.clone())
    }

    fn from_list(value: Value) -> Result<Self, CompileError> {
        let (list, pointer) = match value {
            Value::Array(list) => (list, ""),
            Value::Object(mut object) => match object.remove("tools") {
                Some(Value::Array(list)) => (list, "/tools"),
                _ => {
                    let help = "give a list of tools, or an object with the list under `tools`";
                    return Err(fault("", "there is no list `tools` in this object").help(help));
                }
            },
            other => {
                return Err(fault("", format!("tools must be a list, and not {}", kind(&other))));
            }
        };
        let mut tools = Tools::default();
        for (i, value) in list.into_iter().enumerate() {
            interrupt::check()?;
            tools.add(value, &format!("{pointer}/{i}"))?;
        }
        Ok(tools)
    }

    fn add(&mut self, value: Value, pointer: &str) -> Result<(), CompileError> {
        let mut outer = Fields::of(&value, pointer, "a tool")?;
        let (inner, pointer) = match value.get("function") {
            Some(function) => (function, outer.at("function")),
            None => (&value, pointer.to_owned()),
        };
        if let Some(other) = value.get("type").and_then(Value::as_str).filter(|name| *name != "function") {
            // A tool with a schema may have any type that its API gives it.
            if inner.get("name").is_none() || SCHEMAS.iter().all(|name| inner.get(name).is_none()) {
                let what = format!("a tool of the type {other:?} has no parameters that could be enforced");
                return Err(fault(&pointer, what).help("give tools of the type \"function\""));
            }
        }
        let mut fields = Fields::of(inner, &pointer, "a function")?;
        let name = fields.need_text("name")?;
        check_name(name, &fields.at("name"))?;
        // The member belongs into `function`; where it stands beside it, it means the same.
        let is_strict = match inner.get("strict") {
            None | Some(Value::Null) => outer.flag("strict", true)?,
            Some(_) => fields.flag("strict", true)?,
        };
        let mut schema = None;
        let mut schema_pointer: Arc<str> = pointer.as_str().into();
        for field in SCHEMAS {
            let at = fields.at(field);
            if let Some(given) = fields.take(field) {
                schema = Some(object_schema(given, &at)?);
                schema_pointer = at.into();
            }
        }
        let name: Arc<str> = name.into();
        if let Some(&first) = self.by_name.get(&name) {
            let what = format!("two tools are named {name:?}");
            let first = &self.tools[first].pointer;
            return Err(fault(&pointer, what).help(format!("rename one of them; the first is at #{first}")));
        }
        self.by_name.insert(name.clone(), self.tools.len());
        let schema = schema.map(Arc::from);
        self.tools.push(Tool { name, schema, is_strict, pointer: pointer.into(), schema_pointer });
        self.json.push(chat_form(value));
        Ok(())
    }

    /// The tools, in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Tool> {
        self.tools.iter()
    }

    /// The number of tools.
    pub fn len(&self) -> usize {
        self.tools.len()
    }

    /// True if there is no tool.
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// The tool with this name.
    pub fn get(&self, name: &str) -> Option<&Tool> {
        self.by_name.get(name).map(|&i| &self.tools[i])
    }

    /// The tools as chat templates expect them: in the form of OpenAI's chat completions.
    pub fn for_template(&self) -> &[Value] {
        &self.json
    }

    /// Refuses a choice that names an unknown tool.
    ///
    /// # Errors
    ///
    /// The choice names a tool that is not in the list.
    ///
    /// ```
    /// use hedgerow::tags::{ToolChoice, Tools};
    /// let tools = Tools::from_json(r#"[{"name": "ping", "input_schema": {"type": "object"}}]"#)?;
    /// assert!(tools.check_choice(&ToolChoice::Named("ping".to_owned())).is_ok());
    /// assert!(tools.check_choice(&ToolChoice::Named("pong".to_owned())).is_err());
    /// # Ok::<(), hedgerow::CompileError>(())
    /// ```
    pub fn check_choice(&self, choice: &ToolChoice) -> Result<(), CompileError> {
        self.chosen(choice).map(|_| ())
    }

    /// The tools that may be called under a choice.
    pub(super) fn chosen(&self, choice: &ToolChoice) -> Result<Vec<&Tool>, CompileError> {
        let named = |name: &String| {
            self.get(name).ok_or_else(|| {
                let names = self.tools.iter().map(|tool| &*tool.name);
                let error = fault("", format!("the tool choice names {name:?}, which is no tool"));
                match crate::syntax::similar(name, names.clone()) {
                    Some(near) => error.help(format!("did you mean {near:?}?")),
                    None if names.len() == 0 => error.help("there are no tools"),
                    None => {
                        let first: Vec<&str> = names.clone().take(8).collect();
                        let more = if names.len() > first.len() { ", …" } else { "" };
                        error.help(format!("tools are {}{more}", first.join(", ")))
                    }
                }
            })
        };
        match choice {
            ToolChoice::None => Ok(Vec::new()),
            ToolChoice::Once(choice) => self.chosen(choice),
            ToolChoice::Auto | ToolChoice::Required => Ok(self.tools.iter().collect()),
            ToolChoice::Named(name) => Ok(vec![named(name)?]),
            ToolChoice::Allowed { names, .. } => {
                let mut tools: Vec<&Tool> = Vec::with_capacity(names.len());
                let mut seen = std::collections::HashSet::new();
                for name in names {
                    let tool = named(name)?;
                    if seen.insert(name) {
                        tools.push(tool);
                    }
                }
                Ok(tools)
            }
        }
    }
}

/// The fields with a tool's schema, by API.
const SCHEMAS: [&str; 3] = ["parameters", "input_schema", "inputSchema"];

fn check_name(name: &str, pointer: &str) -> Result<(), CompileError> {
    let wrong = |what: String| Err(fault(pointer, what));
    if name.is_empty() {
        return wrong("the name of this tool is empty".to_owned());
    }
    if name.chars().count() > LONGEST_NAME {
        return wrong(format!("the name of this tool has more than {LONGEST_NAME} characters"));
    }
    let bad = |c: &char| c.is_control() || c.is_whitespace() || "\"\\<>[]{}()".contains(*c);
    match name.chars().find(bad) {
        None => Ok(()),
        Some(c) => {
            let what = format!("the name {name:?} has the character {c:?}, which some models cannot write");
            Err(fault(pointer, what).help("name tools by letters, digits, `_`, `-` and `.`"))
        }
    }
}

/// A schema of objects, from a tool's parameters.
fn object_schema(given: &Value, pointer: &str) -> Result<String, CompileError> {
    let declares = given.get("properties").is_some_and(Value::is_object);
    let is_closed = declares && !OPENING.iter().any(|keyword| given.get(keyword).is_some());
    let closed = ("additionalProperties", Value::Bool(false));
    of_objects(given, if is_closed { std::slice::from_ref(&closed) } else { &[] }, pointer)
}

/// Keywords beside `properties` that say something about other keys.
const OPENING: [&str; 15] = [
    "additionalProperties",
    "unevaluatedProperties",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "$ref",
    "$dynamicRef",
    "$recursiveRef",
    "dependentSchemas",
    "dependencies",
];

/// A tool in the form of OpenAI's chat completions.
fn chat_form(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    if members.contains_key("function") {
        return Value::Object(members);
    }
    let mut function = Map::new();
    for (name, field) in members {
        match name.as_str() {
            "type" => {}
            "input_schema" | "inputSchema" => drop(function.insert("parameters".to_owned(), field)),
            _ => drop(function.insert(name, field)),
        }
    }
    let mut tool = Map::new();
    tool.insert("type".to_owned(), Value::from("function"));
    tool.insert("function".to_owned(), Value::Object(function));
    Value::Object(tool)
}

/// The calls that an answer may or must have.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum ToolChoice {
    /// The model calls tools or answers with text.
    #[default]
    Auto,
    /// The model answers with text.
    None,
    /// The model calls at least one tool.
    Required,
    /// The model calls this tool.
    Named(String),
    /// The model calls only tools of a list.
    Allowed {
        /// The tools' names.
        names: Vec<String>,
        /// The model calls at least one of them.
        required: bool,
    },
    /// The calls of another choice, but at most one of them.
    Once(Box<ToolChoice>),
}

impl ToolChoice {
    /// True if the answer has at least one call.
    pub fn is_required(&self) -> bool {
        match self {
            ToolChoice::Required | ToolChoice::Named(_) => true,
            ToolChoice::Allowed { required, .. } => *required,
            ToolChoice::Once(choice) => choice.is_required(),
            ToolChoice::Auto | ToolChoice::None => false,
        }
    }

    /// True if the answer has at most one call.
    pub fn is_single(&self) -> bool {
        matches!(self, ToolChoice::Once(_))
    }

    /// Reads the `tool_choice` of a request: a word such as `"auto"`, or an object of OpenAI's or
    /// Anthropic's API that names tools. `disable_parallel_tool_use` makes it a choice of one call.
    ///
    /// ```
    /// use hedgerow::tags::ToolChoice;
    /// let json = serde_json::from_str(r#"{"type": "function", "function": {"name": "ping"}}"#)?;
    /// assert_eq!(ToolChoice::from_value(&json)?, ToolChoice::Named("ping".to_owned()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Any other value.
    pub fn from_value(value: &Value) -> Result<Self, CompileError> {
        match value {
            Value::Null => return Ok(ToolChoice::Auto),
            Value::String(word) => {
                return Self::of_word(word).ok_or_else(|| {
                    fault("", format!("there is no tool choice {word:?}"))
                        .help("choices are \"auto\", \"none\", \"required\", and objects that name a tool")
                });
            }
            _ => {}
        }
        let mut fields = Fields::of(value, "", "a tool choice")?;
        let word = fields.need_text("type")?;
        let choice = match word {
            "function" | "tool" => ToolChoice::Named(named_tool(&mut fields)?),
            "allowed_tools" => match fields.take("allowed_tools") {
                None => allowed_tools(&mut fields)?,
                Some(inner) => {
                    let mut inner = Fields::of(inner, "/allowed_tools", "the allowed tools")?;
                    let choice = allowed_tools(&mut inner)?;
                    inner.finish(false)?;
                    choice
                }
            },
            word => Self::of_word(word)
                .ok_or_else(|| fault("/type", format!("there is no tool choice of type {word:?}")))?,
        };
        let is_single = fields.flag("disable_parallel_tool_use", false)?;
        fields.finish(false)?;
        Ok(match is_single {
            true => ToolChoice::Once(Box::new(choice)),
            false => choice,
        })
    }

    fn of_word(word: &str) -> Option<Self> {
        match word {
            "auto" => Some(ToolChoice::Auto),
            "none" => Some(ToolChoice::None),
            "required" | "any" => Some(ToolChoice::Required),
            _ => None,
        }
    }
}

/// The name in an object that names a tool: in `name`, or in `name` under `function`.
fn named_tool(fields: &mut Fields<'_>) -> Result<String, CompileError> {
    let at = fields.at("function");
    let name = fields.text("name")?;
    let name = match fields.take("function") {
        None => name,
        Some(function) => {
            let mut function = Fields::of(function, &at, "a function")?;
            let name = function.text("name")?;
            function.finish(false)?;
            name
        }
    };
    name.map(str::to_owned).ok_or_else(|| fault(&fields.pointer, "this does not name a tool"))
}

fn allowed_tools(fields: &mut Fields<'_>) -> Result<ToolChoice, CompileError> {
    let required = match fields.text("mode")? {
        None | Some("auto") => false,
        Some("required") => true,
        Some(other) => {
            let error = fault(&fields.at("mode"), format!("there is no mode {other:?}"));
            return Err(error.help("modes are \"auto\" and \"required\""));
        }
    };
    let at = fields.at("tools");
    let mut names = Vec::new();
    for (i, tool) in fields.need_list("tools")?.iter().enumerate() {
        let mut tool = Fields::of(tool, &format!("{at}/{i}"), "an allowed tool")?;
        tool.text("type")?;
        names.push(named_tool(&mut tool)?);
        tool.finish(false)?;
    }
    Ok(ToolChoice::Allowed { names, required })
}

impl FromStr for ToolChoice {
    type Err = CompileError;

    /// `auto`, `none`, `required`, a tool's name, or a choice as JSON.
    fn from_str(text: &str) -> Result<Self, CompileError> {
        match text.trim_start().starts_with('{') {
            true => Self::from_value(&super::parse::read(text, "")?),
            false => Ok(match text {
                "any" => ToolChoice::Named(text.to_owned()),
                text => Self::of_word(text).unwrap_or_else(|| ToolChoice::Named(text.to_owned())),
            }),
        }
    }
}
