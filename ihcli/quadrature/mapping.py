"""A change of variable that gives every node the same share of what the integrand does.

∫₀¹ h(t) dt = ∫₀¹ h(φ(s)) φ'(s) ds.  With φ the inverse of the distribution function of a density w, φ'(s) = 1/w(φ(s)),
and equal steps in s put nodes where w is large (equidistribution, as moving-mesh methods use it).  It is told in the
angle θ, t = sin²(πθ/2): uniform in θ is the arcsine law, which flattens both ends so that the trapezoid rule in s
has next to no end error.  The density over θ mixes that law with the arc length of what the caller shows, smoothed in
its cosine series by a Gaussian: the map is analytic, and the trapezoid rule keeps its geometric convergence.
"""

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ihcli.quadrature.kernels import Kernel

Array = NDArray[np.float64]
FLOOR = 0.2
"""Share of the nodes that follow the arcsine law whatever the profile shows: what is unseen gets nodes too."""
WIDTH = 0.02
"""Standard deviation of the smoothing, in θ."""
GRID = 2001
PANELS, PANEL_ORDER = 500, 8
"""Gauss-Legendre panels on which the moments of the product weights are taken."""
TERMS = 140
"""Cosine terms kept: the Gaussian leaves exp(-(π·140·0.02)²/2) = 2e-17 of the next one."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """The map: `coefficients` c_k (k = 1…K) of the density 1 + Σ c_k cos(πkθ) over the angle."""

    coefficients: Array
    _table: Array = field(init=False)
    """The distribution at the grid's angles."""

    def __post_init__(self) -> None:
        """Tabulate the distribution once: every number of nodes inverts it."""
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
        for _ in range(3):  # Newton from within a grid step: quadratic, so three are plenty
            angle = np.clip(angle - (self.distribution(angle) - s) / self.density(angle), 0, 1)
        slope = np.pi / 2 * np.sin(np.pi * angle)  # dt/dθ
        return np.sin(np.pi * angle / 2) ** 2, slope / (self.density(angle) * intervals)

    def product_weights(self, intervals: int, kernel: Kernel) -> Array:
        """w_j with Σ_j w_j G(j/N) = ∫₀¹ k(t) g(t) dt for g(φ(s)) = G(s) in the span of cos(πms), m = 0…N: (N + 1,).

        The nodes are those of `nodes` and both ends.  An analytic g is even and periodic in s, so that its cosine
        series converges geometrically; the kernel, log and all, is integrated exactly against it (Clenshaw-Curtis,
        with the map's own moments).
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
    """The t at which `equidistribute` wants its profile: equal steps in the angle."""
    return np.asarray(np.sin(np.pi * _angles() / 2) ** 2, dtype=np.float64)


def equidistribute(profile: Array, floor: float = FLOOR, width: float = WIDTH) -> Mapping:
    """The map for a `profile` (GRID, n) of n functions at `grid()`, by the square root of their joint speed."""
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
    """Angles θ = u² of Gauss panels in u (a log at 0 leaves no trace), their weights dθ, and sin(πkθ) there."""
    x, w = np.polynomial.legendre.leggauss(PANEL_ORDER)
    u = ((np.arange(PANELS)[:, None] + (x + 1) / 2) / PANELS).ravel()
    angle = u**2
    return angle, np.tile(w / 2, PANELS) / PANELS * 2 * u, np.sin(np.pi * np.outer(angle, _terms()))
