//! Grammars: `hr_grammar`, from patterns, lists of choices and texts of rules. From JSON Schemas: [`schema`](super::schema).
//!
//! Unsafe code: entry points that take pointers; see [`boundary`].
#![allow(unsafe_code)]

use super::boundary::{self, Failure};
use super::error::hr_error;
use super::interrupt::{self, hr_interrupt};
use super::options::choose;
use super::status::hr_status;
use super::vocab::hr_text;
use crate::grammar::{Grammar, GrammarError};
use crate::syntax::regex::{self, Dialect, PatternError};
use crate::syntax::{choice, lark, Notation, SyntaxError, SyntaxErrorKind};
use std::ffi::c_char;

/// What an output may look like. Made by one of the hr_grammar_from_... functions, freed by hr_grammar_free().
///
/// It never changes: any number of threads may use it at once. It knows no tokens: hr_constraint_new() ties it to a vocabulary,
/// and it may be freed at any time.
pub struct hr_grammar(pub(super) Grammar);

/// The syntax a regular expression is written in.
#[repr(u32)]
#[derive(Clone, Copy)]
pub enum hr_regex_dialect {
    /// ECMA-262 (JavaScript) with the flag u, as JSON Schema prescribes.
    HR_REGEX_DIALECT_ECMA262 = 0,
    /// That of the Rust crate regex: Unicode classes, inline flags, operations on classes.
    HR_REGEX_DIALECT_RUST = 1,
}

type hr_regex_dialect_number = u32;

impl From<PatternError> for Failure {
    fn from(error: PatternError) -> Self {
        match error {
            PatternError::Grammar(error) => error.into(),
            error => Failure::of(hr_status::HR_ERROR_GRAMMAR, &error),
        }
    }
}

/// The notation a grammar's rules are written in.
#[repr(u32)]
#[derive(Clone, Copy)]
pub enum hr_grammar_notation {
    /// llama.cpp's GBNF; outputs start from the rule root.
    HR_GRAMMAR_NOTATION_GBNF = 0,
    /// EBNF as the W3C or as ISO 14977 writes it; outputs start from the first rule.
    HR_GRAMMAR_NOTATION_EBNF = 1,
    /// That of the Python library Lark, with terminals that its lexer finds; outputs start from the rule start.
    HR_GRAMMAR_NOTATION_LARK = 2,
}

type hr_grammar_notation_number = u32;

impl From<SyntaxError> for Failure {
    fn from(error: SyntaxError) -> Self {
        use SyntaxErrorKind::{Count, Length, Nesting};
        let status = match error.kind() {
            SyntaxErrorKind::Grammar(GrammarError::Interrupted(why)) => return (*why).into(),
            Nesting { .. }
            | Length { .. }
            | Count { .. }
            | SyntaxErrorKind::Grammar(GrammarError::Limit { .. }) => hr_status::HR_ERROR_LIMIT,
            _ => hr_status::HR_ERROR_GRAMMAR,
        };
        let mut failure = Failure::of(status, &error);
        failure.position = Some((error.line(), error.column()));
        failure
    }
}

/// Compiles a regular expression: the whole output must match it, from its beginning to its end.
/// interrupt may be NULL.
#[no_mangle]
pub unsafe extern "C" fn hr_grammar_from_regex(
    pattern: *const c_char,
    pattern_len: usize,
    dialect: hr_regex_dialect_number,
    interrupt: *const hr_interrupt,
    out: *mut *mut hr_grammar,
    error: *mut *mut hr_error,
) -> hr_status {
    use hr_regex_dialect::*;
    let body = || unsafe {
        let out = boundary::out(out, "out")?;
        let pattern = boundary::text(pattern, pattern_len, "pattern")?;
        let dialects = [
            (HR_REGEX_DIALECT_ECMA262 as u32, Dialect::Ecma262),
            (HR_REGEX_DIALECT_RUST as u32, Dialect::Rust),
        ];
        let dialect = choose(dialect, "dialect", &dialects)?;
        let interrupt = interrupt::read(interrupt)?;
        out.object(hr_grammar(interrupt.scope(|| regex::compile(pattern, dialect))??));
        Ok(())
    };
    unsafe { boundary::guard(error, body) }
}

