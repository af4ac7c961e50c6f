//! Sets of strings, as hash-consed expressions over decoded text.
//!
//! Each constraint that expands the grammar has a pool of languages of its own. So a set is kept
//! symbolic here, and becomes a language only when one is needed ([`Texts::language`]). Sets of
//! literals and ranges of lengths are combined directly. All other sets are left to the automata,
//! which also decide whether a set is empty.

use super::format::Format;
use crate::automata::{ExprPool, LangId, UNBOUNDED, UNLABELLED, interrupt};
use hashbrown::{HashMap, HashSet};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The id of a set of strings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct TextId(u32);

impl TextId {
    pub const NEVER: TextId = TextId(0);
    pub const ANY: TextId = TextId(1);
}

/// The definition of a set of strings.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Text {
    Never,
    Any,
    /// Some texts, sorted and distinct; at least one.
    Literals(Arc<[Arc<str>]>),
    /// Texts with a length from the first number to the second, in characters (code points).
    Length(u32, u32),
    /// A pattern's language. It is in the pool that the grammar started from, and so in every pool.
    Language(LangId),
    Format(Format),
    Not(TextId),
    And(Box<[TextId]>),
    Or(Box<[TextId]>),
}

/// The sets of strings of one grammar, each kept once.
pub(super) struct Texts {
    sets: Vec<Text>,
    index: HashMap<Text, TextId>,
    never: HashMap<TextId, bool>,
}

impl Default for Texts {
    fn default() -> Self {
        let mut texts = Texts { sets: Vec::new(), index: HashMap::new(), never: HashMap::new() };
        texts.intern(Text::Never);
        texts.intern(Text::Any);
        texts
    }
}

impl Texts {
    pub fn get(&self, id: TextId) -> &Text {
        &self.sets[id.0 as usize]
    }

    /// Reports whether the set evidently has a text without control characters, which every policy
    /// of escapes can spell.
    pub fn has_printable(&self, id: TextId) -> bool {
        match self.get(id) {
            Text::Length(..) => true,
            Text::Literals(texts) => texts.iter().any(|text| !text.contains(char::is_control)),
            _ => false,
        }
    }

    fn intern(&mut self, text: Text) -> TextId {
        if let Some(&id) = self.index.get(&text) {
            return id;
        }
        let id = TextId(self.sets.len() as u32);
        self.sets.push(text.clone());
        self.index.insert(text, id);
        id
    }

    pub fn literals(&mut self, mut texts: Vec<Arc<str>>) -> TextId {
        texts.sort_unstable();
        texts.dedup();
        if texts.is_empty() {
            return TextId::NEVER;
        }
        self.intern(Text::Literals(texts.into()))
    }

    pub fn length(&mut self, min: u32, max: u32) -> TextId {
        match (min, max) {
            (0, UNBOUNDED) => TextId::ANY,
            _ if min > max => TextId::NEVER,
            _ => self.intern(Text::Length(min, max)),
        }
    }

    pub fn of_language(&mut self, language: LangId) -> TextId {
        self.intern(Text::Language(language))
    }

    pub fn format(&mut self, format: Format) -> TextId {
        self.intern(Text::Format(format))
    }

    pub fn not(&mut self, a: TextId) -> TextId {
        match *self.get(a) {
            Text::Never => TextId::ANY,
            Text::Any => TextId::NEVER,
            Text::Not(inner) => inner,
            Text::Length(min, max) => {
                let below = if min == 0 { TextId::NEVER } else { self.length(0, min - 1) };
                let above = if max == UNBOUNDED { TextId::NEVER } else { self.length(max + 1, UNBOUNDED) };
                self.or(below, above)
            }
            _ => self.intern(Text::Not(a)),
        }
    }

