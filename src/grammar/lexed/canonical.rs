//! Languages as their smallest automata, if these are small.
//!
//! An expression with many complements has many states that are the same language. The languages
//! after lexemes are used again and again, so it pays to find out which of them are equal. All
//! states of a language are visited and merged by partition refinement (E. Moore, 1956). Each is
//! then named by a fingerprint of the automaton from it on. Equal languages get equal names,
//! however they were made.

use crate::automata::fingerprint::Fingerprinter;
use crate::automata::{ByteSet, ExprPool, LangId};
use hashbrown::HashMap;

/// The number of expressions that a walk may add to the pool.
const GROWTH: usize = 20_000;
/// The largest number of states of an automaton that gets a name.
const NAMED: usize = 600;

/// The automaton of a language. Each state has a flag that tells if it accepts, and a row with the
/// target of each class of bytes.
struct Table {
    accepts: Vec<bool>,
    rows: Vec<Vec<u32>>,
    /// The class of each byte.
    columns: [u8; 256],
}

/// The state without words.
pub(crate) const DEAD: u32 = 0;

/// The language `id` as its smallest automaton. It is `id` itself if the automaton has no fewer
/// states. It is `None` if the walk meets more than `limit` states or the automaton is too large.
pub(crate) fn canonical(pool: &mut ExprPool, id: LangId, limit: usize) -> Option<LangId> {
    if id == LangId::NEVER || id == LangId::ALL {
        return Some(id);
    }
    let table = walk(pool, id, limit)?;
    let blocks = refined(&table);
    let count = blocks.iter().max().map_or(0, |&most| most as usize + 1);
    if count >= table.accepts.len() {
        return Some(id);
    }
    let table = merged(&table, &blocks, count);
    (count <= NAMED).then(|| written(pool, &table, blocks[1]))
}

/// The language of an automaton in which state 0 has no words and state 1 is the first.
pub(crate) fn smallest(pool: &mut ExprPool, accepts: Vec<bool>, rows: &[[u32; 256]]) -> Option<LangId> {
    let table = table(accepts, rows);
    let blocks = refined(&table);
    let count = blocks.iter().max().map_or(0, |&most| most as usize + 1);
    let table = merged(&table, &blocks, count);
    (count <= NAMED).then(|| written(pool, &table, blocks[1]))
}

/// All states that `id` leads to. The first is the state without words, the second is `id`.
fn walk(pool: &mut ExprPool, id: LangId, limit: usize) -> Option<Table> {
    let before = pool.len();
    let mut ids: HashMap<LangId, u32> = HashMap::from_iter([(LangId::NEVER, DEAD)]);
    let mut states = vec![LangId::NEVER, id];
    ids.insert(id, 1);
    let mut rows: Vec<[u32; 256]> = vec![[DEAD; 256]];
    while let Some(&state) = states.get(rows.len()) {
        let classes = pool.byte_classes(state).clone();
        let mut targets = Vec::with_capacity(classes.len());
        for &byte in classes.representatives() {
            let next = pool.derive(state, byte);
            let known = states.len() as u32;
            targets.push(*ids.entry(next).or_insert_with(|| {
                states.push(next);
                known
            }));
        }
        rows.push(std::array::from_fn(|byte| targets[classes.class(byte as u8)]));
        if states.len() > limit || pool.len() > before + GROWTH {
            return None;
        }
    }
    let accepts = states.iter().map(|&state| pool.is_nullable(state)).collect();
    Some(table(accepts, &rows))
}

/// The automaton of these rows. Bytes that always lead to the same states form one class.
fn table(accepts: Vec<bool>, rows: &[[u32; 256]]) -> Table {
    let mut columns = [0u8; 256];
    let mut firsts: Vec<usize> = Vec::new();
    for byte in 0..256 {
        let same = firsts.iter().position(|&first| rows.iter().all(|row| row[first] == row[byte]));
        columns[byte] = same.unwrap_or_else(|| {
            firsts.push(byte);
            firsts.len() - 1
        }) as u8;
    }
    let rows = rows.iter().map(|row| firsts.iter().map(|&first| row[first]).collect()).collect();
    Table { accepts, rows, columns }
}

