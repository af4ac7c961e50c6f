//! Merging states that behave alike, and tokens that no state tells apart.
//!
//! States begin in one block if they have the same flags and allow the same classes. Then blocks
//! are split by the blocks to which their edges lead, until nothing changes. When a block is split,
//! its largest part keeps the block's number. So only the predecessors of the other parts are
//! looked at again, and each state is renumbered at most log₂(states) times.
//!
//! The result is the coarsest partition there is, so it does not depend on the order of work.
//! Merged states are numbered by the first of their states that was found, and classes by their
//! first token.
//!
//! Source: J. Hopcroft's "process the smaller half" (1971), over whole signatures as in A. Valmari,
//! *Fast brief practical DFA minimization* (2012).

use super::explore::{Edge, ExploredFsm};
use super::tables::Tables;
use hashbrown::HashMap;

/// Lists of edges, stored one after the other.
struct EdgeLists {
    starts: Vec<usize>,
    items: Vec<Edge>,
}

impl EdgeLists {
    /// The lists `0 .. count` of `(list, item)` pairs. Items keep their order.
    fn new(count: usize, pairs: impl Iterator<Item = (u32, Edge)> + Clone) -> Self {
        let mut starts = vec![0; count + 1];
        pairs.clone().for_each(|(list, _)| starts[list as usize + 1] += 1);
        for list in 0..count {
            starts[list + 1] += starts[list];
        }
        let mut next = starts.clone();
        let mut items = vec![(0, 0); starts[count]];
        for (list, item) in pairs {
            items[next[list as usize]] = item;
            next[list as usize] += 1;
        }
        EdgeLists { starts, items }
    }

    fn get(&self, list: usize) -> &[Edge] {
        &self.items[self.starts[list]..self.starts[list + 1]]
    }
}

/// The states, divided into blocks.
struct Blocks {
    of: Vec<u32>,
    members: Vec<Vec<u32>>,
    /// The index of each state among the members of its block.
    place: Vec<u32>,
    /// By block: the states whose edges have to be looked at.
    dirty: Vec<Vec<u32>>,
    /// By state: true if it is among these.
    is_dirty: Vec<bool>,
}

impl Blocks {
    /// A block for each different key; there is one key for each state.
    fn new<'a>(keys: impl Iterator<Item = (u32, Vec<u32>)> + 'a) -> Self {
        let mut index = HashMap::new();
        let of: Vec<u32> = keys
            .map(|key| {
                let next = index.len() as u32;
                *index.entry(key).or_insert(next)
            })
            .collect();
        let mut members = vec![Vec::new(); index.len()];
        let mut place = Vec::with_capacity(of.len());
        for (state, &block) in of.iter().enumerate() {
            place.push(members[block as usize].len() as u32);
            members[block as usize].push(state as u32);
        }
        let (dirty, is_dirty) = (members.clone(), vec![true; of.len()]);
        Blocks { of, members, place, dirty, is_dirty }
    }

    /// Moves these states to a new block.
    fn split_off(&mut self, states: &[u32]) {
        let new = self.members.len() as u32;
        for (place, &state) in states.iter().enumerate() {
            let old = &mut self.members[self.of[state as usize] as usize];
            let hole = self.place[state as usize];
            old.swap_remove(hole as usize);
            if let Some(&filler) = old.get(hole as usize) {
                self.place[filler as usize] = hole;
            }
            self.of[state as usize] = new;
            self.place[state as usize] = place as u32;
        }
        self.members.push(states.to_vec());
        self.dirty.push(Vec::new());
    }

    /// Splits blocks until the edges of each block's states lead to the same blocks.
    fn refine(&mut self, rows: &[Vec<Edge>]) {
        let edges =
            || (0..).zip(rows).flat_map(|(state, row)| row.iter().map(move |edge| (edge.1, (state, 0))));
        let predecessors = EdgeLists::new(rows.len(), edges());
        let mut work: Vec<u32> = (0..self.members.len() as u32).collect();
        while let Some(block) = work.pop() {
            let dirty = std::mem::take(&mut self.dirty[block as usize]);
            dirty.iter().for_each(|&state| self.is_dirty[state as usize] = false);
            let mut parts: HashMap<Vec<u32>, Vec<u32>> = HashMap::new();
            for &state in &dirty {
                let leads_to = rows[state as usize].iter().map(|edge| self.of[edge.1 as usize]).collect();
                parts.entry(leads_to).or_default().push(state);
            }
            let mut parts: Vec<Vec<u32>> = parts.into_values().collect();
            // The clean states lead to the same blocks as before, and so to other blocks than every
            // state whose targets were renumbered.
            let clean = self.members[block as usize].len() - dirty.len();
            let largest = (0..parts.len()).max_by_key(|&part| parts[part].len());
            match largest {
                Some(largest) if parts[largest].len() > clean => {
                    if clean > 0 {
                        let mut left = self.members[block as usize].clone();
                        let mut moved = vec![false; left.len()];
                        dirty.iter().for_each(|&state| moved[self.place[state as usize] as usize] = true);
                        let mut moved = moved.iter();
                        left.retain(|_| !moved.next().is_some_and(|moved| *moved));
                        parts.push(left);
                    }
                    parts.swap_remove(largest);
                }
                _ => {}
            }
            parts.iter().for_each(|part| self.split_off(part));
            // All states have their new numbers before predecessors are noted under them.
            for &state in parts.iter().flatten() {
                for &(predecessor, _) in predecessors.get(state as usize) {
                    if !std::mem::replace(&mut self.is_dirty[predecessor as usize], true) {
                        let block = self.of[predecessor as usize];
                        if self.dirty[block as usize].is_empty() {
                            work.push(block);
                        }
                        self.dirty[block as usize].push(predecessor);
                    }
                }
            }
        }
    }
}

