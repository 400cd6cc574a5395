"""Checks of a new program against the function that it was traced from."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ihcli.curvature.program import Program
from ihcli.curvature.tracer import Function, Untraceable

# The largest relative difference of a product with the Hessian: models that cast to float32 differ by 1e-4.
_LARGEST_GAP = 1e-2


def require_same_values(f: Function, program: Program, point: Tensor, parameters: Sequence[Tensor]) -> None:
    """Raise `Untraceable` unless the values agree at a batch size, points and parameters that were not traced."""
    scales = torch.tensor([1.0, 0.5, -0.25, 0.75], dtype=point.dtype, device=point.device)
    points = point * scales.view(-1, *(1,) * (point.dim() - 1))
    others = [_changed(parameter, (1.0, 0.9, 1.1, 0.8)) for parameter in parameters]
    with torch.no_grad():
        expected, actual = f(points, *others), program.value(points, *others)
    # Models may cast to float32 on the way, which the program leaves out.
    if expected.shape != actual.shape or not torch.allclose(expected, actual, rtol=1e-4, atol=1e-5, equal_nan=True):
        message = (
            f"the traced computation gives {actual.tolist()} where the function gives {expected.tolist()}: the "
            "function depends on the batch, on its own state or on random numbers"
        )
        raise Untraceable(message)


def require_same_hessian(f: Function, program: Program, point: Tensor, parameters: Sequence[Tensor]) -> None:
    """Raise `Untraceable` unless one product of the Hessian with a vector is that of reverse over reverse."""
    units, free = 3, point.dim() - 1 - len(program.positions)
    points = torch.cat([point * 0.9, point * 0.4])
    others = [_changed(parameter, (0.9, 1.1)) for parameter in parameters]
    count = torch.arange(torch.Size(program.positions).numel(), device=point.device)
    groups = (count % (units + 1) - 1).view(program.positions)
    signs = torch.tensor([1.0, -1.0, 1.0, 0.0], dtype=point.dtype, device=point.device)  # the last for group −1
    direction = point * signs[groups].view(*program.positions, *(1,) * free)
    second = program.second_order(points, point[0], groups, units, parameters=others)
    # One point of the two is enough for autograd, which takes the most memory of all that a check does.
    product = _reverse_over_reverse(f, points[1:], [own[1:] for own in others], direction)
    if product is None:
        return
    member = torch.nn.functional.one_hot(groups.flatten() + 1, units + 1)[:, 1:].to(point.dtype)
    expected = (product * point).reshape(1, len(count), -1).sum(-1) @ member
    gap = float((second.hessian[1:] @ signs[:units] - expected).abs().max())
    largest = float(second.hessian.abs().max())
    rounding = 1e3 * torch.finfo(point.dtype).eps * max(1.0, float(second.value.abs().max()))
    allowed = _LARGEST_GAP * (largest + 1e-3 * float(second.gradient.abs().max())) + rounding
    if not gap <= allowed:  # nor may it be NaN
        message = (
            f"a product of the Hessian differs from reverse over reverse by {gap:.1e} (its largest entry is "
            f"{largest:.1e}): a rule does not fit this computation, so use reverse over reverse, and report it"
        )
        raise Untraceable(message)


def _reverse_over_reverse(
    f: Function, points: Tensor, parameters: Sequence[Tensor], direction: Tensor
) -> Tensor | None:
    """H · direction by autograd; None where a fused operation has no double backward."""
    with torch.enable_grad():
        source = points.requires_grad_()
        try:
            (gradient,) = torch.autograd.grad(f(source, *parameters).sum(), source, create_graph=True)
            slope = (gradient * direction).sum()
            return torch.autograd.grad(slope, source)[0] if slope.requires_grad else torch.zeros_like(points)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:
            return None


def _changed(parameter: Tensor, scales: Sequence[float]) -> Tensor:
    """A batch of parameters like one (1, *P) that was traced, each scaled, and rolled along the first axis of P."""
    rolled = (parameter.roll(k, 1) if parameter.dim() > 1 else parameter for k in range(1, len(scales) + 1))
    return torch.cat([scale * other for scale, other in zip(scales, rolled, strict=True)])
