"""The forward sweep over the tangents of all units, and what it offers to the rules."""

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ihcli.curvature.graph import Graph, Node, resolve
from ihcli.curvature.matrix_products import add_batched_product, add_square_sum
from ihcli.curvature.reverse_sweep import ReverseSweep
from ihcli.curvature.segments import Segment

Carry = Callable[["ForwardSweep", Node], Tensor]
"""Applies the rule of a node: returns its tangents and adds its second-order term."""


class ForwardSweep:
    """The tangents at one batch of points, and the part of the Hessian that has been accumulated.

    The Hessian is H = A + Aᵀ: each rule adds one of its two mirrored terms to A. The tangents of all units are one
    tensor (U, *shape), or, where positions have not been combined (`Node.position_axes`), one tensor of the value's
    shape, in which each position holds the tangent of its own unit. Terms of the latter lie on the diagonal and are
    accumulated by position.
    """

    def __init__(
        self, reverse: ReverseSweep, delta: Tensor, groups: Tensor, units: int, positions: tuple[int, ...]
    ) -> None:
        """Start with the tangent δ (*S) or (B, *S) of the points, that of unit u at the positions of group u."""
        gradient = reverse.gradient
        self.units, self.batch, self.delta = units, gradient.shape[0], delta
        self.values, self.adjoints = reverse.values, reverse.adjoints
        self.half_hessian = gradient.new_zeros((self.batch, units, units))
        """A (B, U, U)."""
        self.by_position = gradient.new_zeros((self.batch, *positions))
        """The diagonal terms of A by position."""
        self.groups = groups
        numbers = torch.arange(units, device=groups.device).view(-1, *(1,) * groups.dim())
        self.membership = (groups.unsqueeze(0) == numbers).to(gradient.dtype)
        """One-hot unit membership of the positions, (U, *P) or (U, B, *P)."""
        self.tangents: dict[int, Tensor] = {}
        self.windows: dict[int, tuple[int, int]] = {}
        """Start and length of the current block along each axis that is cut."""
        self._storage_users: Counter[int] = Counter()
        self._reads_left: dict[int, int] = {}
        self._collect: Callable[[Node, Tensor], None] | None = None

    # ------------------------------------------------------------------------------------------- for the rules

    def value(self, node: Node) -> Any:
        """The value of a node at the points."""
        return self.values[id(node)]

    def adjoint(self, node: Node) -> Tensor:
        """∂f/∂y of the result y of a node; only where the rule is `curved`."""
        return self.adjoints[id(node)]

    def arguments(self, node: Node) -> tuple[Any, ...]:
        """The positional arguments of a node, with values in place of nodes."""
        return tuple(resolve(node.args, self.batch, self.values))

    def keywords(self, node: Node) -> dict[str, Any]:
        """The keyword arguments of a node, with values in place of nodes."""
        return dict(resolve(node.kwargs, self.batch, self.values))

    def tangent(self, source: Node, reader: Node) -> Tensor:
        """The tangents of a node that depends on the points, in the form that a reader needs."""
        tangent = self.tangents[id(source)]
        if source.position_axes is None or reader.position_axes is not None:
            return tangent
        axis = min(min(source.position_axes) + 1, tangent.dim() - 1)
        return self._for_each_unit(tangent, source.position_axes, axis).movedim(axis, 0)

    def tangent_before_last(self, source: Node) -> Tensor:
        """The tangents of a node with the axis of the units before the last, (…, U, k)."""
        tangent = self.tangents[id(source)]
        if source.position_axes is None:
            return tangent.movedim(0, -2)
        return self._for_each_unit(tangent, source.position_axes, tangent.dim() - 1)

    def membership_like(self, shape: torch.Size, axes: tuple[int, ...]) -> Tensor:
        """One-hot unit membership, narrowed to the current block, that broadcasts with a value of some shape.

        `axes` are those of (batch, positions…) in the value. Returns (U, …), of size one along the other axes.
        """
        member = self.membership if self.groups.dim() == len(axes) else self.membership.unsqueeze(1)
        order = sorted(range(len(axes)), key=lambda k: axes[k])
        member = member.permute(0, *(k + 1 for k in order))
        sizes = [1] * len(shape)
        for place, k in enumerate(order):
            sizes[axes[k]] = member.shape[1 + place]
        member = member.reshape(self.units, *sizes)
        for axis, window in self.windows.items():
            if axis in axes and sizes[axis] > shape[axis]:
                member = member.narrow(axis + 1, *window)
        return member

    def may_overwrite(self, source: Node, reader: Node) -> bool:
        """Whether a reader may overwrite the tangent of its argument, because nothing else reads this memory."""
        if source.position_axes is not None and reader.position_axes is None:
            return True  # it has just been expanded for this reader
        tangent = self.tangents[id(source)]
        if self._reads_left[id(source)] > 1 or self._storage_users[_storage(tangent)] > 1:
            return False
        return not _may_overlap(tangent)

    def aligned(self, tangent: Tensor, source: Node, node: Node) -> Tensor:
        """The tangent with further axes of size one, so that it broadcasts as the value of `source` does."""
        missing = len(node.shape) - len(source.shape)
        if missing <= 0:
            return tangent
        units = tangent.shape[: node.position_axes is None]
        return tangent.reshape(*units, *(1,) * missing, *tangent.shape[len(units) :])

    def expanded(self, tangent: Tensor, node: Node) -> Tensor:
        """The tangent expanded to the full shape of a node's value."""
        shape = self.value(node).shape
        return tangent.expand(shape if node.position_axes is not None else (self.units, *shape))

    def square_term(self, node: Node, tangent: Tensor, weight: Tensor, *, like: Node | None = None) -> None:
        """Add Σ weight · ż_u ż_v to A, for tangents with the axes of a node, or of `like`."""
        like = like or node
        if node.position_axes is not None:
            self._add_by_position(like, tangent.square() * weight)
            return
        rows = self._by_sample(tangent, like)
        weights = self._by_sample(weight.expand(tangent.shape[1:]).unsqueeze(0), like)
        add_square_sum(self.half_hessian, rows, rows * weights)

    def pair_term(self, node: Node, left: Tensor, right: Tensor) -> None:
        """Add Σ l_u r_v to A, for two factors with the axes of a node."""
        if node.position_axes is not None:
            self._add_by_position(node, left * right)
        else:
            add_batched_product(self.half_hessian, self._by_sample(left, node), self._by_sample(right, node).mT)

    # ----------------------------------------------------------------------------------------------- the sweep

    def run(
        self,
        graph: Graph,
        steps: Sequence[Node | Segment],
        reads: dict[int, int],
        carry: Carry,
    ) -> None:
        """Carry the tangents through the graph, adding every second-order term; free each after its last reader.

        `reads` are the numbers of readers by node id, and `carry` applies the rule of a node.
        """
        self._reads_left = dict(reads)
        self._storage_users[_storage(self.delta)] += 1  # the caller's
        self._store(graph.source, self.delta.expand(self.value(graph.source).shape))
        for step in steps:
            self._run_step(step, carry)

    def hessian(self) -> Tensor:
        """H (B, U, U), exactly symmetric."""
        half = self.half_hessian + torch.diag_embed(self._sum_by_unit(self.by_position))
        return half + half.transpose(1, 2)

    def gradient_by_unit(self, gradient: Tensor) -> Tensor:
        """g_u (B, U) from the gradient at the points."""
        product = gradient * self.delta
        more = product.dim() - self.by_position.dim()
        return self._sum_by_unit(product.flatten(self.by_position.dim()).sum(-1) if more else product)

    def _run_step(self, step: Node | Segment, carry: Carry) -> None:
        if isinstance(step, Segment):
            self._run_segment(step, carry)
        else:
            self._finish(step, carry(self, step))
            self._release_sources(step)

    def _run_segment(self, segment: Segment, carry: Carry) -> None:
        """Block by block; what is read outside is written into whole tensors, in the memory order of the blocks."""
        length = segment.block_length(self.units * self.batch, self.half_hessian)
        if length == segment.size:
            for step in segment.steps:
                self._run_step(step, carry)
            return
        outputs: dict[int, Tensor] = {}
        for start in range(0, segment.size, length):
            block = self._block(segment, (start, min(length, segment.size - start)), outputs)
            for step in segment.steps:
                block._run_step(step, carry)  # noqa: SLF001 - of this class
        for node in segment.nodes:
            if id(node) in outputs:
                self._finish(node, outputs[id(node)])
        for node in segment.nodes:
            self._release_sources(node)

    def _block(self, segment: Segment, window: tuple[int, int], outputs: dict[int, Tensor]) -> "ForwardSweep":
        """The same sweep on a part of an axis: arguments are narrowed, the Hessian is shared, outputs are collected."""
        block, axis = copy.copy(self), segment.axis
        block.windows = {**self.windows, axis: window}
        block.tangents, block._storage_users = {}, Counter()  # noqa: SLF001 - of this class
        block._reads_left = dict(segment.reads)  # noqa: SLF001
        block.values, block.adjoints = {}, {}
        for node in (*segment.inputs, *segment.nodes):
            cut = segment.cuts.get(id(node))
            value = self.values[id(node)]
            block.values[id(node)] = value if cut is None else value.narrow(cut, *window)
        for node in segment.curved:
            block.adjoints[id(node)] = self.adjoints[id(node)].narrow(axis, *window)
        for node in segment.inputs:
            if node.depends:
                tangent, cut = self.tangents[id(node)], segment.cuts.get(id(node))
                own = 0 if cut is None else cut + (node.position_axes is None)
                block._store(node, tangent if cut is None else tangent.narrow(own, *window))  # noqa: SLF001
                block._reads_left[id(node)] += 1  # noqa: SLF001 - so that it is never overwritten

        def collect(node: Node, tangent: Tensor) -> None:
            if id(node) in segment.outputs:
                whole = outputs.setdefault(id(node), _empty_like(tangent, axis + 1, segment.size))
                whole.narrow(axis + 1, *window).copy_(tangent)

        block._collect = collect  # noqa: SLF001
        return block

    def _finish(self, node: Node, tangent: Tensor) -> None:
        if self._collect is not None:
            self._collect(node, tangent)
        if id(node) in self._reads_left:
            self._store(node, tangent)

    def _release_sources(self, node: Node) -> None:
        for source in node.tangent_sources:
            self._reads_left[id(source)] -= 1
            if not self._reads_left[id(source)] and id(source) in self.tangents:
                self._storage_users[_storage(self.tangents.pop(id(source)))] -= 1

    def _store(self, node: Node, tangent: Tensor) -> None:
        self.tangents[id(node)] = tangent
        self._storage_users[_storage(tangent)] += 1

    # ------------------------------------------------------------------------------------------------- layouts

    def _for_each_unit(self, tangent: Tensor, axes: tuple[int, ...], axis: int) -> Tensor:
        """From one tensor for all units to one for each, with the units at `axis`, where they lie in memory too."""
        member = self.membership_like(tangent.shape, axes)
        out = tangent.new_empty((*tangent.shape[:axis], self.units, *tangent.shape[axis:]))
        return torch.mul(tangent.unsqueeze(axis), member.movedim(0, axis), out=out)

    def _by_sample(self, tangent: Tensor, node: Node) -> Tensor:
        """Tangents (U, *shape) as (B, U, n)."""
        if node.batch_first:
            return tangent.transpose(0, 1).reshape(self.batch, tangent.shape[0], -1)
        split: Tensor = tangent.unflatten(node.batch_axis + 1, (node.outer, self.batch, -1))  # type: ignore[no-untyped-call]
        return split.movedim(node.batch_axis + 2, 0).reshape(self.batch, tangent.shape[0], -1)

    def _add_by_position(self, node: Node, term: Tensor) -> None:
        axes = node.position_axes or ()
        others = [axis for axis in range(term.dim()) if axis not in axes]
        summed = term.sum(others, keepdim=True) if others else term
        self.by_position += summed.permute(*axes, *others).reshape(self.by_position.shape)

    def _sum_by_unit(self, positions: Tensor) -> Tensor:
        """Sums over the positions (B, …) of each unit, (B, U)."""
        equation = "b...,u...->bu" if self.groups.dim() < self.by_position.dim() else "b...,ub...->bu"
        return torch.einsum(equation, positions, self.membership)


def _empty_like(tangent: Tensor, axis: int, size: int) -> Tensor:
    """A tensor of another size along one axis, its axes in the same order of memory."""
    strides = tangent.stride()
    order = sorted(range(tangent.dim()), key=lambda k: -strides[k])
    shape = [size if k == axis else tangent.shape[k] for k in order]
    return tangent.new_empty(shape).permute(*(order.index(k) for k in range(tangent.dim())))


def _may_overlap(tensor: Tensor) -> bool:
    """Whether several entries may share memory, as in what `expand` and `unfold` return."""
    extent = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size > 1:
            if stride < extent:
                return True
            extent = stride * size
    return False


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)  # noqa: SLF001
