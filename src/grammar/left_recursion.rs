//! Removes the things that a top-down recogniser cannot run: unproductive nodes and left recursion.
//!
//! For example, `A = A "+" B | B` becomes `A = B R` with `R = "+" B R | ε`.
//!
//! Each strongly connected component of left-recursive rules is rewritten as a whole. Every rule is
//! split into alternatives that start with a rule of the component and alternatives that do not:
//! `Aᵢ = βᵢ | Σ Aₖ αₖᵢ`. This is a left-linear system over the letters α and β, and its solution is
//! `Aᵢ = Σₖ βₖ Rₖᵢ` with `Rₖᵢ = [k = i] | Σⱼ αₖⱼ Rⱼᵢ`. The result is right-recursive and quadratic
//! in the component, while substituting one rule into another would be exponential. Hidden left
//! recursion (behind nullable parts) is covered, since only *non-empty* derivations are split.
//!
//! Source: the left-corner transform (Rosenkrantz and Lewis, 1970), read as the solution of a
//! linear system.

use super::components::components;
use super::error::GrammarError;
use super::node::{Node, NodePool, UntilSpec};
use super::node_id::{NodeId, RuleId};
use hashbrown::HashMap;

/// The largest component of mutually left-recursive rules that is rewritten.
const MAX_COMPONENT: usize = 256;

pub(super) fn normalise(pool: &mut NodePool, root: NodeId) -> Result<NodeId, GrammarError> {
    let root = remove_unproductive(pool, root)?;
    let components = left_recursive_components(pool);
    for component in &components {
        if component.len() > MAX_COMPONENT {
            return Err(GrammarError::Limit {
                what: "mutually left-recursive rules",
                limit: MAX_COMPONENT as u64,
            });
        }
        rewrite(pool, component);
    }
    if !components.is_empty() {
        prune(pool);
    }
    Ok(root)
}

/// The nodes that derive a finite string, by id.
pub(super) fn productive(shared: &NodePool) -> Vec<bool> {
    // `filled` marks the nodes that derive a string that is not empty.
    let mut productive = vec![false; shared.len()];
    let mut filled = vec![false; shared.len()];
    super::fixed_point::least(shared, |i| {
        if productive[i] && filled[i] {
            return false;
        }
        let is = |id: NodeId| productive[id.0 as usize];
        let fills = |id: NodeId| filled[id.0 as usize];
        let both = |now: bool| (now, now);
        let now = match &shared.nodes[i] {
            Node::Never => both(false),
            Node::Empty | Node::Mark { .. } => (true, false),
            Node::Terminal(_) | Node::Lexed | Node::Special(_) | Node::Spelled(_) | Node::Lazy(_) => {
                both(true)
            }
            Node::Until(spec) => {
                let mut markers = spec.triggers.iter().flat_map(|trigger| &trigger.markers);
                both(spec.may_end || markers.any(|marker| is(marker.1)))
            }
            // A value that is not known to end is left out: the object ends if it can be completed
            // without it.
            Node::Object(spec) => both(spec.with_values(|v| is(v).then_some(v)).start().is_some()),
            Node::Array(spec) => both(spec.with_values(|v| is(v).then_some(v)).start().is_some()),
            Node::Switch { targets, .. } => both(targets.iter().any(|&t| is(t))),
            Node::Seq(a, b) => (is(*a) && is(*b), is(*a) && is(*b) && (fills(*a) || fills(*b))),
            Node::Alt(parts) => (parts.iter().any(|&p| is(p)), parts.iter().any(|&p| fills(p))),
            Node::Repeat { body, min, .. } => (*min == 0 || is(*body), fills(*body)),
            Node::Metered { body, .. } => (is(*body), fills(*body)),
            Node::NonEmpty(body) => both(fills(*body)),
            Node::Rule(rule) => {
                let body = shared.rules[rule.0 as usize].1;
                (is(body), fills(body))
            }
        };
        let changed = now != (productive[i], filled[i]);
        (productive[i], filled[i]) = now;
        changed
    });
    productive
}

