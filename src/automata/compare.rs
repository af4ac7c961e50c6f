//! When two states cannot be told apart, and which plainer state a state is almost like.
//!
//! A vocabulary's tokens are short and most states of most terminals differ from "any string" only
//! far away or in few places. These questions let the engine use what it knows of the plainer
//! state.
//!
//! # Why the answers are right
//!
//! Each answer claims something about words and their beginnings. *Alive* is said of a beginning
//! that some word has; that a state is alive exactly if it is not [`LangId::NEVER`] is what all of
//! them rest on ([`emptiness`](super::emptiness)). `tests.rs` walks random expressions to compare
//! each claim with its definition.
//!
//! - *Plainer* ([`plainer`](Languages::plainer), `relaxed`). The plainer language has all words of
//!   the other, and so all beginnings. A maximum is replaced by none, and a part of an intersection
//!   left out or widened; each makes a language larger, and so do `∪`, concatenation, repetition
//!   and spelling of larger parts. Nothing below a complement is touched, where larger would become
//!   smaller. What is left of an intersection must be text, since the engine takes what is spelt
//!   for any string off the places where the two differ.
//! - *Differing bytes* ([`differing_bytes`](Languages::differing_bytes)). Only parts of
//!   intersections that the two do not share can tell them apart. Of these only complements of
//!   literals are admitted, and one of them is all byte strings after a byte that none of its
//!   literals begins with. It assumes text: in front of the quote an end may differ, and within an
//!   escape whatever the escaped byte is; both are counted in.
//! - *Clamped* ([`clamped`](Languages::clamped)). Every round of a repetition that is not empty has
//!   a byte or more, so that `len` bytes and one more character begin at most `len / shortest + 1`
//!   of them. A count that is at least that large is never met, so all such minima are alike, and
//!   all such maxima. The one more character is needed because a spelling may have begun to escape
//!   it: after a backslash it is asked whether any character may follow. A maximum length beside a
//!   language `x` cuts a beginning off only if the shortest end that `x` has from there is longer
//!   than what is left. This assumes that `x` ends within `max - len` bytes from every state it
//!   leads to.
//! - *Free groups* ([`free_groups`](Languages::free_groups),
//!   [`read_groups`](Languages::read_groups)). All pairs of states that characters of the groups
//!   lead to are visited, of the language and of any text; a group is dropped as soon as it leads
//!   to a state that is not alive. What remains leads from each visited pair to a visited one. Two
//!   equal states of a pair need no visit. Bytes inside a character belong to the group of its
//!   first byte: a pair carries the groups it was met by, and is visited again for others. A run
//!   `c{m,}` of one class is taken for `c*`: with a minimum it ends later, but is alive wherever
//!   `c*` is.
//! - *Counted groups* ([`counted_groups`](Languages::counted_groups)). Of `c{m,n}·tail` each of the
//!   first `n` characters may be of `c`. The next one cannot, since the groups with which `tail`
//!   begins are left out, and a group belongs to `c` as a whole or is not free. It assumes that
//!   `tail` has a word; what has none is not built.
//! - *Bounded groups* ([`bounded_groups`](Languages::bounded_groups)). A text of free groups is
//!   alive without the maximum length. If from every state an end is at most `needed` bytes away,
//!   and so at most as many characters, then it is alive with it as long as `max - needed`
//!   characters are not exceeded, and no text has more characters than bytes.

use super::byte_classes::ByteSet;
use super::json_string::{self, JsonMode};
use super::languages::{Expr, LangId, Languages};
use super::literals::LiteralSet;
use super::UNBOUNDED;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// States explored to answer one question.
const EXPLORED: usize = 128;

/// The texts that a JSON string must not be: what the strings `lo..hi` of `literals` have from byte
/// `depth` on.
pub struct Excluded {
    /// All strings.
    pub literals: Arc<LiteralSet>,
    /// First string.
    pub lo: u32,
    /// One past the last string.
    pub hi: u32,
    /// Bytes already read.
    pub depth: u32,
    /// Whether the opening quote has been read.
    pub in_string: bool,
}

