"""How well an explanation predicts the game: R² of its quadratic form, and the share of what pairs can add.

An explanation predicts v(S) by q(S) = c + Σ_{u∈S} a_u + Σ_{u<v, u,v∈S} b_uv.  It is held against v over coalitions
whose size is uniform on 0 … U (then uniform among those of the size): all of them, or a sample with weights.
"""

from dataclasses import dataclass

import numpy as np

from ihcli.removal.game import Array, Coalitions, Game
from ihcli.removal.indices import quadratic_columns
from ihcli.removal.stratified import WeightedCoalitions
from ihcli.results import frozen_array


@dataclass(frozen=True, slots=True)
class QuadraticForm:
    """q(S) = constant + Σ_{u∈S} main[u] + Σ_{u<v, both in S} pairs[u, v]: what an explanation says of v(S)."""

    constant: float
    """c: its value where every unit is absent."""
    main: Array
    """a (U,): what a unit adds."""
    pairs: Array
    """b (U, U), symmetric, zero on the diagonal: what a pair adds beyond its units."""

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("main", "pairs"):
            object.__setattr__(self, name, frozen_array(getattr(self, name)))

    def __call__(self, coalitions: Coalitions) -> Array:
        """q of each coalition, (n,)."""
        return np.asarray(self.constant + coalitions @ self.main + pair_effects(coalitions, self.pairs))


def pair_effects(coalitions: Coalitions, pairs: Array) -> Array:
    """Σ_{u<v, both in S} pairs[u, v] of each coalition S, (n,); the diagonal of `pairs` is not used."""
    present = coalitions.astype(np.float64)
    off_diagonal = pairs - np.diag(np.diag(pairs))
    return np.asarray(((present @ off_diagonal) * present).sum(axis=1) / 2)


def linear_form(attributions: Array, constant: float) -> QuadraticForm:
    """The form of attributions (U,) alone: constant + Σ_{u∈S} attributions[u]."""
    return QuadraticForm(constant, attributions, np.zeros((len(attributions), len(attributions))))


def integrated_hessians_form(matrix: Array, v_none: float) -> QuadraticForm:
    """The form of Integrated Hessians Γ (U, U): main effects Γ_uu − Σ_{v≠u} Γ_uv and pairs 4Γ_uv.

    It is v itself for every game of degree two: a product c·s₁s₂ has Γ = c/4 in its four entries.
    """
    pairs = 4 * (matrix - np.diag(np.diag(matrix)))
    return QuadraticForm(v_none, np.diag(matrix) - pairs.sum(axis=1) / 4, pairs)


@dataclass(frozen=True, slots=True)
class Judgement:
    """How well a form predicts a game over coalitions of uniform size."""

    r_squared: float | None
    """1 − E(v − q)² / E(v − E v)²: 1 is exact, 0 as good as the mean, negative worse; None where v is constant."""
    share: float | None
    """Of the variance that free pairs explain beyond free main effects, the part that one multiple of the form's pairs
    explains: 1 is all of it.  None where pairs explain nothing, or the sample holds too few coalitions to say."""


def judge(form: QuadraticForm, game: Game, sample: WeightedCoalitions) -> Judgement:
    """Hold a form against a game over coalitions of uniform size.

    Equations: R² = 1 − Σ_k w_k (v_k − q_k)² / Σ_k w_k (v_k − v̄)².  With s²(…) the residual variance of the weighted
    regression of v on an intercept and the terms named, share = (s²(main) − s²(main, q's pairs)) / (s²(main) −
    s²(main, every pair)); in a sample each s² is divided by its degrees of freedom.

    Args:
        form: q, what the explanation says of v(S).
        game: v, from coalitions (n, U) to scores (n,).
        sample: the coalitions and their weights, from `uniform_sizes`.

    Returns:
        R² and the share.

    Example:
        >>> from ihcli.removal.stratified import uniform_sizes
        >>> product = lambda present: 1.0 * (present[:, 0] & present[:, 1])
        >>> form = integrated_hessians_form(np.full((2, 2), 0.25), v_none=0.0)
        >>> judge(form, product, uniform_sizes(2, 4)).r_squared
        1.0

    """
    values = np.asarray(game(sample.coalitions), dtype=np.float64)
    return Judgement(
        r_squared(values, form(sample.coalitions), sample.weights),
        pair_share(values, form.pairs, sample),
    )


def r_squared(values: Array, predictions: Array, weights: Array) -> float | None:
    """1 − Σ w (v − q)² / Σ w (v − v̄)² of values v and predictions q (n,), weights w of any sum; None for constant v."""
    mean = np.average(values, weights=weights)
    spread = float(weights @ (values - mean) ** 2)
    if spread <= _rounding(values, weights):
        return None
    return 1 - float(weights @ (values - predictions) ** 2) / spread


def pair_share(values: Array, pairs: Array, sample: WeightedCoalitions) -> float | None:
    """The share of `judge` for a matrix of pairs (U, U), whose scale and diagonal do not matter."""
    rows, weights = sample.coalitions, sample.weights
    units = rows.shape[1]
    main = np.column_stack([np.ones(len(rows)), rows])
    every = np.column_stack([np.ones(len(rows)), quadratic_columns(rows)])
    own = np.column_stack([main, pair_effects(rows, pairs)])
    if units < 2 or (not sample.complete and len(rows) <= every.shape[1]):  # noqa: PLR2004
        return None
    variance = [_residual_variance(design, values, sample) for design in (main, own, every)]
    possible = variance[0] - variance[2]
    if possible <= _rounding(values, weights):
        return None
    return (variance[0] - variance[1]) / possible


def _residual_variance(design: Array, values: Array, sample: WeightedCoalitions) -> float:
    """The weighted mean square of what a regression leaves, divided by its degrees of freedom in a sample."""
    root = np.sqrt(sample.weights)
    coefficients, _, rank, _ = np.linalg.lstsq(design * root[:, None], values * root, rcond=None)
    square = float(sample.weights @ (values - design @ coefficients) ** 2)
    return square if sample.complete else square * len(values) / (len(values) - int(rank))


def _rounding(values: Array, weights: Array) -> float:
    """A mean square that is nothing but rounding of these values."""
    return 1e-20 * float(weights @ values**2) + 1e-300
