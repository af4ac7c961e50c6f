//! Tables of patterns: the texts that each finds, and the errors of patterns that are refused.

use super::*;

fn found(dialect: Dialect, pattern: &str, anchoring: Anchoring) -> (ExprPool, LangId) {
    let mut pool = ExprPool::new();
    let id = match compile(&mut pool, pattern, dialect, anchoring) {
        Ok(id) => id,
        Err(error) => panic!("{pattern}\n{error}"),
    };
    (pool, id)
}

fn check(dialect: Dialect, table: &[(&str, &[&str], &[&str])]) {
    for &(pattern, yes, no) in table {
        let (mut pool, id) = found(dialect, pattern, Anchoring::Search);
        assert!(pool.is_text(id), "{pattern}");
        for text in yes {
            assert!(pool.accepts(id, text.as_bytes()), "{pattern} refuses {text:?}");
        }
        for text in no {
            assert!(!pool.accepts(id, text.as_bytes()), "{pattern} finds {text:?}");
        }
        assert_eq!(pool.step(id, 0xff), LangId::NEVER, "{pattern} goes on with what is no UTF-8");
    }
}

#[test]
fn ecma() {
    check(
        Dialect::Ecma262,
        &[
            ("b", &["b", "abc"], &["", "ac"]),
            ("^b", &["bc"], &["ab", ""]),
            ("b$", &["ab"], &["ba", "b\n"]),
            ("^b$", &["b"], &["bb", "\nb"]),
            ("", &["", "x"], &[]),
            ("^$", &[""], &["x"]),
            ("^a|b$", &["ax", "xb"], &["xa", "bx"]),
            ("a^|x", &["x"], &["a", "aa"]),
            ("(^|,)a(,|$)", &["a", "b,a", "a,b", "b,a,c"], &["ba", "ab", "b,ab"]),
            (r"^\d+$", &["12"], &["", "٣", "1a"]),
            (r"^\w$", &["_", "Z"], &["é", "-"]),
            (r"^\s$", &["\u{feff}", "\u{2028}", "\u{b}", " "], &["\u{85}", "x"]),
            (r"^\S$", &["\u{85}"], &["\u{a0}"]),
            ("^.$", &["é", "😀", "\u{85}"], &["\n", "\r", "\u{2028}", "\u{2029}", ""]),
            ("^[^]$", &["\n", "x"], &[""]),
            ("[]", &[], &["", "x", "]"]),
            ("^[^a]$", &["b", "\n", "😀"], &["a", "", "bb"]),
            (r"^\cA\cz$", &["\u{1}\u{1a}"], &["cA"]),
            (r"^\x41\u0042\u{43}\u{1F600}$", &["ABC😀"], &["ABC"]),
            (r"^\uD83D\uDE00$", &["😀"], &[]),
            (r"^[\uD83D\uDE00-\uD83D\uDE02]$", &["😁"], &["😄"]),
            (r"\uD83D", &[], &["😀", ""]),
            (r"^[\d\-.]+$", &["1-2.3"], &["a"]),
            (r"^[\w-a]+$", &["a-b"], &["."]),
            (r"^[a-c\]]+$", &["ab]"], &["d"]),
            (r"^[\b]$", &["\u{8}"], &["b"]),
            (r"^\0\x00$", &["\0\0"], &["0"]),
            (r"^\/\-\_\:\%\ä$", &["/-_:%ä"], &[]),
            ("^a]}{x{,2}{$", &["a]}{x{,2}{"], &[]),
            (r"^(a)\8\101$", &["a8A"], &[]),
            ("^a{2}b{1,}c{0,1}d{2,3}?$", &["aabdd", "aabbcddd"], &["abdd", "aabd"]),
            ("^a*?b+?c??$", &["b", "aabbc"], &["a", "bcc"]),
            (r"^\p{Lu}\P{Lu}\p{Script=Greek}$", &["Éeα", "AaΩ"], &["eeα", "EEα", "Eea"]),
            (r"^\p{digit}+\p{Letter}$", &["٣é"], &["3"]),
            (r"^(?<year>\d{4})(?:-)(?<m>\d\d)$", &["2024-05"], &["2024"]),
            ("^(?i:straSSe)k$", &["STRASSEk", "ſtraſſek"], &["strassek ", "strasseK"]),
            ("^(?i:[^k])$", &["a"], &["k", "K", "\u{212a}"]),
            (r"^(?i:\P{Lu})$", &["A", "a", "1"], &[]),
            (r"^(?i:[\P{Lu}])$", &["A", "a", "1"], &[]),
            (r"^(?i:[^\P{Lu}])$", &[], &["A", "a", "1"]),
            (r"^(?i:[^\p{Lu}])$", &["1"], &["A", "a"]),
            (r"^(?i:\p{Lu})$", &["A", "a"], &["1"]),
            ("^(?s:.)(?-s:.)$", &["\nx"], &["x\n"]),
            ("(?m:^b$)", &["a\nb\nc", "b", "a\u{2028}b"], &["ab", "a\nbc"]),
            (r"\bfoo\b", &["foo", "a foo b", "é foo"], &["afoo", "foo_", "afoob"]),
            (r"^\Bx", &[], &["x"]),
            (r"a\Bb", &["ab"], &["a b"]),
            (r"\b", &["a", " a"], &["", " ", "é"]),
            (r"\B", &["", " ", "ab"], &["a"]),
            (r"[a-z]+\b.[!?]", &["ab ?", "x!!"], &["ab?", "aa?"]),
            ("^(?!tag|category)$", &[""], &["x", "tag"]),
            ("^(?!tag|category)", &["x", ""], &["tag", "tags"]),
            ("^(?!.*foo).*$", &["", "fo", "bar"], &["foo", "a foo b"]),
            ("(?=.*[A-Z])(?=.*[0-9])^.{8,}$", &["aaaaaaA1"], &["aaaaaaa1", "aA1"]),
            ("^((?!mode)(?!Mode).)*$", &["", "mod", "mOde"], &["mode", "a Mode b", "modemode"]),
            ("^((?!ab)(a|b|ab))*$", &["ba", "bbaa", ""], &["ab", "bab"]),
            (r"^@(?:(?!.*--)[a-z-]*[a-z])?/x$", &["@/x", "@a-b/x"], &["@a--b/x", "@-/x"]),
            ("a(?=b)b|c(?!d)", &["ab", "c", "ce"], &["a", "cd"]),
            ("(?<=a)b", &["ab", "cab"], &["b", "cb"]),
            ("(?<!a)b", &["b", "cb", "abb"], &["ab"]),
            ("^.*(?<!foo)(?<!bar)$", &["", "fo", "ba"], &["foo", "a bar"]),
            ("(?<=^|,)a(?=,|$)", &["a", "b,a", "a,c"], &["ba", "ab"]),
            ("(?<=a.{2})b", &["axxb", "aaxb"], &["axb", "b"]),
            ("^(x(?<=ax|bx)|a|b)+$", &["ax", "abxax"], &["x", "axx"]),
            ("^(?:(?<!a)b|a|c)*$", &["b", "acb", "bba"], &["ab", "cab"]),
            ("^(?:a(?!b)|b){3}$", &["bba", "baa"], &["aab", "abb"]),
            ("^(?:a?(?!c)|b){2,3}$", &["", "aab", "bb"], &["c", "bbbb"]),
            ("(?=a)*b", &["b"], &["a"]),
            ("^(?:(?=(a|b)c).*d|(?!.*d).)$", &["acd", "x"], &["d", "ad"]),
        ],
    );
}

