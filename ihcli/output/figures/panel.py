"""One matrix as a panel of coloured cells, with its labels and its colour bar."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.scale import Scale
from ihcli.output.figures.sheet import NOTE, Sheet
from ihcli.results import Array
from ihcli.wording import MINUS

LABEL_LENGTH = 22
BAR_GAP, BAR = 0.16, 0.14
_LARGEST_CELL, _FINE_CELL = 0.95, 0.3
_LEAST_VALUE, _LARGEST_VALUE = 5.0, 9.0
_SIGN_FROM = 0.1
"""Where values do not fit, a printed cell is marked as negative from this share of the limit on."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The measures of one matrix drawing, in inches and points."""

    count: int
    cell: float
    label: float
    """Size of the unit labels, points."""
    turn: int
    """Degrees that the column labels are turned by."""
    left: float
    """Room for the labels of rows."""
    below: float
    """Room for the labels of columns."""

    @property
    def side(self) -> float:
        """Side of the matrix."""
        return self.count * self.cell


def measure(labels: list[str], letters: Lettering, span: float, finest: float = 0.165) -> Grid:
    """Cells as large as `span` inches allow, labels as large as cells do, turned when they are wider than a cell."""
    count = len(labels)
    cell = min(max(span / count, finest), _LARGEST_CELL)
    label = min(10.0, 0.7 * 72 * cell)
    widest = max(letters.width(text, label) for text in labels)
    turn = 0 if widest <= 0.92 * cell else 90
    below = 0.1 + (letters.height(label) if turn == 0 else widest)
    return Grid(count, cell, label, turn, widest + 0.1, below)


@dataclass(frozen=True, slots=True)
class Panel:
    """A matrix (U, U) to be drawn on `axes`: NaN was not computed, zero has the background's colour."""

    sheet: Sheet
    axes: Axes
    matrix: Array
    grid: Grid
    scale: Scale
    diagonal: bool

    def draw(self, columns: list[str], rows: list[str]) -> None:
        """Cells as an image, values where they fit, labels at two sides."""
        count, axes = self.grid.count, self.axes
        shown = np.array(self.matrix)
        np.fill_diagonal(shown, np.nan)
        image = self.scale.image(shown)
        axes.imshow(image, extent=(0, count, count, 0), interpolation="nearest", aspect="auto", gid="cells")
        axes.set_xlim(0, count)
        axes.set_ylim(count, 0)
        rule = self.sheet.line(0.5 if self.grid.cell > _FINE_CELL else 0.3)
        lines = range(count + 1)
        axes.hlines(lines, 0, count, color=self.sheet.theme.line, linewidth=rule, clip_on=False, zorder=1.5)
        axes.vlines(lines, 0, count, color=self.sheet.theme.line, linewidth=rule, clip_on=False, zorder=1.5)
        self._draw_diagonal()
        self._draw_values()
        centres = [k + 0.5 for k in range(count)]
        place = {"rotation": 90, "ha": "center", "va": "top"} if self.grid.turn else {"rotation": 0, "ha": "center"}
        self.sheet.ticks(axes, "x", centres, columns, self.grid.label, **place)
        if rows:
            self.sheet.ticks(axes, "y", centres, rows, self.grid.label)

    def divide(self, sides: list[str]) -> None:
        """A strong line between the units of a text and those of its pair, unless the units were reordered."""
        changes = [k for k in range(1, len(sides)) if sides[k] != sides[k - 1]]
        if len(changes) == 1:
            for line in (self.axes.axhline, self.axes.axvline):
                line(changes[0], color=self.sheet.theme.ink, linewidth=self.sheet.line(1.2), zorder=2.5)

    def _draw_diagonal(self) -> None:
        """Grey hatched cells: a unit's own entry is no interaction, so it has no colour of the scale."""
        theme = self.sheet.theme
        for k in range(self.grid.count):
            cell = Rectangle((k, k), 1, 1, facecolor=theme.apart, edgecolor=theme.line, linewidth=0, hatch="////")
            cell.set(gid="diagonal", zorder=1.2, hatch_linewidth=self.sheet.line(0.5))
            self.axes.add_patch(cell)

    def _draw_values(self) -> None:
        """Every value when the widest one fits its cell at a legible size; else, for print, the minus signs alone."""
        places = [(int(u), int(v)) for u, v in np.argwhere(~np.isnan(self.matrix)) if self.diagonal or u != v]
        size = self._value_size([float(self.matrix[place]) for place in places])
        for u, v in places:
            text, colour = self._written(float(self.matrix[u, v]), own=u == v, values=size is not None)
            if not text:
                continue
            points = size or min(7.0, 0.6 * 72 * self.grid.cell)
            artist = self.sheet.text(self.axes, v + 0.5, u + 0.5, text, points, ha="center", va="center", color=colour)
            artist.set(gid=f"value {u} {v}", zorder=2)
            if u == v:  # letters stay legible on the hatching
                background = {"facecolor": self.sheet.theme.apart, "linewidth": 0, "pad": 1.5 * self.sheet.scale}
                artist.set_bbox(background)

    def _written(self, value: float, *, own: bool, values: bool) -> tuple[str, str]:
        """What stands in a cell, its value or for print its minus sign, and the ink."""
        if values:
            text = self.scale.label(value)
            muted = own or text == self.scale.label(0.0)
            return text, self.sheet.theme.muted if muted else self.scale.ink(value)
        negative = self.sheet.theme.signs and not own and value < -_SIGN_FROM * self.scale.limit
        return MINUS if negative else "", self.scale.ink(value)

    def _value_size(self, values: list[float]) -> float | None:
        """Points at which every value fits, None where that is not legible."""
        if not values:
            return None
        letters = self.sheet.letters
        largest = min(_LARGEST_VALUE, 0.42 * 72 * self.grid.cell)
        widest = max(letters.width(text, largest) for text in {self.scale.label(value) for value in values})
        room = 0.84 * self.grid.cell
        size = min(largest, largest * room / widest)
        return size if size >= _LEAST_VALUE else None


