"""The table of rules: how each operation carries tangents on, and what it adds to the Hessian."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ihcli.curvature import products
from ihcli.curvature.graph import Node

if TYPE_CHECKING:
    from ihcli.curvature.sweep import ForwardSweep

Carry = Callable[["ForwardSweep", Node], Any]
aten = torch.ops.aten


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    `carry(run, node)` returns the node's tangent and adds its second-order term; `curved` says that the term needs the
    adjoint of the result; `local(node)` says that positions stay apart, given where they stand in the arguments.
    """

    carry: Carry
    curved: Callable[[Node], bool]
    kind: str


def _never(_: Node) -> bool:
    return False


def _always(_: Node) -> bool:
    return True


def _dependent(node: Node) -> list[Node]:
    return [source for source in node.sources() if source.depends]


def _two_sided(node: Node) -> bool:
    """Both factors of a product depend on the input."""
    return sum(isinstance(arg, Node) and arg.depends for arg in node.args[:2]) == 2  # noqa: PLR2004


# ---------------------------------------------------------------------------------------------------------- linear


def _shifted(run: ForwardSweep, node: Node) -> Any:
    """An operation on shapes: the same on every unit's tangent, its axes one further where units come first."""
    source = node.args[0]
    tangent = run.tangent(source, node)
    if run.compact(node):
        return node.target(tangent, *run.arguments(node)[1:], **node.kwargs)
    return _SHIFTS[node.name](tangent, len(source.shape), *run.arguments(node)[1:], **node.kwargs)


def _place(axis: int, rank: int) -> int:
    return axis % max(rank, 1) + 1


def _reshape(t: Tensor, _: int, sizes: list[int]) -> Tensor:
    if sizes and t.dim() > 1 and t.shape[1] == sizes[0]:
        # Where it copies, the units follow the samples in memory.
        return t.transpose(0, 1).reshape(sizes[0], t.shape[0], *sizes[1:]).transpose(0, 1)
    return t.reshape(t.shape[0], *sizes)


def _expand(t: Tensor, rank: int, sizes: list[int], **_: Any) -> Tensor:
    t = t.reshape(t.shape[0], *(1,) * (len(sizes) - rank), *t.shape[1:])
    return t.expand(t.shape[0], *sizes)


def _flip_axes(t: Tensor, rank: int) -> Tensor:
    return t if rank < 2 else t.transpose(1, 2)  # noqa: PLR2004


_SHIFTS: dict[str, Callable[..., Any]] = {
    "view": _reshape,
    "reshape": _reshape,
    "_unsafe_view": _reshape,
    "expand": _expand,
    "transpose": lambda t, n, a, b: t.transpose(_place(a, n), _place(b, n)),
    "swapaxes": lambda t, n, a, b: t.transpose(_place(a, n), _place(b, n)),
    "permute": lambda t, n, axes: t.permute(0, *(_place(axis, n) for axis in axes)),
    "t": _flip_axes,
    "select": lambda t, n, axis, index: t.select(_place(axis, n), index),
    "slice": lambda t, n, axis=0, *rest: aten.slice.Tensor(t, _place(axis, n), *rest),
    "narrow": lambda t, n, axis, start, length: t.narrow(_place(axis, n), start, length),
    "narrowed": lambda t, n, axis, start, length: t.narrow(_place(axis, n), start, length),
    "unsqueeze": lambda t, n, axis: t.unsqueeze(_place(axis, n + 1)),
    "flatten": lambda t, n, start=0, end=-1: t.flatten(_place(start, n), _place(end, n)) if n else t.unsqueeze(1),
    "unflatten": lambda t, n, axis, sizes: t.unflatten(_place(axis, n), sizes),
}


def _mapped(run: ForwardSweep, node: Node) -> Any:
    """Any operation linear in its first argument alone, by the batching rule that PyTorch has for it."""
    tangent = run.tangent(node.args[0], node)
    rest, keywords = run.arguments(node)[1:], run.keywords(node)
    if run.compact(node):
        return node.target(tangent, *rest, **keywords)
    return torch.vmap(lambda t: node.target(t, *rest, **keywords))(tangent)


