//! `regex`: regular expressions of ECMA-262 with the `u` flag.
//!
//! That language is not regular: parentheses nest, backreferences name groups, and ranges compare
//! their ends. The accepted part is regular. It has groups nested up to [`DEPTH`] deep, ranges
//! among digits, among capital letters and among small letters, counts with two ends below 100, and
//! at most one named group with backreferences to it ([`group_name`]). Every accepted text is a
//! valid expression.

use super::group_name;
use crate::automata::{ExprPool, LangId, UNBOUNDED};

/// The greatest nesting of groups.
pub(super) const DEPTH: u32 = 8;

/// Texts that certainly are no expression: they begin with a quantifier or a closing bracket, or
/// end in a backslash that escapes nothing.
pub(super) const INVALID: &str = r"(?s:[*+?)\]}].*|(?:[^\\]|\\.)*\\)";

/// Escapes that are allowed inside and outside classes.
const ESCAPE: &str = concat!(
    r"\\(?:[dDwWsSfnrtv0]|[\^$\\.*+?()\[\]{}|/]|c[A-Za-z]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}",
    r"|u\{0*(?:[0-9A-Fa-f]{1,5}|10[0-9A-Fa-f]{4})\}",
    r"|[pP]\{(?:L|Ll|Lu|Lt|Lm|Lo|M|Mn|Mc|Me|N|Nd|Nl|No|P|Pc|Pd|Ps|Pe|Pi|Pf|Po|S|Sm|Sc|Sk|So|Z|Zs|Zl|Zp|C|Cc|Cf",
    r"|Letter|Number|Alphabetic|ASCII|Any|White_Space|Script=(?:Latin|Greek|Cyrillic|Han|Hiragana|Katakana|Arabic",
    r"|Hebrew|Thai|Hangul|Devanagari))\})"
);

/// A rule: no digit follows `\0`, since that would make it octal.
const NO_OCTAL: &str = r"(?:[^\\]|\\[^0]|\\0(?![0-9]))*";

/// Ranges of characters whose ends are in order, such as `a-f`.
fn ranges(from: u8, to: u8) -> Vec<String> {
    let pairs = (from..=to).flat_map(|lo| (lo..=to).map(move |hi| (lo, hi)));
    pairs.map(|(lo, hi)| format!("{}-{}", char::from(lo), char::from(hi))).collect()
}

fn class(pool: &mut ExprPool) -> LangId {
    let mut pairs = ranges(b'0', b'9');
    pairs.extend(ranges(b'A', b'Z'));
    pairs.extend(ranges(b'a', b'z'));
    let pairs = pairs.join("|");
    // An unescaped hyphen stands for itself at the front and at the end only.
    super::rust(pool, &format!(r"\[\^?-?(?:[^\[\]\\-]|{ESCAPE}|\\[b-]|{pairs})*-?\]"))
}

fn quantifier(pool: &mut ExprPool) -> LangId {
    let counts = (0..100).flat_map(|lo| (lo..100).map(move |hi| format!("{lo},{hi}")));
    let counts: Vec<String> = counts.collect();
    super::rust(pool, &format!(r"(?:[*+?]|\{{(?:[0-9]{{1,9}},?|{})\}})\??", counts.join("|")))
}

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    let character = super::rust(pool, &format!(r"[^\^$\\.*+?()\[\]{{}}|/]|/|\.|{ESCAPE}"));
    let class = class(pool);
    let quantifier = quantifier(pool);
    let quantifier = pool.repeat(quantifier, 0, 1);
    let assertion = super::rust(pool, r"\^|\$|\\[bB]");
    let (bar, close) = (super::rust(pool, r"\|"), super::rust(pool, r"\)"));
    let name = format!("<[A-Za-z_][A-Za-z0-9_]{{0,{}}}>", group_name::MAX_NAME_CHARS - 1);
    let group = super::rust(pool, &format!(r"\((?:\?:|\?{name})?"));
    let reference = super::rust(pool, &format!(r"\\k{name}"));
    let look = super::rust(pool, r"\(\?<?[=!]");
    let mut expression = LangId::EMPTY;
    for depth in 0..=DEPTH {
        let mut atoms = vec![character, class, reference];
        let mut terms = vec![assertion];
        if depth > 0 {
            atoms.push(pool.sequence(&[group, expression, close]));
            terms.push(pool.sequence(&[look, expression, close]));
        }
        let atom = pool.union(&atoms);
        terms.push(pool.concat(atom, quantifier));
        let term = pool.union(&terms);
        let alternative = pool.repeat(term, 0, UNBOUNDED);
        let more = pool.concat(bar, alternative);
        let more = pool.repeat(more, 0, UNBOUNDED);
        expression = pool.concat(alternative, more);
    }
    let no_octal = super::ecma(pool, NO_OCTAL);
    let names = group_name::language(pool);
    pool.inter(&[expression, no_octal, names])
}
