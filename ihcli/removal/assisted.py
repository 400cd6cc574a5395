"""Attributions and pairs of a game from a sample: those of a quadratic form fitted to it, plus those of its residuals.

Every index of this package is linear in the game, so that index(v) = index(q) + index(v − q) for any q.  q is a
quadratic form fitted to the sample by ridge regression; its index is known exactly, and games of texts are nearly
quadratic, so that most of the variance is gone.  The index of the residuals v − q is estimated without bias, each
residual times the number of coalitions that it stands for.  In survey sampling this is the generalized regression
estimator (Särndal, Swensson and Wretman, Model Assisted Survey Sampling, 1992).

For a given penalty the estimate is linear in the values, Σ_k g_k v(S_k).  Its standard error is that of the sum of
g_k e_k over the strata of the sample, e_k the residual of S_k in a fit without S_k.

Measured on the deletion games of four texts of 12 words, three seeds each, root mean square error over the largest
entry, medians, from 400, 1,000 and 2,000 coalitions; the best sampler of shapiq 1.4 for the same index beside it:

    Shapley interaction index   0.038  0.015  0.006     KernelSHAP-IQ         0.082  0.031  0.018
    Shapley–Taylor              0.054  0.017  0.006     SVARM-IQ              0.177  0.060  0.034
    Faith-SHAP                  0.034  0.016  0.008     weighted regression   0.050  0.018  0.010
    Shapley values              0.026  0.011  0.006     KernelSHAP            0.030  0.014  0.007
"""

import math
from dataclasses import dataclass

import numpy as np

from ihcli.removal.game import Array, Game
from ihcli.removal.indices import (
    constrained_inverse,
    kernel_gram,
    kernel_weights,
    pair_patterns,
    quadratic_columns,
    split_columns,
    value_coefficients,
)
from ihcli.removal.stratified import WeightedCoalitions

MOST_COLUMNS = 2048
"""The most coefficients that are fitted; for more units and pairs q has main effects only, and errors are larger."""
PENALTIES = 10.0 ** np.arange(-6, 5)
"""Penalties of the ridge regression, chosen from by generalized cross-validation."""
_TARGETS = 256
"""Pairs that are estimated at once."""


@dataclass(frozen=True, slots=True)
class AssistedSample:
    """A sample of a game and the quadratic form fitted to it."""

    sample: WeightedCoalitions
    scores: Array
    """v of each coalition, (n,)."""
    design: Array
    """Presence of units and pairs as ±1, less the mean over the sample: (n, p)."""
    inverse: Array
    """The inverse of designᵀ design + penalty, (p, p)."""
    residuals: Array
    """e, what v differs from the form fitted without this coalition, (n,)."""

    def values(self, weights: Array) -> tuple[Array, Array]:
        """Estimates of Σ_S weights[|S|] Δ_u v(S) and their standard errors, (U,) each; weights is (U,)."""
        units = self.sample.units
        alone = sum(math.comb(units - 1, size) * weights[size] for size in range(units))
        with_other = sum(math.comb(units - 2, size - 1) * weights[size] for size in range(1, units))
        rows, columns = np.triu_indices(units, k=1)
        of_basis = np.zeros((units + len(rows), units))
        of_basis[np.arange(units), np.arange(units)] = 2 * alone  # Δ_u z_u = 2
        for ends in (rows, columns):  # Δ_u z_u z_v = 2 z_v
            of_basis[units + np.arange(len(rows)), ends] = 2 * (2 * with_other - alone)
        return self._estimate(value_coefficients(self.sample.coalitions, weights), of_basis)

    def pairs(self, weights: Array) -> tuple[Array, Array]:
        """Estimates of Σ_S weights[|S|] Δ_uv v(S) and their standard errors, (U, U) each; weights is (U − 1,)."""
        units, present = self.sample.units, self.sample.coalitions.astype(np.int8)
        total = sum(math.comb(units - 2, size) * weights[size] for size in range(units - 1))
        patterns = pair_patterns(self.sample.coalitions.sum(axis=1), weights)
        rows, columns = np.triu_indices(units, k=1)
        found = []
        for part in _chunks(len(rows)):
            coefficients = np.take_along_axis(patterns, present[:, rows[part]] + present[:, columns[part]], axis=1)
            of_basis = np.zeros((units + len(rows), coefficients.shape[1]))
            of_basis[units + np.arange(len(rows))[part], np.arange(coefficients.shape[1])] = 4 * total  # Δ_uv z_u z_v
            found.append(self._estimate(coefficients, of_basis))
        return _matrices(found, units, np.zeros(units))

    def faithful(self) -> tuple[Array, Array]:
        """Faith-SHAP of order 2 and its standard errors, (U, U) each.

        The nearest form is found with the normal equations of all coalitions, so that it is linear in the values.
        """
        units, coalitions = self.sample.units, self.sample.coalitions
        size = coalitions.sum(axis=1)
        gram = kernel_gram(units)
        inverse, constant = constrained_inverse(gram)
        columns = quadratic_columns(coalitions) * kernel_weights(units)[size][:, None]
        of_basis = _presence_coefficients(units)
        found = []
        for part in _chunks(len(gram)):
            coefficients = columns @ inverse[:, part]
            coefficients[size == 0] = -np.diag(gram) @ inverse[:, part] - constant[part]
            coefficients[size == units] = constant[part]
            found.append(self._estimate(coefficients, of_basis[:, part]))
        return _matrices(found, units)

    def _estimate(self, coefficients: Array, of_basis: Array) -> tuple[Array, Array]:
        """Estimates of m linear functions of the game, and their standard errors.

        `coefficients` (n, m) are those of v(S) for the coalitions of the sample, `of_basis` (p, m) the functions of the
        basis, z_u and z_u z_v, z = ±1.
        """
        scaled = coefficients * self.sample.factors[:, None]
        known = of_basis[: self.design.shape[1]]
        weights = scaled - scaled.mean(axis=0) + self.design @ (self.inverse @ (known - self.design.T @ scaled))
        return weights.T @ self.scores, self.sample.sum_errors(weights * self.residuals[:, None])


