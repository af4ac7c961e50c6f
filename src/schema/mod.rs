//! JSON Schema → grammar: drafts 4, 6, 7, 2019-09 and 2020-12, enforced exactly or refused with a
//! reason.
//!
//! # The idea
//!
//! A schema denotes a set of JSON values. The path from its text to a grammar has four steps:
//!
//! 1. The document is read once into checked keywords ([`reader`]).
//! 2. Schemas, and their combinations, become hash-consed [terms](algebra).
//! 3. Each term has a [shape], computed on demand and one level deep. A shape is the term's set of
//!    values in normal form: a union over the six JSON types. `allOf` and keywords side by side are
//!    intersections, `anyOf` is a union, `not` is a complement, and `oneOf` subtracts from each
//!    branch the branches that overlap it.
//! 4. Shapes become grammar nodes ([`emit`]) whose values are lazy. A part that the output never
//!    reaches is never evaluated, so only the used parts of a large schema cost time.
//!
//! Shapes also decide whether a value can be completed at all ([`inhabited`]), so the grammar has
//! no dead end.
//!
//! # The price
//!
//! Intersections of unions multiply, and complements of conjunctions are unions. For objects, both
//! are therefore kept as clauses and decided one member at a time, when an output comes to them
//! ([`conditional`]). Some schemas still have a huge normal form. The work is metered, and beyond
//! [`SchemaOptions::fuel`] it ends in an error that names the place. The error is found when the
//! schema is compiled, because the parts that may fail are expanded then ([`verify`]).
//!
//! # Differences from JSON Schema
//!
//! The options make the grammar narrower than the schema, in the order of keys, in whitespace, and
//! in the spelling of strings and numbers ([`SchemaOptions`]). It also differs in the formats that
//! are not regular ([`format`](mod@format)).
//!
//! Sources: the specifications at json-schema.org; L. Attouche, M.-A. Baazizi, D. Colazzo, G.
//! Ghelli, C. Sartiani, S. Scherzinger, *Witness Generation for JSON Schema* (2022); A. Habib, A.
//! Shinnar, M. Hirzel, M. Pradel, *Finding data compatibility bugs with JSON subschema checking*
//! (2021).

mod algebra;
mod argument_keys;
mod argument_style;
mod arguments;
mod caps;
mod cardinality;
mod closed;
mod complement;
mod conditional;
mod constant;
mod distinct;
mod document;
mod drafts;
mod emit;
mod envelope;
mod error;
mod eval;
pub mod format;
mod inhabited;
mod intersection;
mod json;
mod keyword_shapes;
mod metaschema;
mod number;
mod options;
mod outcome;
mod pattern;
mod python;
mod reader;
mod reference;
mod scalar;
mod shape;
mod standard;
mod supply;
mod term;
mod text;
mod unevaluated;
mod verify;
mod work;

pub use argument_style::{ArgumentStyle, Elements, StringSpelling, ValueKind, Words};
pub use error::SchemaWarning;
pub use metaschema::meta_schemas;
pub use options::{
    AdditionalProperties, ContentEncoding, Draft, EscapePolicy, FormatPolicy, Numbers, SchemaOptions,
    Strictness, UniqueKeys, UnknownFormat, Whitespace,
};
pub(crate) use python::is_identifier as is_python_name;

use crate::automata::regex::{self, Anchoring, Dialect};
use crate::automata::{ExprPool, UNBOUNDED, interrupt};
use crate::grammar::{ArrayProgress, Choice, CompileError, Expand, Grammar, GrammarBuilder, GrammarError};
use crate::grammar::{NodeId, NodePool, SEARCH_STEPS, gave_up, take_gave_up};
use algebra::Algebra;
use document::{Document, OBJECT};
use emit::LeadingSpace;
use envelope::Unwrapped;
use eval::Eval;
use hashbrown::HashSet;
use standard::Standard;
pub(crate) use standard::Standards;
use std::borrow::Cow;
use std::sync::{Arc, LazyLock, Mutex};
use term::EvalError;

/// Compiles a JSON Schema, given as text, into a grammar of the JSON texts that satisfy it.
///
/// The cost follows the part of the schema at its root. The rest is compiled when the output
/// reaches it. Errors in any schema that the root refers to, directly or not, are found here.
///
/// ```
/// use hedgerow::schema::{compile, SchemaOptions};
/// let schema = r#"{"type": "object", "properties": {"age": {"type": "integer", "minimum": 0}}}"#;
/// assert!(compile(schema, &SchemaOptions::default()).is_ok());
/// let error = compile(r#"{"type": "nothing"}"#, &SchemaOptions::default()).unwrap_err();
/// assert_eq!((error.pointer(), error.keyword()), (Some("#/type"), Some("type")));
/// ```
pub fn compile(text: &str, options: &SchemaOptions) -> Result<Grammar, CompileError> {
    build(text, options).map(|(grammar, _)| grammar)
}

