"""Entry points that serving engines call in each of their processes, before anything else.

They import an engine's modules only where they have something to do.
"""

from __future__ import annotations

import os


def vllm() -> None:
    """Entry point of `vllm.general_plugins`: installs where `HEDGEROW_VLLM` is set to 1."""
    if os.environ.get("HEDGEROW_VLLM") == "1":
        from .vllm import install

        install()


def sglang() -> None:
    """Entry point of `sglang.srt.plugins`: adds a choice to `--grammar-backend`."""
    from .sglang import register

    register()
