//! JSON text as a flat arena: one pass, no allocation per value, object members in source order.
//!
//! A schema is read once and seldom used afterwards, so the arena is compact. A value takes 16
//! bytes: 12 in the vector of kinds and 4 in the vector of parents. Strings are spans of one
//! buffer, which holds the source text followed by unescaped strings. Numbers keep their spelling,
//! since their precision is arbitrary here. Several documents share an arena, so a [`Value`] id
//! names a place in any of them.
//!
//! Members of an object are found by scanning. A repeated key has its last value: RFC 8259 §4
//! leaves that open, and JavaScript and Python do the same. Parsing is iterative, so nesting costs
//! memory and no stack.

/// The id of a value in a [`Json`] arena.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Value(pub u32);

/// A span of the arena's string buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span {
    start: u32,
    len: u32,
}

/// One value. Its children are spans of the arena's lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum JsonKind {
    Null,
    Bool(bool),
    /// The spelling of the number.
    Number(Span),
    String(Span),
    /// An array: `len` entries of `items` from `first` on.
    Array {
        first: u32,
        len: u32,
    },
    /// An object: `len` entries of `members` from `first` on.
    Object {
        first: u32,
        len: u32,
    },
}

/// The reason why a text is not JSON, and the byte at which that shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct JsonError {
    pub offset: usize,
    pub message: &'static str,
}

/// An arena of JSON documents.
#[derive(Default, Clone)]
pub(super) struct Json {
    buffer: String,
    kinds: Vec<JsonKind>,
    parents: Vec<u32>,
    items: Vec<Value>,
    members: Vec<(Span, Value)>,
}

const NO_PARENT: u32 = u32::MAX;

enum Frame {
    Array(Value, usize),
    Object(Value, usize),
}

/// The containers that have begun, and their children so far. The children move to their final
/// place when the container closes.
#[derive(Default)]
struct OpenContainers {
    stack: Vec<Frame>,
    items: Vec<Value>,
    members: Vec<(Span, Value)>,
}

struct JsonReader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The start of the text in the arena's buffer.
    base: usize,
}

impl Json {
    /// Parses one document into the arena and returns its root.
    pub fn parse(&mut self, text: &str) -> Result<Value, JsonError> {
        if self.buffer.len().saturating_add(text.len()) > (u32::MAX / 4) as usize {
            return Err(JsonError { offset: 0, message: "the document is larger than 1 GiB" });
        }
        let base = self.buffer.len();
        self.buffer.push_str(text);
        self.kinds.reserve(text.len() / 12);
        self.parents.reserve(text.len() / 12);
        let mut r = JsonReader { bytes: text.as_bytes(), at: 0, base };
        let mut open = OpenContainers::default();
        let root = Value(self.kinds.len() as u32);
        while self.begins_container(&mut r, &mut open)? || self.continues(&mut r, &mut open)? {}
        Ok(root)
    }

    /// Reads a value up to its end, or up to the first value inside it. Returns true in the latter
    /// case: the value is an array or object with members.
    fn begins_container(
        &mut self,
        r: &mut JsonReader<'_>,
        open: &mut OpenContainers,
    ) -> Result<bool, JsonError> {
        r.skip_whitespace();
        let id = Value(self.kinds.len() as u32);
        let parent = match open.stack.last() {
            Some(Frame::Array(v, _) | Frame::Object(v, _)) => v.0,
            None => NO_PARENT,
        };
        self.parents.push(parent);
        match r.peek() {
            Some(b'{') => {
                self.kinds.push(JsonKind::Object { first: 0, len: 0 });
                if r.opens_empty(b'}') {
                    return Ok(false);
                }
                open.stack.push(Frame::Object(id, open.members.len()));
                let key = r.key(&mut self.buffer)?;
                open.members.push((key, Value(self.kinds.len() as u32)));
                Ok(true)
            }
            Some(b'[') => {
                self.kinds.push(JsonKind::Array { first: 0, len: 0 });
                if r.opens_empty(b']') {
                    return Ok(false);
                }
                open.stack.push(Frame::Array(id, open.items.len()));
                open.items.push(Value(self.kinds.len() as u32));
                Ok(true)
            }
            _ => {
                let scalar = self.scalar(r)?;
                self.kinds.push(scalar);
                Ok(false)
            }
        }
    }

    fn scalar(&mut self, r: &mut JsonReader<'_>) -> Result<JsonKind, JsonError> {
        Ok(match r.peek() {
            Some(b'"') => JsonKind::String(r.string(&mut self.buffer)?),
            Some(b'-' | b'0'..=b'9') => JsonKind::Number(r.number()?),
            Some(b't') => {
                r.word("true")?;
                JsonKind::Bool(true)
            }
            Some(b'f') => {
                r.word("false")?;
                JsonKind::Bool(false)
            }
            Some(b'n') => {
                r.word("null")?;
                JsonKind::Null
            }
            _ => return Err(r.error("a JSON value is expected here")),
        })
    }

