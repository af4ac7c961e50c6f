//! The builder of grammars. Its rules may refer to each other; it checks and normalises them into a
//! [`Grammar`].

use super::error::GrammarError;
use super::node::{Expand, Grammar, GrammarInner, Node, NodePool};
use super::node_id::{NodeId, RuleId};
use crate::automata::ExprPool;
use hashbrown::HashMap;
use std::sync::Arc;

/// Builds a [`Grammar`] from nodes.
///
/// ```
/// use hedgerow::grammar::GrammarBuilder;
/// // list = "[" ( list ("," list)* )? "]"
/// let mut b = GrammarBuilder::new();
/// let list = b.declare("list");
/// let (open, close) = (b.nodes.literal(b"["), b.nodes.literal(b"]"));
/// let comma = b.nodes.literal(b",");
/// let item = b.rule_node(list);
/// let more = b.nodes.seq(comma, item);
/// let more = b.nodes.repeat(more, 0, u32::MAX);
/// let items = b.nodes.seq(item, more);
/// let items = b.nodes.repeat(items, 0, 1);
/// let body = b.nodes.sequence(&[open, items, close]);
/// b.define(list, body).unwrap();
/// let grammar = b.build(item, None).unwrap();
/// assert!(grammar.pool().len() > 3);
/// ```
#[derive(Default)]
pub struct GrammarBuilder {
    /// The nodes built so far.
    pub nodes: NodePool,
    by_name: HashMap<Arc<str>, RuleId>,
    defined: Vec<bool>,
    /// The front ends of the parts. The first of them is number 1.
    parts: Vec<Arc<dyn Expand>>,
}

impl GrammarBuilder {
    /// An empty builder.
    pub fn new() -> Self {
        Self::default()
    }

    /// A builder that goes on with the nodes of a pool.
    pub fn with_nodes(nodes: NodePool) -> Self {
        GrammarBuilder { nodes, ..Self::default() }
    }

    /// The rule named `name`, declared on first use.
    pub fn declare(&mut self, name: &str) -> RuleId {
        if let Some(&id) = self.by_name.get(name) {
            return id;
        }
        let id = RuleId(self.nodes.rules.len() as u32);
        let name: Arc<str> = name.into();
        self.nodes.rules.push((name.clone(), NodeId::NEVER));
        self.by_name.insert(name, id);
        self.defined.push(false);
        id
    }

    /// The rule named `name`, if it was declared.
    pub fn find(&self, name: &str) -> Option<RuleId> {
        self.by_name.get(name).copied()
    }

    /// A node that stands for `rule`.
    pub fn rule_node(&mut self, rule: RuleId) -> NodeId {
        self.nodes.intern(Node::Rule(rule))
    }

    /// Defines `rule` as `body`. Each rule is defined once.
    pub fn define(&mut self, rule: RuleId, body: NodeId) -> Result<(), GrammarError> {
        let slot = rule.0 as usize;
        if std::mem::replace(&mut self.defined[slot], true) {
            return Err(GrammarError::DuplicateRule(self.nodes.rules[slot].0.to_string()));
        }
        self.nodes.rules[slot].1 = body;
        Ok(())
    }

    /// Adds a part of the grammar that has a front end of its own. `compile` makes the part's nodes
    /// and returns its front end, which expands the lazy ones among them. In this way several
    /// documents become one grammar, each with its own keys.
    ///
    /// # Errors
    ///
    /// The errors of `compile`. The builder stays usable after one.
    pub fn part<E>(
        &mut self,
        compile: impl FnOnce(&mut NodePool) -> Result<(NodeId, Arc<dyn Expand>), E>,
    ) -> Result<NodeId, E> {
        let part = self.parts.len() as u32 + 1;
        let (node, expand) = self.nodes.in_part(part, compile)?;
        self.parts.push(expand);
        Ok(node)
    }

    /// True if some finite text belongs to `node`, as far as the rules that it refers to are
    /// defined.
    pub fn can_end(&self, node: NodeId) -> bool {
        super::left_recursion::productive(&self.nodes)[node.0 as usize]
    }

    /// Checks and normalises the grammar. Every rule reachable from `root` must be defined.
    /// Unproductive parts are removed and left recursion is rewritten, and something must be left.
    /// `expand` serves the lazy nodes that belong to no [`part`](Self::part).
    pub fn build(mut self, root: NodeId, expand: Option<Arc<dyn Expand>>) -> Result<Grammar, GrammarError> {
        check_budget(&self.nodes)?;
        if !self.nodes.rules.is_empty() {
            self.check_defined(root)?;
            self.nodes.resolve_nullable();
        }
        let mut pool = self.nodes;
        let mut root = root;
        if !pool.rules.is_empty() {
            root = super::left_recursion::normalise(&mut pool, root)?;
        }
        check_budget(&pool)?;
        if root == NodeId::NEVER {
            return Err(GrammarError::Empty { reason: "no alternative can be completed".to_owned() });
        }
        let parts = std::iter::once(expand).chain(self.parts.into_iter().map(Some)).collect();
        Ok(Grammar { inner: Arc::new(GrammarInner { pool, root, parts }) })
    }

    fn check_defined(&self, root: NodeId) -> Result<(), GrammarError> {
        let mut stack = vec![root];
        let mut seen = vec![false; self.nodes.len()];
        while let Some(id) = stack.pop() {
            if std::mem::replace(&mut seen[id.0 as usize], true) {
                continue;
            }
            let node = self.nodes.node(id);
            if let Node::Rule(rule) = node {
                if !self.defined[rule.0 as usize] {
                    return Err(GrammarError::UndefinedRule(self.nodes.rule_name(*rule).to_owned()));
                }
                stack.push(self.nodes.rule(*rule));
            }
            node.children(|c| stack.push(c));
        }
        Ok(())
    }
}

/// Fails if the languages used up their search budget. Nodes that were built from their answers
/// then mean nothing.
fn check_budget(pool: &NodePool) -> Result<(), GrammarError> {
    if pool.languages.exhausted() {
        let what = "states searched for a word of an intersection or complement";
        return Err(GrammarError::Limit { what, limit: ExprPool::DEFAULT_SEARCH_BUDGET });
    }
    Ok(())
}
