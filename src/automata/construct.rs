//! Construction: each way to make an expression, simplified while it is made.
//!
//! The rules are few and cheap. They are chosen so that a state reached in several ways is one
//! expression. Alternatives share equal heads: `ab|ac` is `a(b|c)`. Adjoining counts become one
//! count: `a{2}a*` is `a{2,}`. Two equal languages may still be different expressions, which costs
//! time but is not wrong.

use super::UNBOUNDED;
use super::byte_classes::ByteSet;
use super::expr::{Escapes, Expr, JsonMode, LangId};
use super::expr_pool::ExprPool;
use super::fingerprint::Fingerprinter;
use super::json_string;
use super::literals::{LiteralSet, UNLABELLED};
use super::machine::Machine;
use std::sync::Arc;

impl ExprPool {
    /// The language of exactly these bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> LangId {
        self.literal_set_language(LiteralSet::new([(bytes.to_vec(), UNLABELLED)]))
    }

    /// The language of one byte out of `set`.
    pub fn byte(&mut self, set: &ByteSet) -> LangId {
        match self.chars.byte_set(set) {
            Some(node) => self.intern(Expr::Chars(node)),
            None => LangId::NEVER,
        }
    }

    /// The language of one character out of `ranges`, in UTF-8. The ranges are inclusive, sorted
    /// and disjoint.
    pub fn char_class(&mut self, ranges: &[(u32, u32)]) -> LangId {
        match self.chars.ranges(ranges) {
            Some(node) => self.intern(Expr::Chars(node)),
            None => LangId::NEVER,
        }
    }

    /// The language of these byte strings. [`label`](Self::label) gives the label of one that was
    /// completed, unless it is [`UNLABELLED`].
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
        let id = match self.literals.find(set.fingerprint()) {
            Some(id) => id,
            None => self.literals.intern(&Arc::new(set)),
        };
        self.intern(Expr::Literals { set: id, lo: 0, hi, depth: 0 })
    }

    /// The JSON spellings of these texts, with quotes. Under [`Escapes::Minimal`] they are plain
    /// literals.
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
                // Texts without a spelling are left out here and not by an intersection inside the
                // spelling, which would lose the labels.
                let items = items.into_iter().filter(|(text, _)| escapes.can_spell(text));
                let inner = self.literals(items.map(|(text, label)| (text.as_bytes().to_vec(), label)));
                self.json(inner, JsonMode::Start, escapes)
            }
        }
    }

    /// The literals of `id` whose label passes `keep`, plain or spelt as JSON strings. Other
    /// languages are returned as they are.
    pub fn with_labels(&mut self, id: LangId, keep: impl Fn(u32) -> bool) -> LangId {
        match *self.expr(id) {
            Expr::Literals { set, lo, hi, depth } => {
                let set = self.literals.get(set).clone();
                let kept = (lo..hi).map(|i| set.get(i)).filter(|item| keep(item.1));
                self.literals(kept.map(|(bytes, label)| (bytes[depth as usize..].to_vec(), label)))
            }
            Expr::Json { inner, mode, escapes } => {
                let inner = self.with_labels(inner, keep);
                self.json(inner, mode, escapes)
            }
            Expr::Machine { machine, .. } => match self.machines.get(machine).with_labels(&keep) {
                Some(kept) => self.machine(kept),
                None => id,
            },
            _ => id,
        }
    }

    /// True if `id` is any text, or any text but some literals. Then each text begins endlessly
    /// many words.
    pub(crate) fn is_text_but_literals(&self, id: LangId) -> bool {
        match self.expr(id) {
            Expr::Inter(parts) => {
                parts.iter().all(|&part| part == self.text || self.is_other_than_literals(part))
                    && parts.contains(&self.text)
            }
            _ => id == self.text,
        }
    }

    /// True if `id` is the complement of some literals.
    pub(super) fn is_other_than_literals(&self, id: LangId) -> bool {
        matches!(*self.expr(id), Expr::Not(excluded) if matches!(self.expr(excluded), Expr::Literals { .. }))
    }

    /// True if no byte can follow, so that the state is only there to accept.
    pub fn is_spent(&self, id: LangId) -> bool {
        match *self.expr(id) {
            Expr::Never | Expr::Empty => true,
            Expr::Literals { set, lo, hi, depth } => {
                hi - lo == 1 && self.literals.get(set).accepts(lo, depth)
            }
            Expr::Json { mode, .. } => mode == JsonMode::Closed,
            Expr::Machine { machine, state } => self.machines.get(machine).is_spent(state),
            _ => false,
        }
    }

    /// The language of a machine.
    pub fn machine(&mut self, machine: Arc<dyn Machine>) -> LangId {
        let Some(state) = machine.start() else { return LangId::NEVER };
        let key = fingerprint_of_key(&machine.key());
        let machine = self.machines.intern(machine, key);
        self.intern(Expr::Machine { machine, state })
    }

    /// The machine and its state, if `id` is free text in which texts are looked for, and none is
    /// found yet.
    pub(crate) fn text_search(&self, id: LangId) -> Option<(Arc<dyn Machine>, u64)> {
        let Expr::Machine { machine, state } = *self.expr(id) else { return None };
        let machine = self.machines.get(machine);
        let searches = machine.text_search().is_some() && !machine.is_spent(state);
        searches.then(|| (machine.clone(), state))
    }

    /// Free text like `id`, but no text is looked for that the next `longest` bytes could complete.
    /// `None` if `id` is such text itself, or no free text.
    pub(crate) fn without_searched_texts(&mut self, id: LangId, longest: usize) -> Option<LangId> {
        let (machine, state) = self.text_search(id)?;
        let (machine, state) = machine.text_search()?.without_texts(state, longest)?;
        let key = fingerprint_of_key(&machine.key());
        let machine = self.machines.intern(machine, key);
        Some(self.intern(Expr::Machine { machine, state })).filter(|&free| free != id)
    }

    /// The language of the machine with this key, if the pool has it already.
    pub(super) fn known_machine(&mut self, key: &str) -> Option<LangId> {
        let known = self.machines.find(fingerprint_of_key(key))?;
        Some(self.machine(self.machines.get(known).clone()))
    }

    /// The JSON strings whose decoded text is a word of `inner`, with quotes. Words of `inner` that
    /// are not UTF-8 text are left out.
    pub fn json_string(&mut self, inner: LangId, escapes: Escapes) -> LangId {
        if self.is_spellable_literals(inner) {
            return self.json(inner, JsonMode::Start, escapes);
        }
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

    /// True for texts, at least one, that are spelled under every policy of escapes. No search is
    /// needed for them.
    fn is_spellable_literals(&self, id: LangId) -> bool {
        let Expr::Literals { set, lo, hi, depth: 0 } = *self.expr(id) else { return false };
        let set = self.literals.get(set);
        let is_spellable = |text: &[u8]| {
            std::str::from_utf8(text).is_ok_and(|text| !json_string::has_control_without_short_escape(text))
        };
        lo < hi && (lo..hi).all(|i| is_spellable(set.get(i).0))
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

    /// The concatenation: a word of `first`, then a word of `second`.
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
        // Concatenations nest to the right, so that the head of one is always its first factor.
        let mut heads = Vec::new();
        let mut last = first;
        while let Expr::Concat(head, tail) = *self.expr(last) {
            self.work(1);
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
        // Optional rounds before "any text" are part of that text: `a{2,5}.*` is `aa.*`.
        if let Expr::Repeat(body, min, max) = *self.expr(head)
            && tail == self.text
            && min < max
            && matches!(self.expr(body), Expr::Chars(_))
            && self.is_text(body)
        {
            head = self.repeat(body, min, min);
            if head == LangId::EMPTY {
                return tail;
            }
        }
        // r{a,b} r{c,d} = r{a+c,b+d}, also with a tail behind. Here a plain r is r{1,1}.
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

    /// The repetition: at least `min` and at most `max` words of `body`, one after the other. The
    /// maximum may be [`UNBOUNDED`]. If `min` is larger than `max`, it is ∅.
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
        if let Expr::Repeat(inner, low, high) = *self.expr(body)
            && let Some((min, max)) = flatten_counts((low, high), (min, max))
        {
            return self.repeat(inner, min, max);
        }
        self.intern(Expr::Repeat(body, min, max))
    }

    /// The union: a word of any of `parts`.
    pub fn union(&mut self, parts: &[LangId]) -> LangId {
        match parts {
            [] => return LangId::NEVER,
            [one] => return *one,
            [a, b] if a == b || *b == LangId::NEVER => return *a,
            [LangId::NEVER, b] => return *b,
            _ => {}
        }
        let Some(mut flat) = self.flat(parts, LangId::NEVER, LangId::ALL) else {
            return LangId::ALL;
        };
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

    /// Replaces whole sets of unlabelled literals among `parts` by one set with all of them. An
    /// enumeration then costs a binary search for each byte, however it was put together.
    pub fn merge_literals(&mut self, parts: &mut Vec<LangId>) {
        let set_of = |pool: &Self, id: LangId| match *pool.expr(id) {
            Expr::Literals { set, lo: 0, hi, depth: 0 } => {
                let set = pool.literals.get(set);
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

    /// Merges alternatives that share a head (`cx ∪ cy = c(x ∪ y)`), a body (`r{1,2} ∪ r{2,5} =
    /// r{1,5}`) or a spelling (`json(x) ∪ json(y) = json(x ∪ y)`), until nothing merges.
    fn merge_alternatives(&mut self, flat: &mut Vec<LangId>) {
        loop {
            let mut keyed: Vec<(Shared, LangId)> =
                flat.iter().filter_map(|&part| Some((self.shared(part)?, part))).collect();
            self.share_loops(flat, &mut keyed);
            if keyed.len() < 2 {
                return;
            }
            keyed.sort_unstable();
            self.work(keyed.len());
            // The result of a merger takes part in further mergers only in the next round, so the
            // merged parts are removed once, for all groups.
            let (mut replaced, mut merged_parts): (Vec<LangId>, Vec<LangId>) = (Vec::new(), Vec::new());
            let mut rest = &keyed[..];
            while let Some(&(shared, _)) = rest.first() {
                let (same, others) = rest.split_at(group_len(rest));
                rest = others;
                let same: Vec<LangId> = same.iter().map(|keyed| keyed.1).collect();
                if same.len() < 2 {
                    continue;
                }
                if let Some(merged) = self.merge_group(shared, &same) {
                    replaced.extend(same);
                    merged_parts.push(merged);
                }
            }
            if replaced.is_empty() {
                return;
            }
            replaced.sort_unstable();
            flat.retain(|part| replaced.binary_search(part).is_err());
            flat.append(&mut merged_parts);
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

    /// The part of an alternative that others may share.
    fn shared(&self, part: LangId) -> Option<Shared> {
        match *self.expr(part) {
            Expr::Concat(head, _) => Some(Shared::Head(head)),
            Expr::Repeat(body, min, max) => Some(Shared::Body(body, min, max)),
            Expr::Json { mode, escapes, .. } if mode != JsonMode::Closed => {
                Some(Shared::Spelling(mode, escapes))
            }
            _ => None,
        }
    }

    /// Adds what alternatives with loops share.
    fn share_loops(&self, flat: &[LangId], keyed: &mut Vec<(Shared, LangId)>) {
        for &part in flat.iter().filter(|part| self.info[part.index()].has_loops) {
            if let Some(of) = self.loop_of(part) {
                keyed.push((Shared::Counts(of.family, of.context, of.min, of.max), part));
                keyed.push((Shared::Followers(of.name(), of.min, of.max), part));
            }
            let (conditions, others) = self.conditions(part);
            if !conditions.is_empty() && !others.is_empty() {
                keyed.push((Shared::Conditions(key_of_parts(&conditions)), part));
            }
        }
    }

    /// Several alternatives of one group as one. `None` if mergers nest too deeply.
    fn merge_group(&mut self, shared: Shared, same: &[LangId]) -> Option<LangId> {
        match shared {
            Shared::Head(head) => self.merge_heads(head, same),
            Shared::Body(body, min, _) => {
                let most = |&part: &LangId| match *self.expr(part) {
                    Expr::Repeat(_, _, max) => max,
                    _ => min,
                };
                let max = same.iter().map(most).max().unwrap_or(min);
                Some(self.repeat(body, min, max))
            }
            Shared::Counts(..) => self.merge_counts(same),
            Shared::Followers(..) | Shared::Conditions(..) if self.mergers.nested >= MAX_MERGING => None,
            Shared::Followers(..) => {
                self.mergers.nested += 1;
                let merged = self.merge_followers(same);
                self.mergers.nested -= 1;
                merged
            }
            Shared::Conditions(_) => {
                self.mergers.nested += 1;
                let merged = self.merge_conditioned(same);
                self.mergers.nested -= 1;
                Some(merged)
            }
            Shared::Spelling(mode, escapes) => {
                let inner = |&part: &LangId| match *self.expr(part) {
                    Expr::Json { inner, .. } => inner,
                    _ => LangId::NEVER,
                };
                let inners: Vec<LangId> = same.iter().map(inner).collect();
                let inner = self.union(&inners);
                Some(self.json(inner, mode, escapes))
            }
        }
    }

    fn merge_heads(&mut self, head: LangId, same: &[LangId]) -> Option<LangId> {
        let key = key_of_parts(same);
        if let Some(&known) = self.mergers.known.get(&key) {
            return Some(known);
        }
        if self.mergers.nested >= MAX_MERGING {
            return None;
        }
        // All heads that the group shares are taken at once, so that long equal runs do not
        // recurse.
        let mut heads = vec![head];
        let mut tails: Vec<LangId> = same.iter().map(|&part| self.tail(part)).collect();
        while let Expr::Concat(head, _) = *self.expr(tails[0]) {
            let shared = |&tail: &LangId| matches!(*self.expr(tail), Expr::Concat(h, _) if h == head);
            if !tails.iter().all(shared) {
                break;
            }
            heads.push(head);
            tails.iter_mut().for_each(|tail| *tail = self.tail(*tail));
        }
        self.mergers.nested += 1;
        let tail = self.union(&tails);
        self.mergers.nested -= 1;
        let merged = heads.iter().rev().fold(tail, |tail, &head| self.concat(head, tail));
        if self.is_sound() {
            self.mergers.known.insert(key, merged);
        }
        Some(merged)
    }

    /// Drops the longer one of two alternatives that are a run of characters of one class and then
    /// any text: `[a-z]{3}.* ∪ [a-z]{5}.* = [a-z]{3}.*`. Otherwise the unanchored pattern
    /// `[a-z]{20}` would remember all places at which a run may have begun.
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

    /// The parts of a union, whose `neutral` language is [`LangId::NEVER`], or of an intersection,
    /// whose `neutral` language is [`LangId::ALL`]: sorted, each once, without `neutral`, and with
    /// the parts of an inner one in its place. `None` if one of them is `absorbing`.
    fn flat(&mut self, parts: &[LangId], neutral: LangId, absorbing: LangId) -> Option<Vec<LangId>> {
        if parts.contains(&absorbing) {
            return None;
        }
        let mut flat: Vec<LangId> = Vec::with_capacity(parts.len());
        for &part in parts.iter().filter(|part| **part != neutral) {
            match self.expr(part) {
                Expr::Union(inner) if neutral == LangId::NEVER => flat.extend_from_slice(inner),
                Expr::Inter(inner) if neutral == LangId::ALL => flat.extend_from_slice(inner),
                _ => flat.push(part),
            }
        }
        self.work(flat.len());
        flat.sort_unstable();
        flat.dedup();
        Some(flat)
    }

    fn tail(&self, id: LangId) -> LangId {
        match *self.expr(id) {
            Expr::Concat(_, tail) => tail,
            _ => LangId::EMPTY,
        }
    }

    /// The intersection: the words that all of `parts` have. It may have no word without being
    /// [`LangId::NEVER`], and [`is_never`](Self::is_never) finds that out.
    pub fn inter(&mut self, parts: &[LangId]) -> LangId {
        let Some(mut flat) = self.flat(parts, LangId::ALL, LangId::NEVER) else {
            return LangId::NEVER;
        };
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
        // No word is both UTF-8 text and not UTF-8 text. `(?!x)` becomes "not text" once `x` has
        // matched. Without this rule the product with all the other parts would be searched.
        let no_text = |&p: &LangId| matches!(*self.expr(p), Expr::Not(x) if x == self.text);
        if flat.iter().any(no_text) && flat.iter().any(|&p| self.is_text(p)) {
            return LangId::NEVER;
        }
        // json(x) ∩ json(y) = json(x ∩ y), since a spelling decodes to only one text.
        let spelling = |pool: &Self, id: LangId| match *pool.expr(id) {
            Expr::Json { inner, mode, escapes } if mode != JsonMode::Closed => Some((mode, escapes, inner)),
            _ => None,
        };
        if flat.len() > 1
            && let Some((mode, escapes, _)) = flat.iter().find_map(|&p| spelling(self, p))
        {
            let (same, mut rest): (Vec<LangId>, Vec<LangId>) = flat
                .iter()
                .partition(|&&p| matches!(spelling(self, p), Some((m, e, _)) if (m, e) == (mode, escapes)));
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
        if self.absorb(&mut flat) {
            return self.inter(&flat);
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

    /// Leaves out of unions what the rest of the intersection demands already:
    /// `a ∩ ((a ∩ b) ∪ c) = a ∩ (b ∪ c)`. True if a part changed.
    ///
    /// A lookahead in a repetition leads to such unions: what it demands holds for all that
    /// follows, and each round demands it again. Without this rule, the rounds would nest.
    fn absorb(&mut self, flat: &mut [LangId]) -> bool {
        let demanded = |part: &LangId| flat.binary_search(part).is_ok();
        let demands_again = |pool: &Self, member: LangId| match pool.expr(member) {
            Expr::Inter(parts) => parts.iter().any(demanded),
            _ => false,
        };
        let union = flat.iter().position(|&part| match self.expr(part) {
            Expr::Union(members) if self.info[part.index()].has_intersections => {
                members.len() <= MAX_ABSORBED && members.iter().any(|&member| demands_again(self, member))
            }
            _ => false,
        });
        let Some(union) = union else { return false };
        let Expr::Union(members) = self.expr(flat[union]).clone() else { return false };
        self.work(members.len());
        let mut left = Vec::with_capacity(members.len());
        for &member in members.iter() {
            left.push(match self.expr(member) {
                Expr::Inter(parts) if parts.iter().any(demanded) => {
                    let rest: Vec<LangId> = parts.iter().copied().filter(|part| !demanded(part)).collect();
                    self.inter(&rest)
                }
                _ => member,
            });
        }
        flat[union] = self.union(&left);
        true
    }

    /// Merges a run of characters of one class and a number of characters into a counted run:
    /// `[a-z]+ ∩ .{0,8} = [a-z]{1,8}`.
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

    /// The complement: every byte string that is no word of `body`. Intersect it with
    /// [`any_text`](Self::any_text) to stay within UTF-8.
    pub fn not(&mut self, body: LangId) -> LangId {
        match *self.expr(body) {
            Expr::Never => LangId::ALL,
            Expr::All => LangId::NEVER,
            Expr::Not(inner) => inner,
            _ => self.intern(Expr::Not(body)),
        }
    }
}

/// The most members of a union that an intersection looks into.
const MAX_ABSORBED: usize = 256;

/// The most mergers that nest within each other. Beyond that, alternatives stay apart. Without this
/// limit, merging the tails of a thousand nested counts would recurse a thousand levels deep.
const MAX_MERGING: u32 = 400;

/// The part that alternatives of one group share.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Shared {
    Head(LangId),
    Body(LangId, u32, u32),
    Spelling(JsonMode, Escapes),
    /// Of a loop: all but its counts, and these.
    Counts(u128, usize, u32, u32),
    /// Of a loop: all but what follows it.
    Followers(u128, u32, u32),
    /// Of an intersection: its conditions.
    Conditions(u128),
}

/// The length of the first group of alternatives, which are sorted. Repetitions of one body are a
/// group as far as their counts leave no gap.
fn group_len(keyed: &[(Shared, LangId)]) -> usize {
    let Some(&(first, _)) = keyed.first() else { return 0 };
    let (Shared::Body(.., mut high) | Shared::Counts(.., mut high)) = first else {
        return keyed.iter().take_while(|keyed| keyed.0 == first).count();
    };
    let adjoins = |keyed: &&(Shared, LangId)| {
        let (low, top) = match (first, keyed.0) {
            (Shared::Body(body, ..), Shared::Body(other, low, top)) if other == body => (low, top),
            (Shared::Counts(family, context, ..), Shared::Counts(other, at, low, top))
                if (other, at) == (family, context) =>
            {
                (low, top)
            }
            _ => return false,
        };
        let adjoins = low <= high.saturating_add(1);
        high = if adjoins { high.max(top) } else { high };
        adjoins
    };
    keyed.iter().take_while(adjoins).count()
}

fn key_of_parts(parts: &[LangId]) -> u128 {
    parts.iter().fold(Fingerprinter::new(0x3e26), |f, part| f.word(part.0.into())).finish()
}

fn fingerprint_of_key(key: &str) -> u128 {
    Fingerprinter::new(0x3ac1).bytes(key.as_bytes()).finish()
}

/// The counts of `(r{low,high}){min,max}` as one pair: `(r{2,3}){4,5}` is `r{8,15}`. `None` if the
/// intervals `k·low..=k·high` for `k` in `min..=max` leave a gap between them.
pub(crate) fn flatten_counts((low, high): (u32, u32), (min, max): (u32, u32)) -> Option<(u32, u32)> {
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
