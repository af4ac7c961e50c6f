"""Matchers that follow rows of tokens wherever they go: on, back, or to another row's place."""

from __future__ import annotations

import operator
import threading
from collections.abc import Sequence
from typing import NamedTuple

from ._core import Constraint, Matcher


class Prompt:
    """Tells the prompt from the output, for loops that give both as one row.

    The rows of the first call are the prompt, unless its length is given. Loops ask for every
    token. A later call is therefore of the same generation only if each of its rows is the prompt,
    or goes at most one token behind a place that the rows of the call before have passed. All other
    rows are the prompt of a new generation.
    """

    def __init__(self, length: int | None = None) -> None:
        self.length = None if length is None else operator.index(length)
        if self.length is not None and self.length < 0:
            raise ValueError(f"prompt_length is {length}; it must be 0 or more")
        self._prompts: list[list[int]] | None = None
        self.rows: list[list[int]] = []
        """The rows of the last call."""

    def outputs(self, rows: list[list[int]]) -> tuple[list[list[int]], bool]:
        """The output of each row, and whether these are the first rows of a generation."""
        if self.length is not None:
            return [row[self.length :] for row in rows], False
        is_new = not self._goes_on(rows)
        if is_new or self._prompts is None:
            self._prompts = rows
        self.rows = rows
        return [row[len(prompt) :] for row, prompt in zip(rows, self._prompts)], is_new

    def outputs_of_candidates(self, rows: list[list[int]]) -> list[list[int] | None]:
        """The outputs of rows among which a loop will choose, as many for each row of the last
        call; None for rows of another generation. They are no call: nothing is remembered.
        """
        if self.length is not None:
            return [row[self.length :] for row in rows]
        prompts = self._prompts or []
        outputs: list[list[int] | None] = []
        for at, row in enumerate(rows):
            # Beams give two or more candidates for each row, the groups in the rows' order.
            prompt = prompts[at * len(prompts) // len(rows)] if prompts else None
            is_ours = prompt is not None and row[: len(prompt)] == prompt
            outputs.append(row[len(prompt) :] if prompt is not None and is_ours else None)
        return outputs

    def _goes_on(self, rows: list[list[int]]) -> bool:
        prompts = self._prompts
        if not rows or prompts is None or len(rows) != len(prompts):
            return False
        if not all(row[: len(prompt)] == prompt for row, prompt in zip(rows, prompts)):
            return False
        return all(
            len(row) == len(prompt) or self._was_passed(row[:-1], at)
            for at, (row, prompt) in enumerate(zip(rows, prompts))
        )

    def _was_passed(self, beginning: list[int], at: int) -> bool:
        """Tells whether a row of the last call has this beginning; most often it is the same row."""
        length = len(beginning)
        return self.rows[at][:length] == beginning or any(row[:length] == beginning for row in self.rows)

    def clear(self) -> None:
        """Forgets the prompt."""
        self._prompts = None
        self.rows = []


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


class Place(NamedTuple):
    """The place of a row in a constraint."""

    matcher: Matcher
    """A matcher that has read the row, up to a token that may not come."""
    is_refused: bool
    """Tells whether there is such a token."""

    @property
    def has_left(self) -> bool:
        """Tells whether the row has left the constraint before its end."""
        return self.is_refused and not self.matcher.is_stopped


class Candidate(NamedTuple):
    """A row among which a loop will choose."""

    place: Place
    is_known: bool
    """Tells whether it is a row of the generation."""


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
        return [None if place.is_refused else place.matcher for place in self.places(rows)]

    def places(self, rows: Sequence[list[int]]) -> list[Place]:
        """For each row of tokens its place."""
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
        return [Place(follower.matcher, follower.refused) for follower in used]

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


class Generations(threading.local):
    """Matchers for the rows of one generation after the other, given with their prompts.

    The rows fall into as many equal parts as there are constraints. All calls of a generation come
    from one thread. Each thread has generations of its own: it begins with none, and `clear` is
    about the thread that calls it.
    """

    def __init__(self, constraints: Sequence[Constraint], prompt_length: int | None) -> None:
        self._prompt = Prompt(prompt_length)
        self._histories = [History(constraint) for constraint in constraints]

    def matchers(self, rows: list[list[int]]) -> list[Matcher | None]:
        """For each row a matcher that has read its output; None if the row is over: it has left the
        constraint, or goes on behind an end token.
        """
        before = self._prompt.rows
        outputs, is_new = self._prompt.outputs(rows)
        if is_new:
            self._forget_rows()
        found = self._found(outputs)
        if is_new or self._prompt.length is not None:
            return found
        # Loops ask what may follow a token that may not come if they have guessed it: directly
        # after they asked at the place before it. Elsewhere it is of a new prompt.
        for row, matcher in zip(rows, found):
            if matcher is None and row[:-1] not in before and row not in before:
                self.clear()
                return self._found(self._prompt.outputs(rows)[0])
        return found

    def candidates(self, rows: list[list[int]]) -> list[Candidate]:
        """The rows among which a loop will choose the next ones."""
        outputs = self._prompt.outputs_of_candidates(rows)
        places = self._places([[] if output is None else output for output in outputs])
        return [Candidate(place, output is not None) for place, output in zip(places, outputs)]

    @property
    def row_count(self) -> int:
        """The number of rows of the last call."""
        return len(self._prompt.rows)

    def _found(self, outputs: list[list[int]]) -> list[Matcher | None]:
        return [None if place.is_refused else place.matcher for place in self._places(outputs)]

    def _places(self, outputs: list[list[int]]) -> list[Place]:
        each = len(outputs) // len(self._histories)
        if each * len(self._histories) != len(outputs):
            said = f"{len(outputs)} rows do not share {len(self._histories)} constraints evenly"
            raise ValueError(said)
        found: list[Place] = []
        for at, history in enumerate(self._histories):
            found += history.places(outputs[at * each : (at + 1) * each])
        return found

    def _forget_rows(self) -> None:
        for history in self._histories:
            history.clear()

    def clear(self) -> None:
        """Forgets the prompt and all rows."""
        self._prompt.clear()
        self._forget_rows()


def check_width(width: int, constraint: Constraint) -> None:
    """Refuses rows of scores that are shorter than a constraint's masks."""
    size = constraint.vocabulary.size
    if width < size:
        raise ValueError(
            f"the model gives scores for {width} tokens, but the constraint's vocabulary has {size}; "
            "make the vocabulary of this model's own tokenizer"
        )
