"""The core: vocabularies, grammars, constraints, matchers, masks and machines."""

from __future__ import annotations

import array
import copy
import ctypes
import errno
import json
import math
import pickle
import re
import struct
import subprocess
import sys
import weakref
from pathlib import Path

import hedgerow as hr
import pytest
from conftest import ROOT

PERSON = '{"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}'


TAG = {
    "type": "structural_tag",
    "format": {
        "type": "triggered_tags",
        "triggers": ["<call>"],
        "tags": [
            {
                "begin": "<call>",
                "content": {"type": "json_schema", "json_schema": {"type": "object", "required": ["a"]}},
                "end": "</call>",
            }
        ],
    },
}


SCHEMA_FORMAT = {"type": "json_schema"}


def bits(mask: memoryview) -> list[int]:
    return [32 * at + bit for at, word in enumerate(mask) for bit in range(32) if word >> bit & 1]


def test_first_mask(words: hr.Vocabulary) -> None:
    constraint = hr.compile(hr.Grammar.choice(["yes", "no"]), words)
    matcher = constraint.matcher()
    mask = words.mask_buffer()
    matcher.fill_mask(mask)
    assert bits(mask) == [0, 1, 4, 5] == matcher.allowed_tokens()
    assert matcher.allows(0) and not matcher.allows(2)
    assert matcher.advance(0) and not matcher.advance(0)
    assert (matcher.forced_bytes(), matcher.forced_tokens()) == (b"s", [3])
    assert matcher.completion() == [3]
    fork = matcher.fork()
    assert fork.advance(3) and fork.is_accepting and not matcher.is_accepting
    assert matcher.validate([3, 3]) == 1 and matcher.output_len == 1
    fork = matcher.fork()
    assert fork.advance_all([]) == 0 and fork.advance_all([3, 3]) == 1 and fork.output_len == 2
    matcher.rollback()
    assert matcher.output_len == 0 and matcher.state_id == constraint.matcher().state_id
    assert matcher.advance_text("no") and matcher.is_accepting
    matcher.rollback()
    assert matcher.advance_bytes("no") and matcher.is_accepting
    matcher.reset()
    assert copy.copy(matcher).output_len == copy.deepcopy(matcher).output_len == 0


def test_texts_with_too_many_readings(bytes_vocabulary: hr.Vocabulary) -> None:
    rules = 'root ::= name "!"\nname ::= <end> name "x" | "<end>" name "y" | "m"'
    constraint = hr.compile(hr.Grammar.gbnf(rules), bytes_vocabulary)
    for rest in ("m", "m" + "z" * 24):
        for reader in (constraint.matcher(), constraint.events()):
            with pytest.raises(hr.LimitError, match="too many ways"):
                reader.advance_text("<end>" * 24 + rest)


def test_core_imports_nothing_heavy() -> None:
    code = "import sys, hedgerow; sys.exit(bool({'numpy', 'torch', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("grammar", "good", "bad"),
    [
        (hr.Grammar.json_schema(PERSON), '{"age": 3}', '{"age": "3"}'),
        (hr.Grammar.json_schema(PERSON.encode()), '{"age": 3}', "{}"),
        (hr.Grammar.json_schema({"const": "é"}), '"é"', '"e"'),
        (hr.Grammar.json_schema(True), "[1, {}]", "[1,"),
        (hr.Grammar.json_schema({"type": "array"}, whitespace="compact"), "[1,2]", "[1, 2]"),
        (hr.Grammar.json_schema({"type": "array"}, separators=(", ", ": ")), "[1, 2]", "[1,2]"),
        (hr.Grammar.json_schema({"type": "array"}, indent=1), "[\n 1\n]", "[1]"),
        (hr.Grammar.json_schema({"type": "array"}, whitespace_pattern=" ?"), "[1, 2]", "[1,  2]"),
        (hr.Grammar.json_schema(PERSON, additional_properties="forbid"), '{"age": 3}', '{"age": 3, "b": 1}'),
        (
            hr.Grammar.json_schema(
                {"$ref": "https://x.test/a"}, documents={"https://x.test/a": {"const": 1}}
            ),
            "1",
            "2",
        ),
        (
            hr.Grammar.tools(
                [{"name": "now", "parameters": {"properties": {"zone": {"type": "string"}}}}], "mistral"
            ),
            'I look. [TOOL_CALLS]now[ARGS]{"zone": "UTC"}',
            '[TOOL_CALLS]now[ARGS]{"city": "Oslo"}',
        ),
        (hr.Grammar.structural_tag(TAG), 'I call <call>{"a": 1}</call>.', "<call>{}</call>"),
        (
            hr.Grammar.structural_tag(json.dumps(TAG), whitespace="compact"),
            '<call>{"a":1}</call>',
            '<call>{"a": 1}</call>',
        ),
        (hr.Grammar.regex("[A-Z]{2}[0-9]"), "AB3", "AB"),
        (hr.Grammar.regex(r"\d", dialect="rust"), "٣", "x"),
        (hr.Grammar.choice(["yes", "no"]), "yes", "ye"),
        (hr.Grammar.gbnf('root ::= "[" root? "]"'), "[[]]", "[["),
        (hr.Grammar.ebnf('root ::= "a"+ "b"'), "aab", "b"),
        (hr.Grammar.lark('start: "a"+ "b"'), "aab", "b"),
        (hr.Grammar.lark('top: "a"', start="top"), "a", "b"),
        (hr.Grammar.lark("%import mine.x\nstart: x", modules={"mine": 'x: "q"'}), "q", "x"),
    ],
)
def test_grammars(grammar: hr.Grammar, good: str, bad: str, bytes_vocabulary: hr.Vocabulary) -> None:
    again = pickle.loads(pickle.dumps(grammar))
    assert again == grammar and hash(again) == hash(grammar) and grammar != hr.Grammar.choice(["other"])
    for form in (grammar.check(), again):
        constraint = hr.compile(form, bytes_vocabulary)
        assert constraint.accepts(good) and constraint.accepts(good.encode())
        assert not constraint.accepts(bad)
    assert constraint.grammar == grammar and constraint.vocabulary is bytes_vocabulary


