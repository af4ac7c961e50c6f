//! The names of Python, in which some models write calls: `weather(city="Oslo")`.

use crate::automata::{ExprPool, LangId, UNBOUNDED, UNLABELLED};

/// The words that are no names.
const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def",
    "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// True for a name of ASCII letters, digits and `_` that is no keyword.
pub(crate) fn is_identifier(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(is_letter)
        && text.chars().all(|c| is_letter(c) || c.is_ascii_digit())
        && !KEYWORDS.contains(&text)
}

/// The names for which [`is_identifier`] is true.
pub(super) fn identifiers(pool: &mut ExprPool) -> LangId {
    let range = |low: char, high: char| (u32::from(low), u32::from(high));
    let letters = [range('A', 'Z'), range('_', '_'), range('a', 'z')];
    let first = pool.char_class(&letters);
    let other = pool.char_class(&[range('0', '9'), letters[0], letters[1], letters[2]]);
    let others = pool.repeat(other, 0, UNBOUNDED);
    let names = pool.concat(first, others);
    let keywords = pool.literals(KEYWORDS.map(|word| (word.as_bytes().to_vec(), UNLABELLED)));
    let not = pool.not(keywords);
    pool.inter(&[names, not])
}
