"""Coalitions drawn by size in pairs of complements."""

import math

import numpy as np
import pytest

from ihcli.errors import UsageError
from ihcli.removal.stratified import coalitions_of_size, pair_counts, uniform_sizes

CASES = [(1, 2), (2, 4), (5, 6), (5, 20), (5, 31), (5, 32), (6, 40), (6, 64), (6, 1000), (7, 90), (30, 700)]


@pytest.mark.parametrize(("units", "evaluations"), CASES)
def test_a_sample_is_different_coalitions_with_uniform_sizes(units, evaluations):
    sample = uniform_sizes(units, evaluations, seed=4)
    rows, half = sample.coalitions, len(sample.coalitions) // 2
    assert len(rows) <= min(evaluations, 2**units)
    assert len(np.unique(rows, axis=0)) == len(rows)
    assert (rows[half:] == ~rows[:half]).all()
    by_size = np.bincount(rows.sum(axis=1), weights=sample.weights, minlength=units + 1)
    np.testing.assert_allclose(by_size, 1 / (units + 1))
    assert sample.complete == (len(rows) == 2**units) == (evaluations >= 2**units)


@pytest.mark.parametrize(("units", "evaluations"), CASES)
def test_factors_count_the_coalitions_that_each_stands_for(units, evaluations):
    sample = uniform_sizes(units, evaluations, seed=4)
    by_size = np.bincount(sample.coalitions.sum(axis=1), weights=sample.factors, minlength=units + 1)
    np.testing.assert_allclose(by_size, [math.comb(units, size) for size in range(units + 1)])
    if sample.complete:
        np.testing.assert_allclose(sample.factors, 1)


def test_evaluations_are_spread_over_the_strata():
    assert pair_counts(4, 16) == [1, 4, 3]
    assert pair_counts(4, 12) == [1, 3, 2]
    assert 2 * sum(pair_counts(20, 1000)) == 1000
    with pytest.raises(UsageError, match="at least 6"):
        pair_counts(4, 5)


@pytest.mark.parametrize("units", [6, 7])
def test_every_coalition_of_a_size_is_as_likely_as_another(units):
    drawn = np.concatenate([uniform_sizes(units, 24, seed).coalitions for seed in range(600)])
    for size in range(1, units):
        rows = drawn[drawn.sum(axis=1) == size]
        _, counts = np.unique(rows, axis=0, return_counts=True)
        total = math.comb(units, size)
        assert len(counts) == total
        expected = len(rows) / total
        assert np.abs(counts - expected).max() < 4.5 * math.sqrt(expected)


def test_coalitions_of_one_size_are_drawn_uniformly_among_many():
    generator = np.random.default_rng(9)
    drawn = np.concatenate([coalitions_of_size(40, 20, 3, generator) for _ in range(400)])
    assert (drawn.sum(axis=1) == 20).all()
    np.testing.assert_allclose(drawn.mean(axis=0), 0.5, atol=4 * math.sqrt(0.25 / len(drawn)))


def test_the_seed_decides_the_sample():
    one, same, other = (uniform_sizes(12, 200, seed).coalitions for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


def test_errors_of_a_sum_by_hand():
    # Six units, 24 evaluations: strata of 1, 6, 15, 10 pairs, of which 1, 3, 4, 4 are drawn.
    sample = uniform_sizes(6, 24, seed=1)
    assert sample.counts == (1, 3, 4, 4)
    contributions = np.zeros(24)
    contributions[1:4] = [1, 2, 4]  # s² = 7/3, and 3 (1 − 3/6) 7/3 = 7/2
    contributions[16:20] = [0, 0, 0, 6]  # their complements' contributions: s² = 9, and 4 (1 − 4/15) 9 = 26.4
    assert sample.sum_errors(contributions) == pytest.approx(math.sqrt(3.5 + 26.4))


def test_errors_are_the_spread_over_seeds():
    table = np.random.default_rng(2).normal(size=2**8)
    bits = 1 << np.arange(8)
    sums, errors = [], []
    for seed in range(400):
        sample = uniform_sizes(8, 80, seed)
        contributions = sample.factors * table[sample.coalitions @ bits]
        sums.append(contributions.sum())
        errors.append(sample.sum_errors(contributions))
    assert np.mean(sums) == pytest.approx(table.sum(), abs=4 * np.std(sums) / 20)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(sums), rel=0.12)
