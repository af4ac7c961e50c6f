//! Random grammars in GBNF that are hard to read: four rules that refer to each other, with counts
//! and with classes that overlap.

use super::walk::Random;

const LITERALS: &[&str] = &["a", "é", "end", "if ", ", ", "=", "(", "\\n"];
const CLASSES: &[&str] = &["[a-z]", "[0-9]", "[^\"\\\\\\n]", ".", "[^a-z]", "[ \\n]"];
const REPETITIONS: &[&str] =
    &["?", "*", "+", "{1,20}", "{0,20}", "{2,20}", "{1,3}", "{0,3}", "{1,200}", "{0,200}", "{2,200}"];
const RULES: &[&str] = &["root", "x", "y", "z"];

/// The grammar of a seed; equal seeds give equal grammars.
pub fn gbnf(seed: u64) -> String {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut text = String::new();
    for rule in RULES {
        let alternatives: Vec<String> = (0..1 + random.below(3))
            .map(|_| {
                let items: Vec<String> = (0..1 + random.below(4)).map(|_| item(&mut random)).collect();
                items.join(" ")
            })
            .collect();
        text += &format!("{rule} ::= {}\n", alternatives.join(" | "));
    }
    text
}

fn item(random: &mut Random) -> String {
    let mut item = match random.below(3) {
        0 => format!("\"{}\"", LITERALS[random.below(LITERALS.len())]),
        1 => CLASSES[random.below(CLASSES.len())].to_owned(),
        _ => RULES[random.below(RULES.len())].to_owned(),
    };
    if random.below(3) == 0 {
        item += REPETITIONS[random.below(REPETITIONS.len())];
    }
    item
}