def test_events(bytes_vocabulary: hr.Vocabulary) -> None:
    call = {"begin": "<call>", "end": "</call>", "role": "call", "name": "now"}
    tags = [{**call, "content": {"type": "json_schema", "json_schema": {"type": "object"}}}]
    tag = {"format": {"type": "triggered_tags", "triggers": ["<call>"], "tags": tags}}
    constraint = hr.compile(hr.Grammar.structural_tag(tag), bytes_vocabulary)
    events = constraint.events()
    assert events.advance_bytes("Hm <") == [{"kind": "text", "delta": "Hm "}]
    assert events.advance_bytes("call>{") == [
        {"kind": "call_begin", "call": 0, "name": "now", "id": None},
        {"kind": "arguments", "call": 0, "delta": "{"},
    ]
    assert events.advance_bytes("x") is None and events.advance_text("x") is None
    fork = events.fork()
    assert fork.advance_bytes("}</call>") == [
        {"kind": "arguments", "call": 0, "delta": "}"},
        {"kind": "call_end", "call": 0},
    ]
    events.rollback()
    assert events.output_len == 1 and events.finish() == [{"kind": "text", "delta": "<"}]
    assert constraint.reply("a<call>{}</call>") == {
        "text": "a",
        "reasoning": "",
        "calls": [{"name": "now", "id": None, "arguments": "{}", "complete": True}],
        "tags": [],
    }
    assert constraint.reply("<call>x") is None and events.constraint is constraint


@pytest.mark.parametrize(
    ("grammar", "kind", "where"),
    [
        (hr.Grammar.json_schema("{"), hr.GrammarError, {"line": 1}),
        (
            hr.Grammar.json_schema('{"type": "nothing"}'),
            hr.GrammarError,
            {"pointer": "/type", "keyword": "type"},
        ),
        (hr.Grammar.json_schema({"type": "integer", "enum": ["a"]}), hr.GrammarError, {}),
        (
            hr.Grammar.json_schema({"oneOf": [{"not": {"minLength": n}} for n in range(1, 40)]}, fuel=3),
            hr.LimitError,
            {},
        ),
        (
            hr.Grammar.structural_tag({"format": {"type": "nothing"}}),
            hr.GrammarError,
            {"pointer": "/format/type"},
        ),
        # A schema inside a tag: the place in the tag, whatever it is that is wrong.
        (
            hr.Grammar.structural_tag({"format": {**SCHEMA_FORMAT, "json_schema": {"items": {"type": "x"}}}}),
            hr.GrammarError,
            {"pointer": "/format/json_schema/items/type", "keyword": "type"},
        ),
        (
            hr.Grammar.structural_tag(
                {
                    "format": {
                        "type": "sequence",
                        "elements": [{"type": "any_text"}, {**SCHEMA_FORMAT, "json_schema": {"type": "x"}}],
                    }
                }
            ),
            hr.GrammarError,
            {"pointer": "/format/elements/1/json_schema/type", "keyword": "type"},
        ),
        (
            hr.Grammar.structural_tag({"format": {"type": "regex", "pattern": "["}}),
            hr.GrammarError,
            {"pointer": "/format/pattern", "keyword": None},
        ),
        (hr.Grammar.regex("[a-"), hr.GrammarError, {}),
        (hr.Grammar.choice([]), hr.GrammarError, {}),
        (hr.Grammar.gbnf('root ::= "a'), hr.GrammarError, {"line": 1}),
        (hr.Grammar.lark("start: missing"), hr.GrammarError, {"line": 1, "column": 8}),
        (hr.Grammar.ebnf("root ::= (" * 2000), hr.HedgerowError, {"line": 1}),
    ],
)
def test_errors(
    grammar: hr.Grammar, kind: type[Exception], where: dict[str, object], bytes_vocabulary: hr.Vocabulary
) -> None:
    with pytest.raises(kind) as caught:
        hr.compile(grammar, bytes_vocabulary)
    assert isinstance(caught.value, hr.HedgerowError)
    for name, value in where.items():
        assert getattr(caught.value, name) == value
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), vars(again)) == (str(caught.value), vars(caught.value))


