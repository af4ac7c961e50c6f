//! The engine compared with the reference engine. A list of bytes decides a grammar and a walk
//! through it, and every answer of the engine is compared at each step of the walk.

use super::generate::{self, Family, Source};
use super::written::Style;
use super::{Chart, Position};
use hedgerow::engine::{Constraint, EngineError, Limits, Matcher, TokenFsm, fill_masks};
use hedgerow::grammar::{CompileErrorKind, Grammar, GrammarError};
use hedgerow::syntax::Notation;
use hedgerow::vocab::{TokenId, Vocabulary};
use std::num::NonZeroUsize;

/// Reads a token; false if the token may not come.
fn read(position: &mut Position<'_>, vocabulary: &Vocabulary, token: TokenId) -> bool {
    let bytes = vocabulary.bytes(token);
    if !bytes.is_empty() {
        return position.read_all(bytes);
    }
    // A special token is read by each name for which the vocabulary has this very token.
    ["<x>", "<y>", "</s>", "<w>", "<y2>"]
        .iter()
        .any(|name| vocabulary.special(name) == Some(token) && position.read_special(name))
}

fn reference_mask(position: &Position<'_>, vocabulary: &Vocabulary) -> Vec<TokenId> {
    let ids = (0..vocabulary.size() as u32).map(TokenId);
    ids.filter(|&id| {
        (vocabulary.eos().contains(&id) && position.is_accepting())
            || read(&mut position.clone(), vocabulary, id)
    })
    .collect()
}

/// The tokens that the engine allows, after checking that all its functions agree.
fn engine_mask(matcher: &mut Matcher) -> Result<Vec<TokenId>, String> {
    let size = matcher.vocabulary().size();
    let mut words = vec![u32::MAX; size.div_ceil(32)];
    let mut asked_first = Vec::new();
    for id in (0..size as u32).map(TokenId) {
        if matcher.fork().advance(id).map_err(text)? {
            asked_first.push(id);
        }
    }
    let mask: Vec<TokenId> = matcher.mask().map_err(text)?.iter().collect();
    matcher.fill_mask(&mut words).map_err(text)?;
    let filled: Vec<TokenId> =
        (0..size as u32).filter(|i| words[*i as usize / 32] >> (i % 32) & 1 == 1).map(TokenId).collect();
    let mut allowed = Vec::new();
    for id in (0..size as u32).map(TokenId) {
        if matcher.allows(id).map_err(text)? {
            allowed.push(id);
        }
    }
    if asked_first != mask || filled != mask || allowed != mask {
        let show = |ids: &[TokenId]| tokens(matcher.vocabulary(), ids);
        return Err(format!(
            "the engine disagrees with itself: mask {}, fill_mask {}, allows {}, advance {}",
            show(&mask),
            show(&filled),
            show(&allowed),
            show(&asked_first)
        ));
    }
    Ok(mask)
}

fn text(error: EngineError) -> String {
    format!("unexpected error: {error}")
}

fn tokens(vocabulary: &Vocabulary, ids: &[TokenId]) -> String {
    let show = |&id: &TokenId| match vocabulary.name(id) {
        Some(name) if vocabulary.bytes(id).is_empty() => format!("{}={name}", id.0),
        _ => format!("{}='{}'", id.0, vocabulary.bytes(id).escape_ascii()),
    };
    ids.iter().map(show).collect::<Vec<_>>().join(" ")
}

fn differences(vocabulary: &Vocabulary, engine: &[TokenId], reference: &[TokenId]) -> String {
    let only = |a: &[TokenId], b: &[TokenId]| -> Vec<TokenId> {
        a.iter().filter(|t| !b.contains(t)).copied().collect()
    };
    format!(
        "only the engine allows [{}], only the reference [{}]",
        tokens(vocabulary, &only(engine, reference)),
        tokens(vocabulary, &only(reference, engine))
    )
}

/// Checks the case that these bytes make; the error shows all of the case.
pub fn check(family: Family, bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let described = generate::grammar(&mut source, family);
    let vocabulary = generate::vocabulary(&mut source, family);
    compare(&described, &vocabulary, &mut source)
}

/// Compares a grammar with the library's build of it, on a walk that the remaining bytes decide.
pub fn compare(
    described: &super::Grammar,
    vocabulary: &Vocabulary,
    source: &mut Source<'_>,
) -> Result<(), String> {
    let built = match described.build() {
        Ok(grammar) => Ok(Some(grammar)),
        Err(GrammarError::Empty { .. }) => Ok(None),
        Err(error) => Err(error.to_string()),
    };
    compare_with(described, built, vocabulary, source)
}

