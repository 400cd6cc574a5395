"""What a summary counts: which units, what a negator reaches, and the sign of each text."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from corpora import StandIn, stored
from opinions import TEXTS, Opinionated, every, explained, of, summarize, towards_positive

from ihcli.corpus.summary import Summary
from ihcli.corpus.summary import summarize as summarize_with
from ihcli.corpus.summary_counts import ALL, STOP_WORDS, SummaryCounts, SummaryOptions, make_key, split_key
from ihcli.errors import ResultError
from ihcli.results import Explanation


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(tmp_path_factory.mktemp("summary"), TEXTS, Opinionated())


def test_a_negator_reaches_three_words_up_to_punctuation(store: Path) -> None:
    found = {(n.negator, n.word): n for n in summarize(store).negations if n.prediction == ALL}
    assert set(found) == {
        ("not", "a"), ("not", "bad"), ("not", "film"), ("not", "good"), ("never", "a"), ("never", "dull"),
        ("never", "day"), ("n't", "good"), ("never", "bad"),
    }  # fmt: skip
    texts = {one.text: one for one in explained(store)}
    first = texts["this is not a bad film"]
    sign = towards_positive(first)
    bad = found["not", "bad"]
    assert (bad.count, bad.mean, bad.ig) == (1, pytest.approx(sign * first.ih[2, 4]), pytest.approx(sign * first.ig[4]))
    free = [
        towards_positive(texts[text]) * texts[text].ig[k]
        for text, k in (("a bad film", 1), ("the film was bad bad", 3), ("the film was bad bad", 4),
                        ("never a dull day , bad film", 5))
    ]  # fmt: skip
    assert (bad.count_elsewhere, bad.ig_elsewhere) == (4, pytest.approx(np.mean(free)))
    assert bad.turns == (bad.ig * np.mean(free) < 0)
    day = found["never", "day"]
    assert (day.count_elsewhere, day.ig_elsewhere, day.turns) == (0, None, None)


def test_other_languages_name_their_negators(tmp_path: Path) -> None:
    made = stored(tmp_path, ["das ist nicht gut", "kein Film"])
    found = summarize(made, every(negators=("nicht", "kein"))).negations
    assert {(n.negator, n.word) for n in found} == {("nicht", "gut"), ("kein", "film")}


def test_punctuation_and_function_words_are_not_counted_unless_asked_for(store: Path) -> None:
    def words(summary: Summary) -> set[str]:
        rows = [*summary.words, *summary.negations]
        return {one.word for one in rows} | {word for pair in summary.pairs for word in pair.words}

    assert {",", "a", "the"} <= words(summarize(store))
    plain = summarize_with(store)
    assert words(plain) == words(summarize(store)) - {","} - STOP_WORDS
    assert {"not", "never", "n't"} <= words(plain)  # negators always count
    assert plain.not_counted == "Not counted: punctuation and stop words."
    assert of(plain, ALL).items() <= of(summarize(store), ALL).items()  # what counts has the same numbers
    assert "," not in words(summarize(store, every(punctuation=False)))
    assert words(summarize(store, every(stop_words=frozenset({"film"})))) == words(summarize(store)) - {"film"}
    assert words(summarize(store, every(stop_words=frozenset({"not"})))) == words(summarize(store))
    assert summarize(store).not_counted == ""


def test_an_entry_that_was_not_computed_is_no_occurrence(tmp_path: Path) -> None:
    class Partly(StandIn):
        def one(self, text: str, pair: str | None) -> Explanation | Exception:
            found = super().one(text, pair)
            assert isinstance(found, Explanation)
            known = np.array(found.ih)
            known[0, 1] = known[1, 0] = np.nan
            return dataclasses.replace(found, ih=known)

    summary = summarize(stored(tmp_path, ["a b c"], Partly()))
    assert {p.words for p in summary.pairs} == {("a", "c"), ("b", "c")}
    assert np.isfinite([w.magnitude for w in summary.words]).all()


def test_a_fixed_target_needs_no_turning(tmp_path: Path) -> None:
    made = stored(tmp_path, ["a bad film"], StandIn({"target": {"label": "POSITIVE"}}))
    summary = summarize(made)
    [one] = explained(made)
    assert summary.towards == "POSITIVE"
    assert summary.labels == [ALL]
    assert of(summary, ALL)[frozenset(("bad", "film"))][1] == one.ih[1, 2]


class Tagger(Opinionated):
    """Its two labels may hold together."""

    def one(self, text: str, pair: str | None) -> Explanation | Exception:
        found = super().one(text, pair)
        assert isinstance(found, Explanation)
        own = dataclasses.replace(found.prediction, probabilities={"NEGATIVE": 0.8, "POSITIVE": 0.7})
        return dataclasses.replace(found, prediction=own)


def test_two_labels_that_may_hold_together_are_not_turned(tmp_path: Path) -> None:
    summary = summarize(stored(tmp_path, ["a bad film", "bad film"], Tagger()))
    assert summary.towards is None
    values = [one.ih[-2, -1] for one in explained(tmp_path / "run")]
    assert of(summary, ALL)[frozenset(("bad", "film"))][1] == pytest.approx(np.mean(values))


def test_keys_hold_a_label_and_two_words() -> None:
    largest = (1 << 26) - 1
    a, b = np.array([0, 1, largest, 5], np.uint64), np.array([largest, 0, largest, 7], np.uint64)
    for label in (0, 1, (1 << 12) - 1):
        labels, first, second = split_key(make_key(label, a, b))
        assert (labels == label).all()
        assert (first == a).all()
        assert (second == b).all()


def test_more_labels_than_a_key_can_hold_are_refused(tmp_path: Path) -> None:
    counts = SummaryCounts(SummaryOptions(), tmp_path)
    for k in range((1 << 12) - 1):
        assert counts._labels[f"label {k}"] == k + 1
    with pytest.raises(ResultError, match="more than 4096 different predicted labels"):
        counts._labels["one more"]


@pytest.mark.parametrize("problem", ["regression", "multi_label"])
def test_outputs_that_do_not_exclude_each_other_are_no_opposites(problem: str, tmp_path: Path) -> None:
    class Other(Opinionated):
        def one(self, text: str, pair: str | None) -> Explanation | Exception:
            made = super().one(text, pair)
            assert isinstance(made, Explanation)
            return dataclasses.replace(made, prediction=dataclasses.replace(made.prediction, problem=problem))

    summary = summarize(stored(tmp_path, ["a good film"], Other()))
    assert (summary.towards, summary.problem) == (None, problem)
    assert summary.where(ALL) == ""
    one = dataclasses.replace(summary, predictions={"NEGATIVE": 3, "POSITIVE": 1})
    said = {"regression": "with the largest output", "multi_label": "with the most probable label"}[problem]
    assert one.texts_of("NEGATIVE") == f"3 {said} NEGATIVE"
    assert one.where("NEGATIVE") == f"where NEGATIVE is {said.removeprefix('with ')}"
    assert ("raise" in one.meaning_of_sign) == (problem == "regression")
    assert one.texts_of(ALL) == "all texts"
