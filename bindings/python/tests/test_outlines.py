"""Outlines: its generators, with transformers and llama-cpp-python under them."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

import hedgerow as hr
import pytest

torch = pytest.importorskip("torch")
outlines = pytest.importorskip("outlines")
transformers = pytest.importorskip("transformers")
pydantic = pytest.importorskip("pydantic")
from engine_tokenizer import byte_tokenizer  # noqa: E402
from hedgerow import outlines as ours  # noqa: E402
from outlines.types import CFG, JsonSchema, Regex  # noqa: E402

SCHEMA = {"type": "object", "properties": {"a": {"enum": [1, 23]}}, "required": ["a"]}


class Person(pydantic.BaseModel, extra="forbid"):
    name: str = pydantic.Field(max_length=5)
    age: int = pydantic.Field(ge=0, le=150)


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(3)
    tokenizer = byte_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "eos_token_id": tokenizer.eos_token_id}
    config = transformers.LlamaConfig(vocab_size=len(tokenizer) + 6, **sizes, **heads)
    return outlines.from_transformers(transformers.LlamaForCausalLM(config).eval(), tokenizer)


@pytest.mark.parametrize(
    ("asked", "is_valid"),
    [
        (Literal["yes", "no"], lambda text: text in ("yes", "no")),
        (Regex("[ab]{3}-[0-9]"), lambda text: re.fullmatch("[ab]{3}-[0-9]", text)),
        (JsonSchema(json.dumps(SCHEMA), whitespace_pattern=" ?"), lambda text: "a" in json.loads(text)),
        (CFG('start: "x" ("y" | "z")~2'), lambda text: re.fullmatch("x[yz]{2}", text)),
        (CFG('root ::= "x" [yz] "!"'), lambda text: re.fullmatch("x[yz]!", text)),
        (hr.Grammar.json_schema(Person, whitespace="compact"), Person.model_validate_json),
    ],
)
def test_output_types(asked: Any, is_valid: Any, model: Any) -> None:
    generate = ours.generator(model, asked)
    for _ in range(2):
        assert is_valid(generate("Hello", max_new_tokens=80))
    for text in generate.batch(["Hello", "Bye now"], max_new_tokens=80):
        assert is_valid(text)


def test_grammars(bytes_vocabulary: hr.Vocabulary, model: Any) -> None:
    read = ours.grammar(Person)
    assert read.kind == "json_schema" and hr.compile(read, bytes_vocabulary).accepts(
        '{"name": "Ada", "age": 3}'
    )
    # A constraint is made once, and shared.
    constraint = hr.compile(hr.Grammar.choice(["a"]), ours.processor(model, read).constraints[0].vocabulary)
    assert ours.processor(model, constraint).constraints == [constraint]
    with pytest.raises(TypeError, match="no model whose logits are here"):
        ours.processor(object(), Person)
