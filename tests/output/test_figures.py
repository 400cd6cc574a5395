import math
import warnings
from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from explanations import make_explanation
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Text
from PIL import Image

from ihcli.errors import ResultError, UsageError
from ihcli.output import figures
from ihcli.output.figures import MissingGlyphWarning, Style, View, lettering
from ihcli.output.figures.path import half_peak
from ihcli.output.figures.selection import clustered
from ihcli.palette import DARK, LIGHT, Diverging, ink_on, luminance, oklab, rgb_of
from ihcli.results import Explanation

ONE = ("heatmap", "arcs", "text", "bars", "network", "path")
DPI = 100.0


def draw(kind: str, *explanations: Explanation, style: Style | None = None, **view: Any) -> Figure:
    return figures.draw(kind, explanations, style, View(**view))


def pair_of(units: int, **changes: Any) -> tuple[Explanation, Explanation]:
    return make_explanation(units), make_explanation(units, seed=1, baseline={"kind": "mask"}, **changes)


def axes_of(figure: Figure, label: str) -> Axes:
    return next(axes for axes in figure.axes if axes.get_label() == label)


def texts(figure: Figure) -> list[Text]:
    """Every text that is drawn, in whatever artist it stands."""
    found = [*figure.texts]
    for axes in figure.axes:
        found += [*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label]
    return [text for text in found if text.get_visible() and text.get_text().strip()]


def by_gid(figure: Figure, prefix: str) -> dict[str, Any]:
    artists = [a for axes in figure.axes for a in axes.get_children()] + list(figure.texts)
    return {str(a.get_gid()): a for a in artists if str(a.get_gid()).startswith(prefix)}


def values(figure: Figure) -> dict[str, str]:
    return {gid.removeprefix("value "): artist.get_text() for gid, artist in by_gid(figure, "value ").items()}


def boxes(artists: Iterable[Text]) -> list[tuple[str, Any]]:
    return [(text.get_text(), text.get_window_extent()) for text in artists]


def assert_inside(figure: Figure) -> None:
    figure.set_dpi(DPI)
    figure.draw_without_rendering()
    width, height = figure.get_size_inches() * DPI
    for name, box in boxes(texts(figure)):
        assert box.x0 >= -0.5, name
        assert box.y0 >= -0.5, name
        assert box.x1 <= width + 0.5, name
        assert box.y1 <= height + 0.5, name


def assert_apart(named: list[tuple[str, Any]], slack: float = 1.0) -> None:
    for (one, a), (two, b) in combinations(named, 2):
        apart = a.x1 - slack <= b.x0 or b.x1 - slack <= a.x0 or a.y1 - slack <= b.y0 or b.y1 - slack <= a.y0
        assert apart, f"{one!r} over {two!r}"


# --- what holds for every figure ---


@pytest.mark.parametrize("units", [1, 2, 7, 25, 60])
@pytest.mark.parametrize("kind", ONE)
def test_no_text_leaves_the_canvas(kind: str, units: int) -> None:
    assert_inside(draw(kind, make_explanation(units)))


@pytest.mark.parametrize("units", [1, 2, 7, 60])
def test_no_text_of_a_comparison_leaves_the_canvas(units: int) -> None:
    assert_inside(draw("compare", *pair_of(units)))


@pytest.mark.parametrize("kind", ONE)
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


@pytest.mark.parametrize("kind", [*ONE, "compare"])
def test_all_zero_interactions_are_said_to_be_zero(kind: str) -> None:
    e = make_explanation(4, ih=np.zeros((4, 4)))
    figure = draw(kind, *([e, e] if kind == "compare" else [e]))
    assert_inside(figure)
    if kind not in {"path", "compare"}:
        assert "Every interaction is zero." in " ".join(t.get_text() for t in figure.texts)


