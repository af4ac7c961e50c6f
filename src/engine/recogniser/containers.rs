//! Objects and arrays: what may follow `{`, a key, a value, an item, a comma.
//!
//! As a context-free grammar, an object with many optional keys needs a rule for each pair of keys
//! that may follow each other. Here it is one grammar node, [`ObjectSpec`], and a small record of
//! the keys so far, [`ObjectState`]. The node answers which keys may come next; this file turns the
//! answer into threads. Arrays work the same way.
//!
//! Keys that must not repeat, and items that must differ, are recorded byte by byte while they are
//! read ([`captures`](super::captures)). When one is complete, its text joins the object's or
//! array's list of used texts, and the language of the next key leaves the used ones out.
//!
//! Price: with recorded texts, hardly any two states are equal. So masks are computed for
//! [canonical](super::canonical) states, which have none.

use super::captures::{CaptureId, CaptureKind, ItemKnowledge};
use super::continuation::{ArrayId, ContId, Frame, NOT_RECORDED, OUTERMOST, ObjectId};
use super::interner::ValueInterner;
use super::machine::Machine;
use super::state::StateId;
use crate::automata::{LangId, UNLABELLED};
use crate::engine::error::EngineError;
use crate::grammar::{
    ArrayProgress, ArraySpec, Choice, Delimiter, LazyKey, Node, NodeId, NodePool, ObjectProgress, ObjectSpec,
};
use hashbrown::HashMap;
use std::sync::Arc;

/// One object being read: its node, its progress, and its undeclared keys so far.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(in crate::engine) struct ObjectState {
    pub node: NodeId,
    pub progress: ObjectProgress,
    /// The number of a list of used texts.
    pub used: u32,
}

/// One array being read: its node, its progress, and its items so far, where they must differ.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(in crate::engine) struct ArrayState {
    pub node: NodeId,
    pub progress: ArrayProgress,
    /// The number of a list of used texts.
    pub used: u32,
}

/// The keys that are left for the objects of a state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::engine) enum KeySupply {
    /// Endlessly many with every beginning.
    Endless,
    /// More than a token can use up. Perhaps none with some beginning.
    Enough,
    /// Perhaps fewer.
    MayRunOut,
}

/// The keys that may come next in one object.
struct KeyOffer {
    /// The declared keys, each labelled with its index; `NEVER` for none.
    declared: LangId,
    /// The undeclared keys, by index into [`ObjectSpec::rest`].
    rests: Vec<(u32, LangId)>,
}

impl KeyOffer {
    fn is_empty(&self) -> bool {
        self.declared == LangId::NEVER && self.rests.is_empty()
    }
}

/// A sorted list of texts: the undeclared keys of one object, or the items of one array.
type Texts = Arc<[Box<[u8]>]>;

/// The objects and arrays of a graph, interned, with what was found out about them.
pub(in crate::engine) struct Containers {
    objects: ValueInterner<ObjectState>,
    arrays: ValueInterner<ArrayState>,
    /// Lists of used texts. List 0 is empty.
    used: ValueInterner<Texts>,
    offers: HashMap<ObjectId, Arc<KeyOffer>>,
    /// Answers of [`Expand::distinct_items`](crate::grammar::Expand::distinct_items), by its key,
    /// the array's progress and the list of used items.
    distinct_choices: HashMap<(LazyKey, ArrayProgress, u32), Vec<Choice>>,
    /// Answers of [`Expand::least_values`](crate::grammar::Expand::least_values), by its key.
    least_values: HashMap<LazyKey, u32>,
}

impl Containers {
    pub fn new() -> Self {
        let mut used: ValueInterner<Texts> = ValueInterner::new();
        used.intern(Arc::new([]));
        Containers {
            objects: ValueInterner::new(),
            arrays: ValueInterner::new(),
            used,
            offers: HashMap::new(),
            distinct_choices: HashMap::new(),
            least_values: HashMap::new(),
        }
    }

    /// True if no object or array was ever begun.
    pub fn is_unused(&self) -> bool {
        self.objects.is_empty() && self.arrays.is_empty()
    }

