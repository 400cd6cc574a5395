"""How well explanations predict a game, R², from all of its values or from few: the others are estimated by kriging.

R² is asked over all coalitions, their size uniform.  A plain sample needs many texts for it, because v varies from
coalition to coalition by much more than it differs from what an explanation says.  So v is modelled as

    v(S) = c + Σ_j a_j q_j(S) + g(S),

q_j the predictions of the explanations, c and a_j unknown, and g a Gaussian process whose covariance falls by the
factor (1 − ρ) / (1 + ρ) with every unit that only one of two coalitions holds.  Its mean takes the place of the values
that are not known, and its covariance tells how far R² may be off (universal kriging: Matheron 1963; Rasmussen and
Williams, "Gaussian Processes for Machine Learning", 2006, section 2.7).  ρ has the largest evidence of a few.  Each
explanation is a regressor with a free factor, so that a wrong one is not taken to be right.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihcli.removal.game import Array, Coalitions
from ihcli.removal.judging import QuadraticForm
from ihcli.removal.stratified import WeightedCoalitions, uniform_sizes

REFERENCE = 512
"""Coalitions that R² is taken over: all of up to nine units, a sample of more."""
RATES = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
"""ρ of which one is chosen."""
_NOISE = 1e-3
_VAGUE = 1e4
"""Variances, as multiples of g's: of what g leaves over, and of the coefficients before anything is seen."""
_FLAT = 1e-10


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a form predicts v."""

    r_squared: float
    """1 − E(v − q)² / E(v − E v)²."""
    error: float
    """Its standard error; 0 where all values were known."""
    scale: float | None
    """The factor of q that fits v best, with a free constant; None for a constant q."""
    r_squared_scaled: float | None
    """R² with that factor and constant."""
    error_scaled: float | None
    """Its standard error."""


def spread_coalitions(units: int, count: int, seed: int = 0) -> Coalitions:
    """At most `count` different coalitions whose sizes are spread over 1 … U − 3 and that hold each unit equally often.

    They come in addition to those without one and without two units, which are close to the text and to each other.
    """
    random = np.random.default_rng(seed)
    sizes = 1 + ((np.arange(count) + 0.5) * max(units - 3, 0) / count).astype(int)
    held = np.zeros(units)
    rows = np.zeros((count, units), dtype=bool)
    for row, size in zip(rows, sizes, strict=True):
        row[np.argsort(held + random.random(units))[:size]] = True
        held += row - size / units
    return np.unique(rows, axis=0)


def fits(forms: Sequence[QuadraticForm], coalitions: Coalitions, values: Array) -> list[Fit] | None:
    """R² of forms over coalitions of uniform size, exact from all coalitions and else estimated.

    Equation: R² = 1 − E(v − q)² / E(v − E v)², with v from kriging where it is not known (see the head of this module).

    Args:
        forms: q, what explanations say of v(S); the more of them, the more coalitions are needed.
        coalitions: (n, U), all different; those of all units and of none among them.
        values: v of each (n,).

    Returns:
        For each form its R² with a standard error, and the factor that would fit v best; None where the values do not
        differ.

    Example:
        >>> from ihcli.removal.game import all_coalitions
        >>> from ihcli.removal.judging import integrated_hessians_form
        >>> form, rows = integrated_hessians_form(np.full((2, 2), 0.25), v_none=0.0), all_coalitions(2)
        >>> [(fit.r_squared, fit.error) for fit in fits([form], rows, 1.0 * rows.all(axis=1))]
        [(1.0, 0.0)]

    """
    if is_flat(values):
        return None
    units = coalitions.shape[1]
    if len(values) == 2**units:
        size = coalitions.sum(axis=1)
        weights = np.array([1 / ((units + 1) * math.comb(units, k)) for k in range(units + 1)])[size]
        known = _Kriged(weights, values, np.zeros((len(values), len(values))), 1.0)
        return [known.fit(form(coalitions)) for form in forms]
    reference = uniform_sizes(units, min(REFERENCE, 2**units))
    predictions = [form(reference.coalitions) for form in forms]
    spreads = [0.0 if is_flat(own) else 1 / float(own.std()) for own in predictions]
    basis, known_basis = (
        np.column_stack([np.ones(len(rows)), *(form(rows) * by for form, by in zip(forms, spreads, strict=True))])
        for rows in (reference.coalitions, coalitions)
    )
    game = _krige(coalitions, values, known_basis, reference, basis)
    return [game.fit(own) for own in predictions]


def is_flat(values: Array) -> bool:
    """Whether values differ by no more than rounding."""
    return float(values.std()) <= _FLAT * float(np.abs(values).max(initial=0.0))


@dataclass(frozen=True, slots=True)
class _Kriged:
    """v at the reference coalitions, given the known values."""

    weights: Array
    """(N,), of sum 1: what each coalition of the reference stands for."""
    mean: Array
    """(N,)."""
    covariance: Array
    """(N, N)."""
    surprise: float
    """Root mean square of the errors of leaving known values out, in their standard deviations; at least 1."""

    def fit(self, predictions: Array) -> Fit:
        """R² of predictions (N,): its mean and, to second order in what is not known of v, its standard error."""
        w, mean, covariance = self.weights, self.mean, self.covariance
        unknown = float(w @ np.maximum(covariance.diagonal(), 0))
        centred = mean - w @ mean
        spread = float(w @ centred**2) + max(unknown - float(w @ covariance @ w), 0.0)
        apart = float(w @ (mean - predictions) ** 2) + unknown
        slope = 2 * w * (apart / spread * centred - (mean - predictions)) / spread
        curvature = w * (apart / spread - 1) / spread
        other = predictions - w @ predictions
        square, joint = float(w @ other**2), float(w @ (other * centred))
        flat = is_flat(predictions)
        scaled = 0.0 if flat else joint**2 / (square * spread)
        slope_scaled = 2 * w * (scaled / joint * other - scaled / spread * centred) if joint else 0 * w
        return Fit(
            r_squared=1 - apart / spread,
            error=self._error(slope, curvature),
            scale=None if flat else joint / square,
            r_squared_scaled=None if flat else scaled,
            error_scaled=None if flat else self._error(slope_scaled, -scaled / spread * w),
        )

    def _error(self, slope: Array, curvature: Array) -> float:
        """The standard error of what has this gradient and diagonal second derivative (half of it) in v, (N,) each."""
        variance = slope @ self.covariance @ slope + 2 * curvature @ self.covariance**2 @ curvature
        return self.surprise * math.sqrt(max(float(variance), 0.0))


def _krige(coalitions: Coalitions, values: Array, known: Array, reference: WeightedCoalitions, basis: Array) -> _Kriged:
    """The process with the ρ of the largest evidence; `known` and `basis` are the regressors (n, p) and (N, p)."""
    units, count = coalitions.shape[1], len(values)
    others = reference.coalitions
    differing, across = _differing(coalitions, coalitions), _differing(coalitions, others)
    vague = _VAGUE * known @ known.T + _NOISE * np.eye(count)
    centred = values - values.mean()
    freedom = max(count - known.shape[1], 1)
    best, chosen = -np.inf, None
    for rate in RATES:
        powers = ((1 - rate) / (1 + rate)) ** np.arange(units + 1)
        lower = np.asarray(np.linalg.cholesky(powers[differing] + vague), dtype=np.float64)
        whitened = np.linalg.solve(lower, centred)
        variance = float(whitened @ whitened) / freedom
        evidence = -freedom / 2 * np.log(variance) - float(np.log(lower.diagonal()).sum())
        if evidence > best:
            best, chosen = evidence, (powers, lower, whitened, variance)
    assert chosen is not None  # noqa: S101  (the evidence is finite)
    powers, lower, whitened, variance = chosen
    factor = np.linalg.solve(lower, powers[across] + _VAGUE * known @ basis.T)
    prior = powers[_differing(others, others)] + _VAGUE * basis @ basis.T
    return _Kriged(
        weights=reference.weights,
        mean=values.mean() + whitened @ factor,
        covariance=variance * (prior - factor.T @ factor),
        surprise=math.sqrt(max(1.0, _surprise(lower, whitened, coalitions.sum(axis=1)) / variance)),
    )


def _surprise(lower: Array, whitened: Array, sizes: Array) -> float:
    """The mean square error of leaving out each value between the ends, in units of its variance for σ² = 1.

    Coalitions without one or two units tell each other's values too well to count.
    """
    inverse = np.linalg.inv(lower)
    squares = (inverse.T @ whitened) ** 2 / (inverse**2).sum(axis=0)
    between = (sizes > 0) & (sizes < sizes.max() - 2)
    return float(squares[between].mean()) if between.any() else 0.0


def _differing(first: Coalitions, second: Coalitions) -> NDArray[np.intp]:
    """How many units only one of two coalitions holds, (n, m)."""
    one, other = 2.0 * first - 1, 2.0 * second - 1
    return np.asarray((first.shape[1] - one @ other.T) / 2, dtype=np.intp)
