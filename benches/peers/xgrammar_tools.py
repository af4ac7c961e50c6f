"""XGrammar's times for replies that call tools: the counterpart in Python of `src/tools.rs`.

The arguments are a `tokenizer.json` and a file with lists of tools, the first of which warms up. For
each other list, the milliseconds to compile and to make the first mask are written as JSON.
"""

import json
import sys
import time

import xgrammar
from transformers import PreTrainedTokenizerFast

BEGIN, MIDDLE, END = '<tool_call>\n{"name": "', '", "arguments": ', "}\n</tool_call>"


def tag(function):
    content = {"type": "json_schema", "json_schema": function["parameters"]}
    return {"type": "tag", "begin": BEGIN + function["name"] + MIDDLE, "content": content, "end": END}


def main():
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=sys.argv[1])
    info = xgrammar.TokenizerInfo.from_huggingface(tokenizer)
    compiler = xgrammar.GrammarCompiler(info, max_threads=1)
    bitmask = xgrammar.allocate_token_bitmask(1, info.vocab_size)
    times = []
    for tools in json.load(open(sys.argv[2], encoding="utf-8")):
        tags = [tag(tool["function"]) for tool in tools]
        form = {"type": "triggered_tags", "triggers": ["<tool_call>"], "tags": tags}
        form = json.dumps({"type": "structural_tag", "format": form})
        start = time.perf_counter()
        compiled = compiler.compile_structural_tag(form)
        middle = time.perf_counter()
        xgrammar.GrammarMatcher(compiled).fill_next_token_bitmask(bitmask)
        end = time.perf_counter()
        times.append([(middle - start) * 1e3, (end - middle) * 1e3])
    print(json.dumps(times[1:]))


if __name__ == "__main__":
    main()
