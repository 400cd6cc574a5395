from dataclasses import replace

import numpy as np
import pytest
from drawn_figures import axes_of, by_gid, draw, number_of, values
from explanations import make_explanation
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle


def bars_of(figure: Figure) -> list[Rectangle]:
    """The bars from top to bottom."""
    bars = [p for p in axes_of(figure, "bars").patches if str(p.get_gid()).startswith("bar ")]
    return [bar for bar in bars if isinstance(bar, Rectangle)]


def labels_of(figure: Figure) -> list[str]:
    return [t.get_text() for t in axes_of(figure, "bars").get_yticklabels()]


def test_bars_are_the_strongest_pairs_and_add_twice_their_entry() -> None:
    e = make_explanation(10)
    figure = draw("bars", e, top=5)
    bars = bars_of(figure)
    assert [b.get_gid() for b in bars[:5]] == [f"bar {i} {j}" for i, j, _ in e.pairs()[:5]]
    assert [b.get_width() for b in bars[:5]] == pytest.approx([2 * v for *_, v in e.pairs()[:5]])
    rows = [b.get_y() for b in bars]
    assert rows == sorted(rows, reverse=True)
    words = [u.text for u in e.units]
    assert labels_of(figure)[:5] == [f"{words[i]} · {words[j]}" for i, j, _ in e.pairs()[:5]]


@pytest.mark.parametrize("units", [1, 2, 7, 25])
def test_each_bar_starts_where_the_one_before_ends_and_the_sum_is_the_difference(units: int) -> None:
    e = make_explanation(units)
    *parts, total = bars_of(draw("bars", e))
    at = 0.0
    for bar in parts:
        assert bar.get_x() == pytest.approx(at, abs=1e-9)
        at += bar.get_width()
    assert (total.get_x(), total.get_width()) == pytest.approx((0.0, e.f_input - e.f_baseline))
    own = next(bar for bar in parts if bar.get_gid() == "bar diagonal")
    assert own.get_width() == pytest.approx(float(np.trace(e.ih)))


def test_pairs_that_are_not_drawn_one_by_one_are_one_bar() -> None:
    e = make_explanation(10)
    figure = draw("bars", e, top=5)
    others = sum(2 * v for *_, v in e.pairs()[5:])
    assert by_gid(figure, "bar others")["bar others"].get_width() == pytest.approx(others)
    assert "40 other pairs" in labels_of(figure)


def test_what_was_not_computed_is_a_bar_of_its_own() -> None:
    ih = np.array([[0.5, 1.0, np.nan], [1.0, 0.25, 0.0], [np.nan, 0.0, 0.0]])
    e = replace(make_explanation(3, ih=ih), f_baseline=0.0, f_input=4.0)
    figure = draw("bars", e)
    assert by_gid(figure, "bar rest")["bar rest"].get_width() == pytest.approx(4.0 - 2.75)
    assert by_gid(figure, "bar sum")["bar sum"].get_width() == pytest.approx(4.0)
    assert "not computed" in labels_of(figure)


def test_another_formulation_is_not_said_to_sum_to_the_difference() -> None:
    e = make_explanation(4)
    e = replace(e, quadrature=replace(e.quadrature, formulation="article"))
    assert labels_of(draw("bars", e))[-1] == "sum"


def test_a_pair_of_another_method_adds_its_entry_once() -> None:
    e = make_explanation(4, method="shapley")
    figure = draw("bars", e)
    bars = bars_of(figure)
    assert [b.get_width() for b in bars[:3]] == pytest.approx([v for *_, v in e.pairs()[:3]])
    total = np.trace(e.ih) + sum(v for *_, v in e.pairs())
    assert bars[-1].get_width() == pytest.approx(total)


def test_the_numbers_are_those_of_the_bars() -> None:
    e = make_explanation(5)
    figure = draw("bars", e)
    shown = values(figure)
    for bar in bars_of(figure):
        assert number_of(shown[str(bar.get_gid()).removeprefix("bar ")]) == pytest.approx(bar.get_width(), abs=0.005)


def test_repeated_words_are_told_apart() -> None:
    labels = set(labels_of(draw("bars", make_explanation(text="bad bad good"))))
    assert {"bad (1) · bad (2)", "bad (1) · good", "bad (2) · good"} <= labels
