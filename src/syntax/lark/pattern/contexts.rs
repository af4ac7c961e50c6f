//! Contexts: what a pattern with lookbehind must remember of the text before a place.
//!
//! Python's lookbehind has a fixed length, so it is a choice among a few sequences of character
//! classes. One bit per class records how far a sequence has matched (the shift-and automaton of R.
//! Baeza-Yates and G. Gonnet, 1992). The contexts are the states of all these automata together,
//! with the beginning of the text as a state of its own. For `(?<=ab)c` there are four: at the
//! beginning, after `a`, after `ab`, and after anything else.

use super::read::word;
use super::{Ranges, Re};
use crate::syntax::diagnostic::Problem;
use crate::syntax::rules::{LAST, normalised};

/// The number of contexts that a pattern may have.
const LIMIT: usize = 48;
/// The number of sequences that a lookbehind may be written out to.
const SEQUENCES: usize = 64;

/// Classes of characters, one after the other.
type Sequence = Vec<Ranges>;

/// A question about the text before a place.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Behind {
    /// The text before is empty.
    Start,
    /// The text before ends with one of these sequences.
    Ends(Vec<Sequence>),
}

#[derive(Clone, PartialEq)]
struct Context {
    at_start: bool,
    /// The progress of each sequence: bit `i` is set if its first `i + 1` classes have just
    /// matched.
    matched: Vec<u64>,
}

/// The contexts of one pattern.
pub(super) struct Contexts {
    questions: Vec<Behind>,
    sequences: Vec<Sequence>,
    contexts: Vec<Context>,
    /// The characters by which each context leads to others.
    pub edges: Vec<Vec<(Ranges, usize)>>,
}

impl Contexts {
    pub fn of(re: &Re) -> Result<Self, Problem> {
        let mut found = Contexts {
            questions: Vec::new(),
            sequences: Vec::new(),
            contexts: Vec::new(),
            edges: Vec::new(),
        };
        found.survey(re)?;
        for question in &found.questions {
            if let Behind::Ends(sequences) = question {
                for sequence in sequences {
                    if !found.sequences.contains(sequence) {
                        found.sequences.push(sequence.clone());
                    }
                }
            }
        }
        found.explore()?;
        Ok(found)
    }

    pub fn len(&self) -> usize {
        self.contexts.len()
    }

    /// The text that identifies these contexts.
    pub fn key(&self) -> String {
        format!("{:?}", self.questions)
    }

    fn survey(&mut self, re: &Re) -> Result<(), Problem> {
        if let Some(questions) = questions(re)? {
            for question in questions {
                if !self.questions.contains(&question) {
                    self.questions.push(question);
                }
            }
        }
        if matches!(re, Re::Look { behind: true, .. }) {
            return Ok(());
        }
        re.parts().iter().try_for_each(|part| self.survey(part))
    }

    fn explore(&mut self) -> Result<(), Problem> {
        let start = Context { at_start: !self.questions.is_empty(), matched: vec![0; self.sequences.len()] };
        self.contexts.push(start);
        let atoms = self.atoms();
        while self.edges.len() < self.contexts.len() {
            let here = self.contexts[self.edges.len()].clone();
            let mut edges: Vec<(Ranges, usize)> = Vec::new();
            for (ranges, one) in &atoms {
                let matched = self.sequences.iter().zip(&here.matched).map(|(sequence, &before)| {
                    let before = before << 1 | 1;
                    (0..sequence.len())
                        .filter(|&i| before >> i & 1 == 1 && contains(&sequence[i], *one))
                        .fold(0, |bits, i| bits | 1 << i)
                });
                let next = Context { at_start: false, matched: matched.collect() };
                let place = self.contexts.iter().position(|c| *c == next).unwrap_or_else(|| {
                    self.contexts.push(next);
                    self.contexts.len() - 1
                });
                match edges.iter_mut().find(|e| e.1 == place) {
                    Some(edge) => edge.0.extend_from_slice(ranges),
                    None => edges.push((ranges.clone(), place)),
                }
            }
            if self.contexts.len() > LIMIT {
                let what = "the pattern remembers too much for its lookbehind";
                return Err(Problem::excess(what, "look behind fewer characters"));
            }
            edges.iter_mut().for_each(|edge| edge.0 = normalised(std::mem::take(&mut edge.0), false));
            self.edges.push(edges);
        }
        Ok(())
    }

