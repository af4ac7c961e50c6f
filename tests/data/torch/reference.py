#!/usr/bin/env python3
"""Writes reference.json: values computed by transformers, which tests/torch/reference.rs compares.

    python3 reference.py MODEL.gguf > reference.json

Needs torch, transformers and gguf (the versions used are recorded in the file). Three groups:

- `model`: the demo model, dequantised to f32 by transformers' own GGUF reader. For each prompt its token ids by
  transformers' tokenizer, the five largest logits after it, and 40 tokens of greedy continuation.
- `tiny`: small random models of each architecture and rotary scaling. Their weights come from a generator that
  the Rust test repeats (see `weights`), so no binary file is kept; logits are given for every position.
- `blocks`: two blocks of each quantised format, decoded by the gguf package; the unit tests of
  src/torch/weights/dequantize.rs make the same bytes (see `block_bytes`).
"""

import json
import sys
import warnings
from pathlib import Path

import torch
import transformers

PROMPTS = [
    "The capital of France is",
    "1 2 3 4 5 6 7 8 9 10 11",
    "def fibonacci(n):\n    ",
    "Ünïcödé, 漢字 and 🦔 emoji;  two  spaces\tand\n\nnewlines don't 12345 matter",
]
CHAT = [{"role": "user", "content": "What is the capital of France?"}]

