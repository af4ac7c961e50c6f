//! Numbers that judges compute with less precision than the library.

/// True if some number in a JSON text has more digits than a double holds, or an exponent of three
/// digits. Judges compute with doubles.
pub fn has_long_number(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    text.split(|c| !is_part(c)).any(|number| {
        let exponent = number.split_once(['e', 'E']).map_or("", |(_, exponent)| exponent);
        number.len() > 14 || exponent.len() > 3
    })
}
