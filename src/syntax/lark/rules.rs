//! Productions from rules, as Lark writes them out.
//!
//! The terminals that a lexer looks for depend on the parser's states, and these depend on the
//! productions. So the productions must be the same as Lark's. An optional part becomes two
//! alternatives. A repetition becomes a rule of its own, shared by all equal ones. Alternatives
//! inside of others are written out, and larger counts are split into factors. If that gives too
//! many alternatives for one rule, a part gets a rule of its own.

use super::modules::Definitions;
use super::parse::{Definition, Expr, is_terminal};
use super::pattern::lexeme;
use super::templates::{DEPTH_LIMIT, Instances, check_arguments, key};
use super::terminals::{Pattern, Terminals};
use crate::automata::{ExprPool, LangId, UNBOUNDED};
use crate::grammar::lexed::{Keyword, Production, Symbol};
use crate::grammar::{GrammarError, Lexeme, LexemeId, MARK};
use crate::syntax::diagnostic::{Problem, TextFault};
use crate::syntax::rules::NEST_LIMIT;
use hashbrown::HashMap;
use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

/// The number of different terminals that a grammar may have.
const TERMINAL_LIMIT: usize = 1 << 16;
/// The largest number of alternatives of a rule. Beyond it, a part becomes a rule of its own.
const WAYS_LIMIT: usize = 1_000;
/// The number of symbols that all productions may have.
const SYMBOL_LIMIT: usize = 2_000_000;

/// The count below which repetitions are written out.
const WRITTEN_OUT: u32 = 50;
/// The largest factor that counts are split into.
const FACTOR: u32 = 5;

/// Alternatives, each of them a sequence.
type Ways = Vec<Vec<Symbol>>;

/// A terminal that rules use, before all terminals are put into order.
struct Used {
    name: String,
    pattern: Pattern,
    priority: i32,
    ignored: bool,
    /// True if the grammar gives the terminal its name.
    is_named: bool,
    place: Range<usize>,
}

impl Used {
    /// The terminal's name in errors.
    fn shown(&self) -> String {
        let Pattern { is_text, value, flags, .. } = &self.pattern;
        match (self.is_named, is_text) {
            (true, _) => self.name.clone(),
            (false, true) => format!("{value:?}{flags}"),
            (false, false) => format!("/{value}/{flags}"),
        }
    }
}

/// The productions and terminals of a grammar.
pub(super) struct Productions<'d> {
    definitions: &'d Definitions,
    terminals: Terminals<'d>,
    /// The names of terminals by their patterns.
    names: HashMap<Pattern, String>,
    used: Vec<Used>,
    used_by_name: HashMap<String, u32>,
    /// The number of names made for terminals that had none.
    anonymous: usize,
    pub rules: Vec<Arc<str>>,
    by_name: HashMap<String, u32>,
    /// The rules made for repetitions and parts, by their contents.
    repeats: HashMap<(u32, u32, Ways, Ways), u32>,
    waiting: Vec<(u32, Expr)>,
    pub productions: Vec<Production>,
    symbols: usize,
    instances: Instances,
}

impl<'d> Productions<'d> {
    pub fn new(definitions: &'d Definitions) -> Self {
        Productions {
            definitions,
            terminals: Terminals::new(&definitions.terminals),
            names: HashMap::new(),
            used: Vec::new(),
            used_by_name: HashMap::new(),
            anonymous: 0,
            rules: Vec::new(),
            by_name: HashMap::new(),
            repeats: HashMap::new(),
            waiting: Vec::new(),
            productions: Vec::new(),
            symbols: 0,
            instances: Instances::default(),
        }
    }

