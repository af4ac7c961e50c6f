"""Masks beside llguidance's on schemas that people wrote, token by token along the schemas' own
valid instances.

The libraries differ on purpose in places: llguidance does not allow every spelling of a character
inside a string (`\\/`, `\\u0041`, DEL), and where text is forced it allows the tokens of one way to
split it alone. Masks that differ are sorted by these causes; what remains is told, too. Judges say
who is right: from a token that hedgerow allows there is a way to the end, and what it writes is
valid to jsonschema.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import hedgerow as hr
import pytest
from conftest import schemas

SCHEMAS = 300


def compiled(schema: Any, vocabulary: hr.Vocabulary) -> hr.Constraint | None:
    try:
        return hr.compile(hr.Grammar.json_schema(schema, separators=(",", ":")), vocabulary, timeout=20)
    except hr.HedgerowError:
        return None


def cause(one: Any, other: Any, vocabulary: hr.Vocabulary) -> str:
    """The cause by which two masks differ."""
    if (one == other).all():
        return "equal"
    only_ours, only_theirs = tokens_of(one & ~other), tokens_of(other & ~one)
    if only_theirs:
        return "llguidance allows tokens that hedgerow does not"
    spelt = [token for token in only_ours if set(b"\\\x7f") & set(vocabulary.bytes(token))]
    if len(spelt) == len(only_ours):
        return "other spellings inside strings"
    if len(tokens_of(other)) == 1:
        return "forced text split in one way only"
    return "hedgerow allows tokens that llguidance does not"


def tokens_of(mask: Any) -> list[int]:
    """The tokens in a mask."""
    import numpy as np

    return [int(token) for token in np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little"))]


def test_beside_llguidance(llama: Any, capsys: pytest.CaptureFixture[str]) -> None:
    llguidance = pytest.importorskip("llguidance")
    pytest.importorskip("numpy")
    import hedgerow.numpy as ours
    import llguidance.numpy as theirs

    vocabulary = hr.Vocabulary.from_tokenizer(llama, eos="<|eot_id|>")
    tokenizer = llguidance.LLTokenizer(llama.read_text(), eos_token=vocabulary.eos[0])
    assert tokenizer.vocab_size == vocabulary.size
    causes: Counter[str] = Counter()
    compiles: Counter[str] = Counter()
    one, other = (module.allocate_token_bitmask(1, vocabulary.size) for module in (ours, theirs))
    rng = random.Random(5)
    for case in schemas(SCHEMAS):
        schema = json.loads(case["schema"])
        constraint = compiled(schema, vocabulary)
        if isinstance(schema, dict):
            schema["x-guidance"] = {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}
        grammar = llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema))
        refused = llguidance.LLMatcher(tokenizer, grammar).is_error()
        compiles[f"hedgerow {constraint is not None}, llguidance {not refused}"] += 1
        if constraint is None or refused:
            continue
        for instance in [json.loads(test["text"]) for test in case["tests"] if test["valid"]][:2]:
            text = json.dumps(instance, ensure_ascii=False, separators=(",", ":"))
            matcher, guide = constraint.matcher(), llguidance.LLMatcher(tokenizer, grammar)
            for token in vocabulary.greedy_tokenize(text):
                ours.fill_next_token_bitmask(matcher, one)
                theirs.fill_next_token_bitmask(guide, other)
                causes[cause(one[0], other[0], vocabulary)] += 1
                more = tokens_of(one[0] & ~other[0])
                for extra in rng.sample(more, min(2, len(more))):
                    check_token(matcher, extra)
                taken = matcher.advance(token), guide.consume_token(token)
                # A token of a valid instance that llguidance takes is never refused.
                assert taken != (False, True), (case["id"], text)
                if False in taken:
                    break
    with capsys.disabled():
        print(f"\nmasks beside llguidance: {dict(causes.most_common())}; schemas compiled: {dict(compiles)}")
    unexplained = causes["hedgerow allows tokens that llguidance does not"]
    unexplained += causes["llguidance allows tokens that hedgerow does not"]
    assert unexplained * 50 < causes.total()


def check_token(matcher: hr.Matcher, token: int) -> None:
    """Checks that a token which is allowed leads to an output."""
    fork = matcher.fork()
    assert fork.advance(token)
    if not fork.is_stopped:
        way = fork.completion()
        assert way is None or fork.validate(way) == len(way)


def test_valid_instances_are_outputs_and_outputs_are_valid(bytes_vocabulary: hr.Vocabulary) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    rng = random.Random(11)
    told: Counter[str] = Counter()
    for case in schemas(SCHEMAS):
        schema = json.loads(case["schema"])
        constraint = compiled(schema, bytes_vocabulary)
        if constraint is None:
            told["not compiled"] += 1
            continue
        judge = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)(schema)
        for _ in range(2):
            matcher, tokens = constraint.matcher(), []
            for _ in range(rng.randrange(30)):
                allowed = [token for token in matcher.allowed_tokens() if token not in bytes_vocabulary.eos]
                if not allowed:
                    break
                tokens.append(rng.choice(allowed))
                assert matcher.advance(tokens[-1])
            way = matcher.completion()
            if way is None:
                told["no way to the end"] += 1
                continue
            value = json.loads(bytes_vocabulary.decode(tokens + way))
            try:
                valid = judge.is_valid(value)
            except Exception:  # The judge cannot follow this schema's references or patterns.
                told["no verdict"] += 1
                continue
            told["valid" if valid else "invalid"] += 1
            assert valid, (schema, value)
    assert told["valid"] > SCHEMAS


def test_beside_xgrammar(bytes_vocabulary: hr.Vocabulary, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    xgrammar = pytest.importorskip("xgrammar")
    import hedgerow.torch as ours

    vocabulary = bytes_vocabulary
    tokens = [vocabulary.bytes(token) for token in range(vocabulary.size)]
    info = xgrammar.TokenizerInfo(tokens, vocab_size=vocabulary.size, stop_token_ids=vocabulary.eos)
    compiler = xgrammar.GrammarCompiler(info)
    causes: Counter[str] = Counter()
    one, other = (ours.allocate_token_bitmask(1, vocabulary.size) for _ in range(2))
    for case in schemas(SCHEMAS):
        constraint = compiled(json.loads(case["schema"]), vocabulary)
        options = {"any_whitespace": False, "separators": (",", ":"), "strict_mode": False}
        try:
            grammar = compiler.compile_json_schema(case["schema"], **options)
        except Exception:
            grammar = None
        if constraint is None or grammar is None:
            causes["schemas that only one compiles"] += 1
            continue
        for instance in [json.loads(test["text"]) for test in case["tests"] if test["valid"]][:2]:
            text = json.dumps(instance, ensure_ascii=False, separators=(",", ":"))
            matcher, guide = constraint.matcher(), xgrammar.GrammarMatcher(grammar)
            for token in vocabulary.greedy_tokenize(text):
                ours.fill_next_token_bitmask(matcher, one)
                guide.fill_next_token_bitmask(other)
                causes[cause_beside_xgrammar(one[0].numpy(), other[0].numpy(), vocabulary)] += 1
                steps = matcher.advance(token), guide.accept_token(token)
                # A token of a valid instance that XGrammar takes is never refused.
                assert steps != (False, True), (case["id"], text)
                if False in steps:
                    causes[
                        "instances that XGrammar refuses"
                        if steps[0]
                        else "instances with keys in another order, which both refuse"
                    ] += 1
                    break
    with capsys.disabled():
        print(f"\nmasks beside XGrammar: {dict(causes.most_common())}")
    assert causes["equal"] * 10 > causes.total() * 9


def cause_beside_xgrammar(one: Any, other: Any, vocabulary: hr.Vocabulary) -> str:
    """The cause by which two masks differ."""
    ids = set(range(vocabulary.token_count))
    mine, theirs = ids & set(tokens_of(one)), ids & set(tokens_of(other))
    if mine == theirs:
        return "equal"
    only_mine = {vocabulary.bytes(token) for token in mine - theirs}
    only_theirs = {vocabulary.bytes(token) for token in theirs - mine}
    if only_theirs and all(len(token) == 1 and token < b" " for token in only_theirs):
        return "control characters in strings, which are no JSON, in XGrammar"
    if not only_theirs and only_mine <= {b"e", b"E"}:
        return "exponents, which XGrammar leaves out"
    if not only_theirs and all(b"\\" in token for token in only_mine):
        return "escapes, which XGrammar leaves out"
    return "hedgerow more" if not only_theirs else "XGrammar more" if not only_mine else "each more"
