//! The JSON spellings of a language of decoded text.
//!
//! A pattern or a length speaks about the *decoded* string, but the bytes are escaped. A state of a
//! spelling is the state of the decoded language and the place within an escape. So `"\u0061"` and
//! `"a"` are the same text to patterns, lengths, literals and excluded keys. An escape is entered
//! only if some character completes it. The characters that may follow a decoded state are kept as
//! ranges. So `\u00` is refused if no character below U+0100 may follow.
//!
//! Surrogates must come in pairs, as RFC 8259 §8.2 recommends and strict readers demand. The
//! grammar is that of RFC 8259 §7.

use super::byte_classes::{ByteClasses, ByteSet};
use super::expr::{CharTarget, Escapes, JsonMode, LangId};
use super::expr_pool::ExprPool;
use regex_syntax::utf8::{Utf8Range, Utf8Sequences};
use std::sync::{Arc, OnceLock};

impl Escapes {
    /// True if `text` has a spelling. Without `\u`, most control characters have none.
    pub fn can_spell(self, text: &str) -> bool {
        self != Escapes::NoUnicode || !has_control_without_short_escape(text)
    }
}

impl ExprPool {
    /// The texts of a language that have a spelling.
    pub fn spellable(&mut self, texts: LangId, escapes: Escapes) -> LangId {
        if escapes != Escapes::NoUnicode {
            return texts;
        }
        let ends = CONTROLS_WITHOUT_SHORT_ESCAPE.map(|(first, last)| [first, last + 1]).concat();
        let last = ends.len() - 1;
        let mut others: Vec<(u32, u32)> = (1..last).step_by(2).map(|i| (ends[i], ends[i + 1] - 1)).collect();
        others.push((ends[last], 0x10_ffff));
        let character = self.char_class(&others);
        let spellable = self.repeat(character, 0, super::UNBOUNDED);
        self.inter(&[texts, spellable])
    }
}

/// The partition in which each byte with a meaning in JSON is alone, the other control characters
/// share a class, and all other bytes share another.
pub(super) fn classes() -> &'static ByteClasses {
    static CLASSES: OnceLock<ByteClasses> = OnceLock::new();
    CLASSES.get_or_init(make_classes)
}

fn make_classes() -> ByteClasses {
    let mut special = ByteSet::EMPTY;
    b"\"\\/bfnrtuABCDEFabcdef0123456789".iter().for_each(|&b| special.insert(b));
    ByteClasses::by_key(|b| if special.contains(b) { usize::from(b) } else { 256 + usize::from(b < 0x20) })
}

fn hex_value(byte: u8) -> Option<u16> {
    char::from(byte).to_digit(16).map(|d| d as u16)
}

/// The character that a two-character escape stands for: a line feed for `n`.
fn short_escape(byte: u8) -> Option<u8> {
    Some(match byte {
        b'"' | b'\\' | b'/' => byte,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    })
}

/// The control characters without a two-character escape. [`Escapes::Minimal`] spells them with
/// `\u`, and [`Escapes::NoUnicode`] cannot spell them at all.
pub(super) const CONTROLS_WITHOUT_SHORT_ESCAPE: [(u32, u32); 3] = [(0x00, 0x07), (0x0b, 0x0b), (0x0e, 0x1f)];

/// True if the text has such a character.
pub(super) fn has_control_without_short_escape(text: &str) -> bool {
    let is_control = |c: u32| CONTROLS_WITHOUT_SHORT_ESCAPE.iter().any(|&(lo, hi)| (lo..=hi).contains(&c));
    text.bytes().any(|byte| is_control(u32::from(byte)))
}

/// The spelling of `text` under [`Escapes::Minimal`], with quotes.
pub(crate) fn minimal_spelling(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    out.push(b'"');
    spell_minimally(text.as_bytes(), &mut out);
    out.push(b'"');
    out
}

