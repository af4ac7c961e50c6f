//! When two states cannot be told apart, and which plainer state a state is almost like.
//!
//! A vocabulary's tokens are short and most states of most terminals differ from "any string" only far away or in few
//! places. These questions let the engine use what it knows of the plainer state.

use super::json_string::JsonMode;
use super::languages::{Expr, LangId, Languages};
use super::UNBOUNDED;
use hashbrown::{HashMap, HashSet};
use std::collections::VecDeque;

/// States explored to answer one question.
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

    /// A language that cannot be told from `id` by reading at most `len` bytes: the same words and the same prefixes of that
    /// length, with counts no such word can reach taken for unbounded. Languages with equal results agree that far.
    ///
    /// Every repetition consumes a byte a round, so a word of `len` bytes has at most `len` rounds: minima above are all
    /// the same and so are maxima. Only for languages without ∩ and ¬, where what is far away cannot kill a prefix.
    pub(crate) fn clamped(&mut self, id: LangId, len: u32, depth: u32) -> LangId {
        const MAX_DEPTH: u32 = 32;
        if depth > MAX_DEPTH || !self.info[id.index()].has_counts {
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
                let inner = match *self.expr(inner) {
                    Expr::Inter(ref parts) => {
                        let parts = parts.to_vec();
                        self.without_far_maximum(inner, &parts, len)
                    }
                    _ => self.clamped(inner, len, depth + 1),
                };
                self.json(inner, mode, escapes)
            }
            _ => id,
        }
    }

    /// At most `n` characters ∩ `x` is `x` to words of `len` bytes, if wherever they lead `x` can be completed within the
    /// characters left.
    fn without_far_maximum(&mut self, inner: LangId, parts: &[LangId], len: u32) -> LangId {
        let text = self.any_text();
        for (i, &part) in parts.iter().enumerate() {
            if let Expr::Repeat(body, 0, max) = *self.expr(part) {
                if max != UNBOUNDED && max > len && self.repeat(body, 0, UNBOUNDED) == text {
                    let others: Vec<LangId> =
                        (0..parts.len()).filter(|&j| j != i).map(|j| parts[j]).collect();
                    let other = self.inter(&others);
                    return match self.longest_completion(other) {
                        Some(needed) if max - len >= needed => other,
                        _ => inner,
                    };
                }
            }
        }
        inner
    }

    /// The groups of bytes ([`byte_group`]) that `id`, a JSON string being read, may come to refuse: as long as only bytes
    /// of other groups are read, every text may follow that may follow `plain`, the state of any string. Sufficient, not
    /// necessary: all groups when a small search does not decide. Memoised.
    pub fn dangers(&mut self, id: LangId, plain: LangId) -> u64 {
        let text = self.any_text();
        let (
            &Expr::Json { inner, mode: JsonMode::Body, escapes },
            &Expr::Json { inner: all, mode: JsonMode::Body, escapes: e },
        ) = (self.expr(id), self.expr(plain))
        else {
            return u64::MAX;
        };
        if all != text || escapes != e || !self.is_text(inner) {
            return u64::MAX;
        }
        if let Some(&known) = self.dangers.get(&inner) {
            return known;
        }
        let found = self.search_dangers(inner, text);
        self.dangers.insert(inner, found);
        found
    }

    fn search_dangers(&mut self, start: LangId, text: LangId) -> u64 {
        if let Expr::Repeat(body, _, UNBOUNDED) = *self.expr(start) {
            if self.repeat(body, 0, UNBOUNDED) == text {
                return 0;
            }
        }
        let mut dangers = 0;
        let mut seen: HashSet<(LangId, LangId)> = HashSet::from_iter([(start, text)]);
        let mut work = vec![(start, text)];
        while let Some((state, plain)) = work.pop() {
            let (a, b) = (self.partition(state), self.partition(plain));
            let joined = self.partitions.join(a, b);
            let classes = self.partitions.get(joined);
            let firsts = classes.representatives().to_vec();
            let mut groups = vec![0u64; firsts.len()];
            (0..=255u8).for_each(|byte| groups[classes.class(byte)] |= byte_group(byte));
            for (byte, group) in firsts.into_iter().zip(groups) {
                let next_plain = self.step(plain, byte);
                if next_plain == LangId::NEVER {
                    continue;
                }
                let next = self.step(state, byte);
                if next == LangId::NEVER {
                    dangers |= group;
                } else if next != next_plain && seen.insert((next, next_plain)) {
                    if seen.len() > EXPLORED {
                        return u64::MAX;
                    }
                    work.push((next, next_plain));
                }
            }
        }
        // Any character may also be spelt by an escape.
        if dangers != 0 {
            dangers |= byte_group(b'\\');
        }
        dangers
    }

    /// The most bytes that any state of `id` needs to the end of a word; `None` when a small search does not decide.
    fn longest_completion(&mut self, id: LangId) -> Option<u32> {
        if let Some(&known) = self.completions.get(&id) {
            return known;
        }
        let mut states: Vec<LangId> = vec![id];
        let mut place: HashMap<LangId, usize> = HashMap::from_iter([(id, 0)]);
        let mut backwards: Vec<Vec<usize>> = vec![Vec::new()];
        let mut at = 0;
        let mut result = Some(0);
        while at < states.len() {
            let state = states[at];
            for byte in self.byte_classes(state).representatives().to_vec() {
                let next = self.step(state, byte);
                if next == LangId::NEVER {
                    continue;
                }
                let to = *place.entry(next).or_insert_with(|| {
                    states.push(next);
                    backwards.push(Vec::new());
                    states.len() - 1
                });
                backwards[to].push(at);
            }
            at += 1;
            if states.len() > EXPLORED {
                result = None;
                break;
            }
        }
        if result.is_some() {
            let mut distance = vec![u32::MAX; states.len()];
            let mut queue: VecDeque<usize> = VecDeque::new();
            for (i, &state) in states.iter().enumerate() {
                if self.is_nullable(state) {
                    distance[i] = 0;
                    queue.push_back(i);
                }
            }
            while let Some(i) = queue.pop_front() {
                for &j in &backwards[i] {
                    if distance[j] == u32::MAX {
                        distance[j] = distance[i] + 1;
                        queue.push_back(j);
                    }
                }
            }
            result = distance.into_iter().max().filter(|&d| d != u32::MAX);
        }
        self.completions.insert(id, result);
        result
    }
}

/// The group of a byte, as one bit of 64: letters, digits, control characters and the bytes of other scripts share
/// groups; each ASCII punctuation character has its own.
pub fn byte_group(byte: u8) -> u64 {
    let group = match byte {
        0..=0x1f | 0x7f => 0,
        b'0'..=b'9' => 1,
        b'a'..=b'z' => 2,
        b'A'..=b'Z' => 3,
        0x80..=0xbf => 4,
        0xc0..=0xdf => 5,
        0xe0..=0xef => 6,
        0xf0..=0xff => 7,
        b' '..=b'/' => 8 + (byte - b' '),
        b':'..=b'@' => 24 + (byte - b':'),
        b'['..=b'`' => 31 + (byte - b'['),
        b'{'..=b'~' => 37 + (byte - b'{'),
    };
    1 << group
}
