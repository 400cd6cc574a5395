"""What every way out says of outputs that are values, and of labels that do not exclude each other."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from io import StringIO

import pytest
from explanations import make_explanation
from rich.console import Console

from ihcli import console, wording
from ihcli.config import CheckSection
from ihcli.output import notebook
from ihcli.output.figures import captions
from ihcli.output.figures.style import View
from ihcli.output.report.contents import payload
from ihcli.regression.compare import compare
from ihcli.regression.consistency import audit
from ihcli.regression.findings import Kind
from ihcli.results import Explanation, Prediction, Target

ONE = make_explanation(
    4, prediction=Prediction("score", 0, {"score": 0.4}, "regression"), target=Target("score", 0, "logit")
)
SEVERAL = make_explanation(
    4,
    prediction=Prediction("fluency", 1, {"quality": -1.5, "fluency": -0.113, "length": -0.2}, "regression"),
    target=Target("fluency", 1, "logit", "quality"),
)
EARLIER = replace(SEVERAL, prediction=replace(SEVERAL.prediction, problem=None))
"""A record without the kind of outputs, which its numbers give away."""
BETWEEN = make_explanation(
    4, prediction=Prediction("b", 1, {"a": 0.25, "b": 0.75}, "regression"), target=Target("b", 1, "logit")
)
"""Values that could be probabilities."""
TOXIC = {"toxic": 0.9, "insult": 0.6, "threat": 0.1}
HOLDING = make_explanation(
    4, prediction=Prediction("toxic", 0, TOXIC, "multi_label"), target=Target("toxic", 0, "logit", "threat")
)


def terminal(explanation: Explanation) -> str:
    stream = StringIO()
    console.render(explanation, Console(file=stream, width=120, highlight=False))
    return stream.getvalue()


def caption(explanation: Explanation) -> str:
    return " ".join((captions.short_setting(explanation), *captions.full_setting(explanation)))


def alternative(explanation: Explanation) -> str:
    return captions.alternative_text("heatmap", [explanation], View())


def report(explanation: Explanation) -> str:
    return json.dumps(payload([explanation]), ensure_ascii=False)


def page(explanation: Explanation) -> str:
    return re.sub("<style>.*?</style>", "", notebook.html(explanation), flags=re.DOTALL)


WAYS = [terminal, caption, alternative, report, notebook.summary, page]


@pytest.mark.parametrize("explanation", [ONE, SEVERAL, EARLIER, BETWEEN])
@pytest.mark.parametrize("way", WAYS)
def test_a_value_is_nowhere_called_a_probability(way: Callable[[Explanation], str], explanation: Explanation) -> None:
    said = way(explanation)
    assert not re.search(r"\(p =|logit|percentage|odds|speaks (for|against)|[1-9] ?%,", said)
    assert f"{explanation.prediction.label} = " in said
    assert f"value of {explanation.target.label}" in said


def test_of_several_values_the_largest_is_named_as_such() -> None:
    assert wording.prediction(SEVERAL) == "fluency = −0.113 (the largest of 3 outputs)"
    assert wording.prediction(EARLIER) == "fluency = −0.113 (the largest of 3 outputs)"
    assert wording.prediction(ONE) == "score = 0.400"
    assert wording.target(SEVERAL) == "value of fluency minus that of quality"
    assert wording.direction(SEVERAL) == ("raises fluency − quality", "lowers fluency − quality")


def test_the_report_lists_values_as_numbers_and_filters_by_no_confidence() -> None:
    (level,) = payload([SEVERAL])["texts"][0]["levels"]
    assert level["others"] == ["length −0.200", "quality −1.50"]
    assert (level["regression"], level["confidence"]) == (True, None)


def test_the_gate_speaks_of_values() -> None:
    moved = replace(SEVERAL, prediction=replace(SEVERAL.prediction, probabilities={
        "quality": -1.5, "fluency": -0.113, "length": -0.1}))  # fmt: skip
    (finding,) = (f for f in compare(SEVERAL, moved, CheckSection()).findings if f.kind is Kind.VALUE)
    assert "value of length" in finding.line()
    assert Kind.PROBABILITY not in compare(SEVERAL, moved, CheckSection()).kinds()
    wrong = replace(SEVERAL, prediction=replace(SEVERAL.prediction, label="quality", index=0))
    assert "larger value" in " ".join(finding.message for finding in audit(wrong, "baseline"))


@pytest.mark.parametrize("explanation", [ONE, SEVERAL, EARLIER, BETWEEN, HOLDING])
def test_the_kind_of_outputs_is_recorded(explanation: Explanation) -> None:
    again = Explanation.from_dict(explanation.to_dict())
    assert again.prediction == explanation.prediction
    assert again.prediction.are_values == (explanation is not HOLDING)


@pytest.mark.parametrize("way", WAYS)
def test_of_labels_that_hold_together_all_are_named(way: Callable[[Explanation], str]) -> None:
    assert "toxic (p = 0.900), insult (p = 0.600)" in way(HOLDING)


def test_where_no_label_reaches_one_half_none_is_predicted() -> None:
    none = replace(HOLDING, prediction=Prediction("threat", 2, {"toxic": 0.01, "threat": 0.02}, "multi_label"))
    assert wording.prediction(none) == "none of 2 labels (the most probable: threat, p = 0.020)"
    many = replace(HOLDING, prediction=Prediction("a", 0, dict.fromkeys("abcde", 0.9), "multi_label"))
    assert wording.prediction(many).endswith("c (p = 0.900) and 2 more")


def test_a_logit_between_labels_that_do_not_exclude_each_other_is_a_ratio_of_odds() -> None:
    assert "the ratio of the odds of toxic and threat by 2.72" in str(wording.meaning_of_one(HOLDING))
    probability = replace(HOLDING, target=Target("toxic", 0, "probability", "threat"))
    assert wording.meaning_of_one(probability) is None
