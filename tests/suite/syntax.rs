//! The notations for grammars: the texts that a grammar accepts, and the error messages for texts
//! that are no grammar.
//!
//! Texts are read byte by byte, with a mask before each byte, so that each row of a table goes
//! through the whole engine.

use crate::support::bytes::byte_tokens;
use crate::support::{files, walk};
use hedgerow::engine::{Constraint, EngineError, Matcher};
use hedgerow::grammar::{CompileErrorKind, Grammar, Location};
use hedgerow::schema::{self, SchemaOptions, Whitespace};
use hedgerow::syntax::regex::{self, Dialect};
use hedgerow::syntax::{Notation, choice, gbnf};
use hedgerow::vocab::{TokenId, Vocabulary, VocabularyParts};

/// A vocabulary of all bytes, a few longer tokens, an end, and two special tokens.
fn vocabulary() -> Vocabulary {
    let mut tokens = byte_tokens(["ab", "\": ", "]}", "12", " + ", "é", "the", "\",\"", "</think>x"]);
    let special = ["</s>", "<think>", "</think>"].map(|name| {
        tokens.push(Vec::new());
        (name.to_owned(), TokenId(tokens.len() as u32 - 1))
    });
    let eos = vec![special[0].1];
    Vocabulary::from_tokens(VocabularyParts { tokens, special: special.to_vec(), eos, model_size: None })
        .unwrap()
}

pub fn matcher(grammar: &Grammar) -> Matcher {
    Constraint::new(grammar, &vocabulary()).unwrap().matcher()
}

/// True if `text` is accepted. On the way, the mask must agree with each step.
pub fn accepts(matcher: &mut Matcher, text: &[u8]) -> bool {
    matcher.reset();
    for &byte in text {
        let token = TokenId(u32::from(byte));
        let allowed = matcher.mask().unwrap().contains(token);
        assert_eq!(matcher.advance(token).unwrap(), allowed, "{}", text.escape_ascii());
        if !allowed {
            return false;
        }
    }
    matcher.is_accepting()
}

#[track_caller]
fn check(notation: Notation, rules: &str, yes: &[&str], no: &[&str]) {
    let grammar = notation.compile(rules).unwrap_or_else(|error| panic!("{rules}\n{error}"));
    let mut matcher = matcher(&grammar);
    for text in yes {
        assert!(accepts(&mut matcher, text.as_bytes()), "{rules}\nrefuses {text:?}\n{grammar}");
    }
    for text in no {
        assert!(!accepts(&mut matcher, text.as_bytes()), "{rules}\naccepts {text:?}\n{grammar}");
    }
}

type Row<'r> = (&'r str, &'r [&'r str], &'r [&'r str]);

