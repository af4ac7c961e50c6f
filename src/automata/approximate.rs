//! Approximations of a state: larger languages that are met more often, states that short tokens
//! cannot tell apart, and bytes that a state reads in any order.
//!
//! The tokens of a vocabulary are short, and most states of most terminals differ from "any string"
//! only far away or in few places. Approximations let the engine reuse the results of a state that
//! it has met before.
//!
//! # Why the answers are right
//!
//! Each answer is a claim about words and their beginnings. A beginning is *alive* if some word
//! begins with it. All claims rest on this: a state is [`LangId::NEVER`] exactly if no beginning
//! that leads there is alive ([`emptiness`](super::emptiness)). `tests.rs` walks random expressions
//! and compares each claim with its definition.
//!
//! - *Relaxation* ([`relaxation`](ExprPool::relaxation)). The relaxation has all words of the
//!   language, and so all beginnings: that of `[a-z]{2,500}` is `[a-z]{2,}`. It is made by three
//!   changes: a maximum is left out, a part of an intersection is left out, or such a part is
//!   enlarged. Each change makes a language larger. A union, concatenation, repetition or spelling
//!   of larger parts is larger, too. Nothing below a complement is changed, since a complement of
//!   something larger is smaller. The rest of an intersection must be text, because the engine
//!   assumes that the two languages differ only in their differing bytes.
//! - *Differing bytes* ([`differing_bytes`](ExprPool::differing_bytes)). Two intersections can
//!   differ only by the parts that they do not share, and each such part must be a complement of
//!   literals. For example, `string ∩ ¬{"id"}` and `string ∩ ¬{"key"}` differ only by the bytes `i`
//!   and `k`: after a byte that begins none of its literals, a complement of literals is all byte
//!   strings. The claim assumes text. Within a JSON string, two more kinds of bytes may tell the
//!   languages apart and are added: the quote that ends the string, and, within an escape, every
//!   byte that can be escaped.
//! - *Clamped* ([`clamped`](ExprPool::clamped)). Every round of a repetition that is not empty has
//!   a byte or more. So `len` bytes and one more character begin at most `len / shortest + 1`
//!   rounds. A text of `len` bytes cannot reach a larger count, so all larger minima are alike, and
//!   so are all larger maxima. The one more character is one whose escape has begun: after a
//!   backslash some character must be able to follow. A maximum length beside a language `x` cuts
//!   off a beginning only if the shortest end that `x` has from there is longer than the rest of
//!   the length. The claim assumes that `x` ends within `max - len` bytes from every state.
//! - *Self-loop classes* ([`self_loop_classes`](ExprPool::self_loop_classes),
//!   [`read_groups`](ExprPool::read_groups)). A search visits pairs of a state of the language and
//!   a state of "any text". It begins with all groups of characters, and follows the characters of
//!   these groups from pair to pair. It drops a group that leads to a state that is not alive. So
//!   the groups that remain lead from each visited pair to a visited pair. A pair of two equal
//!   states need not be visited. A byte within a character belongs to the group of the character's
//!   first byte. So a pair keeps the groups that led to it, and is visited again for further
//!   groups. A run `c{m,}` of one class is treated as `c*`, which is alive wherever the run is. A
//!   JSON string may have conditions on its bytes beside it, such as a text that it must not hold.
//!   The search steps both, so nothing else is needed.
//! - *Counted groups* ([`counted_groups`](ExprPool::counted_groups)). In `c{m,n}·tail` each of the
//!   first `n` characters may be of `c`. The next one cannot, because the groups with which `tail`
//!   begins are left out. All characters of a group are in `c`, or none of them is. The claim
//!   assumes that `tail` has a word, and every expression in a concatenation has one.
//! - *Bounded groups* ([`bounded_groups`](ExprPool::bounded_groups)). Without the maximum length,
//!   every text of self-loop classes is alive. Let every state need at most `needed` bytes to reach
//!   an end, and so at most `needed` characters. Then a text of at most `max - needed` characters
//!   is alive with the maximum, too. So is a text of at most `max - needed` bytes, because no text
//!   has more characters than bytes.

use super::UNBOUNDED;
use super::byte_classes::ByteSet;
use super::expr::{Escapes, Expr, JsonMode, LangId};
use super::expr_pool::ExprPool;
use super::json_string;
use super::literals::LiteralSet;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// The most states that are explored to answer one question.
const EXPLORED: usize = 128;
/// The number of languages without a known bound on completions after which a pool looks for no
/// more of them. A regular expression with a named group has a state for each name, and none of
/// these states has such a bound.
const MAX_UNBOUNDED: u32 = 64;

