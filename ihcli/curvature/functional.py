"""Removes writes into memory: each becomes a new value, and values that share the memory are derived from it anew."""

from collections.abc import Callable
from typing import Any

import torch

from ihcli.curvature.graph import Graph, Node, map_leaves
from ihcli.curvature.tracer import Untraceable

aten = torch.ops.aten

# In-place operations that change the shape or strides of a tensor and leave its entries as they are.
_IN_PLACE_VIEWS = frozenset({"unsqueeze_", "squeeze_", "transpose_", "t_", "swapaxes_", "detach_"})
_RESHAPES = frozenset({"view", "reshape", "_unsafe_view", "unsqueeze", "squeeze", "flatten", "unflatten"})


def remove_mutation(graph: Graph) -> None:
    """Rewrite the graph without writes; raises `Untraceable` for a write that cannot be rewritten."""
    if any(node.mutates for node in graph.nodes):
        _Rewriter(graph).run()


class _Rewriter:
    """One pass over the nodes. `current` holds the node with the present content of each node's memory."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Node] = []
        self.current: dict[int, Node] = {}
        self.written_to: dict[int, Node] = {}
        """For the result of a write: the node whose memory was written."""
        self.base: dict[int, Node] = {}
        """For a view: the node that it is a view of."""
        self.views: list[Node] = []

    def run(self) -> None:
        for node in list(self.graph.nodes):
            first = next((leaf for leaf in node.args[:1] if isinstance(leaf, Node)), None)
            memory = None if first is None else self._memory(first)
            node.args, node.kwargs = self._with_current(node.args), self._with_current(node.kwargs)
            if node.mutates and node.name in _IN_PLACE_VIEWS:
                node.target = _out_of_place(node)
                node.name = node.name[:-1]
                node.mutates, node.is_view = False, True
            if node.mutates and memory is not None:
                self._write(node, memory)
                continue
            self.nodes.append(node)
            self.current[id(node)] = node
            if node.is_view and memory is not None:
                self.base[id(node)] = memory
                self.views.append(node)
        self.graph.nodes = self.nodes
        self.graph.result = self.current[id(self._memory(self.graph.result))]

    def _memory(self, node: Node) -> Node:
        return self.written_to.get(id(node), node)

    def _with_current(self, arguments: Any) -> Any:
        return map_leaves(
            arguments, lambda leaf: self.current[id(self._memory(leaf))] if isinstance(leaf, Node) else leaf
        )

    def _new(self, like: Node, name: str, target: Callable[..., Any], *args: Any) -> Node:
        node = Node(name, target, args, {}, sizes=like.sizes, dtype=like.dtype)
        node.depends, node.parametric, node.batched = like.depends, like.parametric, like.batched
        self.nodes.append(node)
        return node

    def _write(self, node: Node, memory: Node) -> None:
        """Replace a write by the new content, and derive from it everything else that shares the memory."""
        self._make_functional(node, self.current[id(memory)])
        self.written_to[id(node)] = memory
        self.current[id(memory)] = node
        updated, view = {id(memory)}, memory
        while id(view) in self.base:
            base = self.base[id(view)]
            self.current[id(base)] = self._put_back(base, view)
            updated.add(id(base))
            view = base
        root = view
        for other in self.views:
            if id(other) not in updated and self._root(other) is root:
                arguments = (self.current[id(self.base[id(other)])], *other.args[1:])
                self.current[id(other)] = self._new(other, other.name, other.target, *arguments)

    def _root(self, node: Node) -> Node:
        while id(node) in self.base:
            node = self.base[id(node)]
        return node

    def _make_functional(self, node: Node, content: Node) -> None:
        """Turn a write into the operation that computes the new content."""
        node.mutates = False
        if node.name in {"zero_", "fill_"} and not (node.name == "fill_" and isinstance(node.args[1], Node)):
            fill = 0 if node.name == "zero_" else node.args[1]
            node.name, node.target = "full", aten.full.default
            node.args, node.kwargs = (content.sizes, fill), {"dtype": content.dtype}
        elif node.name == "copy_" and isinstance(node.args[1], Node):
            node.name, node.target = "expand", aten.expand.default
            node.args, node.kwargs = (self._cast(node.args[1], content), content.sizes), {}
        else:
            node.target = _out_of_place(node)
            node.name = node.name[:-1]
        self.nodes.append(node)

    def _cast(self, source: Node, content: Node) -> Node:
        if source.dtype == content.dtype:
            return source
        varies = source.depends or source.parametric
        if varies and content.dtype is not None and not content.dtype.is_floating_point:
            message = f"copy_ into {content.dtype} loses the derivative: use a floating-point tensor"
            raise Untraceable(message)
        cast = self._new(source, "_to_copy", aten._to_copy.default, source)  # noqa: SLF001
        cast.kwargs = {"dtype": content.dtype}
        return cast

    def _put_back(self, base: Node, view: Node) -> Node:
        """The content of a memory after that of a view of it has changed."""
        whole, part = self.current[id(base)], self.current[id(view)]
        name, rest = view.name, view.args[1:]
        if name == "select":
            return self._new(whole, "select_scatter", aten.select_scatter.default, whole, part, *rest)
        if name == "slice":
            return self._new(whole, "slice_scatter", aten.slice_scatter.default, whole, part, *rest)
        if name == "narrow":
            axis, start, length = rest
            bounds = (axis, start, start + length)
            return self._new(whole, "slice_scatter", aten.slice_scatter.default, whole, part, *bounds)
        if name in {"transpose", "swapaxes"}:
            return self._new(whole, "transpose", aten.transpose.int, part, *rest)
        if name == "t":
            return self._new(whole, "t", aten.t.default, part)
        if name == "permute":
            order = [axis % len(rest[0]) for axis in rest[0]]
            return self._new(whole, name, aten.permute.default, part, [order.index(k) for k in range(len(order))])
        if name in _RESHAPES:
            return self._new(whole, "reshape", aten.reshape.default, part, whole.sizes)
        if name in {"alias", "detach", "contiguous", "to"}:
            return part
        message = f"a write into a view made by {name} cannot be traced: write into a slice, or use torch.cat"
        raise Untraceable(message)


def _out_of_place(node: Node) -> Callable[..., Any]:
    """The operation that computes what an in-place operation writes."""
    packet = getattr(aten, node.name[:-1], None)
    overload = node.target._overloadname  # type: ignore[attr-defined]  # noqa: SLF001
    if packet is None or overload not in packet.overloads():
        message = f"{node.name} writes into memory and has no out-of-place form: compute a new tensor instead"
        raise Untraceable(message)
    target: Callable[..., Any] = getattr(packet, overload)
    return target
