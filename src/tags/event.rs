//! Events, which say what an output means: text, reasoning, calls of tools.
//!
//! A reader of events knows for each byte of an output which part it belongs to. A [`Fold`] turns
//! this into events. All deltas of one part, joined, are the part's text, however the output was
//! divided into tokens.

use crate::grammar::{Mark, Role, ValueSpelling};
use smallvec::SmallVec;
use std::sync::Arc;

/// One thing that has become known about an output, such as more text or the beginning of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// More text for the user.
    Text(String),
    /// More reasoning.
    Reasoning(String),
    /// A call of a tool begins.
    CallBegin {
        /// The number of the call, from 0.
        index: usize,
        /// The tool's name.
        name: String,
        /// The call's id, if the output has said it by now.
        id: Option<String>,
    },
    /// The id of a call whose id comes after its name.
    CallId {
        /// The number of the call.
        index: usize,
        /// The id.
        id: String,
    },
    /// More of a call's arguments. All deltas so far, joined, are the beginning of a JSON text.
    Arguments {
        /// The number of the call.
        index: usize,
        /// The delta.
        delta: String,
    },
    /// A call is complete.
    CallEnd {
        /// The number of the call.
        index: usize,
    },
    /// A tag without a role of its own begins.
    TagBegin {
        /// The tag's name: its `name`, or else its beginning.
        name: String,
    },
    /// More content of the innermost tag.
    Content(String),
    /// The innermost tag ends.
    TagEnd {
        /// The tag's name.
        name: String,
    },
}

impl Event {
    /// The name in machine-readable output: `text`, `reasoning`, `call_begin`, `call_id`,
    /// `arguments`, `call_end`, `tag_begin`, `content`, `tag_end`.
    pub fn kind(&self) -> &'static str {
        match self {
            Event::Text(_) => "text",
            Event::Reasoning(_) => "reasoning",
            Event::CallBegin { .. } => "call_begin",
            Event::CallId { .. } => "call_id",
            Event::Arguments { .. } => "arguments",
            Event::CallEnd { .. } => "call_end",
            Event::TagBegin { .. } => "tag_begin",
            Event::Content(_) => "content",
            Event::TagEnd { .. } => "tag_end",
        }
    }
}

/// A call of a tool.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Call {
    /// The tool's name.
    pub name: String,
    /// The call's id, if the output says one.
    pub id: Option<String>,
    /// The arguments as JSON; a beginning of it where the call is not complete.
    pub arguments: String,
    /// False where the output ended within the call.
    pub complete: bool,
}

/// The parts of an output: text, reasoning, calls and tags.
///
/// ```
/// use hedgerow::tags::{Event, Reply};
/// let mut reply = Reply::default();
/// reply.add(&Event::Text("Hello".to_owned()));
/// reply.add(&Event::CallBegin { index: 0, name: "now".to_owned(), id: None });
/// reply.add(&Event::Arguments { index: 0, delta: "{}".to_owned() });
/// reply.add(&Event::CallEnd { index: 0 });
/// assert_eq!(reply.text, "Hello");
/// assert!(reply.calls[0].complete && reply.calls[0].arguments == "{}");
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Reply {
    /// The text for the user.
    pub text: String,
    /// The reasoning.
    pub reasoning: String,
    /// The calls, in their order.
    pub calls: Vec<Call>,
    /// The contents of tags that have no other role, each with the tag's name.
    pub tags: Vec<(String, String)>,
    /// The tags that are not closed yet, as places in `tags`.
    open: Vec<usize>,
}

impl Reply {
    /// Adds an event.
    pub fn add(&mut self, event: &Event) {
        match event {
            Event::Text(delta) => self.text.push_str(delta),
            Event::Reasoning(delta) => self.reasoning.push_str(delta),
            Event::CallBegin { name, id, .. } => {
                self.calls.push(Call { name: name.clone(), id: id.clone(), ..Call::default() });
            }
            Event::CallId { index, id } => {
                if let Some(call) = self.calls.get_mut(*index) {
                    call.id = Some(id.clone());
                }
            }
            Event::Arguments { index, delta } => {
                if let Some(call) = self.calls.get_mut(*index) {
                    call.arguments.push_str(delta);
                }
            }
            Event::CallEnd { index } => {
                if let Some(call) = self.calls.get_mut(*index) {
                    call.complete = true;
                }
            }
            Event::TagBegin { name } => {
                self.open.push(self.tags.len());
                self.tags.push((name.clone(), String::new()));
            }
            Event::Content(delta) => {
                if let Some(&tag) = self.open.last() {
                    self.tags[tag].1.push_str(delta);
                }
            }
            Event::TagEnd { .. } => {
                self.open.pop();
            }
        }
    }
}