def test_bad_arguments(words: hr.Vocabulary, bytes_vocabulary: hr.Vocabulary) -> None:
    matcher = hr.compile(hr.Grammar.choice(["yes"]), words).matcher()
    mask = words.mask_buffer()
    cases = [
        (TypeError, lambda: matcher.advance("0")),
        (TypeError, lambda: matcher.advance(1.5)),
        (ValueError, lambda: matcher.advance(-1)),
        (ValueError, lambda: matcher.advance(1 << 40)),
        (ValueError, lambda: matcher.advance(7)),
        (ValueError, lambda: matcher.rollback(1)),
        (ValueError, lambda: matcher.rollback(-1)),
        (ValueError, lambda: matcher.rollback(1 << 70)),
        (TypeError, lambda: matcher.rollback(1.5)),
        (IndexError, lambda: matcher.fill_mask(mask, 1 << 70)),
        (TypeError, lambda: matcher.fill_mask(mask, 0.0)),
        (ValueError, lambda: matcher.fill_mask(bytes(4))),
        (IndexError, lambda: hr.fill_masks([matcher], mask, rows=[-1])),
        (ValueError, lambda: hr.fill_masks([matcher], mask, threads=-1)),
        (IndexError, lambda: matcher.mask_draft_tree([], [], mask, -1)),
        (ValueError, lambda: words.mask_buffer(-1)),
        (ValueError, lambda: words.with_model_size(-1)),
        (ValueError, lambda: hr.Vocabulary.from_tokens(["a"], model_size=-1)),
        (ValueError, lambda: hr.Limits(nodes=-1)),
        (ValueError, lambda: hr.Limits(search_states=1 << 70)),
        (TypeError, lambda: hr.Limits(nodes="x")),
        (ValueError, lambda: matcher.constraint.token_fsm(max_states=-1)),
        (ValueError, lambda: matcher.constraint.token_fsm().next(-1, 0)),
        (ValueError, lambda: hr.Sampler().rollback(-1)),
        (IndexError, lambda: hr.mask_logits(array.array("f", [0]), mask, rows=[-1])),
        (ValueError, lambda: hr.Grammar.json_schema(True, indent=-1)),
        (ValueError, lambda: hr.Grammar.json_schema(True, indent=256)),
        (ValueError, lambda: hr.Grammar.json_schema(True, fuel=-1)),
        (ValueError, lambda: hr.Grammar.tools([], "hermes", max_calls=-1)),
        (ValueError, lambda: hr.Grammar.tools([], "hermes", max_calls=1 << 32)),
        (TypeError, lambda: hr.Grammar.tools([], "hermes", max_calls=1.0)),
        (TypeError, lambda: hr.Vocabulary.from_tokens({"a": 0})),
        (TypeError, lambda: hr.Vocabulary.from_tokens("abc")),
        (TypeError, lambda: hr.Vocabulary.from_tokens(b"abc")),
        (ValueError, lambda: hr.Vocabulary.from_tokens(["a", "b"], special=[("x", 0), ("x", 1)])),
        (FileNotFoundError, lambda: hr.Vocabulary.from_tokenizer("")),
        (TypeError, lambda: hr.Grammar.structural_tag(None)),
        (TypeError, lambda: hr.Compiler(None)),
        (TypeError, lambda: hr.Compiler(words, limits=3)),
        (TypeError, lambda: hr.Compiler(words, cache="x")),
        (TypeError, lambda: hr.Compiler(words).compile(hr.Grammar.choice(["yes"]), eos=[1.9])),
        (hr.VocabularyError, lambda: hr.Compiler(words).compile(hr.Grammar.choice(["yes"]), eos="</s>")),
        (TypeError, lambda: matcher.validate(3)),
        (TypeError, lambda: matcher.advance_all(["x"])),
        (ValueError, lambda: matcher.advance_all([1 << 30])),
        (TypeError, lambda: hr.explain("x", "y")),
        (TypeError, lambda: hr.explain(matcher.constraint, 3)),
        (TypeError, lambda: matcher.advance_bytes(3)),
        (TypeError, lambda: matcher.fill_mask(bytearray(4))),
        (TypeError, lambda: matcher.fill_mask(array.array("d", [0.0]))),
        (TypeError, lambda: matcher.fill_mask([0])),
        (TypeError, lambda: matcher.fill_mask(None)),
        (ValueError, lambda: matcher.fill_mask(memoryview(b"1234").cast("I"))),
        (ValueError, lambda: matcher.fill_mask(array.array("I"))),
        (IndexError, lambda: matcher.fill_mask(mask, 1)),
        (IndexError, lambda: matcher.fill_mask(mask, -1)),
        (ValueError, lambda: hr.fill_masks([matcher, matcher], words.mask_buffer(2))),
        (IndexError, lambda: hr.fill_masks([matcher, matcher.fork()], mask)),
        (ValueError, lambda: hr.fill_masks([matcher], mask, rows=[0, 1])),
        (ValueError, lambda: hr.fill_masks([matcher, matcher.fork()], words.mask_buffer(2), rows=[1, 1])),
        (ValueError, lambda: hr.fill_masks([matcher], mask, threads=0)),
        (TypeError, lambda: hr.fill_masks([3], mask)),
        (ValueError, lambda: hr.fill_masks([matcher], array.array("I"))),
        (TypeError, lambda: hr.Grammar.choice("yes")),
        (TypeError, lambda: hr.Grammar.of("yes")),
        (TypeError, lambda: hr.Grammar.of(b"yes")),
        (TypeError, lambda: hr.Grammar.json_schema(3)),
        (TypeError, lambda: hr.Grammar.json_schema({"const": object()})),
        (ValueError, lambda: hr.Grammar.json_schema({"const": float("nan")})),
        (TypeError, lambda: hr.Grammar.json_schema(True, colour="red")),
        (ValueError, lambda: hr.Grammar.json_schema(True, key_order="some")),
        (ValueError, lambda: hr.Grammar.json_schema(True, whitespace="compact", indent=2)),
        (ValueError, lambda: hr.compile(hr.Grammar.json_schema(True, indent=99), words)),
        (ValueError, lambda: hr.Grammar.regex("a", dialect="perl")),
        (TypeError, lambda: hr.compile("yes", words)),
        (TypeError, lambda: hr.compile(hr.Grammar.choice(["yes"]), "words")),
        (ValueError, lambda: hr.compile(hr.Grammar.choice(["yes"]), words, timeout=-1)),
        (hr.GrammarError, lambda: hr.compile(hr.Grammar.choice(["maybe"]), words)),
        (hr.VocabularyError, lambda: hr.compile(hr.Grammar.choice(["a"]), hr.Vocabulary.from_tokens([]))),
        (hr.VocabularyError, lambda: hr.Vocabulary.from_tokenizer(b"{}")),
        (FileNotFoundError, lambda: hr.Vocabulary.from_tokenizer("/nowhere/tokenizer.json")),
        (FileNotFoundError, lambda: hr.Vocabulary.from_gguf("/nowhere.gguf")),
        (FileNotFoundError, lambda: hr.Vocabulary.from_tokenizer("Qwen/Qwen3-8B")),
        (TypeError, lambda: hr.Vocabulary.from_tokenizer(3)),
        (hr.VocabularyError, lambda: words.with_eos([99])),
        (hr.VocabularyError, lambda: words.with_eos("</s>")),
        (hr.VocabularyError, lambda: words.with_model_size(3)),
        (ValueError, lambda: words.bytes(99)),
        (ValueError, lambda: words.mask_buffer(0)),
        (ValueError, lambda: words.mask_buffer(1 << 62)),
        (hr.VocabularyError, lambda: words.greedy_tokenize("maybe")),
        (ValueError, lambda: matcher.mask_draft_tree([0], [0], mask)),
        (ValueError, lambda: matcher.mask_draft_tree([0, 3], [None], words.mask_buffer(2))),
        (IndexError, lambda: matcher.mask_draft_tree([0, 3], [None, 0], mask)),
        (ValueError, lambda: matcher.mask_draft_tree([0], [-2], mask)),
        (ValueError, lambda: hr.TokenFsm.from_bytes(b"none")),
        (
            hr.LimitError,
            lambda: hr.compile(hr.Grammar.json_schema(True), bytes_vocabulary).token_fsm(max_states=9),
        ),
    ]
    for number, (kind, call) in enumerate(cases):
        with pytest.raises(kind) as caught:
            call()
        assert not isinstance(caught.value, hr.InternalError), number
        assert "::" not in str(caught.value) and " --" not in str(caught.value), number
    assert matcher.output_len == 0 and matcher.advance(0)


