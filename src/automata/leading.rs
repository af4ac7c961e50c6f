//! The words of a language that begin with a given character. `(?=x)`, `(?![a-z])` and `\b` in
//! patterns need them.
//!
//! The words of `L` that begin with a character of `C` are the intersection `L ∩ C·Σ*`. An
//! intersection has to be searched, and mostly these words can be written without one: for
//! `[a-z]{2,9}·K` they are `(C ∩ [a-z])·[a-z]{1,8}·K`. So the class is pushed down to the first
//! factors. An intersection is left only if a first factor is a complement, a machine or an
//! unknown.
//!
//! The price: a chain of `n` factors that may all be empty becomes `n` alternatives, since each
//! factor may come first.

use super::UNBOUNDED;
use super::expr::{Expr, LangId};
use super::expr_pool::ExprPool;
use super::literals::UNLABELLED;

/// The depth to which the class is pushed down.
const MAX_DEPTH: u32 = 40;

impl ExprPool {
    /// The words of the text language `id` that begin with a character of `class`, a language of
    /// single characters.
    pub(super) fn led_by(&mut self, id: LangId, class: LangId) -> LangId {
        self.led_by_below(id, class, 0)
    }

    fn led_by_below(&mut self, id: LangId, class: LangId, depth: u32) -> LangId {
        if class == LangId::NEVER || !self.work(1) {
            return LangId::NEVER;
        }
        let Expr::Chars(set) = *self.expr(class) else { return LangId::NEVER };
        if depth > MAX_DEPTH || !self.is_text(id) {
            return self.led_by_intersection(id, class);
        }
        if let Some(&known) = self.led.get(&(id, class)) {
            return known;
        }
        let led = match self.exprs[id.index()].clone() {
            Expr::Never | Expr::Empty => LangId::NEVER,
            Expr::Chars(node) => match self.chars.intersection(node, set) {
                Some(both) => self.intern(Expr::Chars(both)),
                None => LangId::NEVER,
            },
            Expr::Literals { set: literals, lo, hi, depth } => {
                let literals = self.literals.get(literals).clone();
                self.work((hi - lo) as usize);
                let rests = (lo..hi).map(|i| (&literals.get(i).0[depth as usize..], literals.get(i).1));
                let kept: Vec<(Vec<u8>, u32)> = rests
                    .filter(|(rest, _)| self.chars.leads(set, rest))
                    .map(|(rest, _)| (rest.to_vec(), UNLABELLED))
                    .collect();
                self.literals(kept)
            }
            Expr::Concat(..) => {
                let mut alternatives = Vec::new();
                let mut at = id;
                while let Expr::Concat(head, tail) = *self.expr(at) {
                    let head_led = self.led_by_below(head, class, depth + 1);
                    alternatives.push(self.concat(head_led, tail));
                    at = tail;
                    if !self.is_nullable(head) {
                        at = LangId::NEVER;
                    }
                }
                alternatives.push(self.led_by_below(at, class, depth + 1));
                self.union(&alternatives)
            }
            Expr::Union(parts) => {
                let parts: Vec<LangId> =
                    parts.iter().map(|&part| self.led_by_below(part, class, depth + 1)).collect();
                self.union(&parts)
            }
            // Rounds before the first round that is not empty read nothing.
            Expr::Repeat(body, min, max) => {
                let first = self.led_by_below(body, class, depth + 1);
                let max = if max == UNBOUNDED { max } else { max - 1 };
                let more = self.repeat(body, min.saturating_sub(1), max);
                self.concat(first, more)
            }
            // Every word of the intersection is a word of each part, so it is enough to restrict
            // one part.
            Expr::Inter(parts) => {
                let mut parts = parts.to_vec();
                match parts.iter().position(|&part| self.is_text(part)) {
                    Some(at) => {
                        parts[at] = self.led_by_below(parts[at], class, depth + 1);
                        self.inter(&parts)
                    }
                    None => self.led_by_intersection(id, class),
                }
            }
            Expr::All | Expr::Not(_) | Expr::Json { .. } | Expr::Machine { .. } | Expr::Unknown(_) => {
                self.led_by_intersection(id, class)
            }
        };
        if self.is_sound() {
            self.led.insert((id, class), led);
        }
        led
    }

    fn led_by_intersection(&mut self, id: LangId, class: LangId) -> LangId {
        let text = self.any_text();
        let begun = self.concat(class, text);
        self.inter(&[id, begun])
    }
}

#[cfg(test)]
mod tests {
    use super::super::regex::{Anchoring, Dialect, compile};
    use super::*;

    #[test]
    fn words_begin_with_the_class() {
        let mut pool = ExprPool::new();
        let class = pool.char_class(&[(0x62, 0x63), (0xe9, 0xe9)]);
        let text = pool.any_text();
        for pattern in [
            "[a-c]{0,3}é?",
            "a|b|bb|cab|é|ea|",
            "(?:a?b?c?)*",
            "(?:ab?){2,4}|(?:b|é){1,2}a",
            "a?(?:b|a(?=b))*",
            "(?!b)(?:ab|c)*",
            "[^]{0,2}",
        ] {
            let id = compile(&mut pool, pattern, Dialect::Ecma262, Anchoring::Full).unwrap();
            let led = pool.led_by(id, class);
            let begun = pool.concat(class, text);
            for word in
                ["", "a", "b", "c", "é", "ab", "bb", "ba", "éa", "bé", "cab", "abb", "caé", "abab", "cc"]
            {
                let word = word.as_bytes();
                assert_eq!(
                    pool.accepts(led, word),
                    pool.accepts(id, word) && pool.accepts(begun, word),
                    "{pattern} {}",
                    String::from_utf8_lossy(word)
                );
            }
        }
    }
}
