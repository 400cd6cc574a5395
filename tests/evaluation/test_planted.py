"""The generators of planted truth, and the ranking measures on closed forms; models are trained by the study itself."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.studies.planted import rank, table
from tests.studies.planted_methods import table as methods_of
from tests.studies.planted_models import STATE, Training, train, trained
from tests.studies.planted_ranking import partner_rank, precision_at_k, roc_area
from tests.studies.planted_tasks import TASKS, Example, Task

GOOD = {"good", "great", "charming", "funny", "clever"}
BAD = {"bad", "dull", "awful", "boring", "weak"}
NEGATORS = {"not", "never", "hardly"}


def drawn(name, count=400, seed=0):
    rng = random.Random(seed)  # noqa: S311  (texts, no secrets)
    return [TASKS[name].draw(rng) for _ in range(count)]


@pytest.mark.parametrize("name", TASKS)
def test_texts_hold_known_words_both_labels_and_pairs_in_order(name):
    examples = drawn(name)
    assert {word for e in examples for word in e.words} <= set(TASKS[name].vocabulary)
    assert len(set(TASKS[name].vocabulary)) == len(TASKS[name].vocabulary)
    assert 0.4 < np.mean([e.label for e in examples]) < 0.6
    assert any(e.pairs for e in examples)
    for e in examples:
        assert all(0 <= i < j < len(e.words) for i, j in e.pairs)
        assert len(set(e.pairs)) == len(e.pairs)
        assert 4 <= len(e.words) <= 12
        assert e.text.split(" ") == list(e.words)


@pytest.mark.parametrize("name", TASKS)
def test_held_out_texts_are_never_trained_on(name):
    task = TASKS[name]
    first, second, third = (random.Random(seed) for seed in (1, 2, 3))  # noqa: S311  (texts, no secrets)
    held = {e.text for e in task.distinct(first, 100)}
    stream = task.examples(second, held_out=False)
    assert len(held) == 100
    assert not held & {next(stream).text for _ in range(2000)}
    assert all(e.pairs for e in task.distinct(third, 20, planted=True))


def test_a_task_that_has_few_texts_gives_what_it_has():
    short = Task("short", ("a", "b"), lambda rng: Example(tuple(rng.choices("ab", k=5)), 1, ()))
    held = {e.text for e in short.distinct(random.Random(0), 1000)}  # noqa: S311  (texts, no secrets)
    everything = (Example(words, 1, ()) for words in itertools.product("ab", repeat=5))
    assert held == {e.text for e in everything if e.held_out} != set()


def test_negation_turns_the_adjective():
    for e in drawn("negation"):
        (adjective,) = [i for i, word in enumerate(e.words) if word in GOOD | BAD]
        negators = [i for i, word in enumerate(e.words) if word in NEGATORS]
        assert len(negators) <= 1
        assert e.label == ((e.words[adjective] in GOOD) != bool(negators))
        assert list(e.pairs) == [(negator, adjective) for negator in negators]


def test_exclusive_or_of_two_words():
    for e in drawn("xor"):
        (colour,) = [i for i, word in enumerate(e.words) if word in {"red", "blue"}]
        (time,) = [i for i, word in enumerate(e.words) if word in {"early", "late"}]
        assert e.label == ((e.words[colour] == "blue") != (e.words[time] == "late"))
        assert set(e.pairs) == {tuple(sorted((colour, time)))}


def test_brackets_match_exactly_where_the_label_says_so():
    for e in drawn("brackets"):
        stack, matched, fits = [], [], True
        for i, word in enumerate(e.words):
            if word[0] == "l":
                stack.append(i)
            else:
                opening = stack.pop()
                matched.append((opening, i))
                fits &= e.words[opening][1] == word[1]
        assert not stack
        assert e.label == fits
        assert set(e.pairs) == (set(matched) if fits else set())


def test_palindromes_read_the_same_backwards():
    for e in drawn("palindrome"):
        same = e.words == e.words[::-1]
        assert e.label == same
        mirrored = {(i, j) for i in range(len(e.words)) for j in range(len(e.words)) if i < j == len(e.words) - 1 - i}
        assert set(e.pairs) == (mirrored if same else set())


def test_a_conjunction_needs_all_three():
    for e in drawn("conjunction"):
        keys = [i for i, word in enumerate(e.words) if word in {"salt", "bread", "wine"}]
        assert e.label == (len(keys) == 3)
        assert set(e.pairs) == ({(i, j) for i in keys for j in keys if i < j} if e.label else set())


def matrix_of(entries, units):
    m = np.zeros((units, units))
    for (i, j), value in entries.items():
        m[i, j] = m[j, i] = value
    return m


def test_measures_by_hand():
    # Five words, one planted pair (0, 3); word 0 has one stronger partner of four, word 3 has none.
    m = matrix_of({(0, 3): -0.5, (0, 1): 0.9, (2, 4): 0.6, (1, 2): 0.1}, 5)
    assert partner_rank(m, [(0, 3)]) == pytest.approx((1 / 3 + 0) / 2)
    assert precision_at_k(m, [(0, 3)]) == 0
    assert precision_at_k(m, [(0, 3)], 3) == pytest.approx(1 / 3)
    assert roc_area(m, [(0, 3)]) == pytest.approx(7 / 9)
    # Two of three keys planted as pairs with word 4: each partner is ranked among words that are none.
    both = [(0, 4), (1, 4)]
    assert partner_rank(m, both) == pytest.approx(np.mean([2.5 / 3, 2.5 / 3, 1.5 / 2, 1.5 / 2]))


@pytest.mark.parametrize("units", [3, 6])
def test_the_best_the_worst_and_chance(units):
    pairs = [(0, 1)]
    best = matrix_of({(0, 1): 5.0}, units) + np.eye(units)
    worst = np.ones((units, units)) - matrix_of({(0, 1): 1.0}, units)
    flat = np.ones((units, units))
    count = units * (units - 1) / 2
    assert (partner_rank(best, pairs), precision_at_k(best, pairs), roc_area(best, pairs)) == (0, 1, 1)
    assert (partner_rank(worst, pairs), precision_at_k(worst, pairs), roc_area(worst, pairs)) == (1, 0, 0)
    assert partner_rank(flat, pairs) == roc_area(flat, pairs) == 0.5
    assert precision_at_k(flat, pairs) == pytest.approx(1 / count)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 8), st.integers(1, 3))
def test_measures_depend_on_the_order_of_magnitudes_alone(seed, units, count):
    rng = np.random.default_rng(seed)
    half = rng.integers(-3, 4, (units, units)).astype(float)
    m = np.triu(half, 1) + np.triu(half, 1).T
    rows, columns = np.triu_indices(units, 1)
    chosen = rng.choice(len(rows), count, replace=False)
    pairs = [(int(rows[c]), int(columns[c])) for c in chosen]
    moved = -7 * np.sign(m) * np.abs(m) ** 3
    for measure in (partner_rank, precision_at_k, roc_area):
        assert measure(m, pairs) == pytest.approx(measure(moved, pairs))


@pytest.mark.parametrize("seed", range(3))
def test_ties_are_the_mean_over_their_orders(seed):
    rng = np.random.default_rng(seed)
    half = np.triu(rng.integers(0, 3, (5, 5)).astype(float), 1)
    m, pairs = half + half.T, [(0, 2), (1, 4)]
    found = {measure: [] for measure in (partner_rank, precision_at_k, roc_area)}
    for _ in range(500):
        noise = np.triu(rng.random((5, 5)), 1) * 1e-3
        for measure, values in found.items():
            values.append(measure(m + noise + noise.T, pairs))
    for measure, values in found.items():
        assert measure(m, pairs) == pytest.approx(np.mean(values), abs=5 * np.std(values) / 500**0.5 + 1e-12)


def test_nothing_planted_or_everything_has_no_measure():
    m = matrix_of({(0, 1): 1.0}, 2)
    assert np.isnan(roc_area(m, [(0, 1)]))
    assert np.isnan(partner_rank(m, [(0, 1)]))
    assert np.isnan(precision_at_k(m, []))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of two steps: a normal folder, though it has learnt nothing."""
    place = tmp_path_factory.mktemp("cache") / "models" / "xor"
    training = Training(hidden=16, layers=1, heads=2, batch=4, steps=2, check=1, watched=50, judged=200)
    assert train(TASKS["xor"], place, training, seconds=0) is None
    assert (place / STATE).exists()
    assert 0.3 < train(TASKS["xor"], place, training) < 0.7
    assert not (place / STATE).exists()
    return place


def test_a_model_that_has_not_learnt_its_task_is_refused(folder):
    with pytest.raises(RuntimeError, match=r"accuracy 0\.\d+ is below 0.98"):
        trained(TASKS["xor"], folder.parent.parent)


def test_every_entry_of_the_table_explains_words(folder):
    examples = TASKS["xor"].distinct(random.Random(0), 2, planted=True)  # noqa: S311  (texts, no secrets)
    entries = {(entry.method, entry.absence): entry for entry in methods_of(folder)}
    assert {("ih", "pad"), ("ih", "mask"), ("ih", "deletion"), ("shapley", "deletion"), ("chance", "")} <= set(entries)
    for key in (("ih", "mask"), ("ih", "deletion"), ("occlusion", "deletion"), ("chance", "")):
        row = rank(TASKS["xor"], entries[key], examples)
        assert len(row["auc"]) == 2
        assert all(0 <= value <= 1 for name in ("rank", "precision", "auc") for value in row[name])
    chance = rank(TASKS["xor"], entries["chance", ""], examples)
    assert (chance["rank"], chance["auc"]) == ([0.5, 0.5], [0.5, 0.5])
    assert "| xor | chance |  | 0.50 (0.50 to 0.50) |" in table([chance])
