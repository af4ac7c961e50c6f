//! Rules and terminals from the statements of a grammar and of the modules it imports from.
//!
//! An imported definition keeps its meaning, as in Lark. The rules to which it refers are imported,
//! too, under names with the module's name. The terminals to which a terminal refers are written
//! into it.

use super::common_terminals::common;
use super::options::Options;
use super::parse::{Definition, Expr, Module, Statement, is_terminal, parse};
use super::terminals::{Terminal, TerminalSource};
use crate::grammar::line_column;
use crate::syntax::diagnostic::{Problem, TextFault, similar};
use crate::syntax::rules::NEST_LIMIT;
use hashbrown::{HashMap, HashSet};
use std::ops::Range;

/// The number of definitions that a grammar may have, with all that it imports.
const DEFINITION_LIMIT: usize = 100_000;

/// The rules and terminals of a grammar, and the ignored parts between them.
#[derive(Default)]
pub(super) struct Definitions {
    pub rules: HashMap<String, Definition>,
    pub terminals: HashMap<String, Terminal>,
    pub ignored: Vec<(Expr, Range<usize>)>,
    /// The names in the order in which they were defined.
    pub order: Vec<String>,
}

impl Definitions {
    /// The fault of a name that nothing has.
    pub fn undefined(&self, name: &str, span: &Range<usize>) -> TextFault {
        let similar = similar(name, self.order.iter().map(String::as_str));
        (span.clone(), Problem::UndefinedRule { name: name.to_owned(), similar })
    }
}

/// A reader of a grammar and the modules that it imports from.
struct ModuleReader<'o> {
    options: &'o Options,
    /// The modules being read, from the outermost to the innermost.
    open: Vec<String>,
    count: usize,
}

/// The definitions of the grammar `text`.
pub(super) fn read(text: &str, options: &Options) -> Result<Definitions, TextFault> {
    ModuleReader { options, open: Vec::new(), count: 0 }.module(text, "")
}

/// The modules that the grammar `text`, called `name`, imports from, by their full names.
pub(super) fn imports(text: &str, name: &str) -> Result<Vec<String>, TextFault> {
    let mut found: Vec<String> = Vec::new();
    for statement in parse(text)? {
        if let Statement::Import { module, .. } = statement {
            let full = full_name(&module, name);
            if !found.contains(&full) {
                found.push(full);
            }
        }
    }
    Ok(found)
}

/// The full name of `module`, if the module `from` imports it.
fn full_name(module: &Module, from: &str) -> String {
    match from.rsplit_once('.') {
        Some((folder, _)) if module.relative => format!("{folder}.{}", module.path),
        _ => module.path.clone(),
    }
}

/// The name in the module, the name here, and the place of the import.
type Imported = (String, String, Range<usize>);

