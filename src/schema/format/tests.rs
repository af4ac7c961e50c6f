//! Tests of formats beyond the official suite, which `tests/suite/schema_suite.rs` runs.

use super::*;

#[test]
fn every_format_has_a_language() {
    let mut pool = ExprPool::new();
    for (name, format) in Format::ALL {
        let id = format.language(&mut pool);
        assert!(pool.is_text(id), "{name}");
        assert!(!pool.is_never(id), "{name} is empty");
        assert_eq!(language(&mut pool, name), Some(id), "{name}");
    }
    assert_eq!(language(&mut pool, "unknown"), None);
    assert!(!pool.exhausted());
}

/// A format that is first used under an interrupt is kept whole, although the call ends early.
#[test]
fn formats_do_not_depend_on_the_first_call() {
    let soon = crate::automata::Interrupt::default().timeout(std::time::Duration::from_millis(1));
    for (name, format) in Format::ALL {
        let ended = soon.scope(|| {
            while !interrupt::is_over() {
                interrupt::spend(64);
            }
            format.language(&mut ExprPool::new());
        });
        assert!(ended.is_err());
        let mut pool = ExprPool::new();
        let id = format.language(&mut pool);
        assert!(!pool.is_never(id), "{name} is empty");
    }
}

/// The intersection of times with a pattern that no time matches is found empty without a try of
/// every minute of the day.
#[test]
fn times_are_found_unlike_a_pattern() {
    let mut pool = ExprPool::new();
    let time = language(&mut pool, "date-time").unwrap();
    let pattern = super::ecma(&mut pool, r"[^]*\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[^]*");
    pool.set_search_budget(4000);
    let both = pool.inter(&[time, pattern]);
    let (upper, lower) = (pool.step_bytes(both, b"2016-01-05T"), pool.step_bytes(both, b"2016-01-05t"));
    assert!(!pool.is_never(upper) && pool.is_never(lower));
    assert!(!pool.exhausted());
}

