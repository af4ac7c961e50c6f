//! Rules in the form that all notations share, and the grammar made from them.
//!
//! A parser gives a list of named expressions. This module resolves their names and finds every
//! rule that is *regular*. A rule is regular if it reaches no recursion, or if it refers to itself
//! only at the end of its alternatives, or only at their beginning, as `ws ::= [ \t] ws | ""` does.
//! Regular rules, and regular parts of other rules, become single terminals. So the engine
//! summarises `"{" ws`, or a whole string literal, over the vocabulary once and not character by
//! character. Everything else becomes grammar nodes.
//!
//! A rule that reads most characters, and many of them, stays a terminal of its own wherever it is
//! used. An example is the inside of a string. Its summary is expensive, and so is the same in all
//! these places. The exception is a rule whose end cannot be distinguished from the text after it,
//! as in `text{1,20} [a-z]` with `text ::= [^"]+`. Rule and surroundings are then one automaton.
//!
//! A text belongs to the grammar if it can be split among the rules in any way.
//!
//! A rule used in several places is written into each of them. [`TERMINAL_LIMIT`] and
//! [`INLINE_LIMIT`] bound the size that results. Beyond them a rule is referred to instead.
//!
//! Trees nest at most [`NEST_LIMIT`] groups deep, so recursion over them is safe. Rules that are
//! written into each other could nest deeper, and a derivative of a language recurses as deep as
//! its groups nest. So a language that is deeper than [`DEPTH_LIMIT`] stays a terminal of its own,
//! and what surrounds it becomes grammar nodes.

use super::diagnostic::{Problem, TextFault, similar};
use super::expr::{Expr, Rule};
use super::self_repetition;
use crate::automata::{LangId, UNBOUNDED};
use crate::grammar::{Grammar, GrammarBuilder, NodeId, RuleId, components, line_column};
use hashbrown::HashMap;
use std::ops::Range;

/// The depth to which groups and repetitions may nest.
pub const NEST_LIMIT: u32 = 200;
/// The number of bytes that a grammar's text may have.
pub const LENGTH_LIMIT: usize = 1 << 20;
/// The largest repetition count.
pub const COUNT_LIMIT: u32 = 1_000_000_000;

/// The number of literals and classes that are joined into one terminal.
const TERMINAL_LIMIT: usize = 2_000;
/// The number of literals and classes that are written into a second place, over all rules.
const INLINE_LIMIT: usize = 500_000;

/// The depth to which a derivative of a language may recurse that is joined with others. A level
/// takes about 1 KB of the stack, and threads have 2 MB.
const DEPTH_LIMIT: u32 = 400;

/// The largest code point.
pub(super) const LAST: u32 = 0x10_ffff;

