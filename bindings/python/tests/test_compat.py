"""Names of other libraries: the same program on XGrammar and on hedgerow, and llama-cpp-python's
processors.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from inspect import signature
from pathlib import Path
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


def failure(call: Callable[[], Any]) -> Any:
    """What a call gives, or the class of XGrammar's exceptions that it raises."""
    try:
        return call()
    except Exception as error:
        return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins")


def details(library: Any) -> list[Any]:
    """Corners of a library that programs come to."""
    import torch

    seen: list[Any] = []
    kind = library.VocabType
    for tokens, options in (
        (["a", "</s>", "<|eot_id|>"], {}),
        (["a", "b"], {}),
        (["a", "", "b"], {"vocab_size": 5, "stop_token_ids": 2}),
        (["a", "b"], {"stop_token_ids": [1, 900]}),
        (["\u0120a", "b"], {"vocab_type": kind.BYTE_LEVEL, "add_prefix_space": True}),
    ):
        info = library.TokenizerInfo(tokens, **options)
        again = library.TokenizerInfo.from_vocab_and_metadata(tokens, info.dump_metadata())
        for one in (info, again):
            seen += [one.stop_token_ids, one.special_token_ids, one.decoded_vocab, one.vocab_size]
            seen += [one.vocab_type.name, one.add_prefix_space, json.loads(one.dump_metadata())]
    seen.append(failure(lambda: library.TokenizerInfo(["a", "b"], vocab_size=1)))
    seen.append(failure(lambda: library.TokenizerInfo(["<0xZZ>"], kind.BYTE_FALLBACK)))
    info = library.TokenizerInfo(TOKENS, stop_token_ids=[END])
    compiler = library.GrammarCompiler(info)

    def reads(compiled: Any, *texts: str, **options: Any) -> list[Any]:
        found: list[Any] = []
        for text in texts:
            matcher = library.GrammarMatcher(compiled, **options)
            found.append((text, matcher.accept_string(text), matcher.is_completed(), matcher.is_terminated()))
        return found

    rules = 'root ::= "a"\nmain ::= "b" root "root" # root\n'
    for name in ("root", "main"):
        seen.append(reads(compiler.compile_grammar(rules, root_rule_name=name), "a", "b", "baroot", "ba"))
    seen.append(failure(lambda: compiler.compile_grammar(rules, root_rule_name="none")))
    seen.append(reads(compiler.compile_builtin_json_grammar(), "1", '"a"', "[1]", "{}", " {}", "null"))
    a, b = library.Grammar.from_regex("a+"), library.Grammar.from_ebnf('root ::= "b" | "c"')
    number = library.Grammar.from_json_schema('{"type": "integer"}')
    for grammar in (library.Grammar.concat(a, b, number), library.Grammar.union(a, b, number)):
        seen.append(reads(compiler.compile_grammar(grammar), "aab12", "aa", "c", "7", "ba"))
    content = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    tag = {
        "type": "structural_tag",
        "format": {
            "type": "tag",
            "begin": "<f>",
            "content": {"type": "regex", "pattern": "x+"},
            "end": "</f>",
        },
    }
    old = [library.StructuralTagItem(begin="<f>", schema=json.dumps(content), end="</f>")]
    for arguments in (
        (json.dumps(tag),),
        (tag,),
        (library.StructuralTag.from_json(json.dumps(tag)),),
        (old, ["<f>"]),
        (library.StructuralTag.from_legacy_structural_tag(old, ["<f>"]),),
    ):
        for compiled in (
            compiler.compile_structural_tag(*arguments),
            compiler.compile_grammar(library.Grammar.from_structural_tag(*arguments)),
        ):
            seen.append(reads(compiled, "<f>xx</f>", '<f>{"a": 1}</f>', "<f>y"))
    one, other = (library.GrammarMatcher(compiler.compile_regex("a+")) for _ in range(2))
    batch = library.BatchGrammarMatcher
    seen.append(batch.batch_accept_string([one, other], ["aaa", "aa"]))
    seen.append(failure(lambda: batch.batch_accept_token([one], [97, 97])))
    seen.append(failure(lambda: batch.batch_accept_string([one, other], ["a"])))
    seen.append(failure(lambda: batch.batch_rollback([one, other], [1])))
    seen.append([batch.batch_rollback([one, other]), batch.batch_rollback([one, other], 0)])
    temperatures = torch.zeros(2)
    batch.batch_fill_temperature([one, other], temperatures)
    seen += [temperatures.tolist(), one.temperature, one.max_rollback_tokens]
    hot = library.GrammarMatcher(compiler.compile_regex("a"), default_temperature=0.5)
    seen.append(hot.temperature)
    ending = library.GrammarMatcher(compiler.compile_regex("a+"), terminate_without_stop_token=True)
    for text in ("a", "a"):
        seen += [ending.accept_string(text), ending.is_terminated()]
    seen += [ending.accept_token(END), ending.is_terminated()]
    wrong = torch.zeros(1, 9, dtype=torch.int64)
    right = library.allocate_token_bitmask(1, len(TOKENS))
    for call in (
        lambda: one.rollback(9),
        lambda: one.fill_next_token_bitmask(wrong),
        lambda: one.fill_next_token_bitmask(right, 3),
        lambda: one.fill_next_token_bitmask(right, -1),
        lambda: library.apply_token_bitmask_inplace(torch.zeros(1, 260), right, indices=[7]),
        lambda: library.GrammarCompiler("info"),
        lambda: compiler.compile_json_schema("{"),
        lambda: compiler.compile_json_schema('{"type": "nope"}'),
        lambda: compiler.compile_regex("("),
        lambda: compiler.compile_grammar("root ::= x"),
        lambda: compiler.compile_structural_tag("{"),
        lambda: compiler.compile_structural_tag({"format": {"type": "nope"}}),
        lambda: compiler.compile_structural_tag(3, 4, 5),
        lambda: library.Grammar.from_regex("("),
        lambda: library.Grammar.from_json_schema("{"),
        lambda: library.Grammar.from_ebnf("root ::= x"),
    ):
        seen.append(failure(call))
    accepts = library.testing._is_grammar_accept_string
    seen += [accepts(a, "aa"), accepts(a, "ab"), accepts('root ::= "ab"', "a", require_termination=False)]
    bools = torch.tensor([[True, False] * 20])
    bits = library.testing.bool_mask_to_bitmask(bools)
    seen += [bits.tolist(), library.testing.bitmask_to_bool_mask(bits, 40).tolist()]
    with library.max_recursion_depth(77):
        seen.append(library.get_max_recursion_depth())
    assert compiler.get_cache_size_bytes() > 0 and compiler.cache_limit_bytes == -1
    small = library.GrammarCompiler(info, cache_limit_bytes=1)
    seen += [reads(small.compile_regex("a+"), "a"), small.cache_limit_bytes]
    # XGrammar keeps the last grammar, whatever its size.
    assert library.__name__ == "xgrammar" or small.get_cache_size_bytes() == 0
    processor = library.contrib.hf.LogitsProcessor(compiler.compile_regex("ab"))
    scores = processor(torch.tensor([[7]]), torch.zeros(1, len(TOKENS)))
    seen.append([at for at, score in enumerate(scores[0].tolist()) if score == 0])
    for name in (
        "InvalidJSONError",
        "InvalidStructuralTagError",
        "DeserializeFormatError",
        "DeserializeVersionError",
    ):
        seen.append(issubclass(getattr(library, name), RuntimeError))
        assert getattr(library.exception, name) is getattr(library, name)
    return seen


