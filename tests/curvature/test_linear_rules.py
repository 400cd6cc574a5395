"""Linear operations against their matrices, which are found by applying the operation to basis vectors.

f(x) = Σ_k c_k L(x)_k² has the Hessian 2 Lᵀ C L. No derivative is taken for the reference.
"""

import pytest
import torch
from curvature_functions import GROUPS, D, T, U, mixed, weights
from torch.nn import functional as F  # noqa: N812  (the name that everybody gives it)

from ihcli.curvature import trace

END = weights(T, D, seed=5)
NARROW, LEFT, KERNEL = weights(3, D, seed=3), weights(4, T, seed=2), weights(D, D, 3, seed=7)
MASK = torch.tensor([True, False, True, True, False]).unsqueeze(-1)
LINEAR = {
    "reshape": lambda x: x.reshape(-1, D, T),
    "expand": lambda x: x.unsqueeze(1).expand(-1, 2, -1, -1),
    "permute": lambda x: x.permute(0, 2, 1),
    "select": lambda x: x[:, 3],
    "slice": lambda x: x[:, 1:4, ::2],
    "unsqueeze": lambda x: x.unsqueeze(2),
    "index": lambda x: x[:, torch.tensor([0, 2, 2])],
    "gather": lambda x: x.gather(2, torch.tensor([[[0, 2]] * T]).expand(x.shape[0], T, 2)),
    "index_select": lambda x: x.index_select(1, torch.tensor([3, 1])),
    "roll": lambda x: x.roll(2, 1),
    "flip": lambda x: x.flip(1),
    "repeat": lambda x: x.repeat(1, 2, 1),
    "cumsum": lambda x: x.cumsum(1),
    "diagonal": lambda x: x.diagonal(dim1=1, dim2=2),
    "unfold": lambda x: x.unfold(1, 3, 1),
    "convolution": lambda x: F.conv1d(x.transpose(1, 2), KERNEL, padding=1),
    "average pooling": lambda x: F.avg_pool1d(x, 3, 2),
    "tril": torch.tril,
    "triu": torch.triu,
    "fft": lambda x: torch.fft.fft(x, dim=1).real,
    "pad": lambda x: F.pad(x, (1, 0, 2, 0)),
    "pad by repeating": lambda x: F.pad(x, (1, 0), mode="replicate"),
    "pad by reflection": lambda x: F.pad(x, (2, 1), mode="reflect"),
    "sum": lambda x: x.sum(1),
    "sum of all": lambda x: x.sum((1, 2)),
    "mean": lambda x: x.mean(-1, keepdim=True),
    "add": lambda x: torch.add(x, x.flip(1), alpha=0.3),
    "sub": lambda x: torch.sub(x.flip(2), x, alpha=2),
    "rsub": lambda x: torch.rsub(x, x.flip(1), alpha=0.5),
    "neg": lambda x: -x,
    "div": lambda x: x / (END + 3),
    "where": lambda x: torch.where(MASK, x, x.flip(1)),
    "masked_fill": lambda x: x.masked_fill(MASK, 0.0),
    "cat": lambda x: torch.cat([x, x * 2], dim=1),
    "stack": lambda x: torch.stack([x, x.flip(1)], dim=-1),
    "linear": lambda x: F.linear(x, NARROW),
    "matmul with a constant on the left": lambda x: LEFT @ x,
    "mul by a constant": lambda x: x * END,
}


@pytest.mark.parametrize("before", [lambda x: x, mixed], ids=["apart", "mixed"])
@pytest.mark.parametrize("name", LINEAR)
def test_the_hessian_of_squares_is_that_of_the_operation_s_matrix(name, before) -> None:
    def operation(x):
        return LINEAR[name](before(x)).reshape(len(x), -1)

    basis = torch.eye(T * D, dtype=torch.float64).view(-1, T, D)
    matrix = operation(basis).T  # (K, T·D)
    scale = weights(len(matrix), seed=11) + 1
    points, delta = weights(2, T, D, seed=8), weights(T, D, seed=9)
    second = trace(lambda x: (scale * operation(x) ** 2).sum(1), points).second_order(points, delta, GROUPS, U)
    members = torch.stack([torch.where(GROUPS.eq(unit)[:, None], delta, 0).flatten() for unit in range(U)])
    full = 2 * matrix.T @ torch.diag(scale) @ matrix
    torch.testing.assert_close(second.gradient, points.flatten(1) @ full @ members.T, rtol=0, atol=1e-10)
    torch.testing.assert_close(second.hessian, (members @ full @ members.T).expand(2, -1, -1), rtol=0, atol=1e-10)
