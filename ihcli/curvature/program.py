"""The program: value, gradient and Hessian over units of one traced function at a batch of points."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from ihcli.curvature.forward_sweep import ForwardSweep
from ihcli.curvature.graph import Graph, call, entries_per_sample
from ihcli.curvature.operation_rules import RULES
from ihcli.curvature.reverse_sweep import ReverseSweep, reverse_sweep
from ihcli.curvature.segments import BLOCK_BYTES, GPU_BLOCK_BYTES
from ihcli.curvature.tiling import peak_entries, schedule
from ihcli.errors import DeviceError, UsageError

# Points are carried in groups whose widest tangent takes so many bytes, so that it fits the cache.
GROUP_BYTES = BLOCK_BYTES
GPU_GROUP_BYTES = 4 * GPU_BLOCK_BYTES
# The constants of so many batch sizes are kept, since chunks of points have the same few sizes.
_BATCH_SIZES_KEPT = 8
# More points at once than this bring no further gain.
_MOST_NODES = 64


@dataclass(frozen=True, slots=True)
class SecondOrder:
    """f and its first two derivatives along units at B points.

    gradient[u] = Σ_{i∈u} δ_i · ∇_i f and hessian[u, v] = Σ_{i∈u, j∈v} δ_iᵀ ∇²_ij f δ_j.
    """

    value: Tensor
    """f (B,)."""
    gradient: Tensor
    """(B, U)."""
    hessian: Tensor
    """(B, U, U), exactly symmetric."""


class Program:
    """A traced function f(points, *parameters): (B, *S) and (B, *P_k) → (B,), for any B. Made by `trace`."""

    def __init__(self, graph: Graph, example: Tensor, axes: int) -> None:
        """Take a graph whose operations have rules, and the number of leading axes of S that are positions."""
        self.graph = graph
        self.shape = tuple(example.shape[1:])
        self.positions = self.shape[:axes]
        self.dtype = example.dtype
        self.parameters = [(tuple(node.sizes[1:]), node.dtype) for node in graph.parameters]
        """The shape without the batch, and the type, of each parameter."""
        dependent = graph.dependent()
        for node in dependent:
            node.tangent_sources = tuple({id(s): s for s in node.sources() if s.depends}.values())
        self.operations = dict(Counter(node.name for node in dependent))
        """How often each operation occurs, among those that depend on the points."""
        self.steps = schedule(graph)
        self._like = example.new_empty(0)
        self._frontier = graph.frontier()
        sizes = [entries_per_sample(node) for node in graph.nodes if node.depends]
        self._widest = max(sizes)
        self._values = 2 * sum(sizes) + sum(map(entries_per_sample, self._frontier))
        self._curved = [node for node in dependent if RULES[node.name].curved(node)]
        self._reads = {key: len(readers) for key, readers in graph.readers().items()}
        self._reads[id(graph.result)] += 1
        self._constants: dict[int, dict[int, Any]] = {}
        self._peaks: dict[tuple[int, int], int] = {}

    def value(self, points: Tensor, *parameters: Tensor) -> Tensor:
        """f (B,) at points (B, *S) and parameters (B, *P_k); autograd may differentiate it by the points."""
        values = self._constants_for(points, parameters)
        values[id(self.graph.source)] = points
        for node in self.graph.dependent():
            values[id(node)] = call(node, points.shape[0], values)
        result: Tensor = values[id(self.graph.result)]
        return result

    def first_order(self, points: Tensor, parameters: Sequence[Tensor] = ()) -> tuple[Tensor, Tensor]:
        """f (B,) and its gradient by the points (B, *S), at points (B, *S) and parameters (B, *P_k)."""
        reverse = reverse_sweep(self.graph, (), points, self._constants_for(points, parameters))
        return reverse.values[id(self.graph.result)], reverse.gradient

    def second_order(
        self,
        points: Tensor,
        delta: Tensor,
        groups: Tensor,
        units: int,
        rows: Tensor | None = None,
        *,
        limit: int | None = None,
        parameters: Sequence[Tensor] = (),
    ) -> SecondOrder:
        """f, its gradient along units and its Hessian over units at each point.

        Args:
            points: (B, *S).
            delta: the displacement δ, (*S) or (B, *S).
            groups: the unit of each position, −1 for none: (*P) or (B, *P), where P are the leading axes of S that are
                positions.
            units: U, the number of units.
            rows: the rows of the Hessian to return, all by default. It saves no work.
            limit: bytes of memory. Points are computed in chunks, and where one point does not fit, in pairs of chunks
                of units. No limit by default.
            parameters: the further arguments of f, (B, *P_k) each, as `trace` was given them.

        Raises:
            UsageError: shapes or types do not fit the program.
            DeviceError: two units at one point need more than `limit`.
        """
        self._require_inputs(points, parameters)
        self._require_path(points, delta, groups)
        at_once = points.shape[0] if limit is None else self.nodes_within(limit, units)
        parts = []
        for first in range(0, points.shape[0], at_once):
            chunk = slice(first, first + at_once)
            constants = self._constants_for(points[chunk], [parameter[chunk] for parameter in parameters])
            reverse = reverse_sweep(self.graph, self._curved, points[chunk], constants)
            parts.append(self._from_reverse(reverse, *self._part(delta, groups, chunk), units, limit))
        value, gradient, hessian = (torch.cat(column) for column in zip(*parts, strict=True))
        return SecondOrder(value, gradient, hessian if rows is None else hessian[:, rows])

    def bytes_per_node(self, units: int, nodes: int = 1) -> int:
        """An estimate of the most memory that a number of points takes: tangents, temporaries, values and adjoints."""
        together = min(nodes, self._group_size(units))
        if (units, together) not in self._peaks:
            self._peaks[units, together] = peak_entries(self.steps, self._reads, units * together, self._like)
        values = nodes * self._values + 4 * nodes * units * units
        return int(self.dtype.itemsize * (self._peaks[units, together] + values))

    def nodes_within(self, limit: int, units: int) -> int:
        """The most points that fit a limit of bytes, at least one."""
        nodes = 1
        while nodes < _MOST_NODES and self.bytes_per_node(units, nodes + 1) <= limit:
            nodes += 1
        return nodes

    def sweeps(self, units: int, limit: int) -> float:
        """How often a tangent is carried within a limit: more than once in pairs of chunks; ∞ if no two units fit."""
        try:
            most = self._units_within(limit, units)
        except DeviceError:
            return math.inf
        return 1 if most >= units else -(-units // (most // 2)) - 1

    def _from_reverse(
        self, reverse: ReverseSweep, delta: Tensor, groups: Tensor, units: int, limit: int | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Value, gradient and Hessian of one chunk of points, by chunks of units where the limit needs them."""
        value, batch = reverse.values[id(self.graph.result)], reverse.gradient.shape[0]
        most = units if limit is None else self._units_within(limit, units)
        with torch.no_grad():
            if most >= units:
                return value, *self._in_groups(reverse, delta, groups, units)
            gradient = value.new_empty((batch, units))
            hessian = value.new_empty((batch, units, units))
            chunks: list[Tensor] = list(torch.arange(units, device=value.device).split(most // 2))  # type: ignore[no-untyped-call]
            for left, right in combinations(chunks, 2):
                chosen = torch.cat([left, right])
                renumbered = groups.new_full((units + 1,), -1)
                renumbered[chosen] = torch.arange(len(chosen), device=groups.device)
                some, block = self._in_groups(reverse, delta, renumbered[groups], len(chosen))
                gradient[:, chosen] = some
                hessian[:, chosen.unsqueeze(1), chosen] = block
        return value, gradient, hessian

    def _in_groups(self, reverse: ReverseSweep, delta: Tensor, groups: Tensor, units: int) -> tuple[Tensor, Tensor]:
        """Gradient and Hessian, with the tangents of a few points at a time."""
        batch, size = reverse.gradient.shape[0], self._group_size(units)
        if size >= batch:
            return self._carry(reverse, delta, groups, units)
        parts = []
        for first in range(0, batch, size):
            group = slice(first, min(first + size, batch))
            some = reverse.at(self.graph, group, self._constants_at(group.stop - first))
            parts.append(self._carry(some, *self._part(delta, groups, group), units))
        gradient, hessian = (torch.cat(column) for column in zip(*parts, strict=True))
        return gradient, hessian

    def _carry(self, reverse: ReverseSweep, delta: Tensor, groups: Tensor, units: int) -> tuple[Tensor, Tensor]:
        sweep = ForwardSweep(reverse, delta, groups, units, self.positions)
        sweep.run(self.graph, self.steps, self._reads, lambda current, node: RULES[node.name].carry(current, node))
        return sweep.gradient_by_unit(reverse.gradient), sweep.hessian()

    def _part(self, delta: Tensor, groups: Tensor, chosen: slice) -> tuple[Tensor, Tensor]:
        """δ and groups of some of the points."""
        return (
            delta if delta.dim() == len(self.shape) else delta[chosen],
            groups if groups.dim() == len(self.positions) else groups[chosen],
        )

    def _group_size(self, units: int) -> int:
        """The number of points whose tangents are carried together."""
        size = GROUP_BYTES if self._like.device.type == "cpu" else GPU_GROUP_BYTES
        return max(1, size // (units * self._widest * self.dtype.itemsize))

    def _units_within(self, limit: int, units: int) -> int:
        """The most units whose tangents fit at one point; at least two, since the Hessian consists of pairs."""
        most = units
        while most > 2 and self.bytes_per_node(most) > limit:  # noqa: PLR2004 - one pair
            most = max(2, most * 3 // 4)
        if most < units and self.bytes_per_node(most) > limit:
            message = (
                f"out of memory: the tangents of two units at one point take {self.bytes_per_node(most)} bytes, the "
                f"limit is {limit}: raise the limit, shorten the text or use a smaller model"
            )
            raise DeviceError(message)
        return most

    def _constants_for(self, points: Tensor, parameters: Sequence[Tensor]) -> dict[int, Any]:
        """The values that do not depend on the points, by node id."""
        self._require_inputs(points, parameters)
        batch = points.shape[0]
        values = self._constants_at(batch)
        if not parameters:
            return values
        values.update((id(node), value.detach()) for node, value in zip(self.graph.parameters, parameters, strict=True))
        parametric = [node for node in self.graph.nodes if node.parametric and not node.depends]
        with torch.no_grad():
            for node in parametric:
                if id(node) not in values:
                    values[id(node)] = call(node, batch, values)
        for key in {id(node) for node in parametric} - {id(node) for node in self._frontier}:
            del values[key]
        return values

    def _constants_at(self, batch: int) -> dict[int, Any]:
        """The values that depend neither on the points nor on parameters, at one batch size."""
        if batch not in self._constants:
            if len(self._constants) >= _BATCH_SIZES_KEPT:
                self._constants.clear()
            values: dict[int, Any] = {}
            with torch.no_grad():
                for node in self.graph.nodes:
                    if not node.depends and not node.parametric:
                        values[id(node)] = node.constant if node.constant is not None else call(node, batch, values)
            self._constants[batch] = values
        return dict(self._constants[batch])

    def _require_inputs(self, points: Tensor, parameters: Sequence[Tensor]) -> None:
        """Raise `UsageError` unless points and parameters have the shapes and types that were traced."""
        traced = [(self.shape, self.dtype), *self.parameters]
        given = [(tuple(tensor.shape[1:]), tensor.dtype) for tensor in (points, *parameters)]
        if given != traced or any(len(parameter) != len(points) for parameter in parameters):
            seen = [f"{tuple(tensor.shape)} of {tensor.dtype}" for tensor in (points, *parameters)]
            allowed = [f"(B, {', '.join(map(str, shape))}) of {dtype}" for shape, dtype in traced]
            message = (
                f"points and parameters {', '.join(seen)} do not fit a program traced for {', '.join(allowed)}, "
                "with one B for all: trace once for each shape and type"
            )
            raise UsageError(message)

    def _require_path(self, points: Tensor, delta: Tensor, groups: Tensor) -> None:
        """Raise `UsageError` unless δ and groups fit the points."""
        batch = points.shape[:1]
        fits = {
            f"delta {tuple(delta.shape)} of {delta.dtype}": delta.dtype == self.dtype
            and delta.shape in {torch.Size(self.shape), batch + self.shape},
            f"groups {tuple(groups.shape)}": groups.shape in {torch.Size(self.positions), batch + self.positions},
        }
        wrong = [name for name, right in fits.items() if not right]
        if wrong:
            message = (
                f"{' and '.join(wrong)} do not fit points {tuple(points.shape)} of {self.dtype} with positions "
                f"{self.positions}: give delta the shape of one point or of all, and groups one unit for each position"
            )
            raise UsageError(message)
