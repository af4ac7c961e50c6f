//! Grammar nodes, the pool that interns them, and the compiled [`Grammar`].

use super::array::{ArrayProgress, ArraySpec};
use super::choice::Choice;
use super::error::GrammarError;
use super::lexed::{Lexed, Lexing};
use super::mark::{Mark, MarkId, Role};
use super::marker::Marker;
use super::node_id::{LazyKey, NodeId, RuleId, SpecialId, TokenNames};
use super::object::ObjectSpec;
use crate::automata::until::{Pattern, Until, UntilError};
use crate::automata::{ExprPool, LangId, UNBOUNDED, flatten_counts};
use hashbrown::HashMap;
use std::sync::Arc;

/// The kinds of grammar nodes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Node {
    /// No text at all.
    Never,
    /// The empty string.
    Empty,
    /// A word of a regular language.
    Terminal(LangId),
    /// A word of a labelled literal language, then the node that its label selects.
    Switch {
        /// A language of literals ([`ExprPool::literals`], or its JSON spelling).
        language: LangId,
        /// The node that follows the literal with label `i`.
        targets: Arc<[NodeId]>,
    },
    /// The first, then the second.
    Seq(NodeId, NodeId),
    /// Any one of the nodes, which are sorted.
    Alt(Box<[NodeId]>),
    /// A text read by a lexer and its parser, see [`NodePool::lexed`]. This node is always a whole
    /// grammar.
    Lexed,
    /// The body, `min..=max` times.
    Repeat {
        /// The repeated node.
        body: NodeId,
        /// The smallest number of times.
        min: u32,
        /// The largest number of times, or [`UNBOUNDED`].
        max: u32,
    },
    /// The body without the empty string.
    NonEmpty(NodeId),
    /// A named production.
    Rule(RuleId),
    /// One special (control) token, by its name, or by its id as in `<[7]>`. No text matches it. If
    /// a vocabulary has a token of that name only as ordinary text, the node stands for that text.
    ///
    /// Or one token of a set, see [`NodePool::one_token`].
    Special(SpecialId),
    /// A text in which the names of a vocabulary's special tokens stand for these tokens, and
    /// everything else for its bytes. For example, `<|im_end|>` is one token of some vocabularies
    /// and ten bytes of others.
    Spelled(Arc<str>),
    /// Free text up to the first of some given texts.
    Until(Arc<UntilSpec>),
    /// A terminal or switch with a limit on the number of tokens that spell its text. It is made of
    /// free text when the grammar is tied to a vocabulary; see [`UntilSpec::max_tokens`].
    Metered {
        /// The terminal or switch.
        body: NodeId,
        /// The number of tokens.
        most: u32,
    },
    /// The empty text. Readers of events learn here that a part of the output begins or ends.
    Mark {
        /// The mark.
        mark: MarkId,
        /// The number of bytes before this place at which the mark lies.
        back: u32,
    },
    /// A JSON object.
    Object(Arc<ObjectSpec>),
    /// A JSON array.
    Array(Arc<ArraySpec>),
    /// A node that [`Expand`] builds when it is first reached. It is productive and never nullable.
    Lazy(LazyKey),
}

impl Node {
    /// Calls `f` with every direct part of this node. The body of a rule is not a part.
    pub fn children(&self, mut f: impl FnMut(NodeId)) {
        match self {
            Node::Switch { targets, .. } => targets.iter().copied().for_each(f),
            Node::Seq(a, b) => {
                f(*a);
                f(*b);
            }
            Node::Alt(parts) => parts.iter().copied().for_each(f),
            Node::Repeat { body, .. } | Node::NonEmpty(body) | Node::Metered { body, .. } => f(*body),
            Node::Until(spec) => {
                let markers = spec.triggers.iter().flat_map(|trigger| &trigger.markers);
                markers.for_each(|marker| f(marker.1));
            }
            Node::Object(spec) => {
                spec.punctuation.nodes().for_each(&mut f);
                let declared = spec.declared.iter().flat_map(|p| p.values.iter());
                declared.chain(spec.rest.iter().flat_map(|r| r.values.iter())).for_each(|c| f(c.value));
            }
            Node::Array(spec) => {
                spec.punctuation.nodes().for_each(&mut f);
                spec.prefix.iter().flat_map(|c| c.iter()).chain(spec.rest.iter()).for_each(|c| f(c.value));
            }
            Node::Never
            | Node::Empty
            | Node::Terminal(_)
            | Node::Rule(_)
            | Node::Lexed
            | Node::Special(_)
            | Node::Spelled(_)
            | Node::Mark { .. }
            | Node::Lazy(_) => {}
        }
    }
}

