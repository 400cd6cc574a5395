"""Every decomposition computes what the operation itself does."""

import pytest
import torch
from curvature_functions import weights

from ihcli.curvature.decompositions import _OWN, decomposition

aten = torch.ops.aten
A, B, BASE = weights(3, 4, seed=1), weights(4, 5, seed=2), weights(3, 5, seed=3)
BATCH, OTHER = weights(2, 3, 4, seed=4), weights(2, 4, 5, seed=5)
HEADS = tuple(weights(2, 4, 5, 6, seed=seed) for seed in (6, 7, 8))
KEYS = tuple(weights(2, 2, 5, 6, seed=seed) for seed in (9, 10))
IMAGE, CHANNEL = weights(2, 6, 3, 2, seed=11), weights(6, seed=12)
CASES = {
    "mm": (aten.mm.default, (A, B), {}),
    "bmm": (aten.bmm.default, (BATCH, OTHER), {}),
    "addmm": (aten.addmm.default, (BASE, A, B), {"beta": 0.5, "alpha": 2}),
    "baddbmm": (aten.baddbmm.default, (BATCH @ OTHER, BATCH, OTHER), {"beta": 0.5, "alpha": 0.3}),
    "attention": (aten.scaled_dot_product_attention.default, HEADS, {}),
    "causal attention": (aten.scaled_dot_product_attention.default, (*HEADS, None, 0.0, True), {"scale": 0.7}),
    "masked attention": (aten.scaled_dot_product_attention.default, (*HEADS, weights(5, 5, seed=1) > -0.4), {}),
    "attention with a bias": (aten.scaled_dot_product_attention.default, (*HEADS, weights(5, 5, seed=1)), {}),
    "grouped attention": (aten.scaled_dot_product_attention.default, (HEADS[0], *KEYS), {"enable_gqa": True}),
    "var": (aten.var.default, (A,), {}),
    "var unbiased": (aten.var.dim, (A, [1], True, True), {}),
    "var of all": (aten.var.correction, (A,), {"correction": 0}),
    "std": (aten.std.correction, (BATCH, [0, 2]), {"correction": 2, "keepdim": True}),
    "var_mean": (aten.var_mean.correction, (BATCH, [1]), {"correction": 1}),
    "var_mean of all": (aten.var_mean.default, (BATCH, False), {}),
    "group_norm": (aten.group_norm.default, (IMAGE, 3, CHANNEL, CHANNEL, 1e-3), {}),
    "group_norm without weights": (aten.group_norm.default, (IMAGE, 2), {}),
    "batch_norm": (
        aten.batch_norm.default, (IMAGE, CHANNEL, CHANNEL, CHANNEL, CHANNEL**2, False, 0.1, 1e-3, False), {},
    ),
    "batch_norm without weights": (
        aten.batch_norm.default, (IMAGE, None, None, CHANNEL, CHANNEL**2, False, 0.1, 1e-3, False), {},
    ),
    "prod": (aten.prod.default, (A,), {}),
    "prod of an axis": (aten.prod.dim_int, (BATCH, 1, True), {}),
    "tile": (aten.tile.default, (A, [2, 1, 3]), {}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_decomposition_gives_the_operation_s_values(name: str) -> None:
    target, arguments, keywords = CASES[name]
    made = decomposition(target)
    assert made is not None
    found, expected = made(*arguments, **keywords), target(*arguments, **keywords)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


def test_every_decomposition_of_this_package_is_among_them() -> None:
    assert {target._schema.name.removeprefix("aten::") for target, *_ in CASES.values()} == set(_OWN)


def test_a_product_with_a_factor_of_zero_keeps_its_derivative() -> None:
    """Π x_i at x_0 = 0: the derivative by x_0 is the product of the others, which a quotient would lose."""
    x = torch.tensor([0.0, 2.0, 3.0, -1.0], dtype=torch.float64, requires_grad=True)
    [slope] = torch.autograd.grad(_OWN["prod"](x), x)
    assert slope.tolist() == [-6.0, 0.0, 0.0, 0.0]


def test_statistics_of_the_batch_are_refused() -> None:
    with pytest.raises(ValueError, match=r"call model\.eval"):
        _OWN["batch_norm"](IMAGE, None, None, CHANNEL, CHANNEL, True, 0.1, 1e-3, False)  # noqa: FBT003


def test_operations_that_are_made_of_nothing_else_have_none() -> None:
    assert decomposition(aten.convolution.default) is None
    assert decomposition(aten.topk.default) is None