/// Compares `described` with `built`, the library's form of it. `built` is `None` if the library
/// found that nothing matches.
fn compare_with(
    described: &super::Grammar,
    built: Result<Option<Grammar>, String>,
    vocabulary: &Vocabulary,
    source: &mut Source<'_>,
) -> Result<(), String> {
    let chart = Chart::new(described);
    if !chart.lazies_are_productive() {
        // Front ends promise productive expansions.
        return Ok(());
    }
    let grammar = match built {
        Ok(Some(grammar)) => grammar,
        Ok(None) if !chart.is_productive() => return Ok(()),
        Ok(None) => return Err(format!("{described:?}\nnot built, although it has a word")),
        Err(error) => return Err(format!("{described:?}\nnot built: {error}")),
    };
    let context = |problem: String, output: &[TokenId]| {
        format!("{described:?}\n{grammar}\nafter [{}]: {problem}", tokens(vocabulary, output))
    };
    if !chart.is_productive() {
        return Err(context("built, although it has no word".into(), &[]));
    }
    walk(source, &chart, &grammar, vocabulary).map_err(|(problem, output)| context(problem, &output))
}

type Mismatch = (String, Vec<TokenId>);

/// True if a bounded search finds tokens that are an output.
fn has_output(start: &Position<'_>, vocabulary: &Vocabulary) -> bool {
    let mut ahead = std::collections::VecDeque::from([start.clone()]);
    let mut left = 500;
    while let Some(position) = ahead.pop_front() {
        if position.is_accepting() {
            return true;
        }
        for token in reference_mask(&position, vocabulary) {
            let mut next = position.clone();
            if left > 0 && read(&mut next, vocabulary, token) {
                left -= 1;
                ahead.push_back(next);
            }
        }
    }
    false
}

