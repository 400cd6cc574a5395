"""The published procedures are what their descriptions say."""

import numpy as np
import pytest
import torch

from ihcli.attribution import integrated_hessians
from ihcli.attribution.path import Path
from ihcli.benchmarks import published

CUBIC = torch.tensor([[1.0, 2.0], [0.5, -1.0], [2.0, 1.0]], dtype=torch.float64)


def field(z):
    """A polynomial of (B, 3, 2) with every kind of pair."""
    return z[:, 0, 0] ** 2 * z[:, 1, 1] + z[:, 1, 0] * z[:, 2, 0] * z[:, 2, 1] + z[:, 0, 1]


@pytest.fixture
def path():
    x, b = CUBIC, torch.zeros_like(CUBIC)
    b[0] = 0.3
    return Path.between(x, b, torch.tensor([0, 1, 1]))


def test_the_product_grid_is_exact_for_polynomials(path):
    exact = integrated_hessians(field, CUBIC, path.start, path.groups, tolerance=1e-6).ih
    found = published.product_grid(field, path, 4, nodes_at_once=3)
    assert found.hessians == 16
    assert found.products == 32
    assert np.abs(found.matrix - exact).max() < 1e-9


def test_the_paper_s_grid_tends_to_the_truth_as_one_over_the_root_of_its_samples(path):
    exact = integrated_hessians(field, CUBIC, path.start, path.groups, tolerance=1e-6).ih
    errors = [np.abs(published.paper(field, path, k).matrix - exact).max() for k in (100, 400, 1600)]
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.25)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.25)
    assert published.paper(field, path, 50).hessians == 49


def test_the_article_s_code_is_the_uniform_mean_with_ones_on_the_left(path):
    # row i: mean over t of Σ_d Σ_j ∂²f/∂x_id ∂x_j δ_j, here from torch's own Hessian at the same fifty points
    expected = torch.zeros(3, 2, 3, 2, dtype=torch.float64)
    for k in range(1, 51):
        point = path.start + k / 50 * path.delta
        expected += torch.autograd.functional.hessian(lambda z: field(z[None])[0], point) / 50
    tokens = torch.einsum("idje,je->ij", expected, path.delta)
    blocks = torch.stack([tokens[:1].sum(0), tokens[1:].sum(0)])
    blocks = torch.stack([blocks[:, :1].sum(1), blocks[:, 1:].sum(1)], dim=1)
    found = published.article(field, path, 50)
    assert np.abs(found.matrix - blocks.numpy()).max() < 1e-9
    assert found.products == 150
    part = published.article(field, path, 50, tokens=1)
    assert np.abs(part.matrix[0] - found.matrix[0]).max() < 1e-12
    assert not part.matrix[1].any()


def test_the_article_s_double_version_is_the_mean_over_products(path):
    # row 0: mean over (α, β) of Σ_d Σ_j ∂²f/∂x_0d ∂x_j δ_j at αβ, from torch's own Hessian
    alpha = np.arange(1, 6) / 5
    expected = torch.zeros(3, dtype=torch.float64)
    for t in np.outer(alpha, alpha).ravel():
        hessian = torch.autograd.functional.hessian(lambda z: field(z[None])[0], path.start + t * path.delta)
        expected += torch.einsum("dje,je->j", hessian[0], path.delta) / 25
    units = [float(expected[0]), float(expected[1:].sum())]
    assert published.article_double(field, path, 5).matrix[0] == pytest.approx(units, abs=1e-10)
