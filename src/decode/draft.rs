//! Guesses of the next tokens, so that one forward pass can confirm several.
//!
//! A draft is a guess at the next tokens, or a tree of guesses. The model reads it together with
//! the pending tokens. Then a token is chosen from each row of logits in turn, as if there were no
//! draft. As long as the chosen token is a guessed one, the next row is already there. There are
//! two ways to choose, and neither changes the distribution of an output:
//!
//! - A guess that was not drawn at random (n-grams, the most probable token, or a tree of them):
//!   the target's own draw is made, and the guess is used if it is the drawn token. Random numbers
//!   are counted by position, so the tokens are the same as without drafts.
//! - A guess x drawn from a distribution q ([`DraftChoice::Drawn`]): with p the target's
//!   distribution, x is accepted if u·q(x) < p(x). Otherwise the token is drawn from max(0, p − q),
//!   made to sum to 1, or from p if that is zero everywhere. The wider both distributions are, the
//!   more guesses this accepts beyond the first rule. The tokens differ from those without drafts;
//!   their distribution does not. Source: Leviathan, Kalman & Matias 2023; Chen et al. 2023.
//!
//! p is always the final distribution at its position, after penalties over the guessed tokens,
//! mask, temperature and truncation.
//!
//! A draft costs a wider pass, and the work of guessing.

use crate::sampling::{Purpose, Rng};
use crate::vocab::TokenId;

/// The source of guesses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Draft {
    /// No guesses: one token a pass, besides forced tokens.
    #[default]
    None,
    /// Prompt lookup decoding (Saxena 2023): guesses the tokens that followed the last earlier
    /// occurrence of the latest tokens in prompt or output. It saves passes on text that repeats
    /// itself or its prompt. Each pass costs one search through the tokens.
    Ngram {
        /// Largest number of latest tokens to look for; if they do not occur earlier, fewer are
        /// looked for.
        longest: usize,
        /// Largest number of tokens to guess.
        tokens: usize,
    },
    /// Guesses of the batch's draft model, see [`Batch::draft_model`](super::Batch::draft_model).
    /// Each guess costs one of its passes. The request's constraint and sampling parameters apply
    /// to the draft model too.
    Model {
        /// Largest number of tokens to guess.
        tokens: usize,
        /// The rule by which the model chooses a guess.
        choice: DraftChoice,
    },
    /// A tree of likely continuations from the batch's draft heads, see
    /// [`Batch::draft_heads`](super::Batch::draft_heads). The tree is read in one pass.
    Heads {
        /// Largest number of tokens of the tree.
        tokens: usize,
    },
}

policy! {
    /// The rule by which a draft model chooses a token.
    enum DraftChoice {
        /// The most probable token. Outputs have the tokens that they would have without drafts.
        Likeliest = "likeliest",
        /// A token drawn from the draft model's distribution. Outputs have the distribution that
        /// they would have without drafts.
        Drawn = "drawn",
    }
}

/// The rule by which guesses are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Acceptance {
    /// Leaves the distribution of outputs as it is without drafts.
    #[default]
    Exact,
    /// **Lossy**: accepts a guess x that is typical of the target's distribution p: `p(x) > min(ε,
    /// δ·exp(−H(p)))`, where H is the entropy of p (Cai et al. 2024). More guesses are accepted,
    /// and outputs lean towards the drafter's choices.
    Typical {
        /// The threshold ε in (0, 1): a guess with a higher probability is always accepted. Usual:
        /// 0.09.
        epsilon: f32,
        /// The factor δ > 0. Usual: 0.3.
        delta: f32,
    },
}

/// A distribution: tokens with their probabilities, in any order.
pub(crate) type Distribution = Vec<(TokenId, f32)>;

/// A token that a drafter has proposed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DraftToken {
    pub token: TokenId,
    /// Index of the guess that it follows; `None` if it follows the certain tokens.
    pub parent: Option<usize>,
    /// The distribution from which it was drawn, if it was drawn.
    pub distribution: Option<Distribution>,
}

