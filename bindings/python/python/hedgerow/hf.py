"""Constraints for `generate` of transformers.

    >>> from hedgerow.hf import LogitsProcessor                                           # doctest: +SKIP
    >>> constraint = hedgerow.compile(Person, hedgerow.hf.vocabulary(tokenizer, model))   # doctest: +SKIP
    >>> model.generate(**inputs, logits_processor=[LogitsProcessor(constraint)])          # doctest: +SKIP

`generate` reorders its rows (beams), asks for several places of one row (prompt lookup and assisted
decoding), and goes back. `LogitsProcessor` therefore looks at the tokens themselves: for each row
it finds the matcher whose output has the longest common beginning with the row's, rolls it back to
there, and reads on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch

from ._core import Constraint, Matcher, Vocabulary, fill_masks
from ._history import History, Prompt
from .torch import allocate_token_bitmask, apply_token_bitmask_inplace

try:
    from transformers import LogitsProcessor as _LogitsProcessor
    from transformers import StoppingCriteria as _StoppingCriteria
except ImportError:  # The interfaces are plain calls, so that other loops can use the classes.
    _LogitsProcessor = object
    _StoppingCriteria = object


def vocabulary(tokenizer: Any, model: Any = None) -> Vocabulary:
    """The vocabulary of a tokenizer, with the end tokens and the length of the rows of logits that
    `model` has.

    `model` is a model of transformers, its configuration, or nothing.
    """
    found = Vocabulary.from_tokenizer(tokenizer)
    if model is None:
        return found
    config = getattr(model, "config", model)
    text_config = config.get_text_config() if hasattr(config, "get_text_config") else config
    size = getattr(text_config, "vocab_size", None)
    if size is not None and size != found.size:
        found = found.with_model_size(size)
    generation = getattr(model, "generation_config", None)
    ends = getattr(generation, "eos_token_id", None)
    if ends is None:
        ends = getattr(text_config, "eos_token_id", None)
    if ends is not None:
        ends = [ends] if isinstance(ends, int) else list(ends)
        # A model's configuration may name an end that this tokenizer has no token for.
        known = {end for end in ends if 0 <= end < found.token_count}
        found = found.with_eos(sorted({*found.eos, *known}))
    return found


class LogitsProcessor(_LogitsProcessor):  # type: ignore[misc, unused-ignore]
    """Allows only what a constraint allows, in every mode of `generate`: greedy, sampling, beams,
    batches with padding, prompt lookup and assisted decoding.

    One object can be used for any number of generations, one after the other. The rows of the first
    call are the prompt. A generation is a new one if its rows do not begin with that prompt, or are
    more than a token longer than any before: `generate` asks for every token. Where that cannot be
    told (the prompt is the last output, as it was), call `reset` between the two, or give
    `prompt_length`. Several constraints, one for each prompt of a batch, are given as a list.

    A row that has ended, or has left the constraint, may go on with end tokens and padding only.
    """

    supports_continuous_batching = False

    def __init__(
        self,
        constraint: Constraint | Sequence[Constraint],
        *,
        prompt_length: int | None = None,
        pad_token_id: int | None = None,
    ) -> None:
        constraints = [constraint] if isinstance(constraint, Constraint) else list(constraint)
        if not constraints:
            raise ValueError("no constraint is given")
        sizes = {constraint.vocabulary.size for constraint in constraints}
        if len(sizes) > 1:
            raise ValueError(f"the constraints' vocabularies differ in size: {sorted(sizes)}")
        if not all(constraint.vocabulary.eos for constraint in constraints):
            raise ValueError(
                "the vocabulary names no token that ends a sequence; give it with Vocabulary.with_eos"
            )
        self.constraints = constraints
        self.pad_token_id = pad_token_id
        self._histories = [History(constraint) for constraint in constraints]
        self._prompt = Prompt(prompt_length)
        self._bitmask: torch.Tensor | None = None

    def reset(self) -> None:
        """Forgets the prompt and all rows: the next call is the first of a generation."""
        self._prompt.clear()
        for history in self._histories:
            history.clear()

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """The scores, with minus infinity for all tokens that may not come."""
        rows: list[list[int]] = input_ids.tolist()
        outputs = self._outputs(rows)
        each = len(rows) // len(self.constraints)
        if each * len(self.constraints) != len(rows):
            raise ValueError(f"{len(rows)} rows do not share {len(self.constraints)} constraints evenly")
        matchers: list[Matcher | None] = []
        for at, history in enumerate(self._histories):
            matchers += history.matchers(outputs[at * each : (at + 1) * each])
        size = self.constraints[0].vocabulary.size
        if self._bitmask is None or self._bitmask.shape[0] < len(rows):
            self._bitmask = allocate_token_bitmask(len(rows), size)
        bitmask = self._bitmask[: len(rows)]
        live = [at for at, matcher in enumerate(matchers) if matcher is not None]
        fill_masks([matcher for matcher in matchers if matcher is not None], bitmask.numpy(), rows=live)
        for at, matcher in enumerate(matchers):
            if matcher is None or matcher.is_stopped:
                self._allow_the_end(bitmask[at], at // each)
        scores = scores.clone()
        apply_token_bitmask_inplace(scores, bitmask)
        return scores

    def _allow_the_end(self, row: torch.Tensor, constraint: int) -> None:
        """A row that is over: end tokens and padding."""
        row.zero_()
        vocabulary = self.constraints[constraint].vocabulary
        words = row.numpy().view("uint32")
        for token in [*vocabulary.eos, *([] if self.pad_token_id is None else [self.pad_token_id])]:
            words[token // 32] |= 1 << token % 32

    def _outputs(self, rows: list[list[int]]) -> list[list[int]]:
        """The tokens that have been generated in each row."""
        outputs, is_new = self._prompt.outputs(rows)
        if is_new:
            for history in self._histories:
                history.clear()
        return outputs


class StoppingCriteria(_StoppingCriteria):  # type: ignore[misc, unused-ignore]
    """Ends rows that are whole: nothing but an end token may follow. For models that would not end
    by themselves.

    It shares the rows of a `LogitsProcessor`.
    """

    def __init__(self, processor: LogitsProcessor) -> None:
        self.processor = processor

    def __call__(self, input_ids: torch.LongTensor, scores: Any, **kwargs: Any) -> torch.BoolTensor:
        """For each row, whether it is whole."""
        rows: list[list[int]] = input_ids.tolist()
        outputs = self.processor._outputs(rows)
        each = max(1, len(rows) // len(self.processor.constraints))
        whole: list[bool] = []
        for at, history in enumerate(self.processor._histories):
            ends = set(self.processor.constraints[at].vocabulary.eos)
            for matcher in history.matchers(outputs[at * each : (at + 1) * each]):
                whole.append(
                    matcher is None or matcher.is_accepting and set(matcher.allowed_tokens()) <= ends
                )
        done: Any = torch.tensor(whole, dtype=torch.bool, device=input_ids.device)
        return cast("torch.BoolTensor", done)