/// The texts that are excluded as the rest of a JSON string: the strings `lo..hi` of `literals`
/// from byte `depth` on.
pub struct Excluded {
    /// The set of all strings.
    pub literals: Arc<LiteralSet>,
    /// The first string.
    pub lo: u32,
    /// One past the last string.
    pub hi: u32,
    /// The number of bytes that were read.
    pub depth: u32,
    /// True if the opening quote has been read.
    pub in_string: bool,
}

impl ExprPool {
    /// The relaxation of `id`: a larger language that differs little from `id`, and that many
    /// states share. For a JSON string it leaves out excluded keys and maxima, and for another
    /// language only far maxima. A maximum of at most `near` is kept, because short tokens can
    /// reach it. `None` if nothing is left out.
    pub fn relaxation(&mut self, id: LangId, near: u32) -> Option<LangId> {
        let Expr::Json { inner, mode: mode @ (JsonMode::Start | JsonMode::Body), escapes } = *self.expr(id)
        else {
            let is_far = self.largest_count(id) > near && self.is_text(id);
            return if is_far { self.relaxed_part(id, near, 0).filter(|&plain| plain != id) } else { None };
        };
        if !self.is_text(inner) {
            return None;
        }
        let plain = self.relaxed_part(inner, near, 0).filter(|&plain| plain != inner)?;
        Some(self.json(plain, mode, escapes))
    }

    /// The state of any JSON string at the place where `id` is, if `id` is a state within a JSON
    /// string. A condition on the bytes of the string may stand beside it.
    pub fn any_string_like(&mut self, id: LangId) -> Option<LangId> {
        match self.json_part(id)? {
            (inner, mode @ (JsonMode::Start | JsonMode::Body), escapes) if self.is_text(inner) => {
                let text = self.any_text();
                Some(self.json(text, mode, escapes))
            }
            _ => None,
        }
    }

    /// The decoded language, the mode and the escapes of a JSON string, which may have a condition
    /// on its bytes beside it. `None` for another language.
    fn json_part(&self, id: LangId) -> Option<(LangId, JsonMode, Escapes)> {
        let json = |id: LangId| match *self.expr(id) {
            Expr::Json { inner, mode, escapes } => Some((inner, mode, escapes)),
            _ => None,
        };
        match self.expr(id) {
            Expr::Inter(parts) => {
                let mut strings = parts.iter().filter_map(|&part| json(part));
                strings.next().filter(|_| strings.next().is_none())
            }
            _ => json(id),
        }
    }

    /// The language `inner` without far maxima, excluded literals and maximum length. `None` if it
    /// has none of these.
    fn relaxed_part(&mut self, inner: LangId, near: u32, depth: u32) -> Option<LangId> {
        const MAX_DEPTH: u32 = 8;
        if depth > MAX_DEPTH {
            return None;
        }
        match *self.expr(inner) {
            Expr::Repeat(body, min, max) if max != UNBOUNDED && max > near => {
                Some(self.repeat(body, min, UNBOUNDED))
            }
            Expr::Concat(head, tail) => {
                let plain_head = self.relaxed_part(head, near, depth + 1);
                let is_far = self.info[tail.index()].largest_count > near;
                let plain_tail = if is_far { self.relaxed_part(tail, near, depth + 1) } else { None };
                (plain_head.is_some() || plain_tail.is_some())
                    .then(|| self.concat(plain_head.unwrap_or(head), plain_tail.unwrap_or(tail)))
            }
            Expr::Union(ref parts) => {
                let parts = parts.clone();
                let relaxed: Vec<LangId> = parts
                    .iter()
                    .map(|&part| self.relaxed_part(part, near, depth + 1).unwrap_or(part))
                    .collect();
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
                // The rest must still be text.
                if !kept.iter().any(|&p| self.is_text(p)) {
                    kept.push(text);
                }
                Some(self.inter(&kept))
            }
            _ => None,
        }
    }

    /// The bytes that may lead two states to different languages. Bytes outside of this set lead
    /// both to the same one. The set is quickly found, and may be larger than needed.
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

    /// The literals that `id` excludes, if `id` is a state of a JSON string with any text but some
    /// literals.
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

