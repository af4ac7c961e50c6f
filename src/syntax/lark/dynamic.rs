//! Lark grammars without a lexer of their own: every way to divide a text into terminals counts.
//!
//! The contextual lexer reads all of a text by the terminals of one grammar. So a JSON Schema
//! (`%json`), a list of pieces (`%regex`) or a special token has no place in it, and the grammar
//! cannot be a part of another one. Such a grammar becomes rules of the form that all notations
//! share. Each terminal is a rule, and what is ignored may stand before each of them.
//!
//! The price is that nothing chooses among terminals. Priorities have no effect, `letx` may be the
//! keyword `let` and then `x`, and a pattern cannot ask what stands around it. All texts are read
//! that Lark reads with `lexer="dynamic_complete"`. llguidance takes the longest match among the
//! terminals that may come, so the texts that it reads are among them, too.

use super::modules::Definitions;
use super::options::Options;
use super::parse::{Definition, Expr, is_terminal};
use super::pattern::Re;
use super::templates::{DEPTH_LIMIT, Instances, check_arguments, key};
use super::terminals::{TerminalSource, Terminals};
use crate::automata::{LangId, UNBOUNDED};
use crate::grammar::{CompileError, GrammarBuilder, Location, NodeId, line_column};
use crate::schema::{self, SchemaWarning, Standards};
use crate::syntax::diagnostic::{Problem, TextFault};
use crate::syntax::expr::{Expr as Shared, Rule};
use crate::syntax::rules::{self, NEST_LIMIT};
use hashbrown::{HashMap, HashSet};
use std::ops::Range;

/// The rule of the text between terminals. No rule of a grammar has this name.
const IGNORED: &str = "ignored text";
/// The rule of all outputs.
const WHOLE: &str = "whole output";

/// True if a grammar has parts that a lexer cannot find.
pub(super) fn is_needed(definitions: &Definitions) -> bool {
    fn has_island(expr: &Expr) -> bool {
        matches!(expr, Expr::Json { .. } | Expr::Pieces { .. } | Expr::Special(..))
            || expr.parts().iter().any(has_island)
    }
    let terminal =
        |source: &TerminalSource| matches!(source, TerminalSource::Written(expr) if has_island(expr));
    definitions.rules.values().any(|rule| has_island(&rule.body))
        || definitions.terminals.values().any(|found| terminal(&found.source))
        || definitions.ignored.iter().any(|(expr, _)| has_island(expr))
}

/// The texts that a grammar describes from a rule on.
pub(super) struct Compiled {
    pub root: NodeId,
    /// The place of the rule's name.
    pub place: Range<usize>,
    pub warnings: Vec<SchemaWarning>,
}

/// The texts that a grammar describes from the rule `start` on.
pub(super) fn compile_into(
    builder: &mut GrammarBuilder,
    standards: &mut Standards,
    prefix: &str,
    text: &str,
    definitions: &Definitions,
    start: &Definition,
    options: &Options,
) -> Result<Compiled, TextFault> {
    let mut translation = Translation {
        builder,
        standards,
        text,
        warnings: Vec::new(),
        definitions,
        options,
        terminals: Terminals::new(&definitions.terminals),
        rules: Vec::new(),
        known: HashSet::new(),
        place: 0..0,
        waiting: Vec::new(),
        schemas: HashMap::new(),
        instances: Instances::default(),
    };
    translation.whole(start)?;
    let Translation { rules, warnings, .. } = translation;
    let compiled = rules::compile_into(builder, prefix, text, rules, WHOLE);
    let (root, place) = compiled.map_err(|(span, problem)| {
        // The rule of the whole output stands for the one that outputs start from.
        match problem {
            Problem::Empty { rule } if rule == WHOLE => {
                (start.span.clone(), Problem::Empty { rule: start.name.clone() })
            }
            problem => (span, problem),
        }
    })?;
    Ok(Compiled { root, place, warnings })
}

/// The rules of a grammar, on their way into the form that all notations share.
struct Translation<'d> {
    builder: &'d mut GrammarBuilder,
    /// The languages that schemas have in common.
    standards: &'d mut Standards,
    text: &'d str,
    warnings: Vec<SchemaWarning>,
    definitions: &'d Definitions,
    options: &'d Options,
    terminals: Terminals<'d>,
    rules: Vec<Rule>,
    /// The names of the rules, terminals and instances that have a rule, or are waiting for one.
    known: HashSet<String>,
    /// The place of the rule that is being translated.
    place: Range<usize>,
    waiting: Vec<(String, Range<usize>, Expr)>,
    /// The nodes of schemas by their texts.
    schemas: HashMap<String, NodeId>,
    instances: Instances,
}

