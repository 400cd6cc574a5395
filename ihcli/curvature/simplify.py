"""Rewrites of the traced graph that leave the function as it is: fewer operations, only the positions that are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ihcli.curvature.functional import without_mutation
from ihcli.curvature.graph import (
    CASTS,
    FIRST,
    IDENTITY,
    LOW_PRECISION,
    SECOND,
    Affine,
    Graph,
    Node,
    call,
    rebuilt,
)
from ihcli.curvature.tracer import Untraceable

if TYPE_CHECKING:
    from collections.abc import Sequence

aten = torch.ops.aten


def simplify(graph: Graph, points: Tensor, parameters: Sequence[Tensor]) -> None:
    """Bring the graph to its final form; shapes and the batch axis are learnt on one point and parameters, (1, …)."""
    given = [tensor.expand(SECOND, *tensor.shape[1:]).clone() for tensor in (points, *parameters)]
    without_mutation(graph)
    _without_tuples(graph)
    graph.live()
    _fold(graph)
    _without_identities(graph)
    graph.live()
    _one_type(graph, points.dtype)
    _canonical(graph)
    _selections(graph, given)
    _fold(graph)
    graph.live()
    shapes(graph)
    while _narrowed(graph):
        graph.live()
    _fold(graph)
    graph.live()
    lay(graph, given)


def _without_tuples(graph: Graph) -> None:
    """A part of a split is a slice."""
    for node in graph.nodes:
        if node.name != "getitem" or node.args[0].name not in _SPLITS:
            continue
        whole, index = node.args
        source: Node = whole.args[0]
        how: Any = whole.args[1] if len(whole.args) > 1 else 0
        axis = whole.args[2] if len(whole.args) > 2 else whole.kwargs.get("dim", 0)  # noqa: PLR2004
        if whole.name == "unbind":
            axis = whole.args[1] if len(whole.args) > 1 else whole.kwargs.get("dim", 0)
            node.name, node.target, node.args = "select", aten.select.int, (source, axis, index)
            continue
        size = source.sizes[axis]
        if not isinstance(size, int):
            message = f"{whole.name} divides the samples of a batch"
            raise Untraceable(message)
        if whole.name == "split_with_sizes" or isinstance(how, (list, tuple)):
            bounds = [sum(how[:k]) for k in range(len(how) + 1)]
        else:
            step = -(-size // how) if whole.name == "chunk" else how
            bounds = [*range(0, size, step), size]
        node.name, node.target = "slice", aten.slice.Tensor
        node.args = (source, axis, bounds[index], bounds[index + 1])


_SPLITS = frozenset({"split", "split_with_sizes", "chunk", "unbind"})


def _fold(graph: Graph) -> None:
    """Compute once what depends neither on the points, nor on parameters, nor on the batch size."""
    values: dict[int, Any] = {}
    for node in graph.nodes:
        if node.batched:
            continue
        if node.constant is None:
            node.constant = call(node, FIRST, values)
            node.name, node.args, node.kwargs = "constant", (), {}
        values[id(node)] = node.constant


def _without_identities(graph: Graph) -> None:
    for node in graph.nodes:
        if node is graph.source or not (node.depends or node.parametric):
            continue
        if node.parametric and not node.depends:
            # What no derivative is taken of is computed as f computes it.
            if node.dtype is not None and node.name in CASTS and not node.dtype.is_floating_point:
                message = f"a cast of a parameter to {node.dtype} may choose what is computed"
                raise Untraceable(message)
        elif node.name in IDENTITY or node.name in {"dropout", "feature_dropout", "alpha_dropout"}:
            graph.substitute(node, node.args[0])
        elif node.name in CASTS:
            # Casts between floating types do not change the function; all is computed in the type of the points.
            wanted = [leaf for leaf in (*node.args, *node.kwargs.values()) if isinstance(leaf, torch.dtype)]
            if any(dtype in LOW_PRECISION or not dtype.is_floating_point for dtype in wanted):
                message = f"a cast to {wanted[0]} loses precision or the derivative"
                raise Untraceable(message)
            graph.substitute(node, node.args[0])


def _one_type(graph: Graph, dtype: torch.dtype) -> None:
    """Bring constants to the type in which all is computed."""
    cast: dict[int, Node] = {}

    def leaf(argument: Any) -> Any:
        known = isinstance(argument, Node) and not argument.depends and argument.dtype is not None
        if not known or not argument.dtype.is_floating_point or argument.dtype == dtype:
            return argument
        if id(argument) not in cast:
            made = Node("_to_copy", aten._to_copy.default, (argument,), {"dtype": dtype}, sizes=argument.sizes)  # noqa: SLF001
            made.dtype, made.batched, made.parametric = dtype, argument.batched, argument.parametric
            graph.nodes.insert(graph.nodes.index(argument) + 1, made)
            cast[id(argument)] = made
        return cast[id(argument)]

    for node in list(graph.nodes):
        if node.depends and node is not graph.source:
            node.args, node.kwargs = rebuilt(node.args, leaf), rebuilt(node.kwargs, leaf)


def _canonical(graph: Graph) -> None:  # noqa: C901  (one case an operation)
    """Bring operations to the forms that have rules: addmm with a constant matrix is linear, a division a product."""
    for node in list(graph.nodes):
        if not node.depends:
            continue
        for key in ("dtype",):
            node.kwargs.pop(key, None)
        if node.name == "multiply":
            node.name, node.target = "mul", aten.mul.Tensor
        if node.name in {"softmax", "log_softmax", "_softmax", "_log_softmax"}:
            node.name = node.name.lstrip("_")
            node.target = getattr(aten, node.name).int
            node.args, node.kwargs = node.args[:2], {}
        elif node.name in {"view", "_unsafe_view", "reshape"}:
            # Without the copies that made memory contiguous, a view may have to copy.
            node.name, node.target = "reshape", aten.reshape.default
        elif node.name == "squeeze":
            # At a batch size of one, it would take the samples' axis too.
            node.name, node.target = "reshape", aten.reshape.default
            node.args, node.kwargs = (node.args[0], node.sizes), {}
        elif node.name in {"addmm", "mm"}:
            _as_linear(graph, node)
        elif node.name in {"div", "true_divide", "divide"} and isinstance(node.args[1], Node) and node.args[1].depends:
            if node.kwargs.get("rounding_mode") is not None:
                message = "div with rounding has no derivative"
                raise Untraceable(message)
            inverse = Node("reciprocal", aten.reciprocal.default, (node.args[1],), {}, depends=True, batched=True)
            inverse.sizes, inverse.dtype = node.args[1].sizes, node.dtype
            graph.nodes.insert(graph.nodes.index(node), inverse)
            node.name, node.target = "mul", aten.mul.Tensor
            node.args, node.kwargs = (inverse, node.args[0]), {}
        elif node.name == "square" or (node.name in {"mul", "multiply"} and node.args[0] is node.args[1]):
            node.name, node.target, node.args = "pow", aten.pow.Tensor_Scalar, (node.args[0], 2)


def _selections(graph: Graph, given: Sequence[Tensor]) -> None:
    """An indexing by (all samples, one position), as decoders select their last token, is a selection."""
    found = [node for node in graph.nodes if node.depends and node.name == "index"]
    if not found:
        return
    values = run(graph, given)
    for node in found:
        source, indices = node.args
        if len(indices) != 2 or any(  # noqa: PLR2004
            not isinstance(index, Node) or index.depends or index.parametric for index in indices
        ):
            continue
        samples, places = (values[id(index)] for index in indices)
        first = int(places.flatten()[0])
        if (
            samples.dtype == torch.long
            and torch.equal(samples, torch.arange(SECOND, device=samples.device))
            and bool((places == first).all())
        ):
            node.name, node.target, node.args = "select", aten.select.int, (source, 1, first)


def _as_linear(graph: Graph, node: Node) -> None:
    bias, left, right = (None, *node.args) if node.name == "mm" else node.args
    if (
        left.depends
        and not right.depends
        and not right.batched
        and not node.kwargs
        and not getattr(bias, "depends", False)
    ):
        transposed = Node("constant", node.target, (), {}, constant=right.constant.t(), sizes=right.sizes[::-1])
        graph.nodes.insert(graph.nodes.index(node), transposed)
        node.name, node.target = "linear", aten.linear.default
        node.args = (left, transposed) if bias is None else (left, transposed, bias)


def shapes(graph: Graph) -> None:
    """Every node's shape at the second batch size of the trace, and the axis of its samples; raises `Untraceable`."""
    checked = {id(node) for node in graph.frontier()}
    for node in graph.nodes:
        node.shape = tuple(size.at(SECOND) if isinstance(size, Affine) else size for size in node.sizes)
        growing = [(axis, size) for axis, size in enumerate(node.sizes) if isinstance(size, Affine)]
        if not node.depends and id(node) not in checked:
            continue
        if len(growing) != 1 or growing[0][1].offset:
            message = (
                f"{node.name} mixes the samples of a batch: its result of shape {node.shape} has no axis of samples"
            )
            raise Untraceable(message)
        node.axis = growing[0][0]


