"""Matchers and bitmasks by XGrammar's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ... import torch as _masks
from ..._core import Matcher, compile, fill_masks
from ...errors import HedgerowError
from ...torch import allocate_token_bitmask
from ._errors import raised_as
from ._grammar import CompiledGrammar
from ._tokenizer_info import listed

bitmask_dtype = torch.int32
"""The type of bitmasks."""


def reset_token_bitmask(bitmask: torch.Tensor) -> None:
    """Lets every token come."""
    bitmask.fill_(-1)


def apply_token_bitmask_inplace(
    logits: torch.Tensor,
    bitmask: torch.Tensor,
    *,
    vocab_size: int | None = None,
    indices: Sequence[int] | None = None,
    backend: str = "auto",
) -> None:
    """Gives logits of tokens that may not come minus infinity; those from `vocab_size` on stay."""
    covered = min(logits.shape[-1], bitmask.shape[-1] * 32)
    width = covered if vocab_size is None else min(covered, vocab_size)
    rows = None if indices is None else [int(index) for index in indices]
    with raised_as():
        _masks.apply_token_bitmask_inplace(logits[..., :width], bitmask, indices=rows)


class GrammarMatcher:
    """One output's place in a grammar."""

    def __init__(
        self,
        compiled_grammar: CompiledGrammar,
        *,
        override_stop_tokens: int | Sequence[int] | None = None,
        terminate_without_stop_token: bool = False,
        max_rollback_tokens: int = -1,
        default_temperature: float | None = None,
    ) -> None:
        constraint = compiled_grammar.constraint
        ends = listed(override_stop_tokens)
        if ends is not None:
            with raised_as():
                constraint = compile(constraint.grammar, constraint.vocabulary.with_eos(ends))
        self._matcher: Matcher = constraint.matcher()
        self._ends = set(constraint.vocabulary.eos)
        self._terminate_without_stop_token = terminate_without_stop_token
        self._temperature = default_temperature

    @property
    def stop_token_ids(self) -> list[int]:
        """The tokens that end a sequence."""
        return sorted(self._ends)

    @property
    def max_rollback_tokens(self) -> int:
        """No limit: every step can be taken back."""
        return -1

    @property
    def temperature(self) -> float | None:
        """The default temperature that was given: grammars have none of their own."""
        return self._temperature

    def accept_token(self, token_id: int, *, debug_print: bool = False) -> bool:
        """Reads a token. False if it may not come, and when the output has ended."""
        if self._matcher.is_stopped or not 0 <= token_id < self._matcher.constraint.vocabulary.size:
            return False
        if self._terminate_without_stop_token and token_id in self._ends:
            return False
        return self._matcher.advance(token_id)

    def accept_string(self, input_str: str | bytes, *, debug_print: bool = False) -> bool:
        """Reads text as one step. False if it may not come."""
        return not self._matcher.is_stopped and self._matcher.advance_bytes(input_str)

    def fill_next_token_bitmask(
        self, bitmask: torch.Tensor, index: int = 0, *, debug_print: bool = False
    ) -> bool:
        """Writes the mask of what may come next into a row, which is then to be applied."""
        try:
            _masks.fill_next_token_bitmask(self._matcher, bitmask, index)
        except (HedgerowError, TypeError, ValueError, IndexError) as error:
            raise RuntimeError(str(error)) from error
        return True

    def traverse_draft_tree(
        self,
        retrieve_next_token: torch.Tensor,
        retrieve_next_sibling: torch.Tensor,
        draft_tokens: torch.Tensor,
        token_bitmask: torch.Tensor,
        time_threshold: float = -1.0,
        temperatures: torch.Tensor | None = None,
    ) -> bool:
        """Fills the masks of a tree of guesses, given by each node's first child and next sibling.

        Node 0 is the token that was read last. Rows of guesses that may not come stay as they are.
        """
        if temperatures is not None:
            temperatures.fill_(-1 if self._temperature is None else self._temperature)
        children, siblings = retrieve_next_token.tolist(), retrieve_next_sibling.tolist()
        guesses = draft_tokens.tolist()
        self.fill_next_token_bitmask(token_bitmask, 0)
        # In the order in which parents come before their children: node, and place of its parent.
        order: list[int] = []
        parents: list[int] = []
        waiting = [(children[0], -1)]
        while waiting:
            node, parent = waiting.pop()
            while node > 0:
                order.append(node)
                parents.append(parent)
                waiting.append((children[node], len(order) - 1))
                node = siblings[node]
        rows = allocate_token_bitmask(len(order), self._matcher.constraint.vocabulary.size)
        tokens = [guesses[node] for node in order]
        allowed = self._matcher.mask_draft_tree(tokens, parents, rows.numpy()) if order else []
        for at, node in enumerate(order):
            if allowed[at]:
                token_bitmask[node, : rows.shape[1]] = rows[at]
        return True

    def find_jump_forward_string(self) -> str:
        """The text that must come next."""
        return self._matcher.forced_bytes().decode("utf-8", "ignore")

    def rollback(self, num_tokens: int = 1) -> None:
        """Takes back the last steps."""
        with raised_as():
            self._matcher.rollback(num_tokens)

    def is_terminated(self) -> bool:
        """Tells whether the output has ended: by a stop token, or, if that was asked for, without
        one wherever it may end.
        """
        return self._matcher.is_stopped or self._terminate_without_stop_token and self.is_completed()

    def is_completed(self) -> bool:
        """Tells whether the output may end here."""
        return self._matcher.is_accepting

    def reset(self) -> None:
        """Goes back to the beginning."""
        self._matcher.reset()

    def fork(self) -> GrammarMatcher:
        """A matcher at the same place, which goes its own way."""
        other = GrammarMatcher.__new__(GrammarMatcher)
        other.__dict__.update(self.__dict__)
        other._matcher = self._matcher.fork()
        return other


