"""Requests of serving engines as grammars."""

from __future__ import annotations

import json
import re
from typing import Any

from ._core import Grammar

_QUOTED = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/(?:\\.|[^/\\\n])+/')


def grammar_of_rules(text: str) -> Grammar:
    """Rules whose notation is not told: GBNF and EBNF define with `::=`, Lark with a colon."""
    return Grammar.gbnf(text) if "::=" in _QUOTED.sub("", text) else Grammar.lark(text)


def grammar_of(kind: str, spec: str, **schema_options: Any) -> Grammar:
    """The grammar of a request: of kind "json", "json_object", "regex", "choice", "grammar" or
    "structural_tag", with its text. Raises `ValueError` for kinds that are not supported.
    """
    if kind == "json":
        return Grammar.json_schema(spec, **schema_options)
    if kind == "json_object":
        return Grammar.json_schema({"type": "object"}, **schema_options)
    if kind == "regex":
        return Grammar.regex(spec)
    if kind == "choice":
        choices = json.loads(spec)
        if not isinstance(choices, list) or not all(isinstance(choice, str) for choice in choices):
            raise ValueError("choices are a list of strings")
        return Grammar.choice(choices)
    if kind == "grammar":
        return grammar_of_rules(spec)
    if kind == "structural_tag":
        return Grammar.structural_tag(spec, **schema_options)
    raise ValueError(f"requests of kind {kind!r} are not supported by hedgerow")