@pytest.mark.parametrize("kind", [*ONE, "compare"])
def test_what_did_not_converge_is_marked_above_the_drawing(kind: str) -> None:
    e = make_explanation(5)
    e = replace(e, certificate=replace(e.certificate, converged=False, row_gap=0.2))
    sure = draw(kind, *([make_explanation(5)] * 2 if kind == "compare" else [make_explanation(5)]))
    assert not by_gid(sure, "warning")
    for caption in (True, False):
        figure = draw(kind, *([e, make_explanation(5)] if kind == "compare" else [e]), caption=caption)
        assert "NOT CONVERGED" in " ".join(t.get_text() for t in figure.texts if t.get_gid() == "warning")
        assert_inside(figure)


@pytest.mark.parametrize("kind", [*ONE, "compare"])
@pytest.mark.parametrize("theme", list(figures.THEMES))
def test_themes_set_ground_and_ink(kind: str, theme: str) -> None:
    style = Style(theme=figures.theme(theme))
    figure = draw(kind, *(pair_of(5) if kind == "compare" else [make_explanation(5)]), style=style)
    assert figure.get_facecolor()[:3] == pytest.approx(rgb_of(style.theme.ground))
    for text in figure.texts:
        ground, ink = luminance(rgb_of(style.theme.ground)), luminance(rgb_of(str(text.get_color())))
        assert (max(ground, ink) + 0.05) / (min(ground, ink) + 0.05) >= 4.5, text.get_text()


@pytest.mark.parametrize("kind", [*ONE, "compare"])
@pytest.mark.parametrize("size", [(6.0, 4.0), (14.0, 20.0)])
def test_a_size_is_kept_and_nothing_is_cut(kind: str, size: tuple[float, float]) -> None:
    figure = draw(kind, *(pair_of(7) if kind == "compare" else [make_explanation(7)]), style=Style(size=size))
    assert tuple(figure.get_size_inches()) == pytest.approx(size)
    assert_inside(figure)


def test_a_size_too_small_to_read_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--size 2x2 inches is too small.*needs at least \d"):
        draw("heatmap", make_explanation(60), style=Style(size=(2.0, 2.0)))


@pytest.mark.parametrize("kind", [*ONE, "compare"])
def test_the_caption_can_be_left_out(kind: str) -> None:
    es = pair_of(5) if kind == "compare" else (make_explanation(5),)
    with_caption, without = draw(kind, *es), draw(kind, *es, caption=False)
    assert without.get_size_inches()[1] < with_caption.get_size_inches()[1]
    assert not any("Prediction" in t.get_text() for t in without.texts)
    words = " ".join(t.get_text() for t in with_caption.texts)
    for part in ("POSITIVE (p = 0.966)", "logit of POSITIVE", "baseline pad", "Converged to 1 %"):
        assert part in " ".join(words.split()), part


# --- heatmap ---


def test_heatmap_shows_labels_values_limits_and_attributions() -> None:
    e = make_explanation(7)
    figure = draw("heatmap", e)
    figure.draw_without_rendering()
    matrix, words = axes_of(figure, "matrix"), [u.text for u in e.units]
    assert [t.get_text() for t in matrix.get_xticklabels()] == words
    assert [t.get_text() for t in matrix.get_yticklabels()] == words
    shown = values(figure)
    assert len(shown) == 49
    for (u, v), value in np.ndenumerate(e.ih):
        assert float(shown[f"{u} {v}"].replace("−", "-")) == pytest.approx(value, abs=0.005)
    largest = max(abs(e.ih[u, v]) for u in range(7) for v in range(7) if u != v)
    assert axes_of(figure, "scale").get_ylim() == pytest.approx((-largest, largest))
    bars = by_gid(figure, "ig ")
    assert [bars[f"ig {u}"].get_height() for u in range(7)] == pytest.approx(list(e.ig))
    assert [bars[f"ig {u}"].get_x() + bars[f"ig {u}"].get_width() / 2 for u in range(7)] == pytest.approx(
        [u + 0.5 for u in range(7)]
    )
    assert axes_of(figure, "ig").get_xlim() == matrix.get_xlim()


def test_colours_are_signed_symmetric_and_zero_is_the_ground() -> None:
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


