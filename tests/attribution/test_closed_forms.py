"""Closed forms: for f = Π x_i^{m_i}, x' = 0, M = Σ m_i, the matrix is f(x) m mᵀ / M², diagonal included."""

import math

import numpy as np
import pytest
import torch
from reference import composite, double_integral, gate_derivatives

from ihcli.attribution import integrated_gradients, integrated_hessians
from ihcli.errors import NonFiniteError, UsageError


def monomial(*powers):
    def f(x):
        result = 1.0
        for i, m in enumerate(powers):
            result = result * x[:, i] ** m
        return result

    return f


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("powers", [(1, 1), (1, 2), (2, 1, 3), (1, 1, 1, 1), (5, 1), (3,)])
def test_a_monomial_from_zero(powers):
    f, x = monomial(*powers), torch.linspace(0.7, 1.4, len(powers), dtype=torch.float64)
    found = integrated_hessians(f, x, torch.zeros_like(x), tolerance=1e-6)
    m = np.array(powers)
    expected = float(f(x[None])) * np.outer(m, m) / m.sum() ** 2
    assert np.abs(found.ih - expected).max() < 1e-6 * np.abs(expected).max()
    assert np.abs(found.ig - expected.sum(1)).max() < 1e-6 * np.abs(expected).max()
    assert found.certificate.converged


@pytest.mark.parametrize("baseline", [(0.3, -0.2, 0.5), (-1.0, 2.0, 0.1), (1.0, 1.0, 1.0)])
def test_a_polynomial_from_a_shifted_baseline_agrees_with_the_double_integral(baseline):
    def f(x):
        return x[:, 0] ** 3 * x[:, 1] - 2 * x[:, 1] * x[:, 2] + x[:, 2] ** 2 + 4 * x[:, 0]

    x, b, groups = vector(1.3, -0.4, 0.9), vector(*baseline), torch.arange(3)
    expected = double_integral(f, x, b, groups, panels=2, order=8)
    found = integrated_hessians(f, x, b, tolerance=1e-6)
    assert np.abs(found.ih - expected).max() < 1e-6 * np.abs(expected).max()
    assert found.certificate.converged


def test_x1_x2_from_a_shifted_baseline_by_hand():
    # f = x1 x2: H_12 = δ1 δ2 constant, so Γ_12 = δ1 δ2 / 4; the diagonal is IG_1 - Γ_12 = δ1 (b2 + δ2/2) - δ1 δ2 / 4
    x, b = vector(2.0, 3.0), vector(0.5, 1.0)
    d = (x - b).numpy()
    found = integrated_hessians(monomial(1, 1), x, b, tolerance=1e-6)
    off = d[0] * d[1] / 4
    expected = [[d[0] * (1.0 + d[1] / 2) - off, off], [off, d[1] * (0.5 + d[0] / 2) - off]]
    assert np.abs(found.ih - expected).max() < 1e-9


@pytest.mark.parametrize("steepness", [3.0, 30.0, 120.0])
@pytest.mark.parametrize("centre", [0.12, 0.5])
def test_a_steep_step_is_certified_honestly(steepness, centre):
    # f = tanh(k(w·x - c)): everything is a one-dimensional integral of tanh'' that a fine grid gives to full precision
    w = np.array([0.5, 0.3, 0.2, -0.1, 0.1])

    def f(x):
        return torch.tanh(steepness * (x @ torch.tensor(w) - centre))

    x = torch.ones(5, dtype=torch.float64)
    t, weight = composite(400, 10)
    th = np.tanh(steepness * (t - centre))
    first, second = steepness * (1 - th**2), -2 * steepness**2 * th * (1 - th**2)
    expected = np.outer(w, w) * (weight @ (-t * np.log(t) * second)) + np.diag(w * (weight @ (-np.log(t) * first)))
    for tolerance in (0.1, 0.01, 0.001):
        found = integrated_hessians(f, x, torch.zeros_like(x), tolerance=tolerance)
        assert found.certificate.converged
        assert np.abs(found.ih - expected).max() <= tolerance * np.abs(expected).max()
        assert np.abs(found.ih - expected).max() <= 3 * found.certificate.quadrature_error + 1e-12


