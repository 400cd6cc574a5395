"""A summary as one figure: the strongest pairs by predicted label, the most interacting words, what negation turns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ihcli.corpus.summary import ALL, Negation, Summary
from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.scale import Scale
from ihcli.output.figures.sheet import BODY, NOTE, Sheet, Words
from ihcli.output.figures.style import Style
from ihcli.wording import number, shorten

ROWS = 12
_ROW, _BARS, _GAP, _TITLE, _NAME = 0.25, 3.0, 0.35, 0.3, 28
_MOST_LABELS = 3


@dataclass(frozen=True, slots=True)
class _Bar:
    """One row of a panel: its name, its length, what colours it, and what is said at its end."""

    name: str
    length: float
    tint: float
    note: str


def draw(summary: Summary, style: Style | None = None, heading: str | None = None) -> Figure:
    """The figure of a summary; panels with the 12 strongest rows of each table."""
    style = style or Style()
    bars = _panels(summary)
    turns = [n for n in summary.negations if n.prediction == ALL and n.ig_elsewhere is not None][:ROWS]
    titles = [*bars, *(["Attribution of a word: elsewhere ○, after a negation ●"] if turns else [])]
    head = heading or f"{summary.explained} texts"
    called = [row.name for rows in bars.values() for row in rows] + [_called(n) for n in turns]
    letters = Lettering.holding([head, *called, *titles, *summary.predictions], style.families)
    left = max((letters.width(letters.legible(name), BODY) for name in called), default=0.5) + 0.14
    right = max((letters.width(row.note, NOTE) for rows in bars.values() for row in rows), default=0.3) + 0.12
    column = left + _BARS + right
    heights = [_TITLE + _ROW * len(rows) + 0.05 for rows in bars.values()]
    heights += [_TITLE + _ROW * len(turns) + 0.3] if turns else []
    lines = [max(heights[k : k + 2]) for k in range(0, len(heights), 2)]
    body = sum(lines) + _GAP * (len(lines) - 1)
    columns = min(2, len(heights))
    words = Words(head, _caption(summary), None)
    sheet = Sheet(columns * column + (columns - 1) * _GAP, body, words, style, letters)
    sheet.figure.set_label("Integrated Hessians of a corpus")
    for place, title in enumerate(titles):
        line, side = divmod(place, 2)
        top = body - sum(lines[:line]) - _GAP * line
        x = side * (column + _GAP)
        sheet.write(letters.legible(title), sheet.body[0] + x, sheet.body[1] + top, BODY, weight="bold", va="top")
        count = len(bars[title]) if title in bars else len(turns)
        axes = sheet.axes(x + left, top - _TITLE - _ROW * count, _BARS, _ROW * count, title)
        if title in bars:
            _draw_bars(sheet, axes, bars[title])
        else:
            _draw_turns(sheet, axes, turns)
    return sheet.figure


def _panels(summary: Summary) -> dict[str, list[_Bar]]:
    by_label = 1 < len(summary.predictions) <= _MOST_LABELS
    found = {}
    for label in summary.labels[1:] if by_label else [ALL]:
        rows = [pair for pair in summary.pairs if pair.prediction == label][:ROWS]
        title = "Strongest pairs" + ("" if label == ALL else f" where {label} is predicted")
        found[title] = [
            _Bar(" · ".join(shorten(word, _NAME // 2) for word in p.words), p.magnitude, p.mean, _note(p.count, p.mean))
            for p in rows
        ]
    words = [word for word in summary.words if word.prediction == ALL][:ROWS]
    found["Most interacting words"] = [
        _Bar(shorten(w.word, _NAME), w.magnitude, w.ig, _note(w.count, w.ig)) for w in words
    ]
    return {title: rows for title, rows in found.items() if rows}


def _note(count: int, mean: float) -> str:
    return f"{number(mean, 2, plus=True)} × {count}"


def _called(negation: Negation) -> str:
    return f"{shorten(negation.negator, _NAME // 2)} … {shorten(negation.word, _NAME // 2)}"


def _draw_bars(sheet: Sheet, axes: Axes, rows: Sequence[_Bar]) -> None:
    scale = Scale.of([row.tint for row in rows], sheet.theme)
    at = [-float(k) for k in range(len(rows))]
    longest = max(row.length for row in rows) or 1.0
    drawn = axes.barh(
        at,
        [row.length for row in rows],
        height=0.7,
        color=[scale.colour(0.8 * row.tint + 0.2 * scale.limit * (1 if row.tint > 0 else -1)) for row in rows],
    )
    axes.set_xlim(0, longest)
    axes.set_ylim(-len(rows) + 0.5, 0.5)
    sheet.ticks(axes, "y", at, [sheet.letters.legible(row.name) for row in rows], BODY)
    for k, (bar, row) in enumerate(zip(drawn, rows, strict=True)):
        bar.set_gid(f"bar {k}")
        artist = sheet.text(axes, row.length + 0.06 * longest / _BARS, at[k], row.note, NOTE, va="center_baseline")
        artist.set(gid=f"note {k}", color=sheet.theme.muted)


def _draw_turns(sheet: Sheet, axes: Axes, rows: Sequence[Negation]) -> None:
    """A line from the mean attribution elsewhere to that after the negator; zero is where the sign turns."""
    colours, line = sheet.theme.colours, sheet.line
    values = [value for row in rows for value in (row.ig, row.ig_elsewhere or 0.0)]
    low, high = min(0.0, *values), max(0.0, *values)
    room = 0.06 * (high - low or 1.0)
    axes.set_xlim(low - room, high + room)
    axes.set_ylim(-len(rows) + 0.5, 0.5)
    axes.axvline(0, color=sheet.theme.muted, linewidth=line(0.8), zorder=0.5)
    for k, row in enumerate(rows):
        elsewhere = row.ig_elsewhere or 0.0
        colour = colours.rgb(0.8 if row.ig > 0 else -0.8)
        style: dict[str, Any] = {"linestyle": "none", "marker": "o", "markeredgecolor": colour, "markersize": line(5)}
        axes.plot([elsewhere, row.ig], [-k, -k], color=colour, linewidth=line(1.4), gid=f"turn {k}", zorder=1)
        axes.plot([elsewhere], [-k], markerfacecolor=sheet.theme.ground, gid=f"elsewhere {k}", zorder=2, **style)
        axes.plot([row.ig], [-k], markerfacecolor=colour, gid=f"after {k}", zorder=3, **style)
    sheet.ticks(
        axes, "y", [-float(k) for k in range(len(rows))], [sheet.letters.legible(_called(r)) for r in rows], BODY
    )
    at = [low, 0.0, high] if low < 0 < high else [low, high]
    sheet.ticks(axes, "x", at, [number(v, 2, plus=True) for v in at], NOTE, color=sheet.theme.muted, length=2.0)


def _caption(summary: Summary) -> tuple[str, ...]:
    towards = "the label that each text's f explains" if summary.towards is None else summary.towards
    missed = f", {summary.not_converged} of them not to their tolerance" if summary.not_converged else ""
    failed = f"; {summary.failed} failed" if summary.failed else ""
    return (
        f"{summary.explained} texts explained{missed}{failed}. Positive numbers speak for {towards}.",
        (
            "Bars: the sum of |Γ| over all occurrences; colour and number: the mean (Γ of pairs, attribution "
            "of words) × occurrences."
        ),
    )


def alternative_text(summary: Summary) -> str:
    """The figure in words, for its file's metadata."""
    pairs = [pair for pair in summary.pairs if pair.prediction == ALL][:3]
    listed = "; ".join(f"{' and '.join(p.words)} ({p.count} times, mean {number(p.mean, plus=True)})" for p in pairs)
    return f"Interactions over {summary.explained} texts. The strongest pairs: {listed or 'none'}."
