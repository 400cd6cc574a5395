"""Integrated Hessians of a game: the paper's functional on the multilinear extension, from all 2^U coalitions.

The multilinear extension of a game v is F(s) = E v(S), each unit u in S with probability s_u (Owen, "Multilinear
extensions of games", Management Science 18, 1972).  Along the diagonal s = t·1 its second derivatives are

    H_uv(t) = E[v(S∪uv) − v(S∪u) − v(S∪v) + v(S)],   H_uu = 0,   S ~ Bernoulli(t) on the other units,

and Integrated Hessians (Janizek, Sturmfels, Lee, JMLR 22, 2021) become sums over coalitions:

    Γ_uv = Σ_S w(|S|) Δ_uv v(S),   w(k) = ∫₀¹ −t ln t · tᵏ(1−t)^(U−2−k) dt = (k+1)! (U−2−k)! / U! · (H_U − H_{k+1})
    Γ_uu = Σ_S w'(|S|) Δ_u v(S),   w'(k) = ∫₀¹ −ln t · tᵏ(1−t)^(U−1−k) dt = k! (U−1−k)! / U! · (H_U − H_k)

with H_n = 1 + 1/2 + … + 1/n.  The attributions Σ_v Γ_uv are the Shapley values.  With the coefficients of Möbius,
v(S) = Σ_{T⊆S} m_T, the same matrix is Γ_uv = Σ_{T∋u,v} m_T / |T|², diagonal included.
"""

import math
from dataclasses import dataclass

import numpy as np

from ihcli.errors import UsageError
from ihcli.removal.game import Array, Coalitions, Game, all_coalitions
from ihcli.results import frozen_array

EXACT_UNITS = 20
"""The most units whose 2^U coalitions are evaluated."""
NORMAL_95 = 1.959964
"""The 97.5 % quantile of the normal distribution."""
_ROWS = 2**14


@dataclass(frozen=True, slots=True)
class GameInteractions:
    """Integrated Hessians of a game: Σ_v matrix[u, v] = attributions[u], and Σ matrix = v_all − v_none.

    Arrays are read-only and in units of v.  Standard errors are zero where all 2^U coalitions were evaluated.
    """

    attributions: Array
    """(U,): the Shapley values."""
    matrix: Array
    """Γ (U, U), symmetric."""
    v_all: float
    """v of all units."""
    v_none: float
    """v of no unit."""
    attribution_errors: Array
    """(U,): the standard error of each attribution."""
    matrix_errors: Array
    """(U, U): the standard error of each entry of the matrix."""
    evaluations: int
    """Distinct coalitions that the result rests on."""

    @property
    def relative_error(self) -> float:
        """The 95 % error of the least certain entry of the matrix, as a share of the largest entry; 0 where exact."""
        error = NORMAL_95 * float(self.matrix_errors.max())
        return error / float(np.abs(self.matrix).max()) if error else 0.0

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("attributions", "matrix", "attribution_errors", "matrix_errors"):
            object.__setattr__(self, name, frozen_array(getattr(self, name)))


def pair_weights(units: int) -> Array:
    """w(k), k = 0 … U − 2: the weight of Δ_uv v(S) in Γ_uv, |S| = k; (U − 1,), empty for one unit."""
    harmonic = _harmonic(units)
    return np.array(
        [
            (harmonic[units] - harmonic[k + 1]) / (math.comb(units, k + 1) * (units - 1 - k))
            for k in range(max(units - 1, 0))
        ]
    )


def diagonal_weights(units: int) -> Array:
    """w'(k), k = 0 … U − 1: the weight of Δ_u v(S) in Γ_uu, |S| = k; (U,)."""
    harmonic = _harmonic(units)
    return np.array([(harmonic[units] - harmonic[k]) / (math.comb(units, k) * (units - k)) for k in range(units)])


