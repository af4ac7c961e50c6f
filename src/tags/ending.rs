//! The end of a tag, and the free text before it.
//!
//! A tag ends at the first occurrence of its end. In `x>>>` with the end `>>`, the tag ends behind
//! `x>>`. The text `x>` is therefore not possible in this tag. The automaton of the free text
//! searches for the ends, so it must know them. They are handed down to all formats in which free
//! text may come last: alternatives, repetitions, and sequences whose last parts may be missing.

use super::compile::{Compiler, Ending, Ends, merged, shortest};
use super::error::fault;
use super::format::{Format, TriggeredTags};
use crate::automata::until::{Pattern, Until};
use crate::automata::{UNBOUNDED, interrupt};
use crate::grammar::{CompileError, Marker, NodeId, Trigger, UntilSpec};
use crate::schema::SchemaWarning;
use hashbrown::HashSet;

impl Compiler {
    /// The node of a format and of one of the ends after it.
    pub fn before(&mut self, format: &Format, ending: Ending<'_>, at: &str) -> Result<NodeId, CompileError> {
        interrupt::check()?;
        if let Some(max_chars) = format.plain_text() {
            return self.text_before(UntilSpec { max_chars, ..UntilSpec::text() }, ending, at);
        }
        match format {
            Format::Text(text) => self.text_before(text.spec(), ending, at),
            Format::Triggered(tags) => self.triggered(tags, ending.texts, ending.ends, ending.parts, at),
            Format::Marked { role, content } => {
                self.closed_part(role, content, ending.ends, ending.parts, at)
            }
            Format::Sequence(list) => self.sequence_before(list, ending, at),
            Format::Or(list) => {
                let mut ways = Vec::with_capacity(list.len());
                for (i, part) in list.iter().enumerate() {
                    ways.push(self.before(part, ending, &format!("{at}/elements/{i}"))?);
                }
                Ok(self.builder.nodes.alt(&ways))
            }
            Format::Repeat { body, min, max } if body.ends_in_text() && *max > 0 => {
                let rounds = self.rounds_before(body, *min, *max, ending, at)?;
                if *min > 0 {
                    return Ok(rounds);
                }
                let end = self.end_of(ending.ends, ending.parts);
                Ok(self.builder.nodes.alt(&[rounds, end]))
            }
            _ => {
                let content = self.format(format, ending.texts, at)?;
                let end = self.end_of(ending.ends, ending.parts);
                Ok(self.builder.nodes.seq(content, end))
            }
        }
    }

    /// One of the ends. The innermost `parts` parts end before it.
    fn end_of(&mut self, ends: &[Marker], parts: usize) -> NodeId {
        let ends: Vec<NodeId> = ends.iter().map(|end| self.delimiter(end)).collect();
        let end = self.builder.nodes.alt(&ends);
        (0..parts).fold(end, |end, _| self.after_end(end))
    }

    /// The body once or more, and behind it one of the ends.
    fn rounds_before(
        &mut self,
        body: &Format,
        min: u32,
        max: u32,
        ending: Ending<'_>,
        at: &str,
    ) -> Result<NodeId, CompileError> {
        let at = format!("{at}/content");
        let last = self.before(body, ending, &at)?;
        if max == 1 {
            return Ok(last);
        }
        let body = self.format(body, ending.texts, &at)?;
        let most = if max == UNBOUNDED { max } else { max - 1 };
        let before = self.builder.nodes.repeat(body, min.saturating_sub(1), most);
        Ok(self.builder.nodes.seq(before, last))
    }

    /// A sequence, and behind it one of the ends. If its last parts may be missing, an end may also
    /// follow the parts before them.
    fn sequence_before(
        &mut self,
        list: &[Format],
        ending: Ending<'_>,
        at: &str,
    ) -> Result<NodeId, CompileError> {
        let list = merged(list);
        let place = |i: usize| format!("{at}/elements/{i}");
        let Some(kept) = list.iter().rposition(|(_, part)| !part.may_be_missing()) else {
            // All may be missing.
            let end = self.end_of(ending.ends, ending.parts);
            let some = self.some_before(&list, ending, at)?;
            return Ok(self.builder.nodes.alt(&[some, end]));
        };
        let (before, rest) = list.split_at(kept);
        let mut nodes = self.formats(before.iter().map(|(i, part)| (*i, &**part)), ending.texts, at)?;
        let Some(((i, last), missing)) = rest.split_first() else {
            return Ok(self.end_of(ending.ends, ending.parts));
        };
        let mut ways = vec![self.before(last, ending, &place(*i))?];
        if !missing.is_empty() {
            let some = self.some_before(missing, ending, at)?;
            let last = self.format(last, ending.texts, &place(*i))?;
            ways.push(self.builder.nodes.seq(last, some));
        }
        nodes.push(self.builder.nodes.alt(&ways));
        Ok(self.builder.nodes.sequence(&nodes))
    }

