//! Setters of options.
//!
//! Options are structs with public fields and a setter of the same name for each field. A setter
//! takes the options by value and gives them back, so that calls follow each other:
//! `Limits::default().nodes(1_000).state_threads(50)`.

/// Declares the setter of a field. It takes a plain value: for an `Option`, the value inside it.
///
/// Example: `setter! { max_items, Option<u32> }` declares `fn max_items(self, max_items: u32)`.
macro_rules! setter {
    ($name:ident, Option<$type:ty>) => {
        #[doc = concat!("Sets [`", stringify!($name), "`](Self#structfield.", stringify!($name), ").")]
        #[must_use]
        pub fn $name(mut self, $name: $type) -> Self {
            self.$name = Some($name);
            self
        }
    };
    ($name:ident, $type:ty) => {
        #[doc = concat!("Sets [`", stringify!($name), "`](Self#structfield.", stringify!($name), ").")]
        #[must_use]
        pub fn $name(mut self, $name: $type) -> Self {
            self.$name = $name;
            self
        }
    };
}
