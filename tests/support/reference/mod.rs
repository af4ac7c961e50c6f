//! The reference engine: slow and obvious, written from the meaning of grammars and not from the
//! engine's design.
//!
//! A [`Grammar`] here is a list of plain nodes over plain [`Language`]s. [`Grammar::build`] builds
//! the same grammar with the library. [`Chart`] recognises it directly, as it was written, before
//! any normalisation. A difference between the two is a bug in one of them.

#![allow(dead_code)] // Every test binary uses another part.

pub mod budget;
pub mod chart;
pub mod generate;
pub mod judge;
pub mod language;
pub mod written;

pub use chart::{Chart, Position};
pub use language::Language;

use hedgerow::automata::{Escapes, LangId};
use hedgerow::grammar::{
    ArraySpec, Choice, Counter, Expand, GrammarBuilder, GrammarError, KeyOrder, NodeId, NodePool, ObjectSpec,
    Property, Punctuation, RestKeys, RuleId,
};
use std::sync::Arc;

/// A node. Its numbers are indices into the [`Grammar`]'s lists.
#[derive(Clone, Debug)]
pub enum Node {
    Never,
    Empty,
    /// A language.
    Terminal(usize),
    /// One of the literals (each a language of one word), then the node of its case.
    Switch {
        literals: Vec<String>,
        escapes: Option<Escapes>,
        cases: Vec<(usize, usize)>,
    },
    Seq(Vec<usize>),
    Alt(Vec<usize>),
    Repeat {
        body: usize,
        min: u32,
        max: u32,
    },
    NonEmpty(usize),
    Rule(usize),
    Special(String),
    Object(Object),
    Array(Array),
    /// One of the nodes that are expanded on demand.
    Lazy(usize),
}

/// An object, as in [`ObjectSpec`]. A value is a node with a set of counters that it counts for.
#[derive(Clone, Debug)]
pub struct Object {
    pub open: usize,
    pub close: usize,
    pub comma: usize,
    pub colon: usize,
    pub before_key: usize,
    pub key_escapes: Escapes,
    pub rest_escapes: Escapes,
    pub declared: Vec<Declared>,
    pub rest: Vec<Rest>,
    pub any_order: bool,
    pub unique_rest: bool,
    pub min: u32,
    pub max: u32,
    /// The minimum and maximum of each counter.
    pub counters: Vec<(u32, u32)>,
}

#[derive(Clone, Debug)]
pub struct Declared {
    pub key: String,
    /// The language of the key's spellings.
    pub spelling: usize,
    pub required: bool,
    pub requires: Vec<usize>,
    pub values: Vec<(usize, u32)>,
}

#[derive(Clone, Debug)]
pub struct Rest {
    pub keys: Language,
    /// The language of the keys' spellings.
    pub spelling: usize,
    pub capacity: Option<u32>,
    pub values: Vec<(usize, u32)>,
}

/// An array, as in [`ArraySpec`].
#[derive(Clone, Debug)]
pub struct Array {
    pub open: usize,
    pub close: usize,
    pub comma: usize,
    pub prefix: Vec<Vec<(usize, u32)>>,
    pub rest: Vec<(usize, u32)>,
    pub min: u32,
    pub max: u32,
    pub counters: Vec<(u32, u32)>,
}

/// A grammar as its author describes it.
#[derive(Clone, Default)]
pub struct Grammar {
    pub languages: Vec<Language>,
    pub nodes: Vec<Node>,
    /// The body of each rule.
    pub rules: Vec<usize>,
    /// The node that each lazy key expands to, which refers to no rules.
    pub lazies: Vec<usize>,
    pub root: usize,
}

impl std::fmt::Debug for Grammar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, language) in self.languages.iter().enumerate() {
            writeln!(f, "  language {i} = {language:?}")?;
        }
        for (i, node) in self.nodes.iter().enumerate() {
            writeln!(f, "  node {i} = {node:?}")?;
        }
        writeln!(f, "  rules {:?}, lazies {:?}, root {}", self.rules, self.lazies, self.root)
    }
}

impl Grammar {
    /// Adds `node` and returns its index.
    pub fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// The index of `language`, which is added if it is new.
    pub fn language(&mut self, language: Language) -> usize {
        match self.languages.iter().position(|l| *l == language) {
            Some(at) => at,
            None => {
                self.languages.push(language);
                self.languages.len() - 1
            }
        }
    }

    /// A node that matches exactly these bytes.
    pub fn literal(&mut self, bytes: &[u8]) -> usize {
        let language = self.language(Language::word(bytes));
        self.add(Node::Terminal(language))
    }

    /// The same grammar, built with the library.
    pub fn build(&self) -> Result<hedgerow::grammar::Grammar, GrammarError> {
        let mut builder = GrammarBuilder::new();
        let rules: Vec<RuleId> = (0..self.rules.len()).map(|r| builder.declare(&format!("r{r}"))).collect();
        let rule_nodes: Vec<NodeId> = rules.iter().map(|&r| builder.rule_node(r)).collect();
        for (rule, &node) in rules.iter().zip(&self.rules) {
            let body = self.build_node(node, &mut builder.nodes, &rule_nodes);
            builder.define(*rule, body)?;
        }
        let root = self.build_node(self.root, &mut builder.nodes, &rule_nodes);
        let expand: Arc<dyn Expand> = Arc::new(self.clone());
        builder.build(root, Some(expand))
    }