    /// One or more of the parts, each of which may be missing, and behind them one of the ends.
    fn some_before(
        &mut self,
        list: &[(usize, std::borrow::Cow<'_, Format>)],
        ending: Ending<'_>,
        at: &str,
    ) -> Result<NodeId, CompileError> {
        let mut some = NodeId::NEVER;
        for (i, part) in list.iter().rev() {
            let at = format!("{at}/elements/{i}");
            let (alone, more) = match &**part {
                Format::Repeat { body, max, .. } => {
                    let body_at = format!("{at}/content");
                    let alone = self.rounds_before(body, 1, *max, ending, &at)?;
                    let body = self.format(body, ending.texts, &body_at)?;
                    (alone, self.builder.nodes.repeat(body, 1, *max))
                }
                Format::Separated(tags) => {
                    let tags = self.separated(tags)?;
                    let end = self.end_of(ending.ends, ending.parts);
                    (self.builder.nodes.seq(tags, end), tags)
                }
                _ => continue,
            };
            let more = self.builder.nodes.seq(more, some);
            some = self.builder.nodes.alt(&[alone, more, some]);
        }
        Ok(some)
    }

    /// Free text and one of the ends after it.
    fn text_before(
        &mut self,
        mut free: UntilSpec,
        ending: Ending<'_>,
        at: &str,
    ) -> Result<NodeId, CompileError> {
        let mut spec = UntilSpec { may_end: ending.may_be_empty(), ..free.clone() };
        let hidden = self.add_ends(&mut spec, ending);
        let text = self.until(spec, at)?;
        if hidden.is_empty() {
            return Ok(text);
        }
        free.forbidden.extend(ending.texts.iter().cloned());
        let free = self.until(free, at)?;
        let end = self.end_of(&hidden, ending.parts);
        let behind = self.builder.nodes.seq(free, end);
        Ok(self.builder.nodes.alt(&[text, behind]))
    }

    /// Adds the ends to the triggers of free text. An end that contains a trigger or an excluded
    /// text cannot be a trigger. Such ends are returned, and the text contains none of them.
    fn add_ends(&mut self, spec: &mut UntilSpec, ending: Ending<'_>) -> Vec<Marker> {
        spec.marks_at_end = self.ends(ending.parts);
        let others = spec.triggers.len();
        for end in first_ends(ending.ends) {
            spec.triggers.push(self.end_trigger(end, ending.parts));
        }
        // A fault of the patterns is found, with its place, when the text is made of them.
        let unreachable = Until::unreachable(spec.patterns()).unwrap_or_default();
        let unreachable: HashSet<usize> =
            unreachable.into_iter().map(|label| label as usize).filter(|&label| label >= others).collect();
        let mut hidden = Vec::new();
        let mut place = 0;
        spec.triggers.retain(|trigger| {
            let is_hidden = unreachable.contains(&place);
            place += 1;
            if is_hidden {
                hidden.push(trigger.text.clone());
            }
            !is_hidden
        });
        spec.forbidden.extend(hidden.iter().cloned());
        hidden
    }

    /// Free text with tags in it, and behind it one of the ends, if there are any. The innermost
    /// `parts` parts end between the two.
    pub fn triggered(
        &mut self,
        format: &TriggeredTags,
        texts: Ends<'_>,
        ends: &[Marker],
        parts: usize,
        at: &str,
    ) -> Result<NodeId, CompileError> {
        let ending = Ending { ends, texts, parts };
        let rule = self.rule();
        let again = self.builder.rule_node(rule);
        let then = match (format.stop_after_first, ends.is_empty()) {
            (false, _) => again,
            (true, true) => NodeId::EMPTY,
            (true, false) => self.end_of(ends, parts),
        };
        let (groups, first) = self.groups(format, then, at)?;
        let mut spec = UntilSpec::text();
        spec.may_end = ends.is_empty() || ending.may_be_empty();
        spec.forbidden = format.excludes.clone();
        spec.triggers = self.without_ends(format, groups, ending, at);
        let text = if ends.is_empty() {
            spec.forbidden.extend(texts.iter().cloned());
            self.until(spec, at)?
        } else {
            let hidden = self.add_ends(&mut spec, ending);
            let text = self.until(spec, at)?;
            self.or_hidden(format, text, &hidden, ending, at)?
        };
        self.define(rule, text, at)?;
        Ok(match format.at_least_one {
            true => {
                let first = self.builder.nodes.at_once(first);
                self.in_marker(first)
            }
            false => again,
        })
    }

    /// The tags grouped by the triggers that they begin with, and the alternatives of all tags.
    fn groups(
        &mut self,
        format: &TriggeredTags,
        then: NodeId,
        at: &str,
    ) -> Result<(Vec<Trigger>, UntilSpec), CompileError> {
        let triggers = shortest(&format.triggers);
        let marks = self.marks_before(0);
        let group = |text: &Marker| Trigger { text: text.clone(), markers: Vec::new(), marks: marks.clone() };
        let mut groups: Vec<Trigger> = triggers.iter().map(group).collect();
        let mut first = UntilSpec { may_end: false, is_empty: true, ..UntilSpec::text() };
        for tag in &format.tags {
            interrupt::check()?;
            let begin = &tag.begin;
            // Triggers are sorted, and none begins with another: only the last one before `begin`
            // can be its beginning.
            let group = triggers.partition_point(|trigger| trigger.text() <= begin.text()).checked_sub(1);
            let Some(group) = group.filter(|&group| begin.begins_with(&triggers[group])) else {
                let what = format!("this tag begins with {:?}, which no trigger begins", begin.text());
                let help = match begin {
                    Marker::Text(_) => "add a trigger that its `begin` starts with",
                    Marker::Token(_) => "name the same token, in the same way, among `trigger_tokens`",
                };
                return Err(fault(&tag.pointer, what).help(help));
            };
            let rest = self.after_begin(tag)?;
            let rest = self.builder.nodes.seq(rest, then);
            let rest = self.after_end(rest);
            groups[group].markers.push((begin.clone(), rest));
            first.triggers.push(Trigger {
                text: begin.clone(),
                markers: vec![(begin.clone(), rest)],
                marks: Vec::new(),
            });
        }
        if let Some(unused) = groups.iter().find(|group| group.markers.is_empty()) {
            let what = format!("no tag begins with the trigger {:?}", unused.text.text());
            let at = format!("{at}/{}", triggers_field(&unused.text));
            return Err(fault(&at, what).help("remove the trigger, or add a tag that begins with it"));
        }
        Ok((groups, first))
    }

    /// The triggers without those that are also an end of the tag around them: such a text is read
    /// as the end.
    fn without_ends(
        &mut self,
        format: &TriggeredTags,
        mut groups: Vec<Trigger>,
        ending: Ending<'_>,
        at: &str,
    ) -> Vec<Trigger> {
        let ends: HashSet<&str> = ending.ends.iter().chain(ending.texts).map(|end| &**end.text()).collect();
        groups.retain(|group| {
            let is_end = ends.contains(&**group.text.text());
            if is_end {
                let place = format.triggers.iter().position(|trigger| *trigger == group.text);
                let field = triggers_field(&group.text);
                let message = format!(
                    "has {:?}, which is also an end of the tag around it: there the tag ends, and none of these begins",
                    group.text.text()
                );
                let pointer = format!("#{at}/{field}/{}", place.unwrap_or_default());
                self.warnings.push(SchemaWarning { pointer, keyword: field.to_owned(), message });
            }
            !is_end
        });
        groups
    }

    /// Free text with tags in it: either `text`, or text without another trigger up to one of the
    /// hidden ends.
    fn or_hidden(
        &mut self,
        format: &TriggeredTags,
        text: NodeId,
        hidden: &[Marker],
        ending: Ending<'_>,
        at: &str,
    ) -> Result<NodeId, CompileError> {
        if hidden.is_empty() {
            return Ok(text);
        }
        let others = format.excludes.iter().chain(&format.triggers);
        let forbidden = others.chain(ending.texts).cloned().collect();
        let free = self.until(UntilSpec { forbidden, ..UntilSpec::text() }, at)?;
        let end = self.end_of(hidden, ending.parts);
        let behind = self.builder.nodes.seq(free, end);
        Ok(self.builder.nodes.alt(&[text, behind]))
    }
}

/// The ends that can be read after free text. An end that contains another one is left out: the
/// text ends at the other one first.
fn first_ends(ends: &[Marker]) -> Vec<Marker> {
    let ends = shortest(ends);
    let pattern = |(i, end): (usize, &Marker)| {
        end.known_text().map(|text| Pattern { text: text.to_string(), label: Some(i as u32) })
    };
    let patterns = ends.iter().enumerate().filter_map(pattern).collect();
    let never: HashSet<u32> = Until::unreachable(patterns).unwrap_or_default().into_iter().collect();
    let kept = (0u32..).zip(ends).filter(|(i, _)| !never.contains(i));
    kept.map(|(_, end)| end).collect()
}

/// The field with the triggers.
fn triggers_field(trigger: &Marker) -> &'static str {
    match trigger {
        Marker::Text(_) => "triggers",
        Marker::Token(_) => "trigger_tokens",
    }
}
