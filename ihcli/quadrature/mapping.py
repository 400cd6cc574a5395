"""A change of variable after which equal steps cover equal shares of the integrand's variation.

∫₀¹ h(t) dt = ∫₀¹ h(φ(s)) φ'(s) ds. With φ the inverse of the distribution function of a density w, φ'(s) = 1/w(φ(s)),
and equal steps in s put nodes where w is large (equidistribution, as in moving-mesh methods). The map is expressed in
the angle θ with t = sin²(πθ/2). A uniform density in θ is the arcsine law, for which the trapezoid rule in s has a
negligible error at the ends. The density over θ is a mixture of that law and of the arc length of the functions that
the caller gives, smoothed in its cosine series by a Gaussian. The map is then analytic, and the trapezoid rule
converges geometrically.
"""

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ihcli.quadrature.kernels import Kernel

Array = NDArray[np.float64]
FLOOR = 0.2
"""Share of the nodes that follow the arcsine law for any profile, so that no part of the path is without nodes."""
WIDTH = 0.02
"""Standard deviation of the smoothing, in θ."""
GRID = 2001
"""Points of the grid in θ on which profiles are given."""
PANELS, PANEL_ORDER = 500, 8
"""Gauss-Legendre panels by which the moments of the product weights are integrated, and points of each."""
TERMS = 140
"""Cosine terms that are kept; the Gaussian multiplies the next one by exp(-(π·140·0.02)²/2) = 2e-17."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """The map: `coefficients` c_k (k = 1…K) of the density 1 + Σ c_k cos(πkθ) over the angle."""

    coefficients: Array
    _table: Array = field(init=False)
    """The distribution at the grid's angles."""

    def __post_init__(self) -> None:
        """Tabulate the distribution, which every call of `nodes` inverts."""
        _, sines = _waves()
        object.__setattr__(self, "_table", _angles() + sines @ (self.coefficients / (np.pi * _terms())))

    def density(self, angle: Array) -> Array:
        """The density at θ; its mean over [0, 1] is 1."""
        return np.asarray(1 + np.cos(np.pi * np.outer(angle, _terms())) @ self.coefficients)

    def distribution(self, angle: Array) -> Array:
        """The distribution function at θ, exactly the density's integral."""
        return np.asarray(angle + np.sin(np.pi * np.outer(angle, _terms())) @ (self.coefficients / (np.pi * _terms())))

    def nodes(self, intervals: int) -> tuple[Array, Array]:
        """Interior nodes t and weights of the trapezoid rule in s with N intervals; those of N are every other of 2N.

        The weights take the place of dt: ∫₀¹ h(t) dt ≈ Σ w_i h(t_i).
        """
        s = np.arange(1, intervals) / intervals
        angle = np.interp(s, self._table, _angles())
        for _ in range(3):  # Newton from within a grid step of the root
            angle = np.clip(angle - (self.distribution(angle) - s) / self.density(angle), 0, 1)
        slope = np.pi / 2 * np.sin(np.pi * angle)  # dt/dθ
        return np.sin(np.pi * angle / 2) ** 2, slope / (self.density(angle) * intervals)

    def product_weights(self, intervals: int, kernel: Kernel) -> Array:
        """w_j with Σ_j w_j G(j/N) = ∫₀¹ k(t) g(t) dt for g(φ(s)) = G(s) in the span of cos(πms), m = 0…N: (N + 1,).

        The nodes are those of `nodes` and both ends. An analytic g is even and periodic in s, so that its cosine
        series converges geometrically. The kernel with its logarithm is integrated exactly against each cosine, as
        in Clenshaw-Curtis rules, with the moments of this map.
        """
        angle, weights, sines = _panels()
        position = angle + sines @ (self.coefficients / (np.pi * _terms()))
        measure = weights * kernel(np.sin(np.pi * angle / 2) ** 2) * np.pi / 2 * np.sin(np.pi * angle)
        order = np.arange(intervals + 1)
        moments = np.cos(np.pi * np.outer(order, position)) @ measure
        ends = np.ones(intervals + 1)
        ends[[0, -1]] = 0.5
        cosines = np.cos(np.pi * np.outer(order, order) / intervals)
        return np.asarray(2 / intervals * ends * (cosines @ (ends * moments)))


def grid() -> Array:
    """The t (GRID,) at which `equidistribute` expects its profile: equal steps in the angle."""
    return np.asarray(np.sin(np.pi * _angles() / 2) ** 2, dtype=np.float64)


def equidistribute(profile: Array, floor: float = FLOOR, width: float = WIDTH) -> Mapping:
    """The map for n functions at `grid()`, `profile` (GRID, n), by the square root of their derivatives' norm."""
    angle = _angles()
    speed = np.sqrt(np.linalg.norm(np.gradient(profile, angle, axis=0), axis=1))
    ends = np.ones(GRID)
    ends[[0, -1]] = 0.5
    mean = ends @ speed / (GRID - 1)
    if not mean > 0:
        return Mapping(np.zeros(TERMS))
    cosines = 2 / (GRID - 1) * (ends * speed) @ _waves()[0] / mean
    return Mapping((1 - floor) * cosines * np.exp(-0.5 * (np.pi * _terms() * width) ** 2))


def _angles() -> Array:
    return np.linspace(0, 1, GRID)


def _terms() -> Array:
    return np.arange(1.0, TERMS + 1)


@cache
def _waves() -> tuple[Array, Array]:
    """cos(πkθ) and sin(πkθ) at the grid's angles, (GRID, TERMS)."""
    phase = np.pi * np.outer(_angles(), _terms())
    return np.cos(phase), np.sin(phase)


@cache
def _panels() -> tuple[Array, Array, Array]:
    """Angles θ = u² of Gauss panels in u, their weights dθ, and sin(πkθ) there."""
    x, w = np.polynomial.legendre.leggauss(PANEL_ORDER)
    u = ((np.arange(PANELS)[:, None] + (x + 1) / 2) / PANELS).ravel()
    angle = u**2
    return angle, np.tile(w / 2, PANELS) / PANELS * 2 * u, np.sin(np.pi * np.outer(angle, _terms()))
