//! The reply to a request with tools, as a tree of formats.
//!
//! A reply is reasoning, then text, then calls. A preset has the markers between them. For example,
//! `auto` with the preset `hermes` is free text until `<tool_call>`. After this trigger comes the
//! rest of a call, then further calls, and nothing else. So a call that has begun is always
//! completed, and the text never contains something that only looks like a call.
//!
//! The calls that may come at one place share a set of literals: the texts from the last trigger to
//! the end of a tool's name. 500 tools are one sorted set there, and not 500 alternatives.

use super::call_template::{CallTemplate, Piece};
use super::compile::{TagOptions, compile_with_warnings};
use super::error::fault;
use super::format::{Dispatch, Format, SchemaFormat, SeparatedTags, Tag, TextFormat};
use super::parse::StructuralTag;
use super::preset::{Data, Preset};
use super::tools::{Tool, ToolChoice, Tools};
use crate::grammar::{CompileError, Grammar, KeyOrder, Marker, Role};
use crate::schema::{EscapePolicy, SchemaOptions, SchemaWarning, Whitespace};
use std::sync::Arc;

/// The reasoning before an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Reasoning {
    /// The reply continues the prompt. If the prompt ends inside reasoning, the reply begins with
    /// the rest of the reasoning. Otherwise the model may reason.
    #[default]
    AsPrompt,
    /// The model does not reason. Reasoning that the prompt has begun ends at once.
    Forbid,
    /// The model reasons.
    Require,
}

/// The state of reasoning at the end of a prompt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Begun {
    Nothing,
    Reasoning,
    Answer,
}

/// The choices that a request with tools leaves open. They are plain data with defaults.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct ToolOptions {
    /// The calls that the reply may or must have. Default [`ToolChoice::Auto`].
    pub choice: ToolChoice,
    /// The largest number of calls in one reply: 1 for one call at a time, 0 for none. Default 32.
    pub calls: u32,
    /// The reasoning before the answer. Default [`Reasoning::AsPrompt`].
    pub reasoning: Reasoning,
    /// The schema of the answer where it is no call, as text. Default none: the answer is free
    /// text.
    pub response: Option<String>,
    /// The text that the prompt has behind the header of the assistant's message, such as
    /// `<think>\n`. Default empty.
    pub prompt_end: String,
    /// The spelling of arguments and of the answer's JSON. Default: keys in any order, at most two
    /// bytes of whitespace between tokens, and no `\uXXXX`.
    pub schema: SchemaOptions,
}

impl Default for ToolOptions {
    fn default() -> Self {
        let schema = SchemaOptions::default()
            .key_order(KeyOrder::Any)
            .escapes(EscapePolicy::NoUnicode)
            .whitespace(Whitespace::AtMost(2));
        ToolOptions {
            choice: ToolChoice::Auto,
            calls: 32,
            reasoning: Reasoning::AsPrompt,
            response: None,
            prompt_end: String::new(),
            schema,
        }
    }
}

impl ToolOptions {
    /// Sets [`choice`](Self#structfield.choice).
    #[must_use]
    pub fn choice(mut self, choice: ToolChoice) -> Self {
        self.choice = choice;
        self
    }

    /// Sets [`calls`](Self#structfield.calls).
    #[must_use]
    pub fn calls(mut self, most: u32) -> Self {
        self.calls = most;
        self
    }

    /// Sets [`reasoning`](Self#structfield.reasoning).
    #[must_use]
    pub fn reasoning(mut self, reasoning: Reasoning) -> Self {
        self.reasoning = reasoning;
        self
    }

    /// Sets [`response`](Self#structfield.response).
    #[must_use]
    pub fn response(mut self, schema: impl Into<String>) -> Self {
        self.response = Some(schema.into());
        self
    }

    /// Sets [`prompt_end`](Self#structfield.prompt_end).
    #[must_use]
    pub fn prompt_end(mut self, text: impl Into<String>) -> Self {
        self.prompt_end = text.into();
        self
    }

    /// Sets [`schema`](Self#structfield.schema).
    #[must_use]
    pub fn schema(mut self, options: SchemaOptions) -> Self {
        self.schema = options;
        self
    }
}