def _padded(run: ForwardSweep, node: Node) -> Any:
    """Padding with a constant: what is added to x is none of its tangent's, which gets zeros."""
    arguments = dict(zip(("input", "pad", "mode", "value"), node.args, strict=False)) | dict(node.kwargs)
    if node.name == "pad" and arguments.get("mode", "constant") != "constant":
        return _mapped(run, node)
    widths = [int(width) for width in arguments["pad"]]
    return torch.nn.functional.pad(run.tangent(node.args[0], node), widths)


def _sum(run: ForwardSweep, node: Node) -> Any:
    source = node.args[0]
    tangent = run.tangent(source, node)
    rank = len(source.shape)
    axes = node.args[1] if len(node.args) > 1 and node.args[1] is not None else list(range(rank))
    axes = [axes] if isinstance(axes, int) else axes
    keep = bool(node.args[2]) if len(node.args) > 2 else bool(node.kwargs.get("keepdim", False))  # noqa: PLR2004
    lead = 0 if run.compact(node) else 1
    places = [axis % max(rank, 1) + lead for axis in axes] if rank else []
    if not places:
        return tangent
    return tangent.mean(places, keepdim=keep) if node.name == "mean" else tangent.sum(places, keepdim=keep)


def _add(run: ForwardSweep, node: Node) -> Any:
    """A + alpha b, either of which may be constant."""
    sign = {"add": 1, "sub": -1, "rsub": -1}[node.name]
    scale = sign * (node.args[2] if len(node.args) > 2 else node.kwargs.get("alpha", 1))  # noqa: PLR2004
    left, right = node.args[:2]
    if node.name == "rsub":
        left, right = right, left
    a, b = run.tangent(left, node), run.tangent(right, node)
    if b is None:
        return run.widened(a, node)
    if a is None:
        return run.widened(b if scale == 1 else b * scale, node)
    a, b = run.aligned(a, left, node), run.aligned(b, right, node)
    if a.shape == b.shape and right is not left:
        if run.spent(left, node):
            return a.add_(b, alpha=scale)
        if scale == 1 and run.spent(right, node):
            return b.add_(a)
    return torch.add(a, b, alpha=scale)


def _neg(run: ForwardSweep, node: Node) -> Any:
    return run.tangent(node.args[0], node).neg()


def _where(run: ForwardSweep, node: Node) -> Any:
    condition, left, right = node.args[:3]
    a, b = run.tangent(left, node), run.tangent(right, node)
    zero = run.half.new_zeros(())
    a = zero if a is None else run.aligned(a, left, node)
    b = zero if b is None else run.aligned(b, right, node)
    return run.widened(torch.where(run.value(condition), a, b), node)


def _masked_fill(run: ForwardSweep, node: Node) -> Any:
    source, mask = node.args[:2]
    tangent = run.widened(run.aligned(run.tangent(source, node), source, node), node)
    return torch.where(run.value(mask), torch.zeros((), dtype=tangent.dtype, device=tangent.device), tangent)


def _joined(run: ForwardSweep, node: Node) -> Any:
    """Cat and stack: zeros stand for the tangents of constants."""
    parts = node.args[0]
    axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    lead = 0 if run.compact(node) else 1
    tangents = [run.tangent(part, node) for part in parts]
    known = next(t for t in tangents if t is not None)
    filled = []
    for part, tangent in zip(parts, tangents, strict=True):
        if tangent is not None:
            filled.append(tangent)
            continue
        shape = run.value(part).shape
        filled.append(known.new_zeros(shape if not lead else (known.shape[0], *shape)))
    rank = len(node.shape)
    if node.name == "cat":
        filled = [t for t in filled if t.dim() > 1 + lead or t.shape[-1] or rank == 1]
    return getattr(torch, node.name)(filled, dim=axis % rank + lead)


def _put(run: ForwardSweep, node: Node) -> Any:
    """A part of a tensor replaced: linear in both."""
    whole, part = node.args[0], node.args[2 if node.name == "index_put" else 1]
    a, b = run.tangent(whole, node), run.tangent(part, node)
    empty = torch.zeros((), dtype=run.half.dtype, device=run.half.device)
    a = empty.expand(run.units, *run.value(whole).shape) if a is None else a
    b = empty.expand(run.units, *run.value(part).shape) if b is None else b
    rest = run.arguments(node)[2:]
    if node.name == "index_put":
        indices, accumulate = run.arguments(node)[1], [*node.args[3:], False][0]
        return torch.vmap(lambda x, y: aten.index_put.default(x, indices, y, accumulate))(a, b)
    out = a.clone(memory_format=torch.contiguous_format)
    _SHIFTS[node.name.removesuffix("_scatter")](out, len(whole.shape), *rest).copy_(b)
    return out


