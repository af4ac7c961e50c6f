"""Masks for MLX, by the names that users of other libraries know, and a processor for MLX-LM.

    >>> from hedgerow.mlx import LogitsProcessor                                  # doctest: +SKIP
    >>> processor = LogitsProcessor(constraint)                                   # doctest: +SKIP
    >>> mlx_lm.generate(model, tokenizer, prompt, logits_processors=[processor])  # doctest: +SKIP

Bitmasks are NumPy's, of shape `[rows, words]` and type int32; they are applied by MLX.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import mlx.core as mx

from ._core import Constraint
from ._history import Generations, check_width
from ._rows import check_rows
from .numpy import Bitmask, allocate_token_bitmask, fill_next_token_bitmask, get_bitmask_shape

__all__ = [
    "Bitmask",
    "LogitsProcessor",
    "allocate_token_bitmask",
    "apply_token_bitmask",
    "apply_token_bitmask_inplace",
    "fill_next_token_bitmask",
    "get_bitmask_shape",
]


def apply_token_bitmask(logits: Any, bitmask: Bitmask) -> Any:
    """The logits, with minus infinity for tokens that may not come.

    `logits` has the shape `[rows, vocabulary]` or `[vocabulary]`; the bitmask has a row for each of
    them, or one for all. Logits past the end of the mask become minus infinity, too.
    """
    rows = logits[None] if logits.ndim == 1 else logits
    words = mx.array(bitmask)
    words = words[None] if words.ndim == 1 else words
    check_rows(rows.shape, words.shape, None)
    bits = (words[..., None] >> mx.arange(32)) & 1
    allowed = bits.reshape(words.shape[0], -1).astype(mx.bool_)
    width = rows.shape[-1]
    missing = width - allowed.shape[-1]
    if missing > 0:
        allowed = mx.concatenate([allowed, mx.zeros((allowed.shape[0], missing), dtype=mx.bool_)], axis=-1)
    masked = mx.where(allowed[:, :width], rows, mx.array(float("-inf"), dtype=logits.dtype))
    return masked.reshape(logits.shape)


def apply_token_bitmask_inplace(
    logits: Any, bitmask: Bitmask, *, indices: Iterable[int] | None = None
) -> None:
    """Sets the logits of tokens that may not come to minus infinity; with `indices`, in these rows only."""
    if indices is None:
        logits[:] = apply_token_bitmask(logits, bitmask)
        return
    indices = [operator.index(index) for index in indices]
    masks = bitmask[None] if bitmask.ndim == 1 else bitmask
    check_rows((1, *logits.shape) if logits.ndim == 1 else logits.shape, masks.shape, indices)
    for index in indices:
        row = masks[index if len(masks) > 1 else 0]
        if logits.ndim == 1:
            logits[:] = apply_token_bitmask(logits, row)
        else:
            logits[index] = apply_token_bitmask(logits[index], row)


class LogitsProcessor:
    """Allows only what a constraint allows: one of the `logits_processors` of MLX-LM.

    One object can be used for any number of generations, one after the other, and at once in
    several threads. The tokens of the first call are the prompt. A call belongs to the same
    generation if it goes at most one token behind a place that the call before has passed. A new
    prompt cannot be told from that if it is the last prompt with a beginning of the last output;
    call `reset` before it.
    """

    def __init__(self, constraint: Constraint, *, prompt_length: int | None = None) -> None:
        if not constraint.vocabulary.eos:
            raise ValueError("the vocabulary names no token that ends a sequence")
        self.constraint = constraint
        self._generations = Generations([constraint], prompt_length)

    def reset(self) -> None:
        """Forgets the prompt: the next call is the first of a generation."""
        self._generations.clear()

    def __call__(self, tokens: Any, logits: Any) -> Any:
        """The logits, with minus infinity for all tokens that may not come."""
        check_width(logits.shape[-1], self.constraint)
        [matcher] = self._generations.matchers([tokens.reshape(-1).tolist()])
        bitmask = allocate_token_bitmask(1, self.constraint.vocabulary.size)
        if matcher is None:
            words = bitmask.view("uint32")
            words.fill(0)
            for token in self.constraint.vocabulary.eos:
                words[0, token // 32] |= 1 << token % 32
        else:
            fill_next_token_bitmask(matcher, bitmask)
        return apply_token_bitmask(logits, bitmask)