/// The ranges sorted and disjoint, or the ranges of all other code points if `negated`.
pub(super) fn normalised(mut ranges: Vec<(u32, u32)>, negated: bool) -> Vec<(u32, u32)> {
    ranges.sort_unstable();
    let mut joined: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
    for (from, to) in ranges {
        match joined.last_mut() {
            Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    if !negated {
        return joined;
    }
    let mut others = Vec::with_capacity(joined.len() + 1);
    let mut next = 0;
    for (from, to) in joined {
        if next < from {
            others.push((next, from - 1));
        }
        next = to + 1;
    }
    if next <= LAST {
        others.push((next, LAST));
    }
    others
}

/// The grammar of the rule named `start`.
pub(super) fn compile(text: &str, rules: Vec<Rule>, start: &str) -> Result<Grammar, TextFault> {
    let mut builder = GrammarBuilder::new();
    let (root, place) = compile_into(&mut builder, "", text, rules, start)?;
    builder.build(root, None).map_err(|error| (place, Problem::Grammar(error)))
}

/// The node of the rule named `start`, and the place of that name. The builder gets the rules under
/// their names with `prefix` in front.
pub(super) fn compile_into(
    builder: &mut GrammarBuilder,
    prefix: &str,
    text: &str,
    mut rules: Vec<Rule>,
    start: &str,
) -> Result<(NodeId, Range<usize>), TextFault> {
    rules.iter_mut().for_each(self_repetition::remove);
    let rules = &rules;
    let mut index: HashMap<&str, usize> = HashMap::with_capacity(rules.len());
    for (i, rule) in rules.iter().enumerate() {
        if let Some(first) = index.insert(&rule.name, i) {
            let (first_line, _) = line_column(text, rules[first].span.start);
            let kind = Problem::DuplicateRule { name: rule.name.clone(), first_line };
            return Err((rule.span.clone(), kind));
        }
    }
    let references = resolve(rules, &index)?;
    let Some(&start) = index.get(start) else {
        let place = rules.first().map_or(0..0, |rule| rule.span.clone());
        return Err((place, Problem::MissingStart { name: start.to_owned() }));
    };
    let mut compiler = Compiler::new(rules, &index, builder, prefix);
    for component in components(&references, [start]) {
        compiler.component(&component, &references)?;
    }
    let root = compiler.reference(start);
    let root = compiler.node(root);
    if !builder.can_end(root) {
        let rule = &rules[endless(rules, &references, start)];
        return Err((rule.span.clone(), Problem::Empty { rule: rule.name.clone() }));
    }
    Ok((root, rules[start].span.clone()))
}

/// The names of rules as a grammar's text has them. Rules that a front end has added have names
/// with spaces or braces.
fn written_names(rules: &[Rule]) -> impl Iterator<Item = &str> {
    rules.iter().map(|rule| rule.name.as_str()).filter(|name| !name.contains([' ', '{']))
}

/// The rules that each rule refers to, by number.
fn resolve(rules: &[Rule], index: &HashMap<&str, usize>) -> Result<Vec<Vec<usize>>, TextFault> {
    let mut all = Vec::with_capacity(rules.len());
    for rule in rules {
        let mut undefined = None;
        let mut found = Vec::new();
        rule.body.references(&mut |name, span| match index.get(name) {
            Some(&target) => found.push(target),
            None => {
                undefined.get_or_insert((name, span));
            }
        });
        if let Some((name, span)) = undefined {
            let similar = similar(name, written_names(rules));
            let kind = Problem::UndefinedRule { name: name.to_owned(), similar };
            return Err((span.clone(), kind));
        }
        found.sort_unstable();
        found.dedup();
        all.push(found);
    }
    Ok(all)
}

/// A rule without a finite text, which the error names as the reason why `start` has none. Of
/// several such rules, it is one that depends on few others.
fn endless(rules: &[Rule], references: &[Vec<usize>], start: usize) -> usize {
    fn ends(expr: &Expr, index: &HashMap<&str, usize>, ending: &[bool]) -> bool {
        match expr {
            Expr::Rule(name, _) => index.get(name.as_str()).is_some_and(|&rule| ending[rule]),
            Expr::Seq(parts) => parts.iter().all(|part| ends(part, index, ending)),
            Expr::Alt(parts) => parts.iter().any(|part| ends(part, index, ending)),
            Expr::Repeat(body, min, _) => *min == 0 || ends(body, index, ending),
            // An exclusion may leave no text, too. It is given as the reason only if no rule is
            // endless.
            _ => true,
        }
    }
    let index: HashMap<&str, usize> =
        rules.iter().enumerate().map(|(i, rule)| (rule.name.as_str(), i)).collect();
    let components = components(references, [start]);
    let mut ending = vec![false; rules.len()];
    for component in &components {
        // Rules come after those they refer to, so one round is enough outside of a component. A
        // component needs as many rounds as it has rules; large ones get no more than 100.
        for _ in 0..component.len().min(100) {
            for &rule in component {
                ending[rule] = ending[rule] || ends(&rules[rule].body, &index, &ending);
            }
        }
        if let Some(&rule) = component.iter().filter(|&&rule| !ending[rule]).min() {
            return rule;
        }
    }
    start
}

/// An expression that has been compiled.
#[derive(Clone, Copy)]
enum Built {
    Regular(Regular),
    Node(NodeId),
}

#[derive(Clone, Copy)]
struct Regular {
    language: LangId,
    /// The number of literals and classes that it is made of.
    size: usize,
    /// True if some place in it takes most characters.
    broad: bool,
    /// True if such a place goes on for long.
    long: bool,
}

impl Regular {
    fn of(language: LangId) -> Self {
        Regular { language, size: 1, broad: false, long: false }
    }
}

/// A rule `A` as `around A | rest`, or `A around | rest`.
struct Linear {
    around: LangId,
    rest: LangId,
    size: usize,
    broad: bool,
}

/// The end of its alternatives at which a rule refers to itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    First,
    Last,
}

/// The treatment of regular rules that go on for long: kept apart from their surroundings, or
/// joined with them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Units {
    Apart,
    /// Joined with them, for uses that need a language and not a node.
    Joined,
}

