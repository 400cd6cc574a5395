"""Attributions and pair interactions of a game as sums over its coalitions.

With Δ_u v(S) = v(S∪u) − v(S) and Δ_uv v(S) = v(S∪uv) − v(S∪u) − v(S∪v) + v(S), U units:

    Shapley value               φ_u  = Σ_S |S|! (U−1−|S|)! / U! · Δ_u v(S)
    Shapley interaction index   I_uv = Σ_S |S|! (U−2−|S|)! / (U−1)! · Δ_uv v(S)
    Shapley–Taylor, order 2     T_uv = Σ_S 2/U / C(U−1, |S|) · Δ_uv v(S),   T_uu = Δ_u v(∅)
    Faith-SHAP, order 2         the quadratic form nearest to v under the Shapley kernel

the sums over all S without u, or without u and v (Shapley 1953; Grabisch and Roubens 1999; Dhamdhere, Agarwal and
Sundararajan 2020; Tsai, Yeh and Ravikumar 2023).

The functions take coalitions (n, U) with one factor for each, so that the same sums serve all 2^U coalitions (factor 1)
and a sample of them (factor: one over the probability of being drawn).
"""

import math

import numpy as np
from numpy.typing import NDArray

from ihcli.removal.game import Array, Coalitions


def shapley_weights(units: int) -> Array:
    """Weight of Δ_u v(S) in the Shapley value, |S| = 0 … U − 1; (U,)."""
    return np.array([1 / (math.comb(units, size) * (units - size)) for size in range(units)])


def interaction_weights(units: int) -> Array:
    """Weight of Δ_uv v(S) in the Shapley interaction index, |S| = 0 … U − 2; (U − 1,)."""
    return np.array([1 / ((units - 1) * math.comb(units - 2, size)) for size in range(units - 1)])


def taylor_weights(units: int) -> Array:
    """Weight of Δ_uv v(S) in the Shapley–Taylor index of order 2, |S| = 0 … U − 2; (U − 1,)."""
    return np.array([2 / (units * math.comb(units - 1, size)) for size in range(units - 1)])


def kernel_weights(units: int) -> Array:
    """The Shapley kernel of a coalition by its size, 0 … U; (U + 1,), zero at both ends, where it is a constraint.

    μ(k) = (U − 1) / (C(U, k) k (U − k)) (Lundberg and Lee 2017).
    """
    inner = [(units - 1) / (math.comb(units, size) * size * (units - size)) for size in range(1, units)]
    return np.array([0.0, *inner, 0.0])


def value_coefficients(coalitions: Coalitions, weights: Array) -> Array:
    """c (n, U) with Σ_S c_u(S) v(S) = Σ_S weights[|S|] Δ_u v(S) over all coalitions; weights is (U,)."""
    size = coalitions.sum(axis=1)[:, None]
    padded = _padded(weights, 1)
    return np.asarray(np.where(coalitions, padded[size], -padded[size + 1]), dtype=np.float64)


def value_sums(coalitions: Coalitions, values: Array, weights: Array) -> Array:
    """Σ_S weights[|S|] Δ_u v(S) over the coalitions (n, U) with values (n,): (U,); weights is (U,)."""
    return np.asarray(values @ value_coefficients(coalitions, weights), dtype=np.float64)


def pair_patterns(size: NDArray[np.int_], weights: Array) -> Array:
    """The coefficient of v(S) in Σ_S weights[|S|] Δ_uv v(S) where S holds none, one or both of u and v.

    `size` is |S|, (n,), and `weights` (U − 1,); the result is (n, 3).
    """
    padded = _padded(weights, 2)
    return np.column_stack([padded[size + 2], -padded[size + 1], padded[size]])


