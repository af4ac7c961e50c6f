"""Samplers, and masks applied to logits."""

from __future__ import annotations

import array
import math
from typing import Any

import hedgerow as hr
import pytest
from hedgerow._types import SamplerOptions


def test_options_are_the_librarys() -> None:
    named = list(SamplerOptions.__annotations__)
    assert named == [parameter.name for parameter in hr.Sampler.parameters()]
    assert all(parameter.help for parameter in hr.Sampler.parameters())


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ({"temperature": 0.5, "top_k": 3}, {"temperature": "0.5", "top_k": "3"}),
        ({"xtc": (0.5, 0.1)}, {"xtc": "0.5:0.1"}),
        ({"xtc": None, "top_n_sigma": 2}, {"top_n_sigma": "2"}),
        ({"logit_bias": {3: -1.5, 4: "-inf"}}, {"logit_bias": "3=-1.5,4=-inf"}),
        ({"logit_bias": {4: -math.inf}}, {"logit_bias": "4=-inf"}),
        ({"bad_words": [[1, 2], [3]]}, {"bad_words": "1:2,3"}),
        ({"suppressed_tokens": [1, 2]}, {"suppressed_tokens": "1,2"}),
        ({"order": ["mask", "temperature"]}, {"order": "mask,temperature"}),
        ({"selection": "gumbel-max", "seed": 1 << 60}, {"selection": "gumbel-max", "seed": str(1 << 60)}),
    ],
)
def test_options(options: dict[str, object], texts: dict[str, str]) -> None:
    assert hr.Sampler(**options).params == texts  # type: ignore[arg-type]


def test_draws() -> None:
    logits = array.array("f", [0.0, 3.0, 1.0, -1.0])
    greedy = hr.Sampler(temperature=0)
    assert (
        greedy.sample(logits) == greedy.sample(list(logits)) == greedy.sample(array.array("d", logits)) == 1
    )
    mask = array.array("I", [0b1101])
    assert greedy.sample(logits, mask) == 2
    token, logprob = hr.Sampler(top_k=1).sample_with_logprob(logits)
    assert (token, logprob) == (1, 0.0)
    distribution = dict(hr.Sampler().distribution(logits, mask))
    assert set(distribution) == {0, 2, 3} and sum(distribution.values()) == pytest.approx(1)
    stages = hr.Sampler(top_k=2).stages(logits)
    assert stages[0][0] == "logits" and len(stages[-1][1]) == 2
    one, other = hr.Sampler(seed=3), hr.Sampler(seed=3)
    drawn = []
    for _ in range(8):
        drawn.append(one.sample(logits))
        one.accept(drawn[-1])
    for token in drawn:
        assert other.sample(logits) == token
        other.accept(token)
    assert one.output == drawn and one.position == 8
    fork = one.fork()
    one.rollback(8)
    assert one.position == 0 and fork.position == 8 and one.sample(logits) == drawn[0]
    one.set_prompt([1, 1])
    one.reset()
    hr.Sampler(suppressed_tokens=[0]).process(logits, mask)
    assert [math.isinf(logit) for logit in logits] == [True, True, False, False]
    assert hr.Sampler.preset("creative", top_p=0.5, seed=1).params == {"top_p": "0.5", "seed": "1"}


def test_batch() -> None:
    samplers = [hr.Sampler(temperature=0) for _ in range(2)]
    logits = memoryview(array.array("f", [0, 1, 2, 3, 2, 1])).cast("B").cast("f", (2, 3))
    masks = memoryview(array.array("I", [0b011, 0b110])).cast("B").cast("I", (2, 1))
    assert hr.sample_batch(samplers, logits) == [2, 0]
    assert hr.sample_batch(samplers, logits, masks) == [1, 1]
    double = memoryview(array.array("d", [0, 1, 2, 3, 2, 1])).cast("B").cast("d", (2, 3))
    assert hr.sample_batch(samplers, double) == [2, 0]
    assert hr.sample_batch(samplers, double, masks) == [1, 1]
    many = [hr.Sampler(seed=seed) for seed in range(20)]
    rows = memoryview(array.array("f", range(60))).cast("B").cast("f", (20, 3))
    each = [sampler.sample(array.array("f", row)) for sampler, row in zip(many, rows.tolist())]
    for threads in (None, 1, 3, 100):
        assert hr.sample_batch(many, rows, threads=threads) == each
    with pytest.raises(ValueError, match="threads is 0"):
        hr.sample_batch(many, rows, threads=0)
    with pytest.raises(ValueError, match="2 rows of logits; give one"):
        samplers[0].sample(double)
    with pytest.raises(TypeError, match="floats of 16, 32 or 64 bits"):
        hr.sample_batch(samplers, masks)
    with pytest.raises(ValueError, match="2 rows of logits"):
        hr.sample_batch(samplers[:1], logits)


