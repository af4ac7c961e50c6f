//! Translation of shapes into grammar nodes.
//!
//! The scalars of a shape become one regular language. Arrays and objects become the grammar's
//! primitives, and their values become lazy nodes. The key of a lazy node names a term, which is
//! evaluated when the output first gets there. Whitespace belongs to the front of the terminal that
//! follows it, so no node is nullable.

use super::argument_keys::KeyId;
use super::caps::{DEPTH, UNCAPPED};
use super::eval::Eval;
use super::number;
use super::options::Whitespace;
use super::shape::{ArrayShape, Declared, ObjectShape, Shape};
use super::standard::{MAX_SPACE, json_space};
use super::term::{EvalError, TermId};
use super::text::{Text, TextId};
use crate::automata::{Escapes, LangId, UNBOUNDED, UNLABELLED};
use crate::grammar::{
    ArrayProgress, ArraySpec, Choice, Counter, Delimiter, NodeId, ObjectSpec, Property, Punctuation, RestKeys,
};

/// The last position at which a counter of items may start.
const MAX_LATE: usize = 4096;

/// The text before a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LeadingSpace {
    /// No text.
    None,
    /// The whitespace that the policy allows between tokens.
    Space,
    /// A line break and the indentation of the value's depth.
    Line,
    /// The earlier members of the object; the term is what remains of that object.
    Members,
    /// The key of an argument.
    Argument(KeyId),
    /// The earlier arguments; the term is what remains of the object with this key.
    ArgumentMembers(KeyId),
}

/// The key of a lazy node: its term, depth and leading space. The depth of an argument makes no
/// difference, so its key takes that place.
pub(super) fn key(term: TermId, depth: u32, leading: LeadingSpace) -> u64 {
    let (number, place) = match leading {
        LeadingSpace::None => (0, depth),
        LeadingSpace::Space => (1, depth),
        LeadingSpace::Line => (2, depth),
        LeadingSpace::Members => (3, depth),
        LeadingSpace::Argument(key) => (4, key.0),
        LeadingSpace::ArgumentMembers(key) => (5, key.0),
    };
    u64::from(term.0) | u64::from(place) << 32 | number << 60
}

/// The term, depth and leading space in a lazy node's key.
pub(super) fn parts(key: u64) -> (TermId, u32, LeadingSpace) {
    let place = (key >> 32) as u32 & 0x0fff_ffff;
    let leading = match key >> 60 {
        0 => LeadingSpace::None,
        1 => LeadingSpace::Space,
        2 => LeadingSpace::Line,
        3 => LeadingSpace::Members,
        4 => LeadingSpace::Argument(KeyId(place)),
        _ => LeadingSpace::ArgumentMembers(KeyId(place)),
    };
    (TermId(key as u32), place, leading)
}

