//! The text of a call as a pattern with places: `<call>$NAME($ARGUMENTS)</call>`.

use super::error::fault;
use crate::grammar::CompileError;
use std::sync::Arc;

/// One part of a pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Piece {
    /// This text.
    Text(Arc<str>),
    /// The tool's name.
    Name,
    /// The call's arguments.
    Arguments,
    /// The call's id.
    Id,
    /// The number of the call.
    Index,
    /// The beginning of an id that is written as other pieces, up to [`Piece::IdEnd`].
    IdBegin,
    /// The end of such an id.
    IdEnd,
}

/// The pieces of a call, in order. Two texts never stand side by side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct CallTemplate {
    pub pieces: Vec<Piece>,
}

/// The places, with their names in a pattern.
const PLACES: [(&str, Piece); 4] =
    [("$NAME", Piece::Name), ("$ARGUMENTS", Piece::Arguments), ("$ID", Piece::Id), ("$INDEX", Piece::Index)];

impl CallTemplate {
    /// Reads a pattern. Any `$` that begins no name of a place is itself. `$ID(…)` is an id that is
    /// written as other pieces, such as `$ID(functions.$NAME:$INDEX)`.
    pub fn parse(text: &str, pointer: &str) -> Result<Self, CompileError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(begin) = rest.find(ID_GROUP) {
            push_pieces(&rest[..begin], &mut pieces);
            let inner = &rest[begin + ID_GROUP.len()..];
            let Some(end) = inner.find(')') else {
                return Err(fault(pointer, "`$ID(` has no `)`"));
            };
            pieces.push(Piece::IdBegin);
            push_pieces(&inner[..end], &mut pieces);
            pieces.push(Piece::IdEnd);
            rest = &inner[end + 1..];
        }
        push_pieces(rest, &mut pieces);
        let places = |wanted: &Piece| {
            let is_wanted = |(_, piece): &(usize, &Piece)| *piece == wanted;
            pieces.iter().enumerate().filter(is_wanted).map(|(i, _)| i).collect::<Vec<_>>()
        };
        let (names, arguments) = (places(&Piece::Name), places(&Piece::Arguments));
        let Some(first) = names.first() else {
            let help = "write $NAME where the tool's name stands";
            return Err(fault(pointer, "the call has no $NAME").help(help));
        };
        match arguments.as_slice() {
            [only] if only > first => {}
            [_] => return Err(fault(pointer, "a call must have $ARGUMENTS behind $NAME")),
            _ => return Err(fault(pointer, "a call must have $ARGUMENTS exactly once")),
        }
        let ids: Vec<(usize, usize)> =
            places(&Piece::IdBegin).into_iter().zip(places(&Piece::IdEnd)).collect();
        let is_in_id = |at: &usize| ids.iter().any(|(begin, end)| (begin..end).contains(&at));
        if ids.len() + places(&Piece::Id).len() > 1 || is_in_id(&arguments[0]) {
            return Err(fault(pointer, "a call has one id at most, which does not hold $ARGUMENTS"));
        }
        Ok(CallTemplate { pieces })
    }

    /// The text before the first place; empty where a place comes first.
    pub fn lead(&self) -> &str {
        match self.pieces.first() {
            Some(Piece::Text(text)) => text,
            _ => "",
        }
    }

    /// True if the pattern has this place.
    pub fn has(&self, piece: &Piece) -> bool {
        self.pieces.contains(piece)
    }

    /// The text of one call.
    pub fn write(&self, name: &str, arguments: &str, id: &str, index: u32) -> String {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Name => out.push_str(name),
                Piece::Arguments => out.push_str(arguments),
                Piece::Id => out.push_str(id),
                Piece::Index => out.push_str(&index.to_string()),
                Piece::IdBegin | Piece::IdEnd => {}
            }
        }
        out
    }
}

/// The beginning of an id that is written as other pieces.
const ID_GROUP: &str = "$ID(";

/// Adds the pieces of a text without such an id.
fn push_pieces(text: &str, pieces: &mut Vec<Piece>) {
    let (mut start, mut at) = (0, 0);
    while let Some(found) = text[at..].find('$') {
        at += found;
        let place = PLACES.iter().find(|(name, _)| text[at..].starts_with(name));
        let Some((name, piece)) = place else {
            at += 1;
            continue;
        };
        if start < at {
            pieces.push(Piece::Text(text[start..at].into()));
        }
        pieces.push(piece.clone());
        at += name.len();
        start = at;
    }
    if start < text.len() {
        pieces.push(Piece::Text(text[start..].into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_and_written() {
        let table = [
            ("<f=$NAME>$ARGUMENTS</f>", Some("<f=sum>{}</f>")),
            ("$NAME:$INDEX$ARGUMENTS", Some("sum:7{}")),
            ("$5 $NAMES [$ID]$ARGUMENTS$", Some("$5 sumS [x1]{}$")),
            ("<$ID(f.$NAME:$INDEX)>$ARGUMENTS", Some("<f.sum:7>{}")),
            ("[$ID($INDEX)]$NAME$ARGUMENTS", Some("[7]sum{}")),
            ("$ID($INDEX$NAME$ARGUMENTS", None),
            ("$ID($NAME$ARGUMENTS)", None),
            ("$ID$NAME$ID($INDEX)$ARGUMENTS", None),
            ("$ARGUMENTS$NAME", None),
            ("$NAME", None),
            ("$ARGUMENTS", None),
            ("$NAME$ARGUMENTS$ARGUMENTS", None),
        ];
        for (pattern, expected) in table {
            let written = CallTemplate::parse(pattern, "").map(|call| call.write("sum", "{}", "x1", 7));
            assert_eq!(written.ok().as_deref(), expected, "{pattern}");
        }
    }
}
