"""The bundled model: what the main job stands on, against an oracle that shares no code with the package."""

import json
import pathlib

import numpy as np
import pytest
import torch
from reference import double_integral

from ihcli import Explainer
from ihcli.attribution.reverse import ReverseEngine
from tests.studies.train_bundled import read_rows

ROOT = pathlib.Path(__file__).parents[2]
BASELINE = {"baseline": {"kind": "value-zeroing"}}
EXAMPLES = ("this movie was not bad", "A charming disaster from start to finish")


@pytest.fixture(scope="module")
def explainer():
    return Explainer({"model": {"dtype": "float64"}, **BASELINE})


@pytest.fixture(scope="module", params=EXAMPLES)
def example(request, explainer):
    """A text, its explanation in float64, and the double integral over the same computation."""
    presence = explainer.prepare(request.param).switched
    path = presence.paths[0]

    def f(points):
        return presence.score(points, *path.parameters_at(len(points)))

    # Six panels of ten Gauss points on this smooth path differ from 24 by less than 1e-7 of the largest entry.
    oracle = double_integral(f, path.start + path.delta, path.start, path.groups, panels=6)
    return request.param, explainer.explain(request.param), oracle


def test_every_entry_is_that_of_the_double_integral(example):
    _, found, oracle = example
    assert found.certificate.converged
    assert np.abs(found.ih - oracle).max() <= 0.01 * np.abs(oracle).max()
    assert np.abs(found.ih - oracle).max() <= found.certificate.quadrature_error + 1e-4 * np.abs(oracle).max()


def test_at_a_finer_tolerance_every_entry_is_within_a_thousandth(example):
    text, _, oracle = example
    found = Explainer({"model": {"dtype": "float64"}, "attribution": {"tolerance": 1e-3}, **BASELINE}).explain(text)
    assert found.certificate.converged
    assert np.abs(found.ih - oracle).max() <= 1e-3 * np.abs(oracle).max()


def test_the_engines_agree(example, explainer):
    text, found, _ = example
    prepared = explainer.prepare(text)
    path = prepared.switched.paths[0]
    t = torch.tensor([0.0, 0.13, 0.2, 0.7], dtype=torch.float64)
    forward, reverse = explainer.engine(prepared), ReverseEngine(prepared.switched.score)
    assert (found.quadrature.engine, forward.name) == ("forward", "forward")
    one, other = (engine.evaluate(path, t, order=2).hessian for engine in (forward, reverse))
    assert np.abs(one - other).max() <= 1e-9 * np.abs(other).max()


def test_single_precision_agrees_to_a_thousandth(example):
    text, found, _ = example
    single = Explainer(BASELINE).explain(text)
    assert single.model.dtype == "float32"
    assert np.abs(single.ih - found.ih).max() <= 1e-3 * np.abs(found.ih).max()


def test_special_tokens_stay_present(explainer):
    prepared = explainer.prepare(EXAMPLES[0])
    delta = prepared.switched.paths[0].delta
    outside = prepared.encoded.groups < 0
    assert outside.tolist() == [True, *[False] * 5, True]
    assert torch.equal(delta[outside], torch.zeros_like(delta[outside]))
    assert torch.equal(delta[~outside], torch.ones(5, dtype=torch.float64))


@pytest.mark.parametrize(
    ("text", "label"),
    [("this movie was not bad", "POSITIVE"), ("this movie was bad", "NEGATIVE"), ("a wonderful film", "POSITIVE")],
)
def test_it_classifies(explainer, text, label):
    problem = explainer.prepare(text)
    assert explainer.classifier.predict(problem.encoded).label == label


def test_any_text_tokenizes(explainer):
    text = "naïve 東京 ζ 🎬 №5 xqzjkv"
    units = explainer.prepare(text).encoded.units
    assert all(text[unit.start : unit.end] == unit.text and unit.tokens for unit in units)
    assert "".join(unit.text for unit in units).replace(" ", "") == text.replace(" ", "")


def test_the_package_data_is_small_and_carries_its_card():
    folder = ROOT / "ihcli" / "bundled"
    size = sum(path.stat().st_size for path in (folder / "weights").iterdir())
    assert size <= 35e6
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    for heading in ("## Data", "## Recipe", "## Figures", "## Limits", "## Licence"):
        assert heading in card
    assert json.loads((folder / "weights" / "config.json").read_text(encoding="utf-8"))["id2label"] == {
        "0": "NEGATIVE",
        "1": "POSITIVE",
    }


def test_the_golden_results_are_of_this_model(explainer):
    for text in EXAMPLES:
        folder = ROOT / "outputs" / text.lower().replace(" ", "-")
        recorded = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        assert recorded["text"] == text
        assert recorded["model"]["weights_sha256"] == explainer.classifier.info.weights_sha256
        assert {path.name for path in folder.iterdir()} == {
            "result.json", "interactions.csv", "pairs.csv", "attributions.csv", "heatmap.png"
        }  # fmt: skip


def test_a_row_of_the_training_data_is_read_as_it_stands(tmp_path):
    path = tmp_path / "rows.tsv"
    path.write_text("1\ta 'quoted\" text\n0\tanother\n", encoding="utf-8")
    assert read_rows(path) == [["1", "a 'quoted\" text"], ["0", "another"]]
