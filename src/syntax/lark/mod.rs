//! Lark's notation for grammars: rules over terminals, with ignored text between them.
//!
//! Read are rules and terminals, strings (with the flag `i`), regular expressions with their flags, ranges, groups, `[ … ]`,
//! `? * +`, `~ n` and `~ n..m`, templates, aliases, priorities of terminals, `%import common.…`, `%ignore` and `%declare`.
//! What only shapes the tree (`?rule`, `!rule`, `_rule`, `-> alias`) is read and means nothing here; nor do priorities of
//! rules, which choose among trees. Outputs start from the rule `start`.
//!
//! Terminals are *lexed*: a terminal ends by maximal munch among those the parser allows where it began, of which
//! higher priorities win, then longer matches, then strings over patterns, then longer patterns: as Lark's contextual lexer has it.
//! So no keyword is glued to a name, and Lark reads every output as it was meant. Ignored text may stand before every terminal and
//! at the end.
//!
//! Source: Lark 1.3, its documentation and `lark.lark`.

mod parse;
mod terminals;

use super::diagnostic::{line_column, similar, Failure, SyntaxError, SyntaxErrorKind};
use super::notation::Notation;
use super::rules::NEST_LIMIT;
use crate::automata::{LangId, UNBOUNDED};
use crate::grammar::{Grammar, GrammarBuilder, GrammarError, LexemeId, NodeId};
use hashbrown::HashMap;
use parse::{is_terminal, Definition, Expr, Statement};
use std::ops::Range;
use terminals::{Source, Terminal, Terminals};

/// The rule that outputs start from.
pub const START: &str = "start";

/// How many instances of templates a grammar may need.
const INSTANCE_LIMIT: usize = 10_000;
/// How long an instance may be, written out.
const INSTANCE_LENGTH: usize = 4_000;
/// How many different terminals a grammar may have.
const TERMINAL_LIMIT: usize = 1 << 16;

/// The grammar that a Lark text describes.
///
/// ```
/// use hedgerow::syntax::lark;
/// let grammar = lark::compile(r#"
///     start: "let" NAME "=" sum
///     ?sum: sum "+" NUMBER | NUMBER
///     NAME: /[a-z]+/
///     %import common (NUMBER, WS)
///     %ignore WS
/// "#)?;
/// # Ok::<(), hedgerow::syntax::SyntaxError>(())
/// ```
///
/// # Errors
///
/// The text is no Lark grammar, a rule or terminal is missing or defined twice, a terminal may be empty, nothing matches, something
/// is not supported, or a limit is exceeded; see [`SyntaxErrorKind`].
pub fn compile(text: &str) -> Result<Grammar, SyntaxError> {
    let grammar = parse::parse(text).and_then(|statements| compile_statements(text, statements));
    grammar.map_err(|failure| SyntaxError::new(Notation::Lark, text, failure))
}

fn compile_statements(text: &str, statements: Vec<Statement>) -> Result<Grammar, Failure> {
    let mut rules: HashMap<String, Definition> = HashMap::new();
    let mut terminals: HashMap<String, Terminal> = HashMap::new();
    let mut ignored = Vec::new();
    let mut places: HashMap<String, Range<usize>> = HashMap::new();
    let mut claim = |name: &str, span: &Range<usize>| match places.insert(name.to_owned(), span.clone()) {
        None => Ok(()),
        Some(first) => {
            let (first_line, _) = line_column(text, first.start);
            Err((span.clone(), SyntaxErrorKind::DuplicateRule { name: name.to_owned(), first_line }))
        }
    };
    for statement in statements {
        match statement {
            Statement::Define(definition) if is_terminal(&definition.name) => {
                claim(&definition.name, &definition.span)?;
                let Definition { name, span, parameters, priority, body } = definition;
                if !parameters.is_empty() {
                    let kind = SyntaxErrorKind::unsupported(
                        "templates of terminals are not supported",
                        "make it a rule",
                    );
                    return Err((span, kind));
                }
                terminals.insert(name, Terminal { span, priority, source: Source::Written(body) });
            }
            Statement::Define(definition) => {
                claim(&definition.name, &definition.span)?;
                rules.insert(definition.name.clone(), definition);
            }
            Statement::Ignore(expr, span) => ignored.push((expr, span)),
            Statement::Import { module, name, alias, span } => {
                if module != "common" {
                    let what = format!("the module `{module}` is not there");
                    let help = "only `common` can be imported from; write its rules into this grammar";
                    return Err((span, SyntaxErrorKind::unsupported(what, help)));
                }
                claim(&alias, &span)?;
                terminals
                    .insert(alias, Terminal { source: terminals::common(&name, &span)?, span, priority: 0 });
            }
            Statement::Declare(name, span) => {
                claim(&name, &span)?;
                terminals.insert(name, Terminal { span, priority: 0, source: Source::Declared });
            }
        }
    }
    let mut lowering = Lowering {
        rules: &rules,
        terminals: Terminals::new(&terminals),
        builder: GrammarBuilder::new(),
        lexemes: Vec::new(),
        by_key: HashMap::new(),
        named_text: named_texts(&terminals),
        waiting: Vec::new(),
        instances: 0,
    };
    lowering.grammar(&ignored)
}

