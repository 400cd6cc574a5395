"""Without mutation: a write into memory becomes a new value, and what shares the memory is made anew from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ihcli.curvature.graph import Graph, Node, rebuilt
from ihcli.curvature.tracer import Untraceable

if TYPE_CHECKING:
    from collections.abc import Callable

aten = torch.ops.aten

# In-place operations that change how memory is seen, not what is in it.
_SEEN = frozenset({"unsqueeze_", "squeeze_", "transpose_", "t_", "swapaxes_", "detach_"})


def without_mutation(graph: Graph) -> None:
    """Rewrite the graph without writes; raises `Untraceable` for a write that has no twin that allocates."""
    if any(node.mutates for node in graph.nodes):
        _Rewriter(graph).run()


class _Rewriter:
    """Goes through the nodes once. A handle is a node of the old graph, `now` what its memory holds at this point."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Node] = []
        self.now: dict[int, Node] = {}
        self.same: dict[int, Node] = {}
        self.parent: dict[int, Node] = {}
        self.views: list[Node] = []

    def run(self) -> None:
        for node in list(self.graph.nodes):
            first = next((leaf for leaf in node.args[:1] if isinstance(leaf, Node)), None)
            handle = None if first is None else self._handle(first)
            node.args, node.kwargs = self._current(node.args), self._current(node.kwargs)
            if node.mutates and node.name in _SEEN:
                node.name, node.target = node.name[:-1], self._twin(node)
                node.mutates, node.view = False, True
            if node.mutates and handle is not None:
                self._write(node, handle)
            else:
                self._add(node)
                self.now[id(node)] = node
                if node.view and handle is not None:
                    self.parent[id(node)] = handle
                    self.views.append(node)
        self.graph.nodes = self.nodes
        self.graph.result = self.now[id(self._handle(self.graph.result))]

    def _handle(self, node: Node) -> Node:
        return self.same.get(id(node), node)

    def _current(self, arguments: Any) -> Any:
        return rebuilt(arguments, lambda leaf: self.now[id(self._handle(leaf))] if isinstance(leaf, Node) else leaf)

    def _add(self, node: Node) -> Node:
        self.nodes.append(node)
        return node

    def _made(self, like: Node, name: str, target: Callable[..., Any], *args: Any) -> Node:
        made = Node(name, target, args, {}, sizes=like.sizes, dtype=like.dtype)
        made.depends, made.parametric, made.batched = like.depends, like.parametric, like.batched
        return self._add(made)

    def _twin(self, node: Node) -> Callable[..., Any]:
        twin = getattr(aten, node.name[:-1], None)
        overload = node.target._overloadname  # type: ignore[attr-defined]  # noqa: SLF001
        if twin is None or overload not in twin.overloads():
            message = f"{node.name} writes into memory in a way that is not understood"
            raise Untraceable(message)
        found: Callable[..., Any] = getattr(twin, overload)
        return found

    def _write(self, node: Node, handle: Node) -> None:
        self._functional(node, self.now[id(handle)])
        self.same[id(node)] = handle
        self.now[id(handle)] = node
        path = {id(handle)}
        below = handle
        while id(below) in self.parent:
            above = self.parent[id(below)]
            self.now[id(above)] = self._put_back(above, below)
            path.add(id(above))
            below = above
        root = below
        for view in self.views:
            if id(view) not in path and self._root(view) is root:
                arguments = (self.now[id(self.parent[id(view)])], *view.args[1:])
                self.now[id(view)] = self._made(view, view.name, view.target, *arguments)

    def _root(self, node: Node) -> Node:
        while id(node) in self.parent:
            node = self.parent[id(node)]
        return node

    def _functional(self, node: Node, target: Node) -> None:
        """Turn the write into an operation that gives the new content."""
        node.mutates = False
        if node.name in {"zero_", "fill_"} and not (node.name == "fill_" and isinstance(node.args[1], Node)):
            fill = 0 if node.name == "zero_" else node.args[1]
            node.name, node.target = "full", aten.full.default
            node.args, node.kwargs = (target.sizes, fill), {"dtype": target.dtype}
        elif node.name == "copy_" and isinstance(node.args[1], Node):
            source = node.args[1]
            if source.dtype != target.dtype:
                known = not source.depends and not source.parametric
                if not known and target.dtype is not None and not target.dtype.is_floating_point:
                    message = f"copy_ into {target.dtype} loses the derivative"
                    raise Untraceable(message)
                source = self._made(source, "_to_copy", aten._to_copy.default, source)  # noqa: SLF001
                source.kwargs = {"dtype": target.dtype}
            node.name, node.target = "expand", aten.expand.default
            node.args, node.kwargs = (source, target.sizes), {}
        else:
            node.target = self._twin(node)
            node.name = node.name[:-1]
        self._add(node)

    def _put_back(self, above: Node, below: Node) -> Node:
        """The content of a memory after that of a view of it has changed."""
        whole, part = self.now[id(above)], self.now[id(below)]
        name, rest = below.name, below.args[1:]
        if name == "select":
            return self._made(whole, "select_scatter", aten.select_scatter.default, whole, part, *rest)
        if name == "slice":
            return self._made(whole, "slice_scatter", aten.slice_scatter.default, whole, part, *rest)
        if name == "narrow":
            axis, start, length = rest
            return self._made(
                whole, "slice_scatter", aten.slice_scatter.default, whole, part, axis, start, start + length
            )
        if name in {"transpose", "swapaxes", "t"}:
            target = aten.t.default if name == "t" else aten.transpose.int
            return self._made(whole, "t" if name == "t" else "transpose", target, part, *rest)
        if name == "permute":
            order = [axis % len(rest[0]) for axis in rest[0]]
            return self._made(whole, name, aten.permute.default, part, [order.index(k) for k in range(len(order))])
        if name in {"view", "reshape", "_unsafe_view", "unsqueeze", "squeeze", "flatten", "unflatten"}:
            return self._made(whole, "reshape", aten.reshape.default, part, whole.sizes)
        if name in {"alias", "detach", "contiguous", "to"}:
            return part
        message = f"a write into a view made by {name} is not understood"
        raise Untraceable(message)
