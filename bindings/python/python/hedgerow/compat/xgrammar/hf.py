"""XGrammar's processor for `generate` of transformers, over `hedgerow.hf.LogitsProcessor`."""

from __future__ import annotations

from collections.abc import Sequence

from ...hf import LogitsProcessor as _LogitsProcessor
from ._grammar import CompiledGrammar


class LogitsProcessor(_LogitsProcessor):
    """Allows only what a grammar, or that of each prompt of a batch, allows. Unlike XGrammar's it
    may be used again, and works with beams.
    """

    def __init__(self, compiled_grammar: CompiledGrammar | Sequence[CompiledGrammar]) -> None:
        if isinstance(compiled_grammar, CompiledGrammar):
            compiled_grammar = [compiled_grammar]
        super().__init__([grammar.constraint for grammar in compiled_grammar])