def assert_same(seen: Callable[[Any], list[Any]]) -> None:
    """Checks that both libraries give the same list."""
    theirs, ours = (seen(library) for library in libraries())
    assert len(theirs) == len(ours)
    for at, (one, other) in enumerate(zip(theirs, ours)):
        assert one == other, at


def test_details_are_the_same() -> None:
    assert_same(details)


def test_names_and_arguments() -> None:
    """All of XGrammar's names are there but those that the module's text calls missing."""
    theirs, ours = libraries()
    missing = {"get_serialization_version"}
    assert {name for name in theirs.__all__ if not hasattr(ours, name)} == missing
    lacking = {
        "Grammar": {"serialize_json", "deserialize_json"},
        "CompiledGrammar": {"serialize_json", "deserialize_json"},
        "TokenizerInfo": {"serialize_json", "deserialize_json"},
        "GrammarMatcher": {"get_captures"},
    }
    for name in (*lacking, "GrammarCompiler", "BatchGrammarMatcher"):
        one, other = getattr(theirs, name), getattr(ours, name)
        names = {member for member in dir(one) if not member.startswith("_")}
        known = {
            member for member in names if hasattr(other, member) or member in ("constraint", "tokenizer_info")
        }
        assert names - known == lacking.get(name, set()), name
        for member in known & set(dir(other)):
            if callable(getattr(one, member)):
                wanted, given = (list(signature(getattr(kind, member)).parameters) for kind in (one, other))
                assert given == wanted, (name, member)


