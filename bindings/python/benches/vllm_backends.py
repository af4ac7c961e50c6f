"""Measures vLLM's backends for structured outputs on the same requests: hedgerow's, XGrammar's and
guidance's.

    python bindings/python/benches/vllm_backends.py TOKENIZER.JSON SCHEMAS.JSONL.GZ [COUNT]

Each request is a schema of MaskBench. A backend compiles it, and then walks along the tokens of the
schema's valid instances, as vLLM's scheduler does: a mask, and a token that is accepted. Times are
those of the process, over all its threads, so that other work on the machine is not counted; they
are of the second of two such walks too, where masks may be known. A request is whole if it compiles
and takes every token of its valid instances. The order of the backends changes with every request.
"""

from __future__ import annotations

import gzip
import json
import statistics
import sys
import time
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import torch
import transformers
import vllm
from hedgerow.vllm import Backend as Hedgerow
from vllm.config.structured_outputs import StructuredOutputsConfig
from vllm.v1.structured_output.backend_guidance import GuidanceBackend
from vllm.v1.structured_output.backend_types import StructuredOutputOptions
from vllm.v1.structured_output.backend_xgrammar import XgrammarBackend

BACKENDS = {"hedgerow": Hedgerow, "xgrammar": XgrammarBackend, "guidance": GuidanceBackend}
INSTANCES = 2
LONGEST = 2000


def engine(size: int) -> Any:
    """The configuration of an engine, as far as backends ask for it."""
    model = SimpleNamespace(get_vocab_size=lambda: size, hf_config=SimpleNamespace(model_type="llama"))
    return SimpleNamespace(
        model_config=model,
        structured_outputs_config=StructuredOutputsConfig(),
        speculative_config=None,
        num_speculative_tokens=0,
    )


def milliseconds(started: int) -> float:
    return (time.process_time_ns() - started) / 1e6


def walk(grammar: Any, tokens: list[int], bitmask: torch.Tensor) -> tuple[bool, list[float]]:
    """Whether all tokens are taken, and the time of each step."""
    times = []
    for token in tokens:
        started = time.process_time_ns()
        grammar.fill_bitmask(bitmask, 0)
        is_taken = grammar.accept_tokens("", [token])
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
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=sys.argv[1], eos_token="<|eot_id|>")
    size = len(tokenizer)
    with gzip.open(sys.argv[2], "rt") as file:
        lines = file.readlines()
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    cases = [json.loads(line) for line in lines[:: max(1, len(lines) // count)][:count]]
    backends, masks = {}, {}
    for name, kind in BACKENDS.items():
        started = time.process_time_ns()
        backends[name] = kind(engine(size), tokenizer, size)
        masks[name] = backends[name].allocate_token_bitmask(1)
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
                grammar = backends[name].compile_grammar(StructuredOutputOptions.JSON, case["schema"])
            except Exception:
                refused[name] += 1
                continue
            compiles[name].append(milliseconds(started))
            is_whole = True
            for turn in range(2):
                for tokens in rows:
                    taken, times = walk(grammar, tokens, masks[name])
                    steps[name, turn] += times
                    is_whole = is_whole and taken
                    grammar.reset()
            if is_whole:
                wholes[name].add(number)
    print(f"vLLM {vllm.__version__}, {size} tokens, {len(cases)} requests; milliseconds of the process")
    print(
        "| | refused | whole | compile: median | mean | p99 | step: median | mean | p99 | again | mean | p99 |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for name in backends:
        figures = " | ".join(shown(times) for times in (compiles[name], steps[name, 0], steps[name, 1]))
        print(f"| {name} | {refused[name]} | {len(wholes[name])} | {figures} |")


if __name__ == "__main__":
    main()
