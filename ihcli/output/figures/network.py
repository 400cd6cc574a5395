"""A text as a circle: units in reading order, clockwise from the top, the strongest pairs joined by lines."""

import math
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from ihcli.output.figures import captions
from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.scale import Scale
from ihcli.output.figures.selection import drawn_pairs, select
from ihcli.output.figures.sheet import Sheet
from ihcli.output.figures.style import Style, View
from ihcli.results import Explanation
from ihcli.wording import method_words, shorten

_TOP, _LABEL = 24, 8.5
_PITCH, _LEAST_RADIUS, _OUT = 0.17, 1.25, 0.16
_THIN, _THICK = 0.7, 4.2
_UPRIGHT = 16
"""Labels are upright on circles of up to so many units; on others they point away from the centre."""
_STEEP = 0.25
"""Upright labels with |cos| below this, near the top and the bottom, are centred."""
_HALF_LINE = 0.12

Pair = tuple[int, int, float]


@dataclass(frozen=True, slots=True)
class Label:
    """One unit on the circle: its name and its direction from the centre, in radians."""

    unit: int
    text: str
    angle: float
    upright: bool
    width: float

    @property
    def direction(self) -> tuple[float, float]:
        """Unit vector from the centre."""
        return math.cos(self.angle), math.sin(self.angle)

    def at(self, radius: float) -> tuple[float, float]:
        """The point on a circle of that radius."""
        return radius * self.direction[0], radius * self.direction[1]

    @property
    def alignment(self) -> str:
        """How the letters are aligned with their point."""
        if self.upright and abs(self.direction[0]) <= _STEEP:
            return "center"
        return "right" if self.direction[0] < 0 else "left"

    @property
    def rotation(self) -> float:
        """Degrees that the letters are turned by."""
        return 0.0 if self.upright else math.degrees(self.angle) + (180 if self.alignment == "right" else 0)

    def corners(self, radius: float) -> list[tuple[float, float]]:
        """Two points that enclose the letters."""
        x, y = self.at(radius + _OUT)
        if not self.upright:
            far = self.at(radius + _OUT + self.width)
            spread = [math.copysign(_HALF_LINE, part) for part in self.direction]
            return [(x, y), (far[0] + spread[0], far[1] + spread[1])]
        left = {"center": self.width / 2, "right": self.width, "left": 0.0}[self.alignment]
        return [(x - left, y - _HALF_LINE), (x - left + self.width, y + _HALF_LINE)]


def draw(explanation: Explanation, style: Style, view: View) -> Figure:
    """The network of one result."""
    chosen = select(explanation, view)
    pairs = drawn_pairs(explanation, chosen.units, view, min(_TOP, 2 * len(chosen.units)))
    scale = Scale.of((value for *_, value in pairs), style.theme)
    reading = _reading(explanation, scale, len(pairs), chosen.notes)
    words = captions.words(explanation, view, captions.heading(explanation, view), reading)
    letters = Lettering.holding([*words.texts, *(unit.text for unit in explanation.units)], style.families)
    radius = max(_LEAST_RADIUS, _PITCH * len(chosen.units) / math.tau)
    labels = _place(explanation, chosen.units, letters)
    points = [corner for label in labels for corner in label.corners(radius)] + [(-radius, -radius), (radius, radius)]
    low, high = (tuple(limit(p[k] for p in points) for k in (0, 1)) for limit in (min, max))
    width, height = high[0] - low[0], high[1] - low[1]
    sheet = Sheet(width, height, words, style, letters)
    sheet.figure.set_label("Integrated Hessians: network")
    axes = sheet.axes(0, 0, width, height, "network")
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    _draw_lines(sheet, axes, pairs, {label.unit: label.at(radius) for label in labels}, scale)
    _draw_labels(sheet, axes, explanation, labels, radius, {u for i, j, _ in pairs for u in (i, j)})
    return sheet.figure


def _place(explanation: Explanation, units: tuple[int, ...], letters: Lettering) -> list[Label]:
    """Units around the circle, clockwise from the top; two units stand beside each other."""
    labels = []
    first = 0.5 if len(units) > 2 else 1.5  # noqa: PLR2004  (two)
    for k, unit in enumerate(units):
        text = letters.legible(shorten(explanation.units[unit].text, 18)) or "␣"
        angle = math.pi / 2 - math.tau * (k + first) / len(units)
        labels.append(Label(unit, text, angle, len(units) <= _UPRIGHT, letters.width(text, _LABEL)))
    return labels


def _draw_lines(
    sheet: Sheet, axes: Axes, pairs: list[Pair], places: dict[int, tuple[float, float]], scale: Scale
) -> None:
    """One curve a pair, the strongest on top."""
    for i, j, value in reversed(pairs):
        (x1, y1), (x2, y2) = places[i], places[j]
        # Lines between neighbours are bent towards the centre a little, lines between opposite units pass through it.
        pull = 0.35 + 0.65 * math.dist(places[i], places[j]) / (2 * math.hypot(x1, y1))
        middle = ((x1 + x2) / 2 * (1 - pull), (y1 + y2) / 2 * (1 - pull))
        path = Path([places[i], middle, places[j]], [int(Path.MOVETO), int(Path.CURVE3), int(Path.CURVE3)])
        share = abs(value) / scale.limit
        line = PathPatch(path, facecolor="none", edgecolor=scale.stroke(value), linewidth=sheet.line(_points(share)))
        line.set(gid=f"edge {i} {j}", zorder=1 + share, linestyle=captions.dashes(value, scale.theme), capstyle="butt")
        axes.add_patch(line)


def _draw_labels(
    sheet: Sheet, axes: Axes, explanation: Explanation, labels: list[Label], radius: float, joined: set[int]
) -> None:
    """A dot for each unit, coloured and sized by its attribution, and its name outside the circle."""
    ig = Scale.of(explanation.ig.tolist(), sheet.theme)
    for label in labels:
        value = float(explanation.ig[label.unit])
        area = sheet.scale**2 * (16 + 64 * abs(value) / ig.limit)
        (x, y), (outer_x, outer_y) = label.at(radius), label.at(radius + _OUT)
        dot = axes.scatter([x], [y], s=area, color=[ig.colour(value)], zorder=3)
        dot.set(edgecolor=sheet.theme.muted, linewidth=sheet.line(0.6), gid=f"node {label.unit}")
        artist = sheet.text(axes, outer_x, outer_y, label.text, _LABEL, va="center", ha=label.alignment)
        artist.set(gid=f"unit {label.unit}", color=sheet.theme.ink if label.unit in joined else sheet.theme.muted)
        artist.set(rotation=label.rotation, rotation_mode="anchor")


def _points(share: float) -> float:
    """Width of a line whose pair is `share` of the strongest."""
    return _THIN + (_THICK - _THIN) * share


def _reading(explanation: Explanation, scale: Scale, drawn: int, notes: tuple[str, ...]) -> captions.Reading:
    count = captions.count_of_pairs(explanation, drawn)
    dots = captions.attribution_ramp(explanation, scale.theme)
    if not drawn:
        return captions.Reading(count, count, notes, dots)
    words = method_words(explanation)
    order = "Units clockwise from the top."
    return captions.Reading(
        f"{count} {order}",
        f"{count} {order} Lines: interactions, the thicker, the stronger. {words.of_pair} Dots: {words.attributions}.",
        notes,
        (*captions.line_samples(explanation, scale, _points), *dots, *captions.unit_of_f(explanation)),
    )