struct Compiler<'r> {
    rules: &'r [Rule],
    index: &'r HashMap<&'r str, usize>,
    builder: &'r mut GrammarBuilder,
    prefix: &'r str,
    units: Units,
    /// The regular rules that are known.
    regular: Vec<Option<Regular>>,
    /// True for a regular rule that has a node as well, because it holds others that stay apart.
    has_node: Vec<bool>,
    /// True if the languages of all regular rules are needed, however large they are.
    has_exceptions: bool,
    /// The size of all rules written into the places that refer to them.
    inlined: usize,
    joined: usize,
}

/// The number of common first bytes from which on the end of one part is taken to be
/// indistinguishable from the beginning of another.
const SHARED: usize = 16;
/// The number of states that are searched for such an end.
const EXPLORED: usize = 64;
/// The number of characters from which on a class is broad.
const BROAD: u32 = 100;
/// The number of repetitions above which a broad class goes on for long.
const LONG: u32 = 8;

impl<'r> Compiler<'r> {
    fn new(
        rules: &'r [Rule],
        index: &'r HashMap<&'r str, usize>,
        builder: &'r mut GrammarBuilder,
        prefix: &'r str,
    ) -> Self {
        Compiler {
            rules,
            index,
            builder,
            prefix,
            units: Units::Apart,
            regular: vec![None; rules.len()],
            has_node: vec![false; rules.len()],
            has_exceptions: rules.iter().any(|rule| rule.body.has_exception()),
            inlined: 0,
            joined: 0,
        }
    }

    /// Compiles rules that refer to each other, and otherwise only to compiled rules.
    fn component(&mut self, component: &[usize], references: &[Vec<usize>]) -> Result<(), TextFault> {
        if let &[rule] = component {
            if references[rule].contains(&rule) {
                self.regular[rule] = self.linear(rule)?;
            } else {
                let body = &self.rules[rule].body;
                match self.build(body)? {
                    Built::Regular(regular) => self.regular[rule] = Some(regular),
                    Built::Node(node) => {
                        self.define(rule, node)?;
                        if let Built::Regular(regular) = self.build_joined(body)? {
                            self.regular[rule] = Some(regular);
                            self.has_node[rule] = true;
                        }
                    }
                }
                return Ok(());
            }
        }
        for &rule in component.iter() {
            if self.regular[rule].is_none() {
                let built = self.build(&self.rules[rule].body)?;
                let node = self.node(built);
                self.define(rule, node)?;
            }
        }
        Ok(())
    }

    fn define(&mut self, rule: usize, node: NodeId) -> Result<(), TextFault> {
        let Rule { span, .. } = &self.rules[rule];
        let id = self.declare(rule);
        self.builder.define(id, node).map_err(|error| (span.clone(), Problem::Grammar(error)))
    }

    fn declare(&mut self, rule: usize) -> RuleId {
        let name = &self.rules[rule].name;
        match self.prefix {
            "" => self.builder.declare(name),
            prefix => self.builder.declare(&format!("{prefix}{name}")),
        }
    }

    /// The language of a rule that refers to itself only at one end: `A = X A | Y` is `X* Y`.
    fn linear(&mut self, rule: usize) -> Result<Option<Regular>, TextFault> {
        for end in [End::Last, End::First] {
            let body = &self.rules[rule].body;
            let Some(Linear { around, rest, size, broad }) = self.split(body, rule, end)? else {
                continue;
            };
            let languages = &mut self.builder.nodes.languages;
            let around = languages.repeat(around, 0, UNBOUNDED);
            let language = match end {
                End::Last => languages.concat(around, rest),
                End::First => languages.concat(rest, around),
            };
            if !self.is_deep(language) {
                return Ok(Some(Regular { language, size, broad, long: broad }));
            }
        }
        Ok(None)
    }

