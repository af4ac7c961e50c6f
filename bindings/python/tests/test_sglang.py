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


def serve(monkeypatch: pytest.MonkeyPatch, tokenizer: Any, **settings: Any) -> Any:
    """The backend that a server with these settings makes."""
    from sglang.srt import runtime_context

    _plugins.sglang()
    serving = SimpleNamespace(**{"reasoning_parser": None, "enable_strict_thinking": False, **settings})
    monkeypatch.setattr(runtime_context, "get_serving", lambda: serving)
    kernel = SimpleNamespace(kernel=SimpleNamespace(grammar_backend="hedgerow"))
    monkeypatch.setattr(base, "get_exec", lambda: kernel)
    ends = {tokenizer.eos_token_id}
    return base.create_grammar_backend(SimpleNamespace(), tokenizer, len(tokenizer) + 30, ends, [0])


def start(backend: Any, key: tuple[str, str]) -> Any:
    """A request's grammar, as SGLang's scheduler asks for it where the model reasons first."""
    value, hit = backend.get_cached_or_future_value(key, True)
    assert not hit
    backend.set_cache(key, value.result(60))
    grammar, hit = backend.get_cached_or_future_value(key, True)
    assert hit
    return grammar


def masked(grammar: Any, tokenizer: Any) -> set[int]:
    """The tokens that a request allows."""
    mask = grammar.allocate_vocab_mask(len(tokenizer) + 30, 1, "cpu")
    grammar.fill_vocab_mask(mask, 0)
    logits = torch.zeros(1, len(tokenizer) + 30)
    base.GrammarMask(grammar, grammar.move_vocab_mask(mask, "cpu")).apply(logits)
    allowed = {at for at, logit in enumerate(logits[0].tolist()) if logit == 0}
    assert allowed == {token for token in tokens_of(mask[0]) if token < logits.shape[1]}
    return allowed