    pub fn and(&mut self, a: TextId, b: TextId, pool: &mut ExprPool) -> TextId {
        if a == b || b == TextId::ANY {
            return a;
        }
        if a == TextId::ANY {
            return b;
        }
        let mut flat: Vec<TextId> = Vec::new();
        for id in [a, b] {
            match self.get(id) {
                Text::Never => return TextId::NEVER,
                Text::And(parts) => flat.extend_from_slice(parts),
                _ => flat.push(id),
            }
        }
        flat.sort_unstable();
        flat.dedup();
        if let Some(at) = flat.iter().position(|&p| matches!(self.get(p), Text::Literals(_))) {
            let literals = flat.swap_remove(at);
            let Text::Literals(texts) = self.get(literals).clone() else { return TextId::NEVER };
            let (mut kept, mut uncertain) = (Vec::new(), Vec::new());
            for text in texts.iter() {
                if flat.iter().all(|&part| self.contains(part, text, pool)) {
                    kept.push(text.clone());
                } else if flat.iter().all(|&part| self.may_contain(part, text, pool)) {
                    uncertain.push(text.clone());
                }
            }
            let kept = self.literals(kept);
            if uncertain.is_empty() {
                return kept;
            }
            // The texts that a format leaves out are kept beside it, so that its complement allows
            // none of them.
            flat.push(self.literals(uncertain));
            flat.sort_unstable();
            let uncertain = self.intern(Text::And(flat.into()));
            return self.or(kept, uncertain);
        }
        // One range of lengths and one set of excluded literals are enough.
        let (mut min, mut max) = (0, UNBOUNDED);
        let mut excluded: Vec<Arc<str>> = Vec::new();
        let mut rest: Vec<TextId> = Vec::new();
        for &part in &flat {
            match self.get(part) {
                Text::Length(a, b) => (min, max) = (min.max(*a), max.min(*b)),
                Text::Not(inner) => match self.get(*inner) {
                    Text::Literals(texts) => excluded.extend(texts.iter().cloned()),
                    _ if flat.contains(inner) => return TextId::NEVER,
                    _ => rest.push(part),
                },
                _ => rest.push(part),
            }
        }
        if min > max {
            return TextId::NEVER;
        }
        if (min, max) != (0, UNBOUNDED) {
            rest.push(self.length(min, max));
        }
        if !excluded.is_empty() {
            let excluded = self.literals(excluded);
            rest.push(self.not(excluded));
        }
        rest.sort_unstable();
        match rest.as_slice() {
            [one] => *one,
            _ => self.intern(Text::And(rest.into())),
        }
    }

    /// The strings in both of two sets; `None` unless each set is a set of literals, the complement
    /// of one, all strings, or none.
    pub fn and_literals(&mut self, a: TextId, b: TextId) -> Option<TextId> {
        let ((a, a_excludes), (b, b_excludes)) = (self.literals_of(a)?, self.literals_of(b)?);
        let (mut kept, other, other_excludes) = match (a_excludes, b_excludes) {
            (true, true) => {
                let excluded = self.literals([&a[..], &b].concat());
                return Some(self.not(excluded));
            }
            (false, _) => (a.to_vec(), b, b_excludes),
            (true, false) => (b.to_vec(), a, a_excludes),
        };
        kept.retain(|text| other.binary_search(text).is_ok() != other_excludes);
        Some(self.literals(kept))
    }

    /// The literals that a set consists of (`false`) or that it excludes (`true`).
    fn literals_of(&self, id: TextId) -> Option<(Arc<[Arc<str>]>, bool)> {
        Some(match self.get(id) {
            Text::Never => (Arc::default(), false),
            Text::Any => (Arc::default(), true),
            Text::Literals(found) => (found.clone(), false),
            Text::Not(inner) => match self.get(*inner) {
                Text::Literals(excluded) => (excluded.clone(), true),
                _ => return None,
            },
            _ => return None,
        })
    }

