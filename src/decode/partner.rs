//! The check that a model and its partner, such as a draft model, have the same tokens.

use super::error::DecodeError;
use crate::vocab::{TokenId, Vocabulary};

/// Checks that a partner of a model, such as a draft model or an amateur, has the model's tokens.
///
/// Every id that both vocabularies have must stand for the same bytes, or for the special token of
/// the same name. Models of one family may be padded to different sizes, and one may lack the last
/// tokens of the other. `role` names the partner in the error. The cost is one comparison of the
/// two lists.
///
/// # Errors
/// [`DecodeError::PartnerVocabulary`] with the first token that differs.
///
/// ```
/// use hedgerow::decode::check_partner;
/// use hedgerow::vocab::Vocabulary;
///
/// let of = |tokens: [u8; 2]| Vocabulary::from_byte_list(tokens.map(|byte| vec![byte]).to_vec());
/// let model = of(*b"ab")?;
/// assert!(check_partner("draft model", &model, &of(*b"ab")?).is_ok());
/// assert_eq!(
///     check_partner("draft model", &model, &of(*b"ac")?).unwrap_err().to_string(),
///     "the draft model has another vocabulary: token 1 is `c` there and `b` in the model; \
///      it must have the model's own tokenizer",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn check_partner(
    role: &'static str,
    model: &Vocabulary,
    partner: &Vocabulary,
) -> Result<(), DecodeError> {
    let shared = model.token_count().min(partner.token_count());
    let differs = |&token: &TokenId| {
        model.bytes(token) != partner.bytes(token) || model.name(token) != partner.name(token)
    };
    let shown = |vocabulary: &Vocabulary, token| match vocabulary.name(token) {
        Some(name) => format!("`{name}`"),
        None => format!("`{}`", vocabulary.bytes(token).escape_ascii()),
    };
    match (0..shared as u32).map(TokenId).find(differs) {
        None => Ok(()),
        Some(token) => Err(DecodeError::PartnerVocabulary {
            partner: role,
            token,
            ours: shown(model, token),
            theirs: shown(partner, token),
        }),
    }
}
