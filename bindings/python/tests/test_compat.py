"""Names of other libraries: the same program on XGrammar and on hedgerow, and llama-cpp-python's
processors.
"""

from __future__ import annotations

import importlib
import json
from types import SimpleNamespace
from typing import Any

import hedgerow as hr
import pytest

TOKENS = [bytes([byte]) for byte in range(256)] + [b"true", b'{"', b"ab", b"</s>"]
END = len(TOKENS) - 1


def libraries() -> list[Any]:
    pytest.importorskip("torch")
    return [pytest.importorskip("xgrammar"), importlib.import_module("hedgerow.compat.xgrammar")]


def tokens_of(row: Any) -> set[int]:
    return {32 * at + bit for at, word in enumerate(row.tolist()) for bit in range(32) if word >> bit & 1}


def session(library: Any) -> list[Any]:
    """What a program sees of a library."""
    import torch

    seen: list[Any] = []
    info = library.TokenizerInfo(TOKENS, library.VocabType.RAW, vocab_size=270, stop_token_ids=END)
    seen += [info.vocab_size, info.stop_token_ids, library.get_bitmask_shape(2, info.vocab_size)]
    compiler = library.GrammarCompiler(info)
    bitmask = library.allocate_token_bitmask(3, info.vocab_size)
    seen += [bitmask.dtype == library.bitmask_dtype, bitmask.shape]
    for compiled, text in (
        (compiler.compile_regex("ab[cd]+"), "abcd"),
        (compiler.compile_grammar('root ::= "x" root | "yz"'), "xxyz"),
        (compiler.compile_grammar(library.Grammar.from_ebnf('top ::= "q" | "r"', root_rule_name="top")), "q"),
        (compiler.compile_json_schema('{"type": "boolean"}'), "true"),
    ):
        matcher = library.GrammarMatcher(compiled)
        for letter in text.encode():
            seen.append(matcher.find_jump_forward_string())
            matcher.fill_next_token_bitmask(bitmask, 1)
            seen.append(tokens_of(bitmask[1]))
            seen.append(matcher.accept_token(letter))
        fork = matcher.fork()
        seen += [matcher.is_completed(), matcher.is_terminated(), matcher.accept_token(ord("?"))]
        seen += [matcher.accept_token(END), matcher.is_terminated(), fork.is_terminated()]
        matcher.rollback(2)
        matcher.fill_next_token_bitmask(bitmask, 0)
        seen += [tokens_of(bitmask[0]), matcher.is_terminated(), matcher.stop_token_ids]
        matcher.reset()
        seen.append(matcher.accept_string(text))
    matchers = [library.GrammarMatcher(compiler.compile_regex(pattern)) for pattern in ("a+", "b")]
    library.reset_token_bitmask(bitmask)
    library.BatchGrammarMatcher(max_threads=2).batch_fill_next_token_bitmask(matchers, bitmask, [2, 0])
    seen.append([tokens_of(row) for row in (bitmask[0], bitmask[2])])
    logits = torch.zeros(3, 270)
    library.apply_token_bitmask_inplace(logits, bitmask, indices=[0])
    seen.append([{at for at, logit in enumerate(row.tolist()) if logit == 0} for row in logits])
    matcher = library.GrammarMatcher(compiler.compile_regex("a[bc][de]"), override_stop_tokens=[END])
    seen.append(library.BatchGrammarMatcher.batch_accept_token([matcher], [ord("a")]))
    # a · (b (d, x), c)
    tree = library.allocate_token_bitmask(5, 270)
    matcher.traverse_draft_tree(
        torch.tensor([1, 3, -1, -1, -1]),
        torch.tensor([-1, 2, -1, 4, -1]),
        torch.tensor([ord(letter) for letter in "abcdx"]),
        tree,
    )
    seen.append([tokens_of(row) & set(range(270)) for row in tree[:4]])
    ended = library.GrammarMatcher(compiler.compile_regex("ab"), terminate_without_stop_token=True)
    seen += [ended.accept_string("ab"), ended.is_terminated()]
    return seen


def test_the_same_program_sees_the_same() -> None:
    theirs, ours = (session(library) for library in libraries())
    assert len(theirs) == len(ours)
    for at, (one, other) in enumerate(zip(theirs, ours)):
        assert one == other, at


