"""Measures what Python adds to a call: masks that are known, alone and in a batch, and a walk.

python bindings/python/benches/overhead.py TOKENIZER.JSON
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import hedgerow as hr

ROWS = 64


def nanoseconds(call: Callable[[], Any], times: int) -> float:
    """Nanoseconds of a call, the least of many rounds. A round is short, so that on a shared machine
    some of them run without a pause.
    """
    rounds = []
    for _ in range(200):
        started = time.perf_counter_ns()
        for _ in range(times):
            call()
        rounds.append((time.perf_counter_ns() - started) / times)
    return min(rounds)


def main() -> None:
    vocabulary = hr.Vocabulary.from_tokenizer(sys.argv[1])
    schema = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}
    constraint = hr.compile(schema, vocabulary)
    matchers = [constraint.matcher() for _ in range(ROWS)]
    for matcher in matchers:
        matcher.advance_bytes('{"name": "Ad')
    one, many = vocabulary.mask_buffer(), vocabulary.mask_buffer(ROWS)
    outs: dict[str, Any] = {"memoryview": one}
    try:
        import numpy as np

        outs["NumPy"] = np.zeros((1, vocabulary.mask_words), dtype=np.int32)
    except ImportError:
        pass
    try:
        import hedgerow.torch as masks

        outs["torch, by DLPack"] = masks.allocate_token_bitmask(1, vocabulary.size)
    except ImportError:
        masks = None
    first = matchers[0]
    print(f"{vocabulary.size} tokens, a mask of {4 * vocabulary.mask_words} bytes")
    other = vocabulary.mask_buffer()

    def copy() -> None:
        one[:] = other

    print(f"a copy of as many bytes, by Python: {nanoseconds(copy, 500):.0f} ns")
    batch = nanoseconds(lambda: hr.fill_masks(matchers, many), 4)
    print(f"fill_masks, {ROWS} rows: {batch:.0f} ns, {batch / ROWS:.0f} ns a row")
    for name, out in outs.items():
        alone = nanoseconds(lambda out=out: first.fill_mask(out), 500)
        print(f"fill_mask, {name}: {alone:.0f} ns")
    if masks is not None:
        out = outs["torch, by DLPack"]
        alone = nanoseconds(lambda: masks.fill_next_token_bitmask(first, out), 100)
        print(f"hedgerow.torch.fill_next_token_bitmask: {alone:.0f} ns")
    print(f"is_accepting: {nanoseconds(lambda: first.is_accepting, 500):.0f} ns")
    [token] = vocabulary.greedy_tokenize("a")

    def step() -> None:
        first.advance(token)
        first.rollback()

    print(f"advance and rollback: {nanoseconds(step, 100):.0f} ns")


if __name__ == "__main__":
    main()