NAMES = {
    "Limits::{field}",
    "SchemaOptions::document",
    "Strategy::Contrastive",
    "ToolOptions::calls",
    "decode::Dola",
    "decode::Guided",
    "lark::Options::module",
}
"""The names of Rust in the library's messages that have a name in Python."""


def test_messages_name_python() -> None:
    """A message names what the caller can use: keywords and methods."""
    cases = [
        (hr.Grammar.json_schema({"$ref": "https://x.test/a"}), "with `documents=`"),
        (hr.Grammar.lark("%import mine.x\nstart: x"), "with `modules=`"),
        (hr.Grammar.json_schema({"oneOf": [{"not": {"minLength": 1}}, {"maxLength": 3}]}, fuel=3), "`fuel`"),
    ]
    for grammar, said in cases:
        with pytest.raises(hr.HedgerowError) as caught:
            grammar.check()
        message = str(caught.value)
        assert said in message and "::" not in message and " --" not in message and "`--" not in message
    # All others are found in the sources: whoever adds a name adds it to the package's table, too.
    source = ROOT / "src"
    folders = ("automata", "engine", "grammar", "sampling", "schema", "syntax", "tags", "vocab")
    found = {
        name
        for folder in folders
        for file in sorted((source / folder).rglob("*.rs"))
        for line in file.read_text().splitlines()
        if not line.lstrip().startswith("//")
        for name in re.findall(r"`((?:\w+::)+(?:\w+|\{\w+\}))`|`(--[a-z-]+)", line)
        for name in name
        if name
    }
    assert found == NAMES


