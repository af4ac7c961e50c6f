//! Masks do not depend on the engine's optimisations: each is left out, and the masks are compared
//! with stepping, token by token.
//!
//! An optimisation is left out in the whole process, so this is a program of its own with one test.
//! `cargo test --features ablation --test ablation` runs it.

#[allow(dead_code)] // A part of it is used.
#[path = "support/bytes.rs"]
mod bytes;
#[path = "support/stepping.rs"]
mod stepping;

use hedgerow::automata::regex::{Anchoring, Dialect, compile};
use hedgerow::engine::ablation::{OPTIMISATIONS, disable, enable_all};
use hedgerow::grammar::NodePool;

#[test]
fn masks_are_the_same_without_each_optimisation() {
    // At most 40 characters, and `foo` is not among them.
    let inner = |pool: &mut NodePool| {
        let languages = &mut pool.languages;
        let all = compile(languages, "((?!foo).)*", Dialect::Ecma262, Anchoring::Full).unwrap();
        let character = languages.char_class(&[(0, 0x10_ffff)]);
        let short = languages.repeat(character, 0, 40);
        languages.inter(&[all, short])
    };
    for (name, optimisation) in OPTIMISATIONS {
        disable(optimisation);
        stepping::check_values(&stepping::vocabulary(), &format!("without {name}"), inner, "bar fo");
        enable_all();
    }
}
