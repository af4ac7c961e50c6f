//! Random grammars in Lark's notation, compared with Lark's own Python library.
//! `HEDGEROW_LARK=1000` sets the number of grammars, and `HEDGEROW_SEED` chooses others.
//!
//! The comparison needs Python and Lark's library, which `make data` fetches.

use crate::support::bytes::{accepts, byte_vocabulary};
use crate::support::files::{self, number};
use crate::support::walk;
use hedgerow::engine::{Constraint, EngineError};
use hedgerow::grammar::{CompileErrorKind, Grammar};
use hedgerow::syntax::lark;
use hedgerow::vocab::Vocabulary;

use crate::support::walk::Random;

const ALPHABET: &[char] = &['a', 'b', 'x', ' '];

/// The characters of the alphabet, a few longer tokens and an end.
fn vocabulary() -> Vocabulary {
    byte_vocabulary(&["ab", "ba", "aa", " a", "b ", "xa", "abx", "bb b"])
}

/// A random pattern of about `size` parts.
fn pattern(random: &mut Random, size: usize, first: bool) -> String {
    let mut text = String::new();
    for i in 0..1 + random.below(size) {
        let atoms = ["a", "b", "x", "[ab]", "[^a]", ".", "ab", "[a-b ]"];
        let atom = match random.below(16) {
            0 if size > 1 => format!(
                "(?:{}|{})",
                pattern(random, size - 1, first && i == 0),
                pattern(random, size - 1, first && i == 0)
            ),
            1 if size > 1 => format!("(?:{})", pattern(random, size - 1, first && i == 0)),
            2 => ["(?=a)", "(?!b)", "(?!ab)", "(?=[ab])", "(?!$)", "(?=x| )", r"(?!\b)"][random.below(7)]
                .to_owned(),
            3 if !(first && i == 0) => {
                [r"\b", "$", "(?<=a)", "(?<!b)", r"\B", "(?<!ab)"][random.below(6)].to_owned()
            }
            _ => atoms[random.below(atoms.len())].to_owned(),
        };
        let repeats = !atom.starts_with("(?=")
            && !atom.starts_with("(?!")
            && !atom.starts_with("(?<")
            && !atom.starts_with('\\')
            && atom != "$";
        text += &atom;
        if repeats {
            let counts = ["*", "+", "?", "{1,2}", "{2}", "*?", "+?", "??", "+", "{1,3}"];
            if random.below(3) == 0 {
                text += counts[random.below(counts.len())];
            }
        }
    }
    text
}

fn terminal(random: &mut Random) -> String {
    let texts = ["\"a\"", "\"b\"", "\"ab\"", "\"ba\"", "\"x\"", "\"aa\"", "\"abx\"", "\"a\"i", "\" \""];
    match random.below(5) {
        0 | 1 => texts[random.below(texts.len())].to_owned(),
        2 => {
            let a = texts[random.below(texts.len())];
            let b = pattern(random, 2, true);
            format!("({a} | /{b}/) /{}/?", ["a", "b", "x", "[ab]"][random.below(4)])
        }
        _ => format!("/{}/", pattern(random, 3, true)),
    }
}

fn expression(random: &mut Random, names: &[&str], depth: usize) -> String {
    let atoms = |random: &mut Random| match random.below(8) {
        0 => ["\"a\"", "\"b\"", "\"x\"", "\"ab\""][random.below(4)].to_owned(),
        _ => names[random.below(names.len())].to_owned(),
    };
    let mut text = String::new();
    for _ in 0..1 + random.below(3) {
        let part = match random.below(6) {
            0 if depth > 0 => {
                format!(
                    "({} | {})",
                    expression(random, names, depth - 1),
                    expression(random, names, depth - 1)
                )
            }
            1 if depth > 0 => format!("[{}]", expression(random, names, depth - 1)),
            _ => atoms(random),
        };
        text += &part;
        text += ["", "", "", "", "?", "*", "+", " ~ 2", " ~ 1..2"][random.below(9)];
        text += " ";
    }
    text
}