    /// Writes out every rule that `start` reaches, and returns the number of `start`.
    pub fn write(&mut self, start: &Definition) -> Result<u32, TextFault> {
        let definitions = self.definitions;
        for name in &definitions.order {
            let Some(terminal) = definitions.terminals.get(name) else { continue };
            if matches!(terminal.source, super::terminals::TerminalSource::Declared) {
                continue;
            }
            let pattern = self.terminals.named(name, &terminal.span)?;
            self.names.insert(pattern, name.clone());
        }
        for (i, (expr, span)) in definitions.ignored.iter().enumerate() {
            let (name, pattern, priority) = match expr {
                Expr::Name(name, _) if is_terminal(name) => {
                    let priority = definitions.terminals.get(name).map_or(0, |terminal| terminal.priority);
                    (name.clone(), self.terminals.named(name, span)?, priority)
                }
                expr => (format!("__IGNORE_{i}"), self.terminals.pattern(expr, span)?, 0),
            };
            self.names.insert(pattern.clone(), name.clone());
            let lexeme = self.lexeme(name, pattern, priority, span)?;
            self.used[lexeme as usize].ignored = true;
        }
        let first = self.rule(&start.name);
        self.waiting.push((first, start.body.clone()));
        let mut next = 0;
        while next < self.waiting.len() {
            let (rule, body) = self.waiting[next].clone();
            next += 1;
            let ways = self.ways(&body, 0)?;
            self.produce(rule, ways)?;
        }
        // Rules that nothing refers to must refer to known names, too.
        for rule in definitions.rules.values().filter(|rule| rule.parameters.is_empty()) {
            self.check_names(&rule.body)?;
        }
        Ok(first)
    }

    fn rule(&mut self, name: &str) -> u32 {
        let id = self.rules.len() as u32;
        self.rules.push(name.into());
        self.by_name.insert(name.to_owned(), id);
        id
    }

    fn produce(&mut self, rule: u32, ways: Ways) -> Result<(), TextFault> {
        for body in ways {
            self.symbols += body.len() + 1;
            if self.symbols > SYMBOL_LIMIT {
                let limit = SYMBOL_LIMIT as u64;
                let error = GrammarError::Limit { what: "symbols in productions", limit };
                return Err((0..0, Problem::Grammar(error)));
            }
            self.productions.push(Production { rule, body });
        }
        Ok(())
    }

    fn lexeme(
        &mut self,
        name: String,
        pattern: Pattern,
        priority: i32,
        place: &Range<usize>,
    ) -> Result<u32, TextFault> {
        if let Some(&known) = self.used_by_name.get(&name) {
            return Ok(known);
        }
        if self.used.len() == TERMINAL_LIMIT {
            let error = GrammarError::Limit { what: "terminals", limit: TERMINAL_LIMIT as u64 };
            return Err((place.clone(), Problem::Grammar(error)));
        }
        let id = self.used.len() as u32;
        self.used_by_name.insert(name.clone(), id);
        let is_named = self.definitions.terminals.contains_key(&name);
        self.used.push(Used { name, pattern, priority, ignored: false, is_named, place: place.clone() });
        Ok(id)
    }

    /// The terminal of a string or pattern that stands in a rule.
    fn unnamed(&mut self, expr: &Expr, place: &Range<usize>) -> Result<u32, TextFault> {
        let pattern = self.terminals.pattern(expr, place)?;
        let name = match self.names.get(&pattern) {
            Some(name) => name.clone(),
            None => {
                let name = self.name_for(&pattern);
                self.names.insert(pattern.clone(), name.clone());
                name
            }
        };
        let priority = self.definitions.terminals.get(&name).map_or(0, |terminal| terminal.priority);
        self.lexeme(name, pattern, priority, place)
    }

    fn name_for(&mut self, pattern: &Pattern) -> String {
        let is_free = |name: &String| {
            !self.definitions.terminals.contains_key(name) && !self.used_by_name.contains_key(name)
        };
        let value = &pattern.value;
        let is_word = value.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && value.chars().all(|c| c.is_alphanumeric() || c == '_');
        let given = if pattern.is_text && is_word { Some(value.to_uppercase()) } else { None };
        let sign = SIGNS.iter().find(|sign| pattern.is_text && sign.0 == value).map(|sign| sign.1.to_owned());
        sign.or(given).filter(is_free).unwrap_or_else(|| {
            self.anonymous += 1;
            format!("__ANON_{}", self.anonymous - 1)
        })
    }

    fn check_names(&self, expr: &Expr) -> Result<(), TextFault> {
        if let Expr::Name(name, span) | Expr::Instance { name, span, .. } = expr
            && !self.definitions.rules.contains_key(name)
            && !self.definitions.terminals.contains_key(name)
        {
            return Err(self.definitions.undefined(name, span));
        }
        expr.parts().iter().try_for_each(|part| self.check_names(part))
    }

