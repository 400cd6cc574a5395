"""A long text as a circle: units in reading order, clockwise from the top, joined where they interact most."""

import math

from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from ihcli.output.figures import captions
from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.scale import Scale
from ihcli.output.figures.selection import select, telling
from ihcli.output.figures.sheet import Sheet
from ihcli.output.figures.style import Style, Theme, View
from ihcli.results import Explanation
from ihcli.wording import shorten

_TOP, _LABEL = 24, 8.5
_PITCH, _LEAST_RADIUS, _OUT = 0.17, 1.25, 0.16
_THIN, _THICK = 0.7, 4.2
_UPRIGHT, _STEEP = 16, 0.25
"""Labels are upright on circles of up to so many units; near the top and bottom they stand centred."""


def draw(explanation: Explanation, style: Style, view: View) -> Figure:
    """The network of one result."""
    chosen = select(explanation, view)
    units = chosen.units
    pairs = telling(explanation, units, view, min(_TOP, 2 * len(units)))
    head = captions.heading(explanation, view)
    letters = Lettering.holding([head, *(unit.text for unit in explanation.units)], style.families)
    labels = [letters.legible(shorten(explanation.units[u].text, 18)) or "␣" for u in units]
    radius = max(_LEAST_RADIUS, _PITCH * len(units) / math.tau)
    first = 0.5 if len(units) > 2 else 1.5  # noqa: PLR2004  (two units stand in the order of reading)
    turn = {u: math.pi / 2 - math.tau * (k + first) / len(units) for k, u in enumerate(units)}
    low, high = _extent([turn[u] for u in units], [letters.width(text, _LABEL) for text in labels], radius)
    width, height = high[0] - low[0], high[1] - low[1]
    words = captions.words(explanation, view, head, _caption(explanation, style.theme, len(pairs), chosen.notes))
    sheet = Sheet(width, height, words, style, letters)
    sheet.figure.set_label("Integrated Hessians: network")
    axes = sheet.axes(0, 0, width, height, "network")
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    scale = Scale.of((value for *_, value in pairs), style.theme)
    ig = Scale.of(explanation.ig.tolist(), style.theme)
    for i, j, value in reversed(pairs):
        share = abs(value) / scale.limit
        ends = [(radius * math.cos(turn[u]), radius * math.sin(turn[u])) for u in (i, j)]
        # Neighbours bend a little towards the centre, opposite units go straight through it.
        pull = 0.35 + 0.65 * abs(math.sin((turn[i] - turn[j]) / 2))
        middle = tuple((a + b) / 2 * (1 - pull) for a, b in zip(*ends, strict=True))
        path = Path([ends[0], (middle[0], middle[1]), ends[1]], [int(Path.MOVETO), int(Path.CURVE3), int(Path.CURVE3)])
        colour = scale.stroke(value)
        dashes = (0, (4, 1.5)) if style.theme.signs and value < 0 else "solid"
        line = PathPatch(
            path, facecolor="none", edgecolor=colour, linewidth=sheet.line(_THIN + (_THICK - _THIN) * share)
        )
        line.set(gid=f"edge {i} {j}", zorder=1 + share, linestyle=dashes, capstyle="butt")
        axes.add_patch(line)
    joined = {u for i, j, _ in pairs for u in (i, j)}
    for u, text in zip(units, labels, strict=True):
        x, y = math.cos(turn[u]), math.sin(turn[u])
        value = float(explanation.ig[u])
        area = sheet.scale**2 * (16 + 64 * abs(value) / ig.limit)
        dot = axes.scatter([radius * x], [radius * y], s=area, color=[ig.colour(value)], zorder=3)
        dot.set(edgecolor=style.theme.muted, linewidth=sheet.line(0.6), gid=f"node {u}")
        artist = sheet.text(axes, (radius + _OUT) * x, (radius + _OUT) * y, text, _LABEL, va="center")
        artist.set(gid=f"unit {u}", color=style.theme.ink if u in joined else style.theme.muted)
        side = "right" if x < 0 else "left"
        if len(units) > _UPRIGHT:
            degrees = math.degrees(turn[u]) + (180 if side == "right" else 0)
            artist.set(rotation=degrees, rotation_mode="anchor", ha=side)
        else:
            artist.set(ha=side if abs(x) > _STEEP else "center")
    return sheet.figure


def _extent(turns: list[float], widths: list[float], radius: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Lower left and upper right corner of circle and labels, in inches from the centre."""
    upright = len(turns) <= _UPRIGHT
    line = 0.12
    x, y = [-radius, radius], []
    for turn, width in zip(turns, widths, strict=True):
        cosine, sine = math.cos(turn), math.sin(turn)
        out = radius + _OUT
        if upright:
            side = 0.0 if abs(cosine) <= _STEEP else math.copysign(width, cosine)
            x += [
                out * cosine + side,
                out * cosine - (width / 2 if side == 0 else 0),
                out * cosine + width / 2 * (not side),
            ]
            y += [out * sine - line, out * sine + line]
        else:
            x.append((out + width) * cosine + math.copysign(line, cosine))
            y.append((out + width) * sine + math.copysign(line, sine))
    return (min(x), min(y)), (max(x), max(y))


def _caption(explanation: Explanation, theme: Theme, drawn: int, notes: tuple[str, ...]) -> tuple[str, ...]:
    lines = "lines, warm where both together raise f, cold where they lower it, wider where stronger"
    dots = f"Dots: Integrated Gradients, {captions.full_colour(explanation.ig)}. Read clockwise from the top."
    lines += ", broken where negative" if theme.signs else ""
    return (*captions.setting(explanation), " ".join([captions.drawn(explanation, drawn, lines), dots, *notes]))
