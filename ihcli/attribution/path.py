"""The straight path from baseline to input, and the units that partition what changes along it."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ihcli.errors import UsageError


@dataclass(frozen=True)
class Path:
    """γ(t) = x' + tδ with δ = x - x', and the unit of each position.

    `baseline` and `delta` are (*S); `groups` is an integer tensor whose shape is a leading part of S: the unit of each
    position, -1 for a position in no unit (δ must be zero there).  `units` is U.
    """

    baseline: Tensor
    delta: Tensor
    groups: Tensor
    units: int

    @classmethod
    def between(cls, x: Tensor, baseline: Tensor, groups: Tensor | None = None) -> "Path":
        """The path from `baseline` to `x`; without `groups` every element of x is a unit of its own.

        Raises `UsageError` for shapes, types or groups that do not fit.
        """
        if not x.is_floating_point() or x.dim() == 0:
            message = f"x is a {x.dtype} tensor of shape {tuple(x.shape)}; it must be floating point with a dimension."
            raise UsageError(message)
        if baseline.shape != x.shape or baseline.dtype != x.dtype:
            message = (
                f"baseline is {baseline.dtype} of shape {tuple(baseline.shape)}; it must be {x.dtype} of the shape of "
                f"x, {tuple(x.shape)}."
            )
            raise UsageError(message)
        if not (torch.isfinite(x).all() and torch.isfinite(baseline).all()):
            message = "x or baseline holds NaN or infinity; both must be finite."
            raise UsageError(message)
        if groups is None:
            groups = torch.arange(x.numel(), device=x.device).view(x.shape)
        groups = torch.as_tensor(groups, device=x.device)
        if groups.is_floating_point() or groups.shape != x.shape[: groups.dim()] or groups.dim() == 0:
            message = (
                f"groups is {groups.dtype} of shape {tuple(groups.shape)}; it must be integers over leading dimensions "
                f"of x, {tuple(x.shape)}."
            )
            raise UsageError(message)
        groups = groups.long()
        units = int(groups.max()) + 1 if groups.numel() else 0
        present = torch.unique(groups)
        if units == 0 or int(present[0]) < -1 or len(present[present >= 0]) != units:
            message = f"groups holds {present.tolist()}; it must hold every unit from 0 up, and -1 for no unit."
            raise UsageError(message)
        delta = (x - baseline).detach()
        outside = groups == -1
        if bool(outside.any()) and bool(delta[outside].any()):
            message = "x differs from the baseline at a position in no unit (-1); give it a unit or equal values."
            raise UsageError(message)
        return cls(baseline.detach().clone(), delta, groups, units)  # a copy: it may stem from inference mode

    def points(self, t: Tensor) -> Tensor:
        """γ(t), (B, *S) for t (B,)."""
        return self.baseline + t.view(-1, *[1] * self.delta.dim()) * self.delta

    @cached_property
    def _index(self) -> Tensor:
        flat = self.groups.flatten()
        return torch.where(flat < 0, self.units, flat)

    def per_unit(self, values: Tensor) -> Tensor:
        """Sums over each unit: (B, *S) -> (B, U)."""
        positions = values.flatten(1).view(len(values), len(self._index), -1).sum(-1)  # (B, positions)
        sums = torch.zeros(len(values), self.units + 1, dtype=values.dtype, device=values.device)
        return sums.index_add(1, self._index, positions)[:, :-1]
