"""Figures of explanations: one module a kind, each a function from records to a Matplotlib `Figure`."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from matplotlib.figure import Figure

from ihcli.errors import UsageError
from ihcli.output.figures import arcs, bars, compare, heatmap, network, path, text
from ihcli.output.figures.captions import alternative_text as _alternative_text
from ihcli.output.figures.lettering import MissingGlyphWarning, with_font
from ihcli.output.figures.sheet import FORMATS, encode, save
from ihcli.output.figures.style import THEMES, Style, Theme, View, parse_size, theme
from ihcli.results import Explanation

__all__ = [
    "FORMATS", "KINDS", "THEMES", "MissingGlyphWarning", "Style", "Theme", "View",
    "alternative_text", "draw", "encode", "parse_size", "require", "save", "theme", "with_font",
]  # fmt: skip

_ONE: Final[Mapping[str, Callable[[Explanation, Style, View], Figure]]] = MappingProxyType(
    {
        "heatmap": heatmap.draw,
        "arcs": arcs.draw,
        "text": text.draw,
        "bars": bars.draw,
        "network": network.draw,
        "path": path.draw,
    }
)
_TWO: Final[Mapping[str, Callable[[Explanation, Explanation, Style, View], Figure]]] = MappingProxyType(
    {"compare": compare.draw}
)
KINDS: Final = (*_ONE, *_TWO)


def draw(
    kind: str, explanations: Sequence[Explanation], style: Style | None = None, view: View | None = None
) -> Figure:
    """The figure of `kind`; raises `UsageError` for an unknown kind or a wrong number of results."""
    require(kind, len(explanations))
    style, view = style or Style(), view or View()
    if kind in _TWO:
        return _TWO[kind](explanations[0], explanations[1], style, view)
    return _ONE[kind](explanations[0], style, view)


def alternative_text(kind: str, explanations: Sequence[Explanation], view: View | None = None) -> str:
    """The figure of `kind` in words, for its file's metadata."""
    require(kind, len(explanations))
    return _alternative_text(kind, list(explanations), view or View())


def require(kind: str, count: int) -> None:
    """Refuse an unknown kind, or a number of results that it cannot draw; raises `UsageError`."""
    if kind not in KINDS:
        message = f"--kind {kind!r} is not known. Use {', '.join(KINDS)}."
        raise UsageError(message)
    wanted = 2 if kind in _TWO else 1
    if count != wanted:
        message = f"--kind {kind} draws {wanted} result{'s' if wanted > 1 else ''}, and {count} were given."
        raise UsageError(message)
