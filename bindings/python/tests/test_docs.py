"""Programs of the documentation run as they stand, those of a page one after the other.

A page may say what it takes for granted: files of a model, a server's engine. `PAGES` has a
function for each block, which makes that; a block without the packages that it needs is skipped, by
their name.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import ROOT

TOKENIZER = ROOT / "examples" / "data" / "tiny.tokenizer.json"
Names = dict[str, Any]
Given = Callable[[pytest.MonkeyPatch, Path, Names], None]
FILES = {
    "the repository's README.md": ROOT / "README.md",
    "README.md": Path(__file__).parents[1] / "README.md",
    "python.md": ROOT / "docs" / "python.md",
    "engines.md": ROOT / "docs" / "engines.md",
}


def blocks(page: str) -> list[str]:
    """The Python programs of a page."""
    return [part.split("```", 1)[0] for part in FILES[page].read_text().split("```python\n")[1:]]


def nothing(patch: pytest.MonkeyPatch, folder: Path, names: Names) -> None:
    pass


def a_path(patch: pytest.MonkeyPatch, folder: Path, names: Names) -> None:
    """The block reads a file below the current folder, and has a model of pydantic."""
    pytest.importorskip("pydantic")
    (folder / "models" / "llama-3.1").mkdir(parents=True)
    (folder / "models" / "llama-3.1" / "tokenizer.json").symlink_to(TOKENIZER)
    patch.chdir(folder)


def pydantic(patch: pytest.MonkeyPatch, folder: Path, names: Names) -> None:
    pytest.importorskip("pydantic")


def tensors(patch: pytest.MonkeyPatch, folder: Path, names: Names) -> None:
    pytest.importorskip("torch")


def a_model(patch: pytest.MonkeyPatch, folder: Path, names: Names) -> None:
    """transformers gives a tiny random model, whatever its name is."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from engine_tokenizer import byte_tokenizer

    torch.manual_seed(3)
    tokenizer = byte_tokenizer()
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "eos_token_id": tokenizer.eos_token_id}
    config = transformers.LlamaConfig(vocab_size=len(tokenizer) + 6, **sizes, **heads)
    model = transformers.LlamaForCausalLM(config).eval()
    patch.setattr(transformers.AutoTokenizer, "from_pretrained", lambda name: tokenizer)
    patch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", lambda name: model)


def a_model_in_outlines(patch: pytest.MonkeyPatch, folder: Path, names: Names) -> None:
    pytest.importorskip("outlines")
    a_model(patch, folder, names)


def vllm(patch: pytest.MonkeyPatch, folder: Path, names: Names) -> None:
    """The engine itself needs a GPU. One that draws the least token stands in its place, and asks the
    logits processor as it does.
    """
    pytest.importorskip("torch")
    module = pytest.importorskip("vllm")
    pytest.importorskip("vllm.tokenizers")
    import torch
    import vllm.tokenizers
    from engine_tokenizer import byte_tokenizer

    tokenizer = byte_tokenizer()
    patch.setattr(vllm.tokenizers, "cached_tokenizer_from_config", lambda **_: tokenizer)
    model_config = SimpleNamespace(get_vocab_size=lambda: len(tokenizer))
    config = SimpleNamespace(model_config=model_config, speculative_config=None)

    class LLM:
        def __init__(self, model: str, *, logits_processors: list[str]) -> None:
            [path] = logits_processors
            name, _, member = path.partition(":")
            kind = getattr(__import__(name, fromlist=[member]), member)
            self.processor = kind(config, torch.device("cpu"), False)

        def generate(self, prompt: str, params: Any) -> list[Any]:
            self.processor.validate_params(params)
            process = self.processor.new_req_logits_processor(params)
            output: list[int] = []
            while len(output) < params.max_tokens:
                token = int(process(output, torch.zeros(len(tokenizer))).argmax())
                if token == tokenizer.eos_token_id:
                    break
                output.append(token)
            return [SimpleNamespace(outputs=[SimpleNamespace(text=tokenizer.decode(output))])]

    patch.setattr(module, "LLM", LLM, raising=False)


def llama_cpp(patch: pytest.MonkeyPatch, folder: Path, names: Names) -> None:
    package = ROOT / ".deps" / "libllama" / "python"
    model = ROOT / ".deps/models/smollm2-135m-instruct-q4_1/SmolLM2-135M-Instruct.Q4_1.gguf"
    if not (package.is_dir() and model.is_file()):
        pytest.skip("no llama-cpp-python with a model; `make libllama` and `make setup` make them")
    patch.syspath_prepend(str(package))
    pytest.importorskip("llama_cpp")
    (folder / "model.gguf").symlink_to(model)
    patch.chdir(folder)


def in_xgrammars_place(patch: pytest.MonkeyPatch, folder: Path, names: Names) -> None:
    """The block gives other modules XGrammar's names, which are put back."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from hedgerow.compat.xgrammar import PARTS

    loaded = [name for name in sys.modules if name.partition(".")[0] == "xgrammar"]
    for name in {*loaded, "xgrammar", *(f"xgrammar.{part}" for part in PARTS)}:
        patch.setitem(sys.modules, name, sys.modules.get(name))
        del sys.modules[name]


PAGES: dict[str, list[Given]] = {
    "the repository's README.md": [nothing],
    "README.md": [nothing, a_path, a_model],
    "python.md": [a_path, nothing, nothing, tensors, nothing, nothing, a_model],
    "engines.md": [pydantic, vllm, llama_cpp, a_model_in_outlines, in_xgrammars_place],
}
BEGINNINGS = {"the repository's README.md": [], "README.md": [0, 1], "python.md": [0], "engines.md": [0]}
"""The blocks of a page that the others go on from."""
PRINTED = {("README.md", 2), ("python.md", 6), *(("engines.md", at) for at in (1, 2, 3))}
"""The blocks that print a whole output."""


@pytest.mark.parametrize("page, number", [(page, at) for page in PAGES for at in range(len(PAGES[page]))])
def test_blocks_run(
    page: str,
    number: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names: Names = {}
    for at in [*(one for one in BEGINNINGS[page] if one < number), number]:
        PAGES[page][at](monkeypatch, tmp_path, names)
        exec(compile(blocks(page)[at], f"{page}, block {at}", "exec"), names)
    if (page, number) in PRINTED:
        said = capsys.readouterr().out.splitlines()[-1]
        assert "age" in said and ("name" in said), said
    if (page, number) == ("python.md", 1):
        assert json.loads(capsys.readouterr().out) == {"city": "Oslo"}


def test_all_blocks_are_known() -> None:
    assert {page: len(blocks(page)) for page in FILES} == {page: len(PAGES[page]) for page in PAGES}
    assert len(blocks("README.md")[0].splitlines()) <= 10


def test_the_example_prints_the_same_as_in_other_languages() -> None:
    examples = ROOT / "examples"
    data = examples / "data"
    command = [sys.executable, examples / "mask_logits.py"]
    command += [data / "tiny.tokenizer.json", data / "recipe.schema.json"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed == (data / "mask_logits.expected").read_text()
