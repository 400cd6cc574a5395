"""Decompositions of operations that have no rule into operations that have one."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def decomposition(target: Any) -> Callable[..., Any] | None:
    """The decomposition of an ATen operation, by this module or by PyTorch; None if there is none."""
    name = target._schema.name.removeprefix("aten::")  # noqa: SLF001 - PyTorch has no public name for this
    if name in _OWN:
        return _OWN[name]
    key = torch._C.DispatchKey.CompositeImplicitAutograd  # noqa: SLF001 - the public API does not say what is composite
    if torch._C._dispatch_has_kernel_for_dispatch_key(target.name(), key):  # noqa: SLF001
        composite: Callable[..., Any] = target.decompose
        return composite
    registered = torch._decomp.decomposition_table.get(target)  # noqa: SLF001 - the public copy of the table is shorter
    # The rest of the table consists of primitives (prims), which have no rules and whose names no user knows.
    return registered if registered is not None and registered.__module__.startswith("torch._decomp") else None


def _matmul(a: Tensor, b: Tensor) -> Tensor:
    return torch.matmul(a, b)


def _added_matmul(base: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """βc + α(a b)."""
    product = torch.matmul(a, b) if alpha == 1 else torch.matmul(a, b) * alpha
    return product + (base if beta == 1 else base * beta)


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Attention by matrix products and a softmax; fused kernels have no second derivatives."""
    if enable_gqa:
        times = query.shape[-3] // key.shape[-3]
        key, value = (z.unsqueeze(-3).expand(*z.shape[:-2], times, *z.shape[-2:]).flatten(-4, -3) for z in (key, value))
    scores = (query * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)) @ key.transpose(-1, -2)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=query.device).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(attn_mask.logical_not(), -math.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return torch.dropout(scores.softmax(-1), dropout_p, train=dropout_p > 0) @ value


def _var_mean(
    x: Tensor, dim: Any = None, *args: Any, correction: float | None = 1, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """The variance Σ (x − mean)² / (n − correction) and the mean.

    Serves all overloads: (x, unbiased), (x, dim, unbiased, keepdim), and correction by keyword.
    """
    if isinstance(dim, bool):
        dim, args = None, (dim,)
    if args:
        correction, keepdim = int(args[0]), args[1] if len(args) > 1 else keepdim
    axes = list(range(x.dim())) if dim is None or dim == [] else [dim] if isinstance(dim, int) else list(dim)
    count = math.prod(x.shape[axis] for axis in axes) - (1 if correction is None else correction)
    mean = x.mean(axes, keepdim=True)
    variance = (x - mean).pow(2).sum(axes, keepdim=keepdim) / count
    return variance, mean if keepdim else mean.squeeze(axes)


def _var(*args: Any, **keywords: Any) -> Tensor:
    return _var_mean(*args, **keywords)[0]


def _std(*args: Any, **keywords: Any) -> Tensor:
    return _var(*args, **keywords).sqrt()


def _group_norm(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5, *_: Any
) -> Tensor:
    """A layer normalisation of every group of channels, (B, groups, n)."""
    rows = x.reshape(x.shape[0], groups, -1)
    normal = torch.nn.functional.layer_norm(rows, [rows.shape[-1]], eps=eps).reshape(x.shape)
    shape = (1, -1, *(1,) * (x.dim() - 2))
    normal = normal if weight is None else normal * weight.reshape(shape)
    return normal if bias is None else normal + bias.reshape(shape)


def _batch_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, var: Tensor, training: bool, _: float,
    eps: float, *__: Any,
) -> Tensor:  # fmt: skip
    """With the running statistics, an affine map."""
    if training:
        message = "batch_norm in training mode combines the samples of a batch: call model.eval()"
        raise ValueError(message)
    shape = (1, -1, *(1,) * (x.dim() - 2))
    scale = (var + eps).rsqrt() if weight is None else weight * (var + eps).rsqrt()
    shift = -mean * scale if bias is None else bias - mean * scale
    return x * scale.reshape(shape) + shift.reshape(shape)


def _prod(x: Tensor, axis: int | None = None, keepdim: bool = False, **_: Any) -> Tensor:
    """Products of halves: correct where factors are zero, in log₂ n operations."""
    rows = x.flatten() if axis is None else x.movedim(axis, -1)
    while rows.shape[-1] > 1:
        half = rows.shape[-1] // 2
        rest = rows[..., 2 * half :]
        rows = rows[..., :half] * rows[..., half : 2 * half]
        rows = torch.cat([rows, rest], -1) if rest.shape[-1] else rows
    return rows.movedim(-1, axis) if keepdim and axis is not None else rows.squeeze(-1)


def _tile(x: Tensor, sizes: Sequence[int]) -> Tensor:
    return x.repeat(*(1,) * (x.dim() - len(sizes)), *sizes)


_OWN: dict[str, Callable[..., Any]] = {
    "mm": _matmul,
    "bmm": _matmul,
    "addmm": _added_matmul,
    "baddbmm": _added_matmul,
    "scaled_dot_product_attention": _attention,
    "var": _var,
    "std": _std,
    "var_mean": _var_mean,
    "group_norm": _group_norm,
    "batch_norm": _batch_norm,
    "prod": _prod,
    "tile": _tile,
}
