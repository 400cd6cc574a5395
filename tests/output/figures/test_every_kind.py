"""What holds for every kind of figure: nothing is cut off, themes, sizes, captions, choice of a kind."""

from dataclasses import replace

import pytest
from drawn_figures import (
    KINDS,
    OF_ONE,
    assert_inside,
    axes_of,
    by_gid,
    draw,
    pair_of,
    results_for,
    texts,
    words_of,
)
from explanations import make_explanation

from ihcli.errors import UsageError
from ihcli.output import figures
from ihcli.output.figures import Style
from ihcli.palette import luminance, rgb_of


@pytest.mark.parametrize("units", [1, 2, 7, 25, 60])
@pytest.mark.parametrize("kind", OF_ONE)
def test_no_text_leaves_the_canvas(kind: str, units: int) -> None:
    assert_inside(draw(kind, make_explanation(units)))


@pytest.mark.parametrize("units", [1, 2, 7, 60])
def test_no_text_of_a_comparison_leaves_the_canvas(units: int) -> None:
    assert_inside(draw("compare", *pair_of(units)))


@pytest.mark.parametrize("kind", OF_ONE)
@pytest.mark.parametrize(
    "text",
    [
        "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft was " + "x" * 300,
        "it costs $5 and $6 , 100% \\frac{a}{b} ^_{}",
    ],
)
def test_long_words_and_signs_of_mathematics_are_drawn_as_they_are(kind: str, text: str) -> None:
    figure = draw(kind, make_explanation(text=text))
    assert_inside(figure)
    assert not any(t.get_parse_math() for t in texts(figure))
    if kind == "heatmap" and "$" in text:
        assert "$5" in [t.get_text() for t in axes_of(figure, "matrix").get_xticklabels()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_that_did_not_converge_is_marked_above_the_drawing(kind: str) -> None:
    e = make_explanation(5)
    e = replace(e, certificate=replace(e.certificate, converged=False, row_gap=0.2))
    converged = draw(kind, *([make_explanation(5)] * 2 if kind == "compare" else [make_explanation(5)]))
    assert not by_gid(converged, "warning")
    for caption in figures.CAPTIONS:
        figure = draw(kind, *([e, make_explanation(5)] if kind == "compare" else [e]), caption=caption)
        assert "NOT CONVERGED" in words_of(figure, "warning")
        assert_inside(figure)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("theme", list(figures.THEMES))
def test_themes_set_the_background_and_legible_letters(kind: str, theme: str) -> None:
    style = Style(theme=figures.theme(theme))
    figure = draw(kind, *results_for(kind, 5), style=style)
    assert figure.get_facecolor()[:3] == pytest.approx(rgb_of(style.theme.ground))
    for text in figure.texts:
        ground, ink = luminance(rgb_of(style.theme.ground)), luminance(rgb_of(str(text.get_color())))
        assert (max(ground, ink) + 0.05) / (min(ground, ink) + 0.05) >= 4.5, text.get_text()


# --- which kind ---


def test_an_unknown_kind_or_a_wrong_number_of_results_is_one_message() -> None:
    with pytest.raises(UsageError, match=r"--kind 'pie' is not known. Use heatmap, arcs, text"):
        draw("pie", make_explanation(2))
    with pytest.raises(UsageError, match="--kind compare draws 2 results, and 1 was given"):
        draw("compare", make_explanation(2))
    with pytest.raises(UsageError, match="--kind heatmap draws 1 result, and 2 were given"):
        draw("heatmap", *pair_of(2))
    with pytest.raises(UsageError, match="--top 0 shows nothing"):
        draw("heatmap", make_explanation(2), top=0)


def test_an_earlier_name_of_a_kind_still_draws_it() -> None:
    assert figures.kind_named("path", 1) == "baseline-to-text"
    assert axes_of(draw("path", make_explanation(3)), "score").get_xlim()[0] < 0
