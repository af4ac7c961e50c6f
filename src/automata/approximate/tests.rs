//! The claims of [`approximate`](super), compared with their definitions on random expressions.
//!
//! A definition is decided by walking pairs of states side by side, byte by byte, as far as the
//! claim reaches.

use super::*;
use crate::automata::until::text_without;
use crate::automata::{Escapes, UNBOUNDED, UNLABELLED};
use hashbrown::HashSet;

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n
    }
}

const CLASSES: [&[(u32, u32)]; 8] = [
    &[(0x61, 0x62)],
    &[(0x61, 0x7a)],
    &[(0x20, 0x7e)],
    &[(0, 0x10_ffff)],
    &[(0x62, 0x62), (0xe9, 0xe9)],
    &[(0, 0x09), (0x0b, 0x10_ffff)],
    &[(0x22, 0x22), (0x5c, 0x5c), (0x61, 0x61)],
    &[(0x80, 0x10_ffff)],
];

const WORDS: [&str; 8] = ["a", "b", "ab", "é", "aé", "\"", "\n", "abc"];

/// A random language of text.
fn text(pool: &mut ExprPool, random: &mut Random, depth: usize) -> LangId {
    let leaf = depth == 0 || random.below(5) == 0;
    match random.below(if leaf { 3 } else { 10 }) {
        0 => pool.char_class(CLASSES[random.below(CLASSES.len())]),
        1 => {
            let words: Vec<&str> =
                (0..1 + random.below(3)).map(|_| WORDS[random.below(WORDS.len())]).collect();
            pool.literals(words.into_iter().map(|word| (word.as_bytes().to_vec(), UNLABELLED)))
        }
        2 => {
            let class = pool.char_class(CLASSES[random.below(CLASSES.len())]);
            counted(pool, random, class)
        }
        3 | 4 => {
            let (a, b) = (text(pool, random, depth - 1), text(pool, random, depth - 1));
            pool.concat(a, b)
        }
        5 => {
            let (a, b) = (text(pool, random, depth - 1), text(pool, random, depth - 1));
            pool.union(&[a, b])
        }
        6 => {
            let body = text(pool, random, depth - 1);
            counted(pool, random, body)
        }
        7 => {
            let a = text(pool, random, depth - 1);
            let character = pool.char_class(CLASSES[3]);
            let length = counted(pool, random, character);
            pool.inter(&[a, length])
        }
        8 => {
            let (a, b) = (text(pool, random, depth - 1), text(pool, random, depth - 1));
            pool.inter(&[a, b])
        }
        _ => {
            let (a, b) = (text(pool, random, depth - 1), text(pool, random, depth - 1));
            let not = pool.not(b);
            let all = pool.any_text();
            if random.below(2) == 0 { pool.inter(&[a, not]) } else { pool.inter(&[all, not]) }
        }
    }
}

fn counted(pool: &mut ExprPool, random: &mut Random, body: LangId) -> LangId {
    let min = random.below(4) as u32;
    let max = match random.below(4) {
        0 => UNBOUNDED,
        1 => min + random.below(3) as u32,
        2 => 12 + random.below(30) as u32,
        _ => min + 3,
    };
    pool.repeat(body, min, max)
}

/// A random language of text, or a state within a JSON string.
fn state(pool: &mut ExprPool, random: &mut Random) -> LangId {
    let depth = 1 + random.below(3);
    let id = text(pool, random, depth);
    if random.below(3) == 0 {
        return id;
    }
    let escapes = [Escapes::Any, Escapes::NoUnicode, Escapes::Minimal][random.below(3)];
    let string = pool.json_string(id, escapes);
    pool.step(string, b'"')
}

/// A short spelling of the expression.
fn show(pool: &ExprPool, id: LangId) -> String {
    let all = |parts: &[LangId], by: &str| {
        format!("({})", parts.iter().map(|&part| show(pool, part)).collect::<Vec<_>>().join(by))
    };
    match pool.expr(id) {
        Expr::Concat(a, b) => format!("{} {}", show(pool, *a), show(pool, *b)),
        Expr::Union(parts) => all(parts, " | "),
        Expr::Inter(parts) => all(parts, " & "),
        Expr::Not(a) => format!("!{}", show(pool, *a)),
        Expr::Repeat(a, min, max) => format!("({}){{{min},{}}}", show(pool, *a), *max as i32),
        Expr::Json { inner, mode, escapes } => format!("json({}, {mode:?}, {escapes:?})", show(pool, *inner)),
        Expr::Chars(node) => pool.chars_text(*node),
        Expr::Literals { set, lo, hi, depth } => {
            let rest = |i: u32| {
                String::from_utf8_lossy(&pool.literal_set(*set).get(i).0[*depth as usize..]).into_owned()
            };
            format!("{:?}", (*lo..*hi).map(rest).collect::<Vec<_>>())
        }
        other => format!("{other:?}"),
    }
}

