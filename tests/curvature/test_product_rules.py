"""Products against their bilinear forms.

f(x) = Σ_k c_k B(x, x)_k has H_uv = Σ_k c_k (B(d_u, d_v) + B(d_v, d_u))_k, with d_u the displacement of unit u. No
derivative is taken for the reference.
"""

import pytest
import torch
from curvature_functions import GROUPS, D, T, U, mixed, weights

from ihcli.curvature import trace

W, V = weights(D, D, seed=3), weights(D, D, seed=4)


def in_heads(z):
    return z.view(len(z), T, 2, D // 2).transpose(1, 2)


BILINEAR = {
    "mul": lambda x, y: x * y.flip(2),
    "mul of broadcast features": lambda x, y: x * y.mean(-1, keepdim=True),
    "mul of broadcast positions": lambda x, y: x * y[:, :1],
    "mul of broadcast both ways": lambda x, y: x[:, :, :1] * y[:, :1, :],
    "matmul over features": lambda x, y: x @ y.transpose(1, 2),
    "matmul over positions": lambda x, y: x.transpose(1, 2) @ y,
    "matmul of queries and keys": lambda x, y: in_heads(x @ W) @ in_heads(y @ V).transpose(2, 3),
    "matmul that broadcasts": lambda x, y: in_heads(x) @ y[:, None, : D // 2, :1],
    "matmul within each position": lambda x, y: x.view(-1, T, 2, 3) @ y.view(-1, T, 3, 2),
    "einsum": lambda x, y: torch.einsum("btd,bsd->bts", x, y),
    "baddbmm": lambda x, y: torch.baddbmm(x @ y.transpose(1, 2), x, y.transpose(1, 2), beta=0.5, alpha=0.3),
}


@pytest.mark.parametrize("before", [lambda x: x, mixed], ids=["apart", "mixed"])
@pytest.mark.parametrize("name", BILINEAR)
def test_the_hessian_is_that_of_the_bilinear_form(name, before) -> None:
    def form(x, y):
        return BILINEAR[name](before(x), before(y)).reshape(len(x), -1)

    points, delta = weights(2, T, D, seed=8), weights(T, D, seed=9)
    scale = weights(form(points, points).shape[1], seed=11)
    second = trace(lambda x: (form(x, x) * scale).sum(1), points).second_order(points, delta, GROUPS, U)
    moved = torch.stack([torch.where(GROUPS.eq(unit)[:, None], delta, 0) for unit in range(U)])
    left, right = moved.repeat_interleave(U, 0), moved.repeat(U, 1, 1)
    expected = ((form(left, right) + form(right, left)) @ scale).view(U, U)
    torch.testing.assert_close(second.hessian, expected.expand(2, U, U), rtol=0, atol=1e-11)
    each = moved.repeat(2, 1, 1)
    at = points.repeat_interleave(U, 0)
    slope = ((form(at, each) + form(each, at)) @ scale).view(2, U)
    torch.testing.assert_close(second.gradient, slope, rtol=0, atol=1e-11)
