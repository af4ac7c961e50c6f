//! Structural tags: schemas, grammars and free text inside one output.
//!
//! A model that calls tools writes text, then a marker, then JSON, then another marker, and perhaps
//! text again. A *structural tag* says so: it is a tree of [formats](Format), given as JSON in the
//! form that XGrammar, vLLM and SGLang use. [`parse`] reads it, [`compile`] makes a grammar of it.
//!
//! ```
//! use hedgerow::{Constraint, Vocabulary};
//! let tag = r#"{"type": "structural_tag", "format": {"type": "triggered_tags",
//!     "triggers": ["<call>"],
//!     "tags": [{"begin": "<call>", "end": "</call>", "content": {"type": "json_schema",
//!         "json_schema": {"type": "object", "properties": {"city": {"type": "string"}},
//!         "required": ["city"], "additionalProperties": false}}}]}}"#;
//! let vocabulary = Vocabulary::from_byte_list((0..=255).map(|byte| vec![byte]).collect())?;
//! let constraint = Constraint::structural_tag(tag, &vocabulary)?;
//! let mut matcher = constraint.matcher();
//! assert!(matcher.advance_bytes(br#"I look: <call>{"city": "Oslo"}</call> Now wait."#)?);
//! assert!(matcher.is_accepting());
//! assert!(!constraint.matcher().advance_bytes(br#"<call>{"town""#)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Free text is UTF-8 and holds no special token of the vocabulary. It ends at the *first*
//! occurrence of a trigger, or of the end of the tag that it stands in. Where markers name special
//! tokens, these tokens are meant; see [`Node::Spelled`](crate::grammar::Node::Spelled).
//!
//! Differences from XGrammar are listed in `docs/tools.md`.

mod call_template;
mod compile;
mod ending;
mod error;
mod event;
mod fields;
mod format;
mod parse;
mod preset;
mod reply;
mod roles;
mod style;
mod tools;

pub use crate::grammar::{Marker, Role};
pub use compile::{TagOptions, compile, compile_with_warnings};
pub use event::{Call, Event, Fold, Reply};
pub use format::{Dispatch, Format, SchemaFormat, SeparatedTags, Tag, TextFormat, TriggeredTags};
pub use parse::{StructuralTag, parse};
pub use preset::{Preset, WrittenCall};
pub use reply::{Reasoning, ToolOptions};
pub use tools::{Tool, ToolChoice, Tools};
