//! The version that the two programs of the command must share.
//!
//! Example: `hedgerow` was installed anew without the feature `torch`, and an older
//! `hedgerow-torch` still lies beside it. The options of the two may differ, so the older one
//! refuses to serve.

/// The environment variable by which `hedgerow` tells `hedgerow-torch` its version.
pub const VARIABLE: &str = "HEDGEROW_STARTED_BY";

/// The version of this program.
pub const OWN: &str = env!("CARGO_PKG_VERSION");
