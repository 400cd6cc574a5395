"""The strongest pairs as bars with their sign."""

from matplotlib.figure import Figure

from ihcli.output.figures import captions
from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.scale import Scale
from ihcli.output.figures.selection import select, strongest
from ihcli.output.figures.sheet import BODY, NOTE, Sheet
from ihcli.output.figures.style import Style, View
from ihcli.results import Explanation
from ihcli.wording import names, number

_TOP, _ROW, _WIDTH = 12, 0.27, 4.2


def draw(explanation: Explanation, style: Style, view: View) -> Figure:
    """The bars of one result, strongest first."""
    chosen = select(explanation, view, matrix=False)
    pairs = strongest(explanation, chosen.units, view.top or _TOP)
    head = captions.heading(explanation, view)
    letters = Lettering.holding([head, *(unit.text for unit in explanation.units)], style.families)
    called = [letters.legible(name) for name in names(explanation.units, 20)]
    labels = [f"{called[i]} · {called[j]}" for i, j, _ in pairs] or ["no interaction"]
    values = [value for *_, value in pairs] or [0.0]
    scale = Scale.of(values, style.theme)
    numbers = [number(value, 3, plus=True) for value in values]
    widest = max(letters.width(text, NOTE) for text in numbers) + 0.1
    left = max(letters.width(text, BODY) for text in labels) + 0.14
    low, high = min(0.0, *values), max(0.0, *values)
    high = high if high > low else 1.0
    inch = (_WIDTH - widest * ((low < 0) + (high > 0))) / (high - low or 1.0)
    height = _ROW * len(values) + 0.05
    sheet = Sheet(
        left + _WIDTH,
        height,
        captions.words(explanation, view, head, _caption(explanation, len(pairs), chosen.notes)),
        style,
        letters,
    )
    sheet.figure.set_label("Integrated Hessians: bars")
    axes = sheet.axes(left, 0, _WIDTH, height, "bars")
    rows = [-float(k) for k in range(len(values))]
    bars = axes.barh(
        rows,
        values,
        height=0.7,
        color=[scale.colour(0.8 * value + 0.2 * scale.limit * (1 if value > 0 else -1)) for value in values],
    )
    axes.axvline(0, color=sheet.theme.muted, linewidth=sheet.line(0.8))
    axes.set_xlim(low - (widest / inch if low < 0 else 0.0), high + (widest / inch if high > 0 else 0.0))
    axes.set_ylim(-len(values) + 0.4, 0.6)
    sheet.ticks(axes, "y", rows, labels, BODY)
    for bar, row, value, text, pair in zip(bars, rows, values, numbers, pairs, strict=False):
        bar.set_gid(f"bar {pair[0]} {pair[1]}")
        shift = 0.05 / inch * (1 if value > 0 else -1)
        artist = sheet.text(
            axes, value + shift, row, text, NOTE, ha="left" if value > 0 else "right", va="center_baseline"
        )
        artist.set(gid=f"value {pair[0]} {pair[1]}", color=sheet.theme.muted)
    return sheet.figure


def _caption(explanation: Explanation, drawn: int, notes: tuple[str, ...]) -> tuple[str, ...]:
    what = captions.drawn(explanation, drawn, "bars, to the right where both together raise f")
    return (*captions.setting(explanation), " ".join([what, *notes]))
