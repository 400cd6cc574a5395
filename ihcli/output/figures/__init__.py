"""Figures of explanations: one module for each kind, each with a function from records to a Matplotlib `Figure`."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from matplotlib.figure import Figure

from ihcli.counting import counted
from ihcli.errors import UsageError
from ihcli.output.figures import arcs, bars, baseline_to_text, captions, comparison, heatmap, network, text
from ihcli.output.figures.fonts import with_font
from ihcli.output.figures.lettering import MissingGlyphWarning
from ihcli.output.figures.saving import FORMATS, encode, save
from ihcli.output.figures.style import CAPTIONS, THEMES, Style, Theme, View, caption, parse_size, theme
from ihcli.results import Explanation

__all__ = [
    "CAPTIONS", "FORMATS", "KINDS", "THEMES", "MissingGlyphWarning", "Style", "Theme", "View", "alternative_text",
    "caption", "draw", "encode", "kind_named", "parse_size", "save", "theme", "with_font",
]  # fmt: skip

_ONE: Final[Mapping[str, Callable[[Explanation, Style, View], Figure]]] = MappingProxyType(
    {
        "heatmap": heatmap.draw,
        "arcs": arcs.draw,
        "text": text.draw,
        "bars": bars.draw,
        "network": network.draw,
        "baseline-to-text": baseline_to_text.draw,
    }
)
_TWO: Final[Mapping[str, Callable[[Explanation, Explanation, Style, View], Figure]]] = MappingProxyType(
    {"compare": comparison.draw}
)
KINDS: Final = (*_ONE, *_TWO)
_EARLIER_NAMES: Final[Mapping[str, str]] = MappingProxyType({"path": "baseline-to-text"})


def draw(
    kind: str, explanations: Sequence[Explanation], style: Style | None = None, view: View | None = None
) -> Figure:
    """The figure of one kind.

    Args:
        kind: One of `KINDS`.
        explanations: One result, or two for `compare`.
        style: Theme, size in inches, and fonts.
        view: What is shown, and the caption.

    Returns:
        A Matplotlib `Figure` that no window shows; `save` writes it.

    Raises:
        UsageError: The kind is not known, draws another number of results, or needs a larger size.
        ResultError: `baseline-to-text` of a result that holds no path profile.

    Example:
        >>> from ihcli import Explanation
        >>> from ihcli.output import figures
        >>> figure = figures.draw("arcs", [Explanation.load("outputs/this-movie-was-not-bad")])
        >>> figure.get_label()
        'Integrated Hessians: arcs'
    """
    kind = kind_named(kind, len(explanations))
    style, view = style or Style(), view or View()
    if kind in _TWO:
        return _TWO[kind](explanations[0], explanations[1], style, view)
    return _ONE[kind](explanations[0], style, view)


def alternative_text(kind: str, explanations: Sequence[Explanation], view: View | None = None) -> str:
    """The figure of `kind` in words, for its file's metadata."""
    return captions.alternative_text(kind_named(kind, len(explanations)), explanations, view or View())


def kind_named(name: str, count: int) -> str:
    """The kind of that name or earlier name; raises `UsageError` for another name, or for `count` results too many."""
    kind = _EARLIER_NAMES.get(name, name)
    if kind not in KINDS:
        message = f"--kind {kind!r} is not known. Use {', '.join(KINDS)}."
        raise UsageError(message)
    wanted = 2 if kind in _TWO else 1
    if count != wanted:
        message = f"--kind {kind} draws {counted(wanted, 'result')}, and {counted(count, 'was', 'were')} given."
        raise UsageError(message)
    return kind
