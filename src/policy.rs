//! Policies: options with a few values, each of which has a name.
//!
//! A policy is declared once, by the macro `policy`, with a row for each value. From the rows
//! follow the list of values, the names that command lines, files and Python spell, and the
//! conversions between values and names. For example, `KeyOrder::Any` is `any` everywhere.

use std::fmt;

/// The error of reading a policy from a text that is none of its names.
///
/// ```
/// use hedgerow::grammar::KeyOrder;
/// assert_eq!("any".parse(), Ok(KeyOrder::Any));
/// let error = "sorted".parse::<KeyOrder>().unwrap_err();
/// assert_eq!(error.to_string(), "expected declared or any");
/// assert_eq!(error.names(), ["declared", "any"]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownName {
    pub(crate) names: &'static [&'static str],
}

impl UnknownName {
    /// The names that the policy has.
    pub fn names(&self) -> &'static [&'static str] {
        self.names
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.names.join(" or "))
    }
}

impl std::error::Error for UnknownName {}

/// Declares policies: `enum KeyOrder { Declared = "declared", Any = "any", }`. The first value is
/// the default, unless another is named: `enum Draft default Unspecified { … }`. Attributes, such
/// as `#[derive(Ord)]`, are kept.
macro_rules! policy {
    ($($(#[$doc:meta])* enum $name:ident $(default $default:ident)? {
        $($(#[$member_doc:meta])* $member:ident = $text:literal,)+
    })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$member_doc])* $member,)+
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [$name] = &[$($name::$member),+];

            /// The name, as command lines and files spell it.
            pub fn name(self) -> &'static str {
                match self {
                    $($name::$member => $text,)+
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                [$($name::$default,)? $($name::$member),+][0]
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let found = $name::ALL.iter().copied().find(|value| value.name() == text);
                found.ok_or($crate::UnknownName { names: &[$($text),+] })
            }
        }
    )+};
}
