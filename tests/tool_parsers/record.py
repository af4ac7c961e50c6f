#!/usr/bin/env python3
"""Reads hedgerow's replies with the parsers of vLLM and SGLang, and records what they find.

    HEDGEROW_REPLIES=FILE cargo test --test suite tools_recorded
    .deps/python-torch/bin/python tests/tool_parsers/record.py FILE > tests/tool_parsers/verdicts.jsonl

FILE has a JSON object in each line, with the name of a `preset`, a `text`, and the `calls` in it by
hedgerow's events. Each text is given to the parsers for this format, as a whole and in pieces that
are cut at random. The verdict of a parser is "same", or what it found in place of the calls. The first
line has the versions.
"""

import json
import os
import random
import re
import sys
from pathlib import Path

os.environ["VLLM_LOGGING_LEVEL"] = "ERROR"
sys.setdlopenflags(os.RTLD_LAZY)

import sglang  # noqa: E402
import vllm  # noqa: E402
from sglang.srt.entrypoints.openai.protocol import Tool  # noqa: E402
from sglang.srt.function_call.function_call_parser import FunctionCallParser  # noqa: E402
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest  # noqa: E402
from vllm.tool_parsers import ToolParserManager  # noqa: E402

TOOLS = json.loads((Path(__file__).parent / "tools.json").read_text())

# The parsers of a preset: vLLM's names, and SGLang's. Presets without a parser here have none, or one
# that needs another package (Command R7B) or a tokenizer of the model's time (older formats of Mistral).
PARSERS = {
    "apertus": (["apertus"], []),
    "deepseek_r1": (["deepseek_v3"], ["deepseekv3"]),
    "deepseek_v3_1": (["deepseek_v31"], ["deepseekv31"]),
    "deepseek_v3_2": (["deepseek_v32"], ["deepseekv32"]),
    "deepseek_v4": (["deepseek_v4"], ["deepseekv4"]),
    "exaone4": (["hermes"], ["hermes"]),
    "functiongemma": (["functiongemma"], []),
    "gemma4": (["gemma4"], ["gemma4"]),
    "gigachat3": (["gigachat3"], ["gigachat3"]),
    "glm45": (["glm45"], ["glm45"]),
    "glm47": (["glm47"], ["glm47"]),
    "gpt_oss": ([], ["gpt-oss"]),
    "granite3": (["granite"], []),
    "hermes": (["hermes", "qwen3_json"], ["hermes", "qwen25"]),
    "kimi_k2": (["kimi_k2"], ["kimi_k2"]),
    "kimi_k3": (["kimi_k3"], ["kimi_k3"]),
    "lfm2": (["lfm2"], ["lfm2"]),
    "llama3_json": (["llama3_json"], ["llama3"]),
    "llama_pythonic": (["pythonic"], ["pythonic"]),
    "mimo": (["mimo"], ["mimo"]),
    "minicpm5": (["minicpm5"], ["minicpm5"]),
    "minimax_m2": (["minimax_m2"], ["minimax-m2"]),
    "minimax_m3": (["minimax_m3"], ["minimax-m3"]),
    "mistral": (["mistral"], ["mistral"]),
    "phi4_mini": (["phi4_mini_json"], []),
    "qwen3_coder": (["qwen3_coder", "qwen3_xml"], ["qwen3_coder"]),
    "reka": (["hermes"], ["hermes"]),
    "seed_oss": (["seed_oss"], []),
    "step3": (["step3p5"], ["step3p5"]),
    "xlam": (["xlam"], []),
}

SPECIAL = re.compile(
    r"<\|[^<>|]{1,40}\|>|<｜[^<>]{1,40}｜>|\[(?:TOOL_CALLS|ARGS|CALL_ID|THINK|/THINK)\]|</?(?:tool_call|think|seed:tool_call|"
    r"minimax:tool_call|arg_key|arg_value|TOOLCALL)>|<\|tool_call>|<tool_call\|>|<\|\"\|>|\]<\]minimax\[>\["
)


class Tokenizer:
    """A tokenizer whose tokens are characters and markers."""

    def __init__(self):
        self.ids = {}
        self.all_special_ids, self.all_special_tokens, self.additional_special_tokens = [], [], []
        self.bos_token, self.eos_token, self.eos_token_id = "<s>", "</s>", 1
        self.is_fast = True
        self.model_tokenizer = self
        self.init_kwargs, self.chat_template = {}, ""

    def token(self, text):
        if text not in self.ids:
            self.ids[text] = len(self.ids) + 10
        return self.ids[text]

    def get_vocab(self):
        return Vocab(self)

    vocab = property(get_vocab)

    def get_added_vocab(self):
        return Vocab(self)

    def tokenize(self, text):
        pieces, at = [], 0
        for found in SPECIAL.finditer(text):
            pieces += list(text[at : found.start()]) + [found.group()]
            at = found.end()
        return pieces + list(text[at:])

    def encode(self, text, *_, **__):
        return [self.token(piece) for piece in self.tokenize(text)]

    def __call__(self, text, *_, **__):
        return {"input_ids": self.encode(text)}

    def decode(self, ids, *_, **__):
        names = {number: text for text, number in self.ids.items()}
        return "".join(names.get(number, "") for number in ([ids] if isinstance(ids, int) else ids))

    def convert_tokens_to_ids(self, tokens):
        return self.token(tokens) if isinstance(tokens, str) else [self.token(token) for token in tokens]

    def convert_ids_to_tokens(self, ids, *_, **__):
        return [self.decode(number) for number in ids]

    def convert_tokens_to_string(self, tokens):
        return "".join(tokens)


