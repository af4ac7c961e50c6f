"""transformers: every mode of `generate` on a tiny model made here; and rows that go back, without
transformers.
"""

from __future__ import annotations

import json
import random
from typing import Any

import hedgerow as hr
import pytest

torch = pytest.importorskip("torch")
from hedgerow import hf  # noqa: E402

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 6},
        "age": {"type": "integer", "minimum": 0, "maximum": 999},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}
PROMPT = [5, 6, 7]


@pytest.fixture(scope="module")
def constraint(bytes_vocabulary: hr.Vocabulary) -> hr.Constraint:
    return hr.compile(hr.Grammar.json_schema(SCHEMA, whitespace="compact"), bytes_vocabulary)


@pytest.fixture(scope="module")
def model(bytes_vocabulary: hr.Vocabulary) -> Any:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(5)
    config = transformers.LlamaConfig(
        vocab_size=bytes_vocabulary.size,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        bos_token_id=1,
        eos_token_id=bytes_vocabulary.eos[0],
        pad_token_id=bytes_vocabulary.eos[0],
    )
    return transformers.LlamaForCausalLM(config).eval()


def allowed(scores: Any) -> list[list[int]]:
    return [[at for at, score in enumerate(row) if score > -float("inf")] for row in scores.tolist()]


def check_row(constraint: hr.Constraint, output: list[int]) -> None:
    """The output is allowed token by token, and nothing but end tokens follows the end."""
    matcher = constraint.matcher()
    for token in output:
        assert matcher.advance(token), (output, token)


def text(constraint: hr.Constraint, output: list[int]) -> str:
    return constraint.vocabulary.decode(output).decode()


MODES: dict[str, dict[str, Any]] = {
    "greedy": {"do_sample": False},
    "sampling": {"do_sample": True, "temperature": 1.5},
    "beams": {"num_beams": 4, "do_sample": False},
    "beam sampling": {"num_beams": 3, "do_sample": True},
    "several": {"do_sample": True, "num_return_sequences": 3},
    "prompt lookup": {"prompt_lookup_num_tokens": 3, "do_sample": False},
}


@pytest.mark.parametrize("mode", MODES)
def test_modes(mode: str, constraint: hr.Constraint, model: Any) -> None:
    batch = 1 if "lookup" in mode else 3
    rows = [[row + 60] * row + [9, 8] for row in range(batch)]
    width = max(len(row) for row in rows)
    pad = constraint.vocabulary.eos[0]
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    processor = hf.LogitsProcessor(constraint)
    for _ in range(2):
        torch.manual_seed(1)
        out = model.generate(
            ids, attention_mask=mask, max_new_tokens=60, logits_processor=[processor], **MODES[mode]
        )
        outputs = [row[width:] for row in out.tolist()]
        assert len(outputs) == batch * MODES[mode].get("num_return_sequences", 1)
        for output in outputs:
            check_row(constraint, output)
            if output[-1] == pad:
                value = json.loads(text(constraint, output))
                assert isinstance(value["age"], int)


def test_assisted_is_greedy(constraint: hr.Constraint, model: Any) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(6)
    assistant = transformers.LlamaForCausalLM(model.config).eval()
    ids = torch.tensor([PROMPT])
    options = {"max_new_tokens": 40, "do_sample": False, "attention_mask": torch.ones_like(ids)}
    plain = model.generate(ids, logits_processor=[hf.LogitsProcessor(constraint)], **options)
    for helper in (
        {"assistant_model": assistant},
        {"assistant_model": model},
        {"prompt_lookup_num_tokens": 4},
    ):
        found = model.generate(ids, logits_processor=[hf.LogitsProcessor(constraint)], **helper, **options)
        assert found.tolist() == plain.tolist(), helper
    check_row(constraint, plain[0].tolist()[3:])


def test_greedy_equals_the_plain_loop(constraint: hr.Constraint, model: Any) -> None:
    ids = torch.tensor([PROMPT])
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=30,
        logits_processor=[hf.LogitsProcessor(constraint)],
    )
    matcher, sampler, tokens = constraint.matcher(), hr.Sampler(temperature=0), list(PROMPT)
    mask = constraint.vocabulary.mask_buffer()
    with torch.no_grad():
        while len(tokens) < 33 and not matcher.is_stopped:
            matcher.fill_mask(mask)
            tokens.append(sampler.sample(model(torch.tensor([tokens])).logits[0, -1].float(), mask))
            assert matcher.advance(tokens[-1])
    assert out[0].tolist() == tokens


def test_stopping(constraint: hr.Constraint, model: Any) -> None:
    ids = torch.tensor([PROMPT])
    processor = hf.LogitsProcessor(constraint)
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=True,
        max_new_tokens=200,
        logits_processor=[processor],
        stopping_criteria=[hf.StoppingCriteria(processor)],
    )
    output = out[0].tolist()[3:]
    assert json.loads(text(constraint, output)) and output[-1] not in constraint.vocabulary.eos


