//! The grammar of a structural tag's formats.
//!
//! Free text inside a tag ends at the first occurrence of the tag's end. The automaton that finds
//! triggers finds the ends, too, so that the same bytes are never both text and marker. For this, a
//! tag's ends are handed down to the format that its content ends with ([`ending`](super::ending)).
//! In `<a>`, free text, a number, `</a>`, something stands between the text and the end. There the
//! number may begin at every byte of the text, and the text does not contain `</a>`.
//!
//! Free text with tags in it is a rule that refers to itself behind each tag. These are tail calls,
//! so the stack does not grow with the number of tags.

use super::error::{empty, fault, nested};
use super::format::{Dispatch, Format, SchemaFormat, SeparatedTags, Tag, TextFormat};
use super::parse::StructuralTag;
use super::roles::{self, Around};
use crate::automata::regex::Dialect;
use crate::automata::until::UntilError;
use crate::automata::{UNBOUNDED, interrupt};
use crate::grammar::{
    CompileError, Grammar, GrammarBuilder, GrammarError, KeyOrder, Mark, MarkId, Marker, NodeId, Role,
    RuleId, Trigger, UntilSpec,
};
use crate::schema::{
    self, AdditionalProperties, ArgumentStyle, EscapePolicy, SchemaOptions, SchemaWarning, Standards,
    Whitespace, Words,
};
use crate::syntax::lark::{self, Lexer};
use crate::syntax::{Notation, regex};
use hashbrown::HashMap;
use std::borrow::Cow;
use std::sync::Arc;

/// Choices that a structural tag leaves open.
#[derive(Clone, Debug, Default)]
pub struct TagOptions {
    schema: SchemaOptions,
}

impl TagOptions {
    /// The options of all schemas in the tag. Default: those of
    /// [`SchemaOptions`](crate::schema::SchemaOptions).
    pub fn schema(mut self, options: SchemaOptions) -> Self {
        self.schema = options;
        self
    }
}

/// Makes the grammar of a structural tag.
///
/// ```
/// use hedgerow::tags::{compile, parse, TagOptions};
/// let tag = parse(r#"{"format": {"type": "const_string", "value": "yes"}}"#)?;
/// let grammar = compile(&tag, &TagOptions::default())?;
/// # Ok::<(), hedgerow::grammar::CompileError>(())
/// ```
///
/// # Errors
///
/// A schema, pattern or grammar in the tag has a fault; a tag has no trigger; a trigger has no tag,
/// or could never be read; free text has no end.
pub fn compile(tag: &StructuralTag, options: &TagOptions) -> Result<Grammar, CompileError> {
    compile_with_warnings(tag, options).map(|(grammar, _)| grammar)
}

/// Makes the grammar of a structural tag, and returns warnings about parts that have no effect or
/// less than they seem to have. These are keywords of schemas, and triggers that are also an end of
/// the tag around them.
///
/// ```
/// use hedgerow::tags::{compile_with_warnings, parse, TagOptions};
/// let tag = parse(r#"{"format": {"type": "json_schema", "json_schema": {"maxlength": 3}}}"#)?;
/// let (_, warnings) = compile_with_warnings(&tag, &TagOptions::default())?;
/// assert_eq!(warnings[0].pointer, "#/format/json_schema");
/// assert_eq!(warnings[0].keyword, "maxlength");
/// # Ok::<(), hedgerow::grammar::CompileError>(())
/// ```
///
/// # Errors
///
/// As [`compile`].
pub fn compile_with_warnings(
    tag: &StructuralTag,
    options: &TagOptions,
) -> Result<(Grammar, Vec<SchemaWarning>), CompileError> {
    let mut schema = options.schema.clone();
    if tag.is_loose {
        // XGrammar's strict mode, which is on by default: objects have the keys that they declare.
        schema = schema.additional_properties(AdditionalProperties::Forbid);
    }
    if let Format::Grammar { notation: Some(Notation::Lark), text, lexer } = &tag.format {
        let options = lark::Options::default().lexer(*lexer).schema(schema);
        let at = "/format/grammar";
        let compiled = lark::compile_with_warnings(text, &options).map_err(|error| nested(at, error))?;
        return Ok((compiled.0, in_grammar(at, compiled.1)));
    }
    roles::check(&tag.format, Around::Output, "/format")?;
    let mut compiler = Compiler {
        builder: GrammarBuilder::new(),
        options: schema,
        rules: 0,
        end_tokens: Vec::new(),
        schemas: HashMap::new(),
        standards: Standards::default(),
        tags: HashMap::new(),
        warnings: Vec::new(),
    };
    let root = compiler.format(&tag.format, &[], "/format")?;
    interrupt::ended()?;
    let grammar = compiler.builder.build(root, None).map_err(|error| match error {
        GrammarError::Empty { .. } => {
            empty("no output belongs to this structural tag: some part of it can never be completed")
        }
        error => nested("", error),
    })?;
    compiler.warnings.extend(compiler.standards.unused_documents());
    Ok((grammar, compiler.warnings))
}

