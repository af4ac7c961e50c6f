//! The check that roles of parts fit together: a name, an id and arguments belong to a call, and a
//! call stands in no other.

use super::error::fault;
use super::format::{Format, SeparatedTags, Tag, TriggeredTags};
use crate::automata::interrupt;
use crate::grammar::{CompileError, Role};

/// Fails if a part has a role that says nothing where the part stands. `in_call` is true inside a
/// call.
pub(super) fn check(format: &Format, in_call: bool, at: &str) -> Result<(), CompileError> {
    interrupt::check()?;
    match format {
        Format::Marked { role, content } => {
            let inside = check_role(role, content, in_call, at)?;
            check(content, inside, at)
        }
        Format::Sequence(parts) | Format::Or(parts) => {
            let mut parts = parts.iter().enumerate();
            parts.try_for_each(|(i, part)| check(part, in_call, &format!("{at}/elements/{i}")))
        }
        Format::Repeat { body, .. } => check(body, in_call, &format!("{at}/content")),
        Format::Tag(tag) => check_tag(tag, in_call),
        Format::Triggered(TriggeredTags { tags, .. }) | Format::Separated(SeparatedTags { tags, .. }) => {
            tags.iter().try_for_each(|tag| check_tag(tag, in_call))
        }
        Format::Dispatch(dispatch) => {
            let mut rules = dispatch.rules.iter().enumerate();
            rules.try_for_each(|(i, rule)| check(&rule.1, in_call, &format!("{at}/rules/{i}/1")))
        }
        Format::Text(_)
        | Format::Const(_)
        | Format::Schema(_)
        | Format::Grammar { .. }
        | Format::Regex(_)
        | Format::Tokens { .. } => Ok(()),
    }
}

/// A tag says the role of its content.
fn check_tag(tag: &Tag, in_call: bool) -> Result<(), CompileError> {
    let (mut content, mut in_call) = (&*tag.content, in_call);
    if let Format::Marked { role, content: inner } = content {
        in_call = check_role(role, inner, in_call, &tag.pointer)?;
        content = inner;
    }
    check(content, in_call, &format!("{}/content", tag.pointer))
}

/// True if what stands in a part of this role stands in a call.
fn check_role(role: &Role, content: &Format, in_call: bool, at: &str) -> Result<bool, CompileError> {
    let name = match role {
        Role::Call { .. } if in_call => {
            let error = fault(at, "this call stands in another call, whose arguments would hold it");
            return Err(error.help("let the outer call end first, or give one of the two another role"));
        }
        Role::Call { name: None } if !has_name(content) => {
            let error = fault(at, "this call has no name");
            return Err(error.help("add `name`, or a part with the role \"name\" to its content"));
        }
        Role::Call { .. } => return Ok(true),
        Role::Name => "name",
        Role::Arguments | Role::Members { .. } => "arguments",
        _ => return Ok(in_call),
    };
    match in_call {
        true => Ok(true),
        false => Err(fault(at, format!("this part has the role {name:?} and stands in no call"))
            .help("put it into a part with the role \"call\"")),
    }
}

/// True if some part of the format is the name of a call.
fn has_name(format: &Format) -> bool {
    match format {
        Format::Marked { role, content } => *role == Role::Name || has_name(content),
        Format::Sequence(parts) | Format::Or(parts) => parts.iter().any(has_name),
        Format::Repeat { body, .. } => has_name(body),
        Format::Tag(tag) => has_name(&tag.content),
        Format::Triggered(TriggeredTags { tags, .. }) | Format::Separated(SeparatedTags { tags, .. }) => {
            tags.iter().any(|tag| has_name(&tag.content))
        }
        Format::Dispatch(dispatch) => dispatch.rules.iter().any(|rule| has_name(&rule.1)),
        _ => false,
    }
}
