"""The text shaded by Integrated Gradients, each unit underlined in the colour of its strongest interaction."""

import math

from matplotlib.figure import Figure

from ihcli.output.figures import captions
from ihcli.output.figures.flow import Rows, anchors, draw_words, extent, flow
from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.scale import Scale
from ihcli.output.figures.selection import select, strongest
from ihcli.output.figures.sheet import Sheet
from ihcli.output.figures.style import Style, View
from ihcli.results import Explanation
from ihcli.wording import names, shorten

_SIZE, _GAP, _PARTNER = 12.0, 0.12, 6.5
_WIDTH = 7.5
_LEAST_SHARE = 0.05
"""A partner is named from this share of the strongest interaction on: below it there is none to speak of."""


def draw(explanation: Explanation, style: Style, view: View) -> Figure:
    """The shaded text of one result."""
    chosen = select(explanation, view, matrix=False)
    pairs = strongest(explanation, chosen.units, view.top)
    scale = Scale.of((value for *_, value in pairs), style.theme)
    found = partners(pairs, _LEAST_SHARE * scale.limit)
    letters = Lettering.holding([explanation.text, explanation.text_pair or "", view.heading or ""], style.families)
    called = names(explanation.units, 14)
    notes = {u: letters.legible(shorten(called[partner], 18)) for u, (partner, _) in found.items()}
    least = {u: letters.width(note, _PARTNER) + 0.06 for u, note in notes.items()}
    pieces = flow(explanation, letters, size=_SIZE, gap=_GAP, width=_WIDTH, least=least)
    width, lines = extent(pieces)
    row, step = letters.height(_SIZE) + 0.06, letters.height(_SIZE) + letters.height(_PARTNER) + 0.32
    words = captions.words(explanation, view, view.heading or "", _caption(explanation, scale, chosen.notes))
    sheet = Sheet(width, lines * step, words, style, letters)
    sheet.figure.set_label("Integrated Hessians: text")
    axes = sheet.axes(0, 0, width, lines * step, "text")
    axes.set_xlim(0, width)
    axes.set_ylim(0, lines * step)
    rows = Rows([(lines - line) * step - row for line in range(lines)], row, _SIZE)
    draw_words(sheet, axes, explanation, pieces, rows)
    places = anchors(pieces)
    for piece in pieces:
        if piece.unit not in found:
            continue
        partner, value = found[piece.unit]
        y = rows.bottoms[piece.line] - 0.06
        share = abs(value) / scale.limit
        line = axes.plot([piece.x + 0.02, piece.x + piece.width - 0.02], [y, y], color=scale.colour(value))[0]
        line.set(linewidth=sheet.line(1.2 + 2.4 * share), gid=f"underline {piece.unit} {partner}", clip_on=False)
        line.set_linestyle((0, (2, 1)) if style.theme.signs and value < 0 else "solid")
        if places[piece.unit] is piece:
            note = sheet.letters.fit(notes[piece.unit], _PARTNER, max(piece.width, 0.3))
            artist = sheet.text(axes, piece.middle, y - 0.05, note, _PARTNER, ha="center", va="top")
            artist.set(color=sheet.theme.muted, gid=f"partner {piece.unit}")
    return sheet.figure


def partners(pairs: list[tuple[int, int, float]], least: float) -> dict[int, tuple[int, float]]:
    """For each unit its strongest partner and Γ, from the strongest pair down; what is below `least` is left out."""
    found: dict[int, tuple[int, float]] = {}
    for i, j, value in pairs:
        if math.fabs(value) >= least:
            found.setdefault(i, (j, value))
            found.setdefault(j, (i, value))
    return found


def _caption(explanation: Explanation, scale: Scale, notes: tuple[str, ...]) -> tuple[str, ...]:
    reading = [f"Words are shaded by Integrated Gradients, {captions.full_colour(explanation.ig)}."]
    if any(value for *_, value in explanation.pairs()):
        end = f"±{scale.label(scale.limit)}{scale.power}"
        reading.append(
            f"The line under a unit is its strongest interaction (full colour at {end}); below it, the partner."
        )
        reading.append("Broken lines are negative." if scale.theme.signs else "")
        reading.append(f"Interactions under {100 * _LEAST_SHARE:.0f} % of that are left out.")
    else:
        reading.append(captions.nothing(explanation))
    return (*captions.setting(explanation), " ".join(part for part in (*reading, *notes) if part))
