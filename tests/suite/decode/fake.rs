//! Models whose logits come from a table or a hash, and helpers for requests to them.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::bytes::byte_tokens;
use hedgerow::decode::{
    Completion, DecodeError, DraftHeads, EarlyExit, ForwardInput, Generation, LanguageModel, Logits,
    ModelError, Request, TreeInput, TreeOutput, generate,
};
use hedgerow::engine::Constraint;
use hedgerow::grammar::{GrammarBuilder, NodeId};
use hedgerow::sampling::SamplingParams;
use hedgerow::vocab::{TokenId, Vocabulary, VocabularyParts};

/// The width of the hidden states.
pub const HIDDEN: usize = 64;

/// The longer tokens of the vocabulary. They come after the single bytes and before the end of
/// sequence.
pub const WORDS: [&str; 12] =
    ["hello", " wor", "ld", "name", "{\"", "\": ", "\"}", "true", "false", "ll", "ab", "a\"}"];
pub const PAD: usize = 3;

pub fn vocabulary() -> Vocabulary {
    let mut tokens = byte_tokens(WORDS);
    tokens.push(Vec::new());
    let eos = TokenId(tokens.len() as u32 - 1);
    let model_size = Some(tokens.len() + PAD);
    Vocabulary::from_tokens(VocabularyParts {
        tokens,
        special: vec![("</s>".to_owned(), eos)],
        eos: vec![eos],
        model_size,
    })
    .unwrap()
}

pub fn eos() -> TokenId {
    vocabulary().eos()[0]
}

/// The tokens of a text, with the longest words that fit.
pub fn tokens(text: &[u8]) -> Vec<TokenId> {
    vocabulary().greedy_tokenize(text).unwrap()
}

/// The scores that a fake model gives to next tokens.
#[derive(Clone)]
pub enum Scores {
    /// A hash of the bytes read so far and of the token, in [−4, 4). The end of sequence gets `eos`
    /// on top.
    Hash { eos: f32 },
    /// A script: after `prompt` tokens these `tokens`, then the end of sequence, each scored 10
    /// above all others.
    Script { prompt: usize, tokens: Vec<TokenId> },
    /// One value for all tokens.
    Flat(f32),
    /// A row of this many zeros, for a model with the wrong width.
    Width(usize),
}

pub struct Fake {
    pub vocabulary: Vocabulary,
    pub scores: Scores,
    pub context: usize,
    pub passes: AtomicUsize,
    /// The number of the forward pass that fails.
    pub fails_at: usize,
}

impl Fake {
    pub fn new(scores: Scores) -> Self {
        Self {
            vocabulary: vocabulary(),
            scores,
            context: 4096,
            passes: AtomicUsize::new(0),
            fails_at: usize::MAX,
        }
    }

    pub fn script(prompt: usize, output: &[u8]) -> Self {
        Self::new(Scores::Script { prompt, tokens: tokens(output) })
    }

    pub fn row(&self, read: &[TokenId]) -> Vec<f32> {
        let size = self.vocabulary.size();
        let mut row = match &self.scores {
            Scores::Flat(value) => vec![*value; size],
            Scores::Width(width) => vec![0.0; *width],
            Scores::Hash { .. } => {
                let mut hash = 0xcbf2_9ce4_8422_2325u64;
                for byte in self.vocabulary.decode(read) {
                    hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
                }
                let scored = (0..size as u64).map(|id| {
                    let mixed = (hash ^ (id + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
                        .wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1 << 21) as f32 - 4.0
                });
                scored.collect()
            }
            Scores::Script { prompt, tokens } => {
                let mut row = vec![0.0; size];
                let next = tokens.get(read.len() - prompt).copied().unwrap_or(eos());
                row[next.index()] = 10.0;
                row
            }
        };
        if let Scores::Hash { eos: bonus } = self.scores {
            row[eos().index()] += bonus;
        }
        row
    }
}

impl LanguageModel for Fake {
    type Cache = Vec<TokenId>;

    fn vocab_size(&self) -> usize {
        self.vocabulary.size()
    }

    fn context_length(&self) -> usize {
        self.context
    }

    fn new_cache(&self) -> Result<Vec<TokenId>, ModelError> {
        Ok(Vec::new())
    }

    fn cache_len(&self, cache: &Vec<TokenId>) -> usize {
        cache.len()
    }

    fn truncate(&self, cache: &mut Vec<TokenId>, len: usize) -> Result<(), ModelError> {
        if len > cache.len() {
            return Err(ModelError::Truncate { wanted: len, held: cache.len() });
        }
        cache.truncate(len);
        Ok(())
    }

    fn fork(&self, cache: &Vec<TokenId>) -> Result<Vec<TokenId>, ModelError> {
        Ok(cache.clone())
    }

