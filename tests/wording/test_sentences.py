import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from explanations import make_explanation

from ihcli import wording
from ihcli.results import Explanation, Prediction, Target


def certified(difference: float, gap: float, **certificate: Any) -> list[str]:
    """The certificate of a result whose entries reach 10, with that f(x) − f(x′) and completeness gap."""
    ih = np.array([[-10.0, 5.0], [5.0, difference + gap]])
    e = make_explanation(2, ih=ih)
    changed = replace(e.certificate, completeness_gap=abs(gap), **certificate)
    return wording.certificate(replace(e, f_input=e.f_baseline + difference, certificate=changed))


def test_the_verdict_says_how_large_the_errors_of_rows_and_entries_are() -> None:
    assert certified(5.0, 0.0, row_gap=0.02, quadrature_error=0.03)[0] == (
        "Converged to 1 %: the largest error of a row is 0.20 % of the largest entry, "
        "the largest estimated error of an entry is 0.30 %."
    )
    rough = {"row_gap": 1.9, "quadrature_error": math.inf, "converged": False}
    assert certified(5.0, 0.0, **rough)[0] == (
        "NOT CONVERGED to 1 %: the largest error of a row is 19 % of the largest entry, "
        "the largest estimated error of an entry is unknown."
    )


def test_a_tiny_error_reads_as_a_sentence() -> None:
    verdict = certified(5.0, 0.0, row_gap=1e-8, quadrature_error=1e-8)[0]
    assert "is less than 0.001 % of the largest entry" in verdict
    assert "than less than" not in verdict


def test_the_sum_names_pairs_diagonal_and_what_they_should_add_up_to() -> None:
    assert certified(5.0, 0.02)[1] == (
        "The pairs add +10.00 and the diagonal −4.98, together +5.02; f(x) − f(x′) is +5.00 "
        "(a gap of 0.20 % of the largest entry)."
    )
    assert "f(x) − f(x′) is −5.00 (a gap of 0 % of the largest entry)" in certified(-5.0, 0.0)[1]


@pytest.mark.parametrize(("difference", "gap"), [(5.0, 0.02), (0.5, 0.08), (0.05, -0.08), (0.0, 0.08), (-31.0, 2.0)])
def test_the_written_terms_add_up(difference: float, gap: float) -> None:
    sentence = certified(difference, gap)[1]
    pairs, diagonal, total = (
        float(term.replace("−", "-")) for term in re.findall(r"[+−]?\d+\.\d+", sentence.partition(";")[0])
    )
    assert pairs + diagonal == pytest.approx(total, abs=0.02)


def test_a_single_unit_has_one_entry() -> None:
    [_, sentence] = wording.certificate(make_explanation(1, ih=np.array([[0.5]])))
    assert sentence.startswith("The only entry is +0.50; f(x) − f(x′) is +0.50")


def test_no_sum_is_told_where_entries_are_not_known_or_do_not_sum_to_the_difference() -> None:
    ih = np.array([[0.5, np.nan], [np.nan, 0.5]])
    assert len(wording.certificate(make_explanation(2, ih=ih))) == 1
    e = make_explanation(2)
    [_, sentence] = wording.certificate(replace(e, quadrature=replace(e.quadrature, formulation="article")))
    assert sentence == "In the formulation article the entries do not sum to f(x) − f(x′)."


def test_contributions_are_the_sums_of_the_matrix() -> None:
    ih = np.array([[1.0, -2.0], [-2.0, 0.5]])
    sums = wording.contributions(make_explanation(2, ih=ih))
    assert (sums.pairs, sums.diagonal, sums.total, sums.magnitude) == (-4.0, 1.5, -2.5, 5.5)
    assert sums.difference == pytest.approx(-2.5)
    assert sums.complete


@pytest.mark.parametrize(
    ("diagonal", "said"),
    [(-3.0, "Σ|Γ| is 61 times |f(x) − f(x′)|"), (-3.1, "Σ|Γ| is not zero"), (-2.0, None), (0.0, None)],
)
def test_entries_cancel_when_they_are_ten_times_the_difference(diagonal: float, said: str | None) -> None:
    e = make_explanation(2, ih=np.array([[diagonal, 3.1], [3.1, diagonal]]))
    sentence = wording.entries_cancel(replace(e, f_input=e.f_baseline + float(e.ih.sum())))
    assert (sentence is None) if said is None else (said in str(sentence))


# --- what the numbers speak for ---


def explained(output: str, against: str | None = None, probability: float = 0.975) -> Explanation:
    prediction = Prediction("A", 0, {"A": probability, "B": 1 - probability})
    return make_explanation(3, target=Target("A", 0, output, against), prediction=prediction)


def test_the_direction_names_the_label_that_a_sign_speaks_for() -> None:
    assert wording.direction(explained("logit")) == ("speaks for A", "speaks against A")
    assert wording.direction(explained("logit", "B")) == ("speaks for A", "speaks for B")
    regressor = make_explanation(
        2, prediction=Prediction("score", 0, {"score": 3.2}), target=Target("score", 0, "logit")
    )
    assert wording.direction(regressor) == ("raises score", "lowers score")
    assert wording.meaning_of_one(regressor) is None


@pytest.mark.parametrize("probability", [0.035, 0.5, 0.975, 0.9999])
@pytest.mark.parametrize("output", ["logit", "log-odds"])
def test_one_more_logit_is_told_as_a_probability(output: str, probability: float) -> None:
    sentence = str(wording.meaning_of_one(explained(output, probability=probability)))
    assert f"+1 {output} takes the probability of A from 50 % to 73 %; at this text" in sentence
    before, after = (float(p) / 100 for p in re.findall(r"([\d.]+) %", sentence)[-2:])
    grown = math.log(probability / (1 - probability)) + 1
    assert before == pytest.approx(probability, rel=0.02)
    assert 1 - after == pytest.approx(1 / (1 + math.exp(grown)), rel=0.05)


def test_other_outputs_have_their_own_meaning_of_one() -> None:
    assert wording.meaning_of_one(explained("probability")) == "+0.01 is one percentage point"
    assert wording.meaning_of_one(explained("logit", "B")) == "+1 logit multiplies the odds of A against B by 2.72"


# --- the baseline ---


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": "pad", "token": "[PAD]"}, "pad [PAD]"),
        ({"kind": "zero"}, "zero embeddings"),
        ({"kind": "text", "text": "a  film"}, "the text “a film”"),
        ({"kind": "texts", "texts": ["a", "b"]}, "mean over 2 texts"),
        ({"kind": "value-zeroing"}, "value-zeroing"),
    ],
)
def test_the_baseline_is_named(given: dict[str, Any], said: str) -> None:
    assert wording.baseline(make_explanation(2, baseline=given)) == said
