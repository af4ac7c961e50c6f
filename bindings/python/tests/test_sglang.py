"""SGLang: its own registry, cache and masks with this backend in them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sglang")
base = pytest.importorskip("sglang.srt.constrained.base_grammar_backend")
from engine_tokenizer import byte_tokenizer  # noqa: E402
from hedgerow import _plugins  # noqa: E402
from hedgerow import sglang as ours  # noqa: E402

SCHEMA = json.dumps({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
LEGACY = json.dumps(
    {
        "type": "structural_tag",
        "structures": [{"begin": "<f>", "schema": json.loads(SCHEMA), "end": "</f>"}],
        "triggers": ["<f>"],
    }
)
REQUESTS = [
    (("json", SCHEMA), '{"a": 12}', "["),
    (("json", "$$ANY$$"), "[1, null]", "x"),
    (("structural_tag", LEGACY), 'x<f>{"a": 1}</f>', None),
    (("regex", "[ab]+c"), "abac", "c"),
    (("ebnf", 'root ::= "x" root | "y"'), "xxy", "z"),
    (("full_assistant_ebnf", 'root ::= "x"'), "x", "y"),
]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return byte_tokenizer()


@pytest.fixture
def backend(tokenizer: Any) -> Any:
    _plugins.sglang()
    _plugins.sglang()
    made = base.GRAMMAR_BACKEND_REGISTRY["hedgerow"](
        SimpleNamespace(), tokenizer, len(tokenizer) + 30, {tokenizer.eos_token_id}
    )
    assert isinstance(made, ours.Backend)
    return made


def test_the_command_line_knows_it() -> None:
    _plugins.sglang()
    from sglang.srt.server_args import GRAMMAR_BACKEND_CHOICES

    assert GRAMMAR_BACKEND_CHOICES.count("hedgerow") == 1


def tokens_of(row: Any) -> set[int]:
    return {32 * at + bit for at, word in enumerate(row.tolist()) for bit in range(32) if word >> bit & 1}


@pytest.mark.parametrize(("key", "good", "bad"), REQUESTS)
def test_requests(key: tuple[str, str], good: str, bad: str | None, backend: Any, tokenizer: Any) -> None:
    value, hit = backend.get_cached_or_future_value(key, False)
    assert not hit
    template = value.result(60)
    backend.set_cache(key, template)
    grammar, hit = backend.get_cached_or_future_value(key, False)
    assert hit and grammar is not template
    size, end = len(tokenizer) + 30, tokenizer.eos_token_id
    mask = grammar.allocate_vocab_mask(size, 2, "cpu")
    ids = tokenizer.encode(good, add_special_tokens=False)
    for token in ids:
        grammar.fill_vocab_mask_batched([base.GrammarRow(1, grammar)], mask)
        assert tokens_of(mask[1]) == set(grammar.request.matcher.allowed_tokens()) and (mask[0] == -1).all()
        logits = torch.zeros(2, size)
        base.GrammarMask(grammar, grammar.move_vocab_mask(mask, "cpu")).apply(logits)
        assert {at for at, logit in enumerate(logits[1].tolist()) if logit == 0} == tokens_of(mask[1])
        grammar.accept_token(token)
        assert not grammar.is_terminated() and not grammar.finished
    grammar.accept_token(end)
    assert grammar.is_terminated() and grammar.finished
    grammar.accept_token(end)
    grammar.rollback(2)
    assert not grammar.finished and template.request.matcher.output_len == 0
    grammar.rollback(len(ids))
    if bad is not None:
        [wrong] = tokenizer.encode(bad, add_special_tokens=False)
        with pytest.raises(ValueError, match="not allowed"):
            grammar.accept_token(wrong)
    grammar.reset_vocab_mask(mask)
    assert (mask == -1).all()


@pytest.mark.parametrize("key", [("json", "{"), ("regex", "["), ("ebnf", "root ="), ("structural_tag", "{}")])
def test_bad_requests(key: tuple[str, str], backend: Any) -> None:
    found = backend.get_cached_or_future_value(key, False)[0].result(60)
    assert isinstance(found, base.InvalidGrammarObject) and found.error_message


def test_jumps(backend: Any, tokenizer: Any) -> None:
    grammar = backend.dispatch_regex("abc[de]")
    ids = tokenizer.encode("abc", add_special_tokens=False)
    assert grammar.try_jump_forward(tokenizer) == (ids, "")
    assert grammar.jump_forward_str_state((ids, "")) == ("", -1)
    grammar.accept_token(ids[0])
    grammar.jump_and_retokenize(ids[:1], ids, -1)
    assert grammar.request.matcher.output_len == 3 and grammar.try_jump_forward(tokenizer) is None


def test_reasoning(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wrapper = pytest.importorskip("sglang.srt.constrained.reasoner_grammar_backend")
    settings = {"reasoning_parser": "deepseek-r1"}
    monkeypatch.setattr(ours, "_setting", lambda _, name: settings.get(name))
    made = ours.create(SimpleNamespace(), tokenizer, len(tokenizer), {tokenizer.eos_token_id})
    assert isinstance(made, wrapper.ReasonerGrammarBackend) and isinstance(made.grammar_backend, ours.Backend)