/// Writes the spelling of a piece of text under [`Escapes::Minimal`], without quotes.
pub(super) fn spell_minimally(text: &[u8], out: &mut Vec<u8>) {
    for &b in text {
        match b {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', b]),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1f => out.extend_from_slice(format!("\\u{b:04x}").as_bytes()),
            _ => out.push(b),
        }
    }
}

/// The bytes that may lead two spellings in `mode` to different states, if only the bytes of
/// `decoded` lead their decoded texts to different states.
pub(super) fn spelling_bytes(decoded: &ByteSet, mode: JsonMode) -> ByteSet {
    let mut bytes = ByteSet::EMPTY;
    let is_ascii = decoded.0[2] == 0 && decoded.0[3] == 0;
    match mode {
        JsonMode::Start => bytes.insert(b'"'),
        JsonMode::Body => {
            bytes = *decoded;
            // One text may end here and the other not, even if they agree on every further byte.
            bytes.insert(b'"');
            bytes.insert(b'\\');
        }
        JsonMode::Escape => {
            bytes.insert(b'u');
            let short =
                b"\"\\/bfnrt".iter().filter(|&&b| short_escape(b).is_some_and(|c| decoded.contains(c)));
            short.for_each(|&b| bytes.insert(b));
        }
        // Only `\u00` can begin a character of one byte.
        JsonMode::Hex { digits: 0 | 1, .. } if is_ascii => bytes.insert(b'0'),
        JsonMode::LowBackslash(_) | JsonMode::LowU(_) | JsonMode::LowHex { .. } if is_ascii => {}
        JsonMode::Closed => {}
        _ => bytes = ByteSet::FULL,
    }
    bytes
}

impl ExprPool {
    pub(super) fn derive_json(
        &mut self,
        inner: LangId,
        mode: JsonMode,
        escapes: Escapes,
        byte: u8,
    ) -> LangId {
        match mode {
            JsonMode::Start if byte == b'"' => self.json(inner, JsonMode::Body, escapes),
            JsonMode::Start | JsonMode::Closed => LangId::NEVER,
            JsonMode::Body => match byte {
                b'"' if self.is_nullable(inner) => self.json(inner, JsonMode::Closed, escapes),
                b'\\' if self.can_escape(inner, escapes) => self.json(inner, JsonMode::Escape, escapes),
                b'"' | b'\\' | 0..=0x1f => LangId::NEVER,
                _ => {
                    let next = self.step(inner, byte);
                    self.json(next, JsonMode::Body, escapes)
                }
            },
            JsonMode::Escape => {
                if byte == b'u' {
                    let mode = JsonMode::Hex { digits: 0, value: 0 };
                    return if self.can_complete_hex(inner, escapes, 0, 0) {
                        self.json(inner, mode, escapes)
                    } else {
                        LangId::NEVER
                    };
                }
                match short_escape(byte) {
                    Some(b'/') if escapes == Escapes::Minimal => LangId::NEVER,
                    Some(c) => {
                        let next = self.step(inner, c);
                        self.json(next, JsonMode::Body, escapes)
                    }
                    None => LangId::NEVER,
                }
            }
            JsonMode::Hex { digits, value } => {
                let Some(digit) = hex_value(byte) else { return LangId::NEVER };
                if escapes == Escapes::Minimal && byte.is_ascii_uppercase() {
                    return LangId::NEVER;
                }
                let value = value << 4 | digit;
                if !self.can_complete_hex(inner, escapes, digits + 1, value) {
                    return LangId::NEVER;
                }
                if digits < 3 {
                    return self.json(inner, JsonMode::Hex { digits: digits + 1, value }, escapes);
                }
                if (0xd800..0xdc00).contains(&value) {
                    return self.json(inner, JsonMode::LowBackslash(value), escapes);
                }
                let next = self.after_char(inner, u32::from(value));
                self.json(next, JsonMode::Body, escapes)
            }
            JsonMode::LowBackslash(high) if byte == b'\\' => self.json(inner, JsonMode::LowU(high), escapes),
            JsonMode::LowU(high) if byte == b'u' => {
                self.json(inner, JsonMode::LowHex { high, digits: 0, value: 0 }, escapes)
            }
            JsonMode::LowBackslash(_) | JsonMode::LowU(_) => LangId::NEVER,
            JsonMode::LowHex { high, digits, value } => {
                self.derive_low_surrogate(inner, (high, digits, value), escapes, byte)
            }
        }
    }

