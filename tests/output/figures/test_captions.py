"""Captions and alternative texts: what was explained, against what, and whether it converged."""

from dataclasses import replace

import numpy as np
import pytest
from drawn_figures import KINDS, OF_ONE, assert_inside, by_gid, draw, results_for, texts, words_of
from explanations import make_explanation
from removals import SENTENCE, with_removal

from ihcli.output import figures
from ihcli.output.figures import captions


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


def test_what_is_left_out_is_said_in_a_short_caption_too() -> None:
    e = make_explanation(text="never good , always bad , ever")
    for kind in ("arcs", "text", "bars"):
        caption = words_of(draw(kind, e, cluster=True, hide_punctuation=True), "caption")
        assert "Pairs with 2 units of punctuation are left out." in caption
        assert "reordered" not in caption


@pytest.mark.parametrize("kind", OF_ONE)
def test_the_check_by_removal_stands_in_the_caption(kind: str) -> None:
    e = with_removal(make_explanation(5))
    assert SENTENCE in words_of(draw(kind, e, caption="full"), "caption")
    said = words_of(draw(kind, e, caption="short"), "caption")
    assert "0.04 for an empty text, 0.04 without" in said
    assert "R² of the matrix for such removals: 0.91." in said
    older = replace(e, removal=replace(e.removal, nothing=None))  # recorded before all answers were kept
    assert SENTENCE in words_of(draw(kind, older, caption="short"), "caption")


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


@pytest.mark.parametrize("kind", KINDS)
def test_the_alternative_text_says_what_the_figure_says(kind: str) -> None:
    results = results_for(kind, 5)
    text = figures.alternative_text(kind, results)
    for part in ("this movie was not bad", "POSITIVE (p = 0.966)", "not and bad +0.420", "Converged to 1 %"):
        assert part in text, part


@pytest.mark.parametrize("caption", ["short", "full"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_matrix_of_zeros_is_said_to_be_zero(kind: str, caption: str) -> None:
    e = make_explanation(4, ih=np.zeros((4, 4)))
    figure = draw(kind, *([e, e] if kind == "compare" else [e]), caption=caption)
    assert_inside(figure)
    if kind != "baseline-to-text":
        assert "Every interaction is zero." in words_of(figure)


@pytest.mark.parametrize(
    ("drawn", "said"),
    [(0, "No pair is shown."), (1, "The strongest of 10 pairs."), (4, "The 4 strongest of 10 pairs.")],
)
def test_pairs_are_counted(drawn: int, said: str) -> None:
    assert captions.count_of_pairs(make_explanation(5), drawn) == said


def test_counts_of_all_pairs_of_one_and_of_none() -> None:
    assert captions.count_of_pairs(make_explanation(5), 10) == "All 10 pairs."
    assert captions.count_of_pairs(make_explanation(2), 1) == "The only pair."
    assert captions.count_of_pairs(make_explanation(1), 0) == "A single unit has no interaction."
    assert captions.count_of_pairs(make_explanation(3, ih=np.eye(3)), 0) == "Every interaction is zero."


def test_a_long_name_of_a_model_keeps_its_end_and_a_revision_twelve_digits() -> None:
    e = make_explanation(2)
    long = replace(e, model=replace(e.model, name="a/" * 40 + "the-model", revision="0123456789abcdef"))
    name, _, revision = captions.model(long).partition(" at ")
    assert name.startswith("…")
    assert name.endswith("the-model")
    assert len(name) == 48
    assert revision == "0123456789ab"
