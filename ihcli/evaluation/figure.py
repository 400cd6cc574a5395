"""The table of an evaluation as one figure: a panel a metric, a row a source, dots with their intervals."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ihcli.counting import counted
from ihcli.errors import UsageError
from ihcli.evaluation.measuring import METRICS
from ihcli.evaluation.table import TITLES, EvaluationTable, Source
from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.sheet import BODY, NOTE, Sheet, Words
from ihcli.output.figures.style import Style
from ihcli.wording import number, shorten

_ROW, _PANEL, _GAP, _TITLE, _AXIS, _NAME = 0.22, 2.1, 0.3, 0.26, 0.3, 40
_COLUMNS = 3


def draw(
    table: EvaluationTable, style: Style | None = None, heading: str | None = None, metrics: Sequence[str] | None = None
) -> Figure:
    """The figure of a table, three panels a line.

    Args:
        table: The table; every source is a row of each panel.
        style: Theme, size and fonts.
        heading: The text above; by default how many texts were measured.
        metrics: The panels, in order; all that the table has values of by default.

    Returns:
        The figure; the best dot of a panel is filled, lines are the intervals, zero is drawn where it lies within.

    Raises:
        UsageError: For a metric that the table has no values of, or a table without values.

    """
    style = style or Style()
    panels = list(table.metrics if metrics is None else metrics)
    unknown = [name for name in panels if name not in table.metrics]
    if unknown or not panels:
        message = f"The table has no values of {', '.join(unknown) or 'any metric'}. It has {', '.join(table.metrics)}."
        raise UsageError(message)
    head = heading or f"Explanations held against removal, {_counted(table)}"
    called = [shorten(source.name, _NAME) for source in table.sources]
    titles = [_title(name) for name in panels]
    caption = _caption(table)
    letters = Lettering.holding([head, *called, *titles, *caption], style.families)
    left = max(letters.width(letters.legible(name), BODY) for name in called) + 0.16
    panel = max(_PANEL, *(letters.width(letters.legible(title), BODY, "bold") for title in titles))
    columns = min(_COLUMNS, len(panels))
    line = _TITLE + _ROW * len(table.sources) + _AXIS
    lines = math.ceil(len(panels) / columns)
    height = lines * line + (lines - 1) * _GAP
    width = left + columns * panel + (columns - 1) * _GAP
    sheet = Sheet(width, height, Words(head, caption), style, letters)
    sheet.figure.set_label("Evaluation of explanations")
    for place, (name, title) in enumerate(zip(panels, titles, strict=True)):
        row, column = divmod(place, columns)
        top = height - row * (line + _GAP)
        x = left + column * (panel + _GAP)
        sheet.write(letters.legible(title), sheet.body[0] + x, sheet.body[1] + top, BODY, weight="bold", va="top")
        axes = sheet.axes(x, top - line + _AXIS, panel, _ROW * len(table.sources), name)
        _draw_panel(sheet, axes, table, name)
        shown = [letters.legible(one) for one in called] if column == 0 else [""] * len(called)
        sheet.ticks(axes, "y", [-float(k) for k in range(len(called))], shown, BODY)
    return sheet.figure


def _draw_panel(sheet: Sheet, axes: Axes, table: EvaluationTable, metric: str) -> None:
    best = set(table.best(metric))
    colour = sheet.theme.colours.rgb(0.8)
    low, high = _limits(table, metric)
    axes.set_xlim(low, high)
    axes.set_ylim(-len(table.sources) + 0.5, 0.5)
    for k in range(0, len(table.sources), 2):
        axes.axhspan(-k - 0.5, -k + 0.5, color=sheet.theme.apart, linewidth=0, zorder=0)
    if low < 0 < high:
        axes.axvline(0, color=sheet.theme.muted, linewidth=sheet.line(0.8), zorder=1)
    for k, source in enumerate(table.sources):
        _draw_dot(sheet, axes, table, metric, source, -float(k), filled=source in best, colour=colour)
    at = [low, 0.0, high] if low < 0 < high else [low, high]
    sheet.ticks(axes, "x", at, [number(value, 2) for value in at], NOTE, color=sheet.theme.muted, length=2.0)
    ends = axes.get_xticklabels()
    ends[0].set_horizontalalignment("left")  # so that labels of panels side by side keep apart
    ends[-1].set_horizontalalignment("right")


def _draw_dot(
    sheet: Sheet,
    axes: Axes,
    table: EvaluationTable,
    metric: str,
    source: Source,
    y: float,
    *,
    filled: bool,
    colour: tuple[float, float, float],
) -> None:
    interval = table.interval(source, metric)
    gid = f"{metric} {source.name}"
    if not interval.n:
        artist = sheet.text(axes, sum(axes.get_xlim()) / 2, y, "not measured", NOTE, ha="center", va="center")
        artist.set(gid=f"absent {gid}", color=sheet.theme.muted)
        return
    if not math.isnan(interval.low):
        axes.plot(
            [interval.low, interval.high],
            [y, y],
            color=colour,
            linewidth=sheet.line(1.4),
            gid=f"interval {gid}",
            zorder=2,
            solid_capstyle="butt",
        )
    axes.plot(
        [interval.estimate],
        [y],
        linestyle="none",
        marker="o",
        markersize=sheet.line(5),
        markeredgecolor=colour,
        markerfacecolor=colour if filled else sheet.theme.ground,
        gid=f"dot {gid}",
        zorder=3,
    )


def _limits(table: EvaluationTable, metric: str) -> tuple[float, float]:
    """From the lowest to the highest end of an interval, with a little room."""
    intervals = [table.interval(source, metric) for source in table.sources]
    ends = [end for one in intervals for end in (one.estimate, one.low, one.high) if not math.isnan(end)]
    low, high = min(ends), max(ends)
    room = 0.06 * (high - low) or 0.1 * abs(high) or 0.1
    return low - room, high + room


def _title(metric: str) -> str:
    if metric not in METRICS:
        return TITLES.get(metric, metric)
    return f"{METRICS[metric].title} ({METRICS[metric].better} is better)"


def _counted(table: EvaluationTable) -> str:
    counts = sorted(set(table.texts.values()))
    if len(counts) == 1:
        return counted(counts[0], "text")
    return f"{counts[0]} to {counts[-1]} texts"


def _caption(table: EvaluationTable) -> tuple[str, ...]:
    levels = {cell.interval.level for cell in table.cells}
    level = " and ".join(f"{100 * one:g} %" for one in sorted(levels))
    return (
        f"Dots: the {table.statistic} over texts; lines: {level} bootstrap intervals; filled: the best of a panel.",
        "A text that is too short for a metric has no part in it.",
    )


def alternative_text(table: EvaluationTable) -> str:
    """The figure in words, for its file's metadata."""
    found = []
    for metric in table.metrics:
        best = table.best(metric)
        if best:
            value = number(table.interval(best[0], metric).estimate)
            found.append(f"{_title(metric)}: {' and '.join(source.name for source in best)} ({value})")
    return f"Explanations held against removal, {_counted(table)}. The best by metric: {'; '.join(found) or 'none'}."