def pair_sums(coalitions: Coalitions, values: Array, weights: Array) -> Array:
    """Σ_S weights[|S|] Δ_uv v(S) over the coalitions (n, U) with values (n,): (U, U), symmetric, zero on the diagonal.

    `weights` is (U − 1,).
    """
    neither, one, both = (pair_patterns(coalitions.sum(axis=1), weights) * values[:, None]).T
    present = coalitions.astype(np.float64)
    absent = 1 - present
    mixed = present.T @ (absent * one[:, None])
    matrix = present.T @ (present * both[:, None]) + mixed + mixed.T + absent.T @ (absent * neither[:, None])
    np.fill_diagonal(matrix, 0)
    return np.asarray((matrix + matrix.T) / 2, dtype=np.float64)


def quadratic_columns(coalitions: Coalitions) -> Array:
    """One column a unit and one a pair u < v, 1 where present and 0 otherwise: (n, U + U(U − 1)/2)."""
    rows, columns = np.triu_indices(coalitions.shape[1], k=1)
    return np.hstack([coalitions, coalitions[:, rows] & coalitions[:, columns]]).astype(np.float64)


def split_columns(coefficients: Array, units: int) -> Array:
    """The coefficients of `quadratic_columns` as a matrix: units on the diagonal, a pair's in both of its entries."""
    matrix = np.diag(coefficients[:units])
    rows, columns = np.triu_indices(units, k=1)
    matrix[rows, columns] = matrix[columns, rows] = coefficients[units:]
    return matrix


def constrained_inverse(gram: Array) -> tuple[Array, Array]:
    """(M, m) with β = M r + m·total the minimum of βᵀ G β − 2 rᵀ β subject to Σ β = total, G = gram (p, p).

    They are the blocks of the inverse of Lagrange's conditions [G 1; 1ᵀ 0] [β; λ] = [r; total].
    """
    count = len(gram)
    system = np.ones((count + 1, count + 1))
    system[:count, :count] = gram
    system[-1, -1] = 0
    inverse = np.asarray(np.linalg.pinv(system, hermitian=True), dtype=np.float64)
    return inverse[:count, :count], inverse[:count, -1]


def constrained_fit(design: Array, target: Array, weights: Array, total: float) -> Array:
    """β minimizing Σ_k weights[k] (target[k] − design[k]·β)² subject to Σ β = total."""
    weighted = design.T * weights
    inverse, constant = constrained_inverse(weighted @ design)
    return np.asarray(inverse @ (weighted @ target) + constant * total, dtype=np.float64)


def kernel_gram(units: int) -> Array:
    """Σ_S μ(|S|) x(S) x(S)ᵀ over all coalitions, x the columns of `quadratic_columns`, μ the Shapley kernel; (p, p).

    A product of two columns is present where the union of their units is.
    """
    kernel = kernel_weights(units)
    by_union = np.array(
        [
            sum(kernel[size] * math.comb(units - union, size - union) for size in range(union, units))
            for union in range(min(units, 4) + 1)
        ]
    )
    rows, columns = np.triu_indices(units, k=1)
    members = np.vstack([np.eye(units), np.eye(units)[rows] + np.eye(units)[columns]])
    sizes = members.sum(axis=1)
    return np.asarray(by_union[(sizes[:, None] + sizes - members @ members.T).astype(int)], dtype=np.float64)


def faithful_interactions(coalitions: Coalitions, values: Array, factors: Array, v_none: float, v_all: float) -> Array:
    """Faith-SHAP of order 2: main effects on the diagonal, a pair's effect in both of its entries; (U, U).

    The quadratic form q with q(∅) = v(∅) and q(all) = v(all) that is nearest to v: it minimizes
    Σ_S factor(S) μ(|S|) (v(S) − q(S))², μ the Shapley kernel (Tsai, Yeh and Ravikumar, JMLR 24, 2023).
    """
    units = coalitions.shape[1]
    kernel = kernel_weights(units)[coalitions.sum(axis=1)] * factors
    inner = kernel > 0
    coefficients = constrained_fit(
        quadratic_columns(coalitions[inner]), values[inner] - v_none, kernel[inner], v_all - v_none
    )
    return split_columns(coefficients, units)


def _padded(weights: Array, zeros: int) -> Array:
    """The weights between zeros, so that a size outside their range has weight zero."""
    return np.concatenate([np.zeros(zeros), weights, np.zeros(zeros)])