#[test]
fn rust() {
    check(
        Dialect::Rust,
        &[
            ("b", &["abc"], &["ac"]),
            (r"^\d$", &["٣", "3"], &["x"]),
            (r"^\w\s$", &["é\u{85}"], &["-"]),
            (r"(?i)^strasse$", &["STRASSE"], &["strase"]),
            (r"^[a-z&&[^aeiou]]+$", &["bcd"], &["bad"]),
            (r"\bé\b", &["é", "a é"], &["aé"]),
            (r"(?-u:\b)x", &["éx"], &["ax"]),
            (r"(?m)^b$", &["a\nb"], &["a\rb", "ab"]),
            (r"(?Rm)^b$", &["a\r\nb\r\n", "a\rb"], &["ab"]),
            (r"(?Rm)a\r$", &["a\r"], &["a\r\n"]),
            (r"(?Rm)\r^x?\n", &[], &["\r\n"]),
            (r"\b{start}ab\b{end}", &["ab", "x ab"], &["xab", "abx"]),
            (r"\b{start-half}ab\b{end-half}", &["ab"], &["xab"]),
            (r"^(a|ab){2}$", &["aab", "abab"], &["ab a"]),
            (r"\Aa\z", &["a"], &["a\n"]),
        ],
    );
}

/// Loops whose rounds look around.
#[test]
fn counted_rounds_with_assertions() {
    check(
        Dialect::Ecma262,
        &[
            (
                r"^((\w+ab(?=[0-9]a|\w{3}))*[0-9]{2,2}1|[^/]{3,128}){0,20}é\w{1,3}$",
                &["é1", "xab121éa", "xab12é1", "xab121xyzé_", "ab1éab"],
                &["//é1"],
            ),
            (r"^((?!ab)[abc]){1,100000}$", &["bac", "cccb"], &["aab", ""]),
            (
                r"^((a(?!b)){0,10}c){3,20}$",
                &["ccc", "aacacc", "acacacacacacacacacacacacacacacacacacacac"],
                &["aacacb", "cc", "ccccccccccccccccccccc"],
            ),
            (
                r"^(((?<=^|,)[a-z]{2,5}(?=,|$),?){1,4};?){2,30}$",
                &["ab,cd", "abcd,efg,hi,jkl,mn"],
                &["ab,cd;", "ab", "ab;cd", "ab,;cd"],
            ),
            (
                r"^((?:\w(?=\w*1)|b){2,9}(?<!ab)){3,40}1$",
                &["aaaaaa1", "bbbbbb1", "babbbb1"],
                &["aaaaab1", "aaa1", "bbbbbbb"],
            ),
            (
                r"^(a|ab(?=c)|c(?!b)){5}$",
                &["aaaaa", "ccccc", "abcabca", "abcaca"],
                &["abababcc", "aaaa", "cbaaaa"],
            ),
            (r"^(\b\w+\b ?){2,200}$", &["a b", "a b c "], &["ab", "a", "a-b"]),
            (r"^(x?(?=y)|y){4,6}z$", &["yyyyz", "yyz", "xyyz", "xyxyz"], &["z", "yyyyyyyz", "xyxyxyyz"]),
            (r"^(a?(?<=a)){3,5}b{2}$", &["abb", "aaaaabb"], &["aaaaaabb", "bb"]),
            (r"^((\B|a){2,3}(?=b|$)b?){2,3}$", &["", "ab", "abab", "aab", "aaabaaab"], &["ba"]),
            (r"(a(?=b|c)|[bc]){3,}d", &["abcd", "xacbd", "bbbd"], &["abad", "aabd"]),
        ],
    );
}

