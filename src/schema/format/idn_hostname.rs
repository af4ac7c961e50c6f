//! `idn-hostname`: host names with U-labels, by the rules of IDNA2008 (RFC 5890 to 5893).
//!
//! A U-label keeps these rules:
//!
//! - the allowed characters (RFC 5892 §2),
//! - the contextual rules of RFC 5892, appendix A,
//! - the rules for hyphens and leading marks (RFC 5891 §4.2.3),
//! - the Bidi rule (RFC 5893 §2), which binds all labels as soon as one is written from right to
//!   left.
//!
//! All rules together have few states, so they are one [table](CharTable).
//!
//! Two rules are not regular and are only bounded, so some labels that break them are accepted. The
//! Punycode form of a label must have at most 63 octets; here a label with characters beyond ASCII
//! has at most 59 characters, which leaves room for `xn--` and a digit for each of them. The text
//! must be in normalisation form C; here the set of characters ensures that for all but combining
//! sequences. A-labels are not accepted, as in `hostname`.

use super::idna_tables::{DISALLOWED, RIGHT_TO_LEFT, VIRAMA};
use crate::automata::char_table::{CharRules, CharTable};
use crate::automata::{ExprPool, LangId};
use regex_syntax::hir::{Class, HirKind};
use std::sync::Arc;

/// The most characters of a label of ASCII characters, and of another one.
const MAX_ASCII_LABEL_CHARS: u8 = 63;
const MAX_LABEL_CHARS: u8 = 59;

/// Arabic letters that join on both sides, and those that join on the right side. ZERO WIDTH
/// NON-JOINER may stand between such letters (RFC 5892, appendix A.1).
const DUAL_JOINING: &str =
    r"\u{620}\u{626}\u{628}\u{62A}-\u{62E}\u{633}-\u{63F}\u{641}-\u{647}\u{649}\u{64A}";
const RIGHT_JOINING: &str = r"\u{622}-\u{625}\u{627}\u{629}\u{62F}-\u{632}\u{648}";

/// The sets of characters that the rules speak of, as bits.
mod set {
    pub const SEPARATOR: u64 = 1 << 0;
    pub const ASCII: u64 = 1 << 1;
    /// The letter x, small or capital, and the letter n.
    pub const X: u64 = 1 << 2;
    pub const N: u64 = 1 << 3;
    pub const HYPHEN: u64 = 1 << 4;
    /// The characters of U-labels.
    pub const ALLOWED: u64 = 1 << 5;
    pub const MARK: u64 = 1 << 6;
    pub const SMALL_L: u64 = 1 << 7;
    pub const MIDDLE_DOT: u64 = 1 << 8;
    pub const KERAIA: u64 = 1 << 9;
    pub const GREEK: u64 = 1 << 10;
    /// GERESH and GERSHAYIM.
    pub const GERESH: u64 = 1 << 11;
    pub const HEBREW: u64 = 1 << 12;
    pub const KATAKANA_DOT: u64 = 1 << 13;
    /// Hiragana, Katakana and Han.
    pub const KANA: u64 = 1 << 14;
    pub const ARABIC_INDIC: u64 = 1 << 15;
    pub const EXTENDED_ARABIC_INDIC: u64 = 1 << 16;
    pub const JOINER: u64 = 1 << 17;
    pub const NON_JOINER: u64 = 1 << 18;
    pub const VIRAMA: u64 = 1 << 19;
    pub const DUAL_JOINING: u64 = 1 << 20;
    pub const RIGHT_JOINING: u64 = 1 << 21;
    /// The Bidi classes R and AL, AN, EN and NSM, and those of ES, ON and BN that are allowed.
    pub const RIGHT_TO_LEFT: u64 = 1 << 22;
    pub const ARABIC_NUMBER: u64 = 1 << 23;
    pub const EUROPEAN_NUMBER: u64 = 1 << 24;
    pub const NONSPACING: u64 = 1 << 25;
    pub const NEUTRAL: u64 = 1 << 26;
}

