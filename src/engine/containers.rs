//! Objects and arrays in the recogniser: what may follow `{`, a key, a value, a comma.
//!
//! The grammar's [`ObjectSpec`](crate::grammar::ObjectSpec) and [`ArraySpec`](crate::grammar::ArraySpec) answer which
//! keys and items may come; here they become threads. Keys that must not repeat, and items that must differ, are
//! recorded byte by byte while they are read ([`Captures`](super::stack::Captures)); the recorded text becomes part of
//! the frame when the key or item is complete.

use super::error::EngineError;
use super::recogniser::{Recogniser, StateId};
use super::stack::{
    ArrayId, ArrayState, CaptureId, CaptureKind, ContId, Frame, ItemKnowledge, ObjectId, ObjectState,
    NOT_RECORDED, OUTERMOST,
};
use super::vocabulary_index::is_json_space;
use crate::automata::{interrupt, LangId, UNLABELLED};
use crate::grammar::{ArrayProgress, ArraySpec, Choice, Node, NodeId, ObjectProgress, ObjectSpec};
use std::sync::Arc;

/// The keys that may come next in one object.
pub(super) struct KeyOffer {
    /// The declared ones, labelled with their index; NEVER for none.
    declared: LangId,
    /// The others, by rest.
    rests: Vec<(u32, LangId)>,
}

impl KeyOffer {
    fn is_empty(&self) -> bool {
        self.declared == LangId::NEVER && self.rests.is_empty()
    }
}

impl Recogniser {
    pub fn object(&mut self, state: ObjectState) -> ObjectId {
        if let Some(&id) = self.object_index.get(&state) {
            return ObjectId(id);
        }
        let id = self.objects.len() as u32;
        self.objects.push(state.clone());
        self.object_index.insert(state, id);
        ObjectId(id)
    }

    pub fn array(&mut self, state: ArrayState) -> ArrayId {
        if let Some(&id) = self.array_index.get(&state) {
            return ArrayId(id);
        }
        let id = self.arrays.len() as u32;
        self.arrays.push(state.clone());
        self.array_index.insert(state, id);
        ArrayId(id)
    }

    fn used_with(&mut self, used: u32, text: Vec<u8>) -> u32 {
        let mut list: Vec<Box<[u8]>> = self.used[used as usize].to_vec();
        let text = text.into_boxed_slice();
        if let Err(at) = list.binary_search(&text) {
            list.insert(at, text);
        }
        let list: Arc<[Box<[u8]>]> = list.into();
        if let Some(&id) = self.used_index.get(&list) {
            return id;
        }
        let id = self.used.len() as u32;
        self.used.push(list.clone());
        self.used_index.insert(list, id);
        id
    }

    pub(super) fn object_spec(&self, id: ObjectId) -> Option<(ObjectState, Arc<ObjectSpec>)> {
        let state = &self.objects[id.0 as usize];
        match self.pool.node(state.node) {
            Node::Object(spec) => Some((state.clone(), spec.clone())),
            _ => None,
        }
    }

    pub(super) fn array_spec(&self, id: ArrayId) -> Option<(ArrayState, Arc<ArraySpec>)> {
        let state = &self.arrays[id.0 as usize];
        match self.pool.node(state.node) {
            Node::Array(spec) => Some((state.clone(), spec.clone())),
            _ => None,
        }
    }

