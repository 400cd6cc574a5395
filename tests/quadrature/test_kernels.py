"""Kernels against closed forms, and against the integral over (α, β) that each of them stands for."""

import numpy as np
import pytest

from ihcli.quadrature.kernels import MINUS_LOG, MINUS_T_LOG, ONE

T = np.array([1e-300, 1e-3, 0.25, 1.0])


def test_values() -> None:
    assert ONE(T).tolist() == [1.0, 1.0, 1.0, 1.0]
    assert MINUS_LOG(T) == pytest.approx([300 * np.log(10), 3 * np.log(10), 2 * np.log(2), 0.0])
    assert MINUS_T_LOG(T) == pytest.approx([0.0, 3e-3 * np.log(10), np.log(2) / 2, 0.0])


@pytest.mark.parametrize(("kernel", "weight"), [(MINUS_LOG, lambda _: 1.0), (MINUS_T_LOG, lambda product: product)])
@pytest.mark.parametrize("h", [lambda t: t**3, np.exp, lambda t: np.sin(7 * t)])
def test_a_kernel_collapses_the_double_integral_over_the_unit_square(kernel, weight, h) -> None:
    """∫₀¹∫₀¹ w(αβ) h(αβ) dα dβ = ∫₀¹ k(t) h(t) dt; on the right t = e^-x, by Gauss-Laguerre."""
    nodes, weights = np.polynomial.legendre.leggauss(30)
    nodes, weights = (nodes + 1) / 2, weights / 2
    product = np.outer(nodes, nodes)
    double = weights @ (weight(product) * h(product)) @ weights
    x, w = np.polynomial.laguerre.laggauss(60)
    t = np.exp(-x)
    assert w @ (kernel(t) * h(t)) == pytest.approx(double, rel=1e-4)
