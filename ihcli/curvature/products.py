"""Products of matrices in batches: the tangents of attention, and the sums over positions of all pairs of units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ihcli.curvature.graph import Node, plain

if TYPE_CHECKING:
    from torch import Tensor

    from ihcli.curvature.sweep import ForwardSweep

# On a CPU, products of at least so many operations gain by being called one by one: the batched routine is slower at
# them (by up to three times), and another library may stand behind `mm`.
LARGE = 4_000_000
# Symmetric sums are made in pieces of at least so many units, at most so many of them, to leave out the mirrored half.
PIECE = 48
MOST_PIECES = 4


def products(a: Tensor, b: Tensor) -> Tensor:
    """(n, p, q) times (n, q, r)."""
    if not _one_by_one(a, b):
        return torch.bmm(a, b)
    if len(a) == 1:
        return _product(a[0], b[0]).contiguous().unsqueeze(0)
    out = a.new_empty(len(a), a.shape[1], b.shape[2])
    for own, x, y in zip(out, a, b, strict=True):
        own.copy_(_product(x, y))
    return out


def add_products(out: Tensor, a: Tensor, b: Tensor) -> None:
    """Out += (n, p, q) times (n, q, r)."""
    if _one_by_one(a, b):
        for own, x, y in zip(out, a, b, strict=True):
            own.add_(_product(x, y))
    else:
        out.baddbmm_(a, b)


def _one_by_one(a: Tensor, b: Tensor) -> bool:
    return a.device.type == "cpu" and 2 * a.shape[1] * a.shape[2] * b.shape[2] >= LARGE


def _product(x: Tensor, y: Tensor) -> Tensor:
    """X y; a transposed x that is the larger one stays as it lies in memory. Rows with gaps are slow everywhere."""
    x, y = _dense(x), _dense(y)
    if not x.is_contiguous() and x.numel() > y.numel():
        return torch.mm(y.t().contiguous(), x.t()).t()
    return torch.mm(x, y)


def _dense(z: Tensor) -> Tensor:
    return z if z.is_contiguous() or z.t().is_contiguous() else z.contiguous()


def by_sample(run: ForwardSweep, tangent: Tensor, node: Node) -> Tensor:
    """Tangents (U, *shape) as (B, U, n)."""
    if plain(node):
        return tangent.transpose(0, 1).reshape(run.batch, tangent.shape[0], -1)
    split: Tensor = tangent.unflatten(node.axis + 1, (node.outer, run.batch, -1))  # type: ignore[no-untyped-call]
    return split.movedim(node.axis + 2, 0).reshape(run.batch, tangent.shape[0], -1)


def square_sum(run: ForwardSweep, node: Node, tangent: Tensor, weight: Tensor) -> None:
    """Half += Σ w ż_u ż_v for every sample."""
    rows = by_sample(run, tangent, node)
    weighted = rows * by_sample(run, weight.expand(tangent.shape[1:]).unsqueeze(0), node)
    pieces = max(1, min(MOST_PIECES, run.units // PIECE))
    size = -(-run.units // pieces)
    for first in range(0, run.units, size):
        # The product is symmetric, and A + Aᵀ is what counts: what lies right of the diagonal stands for both sides.
        left, own = weighted[:, first : first + size], slice(first, first + size)
        add_products(run.half[:, own, own], left, rows[:, own].mT)
        if first + size < run.units:
            rest = slice(first + size, None)
            run.half[:, own, rest].add_(products(left, rows[:, rest].mT), alpha=2)


def pair_sum(run: ForwardSweep, node: Node, left: Tensor, right: Tensor) -> None:
    """Half += Σ l_u r_v for every sample."""
    add_products(run.half, by_sample(run, left, node), by_sample(run, right, node).mT)


def _group_sum(run: ForwardSweep, left: Tensor, right: Tensor) -> None:
    """Half += Σ l rᵀ over (n, U, m) that holds several for every sample."""
    found = products(left, right.mT).view(run.batch, -1, run.units, run.units)
    run.half.add_(found.sum(1))


def elementwise(run: ForwardSweep, node: Node, factors: tuple[Tensor, Tensor], adjoint: Tensor) -> None:
    """The term of an elementwise product: Σ ȳ ȧ_u ḃ_v, summed first where one factor is broadcast."""
    a, b = sorted(factors, key=lambda factor: -factor.numel())
    weighted = a * adjoint
    lead = 0 if run.compact(node) else 1
    broadcast = [axis for axis in range(lead, b.dim()) if b.shape[axis] == 1 and weighted.shape[axis] > 1]
    if broadcast:
        weighted = weighted.sum(broadcast, keepdim=True)
    run.pair_term(node, weighted, b.expand(weighted.shape))


def linear(tangent: Tensor, weight: Tensor) -> Tensor:
    """ż Wᵀ as one matrix product, in the order in which the tangent lies in memory."""
    lead = tangent.dim() - 1
    strides = tangent.stride()
    order = sorted(range(lead), key=lambda axis: -strides[axis])
    laid = tangent.permute(*order, lead)
    out = torch.mm(laid.reshape(-1, laid.shape[-1]), weight.t()).view(*laid.shape[:-1], weight.shape[0])
    return out.permute(*(order.index(axis) for axis in range(lead)), lead)


def contracted(run: ForwardSweep, node: Node, pair: tuple[Node, Node], alpha: float) -> Tensor:
    """The tangents of a product of matrices x y, and its term."""
    left, right = pair
    x, y = run.value(left), run.value(right)
    batches = x.shape[:-2] == y.shape[:-2] and x.dim() > 2 and plain(node)  # noqa: PLR2004 - a batch of matrices each
    if not (left.depends and right.depends):
        if batches:
            total = _one_sided(run, pair)
        elif left.depends:
            total = torch.matmul(run.aligned(run.tangent(left, node), left, node), y)
        else:
            total = torch.matmul(x, run.aligned(run.tangent(right, node), right, node))
    elif node.info.get("masked"):
        total = _between_positions(run, node, pair, alpha)
    else:
        adjoint = run.adjoint(node) * alpha if alpha != 1 else run.adjoint(node)
        if batches:
            total = _alike(run, (x, y), (run.tangent(left, node), run.tangent(right, node)), adjoint)
        else:
            total = _broadcast(run, node, pair, adjoint)
    return total.mul_(alpha) if alpha != 1 else total


def _one_sided(run: ForwardSweep, pair: tuple[Node, Node]) -> Tensor:
    """ȧ_u y or x ḃ_u for batches of matrices of which one has no tangent: one product for all units a batch each."""
    x, y = map(run.value, pair)
    lead, t, k, s = x.shape[:-2], x.shape[-2], x.shape[-1], y.shape[-1]
    if pair[0].depends:
        out = products(run.tangent_before_last(pair[0]).reshape(-1, t * run.units, k), y.reshape(-1, k, s))
    else:
        out = products(x.reshape(-1, t, k), run.tangent_before_last(pair[1]).reshape(-1, k, run.units * s))
    return out.view(*lead, t, run.units, s).movedim(-2, 0)


def _alike(
    run: ForwardSweep, values: tuple[Tensor, Tensor], tangents: tuple[Tensor, Tensor], adjoint: Tensor
) -> Tensor:
    """ȧ_u y + x ḃ_u for batches of matrices (…, t, k) and (…, k, s), and the term of their product.

    Laid out (…, t, U, k) and (…, k, U, s), both products give (…, t, U, s): one large product a batch each.
    """
    (x, y), (a, b) = values, tangents
    lead, t, k, s, units = x.shape[:-2], x.shape[-2], x.shape[-1], y.shape[-1], run.units
    rows = a.movedim(0, -2).reshape(-1, t, units * k)
    out = products(rows.reshape(-1, t * units, k), y.reshape(-1, k, s)).view(-1, t, units * s)
    flat = adjoint.reshape(-1, t, s)
    if b.stride(-1) > b.stride(-2):
        # k is innermost: y was transposed, as the keys are.
        stood = b.mT.movedim(0, -3).reshape(-1, units * s, k)
        add_products(out, x.reshape(-1, t, k), stood.mT)
        gathered = products(flat.mT, rows).view(-1, s, units, k).transpose(1, 2).reshape(-1, units, s * k)
        _group_sum(run, gathered, stood.reshape(-1, units, s * k))
    else:
        add_products(out, x.reshape(-1, t, k), b.movedim(0, -2).reshape(-1, k, units * s))
        gathered = products(rows.mT, flat)
        _group_sum(run, gathered.view(-1, units, k * s), b.movedim(0, -3).reshape(-1, units, k * s))
    return out.view(*lead, t, units, s).movedim(-2, 0)


def _between_positions(run: ForwardSweep, node: Node, pair: tuple[Node, Node], alpha: float) -> Tensor:
    """The product of two factors whose tangents are compact: positions t of the left, s of the right.

    ẏ_u[t, s] = [t ∈ u] (ȧ y)[t, s] + [s ∈ u] (x ḃ)[t, s], and H_uv += Σ_{t ∈ u, s ∈ v} ȳ (ȧ ḃ).
    """
    left, right = pair
    a, b = run.tangents[id(left)], run.tangents[id(right)]
    rank = len(node.shape)
    by_row, by_column = torch.matmul(a, run.value(right)), torch.matmul(run.value(left), b)
    shape = by_row.shape
    rows, columns = run.membership(shape, (0, rank - 2)), run.membership(shape, (0, rank - 1))
    out = a.new_empty((*shape[:-1], run.units, shape[-1]))
    torch.mul(by_row.unsqueeze(-2), rows.movedim(0, -2), out=out)
    out.addcmul_(by_column.unsqueeze(-2), columns.movedim(0, -2))
    pairs = (torch.matmul(a, b) * run.adjoint(node)).reshape(run.batch, -1, *shape[-2:]).sum(1)
    member = run.member.unsqueeze(1) if run.groups.dim() == 1 else run.member
    member = member.transpose(0, 1).expand(run.batch, -1, -1)
    here = member.narrow(2, *run.windows[rank - 2]) if rank - 2 in run.windows else member
    run.half.add_(here @ pairs @ member.mT, alpha=alpha)
    return out.movedim(-2, 0)


def _broadcast(run: ForwardSweep, node: Node, pair: tuple[Node, Node], adjoint: Tensor) -> Tensor:
    """The same for factors that broadcast."""
    a, b = (run.aligned(run.tangent(source, node), source, node) for source in pair)
    total = torch.matmul(a, run.value(pair[1])) + torch.matmul(run.value(pair[0]), b)
    weighted, tangent = (torch.matmul(adjoint, b.mT), a) if a.numel() <= b.numel() else (torch.matmul(a.mT, adjoint), b)
    broadcast = [axis for axis in range(1, tangent.dim()) if tangent.shape[axis] == 1 and weighted.shape[axis] > 1]
    if broadcast:
        weighted = weighted.sum(broadcast, keepdim=True)
    pair_sum(run, node, weighted, tangent)
    return total
