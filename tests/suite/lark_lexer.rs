//! Grammars in Lark's notation, compared with a slow contextual lexer over all short texts.

use crate::support::walk;
use crate::syntax::{accepts, matcher};
use hedgerow::syntax::Notation;
use std::cmp::Reverse;

/// A terminal of a few words.
struct Words {
    name: &'static str,
    words: Vec<&'static str>,
    priority: i32,
}

impl Words {
    fn written(&self) -> String {
        let words: Vec<String> = self.words.iter().map(|word| format!("{word:?}")).collect();
        words.join(" | ")
    }

    /// The order in which the lexer tries terminals; the least comes first.
    fn order(&self) -> (i32, Reverse<usize>, Reverse<usize>, &str) {
        let lengths = || self.words.iter().map(|word| word.len());
        let written = lengths().sum::<usize>() + if self.is_text() { 0 } else { 3 + self.words.len() };
        (-self.priority, Reverse(lengths().max().unwrap()), Reverse(written), self.name)
    }

    fn is_text(&self) -> bool {
        self.words.len() == 1
    }

    /// True if a match of this terminal that equals the string `text` counts as that string.
    fn takes(&self, text: &Words) -> bool {
        let same = self.priority == text.priority && self.words.contains(&text.words[0]);
        !self.is_text() && text.is_text() && same
    }
}

/// True if one of the `sentences` (lists of terminals) has the spelling `text`, cut up as a
/// contextual lexer cuts it.
fn slow_lexer_reads(terminals: &[Words], sentences: &[Vec<usize>], text: &str) -> bool {
    let (mut at, mut read) = (0, Vec::new());
    while at < text.len() {
        let may_come =
            |t: usize| sentences.iter().any(|s| s.starts_with(&read) && s.get(read.len()) == Some(&t));
        let expected: Vec<usize> = (0..terminals.len()).filter(|&t| may_come(t)).collect();
        let mut tried: Vec<(usize, &str)> = Vec::new();
        for &t in &expected {
            let is_taken = expected.iter().any(|&other| terminals[other].takes(&terminals[t]));
            let matches = terminals[t].words.iter().filter(|word| text[at..].starts_with(**word));
            if let (false, Some(longest)) = (is_taken, matches.max_by_key(|word| word.len())) {
                tried.push((t, longest));
            }
        }
        let Some(&(mut terminal, found)) = tried.iter().min_by_key(|(t, _)| terminals[*t].order()) else {
            return false;
        };
        let strings = expected
            .iter()
            .filter(|&&t| terminals[terminal].takes(&terminals[t]) && terminals[t].words[0] == found);
        if let Some(&string) = strings.max_by_key(|&&t| terminals[t].order()) {
            terminal = string;
        }
        let length = found.len();
        read.push(terminal);
        at += length;
    }
    sentences.contains(&read)
}

