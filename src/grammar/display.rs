//! The canonical text of a grammar, for snapshots and for people.
//!
//! Each rule has one line, `root` first. Nodes are written in a notation like EBNF, languages as
//! their expressions. The text leaves out the punctuation of objects and arrays and the bounds of
//! their counters, and it is cut where parts nest too deep.

use super::choice::Choice;
use super::lexed::{Lexed, Lexeme, Production, Symbol};
use super::node::{Grammar, Node, NodePool, UntilSpec};
use super::node_id::{LazyKey, NodeId, RuleId};
use super::object::ObjectSpec;
use crate::automata::Expr;
use crate::automata::{ExprPool, LangId, UNBOUNDED};
use std::fmt::Write;

impl std::fmt::Display for Grammar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pool = self.pool();
        writeln!(f, "root = {}", node_text(pool, self.root(), 0))?;
        let mut shown = vec![false; pool.rule_count()];
        let mut queue = std::collections::VecDeque::from([self.root()]);
        let mut seen = hashbrown::HashSet::new();
        while let Some(id) = queue.pop_front() {
            if !seen.insert(id) {
                continue;
            }
            if let Node::Rule(RuleId(rule)) = *pool.node(id) {
                let body = pool.rule(RuleId(rule));
                if !std::mem::replace(&mut shown[rule as usize], true) {
                    writeln!(f, "{} = {}", pool.rule_name(RuleId(rule)), node_text(pool, body, 0))?;
                }
                queue.push_back(body);
            }
            pool.node(id).children(|c| queue.push_back(c));
        }
        match pool.lexed() {
            Some(lexed) => lexed_text(f, pool, lexed),
            None => Ok(()),
        }
    }
}

/// Writes one production a line, then the lexemes in their order: an ignored one with `-` before
/// its name, any other with `~`.
fn lexed_text(f: &mut std::fmt::Formatter<'_>, pool: &NodePool, lexed: &Lexed) -> std::fmt::Result {
    for Production { rule, body } in lexed.parser.productions() {
        let parts: Vec<String> = body
            .iter()
            .map(|symbol| match *symbol {
                Symbol::Lexeme(lexeme) => format!("~{}", lexed.lexeme(lexeme).name),
                Symbol::Rule(rule) => lexed.rules[rule as usize].to_string(),
            })
            .collect();
        writeln!(
            f,
            "{} = {}",
            lexed.rules[*rule as usize],
            if parts.is_empty() { "ε".to_owned() } else { parts.join(" ") }
        )?;
    }
    for Lexeme { name, marked, ignored, .. } in &lexed.lexemes {
        let sign = if *ignored { '-' } else { '~' };
        writeln!(f, "{sign}{name} = {}", language_text(&pool.languages, *marked, 0))?;
    }
    Ok(())
}

/// The nesting depth at which text is cut, so that printing cannot overflow the stack.
const MAX_DEPTH: usize = 64;

fn count_text(min: u32, max: u32) -> String {
    match (min, max) {
        (0, UNBOUNDED) => "*".to_owned(),
        (1, UNBOUNDED) => "+".to_owned(),
        (0, 1) => "?".to_owned(),
        (_, UNBOUNDED) => format!("{{{min},}}"),
        _ if min == max => format!("{{{min}}}"),
        _ => format!("{{{min},{max}}}"),
    }
}

fn choices_text(pool: &NodePool, choices: &[Choice], depth: usize) -> String {
    let texts: Vec<String> = choices
        .iter()
        .map(|c| {
            let text = node_text(pool, c.value, depth);
            if c.counts == 0 { text } else { format!("{text}#{:b}", c.counts) }
        })
        .collect();
    if texts.is_empty() { "never".to_owned() } else { texts.join(" | ") }
}

