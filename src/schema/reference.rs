//! Resolution of references: URIs, resources, anchors and JSON pointers.
//!
//! A *resource* is a schema with its own URI: the root of a document, or a subschema with `$id`. A
//! reference is first resolved against the URI of the resource that it stands in (RFC 3986 §5), and
//! then by its fragment: nothing, a JSON pointer, or an anchor. For example,
//! `item.json#/$defs/size` names a document and a place in it.
//!
//! Other documents come from the caller or are meta-schemas of the drafts; nothing is fetched.
//! Documents without `$id` and anchors, the common case, are not scanned for them.

use super::error::not_json;
use super::json::{Json, JsonKind, Value};
use super::options::{Draft, SchemaOptions};
use hashbrown::{HashMap, HashSet};

/// A schema with a URI of its own.
struct Resource {
    uri: String,
    draft: Draft,
    /// Set if the validation vocabulary is in force. A custom meta-schema may leave it out.
    validates: bool,
    /// Set unless `$schema` names an unknown dialect.
    known: bool,
}

/// The resources and anchors of all documents read so far.
pub(super) struct References {
    /// The documents of the caller that no `$ref` has led to yet, by URI without an empty fragment.
    documents: HashMap<String, String>,
    /// Those of the documents that a `$schema` names as its dialect.
    dialects: HashSet<String>,
    /// The draft of documents that do not name theirs.
    default_draft: Draft,
    resources: HashMap<Value, Resource>,
    by_uri: HashMap<String, Value>,
    anchors: HashMap<(Value, String), Value>,
    /// The places of `$dynamicAnchor`, by resource and number of the name. `$recursiveAnchor` is
    /// kept under the name `""`.
    dynamic: HashMap<(Value, u32), Value>,
    names: Vec<String>,
    /// Tells whether a draft has a keyword.
    knows: fn(&str, Draft) -> bool,
}

impl References {
    /// Scans the main document.
    pub fn new(
        json: &mut Json,
        root: Value,
        text: &str,
        options: &SchemaOptions,
        knows: fn(&str, Draft) -> bool,
    ) -> Self {
        let documents = options.documents.iter();
        let mut references = References {
            documents: documents.map(|(uri, text)| (trim(uri).to_owned(), text.clone())).collect(),
            dialects: HashSet::new(),
            default_draft: options.default_draft,
            resources: HashMap::with_capacity(1),
            by_uri: HashMap::new(),
            anchors: HashMap::new(),
            dynamic: HashMap::new(),
            names: Vec::new(),
            knows,
        };
        references.add_document(json, root, "", text);
        references
    }

    /// The URIs of the documents of the caller that no reference has led to so far, sorted.
    pub fn unread_documents(&self) -> Vec<&str> {
        let unread = self.documents.keys().filter(|&uri| !self.dialects.contains(uri));
        let mut uris: Vec<&str> = unread.map(String::as_str).collect();
        uris.sort_unstable();
        uris
    }

    /// The schema itself, if it is the root of a resource.
    pub fn resource_at(&self, schema: Value) -> Option<Value> {
        self.resources.contains_key(&schema).then_some(schema)
    }

    pub fn draft(&self, resource: Value) -> Draft {
        self.resources.get(&resource).map_or(Draft::Unspecified, |r| r.draft)
    }

    /// Reports whether `$schema` at this resource, if it has one, names a known dialect.
    pub fn knows_dialect(&self, resource: Value) -> bool {
        self.resources.get(&resource).is_none_or(|r| r.known)
    }

    /// Reports whether validation keywords (`type`, `minimum`, …) have an effect in this resource.
    pub fn validates(&self, resource: Value) -> bool {
        self.resources.get(&resource).is_none_or(|r| r.validates)
    }

    pub fn uri_of(&self, resource: Value) -> Option<&str> {
        self.resources.get(&resource).map(|r| r.uri.as_str())
    }

    /// The resource that a value stands in.
    pub fn enclosing_resource(&self, json: &Json, value: Value) -> Value {
        let mut at = value;
        loop {
            if self.resources.contains_key(&at) {
                return at;
            }
            match json.parent(at) {
                Some(parent) => at = parent,
                None => return at,
            }
        }
    }

    /// Reports whether any reference may depend on the path by which it was reached.
    pub fn is_dynamic(&self) -> bool {
        !self.dynamic.is_empty()
    }