    fn build_node(&self, node: usize, pool: &mut NodePool, rules: &[NodeId]) -> NodeId {
        let language =
            |at: usize, pool: &mut NodePool| -> LangId { self.languages[at].build(&mut pool.languages) };
        match &self.nodes[node] {
            Node::Never => NodeId::NEVER,
            Node::Empty => NodeId::EMPTY,
            Node::Terminal(at) => {
                let language = language(*at, pool);
                pool.terminal(language)
            }
            Node::Switch { literals, escapes, cases } => {
                let targets: Vec<NodeId> = cases.iter().map(|c| self.build_node(c.1, pool, rules)).collect();
                let labelled = literals.iter().enumerate();
                let language = match escapes {
                    None => pool.languages.literals(labelled.map(|(i, l)| (l.as_bytes().to_vec(), i as u32))),
                    Some(escapes) => {
                        pool.languages.json_literals(labelled.map(|(i, l)| (l.as_str(), i as u32)), *escapes)
                    }
                };
                pool.switch(language, &targets)
            }
            Node::Seq(parts) => {
                let parts: Vec<NodeId> = parts.iter().map(|&p| self.build_node(p, pool, rules)).collect();
                pool.sequence(&parts)
            }
            Node::Alt(parts) => {
                let parts: Vec<NodeId> = parts.iter().map(|&p| self.build_node(p, pool, rules)).collect();
                pool.alt(&parts)
            }
            Node::Repeat { body, min, max } => {
                let body = self.build_node(*body, pool, rules);
                pool.repeat(body, *min, *max)
            }
            Node::NonEmpty(body) => {
                let body = self.build_node(*body, pool, rules);
                pool.non_empty(body)
            }
            Node::Rule(rule) => rules[*rule],
            Node::Special(name) => pool.special(name),
            Node::Lazy(key) => pool.lazy(*key as u64),
            Node::Object(spec) => self.build_object(spec, pool, rules),
            Node::Array(spec) => self.build_array(spec, pool, rules),
        }
    }

    fn choices(&self, values: &[(usize, u32)], pool: &mut NodePool, rules: &[NodeId]) -> Box<[Choice]> {
        let choice = |&(value, counts): &(usize, u32)| Choice {
            counts,
            ..Choice::plain(self.build_node(value, pool, rules))
        };
        values.iter().map(choice).collect()
    }

    fn build_object(&self, spec: &Object, pool: &mut NodePool, rules: &[NodeId]) -> NodeId {
        let language =
            |at: usize, pool: &mut NodePool| -> LangId { self.languages[at].build(&mut pool.languages) };
        let declared = spec.declared.iter().map(|p| Property {
            key: p.key.clone(),
            required: p.required,
            requires: p.requires.iter().map(|&r| r as u32).collect(),
            values: self.choices(&p.values, pool, rules),
        });
        let declared = declared.collect();
        let rest = spec.rest.iter().map(|r| RestKeys {
            keys: r.keys.build(&mut pool.languages),
            capacity: r.capacity,
            values: self.choices(&r.values, pool, rules),
        });
        let rest = rest.collect();
        let spec = ObjectSpec {
            punctuation: Punctuation::text([spec.open, spec.close, spec.comma].map(|at| language(at, pool))),
            colon: language(spec.colon, pool),
            before_key: language(spec.before_key, pool),
            key_escapes: spec.key_escapes,
            rest_escapes: spec.rest_escapes,
            bare_keys: false,
            declared,
            rest,
            order: if spec.any_order { KeyOrder::Any } else { KeyOrder::Declared },
            unique_rest: spec.unique_rest,
            min: spec.min,
            max: spec.max,
            counters: counters(&spec.counters),
            must_go_on: false,
        };
        pool.object(spec)
    }

    fn build_array(&self, spec: &Array, pool: &mut NodePool, rules: &[NodeId]) -> NodeId {
        let language =
            |at: usize, pool: &mut NodePool| -> LangId { self.languages[at].build(&mut pool.languages) };
        let spec = ArraySpec {
            punctuation: Punctuation::text([spec.open, spec.close, spec.comma].map(|at| language(at, pool))),
            prefix: spec.prefix.iter().map(|p| self.choices(p, pool, rules)).collect(),
            rest: self.choices(&spec.rest, pool, rules),
            min: spec.min,
            max: spec.max,
            counters: counters(&spec.counters),
            distinct: None,
        };
        pool.array(spec)
    }
}

fn counters(counters: &[(u32, u32)]) -> Vec<Counter> {
    counters.iter().map(|&(min, max)| Counter { min, max }).collect()
}

impl Expand for Grammar {
    fn expand(&self, key: u64, nodes: &mut NodePool) -> Result<NodeId, GrammarError> {
        Ok(self.build_node(self.lazies[key as usize], nodes, &[]))
    }
}
