"""The chosen rule is accurate enough, far fewer nodes are not, and the path decides which rule it is."""

import numpy as np
import pytest
from gradient_fields import play, step, through

from ihcli.attribution.first_order import FirstOrderPhase
from ihcli.attribution.formulations import FORMULATIONS
from ihcli.attribution.node_choice import NodeChoice
from ihcli.attribution.sampling import ANY_FUNCTION, VALUE_ZEROING, EvaluationLog

WEIGHTS = (0.5, 0.3, 0.2)


def exponential(t):
    return np.exp(3 * t), 3 * np.exp(3 * t), 9 * np.exp(3 * t)


def chosen(outer, tolerance: float, plan=ANY_FUNCTION, most: int = 512, *, nested: bool = False, ends: bool = True):
    phase = FirstOrderPhase(FORMULATIONS["paper"], plan, EvaluationLog(3))
    first, _ = play(phase.integrate(tolerance / 4, placing=True), through(outer, *WEIGHTS))
    choice = NodeChoice(phase, tolerance, most, nested=nested, ends=ends)
    return *choice.choose(first), choice, first


def integral(outer) -> tuple[float, float]:
    """∫ -t ln t φ″ dt, and the largest entry of the matrix."""
    fine, weights = np.polynomial.legendre.leggauss(12)
    edges = np.linspace(0, 1, 2001) ** 2
    width = np.diff(edges)[:, None]
    x, w = (edges[:-1, None] + (fine + 1) / 2 * width).ravel(), (weights / 2 * width).ravel()
    exact = w @ (-x * np.log(x) * outer(x)[2])
    first = w @ (-np.log(x) * outer(x)[1])
    units = np.array(WEIGHTS)
    return float(exact), float(np.abs(exact * np.outer(units, units) + np.diag(first * units)).max())


def error(rule, intervals: int, outer) -> float:
    """The error of the rule on ∫ -t ln t φ″ dt, as a share of the largest entry of the matrix."""
    t, own = rule.nodes(intervals)
    exact, largest = integral(outer)
    return float(abs(own @ outer(t)[2] - exact) * 0.25 / largest)


@pytest.mark.parametrize("tolerance", [0.1, 0.01, 0.001])
@pytest.mark.parametrize("outer", [step(0.3, 0.05), step(0.6, 0.02), exponential], ids=["step", "steep", "exp"])
def test_the_chosen_rule_is_accurate_enough_and_a_third_of_it_is_not(outer, tolerance: float) -> None:
    rule, intervals, *_ = chosen(outer, tolerance)
    assert error(rule, intervals, outer) <= tolerance
    if intervals > ANY_FUNCTION.ladder[0]:
        assert error(rule, intervals // 3, outer) > tolerance / 10


def test_the_path_decides_which_rule_is_chosen() -> None:
    assert chosen(step(0.3, 0.02), 0.01)[0].name == "mapped trapezoid"
    assert chosen(exponential, 0.001, VALUE_ZEROING)[0].name == "Clenshaw-Curtis"
    assert chosen(exponential, 1e-6)[0].name == "Clenshaw-Curtis"  # under half of the mapped nodes


def test_without_the_ends_only_interior_nodes_remain() -> None:
    rule, intervals, *_ = chosen(exponential, 1e-6, ends=False)
    t, _ = rule.nodes(intervals)
    assert t.min() > 0
    assert t.max() < 1


def test_a_nested_verification_takes_more_nodes() -> None:
    counts = [len(rule.nodes(n)[0]) for rule, n, *_ in (chosen(step(0.3, 0.05), 0.01, nested=k) for k in (False, True))]
    assert counts[0] < counts[1]


@pytest.mark.parametrize(("outer", "tolerance"), [(step(0.2, 0.1), 3e-4), (step(0.5, 0.12), 1e-3)])
def test_what_a_nested_verification_assumes_to_be_left_of_the_last_change_is_foreseen(outer, tolerance) -> None:
    """Of a change of the mapped rule it assumes an eighth to be left, so a change may be at most eight tolerances."""
    *_, choice, first = chosen(outer, tolerance, nested=True)
    rule, intervals = choice.foreseen(first, integral(outer)[1])
    assert rule.name == "mapped trapezoid"
    rows = 2 * error(rule, intervals // 2, outer)  # the largest weight is a half, its square a quarter
    assert rows <= 9 * tolerance


def test_too_few_nodes_are_used_all_the_same() -> None:
    rule, intervals, choice, first = chosen(step(0.3, 0.005), 1e-4, most=12)
    assert choice.foreseen(first) is None
    assert 2 < len(rule.nodes(intervals)[0]) <= 12