pub(super) struct Compiler {
    pub builder: GrammarBuilder,
    options: SchemaOptions,
    /// Rules made so far, for their names.
    rules: usize,
    /// The ends of the nearest tag that are tokens.
    end_tokens: Vec<Arc<str>>,
    /// The nodes of the schemas compiled so far. A tree may have a schema at several places.
    schemas: HashMap<SchemaFormat, NodeId>,
    /// The languages that schemas have in common.
    standards: Standards,
    /// The nodes behind the beginnings of tags, by the tags' addresses. A format may be compiled
    /// twice, with the ends after it and without. The tags in it are compiled once.
    tags: HashMap<*const Tag, NodeId>,
    pub warnings: Vec<SchemaWarning>,
}

/// The ends of the nearest tag that are texts: free text in it holds none of them.
pub(super) type Ends<'e> = &'e [Marker];

/// The ends that may follow a format, and the parts that end before them.
#[derive(Clone, Copy)]
pub(super) struct Ending<'e> {
    pub ends: &'e [Marker],
    /// The ends that are texts, and not empty: free text holds none of them.
    pub texts: &'e [Marker],
    pub parts: usize,
}

impl Ending<'_> {
    /// True if one of the ends is the empty text.
    pub fn may_be_empty(self) -> bool {
        self.ends.iter().any(Marker::is_empty)
    }
}

impl Compiler {
    pub fn format(&mut self, format: &Format, ends: Ends<'_>, at: &str) -> Result<NodeId, CompileError> {
        interrupt::check()?;
        if let Some(max_chars) = format.plain_text() {
            return self.until(UntilSpec { forbidden: ends.to_vec(), max_chars, ..UntilSpec::text() }, at);
        }
        Ok(match format {
            Format::Text(text) => {
                let mut spec = text.spec();
                spec.forbidden.extend(ends.iter().cloned());
                self.until(spec, at)?
            }
            Format::Const(text) => self.builder.nodes.spelled(text),
            Format::Schema(schema) => self.schema(schema, at)?,
            Format::Grammar { notation, text, lexer } => self.grammar(*notation, *lexer, text, at)?,
            Format::Regex(pattern) => {
                let node = regex::compile_into(&mut self.builder, pattern, Dialect::Ecma262);
                node.map_err(|error| nested(&format!("{at}/pattern"), error))?
            }
            Format::Sequence(parts) => {
                let parts = merged(parts);
                let parts = self.formats(parts.iter().map(|(i, part)| (*i, &**part)), ends, at)?;
                self.builder.nodes.sequence(&parts)
            }
            Format::Or(parts) => {
                let parts = self.formats(parts.iter().enumerate(), ends, at)?;
                self.builder.nodes.alt(&parts)
            }
            Format::Repeat { body, min, max } => {
                let body = self.format(body, ends, &format!("{at}/content"))?;
                self.builder.nodes.repeat(body, *min, *max)
            }
            Format::Tag(tag) => {
                let begin = self.delimiter(&tag.begin);
                let rest = self.after_begin(tag)?;
                self.builder.nodes.seq(begin, rest)
            }
            Format::Triggered(tags) => self.triggered(tags, ends, &[], 0, at)?,
            Format::Separated(tags) => {
                let some = self.separated(tags)?;
                self.builder.nodes.repeat(some, u32::from(tags.at_least_one), 1)
            }
            Format::Dispatch(dispatch) => self.dispatch(dispatch, ends, at)?,
            Format::Tokens { tokens, min, max } => {
                let mut tokens = tokens.clone();
                if tokens.all_but && *max != 1 {
                    tokens.names.extend(self.end_tokens.iter().cloned());
                }
                let one = self.builder.nodes.one_token(tokens);
                self.builder.nodes.repeat(one, *min, *max)
            }
            Format::Marked { role, content } => {
                let content = self.format(content, ends, at)?;
                self.builder.nodes.part(role.clone(), content)
            }
        })
    }

