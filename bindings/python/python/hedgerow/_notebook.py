"""The view of matchers in notebooks."""

from __future__ import annotations

from html import escape

from ._core import Constraint, Matcher, Vocabulary

SHOWN = 40
"""The most tokens that are shown."""


def shown(vocabulary: Vocabulary, token: int) -> str:
    """A token for people: its text, or the name of a special one."""
    name = vocabulary.name(token)
    if name is not None:
        return name
    return vocabulary.bytes(token).decode("utf-8", "backslashreplace")


def matcher_html(matcher: Matcher) -> str:
    """A table of what may come next."""
    vocabulary = matcher.constraint.vocabulary
    allowed = matcher.allowed_tokens()
    tokens = " ".join(
        f"<code title='{token}'>{escape(shown(vocabulary, token)) or '&nbsp;'}</code>"
        for token in allowed[:SHOWN]
    )
    more = f" and {len(allowed) - SHOWN} more" if len(allowed) > SHOWN else ""
    forced = escape(matcher.forced_bytes().decode("utf-8", "backslashreplace"))
    ends = "yes" if matcher.is_accepting else "no"
    rows = [
        ("steps so far", str(matcher.output_len)),
        ("may end here", "yes, and has ended" if matcher.is_stopped else ends),
        ("must come next", f"<code>{forced}</code>" if forced else "nothing, there is a choice"),
        (f"may come next ({len(allowed)} of {vocabulary.size} tokens)", f"{tokens}{more}"),
    ]
    cells = "".join(
        f"<tr><th style='text-align:left'>{name}</th><td>{value}</td></tr>" for name, value in rows
    )
    return f"<table>{cells}</table>"


def instance_html(constraint: Constraint, text: str | bytes) -> str:
    """A text, as far as the grammar reads it, and what may come where it leaves it."""
    data = text.encode() if isinstance(text, str) else bytes(text)
    good = prefix_len(constraint, data)
    matcher = constraint.matcher()
    matcher.advance_bytes(data[:good])
    read = escape(data[:good].decode("utf-8", "backslashreplace"))
    rest = escape(data[good:].decode("utf-8", "backslashreplace"))
    if rest:
        verdict = f"leaves the grammar at byte {good}"
    else:
        verdict = "belongs to the grammar" if matcher.is_accepting else "is the beginning of an output"
    text_html = f"<pre><span>{read}</span><span style='background:#fbb'>{rest}</span></pre>"
    return f"<div>{text_html}<p>The text {verdict}.</p>{matcher_html(matcher)}</div>"


def prefix_len(constraint: Constraint, data: bytes) -> int:
    """The number of leading bytes with which some output begins."""
    matcher = constraint.matcher()
    if matcher.advance_bytes(data):
        return len(data)
    good, size = 0, len(data)
    # Halves: a prefix of a beginning is a beginning.
    while size - good > 1:
        middle = (good + size) // 2
        if matcher.advance_bytes(data[good:middle]):
            good = middle
        else:
            size = middle
    return good


class Explanation:
    """A text beside a constraint, as notebooks show it: how far it is an output, and what may come
    there.
    """

    def __init__(self, constraint: Constraint, text: str | bytes) -> None:
        self.constraint = constraint
        self.text = text

    @property
    def prefix_len(self) -> int:
        """The number of leading bytes with which some output begins."""
        return prefix_len(self.constraint, self.text.encode() if isinstance(self.text, str) else self.text)

    @property
    def is_accepted(self) -> bool:
        """Tells whether the text belongs to the grammar."""
        return self.constraint.accepts(self.text)

    def __repr__(self) -> str:
        return f"Explanation(prefix_len={self.prefix_len}, is_accepted={self.is_accepted})"

    def _repr_html_(self) -> str:
        return instance_html(self.constraint, self.text)


def explain(constraint: Constraint, text: str | bytes) -> Explanation:
    """Tells how far a text belongs to a constraint's grammar; notebooks show where it leaves it."""
    if not isinstance(constraint, Constraint):
        said = f"a constraint is made by hedgerow.compile; {type(constraint).__name__} is none"
        raise TypeError(said)
    if not isinstance(text, (str, bytes)):
        raise TypeError(f"expected str or bytes, not {type(text).__name__}")
    return Explanation(constraint, text)
