"""The matrix as a heatmap, with the units' attributions as bars above their columns."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ihcli.output.figures import captions
from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.panel import BAR_GAP, LABEL_LENGTH, Panel, bar_width, draw_bar, measure
from ihcli.output.figures.scale import Scale
from ihcli.output.figures.selection import Selection, blanked, off_diagonal, select
from ihcli.output.figures.sheet import NOTE, Sheet
from ihcli.output.figures.style import Style, Theme, View
from ihcli.results import Array, Explanation
from ihcli.wording import Digits, method_words, shorten, target

_SPAN, _TALLEST_BAR = 7.0, 4.0
_STRIP, _STRIP_GAP = 0.62, 0.1


def draw(explanation: Explanation, style: Style, view: View) -> Figure:
    """The heatmap of one result."""
    chosen = select(explanation, view)
    matrix = blanked(explanation, chosen.units, view.top)
    ig = explanation.ig[list(chosen.units)]
    exponent = Digits.of([*matrix[~np.isnan(matrix)].tolist(), *ig.tolist()]).exponent
    scale = Scale(Digits.of(off_diagonal(matrix).tolist()).limit, style.theme, exponent)
    bars = Scale(Digits.of(ig.tolist()).limit, style.theme, exponent)
    reading = _reading(explanation, view, chosen, style.theme)
    words = captions.words(explanation, view, captions.heading(explanation, view), reading)
    letters = Lettering.holding(
        [*words.texts, target(explanation), *(unit.text for unit in explanation.units)], style.families
    )
    labels = [letters.legible(shorten(explanation.units[u].text, LABEL_LENGTH)) or "␣" for u in chosen.units]
    grid = measure(labels, letters, _SPAN)
    called = method_words(explanation).short + bars.power
    left = max(grid.left, _strip_width(ig, bars, letters, called))
    height = grid.below + grid.side + _STRIP_GAP + _STRIP
    sheet = Sheet(left + grid.side + bar_width(scale, letters), height, words, style, letters)
    sheet.figure.set_label("Integrated Hessians: heatmap")
    axes = sheet.axes(left, grid.below, grid.side, grid.side, "matrix")
    panel = Panel(sheet, axes, matrix, grid, scale, view.diagonal)
    panel.draw(labels, labels)
    panel.divide([explanation.units[u].side for u in chosen.units])
    strip = sheet.axes(left, grid.below + grid.side + _STRIP_GAP, grid.side, _STRIP, "ig")
    _draw_strip(sheet, strip, ig, bars, called)
    corner = (left + grid.side + BAR_GAP, grid.below)
    draw_bar(sheet, corner, min(grid.side, _TALLEST_BAR), scale, target(explanation))
    return sheet.figure


def _strip_width(ig: Array, scale: Scale, letters: Lettering, called: str) -> float:
    """Width of what stands to the left of the bars."""
    numbers = max(letters.width(scale.label(float(v)), NOTE) for v in (ig.max(), ig.min(), 0.0))
    return letters.width(called, NOTE) + numbers + 0.2


def _draw_strip(sheet: Sheet, axes: Axes, ig: Array, scale: Scale, called: str) -> None:
    """The attribution of each unit as a bar over its column."""
    theme = sheet.theme
    for u, value in enumerate(ig.tolist()):
        bar = axes.bar(u + 0.5, value, width=0.72, color=theme.colours.rgb(0.7 if value > 0 else -0.7), linewidth=0)[0]
        bar.set_gid(f"ig {u}")
    axes.axhline(0, color=theme.muted, linewidth=sheet.line(0.6), zorder=3)
    low, high = min(0.0, float(ig.min())), max(0.0, float(ig.max()))
    span = high - low or 1.0
    axes.set_xlim(0, len(ig))
    axes.set_ylim(low - 0.08 * span, high + 0.08 * span)
    # The label of an extreme near zero would cover the label of zero.
    at = sorted({0.0, *(v for v in (low, high) if abs(v) > 0.3 * span)})
    sheet.ticks(axes, "y", at, [scale.label(v) for v in at], NOTE, color=theme.muted, length=2.0, pad=2.0)
    numbers = max(sheet.letters.width(scale.label(v), NOTE) for v in at)
    place = axes.get_position()
    left = place.x0 - sheet.scale * (numbers + 0.14) / sheet.size[0]
    font = sheet.letters.font(NOTE * sheet.scale)
    label = sheet.figure.text(left, (place.y0 + place.y1) / 2, called, fontproperties=font)
    label.set(ha="right", va="center", color=theme.muted, parse_math=False, gid="strip label")


def _reading(explanation: Explanation, view: View, chosen: Selection, theme: Theme) -> captions.Reading:
    notes = list(chosen.notes)
    if np.isnan(explanation.ih).any() and method_words(explanation).has_pairs:
        notes.append("Grey cells off the diagonal were not computed.")
    if view.top is not None:
        notes.append(f"Only the {view.top} strongest pairs are shown; the others are left blank.")
    if not off_diagonal(explanation.ih).any():
        notes.append(captions.nothing(explanation))
    words = method_words(explanation)
    diagonal = "Grey: units by themselves." if view.diagonal else "The diagonal is hidden."
    bars = f"{words.attributions}, the sum of each column with its diagonal" if words.of_row else words.attributions
    full = (
        f"A cell is the interaction of the units of its row and its column; zero has the background's colour. "
        f"{words.of_pair} {diagonal} Bars: {bars}. {captions.signs(theme)}"
    )
    both = "Both cells of a pair count. " if words.added != words.entry else ""
    short = f"{both}{diagonal} Bars: {'column sums' if words.of_row else words.attributions}."
    return captions.Reading(short, full, notes)
