"""Targets: the scalar of the output that is explained, against formulas written here."""

import dataclasses
from typing import Any

import pytest
import torch
from architectures import TEXT, classifier, family_of
from torch import Tensor

from ihcli.config import BaselineSection, TargetSection, UnitsSection
from ihcli.errors import TargetError
from ihcli.models import LoadedClassifier
from ihcli.models.targets import find_label, output, probabilities, recorded_index, resolve
from ihcli.results import Prediction, Target

LABELS = ("NEGATIVE", "NEUTRAL", "POSITIVE")
Z = torch.tensor([[0.3, -1.2, 2.5], [1.0, 0.0, -4.0]], dtype=torch.float64)
P = Z.exp() / Z.exp().sum(1, keepdim=True)
S = 1 / (1 + (-Z).exp())


@pytest.mark.parametrize(
    ("problem", "kind", "expected"),
    [
        ("single_label", "logit", Z),
        ("single_label", "probability", P),
        ("single_label", "log-odds", (P / (1 - P)).log()),
        ("multi_label", "logit", Z),
        ("multi_label", "probability", S),
        ("multi_label", "log-odds", (S / (1 - S)).log()),
        ("regression", "logit", Z),
    ],
)
@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_formulas(problem: str, kind: str, expected: Tensor, index: int) -> None:
    target = Target(LABELS[index], index, kind)
    assert torch.allclose(output(Z, target, problem, None), expected[:, index], atol=1e-12)
    other = (index + 1) % 3
    difference = expected[:, index] - expected[:, other]
    assert torch.allclose(output(Z, target, problem, other), difference, atol=1e-12)


def test_log_odds_of_two_labels_is_the_difference_of_logits_also_far_out() -> None:
    z = torch.tensor([[400.0, -400.0]])
    assert output(z, Target("a", 0, "log-odds"), "single_label", None).item() == 800.0
    three = torch.tensor([[400.0, -400.0, -500.0]])
    assert output(three, Target("a", 0, "log-odds"), "single_label", None).item() == 800.0


def test_what_is_predicted() -> None:
    assert torch.allclose(probabilities(Z, "single_label"), P)
    assert torch.allclose(probabilities(Z, "multi_label"), S)
    assert torch.equal(probabilities(Z, "regression"), Z)


@pytest.mark.parametrize(
    ("labels", "keys"),
    [
        (("a", "b", "c"), ["a", "b", "c"]),
        (("a", "b", "a"), ["a (0)", "b", "a (2)"]),
        (("a", "a", "a (0)"), ["a (0)", "a (1)", "a (0) (2)"]),
    ],
)
@pytest.mark.parametrize("problem", ["single_label", "multi_label", "regression"])
def test_a_prediction_names_each_output_once_and_says_what_outputs_are(
    labels: tuple[str, ...], keys: list[str], problem: str
) -> None:
    model = dataclasses.replace(classifier(family_of("BERT")), labels=labels, problem=problem)
    prediction = model.predict(model.encode(TEXT, units=UnitsSection()))
    assert list(prediction.probabilities) == keys
    assert prediction.label == keys[prediction.index]
    assert (prediction.problem, prediction.are_values) == (problem, problem == "regression")


# --- which one ----------------------------------------------------------------------------------------------------

SEEN = Prediction("POSITIVE", 2, {"NEGATIVE": 0.1, "NEUTRAL": 0.1, "POSITIVE": 0.8})


def resolved(problem: str = "single_label", labels: tuple[str, ...] = LABELS, **section: Any) -> Target:
    return resolve(TargetSection(**section), SEEN, labels, problem)


