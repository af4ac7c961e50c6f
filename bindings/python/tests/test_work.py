"""Work: caches, threads, deadlines, cancellation, memory."""

from __future__ import annotations

import asyncio
import pickle
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hedgerow as hr
import pytest

LONG = hr.Grammar.regex("(a|b)*a(a|b){" + "14}")
"""A grammar whose machine over tokens has so many states that nobody waits for it."""


def test_compiler_keeps_by_grammar_options_and_ends(bytes_vocabulary: hr.Vocabulary) -> None:
    compiler = hr.Compiler(bytes_vocabulary, cache=2)
    schema = {"type": "array", "items": {"const": 1}}
    one = compiler.compile(schema)
    assert compiler.compile(hr.Grammar.json_schema(dict(schema))) is one
    compact = compiler.compile(hr.Grammar.json_schema(schema, whitespace="compact"))
    assert compact is not one and compact.accepts("[1,1]")
    other = compiler.compile(schema, eos=[10])
    assert other is not one and other.vocabulary.eos == [10] and one.vocabulary.eos != [10]
    assert compiler.compile(schema, eos=[10, 10]) is other
    assert compiler.cache_info() == (2, 3, 2, 2)
    compiler.cache_clear()
    assert compiler.compile(schema) is not one
    for ends in range(40):
        assert compiler.compile(schema, eos=[ends]).vocabulary.eos == [ends]
    with pytest.raises(ValueError, match="-1"):
        hr.Compiler(bytes_vocabulary, cache=-1)
    with pytest.raises(hr.GrammarError):
        compiler.compile({"type": "nothing"})
    assert hr.Compiler(bytes_vocabulary, cache=0).compile(schema).accepts("[]")


def test_compiler_keeps_within_its_bytes(bytes_vocabulary: hr.Vocabulary) -> None:
    one = hr.compile({"const": 1}, bytes_vocabulary)
    assert one.memory == one.stats()["bytes"] > 0
    compiler = hr.Compiler(bytes_vocabulary, cache_bytes=one.memory * 5 // 2)
    kept = [compiler.compile({"const": number}) for number in range(3)]
    assert compiler.constraints() == kept[1:]
    # A constraint that has grown takes the room of others when the next one comes.
    text = '"' + "a" * 200
    grown = compiler.compile({"type": "string", "maxLength": 300})
    assert grown.matcher().advance_bytes(text) and grown.memory > one.memory * 5 // 2
    last = compiler.compile({"const": 4})
    assert compiler.constraints() == [last] and grown.accepts(text + '"')
    assert hr.Compiler(bytes_vocabulary, cache_bytes=0).compile({"const": 1}).accepts("1")
    with pytest.raises(ValueError, match="cache_bytes is -1"):
        hr.Compiler(bytes_vocabulary, cache_bytes=-1)


def test_constraints_are_pickled_as_their_parts(bytes_vocabulary: hr.Vocabulary) -> None:
    limits = hr.Limits(graph_bytes=1 << 22)
    constraint = hr.compile({"const": 3}, bytes_vocabulary, limits=limits)
    again = pickle.loads(pickle.dumps(constraint))
    assert again.accepts("3") and again.grammar == constraint.grammar and again.vocabulary == bytes_vocabulary
    assert pickle.loads(pickle.dumps(limits)) == limits


def test_deadlines(bytes_vocabulary: hr.Vocabulary) -> None:
    constraint = hr.compile(LONG, bytes_vocabulary)
    with pytest.raises(hr.DeadlineError) as caught:
        constraint.token_fsm(max_states=1 << 30, timeout=0.05)
    assert isinstance(caught.value, TimeoutError)
    with pytest.raises(hr.DeadlineError):
        hr.compile(hr.Grammar.gbnf(LONG_RULES), bytes_vocabulary, timeout=0)
    with pytest.raises(hr.DeadlineError):
        hr.Grammar.json_schema(True).check(timeout=0)
    flag = hr.CancelFlag()
    matcher = constraint.matcher(cancel=flag)
    assert matcher.advance_bytes("a")
    flag.set()
    with pytest.raises(hr.Cancelled):
        matcher.advance_bytes("a")
    assert flag.is_set()
    flag.clear()
    assert matcher.advance_bytes("a") and matcher.output_len == 2
    matcher.set_interrupt(timeout=60)
    assert matcher.advance_bytes("a")


LONG_RULES = 'root ::= ("a" | "b")* "a" ("a" | "b"){14}'


def test_cancelling_a_call_on_another_thread(bytes_vocabulary: hr.Vocabulary) -> None:
    constraint = hr.compile(LONG, bytes_vocabulary)
    flag = hr.CancelFlag()
    ended: list[BaseException] = []

    def work() -> None:
        try:
            constraint.token_fsm(max_states=1 << 30, cancel=flag)
        except hr.Cancelled as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.05)  # This thread runs meanwhile: the work holds no lock of the interpreter.
    flag.set()
    thread.join(60)
    assert len(ended) == 1


