"""The program: one traced function, and its value, gradient and whole Hessian over units at a batch of points."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ihcli.curvature.decompositions import parts
from ihcli.curvature.functional import without_mutation
from ihcli.curvature.graph import SECOND, Graph, Node, call, capture, nodes_in
from ihcli.curvature.position_axes import places
from ihcli.curvature.rules import FIRST_ONLY, KINKS, RULES
from ihcli.curvature.simplify import SHAPES, simplify
from ihcli.curvature.sweep import Evaluation, ForwardSweep, evaluate
from ihcli.curvature.tiling import GPU_TOGETHER, TOGETHER, entries, peak, schedule
from ihcli.curvature.tracer import Function, Untraceable
from ihcli.errors import DeviceError, IhError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Constants at so many batch sizes are kept: chunks of nodes meet a few sizes over and over.
_SIZES_KEPT = 8
# Largest difference of a product from reverse over reverse: models that compute in float32 within differ by 1e-4.
_GAP = 1e-2
# More points at once than this bring nothing.
_MOST_NODES = 64


@dataclass(frozen=True, slots=True)
class SecondOrder:
    """f and its first two derivatives along units at B points: value (B,), gradient (B, U), hessian (B, U, U).

    gradient[u] = Σ_{i∈u} δ_i · ∇_i f and hessian[u, v] = Σ_{i∈u, j∈v} δ_iᵀ ∇²_ij f δ_j, exactly symmetric.
    """

    value: Tensor
    gradient: Tensor
    hessian: Tensor


class Program:
    """A traced function f(points, *parameters): (B, *S) and (B, *P_k) → (B,), for any B. Made by `trace`."""

    def __init__(self, graph: Graph, example: Tensor, axes: int) -> None:
        """Take a graph whose nodes have rules, and the number of leading axes of S that are positions."""
        self.graph = graph
        self.shape = tuple(example.shape[1:])
        self.positions = self.shape[:axes]
        self.dtype = example.dtype
        self.parameters = tuple((tuple(node.sizes[1:]), node.dtype) for node in graph.parameters)
        dependent = [node for node in graph.nodes if node.depends and node is not graph.source]
        for node in dependent:
            node.settle()
        self.operations = dict(Counter(node.name for node in dependent))
        self.steps = schedule(graph)
        self._like = example.new_empty(0)
        sizes = [entries(node) for node in graph.nodes if node.depends]
        self._frontier = graph.frontier()
        self._values, self._widest = 2 * sum(sizes) + sum(map(entries, self._frontier)), max(sizes)
        self._curved = [node for node in dependent if RULES[node.name].curved(node)]
        self._readers = {key: len(users) for key, users in graph.users().items()}
        self._readers[id(graph.result)] += 1
        self._constants: dict[int, dict[int, Any]] = {}
        self._peaks: dict[tuple[int, int], int] = {}

    def value(self, points: Tensor, *parameters: Tensor) -> Tensor:
        """F at the points (B, *S) by the graph, (B,); autograd may differentiate it by the points."""
        values = self._constants_for(points, parameters)
        values[id(self.graph.source)] = points
        for node in self.graph.nodes:
            if node.depends and node is not self.graph.source:
                values[id(node)] = call(node, points.shape[0], values)
        result: Tensor = values[id(self.graph.result)]
        return result

    def first_order(self, points: Tensor, parameters: Sequence[Tensor] = ()) -> tuple[Tensor, Tensor]:
        """F (B,) and its gradient by the points (B, *S) at points (B, *S) and parameters (B, *P_k)."""
        found = evaluate(self.graph, (), points, self._constants_for(points, parameters))
        return found.values[id(self.graph.result)], found.gradient

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
        """The value, the gradient along units and the Hessian over units at each point.

        Shapes: points (B, *S); delta (*S) or (B, *S); groups (*P) or (B, *P), with P the leading axes of S that are
        positions: the unit of each, −1 for none. `rows` keeps some rows of the Hessian (it saves no work).
        `limit` is in bytes: points, and if one point does not fit, pairs of chunks of units follow one another.
        `parameters` (B, *P_k) are the further arguments of f, as `trace` was given them, of each point.

        Raises `UsageError` for shapes that do not go together, `DeviceError` where two units at one point do not fit.
        """
        self._require_fitting(points, parameters)
        self._require_shapes(points, delta, groups)
        at_once = points.shape[0] if limit is None else self.nodes_within(limit, units)
        parts = []
        for first in range(0, points.shape[0], at_once):
            chunk = slice(first, first + at_once)
            some_delta = delta if delta.dim() == len(self.shape) else delta[chunk]
            some_groups = groups if groups.dim() == len(self.positions) else groups[chunk]
            some = tuple(parameter[chunk] for parameter in parameters)
            parts.append(self._chunk((points[chunk], some), some_delta, some_groups, units, limit))
        value, gradient, hessian = (torch.cat(column) for column in zip(*parts, strict=True))
        return SecondOrder(value, gradient, hessian if rows is None else hessian[:, rows])

    def bytes_per_node(self, units: int, nodes: int = 1) -> int:
        """About the most memory that points take: living tangents, what an operation works in, values, adjoints."""
        together = min(nodes, self._together(units))
        if (units, together) not in self._peaks:
            self._peaks[units, together] = peak(self.steps, self._readers, units * together, self._like)
        values = nodes * self._values + 4 * nodes * units * units
        return int(self.dtype.itemsize * (self._peaks[units, together] + values))

    def nodes_within(self, limit: int, units: int) -> int:
        """The most points that fit, at least one."""
        nodes = 1
        while nodes < _MOST_NODES and self.bytes_per_node(units, nodes + 1) <= limit:
            nodes += 1
        return nodes

    def sweeps(self, units: int, limit: int) -> float:
        """How often a tangent is carried within a limit: in pairs of chunks more than once; infinity if no two fit."""
        try:
            most = self._units_within(limit, units)
        except DeviceError:
            return math.inf
        return 1 if most >= units else -(-units // (most // 2)) - 1

    def _together(self, units: int) -> int:
        """Points whose tangents are carried at once: as many as fit the cache."""
        room = TOGETHER if self._like.device.type == "cpu" else GPU_TOGETHER
        return max(1, room // (units * self._widest * self.dtype.itemsize))

    def _chunk(
        self,
        given: tuple[Tensor, tuple[Tensor, ...]],
        delta: Tensor,
        groups: Tensor,
        units: int,
        limit: int | None,
    ) -> tuple[Tensor, ...]:
        points, parameters = given
        evaluation = evaluate(self.graph, self._curved, points, self._constants_for(points, parameters))
        value = evaluation.values[id(self.graph.result)]
        most = units if limit is None else self._units_within(limit, units)
        with torch.no_grad():
            if most >= units:
                return value, *self._in_groups(evaluation, delta, groups, units)
            gradient = points.new_empty((points.shape[0], units))
            hessian = points.new_empty((points.shape[0], units, units))
            for left, right in combinations(torch.arange(units, device=points.device).split(most // 2), 2):  # type: ignore[no-untyped-call]
                chosen = torch.cat([left, right])
                numbers = groups.new_full((units + 1,), -1)
                numbers[chosen] = torch.arange(len(chosen), device=groups.device)
                some, block = self._in_groups(evaluation, delta, numbers[groups], len(chosen))
                gradient[:, chosen] = some
                hessian[:, chosen.unsqueeze(1), chosen] = block
        return value, gradient, hessian

    def _in_groups(self, evaluation: Evaluation, delta: Tensor, groups: Tensor, units: int) -> tuple[Tensor, Tensor]:
        batch, together = evaluation.gradient.shape[0], self._together(units)
        if together >= batch:
            return self._along(evaluation, delta, groups, units)
        parts = []
        for first in range(0, batch, together):
            chosen = slice(first, min(first + together, batch))
            some = evaluation.at(self.graph, chosen, self._constants_at(chosen.stop - first))
            own_delta = delta if delta.dim() == len(self.shape) else delta[chosen]
            own_groups = groups if groups.dim() == len(self.positions) else groups[chosen]
            parts.append(self._along(some, own_delta, own_groups, units))
        gradient, hessian = (torch.cat(column) for column in zip(*parts, strict=True))
        return gradient, hessian

    def _along(self, evaluation: Evaluation, delta: Tensor, groups: Tensor, units: int) -> tuple[Tensor, Tensor]:
        sweep = ForwardSweep(evaluation, delta, groups, units, self.positions)
        sweep.sweep(self.graph, self.steps, self._readers, lambda run, node: RULES[node.name].carry(run, node))
        return sweep.along(evaluation.gradient), sweep.hessian()

    def _units_within(self, limit: int, units: int) -> int:
        """The most units whose tangents fit at one point; at least two, since the Hessian is made of pairs."""
        most = units
        while most > 2 and self.bytes_per_node(most) > limit:  # noqa: PLR2004 - one pair
            most = max(2, most * 3 // 4)
        if most < units and self.bytes_per_node(most) > limit:
            message = (
                f"the tangents of two units at one point take {self.bytes_per_node(most)} bytes, the limit is {limit}: "
                "raise the limit, shorten the text or use a smaller model"
            )
            raise DeviceError(message)
        return most

    def _constants_for(self, points: Tensor, parameters: Sequence[Tensor]) -> dict[int, Any]:
        """What the operations on the points read besides: constants, and what depends on the parameters alone."""
        self._require_fitting(points, parameters)
        values = self._constants_at(points.shape[0])
        if not parameters:
            return values
        values.update((id(node), value.detach()) for node, value in zip(self.graph.parameters, parameters, strict=True))
        fixed = [node for node in self.graph.nodes if node.parametric and not node.depends]
        with torch.no_grad():
            for node in fixed:
                if id(node) not in values:
                    values[id(node)] = call(node, points.shape[0], values)
        for key in {id(node) for node in fixed} - {id(node) for node in self._frontier}:
            del values[key]
        return values

    def _constants_at(self, batch: int) -> dict[int, Any]:
        """What depends neither on the points nor on parameters, at one batch size."""
        if batch not in self._constants:
            if len(self._constants) >= _SIZES_KEPT:
                self._constants.clear()
            values: dict[int, Any] = {}
            with torch.no_grad():
                for node in self.graph.nodes:
                    if not node.depends and not node.parametric:
                        values[id(node)] = node.constant if node.constant is not None else call(node, batch, values)
            self._constants[batch] = values
        return dict(self._constants[batch])

    def _require_fitting(self, points: Tensor, parameters: Sequence[Tensor]) -> None:
        """Raise `UsageError` unless points and parameters have the shapes and types that were traced."""
        wanted = [(self.shape, self.dtype), *self.parameters]
        given = [(tuple(tensor.shape[1:]), tensor.dtype) for tensor in (points, *parameters)]
        if given != wanted or any(len(parameter) != len(points) for parameter in parameters):
            told = [f"{(len(tensor), *tensor.shape[1:])} of {tensor.dtype}" for tensor in (points, *parameters)]
            traced = [f"(B, {', '.join(map(str, shape))}) of {dtype}" for shape, dtype in wanted]
            message = (
                f"points and parameters of shapes {', '.join(told)} do not fit a program traced for "
                f"{', '.join(traced)}, with one B for all: trace once for each shape and type"
            )
            raise UsageError(message)

    def _require_shapes(self, points: Tensor, delta: Tensor, groups: Tensor) -> None:
        batch = points.shape[:1]
        fits = {
            f"delta {tuple(delta.shape)}": delta.shape in {torch.Size(self.shape), batch + self.shape},
            f"groups {tuple(groups.shape)}": groups.shape in {torch.Size(self.positions), batch + self.positions},
            f"delta of {delta.dtype}": delta.dtype == self.dtype,
        }
        wrong = [name for name, right in fits.items() if not right]
        if wrong:
            message = (
                f"{', '.join(wrong)} do not fit a program traced for points (B, {', '.join(map(str, self.shape))}) of "
                f"{self.dtype} with units of positions {self.positions}: trace once for each shape and type"
            )
            raise UsageError(message)


def trace(f: Function, example: Tensor, positions: int | None = None, parameters: Sequence[Tensor] = ()) -> Program:
    """Trace f(points, *parameters): (B, *S) and (B, *P_k) → (B,) into a program for any batch.

    The first point of the batch `example` serves, and the first entries of `parameters`: floating-point tensors that
    no derivative is wanted of, whose values are given anew in each call of the program.
    `positions` is the number of leading axes of S by which units are told apart: all but the last, or the only one.
    Baked in are S, P_k, the dtypes, the device, and whatever f closes over (weights by reference until folded; target
    index, token types, masks). Raises `Untraceable` with the operations that stand in the way.
    """
    point, *others = (tensor.detach()[:1] for tensor in (example, *parameters))
    axes = positions if positions is not None else max(1, example.dim() - 2)
    if any(not other.is_floating_point() for other in others):
        message = f"parameters must be of a floating-point type; given {', '.join(str(o.dtype) for o in others)}"
        raise UsageError(message)
    try:
        program = _traced(f, point, others, axes)
        nonzero = torch.where(point == 0, torch.ones_like(point), point)  # zeros would hide every difference
        _require_same(f, program, nonzero, others)
        _require_curvature(f, program, nonzero, others)
    except IhError:
        raise
    except Exception as error:
        message = (
            f"the engine fails on this computation: {type(error).__name__}: {next(iter(str(error).split(chr(10))))}"
        )
        raise Untraceable(message) from error
    return program


def _traced(f: Function, point: Tensor, parameters: Sequence[Tensor], axes: int) -> Program:
    graph = capture(f, point, parameters, _apart)
    simplify(graph, point, parameters)
    if len(graph.result.shape) != 1:
        message = f"the function must return shape (B,); for a batch of {SECOND} it returned {graph.result.shape}"
        raise Untraceable(message)
    _require_rules(graph)
    places(graph, point, axes)
    return Program(graph, point, axes)


def _unseen(parameter: Tensor, scales: Sequence[float]) -> Tensor:
    """A batch of parameters like one (1, *P) that was traced: scaled, and rolled along the first axis of P."""
    rolled = [scale * (parameter.roll(k, 1) if parameter.dim() > 1 else parameter) for k, scale in enumerate(scales, 1)]
    return torch.cat(rolled)


def _require_same(f: Function, program: Program, point: Tensor, parameters: Sequence[Tensor]) -> None:
    """The program must give f's values at a batch size that it was not traced at, on points it has not seen."""
    scales = torch.tensor([1.0, 0.5, -0.25, 0.75], dtype=point.dtype, device=point.device)
    points = point * scales.view(-1, *(1,) * (point.dim() - 1))
    others = [_unseen(parameter, (1.0, 0.9, 1.1, 0.8)) for parameter in parameters]
    with torch.no_grad():
        expected, found = f(points, *others), program.value(points, *others)
    # Models cast to float32 on the way, which the program leaves out.
    if expected.shape != found.shape or not torch.allclose(expected, found, rtol=1e-4, atol=1e-5, equal_nan=True):
        message = (
            f"the traced computation gives {found.tolist()} where the function gives {expected.tolist()}: "
            "it depends on the batch, on its state or on chance"
        )
        raise Untraceable(message)


