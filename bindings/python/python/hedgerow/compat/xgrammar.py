"""XGrammar's names over hedgerow, for engines that are written for XGrammar.

    >>> import sys, hedgerow.compat.xgrammar as xgrammar    # doctest: +SKIP
    >>> sys.modules["xgrammar"] = xgrammar                  # doctest: +SKIP

The classes and functions of its compiling, matching and masks are here, with its arguments and
defaults. They differ in three ways. Masks are exact. `strict_mode` forbids keys that the schema
does not name, and leaves arrays as they are. `fill_next_token_bitmask` always says that the mask is
to be applied. Serialised grammars, captures and temperatures are not supported.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any

import torch

from .. import torch as _masks
from .._compiler import Compiler as _Compiler
from .._core import Constraint as _Constraint
from .._core import Grammar as _Grammar
from .._core import Matcher as _Matcher
from .._core import Vocabulary as _Vocabulary
from .._core import fill_masks as _fill_masks
from ..torch import allocate_token_bitmask, get_bitmask_shape

__all__ = [
    "BatchGrammarMatcher",
    "CompiledGrammar",
    "Grammar",
    "GrammarCompiler",
    "GrammarMatcher",
    "TokenizerInfo",
    "VocabType",
    "allocate_token_bitmask",
    "apply_token_bitmask_inplace",
    "bitmask_dtype",
    "get_bitmask_shape",
    "reset_token_bitmask",
]

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
    _masks.apply_token_bitmask_inplace(logits[..., :width], bitmask, indices=rows)


class VocabType(enum.Enum):
    """The way in which a vocabulary's tokens are spelt."""

    RAW = 0
    BYTE_FALLBACK = 1
    BYTE_LEVEL = 2


def _byte_level() -> dict[str, int]:
    """The bytes that GPT-2's letters stand for."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {chr(byte): byte for byte in plain}
    others = [byte for byte in range(256) if byte not in plain]
    letters.update({chr(256 + at): byte for at, byte in enumerate(others)})
    return letters


_LETTERS = _byte_level()


def _decoded(token: str | bytes, kind: VocabType) -> bytes:
    """The bytes of a token."""
    if isinstance(token, bytes):
        if kind is VocabType.RAW:
            return token
        token = token.decode("utf-8")
    if kind is VocabType.BYTE_FALLBACK:
        if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
            return bytes([int(token[3:5], 16)])
        return token.replace("\u2581", " ").encode()
    if kind is VocabType.BYTE_LEVEL and all(letter in _LETTERS for letter in token):
        return bytes(_LETTERS[letter] for letter in token)
    return token.encode()


def _listed(tokens: int | Sequence[int] | None) -> list[int] | None:
    """One token, or several, as a list."""
    if tokens is None:
        return None
    return [tokens] if isinstance(tokens, int) else [int(token) for token in tokens]


class TokenizerInfo:
    """The vocabulary of a tokenizer."""

    def __init__(
        self,
        encoded_vocab: Sequence[bytes] | Sequence[str],
        vocab_type: VocabType = VocabType.RAW,
        *,
        vocab_size: int | None = None,
        stop_token_ids: int | Sequence[int] | None = None,
        add_prefix_space: bool = False,
    ) -> None:
        tokens = [_decoded(token, vocab_type) for token in encoded_vocab]
        ends = _listed(stop_token_ids)
        named = {} if ends is None else {f"<stop {end}>": end for end in ends if end < len(tokens)}
        self._set(_Vocabulary.from_tokens(tokens, special=named), vocab_size, ends)
        self.vocab_type = vocab_type
        self.add_prefix_space = add_prefix_space

    def _set(self, vocabulary: _Vocabulary, size: int | None, ends: list[int] | None) -> None:
        if size is not None and size != vocabulary.size:
            vocabulary = vocabulary.with_model_size(size)
        if ends is not None:
            vocabulary = vocabulary.with_eos([end for end in ends if end < vocabulary.token_count])
        self.vocabulary = vocabulary

    @staticmethod
    def from_huggingface(
        tokenizer: Any,
        *,
        vocab_size: int | None = None,
        stop_token_ids: int | Sequence[int] | None = None,
    ) -> TokenizerInfo:
        """The vocabulary of a fast tokenizer of transformers."""
        info = TokenizerInfo.__new__(TokenizerInfo)
        found = _Vocabulary.from_tokenizer(tokenizer)
        info._set(
            found, None if vocab_size is None else max(vocab_size, found.token_count), _listed(stop_token_ids)
        )
        info.vocab_type = VocabType.RAW
        info.add_prefix_space = False
        return info

    @property
    def vocab_size(self) -> int:
        """The number of tokens that masks range over."""
        return self.vocabulary.size

    @property
    def stop_token_ids(self) -> list[int]:
        """The tokens that end a sequence."""
        return self.vocabulary.eos

    @property
    def special_token_ids(self) -> list[int]:
        """The tokens that no text matches."""
        return sorted(self.vocabulary.special_tokens.values())

    @property
    def decoded_vocab(self) -> list[bytes]:
        """The bytes of all tokens."""
        return [self.vocabulary.bytes(token) for token in range(self.vocabulary.size)]


def _schema_grammar(
    schema: Any,
    *,
    any_whitespace: bool = True,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    strict_mode: bool = True,
    max_whitespace_cnt: int | None = None,
    any_order: bool = False,
) -> _Grammar:
    options: dict[str, Any] = {}
    if any_whitespace:
        if max_whitespace_cnt is not None:
            options["whitespace_pattern"] = f"[ \\n\\r\\t]{{0,{max_whitespace_cnt}}}"
    elif indent is not None:
        options["indent"] = indent
    else:
        options["separators"] = separators or (", ", ": ")
    if strict_mode:
        options["additional_properties"] = "forbid"
    if any_order:
        options["key_order"] = "any"
    return _Grammar.json_schema(schema, **options)


class Grammar:
    """A grammar without a vocabulary."""

    def __init__(self, grammar: _Grammar) -> None:
        self.grammar = grammar

    def __str__(self) -> str:
        return self.grammar.text

    @staticmethod
    def from_ebnf(ebnf_string: str, *, root_rule_name: str = "root") -> Grammar:
        """The grammar of rules in GBNF, which XGrammar calls EBNF."""
        if root_rule_name != "root":
            ebnf_string = f"root ::= {root_rule_name}\n{ebnf_string}"
        return Grammar(_Grammar.gbnf(ebnf_string).check())

    @staticmethod
    def from_json_schema(schema: Any, **options: Any) -> Grammar:
        """The grammar of a JSON Schema, with the options of `compile_json_schema`."""
        return Grammar(_schema_grammar(schema, **options).check())

    @staticmethod
    def from_regex(regex_string: str) -> Grammar:
        """The grammar of a regular expression."""
        return Grammar(_Grammar.regex(regex_string).check())

    @staticmethod
    def from_lark(lark_string: str) -> Grammar:
        """The grammar of rules in Lark's notation."""
        return Grammar(_Grammar.lark(lark_string).check())

    @staticmethod
    def builtin_json_grammar() -> Grammar:
        """The grammar of any JSON."""
        return Grammar(_Grammar.json_schema(True))


