//! Texts for grammars that come without any: random walks through the tokens that hedgerow allows.
//!
//! Tokens drawn uniformly give no text that anyone would write. Most of a hundred thousand tokens
//! are rare words of many scripts, names never end, and a string hardly ever ends, because one
//! token of a thousand has the closing quote.
//!
//! A walk therefore draws first the kind of the next character (letter, digit, blank and no second
//! one, punctuation), then the character, and then a token that begins with it. Such tokens are
//! short and ASCII. In free text, in which more than half of the vocabulary is allowed, one step in
//! eight looks for a character that leads out. One step in sixteen draws uniformly, so that every
//! token can occur.

use crate::engine::allows;
use crate::random::Random;
use anyhow::Result;
use hedgerow::engine::Matcher;
use hedgerow::vocab::{TokenId, Vocabulary};

/// Length in bytes of the longest token that a walk prefers.
const LONG: usize = 8;

/// One in this many: tokens drawn uniformly; steps out of free text; walks that end at a possible
/// end.
const ANY_OF: usize = 16;
const OUT_OF: usize = 8;
const END_OF: usize = 8;

/// The tokens of a vocabulary, sorted for walks.
pub struct Walker<'a> {
    vocabulary: &'a Vocabulary,
    /// The tokens that are text.
    text: Vec<u32>,
    /// The preferred ones among them, with their first bytes.
    plain: Vec<(u32, u8)>,
    /// The preferred tokens of one byte.
    single: Vec<u32>,
}

impl<'a> Walker<'a> {
    /// Walks with the tokens of this vocabulary.
    pub fn new(vocabulary: &'a Vocabulary) -> Self {
        let bytes = |id: u32| vocabulary.bytes(TokenId(id));
        let all = 0..vocabulary.token_count() as u32;
        let text: Vec<u32> =
            all.filter(|&id| !bytes(id).is_empty() && !vocabulary.is_special(TokenId(id))).collect();
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\n');
        let plain = text.iter().map(|&id| (id, bytes(id)));
        let plain = plain.filter(|(_, text)| text.len() <= LONG && text.iter().all(|&byte| is_plain(byte)));
        let plain: Vec<(u32, u8)> = plain.map(|(id, text)| (id, text[0])).collect();
        let single = plain.iter().map(|&(id, _)| id).filter(|&id| bytes(id).len() == 1).collect();
        Walker { vocabulary, text, plain, single }
    }

    /// The tokens of one walk from the state of `matcher`: at most `steps` of them. There are fewer
    /// if the walk ends or if only the end is allowed.
    pub fn walk(&self, matcher: &mut Matcher, random: &mut Random, steps: usize) -> Result<Vec<u32>> {
        let mut mask = vec![0; self.vocabulary.size().div_ceil(32)];
        let mut tokens: Vec<u32> = Vec::new();
        while tokens.len() < steps {
            matcher.fill_mask(&mut mask)?;
            let may_end = self.vocabulary.eos().iter().any(|eos| allows(&mask, eos.0));
            if may_end && random.below(END_OF) == 0 {
                break;
            }
            let out = match random.below(OUT_OF) {
                0 if self.is_free(&mask) => self.way_out(matcher, &mask, random)?,
                _ => None,
            };
            let last = tokens.last().and_then(|&token| self.vocabulary.bytes(TokenId(token)).last());
            let after_blank = last.is_none_or(u8::is_ascii_whitespace);
            let kinds = if after_blank { Kind::VISIBLE } else { Kind::ALL };
            let Some(token) = out.or_else(|| self.draw(&mask, kinds, random)) else { break };
            if !matcher.advance(TokenId(token))? {
                break;
            }
            tokens.push(token);
        }
        Ok(tokens)
    }

    /// True if the mask allows more than half of all text tokens.
    fn is_free(&self, mask: &[u32]) -> bool {
        self.text.iter().filter(|&&token| allows(mask, token)).count() > self.text.len() / 2
    }

    /// A token of one byte after which the text is no longer free.
    fn way_out(&self, matcher: &Matcher, mask: &[u32], random: &mut Random) -> Result<Option<u32>> {
        let mut after = vec![0; mask.len()];
        let mut tokens: Vec<u32> = self.single.iter().copied().filter(|&token| allows(mask, token)).collect();
        while !tokens.is_empty() {
            let token = tokens.swap_remove(random.below(tokens.len()));
            let mut matcher = matcher.fork();
            if matcher.advance(TokenId(token))? {
                matcher.fill_mask(&mut after)?;
                if !self.is_free(&after) {
                    return Ok(Some(token));
                }
            }
        }
        Ok(None)
    }

