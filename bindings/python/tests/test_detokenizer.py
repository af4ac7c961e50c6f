"""The text of an output while it is written."""

from __future__ import annotations

import copy
from typing import Any

import hedgerow as hr
import pytest

VOCABULARY = hr.Vocabulary.from_tokens(
    [b"a", b"ST", b"OP", "\u20ac", b"", b"\xe2", b"\x82\xac"], special={"</s>": 4}, eos="</s>"
)
END = 4


@pytest.mark.parametrize(
    ("stop", "tokens", "shown", "stopped"),
    [
        ("STOP", [0, 3, 0], ["a", "\u20ac", "a"], None),
        (["STOP", b"", "a\u20ac"], [1, 0], ["", "ST"], None),
        (("STOP",), [0, 1, 2, 0], ["a", "", "", ""], "STOP"),
        (b"STOP", [0, 1, END, 0], ["a", "", "ST", ""], END),
        ((), [5, 6, 99, 1], ["", "\u20ac", "", "ST"], None),
        ((), [5, 0], ["", "\ufffda"], None),
    ],
)
def test_text_is_shown_when_it_is_sure(stop: Any, tokens: list[int], shown: list[str], stopped: Any) -> None:
    text = hr.Detokenizer(VOCABULARY, stop)
    assert [text.push(token) for token in tokens] == shown
    assert (text.stop, text.is_stopped, text.text) == (stopped, stopped is not None, "".join(shown))
    assert hr.Detokenizer(VOCABULARY, stop=stop).push(tokens) == "".join(shown)


def test_forks_and_the_end() -> None:
    text = hr.Detokenizer(VOCABULARY, "STOP")
    assert text.push(iter([0, 1])) == "a"
    forks = [text.fork(), copy.copy(text), copy.deepcopy(text)]
    assert [fork.push(0) for fork in forks] == ["STa"] * 3
    assert text.finish() == "ST" and text.finish() == "" and text.push(0) == ""
    assert text.is_stopped and text.stop is None and text.text == "aST"


def test_refused() -> None:
    text = hr.Detokenizer(VOCABULARY)
    for given, error, said in [
        (1.5, TypeError, "float"),
        ([1.5], TypeError, "a token is a whole number"),
        (-1, ValueError, "-1 is not the id of a token"),
        ("a", TypeError, "a token is a whole number"),
        (None, TypeError, "NoneType"),
    ]:
        with pytest.raises(error, match=said):
            text.push(given)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="stop is a text or several, not <class 'int'>"):
        hr.Detokenizer(VOCABULARY, 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected str or bytes"):
        hr.Detokenizer(VOCABULARY, [5])  # type: ignore[list-item]
    assert text.push(0) == "a"
