"""One forward sweep over the tangents of all units: the arithmetic that the rules share."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ihcli.curvature.graph import Graph, Node, call, plain, resolved
from ihcli.curvature.products import pair_sum, square_sum
from ihcli.curvature.tiling import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Carry = Callable[["ForwardSweep", Node], Tensor]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The values of all nodes at B points, the adjoints of the curved ones, and the gradient at the points (B, *S)."""

    values: dict[int, Any]
    adjoints: dict[int, Tensor]
    gradient: Tensor

    def at(self, graph: Graph, chosen: slice, constants: dict[int, Any]) -> Evaluation:
        """Some of the points; `constants` are those of a batch of so many, whatever the parameters."""
        batch = self.gradient.shape[0]
        nodes = {id(node): node for node in graph.nodes if node.depends or node.parametric}
        values = _Cut(constants, lambda key: samples(self.values[key], nodes[key], batch, chosen))
        adjoints = _Cut({}, lambda key: samples(self.adjoints[key], nodes[key], batch, chosen))
        return Evaluation(values, adjoints, self.gradient[chosen])


class _Cut(dict[int, Any]):
    """Values that are cut when they are first asked for: the rules read few of them."""

    def __init__(self, known: dict[int, Any], cut: Callable[[int], Tensor]) -> None:
        super().__init__(known)
        self.cut = cut

    def __missing__(self, key: int) -> Tensor:
        self[key] = value = self.cut(key)
        return value


def samples(value: Tensor, node: Node, batch: int, chosen: slice) -> Tensor:
    """Some samples of the value of a node."""
    if plain(node):
        return value[chosen]
    size = value.shape[node.axis]
    if size != node.outer * batch * node.inner:
        return value
    split: Tensor = value.unflatten(node.axis, (node.outer, batch, node.inner))  # type: ignore[no-untyped-call]
    return split[(slice(None),) * (node.axis + 1) + (chosen,)].flatten(node.axis, node.axis + 2)


def evaluate(graph: Graph, curved: Sequence[Node], points: Tensor, constants: dict[int, Any]) -> Evaluation:
    """The values, and by one ordinary backward pass the adjoint ∂f/∂y of every result y that a curved rule reads."""
    values = dict(constants)
    with torch.enable_grad():
        source = points.detach().requires_grad_()
        values[id(graph.source)] = source
        for node in graph.nodes:
            if node.depends and node is not graph.source:
                values[id(node)] = call(node, points.shape[0], values)
        wanted = [source, *(values[id(node)] for node in curved)]
        result = values[id(graph.result)]
        if result.requires_grad:
            found = torch.autograd.grad(result.sum(), wanted, allow_unused=True, materialize_grads=True)
        else:
            found = tuple(torch.zeros_like(value) for value in wanted)
    adjoints = {id(node): adjoint for node, adjoint in zip(curved, found[1:], strict=True)}
    return Evaluation({key: _detached(value) for key, value in values.items()}, adjoints, found[0])


