"""The words of a text on the colours of their attributions."""

import numpy as np
import pytest
from drawn_figures import by_gid, draw
from explanations import make_explanation
from matplotlib.colors import to_rgb

from ihcli.output.figures import THEMES
from ihcli.palette import rgb_of

IH = np.diag([0.5, -1.0, 0.0])


@pytest.mark.parametrize("kind", ["arcs", "text"])
def test_a_word_has_the_colour_of_its_attribution_and_stands_in_the_middle_of_it(kind: str) -> None:
    figure = draw(kind, make_explanation(text="good bad so", ih=IH))
    colours = THEMES["light"].colours
    boxes, units = by_gid(figure, "word "), by_gid(figure, "unit ")
    for u, share in enumerate((0.5, -1.0, 0.0)):
        assert to_rgb(boxes[f"word {u}"].get_facecolor()) == pytest.approx(colours.rgb(share))
        x, y = units[f"unit {u}"].get_position()
        box = boxes[f"word {u}"].get_path().get_extents()
        assert (box.x0 + box.x1) / 2 == pytest.approx(x, abs=1e-6)
        assert (box.y0 + box.y1) / 2 == pytest.approx(y, abs=1e-6)
    assert units["unit 2"].get_color() == THEMES["light"].ink
    assert rgb_of(units["unit 1"].get_color()) in {(0.0, 0.0, 0.0), (1.0, 1.0, 1.0)}
