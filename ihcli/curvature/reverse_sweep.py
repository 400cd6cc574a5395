"""The values of all nodes at a batch of points, and one backward pass for the adjoints that the rules read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ihcli.curvature.graph import Graph, Node, call


@dataclass(frozen=True, slots=True)
class ReverseSweep:
    """The values of all nodes at B points, the adjoints of some, and the gradient at the points (B, *S)."""

    values: dict[int, Any]
    adjoints: dict[int, Tensor]
    gradient: Tensor

    def at(self, graph: Graph, chosen: slice, constants: dict[int, Any]) -> "ReverseSweep":
        """The same for some of the points; `constants` are those of a batch of this size."""
        batch = self.gradient.shape[0]
        nodes = {id(node): node for node in graph.nodes if node.depends or node.parametric}
        values = _ComputedWhenRead(constants, lambda key: _samples(self.values[key], nodes[key], batch, chosen))
        adjoints = _ComputedWhenRead({}, lambda key: _samples(self.adjoints[key], nodes[key], batch, chosen))
        return ReverseSweep(values, adjoints, self.gradient[chosen])


def reverse_sweep(graph: Graph, curved: Sequence[Node], points: Tensor, constants: dict[int, Any]) -> ReverseSweep:
    """Evaluate the graph, and by one backward pass the adjoint ∂f/∂y of the result y of every node in `curved`."""
    values = dict(constants)
    with torch.enable_grad():
        source = points.detach().requires_grad_()
        values[id(graph.source)] = source
        for node in graph.dependent():
            values[id(node)] = call(node, points.shape[0], values)
        wanted = [source, *(values[id(node)] for node in curved)]
        result = values[id(graph.result)]
        if result.requires_grad:
            gradients = torch.autograd.grad(result.sum(), wanted, allow_unused=True, materialize_grads=True)
        else:
            gradients = tuple(torch.zeros_like(value) for value in wanted)
    adjoints = {id(node): adjoint for node, adjoint in zip(curved, gradients[1:], strict=True)}
    detached = {key: value.detach() if isinstance(value, Tensor) else value for key, value in values.items()}
    return ReverseSweep(detached, adjoints, gradients[0])


class _ComputedWhenRead(dict[int, Any]):
    """Entries that are computed when they are first read: the rules read few of them."""

    def __init__(self, known: dict[int, Any], compute: Callable[[int], Tensor]) -> None:
        super().__init__(known)
        self.compute = compute

    def __missing__(self, key: int) -> Tensor:
        self[key] = value = self.compute(key)
        return value


def _samples(value: Tensor, node: Node, batch: int, chosen: slice) -> Tensor:
    """The part of a node's value that belongs to some of the samples."""
    if node.batch_first:
        return value[chosen]
    split: Tensor = value.unflatten(node.batch_axis, (node.outer, batch, node.inner))  # type: ignore[no-untyped-call]
    return split[(slice(None),) * (node.batch_axis + 1) + (chosen,)].flatten(node.batch_axis, node.batch_axis + 2)