def test_the_diagonal_stands_apart_and_can_be_hidden() -> None:
    figure = draw("heatmap", make_explanation(5))
    diagonal = [p for p in axes_of(figure, "matrix").patches if p.get_gid() == "diagonal"]
    assert len(diagonal) == 5
    assert all(p.get_hatch() for p in diagonal)
    assert len([p for p in axes_of(figure, "matrix").patches if p.get_gid() == "diagonal value"]) == 5
    hidden = draw("heatmap", make_explanation(5), diagonal=False)
    assert not [p for p in axes_of(hidden, "matrix").patches if p.get_gid() == "diagonal value"]
    assert not set(values(hidden)) & {f"{k} {k}" for k in range(5)}
    assert "diagonal, no interaction, is hidden" in " ".join(t.get_text() for t in hidden.texts)


@pytest.mark.parametrize("units", [2, 7, 12, 25, 60])
def test_heatmap_labels_and_values_do_not_overlap(units: int) -> None:
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
    captions = [t for t in figure.texts if t.get_rotation() == 0]
    assert_apart(boxes(captions), slack=3.0)


def test_entries_that_were_not_computed_are_grey_and_without_value() -> None:
    ih = np.array(make_explanation(5).ih)
    ih[0, 3] = ih[3, 0] = np.nan
    figure = draw("heatmap", make_explanation(5, ih=ih))
    image = axes_of(figure, "matrix").get_images()[0].get_array()
    assert image is not None
    assert tuple(image[0, 3]) == pytest.approx(rgb_of(figures.THEMES["light"].apart))
    assert "0 3" not in values(figure)
    assert "not computed" in " ".join(t.get_text() for t in figure.texts)


def test_top_blanks_all_but_the_strongest_pairs() -> None:
    e = make_explanation(8)
    figure = draw("heatmap", e, top=3)
    image = axes_of(figure, "matrix").get_images()[0].get_array()
    assert image is not None
    strong = {(i, j) for i, j, _ in e.pairs()[:3]}
    for i, j in combinations(range(8), 2):
        blank = tuple(image[i, j]) == (1.0, 1.0, 1.0)
        assert blank == ((i, j) not in strong)


@pytest.mark.parametrize("kind", ["arcs", "text", "bars"])
def test_running_text_keeps_its_order_and_its_marks(kind: str) -> None:
    e = make_explanation(text="never good , always bad , ever")
    caption = " ".join(text.get_text() for text in draw(kind, e, cluster=True, hide_punctuation=True).figure.texts)
    assert "Pairs with 2 units of punctuation are left out." in caption
    assert "reordered" not in caption


def test_punctuation_can_be_hidden() -> None:
    figure = draw("heatmap", make_explanation(text="bad , bad ! really ?"), hide_punctuation=True)
    assert [t.get_text() for t in axes_of(figure, "matrix").get_xticklabels()] == ["bad", "bad", "really"]
    assert "3 units of punctuation are hidden" in " ".join(t.get_text() for t in figure.texts)


@pytest.mark.parametrize("kind", ["heatmap", "compare"])
def test_a_matrix_of_a_long_text_shows_the_units_of_the_strongest_pairs(kind: str) -> None:
    text = " ".join(f"w{k}" for k in range(140))
    e, other = (make_explanation(text=text, seed=seed) for seed in (0, 1))
    figure = draw(kind, *((e,) if kind == "heatmap" else (e, other)))
    largest = np.abs(e.ih) if kind == "heatmap" else np.maximum(np.abs(e.ih), np.abs(other.ih))
    i, j = divmod(int(np.argmax(np.triu(largest, k=1))), 140)
    axes = axes_of(figure, "matrix" if kind == "heatmap" else "first")
    shown = [t.get_text() for t in axes.get_yticklabels()]
    names = [u.text for u in e.units]
    assert 90 < len(shown) <= 100
    assert {names[i], names[j]} <= set(shown)
    places = iter(names)
    assert all(name in places for name in shown)  # in the order of the text
    assert "at most 100 of 140" in " ".join(t.get_text() for t in figure.texts)


