"""Blocks: chains of operations that act along one axis alone, run on a part of that axis at a time.

Between two mixtures (of positions by attention, of heads by the projection after it) the tangents of one block go
through all operations while they are in the processor's cache, and what is wide (the feed-forward layer, the scores of
attention) is never held for all positions at once.  Where one head's scores are too many by themselves, the chain runs
by queries within the head.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ihcli.curvature.graph import Graph, Node, plain
from ihcli.curvature.rules import RULES

# The axis after that of the samples: positions in (B, T, D), heads in (B, H, T, d), whose queries are one further.
AXIS = 1
QUERIES = 2

# Bytes of the widest tangent of a block: of the order of a core's share of the cache, and on a GPU large.
BLOCK = 8 << 20
GPU_BLOCK = 1 << 28
# The same within one entry of the axis, where the cache is lost anyhow and memory counts.
WIDE_BLOCK = 64 << 20
# Points follow one another in groups whose widest tangent takes so much, for the same reason.
TOGETHER = BLOCK
GPU_TOGETHER = 4 * GPU_BLOCK
# Tangents of about so many operations live at once within a block.
_LIVING = 6

_BROADCAST = frozenset({"add", "sub", "rsub", "mul", "div", "neg", "where", "masked_fill"})


@dataclass(slots=True)
class Segment:
    """Nodes that act along `axis` alone, of `size` entries there."""

    size: int
    axis: int = AXIS
    steps: list[Node | Segment] = field(default_factory=list)
    """Its nodes in an order of execution, those that act along the queries alone in segments again."""
    nodes: list[Node] = field(default_factory=list)
    cuts: dict[int, int] = field(default_factory=dict)
    """The axis that is cut in each value that is cut, by the node's id."""
    inputs: list[Node] = field(default_factory=list)
    """What it reads from outside, constants too."""
    readers: Counter[int] = field(default_factory=Counter)
    """How many nodes of the segment read each node."""
    outputs: set[int] = field(default_factory=set)
    """The ids of nodes that are read outside."""
    curved: list[Node] = field(default_factory=list)
    """Nodes whose rules read their adjoints."""
    widest: int = 0
    """Entries of the widest tangent, for one unit, one sample and one entry of the axis (and of those before it)."""

    def length(self, rows: int, like: Tensor) -> int:
        """Entries of the axis in a block, for so many tangents (units times samples)."""
        on_cpu = BLOCK if self.axis == AXIS else WIDE_BLOCK
        block = on_cpu if like.device.type == "cpu" else GPU_BLOCK
        return min(self.size, max(1, block // (rows * self.widest * like.element_size())))

    def work(self, rows: int, like: Tensor) -> int:
        """Entries of tangents that live at once within a block."""
        most = _LIVING * self.widest * self.length(rows, like) * rows
        inner = [step for step in self.steps if isinstance(step, Segment) and step.length(rows, like) < step.size]
        if not inner:
            return most
        within = {id(node) for step in inner for node in step.nodes if id(node) not in step.outputs}
        kept = sum(entries(node) // self.size * rows for node in self.nodes if id(node) not in within)
        return min(most, kept + max(step.work(rows, like) for step in inner))


def schedule(graph: Graph) -> list[Node | Segment]:
    """What depends on the input, in an order of execution, in segments where blocks serve."""
    dependent = [node for node in graph.nodes if node.depends and node is not graph.source]
    return _Plan(graph, dependent, AXIS).finished()


class _Plan:
    """Segments by level: a path that leaves a segment comes back on a higher level, so that none waits for itself."""

    def __init__(self, graph: Graph, nodes: list[Node], axis: int) -> None:
        self.graph, self.nodes, self.axis = graph, nodes, axis
        inside = {id(node) for node in nodes}
        self.known = {id(s) for node in nodes for s in node.sources() if s.depends and id(s) not in inside}
        self.levels = dict.fromkeys(self.known, 0)
        self.keys: dict[int, tuple[int, int] | None] = dict.fromkeys(self.known)
        self.segments: dict[tuple[int, int, int], Segment] = {}
        self.owner: dict[int, Segment] = {}
        for node in nodes:
            self._place(node)

    def _place(self, node: Node) -> None:
        """Give a node its level, and its place in the segment there."""
        key = _key(node, self.axis)
        if key is not None:
            segment = self.segments.setdefault((self._level(node, key), *key), Segment(key[1], self.axis))
            if _join(segment, node):
                self.owner[id(node)] = segment
            else:
                key = None
        self.levels[id(node)], self.keys[id(node)] = self._level(node, key), key

    def _level(self, node: Node, key: tuple[int, int] | None) -> int:
        sources = (id(source) for source in node.sources() if source.depends)
        return max(self.levels[source] + (key is None or key != self.keys[source]) for source in sources)

    def finished(self) -> list[Node | Segment]:
        """The steps in an order in which each finds its arguments."""
        users = self.graph.users()
        for segment in self.segments.values():
            self._finish(segment, users)
        done = set(self.known)
        order: list[Node | Segment] = []
        waiting = list(self.nodes)
        while waiting:
            node = next(node for node in waiting if self._ready(node, done))
            owner = self.owner.get(id(node))
            members = [node] if owner is None else owner.nodes
            order.extend(members if owner is None or len(members) < 2 else [owner])  # noqa: PLR2004
            done.update(id(member) for member in members)
            waiting = [other for other in waiting if id(other) not in done]
        return order

    def _ready(self, node: Node, done: set[int]) -> bool:
        segment = self.owner.get(id(node))
        sources = node.sources() if segment is None else segment.inputs
        return all(id(source) in done for source in sources if source.depends)

    def _finish(self, segment: Segment, users: dict[int, list[Node]]) -> None:
        inside = {id(node) for node in segment.nodes}
        for node in segment.nodes:
            for source in node.sources():
                if id(source) not in inside:
                    segment.inputs.append(source)
            if node is self.graph.result or any(id(user) not in inside for user in users[id(node)]):
                segment.outputs.add(id(node))
            cut = torch.Size(node.shape[AXIS : self.axis + 1]).numel()
            segment.widest = max(segment.widest, entries(node) // cut)
        segment.curved = [node for node in segment.nodes if RULES[node.name].curved(node)]
        segment.inputs = list({id(source): source for source in segment.inputs}.values())
        inner = _Plan(self.graph, segment.nodes, QUERIES).finished() if self.axis == AXIS else []
        segment.steps = inner or list(segment.nodes)


def _key(node: Node, axis: int) -> tuple[int, int] | None:
    """The rank and the size along the axis, by which neighbours are told apart; None for what mixes."""
    if node.places is not None or not plain(node) or len(node.shape) <= axis + 1:
        return None
    if node.shape[axis] < 2 or _cuts(node, axis) is None:  # noqa: PLR2004 - nothing to cut
        return None
    return len(node.shape), node.shape[axis]


def _cuts(node: Node, axis: int) -> dict[int, int] | None:
    """Which axis of each argument is cut with that of the result; None if the operation does more than that."""
    rank, name = len(node.shape), node.name
    arguments = [arg for arg in node.args if isinstance(arg, Node)]
    if any(arg.depends and len(arg.shape) != rank for arg in arguments):
        return None
    size = node.shape[axis]
    if name == "matmul" and axis == rank - 2:
        left, right = arguments
        return {id(left): axis - rank + len(left.shape)} if left is not right and len(left.shape) > 1 else None
    if name in _BROADCAST or RULES[name].kind == "pointwise" or (name == "matmul" and axis < rank - 2):
        aligned = [(arg, axis - rank + len(arg.shape)) for arg in arguments]
        return {id(arg): own for arg, own in aligned if own >= 0 and arg.shape[own] == size}
    first = node.args[0]
    whole = isinstance(first, Node) and len(first.shape) == rank and first.shape[axis] == size
    return {id(first): axis} if whole and _beyond(node, rank, axis) else None


def _beyond(node: Node, rank: int, axis: int) -> bool:
    """Whether an operation works on axes after `axis` only."""
    rest = node.args[1:]
    if node.name == "linear":
        return rank > axis + 1
    if node.name == "layer_norm":
        return bool(rank - len(rest[0]) > axis)
    if node.name in {"sum", "mean"}:
        axes = [rest[0]] if rest and isinstance(rest[0], int) else (rest[0] if rest else None) or [0]
        kept = rest[1] if len(rest) > 1 else node.kwargs.get("keepdim", False)
        return bool(kept) and all(own % rank > axis for own in axes)
    if node.name in {"transpose", "swapaxes"}:
        return bool(min(rest[0] % rank, rest[1] % rank) > axis)
    single = node.name in {"softmax", "log_softmax", "slice", "narrow", "narrowed"}
    return single and bool(rest) and rest[0] % rank > axis


def _join(segment: Segment, node: Node) -> bool:
    """Put a node into a segment, unless it would cut a value that another node there reads whole."""
    cuts = _cuts(node, segment.axis) or {}
    sources = {id(source) for source in node.sources()}
    known = sources & (segment.readers.keys() | segment.cuts.keys())
    if any(segment.cuts.get(source) != cuts.get(source) for source in known):
        return False
    segment.nodes.append(node)
    segment.cuts.update(cuts)
    segment.cuts[id(node)] = segment.axis
    segment.readers.update(sources)
    return True


def entries(node: Node) -> int:
    """Entries of a node's value in one sample."""
    samples = node.shape[node.axis] // (node.outer * node.inner)
    return torch.Size(node.shape).numel() // max(1, samples)


def peak(steps: list[Node | Segment], readers: dict[int, int], rows: int, like: Tensor) -> int:
    """The most entries of tangents that live at once, for so many tangents (units times samples)."""
    left, sizes = dict(readers), dict[int, int]()
    living = most = 0

    def size(node: Node) -> int:
        return entries(node) * (1 if node.places is not None else rows)

    def take(node: Node, *, kept: bool, work: int) -> None:
        nonlocal living, most
        sizes[id(node)] = size(node) if kept else 0
        living += sizes[id(node)]
        most = max(most, living + work)
        for source in {id(source) for source in node.sources() if source.depends}:
            left[source] -= 1
            living -= 0 if left[source] else sizes.get(source, 0)

    for step in steps:
        whole = isinstance(step, Node) or step.length(rows, like) == step.size
        for node in [step] if isinstance(step, Node) else step.nodes:
            if whole:
                linear = RULES[node.name].kind == "linear"
                take(node, kept=True, work=0 if linear else sum(map(size, {s for s in node.sources() if s.depends})))
            elif isinstance(step, Segment):
                take(node, kept=id(node) in step.outputs, work=step.work(rows, like))
    return most
