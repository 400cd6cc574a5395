"""The indices against closed forms derived by hand."""

import math

import numpy as np
import pytest

from ihcli.removal.game import all_coalitions
from ihcli.removal.indices import (
    constrained_fit,
    faithful_interactions,
    interaction_weights,
    kernel_gram,
    kernel_weights,
    pair_patterns,
    pair_sums,
    quadratic_columns,
    shapley_weights,
    split_columns,
    taylor_weights,
    value_coefficients,
    value_sums,
)

UNITS = 6


def unanimity(members, units=UNITS):
    rows = all_coalitions(units)
    return rows, rows[:, list(members)].all(axis=1).astype(float)


def among(members, value, units=UNITS):
    matrix = np.zeros((units, units))
    matrix[np.ix_(members, members)] = value
    np.fill_diagonal(matrix, 0)
    return matrix


@pytest.mark.parametrize("members", [(0,), (1, 4), (0, 2, 5), (1, 2, 3, 4), (0, 1, 2, 3, 4, 5)])
def test_a_unanimity_game_is_shared_by_its_members(members):
    rows, values = unanimity(members)
    count = len(members)
    expected = np.zeros(UNITS)
    expected[list(members)] = 1 / count
    np.testing.assert_allclose(value_sums(rows, values, shapley_weights(UNITS)), expected, atol=1e-12)
    # Shapley interaction index: 1/(t − 1) to every pair of the t members; Shapley–Taylor: one over the number of pairs.
    index = among(members, 1 / (count - 1) if count > 1 else 0)
    taylor = among(members, 1 / math.comb(count, 2) if count > 1 else 0)
    np.testing.assert_allclose(pair_sums(rows, values, interaction_weights(UNITS)), index, atol=1e-12)
    np.testing.assert_allclose(pair_sums(rows, values, taylor_weights(UNITS)), taylor, atol=1e-12)


@pytest.mark.parametrize("members", [(0,), (1, 4), (0, 2, 5), (1, 2, 3, 4), (0, 1, 2, 3, 4, 5)])
def test_faith_shap_of_a_unanimity_game(members):
    # Tsai et al. 2023, theorem 19, order 2, t members: pairs 6/(t(t+1)), main effects −2(t−2)/(t(t+1)) for t > 2.
    rows, values = unanimity(members)
    t = len(members)
    pair, main = {1: (0, 1), 2: (1, 0)}.get(t, (6 / (t * (t + 1)), -2 * (t - 2) / (t * (t + 1))))
    expected = among(members, pair)
    expected[list(members), list(members)] = main
    found = faithful_interactions(rows, values, np.ones(len(rows)), 0.0, 1.0)
    np.testing.assert_allclose(found, expected, atol=1e-11)


@pytest.mark.parametrize("units", [3, 5, 7])
def test_a_majority_is_shared_equally(units):
    rows = all_coalitions(units)
    values = (rows.sum(axis=1) > units / 2).astype(float)
    everyone = np.arange(units)
    np.testing.assert_allclose(value_sums(rows, values, shapley_weights(units)), 1 / units, atol=1e-12)
    # Δ_uv is +1 below the threshold and −1 at it: sizes count alike in the index, falling by 2/(n(n−1)) in the other.
    np.testing.assert_allclose(pair_sums(rows, values, interaction_weights(units)), 0, atol=1e-12)
    taylor = among(everyone, 2 / (units * (units - 1)), units)
    np.testing.assert_allclose(pair_sums(rows, values, taylor_weights(units)), taylor, atol=1e-12)
    # The majority of an odd number is its own complement, so that its nearest quadratic form is linear.
    found = faithful_interactions(rows, values, np.ones(len(rows)), 0.0, 1.0)
    np.testing.assert_allclose(found, np.eye(units) / units, atol=1e-11)


def test_two_units_by_hand():
    rows = all_coalitions(2)
    values = np.array([1.0, 4.0, 2.0, 10.0])  # ∅, {0}, {1}, {0, 1}
    np.testing.assert_allclose(value_sums(rows, values, shapley_weights(2)), [(3 + 8) / 2, (1 + 6) / 2])
    for weights in (interaction_weights(2), taylor_weights(2)):
        np.testing.assert_allclose(pair_sums(rows, values, weights), [[0, 5], [5, 0]])
    np.testing.assert_allclose(faithful_interactions(rows, values, np.ones(4), 1.0, 10.0), [[3, 5], [5, 1]], atol=1e-12)


@pytest.mark.parametrize("units", [2, 3, 8, 12])
def test_weights_of_differences_are_a_mean_over_coalitions(units):
    for weights, free in (
        (shapley_weights(units), units - 1),
        (interaction_weights(units), units - 2),
        (taylor_weights(units), units - 2),
    ):
        assert sum(math.comb(free, size) * weight for size, weight in enumerate(weights)) == pytest.approx(1, rel=1e-12)


def test_the_shapley_kernel_by_hand():
    np.testing.assert_allclose(kernel_weights(4), [0, 3 / (4 * 3), 3 / (6 * 4), 3 / (4 * 3), 0])


def test_patterns_are_the_coefficients_of_a_pair():
    units, weights = 5, taylor_weights(5)
    rows = all_coalitions(units)
    patterns = pair_patterns(rows.sum(axis=1), weights)
    for k in range(len(rows)):
        single = pair_sums(rows[k : k + 1], np.ones(1), weights)
        for u, v in ((0, 1), (2, 4)):
            assert single[u, v] == pytest.approx(patterns[k, int(rows[k, u]) + int(rows[k, v])])


@pytest.mark.parametrize("units", [2, 3, 6])
def test_normal_equations_of_the_kernel_are_those_of_all_coalitions(units):
    rows = all_coalitions(units)
    columns, kernel = quadratic_columns(rows), kernel_weights(units)[rows.sum(axis=1)]
    np.testing.assert_allclose(kernel_gram(units), (columns.T * kernel) @ columns, atol=1e-12)


def test_coefficients_of_values_sum_to_what_they_say():
    rows = all_coalitions(4)
    values = np.random.default_rng(4).normal(size=16)
    c = value_coefficients(rows, shapley_weights(4))
    np.testing.assert_allclose(c.T @ values, value_sums(rows, values, shapley_weights(4)), atol=1e-12)
    np.testing.assert_allclose(c.sum(axis=0), 0, atol=1e-12)  # a constant game has no attributions


def test_columns_and_their_matrix():
    rows = np.array([[True, False, True]])
    assert quadratic_columns(rows).tolist() == [[1, 0, 1, 0, 1, 0]]  # units 0, 1, 2; pairs 01, 02, 12
    assert split_columns(np.array([1.0, 2, 3, 4, 5, 6]), 3).tolist() == [[1, 4, 5], [4, 2, 6], [5, 6, 3]]


def test_a_constrained_fit_keeps_its_sum():
    # (β₁ − 1)² + (β₂ − 3)² with β₁ + β₂ = 2: the nearest point of the line.
    np.testing.assert_allclose(constrained_fit(np.eye(2), np.array([1.0, 3.0]), np.ones(2), 2.0), [0, 2], atol=1e-12)
