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
        ("idn-hostname", &["bücher.example", "Example.com", "אב.גד"], &["a_b", "Bücher", "ａ.com", "-ü"]),
        ("hostname", &["A.b-c"], &["a..b", "xn--a"]),
    ];
    let mut pool = ExprPool::new();
    for (format, yes, no) in table {
        let id = language(&mut pool, format).unwrap();
        yes.iter().for_each(|w| assert!(pool.accepts(id, w.as_bytes()), "{format} refuses {w}"));
        no.iter().for_each(|w| assert!(!pool.accepts(id, w.as_bytes()), "{format} accepts {w}"));
    }
}
