"""Sums by key, in memory and on disk."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from ihcli.corpus.sums import MOST_RUNS, KeyedSums


@pytest.mark.parametrize("limit", [8, 50, 10_000])
def test_sums_by_key_are_exact_however_little_memory_there_is(tmp_path: Path, limit: int) -> None:
    rng = np.random.default_rng(0)
    sums, expected = KeyedSums(2, tmp_path, limit), defaultdict(lambda: np.zeros(2))
    for _ in range(100):
        keys = rng.integers(0, 100, 30).astype(np.uint64)
        keys[0] = np.uint64(2**64 - 1)
        values = rng.integers(-9, 9, (30, 2)).astype(float)
        sums.add(keys, values)
        for key, value in zip(keys.tolist(), values, strict=True):
            expected[key] += value
    blocks = list(sums.results())
    found = {int(k): v for keys, values in blocks for k, v in zip(keys, values, strict=True)}
    assert sum(len(keys) for keys, _ in blocks) == len(found)  # every key once
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value)
    assert 0 < len(list(tmp_path.iterdir())) < 2 * MOST_RUNS if limit < 100 else not list(tmp_path.iterdir())
