"""hedgerow as vLLM's backend for structured outputs.

vLLM has no registry for such backends. Two ways lead into it:

- **Plug-in.** With `HEDGEROW_VLLM=1` in the environment, the entry point `hedgerow` of
  `vllm.general_plugins` puts `Backend` in the place of vLLM's own, in every process of the engine.
  All requests are served by it: JSON, regex, choice, grammar, structural tags. Reasoning parsers
  and speculative decoding work as with vLLM's own.
- **Logits processor.** `LLM(…, logits_processors=["hedgerow.vllm:RequestLogitsProcessor"])` takes a
  request's constraint from `SamplingParams(extra_args={"hedgerow": {"json": …}})`. It is the way
  that vLLM supports for others; it does not work with speculative decoding, and does not know of
  reasoning.

The end tokens of a request are its end-of-sequence and stop tokens, as vLLM gives them.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

import torch
from vllm.v1.sample.logits_processor import AdapterLogitsProcessor
from vllm.v1.structured_output.backend_types import (
    StructuredOutputBackend,
    StructuredOutputGrammar,
    StructuredOutputOptions,
)

from . import torch as masks
from ._core import Constraint, Grammar, Vocabulary
from ._engine import Request, compiler, known_ends
from ._history import History
from ._requests import grammar_of
from .errors import HedgerowError

NAME = "hedgerow"
"""The backend's name, in requests and in vLLM's messages."""

TIMEOUT = 30.0
"""Seconds that compiling one request's grammar may take."""


def vocabulary(tokenizer: Any, vocab_size: int) -> Vocabulary:
    """The vocabulary of an engine's tokenizer."""
    found = Vocabulary.from_tokenizer(tokenizer)
    return found.with_model_size(max(vocab_size, found.token_count))


logger = logging.getLogger(__name__)

KINDS = ("json", "json_object", "regex", "choice", "grammar", "structural_tag")
"""The constraints that a request may name, by vLLM's names."""

OPTIONS = ("whitespace_pattern", "disable_any_whitespace", "disable_additional_properties")
"""The options of schemas that a request may give, by vLLM's names."""


def schema_options(asked: Any) -> dict[str, Any]:
    """Options of the schemas of a request: vLLM's `StructuredOutputsParams`, or a mapping with the
    same names.
    """
    pattern, is_compact, is_closed = (_field(asked, name) for name in OPTIONS)
    if pattern and is_compact:
        raise ValueError("give only one of whitespace_pattern and disable_any_whitespace")
    options: dict[str, Any] = {}
    if pattern:
        options["whitespace_pattern"] = pattern
    elif is_compact:
        options["whitespace"] = "compact"
    if is_closed:
        options["additional_properties"] = "forbid"
    return options


def _field(asked: Any, name: str) -> Any:
    return asked.get(name) if isinstance(asked, Mapping) else getattr(asked, name, None)


class RequestGrammar(StructuredOutputGrammar):  # type: ignore[misc, unused-ignore]
    """One request's place in its constraint."""

    def __init__(self, constraint: Constraint) -> None:
        self.request = Request(constraint)

    def accept_tokens(self, request_id: str, tokens: list[int]) -> bool:
        """Reads tokens. False, and nothing has changed, if one of them may not come."""
        return self.request.accept_all(tokens)

    def validate_tokens(self, tokens: list[int]) -> list[int]:
        """The leading tokens that may come."""
        given = tokens[: tokens.index(-1)] if -1 in tokens else tokens
        return given[: self.request.matcher.validate(given)]

    def rollback(self, num_tokens: int) -> None:
        """Takes back the last tokens."""
        self.request.rollback(num_tokens)

    def fill_bitmask(self, bitmask: torch.Tensor, batch_index: int) -> None:
        """Writes the mask of what may come next into a row."""
        masks.fill_next_token_bitmask(self.request.matcher, bitmask, batch_index)

    def is_terminated(self) -> bool:
        """Tells whether the output has ended."""
        return self.request.is_over

    def reset(self) -> None:
        """Goes back to the beginning."""
        self.request.reset()