def test_clustering_puts_what_interacts_together() -> None:
    ih = np.zeros((6, 6))
    for a, b in ((0, 4), (4, 2), (1, 5)):
        ih[a, b] = ih[b, a] = -1.0
    order = clustered(ih, list(range(6)))
    assert sorted(order) == list(range(6))
    groups = [sorted(order.index(u) for u in group) for group in ((0, 2, 4), (1, 5))]
    assert all(g[-1] - g[0] == len(g) - 1 for g in groups)
    figure = draw("heatmap", make_explanation(6, ih=ih), cluster=True)
    words = [u.text for u in make_explanation(6).units]
    assert [t.get_text() for t in axes_of(figure, "matrix").get_xticklabels()] == [words[u] for u in order]


def test_very_small_numbers_are_shown_in_powers_of_ten() -> None:
    e = make_explanation(4, ih=make_explanation(4).ih * 1e-5)
    figure = draw("heatmap", e)
    assert float(values(figure)["2 3"]) == pytest.approx(4.2, abs=0.005)
    assert "×10⁻⁶" in by_gid(figure, "scale label")["scale label"].get_text()


# --- the other kinds ---


@pytest.mark.parametrize("units", [2, 7, 25, 60])
def test_arcs_draw_the_strongest_pairs_by_sign_and_strength(units: int) -> None:
    e = make_explanation(units)
    figure = draw("arcs", e, top=6)
    assert set(values(figure)) == {f"{i} {j}" for i, j, _ in e.pairs()[:6]}
    arcs = by_gid(figure, "arc ")
    tops = {u: by_gid(figure, f"unit {u}")[f"unit {u}"].get_position()[1] for u in range(units)}
    for i, j, value in e.pairs()[:6]:
        path = arcs[f"arc {i} {j}"].get_path().vertices
        assert (path[-1, 1] > tops[j]) == (value > 0)
    widths = [arcs[f"arc {i} {j}"].get_linewidth() for i, j, _ in e.pairs()[:6]]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("units", [7, 25, 60])
def test_words_and_values_of_arcs_do_not_cover_each_other(units: int) -> None:
    figure = draw("arcs", make_explanation(units))
    figure.set_dpi(DPI)
    figure.draw_without_rendering()
    assert_apart(boxes([t for axes in figure.axes for t in axes.texts]), slack=2.0)


def test_values_of_arcs_stand_beside_the_arcs_that_pass() -> None:
    words = "antidisestablishmentarianistically pseudopseudohypoparathyroidism Donaudampfschifffahrtsgesellschaft good"
    more = "floccinaucinihilipilification https://example.org/a/very/long/path?x=1 bad"
    figure = draw("arcs", make_explanation(text=f"{words} {more}"))
    figure.set_dpi(DPI)
    figure.draw_without_rendering()
    axes = axes_of(figure, "arcs")
    for label in (text for text in axes.texts if str(text.get_gid()).startswith("value ")):
        box = label.get_window_extent()
        for artist in axes.patches:
            arc = str(artist.get_gid())
            if arc.startswith("arc ") and arc.split()[1:] != str(label.get_gid()).split()[1:]:
                [line] = artist.get_transform().transform_path(artist.get_path()).to_polygons(closed_only=False)
                along = np.linspace(0, len(line) - 1, 4000)
                points = np.column_stack([np.interp(along, np.arange(len(line)), line[:, k]) for k in (0, 1)])
                inside = (points > [box.x0, box.y0 + 1]) & (points < [box.x1, box.y1 - 1])
                assert not inside.all(axis=1).any(), f"{arc} under {label.get_gid()}"


def test_text_names_each_units_strongest_partner() -> None:
    e = make_explanation(9)
    figure = draw("text", e)
    strength = np.abs(e.ih) * (1 - np.eye(9))
    limit = strength.max()
    lines = by_gid(figure, "underline ")
    for u in range(9):
        best = int(strength[u].argmax())
        assert (f"underline {u} {best}" in lines) == (strength[u, best] >= 0.05 * limit)
    figure.set_dpi(DPI)
    figure.draw_without_rendering()
    assert_apart(boxes(axes_of(figure, "text").texts), slack=2.0)