/// Free text that ends at the first occurrence of a trigger, or without one if it may.
///
/// All its texts are [spelled](Node::Spelled): the names of special tokens in them stand for the
/// tokens. The free text itself is UTF-8 and holds no special token. Of several triggers that end
/// at one place, the longest is read.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct UntilSpec {
    /// The texts that end the free text. None of them begins with another.
    pub triggers: Vec<Trigger>,
    /// The texts that the free text must not hold. The search for them includes the text of the
    /// trigger that ends the free text.
    pub forbidden: Vec<Marker>,
    /// True if the free text may end without a trigger.
    pub may_end: bool,
    /// True if the free text is empty, so that a trigger comes at once.
    pub is_empty: bool,
    /// The largest number of characters in the free text, or [`UNBOUNDED`].
    pub max_chars: u32,
    /// The largest number of tokens that begin in the free text, or [`UNBOUNDED`]. When they are
    /// read, the text ends at the end of its last character: nothing follows but the shortest text
    /// that ends it. Bytes that are read without tokens are not counted.
    pub max_tokens: u32,
    /// Marks passed where free text ends without a trigger.
    pub marks_at_end: Vec<MarkId>,
}

/// A text that ends free text.
///
/// One trigger may begin several markers: after `<f=`, one of `<f=a>` and `<f=b>` must follow.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Trigger {
    /// The text, or the token.
    pub text: Marker,
    /// The markers that begin with the text, each with the node that follows the marker.
    pub markers: Vec<(Marker, NodeId)>,
    /// Marks that lie between the free text and the trigger.
    pub marks: Vec<MarkId>,
}

impl UntilSpec {
    /// The texts that are looked for, as far as they are known without a vocabulary. Special tokens
    /// can only hide an occurrence in a text and never add one, so checks of these texts are on the
    /// safe side.
    pub(crate) fn patterns(&self) -> Vec<Pattern> {
        let pattern = |marker: &Marker, label| {
            marker.known_text().map(|text| Pattern { text: text.to_string(), label })
        };
        let triggers = self.triggers.iter().enumerate();
        let triggers = triggers.filter_map(|(i, trigger)| pattern(&trigger.text, Some(i as u32)));
        let forbidden = self.forbidden.iter().filter_map(|text| pattern(text, None));
        triggers.chain(forbidden).collect()
    }

    /// Free text without any trigger.
    pub fn text() -> Self {
        UntilSpec {
            triggers: Vec::new(),
            forbidden: Vec::new(),
            may_end: true,
            is_empty: false,
            max_chars: UNBOUNDED,
            max_tokens: UNBOUNDED,
            marks_at_end: Vec::new(),
        }
    }

    /// Adds a trigger whose text is the whole marker.
    pub fn trigger(mut self, text: &str, then: NodeId) -> Self {
        let text = Marker::from(text);
        self.triggers.push(Trigger { markers: vec![(text.clone(), then)], text, marks: Vec::new() });
        self
    }
}

/// A front end that expands its grammar while it is used.
///
/// `expand` must be a pure function of its key. A result may be forgotten and asked for again, from
/// any thread.
pub trait Expand: Send + Sync {
    /// Builds the node that the lazy node with this key stands for. The result must be productive
    /// and not nullable.
    fn expand(&self, key: u64, nodes: &mut NodePool) -> Result<NodeId, GrammarError>;

    /// The choices for the next item of an array with [`ArraySpec::distinct`]` = Some(key)`, given
    /// its progress and the JSON text of every earlier item in any order. The result is empty when
    /// no further value exists.
    fn distinct_items(
        &self,
        key: u64,
        progress: &ArrayProgress,
        used: &[&[u8]],
        nodes: &mut NodePool,
    ) -> Result<Vec<Choice>, GrammarError> {
        let _ = (key, progress, used, nodes);
        Ok(Vec::new())
    }

    /// A lower bound on the number of values of the lazy node with this key: [`UNBOUNDED`] for
    /// infinitely many, 0 if it is not known. As long as the bound exceeds the number of earlier
    /// items in an array of distinct ones, a further value exists.
    /// [`distinct_items`](Self::distinct_items) is then asked only when the next item begins.
    fn least_values(&self, key: u64, nodes: &mut NodePool) -> Result<u32, GrammarError> {
        let _ = (key, nodes);
        Ok(0)
    }
}

