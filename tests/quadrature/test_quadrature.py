import numpy as np
import pytest

from ihcli.quadrature import chebyshev, mapping
from ihcli.quadrature.kernels import MINUS_LOG, MINUS_T_LOG, ONE

# ∫₀¹ k(t) tᵐ dt in closed form
MOMENTS = {ONE: lambda m: 1 / (m + 1), MINUS_LOG: lambda m: 1 / (m + 1) ** 2, MINUS_T_LOG: lambda m: 1 / (m + 2) ** 2}


@pytest.mark.parametrize("kernel", MOMENTS, ids=lambda k: k.name)
@pytest.mark.parametrize("intervals", [1, 2, 7, 16, 64])
def test_product_weights_integrate_every_polynomial_of_their_degree_exactly(kernel, intervals):
    t, w = chebyshev.points(intervals), chebyshev.product_weights(intervals, kernel)
    for m in range(intervals + 1):
        assert w @ t**m == pytest.approx(MOMENTS[kernel](m), abs=1e-13)


def test_product_weights_are_not_exact_beyond_their_degree():
    t, w = chebyshev.points(4), chebyshev.product_weights(4, MINUS_LOG)
    assert abs(w @ t**7 - 1 / 64) > 1e-6


@pytest.mark.parametrize("intervals", [3, 8])
def test_doubling_keeps_every_point(intervals):
    assert np.allclose(chebyshev.points(2 * intervals)[::2], chebyshev.points(intervals), atol=1e-15)
    map_ = mapping.equidistribute(np.exp(-((mapping.grid() - 0.3) ** 2) / 0.002)[:, None])
    assert np.allclose(map_.nodes(2 * intervals)[0][1::2], map_.nodes(intervals)[0], atol=1e-13)
    assert np.allclose(map_.nodes(2 * intervals)[1][1::2] * 2, map_.nodes(intervals)[1], rtol=1e-12)


def test_series_gives_value_and_derivative_of_a_polynomial():
    t = chebyshev.points(6)
    series = chebyshev.coefficients(np.stack([t**5 - 2 * t, 3 * t**2], axis=1))
    at = np.array([0.0, 0.2, 0.77, 1.0])
    assert np.allclose(chebyshev.evaluate(series, at), np.stack([at**5 - 2 * at, 3 * at**2], axis=1), atol=1e-13)
    assert np.allclose(chebyshev.derivative(series, at), np.stack([5 * at**4 - 2, 6 * at], axis=1), atol=1e-12)


def test_damping_leaves_low_degrees_alone_and_removes_the_highest():
    series = np.ones((33, 2))
    damped = chebyshev.filtered(series)
    assert np.all(damped[:4] > 0.99)
    assert np.all(damped[-1] < 1e-3)


def spike(t, centre, width):
    return 1 / (1 + ((t - centre) / width) ** 2)


def spike_integral(a, b, centre, width):
    return width * (np.arctan((b - centre) / width) - np.arctan((a - centre) / width))


@pytest.mark.parametrize("centre", [0.1, 0.35, 0.8])
def test_the_map_needs_far_fewer_nodes_for_a_spike_than_equal_steps(centre):
    width = 0.01
    map_ = mapping.equidistribute(spike(mapping.grid(), centre, width)[:, None])
    exact = spike_integral(0, 1, centre, width)
    t, w = map_.nodes(32)
    even = (np.arange(32) + 0.5) / 32
    assert abs(w @ spike(t, centre, width) - exact) < 0.02 * exact
    assert abs(spike(even, centre, width).mean() - exact) > 0.1 * exact


def test_the_mapped_rule_converges_geometrically_and_integrates_constants():
    centre, width = 0.4, 0.03
    map_ = mapping.equidistribute(spike(mapping.grid(), centre, width)[:, None])
    exact = spike_integral(0, 1, centre, width)

    def error(n):
        t, w = map_.nodes(n)
        return abs(w @ (t * (1 - t) * 4 * spike(t, centre, width)) - weighted)

    t, w = map_.nodes(4096)
    weighted = w @ (t * (1 - t) * 4 * spike(t, centre, width))
    assert w @ spike(t, centre, width) == pytest.approx(exact, rel=1e-6)
    assert error(64) < error(16) / 50
    assert w.sum() == pytest.approx(1, abs=1e-6)


def test_a_flat_profile_gives_the_arcsine_law():
    t, _ = mapping.equidistribute(np.zeros((mapping.GRID, 3))).nodes(10)
    assert np.allclose(t, np.sin(np.pi * np.arange(1, 10) / 20) ** 2)


def test_no_profile_takes_all_nodes_from_the_rest_of_the_path():
    map_ = mapping.equidistribute(spike(mapping.grid(), 0.9, 0.002)[:, None])
    t, _ = map_.nodes(50)
    assert (t < 0.5).sum() >= 4
