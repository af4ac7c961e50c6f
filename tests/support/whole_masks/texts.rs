//! Random patterns and grammars as text, with the counts, classes, literals and competing lexemes
//! of real ones.

use crate::support::reference::generate::Source;

/// The notation of a random text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// llama.cpp's GBNF.
    Gbnf,
    /// EBNF as the W3C writes it.
    W3c,
    /// EBNF as ISO 14977 writes it.
    Iso,
    /// Lark's notation.
    Lark,
}

const COUNTS: [(u32, u32); 10] =
    [(0, 1), (0, 20), (1, 3), (2, 2), (1, 64), (0, 127), (3, 128), (1, 129), (0, 200), (2, 40)];
const CLASSES: [&str; 14] = [
    "[a-z]",
    "[a-zA-Z0-9_]",
    "[0-9]",
    "\\d",
    "\\w",
    "\\S",
    "\\s",
    ".",
    "[^\"\\\\]",
    "[^a]",
    "[é-ü]",
    "\\p{L}",
    "[ab]",
    "[^/]",
];
const WORDS: [&str; 12] = ["a", "b", "ab", "foo", "foobar", "-", "=", "é", "x", "1", " ", "://"];

/// Texts of which a walk may begin with a part.
pub const HINTS: &[&str] = &[
    "foo",
    "foobar",
    "foo bar=foo;",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "12.5",
    "\"a b",
    "abcdef",
    "if",
    "if (a",
    "( a , b",
    "{\n  ",
    "x = 1",
    "ifa",
    "é",
    "https://a/b",
    "1111111111",
    "a-a-a-b",
];

/// A pattern in ECMA's dialect, anchored or not.
pub fn pattern(source: &mut Source<'_>) -> String {
    let mut budget = 10;
    let body = alternatives(source, 3, &mut budget);
    match source.below(4) {
        0 => body,
        1 => format!("^{body}"),
        2 => format!("^(?!{}){body}$", WORDS[source.below(WORDS.len())]),
        _ => format!("^(?:{body})$"),
    }
}

fn alternatives(source: &mut Source<'_>, depth: u32, budget: &mut usize) -> String {
    let count = [1, 1, 2, 3][source.below(4)];
    let parts: Vec<String> = (0..count).map(|_| sequence(source, depth, budget)).collect();
    parts.join("|")
}

fn sequence(source: &mut Source<'_>, depth: u32, budget: &mut usize) -> String {
    let count = 1 + source.below(3);
    (0..count).map(|_| item(source, depth, budget)).collect()
}

fn item(source: &mut Source<'_>, depth: u32, budget: &mut usize) -> String {
    *budget = budget.saturating_sub(1);
    let inner = match source.below(if depth == 0 || *budget == 0 { 5 } else { 8 }) {
        0..=2 => CLASSES[source.below(CLASSES.len())].to_owned(),
        3 | 4 => return WORDS[source.below(WORDS.len())].to_owned(),
        5 => format!("(?!{})", alternatives(source, 0, budget)),
        6 => format!("(?={})", alternatives(source, 0, budget)),
        _ => format!("({})", alternatives(source, depth - 1, budget)),
    };
    if inner.starts_with("(?!") || inner.starts_with("(?=") {
        return inner;
    }
    match source.below(6) {
        0 => inner,
        1 => format!("{inner}*"),
        2 => format!("{inner}+"),
        3 => format!("{inner}?"),
        _ => {
            // Nested counts multiply, so that an item with a count gets small counts only.
            let (min, max) = COUNTS[source.below(if inner.contains('{') { 4 } else { COUNTS.len() })];
            format!("{inner}{{{min},{max}}}")
        }
    }
}

/// A grammar of up to four rules.
pub fn grammar(source: &mut Source<'_>, style: Style) -> String {
    if style == Style::Lark {
        return lark(source);
    }
    let rules = ["root", "x", "y", "z"];
    let count = 1 + source.below(4);
    let mut text = String::new();
    for (i, name) in rules[..count].iter().enumerate() {
        // Most rules refer to later ones, so that most grammars have words.
        let parts: Vec<String> =
            (0..=source.below(2)).map(|_| rule_sequence(source, style, i, count, 2)).collect();
        let (define, end) = if style == Style::Iso { ("=", " ;") } else { ("::=", "") };
        text.push_str(&format!("{name} {define} {}{end}\n", parts.join(" | ")));
    }
    text
}

fn rule_sequence(source: &mut Source<'_>, style: Style, rule: usize, rules: usize, depth: u32) -> String {
    let count = 1 + source.below(3);
    let parts: Vec<String> = (0..count).map(|_| rule_item(source, style, rule, rules, depth)).collect();
    parts.join(if style == Style::Iso { " , " } else { " " })
}

