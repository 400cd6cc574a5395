"""Conversion to shapiq's record."""

import sys

import numpy as np
import pytest
import shapiq

from ihcli.errors import UsageError
from ihcli.removal.methods import explain_game
from ihcli.removal.shapiq_values import INDICES, to_shapiq


def game(rows):
    present = np.asarray(rows, dtype=float).reshape(-1, 4)
    return 2 + np.exp(present @ np.array([0.5, -1.0, 0.3, 0.8]) * present[:, 0]) + present[:, 3]


@pytest.mark.parametrize("method", INDICES)
def test_the_record_is_the_one_that_shapiq_computes(method):
    order = 1 if method == "kernel-shap" else 2
    theirs = shapiq.ExactComputer(game, 4)(INDICES[method], order)
    ours = to_shapiq(explain_game(game, 4, method))
    assert ours.index == theirs.index
    assert not ours.estimated
    assert ours.baseline_value == pytest.approx(theirs.baseline_value)
    for members in [(0,), (3,), (0, 1), (2, 3)][: 2 * order]:
        assert ours[members] == pytest.approx(theirs[members], abs=1e-6)


def test_it_survives_shapiqs_own_file(tmp_path):
    ours = to_shapiq(explain_game(game, 4, "faith-shap"))
    ours.to_json_file(tmp_path / "values.json")
    again = shapiq.InteractionValues.from_json_file(tmp_path / "values.json")
    assert again[(0, 3)] == pytest.approx(ours[(0, 3)])


def test_a_sampled_result_says_so():
    def many(rows):
        return np.tanh(rows.sum(axis=1) / 14)

    record = to_shapiq(explain_game(many, 14, "sii", evaluations=500))
    assert record.estimated
    assert record.estimation_budget <= 500


def test_one_unit():
    record = to_shapiq(explain_game(lambda rows: 3.0 * rows[:, 0], 1, "shapley"))
    assert record[(0,)] == pytest.approx(3)


@pytest.mark.parametrize("method", ["occlusion", "archipelago", "lime"])
def test_methods_without_an_index_are_refused(method):
    with pytest.raises(UsageError, match=f"no index for the method '{method}'; it has one for shapley"):
        to_shapiq(explain_game(game, 4, method))


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "shapiq", None)
    with pytest.raises(UsageError, match=r"pip install 'ihcli\[compare\]'"):
        to_shapiq(explain_game(game, 4, "sii"))