def bar_width(scale: Scale, letters: Lettering) -> float:
    """Inches that the colour bar takes to the right of a matrix, gap, numbers and label included."""
    return BAR_GAP + BAR + 0.08 + _widest(scale, letters) + 0.06 + letters.height(NOTE)


def draw_bar(sheet: Sheet, corner: tuple[float, float], height: float, scale: Scale, of: str) -> None:
    """The colour bar of interactions, named `of` what f is; its lower left corner is at body inches `corner`."""
    x, y = corner
    axes = sheet.axes(x, y, BAR, height, "scale")
    limit = scale.limit
    gradient = np.linspace(-1, 1, 257)[:, None]
    axes.imshow(gradient, cmap=scale.map(), aspect="auto", origin="lower", extent=(0, 1, -limit, limit), clim=(-1, 1))
    axes.set_ylim(-limit, limit)
    axes.yaxis.tick_right()
    at = _bar_ticks(scale)
    sheet.ticks(axes, "y", at, [scale.label(value) for value in at], NOTE, length=2.0, pad=2.0)
    for spine in axes.spines.values():
        spine.set(visible=True, color=sheet.theme.line, linewidth=sheet.line(0.6))
    left = sheet.body[0] + x + BAR + 0.08 + _widest(scale, sheet.letters) + 0.05
    of = sheet.letters.legible(of)
    wordings = (f"interaction Γ ({of}){scale.power}", f"Γ ({of}){scale.power}", f"Γ{scale.power}")
    text = next((w for w in wordings if sheet.letters.width(w, NOTE) <= height), wordings[-1])
    artist = sheet.write(text, left, sheet.body[1] + y + height / 2, NOTE, color=sheet.theme.muted)
    artist.set(rotation=90, va="center", ha="left", gid="scale label")


def _widest(scale: Scale, letters: Lettering) -> float:
    return max(letters.width(scale.label(value), NOTE) for value in _bar_ticks(scale))


def _bar_ticks(scale: Scale) -> list[float]:
    return [scale.limit * share for share in (-1.0, -0.5, 0.0, 0.5, 1.0)]