    /// The formats in a list, such as the elements of a sequence. An error names them by their
    /// numbers.
    pub fn formats<'f>(
        &mut self,
        parts: impl Iterator<Item = (usize, &'f Format)>,
        ends: Ends<'_>,
        at: &str,
    ) -> Result<Vec<NodeId>, CompileError> {
        parts.map(|(i, part)| self.format(part, ends, &format!("{at}/elements/{i}"))).collect()
    }

    /// One tag or more, with a separator between them.
    pub fn separated(&mut self, tags: &SeparatedTags) -> Result<NodeId, CompileError> {
        let tag = self.one_of(&tags.tags)?;
        let separator = self.delimiter(&Marker::Text(tags.separator.clone()));
        let more = self.builder.nodes.seq(separator, tag);
        let most = if tags.stop_after_first { 0 } else { UNBOUNDED };
        let more = self.builder.nodes.repeat(more, 0, most);
        Ok(self.builder.nodes.seq(tag, more))
    }

    pub fn until(&mut self, spec: UntilSpec, at: &str) -> Result<NodeId, CompileError> {
        self.builder.nodes.until(spec).map_err(|error| match &error {
            UntilError::Unreachable { .. } => fault(at, error).help(UNTIL_HELP),
            _ => fault(at, error),
        })
    }

    fn marker(&mut self, marker: &Marker) -> NodeId {
        match marker {
            Marker::Text(text) => self.builder.nodes.spelled(text),
            Marker::Token(name) => self.builder.nodes.special(name),
        }
    }

    /// A marker, such as `</think>`. For readers of events it is a part of the output with its own
    /// role.
    pub fn delimiter(&mut self, marker: &Marker) -> NodeId {
        match self.marker(marker) {
            NodeId::EMPTY => NodeId::EMPTY,
            node => self.builder.nodes.part(Role::Marker, node),
        }
    }

    /// The mark of a part's end, and then the node.
    pub fn after_end(&mut self, node: NodeId) -> NodeId {
        let end = self.builder.nodes.mark(Mark::End);
        self.builder.nodes.seq(end, node)
    }

    /// The beginning of a marker, and then the node.
    pub fn in_marker(&mut self, node: NodeId) -> NodeId {
        let begin = self.builder.nodes.mark(Mark::Begin(Role::Marker));
        self.builder.nodes.seq(begin, node)
    }

    /// The marks before a marker, which ends the innermost `parts` parts.
    pub fn marks_before(&mut self, parts: usize) -> Vec<MarkId> {
        let mut marks = self.ends(parts);
        marks.push(self.builder.nodes.mark_id(Mark::Begin(Role::Marker)));
        marks
    }

    pub fn ends(&mut self, parts: usize) -> Vec<MarkId> {
        vec![self.builder.nodes.mark_id(Mark::End); parts]
    }