def exact_interactions(game: Game, units: int) -> GameInteractions:
    """Integrated Hessians of a game from all of its 2^U values.

    Equation: the sums over coalitions at the head of this module (Owen 1972; Janizek et al. 2021).

    Args:
        game: v, from coalitions (n, U) of truth values to scores (n,).
        units: U, the number of units, 1 to 20.

    Returns:
        A record with the Shapley values (U,) and the matrix Γ (U, U), in units of v; its standard errors are zero.

    Raises:
        UsageError: for another number of units, and for a game that returns another shape.

    Example:
        >>> product = lambda present: 12.0 * (present[:, 0] & present[:, 1])
        >>> exact_interactions(product, 2).matrix
        array([[3., 3.],
               [3., 3.]])

    """
    if not 1 <= units <= EXACT_UNITS:
        message = (
            f"The game has {units} units; the exact matrix needs 2^units evaluations and is computed for 1 to "
            f"{EXACT_UNITS} units. Explain larger units (--units sentence), or sample."
        )
        raise UsageError(message)
    coalitions = all_coalitions(units)
    values = np.asarray(game(coalitions), dtype=np.float64)
    if values.shape != (len(coalitions),):
        message = f"The game returned shape {values.shape} for {len(coalitions)} coalitions; it must return (n,)."
        raise UsageError(message)
    matrix = np.zeros((units, units))
    attributions = np.zeros(units)
    centred = values - values[0]
    for start in range(0, len(values), _ROWS):
        rows, part = coalitions[start : start + _ROWS], centred[start : start + _ROWS]
        matrix += interaction_sums(rows, part)
        attributions += shapley_sums(rows, part)
    return GameInteractions(
        attributions=attributions,
        matrix=matrix,
        v_all=float(values[-1]),
        v_none=float(values[0]),
        attribution_errors=np.zeros(units),
        matrix_errors=np.zeros((units, units)),
        evaluations=len(values),
    )


def interaction_sums(coalitions: Coalitions, values: Array) -> Array:
    """The part of Γ (U, U) that the given coalitions (n, U) with values (n,) add: Σ_S c_uv(S) v(S).

    c_uv(S) is w(|S| − 2) where S holds u and v, −w(|S| − 1) where it holds one of them, and w(|S|) where it holds none;
    c_uu(S) is w'(|S| − 1) where S holds u and −w'(|S|) otherwise.
    """
    units = coalitions.shape[1]
    present = coalitions.astype(np.float64)
    absent = 1 - present
    size = coalitions.sum(axis=1)
    pair = _padded(pair_weights(units), 2)
    mixed = present.T @ (absent * (pair[size + 1] * values)[:, None])
    matrix = (
        present.T @ (present * (pair[size] * values)[:, None])
        - (mixed + mixed.T)
        + absent.T @ (absent * (pair[size + 2] * values)[:, None])
    )
    np.fill_diagonal(matrix, _difference_sums(coalitions, values, diagonal_weights(units)))
    return np.asarray(matrix, dtype=np.float64)


def shapley_sums(coalitions: Coalitions, values: Array) -> Array:
    """The part of the Shapley values (U,) that the given coalitions (n, U) with values (n,) add."""
    units = coalitions.shape[1]
    weights = np.array([1 / (math.comb(units, k) * (units - k)) for k in range(units)])
    return _difference_sums(coalitions, values, weights)


def _difference_sums(coalitions: Coalitions, values: Array, weights: Array) -> Array:
    """Σ_S weights[|S|] Δ_u v(S) over the given coalitions, (U,)."""
    size = coalitions.sum(axis=1)
    padded = _padded(weights, 1)
    with_unit = (padded[size] * values) @ coalitions
    without = (padded[size + 1] * values) @ ~coalitions
    return np.asarray(with_unit - without, dtype=np.float64)


def _padded(weights: Array, zeros: int) -> Array:
    """The weights between zeros, so that a size outside their range has weight zero."""
    return np.concatenate([np.zeros(zeros), weights, np.zeros(zeros)])


def _harmonic(units: int) -> Array:
    return np.concatenate([[0.0], np.cumsum(1 / np.arange(1, units + 1))])
