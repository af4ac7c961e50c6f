//! Grammars: `hr_grammar`, from patterns, lists of choices and texts of rules. Grammars from JSON
//! Schemas are made in [`schema`](super::schema).
//!
//! Unsafe code: entry points that take pointers; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, CallError};
use super::enumeration::enumeration;
use super::error::hr_error;
use super::interrupt::{self, hr_interrupt};
use super::status::hr_status;
use super::vocab::hr_text;
use crate::grammar::{CompileError, CompileErrorKind, Grammar, Location};
use crate::schema::SchemaWarning;
use crate::syntax::regex::{self, Dialect};
use crate::syntax::{Notation, choice, lark};
use crate::tags::{self, TagOptions};
use std::ffi::c_char;
use std::sync::Arc;

/// The set of allowed outputs. Made by one of the hr_grammar_from_... functions, freed by
/// hr_grammar_free().
///
/// It never changes: any number of threads may use it at once. It knows no tokens:
/// hr_constraint_new() ties it to a vocabulary. It may be freed at any time.
#[derive(Clone)]
pub struct hr_grammar {
    pub(super) grammar: Grammar,
    warnings: Arc<[Warning]>,
}

/// A warning about a JSON Schema, as the texts that `hr_grammar_warning` gives.
struct Warning {
    message: String,
    pointer: String,
    keyword: String,
}

impl From<Grammar> for hr_grammar {
    fn from(grammar: Grammar) -> Self {
        hr_grammar { grammar, warnings: Arc::default() }
    }
}

impl From<(Grammar, Vec<SchemaWarning>)> for hr_grammar {
    fn from((grammar, warnings): (Grammar, Vec<SchemaWarning>)) -> Self {
        let warnings = warnings.into_iter().map(|warning| Warning {
            message: warning.to_string(),
            pointer: without_fragment_sign(&warning.pointer),
            keyword: warning.keyword,
        });
        hr_grammar { grammar, warnings: warnings.collect() }
    }
}

/// A JSON pointer as C callers get it: `/a`. The library writes pointers as fragments: `#/a`.
fn without_fragment_sign(pointer: &str) -> String {
    pointer.strip_prefix('#').unwrap_or(pointer).to_owned()
}

enumeration! {
    /// The syntax of a regular expression.
    hr_regex_dialect for Dialect {
        /// ECMA-262 (JavaScript) with the flag u, as JSON Schema prescribes.
        HR_REGEX_DIALECT_ECMA262 = 0,
        /// The syntax of the Rust crate regex: Unicode classes, inline flags, operations on
        /// classes.
        HR_REGEX_DIALECT_RUST = 1,
    }
}

enumeration! {
    /// The notation of a grammar's rules.
    hr_grammar_notation for Notation {
        /// llama.cpp's GBNF; outputs start from the rule root.
        HR_GRAMMAR_NOTATION_GBNF = 0,
        /// EBNF as the W3C or as ISO 14977 writes it; outputs start from the first rule.
        HR_GRAMMAR_NOTATION_EBNF = 1,
        /// The notation of the Python library Lark, with terminals that its lexer finds; outputs
        /// start from the rule start.
        HR_GRAMMAR_NOTATION_LARK = 2,
    }
}

impl From<CompileError> for CallError {
    fn from(error: CompileError) -> Self {
        let status = match error.kind() {
            CompileErrorKind::Interrupted(why) => return why.into(),
            CompileErrorKind::Limit => hr_status::HR_ERROR_LIMIT,
            CompileErrorKind::Option => hr_status::HR_ERROR_INVALID_ARGUMENT,
            CompileErrorKind::Syntax
            | CompileErrorKind::Unsupported
            | CompileErrorKind::Reference
            | CompileErrorKind::Empty => hr_status::HR_ERROR_GRAMMAR,
        };
        let mut failure = CallError::from_error(status, &error);
        match error.location() {
            Some(&Location::Text { line, column, .. }) => failure.position = Some((line, column)),
            Some(Location::Json { pointer, .. }) => failure.pointer = Some(without_fragment_sign(pointer)),
            None => {}
        }
        failure
    }
}

/// A caller's text, and the name of the parameter that holds it.
pub(super) struct SourceText {
    pub(super) name: &'static str,
    pub(super) text: *const c_char,
    pub(super) len: usize,
}

/// Makes a grammar from a text, which `compile` compiles under the interrupt. Relies on the
/// promises of the pointers.
pub(super) unsafe fn create_from_text<G: Into<hr_grammar>>(
    source: SourceText,
    interrupt: *const hr_interrupt,
    out: *mut *mut hr_grammar,
    error: *mut *mut hr_error,
    compile: impl FnOnce(&str) -> Result<G, CallError>,
) -> hr_status {
    let make = || unsafe {
        let text = boundary::text(source.text, source.len, source.name)?;
        Ok(interrupt::read(interrupt)?.scope(|| compile(text))??.into())
    };
    unsafe { boundary::create_object(out, error, make) }
}

