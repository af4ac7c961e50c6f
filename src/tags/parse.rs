//! The formats of a structural tag in JSON: XGrammar's new and its older form, and the envelopes
//! that servers wrap them in.
//!
//! A field that no format has is an error, which names the nearest field that there is. In an input
//! with `"compat": "xgrammar"` such a field is ignored, as XGrammar does.

use super::error::fault;
use super::fields::{Fields, kind};
use super::format::{Dispatch, Format, SchemaFormat, SeparatedTags, Tag, TextFormat, TriggeredTags};
use super::style::{self, of_objects};
use crate::automata::{UNBOUNDED, interrupt};
use crate::grammar::{CompileError, Marker, Role, TokenNames};
use crate::syntax::lark::Lexer;
use crate::syntax::{Notation, similar};
use serde_json::Value;
use std::sync::Arc;

/// A structural tag that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StructuralTag {
    /// All of the output.
    pub format: Format,
    /// True if the input is read as XGrammar reads it where XGrammar is looser than its
    /// documentation.
    pub is_loose: bool,
}

/// Reads a structural tag.
///
/// Accepted are `{"type": "structural_tag", "format": …}`, the older
/// `{"structures": […], "triggers": […]}`, and either of them under `response_format` or
/// `structural_tag`, also as a string with JSON in it. OpenAI's `{"type": "json_schema", …}`,
/// `{"type": "json_object"}` and `{"type": "text"}` are read, too.
///
/// ```
/// let text = r#"{"type": "structural_tag", "format": {"type": "tag", "begin": "<a>",
///     "content": {"type": "any_text"}, "end": "</a>"}}"#;
/// assert!(hedgerow::tags::parse(text).is_ok());
/// let wrong = r#"{"format": {"type": "any_text", "exclude": ["x"]}}"#;
/// let error = hedgerow::tags::parse(wrong).unwrap_err();
/// assert_eq!(error.to_string(), "#/format: `exclude` is no field here; did you mean `excludes`?");
/// ```
///
/// # Errors
///
/// Text that is no JSON, a field that is missing, unknown or of the wrong kind.
pub fn parse(text: &str) -> Result<StructuralTag, CompileError> {
    let value: Value = read(text, "")?;
    document(&value, "")
}

/// Texts of more bytes are read piece by piece, so that an interrupt can end the reading. Pieces
/// take several times as long as a whole text.
const MIN_METERED_BYTES: usize = 1 << 21;

/// The most levels of lists and objects in an input; serde_json's limit.
const MAX_DEPTH: u32 = 127;

/// The bytes of a text that is still to be read. Reading fails when the work is over.
struct Metered<'t>(&'t [u8]);

impl std::io::Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.len().min(buffer.len());
        interrupt::spend(count as u32 >> 6);
        interrupt::ended().map_err(std::io::Error::other)?;
        let (piece, rest) = self.0.split_at(count);
        buffer[..count].copy_from_slice(piece);
        self.0 = rest;
        Ok(count)
    }
}

pub(super) fn read(text: &str, pointer: &str) -> Result<Value, CompileError> {
    let value = match text.len() > MIN_METERED_BYTES {
        true => serde_json::from_reader(std::io::BufReader::new(Metered(text.as_bytes()))),
        false => {
            interrupt::spend(text.len() as u32 >> 6);
            serde_json::from_str(text)
        }
    };
    interrupt::ended()?;
    value.map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        let what = error.to_string();
        let what = what.split(" at line ").next().unwrap_or_default();
        if what == "recursion limit exceeded" {
            let what = format!("values are nested more than {MAX_DEPTH} levels deep: {place}");
            return fault(pointer, what).help("divide deep schemas with `$defs` and `$ref`");
        }
        fault(pointer, format!("this is not JSON: {place}: {what}"))
    })
}