/// Compiles like [`compile`], and also returns warnings about the parts of the schema that have no
/// effect, or less effect than they seem to have.
///
/// Each warning comes once. They are about:
///
/// - unknown keywords and formats,
/// - keywords of other drafts than the one that `$schema` names,
/// - keywords without the keyword that they go with, such as `then` without `if`,
/// - patterns that the `u` flag forbids,
/// - [documents](SchemaOptions::documents) that no reference leads to,
/// - keywords that lenient mode dropped or weakened.
pub fn compile_with_warnings(
    text: &str,
    options: &SchemaOptions,
) -> Result<(Grammar, Vec<SchemaWarning>), CompileError> {
    let (grammar, notes) = build(text, options)?;
    let mut found = warnings(&notes);
    found.extend(notes.0.references.unread_documents().into_iter().map(error::unused_document));
    Ok((grammar, found))
}

fn warnings((doc, notes): &Notes) -> Vec<SchemaWarning> {
    let mut seen = HashSet::new();
    let mut notes: Vec<_> = notes.iter().copied().filter(|&note| seen.insert(note)).collect();
    // Values are numbered in the order of the text.
    notes.sort_by_key(|note| (note.schema, note.member));
    notes.into_iter().map(|note| doc.warning(note)).collect()
}

/// Compiles a schema as a part of another grammar and returns the node of its texts.
///
/// Each schema is a document of its own, with its own `$defs` and base URI. It may have options of
/// its own.
///
/// ```
/// use hedgerow::grammar::GrammarBuilder;
/// use hedgerow::schema::{compile_into, SchemaOptions};
/// // Two documents in one grammar.
/// let mut builder = GrammarBuilder::new();
/// let options = SchemaOptions::default();
/// let name = compile_into(&mut builder, r#"{"type": "string", "maxLength": 9}"#, &options)?;
/// let age = compile_into(&mut builder, r#"{"type": "integer", "minimum": 0}"#, &options)?;
/// let between = builder.nodes.literal(b" is ");
/// let root = builder.nodes.sequence(&[name, between, age]);
/// let grammar = builder.build(root, None)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// The errors are those of [`compile`]. The builder stays usable after an error.
pub fn compile_into(
    builder: &mut GrammarBuilder,
    text: &str,
    options: &SchemaOptions,
) -> Result<NodeId, CompileError> {
    compile_into_with_warnings(builder, text, options).map(|(root, _)| root)
}

/// Compiles like [`compile_into`], and also returns the warnings of [`compile_with_warnings`].
///
/// # Errors
///
/// As [`compile_into`].
pub fn compile_into_with_warnings(
    builder: &mut GrammarBuilder,
    text: &str,
    options: &SchemaOptions,
) -> Result<(NodeId, Vec<SchemaWarning>), CompileError> {
    let mut standards = Standards::default();
    let (root, mut found) = compile_one_of_many(builder, text, options, &mut standards)?;
    found.extend(standards.unused_documents());
    Ok((root, found))
}

/// Compiles like [`compile_into_with_warnings`], with the standard languages that other schemas in
/// the builder have made. There are no warnings about documents, which other schemas may use:
/// [`Standards::unused_documents`] has them.
pub(crate) fn compile_one_of_many(
    builder: &mut GrammarBuilder,
    text: &str,
    options: &SchemaOptions,
    standards: &mut Standards,
) -> Result<(NodeId, Vec<SchemaWarning>), CompileError> {
    let source = SchemaSource::parse(text, options)?;
    let mut found = Vec::new();
    let root = builder.part(|nodes| {
        let standard = standards.of(&source.options, &mut nodes.languages);
        let (root, expander, notes) = source.emit(nodes, standard)?;
        found = warnings(&notes);
        standards.note_unread(&notes.0.references.unread_documents());
        Ok::<_, CompileError>((root, Arc::new(expander) as Arc<dyn Expand>))
    })?;
    Ok((root, found))
}

type Notes = (Arc<Document>, Vec<document::Note>);

