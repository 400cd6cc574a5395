"""Tables of a summary, against sums over all occurrences that share no code with it."""

import dataclasses
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from corpora import stored
from opinions import TEXTS, Opinionated, every, explained, of, summarize, towards_positive

from ihcli.corpus.summary_counts import ALL
from ihcli.errors import ResultError


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(tmp_path_factory.mktemp("summary"), TEXTS, Opinionated())


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


def test_the_label_that_positive_numbers_speak_for_is_named(store: Path) -> None:
    assert summarize(store).meaning_of_sign == ("Positive numbers speak for POSITIVE, whichever label was predicted.")
    several = dataclasses.replace(summarize(store), towards=None)
    assert several.meaning_of_sign == "Positive numbers speak for the explained label of each text."


def test_the_first_rows_are_those_of_each_label(store: Path) -> None:
    summary, first = summarize(store), summarize(store).first(2)
    for label in summary.labels:
        for whole, rows in ((summary.pairs, first.pairs), (summary.words, first.words)):
            assert [r for r in rows if r.prediction == label] == [r for r in whole if r.prediction == label][:2]
    assert dataclasses.replace(first, pairs=(), words=(), negations=()) == dataclasses.replace(
        summary, pairs=(), words=(), negations=()
    )
