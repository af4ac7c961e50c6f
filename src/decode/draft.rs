//! Guessing tokens ahead, so that one forward pass can confirm several.
//!
//! A draft is a guess at the next tokens, or a tree of them. The model reads it together with what is pending, and its rows
//! of logits are decided on in turn, as if there were no draft; while the token decided on is a guessed one, the next row is
//! already there. There are two ways to decide, and neither changes the law of an output:
//!
//! - A guess that is nobody's draw (n-grams, the likeliest token, a tree of them): the target's own draw is made, and followed
//!   where it was guessed. Random numbers are counted by position, so even the tokens are those without drafts.
//! - A guess x drawn from a law q ([`DraftChoice::Drawn`]): with p the target's law, x is taken if u·q(x) < p(x), else the
//!   token is drawn from max(0, p − q), made to sum to 1, or from p if nothing is left of that. Leviathan, Kalman & Matias
//!   2023; Chen et al. 2023. More guesses come true where both laws are wide; the tokens are others than without drafts.
//!
//! p is always the final law at its position: penalties over the guessed tokens, mask, temperature, truncation. The price of
//! a draft is the width of the pass (on a CPU, some four tokens cost twice as much as one) and whatever the guess takes.

use crate::sampling::{Purpose, Rng};
use crate::vocab::TokenId;

/// Where guesses come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Draft {
    /// No guesses: one token a pass, besides forced ones.
    #[default]
    None,
    /// What followed the last time that the latest tokens occurred in prompt or output: prompt lookup decoding (Saxena 2023).
    /// It pays on text that repeats itself or its prompt, and costs one search through the tokens a pass.
    Ngram {
        /// How many of the latest tokens to look for, at most; fewer are looked for if these are not found.
        longest: usize,
        /// How many tokens to guess, at most.
        tokens: usize,
    },
    /// The batch's draft model, see [`Batch::draft_model`](super::Batch::draft_model): one of its passes for each guess. It is held
    /// to the request's constraint and sampling parameters, too.
    Model {
        /// How many tokens to guess, at most.
        tokens: usize,
        /// Which token it guesses.
        choice: DraftChoice,
    },
    /// The batch's draft heads, see [`Batch::draft_heads`](super::Batch::draft_heads): a tree of the likeliest continuations, read in
    /// one pass.
    Heads {
        /// How many tokens the tree has, at most.
        tokens: usize,
    },
}

/// Which token a draft model guesses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DraftChoice {
    /// The likeliest under its law. Outputs have the tokens that they would have without drafts.
    #[default]
    Likeliest,
    /// One drawn from its law. Outputs have the law that they would have without drafts.
    Drawn,
}

/// When a guess is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Acceptance {
    /// So that the law of outputs is what it is without drafts.
    #[default]
    Exact,
    /// **Lossy**: whenever the target finds it typical, p(x) > min(ε, δ·exp(−H(p))), H the entropy of p (Cai et al. 2024). More
    /// guesses are taken, and outputs lean towards what the drafter would say.
    Typical {
        /// ε in (0, 1): a guess this probable is always taken. Usual: 0.09.
        epsilon: f32,
        /// δ > 0. Usual: 0.3.
        delta: f32,
    },
}

/// A law: tokens with their probabilities, in any order.
pub(crate) type Law = Vec<(TokenId, f32)>;

/// What belongs to a guessed token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Guessed {
    pub token: TokenId,
    /// The guess that it stands behind; `None` for what is certain.
    pub parent: Option<usize>,
    /// What it was drawn from, if it was drawn.
    pub law: Option<Law>,
}

/// A chain of guesses that nobody drew.
pub(crate) fn chain(tokens: &[TokenId]) -> Vec<Guessed> {
    let guess = |(at, &token): (usize, &TokenId)| Guessed { token, parent: at.checked_sub(1), law: None };
    tokens.iter().enumerate().map(guess).collect()
}

/// What followed the last time that the latest of `tokens` occurred: at most `longest` of them, at most `most` tokens.
/// O(longest · tokens).
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

/// Decides on `guess`, which was drawn from `q`: the token of the position, which has law `p` whatever `q` is.
pub(crate) fn verify(p: &Law, q: &Law, guess: TokenId, rng: &Rng, position: u32) -> TokenId {
    let uniform = |purpose| rng.uniform(position, purpose, 0);
    decide(p, q, guess, uniform(Purpose::Accept), uniform(Purpose::Residual))
}