    pub(super) fn resume_container(
        &mut self,
        frame: Frame,
        below: ContId,
        capture: CaptureId,
        label: Option<u32>,
    ) -> Result<(), EngineError> {
        match frame {
            Frame::ObjectOpened(object) => {
                let Some((state, spec)) = self.object_spec(object) else { return Ok(()) };
                if spec.may_close(&state.progress) {
                    self.add(spec.close, below, capture)?;
                }
                self.enter_keys(object, &spec, below, capture)
            }
            Frame::ObjectComma(object) => {
                let Some((_, spec)) = self.object_spec(object) else { return Ok(()) };
                self.enter_keys(object, &spec, below, capture)
            }
            Frame::ObjectValue(object) => {
                let object = self.going_on(object)?;
                let Some((state, spec)) = self.object_spec(object) else { return Ok(()) };
                if spec.may_close(&state.progress) {
                    self.add(spec.close, below, capture)?;
                }
                if !self.key_offer(object, &spec).is_empty() {
                    let cont = self.stack.push(Frame::ObjectComma(object), below);
                    self.add(spec.comma, cont, capture)?;
                }
                Ok(())
            }
            Frame::ObjectDeclared(object) => {
                let Some((state, spec)) = self.object_spec(object) else { return Ok(()) };
                let Some(i) = label else { return Ok(()) };
                let values = spec.after_declared(&state.progress, i);
                for (choice, progress) in values {
                    self.enter_value(
                        &spec,
                        choice,
                        ObjectState { progress, ..state.clone() },
                        below,
                        capture,
                    )?;
                }
                Ok(())
            }
            Frame::ObjectRest { object, rest, start } => {
                let Some((mut state, spec)) = self.object_spec(object) else { return Ok(()) };
                let values = spec.after_rest(&state.progress, rest);
                let mut after = capture;
                if start != NOT_RECORDED {
                    let from = if start == OUTERMOST { 0 } else { start };
                    let text = self.captures.text(capture, from);
                    if start == OUTERMOST {
                        after = self.captures.root(CaptureKind::Nothing, self.captures.knowledge(capture));
                    }
                    // An empty recording stands for "some key": see `canonical`.
                    if let Some(key) = decode_key(&text) {
                        state.used = self.used_with(state.used, key);
                    }
                }
                for (choice, progress) in values {
                    self.enter_value(&spec, choice, ObjectState { progress, ..state.clone() }, below, after)?;
                }
                Ok(())
            }
            Frame::ArrayOpened(array) => {
                let Some((state, spec)) = self.array_spec(array) else { return Ok(()) };
                if spec.may_close(&state.progress) {
                    self.add(spec.close, below, capture)?;
                }
                self.enter_items(&state, &spec, below, capture)
            }
            Frame::ArrayComma(array) => {
                let Some((state, spec)) = self.array_spec(array) else { return Ok(()) };
                self.enter_items(&state, &spec, below, capture)
            }
            Frame::ArrayItem { array, start } => {
                let Some((mut state, spec)) = self.array_spec(array) else { return Ok(()) };
                let mut after = capture;
                if start != NOT_RECORDED {
                    let from = if start == OUTERMOST { 0 } else { start };
                    let mut knowledge = self.captures.knowledge(capture);
                    // In a mask, a recording that began where it does began before.
                    let is_whole = knowledge == ItemKnowledge::Whole || from > 0;
                    if is_whole {
                        let text = self.captures.text(capture, from);
                        state.used = self.used_with(state.used, without_spaces(&text));
                    } else {
                        let decides = knowledge >= ItemKnowledge::Begun || !self.outnumbers(&state, &spec)?;
                        let now = if decides { ItemKnowledge::Decisive } else { ItemKnowledge::Passed };
                        knowledge = knowledge.max(now);
                    }
                    if start == OUTERMOST {
                        after = self.captures.root(CaptureKind::Nothing, knowledge);
                    } else if !is_whole {
                        after = self.captures.root(self.captures.of(capture), knowledge);
                    }
                }
                if spec.may_close(&state.progress) {
                    self.add(spec.close, below, after)?;
                }
                if self.has_items(&state, &spec)? {
                    let array = self.array(state);
                    let cont = self.stack.push(Frame::ArrayComma(array), below);
                    self.add(spec.comma, cont, after)?;
                }
                Ok(())
            }
            Frame::End | Frame::Then(_) | Frame::Loop { .. } | Frame::Switch(_) | Frame::Parser(_) => Ok(()),
        }
    }

    fn enter_value(
        &mut self,
        spec: &ObjectSpec,
        choice: Choice,
        after: ObjectState,
        below: ContId,
        capture: CaptureId,
    ) -> Result<(), EngineError> {
        let after = match choice.then {
            NodeId::NEVER => after,
            node => ObjectState { node, progress: ObjectProgress::default(), ..after },
        };
        let object = self.object(after);
        let cont = self.stack.push(Frame::ObjectValue(object), below);
        let cont = self.push_then(choice.value, cont);
        self.add(spec.colon, cont, capture)
    }

    /// The object that goes on behind a value.
    fn going_on(&mut self, object: ObjectId) -> Result<ObjectId, EngineError> {
        let state = &self.objects[object.0 as usize];
        let Node::Lazy(key) = *self.pool.node(state.node) else { return Ok(object) };
        let used = state.used;
        let node = self.expand_lazy(key)?;
        let progress = match self.pool.node(node) {
            Node::Object(spec) => spec.start().unwrap_or_default(),
            _ => return Ok(object),
        };
        Ok(self.object(ObjectState { node, progress, used }))
    }