    /// A trigger that ends the free text before it and the innermost `parts` parts. Nothing follows
    /// it.
    pub fn end_trigger(&mut self, end: Marker, parts: usize) -> Trigger {
        let (marks, after) = (self.marks_before(parts), self.after_end(NodeId::EMPTY));
        Trigger { markers: vec![(end.clone(), after)], text: end, marks }
    }

    fn schema(&mut self, format: &SchemaFormat, at: &str) -> Result<NodeId, CompileError> {
        if let Some(&node) = self.schemas.get(format) {
            return Ok(node);
        }
        let mut options = self.options.clone();
        if format.any_order {
            options = options.key_order(KeyOrder::Any);
        }
        if let Some(most) = format.max_whitespace {
            options = options.whitespace(Whitespace::AtMost(most));
        }
        if let Some(style) = &format.arguments {
            if style.words == Words::Python {
                // Python has no escape `\/`.
                options = options.escapes(EscapePolicy::Minimal);
            }
            match style.is_json() {
                true => options.excludes.extend(style.excludes.iter().cloned()),
                false if format.excludes.is_empty() => options.arguments = Some(style.clone()),
                false => {
                    let mut style = ArgumentStyle::clone(style);
                    style.excludes.extend(format.excludes.iter().cloned());
                    options.arguments = Some(Arc::new(style));
                }
            }
        }
        options.excludes.extend(format.excludes.iter().cloned());
        let inside = format!("{at}/json_schema");
        let at = if format.pointer.is_empty() { &inside } else { &*format.pointer };
        let compiled =
            schema::compile_one_of_many(&mut self.builder, &format.schema, &options, &mut self.standards);
        let (node, warnings) = compiled.map_err(|error| nested(at, error))?;
        // A document that the schema refers to has a URI, and keeps its pointers.
        let outer = |pointer: &str| pointer.strip_prefix('#').map(|inner| format!("#{at}{inner}"));
        self.warnings.extend(warnings.into_iter().map(|mut warning| {
            warning.pointer = outer(&warning.pointer).unwrap_or(warning.pointer);
            warning
        }));
        self.schemas.insert(format.clone(), node);
        Ok(node)
    }

    fn grammar(
        &mut self,
        notation: Option<Notation>,
        lexer: Lexer,
        text: &str,
        at: &str,
    ) -> Result<NodeId, CompileError> {
        self.rules += 1;
        let prefix = format!("grammar{}.", self.rules);
        let at = format!("{at}/grammar");
        let wrong = |error| nested(&at, error);
        if notation == Some(Notation::Lark) && lexer == Lexer::Dynamic {
            let options = lark::Options::default().schema(self.options.clone());
            let (builder, standards) = (&mut self.builder, &mut self.standards);
            let compiled = lark::compile_one_of_many(builder, standards, &prefix, text, &options);
            let (node, warnings) = compiled.map_err(wrong)?;
            // A format may be compiled twice.
            for warning in in_grammar(&at, warnings) {
                if !self.warnings.contains(&warning) {
                    self.warnings.push(warning);
                }
            }
            return Ok(node);
        }
        if let Some(notation) = notation {
            let node = notation.compile_into(&mut self.builder, &prefix, text);
            return node.map_err(wrong);
        }
        // GBNF is what XGrammar reads, but for its special forms.
        match Notation::Gbnf.compile_into(&mut self.builder, &prefix, text) {
            Ok(node) => Ok(node),
            Err(error) => {
                let other = format!("{prefix}ebnf.");
                let node = Notation::Ebnf.compile_into(&mut self.builder, &other, text);
                node.map_err(|_| wrong(error))
            }
        }
    }

    /// The content of a tag and its end.
    pub fn after_begin(&mut self, tag: &Tag) -> Result<NodeId, CompileError> {
        let key = std::ptr::from_ref(tag);
        if let Some(&known) = self.tags.get(&key) {
            return Ok(known);
        }
        let node = self.after_new_begin(tag)?;
        self.tags.insert(key, node);
        Ok(node)
    }

