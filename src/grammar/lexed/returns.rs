//! The questions that the search of [`live`](super::live) asks, and the answers found so far.

use crate::automata::LangId;
use hashbrown::{HashMap, HashSet};

/// An obligation, and the parser state in which the lexer looks for the next lexeme.
pub type Control = (LangId, u32);

/// A question: the controls after the rest of a production, or after any production of a rule, if
/// it is read from a state and a control.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Question {
    Rest { state: u32, production: u32, dot: u32, control: Control },
    Rule { state: u32, rule: u32, control: Control },
}

/// A production being read.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Task {
    pub question: u32,
    pub production: u32,
    pub dot: u32,
    pub state: u32,
    pub control: Control,
}

#[derive(Clone, Default)]
pub(super) struct Answer {
    pub controls: Vec<Control>,
    /// The tasks that wait for the answer.
    pub waiting: Vec<Task>,
}

/// The questions asked so far, and their answers.
#[derive(Clone, Default)]
pub(super) struct Returns {
    pub questions: HashMap<Question, u32>,
    pub answers: Vec<Answer>,
    pub seen: HashSet<Task>,
    pub work: Vec<Task>,
    /// The parser state and the lexeme of the first place at which a lexeme could not be read,
    /// because the text before it forbids it.
    pub swallowed: Option<(u32, u32)>,
    /// True while questions are answered, and for ever if the answers were not finished.
    pub is_torn: bool,
}

impl Returns {
    /// Begins to answer questions. What an earlier search left unfinished is dropped.
    pub fn begin(&mut self) {
        if self.is_torn {
            *self = Returns::default();
        }
        self.is_torn = true;
    }

    /// Adds a task to the list of work, unless it was added before.
    pub fn add(&mut self, task: Task) {
        if self.seen.insert(task) {
            self.work.push(task);
        }
    }

    pub fn memory(&self) -> usize {
        self.answers.len() * 80 + self.seen.len() * 48
    }
}