impl Languages {
    /// A language that has every prefix of `id` (as a prefix), is almost like it and is met often:
    /// for a JSON string that with any number of the same characters where `id` counts them, or
    /// with any key where `id` excludes some, and for anything else that without its far maxima.
    /// `None` where `id` itself is plain, or is like nothing plainer; a maximum of at most `near`
    /// is too near for that.
    pub fn plainer(&mut self, id: LangId, near: u32) -> Option<LangId> {
        let Expr::Json { inner, mode: mode @ (JsonMode::Start | JsonMode::Body), escapes } = *self.expr(id)
        else {
            let is_far = self.largest_count(id) > near && self.is_text(id);
            return if is_far { self.relaxed(id, near, 0).filter(|&plain| plain != id) } else { None };
        };
        if !self.is_text(inner) {
            return None;
        }
        let plain = self.relaxed(inner, near, 0).filter(|&plain| plain != inner)?;
        Some(self.json(plain, mode, escapes))
    }

    /// For a JSON string being read, any string where `id` is; what completes `id` and what any
    /// string are spelt alike.
    pub fn any_string_like(&mut self, id: LangId) -> Option<LangId> {
        match *self.expr(id) {
            Expr::Json { inner, mode: mode @ (JsonMode::Start | JsonMode::Body), escapes }
                if self.is_text(inner) =>
            {
                let text = self.any_text();
                Some(self.json(text, mode, escapes))
            }
            _ => None,
        }
    }

    /// `inner` without far maxima, without excluded literals and without a maximum length.
    fn relaxed(&mut self, inner: LangId, near: u32, depth: u32) -> Option<LangId> {
        const MAX_DEPTH: u32 = 8;
        if depth > MAX_DEPTH {
            return None;
        }
        match *self.expr(inner) {
            Expr::Repeat(body, min, max) if max != UNBOUNDED && max > near => {
                Some(self.repeat(body, min, UNBOUNDED))
            }
            Expr::Concat(head, tail) => {
                let plain_head = self.relaxed(head, near, depth + 1);
                let is_far = self.info[tail.index()].largest_count > near;
                let plain_tail = if is_far { self.relaxed(tail, near, depth + 1) } else { None };
                (plain_head.is_some() || plain_tail.is_some())
                    .then(|| self.concat(plain_head.unwrap_or(head), plain_tail.unwrap_or(tail)))
            }
            Expr::Union(ref parts) => {
                let parts = parts.clone();
                let relaxed: Vec<LangId> =
                    parts.iter().map(|&part| self.relaxed(part, near, depth + 1).unwrap_or(part)).collect();
                (*relaxed != *parts).then(|| self.union(&relaxed))
            }
            Expr::Inter(ref parts) => {
                let parts = parts.to_vec();
                let text = self.any_text();
                let mut kept: Vec<LangId> = Vec::with_capacity(parts.len());
                for &part in &parts {
                    let is_near = self.length(part).is_some_and(|(_, max)| max <= near);
                    if let Some(unbounded) = self.without_maximum(part).filter(|_| !is_near) {
                        kept.push(unbounded);
                    } else if !self.is_other_than_literals(part) {
                        kept.push(part);
                    }
                }
                if kept == parts {
                    return None;
                }
                // What is left must still be text.
                if !kept.iter().any(|&p| self.is_text(p)) {
                    kept.push(text);
                }
                Some(self.inter(&kept))
            }
            _ => None,
        }
    }