/// Replaces every node that derives no finite string by [`NodeId::NEVER`].
fn remove_unproductive(pool: &mut NodePool, root: NodeId) -> Result<NodeId, GrammarError> {
    let productive = productive(pool);
    if !productive[root.0 as usize] {
        let rule = pool.rules.iter().find(|r| !productive[r.1.0 as usize]);
        let reason = match rule {
            Some((name, _)) => {
                format!("rule `{name}` never ends: every alternative needs itself or another such rule")
            }
            None => "no alternative can be completed".to_owned(),
        };
        return Err(GrammarError::Empty { reason });
    }
    if productive.iter().skip(1).all(|&p| p) {
        return Ok(root);
    }
    // Children have smaller ids than their parents, so one pass in id order rebuilds everything.
    let mut new: Vec<NodeId> = Vec::with_capacity(pool.len());
    for (i, productive) in productive.into_iter().enumerate() {
        let of = |id: NodeId| new[id.0 as usize];
        let rebuilt = if !productive {
            NodeId::NEVER
        } else {
            match pool.nodes[i].clone() {
                Node::Seq(a, b) => pool.seq(of(a), of(b)),
                Node::Alt(parts) => {
                    let parts: Vec<NodeId> = parts.iter().map(|&p| of(p)).collect();
                    pool.alt(&parts)
                }
                Node::Repeat { body, min, max } => pool.repeat(of(body), min, max),
                Node::NonEmpty(body) => pool.non_empty(of(body)),
                Node::Metered { body, most } => {
                    let body = of(body);
                    pool.metered(body, most)
                }
                Node::Switch { language, targets } => {
                    let targets: Vec<NodeId> = targets.iter().map(|&t| of(t)).collect();
                    pool.switch(language, &targets)
                }
                Node::Until(spec) => {
                    let mut spec = UntilSpec::clone(&spec);
                    let markers = spec.triggers.iter_mut().flat_map(|trigger| &mut trigger.markers);
                    markers.for_each(|marker| marker.1 = of(marker.1));
                    pool.until_node(spec)
                }
                Node::Object(spec) => pool.object(spec.with_values(|v| Some(of(v)))),
                Node::Array(spec) => pool.array(spec.with_values(|v| Some(of(v)))),
                _ => NodeId(i as u32),
            }
        };
        new.push(rebuilt);
    }
    for rule in &mut pool.rules {
        rule.1 = new[rule.1.0 as usize];
    }
    Ok(new[root.0 as usize])
}

/// The rules at the left edge of a node's non-empty derivations.
fn left_rules(pool: &NodePool, root: NodeId) -> Vec<RuleId> {
    let mut found = Vec::new();
    let mut seen = hashbrown::HashSet::new();
    let mut stack = vec![root];
    while let Some(id) = stack.pop() {
        if !seen.insert(id) {
            continue;
        }
        match pool.node(id) {
            Node::Rule(rule) => found.push(*rule),
            Node::Seq(a, b) => {
                stack.push(*a);
                if pool.is_nullable(*a) {
                    stack.push(*b);
                }
            }
            Node::Alt(parts) => stack.extend_from_slice(parts),
            Node::Repeat { body, .. } | Node::NonEmpty(body) => stack.push(*body),
            _ => {}
        }
    }
    found
}

/// The components of rules that are left-recursive.
fn left_recursive_components(pool: &NodePool) -> Vec<Vec<RuleId>> {
    let targets =
        |&(_, body): &(_, NodeId)| left_rules(pool, body).iter().map(|rule| rule.0 as usize).collect();
    let edges: Vec<Vec<usize>> = pool.rules.iter().map(targets).collect();
    let mut found = components(&edges, 0..edges.len());
    found.retain(|component| component.len() > 1 || edges[component[0]].contains(&component[0]));
    found.iter_mut().for_each(|component| component.sort_unstable());
    found
        .into_iter()
        .map(|component| component.into_iter().map(|rule| RuleId(rule as u32)).collect())
        .collect()
}

/// The non-empty derivations of a node. `left` holds those that start with a (non-empty) rule of
/// the component, as `(rule, rest after it)`, and `other` holds the rest.
struct Split {
    left: Vec<(usize, NodeId)>,
    other: Vec<NodeId>,
}

