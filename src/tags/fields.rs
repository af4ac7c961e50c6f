//! The fields of a JSON object. Each is taken once, and a field that is left over is an error.

use super::error::fault;
use crate::grammar::CompileError;
use crate::syntax::similar;
use serde_json::{Map, Value};
use std::sync::Arc;

/// The fields of one object that are not taken yet.
pub(super) struct Fields<'v> {
    object: &'v Map<String, Value>,
    taken: Vec<&'static str>,
    /// The object's place.
    pub pointer: String,
}

impl<'v> Fields<'v> {
    pub fn of(value: &'v Value, pointer: &str, what: &str) -> Result<Self, CompileError> {
        match value {
            Value::Object(object) => Ok(Fields { object, taken: Vec::new(), pointer: pointer.to_owned() }),
            other => Err(fault(pointer, format!("{what} must be an object, and not {}", kind(other)))),
        }
    }

    /// The place of a field.
    pub fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.pointer)
    }

    /// The field, or `None` where it is absent or null.
    pub fn take(&mut self, name: &'static str) -> Option<&'v Value> {
        self.taken.push(name);
        self.object.get(name).filter(|value| !value.is_null())
    }

    pub fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    pub fn need(&mut self, name: &'static str) -> Result<&'v Value, CompileError> {
        self.take(name).ok_or_else(|| fault(&self.pointer, format!("`{name}` is missing")))
    }

    fn wrong(&self, name: &str, must: &str, value: &Value) -> CompileError {
        fault(&self.at(name), format!("`{name}` must be {must}, and not {}", kind(value)))
    }

    pub fn text(&mut self, name: &'static str) -> Result<Option<&'v str>, CompileError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(name, "a string", other)),
        }
    }

    pub fn need_text(&mut self, name: &'static str) -> Result<&'v str, CompileError> {
        let value = self.need(name)?;
        value.as_str().ok_or_else(|| self.wrong(name, "a string", value))
    }

    pub fn flag(&mut self, name: &'static str, default: bool) -> Result<bool, CompileError> {
        match self.take(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.wrong(name, "true or false", other)),
        }
    }

    /// A whole number of at least 0 that fits into 31 bits.
    pub fn count(&mut self, name: &'static str) -> Result<Option<u32>, CompileError> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => match value.as_u64().filter(|&count| count < 1 << 31) {
                Some(count) => Ok(Some(count as u32)),
                None => {
                    let what =
                        format!("`{name}` must be a whole number from 0 to 2147483647, and not {value}");
                    Err(fault(&self.at(name), what))
                }
            },
        }
    }

    pub fn list(&mut self, name: &'static str) -> Result<Option<&'v [Value]>, CompileError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(self.wrong(name, "a list", other)),
        }
    }

    pub fn need_list(&mut self, name: &'static str) -> Result<&'v [Value], CompileError> {
        match self.list(name)? {
            None => Err(fault(&self.pointer, format!("`{name}` is missing"))),
            Some([]) => Err(fault(&self.at(name), format!("`{name}` is empty"))),
            Some(items) => Ok(items),
        }
    }

    /// A list of texts that are not empty.
    pub fn texts(&mut self, name: &'static str) -> Result<Vec<Arc<str>>, CompileError> {
        let items = self.list(name)?.unwrap_or_default();
        let text = |(i, item): (usize, &Value)| match item.as_str() {
            Some("") => {
                let what = "this text is empty, and would be found everywhere";
                Err(fault(&format!("{}/{i}", self.at(name)), what).help("remove it, or write the text"))
            }
            Some(text) => Ok(Arc::from(text)),
            None => {
                let what = format!("`{name}` must hold strings, and not {}", kind(item));
                Err(fault(&format!("{}/{i}", self.at(name)), what))
            }
        };
        items.iter().enumerate().map(text).collect()
    }

    /// Fails if fields were not taken, unless unknown fields are to be ignored.
    pub fn finish(self, ignore: bool) -> Result<(), CompileError> {
        let unknown = self.object.keys().find(|name| !self.taken.contains(&name.as_str()));
        match unknown {
            Some(name) if !ignore => {
                let error = fault(&self.pointer, format!("`{name}` is no field here"));
                Err(match similar(name, self.taken.iter().copied()) {
                    Some(other) => error.help(format!("did you mean `{other}`?")),
                    None => error.help(format!("there are {}", listed(&self.taken))),
                })
            }
            _ => Ok(()),
        }
    }
}

fn listed(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// The kind of a JSON value, as messages name it.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
