"""Where positions stay apart: the static analysis behind compact tangents.

As long as operations act on each position alone, the tangents of all units have disjoint support and one tensor of the
value's own shape holds them all.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ihcli.curvature.graph import SECOND, Graph, Node, call
from ihcli.curvature.rules import RULES

_DIRECT = frozenset(["add", "sub", "rsub", "mul", "neg", "where", "masked_fill", "div"])
_PROBED = frozenset(
    [
        "view",
        "reshape",
        "_unsafe_view",
        "expand",
        "transpose",
        "swapaxes",
        "permute",
        "t",
        "select",
        "slice",
        "narrow",
        "narrowed",
        "unsqueeze",
        "flatten",
        "unflatten",
        "sum",
        "mean",
        "repeat",
        "movedim",
    ],
)


def places(graph: Graph, points: Tensor, axes: int) -> None:
    """Set `node.places`, the axes of (batch, positions…) in the value of each node, or None where positions mix."""
    graph.source.places = tuple(range(axes + 1))
    sizes = (SECOND, *points.shape[1 : axes + 1])
    for node in graph.nodes:
        if node.depends and node is not graph.source:
            node.places = _after(node, sizes)
            node.info["masked"] = node.places is None and axes == 1 and _masked(node)


def _after(node: Node, sizes: tuple[int, ...]) -> tuple[int, ...] | None:
    sources = [source for source in node.sources() if source.depends]
    if any(source.places is None for source in sources):
        return None
    if node.name in _PROBED:
        return _probed(node, sources[0], sizes)
    rank = len(node.shape)
    found = {tuple(place + rank - len(source.shape) for place in source.places or ()) for source in sources}
    if len(found) != 1:
        return None
    (kept,) = found
    if any(node.shape[place] != size for place, size in zip(kept, sizes, strict=True)):
        return None
    kind = RULES[node.name].kind if node.name in RULES else ""
    if node.name in _DIRECT or kind == "pointwise":
        return kept if all(len(source.shape) == rank for source in sources) else None
    if node.name == "linear":
        return kept if rank - 1 not in kept else None
    if node.name == "layer_norm":
        return kept if max(kept) < rank - len(node.args[1]) else None
    if node.name in {"softmax", "log_softmax"}:
        return kept if node.args[1] % rank not in kept else None
    return None


def _masked(node: Node) -> bool:
    """A product of the positions with themselves, as of queries with keys: (…, T, k) by (…, k, T), both compact."""
    if node.name not in {"matmul", "bmm"} or not all(isinstance(arg, Node) and arg.depends for arg in node.args[:2]):
        return False
    left, right = node.args[:2]
    rank = len(node.shape)
    if left.places != (0, rank - 2) or right.places != (0, rank - 1):
        return False
    return bool(left.shape[:-2] == right.shape[:-2])


def _probed(node: Node, source: Node, sizes: tuple[int, ...]) -> tuple[int, ...] | None:
    """Follow each axis by a tensor that counts along it."""
    kept = []
    for place, size in zip(source.places or (), sizes, strict=True):
        count = torch.arange(1.0, size + 1)
        probe = count.view(-1, *(1,) * (len(source.shape) - place - 1)).expand(source.shape)
        values: dict[int, Any] = {id(source): probe}
        values.update({id(other): other.constant for other in node.sources() if other is not source})
        result = call(node, SECOND, values)
        found = _axis(result, count)
        if found is None:
            return None
        kept.append(found)
    return tuple(kept) if len(set(kept)) == len(kept) else None


def _axis(result: Tensor, count: Tensor) -> int | None:
    if result.numel() == 0:
        return None
    for axis, size in enumerate(result.shape):
        along = result.movedim(axis, 0)
        if size == len(count) and bool((along == count.view(-1, *(1,) * (result.dim() - 1))).all()):
            return axis
    return None