def lay(graph: Graph, given: Sequence[Tensor]) -> None:
    """Learn how the samples lie in their axis, (outer, B, inner), by a change of one of four; raises `Untraceable`.

    What changes must be that sample's part: `given` are a point and its parameters, where it is tried.
    """
    four = [torch.cat([tensor[:1]] * 4) for tensor in given]
    base = run(graph, four)
    moved = run(graph, [torch.cat([tensor[:1], tensor[1:2] * 0.75 + 0.125, tensor[2:]]) for tensor in four])
    for node in (*(node for node in graph.nodes if node.depends), *graph.frontier()):
        value = base[id(node)]
        entries = value.shape[node.axis] // 4
        changed = (moved[id(node)] != value).movedim(node.axis, 0).reshape(value.shape[node.axis], -1).any(1)
        outers = [outer for outer in range(1, entries + 1) if not entries % outer]
        fits = (outer for outer in outers if not changed.view(outer, 4, -1)[:, [0, 2, 3]].any())
        node.outer = next(fits, 0)
        if not node.outer:
            message = f"{node.name} mixes the samples of a batch"
            raise Untraceable(message)
        node.inner = entries // node.outer


def run(graph: Graph, given: Sequence[Tensor]) -> dict[int, Any]:
    """The value of every node, by id, at points and parameters."""
    batch = given[0].shape[0]
    values: dict[int, Any] = {
        id(node): value for node, value in zip((graph.source, *graph.parameters), given, strict=True)
    }
    with torch.no_grad():
        for node in graph.nodes:
            if id(node) not in values:
                values[id(node)] = node.constant if node.constant is not None else call(node, batch, values)
    return values