/// Counted groups with assertions match like the same groups written out.
#[test]
fn loops_match_like_rounds_that_are_written_out() {
    let atoms = ["a", "b", "[ab]", "c?", "(?=a)", "(?!ab)", "(?=b*c)", "$", "^", r"\b", "(?<=a)", "(?<!b+)"];
    let texts = short_texts();
    let mut below = numbers(11);
    for _ in 0..400 {
        let mut body = String::new();
        for _ in 0..1 + below(4) {
            let (atom, counts) = (atoms[below(atoms.len())], ["", "", "{2,3}", "*"][below(4)]);
            body += &format!("(?:{atom}){counts}{}", ["", "", "|"][below(3)]);
        }
        let (min, more) = (below(4), below(3));
        let (before, after) = (["", "^", "a*"][below(3)], ["", "$", "c|d"][below(3)]);
        let counted = format!("{before}(?:{body}){{{min},{}}}(?:{after})", min + more);
        let rounds = format!("(?:{body})").repeat(min);
        let optional = (0..more).fold(String::new(), |rest, _| format!("(?:(?:{body}){rest})?"));
        let written_out = format!("{before}{rounds}{optional}(?:{after})");
        let mut pool = ExprPool::new();
        let [counted_id, written_out_id] = [&counted, &written_out].map(|pattern| {
            match compile(&mut pool, pattern, Dialect::Ecma262, Anchoring::Search) {
                Ok(id) => id,
                Err(error) => panic!("{error}"),
            }
        });
        for text in &texts {
            let [counted_holds, written_out_holds] =
                [counted_id, written_out_id].map(|id| pool.accepts(id, text.as_bytes()));
            assert_eq!(counted_holds, written_out_holds, "{counted} {text}");
        }
    }
}