class CompiledGrammar:
    """A grammar over a vocabulary."""

    def __init__(self, constraint: _Constraint, tokenizer_info: TokenizerInfo) -> None:
        self.constraint = constraint
        self.tokenizer_info = tokenizer_info

    @property
    def grammar(self) -> Grammar:
        """The grammar alone."""
        return Grammar(self.constraint.grammar)

    @property
    def memory_size_bytes(self) -> int:
        """The memory that is held, about."""
        return self.constraint.stats()["bytes"]


class GrammarCompiler:
    """Compiles for one vocabulary, and keeps the grammars that were used last."""

    def __init__(
        self,
        tokenizer_info: TokenizerInfo,
        *,
        max_threads: int = 8,
        cache_enabled: bool = True,
        cache_limit_bytes: int = -1,
    ) -> None:
        self.tokenizer_info = tokenizer_info
        self._compiler = _Compiler(tokenizer_info.vocabulary, cache=1024 if cache_enabled else 0)
        self.cache_limit_bytes = cache_limit_bytes

    def _compiled(self, grammar: _Grammar) -> CompiledGrammar:
        return CompiledGrammar(self._compiler.compile(grammar), self.tokenizer_info)

    def compile_json_schema(
        self,
        schema: Any,
        *,
        any_whitespace: bool = True,
        indent: int | None = None,
        separators: tuple[str, str] | None = None,
        strict_mode: bool = True,
        max_whitespace_cnt: int | None = None,
        any_order: bool = False,
    ) -> CompiledGrammar:
        """The grammar of a JSON Schema: text, a dict, or a pydantic model."""
        grammar = _schema_grammar(
            schema,
            any_whitespace=any_whitespace,
            indent=indent,
            separators=separators,
            strict_mode=strict_mode,
            max_whitespace_cnt=max_whitespace_cnt,
            any_order=any_order,
        )
        return self._compiled(grammar)

    def compile_builtin_json_grammar(self) -> CompiledGrammar:
        """The grammar of any JSON."""
        return self._compiled(_Grammar.json_schema(True))

    def compile_regex(self, regex: str) -> CompiledGrammar:
        """The grammar of a regular expression."""
        return self._compiled(_Grammar.regex(regex))

    def compile_lark(self, lark_string: str) -> CompiledGrammar:
        """The grammar of rules in Lark's notation."""
        return self._compiled(_Grammar.lark(lark_string))

    def compile_grammar(self, grammar: str | Grammar, *, root_rule_name: str = "root") -> CompiledGrammar:
        """A grammar, or the grammar of rules in GBNF."""
        if isinstance(grammar, str):
            grammar = Grammar.from_ebnf(grammar, root_rule_name=root_rule_name)
        return self._compiled(grammar.grammar)

    def compile_structural_tag(self, structural_tag: Any) -> CompiledGrammar:
        """The grammar of a structural tag: text, a dict, or a model of pydantic."""
        if hasattr(structural_tag, "model_dump_json"):
            structural_tag = structural_tag.model_dump_json()
        return self._compiled(_Grammar.structural_tag(structural_tag))

    def clear_cache(self) -> None:
        """Forgets all grammars."""
        self._compiler.cache_clear()


