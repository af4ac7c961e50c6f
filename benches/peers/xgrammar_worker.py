"""XGrammar's process: the counterpart in Python of `src/worker.rs` for the engines in Rust.

XGrammar is published as a Python package, so this program follows the worker's protocol: the same
arguments, the commands `run A B` and `finish` on standard input, the same reports on standard
output, one JSON object a line, and MaskBench's steps in the same order. `src/driver.rs` starts it
with the program of `--python`.

Settings are those that XGrammar's documentation gives for one thread:
`TokenizerInfo.from_huggingface`, a `GrammarCompiler` with its cache and `max_threads=1`, one
`GrammarMatcher` for each schema, and a bitmask that is allocated once. `strict_mode=False`, because
the strict mode forbids keys that JSON Schema allows.

Each figure is the time of one call of the package. It includes Python's own cost (`clock_ns`), as
for any user of the package. If a call took long, the running time of its thread counts instead of
wall-clock time, as in `src/clock.rs`. Python's garbage collector is off.
"""

import argparse
import gc
import json
import mmap
import os
import re
import signal
import sys
import time
from time import perf_counter_ns, thread_time_ns

# Operations longer than this many nanoseconds are checked for interruptions.
LONG = 50_000
IDLE, COMPILE, FOLLOW = range(3)
PHASES = ["Idle", "Compile", "Follow"]
# Schemas of `engine/mod.rs`: any JSON value, to warm up with, and one that any engine knows.
ANY = '{"type": ["object", "array", "string", "number", "boolean", "null"]}'
BOOLEAN = '{"type": "boolean"}'


class Reports:
    """Reports on standard output, which nothing else in the process can reach."""

    def __init__(self):
        self.out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def say(self, report):
        self.out.write(json.dumps(report) + "\n")
        self.out.flush()


class Progress:
    """The state that the watchdog reads, in shared memory: phase, case and number of steps.

    The watchdog is a process. A thread would wait for Python's lock as long as the call that it
    must interrupt.
    """

    def __init__(self, reports, arguments):
        self.memory = memoryview(mmap.mmap(-1, 24)).cast("q")
        watched = os.getpid()
        if os.fork() == 0:
            try:
                limits = {COMPILE: arguments.compile_timeout, FOLLOW: arguments.mask_timeout}
                self.watch(watched, limits, reports)
            finally:
                os._exit(0)

    def watch(self, watched, limits, reports):
        """Ends the process `watched` if it makes no progress for too long; returns at its end."""
        seen, since = -1, 0.0
        while os.getppid() == watched:
            time.sleep(0.05)
            phase, case, steps = self.memory
            if steps != seen:
                seen, since = steps, time.monotonic()
            elif phase in limits and time.monotonic() - since > limits[phase]:
                # The kill comes first, so that no output of the process follows the report.
                os.kill(watched, signal.SIGKILL)
                reports.say({"TimedOut": [case, PHASES[phase]]})
                return

    def enter(self, phase):
        self.memory[2] += 1
        self.memory[0] = phase

    def case(self, index):
        self.memory[1] = index

    def step(self):
        self.memory[2] += 1


def timed(operation, *arguments):
    """The operation's result, and its nanoseconds without those of other processes."""
    ran = thread_time_ns()
    began = perf_counter_ns()
    result = operation(*arguments)
    took = perf_counter_ns() - began
    if took > LONG:
        took = min(took, thread_time_ns() - ran)
    return result, took