def test_bars_are_the_strongest_pairs_in_order() -> None:
    e = make_explanation(10)
    figure = draw("bars", e, top=5)
    bars = [p for p in axes_of(figure, "bars").patches if str(p.get_gid()).startswith("bar ")]
    assert [b.get_gid() for b in bars] == [f"bar {i} {j}" for i, j, _ in e.pairs()[:5]]
    assert [b.get_width() for b in bars] == pytest.approx([v for *_, v in e.pairs()[:5]])
    rows = [b.get_y() for b in bars]
    assert rows == sorted(rows, reverse=True)
    words = [u.text for u in e.units]
    labels = [t.get_text() for t in axes_of(figure, "bars").get_yticklabels()]
    assert labels == [f"{words[i]} · {words[j]}" for i, j, _ in e.pairs()[:5]]


def test_repeated_words_are_told_apart_in_bars() -> None:
    figure = draw("bars", make_explanation(text="bad bad good"))
    labels = {t.get_text() for t in axes_of(figure, "bars").get_yticklabels()}
    assert labels <= {"bad (1) · bad (2)", "bad (1) · good", "bad (2) · good"}


@pytest.mark.parametrize("units", [3, 16, 17, 60])
def test_network_joins_the_strongest_pairs_and_its_labels_are_apart(units: int) -> None:
    e = make_explanation(units)
    figure = draw("network", e, top=4)
    assert set(by_gid(figure, "edge ")) == {f"edge {i} {j}" for i, j, _ in e.pairs()[:4]}
    assert set(by_gid(figure, "node ")) == {f"node {u}" for u in range(units)}
    centres = [by_gid(figure, f"unit {u}")[f"unit {u}"].get_position() for u in range(units)]
    closest = min(math.dist(a, b) for a, b in combinations(centres, 2))
    assert closest >= 8.5 * 1.1 / 72  # inches: the labels' height, and they point away from the centre


def test_path_shows_the_score_and_the_nodes() -> None:
    e = make_explanation(5)
    assert e.path is not None
    figure = draw("path", e)
    line = by_gid(figure, "f")["f"]
    assert list(line.get_xdata()) == list(e.path.t)
    assert list(line.get_ydata()) == list(e.path.f)
    known = ~np.isnan(e.path.curvature)
    nodes = by_gid(figure, "nodes")["nodes"]
    assert list(nodes.get_xdata()) == list(e.path.t[known])
    assert list(nodes.get_ydata()) == list(e.path.curvature[known])
    assert axes_of(figure, "score").get_xlim() == axes_of(figure, "curvature").get_xlim()


def test_half_peak_of_a_triangle() -> None:
    assert half_peak(np.array([0.0, 0.4, 0.5, 0.6, 1.0]), np.array([0.0, 0.0, 8.0, 0.0, 0.0])) == pytest.approx(0.1)
    assert half_peak(np.array([0.0, 1.0]), np.array([3.0, 3.0])) == pytest.approx(1.0)
    assert math.isnan(half_peak(np.array([0.0, 1.0]), np.zeros(2)))


def test_a_result_without_a_path_is_one_message() -> None:
    with pytest.raises(ResultError, match="holds no path profile"):
        draw("path", make_explanation(3, path=None))


def test_comparison_shares_one_scale_and_shows_the_difference() -> None:
    first, second = pair_of(5)
    figure = draw("compare", first, second)
    panels = [axes_of(figure, name) for name in ("first", "second", "difference")]
    matrices = [first.ih, second.ih, second.ih - first.ih]
    limit = max(abs(m[u, v]) for m in matrices for u in range(5) for v in range(5) if u != v)
    assert axes_of(figure, "scale").get_ylim() == pytest.approx((-limit, limit))
    for axes, matrix in zip(panels, matrices, strict=True):
        image = axes.get_images()[0].get_array()
        assert image is not None
        assert tuple(image[0, 2]) == pytest.approx(LIGHT.rgb(matrix[0, 2] / limit))
        shown = {str(t.get_gid()): t.get_text() for t in axes.texts}
        assert float(shown["value 3 4"].replace("−", "-")) == pytest.approx(matrix[3, 4], abs=0.005)
    words = " ".join(t.get_text() for t in figure.texts)
    assert "baseline pad" in words
    assert "baseline mask" in words


