//! Enumerations of the C interface, each written once.
//!
//! A C caller may pass any number for an enumerator, which a Rust `enum` could not hold. An
//! enumeration is therefore a `u32` with named constants. [`enumeration`] makes one, with its
//! conversion to the Rust type that it stands for. The generator of the header reads the same lines
//! and writes a C `enum`.
//!
//! The convention for names: type `hr_key_order`, enumerators `HR_KEY_ORDER_` and the name of the
//! Rust variant, such as `HR_KEY_ORDER_DECLARED` for `KeyOrder::Declared`. A test checks this for
//! every enumeration that stands for a Rust type. Numbers are part of the ABI: new ones are added
//! at the end, and none is ever reused.

/// Declares an enumeration, with or without a Rust type that it stands for.
///
/// `hr_key_order for KeyOrder { HR_KEY_ORDER_DECLARED = 0, }` also declares `hr_key_order::get`. It
/// converts the number n to element n of `KeyOrder::ALL`. A member may name its value instead, as
/// in `HR_DRAFT_4 = 4 => Draft::Four`. Without a Rust type, the caller matches on the members and
/// refuses other numbers by [`unknown_enumerator`](super::options::unknown_enumerator).
macro_rules! enumeration {
    ($(#[$doc:meta])* $name:ident for $rust:ty {
        $($(#[$member_doc:meta])* $member:ident = $number:literal,)+
    }) => {
        enumeration! { $(#[$doc])* $name { $($(#[$member_doc])* $member = $number,)+ } }
        enumeration! { @conversions $name, $rust, |number| <$rust>::ALL.get(number as usize).copied() }

        // Every value of the Rust type has a member.
        const _: () = assert!(<$rust>::ALL.len() == $name::MEMBERS.len());
    };
    ($(#[$doc:meta])* $name:ident for $rust:ty {
        $($(#[$member_doc:meta])* $member:ident = $number:literal => $value:expr,)+
    }) => {
        enumeration! { $(#[$doc])* $name { $($(#[$member_doc])* $member = $number,)+ } }
        enumeration! { @conversions $name, $rust, |number| match number {
            $($number => Some($value),)+
            _ => None,
        } }
    };
    (@conversions $name:ident, $rust:ty, $value:expr) => {
        impl $name {
            /// Converts to the Rust value, or refuses a number that stands for none. `name` is the
            /// parameter or member that holds the number.
            #[allow(dead_code)]
            pub(super) fn get(self, name: &str) -> Result<$rust, super::boundary::CallError> {
                let value: fn(u32) -> Option<$rust> = $value;
                value(self.0).map_or_else(|| super::options::unknown_enumerator(self.0, name, $name::MEMBERS.len()), Ok)
            }

            /// The enumerator of a Rust value.
            #[allow(dead_code)]
            pub(super) fn from_rust(value: $rust) -> Self {
                let stands_for_value = |number: u32| $name(number).get("").is_ok_and(|found| found == value);
                let first = $name::MEMBERS.iter().find(|(_, number)| stands_for_value(*number));
                first.map_or($name(0), |(_, number)| $name(*number))
            }

            /// Panics unless every enumerator is named after its Rust value.
            #[cfg(test)]
            pub(super) fn check_names() {
                let prefix = stringify!($name).to_uppercase();
                for (member, number) in $name::MEMBERS {
                    let value: Option<$rust> = $name(*number).get("").ok();
                    super::enumeration::check_name(&prefix, member, &format!("{value:?}"));
                }
            }
        }
    };
    ($(#[$doc:meta])* $name:ident {
        $($(#[$member_doc:meta])* $member:ident = $number:literal,)+
    }) => {
        $(#[$doc])*
        #[repr(transparent)]
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name(pub u32);

        #[allow(dead_code)]
        impl $name {
            $($(#[$member_doc])* pub const $member: $name = $name($number);)+

            /// The names and numbers of all members.
            pub(super) const MEMBERS: &'static [(&'static str, u32)] =
                &[$((stringify!($member), $number)),+];
        }
    };
}
pub(super) use enumeration;

/// Panics unless the enumerator is the prefix and the words of the variant. `None` is `OFF`.
/// `Draft::Y2020` and the like, which C spells with digits, are exempt.
#[cfg(test)]
pub(super) fn check_name(prefix: &str, member: &str, value: &str) {
    let inner = value.trim_start_matches("Some(").trim_end_matches(')');
    let variant = if inner == "None" { "Off" } else { inner };
    let mut words = String::new();
    for (i, c) in variant.char_indices() {
        if c.is_uppercase() && i > 0 {
            words.push('_');
        }
        words.extend(c.to_uppercase());
    }
    let given =
        member.strip_prefix(prefix).unwrap_or_else(|| panic!("{member} does not begin with {prefix}"));
    let given = given.trim_start_matches('_');
    assert!(
        given == words || given.starts_with(|c: char| c.is_ascii_digit()),
        "{member} stands for {variant}"
    );
}

#[cfg(test)]
mod tests {
    use super::super::{grammar, parameters, sampler_options, schema, tools};

    #[test]
    fn enumerators_are_named_after_rust_values() {
        grammar::hr_regex_dialect::check_names();
        grammar::hr_grammar_notation::check_names();
        schema::hr_key_order::check_names();
        schema::hr_additional_properties::check_names();
        schema::hr_escapes::check_names();
        schema::hr_unique_keys::check_names();
        schema::hr_numbers::check_names();
        schema::hr_format::check_names();
        schema::hr_unknown_format::check_names();
        schema::hr_strictness::check_names();
        schema::hr_content_encoding::check_names();
        schema::hr_draft::check_names();
        tools::hr_reasoning::check_names();
        parameters::hr_parameter_api::check_names();
        sampler_options::hr_selection::check_names();
        sampler_options::hr_top_k_ties::check_names();
        sampler_options::hr_tail_free_end::check_names();
        sampler_options::hr_p_less::check_names();
        sampler_options::hr_mirostat::check_names();
        #[cfg(feature = "torch")]
        {
            use super::super::generation_options::{hr_draft_choice, hr_early_stopping};
            hr_early_stopping::check_names();
            hr_draft_choice::check_names();
        }
    }

    #[test]
    fn other_numbers_are_refused() {
        let refused = schema::hr_escapes(4).get("escapes").unwrap_err();
        assert_eq!(refused.message, "escapes is 4, which is none of its 4 values");
    }
}
