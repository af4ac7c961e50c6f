//! Formats → grammar.
//!
//! Free text inside a tag ends at the first occurrence of the tag's end, by the same automaton that
//! finds triggers: so an end is read when it is complete, and there is never a choice between text
//! and marker. Only where text is followed by something else before the end of its tag, text and
//! what follows it are alternatives at every byte; the text then holds no end of the tag.
//!
//! Text with tags in it is a rule that refers to itself behind each tag. These are tail calls, so
//! the stack does not grow with the number of tags.

use super::error::TagError;
use super::format::{Dispatch, Format, Marker, SchemaFormat, Tag, TextFormat, TriggeredTags};
use super::parse::StructuralTag;
use crate::automata::UNBOUNDED;
use crate::automata::regex::Dialect;
use crate::grammar::{Grammar, GrammarBuilder, GrammarError, KeyOrder, NodeId, RuleId, Trigger, UntilSpec};
use crate::schema::{self, AdditionalProperties, SchemaOptions, Whitespace};
use crate::syntax::{Notation, regex};
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
/// # Ok::<(), hedgerow::tags::TagError>(())
/// ```
///
/// # Errors
///
/// A schema, pattern or grammar in it has a fault; a tag has no trigger; a trigger has no tag, or
/// could never be read; free text has no end.
pub fn compile(tag: &StructuralTag, options: &TagOptions) -> Result<Grammar, TagError> {
    if let Format::Grammar { notation: Some(Notation::Lark), text } = &tag.format {
        return Notation::Lark
            .compile(text)
            .map_err(|error| TagError::new("/format/grammar", error.to_string()));
    }
    let mut options = options.schema.clone();
    if tag.is_loose {
        // XGrammar's strict mode, which is on by default: objects have the keys that they declare.
        options = options.additional_properties(AdditionalProperties::Forbid);
    }
    let mut compiler = Compiler { builder: GrammarBuilder::new(), options, rules: 0 };
    let root = compiler.format(&tag.format, &[], "/format")?;
    compiler.builder.build(root, None).map_err(|error| match error {
        GrammarError::Empty { .. } => TagError::new("", "no output belongs to this structural tag"),
        error => TagError::new("", error.to_string()),
    })
}

struct Compiler {
    builder: GrammarBuilder,
    options: SchemaOptions,
    /// Rules made so far, for their names.
    rules: usize,
}

/// The ends of the nearest tag that are texts: free text in it holds none of them.
type Ends<'e> = &'e [Arc<str>];

