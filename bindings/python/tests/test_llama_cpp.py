"""The processor for llama-cpp-python in that package, with a real model.

`make libllama` makes the package, beside llama.cpp's library.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import hedgerow as hr
import pytest
from conftest import ROOT
from hedgerow.llama_cpp import LogitsProcessor, vocabulary

PACKAGE = ROOT / ".deps" / "libllama" / "python"
MODEL = ROOT / ".deps/models/smollm2-135m-instruct-q4_1/SmolLM2-135M-Instruct.Q4_1.gguf"
PERSON = json.loads((ROOT / "examples" / "data" / "person.schema.json").read_text())
PROMPT = "<|im_start|>user\nDescribe Ada, who is 36 and likes tea.<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def llama() -> Iterator[Any]:
    """The demo model in llama-cpp-python."""
    if not PACKAGE.is_dir():
        pytest.skip(f"no llama-cpp-python at {PACKAGE}; `make libllama` makes it")
    if not MODEL.is_file():
        pytest.skip(f"no model at {MODEL}; `make setup` fetches it")
    sys.path.insert(0, str(PACKAGE))
    llama_cpp = pytest.importorskip("llama_cpp")
    model = llama_cpp.Llama(str(MODEL), n_ctx=512, n_threads=1, seed=1, verbose=False)
    yield model
    model.close()
    sys.path.remove(str(PACKAGE))


def complete(llama: Any, processor: LogitsProcessor | None, **options: Any) -> dict[str, Any]:
    """The first choice of a completion."""
    from llama_cpp import LogitsProcessorList

    processors = None if processor is None else LogitsProcessorList([processor])
    options = {"max_tokens": 200, "temperature": 0.0, **options}
    [choice] = llama.create_completion(PROMPT, logits_processor=processors, **options)["choices"]
    return choice


def test_vocabularies_agree(llama: Any) -> None:
    ours = vocabulary(llama)
    assert ours.size == llama.n_vocab()
    assert llama.token_eos() in ours.eos
    text = '{"name": "Ada Lovelace", "naïve": [1, 2.5e3, "☕"]}'
    tokens = llama.tokenize(text.encode(), add_bos=False)
    assert b"".join(ours.bytes(token) for token in tokens).decode() == text


def test_completions_satisfy_the_schema(llama: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    # A small model otherwise spends its tokens on blanks.
    grammar = hr.Grammar.json_schema(PERSON, whitespace="compact")
    constraint = hr.compile(grammar, vocabulary(llama))
    # One processor serves all completions, one after the other.
    processor = LogitsProcessor(constraint)
    texts = set()
    for temperature, seed in [(0.0, 1), (0.0, 2), (1.0, 3), (1.0, 4), (1.5, 5)]:
        choice = complete(llama, processor, temperature=temperature, seed=seed)
        assert choice["finish_reason"] == "stop", choice
        jsonschema.validate(json.loads(choice["text"]), PERSON)
        texts.add(choice["text"])
    assert len(texts) >= 3, "the same text, greedy, then others"


def test_penalties_and_cuts_may_follow(llama: Any) -> None:
    constraint = hr.compile(hr.Grammar.choice(["yes", "no", "perhaps"]), vocabulary(llama))
    for options in (
        {"top_k": 1},
        {"top_p": 0.1, "temperature": 1.0},
        {"repeat_penalty": 1.5},
        {"min_p": 0.5},
    ):
        choice = complete(llama, LogitsProcessor(constraint), **options)
        assert choice["text"] in {"yes", "no", "perhaps"}, options


def test_nothing_changes_where_everything_is_allowed(llama: Any) -> None:
    constraint = hr.compile(hr.Grammar.regex("[^]*"), vocabulary(llama))
    free = complete(llama, None, max_tokens=20)["text"]
    assert complete(llama, LogitsProcessor(constraint), max_tokens=20)["text"] == free


def test_streams_and_chats(llama: Any) -> None:
    from llama_cpp import LogitsProcessorList

    constraint = hr.compile(
        {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3}, vocabulary(llama)
    )
    processors = LogitsProcessorList([LogitsProcessor(constraint)])
    pieces = llama.create_completion(PROMPT, logits_processor=processors, max_tokens=50, stream=True)
    assert isinstance(json.loads("".join(piece["choices"][0]["text"] for piece in pieces)), list)
    messages = [{"role": "user", "content": "Write a list."}]
    answer = llama.create_chat_completion(messages, logits_processor=processors, max_tokens=50)
    assert isinstance(json.loads(answer["choices"][0]["message"]["content"]), list)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_failure_ends_the_output(llama: Any) -> None:
    failures = []

    class Failing(LogitsProcessor):
        def _allowed(self, tokens: list[int]) -> Any:
            if len(tokens) > len(llama.tokenize(PROMPT.encode(), special=True)) + 4:
                failures.append(len(tokens))
                raise hr.Cancelled("enough")
            return super()._allowed(tokens)

    choice = complete(llama, Failing(hr.compile(PERSON, vocabulary(llama))))
    assert len(failures) == 1 and choice["finish_reason"] == "stop" and len(choice["text"]) < 40