def _require_curvature(f: Function, program: Program, point: Tensor, parameters: Sequence[Tensor]) -> None:
    """One product H·z of the program must be that of reverse over reverse, so that no difference is ever silent."""
    axes, units = len(program.positions), 3
    points = torch.cat([point * 0.9, point * 0.4])
    count = torch.arange(torch.Size(program.positions).numel(), device=point.device)
    groups = (count % (units + 1) - 1).view(program.positions)
    others = [_unseen(parameter, (0.9, 1.1)) for parameter in parameters]
    found = program.second_order(points, point[0], groups, units, parameters=others)
    signs = torch.tensor([1.0, -1.0, 1.0, 0.0], dtype=point.dtype, device=point.device)
    direction = point * signs[groups].view(*program.positions, *(1,) * (point.dim() - 1 - axes))
    with torch.enable_grad():
        source = points.requires_grad_()
        try:
            (gradient,) = torch.autograd.grad(f(source, *others).sum(), source, create_graph=True)
            slope = (gradient * direction).sum()
            second = torch.autograd.grad(slope, source)[0] if slope.requires_grad else torch.zeros_like(points)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:
            return  # nothing to compare with: a fused operation without a double backward
    member = torch.nn.functional.one_hot(groups.flatten() + 1, units + 1)[:, 1:].to(point.dtype)
    expected = (second.detach() * point).reshape(len(points), len(count), -1).sum(-1) @ member
    gap, largest = float((found.hessian @ signs[:units] - expected).abs().max()), float(found.hessian.abs().max())
    rounding = 1e3 * torch.finfo(point.dtype).eps * max(1.0, float(found.value.abs().max()))
    if not gap <= _GAP * (largest + 1e-3 * float(found.gradient.abs().max())) + rounding:  # nor may it be NaN
        message = (
            f"a product of the Hessian differs from reverse over reverse by {gap:.1e} (its largest entry is "
            f"{largest:.1e}): some rule does not fit this computation"
        )
        raise Untraceable(message)


