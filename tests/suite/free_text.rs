//! Free text up to triggers, and markers with special tokens in them, against a naive search.

use crate::support::bytes::special_vocabulary;
use hedgerow::engine::Constraint;
use hedgerow::grammar::{GrammarBuilder, NodeId, UntilSpec};
use hedgerow::vocab::{TokenId, Vocabulary};

/// The names of the special tokens, one the beginning of another; their ids follow those of the
/// bytes.
const SPECIAL: [&str; 3] = ["<s>", "<s>b", "ba"];

/// Tokens of several bytes.
const PIECES: [&str; 8] = ["ab", "a<", "s>", "aé", "!a", "ab!", "bb<s", "<<"];

fn vocabulary(with_special: bool) -> Vocabulary {
    special_vocabulary(&[], if with_special { &SPECIAL } else { &[] }, &PIECES)
}

/// A byte, or a special token by its number.
type Symbol = Result<u8, usize>;

/// A text's bytes and tokens, the longest name first.
fn symbols(text: &str, with_special: bool) -> Vec<Symbol> {
    let (mut found, mut rest) = (Vec::new(), text.as_bytes());
    while let Some(&first) = rest.first() {
        let mut names: Vec<usize> = (0..SPECIAL.len()).filter(|_| with_special).collect();
        names.retain(|&name| rest.starts_with(SPECIAL[name].as_bytes()));
        match names.into_iter().max_by_key(|&name| SPECIAL[name].len()) {
            Some(name) => {
                found.push(Err(name));
                rest = &rest[SPECIAL[name].len()..];
            }
            None => {
                found.push(Ok(first));
                rest = &rest[1..];
            }
        }
    }
    found
}

/// Free text, a trigger, `!`, and again from the start or the end. Free text may end where
/// `may_end` says so.
#[derive(Debug)]
struct Case {
    triggers: Vec<String>,
    forbidden: Vec<String>,
    may_end: bool,
    with_special: bool,
}

impl Case {
    /// True when the symbols are a text of the case.
    fn accepts(&self, text: &[Symbol]) -> bool {
        let patterns = |texts: &[String]| -> Vec<Vec<Symbol>> {
            texts.iter().map(|text| symbols(text, self.with_special)).collect()
        };
        let (triggers, forbidden) = (patterns(&self.triggers), patterns(&self.forbidden));
        let is_text = |text: &[Symbol]| {
            let bytes: Option<Vec<u8>> = text.iter().map(|symbol| symbol.ok()).collect();
            bytes.is_some_and(|bytes| std::str::from_utf8(&bytes).is_ok())
        };
        for end in 0..=text.len() {
            let read = &text[..end];
            if forbidden.iter().any(|pattern| read.ends_with(pattern)) {
                return false;
            }
            let fired = triggers.iter().filter(|trigger| read.ends_with(trigger));
            if let Some(longest) = fired.map(|trigger| trigger.len()).max() {
                let before = &read[..end - longest];
                let Some((Ok(digit), rest)) = text[end..].split_first() else { return false };
                let of_digit = triggers.get(usize::from(digit.wrapping_sub(b'0')));
                let is_read =
                    of_digit.is_some_and(|trigger| trigger.len() == longest && read.ends_with(trigger));
                return is_read && is_text(before) && (rest.is_empty() || self.accepts(rest));
            }
        }
        self.may_end && is_text(text)
    }

    fn constraint(&self) -> Option<Constraint> {
        self.constraint_over(&vocabulary(self.with_special))
    }

    fn constraint_over(&self, vocabulary: &Vocabulary) -> Option<Constraint> {
        let mut builder = GrammarBuilder::new();
        let rule = builder.declare("text");
        let again = builder.rule_node(rule);
        let rest = builder.nodes.alt(&[again, NodeId::EMPTY]);
        let mut spec = UntilSpec::text();
        spec.forbidden = self.forbidden.iter().map(|text| text.as_str().into()).collect();
        spec.may_end = self.may_end;
        // Behind a trigger stands its number.
        for (digit, text) in (b'0'..).zip(&self.triggers) {
            let mark = builder.nodes.literal(&[digit]);
            let target = builder.nodes.seq(mark, rest);
            spec = spec.trigger(text, target);
        }
        let body = builder.nodes.until(spec).ok()?;
        builder.define(rule, body).unwrap();
        let grammar = builder.build(again, None).ok()?;
        Some(Constraint::new(&grammar, vocabulary).unwrap())
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % n
    }
}

