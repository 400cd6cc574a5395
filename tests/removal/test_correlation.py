import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ihcli.errors import UsageError
from ihcli.removal.correlation import kendall, pearson, spearman

small = st.integers(2, 9).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(-3, 3).map(float), min_size=n, max_size=n)] * 2)
)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(small)
def test_correlations_are_those_of_scipy(vectors):
    first, second = vectors
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        assert math.isnan(pearson(first, second))
        assert math.isnan(kendall(first, second))
        assert spearman(first, second) is None
        return
    assert pearson(first, second) == pytest.approx(stats.pearsonr(first, second).statistic, abs=1e-12)
    assert spearman(first, second) == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-12)
    assert kendall(first, second) == pytest.approx(stats.kendalltau(first, second).statistic, abs=1e-12)


def test_by_hand():
    assert kendall([1.0, 2, 3, 4], [1.0, 2, 2, 4]) == pytest.approx(5 / math.sqrt(30))  # Kendall 1945
    assert pearson([0.0, 1, 2], [1.0, -1, -3]) == pytest.approx(-1.0)
    assert math.isnan(pearson([1.0], [2.0]))
    assert pearson([1e-200, 2e-200, 4e-200], [1.0, 2, 4]) == pytest.approx(1.0)


@pytest.mark.parametrize("correlate", [pearson, kendall])
def test_unfit_vectors_are_refused(correlate):
    with pytest.raises(UsageError, match=r"\(2,\) and \(3,\)"):
        correlate([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(UsageError, match="finite"):
        correlate([1.0, math.nan], [1.0, 2.0])


def brute_force_tau(first, second, tie):
    """Concordant minus discordant over the geometric mean of the untied, counted one pair at a time."""
    concordant = discordant = untied_first = untied_second = 0
    for i, j in itertools.combinations(range(len(first)), 2):
        a, b = first[i] - first[j], second[i] - second[j]
        untied_first += abs(a) > tie
        untied_second += abs(b) > tie
        if abs(a) > tie and abs(b) > tie:
            concordant += (a > 0) == (b > 0)
            discordant += (a > 0) != (b > 0)
    if not untied_first or not untied_second:
        return math.nan
    return (concordant - discordant) / math.sqrt(untied_first * untied_second)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.data(), st.sampled_from([0.0, 1.0, 2.5]))
def test_kendalls_tau_is_its_definition(data, tie):
    first = np.array(data.draw(st.lists(st.integers(-6, 6), min_size=2, max_size=8)), dtype=float)
    second = np.array(data.draw(st.lists(st.integers(-6, 6), min_size=len(first), max_size=len(first))), dtype=float)
    expected = brute_force_tau(first, second, tie)
    assert kendall(first, second, tie) == pytest.approx(expected, nan_ok=True)


def test_kendalls_tau_of_published_examples():
    # Kendall 1945: one tie in one ranking; the same order; the opposite order.
    assert kendall(np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 2, 4])) == pytest.approx(5 / math.sqrt(30))
    assert kendall(np.arange(5.0), np.arange(5.0) * 3) == 1
    assert kendall(np.arange(5.0), -np.arange(5.0)) == -1
    assert math.isnan(kendall(np.ones(4), np.arange(4.0)))
    assert math.isnan(kendall(np.ones(1), np.ones(1)))