def _linear(run: ForwardSweep, node: Node) -> Any:
    return products.linear(run.tangent(node.args[0], node), run.value(node.args[1]))


# -------------------------------------------------------------------------------------------------------- bilinear


def _mul(run: ForwardSweep, node: Node) -> Any:
    left, right = node.args[:2]
    a, b = run.tangent(left, node), run.tangent(right, node)
    if a is None or b is None:
        (t, source), factor = ((a, left), right) if b is None else ((b, right), left)
        value = run.value(factor) if isinstance(factor, Node) else factor
        if run.spent(source, node) and source.shape == node.shape:
            return t.mul_(value)
        return run.widened(run.aligned(t, source, node) * value, node)
    adjoint = run.adjoint(node)
    a, b = run.aligned(a, left, node), run.aligned(b, right, node)
    products.elementwise(run, node, (a, b), adjoint)
    return torch.addcmul(a * run.value(right), b, run.value(left))


def _divided(run: ForwardSweep, node: Node) -> Any:
    """Division by a constant: divisions by what depends on the input were rewritten as products."""
    source, divisor = node.args[:2]
    value = run.value(divisor) if isinstance(divisor, Node) else divisor
    return run.widened(run.aligned(run.tangent(source, node), source, node) / value, node)


def _matmul(run: ForwardSweep, node: Node) -> Any:
    left, right = node.args[:2]
    if node.name == "baddbmm":
        base, left, right = node.args
    beta, alpha = node.kwargs.get("beta", 1), node.kwargs.get("alpha", 1)
    result = products.contracted(run, node, (left, right), alpha)
    if node.name == "baddbmm" and base.depends:
        result = result + run.aligned(run.tangent(base, node), base, node) * beta
    return result


def _two_matrices(node: Node) -> bool:
    pair = node.args[1:3] if node.name == "baddbmm" else node.args[:2]
    return all(isinstance(arg, Node) and arg.depends for arg in pair)


# ------------------------------------------------------------------------------------------------------- pointwise


def _pointwise(run: ForwardSweep, node: Node) -> Any:
    """Y = φ(z): ẏ_u = φ'(z) ż_u, and H_uv += Σ ȳ φ''(z) ż_u ż_v."""
    source = node.args[0]
    first, second = _derivatives(run, node)
    tangent = run.tangent(source, node)
    run.square_term(node, tangent, second.mul_(run.adjoint(node)).mul_(0.5))
    return tangent.mul_(first) if run.spent(source, node) else tangent * first


def _derivatives(run: ForwardSweep, node: Node) -> tuple[Tensor, Tensor]:
    """φ' and φ'', by autograd on the values alone (their size does not grow with the units); GELU by its formula.

    φ(z) = z N(z) with N the normal distribution and n its density: φ' = N + z n, φ'' = n (2 − z²).
    """
    z = run.value(node.args[0])
    if node.name == "gelu" and node.kwargs.get("approximate", "none") == "none" and len(node.args) == 1:
        square = z * z
        density = square.mul(-0.5).exp_().mul_(1 / math.sqrt(2 * math.pi))
        first = torch.special.ndtr(z).addcmul_(z, density)
        return first, square.neg_().add_(2).mul_(density)
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        rest, keywords = run.arguments(node)[1:], run.keywords(node)
        (first,) = torch.autograd.grad(node.target(z, *rest, **keywords).sum(), z, create_graph=True)
        second = torch.autograd.grad(first.sum(), z)[0] if first.requires_grad else torch.zeros_like(z)
    return first.detach(), second.detach().clone()


# ------------------------------------------------------------------------------------------------- softmax and norms