def test_signals_end_the_work(bytes_vocabulary: hr.Vocabulary) -> None:
    class Alarm(Exception):
        pass

    def ring(number: int, frame: object) -> None:
        raise Alarm

    constraint = hr.compile(LONG, bytes_vocabulary)
    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Alarm):
            constraint.token_fsm(max_states=1 << 30)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert constraint.accepts("a" * 15)


def test_cancelling_a_task_ends_its_work(
    bytes_vocabulary: hr.Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hedgerow import _compiler

    seen: list[BaseException] = []

    def slow(grammar: hr.Grammar, vocabulary: hr.Vocabulary, **options: object) -> hr.Constraint:
        flag = options["cancel"]
        assert isinstance(flag, hr.CancelFlag)
        made = hr.compile(grammar, vocabulary)
        try:
            made.token_fsm(max_states=1 << 30, cancel=flag)
        except hr.HedgerowError as error:
            seen.append(error)
            raise
        return made

    async def run() -> None:
        with pytest.raises(hr.DeadlineError):
            await hr.compile_async({"const": 1}, bytes_vocabulary, timeout=0)
        assert (await hr.compile_async({"const": 1}, bytes_vocabulary)).accepts("1")
        compiler = hr.Compiler(bytes_vocabulary)
        one, other = await asyncio.gather(
            compiler.compile_async({"const": 1}), compiler.compile_async({"const": 2})
        )
        assert one.accepts("1") and other.accepts("2")
        monkeypatch.setattr(_compiler, "compile", slow)
        task = asyncio.ensure_future(hr.compile_async(LONG, bytes_vocabulary))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    # The loop's pool has been shut down, which waits for its threads.
    assert [type(error) for error in seen] == [hr.Cancelled]


class Slow:
    """`compile` that takes until it is let go, and counts its calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from hedgerow import _compiler

        self.calls = 0
        self.go = threading.Event()
        self.began = threading.Event()
        monkeypatch.setattr(_compiler, "compile", self)

    def __call__(self, grammar: hr.Grammar, vocabulary: hr.Vocabulary, **options: Any) -> hr.Constraint:
        self.calls += 1
        self.began.set()
        while not self.go.wait(0.01):
            if options["cancel"] is not None and options["cancel"].is_set():
                raise hr.Cancelled("cancelled")
        return hr.compile(grammar, vocabulary, **options)


def until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        time.sleep(0.001)


def test_threads_compile_once(bytes_vocabulary: hr.Vocabulary, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(monkeypatch)
    compiler = hr.Compiler(bytes_vocabulary)
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(compiler.compile, {"const": 1}) for _ in range(8)]
        until(lambda: sum(compiler.cache_info()[:2]) == 8)
        with pytest.raises(hr.DeadlineError):
            compiler.compile({"const": 1}, timeout=0.01)
        flag = hr.CancelFlag()
        flag.set()
        with pytest.raises(hr.Cancelled):
            compiler.compile({"const": 1}, cancel=flag)
        slow.go.set()
        assert len({call.result(60) for call in calls}) == 1
        assert slow.calls == 1 and compiler.cache_info()[:2] == (9, 1)
        # A fault of the grammar is everybody's.
        slow.go.clear()
        calls = [pool.submit(compiler.compile, {"type": "nothing"}) for _ in range(8)]
        until(lambda: sum(compiler.cache_info()[:2]) == 18)
        slow.go.set()
        assert [type(call.exception(60)) for call in calls] == [hr.GrammarError] * 8 and slow.calls == 2
        assert compiler.compile({"const": 1}).accepts("1") and slow.calls == 2


def test_another_goes_on_where_one_gave_up(
    bytes_vocabulary: hr.Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(monkeypatch)
    compiler = hr.Compiler(bytes_vocabulary)
    flag = hr.CancelFlag()
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(compiler.compile, {"const": 1}, cancel=flag)
        assert slow.began.wait(60)
        calls = [pool.submit(compiler.compile, {"const": 1}, timeout=60) for _ in range(4)]
        until(lambda: sum(compiler.cache_info()[:2]) == 5)
        flag.set()
        with pytest.raises(hr.Cancelled):
            first.result(60)
        until(lambda: slow.calls == 2)
        slow.go.set()
        assert len({call.result(60) for call in calls}) == 1 and slow.calls == 2


def test_tasks_compile_once(bytes_vocabulary: hr.Vocabulary, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(monkeypatch)
    # One thread must do, since tasks that wait take none.
    compiler = hr.Compiler(bytes_vocabulary, threads=1)

    async def run() -> None:
        tasks = [asyncio.ensure_future(compiler.compile_async({"const": 1})) for _ in range(8)]
        while sum(compiler.cache_info()[:2]) < 8:
            await asyncio.sleep(0.001)
        with pytest.raises(hr.DeadlineError):
            await compiler.compile_async(hr.Grammar.json_schema({"const": 1}), timeout=0.01)
        # Work that has not begun, and work that has: others begin anew.
        waiting = asyncio.ensure_future(compiler.compile_async(hr.Grammar.choice(["a"])))
        behind = asyncio.ensure_future(compiler.compile_async(hr.Grammar.choice(["a"])))
        await asyncio.sleep(0)
        for task in (waiting, tasks[0]):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        slow.go.set()
        assert len(set(await asyncio.gather(*tasks[1:]))) == 1
        assert (await behind).accepts("a") and slow.calls == 3
        with pytest.raises(hr.GrammarError):
            await compiler.compile_async({"type": "nothing"})

    asyncio.run(run())
    for wrong in (0, -1):
        with pytest.raises(ValueError, match=f"threads is {wrong}"):
            hr.Compiler(bytes_vocabulary, threads=wrong)


def test_threads_share_everything(bytes_vocabulary: hr.Vocabulary) -> None:
    schema = {"type": "object", "properties": {name: {"type": "integer"} for name in "abcdef"}}
    shared = hr.compile(schema, bytes_vocabulary)
    text = '{"a": 1, "b": 23, "d": -4, "f": 5}'
    tokens = bytes_vocabulary.greedy_tokenize(text)
    expected: list[list[int]] = []
    matcher = shared.matcher()
    for token in tokens:
        expected.append(matcher.allowed_tokens())
        assert matcher.advance(token)
    own = shared.matcher()
    batch = [shared.matcher() for _ in range(6)]

    def work(number: int) -> None:
        fresh = hr.compile(schema, bytes_vocabulary) if number % 2 else shared
        for _ in range(5):
            matcher = fresh.matcher()
            for token, allowed in zip(tokens, expected):
                assert matcher.allowed_tokens() == allowed and matcher.advance(token)
            # Threads that use one object wait for each other.
            own.advance(tokens[0])
            own.allowed_tokens()
            own.reset()
            order = batch if number % 3 else batch[::-1]
            hr.fill_masks(order, bytes_vocabulary.mask_buffer(len(batch)), threads=2)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, number) for number in range(16)]:
            done.result(120)


def resident() -> int:
    """Bytes of memory that the process holds."""
    status = Path("/proc/self/status")
    if not status.is_file():
        pytest.skip("no /proc/self/status to read the memory in use from")
    [line] = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


def test_nothing_leaks(bytes_vocabulary: hr.Vocabulary) -> None:
    constraint = hr.compile({"type": "object"}, bytes_vocabulary)
    tokens = bytes_vocabulary.greedy_tokenize('{"a": [1, 2')
    out = bytes_vocabulary.mask_buffer()

    def round_trip() -> None:
        matcher = constraint.matcher()
        for token in tokens:
            matcher.fill_mask(out)
            matcher.advance(token)
        matcher.fork().rollback(2)
        for wrong in (lambda: matcher.fill_mask(b"1234"), lambda: matcher.rollback(99)):
            with pytest.raises((BufferError, TypeError, ValueError)):
                wrong()

    def several(count: int) -> None:
        for _ in range(count):
            constraint.matcher().fill_mask(out)
        for _ in range(count // 50):
            round_trip()
            hr.Grammar.json_schema({"const": 1}).check()

    several(20_000)
    before = resident()
    several(100_000)
    assert resident() - before < 4 << 20
