//! When two states cannot be told apart, and which plainer state a state is almost like.
//!
//! A vocabulary's tokens are short and most states of most terminals differ from "any string" only far away or in few
//! places. These questions let the engine use what it knows of the plainer state.

use super::json_string::JsonMode;
use super::languages::{Expr, LangId, Languages};
use super::UNBOUNDED;
use hashbrown::HashSet;

/// States explored to find out whether a language never refuses a text.
const EXPLORED: usize = 192;

impl Languages {
    /// A language that has every prefix of `id` (as a prefix) and is met often: for a JSON string that of any text, or of
    /// any number of the same characters where `id` counts characters of a class. Nothing follows its words, so that a
    /// token is either read inside or leaves at one place.
    pub fn plainer(&mut self, id: LangId) -> Option<LangId> {
        match *self.expr(id) {
            Expr::Json { inner, mode: mode @ (JsonMode::Start | JsonMode::Body), escapes } => {
                if !self.is_text(inner) {
                    return None;
                }
                let plain = match *self.expr(inner) {
                    Expr::Repeat(body, ..) if matches!(self.expr(body), Expr::Chars(_)) => {
                        self.repeat(body, 0, UNBOUNDED)
                    }
                    _ => self.any_text(),
                };
                (plain != inner).then(|| self.json(plain, mode, escapes))
            }
            _ => None,
        }
    }

    /// Whether two positive languages have the same words of at most `len` bytes and the same prefixes of at most `len`
    /// bytes: counts no such word can reach are taken for unbounded. Sufficient, not necessary.
    pub fn agree_up_to(&mut self, a: LangId, b: LangId, len: u32) -> bool {
        a == b || self.clamped(a, len, 0) == self.clamped(b, len, 0)
    }

    /// Every repetition consumes a byte a round, so a word of `len` bytes has at most `len` rounds: minima above are all
    /// the same and so are maxima. Only for languages without ∩ and ¬, where what is far away cannot kill a prefix.
    fn clamped(&mut self, id: LangId, len: u32, depth: u32) -> LangId {
        const MAX_DEPTH: u32 = 32;
        if depth > MAX_DEPTH {
            return id;
        }
        match *self.expr(id) {
            Expr::Repeat(body, min, max) => {
                let body = self.clamped(body, len, depth + 1);
                let max = if max > len { UNBOUNDED } else { max };
                self.repeat(body, min.min(len.saturating_add(1)), max)
            }
            Expr::Concat(head, tail) => {
                let (head, tail) = (self.clamped(head, len, depth + 1), self.clamped(tail, len, depth + 1));
                self.concat(head, tail)
            }
            Expr::Union(ref parts) => {
                let parts: Vec<LangId> = parts.to_vec();
                let parts: Vec<LangId> = parts.into_iter().map(|p| self.clamped(p, len, depth + 1)).collect();
                self.union(&parts)
            }
            Expr::Json { inner, mode, escapes } if mode != JsonMode::Closed => {
                let inner = self.clamped(inner, len, depth + 1);
                self.json(inner, mode, escapes)
            }
            _ => id,
        }
    }

    /// Whether `id`, a JSON string being read, refuses no text at all: from it and from every state it leads to, every
    /// character may follow, just as from `plain`, which must be the state of any string. False when undecided within
    /// a small search. Memoised.
    pub fn is_never_refusing(&mut self, id: LangId, plain: LangId) -> bool {
        let text = self.any_text();
        let (
            Expr::Json { inner, mode: JsonMode::Body, escapes },
            Expr::Json { inner: all, mode: JsonMode::Body, escapes: e },
        ) = (self.expr(id).clone(), self.expr(plain).clone())
        else {
            return false;
        };
        if all != text || escapes != e || !self.is_text(inner) {
            return false;
        }
        if let Some(&known) = self.never_refusing.get(&inner) {
            return known;
        }
        let mut seen: HashSet<(LangId, LangId)> = HashSet::from_iter([(inner, text)]);
        let mut work = vec![(inner, text)];
        let mut answer = true;
        'search: while let Some((state, plain)) = work.pop() {
            let (a, b) = (self.partition(state), self.partition(plain));
            let joined = self.partitions.join(a, b);
            for byte in self.partitions.get(joined).representatives().to_vec() {
                let next_plain = self.step(plain, byte);
                if next_plain == LangId::NEVER {
                    continue;
                }
                let next = self.step(state, byte);
                if next == LangId::NEVER || seen.len() > EXPLORED {
                    answer = false;
                    break 'search;
                }
                if next != next_plain && seen.insert((next, next_plain)) {
                    work.push((next, next_plain));
                }
            }
        }
        if answer {
            for (state, plain) in seen {
                if plain == text {
                    self.never_refusing.insert(state, true);
                }
            }
        }
        self.never_refusing.insert(inner, answer);
        answer
    }
}