/// The outermost object.
fn document(value: &Value, pointer: &str) -> Result<StructuralTag, CompileError> {
    if let Value::String(text) = value {
        return document(&read(text, pointer)?, pointer);
    }
    let mut fields = Fields::of(value, pointer, "a structural tag")?;
    for name in ["response_format", "structural_tag", "structured_outputs"] {
        if let Some(inner) = fields.take(name) {
            let pointer = fields.at(name);
            fields.finish(true)?;
            return document(inner, &pointer);
        }
    }
    let is_loose = match fields.text("compat")? {
        None => false,
        Some("xgrammar") => true,
        Some(other) => {
            let what = format!("`compat` is {other:?}, which is unknown");
            return Err(fault(&fields.at("compat"), what).help("the only value is \"xgrammar\""));
        }
    };
    let mut reader = FormatReader { is_loose };
    let format = match fields.text("type")? {
        None | Some("structural_tag") if fields.has("structures") => reader.older(&mut fields)?,
        None | Some("structural_tag") => {
            let at = fields.at("format");
            let format = fields.need("format").map_err(|error| {
                error.help("a structural tag has a `format`, or `structures` and `triggers`")
            })?;
            reader.format(format, &at)?
        }
        Some("text") => Format::Text(TextFormat::default()),
        Some("json_object") => schema_of(r#"{"type": "object"}"#.to_owned(), ""),
        // The form of OpenAI's responses.
        Some("json_schema") if fields.has("schema") && !fields.has("json_schema") => {
            let at = fields.at("schema");
            let schema = schema_of(schema_text(fields.need("schema")?, &at)?, &at);
            fields.text("name")?;
            fields.text("description")?;
            fields.flag("strict", true)?;
            schema
        }
        Some("json_schema") => {
            fields.need("json_schema")?;
            schema_of(value.to_string(), "")
        }
        // A format alone.
        Some(name) if TYPES.contains(&name) => {
            return Ok(StructuralTag { format: reader.format(value, pointer)?, is_loose });
        }
        Some(other) => {
            let what = format!("`type` is {other:?}, which is unknown");
            return Err(fault(&fields.at("type"), what).help("write \"structural_tag\""));
        }
    };
    fields.finish(is_loose)?;
    Ok(StructuralTag { format, is_loose })
}

/// The text of a schema that is an object, true, false, or a string with such a schema in it.
fn schema_text(schema: &Value, pointer: &str) -> Result<String, CompileError> {
    match schema {
        Value::String(text) => schema_text(&read(text, pointer)?, pointer),
        Value::Object(_) | Value::Bool(_) => Ok(schema.to_string()),
        other => {
            let what = format!("a schema must be an object, true or false, and not {}", kind(other));
            Err(fault(pointer, what))
        }
    }
}

fn schema_of(schema: String, pointer: &str) -> Format {
    let (schema, pointer) = (schema.into(), pointer.into());
    Format::Schema(SchemaFormat {
        schema,
        any_order: false,
        max_whitespace: None,
        arguments: None,
        excludes: Vec::new(),
        pointer,
    })
}

/// The formats' names.
const TYPES: [&str; 21] = [
    "const_string",
    "json_schema",
    "qwen_xml_parameter",
    "grammar",
    "regex",
    "any_text",
    "sequence",
    "or",
    "optional",
    "plus",
    "star",
    "repeat",
    "tag",
    "triggered_tags",
    "tags_with_separator",
    "dispatch",
    "token",
    "exclude_token",
    "any_tokens",
    "token_triggered_tags",
    "token_dispatch",
];

struct FormatReader {
    is_loose: bool,
}

impl FormatReader {
    /// `{"structures": [{begin, schema, end}], "triggers": […]}`, with SGLang's `at_least_one`.
    fn older(&mut self, fields: &mut Fields<'_>) -> Result<Format, CompileError> {
        let mut tags = Vec::new();
        let at = fields.at("structures");
        for (i, structure) in fields.need_list("structures")?.iter().enumerate() {
            let pointer = format!("{at}/{i}");
            let mut one = Fields::of(structure, &pointer, "a structure")?;
            let begin = Marker::Text(one.need_text("begin")?.into());
            let content = match one.take("schema") {
                None => schema_of("true".to_owned(), ""),
                Some(schema) => {
                    let at = format!("{pointer}/schema");
                    schema_of(schema_text(schema, &at)?, &at)
                }
            };
            let ends = vec![Marker::Text(one.need_text("end")?.into())];
            one.finish(self.is_loose)?;
            tags.push(Tag { begin, content: Box::new(content), ends, pointer });
        }
        fields.need_list("triggers")?;
        Ok(Format::Triggered(TriggeredTags {
            triggers: fields.texts("triggers")?.into_iter().map(Marker::Text).collect(),
            tags,
            excludes: Vec::new(),
            at_least_one: fields.flag("at_least_one", false)?,
            stop_after_first: false,
        }))
    }

    fn formats(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Result<Vec<Format>, CompileError> {
        let at = fields.at(name);
        let items = fields.need_list(name)?.iter().enumerate();
        items.map(|(i, item)| self.format(item, &format!("{at}/{i}"))).collect()
    }

    fn content(&mut self, fields: &mut Fields<'_>) -> Result<Box<Format>, CompileError> {
        let at = fields.at("content");
        Ok(Box::new(self.format(fields.need("content")?, &at)?))
    }

    fn format(&mut self, value: &Value, pointer: &str) -> Result<Format, CompileError> {
        interrupt::check()?;
        let mut fields = Fields::of(value, pointer, "a format")?;
        let name = match fields.text("type")? {
            Some(name) => name,
            None => implied(&fields).ok_or_else(|| {
                let what = "`type` is missing, and the other fields do not tell it";
                fault(pointer, what).help(format!("formats are {}", TYPES.join(", ")))
            })?,
        };
        let mut format = self.of_type(name, &mut fields)?;
        if name != "tag" {
            format = as_part(&mut fields, format)?;
        }
        fields.finish(self.is_loose)?;
        Ok(format)
    }

    fn of_type(&mut self, name: &str, fields: &mut Fields<'_>) -> Result<Format, CompileError> {
        Ok(match name {
            "const_string" => Format::Const(fields.need_text("value")?.into()),
            "json_schema" => {
                let at = fields.at("style");
                let style = fields.text("style")?.unwrap_or("json");
                self.schema(fields, style, &at)?
            }
            "qwen_xml_parameter" => self.schema(fields, "qwen_xml", "")?,
            "grammar" => {
                let (text, notation) = (not_empty(fields, "grammar")?, notation(fields)?);
                Format::Grammar { text, notation, lexer: lexer(fields, notation)? }
            }
            "regex" => Format::Regex(not_empty(fields, "pattern")?),
            "any_text" => {
                let (excludes, max_chars) = (fields.texts("excludes")?, fields.count("max_chars")?);
                Format::Text(TextFormat { excludes, max_chars, max_tokens: fields.count("max_tokens")? })
            }
            "sequence" => Format::Sequence(self.formats(fields, "elements")?),
            "or" => Format::Or(self.formats(fields, "elements")?),
            "optional" => Format::Repeat { body: self.content(fields)?, min: 0, max: 1 },
            "plus" => Format::Repeat { body: self.content(fields)?, min: 1, max: UNBOUNDED },
            "star" => Format::Repeat { body: self.content(fields)?, min: 0, max: UNBOUNDED },
            "repeat" => self.repeat(fields)?,
            "tag" => Format::Tag(self.tag(fields)?),
            "triggered_tags" => {
                fields.need_list("triggers")?;
                let triggers = fields.texts("triggers")?;
                self.triggered(fields, triggers.into_iter().map(Marker::Text).collect(), false)?
            }
            "token_triggered_tags" => {
                fields.need_list("trigger_tokens")?;
                let triggers = self.tokens(fields, "trigger_tokens")?;
                self.triggered(fields, triggers.into_iter().map(Marker::Token).collect(), true)?
            }
            "tags_with_separator" => Format::Separated(SeparatedTags {
                tags: self.tags(fields)?,
                separator: fields.need_text("separator")?.into(),
                at_least_one: fields.flag("at_least_one", false)?,
                stop_after_first: fields.flag("stop_after_first", false)?,
            }),
            "dispatch" => self.dispatch(fields, false)?,
            "token_dispatch" => self.dispatch(fields, true)?,
            "token" => {
                let at = fields.at("token");
                let names = vec![token(fields.need("token")?, &at)?];
                Format::Tokens { tokens: TokenNames { names, all_but: false }, min: 1, max: 1 }
            }
            "exclude_token" => {
                let names = self.tokens(fields, "exclude_tokens")?;
                Format::Tokens { tokens: TokenNames { names, all_but: true }, min: 1, max: 1 }
            }
            "any_tokens" => {
                let names = self.tokens(fields, "exclude_tokens")?;
                let max = fields.count("max_tokens")?.unwrap_or(UNBOUNDED);
                Format::Tokens { tokens: TokenNames { names, all_but: true }, min: 0, max }
            }
            other => {
                let what = format!("there is no format `{other}`");
                let error = fault(&fields.at("type"), what);
                return Err(match similar(other, TYPES.into_iter()) {
                    Some(name) => error.help(format!("did you mean `{name}`?")),
                    None => error.help(format!("formats are {}", TYPES.join(", "))),
                });
            }
        })
    }

    fn schema(
        &mut self,
        fields: &mut Fields<'_>,
        style: &str,
        style_at: &str,
    ) -> Result<Format, CompileError> {
        let at = fields.at("json_schema");
        let schema = fields.need("json_schema")?;
        if schema.is_string() {
            return Err(fault(&at, "a schema must be an object, true or false, and not a string"));
        }
        let text = schema_text(schema, &at)?;
        let arguments = style::style(style, style_at)?;
        let schema = match arguments {
            None => text,
            Some(_) => of_objects(schema, &[], &at)?,
        };
        Ok(Format::Schema(SchemaFormat {
            schema: schema.into(),
            any_order: fields.flag("any_order", false)?,
            max_whitespace: fields.count("max_whitespace_cnt")?,
            arguments,
            excludes: fields.texts("excludes")?,
            pointer: at.into(),
        }))
    }

    fn repeat(&mut self, fields: &mut Fields<'_>) -> Result<Format, CompileError> {
        fields.need("min")?;
        let min = fields.count("min")?.unwrap_or(0);
        let max = match fields.need("max")?.as_i64() {
            Some(-1) => UNBOUNDED,
            _ => fields.count("max")?.unwrap_or(UNBOUNDED),
        };
        if max < min {
            let what = format!("`max` is {max}, which is less than `min`, {min}");
            return Err(fault(&fields.pointer, what).help("for no limit, write -1"));
        }
        Ok(Format::Repeat { body: self.content(fields)?, min, max })
    }

    fn tags(&mut self, fields: &mut Fields<'_>) -> Result<Vec<Tag>, CompileError> {
        let at = fields.at("tags");
        let mut tags = Vec::new();
        for (i, value) in fields.need_list("tags")?.iter().enumerate() {
            interrupt::check()?;
            let mut tag = Fields::of(value, &format!("{at}/{i}"), "a tag")?;
            match tag.text("type")? {
                None | Some("tag") => {}
                Some(other) => {
                    let what = format!("a tag has the type `tag`, and not `{other}`");
                    return Err(fault(&tag.at("type"), what));
                }
            }
            tags.push(self.tag(&mut tag)?);
            tag.finish(self.is_loose)?;
        }
        Ok(tags)
    }

    fn tag(&mut self, fields: &mut Fields<'_>) -> Result<Tag, CompileError> {
        let at = fields.at("begin");
        let begin = self.marker(fields.need("begin")?, &at)?;
        let content = *self.content(fields)?;
        let content = Box::new(as_part(fields, content)?);
        let at = fields.at("end");
        let ends = match fields.need("end")? {
            Value::Array(ends) if ends.is_empty() => {
                let help = "write one, or \"\" where the tag may end without one";
                return Err(fault(&at, "`end` has no end").help(help));
            }
            Value::Array(ends) => {
                let ends = ends.iter().enumerate();
                ends.map(|(i, end)| self.marker(end, &format!("{at}/{i}"))).collect::<Result<_, _>>()?
            }
            end => vec![self.marker(end, &at)?],
        };
        Ok(Tag { begin, content, ends, pointer: fields.pointer.clone() })
    }

    fn marker(&mut self, value: &Value, at: &str) -> Result<Marker, CompileError> {
        match value {
            Value::String(text) => Ok(Marker::Text(text.as_str().into())),
            Value::Object(_) => {
                let mut fields = Fields::of(value, at, "a token")?;
                match fields.text("type")? {
                    None | Some("token") => {}
                    Some(other) => {
                        let what = format!("a marker is a text or a `token`, and not a `{other}`");
                        return Err(fault(&fields.at("type"), what));
                    }
                }
                let marker = Marker::Token(token(fields.need("token")?, &fields.at("token"))?);
                fields.finish(self.is_loose)?;
                Ok(marker)
            }
            other => {
                let what = format!("a marker is a text or a `token`, and not {}", kind(other));
                Err(fault(at, what))
            }
        }
    }

    fn tokens(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Result<Vec<Arc<str>>, CompileError> {
        let at = fields.at(name);
        let items = fields.list(name)?.unwrap_or_default().iter().enumerate();
        items.map(|(i, item)| token(item, &format!("{at}/{i}"))).collect()
    }

    fn triggered(
        &mut self,
        fields: &mut Fields<'_>,
        triggers: Vec<Marker>,
        of_tokens: bool,
    ) -> Result<Format, CompileError> {
        let tags = self.tags(fields)?;
        for tag in &tags {
            if of_tokens != matches!(tag.begin, Marker::Token(_)) {
                let (what, help) = match of_tokens {
                    true => (
                        "this tag must begin with a token",
                        "write `{\"type\": \"token\", \"token\": …}` as its `begin`, or use `triggered_tags`",
                    ),
                    false => (
                        "this tag must begin with a text",
                        "write a text as its `begin`, or use `token_triggered_tags`",
                    ),
                };
                return Err(fault(&format!("{}/begin", tag.pointer), what).help(help));
            }
        }
        let excludes = self.excludes(fields, of_tokens)?;
        Ok(Format::Triggered(TriggeredTags {
            triggers,
            tags,
            excludes,
            at_least_one: fields.flag("at_least_one", false)?,
            stop_after_first: fields.flag("stop_after_first", false)?,
        }))
    }

    /// Texts or tokens that free text must not contain.
    fn excludes(&mut self, fields: &mut Fields<'_>, of_tokens: bool) -> Result<Vec<Marker>, CompileError> {
        Ok(match of_tokens {
            true => self.tokens(fields, "exclude_tokens")?.into_iter().map(Marker::Token).collect(),
            false => fields.texts("excludes")?.into_iter().map(Marker::Text).collect(),
        })
    }

    fn dispatch(&mut self, fields: &mut Fields<'_>, of_tokens: bool) -> Result<Format, CompileError> {
        let at = fields.at("rules");
        let mut rules = Vec::new();
        for (i, rule) in fields.need_list("rules")?.iter().enumerate() {
            let pointer = format!("{at}/{i}");
            let Some([pattern, format]) = rule.as_array().map(Vec::as_slice) else {
                return Err(fault(&pointer, "a rule is a list of a pattern and a format"));
            };
            let at = format!("{pointer}/0");
            let pattern = match (of_tokens, pattern) {
                (true, pattern) => Marker::Token(token(pattern, &at)?),
                (false, Value::String(text)) => Marker::Text(text.as_str().into()),
                (false, other) => {
                    return Err(fault(&at, format!("a pattern must be a text, and not {}", kind(other)))
                        .help("`token_dispatch` has tokens as patterns"));
                }
            };
            if pattern.is_empty() {
                return Err(fault(&at, "this pattern is empty, and would be found everywhere")
                    .help("write the text that begins the rule's format"));
            }
            rules.push((pattern, self.format(format, &format!("{pointer}/1"))?));
        }
        let excludes = self.excludes(fields, of_tokens)?;
        Ok(Format::Dispatch(Dispatch { rules, excludes, looped: fields.flag("loop", true)? }))
    }
}

/// The role of a part, by its fields `role` and `name`.
fn role(fields: &mut Fields<'_>) -> Result<Option<Role>, CompileError> {
    let name: Option<Arc<str>> = fields.text("name")?.map(Arc::from);
    let Some(role) = fields.text("role")? else {
        return Ok(name.map(|name| Role::Tag { name }));
    };
    Ok(Some(match role {
        "text" => Role::Text,
        "reasoning" => Role::Reasoning,
        "call" => Role::Call { name },
        "name" => Role::Name,
        "id" => Role::Id,
        "arguments" => Role::Arguments,
        "marker" => Role::Marker,
        other => {
            let error = fault(&fields.at("role"), format!("there is no role {other:?}"));
            let roles = ["text", "reasoning", "call", "name", "id", "arguments", "marker"];
            return Err(match similar(other, roles.into_iter()) {
                Some(role) => error.help(format!("did you mean {role:?}?")),
                None => error.help(format!("roles are {}", roles.join(", "))),
            });
        }
    }))
}

/// A format as a part with the role that its fields say. What stands in a call is its arguments,
/// unless parts of it have roles.
fn as_part(fields: &mut Fields<'_>, content: Format) -> Result<Format, CompileError> {
    let Some(role) = role(fields)? else { return Ok(content) };
    if matches!(role, Role::Call { .. }) && !content.has_marks() {
        if matches!(role, Role::Call { name: None }) {
            let error = fault(&fields.pointer, "this call has no name");
            return Err(error.help("add `name`, or a part with the role \"name\" to its content"));
        }
        return Ok(content.marked(Role::Arguments).marked(role));
    }
    Ok(content.marked(role))
}

/// The type of a format without the field `type`, by its other fields.
fn implied(fields: &Fields<'_>) -> Option<&'static str> {
    let table = [
        ("begin", "tag"),
        ("value", "const_string"),
        ("json_schema", "json_schema"),
        ("grammar", "grammar"),
        ("pattern", "regex"),
        ("separator", "tags_with_separator"),
        ("trigger_tokens", "token_triggered_tags"),
        ("triggers", "triggered_tags"),
        ("rules", "dispatch"),
        ("elements", "sequence"),
        ("token", "token"),
        ("excludes", "any_text"),
    ];
    table.iter().find(|(field, _)| fields.has(field)).map(|row| row.1)
}

/// A token's name, or `<[7]>` for the token 7.
fn token(value: &Value, at: &str) -> Result<Arc<str>, CompileError> {
    match value {
        Value::String(name) => Ok(name.as_str().into()),
        Value::Number(id) if id.is_u64() => Ok(format!("<[{id}]>").into()),
        Value::Number(other) => {
            Err(fault(at, format!("the number of a token is a whole number from 0, and not {other}")))
        }
        other => Err(fault(at, format!("a token is a name or a number, and not {}", kind(other)))),
    }
}

fn not_empty(fields: &mut Fields<'_>, name: &'static str) -> Result<String, CompileError> {
    match fields.need_text(name)? {
        "" => Err(fault(&fields.at(name), format!("`{name}` is empty"))),
        text => Ok(text.to_owned()),
    }
}

fn lexer(fields: &mut Fields<'_>, notation: Option<Notation>) -> Result<Lexer, CompileError> {
    let Some(name) = fields.text("lexer")? else { return Ok(Lexer::default()) };
    if notation != Some(Notation::Lark) {
        let error = fault(&fields.at("lexer"), "only grammars in Lark's notation have a lexer");
        return Err(error.help("add \"notation\": \"lark\", or leave out `lexer`"));
    }
    name.parse().map_err(|_| {
        let known: Vec<&str> = Lexer::ALL.iter().map(|lexer| lexer.name()).collect();
        fault(&fields.at("lexer"), format!("there is no lexer {name:?}"))
            .help(format!("lexers are {}", known.join(", ")))
    })
}

fn notation(fields: &mut Fields<'_>) -> Result<Option<Notation>, CompileError> {
    let Some(name) = fields.text("notation")? else { return Ok(None) };
    let found = Notation::of_extension(name).ok_or_else(|| {
        let known: Vec<&str> = Notation::ALL.iter().map(|notation| notation.name()).collect();
        fault(&fields.at("notation"), format!("there is no notation {name:?}"))
            .help(format!("notations are {}", known.join(", ")))
    });
    found.map(Some)
}