    /// The number of the dynamic anchor that `target` names in `home`, if that anchor stands at
    /// `found`.
    pub fn dynamic_anchor(&self, home: Value, found: Value, target: &str) -> Option<u32> {
        let name = decode_percent(target.split_once('#')?.1);
        let number = self.names.iter().position(|n| *n == name && !name.is_empty())? as u32;
        (self.dynamic.get(&(home, number)) == Some(&found)).then_some(number)
    }

    /// The number of `$recursiveAnchor: true`, if `home` has it.
    pub fn recursive_anchor(&self, home: Value) -> Option<u32> {
        let number = self.names.iter().position(String::is_empty)? as u32;
        self.dynamic.contains_key(&(home, number)).then_some(number)
    }

    /// All places that a dynamic anchor may lead to.
    pub fn anchored(&self, anchor: u32) -> Vec<Value> {
        let mut places: Vec<Value> =
            self.dynamic.iter().filter(|((_, a), _)| *a == anchor).map(|(_, &v)| v).collect();
        places.sort_unstable();
        places
    }

    /// The dynamic anchors of one resource, with their numbers and places.
    pub fn dynamic_anchors(&self, resource: Value) -> Vec<(u32, Value)> {
        let mut anchors: Vec<(u32, Value)> = (0..self.names.len() as u32)
            .filter_map(|name| self.dynamic.get(&(resource, name)).map(|&v| (name, v)))
            .collect();
        anchors.sort_unstable();
        anchors
    }

    /// The value that a reference from `resource` leads to. The error says why it leads nowhere.
    pub fn resolve(&mut self, json: &mut Json, resource: Value, target: &str) -> Result<Value, String> {
        let (uri, fragment) = target.split_once('#').unwrap_or((target, ""));
        let home = if uri.is_empty() {
            resource
        } else {
            let absolute = join(self.uri_of(resource).unwrap_or(""), uri);
            let found = self.find_resource(json, &absolute);
            found.map_err(|reason| match absolute == uri {
                true => reason,
                false => format!("whose document is `{absolute}`, {reason}"),
            })?
        };
        let fragment = decode_percent(fragment);
        if fragment.is_empty() {
            return Ok(home);
        }
        if fragment.starts_with('/') {
            return json
                .resolve_pointer(home, &fragment)
                .ok_or_else(|| "which does not exist in the document".to_owned());
        }
        self.anchors
            .get(&(home, fragment.clone()))
            .copied()
            .ok_or_else(|| "but there is no such anchor in the document".to_owned())
    }

    fn find_resource(&mut self, json: &mut Json, uri: &str) -> Result<Value, String> {
        if let Some(&found) = self.by_uri.get(trim(uri)) {
            return Ok(found);
        }
        let text = match self.documents.remove(trim(uri)) {
            Some(text) => text,
            None => match super::metaschema::text(trim(uri)) {
                Some(text) => text.to_owned(),
                None => {
                    return Err(
                        "which is not among the documents given; nothing is fetched, so pass its text \
                                with `SchemaOptions::document`"
                            .to_owned(),
                    );
                }
            },
        };
        let root = json.parse(&text).map_err(|e| format!("which is not JSON: {}", not_json(&text, &e)))?;
        self.add_document(json, root, trim(uri), &text);
        Ok(root)
    }

    fn add_document(&mut self, json: &mut Json, root: Value, uri: &str, text: &str) {
        let draft = self.default_draft;
        let declared = json.get(root, "$schema").and_then(|v| json.as_str(v)).map(str::to_owned);
        let found = declared.as_deref().map(|declared| self.draft_by_uri(json, declared));
        let known = found != Some(None);
        let (draft, validates) = found.flatten().unwrap_or((draft, true));
        self.by_uri.insert(uri.to_owned(), root);
        self.resources.insert(root, Resource { uri: uri.to_owned(), draft, validates, known });
        let has = |name: &str| text.contains(name);
        if has("\"$id\"")
            || has("\"$anchor\"")
            || has("\"$dynamicAnchor\"")
            || has("\"$recursiveAnchor\"")
            || (draft == Draft::Four && has("\"id\""))
        {
            self.scan(json, root);
        }
    }

