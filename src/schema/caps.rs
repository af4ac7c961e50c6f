//! Caps: limits on the strings, arrays and numbers that a schema leaves without one.
//!
//! A model that is not sure may write thirty zeros, or one string until its tokens run out, and the
//! schema allows it. A cap removes such texts from the grammar. Like closed objects, caps only
//! narrow the output, so the algebra does not know of them: `not`, `if` and `oneOf` keep the
//! meaning that the schema gives them. They are applied where shapes become nodes.
//!
//! The schema takes precedence over a cap. A cap is raised to the numbers in the schema
//! (`minLength`, `minItems`, the digits of a bound), and it is not applied to a set without a value
//! within it. So a cap never makes a set empty. The items of an array of distinct items have no
//! caps, because the array may need many different items.
//!
//! The texts that strings must not hold (`SchemaOptions::excludes`) work in the same way, on the
//! spellings of strings.

use super::eval::Eval;
use super::number::{self, NumberSet, Part};
use super::shape::ArrayShape;
use super::term::EvalError;
use super::text::{Text, TextId};
use crate::automata::{Escapes, ExprPool, LangId, UNBOUNDED};
use crate::grammar::ArraySpec;

/// The bits of a depth that count levels. The next bit is [`UNCAPPED`].
pub(super) const DEPTH: u32 = UNCAPPED - 1;

/// A flag in the depth of a value: the value is part of an array of distinct items.
pub(super) const UNCAPPED: u32 = 1 << 27;

/// The most digits of a bound or divisor to which a cap is raised.
const MAX_DIGITS: usize = 400;

impl Eval<'_> {
    fn cap(&self, cap: Option<u32>, depth: u32) -> Option<u32> {
        cap.filter(|_| depth & UNCAPPED == 0)
    }

    /// Reports whether caps hold for strings or numbers at a depth.
    pub fn caps_scalars(&self, depth: u32) -> bool {
        let options = &self.algebra.options;
        self.cap(options.max_string_length.or(options.max_digits), depth).is_some()
            || self.kept(depth).is_some()
    }

    /// The texts without those that strings must not hold; `None` if strings at this depth may hold
    /// any text.
    fn kept(&self, depth: u32) -> Option<LangId> {
        self.algebra.standard.kept.filter(|_| depth & UNCAPPED == 0)
    }

    /// The spellings of a set of strings without the excluded texts, or all spellings if none is
    /// left.
    pub fn kept_spellings(&mut self, spellings: LangId, depth: u32) -> LangId {
        let Some(kept) = self.kept(depth) else { return spellings };
        let rest = self.pool().inter(&[spellings, kept]);
        if self.pool().is_never(rest) { spellings } else { rest }
    }

    /// The JSON spellings of a set of strings that is no union, within the cap.
    pub fn spelt(&mut self, strings: TextId, escapes: Escapes, depth: u32) -> LangId {
        let capped = match self.cap(self.algebra.options.max_string_length, depth) {
            Some(cap) => self.capped_strings(strings, cap),
            None => strings,
        };
        let spellings = self.spellings(capped, escapes);
        let spellings = match capped != strings && self.pool().is_never(spellings) {
            true => self.spellings(strings, escapes),
            false => spellings,
        };
        self.kept_spellings(spellings, depth)
    }

    fn spellings(&mut self, strings: TextId, escapes: Escapes) -> LangId {
        let language = self.algebra.texts.language(strings, &mut self.nodes.languages);
        self.pool().json_string(language, escapes)
    }

    /// The strings of at most `cap` characters, or of the fewest that a `minLength` allows. A set
    /// with a greatest length is left as it is.
    fn capped_strings(&mut self, strings: TextId, cap: u32) -> TextId {
        let length = |text: &Text| match text {
            Text::Length(min, max) => Some((*min, *max)),
            _ => None,
        };
        let texts = &self.algebra.texts;
        let (min, max) = match texts.get(strings) {
            Text::Never | Text::Literals(_) => return strings,
            Text::And(parts) => parts.iter().find_map(|&part| length(texts.get(part))),
            text => length(text),
        }
        .unwrap_or((0, UNBOUNDED));
        if max != UNBOUNDED {
            return strings;
        }
        let short = self.algebra.texts.length(0, cap.max(min));
        self.algebra.texts.and(strings, short, &mut self.nodes.languages)
    }

    /// The spellings of a set of numbers, within the cap; `None` if a bound or divisor has too many
    /// digits.
    pub fn spelt_numbers(&mut self, numbers: &NumberSet, depth: u32) -> Option<LangId> {
        let policy = self.algebra.options.numbers;
        let Some(cap) = self.cap(self.algebra.options.max_digits, depth) else {
            return numbers.language(policy, self.pool());
        };
        let pool = self.pool();
        let points = NumberSet { points: numbers.points.clone(), parts: Vec::new() };
        let mut alternatives = vec![points.language(policy, pool)?];
        for part in &numbers.parts {
            let all = NumberSet { points: Vec::new(), parts: vec![part.clone()] };
            let all = all.language(policy, pool)?;
            let short = short_numbers(part, cap, pool);
            let capped = pool.inter(&[all, short]);
            alternatives.push(if pool.is_never(capped) { all } else { capped });
        }
        Some(pool.union(&alternatives))
    }

    /// Limits the number of items of an array without a limit.
    pub fn cap_items(
        &mut self,
        array: &ArrayShape,
        spec: &mut ArraySpec,
        depth: u32,
    ) -> Result<(), EvalError> {
        let Some(cap) = self.cap(self.algebra.options.max_items, depth).filter(|_| spec.max == UNBOUNDED)
        else {
            return Ok(());
        };
        let counted = array.some.iter().fold(0u32, |sum, some| sum.saturating_add(some.min));
        let late = array.some.iter().map(|some| some.from).max().unwrap_or(0);
        let needed = [spec.min, spec.prefix.len() as u32, late.saturating_add(counted)];
        spec.max = needed.into_iter().fold(cap, u32::max);
        // Items that counters do not count may have to come first.
        if spec.start().is_none() {
            spec.max = UNBOUNDED;
        }
        self.charge()
    }
}

/// The spellings of numbers with at most `cap` digits before the point, after it and in the
/// exponent. For each of the three, the cap is raised to the digits of the bounds and divisors of
/// `part`.
fn short_numbers(part: &Part, cap: u32, pool: &mut ExprPool) -> LangId {
    let (mut whole, mut fraction) = (cap, cap);
    let bounds = [&part.lower, &part.upper].into_iter().flatten().map(|bound| &bound.value);
    for value in bounds.chain(&part.multiples) {
        if let Some((before, after)) = value.plain_digits(MAX_DIGITS) {
            whole = whole.max(before.len() as u32);
            fraction = fraction.max(after.len() as u32);
        }
    }
    number::numbers_of_digits(whole, fraction, cap, pool)
}
