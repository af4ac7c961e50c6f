//! Random walks: outputs made of allowed tokens that are drawn at random.

use hedgerow::engine::Matcher;
use hedgerow::vocab::{TokenId, Vocabulary};

/// The number of steps after which a walk prefers tokens that close a string, object or array.
const CLOSING_AFTER: usize = 120;
/// The number of steps after which the engine completes a walk. For example, random keys are
/// seldom those that an object requires.
const COMPLETED_AFTER: usize = 400;
const GIVE_UP_AFTER: usize = 3000;

/// Reproducible random numbers: SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % n as u64) as usize
    }
}

/// Draws allowed tokens to the end of an output and returns it; `None` if it grew too long.
pub fn walk(
    matcher: &mut Matcher,
    vocabulary: &Vocabulary,
    random: &mut Random,
) -> Result<Option<String>, String> {
    let mut words = vec![0u32; vocabulary.size().div_ceil(32)];
    let mut output = Vec::new();
    let eos = vocabulary.eos()[0];
    for step in 0..GIVE_UP_AFTER {
        if step == COMPLETED_AFTER
            && let Some(ending) = matcher.completion().map_err(|e| e.to_string())?
        {
            return complete(matcher, vocabulary, output, &ending).map(Some);
        }
        matcher.fill_mask(&mut words).map_err(|e| e.to_string())?;
        let contains = |id: TokenId| words[(id.0 >> 5) as usize] >> (id.0 & 31) & 1 == 1;
        if contains(eos) && (step >= CLOSING_AFTER || random.below(3) == 0) {
            return String::from_utf8(output).map(Some).map_err(|e| e.to_string());
        }
        let closer = (step >= CLOSING_AFTER && random.below(8) != 0)
            .then(|| {
                let candidates = [&b"\"}"[..], b"\"]", b"\"", b"}", b"]", b"0", b"e"];
                let mut ids = candidates
                    .iter()
                    .filter_map(|c| vocabulary.trie().tokens(vocabulary.trie().descend(0, c)?).first());
                ids.find(|&&id| contains(id)).copied()
            })
            .flatten();
        let token = match closer {
            Some(token) => token,
            None => {
                let start = random.below(words.len());
                let order = (start..words.len()).chain(0..start);
                let Some(word) = order.into_iter().find(|&w| words[w] != 0) else {
                    return Err(format!("dead end after {:?}", String::from_utf8_lossy(&output)));
                };
                let mut bits = words[word];
                for _ in 0..random.below(bits.count_ones() as usize) {
                    bits &= bits - 1;
                }
                TokenId(word as u32 * 32 + bits.trailing_zeros())
            }
        };
        if token == eos {
            return String::from_utf8(output).map(Some).map_err(|e| e.to_string());
        }
        if !matcher.advance(token).map_err(|e| e.to_string())? {
            return Err(format!(
                "token {token} is in the mask but refused after {:?}",
                String::from_utf8_lossy(&output)
            ));
        }
        output.extend_from_slice(vocabulary.bytes(token));
    }
    Ok(None)
}

/// Appends the tokens with which the engine completes an output.
fn complete(
    matcher: &mut Matcher,
    vocabulary: &Vocabulary,
    mut output: Vec<u8>,
    ending: &[TokenId],
) -> Result<String, String> {
    for &token in ending {
        if !matcher.advance(token).map_err(|e| e.to_string())? {
            let read = String::from_utf8_lossy(&output);
            return Err(format!("dead end: the completion's token {token} is refused after {read:?}"));
        }
        output.extend_from_slice(vocabulary.bytes(token));
    }
    match matcher.is_accepting() {
        true => String::from_utf8(output).map_err(|e| e.to_string()),
        false => {
            Err(format!("dead end: the completion ends early after {:?}", String::from_utf8_lossy(&output)))
        }
    }
}