/// Interned nodes with the languages they use. The pool grows while lazy nodes are expanded.
#[derive(Clone)]
pub struct NodePool {
    pub(super) nodes: Vec<Node>,
    pub(super) nullable: Vec<bool>,
    /// True if `nullable` also holds for nodes that contain rules.
    pub(super) nullability_is_known: bool,
    index: HashMap<Node, NodeId>,
    /// The languages of the terminals.
    pub languages: ExprPool,
    pub(super) rules: Vec<(Arc<str>, NodeId)>,
    pub(super) specials: Vec<Arc<str>>,
    token_sets: HashMap<SpecialId, TokenNames>,
    lexed: Option<Arc<Lexed>>,
    /// The answers about `lexed` that were found while the grammar was made.
    lexing: Option<Box<Lexing>>,
    marks: Vec<Mark>,
    mark_index: HashMap<Mark, MarkId>,
    /// True if marks count as text, so that no mark is skipped.
    pub(super) stops_at_marks: bool,
    /// The number of the front end to which new lazy nodes belong.
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
            token_sets: HashMap::new(),
            lexed: None,
            lexing: None,
            marks: Vec::new(),
            mark_index: HashMap::new(),
            stops_at_marks: false,
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

    /// Returns `false`, since the standard nodes are always there.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The node with the given id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// True if the node matches the empty string.
    pub fn is_nullable(&self, id: NodeId) -> bool {
        self.nullable[id.0 as usize]
    }