impl Compiler {
    fn format(&mut self, format: &Format, ends: Ends<'_>, at: &str) -> Result<NodeId, TagError> {
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
                node.map_err(|error| TagError::new(&format!("{at}/pattern"), error.to_string()))?
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
                let begin = self.marker(&tag.begin);
                let rest = self.after_begin(tag)?;
                self.builder.nodes.seq(begin, rest)
            }
            Format::Triggered(tags) => self.triggered(tags, ends, &[], at)?,
            Format::Separated(tags) => {
                let tag = self.one_of(&tags.tags)?;
                let separator = self.builder.nodes.spelled(&tags.separator);
                let more = self.builder.nodes.seq(separator, tag);
                let more =
                    self.builder.nodes.repeat(more, 0, if tags.stop_after_first { 0 } else { UNBOUNDED });
                let some = self.builder.nodes.seq(tag, more);
                self.builder.nodes.repeat(some, u32::from(tags.at_least_one), 1)
            }
            Format::Dispatch(dispatch) => self.dispatch(dispatch, at)?,
            Format::Token(marker) => self.marker(marker),
        })
    }

    fn formats(&mut self, parts: &[Format], ends: Ends<'_>, at: &str) -> Result<Vec<NodeId>, TagError> {
        let parts = parts.iter().enumerate();
        parts.map(|(i, part)| self.format(part, ends, &format!("{at}/elements/{i}"))).collect()
    }

    fn until(&mut self, spec: UntilSpec, at: &str) -> Result<NodeId, TagError> {
        self.builder.nodes.until(spec).map_err(|error| TagError::new(at, error.to_string()))
    }

    fn marker(&mut self, marker: &Marker) -> NodeId {
        match marker {
            Marker::Text(text) => self.builder.nodes.spelled(text),
            Marker::Token(name) => self.builder.nodes.special(name),
        }
    }

    fn schema(&mut self, format: &SchemaFormat, at: &str) -> Result<NodeId, TagError> {
        let mut options = self.options.clone();
        if format.any_order {
            options = options.key_order(KeyOrder::Any);
        }
        if let Some(most) = format.max_whitespace {
            options = options.whitespace(Whitespace::Pattern(format!("[ \\t\\n\\r]{{0,{most}}}")));
        }
        schema::compile_into(&mut self.builder, &format.schema, &options)
            .map_err(|error| TagError::new(&format!("{at}/json_schema"), error.to_string()))
    }

    fn grammar(&mut self, notation: Option<Notation>, text: &str, at: &str) -> Result<NodeId, TagError> {
        self.rules += 1;
        let prefix = format!("grammar{}.", self.rules);
        let wrong = |error: String| TagError::new(&format!("{at}/grammar"), error);
        if let Some(notation) = notation {
            let node = notation.compile_into(&mut self.builder, &prefix, text);
            return node.map_err(|error| wrong(error.to_string()));
        }
        // GBNF is what XGrammar reads, but for its special forms.
        match Notation::Gbnf.compile_into(&mut self.builder, &prefix, text) {
            Ok(node) => Ok(node),
            Err(error) => {
                let other = format!("{prefix}ebnf.");
                let node = Notation::Ebnf.compile_into(&mut self.builder, &other, text);
                node.map_err(|_| wrong(error.to_string()))
            }
        }
    }

    /// The content of a tag and its end.
    fn after_begin(&mut self, tag: &Tag) -> Result<NodeId, TagError> {
        let pointer = format!("{}/content", tag.pointer);
        let may_stop = tag.ends.iter().any(|end| end.text().is_empty());
        let is_open = matches!(&*tag.content, Format::Text(text) if text.excludes.is_empty() && text.max_chars.is_none());
        if may_stop && tag.ends.len() == 1 && is_open {
            let what = "this tag has free text without an end";
            return Err(
                TagError::new(&tag.pointer, what).help("give it an `end`, or exclude texts from its content")
            );
        }
        self.closed(&tag.content, &tag.ends, &pointer)
    }

    /// A format and one of the ends after it.
    fn closed(&mut self, format: &Format, ends: &[Marker], at: &str) -> Result<NodeId, TagError> {
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
                for end in outermost(ends) {
                    spec = spec.trigger(&end, NodeId::EMPTY);
                }
                // An end that holds an excluded text can still follow text without it.
                if let Ok(node) = self.builder.nodes.until(spec) {
                    return Ok(node);
                }
            }
            Format::Triggered(tags) if !has_ids && !tags.stop_after_first => {
                if let Ok(node) = self.triggered(tags, &texts, ends, at) {
                    return Ok(node);
                }
            }
            Format::Sequence(parts) => {
                if let Some((last, before)) = parts.split_last() {
                    let mut nodes = self.formats(before, &texts, at)?;
                    nodes.push(self.closed(last, ends, &format!("{at}/elements/{}", before.len()))?);
                    return Ok(self.builder.nodes.sequence(&nodes));
                }
            }
            _ => {}
        }
        let content = self.format(format, &texts, at)?;
        let ends: Vec<NodeId> = ends.iter().map(|end| self.marker(end)).collect();
        let end = self.builder.nodes.alt(&ends);
        Ok(self.builder.nodes.seq(content, end))
    }

    /// One of the tags, at once.
    fn one_of(&mut self, tags: &[Tag]) -> Result<NodeId, TagError> {
        let mut spec = UntilSpec { may_end: false, is_empty: true, ..UntilSpec::text() };
        let mut others = Vec::new();
        for tag in tags {
            let rest = self.after_begin(tag)?;
            match &tag.begin {
                Marker::Text(begin) if !begin.is_empty() => spec = spec.trigger(begin, rest),
                begin => {
                    let begin = self.marker(begin);
                    others.push(self.builder.nodes.seq(begin, rest));
                }
            }
        }
        if !spec.triggers.is_empty() {
            others.push(self.builder.nodes.at_once(spec));
        }
        Ok(self.builder.nodes.alt(&others))
    }

    /// Free text with tags in it, and one of the ends after it, if there are any.
    fn triggered(
        &mut self,
        format: &TriggeredTags,
        forbidden: Ends<'_>,
        ends: &[Marker],
        at: &str,
    ) -> Result<NodeId, TagError> {
        let rule = self.rule();
        let again = self.builder.rule_node(rule);
        let mut spec = UntilSpec::text();
        spec.may_end = ends.is_empty() || ends.iter().any(|end| end.text().is_empty());
        spec.forbidden = format.excludes.clone();
        if ends.is_empty() {
            spec.forbidden.extend(forbidden.iter().cloned());
        }
        let triggers = shortest(&format.triggers);
        let mut groups: Vec<Trigger> =
            triggers.iter().map(|text| Trigger { text: text.clone(), markers: Vec::new() }).collect();
        let mut first = UntilSpec { may_end: false, is_empty: true, ..UntilSpec::text() };
        for tag in &format.tags {
            let begin = tag.begin.text();
            let Some(group) = triggers.iter().position(|trigger| begin.starts_with(&**trigger)) else {
                let what = format!("this tag begins with {begin:?}, which no trigger begins");
                return Err(TagError::new(&tag.pointer, what).help("add a trigger"));
            };
            let rest = self.after_begin(tag)?;
            let then = match format.stop_after_first {
                true => NodeId::EMPTY,
                false => again,
            };
            let rest = self.builder.nodes.seq(rest, then);
            groups[group].markers.push((begin.clone(), rest));
            first = first.trigger(begin, rest);
        }
        if let Some(unused) = groups.iter().find(|group| group.markers.is_empty()) {
            let what = format!("no tag begins with the trigger {:?}", unused.text);
            return Err(TagError::new(&format!("{at}/triggers"), what));
        }
        spec.triggers = groups;
        for end in outermost(ends) {
            spec = spec.trigger(&end, NodeId::EMPTY);
        }
        let text = self.until(spec, at)?;
        self.define(rule, text, at)?;
        Ok(match format.at_least_one {
            true => self.builder.nodes.at_once(first),
            false => again,
        })
    }

    fn dispatch(&mut self, format: &Dispatch, at: &str) -> Result<NodeId, TagError> {
        let rule = self.rule();
        let again = self.builder.rule_node(rule);
        let mut spec = UntilSpec { forbidden: format.excludes.clone(), ..UntilSpec::text() };
        for (i, (pattern, rest)) in format.rules.iter().enumerate() {
            let rest = self.format(rest, &[], &format!("{at}/rules/{i}/1"))?;
            let then = if format.looped { again } else { NodeId::EMPTY };
            let rest = self.builder.nodes.seq(rest, then);
            spec = spec.trigger(pattern, rest);
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

    fn define(&mut self, rule: RuleId, node: NodeId, at: &str) -> Result<(), TagError> {
        self.builder.define(rule, node).map_err(|error| TagError::new(at, error.to_string()))
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
