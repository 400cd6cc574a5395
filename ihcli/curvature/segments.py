"""Segments: chains of operations that run on a part of one axis at a time, and the sizes of those parts."""

from collections import Counter
from dataclasses import dataclass, field

from torch import Tensor

from ihcli.curvature.graph import Node, entries_per_sample

# The axis after that of the samples: positions in (B, T, D), heads in (B, H, T, d), followed there by the queries.
AXIS = 1
QUERIES = 2

# Bytes of the widest tangent of a block: about one core's share of the cache, and large on a GPU.
BLOCK_BYTES = 8 << 20
GPU_BLOCK_BYTES = 1 << 28
# The same for parts of the queries, where a block exceeds the cache anyway and the limit is memory.
QUERY_BLOCK_BYTES = 64 << 20
# About so many tangents are held at once within a block.
_TANGENTS_HELD = 6


@dataclass(slots=True)
class Segment:
    """Nodes that act independently along `axis`, which has `size` entries."""

    size: int
    axis: int = AXIS
    steps: "list[Node | Segment]" = field(default_factory=list)
    """Its nodes in an order of execution; those that act independently along the queries too, in inner segments."""
    nodes: list[Node] = field(default_factory=list)
    cuts: dict[int, int] = field(default_factory=dict)
    """The axis along which each value is cut into parts, by the node's id; values that are read whole are missing."""
    inputs: list[Node] = field(default_factory=list)
    """What it reads from outside, constants included."""
    reads: Counter[int] = field(default_factory=Counter)
    """The number of nodes of the segment that read each node, by its id."""
    outputs: set[int] = field(default_factory=set)
    """The ids of the nodes that are read outside."""
    curved: list[Node] = field(default_factory=list)
    """The nodes whose rules read their adjoints."""
    widest: int = 0
    """Entries of the widest tangent, for one unit, one sample and one entry of the axis (and of those before it)."""

    def block_length(self, tangents: int, like: Tensor) -> int:
        """Entries of the axis in one block, for a number of tangents (units times samples)."""
        on_cpu = BLOCK_BYTES if self.axis == AXIS else QUERY_BLOCK_BYTES
        block = on_cpu if like.device.type == "cpu" else GPU_BLOCK_BYTES
        return min(self.size, max(1, block // (tangents * self.widest * like.element_size())))

    def block_entries(self, tangents: int, like: Tensor) -> int:
        """Entries of the tangents that are held at once within a block."""
        most = _TANGENTS_HELD * self.widest * self.block_length(tangents, like) * tangents
        inner = [step for step in self.steps if isinstance(step, Segment)]
        inner = [step for step in inner if step.block_length(tangents, like) < step.size]
        if not inner:
            return most
        inside = {id(node) for step in inner for node in step.nodes if id(node) not in step.outputs}
        kept = sum(entries_per_sample(node) // self.size * tangents for node in self.nodes if id(node) not in inside)
        return min(most, kept + max(step.block_entries(tangents, like) for step in inner))
