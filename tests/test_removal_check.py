"""The check by removal, games of a text and methods side by side, on the bundled model."""

from math import comb

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from ihcli.cli.app import app
from ihcli.errors import UsageError
from ihcli.pipeline import Explainer
from ihcli.removal.stratified import uniform_sizes
from ihcli.removal_check import _correlation, _sentence, coalitions
from ihcli.results import Explanation
from ihcli.sources import SourceName, compare, sources_of

TEXT = "this movie was not bad"


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return Explainer()


@pytest.fixture(scope="module")
def explanation(explainer: Explainer) -> Explanation:
    return explainer.explain(TEXT)


def score(explainer: Explainer, text: str, index: int) -> float:
    """The logit of a text by the model's own call."""
    inputs = explainer.classifier.tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        return float(explainer.classifier.model(**inputs).logits[0, index])


def test_the_texts_of_a_pair_are_the_model_s_own_answers(explainer: Explainer, explanation: Explanation) -> None:
    pair = explanation.removal.pairs[0]
    assert [explanation.units[place].text for place in (pair.i, pair.j)] == ["not", "bad"]
    texts = [one.text for one in (pair.without_first, pair.without_second, pair.without_both)]
    assert texts == ["this movie was bad", "this movie was not", "this movie was"]
    index = explanation.target.index
    scores = [score(explainer, text, index) for text in (TEXT, *texts)]
    assert [pair.without_first.score, pair.without_second.score, pair.without_both.score] == pytest.approx(
        scores[1:], abs=1e-5
    )
    assert pair.effect == pytest.approx(scores[0] - scores[1] - scores[2] + scores[3], abs=1e-5)
    assert pair.without_first.label == "NEGATIVE"
    assert pair.agrees


def test_r_squared_is_that_of_the_quadratic_form_over_all_sets_of_words(
    explainer: Explainer, explanation: Explanation
) -> None:
    words = TEXT.split()
    index = explanation.target.index
    gamma = np.asarray(explanation.ih)
    main = np.diag(gamma) - (gamma.sum(1) - np.diag(gamma))
    values, predictions, weights = [], [], []
    empty = score(explainer, "", index)
    for bits in range(2 ** len(words)):
        present = [k for k in range(len(words)) if bits >> k & 1]
        values.append(score(explainer, " ".join(words[k] for k in present), index))
        pairs = sum(4 * gamma[u, v] for u in present for v in present if u < v)
        predictions.append(empty + sum(main[u] for u in present) + pairs)
        weights.append(1 / comb(len(words), len(present)))
    v, q, w = (np.array(column) for column in (values, predictions, weights))
    mean = w @ v / w.sum()
    assert explanation.removal.r_squared == pytest.approx(1 - w @ (v - q) ** 2 / (w @ (v - mean) ** 2), abs=1e-4)
    assert explanation.removal.exact


def test_integrated_hessians_of_deletion_are_exact_and_judged_as_such(explainer: Explainer) -> None:
    result = explainer.variant(baseline=explainer.config.baseline.model_copy(update={"kind": "deletion"})).explain(TEXT)
    assert result.quadrature.evaluations == 32
    assert result.certificate.standard_error == 0
    assert result.removal.correlation == pytest.approx(1)
    assert result.ih.sum() == pytest.approx(result.f_input - result.f_baseline, abs=1e-6)
    assert result.f_baseline == pytest.approx(score(explainer, "", result.target.index), abs=1e-5)


def test_a_result_with_its_check_is_read_back_as_it_was(explanation: Explanation, tmp_path) -> None:
    again = Explanation.load(explanation.save(tmp_path))
    assert again.removal == explanation.removal
    assert again.to_json() == explanation.to_json()


def test_the_check_can_be_left_out(explainer: Explainer) -> None:
    assert explainer.variant(attribution={"removal": False}).explain("not bad").removal is None


def test_one_word_has_no_pairs(explainer: Explainer) -> None:
    result = explainer.explain("superb")
    assert result.removal.pairs == ()
    assert result.removal.r_squared is None


def test_the_correlation_of_constant_pairs_is_unknown() -> None:
    assert _correlation(np.ones((3, 3)), np.eye(3)) is None
    assert _correlation(np.diag([1.0, 2.0]), np.eye(2)) is None


@pytest.mark.parametrize("method", ["shapley", "sii", "faith-shap", "archipelago", "occlusion", "lime", "kernel-shap"])
def test_every_method_gives_a_result_that_is_saved_and_read(explainer: Explainer, method: str, tmp_path) -> None:
    result = explainer.variant(attribution={"method": method}).explain("not bad at all")
    assert result.method == method
    assert result.baseline == {"kind": "deletion"}
    again = Explanation.load(result.save(tmp_path))
    assert again.to_json() == result.to_json()


