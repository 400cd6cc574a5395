"""Matrix products in every arrangement against einsum."""

import pytest
import torch
from curvature_functions import weights

from ihcli.curvature import matrix_products

BATCHES, P, Q, R = 3, 4, 5, 6


@pytest.fixture(params=["batched", "one by one"])
def _arrangement(request, monkeypatch):
    monkeypatch.setattr(matrix_products, "LARGE", 1 if request.param == "one by one" else 10**9)


@pytest.mark.usefixtures("_arrangement")
@pytest.mark.parametrize("batches", [1, BATCHES])
@pytest.mark.parametrize("transposed", [False, True])
def test_batched_products(batches, transposed):
    a = weights(batches, Q, P, seed=1).mT if transposed else weights(batches, P, Q, seed=1)
    b = weights(batches, Q, 2 * R, seed=2)[..., ::2]  # rows with gaps
    expected = torch.einsum("npq,nqr->npr", a, b)
    assert torch.allclose(matrix_products.batched_product(a, b), expected, rtol=1e-13, atol=1e-13)
    out = weights(batches, P, R, seed=3)
    start = out.clone()
    matrix_products.add_batched_product(out, a, b)
    assert torch.allclose(out, start + expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("piece", [1, 2, 100])
def test_square_sums_are_right_when_the_transpose_is_added(piece, monkeypatch):
    monkeypatch.setattr(matrix_products, "PIECE", piece)
    rows, weight = weights(2, 7, 5, seed=4), weights(2, 1, 5, seed=5)
    out = torch.zeros(2, 7, 7, dtype=torch.float64)
    matrix_products.add_square_sum(out, rows, rows * weight)
    assert torch.allclose(out + out.mT, 2 * torch.einsum("buk,bk,bvk->buv", rows, weight[:, 0], rows), atol=1e-13)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_linear_in_any_order_of_memory(order):
    tangent = weights(2, 3, 4, seed=6).permute(order)
    weight = weights(5, tangent.shape[-1], seed=7)
    assert torch.allclose(matrix_products.linear(tangent, weight), tangent @ weight.T, rtol=1e-13, atol=1e-13)