    /// Closes every container that ends after a complete value. Returns true if another value
    /// follows, and false at the end of the document.
    fn continues(&mut self, r: &mut JsonReader<'_>, open: &mut OpenContainers) -> Result<bool, JsonError> {
        loop {
            r.skip_whitespace();
            match open.stack.last() {
                None if r.at == r.bytes.len() => return Ok(false),
                None => return Err(r.error("nothing may follow the JSON value")),
                Some(&Frame::Array(array, start)) => match r.peek() {
                    Some(b',') => {
                        r.at += 1;
                        open.items.push(Value(self.kinds.len() as u32));
                        return Ok(true);
                    }
                    Some(b']') => {
                        r.at += 1;
                        let first = self.items.len() as u32;
                        let len = (open.items.len() - start) as u32;
                        self.items.extend(open.items.drain(start..));
                        self.kinds[array.0 as usize] = JsonKind::Array { first, len };
                        open.stack.pop();
                    }
                    _ => return Err(r.error("`,` or `]` is expected here")),
                },
                Some(&Frame::Object(object, start)) => match r.peek() {
                    Some(b',') => {
                        r.at += 1;
                        r.skip_whitespace();
                        let key = r.key(&mut self.buffer)?;
                        open.members.push((key, Value(self.kinds.len() as u32)));
                        return Ok(true);
                    }
                    Some(b'}') => {
                        r.at += 1;
                        let first = self.members.len() as u32;
                        self.close_object(&mut open.members, start);
                        let len = self.members.len() as u32 - first;
                        self.kinds[object.0 as usize] = JsonKind::Object { first, len };
                        open.stack.pop();
                    }
                    _ => return Err(r.error("`,` or `}` is expected here")),
                },
            }
        }
    }

    /// Moves the members of an object to their place. Of equal keys, the first keeps its place and
    /// gets the value of the last.
    fn close_object(&mut self, members: &mut Vec<(Span, Value)>, start: usize) {
        let first = self.members.len();
        let count = members.len() - start;
        if count <= 16 {
            for (key, value) in members.drain(start..) {
                let text = text_of(&self.buffer, key);
                match self.members[first..].iter().position(|&(k, _)| text_of(&self.buffer, k) == text) {
                    Some(i) => self.members[first + i].1 = value,
                    None => self.members.push((key, value)),
                }
            }
            return;
        }
        let mut seen: hashbrown::HashMap<&str, usize> = hashbrown::HashMap::with_capacity(count);
        for (key, value) in members.drain(start..) {
            match seen.entry(text_of(&self.buffer, key)) {
                hashbrown::hash_map::Entry::Occupied(e) => self.members[*e.get()].1 = value,
                hashbrown::hash_map::Entry::Vacant(e) => {
                    e.insert(self.members.len());
                    self.members.push((key, value));
                }
            }
        }
    }

