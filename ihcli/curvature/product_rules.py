"""Rules of the two products: elementwise, and of matrices.

y = x z has the tangents ẏ_u = ẋ_u z + x ż_u, and adds Σ ȳ ẋ_u ż_v to A.
"""

import torch
from torch import Tensor

from ihcli.curvature.forward_sweep import ForwardSweep
from ihcli.curvature.graph import Node
from ihcli.curvature.matrix_products import add_batched_product, batched_product


def both_depend(node: Node) -> bool:
    """Whether both factors depend on the points."""
    return all(isinstance(factor, Node) and factor.depends for factor in node.args[:2])


def multiply(sweep: ForwardSweep, node: Node) -> Tensor:
    """The elementwise product."""
    left, right = node.args[:2]
    if not both_depend(node):
        source, factor = (left, right) if isinstance(left, Node) and left.depends else (right, left)
        tangent = sweep.tangent(source, node)
        value = sweep.value(factor) if isinstance(factor, Node) else factor
        if sweep.may_overwrite(source, node) and source.shape == node.shape:
            return tangent.mul_(value)
        return sweep.expanded(sweep.aligned(tangent, source, node) * value, node)
    a, b = (sweep.aligned(sweep.tangent(factor, node), factor, node) for factor in (left, right))
    larger, smaller = (a, b) if a.numel() >= b.numel() else (b, a)
    weighted = larger * sweep.adjoint(node)
    sweep.pair_term(node, _sum_like(weighted, smaller, node.position_axes is None), smaller)
    return torch.addcmul(a * sweep.value(right), b, sweep.value(left))


def _sum_like(weighted: Tensor, factor: Tensor, first: int) -> Tensor:
    """Sums over the axes from `first` along which a factor is broadcast; the factor may be expanded before."""
    broadcast = [axis for axis in range(first, factor.dim()) if factor.shape[axis] == 1 < weighted.shape[axis]]
    return weighted.sum(broadcast, keepdim=True) if broadcast else weighted


def multiply_matrices(sweep: ForwardSweep, node: Node) -> Tensor:
    """The product of matrices in batches."""
    left, right = node.args[:2]
    x, y = sweep.value(left), sweep.value(right)
    batches = x.shape[:-2] == y.shape[:-2] and x.dim() > 2 and node.batch_first  # noqa: PLR2004 - neither is broadcast
    if node.position_axes is not None:
        return _of_each_position(sweep, node)
    if node.between_positions:
        return _between_positions(sweep, node)
    if both_depend(node):
        return _in_batches(sweep, node) if batches else _broadcast(sweep, node)
    if batches:
        return _one_factor_constant(sweep, node)
    if left.depends:
        return torch.matmul(sweep.aligned(sweep.tangent(left, node), left, node), y)
    return torch.matmul(x, sweep.aligned(sweep.tangent(right, node), right, node))


def _of_each_position(sweep: ForwardSweep, node: Node) -> Tensor:
    """Products within each position, where one tensor holds the tangents of all units."""
    left, right = node.args[:2]
    if not right.depends:
        return torch.matmul(sweep.tangent(left, node), sweep.value(right))
    b = sweep.tangent(right, node)
    if not left.depends:
        return torch.matmul(sweep.value(left), b)
    a = sweep.tangent(left, node)
    sweep.pair_term(node, torch.matmul(a, b), sweep.adjoint(node))
    return torch.matmul(a, sweep.value(right)).add_(torch.matmul(sweep.value(left), b))


def _one_factor_constant(sweep: ForwardSweep, node: Node) -> Tensor:
    """ẋ_u y or x ẏ_u by one product for all units in each batch."""
    (left, right), units = node.args[:2], sweep.units
    x, y = sweep.value(left), sweep.value(right)
    lead, t, k, s = x.shape[:-2], x.shape[-2], x.shape[-1], y.shape[-1]
    if left.depends:
        rows = sweep.tangent_before_last(left).reshape(-1, t * units, k)
        out = batched_product(rows, y.reshape(-1, k, s))
    else:
        columns = sweep.tangent_before_last(right).reshape(-1, k, units * s)
        out = batched_product(x.reshape(-1, t, k), columns)
    return out.view(*lead, t, units, s).movedim(-2, 0)