    /// Bytes outside of this set lead from both states to the same language. Cheap, and so too
    /// large a set at times.
    pub(crate) fn differing_bytes(&mut self, a: LangId, b: LangId) -> ByteSet {
        if a == b {
            return ByteSet::EMPTY;
        }
        match (self.expr(a), self.expr(b)) {
            (
                &Expr::Json { inner: a, mode, escapes },
                &Expr::Json { inner: b, mode: same_mode, escapes: same_escapes },
            ) if (mode, escapes) == (same_mode, same_escapes) => {
                let decoded = self.differing_bytes(a, b);
                json_string::spelling_bytes(&decoded, mode)
            }
            (Expr::Inter(_), _) | (_, Expr::Inter(_)) => {
                let parts = |of: LangId| match self.expr(of) {
                    Expr::Inter(parts) => parts.to_vec(),
                    _ => vec![of],
                };
                let (a, b) = (parts(a), parts(b));
                let only = a.iter().filter(|p| !b.contains(p)).chain(b.iter().filter(|p| !a.contains(p)));
                only.fold(ByteSet::EMPTY, |bytes, &part| bytes.union(&self.excluded_bytes(part)))
            }
            _ => ByteSet::FULL,
        }
    }

    /// Where `id` is a JSON string being read, or about to be, with any text but some literals:
    /// these.
    pub fn excluded(&self, id: LangId) -> Option<Excluded> {
        let Expr::Json { inner, mode: mode @ (JsonMode::Start | JsonMode::Body), .. } = *self.expr(id) else {
            return None;
        };
        let Expr::Inter(parts) = self.expr(inner) else { return None };
        let [a, b] = parts[..] else { return None };
        let excluding = if a == self.text { b } else { Some(a).filter(|_| b == self.text)? };
        let Expr::Not(excluded) = *self.expr(excluding) else { return None };
        let Expr::Literals { set, lo, hi, depth } = *self.expr(excluded) else { return None };
        let literals = self.literal_set(set).clone();
        Some(Excluded { literals, lo, hi, depth, in_string: mode == JsonMode::Body })
    }

    /// The first bytes of the literals that `id` excludes; every byte where it is something else.
    fn excluded_bytes(&self, id: LangId) -> ByteSet {
        match *self.expr(id) {
            Expr::Not(excluded) => match *self.expr(excluded) {
                Expr::Literals { set, lo, hi, depth } => self.literal_set(set).next_bytes(lo, hi, depth),
                _ => ByteSet::FULL,
            },
            _ => ByteSet::FULL,
        }
    }

    /// The largest bound of a repetition in `id`, 1 if none counts.
    pub(crate) fn largest_count(&self, id: LangId) -> u32 {
        self.info[id.index()].largest_count
    }

    /// A language that cannot be told from `id` by reading at most `len` bytes: the same words and
    /// the same prefixes of that length, with counts no such word can reach taken for unbounded.
    /// Languages with equal results agree that far.
    ///
    /// Every round of a repetition consumes a byte or more, so `len` bytes begin a bounded number
    /// of rounds: minima above are all the same and so are maxima. Of intersections only a far
    /// maximum length is left out, for what is far away can kill a prefix there.
    pub(crate) fn clamped(&mut self, id: LangId, len: u32) -> LangId {
        self.clamped_below(id, len, 0)
    }

    fn clamped_below(&mut self, id: LangId, len: u32, depth: u32) -> LangId {
        const MAX_DEPTH: u32 = 32;
        if depth > MAX_DEPTH || self.info[id.index()].largest_count <= len {
            return id;
        }
        if let Some(&known) = self.clamps.get(&(id, len)) {
            return known;
        }
        let below = |pool: &mut Self, part: LangId| pool.clamped_below(part, len, depth + 1);
        let clamped = match *self.expr(id) {
            Expr::Repeat(body, min, max) => {
                // The most rounds that `len` bytes can begin.
                let rounds = len / self.info[body.index()].at_least.max(1) + 1;
                let body = below(self, body);
                let max = if max >= rounds { UNBOUNDED } else { max };
                self.repeat(body, min.min(rounds), max)
            }
            Expr::Concat(head, tail) => {
                let (head, tail) = (below(self, head), below(self, tail));
                self.concat(head, tail)
            }
            Expr::Union(ref parts) => {
                let parts: Vec<LangId> = parts.to_vec();
                let parts: Vec<LangId> = parts.into_iter().map(|part| below(self, part)).collect();
                self.union(&parts)
            }
            Expr::Json { inner, mode, escapes } if mode != JsonMode::Closed => {
                let inner = below(self, inner);
                self.json(inner, mode, escapes)
            }
            Expr::Inter(ref parts) => {
                let parts = parts.clone();
                self.without_far_maximum(id, &parts, len)
            }
            _ => id,
        };
        if self.is_sound() {
            self.clamps.insert((id, len), clamped);
        }
        clamped
    }

