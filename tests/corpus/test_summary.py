"""Tables of a summary, against sums over all occurrences that share no code with it."""

import dataclasses
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpora import StandIn, stored
from opinions import TEXTS, Opinionated

from ihcli.corpus import iter_explanations
from ihcli.corpus.summary import Summary
from ihcli.corpus.summary import summarize as summarize_with
from ihcli.corpus.summary_counts import ALL, STOP_WORDS, SummaryOptions
from ihcli.errors import ResultError
from ihcli.results import Explanation

EVERYTHING = SummaryOptions(punctuation=True, stop_words=frozenset())


def summarize(store: Path, options: SummaryOptions = EVERYTHING, **more: Any) -> Summary:
    """The summary in which every unit counts."""
    return summarize_with(store, options, **more)


def every(**options: Any) -> SummaryOptions:
    return dataclasses.replace(EVERYTHING, **options)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(tmp_path_factory.mktemp("summary"), TEXTS, Opinionated())


def explained(store: Path) -> list[Explanation]:
    return [found for _, found in iter_explanations(store) if isinstance(found, Explanation)]


def towards_positive(one: Explanation) -> float:
    return 1.0 if one.target.label == "POSITIVE" else -1.0


def of(summary: Summary, label: str) -> dict[frozenset[str], tuple[int, float, float, float]]:
    return {
        frozenset(p.words): (p.count, p.mean, p.magnitude, p.sign_agreement)
        for p in summary.pairs
        if p.prediction == label
    }


@pytest.mark.parametrize("label", [ALL, "POSITIVE", "NEGATIVE"])
def test_pairs_are_the_sums_over_all_occurrences(store: Path, label: str) -> None:
    values = defaultdict(list)
    for one in explained(store):
        if label in (ALL, one.prediction.label):
            for (i, a), (j, b) in combinations(enumerate(one.text.casefold().split()), 2):
                values[frozenset((a, b))].append(towards_positive(one) * one.ih[i, j])
    found = of(summarize(store), label)
    assert found.keys() == values.keys()
    for pair, own in values.items():
        signs = max(sum(v > 0 for v in own), sum(v < 0 for v in own)) / len(own)
        expected = (len(own), np.mean(own), np.abs(own).sum(), signs)
        np.testing.assert_allclose(found[pair], expected, rtol=1e-12)
    assert frozenset(("bad",)) in of(summarize(store), ALL)  # a word that interacts with itself


def test_pairs_come_strongest_first_in_the_order_asked_for(store: Path) -> None:
    whole = summarize(store)
    ours = [p for p in whole.pairs if p.prediction == ALL]
    assert [p.magnitude for p in ours] == sorted((p.magnitude for p in ours), reverse=True)
    assert max(p.count for p in ours) > 1
    for by, measure in (("count", lambda p: p.count), ("mean", lambda p: abs(p.mean))):
        some = [p for p in summarize(store, every(top=3, by=by)).pairs if p.prediction == ALL]  # type: ignore[arg-type]
        assert [measure(p) for p in some] == sorted((measure(p) for p in ours), reverse=True)[:3]
    assert all(p.count > 1 for p in summarize(store, every(min_count=2)).pairs)


def test_a_pair_is_written_in_the_order_in_which_it_stands_more_often(tmp_path: Path) -> None:
    made = stored(tmp_path, ["film bad", "bad film", "bad old film"])
    assert [p.words for p in summarize(made).pairs if set(p.words) == {"bad", "film"}] == [("bad", "film")]


def test_words_add_up_their_pairs_their_attributions_and_their_diagonals(store: Path) -> None:
    values = defaultdict(list)
    for one in explained(store):
        for k, word in enumerate(one.text.casefold().split()):
            partners = np.abs(np.delete(one.ih[k], k)).sum()
            sign = towards_positive(one)
            values[word].append((partners, sign * one.ig[k], sign * one.ih[k, k]))
    found = {w.word: w for w in summarize(store).words if w.prediction == ALL}
    assert found.keys() == values.keys()
    for word, own in values.items():
        partners, ig, diagonal = np.array(own).T
        one = found[word]
        np.testing.assert_allclose(
            (one.count, one.magnitude, one.ig, one.diagonal), (len(own), partners.sum(), ig.mean(), diagonal.mean())
        )
    pairs = of(summarize(store), ALL)
    best = max((pair for pair in pairs if "not" in pair), key=lambda pair: pairs[pair][2])
    assert {found["not"].word, found["not"].partner} == set(best)


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


def test_what_does_not_fit_memory_is_summed_on_disk_with_the_same_result(store: Path) -> None:
    whole, piecewise = summarize(store), summarize(store, most_keys=16)
    assert of(piecewise, ALL).keys() == of(whole, ALL).keys()
    for pair, values in of(whole, ALL).items():
        np.testing.assert_allclose(of(piecewise, ALL)[pair], values, rtol=1e-12)
    assert [w.word for w in piecewise.words] == [w.word for w in whole.words]
    assert [w.partner for w in piecewise.words] == [w.partner for w in whole.words]


def test_a_store_without_explanations_is_said_to_be_one(tmp_path: Path) -> None:
    made = stored(tmp_path, ["is nan"])
    with pytest.raises(ResultError, match="holds no explanation"):
        summarize(made)


def test_the_label_that_positive_numbers_speak_for_is_named(store: Path, tmp_path: Path) -> None:
    assert summarize(store).meaning_of_sign == ("Positive numbers speak for POSITIVE, whichever label was predicted.")
    several = summarize(stored(tmp_path, ["a bad film"], Tagger()))
    assert several.meaning_of_sign == "Positive numbers speak for the explained label of each text."


def test_the_first_rows_are_those_of_each_label(store: Path) -> None:
    summary, first = summarize(store), summarize(store).first(2)
    for label in summary.labels:
        for whole, rows in ((summary.pairs, first.pairs), (summary.words, first.words)):
            assert [r for r in rows if r.prediction == label] == [r for r in whole if r.prediction == label][:2]
    assert dataclasses.replace(first, pairs=(), words=(), negations=()) == dataclasses.replace(
        summary, pairs=(), words=(), negations=()
    )