class Six:
    """A whole number of another library."""

    def __index__(self) -> int:
        return 6


class Broken:
    def __index__(self) -> int:
        raise RuntimeError("broken")


def test_whole_numbers(words: hr.Vocabulary) -> None:
    """Anything with `__index__` is a whole number, and what it raises is passed on."""
    constraint = hr.compile(hr.Grammar.choice(["o" * 9]), words)
    matcher = constraint.matcher()
    assert matcher.allows(Six()) and matcher.advance(Six()) and matcher.validate([Six(), 0]) == 1
    for _ in range(5):
        matcher.advance(Six())
    matcher.rollback(Six())
    assert matcher.output_len == 0
    out = words.mask_buffer(Six())
    assert out.shape == (6, 1)
    wide = words.mask_buffer(7)
    matcher.fill_mask(wide, Six())
    hr.fill_masks([matcher], wide, rows=[Six()], threads=Six())
    assert wide.tolist() == [[0]] * 6 + [[1 << 6]]
    assert matcher.mask_draft_tree([Six()], [None], wide, Six()) == [True]
    assert words.bytes(Six()) == b"o" and words.decode([Six()]) == b"o"
    assert words.with_eos(Six()).eos == [6] == words.with_eos([Six()]).eos
    assert hr.Limits(nodes=Six()).nodes == 6
    assert hr.Grammar.json_schema(True, indent=Six()).options == {"indent": 6}
    machine = constraint.token_fsm(max_states=100)
    assert machine.next(hr.TokenFsm.START, Six()) is not None and machine.allowed_tokens(Six()) == [6]
    sampler = hr.Sampler()
    sampler.accept(Six())
    assert sampler.output == [6]
    assert hr.Sampler(seed=Six(), suppressed_tokens=[Six()]).params == {"seed": "6", "suppressed_tokens": "6"}
    broken = Broken()
    for call in (
        lambda: matcher.advance(broken),
        lambda: matcher.validate([broken]),
        lambda: matcher.rollback(broken),
        lambda: matcher.fill_mask(wide, broken),
        lambda: hr.fill_masks([matcher], wide, rows=[broken]),
        lambda: words.bytes(broken),
        lambda: words.with_eos(broken),
        lambda: hr.Limits(nodes=broken),
        lambda: sampler.accept(broken),
        lambda: machine.next(0, broken),
    ):
        with pytest.raises(RuntimeError, match="broken"):
            call()


