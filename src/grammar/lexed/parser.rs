//! The parser of a lexed grammar: LALR(1) tables that keep all actions where they conflict.
//!
//! A contextual lexer looks for the terminals that the parser's state allows. These depend on the
//! tables and not only on the language: LALR(1) merges states, so the lexer may look for a terminal
//! that the parser then refuses. So outputs for such a parser must be made with the same tables.
//!
//! If the grammar is not LALR(1), the parser tries all actions. Every reduction must then take
//! something off the stack, so no rule may be empty, and empty productions are written out of the
//! rules first.
//!
//! Source: F. DeRemer and T. Pennello, *Efficient computation of LALR(1) look-ahead sets* (1982);
//! M. Tomita, *Efficient parsing for natural language* (1986).

use super::super::error::GrammarError;
use hashbrown::{HashMap, HashSet};
use std::collections::BTreeMap;

/// A symbol in the body of a production.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Symbol {
    /// A terminal, by its number.
    Lexeme(u32),
    /// A rule, by its number.
    Rule(u32),
}

/// One way to read a rule.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Production {
    /// The rule.
    pub rule: u32,
    /// The symbols that it consists of, in order.
    pub body: Vec<Symbol>,
}

/// A production, and the number of its symbols that were read.
pub(super) type Item = (u32, u32);

/// A state of the parser.
#[derive(Clone, Default, Debug)]
pub struct State {
    /// Items of which something was read.
    pub(super) kernel: Vec<Item>,
    /// The target states of lexemes, sorted by lexeme.
    pub(super) shifts: Vec<(u32, u32)>,
    /// The target states of rules, sorted by rule.
    pub(super) gotos: Vec<(u32, u32)>,
    /// The productions that are complete here, by the lexeme that may follow; sorted. The end of
    /// the text counts as one more lexeme.
    pub(super) reduces: Vec<(u32, u32)>,
    /// The lexemes that a lexer looks for here, sorted.
    pub(super) expected: Vec<u32>,
    /// An estimate of the number of lexemes that complete one of the items here.
    pub least: u32,
}

/// The tables of the parser.
#[derive(Clone, Debug)]
pub struct ParserTables {
    pub(super) productions: Vec<Production>,
    pub(super) by_rule: Vec<Vec<u32>>,
    pub(super) states: Vec<State>,
    lexemes: u32,
    /// True if the empty text belongs to the grammar although rules cannot be empty.
    pub(super) may_be_empty: bool,
    /// True if the grammar is not LALR(1).
    pub has_conflicts: bool,
}

const STATE_LIMIT: usize = 20_000;
const PRODUCTION_LIMIT: usize = 100_000;

/// The production of the whole text, which is the start rule and nothing else.
pub(super) const WHOLE: u32 = 0;

fn find(sorted: &[(u32, u32)], key: u32) -> Option<u32> {
    sorted.binary_search_by_key(&key, |e| e.0).ok().map(|at| sorted[at].1)
}

impl ParserTables {
    /// The tables of some productions over `rules` rules and `lexemes` lexemes, with `start` as the
    /// whole text. Every rule must have a text.
    pub(super) fn new(
        mut productions: Vec<Production>,
        rules: u32,
        lexemes: u32,
        start: u32,
    ) -> Result<Self, GrammarError> {
        let whole = Production { rule: rules, body: vec![Symbol::Rule(start)] };
        productions.insert(0, whole.clone());
        let parser = Self::tables(productions.clone(), rules, lexemes)?;
        if !parser.has_conflicts {
            return Ok(parser);
        }
        let (mut filled, may_be_empty) = without_empty(&productions[1..], rules, start)?;
        if filled.iter().all(|p| p.rule != start) {
            return Ok(parser);
        }
        filled.insert(0, whole);
        let mut parser = Self::tables(filled, rules, lexemes)?;
        parser.may_be_empty = may_be_empty;
        parser.has_conflicts = true;
        Ok(parser)
    }

