//! The search that decides if a position in a lexed grammar is live: if some text leads the parser
//! from there to the end, under the obligation that the last lexeme left behind.
//!
//! A *control* is an obligation and the parser state in which the lexer looks for the next lexeme.
//! A lexeme leads from control to control ([`Lexing::after`]). A rule does so by its symbols, and
//! the controls that it leads to are the least solution of equations over finite sets. So the
//! controls after a state's items do not depend on the stack below, and are found once for each
//! state. (The same method tests if the intersection of a context-free language with a regular one
//! is empty.)
//!
//! Source: Y. Bar-Hillel, M. Perles, E. Shamir, *On formal properties of simple phrase structure
//! grammars* (1961); T. Reps, *Program analysis via graph reachability* (1998), for the tabulation.

use super::Lexed;
use super::lexing::{Exhausted, Lexing};
use super::parser::{Symbol, WHOLE};
use super::returns::{Answer, Control, Question, Task};
use crate::automata::{ExprPool, LangId};
use std::sync::Arc;

/// The change to a stack when an item of its top state is complete: `states` states are popped, and
/// then `rule` is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Return {
    /// The number of states that are popped.
    pub states: u32,
    /// The rule that was read.
    pub rule: u32,
    /// The control after that.
    pub control: Control,
}

impl Lexing {
    /// Checks that some text belongs to the grammar. If none does, the error may name a parser
    /// state and a lexeme that is expected there but can never be found.
    ///
    /// # Errors
    ///
    /// The search has reached its limit.
    pub fn has_text(
        &mut self,
        lexed: &Lexed,
        pool: &mut ExprPool,
    ) -> Result<Result<(), Option<(u32, u32)>>, Exhausted> {
        if lexed.parser.may_be_empty || self.is_free(lexed, pool, LangId::ALL)? {
            return Ok(Ok(()));
        }
        let returns = self.whole(lexed, pool, (LangId::ALL, 0))?;
        for &control in returns.iter() {
            if self.may_end(lexed, pool, control)? {
                return Ok(Ok(()));
            }
        }
        Ok(Err(self.returns.swallowed))
    }

    /// The controls after the whole text, read from the beginning of the parser under `control`.
    pub fn whole(
        &mut self,
        lexed: &Lexed,
        pool: &mut ExprPool,
        control: Control,
    ) -> Result<Vec<Control>, Exhausted> {
        let Some(&Symbol::Rule(rule)) = lexed.parser.productions[WHOLE as usize].body.first() else {
            return Ok(Vec::new());
        };
        self.returns.begin();
        let question = self.ask(lexed, Question::Rule { state: 0, rule, control });
        self.solve(lexed, pool)?;
        Ok(self.returns.answers[question as usize].controls.clone())
    }

    /// The ways in which the items of `state` can be completed under `control`.
    pub fn leave(
        &mut self,
        lexed: &Lexed,
        pool: &mut ExprPool,
        state: u32,
        control: Control,
    ) -> Result<Arc<[Return]>, Exhausted> {
        let items = lexed.parser.state(state).kernel.clone();
        let mut questions = Vec::new();
        self.returns.begin();
        for (production, dot) in items.into_iter().filter(|item| item.0 != WHOLE) {
            let question = self.ask(lexed, Question::Rest { state, production, dot, control });
            questions.push((production, dot, question));
        }
        self.solve(lexed, pool)?;
        let mut found: Vec<Return> = Vec::new();
        for (production, dot, question) in questions {
            let rule = lexed.parser.productions[production as usize].rule;
            for &control in &self.returns.answers[question as usize].controls {
                let way = Return { states: dot, rule, control };
                if !found.contains(&way) {
                    found.push(way);
                }
            }
        }
        Ok(found.into())
    }

    /// True if the text may end under `control`, perhaps after ignored text.
    pub fn may_end(
        &mut self,
        lexed: &Lexed,
        pool: &mut ExprPool,
        control: Control,
    ) -> Result<bool, Exhausted> {
        let settled = self.settled(lexed, pool, control.0, control.1)?;
        Ok(settled.iter().any(|&obligation| pool.is_nullable(obligation)))
    }

    fn ask(&mut self, lexed: &Lexed, question: Question) -> u32 {
        let returns = &mut self.returns;
        let known = returns.answers.len() as u32;
        let id = *returns.questions.entry(question).or_insert(known);
        if id < known {
            return id;
        }
        returns.answers.push(Answer::default());
        match question {
            Question::Rest { state, production, dot, control } => {
                returns.add(Task { question: id, production, dot, state, control });
            }
            Question::Rule { state, rule, control } => {
                for &production in &lexed.parser.by_rule[rule as usize] {
                    returns.add(Task { question: id, production, dot: 0, state, control });
                }
            }
        }
        id
    }

    /// Answers the questions asked since [`Returns::begin`].
    fn solve(&mut self, lexed: &Lexed, pool: &mut ExprPool) -> Result<(), Exhausted> {
        while let Some(task) = self.returns.work.pop() {
            self.spend(1)?;
            let Task { question, production, dot, state, control } = task;
            match lexed.parser.productions[production as usize].body.get(dot as usize) {
                None => {
                    let answer = &mut self.returns.answers[question as usize];
                    if !answer.controls.contains(&control) {
                        answer.controls.push(control);
                        for waiting in answer.waiting.clone() {
                            self.go_on(lexed, waiting, control);
                        }
                    }
                }
                Some(&Symbol::Lexeme(lexeme)) => {
                    let Some(next) = lexed.parser.shift(state, lexeme) else { continue };
                    let ends = self.after(lexed, pool, control, lexeme)?;
                    if ends.is_empty() && self.returns.swallowed.is_none() {
                        self.returns.swallowed = Some((control.1, lexeme));
                    }
                    for &end in ends.iter() {
                        self.returns.add(Task { dot: dot + 1, state: next, control: (end, next), ..task });
                    }
                }
                Some(&Symbol::Rule(rule)) => {
                    let inner = self.ask(lexed, Question::Rule { state, rule, control });
                    let answer = &mut self.returns.answers[inner as usize];
                    answer.waiting.push(task);
                    for control in answer.controls.clone() {
                        self.go_on(lexed, task, control);
                    }
                }
            }
        }
        self.returns.is_torn = !pool.is_sound();
        Ok(())
    }

    /// Continues `task` after the rule for which it waited was read. `control` is the control after
    /// that rule.
    fn go_on(&mut self, lexed: &Lexed, task: Task, control: Control) {
        let body = &lexed.parser.productions[task.production as usize].body;
        if let Some(next) =
            body.get(task.dot as usize).and_then(|&symbol| lexed.parser.next(task.state, symbol))
        {
            self.returns.add(Task { dot: task.dot + 1, state: next, control, ..task });
        }
    }
}