def test_messages(words: hr.Vocabulary, bytes_vocabulary: hr.Vocabulary) -> None:
    matcher = hr.compile(hr.Grammar.choice(["yes"]), words).matcher()
    rows = memoryview(array.array("I", [0] * 6)).cast("B").cast("I", (3, 2))
    sampler = hr.Sampler()
    logits = memoryview(array.array("f", [0.0] * 4)).cast("B").cast("f", (2, 2))
    cases = [
        (lambda: words.mask_buffer(0), "rows is 0; masks need at least one row"),
        (lambda: words.mask_buffer(-1), "rows is -1; it must be from 0"),
        (lambda: hr.Vocabulary.from_tokens([]).mask_buffer(), "no tokens"),
        (lambda: matcher.rollback(-1), "steps is -1"),
        (lambda: matcher.fill_mask(array.array("q", [0])), "masks must hold 32-bit integers"),
        (lambda: matcher.fill_mask(rows[::-1]), "reverse order"),
        (lambda: matcher.fill_mask(rows, -1), "row -1 of a mask array of 3 rows"),
        (
            lambda: hr.fill_masks([matcher, matcher.fork()], words.mask_buffer()),
            "2 matchers in a mask array of 1",
        ),
        (lambda: sampler.sample(["a"]), "logits are a row of floats"),
        (lambda: hr.Sampler(temperature=None), "`temperature`: `None` cannot be read"),
        (lambda: hr.sample_batch([sampler], logits), "there are 1 samplers, but 2 rows of logits$"),
        (lambda: hr.sample_batch([sampler, sampler], logits), "a sampler is given twice"),
        (lambda: hr.Sampler.preset("nope"), 'no preset is called "nope"; there are .*creative'),
        (lambda: hr.Grammar.structural_tag(None), "a structural tag is JSON text or a dict, not NoneType"),
        (lambda: hr.Grammar.json_schema(True, separators=("x", ":")).check(), "`separators` must separate"),
        (
            lambda: hr.Grammar.json_schema(True, whitespace_pattern="a").check(),
            "`whitespace_pattern` is a pattern",
        ),
        (lambda: hr.Vocabulary.from_tokens({"a": 0}), "token i is at place i"),
        (
            lambda: hr.Vocabulary.from_tokens(["a"], special=["a"]),
            "special maps names to ids.*'a' is no such",
        ),
        (lambda: hr.Vocabulary.from_tokens(["a"], special={0: "a"}), "special maps names to ids"),
        (lambda: hr.Grammar.choice([1]), "a choice is a str, not <class 'int'>"),
        (
            lambda: hr.Grammar.json_schema(True, whitespace=None),
            'whitespace is None; it must be "flexible" or',
        ),
        (
            lambda: hr.Grammar.json_schema(True, additional_properties=False),
            'additional_properties is False; it must be "as-schema" or "forbid"',
        ),
        (lambda: hr.Grammar.json_schema(True, separators=",:"), "separators is ',:'; it must be two strings"),
        (lambda: hr.Grammar.json_schema(True, surrounding_whitespace=1), "it must be True or False"),
        (lambda: hr.Grammar.tools([print], "hermes"), "a tool is a dict"),
        (lambda: hr.Grammar.tools(print, "hermes"), "tools are a list of dicts"),
        (lambda: hr.compile(True, words, timeout=-1), "timeout is -1; it must be a number of seconds"),
        (lambda: hr.compile(True, words, timeout=math.nan), "timeout is NaN; it must be"),
        (lambda: hr.mask_logits(words.mask_buffer(), words.mask_buffer()), "it must hold floats"),
        (
            lambda: hr.compile(
                {"type": "object"}, bytes_vocabulary, limits=hr.Limits(state_threads=1)
            ).accepts('{"a": 1}'),
            r"raise `Limits\(state_threads=…\)`",
        ),
    ]
    for call, said in cases:
        with pytest.raises(Exception, match=said) as caught:
            call()
        assert not isinstance(caught.value, hr.InternalError)
    assert hr.compile(True, bytes_vocabulary, timeout=math.inf).accepts("1")
    for path in ("/nowhere.gguf", ""):
        with pytest.raises(FileNotFoundError) as missing:
            hr.Vocabulary.from_gguf(path)
        assert (missing.value.errno, missing.value.filename) == (errno.ENOENT, path)
    assert hr.Sampler(order=["mask", "top_k", "temperature"], top_k=2).sample([1.0, 0.0]) in (0, 1)


def test_descriptions(words: hr.Vocabulary) -> None:
    grammars = [
        hr.Grammar.choice(["a", 'b"\n']),
        hr.Grammar.json_schema('{"type": "object"}', key_order="any"),
        hr.Grammar.regex("a'b", dialect="rust"),
        hr.Grammar.gbnf('root ::= "a"'),
    ]
    for grammar in grammars:
        assert eval(repr(grammar), {"Grammar": hr.Grammar}) == grammar
    assert len(repr(hr.Grammar.choice(["a" * 5000]))) < 120
    for option in hr.Grammar.json_schema(True).options or ("key_order", "escapes", "fuel", "documents"):
        assert f"`{option}`" in (hr.Grammar.json_schema.__doc__ or "")
    constraint = hr.compile(hr.Grammar.choice(["yes"]), words)
    for thing in (words, constraint, constraint.grammar, constraint.matcher(), hr.Sampler()):
        assert weakref.ref(thing)() is thing


