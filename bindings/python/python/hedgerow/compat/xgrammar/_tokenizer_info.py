"""Vocabularies by XGrammar's names."""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from typing import Any

from ..._core import Vocabulary
from ._errors import raised_as

ENDS = frozenset(
    name.encode()
    for name in (
        "</s>",
        "<|end_of_text|>",
        "<|eot_id|>",
        "<|endoftext|>",
        "<eos>",
        "<|eos|>",
        "<end_of_turn>",
        "<\uff5cend\u2581of\u2581sentence\uff5c>",
    )
)
"""Tokens that end a sequence where the caller names none."""


class VocabType(enum.Enum):
    """The way in which a vocabulary's tokens are spelt."""

    RAW = 0
    BYTE_FALLBACK = 1
    BYTE_LEVEL = 2


def _byte_level() -> dict[str, int]:
    """The bytes that GPT-2's letters stand for."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {chr(byte): byte for byte in plain}
    others = [byte for byte in range(256) if byte not in plain]
    letters.update({chr(256 + at): byte for at, byte in enumerate(others)})
    return letters


_LETTERS = _byte_level()


def _decoded(token: str | bytes, kind: VocabType) -> bytes:
    """The bytes of a token."""
    if isinstance(token, bytes):
        if kind is VocabType.RAW:
            return token
        token = token.decode("utf-8")
    if kind is VocabType.BYTE_FALLBACK:
        if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
            try:
                return bytes([int(token[3:5], 16)])
            except ValueError:
                raise RuntimeError(f"{token!r} is spelt as a byte, but names none") from None
        return token.replace("\u2581", " ").encode()
    if kind is VocabType.BYTE_LEVEL and all(letter in _LETTERS for letter in token):
        return bytes(_LETTERS[letter] for letter in token)
    return token.encode()


def listed(tokens: int | Sequence[int] | None) -> list[int] | None:
    """One token, or several, as a list."""
    if tokens is None:
        return None
    return [tokens] if isinstance(tokens, int) else [int(token) for token in tokens]


class TokenizerInfo:
    """The vocabulary of a tokenizer."""

    def __init__(
        self,
        encoded_vocab: Sequence[bytes] | Sequence[str],
        vocab_type: VocabType = VocabType.RAW,
        *,
        vocab_size: int | None = None,
        stop_token_ids: int | Sequence[int] | None = None,
        add_prefix_space: bool = False,
    ) -> None:
        tokens = [_decoded(token, vocab_type) for token in encoded_vocab]
        ends = listed(stop_token_ids)
        if ends is None:
            ends = [at for at, token in enumerate(tokens) if token in ENDS]
        # Tokens that end a sequence are no text.
        named = {f"<stop {end}>": end for end in ends if end < len(tokens)}
        with raised_as():
            self._set(Vocabulary.from_tokens(tokens, special=named), vocab_size, ends)
        self._decoded: list[bytes] | None = tokens
        self._vocab_type: VocabType | None = vocab_type
        self._add_prefix_space = add_prefix_space
        self._tokenizer: Any = None

    def _set(self, vocabulary: Vocabulary, size: int | None, ends: list[int]) -> None:
        if size is not None and size != vocabulary.size:
            vocabulary = vocabulary.with_model_size(size)
        self.vocabulary = vocabulary.with_eos([end for end in ends if end < vocabulary.token_count])

    @staticmethod
    def from_huggingface(
        tokenizer: Any,
        *,
        vocab_size: int | None = None,
        stop_token_ids: int | Sequence[int] | None = None,
    ) -> TokenizerInfo:
        """The vocabulary of a fast tokenizer of transformers."""
        ends = listed(stop_token_ids)
        if ends == []:
            raise ValueError("stop_token_ids is empty; leave it out for the tokenizer's own")
        info = TokenizerInfo.__new__(TokenizerInfo)
        with raised_as():
            found = Vocabulary.from_tokenizer(tokenizer)
            if ends is None:
                end = getattr(tokenizer, "eos_token_id", None)
                ends = found.eos if end is None else [int(end)]
            info._set(found, vocab_size, ends)
        info._decoded = None
        info._vocab_type = None
        info._add_prefix_space = False
        info._tokenizer = tokenizer
        return info

    @staticmethod
    def from_vocab_and_metadata(
        encoded_vocab: Sequence[bytes] | Sequence[str], metadata: str
    ) -> TokenizerInfo:
        """The vocabulary of tokens, and of what `dump_metadata` gave."""
        told = json.loads(metadata)
        return TokenizerInfo(
            encoded_vocab,
            VocabType(told["vocab_type"]),
            vocab_size=told.get("vocab_size"),
            stop_token_ids=told.get("stop_token_ids"),
            add_prefix_space=told.get("add_prefix_space", False),
        )

    def dump_metadata(self) -> str:
        """All but the tokens, as JSON."""
        told = {
            "vocab_type": self.vocab_type.value,
            "vocab_size": self.vocab_size,
            "add_prefix_space": self.add_prefix_space,
            "stop_token_ids": self.stop_token_ids,
        }
        return json.dumps(told, separators=(",", ":"))

    def _detect(self) -> None:
        """Finds the spelling in the parts of a tokenizer of transformers."""
        if self._vocab_type is not None:
            return
        backend = getattr(self._tokenizer, "backend_tokenizer", self._tokenizer)
        parts = {name: _part(backend, name) for name in ("normalizer", "pre_tokenizer", "decoder")}
        if "ByteFallback" in parts["decoder"]:
            self._vocab_type = VocabType.BYTE_FALLBACK
        elif "ByteLevel" in parts["decoder"] or "ByteLevel" in parts["pre_tokenizer"]:
            self._vocab_type = VocabType.BYTE_LEVEL
        else:
            self._vocab_type = VocabType.RAW
        spaced = ('"add_prefix_space":true', '"prepend_scheme":"always"', '"prepend_scheme":"first"')
        before = parts["normalizer"] + parts["pre_tokenizer"]
        self._add_prefix_space = '"Prepend"' in before or any(mark in before for mark in spaced)

    @property
    def vocab_type(self) -> VocabType:
        """The way in which the tokens are spelt."""
        self._detect()
        assert self._vocab_type is not None
        return self._vocab_type

    @property
    def add_prefix_space(self) -> bool:
        """Tells whether the tokenizer puts a space before text. Matching does not look at it."""
        self._detect()
        return self._add_prefix_space

    @property
    def prepend_space_in_tokenization(self) -> bool:
        """The old name of `add_prefix_space`."""
        return self.add_prefix_space

    @property
    def vocab_size(self) -> int:
        """The number of tokens that masks range over."""
        return self.vocabulary.size

    @property
    def stop_token_ids(self) -> list[int]:
        """The tokens that end a sequence."""
        return self.vocabulary.eos

    @property
    def special_token_ids(self) -> list[int]:
        """The tokens that have no bytes, and the padding of the model's rows."""
        decoded = self.decoded_vocab
        padding = range(len(decoded), self.vocab_size)
        return [at for at, token in enumerate(decoded) if not token] + list(padding)

    @property
    def decoded_vocab(self) -> list[bytes]:
        """The bytes of all tokens; of special tokens their names."""
        if self._decoded is None:
            names = {token: name.encode() for name, token in self.vocabulary.special_tokens.items()}
            tokens = range(self.vocabulary.size)
            self._decoded = [names.get(token) or self.vocabulary.bytes(token) for token in tokens]
        return list(self._decoded)


def _part(backend: Any, name: str) -> str:
    """A part of a tokenizer of `tokenizers` as compact JSON; empty if it has none."""
    part = getattr(backend, name, None)
    if part is None:
        return ""
    return json.dumps(json.loads(part.__getstate__()), separators=(",", ":"))
