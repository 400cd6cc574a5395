"""How figures look (theme, size, font) and what they show (view)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, get_args

from ihcli.errors import UsageError
from ihcli.palette import DARK, LIGHT, Diverging

Caption = Literal["short", "full", "none"]
CAPTIONS: Final[tuple[Caption, ...]] = get_args(Caption)


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of one theme; `signs` marks the sign of a cell by more than its colour, for printing in grey."""

    name: str
    colours: Diverging
    ink: str
    muted: str
    line: str
    apart: str
    """Colour of cells that are no interaction: the diagonal, and entries that were not computed."""
    warning: str
    signs: bool = False

    @property
    def ground(self) -> str:
        """The background's colour, which is also that of zero."""
        return self.colours.ground


THEMES: Final[Mapping[str, Theme]] = MappingProxyType(
    {
        "light": Theme("light", LIGHT, "#1d232b", "#5b6570", "#d5dae0", "#eceff2", "#b00020"),
        "dark": Theme("dark", DARK, "#eef1f4", "#a3adb8", "#3a424c", "#262c34", "#ff8a80"),
        "print": Theme("print", LIGHT, "#000000", "#333333", "#9a9a9a", "#e6e6e6", "#000000", signs=True),
    }
)


@dataclass(frozen=True, slots=True)
class Style:
    """Theme, size in inches (None: what the content needs) and the font families tried first."""

    theme: Theme = THEMES["light"]
    size: tuple[float, float] | None = None
    families: tuple[str, ...] = ("DejaVu Sans",)


@dataclass(frozen=True, slots=True)
class View:
    """What a figure shows of a result."""

    hide_punctuation: bool = False
    top: int | None = None
    """Show only the K strongest pairs: a matrix leaves the other cells blank, other figures leave the pairs out."""
    cluster: bool = False
    """Order the units so that those that interact are neighbours."""
    diagonal: bool = True
    heading: str | None = None
    """Replaces the text above the figure."""
    caption: Caption = "short"
    """`short`: two lines. `full`: with model and certificate. A result that did not converge is marked with any."""


def theme(name: str) -> Theme:
    """The theme of that name; raises `UsageError`."""
    if name not in THEMES:
        message = f"--theme {name!r} is not known. Use {', '.join(THEMES)}."
        raise UsageError(message)
    return THEMES[name]


def caption(name: str) -> Caption:
    """The caption of that name; raises `UsageError`."""
    for known in CAPTIONS:
        if name == known:
            return known
    message = f"--caption {name!r} is not known. Use {', '.join(CAPTIONS)}."
    raise UsageError(message)


def parse_size(text: str) -> tuple[float, float]:
    """Width and height in inches of `6x4`, `15cmx10cm` or `160mmx90mm`; raises `UsageError`."""
    match = re.fullmatch(
        r"\s*(\d+(?:\.\d+)?)\s*(in|cm|mm)?\s*[x×]\s*(\d+(?:\.\d+)?)\s*(in|cm|mm)?\s*", text, re.IGNORECASE
    )
    if match is not None:
        unit = (match[4] or match[2] or "in").lower()
        inch = {"in": 1.0, "cm": 2.54, "mm": 25.4}[unit]
        width, height = float(match[1]) / inch, float(match[3]) / inch
        if 1 <= width <= 100 and 1 <= height <= 100:  # noqa: PLR2004  (inches that a printer or screen can take)
            return width, height
    message = f"--size {text!r} is not a size. Write width x height, each 1 to 100 inches: 6x4, or 16cmx9cm."
    raise UsageError(message)