    fn tables(productions: Vec<Production>, rules: u32, lexemes: u32) -> Result<Self, GrammarError> {
        if productions.len() > PRODUCTION_LIMIT {
            return Err(GrammarError::Limit { what: "productions", limit: PRODUCTION_LIMIT as u64 });
        }
        let mut by_rule = vec![Vec::new(); rules as usize + 1];
        for (i, production) in productions.iter().enumerate() {
            by_rule[production.rule as usize].push(i as u32);
        }
        let mut parser = ParserTables {
            productions,
            by_rule,
            states: Vec::new(),
            lexemes,
            may_be_empty: false,
            has_conflicts: false,
        };
        parser.find_states()?;
        parser.find_lookaheads();
        parser.find_least();
        Ok(parser)
    }

    /// The rules that each rule may begin with, itself included.
    fn beginnings(&self) -> Vec<Vec<u32>> {
        (0..self.by_rule.len() as u32)
            .map(|rule| {
                let mut found = vec![rule];
                let mut seen = HashSet::<_>::from_iter([rule]);
                let mut at = 0;
                while at < found.len() {
                    for &production in &self.by_rule[found[at] as usize] {
                        if let Some(&Symbol::Rule(first)) = self.productions[production as usize].body.first()
                            && seen.insert(first)
                        {
                            found.push(first);
                        }
                    }
                    at += 1;
                }
                found
            })
            .collect()
    }

    fn find_states(&mut self) -> Result<(), GrammarError> {
        let beginnings = self.beginnings();
        let mut ids: HashMap<Vec<Item>, u32> = HashMap::from_iter([(vec![(WHOLE, 0)], 0)]);
        self.states.push(State { kernel: vec![(WHOLE, 0)], ..State::default() });
        let mut at = 0;
        while at < self.states.len() {
            let kernel = self.states[at].kernel.clone();
            let mut next: BTreeMap<Symbol, Vec<Item>> = BTreeMap::new();
            let mut rules: Vec<u32> = Vec::new();
            let mut seen = HashSet::new();
            for &(production, dot) in &kernel {
                if let Some(&symbol) = self.productions[production as usize].body.get(dot as usize) {
                    next.entry(symbol).or_default().push((production, dot + 1));
                    if let Symbol::Rule(rule) = symbol {
                        rules.extend(beginnings[rule as usize].iter().filter(|&&r| seen.insert(r)));
                    }
                }
            }
            for rule in rules {
                for &production in &self.by_rule[rule as usize] {
                    if let Some(&symbol) = self.productions[production as usize].body.first() {
                        next.entry(symbol).or_default().push((production, 1));
                    }
                }
            }
            for (symbol, mut kernel) in next {
                kernel.sort_unstable();
                kernel.dedup();
                let known = self.states.len() as u32;
                let id = *ids.entry(kernel).or_insert_with_key(|kernel| {
                    self.states.push(State { kernel: kernel.clone(), ..State::default() });
                    known
                });
                match symbol {
                    Symbol::Lexeme(lexeme) => self.states[at].shifts.push((lexeme, id)),
                    Symbol::Rule(rule) => self.states[at].gotos.push((rule, id)),
                }
            }
            if self.states.len() > STATE_LIMIT {
                return Err(GrammarError::Limit { what: "parser states", limit: STATE_LIMIT as u64 });
            }
            at += 1;
        }
        Ok(())
    }