impl ModuleReader<'_> {
    /// The definitions of one module, called `name`; the name of the grammar itself is empty.
    fn module(&mut self, text: &str, name: &str) -> Result<Definitions, TextFault> {
        let mut found = Definitions::default();
        let mut places: HashMap<String, Range<usize>> = HashMap::new();
        let (imports, others): (Vec<Statement>, Vec<Statement>) =
            parse(text)?.into_iter().partition(|statement| matches!(statement, Statement::Import { .. }));
        self.count += imports.len() + others.len();
        if self.count > DEFINITION_LIMIT {
            let limit = DEFINITION_LIMIT as u64;
            let error = crate::grammar::GrammarError::Limit { what: "definitions", limit };
            return Err((0..0, Problem::Grammar(error)));
        }
        // All imports from one module are read together.
        let mut modules: Vec<(Module, Vec<Imported>)> = Vec::new();
        for statement in imports {
            let Statement::Import { module, name, alias, span } = statement else { continue };
            claim(&mut places, text, &alias, &span)?;
            match modules.iter_mut().find(|known| known.0 == module) {
                Some(known) => known.1.push((name, alias, span)),
                None => modules.push((module, vec![(name, alias, span)])),
            }
        }
        for (module, names) in modules {
            self.import(&mut found, &module, &names, name)?;
        }
        let imported: HashSet<String> = found.order.iter().cloned().collect();
        let mut extensions: HashMap<String, Vec<Expr>> = HashMap::new();
        for statement in others {
            match statement {
                Statement::Define(definition) => {
                    claim(&mut places, text, &definition.name, &definition.span)?;
                    define(&mut found, definition)?;
                }
                Statement::Override(definition) => {
                    require(&found, &definition, "override")?;
                    found.order.retain(|name| *name != definition.name);
                    extensions.remove(&definition.name);
                    define(&mut found, definition)?;
                }
                Statement::Extend(definition) => {
                    check_extension(&found, &definition)?;
                    extensions.entry(definition.name).or_default().push(definition.body);
                }
                Statement::Ignore(expr, span) => found.ignored.push((expr, span)),
                Statement::Declare(name, span) => {
                    claim(&mut places, text, &name, &span)?;
                    found.order.push(name.clone());
                    found
                        .terminals
                        .insert(name, Terminal { span, priority: 0, source: TerminalSource::Declared });
                }
                Statement::Import { .. } => {}
            }
        }
        for (name, bodies) in extensions {
            extend(&mut found, &name, bodies);
        }
        // Imported definitions come first, as in Lark.
        found.order.sort_by_key(|name| !imported.contains(name));
        Ok(found)
    }

    fn import(
        &mut self,
        found: &mut Definitions,
        module: &Module,
        names: &[(String, String, Range<usize>)],
        from: &str,
    ) -> Result<(), TextFault> {
        let place = names.first().map_or(0..0, |name| name.2.clone());
        let full = full_name(module, from);
        let given = self.options.modules.iter().find(|known| known.0 == full);
        let Some((_, text)) = given else {
            if module.path == "common" {
                for (name, alias, span) in names {
                    let source = TerminalSource::Common(common(name, span)?);
                    found.order.push(alias.clone());
                    found
                        .terminals
                        .insert(alias.clone(), Terminal { span: span.clone(), priority: 0, source });
                }
                return Ok(());
            }
            let what = format!("there is no module `{full}`");
            let help = "only `common` is there by itself; give the grammar's text under this name with `lark::Options::module`";
            return Err((place, Problem::unsupported(what, help)));
        };
        if self.open.contains(&full) || self.open.len() as u32 >= NEST_LIMIT {
            let what = format!("the module `{full}` imports from itself, or through too many others");
            return Err((place, Problem::unsupported(what, "leave out one of the imports")));
        }
        self.open.push(full.clone());
        let inner = self.module(text, &full).map_err(|(span, kind)| {
            let (line, _) = line_column(text, span.start.min(text.len()));
            let what = format!("in the module `{full}`, line {line}: {kind}");
            (place.clone(), Problem::of_kind(kind.kind(), what, kind.help()))
        })?;
        self.open.pop();
        let prefix = module.path.replace('.', "__");
        let mangled = |name: &str| match names.iter().find(|known| known.0 == name) {
            Some((_, alias, _)) => alias.clone(),
            None => match name.strip_prefix('_') {
                Some(rest) => format!("_{prefix}__{rest}"),
                None => format!("{prefix}__{name}"),
            },
        };
        check_names(&inner, &full, names)?;
        let used = used(&inner, names);
        for name in inner.order.iter().filter(|name| used.contains(*name)) {
            let new = mangled(name);
            if let Some(rule) = inner.rules.get(name) {
                let parameters: Vec<String> = rule.parameters.iter().map(|p| mangled(p)).collect();
                let body = rule.body.moved_to(&place, &mangled);
                let rule = Definition {
                    name: new.clone(),
                    span: place.clone(),
                    parameters,
                    priority: rule.priority,
                    body,
                };
                found.rules.insert(new.clone(), rule);
            } else if let Some(terminal) = inner.terminals.get(name) {
                let source = match &terminal.source {
                    TerminalSource::Written(expr) => {
                        let whole = inlined(&inner, expr, 0)?;
                        TerminalSource::Written(whole.moved_to(&place, &|name| name.to_owned()))
                    }
                    source => source.clone(),
                };
                let terminal = Terminal { span: place.clone(), priority: terminal.priority, source };
                found.terminals.insert(new.clone(), terminal);
            }
            found.order.push(new);
        }
        Ok(())
    }
}

/// Refuses names that a module does not define.
fn check_names(
    module: &Definitions,
    full: &str,
    names: &[(String, String, Range<usize>)],
) -> Result<(), TextFault> {
    for (name, _, span) in names {
        if !module.rules.contains_key(name) && !module.terminals.contains_key(name) {
            let what = format!("the module `{full}` defines no `{name}`");
            let help = match similar(name, module.order.iter().map(String::as_str)) {
                Some(similar) => format!("it has `{similar}`"),
                None => "import what it defines".to_owned(),
            };
            return Err((span.clone(), Problem::syntax(what, help)));
        }
    }
    Ok(())
}

fn claim(
    places: &mut HashMap<String, Range<usize>>,
    text: &str,
    name: &str,
    span: &Range<usize>,
) -> Result<(), TextFault> {
    match places.insert(name.to_owned(), span.clone()) {
        None => Ok(()),
        Some(first) => {
            let (first_line, _) = line_column(text, first.start);
            Err((span.clone(), Problem::DuplicateRule { name: name.to_owned(), first_line }))
        }
    }
}