def test_labels_by_name_and_index() -> None:
    assert resolved() == Target("POSITIVE", 2, "logit", None)
    assert resolved(label="NEUTRAL").index == 1
    assert resolved(label=0).label == "NEGATIVE"
    assert resolved(label="0").label == "NEGATIVE"  # so a command line gives it
    assert resolved(label="NEGATIVE", against=2).against == "POSITIVE"


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"label": "positive"}, ["no label 'positive'", "Did you mean POSITIVE?", "NEGATIVE (0), NEUTRAL (1)"]),
        ({"label": "joy"}, ["no label 'joy'. The labels: NEGATIVE (0)"]),
        ({"label": 3}, ["The label 3 is past the last index, 2", "POSITIVE (2)"]),
        ({"label": "17"}, ["The label 17 is past the last index, 2"]),
        ({"label": "-1"}, ["no label '-1'"]),
        ({"against": "POSITIVE"}, ["are both 'POSITIVE'", "always zero"]),
        ({"label": 0, "against": "NEGATIVE"}, ["are both 'NEGATIVE'"]),
        ({"against": 9}, ["The label to compare against 9 is past"]),
        ({"against": "joy"}, ["no label to compare against 'joy'"]),
    ],
)  # fmt: skip
def test_a_label_that_is_not_there(section: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(TargetError) as caught:
        resolved(**section)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_name_that_several_labels_share() -> None:
    with pytest.raises(TargetError, match="Several labels are called 'x'; give the index"):
        find_label("x", ("x", "y", "x"), "label")
    assert find_label(2, ("x", "y", "x"), "label") == 2
    prediction = Prediction("y", 1, {"x (0)": 0.1, "y": 0.8, "x (2)": 0.1})
    target = resolve(TargetSection(label=1, against=2), prediction, ("x", "y", "x"), "single_label")
    assert target.against is not None
    assert find_label(target.against, ("x", "y", "x"), "label") == 2


STARS = ("1", "2", "3", "4", "5")


@pytest.mark.parametrize("wanted", ["1", 1, "2", 2, "4", 4])
def test_a_number_that_is_one_label_s_name_and_another_s_index_is_an_error(wanted: str | int) -> None:
    """A command line gives text and YAML a number: both mean the same."""
    with pytest.raises(TargetError) as caught:
        find_label(wanted, STARS, "label")
    number = int(wanted)
    assert f"label {number} could be the name of label {number - 1} or the index of the label '{number + 1}'" in str(
        caught.value
    )
    assert f"Write name:{number} or index:{number}." in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "labels", "index"),
    [
        ("name:1", STARS, 0),
        ("index:1", STARS, 1),
        ("5", STARS, 4),  # there is no index 5
        (5, STARS, 4),
        ("0", STARS, 0),  # no label is called 0
        (0, STARS, 0),
        ("1", ("0", "1"), 1),  # name and index agree
        (1, ("0", "1"), 1),
        ("index:1", ("index:1", "b"), 0),  # a name as it stands comes first
        ("name:name:x", ("a", "name:x"), 1),
        ("name:predicted", ("a", "predicted"), 1),
        ("-1 stars", ("a", "-1 stars"), 1),
        ("été", ("a", "e\u0301te\u0301"), 1),
        ("e\u0301te\u0301", ("a", "été"), 1),
        ("\u212bngström", ("a", "Ångström"), 1),
    ],
)
def test_one_rule_for_names_and_indices(wanted: str | int, labels: tuple[str, ...], index: int) -> None:
    assert find_label(wanted, labels, "label") == index


@pytest.mark.parametrize(
    ("wanted", "labels", "words"),
    [
        ("name:7", STARS, "no label 'name:7'"),
        ("index:7", STARS, "The label 7 is past the last index, 4"),
        ("index:x", STARS, "no label 'index:x'"),
        ("9" * 5000, STARS, "The label 999999999… is past the last index"),
        (10**3999, STARS, "The label 100000000… is past the last index"),
        ("x", ("e\u0301", "é"), "no label 'x'"),
        ("é", ("e\u0301", "e\u0301"), "Several labels are called 'é'; give the index, as index:0"),
    ],
)
def test_what_names_no_label(wanted: str | int, labels: tuple[str, ...], words: str) -> None:
    with pytest.raises(TargetError) as caught:
        find_label(wanted, labels, "label")
    assert words in str(caught.value)


def test_an_index_of_more_digits_than_python_writes() -> None:
    with pytest.raises(TargetError, match="is past the last index, 4"):
        find_label(10**4999, STARS, "label")


def test_a_target_that_was_recorded_is_found_again() -> None:
    for labels in (STARS, ("x", "y", "x"), ("0", "1"), ("1", "0")):
        for other in range(1, len(labels)):
            target = resolve(TargetSection(label="index:0", against=f"index:{other}"), SEEN, labels, "single_label")
            assert target.against is not None
            assert recorded_index(target.against, labels) == other
    assert recorded_index("2", ("x", "y", "x")) == 2  # as earlier versions wrote it


def test_labels_that_a_pretrained_head_has_by_the_thousand_are_listed_in_part() -> None:
    with pytest.raises(TargetError) as caught:
        find_label("x", [f"label {i}" for i in range(1000)], "label")
    assert "and 950 more" in str(caught.value)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("kind", ["probability", "log-odds"])
