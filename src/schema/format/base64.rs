//! `contentEncoding: base64` by RFC 4648 §4, with padding.
//!
//! The bits that padding leaves over must be zero (§3.5), as strict decoders require.

use crate::automata::{ExprPool, LangId};

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    super::rust(pool, "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|[A-Za-z0-9+/][AQgw]==)?")
}
