"""Rules of linear operations: they carry tangents on and add nothing to the Hessian."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from ihcli.curvature import matrix_products
from ihcli.curvature.axes import reduced_axes
from ihcli.curvature.forward_sweep import ForwardSweep
from ihcli.curvature.graph import Node

aten = torch.ops.aten


def view(sweep: ForwardSweep, node: Node) -> Tensor:
    """Selections and changes of shape: the same on the tangents, whose axes come after that of the units."""
    source, *rest = sweep.arguments(node)
    tangent = sweep.tangent(node.args[0], node)
    if node.position_axes is not None:
        return cast("Tensor", node.target(tangent, *rest, **node.kwargs))
    return _VIEWS[node.name](tangent, source.dim(), *rest, **node.kwargs)


def _after_units(axis: int, rank: int) -> int:
    return axis % max(rank, 1) + 1


def _reshape(t: Tensor, _: int, sizes: list[int]) -> Tensor:
    if sizes and t.dim() > 1 and t.shape[1] == sizes[0]:
        # Where it copies, the units follow the samples in memory.
        return t.transpose(0, 1).reshape(sizes[0], t.shape[0], *sizes[1:]).transpose(0, 1)
    return t.reshape(t.shape[0], *sizes)


def _expand(t: Tensor, rank: int, sizes: list[int], **_: Any) -> Tensor:
    t = t.reshape(t.shape[0], *(1,) * (len(sizes) - rank), *t.shape[1:])
    return t.expand(t.shape[0], *sizes)


def _permute(t: Tensor, rank: int, order: list[int]) -> Tensor:
    return t.permute(0, *(_after_units(axis, rank) for axis in order))


def _slice(t: Tensor, rank: int, axis: int = 0, *rest: int) -> Tensor:
    part: Tensor = aten.slice.Tensor(t, _after_units(axis, rank), *rest)
    return part


_VIEWS: dict[str, Callable[..., Tensor]] = {
    "reshape": _reshape,
    "expand": _expand,
    "permute": _permute,
    "select": lambda t, rank, axis, index: t.select(_after_units(axis, rank), index),
    "slice": _slice,
    "narrow_to_one": lambda t, rank, axis, start, length: t.narrow(_after_units(axis, rank), start, length),
    "unsqueeze": lambda t, rank, axis: t.unsqueeze(_after_units(axis, rank + 1)),
}


def vectorized(sweep: ForwardSweep, node: Node) -> Tensor:
    """Any operation that is linear in its first argument and constant in the others, by `torch.vmap`."""
    tangent = sweep.tangent(node.args[0], node)
    rest, keywords = sweep.arguments(node)[1:], sweep.keywords(node)

    def function(t: Tensor) -> Tensor:
        result: Tensor = node.target(t, *rest, **keywords)
        return result

    return function(tangent) if node.position_axes is not None else torch.vmap(function)(tangent)


def pad(sweep: ForwardSweep, node: Node) -> Tensor:
    """Padding with a constant, whose tangent is zero."""
    return torch.nn.functional.pad(sweep.tangent(node.args[0], node), [int(width) for width in node.args[1]])


def reduction(sweep: ForwardSweep, node: Node) -> Tensor:
    """Sum and mean."""
    tangent = sweep.tangent(node.args[0], node)
    axes, keepdim = reduced_axes(node)
    axes = [axis + (node.position_axes is None) for axis in axes]
    if not axes:
        return tangent
    return tangent.mean(axes, keepdim=keepdim) if node.name == "mean" else tangent.sum(axes, keepdim=keepdim)


def add(sweep: ForwardSweep, node: Node) -> Tensor:
    """a + αb, a − αb and αb − a, of which one may be constant."""
    left, right = node.args[:2] if node.name != "rsub" else node.args[1::-1]
    factor = node.args[2] if len(node.args) > 2 else node.kwargs.get("alpha", 1)  # noqa: PLR2004
    scale = factor if node.name == "add" else -factor
    a, b = (_aligned_tangent(sweep, summand, node) for summand in (left, right))
    if b is None or a is None:
        return sweep.expanded(cast("Tensor", a) if b is None else b if scale == 1 else b * scale, node)
    if a.shape == b.shape and right is not left:
        if sweep.may_overwrite(left, node):
            return a.add_(b, alpha=scale)
        if scale == 1 and sweep.may_overwrite(right, node):
            return b.add_(a)
    return torch.add(a, b, alpha=scale)


def _aligned_tangent(sweep: ForwardSweep, argument: Any, node: Node) -> Tensor | None:
    """The tangent of an argument, ready to broadcast; None for what does not depend on the points."""
    if not isinstance(argument, Node) or not argument.depends:
        return None
    return sweep.aligned(sweep.tangent(argument, node), argument, node)


def negate(sweep: ForwardSweep, node: Node) -> Tensor:
    """−z."""
    return sweep.tangent(node.args[0], node).neg()


def divide(sweep: ForwardSweep, node: Node) -> Tensor:
    """Division by a constant; divisions by what depends on the points have been rewritten as products."""
    source, divisor = node.args[:2]
    value = sweep.value(divisor) if isinstance(divisor, Node) else divisor
    return sweep.expanded(sweep.aligned(sweep.tangent(source, node), source, node) / value, node)


def where(sweep: ForwardSweep, node: Node) -> Tensor:
    """A choice by a condition that does not depend on the points."""
    condition, *branches = node.args[:3]
    zero = sweep.half_hessian.new_zeros(())
    tangents = (_aligned_tangent(sweep, branch, node) for branch in branches)
    a, b = (zero if tangent is None else tangent for tangent in tangents)
    return sweep.expanded(torch.where(sweep.value(condition), a, b), node)


def masked_fill(sweep: ForwardSweep, node: Node) -> Tensor:
    """Entries replaced by a constant."""
    source, mask = node.args[:2]
    tangent = sweep.expanded(sweep.aligned(sweep.tangent(source, node), source, node), node)
    return torch.where(sweep.value(mask), tangent.new_zeros(()), tangent)


def join(sweep: ForwardSweep, node: Node) -> Tensor:
    """Cat and stack, with zeros for the tangents of constants."""
    sources = node.args[0]
    axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    rank = len(node.shape)
    if node.name == "cat" and rank > 1:
        sources = [source for source in sources if source.sizes != [0]]  # which `cat` ignores
    tangents = [_tangent_or_zeros(sweep, source, node) for source in sources]
    joined: Tensor = getattr(torch, node.name)(tangents, dim=axis % rank + 1)
    return joined


def _tangent_or_zeros(sweep: ForwardSweep, source: Node, node: Node) -> Tensor:
    if source.depends:
        return sweep.tangent(source, node)
    return sweep.half_hessian.new_zeros(()).expand(sweep.units, *sweep.value(source).shape)


def put(sweep: ForwardSweep, node: Node) -> Tensor:
    """A tensor with a part replaced: linear in both."""
    whole, part = node.args[0], node.args[2 if node.name == "index_put" else 1]
    a, b = (_tangent_or_zeros(sweep, source, node) for source in (whole, part))
    rest = sweep.arguments(node)[2:]
    if node.name == "index_put":
        indices, accumulate = sweep.arguments(node)[1], [*node.args[3:], False][0]
        return cast("Tensor", torch.vmap(lambda x, y: aten.index_put.default(x, indices, y, accumulate))(a, b))
    out = a.clone(memory_format=torch.contiguous_format)
    _VIEWS[node.name.removesuffix("_scatter")](out, len(whole.shape), *rest).copy_(b)
    return out


def linear(sweep: ForwardSweep, node: Node) -> Tensor:
    """z Wᵀ + b."""
    return matrix_products.linear(sweep.tangent(node.args[0], node), sweep.value(node.args[1]))