fn build(text: &str, options: &SchemaOptions) -> Result<(Grammar, Notes), CompileError> {
    let source = SchemaSource::parse(text, options)?;
    let (mut nodes, standard) = prototype(&source.options);
    let (root, expander, notes) = source.emit(&mut nodes, standard)?;
    let builder = GrammarBuilder::with_nodes(nodes);
    let grammar = builder.build(root, Some(Arc::new(expander))).map_err(|error| match error {
        GrammarError::Limit { limit, .. } => error::search("#".to_owned(), limit),
        _ => error::unsatisfiable(),
    })?;
    Ok((grammar, notes))
}

/// The text of a schema, read as JSON, and the options with which it is compiled.
struct SchemaSource<'t> {
    text: &'t str,
    json: json::Json,
    unwrapped: Unwrapped,
    options: Cow<'t, SchemaOptions>,
}

impl<'t> SchemaSource<'t> {
    fn parse(text: &'t str, options: &'t SchemaOptions) -> Result<Self, CompileError> {
        let (json, unwrapped) = Document::parse(text)?;
        let options = envelope::guidance(&json, unwrapped.schema, options)?;
        check_options(&options)?;
        Ok(SchemaSource { text, json, unwrapped, options })
    }

    /// The node of the schema, and the expander of the lazy nodes inside it.
    fn emit(
        self,
        nodes: &mut NodePool,
        standard: Standard,
    ) -> Result<(NodeId, Expander, Notes), CompileError> {
        let SchemaSource { text, json, unwrapped: Unwrapped { schema: root, objects_only }, options } = self;
        let (doc, notes) = reader::read(json, root, text, &options, &mut nodes.languages)?;
        let doc = Arc::new(doc);
        if nodes.languages.is_sound() {
            nodes.languages.refill();
        }
        let mut algebra = Algebra::new(doc.clone(), options.into_owned(), standard);
        let root = emit_root(&mut algebra, nodes, objects_only)?;
        Ok((root, Expander { algebra: Mutex::new(algebra) }, (doc, notes)))
    }
}

/// The node of the document's root, after expanding the parts below it that may fail.
fn emit_root(
    algebra: &mut Algebra,
    nodes: &mut NodePool,
    objects_only: bool,
) -> Result<NodeId, CompileError> {
    let doc = algebra.doc.clone();
    take_gave_up();
    let mut eval = Eval { algebra, nodes };
    let root = eval.algebra.schema(doc.root, 0);
    let is_call = eval.algebra.options.arguments.is_some();
    let root = match objects_only || is_call {
        true => {
            let objects = eval.algebra.of_types(OBJECT);
            eval.algebra.and2(root, objects)
        }
        false => root,
    };
    let result = eval.deeply(|eval| match eval.is_inhabited(root)? {
        true if is_call => eval.emit_arguments(root, None),
        true => eval.emit(root, 0, LeadingSpace::None),
        false => Ok(NodeId::NEVER),
    });
    let result = result.and_then(|root| eval.verify(root).map(|()| root));
    let result = result.map(|root| eval.surrounded(root));
    if take_gave_up() {
        return Err(error::combinations(algebra.doc.place(algebra.work.at), SEARCH_STEPS));
    }
    if nodes.languages.exhausted() {
        // The refill keeps the pool usable for other documents.
        nodes.languages.refill();
        let limit = ExprPool::DEFAULT_SEARCH_BUDGET;
        return Err(error::search(algebra.doc.place(algebra.work.at), limit));
    }
    match result {
        Ok(NodeId::NEVER) => Err(error::unsatisfiable()),
        Ok(root) => Ok(root),
        Err(failure) => Err(explain(algebra, failure)),
    }
}

/// A pool with the standard languages, which are built only once for the default policies.
fn prototype(options: &SchemaOptions) -> (NodePool, Standard) {
    static DEFAULT: LazyLock<(NodePool, Standard)> =
        LazyLock::new(|| interrupt::suspended(|| standard::prototype(&SchemaOptions::default())));
    let is_default = options.whitespace == Whitespace::default()
        && options.escapes == EscapePolicy::default()
        && options.words() == Words::Json
        && options.excludes.is_empty()
        && options.arguments.is_none();
    if is_default { DEFAULT.clone() } else { standard::prototype(options) }
}