    /// The alternatives of `expr` that refer to `rule` at `end`, and those that do not refer to it;
    /// `None` if there are others.
    fn split(&mut self, expr: &Expr, rule: usize, end: End) -> Result<Option<Linear>, TextFault> {
        Ok(match expr {
            Expr::Rule(name, _) if self.index.get(name.as_str()) == Some(&rule) => {
                Some(Linear { around: LangId::EMPTY, rest: LangId::NEVER, size: 0, broad: false })
            }
            Expr::Alt(parts) => {
                let (mut around, mut rest) = (Vec::new(), Vec::new());
                let (mut size, mut broad) = (0, false);
                for part in parts {
                    let Some(split) = self.split(part, rule, end)? else { return Ok(None) };
                    around.push(split.around);
                    rest.push(split.rest);
                    size += split.size;
                    broad |= split.broad;
                }
                let languages = &mut self.builder.nodes.languages;
                languages.merge_literals(&mut rest);
                let (around, rest) = (languages.union(&around), languages.union(&rest));
                (size <= TERMINAL_LIMIT).then_some(Linear { around, rest, size, broad })
            }
            Expr::Seq(parts) if !parts.is_empty() => {
                let (others, at_end) = match end {
                    End::First => (&parts[1..], &parts[0]),
                    End::Last => (&parts[..parts.len() - 1], &parts[parts.len() - 1]),
                };
                let Some(mut split) = self.split(at_end, rule, end)? else { return Ok(None) };
                let mut factors = Vec::with_capacity(others.len());
                for other in others {
                    let Built::Regular(part) = self.build(other)? else { return Ok(None) };
                    factors.push(part.language);
                    split.size += part.size;
                    split.broad |= part.broad;
                }
                let languages = &mut self.builder.nodes.languages;
                let beside = languages.sequence(&factors);
                let mut join = |language| match end {
                    End::First => languages.concat(language, beside),
                    End::Last => languages.concat(beside, language),
                };
                (split.around, split.rest) = (join(split.around), join(split.rest));
                (split.size <= TERMINAL_LIMIT).then_some(split)
            }
            Expr::Repeat(body, 0, 1) => {
                let Some(split) = self.split(body, rule, end)? else { return Ok(None) };
                let rest = self.builder.nodes.languages.union(&[split.rest, LangId::EMPTY]);
                Some(Linear { rest, ..split })
            }
            other => match self.build(other)? {
                Built::Regular(Regular { language, size, broad, .. }) => {
                    Some(Linear { around: LangId::NEVER, rest: language, size, broad })
                }
                Built::Node(_) => None,
            },
        })
    }

    fn node(&mut self, built: Built) -> NodeId {
        match built {
            Built::Regular(regular) => self.builder.nodes.terminal(regular.language),
            Built::Node(node) => node,
        }
    }

    /// A rule as it is written into a place that refers to it.
    fn reference(&mut self, rule: usize) -> Built {
        let known = self.regular[rule];
        match known {
            Some(regular) if self.units == Units::Joined && self.may_join(regular.size) => {
                Built::Regular(regular)
            }
            Some(regular) if !self.has_node[rule] => {
                if regular.long || self.inlined + regular.size > INLINE_LIMIT {
                    return Built::Node(self.builder.nodes.terminal(regular.language));
                }
                self.inlined += regular.size;
                Built::Regular(regular)
            }
            _ => {
                let id = self.declare(rule);
                Built::Node(self.builder.rule_node(id))
            }
        }
    }

    /// True if a rule of this size may still be written into a language. Exceptions need all their
    /// languages.
    fn may_join(&mut self, size: usize) -> bool {
        self.joined += size;
        self.has_exceptions || self.joined <= INLINE_LIMIT
    }

    /// Builds `expr` with all regular rules written out, as far as that is not too large.
    fn build_joined(&mut self, expr: &Expr) -> Result<Built, TextFault> {
        let units = std::mem::replace(&mut self.units, Units::Joined);
        let built = self.build(expr);
        self.units = units;
        built
    }

    /// Builds `expr`. A language that is too deep to become a part of another one is a node.
    fn build(&mut self, expr: &Expr) -> Result<Built, TextFault> {
        Ok(match self.build_any(expr)? {
            Built::Regular(regular) if self.is_deep(regular.language) => {
                Built::Node(self.builder.nodes.terminal(regular.language))
            }
            built => built,
        })
    }