/// A text that may be valid although its format leaves it out is not in the complement either.
#[test]
fn complements_of_formats_leave_out_what_may_be_valid() {
    let table: &[(Format, &[&str], &[&str])] = &[
        (Format::Hostname, &["a.xn--nxasmq6b", "xn--a", "a"], &["", "-a", "a_b", "xn--\u{e9}"]),
        (Format::IdnHostname, &["xn--nxasmq6b", "é.xn--a", "é。xn--a", "é"], &["", "-a", "a_b", "é-"]),
        (Format::IdnEmail, &["a@xn--nxasmq6b", "é@b.xn--a", "a@b"], &["", "a", "a@-b"]),
        (Format::Regex, &["[!-~]", r"(a)\1", "(", ""], &["*", "+a", ")", r"a\", r"\\\"]),
    ];
    let mut pool = ExprPool::new();
    for (format, within, without) in table {
        let widest = format.widest(&mut pool);
        for (texts, expected) in [(within, true), (without, false)] {
            for text in *texts {
                assert_eq!(pool.accepts(widest, text.as_bytes()), expected, "{format:?} {text:?}");
            }
        }
    }
    for (_, format) in Format::ALL {
        let (language, widest) = (format.language(&mut pool), format.widest(&mut pool));
        assert_eq!(language != widest, format.is_cut(), "{format:?}");
        assert_eq!(format.is_cut(), table.iter().any(|row| row.0 == format), "{format:?}");
    }
}

#[test]
fn words() {
    let table: &[(&str, &[&str], &[&str])] = &[
        ("date", &["2000-02-29", "2024-02-29", "1999-12-31"], &["1900-02-29", "2023-02-29", "1999-04-31"]),
        (
            "time",
            &["00:59:60+01:00", "23:59:60.5Z", "13:59:60-10:00"],
            &["00:59:60-01:00", "23:59:60.Z", "23:59:61Z"],
        ),
        ("duration", &["PT1H1M", "P1Y"], &["P1H", "PT", "P1Y1D"]),
        (
            "email",
            &["a@[IPv6:2001:db8::1]", r#""\""@x"#, "a@b-c.d"],
            &["a@-b", "a@b.", r#"""@"#, "a@[IPv6:]", "a@[1]"],
        ),
        (
            "ipv6",
            &["1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "::1.2.3.4"],
            &["1:2:3:4:5:6:7:8::", "1.2.3.4::", ":::"],
        ),
        ("uri", &["a:", "http://", "a:b:c", "x://@:"], &["", "a", "a:[", "x://[1::2::3]", "x:#a#b"]),
        ("uri-reference", &["a/b:c", "..", "?", "#"], &["a b", "%", ":"]),
        ("iri", &["x:\u{a0}?\u{e000}"], &["x:\u{e000}", "x:\u{fffe}"]),
        ("uri-template", &["{?a,b*}x{#y:3}"], &["{", "{a*:3}", "{??a}"]),
        (
            "regex",
            &[
                "",
                "a|b",
                "(?:a{2,3}|[^a-z-])+?$",
                r"\bx\/(?=y)(?<!z)",
                "[]",
                "((((a))))",
                r"(?<a_1>x)[\]](\k<a_1>)+",
            ],
            &[
                "(",
                ")",
                "a**",
                "[z-a]",
                "a{3,2}",
                r"\1",
                r"\01",
                "{",
                "]",
                "(?<a>x)(?<a>y)",
                r"(?<a>x)\k<b>",
                r"\k<a>",
                r"(?<ab>x)\k<a>",
                "^*",
                "(?<=a)*",
            ],
        ),
        (
            "idn-hostname",
            &["bücher.example", "Example.com", "אב.גד", "א\u{10d30}"],
            &["a_b", "Bücher", "ａ.com", "-ü", "a\u{10d30}", "a.\u{10d30}"],
        ),
        (
            "email",
            &["a@[IPv6:1:2:3:4:5:6::]", "a@[IPv6:1:2:3::8]", "a@[IPv6:::1.2.3.4]", "a@[IPv6:1::2:3:1.2.3.4]"],
            &["a@[IPv6:1:2:3:4:5:6:7::]", "a@[IPv6:::2:3:4:5:6:7:8]", "a@[IPv6:1:2:3::6:5:1.2.3.4]"],
        ),
        ("hostname", &["A.b-c"], &["a..b", "xn--a"]),
    ];
    let mut pool = ExprPool::new();
    for (format, yes, no) in table {
        let id = language(&mut pool, format).unwrap();
        yes.iter().for_each(|w| assert!(pool.accepts(id, w.as_bytes()), "{format} refuses {w}"));
        no.iter().for_each(|w| assert!(!pool.accepts(id, w.as_bytes()), "{format} accepts {w}"));
    }
}

/// Host names by one expression for each rule of IDNA2008, which is slow but can be read beside the
/// RFCs: what `idn_hostname.rs` makes a table of.
mod idn_hostname_by_rules {
    use super::super::idna_tables::{DISALLOWED, RIGHT_TO_LEFT, VIRAMA};
    use super::super::{ecma, hostname, rust};
    use crate::automata::{ExprPool, LangId, UNBOUNDED};

    const DUAL_JOINING: &str = r"\u0620\u0626\u0628\u062A-\u062E\u0633-\u063F\u0641-\u0647\u0649\u064A";
    const RIGHT_JOINING: &str = r"\u0622-\u0625\u0627\u0629\u062F-\u0632\u0648";

    fn rules() -> Vec<String> {
        vec![
            r"(?!-|\p{M}|..--).*(?<!-)".to_owned(),
            r"(?:[^\u00B7]|(?<=l)\u00B7(?=l))*".to_owned(),
            r"(?:[^\u0375]|\u0375(?=\p{Script=Greek}))*".to_owned(),
            r"(?:[^\u05F3\u05F4]|(?<=\p{Script=Hebrew})[\u05F3\u05F4])*".to_owned(),
            r"[^\u30FB]*|.*[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}].*".to_owned(),
            r"[^\u0660-\u0669]*|[^\u06F0-\u06F9]*".to_owned(),
            format!(r"(?:[^\u200D]|(?<=[{VIRAMA}])\u200D)*"),
            format!(
                r"(?:[^\u200C]|(?<=[{VIRAMA}])\u200C|(?<=[{DUAL_JOINING}])\u200C(?=[{DUAL_JOINING}{RIGHT_JOINING}]))*"
            ),
            "[^]{1,59}".to_owned(),
        ]
    }

    pub fn name(pool: &mut ExprPool) -> LangId {
        let characters = rust(
            pool,
            &format!(
                r"[[[\p{{Ll}}\p{{Lo}}\p{{Lm}}\p{{Nd}}\p{{Mn}}\p{{Mc}}&&\p{{age=14.0}}]--[{DISALLOWED}{}]]\-{}]+",
                r"\u{640}\u{7FA}\u{302E}\u{302F}\u{3031}-\u{3035}\u{303B}",
                r"·͵׳״۽۾་Ꭰ-Ᏽ\u{200C}\u{200D}〇・ßς",
            ),
        );
        let mut parts = vec![characters];
        parts.extend(rules().iter().map(|rule| ecma(pool, rule)));
        let u_label = pool.inter(&parts);
        let ascii = hostname::label(pool);
        let label = pool.union(&[u_label, ascii]);
        let left_to_right =
            rust(pool, &format!(r"[^{RIGHT_TO_LEFT}\u{{660}}-\u{{669}}\u{{10D30}}-\u{{10D39}}]*"));
        let bidi = bidi_label(pool);
        let one_direction = pool.inter(&[label, left_to_right]);
        let both_directions = pool.inter(&[label, bidi]);
        let separator = rust(pool, r"[.。．｡]");
        let mut names = Vec::new();
        for label in [one_direction, both_directions] {
            let more = pool.concat(separator, label);
            let more = pool.repeat(more, 0, UNBOUNDED);
            names.push(pool.concat(label, more));
        }
        let names = pool.union(&names);
        let length = rust(pool, "(?s:.){1,253}");
        pool.inter(&[names, length])
    }

    fn bidi_label(pool: &mut ExprPool) -> LangId {
        let right = RIGHT_TO_LEFT;
        let neutral = r"\-·ʹʺˆ-ˏˬ͵\u{200C}\u{200D}ⸯ・ꙿꜗ-ꜟꞈ";
        let arabic = r"\u{660}-\u{669}\u{10D30}-\u{10D39}";
        let european = r"0-9\u{6F0}-\u{6F9}";
        let mark = r"\p{Mn}";
        let right_with = |digits: &str| {
            format!(
                r"[{right}--{mark}](?:[{right}{neutral}{mark}{digits}]*[[{right}--{mark}]{digits}])?{mark}*"
            )
        };
        let left = format!(r"[^{right}{arabic}{european}{neutral}{mark}]");
        let left_to_right = format!(r"{left}(?:[^{right}{arabic}]*(?:{left}|[{european}]))?{mark}*");
        rust(pool, &format!("{}|{}|{left_to_right}", right_with(arabic), right_with(european)))
    }
}

/// The table of host names accepts what an intersection of all rules accepts.
#[test]
fn host_names_keep_every_rule() {
    let alphabet: Vec<char> =
        "aaxXnN-l··͵α׳״אבب\u{627}\u{6D4}٠٣۰۵0 5・かカ漢\u{94d}क\u{200c}\u{200d}\u{200c}ü\u{300}Ü_ß..。ʺ\u{10d30}\u{800}".chars().collect();
    let mut pool = ExprPool::new();
    let table = language(&mut pool, "idn-hostname").unwrap();
    let mut rules_pool = ExprPool::new();
    rules_pool.set_search_budget(u64::MAX);
    let rules = idn_hostname_by_rules::name(&mut rules_pool);
    let mut state = 1u64;
    let mut below = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let mut words: Vec<String> =
        (0..1_500).map(|_| (0..1 + below(9)).map(|_| alphabet[below(alphabet.len())]).collect()).collect();
    let long = |n: usize, c: &str| c.repeat(n);
    for n in [58, 59, 60, 62, 63, 64] {
        words.extend([
            long(n, "a"),
            long(n, "ü"),
            format!("{}ü", long(n - 1, "a")),
            format!("{}-", long(n - 1, "a")),
        ]);
        words.push(format!("a.{}.b", long(n, "a")));
    }
    for n in [126, 127] {
        words.extend([
            format!("{}a", long(n - 1, "a.")),
            format!("{}.", long(n, "a")),
            format!("{}aa", long(n - 1, "ü.")),
        ]);
    }
    let mut accepted = 0;
    for word in &words {
        let by_rules = rules_pool.accepts(rules, word.as_bytes());
        assert_eq!(pool.accepts(table, word.as_bytes()), by_rules, "{word:?}");
        accepted += usize::from(by_rules);
    }
    assert!(accepted > 100, "{accepted} of {} words", words.len());
}