fn walk(
    source: &mut Source<'_>,
    chart: &Chart<'_>,
    grammar: &hedgerow::grammar::Grammar,
    vocabulary: &Vocabulary,
) -> Result<(), Mismatch> {
    let start = chart.start();
    let mut position = start.clone();
    let first = reference_mask(&position, vocabulary);
    let constraint = match Constraint::new(grammar, vocabulary) {
        Ok(constraint) => constraint,
        Err(EngineError::Unspellable) => {
            return match has_output(&position, vocabulary) {
                true => Err(("refused, although tokens spell an output".into(), vec![])),
                false => Ok(()),
            };
        }
        Err(error) => return Err((text(error), vec![])),
    };
    if first.is_empty() {
        return Err(("a constraint without a first token".into(), vec![]));
    }
    let tiny = Constraint::with_limits(grammar, vocabulary, Limits::default().graph_bytes(1))
        .map_err(|e| (text(e), vec![]))?;
    let (mut matcher, mut renewing) = (constraint.matcher(), tiny.matcher());
    // The finite state machine follows the walk if the grammar has one.
    let machine = match constraint.compile_token_fsm(64) {
        Ok(machine) => Some(machine),
        Err(EngineError::TokenFsmStates { .. }) => None,
        Err(error) => return Err((text(error), vec![])),
    };
    let mut machine_state = TokenFsm::START;
    let mut output: Vec<TokenId> = Vec::new();
    // The positions and masks along the walk, for the comparison after rollbacks.
    let mut trail: Vec<(Position<'_>, Vec<TokenId>)> = Vec::new();
    for _ in 0..14 {
        let expected = reference_mask(&position, vocabulary);
        let fail = |problem: String| (problem, output.clone());
        check_masks(&mut matcher, &mut renewing, &position, &expected).map_err(fail)?;
        if let Some(machine) = &machine {
            check_machine(machine, machine_state, &position, &expected, vocabulary).map_err(fail)?;
        }
        check_forced(&mut matcher, &position, vocabulary).map_err(fail)?;
        check_validate(source, &mut matcher, &position, vocabulary).map_err(fail)?;
        check_draft_tree(source, &mut matcher, &expected, vocabulary).map_err(fail)?;
        trail.push((position.clone(), expected.clone()));
        let going_on: Vec<TokenId> =
            expected.iter().copied().filter(|t| !vocabulary.eos().contains(t)).collect();
        if going_on.is_empty() {
            break;
        }
        let token = going_on[source.below(going_on.len())];
        for m in [&mut matcher, &mut renewing] {
            if !m.advance(token).map_err(|e| (text(e), output.clone()))? {
                return Err((format!("refuses [{}]", tokens(vocabulary, &[token])), output.clone()));
            }
        }
        if let Some(machine) = &machine {
            let next = machine.next(machine_state, token);
            machine_state =
                next.ok_or_else(|| (format!("the state machine refuses {token}"), output.clone()))?;
        }
        read(&mut position, vocabulary, token);
        output.push(token);
    }
    // At an end of sequence, if it is possible, the matcher stops until a rollback.
    if matcher.is_accepting() {
        let eos = vocabulary.eos()[0];
        let ended = matcher.advance(eos).map_err(|e| (text(e), output.clone()))?;
        let at_end = engine_mask(&mut matcher).map_err(|e| (e, output.clone()))?;
        if !ended || !matcher.is_stopped() || at_end != vocabulary.eos() {
            return Err((format!("after the end: {}", tokens(vocabulary, &at_end)), output));
        }
        matcher.rollback(1).map_err(|e| (text(e), output.clone()))?;
    }
    check_history(source, matcher, renewing, &trail, output.len()).map_err(|e| (e, output))
}

/// Checks the masks of a matcher, and of one whose graph is rebuilt at each step.
fn check_masks(
    matcher: &mut Matcher,
    renewing: &mut Matcher,
    position: &Position<'_>,
    expected: &[TokenId],
) -> Result<(), String> {
    let mask = engine_mask(matcher)?;
    if mask != expected {
        return Err(differences(matcher.vocabulary(), &mask, expected));
    }
    let small = engine_mask(renewing).map_err(|e| format!("graph_bytes 1: {e}"))?;
    if small != expected {
        return Err(format!("graph_bytes 1: {}", differences(matcher.vocabulary(), &small, expected)));
    }
    if matcher.is_accepting() != position.is_accepting() {
        return Err(format!("is_accepting is {}", matcher.is_accepting()));
    }
    Ok(())
}

/// Checks the mask of a state of the state machine.
fn check_machine(
    machine: &TokenFsm,
    state: u32,
    position: &Position<'_>,
    expected: &[TokenId],
    vocabulary: &Vocabulary,
) -> Result<(), String> {
    let mask: Vec<TokenId> =
        machine.mask(state).into_iter().flat_map(|m| m.iter().collect::<Vec<_>>()).collect();
    if mask != expected || machine.is_accepting(state) != position.is_accepting() {
        return Err(format!("state machine: {}", differences(vocabulary, &mask, expected)));
    }
    Ok(())
}

/// Checks that forced bytes are the only continuation, and that none is missing.
fn check_forced(
    matcher: &mut Matcher,
    position: &Position<'_>,
    vocabulary: &Vocabulary,
) -> Result<(), String> {
    let only = |position: &Position<'_>| match position.next_bytes().as_slice() {
        [one] if !position.is_accepting() && !position.awaits_special() => Some(*one),
        _ => None,
    };
    let forced = matcher.forced_bytes().map_err(text)?;
    let mut at = position.clone();
    for (i, &byte) in forced.iter().take(40).enumerate() {
        if only(&at) != Some(byte) {
            return Err(format!("forced bytes '{}', wrong at {i}", forced.escape_ascii()));
        }
        at.read(byte);
    }
    if forced.len() < 40
        && let Some(byte) = only(&at)
    {
        return Err(format!("forced bytes '{}' lack '{}'", forced.escape_ascii(), byte.escape_ascii()));
    }
    let tokens_forced = matcher.forced_tokens().map_err(text)?;
    let spelt: Vec<u8> = tokens_forced.iter().flat_map(|&t| vocabulary.bytes(t).to_vec()).collect();
    if !forced.starts_with(&spelt) || matcher.validate(&tokens_forced).map_err(text)? != tokens_forced.len() {
        return Err(format!("forced tokens {}", tokens(vocabulary, &tokens_forced)));
    }
    Ok(())
}

/// Checks that `validate` accepts exactly as many tokens as the reference, for any tokens.
fn check_validate(
    source: &mut Source<'_>,
    matcher: &mut Matcher,
    position: &Position<'_>,
    vocabulary: &Vocabulary,
) -> Result<(), String> {
    let mut at = position.clone();
    let mut asked = Vec::new();
    let (mut expected, mut alive, mut stopped) = (0, true, false);
    for _ in 0..3 {
        let allowed = if stopped { vocabulary.eos().to_vec() } else { reference_mask(&at, vocabulary) };
        let token = if allowed.is_empty() || source.below(8) == 7 {
            TokenId(source.below(vocabulary.size()) as u32)
        } else {
            allowed[source.below(allowed.len())]
        };
        asked.push(token);
        alive = alive && allowed.contains(&token);
        if !alive {
            continue;
        }
        expected += 1;
        if !stopped && !read(&mut at, vocabulary, token) {
            stopped = true;
        }
    }
    let validated = matcher.validate(&asked).map_err(text)?;
    if validated != expected {
        let asked = tokens(vocabulary, &asked);
        return Err(format!("validate takes {validated} of [{asked}], the reference {expected}"));
    }
    Ok(())
}