def test_the_variants_are_what_they_say():
    # f = x1 x2², H = [[0, 2t], [2t, 2t]] δ's being 1; g = (t², 2t²)
    f, x = monomial(1, 2), vector(1.0, 1.0)
    article = integrated_hessians(f, x, torch.zeros_like(x), formulation="article", tolerance=1e-6)
    assert np.abs(article.ih - [[0, 0.5], [0.5, 0.5]]).max() < 1e-6  # ∫ -ln t 2t dt = 1/2, and no diagonal term
    assert article.certificate.completeness_gap == pytest.approx(0.5, abs=1e-6)  # Σ = 3/2, f(x) - f(x') = 1
    x = vector(1.0, 3.0)
    code = integrated_hessians(f, x, torch.zeros_like(x), formulation="article-code", tolerance=1e-6)
    # uniform mean of 1·∇²f·δ: ∂²f = [[0, 2x2], [2x2, 2x1]] at (t, 3t), right vector (1, 3): rows (0, 18t), (6t, 6t)
    assert np.abs(code.ih - [[0, 9], [3, 3]]).max() < 1e-5


def test_a_linear_function_has_a_diagonal_matrix():
    weights = vector(0.5, -2.0, 1.0)
    found = integrated_hessians(lambda x: x @ weights + 3, vector(1.0, 2.0, 3.0), torch.zeros(3, dtype=torch.float64))
    assert np.abs(found.ih - np.diag([0.5, -4.0, 3.0])).max() < 1e-12
    assert found.certificate.converged


def test_integrated_gradients_of_a_product():
    found = integrated_gradients(monomial(1, 2), vector(1.5, 2.0), vector(0.0, 0.0), tolerance=1e-6)
    assert np.abs(found.ig - np.array([1 / 3, 2 / 3]) * 6).max() < 1e-6
    assert found.converged
    assert found.f_input == pytest.approx(6)


def test_several_baselines_give_the_mean_and_its_spread():
    f, x = monomial(1, 1), vector(2.0, 3.0)
    baselines = [vector(0.0, 0.0), vector(0.5, 1.0), vector(-1.0, 0.5)]
    single = [integrated_hessians(f, x, b, tolerance=1e-6) for b in baselines]
    both = integrated_hessians(f, x, baselines, tolerance=1e-6)
    assert np.abs(both.ih - np.mean([s.ih for s in single], axis=0)).max() < 1e-9
    assert np.abs(both.ih_spread - np.std([s.ih for s in single], axis=0)).max() < 1e-9
    assert both.f_baseline == pytest.approx(np.mean([s.f_baseline for s in single]))
    assert both.ih.sum() == pytest.approx(both.f_input - both.f_baseline, abs=1e-6)


def test_any_input_shape_with_groups_over_leading_dimensions():
    x = torch.arange(1.0, 13.0, dtype=torch.float64).view(3, 2, 2) / 6
    groups = torch.tensor([[0, 1], [1, 0], [2, 2]])

    def f(z):
        return torch.sin(z.flatten(1).sum(1)) * z[:, 0, 0, 0]

    found = integrated_hessians(f, x, torch.zeros_like(x), groups, tolerance=1e-6)
    expected = double_integral(f, x, torch.zeros_like(x), groups, panels=4, order=10)
    assert np.abs(found.ih - expected).max() < 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize("centre", np.linspace(0.1, 0.9, 9))