def test_processed_rows() -> None:
    """What nothing applies to stays as it is, to the last bit of 64."""
    exact = 0.1 + 1e-12
    row = array.array("d", [exact, 1.0, 2.0, exact])
    sampler = hr.Sampler(suppressed_tokens=[1], logit_bias={2: 1.5})
    sampler.process(row, array.array("I", [0b0111]))
    assert row.tolist() == [exact, -math.inf, 3.5, -math.inf]
    narrow = array.array("f", [0.5, 1.0, 2.0, 0.5])
    sampler.process(narrow, array.array("I", [0b0111]))
    assert narrow.tolist() == [0.5, -math.inf, 3.5, -math.inf]
    numpy = pytest.importorskip("numpy")
    with pytest.raises(TypeError, match="16-bit floats; process writes"):
        sampler.process(numpy.zeros(4, numpy.float16))
    with pytest.raises(ValueError, match="2 rows"):
        sampler.process(numpy.zeros((2, 4)))


@pytest.mark.parametrize("code", ["f", "d"])
def test_logprobs(code: str) -> None:
    logits = array.array(code, [0.0, 1.0, 0.0, -math.inf])
    chosen, top = hr.logprobs(logits, 0, 2)
    total = math.log(2 + math.e)
    assert chosen == pytest.approx(-total, abs=1e-6)
    assert [token for token, _ in top] == [1, 0] and top[0][1] == pytest.approx(1 - total, abs=1e-6)
    assert hr.logprobs(logits, 3) == (-math.inf, [])
    assert hr.logprobs(list(logits), 1).chosen == pytest.approx(1 - total, abs=1e-6)
    drawn = hr.Sampler(top_k=1).logprobs(logits, 1, 5)
    assert isinstance(drawn, hr.Logprobs) and drawn == (0.0, [(1, 0.0)])
    assert hr.Sampler(top_k=1).logprobs(logits, 0).chosen == -math.inf
    allowed = hr.Sampler().logprobs(logits, 2, mask=array.array("I", [0b1101]))
    assert allowed.chosen == pytest.approx(math.log(0.5))
    for wrong in (lambda: hr.logprobs(logits, 4), lambda: hr.logprobs([float("nan")], 0)):
        with pytest.raises(hr.SamplingError):
            wrong()
    with pytest.raises(ValueError, match="top is -1"):
        hr.logprobs(logits, 0, -1)


def test_watermarks() -> None:
    size, rule = 500, (0.25, 20.0, 7)
    sampler = hr.Sampler(watermark=rule, seed=1)
    for _ in range(60):
        sampler.accept(sampler.sample([0.0] * size))
    found = hr.detect_watermark(sampler.output, size, rule)
    assert isinstance(found, hr.WatermarkEvidence)
    assert found.z_score > 4 and found.scored >= found.green > 40
    assert hr.detect_watermark(sampler.output, size, "0.25:20:7") == found
    assert hr.detect_watermark(sampler.output, size).z_score < 4
    assert hr.detect_watermark([], size) == (0, 0, 0.0)
    for wrong, kind in (
        (lambda: hr.detect_watermark([1], 1 << 40), ValueError),
        (lambda: hr.detect_watermark([1], 10, (2.0, 1.0)), hr.SamplingError),
        (lambda: hr.detect_watermark(["x"], 10), TypeError),
    ):
        with pytest.raises(kind):
            wrong()


@pytest.mark.parametrize(
    ("api", "given", "options", "rest"),
    [
        (
            "openai",
            {"model": "m", "temperature": 0.2, "top_p": 0.9, "stop": "END", "seed": 3, "n": 2},
            {"temperature": "0.2", "top_p": "0.9", "seed": "3"},
            {"stop": ["END"], "seed": 3, "completions": 2, "passed_over": ["model"]},
        ),
        (
            "openai",
            '{"response_format": {"type": "json_object"}, "top_logprobs": 4, "logprobs": true}',
            {},
            {"response_format": {"type": "json_object"}, "logprobs": 4, "beams": None},
        ),
        ("anthropic", {"top_k": 5, "max_tokens": 9}, {"top_k": "5", "max_tokens": "9"}, {"completions": 1}),
        (
            "hugging-face",
            {"num_beams": 4, "length_penalty": 2.0},
            {},
            {"beams": (4, 1, 0.0, 2.0, "heuristic"), "max_length": None},
        ),
        (
            "hugging-face",
            {"max_length": 20, "min_length": 5},
            {},
            {"max_length": 20, "min_length": 5, "passed_over": []},
        ),
        (
            "hugging-face",
            {"do_sample": False, "top_p": 0.5},
            {},
            {"unused": ["top_p"], "passed_over": ["top_p"]},
        ),
        ("vllm", b'{"min_p": 0.5, "bad_words": ["x"]}', {"min_p": "0.5"}, {"bad_words": ["x"]}),
    ],
)
def test_parameters_of_other_apis(
    api: Any, given: Any, options: dict[str, str], rest: dict[str, object]
) -> None:
    read = hr.read_parameters(api, given)
    assert isinstance(read, hr.ParameterSet) and read.api == api
    assert options.items() <= dict(read.options).items()
    assert hr.Sampler(**read.options).params == read.options
    for name, value in rest.items():
        assert getattr(read, name) == value, name