/// A random grammar.
fn grammar(random: &mut Random) -> String {
    let terminals = &["A", "B", "C", "D"][..2 + random.below(3)];
    let rules = &["one", "two"][..random.below(3)];
    let names: Vec<&str> = terminals.iter().chain(rules).copied().collect();
    let mut text = format!("start: {}\n", expression(random, &names, 2));
    for (i, rule) in rules.iter().enumerate() {
        // Some rules refer to earlier ones or to themselves.
        let names = if random.below(3) == 0 { &names } else { &names[..terminals.len() + i] };
        text += &format!("{rule}: {} | {}\n", expression(random, names, 1), expression(random, terminals, 0));
    }
    for name in terminals {
        let priority = ["", "", "", ".1", ".2"][random.below(5)];
        text += &format!("{name}{priority}: {}\n", terminal(random));
    }
    match random.below(6) {
        0 | 1 => text += "%ignore \" \"\n",
        2 => text += "%ignore / +/\n",
        3 => text += "%ignore /x+/\n",
        _ => {}
    }
    text
}

const JUDGE: &str = r#"
import json, resource, signal, sys
import lark
# Lark's Earley parser may take gigabytes, or hours, for one text.
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
def late(*_):
    raise TimeoutError
signal.signal(signal.SIGALRM, late)
wrong, refused, lalr, earley, probes = [], 0, 0, 0, 0
def reads(judge, text):
    signal.alarm(20)
    try:
        judge.parse(text)
        return True
    except lark.exceptions.LarkError:
        return False
    except (RuntimeError, MemoryError, TimeoutError):
        # A RuntimeError of Lark's Earley parser: "Please report this bug".
        return None
    finally:
        signal.alarm(0)
for line in sys.stdin:
    case = json.loads(line)
    try:
        if case["parser"] == "lalr":
            judge = lark.Lark(case["grammar"], parser="lalr", lexer="contextual", start=case["start"])
        else:
            judge = lark.Lark(case["grammar"], parser="earley", lexer="dynamic", start=case["start"])
    except Exception as error:
        refused += 1
        # Lark refuses rules that its own expansion makes twice.
        if case["written"] and case["parser"] == "lalr" and "Rules defined twice" not in str(error):
            wrong.append([case["grammar"], "grammar", str(error)])
        continue
    if case["parser"] == "lalr": lalr += 1
    else: earley += 1
    written = case["written"]
    if case["parser"] == "earley":
        # Its time grows with the cube of the length.
        written = [text for text in written if len(text) < 25][:5]
    for text in written:
        if reads(judge, text) is False:
            wrong.append([case["grammar"], "refused by " + case["parser"], text])
    if case["parser"] == "lalr":
        for text, said in case["probes"]:
            probes += 1
            if reads(judge, text) != said:
                wrong.append([case["grammar"], "hedgerow says %s" % said, text])
print(json.dumps([wrong, [refused, lalr, earley, probes]]))
"#;

/// The judge's answer about cases: the faults, and the numbers of grammars that Lark refused, read
/// by LALR and read by Earley, and of texts compared.
fn judged(cases: &str) -> (Vec<[String; 3]>, [usize; 4]) {
    let file = std::env::temp_dir().join(format!("hedgerow-lark-{}.jsonl", std::process::id()));
    std::fs::write(&file, cases).unwrap();
    let child =
        files::python_with_lark().args(["-c", JUDGE]).stdin(std::fs::File::open(&file).unwrap()).output();
    let _ = std::fs::remove_file(&file);
    let output = child.expect("python3 (or $PYTHON) runs");
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{said}: {error}\n{errors}"))
}

/// All short texts of the alphabet, and some longer ones.
fn probes(random: &mut Random, written: &[String]) -> Vec<String> {
    let mut texts = vec![String::new()];
    let mut at = 0;
    while texts[at].len() < 4 {
        for c in ALPHABET {
            let longer = format!("{}{c}", texts[at]);
            texts.push(longer);
        }
        at += 1;
    }
    let mut probes: Vec<String> = (0..30).map(|_| texts[random.below(texts.len())].clone()).collect();
    probes.extend_from_slice(&texts[..21]);
    for _ in 0..30 {
        let text: String = (0..3 + random.below(7)).map(|_| ALPHABET[random.below(3)]).collect();
        probes.push(text);
    }
    for text in written.iter().filter(|text| text.len() < 40) {
        let mut characters: Vec<char> = text.chars().collect();
        let place = random.below(characters.len() + 1);
        match random.below(3) {
            0 => characters.insert(place, ALPHABET[random.below(4)]),
            1 if place < characters.len() => drop(characters.remove(place)),
            _ if place < characters.len() => characters[place] = ALPHABET[random.below(4)],
            _ => {}
        }
        probes.push(characters.into_iter().collect());
    }
    probes
}

