"""The evidence against a Gaussian density written out, its gradient against differences, and the minimiser."""

import numpy as np
import pytest

from ihcli.removal.game import all_coalitions
from ihcli.removal.sampling_fit import (
    JITTER,
    OTHER_SPREAD,
    SCALE_SPREAD,
    Observations,
    evidence,
    kernel_of,
    minimise,
    start,
)

UNITS = 5


def observed(*, quadratic):
    random = np.random.default_rng(1)
    z = np.where(all_coalitions(UNITS)[random.permutation(32)[:20]], 1.0, -1.0)
    gamma = random.standard_normal((UNITS, UNITS)) if quadratic else None
    return Observations(z, random.standard_normal(20), np.r_[0.0, 0.0, np.ones(18)], gamma)


@pytest.mark.parametrize("quadratic", [False, True])
def test_the_evidence_is_a_gaussian_density_and_has_its_gradient(quadratic):
    seen = observed(quadratic=quadratic)
    first = start(UNITS, quadratic=quadratic)
    place = first + 0.3 * np.random.default_rng(2).standard_normal(len(first))
    value, gradient = evidence(place, seen)
    kernel = kernel_of(place, seen.quadratic)
    covariance = kernel.covariance(seen.z, seen.z) + np.diag(kernel.noise * seen.noisy + JITTER)
    spread = np.array([OTHER_SPREAD] * 6 + [SCALE_SPREAD] * UNITS + [OTHER_SPREAD] * quadratic)
    expected = 0.5 * seen.y @ np.linalg.solve(covariance, seen.y) + 0.5 * np.linalg.slogdet(covariance)[1]
    assert value == pytest.approx(expected + 0.5 * (((place - first) / spread) ** 2).sum(), rel=1e-10)
    step = 1e-5
    for index, unit in enumerate(np.eye(len(place)) * step):
        slope = (evidence(place + unit, seen)[0] - evidence(place - unit, seen)[0]) / (2 * step)
        assert gradient[index] == pytest.approx(slope, rel=1e-5, abs=1e-5)


def test_the_minimiser_finds_the_bottom_of_a_bent_valley():
    def rosenbrock(x):
        a, b = 1 - x[0], x[1] - x[0] ** 2
        return a**2 + 100 * b**2, np.array([-2 * a - 400 * x[0] * b, 200 * b])

    np.testing.assert_allclose(minimise(rosenbrock, np.array([-1.2, 1.0]), 200), [1, 1], atol=0.02)


def test_the_minimiser_never_goes_up():
    seen = observed(quadratic=False)
    first = start(UNITS, quadratic=False)
    values = [evidence(minimise(lambda x: evidence(x, seen), first, steps), seen)[0] for steps in (0, 1, 5, 20)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[0]


def test_where_the_function_is_infinite_the_step_is_halved():
    def wall(x):
        return (np.inf, x * 0) if x[0] > 0.4 else (float((x[0] - 0.3) ** 2), 2 * (x - 0.3))

    assert minimise(wall, np.array([-5.0]), 50)[0] == pytest.approx(0.3, abs=0.02)
