"""Clenshaw-Curtis rules with product weights against closed forms of their integrals."""

import numpy as np
import pytest

from ihcli.quadrature import chebyshev
from ihcli.quadrature.kernels import MINUS_LOG, MINUS_T_LOG, ONE

MOMENTS = {ONE: lambda m: 1 / (m + 1), MINUS_LOG: lambda m: 1 / (m + 1) ** 2, MINUS_T_LOG: lambda m: 1 / (m + 2) ** 2}
"""∫₀¹ k(t) tᵐ dt."""


@pytest.mark.parametrize("kernel", MOMENTS, ids=lambda k: k.name)
@pytest.mark.parametrize("intervals", [1, 2, 7, 16, 64])
def test_product_weights_integrate_every_polynomial_of_their_degree_exactly(kernel, intervals):
    t, w = chebyshev.points(intervals), chebyshev.product_weights(intervals, kernel)
    for m in range(intervals + 1):
        assert w @ t**m == pytest.approx(MOMENTS[kernel](m), abs=1e-12)


def test_product_weights_are_not_exact_beyond_their_degree():
    t, w = chebyshev.points(4), chebyshev.product_weights(4, MINUS_LOG)
    assert abs(w @ t**7 - 1 / 64) > 1e-6


@pytest.mark.parametrize("intervals", [3, 8])
def test_doubling_keeps_every_point(intervals):
    assert np.allclose(chebyshev.points(2 * intervals)[::2], chebyshev.points(intervals), rtol=0, atol=1e-14)


def test_series_gives_value_and_derivative_of_a_polynomial():
    t = chebyshev.points(6)
    series = chebyshev.coefficients(np.stack([t**5 - 2 * t, 3 * t**2], axis=1))
    at = np.array([0.0, 0.2, 0.77, 1.0])
    assert np.allclose(chebyshev.evaluate(series, at), np.stack([at**5 - 2 * at, 3 * at**2], axis=1), atol=1e-12)
    assert np.allclose(chebyshev.derivative(series, at), np.stack([5 * at**4 - 2, 6 * at], axis=1), atol=1e-11)


def test_damping_leaves_low_degrees_alone_and_removes_the_highest():
    series = np.ones((33, 2))
    damped = chebyshev.filtered(series)
    assert np.all(damped[:4] > 0.99)
    assert np.all(damped[-1] < 1e-3)
