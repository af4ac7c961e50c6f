//! Formats → grammar.
//!
//! Free text inside a tag ends at the first occurrence of the tag's end, by the same automaton that
//! finds triggers: so an end is read when it is complete, and there is never a choice between text
//! and marker. Only where text is followed by something else before the end of its tag, text and
//! what follows it are alternatives at every byte; the text then holds no end of the tag.
//!
//! Text with tags in it is a rule that refers to itself behind each tag. These are tail calls, so
//! the stack does not grow with the number of tags.

use super::error::{empty, fault, nested};
use super::format::{Dispatch, Format, Marker, SchemaFormat, Tag, TextFormat, TriggeredTags};
use super::parse::StructuralTag;
use crate::automata::UNBOUNDED;
use crate::automata::regex::Dialect;
use crate::grammar::{
    CompileError, Grammar, GrammarBuilder, GrammarError, KeyOrder, Mark, MarkId, NodeId, Role, RuleId,
    Trigger, UntilSpec,
};
use crate::schema::{self, AdditionalProperties, SchemaOptions, Whitespace};
use crate::syntax::{Notation, regex};
use hashbrown::HashMap;
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
/// A schema, pattern or grammar in it has a fault; a tag has no trigger; a trigger has no tag, or
/// could never be read; free text has no end.
pub fn compile(tag: &StructuralTag, options: &TagOptions) -> Result<Grammar, CompileError> {
    if let Format::Grammar { notation: Some(Notation::Lark), text } = &tag.format {
        return Notation::Lark.compile(text).map_err(|error| nested("/format/grammar", error));
    }
    let mut options = options.schema.clone();
    if tag.is_loose {
        // XGrammar's strict mode, which is on by default: objects have the keys that they declare.
        options = options.additional_properties(AdditionalProperties::Forbid);
    }
    let mut compiler = Compiler {
        builder: GrammarBuilder::new(),
        options,
        rules: 0,
        end_tokens: Vec::new(),
        schemas: HashMap::new(),
    };
    let root = compiler.format(&tag.format, &[], "/format")?;
    compiler.builder.build(root, None).map_err(|error| match error {
        GrammarError::Empty { .. } => empty("no output belongs to this structural tag"),
        error => nested("", error),
    })
}

struct Compiler {
    builder: GrammarBuilder,
    options: SchemaOptions,
    /// Rules made so far, for their names.
    rules: usize,
    /// The ends of the nearest tag that are tokens.
    end_tokens: Vec<Arc<str>>,
    /// The nodes of the schemas compiled so far. A tree may have a schema at several places.
    schemas: HashMap<SchemaFormat, NodeId>,
}

/// The ends of the nearest tag that are texts: free text in it holds none of them.
type Ends<'e> = &'e [Arc<str>];