/// The inside of the class of each set, in the order of the bits.
fn classes(separators: &str) -> Vec<String> {
    let text = str::to_owned;
    vec![
        text(separators),
        text(r"A-Za-z0-9\-"),
        text("Xx"),
        text("Nn"),
        text(r"\-"),
        format!(
            r"[[\p{{Ll}}\p{{Lo}}\p{{Lm}}\p{{Nd}}\p{{Mn}}\p{{Mc}}&&\p{{age=14.0}}]--[{DISALLOWED}{}]]\-{}",
            // The first set is excluded: Hangul tone marks, and letters that are exceptions without
            // being unstable. The second set is allowed in addition.
            r"\u{640}\u{7FA}\u{302E}\u{302F}\u{3031}-\u{3035}\u{303B}",
            r"·͵׳״۽۾་Ꭰ-Ᏽ\u{200C}\u{200D}〇・ßς",
        ),
        text(r"\p{M}"),
        text("l"),
        text(r"\u{B7}"),
        text(r"\u{375}"),
        text(r"\p{Greek}"),
        text(r"\u{5F3}\u{5F4}"),
        text(r"\p{Hebrew}"),
        text(r"\u{30FB}"),
        text(r"\p{Hiragana}\p{Katakana}\p{Han}"),
        text(r"\u{660}-\u{669}"),
        text(r"\u{6F0}-\u{6F9}"),
        text(r"\u{200D}"),
        text(r"\u{200C}"),
        text(VIRAMA),
        text(DUAL_JOINING),
        text(RIGHT_JOINING),
        text(RIGHT_TO_LEFT),
        text(r"\u{660}-\u{669}\u{10D30}-\u{10D39}"),
        text(r"0-9\u{6F0}-\u{6F9}"),
        text(r"\p{Mn}"),
        text(r"\-·ʹʺˆ-ˏˬ͵\u{200C}\u{200D}ⸯ・ꙿꜗ-ꜟꞈ"),
    ]
}

/// The characters of a class.
fn ranges(class: &str) -> Vec<(char, char)> {
    // The classes are constants; the tests build every one of them.
    match regex_syntax::parse(&format!("[{class}]")).map(|class| class.into_kind()) {
        Ok(HirKind::Class(Class::Unicode(class))) => {
            class.ranges().iter().map(|range| (range.start(), range.end())).collect()
        }
        Ok(HirKind::Literal(literal)) => {
            let text = std::str::from_utf8(&literal.0).unwrap_or_default();
            text.chars().map(|c| (c, c)).collect()
        }
        _ => Vec::new(),
    }
}

/// The characters before the present one that a rule asks about.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Previous {
    Hyphen,
    SmallL,
    Virama,
    DualJoining,
    Hebrew,
    Other,
}

impl Previous {
    fn of(sets: u64) -> Self {
        let kinds = [
            (set::HYPHEN, Previous::Hyphen),
            (set::SMALL_L, Previous::SmallL),
            (set::VIRAMA, Previous::Virama),
            (set::DUAL_JOINING, Previous::DualJoining),
            (set::HEBREW, Previous::Hebrew),
        ];
        kinds.into_iter().find(|(kind, _)| sets & kind != 0).map_or(Previous::Other, |kind| kind.1)
    }
}

/// A U-label of which some characters were read.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct ULabel {
    /// The number of characters, up to 4.
    read: u8,
    previous: Previous,
    /// The sets of which the next character must be in one. 0 if it may be any.
    needed: u64,
    /// True if a KATAKANA MIDDLE DOT, or a letter that it must stand beside, was read.
    has_dot: bool,
    has_kana: bool,
    /// The digits that were read: of the sets `ARABIC_INDIC` and `EXTENDED_ARABIC_INDIC`.
    digits: u64,
}

impl ULabel {
    const EMPTY: ULabel =
        ULabel { read: 0, previous: Previous::Other, needed: 0, has_dot: false, has_kana: false, digits: 0 };