def _in_batches(sweep: ForwardSweep, node: Node) -> Tensor:
    """Batches of matrices (…, t, k) and (…, k, s), of which neither is broadcast.

    With tangents laid out (…, t, U, k) and (…, k, U, s), both products give (…, t, U, s) by one large product in each
    batch.
    """
    left, right = node.args[:2]
    x, y, adjoint = sweep.value(left), sweep.value(right), sweep.adjoint(node)
    a, b = sweep.tangent(left, node), sweep.tangent(right, node)
    lead, t, k, s, units = x.shape[:-2], x.shape[-2], x.shape[-1], y.shape[-1], sweep.units
    rows = a.movedim(0, -2).reshape(-1, t, units * k)
    out = batched_product(rows.reshape(-1, t * units, k), y.reshape(-1, k, s)).view(-1, t, units * s)
    flat = adjoint.reshape(-1, t, s)
    if b.stride(-1) > b.stride(-2):
        # k is innermost in memory: y has been transposed, as keys are.
        transposed = b.mT.movedim(0, -3).reshape(-1, units * s, k)
        add_batched_product(out, x.reshape(-1, t, k), transposed.mT)
        gathered = batched_product(flat.mT, rows).view(-1, s, units, k).transpose(1, 2)
        _add_sum_over_batches(sweep, gathered.reshape(-1, units, s * k), transposed.reshape(-1, units, s * k))
    else:
        add_batched_product(out, x.reshape(-1, t, k), b.movedim(0, -2).reshape(-1, k, units * s))
        gathered = batched_product(rows.mT, flat)
        _add_sum_over_batches(sweep, gathered.view(-1, units, k * s), b.movedim(0, -3).reshape(-1, units, k * s))
    return out.view(*lead, t, units, s).movedim(-2, 0)


def _add_sum_over_batches(sweep: ForwardSweep, left: Tensor, right: Tensor) -> None:
    """Add Σ l_u r_v to A, for factors (n, U, m) with several of n in each sample."""
    terms = batched_product(left, right.mT).view(sweep.batch, -1, sweep.units, sweep.units)
    sweep.half_hessian.add_(terms.sum(1))


def _between_positions(sweep: ForwardSweep, node: Node) -> Tensor:
    """Two factors whose positions have not been combined: positions t of the left, s of the right.

    ẏ_u[t, s] = [t ∈ u] (ẋ z)[t, s] + [s ∈ u] (x ż)[t, s], and A_uv += Σ_{t ∈ u, s ∈ v} ȳ (ẋ ż).
    """
    left, right = node.args[:2]
    a, b = sweep.tangents[id(left)], sweep.tangents[id(right)]
    rank = len(node.shape)
    by_row, by_column = torch.matmul(a, sweep.value(right)), torch.matmul(sweep.value(left), b)
    shape = by_row.shape
    rows, columns = (sweep.membership_like(shape, (0, axis)) for axis in (rank - 2, rank - 1))
    out = a.new_empty((*shape[:-1], sweep.units, shape[-1]))
    torch.mul(by_row.unsqueeze(-2), rows.movedim(0, -2), out=out)
    out.addcmul_(by_column.unsqueeze(-2), columns.movedim(0, -2))
    pairs = (torch.matmul(a, b) * sweep.adjoint(node)).reshape(sweep.batch, -1, *shape[-2:]).sum(1)
    rows, columns = (member.transpose(0, 1).reshape(member.shape[1], sweep.units, -1) for member in (rows, columns))
    sweep.half_hessian.add_(rows @ pairs @ columns.mT)
    return out.movedim(-2, 0)


def _broadcast(sweep: ForwardSweep, node: Node) -> Tensor:
    """Factors that are broadcast in batches."""
    left, right = node.args[:2]
    a, b = (sweep.aligned(sweep.tangent(factor, node), factor, node) for factor in (left, right))
    total = torch.matmul(a, sweep.value(right)) + torch.matmul(sweep.value(left), b)
    adjoint = sweep.adjoint(node)
    weighted, tangent = (torch.matmul(adjoint, b.mT), a) if a.numel() <= b.numel() else (torch.matmul(a.mT, adjoint), b)
    sweep.pair_term(node, _sum_like(weighted, tangent, 1), tangent)
    return total
