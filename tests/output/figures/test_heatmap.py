from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from drawn_figures import DPI, assert_apart, axes_of, boxes, by_gid, draw, number_of, values, words_of
from explanations import make_explanation
from matplotlib.colors import to_rgb
from matplotlib.image import AxesImage

from ihcli.output import figures
from ihcli.output.figures import Style
from ihcli.palette import rgb_of


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


def test_colours_are_signed_symmetric_and_zero_is_the_background() -> None:
    ih = np.array([[9.0, 1.0, -1.0, 0.0], [1.0, 9.0, 0.5, 0.0], [-1.0, 0.5, 9.0, 0.0], [0.0, 0.0, 0.0, 9.0]])
    for theme in figures.THEMES.values():
        figure = draw("heatmap", make_explanation(4, ih=ih), style=Style(theme=theme))
        image = next(i for i in axes_of(figure, "matrix").get_images() if isinstance(i, AxesImage)).get_array()
        assert image is not None
        assert tuple(image[0, 1]) == pytest.approx(theme.colours.rgb(1.0))
        assert tuple(image[0, 2]) == pytest.approx(theme.colours.rgb(-1.0))
        assert tuple(image[1, 2]) == pytest.approx(theme.colours.rgb(0.5))
        assert tuple(image[0, 3]) == rgb_of(theme.ground)
    figure = draw("heatmap", make_explanation(4, ih=ih))
    assert axes_of(figure, "scale").get_ylim() == (-1.0, 1.0)  # the diagonal's nines set no limit


@pytest.mark.parametrize("theme", list(figures.THEMES))
def test_a_large_diagonal_has_no_colour_of_the_scale(theme: str) -> None:
    style = Style(theme=figures.theme(theme))
    ih = np.array([[-9.0, 1.0], [1.0, 30.0]])
    figure = draw("heatmap", make_explanation(2, ih=ih), style=style)
    cells = [p for p in axes_of(figure, "matrix").patches if p.get_gid() == "diagonal"]
    assert len(cells) == 2
    for cell in cells:
        assert to_rgb(cell.get_facecolor()) == pytest.approx(rgb_of(style.theme.apart))
        assert cell.get_hatch()
    shown = by_gid(figure, "value ")
    assert (shown["value 0 0"].get_text(), shown["value 1 1"].get_text()) == ("−9.00", "30.00")
    assert shown["value 0 0"].get_color() == shown["value 1 1"].get_color() == style.theme.muted


def test_the_diagonal_can_be_hidden() -> None:
    hidden = draw("heatmap", make_explanation(5), diagonal=False)
    assert not set(values(hidden)) & {f"{k} {k}" for k in range(5)}
    assert "The diagonal is hidden." in words_of(hidden)


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


def test_entries_that_were_not_computed_are_grey_and_without_value() -> None:
    ih = np.array(make_explanation(5).ih)
    ih[0, 3] = ih[3, 0] = np.nan
    figure = draw("heatmap", make_explanation(5, ih=ih))
    image = axes_of(figure, "matrix").get_images()[0].get_array()
    assert image is not None
    assert tuple(image[0, 3]) == pytest.approx(rgb_of(figures.THEMES["light"].apart))
    assert "0 3" not in values(figure)
    assert "not computed" in words_of(figure)


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


def test_a_line_divides_the_two_texts_of_a_pair() -> None:
    e = make_explanation(4)
    units = tuple(replace(u, side="text_pair") if k > 1 else u for k, u in enumerate(e.units))
    figure = draw("heatmap", replace(e, text_pair="was not", units=units))
    lines = [line for line in axes_of(figure, "matrix").lines if list(line.get_xdata()) == [2, 2]]
    assert len(lines) == 1
