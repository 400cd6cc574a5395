"""What an operation does to the axes of its arguments. Each rule states it once.

Three analyses read it: `selections` moves the selection of a position towards the input, `position_axes` finds where
positions have not been combined, and `tiling` finds chains of operations that can run on a part of an axis.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ihcli.curvature.graph import Node


@dataclass(frozen=True, slots=True)
class AxisBehaviour:
    """What one operation does to axes."""

    arguments: Callable[[Node, int], dict[int, int] | None]
    """For a node and an axis of its result: the axis of each tensor argument, by its index in `args`, that corresponds.

    Entry i of the result along the axis is computed from entry i of these arguments along theirs. Arguments that are
    not listed are read as a whole. None if the operation combines entries along the axis.
    """
    takes_shape: bool = False
    """Whether the second argument is the shape of the result, which changes if only a part of an axis is computed."""


def reduced_axes(node: Node) -> tuple[list[int], bool]:
    """The axes that a sum, a mean or a logsumexp reduces, from the first, and whether the result keeps them."""
    rank = len(node.args[0].shape)
    axes = node.args[1] if len(node.args) > 1 else None
    axes = range(rank) if axes is None or axes == [] else [axes] if isinstance(axes, int) else axes
    keepdim = node.args[2] if len(node.args) > 2 else node.kwargs.get("keepdim", False)  # noqa: PLR2004
    return sorted(axis % rank for axis in axes) if rank else [], bool(keepdim)


def _combining(combined: Callable[[Node], Iterable[int]]) -> AxisBehaviour:
    """The behaviour of an operation of one argument that combines some axes and leaves the others where they are."""

    def arguments(node: Node, axis: int) -> dict[int, int] | None:
        rank = len(node.shape)
        return None if axis in {own % rank for own in combined(node)} else {0: axis}

    return AxisBehaviour(arguments)


def _broadcast(node: Node, axis: int) -> dict[int, int]:
    """Shapes are aligned at their last axis; along an axis of size one, an argument is read as a whole."""
    rank, size = len(node.shape), node.shape[axis]
    tensors = ((index, argument.shape) for index, argument in enumerate(node.args) if isinstance(argument, Node))
    own = {index: axis - rank + len(shape) for index, shape in tensors if axis - rank + len(shape) >= 0}
    return {index: place for index, place in own.items() if node.args[index].shape[place] == size}


def _matmul(node: Node, axis: int) -> dict[int, int] | None:
    """Rows are those of the left factor, columns those of the right; the axes before them broadcast."""
    rank = len(node.shape)
    if axis < rank - 2:
        return _broadcast(node, axis)
    side = 0 if axis == rank - 2 else 1
    return {side: axis - rank + len(node.args[side].shape)}


def _reduction(node: Node, axis: int) -> dict[int, int] | None:
    reduced, keepdim = reduced_axes(node)
    if keepdim:
        return None if axis in reduced else {0: axis}
    return {0: [own for own in range(len(node.args[0].shape)) if own not in reduced][axis]}


def _permute(node: Node, axis: int) -> dict[int, int]:
    return {0: node.args[1][axis] % len(node.shape)}


def _select(node: Node, axis: int) -> dict[int, int]:
    dropped = node.args[1] % len(node.args[0].shape)
    return {0: axis + (axis >= dropped)}


def _unsqueeze(node: Node, axis: int) -> dict[int, int]:
    added = node.args[1] % len(node.shape)
    return {} if axis == added else {0: axis - (axis > added)}


def _repeat(node: Node, axis: int) -> dict[int, int] | None:
    return _broadcast(node, axis) if node.args[1][axis] == 1 else None


def _reshape(node: Node, axis: int) -> dict[int, int] | None:
    """An axis remains if its size does, and that of all axes before it together."""
    source = node.args[0]
    before = 1
    for size in node.shape[:axis]:
        before *= size
    product = 1
    for own, size in enumerate(source.shape):
        if product == before and size == node.shape[axis]:
            # For every batch size only if the samples stand before it on both sides or on none.
            return {0: own} if (node.batch_axis < axis) == (source.batch_axis < own) else None
        product *= size
    return None


def _sliced(node: Node) -> tuple[int]:
    return (node.args[1] if len(node.args) > 1 else 0,)


COMBINES_ALL = AxisBehaviour(lambda _, __: None)
BROADCASTS = AxisBehaviour(_broadcast)
LINEAR = _combining(lambda _: (-1,))
MATMUL = AxisBehaviour(_matmul)
ALONG_SECOND_ARGUMENT = _combining(lambda node: (node.args[1],) if isinstance(node.args[1], int) else node.args[1])
LAYER_NORM = _combining(lambda node: range(-len(node.args[1]), 0))
MATRICES = _combining(lambda _: (-2, -1))
SLICES = _combining(_sliced)
REDUCES = AxisBehaviour(_reduction)
PERMUTES = AxisBehaviour(_permute)
SELECTS = AxisBehaviour(_select)
UNSQUEEZES = AxisBehaviour(_unsqueeze)
REPEATS = AxisBehaviour(_repeat)
RESHAPES = AxisBehaviour(_reshape, takes_shape=True)
EXPANDS = AxisBehaviour(_broadcast, takes_shape=True)
