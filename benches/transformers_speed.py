#!/usr/bin/env python3
"""The transformers process of `cargo bench --bench decode -- speed`: answers requests.

    python3 transformers_speed.py MODEL.gguf THREADS

A request is a line `COUNT ID ID …` on standard input: a prompt of these ids, after which COUNT
tokens are decoded greedily. The answer is a line with the seconds taken and the tokens. Needs
torch, transformers, gguf and accelerate.
"""

import sys
import time
import warnings
from pathlib import Path

import torch
import transformers


def main():
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(int(sys.argv[2]))
    path = Path(sys.argv[1])
    model = transformers.AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    model.eval()
    versions = f"transformers {transformers.__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads"
    print(versions, flush=True)
    for line in sys.stdin:
        count, *ids = map(int, line.split())
        prompt = torch.tensor([ids])
        start = time.perf_counter()
        with torch.no_grad():
            tokens = model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                do_sample=False,
                repetition_penalty=1.0,
                min_new_tokens=count,
                max_new_tokens=count,
                pad_token_id=2,
            )[0, len(ids):].tolist()
        print(time.perf_counter() - start, *tokens, flush=True)


if __name__ == "__main__":
    main()
