//! `uri-template`: RFC 6570 §2 with all four levels. The apostrophe is a literal (erratum 6937).

use super::iri::{IPRIVATE, UCSCHAR};
use crate::automata::{ExprPool, LangId};

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    let escaped = "%[0-9A-Fa-f]{2}";
    let literal =
        format!(r"[\x21\x23\x24\x26-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e{UCSCHAR}{IPRIVATE}]|{escaped}");
    let character = format!("(?:[A-Za-z0-9_]|{escaped})");
    let variable = format!(r"{character}(?:\.?{character})*(?::[1-9][0-9]{{0,3}}|\*)?");
    // The operators `=,!@|` are reserved for later levels.
    let operator = r"[+\#./;?&=,!@|]";
    super::rust(pool, &format!(r"(?:{literal}|\{{{operator}?{variable}(?:,{variable})*\}})*"))
}