def test_bad_parameters_of_other_apis() -> None:
    for api, given, kind, said in (
        ("nobody", {}, ValueError, 'api is "nobody"'),
        ("openai", {"top_q": 1}, hr.SamplingError, "/top_q"),
        ("openai", {"temperature": 9}, hr.SamplingError, "/temperature"),
        ("openai", "[]", hr.SamplingError, "not a JSON object"),
        ("openai", "{", hr.SamplingError, "not JSON"),
        ("openai", b"\xff", ValueError, "UTF-8"),
        ("openai", {"stop": object()}, TypeError, "serializable"),
    ):
        with pytest.raises(kind, match=said):
            hr.read_parameters(api, given)  # type: ignore[arg-type]


def test_bad_options_and_rows() -> None:
    shared = memoryview(array.array("f", [0.0, 1.0]))
    endless: list[Any] = []
    endless.append(endless)
    logits = array.array("f", [0.0, 1.0])
    cases = [
        (TypeError, lambda: hr.Sampler(heat=1)),
        (TypeError, lambda: hr.Sampler(top_k=True)),
        (TypeError, lambda: hr.Sampler(bad_words=endless)),
        (TypeError, lambda: hr.Sampler(temperature=object())),
        (hr.SamplingError, lambda: hr.Sampler(temperature=-1)),
        (hr.SamplingError, lambda: hr.Sampler(temperature=float("nan"))),
        (hr.SamplingError, lambda: hr.Sampler(top_k=1.5)),
        (hr.SamplingError, lambda: hr.Sampler(xtc="often")),
        (hr.SamplingError, lambda: hr.Sampler(mirostat=2, adaptive_p=0.5)),
        (ValueError, lambda: hr.Sampler.preset("nothing")),
        (hr.SamplingError, lambda: hr.Sampler().sample(array.array("f"))),
        (hr.SamplingError, lambda: hr.Sampler().sample([float("nan"), 1.0])),
        (hr.SamplingError, lambda: hr.Sampler().sample(logits, array.array("I", [0]))),
        (hr.SamplingError, lambda: hr.Sampler().sample(logits, array.array("I", [1, 1, 1]))),
        (hr.SamplingError, lambda: hr.Sampler().rollback(1)),
        (TypeError, lambda: hr.Sampler().sample(["a"])),
        (TypeError, lambda: hr.Sampler().sample(logits, logits)),
        (TypeError, lambda: hr.Sampler().process([0.0])),
        (TypeError, lambda: hr.mask_logits(logits, array.array("f", [0.0]))),
        (TypeError, lambda: hr.mask_logits(array.array("i", [1]), array.array("I", [1]))),
        (ValueError, lambda: hr.mask_logits(shared, shared.cast("B").cast("I"))),
        (ValueError, lambda: hr.Sampler().process(shared, shared.cast("B").cast("I")[1:])),
        (IndexError, lambda: hr.mask_logits(logits, array.array("I", [1]), rows=[1])),
    ]
    for number, (kind, call) in enumerate(cases):
        with pytest.raises(kind) as caught:
            call()
        assert not isinstance(caught.value, hr.InternalError), number


@pytest.mark.parametrize("code", ["f", "d"])
def test_mask_logits(code: str) -> None:
    no = -math.inf
    logits = memoryview(array.array(code, range(1, 11))).cast("B").cast(code, (2, 5))
    hr.mask_logits(logits, array.array("I", [0b00101]), rows=[1])
    assert logits.tolist() == [[1, 2, 3, 4, 5], [6, no, 8, no, no]]
    hr.mask_logits(logits, memoryview(array.array("i", [-1, 4])).cast("B").cast("i", (2, 1)))
    assert logits.tolist() == [[1, 2, 3, 4, 5], [no, no, 8, no, no]]
    hr.mask_logits(logits, array.array("I", [0]))
    assert logits.tolist() == [[no] * 5] * 2