#[test]
fn lexed_grammars_agree_with_a_slow_lexer() {
    let mut random = walk::Random(3);
    let all: Vec<String> = (0..=7)
        .flat_map(|length| {
            (0..1u32 << length)
                .map(move |bits| (0..length).map(|i| if bits >> i & 1 == 1 { 'b' } else { 'a' }).collect())
        })
        .collect();
    let (mut accepted, mut grammars) = (0, 0);
    for _ in 0..150 {
        let mut pick = |from: &[&'static str]| from[random.below(from.len())];
        let pool = ["a", "b", "ab", "ba", "aa", "aab", "bab", "abab", "bb"];
        let mut terminals: Vec<Words> = ["A", "B", "C", "D"]
            .iter()
            .map(|&name| {
                let mut words: Vec<&str> = (0..1 + name.len()).map(|_| pick(&pool)).collect();
                words.dedup();
                Words { name, words, priority: 0 }
            })
            .collect();
        for terminal in &mut terminals {
            terminal.priority = [0, 0, 0, 1][random.below(4)];
            let keep = 1 + random.below(terminal.words.len());
            terminal.words.truncate(keep);
        }
        let sentences: Vec<Vec<usize>> = (0..1 + random.below(5))
            .map(|_| (0..1 + random.below(4)).map(|_| random.below(4)).collect())
            .collect();
        let mut rules = String::from("start: ");
        let written: Vec<String> = sentences
            .iter()
            .map(|sentence| sentence.iter().map(|&t| terminals[t].name).collect::<Vec<_>>().join(" "))
            .collect();
        rules += &written.join(" | ");
        for terminal in &terminals {
            rules += &format!("\n{}.{}: {}", terminal.name, terminal.priority, terminal.written());
        }
        let grammar = Notation::Lark.compile(&rules).unwrap_or_else(|error| panic!("{rules}\n{error}"));
        let mut matcher = matcher(&grammar);
        grammars += 1;
        for text in &all {
            let expected = slow_lexer_reads(&terminals, &sentences, text);
            accepted += usize::from(expected);
            assert_eq!(accepts(&mut matcher, text.as_bytes()), expected, "{rules}\n{text}\n{grammar}");
        }
    }
    assert!(accepted > 2 * grammars, "{accepted} texts of {grammars} grammars");
}

/// Repetitions of a part that may match nothing, at any of its ranks. The texts are those that Lark
/// accepts, of all texts of `x` and up to three letters among `a`, `b` and `c`: with the terminal
/// alone, and with a `b` after it.
#[test]
fn empty_rounds_end_a_repetition() {
    let table = [
        (r"x(?:a?|b)*", "x xa xaa xaaa", "xb xab xaab"),
        (r"x(?:|a)*", "x", "xb"),
        (r"x(?:|a){2,3}", "x", "xb"),
        (r"x(?:a??)+", "x", "xb"),
        (r"x(?:a*?b?)*", "x xb xbb xbbb", ""),
        (r"x(?:a*|b)*", "x xa xaa xaaa", "xb xab xaab"),
        (r"x(?:b|a?|c)*c", "xc xac xbc xaac xabc xbac xbbc", "xcb xacb xbcb"),
        (
            r"x(?:(?:a?|b)c?)*",
            "x xa xc xaa xac xca xcc xaaa xaac xaca xacc xcaa xcac xcca xccc",
            "xb xab xcb xaab xacb xcab xccb",
        ),
        (r"x(?:a?b?|c){1,2}", "x xa xb xaa xab xba xbb xaab xaba xabb xbab", "xbbb"),
        (r"x(?:(?:a|b?|c)+)*?c", "xc xac xbc xaac xabc xbac xbbc", "xcb xacb xbcb"),
        (r"x(?:(?:a?|b)c?)*?c", "xc xac xbc xaac xabc xacc xbac xbbc xbcc", "xcb xacb xbcb"),
        (r"x(?:a?|b)*(?:b|c)", "xb xc xab xac xaab xaac", "xbb xcb xabb xacb"),
        (r"x(?:(?:|a){1,2}|b)*c", "xc xac xbc xaac xabc xbac xbbc", "xcb xacb xbcb"),
        (r"x(?:[ab]*|c)*c", "xc xac xbc xaac xabc xbac xbbc", "xcb xacb xbcb"),
    ];
    let texts: Vec<String> = (0..4u32)
        .flat_map(|length| (0..3u32.pow(length)).map(move |number| (length, number)))
        .map(|(length, number)| {
            let letter = |i| char::from(b'a' + (number / 3u32.pow(length - 1 - i) % 3) as u8);
            std::iter::once('x').chain((0..length).map(letter)).collect()
        })
        .collect();
    for (pattern, alone, before_b) in table {
        for (grammar, expected) in [
            (format!("start: T\nT: /{pattern}/\n"), alone),
            (format!("start: T B\nT: /{pattern}/\nB: \"b\"\n"), before_b),
        ] {
            let compiled = Notation::Lark.compile(&grammar);
            let accepted: Vec<&str> = match &compiled {
                Ok(compiled) => {
                    let mut matcher = matcher(compiled);
                    let read = |text: &&String| accepts(&mut matcher, text.as_bytes());
                    texts.iter().filter(read).map(String::as_str).collect()
                }
                // A grammar without a text is an error.
                Err(_) => Vec::new(),
            };
            assert_eq!(accepted.join(" "), expected, "{grammar}{:?}", compiled.err());
        }
    }
}

/// A terminal that matches exactly the text of an ignored string. Lark hands the string to the
/// parser then, which does not expect it.
#[test]
fn an_ignored_string_found_as_another_terminal_is_refused() {
    let grammar = "start: A A\nA: /[ab ][^a]?/\n%ignore \" \"\n";
    let mut matcher = matcher(&Notation::Lark.compile(grammar).unwrap());
    for (text, expected) in
        [("aa", true), ("a a", true), ("bxa", true), ("bx a", false), (" x a", false), ("ab a", false)]
    {
        assert_eq!(accepts(&mut matcher, text.as_bytes()), expected, "{text:?}");
    }
}
