//! Mutable lists for chat templates, as in Python: `ids.append(id)` changes `ids`.
//!
//! Lists in minijinja are immutable. Templates change only lists that they keep in a `namespace` or
//! name by `set`. So these lists become the mutable [`List`], and all others stay as they are.
//!
//! A list holds copies of the values that it is given, so no list is ever a part of itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::value::{Enumerator, Kwargs, Object, ObjectRepr, Value, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State};

/// Largest number of items of a list, and of all items in a copied value.
const MAX_ITEMS: usize = 100_000;
/// Largest depth of a copied value.
const MAX_DEPTH: usize = 64;

/// A mutable list.
#[derive(Debug, Default)]
struct List(Mutex<Vec<Value>>);

impl List {
    fn items(&self) -> MutexGuard<'_, Vec<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.items().get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.items().clone())
    }

    fn call_method(
        self: &Arc<Self>,
        state: &State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "append" => {
                let (item,): (Value,) = from_args(args)?;
                let end = self.items().len();
                self.insert(end, vec![item])
            }
            "extend" => {
                let (items,): (Value,) = from_args(args)?;
                let items = items.try_iter()?.take(MAX_ITEMS + 1).collect();
                let end = self.items().len();
                self.insert(end, items)
            }
            "insert" => {
                let (at, item): (i64, Value) = from_args(args)?;
                let at = place(at, self.items().len());
                self.insert(at, vec![item])
            }
            "pop" => {
                let (at,): (Option<i64>,) = from_args(args)?;
                let mut items = self.items();
                let len = items.len();
                let at = place(at.unwrap_or(-1), len);
                match at < len {
                    true => Ok(items.remove(at)),
                    false => Err(fault("`pop` finds no item there".to_owned())),
                }
            }
            "clear" => {
                from_args::<()>(args)?;
                self.items().clear();
                Ok(Value::from(()))
            }
            "reverse" => {
                from_args::<()>(args)?;
                self.items().reverse();
                Ok(Value::from(()))
            }
            // All other methods change nothing, so those of immutable lists serve.
            _ => {
                let items = Value::from(self.items().clone());
                minijinja_contrib::pycompat::unknown_method_callback(state, &items, method, args)
            }
        }
    }
}

impl List {
    fn insert(&self, at: usize, new: Vec<Value>) -> Result<Value, Error> {
        let mut left = MAX_ITEMS;
        let new = new.iter().map(|item| copy(item, MAX_DEPTH, &mut left)).collect::<Result<Vec<_>, _>>()?;
        let mut items = self.items();
        if items.len() + new.len() > MAX_ITEMS {
            return Err(fault(format!("a list has more than {MAX_ITEMS} items")));
        }
        let at = at.min(items.len());
        items.splice(at..at, new);
        Ok(Value::from(()))
    }
}

/// The index that `at` means in a list of `len` items; negative numbers count from its end.
fn place(at: i64, len: usize) -> usize {
    match usize::try_from(at) {
        Ok(at) => at,
        Err(_) => len.saturating_sub(usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX)),
    }
}

/// A copy in which every mutable list is replaced by an immutable one.
fn copy(value: &Value, depth: usize, left: &mut usize) -> Result<Value, Error> {
    *left = left.checked_sub(1).ok_or_else(|| fault(format!("a value has more than {MAX_ITEMS} items")))?;
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map if depth == 0 => {
            Err(fault(format!("a value is nested more than {MAX_DEPTH} levels deep")))
        }
        ValueKind::Seq | ValueKind::Iterable => value
            .try_iter()?
            .map(|item| copy(&item, depth - 1, left))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::from),
        ValueKind::Map => {
            let keys = value.try_iter()?;
            let pairs = keys.map(|key| Ok((key.clone(), copy(&value.get_item(&key)?, depth - 1, left)?)));
            pairs.collect::<Result<Vec<(Value, Value)>, Error>>().map(|pairs| pairs.into_iter().collect())
        }
        _ => Ok(value.clone()),
    }
}

fn fault(what: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, what)
}

/// Makes a mutable list of a list; returns any other value unchanged.
pub(super) fn list(value: Value) -> Result<Value, Error> {
    if value.kind() != ValueKind::Seq {
        return Ok(value);
    }
    let list = List::default();
    list.insert(0, value.try_iter()?.take(MAX_ITEMS + 1).collect())?;
    Ok(Value::from_object(list))
}

/// The function `namespace`. Lists among its values become mutable.
pub(super) fn namespace(defaults: Option<Value>, named: Kwargs) -> Result<Value, Error> {
    let mut pairs: Vec<(Value, Value)> = Vec::new();
    if let Some(defaults) = defaults {
        if defaults.kind() != ValueKind::Map {
            return Err(fault(format!("`namespace` takes an object, and not a {}", defaults.kind())));
        }
        for key in defaults.try_iter()? {
            pairs.push((key.clone(), list(defaults.get_item(&key)?)?));
        }
    }
    for name in named.args() {
        pairs.push((Value::from(name), list(named.get(name)?)?));
    }
    named.assert_all_used()?;
    minijinja::functions::namespace(Some(pairs.into_iter().collect()))
}

/// The name of [`list`] in templates; see [`with_mutable_lists`].
pub(super) const LIST: &str = "__list";

/// Makes the list of a `set` tag mutable: `set ids = [1]` becomes `set ids = __list([1])`. Takes
/// and returns the text between `{%` and `%}`. Returns `None` for any other tag.
pub(super) fn with_mutable_lists(tag: &str) -> Option<String> {
    let inner = tag.trim_matches(['-', '+', ' ', '\t', '\n', '\r']);
    let (name, value) = inner.strip_prefix("set ")?.split_once('=')?;
    let is_name = name.trim().chars().all(|c| c.is_alphanumeric() || "_.".contains(c));
    let value = value.trim();
    if !is_name || !value.starts_with('[') || !value.ends_with(']') {
        return None;
    }
    Some(tag.replacen(value, &format!("{LIST}({value})"), 1))
}