def words_of(error):
    """The first line of XGrammar's error, without the time and the place in its source."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    line = re.sub(r"^\[[\d:]+\] \S+: (Check failed: \(.*?\) is false: )?", "", lines[0])
    # It may quote bytes of the schema, cut within a character.
    return line.encode("utf-8", "replace").decode("utf-8")


class Engine:
    """XGrammar with a vocabulary."""

    def __init__(self, xgrammar, info, arguments):
        self.xgrammar, self.info, self.arguments = xgrammar, info, arguments
        self.compiler = xgrammar.GrammarCompiler(info, max_threads=1)
        # If a key has several values, the last one counts.
        options = dict(pair.split("=", 1) for pair in arguments.options.split(",") if pair)
        self.settings = {"strict_mode": False, "any_order": options.get("key_order") == "any"}
        if options.get("whitespace") == "compact":
            self.settings |= {"any_whitespace": False, "separators": (",", ":")}

    @classmethod
    def from_tokenizer_json(cls, packages, text, arguments):
        xgrammar, tokenizers, transformers = packages
        tokenizer = tokenizers.Tokenizer.from_str(text)
        tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer)
        info = xgrammar.TokenizerInfo.from_huggingface(
            tokenizer, vocab_size=arguments.tokens, stop_token_ids=arguments.eos or None
        )
        return cls(xgrammar, info, arguments)

    def compile(self, schema):
        compiled = self.compiler.compile_json_schema(schema, **self.settings)
        return compiled, self.xgrammar.GrammarMatcher(compiled)

    def trie_build_ms(self):
        """Milliseconds from the tokens' bytes to an engine that has compiled a trivial schema."""
        tokens = self.info.decoded_vocab
        start = perf_counter_ns()
        info = self.xgrammar.TokenizerInfo(
            tokens,
            self.xgrammar.VocabType.RAW,
            vocab_size=self.arguments.tokens,
            stop_token_ids=self.arguments.eos or None,
        )
        Engine(self.xgrammar, info, self.arguments).compile(BOOLEAN)
        return (perf_counter_ns() - start) / 1e6


class Follower:
    """Runs cases with an engine."""

    def __init__(self, engine, progress):
        self.engine, self.progress = engine, progress
        self.mask = engine.xgrammar.allocate_token_bitmask(1, engine.arguments.tokens)
        # The same memory, read without the cost of a tensor.
        self.words = self.mask.numpy()[0].data

    def allows(self, token):
        word = token >> 5
        return word < len(self.words) and self.words[word] >> (token & 31) & 1 == 1

    def warm_up(self):
        """Follows `--output` as far as it is accepted, so that work of the first use counts as
        preparation."""
        _, matcher = self.engine.compile(ANY)
        matcher.fill_next_token_bitmask(self.mask)
        for token in self.engine.arguments.output:
            if not self.allows(token) or not matcher.accept_token(token):
                break
            matcher.fill_next_token_bitmask(self.mask)

    def clock_ns(self):
        """Nanoseconds of a timed operation that does nothing: a part of every figure."""
        _, matcher = self.engine.compile(BOOLEAN)
        laps = 10_000
        return sum(timed(matcher.is_terminated)[1] for _ in range(laps)) / laps

    def follow(self, case):
        self.progress.enter(COMPILE)
        try:
            (compiled, matcher), compile_ns = timed(self.engine.compile, case["schema"])
        except Exception as error:
            return {"CompileError": words_of(error)}
        try:
            _, first_mask = timed(matcher.fill_next_token_bitmask, self.mask)
        except Exception as error:
            return {"CompileError": f"first mask: {words_of(error)}"}
        masks, commits, lengths, wrong = [], [], [], []
        for number, test in enumerate(case["tests"]):
            steps = len(masks)
            self.progress.enter(FOLLOW)
            token, error = self.follow_test(matcher, test["tokens"], masks, commits)
            self.progress.enter(IDLE)
            lengths.append(len(masks) - steps)
            valid = test["valid"]
            if error or (token is None) != valid:
                token = len(test["tokens"]) if token is None else token
                wrong.append({"test": number, "valid": valid, "token": token, "error": error})
        followed = {
            "compile": compile_ns,
            "first_mask": first_mask,
            "masks": masks,
            "commits": commits,
            "lengths": lengths,
            "wrong": wrong,
            "stats": f"bytes {compiled.memory_size_bytes}",
        }
        return {"Compiled": followed}

    def follow_test(self, matcher, tokens, masks, commits):
        """The number of the refused token, or None if the instance was accepted; an error text."""
        number = 0
        try:
            matcher.reset()
            for number, token in enumerate(tokens):
                self.progress.step()
                _, took = timed(matcher.fill_next_token_bitmask, self.mask)
                masks.append(took)
                commits.append(0)
                if not self.allows(token):
                    return number, ""
                accepted, commits[-1] = timed(matcher.accept_token, token)
                if not accepted:
                    return number, "the mask allows the token, but accept_token does not take it"
            number = len(tokens)
            matcher.fill_next_token_bitmask(self.mask)
        except Exception as error:
            return number, words_of(error)
        return (None if any(map(self.allows, self.engine.arguments.eos)) else number), ""


