#!/usr/bin/env python3
"""Lets the demo model call tools many times, and judges every reply with Python's jsonschema.

    python3 tests/demo/tool_calls.py target/debug/hedgerow [RUNS]

RUNS replies (default 200) are drawn at temperature 1.2. Each must parse, name a tool that there is,
and have arguments that satisfy the tool's schema. A reply that was not completed by the model must
say so. The parser here is a regular expression and `json`; it shares no code with hedgerow.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import jsonschema

ROOT = Path(__file__).resolve().parent.parent.parent
MODEL = ROOT / ".deps/models/smollm2-135m-instruct-q4_1/SmolLM2-135M-Instruct.Q4_1.gguf"
TOOLS = ROOT / "examples/data/tools.json"
SCHEMA = ROOT / "examples/data/person.schema.json"
CALL = re.compile(r"<tool_call>\n(.*?)\n</tool_call>", re.S)
QUESTIONS = [
    "How will the weather be in Oslo and in Rome?",
    "Write a mail to ada@example.org about tea.",
    "What is 3 plus 4.5?",
]
# The name of a way to ask, its options, and whether the reply must call a tool.
WAYS = [
    ("required", ["--tool-choice", "required"], True),
    ("auto", ["--tool-choice", "auto"], False),
    ("one call", ["--tool-choice", "required", "--one-call"], True),
    ("named", ["--tool-choice", "send_mail"], True),
    ("reasoning, then a call", ["--tool-choice", "required", "--reasoning-budget", "48: So I answer."], True),
    ("reasoning, then a schema", ["--schema", str(SCHEMA), "--reasoning-budget", "48: So I answer."], False),
]


def generate(program, options, runs, seed, question, begun):
    """The replies to one question, as the command's JSON lines."""
    messages = [{"role": "user", "content": question}]
    if begun:
        messages.append({"role": "assistant", "content": begun})
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(messages, file)
        file.flush()
        command = [program, "generate", "--model", MODEL, "--messages", file.name, "--tool-format", "hermes"]
        command += ["--temperature", "1.2", "--seed", str(seed), "--completions", str(runs), "--max-tokens", "220"]
        command += ["--json", "--quiet", *options]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode not in (0, 1) or not done.stdout:
        sys.exit(f"{command} failed:\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def judge(reply, tools, way, must_call, with_schema):
    """The number of calls of a reply, or the reason why it is wrong."""
    text = reply["text"]
    name = way[0]
    # The model may reason in all ways, and where the prompt has begun to, it does.
    if name.startswith("reasoning") or text.lstrip("\n").startswith("<think>"):
        thought, end, text = text.partition("</think>")
        if not end:
            return "reasoning does not end"
    calls = CALL.findall(text)
    rest = CALL.sub("", text)
    if "<tool_call>" in rest or "</tool_call>" in rest:
        return "a call does not parse"
    if with_schema and not calls:
        jsonschema.validate(json.loads(text), json.loads(SCHEMA.read_text()))
        return 0
    if must_call and (not calls or rest.strip()):
        return "there is no call, or text beside it"
    if name == "one call" and len(calls) != 1:
        return f"there are {len(calls)} calls"
    for call in calls:
        call = json.loads(call)
        if set(call) != {"name", "arguments"} or call["name"] not in tools:
            return f"no such tool: {call}"
        if name == "named" and call["name"] != "send_mail":
            return f"another tool: {call}"
        jsonschema.validate(call["arguments"], tools[call["name"]])
    return len(calls)


def main():
    program, runs = Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 200
    listed = json.loads(TOOLS.read_text())
    tools = {tool["function"]["name"]: tool["function"]["parameters"] for tool in listed}
    each = max(1, -(-runs // (len(WAYS) * len(QUESTIONS))))
    total, wrong = 0, 0
    for way in WAYS:
        name, options, must_call = way
        counts, made_up = {}, 0
        for seed, question in enumerate(QUESTIONS):
            with_schema = "--schema" in options
            begun = "<think>\n" if name.startswith("reasoning") else None
            given = ["--tools", str(TOOLS), *options]
            for reply in generate(program, given, each, seed, question, begun):
                total += 1
                cut = reply.get("budget_ending") is not None or reply.get("complete") is False
                try:
                    verdict = judge(reply, tools, way, must_call, with_schema)
                except (jsonschema.ValidationError, json.JSONDecodeError) as error:
                    verdict = str(error).splitlines()[0]
                if reply.get("complete") is False:
                    verdict = "cut"
                made_up += cut
                if isinstance(verdict, str):
                    wrong += verdict != "cut"
                    print(f"{name}: {verdict}: {reply['text']!r}")
                counts[verdict] = counts.get(verdict, 0) + 1
        shown = ", ".join(f"{key} calls: {count}" for key, count in sorted(counts.items(), key=str))
        print(f"{name}: {shown}; ended by the budget: {made_up}")
    print(f"{total} replies, {wrong} wrong")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
