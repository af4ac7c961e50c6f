"""Tokenizers of mistral-common, alone and as transformers and vLLM hold them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import hedgerow as hr
import pytest

mistral_common = pytest.importorskip("mistral_common")
from mistral_common.tokens.tokenizers.base import SpecialTokenPolicy  # noqa: E402
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer  # noqa: E402

DATA = Path(mistral_common.__file__).parent / "data"
FILES = ["tekken_240911.json", "mistral_instruct_tokenizer_241114.model.v7"]


@pytest.fixture(params=FILES)
def file(request: pytest.FixtureRequest) -> Path:
    path = DATA / request.param
    if not path.is_file():
        pytest.skip(f"mistral-common has no {path.name}")
    return path


def check(vocabulary: hr.Vocabulary, inner: Any) -> None:
    """The vocabulary is that of a tokenizer of mistral-common."""
    assert vocabulary.size == inner.n_words and vocabulary.eos == [inner.eos_id]
    is_tekken = hasattr(inner, "id_to_byte_piece")
    for token in range(0, inner.n_words, 1 if not is_tekken else 7):
        if inner.is_special(token):
            assert vocabulary.is_special(token)
        elif is_tekken:
            assert vocabulary.bytes(token) == inner.id_to_byte_piece(token, SpecialTokenPolicy.KEEP)
    text = '{"naïve": "☕"}'
    assert vocabulary.decode(inner.encode(text, bos=False, eos=False)).decode().strip() == text


def test_the_tokenizer_itself(file: Path) -> None:
    whole = MistralTokenizer.from_file(str(file))
    inner = whole.instruct_tokenizer.tokenizer
    for tokenizer in (whole, whole.instruct_tokenizer, inner):
        check(hr.Vocabulary.from_tokenizer(tokenizer), inner)
    assert hr.Vocabulary.from_tokenizer(whole) == hr.Vocabulary.from_tokenizer(file)


def test_transformers(file: Path) -> None:
    module = pytest.importorskip("transformers.tokenization_mistral_common")
    backend = module.MistralCommonBackend(tokenizer_path=str(file))
    check(hr.Vocabulary.from_tokenizer(backend), backend.tokenizer.instruct_tokenizer.tokenizer)


def test_vllm(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_TARGET_DEVICE", "cpu")
    module = pytest.importorskip("vllm.tokenizers.mistral")
    ours = pytest.importorskip("hedgerow.vllm")
    from mistral_common.protocol.instruct.validator import ValidationMode
    from transformers.tokenization_mistral_common import MistralCommonBackend

    backend = MistralCommonBackend(tokenizer_path=str(file), mode=ValidationMode.test)
    tokenizer = module.MistralTokenizer(backend)
    check(ours.vocabulary(tokenizer, tokenizer.vocab_size), tokenizer.tokenizer)


def test_folders_and_lost_files(file: Path, tmp_path: Path) -> None:
    name = "tekken.json" if file.suffix == ".json" else "tokenizer.model"
    copy = tmp_path / name
    shutil.copy(file, copy)
    assert hr.Vocabulary.from_tokenizer(tmp_path) == hr.Vocabulary.from_tokenizer(file)
    # The suffix of a SentencePiece file tells mistral-common its version.
    lost = tmp_path / file.name
    shutil.copy(file, lost)
    tokenizer = MistralTokenizer.from_file(str(lost))
    lost.unlink()
    with pytest.raises(hr.VocabularyError, match="give the path"):
        hr.Vocabulary.from_tokenizer(tokenizer)
