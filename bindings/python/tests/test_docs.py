"""Programs of the documentation run as they stand.

A block may use names that the text around it gives: `tokenizer`, `model`, `schema`. `GIVEN` makes
them, by file and number of the block, and skips a block by the name of a package that it lacks.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hedgerow as hr
import pytest
from conftest import ROOT

TOKENIZER = ROOT / "examples" / "data" / "tiny.tokenizer.json"
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
Names = dict[str, Any]
PAGES = {
    "README.md": Path(__file__).parents[1] / "README.md",
    "python.md": ROOT / "docs" / "python.md",
    "engines.md": ROOT / "docs" / "engines.md",
}


def blocks(page: str) -> list[str]:
    """The Python programs of a page."""
    return [part.split("```", 1)[0] for part in PAGES[page].read_text().split("```python\n")[1:]]


def nothing(patch: pytest.MonkeyPatch, folder: Path) -> Names:
    return {}


def a_tokenizer(patch: pytest.MonkeyPatch, folder: Path) -> Names:
    pytest.importorskip("pydantic")
    tokenizers = pytest.importorskip("tokenizers")
    return {"hr": hr, "tokenizer": tokenizers.Tokenizer.from_file(str(TOKENIZER))}


def a_path(patch: pytest.MonkeyPatch, folder: Path) -> Names:
    """The block reads a file below the current folder."""
    (folder / "models" / "llama-3.1").mkdir(parents=True)
    (folder / "models" / "llama-3.1" / "tokenizer.json").symlink_to(TOKENIZER)
    patch.chdir(folder)
    return {}


def tensors(patch: pytest.MonkeyPatch, folder: Path) -> Names:
    torch = pytest.importorskip("torch")
    vocabulary = hr.Vocabulary.from_tokenizer(TOKENIZER)
    matcher = hr.compile(SCHEMA, vocabulary).matcher()
    logits = torch.zeros(2, vocabulary.size)
    return {"vocabulary": vocabulary, "matcher": matcher, "logits": logits, "batch_size": 2, "row": 1}


def an_output(patch: pytest.MonkeyPatch, folder: Path) -> Names:
    vocabulary = hr.Vocabulary.from_tokenizer(TOKENIZER)
    constraint = hr.compile(SCHEMA, vocabulary)
    output = vocabulary.greedy_tokenize('{"age": 3}')
    return {"constraint": constraint, "output": output, "send": print}


def a_machine(patch: pytest.MonkeyPatch, folder: Path) -> Names:
    vocabulary = hr.Vocabulary.from_tokenizer(TOKENIZER)
    constraint = hr.compile(hr.Grammar.choice(["yes", "no"]), vocabulary)
    token = constraint.matcher().allowed_tokens()[0]
    return {"hr": hr, "constraint": constraint, "token": token, "mask": vocabulary.mask_buffer()}


def a_model(patch: pytest.MonkeyPatch, folder: Path) -> Names:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from engine_tokenizer import byte_tokenizer

    tokenizer = byte_tokenizer()
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "eos_token_id": tokenizer.eos_token_id}
    config = transformers.LlamaConfig(vocab_size=len(tokenizer), **sizes, **heads)
    model = transformers.LlamaForCausalLM(config).eval()
    inputs = {"input_ids": torch.tensor([[5, 6, 7]])}
    return {"hr": hr, "tokenizer": tokenizer, "model": model, "inputs": inputs, "Person": SCHEMA}


def vllm(patch: pytest.MonkeyPatch, folder: Path) -> Names:
    """The engine itself needs a GPU; its arguments are judged."""
    module = pytest.importorskip("vllm")

    class LLM:
        def __init__(self, model: str, *, logits_processors: list[str]) -> None:
            [path] = logits_processors
            name, _, member = path.partition(":")
            processor = getattr(__import__(name, fromlist=[member]), member)
            processor.validate_params(module.SamplingParams(extra_args={"hedgerow": {"json": SCHEMA}}))

    patch.setattr(module, "LLM", LLM, raising=False)
    return {"schema": SCHEMA}


def llama_cpp(patch: pytest.MonkeyPatch, folder: Path) -> Names:
    package = ROOT / ".deps" / "libllama" / "python"
    model = ROOT / ".deps/models/smollm2-135m-instruct-q4_1/SmolLM2-135M-Instruct.Q4_1.gguf"
    if not (package.is_dir() and model.is_file()):
        pytest.skip("no llama-cpp-python with a model; `make libllama` and `make setup` make them")
    patch.syspath_prepend(str(package))
    pytest.importorskip("llama_cpp")
    (folder / "model.gguf").symlink_to(model)
    patch.chdir(folder)
    return {"Person": SCHEMA}


def in_xgrammars_place(patch: pytest.MonkeyPatch, folder: Path) -> Names:
    """The block gives other modules XGrammar's names, which are put back."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from hedgerow.compat.xgrammar import PARTS

    loaded = [name for name in sys.modules if name.partition(".")[0] == "xgrammar"]
    for name in {*loaded, "xgrammar", *(f"xgrammar.{part}" for part in PARTS)}:
        patch.setitem(sys.modules, name, sys.modules.get(name))
        del sys.modules[name]
    return {}


GIVEN: dict[str, list[Callable[[pytest.MonkeyPatch, Path], Names]]] = {
    "README.md": [nothing, a_tokenizer, a_model],
    "python.md": [a_path, an_output, a_machine, tensors, a_model],
    "engines.md": [vllm, llama_cpp, in_xgrammars_place],
}


@pytest.mark.parametrize("page, number", [(page, at) for page in GIVEN for at in range(len(GIVEN[page]))])
def test_blocks_run(page: str, number: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = GIVEN[page][number](monkeypatch, tmp_path)
    exec(compile(blocks(page)[number], f"{page}, block {number}", "exec"), names)


def test_all_blocks_are_known() -> None:
    assert {page: len(blocks(page)) for page in PAGES} == {page: len(GIVEN[page]) for page in GIVEN}
    assert len(blocks("README.md")[0].splitlines()) <= 10


def test_the_example_prints_the_same_as_in_other_languages() -> None:
    examples = ROOT / "examples"
    data = examples / "data"
    command = [sys.executable, examples / "mask_logits.py"]
    command += [data / "tiny.tokenizer.json", data / "recipe.schema.json"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed == (data / "mask_logits.expected").read_text()
