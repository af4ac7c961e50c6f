//! The memory of a sampler: the tokens so far and the state of its feedback rules.
//!
//! The tokens are a stack, and their counts are kept with it. Every accepted token also pushes the
//! feedback state after it. So a checkpoint is one number, and a rollback pops tokens in O(1) each.

use super::adaptive::Average;
use crate::vocab::TokenId;
use hashbrown::HashMap;

/// State of the rules that learn from the accepted tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Feedback {
    /// Mirostat's μ.
    pub mu: Option<f64>,
    /// Adaptive-p's moving average.
    pub average: Option<Average>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    total: u32,
    output: u32,
}

/// Prompt, output, counts and feedback.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    tokens: Vec<TokenId>,
    prompt: usize,
    counts: HashMap<TokenId, Counts>,
    initial: Feedback,
    // One for each output token, only if some rule uses feedback.
    feedback: Vec<Feedback>,
}

impl History {
    pub fn new(initial: Feedback) -> Self {
        History { initial, ..History::default() }
    }

    /// Starts over with a prompt.
    pub fn restart(&mut self, prompt: &[TokenId]) {
        self.tokens.clear();
        self.counts.clear();
        self.feedback.clear();
        self.tokens.extend_from_slice(prompt);
        self.prompt = prompt.len();
        for &token in prompt {
            self.counts.entry(token).or_default().total += 1;
        }
    }

    /// Prompt and output.
    pub fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    pub fn prompt(&self) -> &[TokenId] {
        &self.tokens[..self.prompt]
    }

    /// Number of output tokens.
    pub fn output(&self) -> usize {
        self.tokens.len() - self.prompt
    }

    /// Every token of prompt and output once, in no order.
    pub fn seen(&self) -> impl Iterator<Item = TokenId> + '_ {
        self.counts.keys().copied()
    }

    /// Every token of the output with its count, in no order.
    pub fn output_counts(&self) -> impl Iterator<Item = (TokenId, u32)> + '_ {
        self.counts.iter().map(|(&token, counts)| (token, counts.output)).filter(|c| c.1 > 0)
    }

    pub fn feedback(&self) -> Feedback {
        self.feedback.last().copied().unwrap_or(self.initial)
    }

    pub fn push(&mut self, token: TokenId, feedback: Feedback) {
        self.tokens.push(token);
        let counts = self.counts.entry(token).or_default();
        counts.total += 1;
        counts.output += 1;
        if self.initial != Feedback::default() {
            self.feedback.push(feedback);
        }
    }

    /// Drops the last output token, if there is one.
    pub fn pop(&mut self) {
        if self.output() == 0 {
            return;
        }
        if let Some(token) = self.tokens.pop()
            && let Some(counts) = self.counts.get_mut(&token)
        {
            counts.total -= 1;
            counts.output -= 1;
            if counts.total == 0 {
                self.counts.remove(&token);
            }
        }
        self.feedback.pop();
    }
}