def test_curvature_that_no_gradient_shows_is_not_missed(centre):
    # Four entries ±s(t) whose rows cancel, since x_4 = x_5 and x_6 = x_7 on the path: gradients know nothing of them.
    def f(x):
        seen = torch.sigmoid(4 * (x[:, 0] - 0.5)) * (1 + x[:, 1]) + 0.3 * x[:, 1] * x[:, 2]
        return seen + 5 * torch.exp(-(((x[:, 0] - centre) / 0.1) ** 2)) * (x[:, 4] - x[:, 5]) * (x[:, 6] - x[:, 7])

    x = torch.ones(8, dtype=torch.float64)
    found = integrated_hessians(f, x, torch.zeros_like(x), tolerance=0.01)
    t, weight = composite(400, 10)
    expected = 5 * float(weight @ (-t * np.log(t) * np.exp(-(((t - centre) / 0.1) ** 2))))
    assert found.certificate.converged
    assert found.ih[4, 6] == pytest.approx(expected, abs=0.01 * np.abs(found.ih).max())
    assert found.ih[4, 7] == pytest.approx(-expected, abs=0.01 * np.abs(found.ih).max())


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


@pytest.mark.parametrize("units", [2, 100])
def test_a_step_in_one_of_many_units_is_in_its_attribution(units):
    weights = torch.linspace(1, 0.2, units).double()

    def f(x):
        return x @ weights + 0.09 * torch.sigmoid(1000 * (x[:, 0] - 0.47))

    found = integrated_gradients(f, torch.ones(units).double(), torch.zeros(units).double(), tolerance=0.01)
    assert found.converged
    assert abs(found.ig[0] - 1.09) <= 0.0109


def test_a_score_that_only_jumps_does_not_converge():
    def f(x):
        return (x.sum(1) > 1.3).to(x.dtype) + 0 * x.sum(1)

    for units, top in ((4, None), (72, 3)):
        found = integrated_hessians(f, torch.ones(units).double(), torch.zeros(units).double(), top=top)
        assert not found.certificate.converged


def test_no_products_are_spent_on_probes_where_half_of_the_nodes_agree():
    weights = torch.linspace(-1.0, 2.0, 9, dtype=torch.float64)

    def wave(x):
        return torch.tanh(20 * (x @ weights / 4.5 - 0.4)) * (1 + x[:, 1] * x[:, 2])

    x = torch.ones(9, dtype=torch.float64)
    sure = integrated_hessians(wave, x, torch.zeros_like(x), tolerance=0.001)
    assert sure.certificate.converged
    assert sure.quadrature.nodes >= 15
    assert sure.quadrature.hessian_vector_products == 9 * sure.quadrature.nodes
    few = integrated_hessians(wave, x, torch.zeros_like(x), tolerance=0.5)  # half of a handful of nodes shows little
    assert few.quadrature.nodes < 15
    assert few.quadrature.hessian_vector_products > 9 * few.quadrature.nodes


def test_single_precision_never_states_less_than_its_rounding():
    x = torch.ones(5)
    found = integrated_hessians(monomial(1, 1, 1, 1, 1), x, torch.zeros(5), tolerance=1e-3)
    assert found.certificate.quadrature_error >= 2e-5 * np.abs(found.ih).max()
    assert np.abs(found.ih - 1 / 25).max() <= found.certificate.quadrature_error


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: x, r"of one input it made a tensor of shape \(1, 3\)"),
        (lambda x: x.sum(1, keepdim=True), r"of one input it made a tensor of shape \(1, 1\)"),
        (lambda x: x.sum().item(), "of one input it made float"),
        (lambda x: torch.ones(len(x), dtype=x.dtype), "no derivative that autograd can follow"),
        (lambda x: x.detach().sum(1), "no derivative that autograd can follow"),
    ],
)
def test_what_is_no_scalar_field_is_said(f, message):
    for function in (integrated_hessians, integrated_gradients):
        with pytest.raises(UsageError, match=message):
            function(f, vector(1, 2, 3), vector(0, 0, 0))


