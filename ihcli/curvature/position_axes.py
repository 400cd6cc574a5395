"""Where positions have not been combined: the analysis behind tangents that are one tensor for all units.

As long as operations act on each position alone, the tangents of different units have disjoint support, so one tensor
of the value's own shape holds all of them.
"""

from collections.abc import Sequence

from ihcli.curvature.graph import Graph, Node
from ihcli.curvature.operation_rules import RULES


def find_position_axes(graph: Graph, axes: int) -> None:
    """Set `position_axes` and `between_positions` of every node; the points have `axes` axes of positions."""
    graph.source.position_axes = tuple(range(axes + 1))
    for node in graph.dependent():
        node.position_axes = _position_axes(node, graph.source.shape[: axes + 1])
        node.between_positions = axes == 1 and _between_positions(node)


def _position_axes(node: Node, sizes: Sequence[int]) -> tuple[int, ...] | None:
    """The axes of (batch, positions…) in the result of a node; None if it combines positions, or if they have been."""
    arguments = {index: argument for index, argument in enumerate(node.args) if isinstance(argument, Node)}
    sources = {index: argument for index, argument in arguments.items() if argument.depends}
    if not sources or any(source.position_axes is None for source in sources.values()):
        return None
    followed = [RULES[node.name].axis_behaviour.arguments(node, axis) for axis in range(len(node.shape))]
    axes: list[int] = []
    for k, size in enumerate(sizes):
        own = {index: (source.position_axes or ())[k] for index, source in sources.items()}
        matching = [
            axis
            for axis, places in enumerate(followed)
            if node.shape[axis] == size and places is not None and own.items() <= places.items()
        ]
        if len(matching) != 1:
            return None
        axes += matching
    return tuple(axes)


def _between_positions(node: Node) -> bool:
    """Whether a node is the product (…, T, k) by (…, k, T) of positions with positions, as of queries with keys."""
    if node.name != "matmul":
        return False
    left, right = node.args[:2]
    rank = len(node.shape)
    if left.position_axes != (0, rank - 2) or right.position_axes != (0, rank - 1):
        return False
    return bool(left.shape[:-2] == right.shape[:-2])
