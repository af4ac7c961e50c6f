#!/usr/bin/env python3
"""Makes an environment with torch for the tests, without the gigabytes of CUDA that PyPI's torch
asks for.

    python3 tests/torch_cpu.py FOLDER

Torch's wheel from PyPI names CUDA's libraries in its dynamic sections, even for work on the CPU.
Two small ones of them are installed; for each other, an empty library of its name is compiled
beside torch's own, and a `sitecustomize` lets symbols be looked up when they are called. That is
enough for the CPU, and for tests only.
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
    "networkx",
    "numpy",
    "pytest",
    "sympy",
    "transformers>=5,<6",
    "typing_extensions",
]
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
    # Torch's requirements on CUDA are left open on purpose; pip says so in red and goes on.
    subprocess.run([*pip, *REST], check=True)
    [packages] = root.glob("lib/python3.*/site-packages")
    (packages / "sitecustomize.py").write_text(LAZY)
    stand_in(packages / "torch" / "lib")
    subprocess.run([root / "bin" / "python", "-c", "import torch; print('torch', torch.__version__)"], check=True)


if __name__ == "__main__":
    main()