    fn after_new_begin(&mut self, tag: &Tag) -> Result<NodeId, CompileError> {
        let pointer = format!("{}/content", tag.pointer);
        check_call_name(tag)?;
        let may_stop = tag.ends.iter().any(|end| end.text().is_empty());
        let mut content = &*tag.content;
        while let Format::Marked { content: inner, .. } = content {
            content = inner;
        }
        let is_open = matches!(content, Format::Text(text) if *text == TextFormat::default());
        if may_stop && tag.ends.len() == 1 && is_open {
            let what = "this tag has free text without an end";
            return Err(fault(&tag.pointer, what).help("give it an `end`, or exclude texts from its content"));
        }
        if matches!(&*tag.content, Format::Marked { .. }) {
            return self.closed(&tag.content, &tag.ends, 0, &pointer);
        }
        let role = Role::Tag { name: tag.begin.text().clone() };
        self.closed_part(&role, &tag.content, &tag.ends, 0, &pointer)
    }

    /// A part with a role, and one of the ends after it. See [`closed`](Self::closed).
    pub fn closed_part(
        &mut self,
        role: &Role,
        content: &Format,
        ends: &[Marker],
        parts: usize,
        at: &str,
    ) -> Result<NodeId, CompileError> {
        let content = self.closed(content, ends, parts + 1, at)?;
        let begin = self.builder.nodes.mark(Mark::Begin(role.clone()));
        Ok(self.builder.nodes.seq(begin, content))
    }

    /// A format, and behind it one of the ends. The innermost `parts` parts end between the two.
    pub fn closed(
        &mut self,
        format: &Format,
        ends: &[Marker],
        parts: usize,
        at: &str,
    ) -> Result<NodeId, CompileError> {
        let tokens = ends.iter().filter(|end| matches!(end, Marker::Token(_)));
        let tokens = tokens.map(|end| end.text().clone()).collect();
        let outer = std::mem::replace(&mut self.end_tokens, tokens);
        let is_text = |end: &&Marker| matches!(end, Marker::Text(text) if !text.is_empty());
        let texts: Vec<Marker> = ends.iter().filter(is_text).cloned().collect();
        let closed = self.before(format, Ending { ends, texts: &texts, parts }, at);
        self.end_tokens = outer;
        closed
    }

    /// One of the tags, without text before it.
    fn one_of(&mut self, tags: &[Tag]) -> Result<NodeId, CompileError> {
        let mut spec = UntilSpec { may_end: false, is_empty: true, ..UntilSpec::text() };
        let mut others = Vec::new();
        for tag in tags {
            let rest = self.after_begin(tag)?;
            match &tag.begin {
                Marker::Text(begin) if !begin.is_empty() => {
                    let rest = self.after_end(rest);
                    spec = spec.trigger(begin, rest);
                }
                begin => {
                    let begin = self.delimiter(begin);
                    others.push(self.builder.nodes.seq(begin, rest));
                }
            }
        }
        if !spec.triggers.is_empty() {
            let markers = self.builder.nodes.at_once(spec);
            others.push(self.in_marker(markers));
        }
        Ok(self.builder.nodes.alt(&others))
    }

    fn dispatch(&mut self, format: &Dispatch, ends: Ends<'_>, at: &str) -> Result<NodeId, CompileError> {
        let rule = self.rule();
        let again = self.builder.rule_node(rule);
        let mut spec = UntilSpec { forbidden: format.excludes.clone(), ..UntilSpec::text() };
        for (i, (pattern, rest)) in format.rules.iter().enumerate() {
            interrupt::check()?;
            let is_marked = matches!(rest, Format::Marked { .. });
            let mut rest = self.format(rest, ends, &format!("{at}/rules/{i}/1"))?;
            if !is_marked {
                rest = self.builder.nodes.part(Role::Tag { name: pattern.text().clone() }, rest);
            }
            let then = if format.looped { again } else { NodeId::EMPTY };
            let rest = self.builder.nodes.seq(rest, then);
            let (markers, marks) = (vec![(pattern.clone(), self.after_end(rest))], self.marks_before(0));
            spec.triggers.push(Trigger { text: pattern.clone(), markers, marks });
        }
        // A pattern that another one begins with is a trigger for both.
        spec.triggers = grouped(spec.triggers);
        let text = self.until(spec, at)?;
        self.define(rule, text, at)?;
        Ok(again)
    }

