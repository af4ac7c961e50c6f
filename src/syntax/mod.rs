//! Front ends: text in one of several notations becomes a [`Grammar`](crate::grammar::Grammar).

pub mod choice;
pub mod regex;
