"""What holds for every kind of figure: nothing is cut off, themes, sizes, captions, choice of a kind."""

from dataclasses import replace

import numpy as np
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
from removals import SENTENCE, with_removal

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


@pytest.mark.parametrize("caption", ["short", "full"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_matrix_of_zeros_is_said_to_be_zero(kind: str, caption: str) -> None:
    e = make_explanation(4, ih=np.zeros((4, 4)))
    figure = draw(kind, *([e, e] if kind == "compare" else [e]), caption=caption)
    assert_inside(figure)
    if kind != "baseline-to-text":
        assert "Every interaction is zero." in words_of(figure)


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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(6.0, 4.0), (14.0, 20.0)])
def test_a_size_is_kept_and_nothing_is_cut(kind: str, size: tuple[float, float]) -> None:
    figure = draw(kind, *results_for(kind, 7), style=Style(size=size))
    assert tuple(figure.get_size_inches()) == pytest.approx(size)
    assert_inside(figure)


def test_a_size_too_small_to_read_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--size 2x2 inches is too small.*needs at least \d"):
        draw("heatmap", make_explanation(60), style=Style(size=(2.0, 2.0)))


# --- captions ---


@pytest.mark.parametrize("units", [2, 7, 25])
@pytest.mark.parametrize("kind", OF_ONE)
def test_the_short_caption_has_two_lines_with_what_was_explained(kind: str, units: int) -> None:
    figure = draw(kind, make_explanation(units))
    lines = [t.get_text() for t in figure.texts if t.get_gid() == "caption"]
    assert len(lines) == 2
    e = make_explanation(units)
    start, end = f"{e.f_baseline:.3f}", f"{e.f_input:.3g}"
    for part in ("POSITIVE (p = 0.966)", "f = logit of POSITIVE", f"{start} at baseline pad", end):
        assert part in lines[0]
    assert "Converged to 1 %." in lines[1]


@pytest.mark.parametrize("kind", KINDS)
def test_the_full_caption_holds_model_and_certificate(kind: str) -> None:
    figure = draw(kind, *results_for(kind, 5), caption="full")
    caption = words_of(figure, "caption")
    for part in ("POSITIVE (p = 0.966)", "logit of POSITIVE", "baseline pad", "Model: bundled", "Converged to 1 %:"):
        assert part in caption, part
    assert_inside(figure)


@pytest.mark.parametrize("kind", KINDS)
def test_the_caption_can_be_left_out(kind: str) -> None:
    with_caption, without = draw(kind, *results_for(kind, 5)), draw(kind, *results_for(kind, 5), caption="none")
    assert without.get_size_inches()[1] < with_caption.get_size_inches()[1]
    assert not by_gid(without, "caption")
    assert "Converged" not in words_of(without)


@pytest.mark.parametrize("kind", ["arcs", "text", "network", "bars"])
def test_the_legend_stays_without_a_caption(kind: str) -> None:
    e = make_explanation(5)
    legend = words_of(draw(kind, e, caption="none"), "legend")
    assert legend == words_of(draw(kind, e), "legend")
    if kind != "bars":
        largest = np.abs(e.ig).max()
        assert f"−{largest:.2f} speaks against POSITIVE" in legend
        assert f"+{largest:.2f} speaks for POSITIVE" in legend
    if kind != "text":
        assert "+1 logit takes the probability of POSITIVE from 50 % to 73 %" in legend


def test_what_is_left_out_is_said_in_a_short_caption_too() -> None:
    e = make_explanation(text="never good , always bad , ever")
    for kind in ("arcs", "text", "bars"):
        caption = words_of(draw(kind, e, cluster=True, hide_punctuation=True), "caption")
        assert "Pairs with 2 units of punctuation are left out." in caption
        assert "reordered" not in caption


@pytest.mark.parametrize("kind", OF_ONE)
def test_the_check_by_removal_stands_in_the_caption(kind: str) -> None:
    e = with_removal(make_explanation(5))
    for caption in ("short", "full"):
        assert SENTENCE in words_of(draw(kind, e, caption=caption), "caption")


@pytest.mark.parametrize("kind", [kind for kind in OF_ONE if kind != "baseline-to-text"])
def test_another_method_has_its_own_names(kind: str) -> None:
    e = make_explanation(5, method="shapley", path=None)
    for caption in figures.CAPTIONS:
        said = " ".join(text.get_text() for text in texts(draw(kind, e, caption=caption)))
        assert "Integrated" not in said
        assert "2Γ" not in said


@pytest.mark.parametrize("kind", [kind for kind in OF_ONE if kind != "baseline-to-text"])
def test_a_method_without_interactions_says_so(kind: str) -> None:
    ih = np.full((3, 3), np.nan)
    np.fill_diagonal(ih, [0.5, -0.25, 0.1])
    figure = draw(kind, make_explanation(3, ih=ih, method="lime"))
    assert_inside(figure)
    assert "LIME has no interactions." in words_of(figure)


# --- which kind ---


def test_an_unknown_kind_or_a_wrong_number_of_results_is_one_message() -> None:
    with pytest.raises(UsageError, match=r"--kind 'pie' is not known. Use heatmap, arcs, text"):
        draw("pie", make_explanation(2))
    with pytest.raises(UsageError, match="--kind compare draws 2 results, and 1 were given"):
        draw("compare", make_explanation(2))
    with pytest.raises(UsageError, match="--kind heatmap draws 1 result, and 2 were given"):
        draw("heatmap", *pair_of(2))
    with pytest.raises(UsageError, match="--top 0 shows nothing"):
        draw("heatmap", make_explanation(2), top=0)


def test_an_earlier_name_of_a_kind_still_draws_it() -> None:
    assert figures.kind_named("path", 1) == "baseline-to-text"
    assert axes_of(draw("path", make_explanation(3)), "score").get_xlim()[0] < 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_alternative_text_says_what_the_figure_says(kind: str) -> None:
    results = results_for(kind, 5)
    text = figures.alternative_text(kind, results)
    for part in ("this movie was not bad", "POSITIVE (p = 0.966)", "not and bad +0.420", "Converged to 1 %"):
        assert part in text, part