    pub fn or(&mut self, a: TextId, b: TextId) -> TextId {
        if a == b || b == TextId::NEVER {
            return a;
        }
        if a == TextId::NEVER {
            return b;
        }
        let mut flat: Vec<TextId> = Vec::new();
        let mut literals: Vec<Arc<str>> = Vec::new();
        for id in [a, b] {
            match self.get(id).clone() {
                Text::Any => return TextId::ANY,
                Text::Literals(texts) => literals.extend(texts.iter().cloned()),
                Text::Or(parts) => {
                    for &part in parts.iter() {
                        match self.get(part) {
                            Text::Literals(texts) => literals.extend(texts.iter().cloned()),
                            _ => flat.push(part),
                        }
                    }
                }
                _ => flat.push(id),
            }
        }
        // In a union, literals that a complement excludes are added again.
        if !literals.is_empty() {
            for part in &mut flat {
                let Text::Not(inner) = *self.get(*part) else { continue };
                let Text::Literals(excluded) = self.get(inner).clone() else { continue };
                let left = excluded.iter().filter(|t| !literals.contains(t)).cloned().collect();
                let left = self.literals(left);
                *part = self.not(left);
                literals.clear();
                break;
            }
            let literals = self.literals(literals);
            if literals != TextId::NEVER {
                flat.push(literals);
            }
        }
        flat.sort_unstable();
        flat.dedup();
        let opposite = |p: &TextId| matches!(self.get(*p), Text::Not(x) if flat.contains(x));
        if flat.contains(&TextId::ANY) || flat.iter().any(opposite) {
            return TextId::ANY;
        }
        match flat.as_slice() {
            [one] => *one,
            _ => self.intern(Text::Or(flat.into())),
        }
    }

    /// Reports whether `text` belongs to the set.
    pub fn contains(&mut self, id: TextId, text: &str, pool: &mut ExprPool) -> bool {
        match self.get(id).clone() {
            Text::Never => false,
            Text::Any => true,
            Text::Literals(texts) => texts.binary_search_by(|t| (**t).cmp(text)).is_ok(),
            Text::Length(min, max) => {
                let count = text.chars().count() as u64;
                u64::from(min) <= count && (max == UNBOUNDED || count <= u64::from(max))
            }
            Text::Language(_) | Text::Format(_) => {
                let language = self.language(id, pool);
                pool.accepts(language, text.as_bytes())
            }
            Text::Not(inner) => match self.get(inner).clone() {
                Text::Literals(_) | Text::Length(..) => !self.contains(inner, text, pool),
                // The complement of a format that is cut down leaves out what may be valid.
                _ => {
                    let language = self.language(id, pool);
                    pool.accepts(language, text.as_bytes())
                }
            },
            Text::And(parts) => parts.iter().all(|&p| self.contains(p, text, pool)),
            Text::Or(parts) => parts.iter().any(|&p| self.contains(p, text, pool)),
        }
    }

    /// Reports whether `text` belongs to the set if formats have the texts that they leave out
    /// ([`Format::widest`]).
    fn may_contain(&mut self, id: TextId, text: &str, pool: &mut ExprPool) -> bool {
        if !self.is_cut(id) {
            return self.contains(id, text, pool);
        }
        let widest = self.widest(id, pool);
        pool.accepts(widest, text.as_bytes())
    }

    /// Reports whether a format in the set's definition leaves texts out.
    fn is_cut(&self, id: TextId) -> bool {
        match self.get(id) {
            Text::Format(format) => format.is_cut(),
            Text::Not(inner) => self.is_cut(*inner),
            Text::And(parts) | Text::Or(parts) => parts.iter().any(|&part| self.is_cut(part)),
            _ => false,
        }
    }

    /// The set as a language, if formats have the texts that they leave out.
    fn widest(&mut self, id: TextId, pool: &mut ExprPool) -> LangId {
        match self.get(id).clone() {
            Text::Format(format) => format.widest(pool),
            Text::And(parts) => self.joined(&parts, Self::widest, ExprPool::inter, pool),
            Text::Or(parts) => self.joined(&parts, Self::widest, ExprPool::union, pool),
            Text::Not(inner) if self.is_cut(inner) => {
                let inner = self.language(inner, pool);
                let (text, not) = (pool.any_text(), pool.not(inner));
                pool.inter(&[text, not])
            }
            _ => self.language(id, pool),
        }
    }

    /// Reports whether certainly no string belongs to the set, not even if formats have the texts
    /// that they leave out. Only such a set may count as disjoint from others.
    pub fn is_certainly_never(&mut self, id: TextId, pool: &mut ExprPool) -> bool {
        if !self.is_cut(id) {
            return self.is_never(id, pool);
        }
        let widest = self.widest(id, pool);
        pool.is_never(widest)
    }

