//! Safe positions: those from which the parser reaches the end of the text, whatever its stack.
//!
//! A *position* is a parser state that a lexeme was just shifted to, and the obligation that the
//! lexeme left behind. Most grammars have ignored text that discharges nearly all obligations. Then
//! a look at each state of the parser is enough to know that the parser is never stuck, and no
//! stack has to be searched.
//!
//! # The search
//!
//! The search uses few obligations, called *controls*: number 0 is the obligation after ignored
//! text, and the others are those that ignored text does not discharge. For example, a lexeme for
//! line ends that also takes the spaces of the next line leaves "no space comes next".
//!
//! - A lexeme leads from one control to others. If ignored text discharges the obligation at one of
//!   its ends, it leads to control 0. Otherwise it leads to the controls of all its ends.
//! - A rule leads from control to control by its symbols. This is the least solution of equations
//!   over finite sets, as in [`live`](super::live). That search follows all obligations and all
//!   states of the lexer, so it decides more and takes longer.
//! - A state is left by completing one of its items.
//! - After a rule `A` was read on top of a state `b`, an item of `b` that waits for `A` is
//!   completed, then the rule of this item, and so on. This ends with an item that began below `b`:
//!   to complete it is to pop `b`, so the stack becomes shorter. Below the bottom of the stack is
//!   the end of the text.
//!
//! If every position that can arise is left in this way, all of them are safe.
//!
//! # What is approximated
//!
//! A step of the search counts only if it is possible for certain. After a rule, the lexer is in
//! the state of the rule's last lexeme, which is not known here. A lexeme then counts only if it
//! can be read in every state in which the lexer looks for it. So the search may fail where a
//! longer one would not. It never calls a position safe that is not.

use super::Lexed;
use super::lexing::{Exhausted, Lexing, Positions};
use super::parser::{Symbol, WHOLE};
use crate::automata::{ExprPool, LangId, interrupt};
use hashbrown::{HashMap, HashSet};

/// A set of controls, by number.
type Controls = u16;

/// The largest number of controls.
const MAX_CONTROLS: usize = 16;

/// The largest number of productions that are looked at, about a quarter of a second's work.
const MAX_PRODUCTIONS: u32 = 1 << 20;

/// The obligation after ignored text.
const DISCHARGED: Controls = 1;

/// The controls after a rule that is read from a state and a control.
type RuleKey = (u32, u32, u8);

struct SafetySearch<'a> {
    lexed: &'a Lexed,
    controls: Vec<LangId>,
    /// The controls after a lexeme, by the state of the lexer and the control before.
    lexemes: HashMap<(u32, u8), HashMap<u32, Controls>>,
    /// The same where the state of the lexer is not known.
    anywhere: HashMap<(u32, u8), Controls>,
    rules: HashMap<RuleKey, Controls>,
    /// Rules whose answer may grow when that of the key grows.
    waiting: HashMap<RuleKey, Vec<RuleKey>>,
    /// Productions that may still be looked at.
    left: u32,
}

/// Control 0 alone, if it is among `controls`, because every lexeme can be read under it. Otherwise
/// `controls` as they are.
fn best(controls: Controls) -> Controls {
    if controls & DISCHARGED != 0 { DISCHARGED } else { controls }
}

fn numbers(controls: Controls) -> impl Iterator<Item = u8> {
    (0..MAX_CONTROLS as u8).filter(move |control| controls >> control & 1 == 1)
}

/// True if a lexer may look for the next lexeme in `state`: at the beginning, and after a lexeme.
fn is_between_lexemes(lexed: &Lexed, state: u32) -> bool {
    state == 0 || matches!(lexed.parser.symbol(state), Some(Symbol::Lexeme(_)))
}

