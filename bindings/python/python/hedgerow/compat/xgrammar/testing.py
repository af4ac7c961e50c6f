"""XGrammar's helpers for tests, as far as they do not look into its own grammars."""

from __future__ import annotations

from typing import Any

import torch

from ._grammar import Grammar, GrammarCompiler
from ._matcher import GrammarMatcher, bitmask_dtype
from ._tokenizer_info import TokenizerInfo


def bool_mask_to_bitmask(bool_mask: torch.Tensor) -> torch.Tensor:
    """Rows of bools as a bitmask; the bits behind the last bool are set."""
    missing = -bool_mask.shape[1] % 32
    bits = torch.nn.functional.pad(bool_mask.to(torch.int64), (0, missing), value=1)
    words = (bits.view(bits.shape[0], -1, 32) << torch.arange(32, device=bits.device)).sum(dim=2)
    return words.to(bitmask_dtype)


def bitmask_to_bool_mask(bit_mask: torch.Tensor, vocab_size: int | None = None) -> torch.Tensor:
    """A bitmask as rows of bools."""
    bits = (bit_mask.unsqueeze(-1) >> torch.arange(32, dtype=torch.int32)) & 1
    rows = bits.flatten(-2).bool()
    if vocab_size is not None and vocab_size > rows.shape[1]:
        raise ValueError(f"the bitmask has {rows.shape[1]} bits, fewer than {vocab_size}")
    return rows if vocab_size is None else rows[:, :vocab_size]


def _get_masked_tokens_from_bitmask(bitmask: torch.Tensor, vocab_size: int, index: int = 0) -> list[int]:
    """The tokens that a row does not allow."""
    row = bitmask_to_bool_mask(bitmask[index : index + 1], vocab_size)[0]
    return [at for at, allowed in enumerate(row.tolist()) if not allowed]


def _get_matcher_from_grammar_and_tokenizer_info(
    grammar: Grammar | str, tokenizer_info: TokenizerInfo | None = None, **kwargs: Any
) -> GrammarMatcher:
    """A matcher of a grammar, or of rules in GBNF."""
    info = TokenizerInfo([bytes([byte]) for byte in range(256)]) if tokenizer_info is None else tokenizer_info
    return GrammarMatcher(GrammarCompiler(info, cache_enabled=False).compile_grammar(grammar), **kwargs)


def _get_matcher_from_grammar(grammar: Grammar | str, **kwargs: Any) -> GrammarMatcher:
    """A matcher of a grammar that ends without a stop token."""
    kwargs.setdefault("terminate_without_stop_token", True)
    return _get_matcher_from_grammar_and_tokenizer_info(grammar, **kwargs)


def _is_grammar_accept_string(
    grammar: Grammar | str,
    input_str: str,
    *,
    debug_print: bool = False,
    print_time: bool = False,
    require_termination: bool = True,
) -> bool:
    """Tells whether a text, or the beginning of one, belongs to a grammar."""
    matcher = _get_matcher_from_grammar(grammar)
    return matcher.accept_string(input_str) and (not require_termination or matcher.is_terminated())
