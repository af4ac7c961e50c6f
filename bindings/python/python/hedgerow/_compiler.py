"""Compiling without blocking an event loop, and without compiling twice."""

from __future__ import annotations

import asyncio
import operator
import threading
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ._core import CancelFlag, Constraint, Grammar, Limits, Vocabulary, compile
from .errors import VocabularyError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._types import Eos, EosToken


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
    return await _on_thread(work, flag)


async def _on_thread(work: Any, flag: CancelFlag) -> Constraint:
    try:
        result: Constraint = await asyncio.get_running_loop().run_in_executor(None, work)
    except asyncio.CancelledError:
        flag.set()
        raise
    return result


class CacheInfo(NamedTuple):
    """Figures of a `Compiler`'s cache."""

    hits: int
    """Constraints that were there."""
    misses: int
    """Constraints that were compiled."""
    maxsize: int
    """The most that are kept."""
    currsize: int
    """Those that are kept now."""


class Compiler:
    """Compiles for one vocabulary, and keeps the constraints that were used last.

    Constraints are kept by grammar, options and end-of-sequence tokens. Threads may share a
    compiler.
    """

    def __init__(self, vocabulary: Vocabulary, *, cache: int = 1024, limits: Limits | None = None) -> None:
        cache = operator.index(cache)
        if cache < 0:
            raise ValueError(f"cache is {cache}; it must be 0 or more")
        if not isinstance(vocabulary, Vocabulary):
            raise TypeError(f"vocabulary must be a hedgerow.Vocabulary, not {type(vocabulary).__name__}")
        if limits is not None and not isinstance(limits, Limits):
            raise TypeError(f"limits must be hedgerow.Limits, not {type(limits).__name__}")
        self.vocabulary = vocabulary
        self.limits = limits
        self._room = cache
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Grammar, tuple[int, ...]], Constraint] = OrderedDict()
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
        grammar = Grammar.of(grammar)
        ends = tuple(self.vocabulary.eos) if eos is None else self._ids(eos)
        key = (grammar, ends)
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
                self._hits += 1
                return known
            self._misses += 1
        made = compile(grammar, self._with_ends(ends), limits=self.limits, timeout=timeout, cancel=cancel)
        with self._lock:
            kept = self._kept.setdefault(key, made)
            self._kept.move_to_end(key)
            while len(self._kept) > self._room:
                self._kept.popitem(last=False)
        return kept

    async def compile_async(
        self, grammar: Any, *, eos: Eos | None = None, timeout: float | None = None
    ) -> Constraint:
        """`compile` on a thread of the event loop's pool. Cancelling the task ends the work."""
        flag = CancelFlag()
        ends = None if eos is None else self._ids(eos)
        return await _on_thread(partial(self.compile, grammar, eos=ends, timeout=timeout, cancel=flag), flag)

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


def restore(grammar: Grammar, vocabulary: Vocabulary, limits: Limits | None) -> Constraint:
    """A constraint of its parts, for pickle."""
    return compile(grammar, vocabulary, limits=limits)


def restore_limits(graph_bytes: int, state_threads: int, search_states: int, nodes: int) -> Limits:
    """Limits of their numbers, for pickle."""
    return Limits(
        graph_bytes=graph_bytes, state_threads=state_threads, search_states=search_states, nodes=nodes
    )