    fn is_deep(&self, language: LangId) -> bool {
        self.builder.nodes.languages.depth(language) > DEPTH_LIMIT
    }

    fn build_any(&mut self, expr: &Expr) -> Result<Built, TextFault> {
        let languages = &mut self.builder.nodes.languages;
        Ok(match expr {
            Expr::Text(text) => Built::Regular(Regular::of(languages.bytes(text.as_bytes()))),
            Expr::Class(ranges) => {
                let broad = ranges.iter().map(|r| r.1 - r.0 + 1).sum::<u32>() >= BROAD;
                Built::Regular(Regular { broad, ..Regular::of(languages.char_class(ranges)) })
            }
            Expr::Rule(name, _) => match self.index.get(name.as_str()) {
                Some(&rule) => self.reference(rule),
                None => Built::Node(NodeId::NEVER),
            },
            Expr::Token(name) => Built::Node(self.builder.nodes.special(name)),
            Expr::Language(language) => Built::Regular(Regular::of(*language)),
            Expr::Node(node) => Built::Node(*node),
            Expr::TextWithout(name) => {
                let name = languages.bytes(name.as_bytes());
                let containing = languages.sequence(&[LangId::ALL, name, LangId::ALL]);
                let (text, without) = (languages.any_text(), languages.not(containing));
                let language = languages.inter(&[text, without]);
                Built::Regular(Regular { broad: true, long: true, ..Regular::of(language) })
            }
            Expr::Seq(parts) => self.sequence(parts)?,
            Expr::Alt(parts) => self.alternatives(parts)?,
            Expr::Repeat(body, min, max) => match self.build(body)? {
                Built::Regular(regular) => Built::Regular(Regular {
                    language: self.builder.nodes.languages.repeat(regular.language, *min, *max),
                    long: regular.long || (regular.broad && *max > LONG),
                    ..regular
                }),
                Built::Node(node) => match self.joined(body)?.filter(|_| *max > 1) {
                    Some(round) if self.runs_into(round.language, round.language) => {
                        let language = self.builder.nodes.languages.repeat(round.language, *min, *max);
                        Built::Regular(Regular { language, long: true, ..round })
                    }
                    _ => Built::Node(self.builder.nodes.repeat(node, *min, *max)),
                },
            },
            // An exception of the empty text needs no language.
            Expr::Except { base, excluded, .. } if matches!(&**excluded, Expr::Seq(parts) if parts.is_empty()) => {
                match self.build(base)? {
                    Built::Regular(regular) => {
                        let languages = &mut self.builder.nodes.languages;
                        let filled = languages.not(LangId::EMPTY);
                        let language = languages.inter(&[regular.language, filled]);
                        Built::Regular(Regular { language, ..regular })
                    }
                    Built::Node(node) => Built::Node(self.builder.nodes.non_empty(node)),
                }
            }
            Expr::Except { base, excluded, span } => {
                match (self.build_joined(base)?, self.build_joined(excluded)?) {
                    (Built::Regular(base), Built::Regular(excluded)) => {
                        let languages = &mut self.builder.nodes.languages;
                        let without = languages.not(excluded.language);
                        let language = languages.inter(&[base.language, without]);
                        Built::Regular(Regular { language, size: base.size + excluded.size, ..base })
                    }
                    _ => {
                        let kind = Problem::unsupported(
                            "an exception is only possible between regular parts",
                            "neither side may refer to a recursive rule",
                        );
                        return Err((span.clone(), kind));
                    }
                }
            }
        })
    }

    /// The language of an expression that was built as a node because regular rules in it stay
    /// apart; `None` if it is not regular.
    fn joined(&mut self, expr: &Expr) -> Result<Option<Regular>, TextFault> {
        if self.units == Units::Joined {
            return Ok(None);
        }
        Ok(match self.build_joined(expr)? {
            Built::Regular(regular) if regular.size <= TERMINAL_LIMIT => Some(regular),
            _ => None,
        })
    }

