"""Constraints for Outlines' models that run here: transformers, llama-cpp-python and MLX-LM.

    >>> import outlines                                                                  # doctest: +SKIP
    >>> from hedgerow.outlines import generator                                          # doctest: +SKIP
    >>> model = outlines.from_transformers(hf_model, tokenizer)                          # doctest: +SKIP
    >>> generator(model, Person)("Describe Ada.", max_new_tokens=200)                    # doctest: +SKIP

Outlines chooses among backends of its own by name and has no place to name another, but its
generators take any logits processor. Output types are read by Outlines: types of Python, its
regular expressions, its `JsonSchema`, its `CFG`.
"""

from __future__ import annotations

from typing import Any

import outlines
from outlines.types import CFG, JsonSchema
from outlines.types.dsl import python_types_to_terms, to_regex

from ._core import Constraint, Grammar, compile
from ._requests import grammar_of_rules


def grammar(output_type: Any) -> Grammar:
    """The grammar of an output type as Outlines reads it; a `Grammar` is itself.

    Rules of a `CFG` are GBNF or EBNF if they are defined by `::=`, and Lark otherwise.
    """
    if isinstance(output_type, Grammar):
        return output_type
    term = python_types_to_terms(output_type)
    if isinstance(term, CFG):
        return grammar_of_rules(term.definition)
    if isinstance(term, JsonSchema):
        if term.whitespace_pattern is None:
            return Grammar.json_schema(term.schema)
        return Grammar.json_schema(term.schema, whitespace_pattern=term.whitespace_pattern)
    return Grammar.regex(to_regex(term))


def processor(model: Any, output_type: Any) -> Any:
    """The logits processor for one of Outlines' models: of an output type, a `Grammar`, or a
    `Constraint` over this model's vocabulary.
    """
    name = type(model).__name__
    if name in ("Transformers", "TransformersMultiModal"):
        from . import hf

        made: Any = hf.LogitsProcessor
        tokenizer = getattr(model, "hf_tokenizer", None) or model.tokenizer.tokenizer
        vocabulary = hf.vocabulary(tokenizer, model.model)
    elif name == "LlamaCpp":
        from . import llama_cpp

        made, vocabulary = llama_cpp.LogitsProcessor, llama_cpp.vocabulary(model.model)
    elif name == "MLXLM":
        from . import mlx
        from ._core import Vocabulary

        made = mlx.LogitsProcessor
        vocabulary = Vocabulary.from_tokenizer(model.mlx_tokenizer._tokenizer)
    else:
        raise TypeError(
            f"{name} is no model whose logits are here; give one of outlines.from_transformers, from_llamacpp or "
            "from_mlxlm"
        )
    if isinstance(output_type, Constraint):
        return made(output_type)
    return made(compile(grammar(output_type), vocabulary))


def generator(model: Any, output_type: Any) -> Any:
    """Outlines' generator with hedgerow's constraint."""
    return outlines.Generator(model, processor=processor(model, output_type))