class Vocab(dict):
    """A vocabulary that has every token that it is asked for."""

    def __init__(self, tokenizer):
        super().__init__(tokenizer.ids)
        self.tokenizer = tokenizer

    def __missing__(self, text):
        return self.tokenizer.token(text)

    def get(self, text, _default=None):
        return self.tokenizer.token(text)

    def __contains__(self, text):
        return True


def arguments(text):
    """Arguments as a value; a text that is no JSON as it is."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return {"no JSON": text}


def request():
    message = [{"role": "user", "content": "x"}]
    return ChatCompletionRequest(model="m", messages=message, tools=TOOLS, tool_choice="auto")


def vllm_parser(name):
    tokenizer = Tokenizer()
    asked = request()
    parser = ToolParserManager.get_tool_parser(name)(tokenizer, asked.tools)
    return tokenizer, asked, parser


def vllm_whole(name, text):
    _, asked, parser = vllm_parser(name)
    found = parser.extract_tool_calls(text, asked)
    return [{"name": call.function.name, "arguments": arguments(call.function.arguments)} for call in found.tool_calls]


def pieces(tokens, dice):
    """The tokens in groups of one to nine."""
    groups = []
    while tokens:
        count = dice.randint(1, 9)
        groups.append(tokens[:count])
        tokens = tokens[count:]
    return groups


def vllm_streamed(name, text, dice):
    tokenizer, asked, parser = vllm_parser(name)
    calls, so_far, ids = {}, "", []
    for group in pieces(tokenizer.tokenize(text), dice):
        delta, new = "".join(group), [tokenizer.token(token) for token in group]
        message = parser.extract_tool_calls_streaming(so_far, so_far + delta, delta, ids, ids + new, new, asked)
        so_far, ids = so_far + delta, ids + new
        add(calls, ((call.index, call.function) for call in (message.tool_calls if message else None) or []))
    return joined(calls)


def add(calls, deltas):
    for index, function in deltas:
        call = calls.setdefault(index, {"name": "", "arguments": ""})
        call["name"] += (function and function.name) or ""
        call["arguments"] += (function and function.arguments) or ""


def joined(calls):
    return [{"name": call["name"], "arguments": arguments(call["arguments"] or "{}")} for _, call in sorted(calls.items())]


def sglang_parser(name):
    return FunctionCallParser([Tool(**tool) for tool in TOOLS], name)


def sglang_whole(name, text):
    _, calls = sglang_parser(name).parse_non_stream(text)
    return [{"name": call.name, "arguments": arguments(call.parameters)} for call in calls]


def sglang_streamed(name, text, dice):
    parser, calls = sglang_parser(name), {}
    for group in pieces(Tokenizer().tokenize(text), dice):
        _, deltas = parser.parse_stream_chunk("".join(group))
        for delta in deltas:
            call = calls.setdefault(delta.tool_index, {"name": "", "arguments": ""})
            call["name"] += delta.name or ""
            call["arguments"] += delta.parameters or ""
    return joined(calls)


def verdict(read, calls):
    try:
        found = read()
    except Exception as error:  # A parser may raise anything.
        return f"{type(error).__name__}: {error}"[:160]
    return "same" if found == calls else found


def main():
    lines = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    # Python's parsers cannot hold numbers such as 1e999, so that nothing is to be compared.
    lines = [line for line in lines if "Infinity" not in json.dumps(line["calls"])]
    print(json.dumps({"vllm": vllm.__version__, "sglang": sglang.__version__}))
    dice = random.Random(17)
    counts = {}
    for line in lines:
        text, calls = line["text"], line["calls"]
        if line["preset"] == "gpt_oss":
            # The token that ends a call is no part of the reply.
            text = text + "<|call|>"
        verdicts = {}
        for_vllm, for_sglang = PARSERS.get(line["preset"], ([], []))
        for name in for_vllm:
            verdicts[f"vllm {name}"] = verdict(lambda: vllm_whole(name, text), calls)
            verdicts[f"vllm {name}, streamed"] = verdict(lambda: vllm_streamed(name, text, dice), calls)
        for name in for_sglang:
            verdicts[f"sglang {name}"] = verdict(lambda: sglang_whole(name, text), calls)
            verdicts[f"sglang {name}, streamed"] = verdict(lambda: sglang_streamed(name, text, dice), calls)
        for parser, found in verdicts.items():
            count = counts.setdefault((line["preset"], parser), [0, 0])
            count[found != "same"] += 1
        record = {"preset": line["preset"], "text": line["text"], "calls": calls, "parsers": verdicts}
        print(json.dumps(record, ensure_ascii=False))
    for (preset, parser), (same, other) in counts.items():
        print(f"{preset}: {parser}: {same} the same, {other} others", file=sys.stderr)


if __name__ == "__main__":
    main()