impl Translation<'_> {
    /// Translates all rules. Those that nothing refers to are among them, because they, too, must
    /// refer to known names.
    fn whole(&mut self, start: &Definition) -> Result<(), TextFault> {
        let definitions = self.definitions;
        let mut ignored = Vec::with_capacity(definitions.ignored.len());
        for (expr, span) in &definitions.ignored {
            ignored.push(self.terminal(expr, span)?);
        }
        self.add(IGNORED, 0..0, Shared::alt(ignored).repeat(0, UNBOUNDED));
        let parts = vec![Shared::Rule(start.name.clone(), start.span.clone()), self.ignored()];
        self.add(WHOLE, start.span.clone(), Shared::seq(parts));
        for name in &definitions.order {
            if let Some(rule) = definitions.rules.get(name).filter(|rule| rule.parameters.is_empty()) {
                self.wait(name, &rule.span, rule.body.clone());
            }
        }
        while let Some((name, span, body)) = self.waiting.pop() {
            self.place = span.clone();
            let body = self.expr(&body, 0)?;
            self.add(&name, span, body);
        }
        Ok(())
    }

    fn add(&mut self, name: &str, span: Range<usize>, body: Shared) {
        self.rules.push(Rule { name: name.to_owned(), span, body });
    }

    fn wait(&mut self, name: &str, span: &Range<usize>, body: Expr) {
        if self.known.insert(name.to_owned()) {
            self.waiting.push((name.to_owned(), span.clone(), body));
        }
    }

    fn ignored(&self) -> Shared {
        Shared::Rule(IGNORED.to_owned(), 0..0)
    }

    /// A terminal, schema or token behind text that is ignored.
    fn behind_ignored(&self, part: Shared) -> Shared {
        match self.definitions.ignored.is_empty() {
            true => part,
            false => Shared::Seq(vec![self.ignored(), part]),
        }
    }

    /// The expression of a rule.
    fn expr(&mut self, expr: &Expr, depth: u32) -> Result<Shared, TextFault> {
        if depth > DEPTH_LIMIT {
            return Err((self.place.clone(), Problem::Nesting { limit: NEST_LIMIT }));
        }
        let all = |translation: &mut Self, parts: &[Expr]| {
            parts.iter().map(|part| translation.expr(part, depth + 1)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match expr {
            Expr::Name(name, span) if is_terminal(name) => {
                if self.known.insert(name.clone()) {
                    let body = self.named(name, span)?;
                    self.add(name, span.clone(), body);
                }
                self.behind_ignored(Shared::Rule(name.clone(), span.clone()))
            }
            Expr::Name(name, span) => {
                let Some(rule) = self.definitions.rules.get(name) else {
                    return Err(self.definitions.undefined(name, span));
                };
                check_arguments(rule, 0, span)?;
                Shared::Rule(name.clone(), span.clone())
            }
            Expr::Text { text, .. } if text.is_empty() => Shared::EMPTY,
            Expr::Text { .. } | Expr::Characters(..) | Expr::Common(_) | Expr::Regex { .. } => {
                let terminal = self.terminal(expr, &(0..0))?;
                self.behind_ignored(terminal)
            }
            Expr::Pieces { span, .. } => {
                let terminal = self.terminal(expr, span)?;
                self.behind_ignored(terminal)
            }
            Expr::Json { schema, span } => {
                let node = self.schema(schema, span)?;
                self.behind_ignored(Shared::Node(node))
            }
            Expr::Special(name, _) => self.behind_ignored(Shared::Token(name.clone())),
            Expr::Instance { name, arguments, span } => self.instance(expr, name, arguments, span)?,
            Expr::Seq(parts) => Shared::seq(all(self, parts)?),
            Expr::Alt(parts) => Shared::alt(all(self, parts)?),
            Expr::Repeat(body, min, max) => self.expr(body, depth + 1)?.repeat(*min, *max),
        })
    }

    fn instance(
        &mut self,
        expr: &Expr,
        name: &str,
        given: &[Expr],
        span: &Range<usize>,
    ) -> Result<Shared, TextFault> {
        let Some(rule) = self.definitions.rules.get(name) else {
            return Err(self.definitions.undefined(name, span));
        };
        check_arguments(rule, given.len(), span)?;
        let instance = key(expr);
        if !self.known.contains(&instance) {
            let body = self.instances.body(rule, given, &instance, span)?;
            self.wait(&instance, span, body);
        }
        Ok(Shared::Rule(instance, span.clone()))
    }

    /// The texts of the terminal called `name`.
    fn named(&mut self, name: &str, span: &Range<usize>) -> Result<Shared, TextFault> {
        match self.definitions.terminals.get(name).map(|terminal| &terminal.source) {
            Some(TerminalSource::Written(expr @ Expr::Pieces { .. })) => self.terminal(expr, span),
            _ => {
                let pattern = self.terminals.named(name, span)?;
                let tree = pattern.tree().map_err(|problem| (span.clone(), problem))?;
                plain(&tree).ok_or_else(|| asks(span))
            }
        }
    }

    /// The texts of a terminal's expression.
    fn terminal(&mut self, expr: &Expr, span: &Range<usize>) -> Result<Shared, TextFault> {
        if let Expr::Pieces { pieces, .. } = expr {
            return Ok(Shared::Language(self.runs(pieces)));
        }
        if let Expr::Name(name, _) = expr {
            return self.named(name, span);
        }
        let pattern = self.terminals.pattern(expr, span)?;
        let tree = pattern.tree().map_err(|problem| (span.clone(), problem))?;
        plain(&tree).ok_or_else(|| asks(span))
    }

    /// The language of all runs of neighbouring pieces, the empty one among them.
    fn runs(&mut self, pieces: &[String]) -> LangId {
        let languages = &mut self.builder.nodes.languages;
        let mut run = LangId::EMPTY;
        let mut runs = vec![LangId::EMPTY];
        for piece in pieces.iter().rev() {
            let piece = languages.bytes(piece.as_bytes());
            let longer = languages.concat(piece, run);
            run = languages.union(&[LangId::EMPTY, longer]);
            runs.push(run);
        }
        languages.union(&runs)
    }

    fn schema(&mut self, schema: &str, span: &Range<usize>) -> Result<NodeId, TextFault> {
        if let Some(&node) = self.schemas.get(schema) {
            return Ok(node);
        }
        let options = &self.options.schema;
        let compiled = schema::compile_one_of_many(self.builder, schema, options, self.standards);
        let (node, warnings) = compiled.map_err(|error| self.schema_fault(schema, span, &error))?;
        let (line, _) = line_column(self.text, span.start);
        let place = match self.schema_start(schema, span) {
            Some(_) => format!("in the `%json` on line {line}"),
            None => format!("in a `%json` that line {line} imports"),
        };
        self.warnings.extend(warnings.into_iter().map(|mut warning| {
            warning.message = format!("{}, {place}", warning.message);
            warning
        }));
        self.schemas.insert(schema.to_owned(), node);
        Ok(node)
    }

    /// The place of the schema in the grammar's text, unless the schema stands in a module.
    fn schema_start(&self, schema: &str, span: &Range<usize>) -> Option<usize> {
        self.text.get(span.clone())?.ends_with(schema).then(|| span.end - schema.len())
    }

    fn schema_fault(&self, schema: &str, span: &Range<usize>, error: &CompileError) -> TextFault {
        let mut what = format!("in the schema of `%json`: {error}");
        let mut place = span.clone();
        // The text of the schema is a part of the grammar's text, in which the fault is shown.
        if let Some(Location::Text { line, column, span: inner }) = error.location()
            && let Some(start) = self.schema_start(schema, span)
        {
            what = what.replacen(&format!("line {line}, column {column}: "), "", 1);
            place = start + inner.start..start + inner.end;
        }
        (place, Problem::of_kind(error.kind(), what, "correct the schema"))
    }
}

/// The texts that a pattern matches as a whole; `None` if it asks what stands around them.
fn plain(re: &Re) -> Option<Shared> {
    let all = |parts: &[Re]| parts.iter().map(plain).collect::<Option<Vec<_>>>();
    Some(match re {
        Re::Empty => Shared::EMPTY,
        Re::Class(ranges) => Shared::Class(ranges.clone()),
        Re::Text(text) => Shared::Text(text.clone()),
        Re::Seq(parts) => Shared::seq(all(parts)?),
        Re::Alt(parts) => Shared::alt(all(parts)?),
        Re::Repeat { body, min, max, .. } => plain(body)?.repeat(*min, *max),
        Re::Look { .. } | Re::Start { .. } | Re::End { .. } | Re::TextEnd | Re::Boundary { .. } => {
            return None;
        }
    })
}

/// The fault of a pattern that asks what stands around its texts.
fn asks(span: &Range<usize>) -> TextFault {
    let what = "the pattern asks what stands before or behind its text, for which this grammar has no lexer";
    let help =
        "leave out assertions such as `\\b` and `(?=…)`, or all of `%json`, `%regex` and special tokens";
    (span.clone(), Problem::unsupported(what, help))
}
