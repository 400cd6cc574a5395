"""The process over games: its covariance, its functionals against all coalitions, and Gauss's rules."""

import numpy as np
import pytest

from ihcli.removal.game import all_coalitions
from ihcli.removal.multilinear import exact_interactions
from ihcli.removal.sampling_kernel import GameKernel, gauss_rules, quadratic_game

UNITS = 4
CUBE = np.where(all_coalitions(UNITS), 1.0, -1.0)
RANDOM = np.random.default_rng(0)
HALF = RANDOM.standard_normal((UNITS, UNITS))
GAMMA = HALF + HALF.T
KERNEL = GameKernel(
    linear=RANDOM.random(UNITS),
    amplitudes=np.array([0.8, 0.3]),
    rates=np.array([RANDOM.random(UNITS), 3 * RANDOM.random(UNITS)]),
    noise=0.1,
    quadratic=GAMMA,
    quadratic_variance=0.7,
)
PLAIN = GameKernel(KERNEL.linear, KERNEL.amplitudes, KERNEL.rates, KERNEL.noise)


def interactions(columns):
    """Γ and attributions of each column of values at all coalitions: (n, U, U) and (n, U)."""
    found = [exact_interactions(lambda _, own=column: own, UNITS) for column in columns.T]
    return np.array([one.matrix for one in found]), np.array([one.attributions for one in found])


def test_the_covariance_is_diagonal_in_the_walsh_functions():
    subsets = all_coalitions(UNITS)
    walsh = np.array([np.prod(CUBE[:, own], axis=1) for own in subsets])
    found = walsh @ PLAIN.covariance(CUBE, CUBE) @ walsh.T / 4**UNITS
    expected = np.zeros(len(subsets))
    for place, own in enumerate(subsets):
        for amplitude, rate in zip(PLAIN.amplitudes, PLAIN.rates, strict=True):
            product = np.sinh(rate[own]).prod() * np.cosh(rate[~own]).prod()
            expected[place] += amplitude * product * np.exp(-rate.sum())
        expected[place] += PLAIN.linear[own].sum() if own.sum() == 1 else own.sum() == 0
    np.testing.assert_allclose(found, np.diag(expected), atol=1e-12)


@pytest.mark.parametrize("kernel", [KERNEL, PLAIN], ids=["quadratic", "plain"])
def test_the_functionals_are_those_of_all_coalitions(kernel):
    seen = CUBE[[0, 15, 3, 9, 4]]
    matrix, attributions = interactions(kernel.covariance(CUBE, seen))
    twice, once = interactions(kernel.covariance(CUBE, CUBE))
    rows = list(kernel.functionals(seen))
    assert [row.unit for row in rows] == list(range(UNITS))
    for row in rows:
        u = row.unit
        np.testing.assert_allclose(row.covariances[:-1], matrix[:, u, u:].T, atol=1e-12)
        np.testing.assert_allclose(row.covariances[-1], attributions[:, u], atol=1e-12)
        for place, v in enumerate(range(u, UNITS)):
            variance = exact_interactions(lambda _, own=twice[:, u, v]: own, UNITS).matrix[u, v]
            assert row.variances[place] == pytest.approx(variance, abs=1e-12)
        variance = exact_interactions(lambda _, own=once[:, u]: own, UNITS).attributions[u]
        assert row.variances[-1] == pytest.approx(variance, abs=1e-12)


def test_the_game_of_a_matrix_has_that_matrix():
    values = quadratic_game(GAMMA, CUBE)
    assert values[0] == 0
    np.testing.assert_allclose(exact_interactions(lambda _: values, UNITS).matrix, GAMMA, atol=1e-12)


@pytest.mark.parametrize("units", [1, 2, 7, 30])
def test_gauss_rules_integrate_the_polynomials_of_a_game(units):
    pair, single, plain = gauss_rules(units)
    for power in range(units):
        assert pair[1] @ pair[0] ** power == pytest.approx(1 / (power + 2) ** 2, rel=1e-10)
        assert single[1] @ single[0] ** power == pytest.approx(1 / (power + 1) ** 2, rel=1e-10)
        assert plain[1] @ plain[0] ** power == pytest.approx(1 / (power + 1), rel=1e-10)