# Operations that treat the positions of an axis alike and apart from one another, by the place of their arguments.
_ELEMENTWISE = frozenset(
    [
        "add",
        "sub",
        "mul",
        "neg",
        "gelu",
        "tanh",
        "silu",
        "sigmoid",
        "exp",
        "log",
        "sqrt",
        "rsqrt",
        "reciprocal",
        "erf",
        "softplus",
        "pow",
        "sin",
        "cos",
        "mish",
        "log_sigmoid",
        "where",
        "masked_fill",
        "rsub",
        "div",
        "log1p",
        "expm1",
    ],
)


def _narrowed(graph: Graph) -> bool:
    """Move one selection of a single position before the operation that it follows; False if there is none."""
    users = graph.users()
    for node in graph.nodes:
        if node.name not in {"select", "narrowed"} or not node.depends or node.args[0] is graph.source:
            continue
        source = node.args[0]
        axis = node.args[1] % len(source.shape)
        if node.name == "select":
            if len(users[id(source)]) > 1 or source.shape[axis] == 1 or not _pushable(source, axis):
                continue
            narrow = _cut(graph, node, source, axis, node.args[2] % source.shape[axis])
            node.args = (narrow, axis, 0)
            return True
        if len(users[id(source)]) == 1 and _pushable(source, axis):
            _push(graph, node, source, axis, node.args[2])
            return True
        twins = [
            other
            for other in users[id(source)]
            if other.name == "narrowed" and other is not node and other.args == node.args
        ]
        for other in twins:
            graph.substitute(other, node)
            # The kept twin must stand before every reader of the other.
            graph.nodes.remove(node)
            graph.nodes.insert(graph.nodes.index(source) + 1, node)
            return True
    return False


