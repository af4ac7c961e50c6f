//! The keywords that are read by a rule of their own.
//!
//! Each reader checks the value of its member and returns the keyword. It returns `None` if the
//! keyword depends on other members ([`DeferredKeywords`]), if it restricts nothing, or if an
//! option or lenient mode dropped it.

use super::super::document::{ARRAY, BOOLEAN, INTEGER, Keyword, NULL, NUMBER, OBJECT, STRING, Types, What};
use super::super::error;
use super::super::format::Format;
use super::super::json::{JsonKind, Value};
use super::super::options::{ContentEncoding, Draft, FormatPolicy, UnknownFormat};
use super::deferred::{DeferredKeywords, Satisfiability};
use super::state::{SchemaMember, SchemaReader};
use crate::automata::Decimal;
use crate::grammar::CompileError;

type Read = Result<Option<Keyword>, CompileError>;

/// The most digits of a divisor, in all and after the point.
const DIVISOR_DIGITS: u32 = 15;

pub(super) fn types(
    reader: &mut SchemaReader<'_>,
    member: SchemaMember,
    deferred: &mut DeferredKeywords,
) -> Read {
    let bits = match reader.doc.json.kind(member.value) {
        JsonKind::String(_) => reader.type_bit(member.value),
        JsonKind::Array { .. } => {
            let items = reader.doc.json.items(member.value);
            items.iter().try_fold(0, |bits, &v| Some(bits | reader.type_bit(v)?))
        }
        _ => None,
    };
    deferred.types = bits.filter(|&bits| bits != 0).ok_or_else(|| {
        reader.malformed(
            member,
            "must be one of `null`, `boolean`, `integer`, `number`, `string`, `array`, `object`, or a list of them",
        )
    })?;
    Ok(None)
}

pub(super) fn nullable(
    reader: &mut SchemaReader<'_>,
    member: SchemaMember,
    deferred: &mut DeferredKeywords,
) -> Read {
    match reader.doc.json.kind(member.value) {
        JsonKind::Bool(nullable) => deferred.nullable = nullable.then_some(member),
        _ => reader.note(member, What::Unknown),
    }
    Ok(None)
}

pub(super) fn enumeration(
    reader: &mut SchemaReader<'_>,
    member: SchemaMember,
    deferred: &mut DeferredKeywords,
) -> Read {
    match reader.doc.json.kind(member.value) {
        JsonKind::Array { .. } => {
            deferred.values = Some(member.value);
            reader.constants(member, Keyword::Enum(member.value))
        }
        _ => Err(reader.malformed(member, "must be an array of values")),
    }
}

pub(super) fn constant(
    reader: &mut SchemaReader<'_>,
    member: SchemaMember,
    _: &mut DeferredKeywords,
) -> Read {
    reader.constants(member, Keyword::Const(member.value))
}

pub(super) fn multiple(
    reader: &mut SchemaReader<'_>,
    member: SchemaMember,
    _: &mut DeferredKeywords,
) -> Read {
    let divisor = reader.number(member)?;
    if divisor.is_zero() || divisor.is_negative() {
        return Err(reader.malformed(member, "must be greater than 0"));
    }
    let fits = |(digits, places)| digits < 10u64.pow(DIVISOR_DIGITS) && places <= DIVISOR_DIGITS;
    if !divisor.scaled().is_some_and(fits) {
        reader.unsupported(member, &format!("the divisor has more than {DIVISOR_DIGITS} digits"))?;
        return Ok(None);
    }
    Ok(Some(Keyword::MultipleOf(member.value)))
}

pub(super) fn string_pattern(
    reader: &mut SchemaReader<'_>,
    member: SchemaMember,
    deferred: &mut DeferredKeywords,
) -> Read {
    let pattern = reader.text(member)?;
    match reader.pattern(&pattern) {
        Ok(inhabited) => {
            if !inhabited {
                deferred.leaves(Satisfiability::PerhapsNothing);
            }
            if super::super::pattern::leniency(&pattern).is_some() {
                reader.note(member, What::AnnexB(0));
            }
        }
        Err(reason) => {
            reader.unsupported(member, &reason)?;
            return Ok(None);
        }
    }
    Ok(Some(Keyword::Pattern(member.value)))
}

