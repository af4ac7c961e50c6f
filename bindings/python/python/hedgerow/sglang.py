"""hedgerow as SGLang's grammar backend: `python -m sglang.launch_server --grammar-backend
hedgerow`.

The entry point `hedgerow` of `sglang.srt.plugins` registers it. It serves JSON Schemas, regular
expressions and rules (`ebnf`), with the reasoning parsers of SGLang around it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from sglang.srt.constrained.base_grammar_backend import (
    BaseGrammarBackend,
    BaseGrammarObject,
    GrammarRow,
    InvalidGrammarObject,
    register_grammar_backend,
    register_vocab_mask_buffer,
)

from . import torch as masks
from ._core import Constraint, Grammar, Vocabulary, fill_masks
from ._engine import Request, compiler, known_ends
from ._requests import grammar_of

NAME = "hedgerow"
"""The backend's name on SGLang's command line."""

TIMEOUT = 30.0
"""Seconds that compiling one request's grammar may take."""

logger = logging.getLogger(__name__)


def set_token_filter(
    vocab_mask: torch.Tensor,
    token_ids: Iterable[int],
    batch_idx: int,
    is_allowed: bool = True,
    reset_vocab_mask: bool = True,
) -> None:
    """Allows or forbids some tokens in a row of masks, and the opposite for all others if the row
    is reset.
    """
    row = vocab_mask[batch_idx]
    if reset_vocab_mask:
        row.fill_(0 if is_allowed else -1)
    for token in token_ids:
        bit = 1 << token % 32
        # The words are signed.
        bit -= (bit >> 31) << 32
        row[token // 32] = row[token // 32] | bit if is_allowed else row[token // 32] & ~bit


class RequestGrammar(BaseGrammarObject):  # type: ignore[misc, unused-ignore]
    """One request's place in its constraint."""

    def __init__(self, constraint: Constraint) -> None:
        super().__init__()
        self.request = Request(constraint)

    def accept_token(self, token: int) -> None:
        """Reads a token. Raises `ValueError` if it may not come."""
        if not self.request.accept(token):
            raise ValueError(f"token {token} is not allowed here")

    def rollback(self, k: int) -> None:
        """Takes back the last tokens."""
        if k > 0:
            self.request.rollback(k)

    def is_terminated(self) -> bool:
        """Tells whether the output has ended."""
        return self.request.is_over

    @property
    def finished(self) -> bool:
        """Tells whether the output has ended, or the scheduler has ended it."""
        return self._finished or self.request.is_over

    @finished.setter
    def finished(self, finished: bool) -> None:
        self._finished = finished

    def allocate_vocab_mask(self, vocab_size: int, batch_size: int, device: Any) -> torch.Tensor:
        """Masks in which every token may come, on the CPU."""
        return masks.allocate_token_bitmask(batch_size, self.request.constraint.vocabulary.size)

    def fill_vocab_mask(self, vocab_mask: torch.Tensor, idx: int) -> None:
        """Writes the mask of what may come next into a row."""
        masks.fill_next_token_bitmask(self.request.matcher, vocab_mask, idx)

    @staticmethod
    def fill_vocab_mask_batched(entries: list[GrammarRow], vocab_mask: torch.Tensor) -> None:
        """Fills the rows of a batch, in one call where all are of this backend."""
        if all(isinstance(entry.grammar, RequestGrammar) for entry in entries):
            matchers = [entry.grammar.request.matcher for entry in entries]
            fill_masks(matchers, vocab_mask.numpy(), rows=[entry.row for entry in entries])
            return
        for entry in entries:
            entry.grammar.fill_vocab_mask(vocab_mask, entry.row)

    @staticmethod
    def reset_vocab_mask(vocab_mask: torch.Tensor) -> None:
        """Lets every token come."""
        vocab_mask.fill_(-1)

    @staticmethod
    def move_vocab_mask(vocab_mask: torch.Tensor, device: Any) -> torch.Tensor:
        """The masks on the model's device."""
        return vocab_mask.to(device, non_blocking=True)

    @staticmethod
    def apply_vocab_mask(logits: torch.Tensor, vocab_mask: torch.Tensor) -> None:
        """Gives logits of tokens that may not come minus infinity."""
        masks.apply_token_bitmask_inplace(logits, vocab_mask)

    def copy(self) -> RequestGrammar:
        """The same constraint from its beginning: the cached object serves every request so."""
        return RequestGrammar(self.request.constraint)

    def try_jump_forward(self, tokenizer: Any) -> tuple[list[int], str] | None:
        """The tokens that must come next."""
        forced = self.request.matcher.forced_tokens()
        return (forced, "") if forced else None

    def jump_forward_str_state(self, helper: tuple[list[int], str]) -> tuple[str, int]:
        """No text: jumps are given as tokens."""
        return "", -1

    def jump_and_retokenize(
        self, old_output_ids: list[int], new_output_ids: list[int], next_state: int
    ) -> None:
        """Moves to another way to split the output."""
        shared = 0
        for one, other in zip(old_output_ids, new_output_ids):
            if one != other:
                break
            shared += 1
        self.request.rollback(len(old_output_ids) - shared)
        for token in new_output_ids[shared:]:
            self.accept_token(token)


class Backend(BaseGrammarBackend):  # type: ignore[misc, unused-ignore]
    """The backend of a server."""

    def __init__(
        self, tokenizer: Any, vocab_size: int, eos_token_ids: Any = None, **schema_options: Any
    ) -> None:
        super().__init__()
        found = Vocabulary.from_tokenizer(tokenizer)
        found = found.with_model_size(max(vocab_size, found.token_count))
        ends = [eos_token_ids] if isinstance(eos_token_ids, int) else eos_token_ids
        self.compiler = compiler(found.with_eos(known_ends(found.eos, ends, found.token_count)))
        self.schema_options = schema_options
        self._framing = self.compiler

    def allocate_vocab_mask(self, vocab_size: int, batch_size: int, device: Any) -> torch.Tensor:
        """Masks in which every token may come, on the CPU."""
        return masks.allocate_token_bitmask(batch_size, self.compiler.vocabulary.size)

    # SGLang's reasoning asks the backend for these.
    move_vocab_mask = staticmethod(RequestGrammar.move_vocab_mask)
    apply_vocab_mask = staticmethod(RequestGrammar.apply_vocab_mask)
    set_token_filter = staticmethod(set_token_filter)

    @property
    def is_support_token_filter(self) -> bool:
        """Tells that strict thinking can be enforced, and the number of its tokens be limited."""
        return True

    def reserve_framing_tokens(self, token_ids: Sequence[int]) -> None:
        """Lets these tokens match no text in framed grammars, but only themselves."""
        vocabulary = self.compiler.vocabulary
        special = vocabulary.special_tokens
        tokens = [vocabulary.bytes(token) for token in range(vocabulary.token_count)]
        for token in set(token_ids).difference(special.values()):
            special[tokens[token].decode(errors="replace") or f"token {token}"] = token
        self._framing = compiler(
            Vocabulary.from_tokens(tokens, special=special, model_size=vocabulary.size, eos=vocabulary.eos)
        )

    def compile_framed_grammar(
        self, grammar: BaseGrammarObject, frame: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> BaseGrammarObject | None:
        """The grammar of a structural tag that has a request's grammar in it: a schema, a pattern
        or rules in EBNF. None for others: then SGLang's reasoning is around the answer without the
        frame.
        """
        if not isinstance(grammar, RequestGrammar):
            return None
        asked = grammar.request.constraint.grammar
        content = _content(asked)
        if content is None:
            logger.warning("no frame is enforced around a %s", asked.kind)
            return None
        framed = Grammar.structural_tag(frame(content), **self.schema_options)
        return self._made("structural_tag", lambda: self._framing.compile(framed, timeout=TIMEOUT))

    def initialize_vocab_mask_buffer(
        self, name: str, vocab_size: int, max_rows: int, device: Any
    ) -> torch.Tensor:
        """The masks that the server uses again and again."""
        mask = masks.allocate_token_bitmask(max_rows, self.compiler.vocabulary.size)
        buffer: torch.Tensor = register_vocab_mask_buffer(name, mask, max_rows)
        return buffer

    def _dispatch(self, kind: str, text: str) -> BaseGrammarObject:
        options = self.schema_options if kind in ("json", "json_object", "structural_tag") else {}
        return self._made(
            kind, lambda: self.compiler.compile(grammar_of(kind, text, **options), timeout=TIMEOUT)
        )

    def _made(self, kind: str, make: Callable[[], Constraint]) -> BaseGrammarObject:
        try:
            return RequestGrammar(make())
        except Exception as error:
            logger.error("invalid %s: %s", kind, error)
            return InvalidGrammarObject(str(error))

    def dispatch_json(self, key_string: str) -> BaseGrammarObject:
        """The grammar of a JSON Schema; SGLang writes `$$ANY$$` for any JSON."""
        return self._dispatch("json", "true" if key_string == "$$ANY$$" else key_string)

    def dispatch_regex(self, key_string: str) -> BaseGrammarObject:
        """The grammar of a regular expression."""
        return self._dispatch("regex", key_string)

    def dispatch_ebnf(self, key_string: str) -> BaseGrammarObject:
        """The grammar of rules."""
        return self._dispatch("grammar", key_string)

    def dispatch_structural_tag(self, key_string: str) -> BaseGrammarObject:
        """The grammar of a structural tag."""
        return self._dispatch("structural_tag", key_string)


def _content(grammar: Grammar) -> dict[str, Any] | None:
    """A grammar as a part of a structural tag; None for those that are no part of others."""
    if grammar.kind == "json_schema":
        return {"type": "json_schema", "json_schema": json.loads(grammar.text)}
    if grammar.kind == "regex":
        return {"type": "regex", "pattern": grammar.text}
    if grammar.kind in ("gbnf", "ebnf"):
        return {"type": "grammar", "grammar": grammar.text, "notation": grammar.kind}
    return None


def _setting(server_args: Any, name: str) -> Any:
    """A setting of the running server, or of its arguments where none runs."""
    from sglang.srt import runtime_context

    try:
        return getattr(runtime_context.get_serving(), name)
    except Exception:
        return getattr(server_args, name, None)


def _whitespace(pattern: str | None, is_disabled: bool | None, most: int | None) -> dict[str, Any]:
    """The option of schemas for the server's three options for whitespace, of which the first that
    is given counts.
    """
    given: list[tuple[str, dict[str, Any]]] = []
    if pattern:
        given.append(("--constrained-json-whitespace-pattern", {"whitespace_pattern": pattern}))
    if is_disabled:
        given.append(("--constrained-json-disable-any-whitespace", {"whitespace": "compact"}))
    if most is not None:
        spaces = {"whitespace_pattern": f"[ \\n\\r\\t]{{0,{most}}}"}
        given.append(("--constrained-json-max-whitespace-cnt", spaces))
    for name, _ in given[1:]:
        logger.warning("%s has no effect beside %s", name, given[0][0])
    return given[0][1] if given else {}


def create(server_args: Any, tokenizer: Any, vocab_size: int, eos_token_ids: Any) -> Any:
    """The backend of a server's arguments, within SGLang's reasoning where a parser is named.

    SGLang gives backends of others back before it wraps its own.
    """
    options = _whitespace(
        _setting(server_args, "constrained_json_whitespace_pattern"),
        _setting(server_args, "constrained_json_disable_any_whitespace"),
        _setting(server_args, "constrained_json_max_whitespace_cnt"),
    )
    backend = Backend(tokenizer, vocab_size, eos_token_ids, **options)
    parser = _setting(server_args, "reasoning_parser")
    if not parser:
        return backend
    from sglang.srt.constrained.reasoner_grammar_backend import ReasonerGrammarBackend
    from sglang.srt.parser.reasoning_parser import ReasoningParser

    reasoning = ReasoningParser(model_type=parser, stream_reasoning=False, tokenizer=tokenizer)
    if not reasoning.detector.get_think_end_token_ids(tokenizer):
        # The model has no reasoning to tell from the answer.
        return backend
    strict = bool(_setting(server_args, "enable_strict_thinking"))
    return ReasonerGrammarBackend(backend, reasoning, tokenizer, enable_strict_thinking=strict)


def register() -> None:
    """The entry point of `sglang.srt.plugins`. Doing it twice changes nothing."""
    register_grammar_backend(NAME, create)
    from sglang.srt.server_args import GRAMMAR_BACKEND_CHOICES, add_grammar_backend_choices

    if NAME not in GRAMMAR_BACKEND_CHOICES:
        add_grammar_backend_choices([NAME])