    /// The set as a language of decoded UTF-8 text.
    pub fn language(&mut self, id: TextId, pool: &mut ExprPool) -> LangId {
        match self.get(id).clone() {
            Text::Never => LangId::NEVER,
            Text::Any => pool.any_text(),
            Text::Literals(texts) => pool.literals(texts.iter().map(|t| (t.as_bytes().to_vec(), UNLABELLED))),
            Text::Length(min, max) => {
                let any = pool.char_class(&[(0, 0x10_ffff)]);
                pool.repeat(any, min, max)
            }
            Text::Language(language) => language,
            Text::Format(format) => format.language(pool),
            Text::Not(inner) => match self.get(inner).clone() {
                // De Morgan's laws move the complement inwards. Two complements then cancel out,
                // and a search sees the texts that are left to be read.
                Text::Or(parts) => self.joined(&parts, Self::language_without, ExprPool::inter, pool),
                Text::And(parts) => self.joined(&parts, Self::language_without, ExprPool::union, pool),
                Text::Format(format) => {
                    let parts = [format.language(pool), format.left_out(pool)];
                    let [not, nor] = parts.map(|part| pool.not(part));
                    let text = pool.any_text();
                    pool.inter(&[text, not, nor])
                }
                _ => {
                    let inner = self.language(inner, pool);
                    let not = pool.not(inner);
                    let text = pool.any_text();
                    pool.inter(&[text, not])
                }
            },
            Text::And(parts) => self.joined(&parts, Self::language, ExprPool::inter, pool),
            Text::Or(parts) => self.joined(&parts, Self::language, ExprPool::union, pool),
        }
    }

    /// The languages of sets, joined to one.
    fn joined(
        &mut self,
        parts: &[TextId],
        language: fn(&mut Self, TextId, &mut ExprPool) -> LangId,
        join: fn(&mut ExprPool, &[LangId]) -> LangId,
        pool: &mut ExprPool,
    ) -> LangId {
        let parts: Vec<LangId> = parts.iter().map(|&part| language(self, part, pool)).collect();
        join(pool, &parts)
    }

    /// The texts that are not in the set.
    fn language_without(&mut self, id: TextId, pool: &mut ExprPool) -> LangId {
        let not = self.not(id);
        self.language(not, pool)
    }

    /// Reports whether no string belongs to the set.
    pub fn is_never(&mut self, id: TextId, pool: &mut ExprPool) -> bool {
        match self.get(id) {
            Text::Never => return true,
            Text::Any | Text::Literals(_) | Text::Length(..) | Text::Format(_) => return false,
            Text::Not(inner) if matches!(self.get(*inner), Text::Literals(_)) => return false,
            _ => {}
        }
        if let Some(&known) = self.never.get(&id) {
            return known;
        }
        let language = self.language(id, pool);
        let never = pool.is_never(language);
        // An answer after the search budget ran out, or after an interrupt, may be wrong and is not
        // kept.
        if !pool.exhausted() && !interrupt::is_over() {
            self.never.insert(id, never);
        }
        never
    }

    /// Reports whether evidently infinitely many strings belong to the set.
    pub fn is_evidently_endless(&self, id: TextId) -> bool {
        match self.get(id) {
            Text::Any => true,
            Text::Length(_, max) => *max == UNBOUNDED,
            Text::Not(inner) => matches!(self.get(*inner), Text::Literals(_)),
            _ => false,
        }
    }

    /// The number of strings in the set, counted up to `limit`.
    pub fn count(&mut self, id: TextId, limit: usize, pool: &mut ExprPool) -> Count {
        match self.get(id) {
            Text::Never => return Count::Exactly(0),
            Text::Literals(texts) if texts.len() <= limit => return Count::Exactly(texts.len()),
            Text::Literals(_) | Text::Any => return Count::More,
            Text::Not(inner) if matches!(self.get(*inner), Text::Literals(_)) => return Count::More,
            _ => {}
        }
        let language = self.language(id, pool);
        count_words(pool, language, limit)
    }
}

/// Transitions that a count of words looks at before it is given up.
const MAX_COUNT_STEPS: usize = 1 << 20;

/// The result of counting up to a limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Count {
    Exactly(usize),
    /// The number is greater than the limit.
    More,
    /// The number is unknown, because counting took too long.
    Unknown,
}

impl Count {
    pub fn exactly(self) -> Option<usize> {
        match self {
            Count::Exactly(count) => Some(count),
            Count::More | Count::Unknown => None,
        }
    }
}

