"""First-order integrals against closed forms, and the check points that keep a nested rule from trusting itself."""

from dataclasses import replace

import numpy as np
import pytest
from gradient_fields import play, powers, step, through

from ihcli.attribution.first_order import MAX_FIRST_INTERVALS, FirstOrderPhase
from ihcli.attribution.formulations import FORMULATIONS
from ihcli.attribution.sampling import ANY_FUNCTION, VALUE_ZEROING, EvaluationLog
from ihcli.quadrature import chebyshev
from ihcli.quadrature.rules import ClenshawCurtis

EXPONENTS = (2.0, 1.0, 3.0)
M = np.array(EXPONENTS)


def phase(formulation: str = "paper", plan=ANY_FUNCTION, units: int = 3) -> FirstOrderPhase:
    return FirstOrderPhase(FORMULATIONS[formulation], plan, EvaluationLog(units))


@pytest.mark.parametrize("plan", [ANY_FUNCTION, VALUE_ZEROING], ids=["any", "value zeroing"])
def test_a_product_of_powers(plan) -> None:
    """g_u = m_u t^(M - 1): ∫ g_u = m_u / M and ∫ -ln t g_u = m_u / M²."""
    first, _ = play(phase(plan=plan).integrate(1e-6), powers(*EXPONENTS))
    assert first.ig == pytest.approx(M / 6, abs=1e-10)
    assert first.diagonal == pytest.approx(M / 36, abs=1e-10)
    assert first.row_sums == pytest.approx(M / 6, abs=1e-10)
    assert first.error <= 1e-6


def test_row_sums_of_a_formulation_without_a_diagonal_term() -> None:
    """The article's rows are ∫ -ln t g_u′ = m_u (M - 1) / (M - 1)², since g_u′ = m_u (M - 1) t^(M - 2)."""
    first, _ = play(phase("article").integrate(1e-6), powers(*EXPONENTS))
    assert first.row_sums == pytest.approx(M / 5, abs=1e-10)
    assert not first.diagonal.any()


@pytest.mark.parametrize("width", [0.1, 0.02])
def test_intervals_are_doubled_until_the_error_is_small_enough(width: float) -> None:
    weights = np.array([0.5, 0.3, 0.2])
    first, requests = play(phase().integrate(1e-5), through(step(0.4, width), *weights))
    exact = weights * (np.tanh(0.6 / width) + np.tanh(0.4 / width))
    assert np.abs(first.ig - exact).max() <= first.error <= 1e-5
    assert first.intervals > ANY_FUNCTION.first_intervals
    sampled = np.concatenate([request.t for request in requests if request.order == 1])
    assert len(np.unique(sampled)) == len(sampled)  # nothing is evaluated twice


def hidden(t):
    """t² and a bump between the nodes of the first rules, which moves no end of the path."""
    bump = np.exp(-(((t - HIDDEN) / WIDTH) ** 2))
    slope = -2 * (t - HIDDEN) / WIDTH**2
    return t**2 + bump, 2 * t + slope * bump, 2 + (slope**2 - 2 / WIDTH**2) * bump


WIDTH = 3e-3
HIDDEN = float(chebyshev.points(64)[30:32].mean())


@pytest.mark.parametrize("checked", [False, True])
def test_a_feature_between_the_nodes_is_seen_by_the_check_points(checked: bool) -> None:
    """∫ -ln t φ′ = ∫ φ / t: 1/2 of t², and √π w / c of the bump, up to a relative (w/c)²."""
    plan = ANY_FUNCTION if checked else replace(ANY_FUNCTION, largest_gap=1.0, least_checks=0)
    first, _ = play(phase(plan=plan).integrate(1e-4), through(hidden, 0.5, 0.3, 0.2))
    exact = np.array([0.5, 0.3, 0.2]) * (0.5 + np.sqrt(np.pi) * WIDTH / HIDDEN)
    error = np.abs(first.diagonal - exact).max()
    assert (error <= first.error + 1e-5) == checked
    assert (first.intervals > 64) == checked


def test_for_placing_nodes_a_resolved_path_is_enough() -> None:
    field = through(step(0.4, 0.05), 0.5, 0.3, 0.2)
    placing, _ = play(phase().integrate(1e-7, placing=True), field)
    exact, _ = play(phase().integrate(1e-7), field)
    assert placing.intervals < exact.intervals


def test_intervals_end_at_the_most_that_are_allowed() -> None:
    """A jump of the gradient: no number of intervals is enough, and the error says so."""
    field = through(lambda t: (np.abs(t - 0.37), np.sign(t - 0.37), 0 * t), 0.5, 0.3, 0.2)
    first, _ = play(phase().integrate(1e-9), field)
    assert first.intervals == MAX_FIRST_INTERVALS
    assert np.abs(first.ig - np.array([0.5, 0.3, 0.2]) * (0.63 - 0.37)).max() <= first.error
    assert first.error > 1e-9


def test_integrals_are_sharpened_from_the_gradients_that_came_with_the_hessians() -> None:
    own, field = phase(), through(step(0.4, 0.2), 0.5, 0.3, 0.2)
    first, _ = play(own.integrate(0.01), field)
    rule = ClenshawCurtis(own.formulation.kernel)
    play(own.log.hessian(rule.nodes(64)[0]), field)
    rough = type(first)(first.intervals, first.samples, first.ig + 0.01, first.diagonal, first.row_sums, 0.02,
                        first.series)  # fmt: skip
    sharper, requests = play(own.sharpened(rough, rule, 64, 1.0, 1e-6), field)
    assert requests == []
    assert sharper.ig == pytest.approx(np.array([0.5, 0.3, 0.2]) * (np.tanh(3) + np.tanh(2)), abs=1e-6)
    again, requests = play(own.sharpened(first, rule, 64, 1.0, first.error), field)
    assert again is first
    assert requests == []
