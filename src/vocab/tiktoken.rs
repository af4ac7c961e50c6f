//! Vocabularies from tiktoken rank files.
//!
//! A line holds a token's bytes in base64, a space and its rank. The rank is the token's id. The
//! special tokens are not in the file; OpenAI's code states them separately.
//!
//! Source: `tiktoken/load.py` of the tiktoken project.

use super::{TokenId, TokenSet, Vocabulary, VocabularyError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

impl Vocabulary {
    /// The vocabulary of a tiktoken rank file, given as the file's bytes, with these special
    /// tokens.
    ///
    /// All special tokens with a [well-known name](Self::WELL_KNOWN_EOS) end a sequence; change
    /// them with [`with_eos`](Self::with_eos). Ids that are in neither the file nor `special` stand
    /// for no text.
    ///
    /// ```
    /// use hedgerow::vocab::{TokenId, Vocabulary};
    ///
    /// let special = [("<|endoftext|>", TokenId(3))];
    /// let vocabulary = Vocabulary::from_tiktoken(b"IQ== 0\nIGEg 1\n", &special)?;
    /// assert_eq!(vocabulary.decode(&[TokenId(0), TokenId(1)]), b"! a ");
    /// assert_eq!((vocabulary.size(), vocabulary.eos()), (4, &[TokenId(3)][..]));
    /// # Ok::<(), hedgerow::vocab::VocabularyError>(())
    /// ```
    ///
    /// # Errors
    /// - [`VocabularyError::TiktokenLine`] for a line that cannot be read, with its number.
    /// - [`VocabularyError::DuplicateId`] for a rank given twice, or to a special token too.
    /// - [`VocabularyError::TooManyTokens`] for an id past the largest supported.
    pub fn from_tiktoken(ranks: &[u8], special: &[(&str, TokenId)]) -> Result<Self, VocabularyError> {
        let mut tokens: Vec<Vec<u8>> = Vec::new();
        let mut seen: Vec<bool> = Vec::new();
        let mut grow = |tokens: &mut Vec<Vec<u8>>, id: TokenId| {
            let given = id.0 as u64 + 1;
            if given > Self::MAX_SIZE as u64 {
                return Err(VocabularyError::TooManyTokens { given, limit: Self::MAX_SIZE as u64 });
            }
            if tokens.len() <= id.index() {
                tokens.resize(id.index() + 1, Vec::new());
                seen.resize(id.index() + 1, false);
            }
            Ok(std::mem::replace(&mut seen[id.index()], true))
        };
        for (i, line) in ranks.split(|&byte| byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let problem = |problem: String| VocabularyError::TiktokenLine { line: i + 1, problem };
            let Some(space) = line.iter().position(|&byte| byte == b' ') else {
                return Err(problem("there is no space between a token and a rank".to_owned()));
            };
            let (encoded, rank) = (&line[..space], &line[space + 1..]);
            let bytes = STANDARD
                .decode(encoded)
                .map_err(|error| problem(format!("the token is not base64: {error}")))?;
            let id = std::str::from_utf8(rank)
                .ok()
                .and_then(|rank| rank.trim().parse().ok())
                .map(TokenId)
                .ok_or_else(|| problem(format!("{:?} is no rank", String::from_utf8_lossy(rank))))?;
            if grow(&mut tokens, id)? {
                let second = String::from_utf8_lossy(&bytes).into_owned();
                return Err(VocabularyError::DuplicateId { id, second });
            }
            tokens[id.index()] = bytes;
        }
        let mut named = Vec::with_capacity(special.len());
        let mut special_ids = TokenSet::new(Self::MAX_SIZE);
        for &(name, id) in special {
            if grow(&mut tokens, id)? && !special_ids.contains(id) {
                return Err(VocabularyError::DuplicateId { id, second: name.to_owned() });
            }
            special_ids.insert(id);
            named.push((name.to_owned(), id));
        }
        Self::with_well_known_eos(tokens, named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_checked() {
        let cases: &[(&[u8], &str)] = &[
            (b"IQ== 0\nIg==", "line 2 of the tiktoken file: there is no space between a token and a rank"),
            (b"IQ== 0\n\n!! 1", "line 3 of the tiktoken file: the token is not base64"),
            (b"IQ== x", "line 1 of the tiktoken file: \"x\" is no rank"),
            (b"IQ== -1", "line 1 of the tiktoken file: \"-1\" is no rank"),
            (
                b"IQ== 4294967295",
                "the vocabulary has 4294967296 token ids, but at most 4194304 are supported",
            ),
            (b"IQ== 1\nIg== 1", "token id 1 is given twice, the second time to \"\\\"\""),
            (b"IQ== 7", "token id 7 is given twice, the second time to \"<end>\""),
            (b"\xff 7", "line 1 of the tiktoken file: the token is not base64"),
        ];
        for (file, message) in cases {
            let error = Vocabulary::from_tiktoken(file, &[("<end>", TokenId(7))]).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn gaps_stand_for_nothing_and_names_may_share_an_id() {
        let special = [("<|endoftext|>", TokenId(4)), ("<|also|>", TokenId(4))];
        let vocabulary = Vocabulary::from_tiktoken(b"4oI= 2\r\nIQ== 0\r\n", &special).unwrap();
        assert_eq!(vocabulary.token_count(), 5);
        assert_eq!(vocabulary.bytes(TokenId(1)), b"");
        assert_eq!(vocabulary.bytes(TokenId(2)), b"\xe2\x82");
        assert_eq!(vocabulary.eos(), [TokenId(4)]);
        assert_eq!(vocabulary.special("<|also|>"), Some(TokenId(4)));
        assert_eq!(Vocabulary::from_tiktoken(b"", &[]).unwrap().size(), 0);
    }
}
