"""XGrammar's settings, which change nothing here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_depth = 10_000


def get_max_recursion_depth() -> int:
    """The depth that was set. Nothing here recurses, so that it has no effect."""
    return _depth


def set_max_recursion_depth(max_recursion_depth: int) -> None:
    """Sets the depth that `get_max_recursion_depth` tells."""
    global _depth
    _depth = max_recursion_depth


@contextmanager
def max_recursion_depth(temp_depth: int) -> Iterator[None]:
    """Sets the depth for a while."""
    before = get_max_recursion_depth()
    set_max_recursion_depth(temp_depth)
    try:
        yield
    finally:
        set_max_recursion_depth(before)
