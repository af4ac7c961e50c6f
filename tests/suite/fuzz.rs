//! The fuzz targets: functions that take any bytes, and panic if the library breaks a promise.
//!
//! In `fuzz/`, libFuzzer chooses the bytes; `tests/suite/fuzz_corpus.rs` reads them from
//! `fuzz/corpus/`. An input may fail to compile, and one that exceeds a default limit may give an
//! error. A panic, an endless loop, and two answers that contradict each other are faults.

use crate::support::bytes::byte_tokens;
use crate::support::gguf::gguf_parts;
use crate::support::reference::budget;
use crate::support::reference::generate::{Family, Source};
use crate::support::reference::judge;
use crate::support::reference::written::Style;
use crate::support::walk::Random;
use crate::support::whole_masks;
use crate::support::whole_masks::{Problem, schemas, texts};
use hedgerow::automata::Interrupt;
use hedgerow::decode::{Answer, ChatInput, ChatTemplate, Message};
use hedgerow::engine::{Constraint, EngineError, Limits, Matcher, TokenFsm};
use hedgerow::gguf::GgufFile;
use hedgerow::grammar::{Grammar, GrammarBuilder, Location};
use hedgerow::schema::{self, SchemaOptions};
use hedgerow::syntax::Notation;
use hedgerow::syntax::regex::{self, Dialect};
use hedgerow::tags::{self, Preset, Reply, TagOptions, ToolChoice, ToolOptions, Tools};
use hedgerow::vocab::{TokenId, Vocabulary, VocabularyParts};
use std::sync::OnceLock;
use std::time::Duration;

/// A target: its name, which is also that of its program and of its corpus folder, and its
/// function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("chat_template", chat_template),
    ("ebnf", ebnf),
    ("engine", engine),
    ("gbnf", gbnf),
    ("gguf", gguf),
    ("json_schema", json_schema),
    ("lark", lark),
    ("masks", masks),
    ("presets", presets),
    ("regex", regex),
    ("tags", structural_tag),
    ("tiktoken", tiktoken),
    ("token_fsm", token_fsm),
    ("tokenizer_file", tokenizer_file),
    ("tokenizer_json", tokenizer_json),
    ("tools", tools),
];

/// The number of tokens read of an output.
const STEPS: usize = 16;

/// The number of tokens that are also tested one by one at each mask.
const ASKED: usize = 24;

/// The time for which a walk looks for forced tokens. `a{1000}{1000}` forces as many bytes as one
/// call looks at, which takes two seconds with the address sanitizer.
const FORCED_TIME: Duration = Duration::from_millis(200);

/// The number of whole masks of a walk that are compared.
const COMPARED: usize = 4;

/// The time after which no further mask is compared. With the address sanitizer, one comparison
/// over all tokens may take half a second, though each mask takes milliseconds without.
const COMPARING_TIME: Duration = Duration::from_millis(500);

/// The work that the reference may do for one case: half a second with the address sanitizer.
const REFERENCE_BYTES: u64 = 20_000_000;

/// The number of the first and of the last tokens of a vocabulary that are looked at.
const INSPECTED: u32 = 10_000;

/// The steps that a chat template may take, fewer than the default for the reason of
/// [`small_limits`].
const TEMPLATE_STEPS: u64 = 500_000;

/// A JSON Schema.
pub fn json_schema(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(grammar) = schema::compile(text, &SchemaOptions::default()) {
        follow(&grammar, data);
    }
}

/// A list of tools, in the format of one preset after another.
pub fn tools(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(tools) = Tools::from_json(text) else { return };
    let presets = Preset::all();
    let preset = &presets[data.len() % presets.len()];
    let choice = [ToolChoice::Auto, ToolChoice::Required][data.len() / presets.len() % 2].clone();
    if let Ok(grammar) = tools.grammar(preset, &ToolOptions::default().choice(choice)) {
        follow(&grammar, data);
    }
}

/// A format of calls, for two tools.
pub fn presets(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(preset) = Preset::from_json(text) else { return };
    let tools = r#"[{"name": "a", "parameters": {"properties": {"x": {"type": "string"}, "y": {"type": "number"}}}},
        {"name": "ab", "parameters": {"properties": {"x": {"enum": ["x", null]}}, "required": ["x"]}}]"#;
    let Ok(tools) = Tools::from_json(tools) else { return };
    for choice in [ToolChoice::Auto, ToolChoice::Required] {
        if let Ok(grammar) = tools.grammar(&preset, &ToolOptions::default().choice(choice)) {
            follow(&grammar, data);
        }
    }
}

