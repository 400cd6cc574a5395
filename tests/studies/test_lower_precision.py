"""Products under the mode are those of rounded factors; two parts of each recover most of what rounding loses."""

import pytest
import torch

from tests.studies.lower_precision import RoundedProducts, bfloat16, tf32


@pytest.mark.parametrize(("rounding", "bits"), [(tf32, 10), (bfloat16, 7)])
def test_factors_keep_so_many_bits_and_halves_go_to_even(rounding, bits) -> None:
    step = 2.0**-bits
    given = torch.tensor([1 + step, 1 + 0.49 * step, 1 + 0.5 * step, 1 + 1.5 * step, -(1 + 0.6 * step), 0.0])
    expected = torch.tensor([1 + step, 1.0, 1.0, 1 + 2 * step, -(1 + step), 0.0])
    assert torch.equal(rounding(given), expected)


@pytest.mark.parametrize("product", [torch.mm, torch.nn.functional.linear, torch.addmm, torch.bmm, torch.matmul])
def test_products_are_those_of_rounded_factors(product) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 8, 8, generator=generator)
    given = {torch.bmm: (a[None], b[None]), torch.addmm: (torch.ones(8), a, b)}.get(product, (a, b))
    exact, expected = product(*given), product(*given[:-2], bfloat16(given[-2]), bfloat16(given[-1]))
    with RoundedProducts(bfloat16):
        found = product(*given)
    with RoundedProducts(bfloat16, parts=True):
        nearer = product(*given)
    assert torch.equal(found, expected)
    assert (nearer - exact).abs().max() < 0.02 * (found - exact).abs().max()