/// All texts of a few characters.
fn short_texts() -> Vec<String> {
    let mut texts = vec![String::new()];
    for at in 0..400 {
        let shorter: &String = &texts[at];
        let longer: Vec<String> = ["a", "b", "c", "-"].map(|c| format!("{shorter}{c}")).to_vec();
        texts.extend(longer);
    }
    texts
}

/// Numbers below a limit, by chance.
fn numbers(seed: u64) -> impl FnMut(usize) -> usize {
    let mut random = seed;
    move |n| {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (random >> 33) as usize % n
    }
}

#[test]
fn whole_texts() {
    for (pattern, yes, no) in
        [("a|b+", "bb", "ab"), ("(?!b).*", "ab", "b"), (r"a\b", "a", "a "), ("^a$", "a", "aa")]
    {
        let (mut pool, id) = found(Dialect::Ecma262, pattern, Anchoring::Full);
        assert!(pool.accepts(id, yes.as_bytes()), "{pattern}");
        assert!(!pool.accepts(id, no.as_bytes()), "{pattern}");
    }
}

#[test]
fn simple_patterns_become_simple_languages() {
    let (mut pool, id) = found(Dialect::Ecma262, "", Anchoring::Search);
    assert_eq!(id, pool.any_text());
    let letter = pool.char_class(&[(0x61, 0x7a)]);
    let run = pool.repeat(letter, 1, 64);
    for pattern in ["^[a-z]{1,64}$", "^([a-z]{1,8}){1,8}$", "^(?:[a-z])(?:[a-z]{0,63})$"] {
        assert_eq!(compile(&mut pool, pattern, Dialect::Ecma262, Anchoring::Search), Ok(run), "{pattern}");
    }
    // An unanchored match leaves anything.
    let (mut pool, id) = found(Dialect::Ecma262, "ab", Anchoring::Search);
    assert_eq!(pool.step_bytes(id, b"xxab"), pool.any_text());
    let (mut pool, id) = found(Dialect::Ecma262, r"a\bb", Anchoring::Search);
    assert!(pool.is_never(id));
}

#[test]
fn errors_say_what_where_and_what_to_do() {
    let deep = format!("{}{}", "(".repeat(300), ")".repeat(300));
    let table: &[(Dialect, &str)] = &[
        (Dialect::Ecma262, r"^\s*<([A-Za-z]+).+?(\/>|\/\1>)\s*$"),
        (Dialect::Ecma262, r"(?<q>['äö]).*\k<q>"),
        (Dialect::Ecma262, "(a"),
        (Dialect::Ecma262, "a)"),
        (Dialect::Ecma262, "[a-"),
        (Dialect::Ecma262, "[z-a]"),
        (Dialect::Ecma262, "a**"),
        (Dialect::Ecma262, "^*"),
        (Dialect::Ecma262, "+a"),
        (Dialect::Ecma262, "{2}a"),
        (Dialect::Ecma262, "a{3,2}"),
        (Dialect::Ecma262, "a{99999999999}"),
        (Dialect::Ecma262, r"^\S(|(.|\n)*\S)\Z"),
        (Dialect::Ecma262, r"\a"),
        (Dialect::Ecma262, "\\"),
        (Dialect::Ecma262, r"\u{110000}"),
        (Dialect::Ecma262, r"\x4"),
        (Dialect::Ecma262, r"\p{Klingon}"),
        (Dialect::Ecma262, r"\pL"),
        (Dialect::Ecma262, "(?i)abc"),
        (Dialect::Ecma262, "(?P<n>a)"),
        (Dialect::Ecma262, "(?<1>a)"),
        (Dialect::Ecma262, "(?<=a(?=b))c"),
        (Dialect::Ecma262, "(?<=a$)c"),
        (Dialect::Ecma262, &deep),
        (Dialect::Ecma262, "(?<=a[^]{40})b"),
        (Dialect::Rust, "a(?=b)"),
        (Dialect::Rust, r"\1"),
        (Dialect::Rust, "[a-"),
        (Dialect::Rust, r"(?-u:\xff)"),
        (Dialect::Rust, &deep),
    ];
    let mut text = String::new();
    for &(dialect, pattern) in table {
        let mut pool = ExprPool::new();
        match compile(&mut pool, pattern, dialect, Anchoring::Search) {
            Ok(_) => panic!("{pattern} compiles"),
            Err(error) => text.push_str(&format!("{dialect:?}\n{error}\n\n")),
        }
    }
    insta::assert_snapshot!(text);
    let long = "a".repeat(LENGTH_LIMIT + 1);
    let error = compile(&mut ExprPool::new(), &long, Dialect::Ecma262, Anchoring::Search).unwrap_err();
    assert_eq!(*error.kind(), RegexErrorKind::Length { given: LENGTH_LIMIT + 1, limit: LENGTH_LIMIT });
}

