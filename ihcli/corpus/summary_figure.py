"""A summary as one figure: the strongest pairs, the most interacting words, and words after a negation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ihcli.corpus.summary import NegationSummary, Summary
from ihcli.corpus.summary_counts import ALL
from ihcli.counting import counted
from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.scale import Scale
from ihcli.output.figures.sheet import BODY, NOTE, Sheet, Words
from ihcli.output.figures.style import Style
from ihcli.wording import number, shorten

ROWS = 12
"""Rows of each panel."""
_ROW, _BARS, _GAP, _TITLE, _NAME = 0.25, 3.0, 0.35, 0.3, 28
_MOST_LABELS = 3


@dataclass(frozen=True, slots=True)
class _SummaryBar:
    """One bar: its name, its length, the value that colours it, and the note at its end."""

    name: str
    length: float
    value: float
    note: str


@dataclass(frozen=True, slots=True)
class _BarPanel:
    """Bars for the rows of one table."""

    title: str
    bars: Sequence[_SummaryBar]
    axis = 0.05
    """Inches below the rows."""

    @property
    def names(self) -> list[str]:
        return [bar.name for bar in self.bars]

    @property
    def notes(self) -> list[str]:
        return [bar.note for bar in self.bars]

    def draw(self, sheet: Sheet, axes: Axes) -> None:
        scale = Scale.of([bar.value for bar in self.bars], sheet.theme)
        positions = [-float(k) for k in range(len(self.bars))]
        longest = max(bar.length for bar in self.bars) or 1.0
        # The palest bar has a fifth of the full colour, so that it is seen.
        colours = [scale.colour(0.8 * bar.value + (0.2 if bar.value > 0 else -0.2) * scale.limit) for bar in self.bars]
        artists = axes.barh(positions, [bar.length for bar in self.bars], height=0.7, color=colours)
        axes.set_xlim(0, longest)
        axes.set_ylim(-len(self.bars) + 0.5, 0.5)
        sheet.ticks(axes, "y", positions, [sheet.letters.legible(name) for name in self.names], BODY)
        for k, (artist, bar) in enumerate(zip(artists, self.bars, strict=True)):
            artist.set_gid(f"bar {k}")
            x = bar.length + 0.06 * longest / _BARS
            note = sheet.text(axes, x, positions[k], bar.note, NOTE, va="center_baseline")
            note.set(gid=f"note {k}", color=sheet.theme.muted)


@dataclass(frozen=True, slots=True)
class _NegationPanel:
    """For each word a line from its mean attribution elsewhere to that after a negator, with zero marked."""

    rows: Sequence[NegationSummary]
    title = "Attribution of a word: elsewhere ○, after a negation ●"
    axis = 0.3
    notes = ()

    @property
    def names(self) -> list[str]:
        return [f"{shorten(r.negator, _NAME // 2)} … {shorten(r.word, _NAME // 2)}" for r in self.rows]

    def draw(self, sheet: Sheet, axes: Axes) -> None:
        line = sheet.line
        values = [value for row in self.rows for value in (row.ig, row.ig_elsewhere or 0.0)]
        low, high = min(0.0, *values), max(0.0, *values)
        margin = 0.06 * (high - low or 1.0)
        axes.set_xlim(low - margin, high + margin)
        axes.set_ylim(-len(self.rows) + 0.5, 0.5)
        axes.axvline(0, color=sheet.theme.muted, linewidth=line(0.8), zorder=0.5)
        for k, row in enumerate(self.rows):
            elsewhere = row.ig_elsewhere or 0.0
            colour = sheet.theme.colours.rgb(0.8 if row.ig > 0 else -0.8)
            marker: dict[str, Any] = {
                "linestyle": "none", "marker": "o", "markeredgecolor": colour, "markersize": line(5),
            }  # fmt: skip
            axes.plot([elsewhere, row.ig], [-k, -k], color=colour, linewidth=line(1.4), gid=f"turn {k}", zorder=1)
            axes.plot([elsewhere], [-k], markerfacecolor=sheet.theme.ground, gid=f"elsewhere {k}", zorder=2, **marker)
            axes.plot([row.ig], [-k], markerfacecolor=colour, gid=f"after {k}", zorder=3, **marker)
        positions = [-float(k) for k in range(len(self.rows))]
        sheet.ticks(axes, "y", positions, [sheet.letters.legible(name) for name in self.names], BODY)
        marks = [low, 0.0, high] if low < 0 < high else [low, high]
        labels = [number(v, 2, plus=True) for v in marks]
        sheet.ticks(axes, "x", marks, labels, NOTE, color=sheet.theme.muted, length=2.0)


def draw(summary: Summary, style: Style | None = None, heading: str | None = None) -> Figure:
    """The figure of a summary, with the first 12 rows of each table."""
    style = style or Style()
    panels = _panels(summary)
    words = Words(heading or counted(summary.explained, "text"), _caption(summary), None)
    names = [name for panel in panels for name in panel.names]
    notes = [note for panel in panels for note in panel.notes]
    letters = Lettering.holding([*words.texts, *names, *(panel.title for panel in panels)], style.families)
    left = max((letters.width(letters.legible(name), BODY) for name in names), default=0.5) + 0.14
    right = max((letters.width(note, NOTE) for note in notes), default=0.3) + 0.12
    column = left + _BARS + right
    heights = [_TITLE + _ROW * len(panel.names) + panel.axis for panel in panels]
    lines = [max(heights[k : k + 2]) for k in range(0, len(heights), 2)]
    body = sum(lines) + _GAP * (len(lines) - 1)
    columns = min(2, len(panels))
    sheet = Sheet(columns * column + (columns - 1) * _GAP, body, words, style, letters)
    sheet.figure.set_label("Integrated Hessians of a corpus")
    for position, panel in enumerate(panels):
        line, side = divmod(position, 2)
        top = body - sum(lines[:line]) - _GAP * line
        x = side * (column + _GAP)
        sheet.write(letters.legible(panel.title), sheet.body[0] + x, sheet.body[1] + top, BODY, weight="bold", va="top")
        height = _ROW * len(panel.names)
        panel.draw(sheet, sheet.axes(x + left, top - _TITLE - height, _BARS, height, panel.title))
    return sheet.figure


def _panels(summary: Summary) -> list[_BarPanel | _NegationPanel]:
    """The panels that have rows; pairs by predicted label, where there are few labels."""
    by_label = 1 < len(summary.predictions) <= _MOST_LABELS
    panels: list[_BarPanel | _NegationPanel] = []
    for label in summary.labels[1:] if by_label else [ALL]:
        pairs = [pair for pair in summary.pairs if pair.prediction == label][:ROWS]
        title = f"Strongest pairs {summary.where(label)}".rstrip()
        panels.append(_BarPanel(title, [_bar(_pair_name(p.words), p.magnitude, p.mean, p.count) for p in pairs]))
    words = [word for word in summary.words if word.prediction == ALL][:ROWS]
    bars = [_bar(shorten(w.word, _NAME), w.magnitude, w.ig, w.count) for w in words]
    panels.append(_BarPanel("Most interacting words", bars))
    compared = [n for n in summary.negations if n.prediction == ALL and n.ig_elsewhere is not None][:ROWS]
    panels.append(_NegationPanel(compared))
    return [panel for panel in panels if panel.names]


def _pair_name(words: tuple[str, str]) -> str:
    return " · ".join(shorten(word, _NAME // 2) for word in words)


def _bar(name: str, magnitude: float, mean: float, count: int) -> _SummaryBar:
    return _SummaryBar(name, magnitude, mean, f"{number(mean, 2, plus=True)} × {count}")


def _caption(summary: Summary) -> tuple[str, ...]:
    missed = f", {summary.not_converged} of them not to their tolerance" if summary.not_converged else ""
    failed = f"; {summary.failed} failed" if summary.failed else ""
    texts = f"{counted(summary.explained, 'text')} explained{missed}{failed}."
    return (
        " ".join(filter(None, (texts, summary.meaning_of_sign, summary.not_counted))),
        (
            "Length of a bar: Σ |Γ| over all occurrences. Colour (red is positive) and number: the mean (Γ of a pair, "
            "attribution of a word) × occurrences."
        ),
    )


def alternative_text(summary: Summary) -> str:
    """The figure in words, for the metadata of its file."""
    pairs = [pair for pair in summary.pairs if pair.prediction == ALL][:3]
    listed = "; ".join(
        f"{' and '.join(p.words)} ({counted(p.count, 'time')}, mean {number(p.mean, plus=True)})" for p in pairs
    )
    return f"Interactions over {counted(summary.explained, 'text')}. The strongest pairs: {listed or 'none'}."
