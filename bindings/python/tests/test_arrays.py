"""Masks in arrays of NumPy and tensors of torch: the four names, strides, types, and arrays that
cannot be used.
"""

from __future__ import annotations

from typing import Any

import hedgerow as hr
import pytest

EXPECTED = 0b110011


@pytest.fixture
def matcher(words: hr.Vocabulary) -> hr.Matcher:
    return hr.compile(hr.Grammar.choice(["yes", "no"]), words).matcher()


def test_numpy(matcher: hr.Matcher) -> None:
    np = pytest.importorskip("numpy")
    import hedgerow.numpy as masks

    assert masks.get_bitmask_shape(3, 65) == (3, 3)
    bitmask = masks.allocate_token_bitmask(3, 7)
    assert bitmask.dtype == np.int32 and (bitmask == -1).all()
    masks.fill_next_token_bitmask(matcher, bitmask, 1)
    assert bitmask.tolist() == [[-1], [EXPECTED], [-1]]
    masks.fill_next_token_bitmask_par([(matcher, 2), (matcher.fork(), 0)], bitmask)
    assert bitmask.tolist() == [[EXPECTED]] * 3
    for kind in (np.float32, np.float64, np.float16):
        logits = np.ones((3, 7), dtype=kind)
        masks.apply_token_bitmask_inplace(logits, bitmask, indices=[0, 2])
        assert np.isinf(logits).sum(axis=1).tolist() == [3, 0, 3]
        masks.apply_token_bitmask_inplace(logits[1], bitmask[0])
        assert np.isinf(logits).sum(axis=1).tolist() == [3, 3, 3]
    drawn = hr.Sampler(temperature=0).sample(np.arange(7, dtype=np.float16), bitmask[0])
    assert drawn == 5 and matcher.advance(np.int64(5)) is True
    assert matcher.validate(np.array([6], dtype=np.int32)) == 1


def test_strides_and_types(matcher: hr.Matcher) -> None:
    np = pytest.importorskip("numpy")
    whole = np.full((4, 5), 9, dtype=np.uint32)
    hr.fill_masks([matcher, matcher.fork()], whole[::2, 1:3])
    assert whole[:, 1:3].tolist() == [[EXPECTED, 0], [9, 9], [EXPECTED, 0], [9, 9]]
    assert (whole[:, [0, 3, 4]] == 9).all()
    read_only = np.zeros((1, 1), dtype=np.int32)
    read_only.flags.writeable = False
    cases: list[tuple[type[Exception], Any]] = [
        (ValueError, whole[:, ::2]),
        (ValueError, whole[::-1]),
        (ValueError, whole.reshape(2, 2, 5)),
        (ValueError, np.broadcast_to(whole[0], (2, 5))),
        (ValueError, np.zeros((2, 0), dtype=np.int32)),
        (ValueError, np.array(3, dtype=np.int32)),
        (TypeError, np.zeros(3, dtype=np.int64)),
        (TypeError, np.zeros(3, dtype=np.float32)),
        (TypeError, np.zeros(3, dtype=">i4")),
        (TypeError, np.array(["a"])),
        (TypeError, np.array([None])),
        (ValueError, read_only),
    ]
    for kind, out in cases:
        with pytest.raises(kind):
            hr.fill_masks([matcher, matcher.fork()], out)
    unaligned = np.frombuffer(bytearray(9), dtype=np.uint8)[1:].view(np.int32)
    with pytest.raises(ValueError, match="aligned"):
        matcher.fill_mask(unaligned)