def _softmax(run: ForwardSweep, node: Node) -> Any:
    """Ṗ_u = P e_u with e_u = ż_u − ⟨P, ż_u⟩, and H_uv += Σ (ȳ − ⟨ȳ, P⟩) P e_u e_v."""
    source, axis = node.args[:2]
    axis = axis % len(node.shape) - len(node.shape)
    probability, adjoint = run.value(node), run.adjoint(node)
    tangent = run.tangent(source, node)
    weight = (adjoint - (adjoint * probability).sum(axis, keepdim=True)) * probability * 0.5
    mean = (tangent * probability).sum(axis, keepdim=True)
    tangent = tangent.sub_(mean) if run.spent(source, node) else tangent - mean
    run.square_term(node, tangent, weight)
    return tangent.mul_(probability)


def _log_softmax(run: ForwardSweep, node: Node) -> Any:
    """ẏ_u = ż_u − ⟨P, ż_u⟩ =: e_u, and H_uv −= (Σ ȳ) Σ P e_u e_v."""
    source, axis = node.args[:2]
    axis = axis % len(node.shape) - len(node.shape)
    probability, adjoint = run.value(node).exp(), run.adjoint(node)
    tangent = run.tangent(source, node)
    result = tangent - (tangent * probability).sum(axis, keepdim=True)
    run.square_term(node, result, adjoint.sum(axis, keepdim=True) * probability * -0.5)
    return result


def _logsumexp(run: ForwardSweep, node: Node) -> Any:
    """ẏ_u = ⟨P, ż_u⟩, and H_uv += ȳ Σ P (ż_u − ẏ_u)(ż_v − ẏ_v)."""
    source, axes = node.args[:2]
    keep = bool(node.args[2]) if len(node.args) > 2 else bool(node.kwargs.get("keepdim", False))  # noqa: PLR2004
    axes = [axes] if isinstance(axes, int) else axes
    places = [axis % len(source.shape) - len(source.shape) for axis in axes]
    value, adjoint = run.value(node), run.adjoint(node)
    if not keep:
        for place in sorted(axis % len(source.shape) for axis in axes):
            value, adjoint = value.unsqueeze(place), adjoint.unsqueeze(place)
    probability = (run.value(source) - value).exp()
    tangent = run.tangent(source, node)
    mean = (tangent * probability).sum(places, keepdim=True)
    run.square_term(source, tangent - mean, adjoint * probability * 0.5, compact=run.compact(node))
    return mean if keep else mean.squeeze(tuple(places))


def _layer_norm(run: ForwardSweep, node: Node) -> Any:
    """N = c r with c = z − mean z, r = (mean c² + ε)^−½, y = w n + b.

    ṅ_u = r (ċ_u − n a_u), a_u = mean(n ċ_u), and with ȳ' = w ȳ at every position
    H_uv −= r (a_u ⟨ȳ', ṅ_v⟩ + a_v ⟨ȳ', ṅ_u⟩) + ⟨ȳ', n⟩ (mean(ṅ_u ṅ_v) + ε r⁴ a_u a_v).
    """
    source, shape = node.args[:2]
    weight = node.args[2] if len(node.args) > 2 else None  # noqa: PLR2004
    epsilon = node.args[4] if len(node.args) > 4 else node.kwargs.get("eps", 1e-5)  # noqa: PLR2004
    axes = tuple(range(-len(shape), 0))
    z, adjoint = run.value(source), run.adjoint(node)
    centred = z - z.mean(axes, keepdim=True)
    scale = (centred.square().mean(axes, keepdim=True) + epsilon).rsqrt()
    normal = centred * scale
    if isinstance(weight, Node):
        adjoint = adjoint * run.value(weight)
    count = float(torch.Size(shape).numel())
    tilt = (adjoint * normal).sum(axes, keepdim=True)
    tangent = run.tangent(source, node)
    mean = tangent.mean(axes, keepdim=True)
    tangent = tangent.sub_(mean) if run.spent(source, node) else tangent - mean
    along = (tangent * normal).mean(axes, keepdim=True)
    # From here ṅ_u / r.
    tangent.addcmul_(normal, along, value=-1)
    cross = (tangent * adjoint).sum(axes, keepdim=True)
    square = scale.square()
    run.pair_term(node, along, cross * -square - along * (tilt * square.square() * (0.5 * epsilon)))
    run.square_term(node, tangent, tilt * square * (-0.5 / count))
    return tangent.mul_(scale * run.value(weight) if isinstance(weight, Node) else scale)


def _linear_rule(carry: Carry) -> Rule:
    return Rule(carry, _never, "linear")