fn split(pool: &mut NodePool, component: &HashMap<RuleId, usize>, id: NodeId) -> Split {
    let mut result = Split { left: Vec::new(), other: Vec::new() };
    // Each work item is a node and the node after it.
    let mut stack = vec![(id, NodeId::EMPTY)];
    while let Some((id, rest)) = stack.pop() {
        match pool.node(id).clone() {
            Node::Never | Node::Empty | Node::Mark { .. } => {}
            Node::Rule(rule) if component.contains_key(&rule) => result.left.push((component[&rule], rest)),
            Node::Seq(a, b) => {
                let after = pool.seq(b, rest);
                stack.push((a, after));
                if pool.is_nullable(a) {
                    stack.push((b, rest));
                }
            }
            Node::Alt(parts) => stack.extend(parts.iter().map(|&p| (p, rest))),
            Node::NonEmpty(body) => stack.push((body, rest)),
            Node::Repeat { body, min, max } => {
                let min = if pool.is_nullable(body) { 0 } else { min };
                let fewer = if max == crate::automata::UNBOUNDED { max } else { max - 1 };
                let more = pool.repeat(body, min.saturating_sub(1), fewer);
                let after = pool.seq(more, rest);
                stack.push((body, after));
            }
            _ => {
                let head = pool.non_empty(id);
                let node = pool.seq(head, rest);
                result.other.push(node);
            }
        }
    }
    result
}

fn rewrite(pool: &mut NodePool, component: &[RuleId]) {
    let n = component.len();
    let place: HashMap<RuleId, usize> = component.iter().enumerate().map(|(i, &r)| (r, i)).collect();
    let mut beta = Vec::with_capacity(n);
    // alpha[k] holds each (j, α) with Aⱼ = … | Aₖ α.
    let mut alpha: Vec<Vec<(usize, NodeId)>> = vec![Vec::new(); n];
    for (j, &rule) in component.iter().enumerate() {
        let body = pool.rule(rule);
        let parts = split(pool, &place, body);
        beta.push(pool.alt(&parts.other));
        for (k, tail) in parts.left {
            alpha[k].push((j, tail));
        }
    }
    // Steps without text (A → B, or a nullable α) are closed over, so that no R starts with itself.
    let mut unit = vec![vec![false; n]; n];
    for (k, row) in unit.iter_mut().enumerate() {
        let mut stack = vec![k];
        while let Some(v) = stack.pop() {
            if !std::mem::replace(&mut row[v], true) {
                stack.extend(alpha[v].iter().filter(|(_, a)| pool.is_nullable(*a)).map(|e| e.0));
            }
        }
    }
    let base = pool.rules.len();
    for k in 0..n {
        for i in 0..n {
            let name = format!("{}\u{b7}{}", pool.rule_name(component[k]), pool.rule_name(component[i]));
            pool.rules.push((name.into(), NodeId::NEVER));
        }
    }
    let tail_node: Vec<NodeId> =
        (0..n * n).map(|x| pool.intern(Node::Rule(RuleId((base + x) as u32)))).collect();
    // A tail may be empty exactly where unit steps lead from k to i. That must be known before
    // anything is built on it.
    for (&tail, &is_unit) in tail_node.iter().zip(unit.iter().flatten()) {
        pool.nullable[tail.0 as usize] = is_unit;
    }
    for (k, reached) in unit.iter().enumerate() {
        for i in 0..n {
            let mut parts = Vec::new();
            if reached[i] {
                parts.push(NodeId::EMPTY);
            }
            for via in (0..n).filter(|&via| reached[via]) {
                for (j, a) in alpha[via].clone() {
                    if a == NodeId::EMPTY {
                        continue;
                    }
                    let head = pool.non_empty(a);
                    parts.push(pool.seq(head, tail_node[j * n + i]));
                }
            }
            pool.rules[base + k * n + i].1 = pool.alt(&parts);
        }
    }
    for (i, &rule) in component.iter().enumerate() {
        let mut parts: Vec<NodeId> = (0..n).map(|k| pool.seq(beta[k], tail_node[k * n + i])).collect();
        let own = pool.intern(Node::Rule(rule));
        if pool.is_nullable(own) {
            parts.push(NodeId::EMPTY);
        }
        pool.rules[rule.0 as usize].1 = pool.alt(&parts);
    }
}

/// Replaces the parts that the rewriting made unproductive by [`NodeId::NEVER`]. The construction
/// of sequences has already done so for most tails without a reachable end, but not for tails that
/// call each other.
fn prune(pool: &mut NodePool) {
    let _ = remove_unproductive(pool, NodeId::EMPTY);
}
