//! Templates: rules with parameters, and their instances.
//!
//! An instance is a rule of its own, with the arguments in place of the parameters. Arguments may
//! be instances themselves, and a template may use a parameter many times. So a short grammar may
//! ask for very large instances, which are refused before they are made.

use super::parse::{Definition, Expr};
use crate::automata::interrupt;
use crate::grammar::GrammarError;
use crate::syntax::diagnostic::{Problem, TextFault};
use crate::syntax::rules::NEST_LIMIT;
use hashbrown::HashMap;
use std::ops::Range;

/// The number of instances of templates that a grammar may need.
const INSTANCE_LIMIT: usize = 10_000;
/// The parts and bytes that all instances may have together.
const SIZE_LIMIT: usize = 500_000;
/// The number of levels that an expression may have. A text has at most three a group; templates
/// may nest their arguments deeper.
pub(super) const DEPTH_LIMIT: u32 = 4 * NEST_LIMIT;

/// The instances that a grammar has needed so far.
#[derive(Default)]
pub(super) struct Instances {
    made: usize,
    /// Parts and bytes of all of them.
    size: usize,
}

impl Instances {
    /// The body of the instance of `rule` that is called `name`.
    ///
    /// # Errors
    ///
    /// The caller's interrupt; the instances are too many, too large together or too deep.
    pub fn body(
        &mut self,
        rule: &Definition,
        given: &[Expr],
        name: &str,
        span: &Range<usize>,
    ) -> Result<Expr, TextFault> {
        let refused = |error| (span.clone(), Problem::Grammar(error));
        interrupt::check().map_err(|why| refused(why.into()))?;
        let parameters = || rule.parameters.iter().map(String::as_str);
        let sizes: HashMap<&str, usize> =
            parameters().zip(given.iter().map(|part| size(part, None))).collect();
        self.made += 1;
        self.size = self.size.saturating_add(name.len()).saturating_add(size(&rule.body, Some(&sizes)));
        let too_many = |what, limit: usize| Err(refused(GrammarError::Limit { what, limit: limit as u64 }));
        if self.made > INSTANCE_LIMIT {
            return too_many("instances of templates", INSTANCE_LIMIT);
        }
        if self.size > SIZE_LIMIT {
            return too_many("parts and bytes of instances of templates", SIZE_LIMIT);
        }
        let body = substituted(&rule.body, &parameters().zip(given).collect());
        if is_deeper(&body, DEPTH_LIMIT) {
            return too_many("levels of an instance of a template", DEPTH_LIMIT as usize);
        }
        Ok(body)
    }
}

/// Fails unless a rule takes `given` arguments.
pub(super) fn check_arguments(rule: &Definition, given: usize, span: &Range<usize>) -> Result<(), TextFault> {
    if rule.parameters.len() == given {
        return Ok(());
    }
    let what = format!("`{}` takes {} arguments, not {given}", rule.name, rule.parameters.len());
    let help = match rule.parameters.is_empty() {
        true => format!("write `{}`", rule.name),
        false => format!("write `{}{{{}}}`", rule.name, rule.parameters.join(", ")),
    };
    Err((span.clone(), Problem::syntax(what, help)))
}

/// The parts and bytes of an expression, in which parameters have the sizes of their arguments.
fn size(expr: &Expr, arguments: Option<&HashMap<&str, usize>>) -> usize {
    let own = match expr {
        Expr::Name(name, _) => arguments.and_then(|sizes| sizes.get(name.as_str())).copied().unwrap_or(1),
        Expr::Text { text, .. } => text.len(),
        Expr::Regex { pattern, .. } => pattern.len(),
        Expr::Json { schema, .. } => schema.len(),
        Expr::Pieces { pieces, .. } => pieces.iter().map(|piece| 1 + piece.len()).sum(),
        _ => 1,
    };
    expr.parts().iter().fold(own.max(1), |sum, part| sum.saturating_add(size(part, arguments)))
}

/// The body of a template, with its arguments in place.
fn substituted(expr: &Expr, arguments: &HashMap<&str, &Expr>) -> Expr {
    let all = |parts: &[Expr]| parts.iter().map(|part| substituted(part, arguments)).collect();
    match expr {
        Expr::Name(name, _) => match arguments.get(name.as_str()) {
            Some(&argument) => argument.clone(),
            None => expr.clone(),
        },
        Expr::Instance { name, arguments: given, span } => {
            // A parameter may stand for the template's name.
            let name = match arguments.get(name.as_str()) {
                Some(Expr::Name(other, _)) => other,
                _ => name,
            };
            Expr::Instance { name: name.clone(), arguments: all(given), span: span.clone() }
        }
        Expr::Seq(parts) => Expr::Seq(all(parts)),
        Expr::Alt(parts) => Expr::Alt(all(parts)),
        Expr::Repeat(body, min, max) => Expr::Repeat(Box::new(substituted(body, arguments)), *min, *max),
        other => other.clone(),
    }
}

/// True if an expression has more than `limit` levels.
fn is_deeper(expr: &Expr, limit: u32) -> bool {
    match limit.checked_sub(1) {
        Some(left) => expr.parts().iter().any(|part| is_deeper(part, left)),
        None => true,
    }
}

/// The key that identifies an expression: its text as one would write it.
pub(super) fn key(expr: &Expr) -> String {
    let mut key = String::new();
    write_key(expr, &mut key);
    key
}

/// One frame of the stack a level, since arguments may be many levels deep.
fn write_key(expr: &Expr, key: &mut String) {
    match expr {
        Expr::Name(name, _) => key.push_str(name),
        Expr::Text { text, any_case } => {
            key.push_str(&format!("{text:?}{}", if *any_case { "i" } else { "" }));
        }
        Expr::Regex { pattern, flags, .. } => key.push_str(&format!("/{pattern}/{flags}")),
        Expr::Characters(from, to) => key.push_str(&format!("{from:?}..{to:?}")),
        Expr::Common(common) => key.push_str(&format!("{common:?}")),
        Expr::Json { schema, .. } => key.push_str(&format!("%json {schema}")),
        Expr::Pieces { pieces, .. } => key.push_str(&format!("%regex {pieces:?}")),
        Expr::Special(name, _) => key.push_str(name),
        Expr::Instance { name, arguments, .. } => {
            key.push_str(name);
            write_keys(arguments, ["{", ", ", "}"], key);
        }
        Expr::Seq(parts) => write_keys(parts, ["(", " ", ")"], key),
        Expr::Alt(parts) => write_keys(parts, ["(", " | ", ")"], key),
        Expr::Repeat(body, min, max) => {
            write_key(body, key);
            key.push_str(&format!("~{min}..{max}"));
        }
    }
}

fn write_keys(parts: &[Expr], [open, between, close]: [&str; 3], key: &mut String) {
    key.push_str(open);
    for (i, part) in parts.iter().enumerate() {
        key.push_str(if i == 0 { "" } else { between });
        write_key(part, key);
    }
    key.push_str(close);
}
