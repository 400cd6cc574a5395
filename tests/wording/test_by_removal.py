"""The sentences of the check by removal, from numbers that are known."""

from dataclasses import replace
from typing import Any

import pytest
from explanations import make_explanation

from ihcli import wording
from ihcli.results import Explanation, PairEffect, Prediction, Removal, RemovedPair, RemovedText, Target

VARIES = "how f varies as words are removed"
HEAD = "Check by removal (words deleted from the text): "


def text(
    without: tuple[int, ...], score: float, probability: float | None = 0.25, label: str = "NEGATIVE"
) -> RemovedText:
    return RemovedText(without, "what is left", label, 0.75, score, probability)


def pair(entry: float, whole: float, without_first: float, without_second: float, without_both: float) -> RemovedPair:
    """Units 2 and 3 (*not*, *bad*): the scores of the text and of the three texts without them."""
    effect = whole - without_first - without_second + without_both
    texts = text((2,), without_first), text((3,), without_second), text((2, 3), without_both, 0.9, "POSITIVE")
    return RemovedPair(2, 3, entry, effect, *texts)


def removal(*pairs: RemovedPair, **fields: Any) -> Removal:
    known = {
        "compared": len(pairs),
        "agreeing": len(pairs),
        "r_squared": None,
        "r_squared_attributions": None,
        "correlation": None,
        "exact": True,
        "evaluations": 16,
    }
    return Removal("", pairs, **(known | fields))


@pytest.fixture
def explanation() -> Explanation:
    """this · was · not · bad, POSITIVE with probability 0.97."""
    made = make_explanation(4, text="this was not bad")
    return replace(made, prediction=Prediction("POSITIVE", 1, {"NEGATIVE": 0.03, "POSITIVE": 0.97}, "single_label"))


def test_the_answers_are_probabilities_of_one_label(explanation: Explanation) -> None:
    found = removal(pair(3.0, 2.0, -3.0, -2.0, 1.0), nothing=text((0, 1, 2, 3), 0.5, 0.6, "POSITIVE"))
    assert wording.by_removal(explanation, found).startswith(
        f"{HEAD}probability of POSITIVE 0.97 for the text, 0.60 for an empty text, 0.25 without “not”, "
        "0.25 without “bad”, "
        "0.90 without both. "
    )


def test_the_largest_attribution_is_named_where_it_is_in_no_strong_pair(explanation: Explanation) -> None:
    found = removal(largest=text((1,), 0.5, 0.4))
    assert wording.by_removal(explanation, found) == (
        f"{HEAD}probability of POSITIVE 0.97 for the text, 0.40 without “was” (the largest attribution)."
    )


def test_of_three_labels_the_predicted_one_is_named(explanation: Explanation) -> None:
    three = Prediction("POSITIVE", 1, {"NEGATIVE": 0.02, "POSITIVE": 0.97, "NEUTRAL": 0.01}, "single_label")
    found = removal(nothing=text((0, 1, 2, 3), 0.0, 0.3, "NEUTRAL"), largest=text((1,), 0.5, 0.8, "POSITIVE"))
    assert wording.by_removal(replace(explanation, prediction=three), found) == (
        f"{HEAD}probability of POSITIVE 0.97 for the text, 0.30 (NEUTRAL is predicted) for an empty text, "
        "0.80 without “was” (the largest attribution)."
    )


def test_a_regressor_has_values(explanation: Explanation) -> None:
    rated = replace(
        explanation, prediction=Prediction("stars", 0, {"stars": 4.2}, "regression"), target=Target("stars", 0, "logit")
    )
    found = removal(nothing=text((0, 1, 2, 3), 2.5, 2.5, "stars"))
    assert wording.by_removal(rated, found) == f"{HEAD}stars 4.20 for the text, 2.50 for an empty text."


DIAGONAL = "(2Γ from the pair's entries, as much from the diagonal)"


