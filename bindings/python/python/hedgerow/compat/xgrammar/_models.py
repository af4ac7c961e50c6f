"""XGrammar's models of structural tags, which are plain data.

Engines take them from XGrammar, which they install. Its modules of models are loaded here as parts
of a package of their own, so that nothing else of XGrammar is: neither its library nor its matcher.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
import types
from typing import Any

MODULES = ("structural_tag", "openai_tool_call_schema", "builtin_structural_tag")
"""The modules of models."""

NAMES = {
    "StructuralTag": "structural_tag",
    "StructuralTagItem": "structural_tag",
    "get_builtin_structural_tag": "builtin_structural_tag",
    "get_model_structural_tag": "builtin_structural_tag",
    "normalize_tool_choice": "builtin_structural_tag",
    "register_model_structural_tag": "builtin_structural_tag",
}
"""Names that XGrammar itself has of them, with their modules."""

_PACKAGE = f"{__package__}._borrowed"


def module(name: str) -> Any:
    """A module of models. Raises `ImportError` where XGrammar is not installed."""
    if _PACKAGE not in sys.modules:
        spec = importlib.machinery.PathFinder.find_spec("xgrammar")
        if spec is None or not spec.submodule_search_locations:
            raise ImportError("the models of structural tags are XGrammar's: pip install xgrammar")
        package = types.ModuleType(_PACKAGE)
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules[_PACKAGE] = package
    return importlib.import_module(f"{_PACKAGE}.{name}")
