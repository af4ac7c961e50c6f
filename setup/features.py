"""Prints what each feature of the library costs: crates, and CPU seconds of a first build.

Each row is a build into an empty folder, as `cargo build --features …` makes it in a fresh clone.
All rows together take about half an hour of CPU time.
"""

import os
import resource
import shutil
import subprocess

FEATURES = ["", "decode", "ablation", "tokenizers", "cli", "torch"]
TARGET = os.path.join("target", "features")


def crates(features: str) -> int:
    """The crates that a build needs, hedgerow itself included."""
    command = ["cargo", "tree", "-e", "normal", "--prefix", "none", "--features", features]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return len({line.removesuffix(" (*)") for line in listed.splitlines()})


def seconds(features: str) -> float:
    """The CPU seconds of a build from nothing, those of the system included."""
    shutil.rmtree(TARGET, ignore_errors=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["cargo", "build", "--quiet", "--target-dir", TARGET, "--features", features]
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(TARGET, ignore_errors=True)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    print("| feature | crates | CPU seconds |")
    print("|---|---|---|")
    for features in FEATURES:
        row = f"| {features or 'none'} | {crates(features)} | {seconds(features):.0f} |"
        print(row, flush=True)


if __name__ == "__main__":
    main()