    /// The derivative within the digits of a low surrogate, of which `digits` were read with the
    /// value `value`.
    fn derive_low_surrogate(
        &mut self,
        inner: LangId,
        (high, digits, value): (u16, u8, u16),
        escapes: Escapes,
        byte: u8,
    ) -> LangId {
        let Some(digit) = hex_value(byte) else { return LangId::NEVER };
        let value = value << 4 | digit;
        let shift = 4 * (3 - u32::from(digits));
        let first = (u32::from(value) << shift).max(0xdc00);
        let last = (((u32::from(value) + 1) << shift) - 1).min(0xdfff);
        if first > last {
            return LangId::NEVER;
        }
        let base = 0x1_0000 + ((u32::from(high) - 0xd800) << 10);
        let (lo, hi) = (base + (first - 0xdc00), base + (last - 0xdc00));
        if !self.reads_between(inner, lo, hi) {
            return LangId::NEVER;
        }
        if digits < 3 {
            return self.json(inner, JsonMode::LowHex { high, digits: digits + 1, value }, escapes);
        }
        let next = self.after_char(inner, lo);
        self.json(next, JsonMode::Body, escapes)
    }

    /// True if some character may be escaped here.
    fn can_escape(&mut self, inner: LangId, escapes: Escapes) -> bool {
        match escapes {
            // Any character may be escaped. If text can go on at all, it goes on with a character.
            Escapes::Any if self.is_text(inner) => !self.first_bytes(inner).is_empty(),
            Escapes::Any => self.reads_between(inner, 0, 0x10_ffff),
            Escapes::NoUnicode => {
                b"\"\\/\x08\x0c\n\r\t".iter().any(|&c| self.step(inner, c) != LangId::NEVER)
            }
            Escapes::Minimal => (0..0x20).chain([b'"', b'\\']).any(|c| self.step(inner, c) != LangId::NEVER),
        }
    }

    /// True if `\u`, `digits` digits with the value `value` and some more digits spell a character
    /// that may follow.
    fn can_complete_hex(&mut self, inner: LangId, escapes: Escapes, digits: u8, value: u16) -> bool {
        if escapes == Escapes::NoUnicode {
            return false;
        }
        let shift = 4 * (4 - u32::from(digits));
        let lo = u32::from(value) << shift;
        let hi = ((u32::from(value) + 1) << shift) - 1;
        if escapes == Escapes::Minimal {
            return CONTROLS_WITHOUT_SHORT_ESCAPE
                .iter()
                .any(|&(a, b)| self.reads_between(inner, a.max(lo), b.min(hi)));
        }
        let (high_lo, high_hi) = (lo.max(0xd800), hi.min(0xdbff));
        self.reads_between(inner, lo, hi)
            || (high_lo <= high_hi && {
                let first = 0x1_0000 + ((high_lo - 0xd800) << 10);
                let last = 0x1_0000 + ((high_hi - 0xd800) << 10) + 0x3ff;
                self.reads_between(inner, first, last)
            })
    }

    fn after_char(&mut self, inner: LangId, c: u32) -> LangId {
        match char::from_u32(c) {
            Some(c) => self.step_bytes(inner, c.encode_utf8(&mut [0; 4]).as_bytes()),
            None => LangId::NEVER,
        }
    }

