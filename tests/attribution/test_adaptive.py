"""Integrations that place nodes and add to them: certified honestly, without waste, and within their budget."""

import numpy as np
import pytest
import torch
from gradient_fields import Field, play, powers, step, through
from reference import composite, gate_derivatives

from ihcli.attribution import integrated_hessians
from ihcli.attribution.adaptive import (
    AdaptiveIntegration,
    IntegrationSettings,
    integrate_first_order,
    merged,
    refinement,
)
from ihcli.attribution.formulations import FORMULATIONS
from ihcli.quadrature.kernels import MINUS_T_LOG
from ihcli.quadrature.rules import ClenshawCurtis

PAPER = FORMULATIONS["paper"]


def integrated(field: Field, units: int, tolerance: float, **settings):
    """An integration without PyTorch: its outcome and what it requested."""
    steps = AdaptiveIntegration(units, IntegrationSettings(PAPER, tolerance, **settings)).steps()
    return play(steps, field)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-6])
def test_a_product_of_powers_from_its_derivatives_alone(tolerance):
    m = np.array([2, 1, 3, 1, 2])
    found, requests = integrated(powers(*m), 5, tolerance)
    exact = np.outer(m, m) / 81
    assert found.converged
    assert np.abs(found.matrix - exact).max() <= tolerance * exact.max()
    assert found.ig == pytest.approx(m / 9, abs=tolerance)
    whole = [request for request in requests if request.order == 2 and request.vectors is None]
    t = np.concatenate([request.t for request in whole])
    assert len(t) == found.nodes == len(np.unique(t))  # no Hessian is evaluated twice
    probed = sum(len(request.t) * len(request.vectors) for request in requests if request.vectors is not None)
    assert found.products == 5 * found.nodes + probed
    assert found.gradients == sum(len(request.t) for request in requests if request.order == 1)


def test_a_hessian_that_is_not_finite_at_an_end_leaves_rules_with_interior_nodes():
    """Π s_u^m_u with a sum of 1.8: H is infinite at the baseline."""
    field = powers(0.9, 0.9)
    with np.errstate(divide="ignore", invalid="ignore"):
        found, requests = integrated(field, 2, 0.01)
    assert found.rule == "mapped trapezoid"
    last = [request for request in requests if request.order == 2][-1]
    assert last.t.min() > 0
    assert last.t.max() < 1


def test_the_budget_holds_and_the_outcome_says_that_it_was_too_small():
    found, requests = integrated(through(step(0.4, 0.002), 0.5, 0.3, 0.1, 0.1), 4, 1e-3, max_nodes=20)
    assert not found.converged
    assert found.nodes <= 20
    assert found.nodes == sum(len(r.t) for r in requests if r.order == 2 and r.vectors is None)


def test_the_path_that_is_recorded_is_sorted_and_holds_every_value():
    found, _ = integrated(powers(2, 1, 3), 3, 0.01)
    assert np.all(np.diff(found.t) >= 0)
    assert found.value == pytest.approx(found.t**6, abs=1e-12)
    known = ~np.isnan(found.curvature)
    assert known.sum() == found.nodes
    assert found.curvature[known] == pytest.approx(6 * found.t[known] ** 4, abs=1e-12)


@pytest.mark.parametrize("tolerance", [0.1, 0.03])
def test_hessians_of_a_matrix_that_is_smaller_than_expected_are_kept_where_they_are_enough(tolerance):
    """The two sides of a pulse cancel: only more gradients are needed to tell that the first matrix is right."""
    weights = np.array([0.5, 0.3, 0.2])

    def pulse(t):
        return tuple(up - down for up, down in zip(step(0.3, 0.03)(t), step(0.35, 0.03)(t), strict=True))

    found, requests = integrated(through(pulse, *weights), 3, tolerance)
    t, w = composite(400, 10)
    _, first, second = pulse(t)
    exact = np.outer(weights, weights) * (w @ (-t * np.log(t) * second)) + np.diag(weights * (w @ (-np.log(t) * first)))
    assert found.converged
    assert np.abs(found.matrix - exact).max() <= tolerance * np.abs(exact).max()
    hessians = [place for place, request in enumerate(requests) if request.order == 2]
    assert len(hessians) == 1
    assert hessians[0] < len(requests) - 1  # the path was not resolved at the scale of the matrix


def test_attributions_alone():
    settings = IntegrationSettings(FORMULATIONS["article"], 1e-8)
    (first, gradients), requests = play(integrate_first_order(3, settings), through(step(0.4, 0.1), 0.5, 0.3, 0.2))
    assert first.ig == pytest.approx(np.array([0.5, 0.3, 0.2]) * (np.tanh(6) + np.tanh(4)), abs=1e-8)
    assert gradients == sum(len(request.t) for request in requests)
    assert {request.order for request in requests} == {1}


def test_the_values_of_a_halved_step_are_merged_in_the_order_of_its_nodes():
    rule = ClenshawCurtis(MINUS_T_LOG)
    t = rule.nodes(4)[0]
    finer = refinement(rule, 4, t)
    both = merged(np.stack([t, t**2], 1), np.stack([finer.t[finer.new], finer.t[finer.new] ** 2], 1), finer)
    assert both == pytest.approx(np.stack([finer.t, finer.t**2], 1), abs=1e-12)


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

    x = torch.tensor([1.0, -0.5, 2.0, 0.3, 0.7], dtype=torch.float64)
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


def test_a_score_that_only_jumps_does_not_converge():
    def f(x):
        return (x.sum(1) > 1.3).to(x.dtype) + 0 * x.sum(1)

    for units, top in ((4, None), (72, 3)):
        x = torch.ones(units, dtype=torch.float64)
        found = integrated_hessians(f, x, torch.zeros_like(x), top=top, max_nodes=64)
        assert not found.certificate.converged
