"""What the strongest pairs, the other pairs and the diagonal add to f(x) − f(x′), bar after bar."""

from dataclasses import dataclass
from itertools import accumulate

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ihcli.output.figures import captions
from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.scale import Scale
from ihcli.output.figures.selection import select, strongest
from ihcli.output.figures.sheet import BODY, NOTE, Sheet
from ihcli.output.figures.style import Style, View
from ihcli.results import Explanation
from ihcli.wording import Digits, contributions, digits_together, method_words, names

_TOP, _ROW, _WIDTH = 12, 0.27, 4.2
_FINER = 0.05
"""Numbers are written as finely as if the largest were a twentieth of it, so that small bars do not read as zero."""
_NEGLIGIBLE = 1e-9
"""A remainder below this share of Σ|Γ| is rounding."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One row: what it stands for, what it adds, and where its bar starts."""

    label: str
    value: float
    start: float
    gid: str
    pair: bool
    """Whether it is one pair, or several; else the diagonal, entries not computed, or the sum."""


def draw(explanation: Explanation, style: Style, view: View) -> Figure:
    """The bars of one result, strongest pair first, the sum last."""
    chosen = select(explanation, view, matrix=False)
    pairs = strongest(explanation, chosen.units, view.top or _TOP)
    words = captions.words(
        explanation, view, captions.heading(explanation, view), _reading(explanation, len(pairs), chosen.notes)
    )
    letters = Lettering.holding([*words.texts, *(unit.text for unit in explanation.units)], style.families)
    bars = rows_of(explanation, pairs, letters)
    ends = [edge for bar in bars for edge in (bar.start, bar.start + bar.value)]
    low, high = min(0.0, *ends), max(0.0, *ends)
    [coarse] = digits_together([*ends, *(bar.value for bar in bars)])
    digits = Digits(_FINER * coarse.limit, coarse.exponent)
    numbers = [digits.label(bar.value, plus=True) + digits.power for bar in bars]
    widest = max(letters.width(text, NOTE) for text in numbers) + 0.1
    left = max(letters.width(bar.label, BODY) for bar in bars) + 0.14
    height = _ROW * len(bars) + 0.05
    sheet = Sheet(left + _WIDTH, height, words, style, letters)
    sheet.figure.set_label("Integrated Hessians: bars")
    axes = sheet.axes(left, 0, _WIDTH, height, "bars")
    inch = (_WIDTH - 2 * widest) / ((high - low) or 1.0)
    axes.set_xlim(low - widest / inch, high + widest / inch)
    axes.set_ylim(-len(bars) + 0.4, 0.6)
    _paint(sheet, axes, bars)
    for row, (bar, text) in enumerate(zip(bars, numbers, strict=True)):
        at = bar.start + bar.value + (0.05 if bar.value >= 0 else -0.05) / inch
        side = "left" if bar.value >= 0 else "right"
        artist = sheet.text(axes, at, -row, text, NOTE, ha=side, va="center_baseline", color=sheet.theme.muted)
        background = {"facecolor": sheet.theme.ground, "linewidth": 0, "pad": 0.6 * sheet.scale}
        artist.set(gid=f"value {bar.gid}", bbox=background, zorder=0.8)
    sheet.ticks(axes, "y", [-row for row in range(len(bars))], [bar.label for bar in bars], BODY)
    return sheet.figure


def rows_of(explanation: Explanation, pairs: list[tuple[int, int, float]], letters: Lettering) -> list[Bar]:
    """The rows, each starting where the one before ends; the last is the sum and starts at zero."""
    called = [letters.legible(name) for name in names(explanation.units, 20)]
    sums = contributions(explanation)
    rows = [(f"{called[i]} · {called[j]}", explanation.pair_total * value, f"{i} {j}", True) for i, j, value in pairs]
    others = sum(value != 0 for *_, value in explanation.pairs()) - len(pairs)
    if others:
        label = f"{others} other pair{'s' if others > 1 else ''}"
        rows.append((label, sums.pairs - sum(value for _, value, *_ in rows), "others", True))
    rows.append(("units by themselves", sums.diagonal, "diagonal", False))
    adds_up = method_words(explanation).adds_up
    rest = sums.difference - sums.total
    if adds_up and not sums.complete and abs(rest) > _NEGLIGIBLE * sums.magnitude:
        rows.append(("not computed", rest, "rest", False))
    starts = accumulate((value for _, value, *_ in rows), initial=0.0)
    bars = [Bar(label, value, start, gid, pair) for (label, value, gid, pair), start in zip(rows, starts, strict=False)]
    total = bars[-1].start + bars[-1].value
    return [*bars, Bar("sum ≈ f(x) − f(x′)" if adds_up else "sum", total, 0.0, "sum", pair=False)]


def _paint(sheet: Sheet, axes: Axes, bars: list[Bar]) -> None:
    """Bars of pairs in the colours of the scale, others grey; a thin line leads from each bar to the next."""
    theme = sheet.theme
    scale = Scale.of([bar.value for bar in bars if bar.pair], theme)
    axes.axvline(0, color=theme.muted, linewidth=sheet.line(0.8), zorder=0.5)
    for row, bar in enumerate(bars):
        colour = scale.stroke(bar.value) if bar.pair and bar.value else theme.muted if bar.gid == "sum" else theme.apart
        [patch] = axes.barh([-row], [bar.value], left=[bar.start], height=0.7, color=[colour], linewidth=0)
        if not bar.pair and bar.gid != "sum":
            patch.set(hatch="////", edgecolor=theme.muted, hatch_linewidth=sheet.line(0.5))
        patch.set_gid(f"bar {bar.gid}")
        if row + 1 < len(bars):
            end = bar.start + bar.value
            axes.plot([end, end], [-row - 0.35, -row - 0.65], color=theme.muted, linewidth=sheet.line(0.6))


def _reading(explanation: Explanation, drawn: int, notes: tuple[str, ...]) -> captions.Reading:
    count = captions.count_of_pairs(explanation, drawn)
    words = method_words(explanation)
    what = f"Each bar is what a pair adds ({words.added}) and starts where the one before ends."
    if not drawn:
        return captions.Reading(count, count, notes)
    return captions.Reading(what, f"{count} {what} {words.of_pair}", notes, captions.unit_of_f(explanation))