/// The part of a [`Fold`] that a call has to itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct OpenCall {
    /// The number of roles around the call.
    depth: usize,
    index: usize,
    is_announced: bool,
    name: Option<Arc<str>>,
    id: Option<Arc<str>>,
}

/// Makes events of marks and of the bytes between them.
///
/// ```
/// use hedgerow::grammar::{Mark, Role};
/// use hedgerow::tags::{Event, Fold};
/// let (mut fold, mut events) = (Fold::default(), Vec::new());
/// fold.bytes(b"Hm. ", &mut events);
/// fold.mark(&Mark::Begin(Role::Call { name: Some("now".into()) }), &mut events);
/// fold.mark(&Mark::Begin(Role::Arguments), &mut events);
/// fold.bytes(b"{}", &mut events);
/// fold.mark(&Mark::End, &mut events);
/// fold.mark(&Mark::End, &mut events);
/// assert_eq!(events, [
///     Event::Text("Hm. ".to_owned()),
///     Event::CallBegin { index: 0, name: "now".to_owned(), id: None },
///     Event::Arguments { index: 0, delta: "{}".to_owned() },
///     Event::CallEnd { index: 0 },
/// ]);
/// ```
///
/// A clone costs little: readers keep one for each token.
#[derive(Clone, Debug, Default)]
pub struct Fold {
    /// The roles of the parts that are open, the innermost last.
    roles: Arc<Vec<Role>>,
    /// Calls begun so far.
    calls: usize,
    call: Option<Arc<OpenCall>>,
    /// An id that belongs to the next call.
    next_id: Option<Arc<str>>,
    /// The bytes of a name, of an id, of a key, of a value between markers, or of a character that
    /// is not complete.
    waiting: Vec<u8>,
    /// The members and items so far of the open arguments, and of the objects and arrays in them.
    counts: SmallVec<[u32; 4]>,
}

impl Fold {
    /// The role of the bytes that come next.
    pub fn role(&self) -> &Role {
        if self.call.is_none() {
            // Outside of calls, parts of an object in a style are pieces of the part around it.
            let mut around = self.roles.iter().rev().filter(|role| !is_of_arguments(role));
            return around.next().unwrap_or(&Role::Text);
        }
        match self.roles.as_slice() {
            [.., Role::Members { .. } | Role::Items, value @ Role::Value { .. }] => value,
            // Outside of arguments a value is a piece of the part around it.
            [.., around, Role::Value { .. }] => around,
            [] | [Role::Value { .. }] => &Role::Text,
            [.., role] => role,
        }
    }

    /// Reads bytes of the innermost part.
    pub fn bytes(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        match self.role() {
            Role::Marker | Role::Call { .. } => {}
            role if is_gathered(role) => {
                self.waiting.extend_from_slice(bytes);
            }
            _ if bytes.is_empty() => {}
            _ if self.waiting.is_empty() => {
                let whole = whole_characters(bytes);
                self.waiting.extend_from_slice(&bytes[whole..]);
                self.delta(&bytes[..whole], events);
            }
            _ => {
                let mut all = std::mem::take(&mut self.waiting);
                all.extend_from_slice(bytes);
                let whole = whole_characters(&all);
                self.delta(&all[..whole], events);
                all.drain(..whole);
                self.waiting = all;
            }
        }
    }

    /// Passes a mark.
    pub fn mark(&mut self, mark: &Mark, events: &mut Vec<Event>) {
        match mark {
            Mark::Begin(role) => self.begin(role, events),
            Mark::End => self.end(events),
        }
    }

