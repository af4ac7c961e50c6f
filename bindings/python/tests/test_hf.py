"""transformers: every mode of `generate` on a tiny model made here; and rows that go back, without
transformers.
"""

from __future__ import annotations

import copy
import json
import pickle
import random
import threading
from concurrent.futures import ThreadPoolExecutor
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


def padded(pad: int, *prompts: list[int]) -> dict[str, Any]:
    """The arguments of `generate` for prompts of several lengths."""
    width = max(len(prompt) for prompt in prompts)
    return {
        "input_ids": torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts]),
        "attention_mask": torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in prompts]),
    }


@pytest.mark.parametrize("several", [False, True], ids=["one constraint", "a list"])
@pytest.mark.parametrize("stops", [False, True], ids=["plain", "stopping"])
@pytest.mark.parametrize("mode", MODES)
def test_modes(mode: str, stops: bool, several: bool, constraint: hr.Constraint, model: Any) -> None:
    batch = 1 if "lookup" in mode else 3
    vocabulary = constraint.vocabulary
    constraints = [constraint] * batch
    if several:
        others = [hr.Grammar.regex("[a-f]{3,9}"), hr.Grammar.json_schema({"enum": ["aa", 12, True]})]
        constraints[1:] = [hr.compile(grammar, vocabulary) for grammar in others[: batch - 1]]
    pad = vocabulary.eos[0]
    prompts = padded(pad, *([row + 60] * row + [9, 8] for row in range(batch)))
    width = prompts["input_ids"].shape[1]
    processor = hf.LogitsProcessor(constraints if several else constraint)
    options: dict[str, Any] = {"stopping_criteria": [hf.StoppingCriteria(processor)]} if stops else {}
    for _ in range(2):
        torch.manual_seed(1)
        out = model.generate(
            **prompts, max_new_tokens=60, logits_processor=[processor], **MODES[mode], **options
        )
        outputs = [row[width:] for row in out.tolist()]
        each = MODES[mode].get("num_return_sequences", 1)
        assert len(outputs) == batch * each
        for at, output in enumerate(outputs):
            # Rows that are over before the others are padded.
            ended = next((place for place, token in enumerate(output) if token == pad), len(output))
            check_row(constraints[at // each], output[:ended])
            if ended < len(output) and constraints[at // each] is constraint:
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
    # Another prompt, the same prompt, more rows, and prompts that go on behind the last: by tokens
    # that were not in its output, and by one that the constraint does not allow.
    for rows in (
        [[3, 2]],
        [[3, 2]],
        [[1, 2], [1, 2]],
        [[1, 2, quote, 9, 9], [1, 2, quote, 9, 9]],
        [[1, 2]],
    ):
        assert first(*rows) == [start] * len(rows)
    for prompt in ([1, 2, 9], [1, 2, 8, 7], [1, 2]):
        row = [1, 2]
        for token in (quote, ord('"'), ord("n"), ord("a")):
            row.append(token)
            assert first(row) != [start]
        assert first(prompt) == first([1, 2]) == [start]
    # A guess is asked about behind its token that may not come, as prompt lookup does; then the
    # generation goes on.
    end = constraint.vocabulary.eos
    assert first([5]) == [start] and first([5, 9]) == [end] and first([5, 9, 9]) == [end]
    assert first([5, quote]) not in ([start], [end])
    pair = hf.LogitsProcessor([constraint, hr.compile(hr.Grammar.choice(["a"]), constraint.vocabulary)])
    assert allowed(pair(torch.tensor([[1], [1]]), torch.zeros(2, size))) == [start, [ord("a")]]
    with pytest.raises(ValueError, match="evenly"):
        pair(torch.tensor([[1], [1], [1]]), torch.zeros(3, size))
    with pytest.raises(ValueError, match="no constraint"):
        hf.LogitsProcessor([])


def test_a_prompt_that_goes_on_behind_the_last(constraint: hr.Constraint, model: Any) -> None:
    processor = hf.LogitsProcessor(constraint)
    prompts = [PROMPT, [*PROMPT, 9, 9, 9], PROMPT, [*PROMPT, 9], PROMPT[:2], PROMPT]
    for prompt in prompts:
        options = {**padded(0, prompt), "do_sample": False, "max_new_tokens": 20}
        plain = model.generate(**options, logits_processor=[hf.LogitsProcessor(constraint)])
        again = model.generate(**options, logits_processor=[processor])
        assert again.tolist() == plain.tolist(), prompt
        check_row(constraint, again[0].tolist()[len(prompt) :])


def test_threads_share_a_processor(constraint: hr.Constraint, model: Any) -> None:
    processor = hf.LogitsProcessor(constraint)
    criterion = hf.StoppingCriteria(processor)
    meet = threading.Barrier(3)

    def work(prompt: list[int]) -> list[list[int]]:
        meet.wait()
        options = {**padded(0, prompt), "do_sample": False, "max_new_tokens": 30}
        return [
            model.generate(**options, logits_processor=[processor], stopping_criteria=[criterion])[0].tolist()
            for _ in range(3)
        ]

    prompts = [[1, 2, 3], [1, 2, 3, 9], [4]]
    with ThreadPoolExecutor(3) as pool:
        for prompt, rows in zip(prompts, pool.map(work, prompts)):
            for row in rows:
                assert row[: len(prompt)] == prompt
                check_row(constraint, row[len(prompt) :])
            assert rows[0] == rows[1] == rows[2]
    # A copy has the constraints, and begins anew.
    for copied in (copy.deepcopy(processor), pickle.loads(pickle.dumps(processor))):
        start = constraint.matcher().allowed_tokens()
        assert allowed(copied(torch.tensor([[4, 5]]), torch.zeros(1, constraint.vocabulary.size))) == [start]


def test_stopping_without_a_generation(constraint: hr.Constraint) -> None:
    processor = hf.LogitsProcessor(constraint)
    criterion = hf.StoppingCriteria(processor)
    assert criterion(torch.tensor([[1, 2]]), None).tolist() == [False]
    size = constraint.vocabulary.size
    processor(torch.tensor([[1, 2]]), torch.zeros(1, size))
    assert criterion(torch.tensor([[9, 9]]), None).tolist() == [False]
    # A candidate that has left the constraint is not whole, and beams have such candidates.
    assert criterion(torch.tensor([[1, 2, 9], [1, 2, ord("{")]]), None).tolist() == [False, False]
    # A row that goes on behind its end is over.
    ended = hf.LogitsProcessor(hr.compile(hr.Grammar.choice(["a"]), constraint.vocabulary))
    [end] = constraint.vocabulary.eos
    for output in ([], [ord("a")], [ord("a"), end]):
        ended(torch.tensor([[1, *output]]), torch.zeros(1, size))
    assert hf.StoppingCriteria(ended)(torch.tensor([[1, ord("a"), end, 0]]), None).tolist() == [True]
    for wrong in (
        lambda: hf.StoppingCriteria(None),
        lambda: hf.LogitsProcessor("x"),
        lambda: hf.LogitsProcessor([constraint, None]),
        lambda: hf.LogitsProcessor(3),
        lambda: hf.LogitsProcessor(constraint, prompt_length="x"),
    ):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(ValueError, match="prompt_length is -3"):
        hf.LogitsProcessor(constraint, prompt_length=-3)


class Forbid:
    """A processor that forbids some tokens, or all but some."""

    def __init__(self, tokens: list[int], *, others: bool = False) -> None:
        self.tokens = tokens
        self.others = others

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        at = torch.zeros_like(scores, dtype=torch.bool)
        at[:, self.tokens] = True
        return scores.masked_fill(~at if self.others else at, -float("inf"))


def test_processors_that_leave_no_token(constraint: hr.Constraint, model: Any) -> None:
    [end] = constraint.vocabulary.eos
    choice = hr.compile(hr.Grammar.choice(["a"]), constraint.vocabulary)
    options = {**padded(0, PROMPT), "do_sample": False, "max_new_tokens": 4}
    # No more than the output, which must not end.
    with pytest.warns(RuntimeWarning, match="forbids every token") as seen:
        processor = hf.LogitsProcessor(choice)
        model.generate(**options, min_new_tokens=3, logits_processor=[processor])
        model.generate(**options, min_new_tokens=3, logits_processor=[processor])
    assert len([one for one in seen if "logits processor" in str(one.message)]) == 1
    with pytest.warns(RuntimeWarning, match="forbids every token"):
        processor = hf.LogitsProcessor(choice)
        model.generate(**options, logits_processor=[Forbid([ord("a")]), processor])
    # One behind it is seen where rows are judged.
    with pytest.warns(RuntimeWarning, match="brought in a token"):
        processor = hf.LogitsProcessor(choice)
        criteria = [hf.StoppingCriteria(processor)]
        other = Forbid([ord("b")], others=True)
        out = model.generate(**options, logits_processor=[processor, other], stopping_criteria=criteria)
    assert out.shape[1] == len(PROMPT) + 4


@pytest.mark.filterwarnings("error")
def test_beams_do_not_warn(constraint: hr.Constraint, model: Any) -> None:
    processor = hf.LogitsProcessor(hr.compile(hr.Grammar.choice(["ab", "ac"]), constraint.vocabulary))
    options: dict[str, Any] = {"stopping_criteria": [hf.StoppingCriteria(processor)], "max_new_tokens": 6}
    model.generate(**padded(0, PROMPT), num_beams=4, logits_processor=[processor], **options)


@pytest.mark.parametrize(
    ("ids", "scores", "said"),
    [
        ((1, 2), (1, 100), "scores for 100 tokens"),
        ((1, 2), (2, 266), "as many rows"),
        ((2,), (1, 266), "two dimensions"),
        ((1, 2), (266,), "two dimensions"),
    ],
)
def test_shapes(ids: tuple[int, ...], scores: tuple[int, ...], said: str, constraint: hr.Constraint) -> None:
    with pytest.raises(ValueError, match=said):
        hf.LogitsProcessor(constraint)(torch.ones(ids, dtype=torch.long), torch.zeros(scores))


def test_padding_is_a_token(constraint: hr.Constraint) -> None:
    size = constraint.vocabulary.size
    for pad in (-1, size):
        with pytest.raises(
            ValueError, match=f"pad_token_id is {pad}; it must be None or from 0 to {size - 1}"
        ):
            hf.LogitsProcessor(constraint, pad_token_id=pad)
    processor = hf.LogitsProcessor(constraint, pad_token_id=size - 3)
    processor(torch.tensor([PROMPT]), torch.zeros(1, size))
    scores = processor(torch.tensor([[*PROMPT, 7]]), torch.zeros(1, size))
    assert allowed(scores) == [sorted([size - 3, *constraint.vocabulary.eos])]


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
