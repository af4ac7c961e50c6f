"""Compiling without blocking an event loop, and without compiling twice."""

from __future__ import annotations

import asyncio
import concurrent.futures
import operator
import threading
import time
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from ._core import CancelFlag, Constraint, Grammar, Limits, Vocabulary, compile
from .errors import Cancelled, DeadlineError, HedgerowError, VocabularyError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._types import Eos, EosToken

Key: TypeAlias = "tuple[Grammar, tuple[int, ...]]"
"""The things that constraints of a `Compiler` are kept by: the grammar, and the end tokens."""

Flight: TypeAlias = "concurrent.futures.Future[Constraint]"
"""A constraint that a thread is compiling, for all who ask for it meanwhile."""

PAUSE = 0.02
"""Seconds between two looks at a `CancelFlag`."""


async def compile_async(
    grammar: Any,
    vocabulary: Vocabulary,
    *,
    limits: Limits | None = None,
    timeout: float | None = None,
) -> Constraint:
    """`compile` on a thread of the event loop's pool. Cancelling the task ends the work."""
    flag = CancelFlag()
    work = partial(compile, grammar, vocabulary, limits=limits, timeout=timeout, cancel=flag)
    try:
        result: Constraint = await asyncio.get_running_loop().run_in_executor(None, work)
    except asyncio.CancelledError:
        flag.set()
        raise
    return result


class _Abandoned(Exception):
    """Whoever compiled a constraint gave up: its time was over, or it was cancelled. That is no
    reason for the others, of whom one goes on.
    """


class CacheInfo(NamedTuple):
    """Figures of a `Compiler`'s cache."""

    hits: int
    """Constraints that were there, or that another call was compiling."""
    misses: int
    """Constraints that were compiled."""
    maxsize: int
    """The most that are kept."""
    currsize: int
    """Those that are kept now."""


