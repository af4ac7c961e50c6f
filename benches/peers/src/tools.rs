//! Tools: the time to compile replies that call many tools, and the costs of free text and events.
//!
//! The tools resemble those of MCP servers: a description, some properties, nested objects,
//! enumerations. The replies are free text with calls as `hermes` writes them. Each engine compiles
//! several lists that differ, after another list has warmed it up, and the best time counts.
//! XGrammar runs in a Python process of the same run.

use crate::clock::Stopwatch;
use crate::engine::LlGuidance;
use anyhow::{Context, Result, bail};
use hedgerow::tags::{Event, Preset, ToolOptions, Tools};
use hedgerow::vocab::{TokenId, Vocabulary};
use hedgerow::{Constraint, engine::Matcher};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program of XGrammar's process.
const XGRAMMAR_TOOLS: &str = include_str!("../xgrammar_tools.py");

/// The text before the name of a tool in a call, and the texts behind the name and the arguments.
const CALL: [&str; 4] = ["<tool_call>", "\n{\"name\": \"", "\", \"arguments\": ", "}\n</tool_call>"];

/// The number of lists that each engine compiles.
const ROUNDS: usize = 3;

/// The number of constraints for a measurement of masks that are new.
const REPEATED: usize = 15;

pub struct Plan {
    pub tools: usize,
    pub python: Option<PathBuf>,
}

/// A list of tools. Lists of different rounds have no schema in common.
fn tool_list(count: usize, round: usize) -> Value {
    let words = "The page of results to return, where the first page has the number one and each page has at most a hundred entries. ";
    let tool = |i: usize| {
        let name = format!("server_{}_tool_{i}_{round}", i % 17);
        let kinds: Vec<String> = (0..4 + i % 5).map(|k| format!("kind_{k}_{i}_{round}")).collect();
        json!({"type": "function", "function": {"name": name, "description": words.repeat(6), "parameters": {
            "type": "object", "additionalProperties": false,
            "required": ["query", "owner"],
            "properties": {
                "query": {"type": "string", "description": words},
                "owner": {"type": "string", "minLength": 1},
                format!("page_{round}"): {"type": "integer", "minimum": 1, "maximum": 100 + i, "description": words},
                "kind": {"enum": kinds, "description": words},
                "labels": {"type": "array", "items": {"type": "string"}, "description": words},
                format!("filter_{i}"): {"type": "object", "additionalProperties": false, "properties": {
                    "since": {"type": "string", "format": "date-time"},
                    "state": {"enum": ["open", "closed", "all"]},
                    "draft": {"type": "boolean"}}}}}}})
    };
    (0..count).map(tool).collect()
}

/// llguidance's grammar of such replies: its structural tags are written in Lark so.
fn lark(tools: &Value) -> Result<String> {
    let tools = tools.as_array().context("tools are a list")?;
    let names: Vec<String> = (0..tools.len()).map(|i| format!("tag_{i}")).collect();
    let mut lark = format!(
        "%llguidance {{}}\nstart: ({})* tag_end\ntag_end: TAG_TEXT\nTAG_TEXT: /(.|\\n)*/\n",
        names.join(" | ")
    );
    for (i, tool) in tools.iter().enumerate() {
        let function = &tool["function"];
        let name = function["name"].as_str().context("a tool has a name")?;
        let begin = Value::from(format!("{}{name}{}", CALL[1], CALL[2]));
        let (trigger, end) = (Value::from(CALL[0]), Value::from(CALL[3]));
        let schema = &function["parameters"];
        lark += &format!(
            "tag_{i}_trig[lazy]: TAG_TEXT {trigger}\ntag_{i}: tag_{i}_trig {begin} %json {schema} {end}\n"
        );
    }
    Ok(lark)
}

/// Milliseconds to compile a list, and to make the first mask.
type Times = (f64, f64);

fn best(times: &[Times]) -> Times {
    let least = |of: fn(&Times) -> f64| times.iter().map(of).fold(f64::INFINITY, f64::min);
    (least(|time| time.0), least(|time| time.1))
}

fn milliseconds(clock: &Stopwatch, work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let lap = clock.start();
    work()?;
    Ok(clock.stop(&lap) as f64 / 1e6)
}

