"""The check by removal, games of a text and methods side by side, on the bundled model."""

import dataclasses
from math import comb

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from ihcli.cli.app import app
from ihcli.errors import UsageError
from ihcli.pipeline import Explainer
from ihcli.removal.sampled_judging import Fit
from ihcli.removal_check import _correlation, _further, _sentence, contradictions
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


def fit(r_squared: float, scale: float = 1.0, scaled: float | None = None, error: float = 0.0) -> Fit:
    return Fit(r_squared, error, scale, r_squared if scaled is None else scaled, error)


VARIES = "of how the score varies as words are removed"
WORSE = "The matrix does not predict how the score varies as words are removed: the mean score would predict it better."


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (fit(0.637), f"The matrix explains 64 % {VARIES}."),
        (fit(0.64, 0.9, 0.66), f"The matrix explains 64 % {VARIES}."),
        (fit(0.64, error=0.05), f"The matrix explains about 64 % (from 54 to 74 %) {VARIES}."),
        (fit(0.99, error=0.05), f"The matrix explains about 99 % (from 89 to 100 %) {VARIES}."),
        (
            fit(-0.05, 0.53, 0.95),
            f"Its pattern explains 95 % {VARIES}, but its numbers are 1.9 times too large for that.",
        ),
        (fit(0.5, 1.8, 0.9), f"Its pattern explains 90 % {VARIES}, but its numbers are 1.8 times too small for that."),
        (fit(-7.3), WORSE),
        (fit(-0.5, -1.0, 0.9), WORSE),
        (fit(-0.5, 0.1, 0.05), WORSE),
        (None, ""),
    ],
)
def test_what_the_matrix_explains_is_said_in_plain_words(explanation, found, said) -> None:
    assert _sentence(explanation, (), 0, 0, found) == said


@pytest.mark.parametrize(
    ("agreeing", "compared", "said"),
    [
        (1, 1, "Removing words gives this pair the same sign as the matrix."),
        (0, 1, "Removing words gives this pair another sign than the matrix."),
        (9, 10, "Removing words gives 9 of the 10 strongest pairs the same sign as the matrix."),
        (2, 2, "Removing words gives both strongest pairs the same sign as the matrix."),
        (0, 2, "Removing words gives 0 of the 2 strongest pairs the same sign as the matrix."),
        (10, 10, "Removing words gives all 10 strongest pairs the same sign as the matrix."),
    ],
)
def test_signs_are_compared_in_plain_words(explanation, agreeing, compared, said) -> None:
    assert _sentence(explanation, (), agreeing, compared, None) == said


def test_the_sentence_has_the_four_answers_of_the_strongest_pair(explanation: Explanation) -> None:
    pair = explanation.removal.pairs[0]
    texts = pair.without_first, pair.without_second, pair.without_both
    answers = [f"{one.label} ({one.probability:.2f})" for one in texts]
    label = explanation.prediction.label
    assert explanation.removal.sentence.startswith(
        f"The text: {label} ({explanation.prediction.probabilities[label]:.2f}); without “not”: {answers[0]}; "
        f"without “bad”: {answers[1]}; without both: {answers[2]}. "
    )


def test_one_word_is_held_against_nothing(explainer: Explainer) -> None:
    result = explainer.explain("superb")
    logits = np.array([score(explainer, "", index) for index in range(2)])
    label = explainer.classifier.labels[int(logits.argmax())]
    probability = np.exp(logits.max()) / np.exp(logits).sum()
    said = f"Without “superb” nothing is left, and the model says {label} ({probability:.2f})."
    assert result.removal.sentence == said
    assert result.removal.evaluations == 1


def test_only_a_pair_that_removal_gives_the_other_sign_is_warned_of(explanation: Explanation) -> None:
    removal = explanation.removal
    (first, *_) = removal.pairs
    turned = dataclasses.replace(removal, pairs=(dataclasses.replace(first, effect=-5.8),))
    (warning,) = contradictions(explanation, turned)
    assert "not · bad the other sign" in warning
    assert "−5.8" in warning
    assert f"2Γ = +{2 * first.interaction:.3g}." in warning  # what is comparable to the effect of removing both
    nothing = dataclasses.replace(removal, pairs=(dataclasses.replace(first, effect=-1e-3),))
    assert contradictions(explanation, removal) == contradictions(explanation, nothing) == []


def test_the_error_of_an_estimate_is_told_and_an_exact_share_has_none(explainer: Explainer, explanation) -> None:
    longer = explainer.explain("the acting is good but the story is dull").removal
    assert not longer.exact
    assert 0 < longer.r_squared_error < 0.5
    assert 0 < longer.r_squared_attributions_error < 0.5
    assert "about" in longer.sentence
    assert (explanation.removal.r_squared_error, explanation.removal.r_squared_attributions_error) == (0, 0)


@pytest.mark.parametrize("units", [1, 2, 5, 6, 7, 31, 72, 400])
def test_the_check_always_asks_for_nothing_and_for_different_coalitions(units: int) -> None:
    rows = _further(units)
    assert len(np.unique(rows, axis=0)) == len(rows)
    assert (~rows).all(axis=1).any()
    assert rows.all(axis=1).any()
    assert len(rows) <= 66


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
