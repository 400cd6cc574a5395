"""Integrated Hessians of games: closed forms, Möbius coefficients, and quadrature of the multilinear extension."""

import math
from itertools import combinations

import numpy as np
import pytest

from ihcli.errors import UsageError
from ihcli.removal.game import all_coalitions
from ihcli.removal.multilinear import diagonal_weights, exact_interactions, interaction_sums, pair_weights, shapley_sums


def random_game(units, seed):
    values = np.random.default_rng(seed).standard_normal(2**units)
    return lambda rows: values[rows @ (1 << np.arange(units))]


def moebius(values, units):
    found = values.copy()
    for u in range(units):
        bit = 1 << u
        for index in range(2**units):
            if index & bit:
                found[index] -= found[index ^ bit]
    return found


def extension_derivatives(values, units, t):
    """First and second derivatives of the multilinear extension at t·1, from products over all coalitions."""
    rows = all_coalitions(units)
    gradient, hessian = np.zeros(units), np.zeros((units, units))

    def chance(row, fixed):
        return math.prod(t if row[w] else 1 - t for w in range(units) if w not in fixed)

    for row, value in zip(rows, values, strict=True):
        for u in range(units):
            gradient[u] += (1 if row[u] else -1) * chance(row, {u}) * value
            for v in range(units):
                if v != u:
                    hessian[u, v] += (1 if row[u] == row[v] else -1) * chance(row, {u, v}) * value
    return gradient, hessian


def by_quadrature(values, units):
    """The paper's double integral over α and β, exact by Gauss's rule: both integrands are polynomials."""
    nodes, weights = np.polynomial.legendre.leggauss(units + 1)
    x, w = (nodes + 1) / 2, weights / 2
    gamma = np.zeros((units, units))
    for i, j in np.ndindex(len(x), len(x)):
        t = x[i] * x[j]
        gradient, hessian = extension_derivatives(values, units, t)
        gamma += w[i] * w[j] * (t * hessian + np.diag(gradient))
    return gamma


@pytest.mark.parametrize("units", [2, 3, 5, 12, 30])
def test_weights_are_the_integrals(units):
    nodes, weights = np.polynomial.legendre.leggauss(80)
    x, w = (nodes + 1) / 2, weights / 2
    t, jacobian = x**6, 6 * x**5
    for k, found in enumerate(pair_weights(units)):
        expected = (w * jacobian * -t * np.log(t) * t**k * (1 - t) ** (units - 2 - k)).sum()
        assert found == pytest.approx(expected, rel=1e-9)
    for k, found in enumerate(diagonal_weights(units)):
        expected = (w * jacobian * -np.log(t) * t**k * (1 - t) ** (units - 1 - k)).sum()
        assert found == pytest.approx(expected, rel=1e-8)
    assert len(pair_weights(units)) == units - 1
    assert len(diagonal_weights(units)) == units


@pytest.mark.parametrize("units", [1, 2, 3, 4])
def test_the_matrix_is_the_functional_of_the_multilinear_extension(units):
    game = random_game(units, units)
    expected = by_quadrature(game(all_coalitions(units)), units)
    np.testing.assert_allclose(exact_interactions(game, units).matrix, expected, atol=1e-9)


@pytest.mark.parametrize("units", [1, 2, 5, 9, 12])
def test_the_matrix_from_moebius_coefficients(units):
    game = random_game(units, 10 + units)
    rows = all_coalitions(units)
    coefficients = moebius(game(rows), units)
    expected, shapley = np.zeros((units, units)), np.zeros(units)
    for row, coefficient in zip(rows[1:], coefficients[1:], strict=True):
        expected += coefficient / row.sum() ** 2 * np.outer(row, row)
        shapley += coefficient / row.sum() * row
    found = exact_interactions(game, units)
    np.testing.assert_allclose(found.matrix, expected, atol=1e-9)
    np.testing.assert_allclose(found.attributions, shapley, atol=1e-9)


@pytest.mark.parametrize("units", [1, 3, 8, 12])
def test_completeness_rows_and_symmetry(units):
    game = random_game(units, 20 + units)
    found = exact_interactions(game, units)
    np.testing.assert_allclose(found.matrix.sum(axis=1), found.attributions, atol=1e-11)
    np.testing.assert_allclose(found.matrix, found.matrix.T, atol=1e-14)
    everyone, nobody = np.ones((1, units), bool), np.zeros((1, units), bool)
    assert found.v_all == game(everyone)[0]
    assert found.v_none == game(nobody)[0]
    assert found.attributions.sum() == pytest.approx(found.v_all - found.v_none, abs=1e-11)
    assert found.evaluations == 2**units
    assert not found.matrix_errors.any()
    assert not found.attribution_errors.any()


@pytest.mark.parametrize("members", [1, 2, 3, 5])
def test_a_product_is_shared_by_its_factors(members):
    def product(rows):
        return 7.0 * rows[:, :members].all(axis=1)

    found = exact_interactions(product, 6)
    expected = np.zeros((6, 6))
    expected[:members, :members] = 7 / members**2
    np.testing.assert_allclose(found.matrix, expected, atol=1e-12)


def test_a_sum_has_a_diagonal_matrix():
    effects = np.array([1.0, -2.0, 0.5, 0.0])
    found = exact_interactions(lambda rows: 3 + rows @ effects, 4)
    np.testing.assert_allclose(found.matrix, np.diag(effects), atol=1e-12)
    assert found.v_none == 3


def test_the_shapley_values_are_means_over_orders():
    units = 4
    game = random_game(units, 5)
    table = dict(zip(map(bytes, all_coalitions(units)), game(all_coalitions(units)), strict=True))
    expected = np.zeros(units)
    for u in range(units):
        others = [w for w in range(units) if w != u]
        for size in range(units):
            for chosen in combinations(others, size):
                row = np.zeros(units, bool)
                row[list(chosen)] = True
                before = table[bytes(row)]
                row[u] = True
                share = math.factorial(size) * math.factorial(units - 1 - size) / math.factorial(units)
                expected[u] += share * (table[bytes(row)] - before)
    np.testing.assert_allclose(exact_interactions(game, units).attributions, expected, atol=1e-12)


def test_a_large_constant_costs_no_accuracy():
    game = random_game(8, 3)
    shifted = exact_interactions(lambda rows: game(rows) + 2.0**20, 8)
    np.testing.assert_allclose(shifted.matrix, exact_interactions(game, 8).matrix, atol=1e-9)


def test_sums_over_parts_add_up():
    units = 5
    game = random_game(units, 8)
    rows = all_coalitions(units)
    values = game(rows)
    parts = [interaction_sums(rows[i::3], values[i::3]) for i in range(3)]
    np.testing.assert_allclose(sum(parts), exact_interactions(game, units).matrix, atol=1e-12)
    parts = [shapley_sums(rows[i::3], values[i::3]) for i in range(3)]
    np.testing.assert_allclose(sum(parts), exact_interactions(game, units).attributions, atol=1e-12)


def test_results_are_read_only():
    found = exact_interactions(random_game(2, 0), 2)
    with pytest.raises(ValueError, match="read-only"):
        found.matrix[0, 0] = 1


@pytest.mark.parametrize("units", [0, 21])
def test_too_many_units_are_refused(units):
    with pytest.raises(UsageError, match=f"has {units} units.*1 to 20"):
        exact_interactions(lambda rows: rows.sum(1).astype(float), units)


def test_a_game_of_another_shape_is_refused():
    with pytest.raises(UsageError, match=r"shape \(8, 3\) for 8 coalitions"):
        exact_interactions(lambda rows: rows.astype(float), 3)