    /// The node that a rule stands for.
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
    pub fn specials(&self) -> impl Iterator<Item = (SpecialId, &str)> {
        let all = self.specials.iter().enumerate().map(|(i, name)| (SpecialId(i as u32), &**name));
        all.filter(|(id, _)| !self.token_sets.contains_key(id))
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

    /// True if `node` matches the empty string, given the nullability of its parts.
    pub(super) fn nullable_given(&self, node: &Node, nullable: &[bool]) -> bool {
        let is = |id: NodeId| nullable[id.0 as usize];
        match node {
            Node::Empty => true,
            Node::Terminal(language) => self.languages.is_nullable(*language),
            Node::Seq(a, b) => is(*a) && is(*b),
            Node::Alt(parts) => parts.iter().any(|&p| is(p)),
            Node::Repeat { body, min, .. } => *min == 0 || is(*body),
            Node::Metered { body, .. } => is(*body),
            Node::Until(spec) => spec.may_end && (spec.marks_at_end.is_empty() || !self.stops_at_marks),
            Node::Mark { .. } => !self.stops_at_marks,
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

    /// Adds the node for a text that a lexer and its parser read. Their languages are those of this
    /// pool, and so are those of the answers that were found about them.
    pub fn lexed_node(&mut self, lexed: Lexed, lexing: Lexing) -> NodeId {
        self.lexed = Some(Arc::new(lexed));
        self.lexing = Some(Box::new(lexing));
        self.intern(Node::Lexed)
    }

    /// The lexer and parser of the grammar, if it has them.
    pub fn lexed(&self) -> Option<&Arc<Lexed>> {
        self.lexed.as_ref()
    }

    /// Takes out the answers that were found about the lexer and parser, for searches of up to
    /// `limit` states.
    pub fn take_lexing(&mut self, limit: u64) -> Lexing {
        self.lexing.take().map_or_else(|| Lexing::new(limit), |lexing| lexing.with_limit(limit))
    }

    /// True if a lexer and a parser read the text.
    pub fn is_lexed(&self) -> bool {
        self.lexed.is_some()
    }

    /// A node that matches exactly these bytes.
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
        // Sequences nest to the right, so that the rest after the head is one node.
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
        // Counts within counts would be counted side by side, in many ways.
        if let Node::Repeat { body: inner, min: low, max: high } = *self.node(body)
            && let Some((min, max)) = flatten_counts((low, high), (min, max))
        {
            return self.repeat(inner, min, max);
        }
        self.intern(Node::Repeat { body, min, max })
    }

    /// `body` without the empty string.
    pub fn non_empty(&mut self, body: NodeId) -> NodeId {
        if body == NodeId::EMPTY {
            return NodeId::NEVER;
        }
        // The nullability of rules is known only when all of them are defined.
        let is_filled = match self.node(body) {
            Node::Rule(_) | Node::Seq(..) | Node::Alt(_) | Node::Repeat { .. } => {
                (self.nullability_is_known || self.rules.is_empty()) && !self.is_nullable(body)
            }
            _ => !self.is_nullable(body),
        };
        if is_filled { body } else { self.intern(Node::NonEmpty(body)) }
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

    /// A mark. It lies here, where the node stands.
    pub fn mark(&mut self, mark: Mark) -> NodeId {
        let mark = self.mark_id(mark);
        self.mark_back(mark, 0)
    }

    /// The number of a mark, for [`Trigger::marks`] and [`UntilSpec::marks_at_end`].
    pub fn mark_id(&mut self, mark: Mark) -> MarkId {
        let new = MarkId(self.marks.len() as u32);
        *self.mark_index.entry(mark).or_insert_with_key(|mark| {
            self.marks.push(mark.clone());
            new
        })
    }

    /// A mark that lies `back` bytes before this place. Free text up to a trigger uses it.
    pub(crate) fn mark_back(&mut self, mark: MarkId, back: u32) -> NodeId {
        self.intern(Node::Mark { mark, back })
    }

    /// `body` as a part of the output with this role: between two marks.
    pub fn part(&mut self, role: Role, body: NodeId) -> NodeId {
        let (begin, end) = (self.mark(Mark::Begin(role)), self.mark(Mark::End));
        self.sequence(&[begin, body, end])
    }

    /// True if marks count as text, so that no way leads around them.
    pub(crate) fn stops_at_marks(&self) -> bool {
        self.stops_at_marks
    }

    /// The marks, by their numbers.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// Exactly one token of a set. The set may have ordinary tokens, and other tokens with the same
    /// bytes do not match it. Text that is read as bytes, without tokens, never matches it.
    pub fn one_token(&mut self, tokens: TokenNames) -> NodeId {
        let known = self.token_sets.iter().find(|(_, other)| **other == tokens);
        if let Some((&id, _)) = known {
            return self.intern(Node::Special(id));
        }
        let id = SpecialId(self.specials.len() as u32);
        let verb = if tokens.all_but { "no token of" } else { "a token of" };
        self.specials.push(format!("{verb} {}", tokens.names.join(" ")).into());
        self.token_sets.insert(id, tokens);
        self.intern(Node::Special(id))
    }

    /// The sets of tokens of which the grammar reads one.
    pub fn token_sets(&self) -> impl ExactSizeIterator<Item = (SpecialId, &TokenNames)> {
        self.token_sets.iter().map(|(&id, tokens)| (id, tokens))
    }

    /// A text with names of special tokens in it, see [`Node::Spelled`].
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
    /// A trigger or a forbidden text is empty, or a trigger holds another trigger or a forbidden
    /// text, so that it could never be read whole.
    pub fn until(&mut self, spec: UntilSpec) -> Result<NodeId, UntilError> {
        Until::new(spec.patterns())?;
        Ok(self.until_node(spec))
    }

    /// A terminal or switch whose text is read by at most `most` tokens.
    pub fn metered(&mut self, body: NodeId, most: u32) -> NodeId {
        match self.node(body) {
            Node::Terminal(_) | Node::Switch { .. } if most != UNBOUNDED => {
                self.intern(Node::Metered { body, most })
            }
            _ => body,
        }
    }

    /// One of the markers of `spec`, without free text before it.
    pub fn at_once(&mut self, mut spec: UntilSpec) -> NodeId {
        spec.is_empty = true;
        self.until_node(spec)
    }

    pub(super) fn until_node(&mut self, mut spec: UntilSpec) -> NodeId {
        // A trigger that nothing can follow becomes a forbidden text.
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

    /// A node that the front end at work will build when it is first reached.
    pub fn lazy(&mut self, key: u64) -> NodeId {
        let key = self.lazy_key(key);
        self.intern(Node::Lazy(key))
    }

    /// A key of the front end at work.
    pub fn lazy_key(&self, key: u64) -> LazyKey {
        LazyKey { part: self.part, key }
    }

    /// Does `work` as the front end with the number `part`. The lazy nodes made meanwhile belong to
    /// that front end.
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
    /// The front ends, indexed by their numbers.
    pub parts: Vec<Option<Arc<dyn Expand>>>,
}

impl Grammar {
    /// The nodes, languages and rules.
    pub fn pool(&self) -> &NodePool {
        &self.inner.pool
    }

    /// The node that matching starts from.
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
