//! Grammars: descriptions of what outputs may be, compiled when they are first needed.
//!
//! A `Grammar` of Python is a value: the text, its notation and the options. It can be compared,
//! hashed, pickled and used as a key of a cache, none of which needs the compiled form. That is
//! made once, by whoever asks first.

use super::call::long;
use super::error::CallError;
use super::interrupt::{CancelFlag, until};
use super::schema_options::{SchemaArguments, choose, policy};
use super::token::Whole;
use hedgerow::Grammar as Inner;
use hedgerow::engine::Interrupt;
use hedgerow::schema::{self, SchemaWarning};
use hedgerow::syntax::regex::{self, Dialect};
use hedgerow::syntax::{Notation, choice, lark};
use hedgerow::tags::{self, Preset, Reasoning, TagOptions, ToolChoice, ToolOptions, Tools};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyDict, PyString};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

const REASONING: &[(&str, Reasoning)] =
    &[("as-prompt", Reasoning::AsPrompt), ("forbid", Reasoning::Forbid), ("require", Reasoning::Require)];

/// The description of a grammar, from which it is compiled when it is needed.
#[derive(Clone, PartialEq, Eq, Hash)]
enum GrammarSource {
    JsonSchema { text: String, arguments: Box<SchemaArguments> },
    StructuralTag { text: String, arguments: Box<SchemaArguments> },
    Tools { text: String, arguments: Box<ToolArguments> },
    Regex { pattern: String, dialect: String },
    Choice { choices: Vec<String> },
    Gbnf { text: String },
    Ebnf { text: String },
    Lark { text: String, start: Option<String>, modules: BTreeMap<String, String> },
}

/// The choices of `Grammar.tools` as they were given.
#[derive(Clone, PartialEq, Eq, Hash)]
struct ToolArguments {
    format: String,
    tool_choice: String,
    max_calls: u32,
    reasoning: String,
    prompt_end: String,
    response: Option<String>,
}

impl ToolArguments {
    fn preset(&self) -> Result<Preset, CallError> {
        Ok(match self.format.trim_start().starts_with('{') {
            true => Preset::from_json(&self.format)?,
            false => Preset::named(&self.format)?,
        })
    }

    fn options(&self) -> Result<ToolOptions, CallError> {
        let choice: ToolChoice = self.tool_choice.parse()?;
        let mut options = ToolOptions::default()
            .choice(choice)
            .calls(self.max_calls)
            .reasoning(choose("reasoning", &self.reasoning, REASONING)?)
            .prompt_end(self.prompt_end.as_str());
        options.response = self.response.clone();
        Ok(options)
    }
}

/// A grammar and what there is to say about it.
struct Compiled {
    grammar: Inner,
    warnings: Vec<SchemaWarning>,
}

impl GrammarSource {
    fn compile(&self) -> Result<Compiled, CallError> {
        let plain = |grammar| Compiled { grammar, warnings: Vec::new() };
        Ok(match self {
            GrammarSource::JsonSchema { text, arguments } => {
                let compiled = schema::compile_with_warnings(text, &arguments.options()?);
                let (grammar, warnings) = compiled.map_err(|error| {
                    let option = format!("`{}`", arguments.whitespace_option());
                    CallError::from_option(error, "`whitespace`", &option)
                })?;
                Compiled { grammar, warnings }
            }
            GrammarSource::StructuralTag { text, arguments } => {
                let options = TagOptions::default().schema(arguments.options()?);
                let (grammar, warnings) = tags::compile_with_warnings(&tags::parse(text)?, &options)?;
                Compiled { grammar, warnings }
            }
            GrammarSource::Tools { text, arguments } => {
                let tools = Tools::from_json(text)?;
                let (grammar, warnings) =
                    tools.grammar_with_warnings(&arguments.preset()?, &arguments.options()?)?;
                Compiled { grammar, warnings }
            }
            GrammarSource::Regex { pattern, dialect } => {
                plain(regex::compile(pattern, policy::<Dialect>("dialect", dialect)?)?)
            }
            GrammarSource::Choice { choices } => plain(choice::compile(choices)?),
            GrammarSource::Gbnf { text } => plain(Notation::Gbnf.compile(text)?),
            GrammarSource::Ebnf { text } => plain(Notation::Ebnf.compile(text)?),
            GrammarSource::Lark { text, start, modules } => {
                let mut options = lark::Options::default();
                if let Some(start) = start {
                    options = options.start(start);
                }
                for (name, text) in modules {
                    options = options.module(name, text);
                }
                let (grammar, warnings) = lark::compile_with_warnings(text, &options)?;
                Compiled { grammar, warnings }
            }
        })
    }