/// The names of terminals that are one string each: the same string in a rule is that terminal.
fn named_texts(terminals: &HashMap<String, Terminal>) -> HashMap<(String, bool), String> {
    let mut named = HashMap::new();
    for (name, terminal) in terminals {
        if let Source::Written(Expr::Text { text, any_case }) = &terminal.source {
            let known: &mut String = named.entry((text.clone(), *any_case)).or_insert_with(|| name.clone());
            // Of several the first by name, so that the order of a hash table does not show.
            if name < known {
                known.clone_from(name);
            }
        }
    }
    named
}

/// A terminal that rules use, before all of them are put into order.
struct Used {
    name: String,
    language: LangId,
    priority: i32,
    is_text: bool,
    length: usize,
}

struct Lowering<'d> {
    rules: &'d HashMap<String, Definition>,
    terminals: Terminals<'d>,
    builder: GrammarBuilder,
    lexemes: Vec<Used>,
    /// Places in `lexemes` by what they are.
    by_key: HashMap<String, usize>,
    named_text: HashMap<(String, bool), String>,
    /// Rules and instances that are referred to and still to be defined.
    waiting: Vec<(String, Expr)>,
    instances: usize,
}

/// What a rule is made of, once templates are written out and terminals have numbers.
enum Flat {
    Lexeme(usize),
    Rule(String),
    Seq(Vec<Flat>),
    Alt(Vec<Flat>),
    Repeat(Box<Flat>, u32, u32),
}

