"""Long texts: words in the sentences that matter, the others as units, and what their matrix must equal."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
from explanations import make_explanation

from ihcli import mixed_units
from ihcli.config import UnitsSection
from ihcli.mixed_units import closed_note, opened
from ihcli.models.units import group, word_count
from ihcli.pipeline import Explainer
from ihcli.results import Explanation, Unit

FILLER = "The camera moves along a river. "
DECISIVE = "This film is not bad. "
TEXT = (FILLER + DECISIVE + FILLER).strip()
MOST = 10


@pytest.fixture(scope="module", autouse=True)
def _few_units() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mixed_units, "MOST_UNITS", MOST)
        yield


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    values = {"units": {"kind": "auto"}, "attribution": {"removal": False, "tolerance": 0.05}}
    return Explainer(values)


@pytest.fixture(scope="module")
def explanation(explainer: Explainer) -> Explanation:
    return explainer.explain(TEXT)


def test_the_sentence_that_matters_is_opened_and_the_units_keep_to_the_budget(explanation: Explanation) -> None:
    texts = [unit.text for unit in explanation.units]
    for word in ("film", "not", "bad"):
        assert word in texts
    assert len(texts) <= MOST
    assert FILLER.strip() in texts
    assert [TEXT[unit.start : unit.end] for unit in explanation.units] == texts
    assert "".join("".join(texts).split()) == "".join(TEXT.split())  # no character is lost or in two units


def test_the_matrix_is_that_of_words_summed_over_each_sentence_that_stayed_closed(
    explainer: Explainer, explanation: Explanation
) -> None:
    """A switch of a group is the sum of the switches of its words: exact for the same path."""
    words = explainer.variant()
    words.config = explainer.config.model_copy(update={"units": UnitsSection(kind="word")})
    full = words.explain(TEXT)
    owner = np.array([
        next(k for k, unit in enumerate(explanation.units) if unit.start <= word.start < unit.end)
        for word in full.units
    ])  # fmt: skip
    sums = np.zeros((len(explanation.units),) * 2)
    np.add.at(sums, (owner[:, None], owner[None]), full.ih)
    room = (len(full.units) / len(explanation.units) + 1) * 0.05
    assert np.abs(sums - explanation.ih).max() <= room * np.abs(explanation.ih).max()
    assert explanation.converged
    assert explanation.ig.sum() == pytest.approx(explanation.f_input - explanation.f_baseline, rel=0.05)


def test_what_a_closed_sentence_hides_is_said(explanation: Explanation) -> None:
    (note,) = [warning for warning in explanation.warnings if "kept as one unit" in warning]
    closed = [k for k, unit in enumerate(explanation.units) if word_count(unit.text) > 1]
    assert note.startswith(f"{len(closed)} sentence")
    largest = max((float(explanation.ih[k, k]) for k in closed), key=abs)
    assert f"{largest:+.3g}" in note


def test_a_short_text_is_explained_by_words(explainer: Explainer) -> None:
    found = explainer.explain("this movie was not bad")
    assert [unit.text for unit in found.units] == ["this", "movie", "was", "not", "bad"]
    assert closed_note(found) is None
    assert not found.warnings


def test_one_sentence_of_many_words_is_opened_although_it_is_too_long(explainer: Explainer) -> None:
    text = " ".join(["very"] * 15) + " good"
    encoded = explainer.classifier.encode(text, units=explainer.config.units)
    assert len(encoded.units) == 16
    sections = explainer.classifier.encode(text, units=UnitsSection(kind="sentence"))
    assert len(sections.units) == 1
    assert len(explainer.explain(text).units) == 16


def test_sentences_are_opened_by_what_they_say_and_do_with_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixed_units, "MOST_UNITS", 64)
    sentence = " ".join(["word"] * 29) + " end. "
    text = sentence * 4
    places = [(k * len(sentence), (k + 1) * len(sentence) - 1) for k in range(4)]
    units = tuple(Unit(text[a:b], a, b, ("word",)) for a, b in places)
    ih = np.diag([3.0, 0.0, 9.0, 0.1])  # the third says much by itself, and the second only together with the last
    ih[1, 3] = ih[3, 1] = 2.5
    ih[2, 2] = 2.0
    explanation = make_explanation(text="a b c d", ih=ih)
    explanation = dataclasses.replace(explanation, text=text, units=units)
    # |IG| + off-diagonal: 3, 2.5 + 2.5, 2, 2.6 + 2.5; a sentence has 31 units: two open and two closed make 64
    assert opened(explanation) == (("text", *places[3]), ("text", *places[1]))


def test_only_sentences_that_overlap_a_chosen_place_are_divided() -> None:
    text = "One two. Three four. Five six."
    tokens = ["One", "two", ".", "Three", "four", ".", "Five", "six", "."]
    offsets, at = [], 0
    for token in tokens:
        at = text.index(token, at)
        offsets.append((at, at + len(token)))
        at += len(token)
    found = group(text, tokens, offsets, UnitsSection(kind="auto"), opened=[("text", 9, 20)])
    assert [text[a:b] for a, b in found.spans] == ["One two.", "Three", "four", ".", "Five six."]
    assert found.members == (0, 0, 0, 1, 2, 3, 4, 4, 4)
    other = group(text, tokens, offsets, UnitsSection(kind="auto"), "text_pair", opened=[("text", 9, 20)])
    assert [text[a:b] for a, b in other.spans] == ["One two.", "Three four.", "Five six."]