    /// True if some object or array has a used text.
    pub fn has_used_texts(&self) -> bool {
        self.used.len() > 1
    }

    /// Bytes held, approximately.
    pub fn memory(&self) -> usize {
        (self.objects.len() + self.arrays.len() + self.offers.len() + self.distinct_choices.len()) * 200
            + self.used.len() * 64
    }

    /// The number of an object's state.
    pub fn object(&mut self, state: ObjectState) -> ObjectId {
        ObjectId(self.objects.intern(state))
    }

    /// The number of an array's state.
    pub fn array(&mut self, state: ArrayState) -> ArrayId {
        ArrayId(self.arrays.intern(state))
    }

    /// The list of used texts with one text more.
    fn used_with(&mut self, used: u32, text: Vec<u8>) -> u32 {
        let mut list: Vec<Box<[u8]>> = self.used[used as usize].to_vec();
        let text = text.into_boxed_slice();
        if let Err(at) = list.binary_search(&text) {
            list.insert(at, text);
        }
        self.used.intern(list.into())
    }

    /// The node of an object: its own, or a lazy one that expands to it.
    pub fn object_node(&self, id: ObjectId) -> NodeId {
        self.objects[id.0 as usize].node
    }

    /// The state of an object and the specification of its node.
    pub fn object_spec(&self, machine: &Machine, id: ObjectId) -> Option<(ObjectState, Arc<ObjectSpec>)> {
        let state = &self.objects[id.0 as usize];
        match machine.pool.node(state.node) {
            Node::Object(spec) => Some((state.clone(), spec.clone())),
            _ => None,
        }
    }

    /// The state of an array and the specification of its node.
    pub fn array_spec(&self, machine: &Machine, id: ArrayId) -> Option<(ArrayState, Arc<ArraySpec>)> {
        let state = &self.arrays[id.0 as usize];
        match machine.pool.node(state.node) {
            Node::Array(spec) => Some((state.clone(), spec.clone())),
            _ => None,
        }
    }

    /// Adds to the state being built what may follow once everything above a frame of an object or
    /// array was read. `label` is that of the literal read last. Other frames add nothing.
    pub fn resume(
        &mut self,
        machine: &mut Machine,
        frame: Frame,
        below: ContId,
        capture: CaptureId,
        label: Option<u32>,
    ) -> Result<(), EngineError> {
        match frame {
            Frame::ObjectOpened(object) => {
                let Some((state, spec)) = self.object_spec(machine, object) else { return Ok(()) };
                if spec.may_close(&state.progress) {
                    machine.enter_delimiter(spec.punctuation.close, below, capture)?;
                }
                self.enter_keys(machine, object, &spec, below, capture)
            }
            Frame::ObjectComma(object) => {
                let Some((_, spec)) = self.object_spec(machine, object) else { return Ok(()) };
                self.enter_keys(machine, object, &spec, below, capture)
            }
            Frame::ObjectValue(object) => self.after_value(machine, object, below, capture),
            Frame::ObjectDeclared(object) => {
                let Some((state, spec)) = self.object_spec(machine, object) else { return Ok(()) };
                let Some(label) = label else { return Ok(()) };
                for (choice, progress) in spec.after_declared(&state.progress, label) {
                    let after = ObjectState { progress, ..state.clone() };
                    self.enter_value(machine, &spec, choice, after, below, capture)?;
                }
                Ok(())
            }
            Frame::ObjectRest { object, rest, start } => {
                self.after_undeclared_key(machine, (object, rest, start), below, capture)
            }
            Frame::ArrayOpened(array) => {
                let Some((state, spec)) = self.array_spec(machine, array) else { return Ok(()) };
                if spec.may_close(&state.progress) {
                    machine.enter_delimiter(spec.punctuation.close, below, capture)?;
                }
                self.enter_items(machine, &state, &spec, below, capture)
            }
            Frame::ArrayComma(array) => {
                let Some((state, spec)) = self.array_spec(machine, array) else { return Ok(()) };
                self.enter_items(machine, &state, &spec, below, capture)
            }
            Frame::ArrayItem { array, start } => self.after_item(machine, (array, start), below, capture),
            Frame::End
            | Frame::Then(_)
            | Frame::Loop { .. }
            | Frame::Switch(_)
            | Frame::Tokens { .. }
            | Frame::Parser(_)
            | Frame::Cut(_) => Ok(()),
        }
    }