def test_buffers(words: hr.Vocabulary) -> None:
    matcher = hr.compile(hr.Grammar.choice(["yes", "no"]), words).matcher()
    expected = 0b110011
    for out in (
        array.array("I", [7]),
        array.array("i", [7]),
        (ctypes.c_int32 * 1)(7),
        (ctypes.c_uint32 * 1)(7),
    ):
        matcher.fill_mask(out)
        assert out[0] == expected
    # A wider row: no token has the bits behind the vocabulary's.
    wide = array.array("I", [7, 7, 7])
    matcher.fill_mask(wide)
    assert list(wide) == [expected, 0, 0]
    rows = memoryview(array.array("I", [9] * 6)).cast("B").cast("I", (3, 2))
    matcher.fill_mask(rows, 1)
    assert rows.tolist() == [[9, 9], [expected, 0], [9, 9]]
    # Rows of a larger array.
    hr.fill_masks([matcher, matcher.fork()], rows, rows=[2, 0])
    assert rows.tolist() == [[expected, 0], [expected, 0], [expected, 0]]


def test_batch(words: hr.Vocabulary) -> None:
    one, other = (hr.compile(hr.Grammar.choice([text]), words) for text in ("yes", "no"))
    out = words.mask_buffer(3)
    hr.fill_masks([one.matcher(), other.matcher(), one.matcher()], out, threads=2)
    assert out.tolist() == [[0b11], [0b110000], [0b11]]
    hr.fill_masks([], out)


def test_draft_tree(words: hr.Vocabulary) -> None:
    matcher = hr.compile(hr.Grammar.choice(["yes", "no"]), words).matcher()
    out = words.mask_buffer(4)
    allowed = matcher.mask_draft_tree([0, 3, 2, 4], [None, 0, -1, None], out)
    assert allowed == [True, True, False, True]
    assert out.tolist() == [[1 << 3], [0], [0], [0]]
    shifted = words.mask_buffer(5)
    assert matcher.mask_draft_tree([0], [-1], shifted, 4) == [True]
    assert shifted.tolist() == [[0], [0], [0], [0], [1 << 3]]
    assert matcher.mask_draft_tree([], [], out, 4) == []


def test_end_tokens(bytes_vocabulary: hr.Vocabulary) -> None:
    end = bytes_vocabulary.eos[0]
    matcher = hr.compile(hr.Grammar.choice(["a"]), bytes_vocabulary).matcher()
    assert not matcher.allows(end) and matcher.advance(ord("a")) and matcher.allowed_tokens() == [end]
    assert matcher.advance(end) and matcher.is_stopped
    matcher.rollback()
    assert not matcher.is_stopped and matcher.output_len == 1


def test_token_fsm(words: hr.Vocabulary) -> None:
    constraint = hr.compile(hr.Grammar.choice(["yes", "no"]), words)
    machine = constraint.token_fsm()
    assert machine.token_count == words.size and machine.vocabulary_fingerprint == words.fingerprint
    state = machine.next(hr.TokenFsm.START, 0)
    assert state is not None and machine.allowed_tokens(state) == [3]
    assert machine.next(hr.TokenFsm.START, 3) is None
    out = words.mask_buffer()
    machine.fill_mask(hr.TokenFsm.START, out)
    assert bits(out) == constraint.matcher().allowed_tokens()
    again = pickle.loads(pickle.dumps(machine))
    assert again.to_bytes() == machine.to_bytes()
    table = machine.to_table()
    assert len(table) == machine.state_count * machine.class_count
    assert table[machine.token_classes[0]] == state and table.readonly
    assert len(machine.row_starts) == machine.state_count + 1
    assert len(machine.edge_classes) == len(machine.edge_targets) == machine.row_starts[-1]
    assert not machine.is_accepting(state) and not machine.is_stopped(state)
    with pytest.raises(ValueError, match="none of them"):
        machine.is_accepting(99)


def test_vocabulary(bytes_vocabulary: hr.Vocabulary) -> None:
    end = bytes_vocabulary.eos[0]
    assert bytes_vocabulary.special_tokens == {"<end>": end}
    assert bytes_vocabulary.name(end) == "<end>" and bytes_vocabulary.is_special(end)
    assert bytes_vocabulary.bytes(65) == b"A" and bytes_vocabulary.name(65) is None
    assert bytes_vocabulary.decode(bytes_vocabulary.greedy_tokenize("true é")) == "true é".encode()
    wider = bytes_vocabulary.with_model_size(300)
    assert (len(wider), wider.size, wider.token_count, wider.mask_words) == (300, 300, end + 1, 10)
    for vocabulary in (bytes_vocabulary, wider, bytes_vocabulary.with_eos([end, 10])):
        again = pickle.loads(pickle.dumps(vocabulary))
        assert again == vocabulary and hash(again) == hash(vocabulary) and again.eos == vocabulary.eos
    assert wider != bytes_vocabulary
    named = bytes_vocabulary.with_eos_from_config('{"eos_token_id": 3}', b'{"eos_token": "<end>"}')
    assert named.eos == [3, end]
    bytes_vocabulary.prepare()
    ranks = hr.Vocabulary.from_tiktoken("YQ== 0\nYg== 1\n", special={"<|endoftext|>": 2})
    assert ranks.bytes(1) == b"b" and ranks.eos == [2]


