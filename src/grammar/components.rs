//! Strongly connected components of a graph, by Tarjan's algorithm without recursion.
//!
//! Source: R. Tarjan, "Depth-first search and linear graph algorithms", 1972.

/// The strongly connected components that `starts` reach, each after those that it has edges to.
/// `edges[i]` are the nodes to which node `i` leads.
pub(crate) fn components(edges: &[Vec<usize>], starts: impl IntoIterator<Item = usize>) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    let (mut order, mut low) = (vec![UNSEEN; edges.len()], vec![0; edges.len()]);
    let (mut stack, mut on_stack) = (Vec::new(), vec![false; edges.len()]);
    let mut found = Vec::new();
    let mut count = 0;
    for start in starts {
        if order[start] != UNSEEN {
            continue;
        }
        let mut work = vec![(start, 0)];
        while let Some(&mut (node, ref mut next)) = work.last_mut() {
            if *next == 0 {
                (order[node], low[node]) = (count, count);
                count += 1;
                stack.push(node);
                on_stack[node] = true;
            }
            if let Some(&target) = edges[node].get(*next) {
                *next += 1;
                if order[target] == UNSEEN {
                    work.push((target, 0));
                } else if on_stack[target] {
                    low[node] = low[node].min(order[target]);
                }
                continue;
            }
            work.pop();
            if let Some(&(parent, _)) = work.last() {
                low[parent] = low[parent].min(low[node]);
            }
            if low[node] == order[node] {
                let first = stack.iter().rposition(|&other| other == node).unwrap_or(0);
                let component = stack.split_off(first);
                component.iter().for_each(|&member| on_stack[member] = false);
                found.push(component);
            }
        }
    }
    found
}
