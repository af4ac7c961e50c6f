//! The parser of ECMA-262 patterns, with the semantics of the flag `u` and much of annex B.
//!
//! Groups are read by recursive descent with a limit on the depth, and everything else by loops.
//! The grammar is §22.2.1 of ECMA-262, and annex B.1.2 for the things that real schemas need:
//! escaped punctuation, a lone `]`, `{` or `}`, octal escapes if no group can be meant, and ranges
//! next to class escapes. Letters that are no escapes, as in `\A`, `\Z` and `\h`, are errors,
//! because they belong to another dialect.

use super::ast::{Node, Side, Sign};
use super::ecma_class::{Escape, any, line_terminators, word};
use super::error::RegexErrorKind;
use super::parser::{EcmaParser, Flags};
use super::{NEST_LIMIT, PatternFault, operator_counts};
use crate::automata::UNBOUNDED;
use std::ops::Range;
use std::sync::Arc;

/// Parses a whole pattern.
pub(super) fn parse(pattern: &str) -> Result<Node, PatternFault> {
    let (groups, named) = count_groups(pattern);
    let mut parser = EcmaParser { pattern, at: 0, flags: Flags::default(), depth: 0, groups, named };
    let node = parser.disjunction()?;
    if parser.at < pattern.len() {
        let what = "a parenthesis is closed that was not opened".to_owned();
        return Err(syntax(parser.at..parser.at + 1, what, "write `\\)` for a parenthesis"));
    }
    Ok(node)
}

fn syntax(span: Range<usize>, what: String, help: &'static str) -> PatternFault {
    (span, RegexErrorKind::Syntax { what, help })
}

fn count_groups(pattern: &str) -> (u32, bool) {
    let (mut groups, mut named, mut in_class) = (0, false, false);
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => rest = rest.chars().next().map_or("", |c| &rest[c.len_utf8()..]),
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => {
                let is_named = rest.starts_with("?<") && !rest.starts_with("?<=") && !rest.starts_with("?<!");
                named |= is_named;
                groups += u32::from(is_named || !rest.starts_with('?'));
            }
            _ => {}
        }
    }
    (groups, named)
}

