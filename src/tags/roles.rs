//! The check that roles of parts fit together: a name, an id and arguments belong to a call, a call
//! stands in no other, and the members of an object that is written between markers are all of a
//! call's arguments.

use super::error::fault;
use super::format::{Format, SchemaFormat, SeparatedTags, Tag, TriggeredTags};
use crate::automata::interrupt;
use crate::grammar::{CompileError, Role};

/// The part around a format, as far as it decides about the roles inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Around {
    /// Neither of the others.
    Output,
    /// A call.
    Call,
    /// The arguments of a call, which are JSON.
    Arguments,
}

/// Fails if a part has a role that says nothing where the part stands.
pub(super) fn check(format: &Format, around: Around, at: &str) -> Result<(), CompileError> {
    interrupt::check()?;
    match format {
        Format::Marked { role, content } => {
            let inside = check_role(role, content, around, at)?;
            check(content, inside, at)
        }
        Format::Sequence(parts) | Format::Or(parts) => {
            let mut parts = parts.iter().enumerate();
            parts.try_for_each(|(i, part)| check(part, around, &format!("{at}/elements/{i}")))
        }
        Format::Repeat { body, .. } => check(body, around, &format!("{at}/content")),
        Format::Tag(tag) => check_tag(tag, around),
        Format::Triggered(TriggeredTags { tags, .. }) | Format::Separated(SeparatedTags { tags, .. }) => {
            tags.iter().try_for_each(|tag| check_tag(tag, around))
        }
        Format::Dispatch(dispatch) => {
            let mut rules = dispatch.rules.iter().enumerate();
            rules.try_for_each(|(i, rule)| check(&rule.1, around, &format!("{at}/rules/{i}/1")))
        }
        Format::Schema(SchemaFormat { arguments: Some(style), .. })
            if around == Around::Arguments && !style.is_json() =>
        {
            let what = "this schema has a style that is not JSON, and is a piece of a call's arguments";
            Err(fault(at, what).help("let it be all of the arguments: give the schema itself the role"))
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
fn check_tag(tag: &Tag, around: Around) -> Result<(), CompileError> {
    let (mut content, mut around) = (&*tag.content, around);
    if let Format::Marked { role, content: inner } = content {
        around = check_role(role, inner, around, &tag.pointer)?;
        content = inner;
    }
    check(content, around, &format!("{}/content", tag.pointer))
}

/// The part around what stands in a part of this role.
fn check_role(role: &Role, content: &Format, around: Around, at: &str) -> Result<Around, CompileError> {
    let is_in_call = around != Around::Output;
    let (name, inside) = match role {
        Role::Call { .. } if is_in_call => {
            let error = fault(at, "this call stands in another call, whose arguments would hold it");
            return Err(error.help("let the outer call end first, or give one of the two another role"));
        }
        Role::Call { name: None } if !has_name(content) => {
            let error = fault(at, "this call has no name");
            return Err(error.help("add `name`, or a part with the role \"name\" to its content"));
        }
        Role::Call { .. } => return Ok(Around::Call),
        Role::Name => ("name", around),
        Role::Arguments => ("arguments", Around::Arguments),
        Role::Members { .. } => ("arguments", Around::Call),
        _ => return Ok(around),
    };
    match is_in_call {
        true => Ok(inside),
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
