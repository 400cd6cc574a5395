"""The change of variable against closed forms: integrals of spikes, the arcsine law, nested nodes."""

import numpy as np
import pytest

from ihcli.quadrature import mapping
from ihcli.quadrature.kernels import MINUS_LOG, MINUS_T_LOG, ONE


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
    assert abs(spike(even, centre, width).mean() - exact) > 0.04 * exact


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
    assert w.sum() == pytest.approx(1, abs=1e-5)


def test_a_flat_profile_gives_the_arcsine_law():
    t, _ = mapping.equidistribute(np.zeros((mapping.GRID, 3))).nodes(10)
    assert np.allclose(t, np.sin(np.pi * np.arange(1, 10) / 20) ** 2)


def test_no_profile_takes_all_nodes_from_the_rest_of_the_path():
    map_ = mapping.equidistribute(spike(mapping.grid(), 0.9, 0.002)[:, None])
    t, _ = map_.nodes(50)
    assert (t < 0.5).sum() >= 4


@pytest.mark.parametrize("intervals", [3, 8])
def test_doubling_keeps_every_node_and_halves_its_weight(intervals):
    map_ = mapping.equidistribute(np.exp(-((mapping.grid() - 0.3) ** 2) / 0.002)[:, None])
    (coarse_t, coarse_w), (t, w) = map_.nodes(intervals), map_.nodes(2 * intervals)
    assert np.allclose(t[1::2], coarse_t, rtol=0, atol=1e-12)
    assert np.allclose(w[1::2] * 2, coarse_w, rtol=1e-10)


def test_equal_shares_of_the_density_lie_between_neighbouring_nodes():
    map_ = mapping.equidistribute(spike(mapping.grid(), 0.35, 0.02)[:, None])
    t, _ = map_.nodes(20)
    angle = 2 / np.pi * np.arcsin(np.sqrt(t))
    fine = np.linspace(0, 1, 20_001)
    density = map_.density(fine)
    shares = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)]) / 20_000
    assert np.diff(np.interp([0.0, *angle, 1.0], fine, shares)) == pytest.approx(0.05, rel=1e-4)


@pytest.mark.parametrize(
    ("kernel", "moment"), [(ONE, 1 / 3), (MINUS_LOG, 1 / 9), (MINUS_T_LOG, 1 / 16)], ids=["1", "-ln t", "-t ln t"]
)
def test_product_weights_integrate_the_kernel_against_a_smooth_function(kernel, moment):
    """∫₀¹ k(t) t² dt in closed form, on a map that a spike has bent."""
    map_ = mapping.equidistribute(spike(mapping.grid(), 0.6, 0.1)[:, None])
    t = np.concatenate([[0.0], map_.nodes(48)[0], [1.0]])
    assert map_.product_weights(48, kernel) @ t**2 == pytest.approx(moment, rel=1e-5)
