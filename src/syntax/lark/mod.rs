//! Lark's notation for grammars: rules over terminals, with ignored text between them.
//!
//! These parts of the notation are read: rules and terminals, strings (with the flag `i`), regular
//! expressions with their flags, ranges, groups, `[ … ]`, `? * +`, `~ n` and `~ n..m`, templates,
//! aliases, priorities of terminals, `%import`, `%override`, `%extend`, `%ignore` and `%declare`.
//! Marks that only shape the tree (`?rule`, `!rule`, `_rule`, `-> alias`) are read and have no
//! effect, and neither have priorities of rules, which choose among trees. Outputs start from the
//! rule `start`, or from another one ([`Options::start`]).
//!
//! As llguidance has them, `%json {…}` is a JSON text that satisfies a schema, `%regex {…}` is a
//! run of neighbouring pieces, and `<name>` is a special token. A grammar with one of them is read
//! without a lexer ([`Lexer::Dynamic`]).
//!
//! Outputs are the texts that Lark's LALR parser reads with its contextual lexer. Terminals are
//! found as Python's `re` finds them. Among those that the parser's state expects, the first in
//! Lark's order is taken. So `letx` is a name, and not the keyword `let` followed by a name. If a
//! grammar is not LALR(1), all actions of the parser are tried, and every output can be read by
//! Lark's Earley parser.
//!
//! Source: Lark 1.3, its documentation, `lark.lark`, and the way in which its lexer and loader
//! order and expand terminals and rules.

mod common_terminals;
mod dynamic;
mod modules;
mod options;
mod parse;
mod pattern;
mod rules;
mod templates;
mod terminals;

use super::diagnostic::{Problem, TextFault, compile_error, similar};
use super::notation::Notation;
use crate::grammar::lexed::{Lexing, Production, Symbol};
use crate::grammar::{CompileError, Grammar, GrammarBuilder, GrammarError, Lexed, NodeId};
use crate::schema::{SchemaWarning, Standards};
use modules::Definitions;
use parse::Definition;
use rules::Productions;

pub use options::{Lexer, Options, START};

/// The number of states that are searched for a text of the grammar.
const SEARCH_LIMIT: u64 = 200_000;

/// The grammar that a Lark text describes.
///
/// ```
/// use hedgerow::syntax::lark;
/// let grammar = lark::compile(r#"
///     start: "let" NAME "=" sum
///     ?sum: sum "+" NUMBER | NUMBER
///     NAME: /[a-z]+/
///     %import common (NUMBER, WS)
///     %ignore WS
/// "#)?;
/// # Ok::<(), hedgerow::CompileError>(())
/// ```
///
/// # Errors
///
/// The text is no Lark grammar, a rule or terminal is missing or defined twice, a terminal may be
/// empty, nothing matches, something is not supported, or a limit is exceeded; see
/// [`CompileErrorKind`](crate::grammar::CompileErrorKind).
pub fn compile(text: &str) -> Result<Grammar, CompileError> {
    compile_with(text, &Options::default())
}

/// The grammar that a Lark text describes, under `options`.
///
/// # Errors
///
/// The errors of [`compile`], and a module that is missing or wrong.
pub fn compile_with(text: &str, options: &Options) -> Result<Grammar, CompileError> {
    compile_with_warnings(text, options).map(|(grammar, _)| grammar)
}

/// The grammar that a Lark text describes, under `options`, and warnings about the parts of its
/// `%json` that have no effect. A warning's pointer is a place in the schema; its message says on
/// which line of the text the schema is.
///
/// ```
/// use hedgerow::syntax::lark::{self, Options};
/// let text = "start: %json {\"type\": \"string\", \"maxlength\": 3}";
/// let (_, warnings) = lark::compile_with_warnings(text, &Options::default())?;
/// assert_eq!(warnings[0].keyword, "maxlength");
/// assert!(warnings[0].message.ends_with("in the `%json` on line 1"));
/// # Ok::<(), hedgerow::CompileError>(())
/// ```
///
/// # Errors
///
/// As [`compile_with`].
pub fn compile_with_warnings(
    text: &str,
    options: &Options,
) -> Result<(Grammar, Vec<SchemaWarning>), CompileError> {
    grammar(text, options).map_err(|failure| compile_error(Notation::Lark, text, failure))
}

/// The modules that a Lark text imports from, by the names that [`Options::module`] takes. `common`
/// needs no [`Options::module`]. `name` is the name of the module that the text is, or empty for
/// the grammar itself.
///
/// ```
/// use hedgerow::syntax::lark;
/// let text = "start: A B\n%import .names.A\n%import common.WS";
/// assert_eq!(lark::imports(text, "")?, ["names", "common"]);
/// assert_eq!(lark::imports(text, "folder.module")?, ["folder.names", "common"]);
/// # Ok::<(), hedgerow::CompileError>(())
/// ```
///
/// # Errors
///
/// The text is no Lark grammar.
pub fn imports(text: &str, name: &str) -> Result<Vec<String>, CompileError> {
    modules::imports(text, name).map_err(|failure| compile_error(Notation::Lark, text, failure))
}

/// The node of the texts that a Lark text describes, as a part of another grammar. It is read by
/// the dynamic lexer, whatever `options` say. The builder gets the rules of the text under their
/// names with `prefix` in front.
///
/// ```
/// use hedgerow::grammar::GrammarBuilder;
/// use hedgerow::syntax::lark;
/// let mut builder = GrammarBuilder::new();
/// let options = lark::Options::default();
/// let point = r#"start: "at" %json {"type": "integer"}
///     %ignore " ""#;
/// let node = lark::compile_into(&mut builder, "point.", point, &options)?;
/// let grammar = builder.build(node, None)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// The errors of [`compile_with`], and a terminal that asks what stands around it.
pub fn compile_into(
    builder: &mut GrammarBuilder,
    prefix: &str,
    text: &str,
    options: &Options,
) -> Result<NodeId, CompileError> {
    compile_into_with_warnings(builder, prefix, text, options).map(|(root, _)| root)
}

