"""The sentence with arcs: positive interactions above, negative ones below, thicker where stronger."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from ihcli.output.arc_layout import ArcDrawing, ArcValue, Stroke, lay_out_arcs
from ihcli.output.figures import captions
from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.scale import Scale
from ihcli.output.figures.selection import drawn_pairs, select
from ihcli.output.figures.sheet import NOTE, Sheet
from ihcli.output.figures.style import Style, View
from ihcli.output.figures.words import LinePlaces, draw_words
from ihcli.results import Explanation
from ihcli.wording import method_words, number

_SIZE, _TOP = 12.0, 10
_THIN, _THICK = 0.9, 3.6


def draw(explanation: Explanation, style: Style, view: View) -> Figure:
    """The arcs of one result."""
    chosen = select(explanation, view, matrix=False)
    pairs = drawn_pairs(explanation, chosen.units, view, _TOP)
    scale = Scale.of((value for *_, value in pairs), style.theme)
    words = captions.words(
        explanation, view, view.heading or "", _reading(explanation, scale, len(pairs), chosen.notes)
    )
    letters = Lettering.holding([*words.texts, explanation.text, explanation.text_pair or ""], style.families)
    row = letters.height(_SIZE) + 0.06
    drawing = lay_out_arcs(explanation, pairs, letters.at_size(_SIZE), row, lambda v: letters.width(_label(v), NOTE))
    sheet = Sheet(drawing.width, drawing.height, words, style, letters)
    sheet.figure.set_label("Integrated Hessians: arcs")
    axes = sheet.axes(0, 0, drawing.width, drawing.height, "arcs")
    axes.set_xlim(0, drawing.width)
    axes.set_ylim(0, drawing.height)
    draw_words(sheet, axes, explanation, drawing.boxes, LinePlaces(drawing.bottoms, row, _SIZE))
    _paint(sheet, axes, drawing, scale)
    return sheet.figure


def _label(value: float) -> str:
    return number(value, 2, plus=True)


def _paint(sheet: Sheet, axes: Axes, drawing: ArcDrawing, scale: Scale) -> None:
    for stroke in drawing.strokes:
        share = abs(stroke.value) / scale.limit
        patch = PathPatch(_path(stroke), facecolor="none", edgecolor=scale.stroke(stroke.value), clip_on=False)
        patch.set(gid=f"arc {stroke.pair[0]} {stroke.pair[1]}", zorder=1 + share, capstyle="round")
        patch.set(linewidth=sheet.line(_points(share)), linestyle=captions.dashes(stroke.value, sheet.theme))
        axes.add_patch(patch)
    for value in drawing.values:
        _write_value(sheet, axes, value)


def _write_value(sheet: Sheet, axes: Axes, value: ArcValue) -> None:
    artist = sheet.text(axes, value.x, value.y, _label(value.value), NOTE, ha="center", va="center", zorder=4)
    background = {"facecolor": sheet.theme.ground, "linewidth": 0, "pad": 0.8 * sheet.scale}
    artist.set(bbox=background, gid=f"value {value.pair[0]} {value.pair[1]}")


def _path(stroke: Stroke) -> Path:
    """The stroke as a Matplotlib path: a corner and the point after it are a quadratic Bézier curve."""
    curved = {position for corner in stroke.corners for position in (corner, corner + 1)}
    codes = [
        int(Path.MOVETO) if k == 0 else int(Path.CURVE3) if k in curved else int(Path.LINETO)
        for k in range(len(stroke.points))
    ]
    return Path(stroke.points, codes)


def _points(share: float) -> float:
    """Line width of an arc that is `share` of the strongest."""
    return _THIN + (_THICK - _THIN) * share


def _reading(explanation: Explanation, scale: Scale, drawn: int, notes: tuple[str, ...]) -> captions.Reading:
    shading = captions.attribution_ramp(explanation, scale.theme)
    if not drawn:
        return captions.Reading(captions.count_of_pairs(explanation, 0), captions.nothing(explanation), notes, shading)
    words = method_words(explanation)
    return captions.Reading(
        "An arc above: the two units together raise f; below: they lower it.",
        f"{captions.count_of_pairs(explanation, drawn)} An arc above the text: the two units together raise f; below: "
        f"they lower it; the thicker, the stronger. Each arc carries its {words.entry}. {words.of_pair} Words are "
        f"shaded by their attributions ({words.attributions}).",
        notes,
        (*captions.line_samples(explanation, scale, _points), *captions.unit_of_f(explanation), *shading),
    )
