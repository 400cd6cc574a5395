"""The legend of a figure: what its colours and lines mean, in rows below the drawing. Lengths are in inches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.scale import Scale

if TYPE_CHECKING:
    from ihcli.output.figures.sheet import Sheet

SIZE = 7.5
"""Letters, points."""
ROW, ABOVE = 0.19, 0.12
_BETWEEN, _SPACE, _RAMP, _LINE = 0.28, 0.06, 0.9, 0.3


@dataclass(frozen=True, slots=True)
class Ramp:
    """Colours from the negative to the positive end of a scale, with a text at each end."""

    name: str
    scale: Scale
    negative: str
    positive: str

    @property
    def texts(self) -> tuple[str, ...]:
        """What stands before and after the colours."""
        ends = [f"{self.scale.label(sign * self.scale.limit, plus=True)}{self.scale.power}" for sign in (-1, 1)]
        return f"{self.name} {ends[0]} {self.negative}", f"{ends[1]} {self.positive}"

    def width(self, letters: Lettering) -> float:
        """The room it takes."""
        return sum(letters.width(letters.legible(text), SIZE) for text in self.texts) + _RAMP + 2 * _SPACE

    def draw(self, sheet: "Sheet", x: float, y: float) -> None:
        """Draw it on a row whose middle is at `y`."""
        before, after = (sheet.letters.legible(text) for text in self.texts)
        left = x + sheet.letters.width(before, SIZE) + _SPACE
        _write(sheet, before, x, y)
        axes = sheet.axes(left - sheet.body[0], y - 0.05 - sheet.body[1], _RAMP, 0.1, f"legend {self.name}")
        axes.imshow(np.linspace(-1, 1, 257)[None, :], cmap=self.scale.map(), aspect="auto", clim=(-1, 1))
        for spine in axes.spines.values():
            spine.set(visible=True, color=sheet.theme.line, linewidth=sheet.line(0.6))
        _write(sheet, after, left + _RAMP + _SPACE, y)


@dataclass(frozen=True, slots=True)
class Line:
    """A sample of a line and what it means."""

    text: str
    colour: Any
    points: float
    """Its width."""
    dashes: Any = "solid"

    def width(self, letters: Lettering) -> float:
        """The room it takes."""
        return _LINE + _SPACE + letters.width(letters.legible(self.text), SIZE)

    def draw(self, sheet: "Sheet", x: float, y: float) -> None:
        """Draw it on a row whose middle is at `y`."""
        axes = sheet.axes(x - sheet.body[0], y - 0.08 - sheet.body[1], _LINE, 0.16, f"legend {self.text}")
        axes.patch.set_visible(False)
        axes.set_xlim(0, 1)
        axes.set_ylim(-1, 1)
        [line] = axes.plot([0, 1], [0, 0], color=self.colour, linewidth=sheet.line(self.points))
        line.set_linestyle(self.dashes)
        _write(sheet, sheet.letters.legible(self.text), x + _LINE + _SPACE, y)


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence."""

    text: str

    @property
    def texts(self) -> tuple[str, ...]:
        """What is written."""
        return (self.text,)

    def width(self, letters: Lettering) -> float:
        """The room it takes."""
        return letters.width(letters.legible(self.text), SIZE)

    def draw(self, sheet: "Sheet", x: float, y: float) -> None:
        """Draw it on a row whose middle is at `y`."""
        _write(sheet, sheet.letters.legible(self.text), x, y)


LegendItem = Ramp | Line | Note


def texts_of(items: Sequence[LegendItem]) -> list[str]:
    """Everything that a legend writes."""
    return [text for item in items for text in (item.texts if not isinstance(item, Line) else (item.text,))]


def rows_of(items: Sequence[LegendItem], letters: Lettering, width: float) -> list[list[tuple[float, LegendItem]]]:
    """Items in rows of at most `width`, each with its left edge; an item wider than a row has one of its own."""
    rows: list[list[tuple[float, LegendItem]]] = []
    x = 0.0
    for item in items:
        wide = item.width(letters)
        if not rows or x + wide > width:
            rows.append([])
            x = 0.0
        rows[-1].append((x, item))
        x += wide + _BETWEEN
    return rows


def _write(sheet: "Sheet", text: str, x: float, y: float) -> None:
    sheet.write(text, x, y, SIZE, color=sheet.theme.muted, va="center").set_gid("legend")