impl Eval<'_> {
    pub fn is_pretty(&self) -> Option<u8> {
        match self.algebra.options.whitespace {
            Whitespace::Pretty(width) => Some(width),
            _ => None,
        }
    }

    /// The node of a whole text, with the whitespace that the options allow around it.
    pub fn surrounded(&mut self, root: NodeId) -> NodeId {
        if !self.algebra.options.surrounding_whitespace || root == NodeId::NEVER {
            return root;
        }
        let space = json_space(self.pool(), MAX_SPACE);
        let space = self.nodes.terminal(space);
        self.nodes.sequence(&[space, root, space])
    }

    fn line(&mut self, depth: u32) -> LangId {
        let width = self.is_pretty().unwrap_or(0).min(16);
        let mut text = vec![b'\n'];
        text.resize(1 + (depth & DEPTH) as usize * usize::from(width), b' ');
        self.pool().bytes(&text)
    }

    fn leading_space(&mut self, leading: LeadingSpace, depth: u32) -> LangId {
        match leading {
            LeadingSpace::None
            | LeadingSpace::Members
            | LeadingSpace::Argument(_)
            | LeadingSpace::ArgumentMembers(_) => LangId::EMPTY,
            LeadingSpace::Space => self.algebra.standard.space,
            LeadingSpace::Line => self.line(depth),
        }
    }

    /// The leading space of a member's value, and that of an array's item. A member of arguments
    /// may have one of its own: [`member_leading`](Self::member_leading).
    pub fn inner_spaces(&mut self) -> (LeadingSpace, LeadingSpace) {
        if let Some(style) = self.arguments() {
            let item = style.elements.as_ref().map(|elements| elements.item_key.clone());
            let item = item.map_or(KeyId::NONE, |key| self.algebra.keys.id(&key));
            return (LeadingSpace::Argument(KeyId::NONE), LeadingSpace::Argument(item));
        }
        match self.algebra.options.whitespace {
            Whitespace::Flexible | Whitespace::AtMost(_) | Whitespace::Unlimited | Whitespace::Pattern(_) => {
                (LeadingSpace::Space, LeadingSpace::Space)
            }
            Whitespace::Compact | Whitespace::Exact { .. } => (LeadingSpace::None, LeadingSpace::None),
            Whitespace::Pretty(_) => (LeadingSpace::None, LeadingSpace::Line),
        }
    }

    /// The grammar node of a term.
    pub fn emit(&mut self, id: TermId, depth: u32, leading: LeadingSpace) -> Result<NodeId, EvalError> {
        match leading {
            LeadingSpace::Argument(key) => return self.emit_argument(id, key),
            LeadingSpace::ArgumentMembers(key) => return self.emit_arguments(id, Some(key)),
            _ => {}
        }
        if leading == LeadingSpace::Members
            && let [object] = self.shape(id)?.objects.as_slice()
        {
            return self.emit_members(object, depth);
        }
        let shape = self.values(id)?;
        self.emit_shape(&shape, depth, leading)
    }

    /// The grammar node of a shape.
    pub fn emit_shape(
        &mut self,
        shape: &Shape,
        depth: u32,
        leading: LeadingSpace,
    ) -> Result<NodeId, EvalError> {
        let mut alternatives = Vec::with_capacity(2);
        if leading == LeadingSpace::Space
            && !self.caps_scalars(depth)
            && shape.null
            && shape.booleans == 3
            && shape.strings == TextId::ANY
            && shape.numbers == number::NumberSet::any()
        {
            let any = self.algebra.standard.any_scalar;
            alternatives.push(self.nodes.terminal(any));
        } else {
            let scalars = self.scalars(shape, depth)?;
            if scalars != LangId::NEVER {
                let space = self.leading_space(leading, depth);
                let spaced = self.pool().concat(space, scalars);
                alternatives.push(self.nodes.terminal(spaced));
            }
        }
        for array in &shape.arrays {
            for part in self.divide_array(array)? {
                alternatives.push(self.emit_array(&part, depth, leading)?);
            }
        }
        for object in &shape.objects {
            if object.clauses.is_empty() {
                for part in self.divide_object(object)? {
                    alternatives.push(self.emit_object(&part, depth, leading)?);
                }
            } else {
                alternatives.push(self.emit_conditional(object, depth, leading)?);
            }
        }
        Ok(self.nodes.alt(&alternatives))
    }

    pub fn scalars(&mut self, shape: &Shape, depth: u32) -> Result<LangId, EvalError> {
        let policy = self.algebra.options.numbers;
        let capped = self.caps_scalars(depth);
        let escapes = self.algebra.options.escapes;
        let standard = self.algebra.standard;
        let [null, no, yes] = self.algebra.options.words().all();
        let mut words: Vec<(Vec<u8>, u32)> = Vec::new();
        if shape.null {
            words.push((null.to_vec(), UNLABELLED));
        }
        for (bit, word) in [(1, no), (2, yes)] {
            if shape.booleans & bit != 0 {
                words.push((word.to_vec(), UNLABELLED));
            }
        }
        let mut alternatives: Vec<LangId> = Vec::with_capacity(3);
        if shape.numbers == number::NumberSet::any() && !capped {
            alternatives.push(standard.number);
        } else if policy == super::options::Numbers::Canonical && shape.numbers.is_integers() && !capped {
            alternatives.push(standard.integer);
        } else if !shape.numbers.is_empty() {
            let numbers = self.spelt_numbers(&shape.numbers, depth);
            alternatives.push(numbers.ok_or(EvalError::Unsupported {
                at: None,
                keyword: "minimum",
                reason: "a bound has more than 400 digits".into(),
            })?);
        }
        match self.algebra.texts.get(shape.strings).clone() {
            Text::Never => {}
            Text::Any if !capped => alternatives.push(standard.string),
            Text::Literals(texts) if escapes.literal() == Escapes::Minimal => {
                words.extend(texts.iter().map(|t| (quoted(t), UNLABELLED)));
            }
            Text::Literals(_) => alternatives.push(self.spelt(shape.strings, escapes.literal(), depth)),
            Text::Or(parts) => {
                for &part in parts.iter() {
                    let literal = matches!(self.algebra.texts.get(part), Text::Literals(_));
                    let escapes = if literal { escapes.literal() } else { escapes.free() };
                    alternatives.push(self.spelt(part, escapes, depth));
                }
            }
            _ => alternatives.push(self.spelt(shape.strings, escapes.free(), depth)),
        }
        if !words.is_empty() {
            alternatives.push(self.pool().literals(words));
        }
        Ok(self.pool().union(&alternatives))
    }

    /// The choices for one place: `value`, divided by the counters that may count it. For example,
    /// a counter of `null` divides `{"type": ["null", "string"]}` into null, which it counts, and
    /// the strings, which it does not count.
    ///
    /// A counter is a triple: its number, the values that it counts, and whether it has a maximum.
    /// With a maximum, the choices must not overlap.
    fn choices(
        &mut self,
        value: TermId,
        counters: &[(usize, TermId, bool)],
        depth: u32,
        leading: LeadingSpace,
    ) -> Result<Vec<Choice>, EvalError> {
        let mut divided = vec![(value, 0u32)];
        for &(number, counted, limited) in counters {
            let mut next = Vec::with_capacity(divided.len() * 2);
            for (value, counts) in divided {
                self.algebra.spend(1)?;
                self.charge()?;
                let inside = self.algebra.and2(value, counted);
                if inside != TermId::NEVER && !self.is_evidently_never(inside)? {
                    next.push((inside, counts | 1 << number));
                }
                if counted != TermId::ANY {
                    // Scalars are cheap to tell apart, and then each item can be read in one way
                    // only.
                    let outside = if limited || self.algebra.is_scalar(counted) {
                        let not = self.algebra.not(counted);
                        self.algebra.and2(value, not)
                    } else {
                        value
                    };
                    next.push((outside, counts));
                }
            }
            divided = next;
        }
        // Without indentation, a value is spelt alike at every depth, so one node serves all
        // depths.
        let indents = matches!(self.algebra.options.whitespace, Whitespace::Pretty(_));
        let depth = if indents { depth } else { depth & UNCAPPED };
        let mut choices = Vec::with_capacity(divided.len());
        for (value, counts) in divided {
            if self.is_inhabited(value)? {
                self.check_argument(value, leading)?;
                let value = self.nodes.lazy(key(value, depth, leading));
                choices.push(Choice { counts, ..Choice::plain(value) });
            }
        }
        Ok(choices)
    }

    fn check_counters(count: usize) -> Result<(), EvalError> {
        if count > 32 {
            return Err(EvalError::Unsupported {
                at: None,
                keyword: "contains",
                reason: "more than 32 conditions about some item or property hold at once".into(),
            });
        }
        Ok(())
    }

    /// The grammar's description of an array that has no list of arrays to differ from.
    pub fn array_spec(&mut self, array: &ArrayShape, depth: u32) -> Result<ArraySpec, EvalError> {
        if array.repeated {
            return Err(EvalError::Unsupported {
                at: None,
                keyword: "uniqueItems",
                reason: "its negation (some two items are equal) is not regular".into(),
            });
        }
        Self::check_counters(array.some.len())?;
        let (_, leading) = self.inner_spaces();
        // A counter that starts at a later position needs a prefix entry for each position before
        // it.
        let late = array.some.iter().map(|s| s.from).max().unwrap_or(0) as usize;
        if late > MAX_LATE {
            return Err(EvalError::Unsupported {
                at: None,
                keyword: "items",
                reason: format!("a condition about some item begins at position {late}, after {MAX_LATE}")
                    .into(),
            });
        }
        let mut prefix = Vec::with_capacity(array.prefix.len().max(late));
        for position in 0..array.prefix.len().max(late) {
            prefix.push(self.item_choices(array, position, None, depth, leading)?.into_boxed_slice());
        }
        let rest = self.item_choices(array, usize::MAX, None, depth, leading)?.into_boxed_slice();
        let standard = self.algebra.standard;
        let close = if self.is_pretty().is_some() {
            let line = self.line(depth);
            let bracket = self.pool().bytes(b"]");
            self.pool().concat(line, bracket)
        } else {
            standard.close_array
        };
        let mut spec = ArraySpec {
            punctuation: Punctuation::text([standard.open_array[0], close, standard.comma]),
            prefix,
            rest,
            min: array.min,
            max: array.max,
            counters: array.some.iter().map(|s| Counter { min: s.min, max: s.max }).collect(),
            distinct: None,
        };
        if array.unique && array.max > 1 {
            if let (true, Some(count)) = (array.prefix.is_empty(), self.count_values(array.rest, 256)?) {
                spec.max = spec.max.min(count);
            }
            let key = self.algebra.distinct_key(array, depth);
            spec.distinct = Some(self.nodes.lazy_key(key));
        }
        self.cap_items(array, &mut spec, depth)?;
        Ok(spec)
    }

    /// The choices for the item at a position, without the values of `taken`.
    pub fn item_choices(
        &mut self,
        array: &ArrayShape,
        position: usize,
        taken: Option<TermId>,
        depth: u32,
        leading: LeadingSpace,
    ) -> Result<Vec<Choice>, EvalError> {
        let counters: Vec<(usize, TermId, bool)> = array
            .some
            .iter()
            .enumerate()
            .filter(|(_, s)| position >= s.from as usize)
            .map(|(i, s)| (i, s.value, s.max != UNBOUNDED))
            .collect();
        let mut value = array.item(position);
        if let Some(taken) = taken {
            let free = self.algebra.not(taken);
            value = self.algebra.and2(value, free);
        }
        let distinct = if array.unique { UNCAPPED } else { 0 };
        self.choices(value, &counters, (depth + 1) | distinct, leading)
    }

    fn emit_array(
        &mut self,
        array: &ArrayShape,
        depth: u32,
        leading: LeadingSpace,
    ) -> Result<NodeId, EvalError> {
        if array.unique && !self.array_is_inhabited(array)? {
            return Ok(NodeId::NEVER);
        }
        let mut spec = self.array_spec(array, depth)?;
        let opened = self.opened(b"[", self.algebra.standard.open_array, depth, leading);
        spec.punctuation.open = Delimiter::Text(opened);
        let empty_argument = self.punctuate_array(&mut spec)?;
        let Some(start) = spec.start() else { return Ok(NodeId::NEVER) };
        if empty_argument.is_none() && (self.is_pretty().is_none() || self.arguments().is_some()) {
            return Ok(self.nodes.array(spec));
        }
        let may_close = spec.may_close(&start);
        let empty = may_close.then(|| empty_argument.unwrap_or_else(|| self.empty(opened, b"]")));
        spec.min = spec.min.max(1);
        let full = self.nodes.array(spec);
        Ok(self.nodes.alt(&[empty.unwrap_or(NodeId::NEVER), full]))
    }

    fn opened(&mut self, bracket: &[u8], standard: [LangId; 2], depth: u32, leading: LeadingSpace) -> LangId {
        match leading {
            LeadingSpace::None
            | LeadingSpace::Members
            | LeadingSpace::Argument(_)
            | LeadingSpace::ArgumentMembers(_) => standard[0],
            LeadingSpace::Space => standard[1],
            LeadingSpace::Line => {
                let (line, bracket) = (self.line(depth), self.pool().bytes(bracket));
                self.pool().concat(line, bracket)
            }
        }
    }

    fn empty(&mut self, opened: LangId, close: &[u8]) -> NodeId {
        let close = self.pool().bytes(close);
        let both = self.pool().concat(opened, close);
        self.nodes.terminal(both)
    }

    /// The grammar's description of an object. All objects that it must differ from have its size.
    pub fn object_spec(&mut self, object: &ObjectShape, depth: u32) -> Result<ObjectSpec, EvalError> {
        Self::check_counters(object.some.len() + object.differs.len())?;
        let mut declared: Vec<Declared> = object.declared.clone();
        let required = object.requires.iter().flat_map(|(a, b)| [a, b]);
        let told_apart = object.differs.iter().flat_map(|pairs| pairs.iter().map(|pair| &pair.0));
        for key in required.chain(told_apart) {
            if !declared.iter().any(|d| d.key == *key) {
                let value = self.rest_value(object, key);
                declared.push(Declared { key: key.clone(), value, required: false, listed: false });
            }
        }
        let mut properties = Vec::with_capacity(declared.len());
        for d in &declared {
            let mut counters = self.counters_of(object, |eval, keys| eval.has_text(keys, &d.key));
            for (i, pairs) in object.differs.iter().enumerate() {
                let agrees = ObjectShape::value_in(pairs, &d.key);
                counters.extend(agrees.map(|value| (object.some.len() + i, value, true)));
            }
            self.check_bare_key(&d.key)?;
            let leading = self.member_leading(Some(&d.key));
            let values = self.choices(d.value, &counters, depth + 1, leading)?;
            let mut requires: Vec<u32> = Vec::new();
            for (_, then) in object.requires.iter().filter(|r| r.0 == d.key) {
                requires.extend(declared.iter().position(|o| o.key == *then).map(|i| i as u32));
            }
            properties.push(Property {
                key: d.key.as_ref().to_owned(),
                required: d.required,
                requires: requires.into(),
                values: values.into(),
            });
        }
        // The undeclared keys, in classes of which each counter counts all keys or none.
        let mut classes: Vec<(TextId, TermId)> = object.rest.clone();
        for some in object.some.iter().filter(|s| s.keys != TextId::ANY) {
            let others = self.algebra.texts.not(some.keys);
            let mut split = Vec::with_capacity(classes.len() + 1);
            for (keys, value) in classes {
                for part in [some.keys, others] {
                    self.algebra.spend(1)?;
                    let part = self.and_text(keys, part);
                    if part != TextId::NEVER {
                        split.push((part, value));
                    }
                }
            }
            classes = split;
        }
        let names = self.other_than(declared.iter().map(|d| &*d.key));
        let mut rest = Vec::with_capacity(classes.len());
        let leading = self.member_leading(None);
        for (keys, value) in classes {
            let counters = self.counters_of(object, |eval, counted| {
                counted == TextId::ANY || eval.and_text(keys, counted) == keys
            });
            let values = self.choices(value, &counters, depth + 1, leading)?;
            if values.is_empty() {
                continue;
            }
            let Some(language) = self.rest_language(keys, names) else { continue };
            let capacity = self.number_of_keys(keys, language);
            rest.push(RestKeys { keys: language, capacity, values: values.into() });
        }
        let some = object.some.iter().map(|s| Counter { min: s.min, max: s.max });
        let agreeing = object.differs.iter().map(|pairs| Counter { min: 0, max: pairs.len() as u32 - 1 });
        let counters = some.chain(agreeing).collect();
        let order = self.algebra.options.key_order;
        let (min, max) = (object.min, object.max);
        Ok(ObjectSpec { declared: properties, rest, order, min, max, counters, ..self.punctuated(depth) })
    }

    /// A description of an object without keys, with the punctuation that the policies ask for.
    pub fn punctuated(&mut self, depth: u32) -> ObjectSpec {
        if let Some(style) = self.arguments() {
            return self.argument_spec(&style);
        }
        let standard = self.algebra.standard;
        let (close, before_key) = if self.is_pretty().is_some() {
            let (line, brace) = (self.line(depth), self.pool().bytes(b"}"));
            (self.pool().concat(line, brace), self.line(depth + 1))
        } else {
            (standard.close_object, standard.before_key)
        };
        let punctuation = Punctuation::text([standard.open_object[0], close, standard.comma]);
        let escapes = self.algebra.options.escapes;
        ObjectSpec {
            before_key,
            key_escapes: escapes.literal(),
            rest_escapes: escapes.free(),
            unique_rest: self.algebra.options.unique_keys == super::options::UniqueKeys::Enforced,
            ..ObjectSpec::new(punctuation, standard.colon)
        }
    }

    /// The language of keys that are none of `names`; `None` if there are no names.
    pub fn other_than<'k>(&mut self, names: impl Iterator<Item = &'k str>) -> Option<LangId> {
        let names: Vec<(Vec<u8>, u32)> = names.map(|key| (key.as_bytes().to_vec(), UNLABELLED)).collect();
        (!names.is_empty()).then(|| {
            let names = self.pool().literals(names);
            self.pool().not(names)
        })
    }

    /// The language of the undeclared keys of a class; `None` if there are none.
    pub fn rest_language(&mut self, keys: TextId, names: Option<LangId>) -> Option<LangId> {
        let mut language = self.algebra.texts.language(keys, &mut self.nodes.languages);
        let text = self.pool().any_text();
        language = self.pool().inter(&[language, text]);
        if let Some(names) = names {
            language = self.pool().inter(&[language, names]);
        }
        if let Some(kept) = self.algebra.standard.kept {
            let rest = self.pool().inter(&[language, kept]);
            language = if self.pool().is_never(rest) { language } else { rest };
        }
        if keys != TextId::ANY && self.arguments().is_none() {
            let escapes = self.algebra.options.escapes.free();
            language = self.pool().spellable(language, escapes);
        }
        language = self.bare_keys(language);
        (keys == TextId::ANY || !self.pool().is_never(language)).then_some(language)
    }

    /// The number of keys in the language of the class `keys`; `None` if there are infinitely many,
    /// or more than can be counted.
    pub fn number_of_keys(&mut self, keys: TextId, language: LangId) -> Option<u32> {
        if keys == TextId::ANY {
            return None;
        }
        let count = super::text::count_words(self.pool(), language, u32::MAX as usize);
        count.exactly().and_then(|count| u32::try_from(count).ok())
    }

    fn counters_of(
        &mut self,
        object: &ObjectShape,
        mut counts: impl FnMut(&mut Self, TextId) -> bool,
    ) -> Vec<(usize, TermId, bool)> {
        let mut counters = Vec::new();
        for (i, s) in object.some.iter().enumerate() {
            if counts(self, s.keys) {
                counters.push((i, s.value, s.max != UNBOUNDED));
            }
        }
        counters
    }

    pub fn emit_object(
        &mut self,
        object: &ObjectShape,
        depth: u32,
        leading: LeadingSpace,
    ) -> Result<NodeId, EvalError> {
        let spec = self.object_spec(object, depth)?;
        self.open_object(spec, depth, leading)
    }

    /// The node of an object from its opening brace on.
    pub fn open_object(
        &mut self,
        mut spec: ObjectSpec,
        depth: u32,
        leading: LeadingSpace,
    ) -> Result<NodeId, EvalError> {
        if let Some(style) = self.arguments() {
            return Ok(self.open_arguments(spec, &style));
        }
        let opened = self.opened(b"{", self.algebra.standard.open_object, depth, leading);
        spec.punctuation.open = Delimiter::Text(opened);
        if self.is_pretty().is_none() {
            return Ok(self.nodes.object(spec));
        }
        let Some(start) = spec.start() else { return Ok(NodeId::NEVER) };
        let empty = spec.may_close(&start).then(|| self.empty(opened, b"}"));
        spec.min = spec.min.max(1);
        let full = self.nodes.object(spec);
        Ok(self.nodes.alt(&[empty.unwrap_or(NodeId::NEVER), full]))
    }
}

