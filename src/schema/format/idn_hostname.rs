//! `idn-hostname`: host names with U-labels, by the rules of IDNA2008 (RFC 5890 to 5893).
//!
//! A U-label is an intersection of one language per rule:
//!
//! - the allowed characters (RFC 5892 §2),
//! - the contextual rules of RFC 5892, appendix A,
//! - the rules for hyphens and leading marks (RFC 5891 §4.2.3),
//! - the Bidi rule (RFC 5893 §2), which binds all labels as soon as one is written from right to
//!   left.
//!
//! Two rules are not regular and are only bounded, so some labels that break them are accepted. The
//! Punycode form of a label must have at most 63 octets; here a label with characters beyond ASCII
//! has at most 59 characters. The text must be in normalisation form C; here the set of characters
//! ensures that for all but combining sequences. A-labels are not accepted, as in `hostname`.

use super::idna_tables::{DISALLOWED, RIGHT_TO_LEFT, VIRAMA};
use crate::automata::{ExprPool, LangId, UNBOUNDED};

/// Arabic letters that join on both sides, and those that join on the right side. ZERO WIDTH
/// NON-JOINER may stand between such letters (RFC 5892, appendix A.1).
const DUAL_JOINING: &str = r"\u0620\u0626\u0628\u062A-\u062E\u0633-\u063F\u0641-\u0647\u0649\u064A";
const RIGHT_JOINING: &str = r"\u0622-\u0625\u0627\u0629\u062F-\u0632\u0648";

/// Rules that every label keeps, as patterns of the whole label.
fn rules() -> Vec<String> {
    vec![
        // A hyphen stands neither at an end nor at both the third and the fourth place. A mark does
        // not stand at the front.
        r"(?!-|\p{M}|..--).*(?<!-)".to_owned(),
        // MIDDLE DOT stands between two l, KERAIA before Greek, and GERESH and GERSHAYIM after
        // Hebrew.
        r"(?:[^\u00B7]|(?<=l)\u00B7(?=l))*".to_owned(),
        r"(?:[^\u0375]|\u0375(?=\p{Script=Greek}))*".to_owned(),
        r"(?:[^\u05F3\u05F4]|(?<=\p{Script=Hebrew})[\u05F3\u05F4])*".to_owned(),
        // KATAKANA MIDDLE DOT stands in a label with Hiragana, Katakana or Han.
        r"[^\u30FB]*|.*[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}].*".to_owned(),
        // Arabic-Indic and Extended Arabic-Indic digits do not mix.
        r"[^\u0660-\u0669]*|[^\u06F0-\u06F9]*".to_owned(),
        // The joiners stand after a virama, and the non-joiner also between letters that would
        // join.
        format!(r"(?:[^\u200D]|(?<=[{VIRAMA}])\u200D)*"),
        format!(
            r"(?:[^\u200C]|(?<=[{VIRAMA}])\u200C|(?<=[{DUAL_JOINING}])\u200C(?=[{DUAL_JOINING}{RIGHT_JOINING}]))*"
        ),
        // The length that Punycode leaves room for: `xn--`, and a digit for each character beyond
        // ASCII. Labels of ASCII alone are added below.
        "[^]{1,59}".to_owned(),
    ]
}

/// The names whose labels are separated by `separator`.
pub(super) fn name(pool: &mut ExprPool, separator: &str) -> LangId {
    let characters = super::rust(
        pool,
        &format!(
            r"[[[\p{{Ll}}\p{{Lo}}\p{{Lm}}\p{{Nd}}\p{{Mn}}\p{{Mc}}&&\p{{age=14.0}}]--[{DISALLOWED}{}]]\-{}]+",
            // The first set is excluded: Hangul tone marks, and letters that are exceptions without
            // being unstable. The second set is allowed in addition.
            r"\u{640}\u{7FA}\u{302E}\u{302F}\u{3031}-\u{3035}\u{303B}",
            r"·͵׳״۽۾་Ꭰ-Ᏽ\u{200C}\u{200D}〇・ßς",
        ),
    );
    let mut parts = vec![characters];
    for rule in rules() {
        parts.push(super::ecma(pool, &rule));
    }
    let u_label = pool.inter(&parts);
    let ascii = super::hostname::label(pool);
    let label = pool.union(&[u_label, ascii]);

    let left_to_right = super::rust(pool, &format!(r"[^{RIGHT_TO_LEFT}\u{{660}}-\u{{669}}]*"));
    let bidi = bidi_label(pool);
    let one_direction = pool.inter(&[label, left_to_right]);
    let both_directions = pool.inter(&[label, bidi]);
    let separator = super::rust(pool, separator);
    let mut names = Vec::new();
    for label in [one_direction, both_directions] {
        let more = pool.concat(separator, label);
        let more = pool.repeat(more, 0, UNBOUNDED);
        names.push(pool.concat(label, more));
    }
    let names = pool.union(&names);
    let length = super::rust(pool, "(?s:.){1,253}");
    pool.inter(&[names, length])
}

/// A label of a name that has a right-to-left label (RFC 5893 §2).
fn bidi_label(pool: &mut ExprPool) -> LangId {
    let right = RIGHT_TO_LEFT;
    // The allowed characters of the Bidi classes ES, ON and BN.
    let neutral = r"\-·ʹʺˆ-ˏˬ͵\u{200C}\u{200D}ⸯ・ꙿꜗ-ꜟꞈ";
    let arabic = r"\u{660}-\u{669}\u{10D30}-\u{10D39}";
    let european = r"0-9\u{6F0}-\u{6F9}";
    let mark = r"\p{Mn}";
    // A right-to-left label has digits of one kind, and ends in a letter or digit.
    let right_with = |digits: &str| {
        format!(r"[{right}--{mark}](?:[{right}{neutral}{mark}{digits}]*[[{right}--{mark}]{digits}])?{mark}*")
    };
    let left = format!(r"[^{right}{arabic}{european}{neutral}{mark}]");
    let left_to_right = format!(r"{left}(?:[^{right}{arabic}]*(?:{left}|[{european}]))?{mark}*");
    super::rust(pool, &format!("{}|{}|{left_to_right}", right_with(arabic), right_with(european)))
}

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    name(pool, r"[.。．｡]")
}