def assisted_sample(game: Game, sample: WeightedCoalitions) -> AssistedSample:
    """Evaluate a game on a sample, and fit the quadratic form by ridge regression.

    Presence is coded as ±1, so that the penalty prefers no size of coalitions.  The penalty minimizes generalized
    cross-validation, Σ residual² / (1 − freedom/n)² (Golub, Heath and Wahba 1979).
    """
    scores = np.asarray(game(sample.coalitions), dtype=np.float64)
    centred, count = scores - scores.mean(), len(scores)
    signs = 2.0 * sample.coalitions - 1
    rows, columns = np.triu_indices(sample.units, k=1)
    with_pairs = sample.units + len(rows) <= MOST_COLUMNS
    design = np.hstack([signs, signs[:, rows] * signs[:, columns]]) if with_pairs else signs
    design -= design.mean(axis=0)
    spectrum, vectors = np.linalg.eigh(design.T @ design)
    spectrum = np.maximum(spectrum, 0)
    target = vectors.T @ (design.T @ centred)
    total = float((centred**2).sum())

    def cross_validation(penalty: float) -> float:
        freedom = 1 + float((spectrum / (spectrum + penalty)).sum())
        square = total - float((target**2 * (spectrum + 2 * penalty) / (spectrum + penalty) ** 2).sum())
        return max(square, 0.0) / max(1 - freedom / count, 0.05) ** 2

    penalty = min(PENALTIES, key=cross_validation)
    inverse = (vectors / (spectrum + penalty)) @ vectors.T
    leverage = 1 / count + ((design @ inverse) * design).sum(axis=1)
    residuals = centred - design @ (inverse @ (design.T @ centred))
    return AssistedSample(sample, scores, design, inverse, residuals / np.maximum(1 - leverage, 1e-6))


def _presence_coefficients(units: int) -> Array:
    """The coefficients for presence 0 and 1 of the functions z_u = 2s_u − 1 and z_u z_v = 4s_u s_v − 2s_u − 2s_v + 1.

    (p, p): a row for each function, a column for each unit and each pair; constants are left out.
    """
    rows, columns = np.triu_indices(units, k=1)
    pairs = units + np.arange(len(rows))
    matrix = np.diag(np.repeat([2.0, 4.0], [units, len(rows)]))
    matrix[pairs, rows] = matrix[pairs, columns] = -2
    return matrix


def _chunks(count: int) -> list[slice]:
    """Slices of at most `_TARGETS` that cover 0 … count − 1."""
    return [slice(start, min(start + _TARGETS, count)) for start in range(0, count, _TARGETS)]


def _matrices(found: list[tuple[Array, Array]], units: int, diagonal: Array | None = None) -> tuple[Array, Array]:
    """Estimates and errors of chunks as two matrices (U, U), both with this diagonal where none was found."""
    start = [] if diagonal is None else [diagonal]
    estimate, errors = (np.concatenate([*start, *each]) for each in zip(*found, strict=True))
    return split_columns(estimate, units), split_columns(errors, units)