    /// True if some character of `lo..=hi` can be read.
    fn reads_between(&mut self, inner: LangId, lo: u32, hi: u32) -> bool {
        if lo > hi {
            return false;
        }
        // Most states read nearly every character, so that a few tries are mostly enough.
        let tries = [u32::from('a').clamp(lo, hi), hi, lo, lo + (hi - lo) / 2];
        if tries.into_iter().any(|c| self.after_char(inner, c) != LangId::NEVER) {
            return true;
        }
        // Surrogates are no characters.
        let parts = [(lo, hi.min(0xd7ff)), (lo.max(0xe000), hi)].into_iter().filter(|(lo, hi)| lo <= hi);
        let parts = parts.filter_map(|(lo, hi)| Some((char::from_u32(lo)?, char::from_u32(hi)?)));
        hi - lo > 2
            && parts
                .flat_map(|(lo, hi)| Utf8Sequences::new(lo, hi))
                .any(|sequence| self.reads_sequence(inner, sequence.as_slice()))
    }

    /// True if some bytes of these ranges can be read from `state`, one after the other. The
    /// recursion goes no deeper than the bytes of a character.
    fn reads_sequence(&mut self, state: LangId, ranges: &[Utf8Range]) -> bool {
        let Some((range, rest)) = ranges.split_first() else { return true };
        (range.start..=range.end).any(|byte| {
            let next = self.step(state, byte);
            next != LangId::NEVER && self.reads_sequence(next, rest)
        })
    }

    /// The characters that may follow the decoded state `inner`, as sorted ranges, each with the
    /// state that it leads to.
    pub(super) fn char_targets(&mut self, inner: LangId) -> Arc<[CharTarget]> {
        if let Some(known) = self.json_chars.get(&inner) {
            return known.clone();
        }
        let mut targets: Vec<CharTarget> = Vec::new();
        for (first, last, continuation, base) in [
            (0x00u32, 0x7fu32, 0u32, 0u32),
            (0xc2, 0xdf, 1, 0xc0),
            (0xe0, 0xef, 2, 0xe0),
            (0xf0, 0xf4, 3, 0xf0),
        ] {
            for lead in first..=last {
                let state = self.step(inner, lead as u8);
                if state != LangId::NEVER {
                    let offset = (lead - base) << (6 * continuation);
                    self.collect_targets(state, continuation, offset, &mut targets);
                }
            }
        }
        let targets: Arc<[CharTarget]> = targets.into();
        if self.is_sound() {
            self.json_chars.insert(inner, targets.clone());
        }
        targets
    }

    fn collect_targets(&mut self, state: LangId, continuation: u32, offset: u32, out: &mut Vec<CharTarget>) {
        if continuation == 0 {
            push_target(out, CharTarget { lo: offset, hi: offset, next: state });
            return;
        }
        let width = 1u32 << (6 * (continuation - 1));
        let mut first = 0u32;
        while first < 64 {
            let next = self.step(state, 0x80 | first as u8);
            let mut last = first;
            while last < 63 && self.step(state, 0x80 | (last as u8 + 1)) == next {
                last += 1;
            }
            if next != LangId::NEVER {
                let mut sub = Vec::new();
                self.collect_targets(next, continuation - 1, 0, &mut sub);
                match sub.as_slice() {
                    [all] if all.lo == 0 && all.hi == width - 1 => push_target(
                        out,
                        CharTarget {
                            lo: offset + first * width,
                            hi: offset + (last + 1) * width - 1,
                            next: all.next,
                        },
                    ),
                    _ => {
                        for lead in first..=last {
                            let at = offset + lead * width;
                            for t in &sub {
                                push_target(out, CharTarget { lo: t.lo + at, hi: t.hi + at, next: t.next });
                            }
                        }
                    }
                }
            }
            first = last + 1;
        }
    }
}

fn push_target(out: &mut Vec<CharTarget>, target: CharTarget) {
    match out.last_mut() {
        Some(last) if last.next == target.next && last.hi + 1 == target.lo => last.hi = target.hi,
        _ => out.push(target),
    }
}
