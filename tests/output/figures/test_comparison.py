from dataclasses import replace

import pytest
from drawn_figures import axes_of, draw, number_of, pair_of, words_of
from explanations import make_explanation

from ihcli.errors import UsageError
from ihcli.palette import LIGHT


def test_panels_share_one_scale_and_the_last_is_the_difference() -> None:
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
        assert number_of(shown["value 3 4"]) == pytest.approx(matrix[3, 4], abs=0.005)
    assert "baseline pad" in words_of(figure)
    assert "baseline mask" in words_of(figure)


def test_units_are_matched_by_their_offsets() -> None:
    first = make_explanation(6)
    kept = [0, 2, 3, 5]
    second = replace(
        first, units=tuple(first.units[k] for k in kept), ih=first.ih[kept][:, kept] * 2, ig=first.ig[kept]
    )
    figure = draw("compare", first, second)
    words = [first.units[k].text for k in kept]
    assert [t.get_text() for t in axes_of(figure, "first").get_xticklabels()] == words
    shown = {str(t.get_gid()): t.get_text() for t in axes_of(figure, "difference").texts}
    assert number_of(shown["value 1 3"]) == pytest.approx(first.ih[2, 5], abs=0.005)
    assert "2 units that only one result has" in words_of(figure)


def test_results_that_cannot_be_compared_are_one_message_each() -> None:
    first = make_explanation(4)
    with pytest.raises(UsageError, match="two results of one text"):
        draw("compare", first, make_explanation(5))
    with pytest.raises(UsageError, match="a logit and a probability"):
        draw("compare", first, replace(first, target=replace(first.target, output="probability")))
    moved = tuple(replace(u, start=u.start + 1) for u in first.units)
    with pytest.raises(UsageError, match="no unit in common"):
        draw("compare", first, replace(first, units=moved))
