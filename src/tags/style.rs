//! The styles in which a structural tag's `json_schema` writes an object between markers, under
//! XGrammar's names, and Gemma 4's.

use super::error::fault;
use super::fields::kind;
use crate::grammar::CompileError;
use crate::schema::{ArgumentStyle, Elements, ValueKind};
use crate::syntax::similar;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The styles.
const KNOWN: [&str; 10] = [
    "json",
    "qwen_xml",
    "minimax_xml",
    "minimax_m3_xml",
    "deepseek_xml",
    "deepseek_v4_1_xml",
    "glm_xml",
    "cohere_xml",
    "kimi_k3_xml",
    "gemma4",
];

/// The punctuation of a style; `None` for JSON's.
pub(super) fn style(name: &str, pointer: &str) -> Result<Option<Arc<ArgumentStyle>>, CompileError> {
    let text = |text: &str| Arc::<str>::from(text);
    let mut style = ArgumentStyle { whitespace: true, ..ArgumentStyle::default() };
    match name {
        "json" => return Ok(None),
        "qwen_xml" => {
            (style.before_key, style.after_key) = (text("<parameter="), text(">"));
            style.after_value = text("</parameter>");
        }
        "minimax_xml" => {
            (style.before_key, style.after_key) = (text("<parameter name=\""), text("\">"));
            style.after_value = text("</parameter>");
        }
        "glm_xml" => {
            style.before_key = text("<arg_key>");
            style.after_key = text("</arg_key><arg_value>");
            style.after_value = text("</arg_value>");
        }
        "deepseek_xml" | "deepseek_v4_1_xml" => {
            let gap = if name == "deepseek_xml" { "" } else { " " };
            style.before_key = format!("<｜DSML｜{gap}parameter name=\"").into();
            style.after_key = text("\" string=\"");
            style.around_strings = [text("true\">"), text("")];
            style.around_others = [text("false\">"), text("")];
            style.after_value = format!("</｜DSML｜{gap}parameter>").into();
        }
        "cohere_xml" => {
            style.before_key = text("<cofl:value name=\"");
            style.after_key = text("\" type=\"");
            style.around_strings = [text("raw\">"), text("")];
            style.around_others = [text("json\">"), text("")];
            style.after_value = text("</cofl:value>");
        }
        "kimi_k3_xml" => {
            let begin = |kind: &str| [text(&format!("{kind}\"<|sep|>")), text("")];
            style.before_key = text("<|open|>argument key=\"");
            style.after_key = text("\" type=\"");
            style.around_strings = begin("string");
            style.around_others = begin("object");
            style.around_kinds = ValueKind::ALL.map(|kind| (kind, begin(kind.name()))).to_vec();
            style.after_value = text("<|close|>argument<|sep|>");
            style.special_tokens = true;
        }
        "minimax_m3_xml" => {
            let space = "]<]minimax[>[";
            style.before_key = format!("{space}<").into();
            style.after_key = text(">");
            style.after_value = format!("{space}</").into();
            style.elements = Some(Elements { after_key: text(">"), item_key: text("item") });
            style.special_tokens = true;
            style.excludes = vec![text(space)];
        }
        "gemma4" => {
            (style.open, style.between, style.close) = (text("{"), text(","), text("}"));
            style.after_key = text(":");
            style.around_strings = [text("<|\"|>"), text("<|\"|>")];
            style.arrays = Some([text("["), text(","), text("]")]);
            (style.special_tokens, style.whitespace) = (true, false);
        }
        other => {
            let error = fault(pointer, format!("there is no style {other:?}"));
            let known = format!("styles are {}", KNOWN.join(", "));
            return Err(match similar(other, KNOWN.into_iter()) {
                Some(near) => error.help(format!("did you mean {near:?}? {known}")),
                None => error.help(known),
            });
        }
    }
    Ok(Some(Arc::new(style)))
}

/// The text of a schema without the values that are no objects, and with further members.
pub(super) fn of_objects(
    given: &Value,
    members: &[(&str, Value)],
    pointer: &str,
) -> Result<String, CompileError> {
    let schema = match given {
        Value::Object(schema) => Some(schema),
        Value::Bool(true) => None,
        other => {
            let what = format!("the parameters of a tool must be a schema, and not {}", kind(other));
            return Err(fault(pointer, what));
        }
    };
    let object = Value::from("object");
    match schema.and_then(|schema| schema.get("type")) {
        None => {}
        Some(given) if *given == object => {}
        Some(Value::Array(types)) if types.contains(&object) => {}
        Some(given) => {
            let what = format!("the parameters of a tool must be an object, and their type is {given}");
            return Err(fault(&format!("{pointer}/type"), what));
        }
    }
    let mut replaced = vec![("type", object)];
    replaced.extend_from_slice(members);
    Ok(serde_json::to_string(&Amended { object: schema, replaced }).unwrap_or_default())
}

/// The members of an object in their order, some of them replaced, and then those that are new. A
/// list of tools may be large, so its schemas are not copied.
struct Amended<'v> {
    object: Option<&'v Map<String, Value>>,
    replaced: Vec<(&'v str, Value)>,
}

impl Serialize for Amended<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.object.into_iter().flatten() {
            let replaced = self.replaced.iter().find(|member| member.0 == name.as_str());
            map.serialize_entry(name, replaced.map_or(value, |member| &member.1))?;
        }
        for (name, value) in &self.replaced {
            if !self.object.is_some_and(|object| object.contains_key(*name)) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}