fn case(text: &str, start: &str, grammar: &Grammar, written: &[String], probes: &[(String, bool)]) -> String {
    let conflicts = grammar.pool().lexed().is_some_and(|lexed| lexed.parser.has_conflicts);
    let parser = if conflicts { "earley" } else { "lalr" };
    let case = serde_json::json!({
        "grammar": text, "start": start, "parser": parser, "written": written, "probes": probes,
    });
    format!("{case}\n")
}

/// The parser of each is never stuck, and that is found without a search.
#[test]
fn grammars_of_the_benchmarks_compile() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/grammars");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "lark") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        lark::compile(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

#[test]
fn random_grammars_have_no_dead_ends() {
    random_grammars();
}

mod needs_lark {
    use super::*;

    #[test]
    #[ignore = "needs Lark: make data"]
    fn judges_random_grammars() {
        let (wrong, figures) = judged(&random_grammars());
        let [refused, lalr, earley, texts] = figures;
        eprintln!("refused by Lark {refused}, LALR {lalr}, Earley {earley}, texts compared {texts}");
        let shown: Vec<String> =
            wrong.iter().take(8).map(|w| format!("{}\n{}: {:?}", w[0], w[1], w[2])).collect();
        assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), shown.join("\n\n"));
    }
}

/// Random grammars, each as a line of JSON with texts that walks wrote and with texts to probe.
fn random_grammars() -> String {
    let count = number("HEDGEROW_LARK", 60);
    let seed = number("HEDGEROW_SEED", 1) as u64;
    let vocabulary = vocabulary();
    let mut random = Random(seed);
    let mut cases = String::new();
    let (mut read, mut empty, mut unread, mut texts, mut limited) = (0, 0, 0, 0, 0);
    let mut ends: Vec<String> = Vec::new();
    let mut complaints = std::collections::BTreeMap::new();
    while read + empty < count {
        let text = grammar(&mut random);
        let grammar = match lark::compile(&text) {
            Ok(grammar) => grammar,
            Err(error) => {
                if error.kind() == CompileErrorKind::Empty {
                    empty += 1;
                    let probes: Vec<(String, bool)> =
                        probes(&mut random, &[]).into_iter().map(|text| (text, false)).collect();
                    let case = serde_json::json!({
                        "grammar": text, "start": "start", "parser": "lalr", "written": [], "probes": probes,
                    });
                    // Only Lark's LALR parser is asked: its Earley parser tries more readings of a
                    // text.
                    cases += &format!("{case}\n");
                } else {
                    unread += 1;
                    *complaints
                        .entry(error.to_string().lines().next().unwrap_or_default().to_owned())
                        .or_insert(0) += 1;
                }
                continue;
            }
        };
        read += 1;
        let constraint = match Constraint::new(&grammar, &vocabulary) {
            Ok(constraint) => constraint,
            Err(EngineError::Limit { .. }) => {
                limited += 1;
                continue;
            }
            // The grammar has texts, but none of the vocabulary's few characters.
            Err(EngineError::Unspellable) => continue,
            Err(error) => panic!("{text}\n{error}"),
        };
        let mut matcher = constraint.matcher();
        let mut written = Vec::new();
        for _ in 0..20 {
            matcher.reset();
            match walk::walk(&mut matcher, &vocabulary, &mut random) {
                Ok(output) => written.extend(output),
                // Thousands of tokens of a very ambiguous grammar have more readings than one call
                // may follow or store.
                Err(error) if ["state_threads", "graph_bytes"].iter().any(|limit| error.contains(limit)) => {
                    limited += 1;
                }
                Err(error) => {
                    eprintln!("{text}\n{error}\n");
                    ends.push(error);
                }
            }
        }
        texts += written.len();
        let probes: Vec<(String, bool)> = probes(&mut random, &written)
            .into_iter()
            .map(|text| {
                let said = accepts(&constraint, &text);
                (text, said)
            })
            .collect();
        cases += &case(&text, "start", &grammar, &written, &probes);
    }
    eprintln!(
        "{read} grammars, {empty} without a text, {unread} not read, {limited} over limits, {texts} texts; {complaints:?}"
    );
    assert!(limited <= 20.max(read / 5), "{limited} of {} walks are over limits", 20 * read);
    assert!(ends.is_empty(), "{} walks do not end: {:?}", ends.len(), &ends[..ends.len().min(5)]);
    cases
}
