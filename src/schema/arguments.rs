//! Objects whose members stand between markers, and not between braces and commas: the arguments of
//! a call as many models write them.
//!
//! For example, `<parameter=city>Oslo</parameter>` is a member of such an object. Its value is a
//! string without quotes or escapes, which ends at the first `</parameter>`. Values of other types
//! are JSON.
//!
//! The object is the grammar's primitive for objects, with other punctuation. So required keys, the
//! order of keys and conditions work as they do in JSON. A raw string is the language of its
//! decoded text without the markers that would end it. So patterns, lengths and formats hold
//! exactly, and a text with such a marker cannot be written.

use super::argument_keys::KeyId;
use super::argument_style::{ArgumentStyle, StringSpelling, ValueKind, Words};
use super::emit::LeadingSpace;
use super::eval::Eval;
use super::number;
use super::python;
use super::shape::Shape;
use super::term::{EvalError, TermId};
use super::text::{Text, TextId};
use crate::automata::{LangId, UNLABELLED};
use crate::grammar::{ArraySpec, Delimiter, Mark, NodeId, ObjectSpec, Punctuation, Role};
use std::sync::Arc;

impl Eval<'_> {
    pub fn arguments(&self) -> Option<Arc<ArgumentStyle>> {
        self.algebra.in_arguments.and_then(|_| self.algebra.options.arguments.clone())
    }

    /// The leading space of the value of a member with this key, which is `None` if the schema does
    /// not declare it.
    pub fn member_leading(&mut self, key: Option<&str>) -> LeadingSpace {
        let repeats = self.arguments().is_some_and(|style| style.elements.is_some());
        match key {
            Some(key) if repeats => LeadingSpace::Argument(self.algebra.keys.id(key)),
            _ => self.inner_spaces().0,
        }
    }

    /// The result of some work on an object or array with this key that is written in the style of
    /// arguments.
    fn in_arguments<T>(&mut self, key: KeyId, work: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.algebra.in_arguments.replace(key);
        let result = work(self);
        self.algebra.in_arguments = outer;
        result
    }

    /// The node of the arguments as a whole, or of the members that remain of the object with a
    /// key.
    pub fn emit_arguments(&mut self, id: TermId, left: Option<KeyId>) -> Result<NodeId, EvalError> {
        // The marks are made before lazy nodes are expanded, because readers of events know only
        // the marks that the grammar has at the beginning.
        let roles = self.algebra.options.arguments.as_ref().map(|style| style.inner_roles());
        for role in roles.into_iter().flatten() {
            self.nodes.mark_id(Mark::Begin(role));
        }
        self.nodes.mark_id(Mark::End);
        self.in_arguments(left.unwrap_or(KeyId::NONE), |eval| match left {
            Some(_) => eval.emit(id, 0, LeadingSpace::Members),
            None => eval.values(id).and_then(|shape| eval.emit_shape(&shape, 0, LeadingSpace::None)),
        })
    }

    /// A description of arguments without keys.
    pub fn argument_spec(&mut self, style: &ArgumentStyle) -> ObjectSpec {
        let ArgumentStyle { between, before_key, .. } = style;
        let after = style.after_member();
        let end = self.object_end(style);
        let texts = [
            ("", format!("{}{before_key}", style.open)),
            (after, end),
            (after, format!("{between}{before_key}")),
        ];
        let colon = self.pool().bytes(style.after_key.as_bytes());
        let punctuation = self.punctuation(style, texts);
        ObjectSpec { bare_keys: true, ..ObjectSpec::new(punctuation, colon) }
    }

    /// The text that ends the object that is emitted, behind the text after its last member.
    fn object_end(&self, style: &ArgumentStyle) -> String {
        match self.algebra.in_arguments {
            Some(key) if key != KeyId::NONE => style.end_inside(style.around(ValueKind::Object)),
            _ => style.close.to_string(),
        }
    }

    /// The delimiters of an object or array. Each is a pair of texts, between which there may be
    /// whitespace.
    fn punctuation(&mut self, style: &ArgumentStyle, texts: [(&str, String); 3]) -> Punctuation {
        let [open, close, comma] = texts.map(|(before, after)| self.delimiter(style, before, &after));
        Punctuation { open, close, comma }
    }

    /// Two texts with the whitespace between them that may stand around members.
    fn delimiter(&mut self, style: &ArgumentStyle, before: &str, after: &str) -> Delimiter {
        if style.special_tokens {
            return Delimiter::Spelled(self.spelled(style, before, after));
        }
        let space = self.member_space(style);
        let (before, after) = (self.pool().bytes(before.as_bytes()), self.pool().bytes(after.as_bytes()));
        let rest = self.pool().concat(space, after);
        Delimiter::Text(self.pool().concat(before, rest))
    }

    /// Two texts that may name special tokens, with the whitespace between them that may stand
    /// around members.
    fn spelled(&mut self, style: &ArgumentStyle, before: &str, after: &str) -> NodeId {
        if !style.whitespace {
            return self.nodes.spelled(&format!("{before}{after}"));
        }
        let space = self.member_space(style);
        let space = self.nodes.terminal(space);
        let (before, after) = (self.nodes.spelled(before), self.nodes.spelled(after));
        self.nodes.sequence(&[before, space, after])
    }

    /// A text of the style.
    fn marker(&mut self, style: &ArgumentStyle, text: &str) -> NodeId {
        match style.special_tokens {
            true => self.nodes.spelled(text),
            false => self.nodes.literal(text.as_bytes()),
        }
    }

    /// Writes the texts of the style into the description of an array inside the arguments. Returns
    /// the node of an array without items, if these texts alone do not make it.
    ///
    /// # Errors
    ///
    /// The items must differ, which can only be seen of JSON.
    pub fn punctuate_array(&mut self, spec: &mut ArraySpec) -> Result<Option<NodeId>, EvalError> {
        let Some(style) = self.arguments().filter(|style| style.nests()) else { return Ok(None) };
        if spec.distinct.is_some() {
            return Err(EvalError::Unsupported {
                at: None,
                keyword: "uniqueItems",
                reason: "calls of this format do not write arrays as JSON, by which items are compared"
                    .into(),
            });
        }
        let (texts, empty) = match (&style.elements, &style.arrays) {
            (Some(elements), _) => {
                let item = format!("{}{}{}", style.before_key, elements.item_key, style.after_key);
                let (after, end) = (style.after_member(), style.end_inside(style.around(ValueKind::Array)));
                let next = format!("{}{item}", style.between);
                let empty = self.empty_container(&style, "", &end);
                ([("", item), (after, end), (after, next)], Some(empty))
            }
            (None, Some([open, between, close])) => {
                ([open, close, between].map(|text| ("", text.to_string())), None)
            }
            (None, None) => return Ok(None),
        };
        spec.punctuation = self.punctuation(&style, texts);
        Ok(empty)
    }

    /// An object or array without members or items.
    fn empty_container(&mut self, style: &ArgumentStyle, open: &str, close: &str) -> NodeId {
        match self.delimiter(style, open, close) {
            Delimiter::Text(both) => self.nodes.terminal(both),
            Delimiter::Spelled(both) => both,
        }
    }

    /// The whitespace around members.
    fn member_space(&self, style: &ArgumentStyle) -> LangId {
        if style.whitespace { self.algebra.standard.space } else { LangId::EMPTY }
    }

    /// The node of arguments that begin: without any, or with at least one.
    pub fn open_arguments(&mut self, mut spec: ObjectSpec, style: &ArgumentStyle) -> NodeId {
        let Some(start) = spec.start() else { return NodeId::NEVER };
        let empty = match spec.may_close(&start) {
            true => {
                let end = self.object_end(style);
                self.empty_container(style, &style.open, &end)
            }
            false => NodeId::NEVER,
        };
        spec.min = spec.min.max(1);
        let full = self.nodes.object(spec);
        self.nodes.alt(&[empty, full])
    }

    /// Fails if a key cannot be written bare.
    pub fn check_bare_key(&self, key: &str) -> Result<(), EvalError> {
        let Some(style) = self.arguments() else { return Ok(()) };
        let Some(fault) = style.fault_of_key(key) else { return Ok(()) };
        let reason = format!("the key {key:?} {fault}").into();
        Err(EvalError::Unsupported { at: None, keyword: "properties", reason })
    }

    /// The undeclared keys that can be written bare: they hold neither a control character nor the
    /// first character of the text after keys.
    pub fn bare_keys(&mut self, keys: LangId) -> LangId {
        let Some(style) = self.arguments() else { return keys };
        if style.words == Words::Python {
            let names = python::identifiers(self.pool());
            return self.pool().inter(&[keys, names]);
        }
        let end = style.after_key.chars().next().map_or(0, u32::from);
        let mut ranges = Vec::new();
        for (low, high) in [(0x20, end.saturating_sub(1)), (end.max(0x1f) + 1, 0x10_ffff)] {
            if low <= high {
                ranges.push((low, high));
            }
        }
        let character = self.pool().char_class(&ranges);
        let bare = self.pool().repeat(character, 1, crate::automata::UNBOUNDED);
        self.pool().inter(&[keys, bare])
    }

    /// Fails if a value cannot be written as an argument, because each of its raw strings has a
    /// text in it that would end it.
    pub fn check_argument(&mut self, value: TermId, leading: LeadingSpace) -> Result<(), EvalError> {
        let Some(style) = self.arguments() else { return Ok(()) };
        if style.strings == StringSpelling::Json {
            return Ok(());
        }
        let shape = self.values(value)?;
        let (strings, others) = split_strings(&shape);
        if matches!(strings, TextId::NEVER | TextId::ANY) || others.is_some() {
            return Ok(());
        }
        let key = match leading {
            LeadingSpace::Argument(key) => self.algebra.keys.text(key),
            _ => Arc::default(),
        };
        let texts = self.raw_strings(&shape, &style, &key);
        match self.pool().is_never(texts) {
            false => Ok(()),
            true => {
                let texts = style.forbidden(Some(&key));
                let texts: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
                let reason = format!(
                    "all values of an argument hold one of {}, which a string in calls of this format cannot have",
                    texts.join(", ")
                );
                Err(EvalError::Unsupported { at: None, keyword: "properties", reason: reason.into() })
            }
        }
    }

    /// The node of a value with the texts around it.
    pub fn emit_argument(&mut self, id: TermId, key_id: KeyId) -> Result<NodeId, EvalError> {
        let shape = self.values(id)?;
        let Some(style) = self.algebra.options.arguments.clone() else { return Ok(NodeId::NEVER) };
        let key = self.algebra.keys.text(key_id);
        let (strings, others) = split_strings(&shape);
        let [free_role, text_role] = style.string_roles();
        let string_role = if strings == TextId::ANY { free_role } else { text_role };
        let mut alternatives = Vec::with_capacity(2);
        if strings != TextId::NEVER {
            let language = match style.strings {
                StringSpelling::Raw => self.raw_strings(&shape, &style, &key),
                StringSpelling::Json => {
                    let only = Shape { strings, ..Shape::never() };
                    self.scalars(&only, 1)?
                }
            };
            let end = style.end_inside(&style.around_strings);
            let node = match style.special_tokens {
                true => {
                    let before = self.nodes.spelled(&style.around_strings[0]);
                    let (text, after) = (self.nodes.terminal(language), self.nodes.spelled(&end));
                    self.nodes.sequence(&[before, text, after])
                }
                false => {
                    let before = self.pool().bytes(style.around_strings[0].as_bytes());
                    let after = self.pool().bytes(end.as_bytes());
                    let spelt = self.pool().concat(language, after);
                    let spelt = self.pool().concat(before, spelt);
                    self.nodes.terminal(spelt)
                }
            };
            alternatives.push(self.nodes.part(string_role, node));
        }
        for (kind, part) in others.iter().flat_map(|others| kinds(others, &style)) {
            let around = style.around(kind);
            let before = self.marker(&style, &around[0]);
            let after = style.end_inside(around);
            if style.nests() && matches!(kind, ValueKind::Array | ValueKind::Object) {
                let value = self.in_arguments(key_id, |eval| eval.emit_shape(&part, 0, LeadingSpace::None));
                let role = if kind == ValueKind::Array { Role::Items } else { style.role() };
                let value = self.nodes.part(role, value?);
                // The end of an element closes the object or array in it.
                let after = self.marker(&style, if style.elements.is_some() { "" } else { &after });
                alternatives.push(self.nodes.sequence(&[before, value, after]));
                continue;
            }
            let value = self.emit_shape(&part, 0, LeadingSpace::None)?;
            let space = self.value_space(&style);
            let (space, after) = (self.nodes.terminal(space), self.marker(&style, &after));
            let node = self.nodes.sequence(&[before, space, value, space, after]);
            alternatives.push(self.nodes.part(style.kind_role(kind), node));
        }
        let value = self.nodes.alt(&alternatives);
        let end = self.marker(&style, &style.key_end(&key));
        Ok(self.nodes.sequence(&[value, end]))
    }

    /// The raw strings of a shape, without those that would end too early or be read as another
    /// value of the shape. For example, if null is allowed, the text `null` means null and is no
    /// string; if objects are allowed, no string begins with `{`, or as the style begins objects.
    fn raw_strings(&mut self, shape: &Shape, style: &ArgumentStyle, key: &str) -> LangId {
        let texts = style.raw_texts(key, self.pool());
        let mut parts = vec![texts];
        if *self.algebra.texts.get(shape.strings) != Text::Any {
            parts.push(self.algebra.texts.language(shape.strings, &mut self.nodes.languages));
        }
        if style.around_strings[0] == style.around_others[0] {
            let others = self.other_spellings(shape, style);
            parts.push(self.pool().not(others));
        }
        let strings = self.pool().inter(&parts);
        match shape.strings {
            TextId::ANY => strings,
            _ => self.spaced(strings, style),
        }
    }

    /// The whitespace that may stand around a value.
    fn value_space(&self, style: &ArgumentStyle) -> LangId {
        if style.spaces_values() { self.algebra.standard.space } else { LangId::EMPTY }
    }

    /// A language with the whitespace around it that may stand around a value.
    fn spaced(&mut self, language: LangId, style: &ArgumentStyle) -> LangId {
        let space = self.value_space(style);
        let rest = self.pool().concat(language, space);
        self.pool().concat(space, rest)
    }

    /// The texts that are read as values of a shape that are no strings, and those that begin like
    /// one.
    fn other_spellings(&mut self, shape: &Shape, style: &ArgumentStyle) -> LangId {
        let mut parts = Vec::new();
        if style.elements.is_some() && !(shape.arrays.is_empty() && shape.objects.is_empty()) {
            // An array or object may also be empty.
            let (open, text) = (self.pool().bytes(style.before_key.as_bytes()), self.pool().any_text());
            let begun = self.pool().concat(open, text);
            let either = self.pool().union(&[LangId::EMPTY, begun]);
            let space = self.member_space(style);
            parts.push(self.pool().concat(space, either));
        }
        for (open, exists) in [(b"[", !shape.arrays.is_empty()), (b"{", !shape.objects.is_empty())] {
            if exists && style.elements.is_none() {
                let (open, text) = (self.pool().bytes(open), self.pool().any_text());
                parts.push(self.pool().concat(open, text));
            }
        }
        let [null, no, yes] = style.words.all();
        let words = [(shape.null, null), (shape.booleans & 1 != 0, no), (shape.booleans & 2 != 0, yes)];
        let words: Vec<(Vec<u8>, u32)> =
            words.into_iter().filter(|word| word.0).map(|word| (word.1.to_vec(), UNLABELLED)).collect();
        if !words.is_empty() {
            parts.push(self.pool().literals(words));
        }
        if !shape.numbers.is_empty() {
            parts.push(number::any_number(self.pool()));
        }
        let others = self.pool().union(&parts);
        self.spaced(others, style)
    }
}

/// The parts of a shape without strings that the style writes in different ways.
fn kinds(shape: &Shape, style: &ArgumentStyle) -> Vec<(ValueKind, Shape)> {
    if !style.tells_kinds_apart() {
        return vec![(ValueKind::Object, shape.clone())];
    }
    let of = |kind| {
        let mut part = Shape::never();
        match kind {
            ValueKind::Null => part.null = shape.null,
            ValueKind::Boolean => part.booleans = shape.booleans,
            ValueKind::Number => part.numbers = shape.numbers.clone(),
            ValueKind::Array => part.arrays = shape.arrays.clone(),
            ValueKind::Object => part.objects = shape.objects.clone(),
        }
        split_strings(&part).1.map(|part| (kind, part))
    };
    ValueKind::ALL.into_iter().filter_map(of).collect()
}

/// The strings of a shape, and everything else.
fn split_strings(shape: &Shape) -> (TextId, Option<Shape>) {
    let others = Shape { strings: TextId::NEVER, ..shape.clone() };
    let is_empty = !others.null
        && others.booleans == 0
        && others.numbers.is_empty()
        && others.arrays.is_empty()
        && others.objects.is_empty();
    (shape.strings, (!is_empty).then_some(others))
}
