"""Shapes of all nodes, and how the samples of a batch lie in them."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ihcli.curvature.capture import SECOND
from ihcli.curvature.graph import Affine, Graph, Node, call
from ihcli.curvature.tracer import Untraceable


def find_shapes(graph: Graph) -> None:
    """Set the shape of every node, and the axis that grows with the batch; raises `Untraceable` if there is none."""
    frontier = {id(node) for node in graph.frontier()}
    for node in graph.nodes:
        node.shape = tuple(size.at(SECOND) if isinstance(size, Affine) else size for size in node.sizes)
        growing = [(axis, size) for axis, size in enumerate(node.sizes) if isinstance(size, Affine)]
        if not node.depends and id(node) not in frontier:
            continue
        if len(growing) != 1 or growing[0][1].offset:
            message = (
                f"{node.name} combines the samples of a batch: its result of shape {node.shape} has no axis of samples"
            )
            raise Untraceable(message)
        node.batch_axis = growing[0][0]


def find_batch_layout(graph: Graph, inputs: Sequence[Tensor]) -> None:
    """Set how the samples lie in their axis, (outer, B, inner), by changing one of four equal samples.

    Raises `Untraceable` if the values of other samples change. `inputs` are points and parameters, of which the first
    sample serves.
    """
    equal = [torch.cat([tensor[:1]] * 4) for tensor in inputs]
    other = [torch.cat([tensor[:1], tensor[:1] * 0.75 + 0.125, tensor[2:]]) for tensor in equal]
    frontier = {id(node) for node in graph.frontier()}
    for (node, before), (_, after) in zip(_in_turn(graph, equal), _in_turn(graph, other), strict=True):
        if not node.depends and id(node) not in frontier:
            continue
        size = before.shape[node.batch_axis]
        changed = (after != before).movedim(node.batch_axis, 0).reshape(size, -1).any(1)
        entries = size // 4
        candidates = (outer for outer in range(1, entries + 1) if not entries % outer)
        fitting = (outer for outer in candidates if not changed.view(outer, 4, -1)[:, [0, 2, 3]].any())
        node.outer = next(fitting, 0)
        if not node.outer:
            message = f"{node.name} combines the samples of a batch"
            raise Untraceable(message)
        node.inner = entries // node.outer


def node_values(graph: Graph, inputs: Sequence[Tensor]) -> dict[int, Any]:
    """The values of all nodes, by id, at points and parameters."""
    return {id(node): value for node, value in _in_turn(graph, inputs)}


def _in_turn(graph: Graph, inputs: Sequence[Tensor]) -> Iterator[tuple[Node, Any]]:
    """Each node and its value at points and parameters, which is let go once its last reader has been computed."""
    last = {id(source): node for node in graph.nodes for source in node.sources()}
    sources = (graph.source, *graph.parameters)
    values: dict[int, Any] = {id(node): value for node, value in zip(sources, inputs, strict=True)}
    for node in graph.nodes:
        if id(node) not in values:
            with torch.no_grad():
                values[id(node)] = node.constant if node.constant is not None else call(node, len(inputs[0]), values)
        yield node, values[id(node)]
        for source in node.sources():
            if last[id(source)] is node:
                values.pop(id(source), None)