def take_peak_rss_mb():
    """Largest memory of this process since it began or since the last call, in MiB.

    0 if the system does not report it.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            found = re.search(r"^VmHWM:\s*(\d+) kB", status.read(), re.MULTILINE)
    except OSError:
        return 0.0
    try:
        # Sets the high-water mark to the present memory (man proc_pid_clear_refs).
        with open("/proc/self/clear_refs", "w", encoding="ascii") as marks:
            marks.write("5")
    except OSError:
        pass
    return int(found[1]) / 1024 if found else 0.0


def ids(text):
    return [int(id) for id in text.split(",") if id]


def parse():
    parser = argparse.ArgumentParser(description="XGrammar's process; started by `peers`.")
    parser.add_argument("--engine", required=True)
    parser.add_argument("--vocab", required=True)
    parser.add_argument("--cases", required=True)
    parser.add_argument("--options", default="")
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--eos", type=ids, default=[])
    parser.add_argument("--output", type=ids, default=[])
    parser.add_argument("--compile-timeout", type=float, required=True)
    parser.add_argument("--mask-timeout", type=float, required=True)
    return parser.parse_args()


def packages():
    try:
        import tokenizers
        import transformers
        import xgrammar
    except ImportError as error:
        sys.exit(
            f"error: {sys.executable} cannot run XGrammar: {error}. Install it with\n"
            f"    {sys.executable} -m pip install xgrammar\n"
            "or name a Python that has it: --python PROGRAM"
        )
    return xgrammar, tokenizers, transformers


def serve(arguments, reports, progress):
    """Answers commands until `finish` or the end of input."""
    imported = packages()
    with open(arguments.vocab, encoding="utf-8") as file:
        text = file.read()
    start = perf_counter_ns()
    follower = Follower(Engine.from_tokenizer_json(imported, text, arguments), progress)
    follower.warm_up()
    vocab_build_ms = (perf_counter_ns() - start) / 1e6
    del text
    clock_ns = follower.clock_ns()
    gc.collect()
    gc.freeze()
    gc.disable()
    prepare_rss_mb = take_peak_rss_mb()
    # XGrammar writes a warning for every ignored keyword to descriptor 2, which is closed to it.
    # Python's own errors go to a copy of the descriptor.
    sys.stderr = os.fdopen(os.dup(2), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    reports.say({"Ready": {"vocab_build_ms": vocab_build_ms, "clock_ns": clock_ns}})
    with open(arguments.cases, encoding="utf-8") as file:
        cases = enumerate(file)
        for line in sys.stdin:
            match line.split():
                case ["run", start, end]:
                    for wanted in range(int(start), int(end)):
                        text = next(text for index, text in cases if index == wanted)
                        progress.case(wanted)
                        reports.say({"Started": wanted})
                        outcome = follower.follow(json.loads(text))
                        progress.enter(IDLE)
                        reports.say({"Done": [wanted, outcome]})
                    reports.say("TurnOver")
                case ["finish"]:
                    finished = {
                        "prepare_rss_mb": prepare_rss_mb,
                        "peak_rss_mb": take_peak_rss_mb(),
                        "trie_build_ms": follower.engine.trie_build_ms(),
                    }
                    reports.say({"Finished": finished})
                    return
                case _:
                    sys.exit(f"error: unknown command `{line.strip()}`")


if __name__ == "__main__":
    ARGUMENTS = parse()
    REPORTS = Reports()
    serve(ARGUMENTS, REPORTS, Progress(REPORTS, ARGUMENTS))