    /// The length bound `id` without its maximum; `None` if `id` is no length bound. Texts of at
    /// most so many characters become all texts and not all byte strings: a complement beside them
    /// has words that are no text, and would be completed by these.
    fn without_maximum(&mut self, id: LangId) -> Option<LangId> {
        let (min, _) = self.length(id)?;
        let Expr::Repeat(body, ..) = *self.expr(id) else { return None };
        Some(self.repeat(body, min, UNBOUNDED))
    }

    /// At most `n` characters or bytes ∩ `x` is `x` to words of `len` bytes, if wherever they lead
    /// `x` can be completed within what is left.
    fn without_far_maximum(&mut self, inter: LangId, parts: &[LangId], len: u32) -> LangId {
        for (i, &part) in parts.iter().enumerate() {
            let Some((_, max)) = self.length(part).filter(|&(_, max)| max > len) else { continue };
            let mut others = parts.to_vec();
            others[i] = self.without_maximum(part).unwrap_or(part);
            let other = self.inter(&others);
            return match self.longest_completion(other) {
                Some(needed) if max - len >= needed => self.clamped(other, len),
                _ => inter,
            };
        }
        inter
    }

    /// The groups of bytes ([`byte_group`]) that `id`, a JSON string being read, reads whatever
    /// their order and number: as long as only characters of these groups are read, none is
    /// refused, now and later. Never a quote or a backslash. Sufficient, not necessary: none when a
    /// small search does not decide. Memoised.
    pub fn free_groups(&mut self, id: LangId) -> u64 {
        let Expr::Json { inner, mode: JsonMode::Body, escapes } = *self.expr(id) else { return 0 };
        if !self.is_text(inner) {
            return 0;
        }
        if let Some(&known) = self.free_groups.get(&id) {
            return known;
        }
        let text = self.any_text();
        let plain = self.json(text, JsonMode::Body, escapes);
        // Where characters are only counted, a minimum refuses nothing but an early end.
        let start = match *self.expr(inner) {
            Expr::Repeat(body, _, UNBOUNDED) if matches!(self.expr(body), Expr::Chars(_)) => {
                let any_number = self.repeat(body, 0, UNBOUNDED);
                self.json(any_number, JsonMode::Body, escapes)
            }
            _ => id,
        };
        let mut seen = Vec::new();
        // Characters beyond ASCII lead through several states each, and spaces among them often
        // further; without them more is decided.
        let free = match self.search_free_groups(start, plain, FREE_OF_ANY_TEXT & !LEADS, &mut seen) {
            Some(free) => [LEADS, LEADS & !SPACE_LEADS]
                .into_iter()
                .find_map(|leads| self.search_free_groups(start, plain, free | leads, &mut seen))
                .unwrap_or(free),
            None => self.loop_groups(id, FREE_OF_ANY_TEXT),
        };
        if !self.is_sound() {
            return 0;
        }
        if free == FREE_OF_ANY_TEXT {
            // Whatever is reached from here is as free.
            seen.into_iter().filter(|s| s.1 == plain).for_each(|s| {
                self.free_groups.insert(s.0, free);
            });
        }
        self.free_groups.insert(id, free);
        free
    }

