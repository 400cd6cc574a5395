"""Functions of one argument against the formulas of their second derivatives."""

import math
from collections.abc import Callable

import pytest
import torch
from curvature_functions import pointwise, weights
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the name that everybody gives it)

from ihcli.curvature import trace
from ihcli.curvature.operation_rules import POINTWISE

SIZE = 6


def _logistic(z: Tensor) -> Tensor:
    return 1 / (1 + (-z).exp())


def _mish(z: Tensor) -> Tensor:
    s, t = _logistic(z), (1 + z.exp()).log().tanh()
    first = (1 - t**2) * s
    return 2 * first + z * (-2 * t * first * s + (1 - t**2) * s * (1 - s))


SECOND: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": lambda z: (2 - z**2) * (-(z**2) / 2).exp() / math.sqrt(2 * math.pi),
    "tanh": lambda z: -2 * z.tanh() * (1 - z.tanh() ** 2),
    "silu": lambda z: _logistic(z) * (1 - _logistic(z)) * (2 + z * (1 - 2 * _logistic(z))),
    "sigmoid": lambda z: _logistic(z) * (1 - _logistic(z)) * (1 - 2 * _logistic(z)),
    "exp": torch.exp,
    "exp2": lambda z: math.log(2) ** 2 * 2**z,
    "log": lambda z: -1 / z**2,
    "log2": lambda z: -1 / (z**2 * math.log(2)),
    "log10": lambda z: -1 / (z**2 * math.log(10)),
    "log1p": lambda z: -1 / (1 + z) ** 2,
    "expm1": torch.exp,
    "sqrt": lambda z: -(z**-1.5) / 4,
    "rsqrt": lambda z: 0.75 * z**-2.5,
    "reciprocal": lambda z: 2 / z**3,
    "erf": lambda z: -4 * z * (-(z**2)).exp() / math.sqrt(math.pi),
    "erfc": lambda z: 4 * z * (-(z**2)).exp() / math.sqrt(math.pi),
    "softplus": lambda z: 3 * _logistic(3 * z) * (1 - _logistic(3 * z)),
    "pow": lambda z: 6 * z,
    "sin": lambda z: -z.sin(),
    "cos": lambda z: -z.cos(),
    "sinh": torch.sinh,
    "cosh": torch.cosh,
    "tan": lambda z: 2 * z.tan() * (1 + z.tan() ** 2),
    "atan": lambda z: -2 * z / (1 + z**2) ** 2,
    "asinh": lambda z: -z / (1 + z**2) ** 1.5,
    "mish": _mish,
    "log_sigmoid": lambda z: -_logistic(z) * (1 - _logistic(z)),
    "logit": lambda z: (2 * z - 1) / (z * (1 - z)) ** 2,
}
FUNCTION = {
    "gelu": F.gelu, "silu": F.silu, "softplus": lambda z: F.softplus(z, beta=3.0), "mish": F.mish,
    "log_sigmoid": F.logsigmoid, "pow": lambda z: z.pow(3),
}  # fmt: skip


def hessian(f: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """The Hessian by every entry of points (B, N)."""
    units = points.shape[1]
    return (
        trace(f, points).second_order(points, torch.ones(units, dtype=points.dtype), torch.arange(units), units).hessian
    )


def test_every_pointwise_function_has_a_formula() -> None:
    assert set(SECOND) == set(POINTWISE)


@pytest.mark.parametrize("name", POINTWISE)
def test_a_pointwise_function_of_a_sum(name: str) -> None:
    """φ(Σ_i a_i x_i) has the Hessian φ″ a aᵀ."""
    function = FUNCTION.get(name) or getattr(torch, name)
    a = torch.tensor([0.3, 0.25, 0.45], dtype=torch.float64)
    points = torch.tensor([[0.2, 0.5, 0.4], [0.9, 0.3, 0.8]], dtype=torch.float64)  # sums in (0, 1)
    expected = SECOND[name](points @ a)[:, None, None] * torch.outer(a, a)
    torch.testing.assert_close(hessian(lambda x: function((x * a).sum(1)), points), expected, rtol=1e-9, atol=1e-11)


POINTS, MIX, C = weights(3, SIZE, seed=1), weights(SIZE, SIZE, seed=2), weights(SIZE, seed=3)


def softmax_weighted(z: Tensor) -> Tensor:
    """Of Σ_k c_k P_k: H_ij = P_j ([i = j] - P_i) (c_j - c̄) - P_i P_j (c_i - c̄), with c̄ = Σ c_k P_k."""
    p = z.exp() / z.exp().sum()
    centred = C - C @ p
    return torch.diag(p * centred) - torch.outer(p, p) * (centred[None, :] + centred[:, None])


def logsumexp(z: Tensor) -> Tensor:
    """diag(P) - P Pᵀ."""
    p = z.exp() / z.exp().sum()
    return torch.diag(p) - torch.outer(p, p)


def layer_norm(z: Tensor) -> Tensor:
    """Of wᵀy q^-½ with y = z - mean z, q = y·y / n + ε and a = w - mean w."""
    y, a, n = z - z.mean(), C - C.mean(), len(z)
    q = y @ y / n + 1e-2
    projection = torch.eye(n, dtype=z.dtype) - 1 / n
    first = -(torch.outer(a, y) + torch.outer(y, a)) / n - (a @ y) * projection / n
    return first * q**-1.5 + 3 * (a @ y) * torch.outer(y, y) / n**2 * q**-2.5


CLOSED = {
    "softmax": (lambda z: (z.softmax(-1) * C).sum(-1), softmax_weighted),
    "log_softmax": (lambda z: (z.log_softmax(-1) * C).sum(-1), lambda z: -C.sum() * logsumexp(z)),
    "logsumexp": (lambda z: z.logsumexp(-1), logsumexp),
    "layer_norm": (lambda z: (F.layer_norm(z, [SIZE], eps=1e-2) * C).sum(-1), layer_norm),
    "weighted layer_norm": (lambda z: F.layer_norm(z, [SIZE], C, C, 1e-2).sum(-1), layer_norm),
}


@pytest.mark.parametrize("mixing", [False, True], ids=["apart", "mixed"])
@pytest.mark.parametrize("name", CLOSED)
def test_a_normalisation(name: str, *, mixing: bool) -> None:
    f, formula = CLOSED[name]
    mix = MIX if mixing else torch.eye(SIZE, dtype=torch.float64)
    found = hessian(lambda x: f(x @ mix.T), POINTS)
    expected = torch.stack([mix.T @ formula(mix @ point) @ mix for point in POINTS])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_the_domains_of_the_support_functions_hold_their_arguments() -> None:
    """`pointwise` maps any x into the domain of the function, so that the rules are tested where they are defined."""
    for name in POINTWISE:
        assert torch.isfinite(pointwise(name)(weights(4, SIZE, seed=5) * 10)).all(), name