def test_reasoning(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wrapper = pytest.importorskip("sglang.srt.constrained.reasoner_grammar_backend")
    made = serve(monkeypatch, tokenizer, reasoning_parser="deepseek-r1")
    assert isinstance(made, wrapper.ReasonerGrammarBackend) and isinstance(made.grammar_backend, ours.Backend)
    grammar = start(made, ("regex", "[ab]+c"))
    free = set(range(len(tokenizer) + 30))
    a, b, c = tokenizer.encode("abc", add_special_tokens=False)
    for token in tokenizer.encode("I think</think>", add_special_tokens=False):
        # While the model thinks, every token may come.
        assert masked(grammar, tokenizer) == free
        grammar.accept_token(token)
    for token in (a, b, c):
        assert masked(grammar, tokenizer) == ({a, b} if token == a else {a, b, c})
        grammar.accept_token(token)
    assert masked(grammar, tokenizer) == {tokenizer.eos_token_id}
    grammar.rollback(2)
    assert masked(grammar, tokenizer) == {a, b, c}
    # Back into the thinking, and out of it again.
    grammar.rollback(2)
    assert masked(grammar, tokenizer) == free
    grammar.accept_token(tokenizer.encode(">", add_special_tokens=False)[0])
    assert masked(grammar, tokenizer) == {a, b}
    assert isinstance(start(made, ("regex", "[")), base.InvalidGrammarObject)


def test_strict_thinking(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sglang.srt.constrained.reasoner_grammar_backend")
    monkeypatch.setenv("SGLANG_MAX_THINK_TOKENS", "2")
    made = serve(monkeypatch, tokenizer, reasoning_parser="deepseek-r1", enable_strict_thinking=True)
    grammar = start(made, ("regex", "a"))
    a, *end = tokenizer.encode("a</think>", add_special_tokens=False)
    for _ in range(2):
        assert a in masked(grammar, tokenizer)
        grammar.accept_token(a)
    # Enough of thinking: its end must come.
    for token in end:
        assert masked(grammar, tokenizer) == {token}
        grammar.accept_token(token)
    assert masked(grammar, tokenizer) == {a}
    assert made.init_strict_reasoning_grammar(True).allocate_vocab_mask(9, 1, "cpu").shape == (1, 9)


@pytest.mark.parametrize(
    ("tokens", "is_allowed", "reset", "expected"),
    [
        ([1, 33], True, True, [2, 2, 0]),
        ([1, 31], False, True, [0x7FFFFFFD, -1, -1]),
        ([0, 31, 64], True, False, [-0x7FFFFFF9, 6, 7]),
        ([1, 34, 65], False, False, [4, 2, 4]),
        ([], False, False, [6, 6, 6]),
    ],
)
def test_token_filters(tokens: list[int], is_allowed: bool, reset: bool, expected: list[int]) -> None:
    mask = torch.tensor([[9, 9, 9], [6, 6, 6]], dtype=torch.int32)
    ours.set_token_filter(mask, tokens, 1, is_allowed, reset_vocab_mask=reset)
    assert mask.tolist() == [[9, 9, 9], expected]


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        (("json", SCHEMA), '{"a": 1}', "[1"),
        (("regex", "[ab]+"), "ab", "c"),
        (("ebnf", 'root ::= "x"+'), "xx", "y"),
    ],
)
def test_framed_grammars(key: tuple[str, str], good: str, bad: str, backend: Any, tokenizer: Any) -> None:
    [bar] = tokenizer.encode("|", add_special_tokens=False)
    think = tokenizer.convert_tokens_to_ids("<think>")

    def frame(content: dict[str, Any]) -> dict[str, Any]:
        thinking = {"type": "any_tokens", "exclude_tokens": [bar], "max_tokens": 2}
        ends = [{"type": "token", "token": token} for token in (think, bar)]
        elements = [ends[0], thinking, ends[1], content, ends[1]]
        return {"type": "structural_tag", "format": {"type": "sequence", "elements": elements}}

    backend.reserve_framing_tokens([bar, think])
    inner = backend._init_value_dispatch(key, False)
    framed = backend.compile_framed_grammar(inner, frame)
    before = [think, *tokenizer.encode("hm", add_special_tokens=False)]
    for token in before:
        framed.accept_token(token)
    assert masked(framed, tokenizer) == {bar}
    for token in [bar, *tokenizer.encode(good, add_special_tokens=False)]:
        framed.accept_token(token)
    assert bar in masked(framed, tokenizer)
    framed.accept_token(bar)
    assert masked(framed, tokenizer) == {tokenizer.eos_token_id}
    again = framed.copy()
    for token in [*before, bar]:
        again.accept_token(token)
    with pytest.raises(ValueError, match="not allowed"):
        for token in tokenizer.encode(bad, add_special_tokens=False):
            again.accept_token(token)
    for other in (base.InvalidGrammarObject("x"), backend.dispatch_structural_tag(LEGACY)):
        assert backend.compile_framed_grammar(other, frame) is None


def test_reserved_tokens_match_no_text(backend: Any, tokenizer: Any) -> None:
    [quote] = tokenizer.encode("b", add_special_tokens=False)
    backend.reserve_framing_tokens([quote])
    framed = backend.compile_framed_grammar(
        backend.dispatch_regex("[a-c]"), lambda content: {"type": "structural_tag", "format": content}
    )
    assert masked(framed, tokenizer) == set(tokenizer.encode("ac", add_special_tokens=False))


@pytest.mark.parametrize(
    ("settings", "good", "bad", "warned"),
    [
        ({"constrained_json_whitespace_pattern": "[ ]?"}, '{"a": 1}', '{"a":  1}', 0),
        ({"constrained_json_disable_any_whitespace": True}, '{"a":1}', '{"a": 1}', 0),
        ({"constrained_json_max_whitespace_cnt": 2}, '{"a":  1}', '{"a":   1}', 0),
        ({"constrained_json_max_whitespace_cnt": 0}, '{"a":1}', '{"a": 1}', 0),
        (
            {"constrained_json_disable_any_whitespace": True, "constrained_json_max_whitespace_cnt": 2},
            '{"a":1}',
            '{"a": 1}',
            1,
        ),
    ],
)
def test_whitespace(
    settings: dict[str, Any],
    good: str,
    bad: str,
    warned: int,
    tokenizer: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = serve(monkeypatch, tokenizer, **settings)
    constraint = made.dispatch_json(SCHEMA).request.constraint
    assert constraint.accepts(good) and not constraint.accepts(bad)
    assert sum("has no effect beside" in record.getMessage() for record in caplog.records) == warned
