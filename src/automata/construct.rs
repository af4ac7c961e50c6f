//! Construction: each way to make an expression, simplified while it is made.
//!
//! The rules are few and cheap, and chosen so that states met by different ways become one: equal heads of alternatives are
//! shared, adjoining counts are one count, what is both text and text without exceptions is text. They do not make every
//! two equal languages the same expression, and need not.

use super::byte_classes::ByteSet;
use super::fingerprint::Fingerprinter;
use super::json_string::{self, Escapes, JsonMode};
use super::languages::{Expr, LangId, Languages};
use super::literals::{LiteralSet, UNLABELLED};
use super::machine::Machine;
use super::UNBOUNDED;
use std::sync::Arc;

impl Languages {
    /// Exactly these bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> LangId {
        self.literal_set_language(LiteralSet::new([(bytes.to_vec(), UNLABELLED)]))
    }

    /// One byte out of `set`.
    pub fn byte(&mut self, set: &ByteSet) -> LangId {
        match self.chars.byte_set(set) {
            Some(node) => self.intern(Expr::Chars(node)),
            None => LangId::NEVER,
        }
    }

    /// One character out of `ranges` (inclusive; sorted and disjoint), in UTF-8.
    pub fn char_class(&mut self, ranges: &[(u32, u32)]) -> LangId {
        match self.chars.ranges(ranges) {
            Some(node) => self.intern(Expr::Chars(node)),
            None => LangId::NEVER,
        }
    }

    /// One of these byte strings; a completed one is found by [`label`](Self::label), unless its label is
    /// [`UNLABELLED`].
    pub fn literals(&mut self, items: impl IntoIterator<Item = (Vec<u8>, u32)>) -> LangId {
        self.literal_set_language(LiteralSet::new(items))
    }

    fn literal_set_language(&mut self, set: LiteralSet) -> LangId {
        if set.is_empty() {
            return LangId::NEVER;
        }
        if set.len() == 1 && set.get(0) == (&[], UNLABELLED) {
            return LangId::EMPTY;
        }
        let hi = set.len() as u32;
        let id = match self.literal_index.get(&set.fingerprint()) {
            Some(&id) => id,
            None => self.import_literals(&Arc::new(set)),
        };
        self.intern(Expr::Literals { set: id, lo: 0, hi, depth: 0 })
    }

    /// The number of a literal set in this pool.
    pub(super) fn import_literals(&mut self, set: &Arc<LiteralSet>) -> u32 {
        *self.literal_index.entry(set.fingerprint()).or_insert_with(|| {
            self.literals.push(set.clone());
            self.literals.len() as u32 - 1
        })
    }

    /// The number of a machine in this pool; `key` is the fingerprint of its key.
    pub(super) fn import_machine(&mut self, machine: Arc<dyn Machine>, key: u128) -> u32 {
        *self.machine_index.entry(key).or_insert_with(|| {
            self.machines.push((machine, key));
            self.machines.len() as u32 - 1
        })
    }

    /// The JSON spellings, quotes included, of these texts. Under [`Escapes::Minimal`] they are plain literals.
    pub fn json_literals<'a>(
        &mut self,
        items: impl IntoIterator<Item = (&'a str, u32)>,
        escapes: Escapes,
    ) -> LangId {
        match escapes {
            Escapes::Minimal => self.literals(
                items.into_iter().map(|(text, label)| (json_string::minimal_spelling(text), label)),
            ),
            _ => {
                // Unspellable texts are left out here: an intersection inside of the spelling would lose the labels.
                let items = items.into_iter().filter(|(text, _)| escapes.can_spell(text));
                let inner = self.literals(items.map(|(text, label)| (text.as_bytes().to_vec(), label)));
                self.json(inner, JsonMode::Start, escapes)
            }
        }
    }

    /// Only those literals of `id` (plain or spelt as JSON strings) whose label passes `keep`. Other languages are given
    /// back as they are.
    pub fn with_labels(&mut self, id: LangId, keep: impl Fn(u32) -> bool) -> LangId {
        match *self.expr(id) {
            Expr::Literals { set, lo, hi, depth } => {
                let set = self.literals[set as usize].clone();
                let kept = (lo..hi).map(|i| set.get(i)).filter(|item| keep(item.1));
                self.literals(kept.map(|(bytes, label)| (bytes[depth as usize..].to_vec(), label)))
            }
            Expr::Json { inner, mode, escapes } => {
                let inner = self.with_labels(inner, keep);
                self.json(inner, mode, escapes)
            }
            _ => id,
        }
    }

    /// Whether `id` is everything but some literals.
    pub(super) fn is_other_than_literals(&self, id: LangId) -> bool {
        matches!(*self.expr(id), Expr::Not(excluded) if matches!(self.expr(excluded), Expr::Literals { .. }))
    }

    /// Whether no byte can follow: the state is only there to accept.
    pub fn is_spent(&self, id: LangId) -> bool {
        match *self.expr(id) {
            Expr::Never | Expr::Empty => true,
            Expr::Literals { set, lo, hi, depth } => {
                hi - lo == 1 && self.literals[set as usize].accepts(lo, depth)
            }
            Expr::Json { mode, .. } => mode == JsonMode::Closed,
            _ => false,
        }
    }

    /// The language of a machine.
    pub fn machine(&mut self, machine: Arc<dyn Machine>) -> LangId {
        let Some(state) = machine.start() else { return LangId::NEVER };
        let key = fingerprint_of_key(&machine.key());
        let machine = self.import_machine(machine, key);
        self.intern(Expr::Machine { machine, state })
    }

    /// The same where the pool has the machine with this key already.
    pub(super) fn known_machine(&mut self, key: &str) -> Option<LangId> {
        let known = *self.machine_index.get(&fingerprint_of_key(key))?;
        Some(self.machine(self.machines[known as usize].0.clone()))
    }

    /// The JSON strings, quotes included, whose decoded text is a word of `inner`. `inner` is cut down to UTF-8
    /// text where it is not text already.
    pub fn json_string(&mut self, inner: LangId, escapes: Escapes) -> LangId {
        let mut inner = if self.is_text(inner) { inner } else { self.inter(&[self.text, inner]) };
        if escapes == Escapes::NoUnicode {
            let mut spellable = Vec::new();
            let mut from = 0;
            for (lo, hi) in json_string::CONTROLS_WITHOUT_SHORT_ESCAPE {
                if from < lo {
                    spellable.push((from, lo - 1));
                }
                from = hi + 1;
            }
            spellable.push((from, 0x10_ffff));
            let spellable = self.char_class(&spellable);
            let spellable = self.repeat(spellable, 0, UNBOUNDED);
            inner = self.inter(&[inner, spellable]);
        }
        if self.is_never(inner) {
            return LangId::NEVER;
        }
        self.json(inner, JsonMode::Start, escapes)
    }

    pub(super) fn json(&mut self, inner: LangId, mode: JsonMode, escapes: Escapes) -> LangId {
        if inner == LangId::NEVER {
            return LangId::NEVER;
        }
        if mode == JsonMode::Closed && self.label(inner).is_none() {
            return LangId::EMPTY;
        }
        self.intern(Expr::Json { inner, mode, escapes })
    }

    /// A word of `first`, then a word of `second`.
    pub fn concat(&mut self, first: LangId, second: LangId) -> LangId {
        if first == LangId::NEVER || second == LangId::NEVER {
            return LangId::NEVER;
        }
        if first == LangId::EMPTY {
            return second;
        }
        if second == LangId::EMPTY {
            return first;
        }
        // Right-nested, so that the head of a `Concat` is always its first factor.
        let mut heads = Vec::new();
        let mut last = first;
        while let Expr::Concat(head, tail) = *self.expr(last) {
            heads.push(head);
            last = tail;
        }
        let mut result = self.concat_head(last, second);
        while let Some(head) = heads.pop() {
            result = self.concat_head(head, result);
        }
        result
    }

    fn concat_head(&mut self, mut head: LangId, tail: LangId) -> LangId {
        // Any text takes in what of a run before it may be or not.
        if let Expr::Repeat(body, min, max) = *self.expr(head) {
            if tail == self.text
                && min < max
                && matches!(self.expr(body), Expr::Chars(_))
                && self.is_text(body)
            {
                head = self.repeat(body, min, min);
                if head == LangId::EMPTY {
                    return tail;
                }
            }
        }
        // r{a,b} r{c,d} = r{a+c,b+d}, where a plain r is r{1,1}; with a tail behind as well.
        let (next, rest) = match *self.expr(tail) {
            Expr::Concat(next, rest) => (next, rest),
            _ => (tail, LangId::EMPTY),
        };
        let counted = |pool: &Self, id: LangId| match *pool.expr(id) {
            Expr::Repeat(body, min, max) => Some((body, min, max)),
            _ => None,
        };
        let merged = match (counted(self, head), counted(self, next)) {
            (Some((body, min, max)), Some((other, min2, max2))) if body == other => {
                Some((body, min.saturating_add(min2), max.saturating_add(max2)))
            }
            (Some((body, min, max)), _) if body == next => {
                Some((body, min.saturating_add(1), max.saturating_add(1)))
            }
            (_, Some((body, min, max))) if body == head => {
                Some((body, min.saturating_add(1), max.saturating_add(1)))
            }
            _ => None,
        };
        if let Some((body, min, max)) = merged {
            let repeat = self.repeat(body, min, max);
            return self.concat(repeat, rest);
        }
        self.intern(Expr::Concat(head, tail))
    }

    /// The concatenation of several languages.
    pub fn sequence(&mut self, parts: &[LangId]) -> LangId {
        parts.iter().rev().fold(LangId::EMPTY, |rest, &part| self.concat(part, rest))
    }

    /// `min..=max` words of `body` ([`UNBOUNDED`] for no maximum). `min > max` gives ∅.
    pub fn repeat(&mut self, body: LangId, min: u32, max: u32) -> LangId {
        if min > max {
            return LangId::NEVER;
        }
        if max == 0 || body == LangId::EMPTY {
            return LangId::EMPTY;
        }
        if body == LangId::NEVER {
            return if min == 0 { LangId::EMPTY } else { LangId::NEVER };
        }
        if body == LangId::ALL {
            return LangId::ALL;
        }
        let min = if self.is_nullable(body) { 0 } else { min };
        if (min, max) == (1, 1) || (max == 1 && self.is_nullable(body)) {
            return body;
        }
        if let Expr::Repeat(inner, low, high) = *self.expr(body) {
            if let Some((min, max)) = flatten_counts((low, high), (min, max)) {
                return self.repeat(inner, min, max);
            }
        }
        self.intern(Expr::Repeat(body, min, max))
    }

    /// A word of any of `parts`.
    pub fn union(&mut self, parts: &[LangId]) -> LangId {
        match parts {
            [] => return LangId::NEVER,
            [one] => return *one,
            [a, b] if a == b || *b == LangId::NEVER => return *a,
            [LangId::NEVER, b] => return *b,
            _ => {}
        }
        let mut flat: Vec<LangId> = Vec::with_capacity(parts.len());
        for &part in parts {
            match self.expr(part) {
                Expr::Never => {}
                Expr::All => return LangId::ALL,
                Expr::Union(inner) => flat.extend_from_slice(inner),
                _ => flat.push(part),
            }
        }
        flat.sort_unstable();
        flat.dedup();
        self.merge_alternatives(&mut flat);
        self.drop_longer_runs(&mut flat);
        self.merge_rounds(&mut flat);
        self.drop_covered(&mut flat);
        if flat.contains(&LangId::ALL) {
            return LangId::ALL;
        }
        if flat.contains(&self.text) {
            let text = self.text;
            flat.retain(|&p| p == text || !self.is_text(p));
        }
        if flat.len() > 1
            && flat.contains(&LangId::EMPTY)
            && flat.iter().any(|&p| p != LangId::EMPTY && self.is_nullable(p))
        {
            flat.retain(|&p| p != LangId::EMPTY);
        }
        match flat.as_slice() {
            [] => LangId::NEVER,
            [one] => *one,
            _ => self.intern(Expr::Union(flat.into())),
        }
    }

    /// Replaces whole sets of unlabelled literals among `parts` by one set with all of them: an enumeration then costs a
    /// binary search a byte, however it was put together.
    pub fn merge_literals(&mut self, parts: &mut Vec<LangId>) {
        let set_of = |pool: &Self, id: LangId| match *pool.expr(id) {
            Expr::Literals { set, lo: 0, hi, depth: 0 } => {
                let set = &pool.literals[set as usize];
                let whole = hi as usize == set.len();
                (whole && (0..hi).all(|i| set.get(i).1 == UNLABELLED)).then(|| set.clone())
            }
            _ => None,
        };
        let mut sets: Vec<Arc<LiteralSet>> = Vec::new();
        let mut others: Vec<LangId> = Vec::new();
        for &part in parts.iter() {
            match set_of(self, part) {
                Some(set) => sets.push(set),
                None => others.push(part),
            }
        }
        if sets.len() < 2 {
            return;
        }
        let words = sets.iter().flat_map(|s| (0..s.len() as u32).map(|i| (s.get(i).0.to_vec(), UNLABELLED)));
        let merged = self.literals(words.collect::<Vec<_>>());
        others.push(merged);
        *parts = others;
    }

    /// Merges alternatives that share a head (`cx ∪ cy = c(x ∪ y)`), a body (`r{1,2} ∪ r{2,5} = r{1,5}`) or a
    /// spelling (`json(x) ∪ json(y) = json(x ∪ y)`), until nothing merges.
    fn merge_alternatives(&mut self, flat: &mut Vec<LangId>) {
        #[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
        enum Key {
            Head(LangId),
            Body(LangId, u32, u32),
            Spelling(JsonMode, Escapes),
        }
        loop {
            let mut keyed: Vec<(Key, LangId)> = Vec::new();
            for &part in flat.iter() {
                match *self.expr(part) {
                    Expr::Concat(head, _) => keyed.push((Key::Head(head), part)),
                    Expr::Repeat(body, min, max) => keyed.push((Key::Body(body, min, max), part)),
                    Expr::Json { mode, escapes, .. } if mode != JsonMode::Closed => {
                        keyed.push((Key::Spelling(mode, escapes), part))
                    }
                    _ => {}
                }
            }
            if keyed.len() < 2 {
                return;
            }
            keyed.sort_unstable();
            let mut changed = false;
            let mut i = 0;
            while i < keyed.len() {
                let mut j = i + 1;
                match keyed[i].0 {
                    Key::Head(head) => {
                        while j < keyed.len() && keyed[j].0 == keyed[i].0 {
                            j += 1;
                        }
                        if j - i > 1 {
                            // All heads the group shares are taken at once, so that long equal runs do not recurse.
                            let mut heads = vec![head];
                            let mut tails: Vec<LangId> = keyed[i..j].iter().map(|k| self.tail(k.1)).collect();
                            while let Expr::Concat(head, _) = *self.expr(tails[0]) {
                                let shared =
                                    |&t: &LangId| matches!(*self.expr(t), Expr::Concat(h, _) if h == head);
                                if !tails.iter().all(shared) {
                                    break;
                                }
                                heads.push(head);
                                tails.iter_mut().for_each(|t| *t = self.tail(*t));
                            }
                            let tail = self.union(&tails);
                            let merged = heads.iter().rev().fold(tail, |tail, &head| self.concat(head, tail));
                            replace(flat, &keyed[i..j].iter().map(|k| k.1).collect::<Vec<_>>(), merged);
                            changed = true;
                        }
                    }
                    Key::Spelling(mode, escapes) => {
                        while j < keyed.len() && keyed[j].0 == keyed[i].0 {
                            j += 1;
                        }
                        if j - i > 1 {
                            let inners: Vec<LangId> = keyed[i..j]
                                .iter()
                                .map(|k| match *self.expr(k.1) {
                                    Expr::Json { inner, .. } => inner,
                                    _ => LangId::NEVER,
                                })
                                .collect();
                            let inner = self.union(&inners);
                            let merged = self.json(inner, mode, escapes);
                            replace(flat, &keyed[i..j].iter().map(|k| k.1).collect::<Vec<_>>(), merged);
                            changed = true;
                        }
                    }
                    Key::Body(body, min, max) => {
                        let mut high = max;
                        while let Some(&(Key::Body(other, low, top), _)) = keyed.get(j) {
                            if other != body || low > high.saturating_add(1) {
                                break;
                            }
                            high = high.max(top);
                            j += 1;
                        }
                        if j - i > 1 {
                            let merged = self.repeat(body, min, high);
                            replace(flat, &keyed[i..j].iter().map(|k| k.1).collect::<Vec<_>>(), merged);
                            changed = true;
                        }
                    }
                }
                i = j;
            }
            if !changed {
                return;
            }
            let mut again: Vec<LangId> = Vec::with_capacity(flat.len());
            for &part in flat.iter() {
                match self.expr(part) {
                    Expr::Never => {}
                    Expr::Union(inner) => again.extend_from_slice(inner),
                    _ => again.push(part),
                }
            }
            again.sort_unstable();
            again.dedup();
            *flat = again;
        }
    }

    /// Of alternatives that are a run of characters of one class and then any text, the shortest run is all of them. An
    /// unanchored `[a-z]{20}` would else remember where in the text a run may have begun.
    fn drop_longer_runs(&mut self, flat: &mut Vec<LangId>) {
        let run = |pool: &Self, id: LangId| {
            let Expr::Concat(head, tail) = *pool.expr(id) else { return None };
            let (class, least) = match *pool.expr(head) {
                Expr::Repeat(body, min, _) => (body, min),
                _ => (head, 1),
            };
            let is_class = matches!(pool.expr(class), Expr::Chars(_)) && pool.is_text(class);
            (tail == pool.text && is_class).then_some((class, least))
        };
        let runs: Vec<(LangId, u32)> = flat.iter().filter_map(|&part| run(self, part)).collect();
        if runs.len() > 1 {
            flat.retain(|&part| {
                run(self, part).is_none_or(|(class, least)| {
                    !runs.iter().any(|&(other, shorter)| other == class && shorter < least)
                })
            });
        }
    }

    fn tail(&self, id: LangId) -> LangId {
        match *self.expr(id) {
            Expr::Concat(_, tail) => tail,
            _ => LangId::EMPTY,
        }
    }

    /// A word of every one of `parts`. May have no word without being [`LangId::NEVER`]; [`is_never`](Self::is_never)
    /// decides.
    pub fn inter(&mut self, parts: &[LangId]) -> LangId {
        let mut flat: Vec<LangId> = Vec::with_capacity(parts.len());
        for &part in parts {
            match self.expr(part) {
                Expr::Never => return LangId::NEVER,
                Expr::All => {}
                Expr::Inter(inner) => flat.extend_from_slice(inner),
                _ => flat.push(part),
            }
        }
        flat.sort_unstable();
        flat.dedup();
        self.merge_lengths(&mut flat);
        if flat.contains(&LangId::NEVER) {
            return LangId::NEVER;
        }
        if flat.contains(&LangId::EMPTY) {
            return if flat.iter().all(|&p| self.is_nullable(p)) { LangId::EMPTY } else { LangId::NEVER };
        }
        if flat.contains(&self.text) && flat.iter().any(|&p| p != self.text && self.is_text(p)) {
            let text = self.text;
            flat.retain(|&p| p != text);
        }
        // Text that is no text: what `(?!x)` comes to once x has matched. Found here, it needs no search through
        // the product with all the other parts.
        let no_text = |&p: &LangId| matches!(*self.expr(p), Expr::Not(x) if x == self.text);
        if flat.iter().any(no_text) && flat.iter().any(|&p| self.is_text(p)) {
            return LangId::NEVER;
        }
        // json(x) ∩ json(y) = json(x ∩ y): a spelling decodes to one text only.
        let spelling = |pool: &Self, id: LangId| match *pool.expr(id) {
            Expr::Json { inner, mode, escapes } if mode != JsonMode::Closed => Some((mode, escapes, inner)),
            _ => None,
        };
        if flat.len() > 1 {
            if let Some((mode, escapes, _)) = flat.iter().find_map(|&p| spelling(self, p)) {
                let (same, mut rest): (Vec<LangId>, Vec<LangId>) = flat.iter().partition(
                    |&&p| matches!(spelling(self, p), Some((m, e, _)) if (m, e) == (mode, escapes)),
                );
                if same.len() > 1 {
                    let inners: Vec<LangId> =
                        same.iter().filter_map(|&p| spelling(self, p)).map(|s| s.2).collect();
                    let inner = self.inter(&inners);
                    if self.is_never(inner) {
                        return LangId::NEVER;
                    }
                    rest.push(self.json(inner, mode, escapes));
                    return self.inter(&rest);
                }
            }
        }
        match flat.as_slice() {
            [] => LangId::ALL,
            [one] => *one,
            _ if flat
                .iter()
                .any(|&p| matches!(*self.expr(p), Expr::Not(x) if flat.binary_search(&x).is_ok())) =>
            {
                LangId::NEVER
            }
            _ => self.intern(Expr::Inter(flat.into())),
        }
    }

    /// A run of characters of one class and a number of characters are a counted run: `[a-z]+ ∩ .{0,8} = [a-z]{1,8}`.
    fn merge_lengths(&mut self, flat: &mut Vec<LangId>) {
        let character = match *self.expr(self.text) {
            Expr::Repeat(character, ..) => character,
            _ => return,
        };
        let run = |pool: &Self, id: LangId| match *pool.expr(id) {
            Expr::Repeat(body, min, max)
                if matches!(pool.expr(body), Expr::Chars(_)) && pool.is_text(body) =>
            {
                Some((body, min, max))
            }
            _ => None,
        };
        let is_length = |run: &(LangId, u32, u32)| run.0 == character;
        while flat.len() > 1 {
            let runs = || flat.iter().filter_map(|&part| Some((part, run(self, part)?)));
            let Some((length, (_, least, most))) = runs().find(|(_, run)| is_length(run)) else { return };
            let Some((other, (class, min, max))) = runs().find(|&(part, _)| part != length) else { return };
            flat.retain(|&part| part != length && part != other);
            let (least, most) = (least.max(min), most.min(max));
            flat.push(if least <= most { self.repeat(class, least, most) } else { LangId::NEVER });
            flat.sort_unstable();
            flat.dedup();
        }
    }

    /// Every byte string that is not a word of `body`. Intersect with [`any_text`](Self::any_text) to stay UTF-8.
    pub fn not(&mut self, body: LangId) -> LangId {
        match *self.expr(body) {
            Expr::Never => LangId::ALL,
            Expr::All => LangId::NEVER,
            Expr::Not(inner) => inner,
            _ => self.intern(Expr::Not(body)),
        }
    }
}

fn fingerprint_of_key(key: &str) -> u128 {
    Fingerprinter::new(0x3ac1).bytes(key.as_bytes()).finish()
}

/// The counts of `(r{low,high}){min,max}` as one pair, where `k·low..=k·high` for `k` in `min..=max` leave no gap.
fn flatten_counts((low, high): (u32, u32), (min, max): (u32, u32)) -> Option<(u32, u32)> {
    let gapless = if min == max {
        true
    } else if min == 0 {
        low <= 1
    } else {
        // The gap between `min` groups and one more is the widest.
        high == UNBOUNDED || u64::from(min) * u64::from(high - low) + 1 >= u64::from(low)
    };
    if !gapless {
        return None;
    }
    let bounded = |a: u32, b: u32| a.checked_mul(b).filter(|&n| n < UNBOUNDED);
    let least = bounded(low, min)?;
    let most = if high == UNBOUNDED || max == UNBOUNDED { UNBOUNDED } else { bounded(high, max)? };
    Some((least, most))
}

fn replace(flat: &mut Vec<LangId>, old: &[LangId], new: LangId) {
    flat.retain(|p| !old.contains(p));
    flat.push(new);
}
