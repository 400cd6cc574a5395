"""The Gaussian process that the sampled estimator puts over games, and what it says of Integrated Hessians.

A coalition is written z ∈ {−1, 1}^U.  The covariance of the values of two coalitions is

    k(z, z') = c₀ + Σ_u a_u z_u z'_u + Σ_m c_m exp(Σ_u b_mu (z_u z'_u − 1)),   a_u = a λ_u,  b_mu = b_m λ_u.

It is diagonal in the Walsh functions χ_T(z) = Π_{u∈T} z_u: the coefficient of χ_T has the variance
Σ_m c_m Π_{u∈T} sinh b_mu Π_{u∉T} cosh b_mu · exp(−Σ_u b_mu), to which the linear part adds for |T| = 1.  So high orders
are thought small, but none is excluded, and units that matter more (λ_u) also interact more.

Integrated Hessians are linear in the game, hence Gaussian under it.  Each exponential is a product over units, so that
its multilinear extension is one as well, and Γ is an integral of a polynomial in t, exact by Gauss's rule.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from ihcli.removal.game import Array

CONSTANT = 1.0
"""c₀, in units of the variance of the values."""
LARGEST_RULE = 24
"""Most nodes of Gauss's rule: exact up to 49 units, and beyond for the smooth extensions that these are."""
JITTER = 1e-10
"""Added to the diagonal of the covariance against rounding."""


@dataclass(frozen=True, slots=True)
class GameKernel:
    """The covariance k, with the hyperparameters of the head of this module."""

    linear: Array
    """a_u (U,)."""
    amplitudes: Array
    """c_m (M,)."""
    rates: Array
    """b_mu (M, U)."""
    noise: float
    """Variance of what no smooth function of few units explains."""
    quadratic: Array | None = None
    """Γ (U, U) of a game of degree two that is expected up to a factor; None without."""
    quadratic_variance: float = 0.0
    """The variance of that factor."""

    def covariance(self, z: Array, other: Array) -> Array:
        """K (n, m) of coalitions (n, U) and (m, U)."""
        found = CONSTANT + (z * self.linear) @ other.T
        for component in self.components(z, other):
            found += component
        if self.quadratic is not None:
            found += self.quadratic_variance * np.outer(
                quadratic_game(self.quadratic, z), quadratic_game(self.quadratic, other)
            )
        return np.asarray(found, dtype=np.float64)

    def components(self, z: Array, other: Array) -> list[Array]:
        """The exponentials c_m exp(Σ b_mu (z_u z'_u − 1)), each (n, m)."""
        return [
            amplitude * np.exp((z * rate) @ other.T - rate.sum())
            for amplitude, rate in zip(self.amplitudes, self.rates, strict=True)
        ]

    def functionals(self, z: Array) -> Iterator["Functional"]:
        """For each unit u: the covariances of Γ_uv, v ≥ u, and of the attribution of u, with the values at z (n, U)."""
        units = z.shape[1]
        parts = [_Product.of(c, rate, z) for c, rate in zip(self.amplitudes, self.rates, strict=True)]
        shape = None if self.quadratic is None else quadratic_game(self.quadratic, z)
        for unit in range(units):
            covariances = np.zeros((units - unit + 1, len(z)))
            variances = np.zeros(units - unit + 1)
            for part in parts:
                covariances += part.covariances(unit)
                variances += part.variances(unit)
            for place in (0, -1):
                covariances[place] += 2 * self.linear[unit] * z[:, unit]
                variances[place] += 4 * self.linear[unit]
            if self.quadratic is not None and shape is not None:
                row = np.append(self.quadratic[unit, unit:], self.quadratic[unit].sum())
                covariances += self.quadratic_variance * np.outer(row, shape)
                variances += self.quadratic_variance * row**2
            yield Functional(unit, covariances, variances)


@dataclass(frozen=True, slots=True)
class Functional:
    """What the process says of one row: covariances (U − u + 1, n) with the values, and prior variances.

    The rows are Γ_uu, Γ_u,u+1, …, Γ_u,U−1, and last the attribution of u.
    """

    unit: int
    covariances: Array
    variances: Array


Rule = tuple[Array, Array]
"""Nodes and weights (Q,) on [0, 1]."""