def test_spellings_of_vocabularies() -> None:
    pytest.importorskip("torch")
    compat = importlib.import_module("hedgerow.compat.xgrammar")
    kinds = compat.VocabType
    for kind, tokens, decoded in (
        (kinds.RAW, ["a", b"\xff"], [b"a", b"\xff"]),
        (kinds.BYTE_LEVEL, ["\u0120a", "\u010a", b"b"], [b" a", b"\n", b"b"]),
        (kinds.BYTE_FALLBACK, ["\u2581a", "<0x0A>", "<0"], [b" a", b"\n", b"<0"]),
    ):
        assert compat.TokenizerInfo(tokens, kind).decoded_vocab == decoded
    info = compat.TokenizerInfo(TOKENS, stop_token_ids=[END, 5000])
    assert info.stop_token_ids == [END] == info.special_token_ids
    compiler = compat.GrammarCompiler(info)
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    for options, good, bad in (
        ({}, '{"a":  1}', '{"b": 1}'),
        ({"strict_mode": False}, '{"b": 1}', '{"a": "x"}'),
        ({"any_whitespace": False}, '{"a": 1}', '{"a":1}'),
        ({"any_whitespace": False, "separators": (",", ":")}, '{"a":1}', '{"a": 1}'),
        ({"any_whitespace": False, "indent": 2}, '{\n  "a": 1\n}', '{"a": 1}'),
        ({"max_whitespace_cnt": 1}, '{"a": 1}', '{"a":  1}'),
        ({"any_order": True}, '{"a": 1}', "1"),
    ):
        compiled = compiler.compile_json_schema(schema, **options)
        assert compiled.constraint.accepts(good) and not compiled.constraint.accepts(bad), options
        assert compiled.memory_size_bytes > 0 and str(compiled.grammar) == json.dumps(schema)
    assert compiler.compile_builtin_json_grammar().constraint.accepts("[1]")
    assert compiler.compile_lark('start: "a"').constraint.accepts("a")
    compiler.clear_cache()


def test_llama_cpp(bytes_vocabulary: hr.Vocabulary) -> None:
    np = pytest.importorskip("numpy")
    from hedgerow.llama_cpp import LogitsProcessor

    constraint = hr.compile(hr.Grammar.regex("ab[cd]"), bytes_vocabulary)
    processor = LogitsProcessor(constraint)
    end = bytes_vocabulary.eos[0]

    def allowed(tokens: list[int]) -> set[int]:
        scores = np.zeros(bytes_vocabulary.size, dtype=np.single)
        assert processor(np.array(tokens, dtype=np.intc), scores) is scores
        return set(np.flatnonzero(scores == 0).tolist())

    a, b, c, d = b"abcd"
    for _ in range(2):
        assert allowed([7, 8]) == {a}
        assert allowed([7, 8, a]) == {b}
        assert allowed([7, 8, a, b]) == {c, d}
        assert allowed([7, 8, a, b, d]) == {end}
        assert allowed([7, 8, a, b, d, end]) == {end}
        assert allowed([7, 8, a]) == {b}
    assert allowed([7, 8, a, b, d, end, 7, 8]) == {a}
    processor.reset()
    assert allowed([7, 8, a]) == {a}
    assert allowed([7, 8, a, 9]) == {end}
    with pytest.raises(ValueError, match="ends a sequence"):
        LogitsProcessor(hr.compile(hr.Grammar.regex("a"), hr.Vocabulary.from_tokens(["a"])))


def test_llama_cpp_reads_the_models_file(monkeypatch: pytest.MonkeyPatch) -> None:
    from conftest import ROOT
    from hedgerow.llama_cpp import vocabulary

    path = ROOT / ".deps/models/smollm2-135m-instruct-q4_1/SmolLM2-135M-Instruct.Q4_1.gguf"
    if not path.is_file():
        pytest.skip(f"no model at {path}; `make setup` fetches it")
    found = vocabulary(SimpleNamespace(model_path=str(path), n_vocab=lambda: 49152))
    assert found.size == 49152 and found.eos
