"""Tiling: chains of operations that act independently along an axis are found, to run on a part of it at a time.

Between two operations that combine positions (attention) or heads (the projection after it), the tangents of one block
pass all operations while they are in the processor's cache, and wide intermediate results (of the feed-forward layer,
the scores of attention) are never held for all positions at once. Where the scores of one head are too many by
themselves, the chain runs on parts of the queries within the head.
"""

import math

from torch import Tensor

from ihcli.curvature.graph import Graph, Node, entries_per_sample
from ihcli.curvature.operation_rules import RULES
from ihcli.curvature.segments import AXIS, QUERIES, Segment


def schedule(graph: Graph) -> list[Node | Segment]:
    """The operations on the points in an order of execution, those that can run in blocks in segments."""
    return _Scheduler(graph, graph.dependent(), AXIS).steps()


class _Scheduler:
    """Assigns nodes to segments by topological level, so that segments form no cycle.

    A path that leaves a segment and returns does so at a higher level, in another segment.
    """

    def __init__(self, graph: Graph, nodes: list[Node], axis: int) -> None:
        self.graph, self.nodes, self.axis = graph, nodes, axis
        inside = {id(node) for node in nodes}
        self.outside = {id(s) for node in nodes for s in node.sources() if s.depends and id(s) not in inside}
        self.levels = dict.fromkeys(self.outside, 0)
        self.keys: dict[int, tuple[int, int] | None] = dict.fromkeys(self.outside)
        self.segments: dict[tuple[int, int, int], Segment] = {}
        self.segment_of: dict[int, Segment] = {}
        for node in nodes:
            self._assign(node)

    def steps(self) -> list[Node | Segment]:
        """Nodes and segments in an order in which each finds its arguments."""
        readers = self.graph.readers()
        for segment in self.segments.values():
            self._complete(segment, readers)
        done = set(self.outside)
        steps: list[Node | Segment] = []
        waiting = list(self.nodes)
        while waiting:
            node = next(node for node in waiting if self._is_ready(node, done))
            owner = self.segment_of.get(id(node))
            members = [node] if owner is None else owner.nodes
            steps.extend(members if owner is None or len(members) == 1 else [owner])
            done.update(id(member) for member in members)
            waiting = [other for other in waiting if id(other) not in done]
        return steps

    def _assign(self, node: Node) -> None:
        """Set the level of a node, and add it to the segment of this level if it can run in blocks."""
        key = _segment_key(node, self.axis)
        if key is not None:
            segment = self.segments.setdefault((self._level(node, key), *key), Segment(key[1], self.axis))
            if _add_to(segment, node):
                self.segment_of[id(node)] = segment
            else:
                key = None
        self.levels[id(node)], self.keys[id(node)] = self._level(node, key), key

    def _level(self, node: Node, key: tuple[int, int] | None) -> int:
        """The highest level of the arguments, and one more where a segment is left or entered."""
        sources = (id(source) for source in node.sources() if source.depends)
        return max(self.levels[source] + (key is None or key != self.keys[source]) for source in sources)

    def _is_ready(self, node: Node, done: set[int]) -> bool:
        segment = self.segment_of.get(id(node))
        sources = node.sources() if segment is None else segment.inputs
        return all(id(source) in done for source in sources if source.depends)

    def _complete(self, segment: Segment, readers: dict[int, list[Node]]) -> None:
        inside = {id(node) for node in segment.nodes}
        inputs = {id(s): s for node in segment.nodes for s in node.sources() if id(s) not in inside}
        segment.inputs = list(inputs.values())
        for node in segment.nodes:
            if node is self.graph.result or any(id(reader) not in inside for reader in readers[id(node)]):
                segment.outputs.add(id(node))
            parts = math.prod(node.shape[AXIS : self.axis + 1])
            segment.widest = max(segment.widest, entries_per_sample(node) // parts)
        segment.curved = [node for node in segment.nodes if RULES[node.name].curved(node)]
        segment.steps = list(segment.nodes)
        if self.axis == AXIS:
            segment.steps = _Scheduler(self.graph, segment.nodes, QUERIES).steps()


def _segment_key(node: Node, axis: int) -> tuple[int, int] | None:
    """Rank and size along the axis, which are equal within a segment; None if the node cannot run in blocks."""
    if node.position_axes is not None or not node.batch_first or len(node.shape) <= axis + 1:
        return None
    if node.shape[axis] == 1 or _cuts(node, axis) is None:
        return None
    return len(node.shape), node.shape[axis]


def _cuts(node: Node, axis: int) -> dict[int, int] | None:
    """The axis along which each argument is cut with the result, by id; None if the node cannot run in blocks.

    What depends on the points must have the rank of the result, and be cut along the same axis or not at all.
    """
    behaviour = RULES[node.name].axis_behaviour
    followed = None if behaviour.takes_shape else behaviour.arguments(node, axis)
    if followed is None:
        return None
    cuts: dict[int, int | None] = {}
    for index, argument in enumerate(node.args):
        if isinstance(argument, Node):
            cut = followed.get(index)
            if argument.depends and (len(argument.shape) != len(node.shape) or cut not in {None, axis}):
                return None
            if cuts.setdefault(id(argument), cut) != cut:
                return None  # one tensor, cut and as a whole
    return {key: cut for key, cut in cuts.items() if cut is not None}


def _add_to(segment: Segment, node: Node) -> bool:
    """Add a node to a segment, unless it cuts a value that another node of the segment reads as a whole."""
    cuts = _cuts(node, segment.axis) or {}
    sources = {id(source) for source in node.sources()}
    known = sources & (segment.reads.keys() | segment.cuts.keys())
    if any(segment.cuts.get(source) != cuts.get(source) for source in known):
        return False
    segment.nodes.append(node)
    segment.cuts.update(cuts)
    segment.cuts[id(node)] = segment.axis
    segment.reads.update(sources)
    return True


def peak_entries(steps: list[Node | Segment], reads: dict[int, int], tangents: int, like: Tensor) -> int:
    """The most entries of tangents that are held at once, for a number of tangents (units times samples)."""
    reads_left, held = dict(reads), dict[int, int]()
    now = most = 0

    def size(node: Node) -> int:
        return entries_per_sample(node) * (1 if node.position_axes is not None else tangents)

    def visit(node: Node, *, kept: bool, temporary: int) -> None:
        nonlocal now, most
        held[id(node)] = size(node) if kept else 0
        now += held[id(node)]
        most = max(most, now + temporary)
        for source in node.tangent_sources:
            reads_left[id(source)] -= 1
            now -= 0 if reads_left[id(source)] else held.get(id(source), 0)

    for step in steps:
        if isinstance(step, Node) or step.block_length(tangents, like) == step.size:
            for node in [step] if isinstance(step, Node) else step.nodes:
                curved = RULES[node.name].curved(node)
                visit(node, kept=True, temporary=sum(map(size, node.tangent_sources)) if curved else 0)
        else:
            for node in step.nodes:
                visit(node, kept=id(node) in step.outputs, temporary=step.block_entries(tangents, like))
    return most