    fn forward(&self, batch: &mut [ForwardInput<'_, Vec<TokenId>>]) -> Result<Logits, ModelError> {
        if self.passes.fetch_add(1, Ordering::Relaxed) == self.fails_at {
            return Err(ModelError::backend("out of memory"));
        }
        let (mut values, mut rows) = (Vec::new(), Vec::new());
        let mut width = self.vocab_size();
        for (number, input) in batch.iter_mut().enumerate() {
            if input.tokens.is_empty() {
                return Err(ModelError::NoTokens { input: number });
            }
            let given = input.cache.len() + input.tokens.len();
            if given > self.context {
                return Err(ModelError::ContextFull { given, limit: self.context });
            }
            let wanted = input.rows.range(input.tokens.len());
            rows.push(wanted.len());
            for (at, &token) in input.tokens.iter().enumerate() {
                input.cache.push(token);
                if wanted.contains(&at) {
                    let row = self.row(input.cache);
                    width = row.len();
                    values.extend(row);
                }
            }
        }
        Logits::new(values, width, rows)
    }

    /// Gives as the hidden state after a token its path: the last [`HIDDEN`] tokens, older ones
    /// first, with −1 where there are none.
    fn forward_tree(&self, batch: &mut [TreeInput<'_, Vec<TokenId>>]) -> Result<TreeOutput, ModelError> {
        self.passes.fetch_add(1, Ordering::Relaxed);
        let (mut values, mut rows, mut hidden, mut read) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for input in batch.iter_mut() {
            let wanted = input.rows.range(input.tokens.len());
            rows.push(wanted.len());
            read.push(input.tokens.len());
            let mut paths: Vec<Vec<TokenId>> = Vec::new();
            for (at, &token) in input.tokens.iter().enumerate() {
                let mut path =
                    input.parent(at).map_or_else(|| input.cache.clone(), |parent| paths[parent].clone());
                path.push(token);
                if wanted.contains(&at) {
                    values.extend(self.row(&path));
                }
                let numbers = path.iter().rev().map(|token| token.0 as f32).chain(std::iter::repeat(-1.0));
                let mut numbers: Vec<f32> = numbers.take(HIDDEN).collect();
                numbers.reverse();
                hidden.extend(numbers);
                paths.push(path);
            }
            input.cache.extend_from_slice(input.tokens);
            assert!(input.cache.len() <= self.context);
        }
        Ok(TreeOutput {
            logits: Logits::new(values, self.vocab_size(), rows)?,
            hidden: Logits::new(hidden, HIDDEN, read)?,
        })
    }

    fn keep(&self, cache: &mut Vec<TokenId>, start: usize, path: &[usize]) -> Result<(), ModelError> {
        let tail = cache.split_off(start);
        cache.extend(path.iter().map(|&offset| tail[offset]));
        Ok(())
    }
}

/// The logits of an inner layer are those of the last layer after one more token.
impl EarlyExit for Fake {
    fn layers(&self) -> usize {
        10
    }

    fn forward_exits(
        &self,
        batch: &mut [ForwardInput<'_, Vec<TokenId>>],
        exits: &[usize],
    ) -> Result<Vec<Logits>, ModelError> {
        let starts: Vec<usize> = batch.iter().map(|input| input.cache.len()).collect();
        let mut all = vec![self.forward(batch)?];
        for &exit in exits {
            let (mut values, mut rows) = (Vec::new(), Vec::new());
            for (input, start) in batch.iter().zip(&starts) {
                let wanted = input.rows.range(input.tokens.len());
                rows.push(wanted.len());
                for at in wanted {
                    let mut path = input.cache[..=start + at].to_vec();
                    path.push(TokenId(u32::from(b'0') + exit as u32));
                    values.extend(self.row(&path));
                }
            }
            all.push(Logits::new(values, self.vocab_size(), rows)?);
        }
        Ok(all)
    }
}

/// Three draft heads that follow the greedy path of a model which differs a little from the target.
pub struct Heads(pub Fake);

impl DraftHeads for Heads {
    fn logits(&self, hidden: &[f32]) -> Result<Logits, ModelError> {
        let mut path: Vec<TokenId> =
            hidden.iter().filter(|id| **id >= 0.0).map(|id| TokenId(*id as u32)).collect();
        let mut values = Vec::new();
        for head in 0..4 {
            let row = self.0.row(&path);
            let best = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
            path.push(TokenId(best as u32));
            if head > 0 {
                values.extend(row);
            }
        }
        Logits::new(values, self.0.vocab_size(), [3])
    }
}

/// A constraint from a grammar that the closure builds.
pub fn constraint(build: impl Fn(&mut GrammarBuilder) -> NodeId) -> Constraint {
    let mut builder = GrammarBuilder::new();
    let root = build(&mut builder);
    Constraint::new(&builder.build(root, None).unwrap(), &vocabulary()).unwrap()
}

/// The texts `{"name": true}` and `{"name": false}`, with some spaces before the brace.
pub fn boolean_object() -> Constraint {
    constraint(|b| {
        let space = b.nodes.literal(b" ");
        let (head, tail) = (b.nodes.literal(b"{\"name\": "), b.nodes.literal(b"}"));
        let values = [b.nodes.literal(b"true"), b.nodes.literal(b"false")];
        let (spaces, value) = (b.nodes.repeat(space, 0, 2), b.nodes.alt(&values));
        b.nodes.sequence(&[head, value, spaces, tail])
    })
}

pub fn greedy() -> SamplingParams {
    SamplingParams::default().temperature(0.0).max_tokens(40)
}

pub fn run(model: &Fake, request: Request) -> Result<Generation, DecodeError> {
    generate(model, &vocabulary(), request, |_| ControlFlow::Continue(()))
}

/// The outputs without what drafts alone change: the positions of guesses that came true.
pub fn without_guesses(generation: &Generation) -> Vec<Completion> {
    let outputs = generation.completions.iter();
    outputs.map(|output| Completion { confirmed: Vec::new(), ..output.clone() }).collect()
}
