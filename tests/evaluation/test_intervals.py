import math

import numpy as np
import pytest
from scipy import stats

from ihcli.errors import UsageError
from ihcli.evaluation.intervals import Interval, bootstrap, paired_difference

SKEWED = np.random.default_rng(7).exponential(size=40)


@pytest.mark.parametrize("method", ["bca", "percentile"])
@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_intervals_are_those_of_scipy_up_to_the_resamples(statistic, method):
    ours = bootstrap(SKEWED, statistic, method=method, resamples=40000)
    theirs = stats.bootstrap(
        (SKEWED,), getattr(np, statistic), method=method, n_resamples=40000, rng=np.random.default_rng(1)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.estimate == getattr(np, statistic)(SKEWED)
    assert ours.low == pytest.approx(theirs.low, abs=0.03 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.03 * width)


@pytest.mark.parametrize(("method", "least"), [("bca", 0.93), ("percentile", 0.92)])
def test_intervals_hold_the_true_mean_as_often_as_they_say(method, least):
    # Normal values: 400 samples of 50; the share that holds 0 has a standard error of 0.011.
    rng = np.random.default_rng(3)
    held = [not bootstrap(rng.normal(size=50), method=method, resamples=500).excludes(0.0) for _ in range(400)]
    assert least - 0.06 < np.mean(held) < 0.99


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 9])
def test_leaving_one_out_of_a_median(n):
    from ihcli.evaluation.intervals import _left_out

    values = np.random.default_rng(n).normal(size=n).round(1)
    expected = [np.median(np.delete(values, i)) for i in range(n)]
    assert _left_out(values, "median") == pytest.approx(expected)
    assert _left_out(values, "mean") == pytest.approx([np.mean(np.delete(values, i)) for i in range(n)])


def test_the_same_values_give_the_same_interval():
    assert bootstrap(SKEWED) == bootstrap(SKEWED)
    assert bootstrap(SKEWED, seed=1) != bootstrap(SKEWED, seed=2)


def test_shifting_and_scaling_shift_and_scale_the_interval():
    plain, moved = bootstrap(SKEWED), bootstrap(3 * SKEWED - 1)
    assert moved.low == pytest.approx(3 * plain.low - 1)
    assert moved.high == pytest.approx(3 * plain.high - 1)


def test_a_wider_level_is_a_wider_interval():
    narrow, wide = bootstrap(SKEWED, level=0.5), bootstrap(SKEWED, level=0.99)
    assert wide.low < narrow.low < narrow.estimate < narrow.high < wide.high


def test_texts_without_a_value_are_left_out_and_few_texts_have_no_interval():
    assert bootstrap([1.0, math.nan, 3.0]).n == 2
    assert bootstrap([1.0, math.nan, 3.0]).estimate == 2
    none, one = bootstrap([math.nan]), bootstrap([4.0])
    assert (none.n, math.isnan(none.estimate), math.isnan(none.low)) == (0, True, True)
    assert (one.n, one.estimate, math.isnan(one.low), math.isnan(one.high)) == (1, 4.0, True, True)
    assert not one.excludes(100.0)
    assert bootstrap([2.0, 2.0, 2.0]) == Interval(2.0, 2.0, 2.0, 3)


def test_paired_differences_see_what_separate_intervals_do_not():
    rng = np.random.default_rng(0)
    texts = rng.normal(scale=10, size=60)
    first, second = texts + 0.5, texts + rng.normal(scale=0.5, size=60)
    difference = paired_difference(first, second)
    assert difference.estimate == pytest.approx(np.mean(first - second))
    assert difference.excludes(0.0)
    assert bootstrap(first).low < bootstrap(second).estimate < bootstrap(first).high
    swapped = paired_difference(second, first, method="percentile")
    mirrored = paired_difference(first, second, method="percentile")
    assert swapped.low == pytest.approx(-mirrored.high)
    assert paired_difference([1.0, math.nan, 3.0], [0.0, 1.0, math.nan]).n == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bootstrap([[1.0, 2.0]]), r"shape \(1, 2\)"),
        (lambda: bootstrap([1.0, math.inf]), "finite"),
        (lambda: bootstrap([1.0, 2.0], "mode"), "mean or median"),
        (lambda: bootstrap([1.0, 2.0], method="basic"), "bca or percentile"),
        (lambda: bootstrap([1.0, 2.0], level=95), "between 0 and 1"),
        (lambda: bootstrap([1.0, 2.0], resamples=0), "at least 1"),
        (lambda: paired_difference([1.0], [1.0, 2.0]), r"\(1,\) and \(2,\)"),
    ],
)
def test_unfit_input_is_refused(call, words):
    with pytest.raises(UsageError, match=words):
        call()