class Backend(StructuredOutputBackend):  # type: ignore[misc, unused-ignore]
    """The backend of an engine. Its constraints are kept by grammar, options and end tokens."""

    def __init__(self, vllm_config: Any, tokenizer: Any, vocab_size: int) -> None:
        super().__init__(vllm_config, tokenizer, vocab_size)
        self.compiler = compiler(vocabulary(tokenizer, vocab_size))

    def compile_grammar(
        self,
        request_type: StructuredOutputOptions,
        grammar_spec: str,
        stop_token_ids: set[int] | None = None,
    ) -> RequestGrammar:
        """The grammar of a kind of request and its text, with the default options."""
        return self._made(grammar_of(request_type.name.lower(), grammar_spec), stop_token_ids)

    def compile_request(self, params: Any, stop_token_ids: set[int] | None = None) -> RequestGrammar:
        """The grammar of a request's `StructuredOutputsParams`, with their options."""
        return self._made(grammar_of_params(params), stop_token_ids)

    def _made(self, grammar: Grammar, stop_token_ids: set[int] | None) -> RequestGrammar:
        tokens = self.compiler.vocabulary
        ends = known_ends(tokens.eos, stop_token_ids, tokens.token_count)
        return RequestGrammar(self.compiler.compile(grammar, eos=ends, timeout=TIMEOUT))

    def allocate_token_bitmask(self, max_num_seqs: int) -> torch.Tensor:
        """Masks in which every token may come."""
        return masks.allocate_token_bitmask(max_num_seqs, self.compiler.vocabulary.size)

    def destroy(self) -> None:
        """Forgets all constraints."""
        self.compiler.cache_clear()


def grammar_of_params(asked: Any) -> Grammar:
    """The grammar of vLLM's `StructuredOutputsParams`, or of a mapping with the same names. Raises
    `ValueError` if it does not name one constraint, or names what is unknown.
    """
    if isinstance(asked, Mapping):
        unknown = sorted(str(name) for name in asked if name not in (*KINDS, *OPTIONS))
        if unknown:
            raise ValueError(f"unknown: {', '.join(unknown)}; there are {', '.join((*KINDS, *OPTIONS))}")
    given = [kind for kind in KINDS if _field(asked, kind) not in (None, False)]
    if len(given) != 1:
        said = f"it names {' and '.join(given)}" if given else "it names none"
        raise ValueError(f"a request has one constraint of {', '.join(KINDS)}; {said}")
    [kind] = given
    value = _field(asked, kind)
    if kind in ("regex", "grammar") and not isinstance(value, str):
        raise ValueError(f"{kind} is {value!r}; it must be a string")
    if kind == "choice" and isinstance(value, (str, Mapping)):
        raise ValueError(f"choice is {value!r}; it must be a list of strings")
    text = value if isinstance(value, str) else json.dumps(value)
    options = schema_options(asked) if kind in ("json", "json_object", "structural_tag") else {}
    return grammar_of(kind, text, **options)


def _check(asked: Any) -> None:
    """Raises vLLM's `VLLMValidationError` for a request that cannot be served."""
    from vllm.exceptions import VLLMValidationError

    try:
        grammar_of_params(asked).check(timeout=TIMEOUT)
    except (HedgerowError, TypeError, ValueError, RecursionError) as error:
        raise VLLMValidationError(f"Invalid structured output request: {error}") from error


def _faults(params: Any) -> str | None:
    """What vLLM itself refuses, whatever the backend: it tells nothing of these checks apart from
    those of its own backends.
    """
    if params._backend not in (None, "auto", NAME) and not params._backend_was_auto:
        return f"a request cannot choose its backend, which this one does: {params._backend!r}"
    if isinstance(params.choice, list) and not params.choice:
        return "choice is an empty list"
    for name in ("grammar", "json", "structural_tag"):
        text = getattr(params, name)
        if isinstance(text, str) and not text.strip():
            return f"{name} is an empty string"
    if params.json_object is False:
        return "json_object must be True if it is given"
    if params.regex and "\x00" in params.regex:
        return "regex holds a NUL character"
    return None


def _validate(original: Callable[..., None]) -> Callable[..., None]:
    """vLLM's check of a request, by this backend."""

    @functools.wraps(original)
    def validate(self: Any, model_config: Any, config: Any, tokenizer: Any) -> None:
        from vllm.exceptions import VLLMValidationError
        from vllm.sampling_params import check_json_nesting

        params = self.structured_outputs
        if config is None or params is None or config.backend not in ("auto", NAME):
            return original(self, model_config, config, tokenizer)
        if getattr(model_config, "is_diffusion", False) or tokenizer is None:
            # vLLM's own words for what no backend can do.
            return original(self, model_config, config, tokenizer)
        fault = _faults(params)
        if fault is not None:
            raise VLLMValidationError(f"Invalid structured output request: {fault}")
        check_json_nesting(params.json)
        check_json_nesting(params.structural_tag, structural_tag=True)
        _check(params)
        params._backend = NAME
        params._backend_was_auto = True
        return None

    return validate


