#!/usr/bin/env python3
"""Installs the wheel of a folder into this environment, and runs the first program of its README.

    venv/bin/python tests/wheel.py FOLDER

Nothing else is installed, and nothing is compiled: there is no Rust to do it, and pip may ask no
index.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path


def main() -> None:
    assert shutil.which("cargo") is None and shutil.which("rustc") is None, "there is a Rust compiler"
    wheel = max(Path(sys.argv[1]).glob("hedgerow-*.whl"), key=lambda path: path.stat().st_mtime)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-index", "--no-deps", "--force-reinstall", wheel], check=True)
    program = Path("README.md").read_text().split("```python\n")[1].split("```")[0]
    subprocess.run([sys.executable, "-I", "-c", program], check=True)
    asked = "import hedgerow; print(hedgerow.__version__, hedgerow.__file__)"
    print(wheel.name)
    subprocess.run([sys.executable, "-I", "-c", asked], check=True)


if __name__ == "__main__":
    main()
