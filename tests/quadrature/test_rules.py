"""Both families of rules: nested nodes, weights that contain the kernel, and the order that a rule states."""

from itertools import pairwise

import numpy as np
import pytest

from ihcli.quadrature import mapping
from ihcli.quadrature.kernels import MINUS_LOG, MINUS_T_LOG, ONE
from ihcli.quadrature.rules import ClenshawCurtis, MappedTrapezoid, is_new

KERNELS = (ONE, MINUS_LOG, MINUS_T_LOG)
FLAT = mapping.equidistribute(np.zeros((mapping.GRID, 1)))


def rules(kernel):
    return (MappedTrapezoid(kernel, FLAT), ClenshawCurtis(kernel))


def integral(kernel):
    """∫₀¹ k(t) t³ dt."""
    return {ONE: 1 / 4, MINUS_LOG: 1 / 16, MINUS_T_LOG: 1 / 25}[kernel]


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.name)
@pytest.mark.parametrize("which", [0, 1], ids=["mapped", "Clenshaw-Curtis"])
def test_weights_contain_the_kernel(kernel, which):
    rule = rules(kernel)[which]
    t, w = rule.nodes(512)
    assert w @ t**3 == pytest.approx(integral(kernel), rel=1e-4)
    assert rule.product_weights(64, kernel) @ rule.all_nodes(64) ** 3 == pytest.approx(integral(kernel), rel=1e-6)


@pytest.mark.parametrize("which", [0, 1], ids=["mapped", "Clenshaw-Curtis"])
def test_half_takes_the_values_at_the_nodes_of_half_as_many_intervals(which):
    rule = rules(MINUS_T_LOG)[which]
    t, coarse = rule.nodes(12)[0], rule.nodes(6)[0]
    assert rule.half(t) == pytest.approx(coarse, abs=1e-12)
    every = rule.all_nodes(12)
    assert (every[0], every[-1], len(every)) == (0.0, 1.0, 13)
    assert set(t) <= set(every)


@pytest.mark.parametrize("which", [0, 1], ids=["mapped", "Clenshaw-Curtis"])
def test_the_new_nodes_of_a_doubling_are_those_that_the_old_ones_lack(which):
    rule = rules(MINUS_T_LOG)[which]
    t, finer = rule.nodes(6)[0], rule.nodes(12)[0]
    nearest = np.abs(finer[:, None] - t).min(1)
    assert is_new(finer, t).tolist() == (nearest > 1e-9).tolist()


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.name)
def test_a_doubling_reduces_the_error_at_least_by_the_factor_that_the_rule_states(kernel):
    """h = 1 does not vanish at the baseline, so the kernel's end decides the order."""
    rule = MappedTrapezoid(kernel, FLAT)
    exact = {ONE: 1.0, MINUS_LOG: 1.0, MINUS_T_LOG: 1 / 4}[kernel]
    errors = [abs(rule.nodes(n)[1].sum() - exact) for n in (32, 64, 128)]
    logarithm = 2.0  # θ³ ln θ falls more slowly than θ³, by the ratio of two logarithms
    for coarse, fine in pairwise(errors):
        assert fine <= logarithm * rule.slowest * coarse + 1e-14
