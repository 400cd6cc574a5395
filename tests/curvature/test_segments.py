"""The sizes of blocks: as large as the cache allows, at least one entry, and the whole axis where that fits."""

import pytest
import torch
from curvature_functions import D, T, transformer, weights

from ihcli.curvature import segments, trace
from ihcli.curvature.segments import AXIS, BLOCK_BYTES, QUERIES, QUERY_BLOCK_BYTES, Segment

LIKE = torch.empty(0, dtype=torch.float32)


@pytest.mark.parametrize(("axis", "limit"), [(AXIS, BLOCK_BYTES), (QUERIES, QUERY_BLOCK_BYTES)])
@pytest.mark.parametrize("tangents", [1, 8, 500])
@pytest.mark.parametrize("widest", [64, 3072, 10**6])
def test_a_block_is_the_largest_that_fits(axis: int, limit: int, tangents: int, widest: int) -> None:
    segment = Segment(size=128, axis=axis, widest=widest)
    length = segment.block_length(tangents, LIKE)
    one = 4 * tangents * widest
    assert 1 <= length <= 128
    assert length * one <= limit or length == 1
    assert (length + 1) * one > limit or length == 128


def test_double_precision_halves_a_block() -> None:
    segment = Segment(size=10**6, widest=64)
    assert segment.block_length(8, LIKE) == 2 * segment.block_length(8, LIKE.double())


def test_a_block_holds_less_than_all_of_its_tangents(monkeypatch: pytest.MonkeyPatch) -> None:
    program = trace(transformer, weights(1, T, D))
    found = [step for step in program.steps if isinstance(step, Segment)]
    assert {segment.axis for segment in found} == {AXIS}
    example = torch.empty(0, dtype=torch.float64)
    whole = [segment.block_entries(8, example) for segment in found]
    monkeypatch.setattr(segments, "BLOCK_BYTES", 1)
    monkeypatch.setattr(segments, "QUERY_BLOCK_BYTES", 1)
    single = [segment.block_entries(8, example) for segment in found]
    assert [segment.block_length(8, example) for segment in found] == [1] * len(found)
    assert all(0 < small <= large for small, large in zip(single, whole, strict=True))
    assert sum(single) < sum(whole)
