//! Grammar nodes, the pool that interns them, and the compiled [`Grammar`].

use super::array::ArraySpec;
use super::builder::GrammarError;
use super::lexed::Lexed;
use super::object::ObjectSpec;
use crate::automata::until::{Pattern, Until, UntilError};
use crate::automata::{ExprPool, LangId, UNBOUNDED};
use hashbrown::HashMap;
use std::sync::Arc;

/// A node of a grammar.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub u32);

impl NodeId {
    /// Matches nothing at all.
    pub const NEVER: NodeId = NodeId(0);
    /// Matches the empty string.
    pub const EMPTY: NodeId = NodeId(1);
}

/// A named production, for recursion.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RuleId(pub u32);

/// A special token's name, interned in the grammar.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SpecialId(pub u32);

/// The name of what is expanded late: a key of one of the front ends that serve a grammar.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LazyKey {
    /// The front end, by the number that [`GrammarBuilder::part`](super::GrammarBuilder::part) gave
    /// it; 0 for the one given to [`GrammarBuilder::build`](super::GrammarBuilder::build).
    pub part: u32,
    /// Any number of that front end's choosing.
    pub key: u64,
}

/// One way to fill a place in an object or array, and which of the container's counters it counts for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Choice {
    /// What stands there. Never nullable.
    pub value: NodeId,
    /// Bit `i`: counter `i` goes up by one.
    pub counts: u32,
    /// In an object, the object that goes on behind the value: a [`Node::Object`], or a
    /// [`Node::Lazy`] that is expanded to one, with the same punctuation. Keys used so far stay
    /// used. [`NodeId::NEVER`] for the same object.
    pub then: NodeId,
}

impl Choice {
    /// A choice that no counter counts.
    pub fn plain(value: NodeId) -> Self {
        Choice { value, counts: 0, then: NodeId::NEVER }
    }
}

/// How often choices of one kind must and may be taken in one object or array (`contains`, "some property that is
/// not…"). At most 32 counters a container.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Counter {
    /// At least this often.
    pub min: u32,
    /// At most this often ([`UNBOUNDED`] for no limit).
    pub max: u32,
}

/// What a grammar is made of.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Node {
    /// Nothing matches.
    Never,
    /// The empty string.
    Empty,
    /// A word of a regular language.
    Terminal(LangId),
    /// A word of a labelled literal language, then the node its label selects.
    Switch {
        /// A language of literals ([`ExprPool::literals`], or its JSON spelling).
        language: LangId,
        /// What follows the literal with label `i`.
        targets: Arc<[NodeId]>,
    },
    /// The first, then the second.
    Seq(NodeId, NodeId),
    /// Any of them; sorted.
    Alt(Box<[NodeId]>),
    /// A text that a lexer and its parser read: see [`NodePool::lexed`]. It is all of a grammar.
    Lexed,
    /// `min..=max` times the body.
    Repeat {
        /// What is repeated.
        body: NodeId,
        /// At least this often.
        min: u32,
        /// At most this often, or [`UNBOUNDED`].
        max: u32,
    },
    /// The body, but not as the empty string.
    NonEmpty(NodeId),
    /// A named production.
    Rule(RuleId),
    /// One special (control) token, by name, or as `<[7]>` by id; no text matches it. Where a vocabulary has such a token but
    /// as text, its text.
    Special(SpecialId),
    /// A text in which the names of a vocabulary's special tokens stand for these tokens, and all
    /// else for its bytes. `<|im_end|>` is a token of some vocabularies and ten bytes of others.
    Spelled(Arc<str>),
    /// Free text up to one of some such texts.
    Until(Arc<UntilSpec>),
    /// A JSON object.
    Object(Arc<ObjectSpec>),
    /// A JSON array.
    Array(Arc<ArraySpec>),
    /// Expanded by [`Expand`] when first reached. Productive and never nullable.
    Lazy(LazyKey),
}

