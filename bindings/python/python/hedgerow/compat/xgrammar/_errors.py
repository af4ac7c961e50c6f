"""XGrammar's exceptions. All of them are `RuntimeError`s, which programs that are written for it
catch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class DeserializeFormatError(RuntimeError):
    """A serialised object is not as expected."""


class DeserializeVersionError(RuntimeError):
    """A serialised object is of another version."""


class InvalidStructuralTagError(RuntimeError):
    """A structural tag without meaning."""


class InvalidJSONError(RuntimeError):
    """Text that is no JSON."""


@contextmanager
def raised_as(kind: type[RuntimeError] = RuntimeError) -> Iterator[None]:
    """Raises failures of hedgerow as `kind`; they stay its cause, with their place in the text."""
    from ...errors import HedgerowError

    try:
        yield
    except (HedgerowError, ValueError, IndexError) as error:
        raise kind(str(error)) from error
