"""Rewrites of the traced graph: constants are folded, casts removed, and each operation is written in one way."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ihcli.curvature.capture import FIRST
from ihcli.curvature.graph import Graph, Node, call, map_leaves
from ihcli.curvature.layout import node_values
from ihcli.curvature.tracer import Untraceable

aten = torch.ops.aten

_IDENTITIES = frozenset({
    "alias", "clone", "contiguous", "detach", "detach_", "lift_fresh", "lift_fresh_copy", "positive", "dropout",
    "feature_dropout", "alpha_dropout",
})  # fmt: skip
_CASTS = frozenset({"to", "_to_copy", "type_as", "float", "double"})
_LOW_PRECISION = frozenset({torch.float16, torch.bfloat16})


def simplify(graph: Graph, inputs: Sequence[Tensor]) -> None:
    """Rewrite the graph so that rules exist for its operations; `inputs` are several equal points and parameters."""
    _select_from_tuples(graph)
    graph.remove_unused()
    fold_constants(graph)
    _remove_identities(graph)
    graph.remove_unused()
    _unify_dtype(graph, inputs[0].dtype)
    _normalize(graph)
    _index_to_select(graph, inputs)
    fold_constants(graph)
    graph.remove_unused()


def fold_constants(graph: Graph) -> None:
    """Compute what depends neither on the points, nor on parameters, nor on the batch size."""
    values: dict[int, Any] = {}
    for node in graph.nodes:
        if node.batched:
            continue
        if node.constant is None:
            node.constant = call(node, FIRST, values)
            node.name, node.args, node.kwargs = "constant", (), {}
        values[id(node)] = node.constant


def _select_from_tuples(graph: Graph) -> None:
    """Replace the parts of a split by slices, and those of an unbind by selections."""
    for node in graph.nodes:
        whole = node.args[0] if node.name == "getitem" else None
        if whole is None or whole.name not in {"split_with_sizes", "unbind"}:
            continue
        source, *rest = whole.args
        index = node.args[1]
        if whole.name == "unbind":
            axis = rest[0] if rest else whole.kwargs.get("dim", 0)
            node.name, node.target, node.args = "select", aten.select.int, (source, axis, index)
            continue
        lengths, axis = rest[0], rest[1] if len(rest) > 1 else whole.kwargs.get("dim", 0)
        if not isinstance(source.sizes[axis], int):
            message = "split divides a batch into its samples: use one operation on the whole batch"
            raise Untraceable(message)
        node.name, node.target = "slice", aten.slice.Tensor
        node.args = (source, axis, sum(lengths[:index]), sum(lengths[: index + 1]))


def _remove_identities(graph: Graph) -> None:
    """Remove copies, and casts between floating-point types, since everything is computed in the type of the points."""
    for node in graph.nodes:
        if node is graph.source:
            continue
        if node.depends and node.name in _IDENTITIES:
            graph.replace(node, node.args[0])
        elif node.depends and node.name in _CASTS:
            wanted = [leaf for leaf in (*node.args, *node.kwargs.values()) if isinstance(leaf, torch.dtype)]
            if any(dtype in _LOW_PRECISION or not dtype.is_floating_point for dtype in wanted):
                message = f"a cast to {wanted[0]} loses precision or the derivative: compute in float32 or float64"
                raise Untraceable(message)
            graph.replace(node, node.args[0])
        elif node.parametric and node.name in _CASTS and node.dtype is not None and not node.dtype.is_floating_point:
            message = f"a cast of a parameter to {node.dtype} may choose what is computed: cast it before the call"
            raise Untraceable(message)


def _unify_dtype(graph: Graph, dtype: torch.dtype) -> None:
    """Cast constants to the type of the points where they meet what depends on the points."""
    casts: dict[int, Node] = {}

    def cast(argument: Any) -> Any:
        constant = isinstance(argument, Node) and not argument.depends and argument.dtype is not None
        if not constant or not argument.dtype.is_floating_point or argument.dtype == dtype:
            return argument
        if id(argument) not in casts:
            node = Node("_to_copy", aten._to_copy.default, (argument,), {"dtype": dtype}, sizes=argument.sizes)  # noqa: SLF001
            node.dtype, node.batched, node.parametric = dtype, argument.batched, argument.parametric
            graph.nodes.insert(graph.nodes.index(argument) + 1, node)
            casts[id(argument)] = node
        return casts[id(argument)]

    for node in graph.dependent():
        node.args, node.kwargs = map_leaves(node.args, cast), map_leaves(node.kwargs, cast)


def _normalize(graph: Graph) -> None:
    """Write each operation in the one way for which there is a rule."""
    for node in graph.dependent():
        node.kwargs.pop("dtype", None)
        if node.name in _REWRITES:
            _REWRITES[node.name](graph, node)


def _as_reshape(_: Graph, node: Node) -> None:
    """Views may need a copy once contiguous copies are removed; squeeze would remove an axis of one sample."""
    if not any(isinstance(argument, torch.dtype) for argument in node.args):
        node.name, node.target = "reshape", aten.reshape.default
        node.args, node.kwargs = (node.args[0], node.sizes), {}


def _as_permute(_: Graph, node: Node) -> None:
    order = list(range(len(node.sizes)))
    if len(order) > 1:
        first, second = node.args[1:] or (0, 1)
        order[first], order[second] = order[second], order[first]
    node.name, node.target = "permute", aten.permute.default
    node.args = (node.args[0], order)


def _softmax_of_axis(_: Graph, node: Node) -> None:
    node.name = node.name.lstrip("_")
    node.target = getattr(aten, node.name).int
    node.args, node.kwargs = node.args[:2], {}


def _square(_: Graph, node: Node) -> None:
    if node.args[0] is node.args[1]:
        node.name, node.target, node.args = "pow", aten.pow.Tensor_Scalar, (node.args[0], 2)


def _product_with_reciprocal(graph: Graph, node: Node) -> None:
    if node.kwargs.get("rounding_mode") is not None:
        message = "div with rounding has no derivative: divide without rounding_mode"
        raise Untraceable(message)
    left, right = node.args
    if isinstance(right, Node) and right.depends:
        reciprocal = Node("reciprocal", aten.reciprocal.default, (right,), {}, sizes=right.sizes, dtype=node.dtype)
        reciprocal.depends = reciprocal.batched = True
        graph.insert_before(node, reciprocal)
        node.name, node.target, node.kwargs = "mul", aten.mul.Tensor, {}
        node.args = (reciprocal, left)


def _as_linear(graph: Graph, node: Node) -> None:
    """A product with a constant matrix."""
    left, right = node.args
    if left.depends and not right.batched and len(right.sizes) == 2:  # noqa: PLR2004
        transposed = Node("t", aten.t.default, (right,), {}, sizes=right.sizes[::-1], dtype=right.dtype)
        graph.insert_before(node, transposed)
        node.name, node.target, node.args = "linear", aten.linear.default, (left, transposed)


_REWRITES: dict[str, Callable[[Graph, Node], None]] = {
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "squeeze"), _as_reshape),
    **dict.fromkeys(("transpose", "t"), _as_permute),
    **dict.fromkeys(("softmax", "log_softmax", "_softmax", "_log_softmax"), _softmax_of_axis),
    "mul": _square,
    "div": _product_with_reciprocal,
    "matmul": _as_linear,
}
# Operations that this module rewrites and that need neither a rule nor a decomposition.
REWRITTEN = _IDENTITIES | _CASTS | _REWRITES.keys() | {"split_with_sizes", "unbind", "getitem"}


def _index_to_select(graph: Graph, inputs: Sequence[Tensor]) -> None:
    """Replace an index by (all samples, one position), by which decoders read their last token, by a selection."""
    nodes = [node for node in graph.nodes if node.depends and node.name == "index" and _has_two_constants(node)]
    values = node_values(graph, inputs) if nodes else {}
    for node in nodes:
        source, indices = node.args
        samples, positions = (values[id(index)] for index in indices)
        first = int(positions.flatten()[0])
        every = torch.arange(len(inputs[0]), device=samples.device)
        if samples.dtype == torch.long and torch.equal(samples, every) and bool((positions == first).all()):
            node.name, node.target, node.args = "select", aten.select.int, (source, 1, first)


def _has_two_constants(node: Node) -> bool:
    indices = node.args[1]
    constant = (isinstance(index, Node) and not index.depends and not index.parametric for index in indices)
    return len(indices) == 2 and all(constant)  # noqa: PLR2004
