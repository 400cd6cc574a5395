import math

import numpy as np
import pytest
from drawn_figures import axes_of, by_gid, draw, words_of
from explanations import make_explanation

from ihcli.errors import ResultError
from ihcli.output.figures.baseline_to_text import share_above_half


def test_the_score_and_the_nodes_are_those_of_the_profile() -> None:
    e = make_explanation(5)
    assert e.path is not None
    figure = draw("baseline-to-text", e)
    line = by_gid(figure, "f")["f"]
    assert list(line.get_xdata()) == list(e.path.t)
    assert list(line.get_ydata()) == list(e.path.f)
    known = ~np.isnan(e.path.curvature)
    nodes = by_gid(figure, "nodes")["nodes"]
    assert list(nodes.get_xdata()) == list(e.path.t[known])
    assert list(nodes.get_ydata()) == list(e.path.curvature[known])
    assert axes_of(figure, "score").get_xlim() == axes_of(figure, "curvature").get_xlim()


def test_the_full_caption_says_on_how_much_of_the_path_units_interact() -> None:
    e = make_explanation(5)
    assert e.path is not None
    known = ~np.isnan(e.path.curvature)
    share = share_above_half(e.path.t[known], e.path.curvature[known])
    caption = words_of(draw("baseline-to-text", e, caption="full"), "caption")
    assert f"above half of that on {100 * share:.2g} % of the path" in caption


def test_the_share_above_half_of_a_triangle() -> None:
    t, triangle = np.array([0.0, 0.4, 0.5, 0.6, 1.0]), np.array([0.0, 0.0, 8.0, 0.0, 0.0])
    assert share_above_half(t, triangle) == pytest.approx(0.1)
    assert share_above_half(np.array([0.0, 1.0]), np.array([3.0, 3.0])) == pytest.approx(1.0)
    assert math.isnan(share_above_half(np.array([0.0, 1.0]), np.zeros(2)))


def test_a_result_without_a_profile_is_one_message() -> None:
    with pytest.raises(ResultError, match="holds no path profile"):
        draw("baseline-to-text", make_explanation(3, path=None))
