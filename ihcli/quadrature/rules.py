"""Nested quadrature rules on [0, 1] as data: nodes, weights that contain the kernel, and the nested lower rule."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ihcli.quadrature import chebyshev
from ihcli.quadrature.kernels import MINUS_T_LOG, Kernel
from ihcli.quadrature.mapping import Mapping

Array = NDArray[np.float64]


class Rule(Protocol):
    """A nested family of rules: every node of N intervals is a node of 2N intervals."""

    @property
    def name(self) -> str:
        """The name that a result records."""

    @property
    def slowest(self) -> float:
        """The largest factor by which a doubling reduces the error of a smooth integrand; 0 for geometric rules."""

    def nodes(self, intervals: int) -> tuple[Array, Array]:
        """Nodes t (n,) and weights w (n,) with Σ w_i h(t_i) ≈ ∫₀¹ k(t) h(t) dt."""

    def half(self, values: Array) -> Array:
        """The values at the nodes of half as many intervals, from those (n, …) at the nodes of N."""

    def all_nodes(self, intervals: int) -> Array:
        """The nodes of `nodes` with both ends of the path, ascending (N + 1,)."""

    def product_weights(self, intervals: int, kernel: Kernel) -> Array:
        """Weights at `all_nodes` for a first-order integral ∫₀¹ k(t) g(t) dt with a kernel of its own (N + 1,)."""


@dataclass(frozen=True, slots=True)
class MappedTrapezoid:
    """The trapezoid rule in the mapped variable, with interior nodes only: for integrands with spikes."""

    kernel: Kernel
    mapping: Mapping
    name: str = "mapped trapezoid"

    @property
    def slowest(self) -> float:
        """2^-4 for -t ln t, whose mapped integrand has a term θ³ ln θ at the baseline; 2^-2 for the other kernels."""
        return 2.0**-4 if self.kernel is MINUS_T_LOG else 2.0**-2

    def nodes(self, intervals: int) -> tuple[Array, Array]:
        """N - 1 interior nodes and their weights."""
        t, w = self.mapping.nodes(intervals)
        return t, w * self.kernel(t)

    def half(self, values: Array) -> Array:
        """Every other value, from the second on."""
        return values[1::2]

    def all_nodes(self, intervals: int) -> Array:
        """The interior nodes, 0 and 1."""
        return np.concatenate([[0.0], self.mapping.nodes(intervals)[0], [1.0]])

    def product_weights(self, intervals: int, kernel: Kernel) -> Array:
        """Weights that integrate the kernel exactly against the cosine series of g in the mapped variable."""
        return self.mapping.product_weights(intervals, kernel)


@dataclass(frozen=True, slots=True)
class ClenshawCurtis:
    """Chebyshev points with product weights: exact for polynomials, geometric for analytic integrands."""

    kernel: Kernel
    name: str = "Clenshaw-Curtis"
    slowest: float = 0.0

    def nodes(self, intervals: int) -> tuple[Array, Array]:
        """N + 1 nodes, both ends among them, and their weights."""
        return chebyshev.points(intervals), chebyshev.product_weights(intervals, self.kernel)

    def half(self, values: Array) -> Array:
        """Every other value, both ends kept."""
        return values[::2]

    def all_nodes(self, intervals: int) -> Array:
        """The nodes themselves."""
        return chebyshev.points(intervals)

    def product_weights(self, intervals: int, kernel: Kernel) -> Array:
        """Weights of the interpolant through the nodes."""
        return chebyshev.product_weights(intervals, kernel)


def is_new(finer: Array, t: Array) -> NDArray[np.bool_]:
    """Which of the finer nodes are not among t, for t the nodes of N intervals and `finer` those of 2N."""
    new = np.ones(len(finer), dtype=bool)
    new[(1 if len(finer) == 2 * len(t) + 1 else 0) :: 2] = False
    return new
