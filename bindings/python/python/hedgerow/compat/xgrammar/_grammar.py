"""Grammars and their compiler by XGrammar's names."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from ..._compiler import Compiler
from ..._core import Constraint
from ..._core import Grammar as _Grammar
from ..._schema import to_text
from ._errors import InvalidJSONError, InvalidStructuralTagError, raised_as
from ._tokenizer_info import TokenizerInfo

_TOKENS = re.compile(r'"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|#[^\n]*|[A-Za-z_][A-Za-z0-9_.-]*')
"""Strings, sets of characters, comments and names of GBNF."""


def _schema_grammar(
    schema: Any,
    *,
    any_whitespace: bool = True,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    strict_mode: bool = True,
    max_whitespace_cnt: int | None = None,
    any_order: bool = False,
) -> _Grammar:
    options: dict[str, Any] = {}
    if any_whitespace:
        if max_whitespace_cnt is not None:
            options["whitespace_pattern"] = f"[ \\n\\r\\t]{{0,{max_whitespace_cnt}}}"
    elif indent is not None:
        options["indent"] = indent
    else:
        options["separators"] = separators or (", ", ": ")
    if strict_mode:
        options["additional_properties"] = "forbid"
    if any_order:
        options["key_order"] = "any"
    return _Grammar.json_schema(schema, **options)


def _rules(text: str, root: str) -> _Grammar:
    """Rules in GBNF of which `root` is the whole output."""
    if root == "root":
        return _Grammar.gbnf(text)
    names = set(_TOKENS.findall(text))
    if root not in names:
        raise RuntimeError(f"no rule is called {root!r}")
    if "root" in names:
        other = next(name for name in (f"root-{at}" for at in range(len(names) + 1)) if name not in names)
        text = _TOKENS.sub(lambda found: other if found[0] == "root" else found[0], text)
    return _Grammar.gbnf(f"root ::= {root}\n{text}")


def _any_json() -> _Grammar:
    """XGrammar's grammar of any JSON: an object or an array."""
    return _Grammar.json_schema({"type": ["object", "array"]})


def _lark(text: str, named_grammars: Any) -> _Grammar:
    if named_grammars:
        raise NotImplementedError("named_grammars are not supported; hedgerow.Grammar.lark takes modules")
    return _Grammar.lark(text)


def _tag(arguments: Sequence[Any], named: dict[str, Any]) -> _Grammar:
    """The grammar of a structural tag: text, a dict or a model; or, in the old form, items and
    triggers.
    """
    given = [*arguments, *(named[name] for name in ("structural_tag", "tags", "triggers") if name in named)]
    if len(given) == 2:
        tags = [_item(item) for item in given[0]]
        tag: Any = {"format": {"type": "triggered_tags", "triggers": list(given[1]), "tags": tags}}
    elif len(given) == 1:
        tag = given[0]
    else:
        raise TypeError("give a structural tag, or tags and triggers")
    if hasattr(tag, "model_dump_json"):
        tag = tag.model_dump_json()
    if isinstance(tag, str):
        try:
            json.loads(tag)
        except json.JSONDecodeError as error:
            raise InvalidJSONError(str(error)) from error
    with raised_as(InvalidStructuralTagError):
        return _Grammar.structural_tag(tag)


def _item(item: Any) -> dict[str, Any]:
    """A tag of the old form: its beginning, its schema and its end."""
    content = {"type": "json_schema", "json_schema": json.loads(to_text(item.schema_))}
    return {"begin": item.begin, "content": content, "end": item.end}


def _format(grammar: _Grammar) -> dict[str, Any]:
    """A grammar as a format of structural tags."""
    if grammar.kind == "json_schema":
        return {"type": "json_schema", "json_schema": json.loads(grammar.text)}
    if grammar.kind == "regex":
        return {"type": "regex", "pattern": grammar.text}
    if grammar.kind == "gbnf":
        return {"type": "grammar", "grammar": grammar.text}
    if grammar.kind == "structural_tag":
        form: dict[str, Any] = json.loads(grammar.text)["format"]
        return form
    raise NotImplementedError(f"grammars of kind {grammar.kind} cannot be parts of others")


def _joined(kind: str, grammars: Sequence[Grammar]) -> Grammar:
    """A sequence or choice of grammars."""
    schemas = [part.grammar for part in grammars if part.grammar.kind in ("json_schema", "structural_tag")]
    options: dict[str, Any] = schemas[0].options if schemas else {}
    if any(schema.options != options for schema in schemas):
        raise NotImplementedError("the JSON Schemas of the grammars have different options")
    tag = {"format": {"type": kind, "elements": [_format(part.grammar) for part in grammars]}}
    with raised_as():
        return Grammar(_Grammar.structural_tag(tag, **options).check())