pub(super) fn format(reader: &mut SchemaReader<'_>, member: SchemaMember, _: &mut DeferredKeywords) -> Read {
    let name = reader.text(member)?;
    if reader.options.format == FormatPolicy::Annotate {
        reader.note(member, What::Annotation);
        return Ok(None);
    }
    match Format::by_name(&name) {
        // Up to draft 6, host names were those of RFC 1034 alone.
        Some(Format::Hostname) if member.draft <= Draft::Six => {
            return Ok(Some(Keyword::Format(Format::AsciiHostname)));
        }
        Some(format) => return Ok(Some(Keyword::Format(format))),
        None if reader.options.unknown_format == UnknownFormat::Refuse => {
            let reason = format!("names `{name}`, but the format `{name}` is not known");
            return Err(reader.malformed(member, &reason));
        }
        None => reader.note(member, What::UnknownFormat),
    }
    Ok(None)
}

pub(super) fn encoding(
    reader: &mut SchemaReader<'_>,
    member: SchemaMember,
    _: &mut DeferredKeywords,
) -> Read {
    let is_base64 = reader.text(member)?.eq_ignore_ascii_case("base64");
    if !is_base64 || reader.options.content_encoding == ContentEncoding::Annotate {
        reader.note(member, What::Annotation);
        return Ok(None);
    }
    Ok(Some(Keyword::Format(Format::Base64)))
}

pub(super) fn unique(reader: &mut SchemaReader<'_>, member: SchemaMember, _: &mut DeferredKeywords) -> Read {
    match reader.doc.json.kind(member.value) {
        JsonKind::Bool(true) => Ok(Some(Keyword::UniqueItems)),
        JsonKind::Bool(false) => Ok(None),
        _ => Err(reader.malformed(member, "must be `true` or `false`")),
    }
}

pub(super) fn required(
    reader: &mut SchemaReader<'_>,
    member: SchemaMember,
    _: &mut DeferredKeywords,
) -> Read {
    if !reader.is_string_list(member.value) {
        return Err(reader.malformed(member, "must be an array of strings"));
    }
    let is_empty = reader.doc.json.items(member.value).is_empty();
    Ok((!is_empty).then_some(Keyword::Required(member.value)))
}

pub(super) fn pattern_properties(
    reader: &mut SchemaReader<'_>,
    member: SchemaMember,
    _: &mut DeferredKeywords,
) -> Read {
    for i in 0..reader.doc.json.member_count(member.value) {
        let pattern = reader.doc.json.member_key(member.value, i).to_owned();
        if let Err(reason) = reader.pattern(&pattern) {
            reader.unsupported(member, &reason)?;
            reader.without_patterns.insert(member.schema);
            return Ok(Some(Keyword::Unknown));
        }
        if super::super::pattern::leniency(&pattern).is_some() {
            reader.note(member, What::AnnexB(i));
        }
    }
    reader.subschema_map(member)?;
    Ok(Some(Keyword::PatternProperties(member.value)))
}

pub(super) fn dependencies(
    reader: &mut SchemaReader<'_>,
    member: SchemaMember,
    _: &mut DeferredKeywords,
) -> Read {
    reader.each_dependency(member, |reader, item| match reader.is_string_list(item) {
        true => Ok(()),
        false => reader.subschema_at(member, item).map(drop),
    })
}

pub(super) fn dependent_required(
    reader: &mut SchemaReader<'_>,
    member: SchemaMember,
    _: &mut DeferredKeywords,
) -> Read {
    reader.each_dependency(member, |reader, item| match reader.is_string_list(item) {
        true => Ok(()),
        false => Err(reader.malformed(member, "must hold arrays of strings")),
    })
}