/// Compiles a grammar written as rules: the whole output must follow it. hr_error_location() says where a text is wrong.
/// interrupt may be NULL.
#[no_mangle]
pub unsafe extern "C" fn hr_grammar_from_rules(
    rules: *const c_char,
    rules_len: usize,
    notation: hr_grammar_notation_number,
    interrupt: *const hr_interrupt,
    out: *mut *mut hr_grammar,
    error: *mut *mut hr_error,
) -> hr_status {
    use hr_grammar_notation::*;
    let body = || unsafe {
        let out = boundary::out(out, "out")?;
        let rules = boundary::text(rules, rules_len, "rules")?;
        let notations = [
            (HR_GRAMMAR_NOTATION_GBNF as u32, Notation::Gbnf),
            (HR_GRAMMAR_NOTATION_EBNF as u32, Notation::Ebnf),
            (HR_GRAMMAR_NOTATION_LARK as u32, Notation::Lark),
        ];
        let notation = choose(notation, "notation", &notations)?;
        let interrupt = interrupt::read(interrupt)?;
        out.object(hr_grammar(interrupt.scope(|| notation.compile(rules))??));
        Ok(())
    };
    unsafe { boundary::guard(error, body) }
}

/// A grammar in Lark's notation that another one imports from.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hr_lark_module {
    /// Its name, with dots between its parts: "%import my.numbers.INT" reads from "my.numbers".
    pub name: hr_text,
    /// Its text.
    pub text: hr_text,
}

/// Compiles a grammar in Lark's notation: the whole output must follow it. Outputs start from the
/// rule named by start; if that is empty, from the rule called start. Imports read from modules; Lark's module common is there by itself.
#[no_mangle]
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
    let body = || unsafe {
        let out = boundary::out(out, "out")?;
        let rules = boundary::text(rules, rules_len, "rules")?;
        let mut options = lark::Options::default();
        let start = start.get("start")?;
        if !start.is_empty() {
            options = options.start(start);
        }
        for module in boundary::slice(modules, module_count, "modules")? {
            options = options.module(module.name.get("a module's name")?, module.text.get("a module")?);
        }
        let interrupt = interrupt::read(interrupt)?;
        out.object(hr_grammar(interrupt.scope(|| lark::compile_with(rules, &options))??));
        Ok(())
    };
    unsafe { boundary::guard(error, body) }
}

/// The output is exactly one of the given texts. Ten thousand of them are fine.
#[no_mangle]
pub unsafe extern "C" fn hr_grammar_from_choices(
    choices: *const hr_text,
    count: usize,
    out: *mut *mut hr_grammar,
    error: *mut *mut hr_error,
) -> hr_status {
    let body = || unsafe {
        let out = boundary::out(out, "out")?;
        let choices = boundary::slice(choices, count, "choices")?;
        let texts: Result<Vec<&str>, Failure> = choices.iter().map(|text| text.get("a choice")).collect();
        out.object(hr_grammar(choice::compile(&texts?)?));
        Ok(())
    };
    unsafe { boundary::guard(error, body) }
}

/// A second handle to the same grammar. Copies nothing; NULL for NULL.
#[no_mangle]
pub unsafe extern "C" fn hr_grammar_clone(grammar: *const hr_grammar) -> *mut hr_grammar {
    boundary::value(std::ptr::null_mut(), || {
        let grammar = unsafe { grammar.as_ref() }?;
        Some(Box::into_raw(Box::new(hr_grammar(grammar.0.clone()))))
    })
}

/// Frees a grammar. NULL is fine.
#[no_mangle]
pub unsafe extern "C" fn hr_grammar_free(grammar: *mut hr_grammar) {
    unsafe { boundary::free(grammar) }
}