def test_comparison_matches_units_by_offsets() -> None:
    first = make_explanation(6)
    kept = [0, 2, 3, 5]
    second = replace(
        first, units=tuple(first.units[k] for k in kept), ih=first.ih[np.ix_(kept, kept)] * 2, ig=first.ig[kept]
    )
    figure = draw("compare", first, second)
    words = [first.units[k].text for k in kept]
    assert [t.get_text() for t in axes_of(figure, "first").get_xticklabels()] == words
    shown = {str(t.get_gid()): t.get_text() for t in axes_of(figure, "difference").texts}
    assert float(shown["value 1 3"].replace("−", "-")) == pytest.approx(first.ih[2, 5], abs=0.005)
    assert "2 units that only one result has" in " ".join(t.get_text() for t in figure.texts)


def test_results_that_cannot_be_compared_are_one_message_each() -> None:
    first = make_explanation(4)
    with pytest.raises(UsageError, match="two results of one text"):
        draw("compare", first, make_explanation(5))
    with pytest.raises(UsageError, match="a logit and a probability"):
        draw("compare", first, replace(first, target=replace(first.target, output="probability")))
    moved = tuple(replace(u, start=u.start + 1) for u in first.units)
    with pytest.raises(UsageError, match="no unit in common"):
        draw("compare", first, replace(first, units=moved))


def test_a_line_parts_the_two_texts_of_a_pair() -> None:
    e = make_explanation(4)
    units = tuple(replace(u, side="text_pair") if k > 1 else u for k, u in enumerate(e.units))
    figure = draw("heatmap", replace(e, text_pair="was not", units=units))
    lines = [line for line in axes_of(figure, "matrix").lines if list(line.get_xdata()) == [2, 2]]
    assert len(lines) == 1
    words = by_gid(draw("arcs", replace(e, text_pair="was not", units=units)), "unit ")
    assert words["unit 0"].get_position()[1] > words["unit 2"].get_position()[1]


# --- which figure, and its file ---


def test_an_unknown_kind_or_a_wrong_number_of_results_is_one_message() -> None:
    with pytest.raises(UsageError, match=r"--kind 'pie' is not known. Use heatmap, arcs, text"):
        draw("pie", make_explanation(2))
    with pytest.raises(UsageError, match="--kind compare draws 2 results, and 1 were given"):
        draw("compare", make_explanation(2))
    with pytest.raises(UsageError, match="--kind heatmap draws 1 result, and 2 were given"):
        draw("heatmap", *pair_of(2))
    with pytest.raises(UsageError, match="--top 0 shows nothing"):
        draw("heatmap", make_explanation(2), top=0)
    with pytest.raises(UsageError, match=r"--theme 'neon' is not known. Use light, dark, print"):
        figures.theme("neon")


@pytest.mark.parametrize(
    ("text", "size"), [("6x4", (6, 4)), ("16cmx9cm", (16 / 2.54, 9 / 2.54)), ("160×90mm", (160 / 25.4, 90 / 25.4))]
)
def test_sizes(text: str, size: tuple[float, float]) -> None:
    assert figures.parse_size(text) == pytest.approx(size)


@pytest.mark.parametrize("text", ["6", "6x", "axb", "0x4", "500x500", "6x4px"])
def test_what_is_no_size_is_one_message(text: str) -> None:
    with pytest.raises(UsageError, match="Write width x height"):
        figures.parse_size(text)