def kinks(f: Function, example: Tensor) -> list[str]:
    """The operations with a kink that depends on the input, by name, as often as they stand in the computation."""
    graph = capture(f, example, (), lambda _: None)
    without_mutation(graph)
    graph.live()
    return [node.name.rstrip("_") for node in graph.nodes if node.depends and node.name.rstrip("_") in KINKS]


def _apart(target: Any) -> Callable[..., Any] | None:
    """What an operation without a rule is made of."""
    name = target._schema.name.removeprefix("aten::").rstrip("_")  # noqa: SLF001
    return None if name in RULES.keys() | KINKS | SHAPES else parts(target)


def _require_rules(graph: Graph) -> None:
    missing = {
        node.name: why for node in graph.nodes if node.depends and node is not graph.source and (why := _obstacle(node))
    }
    if missing:
        message = "no second derivatives through " + ", ".join(
            f"{name} ({why})" for name, why in sorted(missing.items())
        )
        raise Untraceable(message)


def _obstacle(node: Node) -> str:
    """Why a node cannot be differentiated twice by this engine; empty if it can."""
    if node.name in KINKS:
        return "a kink, whose curvature no derivative sees: smooth it before"
    if node.name not in RULES:
        return "no rule" if node.name != "getitem" else ""
    if node.name == "where" and isinstance(node.args[0], Node) and node.args[0].depends:
        return "its condition depends on the input"
    others = any(source.depends for source in nodes_in((node.args[1:], node.kwargs)))
    if node.name in FIRST_ONLY and (others or not (isinstance(node.args[0], Node) and node.args[0].depends)):
        return "no rule where another than the first argument depends on the input"
    if RULES[node.name].kind == "bilinear" and node.name != "mul" and any(len(arg.shape) < 2 for arg in node.sources()):  # noqa: PLR2004
        return "no rule for vectors"
    return ""