/// After each prefix of random texts, the end is allowed where the naive search says so, the mask
/// has what `advance` takes, and no state is a dead end.
#[test]
fn free_text_is_what_a_naive_search_says() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut checked = 0;
    for round in 0..600 {
        let text = |random: &mut Random| {
            let pieces = ["a", "b", "<", "<s>", "é", "ba"];
            let length = 1 + random.below(3);
            (0..length).map(|_| pieces[random.below(pieces.len())]).collect::<String>()
        };
        let case = Case {
            triggers: (0..1 + random.below(3)).map(|_| text(&mut random)).collect(),
            forbidden: (0..random.below(3)).map(|_| text(&mut random)).collect(),
            may_end: round % 3 > 0,
            with_special: round % 2 == 0,
        };
        let mut triggers = case.triggers.clone();
        triggers.sort();
        let prefixes = triggers.windows(2).any(|pair| pair[1].starts_with(&pair[0]));
        let Some(constraint) = case.constraint().filter(|_| !prefixes) else { continue };
        checked += 1;
        let vocabulary = constraint.vocabulary().clone();
        let mut matcher = constraint.matcher();
        let mut read: Vec<Symbol> = Vec::new();
        for _ in 0..12 {
            assert_eq!(matcher.is_accepting(), case.accepts(&read), "{case:?} {read:?}");
            let mask = matcher.mask().unwrap();
            assert!(!mask.is_empty(), "a dead end: {case:?} {read:?}");
            let mut allowed = Vec::new();
            for token in (0..vocabulary.size() as u32).map(TokenId) {
                if vocabulary.eos().contains(&token) {
                    continue;
                }
                let takes = matcher.fork().advance(token).unwrap();
                assert_eq!(takes, mask.contains(token), "{case:?} {read:?} {token:?}");
                if takes {
                    allowed.push(token);
                }
            }
            // Bytes of the patterns more often than others.
            let likely: Vec<TokenId> = allowed
                .iter()
                .copied()
                .filter(|&token| {
                    let bytes = vocabulary.bytes(token);
                    vocabulary.is_special(token)
                        || bytes.iter().all(|byte| b"ab<s>012\xc3\xa9".contains(byte))
                })
                .collect();
            let from = if likely.is_empty() { &allowed } else { &likely };
            let Some(&token) = from.get(random.below(from.len().max(1))) else { break };
            assert!(matcher.advance(token).unwrap());
            match vocabulary.special_tokens().position(|(_, id)| id == token && vocabulary.is_special(id)) {
                Some(_) => {
                    let name = vocabulary.name(token).unwrap();
                    read.push(Err(SPECIAL.iter().position(|special| *special == name).unwrap()));
                }
                None => read.extend(vocabulary.bytes(token).iter().map(|&byte| Ok(byte))),
            }
        }
        let end = matcher.completion().unwrap();
        assert!(end.is_some(), "no completion: {case:?} {read:?}");
    }
    assert!(checked > 250, "{checked}");
}

/// Every text of up to five symbols is read to its end exactly where it belongs to the case.
#[test]
fn short_texts_are_read_as_a_naive_search_says() {
    let letters: Vec<Symbol> = vec![Ok(b'a'), Ok(b'b'), Ok(b'<'), Ok(b'0'), Ok(b'1'), Err(0), Err(1)];
    let table: &[(&[&str], &[&str], bool)] = &[
        (&["ab"], &[], true),
        (&["ab", "b<"], &["aa"], true),
        (&["<s>"], &["b"], false),
        (&["a<s>", "bb"], &[], true),
        (&["<s>b", "<s>a"], &["a<s>"], true),
        (&["a<s>a"], &["ab"], false),
        (&["b", "ab"], &[], true),
        (&["a<s>", "ba<s>"], &[], true),
        (&["<s>", "b<s>"], &["ab<s>"], false),
    ];
    for &(triggers, forbidden, may_end) in table {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let (triggers, forbidden) = (owned(triggers), owned(forbidden));
        let case = Case { triggers, forbidden, may_end, with_special: true };
        let constraint = case.constraint().unwrap();
        let vocabulary = constraint.vocabulary().clone();
        let mut texts: Vec<Vec<Symbol>> = vec![Vec::new()];
        for _ in 0..5 {
            let longer = texts.iter().flat_map(|text| {
                letters.iter().map(move |letter| text.iter().chain([letter]).copied().collect())
            });
            texts = std::iter::once(Vec::new()).chain(longer.collect::<Vec<_>>()).collect();
        }
        for text in texts {
            let mut matcher = constraint.matcher();
            let reads = text.iter().all(|symbol| {
                let token = match symbol {
                    Ok(byte) => TokenId(u32::from(*byte)),
                    Err(name) => vocabulary.special(SPECIAL[*name]).unwrap(),
                };
                matcher.advance(token).unwrap()
            });
            assert_eq!(reads && matcher.is_accepting(), case.accepts(&text), "{case:?} {text:?}");
        }
    }
}

