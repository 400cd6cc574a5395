"""Batches of matrix products on tensors, arranged for speed on a CPU."""

import torch
from torch import Tensor

# On a CPU, products of at least so many operations are computed one by one: the batched routine takes up to three times
# as long for them, and `mm` may be replaced by that of another library.
LARGE = 4_000_000
# Symmetric sums are computed without their mirrored half, in at most MOST_PIECES pieces of at least PIECE units.
PIECE = 48
MOST_PIECES = 4


def batched_product(a: Tensor, b: Tensor) -> Tensor:
    """(n, p, q) times (n, q, r)."""
    if not _one_by_one(a, b):
        return torch.bmm(a, b)
    if len(a) == 1:
        return _product(a[0], b[0]).contiguous().unsqueeze(0)
    out = a.new_empty(len(a), a.shape[1], b.shape[2])
    for own, x, y in zip(out, a, b, strict=True):
        own.copy_(_product(x, y))
    return out


def add_batched_product(out: Tensor, a: Tensor, b: Tensor) -> None:
    """Add (n, p, q) times (n, q, r) to `out`."""
    if _one_by_one(a, b):
        for own, x, y in zip(out, a, b, strict=True):
            own.add_(_product(x, y))
    else:
        out.baddbmm_(a, b)


def add_square_sum(out: Tensor, rows: Tensor, weighted: Tensor) -> None:
    """Add Σ_k w_uk z_vk to `out` (B, U, U), of `rows` z (B, U, n) and `weighted` rows w = z · weight (B, U, n).

    The sum is symmetric and only the sum of `out` and its transpose matters, so entries right of the diagonal blocks
    stand for both sides.
    """
    units = rows.shape[1]
    pieces = max(1, min(MOST_PIECES, units // PIECE))
    size = -(-units // pieces)
    for first in range(0, units, size):
        left, own = weighted[:, first : first + size], slice(first, first + size)
        add_batched_product(out[:, own, own], left, rows[:, own].mT)
        if first + size < units:
            rest = slice(first + size, None)
            out[:, own, rest].add_(batched_product(left, rows[:, rest].mT), alpha=2)


def linear(tangent: Tensor, weight: Tensor) -> Tensor:
    """ż Wᵀ as one matrix product, in the order in which the tangent lies in memory."""
    lead = tangent.dim() - 1
    strides = tangent.stride()
    order = sorted(range(lead), key=lambda axis: -strides[axis])
    ordered = tangent.permute(*order, lead)
    out = torch.mm(ordered.reshape(-1, ordered.shape[-1]), weight.t()).view(*ordered.shape[:-1], weight.shape[0])
    return out.permute(*(order.index(axis) for axis in range(lead)), lead)


def _one_by_one(a: Tensor, b: Tensor) -> bool:
    return a.device.type == "cpu" and 2 * a.shape[1] * a.shape[2] * b.shape[2] >= LARGE


def _product(x: Tensor, y: Tensor) -> Tensor:
    """X y without a copy of a transposed x that is larger than y; rows with gaps between them are copied."""
    x, y = _dense(x), _dense(y)
    if not x.is_contiguous() and x.numel() > y.numel():
        return torch.mm(y.t().contiguous(), x.t()).t()
    return torch.mm(x, y)


def _dense(z: Tensor) -> Tensor:
    return z if z.is_contiguous() or z.t().is_contiguous() else z.contiguous()