/// A chain of guesses that were not drawn at random.
pub(crate) fn chain(tokens: &[TokenId]) -> Vec<DraftToken> {
    let guess =
        |(at, &token): (usize, &TokenId)| DraftToken { token, parent: at.checked_sub(1), distribution: None };
    tokens.iter().enumerate().map(guess).collect()
}

/// The tokens that followed the last earlier occurrence of the latest of `tokens`. At most
/// `longest` tokens are looked for, and at most `most` are given. Time: O(longest · tokens).
pub(crate) fn ngram(tokens: &[TokenId], longest: usize, most: usize) -> &[TokenId] {
    for length in (1..=longest.min(tokens.len().saturating_sub(1))).rev() {
        let (_, suffix) = tokens.split_at(tokens.len() - length);
        let earlier = &tokens[..tokens.len() - 1];
        if let Some(at) = earlier.windows(length).rposition(|window| window == suffix) {
            let start = at + length;
            return &tokens[start..tokens.len().min(start.saturating_add(most))];
        }
    }
    &[]
}

/// Accepts or rejects `guess`, which was drawn from `q`, and returns the token for this position:
/// the guess, or another one. The returned token has the distribution `p`, for any `q`.
pub(crate) fn verify(
    p: &Distribution,
    q: &Distribution,
    guess: TokenId,
    rng: &Rng,
    position: u32,
) -> TokenId {
    let uniform = |purpose| rng.uniform(position, purpose, 0);
    decide(p, q, guess, uniform(Purpose::Accept), uniform(Purpose::Residual))
}

/// As [`verify`], with the random numbers for the acceptance and for the second draw.
fn decide(p: &Distribution, q: &Distribution, guess: TokenId, accept: f64, second: f64) -> TokenId {
    let of = |entries: &Distribution, token| {
        entries.iter().find(|entry| entry.0 == token).map_or(0.0, |entry| f64::from(entry.1))
    };
    if accept * of(q, guess) < of(p, guess) {
        return guess;
    }
    let mut drafted = q.clone();
    drafted.sort_unstable_by_key(|entry| entry.0);
    let q_of = |token| {
        let at = drafted.binary_search_by_key(&token, |entry| entry.0);
        at.map_or(0.0, |at| f64::from(drafted[at].1))
    };
    let left: Vec<(TokenId, f64)> =
        p.iter().map(|&(token, p)| (token, (f64::from(p) - q_of(token)).max(0.0))).collect();
    draw_weighted(&left, second).or_else(|| draw_from(p, second)).unwrap_or(guess)
}

/// Draws from a distribution with `u` in [0, 1).
pub(crate) fn draw_from(distribution: &Distribution, u: f64) -> Option<TokenId> {
    draw_weighted(&distribution.iter().map(|&(token, p)| (token, f64::from(p))).collect::<Vec<_>>(), u)
}

/// Draws from weights by the inverse distribution function; `None` if all weights are zero.
fn draw_weighted(weights: &[(TokenId, f64)], u: f64) -> Option<TokenId> {
    let total: f64 = weights.iter().map(|entry| entry.1).sum();
    if total.is_nan() || total <= 0.0 {
        return None;
    }
    let mut left = u * total;
    let mut last = None;
    for &(token, weight) in weights.iter().filter(|entry| entry.1 > 0.0) {
        last = Some(token);
        if left < weight {
            break;
        }
        left -= weight;
    }
    last
}

/// True if a guess is typical of the target's distribution: see [`Acceptance::Typical`].
pub(crate) fn is_typical(p: &Distribution, guess: TokenId, epsilon: f32, delta: f32) -> bool {
    let entropy: f32 = p.iter().filter(|entry| entry.1 > 0.0).map(|entry| -entry.1 * entry.1.ln()).sum();
    let of_guess = p.iter().find(|entry| entry.0 == guess).map_or(0.0, |entry| entry.1);
    of_guess > epsilon.min(delta * (-entropy).exp())
}

