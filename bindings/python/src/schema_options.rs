//! The options of JSON Schemas as keyword arguments.
//!
//! Policies are their names, the same as on the command line. Values are checked when a grammar is
//! described, before anything is compiled.

use super::error::CallError;
use super::token::Whole;
use hedgerow::schema::Whitespace;
use hedgerow::{SchemaOptions, UnknownName};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::BTreeMap;
use std::str::FromStr;

/// Names of `whitespace`, the default first.
const WHITESPACE: &[(&str, Whitespace)] = &[
    ("flexible", Whitespace::Flexible),
    ("unlimited", Whitespace::Unlimited),
    ("compact", Whitespace::Compact),
];

/// The value that a policy of the library has under that name.
pub fn policy<T: FromStr<Err = UnknownName>>(option: &str, given: &str) -> Result<T, CallError> {
    given.parse().map_err(|error: UnknownName| refused(option, given, error.names()))
}

fn refused(option: &str, given: &str, names: &[&str]) -> CallError {
    let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    CallError::argument(format!("{option} is {given:?}; it must be {}", names.join(" or ")))
}

/// The most spaces that a level of nesting may be indented by.
const MAX_INDENT: u64 = 16;

/// The value of that name.
pub fn choose<T: Clone>(option: &str, given: &str, names: &[(&str, T)]) -> Result<T, CallError> {
    let found = names.iter().find(|(name, _)| *name == given).map(|(_, value)| value.clone());
    found.ok_or_else(|| refused(option, given, &names.iter().map(|known| known.0).collect::<Vec<_>>()))
}

macro_rules! policies {
    ($($name:ident),* $(,)?) => {
        /// The options as they were given.
        #[derive(Clone, PartialEq, Eq, Hash, Debug)]
        pub struct SchemaArguments {
            $($name: String,)*
            whitespace: String,
            separators: Option<(String, String)>,
            indent: Option<u8>,
            whitespace_pattern: Option<String>,
            documents: BTreeMap<String, String>,
            fuel: u64,
            surrounding_whitespace: bool,
            max_string_length: Option<u32>,
            max_items: Option<u32>,
            max_digits: Option<u32>,
        }

        impl Default for SchemaArguments {
            fn default() -> Self {
                SchemaArguments {
                    $($name: SchemaOptions::default().$name.name().to_owned(),)*
                    whitespace: WHITESPACE[0].0.to_owned(),
                    separators: None,
                    indent: None,
                    whitespace_pattern: None,
                    documents: BTreeMap::new(),
                    fuel: SchemaOptions::DEFAULT_FUEL,
                    surrounding_whitespace: false,
                    max_string_length: None,
                    max_items: None,
                    max_digits: None,
                }
            }
        }

        /// The names that an option may have as its value.
        fn names_of(option: &str) -> Vec<&'static str> {
            match option {
                $(stringify!($name) => names_like(SchemaOptions::default().$name),)*
                _ => WHITESPACE.iter().map(|(name, _)| *name).collect(),
            }
        }

        impl SchemaArguments {
            /// Sets one option.
            fn set(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
                match name {
                    $(stringify!($name) => self.$name = word(name, value)?,)*
                    "whitespace" => self.whitespace = word(name, value)?,
                    "separators" => {
                        let refused = |_| wrong(name, value, "two strings, such as (\",\", \":\")");
                        self.separators = value.extract().map_err(refused)?;
                    }
                    "indent" => self.indent = indent(value)?,
                    "whitespace_pattern" => self.whitespace_pattern = value.extract()?,
                    "documents" => self.documents = documents(value)?,
                    "fuel" => self.fuel = value.extract::<Whole<'_>>()?.within("fuel", u64::MAX)?,
                    "surrounding_whitespace" => {
                        let refused = |_| wrong(name, value, "True or False");
                        self.surrounding_whitespace = value.extract().map_err(refused)?;
                    }
                    "max_string_length" => self.max_string_length = limit(name, value)?,
                    "max_items" => self.max_items = limit(name, value)?,
                    "max_digits" => self.max_digits = limit(name, value)?,
                    _ => {
                        let said = format!("JSON Schemas have no option {name:?}");
                        return Err(PyTypeError::new_err(said));
                    }
                }
                Ok(())
            }

            /// The options that are not the default's, by name.
            pub fn changed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
                let (plain, given) = (Self::default(), PyDict::new(py));
                $(if self.$name != plain.$name {
                    given.set_item(stringify!($name), &self.$name)?;
                })*
                if self.whitespace != plain.whitespace {
                    given.set_item("whitespace", &self.whitespace)?;
                }
                if let Some(separators) = &self.separators {
                    given.set_item("separators", separators)?;
                }
                if let Some(indent) = self.indent {
                    given.set_item("indent", indent)?;
                }
                if let Some(pattern) = &self.whitespace_pattern {
                    given.set_item("whitespace_pattern", pattern)?;
                }
                if !self.documents.is_empty() {
                    given.set_item("documents", &self.documents)?;
                }
                if self.fuel != plain.fuel {
                    given.set_item("fuel", self.fuel)?;
                }
                if self.surrounding_whitespace {
                    given.set_item("surrounding_whitespace", true)?;
                }
                let caps = [
                    ("max_string_length", self.max_string_length),
                    ("max_items", self.max_items),
                    ("max_digits", self.max_digits),
                ];
                for (name, cap) in caps {
                    if let Some(cap) = cap {
                        given.set_item(name, cap)?;
                    }
                }
                Ok(given)
            }

            /// The options as the library takes them.
            pub fn options(&self) -> Result<SchemaOptions, CallError> {
                let mut options = SchemaOptions::default()
                    .whitespace(self.spaces()?)
                    .fuel(self.fuel)
                    .surrounding_whitespace(self.surrounding_whitespace);
                options.max_string_length = self.max_string_length;
                options.max_items = self.max_items;
                options.max_digits = self.max_digits;
                $(options = options.$name(policy(stringify!($name), &self.$name)?);)*
                for (uri, text) in &self.documents {
                    options = options.document(uri, text);
                }
                Ok(options)
            }
        }
    };
}

