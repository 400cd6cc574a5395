"""One matrix as a panel: measures, grey cells, and the line between two texts."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_figures import axes_of, by_gid, draw, values, words_of
from explanations import make_explanation
from matplotlib.colors import to_rgb

from ihcli.output import figures
from ihcli.output.figures import Style
from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.panel import measure
from ihcli.palette import rgb_of

LETTERS = Lettering.holding(["abc"], ("DejaVu Sans",))


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


def test_entries_that_were_not_computed_are_grey_and_without_value() -> None:
    ih = np.array(make_explanation(5).ih)
    ih[0, 3] = ih[3, 0] = np.nan
    figure = draw("heatmap", make_explanation(5, ih=ih))
    image = axes_of(figure, "matrix").get_images()[0].get_array()
    assert image is not None
    assert tuple(image[0, 3]) == pytest.approx(rgb_of(figures.THEMES["light"].apart))
    assert "0 3" not in values(figure)
    assert "not computed" in words_of(figure)


def test_a_line_divides_the_two_texts_of_a_pair() -> None:
    e = make_explanation(4)
    units = tuple(replace(u, side="text_pair") if k > 1 else u for k, u in enumerate(e.units))
    figure = draw("heatmap", replace(e, text_pair="was not", units=units))
    lines = [line for line in axes_of(figure, "matrix").lines if list(line.get_xdata()) == [2, 2]]
    assert len(lines) == 1


def test_the_diagonal_can_be_hidden() -> None:
    hidden = draw("heatmap", make_explanation(5), diagonal=False)
    assert not set(values(hidden)) & {f"{k} {k}" for k in range(5)}
    assert "The diagonal is hidden." in words_of(hidden)


def test_cells_fill_the_span_and_labels_fit_or_are_turned() -> None:
    few, many = measure(["good", "bad"], LETTERS, 7.0), measure(["word"] * 40, LETTERS, 7.0)
    assert few.side < 7.0  # two cells are not made as large as the page
    assert many.side == pytest.approx(7.0)
    assert (few.turn, many.turn) == (0, 90)
    assert LETTERS.width("good", few.label) <= few.cell
    assert many.below > LETTERS.width("word", many.label)
    assert measure(["x"] * 200, LETTERS, 7.0).side > 7.0  # cells do not become finer than can be seen