ENGINES = {
    "vllm": ["vllm.v1.structured_output.backend_xgrammar", "vllm.tool_parsers.structural_tag_registry"],
    "sglang": ["sglang.srt.constrained.xgrammar_backend", "sglang.srt.function_call.base_format_detector"],
}


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_import_it(engine: str) -> None:
    """The engines' own modules for XGrammar, over hedgerow, in a process of their own."""
    pytest.importorskip(engine)
    pytest.importorskip("xgrammar")
    program = [
        "import hedgerow.compat.xgrammar as ours",
        "ours.install()",
        "import sys, importlib, xgrammar",
        *(f"importlib.import_module({name!r})" for name in ENGINES[engine]),
        "assert xgrammar is ours and not any('xgrammar/matcher' in str(m) for m in sys.modules.values())",
    ]
    if engine == "sglang":
        program += [
            "from engine_tokenizer import byte_tokenizer",
            "from sglang.srt.constrained.xgrammar_backend import XGrammarGrammarBackend",
            "tokenizer = byte_tokenizer()",
            "ids = tokenizer.convert_tokens_to_ids",
            "backend = XGrammarGrammarBackend(tokenizer, 300, [tokenizer.eos_token_id])",
            "for call, text in ((backend.dispatch_json, '{\"type\": \"integer\"}'), (backend.dispatch_regex, '1+'),",
            "                   (backend.dispatch_ebnf, 'root ::= \"1\"'), (backend.dispatch_json, '$$ANY$$')):",
            "    grammar = call(text)",
            "    mask = grammar.allocate_vocab_mask(300, 1, 'cpu')",
            "    grammar.fill_vocab_mask(mask, 0)",
            "    grammar.accept_token(ids('[' if text == '$$ANY$$' else '1'))",
            "    grammar.rollback(1)",
            "    assert not grammar.copy().is_terminated()",
            "assert 'Invalid' in type(backend.dispatch_regex('(')).__name__",
            'tag = \'{"structures": [{"begin": "<f>", "schema": {}, "end": "</f>"}], "triggers": ["<f>"]}\'',
            "backend.dispatch_structural_tag(tag).accept_token(ids('<'))",
        ]
    else:
        program += [
            "from types import SimpleNamespace as Of",
            "from engine_tokenizer import byte_tokenizer",
            "from vllm.v1.structured_output.backend_types import StructuredOutputOptions as Kind",
            "from vllm.v1.structured_output.backend_xgrammar import XgrammarBackend",
            "config = Of(structured_outputs_config=Of(disable_any_whitespace=False), model_config=None,",
            "            speculative_config=None)",
            "tokenizer = byte_tokenizer()",
            "ids = tokenizer.convert_tokens_to_ids",
            "backend = XgrammarBackend(config, tokenizer, 300)",
            'tag = \'{"structures": [{"begin": "<f>", "schema": {}, "end": "</f>"}], "triggers": ["<f>"]}\'',
            "for kind, text, token in ((Kind.JSON, '{\"type\": \"integer\"}', '1'), (Kind.REGEX, '1+', '1'),",
            "                          (Kind.GRAMMAR, 'root ::= \"1\"', '1'), (Kind.CHOICE, '[\"1\"]', '1'),",
            "                          (Kind.JSON_OBJECT, '', '{'), (Kind.STRUCTURAL_TAG, tag, '<')):",
            "    grammar = backend.compile_grammar(kind, text)",
            "    bitmask = backend.allocate_token_bitmask(1)",
            "    grammar.fill_bitmask(bitmask, 0)",
            "    assert grammar.validate_tokens([ids(token)]) == [ids(token)], text",
            "    assert grammar.accept_tokens('1', [ids(token)]), text",
        ]
    here = Path(__file__).parent
    paths = os.pathsep.join([str(Path(hr.__file__).parents[1]), str(here)])
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(program)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_same_program_sees_the_same() -> None:
    assert_same(session)


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
    assert info.stop_token_ids == [END] and info.special_token_ids == []
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
    # A prompt that goes on behind the last by a token that the constraint does not allow.
    assert allowed([7, 8, a, b, d, end, 7, 8, a]) == {b}
    assert allowed([7, 8, a, b, d, end, 7, 8, 9]) == {a}
    # Each thread has completions of its own.
    with ThreadPoolExecutor(1) as other:
        for row, mine, theirs in (([7], a, a), ([7, a], b, b)):
            assert allowed([*row]) == {mine}
            assert other.submit(allowed, [3, *row]).result() == {theirs}
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
