"""Check points leave no gap and miss every node; the log counts what was requested and asks nothing twice."""

import numpy as np
import pytest
from gradient_fields import play, powers

from ihcli.attribution.sampling import ANY_FUNCTION, EMBEDDINGS, VALUE_ZEROING, EvaluationLog, SamplingPlan
from ihcli.quadrature import chebyshev

PLANS = (ANY_FUNCTION, EMBEDDINGS, VALUE_ZEROING)


@pytest.mark.parametrize("plan", PLANS, ids=["any", "embeddings", "value zeroing"])
@pytest.mark.parametrize("intervals", [8, 32, 256, 2048])
def test_check_points_fill_the_gaps_between_samples_and_lie_on_none(plan: SamplingPlan, intervals: int) -> None:
    sampled = chebyshev.points(intervals)
    checks = plan.check_points(sampled)
    assert np.all(np.diff(checks) > 0)
    assert len(checks) >= plan.least_checks
    both = np.sort(np.concatenate([sampled, checks]))
    assert np.diff(both).max() <= plan.largest_gap * (1 + 1e-12)
    nested = chebyshev.points(4 * intervals)  # nodes of the next two doublings, a quarter of whose gaps lie between
    assert np.abs(checks[:, None] - sampled).min() > np.diff(nested).min()


def test_every_ladder_has_halves_for_the_nested_rule() -> None:
    for plan in PLANS:
        assert all(intervals % 2 == 0 for intervals in plan.ladder)
        assert list(plan.ladder) == sorted(set(plan.ladder))


def test_the_log_counts_gradients_nodes_and_products() -> None:
    log, field = EvaluationLog(3), powers(2, 1, 3)
    t = np.array([0.2, 0.6])
    seen, _ = play(log.gradient(t), field)
    assert np.array_equal(seen.gradient, field.gradient(t))
    hessian, _ = play(log.hessian(np.array([0.4])), field)
    assert hessian.shape == (1, 3, 3)
    play(log.product(np.array([0.5, 0.7]), np.ones((4, 3))), field)
    assert (log.gradients, log.nodes, log.products) == (2, 1, 1 * 3 + 2 * 4)
    (first_t, first_value, unseen), (second_t, _, size) = log.profile
    assert np.array_equal(first_t, t)
    assert np.array_equal(first_value, t**6)
    assert np.isnan(unseen).all()
    assert (second_t.tolist(), size.tolist()) == ([0.4], [pytest.approx(6 * 0.4**4)])


def test_gradients_that_are_known_are_not_requested_again() -> None:
    log, field = EvaluationLog(3), powers(2, 1, 3)
    play(log.gradient(np.array([0.8, 0.2])), field)
    play(log.hessian(np.array([0.4])), field)
    t = np.array([0.8, 0.1, 0.4])
    slopes, requests = play(log.slopes_at(t), field)
    assert np.array_equal(slopes, field.gradient(t))
    assert [request.t.tolist() for request in requests] == [[0.1]]
    slopes, requests = play(log.slopes_at(t[::-1]), field)
    assert np.array_equal(slopes, field.gradient(t[::-1]))
    assert requests == []
    assert log.gradients == 3