    /// The alternatives of an expression.
    fn ways(&mut self, expr: &Expr, depth: u32) -> Result<Ways, TextFault> {
        if depth > DEPTH_LIMIT {
            return Err((0..0, Problem::Nesting { limit: NEST_LIMIT }));
        }
        Ok(match expr {
            Expr::Name(name, span) if is_terminal(name) => {
                let Some(terminal) = self.definitions.terminals.get(name) else {
                    return Err(self.definitions.undefined(name, span));
                };
                let pattern = self.terminals.named(name, span)?;
                let lexeme = self.lexeme(name.clone(), pattern, terminal.priority, span)?;
                vec![vec![Symbol::Lexeme(lexeme)]]
            }
            Expr::Name(name, span) => {
                let Some(rule) = self.definitions.rules.get(name) else {
                    return Err(self.definitions.undefined(name, span));
                };
                check_arguments(rule, 0, span)?;
                let id = match self.by_name.get(name) {
                    Some(&id) => id,
                    None => {
                        let id = self.rule(name);
                        self.waiting.push((id, rule.body.clone()));
                        id
                    }
                };
                vec![vec![Symbol::Rule(id)]]
            }
            Expr::Text { text, .. } if text.is_empty() => vec![Vec::new()],
            Expr::Regex { span, .. } => vec![vec![Symbol::Lexeme(self.unnamed(expr, span)?)]],
            Expr::Text { .. } | Expr::Characters(..) | Expr::Common(_) => {
                vec![vec![Symbol::Lexeme(self.unnamed(expr, &(0..0))?)]]
            }
            Expr::Json { span, .. } | Expr::Pieces { span, .. } | Expr::Special(_, span) => {
                let what = "this part has no place among the terminals of a lexer";
                return Err((span.clone(), Problem::unsupported(what, "use the dynamic lexer")));
            }
            Expr::Instance { name, arguments: given, span } => self.instance(expr, name, given, span)?,
            Expr::Seq(parts) => {
                let mut all: Ways = vec![Vec::new()];
                for part in parts {
                    let next = self.ways(part, depth + 1)?;
                    all = self.product(all, next)?;
                }
                all
            }
            Expr::Alt(parts) => {
                let mut all = Ways::new();
                for part in parts {
                    all.extend(self.ways(part, depth + 1)?);
                }
                distinct(all)
            }
            Expr::Repeat(body, min, max) => {
                let body = self.ways(body, depth + 1)?;
                self.repeated(body, *min, *max)?
            }
        })
    }

    fn instance(
        &mut self,
        expr: &Expr,
        name: &str,
        given: &[Expr],
        span: &Range<usize>,
    ) -> Result<Ways, TextFault> {
        let Some(rule) = self.definitions.rules.get(name) else {
            return Err(self.definitions.undefined(name, span));
        };
        check_arguments(rule, given.len(), span)?;
        let instance = key(expr);
        let id = match self.by_name.get(&instance) {
            Some(&id) => id,
            None => {
                let body = self.instances.body(rule, given, &instance, span)?;
                let id = self.rule(&instance);
                self.waiting.push((id, body));
                id
            }
        };
        Ok(vec![vec![Symbol::Rule(id)]])
    }

    /// One of the first alternatives, then one of the second.
    fn product(&mut self, mut first: Ways, mut second: Ways) -> Result<Ways, TextFault> {
        for ways in [&mut first, &mut second] {
            if ways.len() * 2 > WAYS_LIMIT {
                *ways = self.part(std::mem::take(ways))?;
            }
        }
        if first.len() * second.len() > WAYS_LIMIT {
            first = self.part(first)?;
        }
        let joined = first.iter().flat_map(|a| second.iter().map(|b| [a.as_slice(), b].concat()));
        Ok(distinct(joined.collect()))
    }

    /// The same alternatives as a rule of their own.
    fn part(&mut self, ways: Ways) -> Result<Ways, TextFault> {
        self.shared((u32::MAX, 0, ways.clone(), Vec::new()), "part", |_| Ok(ways))
    }