/// Ends and assertions that make no difference are left out. What remains is the same expression.
#[test]
fn patterns_are_simplified() {
    let table = [
        ("(ab){2,9}c?", "(ab){2}"),
        ("x*(a|b?)y{2,}(z|w*)", "y{2}"),
        ("^x*(a|b?)*", "^"),
        (r"x(?:\b){1,300}y?(?:\B){40,}z", r"x\by?\Bz"),
        (r"^(?=\w)[0-9]{2,9}x", "^[0-9]{2,9}x"),
        (r"^(?!\s|--)([a-z]x){0,9}y$", "^([a-z]x){0,9}y$"),
        (r"^((?==a|\w*b)[0-9]x|y)+$", r"^((?=\w*b)[0-9]x|y)+$"),
        (r"^(a(?=[a-c])|b(?=\d)){2,9}c$", r"^(a){2,9}c$"),
        (
            r"^(?!://)[a-zA-Z0-9_]?|((\w+ab(?==[é-ü]{3,128}|\w+))*[0-9]{2,2}1|[^/]{3,128}){0,20}é\w{1,3}$",
            r"^(?!://)|é\w{1,3}$",
        ),
        (
            r"^((\w+ab(?==[é-ü]{3,128}|\w+))*[0-9]{2,2}1|[^/]{3,128}){0,20}é\w{1,3}$",
            r"^((\w+ab)*[0-9]{2,2}1|[^/]{3,128}){0,20}é\w{1,3}$",
        ),
    ];
    for (pattern, simple) in table {
        let mut pool = ExprPool::new();
        let mut language =
            |pattern| compile(&mut pool, pattern, Dialect::Ecma262, Anchoring::Search).unwrap();
        assert_eq!(language(pattern), language(simple), "{pattern} and {simple}");
    }
}

/// Simplified patterns match in the same texts as the trees that were read.
#[test]
fn simplified_patterns_have_the_same_texts() {
    let atoms = ["a", "b", "[ab]", "c?", "(?=a)", "(?!ab)", "(?=b*c)", "$", "^", r"\b", "(?<=a)", "(?<!b+)"];
    let rounds = ["", "", "*", "+?", "{0,2}", "{2,3}", "{1,2}"];
    let texts = short_texts();
    let mut below = numbers(7);
    for _ in 0..600 {
        let mut pattern = String::new();
        for _ in 0..1 + below(4) {
            let mut group = String::new();
            for _ in 0..1 + below(3) {
                group += atoms[below(atoms.len())];
                group += ["", "", "|"][below(3)];
            }
            pattern += &format!("({group}){}", rounds[below(rounds.len())]);
        }
        let node = || ecma::parse(&pattern).unwrap();
        for anchoring in [Anchoring::Search, Anchoring::Full] {
            let mut pool = ExprPool::new();
            let plain = assertions::compile(&mut pool, &node(), anchoring).unwrap();
            let simple = simplify::simplified(node(), anchoring);
            let simple = assertions::compile(&mut pool, &simple, anchoring).unwrap();
            for text in &texts {
                let [plain, simple] = [plain, simple].map(|id| pool.accepts(id, text.as_bytes()));
                assert_eq!(plain, simple, "{pattern} {anchoring:?} {text}");
            }
        }
    }
}
