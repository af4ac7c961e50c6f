"""Constraints for llama-cpp-python.

    >>> from hedgerow.llama_cpp import LogitsProcessor, vocabulary                       # doctest: +SKIP
    >>> constraint = hedgerow.compile(Person, vocabulary(llama))                         # doctest: +SKIP
    >>> processor = LogitsProcessor(constraint)                                          # doctest: +SKIP
    >>> llama.create_completion(prompt, logits_processor=LogitsProcessorList([processor]))  # doctest: +SKIP

The processor is asked for every token with all tokens so far, and gets the logits as an array that
it may write.
"""

from __future__ import annotations

import ctypes
from typing import Any

from ._core import Constraint, Vocabulary, mask_logits
from ._history import Generations, check_width


def vocabulary(llama: Any) -> Vocabulary:
    """The vocabulary of a `llama_cpp.Llama`, of the file that it was loaded from."""
    return Vocabulary.from_gguf(llama.model_path, model_size=llama.n_vocab())


class LogitsProcessor:
    """Allows only what a constraint allows.

    One object can be used for any number of completions, one after the other, and at once in
    several threads with a model each. The tokens of the first call are the prompt. A call belongs
    to the same completion if it goes at most one token behind a place that the call before has
    passed. A new prompt cannot be told from that if it is the last prompt with a beginning of the
    last output; call `reset` before it.
    """

    def __init__(self, constraint: Constraint, *, prompt_length: int | None = None) -> None:
        if not constraint.vocabulary.eos:
            raise ValueError(
                "the vocabulary names no token that ends a sequence; give it with Vocabulary.with_eos"
            )
        self.constraint = constraint
        self._generations = Generations([constraint], prompt_length)

    def reset(self) -> None:
        """Forgets the prompt: the next call is the first of a completion."""
        self._generations.clear()

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """The logits, with minus infinity for all tokens that may not come; `scores` itself,
        changed.

        llama-cpp-python goes on after an exception, with the logits as they are. Before one leaves
        this method, it therefore forbids all tokens but those that end the sequence.
        """
        # llama-cpp-python's logits lie between other numbers.
        row = scores if scores.flags.c_contiguous else scores.copy()
        try:
            check_width(row.shape[-1], self.constraint)
            mask_logits(row, self._allowed(input_ids.tolist()))
        except BaseException:
            mask_logits(row, self._ends())
            raise
        finally:
            if row is not scores:
                scores[...] = row
        return scores

    def _allowed(self, tokens: list[int]) -> Any:
        """The mask of the tokens that may come."""
        [matcher] = self._generations.matchers([tokens])
        if matcher is None:
            return self._ends()
        mask = self.constraint.vocabulary.mask_buffer()
        matcher.fill_mask(mask)
        return mask

    def _ends(self) -> Any:
        """The mask of the tokens that end a sequence."""
        words = (ctypes.c_uint32 * self.constraint.vocabulary.mask_words)()
        for token in self.constraint.vocabulary.eos:
            words[token // 32] |= 1 << token % 32
        return words