def test_a_budget_too_small_is_said_and_not_hidden():
    def f(x):
        return torch.tanh(300 * (x.sum(1) / 3 - 0.4))

    found = integrated_hessians(f, torch.ones(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64), max_nodes=9)
    assert not found.certificate.converged
    assert found.quadrature.nodes <= 9


@pytest.mark.parametrize("tolerance", [1e-2, 1e-6])
def test_a_spike_beside_the_baseline_is_found_or_said(tolerance):
    # f = Σ sin(x) / (x·x + 1e-4): all curvature lies within a hundredth of the path; 1e-6 is beyond what is foreseen
    def f(x):
        return torch.sin(x).sum(1) / ((x**2).sum(1) + 1e-4)

    x = vector(1.0, -0.5, 2.0, 0.3, 0.7)
    calls = []
    counted = lambda z: calls.append(len(z)) or f(z)  # noqa: E731
    found = integrated_hessians(counted, x, torch.zeros_like(x), tolerance=tolerance, max_nodes=512)
    assert sum(calls) < 20_000
    nodes, weights = np.polynomial.legendre.leggauss(12)  # on panels that grow with the distance from the spike
    edges = np.concatenate([[0], np.geomspace(1e-6, 1, 120)])
    t = (edges[:-1, None] + (nodes + 1) / 2 * np.diff(edges)[:, None]).ravel()
    w = (weights / 2 * np.diff(edges)[:, None]).ravel()
    g, h = gate_derivatives(f, x, torch.zeros_like(x), torch.arange(5), t)
    expected = np.tensordot(w * -t * np.log(t), h, axes=1) + np.diag((w * -np.log(t)) @ g)
    error = np.abs(found.ih - expected).max() / np.abs(expected).max()
    assert not found.certificate.converged or error <= tolerance
    assert found.certificate.converged or tolerance < 1e-2


def test_a_kink_never_converges_and_says_so():
    def f(x):
        return torch.relu(x.sum(1) - 1) * x[:, 0]

    found = integrated_hessians(
        f, torch.ones(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64), max_nodes=64
    )
    assert not found.certificate.converged
    assert found.certificate.row_gap > 0.05 * np.abs(found.ih).max()


def test_nan_on_the_path_names_its_node():
    def f(x):
        return torch.log(x.sum(1) - 1)

    with pytest.raises(NonFiniteError, match="t = 0 "):
        integrated_hessians(f, torch.ones(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))


@pytest.mark.parametrize("tolerance", [0, -1, 1.5, math.nan])
def test_a_tolerance_that_is_none_is_refused(tolerance):
    with pytest.raises(UsageError, match="tolerance"):
        integrated_hessians(monomial(1, 1), vector(1.0, 1.0), vector(0.0, 0.0), tolerance=tolerance)


def test_float32_refuses_what_it_cannot_certify():
    with pytest.raises(UsageError, match="float64"):
        integrated_hessians(monomial(1, 1), torch.ones(2), torch.zeros(2), tolerance=1e-5)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"baseline": torch.zeros(3, dtype=torch.float64)}, "shape"),
        ({"groups": torch.tensor([0, 2])}, "every unit from 0"),
        ({"groups": torch.tensor([0.0, 1.0])}, "integers"),
        ({"groups": torch.tensor([0, -1])}, "in no unit"),
        ({"x": torch.ones(2, dtype=torch.int64)}, "int64"),
        ({"x": vector(1.0, math.nan)}, "NaN"),
        ({"formulation": "papers"}, "formulation"),
        ({"max_nodes": 0}, "max_nodes"),
        ({"baseline": []}, "baseline"),
    ],
)
def test_bad_arguments_are_named(kwargs, message):
    arguments = {"x": vector(1.0, 1.0), "baseline": vector(0.0, 0.0)} | kwargs
    with pytest.raises(UsageError, match=message):
        integrated_hessians(monomial(1, 1), **arguments)