/// The smallest machine that behaves like this one.
pub(super) fn minimise(found: ExploredFsm) -> Tables {
    let ExploredFsm { vocabulary, token_classes, classes, flags, rows } = found;
    let keys = rows.iter().zip(&flags).map(|(row, &flags)| (flags, row.iter().map(|edge| edge.0).collect()));
    let mut blocks = Blocks::new(keys);
    blocks.refine(&rows);

    let mut number = vec![u32::MAX; blocks.members.len()];
    let mut first = Vec::with_capacity(number.len());
    for (state, &block) in blocks.of.iter().enumerate() {
        if number[block as usize] == u32::MAX {
            number[block as usize] = first.len() as u32;
            first.push(state);
        }
    }
    let renamed = |state: u32| number[blocks.of[state as usize] as usize];

    // Columns: by class, the states that allow it with the states to which it leads.
    let entries = (0..).zip(&first).flat_map(|(state, &from): (u32, &usize)| {
        rows[from].iter().map(move |&(class, target)| (class, (state, target)))
    });
    let columns =
        EdgeLists::new(classes, entries.map(|(class, (state, target))| (class, (state, renamed(target)))));
    let mut kept: HashMap<&[Edge], u32> = HashMap::from_iter([(&[][..], 0)]);
    let mut class_of = vec![u32::MAX; classes];
    // By class: true for the first of the classes that become one.
    let mut is_kept = vec![false; classes];
    let mut tokens = token_classes;
    for class in &mut tokens {
        let old = *class as usize;
        if class_of[old] == u32::MAX {
            let next = kept.len() as u32;
            class_of[old] = *kept.entry(columns.get(old)).or_insert_with(|| {
                is_kept[old] = true;
                next
            });
        }
        *class = class_of[old];
    }
    let classes = kept.len() as u32;

    let (mut row_starts, mut edges) = (vec![0], Vec::new());
    for &state in &first {
        let row = rows[state].iter().filter(|edge| is_kept[edge.0 as usize]);
        let start = edges.len();
        edges.extend(row.map(|&(class, target)| (class_of[class as usize], renamed(target))));
        edges[start..].sort_unstable();
        row_starts.push(edges.len() as u32);
    }
    let (edge_classes, edge_targets): (Vec<u32>, Vec<u32>) = edges.into_iter().unzip();
    Tables {
        vocabulary,
        classes,
        token_classes: tokens.into(),
        flags: first.iter().map(|&state| flags[state]).collect(),
        row_starts: row_starts.into(),
        edge_classes: edge_classes.into(),
        edge_targets: edge_targets.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A machine over three tokens, each a class of its own. For each state: true if it is
    /// accepting, and the targets of the tokens.
    fn machine(states: &[(bool, [Option<usize>; 3])]) -> ExploredFsm {
        let row = |targets: &[Option<usize>; 3]| {
            let edges = (1..).zip(targets).filter_map(|(class, target)| Some((class, (*target)? as u32)));
            edges.collect()
        };
        ExploredFsm {
            vocabulary: 0,
            token_classes: vec![1, 2, 3, 0],
            classes: 4,
            flags: states.iter().map(|state| u32::from(state.0)).collect(),
            rows: states.iter().map(|state| row(&state.1)).collect(),
        }
    }

    /// The blocks of states that behave alike, by Moore's algorithm: rounds until nothing changes.
    fn alike(found: &ExploredFsm) -> Vec<u32> {
        let mut of: Vec<u32> = vec![0; found.rows.len()];
        loop {
            let mut index = HashMap::new();
            let key = |state: usize| {
                let row = found.rows[state].iter().map(|edge| (edge.0, of[edge.1 as usize]));
                (found.flags[state], row.collect::<Vec<_>>())
            };
            let next: Vec<u32> = (0..of.len())
                .map(|state| {
                    let next = index.len() as u32;
                    *index.entry(key(state)).or_insert(next)
                })
                .collect();
            if next == of {
                return of;
            }
            of = next;
        }
    }

    proptest! {
        #[test]
        fn states_are_merged_as_moore_merges_them(
            states in proptest::collection::vec((any::<bool>(), any::<[Option<prop::sample::Index>; 3]>()), 1..40)
        ) {
            let count = states.len();
            let states: Vec<(bool, [Option<usize>; 3])> = states
                .iter()
                .map(|(accepting, targets)| (*accepting, targets.map(|target| Some(target?.index(count)))))
                .collect();
            let expected = alike(&machine(&states));
            let tables = minimise(machine(&states));
            prop_assert_eq!(tables.flags.len() as u32, expected.iter().max().unwrap() + 1);
            // Moore's blocks are numbered by their first states, too, so the machines are equal.
            let token = |class: u32| tables.token_classes.iter().position(|&of| of == class).unwrap();
            for (state, (accepting, targets)) in states.iter().enumerate() {
                let merged = expected[state] as usize;
                prop_assert_eq!(tables.flags[merged] == 1, *accepting);
                let row = tables.row_starts[merged] as usize..tables.row_starts[merged + 1] as usize;
                let mut found = [None; 3];
                for edge in row {
                    let class = tables.edge_classes[edge];
                    prop_assert!(class > 0 && token(class) < 3);
                    for (token, found) in found.iter_mut().enumerate() {
                        if tables.token_classes[token] == class {
                            *found = Some(tables.edge_targets[edge]);
                        }
                    }
                }
                prop_assert_eq!(found, targets.map(|target| Some(expected[target?])));
            }
            prop_assert_eq!(tables.token_classes[3], 0);
        }
    }
}
