"""Moves the selection of one position towards the input, so that other positions are computed only where needed.

The last layer of a classifier is then computed only for the token that the head reads.
"""

import torch

from ihcli.curvature.graph import Graph, Node
from ihcli.curvature.operation_rules import RULES

aten = torch.ops.aten


def move_selections(graph: Graph) -> None:
    """Rewrite op(a, b)[i] as op(a[i], b[i]) wherever the operation acts independently along the axis."""
    while _move_one(graph):
        pass


def _move_one(graph: Graph) -> bool:
    """Move one selection before the operation whose result it reads; False if there is none to move."""
    readers = graph.readers()
    for node in graph.nodes:
        if node.name not in {"select", "narrow_to_one"} or not node.depends or node.args[0] is graph.source:
            continue
        source = node.args[0]
        axis, index = node.args[1] % len(source.shape), node.args[2]
        others = [reader for reader in readers[id(source)] if reader is not node]
        if node.name == "select":
            if others or source.shape[axis] == 1 or _followed(source, axis) is None:
                continue
            node.args = (_narrowed(graph, node, source, axis, index % source.shape[axis]), axis, 0)
            return True
        if not others and _followed(source, axis) is not None:
            _move_before(graph, node, source, axis, index)
            return True
        for other in others:
            if other.name == "narrow_to_one" and other.args == node.args:
                graph.replace(other, node)
                graph.nodes.remove(other)
                # The remaining node must precede every reader of the other.
                graph.nodes.remove(node)
                graph.nodes.insert(graph.nodes.index(source) + 1, node)
                return True
    return False


def _followed(node: Node, axis: int) -> dict[int, int] | None:
    """The axes of the arguments on which a selection can be made instead; None if there are none."""
    if not node.depends or axis == node.batch_axis or node.name == "narrow_to_one" or node.name not in RULES:
        return None
    return RULES[node.name].axis_behaviour.arguments(node, axis)


def _move_before(graph: Graph, selection: Node, node: Node, axis: int, index: int) -> None:
    args = list(node.args)
    for place, own in (_followed(node, axis) or {}).items():
        if args[place].shape[own] > 1:
            args[place] = _narrowed(graph, node, args[place], own, index)
    if RULES[node.name].axis_behaviour.takes_shape:
        args[1] = [*args[1][:axis], 1, *args[1][axis + 1 :]]
    node.args = tuple(args)
    node.shape, node.sizes = selection.shape, selection.sizes
    graph.replace(selection, node)
    graph.nodes.remove(selection)


def _narrowed(graph: Graph, before: Node, source: Node, axis: int, index: int) -> Node:
    """A new node, placed before another, that keeps one entry along an axis."""
    node = Node("narrow_to_one", aten.narrow.default, (source, axis, index, 1), {}, dtype=source.dtype)
    node.depends, node.parametric, node.batched = source.depends, source.parametric, source.batched
    node.shape = (*source.shape[:axis], 1, *source.shape[axis + 1 :])
    node.sizes = [*source.sizes[:axis], 1, *source.sizes[axis + 1 :]]
    node.batch_axis = source.batch_axis
    graph.insert_before(before, node)
    return node