/// Free text that ends at the first occurrence of a trigger, or where it may end without one.
///
/// All texts are [spelled](Node::Spelled): the names of special tokens in them stand for the
/// tokens. The free text itself is UTF-8 and holds no special token.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct UntilSpec {
    /// Texts that end the free text. None begins with another.
    pub triggers: Vec<Trigger>,
    /// Texts that the free text must not hold. They are looked for with the trigger's text behind.
    pub forbidden: Vec<Arc<str>>,
    /// Free text may end without a trigger.
    pub may_end: bool,
    /// The free text is the empty one: a trigger comes at once.
    pub is_empty: bool,
    /// The free text has at most so many characters, where there are no triggers; or
    /// [`UNBOUNDED`].
    pub max_chars: u32,
}

/// A text that ends free text.
///
/// One trigger may begin several markers: after `<f=`, one of `<f=a>` and `<f=b>` must follow.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Trigger {
    /// The text.
    pub text: Arc<str>,
    /// The markers that begin with it, each with what follows the marker.
    pub markers: Vec<(Arc<str>, NodeId)>,
}

impl UntilSpec {
    /// Free text without any trigger.
    pub fn text() -> Self {
        UntilSpec {
            triggers: Vec::new(),
            forbidden: Vec::new(),
            may_end: true,
            is_empty: false,
            max_chars: UNBOUNDED,
        }
    }

    /// Adds a trigger that is all of its marker.
    pub fn trigger(mut self, text: &str, then: NodeId) -> Self {
        let text: Arc<str> = text.into();
        self.triggers.push(Trigger { markers: vec![(text.clone(), then)], text });
        self
    }
}

/// A front end that expands its grammar while it is used.
///
/// `expand` must be a pure function of its key: whatever was expanded once may be forgotten and asked for again,
/// from any thread.
pub trait Expand: Send + Sync {
    /// Builds what the lazy node with this key stands for. The result must be productive and not
    /// nullable.
    fn expand(&self, key: u64, nodes: &mut NodePool) -> Result<NodeId, GrammarError>;

    /// For arrays with [`ArraySpec::distinct`]`= Some(key)`: what may stand at `index` (clamped where more makes no
    /// difference), given the JSON text of every earlier item, in any order. Empty when no further value exists.
    fn distinct_items(
        &self,
        key: u64,
        index: u32,
        used: &[&[u8]],
        nodes: &mut NodePool,
    ) -> Result<Vec<Choice>, GrammarError> {
        let _ = (key, index, used, nodes);
        Ok(Vec::new())
    }

    /// At least so many values the lazy node with this key surely has;
    /// [`UNBOUNDED`] for infinitely many, 0 for not knowing. Where that
    /// exceeds the number of earlier items of an array of distinct ones,
    /// [`distinct_items`](Self::distinct_items) is not empty, and is only asked when the next item
    /// begins.
    fn least_values(&self, key: u64, nodes: &mut NodePool) -> Result<u32, GrammarError> {
        let _ = (key, nodes);
        Ok(0)
    }
}

/// Interned nodes with the languages they use. Grows while lazy nodes are expanded.
#[derive(Clone)]
pub struct NodePool {
    pub(super) nodes: Vec<Node>,
    pub(super) nullable: Vec<bool>,
    /// Whether `nullable` holds for nodes with rules in them, too.
    pub(super) nullability_is_known: bool,
    index: HashMap<Node, NodeId>,
    /// The languages of the terminals.
    pub languages: ExprPool,
    pub(super) rules: Vec<(Arc<str>, NodeId)>,
    pub(super) specials: Vec<Arc<str>>,
    lexed: Option<Arc<Lexed>>,
    /// The front end whose lazy nodes are made now.
    part: u32,
}

impl Default for NodePool {
    fn default() -> Self {
        let mut pool = NodePool {
            nodes: Vec::new(),
            nullable: Vec::new(),
            nullability_is_known: false,
            index: HashMap::new(),
            languages: ExprPool::new(),
            rules: Vec::new(),
            specials: Vec::new(),
            lexed: None,
            part: 0,
        };
        pool.intern(Node::Never);
        pool.intern(Node::Empty);
        pool
    }
}

impl NodePool {
    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: the standard nodes are always there.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The node behind an id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// Whether the node matches the empty string.
    pub fn is_nullable(&self, id: NodeId) -> bool {
        self.nullable[id.0 as usize]
    }