    /// Adds what may follow the value of a key: the closing brace, or a comma and another key.
    fn after_value(
        &mut self,
        machine: &mut Machine,
        object: ObjectId,
        below: ContId,
        capture: CaptureId,
    ) -> Result<(), EngineError> {
        let object = self.continued_object(machine, object)?;
        let Some((state, spec)) = self.object_spec(machine, object) else { return Ok(()) };
        let close = spec.may_close(&state.progress).then(|| spec.punctuation.close);
        let goes_on = !self.key_offer(machine, object, &spec)?.is_empty();
        let comma = goes_on.then(|| (spec.punctuation.comma, Frame::ObjectComma(object)));
        close_or_go_on(machine, close, comma, below, capture)
    }

    /// Adds the values of an undeclared key. If the key was recorded, it counts as used from now
    /// on.
    fn after_undeclared_key(
        &mut self,
        machine: &mut Machine,
        (object, rest, start): (ObjectId, u32, u32),
        below: ContId,
        capture: CaptureId,
    ) -> Result<(), EngineError> {
        let Some((mut state, spec)) = self.object_spec(machine, object) else { return Ok(()) };
        let values = spec.after_rest(&state.progress, rest);
        let mut after = capture;
        if start != NOT_RECORDED {
            let from = if start == OUTERMOST { 0 } else { start };
            let text = machine.captures.text(capture, from);
            if start == OUTERMOST {
                let knowledge = machine.captures.knowledge(capture);
                after = machine.captures.root(CaptureKind::Nothing, knowledge);
            }
            // A canonical state has an empty capture, which stands for any key.
            if let Some(key) = decode_key(&text) {
                state.used = self.used_with(state.used, key);
            }
        }
        for (choice, progress) in values {
            let state = ObjectState { progress, ..state.clone() };
            self.enter_value(machine, &spec, choice, state, below, after)?;
        }
        Ok(())
    }

    /// Adds what may follow an item: the closing bracket, or a comma and another item. If the item
    /// was recorded, it counts as used from now on.
    fn after_item(
        &mut self,
        machine: &mut Machine,
        (array, start): (ArrayId, u32),
        below: ContId,
        capture: CaptureId,
    ) -> Result<(), EngineError> {
        let Some((mut state, spec)) = self.array_spec(machine, array) else { return Ok(()) };
        let mut after = capture;
        if start != NOT_RECORDED {
            let from = if start == OUTERMOST { 0 } else { start };
            let mut knowledge = machine.captures.knowledge(capture);
            // While a mask is made, a capture that begins at offset 0 may miss the item's
            // beginning.
            let is_whole = knowledge == ItemKnowledge::Whole || from > 0;
            if is_whole {
                let text = machine.captures.text(capture, from);
                state.used = self.used_with(state.used, without_whitespace(&text));
            } else {
                let decides =
                    knowledge >= ItemKnowledge::NextBegun || !self.never_runs_out(machine, &state, &spec)?;
                let now = if decides { ItemKnowledge::Decisive } else { ItemKnowledge::TailCompleted };
                knowledge = knowledge.max(now);
            }
            if start == OUTERMOST {
                after = machine.captures.root(CaptureKind::Nothing, knowledge);
            } else if !is_whole {
                after = machine.captures.root(machine.captures.kind(capture), knowledge);
            }
        }
        let close = spec.may_close(&state.progress).then(|| spec.punctuation.close);
        let goes_on = self.has_items(machine, &state, &spec)?;
        let comma = goes_on.then(|| (spec.punctuation.comma, Frame::ArrayComma(self.array(state))));
        close_or_go_on(machine, close, comma, below, after)
    }

    /// Adds a colon and a value, after which the object is in the state `after`.
    fn enter_value(
        &mut self,
        machine: &mut Machine,
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
        let cont = machine.conts.push(Frame::ObjectValue(object), below);
        let cont = machine.push_then(choice.value, cont);
        machine.add_thread(spec.colon, cont, capture)
    }

