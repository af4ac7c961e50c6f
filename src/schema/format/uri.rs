//! `uri`: the URI of RFC 3986, appendix A. With more characters, the same rules give the IRI of RFC
//! 3987.

use crate::automata::{ExprPool, LangId};

/// The characters beyond ASCII that are allowed, as the inside of a class. They are the only
/// difference between URIs and IRIs.
pub(super) struct Characters {
    /// Characters allowed anywhere an unreserved character may stand.
    pub everywhere: &'static str,
    /// Characters allowed in queries too.
    pub in_queries: &'static str,
}

/// No characters beyond ASCII.
pub(super) const ASCII: Characters = Characters { everywhere: "", in_queries: "" };

/// The rules of the grammar as patterns.
pub(super) struct UriRules {
    scheme: &'static str,
    authority: String,
    segment: String,
    segment_without_colon: String,
    query: String,
    fragment: String,
}

impl UriRules {
    pub fn new(characters: &Characters) -> Self {
        let more = characters.everywhere;
        // The characters of `unreserved` and `sub-delims`.
        let plain = format!("A-Za-z0-9._~!$&'()*+,;={more}-");
        let escaped = "%[0-9A-Fa-f]{2}";
        let user = format!("(?:[:{plain}]|{escaped})*");
        let name = format!("(?:[{plain}]|{escaped})*");
        let future = r"[Vv][0-9A-Fa-f]+\.[A-Za-z0-9._~!$&'()*+,;=:-]+";
        let host = format!(r"(?:\[(?:{}|{future})\]|{name})", super::ipv6::pattern());
        let private = characters.in_queries;
        UriRules {
            scheme: "[A-Za-z][A-Za-z0-9+.-]*",
            authority: format!("(?:{user}@)?{host}(?::[0-9]*)?"),
            segment: format!("(?:[:@{plain}]|{escaped})"),
            segment_without_colon: format!("(?:[@{plain}]|{escaped})"),
            query: format!(r"(?:\?(?:[/?:@{private}{plain}]|{escaped})*)?"),
            fragment: format!("(?:#(?:[/?:@{plain}]|{escaped})*)?"),
        }
    }

    /// The pattern of URIs, which have a scheme.
    pub fn absolute(&self) -> String {
        let UriRules { scheme, authority, segment, query, fragment, .. } = self;
        format!(
            "{scheme}:(?://{authority}(?:/{segment}*)*|/(?:{segment}+(?:/{segment}*)*)?|{segment}+(?:/{segment}*)*|)\
             {query}{fragment}"
        )
    }

    /// The pattern of references without a scheme. The first segment of their path has no colon.
    pub fn relative(&self) -> String {
        let UriRules { authority, segment, segment_without_colon, query, fragment, .. } = self;
        format!(
            "(?://{authority}(?:/{segment}*)*|/(?:{segment}+(?:/{segment}*)*)?\
             |{segment_without_colon}+(?:/{segment}*)*|){query}{fragment}"
        )
    }
}

pub(super) fn language(pool: &mut ExprPool) -> LangId {
    super::rust(pool, &UriRules::new(&ASCII).absolute())
}