/// Compiles like [`compile_into`], and also returns the warnings of [`compile_with_warnings`].
///
/// # Errors
///
/// As [`compile_into`].
pub fn compile_into_with_warnings(
    builder: &mut GrammarBuilder,
    prefix: &str,
    text: &str,
    options: &Options,
) -> Result<(NodeId, Vec<SchemaWarning>), CompileError> {
    let mut standards = Standards::default();
    let (root, mut warnings) = compile_one_of_many(builder, &mut standards, prefix, text, options)?;
    warnings.extend(standards.unused_documents());
    Ok((root, warnings))
}

/// Compiles like [`compile_into_with_warnings`], with the standard languages that schemas in the
/// builder have made. Documents that no schema uses are not among the warnings.
pub(crate) fn compile_one_of_many(
    builder: &mut GrammarBuilder,
    standards: &mut Standards,
    prefix: &str,
    text: &str,
    options: &Options,
) -> Result<(NodeId, Vec<SchemaWarning>), CompileError> {
    let compiled = modules::read(text, options).and_then(|definitions| {
        let start = start(&definitions, options)?;
        dynamic::compile_into(builder, standards, prefix, text, &definitions, start, options)
    });
    let compiled = compiled.map_err(|failure| compile_error(Notation::Lark, text, failure))?;
    Ok((compiled.root, compiled.warnings))
}

/// The rule that outputs start from.
fn start<'d>(definitions: &'d Definitions, options: &Options) -> Result<&'d Definition, TextFault> {
    let Some(start) = definitions.rules.get(&options.start) else {
        let place = definitions.rules.values().map(|rule| rule.span.clone()).min_by_key(|span| span.start);
        let name = options.start.clone();
        if let Some(near) = similar(&name, definitions.order.iter().map(String::as_str)) {
            let kind = Problem::UndefinedRule { name, similar: Some(near) };
            return Err((place.unwrap_or(0..0), kind));
        }
        return Err((place.unwrap_or(0..0), Problem::MissingStart { name }));
    };
    if !start.parameters.is_empty() {
        let what = format!("outputs cannot start from the template `{}`", start.name);
        return Err((start.span.clone(), Problem::syntax(what, "start from a rule that uses it")));
    }
    Ok(start)
}

fn grammar(text: &str, options: &Options) -> Result<(Grammar, Vec<SchemaWarning>), TextFault> {
    let definitions = modules::read(text, options)?;
    let start = start(&definitions, options)?;
    if options.lexer == Lexer::Dynamic || dynamic::is_needed(&definitions) {
        let mut builder = GrammarBuilder::new();
        let mut standards = Standards::default();
        let dynamic::Compiled { root, place, mut warnings } =
            dynamic::compile_into(&mut builder, &mut standards, "", text, &definitions, start, options)?;
        warnings.extend(standards.unused_documents());
        let grammar = builder.build(root, None).map_err(|error| (place, Problem::Grammar(error)))?;
        return Ok((grammar, warnings));
    }
    let mut productions = Productions::new(&definitions);
    let first = productions.write(start)?;
    let mut builder = GrammarBuilder::new();
    let pool = &mut builder.nodes.languages;
    let (lexemes, numbers) = productions.lexemes(pool)?;
    let read: Vec<Production> = productions
        .productions
        .iter()
        .map(|Production { rule, body }| {
            let number = |symbol: &Symbol| match *symbol {
                Symbol::Lexeme(lexeme) => Symbol::Lexeme(numbers[lexeme as usize]),
                rule => rule,
            };
            Production { rule: *rule, body: body.iter().map(number).collect() }
        })
        // Ignored terminals never reach the parser.
        .filter(|p| p.body.iter().all(|s| !matches!(s, Symbol::Lexeme(l) if lexemes[*l as usize].ignored)))
        .collect();
    let failed = |error| match error {
        GrammarError::Empty { .. } => Problem::Empty { rule: start.name.clone() },
        error => Problem::Grammar(error),
    };
    let lexed = Lexed::new(lexemes, productions.rules.clone(), read, first)
        .map_err(|error| (start.span.clone(), failed(error)))?;
    let mut lexing = Lexing::new(SEARCH_LIMIT);
    let exhausted = |limit| {
        let error = GrammarError::Limit { what: "states searched for a text of the grammar", limit };
        (start.span.clone(), Problem::Grammar(error))
    };
    match lexing.has_text(&lexed, pool).map_err(|error| exhausted(error.limit))? {
        Ok(()) => {}
        Err(None) => return Err((start.span.clone(), Problem::Endless { rule: start.name.clone() })),
        Err(Some((state, second))) => {
            let second = lexed.lexeme(second).name.to_string();
            let kind = match lexed.parser.symbol(state) {
                Some(Symbol::Lexeme(first)) => {
                    let first = lexed.lexeme(first).name.to_string();
                    Problem::Swallowed { first, second: second.clone() }
                }
                _ => Problem::Swallowed { first: second.clone(), second: second.clone() },
            };
            return Err((productions.place(&second), kind));
        }
    }
    if pool.exhausted() {
        return Err(exhausted(crate::automata::ExprPool::DEFAULT_SEARCH_BUDGET));
    }
    let root = builder.nodes.lexed_node(lexed, lexing);
    let grammar = builder.build(root, None).map_err(|error| (start.span.clone(), failed(error)))?;
    Ok((grammar, Vec::new()))
}
