"""XGrammar's names over hedgerow, for programs that are written for XGrammar.

    >>> import hedgerow.compat.xgrammar      # doctest: +SKIP
    >>> hedgerow.compat.xgrammar.install()   # doctest: +SKIP

`install` lets `import xgrammar`, and imports of its modules, give this package in this process.

The names, arguments and defaults are XGrammar's. What a program sees differs in this:

- Masks are exact. XGrammar leaves out some valid tokens and allows some invalid ones.
- `strict_mode` forbids keys that the schema does not name, and leaves arrays as they are.
- `any_order` leaves the keys' order free. Required keys must still come, and no key twice.
- `fill_next_token_bitmask` always says that the mask is to be applied, and fills it behind the end
  of the output, too: end tokens may come.
- `str(grammar)` is the text that the grammar was made of. It is EBNF for grammars of `from_ebnf`
  only; `print_converted_ebnf` prints nothing.
- `Grammar.concat` and `union` take all grammars but Lark's.
- `max_threads`, `max_rollback_tokens` and recursion depths have no effect.
- `from_huggingface` reads fast tokenizers and tiktoken's. Their special tokens match no text: only
  a structural tag that names one lets it come.
- The models of structural tags, `get_model_structural_tag` and `normalize_tool_choice` are
  XGrammar's own, and need it installed.

Missing are `serialize_json` and `deserialize_json`, `get_serialization_version`, `get_captures`,
`named_grammars` of Lark, XGrammar's `kernels`, its processor for MLX, and the parts of `testing`
that look into its grammars. Failures are `RuntimeError`s, as XGrammar's are.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

from ...torch import allocate_token_bitmask, get_bitmask_shape
from . import _errors as exception
from . import _models, testing
from ._config import get_max_recursion_depth, max_recursion_depth, set_max_recursion_depth
from ._errors import (
    DeserializeFormatError,
    DeserializeVersionError,
    InvalidJSONError,
    InvalidStructuralTagError,
)
from ._grammar import CompiledGrammar, Grammar, GrammarCompiler
from ._matcher import (
    BatchGrammarMatcher,
    GrammarMatcher,
    apply_token_bitmask_inplace,
    bitmask_dtype,
    reset_token_bitmask,
)
from ._tokenizer_info import TokenizerInfo, VocabType

__all__ = [
    "BatchGrammarMatcher",
    "CompiledGrammar",
    "DeserializeFormatError",
    "DeserializeVersionError",
    "Grammar",
    "GrammarCompiler",
    "GrammarMatcher",
    "InvalidJSONError",
    "InvalidStructuralTagError",
    "TokenizerInfo",
    "VocabType",
    "allocate_token_bitmask",
    "apply_token_bitmask_inplace",
    "bitmask_dtype",
    "exception",
    "get_bitmask_shape",
    "get_max_recursion_depth",
    "install",
    "max_recursion_depth",
    "reset_token_bitmask",
    "set_max_recursion_depth",
    "testing",
]


PARTS = (
    "compiler",
    "config",
    "contrib",
    "contrib.hf",
    "exception",
    "grammar",
    "matcher",
    "testing",
    "tokenizer_info",
    *_models.MODULES,
)
"""XGrammar's modules that `install` gives. Those of classes and functions are this package."""


def __getattr__(name: str) -> Any:
    """Names whose modules are loaded when they are asked for."""
    if name in _models.NAMES:
        return getattr(_models.module(_models.NAMES[name]), name)
    if name in _models.MODULES:
        return _models.module(name)
    if name in ("hf", "contrib"):
        hf = importlib.import_module(f"{__name__}.hf")
        contrib = types.ModuleType("xgrammar.contrib")
        contrib.hf = hf  # type: ignore[attr-defined]
        globals().update(hf=hf, contrib=contrib)
        return globals()[name]
    raise AttributeError(f"hedgerow.compat.xgrammar has no {name!r}")


def install() -> None:
    """Lets `import xgrammar` give this package, in this process. Call it before anything imports
    XGrammar itself.
    """
    this = sys.modules[__name__]
    if sys.modules.get("xgrammar", this) is not this:
        raise RuntimeError("xgrammar has been imported already; install hedgerow in its place before")
    sys.modules["xgrammar"] = this
    modules: dict[str, Any] = {part: this for part in PARTS}
    modules.update({"exception": exception, "testing": testing})
    modules.update({"contrib": __getattr__("contrib"), "contrib.hf": __getattr__("hf")})
    for name in _models.MODULES:
        try:
            modules[name] = _models.module(name)
        except ImportError:
            # XGrammar is not installed: programs that use its models cannot run, others can.
            del modules[name]
    for name, module in modules.items():
        sys.modules[f"xgrammar.{name}"] = module