@pytest.mark.parametrize(
    ("scores", "said"),
    [  # f(text), without not, without bad, without both
        (
            (2.0, -3.0, -2.0, 1.0),
            (
                "Strongest pair: “not” adds +5.00 to f beside “bad” and −3.00 once “bad” is removed, so "
                "removal shows the pair "
                f"adding +8.00; the matrix predicts 4Γ = +12 {DIAGONAL}, 1.5 times as much."
            ),
        ),
        (
            (2.0, 1.0, -1.0, -3.0),
            (
                "“not” adds +1.00 to f beside “bad” and +2.00 once “bad” is removed, so removal shows the "
                "pair adding −1.00; "
                f"the matrix predicts 4Γ = +12 {DIAGONAL}, with another sign."
            ),
        ),
        ((2.0, 1.0, 2.5, 0.5), "“bad” adds −0.50 to f beside “not” and"),  # without not, bad adds +0.5
        (
            (2.0, 1.0, -1.0, -2.05),
            (
                "“not” adds +1.00 to f beside “bad” and +1.05 once “bad” is removed, so by removal the two "
                "hardly act together "
                "(−0.05); the matrix predicts 4Γ = +12."
            ),
        ),
        ((9.0, -3.0, 0.0, 0.0), f"the pair adding +12.0; the matrix predicts 4Γ = +12 {DIAGONAL}."),
        ((21.0, -3.0, 0.0, 0.0), f"the pair adding +24.0; the matrix predicts 4Γ = +12 {DIAGONAL}, 0.5 times as much."),
        ((0.0, 0.0, 0.0, 0.0), "so removal shows the pair adding +0; the matrix predicts 4Γ = +12"),
    ],
)
def test_what_a_word_adds_beside_the_other_and_without_it(explanation, scores, said) -> None:
    assert said in wording.by_removal(explanation, removal(pair(3.0, *scores)))


def test_another_method_has_its_entry_for_the_pair(explanation: Explanation) -> None:
    found = wording.by_removal(replace(explanation, method="shapley"), removal(pair(7.5, 2.0, -3.0, -2.0, 1.0)))
    assert found.endswith("so removal shows the pair adding +8.00; the matrix predicts +7.5.")


@pytest.mark.parametrize(
    ("agreeing", "compared", "said"),
    [
        (1, 1, ""),
        (9, 10, " Removal gives 1 of the 10 strongest pairs (down to a tenth of the largest) another sign."),
        (7, 10, (" Removal gives 3 of the 10 strongest pairs (down to a tenth of the largest) another sign, which "
            "chance could do as well.")),  # 7 or more of 10 heads: 176 in 1,024
        (8, 10, (" Removal gives 2 of the 10 strongest pairs (down to a tenth of the largest) another sign, which "
            "chance could do as well.")),  # 56 in 1,024, just above 5 %
        (2, 2, " Both strongest pairs (down to a tenth of the largest) have the sign that removal shows."),
        (10, 10, " All 10 strongest pairs (down to a tenth of the largest) have the sign that removal shows."),
    ],
)  # fmt: skip
def test_signs_are_counted(explanation, agreeing, compared, said) -> None:
    found = wording.by_removal(explanation, removal(agreeing=agreeing, compared=compared))
    assert found == f"{HEAD}probability of POSITIVE 0.97 for the text.{said}"