impl Lexing {
    /// The safe positions, where `then` is the obligation after ignored text. `None` if a position
    /// may not be safe.
    pub(super) fn safe_positions(
        &mut self,
        lexed: &Lexed,
        pool: &mut ExprPool,
        then: LangId,
    ) -> Result<Option<Positions>, Exhausted> {
        let mut search = SafetySearch {
            lexed,
            controls: vec![then],
            lexemes: HashMap::new(),
            anywhere: HashMap::new(),
            rules: HashMap::new(),
            waiting: HashMap::new(),
            left: MAX_PRODUCTIONS,
        };
        let Some(arising) = self.read_lexemes(&mut search, pool)? else { return Ok(None) };
        self.spend(search.lexemes.len() as u64)?;
        search.join_lexer_states();
        let arising = search.after_reductions(arising);
        for &(state, control) in &arising {
            self.spend(1)?;
            if is_between_lexemes(lexed, state) && !search.is_left(state, control) {
                return Ok(None);
            }
        }
        for state in 0..lexed.parser.states.len() as u32 {
            self.spend(1)?;
            if !pool.is_sound() || !search.is_escaped(pool, state, &arising) {
                return Ok(None);
            }
        }
        let controls = &search.controls;
        let positions = arising.into_iter().filter(|&(state, _)| is_between_lexemes(lexed, state));
        Ok(Some(positions.map(|(state, control)| (state, controls[control as usize])).collect()))
    }

    /// Finds the controls that each lexeme leads to, and the pairs of a state after a lexeme and a
    /// control that arise. `None` if there are too many controls.
    fn read_lexemes(
        &mut self,
        search: &mut SafetySearch<'_>,
        pool: &mut ExprPool,
    ) -> Result<Option<HashSet<(u32, u8)>>, Exhausted> {
        let lexed = search.lexed;
        let mut targets: HashMap<u32, Vec<u32>> = HashMap::new();
        for state in &lexed.parser.states {
            for &(lexeme, target) in &state.shifts {
                let known = targets.entry(lexeme).or_default();
                if !known.contains(&target) {
                    known.push(target);
                }
            }
        }
        let between = (0..lexed.parser.states.len() as u32).filter(|&s| is_between_lexemes(lexed, s));
        let mut work: Vec<(u32, u8)> = between.map(|state| (state, 0)).collect();
        let mut arising: HashSet<(u32, u8)> = work.iter().copied().collect();
        let mut outcomes: HashMap<LangId, Option<(Controls, Controls)>> = HashMap::new();
        while let Some((state, control)) = work.pop() {
            if !pool.is_sound() {
                return Ok(None);
            }
            let mut found: HashMap<u32, Controls> = HashMap::new();
            for &(lexeme, language) in self.expected(lexed, pool, state).iter() {
                if lexed.lexeme(lexeme).ignored {
                    continue;
                }
                self.spend(1)?;
                let language = pool.inter(&[search.controls[control as usize], language]);
                let outcome = match outcomes.get(&language) {
                    Some(&known) => known,
                    None => {
                        let outcome = self.outcome(search, pool, language)?;
                        outcomes.insert(language, outcome);
                        outcome
                    }
                };
                // Too many controls.
                let Some((after, all)) = outcome else { return Ok(None) };
                found.insert(lexeme, after);
                for &target in targets.get(&lexeme).into_iter().flatten() {
                    work.extend(numbers(all).map(|c| (target, c)).filter(|&at| arising.insert(at)));
                }
            }
            // Lexemes that the parser expects, but that cannot be read here, because another lexeme
            // wins each of their texts. They lead to no control.
            for &lexeme in &lexed.parser.state(state).expected {
                found.entry(lexeme).or_insert(0);
            }
            search.lexemes.insert((state, control), found);
        }
        Ok(Some(arising))
    }