    /// The object that continues after a value: the object itself, or the one to which its lazy
    /// node expands.
    fn continued_object(&mut self, machine: &mut Machine, object: ObjectId) -> Result<ObjectId, EngineError> {
        let state = &self.objects[object.0 as usize];
        let Node::Lazy(key) = *machine.pool.node(state.node) else { return Ok(object) };
        let used = state.used;
        let node = machine.expand_lazy(key)?;
        let progress = match machine.pool.node(node) {
            Node::Object(spec) => spec.start().unwrap_or_default(),
            _ => return Ok(object),
        };
        Ok(self.object(ObjectState { node, progress, used }))
    }

    /// Adds the keys that may come next.
    fn enter_keys(
        &mut self,
        machine: &mut Machine,
        object: ObjectId,
        spec: &ObjectSpec,
        below: ContId,
        capture: CaptureId,
    ) -> Result<(), EngineError> {
        let offer = self.key_offer(machine, object, spec)?;
        if offer.declared != LangId::NEVER {
            let cont = machine.conts.push(Frame::ObjectDeclared(object), below);
            machine.add_thread(offer.declared, cont, capture)?;
        }
        for &(rest, language) in &offer.rests {
            let (capture, start) = match spec.unique_rest {
                true => begin_capture(machine, capture, CaptureKind::Key),
                false => (capture, NOT_RECORDED),
            };
            let cont = machine.conts.push(Frame::ObjectRest { object, rest, start }, below);
            machine.add_thread(language, cont, capture)?;
        }
        Ok(())
    }

    /// The keys that may come next, found once for each object state.
    fn key_offer(
        &mut self,
        machine: &mut Machine,
        object: ObjectId,
        spec: &ObjectSpec,
    ) -> Result<Arc<KeyOffer>, EngineError> {
        if let Some(offer) = self.offers.get(&object) {
            return Ok(offer.clone());
        }
        let state = &self.objects[object.0 as usize];
        let used = &self.used[state.used as usize];
        let keys = spec.next_declared(&state.progress);
        let languages = &mut machine.pool.languages;
        let mut offer = KeyOffer { declared: LangId::NEVER, rests: Vec::new() };
        if !keys.is_empty() {
            let literals = spec.spelt_declared(&keys, languages);
            offer.declared = languages.concat(spec.before_key, literals);
        }
        for (index, rest) in spec.rest.iter().enumerate() {
            if spec.after_rest(&state.progress, index as u32).is_empty() {
                continue;
            }
            let mut keys = rest.keys;
            if !used.is_empty() {
                let taken = languages.literals(used.iter().map(|key| (key.to_vec(), UNLABELLED)));
                let free = languages.not(taken);
                keys = languages.inter(&[keys, free]);
                if languages.is_never(keys) {
                    continue;
                }
            }
            let spelt = spec.spelt_rest(keys, languages);
            if spelt != LangId::NEVER {
                offer.rests.push((index as u32, languages.concat(spec.before_key, spelt)));
            }
        }
        machine.check_sound()?;
        let offer = Arc::new(offer);
        self.offers.insert(object, offer.clone());
        Ok(offer)
    }

    /// The items that may come next, with the progress after each.
    fn items(
        &mut self,
        machine: &mut Machine,
        state: &ArrayState,
        spec: &ArraySpec,
    ) -> Result<Vec<(Choice, ArrayProgress)>, EngineError> {
        let Some(key) = spec.distinct else { return Ok(spec.next_items(&state.progress)) };
        let Some(expand) = machine.expander(key) else { return Ok(Vec::new()) };
        let question = (key, state.progress.clone(), state.used);
        if let Some(choices) = self.distinct_choices.get(&question) {
            return Ok(spec.after(&state.progress, choices));
        }
        let texts: Vec<&[u8]> = self.used[state.used as usize].iter().map(|text| &**text).collect();
        let find = |pool: &mut NodePool| expand.distinct_items(key.key, &state.progress, &texts, pool);
        let choices = machine.pool.in_part(key.part, find)?;
        let items = spec.after(&state.progress, &choices);
        self.distinct_choices.insert(question, choices);
        Ok(items)
    }