    fn shared(
        &mut self,
        key: (u32, u32, Ways, Ways),
        name: &str,
        ways: impl FnOnce(u32) -> Result<Ways, TextFault>,
    ) -> Result<Ways, TextFault> {
        let id = match self.repeats.get(&key) {
            Some(&id) => id,
            None => {
                let id = self.rules.len() as u32;
                self.rules.push(format!("__{name}_{id}").into());
                self.repeats.insert(key, id);
                let ways = ways(id)?;
                self.produce(id, ways)?;
                id
            }
        };
        Ok(vec![vec![Symbol::Rule(id)]])
    }

    fn repeated(&mut self, body: Ways, min: u32, max: u32) -> Result<Ways, TextFault> {
        let with_nothing = |mut ways: Ways| {
            ways.push(Vec::new());
            distinct(ways)
        };
        if max == UNBOUNDED {
            let body = if body.len() * 2 > WAYS_LIMIT { self.part(body)? } else { body };
            let more = self.shared((0, 0, body.clone(), Vec::new()), "plus", |id| {
                let again = body.iter().map(|way| [&[Symbol::Rule(id)], way.as_slice()].concat());
                Ok(body.iter().cloned().chain(again).collect())
            })?;
            return Ok(if min == 0 { with_nothing(more) } else { more });
        }
        if max < WRITTEN_OUT {
            let mut found = Ways::new();
            for count in min..=max {
                let mut ways: Ways = vec![Vec::new()];
                for _ in 0..count {
                    ways = self.product(ways, body.clone())?;
                }
                found.extend(ways);
            }
            return Ok(distinct(found));
        }
        let body = if body.len() > 1 { self.part(body)? } else { body };
        let mut least = body.clone();
        for (times, more) in factors(min) {
            least = self.times(times, more, &least, &body)?;
        }
        if min == max {
            return Ok(least);
        }
        // `up_to` gives all counts below the number that its factors make, so its factors are those
        // of the largest count plus one.
        let factors = factors(max - min + 1);
        let (mut whole, mut fewer) = (body.clone(), vec![Vec::new()]);
        for (i, &(times, more)) in factors.iter().enumerate() {
            fewer = self.up_to(times, more, &whole, &fewer, &body)?;
            if i + 1 < factors.len() {
                whole = self.times(times, more, &whole, &body)?;
            }
        }
        self.product(least, fewer)
    }

    /// `whole` repeated `times` times, then `one` repeated `more` times.
    fn times(&mut self, times: u32, more: u32, whole: &Ways, one: &Ways) -> Result<Ways, TextFault> {
        let way = repeat(&whole[0], times).chain(repeat(&one[0], more)).flatten().copied().collect();
        let key = (1 + times, more, whole.clone(), one.clone());
        self.shared(key, "times", |_| Ok(vec![way]))
    }

    /// Any number of parts below `times` times `whole` and `more` times `one`. `fewer` has the
    /// numbers of parts below `whole`.
    fn up_to(
        &mut self,
        times: u32,
        more: u32,
        whole: &Ways,
        fewer: &Ways,
        one: &Ways,
    ) -> Result<Ways, TextFault> {
        let mut ways = Ways::new();
        for count in 0..times {
            for fewer in fewer {
                ways.push(repeat(&whole[0], count).flatten().chain(fewer).copied().collect());
            }
        }
        for count in 0..more {
            ways.push(repeat(&whole[0], times).chain(repeat(&one[0], count)).flatten().copied().collect());
        }
        let key = (100 + times, more, [whole.as_slice(), fewer].concat(), one.clone());
        self.shared(key, "up_to", |_| Ok(distinct(ways)))
    }

