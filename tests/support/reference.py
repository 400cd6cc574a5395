"""The paper's double integral, done slowly: an oracle that shares no code with the package.

Γ_uv = ∫₀¹∫₀¹ αβ H_uv(αβ) dα dβ + [u = v] ∫₀¹∫₀¹ g_u(αβ) dα dβ (Janizek, Sturmfels, Lee 2021, equations 4 and 5, with
their δ's inside H and g), where H and g are the derivatives along gates s_u: x' + Σ_u s_u δ_u, at s = αβ·1.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def gate_derivatives(f: Callable[[Tensor], Tensor], x: Tensor, baseline: Tensor, groups: Tensor, p: np.ndarray):
    """g (n, U) and H (n, U, U) at the points x' + p·δ, one row of H and twelve points at a time."""
    units = int(groups.max()) + 1
    masks = torch.stack([(groups == u).to(x.dtype) for u in range(units)])  # (U, leading)
    masks = masks.view(units, *groups.shape, *[1] * (x.dim() - groups.dim()))
    steps = masks * (x - baseline)  # (U, *S)
    gradients, hessians = [], []
    for part in np.array_split(p, max(1, len(p) // 12)):
        gates = torch.tensor(part, dtype=x.dtype)[:, None].repeat(1, units).requires_grad_()
        points = baseline + torch.tensordot(gates, steps, dims=1)
        (gradient,) = torch.autograd.grad(f(points).sum(), gates, create_graph=True)
        rows = [torch.autograd.grad(gradient[:, u].sum(), gates, retain_graph=True)[0] for u in range(units)]
        gradients.append(gradient.detach().numpy())
        hessians.append(torch.stack(rows, dim=1).numpy())
    return np.concatenate(gradients), np.concatenate(hessians)


def double_integral(
    f: Callable[[Tensor], Tensor], x: Tensor, baseline: Tensor, groups: Tensor, panels: int = 24, order: int = 10
) -> np.ndarray:
    """Γ (U, U): derivatives sampled on Gauss panels in p = αβ, interpolated, and summed over a fine (α, β) grid."""
    nodes, _ = np.polynomial.legendre.leggauss(order)
    edges = np.linspace(0, 1, panels + 1)
    p = (edges[:-1, None] + (nodes + 1) / 2 * np.diff(edges)[:, None]).ravel()
    gradient, hessian = gate_derivatives(f, x, baseline, groups, p)
    alpha, weight = composite(40, 10)
    total = np.zeros(hessian.shape[1:])
    diagonal = np.zeros(gradient.shape[1])
    inverse = np.linalg.inv(np.polynomial.legendre.legvander(nodes, order - 1))
    hessian_series = np.einsum("kn,pn...->pk...", inverse, hessian.reshape(panels, order, *hessian.shape[1:]))
    gradient_series = np.einsum("kn,pn...->pk...", inverse, gradient.reshape(panels, order, -1))
    for a, w in zip(alpha, weight, strict=True):
        product = a * alpha
        panel = np.minimum((product * panels).astype(int), panels - 1)
        basis = np.polynomial.legendre.legvander(2 * (product * panels - panel) - 1, order - 1)
        total += w * np.einsum("b,bk,bkuv->uv", weight * product, basis, hessian_series[panel])
        diagonal += w * np.einsum("b,bk,bku->u", weight, basis, gradient_series[panel])
    return total + np.diag(diagonal)


def composite(panels: int, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Composite Gauss-Legendre nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    edges = np.linspace(0, 1, panels + 1)
    width = np.diff(edges)[:, None]
    return (edges[:-1, None] + (nodes + 1) / 2 * width).ravel(), (weights / 2 * width).ravel()