class Compiler:
    """Compiles for one vocabulary, and keeps the constraints that were used last.

    Constraints are kept by grammar, options and end-of-sequence tokens. Threads may share a
    compiler. A constraint that several ask for at once is compiled once: the others wait for it.

    `cache` is the number of constraints that are kept, and `cache_bytes` bounds the bytes of their
    states and masks together, which grow while they are used. Both are enforced whenever a constraint
    is added. `threads` is the number of constraints that `compile_async` compiles at once; by default
    that is what `ThreadPoolExecutor` chooses.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        cache: int = 1024,
        cache_bytes: int | None = None,
        threads: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        cache = operator.index(cache)
        if cache < 0:
            raise ValueError(f"cache is {cache}; it must be 0 or more")
        cache_bytes = None if cache_bytes is None else operator.index(cache_bytes)
        if cache_bytes is not None and cache_bytes < 0:
            raise ValueError(f"cache_bytes is {cache_bytes}; it must be 0 or more")
        threads = None if threads is None else operator.index(threads)
        if threads is not None and threads < 1:
            raise ValueError(f"threads is {threads}; at least one must do the work")
        if not isinstance(vocabulary, Vocabulary):
            raise TypeError(f"vocabulary must be a hedgerow.Vocabulary, not {type(vocabulary).__name__}")
        if limits is not None and not isinstance(limits, Limits):
            raise TypeError(f"limits must be hedgerow.Limits, not {type(limits).__name__}")
        self.vocabulary = vocabulary
        self.limits = limits
        self._room = cache
        self._bytes = cache_bytes
        # It starts threads when it has work for them.
        self._pool = concurrent.futures.ThreadPoolExecutor(threads, "hedgerow")
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, Constraint] = OrderedDict()
        self._flights: dict[Key, Flight] = {}
        self._vocabularies: dict[tuple[int, ...], Vocabulary] = {tuple(vocabulary.eos): vocabulary}
        self._hits = 0
        self._misses = 0

    def compile(
        self,
        grammar: Any,
        *,
        eos: Eos | None = None,
        timeout: float | None = None,
        cancel: CancelFlag | None = None,
    ) -> Constraint:
        """The constraint of a grammar; `eos` names end-of-sequence tokens other than the
        vocabulary's, by id or name.
        """
        key = (Grammar.of(grammar), tuple(self.vocabulary.eos) if eos is None else self._ids(eos))
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            found, is_ours = self._enter(key)
            if isinstance(found, Constraint):
                return found
            if is_ours:
                return self._lead(found, key, timeout, cancel)
            try:
                return _wait(found, deadline, cancel)
            except _Abandoned:
                timeout = _left(deadline)

    async def compile_async(
        self, grammar: Any, *, eos: Eos | None = None, timeout: float | None = None
    ) -> Constraint:
        """`compile` on a thread of the compiler's own. Cancelling the task ends the work; another
        call that waits for it begins anew.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if not isinstance(grammar, Grammar):
            # The schema of a type may take a while.
            grammar = await asyncio.wrap_future(self._pool.submit(Grammar.of, grammar))
        key = (grammar, tuple(self.vocabulary.eos) if eos is None else self._ids(eos))
        timeout = _left(deadline)
        while True:
            found, is_ours = self._enter(key)
            if isinstance(found, Constraint):
                return found
            if is_ours:
                return await self._lead_async(found, key, timeout)
            try:
                return await asyncio.wait_for(asyncio.wrap_future(found), _left(deadline))
            except asyncio.TimeoutError:
                raise DeadlineError(_LATE) from None
            except _Abandoned:
                timeout = _left(deadline)

    def _enter(self, key: Key) -> tuple[Constraint | Flight, bool]:
        """The constraint if it is kept; else the flight that it comes by, and whether that is for
        the caller to make.
        """
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
                self._hits += 1
                return known, False
            flight = self._flights.get(key)
            if flight is not None:
                self._hits += 1
                return flight, False
            self._misses += 1
            flight = self._flights[key] = concurrent.futures.Future()
            # Nobody who waits can cancel what runs.
            flight.set_running_or_notify_cancel()
            return flight, True

    def _lead(self, flight: Flight, key: Key, timeout: float | None, cancel: CancelFlag | None) -> Constraint:
        """Compiles for all who wait."""
        grammar, ends = key
        try:
            vocabulary = self._with_ends(ends)
            made = compile(grammar, vocabulary, limits=self.limits, timeout=timeout, cancel=cancel)
        except BaseException as error:
            is_about_the_grammar = isinstance(error, HedgerowError)
            if isinstance(error, (Cancelled, DeadlineError)) or not is_about_the_grammar:
                self._abandon(flight, key)
            else:
                self._land(flight, key)
                flight.set_exception(error)
            raise
        self._land(flight, key, made)
        flight.set_result(made)
        return made

    async def _lead_async(self, flight: Flight, key: Key, timeout: float | None) -> Constraint:
        flag = CancelFlag()
        work = self._pool.submit(self._lead, flight, key, timeout, flag)
        try:
            return await asyncio.wrap_future(work)
        except asyncio.CancelledError:
            flag.set()
            if work.cancel():
                # No thread has begun with it, and none will.
                self._abandon(flight, key)
            raise

    def _land(self, flight: Flight, key: Key, made: Constraint | None = None) -> None:
        with self._lock:
            del self._flights[key]
            if made is not None:
                self._kept[key] = made
                self._shrink()

    def _shrink(self) -> None:
        """Lets go of the constraints that were not used for longest, until the others are within
        the bounds.
        """
        held = 0 if self._bytes is None else sum(one.memory for one in self._kept.values())
        while self._kept and (len(self._kept) > self._room or held > (self._bytes or 0)):
            _, gone = self._kept.popitem(last=False)
            held -= 0 if self._bytes is None else gone.memory

    def _abandon(self, flight: Flight, key: Key) -> None:
        self._land(flight, key)
        flight.set_exception(_Abandoned())

    def cache_info(self) -> CacheInfo:
        """Figures of the cache."""
        with self._lock:
            return CacheInfo(self._hits, self._misses, self._room, len(self._kept))

    def cache_clear(self) -> None:
        """Forgets all constraints. Those in use go on."""
        with self._lock:
            self._kept.clear()

    def constraints(self) -> list[Constraint]:
        """The constraints that are kept, those used last at the end."""
        with self._lock:
            return list(self._kept.values())

    def _ids(self, eos: Eos) -> tuple[int, ...]:
        """The ids of tokens that are given by id or name: one, or several."""
        if isinstance(eos, str) or hasattr(eos, "__index__"):
            eos = cast("Eos", [eos])
        names: dict[str, int] | None = None
        ids: set[int] = set()
        for token in cast("Iterable[EosToken]", eos):
            if not isinstance(token, str):
                ids.add(operator.index(token))
                continue
            names = self.vocabulary.special_tokens if names is None else names
            if token not in names:
                raise VocabularyError(f'no token is called "{token}"')
            ids.add(names[token])
        return tuple(sorted(ids))

    def _with_ends(self, ends: tuple[int, ...]) -> Vocabulary:
        """The vocabulary with these end tokens; one object for each, so that what it prepares is
        shared.
        """
        with self._lock:
            known = self._vocabularies.get(ends)
        if known is not None:
            return known
        made = self.vocabulary.with_eos(ends)
        with self._lock:
            while len(self._vocabularies) > self._VOCABULARIES:
                oldest = next(name for name in self._vocabularies if name != tuple(self.vocabulary.eos))
                del self._vocabularies[oldest]
            return self._vocabularies.setdefault(ends, made)

    _VOCABULARIES = 16


_LATE = "the deadline passed before the answer was found"


def _left(deadline: float | None) -> float | None:
    """Seconds until a deadline."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _wait(flight: Flight, deadline: float | None, cancel: CancelFlag | None) -> Constraint:
    """The constraint that another thread is compiling."""
    while True:
        left = _left(deadline)
        pause = left if cancel is None else PAUSE if left is None else min(left, PAUSE)
        try:
            return flight.result(pause)
        except concurrent.futures.TimeoutError:
            if cancel is not None and cancel.is_set():
                raise Cancelled("cancelled") from None
            if left == 0.0:
                raise DeadlineError(_LATE) from None


def restore(grammar: Grammar, vocabulary: Vocabulary, limits: Limits | None) -> Constraint:
    """A constraint of its parts, for pickle."""
    return compile(grammar, vocabulary, limits=limits)


def restore_limits(graph_bytes: int, state_threads: int, search_states: int, nodes: int) -> Limits:
    """Limits of their numbers, for pickle."""
    return Limits(
        graph_bytes=graph_bytes, state_threads=state_threads, search_states=search_states, nodes=nodes
    )
