"""The check by removal, games of a text and methods side by side, on the bundled model."""

from math import comb

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from ihcli.cli.app import app
from ihcli.errors import UsageError
from ihcli.pipeline import Explainer
from ihcli.removal_check import _correlation, _further
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


def probability(explainer: Explainer, text: str, index: int) -> float:
    logits = np.array([score(explainer, text, label) for label in range(2)])
    return float(np.exp(logits[index]) / np.exp(logits).sum())


def test_the_probability_of_the_explained_label_is_told_of_each_text(explainer: Explainer, explanation) -> None:
    (pair, *_), index = explanation.removal.pairs, explanation.target.index
    texts = [explanation.removal.nothing, pair.without_first, pair.without_second, pair.without_both]
    expected = [probability(explainer, text, index) for text in ("", "this movie was bad", "this movie was not",
                                                                 "this movie was")]  # fmt: skip
    assert [one.target_probability for one in texts] == pytest.approx(expected, abs=1e-5)
    told = [f"{probability(explainer, TEXT, index):.2f} for the text", *(f"{value:.2f}" for value in expected)]
    assert explanation.removal.sentence.startswith(
        f"Check by removal (words deleted from the text): probability of POSITIVE {told[0]}, {told[1]} for "
        f"an empty text, {told[2]} without “not”, "
        f"{told[3]} without “bad”, {told[4]} without both. "
    )
    assert explanation.removal.largest is None  # it is in the strongest pair


def test_the_probability_is_that_of_the_explained_label_whatever_is_predicted(explainer: Explainer) -> None:
    result = Explainer({"target": {"label": "NEGATIVE"}}).explain(TEXT)
    assert result.removal.nothing.target_probability == pytest.approx(probability(explainer, "", 0), abs=1e-5)
    assert f"probability of NEGATIVE {probability(explainer, TEXT, 0):.2f} for the text" in result.removal.sentence


def test_the_unit_with_the_largest_attribution_is_removed_too(explainer: Explainer) -> None:
    result = explainer.explain("a charming disaster from start to finish")
    unit = int(np.abs(result.ig).argmax())
    (first, *_) = result.removal.pairs
    without = result.removal.largest or (first.without_first if first.i == unit else first.without_second)
    assert without.without == (unit,)
    words = [word.text for place, word in enumerate(result.units) if place != unit]
    assert without.score == pytest.approx(score(explainer, " ".join(words), result.target.index), abs=1e-5)


def test_the_pairs_that_removal_contradicts_are_kept(explainer: Explainer) -> None:
    text = "a charming disaster from start to finish"
    result = explainer.explain(text)
    removal, words, index = result.removal, text.split(), result.target.index
    assert len(removal.contradicted) == removal.compared - removal.agreeing > 0
    for pair in removal.contradicted:
        rest = [
            [w for k, w in enumerate(words) if k not in without] for without in ((pair.i,), (pair.j,), (pair.i, pair.j))
        ]
        without_i, without_j, without_both = (score(explainer, " ".join(kept), index) for kept in rest)
        effect = score(explainer, text, index) - without_i - without_j + without_both
        assert pair.effect == pytest.approx(effect, abs=1e-4)
        assert pair.interaction == result.ih[pair.i, pair.j]
        assert pair.interaction * pair.effect <= 0


def test_one_word_is_held_against_nothing(explainer: Explainer) -> None:
    result = explainer.explain("superb")
    index = result.target.index
    values = [probability(explainer, text, index) for text in ("superb", "")]
    said = f"probability of {result.target.label} {values[0]:.2f} for the text, {values[1]:.2f} for an empty text."
    assert result.removal.sentence.endswith(said)
    assert result.removal.evaluations == 1


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
