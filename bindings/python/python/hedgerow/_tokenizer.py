"""Vocabularies of the tokenizers that Python programs have.

Nothing is imported that the program has not imported itself: tokenizers are known by what they can
do.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ._core import Vocabulary

CONFIGURATIONS = ("generation_config.json", "config.json", "tokenizer_config.json")
"""Files beside a tokenizer.json that name the tokens which end a sequence."""

FILES = ("tokenizer.json", "tekken.json", "tokenizer.model")
"""Files with a tokenizer in a model's folder, in the order in which they are looked for."""

SUFFIXES = (".json", ".gguf", ".model", ".tiktoken")
"""Suffixes of files that hold a tokenizer."""


def read(tokenizer: Any, model_size: int | None, eos: Any) -> Vocabulary:
    """The vocabulary of anything that holds a tokenizer; see `Vocabulary.from_tokenizer`."""
    if isinstance(tokenizer, Vocabulary):
        vocabulary = tokenizer
    elif isinstance(tokenizer, (bytes, bytearray, memoryview)):
        vocabulary = Vocabulary.from_tokenizer_file(bytes(tokenizer))
    elif isinstance(tokenizer, (str, os.PathLike)):
        vocabulary = _of_path(tokenizer)
    elif hasattr(tokenizer, "backend_tokenizer"):
        vocabulary = _of_transformers(tokenizer)
    elif (mistral := _of_mistral(tokenizer)) is not None:
        vocabulary = mistral
    elif hasattr(tokenizer, "to_str"):
        vocabulary = Vocabulary.from_tokenizer_json(tokenizer.to_str().encode())
    elif hasattr(tokenizer, "_mergeable_ranks"):
        vocabulary = _of_tiktoken(tokenizer)
    else:
        raise TypeError(
            f"{type(tokenizer).__name__} is no tokenizer that can be read; give a fast tokenizer of transformers, a "
            "tokenizers.Tokenizer, a tiktoken.Encoding, a tokenizer of mistral-common, or the path or the bytes of "
            "a tokenizer file"
        )
    if model_size is not None:
        vocabulary = vocabulary.with_model_size(model_size)
    if eos is not None:
        vocabulary = vocabulary.with_eos(eos)
    return vocabulary


def _of_path(given: str | os.PathLike[str]) -> Vocabulary:
    path = Path(given)
    if given == "" or not path.exists():
        said = os.strerror(errno.ENOENT)
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)?", os.fspath(given)) and path.suffix not in SUFFIXES:
            said += "; a model's name on a hub is not looked up: give transformers' tokenizer, or a path"
        raise FileNotFoundError(errno.ENOENT, said, os.fspath(given))
    if path.is_dir():
        name = next((name for name in FILES if (path / name).is_file()), FILES[0])
        vocabulary = Vocabulary.from_tokenizer_file((path / name).read_bytes())
        files = [(path / name).read_bytes() for name in CONFIGURATIONS if (path / name).is_file()]
        return _with_configured_eos(vocabulary, files)
    if path.suffix == ".gguf":
        return Vocabulary.from_gguf(path)
    return Vocabulary.from_tokenizer_file(path.read_bytes())


def _with_configured_eos(vocabulary: Vocabulary, files: list[bytes]) -> Vocabulary:
    """The end tokens that the first file names which names any: a chat model's
    generation_config.json has them all.
    """
    from .errors import VocabularyError

    for file in files:
        try:
            return vocabulary.with_eos_from_config(file)
        except VocabularyError:
            continue
    return vocabulary


def _of_transformers(tokenizer: Any) -> Vocabulary:
    vocabulary = Vocabulary.from_tokenizer_json(tokenizer.backend_tokenizer.to_str().encode())
    if len(tokenizer) > vocabulary.size:
        vocabulary = vocabulary.with_model_size(len(tokenizer))
    end = getattr(tokenizer, "eos_token_id", None)
    ends = [] if end is None else [end] if isinstance(end, int) else list(end)
    return vocabulary.with_eos(sorted({*vocabulary.eos, *ends})) if ends else vocabulary


def _of_mistral(tokenizer: Any) -> Vocabulary | None:
    """The vocabulary of a tokenizer of mistral-common, whatever is around it: transformers'
    `MistralCommonBackend` and vLLM's `MistralTokenizer` hold one. None for others.
    """
    # From the outside in: each holds the next.
    for name in ("tokenizer", "instruct_tokenizer", "tokenizer"):
        tokenizer = getattr(tokenizer, name, tokenizer)
    if not (hasattr(tokenizer, "file_path") and hasattr(tokenizer, "n_words")):
        return None
    from .errors import VocabularyError

    try:
        data = Path(tokenizer.file_path).read_bytes()
    except (OSError, ValueError) as error:
        raise VocabularyError(
            f"the file of this {type(tokenizer).__name__} cannot be read ({error}); give the path of its tekken.json "
            "or tokenizer.model to Vocabulary.from_tokenizer"
        ) from error
    vocabulary = Vocabulary.from_tokenizer_file(data)
    if tokenizer.n_words > vocabulary.size:
        vocabulary = vocabulary.with_model_size(tokenizer.n_words)
    return vocabulary.with_eos(sorted({*vocabulary.eos, tokenizer.eos_id}))


def _of_tiktoken(encoding: Any) -> Vocabulary:
    tokens = [b""] * encoding.n_vocab
    for bytes_, rank in encoding._mergeable_ranks.items():
        tokens[rank] = bytes_
    special = dict(encoding._special_tokens)
    end = special.get("<|endoftext|>")
    vocabulary = Vocabulary.from_tokens(tokens, special=special)
    known = [special[name] for name in ("<|return|>", "<|call|>") if name in special]
    ends = known if known else [] if end is None else [end]
    return vocabulary.with_eos(ends)


def restore(tokens: list[bytes], special: Iterable[tuple[str, int]], eos: list[int], size: int) -> Vocabulary:
    """A vocabulary of its parts, for pickle."""
    return Vocabulary.from_tokens(tokens, special=special, model_size=size, eos=eos)
