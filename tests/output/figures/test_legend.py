"""Legends: the colours and lines that they explain, in rows that fit the width."""

import numpy as np
import pytest
from drawn_figures import draw, words_of
from explanations import make_explanation

from ihcli.output.figures import THEMES
from ihcli.output.figures.legend import Line, Note, Ramp, rows_of, texts_of
from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.scale import Scale

LETTERS = Lettering.holding(["abc"], ("DejaVu Sans",))


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


def test_items_stand_in_rows_of_at_most_the_width() -> None:
    items = [Note("x" * count) for count in (10, 20, 15, 40, 5, 5)]
    rows = rows_of(items, LETTERS, 3.0)
    assert [item for row in rows for _, item in row] == items
    for row in rows:
        assert row[0][0] == 0.0
        ends = [x + item.width(LETTERS) for x, item in row]
        assert all(end < x for end, (x, _) in zip(ends, row[1:], strict=False))  # none over its neighbour
        assert ends[-1] <= 3.0 or len(row) == 1
    assert len(rows) > 1
    assert rows_of([], LETTERS, 3.0) == []


def test_every_text_of_a_legend_is_known_to_its_fonts() -> None:
    ramp = Ramp("attribution", Scale(0.5, THEMES["light"]), "against", "for")
    items = [ramp, Line("Γ = +1", "black", 2.0), Note("a note")]
    assert texts_of(items) == ["attribution −0.50 against", "+0.50 for", "Γ = +1", "a note"]