    /// The number of values in the arena.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    pub fn kind(&self, value: Value) -> JsonKind {
        self.kinds[value.0 as usize]
    }

    pub fn text(&self, span: Span) -> &str {
        text_of(&self.buffer, span)
    }

    /// The text of a string value.
    pub fn as_str(&self, value: Value) -> Option<&str> {
        match self.kind(value) {
            JsonKind::String(span) => Some(self.text(span)),
            _ => None,
        }
    }

    /// The spelling of a number value.
    pub fn as_number(&self, value: Value) -> Option<&str> {
        match self.kind(value) {
            JsonKind::Number(span) => Some(self.text(span)),
            _ => None,
        }
    }

    /// The items of an array; empty for other values.
    pub fn items(&self, value: Value) -> &[Value] {
        match self.kind(value) {
            JsonKind::Array { first, len } => &self.items[first as usize..(first + len) as usize],
            _ => &[],
        }
    }

    /// The members of an object in source order; none for other values.
    pub fn members(&self, value: Value) -> impl ExactSizeIterator<Item = (&str, Value)> + '_ {
        let members = match self.kind(value) {
            JsonKind::Object { first, len } => &self.members[first as usize..(first + len) as usize],
            _ => &[],
        };
        members.iter().map(|&(key, value)| (self.text(key), value))
    }

    /// The number of members of an object; 0 for other values.
    pub fn member_count(&self, value: Value) -> u32 {
        match self.kind(value) {
            JsonKind::Object { len, .. } => len,
            _ => 0,
        }
    }

    /// The `i`-th member of an object.
    pub fn member(&self, object: Value, i: u32) -> (&str, Value) {
        let JsonKind::Object { first, .. } = self.kind(object) else { return ("", object) };
        let (key, value) = self.members[(first + i) as usize];
        (self.text(key), value)
    }

    /// The key of the `i`-th member of an object.
    pub fn member_key(&self, object: Value, i: u32) -> &str {
        self.member(object, i).0
    }

    /// The member of an object with this key.
    pub fn get(&self, value: Value, key: &str) -> Option<Value> {
        self.members(value).find(|(k, _)| *k == key).map(|(_, v)| v)
    }

    /// Reports whether the value is an object.
    pub fn is_object(&self, value: Value) -> bool {
        matches!(self.kind(value), JsonKind::Object { .. })
    }

    /// The container that a value stands in.
    pub fn parent(&self, value: Value) -> Option<Value> {
        match self.parents[value.0 as usize] {
            NO_PARENT => None,
            parent => Some(Value(parent)),
        }
    }

    /// The root of the document that a value belongs to.
    pub fn root_of(&self, mut value: Value) -> Value {
        while let Some(parent) = self.parent(value) {
            value = parent;
        }
        value
    }

    /// The JSON pointer (RFC 6901) of a value in its document, without `#` and percent-encoding.
    pub fn pointer(&self, value: Value) -> String {
        let mut parts: Vec<String> = Vec::new();
        let mut at = value;
        while let Some(parent) = self.parent(at) {
            let part = match self.kind(parent) {
                JsonKind::Array { .. } => {
                    self.items(parent).iter().position(|&v| v == at).map_or(String::new(), |i| i.to_string())
                }
                _ => self
                    .members(parent)
                    .find(|&(_, v)| v == at)
                    .map_or(String::new(), |(k, _)| k.replace('~', "~0").replace('/', "~1")),
            };
            parts.push(part);
            at = parent;
        }
        parts.iter().rev().fold(String::new(), |pointer, part| pointer + "/" + part)
    }

    /// The value at a JSON pointer below `root`.
    pub fn resolve_pointer(&self, root: Value, pointer: &str) -> Option<Value> {
        if pointer.is_empty() {
            return Some(root);
        }
        pointer.strip_prefix('/')?.split('/').try_fold(root, |at, part| match self.kind(at) {
            JsonKind::Array { .. } => {
                let plain =
                    part == "0" || (!part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit()));
                part.parse::<usize>().ok().filter(|_| plain).and_then(|i| self.items(at).get(i).copied())
            }
            JsonKind::Object { .. } => {
                if part.contains('~') {
                    self.get(at, &part.replace("~1", "/").replace("~0", "~"))
                } else {
                    self.get(at, part)
                }
            }
            _ => None,
        })
    }
}

fn text_of(buffer: &str, span: Span) -> &str {
    &buffer[span.start as usize..(span.start + span.len) as usize]
}

