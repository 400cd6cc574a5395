"""Numbers, labels and places read back from a drawn figure by the group ids of its artists; never pixels."""

from collections.abc import Iterable
from itertools import combinations
from typing import Any

from explanations import make_explanation
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from ihcli.output import figures
from ihcli.output.figures import Style, View
from ihcli.results import Explanation

OF_ONE = ("heatmap", "arcs", "text", "bars", "network", "baseline-to-text")
KINDS = (*OF_ONE, "compare")
DPI = 100.0


def draw(kind: str, *explanations: Explanation, style: Style | None = None, **view: Any) -> Figure:
    """The figure of a kind; further arguments are those of `View`."""
    return figures.draw(kind, explanations, style, View(**view))


def pair_of(units: int, **changes: Any) -> tuple[Explanation, Explanation]:
    """Two results of one text with different numbers and baselines."""
    return make_explanation(units), make_explanation(units, seed=1, baseline={"kind": "mask"}, **changes)


def results_for(kind: str, units: int) -> tuple[Explanation, ...]:
    """As many results as a figure of the kind draws."""
    return pair_of(units) if kind == "compare" else (make_explanation(units),)


def axes_of(figure: Figure, label: str) -> Axes:
    """The axes of that label."""
    return next(axes for axes in figure.axes if axes.get_label() == label)


def texts(figure: Figure) -> list[Text]:
    """Every text that is drawn, in whatever artist it stands."""
    drawn = [*figure.texts]
    for axes in figure.axes:
        drawn += [*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label]
    return [text for text in drawn if text.get_visible() and text.get_text().strip()]


def words_of(figure: Figure, gid: str | None = None) -> str:
    """What stands around the drawing, on one line; only artists of that id."""
    return " ".join(" ".join(t.get_text() for t in figure.texts if gid is None or t.get_gid() == gid).split())


def by_gid(figure: Figure, prefix: str) -> dict[str, Any]:
    """Artists by their id."""
    artists = [a for axes in figure.axes for a in axes.get_children()] + list(figure.texts)
    return {str(a.get_gid()): a for a in artists if str(a.get_gid()).startswith(prefix)}


def values(figure: Figure) -> dict[str, str]:
    """The written values by the pair, or whatever else follows `value` in their id."""
    return {gid.removeprefix("value "): artist.get_text() for gid, artist in by_gid(figure, "value ").items()}


def number_of(text: str) -> float:
    """A written number."""
    return float(text.replace("−", "-"))


def boxes(artists: Iterable[Text]) -> list[tuple[str, Any]]:
    """Each text with the rectangle that it covers."""
    return [(text.get_text(), text.get_window_extent()) for text in artists]


def assert_inside(figure: Figure) -> None:
    """No text leaves the canvas."""
    figure.set_dpi(DPI)
    figure.draw_without_rendering()
    width, height = figure.get_size_inches() * DPI
    for name, box in boxes(texts(figure)):
        assert box.x0 >= -0.5, name
        assert box.y0 >= -0.5, name
        assert box.x1 <= width + 0.5, name
        assert box.y1 <= height + 0.5, name


def assert_apart(named: list[tuple[str, Any]], slack: float = 1.0) -> None:
    """No text covers another."""
    for (one, a), (two, b) in combinations(named, 2):
        apart = a.x1 - slack <= b.x0 or b.x1 - slack <= a.x0 or a.y1 - slack <= b.y0 or b.y1 - slack <= a.y0
        assert apart, f"{one!r} over {two!r}"
