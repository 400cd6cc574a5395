"""The three published definitions of the matrix, each against its own integral."""

import numpy as np
import pytest
import torch

from ihcli.attribution import integrated_hessians


def test_the_variants_are_what_they_say():
    # f = x1 x2², H = [[0, 2t], [2t, 2t]] δ's being 1; g = (t², 2t²)
    def f(x):
        return x[:, 0] * x[:, 1] ** 2

    x = torch.tensor([1.0, 1.0], dtype=torch.float64)
    article = integrated_hessians(f, x, torch.zeros_like(x), formulation="article", tolerance=1e-6)
    assert np.abs(article.ih - [[0, 0.5], [0.5, 0.5]]).max() < 1e-6  # ∫ -ln t 2t dt = 1/2, and no diagonal term
    assert article.certificate.completeness_gap == pytest.approx(0.5, abs=1e-6)  # Σ = 3/2, f(x) - f(x') = 1
    x = torch.tensor([1.0, 3.0], dtype=torch.float64)
    code = integrated_hessians(f, x, torch.zeros_like(x), formulation="article-code", tolerance=1e-6)
    # uniform mean of 1·∇²f·δ: ∂²f = [[0, 2x2], [2x2, 2x1]] at (t, 3t), right vector (1, 3): rows (0, 18t), (6t, 6t)
    assert np.abs(code.ih - [[0, 9], [3, 3]]).max() < 1e-5


@pytest.mark.parametrize(("formulation", "true"), [("paper", 1 / 4), ("article", 1.0)])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-4, 1e-6, 1e-8])
def test_rows_that_cancel_do_not_hide_the_order_of_the_rule(formulation, true, tolerance):
    # Constant curvature, all of it off the rows' sight: what is left is the rule's error at the baseline's end,
    # ∫ -t ln t dt = 1/4 and ∫ -ln t dt = 1.
    def f(x):
        return (x[:, 0] - x[:, 1]) * (x[:, 2] - x[:, 3])

    found = integrated_hessians(f, torch.ones(4).double(), torch.zeros(4).double(), tolerance=tolerance,
                                formulation=formulation)  # fmt: skip
    error = np.abs(found.ih[:2, 2:] - true * np.array([[1, -1], [-1, 1]])).max() / true
    assert error <= found.certificate.quadrature_error / true
    assert error <= tolerance or not found.certificate.converged
    assert found.certificate.converged or formulation == "article"
