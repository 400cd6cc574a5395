from itertools import combinations

import numpy as np
import pytest
from drawn_figures import DPI, assert_apart, axes_of, boxes, by_gid, draw, number_of, values, words_of
from explanations import make_explanation


def test_labels_values_limits_and_attributions() -> None:
    e = make_explanation(7)
    figure = draw("heatmap", e)
    figure.draw_without_rendering()
    matrix, words = axes_of(figure, "matrix"), [u.text for u in e.units]
    assert [t.get_text() for t in matrix.get_xticklabels()] == words
    assert [t.get_text() for t in matrix.get_yticklabels()] == words
    shown = values(figure)
    assert len(shown) == 49
    for (u, v), value in np.ndenumerate(e.ih):
        assert number_of(shown[f"{u} {v}"]) == pytest.approx(value, abs=0.005)
    largest = max(abs(e.ih[u, v]) for u in range(7) for v in range(7) if u != v)
    assert axes_of(figure, "scale").get_ylim() == pytest.approx((-largest, largest))
    bars = by_gid(figure, "ig ")
    assert [bars[f"ig {u}"].get_height() for u in range(7)] == pytest.approx(list(e.ig))
    assert [bars[f"ig {u}"].get_x() + bars[f"ig {u}"].get_width() / 2 for u in range(7)] == pytest.approx(
        [u + 0.5 for u in range(7)]
    )
    assert axes_of(figure, "ig").get_xlim() == matrix.get_xlim()


@pytest.mark.parametrize("units", [2, 7, 12, 25, 60])
def test_labels_and_values_do_not_overlap(units: int) -> None:
    figure = draw("heatmap", make_explanation(units))
    figure.set_dpi(DPI)
    figure.draw_without_rendering()
    matrix = axes_of(figure, "matrix")
    assert_apart(boxes(matrix.get_xticklabels()), slack=2.0)
    assert_apart(boxes(matrix.get_yticklabels()), slack=2.0)
    cell = matrix.get_window_extent().width / units
    for text in by_gid(figure, "value ").values():
        assert text.get_window_extent().width <= cell
    assert_apart([*boxes(axes_of(figure, "ig").get_yticklabels()), *boxes(by_gid(figure, "strip label").values())])
    assert_apart(boxes([t for t in figure.texts if t.get_rotation() == 0]), slack=3.0)


def test_top_blanks_all_but_the_strongest_pairs() -> None:
    e = make_explanation(8)
    figure = draw("heatmap", e, top=3)
    image = axes_of(figure, "matrix").get_images()[0].get_array()
    assert image is not None
    strong = {(i, j) for i, j, _ in e.pairs()[:3]}
    for i, j in combinations(range(8), 2):
        blank = tuple(image[i, j]) == (1.0, 1.0, 1.0)
        assert blank == ((i, j) not in strong)


def test_punctuation_can_be_hidden() -> None:
    figure = draw("heatmap", make_explanation(text="bad , bad ! really ?"), hide_punctuation=True)
    assert [t.get_text() for t in axes_of(figure, "matrix").get_xticklabels()] == ["bad", "bad", "really"]
    assert "3 units of punctuation are hidden" in words_of(figure)


def test_very_small_numbers_are_shown_in_one_power_of_ten() -> None:
    e = make_explanation(4, ih=make_explanation(4).ih * 1e-5)
    figure = draw("heatmap", e)
    assert number_of(values(figure)["2 3"]) == pytest.approx(4.2, abs=0.005)
    for gid in ("scale label", "strip label"):
        assert "×10⁻⁶" in by_gid(figure, gid)[gid].get_text()
    ticks = [number_of(t.get_text()) for t in axes_of(figure, "ig").get_yticklabels()]
    assert max(ticks) == pytest.approx(1e6 * max(0.0, float(e.ig.max())), rel=0.01)
