"""Agreement of two explanations, by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import spearmanr

from ihcli.errors import UsageError
from ihcli.removal.agreement import agreement, same_signs, spearman


def explained(attributions, pairs):
    units = len(attributions)
    matrix = np.zeros((units, units))
    rows, columns = np.triu_indices(units, k=1)
    matrix[rows, columns] = matrix[columns, rows] = pairs
    return SimpleNamespace(attributions=np.array(attributions, dtype=float), matrix=matrix)


def test_an_explanation_agrees_with_itself_at_any_scale():
    one = explained([3, -1, 2], [0.5, -4, 1])
    found = agreement(one, explained([30, -10, 20], [5, -40, 10]))
    assert found.attribution_correlation == pytest.approx(1)
    assert found.pair_correlation == pytest.approx(1)
    assert (found.attribution_signs, found.pair_signs, found.same_strongest_pair) == (1, 1, True)


def test_opposite_explanations_disagree():
    found = agreement(explained([3, -1, 2], [0.5, -4, 1]), explained([-3, 1, -2], [5, 4, -1]))
    assert found.attribution_correlation == pytest.approx(-1)
    assert found.attribution_signs == 0
    assert found.pair_signs == pytest.approx(1 / 3)
    assert found.same_strongest_pair is False


def test_pairs_that_one_does_not_have_are_left_out():
    found = agreement(explained([1, 2, 3], [np.nan] * 3), explained([1, 2, 3], [1, 2, 3]))
    assert (found.pair_correlation, found.pair_signs, found.same_strongest_pair) == (None, None, None)
    some = agreement(explained([1, 2, 3], [np.nan, 5, 1]), explained([1, 2, 3], [9, 4, -2]))
    assert some.pair_correlation == pytest.approx(1)
    assert some.pair_signs == pytest.approx(1 / 2)
    assert some.same_strongest_pair is True


def test_signs_count_among_the_strongest_of_either():
    # The two strongest of the one are places 0 and 1, of the other 1 and 2: three places, two equal signs.
    assert same_signs(np.array([5.0, -4, 1, 1]), np.array([-1.0, -6, 7, -1]), 2) == pytest.approx(2 / 3)


def test_spearman_is_that_of_scipy():
    generator = np.random.default_rng(8)
    for _ in range(5):
        first, second = generator.integers(0, 6, size=(2, 15)).astype(float)
        assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)
    assert spearman(np.ones(4), np.arange(4.0)) is None
    assert spearman(np.array([]), np.array([])) is None


def test_one_unit_has_no_pairs_and_no_ranks():
    found = agreement(explained([1], []), explained([2], []))
    assert (found.attribution_correlation, found.pair_correlation, found.same_strongest_pair) == (None, None, None)
    assert found.attribution_signs == 1


def test_other_units_and_no_strongest_are_refused():
    with pytest.raises(UsageError, match="3 and 1 units"):
        agreement(explained([1, 2, 3], [1, 2, 3]), explained([1], []))
    with pytest.raises(UsageError, match="at least 1"):
        agreement(explained([1], []), explained([1], []), strongest=0)