fn constraint(tools: &Value, vocabulary: &Vocabulary) -> Result<Constraint> {
    constraint_of(tools, "hermes", vocabulary)
}

fn constraint_of(tools: &Value, preset: &str, vocabulary: &Vocabulary) -> Result<Constraint> {
    let tools = Tools::from_json(&tools.to_string())?;
    Ok(Constraint::tools_with(&tools, &Preset::named(preset)?, vocabulary, &ToolOptions::default())?)
}

fn hedgerow_times(clock: &Stopwatch, tools: &Value, vocabulary: &Vocabulary) -> Result<Times> {
    let text = tools.to_string();
    let (mut made, mut mask) = (None, vec![0; vocabulary.size().div_ceil(32)]);
    let compile = milliseconds(clock, || {
        let tools = Tools::from_json(&text)?;
        let preset = Preset::named("hermes")?;
        made = Some(Constraint::tools_with(&tools, &preset, vocabulary, &ToolOptions::default())?);
        Ok(())
    })?;
    let mut matcher = made.context("a constraint")?.matcher();
    let first = milliseconds(clock, || Ok(matcher.fill_mask(&mut mask)?))?;
    Ok((compile, first))
}

fn llguidance_times(clock: &Stopwatch, tools: &Value, engine: &mut LlGuidance) -> Result<Times> {
    let (lark, mut made) = (lark(tools)?, None);
    let compile = milliseconds(clock, || {
        made = Some(engine.tagged_matcher(&lark)?);
        Ok(())
    })?;
    let mut matcher = made.context("a matcher")?;
    let first = milliseconds(clock, || matcher.compute_mask_or_eos().map(drop))?;
    Ok((compile, first))
}

