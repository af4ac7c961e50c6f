"""hedgerow as vLLM's backend for structured outputs.

vLLM has no registry for such backends. Two ways lead into it:

- **Plug-in.** With `HEDGEROW_VLLM=1` in the environment, the entry point `hedgerow` of
  `vllm.general_plugins` puts `Backend` in the place of vLLM's own, in every process of the engine.
  All requests are served by it: JSON, regex, choice, grammar. Reasoning parsers and speculative
  decoding work as with vLLM's own.
- **Logits processor.** `LLM(…, logits_processors=["hedgerow.vllm:RequestLogitsProcessor"])` takes a
  request's constraint from `SamplingParams(extra_args={"hedgerow": {"json": …}})`. It is the way
  that vLLM supports for others; it does not work with speculative decoding, and does not know of
  reasoning.

The end tokens of a request are its end-of-sequence and stop tokens, as vLLM gives them.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import torch
from vllm.v1.sample.logits_processor import AdapterLogitsProcessor
from vllm.v1.structured_output.backend_types import (
    StructuredOutputBackend,
    StructuredOutputGrammar,
    StructuredOutputOptions,
)

from . import torch as masks
from ._compiler import Compiler
from ._core import Constraint, Grammar, Vocabulary
from ._engine import Request, known_ends
from ._history import History
from ._requests import grammar_of

NAME = "hedgerow"
"""The backend's name, in requests and in vLLM's messages."""

TIMEOUT = 30.0
"""Seconds that compiling one request's grammar may take."""


def vocabulary(tokenizer: Any, vocab_size: int) -> Vocabulary:
    """The vocabulary of an engine's tokenizer."""
    found = Vocabulary.from_tokenizer(tokenizer)
    return found.with_model_size(max(vocab_size, found.token_count))


def schema_options(config: Any) -> dict[str, Any]:
    """Options of schemas, of an engine's configuration or a request."""
    options: dict[str, Any] = {}
    if getattr(config, "whitespace_pattern", None):
        options["whitespace_pattern"] = config.whitespace_pattern
    elif getattr(config, "disable_any_whitespace", False):
        options["whitespace"] = "compact"
    if getattr(config, "disable_additional_properties", False):
        options["additional_properties"] = "forbid"
    return options


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
        self.compiler = Compiler(vocabulary(tokenizer, vocab_size))
        self.options = schema_options(getattr(vllm_config, "structured_outputs_config", None))

    def compile_grammar(
        self,
        request_type: StructuredOutputOptions,
        grammar_spec: str,
        stop_token_ids: set[int] | None = None,
    ) -> RequestGrammar:
        """The grammar of a request."""
        grammar = grammar_of(request_type.name.lower(), grammar_spec, **self.options)
        tokens = self.compiler.vocabulary
        ends = known_ends(tokens.eos, stop_token_ids, tokens.token_count)
        return RequestGrammar(self.compiler.compile(grammar, eos=ends, timeout=TIMEOUT))

    def allocate_token_bitmask(self, max_num_seqs: int) -> torch.Tensor:
        """Masks in which every token may come."""
        return masks.allocate_token_bitmask(max_num_seqs, self.compiler.vocabulary.size)

    def destroy(self) -> None:
        """Forgets all constraints."""
        self.compiler.cache_clear()


def grammar_of_params(params: Any, **options: Any) -> Grammar:
    """The grammar of vLLM's `StructuredOutputsParams`, or of a mapping with the same names."""
    for kind in ("json", "json_object", "regex", "choice", "grammar", "structural_tag"):
        value = params.get(kind) if isinstance(params, dict) else getattr(params, kind, None)
        if value is None or value is False:
            continue
        text = value if isinstance(value, str) else json.dumps(value)
        return grammar_of(kind, text, **options)
    raise ValueError("the request names no constraint: json, json_object, regex, choice or grammar")


def _faults(params: Any) -> str | None:
    """What vLLM itself refuses, whatever the backend."""
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

        params = self.structured_outputs
        if config is None or params is None or config.backend not in ("auto", NAME):
            return original(self, model_config, config, tokenizer)
        if getattr(model_config, "is_diffusion", False) or tokenizer is None:
            # vLLM's own words for what no backend can do.
            return original(self, model_config, config, tokenizer)
        fault = _faults(params)
        if fault is not None:
            raise VLLMValidationError(f"Invalid structured output request: {fault}")
        try:
            grammar_of_params(params, **schema_options(config)).check(timeout=TIMEOUT)
        except Exception as error:
            raise VLLMValidationError(f"Invalid structured output request: {error}") from error
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


def install() -> None:
    """Puts this backend in the place of vLLM's own, in this process. Doing it twice changes
    nothing.
    """
    from vllm.sampling_params import SamplingParams
    from vllm.v1.structured_output import StructuredOutputManager

    for owner, name, wrap in (
        (SamplingParams, "_validate_structured_outputs", _validate),
        (StructuredOutputManager, "grammar_init", _init),
    ):
        original = getattr(owner, name)
        if not getattr(original, "_hedgerow", False):
            wrapped = wrap(original)
            wrapped._hedgerow = True  # type: ignore[attr-defined]
            setattr(owner, name, wrapped)


class RequestLogitsProcessor(AdapterLogitsProcessor):  # type: ignore[misc, unused-ignore]
    """Constrains requests that name a constraint in `extra_args["hedgerow"]`."""

    def __init__(self, vllm_config: Any, device: torch.device, is_pin_memory: bool) -> None:
        super().__init__(vllm_config, device, is_pin_memory)
        from vllm.tokenizers import cached_tokenizer_from_config

        model = vllm_config.model_config
        tokens = vocabulary(cached_tokenizer_from_config(model_config=model), model.get_vocab_size())
        self.compiler = Compiler(tokens)

    @classmethod
    def validate_params(cls, params: Any) -> None:
        """Refuses a request whose constraint cannot be compiled."""
        asked = (params.extra_args or {}).get(NAME)
        if asked is not None:
            grammar_of_params(asked).check(timeout=TIMEOUT)

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
            [matcher] = history.matchers([list(output_ids)])
            if matcher is not None and not matcher.is_stopped:
                masks.fill_next_token_bitmask(matcher, bitmask)
                masks.apply_token_bitmask_inplace(logits, bitmask[0])
            return logits

        return process