impl EcmaParser<'_> {
    /// Reads alternatives up to the end or to a closing parenthesis, which is left unread.
    fn disjunction(&mut self) -> Result<Node, PatternFault> {
        let mut alternatives = vec![self.alternative()?];
        while self.eat('|') {
            alternatives.push(self.alternative()?);
        }
        Ok(Node::alt(alternatives))
    }

    fn alternative(&mut self) -> Result<Node, PatternFault> {
        let mut items: Vec<Node> = Vec::new();
        while !self.rest().is_empty() && !self.rest().starts_with(['|', ')']) {
            let (atom, repeatable) = self.atom()?;
            let node = self.quantified(atom, repeatable)?;
            match (items.last_mut(), node) {
                (_, Node::Empty) => {}
                (Some(Node::Literal(text)), Node::Literal(more)) => text.push_str(&more),
                (_, node) => items.push(node),
            }
        }
        Ok(Node::concat(items))
    }

    /// Reads one atom. Returns true beside it if a quantifier may follow.
    fn atom(&mut self) -> Result<(Node, bool), PatternFault> {
        let start = self.at;
        let Some(c) = self.next() else { return Ok((Node::Empty, false)) };
        let node = match c {
            '^' => return Ok((self.line_edge(Side::Behind, start), false)),
            '$' => return Ok((self.line_edge(Side::Ahead, start), false)),
            '(' => return self.group(start),
            '.' if self.flags.dot_all => Node::Class(any()),
            '.' => {
                let mut class = line_terminators();
                class.negate();
                Node::Class(class)
            }
            '[' => Node::Class(self.bracket_class(start)?),
            '\\' => return self.atom_escape(start),
            '*' | '+' | '?' => return Err(self.nothing_to_repeat(start)),
            '{' if self.braces().is_some() => return Err(self.nothing_to_repeat(start)),
            c => self.character(u32::from(c)),
        };
        Ok((node, true))
    }

    fn nothing_to_repeat(&self, start: usize) -> PatternFault {
        let what = "there is nothing to repeat here".to_owned();
        syntax(start..start + 1, what, "put the quantifier behind a character, class or group, or escape it")
    }

    fn character(&self, point: u32) -> Node {
        let class = self.folded(super::ecma_class::class_of(&[(point, point)]));
        match (char::from_u32(point), class.ranges()) {
            (Some(c), [one]) if one.start() == one.end() => Node::Literal(c.to_string()),
            _ => Node::Class(class),
        }
    }

    /// The meaning of `^` or `$` under the flags.
    fn line_edge(&self, side: Side, start: usize) -> Node {
        let edge = if side == Side::Behind { Node::Start } else { Node::End };
        if !self.flags.multiline {
            return edge;
        }
        let line = Node::Class(line_terminators());
        Node::Alt(vec![edge, Node::look(side, Sign::Demands, line, &(start..self.at))])
    }

    fn atom_escape(&mut self, start: usize) -> Result<(Node, bool), PatternFault> {
        let boundary = |sign, parser: &Self| {
            Node::word_boundary(&word(parser.flags.ignore_case), sign, &(start..parser.at))
        };
        if self.eat('b') {
            return Ok((boundary(Sign::Demands, self), false));
        }
        if self.eat('B') {
            return Ok((boundary(Sign::Forbids, self), false));
        }
        let number: String = self.rest().chars().take_while(char::is_ascii_digit).collect();
        let names_a_group = !number.is_empty()
            && !number.starts_with('0')
            && number.parse::<u32>().is_ok_and(|n| n <= self.groups);
        if names_a_group {
            self.at += number.len();
            let text = self.pattern[start..self.at].to_owned();
            return Err((start..self.at, RegexErrorKind::Backreference(text)));
        }
        if self.rest().starts_with("k<") && self.named {
            self.at += self.rest().find('>').map_or(1, |end| end + 1);
            let text = self.pattern[start..self.at].to_owned();
            return Err((start..self.at, RegexErrorKind::Backreference(text)));
        }
        Ok(match self.escape(start)? {
            Escape::Class(class) => (Node::Class(class), true),
            Escape::Point(point) => (self.character(point), true),
        })
    }

    /// Reads a group whose `(` has been read.
    fn group(&mut self, start: usize) -> Result<(Node, bool), PatternFault> {
        self.depth += 1;
        if self.depth > NEST_LIMIT {
            return Err((start..start + 1, RegexErrorKind::Nesting { limit: NEST_LIMIT }));
        }
        let flags = self.flags;
        let look = match () {
            () if self.eat_str("?=") => Some((Side::Ahead, Sign::Demands)),
            () if self.eat_str("?!") => Some((Side::Ahead, Sign::Forbids)),
            () if self.eat_str("?<=") => Some((Side::Behind, Sign::Demands)),
            () if self.eat_str("?<!") => Some((Side::Behind, Sign::Forbids)),
            () if self.eat_str("?:") => None,
            () if self.eat_str("?<") => {
                self.group_name(start)?;
                None
            }
            () if self.eat_str("?") => {
                self.modifiers(start)?;
                None
            }
            () => None,
        };
        let body = self.disjunction()?;
        if !self.eat(')') {
            let what = "the parenthesis is not closed".to_owned();
            return Err(syntax(start..start + 1, what, "add `)`, or write `\\(` for a parenthesis"));
        }
        self.flags = flags;
        self.depth -= 1;
        Ok(match look {
            None => (body, true),
            // Annex B lets lookahead be quantified. Only zero times or at least once matter.
            Some((side, sign)) => (Node::look(side, sign, body, &(start..self.at)), side == Side::Ahead),
        })
    }

    fn group_name(&mut self, start: usize) -> Result<(), PatternFault> {
        let valid = self.rest().find('>').filter(|&end| {
            let name = &self.rest()[..end];
            let inner =
                |c: char| c == '$' || c == '_' || c == '\u{200c}' || c == '\u{200d}' || c.is_alphanumeric();
            !name.is_empty() && !name.starts_with(|c: char| c.is_numeric()) && name.chars().all(inner)
        });
        match valid {
            Some(end) => {
                self.at += end + 1;
                Ok(())
            }
            None => {
                let what = "the group has no valid name".to_owned();
                Err(syntax(start..self.at, what, "write `(?<name>…)`, or `(?:…)` for a group without a name"))
            }
        }
    }

    /// Reads `ims-ims:`, whose `(?` has been read.
    fn modifiers(&mut self, start: usize) -> Result<(), PatternFault> {
        let mut value = true;
        let mut flags = self.flags;
        loop {
            match self.next() {
                Some('i') => flags.ignore_case = value,
                Some('m') => flags.multiline = value,
                Some('s') => flags.dot_all = value,
                Some('-') if value => value = false,
                Some(':') => break,
                _ => {
                    let what = "this kind of group does not exist in ECMA-262".to_owned();
                    let help = "groups are `(…)`, `(?:…)`, `(?<name>…)`, `(?i:…)`, `(?=…)`, `(?!…)`, `(?<=…)` and `(?<!…)`";
                    return Err(syntax(start..self.at, what, help));
                }
            }
        }
        self.flags = flags;
        Ok(())
    }

    fn quantified(&mut self, atom: Node, repeatable: bool) -> Result<Node, PatternFault> {
        let start = self.at;
        let counts = match self.rest().chars().next() {
            Some('{') => self.counts()?,
            next => next.and_then(operator_counts),
        };
        let Some((min, max)) = counts else { return Ok(atom) };
        if !repeatable {
            return Err(self.nothing_to_repeat(start));
        }
        if self.at == start {
            self.at += 1;
        }
        // A lazy quantifier prefers shorter matches, but has the same words.
        self.eat('?');
        Ok(Node::Repeat(Arc::new(atom), min, max))
    }

    /// Reads `{n}`, `{n,}` or `{n,m}`. Reads nothing if the brace stands for itself.
    fn counts(&mut self) -> Result<Option<(u32, u32)>, PatternFault> {
        let start = self.at;
        self.at += 1;
        let Some((len, min, max)) = self.braces() else {
            self.at = start;
            return Ok(None);
        };
        let (min, max) = (min.to_owned(), max.map(str::to_owned));
        self.at += len;
        let span = start..self.at;
        let count = |text: &str| match text.parse::<u32>() {
            Ok(n) if n < UNBOUNDED => Ok(n),
            _ => Err((span.clone(), RegexErrorKind::Count { limit: UNBOUNDED - 1 })),
        };
        let min = count(&min)?;
        let max = match max.as_deref() {
            None => min,
            Some("") => UNBOUNDED,
            Some(max) => count(max)?,
        };
        if min > max {
            let what = "the smallest count is larger than the largest".to_owned();
            return Err(syntax(span, what, "write `{smallest,largest}`"));
        }
        Ok(Some((min, max)))
    }

    /// The length and the counts of `n}`, `n,}` or `n,m}`, if one of these stands here.
    fn braces(&self) -> Option<(usize, &str, Option<&str>)> {
        let len = self.rest().bytes().take_while(|b| b.is_ascii_digit() || *b == b',').count();
        if self.rest().as_bytes().get(len) != Some(&b'}') {
            return None;
        }
        let text = &self.rest()[..len];
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        let (min, max) = match text.split_once(',') {
            None => (text, None),
            Some((min, max)) => (min, Some(max)),
        };
        let valid = digits(min) && max.is_none_or(|max| max.is_empty() || digits(max));
        valid.then_some((len + 1, min, max))
    }
}
