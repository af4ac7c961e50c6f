"""Programs of the documentation run as they stand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from conftest import ROOT


def test_the_first_block_runs() -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text()
    block = text.split("```python\n", 1)[1].split("```", 1)[0]
    assert len(block.splitlines()) <= 10
    exec(compile(block, "README.md", "exec"), {})


def test_the_example_prints_the_same_as_in_other_languages() -> None:
    examples = ROOT / "examples"
    data = examples / "data"
    command = [sys.executable, examples / "mask_logits.py"]
    command += [data / "tiny.tokenizer.json", data / "recipe.schema.json"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed == (data / "mask_logits.expected").read_text()