/// Calls `same` for all pairs that `len` bytes lead to from `a` and `b` and of which one is alive.
fn pairs(
    pool: &mut ExprPool,
    (a, b): (LangId, LangId),
    len: u32,
    mut same: impl FnMut(&mut ExprPool, LangId, LangId) -> bool,
) -> bool {
    let mut level: HashSet<(LangId, LangId)> = HashSet::from_iter([(a, b)]);
    let mut seen = level.clone();
    for read in 0..=len {
        if seen.len() > 20_000 {
            return true;
        }
        let mut next: HashSet<(LangId, LangId)> = HashSet::new();
        for (a, b) in level {
            if !same(pool, a, b) {
                return false;
            }
            if read == len || a == b {
                continue;
            }
            let (first, second) = (pool.partition(a), pool.partition(b));
            let joined = pool.partitions.join(first, second);
            for byte in pool.partitions.get(joined).representatives().to_vec() {
                let pair = (pool.step(a, byte), pool.step(b, byte));
                if pair != (LangId::NEVER, LangId::NEVER) && seen.insert(pair) {
                    next.insert(pair);
                }
            }
        }
        level = next;
    }
    true
}

fn agree(pool: &mut ExprPool, a: LangId, b: LangId, len: u32) -> bool {
    // A state that a step leads to is known to be alive. A state that was made must be asked.
    let [a, b] = [a, b].map(|id| if pool.is_never(id) { LangId::NEVER } else { id });
    pairs(pool, (a, b), len, |pool, a, b| {
        (a == LangId::NEVER) == (b == LangId::NEVER) && pool.is_nullable(a) == pool.is_nullable(b)
    })
}

/// True if `id` reads all texts of at most `len` bytes that `plain` reads and whose characters are
/// of `groups`.
fn reads(pool: &mut ExprPool, id: LangId, plain: LangId, groups: u64, len: u32) -> bool {
    let mut level: HashSet<(LangId, LangId)> = HashSet::from_iter([(id, plain)]);
    for _ in 0..len {
        let mut next: HashSet<(LangId, LangId)> = HashSet::new();
        for (at, like) in level {
            if next.len() > 2_000 {
                return true;
            }
            for byte in 0..=255u8 {
                // Within a character every byte counts that any text goes on with.
                if like == plain && byte_group(byte) & groups == 0 {
                    continue;
                }
                let ahead = (pool.step(at, byte), pool.step(like, byte));
                if ahead.1 == LangId::NEVER {
                    continue;
                }
                if ahead.0 == LangId::NEVER {
                    return false;
                }
                next.insert(ahead);
            }
        }
        level = next;
    }
    true
}

fn check(seed: u64) {
    let mut random = Random(seed);
    let pool = &mut ExprPool::new();
    let id = state(pool, &mut random);
    if pool.is_never(id) {
        return;
    }
    let shown = show(pool, id);
    let any_text = pool.any_text();
    let (plain, is_string) = match *pool.expr(id) {
        Expr::Json { mode: JsonMode::Body, escapes, .. } => {
            (pool.json(any_text, JsonMode::Body, escapes), true)
        }
        _ => (any_text, false),
    };

    for len in [1, 2, 3, 6] {
        let clamped = pool.clamped(id, len);
        assert!(agree(pool, id, clamped, len), "seed {seed}: {shown} clamped to {len}");
    }
    for near in [1, 4, 11] {
        let Some(relaxed) = pool.relaxation(id, near) else { continue };
        let keeps = pairs(pool, (id, relaxed), 8, |_, a, b| a == LangId::NEVER || b != LangId::NEVER);
        assert!(keeps, "seed {seed}: {shown}, the relaxation near {near}");
        let bytes = pool.differing_bytes(id, relaxed);
        for byte in (0..=255u8).filter(|&byte| !bytes.contains(byte)) {
            let (a, b) = (pool.step(id, byte), pool.step(relaxed, byte));
            assert!(agree(pool, a, b, 6), "seed {seed}: {shown} bytes that differ, but for {byte}");
        }
    }
    // Words of an intersection by their first character.
    for class in [CLASSES[1], CLASSES[4], CLASSES[7]] {
        if is_string || !pool.is_text(id) {
            break;
        }
        let class = pool.char_class(class);
        let led = pool.led_by(id, class);
        let begun = pool.concat(class, any_text);
        let both = pool.inter(&[id, begun]);
        assert!(
            agree(pool, led, both, 6),
            "seed {seed}: words of {} by {}: {}",
            show(pool, id),
            show(pool, class),
            show(pool, led)
        );
    }
    let groups = if is_string { pool.self_loop_classes(id) } else { pool.read_groups(id) };
    assert!(reads(pool, id, plain, groups, 6), "seed {seed}: {shown} free groups {groups:x}");
    if let Some((groups, max)) = pool.counted_groups(id) {
        let ascii = groups & !LEADS;
        assert!(
            reads(pool, id, plain, ascii, max.min(8)),
            "seed {seed}: {shown} counted groups {groups:x} {max}"
        );
        if ascii != 0 && max < 40 {
            let byte = (0x20..0x7f).find(|&b| byte_group(b) & ascii != 0).unwrap();
            let end = (0..=max).fold(id, |at, _| pool.step(at, byte));
            assert_eq!(
                end,
                LangId::NEVER,
                "seed {seed}: {shown} one more than {max} of the counted groups {groups:x}"
            );
        }
    }
    if let Some((groups, sure)) = pool.bounded_groups(id) {
        assert!(
            reads(pool, id, plain, groups, sure.min(8)),
            "seed {seed}: {shown} bounded groups {groups:x} {sure}"
        );
    }
    assert!(!pool.exhausted(), "seed {seed}: {shown} searched for too long");
}