impl Lowering<'_> {
    fn grammar(&mut self, ignored: &[(Expr, Range<usize>)]) -> Result<Grammar, Failure> {
        let Some(start) = self.rules.get(START) else {
            let place = self.rules.values().map(|rule| rule.span.clone()).min_by_key(|span| span.start);
            return Err((place.unwrap_or(0..0), SyntaxErrorKind::MissingStart { name: START.to_owned() }));
        };
        let mut between = Vec::new();
        for (expr, span) in ignored {
            between.push(self.lexeme(expr, span)?);
        }
        self.builder.declare(START);
        self.waiting.push((START.to_owned(), start.body.clone()));
        let mut bodies = Vec::new();
        while let Some((name, body)) = self.waiting.pop() {
            let flat = self.flat(&body, 0)?;
            bodies.push((name, flat));
        }
        // Rules that nothing refers to must make sense, too.
        for rule in self.rules.values().filter(|rule| rule.parameters.is_empty()) {
            self.check_names(&rule.body)?;
        }
        let ids = self.number();
        let spaces: Vec<NodeId> = between.iter().map(|&at| self.builder.nodes.lexeme_node(ids[at])).collect();
        let spaces = self.builder.nodes.alt(&spaces);
        let spaces = self.builder.nodes.repeat(spaces, 0, UNBOUNDED);
        for (name, flat) in &bodies {
            let node = self.node(flat, spaces, &ids);
            let rule = self.builder.declare(name);
            let failed = |error| (start.span.clone(), SyntaxErrorKind::Grammar(error));
            self.builder.define(rule, node).map_err(failed)?;
        }
        let root = self.builder.declare(START);
        let root = self.builder.rule_node(root);
        let root = self.builder.nodes.seq(root, spaces);
        std::mem::take(&mut self.builder).build(root, None).map_err(|error| match error {
            GrammarError::Empty { .. } => {
                (start.span.clone(), SyntaxErrorKind::Empty { rule: START.to_owned() })
            }
            error => (start.span.clone(), SyntaxErrorKind::Grammar(error)),
        })
    }

    /// Puts the terminals into the order in which they win where several match as much, and gives them their numbers.
    fn number(&mut self) -> Vec<LexemeId> {
        let mut order: Vec<usize> = (0..self.lexemes.len()).collect();
        order.sort_by(|&a, &b| {
            let key = |at: usize| {
                let used = &self.lexemes[at];
                (-i64::from(used.priority), !used.is_text, std::cmp::Reverse(used.length), &used.name)
            };
            key(a).cmp(&key(b))
        });
        let mut ids = vec![LexemeId(0); order.len()];
        for at in order {
            let Used { name, language, priority, .. } = &self.lexemes[at];
            ids[at] = self.builder.nodes.declare_lexeme(name, *language, *priority);
        }
        ids
    }

    /// The terminal that `expr` is, in a rule.
    fn lexeme(&mut self, expr: &Expr, span: &Range<usize>) -> Result<usize, Failure> {
        let mut expr = expr;
        let named;
        if let Expr::Text { text, any_case } = expr {
            if let Some(name) = self.named_text.get(&(text.clone(), *any_case)) {
                named = Expr::Name(name.clone(), span.clone());
                expr = &named;
            }
        }
        let key = key(expr);
        if let Some(&known) = self.by_key.get(&key) {
            return Ok(known);
        }
        let pool = &mut self.builder.nodes.languages;
        let language = self.terminals.lexeme(pool, expr)?;
        let (priority, written) = match expr {
            Expr::Name(name, _) => match self.terminals.by_name.get(name) {
                Some(Terminal { priority, source: Source::Written(expr), .. }) => (*priority, Some(expr)),
                Some(Terminal { priority, .. }) => (*priority, None),
                None => (0, None),
            },
            other => (0, Some(other)),
        };
        let is_text = matches!(written, Some(Expr::Text { .. }));
        let length = written.map_or(key.len(), |expr| self::key(expr).len());
        if pool.is_nullable(language) {
            let what = format!("the terminal {key} may be empty");
            let help = "a terminal has at least one character; make it optional where it is used";
            return Err((span.clone(), SyntaxErrorKind::syntax(what, help)));
        }
        if pool.is_never(language) {
            let what = format!("no text matches the terminal {key}");
            return Err((span.clone(), SyntaxErrorKind::syntax(what, "correct it, or leave it out")));
        }
        if self.lexemes.len() == TERMINAL_LIMIT {
            let limit = TERMINAL_LIMIT as u64;
            return Err((
                span.clone(),
                SyntaxErrorKind::Grammar(GrammarError::Limit { what: "terminals", limit }),
            ));
        }
        self.lexemes.push(Used { name: key.clone(), language, priority, is_text, length });
        self.by_key.insert(key, self.lexemes.len() - 1);
        Ok(self.lexemes.len() - 1)
    }

    fn undefined(&self, name: &str, span: &Range<usize>) -> Failure {
        let names = self.rules.keys().chain(self.terminals.by_name.keys()).map(String::as_str);
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        let kind = SyntaxErrorKind::UndefinedRule {
            name: name.to_owned(),
            similar: similar(name, names.into_iter()),
        };
        (span.clone(), kind)
    }

    fn check_names(&self, expr: &Expr) -> Result<(), Failure> {
        if let Expr::Name(name, span) | Expr::Instance { name, span, .. } = expr {
            if !self.rules.contains_key(name) && !self.terminals.by_name.contains_key(name) {
                return Err(self.undefined(name, span));
            }
        }
        expr.parts().iter().try_for_each(|part| self.check_names(part))
    }

    fn flat(&mut self, expr: &Expr, depth: u32) -> Result<Flat, Failure> {
        // Templates may nest their arguments deeper than the text does.
        if depth > 8 * NEST_LIMIT {
            return Err((0..0, SyntaxErrorKind::Nesting { limit: NEST_LIMIT }));
        }
        let flat_all = |this: &mut Self, parts: &[Expr]| {
            parts.iter().map(|part| this.flat(part, depth + 1)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match expr {
            Expr::Name(name, span) if is_terminal(name) => match self.terminals.by_name.contains_key(name) {
                true => Flat::Lexeme(self.lexeme(expr, span)?),
                false => return Err(self.undefined(name, span)),
            },
            Expr::Name(name, span) => match self.rules.get(name) {
                None => return Err(self.undefined(name, span)),
                Some(rule) if !rule.parameters.is_empty() => return Err(arguments(rule, 0, span)),
                Some(rule) => {
                    if self.builder.find(name).is_none() {
                        self.builder.declare(name);
                        self.waiting.push((name.clone(), rule.body.clone()));
                    }
                    Flat::Rule(name.clone())
                }
            },
            Expr::Text { text, any_case: false } if text.is_empty() => Flat::Seq(Vec::new()),
            Expr::Text { .. } | Expr::Characters(..) => Flat::Lexeme(self.lexeme(expr, &(0..0))?),
            Expr::Regex { span, .. } => Flat::Lexeme(self.lexeme(expr, span)?),
            Expr::Instance { name, arguments: given, span } => {
                let Some(rule) = self.rules.get(name) else { return Err(self.undefined(name, span)) };
                if rule.parameters.len() != given.len() {
                    return Err(arguments(rule, given.len(), span));
                }
                let instance = key(expr);
                if self.builder.find(&instance).is_none() {
                    self.instances += 1;
                    if self.instances > INSTANCE_LIMIT || instance.len() > INSTANCE_LENGTH {
                        let error = GrammarError::Limit {
                            what: "instances of templates",
                            limit: INSTANCE_LIMIT as u64,
                        };
                        return Err((span.clone(), SyntaxErrorKind::Grammar(error)));
                    }
                    self.builder.declare(&instance);
                    let by_name: HashMap<&str, &Expr> =
                        rule.parameters.iter().map(String::as_str).zip(given).collect();
                    self.waiting.push((instance.clone(), substituted(&rule.body, &by_name)));
                }
                Flat::Rule(instance)
            }
            Expr::Seq(parts) => Flat::Seq(flat_all(self, parts)?),
            Expr::Alt(parts) => Flat::Alt(flat_all(self, parts)?),
            Expr::Repeat { body, min, max } => {
                Flat::Repeat(Box::new(self.flat(body, depth + 1)?), *min, *max)
            }
        })
    }

    fn node(&mut self, flat: &Flat, spaces: NodeId, ids: &[LexemeId]) -> NodeId {
        match flat {
            Flat::Lexeme(at) => {
                let lexeme = self.builder.nodes.lexeme_node(ids[*at]);
                self.builder.nodes.seq(spaces, lexeme)
            }
            Flat::Rule(name) => {
                let rule = self.builder.declare(name);
                self.builder.rule_node(rule)
            }
            Flat::Seq(parts) => {
                let parts: Vec<NodeId> = parts.iter().map(|part| self.node(part, spaces, ids)).collect();
                self.builder.nodes.sequence(&parts)
            }
            Flat::Alt(parts) => {
                let parts: Vec<NodeId> = parts.iter().map(|part| self.node(part, spaces, ids)).collect();
                self.builder.nodes.alt(&parts)
            }
            Flat::Repeat(body, min, max) => {
                let body = self.node(body, spaces, ids);
                self.builder.nodes.repeat(body, *min, *max)
            }
        }
    }
}