/// XGrammar's times, from a process of its own.
fn xgrammar_times(python: &Path, vocab: &Path, lists: &[Value]) -> Result<Times> {
    let folder = std::env::temp_dir().join(format!("peers-tools-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (program, input) = (folder.join("xgrammar_tools.py"), folder.join("tools.json"));
    std::fs::write(&program, XGRAMMAR_TOOLS)?;
    std::fs::write(&input, Value::from(lists.to_vec()).to_string())?;
    let output = Command::new(python).arg(&program).arg(vocab).arg(&input).output()?;
    std::fs::remove_dir_all(&folder)?;
    if !output.status.success() {
        bail!("XGrammar's process failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let times: Vec<Times> = serde_json::from_slice(&output.stdout)?;
    Ok(best(&times))
}

/// Nanoseconds of a mask that is known, by the median.
fn known_mask(clock: &Stopwatch, matcher: &mut Matcher) -> Result<f64> {
    let mut mask = vec![0; matcher.vocabulary().size().div_ceil(32)];
    matcher.fill_mask(&mut mask)?;
    let mut laps = Vec::with_capacity(4001);
    for _ in 0..laps.capacity() {
        let lap = clock.start();
        matcher.fill_mask(&mut mask)?;
        laps.push(clock.stop(&lap));
    }
    laps.sort_unstable();
    Ok(laps[laps.len() / 2] as f64 - clock.cost())
}

/// Microseconds of the masks and steps of a text within a string: on average, and the longest.
fn string_masks(clock: &Stopwatch, mut matcher: Matcher, tokens: &[u32]) -> Result<[f64; 2]> {
    let mut mask = vec![0; matcher.vocabulary().size().div_ceil(32)];
    let (mut sum, mut most) = (0.0f64, 0.0f64);
    for &token in tokens {
        let lap = clock.start();
        matcher.fill_mask(&mut mask)?;
        let is_read = matcher.advance(TokenId(token))?;
        let time = clock.stop(&lap) as f64 / 1e3;
        (sum, most) = (sum + time, most.max(time));
        if !is_read {
            bail!("a token of a string is refused");
        }
    }
    Ok([sum / tokens.len() as f64, most])
}

/// Nanoseconds a token to read the events of a text, once its states are known.
fn events(clock: &Stopwatch, constraint: &Constraint, text: &str, tokens: &[u32]) -> Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..30 {
        let (mut reader, mut found): (_, Vec<Event>) = (constraint.event_reader()?, Vec::new());
        let lap = clock.start();
        for &token in tokens {
            found.clear();
            if !reader.advance(TokenId(token), &mut found)? {
                bail!("a token of {text:?} is refused");
            }
        }
        best = best.min(clock.stop(&lap) as f64 / tokens.len() as f64);
    }
    Ok(best)
}

pub fn run(vocab: &Path, plan: &Plan) -> Result<()> {
    let json = std::fs::read(vocab)?;
    let vocabulary = Vocabulary::from_tokenizer_json(&json)?;
    let clock = Stopwatch::new();
    let lists: Vec<Value> = (1..=ROUNDS).map(|round| tool_list(plan.tools, round)).collect();
    let warm = tool_list(10, 0);
    println!("{} tools, {:.2} MB of JSON", plan.tools, lists[0].to_string().len() as f64 / 1e6);
    println!("| engine | compile, ms | first mask, ms |\n|---|---|---|");
    let mut llguidance = LlGuidance::from_tokenizer_json(&json, &"".parse()?)?;
    hedgerow_times(&clock, &warm, &vocabulary)?;
    llguidance_times(&clock, &warm, &mut llguidance)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for list in &lists {
        ours.push(hedgerow_times(&clock, list, &vocabulary)?);
        theirs.push(llguidance_times(&clock, list, &mut llguidance)?);
    }
    let row = |name: &str, (compile, first): Times| println!("| {name} | {compile:.2} | {first:.3} |");
    row("hedgerow", best(&ours));
    row("llguidance", best(&theirs));
    if let Some(python) = &plan.python {
        let all: Vec<Value> = std::iter::once(warm).chain(lists.iter().cloned()).collect();
        row("xgrammar", xgrammar_times(python, vocab, &all)?);
    }
    costs(&clock, &lists[0], &json, &vocabulary)
}

/// The milliseconds of the steps of a compilation, each the best of some.
fn steps(clock: &Stopwatch, list: &Value, vocabulary: &Vocabulary) -> Result<[f64; 3]> {
    let (text, preset, options) = (list.to_string(), Preset::named("hermes")?, ToolOptions::default());
    let mut best = [f64::INFINITY; 3];
    for _ in 0..5 {
        let (mut tools, mut grammar) = (None, None);
        let read = milliseconds(clock, || {
            tools = Some(Tools::from_json(&text)?);
            Ok(())
        })?;
        let tools = tools.context("tools")?;
        let compile = milliseconds(clock, || {
            grammar = Some(tools.grammar(&preset, &options)?);
            Ok(())
        })?;
        let grammar = grammar.context("a grammar")?;
        let tie = milliseconds(clock, || Ok(drop(Constraint::new(&grammar, vocabulary)?)))?;
        for (best, time) in best.iter_mut().zip([read, compile, tie]) {
            *best = best.min(time);
        }
    }
    Ok(best)
}

/// The median of some times.
fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Microseconds of the mask at the beginning of a tool's name, when it is new. Each list of tools
/// has other names.
fn name_mask(clock: &Stopwatch, count: usize, vocabulary: &Vocabulary) -> Result<f64> {
    let mut mask = vec![0; vocabulary.size().div_ceil(32)];
    let mut times = Vec::new();
    for round in 1..=REPEATED {
        let mut matcher = constraint(&tool_list(count, round), vocabulary)?.matcher();
        matcher.advance_bytes(format!("{}{}", CALL[0], CALL[1]).as_bytes())?;
        let lap = clock.start();
        matcher.fill_mask(&mut mask)?;
        times.push(clock.stop(&lap) as f64 / 1e3);
    }
    Ok(median(times))
}

/// Milliseconds to make a constraint of one tool and its first mask, where calls begin with a
/// trigger that no constraint had before.
fn new_trigger(clock: &Stopwatch, vocabulary: &Vocabulary) -> Result<f64> {
    let tools = Tools::from_json(&tool_list(1, 0).to_string())?;
    let mut mask = vec![0; vocabulary.size().div_ceil(32)];
    let mut times = Vec::new();
    for round in 1..=REPEATED {
        let trigger = format!("<call_{round}>");
        let preset = json!({"name": trigger, "models": [], "unverified": "made up", "calls": {
            "trigger": trigger, "call": format!("{trigger}$NAME $ARGUMENTS</call>")}});
        let preset = Preset::from_json(&preset.to_string())?;
        times.push(milliseconds(clock, || {
            let options = ToolOptions::default();
            let constraint = Constraint::tools_with(&tools, &preset, vocabulary, &options)?;
            Ok(constraint.matcher().fill_mask(&mut mask)?)
        })?);
    }
    Ok(median(times))
}

/// The costs of masks and events, while a reply is written.
fn costs(clock: &Stopwatch, list: &Value, json: &[u8], vocabulary: &Vocabulary) -> Result<()> {
    let [read, compile, tie] = steps(clock, list, vocabulary)?;
    println!("reading the tools {read:.2} ms, the grammar {compile:.2} ms, the constraint {tie:.2} ms");
    let constraint = constraint(list, vocabulary)?;
    let mut string = Constraint::json_schema(r#"{"type": "string"}"#, vocabulary)?.matcher();
    let (mut text, mut begun) = (constraint.matcher(), constraint.matcher());
    for (matcher, bytes) in
        [(&mut string, &b"\"Hello "[..]), (&mut text, b"Hello "), (&mut begun, b"Hello <tool")]
    {
        if !matcher.advance_bytes(bytes)? {
            bail!("a text is refused");
        }
    }
    println!("\nmasks that are known: JSON string {:.0} ns, ", known_mask(clock, &mut string)?);
    println!("free text {:.0} ns, ", known_mask(clock, &mut text)?);
    println!("behind the beginning of a trigger {:.0} ns", known_mask(clock, &mut begun)?);
    let name = list[0]["function"]["name"].as_str().context("a name")?;
    let count = list.as_array().map_or(0, Vec::len);
    println!("mask of a tool's name, new: {:.1} µs", name_mask(clock, count, vocabulary)?);
    println!(
        "a constraint with a new trigger, and its first mask: {:.2} ms",
        new_trigger(clock, vocabulary)?
    );
    let tokenizer = tokenizers::Tokenizer::from_bytes(json).map_err(|error| anyhow::anyhow!("{error}"))?;
    let encode = |text: &str| -> Result<Vec<u32>> {
        let encoded = tokenizer.encode(text, false).map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(encoded.get_ids().to_vec())
    };
    let schema = r#"{"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}"#;
    let inside = format!("{}{}{name}{}{{\"query\": \"", CALL[0], CALL[1], CALL[2]);
    let raw = constraint_of(list, "qwen3_coder", vocabulary)?;
    let inside_raw = format!("{}\n<function={name}>\n<parameter=query>\n", CALL[0]);
    let prose = encode(
        &"the <b>issues</b> that name the parser, and \u{e9}t\u{e9}s of the last month </tool ".repeat(30),
    )?;
    for (what, constraint, before) in [
        ("JSON", &Constraint::json_schema(schema, vocabulary)?, "{\"query\": \""),
        ("a call, without the call's end in them,", &constraint, &*inside),
        ("a call of qwen3_coder, without quotes,", &raw, &*inside_raw),
    ] {
        let mut matcher = constraint.matcher();
        matcher.advance_bytes(before.as_bytes())?;
        let [new, slowest] = string_masks(clock, matcher.fork(), &prose)?;
        let [known, _] = string_masks(clock, matcher, &prose)?;
        println!(
            "masks of strings in {what}: {new:.2} µs at first, {slowest:.1} µs the slowest, {known:.2} µs known"
        );
    }
    let words = "I look this up for you, and then tell you what I have found. ".repeat(40);
    let query = "all issues that name the parser, and those of the last month ".repeat(40);
    let call = format!(
        "{}{}{name}{}{{\"query\": \"{query}\", \"owner\": \"x\"}}{}",
        CALL[0], CALL[1], CALL[2], CALL[3]
    );
    for (what, text) in [("text", &words), ("a call", &call)] {
        let tokens = encode(text)?;
        println!(
            "events in {what}: {:.0} ns a token ({} tokens)",
            events(clock, &constraint, text, &tokens)?,
            tokens.len()
        );
    }
    Ok(())
}
