"""The independent reference of the curvature tests: reverse over reverse by autograd."""

import torch
from torch import Tensor


def reverse_over_reverse(f, points: Tensor, delta: Tensor, groups: Tensor, units: int) -> tuple[Tensor, Tensor, Tensor]:
    """The value (B,), gradient (B, U) and Hessian (B, U, U) of f along units, one product for each row."""
    points = points.detach().clone().requires_grad_()
    value = f(points)
    (gradient,) = torch.autograd.grad(value.sum(), points, create_graph=True)
    numbers = torch.arange(units).view(-1, *(1,) * groups.dim())
    member = (groups.unsqueeze(0) == numbers).to(points.dtype)
    equation = "...bp,up->...bu" if groups.dim() == 1 else "...bp,ubp->...bu"

    def by_unit(full: Tensor) -> Tensor:
        product = full * delta
        extra = points.dim() - 2
        return torch.einsum(equation, product.sum(-1) if extra else product, member)

    along = by_unit(gradient)
    if not along.requires_grad:
        return value.detach(), along, torch.zeros(points.shape[0], units, units, dtype=points.dtype)
    # Row by row: the vectorised double backward of group_norm fails in current PyTorch.
    rows = torch.stack([
        torch.autograd.grad(along[:, u].sum(), points, retain_graph=True, allow_unused=True, materialize_grads=True)[0]
        for u in range(units)
    ])  # fmt: skip
    return value.detach(), along.detach(), by_unit(rows).transpose(0, 1)


def distance(actual: Tensor, expected: Tensor) -> float:
    """The largest difference, relative to the largest entry of what is expected."""
    return float((actual - expected).abs().max() / expected.abs().max().clamp(min=1e-30))