    /// What a rule stands for.
    pub fn rule(&self, id: RuleId) -> NodeId {
        self.rules[id.0 as usize].1
    }

    /// The name of a rule.
    pub fn rule_name(&self, id: RuleId) -> &str {
        &self.rules[id.0 as usize].0
    }

    /// The number of rules.
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// The name of a special token.
    pub fn special_name(&self, id: SpecialId) -> &str {
        &self.specials[id.0 as usize]
    }

    /// The special tokens the grammar names.
    pub fn specials(&self) -> impl ExactSizeIterator<Item = (SpecialId, &str)> {
        self.specials.iter().enumerate().map(|(i, name)| (SpecialId(i as u32), &**name))
    }

    /// The special token named `name`, if the grammar names it.
    pub fn find_special(&self, name: &str) -> Option<SpecialId> {
        self.specials.iter().position(|s| &**s == name).map(|i| SpecialId(i as u32))
    }

    pub(super) fn intern(&mut self, node: Node) -> NodeId {
        if let Some(&id) = self.index.get(&node) {
            return id;
        }
        let nullable = self.nullable_given(&node, &self.nullable);
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(node.clone());
        self.nullable.push(nullable);
        self.index.insert(node, id);
        id
    }

    /// Whether `node` matches the empty string if its parts do as `nullable` says.
    pub(super) fn nullable_given(&self, node: &Node, nullable: &[bool]) -> bool {
        let is = |id: NodeId| nullable[id.0 as usize];
        match node {
            Node::Empty => true,
            Node::Terminal(language) => self.languages.is_nullable(*language),
            Node::Seq(a, b) => is(*a) && is(*b),
            Node::Alt(parts) => parts.iter().any(|&p| is(p)),
            Node::Repeat { body, min, .. } => *min == 0 || is(*body),
            Node::Until(spec) => spec.may_end,
            // Rules start as not nullable; the builder's fixed point corrects them.
            Node::Rule(rule) => self.rules.get(rule.0 as usize).is_some_and(|r| is(r.1)),
            Node::Switch { .. }
            | Node::Never
            | Node::Lexed
            | Node::NonEmpty(_)
            | Node::Special(_)
            | Node::Spelled(_)
            | Node::Object(_)
            | Node::Array(_)
            | Node::Lazy(_) => false,
        }
    }

    /// A word of `language`.
    pub fn terminal(&mut self, language: LangId) -> NodeId {
        if self.languages.is_never(language) {
            NodeId::NEVER
        } else if language == LangId::EMPTY || self.languages.has_only_the_empty_word(language) {
            NodeId::EMPTY
        } else {
            self.intern(Node::Terminal(language))
        }
    }

    /// The text that a lexer and its parser read. Their languages are those of this pool.
    pub fn lexed_node(&mut self, lexed: Lexed) -> NodeId {
        self.lexed = Some(Arc::new(lexed));
        self.intern(Node::Lexed)
    }

    /// The lexer and parser of the grammar, if it has them.
    pub fn lexed(&self) -> Option<&Arc<Lexed>> {
        self.lexed.as_ref()
    }

    /// Whether a lexer and a parser read the text.
    pub fn is_lexed(&self) -> bool {
        self.lexed.is_some()
    }

    /// Exactly these bytes.
    pub fn literal(&mut self, bytes: &[u8]) -> NodeId {
        let language = self.languages.bytes(bytes);
        self.terminal(language)
    }

    /// A word of the labelled literals `language` (none of them empty), then `targets[label]`.
    pub fn switch(&mut self, language: LangId, targets: &[NodeId]) -> NodeId {
        let language = if targets.contains(&NodeId::NEVER) {
            self.languages.with_labels(language, |label| {
                targets.get(label as usize).is_some_and(|&target| target != NodeId::NEVER)
            })
        } else {
            language
        };
        if self.languages.is_never(language) || self.languages.is_nullable(language) {
            return NodeId::NEVER;
        }
        self.intern(Node::Switch { language, targets: targets.into() })
    }