class Grammar:
    """A grammar without a vocabulary."""

    def __init__(self, grammar: _Grammar) -> None:
        self.grammar = grammar

    def __str__(self) -> str:
        """The text that the grammar was made of, which is EBNF for `from_ebnf` only."""
        return self.grammar.text

    @staticmethod
    def from_ebnf(ebnf_string: str, *, root_rule_name: str = "root") -> Grammar:
        """The grammar of rules in GBNF, which XGrammar calls EBNF."""
        with raised_as():
            return Grammar(_rules(ebnf_string, root_rule_name).check())

    @staticmethod
    def from_json_schema(
        schema: Any,
        *,
        any_whitespace: bool = True,
        indent: int | None = None,
        separators: tuple[str, str] | None = None,
        strict_mode: bool = True,
        max_whitespace_cnt: int | None = None,
        print_converted_ebnf: bool = False,
        any_order: bool = False,
    ) -> Grammar:
        """The grammar of a JSON Schema, with the options of `compile_json_schema`."""
        with raised_as():
            grammar = _schema_grammar(
                schema,
                any_whitespace=any_whitespace,
                indent=indent,
                separators=separators,
                strict_mode=strict_mode,
                max_whitespace_cnt=max_whitespace_cnt,
                any_order=any_order,
            )
            return Grammar(grammar.check())

    @staticmethod
    def from_regex(regex_string: str, *, print_converted_ebnf: bool = False) -> Grammar:
        """The grammar of a regular expression."""
        with raised_as():
            return Grammar(_Grammar.regex(regex_string).check())

    @staticmethod
    def from_lark(lark_string: str, *, tokenizer_info: Any = None, named_grammars: Any = None) -> Grammar:
        """The grammar of rules in Lark's notation."""
        with raised_as():
            return Grammar(_lark(lark_string, named_grammars).check())

    @staticmethod
    def from_structural_tag(*args: Any, **kwargs: Any) -> Grammar:
        """The grammar of a structural tag: text, a dict or a model; or of tags and triggers."""
        grammar = _tag(args, kwargs)
        with raised_as(InvalidStructuralTagError):
            return Grammar(grammar.check())

    @staticmethod
    def builtin_json_grammar() -> Grammar:
        """The grammar of any JSON: an object or an array."""
        return Grammar(_any_json())

    @staticmethod
    def concat(*grammars: Grammar) -> Grammar:
        """The outputs of the grammars, one after the other. Lark's grammars cannot be parts."""
        return _joined("sequence", grammars)

    @staticmethod
    def union(*grammars: Grammar) -> Grammar:
        """The outputs of any of the grammars. Lark's grammars cannot be parts."""
        return _joined("or", grammars)


class CompiledGrammar:
    """A grammar over a vocabulary."""

    def __init__(self, constraint: Constraint, tokenizer_info: TokenizerInfo) -> None:
        self.constraint = constraint
        self.tokenizer_info = tokenizer_info

    @property
    def grammar(self) -> Grammar:
        """The grammar alone."""
        return Grammar(self.constraint.grammar)

    @property
    def memory_size_bytes(self) -> int:
        """The memory that is held, about."""
        return self.constraint.memory


class GrammarCompiler:
    """Compiles for one vocabulary, and keeps the 1,024 grammars that were used last.

    `max_threads` has no effect: masks are computed when they are asked for. `cache_limit_bytes` is
    enforced when a grammar is added; -1 is no limit.
    """

    def __init__(
        self,
        tokenizer_info: TokenizerInfo,
        *,
        max_threads: int = 8,
        cache_enabled: bool = True,
        cache_limit_bytes: int = -1,
    ) -> None:
        if not isinstance(tokenizer_info, TokenizerInfo):
            raise ValueError(f"tokenizer_info is a {type(tokenizer_info).__name__}, not a TokenizerInfo")
        self.tokenizer_info = tokenizer_info
        limit = None if cache_limit_bytes == -1 else cache_limit_bytes
        room = 1024 if cache_enabled else 0
        self._compiler = Compiler(tokenizer_info.vocabulary, cache=room, cache_bytes=limit)
        self._cache_limit_bytes = cache_limit_bytes

    def _compiled(self, grammar: _Grammar, kind: type[RuntimeError] = RuntimeError) -> CompiledGrammar:
        with raised_as(kind):
            return CompiledGrammar(self._compiler.compile(grammar), self.tokenizer_info)

    def compile_json_schema(
        self,
        schema: Any,
        *,
        any_whitespace: bool = True,
        indent: int | None = None,
        separators: tuple[str, str] | None = None,
        strict_mode: bool = True,
        max_whitespace_cnt: int | None = None,
        any_order: bool = False,
    ) -> CompiledGrammar:
        """The grammar of a JSON Schema: text, a dict, or a pydantic model."""
        with raised_as():
            grammar = _schema_grammar(
                schema,
                any_whitespace=any_whitespace,
                indent=indent,
                separators=separators,
                strict_mode=strict_mode,
                max_whitespace_cnt=max_whitespace_cnt,
                any_order=any_order,
            )
        return self._compiled(grammar)

    def compile_builtin_json_grammar(self) -> CompiledGrammar:
        """The grammar of any JSON: an object or an array."""
        return self._compiled(_any_json())

    def compile_regex(self, regex: str) -> CompiledGrammar:
        """The grammar of a regular expression."""
        return self._compiled(_Grammar.regex(regex))

    def compile_lark(self, lark_string: str, *, named_grammars: Any = None) -> CompiledGrammar:
        """The grammar of rules in Lark's notation."""
        return self._compiled(_lark(lark_string, named_grammars))

    def compile_grammar(self, grammar: str | Grammar, *, root_rule_name: str = "root") -> CompiledGrammar:
        """A grammar, or the grammar of rules in GBNF."""
        if isinstance(grammar, str):
            return self._compiled(_rules(grammar, root_rule_name))
        return self._compiled(grammar.grammar)

    def compile_structural_tag(self, *args: Any, **kwargs: Any) -> CompiledGrammar:
        """The grammar of a structural tag: text, a dict or a model; or of tags and triggers."""
        return self._compiled(_tag(args, kwargs), InvalidStructuralTagError)

    def clear_cache(self) -> None:
        """Forgets all grammars."""
        self._compiler.cache_clear()

    def get_cache_size_bytes(self) -> int:
        """The memory of the grammars that are kept, about."""
        return sum(constraint.memory for constraint in self._compiler.constraints())

    @property
    def cache_limit_bytes(self) -> int:
        """The limit that was given."""
        return self._cache_limit_bytes
