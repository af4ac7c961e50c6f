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

use super::argument_style::{ArgumentStyle, StringSpelling, ValueKind, Words};
use super::emit::LeadingSpace;
use super::eval::Eval;
use super::number;
use super::python;
use super::shape::Shape;
use super::term::{EvalError, TermId};
use super::text::{Text, TextId};
use crate::automata::{LangId, UNLABELLED};
use crate::grammar::{ArraySpec, Mark, NodeId, ObjectSpec, Role};
use std::sync::Arc;

impl Eval<'_> {
    pub fn arguments(&self) -> Option<Arc<ArgumentStyle>> {
        match self.algebra.in_arguments {
            true => self.algebra.options.arguments.clone(),
            false => None,
        }
    }

    /// The node of the arguments as a whole, or of the members that remain.
    pub fn emit_arguments(&mut self, id: TermId, leading: LeadingSpace) -> Result<NodeId, EvalError> {
        // The marks are made before lazy nodes are expanded, because readers of events know only
        // the marks that the grammar has at the beginning.
        let roles = self.algebra.options.arguments.as_ref().map(|style| style.inner_roles());
        for role in roles.into_iter().flatten() {
            self.nodes.mark_id(Mark::Begin(role));
        }
        self.nodes.mark_id(Mark::End);
        self.algebra.in_arguments = true;
        let node = match leading {
            LeadingSpace::ArgumentMembers => self.emit(id, 0, LeadingSpace::Members),
            _ => self.values(id).and_then(|shape| self.emit_shape(&shape, 0, LeadingSpace::None)),
        };
        self.algebra.in_arguments = false;
        node
    }

    /// A description of arguments without keys.
    pub fn argument_spec(&mut self, style: &ArgumentStyle) -> ObjectSpec {
        let space = self.member_space(style);
        let delimiter = |eval: &mut Self, before: &str, after: &str| {
            let (before, after) = (eval.pool().bytes(before.as_bytes()), eval.pool().bytes(after.as_bytes()));
            let rest = eval.pool().concat(space, after);
            eval.pool().concat(before, rest)
        };
        let open = delimiter(self, &style.open, &style.before_key);
        let comma = delimiter(self, style.after_member(), &format!("{}{}", style.between, style.before_key));
        let close = delimiter(self, style.after_member(), &style.close);
        let colon = self.pool().bytes(style.after_key.as_bytes());
        let spelled = style.special_tokens.then(|| {
            let ArgumentStyle { open, close, between, before_key, .. } = style;
            let after = style.after_member();
            [
                format!("{open}{before_key}"),
                format!("{after}{close}"),
                format!("{after}{between}{before_key}"),
            ]
            .map(|text| self.nodes.spelled(&text))
        });
        ObjectSpec { bare_keys: true, spelled, ..ObjectSpec::new([open, close, comma, colon]) }
    }

    /// A text of the style.
    fn marker(&mut self, style: &ArgumentStyle, text: &str) -> NodeId {
        match style.special_tokens {
            true => self.nodes.spelled(text),
            false => self.nodes.literal(text.as_bytes()),
        }
    }

    /// Writes the texts of the style into the description of an array inside the arguments.
    ///
    /// # Errors
    ///
    /// The items must differ, which can only be seen of JSON.
    pub fn punctuate_array(&mut self, spec: &mut ArraySpec) -> Result<(), EvalError> {
        let Some(style) = self.arguments() else { return Ok(()) };
        let Some(texts) = &style.arrays else { return Ok(()) };
        if spec.distinct.is_some() {
            return Err(EvalError::Unsupported {
                at: None,
                keyword: "uniqueItems",
                reason: "calls of this format do not write arrays as JSON, by which items are compared"
                    .into(),
            });
        }
        let [open, comma, close] = texts;
        [spec.open, spec.close, spec.comma] =
            [open, close, comma].map(|text| self.nodes.languages.bytes(text.as_bytes()));
        spec.spelled =
            style.special_tokens.then(|| [open, close, comma].map(|text| self.nodes.spelled(text)));
        Ok(())
    }

    /// The whitespace around members.
    fn member_space(&self, style: &ArgumentStyle) -> LangId {
        if style.whitespace { self.algebra.standard.space } else { LangId::EMPTY }
    }

    /// The node of arguments that begin: without any, or with at least one.
    pub fn open_arguments(&mut self, mut spec: ObjectSpec, style: &ArgumentStyle) -> NodeId {
        let Some(start) = spec.start() else { return NodeId::NEVER };
        let empty = match spec.may_close(&start) {
            true if style.special_tokens => self.nodes.spelled(&format!("{}{}", style.open, style.close)),
            true => {
                let space = self.member_space(style);
                let (open, close) =
                    (self.pool().bytes(style.open.as_bytes()), self.pool().bytes(style.close.as_bytes()));
                let rest = self.pool().concat(space, close);
                let both = self.pool().concat(open, rest);
                self.nodes.terminal(both)
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
        let end = &*style.after_key;
        let fault = if key.is_empty() {
            "is empty, and calls of this format need a name".to_owned()
        } else if format!("{key}{end}").find(end) < Some(key.len()) {
            format!("holds {end:?}, which ends keys in calls of this format")
        } else if style.words == Words::Python && !python::is_identifier(key) {
            "is no name of a parameter in Python, as calls of this format need it".to_owned()
        } else {
            return Ok(());
        };
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
    pub fn check_argument(&mut self, value: TermId) -> Result<(), EvalError> {
        let Some(style) = self.arguments() else { return Ok(()) };
        if style.strings == StringSpelling::Json {
            return Ok(());
        }
        let shape = self.values(value)?;
        let (strings, others) = split_strings(&shape);
        if matches!(strings, TextId::NEVER | TextId::ANY) || others.is_some() {
            return Ok(());
        }
        let texts = self.raw_strings(&shape, &style);
        match self.pool().is_never(texts) {
            false => Ok(()),
            true => {
                let texts: Vec<String> = style.forbidden().iter().map(|text| format!("{text:?}")).collect();
                let reason = format!(
                    "all values of an argument hold one of {}, which a string in calls of this format cannot have",
                    texts.join(", ")
                );
                Err(EvalError::Unsupported { at: None, keyword: "properties", reason: reason.into() })
            }
        }
    }

    /// The node of a value with the texts around it.
    pub fn emit_argument(&mut self, id: TermId) -> Result<NodeId, EvalError> {
        let shape = self.values(id)?;
        let Some(style) = self.algebra.options.arguments.clone() else { return Ok(NodeId::NEVER) };
        let (strings, others) = split_strings(&shape);
        let [free_role, text_role] = style.string_roles();
        let string_role = if strings == TextId::ANY { free_role } else { text_role };
        let mut alternatives = Vec::with_capacity(2);
        if strings != TextId::NEVER {
            let language = match style.strings {
                StringSpelling::Raw => self.raw_strings(&shape, &style),
                StringSpelling::Json => {
                    let only = Shape { strings, ..Shape::never() };
                    self.scalars(&only, 1)?
                }
            };
            let end = format!("{}{}", style.around_strings[1], style.after_value_inside());
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
            let after = self.marker(&style, &format!("{}{}", around[1], style.after_value_inside()));
            if style.arrays.is_some() && matches!(kind, ValueKind::Array | ValueKind::Object) {
                self.algebra.in_arguments = true;
                let value = self.emit_shape(&part, 0, LeadingSpace::None);
                self.algebra.in_arguments = false;
                let role = if kind == ValueKind::Array { Role::Items } else { style.role() };
                let value = self.nodes.part(role, value?);
                alternatives.push(self.nodes.sequence(&[before, value, after]));
                continue;
            }
            let value = self.emit_shape(&part, 0, LeadingSpace::None)?;
            let space = self.member_space(&style);
            let space = self.nodes.terminal(space);
            let node = self.nodes.sequence(&[before, space, value, space, after]);
            alternatives.push(self.nodes.part(style.kind_role(kind), node));
        }
        Ok(self.nodes.alt(&alternatives))
    }

    /// The raw strings of a shape, without those that would end too early or be read as another
    /// value of the shape. For example, if null is allowed, the text `null` means null and is no
    /// string; if objects are allowed, no string begins with `{`.
    fn raw_strings(&mut self, shape: &Shape, style: &ArgumentStyle) -> LangId {
        let texts = style.raw_texts(self.pool());
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

    /// A language with the whitespace around it that may stand around a value.
    fn spaced(&mut self, language: LangId, style: &ArgumentStyle) -> LangId {
        let space = self.member_space(style);
        let rest = self.pool().concat(language, space);
        self.pool().concat(space, rest)
    }

    /// The texts that are read as values of a shape that are no strings, and those that begin like
    /// one.
    fn other_spellings(&mut self, shape: &Shape, style: &ArgumentStyle) -> LangId {
        let mut parts = Vec::new();
        for (open, exists) in [(b"[", !shape.arrays.is_empty()), (b"{", !shape.objects.is_empty())] {
            if exists {
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
