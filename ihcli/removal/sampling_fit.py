"""Hyperparameters of the process over games by their evidence: gradient in closed form, limited-memory BFGS."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ihcli.removal.game import Array
from ihcli.removal.sampling_kernel import JITTER, GameKernel, quadratic_game

SCALE_SPREAD = 0.6
"""Standard deviation of ln λ_u before anything was seen: wider ones gave intervals that were too narrow."""
OTHER_SPREAD = 3.0
"""Standard deviation of the logarithms of all other hyperparameters, around `START`."""
START = (np.log([0.7, 0.3, 0.15, 0.05, 0.6, 1e-3])).tolist()
"""ln of U a, c₁, b₁, c₂, b₂ and the noise, for values of variance one."""
LEAST_NOISE = 3e-5
"""Least noise, of values of variance one: where a game looks smooth throughout, intervals were too narrow without."""
QUADRATIC_START = np.log(0.1)
_HISTORY = 10
_SUFFICIENT = 1e-4
_HALVINGS = 20
_STOP = 1e-4


@dataclass(frozen=True, slots=True)
class Observations:
    """Values y (n,) of mean about zero and variance about one at coalitions z (n, U); the ends are known exactly."""

    z: Array
    y: Array
    noisy: Array
    """(n,): 0 for the two ends of the path, 1 for all others."""
    quadratic: Array | None = None

    def part(self, chosen: NDArray[np.intp]) -> "Observations":
        """Some of the observations, by their indices."""
        return Observations(self.z[chosen], self.y[chosen], self.noisy[chosen], self.quadratic)


def start(units: int, *, quadratic: bool) -> Array:
    """The first vector of hyperparameters: `START`, ln λ (U,), and ln of the variance of the quadratic game."""
    return np.concatenate([START, np.zeros(units), [QUADRATIC_START] if quadratic else []])


def kernel_of(parameters: Array, quadratic: Array | None) -> GameKernel:
    """The kernel that a vector of hyperparameters stands for."""
    linear, c1, b1, c2, b2, noise = np.exp(parameters[:6])
    extra = 1 if quadratic is not None else 0
    scales = np.exp(parameters[6 : len(parameters) - extra])
    return GameKernel(
        linear=linear / len(scales) * scales,
        amplitudes=np.array([c1, c2]),
        rates=np.array([b1 * scales, b2 * scales]),
        noise=float(LEAST_NOISE + noise),
        quadratic=quadratic,
        quadratic_variance=float(np.exp(parameters[-1])) if extra else 0.0,
    )


def evidence(parameters: Array, seen: Observations) -> tuple[float, Array]:
    """Minus the logarithm of the evidence (with the hyperparameters' own prior), and its gradient."""
    kernel = kernel_of(parameters, seen.quadratic)
    z, y = seen.z, seen.y
    first = parameters * 0 + start(z.shape[1], quadratic=seen.quadratic is not None)
    spread = np.full(len(parameters), OTHER_SPREAD)
    units = slice(6, 6 + z.shape[1])
    spread[units] = SCALE_SPREAD
    covariance = kernel.covariance(z, z)
    covariance[np.diag_indices_from(covariance)] += kernel.noise * seen.noisy + JITTER
    try:
        factor = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return np.inf, np.zeros_like(parameters)
    inverse = np.linalg.inv(covariance)
    solved = inverse @ y
    value = 0.5 * y @ solved + np.log(np.diag(factor)).sum() + 0.5 * (((parameters - first) / spread) ** 2).sum()
    outer = 0.5 * (inverse - np.outer(solved, solved))
    gradient = np.zeros_like(parameters)
    by_linear = kernel.linear * ((outer @ z) * z).sum(axis=0)
    gradient[0] = by_linear.sum()
    gradient[units] = by_linear
    for m, component in enumerate(kernel.components(z, z)):
        weighted = outer * component
        by_rate = kernel.rates[m] * (((weighted @ z) * z).sum(axis=0) - weighted.sum())
        gradient[1 + 2 * m] = weighted.sum()
        gradient[2 + 2 * m] = by_rate.sum()
        gradient[units] += by_rate
    gradient[5] = (kernel.noise - LEAST_NOISE) * (np.diag(outer) * seen.noisy).sum()
    if seen.quadratic is not None:
        shape = quadratic_game(seen.quadratic, z)
        gradient[-1] = kernel.quadratic_variance * shape @ outer @ shape
    return float(value), gradient + (parameters - first) / spread**2


def minimise(function: Callable[[Array], tuple[float, Array]], x: Array, steps: int) -> Array:
    """The least of a smooth function from its values and gradients, by limited-memory BFGS with backtracking."""
    value, gradient = function(x)
    moves: list[tuple[Array, Array]] = []
    for _ in range(steps):
        direction = -_descent(gradient, moves)
        slope = direction @ gradient
        if slope >= 0:
            moves, direction, slope = [], -gradient, -gradient @ gradient
        step = 1.0 if moves else min(1.0, 1.0 / max(float(np.abs(gradient).sum()), 1e-12))
        for _ in range(_HALVINGS):
            reached, slope_there = function(x + step * direction)
            if reached <= value + _SUFFICIENT * step * slope:
                break
            step /= 2
        else:
            return x
        move, change = step * direction, slope_there - gradient
        if move @ change > 1e-10 * np.linalg.norm(move) * np.linalg.norm(change):
            moves = [*moves[1 - _HISTORY :], (move, change)]
        gained = value - reached
        x, value, gradient = x + move, reached, slope_there
        if gained < _STOP:
            return x
    return x


def _descent(gradient: Array, moves: list[tuple[Array, Array]]) -> Array:
    """The gradient times the inverse Hessian that the last moves and changes of gradient suggest."""
    found = gradient.copy()
    factors = []
    for move, change in reversed(moves):
        factor = (move @ found) / (move @ change)
        found = found - factor * change
        factors.append(factor)
    if moves:
        move, change = moves[-1]
        found = found * (move @ change) / (change @ change)
    for (move, change), factor in zip(moves, reversed(factors), strict=True):
        found = found + (factor - (change @ found) / (move @ change)) * move
    return found