    pub fn rule(&mut self) -> RuleId {
        self.rules += 1;
        self.builder.declare(&format!("text{}", self.rules))
    }

    pub fn define(&mut self, rule: RuleId, node: NodeId, at: &str) -> Result<(), CompileError> {
        self.builder.define(rule, node).map_err(|error| nested(at, error))
    }
}

/// The warnings about schemas in the text of a grammar at `pointer`. A place in such a schema has
/// no pointer in the tag, so the message says it.
fn in_grammar(pointer: &str, warnings: Vec<SchemaWarning>) -> Vec<SchemaWarning> {
    let moved = |warning: SchemaWarning| SchemaWarning {
        message: format!("{}, at {}", warning.message, warning.pointer),
        pointer: format!("#{pointer}"),
        keyword: warning.keyword,
    };
    warnings.into_iter().map(moved).collect()
}

/// Fails if a call in Python's spelling names a function that Python could not call.
fn check_call_name(tag: &Tag) -> Result<(), CompileError> {
    let Format::Marked { role: Role::Call { name: Some(name) }, content } = &*tag.content else {
        return Ok(());
    };
    let is_python = |part: &Format| {
        let Format::Marked { content, .. } = part else { return false };
        let Format::Schema(SchemaFormat { arguments: Some(style), .. }) = &**content else { return false };
        style.words == Words::Python
    };
    let Format::Sequence(parts) = &**content else { return Ok(()) };
    if !parts.iter().any(is_python) || name.split('.').all(schema::is_python_name) {
        return Ok(());
    }
    let what = format!("the name {name:?} is no name in Python, as calls of this format need it");
    Err(fault(&tag.pointer, what).help("name the tool by letters, digits, `_` and `.`, and by no keyword"))
}

/// The remedy where one text that is looked for holds another.
const UNTIL_HELP: &str = "give triggers, excluded texts and ends that do not hold each other";

/// The parts of a sequence, in which neighbours that are plain free text have become one part:
/// nothing says where the first of two such texts ends. Each part has its number.
pub(super) fn merged(parts: &[Format]) -> Vec<(usize, Cow<'_, Format>)> {
    let mut merged: Vec<(usize, Cow<'_, Format>)> = Vec::with_capacity(parts.len());
    for (i, part) in parts.iter().enumerate() {
        match (part.plain_text(), merged.last().and_then(|(_, last)| last.plain_text())) {
            (Some(more), Some(before)) => {
                let last = merged.len() - 1;
                merged[last].1 = Cow::Owned(Format::plain(before.saturating_add(more)));
            }
            _ => merged.push((i, Cow::Borrowed(part))),
        }
    }
    merged
}

/// The markers that do not begin with another one of them, without empty ones. The others are never
/// read, because free text ends as soon as one marker is complete.
pub(super) fn shortest(markers: &[Marker]) -> Vec<Marker> {
    let mut sorted: Vec<Marker> = markers.iter().filter(|marker| !marker.is_empty()).cloned().collect();
    sorted.sort_unstable_by(|a, b| a.text().cmp(b.text()));
    sorted.dedup_by(|later, first| later.begins_with(first));
    sorted
}

/// The triggers, grouped: a trigger that begins with another one becomes a marker of that one.
fn grouped(mut triggers: Vec<Trigger>) -> Vec<Trigger> {
    triggers.sort_by(|a, b| a.text.text().cmp(b.text.text()));
    let mut groups: Vec<Trigger> = Vec::with_capacity(triggers.len());
    for trigger in triggers {
        match groups.last_mut().filter(|group| trigger.text.begins_with(&group.text)) {
            Some(group) => group.markers.extend(trigger.markers),
            None => groups.push(trigger),
        }
    }
    groups
}
