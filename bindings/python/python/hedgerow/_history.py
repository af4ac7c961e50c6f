"""Matchers that follow rows of tokens wherever they go: on, back, or to another row's place."""

from __future__ import annotations

from collections.abc import Sequence

from ._core import Constraint, Matcher


class Prompt:
    """Tells the prompt from the output, for loops that give both as one row.

    The rows of the first call are the prompt, unless its length is given. Rows that do not begin
    with the prompt, or are more than a token longer than any before, are of a new generation: loops
    ask for every token.
    """

    def __init__(self, length: int | None = None) -> None:
        self.length = length
        self._rows: list[list[int]] | None = None
        self._longest = 0

    def outputs(self, rows: list[list[int]]) -> tuple[list[list[int]], bool]:
        """The output of each row, and whether these are the first rows of a generation."""
        if self.length is not None:
            return [row[self.length :] for row in rows], False
        is_new = not self._goes_on(rows)
        if is_new or self._rows is None:
            self._rows = [row.copy() for row in rows]
            self._longest = 0
        self._longest = max(self._longest, max(map(len, rows), default=0))
        return [row[len(prompt) :] for row, prompt in zip(rows, self._rows)], is_new

    def _goes_on(self, rows: list[list[int]]) -> bool:
        prompts = self._rows
        if not rows or prompts is None or len(rows) != len(prompts):
            return False
        if max(map(len, rows)) > self._longest + 1:
            return False
        return all(row[: len(prompt)] == prompt for row, prompt in zip(rows, prompts))

    def clear(self) -> None:
        """Forgets the prompt."""
        self._rows = None


class _Follower:
    """A matcher with the tokens that it has read.

    A row without a constraint may hold a token that may not come. It is remembered, and none behind
    it is read.
    """

    __slots__ = ("matcher", "read", "refused")

    def __init__(self, matcher: Matcher) -> None:
        self.matcher = matcher
        self.read: list[int] = []
        self.refused = False

    def common(self, row: list[int]) -> int:
        """The number of leading tokens that it shares with a row."""
        read = self.read
        if row[: len(read)] == read:
            return len(read)
        return next(at for at, token in enumerate(read) if at == len(row) or row[at] != token)

    def go_to(self, row: list[int]) -> None:
        """Moves to a row's end."""
        shared = self.common(row)
        if len(self.read) > shared:
            self.matcher.rollback(len(self.read) - shared)
            del self.read[shared:]
        self.refused = False
        for token in row[shared:]:
            if not self.matcher.advance(token):
                self.refused = True
                return
            self.read.append(token)

    def fork(self) -> _Follower:
        """One that goes its own way."""
        other = _Follower(self.matcher.fork())
        other.read = self.read.copy()
        return other


class History:
    """Matchers for rows of tokens that may be reordered, and go back.

    Between calls at least `kept` matchers are remembered, those that were used last.
    """

    def __init__(self, constraint: Constraint, *, kept: int = 16) -> None:
        self.constraint = constraint
        self.kept = kept
        self._followers: list[_Follower] = []

    def matchers(self, rows: Sequence[list[int]]) -> list[Matcher | None]:
        """For each row of tokens a matcher that has read it; None if the row has left the
        constraint.
        """
        free = self._followers
        found: list[_Follower | None] = [None] * len(rows)
        # Mostly each row goes on where it stood.
        for at, row in enumerate(rows):
            if at < len(free) and free[at].common(row) == len(free[at].read):
                found[at] = free[at]
        taken = [follower for follower in found if follower is not None]
        free = [follower for follower in free if all(follower is not other for other in taken)]
        for follower, row in zip(found, rows):
            if follower is not None:
                follower.go_to(row)
        for at, row in enumerate(rows):
            if found[at] is None:
                follower = self._nearest(free, taken, row)
                follower.go_to(row)
                found[at] = follower
                taken.append(follower)
        used = [follower for follower in found if follower is not None]
        self._followers = used + free[: max(0, self.kept - len(used))]
        return [None if follower.refused else follower.matcher for follower in used]

    def _nearest(self, free: list[_Follower], taken: list[_Follower], row: list[int]) -> _Follower:
        """The follower that shares most with a row: a free one, which is taken out, or a fork of
        another.
        """
        best = max(free, key=lambda follower: follower.common(row), default=None)
        twin = max(taken, key=lambda follower: follower.common(row), default=None)
        shared = 0 if best is None else best.common(row)
        if twin is not None and twin.common(row) > shared:
            return twin.fork()
        if best is None or shared == 0:
            return _Follower(self.constraint.matcher())
        del free[next(at for at, follower in enumerate(free) if follower is best)]
        return best

    def clear(self) -> None:
        """Forgets all rows."""
        self._followers = []