fn define(found: &mut Definitions, definition: Definition) -> Result<(), TextFault> {
    found.order.push(definition.name.clone());
    if !is_terminal(&definition.name) {
        found.rules.insert(definition.name.clone(), definition);
        return Ok(());
    }
    let Definition { name, span, parameters, priority, body } = definition;
    if !parameters.is_empty() {
        let kind = Problem::unsupported("templates of terminals are not supported", "make it a rule");
        return Err((span, kind));
    }
    found.terminals.insert(name, Terminal { span, priority, source: TerminalSource::Written(body) });
    Ok(())
}

/// Fails if the definition that is to be changed is not there.
fn require(found: &Definitions, definition: &Definition, verb: &str) -> Result<(), TextFault> {
    let Definition { name, span, .. } = definition;
    if found.rules.contains_key(name) || found.terminals.contains_key(name) {
        return Ok(());
    }
    let what = format!("there is no `{name}` to {verb}");
    Err((
        span.clone(),
        Problem::syntax(what, "import it, or define it before; otherwise leave out the `%` and its word"),
    ))
}

/// Fails if the definition cannot be extended in this way.
fn check_extension(found: &Definitions, definition: &Definition) -> Result<(), TextFault> {
    require(found, definition, "extend")?;
    let Definition { name, span, parameters, .. } = definition;
    if found.rules.get(name).is_some_and(|rule| rule.parameters != *parameters) {
        let what = format!("`{name}` is extended with other parameters");
        return Err((span.clone(), Problem::syntax(what, "write those of its definition")));
    }
    if matches!(found.terminals.get(name), Some(Terminal { source: TerminalSource::Declared, .. })) {
        let what = format!("`{name}` is only declared and cannot be extended");
        return Err((span.clone(), Problem::syntax(what, "override it")));
    }
    Ok(())
}

/// Adds alternatives to a definition. As in Lark, the last ones come first.
fn extend(found: &mut Definitions, name: &str, bodies: Vec<Expr>) {
    let extended = |old: Expr| {
        let mut parts: Vec<Expr> = bodies.into_iter().rev().collect();
        match old {
            Expr::Alt(old) => parts.extend(old),
            old => parts.push(old),
        }
        Expr::Alt(parts)
    };
    if let Some(rule) = found.rules.get_mut(name) {
        let old = std::mem::replace(&mut rule.body, Expr::Alt(Vec::new()));
        rule.body = extended(old);
    } else if let Some(terminal) = found.terminals.get_mut(name) {
        let old = match &mut terminal.source {
            TerminalSource::Written(old) => std::mem::replace(old, Expr::Alt(Vec::new())),
            TerminalSource::Common(common) => Expr::Common(common),
            TerminalSource::Declared => return,
        };
        terminal.source = TerminalSource::Written(extended(old));
    }
}

/// The names of `names`, and all names that their rules refer to.
fn used(inner: &Definitions, names: &[(String, String, Range<usize>)]) -> HashSet<String> {
    let mut used: HashSet<String> = HashSet::new();
    let mut work: Vec<String> = names.iter().map(|name| name.0.clone()).collect();
    while let Some(name) = work.pop() {
        if used.insert(name.clone())
            && let Some(rule) = inner.rules.get(&name)
        {
            let mut parts = vec![&rule.body];
            while let Some(part) = parts.pop() {
                if let Expr::Name(name, _) | Expr::Instance { name, .. } = part {
                    work.push(name.clone());
                }
                parts.extend(part.parts());
            }
        }
    }
    used
}

/// A terminal's expression, with those of the terminals that it refers to written into it.
fn inlined(inner: &Definitions, expr: &Expr, depth: u32) -> Result<Expr, TextFault> {
    if depth > NEST_LIMIT {
        let kind =
            Problem::unsupported("a terminal refers to itself, or through too many others", "make it a rule");
        return Err((0..0, kind));
    }
    let all = |parts: &[Expr]| {
        parts.iter().map(|part| inlined(inner, part, depth + 1)).collect::<Result<Vec<_>, _>>()
    };
    Ok(match expr {
        Expr::Name(name, _) => match inner.terminals.get(name).map(|terminal| &terminal.source) {
            Some(TerminalSource::Written(written)) => inlined(inner, written, depth + 1)?,
            Some(TerminalSource::Common(common)) => Expr::Common(common),
            _ => expr.clone(),
        },
        Expr::Seq(parts) => Expr::Seq(all(parts)?),
        Expr::Alt(parts) => Expr::Alt(all(parts)?),
        Expr::Repeat(body, min, max) => Expr::Repeat(Box::new(inlined(inner, body, depth + 1)?), *min, *max),
        other => other.clone(),
    })
}