    /// A new recording, or the one that is running, and where the text to come starts in it.
    fn record(&self, capture: CaptureId, of: CaptureKind) -> (CaptureId, u32) {
        if self.captures.of(capture) == CaptureKind::Nothing {
            (self.captures.root(of, self.captures.knowledge(capture)), OUTERMOST)
        } else {
            (capture, self.captures.len(capture))
        }
    }

    fn enter_keys(
        &mut self,
        object: ObjectId,
        spec: &ObjectSpec,
        below: ContId,
        capture: CaptureId,
    ) -> Result<(), EngineError> {
        let offer = self.key_offer(object, spec);
        if offer.declared != LangId::NEVER {
            let cont = self.stack.push(Frame::ObjectDeclared(object), below);
            self.add(offer.declared, cont, capture)?;
        }
        for &(rest, language) in &offer.rests {
            let (capture, start) = if spec.unique_rest {
                self.record(capture, CaptureKind::Key)
            } else {
                (capture, NOT_RECORDED)
            };
            let cont = self.stack.push(Frame::ObjectRest { object, rest, start }, below);
            self.add(language, cont, capture)?;
        }
        Ok(())
    }

    fn key_offer(&mut self, object: ObjectId, spec: &ObjectSpec) -> Arc<KeyOffer> {
        if let Some(offer) = self.offers.get(&object.0) {
            return offer.clone();
        }
        let state = self.objects[object.0 as usize].clone();
        let used = self.used[state.used as usize].clone();
        let keys = spec.next_declared(&state.progress);
        let languages = &mut self.pool.languages;
        let mut offer = KeyOffer { declared: LangId::NEVER, rests: Vec::new() };
        if !keys.is_empty() {
            let literals = languages.json_literals(
                keys.iter().map(|&i| (spec.declared[i as usize].key.as_str(), i)),
                spec.key_escapes,
            );
            offer.declared = languages.concat(spec.before_key, literals);
        }
        for (r, rest) in spec.rest.iter().enumerate() {
            if spec.after_rest(&state.progress, r as u32).is_empty() {
                continue;
            }
            let mut keys = rest.keys;
            if !used.is_empty() {
                let taken = languages.literals(used.iter().map(|k| (k.to_vec(), UNLABELLED)));
                let free = languages.not(taken);
                keys = languages.inter(&[keys, free]);
                if languages.is_never(keys) {
                    continue;
                }
            }
            let spelt = languages.json_string(keys, spec.rest_escapes);
            if spelt != LangId::NEVER {
                offer.rests.push((r as u32, languages.concat(spec.before_key, spelt)));
            }
        }
        let offer = Arc::new(offer);
        if !interrupt::is_over() {
            self.offers.insert(object.0, offer.clone());
        }
        offer
    }

    /// The items that may come next, with the progress after each.
    fn items(
        &mut self,
        state: &ArrayState,
        spec: &ArraySpec,
    ) -> Result<Vec<(Choice, ArrayProgress)>, EngineError> {
        let Some(key) = spec.distinct else { return Ok(spec.next_items(&state.progress)) };
        let Some(expand) = self.expander(key) else { return Ok(Vec::new()) };
        let asked = (key, state.progress.count, state.used);
        if let Some(choices) = self.distinct_choices.get(&asked) {
            return Ok(spec.after(&state.progress, choices));
        }
        let used = self.used[state.used as usize].clone();
        let texts: Vec<&[u8]> = used.iter().map(|t| &**t).collect();
        let count = state.progress.count;
        let choices =
            self.pool.in_part(key.part, |pool| expand.distinct_items(key.key, count, &texts, pool))?;
        let items = spec.after(&state.progress, &choices);
        self.distinct_choices.insert(asked, choices);
        Ok(items)
    }

    /// Whether more items may come.
    fn has_items(&mut self, state: &ArrayState, spec: &ArraySpec) -> Result<bool, EngineError> {
        Ok(self.outnumbers(state, spec)? || !self.items(state, spec)?.is_empty())
    }

