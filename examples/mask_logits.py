"""Keeps a model's output inside a JSON Schema. The logits are made up, since there is no model here,
but the loop around them is real: fill a mask, sample under it, advance, try a token on a fork, roll
back a step.

    python examples/mask_logits.py examples/data/tiny.tokenizer.json examples/data/recipe.schema.json

`mask_logits.rs`, `mask_logits.c` and `mask_logits.cpp` do the same and print the same text.
"""

import sys
from array import array
from pathlib import Path

import hedgerow as hr


def make_up_logits(logits: "array[float]", position: int) -> None:
    """Fills in the logits that a model would give: numbers that depend on position and token."""
    for i in range(len(logits)):
        logits[i] = (i * 7919 + position * 104729) % 1000 / 100.0


def main(tokenizer: str, schema: str) -> None:
    # A vocabulary and a grammar make a constraint.
    vocabulary = hr.Vocabulary.from_tokenizer(tokenizer)
    grammar = hr.Grammar.json_schema(Path(schema).read_text(), whitespace="compact")
    constraint = hr.compile(grammar, vocabulary)

    matcher = constraint.matcher()
    sampler = hr.Sampler(temperature=0.8, top_k=5, seed=7)
    logits = array("f", bytes(4 * vocabulary.size))
    mask = vocabulary.mask_buffer()
    tokens: list[int] = []
    forced_in_all = 0

    while not matcher.is_stopped and len(tokens) < 900:
        # If only one continuation is possible, the model need not be asked.
        forced = matcher.forced_tokens()
        for token in forced:
            matcher.advance(token)
            sampler.accept(token)
        tokens += forced
        forced_in_all += len(forced)
        if forced:
            continue

        make_up_logits(logits, len(tokens))
        matcher.fill_mask(mask)
        token = sampler.sample(logits, mask)

        # A fork can be advanced without changing the matcher.
        assert matcher.fork().advance(token), (
            "the mask allowed it, but the matcher does not"
        )

        # A step can be rolled back.
        matcher.advance(token)
        matcher.rollback()
        matcher.advance(token)
        sampler.accept(token)
        tokens.append(token)

    print(vocabulary.decode(tokens).decode())
    print(f"{len(tokens)} tokens, {forced_in_all} of them forced")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} TOKENIZER_JSON SCHEMA")
    main(sys.argv[1], sys.argv[2])