    /// The groups of bytes that `id` reads whatever their order and number: as long as only
    /// characters of these groups are read, there is a word that begins so. Unlike what is
    /// [free](Self::free_groups) words may end on the way. Sufficient, not necessary. Memoised.
    pub fn read_groups(&mut self, id: LangId) -> u64 {
        if matches!(self.expr(id), Expr::Json { .. }) {
            return self.free_groups(id);
        }
        if !self.is_text(id) {
            return 0;
        }
        if let Some(&known) = self.free_groups.get(&id) {
            return known;
        }
        let text = self.any_text();
        let mut seen = Vec::new();
        // In the midst of a terminal most characters lead nowhere else; by those that do it may
        // end, and be refused more.
        let read = match self.loop_groups(id, TEXT) {
            0 => self.search_free_groups(id, text, TEXT & !LEADS, &mut seen).unwrap_or(0),
            repeated => repeated,
        };
        let read = [LEADS, LEADS & !SPACE_LEADS]
            .into_iter()
            .find_map(|leads| self.search_free_groups(id, text, read | leads, &mut seen))
            .unwrap_or(read);
        if !self.is_sound() {
            return 0;
        }
        self.free_groups.insert(id, read);
        read
    }

    /// For a JSON string being read that starts with a counted class of characters: the groups of
    /// which that many characters are read in any order, and not one more; and the count. Such are
    /// `[a-z]{0,20}`, `[0-9]{8}-[0-9]{4}`.
    pub fn counted_groups(&mut self, id: LangId) -> Option<(u64, u32)> {
        let Expr::Json { inner, mode: JsonMode::Body, escapes } = *self.expr(id) else { return None };
        let (head, tail) = match *self.expr(inner) {
            Expr::Concat(head, tail) => (head, tail),
            _ => (inner, LangId::EMPTY),
        };
        let Expr::Repeat(body, _, max) = *self.expr(head) else { return None };
        if max == UNBOUNDED || !matches!(self.expr(body), Expr::Chars(_)) || !self.is_text(tail) {
            return None;
        }
        let uncounted = self.repeat(body, 0, UNBOUNDED);
        let uncounted = self.json(uncounted, JsonMode::Body, escapes);
        let next = self.first_bytes(tail);
        let next = next.iter().fold(0, |groups, byte| groups | byte_group(byte));
        Some((self.free_groups(uncounted) & !next, max))
    }

    /// For a JSON string being read whose length has a maximum: the groups of which texts are read
    /// in any order while they have at most so many bytes, since from wherever these lead, what is
    /// left of the length is enough.
    pub fn bounded_groups(&mut self, id: LangId) -> Option<(u64, u32)> {
        let Expr::Json { inner, mode: mode @ JsonMode::Body, escapes } = *self.expr(id) else { return None };
        let Expr::Inter(parts) = self.expr(inner) else { return None };
        let parts = parts.to_vec();
        let (at, max) = parts.iter().enumerate().find_map(|(at, &part)| Some((at, self.length(part)?.1)))?;
        let mut others = parts;
        others[at] = self.without_maximum(others[at])?;
        let other = self.inter(&others);
        let sure = max.checked_sub(self.longest_completion(other)?)?;
        let unbounded = self.json(other, mode, escapes);
        Some((self.free_groups(unbounded), sure))
    }

    /// Of `groups` those of ASCII characters that leave `id` as it is.
    fn loop_groups(&mut self, id: LangId, groups: u64) -> u64 {
        let ascii: Vec<u8> = (0..=0x7f).collect();
        let changed =
            ascii.into_iter().filter(|&b| self.step(id, b) != id).fold(0, |set, b| set | byte_group(b));
        groups & !changed & !LEADS
    }