    fn kind(&self) -> &'static str {
        match self {
            GrammarSource::JsonSchema { .. } => "json_schema",
            GrammarSource::StructuralTag { .. } => "structural_tag",
            GrammarSource::Tools { .. } => "tools",
            GrammarSource::Regex { .. } => "regex",
            GrammarSource::Choice { .. } => "choice",
            GrammarSource::Gbnf { .. } => "gbnf",
            GrammarSource::Ebnf { .. } => "ebnf",
            GrammarSource::Lark { .. } => "lark",
        }
    }
}

/// A description of what outputs may be: a JSON Schema, a regular expression, choices, or rules.
///
/// It is a value: equal descriptions are equal, and can be keys and be pickled. Faults of the text
/// are found when it is compiled: by `check`, by `compile`, or by whatever needs it first.
#[pyclass(frozen, weakref, module = "hedgerow")]
#[derive(Clone)]
pub struct Grammar {
    source: GrammarSource,
    compiled: Arc<OnceLock<Compiled>>,
}

#[pymethods]
impl Grammar {
    /// Outputs are JSON texts that satisfy a JSON Schema: text, a dict or bool, or a type (a
    /// pydantic model or `TypeAdapter`, a dataclass, `TypedDict`, `Enum`, `Literal`,
    /// `msgspec.Struct`, or any annotation that pydantic or msgspec reads).
    ///
    /// Options, the default first:
    ///
    /// - `key_order`: "declared" or "any".
    /// - Of these four at most one. `whitespace`: "flexible" (up to 64 bytes wherever JSON allows
    ///   it), "unlimited" or "compact" (none). `separators`: the texts between items and behind
    ///   keys, as in `json.dumps`. `indent`: spaces a level. `whitespace_pattern`: a regular
    ///   expression.
    /// - `additional_properties`: "as-schema", or "forbid" keys that nothing names.
    /// - `escapes` in strings: "free-strings" (any but in declared keys and constants), "any",
    ///   "minimal" or "no-unicode".
    /// - `unique_keys`: "enforced" or "ignored".
    /// - `numbers`: "canonical" or "json" (`1.0` is an integer, too).
    /// - `format` and `content_encoding`: "assert" or "annotate" (without effect).
    /// - `unknown_format`: "warn" or "refuse".
    /// - `strictness`: "strict", or "lenient" (what cannot be enforced is dropped with a warning).
    /// - `default_draft` of schemas without `$schema`: "unspecified", "4", "6", "7", "2019-09",
    ///   "2020-12".
    /// - `documents`: schemas that `$ref` may name, by URI.
    /// - `fuel`: steps that combining the schema's parts may take.
    /// - `surrounding_whitespace`: False or True, around the whole text.
    /// - `max_string_length`, `max_items`, `max_digits`: caps on what the schema leaves open, or
    ///   None.
    ///
    /// docs/json-schema.md in the repository tells of each.
    #[staticmethod]
    #[pyo3(
        signature = (schema, **options),
        text_signature = "(schema, *, key_order='declared', whitespace='flexible', separators=None, indent=None, \
            whitespace_pattern=None, additional_properties='as-schema', escapes='free-strings', \
            unique_keys='enforced', numbers='canonical', format='assert', content_encoding='assert', \
            unknown_format='warn', strictness='strict', default_draft='unspecified', documents=None, fuel=250000, \
            surrounding_whitespace=False, max_string_length=None, max_items=None, max_digits=None)"
    )]
    fn json_schema(
        py: Python<'_>,
        schema: &Bound<'_, PyAny>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let text = py.import("hedgerow._schema")?.getattr("to_text")?.call1((schema,))?.extract()?;
        let arguments = checked(py, options)?;
        Ok(Self::of_source(GrammarSource::JsonSchema { text, arguments }))
    }

    /// Outputs are those of a structural tag: free text with schemas, patterns and grammars between
    /// markers. It is JSON text or a dict, in the form of XGrammar, vLLM and SGLang; docs/tools.md
    /// tells of it. The options are those of `json_schema`, for all schemas in the tag.
    #[staticmethod]
    #[pyo3(signature = (tag, **options))]
    fn structural_tag(
        py: Python<'_>,
        tag: &Bound<'_, PyAny>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let text = py.import("hedgerow._schema")?.getattr("tag_to_text")?.call1((tag,))?.extract()?;
        let arguments = checked(py, options)?;
        Ok(Self::of_source(GrammarSource::StructuralTag { text, arguments }))
    }

    /// Outputs are replies that may call tools. `tools` is a list of tools, as chat APIs take it:
    /// JSON text, or lists and dicts. `format` is the name of a format of calls such as "hermes",
    /// or a format as JSON text; docs/tools.md lists them.
    ///
    /// `tool_choice` is "auto", "none", "required", a tool's name, or a choice as chat APIs take
    /// it. `reasoning` is "as-prompt", "forbid" or "require". `prompt_end` is the text that the
    /// prompt has behind the header of the answer. An answer that is no call satisfies
    /// `response_schema`, if there is one.
    #[staticmethod]
    #[pyo3(
        signature = (
            tools, format, *, tool_choice=None, max_calls=None, reasoning="as-prompt", prompt_end="",
            response_schema=None
        ),
        text_signature = "(tools, format, *, tool_choice=None, max_calls=32, reasoning='as-prompt', prompt_end='', response_schema=None)"
    )]
    #[allow(clippy::too_many_arguments)]
    fn tools(
        py: Python<'_>,
        tools: &Bound<'_, PyAny>,
        format: String,
        tool_choice: Option<&Bound<'_, PyAny>>,
        max_calls: Option<Whole<'_>>,
        reasoning: &str,
        prompt_end: &str,
        response_schema: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let to_text = py.import("hedgerow._schema")?.getattr("to_text")?;
        let tool_choice = match tool_choice {
            None => "auto".to_owned(),
            Some(word) if word.cast::<PyString>().is_ok() => word.extract()?,
            Some(choice) => to_text.call1((choice,))?.extract()?,
        };
        let text_of = |value: &Bound<'_, PyAny>| to_text.call1((value,))?.extract::<String>();
        let text = py.import("hedgerow._schema")?.getattr("tools_to_text")?.call1((tools,))?.extract()?;
        let arguments = Box::new(ToolArguments {
            format,
            tool_choice,
            max_calls: max_calls.map_or(Ok(32), |most| most.within("max_calls", u32::MAX.into()))? as u32,
            reasoning: reasoning.to_owned(),
            prompt_end: prompt_end.to_owned(),
            response: response_schema.map(text_of).transpose()?,
        });
        arguments.options().map_err(|failure| failure.raise(py))?;
        Ok(Self::of_source(GrammarSource::Tools { text, arguments }))
    }

    /// Outputs are what a regular expression matches from the first character to the last.
    ///
    /// `dialect` is "ecma" (JavaScript's, which JSON Schema uses) or "rust" (the regex crate's).
    #[staticmethod]
    #[pyo3(signature = (pattern, *, dialect="ecma"))]
    fn regex(py: Python<'_>, pattern: String, dialect: &str) -> PyResult<Self> {
        policy::<Dialect>("dialect", dialect).map_err(|failure| failure.raise(py))?;
        Ok(Self::of_source(GrammarSource::Regex { pattern, dialect: dialect.to_owned() }))
    }

    /// The output is one of the given strings.
    #[staticmethod]
    fn choice(choices: &Bound<'_, PyAny>) -> PyResult<Self> {
        if choices.cast::<PyString>().is_ok() {
            return Err(PyTypeError::new_err("choices are several strings, not one"));
        }
        let text = |choice: Bound<'_, PyAny>| {
            choice.extract::<String>().map_err(|error| match choice.cast::<PyString>() {
                Ok(_) => error,
                Err(_) => PyTypeError::new_err(format!(
                    "a choice is a str, not {}; Grammar.json_schema takes {{\"enum\": […]}} and types",
                    choice.get_type()
                )),
            })
        };
        let choices = choices.try_iter()?.map(|choice| text(choice?)).collect::<PyResult<_>>()?;
        Ok(Self::of_source(GrammarSource::Choice { choices }))
    }

    /// Outputs are the texts of rules in llama.cpp's notation, GBNF; the rule `root` is the whole
    /// output.
    #[staticmethod]
    fn gbnf(rules: String) -> Self {
        Self::of_source(GrammarSource::Gbnf { text: rules })
    }

    /// Outputs are the texts of rules in EBNF.
    #[staticmethod]
    fn ebnf(rules: String) -> Self {
        Self::of_source(GrammarSource::Ebnf { text: rules })
    }

    /// Outputs are the texts of rules in Lark's notation.
    ///
    /// `start` is the rule for the whole output, "start" if it is not given. `modules` are the
    /// texts of grammars that `%import` may name.
    #[staticmethod]
    #[pyo3(signature = (rules, *, start=None, modules=None))]
    fn lark(rules: String, start: Option<String>, modules: Option<BTreeMap<String, String>>) -> Self {
        Self::of_source(GrammarSource::Lark { text: rules, start, modules: modules.unwrap_or_default() })
    }

    /// The grammar of anything but text: a `Grammar` is itself, and whatever `json_schema` takes is
    /// a schema.
    #[staticmethod]
    pub fn of<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        if let Ok(grammar) = value.cast::<Grammar>() {
            return Ok(grammar.clone());
        }
        if value.cast::<PyString>().is_ok()
            || value.extract::<&[u8]>().is_ok()
            || value.cast::<PyByteArray>().is_ok()
        {
            let said =
                "text may be in any notation; say which: Grammar.json_schema, .regex, .gbnf, .ebnf, .lark";
            return Err(PyTypeError::new_err(said));
        }
        Bound::new(value.py(), Self::json_schema(value.py(), value, None)?)
    }

    /// Compiles the description, if that has not been done, and gives it back.
    #[pyo3(signature = (*, timeout=None, cancel=None))]
    fn check<'py>(
        slf: &Bound<'py, Self>,
        timeout: Option<f64>,
        cancel: Option<&Bound<'_, CancelFlag>>,
    ) -> PyResult<Bound<'py, Self>> {
        let interrupt = until(timeout, cancel)?;
        let grammar = slf.get();
        long(slf.py(), interrupt, |interrupt| grammar.inner(interrupt).map(|_| ()))?;
        Ok(slf.clone())
    }

    /// Parts of a JSON Schema that have no effect, or less than it may seem.
    #[pyo3(signature = (*, timeout=None, cancel=None))]
    fn warnings<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
        cancel: Option<&Bound<'_, CancelFlag>>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let interrupt = until(timeout, cancel)?;
        let compiled = long(py, interrupt, |interrupt| self.compiled(interrupt))?;
        let class = py.import("hedgerow.errors")?.getattr("SchemaWarning")?;
        let warnings = compiled.warnings.iter().map(|SchemaWarning { pointer, keyword, message, .. }| {
            class.call1((pointer.trim_start_matches('#'), keyword, message))
        });
        warnings.collect()
    }

    /// The notation: "json_schema", "structural_tag", "tools", "regex", "choice", "gbnf", "ebnf" or
    /// "lark".
    #[getter]
    fn kind(&self) -> &'static str {
        self.source.kind()
    }

    /// The schema, pattern or rules as text; of choices, one a line.
    #[getter]
    fn text(&self) -> String {
        match &self.source {
            GrammarSource::Regex { pattern, .. } => pattern.clone(),
            GrammarSource::Choice { choices } => choices.join("\n"),
            GrammarSource::JsonSchema { text, .. }
            | GrammarSource::StructuralTag { text, .. }
            | GrammarSource::Tools { text, .. }
            | GrammarSource::Gbnf { text }
            | GrammarSource::Ebnf { text }
            | GrammarSource::Lark { text, .. } => text.clone(),
        }
    }

    /// The options that are not the default's.
    #[getter]
    fn options<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let options = PyDict::new(py);
        match &self.source {
            GrammarSource::JsonSchema { arguments, .. } | GrammarSource::StructuralTag { arguments, .. } => {
                return arguments.changed(py);
            }
            GrammarSource::Tools { arguments, .. } => {
                let ToolArguments { format, tool_choice, max_calls, reasoning, prompt_end, response } =
                    &**arguments;
                options.set_item("format", format)?;
                options.set_item("tool_choice", tool_choice)?;
                options.set_item("max_calls", max_calls)?;
                options.set_item("reasoning", reasoning)?;
                options.set_item("prompt_end", prompt_end)?;
                options.set_item("response_schema", response)?;
            }
            GrammarSource::Regex { dialect, .. } if dialect != Dialect::default().name() => {
                options.set_item("dialect", dialect)?
            }
            GrammarSource::Lark { start, modules, .. } => {
                if let Some(start) = start {
                    options.set_item("start", start)?;
                }
                if !modules.is_empty() {
                    options.set_item("modules", modules)?;
                }
            }
            _ => {}
        }
        Ok(options)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Grammar>().is_ok_and(|other| other.get().source == self.source)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.source.hash(&mut hasher);
        hasher.finish()
    }

    /// It does not change, so that a copy is itself.
    fn __copy__(slf: &Bound<'_, Self>) -> Py<Self> {
        slf.clone().unbind()
    }

    fn __deepcopy__(slf: &Bound<'_, Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        slf.clone().unbind()
    }

    /// The call that describes it; a long text is cut.
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let value = match &self.source {
            GrammarSource::Choice { choices } => choices.into_pyobject(py)?.into_any(),
            _ => self.text().into_pyobject(py)?.into_any(),
        };
        let mut call = short(&value.repr()?.to_cow()?);
        for (name, value) in self.options(py)? {
            call += &format!(", {name}={}", short(&value.repr()?.to_cow()?));
        }
        Ok(format!("Grammar.{}({call})", self.kind()))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let py = slf.py();
        let grammar = slf.get();
        let restore = py.import("hedgerow._core")?.getattr("restore_grammar")?;
        let value = match &grammar.source {
            GrammarSource::Choice { choices } => choices.into_pyobject(py)?.into_any(),
            _ => grammar.text().into_pyobject(py)?.into_any(),
        };
        let parts = (grammar.kind(), value, grammar.options(py)?);
        Ok((restore, parts.into_pyobject(py)?.into_any()))
    }
}