@pytest.mark.parametrize(
    ("fit", "said"),
    [
        ({"r_squared": 0.637}, f"The matrix explains 64 % of {VARIES}."),
        ({"r_squared": 0.64, "scale": 0.9, "r_squared_scaled": 0.66}, f"The matrix explains 64 % of {VARIES}."),
        (
            {"r_squared": 0.64, "r_squared_error": 0.05},
            f"The matrix explains about 64 % (95 % interval 54 to 74 %) of {VARIES}.",
        ),
        (
            {"r_squared": 0.99, "r_squared_error": 0.05},
            f"The matrix explains about 99 % (95 % interval 89 to 100 %) of {VARIES}.",
        ),
        (
            {"r_squared": -0.05, "scale": 0.53, "r_squared_scaled": 0.95},
            (f"As printed, the matrix does not predict {VARIES} (R² −0.05; the mean of f has 0): its "
            "proportions hold, its "
            "size does not; divided by a fitted 1.9, it explains 95 %, though single pairs can differ."),
        ),
        (
            {"r_squared": 0.5, "r_squared_error": 0.1, "scale": 1.8, "r_squared_scaled": 0.9,
             "r_squared_scaled_error": 0.01},
            (f"As printed, the matrix explains about 50 % (95 % interval 30 to 70 %) of {VARIES}; "
            "multiplied by a fitted 1.8, about "
            "90 % (88 to 92 %)."),
        ),
        (
            {"r_squared": 0.4, "scale": 1.1, "r_squared_scaled": 0.71},
            (
                f"As printed, the matrix explains 40 % of {VARIES}; shifted by a constant and multiplied by 1.1, both "
                "fitted, 71 %."
            ),
        ),
        ({"r_squared": -7.3}, f"The matrix does not predict {VARIES} (R² −7.30; the mean of f has 0)."),
        (
            {"r_squared": -7.3, "r_squared_error": 1.0},
            f"The matrix does not predict {VARIES} (R² about −7.30; the mean of f has 0).",
        ),
        (
            {"r_squared": -0.5, "scale": -1.0, "r_squared_scaled": 0.9},
            f"The matrix does not predict {VARIES} (R² −0.50; the mean of f has 0).",
        ),
        (
            {"r_squared": -0.5, "scale": 0.1, "r_squared_scaled": 0.05},
            f"The matrix does not predict {VARIES} (R² −0.50; the mean of f has 0).",
        ),
    ],
)  # fmt: skip
def test_what_the_matrix_explains_is_said_in_plain_words(explanation, fit, said) -> None:
    assert wording.by_removal(explanation, removal(**fit)) == f"{HEAD}probability of POSITIVE 0.97 for the text. {said}"


def test_pairs_that_removal_contradicts_are_warned_of(explanation: Explanation) -> None:
    assert wording.contradictions(explanation, removal()) == []
    found = removal(contradicted=(PairEffect(2, 3, -3.0, 5.8), PairEffect(0, 1, 0.02, -0.001)))
    assert wording.contradictions(explanation, found) == [
        ("Removal gives another sign than the matrix to not · bad (removal +5.8, matrix 4Γ = −12), this · "
        "was (removal "
        "−0.001, matrix 4Γ = +0.08).")
    ]  # fmt: skip
    other = replace(explanation, method="faith-shap")
    assert "matrix −3)" in wording.contradictions(other, found)[0]


def test_a_matrix_that_predicts_nothing_is_warned_of(explanation: Explanation) -> None:
    (warning,) = wording.contradictions(explanation, removal(r_squared=-0.5))
    assert "Do not read the numbers of the matrix as effects of removing words." in warning
    assert "`--baseline deletion`" in warning
    deletion = replace(explanation, baseline={"kind": "deletion"})
    assert "`--baseline" not in wording.contradictions(deletion, removal(r_squared=-0.5))[0]
    assert wording.contradictions(explanation, removal(r_squared=-0.5, scale=0.5, r_squared_scaled=0.9)) == []
    assert wording.contradictions(explanation, removal(r_squared=0.2)) == []


@pytest.mark.parametrize(
    ("fit", "said"),
    [
        ({}, ""),
        ({"r_squared": 0.637}, " R² of the matrix for such removals: 0.64."),
        ({"r_squared": 0.81, "r_squared_error": 0.02}, " R² of the matrix for such removals: about 0.81."),
        (
            {"r_squared": -0.05, "scale": 0.53, "r_squared_scaled": 0.95},
            " R² of the matrix for such removals: −0.05; divided by a fitted 1.9: 0.95.",
        ),
    ],
)
def test_a_caption_has_the_answers_and_r_squared(explanation, fit, said) -> None:
    found = wording.by_removal_short(explanation, removal(**fit))
    assert found == f"Words removed: probability of POSITIVE 0.97 for the text.{said}"
