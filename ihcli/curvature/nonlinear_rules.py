"""Rules of functions of one argument whose second derivative is not zero."""

import math

import torch
from torch import Tensor

from ihcli.curvature.axes import reduced_axes
from ihcli.curvature.forward_sweep import ForwardSweep
from ihcli.curvature.graph import Node


def pointwise(sweep: ForwardSweep, node: Node) -> Tensor:
    """y = φ(z): ẏ_u = φ′(z) ż_u, and A_uv += ½ Σ ȳ φ″(z) ż_u ż_v."""
    source = node.args[0]
    first, second = _derivatives(sweep, node)
    tangent = sweep.tangent(source, node)
    sweep.square_term(node, tangent, second.mul_(sweep.adjoint(node)).mul_(0.5))
    return tangent.mul_(first) if sweep.may_overwrite(source, node) else tangent * first


def _derivatives(sweep: ForwardSweep, node: Node) -> tuple[Tensor, Tensor]:
    """φ′ and φ″ by autograd on the values alone, whose size does not grow with the units; for GELU by a formula.

    φ(z) = z N(z), with N the normal distribution function and n its density: φ′ = N + z n, φ″ = n (2 − z²).
    """
    z = sweep.value(node.args[0])
    if node.name == "gelu" and node.kwargs.get("approximate", "none") == "none" and len(node.args) == 1:
        square = z * z
        density = square.mul(-0.5).exp_().mul_(1 / math.sqrt(2 * math.pi))
        first = torch.special.ndtr(z).addcmul_(z, density)
        return first, square.neg_().add_(2).mul_(density)
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        rest, keywords = sweep.arguments(node)[1:], sweep.keywords(node)
        (first,) = torch.autograd.grad(node.target(z, *rest, **keywords).sum(), z, create_graph=True)
        second = torch.autograd.grad(first.sum(), z)[0] if first.requires_grad else torch.zeros_like(z)
    return first.detach(), second.detach().clone()


def softmax(sweep: ForwardSweep, node: Node) -> Tensor:
    """Ṗ_u = P e_u with e_u = ż_u − ⟨P, ż_u⟩, and A_uv += ½ Σ (ȳ − ⟨ȳ, P⟩) P e_u e_v."""
    source, axis = node.args[0], _from_end(node)
    probability, adjoint = sweep.value(node), sweep.adjoint(node)
    tangent = sweep.tangent(source, node)
    weight = (adjoint - (adjoint * probability).sum(axis, keepdim=True)) * probability * 0.5
    mean = (tangent * probability).sum(axis, keepdim=True)
    tangent = tangent.sub_(mean) if sweep.may_overwrite(source, node) else tangent - mean
    sweep.square_term(node, tangent, weight)
    return tangent.mul_(probability)


def log_softmax(sweep: ForwardSweep, node: Node) -> Tensor:
    """ẏ_u = ż_u − ⟨P, ż_u⟩ =: e_u, and A_uv −= ½ (Σ ȳ) Σ P e_u e_v."""
    source, axis = node.args[0], _from_end(node)
    probability, adjoint = sweep.value(node).exp(), sweep.adjoint(node)
    tangent = sweep.tangent(source, node)
    result: Tensor = tangent - (tangent * probability).sum(axis, keepdim=True)
    sweep.square_term(node, result, adjoint.sum(axis, keepdim=True) * probability * -0.5)
    return result


def _from_end(node: Node) -> int:
    """The axis of a softmax, counted from the end, so that it is the same in tangents."""
    return int(node.args[1]) % len(node.shape) - len(node.shape)


def logsumexp(sweep: ForwardSweep, node: Node) -> Tensor:
    """ẏ_u = ⟨P, ż_u⟩, and A_uv += ½ ȳ Σ P (ż_u − ẏ_u)(ż_v − ẏ_v)."""
    source = node.args[0]
    reduced, keepdim = reduced_axes(node)
    value, adjoint = sweep.value(node), sweep.adjoint(node)
    if not keepdim:
        for axis in reduced:
            value, adjoint = value.unsqueeze(axis), adjoint.unsqueeze(axis)
    probability = (sweep.value(source) - value).exp()
    tangent = sweep.tangent(source, node)
    axes = [axis - len(source.shape) for axis in reduced]
    mean: Tensor = (tangent * probability).sum(axes, keepdim=True)
    sweep.square_term(node, tangent - mean, adjoint * probability * 0.5, like=source)
    return mean if keepdim else mean.squeeze(tuple(axes))


def layer_norm(sweep: ForwardSweep, node: Node) -> Tensor:
    """n = c r with c = z − mean z and r = (mean c² + ε)^−½, and y = w n + b.

    ṅ_u = r (ċ_u − n a_u) with a_u = mean(n ċ_u), and with w ȳ in place of ȳ, at every position
    A_uv −= r a_u ⟨ȳ, ṅ_v⟩ + ½ ⟨ȳ, n⟩ (mean(ṅ_u ṅ_v) + ε r⁴ a_u a_v).
    """
    source, shape = node.args[:2]
    weight = node.args[2] if len(node.args) > 2 else None  # noqa: PLR2004
    epsilon = node.args[4] if len(node.args) > 4 else node.kwargs.get("eps", 1e-5)  # noqa: PLR2004
    axes = tuple(range(-len(shape), 0))
    z, adjoint = sweep.value(source), sweep.adjoint(node)
    centred = z - z.mean(axes, keepdim=True)
    scale = (centred.square().mean(axes, keepdim=True) + epsilon).rsqrt()
    normal = centred * scale
    if isinstance(weight, Node):
        adjoint = adjoint * sweep.value(weight)
    count = float(torch.Size(shape).numel())
    tilt = (adjoint * normal).sum(axes, keepdim=True)
    tangent = sweep.tangent(source, node)
    mean = tangent.mean(axes, keepdim=True)
    tangent = tangent.sub_(mean) if sweep.may_overwrite(source, node) else tangent - mean
    along = (tangent * normal).mean(axes, keepdim=True)
    tangent.addcmul_(normal, along, value=-1)  # from here on ṅ_u / r
    cross = (tangent * adjoint).sum(axes, keepdim=True)
    square = scale.square()
    sweep.pair_term(node, along, cross * -square - along * (tilt * square.square() * (0.5 * epsilon)))
    sweep.square_term(node, tangent, tilt * square * (-0.5 / count))
    return tangent.mul_(scale * sweep.value(weight) if isinstance(weight, Node) else scale)
