"""JSON Schemas of Python's types, as text.

Models of pydantic and structs of msgspec are known by what they can do. Plain annotations
(dataclasses, `TypedDict`, `Enum`, `Literal`, `list[int]`) need one of the two, and take pydantic if
both are installed.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping
from typing import Any


def to_text(schema: Any) -> str:
    """The schema as JSON text."""
    if isinstance(schema, str):
        return schema
    if isinstance(schema, (bytes, bytearray, memoryview)):
        return bytes(schema).decode("utf-8")
    if not isinstance(schema, (bool, Mapping)):
        schema = of_type(schema)
    return json.dumps(schema, ensure_ascii=False, allow_nan=False, default=_plain)


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
        raise TypeError(
            f"no JSON Schema can be made of {kind!r}; give text, a dict, a bool, a pydantic model, a dataclass, "
            "a TypedDict, an Enum, a Literal or a msgspec.Struct"
        )
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
    except ImportError:
        if refused is not None:
            raise refused from None
        said = f"the JSON Schema of {kind!r} is made by pydantic or msgspec; install one of them"
        raise ImportError(said) from None


def _of_msgspec(kind: Any) -> Any:
    import msgspec

    return msgspec.json.schema(kind)


def _is_annotation(kind: Any) -> bool:
    """Tells whether an object can stand behind the colon of an annotation."""
    return (
        isinstance(kind, type)
        or typing.get_origin(kind) is not None
        or hasattr(kind, "__supertype__")  # NewType
        or hasattr(kind, "__value__")  # type X = …
    )