    /// The first bytes of the literals that `id` excludes. For another language, every byte.
    fn excluded_bytes(&self, id: LangId) -> ByteSet {
        match *self.expr(id) {
            Expr::Not(excluded) => match *self.expr(excluded) {
                Expr::Literals { set, lo, hi, depth } => self.literal_set(set).next_bytes(lo, hi, depth),
                _ => ByteSet::FULL,
            },
            _ => ByteSet::FULL,
        }
    }

    /// The largest bound of a repetition in `id`, and 1 if there is none.
    pub(crate) fn largest_count(&self, id: LangId) -> u32 {
        self.info[id.index()].largest_count
    }

    /// A language that agrees with `id` on all texts of at most `len` bytes. It has the same words
    /// and the same prefixes of up to that length: with 8 bytes, `a{3,500}` is like `a{3,}`. Two
    /// languages with the same result have the same words and prefixes of up to `len` bytes.
    ///
    /// Every round of a repetition reads a byte or more, so that `len` bytes begin a bounded number
    /// of rounds. All minima above that number are the same, and so are all maxima. In
    /// intersections only a far maximum length is left out. Another part can forbid a prefix
    /// because of something that would have to come far behind it.
    pub(crate) fn clamped(&mut self, id: LangId, len: u32) -> LangId {
        self.clamped_below(id, len, 0)
    }

    fn clamped_below(&mut self, id: LangId, len: u32, depth: u32) -> LangId {
        const MAX_DEPTH: u32 = 32;
        if depth > MAX_DEPTH || self.info[id.index()].largest_count <= len || !self.is_sound() {
            return id;
        }
        if let Some(&known) = self.approximations.clamps.get(&(id, len)) {
            return known;
        }
        let below = |pool: &mut Self, part: LangId| pool.clamped_below(part, len, depth + 1);
        let clamped = match *self.expr(id) {
            Expr::Repeat(body, min, max) => {
                // The largest number of rounds that begin within `len` bytes.
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
            self.approximations.clamps.insert((id, len), clamped);
        }
        clamped
    }

    /// The length `id` without its maximum. `None` if `id` is no length. Texts with a maximum of
    /// characters become all texts and not all byte strings. A complement beside them has words
    /// that are no text, and these words would complete it.
    fn without_maximum(&mut self, id: LangId) -> Option<LangId> {
        let (min, _) = self.length(id)?;
        let Expr::Repeat(body, ..) = *self.expr(id) else { return None };
        Some(self.repeat(body, min, UNBOUNDED))
    }

    /// The intersection `inter` of `parts` without a far maximum length. Words of `len` bytes
    /// cannot tell the two apart if the other parts can always be completed within the rest of the
    /// length.
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

    /// The groups of bytes ([`byte_group`]) that `id`, a state within a JSON string, reads in any
    /// order and number. As long as only characters of these groups are read, none is refused. The
    /// quote and the backslash are in no such group. A group may be missing if a small search does
    /// not decide. Memoised.
    pub fn self_loop_classes(&mut self, id: LangId) -> u64 {
        let Some((inner, JsonMode::Body, escapes)) = self.json_part(id) else { return 0 };
        if !self.is_text(inner) {
            return 0;
        }
        if let Some(&known) = self.approximations.self_loop_classes.get(&id) {
            return known;
        }
        let text = self.any_text();
        let plain = self.json(text, JsonMode::Body, escapes);
        // If characters are only counted, a minimum refuses nothing but an early end.
        let start = match *self.expr(inner) {
            Expr::Repeat(body, _, UNBOUNDED)
                if matches!(self.expr(body), Expr::Chars(_))
                    && matches!(self.expr(id), Expr::Json { .. }) =>
            {
                let any_number = self.repeat(body, 0, UNBOUNDED);
                self.json(any_number, JsonMode::Body, escapes)
            }
            _ => id,
        };
        let mut seen = Vec::new();
        // A character beyond ASCII leads through several states, and a space among them often
        // through more. A search without these groups decides more.
        let free = match self.search_self_loops(start, plain, FREE_OF_ANY_TEXT & !LEADS, &mut seen) {
            Some(free) => [LEADS, LEADS & !SPACE_LEADS]
                .into_iter()
                .find_map(|leads| self.search_self_loops(start, plain, free | leads, &mut seen))
                .unwrap_or(free),
            None => self.loop_groups(id, FREE_OF_ANY_TEXT),
        };
        if !self.is_sound() {
            return 0;
        }
        if free == FREE_OF_ANY_TEXT {
            // The states reached from here read the same groups.
            seen.into_iter().filter(|s| s.1 == plain).for_each(|s| {
                self.approximations.self_loop_classes.insert(s.0, free);
            });
        }
        self.approximations.self_loop_classes.insert(id, free);
        free
    }

    /// The groups of bytes that `id` reads in any order and number. Every text of characters of
    /// these groups is the beginning of a word. Unlike with
    /// [`self_loop_classes`](Self::self_loop_classes), words may end on the way. A group may be
    /// missing. Memoised.
    pub fn read_groups(&mut self, id: LangId) -> u64 {
        if matches!(self.expr(id), Expr::Json { .. }) {
            return self.self_loop_classes(id);
        }
        if let Some(&known) = self.approximations.read_groups.get(&id) {
            return known;
        }
        let text = self.any_text();
        let mut seen = Vec::new();
        // Within a terminal most characters lead back to the same state. The others may end it.
        let read = match self.loop_groups(id, TEXT_GROUPS) {
            0 => self.search_self_loops(id, text, TEXT_GROUPS & !LEADS, &mut seen).unwrap_or(0),
            repeated => repeated,
        };
        let read = [LEADS, LEADS & !SPACE_LEADS]
            .into_iter()
            .find_map(|leads| self.search_self_loops(id, text, read | leads, &mut seen))
            .unwrap_or(read);
        if !self.is_sound() {
            return 0;
        }
        self.approximations.read_groups.insert(id, read);
        read
    }

    /// The groups and the count of a JSON string whose rest begins with a counted class of
    /// characters, as in `[a-z]{0,20}` or `[0-9]{8}-[0-9]{4}`. The string reads up to `count`
    /// characters of these groups in any order, and not one more.
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
        Some((self.self_loop_classes(uncounted) & !next, max))
    }