def test_methods_side_by_side_agree_with_themselves(explainer: Explainer) -> None:
    chosen = sources_of(["ih:deletion", "shapley", "kernel-shap", "shapley"])
    assert len(chosen) == 3
    results = compare(explainer, TEXT, None, chosen)
    assert results[0].agreement.attribution_correlation == pytest.approx(1)
    assert results[0].r_squared > 0.95
    for one in results[1:]:  # Shapley values all
        np.testing.assert_allclose(one.attributions, results[0].attributions, atol=1e-5)


@pytest.mark.parametrize("name", ["nothing", "ih:nowhere", "", " , "])
def test_unknown_sources_are_named(name: str) -> None:
    with pytest.raises(UsageError, match=r"methods are|baselines are|No source"):
        sources_of(name.split(","))


def test_the_cost_of_a_game_is_not_estimated() -> None:
    shown = CliRunner().invoke(app, ["explain", "not bad", "--baseline", "deletion", "--dry-run"])
    assert shown.exit_code == 2
    assert "--evaluations" in shown.output


def test_a_source_is_written_as_it_is_read() -> None:
    assert str(SourceName.of("ih:pad")) == "ih:pad"
    assert str(SourceName.of("lime")) == "lime"


def test_the_commands_print_tables_and_documents(tmp_path) -> None:
    run = CliRunner()
    shown = run.invoke(app, ["compare", "not bad", "--methods", "ih,lime", "--figure", str(tmp_path / "methods.png")])
    assert shown.exit_code == 0, shown.output
    assert "R² words" in shown.output
    assert (tmp_path / "methods.png").read_bytes().startswith(b"\x89PNG")
    texts = tmp_path / "texts.txt"
    texts.write_text("not bad\nso dull\n", encoding="utf-8")
    arguments = ["evaluate", str(texts), "--methods", "ih,ih:deletion,lime", "-q", "--csv", str(tmp_path / "t.csv")]
    shown = run.invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert "bundled · ih · deletion" in shown.output
    assert "r_squared" in (tmp_path / "t.csv").read_text(encoding="utf-8")
    assert run.invoke(app, ["compare", "not bad", "--methods", "wrong"]).exit_code == 2
    assert run.invoke(app, ["evaluate", str(tmp_path / "absent.txt")]).exit_code == 2


@pytest.mark.parametrize(
    ("r_squared", "said"),
    [
        (0.637, "The matrix explains 64 % of what removing words does."),
        (-7.3, "The matrix does not predict what removing words does (R² below 0)."),
        (None, ""),
    ],
)
def test_a_matrix_worse_than_the_mean_is_not_said_to_explain_nothing(
    explanation: Explanation, r_squared: float | None, said: str
) -> None:
    assert _sentence(explanation, (), 0, 0, r_squared) == said


@pytest.mark.parametrize("units", [1, 5, 6, 31, 32, 33, 72, 400])
def test_the_check_draws_coalitions_of_every_size_of_a_text_of_any_length(units: int) -> None:
    drawn = uniform_sizes(units, coalitions(units)).coalitions
    assert {int(row.sum()) for row in drawn} == set(range(units + 1))


@pytest.mark.parametrize(
    ("r_squared", "scaled", "said"),
    [
        (0.64, (0.9, 0.66), "The matrix explains 64 % of what removing words does."),
        (-0.05, (0.53, 0.95), "Multiplied by 0.53, the matrix explains 95 %|too large for that (R² −0.05)."),
        (0.5, (1.8, 0.9), "Multiplied by 1.8, the matrix explains 90 %|its numbers are too small for that (R² 0.50)."),
        (-0.5, (-1.0, 0.9), "The matrix does not predict what removing words does (R² below 0)."),
        (-0.5, (0.1, 0.05), "The matrix does not predict what removing words does (R² below 0)."),
    ],
)  # fmt: skip
def test_a_pattern_of_another_size_is_told_with_its_factor(explanation, r_squared, scaled, said) -> None:
    told = _sentence(explanation, (), 0, 0, r_squared, scaled)
    assert told.startswith(said.split("|")[0])
    assert told.endswith(said.split("|")[-1])


def test_the_factor_is_that_of_a_regression_on_the_predictions(explainer: Explainer, explanation: Explanation) -> None:
    words, index, gamma = TEXT.split(), explanation.target.index, np.asarray(explanation.ih)
    values, predictions, weights = [], [], []
    for mask in range(32):
        kept = [place for place in range(5) if mask >> place & 1]
        values.append(score(explainer, " ".join(words[place] for place in kept), index))
        pairs = 4 * sum(gamma[a, b] for a in kept for b in kept if a < b)
        predictions.append(pairs + sum(2 * gamma[u, u] - gamma[u].sum() for u in kept))
        weights.append(1 / comb(5, len(kept)))
    root = np.sqrt(weights)
    design = np.column_stack([np.ones(32), predictions])
    (_, factor), *_ = np.linalg.lstsq(design * root[:, None], np.array(values) * root, rcond=None)
    assert explanation.removal.scale == pytest.approx(factor, rel=1e-4)
    assert explanation.removal.r_squared_scaled >= explanation.removal.r_squared
