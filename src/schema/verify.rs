//! Expansion ahead: errors in the parts of a schema that an output may reach are found at compile
//! time.
//!
//! The grammar's values are expanded when the output gets there. An error must not wait for that,
//! so the parts that may fail are expanded when the schema is compiled. Schemas whose keywords only
//! assert something by themselves never fail and are skipped. The cost therefore grows with the
//! number of combinations in a schema, and not with its size.

use super::algebra::Term;
use super::argument_keys::KeyId;
use super::document::Keyword;
use super::emit::{self, LeadingSpace};
use super::eval::Eval;
use super::json::Value;
use super::term::{EvalError, ScopeId, TermId};
use crate::grammar::NodeId;
use hashbrown::HashSet;

/// The most terms that are expanded ahead.
const MAX_EXPANDED: usize = 4096;
/// The most fuel that may be spent on this, in multiples of the option `fuel`.
const MAX_TANKS: u64 = 4;

impl Eval<'_> {
    /// Expands the terms to which the root's node leads and that may fail.
    pub fn verify(&mut self, root: NodeId) -> Result<(), EvalError> {
        let mut seen: HashSet<(TermId, KeyId)> = HashSet::new();
        let mut open: Vec<(TermId, KeyId)> = Vec::new();
        self.add_lazy(root, &mut open);
        // Any object or array in arguments may hold a key or items that the style cannot write.
        let nests = self.algebra.options.arguments.as_ref().is_some_and(|style| style.nests());
        let (_, space) = self.inner_spaces();
        let (mut expanded, mut spent) = (0, 0);
        while let Some((term, key)) = open.pop() {
            let leading = if nests { LeadingSpace::Argument(key) } else { space };
            if self.algebra.is_scalar(term) || self.algebra.is_single(term) || !seen.insert((term, key)) {
                continue;
            }
            if let Term::Schema(schema, scope) = *self.algebra.term(term)
                && !nests
                && self.add_simple(schema, scope, &mut open)
            {
                continue;
            }
            if expanded >= MAX_EXPANDED || spent > MAX_TANKS * self.algebra.options.fuel {
                return Ok(());
            }
            self.algebra.begin(term);
            let node = self.deeply(|eval| eval.emit(term, 1, leading))?;
            expanded += 1;
            spent += self.algebra.spent();
            self.add_lazy(node, &mut open);
        }
        Ok(())
    }

    /// Adds the terms of a node's lazy parts to `open`.
    ///
    /// The remaining objects after a member are left out, since they are never larger than the
    /// object.
    fn add_lazy(&self, node: NodeId, open: &mut Vec<(TermId, KeyId)>) {
        let mut nodes = vec![node];
        while let Some(node) = nodes.pop() {
            match self.nodes.node(node) {
                crate::grammar::Node::Lazy(key) => match emit::parts(key.key) {
                    (_, _, LeadingSpace::Members | LeadingSpace::ArgumentMembers(_)) => {}
                    (term, _, LeadingSpace::Argument(key)) => open.push((term, key)),
                    (term, _, _) => open.push((term, KeyId::NONE)),
                },
                other => other.children(|child| nodes.push(child)),
            }
        }
    }

    /// Adds the schemas inside a schema that is always expanded without effort; false for other
    /// schemas.
    fn add_simple(&mut self, schema: Value, scope: ScopeId, open: &mut Vec<(TermId, KeyId)>) -> bool {
        let doc = self.algebra.doc.clone();
        let mut inside: Vec<Value> = Vec::new();
        for keyword in doc.keywords(schema) {
            match *keyword {
                Keyword::Properties(map) => inside.extend(doc.json.members(map).map(|(_, value)| value)),
                Keyword::PatternProperties(map) if doc.json.member_count(map) == 1 => {
                    inside.extend(doc.json.members(map).map(|(_, value)| value));
                }
                Keyword::PrefixItems(list) => inside.extend_from_slice(doc.json.items(list)),
                Keyword::Items(value) | Keyword::AdditionalProperties(value) => inside.push(value),
                Keyword::Enum(_)
                | Keyword::Const(_)
                | Keyword::Never
                | Keyword::Types(_)
                | Keyword::MinLength(_)
                | Keyword::MaxLength(_)
                | Keyword::MinItems(_)
                | Keyword::MaxItems(_)
                | Keyword::MinProperties(_)
                | Keyword::MaxProperties(_)
                | Keyword::Pattern(_)
                | Keyword::Format(_)
                | Keyword::Required(_) => {}
                Keyword::Lower { value, .. } | Keyword::Upper { value, .. }
                    if doc.json.as_number(value).is_some_and(is_short) => {}
                _ => return false,
            }
        }
        // A key that is declared may also match a pattern, and then the two schemas are combined.
        if doc
            .keywords(schema)
            .iter()
            .filter(|k| matches!(k, Keyword::Properties(_) | Keyword::PatternProperties(_)))
            .count()
            > 1
        {
            return false;
        }
        for value in inside {
            open.push((self.algebra.schema(value, scope), KeyId::NONE));
        }
        true
    }
}

/// Reports whether a bound has so few digits that its language can certainly be made.
fn is_short(number: &str) -> bool {
    number.len() <= 32 && !number.contains(['e', 'E'])
}