/// The text of one node.
pub fn node_text(pool: &NodePool, id: NodeId, depth: usize) -> String {
    if depth > MAX_DEPTH {
        return "…".to_owned();
    }
    let deeper = depth + 1;
    let l = &pool.languages;
    match pool.node(id) {
        Node::Never => "never".to_owned(),
        Node::Empty => "ε".to_owned(),
        Node::Terminal(language) => language_text(l, *language, deeper),
        Node::Switch { language, targets } => {
            let targets: Vec<String> = targets.iter().map(|&t| node_text(pool, t, deeper)).collect();
            format!("switch({}){{{}}}", language_text(l, *language, deeper), targets.join("; "))
        }
        Node::Seq(a, b) => format!("{} {}", node_text(pool, *a, deeper), node_text(pool, *b, deeper)),
        Node::Alt(parts) => {
            let texts: Vec<String> = parts.iter().map(|&p| node_text(pool, p, deeper)).collect();
            format!("({})", texts.join(" | "))
        }
        Node::Repeat { body, min, max } => {
            format!("({}){}", node_text(pool, *body, deeper), count_text(*min, *max))
        }
        Node::NonEmpty(body) => format!("nonempty({})", node_text(pool, *body, deeper)),
        Node::Metered { body, most } => format!("tokens[{most}]({})", node_text(pool, *body, deeper)),
        Node::Rule(rule) => pool.rule_name(*rule).to_owned(),
        Node::Lexed => "lexed".to_owned(),
        Node::Special(special) => format!("<{}>", pool.special_name(*special)),
        Node::Spelled(text) => format!("spelled({text:?})"),
        Node::Until(spec) => until_text(pool, spec, deeper),
        Node::Mark { mark, back: 0 } => format!("mark{}", mark.0),
        Node::Mark { mark, back } => format!("mark{}-{back}", mark.0),
        Node::Lazy(LazyKey { part: 0, key }) => format!("lazy({key})"),
        Node::Lazy(LazyKey { part, key }) => format!("lazy({part}:{key})"),
        Node::Object(spec) => object_text(pool, spec, deeper),
        Node::Array(spec) => {
            let mut text = format!("array[{}]{{", count_text(spec.min, spec.max));
            for p in &spec.prefix {
                let _ = write!(text, " {},", choices_text(pool, p, deeper));
            }
            let _ = write!(text, " …{} }}", choices_text(pool, &spec.rest, deeper));
            text
        }
    }
}

fn until_text(pool: &NodePool, spec: &UntilSpec, depth: usize) -> String {
    let mut text = String::from("until{");
    for (trigger, target) in spec.triggers.iter().flat_map(|trigger| &trigger.markers) {
        let _ = write!(text, " {:?}: {},", trigger.text(), node_text(pool, *target, depth));
    }
    spec.forbidden.iter().for_each(|forbidden| {
        let _ = write!(text, " !{:?},", forbidden.text());
    });
    text.push_str(if spec.is_empty { " at once" } else { "" });
    if spec.max_tokens != UNBOUNDED {
        let _ = write!(text, " tokens {}", count_text(0, spec.max_tokens));
    }
    text.push_str(if spec.may_end { " end }" } else { " }" });
    text
}

fn object_text(pool: &NodePool, spec: &ObjectSpec, depth: usize) -> String {
    let mut text = format!("object[{:?}", spec.order);
    if (spec.min, spec.max) != (0, UNBOUNDED) {
        let _ = write!(text, " {}", count_text(spec.min, spec.max));
    }
    text.push_str("]{");
    for p in &spec.declared {
        let _ = write!(
            text,
            " {:?}{}: {}",
            p.key,
            if p.required { "!" } else { "?" },
            choices_text(pool, &p.values, depth)
        );
        if !p.requires.is_empty() {
            let _ = write!(text, " needs {:?}", p.requires);
        }
        text.push(',');
    }
    for r in &spec.rest {
        let _ = write!(
            text,
            " {}: {},",
            language_text(&pool.languages, r.keys, depth),
            choices_text(pool, &r.values, depth)
        );
    }
    text.push_str(" }");
    text
}

/// The text of one language.
pub fn language_text(l: &ExprPool, id: LangId, depth: usize) -> String {
    if depth > MAX_DEPTH {
        return "…".to_owned();
    }
    let deeper = depth + 1;
    let join = |parts: &[LangId], by: &str| {
        let texts: Vec<String> = parts.iter().map(|&p| language_text(l, p, deeper)).collect();
        texts.join(by)
    };
    if id == l.any_text() {
        return "text".to_owned();
    }
    match l.expr(id) {
        Expr::Never => "∅".to_owned(),
        Expr::Empty => "ε".to_owned(),
        Expr::All => "all".to_owned(),
        Expr::Chars(node) => l.chars_text(*node),
        Expr::Literals { set, lo, hi, depth } => {
            let set = l.literal_set(*set);
            const SHOWN: u32 = 12;
            let mut texts: Vec<String> = (*lo..(*hi).min(lo + SHOWN))
                .map(|i| format!("\"{}\"", set.get(i).0[*depth as usize..].escape_ascii()))
                .collect();
            if hi - lo > SHOWN {
                texts.push(format!("… {} more", hi - lo - SHOWN));
            }
            if texts.len() == 1 { texts.remove(0) } else { format!("[{}]", texts.join(" ")) }
        }
        Expr::Concat(a, b) => format!("{} {}", language_text(l, *a, deeper), language_text(l, *b, deeper)),
        Expr::Union(parts) => format!("({})", join(parts, " | ")),
        Expr::Inter(parts) => format!("({})", join(parts, " & ")),
        Expr::Not(body) => format!("!{}", language_text(l, *body, deeper)),
        Expr::Repeat(body, min, max) => {
            format!("({}){}", language_text(l, *body, deeper), count_text(*min, *max))
        }
        Expr::Json { inner, mode, .. } => {
            format!("json{}({})", mode.text(), language_text(l, *inner, deeper))
        }
        Expr::Machine { machine, state } => l.machine_text(*machine, *state),
        Expr::Unknown(equation) => format!("X{equation}"),
    }
}
