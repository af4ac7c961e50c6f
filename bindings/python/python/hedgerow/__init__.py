"""hedgerow keeps a language model's output inside a grammar.

    >>> import hedgerow as hr
    >>> vocabulary = hr.Vocabulary.from_tokens(["ye", "y", "e", "s", "no", "n", "o"])
    >>> constraint = hr.compile(hr.Grammar.choice(["yes", "no"]), vocabulary)
    >>> matcher = constraint.matcher()
    >>> mask = vocabulary.mask_buffer()
    >>> matcher.fill_mask(mask)
    >>> f"{mask[0]:b}"
    '110011'
    >>> matcher.advance(0)
    True

`Vocabulary` is a model's tokens, `Grammar` a description of what outputs may be, `Constraint` the
two together, and `Matcher` one output's place in it. `Sampler` draws tokens from logits.

This package imports neither NumPy nor torch; `hedgerow.numpy`, `hedgerow.torch` and `hedgerow.hf`
do.
"""

from ._compiler import Compiler, compile_async
from ._core import (
    CancelFlag,
    Constraint,
    Detokenizer,
    Events,
    Grammar,
    Limits,
    Matcher,
    Sampler,
    TokenFsm,
    Vocabulary,
    __version__,
    compile,
    detect_watermark,
    fill_masks,
    logprobs,
    mask_logits,
    read_parameters,
    sample_batch,
)
from ._notebook import explain
from .errors import (
    Beams,
    Cancelled,
    DeadlineError,
    GrammarError,
    HedgerowError,
    InternalError,
    LimitError,
    Logprobs,
    ParameterSet,
    SamplingError,
    SamplingParameter,
    SchemaWarning,
    VocabularyError,
    WatermarkEvidence,
)

__all__ = [
    "Beams",
    "CancelFlag",
    "Cancelled",
    "Compiler",
    "Constraint",
    "DeadlineError",
    "Detokenizer",
    "Events",
    "Grammar",
    "GrammarError",
    "HedgerowError",
    "InternalError",
    "LimitError",
    "Limits",
    "Logprobs",
    "Matcher",
    "ParameterSet",
    "Sampler",
    "SamplingError",
    "SamplingParameter",
    "SchemaWarning",
    "TokenFsm",
    "Vocabulary",
    "VocabularyError",
    "WatermarkEvidence",
    "__version__",
    "compile",
    "compile_async",
    "detect_watermark",
    "explain",
    "fill_masks",
    "logprobs",
    "mask_logits",
    "read_parameters",
    "sample_batch",
]