/// A regular expression in both dialects.
pub fn regex(data: &[u8]) {
    let Ok(pattern) = std::str::from_utf8(data) else { return };
    for dialect in [Dialect::Ecma262, Dialect::Rust] {
        if let Some(grammar) = pattern_grammar(pattern, dialect) {
            follow(&grammar, data);
        }
    }
}

/// The grammar of a pattern, of which an eighth of the default states may be searched, for the
/// reason of [`small_limits`].
fn pattern_grammar(pattern: &str, dialect: Dialect) -> Option<Grammar> {
    let mut builder = GrammarBuilder::new();
    builder.nodes.languages.set_search_budget(Limits::default().search_states / 8);
    let root = regex::compile_into(&mut builder, pattern, dialect).ok()?;
    builder.build(root, None).ok()
}

/// A structural tag. Besides the matcher, readers of events follow the output: token by token, byte
/// by byte, and with steps taken back.
pub fn structural_tag(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(tag) = tags::parse(text) else { return };
    let Ok(grammar) = tags::compile(&tag, &TagOptions::default()) else { return };
    if grammar.pool().token_sets().len() > 0 {
        // Tokens of a set are more than their bytes, which the walks below take for the same.
        return;
    }
    follow(&grammar, data);
    if let Ok(constraint) = Constraint::new(&grammar, vocabulary()) {
        read_events(&constraint, &mut Random(fnv_1a(data)));
    }
}

/// Follows an output with readers of events; `None` where a limit was exceeded.
fn read_events(constraint: &Constraint, random: &mut Random) -> Option<()> {
    let mut matcher = constraint.matcher();
    let mut whole = within_limits(constraint.event_reader())?;
    let mut single = within_limits(constraint.event_reader())?;
    let (mut of_whole, mut of_single) = (Reply::default(), Reply::default());
    let mut events = Vec::new();
    for _ in 0..STEPS {
        let mask = within_limits(matcher.mask())?;
        let tokens: Vec<TokenId> =
            mask.iter().filter(|&token| !vocabulary().bytes(token).is_empty()).collect();
        let Some(&token) = tokens.get(random.below(tokens.len().max(1))) else { break };
        let bytes = vocabulary().bytes(token);
        assert!(within_limits(matcher.advance(token))?);
        events.clear();
        assert!(within_limits(whole.advance(token, &mut events))?, "{token} is refused by the reader");
        let mut again = Vec::new();
        whole.rollback(1).expect("a step was read");
        assert!(within_limits(whole.advance(token, &mut again))?);
        assert_eq!(events, again, "other events after a rollback");
        events.iter().for_each(|event| of_whole.add(event));
        for &byte in bytes {
            events.clear();
            assert!(within_limits(single.advance_bytes(&[byte], &mut events))?);
            events.iter().for_each(|event| of_single.add(event));
        }
    }
    for (reader, reply) in [(&mut whole, &mut of_whole), (&mut single, &mut of_single)] {
        events.clear();
        reader.finish(&mut events);
        events.iter().for_each(|event| reply.add(event));
    }
    assert_eq!(of_whole, of_single, "events depend on how the output is cut");
    Some(())
}

/// A grammar in GBNF.
pub fn gbnf(data: &[u8]) {
    rules(data, Notation::Gbnf);
}

/// A grammar in EBNF, in the W3C's or ISO's notation.
pub fn ebnf(data: &[u8]) {
    rules(data, Notation::Ebnf);
}

/// A grammar in Lark's notation.
pub fn lark(data: &[u8]) {
    rules(data, Notation::Lark);
}

fn rules(data: &[u8], notation: Notation) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match notation.compile(text) {
        Ok(grammar) => follow(&grammar, data),
        // The place of an error is inside the text.
        Err(error) => {
            let Some(&Location::Text { line, .. }) = error.location() else { panic!("{error}") };
            assert!(line <= text.lines().count() + 1 && !error.to_string().is_empty(), "{error}");
        }
    }
}