/// The options of schemas, read and found to have a meaning.
fn checked(py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Box<SchemaArguments>> {
    let arguments = Box::new(SchemaArguments::read(options)?);
    arguments.options().map_err(|failure| failure.raise(py))?;
    Ok(arguments)
}

/// The beginning of a text.
fn short(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl Grammar {
    fn of_source(source: GrammarSource) -> Self {
        Grammar { source, compiled: Arc::default() }
    }

    fn compiled(&self, interrupt: &Interrupt) -> Result<&Compiled, CallError> {
        if let Some(compiled) = self.compiled.get() {
            return Ok(compiled);
        }
        let compiled = interrupt.scope(|| self.source.compile())??;
        Ok(self.compiled.get_or_init(|| compiled))
    }

    /// The compiled grammar. Call it outside of the interpreter's lock.
    pub fn inner(&self, interrupt: &Interrupt) -> Result<&Inner, CallError> {
        Ok(&self.compiled(interrupt)?.grammar)
    }
}

/// A grammar of its parts, for pickle.
#[pyfunction]
pub fn restore_grammar<'py>(
    py: Python<'py>,
    kind: &str,
    value: Bound<'py, PyAny>,
    options: Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    const KINDS: [&str; 8] =
        ["json_schema", "structural_tag", "tools", "regex", "choice", "gbnf", "ebnf", "lark"];
    if !KINDS.contains(&kind) {
        return Err(PyValueError::new_err(format!("no grammar is of kind {kind:?}")));
    }
    py.get_type::<Grammar>().call_method(kind, (value,), Some(&options))
}
