//! TorchScript modules as language models, so that any exported model can be decoded from.
//!
//! The module's `forward` takes token ids, `int64 [1, n]`. It gives logits, `[1, n, vocab]` of any
//! float kind, or a tuple that begins with them. Row i scores the token after token i.
//!
//! There is no cache of keys and values: every pass reads the sequence from its beginning, so n
//! tokens cost O(n²) of the module's work. Forced tokens and cheap drafts, such as n-grams, save
//! whole passes.

use std::path::Path;

use tch::{CModule, Device, IValue, Kind, Tensor};

use super::device::{DeviceName, upload};
use super::error::{Doing, TorchError};
use super::host_tensor::HostTensor;
use crate::decode::{ForwardInput, LanguageModel, LogitRows, Logits, ModelError};
use crate::vocab::TokenId;

/// A TorchScript module with the signature of a language model.
///
/// ```no_run
/// use std::ops::ControlFlow;
/// use hedgerow::decode::{generate, Request};
/// use hedgerow::torch::{DeviceName, ScriptModel};
/// use hedgerow::vocab::{TokenId, Vocabulary};
///
/// let model = ScriptModel::load("exported.pt", DeviceName::Cpu, 2048)?;
/// let vocabulary = Vocabulary::from_tokenizer_json(&std::fs::read("tokenizer.json")?)?;
/// let request = Request::new([TokenId(1)]);
/// let generation = generate(&model, &vocabulary, request, |_| ControlFlow::Continue(()))?;
/// println!("{}", generation.completions[0].text);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ScriptModel {
    module: CModule,
    device: Device,
    vocab_size: usize,
    context: usize,
}

impl ScriptModel {
    /// Loads the module in `path`, as `torch.jit.save` writes it, for sequences of at most
    /// `context` tokens. One call with token 0 finds the number of its logits.
    ///
    /// # Errors
    /// A [`TorchError`] for a device that does not exist, a file that cannot be read or is no
    /// TorchScript module, and a module that does not take `int64 [1, n]` or does not give
    /// `[1, n, vocab]`.
    pub fn load(path: impl AsRef<Path>, device: DeviceName, context: usize) -> Result<Self, TorchError> {
        let path = path.as_ref();
        std::fs::metadata(path).map_err(TorchError::io(path))?;
        let device = device.resolve()?;
        let mut module = CModule::load_on_device(path, device).doing("loading a TorchScript module")?;
        module.f_set_eval().doing("loading a TorchScript module")?;
        let mut model = Self { module, device, vocab_size: 0, context };
        let size = model.run(&[TokenId(0)])?.size();
        model.vocab_size = size[1] as usize;
        Ok(model)
    }

    /// The logits of `tokens`: `[tokens, vocab]`.
    fn run(&self, tokens: &[TokenId]) -> Result<Tensor, TorchError> {
        let ids: Vec<i64> = tokens.iter().map(|token| i64::from(token.0)).collect();
        let given = upload(&ids, self.device).and_then(|ids| ids.f_view([1, -1])).doing("copying tokens")?;
        let output = tch::no_grad(|| self.module.forward_is(&[IValue::Tensor(given)]));
        let logits = match output.doing("running a TorchScript module")? {
            IValue::Tensor(logits) => logits,
            IValue::Tuple(parts) => match parts.into_iter().next() {
                Some(IValue::Tensor(logits)) => logits,
                _ => {
                    return Err(TorchError::ScriptOutput {
                        found: "a tuple without a tensor at its beginning".to_owned(),
                    });
                }
            },
            _ => return Err(TorchError::ScriptOutput { found: "neither a tensor nor a tuple".to_owned() }),
        };
        let size = logits.size();
        let expected = matches!(*size, [1, rows, vocab] if rows == ids.len() as i64 && vocab > 0);
        if !expected || (self.vocab_size > 0 && size[2] != self.vocab_size as i64) {
            return Err(TorchError::ScriptOutput { found: format!("{size:?} for {} tokens", ids.len()) });
        }
        logits.f_squeeze_dim(0).doing("reading the logits of a TorchScript module")
    }

    /// The logits of those of the last `new` tokens that `rows` asks for; `None` if it asks for
    /// none.
    fn rows(&self, tokens: &[TokenId], new: usize, rows: LogitRows) -> Result<Option<Tensor>, TorchError> {
        let wanted = rows.range(new);
        let Some(first) = tokens.len().checked_sub(new).filter(|_| !wanted.is_empty()) else {
            return Ok(None);
        };
        let logits = self.run(tokens)?;
        logits
            .f_narrow(0, (first + wanted.start) as i64, wanted.len() as i64)
            .map(Some)
            .doing("choosing the rows whose logits are wanted")
    }
}

impl LanguageModel for ScriptModel {
    /// The tokens of the sequence.
    type Cache = Vec<TokenId>;

    fn vocab_size(&self) -> usize {
        self.vocab_size
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
        for (number, input) in batch.iter().enumerate() {
            if input.tokens.is_empty() {
                return Err(ModelError::NoTokens { input: number });
            }
            let outside = input.tokens.iter().find(|token| token.index() >= self.vocab_size);
            if let Some(&token) = outside {
                return Err(ModelError::TokenOutOfRange { token, vocab_size: self.vocab_size });
            }
            let given = input.cache.len() + input.tokens.len();
            if given > self.context {
                return Err(ModelError::ContextFull { given, limit: self.context });
            }
        }
        let mut found = Vec::new();
        for input in batch.iter_mut() {
            input.cache.extend_from_slice(input.tokens);
            found.extend(self.rows(input.cache, input.tokens.len(), input.rows)?);
        }
        let joined = match found.is_empty() {
            true => Tensor::f_empty([0, self.vocab_size as i64], (Kind::Float, Device::Cpu)),
            false => Tensor::f_cat(&found, 0),
        };
        let rows = batch.iter().map(|input| input.rows.range(input.tokens.len()).len());
        Logits::new(HostTensor::new(&joined.doing("joining logits")?)?, self.vocab_size, rows)
    }
}