/// A vocabulary of all bytes, some longer tokens, and two special ones.
fn vocabulary() -> &'static Vocabulary {
    static VOCABULARY: OnceLock<Vocabulary> = OnceLock::new();
    VOCABULARY.get_or_init(|| {
        let longer = [
            "{\"",
            "\": ",
            "\",",
            "\"}",
            "[[",
            "]]",
            "  ",
            "\n\n",
            "ab",
            "aaaa",
            "true",
            "null",
            "10",
            "-1.5e",
            "é",
            "\u{1f600}",
            "\\u00",
        ];
        let mut tokens = byte_tokens(longer);
        let special = tokens.len() as u32;
        tokens.extend([vec![], vec![]]);
        let special = [("</s>", special), ("<think>", special + 1)];
        let special_tokens = special.iter().map(|&(name, id)| (name.to_owned(), TokenId(id))).collect();
        let parts = VocabularyParts {
            tokens,
            special: special_tokens,
            eos: vec![TokenId(special[0].1)],
            ..Default::default()
        };
        Vocabulary::from_tokens(parts).expect("a vocabulary")
    })
}

/// The answer, or `None` if it exceeded a limit; any other error is a fault.
fn within_limits<T>(answer: Result<T, EngineError>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(EngineError::Limit { .. } | EngineError::Ambiguous { .. } | EngineError::Grammar(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Reads an output that the seed decides, and checks at each step that the mask, `allows` and
/// `advance` agree.
fn follow(grammar: &Grammar, seed: &[u8]) {
    let constraint = match Constraint::with_limits(grammar, vocabulary(), Limits::default()) {
        Ok(constraint) => constraint,
        Err(EngineError::Unspellable) => panic!("a vocabulary of all bytes spells every output"),
        Err(_) => return,
    };
    walk_on(constraint.matcher(), &mut Random(fnv_1a(seed)));
}

fn fnv_1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

fn walk_on(mut matcher: Matcher, random: &mut Random) -> Option<()> {
    let size = vocabulary().size();
    let eos = vocabulary().eos()[0];
    let mut masks = Vec::new();
    let mut asks_forced = true;
    for _ in 0..STEPS {
        let mask = within_limits(matcher.mask())?;
        let mut words = vec![u32::MAX; mask.words().len()];
        within_limits(matcher.fill_mask(&mut words))?;
        assert_eq!(words, mask.words());
        // A grammar may name the end token. Then it is read like any other special token.
        let mut ended = matcher.fork();
        let is_named = within_limits(ended.advance(eos))? && !ended.is_stopped();
        assert_eq!(mask.contains(eos), matcher.is_accepting() || is_named);
        let likely: Vec<TokenId> = mask.iter().filter(|&token| token != eos).collect();
        for turn in 0..ASKED {
            let token = match likely.as_slice() {
                likely if turn % 2 == 0 && !likely.is_empty() => likely[random.below(likely.len())],
                _ => TokenId(random.below(size) as u32),
            };
            let allowed = mask.contains(token);
            assert_eq!(
                within_limits(matcher.allows(token))?,
                allowed,
                "allows({token}) contradicts the mask"
            );
            assert_eq!(
                within_limits(matcher.fork().advance(token))?,
                allowed,
                "advance({token}) contradicts the mask"
            );
            let bytes = vocabulary().bytes(token);
            if !bytes.is_empty() {
                assert_eq!(
                    within_limits(matcher.fork().advance_bytes(bytes))?,
                    allowed,
                    "{token} is read as bytes, or not"
                );
            }
        }
        if asks_forced {
            let mut ahead = matcher.fork();
            ahead.set_interrupt(Interrupt::default().timeout(FORCED_TIME));
            let forced = ahead.forced_tokens().and_then(|forced| Ok((ahead.validate(&forced)?, forced)));
            match forced {
                // The next step would look as far.
                Err(EngineError::Deadline) => asks_forced = false,
                forced => {
                    let (valid, forced) = within_limits(forced)?;
                    assert_eq!(valid, forced.len());
                }
            }
        }
        masks.push(mask);
        if likely.is_empty() {
            break;
        }
        let token = likely[random.below(likely.len())];
        assert!(within_limits(matcher.advance(token))?, "{token} is in the mask, but refused");
    }
    for mask in masks.iter().take(matcher.output_len()).rev() {
        matcher.rollback(1).expect("within the output");
        assert_eq!(within_limits(matcher.mask())?.words(), mask.words(), "another mask after a rollback");
    }
    Some(())
}

/// The engine beside the reference: the first byte chooses a family of grammars, and the others
/// make a grammar and a walk through it.
pub fn engine(data: &[u8]) {
    let Some((&family, bytes)) = data.split_first() else { return };
    let judge = || match family % 8 {
        0 => judge::check(Family::Regular, bytes),
        1 => judge::check(Family::ContextFree, bytes),
        2 => judge::check(Family::Strings, bytes),
        3 => judge::check(Family::Containers, bytes),
        4 => judge::check(Family::Mixed, bytes),
        5 => judge::check_written(Style::Gbnf, bytes),
        6 => judge::check_written(Style::W3c, bytes),
        _ => judge::check_written(Style::Iso, bytes),
    };
    // A case that takes the reference longer than that is judged by nobody.
    if let Some(Err(problem)) = budget::within(REFERENCE_BYTES, judge) {
        panic!("{problem}");
    }
}

/// The grammar that `compile` makes, or `None` if that takes more than a second. A search that
/// ends in its limit of states after 0.3 s takes 9 s with the address sanitizer. The target
/// `json_schema` compiles without a deadline, so that it finds what never ends.
fn compile_soon(compile: impl FnOnce() -> Option<Grammar>) -> Option<Grammar> {
    Interrupt::default().timeout(Duration::from_secs(1)).scope(compile).ok().flatten()
}

/// An eighth of the work and memory that a call may take by default. With the address sanitizer,
/// the engine takes about ten times as long as without, so that a limit is reached within the time
/// in which an ordinary build reaches the default.
fn small_limits() -> Limits {
    let limits = Limits::default();
    let (bytes, threads) = (limits.graph_bytes / 8, limits.state_threads / 8);
    limits.graph_bytes(bytes).state_threads(threads)
}

/// Whole masks beside `advance`: the first byte chooses the kind of grammar, and the others make a
/// grammar and a walk through it.
pub fn masks(data: &[u8]) {
    let Some((&kind, bytes)) = data.split_first() else { return };
    let source = &mut Source::new(bytes);
    let written = |source: &mut Source<'_>, style, notation: Notation| {
        let text = texts::grammar(source, style);
        let grammar = notation.compile(&text).ok();
        (text, grammar, texts::HINTS)
    };
    let (text, grammar, hints) = match kind % 8 {
        0 => {
            let pattern = texts::pattern(source);
            let grammar = pattern_grammar(&pattern, Dialect::Ecma262);
            (pattern, grammar, texts::HINTS)
        }
        1 => written(source, texts::Style::Gbnf, Notation::Gbnf),
        2 => written(source, texts::Style::W3c, Notation::Ebnf),
        3 => written(source, texts::Style::Iso, Notation::Ebnf),
        4 => written(source, texts::Style::Lark, Notation::Lark),
        _ => {
            let options = schemas::options(source);
            let schema = schemas::document(source).to_string();
            let grammar = compile_soon(|| schema::compile(&schema, &options).ok());
            (format!("{schema}\n{options:?}"), grammar, schemas::HINTS)
        }
    };
    if std::env::var_os("HEDGEROW_PRINT").is_some() {
        eprintln!("{text}");
    }
    let tokens = whole_masks::Tokens::small();
    let is_written = (1..=4).contains(&(kind % 8));
    let limits = if is_written { small_limits() } else { Limits::default() };
    let constraint =
        grammar.and_then(|grammar| Constraint::with_limits(&grammar, &tokens.vocabulary, limits).ok());
    let Some(constraint) = constraint else { return };
    match whole_masks::check(tokens, &constraint, source, hints, COMPARED, COMPARING_TIME) {
        Ok(_) => {}
        // `docs/limits.md`: a grammar written as text may read an output in very many ways at once.
        // Its limit may come midway. Patterns and schemas have no such exception.
        Err(Problem::Midway(EngineError::Limit { .. }, _)) if is_written => {}
        Err(problem) => panic!("{problem}\n{text}"),
    }
}

/// A `tokenizer.json`.
pub fn tokenizer_json(data: &[u8]) {
    if let Ok(vocabulary) = Vocabulary::from_tokenizer_json(data) {
        inspect(&vocabulary);
    }
    // The same bytes as a configuration file that names end-of-sequence tokens.
    let _ = self::vocabulary().with_eos_from_config(&[data]);
}

/// A tokenizer file of any kind, and the bytes as a SentencePiece model and as a `tekken.json`.
pub fn tokenizer_file(data: &[u8]) {
    let readers =
        [Vocabulary::from_tokenizer_file, Vocabulary::from_sentence_piece, Vocabulary::from_tekken_json];
    for read in readers {
        if let Ok(vocabulary) = read(data) {
            inspect(&vocabulary);
        }
    }
}

/// A file of ranks in tiktoken's format.
pub fn tiktoken(data: &[u8]) {
    if let Ok(vocabulary) = Vocabulary::from_tiktoken(data, &[("<|endoftext|>", TokenId(100))]) {
        inspect(&vocabulary);
    }
}

/// A GGUF file: its table of contents, its tensors' positions, and its vocabulary.
pub fn gguf(data: &[u8]) {
    let Ok(file) = GgufFile::parse(data) else { return };
    if let Some(vocabulary) = gguf_parts(&file) {
        inspect(&vocabulary);
    }
}

/// Checks that a vocabulary's tokens are in its trie and that the vocabulary can be used.
fn inspect(vocabulary: &Vocabulary) {
    let trie = vocabulary.trie();
    let mut text = Vec::new();
    // A file of a few bytes may name token 4,000,000. The ids between are alike.
    let size = vocabulary.size() as u32;
    for id in (0..size.min(INSPECTED)).chain(size.saturating_sub(INSPECTED).max(INSPECTED)..size).map(TokenId)
    {
        let bytes = vocabulary.bytes(id);
        if !bytes.is_empty() {
            let node = trie.descend(0, bytes).expect("tokens are in the trie");
            assert!(trie.tokens(node).contains(&id), "{id} is not in the trie under its bytes");
            if text.len() < 1000 {
                text.extend_from_slice(bytes);
            }
        }
        if let Some(name) = vocabulary.name(id) {
            assert!(vocabulary.special(name).is_some());
        }
    }
    let spelt = vocabulary.greedy_tokenize(&text).expect("tokens can be spelt");
    assert_eq!(vocabulary.decode(&spelt), text);
    let any = regex::compile("[\\s\\S]*", Dialect::Ecma262).expect("a pattern");
    if let Ok(constraint) = Constraint::new(&any, vocabulary) {
        let mut matcher = constraint.matcher();
        let mask = matcher.mask().expect("a mask");
        for token in mask.iter().take(ASKED) {
            assert!(matcher.fork().advance(token).expect("no limit"), "{token} is in the mask, but refused");
        }
    }
}

/// The file of a token-level state machine without the hash at its end, which no fuzzer would
/// guess.
pub fn token_fsm(data: &[u8]) {
    let hashed = [data, fnv_1a(data).to_le_bytes().as_slice()].concat();
    let Ok(machine) = TokenFsm::from_bytes(&hashed) else { return };
    assert_eq!(machine.to_bytes(), hashed);
    let mut state = TokenFsm::START;
    for _ in 0..STEPS {
        let mask = machine.mask(state).expect("a state");
        for token in (0..machine.token_count() as u32).map(TokenId) {
            assert_eq!(machine.next(state, token).is_some(), mask.contains(token), "{token} in {state}");
        }
        let next = mask.iter().last().and_then(|token| machine.next(state, token));
        let Some(next) = next else { break };
        state = next;
    }
}

/// A chat template, rendered with a conversation.
pub fn chat_template(data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else { return };
    let Ok(template) = ChatTemplate::with_steps(source, TEMPLATE_STEPS) else { return };
    let messages = [
        Message::new("system", "Be brief."),
        Message::new("user", "Hello <b>\u{e9}</b>\n").with("name", "Ada"),
        Message::new("assistant", ""),
    ];
    for answer in [Answer::Opened, Answer::None] {
        let mut input = ChatInput::new(messages.clone())
            .variable("bos_token", "<s>")
            .variable("eos_token", "</s>")
            .now(1_700_000_000);
        input.answer = answer;
        if let Err(error) = template.render(&input) {
            let _ = error.to_string();
        }
    }
}