class GrammarMatcher:
    """One output's place in a grammar."""

    def __init__(
        self,
        compiled_grammar: CompiledGrammar,
        *,
        override_stop_tokens: int | Sequence[int] | None = None,
        terminate_without_stop_token: bool = False,
        max_rollback_tokens: int = -1,
    ) -> None:
        constraint = compiled_grammar.constraint
        ends = _listed(override_stop_tokens)
        if ends is not None:
            from .._core import compile

            constraint = compile(constraint.grammar, constraint.vocabulary.with_eos(ends))
        self._matcher: _Matcher = constraint.matcher()
        self._ends = set(constraint.vocabulary.eos)
        self._terminate_without_stop_token = terminate_without_stop_token
        self.max_rollback_tokens = max_rollback_tokens

    @property
    def stop_token_ids(self) -> list[int]:
        """The tokens that end a sequence."""
        return sorted(self._ends)

    def accept_token(self, token_id: int, *, debug_print: bool = False) -> bool:
        """Reads a token. False if it may not come, and when the output has ended."""
        if self.is_terminated() or not 0 <= token_id < self._matcher.constraint.vocabulary.size:
            return False
        return self._matcher.advance(token_id)

    def accept_string(self, input_str: str | bytes, *, debug_print: bool = False) -> bool:
        """Reads text as one step. False if it may not come."""
        return not self.is_terminated() and self._matcher.advance_bytes(input_str)

    def fill_next_token_bitmask(
        self, bitmask: torch.Tensor, index: int = 0, *, debug_print: bool = False
    ) -> bool:
        """Writes the mask of what may come next into a row, which is then to be applied."""
        _masks.fill_next_token_bitmask(self._matcher, bitmask, index)
        return True

    def traverse_draft_tree(
        self,
        retrieve_next_token: torch.Tensor,
        retrieve_next_sibling: torch.Tensor,
        draft_tokens: torch.Tensor,
        token_bitmask: torch.Tensor,
        time_threshold: float = -1.0,
    ) -> bool:
        """Fills the masks of a tree of guesses, given by each node's first child and next sibling.

        Node 0 is the token that was read last. Rows of guesses that may not come stay as they are.
        """
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
        self._matcher.rollback(num_tokens)

    def is_terminated(self) -> bool:
        """Tells whether the output has ended: by a stop token, or without one if that was asked for
        and nothing may follow.
        """
        return (
            self._matcher.is_stopped
            or self._terminate_without_stop_token
            and self.is_completed()
            and (set(self._matcher.allowed_tokens()) <= self._ends)
        )

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
        _fill_masks(inner, _masks._memory(bitmask), rows=indices, threads=self._threads)

    @staticmethod
    def batch_accept_token(
        matchers: Sequence[GrammarMatcher], tokens: Sequence[int], debug_print: bool = False
    ) -> list[bool]:
        """Reads a token with each matcher."""
        return [matcher.accept_token(token) for matcher, token in zip(matchers, tokens)]

    @staticmethod
    def batch_accept_string(
        matchers: Sequence[GrammarMatcher], strings: Sequence[str | bytes], debug_print: bool = False
    ) -> list[bool]:
        """Reads a text with each matcher."""
        return [matcher.accept_string(text) for matcher, text in zip(matchers, strings)]

    @staticmethod
    def batch_rollback(matchers: Sequence[GrammarMatcher], num_tokens: Sequence[int]) -> None:
        """Takes back steps of each matcher."""
        for matcher, count in zip(matchers, num_tokens):
            matcher.rollback(count)