def test_dlpack(matcher: hr.Matcher) -> None:
    np = pytest.importorskip("numpy")

    class Tensor:
        """An array that has DLPack alone."""

        def __init__(self, held: Any, device: tuple[int, int] = (1, 0), old: bool = False) -> None:
            self.held, self.device, self.old = held, device, old

        def __dlpack_device__(self) -> tuple[int, int]:
            return self.device

        def __dlpack__(self, **options: Any) -> Any:
            if self.old and options:
                raise TypeError("no options")
            return self.held.__dlpack__(**options)

    for old in (False, True):
        held = np.full((2, 1), 9, dtype=np.int32)
        matcher.fill_mask(Tensor(held, old=old), 1)
        assert held.tolist() == [[9], [EXPECTED]]
        logits = np.ones((2, 7), dtype=np.float32)
        hr.mask_logits(Tensor(logits, old=old), Tensor(held, old=old), rows=[1])
        assert np.isinf(logits).sum() == 3
    # Memory of the CPU that is pinned for copies to a GPU, of CUDA or ROCm.
    for kind in (3, 11):
        held = np.full((2, 1), 9, dtype=np.int32)
        matcher.fill_mask(Tensor(held, device=(kind, 0)))
        assert held.tolist() == [[EXPECTED], [9]]
    read_only = np.zeros(1, dtype=np.int32)
    read_only.flags.writeable = False
    cases: list[tuple[type[Exception], Any]] = [
        (ValueError, Tensor(held, device=(2, 0))),
        (TypeError, Tensor(np.zeros(1, dtype=np.int64))),
        (ValueError, Tensor(np.zeros((1, 1, 1), dtype=np.int32))),
        (ValueError, Tensor(read_only)),
    ]
    for device in ("cpu", None, (1 << 70, 0)):
        cases.append((TypeError, Tensor(held, device=device)))  # type: ignore[arg-type]
    cases.append((TypeError, type("Half", (), {"__dlpack__": Tensor.__dlpack__})()))
    for refused, out in cases:
        with pytest.raises(refused):
            matcher.fill_mask(out)


def test_torch(matcher: hr.Matcher) -> None:
    torch = pytest.importorskip("torch")
    import hedgerow.torch as masks

    assert masks.get_bitmask_shape(3, 65) == (3, 3)
    bitmask = masks.allocate_token_bitmask(3, 7)
    assert bitmask.dtype == torch.int32 and bitmask.eq(-1).all()
    masks.fill_next_token_bitmask(matcher, bitmask, 1)
    masks.fill_next_token_bitmask_par([(matcher, 2)], bitmask)
    assert bitmask.flatten().tolist() == [-1, EXPECTED, EXPECTED]
    # By DLPack, without NumPy.
    bitmask.fill_(-1)
    matcher.fill_mask(bitmask, 0)
    hr.fill_masks([matcher.fork()], bitmask, rows=[2])
    assert bitmask.flatten().tolist() == [EXPECTED, -1, EXPECTED]
    for kind in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        logits = torch.arange(21, dtype=kind).reshape(3, 7)
        masks.apply_token_bitmask_inplace(logits, bitmask)
        assert logits.isinf().sum(dim=1).tolist() == [3, 0, 3]
        by_torch = torch.arange(21, dtype=kind).reshape(3, 7)
        masks._apply_by_torch(by_torch, bitmask, None)
        assert torch.equal(by_torch, logits)
        assert hr.Sampler(temperature=0).sample(logits[0]) == 5
        wide = torch.ones(2, 40, dtype=kind)
        masks._apply_by_torch(wide, bitmask[:2], [0])
        assert wide.isinf().sum(dim=1).tolist() == [36, 0]
        one = torch.ones(7, dtype=kind)
        masks.apply_token_bitmask_inplace(one, bitmask[0])
        assert one.isinf().sum() == 3
    # By torch, too, a bitmask may be one row, and its words may be unsigned.
    for one_mask in (bitmask[0], bitmask[:1], bitmask[0].view(torch.uint32)):
        by_torch = torch.ones(3, 7)
        masks._apply_by_torch(by_torch, one_mask, [2])
        assert by_torch.isinf().sum(dim=1).tolist() == [0, 0, 3]
    one = torch.ones(14)[::2]
    masks.apply_token_bitmask_inplace(one, bitmask[0], indices=[0])
    assert one.isinf().sum() == 3
    wrong: list[tuple[type[Exception], Any, Any, list[int] | None]] = [
        (IndexError, torch.ones(3, 7), bitmask, [3]),
        (IndexError, torch.ones(3, 7), bitmask, [-1]),
        (ValueError, torch.ones(2, 7), bitmask, None),
        (ValueError, torch.ones(7), bitmask, None),
        (ValueError, torch.ones(1, 3, 7), bitmask, None),
        (TypeError, torch.ones(3, 7), bitmask.long(), None),
    ]
    for kind, logits, given, indices in wrong:
        for apply in (masks.apply_token_bitmask_inplace, masks._apply_by_torch):
            with pytest.raises(kind):
                apply(logits, given, indices=indices)
    with pytest.raises(ValueError, match="gradient"):
        hr.Sampler().sample(torch.zeros(8, requires_grad=True))
    with pytest.raises(ValueError, match="CPU"):
        masks.fill_next_token_bitmask(matcher, torch.zeros(1, 1, dtype=torch.int32, device="meta"))
    with pytest.raises((ValueError, TypeError)):
        matcher.fill_mask(torch.zeros(1, dtype=torch.int64))