/// Checks that each node of a draft tree gets the mask that its path gives.
fn check_draft_tree(
    source: &mut Source<'_>,
    matcher: &mut Matcher,
    allowed: &[TokenId],
    vocabulary: &Vocabulary,
) -> Result<(), String> {
    let words = vocabulary.size().div_ceil(32);
    let (mut guesses, mut parents, mut forks) = (Vec::new(), Vec::new(), Vec::<Option<Matcher>>::new());
    for node in 0..5 {
        let parent = source.below(node + 1).checked_sub(1);
        let mut fork = match parent {
            None => Some(matcher.fork()),
            Some(parent) => forks[parent].clone(),
        };
        let likely = match &mut fork {
            Some(fork) if parent.is_some() => fork.mask().map_err(text)?.iter().collect(),
            _ => allowed.to_vec(),
        };
        let token = if likely.is_empty() || source.below(6) == 5 {
            TokenId(source.below(vocabulary.size()) as u32)
        } else {
            likely[source.below(likely.len())]
        };
        let read = match &mut fork {
            Some(fork) => fork.advance(token).map_err(text)?,
            None => false,
        };
        guesses.push(token);
        parents.push(parent);
        forks.push(fork.filter(|_| read));
    }
    let mut rows = vec![u32::MAX; words * guesses.len()];
    let before = matcher.state_id();
    let found = matcher.mask_draft_tree(&guesses, &parents, &mut rows, words).map_err(text)?;
    let mut expected = vec![0; rows.len()];
    for (fork, row) in forks.iter_mut().zip(expected.chunks_mut(words)) {
        if let Some(fork) = fork {
            fork.fill_mask(row).map_err(text)?;
        }
    }
    let alive: Vec<bool> = forks.iter().map(Option::is_some).collect();
    if (found, rows) != (alive, expected) || matcher.state_id() != before {
        let guesses = tokens(vocabulary, &guesses);
        return Err(format!("another tree of guesses: [{guesses}] behind {parents:?}"));
    }
    Ok(())
}

/// Checks that rollback, fork and reset lead back to the same masks, alone and in a batch over
/// threads.
fn check_history(
    source: &mut Source<'_>,
    mut matcher: Matcher,
    mut renewing: Matcher,
    trail: &[(Position<'_>, Vec<TokenId>)],
    len: usize,
) -> Result<(), String> {
    let mut forks = Vec::new();
    let mut left = len;
    while left > 0 {
        let back = 1 + source.below(left.min(3));
        left -= back;
        forks.push(matcher.fork());
        for m in [&mut matcher, &mut renewing] {
            m.rollback(back).map_err(text)?;
            let mask: Vec<TokenId> = m.mask().map_err(text)?.iter().collect();
            if mask != trail[left].1 || m.output_len() != left {
                return Err(format!("another mask after rolling back to {left}"));
            }
        }
    }
    if matcher.rollback(1).is_ok() {
        return Err("rolled back past the beginning".into());
    }
    renewing.reset();
    forks.push(renewing);
    forks.push(matcher);
    let words = forks[0].vocabulary().size().div_ceil(32);
    let mut serial = vec![0; words * forks.len()];
    for (fork, row) in forks.iter_mut().zip(serial.chunks_mut(words)) {
        fork.fill_mask(row).map_err(text)?;
    }
    for threads in [1, 2, 7] {
        let mut batch = vec![u32::MAX; serial.len()];
        let threads = NonZeroUsize::new(threads).expect("not zero");
        fill_masks(&mut forks, &mut batch, threads).map_err(text)?;
        if batch != serial {
            return Err(format!("a batch on {threads} threads gives other masks"));
        }
    }
    Ok(())
}

/// Checks the context-free case that these bytes make, written as text and read by a front end.
pub fn check_written(style: Style, bytes: &[u8]) -> Result<(), String> {
    let mut source = Source::new(bytes);
    let described = generate::grammar(&mut source, Family::ContextFree).simplified(style);
    let vocabulary = generate::vocabulary(&mut source, Family::ContextFree);
    let text = described.written(style);
    let notation = if style == Style::Gbnf { Notation::Gbnf } else { Notation::Ebnf };
    let built = match notation.compile(&text) {
        Ok(grammar) => Ok(Some(grammar)),
        Err(error) if error.kind() == CompileErrorKind::Empty => Ok(None),
        Err(error) => Err(error.to_string()),
    };
    compare_with(&described, built, &vocabulary, &mut source).map_err(|problem| format!("{text}{problem}"))
}