/// Compiles a regular expression: the whole output must match it, from its beginning to its end.
/// interrupt may be NULL. hr_error_location() gives the place of an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_grammar_from_regex(
    pattern: *const c_char,
    pattern_len: usize,
    dialect: hr_regex_dialect,
    interrupt: *const hr_interrupt,
    out: *mut *mut hr_grammar,
    error: *mut *mut hr_error,
) -> hr_status {
    let source = SourceText { name: "pattern", text: pattern, len: pattern_len };
    let compile = |pattern: &str| Ok(regex::compile(pattern, dialect.get("dialect")?)?);
    unsafe { create_from_text(source, interrupt, out, error, compile) }
}

/// Compiles a grammar written as rules: the whole output must follow it. interrupt may be NULL.
/// hr_error_location() gives the place of an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_grammar_from_rules(
    rules: *const c_char,
    rules_len: usize,
    notation: hr_grammar_notation,
    interrupt: *const hr_interrupt,
    out: *mut *mut hr_grammar,
    error: *mut *mut hr_error,
) -> hr_status {
    let source = SourceText { name: "rules", text: rules, len: rules_len };
    let compile = |rules: &str| Ok(notation.get("notation")?.compile_with_warnings(rules)?);
    unsafe { create_from_text(source, interrupt, out, error, compile) }
}

/// A grammar in Lark's notation from which another one imports.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_lark_module {
    /// Its name, with dots between its parts: "%import my.numbers.INT" reads from "my.numbers".
    pub name: hr_text,
    /// Its text.
    pub text: hr_text,
}

/// Compiles a grammar in Lark's notation: the whole output must follow it. Outputs start from the
/// rule named by start, or from the rule called start if that is empty. Imports are read from
/// modules; Lark's module common is always known. interrupt may be NULL. hr_grammar_warning() tells
/// the parts of its schemas (%json) that have no effect.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_grammar_from_lark(
    rules: *const c_char,
    rules_len: usize,
    start: hr_text,
    modules: *const hr_lark_module,
    module_count: usize,
    interrupt: *const hr_interrupt,
    out: *mut *mut hr_grammar,
    error: *mut *mut hr_error,
) -> hr_status {
    let source = SourceText { name: "rules", text: rules, len: rules_len };
    let compile = |rules: &str| unsafe {
        let mut options = lark::Options::default();
        let start = start.get("start")?;
        if !start.is_empty() {
            options = options.start(start);
        }
        for module in boundary::slice(modules, module_count, "modules")? {
            options = options.module(module.name.get("a module's name")?, module.text.get("a module")?);
        }
        Ok(lark::compile_with_warnings(rules, &options)?)
    };
    unsafe { create_from_text(source, interrupt, out, error, compile) }
}

/// Compiles a structural tag, given as JSON: free text with schemas, grammars and patterns between
/// markers. docs/tools.md describes the formats. interrupt may be NULL. hr_grammar_warning() tells
/// the parts of its schemas that have no effect.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_grammar_from_structural_tag(
    tag: *const c_char,
    tag_len: usize,
    interrupt: *const hr_interrupt,
    out: *mut *mut hr_grammar,
    error: *mut *mut hr_error,
) -> hr_status {
    let source = SourceText { name: "tag", text: tag, len: tag_len };
    let compile = |tag: &str| Ok(tags::compile_with_warnings(&tags::parse(tag)?, &TagOptions::default())?);
    unsafe { create_from_text(source, interrupt, out, error, compile) }
}

/// The grammar of exactly the given texts, of which there may be tens of thousands. interrupt may
/// be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_grammar_from_choices(
    choices: *const hr_text,
    count: usize,
    interrupt: *const hr_interrupt,
    out: *mut *mut hr_grammar,
    error: *mut *mut hr_error,
) -> hr_status {
    let make = || unsafe {
        let choices = boundary::slice(choices, count, "choices")?;
        let texts: Result<Vec<&str>, CallError> = choices.iter().map(|text| text.get("a choice")).collect();
        let texts = texts?;
        Ok(interrupt::read(interrupt)?.scope(|| choice::compile(&texts))??.into())
    };
    unsafe { boundary::create_object(out, error, make) }
}

/// Number of warnings about the JSON Schemas from which the grammar was made, also those of tools,
/// in structural tags and in Lark grammars: keywords without effect, or with another effect than
/// they seem to have. 0 for other grammars, and for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_grammar_warning_count(grammar: *const hr_grammar) -> usize {
    boundary::return_value_or(0, || Some(unsafe { grammar.as_ref() }?.warnings.len()))
}

/// The warning index, counted from 0. Returns false, and changes nothing, if there is none.
///
/// message becomes the whole warning, pointer the JSON pointer to the place in the text, and
/// keyword the keyword there. Any of the three may be NULL. The texts are not NUL-terminated, and
/// live as long as this handle or any other to the same grammar.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hr_grammar_warning(
    grammar: *const hr_grammar,
    index: usize,
    message: *mut hr_text,
    pointer: *mut hr_text,
    keyword: *mut hr_text,
) -> bool {
    boundary::return_value_or(false, || {
        let warning = unsafe { grammar.as_ref() }?.warnings.get(index)?;
        unsafe {
            boundary::write_if_not_null(message, hr_text::lend(&warning.message));
            boundary::write_if_not_null(pointer, hr_text::lend(&warning.pointer));
            boundary::write_if_not_null(keyword, hr_text::lend(&warning.keyword));
        }
        Some(true)
    })
}
