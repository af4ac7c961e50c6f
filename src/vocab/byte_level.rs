//! The alphabet in which byte-level BPE tokenizers write bytes as visible characters.
//!
//! GPT-2's vocabulary file is text, so each of the 256 bytes is written as one printable character.
//! The printable characters of Latin-1 stand for themselves. The other 68 bytes are numbered from
//! U+0100 on in ascending order; for example, `Ġ` (U+0120) is the space.
//!
//! Source: `bytes_to_unicode` of OpenAI's GPT-2 `encoder.py`.

/// The byte written as each of the characters U+0000 to U+0143, or `NO_BYTE` for a character
/// outside the alphabet.
const BYTE_OF: [u16; 0x144] = {
    let mut byte_of = [NO_BYTE; 0x144];
    let mut next = 0x100;
    let mut byte = 0;
    while byte < 256 {
        if stands_for_itself(byte as u8) {
            byte_of[byte] = byte as u16;
        } else {
            byte_of[next] = byte as u16;
            next += 1;
        }
        byte += 1;
    }
    byte_of
};

const NO_BYTE: u16 = u16::MAX;

const fn stands_for_itself(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

/// The bytes of a token written in this alphabet, such as `b" hello"` for `Ġhello`; `None` if some
/// character is outside the alphabet.
pub(super) fn decode(token: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(token.len());
    for c in token.chars() {
        match BYTE_OF.get(c as usize) {
            Some(&byte) if byte != NO_BYTE => bytes.push(byte as u8),
            _ => return None,
        }
    }
    Some(bytes)
}

/// The byte of a token of the form `<0x0A>`. SentencePiece writes a byte so if it has no other
/// token for it.
pub(super) fn fallback_byte(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() != 2 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_covers_each_byte_once() {
        let mut seen = [false; 256];
        for c in (0..0x144).filter_map(char::from_u32) {
            if let Some(bytes) = decode(&c.to_string()) {
                assert!(!std::mem::replace(&mut seen[bytes[0] as usize], true), "{c:?}");
            }
        }
        assert_eq!(seen, [true; 256]);
        let cases: &[(&str, Option<&[u8]>)] = &[
            ("Ġhello", Some(b" hello")),
            ("ĊĉčĀġŃł", Some(b"\n\t\r\0\x7f\xad\xa0")),
            ("ðŁĺ", Some(b"\xf0\x9f\x98")),
            ("", Some(b"")),
            ("a b", None),
            ("<｜end｜>", None),
            ("\u{144}", None),
        ];
        for (token, bytes) in cases {
            assert_eq!(decode(token).as_deref(), *bytes, "{token}");
        }
    }

    #[test]
    fn fallback_bytes_are_written_exactly() {
        let cases = [
            ("<0x0A>", Some(10)),
            ("<0xff>", Some(255)),
            ("<0xf>", None),
            ("<0x+1>", None),
            ("<0x100>", None),
        ];
        for (token, byte) in cases {
            assert_eq!(fallback_byte(token), byte, "{token}");
        }
    }
}
