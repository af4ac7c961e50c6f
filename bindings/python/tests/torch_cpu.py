#!/usr/bin/env python3
"""Makes an environment with torch for the tests, without the gigabytes of CUDA that PyPI's torch
asks for.

    python3 tests/torch_cpu.py FOLDER [engines]

Torch's wheel from PyPI names CUDA's libraries in its dynamic sections, even for work on the CPU.
Two small ones of them are installed; for each other, an empty library of its name is compiled
beside torch's own, and a `sitecustomize` lets symbols be looked up when they are called. That is
enough for the CPU, and for tests only. With `engines`, vLLM, SGLang, XGrammar and Outlines come too,
with what importing their structured outputs takes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

TORCH = ["torch==2.13.0", "nvidia-cuda-runtime==13.0.96", "nvidia-cuda-cupti==13.0.85"]
REST = [
    "filelock",
    "fsspec",
    "jinja2",
    "jsonschema",
    "mlx[cpu]",
    "networkx",
    "numpy",
    "pytest",
    "sympy",
    "transformers>=5,<6",
    "typing_extensions",
]
ENGINES = ["vllm==0.33.0", "sglang==0.5.23", "xgrammar==0.2.8", "llguidance==1.7.6"]
ENGINES += ["compressed-tensors==0.17.0", "depyf", "numba", "llvmlite"]
ENGINES += ["outlines==1.3.3", "genson", "jsonpath_ng", "ply"]
# Modules that the engines import on the way to their structured outputs.
IMPORTED = """
    aiohttp apache-tvm-ffi blake3 cachetools cbor2 cloudpickle diskcache einops fastapi gguf ijson
    ipython lark lm-format-enforcer mistral_common msgspec ninja nvidia-ml-py openai openai_harmony
    orjson outlines_core==0.2.14 partial-json-parser pillow prometheus_client protobuf psutil
    py-cpuinfo pybase64 pydantic python-json-logger python-multipart pyyaml pyzmq regex requests
    scipy sentencepiece setproctitle tiktoken triton==3.7.1 urllib3 uvicorn uvloop watchfiles xxhash
    zstandard
""".split()
LAZY = "import os, sys\nsys.setdlopenflags(os.RTLD_LAZY)\n"


def needed(library: Path) -> set[str]:
    """The libraries that a library asks for."""
    text = subprocess.run(["readelf", "-d", library], check=True, capture_output=True, text=True).stdout
    return {line.split("[")[1].split("]")[0] for line in text.splitlines() if "(NEEDED)" in line}


def stand_in(folder: Path) -> None:
    """Compiles empty libraries for those of CUDA that are not installed."""
    libraries = sorted(folder.glob("*.so*"))
    present = {library.name for library in libraries}
    present |= {library.name for library in folder.parents[1].glob("nvidia/**/*.so*")}
    wanted = set().union(*(needed(library) for library in libraries)) - present
    starts = ("libcu", "libnv", "libnccl")
    for name in sorted(name for name in wanted if name.startswith(starts)):
        with tempfile.NamedTemporaryFile(suffix=".c") as source:
            command = ["cc", "-shared", f"-Wl,-soname,{name}", "-o", folder / name, source.name]
            subprocess.run(command, check=True)


def main() -> None:
    root = Path(sys.argv[1])
    if not (root / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", root], check=True)
    pip = [root / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", *TORCH], check=True)
    # Requirements on CUDA are left open on purpose; pip says so in red and goes on.
    subprocess.run([*pip, *REST], check=True)
    if sys.argv[2:] == ["engines"]:
        subprocess.run([*pip, "--no-deps", *ENGINES], check=True)
        subprocess.run([*pip, *IMPORTED], check=True)
    [packages] = root.glob("lib/python3.*/site-packages")
    (packages / "sitecustomize.py").write_text(LAZY)
    stand_in(packages / "torch" / "lib")
    subprocess.run(
        [root / "bin" / "python", "-c", "import torch; print('torch', torch.__version__)"], check=True
    )


if __name__ == "__main__":
    main()