    fn next(self, sets: u64) -> Option<Self> {
        let is = |kind: u64| sets & kind != 0;
        let ULabel { read, previous, needed, .. } = self;
        if !is(set::ALLOWED) || needed != 0 && !is(needed) {
            return None;
        }
        // A hyphen stands neither at an end nor at both the third and the fourth place. A mark does
        // not stand at the front.
        let is_misplaced = match read {
            0 => is(set::HYPHEN | set::MARK),
            3 => previous == Previous::Hyphen && is(set::HYPHEN),
            _ => false,
        };
        // MIDDLE DOT stands between two l, and GERESH and GERSHAYIM after Hebrew. The joiners stand
        // after a virama, and the non-joiner also between letters that would join.
        let joins = is(set::NON_JOINER) && previous == Previous::DualJoining;
        let is_alone = is(set::MIDDLE_DOT) && previous != Previous::SmallL
            || is(set::GERESH) && previous != Previous::Hebrew
            || is(set::JOINER | set::NON_JOINER) && previous != Previous::Virama && !joins;
        // Arabic-Indic and Extended Arabic-Indic digits do not mix.
        let digits = self.digits | sets & (set::ARABIC_INDIC | set::EXTENDED_ARABIC_INDIC);
        if is_misplaced || is_alone || digits.count_ones() == 2 {
            return None;
        }
        let needed = if is(set::MIDDLE_DOT) {
            set::SMALL_L
        } else if is(set::KERAIA) {
            set::GREEK
        } else if joins {
            set::DUAL_JOINING | set::RIGHT_JOINING
        } else {
            0
        };
        Some(ULabel {
            read: (read + 1).min(4),
            previous: Previous::of(sets),
            needed,
            has_dot: self.has_dot || is(set::KATAKANA_DOT),
            has_kana: self.has_kana || is(set::KANA),
            digits,
        })
    }

    fn is_complete(self) -> bool {
        self.read > 0
            && self.previous != Previous::Hyphen
            && self.needed == 0
            && (!self.has_dot || self.has_kana)
    }
}

/// An ASCII label of which some characters were read. It does not begin with `xn--`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum AsciiLabel {
    Empty,
    /// After `x`, `xn` and `xn-`.
    X,
    Xn,
    XnHyphen,
    /// After other characters, the last of which is a letter or digit, or a hyphen.
    Letter,
    Hyphen,
}

impl AsciiLabel {
    fn next(self, sets: u64) -> Option<Self> {
        let is = |kind: u64| sets & kind != 0;
        if !is(set::ASCII) {
            return None;
        }
        match self {
            AsciiLabel::Empty | AsciiLabel::XnHyphen if is(set::HYPHEN) => None,
            AsciiLabel::Empty if is(set::X) => Some(AsciiLabel::X),
            AsciiLabel::X if is(set::N) => Some(AsciiLabel::Xn),
            AsciiLabel::Xn if is(set::HYPHEN) => Some(AsciiLabel::XnHyphen),
            _ if is(set::HYPHEN) => Some(AsciiLabel::Hyphen),
            _ => Some(AsciiLabel::Letter),
        }
    }

    fn is_complete(self) -> bool {
        matches!(self, AsciiLabel::X | AsciiLabel::Xn | AsciiLabel::Letter)
    }
}

/// A label by the Bidi rule, of which some characters were read: the ways to go on. Each tells if
/// the label may end.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct BidiLabel {
    is_empty: bool,
    left_to_right: Option<bool>,
    /// A right-to-left label has digits of one kind.
    with_arabic_numbers: Option<bool>,
    with_european_numbers: Option<bool>,
}

impl BidiLabel {
    const EMPTY: BidiLabel = BidiLabel {
        is_empty: true,
        left_to_right: Some(false),
        with_arabic_numbers: Some(false),
        with_european_numbers: Some(false),
    };

    fn next(self, sets: u64) -> Option<Self> {
        let is = |kind: u64| sets & kind != 0;
        let is_number = is(set::ARABIC_NUMBER | set::EUROPEAN_NUMBER);
        let is_left = !is_number && !is(set::RIGHT_TO_LEFT | set::NEUTRAL | set::NONSPACING);
        // A label begins with a letter and ends in a letter or number, which marks may follow.
        let after = |way: Option<bool>, is_letter: bool, may_stand: bool, may_end: bool| {
            let may_have_ended = way?;
            match self.is_empty {
                true => is_letter.then_some(true),
                false => may_stand.then_some(may_end || is(set::NONSPACING) && may_have_ended),
            }
        };
        let right = |way: Option<bool>, number: u64| {
            let is_letter = is(set::RIGHT_TO_LEFT) && !is(set::NONSPACING);
            let may_stand = is(set::RIGHT_TO_LEFT | set::NEUTRAL | set::NONSPACING | number);
            after(way, is_letter, may_stand, is_letter || is(number))
        };
        let may_stand = !is(set::RIGHT_TO_LEFT | set::ARABIC_NUMBER);
        let next = BidiLabel {
            is_empty: false,
            left_to_right: after(self.left_to_right, is_left, may_stand, is_left || is(set::EUROPEAN_NUMBER)),
            with_arabic_numbers: right(self.with_arabic_numbers, set::ARABIC_NUMBER),
            with_european_numbers: right(self.with_european_numbers, set::EUROPEAN_NUMBER),
        };
        let goes_on = next.left_to_right.or(next.with_arabic_numbers).or(next.with_european_numbers);
        goes_on.map(|_| next)
    }

