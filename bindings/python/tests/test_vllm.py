"""vLLM: its own manager of structured outputs with this backend in it, beside its own backends."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import Any

import pytest

os.environ.setdefault("VLLM_TARGET_DEVICE", "cpu")
torch = pytest.importorskip("torch")
pytest.importorskip("vllm")
pytest.importorskip("vllm.v1.structured_output")
from engine_tokenizer import byte_tokenizer  # noqa: E402
from hedgerow import _plugins  # noqa: E402
from hedgerow import vllm as ours  # noqa: E402
from vllm import SamplingParams  # noqa: E402
from vllm.config.structured_outputs import StructuredOutputsConfig  # noqa: E402
from vllm.exceptions import VLLMValidationError  # noqa: E402
from vllm.sampling_params import StructuredOutputsParams  # noqa: E402
from vllm.v1 import structured_output  # noqa: E402
from vllm.v1.structured_output.request import StructuredOutputRequest  # noqa: E402

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}
LEGACY = json.dumps(
    {
        "type": "structural_tag",
        "structures": [{"begin": "<f>", "schema": SCHEMA, "end": "</f>"}],
        "triggers": ["<f>"],
    }
)
REQUESTS: list[tuple[dict[str, Any], str, str]] = [
    ({"json": SCHEMA}, '{"a":12}', '{"b"'),
    ({"json": json.dumps(SCHEMA)}, '{"a": 1}', "[1"),
    ({"json_object": True}, '{"x": [1, {}]}', "3"),
    ({"structural_tag": LEGACY}, 'x<f>{"a": 1}</f>', '<f>{"b"'),
    ({"regex": "[ab]+c"}, "abac", "ad"),
    ({"choice": ["yes", "no"]}, "yes", "yno"),
    ({"grammar": 'root ::= "x" root | "y"'}, "xxy", "xz"),
    ({"grammar": 'start: "x"+ "y"'}, "xxy", "xz"),
]
ROWS = 4


def deep(levels: int) -> dict[str, Any]:
    """A structural tag's format with so many levels."""
    made: dict[str, Any] = {"type": "const_string", "value": "x"}
    for _ in range(levels):
        made = {"type": "sequence", "elements": [made]}
    return made


@pytest.fixture(autouse=True, scope="module")
def _installed() -> Any:
    manager = structured_output.StructuredOutputManager
    names = [
        (SamplingParams, "_validate_structured_outputs"),
        (manager, "grammar_init"),
        (manager, "_create_grammar"),
    ]
    before = [getattr(owner, name) for owner, name in names]
    os.environ["HEDGEROW_VLLM"] = "1"
    _plugins.vllm()
    after = [getattr(owner, name) for owner, name in names]
    _plugins.vllm()
    assert after == [getattr(owner, name) for owner, name in names]
    assert all(one is not other for one, other in zip(before, after))
    yield
    del os.environ["HEDGEROW_VLLM"]
    for (owner, name), original in zip(names, before):
        setattr(owner, name, original)


def configuration(tokenizer: Any, drafts: int = 0, **outputs: Any) -> Any:
    model = SimpleNamespace(
        skip_tokenizer_init=False,
        is_diffusion=False,
        get_vocab_size=lambda: len(tokenizer) + 30,
        hf_config=SimpleNamespace(model_type="llama"),
    )
    return SimpleNamespace(
        parallel_config=SimpleNamespace(distributed_executor_backend="mp"),
        scheduler_config=SimpleNamespace(max_num_seqs=ROWS),
        model_config=model,
        structured_outputs_config=StructuredOutputsConfig(**outputs),
        num_speculative_tokens=drafts,
        speculative_config=None,
    )


