import dataclasses
import math

import numpy as np
import pytest

from ihcli.errors import UsageError
from ihcli.evaluation import metrics
from ihcli.evaluation.measuring import METRICS, Explained, measure
from ihcli.removal.game import CountedGame, all_coalitions
from ihcli.removal.judging import QuadraticForm, integrated_hessians_form
from ihcli.removal.methods import explain_game
from ihcli.removal.multilinear import exact_interactions

MAIN = np.array([0.3, -0.2, 0.1, 0.05, 0.02])


def quadratic(coalitions):
    """A game of degree two, in [0, 1] so that it may serve as a probability."""
    s = coalitions.astype(float)
    return 0.4 + s @ MAIN + 0.15 * s[:, 0] * s[:, 1] - 0.1 * s[:, 2] * s[:, 4]


def own(game, units):
    found = exact_interactions(game, units)
    form = integrated_hessians_form(found.matrix, found.v_none)
    return Explained(found.attributions, found.matrix, quadratic_form=form)


def test_integrated_hessians_of_a_quadratic_game_predict_it_exactly():
    found = measure(own(quadratic, 5), score=quadratic, probability=quadratic)
    assert list(found) == list(METRICS)
    assert found["r_squared"] == pytest.approx(1.0)
    assert found["pair_share"] == pytest.approx(1.0)
    assert found["pair_correlation"] == pytest.approx(1.0)
    assert found["strongest_sign"] == 1
    assert found["sign_agreement"] == pytest.approx(2 / 10)  # the eight other pairs do nothing
    assert found["r_squared_attributions"] < 1
    assert 0 < found["infidelity"] < 1


def test_every_number_is_the_function_of_its_name():
    explained = own(quadratic, 5)
    probability = lambda s: 1 / (1 + np.exp(-quadratic(s)))  # noqa: E731
    found = measure(explained, score=quadratic, probability=probability)
    phi, m = explained.attributions, explained.matrix
    for name in (
        "comprehensiveness",
        "sufficiency",
        "log_odds",
        "tau_leave_one_out",
        "insertion_area",
        "deletion_area",
    ):
        assert found[name] == getattr(metrics, name)(phi, probability)
    for name in ("aopc_comprehensiveness", "aopc_sufficiency"):
        assert found[name] == getattr(metrics, name)(phi, probability, metrics.ERASER_BINS)
        every = measure(explained, score=quadratic, probability=probability, fractions=None)
        assert every[name] == getattr(metrics, name)(phi, probability)
    assert found["pair_deletion"] == metrics.pair_deletion(m, probability)
    rows = all_coalitions(5)
    size = rows.sum(1)
    weights = np.array([1 / math.comb(5, k) / 6 for k in size])
    v = quadratic(rows)
    variance = weights @ (v - weights @ v) ** 2
    assert found["infidelity"] == pytest.approx(metrics.infidelity(phi, quadratic, rows, weights) / variance)
    assert found["pair_effect"] == pytest.approx(0.15 / math.sqrt(variance))
    linear = 0.4 + rows @ phi
    assert found["r_squared_attributions"] == pytest.approx(1 - weights @ (v - linear) ** 2 / variance)


@pytest.mark.parametrize("scale", [3.0, 0.01])
def test_metrics_of_order_alone_do_not_depend_on_the_scale(scale):
    explained = own(quadratic, 5)
    scaled = Explained(scale * explained.attributions, scale * explained.matrix)
    one = measure(explained, score=quadratic, probability=quadratic)
    other = measure(scaled, score=quadratic, probability=quadratic)
    free = set(METRICS) - {"infidelity", "r_squared", "r_squared_attributions"}
    for name in free:
        assert one[name] == pytest.approx(other[name]), name
    assert other["infidelity"] > one["infidelity"]
    assert math.isnan(other["r_squared"])  # no form was given