    fn is_complete(self) -> bool {
        [self.left_to_right, self.with_arabic_numbers, self.with_european_numbers].contains(&Some(true))
    }
}

/// A name of which some characters were read: the ways to read the present label.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Name {
    u_label: Option<ULabel>,
    ascii_label: Option<AsciiLabel>,
    /// True if no character so far is written from right to left.
    is_left_to_right: bool,
    /// The present label by the Bidi rule, if all labels before it keep that rule.
    bidi_label: Option<BidiLabel>,
}

impl Name {
    fn next(self, sets: u64) -> Option<Self> {
        if sets & set::SEPARATOR != 0 {
            let is_complete = self.is_complete();
            return is_complete.then(|| Name {
                bidi_label: self.bidi_label.filter(|label| label.is_complete()).map(|_| BidiLabel::EMPTY),
                is_left_to_right: self.is_left_to_right,
                ..Name::START
            });
        }
        let next = Name {
            u_label: self.u_label.and_then(|label| label.next(sets)),
            ascii_label: self.ascii_label.and_then(|label| label.next(sets)),
            is_left_to_right: self.is_left_to_right && sets & (set::RIGHT_TO_LEFT | set::ARABIC_NUMBER) == 0,
            bidi_label: self.bidi_label.and_then(|label| label.next(sets)),
        };
        let has_label = next.u_label.is_some() || next.ascii_label.is_some();
        (has_label && (next.is_left_to_right || next.bidi_label.is_some())).then_some(next)
    }

    const START: Name = Name {
        u_label: Some(ULabel::EMPTY),
        ascii_label: Some(AsciiLabel::Empty),
        is_left_to_right: true,
        bidi_label: Some(BidiLabel::EMPTY),
    };

    fn is_complete(self) -> bool {
        (self.u_label.is_some_and(ULabel::is_complete)
            || self.ascii_label.is_some_and(AsciiLabel::is_complete))
            && (self.is_left_to_right || self.bidi_label.is_some_and(BidiLabel::is_complete))
    }
}

/// The rules of names whose labels are separated by one of some characters.
struct HostNames {
    separators: &'static str,
}

impl CharRules for HostNames {
    type State = Name;

    fn key(&self) -> String {
        format!("idn-hostname [{}]", self.separators)
    }

    fn sets(&self) -> Vec<Vec<(char, char)>> {
        classes(self.separators).iter().map(|class| ranges(class)).collect()
    }

    fn start(&self) -> Name {
        Name::START
    }

    fn next(&self, name: &Name, sets: u64) -> Option<Name> {
        name.next(sets)
    }

    fn accepts(&self, name: &Name) -> bool {
        name.is_complete()
    }

    fn is_break(&self, sets: u64) -> bool {
        sets & set::SEPARATOR != 0
    }

    fn longest_run(&self, name: &Name) -> u8 {
        if name.ascii_label.is_some() { MAX_ASCII_LABEL_CHARS } else { MAX_LABEL_CHARS }
    }
}

/// The names whose labels are separated by one of the characters `separators`, the inside of a
/// class.
pub(super) fn name(pool: &mut ExprPool, separators: &'static str) -> LangId {
    // The rules are constants; the tests build the table.
    let table = CharTable::new(&HostNames { separators });
    debug_assert!(table.is_some());
    let Some(table) = table else { return LangId::NEVER };
    let names = pool.machine(Arc::new(table));
    let length = super::rust(pool, "(?s:.){1,253}");
    pool.inter(&[names, length])
}

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    name(pool, ".。．｡")
}