#[test]
fn gbnf_texts() {
    let table: &[Row<'_>] = &[
        (r#"root ::= "a""#, &["a"], &["", "aa", "b"]),
        (r#"root ::= "ab" | "a" | "#, &["ab", "a", ""], &["b", "abab"]),
        ("root ::=", &[""], &["a"]),
        ("root ::= [a-c_x-]+", &["abc", "_-x"], &["", "d", "w"]),
        ("root ::= [^a-cé\\n]", &["d", "]", "è", "\u{1f600}"], &["a", "é", "\n", "dd"]),
        ("root ::= [-+*/] [+--]", &["-,", "+-", "/+"], &["-*", ","]),
        (r"root ::= [\]\[\-\\] [a\]b]", &["]a", "[]", "-b", "\\a"], &["^a", "]["]),
        ("root ::= [\"#] \"#\" # [^\"", &["\"#", "##"], &["#"]),
        ("root ::= .", &["\n", "a", "é", "\u{1f600}"], &["", "ab"]),
        (r#"root ::= "\n\t\r\\\"\[\]\x41\u00e9\U0001F600""#, &["\n\t\r\\\"[]Aé\u{1f600}"], &["\n"]),
        ("root ::= \"a\nb\"", &["a\nb"], &["ab"]),
        ("root ::= \"ab\"* \"a\"?", &["", "ab", "aba", "ababa", "a"], &["b", "aa"]),
        (
            "root ::= \"ab\"{2} [c]{1,} [d]{0,2} [e]{ 1 , 2 }",
            &["ababce", "ababccddee"],
            &["abce", "ababcddde", "ababc"],
        ),
        ("root ::= (\"a\" | \"b\"){2}{3}", &["ababab"], &["abab", "ababa"]),
        ("root ::= \"a\"+?", &["", "a", "aa"], &["b"]),
        ("root ::= \"\"* (((\"a\")))", &["a"], &["", "aa"]),
        ("root ::= (\n\n \"a\" # one\n \"b\"\n * | \n\n \"c\"\n)\n", &["a", "abb", "c"], &["b", "ac"]),
        ("root ::= \"a\" |\n  \"b\"\n  | \"c\"\nother ::= root\n", &["a", "b", "c"], &["ab"]),
        ("root ::=\r\n\r\n  x\r\nx ::= \"y\"\r\n", &["y"], &["x"]),
        ("# only\nroot ::= a-b A_1 1\na-b ::= \"x\"\nA_1 ::= \"y\"\n1 ::= \"z\"", &["xyz"], &["xy"]),
        ("root ::= x | \nx ::= \"a\"", &["", "a"], &["x"]),
        // Recursion of every kind.
        ("root ::= \"(\" root \")\" root | ", &["", "()", "(())()"], &["(", ")("]),
        ("root ::= root \"+\" [0-9] | [0-9]", &["1", "1+2+3"], &["+1", "1+", "12"]),
        (
            "root ::= a | \"x\"\na ::= b \"y\"\nb ::= root | a \"z\"",
            &["x", "xy", "xyzy", "xyy"],
            &["y", "xz"],
        ),
        ("root ::= ws \"a\" ws\nws ::= ([ \\t\\n] ws)?", &["a", " \n a\t "], &["", "aa"]),
        (
            "root ::= list\nlist ::= list \",\" item | item\nitem ::= [0-9] item | [0-9]",
            &["1", "12,3,45"],
            &["1,", ",1"],
        ),
        ("root ::= o root c | \"x\"\no ::= \"(\"\nc ::= \")\"", &["x", "((x))"], &["(x", "x)"]),
        // Counts that the engine keeps as counts, far above those that are written out.
        ("root ::= \"a\"{0,1000000000} \"b\"", &["b", "aaab"], &["a"]),
        ("root ::= [a-z]{3,5000} \"1\"", &["abc1", "abcdefghij1"], &["ab1"]),
        ("root ::= s (\",\" s)*\ns ::= \"'\" [^']* \"'\"", &["''", "'a,b','c'"], &["", "'", "'a',"]),
    ];
    for (rules, yes, no) in table {
        check(Notation::Gbnf, rules, yes, no);
    }
}

fn matcher_of(rules: &str, vocabulary: &Vocabulary) -> Matcher {
    Constraint::new(&gbnf::compile(rules).unwrap(), vocabulary).unwrap().matcher()
}

#[test]
fn gbnf_tokens() {
    let vocabulary = vocabulary();
    let id = |name| vocabulary.special(name).unwrap();
    let (think, end) = (id("<think>"), id("</think>"));
    let rules = "root ::= <think> thinking </think> .*\nthinking ::= !</think>*";
    let mut matcher = matcher_of(rules, &vocabulary);
    assert_eq!(matcher.mask().unwrap().iter().collect::<Vec<_>>(), [think]);
    assert!(matcher.advance(think).unwrap() && matcher.advance_bytes(b"a </th").unwrap());
    let mask = matcher.mask().unwrap();
    assert!(mask.contains(end) && !mask.contains(think) && mask.contains(TokenId(b'j'.into())));
    assert!(!matcher.fork().advance_bytes(b"ink>").unwrap());
    assert!(matcher.advance(end).unwrap() && matcher.is_accepting() && matcher.advance_bytes(b"x").unwrap());

    let by_id = format!("root ::= <[{}]> (!<x>+ <[{}]>)?", think.0, u32::from(b'a'));
    let mut matcher = matcher_of(&by_id, &vocabulary);
    assert!(matcher.advance(think).unwrap() && matcher.is_accepting());
    assert!(matcher.advance_bytes(b"b").unwrap() && !matcher.is_accepting());
    assert!(matcher.advance_bytes(b"a").unwrap() && matcher.is_accepting());

    // A token that is text in the vocabulary is text in the output.
    let mut matcher =
        matcher_of("root ::= <the> \"x\"", &Vocabulary::from_byte_list(byte_tokens(["<the>"])).unwrap());
    assert!(matcher.advance(TokenId(256)).unwrap() && matcher.advance_bytes(b"x").unwrap());
    assert!(matcher.is_accepting());

    for unknown in ["root ::= <nobody>", "root ::= <[99999]>"] {
        let error = Constraint::new(&gbnf::compile(unknown).unwrap(), &vocabulary).unwrap_err();
        assert!(matches!(error, EngineError::UnknownSpecialToken(_)), "{error}");
    }
}

/// A snapshot of the errors for `texts`, as people see them.
#[track_caller]
fn errors(name: &str, notation: Notation, texts: &[&str]) {
    let said: Vec<String> =
        texts.iter().map(|text| notation.compile(text).unwrap_err().to_string()).collect();
    insta::assert_snapshot!(name, said.join("\n\n"));
}

#[test]
fn gbnf_errors() {
    errors(
        "gbnf_errors",
        Notation::Gbnf,
        &[
            "",
            "# nothing\n",
            "main ::= \"a\"",
            "root ::= itme | other\nitem ::= \"x\"",
            "root ::= \"a\"\n\nroot ::= \"b\"",
            "root ::= \"a\"\n\"b\"",
            "root = \"a\"",
            "root : \"a\"",
            "root ::= 'a'",
            "root ::= a b ::= \"x\"\na ::= \"y\"",
            "root ::= \"a",
            "root ::= [a-z",
            "root ::= <think",
            "root ::= (\"a\" | (\"b\" \"c\")",
            "root ::= \"a\")",
            "root ::= * \"a\"",
            "root ::= \"a\" | {3}",
            "root ::= \"a\"{,3}",
            "root ::= \"a\"{3,2}",
            "root ::= \"a\"{2 3}",
            "root ::= \"a\"{x}",
            "root ::= \"a\"{1000000001}",
            r#"root ::= "a\qb""#,
            r#"root ::= "\x4""#,
            r#"root ::= "\uD83D\uDE00""#,
            r#"root ::= "\U00110000""#,
            "root ::= []",
            "root ::= [^]",
            "root ::= [^\\x00-\\U0010FFFF]",
            "root ::= [\\uD800-\\uDFFF]",
            "root ::= [z-a]",
            "root ::= <>",
            "root ::= <[x]>",
            "root ::= !<think> \"a\"",
            "root ::= !<think>{2,3}",
            "root ::= !<[7]>*",
            "root ::= \"a\" root",
        ],
    );
    errors(
        "gbnf_errors_in_several_rules",
        Notation::Gbnf,
        &[
            "root ::= \"a\" (b | c)\nb ::= \"x\" c\nc ::= \"y\" b",
            "root ::= \"a\" ; comment",
            "root ::= \"é\" \u{7}",
            &format!("root ::= {}\"a\"{}", "(".repeat(201), ")".repeat(201)),
            &format!("root ::= \"a\"{}", "?".repeat(201)),
            &format!("root ::= \"{}\"", "a".repeat(1 << 20)),
        ],
    );
}

#[test]
fn errors_carry_their_place() {
    let error = gbnf::compile("root ::= (\n  \"é\" x )").unwrap_err();
    let place = match error.location() {
        Some(Location::Text { line, column, span }) => (*line, *column, span.clone()),
        place => panic!("{place:?}"),
    };
    assert_eq!(place, (2, 7, 18..19));
    assert_eq!(error.kind(), CompileErrorKind::Reference);
}

#[test]
fn every_front_end_gives_errors_of_the_same_kinds() {
    use CompileErrorKind::{Empty, Limit, Option, Reference, Syntax, Unsupported};
    let options = SchemaOptions::default;
    let schema = |text: &str| schema::compile(text, &options());
    let pattern = |text: &str| regex::compile(text, Dialect::Ecma262);
    let deep = format!("root ::= {}\"a\"{}", "(".repeat(201), ")".repeat(201));
    let long = "a".repeat((1 << 20) + 1);
    let spaced = options().whitespace(Whitespace::Pretty(17));
    let no_fuel = r#"{"oneOf": [{"type": "string"}, {"minLength": 1}]}"#;
    let table = [
        (schema("{"), Syntax),
        (schema(r#"{"minimum": "1"}"#), Syntax),
        (schema(r#"{"pattern": "(a)\\1"}"#), Unsupported),
        (schema(r##"{"$ref": "#/$defs/a"}"##), Reference),
        (schema("false"), Empty),
        (schema::compile(no_fuel, &options().fuel(1)), Limit),
        (schema::compile("{}", &spaced), Option),
        (pattern("("), Syntax),
        (pattern(r"(a)\1"), Unsupported),
        (pattern("a^"), Empty),
        (pattern(&long), Limit),
        (choice::compile::<&str>(&[]), Empty),
        (Notation::Gbnf.compile("root ::= ("), Syntax),
        (Notation::Gbnf.compile("root ::= a"), Reference),
        (Notation::Gbnf.compile("a ::= \"b\""), Reference),
        (Notation::Gbnf.compile("root ::= root"), Empty),
        (Notation::Gbnf.compile(&deep), Limit),
        (Notation::Ebnf.compile("a = ? special ?;"), Unsupported),
        (Notation::Lark.compile("start: /a/ /(b)\\1/"), Unsupported),
        (Notation::Lark.compile("start: /a{2000000000}/"), Limit),
        (Notation::Lark.compile("start: A\nA: /a+/ \"a\" A"), Unsupported),
        (Notation::Lark.compile("start: N N\nN: /[a-z]+/"), Empty),
    ];
    for (index, (compiled, kind)) in table.into_iter().enumerate() {
        let error = compiled.err().unwrap_or_else(|| panic!("row {index} compiles"));
        assert_eq!(error.kind(), kind, "{error}");
        let is_named = !matches!(kind, Option) && !error.to_string().starts_with("the grammar");
        assert_eq!(error.location().is_some(), is_named, "{error}");
    }
}

#[test]
fn ebnf_of_the_w3c() {
    let table: &[Row<'_>] = &[
        ("a ::= 'x' | \"y'\"", &["x", "y'"], &["y", "a"]),
        ("/* one */ [1] a ::= b [2] b ::= [0-9]+ [ wfc: some note ]\n[3a] c ::= b", &["12"], &["", "1 2"]),
        ("S ::= (#x20 | #x9)+ #xE9", &[" \té"], &["é"]),
        ("a ::= [#x41-#x43#x61] [^#x20-#x7e'] [a-]", &["Aé-", "a\na"], &["D", "A'a"]),
        (
            "c ::= '<!--' ((Char - '-') | ('-' (Char - '-')))* '-->'\nChar ::= [#x20-#x7e]",
            &["<!---->", "<!-- a-b -->"],
            &["<!-- -- -->", "<!--->"],
        ),
        (
            "t ::= Name - (('X' | 'x') ('M' | 'm'))\nName ::= [a-zA-Z]+",
            &["x", "xmm", "am"],
            &["xm", "XM", ""],
        ),
        ("d ::= [^<&]* - ([^<&]* ']]>' [^<&]*)", &["", "a]]", "]>"], &["]]>", "a]]>b", "<"]),
        ("a ::= 'a'? 'b'+ - 'bb' 'c'*", &["ab", "bbbcc"], &["bb", "abb", "a"]),
        ("a-b.c ::= x_1\nx_1 ::= 'y' a-b.c | ''", &["", "yy"], &["x"]),
        ("e ::= e '+' t | t\nt ::= [0-9]", &["1", "1+2+3"], &["+", "1+"]),
    ];
    for (rules, yes, no) in table {
        check(Notation::Ebnf, rules, yes, no);
    }
}

#[test]
fn ebnf_of_iso() {
    let table: &[Row<'_>] = &[
        ("a = 'x' | \"y'\" ;", &["x", "y'"], &["y"]),
        ("(* one (* in another *) *) a = { 'x' }, [ 'y' ] .", &["", "xxy", "y"], &["yx", "yy"]),
        ("a = 3 * 'ab', 2 * ('c' | 'd');", &["abababcd"], &["ababcd", "abababc"]),
        ("a = b / c ! 'z'; b = (/ 'x' /) 'w'; c = (: 'y' :);", &["xw", "w", "", "yy", "z"], &["x", "wz"]),
        ("bit list = bit, { bit }; bit = '0' | '1';", &["0", "0110"], &["", "2"]),
        ("a = bit bit; bit = '0';", &["00"], &["0"]),
        ("letter = 'a' | 'b' | 'c'; unused = letter - 'b';", &["a", "b"], &["d"]),
        ("a = letter - 'b', { letter }-; letter = 'a' | 'b' | 'c';", &["ab", "cab"], &["a", "bb"]),
        ("a = { [ 'x' ] b }- ; b = '(' a ')' | 'y';", &["y", "xyy", "x(y)"], &["", "()", "x"]),
        ("empty = ;", &[""], &["x"]),
        ("a = , 'x' , ;", &["x"], &[""]),
    ];
    for (rules, yes, no) in table {
        check(Notation::Ebnf, rules, yes, no);
    }
}

#[test]
fn ebnf_errors() {
    errors(
        "ebnf_errors",
        Notation::Ebnf,
        &[
            "",
            "a ::= b",
            "a ::= 'x' a ::= 'y'",
            "a ::= 'x",
            "a ::= [a-z",
            "a ::= [z-a]",
            "a ::= []",
            "a ::= #x110000",
            "a ::= #xD800",
            "a ::= # comment",
            "a ::= ('x' | 'y'",
            "a ::= 'x')",
            "a ::= | * 'x'",
            "a ::= 'x' - ",
            "a ::= b - 'x'\nb ::= '(' b ')' | 'x'",
            "a ::= 'x' - 'x'",
            "a ::= 'x' ;",
            "a ::= 'x' /* no end",
            "a = b;",
            "a = 'x'",
            "a = 'x;",
            "a = ? any ?;",
            "a = 'x'+;",
            "a = 'x' * 3;",
            "a = 3 'x';",
            "a = 9999999999 * 'x';",
            "a = { 'x' ];",
            "a = (* no end",
            "a = 'x'; b ::= 'y'",
            "a = 'x', a;",
        ],
    );
}

/// The grammars in `grammars/`, each with texts that it must read and texts that it must refuse.
#[test]
fn ready_made_grammars() {
    let game = "1. e4 e5 2. Nf3 Nc6 3. O-O-O Bxb7+ 4. a8=Q# axb1=N 1-0";
    let table: &[(&str, &[&str], &[&str])] = &[
        (
            "arithmetic.gbnf",
            &["1", "2 * (x + 1.5) - y", "-a^2^b1/3-4", "(((1)))"],
            &["", "1 +", "2x", "()", "1  + 1"],
        ),
        (
            "calculator.lark",
            &["x = 2 * (y + 1.5); print x;", "print printed;print 1 + 1;", "p=--1^2^3 # one\n;"],
            &["", "x = 1", "print;", "x y = 1;", "print = 1;", "print1+1;", "x = 1.2.3;"],
        ),
        (
            "chess.gbnf",
            &[game, "1. d4 *", "1. Nbd2 Rae1 1/2-1/2"],
            &["1. e4", "1. i4 *", "1.e4 e5 *", "e4 *"],
        ),
        (
            "csv.gbnf",
            &["a,b\n1,2\n", "a,\n\"x,\"\"y\"\"\n\",z\n,\n"],
            &["a,b\n", "a\nb\n", "a,b\n1,\"2\n", "a,b\n1,2"],
        ),
        (
            "date-time.gbnf",
            &[
                "2025-02-28T23:59:59.5+01:00",
                "2024-02-29T00:00:00Z",
                "2000-02-29T00:00:00Z",
                "1999-12-31T10:20:30-12:30",
            ],
            &[
                "2025-02-29T00:00:00Z",
                "1900-02-29T00:00:00Z",
                "2025-04-31T00:00:00Z",
                "2025-13-01T00:00:00Z",
                "2025-01-00T00:00:00Z",
                "2025-01-01T24:00:00Z",
                "2025-01-01",
            ],
        ),
        (
            "email.gbnf",
            &["a@b.c", "ada.lovelace+notes@mail.example.org", "x@a-b.cc"],
            &["a@b", ".a@b.c", "a..b@c.d", "a@-b.c", "a@b-.c", "a b@c.d"],
        ),
        (
            "json.gbnf",
            &["{}", " [1, -2.5e+3, \"a\\n\\u00e9é\", {\"k\" : null}] ", "true", "0", "\"\""],
            &["", "01", "[1,]", "{\"a\"}", "'a'", "\"\n\"", "\"\\x\"", "{\"a\":1,}", "+1", "nul"],
        ),
        ("list.gbnf", &["- a\n", "- Ada Lovelace\n- b\n"], &["", "a\n", "- \n", "-  a\n", "- a", "- a\n\n"]),
        (
            "select.gbnf",
            &[
                "SELECT * FROM t;",
                "SELECT DISTINCT a.x AS y, COUNT(*) FROM a LEFT JOIN b ON a.i = b.i WHERE a.x >= 3 AND (b.y IS NOT NULL OR NOT b.z LIKE 'it''s%') GROUP BY a.x HAVING SUM(b.n) > 1.5 ORDER BY y DESC, a.x LIMIT 10;",
                "SELECT a FROM t WHERE b IN (1, 2, x) AND c BETWEEN 1 AND 2;",
            ],
            &[
                "SELECT * FROM t",
                "DROP TABLE t;",
                "SELECT FROM t;",
                "SELECT a FROM t WHERE;",
                "SELECT a FROM t; DROP TABLE t;",
            ],
        ),
        (
            "settings.ebnf",
            &["[a]\n", "# c\n\n[a]\nx = 1 2\n; c\ny=\n[b.c-d]\nz= é\n"],
            &["", "x = 1\n", "[a]\nx\n", "[a\n", "[a]\nx = 1 \n", "[a]", "[]\n"],
        ),
        ("thinking.gbnf", &[], &["yes", "<think>a</think>\n\nyes"]),
    ];
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("grammars");
    let mut files: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, table.iter().map(|row| row.0).collect::<Vec<_>>(), "grammars/ and this table differ");
    for (file, yes, no) in table {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let head = ["# ", "// ", "/* "].iter().any(|mark| text.starts_with(mark));
        assert!(head && text.contains(" Notation: "), "{file} has no comment with its notation");
        let notation = Notation::of_extension(file.rsplit('.').next().unwrap()).unwrap();
        check(notation, &text, yes, no);
    }
}

#[test]
fn thoughts_may_come_before_an_answer() {
    let vocabulary = vocabulary();
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/grammars/thinking.gbnf")).unwrap();
    let mut matcher = matcher_of(&text, &vocabulary);
    for (name, text) in [("<think>", "Is it? é"), ("</think>", "\n\nno")] {
        assert!(matcher.advance(vocabulary.special(name).unwrap()).unwrap(), "{name}");
        assert!(matcher.advance_bytes(text.as_bytes()).unwrap(), "{text}");
    }
    assert!(matcher.is_accepting());
}

/// Grammars in Lark's notation, each with the parser with which its own library reads it.
const LARK: &[(&str, &str, &str)] = &[
    (
        "calculator",
        "lalr",
        r#"
        ?start: sum
        ?sum: product
            | sum "+" product   -> add
            | sum "-" product   -> sub
        ?product: atom
            | product "*" atom  -> mul
            | product "/" atom  -> div
        ?atom: NUMBER           -> number
             | "-" atom         -> neg
             | NAME             -> var
             | "(" sum ")"
        %import common.CNAME -> NAME
        %import common.NUMBER
        %import common.WS_INLINE
        %ignore WS_INLINE
        "#,
    ),
    (
        "json",
        "lalr",
        r#"
        ?start: value
        ?value: object | array | string
              | SIGNED_NUMBER  -> number
              | "true" | "false" | "null"
        array  : "[" [value ("," value)*] "]"
        object : "{" [pair ("," pair)*] "}"
        pair   : string ":" value
        string : ESCAPED_STRING
        %import common.ESCAPED_STRING
        %import common.SIGNED_NUMBER
        %import common.WS
        %ignore WS
        "#,
    ),
    (
        "statements",
        "lalr",
        r#"
        start: statement+
        statement: "if" expr "then" statement ["else" statement] "end"
                 | "let" NAME "=" expr ";"
                 | "return"i _list{expr, ","} ";"
        expr: NAME | INT | FLOAT | STRING | NAME "(" [_list{expr, ","}] ")" | expr OP NAME
        _list{item, separator}: item (separator item)*
        OP: "<" | "<=" | "==" | "->"
        NAME: /[a-z_][a-z0-9_]*/
        INT: /\d/+
        FLOAT.2: /[0-9]+\.[0-9]+/
        STRING: /'[^'\n]*'/
        COMMENT: "/*" /(.|\n)*?/ "*/" | /#[^\n]*/
        %ignore COMMENT
        %ignore /[ \t\n]+/
        "#,
    ),
    (
        "counts and ranges",
        "lalr",
        r#"
        start: (HEX ~ 2 ":") ~ 1..3 LETTER? "é"
        HEX: "0".."9" | "a".."f"
        LETTER: "x".."z"
        "#,
    ),
    (
        "ambiguous",
        "earley",
        r#"
        start: start start | "(" start ")" | WORD | "if" WORD
        WORD: /[a-z]{1,4}/
        %ignore " "
        "#,
    ),
];

#[test]
fn lark_texts() {
    let grammar = |name: &str| LARK.iter().find(|row| row.0 == name).unwrap().2;
    let table: &[Row<'_>] = &[
        (
            grammar("calculator"),
            &["1", " 1.5e3+ -(x1 * 2 ) / y", "--a "],
            &["", "1 2", "a b", "(1", "1+", "1..2"],
        ),
        (
            grammar("json"),
            &[" { \"a\\\"\" : [1,true ,-2.5e3] }\n", "null"],
            &["nul", "[1,]", "truefalse", "\"a\nb\""],
        ),
        (
            grammar("statements"),
            &[
                "let iff=1;",
                "letx=1;",
                "let if=1;",
                "ifa then let b=1; end",
                "if a then let b = 1.5; end",
                "RETURN f(1,a<=b);#c\n",
                "let a=b->c;/*x*y**/ ",
                "if x then if y then let a=1; else let b=2; end end",
            ],
            &["if=1;", "iff then let b=1; end else", "let a=1.;", "let a=1", "let a=1.5.5;", "/*x*/ */"],
        ),
        (grammar("counts and ranges"), &["0a:é", "0a:ff:00:xé"], &["0:é", "0a:0b:0c:0d:é", "0a:xxé"]),
        (grammar("ambiguous"), &["abcdefg", "if a", "if if", "(if abcd) ab", "ifa"], &["", "if", "(a"]),
        // A keyword is not a name, even if the rules name the terminal first. A name may begin with
        // a keyword.
        ("start: NAME | \"if\" \"(\"\nNAME: /[a-z]+/", &["iff", "i", "if("], &["if", "iff("]),
        // The longest match decides, even if the parser cannot continue after it.
        ("start: A B | C \"!\"\nA: \"a\"\nB: \"b\"\nC: \"ab\"", &["ab!"], &["ab"]),
        ("start: A \"b\" \"c\" | \"abx\"\nA: \"a\"", &["abc", "abx"], &["ab"]),
        // A match of a terminal with higher priority excludes longer matches of lower priority.
        ("start: (A | B)+\nA.1: \"a\"\nB: /[ab]+c/", &["a", "aa", "bc", "aabac"], &["b", "ab"]),
        ("start: A+\nA: /x+y/ | /x/", &["x", "xx", "xxy", "xyx", "xxyxx"], &["y"]),
        // Ignored text may come before every terminal and at the end, but not inside a terminal.
        (
            "start: \"ab\" \"c\"\n%ignore \" \"\n%ignore /#.*/",
            &[" ab c ", "abc", "abc #x y"],
            &["a b c", "ab"],
        ),
        ("start: /'.*?'/ \"x\"", &["'a'x"], &["'a'b'x", "'a"]),
        ("start: \"a\"\n    | (\n \"b\"\n \"c\" )\n\n// comment\nunused: start", &["a", "bc"], &["ab"]),
        ("start: A\nA: _B ~ 2\n_B: \"x\"i", &["xX"], &["x", "xxx"]),
        // A lookahead sees the text after its terminal.
        ("start: A B\nA: /(?:x(?!y))+/\nB: /xy/", &["xxxy", "xxy"], &["xy", "xxx"]),
        ("start: A \"y\"\nA: /x(?=y)/", &["xy"], &["x", "xx"]),
        ("start: A B?\nA: /[a-z]+\\b/\nB: /!x/", &["ab", "a!x"], &["a!", "!x"]),
        // Alternatives are tried in order, as Python does.
        ("start: A \"c\"\nA: /a|ab/", &["ac"], &["abc"]),
        // A terminal may take the beginning of another one. Then only the outputs that can still be
        // completed are allowed.
        ("start: (A | \"ba\") A\nA: /a+/", &["baa", "baaa"], &["aa", "a", "ba"]),
        ("start: twice{\"a\"}\ntwice{x}: x x | \"<\" twice{twice{x}} \">\"", &[], &[]),
    ];
    for (rules, yes, no) in &table[..table.len() - 1] {
        check(Notation::Lark, rules, yes, no);
    }
    // A template whose instances need ever larger instances is an error.
    let error = Notation::Lark.compile(table[table.len() - 1].0).unwrap_err();
    assert_eq!(error.kind(), CompileErrorKind::Limit, "{error}");
}

#[test]
fn lark_errors() {
    errors(
        "lark_errors",
        Notation::Lark,
        &[
            "",
            "main: \"a\"",
            "start: itme\nitem: \"x\"",
            "start: NUMBR\n%import common.NUMBER",
            "start: A\nA: B",
            "start: \"a\"\nstart: \"b\"",
            "start: A\nA: \"x\"\n%import common.INT -> A",
            "start = \"a\"",
            "start \"a\"",
            "start: \"a\"; other",
            "start: 'a'",
            "start: \"a",
            "start: /a",
            "start: /[a/",
            "start: /a(?=b)/i",
            "start: (\"a\" | \"b\"",
            "start: \"a\")",
            "start: * \"a\"",
            "start: \"a\" ~ x",
            "start: \"a\" ~ 3..2",
            "start: \"a\" ~ 9999999999",
            "start: \"a\" -> ",
            "start: \"z\"..\"a\"",
            "start: \"ab\"..\"c\"",
            "start: \"\\q\"",
            "start: /a*/",
            "start: /a^/",
            "start: A\nA: start",
            "start: A\nA: \"(\" A \")\" | \"x\"",
            "start: A\nA.x: \"x\"",
            "start: A\nA{x}: x",
            "start: two{\"a\"}\ntwo{x, y}: x y",
            "start: two\ntwo{x, y}: x y",
            "start: X\n%declare X",
            "start: X\n%import common.NUMBERS -> X",
            "start: X\n%import python.NAME -> X",
            "start: X\n%import common",
            "%extend start: \"a\"",
            "start: \"a\" start",
            "start: N N\nN: /[a-z]+/",
            "start: \"<t>\" BODY \"</t>\"\nBODY: /.+/",
            "start: /a(?=b)/",
            "start: /(?<=a)b/",
            "start: x\n%import .one.x",
        ],
    );
}

mod needs_lark {
    #[test]
    #[ignore = "needs Lark: make data"]
    fn lark_reads_what_walks_write() {
        super::lark_reads_what_walks_write();
    }
}

/// Checks that Lark itself reads every output of a Lark grammar.
fn lark_reads_what_walks_write() {
    const JUDGE: &str = r#"
import json, sys
import lark
wrong = []
for line in sys.stdin:
    case = json.loads(line)
    for lexer in case["lexers"]:
        judge = lark.Lark(case["grammar"], parser=case["parser"], lexer=lexer)
        for text in case["texts"]:
            try:
                judge.parse(text)
            except lark.exceptions.LarkError as error:
                wrong.append([case["name"], lexer, text, str(error)])
print(json.dumps(wrong))
"#;
    let walks: usize = std::env::var("HEDGEROW_WALKS").ok().and_then(|w| w.parse().ok()).unwrap_or(40);
    let mut tokens: Vec<Vec<u8>> = (b' '..=b'~').map(|b| vec![b]).collect();
    for text in [
        "\n", "é", "if ", "if", "then", " then", "let ", "return", "end", "1.5", "12", " = ", ";\n", "\": ",
        "\", \"", "true", "/*", "*/", "# x",
    ] {
        tokens.push(text.as_bytes().to_vec());
    }
    tokens.extend("é".bytes().map(|b| vec![b]));
    tokens.push(b"</s>".to_vec());
    let eos = TokenId(tokens.len() as u32 - 1);
    let vocabulary = Vocabulary::from_byte_list(tokens).unwrap().with_eos(&[eos]).unwrap();
    let mut cases = String::new();
    for (number, (name, parser, rules)) in LARK.iter().enumerate() {
        let grammar = Notation::Lark.compile(rules).unwrap();
        let mut matcher = Constraint::new(&grammar, &vocabulary).unwrap().matcher();
        let mut random = walk::Random(number as u64);
        let mut texts = Vec::new();
        for _ in 0..walks {
            matcher.reset();
            let output = walk::walk(&mut matcher, &vocabulary, &mut random);
            texts.extend(output.unwrap_or_else(|error| panic!("{name}: {error}")));
        }
        assert!(texts.len() > walks / 4, "{name}: most walks do not end");
        let lexers: &[&str] = if *parser == "lalr" { &["contextual"] } else { &["dynamic"] };
        let case = serde_json::json!({
            "name": name, "parser": parser, "lexers": lexers, "grammar": rules, "texts": texts,
        });
        cases += &format!("{case}\n");
    }
    let mut child = files::python_with_lark()
        .args(["-c", JUDGE])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python3 (or $PYTHON) runs");
    // Without Lark, the judge ends before it has read everything.
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), cases.as_bytes());
    let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let wrong: Vec<[String; 4]> =
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{said}: {error}"));
    let shown: Vec<String> =
        wrong.iter().take(10).map(|w| format!("{} ({}): {:?}\n{}", w[0], w[1], w[2], w[3])).collect();
    assert!(wrong.is_empty(), "Lark refuses {} outputs:\n{}", wrong.len(), shown.join("\n"));
}

/// Pieces of notations, which `mangled` inserts.
const PIECES: [&str; 29] = [
    "\"",
    "'",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    "/",
    "\\",
    "*",
    "?",
    "~",
    "-",
    "::=",
    "=",
    ":",
    "|",
    "\n",
    "é",
    "%ignore",
    "..",
    "9999999999",
    "{3,",
    "<",
    "!",
    "#x",
    "(*",
    "\u{0}",
];

/// The text with one to four random changes: parts cut out, inserted, doubled or cut off.
fn mangled(text: &str, random: &mut walk::Random) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..1 + random.below(4) {
        let at = random.below(characters.len() + 1);
        let to = (at + random.below(6)).min(characters.len());
        match random.below(4) {
            0 => drop(characters.drain(at..to)),
            1 => {
                let piece = PIECES[random.below(PIECES.len())];
                characters.splice(at..at, piece.chars());
            }
            2 => {
                let copy = characters[at..to].to_vec();
                characters.splice(at..at, copy);
            }
            _ => characters.truncate(at.max(characters.len() / 2)),
        }
    }
    characters.into_iter().collect()
}

/// Cut, doubled and mangled grammars are refused or compiled, without a panic and without a long
/// run.
#[test]
fn mangled_texts_cause_no_panic() {
    let mut texts: Vec<(Notation, String)> =
        LARK.iter().map(|row| (Notation::Lark, row.2.to_owned())).collect();
    for file in ["json", "select", "date-time", "thinking"] {
        let path = format!("{}/grammars/{file}.gbnf", env!("CARGO_MANIFEST_DIR"));
        texts.push((Notation::Gbnf, std::fs::read_to_string(path).unwrap()));
    }
    texts.push((
        Notation::Ebnf,
        "[1] a ::= [#x9a-z]+ ('x' - \"y\"?) | b*\n/* c */ b ::= #x20 [^a-] (a)".to_owned(),
    ));
    texts.push((
        Notation::Ebnf,
        "a b = { 'x' }- , [ 3 * c ] ; (* c (* d *) *) c = 'y' | ( a b - 'z' ) .".to_owned(),
    ));
    let mut random = walk::Random(7);
    let mut compiled = 0;
    for round in 0..1_500 {
        let (notation, text) = &texts[round % texts.len()];
        let mangled = mangled(text, &mut random);
        match notation.compile(&mangled) {
            Ok(_) => compiled += 1,
            Err(error) => {
                let lines = mangled.split('\n').count();
                let Some(&Location::Text { line, .. }) = error.location() else { panic!("{mangled}") };
                assert!((1..=lines).contains(&line) && !error.to_string().is_empty(), "{mangled}");
            }
        }
    }
    assert!(compiled > 100, "{compiled}");
}

/// The grammars that benchmarks use read the texts beside them. Other engines read these files,
/// too.
#[test]
fn grammars_of_the_benchmarks_read_their_texts() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/grammars");
    let vocabulary = crate::support::bytes::byte_vocabulary(&[]);
    let names = ["arithmetic", "c", "chat", "chess", "graphql", "json", "python", "sql", "toml"];
    for name in names {
        let grammar = std::fs::read_to_string(folder.join(format!("{name}.gbnf"))).unwrap();
        let text = std::fs::read_to_string(folder.join(format!("texts/{name}.txt"))).unwrap();
        let grammar = Notation::Gbnf.compile(&grammar).unwrap_or_else(|error| panic!("{name}: {error}"));
        let constraint = Constraint::new(&grammar, &vocabulary).unwrap();
        assert!(crate::support::bytes::accepts(&constraint, &text), "{name}");
        let open = text.trim_end().len() - 1;
        let mut matcher = constraint.matcher();
        assert!(matcher.advance_bytes(&text.as_bytes()[..open]).unwrap(), "{name}");
        let inside = matcher.completion().unwrap();
        assert!(inside.is_some(), "{name}");
    }
}