    /// The groups, and a number of bytes, for a JSON string whose length has a maximum. The string
    /// reads every text of these groups with at most that many bytes, because the rest of the
    /// length is then enough to complete it.
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
        Some((self.self_loop_classes(unbounded), sure))
    }

    /// The groups of ASCII characters among `groups` that lead from `id` back to `id`.
    fn loop_groups(&mut self, id: LangId, groups: u64) -> u64 {
        let ascii: Vec<u8> = (0..=0x7f).collect();
        let changed =
            ascii.into_iter().filter(|&b| self.step(id, b) != id).fold(0, |set, b| set | byte_group(b));
        groups & !changed & !LEADS
    }

    /// Visits pairs of the states that `start` and `plain`, the state of any string, are led to by
    /// characters of `free`, and drops the groups that `start` refuses. `None` if there are too
    /// many pairs.
    fn search_self_loops(
        &mut self,
        start: LangId,
        plain: LangId,
        mut free: u64,
        found: &mut Vec<(LangId, LangId)>,
    ) -> Option<u64> {
        found.clear();
        found.push((start, plain));
        // The first byte of a character decides its group. A pair within a character keeps the
        // groups by which it was met, and those that are to be followed from it.
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

    /// The most bytes that any state reached from `id` needs to the end of a word. `None` if a
    /// small search does not decide.
    fn longest_completion(&mut self, id: LangId) -> Option<u32> {
        let known = self.info[id.index()].completion;
        if known != UNBOUNDED {
            return Some(known);
        }
        if let Some(&known) = self.approximations.completions.get(&id) {
            return known;
        }
        if self.approximations.unbounded_completions >= MAX_UNBOUNDED {
            return None;
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
        self.approximations.unbounded_completions += u32::from(result.is_none());
        self.approximations.completions.insert(id, result);
        result
    }
}

/// The groups of the first bytes of characters beyond ASCII.
const LEADS: u64 = 0b111 << 5 | 0b111_1111 << 41;

/// The groups among these that have a space or a line end.
const SPACE_LEADS: u64 =
    byte_group(0xc2) | byte_group(0xe1) | byte_group(0xe2) | byte_group(0xe3) | byte_group(0xef);

/// All groups but that of the bytes within a character.
pub const TEXT_GROUPS: u64 = ((1 << GROUPS) - 1) & !(1 << 4);

/// The groups that any string reads in any order: all but control characters, the bytes within a
/// character, the quote and the backslash.
const FREE_OF_ANY_TEXT: u64 = TEXT_GROUPS & !(1 | byte_group(b'"') | byte_group(b'\\'));

const GROUPS: u32 = 48;

/// The group of a byte, as one bit of 64. Small letters, capitals, digits and control characters
/// are one group each, and every ASCII punctuation character has its own. The first bytes of other
/// characters are in several groups, so that those of spaces and line ends, which `.` and `\S` do
/// not read, are apart.
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
