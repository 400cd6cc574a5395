import numpy as np
from drawn_figures import DPI, assert_apart, axes_of, boxes, by_gid, draw
from explanations import make_explanation


def test_each_unit_names_its_strongest_partner() -> None:
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