fn arguments(rule: &Definition, given: usize, span: &Range<usize>) -> Failure {
    let what = format!("`{}` takes {} arguments, not {given}", rule.name, rule.parameters.len());
    let help = format!("write `{}{{{}}}`", rule.name, rule.parameters.join(", "));
    (span.clone(), SyntaxErrorKind::syntax(what, help))
}

/// The body of a template with its arguments in place.
fn substituted(expr: &Expr, arguments: &HashMap<&str, &Expr>) -> Expr {
    let all = |parts: &[Expr]| parts.iter().map(|part| substituted(part, arguments)).collect();
    match expr {
        Expr::Name(name, _) => match arguments.get(name.as_str()) {
            Some(&argument) => argument.clone(),
            None => expr.clone(),
        },
        Expr::Instance { name, arguments: given, span } => {
            // A parameter may be the template itself.
            let name = match arguments.get(name.as_str()) {
                Some(Expr::Name(other, _)) => other,
                _ => name,
            };
            Expr::Instance { name: name.clone(), arguments: all(given), span: span.clone() }
        }
        Expr::Seq(parts) => Expr::Seq(all(parts)),
        Expr::Alt(parts) => Expr::Alt(all(parts)),
        Expr::Repeat { body, min, max } => {
            Expr::Repeat { body: Box::new(substituted(body, arguments)), min: *min, max: *max }
        }
        other => other.clone(),
    }
}

/// What identifies an expression, as one would write it.
fn key(expr: &Expr) -> String {
    let all = |parts: &[Expr], by: &str| parts.iter().map(key).collect::<Vec<_>>().join(by);
    match expr {
        Expr::Name(name, _) => name.clone(),
        Expr::Text { text, any_case } => format!("{text:?}{}", if *any_case { "i" } else { "" }),
        Expr::Regex { pattern, flags, .. } => format!("/{pattern}/{flags}"),
        Expr::Characters(from, to) => format!("{from:?}..{to:?}"),
        Expr::Instance { name, arguments, .. } => format!("{name}{{{}}}", all(arguments, ", ")),
        Expr::Seq(parts) => format!("({})", all(parts, " ")),
        Expr::Alt(parts) => format!("({})", all(parts, " | ")),
        Expr::Repeat { body, min, max } => format!("{}~{min}..{max}", key(body)),
    }
}