    /// Visits pairs of what `start` and `plain`, the state of any string, come to by characters of
    /// groups of `free` not yet found refused; `None` if there are too many.
    fn search_free_groups(
        &mut self,
        start: LangId,
        plain: LangId,
        mut free: u64,
        found: &mut Vec<(LangId, LangId)>,
    ) -> Option<u64> {
        found.clear();
        found.push((start, plain));
        // Inside a character it is its first byte that counts: by which a pair was met, and which
        // are to be followed from it.
        let mut met: HashMap<(LangId, LangId), u64> = HashMap::from_iter([((start, plain), 0)]);
        let mut work: Vec<((LangId, LangId), u64)> = vec![((start, plain), 0)];
        let mut at = 0;
        while let Some(&((state, like), leads)) = work.get(at) {
            at += 1;
            if state == like {
                continue;
            }
            let (a, b) = (self.partition(state), self.partition(like));
            let joined = self.partitions.join(a, b);
            let classes = self.partitions.get(joined);
            let firsts = classes.representatives().to_vec();
            let mut groups = vec![0u64; firsts.len()];
            for byte in 0..=255u8 {
                groups[classes.class(byte)] |= if like == plain { byte_group(byte) } else { leads };
            }
            let mut ahead = Vec::with_capacity(firsts.len());
            for (byte, group) in firsts.into_iter().zip(groups) {
                if group & free == 0 {
                    continue;
                }
                let next_like = self.step(like, byte);
                if next_like == LangId::NEVER {
                    continue;
                }
                let next = self.step(state, byte);
                if next == LangId::NEVER {
                    free &= !group;
                } else {
                    ahead.push((group, (next, next_like)));
                }
            }
            for (group, pair) in ahead {
                if group & free == 0 {
                    continue;
                }
                let (_, next_like) = pair;
                let leads = if next_like == plain { 0 } else { group & free };
                let known = met.get(&pair).copied();
                if known.is_none() {
                    found.push(pair);
                }
                if known.is_none_or(|known| leads & !known != 0) {
                    if work.len() > EXPLORED {
                        return None;
                    }
                    met.insert(pair, leads | known.unwrap_or(0));
                    work.push((pair, leads & !known.unwrap_or(0)));
                }
            }
        }
        Some(free)
    }

    /// The most bytes that any state of `id` needs to the end of a word; `None` when a small search
    /// does not decide.
    fn longest_completion(&mut self, id: LangId) -> Option<u32> {
        let known = self.info[id.index()].completion;
        if known != UNBOUNDED {
            return Some(known);
        }
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
        if !self.is_sound() {
            return None;
        }
        self.completions.insert(id, result);
        result
    }
}

/// The groups of the first bytes of characters beyond ASCII.
const LEADS: u64 = 0b111 << 5 | 0b111_1111 << 41;

/// Of these, the groups with a space or line end.
const SPACE_LEADS: u64 =
    byte_group(0xc2) | byte_group(0xe1) | byte_group(0xe2) | byte_group(0xe3) | byte_group(0xef);

/// All groups but bytes inside a character.
const TEXT: u64 = ((1 << GROUPS) - 1) & !(1 << 4);

/// What any string reads without an end in sight: all groups but control characters, bytes inside a
/// character, the quote and the backslash.
const FREE_OF_ANY_TEXT: u64 = TEXT & !(1 | byte_group(b'"') | byte_group(b'\\'));

const GROUPS: u32 = 48;

/// The group of a byte, as one bit of 64: letters, digits and control characters share groups; each
/// ASCII punctuation character has its own. Of the first bytes of other characters, those of spaces
/// and line ends, which `.` and `\S` do not read, are apart.
pub const fn byte_group(byte: u8) -> u64 {
    let group = match byte {
        0..=0x1f | 0x7f => 0,
        b'0'..=b'9' => 1,
        b'a'..=b'z' => 2,
        b'A'..=b'Z' => 3,
        0x80..=0xbf => 4,
        0xc0..=0xc1 | 0xc3..=0xdf => 5,
        0xe4..=0xec => 6,
        0xf0..=0xff => 7,
        0xc2 => 41,
        0xe0..=0xe3 => 42 + (byte - 0xe0),
        0xed..=0xee => 46,
        0xef => 47,
        b' '..=b'/' => 8 + (byte - b' '),
        b':'..=b'@' => 24 + (byte - b':'),
        b'['..=b'`' => 31 + (byte - b'['),
        b'{'..=b'~' => 37 + (byte - b'{'),
    };
    1 << group
}

#[cfg(test)]
mod tests;