impl JsonReader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn error(&self, message: &'static str) -> JsonError {
        JsonError { offset: self.at, message }
    }

    /// Goes past the opening of a container, and past its end `close` if nothing is inside.
    fn opens_empty(&mut self, close: u8) -> bool {
        self.at += 1;
        self.skip_whitespace();
        let is_empty = self.peek() == Some(close);
        self.at += usize::from(is_empty);
        is_empty
    }

    fn skip_whitespace(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &str) -> Result<(), JsonError> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.error("a JSON value is expected here"))
        }
    }

    /// Reads a member's key and the colon after it.
    fn key(&mut self, buffer: &mut String) -> Result<Span, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("a key in double quotes is expected here"));
        }
        let key = self.string(buffer)?;
        self.skip_whitespace();
        if self.peek() != Some(b':') {
            return Err(self.error("`:` is expected here"));
        }
        self.at += 1;
        Ok(key)
    }

    fn string(&mut self, buffer: &mut String) -> Result<Span, JsonError> {
        self.at += 1;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let span = Span { start: (self.base + start) as u32, len: (self.at - start) as u32 };
                    self.at += 1;
                    return Ok(span);
                }
                Some(b'\\') => break,
                Some(0..=0x1f) => return Err(self.error("control characters in strings must be escaped")),
                Some(_) => self.at += 1,
                None => return Err(self.error("the string has no end")),
            }
        }
        // The buffer holds the source text followed by unescaped strings, so this span lies after
        // the source.
        let out = buffer.len();
        buffer.extend_from_within(self.base + start..self.base + self.at);
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Span { start: out as u32, len: (buffer.len() - out) as u32 });
                }
                Some(b'\\') => {
                    self.at += 1;
                    buffer.push(self.escape()?);
                }
                Some(0..=0x1f) => return Err(self.error("control characters in strings must be escaped")),
                Some(_) => {
                    let from = self.at;
                    while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                        self.at += 1;
                    }
                    buffer.extend_from_within(self.base + from..self.base + self.at);
                }
                None => return Err(self.error("the string has no end")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let byte = self.peek();
        self.at += 1;
        Ok(match byte {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.hex()?;
                if let Some(c) = char::from_u32(first) {
                    return Ok(c);
                }
                let pair = first < 0xdc00 && self.bytes[self.at..].starts_with(b"\\u");
                if !pair {
                    return Err(self.error("surrogates must come in pairs"));
                }
                self.at += 2;
                let second = self.hex()?;
                if !(0xdc00..0xe000).contains(&second) {
                    return Err(self.error("surrogates must come in pairs"));
                }
                let c = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                char::from_u32(c).ok_or_else(|| self.error("surrogates must come in pairs"))?
            }
            _ => {
                self.at -= 1;
                return Err(self.error("this is not an escape that JSON knows"));
            }
        })
    }

    fn hex(&mut self) -> Result<u32, JsonError> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|b| char::from(b).to_digit(16));
            value =
                value << 4 | digit.ok_or_else(|| self.error("four hexadecimal digits are expected here"))?;
            self.at += 1;
        }
        Ok(value)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.error("a digit is expected here"));
        }
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Span, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Span { start: (self.base + start) as u32, len: (self.at - start) as u32 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of a value, written back.
    fn write(json: &Json, value: Value) -> String {
        match json.kind(value) {
            JsonKind::Null => "null".into(),
            JsonKind::Bool(b) => b.to_string(),
            JsonKind::Number(s) => json.text(s).into(),
            JsonKind::String(s) => serde_json::to_string(json.text(s)).unwrap(),
            JsonKind::Array { .. } => {
                let items: Vec<_> = json.items(value).iter().map(|&v| write(json, v)).collect();
                format!("[{}]", items.join(","))
            }
            JsonKind::Object { .. } => {
                let members: Vec<_> = json
                    .members(value)
                    .map(|(k, v)| format!("{}:{}", serde_json::to_string(k).unwrap(), write(json, v)))
                    .collect();
                format!("{{{}}}", members.join(","))
            }
        }
    }

    #[test]
    fn reads_what_serde_reads() {
        let table = [
            "{}",
            "[]",
            " [1, -0.5e+7 ,{\"a\":[[]],\"b\":null}, true,false] ",
            r#"{"z":1,"a":{"x":"\u0041\n\ud83d\ude00é\/"},"m":[{},[],""]}"#,
            r#""\\""#,
            "1e400",
            "{\"a\":1,}",
            "[1,]",
            "[1 2]",
            "01",
            "1.",
            "-",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\t\"",
            "\"abc",
            "{\"a\" 1}",
            "{a:1}",
            "tru",
            "",
            "1 1",
            "[",
            "{\"a\":",
        ];
        for text in table {
            let mut json = Json::default();
            let ours = json.parse(text).map(|v| write(&json, v));
            let theirs = serde_json::from_str::<serde_json::Value>(text);
            match (&ours, &theirs) {
                (Ok(ours), Ok(theirs)) => {
                    let again: serde_json::Value = serde_json::from_str(ours).unwrap();
                    assert_eq!(&again, theirs, "{text}");
                }
                (Err(_), Err(_)) => {}
                _ => panic!("{text}: {ours:?} but {theirs:?}"),
            }
        }
    }

    #[test]
    fn the_last_of_equal_keys_counts() {
        let mut json = Json::default();
        let many: Vec<String> = (0..40).map(|i| format!("\"k{}\":{i}", i % 20)).collect();
        for (text, key, value) in [
            (r#"{"a":1,"b":2,"\u0061":3}"#.to_owned(), "a", "3"),
            (format!("{{{}}}", many.join(",")), "k7", "27"),
        ] {
            let root = json.parse(&text).unwrap();
            assert_eq!(json.get(root, key).and_then(|v| json.as_number(v)), Some(value));
            let count = json.members(root).len();
            assert_eq!(
                count,
                json.members(root).map(|m| m.0).collect::<std::collections::HashSet<_>>().len()
            );
        }
    }

    #[test]
    fn pointers_lead_back() {
        let mut json = Json::default();
        json.parse("[0]").unwrap();
        let root = json.parse(r#"{"a/b":[0,{"~":true}],"":{"c":1}}"#).unwrap();
        for pointer in ["", "/a~1b", "/a~1b/1", "/a~1b/1/~0", "/", "//c"] {
            let value = json.resolve_pointer(root, pointer).unwrap();
            assert_eq!(json.pointer(value), pointer);
            assert_eq!(json.root_of(value), root);
        }
        for pointer in ["a", "/a", "/a~1b/2", "/a~1b/01", "/a~1b/-", "//c/d"] {
            assert_eq!(json.resolve_pointer(root, pointer), None, "{pointer}");
        }
    }

    #[test]
    fn deep_nesting_needs_no_stack() {
        let mut json = Json::default();
        let text = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(json.parse(&text).is_ok());
        assert!(json.parse(&"[".repeat(100_000)).is_err());
    }
}