/// The groups that a JSON string reads in any order if its spelling must not hold some texts.
fn check_without(seed: u64) {
    const TEXTS: [&str; 8] = ["ab", "</", "\\u", "a\"", "\u{e9}", "b", "bab", "\\\""];
    let mut random = Random(seed);
    let pool = &mut ExprPool::new();
    let string = state(pool, &mut random);
    let Expr::Json { mode: JsonMode::Body, escapes, .. } = *pool.expr(string) else { return };
    let texts: Vec<String> =
        (0..1 + random.below(2)).map(|_| TEXTS[random.below(TEXTS.len())].to_owned()).collect();
    let without = text_without(texts.clone(), pool);
    let id = pool.inter(&[string, without]);
    if pool.is_never(id) {
        return;
    }
    let shown = format!("{} without {texts:?}", show(pool, string));
    let any_text = pool.any_text();
    let plain = pool.json(any_text, JsonMode::Body, escapes);
    if let Some(any) = pool.any_string_like(id) {
        assert_eq!(any, plain, "seed {seed}: {shown}");
        let ends = pairs(pool, (id, plain), 6, |pool, a, b| !pool.is_nullable(a) || pool.is_nullable(b));
        assert!(ends, "seed {seed}: {shown} ends elsewhere");
    }
    let groups = pool.self_loop_classes(id);
    assert!(reads(pool, id, plain, groups, 6), "seed {seed}: {shown} free groups {groups:x}");
}

/// The lengths of words, found by walking to the end of all states.
fn check_words(seed: u64) {
    let mut random = Random(seed);
    let pool = &mut ExprPool::new();
    let depth = 1 + random.below(3);
    let id = text(pool, &mut random, depth);
    // The states that a number of characters lead to, by that number.
    let mut level: HashSet<LangId> = HashSet::from_iter([id]);
    let mut all = level.clone();
    let mut found: Vec<u32> = Vec::new();
    for length in 0..60 {
        if level.iter().any(|&state| pool.is_nullable(state)) {
            found.push(length);
        }
        let mut next: HashSet<LangId> = HashSet::new();
        for state in level {
            let mut inside = vec![(state, true)];
            while let Some((at, is_first)) = inside.pop() {
                for byte in pool.byte_classes(at).representatives().to_vec() {
                    let to = pool.derive(at, byte);
                    if to == LangId::NEVER || is_first != (byte & 0xc0 != 0x80) {
                        continue;
                    }
                    // A character ends where its last byte is read.
                    if byte < 0x80 || pool.is_text(to) || pool.is_nullable(to) {
                        next.insert(to);
                    } else {
                        inside.push((to, false));
                    }
                }
            }
        }
        all.extend(next.iter().copied());
        level = next;
        if all.len() > 3_000 {
            return;
        }
    }
    let has_word = !pool.is_never(id);
    assert!(has_word || found.is_empty(), "seed {seed}: has words of {found:?}");
    if let Some((least, most)) = pool.info[id.index()].lengths {
        let expected: Vec<u32> = (0..60).filter(|length| (least..=most).contains(length)).collect();
        assert_eq!(found, expected, "seed {seed}: lengths {least} to {most}");
    }
    assert!(
        found.first().is_none_or(|&first| first >= pool.info[id.index()].at_least),
        "seed {seed}: at least"
    );
}

#[test]
fn claims_hold_on_random_expressions() {
    (0..600).for_each(check);
}

#[test]
fn claims_hold_beside_texts_that_strings_must_not_hold() {
    (0..600).for_each(check_without);
}

#[test]
fn words_and_lengths_of_random_expressions() {
    (0..600).for_each(check_words);
}
