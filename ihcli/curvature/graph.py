"""The graph of a traced computation: nodes at the level of whole operations, for a batch of any size."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class Affine:
    """An integer that grows with the batch size B: `offset + slope · B`."""

    offset: int
    slope: int

    def at(self, batch: int) -> int:
        """The integer at one batch size."""
        return self.offset + self.slope * batch


@dataclass(slots=True, eq=False)
class Node:
    """One operation and what the analyses of the graph find out about its result."""

    name: str
    """The operation's name without namespace and overload, such as `matmul`; `input`, `parameter` or `constant`."""
    target: Callable[..., Any]
    """What is called to compute the result."""
    args: tuple[Any, ...]
    """Positional arguments, with nodes for tensors and `Affine` for integers that grow with the batch."""
    kwargs: dict[str, Any]
    depends: bool = False
    """Whether it is computed from the points: it has a tangent and an adjoint."""
    parametric: bool = False
    """Whether it is computed from a parameter. If it does not depend on the points, it is constant within one call."""
    batched: bool = False
    """Whether it is computed from the points, a parameter or the batch size, so that it cannot be folded."""
    constant: Any = None
    """The value, where it is the same in all calls."""
    sizes: list[int | Affine] = field(default_factory=list)
    """The shape for any batch size."""
    shape: tuple[int, ...] = ()
    """The shape at the second batch size of the trace (`capture.SECOND`)."""
    dtype: torch.dtype | None = None
    is_view: bool = False
    """Whether the result shares the memory of the first argument."""
    mutates: bool = False
    """Whether the operation writes into its first argument."""
    batch_axis: int = 0
    """The axis that holds the samples, laid out as (outer, B, inner)."""
    outer: int = 1
    inner: int = 1
    position_axes: tuple[int, ...] | None = None
    """The axes of (batch, positions…) while no operation has combined positions; None afterwards."""
    between_positions: bool = False
    """Whether it is the matrix product of all positions with all positions, of two factors that have position axes."""
    tangent_sources: tuple["Node", ...] = ()
    """The nodes among the arguments that have tangents, each once."""

    def sources(self) -> Iterator["Node"]:
        """The nodes among the arguments, as often as they occur."""
        yield from nodes_in(self.args)
        yield from nodes_in(self.kwargs)

    @property
    def batch_first(self) -> bool:
        """Whether the first axis of the result is that of the samples, and holds nothing else."""
        return self.batch_axis == 0 and self.inner == 1 and self.outer == 1


def nodes_in(arguments: object) -> Iterator[Node]:
    """The nodes among nested arguments, as often as they occur."""
    if isinstance(arguments, Node):
        yield arguments
    elif isinstance(arguments, (tuple, list)):
        for argument in arguments:
            yield from nodes_in(argument)
    elif isinstance(arguments, dict):
        yield from nodes_in(tuple(arguments.values()))


def has_affine(arguments: object) -> bool:
    """Whether an integer among nested arguments grows with the batch."""
    if isinstance(arguments, (tuple, list)):
        return any(has_affine(argument) for argument in arguments)
    if isinstance(arguments, dict):
        return has_affine(tuple(arguments.values()))
    return isinstance(arguments, Affine)


def map_leaves(arguments: Any, function: Callable[[Any], Any]) -> Any:
    """Nested arguments with a function applied to every leaf."""
    if isinstance(arguments, tuple):
        return tuple(map_leaves(argument, function) for argument in arguments)
    if isinstance(arguments, list):
        return [map_leaves(argument, function) for argument in arguments]
    if isinstance(arguments, dict):
        return {key: map_leaves(argument, function) for key, argument in arguments.items()}
    return function(arguments)


@dataclass(slots=True)
class Graph:
    """The nodes in an order of execution: the points (`source`), the parameters, then everything else."""

    source: Node
    parameters: list[Node]
    nodes: list[Node]
    result: Node

    def dependent(self) -> list[Node]:
        """The operations that are computed from the points."""
        return [node for node in self.nodes if node.depends and node is not self.source]

    def remove_unused(self) -> None:
        """Drop the nodes that the result does not need, and update what the others depend on."""
        inputs = {id(node) for node in (self.source, *self.parameters)}
        needed = {id(self.result), *inputs}
        for node in reversed(self.nodes):
            if id(node) in needed:
                needed.update(id(source) for source in node.sources())
        self.nodes = [node for node in self.nodes if id(node) in needed]
        for node in self.nodes:
            if id(node) not in inputs:
                set_dependence(node)

    def replace(self, old: Node, new: Node) -> None:
        """Let every reader of one node read another."""

        def replaced(leaf: Any) -> Any:
            return new if leaf is old else leaf

        for node in self.nodes:
            node.args, node.kwargs = map_leaves(node.args, replaced), map_leaves(node.kwargs, replaced)
        if self.result is old:
            self.result = new

    def insert_before(self, node: Node, new: Node) -> None:
        """Add a node to the order of execution, before another."""
        self.nodes.insert(self.nodes.index(node), new)

    def frontier(self) -> list[Node]:
        """The nodes that depend on parameters alone and are read by nodes that depend on the points."""
        read = {id(source) for node in self.nodes if node.depends for source in node.sources()}
        return [node for node in self.nodes if node.parametric and not node.depends and id(node) in read]

    def readers(self) -> dict[int, list[Node]]:
        """The nodes that read each node, by its id."""
        readers: dict[int, list[Node]] = {id(node): [] for node in self.nodes}
        for node in self.nodes:
            for source in {id(source): source for source in node.sources()}.values():
                readers[id(source)].append(node)
        return readers


def set_dependence(node: Node) -> None:
    """Derive from the arguments of a node whether it depends on the points, on a parameter and on the batch size."""
    sources = list(node.sources())
    node.depends = any(source.depends for source in sources)
    node.parametric = any(source.parametric for source in sources)
    node.batched = has_affine((node.args, node.kwargs)) or any(source.batched for source in sources)


def resolve(arguments: Any, batch: int, values: dict[int, Any]) -> Any:
    """Nested arguments as numbers and tensors: what the operation is called with."""
    if isinstance(arguments, Node):
        return values[id(arguments)]
    if isinstance(arguments, tuple):
        return tuple([resolve(argument, batch, values) for argument in arguments])
    if isinstance(arguments, list):
        return [resolve(argument, batch, values) for argument in arguments]
    if isinstance(arguments, dict):
        return {key: resolve(argument, batch, values) for key, argument in arguments.items()}
    return arguments.at(batch) if isinstance(arguments, Affine) else arguments


def call(node: Node, batch: int, values: dict[int, Any]) -> Any:
    """The result of one node, from the values of its arguments by id."""
    return node.target(*resolve(node.args, batch, values), **resolve(node.kwargs, batch, values))


def entries_per_sample(node: Node) -> int:
    """The number of entries of a node's value in one sample."""
    samples = node.shape[node.batch_axis] // (node.outer * node.inner)
    total = 1
    for size in node.shape:
        total *= size
    return total // max(1, samples)