/// The block of equal states that each state belongs to. The state without words is in block 0.
fn refined(table: &Table) -> Vec<u32> {
    let mut blocks: Vec<u32> = table.accepts.iter().map(|&accepts| u32::from(accepts)).collect();
    let mut count = 0;
    loop {
        let mut names: HashMap<(u32, Vec<u32>), u32> = HashMap::new();
        let next: Vec<u32> = table
            .rows
            .iter()
            .enumerate()
            .map(|(state, row)| {
                let key = (blocks[state], row.iter().map(|&to| blocks[to as usize]).collect());
                let known = names.len() as u32;
                *names.entry(key).or_insert(known)
            })
            .collect();
        let found = names.len();
        blocks = next;
        if found == count {
            return blocks;
        }
        count = found;
    }
}

fn merged(table: &Table, blocks: &[u32], count: usize) -> Table {
    let mut accepts = vec![false; count];
    let mut rows = vec![Vec::new(); count];
    for (state, &block) in blocks.iter().enumerate() {
        accepts[block as usize] = table.accepts[state];
        if rows[block as usize].is_empty() {
            rows[block as usize] = table.rows[state].iter().map(|&to| blocks[to as usize]).collect();
        }
    }
    Table { accepts, rows, columns: table.columns }
}

/// Writes the states as equations, each under the name of its language, and returns the language of
/// `root`.
fn written(pool: &mut ExprPool, table: &Table, root: u32) -> LangId {
    let count = table.accepts.len();
    let is_all =
        |state: usize| table.accepts[state] && table.rows[state].iter().all(|&to| to as usize == state);
    let mut names: Vec<LangId> = vec![LangId::NEVER; count];
    let mut new: Vec<usize> = Vec::new();
    for (state, name) in names.iter_mut().enumerate().skip(1) {
        if is_all(state) {
            *name = LangId::ALL;
            continue;
        }
        let (unknown, is_new) = pool.unknown(name_of(table, state), table.accepts[state]);
        *name = unknown;
        if is_new {
            new.push(state);
        }
    }
    for state in new {
        let mut sets: Vec<(u32, ByteSet)> = Vec::new();
        for byte in 0..=255u8 {
            let to = table.rows[state][usize::from(table.columns[usize::from(byte)])];
            if to != DEAD {
                match sets.iter_mut().find(|set| set.0 == to) {
                    Some(set) => set.1.insert(byte),
                    None => {
                        let mut set = ByteSet::EMPTY;
                        set.insert(byte);
                        sets.push((to, set));
                    }
                }
            }
        }
        let mut parts: Vec<LangId> = Vec::with_capacity(sets.len() + 1);
        if table.accepts[state] {
            parts.push(LangId::EMPTY);
        }
        for (to, set) in sets {
            let byte = pool.byte(&set);
            parts.push(pool.concat(byte, names[to as usize]));
        }
        let definition = pool.union(&parts);
        pool.define(names[state], definition);
    }
    names[root as usize]
}

/// The name of a state's language: a fingerprint of the smallest automaton from it on.
fn name_of(table: &Table, state: usize) -> u128 {
    let mut numbers: HashMap<u32, u64> = HashMap::from_iter([(state as u32, 0)]);
    let mut order = vec![state as u32];
    let mut f = Fingerprinter::new(0x1c00);
    let mut at = 0;
    while let Some(&state) = order.get(at) {
        f = f.word(u64::from(table.accepts[state as usize]));
        let mut last = None;
        for byte in 0..256usize {
            let to = table.rows[state as usize][usize::from(table.columns[byte])];
            if last == Some(to) {
                continue;
            }
            last = Some(to);
            let number = if to == DEAD {
                u64::MAX
            } else {
                let known = numbers.len() as u64;
                *numbers.entry(to).or_insert_with(|| {
                    order.push(to);
                    known
                })
            };
            f = f.word(byte as u64).word(number);
        }
        f = f.word(0x100);
        at += 1;
    }
    f.finish()
}
