"""Nested Clenshaw-Curtis rules on [0, 1] with product weights: exact for k(t) times any polynomial of the degree.

If a function is analytic along the path, its interpolant through the Chebyshev points t_j = (1 - cos(πj/N))/2
converges geometrically. The kernel is integrated exactly against each T_k, so its logarithm does not slow the
convergence. Doubling N keeps every point.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from ihcli.quadrature.kernels import Kernel

Array = NDArray[np.float64]
PANEL_ORDER = 32
"""Gauss points of a panel; the cosine of highest degree has at most four periods on it."""


def points(intervals: int) -> Array:
    """The N + 1 Chebyshev points of [0, 1], ascending, both ends included."""
    t = np.sin(np.pi * np.arange(intervals + 1) / (2 * intervals)) ** 2
    t[-1] = 1.0
    return t


@cache
def product_weights(intervals: int, kernel: Kernel) -> Array:
    """w_j with Σ_j w_j p(t_j) = ∫₀¹ k(t) p(t) dt for every polynomial p of degree at most N."""
    degree = np.arange(intervals + 1)
    return _cosines(intervals).T @ _moments(intervals, kernel)[degree]


def coefficients(values: Array) -> Array:
    """Coefficients of T_k(1 - 2t), k = 0…N, of the interpolant through `values` (N + 1, …) at `points(N)`."""
    return np.tensordot(_cosines(len(values) - 1), values, axes=1)


def filtered(series: Array) -> Array:
    """The series with its high degrees damped by exp(-8 (k/N)⁴).

    The derivative of an interpolant multiplies its last coefficients, which are the least accurate, by k². Damping
    removes the oscillations that this causes.
    """
    degree = np.arange(len(series)) / max(len(series) - 1, 1)
    return np.asarray(series * np.exp(-8 * degree**4).reshape(-1, *[1] * (series.ndim - 1)))


def derivative(series: Array, t: Array) -> Array:
    """d/dt of Σ_k a_k T_k(1 - 2t) at t (n,); `series` is (N + 1, …), the result (n, …)."""
    return evaluate(derivative_series(series), t)


def derivative_series(series: Array) -> Array:
    """The coefficients (N, …) of d/dt of Σ_k a_k T_k(1 - 2t)."""
    return -2.0 * np.asarray(np.polynomial.chebyshev.chebder(series, axis=0), dtype=np.float64)


def evaluate(series: Array, t: Array) -> Array:
    """Σ_k a_k T_k(1 - 2t) at t (n,): (n, …)."""
    return np.moveaxis(_chebval(1 - 2 * t, series), -1, 0)


def _chebval(x: Array, series: Array) -> Array:
    return np.asarray(np.polynomial.chebyshev.chebval(x, series), dtype=np.float64)


@cache
def _cosines(intervals: int) -> Array:
    """(N + 1, N + 1): coefficients of T_k from values at the points, a_k = 2/N Σ'' f_j cos(πjk/N), ends halved."""
    index = np.arange(intervals + 1)
    ends = np.ones(intervals + 1)
    ends[[0, -1]] = 0.5
    matrix = 2 / intervals * ends[:, None] * ends[None, :] * np.cos(np.pi * np.outer(index, index) / intervals)
    return np.asarray(matrix, dtype=np.float64)


@cache
def _moments(intervals: int, kernel: Kernel) -> Array:
    """∫₀¹ k(t) T_j(1 - 2t) dt for j = 0…N: ∫ k cos(jθ) sin(θ)/2 dθ, by Gauss panels in u, θ = πu²."""
    x, w = np.polynomial.legendre.leggauss(PANEL_ORDER)
    panels = 16 + intervals // 4
    u = (np.arange(panels)[:, None] + (x + 1) / 2).ravel() / panels
    angle = np.pi * u**2
    weights = np.tile(w / 2, panels) / panels * np.pi * u * np.sin(angle) * kernel(np.sin(angle / 2) ** 2)
    return np.asarray(np.cos(np.outer(np.arange(intervals + 1), angle)) @ weights, dtype=np.float64)