    /// The terminals in the order in which a lexer tries them, and the place of each used terminal
    /// in that order.
    pub fn lexemes(&self, pool: &mut ExprPool) -> Result<(Vec<Lexeme>, Vec<u32>), TextFault> {
        let mut made = Vec::with_capacity(self.used.len());
        for used in &self.used {
            let tree = used.pattern.tree().map_err(|problem| (used.place.clone(), problem))?;
            let (min, max) = tree.width();
            if min == 0 {
                let what = format!("the terminal {} may be empty", used.shown());
                let help = "a terminal has at least one character; make it optional where it is used";
                return Err((used.place.clone(), Problem::syntax(what, help)));
            }
            let compiled = lexeme::compile(pool, &tree).map_err(|problem| (used.place.clone(), problem))?;
            if pool.is_never(compiled.marked) {
                let what = format!("no text matches the terminal {}", used.shown());
                return Err((used.place.clone(), Problem::syntax(what, "correct it, or leave it out")));
            }
            made.push((max, compiled));
        }
        let mut order: Vec<usize> = (0..self.used.len()).collect();
        order.sort_by_key(|&at| {
            let used = &self.used[at];
            (Reverse(used.priority), Reverse(made[at].0), Reverse(used.pattern.length()), &used.name)
        });
        let mut numbers = vec![0; order.len()];
        order.iter().enumerate().for_each(|(number, &at)| numbers[at] = number as u32);
        let mut lexemes = Vec::with_capacity(order.len());
        for &at in &order {
            let (used, compiled) = (&self.used[at], made[at].1);
            let keywords = if used.pattern.is_text {
                Vec::new()
            } else {
                self.keywords(pool, used, compiled.marked, &numbers)
            };
            lexemes.push(Lexeme {
                name: used.shown().into(),
                marked: compiled.marked,
                domain: compiled.domain,
                ignored: used.ignored,
                keywords,
            });
        }
        Ok((lexemes, numbers))
    }

    /// The strings that a pattern matches as a whole.
    fn keywords(&self, pool: &mut ExprPool, pattern: &Used, marked: LangId, numbers: &[u32]) -> Vec<Keyword> {
        let mut keywords: Vec<Keyword> = Vec::new();
        for (at, used) in self.used.iter().enumerate() {
            let Pattern { is_text: true, value, flags, .. } = &used.pattern else { continue };
            if used.priority != pattern.priority {
                continue;
            }
            let end = pool.step_bytes(marked, value.as_bytes());
            let end = pool.step(end, MARK);
            if pool.is_nullable(end) {
                keywords.push(Keyword {
                    lexeme: LexemeId(numbers[at]),
                    text: value.as_str().into(),
                    only_so: flags.chars().all(|flag| pattern.pattern.flags.contains(flag)),
                });
            }
        }
        keywords.sort_by_key(|keyword| keyword.lexeme);
        keywords
    }

    /// The place where a terminal was first met, by its name in errors.
    pub fn place(&self, name: &str) -> Range<usize> {
        self.used.iter().find(|used| used.shown() == name).map_or(0..0, |used| used.place.clone())
    }
}

fn repeat(way: &[Symbol], count: u32) -> impl Iterator<Item = &[Symbol]> {
    std::iter::repeat_n(way, count as usize)
}

fn distinct(mut ways: Ways) -> Ways {
    let mut seen = hashbrown::HashSet::with_capacity(ways.len());
    ways.retain(|way| seen.insert(way.clone()));
    ways
}

/// The factors of `n`. Each pair `(times, more)` turns the number so far, at first 1, into
/// `number · times + more`.
fn factors(n: u32) -> Vec<(u32, u32)> {
    if n <= FACTOR {
        return vec![(n, 0)];
    }
    let split = (2..=FACTOR).rev().find(|times| times + n % times <= FACTOR).unwrap_or(2);
    let mut factors = factors(n / split);
    factors.push((split, n % split));
    factors
}

/// The names that Lark gives to signs. They decide the order of two terminals that are otherwise
/// equal.
const SIGNS: &[(&str, &str)] = &[
    (".", "DOT"),
    (",", "COMMA"),
    (":", "COLON"),
    (";", "SEMICOLON"),
    ("+", "PLUS"),
    ("-", "MINUS"),
    ("*", "STAR"),
    ("/", "SLASH"),
    ("|", "VBAR"),
    ("!", "BANG"),
    ("#", "HASH"),
    ("%", "PERCENT"),
    ("&", "AMPERSAND"),
    ("<", "LESSTHAN"),
    (">", "MORETHAN"),
    ("=", "EQUAL"),
    ("(", "LPAR"),
    (")", "RPAR"),
    ("{", "LBRACE"),
    ("}", "RBRACE"),
    ("[", "LSQB"),
    ("]", "RSQB"),
    (" ", "SPACE"),
];
