"""Aggregates of a store, against sums taken the slow way, and the figure's numbers read back."""

import csv
import dataclasses
import json
from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from corpora import StandIn, stored
from typer.testing import CliRunner

from ihcli.cli.app import app
from ihcli.corpus import iter_explanations
from ihcli.corpus.summary import ALL, Choice, Summary, summarize
from ihcli.corpus.summary_figure import alternative_text, draw
from ihcli.corpus.sums import RUNS, Sums
from ihcli.errors import ResultError
from ihcli.results import Explanation, Prediction, Target

TEXTS = [
    "this is not a bad film", "a bad film", "the film was bad bad", "never a dull day , bad film", "good", "is nan",
    "it was n't good", "it is good", "a slow good one", "Not good , never bad",
]  # fmt: skip


class Opinionated(StandIn):
    """Predicts NEGATIVE for texts of an odd number of words, and explains that label."""

    def one(self, text: str, pair: str | None) -> Explanation | Exception:
        found = super().one(text, pair)
        if isinstance(found, Exception) or len(text.split()) % 2 == 0:
            return found
        prediction = Prediction("NEGATIVE", 0, {"NEGATIVE": 0.8, "POSITIVE": 0.2})
        return dataclasses.replace(found, prediction=prediction, target=Target("NEGATIVE", 0, "logit"))


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
        some = [p for p in summarize(store, Choice(top=3, by=by)).pairs if p.prediction == ALL]  # type: ignore[arg-type]
        assert [measure(p) for p in some] == sorted((measure(p) for p in ours), reverse=True)[:3]
    assert all(p.count > 1 for p in summarize(store, Choice(min_count=2)).pairs)


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
    found = summarize(made, Choice(negators=("nicht", "kein"))).negations
    assert {(n.negator, n.word) for n in found} == {("nicht", "gut"), ("kein", "film")}


def test_punctuation_can_be_left_out(store: Path) -> None:
    assert "," in {w.word for w in summarize(store).words}
    without = summarize(store, Choice(punctuation=False))
    assert "," not in {w.word for w in without.words} | {word for p in without.pairs for word in p.words}
    assert of(without, ALL).items() <= of(summarize(store), ALL).items()


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
    whole, piecewise = summarize(store), summarize(store, limit=16)
    assert of(piecewise, ALL).keys() == of(whole, ALL).keys()
    for pair, values in of(whole, ALL).items():
        np.testing.assert_allclose(of(piecewise, ALL)[pair], values, rtol=1e-12)
    assert [w.word for w in piecewise.words] == [w.word for w in whole.words]
    assert [w.partner for w in piecewise.words] == [w.partner for w in whole.words]


@pytest.mark.parametrize("limit", [8, 50, 10_000])
def test_sums_by_key_are_exact_however_little_memory_there_is(tmp_path: Path, limit: int) -> None:
    rng = np.random.default_rng(0)
    sums, expected = Sums(2, tmp_path, limit), defaultdict(lambda: np.zeros(2))
    for _ in range(100):
        keys = rng.integers(0, 100, 30).astype(np.uint64)
        keys[0] = np.uint64(2**64 - 1)
        values = rng.integers(-9, 9, (30, 2)).astype(float)
        sums.add(keys, values)
        for key, value in zip(keys.tolist(), values, strict=True):
            expected[key] += value
    blocks = list(sums.results())
    found = {int(k): v for keys, values in blocks for k, v in zip(keys, values, strict=True)}
    assert sum(len(keys) for keys, _ in blocks) == len(found)  # every key once
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value)
    assert 0 < len(list(tmp_path.iterdir())) < 2 * RUNS if limit < 100 else not list(tmp_path.iterdir())


def test_a_store_without_explanations_is_said_to_be_one(tmp_path: Path) -> None:
    made = stored(tmp_path, ["is nan"])
    with pytest.raises(ResultError, match="holds no explanation"):
        summarize(made)


# --- the command and the figure -----------------------------------------------------------------------------------


def test_the_command_writes_tables_and_a_figure_beside_the_store(store: Path, tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["summarize", str(store), "-o", str(tmp_path), "--figure", "svg"])
    assert ran.exit_code == 0, ran.output
    assert "9 texts explained, 1 failed. Positive numbers speak for POSITIVE." in ran.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["negation.csv", "pairs.csv", "summary.svg", "words.csv"]
    rows = list(csv.DictReader((tmp_path / "pairs.csv").read_text(encoding="utf-8").splitlines()))
    summary = summarize(store)
    assert [float(row["mean"]) for row in rows] == [p.mean for p in summary.pairs]
    negation = list(csv.DictReader((tmp_path / "negation.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["turns"] for row in negation if row["word"] == "day"} == {""}
    assert {row["turns"] for row in negation} <= {"yes", "no", ""}
    ran = CliRunner().invoke(app, ["summarize", str(store), "--json", "--top", "2"])
    document = json.loads(ran.stdout)
    assert [row["prediction"] for row in document["pairs"]] == [label for label in summary.labels for _ in range(2)]
    assert not Path(f"{store}-summary").exists()
    assert CliRunner().invoke(app, ["summarize", str(store), "-o", str(store / "x")]).exit_code == 2


def gids(figure: object, start: str) -> Sequence[object]:
    return [one for one in figure.findobj() if str(one.get_gid() or "").startswith(start)]  # type: ignore[attr-defined]


def test_the_figure_draws_the_numbers_of_the_tables(store: Path) -> None:
    summary = summarize(store)
    figure = draw(summary, heading="corpus")
    panels = {axes.get_label(): axes for axes in figure.axes}
    positive = [p for p in summary.pairs if p.prediction == "POSITIVE"][:12]
    bars = [bar.get_width() for bar in panels["Strongest pairs where POSITIVE is predicted"].patches]
    assert bars == [p.magnitude for p in positive]
    words = [w for w in summary.words if w.prediction == ALL][:12]
    labels = [label.get_text() for label in panels["Most interacting words"].get_yticklabels()]
    assert labels == [w.word for w in words]
    turned = [n for n in summary.negations if n.prediction == ALL and n.ig_elsewhere is not None]
    assert len(gids(figure, "turn ")) == len(turned)
    assert [float(one.get_xdata()[0]) for one in gids(figure, "after ")] == [n.ig for n in turned]  # type: ignore[attr-defined]
    assert [float(one.get_xdata()[0]) for one in gids(figure, "elsewhere ")] == [n.ig_elsewhere for n in turned]  # type: ignore[attr-defined]
    assert "9 texts" in alternative_text(summary)
