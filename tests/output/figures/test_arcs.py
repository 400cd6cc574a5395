from dataclasses import replace

import numpy as np
import pytest
from drawn_figures import DPI, assert_apart, axes_of, boxes, by_gid, draw, values
from explanations import make_explanation


@pytest.mark.parametrize("units", [2, 7, 25, 60])
def test_arcs_are_the_strongest_pairs_by_sign_and_strength(units: int) -> None:
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
def test_words_and_values_do_not_cover_each_other(units: int) -> None:
    figure = draw("arcs", make_explanation(units))
    figure.set_dpi(DPI)
    figure.draw_without_rendering()
    assert_apart(boxes(axes_of(figure, "arcs").texts), slack=2.0)


def test_values_stand_beside_the_arcs_that_pass() -> None:
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


def test_the_legend_shows_the_width_of_the_strongest_arc_and_of_a_tenth() -> None:
    ih = np.array([[0.0, 2.0, -0.2], [2.0, 0.0, 0.0], [-0.2, 0.0, 0.0]])
    figure = draw("arcs", make_explanation(3, ih=ih))
    arcs = by_gid(figure, "arc ")
    samples = {text: axes_of(figure, f"legend Γ = {text}").lines[0].get_linewidth() for text in ("+2.0", "−0.20")}
    assert samples["+2.0"] == pytest.approx(arcs["arc 0 1"].get_linewidth())
    assert samples["−0.20"] == pytest.approx(arcs["arc 0 2"].get_linewidth())


def test_the_second_text_of_a_pair_begins_a_line() -> None:
    e = make_explanation(4)
    units = tuple(replace(u, side="text_pair") if k > 1 else u for k, u in enumerate(e.units))
    words = by_gid(draw("arcs", replace(e, text_pair="was not", units=units)), "unit ")
    assert words["unit 0"].get_position()[1] > words["unit 2"].get_position()[1]