    /// True if a regular part that would stay apart cannot be told from its neighbours in a
    /// sequence.
    fn flows(&mut self, unit: Regular, before: &[Expr], after: &[Expr]) -> Result<bool, TextFault> {
        if let Some(last) = before.last()
            && let Built::Regular(last) = self.build_joined(last)?
            && self.runs_into(last.language, unit.language)
        {
            return Ok(true);
        }
        if let Some(next) = after.first()
            && let Built::Regular(next) = self.build_joined(next)?
        {
            return Ok(self.runs_into(unit.language, next.language));
        }
        Ok(false)
    }

    /// True if `first` can end at a place at which many characters could continue `first` or begin
    /// `second`. That is so for `[a-z]+ [a-z]`, but not for a string and the text after its closing
    /// quote. Such neighbours stay one automaton, because one could end, and the other begin, at
    /// many places.
    fn runs_into(&mut self, first: LangId, second: LangId) -> bool {
        let languages = &mut self.builder.nodes.languages;
        let begins = languages.first_bytes(second);
        let mut seen = vec![first];
        let mut at = 0;
        while at < seen.len() {
            let state = seen[at];
            at += 1;
            let bytes = languages.first_bytes(state);
            let both = bytes.iter().filter(|&byte| begins.contains(byte)).count();
            if state != first && languages.is_nullable(state) && both >= SHARED {
                return true;
            }
            for byte in languages.byte_classes(state).representatives().to_vec() {
                let next = languages.step(state, byte);
                if next != LangId::NEVER && seen.len() < EXPLORED && !seen.contains(&next) {
                    seen.push(next);
                }
            }
        }
        false
    }

    /// Builds the parts one after the other. Neighbours that are regular become one terminal.
    fn sequence(&mut self, parts: &[Expr]) -> Result<Built, TextFault> {
        let mut nodes: Vec<NodeId> = Vec::new();
        let mut run: Vec<LangId> = Vec::new();
        let mut whole = Regular { size: 0, ..Regular::of(LangId::EMPTY) };
        for (at, part) in parts.iter().enumerate() {
            let built = match self.build(part)? {
                Built::Node(node) => match self.joined(part)? {
                    Some(unit) if self.flows(unit, &parts[..at], &parts[at + 1..])? => Built::Regular(unit),
                    _ => Built::Node(node),
                },
                built => built,
            };
            match built {
                Built::Regular(regular) => {
                    if whole.size + regular.size > TERMINAL_LIMIT {
                        self.end_run(&mut run, &mut nodes);
                        whole.size = 0;
                    }
                    run.push(regular.language);
                    whole.size += regular.size;
                    whole.broad |= regular.broad;
                    whole.long |= regular.long;
                }
                Built::Node(node) => {
                    self.end_run(&mut run, &mut nodes);
                    whole.size = 0;
                    nodes.push(node);
                }
            }
        }
        if nodes.is_empty() {
            let language = self.builder.nodes.languages.sequence(&run);
            return Ok(Built::Regular(Regular { language, ..whole }));
        }
        self.end_run(&mut run, &mut nodes);
        Ok(Built::Node(self.builder.nodes.sequence(&nodes)))
    }

    fn end_run(&mut self, run: &mut Vec<LangId>, nodes: &mut Vec<NodeId>) {
        if !run.is_empty() {
            let language = self.builder.nodes.languages.sequence(run);
            nodes.push(self.builder.nodes.terminal(language));
            run.clear();
        }
    }

    fn alternatives(&mut self, parts: &[Expr]) -> Result<Built, TextFault> {
        let mut nodes: Vec<NodeId> = Vec::new();
        let mut regular: Vec<LangId> = Vec::new();
        let mut whole = Regular::of(LangId::NEVER);
        for part in parts {
            match self.build(part)? {
                Built::Regular(one) => {
                    regular.push(one.language);
                    // Literals form one sorted set, so their number does not count.
                    whole.size += if matches!(part, Expr::Text(_)) { 0 } else { one.size };
                    whole.broad |= one.broad;
                    whole.long |= one.long;
                }
                Built::Node(node) => nodes.push(node),
            }
        }
        let languages = &mut self.builder.nodes.languages;
        languages.merge_literals(&mut regular);
        whole.language = languages.union(&regular);
        if nodes.is_empty() && whole.size <= TERMINAL_LIMIT {
            return Ok(Built::Regular(whole));
        }
        nodes.push(self.builder.nodes.terminal(whole.language));
        Ok(Built::Node(self.builder.nodes.alt(&nodes)))
    }
}
