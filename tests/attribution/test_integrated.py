"""Closed forms: for f = Π x_i^{m_i}, x' = 0, M = Σ m_i, the matrix is f(x) m mᵀ / M², diagonal included."""

import math

import numpy as np
import pytest
import torch
from reference import double_integral

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


@pytest.mark.parametrize("units", [2, 100])
def test_a_step_in_one_of_many_units_is_in_its_attribution(units):
    weights = torch.linspace(1, 0.2, units).double()

    def f(x):
        return x @ weights + 0.09 * torch.sigmoid(1000 * (x[:, 0] - 0.47))

    found = integrated_gradients(f, torch.ones(units).double(), torch.zeros(units).double(), tolerance=0.01)
    assert found.converged
    assert abs(found.ig[0] - 1.09) <= 0.0109


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