def test_what_an_explanation_lacks_is_not_measured():
    explained = own(quadratic, 5)
    alone = measure(Explained(explained.attributions), score=quadratic, probability=quadratic)
    assert {name for name, value in alone.items() if math.isnan(value)} == {
        name for name, metric in METRICS.items() if metric.of == "matrix"
    }
    pairs = measure(Explained(matrix=explained.matrix), score=quadratic, probability=quadratic)
    assert {name for name, value in pairs.items() if math.isnan(value)} == {
        name for name, metric in METRICS.items() if metric.of == "attributions"
    } | {"r_squared"}
    partial = explained.matrix.copy()
    partial[0, 3] = partial[3, 0] = np.nan
    some = measure(Explained(matrix=partial), score=quadratic, probability=quadratic)
    assert math.isnan(some["pair_share"])
    assert some["pair_correlation"] == pytest.approx(1.0, abs=0.01)


def test_forms_of_other_methods_are_used_as_given():
    found = explain_game(quadratic, 5, "faith-shap")
    explained = Explained(found.attributions, found.matrix, found.linear_form, found.quadratic_form)
    assert measure(explained, score=quadratic, probability=quadratic)["r_squared"] == pytest.approx(1.0)
    zero = QuadraticForm(0.0, np.zeros(5), np.zeros((5, 5)))
    wrong = dataclasses.replace(explained, quadratic_form=zero, linear_form=zero)
    measured = measure(wrong, score=quadratic, probability=quadratic)
    assert measured["r_squared"] == measured["r_squared_attributions"] < 0


def test_long_texts_are_sampled_and_evaluations_bounded():
    weights = np.random.default_rng(0).normal(size=16) / 40

    def game(coalitions):
        return 0.5 + coalitions @ weights

    score, probability = CountedGame(game, 16), CountedGame(game, 16)
    explained = Explained(weights, np.diag(weights) + 0.0)
    found = measure(explained, score=score, probability=probability, evaluations=200)
    assert found["r_squared_attributions"] == pytest.approx(1.0)
    assert found["infidelity"] == pytest.approx(0.0, abs=1e-20)
    assert math.isnan(found["pair_correlation"])  # 2^16 coalitions are more than 200
    assert score.evaluations <= 200 + 1 + 2 * 16 + 10
    again = measure(explained, score=score, probability=probability, evaluations=200)
    assert again == pytest.approx(found, nan_ok=True)
    given = measure(explained, score=score, probability=probability, evaluations=200, interactions=np.ones((16, 16)))
    assert math.isnan(given["pair_correlation"])  # a constant


def test_a_game_that_never_changes_and_a_single_unit():
    flat = lambda s: np.full(len(s), 0.5)  # noqa: E731
    found = measure(own(flat, 3), score=flat, probability=flat)
    for name in ("infidelity", "r_squared", "r_squared_attributions", "pair_effect", "pair_share"):
        assert math.isnan(found[name])
    assert found["strongest_sign"] == 0
    one = measure(Explained(np.array([0.2])), score=lambda s: 0.5 + 0.2 * s[:, 0], probability=flat)
    assert one["infidelity"] == pytest.approx(0.0)


def test_explanations_that_cannot_be_are_refused():
    with pytest.raises(UsageError, match="neither"):
        Explained()
    with pytest.raises(UsageError, match="3 attributions"):
        Explained(np.zeros(3), np.zeros((2, 2)))
    with pytest.raises(UsageError, match="NaN"):
        Explained(np.array([np.nan]))
    with pytest.raises(UsageError, match="evaluations"):
        measure(own(quadratic, 5), score=quadratic, probability=quadratic, evaluations=3)


def test_values_of_a_regressor_have_no_log_odds_and_all_other_metrics() -> None:
    def score(coalitions):
        return -1.0 - 2.0 * (coalitions[:, 0] & coalitions[:, 1])

    explained = Explained(np.array([-1.0, -1.0, 0.0, 0.0, 0.0, 0.0]), np.eye(6) - 0.5)
    found = measure(explained, score=score, probability=score)
    with pytest.raises(UsageError, match="log-odds need probabilities"):
        metrics.log_odds(explained.attributions, score)
    assert np.isnan(found["log_odds"])
    assert found["pair_deletion"] == -2.0  # the first of the equal pairs
    assert np.isfinite(found["comprehensiveness"])