class ForwardSweep:
    """The tangents of one batch of points and the half of the Hessian gathered so far: what the rules work with.

    The Hessian is H = A + Aᵀ: every rule adds to A (`half`) one of its two symmetric terms. What compact tangents add
    lies on the diagonal and is gathered by position (`local`).
    """

    def __init__(
        self, evaluation: Evaluation, delta: Tensor, groups: Tensor, units: int, positions: tuple[int, ...]
    ) -> None:
        """Start with the input's tangent δ (*S) or (B, *S), unit u's on the positions where `groups` is u."""
        gradient = evaluation.gradient
        self.units, self.batch, self.delta = units, gradient.shape[0], delta
        self.values, self.adjoints = evaluation.values, evaluation.adjoints
        self.half = gradient.new_zeros((self.batch, units, units))
        self.local = gradient.new_zeros((self.batch, *positions))
        self.groups = groups
        numbers = torch.arange(units, device=groups.device).view(-1, *(1,) * groups.dim())
        self.member = (groups.unsqueeze(0) == numbers).to(gradient.dtype)
        self.tangents: dict[int, Tensor] = {}
        self.owners: Counter[int] = Counter()
        self.left: dict[int, int] = {}
        self.windows: dict[int, tuple[int, int]] = {}
        self.collect: Callable[[Node, Tensor], None] | None = None

    def value(self, node: Node) -> Any:
        """The value of a node at the points."""
        return self.values[id(node)]

    def adjoint(self, node: Node) -> Tensor:
        """∂f/∂(the node's result)."""
        return self.adjoints[id(node)]

    def arguments(self, node: Node) -> tuple[Any, ...]:
        """The arguments of a node, values in the place of nodes."""
        return tuple(resolved(node.args, self.batch, self.values))

    def keywords(self, node: Node) -> dict[str, Any]:
        """The keyword arguments of a node, values in the place of nodes."""
        return dict(resolved(node.kwargs, self.batch, self.values))

    # ----------------------------------------------------------------------------------------------- tangents

    def compact(self, node: Node) -> bool:
        """Whether one tensor of the node's own shape holds the tangents of all units, each on its own positions."""
        return node.places is not None

    def tangent(self, source: Any, reader: Node) -> Any:
        """The tangents of a node in the form that a reader wants; None for what does not depend on the input."""
        if not isinstance(source, Node) or not source.depends:
            return None
        tangent = self.tangents[id(source)]
        if source.places is None or reader.places is not None or reader.info.get("masked"):
            return tangent
        after = min(min(source.places) + 1, tangent.dim() - 1)
        return self._expanded(tangent, source.places, after).movedim(after, 0)

    def tangent_before_last(self, source: Node) -> Tensor:
        """The tangents of a node with the units' axis before the last, (…, U, k)."""
        tangent = self.tangents[id(source)]
        if source.places is None:
            return tangent.movedim(0, -2)
        return self._expanded(tangent, source.places, tangent.dim() - 1)

    def _expanded(self, tangent: Tensor, places: tuple[int, ...], axis: int) -> Tensor:
        """From one tensor for all units to one for each, the units' axis at a place, where it lies in memory too."""
        member = self.membership(tangent.shape, places)
        out = tangent.new_empty((*tangent.shape[:axis], self.units, *tangent.shape[axis:]))
        return torch.mul(tangent.unsqueeze(axis), member.movedim(0, axis), out=out)

    def membership(self, shape: torch.Size, places: tuple[int, ...]) -> Tensor:
        """Ones where a position is in a unit, (U, …), to broadcast over a value of some shape: cut where that is."""
        member = self.member if self.groups.dim() == len(places) else self.member.unsqueeze(1)
        order = sorted(range(len(places)), key=lambda k: places[k])
        member = member.permute(0, *(k + 1 for k in order))
        sizes = [1] * len(shape)
        for at, k in enumerate(order):
            sizes[places[k]] = member.shape[1 + at]
        made = member.reshape(self.units, *sizes)
        for axis, window in self.windows.items():
            if axis in places and sizes[axis] > shape[axis]:
                made = made.narrow(axis + 1, *window)
        return made

    def spent(self, source: Node, reader: Node) -> bool:
        """Whether the reader may overwrite the source's tangent: nothing else reads this memory afterwards."""
        if source.places is not None and reader.places is None:
            return True
        tangent = self.tangents[id(source)]
        if self.left[id(source)] > 1 or self.owners[_memory(tangent)] > 1:
            return False
        return all(stride > 0 or size < 2 for size, stride in zip(tangent.shape, tangent.stride(), strict=True))  # noqa: PLR2004

    def aligned(self, tangent: Tensor, source: Node, node: Node) -> Tensor:
        """Axes of size one after the units, so that the tangent broadcasts as its value does."""
        missing = len(node.shape) - len(source.shape)
        if missing <= 0 or node.places is not None:
            return tangent
        return tangent.reshape(tangent.shape[0], *(1,) * missing, *tangent.shape[1:])

    def widened(self, tangent: Tensor, node: Node) -> Tensor:
        """The tangent at the full shape of the node's value."""
        shape = self.value(node).shape
        return tangent.expand(shape if node.places is not None else (self.units, *shape))

    def sweep(self, graph: Graph, steps: Sequence[Node | Segment], readers: dict[int, int], carry: Carry) -> None:
        """Carry the tangents through the graph, adding every second-order term; forget each after its last reader."""
        self.left = dict(readers)
        self.owners[_memory(self.delta)] += 1  # the caller's
        self._keep(graph.source, self.delta.expand(self.value(graph.source).shape))
        for step in steps:
            self._take(step, carry)

    def _take(self, step: Node | Segment, carry: Carry) -> None:
        if isinstance(step, Segment):
            self._run(step, carry)
        else:
            self._made(step, carry(self, step))
            self._release(step)

    def _made(self, node: Node, tangent: Tensor) -> None:
        if self.collect is not None:
            self.collect(node, tangent)
        if id(node) in self.left:
            self._keep(node, tangent)

    def _release(self, node: Node) -> None:
        for source in node.needs:
            self.left[id(source)] -= 1
            if not self.left[id(source)] and id(source) in self.tangents:
                self._forget(source)

    def _run(self, segment: Segment, carry: Carry) -> None:
        """Block by block; what is read outside is written into whole tensors, in the order of memory of the blocks."""
        length = segment.length(self.units * self.batch, self.half)
        if length == segment.size:
            for step in segment.steps:
                self._take(step, carry)
            return
        whole: dict[int, Tensor] = {}
        for start in range(0, segment.size, length):
            part = self._part(segment, (start, min(length, segment.size - start)), whole)
            for step in segment.steps:
                part._take(step, carry)  # noqa: SLF001 - one of its kind
        for node in segment.nodes:
            if id(node) in whole:
                self._made(node, whole[id(node)])
        for node in segment.nodes:
            self._release(node)

    def _part(self, segment: Segment, window: tuple[int, int], whole: dict[int, Tensor]) -> ForwardSweep:
        """The same pass over a part of an axis: values, adjoints and arguments cut, sums shared, outputs collected."""
        part, axis = copy.copy(self), segment.axis
        part.windows = {**self.windows, axis: window}
        part.tangents, part.owners, part.left = {}, Counter(), dict(segment.readers)
        part.values, part.adjoints = {}, {}
        for node in (*segment.inputs, *segment.nodes):
            cut = segment.cuts.get(id(node))
            value = self.values[id(node)]
            part.values[id(node)] = value if cut is None else value.narrow(cut, *window)
        for node in segment.curved:
            part.adjoints[id(node)] = self.adjoints[id(node)].narrow(axis, *window)
        for node in segment.inputs:
            if node.depends:
                tangent, cut = self.tangents[id(node)], segment.cuts.get(id(node))
                at = 0 if cut is None else cut + (node.places is None)
                part._keep(node, tangent if cut is None else tangent.narrow(at, *window))  # noqa: SLF001
                part.left[id(node)] += 1  # never overwritten

        def collect(node: Node, tangent: Tensor) -> None:
            if id(node) in segment.outputs:
                out = whole.setdefault(id(node), _like(tangent, axis + 1, segment.size))
                out.narrow(axis + 1, *window).copy_(tangent)

        part.collect = collect
        return part

    def _keep(self, node: Node, tangent: Tensor) -> None:
        self.tangents[id(node)] = tangent
        self.owners[_memory(tangent)] += 1

    def _forget(self, node: Node) -> None:
        self.owners[_memory(self.tangents.pop(id(node)))] -= 1

    # -------------------------------------------------------------------------------------- second-order terms

    def square_term(self, node: Node, tangent: Tensor, weight: Tensor, *, compact: bool | None = None) -> None:
        """Add Σ weight · ż_u ż_v to one half of the Hessian."""
        if self.compact(node) if compact is None else compact:
            self._local_term(node, tangent.square() * weight)
        else:
            square_sum(self, node, tangent, weight)

    def pair_term(self, node: Node, left: Tensor, right: Tensor) -> None:
        """Add Σ l_u r_v to one half of the Hessian."""
        if self.compact(node):
            self._local_term(node, left * right)
        else:
            pair_sum(self, node, left, right)

    def _local_term(self, node: Node, term: Tensor) -> None:
        places = node.places or ()
        others = [axis for axis in range(term.dim()) if axis not in places]
        summed = term.sum(others, keepdim=True) if others else term
        self.local += summed.permute(*places, *others).reshape(self.local.shape)

    def hessian(self) -> Tensor:
        """H (B, U, U) from its half, symmetric to the last bit."""
        half = self.half + torch.diag_embed(self._by_unit(self.local))
        return half + half.transpose(1, 2)

    def along(self, gradient: Tensor) -> Tensor:
        """g_u (B, U) from the gradient at the points."""
        product = gradient * self.delta
        return self._by_unit(product.flatten(self.local.dim()).sum(-1) if product.dim() > self.local.dim() else product)

    def _by_unit(self, positions: Tensor) -> Tensor:
        """Sums over the positions (B, …) of each unit, (B, U)."""
        equation = "b...,u...->bu" if self.groups.dim() < self.local.dim() else "b...,ub...->bu"
        return torch.einsum(equation, positions, self.member)


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value


def _like(tangent: Tensor, axis: int, size: int) -> Tensor:
    """A tensor of another size along one axis, its axes in the same order of memory."""
    strides = tangent.stride()
    order = sorted(range(tangent.dim()), key=lambda k: -strides[k])
    shape = [size if k == axis else tangent.shape[k] for k in order]
    return tangent.new_empty(shape).permute(*(order.index(k) for k in range(tangent.dim())))


def _memory(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)  # noqa: SLF001
