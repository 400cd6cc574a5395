"""The portable engine: vectorised reverse-over-reverse products, for any twice differentiable function.

One graph serves a whole batch of nodes: the gradients g_u along units are computed with their graph kept, then one
vector-Jacobian product, vectorised over the units, gives every row of H. Forward mode is never used above a reverse
pass, because reverse-over-forward through layer normalisation is silently wrong in current PyTorch.
"""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from ihcli.attribution.evaluation import Array, Evaluations, ScalarField
from ihcli.attribution.footprint import Footprint
from ihcli.attribution.path import Path

P = ParamSpec("P")
R = TypeVar("R")


def differentiable(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function with gradients enabled, whatever the caller's `no_grad` or `inference_mode` says."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with torch.inference_mode(mode=False), torch.enable_grad():
            return function(*args, **kwargs)

    return run


class ReverseEngine:
    """Gradients by one backward pass, rows of H by reverse-over-reverse products."""

    name = "reverse"
    nested_units = 3

    def __init__(self, f: ScalarField, limit: int | None = None) -> None:
        """Differentiate `f` within `limit` bytes, by default a safe share of the free memory."""
        self.f = f
        self.limit = limit
        self._footprint: Footprint | None = None

    def footprint(self, path: Path) -> Footprint:
        """The memory of one node, measured on the first path; raises `DeviceError`, `UsageError`."""
        if self._footprint is None:
            self._footprint = Footprint.measure(self.f, path.chosen(slice(0, 1)), self.limit)
        return self._footprint

    def nodes_at_once(self, path: Path, order: int, rows: int | None = None) -> int:
        """The number of nodes whose graphs fit the memory together."""
        footprint = self.footprint(path)
        return footprint.nodes_first_order() if order == 1 else footprint.nodes_second_order(rows or path.units)

    def peak_bytes(self, path: Path, nodes: int, units: int, rows: int | None = None) -> int:
        """The estimated peak of memory of Hessians, of products with `rows` vectors, or of gradients (0), in bytes."""
        footprint = self.footprint(path)
        if rows == 0:
            return footprint.bytes(min(nodes, footprint.nodes_first_order()), 0)
        rows = rows or units
        together = min(nodes, footprint.nodes_second_order(rows))
        return min(footprint.bytes(together, footprint.rows_second_order(rows)), footprint.limit)

    def evaluate(self, path: Path, t: Tensor, order: int, vectors: Tensor | None = None) -> Evaluations:
        """F, g and, to second order, V·H at the nodes t (B,)."""
        points = path.points(t).requires_grad_()
        value = self.f(points, *path.parameters_at(len(t)))
        if order == 1:
            (gradient,) = torch.autograd.grad(value.sum(), points)
            along = to_array(path.per_unit(gradient * path.delta))
            left = along if path.left is None else to_array(path.per_unit(gradient * path.left))
            return Evaluations(to_array(value), along, left)
        (gradient,) = torch.autograd.grad(value.sum(), points, create_graph=True)
        units = path.per_unit(gradient * (path.delta if path.left is None else path.left))  # (B, U)
        left = to_array(units)
        along = left if path.left is None else to_array(path.per_unit(gradient.detach() * path.delta))
        return Evaluations(to_array(value), along, left, to_array(self._rows(path, points, units, vectors)))

    def _rows(self, path: Path, points: Tensor, units: Tensor, vectors: Tensor | None) -> Tensor:
        """V·H (B, K, U) from the gradients along units (B, U) and their graph."""
        nodes = len(points)
        rows = torch.eye(path.units, dtype=units.dtype, device=units.device) if vectors is None else vectors
        out = torch.zeros(nodes, len(rows), path.units, dtype=units.dtype, device=units.device)
        if not units.requires_grad:  # f is affine in every input: H is zero
            return out
        size = self.footprint(path).rows_second_order(len(rows))
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            seeds = part if part.dim() > 2 else part[:, None, :].expand(-1, nodes, -1)  # (k, B, U)  # noqa: PLR2004
            (second,) = torch.autograd.grad(
                units, points, seeds, is_grads_batched=True, retain_graph=start + size < len(rows), allow_unused=True
            )
            if second is not None:  # (k, B, *S)
                flat = path.per_unit((second * path.delta).flatten(0, 1))
                out[:, start : start + size] = flat.view(len(part), nodes, path.units).transpose(0, 1)
        return out


def to_array(values: Tensor) -> Array:
    """The values as a float64 array in main memory."""
    return values.detach().to("cpu", torch.float64).numpy()