/// The tree of the at most `most` most probable continuations.
///
/// `levels[i]` are tokens with their log-probabilities at depth i, most probable first, taken to be
/// independent of the other levels. `allowed` says if a token may follow a node; an allowed token
/// becomes the next node. The best node comes first, so every parent comes before its children.
pub(crate) fn likeliest_tree<E>(
    levels: &[Vec<(TokenId, f32)>],
    most: usize,
    mut allowed: impl FnMut(Option<usize>, TokenId) -> Result<bool, E>,
) -> Result<Vec<DraftToken>, E> {
    /// A continuation that is not in the tree yet: its parent node, its rank in its level, and the
    /// Σ log p that it would have.
    struct Candidate {
        parent: Option<usize>,
        depth: usize,
        rank: usize,
        sum: f32,
    }
    let mut nodes: Vec<DraftToken> = Vec::new();
    let mut sums: Vec<f32> = Vec::new();
    let mut frontier = Vec::new();
    let worth = |parent_sum: f32, depth: usize, rank: usize| -> Option<f32> {
        Some(parent_sum + levels.get(depth)?.get(rank)?.1)
    };
    if let Some(sum) = worth(0.0, 0, 0) {
        frontier.push(Candidate { parent: None, depth: 0, rank: 0, sum });
    }
    while nodes.len() < most {
        let Some(best) = (0..frontier.len()).max_by(|&a, &b| frontier[a].sum.total_cmp(&frontier[b].sum))
        else {
            break;
        };
        let Candidate { parent, depth, rank, sum } = frontier.swap_remove(best);
        let parent_sum = parent.map_or(0.0, |parent| sums[parent]);
        if let Some(sum) = worth(parent_sum, depth, rank + 1) {
            frontier.push(Candidate { parent, depth, rank: rank + 1, sum });
        }
        let token = levels[depth][rank].0;
        if allowed(parent, token)? {
            if let Some(sum) = worth(sum, depth + 1, 0) {
                frontier.push(Candidate { parent: Some(nodes.len()), depth: depth + 1, rank: 0, sum });
            }
            nodes.push(DraftToken { token, parent, distribution: None });
            sums.push(sum);
        }
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_what_followed_before() {
        for (text, longest, most, expected) in [
            ("abcdab", 2, 10, "cdab"),
            ("abcdab", 2, 1, "c"),
            ("abxaby ab", 3, 2, "y "),
            // The longest match wins over a later one.
            ("abcxbdyab", 2, 1, "c"),
            ("abcxbdyab", 1, 1, "d"),
            ("aaaa", 3, 9, "a"),
            ("abcd", 3, 9, ""),
            ("abab", 0, 9, ""),
            ("abab", 2, 0, ""),
            ("a", 2, 2, ""),
            ("", 2, 2, ""),
        ] {
            let tokens: Vec<_> = text.bytes().map(|b| TokenId(b.into())).collect();
            let guess: Vec<u8> = ngram(&tokens, longest, most).iter().map(|t| t.0 as u8).collect();
            assert_eq!(String::from_utf8(guess).unwrap(), expected, "{text} {longest} {most}");
        }
    }

    /// A distribution over tokens 0, 1, 2…, with zeros left out.
    fn distribution(weights: &[f32]) -> Distribution {
        let tokens = weights.iter().enumerate().map(|(id, &p)| (TokenId(id as u32), p));
        tokens.filter(|entry| entry.1 > 0.0).collect()
    }

    /// Sums over every guess with its probability, and over a grid of the two random numbers that
    /// contains all thresholds.
    #[test]
    fn one_step_has_the_distribution_of_the_target() {
        const GRID: usize = 60;
        let middle = |step: usize| (step as f64 + 0.5) / GRID as f64;
        let distributions = [
            [0.5, 0.25, 0.25, 0.0],
            [0.25, 0.25, 0.5, 0.0],
            [0.5, 0.5, 0.0, 0.0],
            [0.0, 0.0, 0.5, 0.5],
            [0.25, 0.25, 0.25, 0.25],
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 0.75, 0.25, 0.0],
        ];
        for p in distributions {
            for q in distributions {
                let mut found = [0.0f64; 4];
                for (guess, drawn) in distribution(&q) {
                    for (accept, second) in (0..GRID * GRID).map(|step| (step / GRID, step % GRID)) {
                        let token = decide(
                            &distribution(&p),
                            &distribution(&q),
                            guess,
                            middle(accept),
                            middle(second),
                        );
                        found[token.index()] += f64::from(drawn) / (GRID * GRID) as f64;
                    }
                }
                for (found, expected) in found.into_iter().zip(p) {
                    assert!((found - f64::from(expected)).abs() < 1e-9, "{p:?} {q:?}: {found}");
                }
            }
        }
    }

    #[test]
    fn guesses_are_verified_strictly() {
        let rng = |seed| Rng::new(seed, 0);
        let (one, other) = (distribution(&[1.0]), distribution(&[0.0, 1.0]));
        for seed in 0..50 {
            // Equal distributions always agree; a guess that the target excludes is never accepted.
            assert_eq!(verify(&one, &one, TokenId(0), &rng(seed), 3), TokenId(0));
            assert_eq!(verify(&one, &other, TokenId(1), &rng(seed), 3), TokenId(0));
        }
        assert_eq!(draw_from(&distribution(&[0.5, 0.0, 0.5]), 0.5), Some(TokenId(2)));
        assert_eq!(draw_from(&distribution(&[0.5, 0.0, 0.5]), 0.999), Some(TokenId(2)));
        assert_eq!(draw_from(&distribution(&[]), 0.5), None);
    }

    #[test]
    fn typical_guesses() {
        let flat = distribution(&[0.25; 4]);
        // exp(−H) is 1/4: the threshold is min(0.09, 0.3 / 4).
        assert!(is_typical(&flat, TokenId(1), 0.09, 0.3) && !is_typical(&flat, TokenId(1), 0.5, 1.0));
        assert!(!is_typical(&distribution(&[0.95, 0.05]), TokenId(1), 0.09, 0.3));
        assert!(!is_typical(&flat, TokenId(9), 0.0, 0.0));
    }

    #[test]
    fn trees_hold_the_likeliest_paths() {
        let level = |weights: &[f32]| {
            weights.iter().enumerate().map(|(id, p)| (TokenId(id as u32), p.ln())).collect::<Vec<_>>()
        };
        let levels = [level(&[0.6, 0.3, 0.1]), level(&[0.9, 0.1])];
        let all = |_: Option<usize>, _: TokenId| Ok::<_, ()>(true);
        let tree = |most, allowed: &mut dyn FnMut(Option<usize>, TokenId) -> Result<bool, ()>| {
            let nodes = likeliest_tree(&levels, most, allowed).unwrap();
            nodes.into_iter().map(|node| (node.token.0, node.parent)).collect::<Vec<_>>()
        };
        // The products of probabilities are 0.6, 0.54, 0.3, 0.27, then 0.1.
        let best = [(0, None), (0, Some(0)), (1, None), (0, Some(2)), (2, None)];
        assert_eq!(tree(5, &mut { all }), best);
        assert_eq!(tree(2, &mut { all }), best[..2]);
        assert_eq!(tree(99, &mut { all }).len(), 9);
        // A forbidden token has no children, but its siblings are still tried.
        let mut not_first =
            |parent: Option<usize>, token: TokenId| Ok(parent.is_some() || token != TokenId(0));
        assert_eq!(tree(3, &mut not_first), [(1, None), (0, Some(0)), (2, None)]);
    }
}
