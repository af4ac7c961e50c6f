"""Types that the stubs of the core name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    Protocol,
    SupportsFloat,
    SupportsIndex,
    TypeAlias,
    TypedDict,
    Union,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer


class SupportsDlpack(Protocol):
    """An array that gives its memory by DLPack."""

    def __dlpack__(self) -> Any: ...
    def __dlpack_device__(self) -> tuple[Any, int]: ...


Array: TypeAlias = Union["Buffer", SupportsDlpack]
"""Memory by the buffer protocol or DLPack: arrays of NumPy, tensors of torch on the CPU,
`memoryview`s.
"""

Logits: TypeAlias = Union[Array, Sequence[float]]
Tokens: TypeAlias = Iterable[SupportsIndex]
Text: TypeAlias = Union[str, bytes]
EosToken: TypeAlias = Union[SupportsIndex, str]
Eos: TypeAlias = Union[EosToken, Iterable[EosToken]]
Special: TypeAlias = Union[Mapping[str, int], Iterable[tuple[str, int]]]
Number: TypeAlias = SupportsFloat
Rule: TypeAlias = Union[str, Number, Sequence[Union[str, Number, None]], None]
"""Text, a number, or numbers in the order of the text's form; None is off."""


class SamplerOptions(TypedDict, total=False):
    """The options of `Sampler`; `Sampler.parameters()` tells their meaning."""

    temperature: Number
    dynamic_temperature: Rule
    top_k: int
    top_k_ties: Literal["lowest-id", "keep-all"]
    top_p: Number
    min_p: Number
    typical_p: Number
    tfs_z: Number
    tfs_end: Literal["after", "before"]
    epsilon_cutoff: Number
    eta_cutoff: Number
    top_a: Number
    top_n_sigma: Number | None
    top_h: Number | None
    p_less: Literal["plain", "normalised"] | None
    xtc: Rule
    smoothing: Rule
    mirostat: Rule
    adaptive_p: Rule
    repetition_penalty: Number
    repetition_window: int | None
    frequency_penalty: Number
    presence_penalty: Number
    dry: Rule
    logit_bias: Mapping[int, Number] | str
    sequence_bias: Mapping[tuple[int, ...], Number] | str
    bad_words: Sequence[Sequence[int]] | str
    allowed_tokens: Sequence[int] | str | None
    suppressed_tokens: Sequence[int] | str
    begin_suppressed_tokens: Sequence[int] | str
    no_repeat_ngram: int
    exponential_decay: Rule
    forced_first: int | None
    forced_last: int | None
    end_tokens: Sequence[int] | str
    min_tokens: int
    max_tokens: int | None
    watermark: Rule
    order: Sequence[str] | str
    selection: Literal["inverse-cdf", "gumbel-max"]
    seed: int
    completion: int
