"""Measures an engine's backends for structured outputs on the same requests: hedgerow's, XGrammar's
and guidance's.

    python bindings/python/benches/engine_backends.py vllm|sglang TOKENIZER.JSON SCHEMAS.JSONL.GZ [COUNT]

Each request is a schema of MaskBench. A backend compiles it, and then walks along the tokens of the
schema's valid instances, as the engine's scheduler does: a mask, and a token that is accepted. Times
are those of the process, over all its threads, so that other work on the machine is not counted;
they are of the second of two such walks too, where masks may be known. A request is whole if it
compiles and takes every token of its valid instances. The order of the backends changes with every
request.
"""

from __future__ import annotations

import gzip
import importlib.metadata
import json
import logging
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
import transformers

INSTANCES = 2
LONGEST = 2000


class Request(NamedTuple):
    """A grammar of an engine for one output: what its scheduler calls."""

    fill: Callable[[], object]
    accept: Callable[[int], bool]


Start = Callable[[], Request]
"""Begins a request with a compiled schema."""

Compile = Callable[[str], Start]
"""Compiles a schema; raises if it is refused."""


def vllm_backends(tokenizer: Any) -> dict[str, Callable[[], Compile]]:
    """vLLM's backends, by name. Each is made by a call."""
    from hedgerow.vllm import Backend
    from vllm.config.structured_outputs import StructuredOutputsConfig
    from vllm.v1.structured_output.backend_guidance import GuidanceBackend
    from vllm.v1.structured_output.backend_types import StructuredOutputOptions
    from vllm.v1.structured_output.backend_xgrammar import XgrammarBackend

    size = len(tokenizer)
    model = SimpleNamespace(get_vocab_size=lambda: size, hf_config=SimpleNamespace(model_type="llama"))
    engine = SimpleNamespace(
        model_config=model,
        structured_outputs_config=StructuredOutputsConfig(),
        speculative_config=None,
        num_speculative_tokens=0,
    )

    def made(kind: Any) -> Compile:
        backend = kind(engine, tokenizer, size)
        bitmask = backend.allocate_token_bitmask(1)

        def compiled(schema: str) -> Start:
            grammar = backend.compile_grammar(StructuredOutputOptions.JSON, schema)

            def start() -> Request:
                grammar.reset()
                return Request(
                    lambda: grammar.fill_bitmask(bitmask, 0),
                    lambda token: bool(grammar.accept_tokens("", [token])),
                )

            return start

        return compiled

    kinds = {"hedgerow": Backend, "XGrammar": XgrammarBackend, "guidance": GuidanceBackend}
    return {name: lambda kind=kind: made(kind) for name, kind in kinds.items()}  # type: ignore[misc]


def sglang_backends(tokenizer: Any) -> dict[str, Callable[[], Compile]]:
    """SGLang's backends, by name. Each is made by a call."""
    from hedgerow import _plugins
    from sglang.srt.constrained import base_grammar_backend as base
    from sglang.srt.constrained.llguidance_backend import GuidanceBackend
    from sglang.srt.constrained.xgrammar_backend import XGrammarGrammarBackend

    _plugins.sglang()
    logging.disable(logging.ERROR)
    size, ends = len(tokenizer), [tokenizer.eos_token_id]

    def made(backend: Any) -> Compile:
        bitmask = torch.full((1, (size + 31) // 32), -1, dtype=torch.int32)

        def compiled(schema: str) -> Start:
            template = backend.dispatch_json(schema)
            if isinstance(template, base.InvalidGrammarObject):
                raise ValueError(template.error_message)

            def start() -> Request:
                grammar = template.copy()

                def accept(token: int) -> bool:
                    try:
                        grammar.accept_token(token)
                    except ValueError:
                        return False
                    return True

                return Request(lambda: grammar.fill_vocab_mask(bitmask, 0), accept)

            return start

        return compiled

    ours = base.GRAMMAR_BACKEND_REGISTRY["hedgerow"]
    return {
        "hedgerow": lambda: made(ours(SimpleNamespace(), tokenizer, size, set(ends))),
        "XGrammar": lambda: made(XGrammarGrammarBackend(tokenizer, size, model_eos_token_ids=ends)),
        "guidance": lambda: made(GuidanceBackend(tokenizer, n_vocab=size, eos_token_ids=ends)),
    }


ENGINES = {"vllm": vllm_backends, "sglang": sglang_backends}


def milliseconds(started: int) -> float:
    return (time.process_time_ns() - started) / 1e6


def walk(request: Request, tokens: list[int]) -> tuple[bool, list[float]]:
    """Whether all tokens are taken, and the time of each step."""
    times = []
    for token in tokens:
        started = time.process_time_ns()
        request.fill()
        is_taken = request.accept(token)
        times.append(milliseconds(started))
        if not is_taken:
            return False, times
    return True, times


def shown(times: list[float]) -> str:
    if not times:
        return "none"
    ordered = sorted(times)
    high = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return f"{statistics.median(ordered):.3f} | {statistics.fmean(ordered):.3f} | {high:.2f}"


def main() -> None:
    engine, tokenizer_file, schemas = sys.argv[1:4]
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=tokenizer_file, eos_token="<|eot_id|>")
    with gzip.open(schemas, "rt") as file:
        lines = file.readlines()
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 100
    cases = [json.loads(line) for line in lines[:: max(1, len(lines) // count)][:count]]
    backends = {}
    for name, make in ENGINES[engine](tokenizer).items():
        started = time.process_time_ns()
        backends[name] = make()
        print(f"{name}: start {milliseconds(started):.0f} ms")
    compiles: dict[str, list[float]] = defaultdict(list)
    steps: dict[tuple[str, int], list[float]] = defaultdict(list)
    wholes: dict[str, set[int]] = {name: set() for name in backends}
    refused: dict[str, int] = dict.fromkeys(backends, 0)
    for number, case in enumerate(cases):
        texts = [test["text"] for test in case["tests"] if test["valid"]][:INSTANCES]
        rows = [tokenizer.encode(text, add_special_tokens=False)[:LONGEST] for text in texts]
        names = list(backends)
        for name in names[number % 3 :] + names[: number % 3]:
            started = time.process_time_ns()
            try:
                start = backends[name](case["schema"])
            except Exception:
                refused[name] += 1
                continue
            compiles[name].append(milliseconds(started))
            is_whole = True
            for turn in range(2):
                for tokens in rows:
                    taken, times = walk(start(), tokens)
                    steps[name, turn] += times
                    is_whole = is_whole and taken
            if is_whole:
                wholes[name].add(number)
    version = importlib.metadata.version(engine)
    said = f"{engine} {version}, {len(tokenizer)} tokens, {len(cases)} requests"
    print(f"{said}; milliseconds of the process")
    print(
        "| | refused | whole | compile: median | mean | p99 | step: median | mean | p99 | again | mean | p99 |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for name in backends:
        figures = " | ".join(shown(times) for times in (compiles[name], steps[name, 0], steps[name, 1]))
        print(f"| {name} | {refused[name]} | {len(wholes[name])} | {figures} |")


if __name__ == "__main__":
    main()