    /// True if another item may come.
    fn has_items(
        &mut self,
        machine: &mut Machine,
        state: &ArrayState,
        spec: &ArraySpec,
    ) -> Result<bool, EngineError> {
        Ok(self.never_runs_out(machine, state, spec)? || !self.items(machine, state, spec)?.is_empty())
    }

    /// True if a next item surely exists, whatever the earlier items are: it has more possible
    /// values than the earlier items, and the later items that must come, can take. If false, a
    /// next item may still exist.
    fn never_runs_out(
        &mut self,
        machine: &mut Machine,
        state: &ArrayState,
        spec: &ArraySpec,
    ) -> Result<bool, EngineError> {
        if spec.distinct.is_none() {
            return Ok(false);
        }
        // The item that was completed last may not be among the used ones yet, hence the 1.
        let others = self.used[state.used as usize].len() + 1;
        let others = others + spec.min.saturating_sub(state.progress.count) as usize;
        for (choice, _) in spec.next_items(&state.progress) {
            let Node::Lazy(key) = *machine.pool.node(choice.value) else { continue };
            let values = match self.least_values.get(&key) {
                Some(&values) => values,
                None => {
                    let Some(expand) = machine.expander(key) else { continue };
                    let count = |pool: &mut NodePool| expand.least_values(key.key, pool);
                    let values = machine.pool.in_part(key.part, count)?;
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

    /// Adds the items that may come next.
    fn enter_items(
        &mut self,
        machine: &mut Machine,
        state: &ArrayState,
        spec: &ArraySpec,
        below: ContId,
        capture: CaptureId,
    ) -> Result<(), EngineError> {
        for (choice, progress) in self.items(machine, state, spec)? {
            let (capture, start) = if spec.distinct.is_some() {
                let begun = match machine.captures.knowledge(capture) {
                    ItemKnowledge::TailCompleted => {
                        machine.captures.root(machine.captures.kind(capture), ItemKnowledge::NextBegun)
                    }
                    _ => capture,
                };
                begin_capture(machine, begun, CaptureKind::Item)
            } else {
                (capture, NOT_RECORDED)
            };
            let array = self.array(ArrayState { progress, ..state.clone() });
            let cont = machine.conts.push(Frame::ArrayItem { array, start }, below);
            machine.enter(choice.value, cont, capture);
        }
        Ok(())
    }

    /// The undeclared keys that are left for the frame's object, as far as tokens of at most
    /// `longest` bytes go.
    pub fn key_supply(
        &mut self,
        machine: &mut Machine,
        frame: Frame,
        longest: usize,
    ) -> Result<KeySupply, EngineError> {
        let object = match frame {
            Frame::ObjectOpened(object)
            | Frame::ObjectDeclared(object)
            | Frame::ObjectValue(object)
            | Frame::ObjectComma(object) => object,
            Frame::ObjectRest { object, .. } => object,
            _ => return Ok(KeySupply::Endless),
        };
        let object = match machine.pool.node(self.objects[object.0 as usize].node) {
            Node::Object(_) => object,
            _ => self.continued_object(machine, object)?,
        };
        let state = &self.objects[object.0 as usize];
        let Node::Object(spec) = machine.pool.node(state.node) else { return Ok(KeySupply::Enough) };
        let languages = &machine.pool.languages;
        if spec.rest.iter().all(|rest| languages.is_text_but_literals(rest.keys)) {
            return Ok(KeySupply::Endless);
        }
        let Some(keys) = spec.number_of_keys() else { return Ok(KeySupply::Enough) };
        // If the progress counts every key, the texts of the keys are not needed to know which keys
        // are left. An object that took the place of another one counts from there on, but the keys
        // before it stay used.
        let counted: u32 = state.progress.rest_counts.iter().sum();
        if spec.counts_all_keys() && counted as usize == self.used[state.used as usize].len() {
            return Ok(KeySupply::Enough);
        }
        // One key may have been begun, and a key has at least five bytes with its punctuation and
        // value, as in `,"":0`. The last of them may be cut off by the token's end.
        let within_token = longest / 5 + 2;
        let may_run_out = keys as usize <= self.used[state.used as usize].len() + within_token;
        Ok(if may_run_out { KeySupply::MayRunOut } else { KeySupply::Enough })
    }

    /// The frame whose object has forgotten its undeclared keys. Offsets into a capture become 0,
    /// since canonical states have empty captures.
    pub fn canonical_frame(&mut self, frame: Frame) -> Frame {
        let canonical_start = |start| match start {
            OUTERMOST | NOT_RECORDED => start,
            _ => 0,
        };
        let mut forget = |object: ObjectId| {
            let state = &self.objects[object.0 as usize];
            if state.used == 0 {
                return object;
            }
            let state = ObjectState { used: 0, ..state.clone() };
            self.object(state)
        };
        match frame {
            Frame::ObjectOpened(object) => Frame::ObjectOpened(forget(object)),
            Frame::ObjectDeclared(object) => Frame::ObjectDeclared(forget(object)),
            Frame::ObjectRest { object, rest, start } => {
                Frame::ObjectRest { object: forget(object), rest, start: canonical_start(start) }
            }
            Frame::ObjectValue(object) => Frame::ObjectValue(forget(object)),
            Frame::ObjectComma(object) => Frame::ObjectComma(forget(object)),
            Frame::ArrayItem { array, start } => Frame::ArrayItem { array, start: canonical_start(start) },
            other => other,
        }
    }
}

/// The capture in which a text that begins now is recorded, and the offset at which it starts: a
/// new capture, or the one that is running already.
fn begin_capture(machine: &Machine, capture: CaptureId, kind: CaptureKind) -> (CaptureId, u32) {
    if machine.captures.kind(capture) == CaptureKind::Nothing {
        (machine.captures.root(kind, machine.captures.knowledge(capture)), OUTERMOST)
    } else {
        (capture, machine.captures.len(capture))
    }
}

/// True if a key is being recorded in `state`, or may begin there.
pub(in crate::engine) fn records_key(machine: &Machine, state: StateId) -> bool {
    // The captures of a lexed grammar are numbers of lexemes.
    let threads = machine.states.threads(state);
    !machine.pool.is_lexed()
        && threads.iter().any(|thread| machine.captures.kind(thread.capture) == CaptureKind::Key)
}

/// True if what may follow in `state` depends on more than a mask knows about items.
pub(in crate::engine) fn depends_on_items(machine: &Machine, state: StateId) -> bool {
    let captures = &machine.captures;
    machine.states.threads(state).iter().any(|thread| match captures.knowledge(thread.capture) {
        ItemKnowledge::Whole | ItemKnowledge::Tail | ItemKnowledge::TailCompleted => false,
        // The same whitespace may come before any item.
        ItemKnowledge::NextBegun => captures.last(thread.capture).is_some_and(|byte| !is_json_space(byte)),
        ItemKnowledge::Decisive => true,
    })
}

/// Adds what may follow a value in its container: the end of the container, and a comma with the
/// frame behind it, each if it may come.
fn close_or_go_on(
    machine: &mut Machine,
    close: Option<Delimiter>,
    comma: Option<(Delimiter, Frame)>,
    below: ContId,
    capture: CaptureId,
) -> Result<(), EngineError> {
    if let Some(close) = close {
        machine.enter_delimiter(close, below, capture)?;
    }
    if let Some((comma, frame)) = comma {
        let cont = machine.conts.push(frame, below);
        machine.enter_delimiter(comma, cont, capture)?;
    }
    Ok(())
}

/// True for the four bytes of JSON's whitespace.
pub(in crate::engine) fn is_json_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The text of a recorded item without the whitespace between its parts: items that differ only in
/// it are equal.
fn without_whitespace(raw: &[u8]) -> Vec<u8> {
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

/// The text of a recorded key; `None` for an empty capture.
fn decode_key(raw: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(raw).ok()?.trim_matches([' ', '\t', '\n', '\r']);
    serde_json::from_str::<String>(text).ok().map(String::into_bytes)
}
