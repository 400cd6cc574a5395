"""The path from all switches at 0 to all at 1: the points where f is evaluated, and sums over the units.

F(s) = f(start + s_u δ) gives each unit u a switch s_u in [0, 1] that acts on the positions of the unit. For embeddings
`start` is the baseline x', δ = x - x' and f reads embeddings. For value zeroing f reads one switch a token, `start` is
0 for a word and 1 for a special token, δ is 1 for a word, and the embeddings are a parameter of f.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihcli.errors import UsageError


@dataclass(frozen=True)
class Path:
    """γ(t) = start + tδ of one text, and the unit of each position.

    `NodeBatch` has the same fields with one more axis in front, for nodes on different paths.
    """

    start: Tensor
    """γ(0), the baseline (*S)."""
    delta: Tensor
    """δ = γ(1) - γ(0), (*S)."""
    groups: Tensor
    """The unit of each position (*P), where P are the leading axes of S; -1 for none (δ is zero there)."""
    units: int
    """U, the number of units."""
    parameters: tuple[Tensor, ...] = ()
    """Further inputs of f, each (*P_k), which no switch changes."""
    left: Tensor | None = None
    """(*S), the vector in place of δ on the left side of the second derivative; None for δ itself."""

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
            message = "x or baseline contains NaN or infinity; both must be finite."
            raise UsageError(message)
        groups, units = _checked_groups(x, groups)
        delta = (x - baseline).detach()
        outside = groups == -1
        if bool(outside.any()) and bool(delta[outside].any()):
            message = "x differs from the baseline at a position in no unit (-1); give it a unit or equal values."
            raise UsageError(message)
        return cls(baseline.detach().clone(), delta, groups, units)  # a copy, since it may be an inference tensor

    def points(self, t: Tensor) -> Tensor:
        """γ(t), (B, *S) for t (B,)."""
        return self.start + t.view(-1, *[1] * self.delta.dim()) * self.delta

    def parameters_at(self, nodes: int) -> tuple[Tensor, ...]:
        """The parameters for a batch of B nodes, each (B, *P_k), without a copy."""
        return tuple(own.expand(nodes, *own.shape) for own in self.parameters)

    def chosen(self, nodes: slice) -> "Path":
        """The path of some of the nodes, which is the same for all."""
        del nodes
        return self

    def merged(self, chosen: Sequence[int] | NDArray[np.intp]) -> "Path":
        """The same path with the chosen units in their order, and all other units as one, the last."""
        number = torch.full((self.units + 1,), len(chosen), dtype=self.groups.dtype, device=self.groups.device)
        number[-1] = -1  # no unit
        number[torch.as_tensor(chosen, device=number.device)] = torch.arange(len(chosen)).to(number)
        return replace(self, groups=number[self.groups], units=len(chosen) + 1)

    def displaced(self, by: NDArray[np.float64]) -> "Path":
        """The path whose switches are displaced from t·1 to t·1 + `by`, (U,)."""
        each = torch.cat([torch.as_tensor(by).to(self.delta), self.delta.new_zeros(1)])  # none at positions of no unit
        switches = each[self.groups]
        within = [1] * (self.delta.dim() - self.groups.dim())
        return replace(self, start=self.start + switches.view(*switches.shape, *within) * self.delta)

    @cached_property
    def _index(self) -> Tensor:
        flat = self.groups.flatten()
        return torch.where(flat < 0, self.units, flat)

    def per_unit(self, values: Tensor) -> Tensor:
        """Sums over each unit: (B, *S) to (B, U)."""
        positions = values.flatten(1).view(len(values), len(self._index), -1).sum(-1)  # (B, positions)
        sums = torch.zeros(len(values), self.units + 1, dtype=values.dtype, device=values.device)
        return sums.index_add(1, self._index, positions)[:, :-1]


@dataclass(frozen=True)
class NodeBatch(Path):
    """N nodes, each on a path of its own, all of one shape: `start` and `delta` are (N, *S), `groups` is (N, *P).

    `units` is the largest number of units of any of the paths; a path with fewer has zeros beyond its own.
    """

    row_parameters: tuple[Tensor, ...] = field(default=())
    """The parameters of each node, (N, *P_k)."""

    @classmethod
    def of(cls, paths: Sequence[Path], counts: Sequence[int]) -> Path:
        """`counts[k]` nodes on path k, one after the other; a single path stands for itself."""
        if len(paths) == 1:
            return paths[0]
        owner = torch.repeat_interleave(torch.arange(len(paths)), torch.tensor(counts)).to(paths[0].delta.device)
        start, delta, groups = (
            torch.stack([getattr(path, name) for path in paths])[owner] for name in ("start", "delta", "groups")
        )
        parameters = tuple(torch.stack(own)[owner] for own in zip(*(path.parameters for path in paths), strict=True))
        units = max(path.units for path in paths)
        return cls(start, delta, groups, units, left=paths[0].left, row_parameters=parameters)

    def chosen(self, nodes: slice) -> "NodeBatch":
        """Some of the nodes."""
        parameters = tuple(own[nodes] for own in self.row_parameters)
        return NodeBatch(
            self.start[nodes], self.delta[nodes], self.groups[nodes], self.units, left=self.left,
            row_parameters=parameters,
        )  # fmt: skip

    def points(self, t: Tensor) -> Tensor:
        """γ(t), (N, *S) for t (N,), each on its own path."""
        return self.start + t.view(-1, *[1] * (self.delta.dim() - 1)) * self.delta

    def parameters_at(self, nodes: int) -> tuple[Tensor, ...]:
        """The parameters of each node."""
        del nodes
        return self.row_parameters

    @cached_property
    def _index(self) -> Tensor:
        flat = self.groups.flatten(1)
        return torch.where(flat < 0, self.units, flat)

    def per_unit(self, values: Tensor) -> Tensor:
        """Sums over each unit: (k·N, *S), k blocks of the N nodes, to (k·N, U)."""
        index = self._index.repeat(len(values) // len(self._index), 1)
        positions = values.flatten(1).view(*index.shape, -1).sum(-1)  # (k·N, positions)
        sums = torch.zeros(len(values), self.units + 1, dtype=values.dtype, device=values.device)
        return sums.scatter_add(1, index, positions)[:, :-1]


def _checked_groups(x: Tensor, groups: Tensor | None) -> tuple[Tensor, int]:
    """The unit of each position and the number of units; raises `UsageError`."""
    if groups is None:
        groups = torch.arange(x.numel(), device=x.device).view(x.shape)
    groups = torch.as_tensor(groups, device=x.device)
    if groups.is_floating_point() or groups.shape != x.shape[: groups.dim()] or groups.dim() == 0:
        message = (
            f"groups is {groups.dtype} of shape {tuple(groups.shape)}; it must be integers over leading dimensions of "
            f"x, {tuple(x.shape)}."
        )
        raise UsageError(message)
    groups = groups.long()
    units = int(groups.max()) + 1 if groups.numel() else 0
    present = torch.unique(groups)
    if units == 0 or int(present[0]) < -1 or len(present[present >= 0]) != units:
        message = f"groups contains {present.tolist()}; it must contain every unit from 0 up, and -1 for no unit."
        raise UsageError(message)
    return groups, units
