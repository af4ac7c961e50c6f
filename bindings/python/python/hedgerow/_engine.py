"""One request's place in a constraint, as serving engines count it.

Engines go on giving tokens behind the end of an output, and take them back with the others. The
matcher reads none of them; they are counted here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._compiler import Compiler
from ._core import Constraint, Matcher, Vocabulary

CACHE_BYTES = 512 << 20
"""Bytes of states and masks that the constraints in an engine's cache may hold together."""


def compiler(vocabulary: Vocabulary) -> Compiler:
    """The compiler of an engine, which runs for long and meets many grammars."""
    return Compiler(vocabulary, cache_bytes=CACHE_BYTES)


class Request:
    """A matcher, and the tokens that were given behind its end."""

    __slots__ = ("constraint", "matcher", "behind")

    def __init__(self, constraint: Constraint) -> None:
        self.constraint = constraint
        self.matcher: Matcher = constraint.matcher()
        self.behind = 0

    @property
    def is_over(self) -> bool:
        """Tells whether an end token has been read."""
        return self.matcher.is_stopped

    def accept(self, token: int) -> bool:
        """Reads a token. False if it may not come."""
        if self.is_over:
            self.behind += 1
            return True
        return self.matcher.advance(token)

    def accept_all(self, tokens: Sequence[int]) -> bool:
        """Reads all tokens, or none of them."""
        for count, token in enumerate(tokens):
            if not self.accept(token):
                self.rollback(count)
                return False
        return True

    def rollback(self, count: int) -> None:
        """Takes back the last tokens."""
        behind = min(count, self.behind)
        self.behind -= behind
        self.matcher.rollback(count - behind)

    def reset(self) -> None:
        """Goes back to the beginning."""
        self.matcher.reset()
        self.behind = 0


def known_ends(constraint_eos: Sequence[int], asked: Any, token_count: int) -> list[int]:
    """The end tokens of a request: those that it asks for and the tokenizer has, else the
    vocabulary's own.
    """
    ends = sorted({int(token) for token in asked or () if 0 <= int(token) < token_count})
    return ends or list(constraint_eos)
