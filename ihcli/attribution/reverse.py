"""The portable second-order engine: vectorised reverse-over-reverse, for any twice differentiable function.

One graph serves a whole batch of nodes: the unit gradients g_u are formed with their graph kept, then one
vector-Jacobian product, vectorised over the units, gives every row of H.  Forward mode is never used above a reverse
pass: reverse-over-forward through layer normalisation is silently wrong in current PyTorch.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from ihcli.attribution.path import Path

P = ParamSpec("P")
T = TypeVar("T")
ScalarField = Callable[[Tensor], Tensor]
"""A differentiable f: (B, *S) -> (B,), each row depending on its own input only."""


@dataclass(frozen=True, slots=True)
class Derivatives:
    """Values along a batch of B nodes: f (B,), g (B, U), and H (B, K, U) for K rows (all units, or probes)."""

    value: Tensor
    gradient: Tensor
    hessian: Tensor | None = None
    left: Tensor | None = None
    """Σ_{i∈u} left_i·∇_i f (B, U), where the left vector is not δ."""


def differentiable(function: Callable[P, T]) -> Callable[P, T]:
    """Run a function with gradients on, whatever the caller's `no_grad` or `inference_mode` says."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        with torch.inference_mode(mode=False), torch.enable_grad():
            return function(*args, **kwargs)

    return run


class ReverseEngine:
    """H by reverse-over-reverse products."""

    name = "reverse"

    def __init__(self, f: ScalarField) -> None:
        """Explain `f`."""
        self.f = f

    def first_order(self, path: Path, t: Tensor, left: Tensor | None = None) -> Derivatives:
        """F and g at the nodes t (B,)."""
        points = path.points(t).requires_grad_()
        value = self.f(points)
        (gradient,) = torch.autograd.grad(value.sum(), points)
        unit_left = None if left is None else path.per_unit(gradient * left)
        return Derivatives(value.detach(), path.per_unit(gradient * path.delta), left=unit_left)

    def second_order(
        self, path: Path, t: Tensor, vectors: Tensor | None = None, left: Tensor | None = None, chunk: int | None = None
    ) -> Derivatives:
        """f, g and the rows V·H(t), V (K, U), or (K, B, U) with rows of each node's own; all U rows without `vectors`.

        `left` (*S) replaces δ on the left side of the form (the formulation `article-code`); `chunk` rows share one
        vectorised product.
        """
        points = path.points(t).requires_grad_()
        value = self.f(points)
        (gradient,) = torch.autograd.grad(value.sum(), points, create_graph=True)
        units = path.per_unit(gradient * (path.delta if left is None else left))  # (B, U)
        plain = units.detach() if left is None else path.per_unit(gradient.detach() * path.delta)
        unit_left = None if left is None else units.detach()
        rows = torch.eye(path.units, dtype=units.dtype, device=units.device) if vectors is None else vectors
        out = torch.zeros(len(t), len(rows), path.units, dtype=units.dtype, device=units.device)
        if not units.requires_grad:  # f is affine in every input: no curvature at all
            return Derivatives(value.detach(), plain, out, unit_left)
        size = chunk or len(rows)
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            seeds = part if part.dim() > 2 else part[:, None, :].expand(-1, len(t), -1)  # (k, B, U)  # noqa: PLR2004
            (second,) = torch.autograd.grad(
                units, points, seeds, is_grads_batched=True, retain_graph=start + size < len(rows), allow_unused=True
            )
            if second is not None:  # (k, B, *S)
                flat = path.per_unit((second * path.delta).flatten(0, 1))
                out[:, start : start + size] = flat.view(len(part), len(t), path.units).transpose(0, 1)
        return Derivatives(value.detach(), plain, out, unit_left)