def test_rows_go_anywhere(constraint: hr.Constraint) -> None:
    """Random rows, reordered, cut and continued, against matchers that read each row from its
    beginning.
    """
    rng = random.Random(7)
    processor = hf.LogitsProcessor(constraint, prompt_length=len(PROMPT))
    size = constraint.vocabulary.size
    rows: list[list[int]] = [[] for _ in range(4)]
    for _ in range(300):
        for at in range(len(rows)):
            change = rng.random()
            if change < 0.15:
                rows[at] = rows[rng.randrange(len(rows))].copy()
            elif change < 0.3:
                rows[at] = rows[at][: rng.randint(0, len(rows[at]))]
            elif change < 0.33:
                rows[at] = rows[at] + [rng.randrange(size)]
            else:
                matcher = constraint.matcher()
                if matcher.validate(rows[at]) == len(rows[at]):
                    for token in rows[at]:
                        matcher.advance(token)
                    rows[at] = rows[at] + [rng.choice(matcher.allowed_tokens())]
        length = max(len(row) for row in rows)
        padded = [row + [constraint.vocabulary.eos[0]] * (length - len(row)) for row in rows]
        got = allowed(processor(torch.tensor([PROMPT + row for row in padded]), torch.zeros(len(rows), size)))
        for row, tokens in zip(padded, got):
            matcher = constraint.matcher()
            good = all(matcher.advance(token) for token in row)
            assert tokens == (matcher.allowed_tokens() if good else constraint.vocabulary.eos)


def test_several_generations(constraint: hr.Constraint) -> None:
    processor = hf.LogitsProcessor(constraint)
    size = constraint.vocabulary.size
    start = constraint.matcher().allowed_tokens()

    def first(*rows: list[int]) -> list[list[int]]:
        return allowed(processor(torch.tensor(rows), torch.zeros(len(rows), size)))

    assert first([1, 2]) == [start]
    [quote] = [token for token in start if constraint.vocabulary.bytes(token) == b"{"]
    assert first([1, 2, quote]) != [start]
    # Another prompt, the same prompt, more rows, and a prompt that goes on behind the last output.
    for rows in ([[3, 2]], [[3, 2]], [[1, 2], [1, 2]], [[1, 2, quote, 9, 9], [1, 2, quote, 9, 9]]):
        assert first(*rows) == [start] * len(rows)
    pair = hf.LogitsProcessor([constraint, hr.compile(hr.Grammar.choice(["a"]), constraint.vocabulary)])
    assert allowed(pair(torch.tensor([[1], [1]]), torch.zeros(2, size))) == [start, [ord("a")]]
    with pytest.raises(ValueError, match="evenly"):
        pair(torch.tensor([[1], [1], [1]]), torch.zeros(3, size))
    with pytest.raises(ValueError, match="no constraint"):
        hf.LogitsProcessor([])


def test_an_end_is_needed(words: hr.Vocabulary) -> None:
    with pytest.raises(ValueError, match="ends a sequence"):
        hf.LogitsProcessor(hr.compile(hr.Grammar.choice(["yes"]), words))


def test_vocabulary_of_a_model(model: Any) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    tokens = {chr(97 + at): at for at in range(26)} | {"</s>": 26}
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer(tokenizers.models.BPE(tokens, [])), eos_token="</s>"
    )
    assert hr.Vocabulary.from_tokenizer(tokenizer).eos == [26]
    found = hf.vocabulary(tokenizer, model.config)
    assert (found.size, found.eos) == (model.config.vocab_size, [26])
    model.config.eos_token_id = [3, 26]
    assert hf.vocabulary(tokenizer, model.config).eos == [3, 26]


def test_pipelines() -> None:
    transformers = pytest.importorskip("transformers")
    from engine_tokenizer import byte_tokenizer

    torch.manual_seed(3)
    tokenizer = byte_tokenizer()
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer) + 6,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )
    model = transformers.LlamaForCausalLM(config).eval()
    vocabulary = hf.vocabulary(tokenizer, model)
    assert vocabulary.size == config.vocab_size and vocabulary.eos == [tokenizer.eos_token_id]
    processor = hf.LogitsProcessor(hr.compile(hr.Grammar.regex("[a-c]{5}"), vocabulary))
    generate = transformers.pipeline("text-generation", model=model, tokenizer=tokenizer)
    for prompt in ("Hello", "Hello", "Bye"):
        [found] = generate(prompt, logits_processor=[processor], max_new_tokens=20, return_full_text=False)
        assert set(found["generated_text"]) <= set("abc") and len(found["generated_text"]) == 5