    /// `first`, then `second`.
    pub fn seq(&mut self, first: NodeId, second: NodeId) -> NodeId {
        if first == NodeId::NEVER || second == NodeId::NEVER {
            return NodeId::NEVER;
        }
        if first == NodeId::EMPTY {
            return second;
        }
        if second == NodeId::EMPTY {
            return first;
        }
        // Right-nested: what is left after the head is one node.
        let mut heads = Vec::new();
        let mut last = first;
        while let Node::Seq(head, tail) = *self.node(last) {
            heads.push(head);
            last = tail;
        }
        let mut result = self.intern(Node::Seq(last, second));
        while let Some(head) = heads.pop() {
            result = self.intern(Node::Seq(head, result));
        }
        result
    }

    /// All of `parts`, one after the other.
    pub fn sequence(&mut self, parts: &[NodeId]) -> NodeId {
        parts.iter().rev().fold(NodeId::EMPTY, |rest, &part| self.seq(part, rest))
    }

    /// Any of `parts`. Regular alternatives become one terminal.
    pub fn alt(&mut self, parts: &[NodeId]) -> NodeId {
        let mut flat: Vec<NodeId> = Vec::with_capacity(parts.len());
        let mut regular: Vec<LangId> = Vec::new();
        for &part in parts {
            match self.node(part) {
                Node::Never => {}
                Node::Terminal(language) => regular.push(*language),
                Node::Alt(inner) => {
                    for &p in inner.iter() {
                        match self.node(p) {
                            Node::Terminal(language) => regular.push(*language),
                            _ => flat.push(p),
                        }
                    }
                }
                _ => flat.push(part),
            }
        }
        if !regular.is_empty() {
            self.languages.merge_literals(&mut regular);
            let union = self.languages.union(&regular);
            flat.push(self.terminal(union));
        }
        flat.sort_unstable();
        flat.dedup();
        if flat.len() > 1
            && flat.contains(&NodeId::EMPTY)
            && flat.iter().any(|&p| p != NodeId::EMPTY && self.is_nullable(p))
        {
            flat.retain(|&p| p != NodeId::EMPTY);
        }
        match flat.as_slice() {
            [] => NodeId::NEVER,
            [one] => *one,
            _ => self.intern(Node::Alt(flat.into())),
        }
    }

    /// `min..=max` times `body`.
    pub fn repeat(&mut self, body: NodeId, min: u32, max: u32) -> NodeId {
        if min > max {
            return NodeId::NEVER;
        }
        if max == 0 || body == NodeId::EMPTY {
            return NodeId::EMPTY;
        }
        if body == NodeId::NEVER {
            return if min == 0 { NodeId::EMPTY } else { NodeId::NEVER };
        }
        if let Node::Terminal(language) = *self.node(body) {
            let repeated = self.languages.repeat(language, min, max);
            return self.terminal(repeated);
        }
        if (min, max) == (1, 1) {
            return body;
        }
        self.intern(Node::Repeat { body, min, max })
    }

    /// `body`, but not as the empty string.
    pub fn non_empty(&mut self, body: NodeId) -> NodeId {
        if body == NodeId::EMPTY {
            return NodeId::NEVER;
        }
        // Whether a rule may be empty is known when all of them are.
        let is_filled = match self.node(body) {
            Node::Rule(_) | Node::Seq(..) | Node::Alt(_) | Node::Repeat { .. } => {
                (self.nullability_is_known || self.rules.is_empty()) && !self.is_nullable(body)
            }
            _ => !self.is_nullable(body),
        };
        if is_filled {
            body
        } else {
            self.intern(Node::NonEmpty(body))
        }
    }

    /// The special token named `name`.
    pub fn special(&mut self, name: &str) -> NodeId {
        let id = match self.specials.iter().position(|s| &**s == name) {
            Some(i) => i,
            None => {
                self.specials.push(name.into());
                self.specials.len() - 1
            }
        };
        self.intern(Node::Special(SpecialId(id as u32)))
    }

    /// A text with the names of special tokens in it, see [`Node::Spelled`].
    pub fn spelled(&mut self, text: &str) -> NodeId {
        match text {
            "" => NodeId::EMPTY,
            text => self.intern(Node::Spelled(text.into())),
        }
    }