impl Tools {
    /// The grammar of replies that call these tools in a preset's format.
    ///
    /// ```
    /// use hedgerow::tags::{Preset, ToolOptions, Tools};
    /// use hedgerow::{Constraint, Vocabulary};
    /// let tools = Tools::from_json(r#"[{"name": "weather", "parameters": {
    ///     "properties": {"city": {"type": "string"}}, "required": ["city"]}}]"#)?;
    /// let grammar = tools.grammar(&Preset::named("hermes")?, &ToolOptions::default())?;
    /// let vocabulary = Vocabulary::from_byte_list((0..=255).map(|byte| vec![byte]).collect())?;
    /// let mut matcher = Constraint::new(&grammar, &vocabulary)?.matcher();
    /// let call = r#"{"name": "weather", "arguments": {"city": "Oslo"}}"#;
    /// let reply = format!("I look.\n<tool_call>\n{call}\n</tool_call>");
    /// assert!(matcher.advance_bytes(reply.as_bytes())? && matcher.is_accepting());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A choice that names no tool, a call that is required where there is no tool, a schema with a
    /// fault, and a name that holds the marker behind names.
    pub fn grammar(&self, preset: &Preset, options: &ToolOptions) -> Result<Grammar, CompileError> {
        self.grammar_with_warnings(preset, options).map(|(grammar, _)| grammar)
    }

    /// The grammar of [`grammar`](Self::grammar), and warnings about the parts of the tools'
    /// schemas that have no effect, or less than they may seem. Their pointers are places in the
    /// list of tools.
    ///
    /// # Errors
    ///
    /// As [`grammar`](Self::grammar).
    pub fn grammar_with_warnings(
        &self,
        preset: &Preset,
        options: &ToolOptions,
    ) -> Result<(Grammar, Vec<SchemaWarning>), CompileError> {
        let tag = self.structural_tag(preset, options)?;
        compile_with_warnings(&tag, &TagOptions::default().schema(options.schema.clone()))
    }

    /// The replies that call these tools in a preset's format, as a tree of formats.
    ///
    /// # Errors
    ///
    /// As [`grammar`](Self::grammar), but for the faults of schemas.
    pub fn structural_tag(
        &self,
        preset: &Preset,
        options: &ToolOptions,
    ) -> Result<StructuralTag, CompileError> {
        let mut tools = self.chosen(&options.choice)?;
        if tools.is_empty() && options.choice.is_required() {
            let what = "a call is required, and there is no tool";
            return Err(fault("", what).help("give tools, or the tool choice \"auto\""));
        }
        if options.calls == 0 {
            if options.choice.is_required() {
                let what = "a call is required, and `ToolOptions::calls` allows none";
                return Err(fault("", what).help("raise it, or give the tool choice \"none\""));
            }
            tools.clear();
        }
        let reply = Reply { preset: preset.data(), tools, options };
        Ok(StructuralTag { format: reply.format()?, is_loose: false })
    }
}

/// The parts of one reply.
struct Reply<'r> {
    preset: &'r Data,
    tools: Vec<&'r Tool>,
    options: &'r ToolOptions,
}

