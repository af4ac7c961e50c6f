//! Options whose value is a policy: one of a few names.

use clap::builder::{PossibleValuesParser, TypedValueParser};

/// Makes a parser of the names of `values`, which are the policy's values or some of them.
pub(super) fn policy_parser<T: Copy + Send + Sync + 'static>(
    values: &'static [T],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let names: Vec<&str> = values.iter().map(|&value| name(value)).collect();
    PossibleValuesParser::new(names).try_map(move |given| {
        let found = values.iter().copied().find(|&value| name(value) == given);
        found.ok_or("this name is unknown")
    })
}