def test_mlx(matcher: hr.Matcher, bytes_vocabulary: hr.Vocabulary) -> None:
    mx = pytest.importorskip("mlx.core")
    import hedgerow.mlx as masks

    bitmask = masks.allocate_token_bitmask(2, 7)
    masks.fill_next_token_bitmask(matcher, bitmask, 1)
    assert masks.get_bitmask_shape(2, 7) == bitmask.shape
    for kind in (mx.float32, mx.float16, mx.bfloat16):
        logits = mx.ones((2, 7), dtype=kind)
        masked = masks.apply_token_bitmask(logits, bitmask)
        assert masked.dtype == kind and mx.isinf(masked).sum(axis=1).tolist() == [0, 3]
        masks.apply_token_bitmask_inplace(logits, bitmask, indices=[1])
        assert mx.isinf(logits).sum(axis=1).tolist() == [0, 3]
        masks.apply_token_bitmask_inplace(logits, bitmask)
        assert mx.isinf(masks.apply_token_bitmask(mx.ones(40, dtype=kind), bitmask[1])).sum().item() == 36
    logits = mx.ones((2, 7))
    masks.apply_token_bitmask_inplace(logits, bitmask[1], indices=[0])
    assert mx.isinf(logits).sum(axis=1).tolist() == [3, 0]
    logits = mx.ones(7)
    masks.apply_token_bitmask_inplace(logits, bitmask[1], indices=[0])
    assert mx.isinf(logits).sum().item() == 3
    for index in (2, -1):
        with pytest.raises(IndexError, match="rows"):
            masks.apply_token_bitmask_inplace(mx.ones((2, 7)), bitmask, indices=[index])
    for wrong in (mx.ones((1, 7)), mx.ones(7), mx.ones((1, 2, 7))):
        with pytest.raises(ValueError):
            masks.apply_token_bitmask(wrong, bitmask)
    assert hr.Sampler(temperature=0).sample(mx.array([0.0, 2.0, 1.0])) == 1
    constraint = hr.compile(hr.Grammar.regex("ab[cd]"), bytes_vocabulary)
    processor = masks.LogitsProcessor(constraint)
    end = bytes_vocabulary.eos[0]
    a, b, c, d = b"abcd"
    for tokens, expected in (
        ([7], [a]),
        ([7, a], [b]),
        ([7, a, b], [c, d]),
        ([7, a, b, c], [end]),
        ([7, 9], [a]),
        ([7, 9, 7], [end]),
        ([3, 4], [a]),
    ):
        row = processor(mx.array(tokens), mx.zeros((1, bytes_vocabulary.size)))[0]
        assert [at for at, logit in enumerate(row.tolist()) if logit == 0] == expected
    processor.reset()
    with pytest.raises(ValueError, match="ends a sequence"):
        masks.LogitsProcessor(matcher.constraint)
