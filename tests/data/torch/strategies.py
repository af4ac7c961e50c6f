#!/usr/bin/env python3
"""Writes strategies.json: outputs of transformers' `generate` with a small random model, for
tests/torch/strategies.rs.

    python3 strategies.py strategies.json

Run it once with transformers 5.x, which gives `beams`, and once with 4.50.x, the last that has group beam search,
contrastive search and DoLa, which gives `older`; each run replaces its own part of the file. Needs torch. The
model is that of `reference.py`, whose weights the Rust tests repeat.
"""

import json
import sys
import warnings
from pathlib import Path

import torch
import transformers

from reference import SMALL, weights

ENDS = [75, 9, 61]
PROMPTS = [[1, 2, 3], [40, 41, 42, 43, 44, 45, 46], [90, 3, 90, 3, 90], [77]]


def model():
    config = transformers.LlamaConfig(**SMALL, rope_theta=10000.0)
    model = transformers.LlamaForCausalLM(config).eval()
    names = [(key, tuple(value.shape)) for key, value in model.state_dict().items()]
    model.load_state_dict(weights(names))
    return model, [[key, list(shape)] for key, shape in sorted(names)]


def run(model, prompt, settings, **more):
    """The outputs without prompt and padding, and their scores."""
    with torch.no_grad():
        result = model.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            do_sample=False,
            pad_token_id=96,
            return_dict_in_generate=True,
            output_scores=True,
            **{"eos_token_id": ENDS, **settings},
            **more,
        )
    ends = settings.get("eos_token_id", ENDS)
    outputs = []
    for row in result.sequences.tolist():
        output = row[len(prompt):]
        end = next((at + 1 for at, token in enumerate(output) if token in ends), len(output))
        outputs.append(output[:end])
    scores = getattr(result, "sequences_scores", None)
    return {
        "prompt": prompt,
        "settings": settings,
        "outputs": outputs,
        "scores": None if scores is None else [round(score, 6) for score in scores.tolist()],
    }


def beams(model):
    cases = []
    for number, prompt in enumerate(PROMPTS):
        for beams in [2, 3, 5]:
            for early in [False, True, "never"]:
                for penalty in [0.0, 0.5, 1.0]:
                    settings = {
                        "num_beams": beams,
                        "num_return_sequences": 1 + (beams + number) % beams,
                        "early_stopping": early,
                        "length_penalty": penalty,
                        "max_new_tokens": 8 + 3 * number,
                    }
                    cases.append(run(model, prompt, settings))
    plain = {"num_beams": 4, "num_return_sequences": 4, "max_new_tokens": 10}
    for more in [
        {"num_beams": 1, "num_return_sequences": 1},
        {"max_new_tokens": 1},
        {"length_penalty": -1.0},
        {"length_penalty": 2.0, "early_stopping": "never"},
        {"min_new_tokens": 6},
        {"repetition_penalty": 1.5},
        {"no_repeat_ngram_size": 2, "max_new_tokens": 20},
        {"eos_token_id": [5]},
        {"eos_token_id": list(range(0, 96, 4))},
        {"num_beams": 20, "num_return_sequences": 7},
    ]:
        cases.extend(run(model, prompt, {**plain, **more}) for prompt in PROMPTS[:2])
    return cases


WORDS = [[10, 11, 12], [10, 11, 13, 14], [20], [20, 30, 31, 32, 33], [50, 51], [10, 70]]


def constrained(model):
    """A constraint like that of `choice`: the output is one of `WORDS`."""

    def allowed(length):
        def next_tokens(_, tokens):
            output = tokens.tolist()[length:]
            words = [word for word in WORDS if word[: len(output)] == output]
            # A beam without candidates continues with a score of −10⁹ and must be allowed a token.
            return sorted({word[len(output)] if len(word) > len(output) else 5 for word in words}) or [5]

        return next_tokens

    cases = []
    for prompt in PROMPTS:
        for beams in [2, 3]:
            settings = {"num_beams": beams, "num_return_sequences": beams, "max_new_tokens": 10, "eos_token_id": [5]}
            case = run(model, prompt, settings, prefix_allowed_tokens_fn=allowed(len(prompt)))
            cases.append(case)
    return cases


def groups(model):
    cases = []
    for prompt in PROMPTS:
        for beams, groups, penalty, early in [(4, 2, 0.5, True), (6, 3, 1.0, False), (4, 4, 2.5, "never"), (6, 2, 0.1, True)]:
            settings = {
                "num_beams": beams,
                "num_beam_groups": groups,
                "diversity_penalty": penalty,
                "num_return_sequences": beams,
                "max_new_tokens": 9,
                "early_stopping": early,
                # With several end tokens, 4.50 writes the first of them at the end of every output.
                "eos_token_id": [75],
            }
            cases.append(run(model, prompt, settings))
    return cases


def contrastive(model):
    return [
        run(model, prompt, {"penalty_alpha": alpha, "top_k": k, "max_new_tokens": 12, "eos_token_id": [5]})
        for prompt in PROMPTS
        for alpha, k in [(0.6, 4), (0.3, 8), (0.9, 2)]
    ]


def dola(model):
    return [
        run(model, prompt, {"dola_layers": layers, "max_new_tokens": 12, "repetition_penalty": penalty, "eos_token_id": [5]})
        for prompt in PROMPTS
        for layers, penalty in [([0, 2], 1.0), ([1], 1.0), ([0, 1, 2], 1.2)]
    ]


def guidance(model):
    cases = []
    for prompt in PROMPTS:
        for scale, negative in [(1.5, [7, 8, 9]), (3.0, None), (0.5, [60])]:
            more = {} if negative is None else {"negative_prompt_ids": torch.tensor([negative])}
            settings = {"guidance_scale": scale, "max_new_tokens": 12, "eos_token_id": [5]}
            cases.append({**run(model, prompt, settings, **more), "negative": negative})
    return cases


def main():
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    path = Path(sys.argv[1])
    result = json.loads(path.read_text()) if path.exists() else {}
    small, shapes = model()
    result["config"] = {**SMALL, "architectures": ["LlamaForCausalLM"], "hidden_act": "silu", "rope_theta": 10000.0}
    result["config"]["eos_token_id"] = [5]
    result["weights"] = shapes
    result["words"] = WORDS
    if transformers.__version__.startswith("4.50."):
        result["older"] = {
            "made_with": transformers.__version__,
            "groups": groups(small),
            "contrastive": contrastive(small),
            "dola": dola(small),
        }
    else:
        result["newer"] = {
            "made_with": transformers.__version__,
            "beams": beams(small),
            "constrained": constrained(small),
            "guidance": guidance(small),
        }
    path.write_text(json.dumps(result, separators=(",", ":"), sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
