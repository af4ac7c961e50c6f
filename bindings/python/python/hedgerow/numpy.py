"""Masks in NumPy arrays, by the names that users of other libraries know.

A bitmask has the shape `[rows, words]` and the type int32: bit `i % 32` of word `i // 32` is token
`i`. Bits set are tokens that may come. Nothing is copied.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._core import Matcher, fill_masks, mask_logits

Bitmask = NDArray[np.int32]


def get_bitmask_shape(batch_size: int, vocab_size: int) -> tuple[int, int]:
    """The shape of a bitmask: rows, and words of 32 bits."""
    return batch_size, (vocab_size + 31) // 32


def allocate_token_bitmask(batch_size: int, vocab_size: int) -> Bitmask:
    """A bitmask in which every token may come."""
    return np.full(get_bitmask_shape(batch_size, vocab_size), -1, dtype=np.int32)


def fill_next_token_bitmask(matcher: Matcher, bitmask: Bitmask, index: int = 0) -> None:
    """Writes the tokens that may come next into row `index`."""
    matcher.fill_mask(bitmask, index)


def fill_next_token_bitmask_par(
    matchers: Iterable[tuple[Matcher, int]], bitmask: Bitmask, *, threads: int | None = None
) -> None:
    """Fills the rows of many matchers, each given with its row, in one call."""
    pairs = list(matchers)
    fill_masks([matcher for matcher, _ in pairs], bitmask, rows=[row for _, row in pairs], threads=threads)


def apply_token_bitmask_inplace(
    logits: NDArray[Any], bitmask: Bitmask, *, indices: Iterable[int] | None = None
) -> None:
    """Sets the logits of tokens that may not come to minus infinity; with `indices`, in these rows
    only.
    """
    mask_logits(logits, bitmask, rows=indices)