def test_a_regressor_has_no_probability(kind: str) -> None:
    with pytest.raises(TargetError, match=f"The output {kind} was asked for"):
        resolved("regression", output=kind)
    assert resolved("multi_label", output=kind).output == kind


# --- on models ----------------------------------------------------------------------------------------------------


def f_of(made: LoadedClassifier, **section: Any) -> float:
    one = made.encode(TEXT, units=UnitsSection())
    target = made.target(TargetSection(**section), made.predict(one))
    return float(made.score(one, target)(made.embed(one)[None])[0])


def logits_of(made: LoadedClassifier) -> Tensor:
    with torch.no_grad():
        return made.model(**made.tokenizer(TEXT, return_tensors="pt")).logits[0].double()  # type: ignore[no-any-return]


def test_a_classifier_of_one_label_at_a_time() -> None:
    made = classifier(
        family_of("BERT"), id2label=dict(enumerate(LABELS)), label2id={n: i for i, n in enumerate(LABELS)}
    )
    z = logits_of(made)
    p = z.softmax(0)
    assert (made.problem, made.labels) == ("single_label", LABELS)
    seen = made.predict(made.encode(TEXT, units=UnitsSection()))
    assert list(seen.probabilities) == list(LABELS)
    assert list(seen.probabilities.values()) == pytest.approx(p.tolist(), abs=1e-6)
    assert seen.label == LABELS[int(p.argmax())]
    assert f_of(made, label="NEUTRAL") == pytest.approx(float(z[1]), abs=1e-5)
    assert f_of(made, label="NEUTRAL", against=2) == pytest.approx(float(z[1] - z[2]), abs=1e-5)
    assert f_of(made, label="NEUTRAL", output="probability") == pytest.approx(float(p[1]), abs=1e-5)
    assert f_of(made, label=0, output="log-odds") == pytest.approx(float((p[0] / (1 - p[0])).log()), abs=1e-5)


def test_a_classifier_of_many_labels_at_once() -> None:
    made = classifier(family_of("BERT"), problem_type="multi_label_classification")
    z = logits_of(made)
    assert made.problem == "multi_label"
    seen = made.predict(made.encode(TEXT, units=UnitsSection()))
    assert list(seen.probabilities.values()) == pytest.approx(z.sigmoid().tolist(), abs=1e-6)
    assert f_of(made, label=2, output="probability") == pytest.approx(float(z[2].sigmoid()), abs=1e-5)
    assert f_of(made, label=2, output="log-odds") == pytest.approx(float(z[2]), abs=1e-5)


@pytest.mark.parametrize("stated", [None, "regression"])
def test_a_regressor_or_ranker_of_one_number(stated: str | None) -> None:
    made = classifier(family_of("BERT"), num_labels=1, problem_type=stated)
    [z] = logits_of(made).tolist()
    assert (made.problem, made.labels) == ("regression", ("LABEL_0",))
    seen = made.predict(made.encode(TEXT, units=UnitsSection()))
    assert seen.probabilities["LABEL_0"] == pytest.approx(z, abs=1e-6)
    assert f_of(made) == pytest.approx(z, abs=1e-5)


def test_two_labels_of_one_name_stay_apart() -> None:
    made = classifier(family_of("BERT"), id2label={0: "x", 1: "y", 2: "x"}, label2id={"x": 0, "y": 1})
    seen = made.predict(made.encode(TEXT, units=UnitsSection()))
    assert list(seen.probabilities) == ["x (0)", "y", "x (2)"]
    with pytest.raises(TargetError, match="Several labels"):
        f_of(made, label="x")
    assert f_of(made, label=2) == pytest.approx(float(logits_of(made)[2]), abs=1e-5)


def test_baselines_share_the_target_of_the_text() -> None:
    made = classifier(family_of("DistilBERT"))
    one = made.encode(TEXT, units=UnitsSection())
    target = made.target(TargetSection(label=1, against=0), made.predict(one))
    score, start = made.score(one, target), made.presence(one, target, BaselineSection(kind="mask")).paths[0].start
    ids = torch.where(one.explained, made.tokenizer.mask_token_id, one.input_ids)
    with torch.no_grad():
        z = made.model(input_ids=ids[None]).logits[0]
    assert float(score(start[None])[0]) == pytest.approx(float(z[1] - z[0]), abs=1e-5)
