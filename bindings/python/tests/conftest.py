"""Vocabularies and data that several tests use."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hedgerow as hr
import pytest

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("HEDGEROW_DATA", ROOT.parent / "shared" / "data"))
LLAMA = ROOT / ".deps" / "tokenizers" / "llama-3.1" / "tokenizer.json"

WORDS = ["ye", "y", "e", "s", "no", "n", "o"]


@pytest.fixture(scope="session")
def words() -> hr.Vocabulary:
    """Seven tokens that spell yes and no."""
    return hr.Vocabulary.from_tokens(WORDS)


@pytest.fixture(scope="session")
def bytes_vocabulary() -> hr.Vocabulary:
    """A token for each byte, some longer ones, and an end token."""
    tokens = [bytes([byte]) for byte in range(256)]
    tokens += [b'{"', b'":', b'", "', b"true", b"null", b"12", b"  ", b"name", b"age", b""]
    return hr.Vocabulary.from_tokens(tokens, special={"<end>": len(tokens) - 1}, eos="<end>")


@pytest.fixture(scope="session")
def llama() -> Path:
    """The file of a tokenizer with 128 thousand tokens."""
    if not LLAMA.is_file():
        pytest.skip(f"no tokenizer at {LLAMA}; `make bench-deps` fetches it")
    return LLAMA


def schemas(count: int) -> Iterator[dict[str, Any]]:
    """Lines of MaskBench, spread over its files: name, schema and tests."""
    path = DATA / "maskbench" / "dev.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"no schemas at {path}; set HEDGEROW_DATA")
    with gzip.open(path, "rt") as file:
        lines = file.readlines()
    for line in lines[:: max(1, len(lines) // count)][:count]:
        yield json.loads(line)


def spell(vocabulary: hr.Vocabulary, text: str) -> list[int]:
    """Tokens of a text."""
    return vocabulary.greedy_tokenize(text)