    /// Ends the output: what was waiting for the end of a character is given out.
    pub fn finish(&mut self, events: &mut Vec<Event>) {
        if !is_gathered(self.role()) {
            self.flush(events);
        }
    }

    fn begin(&mut self, role: &Role, events: &mut Vec<Event>) {
        if self.call.is_none() && is_of_arguments(role) {
            return Arc::make_mut(&mut self.roles).push(role.clone());
        }
        if is_of_arguments(role) {
            let is_first = self.counts.last() == Some(&0);
            let comma = if is_first { "" } else { ", " };
            let text = match self.roles.last() {
                Some(Role::Members { first, next, after_key }) => {
                    let before = if is_first { first } else { next };
                    let text = text_of(&self.waiting);
                    let text = text.find(&**before).map_or(&*text, |at| &text[at + before.len()..]);
                    let key = text.strip_suffix(&**after_key).unwrap_or(text);
                    Some(format!("{comma}{}: ", json_string(key)))
                }
                Some(Role::Items) => Some(comma.to_owned()),
                _ if matches!(role, Role::Value { .. }) => {
                    return Arc::make_mut(&mut self.roles).push(role.clone());
                }
                _ => None,
            };
            if let (Some(text), Some(count)) = (text, self.counts.last_mut()) {
                *count += 1;
                self.waiting.clear();
                self.arguments(text, events);
            }
        }
        self.flush(events);
        match role {
            Role::Call { name } => {
                let (depth, index) = (self.roles.len(), self.calls);
                self.calls += 1;
                let (name, id) = (name.clone(), self.next_id.take());
                let is_known = name.is_some();
                let call = OpenCall { depth, index, name, id, is_announced: false };
                self.call = Some(Arc::new(call));
                if is_known {
                    self.announce(events);
                }
            }
            Role::Arguments => self.announce(events),
            Role::Members { .. } => {
                self.announce(events);
                self.counts.push(0);
                self.arguments("{".to_owned(), events);
            }
            Role::Items => {
                self.counts.push(0);
                self.arguments("[".to_owned(), events);
            }
            Role::Tag { name } => events.push(Event::TagBegin { name: name.to_string() }),
            _ => {}
        }
        Arc::make_mut(&mut self.roles).push(role.clone());
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        match self.roles.last() {
            Some(role) if self.call.is_none() && is_of_arguments(role) => {}
            Some(Role::Name) => {
                let name = text_of(&std::mem::take(&mut self.waiting));
                if let Some(call) = &mut self.call {
                    Arc::make_mut(call).name = Some(name.into());
                }
                self.announce(events);
            }
            Some(Role::Id) => self.identify("", events),
            Some(Role::IdEnd { before }) => {
                let before = before.clone();
                self.identify(&before, events);
            }
            Some(role @ (Role::Members { .. } | Role::Items)) => {
                let end = if *role == Role::Items { "]" } else { "}" };
                self.waiting.clear();
                self.counts.pop();
                self.arguments(end.to_owned(), events);
            }
            Some(Role::Value { .. }) if !matches!(self.role(), Role::Value { .. }) => {}
            Some(Role::Value { before, after, spelling }) => {
                let value = within(&self.waiting, before, after);
                let text = match spelling {
                    ValueSpelling::Raw => json_string(&value),
                    ValueSpelling::Trimmed => json_string(value.trim_matches(JSON_WHITESPACE)),
                    ValueSpelling::Python => without_python_words(&value),
                    _ => value,
                };
                self.waiting.clear();
                self.arguments(text, events);
            }
            Some(Role::Call { .. }) => {
                self.announce(events);
                if let Some(call) = self.call.take_if(|call| call.depth + 1 == self.roles.len()) {
                    events.push(Event::CallEnd { index: call.index });
                }
            }
            Some(Role::Tag { name }) => {
                let end = Event::TagEnd { name: name.to_string() };
                self.flush(events);
                events.push(end);
            }
            _ => self.flush(events),
        }
        Arc::make_mut(&mut self.roles).pop();
    }