class BatchGrammarMatcher:
    """Asks many matchers at once."""

    def __init__(self, max_threads: int | str = "auto") -> None:
        self._threads = max_threads if isinstance(max_threads, int) else None

    def batch_fill_next_token_bitmask(
        self,
        matchers: Sequence[GrammarMatcher],
        bitmask: torch.Tensor,
        indices: Sequence[int] | None = None,
        debug_print: bool = False,
    ) -> None:
        """Writes the masks of all matchers, each into its row."""
        inner = [matcher._matcher for matcher in matchers]
        with raised_as():
            fill_masks(inner, _masks._memory(bitmask), rows=indices, threads=self._threads)

    @staticmethod
    def batch_fill_temperature(
        matchers: Sequence[GrammarMatcher], temperatures: torch.Tensor, indices: Sequence[int] | None = None
    ) -> None:
        """Writes the temperatures of all matchers; -1 for those without one."""
        places = list(range(len(matchers)) if indices is None else indices)
        _check_lengths(matchers, places)
        for place, matcher in zip(places, matchers):
            temperatures[place] = -1 if matcher.temperature is None else matcher.temperature

    @staticmethod
    def batch_accept_token(
        matchers: Sequence[GrammarMatcher], tokens: Sequence[int], debug_print: bool = False
    ) -> list[bool]:
        """Reads a token with each matcher."""
        _check_lengths(matchers, tokens)
        return [matcher.accept_token(token) for matcher, token in zip(matchers, tokens)]

    @staticmethod
    def batch_accept_string(
        matchers: Sequence[GrammarMatcher], strings: Sequence[str | bytes], debug_print: bool = False
    ) -> list[bool]:
        """Reads a text with each matcher."""
        _check_lengths(matchers, strings)
        return [matcher.accept_string(text) for matcher, text in zip(matchers, strings)]

    @staticmethod
    def batch_rollback(matchers: Sequence[GrammarMatcher], num_tokens: Sequence[int] | int = 1) -> None:
        """Takes back steps of each matcher."""
        if isinstance(num_tokens, int):
            num_tokens = [num_tokens] * len(matchers)
        _check_lengths(matchers, num_tokens)
        for matcher, count in zip(matchers, num_tokens):
            matcher.rollback(count)


def _check_lengths(matchers: Sequence[GrammarMatcher], given: Sequence[Any]) -> None:
    if len(matchers) != len(given):
        raise RuntimeError(f"there are {len(matchers)} matchers, but {len(given)} values for them")