    /// Whether there surely is a next item whatever the earlier ones are: it may have more values than there are of these, and of
    /// later ones that need a value.
    fn outnumbers(&mut self, state: &ArrayState, spec: &ArraySpec) -> Result<bool, EngineError> {
        if spec.distinct.is_none() {
            return Ok(false);
        }
        // The item that was just completed may be none of the used ones yet.
        let others = self.used[state.used as usize].len() + 1;
        let others = others + spec.min.saturating_sub(state.progress.count) as usize;
        for (choice, _) in spec.next_items(&state.progress) {
            let Node::Lazy(key) = *self.pool.node(choice.value) else { continue };
            let values = match self.least_values.get(&key) {
                Some(&values) => values,
                None => {
                    let Some(expand) = self.expander(key) else { continue };
                    let values = self.pool.in_part(key.part, |pool| expand.least_values(key.key, pool))?;
                    self.least_values.insert(key, values);
                    values
                }
            };
            if values as usize > others {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a key is being recorded, or one may begin.
    pub(super) fn records_key(&self, state: StateId) -> bool {
        // There, captures are beginnings of lexemes.
        let records = !self.pool.is_lexed();
        records
            && self.threads(state).iter().any(|thread| self.captures.of(thread.capture) == CaptureKind::Key)
    }

    /// Whether what `state` may read depends on more than the masks that lead to it know of items.
    pub(super) fn depends_on_items(&self, state: StateId) -> bool {
        self.threads(state).iter().any(|thread| match self.captures.knowledge(thread.capture) {
            ItemKnowledge::Whole | ItemKnowledge::Tail | ItemKnowledge::Passed => false,
            // The same whitespace may stand before any item.
            ItemKnowledge::Begun => {
                self.captures.last(thread.capture).is_some_and(|byte| !is_json_space(byte))
            }
            ItemKnowledge::Decisive => true,
        })
    }

    fn enter_items(
        &mut self,
        state: &ArrayState,
        spec: &ArraySpec,
        below: ContId,
        capture: CaptureId,
    ) -> Result<(), EngineError> {
        for (choice, progress) in self.items(state, spec)? {
            let (capture, start) = if spec.distinct.is_some() {
                let begun = match self.captures.knowledge(capture) {
                    ItemKnowledge::Passed => {
                        self.captures.root(self.captures.of(capture), ItemKnowledge::Begun)
                    }
                    _ => capture,
                };
                self.record(begun, CaptureKind::Item)
            } else {
                (capture, NOT_RECORDED)
            };
            let array = self.array(ArrayState { progress, ..state.clone() });
            let cont = self.stack.push(Frame::ArrayItem { array, start }, below);
            self.enter(choice.value, cont, capture);
        }
        Ok(())
    }

    /// The frame with the undeclared keys of its object forgotten.
    pub(super) fn canonical_frame(&mut self, frame: Frame) -> Frame {
        let mut forget = |object: ObjectId| {
            let state = &self.objects[object.0 as usize];
            if state.used == 0 {
                return object;
            }
            let state = ObjectState { used: 0, ..state.clone() };
            self.object(state)
        };
        match frame {
            Frame::ObjectOpened(o) => Frame::ObjectOpened(forget(o)),
            Frame::ObjectDeclared(o) => Frame::ObjectDeclared(forget(o)),
            Frame::ObjectRest { object, rest, start } => {
                // An inner recording starts where the (now empty) outer one stands.
                let start = if start == OUTERMOST || start == NOT_RECORDED { start } else { 0 };
                Frame::ObjectRest { object: forget(object), rest, start }
            }
            Frame::ObjectValue(o) => Frame::ObjectValue(forget(o)),
            Frame::ObjectComma(o) => Frame::ObjectComma(forget(o)),
            Frame::ArrayItem { array, start } => {
                let start = if start == OUTERMOST || start == NOT_RECORDED { start } else { 0 };
                Frame::ArrayItem { array, start }
            }
            other => other,
        }
    }
}

/// The text of a recorded item without insignificant whitespace: items that only differ in it leave the same for the others.
fn without_spaces(raw: &[u8]) -> Vec<u8> {
    let (mut in_string, mut escaped) = (false, false);
    let mut text = raw.to_vec();
    text.retain(|&byte| {
        if !in_string {
            in_string = byte == b'"';
            return !is_json_space(byte);
        }
        in_string = escaped || byte != b'"';
        escaped = !escaped && byte == b'\\';
        true
    });
    text
}

/// The text of a recorded key; `None` for the empty recording.
fn decode_key(raw: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(raw).ok()?.trim_matches([' ', '\t', '\n', '\r']);
    serde_json::from_str::<String>(text).ok().map(String::into_bytes)
}