@dataclass(frozen=True, slots=True)
class _Product:
    """What one exponential gives for the functionals.

    It is a product over units: a unit in the same state as in z' gives 1, in the other state r = exp(−2b).
    """

    ratios: Array
    """(Q, n, U): the derivative of each unit's expected factor, divided by that factor."""
    products: Array
    """(Q, n): the products of the expected factors, times the weights of the rule for pairs."""
    diagonal: Array
    """(U, n): the covariances of Γ_uu with the values."""
    attributions: Array
    """(U, n): the covariances of the attributions with the values."""
    pair_variances: Array
    """(U, U): the prior variances of Γ_uv, of use where u ≠ v."""
    diagonal_variances: Array
    """(U,)."""
    attribution_variances: Array
    """(U,)."""

    @classmethod
    def of(cls, amplitude: float, rate: Array, z: Array) -> "_Product":
        """The exponential with rates b (U,), seen from the coalitions z (n, U)."""
        other = np.exp(-2 * rate)
        pair, single, plain = gauss_rules(z.shape[1])
        ratios, products = _expected(pair[0], z, other)
        gradients, variances = [], []
        for rule in (single, plain):
            own_ratios, own_products = _expected(rule[0], z, other)
            gradients.append(amplitude * np.einsum("q,qn,qnu->un", rule[1], own_products, own_ratios))
            inner, factors = _twice(rule, other)
            variances.append(amplitude * 2 * (1 - other) * (inner[:, :, None] / factors).sum(axis=(0, 1)))
        inner, factors = _twice(pair, other)
        scaled = 2 * (1 - other) / factors  # (Q, Q, U)
        return cls(
            ratios=ratios,
            products=amplitude * pair[1][:, None] * products,
            diagonal=gradients[0],
            attributions=gradients[1],
            pair_variances=amplitude * np.einsum("qp,qpu,qpv->uv", inner, scaled, scaled, optimize=True),
            diagonal_variances=variances[0],
            attribution_variances=variances[1],
        )

    def covariances(self, unit: int) -> Array:
        """The covariances of one row's functionals with the values, in the order of `Functional`."""
        weighted = self.products * self.ratios[:, :, unit]
        pairs = np.einsum("qn,qnv->vn", weighted, self.ratios[:, :, unit + 1 :])
        return np.vstack([self.diagonal[unit], pairs, self.attributions[unit]])

    def variances(self, unit: int) -> Array:
        """The prior variances of one row's functionals, in the order of `Functional`."""
        ends = self.diagonal_variances[unit], self.attribution_variances[unit]
        return np.concatenate([ends[:1], self.pair_variances[unit, unit + 1 :], ends[1:]])


def _expected(nodes: Array, z: Array, other: Array) -> tuple[Array, Array]:
    """For units that are present with probability t: the ratios (Q, n, U) and products (Q, n) of `_Product`."""
    same = np.where(z > 0, nodes[:, None, None], 1 - nodes[:, None, None])
    factors = same + (1 - same) * other
    return z * (1 - other) / factors, factors.prod(axis=2)


def _twice(rule: Rule, other: Array) -> tuple[Array, Array]:
    """For two independent coalitions: weights times products of the expected factors (Q, Q), and factors (Q, Q, U)."""
    t, weights = rule
    same = np.outer(t, t) + np.outer(1 - t, 1 - t)
    factors = same[:, :, None] + (1 - same)[:, :, None] * other
    return np.outer(weights, weights) * factors.prod(axis=2), factors


def quadratic_game(gamma: Array, z: Array) -> Array:
    """The values (n,) of the game of degree two whose Integrated Hessians are `gamma` (U, U), zero for no unit.

    Its pairs count 4 Γ_uv and its units Γ_uu − Σ_{v≠u} Γ_uv.
    """
    present = (z + 1) / 2
    main = 2 * np.diag(gamma) - gamma.sum(axis=1)
    pairs = 2 * (gamma - np.diag(np.diag(gamma)))
    return np.asarray(present @ main + ((present @ pairs) * present).sum(axis=1))


@cache
def gauss_rules(units: int) -> tuple[Rule, Rule, Rule]:
    """Gauss's rules on [0, 1] for the weights −t ln t, −ln t and 1, exact for the polynomials of so many units."""
    count = min(units // 2 + 1, LARGEST_RULE)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    x = (nodes + 1) / 2
    t, fine = x**4, weights / 2 * 4 * x**3  # t = x⁴ makes the logarithm at 0 harmless
    return _gauss(t, fine * -t * np.log(t), count), _gauss(t, fine * -np.log(t), count), _gauss(t, fine, count)


def _gauss(t: Array, weights: Array, count: int) -> Rule:
    """Gauss's rule of a measure given by many points, by Lanczos's method with full orthogonalisation."""
    total = weights.sum()
    basis = [np.sqrt(weights / total)]
    diagonal, beside = [], []
    for _ in range(count):
        following = t * basis[-1]
        diagonal.append(float(following @ basis[-1]))
        for _ in range(2):
            for vector in basis:
                following = following - (following @ vector) * vector
        beside.append(float(np.linalg.norm(following)))
        basis.append(following / beside[-1])
    jacobi = np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1)
    places, vectors = np.linalg.eigh(jacobi)
    return places, total * vectors[0] ** 2