    /// Ends an id, which begins with `before`.
    fn identify(&mut self, before: &str, events: &mut Vec<Event>) {
        let id = format!("{before}{}", text_of(&std::mem::take(&mut self.waiting)));
        match &mut self.call {
            Some(call) if call.is_announced => events.push(Event::CallId { index: call.index, id }),
            Some(call) => Arc::make_mut(call).id = Some(id.into()),
            None => self.next_id = Some(id.into()),
        }
    }

    /// Says that the open call has begun, once.
    fn announce(&mut self, events: &mut Vec<Event>) {
        let Some(call) = self.call.as_mut().filter(|call| !call.is_announced) else { return };
        let call = Arc::make_mut(call);
        call.is_announced = true;
        let text = |text: &Arc<str>| text.to_string();
        let name = call.name.as_ref().map(text).unwrap_or_default();
        events.push(Event::CallBegin { index: call.index, name, id: call.id.as_ref().map(text) });
    }

    /// Gives out more of the open call's arguments.
    fn arguments(&self, text: String, events: &mut Vec<Event>) {
        let Some(call) = &self.call else { return };
        match events.last_mut() {
            Some(Event::Arguments { delta, .. }) => delta.push_str(&text),
            _ => events.push(Event::Arguments { index: call.index, delta: text }),
        }
    }

    /// Gives out the beginning of a character that will not be completed.
    fn flush(&mut self, events: &mut Vec<Event>) {
        let waiting = std::mem::take(&mut self.waiting);
        self.delta(&waiting, events);
    }

    fn delta(&self, bytes: &[u8], events: &mut Vec<Event>) {
        if bytes.is_empty() {
            return;
        }
        let more = match (self.role(), &self.call, events.last_mut()) {
            (Role::Text, _, Some(Event::Text(delta)))
            | (Role::Reasoning, _, Some(Event::Reasoning(delta)))
            | (Role::Tag { .. }, _, Some(Event::Content(delta)))
            | (Role::Arguments, _, Some(Event::Arguments { delta, .. })) => Some(delta),
            _ => None,
        };
        if let Some(delta) = more {
            delta.push_str(&String::from_utf8_lossy(bytes));
            return;
        }
        let delta = text_of(bytes);
        match (self.role(), &self.call) {
            (Role::Text, _) => events.push(Event::Text(delta)),
            (Role::Reasoning, _) => events.push(Event::Reasoning(delta)),
            (Role::Tag { .. }, _) => events.push(Event::Content(delta)),
            (Role::Arguments, Some(call)) => events.push(Event::Arguments { index: call.index, delta }),
            _ => {}
        }
    }
}

/// True for a part whose bytes are gathered to its end.
fn is_gathered(role: &Role) -> bool {
    matches!(role, Role::Name | Role::Id | Role::IdEnd { .. }) || is_of_arguments(role)
}

/// True for a part of arguments that are written between markers.
fn is_of_arguments(role: &Role) -> bool {
    matches!(role, Role::Members { .. } | Role::Items | Role::Value { .. })
}

const JSON_WHITESPACE: [char; 4] = [' ', '\n', '\r', '\t'];

/// The text between two markers.
fn within(bytes: &[u8], before: &str, after: &str) -> String {
    let text = bytes.strip_prefix(before.as_bytes()).unwrap_or(bytes);
    text_of(text.strip_suffix(after.as_bytes()).unwrap_or(text))
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A value with JSON's words in place of Python's `None`, `False` and `True`.
fn without_python_words(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let (mut in_string, mut is_escaped) = (false, false);
    let mut rest = value;
    while let Some(c) = rest.chars().next() {
        let word = [("None", "null"), ("False", "false"), ("True", "true")];
        if let Some((python, json)) = word.into_iter().find(|word| !in_string && rest.starts_with(word.0)) {
            out.push_str(json);
            rest = &rest[python.len()..];
            continue;
        }
        (in_string, is_escaped) = match (c, in_string, is_escaped) {
            ('"', _, false) => (!in_string, false),
            ('\\', true, false) => (true, true),
            _ => (in_string, false),
        };
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The bytes up to the beginning of a character that is not complete.
fn whole_characters(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let at = bytes.len() - back;
        let needed = match bytes[at] {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        return if needed > back { at } else { bytes.len() };
    }
    bytes.len()
}