POINTWISE = [
    "gelu",
    "tanh",
    "silu",
    "sigmoid",
    "exp",
    "exp2",
    "log",
    "log2",
    "log10",
    "log1p",
    "expm1",
    "sqrt",
    "rsqrt",
    "reciprocal",
    "erf",
    "erfc",
    "softplus",
    "pow",
    "sin",
    "cos",
    "sinh",
    "cosh",
    "tan",
    "atan",
    "asinh",
    "mish",
    "log_sigmoid",
    "special_expit",
    "special_erf",
    "logit",
]

RULES: dict[str, Rule] = {
    **{name: _linear_rule(_shifted) for name in _SHIFTS},
    **{
        name: _linear_rule(_mapped)
        for name in [
            "index",
            "gather",
            "index_select",
            "take_along_dim",
            "repeat",
            "repeat_interleave",
            "flip",
            "roll",
            "cumsum",
            "tril",
            "triu",
            "diagonal",
            "movedim",
            "unfold",
            "conv1d",
            "conv2d",
            "convolution",
            "avg_pool1d",
            "avg_pool2d",
            "adaptive_avg_pool1d",
            "fft_rfft",
            "fft_fft",
            "fft_fft2",
            "fft_fftn",
            "view_as_real",
            "view_as_complex",
            "real",
            "imag",
        ]
    },
    **{name: _linear_rule(_padded) for name in ("constant_pad_nd", "pad")},
    "sum": _linear_rule(_sum),
    "mean": _linear_rule(_sum),
    "add": _linear_rule(_add),
    "sub": _linear_rule(_add),
    "rsub": _linear_rule(_add),
    "neg": _linear_rule(_neg),
    "where": _linear_rule(_where),
    "masked_fill": _linear_rule(_masked_fill),
    "cat": _linear_rule(_joined),
    "stack": _linear_rule(_joined),
    **{name: _linear_rule(_put) for name in ("select_scatter", "slice_scatter", "index_put")},
    "linear": _linear_rule(_linear),
    "div": _linear_rule(_divided),
    "mul": Rule(_mul, _two_sided, "bilinear"),
    "matmul": Rule(_matmul, _two_matrices, "bilinear"),
    "bmm": Rule(_matmul, _two_matrices, "bilinear"),
    "mm": Rule(_matmul, _two_matrices, "bilinear"),
    "baddbmm": Rule(_matmul, _two_matrices, "bilinear"),
    **{name: Rule(_pointwise, _always, "pointwise") for name in POINTWISE},
    "softmax": Rule(_softmax, _always, "softmax"),
    "log_softmax": Rule(_log_softmax, _always, "softmax"),
    "logsumexp": Rule(_logsumexp, _always, "softmax"),
    "layer_norm": Rule(_layer_norm, _always, "normalisation"),
}

# Kinks: all of their curvature sits in points and edges, which no derivative sees.
KINKS = frozenset(
    [
        "relu",
        "relu6",
        "prelu",
        "rrelu",
        "leaky_relu",
        "threshold",
        "abs",
        "absolute",
        "clamp",
        "clamp_min",
        "clamp_max",
        "clip",
        "maximum",
        "minimum",
        "max",
        "min",
        "fmax",
        "fmin",
        "amax",
        "amin",
        "aminmax",
        "hardtanh",
        "hardswish",
        "hardsigmoid",
        "hardshrink",
        "softshrink",
        "elu",
        "selu",
        "celu",
        "sign",
        "sgn",
        "round",
        "floor",
        "ceil",
        "trunc",
        "frac",
        "fix",
        "sort",
        "argsort",
        "topk",
        "kthvalue",
        "median",
        "mode",
        "max_pool1d",
        "max_pool2d",
        "max_pool1d_with_indices",
        "max_pool2d_with_indices",
        "adaptive_max_pool1d",
        "cummax",
        "cummin",
        "norm",
        "linalg_vector_norm",
        "glu_kink",
    ],
) - {"norm", "linalg_vector_norm", "glu_kink"}

# All but these take what depends on the input in their first argument only.
_SEVERAL = frozenset({"add", "sub", "rsub", "where", "cat", "stack", "mul", "matmul", "bmm", "mm", "baddbmm"})
_SEVERAL |= {"select_scatter", "slice_scatter", "index_put"}
FIRST_ONLY = frozenset(RULES) - _SEVERAL