impl Reply<'_> {
    fn format(&self) -> Result<Format, CompileError> {
        let answer = self.ended(self.answer()?);
        let Some(markers) = &self.preset.reasoning else {
            return match self.options.reasoning {
                Reasoning::Require => {
                    let what = "reasoning is required, and models of this format do not reason";
                    Err(fault("", what).help("do not require it, or choose another format"))
                }
                _ => Ok(answer),
            };
        };
        let begun = self.begun();
        let reasoning = |begin: &str| {
            Format::Tag(Tag {
                begin: Marker::Text(begin.into()),
                content: Box::new(Format::Text(TextFormat::default()).marked(Role::Reasoning)),
                ends: vec![Marker::Text(format!("{}{}", markers.end, markers.after).into())],
                pointer: String::new(),
            })
        };
        let then = |first: Format, answer: Format| Format::Sequence(vec![first, answer]);
        let whole = || self.led(vec![reasoning(&markers.begin)]);
        let optional = |body: Format| Format::Repeat { body: Box::new(body), min: 0, max: 1 };
        let without = || Format::Const(markers.without.clone()).marked(Role::Marker);
        let has_without = !markers.without.is_empty();
        Ok(match (begun, self.options.reasoning) {
            (Begun::Reasoning, Reasoning::Forbid) => {
                then(Format::Const(markers.end.clone()).marked(Role::Marker), answer)
            }
            (Begun::Reasoning, _) => then(reasoning(""), answer),
            (Begun::Answer, Reasoning::Require) => {
                let what = "reasoning is required, and the prompt has ended it";
                return Err(fault("", what).help("let the chat template begin it"));
            }
            (Begun::Nothing, Reasoning::Forbid) if has_without => then(optional(without()), answer),
            (Begun::Answer, _) | (Begun::Nothing, Reasoning::Forbid) => answer,
            (Begun::Nothing, Reasoning::AsPrompt) if has_without => {
                then(optional(Format::Or(vec![whole(), without()])), answer)
            }
            (Begun::Nothing, Reasoning::AsPrompt) => then(optional(whole()), answer),
            (Begun::Nothing, Reasoning::Require) => then(whole(), answer),
        })
    }

    /// An answer, and the text that may stand behind it.
    fn ended(&self, answer: Format) -> Format {
        if self.preset.end.is_empty() {
            return answer;
        }
        let end = Format::Const(self.preset.end.clone()).marked(Role::Marker);
        Format::Sequence(vec![answer, Format::Repeat { body: Box::new(end), min: 0, max: 1 }])
    }

    /// True if the prompt has begun the text of the answer.
    fn has_begun_text(&self) -> bool {
        let begin = &*self.preset.text.begin;
        !begin.is_empty() && self.options.prompt_end.ends_with(begin)
    }

    /// Formats behind the line breaks that models of this preset write before them.
    fn led(&self, mut formats: Vec<Format>) -> Format {
        if self.preset.line_breaks > 0 {
            let breaks = Format::Regex(format!("\\n{{0,{}}}", self.preset.line_breaks));
            formats.insert(0, breaks.marked(Role::Marker));
        }
        Format::Sequence(formats)
    }

    /// Reasoning in the end of the prompt.
    fn begun(&self) -> Begun {
        let Some(markers) = &self.preset.reasoning else { return Begun::Nothing };
        let prompt = &self.options.prompt_end;
        if self.has_begun_text() {
            return Begun::Answer;
        }
        match (prompt.rfind(markers.begin.trim()), prompt.rfind(&*markers.end)) {
            (None, None) => Begun::Nothing,
            (Some(begin), Some(end)) if end > begin => Begun::Answer,
            (None, Some(_)) => Begun::Answer,
            (Some(_), _) => Begun::Reasoning,
        }
    }

    /// The reply behind reasoning.
    fn answer(&self) -> Result<Format, CompileError> {
        let (text, calls) = (&self.preset.text, &self.preset.calls);
        if self.tools.is_empty() {
            return self.plain_answer();
        }
        let is_required = self.options.choice.is_required();
        if text.before_calls && !text.begin.is_empty() && self.options.response.is_none() {
            let (is_begun, calls) = (self.has_begun_text(), self.led(vec![self.calls(0)?]));
            let before =
                Format::Repeat { body: Box::new(self.plain_answer()?), min: u32::from(is_begun), max: 1 };
            let after = Format::Repeat { body: Box::new(calls), min: u32::from(is_required), max: 1 };
            return Ok(Format::Sequence(vec![before, after]));
        }
        if is_required {
            return Ok(self.led(vec![self.calls(0)?]));
        }
        if self.options.response.is_some() || !text.before_calls || !text.begin.is_empty() {
            let called = self.led(vec![self.calls(0)?]);
            return Ok(Format::Or(vec![called, self.plain_answer()?]));
        }
        let rules = vec![(Marker::Text(calls.trigger.clone()), self.calls(calls.trigger.len())?)];
        let excludes = self.excludes(false).into_iter().map(Marker::Text).collect();
        Ok(Format::Dispatch(Dispatch { rules, excludes, looped: false }))
    }

    /// An answer without calls.
    fn plain_answer(&self) -> Result<Format, CompileError> {
        if let Some(schema) = &self.options.response {
            let schema = SchemaFormat {
                schema: schema.as_str().into(),
                any_order: false,
                max_whitespace: None,
                arguments: None,
                excludes: Vec::new(),
                pointer: "/response".into(),
            };
            return Ok(self.led(vec![Format::Schema(schema)]));
        }
        let text = &self.preset.text;
        let free = Format::Text(TextFormat { excludes: self.excludes(true), ..TextFormat::default() });
        Ok(match text.begin.is_empty() && text.end.is_empty() {
            true => free,
            false => Format::Sequence(vec![
                Format::Const(if self.has_begun_text() { "".into() } else { text.begin.clone() })
                    .marked(Role::Marker),
                free,
                Format::Const(text.end.clone()).marked(Role::Marker),
            ]),
        })
    }

    /// The texts that the text of an answer must not contain.
    fn excludes(&self, trigger: bool) -> Vec<Arc<str>> {
        let mut excludes = self.preset.text.excludes.clone();
        if let Some(markers) = &self.preset.reasoning {
            excludes.extend([markers.begin.trim().into(), markers.end.clone()]);
        }
        if trigger && self.preset.text.begin.is_empty() {
            excludes.push(self.preset.calls.trigger.clone());
        }
        if !self.preset.text.end.is_empty() {
            excludes.push(self.preset.text.end.clone());
        }
        excludes.sort();
        excludes.dedup();
        excludes
    }

    /// All calls of a reply, without the first `read` bytes.
    fn calls(&self, read: usize) -> Result<Format, CompileError> {
        let markers = &self.preset.calls;
        let [before, after] = &markers.section;
        let inside = read.saturating_sub(before.len());
        let is_single = !markers.parallel || self.options.choice.is_single();
        let most = if is_single { 1 } else { self.options.calls };
        let mut parts =
            vec![Format::Const(before.get(read..).unwrap_or_default().into()), self.call(inside)?];
        if most > 1 {
            let more = Format::Sequence(vec![Format::Const(markers.separator.clone()), self.call(0)?]);
            parts.push(Format::Repeat { body: Box::new(more), min: 0, max: most - 1 });
        }
        parts.push(Format::Const(after.clone()));
        Ok(Format::Sequence(parts).marked(Role::Marker))
    }

    /// One call, without the first `read` bytes.
    fn call(&self, read: usize) -> Result<Format, CompileError> {
        let mut spellings = Vec::with_capacity(1);
        for template in &self.preset.calls.calls {
            spellings.push(self.spelling(template, read)?);
        }
        Ok(Format::Or(spellings))
    }

    /// One call in one of its spellings.
    fn spelling(&self, template: &CallTemplate, read: usize) -> Result<Format, CompileError> {
        let mut pieces = template.pieces.as_slice();
        let mut parts = Vec::new();
        // The texts and places before the name are the same for all tools, but for the text right
        // before it, which begins the tools' literals.
        while let Some((first, mut rest)) = pieces.split_first() {
            match first {
                Piece::Name => break,
                Piece::Text(_) if rest.first() == Some(&Piece::Name) => break,
                Piece::IdBegin => {
                    let (id, after) = until_id_end(rest);
                    if id.contains(&Piece::Name) {
                        break;
                    }
                    parts.push(self.shared_all(id, "").marked(Role::Id));
                    rest = after;
                }
                piece => parts.push(self.shared(piece)),
            }
            pieces = rest;
        }
        if let (Some(Format::Const(lead)), Some(Piece::Text(text))) =
            (parts.first_mut(), template.pieces.first())
        {
            *lead = text.get(read..).unwrap_or_default().into();
        }
        let skip = if parts.is_empty() { read } else { 0 };
        let mut tags = Vec::with_capacity(self.tools.len());
        for tool in &self.tools {
            tags.push(self.tag(tool, pieces, skip)?);
        }
        parts.push(Format::Separated(SeparatedTags {
            tags,
            separator: "".into(),
            at_least_one: true,
            stop_after_first: true,
        }));
        Ok(Format::Sequence(parts))
    }

    /// A piece of a call that is the same for all tools.
    fn shared(&self, piece: &Piece) -> Format {
        match piece {
            Piece::Text(text) => Format::Const(text.clone()),
            Piece::Index => Format::Regex("0|[1-9][0-9]{0,5}".to_owned()),
            _ => Format::Regex(self.preset.calls.id.clone().unwrap_or_default()).marked(Role::Id),
        }
    }

    /// Pieces of a call of a tool, without its arguments.
    fn shared_all(&self, pieces: &[Piece], name: &str) -> Format {
        let format = |piece: &Piece| match piece {
            Piece::Name => Format::Const(name.into()),
            piece => self.shared(piece),
        };
        Format::Sequence(pieces.iter().map(format).collect())
    }

    /// The call of one tool from its name on, with the text before the name.
    fn tag(&self, tool: &Tool, pieces: &[Piece], read: usize) -> Result<Tag, CompileError> {
        let (mut begin, mut rest) = (String::new(), pieces);
        // The id that has begun in `begin`.
        let mut id: Option<String> = None;
        while let Some((piece, after)) = rest.split_first() {
            let text = match piece {
                Piece::Text(text) => text,
                Piece::Name => tool.name(),
                Piece::IdBegin => "",
                _ => break,
            };
            begin.push_str(text);
            match &mut id {
                Some(id) => id.push_str(text),
                None => id = (*piece == Piece::IdBegin).then(String::new),
            }
            if let (Piece::Name, Some(Piece::Text(marker))) = (piece, after.first()) {
                check_marker(tool, marker)?;
            }
            rest = after;
        }
        let begin = begin.get(read..).unwrap_or_default();
        let mut content = Vec::with_capacity(2);
        if let Some(before) = id {
            let (pieces, after) = until_id_end(rest);
            let role = Role::IdEnd { before: before.into() };
            content.push(self.shared_all(pieces, tool.name()).marked(role));
            rest = after;
        }
        let mut end: Arc<str> = "".into();
        while let Some((piece, after)) = rest.split_first() {
            rest = after;
            match piece {
                Piece::Text(text) if rest.is_empty() => end = text.clone(),
                Piece::Arguments => content.push(self.arguments(tool)),
                Piece::Name => content.push(Format::Const(tool.name().into())),
                Piece::IdBegin => {
                    let (pieces, after) = until_id_end(rest);
                    content.push(self.shared_all(pieces, tool.name()).marked(Role::Id));
                    rest = after;
                }
                piece => content.push(self.shared(piece)),
            }
        }
        Ok(Tag {
            begin: Marker::Text(begin.into()),
            content: Box::new(
                Format::Sequence(content).marked(Role::Call { name: Some(tool.name().into()) }),
            ),
            ends: vec![Marker::Text(end)],
            pointer: tool.pointer.to_string(),
        })
    }

    fn arguments(&self, tool: &Tool) -> Format {
        let style = &self.preset.calls.arguments;
        let only_declared = style.as_ref().is_some_and(|style| style.elements.is_some());
        Format::Schema(SchemaFormat {
            schema: tool.schema_of_calls(only_declared),
            any_order: false,
            max_whitespace: None,
            arguments: style.clone(),
            excludes: Vec::new(),
            pointer: tool.schema_pointer.clone(),
        })
        .marked(Role::Arguments)
    }
}

/// The pieces of an id that has begun, and those behind it.
fn until_id_end(pieces: &[Piece]) -> (&[Piece], &[Piece]) {
    let end = pieces.iter().position(|piece| *piece == Piece::IdEnd).unwrap_or(pieces.len());
    (&pieces[..end], pieces.get(end + 1..).unwrap_or_default())
}

/// Fails if the text behind a name occurs inside the name, which would then end too early.
fn check_marker(tool: &Tool, marker: &str) -> Result<(), CompileError> {
    match format!("{}{marker}", tool.name()).find(marker) {
        Some(at) if at < tool.name().len() => {
            let what =
                format!("the name {:?} holds {marker:?}, which ends names in this format", tool.name());
            Err(fault(&tool.pointer, what).help("rename the tool"))
        }
        _ => Ok(()),
    }
}