class Engine:
    """The manager, and requests as its scheduler makes them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, drafts: int = 0, **outputs: Any) -> None:
        self.tokenizer = byte_tokenizer()
        self.config = configuration(self.tokenizer, drafts, **outputs)
        monkeypatch.setattr(structured_output, "cached_tokenizer_from_config", lambda **_: self.tokenizer)
        self.manager = structured_output.StructuredOutputManager(self.config)
        self.requests: dict[str, Any] = {}

    def start(self, constraint: dict[str, Any], **options: Any) -> Any:
        params = SamplingParams(structured_outputs=StructuredOutputsParams(**constraint), **options)
        params._all_stop_token_ids = {self.tokenizer.eos_token_id, *(options.get("stop_token_ids") or ())}
        params._validate_structured_outputs(
            self.config.model_config, self.config.structured_outputs_config, self.tokenizer
        )
        request = SimpleNamespace(
            request_id=str(len(self.requests)),
            sampling_params=params,
            structured_output_request=StructuredOutputRequest.from_sampling_params(params),
            use_structured_output=True,
            prompt_token_ids=[1],
            all_token_ids=[1],
        )
        self.manager.grammar_init(request)
        grammar = request.structured_output_request._grammar.result(60)
        request.structured_output_request.grammar = grammar
        self.requests[request.request_id] = request
        return request

    def mask(self, drafts: dict[str, list[int]] | None = None) -> Any:
        return self.manager.grammar_bitmask(self.requests, list(self.requests), drafts or {})

    def ids(self, text: str) -> list[int]:
        found: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return found


def tokens_of(row: Any) -> set[int]:
    return {32 * at + bit for at, word in enumerate(row.tolist()) for bit in range(32) if word >> bit & 1}


@pytest.mark.parametrize(("constraint", "good", "bad"), REQUESTS)
def test_requests(constraint: dict[str, Any], good: str, bad: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(monkeypatch)
    request = engine.start(constraint)
    assert isinstance(engine.manager.backend, ours.Backend)
    grammar, end = request.structured_output_request.grammar, engine.tokenizer.eos_token_id
    reference = grammar.request.constraint.matcher()
    for token in engine.ids(good):
        assert tokens_of(engine.mask()[0]) == set(reference.allowed_tokens())
        assert grammar.validate_tokens([token]) == [token]
        assert grammar.accept_tokens("0", [token]) and reference.advance(token)
    assert end in tokens_of(engine.mask()[0]) and not grammar.is_terminated()
    assert grammar.accept_tokens("0", [end]) and grammar.is_terminated()
    assert tokens_of(engine.mask()[0]) >= set(range(len(engine.tokenizer)))
    # Behind the end, tokens are counted only.
    assert grammar.accept_tokens("0", [3, 4])
    grammar.rollback(3)
    assert not grammar.is_terminated() and end in tokens_of(engine.mask()[0])
    grammar.reset()
    tokens = engine.ids(bad)
    assert not grammar.accept_tokens("0", tokens) and grammar.request.matcher.output_len == 0
    assert grammar.validate_tokens([*tokens, -1]) == tokens[: len(grammar.validate_tokens(tokens))]
    engine.manager.backend.destroy()


def test_drafts(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(monkeypatch, drafts=2)
    request = engine.start({"regex": "[ab]+c"})
    a, b, c, d = engine.ids("abcd")
    end = engine.tokenizer.eos_token_id
    grammar = request.structured_output_request.grammar
    rows = engine.mask({"0": [a, c]})
    assert [tokens_of(row) for row in rows] == [{a, b}, {a, b, c}, {end}]
    assert grammar.request.matcher.output_len == 0
    assert engine.manager.validate_tokens(request, [a, b, d]) == [a, b]
    assert engine.manager.validate_tokens(request, [a, -1, -1]) == [a]
    rows = engine.mask({"0": [a, -1]})
    assert [tokens_of(row) for row in rows][:2] == [{a, b}, {a, b, c}]


def test_stop_tokens_are_end_tokens_of_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(monkeypatch)
    [stop] = engine.ids("#")
    plain = engine.start({"regex": "a"})
    other = engine.start({"regex": "a"}, stop_token_ids=[stop])
    again = engine.start({"regex": "a"}, stop_token_ids=[stop])
    grammars = [request.structured_output_request.grammar for request in (plain, other, again)]
    assert (
        grammars[1].request.constraint is grammars[2].request.constraint is not grammars[0].request.constraint
    )
    for grammar in grammars:
        assert grammar.accept_tokens("", engine.ids("a"))
    end = engine.tokenizer.eos_token_id
    assert [tokens_of(row) for row in engine.mask()[:3]] == [{end}, {stop, end}, {stop, end}]


@pytest.mark.parametrize(
    "constraint",
    [
        {"json": '{"type": "nothing"}'},
        {"json": "{"},
        {"json": " "},
        {"regex": "[a-"},
        {"regex": "a\x00"},
        {"choice": []},
        {"grammar": 'root ::= "a'},
        {"grammar": " "},
        {"json_object": False},
        {"structural_tag": "{}"},
        {"json": SCHEMA, "whitespace_pattern": "["},
        # What takes more than a limit, and what nests deeper than vLLM's own walks can go.
        {"regex": "a{4294967296}"},
        {"json": '{"not":' * 600 + "{}" + "}" * 600},
        {"structural_tag": json.dumps({"type": "structural_tag", "format": deep(200)})},
    ],
)
def test_bad_requests(constraint: dict[str, Any]) -> None:
    tokenizer = byte_tokenizer()
    params = SamplingParams(structured_outputs=StructuredOutputsParams(**constraint))
    config = configuration(tokenizer)
    with pytest.raises(VLLMValidationError):
        params._validate_structured_outputs(config.model_config, config.structured_outputs_config, tokenizer)


def test_a_request_cannot_choose_its_backend() -> None:
    tokenizer = byte_tokenizer()
    config = configuration(tokenizer)
    params = SamplingParams(structured_outputs=StructuredOutputsParams(regex="a"))
    params.structured_outputs._backend = "xgrammar"
    with pytest.raises(VLLMValidationError, match="xgrammar"):
        params._validate_structured_outputs(config.model_config, config.structured_outputs_config, tokenizer)
    # Parameters that an engine has seen may be used again, whatever served them.
    params.structured_outputs._backend_was_auto = True
    for _ in range(2):
        params._validate_structured_outputs(config.model_config, config.structured_outputs_config, tokenizer)
        assert params.structured_outputs._backend == "hedgerow"


@pytest.mark.parametrize(
    ("options", "good", "bad"),
    [
        ({}, '{"a": 1, "b": 2}', '{"a": 1,}'),
        ({"disable_any_whitespace": True}, '{"a":1,"b":2}', '{"a": 1}'),
        ({"whitespace_pattern": " ?"}, '{"a": 1}', '{"a":  1}'),
        ({"disable_additional_properties": True}, '{"a": 1}', '{"b": 1}'),
        ({"disable_any_whitespace": True, "disable_additional_properties": True}, '{"a":1}', '{"b":1}'),
    ],
)
def test_options_of_a_request(
    options: dict[str, Any], good: str, bad: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(monkeypatch)
    schema = {"type": "object", "properties": {"a": {}}}
    for asked in ({"json": schema}, {"json": json.dumps(schema)}):
        request = engine.start({**asked, **options})
        constraint = request.structured_output_request.grammar.request.constraint
        assert constraint.accepts(good) and not constraint.accepts(bad)
        assert constraint is not engine.start(asked).structured_output_request.grammar.request.constraint or (
            not options
        )


@pytest.mark.parametrize("option", ["disable_any_whitespace", "disable_additional_properties"])
def test_the_engine_has_no_options(option: str) -> None:
    """vLLM refuses them beside the backend "auto", which this one takes the place of."""
    with pytest.raises(ValueError, match=option):
        StructuredOutputsConfig(**{option: True})


def test_another_backend_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(monkeypatch, backend="xgrammar")
    request = engine.start({"json": SCHEMA})
    assert request.sampling_params.structured_outputs._backend == "xgrammar"
    assert not isinstance(engine.manager.backend, ours.Backend)


def test_masks_beside_xgrammar(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xgrammar")
    compared = [
        (constraint, good)
        for constraint, good, _ in REQUESTS
        if constraint.keys() & {"json_object", "regex", "choice"} or "::=" in constraint.get("grammar", "")
    ]
    for constraint, good in compared:
        rows = []
        for backend in ("auto", "xgrammar"):
            engine = Engine(monkeypatch, backend=backend)
            request = engine.start(constraint)
            grammar = request.structured_output_request.grammar
            seen = []
            for token in engine.ids(good):
                assert token in tokens_of(engine.mask()[0]), (backend, constraint)
                seen.append(tokens_of(engine.mask()[0]))
                assert grammar.accept_tokens("0", [token])
            rows.append([*seen, tokens_of(engine.mask()[0])])
        if "json_object" not in constraint:
            assert rows[0] == rows[1], constraint


def test_logits_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    import vllm.tokenizers

    tokenizer = byte_tokenizer()
    monkeypatch.setattr(vllm.tokenizers, "cached_tokenizer_from_config", lambda **_: tokenizer)
    config = configuration(tokenizer)
    made = ours.RequestLogitsProcessor(config, torch.device("cpu"), False)
    assert not made.is_argmax_invariant()
    assert made.new_req_logits_processor(SamplingParams()) is None
    params = SamplingParams(extra_args={"hedgerow": {"choice": ["ab"]}})
    made.validate_params(params)
    process = made.new_req_logits_processor(params)
    a, b = tokenizer.encode("ab", add_special_tokens=False)
    size = config.model_config.get_vocab_size()
    for output, expected in ([], {a}), ([a], {b}), ([a, b], {tokenizer.eos_token_id}), ([], {a}):
        logits = process(output, torch.zeros(size))
        assert {at for at, logit in enumerate(logits.tolist()) if logit == 0} == expected
    # An output that has left the constraint can only end; behind its end anything may come.
    for output in [b], [a, a, b]:
        logits = process(output, torch.zeros(size))
        assert torch.nonzero(logits == 0).flatten().tolist() == [tokenizer.eos_token_id]
    assert process([a, b, tokenizer.eos_token_id, a], torch.zeros(size)).eq(0).all()
    for wrong, said in (
        ({"regex": "["}, "Invalid structured output"),
        ({"regex": "a{4294967296}"}, "repetition count"),
        ({"regex": "a", "json": {}}, "it names json and regex"),
        ({}, "it names none"),
        ({"regex": "a", "regexp": "b"}, "unknown: regexp"),
        ({"regex": 5}, "regex is 5; it must be a string"),
        ({"choice": "yes"}, "choice is 'yes'; it must be a list of strings"),
        ({"json": {}, "whitespace_pattern": " ?", "disable_any_whitespace": True}, "give only one of"),
        ("a", "it names none"),
    ):
        with pytest.raises(VLLMValidationError, match=said):
            made.validate_params(SamplingParams(extra_args={"hedgerow": wrong}))
    asked = {"json": {"type": "array"}, "whitespace_pattern": " ?"}
    assert ours.grammar_of_params(asked).options == {"whitespace_pattern": " ?"}