fn rule_item(source: &mut Source<'_>, style: Style, rule: usize, rules: usize, depth: u32) -> String {
    const LITERALS: [&str; 9] = ["a", "foo", "if ", "=", ", ", "(", "end", "é", "ab"];
    const SETS: [&str; 7] = ["[a-z]", "[0-9]", "[^a-z]", "[a-zA-Z_]", "[ab]", "[^#x22]", "[ \\n]"];
    let atom = match source.below(if depth == 0 { 6 } else { 8 }) {
        0 | 1 => format!("\"{}\"", LITERALS[source.below(LITERALS.len())]),
        2..=4 => match style {
            Style::Gbnf => SETS[source.below(SETS.len())].replace("#x22", "\\\""),
            Style::W3c => SETS[source.below(SETS.len())].replace("\\n", "#xA"),
            _ => "(\"a\" | \"b\" | \"1\")".to_owned(),
        },
        5 => {
            let names = ["root", "x", "y", "z"];
            let to = if source.below(4) == 0 { source.below(rules) } else { (rule + 1).min(rules - 1) };
            names[to].to_owned()
        }
        _ => format!("({})", rule_sequence(source, style, rule, rules, depth - 1)),
    };
    match (style, source.below(6)) {
        (_, 0 | 1) => atom,
        (Style::Iso, 2 | 3) => format!("{{ {atom} }}"),
        (Style::Iso, 4) => format!("[ {atom} ]"),
        (Style::Iso, _) => format!("{} * {atom}", 1 + source.below(40)),
        (_, 2) => format!("{atom}*"),
        (_, 3) => format!("{atom}+"),
        (Style::W3c, _) | (_, 4) => format!("{atom}?"),
        _ => {
            let (min, max) = COUNTS[source.below(COUNTS.len())];
            format!("{atom}{{{min},{max}}}")
        }
    }
}

/// A small language with names, keywords, numbers, strings, punctuation and things to ignore.
fn lark(source: &mut Source<'_>) -> String {
    const NAMES: [&str; 6] = [
        "/[a-z]+/",
        "/[a-zA-Z_][a-zA-Z0-9_]{0,40}/",
        "/[^\\W\\d]\\w*/",
        "/[a-z]{1,8}/",
        "/[a-z]+(-[a-z]+)*/",
        "/\\w+/",
    ];
    const VALUES: [&str; 7] = [
        "/[0-9]+/",
        "/[0-9]+(\\.[0-9]+)?/",
        "/\"[^\"\\n]{0,140}\"/",
        "/'[^']*'/",
        "/\"([^\"\\\\]|\\\\.)*\"/",
        "/0x[0-9a-f]{1,16}/",
        "/[0-9]{4}-[0-9]{2}/",
    ];
    const IGNORED: [&str; 4] = ["/\\s+/", "/[ \\t]+/", "/#[^\\n]*/", "/[ \\n]{1,64}/"];
    let mut text = String::from("start: statement+\n");
    let shapes = [
        "NAME \"=\" value \";\"",
        "\"if\" value \"{\" statement* \"}\"",
        "KEY NAME",
        "\"(\" [value (\",\" value)*] \")\"",
        "NAME value*",
        "KEY value KEY",
        "value \".\" NAME",
    ];
    let count = 1 + source.below(3);
    let parts: Vec<&str> = (0..count).map(|_| shapes[source.below(shapes.len())]).collect();
    text.push_str(&format!("statement: {}\n", parts.join(" | ")));
    let shapes = [
        "NAME",
        "VALUE",
        "NAME | VALUE",
        "VALUE | \"[\" value* \"]\"",
        "NAME | VALUE | \"-\" value",
        "VALUE (\"+\" VALUE)*",
    ];
    text.push_str(&format!("value: {}\n", shapes[source.below(shapes.len())]));
    let priority = ["", ".2", ".-1"][source.below(3)];
    text.push_str(&format!("NAME{priority}: {}\n", NAMES[source.below(NAMES.len())]));
    text.push_str(&format!("VALUE: {}\n", VALUES[source.below(VALUES.len())]));
    let key = ["\"foo\" | \"bar\"", "\"if\" | \"foo\"", "/a+b?/", "\"end\""][source.below(4)];
    text.push_str(&format!("KEY{}: {key}\n", ["", ".3"][source.below(2)]));
    if source.below(4) != 0 {
        text.push_str(&format!("%ignore {}\n", IGNORED[source.below(IGNORED.len())]));
    }
    text
}