SMALL = {
    "vocab_size": 97,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
TINY = [
    ("llama", "LlamaForCausalLM", {}, 500000.0, {}),
    ("llama tied", "LlamaForCausalLM", {"tie_word_embeddings": True, "head_dim": 16}, 10000.0, {}),
    ("llama with biases", "LlamaForCausalLM", {"attention_bias": True, "mlp_bias": True}, 10000.0, {}),
    ("llama linear", "LlamaForCausalLM", {}, 10000.0, {"rope_type": "linear", "factor": 4.0}),
    ("llama llama3", "LlamaForCausalLM", {}, 10000.0, LLAMA3),
    ("llama yarn", "LlamaForCausalLM", {}, 10000.0, YARN),
    ("mistral", "MistralForCausalLM", {"head_dim": 16, "sliding_window": None}, 10000.0, {}),
    ("qwen2", "Qwen2ForCausalLM", {}, 1000000.0, {}),
    ("qwen3", "Qwen3ForCausalLM", {"head_dim": 16, "rms_norm_eps": 1e-6}, 1000000.0, {}),
]
GEMMA = [
    # Layers 0 and 2 see 16 positions, and layer 1 sees all.
    ("gemma3", {"sliding_window_pattern": 2}, 10000.0, 1000000.0, {}),
    (
        "gemma3 linear",
        {"layer_types": ["full_attention", "sliding_attention", "full_attention"]},
        5000.0,
        100000.0,
        {"rope_type": "linear", "factor": 8.0},
    ),
]
GPT2 = [("gpt2", {}), ("gpt2 inner", {"n_inner": 80})]
TOKENS = [(i * i * 7 + 3 * i + 1) % 97 for i in range(70)]


def weights(names_and_shapes):
    """Uniform numbers in ±0.25 (norm weights in 1 ± 0.25) from one generator, with the tensors in
    order of name."""
    state = 12345
    out = {}
    for name, shape in sorted(names_and_shapes):
        count = 1
        for size in shape:
            count *= size
        numbers = []
        for _ in range(count):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            numbers.append((state >> 40) / 2**24 * 0.5 - 0.25)
        tensor = torch.tensor(numbers, dtype=torch.float32).reshape(shape)
        out[name] = tensor + 1.0 if "norm" in name else tensor
    return out


def llama_like(name, architecture, changes, theta, scaling):
    """The settings, and the config.json of published models, with the older keys for the rotary
    embedding."""
    settings = {**SMALL, **changes, "rope_parameters": {"rope_type": "default", "rope_theta": theta, **scaling}}
    written = {**SMALL, **changes, "hidden_act": "silu", "rope_theta": theta}
    if scaling:
        written["rope_scaling"] = scaling
    return name, architecture, settings, written


def gemma(name, changes, local_theta, theta, scaling):
    common = {**SMALL, "head_dim": 16, "tie_word_embeddings": True, "hidden_activation": "gelu_pytorch_tanh"}
    common.update(query_pre_attn_scalar=24, sliding_window=16, **changes)
    rope = {
        "sliding_attention": {"rope_type": "default", "rope_theta": local_theta},
        "full_attention": {"rope_type": "default", "rope_theta": theta, **scaling},
    }
    written = {**common, "rope_theta": theta, "rope_local_base_freq": local_theta}
    if scaling:
        written["rope_scaling"] = scaling
    return name, "Gemma3ForCausalLM", {**common, "rope_parameters": rope}, written


def gpt2(name, changes):
    settings = {"vocab_size": 97, "n_embd": 48, "n_layer": 3, "n_head": 6, "n_positions": 256, **changes}
    return name, "GPT2LMHeadModel", settings, {**settings, "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new"}


def tiny(name, architecture, settings, written):
    model_class = getattr(transformers, architecture)
    config = model_class.config_class(**settings)
    model = model_class(config).eval()
    state = model.state_dict()
    names = [(key, tuple(value.shape)) for key, value in state.items()]
    if config.tie_word_embeddings:
        names = [(key, shape) for key, shape in names if key != "lm_head.weight"]
    values = weights(names)
    model.load_state_dict(values, strict=False)
    if config.tie_word_embeddings:
        model.tie_weights()
    with torch.no_grad():
        logits = model(torch.tensor([TOKENS])).logits[0]
    return {
        "name": name,
        "config": {**written, "architectures": [architecture]},
        "weights": [[key, list(shape)] for key, shape in sorted(names)],
        "tokens": TOKENS,
        # Six columns of every row are enough to tell a difference.
        "columns": [0, 1, 17, 48, 95, 96],
        "logits": [[round(row[c].item(), 6) for c in (0, 1, 17, 48, 95, 96)] for row in logits],
    }


def tinies():
    cases = [llama_like(*case) for case in TINY]
    cases += [gemma(*case) for case in GEMMA]
    cases += [gpt2(*case) for case in GPT2]
    return [tiny(*case) for case in cases]


def demo(path):
    path = Path(path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32
    ).eval()
    chat = tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    cases = []
    for prompt in [*PROMPTS, chat]:
        ids = tokenizer(prompt, add_special_tokens=False).input_ids
        with torch.no_grad():
            top = model(torch.tensor([ids])).logits[0, -1].topk(5)
            greedy = model.generate(
                torch.tensor([ids]),
                attention_mask=torch.ones(1, len(ids), dtype=torch.long),
                do_sample=False,
                max_new_tokens=40,
                eos_token_id=2,
                pad_token_id=2,
                repetition_penalty=1.0,
            )[0, len(ids):].tolist()
        cases.append(
            {
                "prompt": prompt,
                "tokens": ids,
                "top": [[i, round(v, 5)] for i, v in zip(top.indices.tolist(), top.values.tolist())],
                "greedy": greedy,
                "text": tokenizer.decode(greedy),
            }
        )
    return {"file": path.name, "messages": CHAT, "cases": cases}


# Name, ggml type, bytes in a block, and the positions of its half-precision numbers.
FORMATS = [
    ("Q4_0", 2, 18, [0]),
    ("Q4_1", 3, 20, [0, 2]),
    ("Q8_0", 8, 34, [0]),
    ("Q4_K", 12, 144, [0, 2]),
    ("Q5_K", 13, 176, [0, 2]),
    ("Q6_K", 14, 210, [208]),
]


def block_bytes(size, halves, count):
    """Bytes of a generator, with the half-precision numbers made small and finite."""
    state = 0x2545F491
    out = []
    for _ in range(count * size):
        state = (state * 1664525 + 1013904223) % 2**32
        out.append(state >> 24)
    for block in range(count):
        for at in halves:
            place = block * size + at + 1
            out[place] = out[place] & 0x83 | 0x28
    return out


def blocks():
    import numpy
    from gguf import GGMLQuantizationType, quants

    result = []
    for name, number, size, halves in FORMATS:
        raw = numpy.array(block_bytes(size, halves, 2), dtype=numpy.uint8)
        numbers = quants.dequantize(raw, GGMLQuantizationType(number)).reshape(-1)
        result.append({"format": name, "type": number, "numbers": [float(f"{x:.7g}") for x in numbers[::3].tolist()]})
    return result


def main():
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    result = {
        "made_with": {"transformers": transformers.__version__, "torch": torch.__version__.split("+")[0]},
        "model": demo(sys.argv[1]),
        "tiny": tinies(),
        "blocks": blocks(),
    }
    json.dump(result, sys.stdout, ensure_ascii=False, indent=None, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