    fn find_lookaheads(&mut self) {
        let nullable = nullable(&self.productions, self.by_rule.len());
        let words = self.lexemes as usize / 64 + 1;
        let mut transitions: HashMap<(u32, u32), usize> = HashMap::new();
        for (p, state) in self.states.iter().enumerate() {
            for &(rule, _) in &state.gotos {
                transitions.insert((p as u32, rule), transitions.len());
            }
        }
        let count = transitions.len();
        let mut sets: Vec<Vec<u64>> = vec![vec![0; words]; count];
        // The set of each transition is part of the sets of the transitions listed for it.
        let mut reads: Vec<Vec<usize>> = vec![Vec::new(); count];
        let mut includes: Vec<Vec<usize>> = vec![Vec::new(); count];
        let mut lookback: Vec<(u32, u32, usize)> = Vec::new();
        for (&(p, rule), &transition) in &transitions {
            let Some(after) = self.goto(p, rule) else { continue };
            let state = &self.states[after as usize];
            state.shifts.iter().for_each(|s| sets[transition][s.0 as usize / 64] |= 1 << (s.0 % 64));
            if state.kernel.contains(&(WHOLE, 1)) {
                sets[transition][self.lexemes as usize / 64] |= 1 << (self.lexemes % 64);
            }
            for &(next, _) in state.gotos.iter().filter(|g| nullable[g.0 as usize]) {
                reads[transitions[&(after, next)]].push(transition);
            }
            for &production in &self.by_rule[rule as usize] {
                let body = &self.productions[production as usize].body;
                let last_needed = body.iter().rposition(|s| match s {
                    Symbol::Lexeme(_) => true,
                    Symbol::Rule(rule) => !nullable[*rule as usize],
                });
                let mut state = p;
                for (i, &symbol) in body.iter().enumerate() {
                    if let (Symbol::Rule(inner), true) = (symbol, last_needed.is_none_or(|last| last <= i))
                        && let Some(&inner) = transitions.get(&(state, inner))
                    {
                        includes[transition].push(inner);
                    }
                    match self.next(state, symbol) {
                        Some(next) => state = next,
                        None => break,
                    }
                }
                lookback.push((state, production, transition));
            }
        }
        spread(&mut sets, &reads);
        spread(&mut sets, &includes);
        lookback.sort_unstable();
        for same in lookback.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (state, production, _) = same[0];
            let reduces = &mut self.states[state as usize].reduces;
            let mut lookaheads = vec![0u64; words];
            for &(_, _, transition) in same {
                lookaheads.iter_mut().zip(&sets[transition]).for_each(|(all, bits)| *all |= bits);
            }
            for (word, mut bits) in lookaheads.into_iter().enumerate() {
                while bits != 0 {
                    reduces.push((word as u32 * 64 + bits.trailing_zeros(), production));
                    bits &= bits - 1;
                }
            }
        }
        let lexemes = self.lexemes;
        for state in &mut self.states {
            state.reduces.sort_unstable();
            let twice = state.reduces.windows(2).any(|w| w[0].0 == w[1].0);
            let shifted = state.reduces.iter().any(|r| find(&state.shifts, r.0).is_some());
            // `start: start | A` may end the text or read itself again.
            let ends = state.kernel.contains(&(WHOLE, 1))
                && state.reduces.iter().any(|r| r.0 == lexemes && r.1 != WHOLE);
            self.has_conflicts |= twice || shifted || ends;
            state.expected =
                state.shifts.iter().chain(&state.reduces).map(|e| e.0).filter(|&l| l < lexemes).collect();
            state.expected.sort_unstable();
            state.expected.dedup();
        }
    }

    /// Finds roughly how many lexemes complete the nearest item of each state.
    fn find_least(&mut self) {
        let mut least = vec![u32::MAX; self.by_rule.len()];
        let size = |body: &[Symbol], least: &[u32]| {
            body.iter().fold(0u32, |sum, symbol| match symbol {
                Symbol::Lexeme(_) => sum.saturating_add(1),
                Symbol::Rule(rule) => sum.saturating_add(least[*rule as usize]),
            })
        };
        let mut changed = true;
        while changed {
            changed = false;
            for Production { rule, body } in &self.productions {
                let now = size(body, &least);
                if now < least[*rule as usize] {
                    least[*rule as usize] = now;
                    changed = true;
                }
            }
        }
        for state in &mut self.states {
            let left = |&(production, dot): &Item| {
                size(&self.productions[production as usize].body[dot as usize..], &least)
            };
            state.least = state.kernel.iter().map(left).min().unwrap_or(0);
        }
    }

    /// The state that a rule leads to.
    pub fn goto(&self, state: u32, rule: u32) -> Option<u32> {
        find(&self.states[state as usize].gotos, rule)
    }

    /// The state that a lexeme leads to.
    pub fn shift(&self, state: u32, lexeme: u32) -> Option<u32> {
        find(&self.states[state as usize].shifts, lexeme)
    }

    pub(super) fn next(&self, state: u32, symbol: Symbol) -> Option<u32> {
        match symbol {
            Symbol::Lexeme(lexeme) => self.shift(state, lexeme),
            Symbol::Rule(rule) => self.goto(state, rule),
        }
    }

    /// The productions that are complete in `state` if `lexeme` follows, each as its rule and
    /// length. `None` stands for the end of the text.
    pub fn reductions(&self, state: u32, lexeme: Option<u32>) -> impl Iterator<Item = (u32, usize)> + '_ {
        let lexeme = lexeme.unwrap_or(self.lexemes);
        let reduces = &self.states[state as usize].reduces;
        let from = reduces.partition_point(|r| r.0 < lexeme);
        reduces[from..].iter().take_while(move |r| r.0 == lexeme).filter(|r| r.1 != WHOLE).map(|r| {
            let Production { rule, body } = &self.productions[r.1 as usize];
            (*rule, body.len())
        })
    }

    /// True if the text may end in `state`.
    pub fn accepts(&self, state: u32) -> bool {
        self.states[state as usize].kernel.contains(&(WHOLE, 1)) || (state == 0 && self.may_be_empty)
    }

    /// All productions except that of the whole text.
    pub fn productions(&self) -> &[Production] {
        &self.productions[1..]
    }

    /// The symbol that was read last in `state`.
    pub fn symbol(&self, state: u32) -> Option<Symbol> {
        let &(production, dot) = self.states[state as usize].kernel.first()?;
        self.productions[production as usize].body.get(dot.checked_sub(1)? as usize).copied()
    }

    /// The state `id`.
    pub fn state(&self, id: u32) -> &State {
        &self.states[id as usize]
    }
}

