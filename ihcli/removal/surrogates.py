"""Linear surrogates of a game: LIME for text and KernelSHAP, weighted regressions on coalitions.

LIME (Ribeiro, Singh and Guestrin 2016, as the package `lime` computes it for text): draw the number of absent units
uniformly from 1 … U, then which ones; weight each text by exp(−d²/(2·25²)), d = 100 (1 − cosine similarity of its
presence vector with all ones); fit a ridge regression with penalty 1 and a free intercept.

KernelSHAP (Lundberg and Lee 2017): the linear form with the values v(∅) and v(all) at the ends that is nearest to v
under the Shapley kernel.  Over all coalitions its coefficients are the Shapley values.
"""

import math
from dataclasses import dataclass

import numpy as np

from ihcli.removal.game import Array, Coalitions
from ihcli.removal.indices import constrained_fit, constrained_inverse, kernel_weights
from ihcli.removal.stratified import WeightedCoalitions
from ihcli.results import frozen_array

LIME_SAMPLES = 5000
"""Texts that the package `lime` draws by default, the text itself included."""
LIME_WIDTH = 25.0
"""Width of its kernel, in hundredths of the cosine distance."""
LIME_PENALTY = 1.0
"""Penalty of its ridge regression."""


@dataclass(frozen=True, slots=True)
class LinearFit:
    """A linear form intercept + Σ_{u∈S} coefficients[u] fitted to a game."""

    intercept: float
    """Its value where every unit is absent."""
    coefficients: Array
    """(U,): what each unit adds."""
    errors: Array
    """(U,): standard error of each coefficient over samples of the same kind (heteroskedasticity-consistent, HC3)."""

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("coefficients", "errors"):
            object.__setattr__(self, name, frozen_array(getattr(self, name)))


def lime_weights(coalitions: Coalitions, width: float = LIME_WIDTH) -> Array:
    """LIME's weight of each coalition (n,): √exp(−d²/width²), d = 100 (1 − √(|S|/U))."""
    distance = 100 * (1 - np.sqrt(coalitions.mean(axis=1)))
    return np.asarray(np.sqrt(np.exp(-((distance / width) ** 2))), dtype=np.float64)


def lime_neighbourhood(units: int, samples: int, seed: int) -> Coalitions:
    """Coalitions as LIME draws them, (samples, U): all units first, then 1 … U absent ones, uniformly."""
    generator = np.random.default_rng(seed)
    absent = generator.integers(1, units + 1, size=samples)
    absent[0] = 0
    order = generator.permuted(np.tile(np.arange(units), (samples, 1)), axis=1)
    return np.asarray(order >= absent[:, None], dtype=bool)


def lime_expected_counts(coalitions: Coalitions, samples: int = LIME_SAMPLES) -> Array:
    """How often LIME draws each of these coalitions in the mean, (n,), the text itself once."""
    units = coalitions.shape[1]
    by_size = np.array([(samples - 1) / (units * math.comb(units, size)) for size in range(units)] + [1.0])
    return np.asarray(by_size[coalitions.sum(axis=1)])


def lime_fit(coalitions: Coalitions, values: Array, weights: Array, penalty: float = LIME_PENALTY) -> LinearFit:
    """The weighted ridge regression of values (n,) on presence (n, U), the intercept without penalty.

    Minimizes Σ_k weights[k] (values[k] − intercept − Σ_u β_u [u ∈ S_k])² + penalty Σ_u β_u².

    Args:
        coalitions: S_k, (n, U).
        values: v(S_k), (n,).
        weights: the weight of each row, (n,); `lime_weights` times how often the row was drawn.
        penalty: the penalty of the coefficients.

    Returns:
        The intercept, the coefficients (U,) and their standard errors (U,), in units of v.

    Example:
        >>> from ihcli.removal.game import all_coalitions
        >>> rows = all_coalitions(3)
        >>> lime_fit(rows, 2.0 * rows[:, 0], lime_weights(rows), penalty=0.0).coefficients.round(6) + 0.0
        array([2., 0., 0.])

    """
    design = np.column_stack([np.ones(len(coalitions)), coalitions])
    ridge = np.diag([0.0] + [penalty] * coalitions.shape[1])
    normal = design.T @ (design * weights[:, None]) + ridge
    inverse = np.asarray(np.linalg.pinv(normal, hermitian=True), dtype=np.float64)
    solution = inverse @ (design.T @ (weights * values))
    residual = values - design @ solution
    errors = consistent_errors(design, residual, weights, inverse)
    return LinearFit(float(solution[0]), solution[1:], errors[1:])


def consistent_errors(design: Array, residual: Array, weights: Array, inverse: Array) -> Array:
    """Standard errors (p,) of weighted least squares with residuals divided by 1 − leverage.

    This is HC3 of MacKinnon and White (1985); `inverse` (p, p) is the inverse of the normal equations' matrix.
    """
    influence = (design * weights[:, None]) @ inverse
    leverage = np.clip((influence * design).sum(axis=1), 0, 1 - 1e-9)
    return np.asarray(np.sqrt(((influence * (residual / (1 - leverage))[:, None]) ** 2).sum(axis=0)))


def kernel_shap(coalitions: Coalitions, values: Array, factors: Array, v_none: float, v_all: float) -> Array:
    """KernelSHAP of a game from coalitions (n, U) with values (n,): the attributions (U,).

    Minimizes Σ_k factors[k] μ(|S_k|) (values[k] − v(∅) − Σ_{u∈S_k} β_u)² subject to Σ β = v(all) − v(∅), μ the Shapley
    kernel; every unit is kept in the regression (the package `shap` keeps ten by default).
    """
    kernel = kernel_weights(coalitions.shape[1])[coalitions.sum(axis=1)] * factors
    inner = kernel > 0
    return constrained_fit(coalitions[inner].astype(np.float64), values[inner] - v_none, kernel[inner], v_all - v_none)


def kernel_shap_errors(sample: WeightedCoalitions, values: Array, attributions: Array) -> Array:
    """Standard errors (U,) of KernelSHAP from a sample.

    They are those of the sum over its residuals, enlarged by n / (n − U) for what the fit took from them.
    """
    units, rows = sample.units, sample.coalitions.astype(np.float64)
    size = sample.coalitions.sum(axis=1)
    weights = kernel_weights(units)[size] * sample.factors
    none = values[size == 0]
    residuals = (values - none - rows @ attributions) * len(values) / (len(values) - units)
    inverse, _ = constrained_inverse((rows.T * weights) @ rows)
    return sample.sum_errors((rows * (weights * residuals)[:, None]) @ inverse)
