"""A tokenizer of bytes, as transformers has them, for the tests of engines."""

from __future__ import annotations

from typing import Any


def byte_tokenizer() -> Any:
    """A fast tokenizer with a token for each byte, and two special ones: `<end>` and `<think>`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = {letter: at for at, letter in enumerate(letters)}
    tokenizer = Tokenizer(models.BPE(vocab=tokens, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<end>", "<think>"])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")