def test_tokenizer_files(tmp_path: Path, llama: Path) -> None:
    vocabulary = hr.Vocabulary.from_tokenizer(llama)
    assert vocabulary.size > 128_000 and vocabulary.special_tokens["<|eot_id|>"] in vocabulary.eos
    (tmp_path / "tokenizer.json").symlink_to(llama)
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [128001, 128009]}')
    assert hr.Vocabulary.from_tokenizer(str(tmp_path)).eos == [128001, 128009]
    assert hr.Vocabulary.from_tokenizer(tmp_path, eos="<|eot_id|>", model_size=130_000).size == 130_000


def test_no_weights_are_read_for_a_vocabulary(tmp_path: Path) -> None:
    def text(value: bytes) -> bytes:
        return struct.pack("<Q", len(value)) + value

    tokens = b"".join(map(text, (b"<s>", "▁a".encode(), b"</s>")))
    pairs = [
        (b"tokenizer.ggml.model", struct.pack("<I", 8) + text(b"llama")),
        (b"tokenizer.ggml.tokens", struct.pack("<IIQ", 9, 8, 3) + tokens),
        (b"tokenizer.ggml.eos_token_id", struct.pack("<II", 4, 2)),
    ]
    path = tmp_path / "model.gguf"
    with path.open("wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)))
        file.writelines(text(key) + value for key, value in pairs)
        # A terabyte, which takes no place on the disk.
        file.truncate(1 << 40)
    vocabulary = hr.Vocabulary.from_tokenizer(path)
    assert (vocabulary.size, vocabulary.eos, vocabulary.bytes(1)) == (3, [2], b" a")
    path.write_bytes(b"GGUF")
    with pytest.raises(hr.VocabularyError, match="truncated"):
        hr.Vocabulary.from_gguf(path)


def test_tokenizers_and_tiktoken(llama: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer.from_file(str(llama))
    assert hr.Vocabulary.from_tokenizer(tokenizer) == hr.Vocabulary.from_tokenizer(llama)
    tiktoken = pytest.importorskip("tiktoken")
    encoding = tiktoken.Encoding(
        "small",
        pat_str=".",
        mergeable_ranks={b"a": 0, b"b": 1, b"ab": 2},
        special_tokens={"<|endoftext|>": 4},
    )
    vocabulary = hr.Vocabulary.from_tokenizer(encoding)
    assert (vocabulary.bytes(2), vocabulary.bytes(3), vocabulary.eos) == (b"ab", b"", [4])


def test_limits_and_warnings(bytes_vocabulary: hr.Vocabulary) -> None:
    limits = hr.Limits(graph_bytes=1 << 20)
    assert limits == hr.Limits(graph_bytes=1 << 20) != hr.Limits() and hash(limits)
    constraint = hr.compile(hr.Grammar.json_schema(PERSON), bytes_vocabulary, limits=limits)
    constraint.matcher().allowed_tokens()
    assert constraint.stats()["masks"] >= 1
    with pytest.raises(hr.LimitError, match="state_threads"):
        hr.compile({"type": "object"}, bytes_vocabulary, limits=hr.Limits(state_threads=1)).accepts(
            '{"a": 1}'
        )
    [warning] = hr.Grammar.json_schema({"colour": "red"}).warnings()
    assert warning.keyword == "colour"
    tag = {"format": {"type": "json_schema", "json_schema": {"colour": "red"}}}
    [warning] = hr.Grammar.structural_tag(tag).warnings()
    assert (warning.pointer, warning.keyword) == ("/format/json_schema", "colour")
    tool = {"name": "paint", "parameters": {"properties": {"with": {"colour": "red"}}}}
    [warning] = hr.Grammar.tools([tool], "hermes").warnings()
    assert warning.pointer == "/0/parameters/properties/with"
    [warning] = hr.Grammar.lark('start: %json {"items": {"colour": 1}}').warnings()
    assert warning.pointer == "/items" and warning.message.endswith("in the `%json` on line 1")


def test_views(bytes_vocabulary: hr.Vocabulary) -> None:
    constraint = hr.compile(hr.Grammar.json_schema(PERSON), bytes_vocabulary)
    matcher = constraint.matcher()
    matcher.advance_bytes('{"a')
    assert "<code>ge&quot;" in matcher._repr_html_() and "age" not in matcher._repr_html_()
    told = hr.explain(constraint, '{"age": x<3}')
    assert (told.prefix_len, told.is_accepted) == (8, False)
    assert "leaves the grammar at byte 8" in told._repr_html_() and "x&lt;3" in told._repr_html_()
    assert "belongs" in hr.explain(constraint, '{"age": 3}')._repr_html_()
    for thing in (constraint, matcher, constraint.grammar, bytes_vocabulary, hr.Limits(), hr.CancelFlag()):
        assert type(thing).__name__ in repr(thing)
