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

import operator
import threading
import warnings
from collections.abc import Sequence
from typing import Any, cast

import torch

from ._core import Constraint, Matcher, Vocabulary, fill_masks
from ._history import Generations, check_width
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


def _constraints(given: Constraint | Sequence[Constraint]) -> list[Constraint]:
    """One constraint, or several, as a list."""
    constraints = list(given) if isinstance(given, Sequence) else [given]
    for constraint in constraints:
        if not isinstance(constraint, Constraint):
            said = f"a constraint is made by hedgerow.compile; {type(constraint).__name__} is none"
            raise TypeError(said)
    return constraints


class _Masks(threading.local):
    """A thread's own memory for masks."""

    bitmask: torch.Tensor | None = None


class LogitsProcessor(_LogitsProcessor):  # type: ignore[misc, unused-ignore]
    """Allows only what a constraint allows, in every mode of `generate`: greedy, sampling, beams,
    batches with padding, prompt lookup and assisted decoding.

    One object can be used for any number of generations: one after the other, and at once in
    several threads, since each thread has its own rows. All calls of one generation must come from
    one thread, as `generate` makes them. Several constraints, one for each prompt of a batch, are
    given as a list.

    The rows of the first call are the prompt. `generate` asks for every token, so that a call
    belongs to the same generation only if each row goes at most one token behind a place that the
    call before has passed. A new prompt cannot be told from that if it is the last prompt with a
    beginning of the last output and at most one token more, which the constraint allows. Call
    `reset` before such a prompt, or give `prompt_length`: the tokens of each row that are prompt.

    A row that has ended, or has left the constraint, may go on with end tokens and padding only.

    Another processor may forbid every token that the constraint allows, such as that of
    `min_new_tokens` where an output is whole. The row then has no token left, and whatever
    `generate` takes instead leaves the constraint. The first such row is warned about.
    """

    supports_continuous_batching = False

    def __init__(
        self,
        constraint: Constraint | Sequence[Constraint],
        *,
        prompt_length: int | None = None,
        pad_token_id: int | None = None,
    ) -> None:
        constraints = _constraints(constraint)
        if not constraints:
            raise ValueError("no constraint is given")
        sizes = {constraint.vocabulary.size for constraint in constraints}
        if len(sizes) > 1:
            raise ValueError(f"the constraints' vocabularies differ in size: {sorted(sizes)}")
        if not all(constraint.vocabulary.eos for constraint in constraints):
            raise ValueError(
                "the vocabulary names no token that ends a sequence; give it with Vocabulary.with_eos"
            )
        if pad_token_id is not None:
            pad_token_id, size = operator.index(pad_token_id), constraints[0].vocabulary.size
            if not 0 <= pad_token_id < size:
                raise ValueError(f"pad_token_id is {pad_token_id}; it must be None or from 0 to {size - 1}")
        self.constraints = constraints
        self.pad_token_id = pad_token_id
        self.prompt_length = prompt_length
        self._has_warned = False
        self._generations = Generations(constraints, prompt_length)
        self._masks = _Masks()

    def reset(self) -> None:
        """Forgets the prompt and all rows of this thread: its next call is the first of a
        generation.
        """
        self._generations.clear()

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """The scores, with minus infinity for all tokens that may not come."""
        if input_ids.dim() != 2 or scores.dim() != 2 or len(input_ids) != len(scores):
            shapes = f"{list(input_ids.shape)} and {list(scores.shape)}"
            said = f"tokens and scores have two dimensions and as many rows, not the shapes {shapes}"
            raise ValueError(said)
        check_width(scores.shape[-1], self.constraints[0])
        rows: list[list[int]] = input_ids.tolist()
        matchers = self._generations.matchers(rows)
        each = len(rows) // len(self.constraints)
        size = self.constraints[0].vocabulary.size
        bitmask = self._masks.bitmask
        if bitmask is None or bitmask.shape[0] < len(rows):
            bitmask = self._masks.bitmask = allocate_token_bitmask(len(rows), size)
        bitmask = bitmask[: len(rows)]
        live = [at for at, matcher in enumerate(matchers) if matcher is not None]
        fill_masks([matcher for matcher in matchers if matcher is not None], bitmask.numpy(), rows=live)
        for at, matcher in enumerate(matchers):
            if matcher is None or matcher.is_stopped:
                self._allow_the_end(bitmask[at], at // each)
        scores = scores.clone()
        apply_token_bitmask_inplace(scores, bitmask)
        if not self._has_warned:
            going = [at for at in live if not cast("Matcher", matchers[at]).is_stopped]
            self._warn_of_rows_without_tokens(scores, going)
        return scores

    def _warn_of_rows_without_tokens(self, scores: torch.FloatTensor, rows: list[int]) -> None:
        if rows and bool((scores.amax(dim=-1)[rows] == -float("inf")).any()):
            self._warn("forbids every token that the constraint allows, so that an output will leave it")

    def _warn(self, said: str) -> None:
        """Warns once."""
        if not self._has_warned:
            self._has_warned = True
            warnings.warn(f"another logits processor {said}", RuntimeWarning, stacklevel=3)

    def _allow_the_end(self, row: torch.Tensor, constraint: int) -> None:
        """A row that is over: end tokens and padding."""
        row.zero_()
        vocabulary = self.constraints[constraint].vocabulary
        words = row.numpy().view("uint32")
        for token in [*vocabulary.eos, *([] if self.pad_token_id is None else [self.pad_token_id])]:
            words[token // 32] |= 1 << token % 32

    def __getstate__(self) -> dict[str, Any]:
        """A copy has the constraints, and begins a generation."""
        return {
            name: value for name, value in self.__dict__.items() if name not in ("_generations", "_masks")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._generations = Generations(self.constraints, self.prompt_length)
        self._masks = _Masks()


class StoppingCriteria(_StoppingCriteria):  # type: ignore[misc, unused-ignore]
    """Ends rows that are whole: nothing but an end token may follow. For models that would not end
    by themselves.

    It follows the generation of a `LogitsProcessor`, which `generate` must have, too. Beams ask it
    about more rows than the processor has: about all among which they choose.
    """

    def __init__(self, processor: LogitsProcessor) -> None:
        if not isinstance(processor, LogitsProcessor):
            said = f"the rows are those of a hedgerow.hf.LogitsProcessor, not {type(processor).__name__}"
            raise TypeError(said)
        self.processor = processor

    def __call__(self, input_ids: torch.LongTensor, scores: Any, **kwargs: Any) -> torch.BoolTensor:
        """For each row, whether it is whole. Rows of which the processor has not seen the prompt
        are not, nor are rows that have left the constraint.
        """
        rows: list[list[int]] = input_ids.tolist()
        constraints = self.processor.constraints
        generations = self.processor._generations
        # Beams ask about more rows, of which some may be left out.
        is_of_rows = len(rows) == generations.row_count
        whole: list[bool] = []
        for at, (place, is_known) in enumerate(generations.candidates(rows)):
            ends = constraints[at * len(constraints) // len(rows)].vocabulary.eos
            has_ended = place.is_refused or _is_whole(place.matcher, ends)
            whole.append(is_known and not place.has_left and has_ended)
            if is_known and is_of_rows and place.has_left:
                self.processor._warn("has brought in a token that the constraint forbids")
        done: Any = torch.tensor(whole, dtype=torch.bool, device=input_ids.device)
        return cast("torch.BoolTensor", done)


def _is_whole(matcher: Matcher, ends: list[int]) -> bool:
    if not matcher.is_accepting:
        return False
    mask = matcher.constraint.vocabulary.mask_buffer()
    matcher.fill_mask(mask)
    for token in ends:
        mask[token // 32] &= ~(1 << token % 32)
    return not mask.tobytes().strip(b"\0")
