import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ihcli.regression.ranking import compare_rankings


def matrix(values):
    """A symmetric matrix with these upper entries (4 units, 6 pairs in row order)."""
    m = np.zeros((4, 4))
    m[np.triu_indices(4, 1)] = values
    return m + m.T


def test_a_swap_within_the_error_is_no_finding():
    old, new = matrix([1.00, 0.99, 0.5, 0.4, 0.1, 0.0]), matrix([0.99, 1.00, 0.5, 0.4, 0.1, 0.0])
    exact = compare_rankings(old, new, 1, (0.0, 0.0))
    assert exact.strongest_changed
    assert exact.lost == ((0, 1),)
    tolerant = compare_rankings(old, new, 1, (0.01, 0.01))
    assert not tolerant.strongest_changed
    assert tolerant.lost == ()
    assert tolerant.overlap == 1
    assert compare_rankings(old, new, 6, (0.01, 0.01)).reversals == 0
    assert compare_rankings(old, new, 6, (0.0, 0.0)).reversals == 1


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.lists(st.floats(-1, 1), min_size=6, max_size=6),
    st.lists(st.floats(-1, 1), min_size=6, max_size=6),
    st.integers(1, 6),
)
def test_differences_within_both_errors_never_change_a_rank(values, shifts, top_k):
    errors = (0.02, 0.03)
    old = matrix(values)
    ranking = compare_rankings(old, old + matrix(np.array(shifts) * 0.05 * (1 - 1e-9)), top_k, errors)
    assert ranking.lost == ranking.missing == ranking.flipped == ()
    assert not ranking.strongest_changed
    assert ranking.reversals == 0


def test_a_lost_pair_a_flip_and_a_new_strongest_are_seen():
    old = matrix([1.0, 0.8, 0.6, 0.1, 0.1, 0.1])
    new = matrix([0.1, -0.8, 0.6, 0.9, 0.1, 0.1])
    ranking = compare_rankings(old, new, 3, (0.01, 0.01))
    assert ranking.lost == ((0, 1),)
    assert ranking.overlap == pytest.approx(2 / 3)
    assert ranking.flipped == ((0, 2),)
    assert (ranking.strongest_old, ranking.strongest_new, ranking.strongest_changed) == ((0, 1), (1, 2), True)
    assert ranking.tau < 1


def test_a_pair_that_was_not_computed_is_missing_only_if_it_would_have_been_among_the_strongest():
    old = matrix([1.0, 0.8, 0.6, 0.1, 0.1, 0.1])
    gone, weak = old.copy(), old.copy()
    gone[0, 1] = gone[1, 0] = np.nan
    weak[0, 3] = weak[3, 0] = np.nan
    assert compare_rankings(old, gone, 2, (0.01, 0.01)).missing == ((0, 1),)
    assert compare_rankings(old, weak, 2, (0.01, 0.01)).missing == ()


def test_one_unit_has_no_pairs():
    ranking = compare_rankings(np.ones((1, 1)), np.ones((1, 1)), 10, (0.0, 0.0))
    assert (ranking.k, ranking.overlap, ranking.strongest_old) == (0, 1.0, None)
    assert math.isnan(ranking.tau)
