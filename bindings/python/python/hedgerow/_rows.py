"""Checks of masks that another library applies to logits, in the words of `mask_logits`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def check_rows(logits: Sequence[int], masks: Sequence[int], indices: Iterable[int] | None) -> None:
    """Refuses shapes of logits and masks, with their rows, that do not go together, and rows that
    are not there.
    """
    for name, shape in (("logits", logits), ("masks", masks)):
        if len(shape) != 2:
            raise ValueError(f"{name} has {len(shape)} dimensions; it must have one or two")
    if indices is None and masks[0] not in (1, logits[0]):
        raise ValueError(f"there are {logits[0]} rows of logits, but {masks[0]} of masks")
    for index in indices or ():
        for name, rows in (("logits", logits[0]), ("masks", logits[0] if masks[0] == 1 else masks[0])):
            if not 0 <= index < rows:
                raise IndexError(f"row {index} of an array of {name} of {rows} rows")
