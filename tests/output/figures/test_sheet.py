"""The sheet around a drawing: its size, its heading, caption and warning."""

import pytest
from drawn_figures import KINDS, assert_inside, draw, results_for
from explanations import make_explanation

from ihcli.errors import UsageError
from ihcli.output.figures import Style
from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.sheet import MARGIN, Sheet, Words

LETTERS = Lettering.holding(["abc"], ("DejaVu Sans",))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(6.0, 4.0), (14.0, 20.0)])
def test_a_size_is_kept_and_nothing_is_cut(kind: str, size: tuple[float, float]) -> None:
    figure = draw(kind, *results_for(kind, 7), style=Style(size=size))
    assert tuple(figure.get_size_inches()) == pytest.approx(size)
    assert_inside(figure)


def test_a_size_too_small_to_read_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--size 2x2 inches is too small.*needs at least \d"):
        draw("heatmap", make_explanation(60), style=Style(size=(2.0, 2.0)))


def laid_out(words: Words, width: float = 6.0, height: float = 2.0, size: tuple[float, float] | None = None) -> Sheet:
    return Sheet(width, height, words, Style(size=size), LETTERS)


def test_a_sheet_grows_with_what_stands_around_its_body() -> None:
    bare = laid_out(Words("", ()))
    assert bare.size == pytest.approx((6.0 + 2 * MARGIN, 2.0 + 2 * MARGIN))
    headed = laid_out(Words("A heading", ("A caption.",), "A warning."))
    assert headed.size[0] == bare.size[0]
    assert headed.size[1] > bare.size[1] + 3 * LETTERS.height(7.5)
    assert [text.get_gid() for text in headed.figure.texts] == ["heading", "warning", "caption"]
    heights = [text.get_position()[1] for text in headed.figure.texts]
    assert heights == sorted(heights, reverse=True)


def test_a_narrow_body_is_centred() -> None:
    narrow = laid_out(Words("", ()), width=1.0)
    axes = narrow.axes(0, 0, 1.0, 2.0, "body").get_position()
    assert (axes.x0 + axes.x1) / 2 == pytest.approx(0.5)


@pytest.mark.parametrize("size", [(12.0, 8.0), (4.0, 9.0)])
def test_inches_of_the_body_are_scaled_by_one_factor(size: tuple[float, float]) -> None:
    made = laid_out(Words("A heading", ()), size=size)
    axes = made.axes(0.5, 0.25, 3.0, 1.0, "body").get_position()
    assert axes.width * size[0] == pytest.approx(3.0 * made.scale)
    assert axes.height * size[1] == pytest.approx(1.0 * made.scale)
    assert made.line(2.0) == pytest.approx(2.0 * made.scale)


def test_a_long_heading_is_cut_after_two_lines() -> None:
    made = laid_out(Words("a heading that goes on " * 20, ()))
    lines = [text.get_text() for text in made.figure.texts]
    assert len(lines) == 2
    assert lines[1].endswith("…")
