"""Masks in torch tensors, by the names that users of other libraries know.

A bitmask has the shape `[rows, words]` and the type int32, and lies in the memory of the CPU: bit
`i % 32` of word `i // 32` is token `i`. Bits set are tokens that may come. Masks are filled in
place; on the CPU they are applied in place by hedgerow, elsewhere by torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from ._core import Matcher, fill_masks, mask_logits
from ._rows import check_rows

_NATIVE = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def get_bitmask_shape(batch_size: int, vocab_size: int) -> tuple[int, int]:
    """The shape of a bitmask: rows, and words of 32 bits."""
    return batch_size, (vocab_size + 31) // 32


def allocate_token_bitmask(batch_size: int, vocab_size: int) -> torch.Tensor:
    """A bitmask in which every token may come; in pinned memory where there is a GPU."""
    return torch.full(
        get_bitmask_shape(batch_size, vocab_size), -1, dtype=torch.int32, pin_memory=torch.cuda.is_available()
    )


def _memory(tensor: torch.Tensor) -> Any:
    """The tensor's memory, by the way that is quickest here."""
    if tensor.device.type != "cpu":
        raise ValueError(f"the tensor is on {tensor.device}; masks are filled in the memory of the CPU")
    try:
        return tensor.numpy()
    except (RuntimeError, TypeError):
        # NumPy is not installed, or has no such type.
        return tensor


def fill_next_token_bitmask(matcher: Matcher, bitmask: torch.Tensor, index: int = 0) -> None:
    """Writes the tokens that may come next into row `index`."""
    matcher.fill_mask(_memory(bitmask), index)


def fill_next_token_bitmask_par(
    matchers: Iterable[tuple[Matcher, int]], bitmask: torch.Tensor, *, threads: int | None = None
) -> None:
    """Fills the rows of many matchers, each given with its row, in one call."""
    pairs = list(matchers)
    rows = [row for _, row in pairs]
    fill_masks([matcher for matcher, _ in pairs], _memory(bitmask), rows=rows, threads=threads)


def apply_token_bitmask_inplace(
    logits: torch.Tensor, bitmask: torch.Tensor, *, indices: Sequence[int] | None = None
) -> None:
    """Sets the logits of tokens that may not come to minus infinity; with `indices`, in these rows
    only.

    `logits` has the shape `[rows, vocabulary]` or `[vocabulary]`. The bitmask has a row for each of
    them, or one for all. Logits past the end of the mask become minus infinity, too. The bitmask
    may be on either device.
    """
    if indices is not None:
        indices = [int(index) for index in indices]
    plain = logits.device.type == bitmask.device.type == "cpu" and logits.dtype in _NATIVE
    if plain and not logits.requires_grad and logits.stride(-1) == 1 and bitmask.is_contiguous():
        mask_logits(_memory(logits), _memory(bitmask), rows=indices)
        return
    _apply_by_torch(logits, bitmask, indices)


def _apply_by_torch(logits: torch.Tensor, bitmask: torch.Tensor, indices: Sequence[int] | None) -> None:
    if bitmask.dtype not in (torch.int32, torch.uint32):
        raise TypeError(f"masks hold {bitmask.dtype}; they must hold 32-bit integers")
    rows = logits.unsqueeze(0) if logits.dim() == 1 else logits
    words = bitmask.unsqueeze(0) if bitmask.dim() == 1 else bitmask
    check_rows(rows.shape, words.shape, indices)
    bits = torch.arange(32, dtype=torch.int32, device=logits.device)
    signed = words.view(torch.int32).to(logits.device, non_blocking=True)
    allowed = (signed.unsqueeze(-1) >> bits & 1).bool().flatten(-2)
    width = rows.shape[-1]
    if allowed.shape[-1] < width:
        missing = width - allowed.shape[-1]
        allowed = torch.nn.functional.pad(allowed, (0, missing), value=False)
    forbidden = ~allowed[:, :width]
    if indices is None:
        rows.masked_fill_(forbidden, float("-inf"))
        return
    for index in indices:
        rows[index].masked_fill_(forbidden[index if len(forbidden) > 1 else 0], float("-inf"))