def _pushable(node: Node, axis: int) -> bool:
    if not node.depends:
        return False
    if axis == node.axis:
        return False
    rank = len(node.shape)
    if node.name in _ELEMENTWISE:
        return True
    if node.name == "linear":
        return axis != rank - 1
    if node.name == "layer_norm":
        return axis < rank - len(node.args[1])
    if node.name in {"softmax", "log_softmax"}:
        return bool(axis != node.args[1] % rank)
    if node.name in {"transpose", "permute", "unsqueeze"}:
        return True
    if node.name == "matmul":
        left = node.args[0]
        return bool(axis == rank - 2 and left.depends and len(left.shape) == rank and len(node.args[1].shape) >= 2)  # noqa: PLR2004
    if node.name in {"view", "reshape", "_unsafe_view"}:
        return _kept(node, axis) is not None
    return False


def _kept(node: Node, axis: int) -> int | None:
    """The axis of a reshape's input that is this axis of its output, if the reshape leaves it whole."""
    before = 1
    for size in node.shape[:axis]:
        before *= size
    product = 1
    for place, size in enumerate(node.args[0].shape):
        if product == before and size == node.shape[axis]:
            # The batch must stand before it on both sides.
            return place if node.axis < axis and node.args[0].axis < place else None
        product *= size
    return None


def _push(graph: Graph, narrow: Node, node: Node, axis: int, index: int) -> None:
    """narrow(op(a, b)) becomes op(narrow(a), narrow(b))."""

    def cut(source: Any, at: int) -> Any:
        if not isinstance(source, Node) or at < 0 or source.shape[at] == 1:
            return source
        return _cut(graph, node, source, at, index)

    rank = len(node.shape)
    args = list(node.args)
    if node.name in _ELEMENTWISE:
        args = [cut(arg, axis - rank + len(arg.shape)) if isinstance(arg, Node) else arg for arg in args]
    elif node.name == "matmul":
        args[0] = cut(args[0], axis)
    elif node.name == "transpose":
        first, second = args[1] % rank, args[2] % rank
        args[0] = cut(args[0], {first: second, second: first}.get(axis, axis))
    elif node.name == "permute":
        args[0] = cut(args[0], args[1][axis] % rank)
    elif node.name == "unsqueeze":
        place = args[1] % rank
        args[0] = cut(args[0], axis - (axis > place)) if axis != place else args[0]
    elif node.name in {"view", "reshape", "_unsafe_view"}:
        kept = _kept(node, axis)
        sizes = list(args[1])
        sizes[axis] = 1
        args = [cut(args[0], -1 if kept is None else kept), sizes]
    else:
        args[0] = cut(args[0], axis)
    node.args = tuple(args)
    node.shape = (*node.shape[:axis], 1, *node.shape[axis + 1 :])
    node.sizes = [*node.sizes[:axis], 1, *node.sizes[axis + 1 :]]
    graph.substitute(narrow, node)


def _cut(graph: Graph, before: Node, source: Node, axis: int, index: int) -> Node:
    """A new node that keeps one position of an axis, placed before another node."""
    made = Node("narrowed", aten.narrow.default, (source, axis, index, 1), {}, dtype=source.dtype)
    made.depends, made.parametric, made.batched = source.depends, source.parametric, source.batched
    made.shape = (*source.shape[:axis], 1, *source.shape[axis + 1 :])
    made.sizes = [*source.sizes[:axis], 1, *source.sizes[axis + 1 :]]
    made.axis, made.outer, made.inner = source.axis, source.outer, source.inner
    graph.nodes.insert(graph.nodes.index(before), made)
    return made


# Whole operations that the rewrites bring to others, so that they need no rules of their own.
SHAPES = (IDENTITY | CASTS | _SPLITS) | {
    "getitem", "squeeze", "addmm", "_softmax", "_log_softmax", "true_divide", "divide", "square", "multiply", "dropout",
}  # fmt: skip

__all__ = ["SHAPES", "run", "simplify"]
