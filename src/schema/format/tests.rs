//! Every format against the official suite's optional tests, all drafts, on decoded text.

use super::*;
use std::collections::{BTreeMap, BTreeSet};

/// Tests that are not met, and why.
fn expected_failure(format: &str, data: &str) -> Option<&'static str> {
    let lower = data.to_ascii_lowercase();
    match format {
        "hostname" | "idn-hostname" if lower.split('.').any(|label| label.starts_with("xn--")) => {
            Some("A-labels are not accepted")
        }
        _ => None,
    }
}

#[test]
fn every_format_has_a_language() {
    let mut pool = Languages::new();
    for (name, format) in Format::ALL {
        let id = format.language(&mut pool);
        assert!(pool.is_text(id), "{name}");
        assert!(!pool.is_never(id), "{name} is empty");
        assert_eq!(language(&mut pool, name), Some(id), "{name}");
    }
    assert_eq!(language(&mut pool, "unknown"), None);
    assert!(!pool.exhausted());
}

#[test]
fn official_suite() {
    let root = std::env::var("HEDGEROW_DATA").unwrap_or_else(|_| "../shared/data".to_owned());
    let suite = std::path::Path::new(&root).join("json-schema-test-suite/tests");
    if !suite.is_dir() {
        eprintln!("skipped: no {}", suite.display());
        return;
    }
    let mut pool = Languages::new();
    let mut scores: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let (mut failures, mut excused, mut tested) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for draft in ["draft4", "draft6", "draft7", "draft2019-09", "draft2020-12"] {
        for entry in std::fs::read_dir(suite.join(draft).join("optional/format")).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let groups: serde_json::Value = serde_json::from_str(&text).unwrap();
            for group in groups.as_array().unwrap() {
                let Some(format) = group["schema"]["format"].as_str() else { continue };
                let Some(id) = language(&mut pool, format) else { continue };
                tested.insert(format.to_owned());
                for test in group["tests"].as_array().unwrap() {
                    let Some(data) = test["data"].as_str() else { continue };
                    let valid = test["valid"].as_bool().unwrap();
                    let score = scores.entry(draft.to_owned()).or_default();
                    score.1 += 1;
                    if pool.accepts(id, data.as_bytes()) == valid {
                        score.0 += 1;
                    } else if expected_failure(format, data).is_some() && valid {
                        excused.insert((format.to_owned(), data.to_owned()));
                    } else {
                        failures.push(format!("{draft} {format} {data:?} should be {valid}"));
                    }
                }
            }
        }
    }
    println!("{scores:?}; {} texts excused, {} expressions", excused.len(), pool.len());
    // A rule that is broken for good ends the search for a word at once.
    assert!(pool.len() < 100_000, "{} expressions", pool.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let all: BTreeSet<String> = Format::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(tested, all);
}

/// What the suite leaves out.
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
    let mut pool = Languages::new();
    for (format, yes, no) in table {
        let id = language(&mut pool, format).unwrap();
        yes.iter().for_each(|w| assert!(pool.accepts(id, w.as_bytes()), "{format} refuses {w}"));
        no.iter().for_each(|w| assert!(!pool.accepts(id, w.as_bytes()), "{format} accepts {w}"));
    }
}
