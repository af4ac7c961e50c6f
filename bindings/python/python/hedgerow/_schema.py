"""JSON Schemas of Python's types, as text.

Models of pydantic and structs of msgspec are known by what they can do. Plain annotations
(dataclasses, `TypedDict`, `Enum`, `Literal`, `list[int]`) need one of the two, and take pydantic if
both are installed.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import typing
from collections.abc import Mapping
from typing import Any

from .errors import LimitError


def to_text(schema: Any) -> str:
    """The schema as JSON text."""
    if isinstance(schema, str):
        return schema
    if isinstance(schema, (bytes, bytearray, memoryview)):
        return bytes(schema).decode("utf-8")
    if not isinstance(schema, (bool, Mapping)):
        schema = of_type(schema)
    return _dumps(schema)


def tools_to_text(tools: Any) -> str:
    """A list of tools as JSON text."""
    if isinstance(tools, (str, bytes, bytearray, memoryview, Mapping)):
        return to_text(tools)
    if not isinstance(tools, (list, tuple)):
        raise TypeError(f"tools are a list of dicts, or JSON text, not {type(tools).__name__}")
    for tool in tools:
        if not isinstance(tool, Mapping):
            raise TypeError(
                f"a tool is a dict with a name and the JSON Schema of its parameters, not {tool!r}; "
                'a pydantic model M is {"name": …, "parameters": M.model_json_schema()}'
            )
    return _dumps(tools)


def _dumps(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError as error:
        raise ValueError(f"the schema is no JSON: {error}") from None
    except RecursionError:
        said = "the schema is nested deeper than Python writes JSON; give it as text"
        raise LimitError(said) from None


def tag_to_text(tag: Any) -> str:
    """A structural tag as JSON text."""
    if isinstance(tag, (str, bytes, bytearray, memoryview, Mapping)):
        return to_text(tag)
    raise TypeError(f"a structural tag is JSON text or a dict, not {type(tag).__name__}")


def _plain(value: Any) -> Any:
    """A value inside a schema that `json` does not know."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a schema cannot hold {value!r}, which is no JSON")


def of_type(kind: Any) -> Any:
    """The schema of a type, or of an object that tells its own."""
    model_schema = getattr(kind, "model_json_schema", None)
    if isinstance(kind, type) and callable(model_schema):
        try:
            return model_schema()
        except AttributeError as error:
            # Pydantic's own base class has no fields.
            raise TypeError(f"no JSON Schema can be made of {kind!r}: {error}") from None
    if hasattr(kind, "core_schema") and callable(getattr(kind, "json_schema", None)):
        return kind.json_schema()
    if isinstance(kind, type) and hasattr(kind, "__struct_fields__"):
        return _of_msgspec(kind)
    if not _is_annotation(kind):
        raise _refused(kind)
    refused: Exception | None = None
    try:
        from pydantic import TypeAdapter
        from pydantic.errors import PydanticUserError
    except ImportError:
        pass
    else:
        try:
            return TypeAdapter(kind).json_schema()
        except PydanticUserError as error:
            # Such as a TypedDict of `typing` before Python 3.12, which msgspec reads.
            refused = error
    try:
        return _of_msgspec(kind)
    except TypeError as error:
        raise _refused(kind) from (refused or error)
    except ImportError:
        if refused is not None:
            raise refused from None
        said = f"the JSON Schema of {kind!r} is made by pydantic or msgspec; install one of them"
        raise ImportError(said) from None


def _refused(kind: Any) -> TypeError:
    """The error for an object that has no schema, with a hint where the fault is clear."""
    owner = type(kind)
    hint = ""
    if callable(kind) and not isinstance(kind, type) and type(kind).__module__ not in _ANNOTATIONS:
        hint = "; call it, if its result is a schema"
    elif (
        dataclasses.is_dataclass(owner) or hasattr(owner, "model_json_schema") or isinstance(kind, enum.Enum)
    ):
        hint = f"; it is an object, so give its type, {owner.__name__}"
    return TypeError(
        f"no JSON Schema can be made of {kind!r}{hint}; what can be given is text, a dict, a bool, a pydantic "
        "model, a dataclass, a TypedDict, an Enum, a Literal or a msgspec.Struct"
    )


def _of_msgspec(kind: Any) -> Any:
    import msgspec

    return msgspec.json.schema(kind)


_ANNOTATIONS = ("typing", "typing_extensions")
"""The modules of annotations, such as `LiteralString`, that are objects and can be called."""


def _is_annotation(kind: Any) -> bool:
    """Tells whether an object can stand behind the colon of an annotation."""
    return (
        isinstance(kind, type)
        or kind is Any  # no class before Python 3.11
        or typing.get_origin(kind) is not None
        or hasattr(kind, "__supertype__")  # NewType
        or hasattr(kind, "__value__")  # type X = …
    )