/// The number of words in a language, counted up to `limit`.
///
/// Prefixes of words are counted by the state that they lead to, length by length. Each state has a
/// word, and different prefixes of one length begin different words. So once there are more than
/// `limit` of them, there are more words. A language is infinite if prefixes are longer than there
/// are states, because then some state comes twice on the way.
pub(super) fn count_words(pool: &mut ExprPool, language: LangId, limit: usize) -> Count {
    if pool.is_never(language) {
        return Count::Exactly(0);
    }
    if pool.is_endless(language) {
        return Count::More;
    }
    let limit = limit as u64;
    // Sorted, so that states are numbered alike in every run.
    let mut level: BTreeMap<LangId, u64> = BTreeMap::from([(language, 1)]);
    let mut seen: HashSet<LangId> = HashSet::new();
    let (mut words, mut length, mut steps) = (0u64, 0usize, 0usize);
    while !level.is_empty() {
        seen.extend(level.keys());
        let begun = level.values().fold(0u64, |sum, &n| sum.saturating_add(n));
        if words.saturating_add(begun) > limit || length >= seen.len() {
            return Count::More;
        }
        let mut next: BTreeMap<LangId, u64> = BTreeMap::new();
        for (&state, &prefixes) in &level {
            if pool.is_nullable(state) {
                words = words.saturating_add(prefixes);
            }
            let mut sizes = [0u64; 256];
            let classes = pool.byte_classes(state).clone();
            (0..=255u8).for_each(|byte| sizes[classes.class(byte)] += 1);
            for (class, &byte) in classes.representatives().iter().enumerate() {
                let to = pool.step(state, byte);
                if to != LangId::NEVER {
                    let sum = next.entry(to).or_default();
                    *sum = sum.saturating_add(prefixes.saturating_mul(sizes[class]));
                }
            }
            steps += classes.len();
        }
        if steps > MAX_COUNT_STEPS || !pool.is_sound() {
            return Count::Unknown;
        }
        (level, length) = (next, length + 1);
    }
    Count::Exactly(words as usize)
}

/// The words of a language of decoded text; `None` if they are more than `limit`.
pub(super) fn words(pool: &mut ExprPool, language: LangId, limit: usize) -> Option<Vec<Arc<str>>> {
    count_words(pool, language, limit).exactly()?;
    let mut words = Vec::new();
    let mut open = vec![(language, Vec::new())];
    while let Some((state, word)) = open.pop() {
        if pool.is_nullable(state) {
            words.extend(std::str::from_utf8(&word).map(Arc::from));
        }
        for byte in (0..=255u8).rev() {
            let next = pool.step(state, byte);
            if next != LangId::NEVER {
                let mut longer = word.clone();
                longer.push(byte);
                open.push((next, longer));
            }
        }
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boolean_operations_agree_with_membership() {
        let mut pool = ExprPool::new();
        let mut t = Texts::default();
        let ab = t.literals(vec!["b".into(), "a".into()]);
        let bc = t.literals(vec!["b".into(), "c".into()]);
        let b = t.literals(vec!["b".into()]);
        assert_eq!(t.and(ab, bc, &mut pool), b);
        let (not_ab, not_bc) = (t.not(ab), t.not(bc));
        let neither = t.and(not_ab, not_bc, &mut pool);
        let any = t.or(ab, bc);
        let not_any = t.not(any);
        assert_eq!(neither, not_any);
        assert_eq!(t.or(not_ab, ab), TextId::ANY);
        assert_eq!(t.and(not_ab, ab, &mut pool), TextId::NEVER);
        let short = t.length(0, 3);
        let long = t.not(short);
        assert_eq!(t.get(long), &Text::Length(4, UNBOUNDED));
        assert_eq!(t.and(short, long, &mut pool), TextId::NEVER);
        let one = t.length(1, 1);
        let odd = t.and(one, not_ab, &mut pool);
        assert!(t.contains(odd, "ü", &mut pool) && !t.contains(odd, "a", &mut pool));
        assert!(!t.is_never(odd, &mut pool));
        assert_eq!(t.count(any, 8, &mut pool), Count::Exactly(3));
        assert_eq!(t.count(any, 2, &mut pool), Count::More);
        assert_eq!(t.count(odd, 8, &mut pool), Count::More);
    }
}