/// The JSON spelling with only the escapes that JSON requires.
fn quoted(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    out.push(b'"');
    for c in text.bytes() {
        match c {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', c]),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1f => out.extend_from_slice(format!("\\u{c:04x}").as_bytes()),
            _ => out.push(c),
        }
    }
    out.push(b'"');
    out
}

impl Eval<'_> {
    /// The choices for the next item of an array of distinct items, given the texts of the earlier
    /// items.
    pub fn distinct_choices(
        &mut self,
        key: u64,
        progress: &ArrayProgress,
        used: &[&[u8]],
    ) -> Result<Vec<Choice>, EvalError> {
        let Some((array, depth)) = self.algebra.distinct.get(key as usize).cloned() else {
            return Ok(Vec::new());
        };
        let mut json = super::json::Json::default();
        let mut values = Vec::with_capacity(used.len());
        for text in used {
            // The grammar has matched these items, so they are JSON.
            let text = String::from_utf8_lossy(text);
            values.extend(json.parse(&text));
        }
        let mut items = Vec::new();
        for &value in values.iter().filter(|_| !array.some.is_empty()) {
            let item = self.items_shape(&json, &[value])?;
            items.push(self.algebra.shape_term(item));
        }
        let used = self.items_shape(&json, &values)?;
        let used = self.algebra.shape_term(used);
        let position = progress.count as usize;
        let Some(taken) = self.reserved(&array, position + 1, used)? else { return Ok(Vec::new()) };
        let dead = self.uncompletable(&array, progress, &items)?;
        let taken = self.algebra.or(&[taken, dead]);
        let (_, leading) = self.inner_spaces();
        self.item_choices(&array, position, Some(taken), depth, leading)
    }
}