@pytest.mark.parametrize("kind", [*ONE, "compare"])
def test_the_alternative_text_says_what_the_figure_says(kind: str) -> None:
    es = pair_of(5) if kind == "compare" else (make_explanation(5),)
    text = figures.alternative_text(kind, es)
    for part in ("this movie was not bad", "POSITIVE (p = 0.966)", "not and bad +0.420", "Converged to 1 %"):
        assert part in text, part


def test_the_alternative_text_is_in_every_file(tmp_path: Path) -> None:
    figure, text = draw("heatmap", make_explanation(3)), 'Heatmap of “x < y” & "z": Γ −0.42'
    png, svg, pdf = (figures.save(figure, tmp_path / f"a.{suffix}", 60, text) for suffix in ("png", "svg", "pdf"))
    with Image.open(png) as image:
        assert image.info["Description"] == text
    root = ET.parse(svg).getroot()  # noqa: S314  (our own file)
    assert root.get("role") == "img"
    assert root.get("aria-label") == text
    assert any(element.text == text for element in root.iter() if element.tag.endswith("description"))
    assert b"/Subject" in pdf.read_bytes()
    assert text.encode("utf-16-be")[-8:] in pdf.read_bytes().replace(b"\\", b"")


def test_other_suffixes_are_one_message(tmp_path: Path) -> None:
    for name in ("a.jpg", "a"):
        with pytest.raises(UsageError, match=r"written as .png, .svg or .pdf"):
            figures.save(draw("bars", make_explanation(2)), tmp_path / name, 60, "")


# --- fonts ---