    /// All characters, grouped by the classes that they are in. Each group comes with one of its
    /// characters.
    fn atoms(&self) -> Vec<(Ranges, u32)> {
        let classes: Vec<&Ranges> = self.sequences.iter().flatten().collect();
        let mut cuts: Vec<u32> = vec![0];
        classes.iter().for_each(|c| c.iter().for_each(|&(from, to)| cuts.extend([from, to + 1])));
        cuts.sort_unstable();
        cuts.dedup();
        cuts.retain(|&cut| cut <= LAST);
        let mut atoms: Vec<(Vec<bool>, Ranges, u32)> = Vec::new();
        for (i, &from) in cuts.iter().enumerate() {
            let to = cuts.get(i + 1).map_or(LAST, |next| next - 1);
            let signature: Vec<bool> = classes.iter().map(|c| contains(c, from)).collect();
            match atoms.iter_mut().find(|atom| atom.0 == signature) {
                Some(atom) => atom.1.push((from, to)),
                None => atoms.push((signature, vec![(from, to)], from)),
            }
        }
        atoms.into_iter().map(|(_, ranges, one)| (ranges, one)).collect()
    }

    /// True if the answer to the question is yes in a context.
    pub fn holds(&self, context: usize, question: &Behind) -> bool {
        let context = &self.contexts[context];
        match question {
            Behind::Start => context.at_start,
            Behind::Ends(sequences) => sequences.iter().any(|sequence| {
                let place = self.sequences.iter().position(|s| s == sequence);
                sequence.is_empty()
                    || place.is_some_and(|at| context.matched[at] >> (sequence.len() - 1) & 1 == 1)
            }),
        }
    }
}

/// The questions that an assertion asks about the text before it; `None` if `re` is no such
/// assertion.
pub(super) fn questions(re: &Re) -> Result<Option<Vec<Behind>>, Problem> {
    Ok(Some(match re {
        Re::Start { lines: false } => vec![Behind::Start],
        Re::Start { lines: true } => vec![Behind::Start, Behind::Ends(vec![vec![vec![(10, 10)]]])],
        Re::Boundary { .. } => vec![Behind::Ends(vec![vec![word()]])],
        Re::Look { behind: true, body, .. } => vec![Behind::Ends(sequences(body)?)],
        _ => return Ok(None),
    }))
}

/// The sequences of classes that `re` stands for.
fn sequences(re: &Re) -> Result<Vec<Sequence>, Problem> {
    let found = match re {
        Re::Empty => vec![Vec::new()],
        Re::Class(ranges) => vec![vec![ranges.clone()]],
        Re::Text(text) => vec![text.chars().map(|c| vec![(u32::from(c), u32::from(c))]).collect()],
        Re::Seq(parts) => {
            let mut all: Vec<Sequence> = vec![Vec::new()];
            for part in parts {
                let next = sequences(part)?;
                all = all.iter().flat_map(|a| next.iter().map(|b| [a.as_slice(), b].concat())).collect();
                if all.len() > SEQUENCES {
                    break;
                }
            }
            all
        }
        Re::Alt(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(sequences(part)?);
            }
            all
        }
        Re::Repeat { body, min, max, .. } if min == max && *max <= 64 => {
            let copies = vec![(**body).clone(); *min as usize];
            sequences(&Re::seq(copies))?
        }
        _ => {
            let what = "lookbehind must have a fixed length, and no other assertion in it";
            return Err(Problem::unsupported(what, "write classes and characters in `(?<=…)` and `(?<!…)`"));
        }
    };
    if found.len() > SEQUENCES || found.iter().any(|sequence| sequence.len() > 60) {
        return Err(Problem::excess("the pattern looks behind too far", "look behind fewer characters"));
    }
    Ok(found)
}

fn contains(ranges: &Ranges, one: u32) -> bool {
    let at = ranges.partition_point(|r| r.1 < one);
    ranges.get(at).is_some_and(|r| r.0 <= one)
}

/// The characters in both.
pub(super) fn common(a: &Ranges, b: &Ranges) -> Ranges {
    let mut both = Vec::new();
    for &(from, to) in a {
        let at = b.partition_point(|r| r.1 < from);
        for &(other_from, other_to) in b[at..].iter().take_while(|r| r.0 <= to) {
            both.push((from.max(other_from), to.min(other_to)));
        }
    }
    both
}