    fn draft_by_uri(&mut self, json: &mut Json, uri: &str) -> Option<(Draft, bool)> {
        let uri = trim(uri);
        let name = uri.strip_prefix("http://").or_else(|| uri.strip_prefix("https://")).unwrap_or(uri);
        match name {
            "json-schema.org/draft-04/schema" => return Some((Draft::Four, true)),
            "json-schema.org/draft-06/schema" => return Some((Draft::Six, true)),
            "json-schema.org/draft-07/schema" => return Some((Draft::Seven, true)),
            "json-schema.org/draft/2019-09/schema" => return Some((Draft::Y2019, true)),
            "json-schema.org/draft/2020-12/schema" => return Some((Draft::Y2020, true)),
            _ => {}
        }
        // A meta-schema of the caller gives the draft that it is written in and the vocabularies
        // that it declares.
        let text = self.documents.get(uri)?.clone();
        self.dialects.insert(uri.to_owned());
        let meta = json.parse(&text).ok()?;
        let declared = json.get(meta, "$schema").and_then(|v| json.as_str(v))?;
        let name = trim(declared).rsplit_once("://").map_or(declared, |p| p.1);
        let draft = match name {
            "json-schema.org/draft/2019-09/schema" => Draft::Y2019,
            "json-schema.org/draft/2020-12/schema" => Draft::Y2020,
            _ => return None,
        };
        let validates = json
            .get(meta, "$vocabulary")
            .is_none_or(|v| json.members(v).any(|(name, _)| name.ends_with("/vocab/validation")));
        Some((draft, validates))
    }

    /// Registers the resources and anchors below a document's root.
    fn scan(&mut self, json: &mut Json, root: Value) {
        let mut queue = vec![(root, root)];
        while let Some((schema, outer)) = queue.pop() {
            if !json.is_object(schema) {
                continue;
            }
            let resource = self.scan_schema(json, schema, outer);
            let draft = self.draft(resource);
            let knows = |keyword: &str| (self.knows)(keyword, draft);
            each_subschema(json, schema, knows, |sub| queue.push((sub, resource)));
        }
    }

    fn scan_schema(&mut self, json: &mut Json, schema: Value, outer: Value) -> Value {
        let mut draft = self.draft(outer);
        let mut validates = self.validates(outer);
        let mut known = true;
        let text =
            |json: &Json, key: &str| json.get(schema, key).and_then(|v| json.as_str(v)).map(str::to_owned);
        let id_key = if draft == Draft::Four { "id" } else { "$id" };
        // Up to draft 7 a reference hides its siblings.
        if draft <= Draft::Seven && json.get(schema, "$ref").is_some() {
            return outer;
        }
        let mut resource = outer;
        if let Some(id) = text(json, id_key) {
            let (uri, fragment) = id.split_once('#').unwrap_or((&id, ""));
            if !uri.is_empty() {
                if schema == outer {
                    known = self.knows_dialect(outer);
                } else {
                    if let Some(declared) = text(json, "$schema") {
                        let found = self.draft_by_uri(json, &declared);
                        known = found.is_some();
                        (draft, validates) = found.unwrap_or((draft, validates));
                    }
                }
                let uri = join(self.uri_of(outer).unwrap_or(""), uri);
                self.by_uri.insert(uri.clone(), schema);
                self.resources.insert(schema, Resource { uri, draft, validates, known });
                resource = schema;
            }
            if !fragment.is_empty() && draft <= Draft::Seven {
                self.anchors.insert((resource, fragment.to_owned()), schema);
            }
        }
        if draft >= Draft::Y2019 {
            if let Some(anchor) = text(json, "$anchor") {
                self.anchors.insert((resource, anchor), schema);
            }
            if let Some(anchor) = text(json, "$dynamicAnchor").filter(|_| draft != Draft::Y2019) {
                self.anchors.insert((resource, anchor.clone()), schema);
                let number = self.name(anchor);
                self.dynamic.insert((resource, number), schema);
            }
            let recursive = json.get(schema, "$recursiveAnchor").map(|v| json.kind(v));
            if recursive == Some(JsonKind::Bool(true)) && schema == resource {
                let number = self.name(String::new());
                self.dynamic.insert((resource, number), schema);
            }
        }
        resource
    }

    fn name(&mut self, name: String) -> u32 {
        match self.names.iter().position(|n| *n == name) {
            Some(i) => i as u32,
            None => {
                self.names.push(name);
                self.names.len() as u32 - 1
            }
        }
    }
}