@pytest.fixture
def only_dejavu(monkeypatch: pytest.MonkeyPatch) -> None:
    held = [e for e in font_manager.fontManager.ttflist if e.name == "DejaVu Sans"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", held)
    monkeypatch.setattr(lettering, "_add_new_fonts", lambda: None)


@pytest.mark.usefixtures("only_dejavu")
@pytest.mark.parametrize("kind", ONE)
def test_characters_that_no_font_holds_are_named_and_never_boxes(kind: str) -> None:
    e = make_explanation(text="a 漢字 movie 한국 ok")
    with pytest.warns(MissingGlyphWarning) as caught:
        figure = draw(kind, e)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert "No installed font holds 4 of the text's characters (Chinese, Japanese or Korean)" in message
    assert "漢" in message
    assert "--font" in message
    drawn = " ".join(t.get_text() for t in texts(figure))
    assert "漢" not in drawn
    assert kind == "path" or "⟨U+6F22 5B57⟩" in drawn.replace("\n", "") or "U+6F22" in drawn
    assert_inside(figure)


def test_an_installed_font_that_holds_the_script_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = (e for e in font_manager.fontManager.ttflist if e.name == "DejaVu Serif" and e.style == "normal")
    serif = next(e for e in faces if e.weight == 400)
    real = lettering._characters
    monkeypatch.setattr(lettering, "_characters", lambda f: real(f) | {"漢"} if f == serif.fname else real(f) - {"漢"})
    monkeypatch.setattr(
        font_manager.fontManager,
        "ttflist",
        [e for e in font_manager.fontManager.ttflist if e.name in {"DejaVu Sans", "DejaVu Serif"}],
    )
    letters = lettering.Lettering.holding(["a 漢"], ("DejaVu Sans",))
    assert letters.families == ("DejaVu Sans", "DejaVu Serif")
    assert not letters.missing


def test_a_font_that_was_installed_after_matplotlib_made_its_list_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = [e for e in font_manager.fontManager.ttflist if e.name == "DejaVu Serif"]
    real = lettering._characters
    serif = {e.fname for e in faces}
    monkeypatch.setattr(lettering, "_characters", lambda f: real(f) | {"漢"} if f in serif else real(f) - {"漢"})
    known = [e for e in font_manager.fontManager.ttflist if e.name == "DejaVu Sans"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", known)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [*serif, str(Path(__file__))])
    lettering._add_new_fonts.cache_clear()
    letters = lettering.Lettering.holding(["a 漢"], ("DejaVu Sans",))
    lettering._add_new_fonts.cache_clear()
    assert letters.families == ("DejaVu Sans", "DejaVu Serif")
    assert not letters.missing


def test_a_font_that_holds_everything_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        letters = lettering.Lettering.holding(["naïve Привет Γᵤᵥ ☺ \u200b\ufe0f"], ("DejaVu Sans",))
    assert letters.families == ("DejaVu Sans",)
    assert letters.legible("a\u200bb\n c\ufe0f") == "ab c"


def test_an_unknown_font_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--font 'DejaVu Snas' is neither.*DejaVu Sans"):
        figures.with_font(Style(), "DejaVu Snas")
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    with pytest.raises(UsageError, match="is not a font that can be read"):
        figures.with_font(Style(), str(broken))
    assert figures.with_font(Style(), "DejaVu Serif").families[0] == "DejaVu Serif"


def test_letters_are_as_wide_at_any_resolution_as_they_were_measured() -> None:
    figure = draw("heatmap", make_explanation(60))
    heading = next(text for text in figure.texts if text.get_gid() == "heading")
    letters = lettering.Lettering.holding([heading.get_text()], ("DejaVu Sans",))
    with mpl.rc_context(lettering.UNHINTED):
        for dpi in (50, 70, 96, 300):
            figure.set_dpi(dpi)
            drawn = heading.get_window_extent(RendererAgg(9, 9, dpi)).width / dpi  # type: ignore[no-untyped-call]
            assert drawn == pytest.approx(letters.width(heading.get_text(), 12, "bold"), abs=1.5 / dpi)


def test_lines_are_wrapped_and_cut_to_their_width() -> None:
    letters = lettering.Lettering.holding(["abc"], ("DejaVu Sans",))
    text = "some words and averyverylongwordthatfitsnoline " * 4
    lines = letters.wrap(text, 9.0, 1.5)
    assert all(letters.width(line, 9.0) <= 1.5 for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
    cut = letters.wrap(text, 9.0, 1.5, lines=2)
    assert len(cut) == 2
    assert cut[1].endswith("…")


# --- colours ---

PROTAN = np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]])
DEUTAN = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]])
TRITAN = np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]])


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_equal_steps_of_the_number_are_equal_steps_of_colour(colours: Diverging) -> None:
    for sign in (1, -1):
        labs = [oklab(colours.rgb(sign * k / 40)) for k in range(41)]
        steps = [math.dist(a, b) for a, b in pairwise(labs)]
        assert max(steps) / min(steps) < 1.1
        lightness = [lab[0] for lab in labs]
        assert lightness in (sorted(lightness), sorted(lightness, reverse=True))
    for share in (0.25, 0.5, 1.0):
        assert oklab(colours.rgb(share))[0] == pytest.approx(oklab(colours.rgb(-share))[0], abs=0.04)


@pytest.mark.parametrize("colours", [LIGHT, DARK])
@pytest.mark.parametrize("seen", [PROTAN, DEUTAN, TRITAN])
def test_colour_blind_readers_tell_the_signs_apart(colours: Diverging, seen: np.ndarray[Any, Any]) -> None:
    """Severity 1.0 of Machado, Oliveira and Fernandes (2009)."""
    for share in (0.3, 0.6, 1.0):
        both = [np.clip(seen @ np.array(colours.rgb(s)), 0, 1) for s in (share, -share)]
        one, two = (oklab((float(c[0]), float(c[1]), float(c[2]))) for c in both)
        assert math.dist(one, two) > 0.08


def test_zero_and_nan_are_the_ground_and_the_ends_are_clipped() -> None:
    for colours in (LIGHT, DARK):
        assert colours.rgb(0.0) == colours.rgb(math.nan) == rgb_of(colours.ground)
        assert colours.rgb(3.0) == colours.rgb(1.0)
        assert colours.hex(0.0) == colours.ground
        for k in range(-20, 21):
            rgb = colours.rgb(k / 20)
            ink = luminance(rgb_of(ink_on(rgb)))
            ground = luminance(rgb)
            assert (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05) >= 4.5