    /// Free text up to a trigger.
    ///
    /// # Errors
    ///
    /// A trigger or a forbidden text is empty, or a trigger holds another one or a forbidden text,
    /// so that it could never be read whole.
    pub fn until(&mut self, spec: UntilSpec) -> Result<NodeId, UntilError> {
        // With the tokens of a vocabulary there is less to be found in a text, never more.
        let labelled = spec.triggers.iter().enumerate();
        let mut patterns: Vec<Pattern> = labelled
            .map(|(i, trigger)| Pattern { text: trigger.text.to_string(), label: Some(i as u32) })
            .collect();
        let forbidden = |text: &Arc<str>| Pattern { text: text.to_string(), label: None };
        patterns.extend(spec.forbidden.iter().map(forbidden));
        Until::new(patterns)?;
        Ok(self.until_node(spec))
    }

    /// One of the markers of `spec`, with no free text before it.
    pub fn at_once(&mut self, mut spec: UntilSpec) -> NodeId {
        spec.is_empty = true;
        self.until_node(spec)
    }

    pub(super) fn until_node(&mut self, mut spec: UntilSpec) -> NodeId {
        // A trigger that nothing can follow must not be read.
        let mut never = Vec::new();
        spec.triggers.retain_mut(|trigger| {
            trigger.markers.retain(|marker| marker.1 != NodeId::NEVER);
            if trigger.markers.is_empty() {
                never.push(trigger.text.clone());
            }
            !trigger.markers.is_empty()
        });
        spec.forbidden.extend(never);
        if spec.triggers.is_empty() && !spec.may_end {
            return NodeId::NEVER;
        }
        self.intern(Node::Until(Arc::new(spec)))
    }

    /// A JSON object; [`NodeId::NEVER`] when no object satisfies `spec`.
    pub fn object(&mut self, spec: ObjectSpec) -> NodeId {
        let spec = if spec.has_impossible_choices() { spec.with_values(Some) } else { spec };
        match spec.start() {
            Some(_) => self.intern(Node::Object(Arc::new(spec))),
            None => NodeId::NEVER,
        }
    }

    /// A JSON array; [`NodeId::NEVER`] when no array satisfies `spec`.
    pub fn array(&mut self, spec: ArraySpec) -> NodeId {
        let impossible = |choices: &[Choice]| choices.iter().any(|c| c.value == NodeId::NEVER);
        let spec = if impossible(&spec.rest) || spec.prefix.iter().any(|p| impossible(p)) {
            spec.with_values(Some)
        } else {
            spec
        };
        match spec.start() {
            Some(_) => self.intern(Node::Array(Arc::new(spec))),
            None => NodeId::NEVER,
        }
    }

    /// A node that the front end at work builds when it is first reached.
    pub fn lazy(&mut self, key: u64) -> NodeId {
        let key = self.lazy_key(key);
        self.intern(Node::Lazy(key))
    }

    /// A key of the front end at work.
    pub fn lazy_key(&self, key: u64) -> LazyKey {
        LazyKey { part: self.part, key }
    }

    /// Does `work` as the front end with the number `part`, to which the lazy nodes it makes
    /// belong.
    pub fn in_part<T>(&mut self, part: u32, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.part, part);
        let result = work(self);
        self.part = before;
        result
    }
}

/// A compiled grammar: a set of byte strings, ready to be matched against any vocabulary.
#[derive(Clone)]
pub struct Grammar {
    pub(super) inner: Arc<GrammarInner>,
}

pub(super) struct GrammarInner {
    pub pool: NodePool,
    pub root: NodeId,
    /// The front ends, by their numbers.
    pub parts: Vec<Option<Arc<dyn Expand>>>,
}

impl Grammar {
    /// The nodes, languages and rules.
    pub fn pool(&self) -> &NodePool {
        &self.inner.pool
    }

    /// Where matching starts.
    pub fn root(&self) -> NodeId {
        self.inner.root
    }

    /// The front ends that expand the grammar's lazy nodes, by the numbers in [`LazyKey::part`].
    pub fn expanders(&self) -> &[Option<Arc<dyn Expand>>] {
        &self.inner.parts
    }
}

impl std::fmt::Debug for Grammar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grammar").field("nodes", &self.pool().len()).field("root", &self.root()).finish()
    }
}