    /// A text token of the mask. It begins with a character of one of these kinds if there is one.
    fn draw(&self, mask: &[u32], kinds: &[Kind], random: &mut Random) -> Option<u32> {
        let plain: Vec<(u32, u8)> =
            self.plain.iter().copied().filter(|&(token, _)| allows(mask, token)).collect();
        if plain.is_empty() || random.below(ANY_OF) == 0 {
            let all: Vec<u32> = self.text.iter().copied().filter(|&token| allows(mask, token)).collect();
            return pick(&all, random);
        }
        let mut firsts: Vec<u8> = plain.iter().map(|&(_, first)| first).collect();
        firsts.sort_unstable();
        firsts.dedup();
        let is_there = |kind: &Kind| firsts.iter().any(|&first| Kind::of(first) == *kind);
        let there: Vec<Kind> = kinds.iter().copied().filter(is_there).collect();
        if let Some(kind) = pick(&there, random) {
            firsts.retain(|&first| Kind::of(first) == kind);
        }
        let first = pick(&firsts, random)?;
        let tokens: Vec<u32> = plain.iter().filter(|&&(_, f)| f == first).map(|&(token, _)| token).collect();
        pick(&tokens, random)
    }
}

/// The kind of a character, as far as walks distinguish.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    Digit,
    Blank,
    Punctuation,
}

impl Kind {
    /// The kinds, each as often as it is drawn.
    const ALL: &'static [Kind] = {
        use Kind::{Blank, Digit, Letter, Punctuation};
        &[Blank, Blank, Letter, Letter, Letter, Digit, Punctuation, Punctuation, Punctuation]
    };
    /// The kinds without blanks.
    const VISIBLE: &'static [Kind] = Self::ALL.split_at(2).1;

    fn of(byte: u8) -> Self {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => Kind::Letter,
            b'0'..=b'9' => Kind::Digit,
            _ if byte.is_ascii_whitespace() => Kind::Blank,
            _ => Kind::Punctuation,
        }
    }
}

fn pick<T: Copy>(all: &[T], random: &mut Random) -> Option<T> {
    (!all.is_empty()).then(|| all[random.below(all.len())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use hedgerow::engine::Constraint;
    use hedgerow::syntax::lark;
    use hedgerow::vocab::VocabularyParts;

    /// All bytes, some words, and an end.
    fn vocabulary() -> Vocabulary {
        let mut tokens: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).collect();
        tokens.extend(["ab", "12", "a long token", "é"].map(|word| word.as_bytes().to_vec()));
        tokens.push(Vec::new());
        let eos = TokenId(tokens.len() as u32 - 1);
        let special = vec![("<end>".to_owned(), eos)];
        let parts = VocabularyParts { tokens, special, eos: vec![eos], model_size: None };
        Vocabulary::from_tokens(parts).expect("a vocabulary")
    }

    fn walks(grammar: &str, seed: u64, steps: usize) -> Vec<Vec<u32>> {
        let vocabulary = vocabulary();
        let constraint =
            Constraint::new(&lark::compile(grammar).expect("a grammar"), &vocabulary).expect("a mask");
        let (walker, mut random) = (Walker::new(&vocabulary), Random::new(seed));
        (0..40)
            .map(|_| walker.walk(&mut constraint.matcher(), &mut random, steps).expect("a walk"))
            .inspect(|tokens| {
                let mut matcher = constraint.matcher();
                assert!(tokens.iter().all(|&token| matcher.advance(TokenId(token)).expect("a step")));
            })
            .collect()
    }

    #[test]
    fn walks_follow_the_grammar_and_are_the_same_every_time() {
        let list = "start: NAME (\",\" NAME)* \";\"\nNAME: /[a-z]+|[0-9]+/";
        let made = walks(list, 1, 50);
        assert_eq!(made, walks(list, 1, 50));
        assert_ne!(made, walks(list, 2, 50));
        assert!(made.iter().all(|tokens| tokens.len() <= 50));
        // A walk that was not cut off ends with the end token.
        let ended = made.iter().filter(|tokens| tokens.len() < 50);
        assert!(ended.clone().count() > 0 && ended.into_iter().all(|tokens| tokens.ends_with(&[59])));
    }

    #[test]
    fn free_text_ends_and_has_rare_tokens() {
        let text = "start: /\"[^\"]*\"/";
        let made = walks(text, 1, 200);
        let ended = made.iter().filter(|tokens| tokens.ends_with(&[34])).count();
        assert!(ended > 30, "{ended} of {} walks have the closing quote", made.len());
        assert!(made.iter().flatten().any(|&token| token > 126), "no token beyond ASCII");
    }
}
