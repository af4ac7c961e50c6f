"""Exceptions, and the plain records that the package gives.

That a token is not allowed is an answer, `False`, and no exception. Arguments of a wrong type or
shape raise Python's own `TypeError`, `ValueError` and `IndexError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ._types import SamplerOptions


class HedgerowError(Exception):
    """Something that hedgerow could not do."""


class _LocatedError(HedgerowError):
    """An error that may name a place in the text that it is about.

    `line` and `column` count from 1. `pointer` is a JSON pointer into a schema, and `keyword` the
    keyword there. What is not known is None.
    """

    def __init__(
        self,
        message: str,
        *,
        line: int | None = None,
        column: int | None = None,
        pointer: str | None = None,
        keyword: str | None = None,
    ) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.pointer = pointer
        self.keyword = keyword


class GrammarError(_LocatedError, ValueError):
    """A fault of a schema, a pattern or rules, or of a grammar over a vocabulary.

    `line` and `column` count from 1. `pointer` is a JSON pointer into a schema, and `keyword` the
    keyword there. What is not known is None.
    """


class LimitError(_LocatedError):
    """Something would take more work or memory than its limit allows; the message names the limit.

    The attributes are those of `GrammarError`.
    """


class DeadlineError(HedgerowError, TimeoutError):
    """A call took longer than its `timeout`."""


class Cancelled(HedgerowError):
    """A call's `CancelFlag` was set."""


class VocabularyError(HedgerowError, ValueError):
    """A fault of a vocabulary, or of the file that it is read from."""


class SamplingError(HedgerowError, ValueError):
    """A sampling parameter or a row of logits without meaning."""


class InternalError(HedgerowError):
    """A fault of hedgerow itself. Please report it with the input that leads to it."""


class SchemaWarning(NamedTuple):
    """Something in a schema that has no effect, or less than it may seem."""

    pointer: str
    """The place, as a JSON pointer."""
    keyword: str
    """The keyword there."""
    message: str
    """The effect."""


class SamplingParameter(NamedTuple):
    """An option of `Sampler`."""

    name: str
    """The keyword."""
    form: str
    """The form of its text, such as `P:T`."""
    default: str
    """The default, as text."""
    is_list: bool
    """Tells whether it takes several values."""
    help: str
    """The meaning."""


class Logprobs(NamedTuple):
    """Natural logarithms of probabilities at one position."""

    chosen: float
    """That of the token; minus infinity if it cannot come."""
    top: list[tuple[int, float]]
    """The most probable tokens with theirs, most probable first."""


class WatermarkEvidence(NamedTuple):
    """The evidence for a watermark in tokens."""

    scored: int
    """Tokens that had a green list."""
    green: int
    """Those of them that were on their green list."""
    z_score: float
    """Distance of `green` from chance, in standard deviations. Texts without the watermark exceed 4
    about once in 30,000.
    """


class Beams(NamedTuple):
    """Beam search, as a configuration of transformers asks for it."""

    beams: int
    """Beams, two or more."""
    groups: int
    """Groups of beams; 1 is plain beam search."""
    diversity_penalty: float
    """Weight of the penalty on tokens that other groups have chosen."""
    length_penalty: float
    """Exponent of the length in the score."""
    early_stopping: str
    """The rule that ends the search: "heuristic", "full" or "never"."""


class ParameterSet(NamedTuple):
    """Sampling parameters that `read_parameters` has read."""

    api: str
    """The API whose spelling was read."""
    options: SamplerOptions
    """Options of `Sampler` that are not the default's, as texts: `Sampler(**read.options)`."""
    seed: int | None
    """The seed, if one was given; it is among the options, too."""
    stop: list[str]
    """Texts that end the output."""
    bad_words: list[str]
    """Texts that may not occur; whoever has the tokenizer makes `bad_words` of them."""
    completions: int
    """Outputs of the request."""
    logprobs: int | None
    """Most probable tokens to report beside each token; None reports no log probabilities."""
    response_format: Any
    """OpenAI's `response_format`, as it was given."""
    beams: Beams | None
    """Beam search, if more than one beam was asked for."""
    max_length: int | None
    """Greatest number of tokens of prompt and output together, for transformers."""
    min_length: int | None
    """Least number of tokens of prompt and output together, for transformers."""
    passed_over: list[str]
    """Fields that were not read."""
    unused: list[str]
    """Those of them that would change the output, such as `top_p` without `do_sample`."""