    /// The controls to which a lexeme of this language leads, and the controls of all its ends.
    /// `None` if there are too many controls.
    fn outcome(
        &mut self,
        search: &mut SafetySearch<'_>,
        pool: &mut ExprPool,
        language: LangId,
    ) -> Result<Option<(Controls, Controls)>, Exhausted> {
        if pool.is_never(language) {
            return Ok(Some((0, 0)));
        }
        let (mut all, mut is_free) = (0, false);
        for &end in self.ends(pool, language)?.iter() {
            if self.is_free(search.lexed, pool, end)? {
                is_free = true;
                continue;
            }
            let known = search.controls.iter().position(|&control| control == end);
            let number = known.unwrap_or(search.controls.len());
            if number == MAX_CONTROLS {
                return Ok(None);
            }
            if known.is_none() {
                search.controls.push(end);
            }
            all |= 1 << number;
        }
        Ok(Some((if is_free { DISCHARGED } else { all }, all)))
    }
}

impl SafetySearch<'_> {
    /// Finds the controls after a lexeme that hold in all states of the lexer, for use when the
    /// state is not known.
    fn join_lexer_states(&mut self) {
        for (&(_, control), found) in &self.lexemes {
            for (&lexeme, &after) in found {
                self.anywhere.entry((lexeme, control)).and_modify(|all| *all &= after).or_insert(after);
            }
        }
    }

    /// The pairs of a state and a control that arise, those after reductions among them.
    fn after_reductions(&self, arising: HashSet<(u32, u8)>) -> HashSet<(u32, u8)> {
        let parser = &self.lexed.parser;
        let mut targets: HashMap<u32, Vec<u32>> = HashMap::new();
        for state in &parser.states {
            for &(rule, target) in &state.gotos {
                targets.entry(rule).or_default().push(target);
            }
        }
        targets.values_mut().for_each(|states| {
            states.sort_unstable();
            states.dedup();
        });
        let mut work: Vec<(u32, u8)> = arising.iter().copied().collect();
        let mut arising = arising;
        while let Some((state, control)) = work.pop() {
            for &(_, production) in &parser.states[state as usize].reduces {
                let rule = parser.productions[production as usize].rule;
                for &target in targets.get(&rule).into_iter().flatten() {
                    if arising.insert((target, control)) {
                        work.push((target, control));
                    }
                }
            }
        }
        arising
    }

    /// The controls after `lexeme`, read by the parser in `state`.
    fn after_lexeme(&self, state: u32, control: u8, lexeme: u32) -> Controls {
        if is_between_lexemes(self.lexed, state) {
            let found = self.lexemes.get(&(state, control));
            found.and_then(|found| found.get(&lexeme)).copied().unwrap_or(0)
        } else {
            self.anywhere.get(&(lexeme, control)).copied().unwrap_or(0)
        }
    }

    /// The controls after `body`, read from `state` on, as far as is known. Rules that are not
    /// known to end are added to `missing`.
    fn after_body(
        &mut self,
        mut state: u32,
        body: &[Symbol],
        from: u8,
        missing: &mut Vec<RuleKey>,
    ) -> Controls {
        if self.left == 0 || interrupt::is_over() {
            self.left = 0;
            return 0;
        }
        self.left -= 1;
        interrupt::spend(1);
        let mut controls: Controls = 1 << from;
        for &symbol in body {
            let mut next: Controls = 0;
            for control in numbers(controls) {
                next |= match symbol {
                    Symbol::Lexeme(lexeme) => self.after_lexeme(state, control, lexeme),
                    Symbol::Rule(rule) => {
                        let key = (state, rule, control);
                        let known = self.rules.get(&key).copied().unwrap_or(0);
                        if known & DISCHARGED == 0 {
                            missing.push(key);
                        }
                        known
                    }
                };
            }
            let Some(target) = self.lexed.parser.next(state, symbol) else { return 0 };
            (controls, state) = (best(next), target);
            if controls == 0 {
                return 0;
            }
        }
        controls
    }

    /// The controls after `body`, once all rules that matter have been looked at.
    fn find_after(&mut self, state: u32, body: &[Symbol], from: u8) -> Controls {
        let mut missing = Vec::new();
        let mut found = self.after_body(state, body, from, &mut missing);
        while found & DISCHARGED == 0 {
            // Rules that were looked at before have their answers.
            missing.retain(|key| !self.rules.contains_key(key));
            if missing.is_empty() {
                break;
            }
            missing.drain(..).for_each(|key| self.solve(key));
            found = self.after_body(state, body, from, &mut missing);
        }
        found
    }

    /// Finds the controls after a rule, and after all rules on which they depend.
    fn solve(&mut self, key: RuleKey) {
        let mut work = vec![key];
        while let Some(key) = work.pop() {
            let before = *self.rules.entry(key).or_insert(0);
            if before & DISCHARGED != 0 {
                continue;
            }
            let (state, rule, control) = key;
            let lexed = self.lexed;
            let mut missing = Vec::new();
            let mut found = before;
            for &production in &lexed.parser.by_rule[rule as usize] {
                let body = &lexed.parser.productions[production as usize].body;
                found = best(found | self.after_body(state, body, control, &mut missing));
                if found & DISCHARGED != 0 {
                    break;
                }
            }
            if found != before {
                self.rules.insert(key, found);
                work.extend(self.waiting.get(&key).into_iter().flatten());
            }
            if found & DISCHARGED == 0 {
                for inner in missing {
                    let waiting = self.waiting.entry(inner).or_default();
                    if !waiting.contains(&key) {
                        waiting.push(key);
                    }
                    if !self.rules.contains_key(&inner) {
                        work.push(inner);
                    }
                }
            }
        }
    }

    /// True if an item of `state`, of which something was read, can be completed.
    fn is_left(&mut self, state: u32, control: u8) -> bool {
        let lexed = self.lexed;
        lexed.parser.states[state as usize].kernel.iter().any(|&(production, dot)| {
            let rest = &lexed.parser.productions[production as usize].body[dot as usize..];
            self.find_after(state, rest, control) != 0
        })
    }

    /// True if after every rule that is read on top of `base`, an item can be completed of which
    /// something lies below `base`.
    fn is_escaped(&mut self, pool: &ExprPool, base: u32, arising: &HashSet<(u32, u8)>) -> bool {
        let lexed = self.lexed;
        let parser = &lexed.parser;
        let state = &parser.states[base as usize];
        let mut escaped: HashSet<(u32, u8)> = HashSet::new();
        let mut work: Vec<u32> = Vec::new();
        for &(production, dot) in &state.kernel {
            let body = &parser.productions[production as usize].body[dot as usize..];
            let Some((&Symbol::Rule(rule), rest)) = body.split_first() else { continue };
            let Some(target) = parser.goto(base, rule) else { continue };
            for control in 0..self.controls.len() as u8 {
                let is_whole = production == WHOLE;
                let ends = match is_whole {
                    true => pool.is_nullable(self.controls[control as usize]),
                    false => self.find_after(target, rest, control) != 0,
                };
                if ends && escaped.insert((rule, control)) {
                    work.push(rule);
                }
            }
        }
        // From a rule to the rules that it may begin with.
        while let Some(outer) = work.pop() {
            for &production in &parser.by_rule[outer as usize] {
                let body = &parser.productions[production as usize].body;
                let Some((&Symbol::Rule(rule), rest)) = body.split_first() else { continue };
                let Some(target) = parser.goto(base, rule) else { continue };
                for control in 0..self.controls.len() as u8 {
                    if escaped.contains(&(rule, control)) {
                        continue;
                    }
                    let after = self.find_after(target, rest, control);
                    if numbers(after).any(|after| escaped.contains(&(outer, after))) {
                        escaped.insert((rule, control));
                        work.push(rule);
                    }
                }
            }
        }
        state.gotos.iter().all(|&(rule, target)| {
            let mut controls = 0..self.controls.len() as u8;
            controls
                .all(|control| !arising.contains(&(target, control)) || escaped.contains(&(rule, control)))
        })
    }
}