/// As [`verify`], with the random numbers of the acceptance and of the second draw.
fn decide(p: &Law, q: &Law, guess: TokenId, accept: f64, second: f64) -> TokenId {
    let of =
        |law: &Law, token| law.iter().find(|entry| entry.0 == token).map_or(0.0, |entry| f64::from(entry.1));
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

/// Draws from a law with `u` in [0, 1).
pub(crate) fn draw_from(law: &Law, u: f64) -> Option<TokenId> {
    draw_weighted(&law.iter().map(|&(token, p)| (token, f64::from(p))).collect::<Vec<_>>(), u)
}

/// Inverse distribution function over weights; `None` if there is no weight.
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

/// Whether a guess is typical of the target's law: see [`Acceptance::Typical`].
pub(crate) fn is_typical(p: &Law, guess: TokenId, epsilon: f32, delta: f32) -> bool {
    let entropy: f32 = p.iter().filter(|entry| entry.1 > 0.0).map(|entry| -entry.1 * entry.1.ln()).sum();
    let of_guess = p.iter().find(|entry| entry.0 == guess).map_or(0.0, |entry| entry.1);
    of_guess > epsilon.min(delta * (-entropy).exp())
}

/// The tree of at most `most` likeliest continuations: `levels[i]` are tokens with their log-probabilities at depth i, likeliest
/// first, taken to be independent. `allowed` says whether a token may come behind a node; one that may is the next node. Best first, so
/// every parent comes before its children.
pub(crate) fn likeliest_tree<E>(
    levels: &[Vec<(TokenId, f32)>],
    most: usize,
    mut allowed: impl FnMut(Option<usize>, TokenId) -> Result<bool, E>,
) -> Result<Vec<Guessed>, E> {
    /// A way on that has not been taken: the node it stands behind, its place in its level, and Σ log p with it.
    struct Open {
        parent: Option<usize>,
        depth: usize,
        rank: usize,
        sum: f32,
    }
    let mut nodes: Vec<Guessed> = Vec::new();
    let mut sums: Vec<f32> = Vec::new();
    let mut open = Vec::new();
    let worth = |parent_sum: f32, depth: usize, rank: usize| -> Option<f32> {
        Some(parent_sum + levels.get(depth)?.get(rank)?.1)
    };
    if let Some(sum) = worth(0.0, 0, 0) {
        open.push(Open { parent: None, depth: 0, rank: 0, sum });
    }
    while nodes.len() < most {
        let Some(best) = (0..open.len()).max_by(|&a, &b| open[a].sum.total_cmp(&open[b].sum)) else { break };
        let Open { parent, depth, rank, sum } = open.swap_remove(best);
        let parent_sum = parent.map_or(0.0, |parent| sums[parent]);
        if let Some(sum) = worth(parent_sum, depth, rank + 1) {
            open.push(Open { parent, depth, rank: rank + 1, sum });
        }
        let token = levels[depth][rank].0;
        if allowed(parent, token)? {
            if let Some(sum) = worth(sum, depth + 1, 0) {
                open.push(Open { parent: Some(nodes.len()), depth: depth + 1, rank: 0, sum });
            }
            nodes.push(Guessed { token, parent, law: None });
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

    /// A law over tokens 0, 1, 2…, zeros left out.
    fn law(weights: &[f32]) -> Law {
        let tokens = weights.iter().enumerate().map(|(id, &p)| (TokenId(id as u32), p));
        tokens.filter(|entry| entry.1 > 0.0).collect()
    }

    /// Every guess with its probability, and every outcome of the two random numbers on a grid on which all thresholds lie.
    #[test]
    fn one_step_has_the_law_of_the_target() {
        const GRID: usize = 60;
        let middle = |step: usize| (step as f64 + 0.5) / GRID as f64;
        let laws = [
            [0.5, 0.25, 0.25, 0.0],
            [0.25, 0.25, 0.5, 0.0],
            [0.5, 0.5, 0.0, 0.0],
            [0.0, 0.0, 0.5, 0.5],
            [0.25, 0.25, 0.25, 0.25],
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 0.75, 0.25, 0.0],
        ];
        for p in laws {
            for q in laws {
                let mut found = [0.0f64; 4];
                for (guess, drawn) in law(&q) {
                    for (accept, second) in (0..GRID * GRID).map(|step| (step / GRID, step % GRID)) {
                        let token = decide(&law(&p), &law(&q), guess, middle(accept), middle(second));
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
        let (one, other) = (law(&[1.0]), law(&[0.0, 1.0]));
        for seed in 0..50 {
            // Equal laws always agree; a guess that the target excludes is never taken.
            assert_eq!(verify(&one, &one, TokenId(0), &rng(seed), 3), TokenId(0));
            assert_eq!(verify(&one, &other, TokenId(1), &rng(seed), 3), TokenId(0));
        }
        assert_eq!(draw_from(&law(&[0.5, 0.0, 0.5]), 0.5), Some(TokenId(2)));
        assert_eq!(draw_from(&law(&[0.5, 0.0, 0.5]), 0.999), Some(TokenId(2)));
        assert_eq!(draw_from(&law(&[]), 0.5), None);
    }

    #[test]
    fn typical_guesses() {
        let flat = law(&[0.25; 4]);
        // exp(−H) is 1/4: the threshold is min(0.09, 0.3 / 4).
        assert!(is_typical(&flat, TokenId(1), 0.09, 0.3) && !is_typical(&flat, TokenId(1), 0.5, 1.0));
        assert!(!is_typical(&law(&[0.95, 0.05]), TokenId(1), 0.09, 0.3));
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
        // Worth 0.6, 0.54, 0.3, 0.27, then 0.1.
        let best = [(0, None), (0, Some(0)), (1, None), (0, Some(2)), (2, None)];
        assert_eq!(tree(5, &mut { all }), best);
        assert_eq!(tree(2, &mut { all }), best[..2]);
        assert_eq!(tree(99, &mut { all }).len(), 9);
        // What may not be has no children, but siblings.
        let mut not_first =
            |parent: Option<usize>, token: TokenId| Ok(parent.is_some() || token != TokenId(0));
        assert_eq!(tree(3, &mut not_first), [(1, None), (0, Some(0)), (2, None)]);
    }
}