#[test]
fn triggers_that_cannot_be_read_are_errors() {
    let table: &[(&[&str], &[&str], &str)] = &[
        (&["a", "xab"], &[], "the trigger \"xab\" can never be read: it holds \"a\""),
        (&["abc"], &["b"], "the trigger \"abc\" can never be read: it holds \"b\""),
        (&["ab"], &["b"], "the trigger \"ab\" can never be read: it holds \"b\""),
        (&["ab"], &["ab"], "the trigger \"ab\" can never be read: it holds \"ab\""),
        (&[""], &[], "a trigger or forbidden text is empty"),
    ];
    for (triggers, forbidden, message) in table {
        let mut builder = GrammarBuilder::new();
        let target = builder.nodes.literal(b"!");
        let mut spec = UntilSpec::text();
        spec.forbidden = forbidden.iter().map(|text| (*text).into()).collect();
        let spec = triggers.iter().fold(spec, |spec, text| spec.trigger(text, target));
        assert_eq!(builder.nodes.until(spec).unwrap_err().to_string(), *message);
    }
}

/// Masks of free text are what stepping says of each token of a real vocabulary, wherever the text
/// stands: before a trigger, inside one, and inside a character.
#[test]
fn masks_of_free_text_agree_with_stepping() {
    let bytes = std::fs::read(crate::support::files::demo_model()).unwrap();
    let gguf = hedgerow::gguf::GgufFile::parse(&bytes).unwrap();
    let vocabulary = Vocabulary::from_gguf(&gguf).unwrap();
    /// Triggers, forbidden texts, whether the text may end, and texts at whose end masks are taken.
    type Masked = (&'static [&'static str], &'static [&'static str], bool, &'static [&'static str]);
    let cases: [Masked; 7] = [
        (&["<call>"], &[], false, &["", "a <", "<cal", "\u{e9}", "<call"]),
        (&["<call>"], &[], true, &["", "<cal"]),
        (&["the", "her", "e n"], &["es", "tr"], false, &["", "t", "th", "x e", "s"]),
        (&["the", "her"], &["es", "tr"], true, &["", "t", "th", "x e"]),
        (&["a"], &["b"], false, &["", "c"]),
        (&["\u{e9}", " \u{2019}s"], &["\u{e8}\u{e8}"], false, &["", "\u{e8}", " "]),
        (&["```", "\n\n"], &["    "], true, &["", "`", "``", "\n", "  "]),
    ];
    for (triggers, forbidden, may_end, prefixes) in cases {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let (triggers, forbidden) = (owned(triggers), owned(forbidden));
        let case = Case { triggers, forbidden, may_end, with_special: false };
        let constraint = case.constraint_over(&vocabulary).unwrap();
        for prefix in prefixes {
            for cut in 0..=usize::from(!prefix.is_ascii()) {
                let mut matcher = constraint.matcher();
                assert!(matcher.advance_bytes(&prefix.as_bytes()[..prefix.len() - cut]).unwrap());
                let mask = matcher.mask().unwrap().clone();
                for token in (0..vocabulary.token_count() as u32).map(TokenId) {
                    let advances = matcher.advance(token).unwrap();
                    assert_eq!(mask.contains(token), advances, "{case:?} {prefix:?} {cut} {token:?}");
                    if advances {
                        matcher.rollback(1).unwrap();
                    }
                }
            }
        }
    }
}
