"""Games of a text end to end: models that have no derivative are explained by calls alone."""

from math import comb
from pathlib import Path

import numpy as np
import pytest
import torch
from architectures import save
from typer.testing import CliRunner

from ihcli import text_games
from ihcli.cli.app import app
from ihcli.config import AttributionSection, RunConfig
from ihcli.errors import UsageError
from ihcli.pipeline import Explainer
from ihcli.removal.game import all_coalitions
from ihcli.removal.integrated_hessians import integrated_hessians_of_game

TEXT = "the film is not bad"


@pytest.mark.parametrize("family", ["Mixtral", "CANINE"])
def test_a_model_with_jumps_is_explained_by_shapley_values(tmp_path: Path, family: str) -> None:
    """Shapley values by their definition, from the model's own answers to the texts without words."""
    torch.manual_seed(0)
    folder = save(tmp_path, family)
    explainer = Explainer({"model": {"name": str(folder)}, "attribution": {"method": "shapley"}})
    found = explainer.explain(TEXT)
    words = TEXT.split()
    model, tokenizer = explainer.classifier.model, explainer.classifier.tokenizer
    values = {}
    for row in all_coalitions(5):
        inputs = tokenizer(" ".join(np.array(words)[row]), return_tensors="pt")
        with torch.no_grad():
            values[row.tobytes()] = float(model(input_ids=inputs["input_ids"]).logits[0, found.target.index])
    for unit in range(5):
        expected = 0.0
        for row in all_coalitions(5):
            if not row[unit]:
                more = row.copy()
                more[unit] = True
                weight = 1 / (5 * comb(4, int(row.sum())))
                expected += weight * (values[more.tobytes()] - values[row.tobytes()])
        assert found.ig[unit] == pytest.approx(expected, abs=1e-5)
    assert [unit.text for unit in found.units] == words
    assert found.method == "shapley"
    assert found.baseline == {"kind": "deletion"}
    assert found.certificate.completeness_gap < 1e-9
    assert found.removal is not None


UNITS = 14


def product(rows):
    """A product of six units, one of three, one of two, and sums: Γ of a product of n units is its size / n²."""
    large = 36.0 * rows[:, :6].all(axis=1) + 9.0 * rows[:, 6:9].all(axis=1) + 4.0 * rows[:, 9:11].all(axis=1)
    return large + rows @ np.linspace(-1, 1, UNITS)


def settings(**attribution):
    return RunConfig(attribution=AttributionSection(**attribution))


def test_top_spends_half_of_the_texts_on_the_strongest_pairs():
    asked = []

    def game(rows):
        asked.append(len(rows))
        return product(rows)

    found = text_games.explain(game, UNITS, settings(evaluations=120, top=2))
    assert sum(asked) == found.quadrature.evaluations == 120
    assert asked == [60, 60]
    same = integrated_hessians_of_game(product, UNITS, evaluations=120, top=2)
    np.testing.assert_array_equal(found.ih, same.matrix)
    assert found.ih.sum() == pytest.approx(found.f_input - found.f_baseline)
    asked.clear()
    text_games.explain(game, UNITS, settings(evaluations=120))
    assert asked == [120]


def test_top_changes_nothing_where_all_coalitions_are_evaluated():
    def game(rows):
        return 12.0 * rows[:, :2].all(axis=1)

    found = text_games.explain(game, 3, settings(top=1))
    np.testing.assert_allclose(found.ih[:2, :2], 3)
    assert found.quadrature.rule == "all coalitions"


@pytest.mark.parametrize("method", ["shapley", "lime"])
def test_methods_that_have_no_top_say_so(method):
    with pytest.raises(UsageError, match=rf"top is 3 and the method is {method}.*Leave --top out"):
        text_games.explain(product, UNITS, settings(method=method, top=3))


def test_a_sample_that_does_not_suffice_says_what_to_raise(tmp_path: Path) -> None:
    arguments = ["explain", "not bad, not good, not dull", "--baseline", "deletion", "--evaluations", "40"]
    shown = CliRunner().invoke(
        app, [*arguments, "--tolerance", "1e-3", "--no-removal", "-o", str(tmp_path), "--formats", "json"]
    )
    assert shown.exit_code == 4
    said = " ".join(shown.output.split())
    assert "after 40 texts. Raise --evaluations or --tolerance" in said
    assert "Hessians." not in said
