"""Schemas of Python's types: what they describe is what is written, and what is written is read
back.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import random
import sys
import typing
from collections.abc import Callable
from typing import Any, Literal

import hedgerow as hr
import pytest
from hedgerow._schema import to_text
from typing_extensions import TypeAliasType, TypedDict

pydantic = pytest.importorskip("pydantic")
msgspec = pytest.importorskip("msgspec")
jsonschema = pytest.importorskip("jsonschema")


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Place(pydantic.BaseModel):
    name: str = pydantic.Field(min_length=1, max_length=8)
    height: float = pydantic.Field(ge=0, lt=9000)


class Trip(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")

    places: list[Place] = pydantic.Field(min_length=1, max_length=3)
    colour: Colour | None = None
    next: Trip | None = None


@dataclasses.dataclass
class Point:
    x: int
    y: int
    label: Literal["a", "b"] = "a"


class Song(TypedDict):
    title: str
    year: int


class OldSong(typing.TypedDict):
    title: str


class Sheep(msgspec.Struct):
    name: str
    legs: int = 4


READERS: list[tuple[Any, Callable[[str], Any]]] = [
    (Place, Place.model_validate_json),
    (Trip, Trip.model_validate_json),
    (pydantic.TypeAdapter(list[Place]), pydantic.TypeAdapter(list[Place]).validate_json),
    (Point, pydantic.TypeAdapter(Point).validate_json),
    (Song, pydantic.TypeAdapter(Song).validate_json),
    (OldSong, lambda text: msgspec.json.decode(text, type=OldSong)),
    (Colour, lambda text: Colour(json.loads(text))),
    (Literal["x", 3], lambda text: {"x": 1, 3: 1}[json.loads(text)]),
    (Sheep, lambda text: msgspec.json.decode(text, type=Sheep)),
    (dict[str, int], pydantic.TypeAdapter(dict[str, int]).validate_json),
    (int | None, pydantic.TypeAdapter(int | None).validate_json),
]


def write(constraint: hr.Constraint, rng: random.Random) -> str:
    """An output: some random tokens, then the way to the end."""
    matcher = constraint.matcher()
    tokens: list[int] = []
    for _ in range(rng.randrange(60)):
        allowed = [token for token in matcher.allowed_tokens() if token not in constraint.vocabulary.eos]
        if not allowed:
            break
        tokens.append(rng.choice(allowed))
        assert matcher.advance(tokens[-1])
    way = matcher.completion()
    assert way is not None
    return constraint.vocabulary.decode(tokens + way).decode("utf-8")


@pytest.mark.parametrize(("kind", "read"), READERS, ids=[str(kind) for kind, _ in READERS])
def test_round_trips(kind: Any, read: Callable[[str], Any], bytes_vocabulary: hr.Vocabulary) -> None:
    constraint = hr.compile(kind, bytes_vocabulary)
    schema = json.loads(to_text(kind))
    judge = jsonschema.Draft202012Validator(schema)
    rng = random.Random(3)
    for _ in range(30):
        text = write(constraint, rng)
        judge.validate(json.loads(text))
        read(text)
        assert constraint.accepts(text)


def test_values_are_accepted(bytes_vocabulary: hr.Vocabulary) -> None:
    trip = Trip(
        places=[Place(name="Ålesund", height=3.5)],
        colour=Colour.RED,
        next=Trip(places=[Place(name="x", height=0)]),
    )
    assert hr.compile(Trip, bytes_vocabulary).accepts(trip.model_dump_json())
    assert hr.compile(Sheep, bytes_vocabulary).accepts(msgspec.json.encode(Sheep("Dolly")))
    assert not hr.compile(Colour, bytes_vocabulary).accepts('"blue"')


def test_aliases(bytes_vocabulary: hr.Vocabulary) -> None:
    alias = TypeAliasType("alias", list[int])
    constraint = hr.compile(alias, bytes_vocabulary)
    assert constraint.accepts("[1, 2]") and not constraint.accepts('["a"]')
    if sys.version_info >= (3, 12):
        names: dict[str, Any] = {}
        exec("type Ages = dict[str, int]", names)
        assert hr.compile(names["Ages"], bytes_vocabulary).accepts('{"Ada": 36}')


def test_any_value(bytes_vocabulary: hr.Vocabulary) -> None:
    constraint = hr.compile(Any, bytes_vocabulary)
    assert constraint.accepts('{"a": [null]}') and not constraint.accepts("nil")


def test_types_without_a_schema(bytes_vocabulary: hr.Vocabulary) -> None:
    cases: list[tuple[Any, str]] = [
        (pydantic.BaseModel, ""),
        (None, ""),
        (3, ""),
        ([int], ""),
        (range, "<class 'range'>; what can be given"),
        (Exception, "what can be given"),
        (lambda: 1, "call it, if its result is a schema"),
        (Place.model_json_schema, "call it"),
        (Place(name="Oslo", height=1), "give its type, Place"),
        (Point(1, 2), "give its type, Point"),
        (Colour.RED, "give its type, Colour"),
    ]
    for kind, said in cases:
        with pytest.raises(TypeError, match="no JSON Schema can be made.*" + said):
            hr.compile(kind, bytes_vocabulary)
    for annotation in (typing.Optional, typing.Annotated, typing.TypeVar("X")):
        with pytest.raises(TypeError, match="no JSON Schema can be made") as caught:
            hr.compile(annotation, bytes_vocabulary)
        assert "call it" not in str(caught.value)
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"not": deep}
    with pytest.raises(hr.LimitError, match="nested deeper.*as text"):
        hr.compile(deep, bytes_vocabulary)
    with pytest.raises(ValueError, match="the schema is no JSON: Out of range"):
        hr.compile({"const": float("nan")}, bytes_vocabulary)
    with pytest.raises(TypeError, match="text may be in any notation"):
        hr.compile(bytearray(b"true"), bytes_vocabulary)


def test_without_pydantic(monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    real = builtins.__import__
    missing = {"pydantic"}

    def without(name: str, *rest: Any) -> Any:
        if name in missing:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert json.loads(to_text(Point))["$defs"]["Point"]["required"] == ["x", "y"]
    missing.add("msgspec")
    with pytest.raises(ImportError, match="pydantic or msgspec"):
        to_text(Point)