impl Compiler {
    fn format(&mut self, format: &Format, ends: Ends<'_>, at: &str) -> Result<NodeId, CompileError> {
        Ok(match format {
            Format::Text(text) => {
                let spec = UntilSpec {
                    forbidden: text.excludes.iter().chain(ends).cloned().collect(),
                    max_chars: text.max_chars.unwrap_or(UNBOUNDED),
                    ..UntilSpec::text()
                };
                self.until(spec, at)?
            }
            Format::Const(text) => self.builder.nodes.spelled(text),
            Format::Schema(schema) => self.schema(schema, at)?,
            Format::Grammar { notation, text } => self.grammar(*notation, text, at)?,
            Format::Regex(pattern) => {
                let node = regex::compile_into(&mut self.builder, pattern, Dialect::Ecma262);
                node.map_err(|error| nested(&format!("{at}/pattern"), error))?
            }
            Format::Sequence(parts) => {
                let parts = self.formats(parts, ends, at)?;
                self.builder.nodes.sequence(&parts)
            }
            Format::Or(parts) => {
                let parts = self.formats(parts, ends, at)?;
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
                let tag = self.one_of(&tags.tags)?;
                let separator = self.delimiter(&Marker::Text(tags.separator.clone()));
                let more = self.builder.nodes.seq(separator, tag);
                let more =
                    self.builder.nodes.repeat(more, 0, if tags.stop_after_first { 0 } else { UNBOUNDED });
                let some = self.builder.nodes.seq(tag, more);
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

    fn formats(&mut self, parts: &[Format], ends: Ends<'_>, at: &str) -> Result<Vec<NodeId>, CompileError> {
        let parts = parts.iter().enumerate();
        parts.map(|(i, part)| self.format(part, ends, &format!("{at}/elements/{i}"))).collect()
    }

    fn until(&mut self, spec: UntilSpec, at: &str) -> Result<NodeId, CompileError> {
        self.builder.nodes.until(spec).map_err(|error| fault(at, error))
    }

    fn marker(&mut self, marker: &Marker) -> NodeId {
        match marker {
            Marker::Text(text) => self.builder.nodes.spelled(text),
            Marker::Token(name) => self.builder.nodes.special(name),
        }
    }

    /// A marker as a part of the output that delimits others.
    fn delimiter(&mut self, marker: &Marker) -> NodeId {
        match self.marker(marker) {
            NodeId::EMPTY => NodeId::EMPTY,
            node => self.builder.nodes.part(Role::Marker, node),
        }
    }

    /// The mark of a part's end, and then the node.
    fn after_end(&mut self, node: NodeId) -> NodeId {
        let end = self.builder.nodes.mark(Mark::End);
        self.builder.nodes.seq(end, node)
    }

    /// The beginning of a marker, and then the node.
    fn in_marker(&mut self, node: NodeId) -> NodeId {
        let begin = self.builder.nodes.mark(Mark::Begin(Role::Marker));
        self.builder.nodes.seq(begin, node)
    }

    /// The marks before a marker that ends so many parts.
    fn marks_before(&mut self, parts: usize) -> Vec<MarkId> {
        let mut marks = self.ends(parts);
        marks.push(self.builder.nodes.mark_id(Mark::Begin(Role::Marker)));
        marks
    }

    fn ends(&mut self, parts: usize) -> Vec<MarkId> {
        vec![self.builder.nodes.mark_id(Mark::End); parts]
    }

    /// A trigger that ends free text and so many parts, without anything after it.
    fn end_trigger(&mut self, end: Arc<str>, parts: usize) -> Trigger {
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
            options = options.arguments(style.clone());
        }
        let node = schema::compile_into(&mut self.builder, &format.schema, &options).map_err(|error| {
            let at = format!("{at}/json_schema");
            nested(if format.pointer.is_empty() { &at } else { &format.pointer }, error)
        })?;
        self.schemas.insert(format.clone(), node);
        Ok(node)
    }

    fn grammar(&mut self, notation: Option<Notation>, text: &str, at: &str) -> Result<NodeId, CompileError> {
        self.rules += 1;
        let prefix = format!("grammar{}.", self.rules);
        let wrong = |error| nested(&format!("{at}/grammar"), error);
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
    fn after_begin(&mut self, tag: &Tag) -> Result<NodeId, CompileError> {
        let pointer = format!("{}/content", tag.pointer);
        let may_stop = tag.ends.iter().any(|end| end.text().is_empty());
        let mut content = &*tag.content;
        while let Format::Marked { content: inner, .. } = content {
            content = inner;
        }
        let is_open =
            matches!(content, Format::Text(text) if text.excludes.is_empty() && text.max_chars.is_none());
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
    fn closed_part(
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

    /// A format and one of the ends after it. So many parts end between them.
    fn closed(
        &mut self,
        format: &Format,
        ends: &[Marker],
        parts: usize,
        at: &str,
    ) -> Result<NodeId, CompileError> {
        let tokens = ends.iter().filter(|end| matches!(end, Marker::Token(_)));
        let tokens = tokens.map(|end| end.text().clone()).collect();
        let outer = std::mem::replace(&mut self.end_tokens, tokens);
        let closed = self.closed_by(format, ends, parts, at);
        self.end_tokens = outer;
        closed
    }

    /// See [`closed`](Self::closed). The ends that are tokens are noted.
    fn closed_by(
        &mut self,
        format: &Format,
        ends: &[Marker],
        parts: usize,
        at: &str,
    ) -> Result<NodeId, CompileError> {
        let texts: Vec<Arc<str>> = ends
            .iter()
            .filter(|end| matches!(end, Marker::Text(text) if !text.is_empty()))
            .map(|end| end.text().clone())
            .collect();
        // Names of tokens can be looked for in text, ids cannot.
        let has_ids = ends.iter().any(|end| matches!(end, Marker::Token(name) if is_id(name)));
        let may_end = ends.iter().any(|end| end.text().is_empty());
        match format {
            Format::Text(TextFormat { excludes, max_chars: None }) if !has_ids => {
                let mut spec = UntilSpec { forbidden: excludes.clone(), may_end, ..UntilSpec::text() };
                spec.marks_at_end = self.ends(parts);
                for end in outermost(ends) {
                    spec.triggers.push(self.end_trigger(end, parts));
                }
                // An end that holds an excluded text can still follow text without it.
                if let Ok(node) = self.builder.nodes.until(spec) {
                    return Ok(node);
                }
            }
            Format::Triggered(tags) if !has_ids && !tags.stop_after_first => {
                if let Ok(node) = self.triggered(tags, &texts, ends, parts, at) {
                    return Ok(node);
                }
            }
            Format::Marked { role, content } => return self.closed_part(role, content, ends, parts, at),
            Format::Sequence(list) => {
                if let Some((last, before)) = list.split_last() {
                    let mut nodes = self.formats(before, &texts, at)?;
                    nodes.push(self.closed(last, ends, parts, &format!("{at}/elements/{}", before.len()))?);
                    return Ok(self.builder.nodes.sequence(&nodes));
                }
            }
            _ => {}
        }
        let content = self.format(format, &texts, at)?;
        let ends: Vec<NodeId> = ends.iter().map(|end| self.delimiter(end)).collect();
        let end = self.builder.nodes.alt(&ends);
        let end = (0..parts).fold(end, |end, _| self.after_end(end));
        Ok(self.builder.nodes.seq(content, end))
    }

    /// One of the tags, at once.
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

    /// Free text with tags in it, and one of the ends after it, if there are any. So many parts end
    /// between them.
    fn triggered(
        &mut self,
        format: &TriggeredTags,
        forbidden: Ends<'_>,
        ends: &[Marker],
        parts: usize,
        at: &str,
    ) -> Result<NodeId, CompileError> {
        let rule = self.rule();
        let again = self.builder.rule_node(rule);
        let mut spec = UntilSpec::text();
        spec.may_end = ends.is_empty() || ends.iter().any(|end| end.text().is_empty());
        spec.forbidden = format.excludes.clone();
        if ends.is_empty() {
            spec.forbidden.extend(forbidden.iter().cloned());
        }
        let triggers = shortest(&format.triggers);
        let marks = self.marks_before(0);
        let group =
            |text: &Arc<str>| Trigger { text: text.clone(), markers: Vec::new(), marks: marks.clone() };
        let mut groups: Vec<Trigger> = triggers.iter().map(group).collect();
        let mut first = UntilSpec { may_end: false, is_empty: true, ..UntilSpec::text() };
        for tag in &format.tags {
            let begin = tag.begin.text();
            // Triggers are sorted, and none begins with another: only the last one before `begin`
            // can be its beginning.
            let group = triggers.partition_point(|trigger| **trigger <= **begin).checked_sub(1);
            let Some(group) = group.filter(|&group| begin.starts_with(&*triggers[group])) else {
                let what = format!("this tag begins with {begin:?}, which no trigger begins");
                return Err(fault(&tag.pointer, what).help("add a trigger"));
            };
            let rest = self.after_begin(tag)?;
            let then = match format.stop_after_first {
                true => NodeId::EMPTY,
                false => again,
            };
            let rest = self.builder.nodes.seq(rest, then);
            let rest = self.after_end(rest);
            groups[group].markers.push((begin.clone(), rest));
            first = first.trigger(begin, rest);
        }
        if let Some(unused) = groups.iter().find(|group| group.markers.is_empty()) {
            let what = format!("no tag begins with the trigger {:?}", unused.text);
            return Err(fault(&format!("{at}/triggers"), what));
        }
        spec.triggers = groups;
        if !ends.is_empty() {
            spec.marks_at_end = self.ends(parts);
        }
        for end in outermost(ends) {
            spec.triggers.push(self.end_trigger(end, parts));
        }
        let text = self.until(spec, at)?;
        self.define(rule, text, at)?;
        Ok(match format.at_least_one {
            true => {
                let first = self.builder.nodes.at_once(first);
                self.in_marker(first)
            }
            false => again,
        })
    }

    fn dispatch(&mut self, format: &Dispatch, ends: Ends<'_>, at: &str) -> Result<NodeId, CompileError> {
        let rule = self.rule();
        let again = self.builder.rule_node(rule);
        let mut spec = UntilSpec { forbidden: format.excludes.clone(), ..UntilSpec::text() };
        for (i, (pattern, rest)) in format.rules.iter().enumerate() {
            let is_marked = matches!(rest, Format::Marked { .. });
            let mut rest = self.format(rest, ends, &format!("{at}/rules/{i}/1"))?;
            if !is_marked {
                rest = self.builder.nodes.part(Role::Tag { name: pattern.clone() }, rest);
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

    fn rule(&mut self) -> RuleId {
        self.rules += 1;
        self.builder.declare(&format!("text{}", self.rules))
    }

    fn define(&mut self, rule: RuleId, node: NodeId, at: &str) -> Result<(), CompileError> {
        self.builder.define(rule, node).map_err(|error| nested(at, error))
    }
}

fn is_id(name: &str) -> bool {
    name.starts_with("<[") && name.ends_with("]>")
}

/// The triggers that do not begin with another one.
fn shortest(triggers: &[Arc<str>]) -> Vec<Arc<str>> {
    let mut sorted = triggers.to_vec();
    sorted.sort_unstable();
    sorted.dedup_by(|later, first| later.starts_with(&**first));
    sorted
}

/// The ends that are not empty and do not begin with another one: a text ends at the first of them.
fn outermost(ends: &[Marker]) -> Vec<Arc<str>> {
    let texts: Vec<Arc<str>> =
        ends.iter().map(|end| end.text().clone()).filter(|text| !text.is_empty()).collect();
    shortest(&texts)
}

/// Triggers that begin with another one become its markers.
fn grouped(mut triggers: Vec<Trigger>) -> Vec<Trigger> {
    triggers.sort_by(|a, b| a.text.cmp(&b.text));
    let mut groups: Vec<Trigger> = Vec::with_capacity(triggers.len());
    for trigger in triggers {
        match groups.last_mut().filter(|group| trigger.text.starts_with(&*group.text)) {
            Some(group) => group.markers.extend(trigger.markers),
            None => groups.push(trigger),
        }
    }
    groups
}