policies! {
    key_order,
    additional_properties,
    escapes,
    unique_keys,
    numbers,
    format,
    content_encoding,
    unknown_format,
    strictness,
    default_draft,
}

impl SchemaArguments {
    /// The options in keyword arguments.
    pub fn read(given: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut arguments = Self::default();
        for (name, value) in given.into_iter().flatten() {
            arguments.set(&name.extract::<String>()?, &value)?;
        }
        Ok(arguments)
    }

    /// The name of the option that tells of the whitespace.
    pub fn whitespace_option(&self) -> &'static str {
        match (&self.separators, &self.whitespace_pattern) {
            (Some(_), _) => "separators",
            (_, Some(_)) => "whitespace_pattern",
            _ => "whitespace",
        }
    }

    /// The whitespace, which four options tell of.
    fn spaces(&self) -> Result<Whitespace, CallError> {
        let named = choose("whitespace", &self.whitespace, WHITESPACE)?;
        let given = [
            named != Whitespace::Flexible,
            self.separators.is_some(),
            self.indent.is_some(),
            self.whitespace_pattern.is_some(),
        ];
        if given.into_iter().filter(|&given| given).count() > 1 {
            let said = "give only one of whitespace, separators, indent and whitespace_pattern";
            return Err(CallError::argument(said.to_owned()));
        }
        Ok(match (&self.separators, self.indent, &self.whitespace_pattern) {
            (Some((item, key)), ..) => Whitespace::Exact { item: item.clone(), key: key.clone() },
            (_, Some(indent), _) => Whitespace::Pretty(indent),
            (_, _, Some(pattern)) => Whitespace::Pattern(pattern.clone()),
            _ => named,
        })
    }
}

/// The names of the values that a policy has beside this one. No name is empty.
fn names_like<T: FromStr<Err = UnknownName>>(_: T) -> Vec<&'static str> {
    "".parse::<T>().err().map_or(Vec::new(), |unknown| unknown.names().to_vec())
}

/// The name of a policy. The message about anything else has the names that there are.
fn word(option: &str, given: &Bound<'_, PyAny>) -> PyResult<String> {
    given.extract().map_err(|_| {
        let names = names_of(option).iter().map(|name| format!("{name:?}")).collect::<Vec<_>>();
        wrong(option, given, &names.join(" or "))
    })
}

/// The error for a value of another type.
fn wrong(option: &str, given: &Bound<'_, PyAny>, expected: &str) -> PyErr {
    let given = given.repr().map_or_else(|_| given.get_type().to_string(), |text| text.to_string());
    PyTypeError::new_err(format!("{option} is {given}; it must be {expected}"))
}

/// The spaces of a level of nesting, or None.
fn indent(given: &Bound<'_, PyAny>) -> PyResult<Option<u8>> {
    let spaces = given.extract::<Option<Whole<'_>>>()?;
    spaces.map(|spaces| Ok(spaces.within("indent", MAX_INDENT)? as u8)).transpose()
}

/// A limit on a size, or None.
fn limit(name: &str, given: &Bound<'_, PyAny>) -> PyResult<Option<u32>> {
    let most = given.extract::<Option<Whole<'_>>>()?;
    most.map(|most| Ok(most.within(name, u64::from(u32::MAX))? as u32)).transpose()
}

/// Documents by URI; values that are no text are written as JSON.
fn documents(given: &Bound<'_, PyAny>) -> PyResult<BTreeMap<String, String>> {
    let to_text = given.py().import("hedgerow._schema")?.getattr("to_text")?;
    let mut documents = BTreeMap::new();
    if given.is_none() {
        return Ok(documents);
    }
    for (uri, document) in given.cast::<PyDict>()? {
        documents.insert(uri.extract()?, to_text.call1((document,))?.extract()?);
    }
    Ok(documents)
}