def _init(original: Callable[..., None]) -> Callable[..., None]:
    """The manager's start of a request's grammar, with this backend among those it knows."""

    @functools.wraps(original)
    def grammar_init(self: Any, request: Any) -> None:
        params = getattr(request.sampling_params, "structured_outputs", None)
        if self.backend is None and getattr(params, "_backend", None) == NAME:
            size = self.vllm_config.model_config.get_vocab_size()
            self.backend = Backend(self.vllm_config, tokenizer=self.tokenizer, vocab_size=size)
            self.backend_name = NAME
        return original(self, request)

    return grammar_init


def _create(original: Callable[..., Any]) -> Callable[..., Any]:
    """The manager's compiling of a request's grammar: with the options of the request, which
    vLLM does not give to its backends.
    """

    @functools.wraps(original)
    def create_grammar(self: Any, request: Any) -> Any:
        if not isinstance(self.backend, Backend):
            return original(self, request)
        params = request.sampling_params
        try:
            return self.backend.compile_request(params.structured_outputs, params.all_stop_token_ids)
        except Exception:
            logger.exception("the grammar of request %s cannot be compiled", request.request_id)
            raise

    return create_grammar


def install() -> None:
    """Puts this backend in the place of vLLM's own, in this process. Doing it twice changes
    nothing.
    """
    from vllm.sampling_params import SamplingParams
    from vllm.v1.structured_output import StructuredOutputManager

    for owner, name, wrap in (
        (SamplingParams, "_validate_structured_outputs", _validate),
        (StructuredOutputManager, "grammar_init", _init),
        (StructuredOutputManager, "_create_grammar", _create),
    ):
        original = getattr(owner, name)
        if not getattr(original, "_hedgerow", False):
            wrapped: Any = wrap(original)
            wrapped._hedgerow = True
            setattr(owner, name, wrapped)


class RequestLogitsProcessor(AdapterLogitsProcessor):  # type: ignore[misc, unused-ignore]
    """Constrains requests that name a constraint in `extra_args["hedgerow"]`."""

    def __init__(self, vllm_config: Any, device: torch.device, is_pin_memory: bool) -> None:
        super().__init__(vllm_config, device, is_pin_memory)
        from vllm.tokenizers import cached_tokenizer_from_config

        model = vllm_config.model_config
        tokens = vocabulary(cached_tokenizer_from_config(model_config=model), model.get_vocab_size())
        self.compiler = compiler(tokens)

    @classmethod
    def validate_params(cls, params: Any) -> None:
        """Refuses a request whose constraint cannot be compiled, by vLLM's
        `VLLMValidationError`.
        """
        asked = (params.extra_args or {}).get(NAME)
        if asked is not None:
            _check(asked)

    def is_argmax_invariant(self) -> bool:
        """Masks change which token is the most probable one."""
        return False

    def new_req_logits_processor(self, params: Any) -> Any:
        """The processor of a request; None if it names no constraint."""
        asked = (params.extra_args or {}).get(NAME)
        if asked is None:
            return None
        tokens = self.compiler.vocabulary
        ends = known_ends(tokens.eos, getattr(params, "all_stop_token_ids", None), tokens.token_count)
        history = History(self.compiler.compile(grammar_of_params(asked), eos=ends), kept=1)
        bitmask = masks.allocate_token_bitmask(1, tokens.size)

        def process(output_ids: list[int], logits: torch.Tensor) -> torch.Tensor:
            [place] = history.places([list(output_ids)])
            if place.has_left:
                # Another processor has brought in a token that may not come: the output can only end.
                kept = logits[ends]
                logits.fill_(-float("inf"))
                logits[ends] = kept
            elif not place.matcher.is_stopped:
                masks.fill_next_token_bitmask(place.matcher, bitmask)
                masks.apply_token_bitmask_inplace(logits, bitmask[0])
            return logits

        return process
