"""The text shaded by its attributions, each unit underlined in the colour of its strongest interaction."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ihcli.output.figures import captions
from ihcli.output.figures.legend import LegendItem, Note
from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.scale import Scale
from ihcli.output.figures.selection import select, strongest
from ihcli.output.figures.sheet import Sheet
from ihcli.output.figures.style import Style, View
from ihcli.output.figures.words import LinePlaces, draw_words
from ihcli.output.word_layout import WordBox, extent, set_in_lines, widest_boxes
from ihcli.results import Explanation
from ihcli.wording import method_words, names, shorten

_SIZE, _GAP, _PARTNER = 12.0, 0.12, 6.5
_WIDTH = 7.5
_LEAST_SHARE = 0.05
"""Interactions below this share of the strongest are not drawn."""


def draw(explanation: Explanation, style: Style, view: View) -> Figure:
    """The shaded text of one result."""
    chosen = select(explanation, view, matrix=False)
    pairs = strongest(explanation, chosen.units, view.top)
    scale = Scale.of((value for *_, value in pairs), style.theme)
    partners = strongest_partners(pairs, _LEAST_SHARE * scale.limit)
    words = captions.words(explanation, view, view.heading or "", _reading(explanation, scale, chosen.notes))
    letters = Lettering.holding([*words.texts, explanation.text, explanation.text_pair or ""], style.families)
    called = names(explanation.units, 14)
    notes = {u: letters.legible(shorten(called[partner], 18)) for u, (partner, _) in partners.items()}
    least = {u: letters.width(note, _PARTNER) + 0.06 for u, note in notes.items()}
    boxes = set_in_lines(explanation, letters.at_size(_SIZE), _WIDTH, _GAP, least)
    width, lines = extent(boxes)
    row = letters.height(_SIZE) + 0.06
    step = letters.height(_SIZE) + letters.height(_PARTNER) + 0.32
    sheet = Sheet(width, lines * step, words, style, letters)
    sheet.figure.set_label("Integrated Hessians: text")
    axes = sheet.axes(0, 0, width, lines * step, "text")
    axes.set_xlim(0, width)
    axes.set_ylim(0, lines * step)
    places = LinePlaces([(lines - line) * step - row for line in range(lines)], row, _SIZE)
    draw_words(sheet, axes, explanation, boxes, places)
    named = widest_boxes(boxes)
    for box in boxes:
        if box.unit in partners:
            y = places.bottoms[box.line] - 0.06
            _underline(sheet, axes, box, y, partners[box.unit], scale)
            if named[box.unit] is box:
                note = sheet.letters.fit(notes[box.unit], _PARTNER, max(box.width, 0.3))
                artist = sheet.text(axes, box.middle, y - 0.05, note, _PARTNER, ha="center", va="top")
                artist.set(color=sheet.theme.muted, gid=f"partner {box.unit}")
    return sheet.figure


def strongest_partners(pairs: list[tuple[int, int, float]], least: float) -> dict[int, tuple[int, float]]:
    """For each unit its strongest partner and their Γ, at least `least` large; `pairs` are sorted, strongest first."""
    partners: dict[int, tuple[int, float]] = {}
    for i, j, value in pairs:
        if abs(value) >= least:
            partners.setdefault(i, (j, value))
            partners.setdefault(j, (i, value))
    return partners


def _underline(sheet: Sheet, axes: Axes, box: WordBox, y: float, partner: tuple[int, float], scale: Scale) -> None:
    unit, value = partner
    [line] = axes.plot([box.x + 0.02, box.x + box.width - 0.02], [y, y], color=scale.stroke(value))
    line.set(linewidth=sheet.line(_points(abs(value) / scale.limit)), gid=f"underline {box.unit} {unit}", clip_on=False)
    line.set_linestyle(captions.dashes(value, scale.theme))


def _points(share: float) -> float:
    """Width of the line under a unit whose strongest interaction is `share` of the largest."""
    return 1.2 + 2.4 * share


def _reading(explanation: Explanation, scale: Scale, notes: tuple[str, ...]) -> captions.Reading:
    legend: tuple[LegendItem, ...] = captions.attribution_ramp(explanation, scale.theme)
    shaded = f"Words are shaded by their attributions ({method_words(explanation).attributions})."
    if not any(value for *_, value in explanation.pairs()):
        return captions.Reading(
            captions.nothing(explanation), f"{shaded} {captions.nothing(explanation)}", notes, legend
        )
    legend = (
        *legend,
        *captions.line_samples(explanation, scale, _points),
        Note("under a unit: its strongest interaction, with whom"),
    )
    least = f"Interactions under {100 * _LEAST_SHARE:.0f} % of the strongest are not drawn."
    return captions.Reading(
        f"Shading: attribution. Line: the strongest interaction of the unit, from {100 * _LEAST_SHARE:.0f} % on.",
        f"{shaded} The line under a unit is its strongest interaction, named below it. {least}",
        notes,
        legend,
    )