/// Calls `f` with every schema directly below `schema`, under the keywords of its draft.
fn each_subschema(json: &Json, schema: Value, knows: impl Fn(&str) -> bool, mut f: impl FnMut(Value)) {
    for (key, value) in json.members(schema).filter(|member| knows(member.0)) {
        match key {
            "properties" | "patternProperties" | "definitions" | "$defs" | "dependentSchemas"
            | "dependencies" => {
                json.members(value).for_each(|(_, v)| f(v));
            }
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => json.items(value).iter().for_each(|&v| f(v)),
            "items" => match json.kind(value) {
                JsonKind::Array { .. } => json.items(value).iter().for_each(|&v| f(v)),
                _ => f(value),
            },
            "additionalItems"
            | "additionalProperties"
            | "contains"
            | "propertyNames"
            | "not"
            | "if"
            | "then"
            | "else"
            | "unevaluatedItems"
            | "unevaluatedProperties"
            | "contentSchema" => f(value),
            _ => {}
        }
    }
}

fn trim(uri: &str) -> &str {
    uri.strip_suffix('#').unwrap_or(uri)
}

/// The text after percent-decoding, or unchanged if the result is not UTF-8.
fn decode_percent(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = bytes.get(i + 1..i + 3).and_then(|h| std::str::from_utf8(h).ok());
        match (bytes[i], hex.and_then(|h| u8::from_str_radix(h, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                i += 3;
            }
            (byte, _) => {
                out.push(byte);
                i += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// The parts of a URI reference without fragment: scheme, authority, path, query.
fn split(uri: &str) -> (Option<&str>, Option<&str>, &str, Option<&str>) {
    let (scheme, rest) = match uri.split_once(':') {
        Some((s, rest))
            if !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) =>
        {
            (Some(s), rest)
        }
        _ => (None, uri),
    };
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            (scheme, Some(&rest[..end]), &rest[end..], query)
        }
        None => (scheme, None, rest, query),
    }
}

/// The URI of a reference relative to a base, by RFC 3986 §5.2 without fragments.
fn join(base: &str, reference: &str) -> String {
    let (scheme, authority, path, query) = split(reference);
    let (base_scheme, base_authority, base_path, base_query) = split(base);
    let write = |scheme: Option<&str>, authority: Option<&str>, path: &str, query: Option<&str>| {
        let mut uri = String::new();
        if let Some(scheme) = scheme {
            uri.push_str(scheme);
            uri.push(':');
        }
        if let Some(authority) = authority {
            uri.push_str("//");
            uri.push_str(authority);
        }
        uri.push_str(path);
        if let Some(query) = query {
            uri.push('?');
            uri.push_str(query);
        }
        uri
    };
    if scheme.is_some() {
        return write(scheme, authority, &without_dots(path), query);
    }
    if authority.is_some() {
        return write(base_scheme, authority, &without_dots(path), query);
    }
    if path.is_empty() {
        return write(base_scheme, base_authority, base_path, query.or(base_query));
    }
    if path.starts_with('/') {
        return write(base_scheme, base_authority, &without_dots(path), query);
    }
    let merged = if base_authority.is_some() && base_path.is_empty() {
        format!("/{path}")
    } else {
        format!("{}{path}", base_path.rfind('/').map_or("", |i| &base_path[..=i]))
    };
    write(base_scheme, base_authority, &without_dots(&merged), query)
}

/// The path without `.` and `..` segments, by RFC 3986 §5.2.4.
fn without_dots(path: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    let parts: Vec<&str> = path.split('/').collect();
    for (i, &part) in parts.iter().enumerate() {
        let last = i + 1 == parts.len();
        match part {
            "." if last => out.push(""),
            "." => {}
            ".." => {
                if out.len() > 1 || out.first().is_some_and(|p| !p.is_empty()) {
                    out.pop();
                }
                if last {
                    out.push("");
                }
            }
            _ => out.push(part),
        }
    }
    out.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 3986 §5.4.
    #[test]
    fn joins_as_the_rfc_says() {
        let base = "http://a/b/c/d;p?q";
        for (reference, want) in [
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("./g/.", "http://a/b/c/g/"),
            ("g/./h", "http://a/b/c/g/h"),
            ("g/../h", "http://a/b/c/h"),
        ] {
            assert_eq!(join(base, reference), want, "{reference}");
        }
        assert_eq!(join("", "item.json"), "item.json");
        assert_eq!(join("urn:uuid:1", "urn:x:y"), "urn:x:y");
        assert_eq!(decode_percent("a%25b%2Fc%"), "a%b/c%");
    }
}
