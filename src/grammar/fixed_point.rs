//! Least fixed points of properties of nodes, such as nullability. The property of a node depends
//! on those of its parts, and through rules it may depend on itself.
//!
//! All nodes are looked at once, parts before wholes. After that, a node is looked at again only if
//! one of its parts has changed. The work is linear in the pool for chains of rules, in whatever
//! order they were written.

use super::node::{Node, NodePool};
use super::node_id::RuleId;
use std::collections::VecDeque;

/// Calls `update` for nodes, by number, until it answers "unchanged" for all of them.
pub(super) fn least(pool: &NodePool, mut update: impl FnMut(usize) -> bool) {
    let parents = Parents::of(pool);
    let mut queue: VecDeque<usize> = (0..pool.len()).collect();
    let mut queued = vec![true; pool.len()];
    while let Some(node) = queue.pop_front() {
        queued[node] = false;
        if update(node) {
            for &parent in parents.of_node(node) {
                if !std::mem::replace(&mut queued[parent as usize], true) {
                    queue.push_back(parent as usize);
                }
            }
        }
    }
}

/// The parents of each node: the nodes that it is part of. A rule's body is part of the node that
/// stands for the rule.
struct Parents {
    starts: Vec<u32>,
    parents: Vec<u32>,
}

impl Parents {
    fn of(pool: &NodePool) -> Self {
        let len = pool.len();
        // The number of parents of each node, then the places of their lists.
        let mut starts = vec![0u32; len + 2];
        each_part(pool, |child, _| starts[child + 2] += 1);
        for i in 0..=len {
            starts[i + 1] += starts[i];
        }
        let mut parents = vec![0; starts[len + 1] as usize];
        each_part(pool, |child, parent| {
            let place = &mut starts[child + 1];
            parents[*place as usize] = parent;
            *place += 1;
        });
        Parents { starts, parents }
    }

    fn of_node(&self, node: usize) -> &[u32] {
        &self.parents[self.starts[node] as usize..self.starts[node + 1] as usize]
    }
}

/// Calls `f` with each part of a node and the node. A node may have a part twice.
fn each_part(pool: &NodePool, mut f: impl FnMut(usize, u32)) {
    for (i, node) in pool.nodes.iter().enumerate() {
        node.children(|child| f(child.0 as usize, i as u32));
        if let Node::Rule(RuleId(rule)) = *node {
            f(pool.rules[rule as usize].1.0 as usize, i as u32);
        }
    }
}