/// Adds every set to those it is a part of, until nothing changes.
fn spread(sets: &mut [Vec<u64>], into: &[Vec<usize>]) {
    let mut work: Vec<usize> = (0..sets.len()).collect();
    let mut waiting = vec![true; sets.len()];
    while let Some(from) = work.pop() {
        waiting[from] = false;
        for &to in &into[from] {
            let mut grew = false;
            for word in 0..sets[from].len() {
                let more = sets[to][word] | sets[from][word];
                grew |= more != sets[to][word];
                sets[to][word] = more;
            }
            if grew && !std::mem::replace(&mut waiting[to], true) {
                work.push(to);
            }
        }
    }
}

/// For each rule, true if it may be empty.
fn nullable(productions: &[Production], rules: usize) -> Vec<bool> {
    let mut nullable = vec![false; rules];
    let mut changed = true;
    while changed {
        changed = false;
        for Production { rule, body } in productions {
            let empty = |s: &Symbol| matches!(s, Symbol::Rule(rule) if nullable[*rule as usize]);
            if !nullable[*rule as usize] && body.iter().all(empty) {
                nullable[*rule as usize] = true;
                changed = true;
            }
        }
    }
    nullable
}

/// Productions that are not empty, for the same texts without the empty text, and a flag that is
/// `true` if `start` had the empty text.
fn without_empty(
    productions: &[Production],
    rules: u32,
    start: u32,
) -> Result<(Vec<Production>, bool), GrammarError> {
    let nullable = nullable(productions, rules as usize);
    let mut found: Vec<Production> = Vec::new();
    let mut seen: HashSet<Production> = HashSet::new();
    for Production { rule, body } in productions {
        let mut ways: Vec<Vec<Symbol>> = vec![Vec::new()];
        for &symbol in body {
            let optional = matches!(symbol, Symbol::Rule(rule) if nullable[rule as usize]);
            let left_out = if optional { ways.clone() } else { Vec::new() };
            ways.iter_mut().for_each(|way| way.push(symbol));
            ways.extend(left_out);
            if ways.len() > PRODUCTION_LIMIT {
                return Err(GrammarError::Limit { what: "productions", limit: PRODUCTION_LIMIT as u64 });
            }
        }
        for body in ways {
            let itself = body == [Symbol::Rule(*rule)];
            let production = Production { rule: *rule, body };
            if !production.body.is_empty() && !itself && seen.insert(production.clone()) {
                found.push(production);
            }
        }
    }
    Ok((productive(found, rules), nullable[start as usize]))
}

/// The productions in which every rule has a text.
pub(super) fn productive(mut productions: Vec<Production>, rules: u32) -> Vec<Production> {
    let mut ends = vec![false; rules as usize];
    let all_end = |body: &[Symbol], ends: &[bool]| {
        body.iter().all(|s| match s {
            Symbol::Lexeme(_) => true,
            Symbol::Rule(rule) => ends[*rule as usize],
        })
    };
    let mut changed = true;
    while changed {
        changed = false;
        for Production { rule, body } in &productions {
            if !ends[*rule as usize] && all_end(body, &ends) {
                ends[*rule as usize] = true;
                changed = true;
            }
        }
    }
    productions.retain(|p| all_end(&p.body, &ends));
    productions
}
