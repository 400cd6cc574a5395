"""How costs are measured and fitted."""

import pytest

from ihcli.benchmarks import scaling


def test_an_exponent_is_a_slope():
    x = [8, 16, 32]
    assert scaling.exponent(x, [3 * v**1.5 for v in x]) == pytest.approx(1.5)


def test_the_median_of_repeated_runs_without_the_first(monkeypatch):
    clock = iter([0.0, 1.0, 10.0, 10.5, 20.0, 23.0])  # runs of 1, 0.5 and 3 seconds: the last is slow
    calls = []
    monkeypatch.setattr(scaling.time, "perf_counter", lambda: next(clock))
    assert scaling.median_seconds(lambda: calls.append(1)) == 1.0
    assert len(calls) == 4


def test_a_text_has_as_many_words_as_asked():
    assert [len(scaling.words(count).split()) for count in (1, 19, 40)] == [1, 19, 40]


def test_the_figure_draws_rows_over_tokens_and_hessians_over_units():
    rows = [scaling.Point(n, n, 1.0, 0.25 * n, 0.1, "forward") for n in (8, 16, 32)]
    wholes = [scaling.Point(64, n, 0.5 * n**2, 1.0, 0.1, "forward") for n in (2, 4, 8)]
    left, right = scaling.figure(rows, wholes).axes
    assert list(left.lines[0].get_ydata()) == [2.0, 4.0, 8.0]
    assert "exponent 1.00" in left.get_title()
    assert list(right.lines[0].get_xdata()) == [2, 4, 8]
    assert "exponent 2.00" in right.get_title()
    assert rows[0].row_gradients == pytest.approx(20)