pub(super) fn reference(
    reader: &mut SchemaReader<'_>,
    member: SchemaMember,
    _: &mut DeferredKeywords,
) -> Read {
    let target = reader.text(member)?;
    let found = reader.doc.references.resolve(&mut reader.doc.json, member.resource, &target);
    let error = |reader: &SchemaReader<'_>, reason: &str| {
        error::unresolved(reader.error_place(member), member.name, &target, reason)
    };
    let found = match found {
        Ok(found) => found,
        Err(reason) => {
            let error = error(reader, &reason);
            reader.unless_lenient(member, error)?;
            return Ok(Some(Keyword::Unknown));
        }
    };
    if !matches!(reader.doc.json.kind(found), JsonKind::Object { .. } | JsonKind::Bool(_)) {
        return Err(error(reader, "which is not a schema (an object, `true` or `false`)"));
    }
    let home = reader.doc.references.enclosing_resource(&reader.doc.json, found);
    reader.enqueue(found, home);
    let anchor = match member.name {
        "$dynamicRef" => reader.doc.references.dynamic_anchor(home, found, &target),
        "$recursiveRef" => reader.doc.references.recursive_anchor(home),
        _ => None,
    };
    let Some(anchor) = anchor else { return Ok(Some(Keyword::Ref(found))) };
    // The resource that is entered first decides, so every candidate must be read.
    for candidate in reader.doc.references.anchored(anchor) {
        let home = reader.doc.references.enclosing_resource(&reader.doc.json, candidate);
        reader.enqueue(candidate, home);
    }
    Ok(Some(Keyword::DynamicRef { initial: found, anchor }))
}

impl SchemaReader<'_> {
    /// The keyword; `None` in lenient mode if the numbers in its value cannot be told apart.
    fn constants(&mut self, member: SchemaMember, keyword: Keyword) -> Read {
        let json = &self.doc.json;
        let mut open = vec![member.value];
        let mut is_long = false;
        while let Some(value) = open.pop() {
            match json.kind(value) {
                JsonKind::Array { .. } => open.extend_from_slice(json.items(value)),
                JsonKind::Object { .. } => open.extend(json.members(value).map(|(_, value)| value)),
                JsonKind::Number(span) => is_long |= Decimal::parse(json.text(span)).is_none(),
                _ => {}
            }
        }
        if is_long {
            self.unsupported(member, "it holds a number whose exponent has more than nine digits")?;
            return Ok(None);
        }
        Ok(Some(keyword))
    }

    fn type_bit(&self, value: Value) -> Option<Types> {
        Some(match self.doc.json.as_str(value)? {
            "null" => NULL,
            "boolean" => BOOLEAN,
            "integer" => INTEGER,
            "number" => NUMBER,
            "string" => STRING,
            "array" => ARRAY,
            "object" => OBJECT,
            _ => return None,
        })
    }

    fn text(&self, member: SchemaMember) -> Result<String, CompileError> {
        let text = self.doc.json.as_str(member.value).map(str::to_owned);
        text.ok_or_else(|| self.malformed(member, "must be a string"))
    }

    /// Compiles a pattern and reports whether any text matches it.
    fn pattern(&mut self, pattern: &str) -> Result<bool, String> {
        let language = match self.doc.patterns.get(pattern) {
            Some(&language) => language,
            None => {
                let language = super::super::pattern::language(self.pool, pattern)?;
                self.doc.patterns.insert(pattern.into(), language);
                language
            }
        };
        Ok(!self.pool.is_never(language))
    }

    fn is_string_list(&self, value: Value) -> bool {
        matches!(self.doc.json.kind(value), JsonKind::Array { .. })
            && self.doc.json.items(value).iter().all(|&v| self.doc.json.as_str(v).is_some())
    }

    fn each_dependency(
        &mut self,
        member: SchemaMember,
        check: impl Fn(&mut Self, Value) -> Result<(), CompileError>,
    ) -> Read {
        if !self.doc.json.is_object(member.value) {
            return Err(self.malformed(member, "must be an object"));
        }
        for i in 0..self.doc.json.member_count(member.value) {
            let (_, item) = self.doc.json.member(member.value, i);
            check(self, item)?;
        }
        Ok(Some(Keyword::Dependencies(member.value)))
    }
}