fn check_options(options: &SchemaOptions) -> Result<(), CompileError> {
    let error = |option, reason: &str| Err(error::option(option, reason));
    if options.max_digits == Some(0) {
        return error("max_digits", "must be 1 or more");
    }
    match &options.whitespace {
        Whitespace::Pattern(pattern) => {
            let mut pool = ExprPool::new();
            let matched = match regex::compile(&mut pool, pattern, Dialect::Rust, Anchoring::Full) {
                Ok(matched) => matched,
                Err(reason) => return error("whitespace", &format!("is no usable pattern: {reason}")),
            };
            let space = standard::json_space(&mut pool, UNBOUNDED);
            let other = pool.not(space);
            let other = pool.inter(&[matched, other]);
            if pool.is_never(other) {
                Ok(())
            } else {
                error("whitespace", "is a pattern that matches more than JSON whitespace")
            }
        }
        Whitespace::Pretty(width) if *width > 16 => error("whitespace", "must indent by at most 16 spaces"),
        Whitespace::Exact { item, key } => {
            let blank = |c: char| " \t\n\r".contains(c);
            if item.trim_matches(blank) != "," {
                error("whitespace", "must separate items by a comma, with nothing but whitespace around it")
            } else if key.trim_matches(blank) != ":" {
                error("whitespace", "must follow keys by a colon, with nothing but whitespace around it")
            } else {
                Ok(())
            }
        }
        _ => Ok(()),
    }?;
    match options.arguments.as_ref().and_then(|style| style.fault()) {
        Some(fault) => error("arguments", fault),
        None => Ok(()),
    }
}

/// The error for a failure of the algebra, in words.
fn explain(algebra: &Algebra, failure: EvalError) -> CompileError {
    let pointer = algebra.doc.place(algebra.work.at);
    match failure {
        EvalError::Interrupted(why) => why.into(),
        EvalError::GaveUp => error::combinations(pointer, SEARCH_STEPS),
        EvalError::Exhausted => error::search(pointer, ExprPool::DEFAULT_SEARCH_BUDGET),
        EvalError::Fuel => error::fuel(pointer, algebra.options.fuel),
        // `deeply` handles `Deep` itself, so it does not arrive here from there.
        EvalError::Depth | EvalError::Deep(_) => error::nesting(pointer, term::MAX_DEPTH),
        EvalError::Loop(at) => {
            let reason = "the schema leads back to itself without any property or item in between";
            error::unsupported(algebra.doc.place(at), "$ref", reason)
        }
        EvalError::Unsupported { at, keyword, reason } => {
            error::unsupported(at.map_or(pointer, |at| algebra.doc.place(at)), keyword, &reason)
        }
    }
}

/// Expands the lazy nodes of a schema's grammar.
struct Expander {
    algebra: Mutex<Algebra>,
}

impl Expander {
    fn run<T>(
        &self,
        nodes: &mut NodePool,
        begin: impl FnOnce(&mut Algebra),
        work: impl FnMut(&mut Eval<'_>) -> Result<T, EvalError>,
    ) -> Result<T, GrammarError> {
        let mut algebra = interrupt::lock(&self.algebra)?;
        begin(&mut algebra);
        let result = Eval { algebra: &mut algebra, nodes }.deeply(work);
        interrupt::ended()?;
        if gave_up() {
            let pointer = algebra.doc.place(algebra.work.at);
            return Err(GrammarError::Expansion(error::combinations(pointer, SEARCH_STEPS)));
        }
        if nodes.languages.exhausted() {
            let pointer = algebra.doc.place(algebra.work.at);
            return Err(GrammarError::Expansion(error::search(pointer, ExprPool::DEFAULT_SEARCH_BUDGET)));
        }
        result.map_err(|failure| match failure {
            EvalError::Interrupted(why) => why.into(),
            failure => GrammarError::Expansion(explain(&algebra, failure)),
        })
    }
}

impl Expand for Expander {
    fn expand(&self, key: u64, nodes: &mut NodePool) -> Result<NodeId, GrammarError> {
        let (term, depth, leading) = emit::parts(key);
        self.run(nodes, |algebra| algebra.begin(term), |eval| eval.emit(term, depth, leading))
    }

    fn distinct_items(
        &self,
        key: u64,
        progress: &ArrayProgress,
        used: &[&[u8]],
        nodes: &mut NodePool,
    ) -> Result<Vec<Choice>, GrammarError> {
        self.run(nodes, Algebra::refuel, |eval| eval.distinct_choices(key, progress, used))
    }

    fn least_values(&self, key: u64, nodes: &mut NodePool) -> Result<u32, GrammarError> {
        let (term, ..) = emit::parts(key);
        self.run(nodes, |algebra| algebra.begin(term), |eval| eval.least_values(term))
    }
}
