"""The published procedures, implemented from their descriptions, to be compared with this package's own.

Each takes a function f: (B, *S) -> (B,) and a `Path`, and returns a matrix over the path's units. The engines share no
code with them, apart from the vectorised product of the product grid.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihcli.attribution.evaluation import ScalarField
from ihcli.attribution.path import Path
from ihcli.attribution.reverse import ReverseEngine, to_array

Array = NDArray[np.float64]
BATCH = 50
"""Samples of the paper's procedure in one forward pass, its default."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A matrix (U, U), the Hessians that went into it, and the products of a Hessian and a vector."""

    matrix: Array
    hessians: int
    products: int


def article(f: ScalarField, path: Path, steps: int = 50, *, tokens: int | None = None) -> Outcome:
    """The article's procedure: Σ_k ∇(1·∇_i f)(γ(k/steps))·δ / steps, a fresh graph for every step and token.

    As in its code, the left vector is all ones instead of δ_i, and there is neither a weight αβ nor a diagonal term.
    With `tokens`, only the rows of the first so many explained tokens are computed, to time a part of a long run; the
    others stay zero.
    """
    return _uniform_mean(f, path, [step / steps for step in range(1, steps + 1)], tokens)


def article_double(f: ScalarField, path: Path, steps: int, *, tokens: int | None = None) -> Outcome:
    """The article's double-integral version: the mean over a steps × steps grid of (α, β), a fresh graph each."""
    grid = range(1, steps + 1)
    return _uniform_mean(f, path, [a * b / steps**2 for a in grid for b in grid], tokens)


def _uniform_mean(f: ScalarField, path: Path, points: Sequence[float], tokens: int | None) -> Outcome:
    """The mean of the rows of the first `tokens` explained tokens over some points of the path."""
    positions = torch.nonzero(path.groups.flatten() >= 0).flatten().tolist()[:tokens]
    rows = torch.zeros(path.groups.numel(), path.units, dtype=path.delta.dtype, device=path.delta.device)
    for t in points:
        for position in positions:
            rows[position] += _fresh_row(f, path, t, position) / len(points)
    return Outcome(to_array(path.per_unit(rows.T).T), len(points), len(points) * len(positions))


def _fresh_row(f: ScalarField, path: Path, t: float, position: int) -> Tensor:
    """∇(Σ_d ∂f/∂x_{position, d})·δ per unit (U,), from a graph of its own."""
    point = path.points(torch.tensor([t], dtype=path.delta.dtype, device=path.delta.device)).requires_grad_()
    (gradient,) = torch.autograd.grad(f(point).sum(), point, create_graph=True)
    flat = gradient.reshape(path.groups.numel(), -1)
    (second,) = torch.autograd.grad(flat[position].sum(), point)
    return path.per_unit(second * path.delta)[0]


def paper(f: ScalarField, path: Path, samples: int) -> Outcome:
    """The paper's reference procedure: the plain mean of αβ·H(αβ) over a √k × √k grid that holds both ends.

    One row at a time: every row builds its graphs again, `BATCH` samples in one pass; the diagonal adds the mean of
    g_u. Grids of k = 49, 256, 1024 stand for the 50, 256 and more samples of the publication.
    """
    side = math.isqrt(samples)
    line = torch.linspace(0, 1, side, dtype=path.delta.dtype, device=path.delta.device)
    grid = torch.outer(line, line).flatten()
    matrix = torch.zeros(path.units, path.units, dtype=path.delta.dtype, device=path.delta.device)
    for unit in range(path.units):
        for t in torch.split(grid, BATCH):
            points = path.points(t).requires_grad_()
            (gradient,) = torch.autograd.grad(f(points).sum(), points, create_graph=True)
            row = path.per_unit(gradient * path.delta)[:, unit]
            (second,) = torch.autograd.grad(row.sum(), points)
            matrix[unit] += t @ path.per_unit(second * path.delta) / len(grid)
            matrix[unit, unit] += row.detach().sum() / len(grid)
    return Outcome(to_array(matrix), len(grid), len(grid) * path.units)


def product_grid(f: ScalarField, path: Path, order: int, nodes_at_once: int = 16) -> Outcome:
    """The double integral by an order × order Gauss-Legendre grid, all rows of a batch of nodes by one product."""
    x, w = np.polynomial.legendre.leggauss(order)
    line, weight = (x + 1) / 2, w / 2
    nodes, weights = np.outer(line, line).ravel(), np.outer(weight, weight).ravel()
    engine, matrix = ReverseEngine(f), np.zeros((path.units, path.units))
    for start in range(0, len(nodes), nodes_at_once):
        t = nodes[start : start + nodes_at_once]
        part = weights[start : start + nodes_at_once]
        evaluations = engine.evaluate(
            path, torch.as_tensor(t, dtype=path.delta.dtype, device=path.delta.device), order=2
        )
        assert evaluations.hessian is not None  # noqa: S101  (second order was asked for)
        matrix += np.tensordot(part * t, evaluations.hessian, axes=1)
        matrix += np.diag(part @ evaluations.gradient)
    return Outcome(matrix, len(nodes), len(nodes) * path.units)
