"""The sheet that a figure is drawn on: heading above, legend and caption below, everything placed in inches.

A sheet is laid out at its natural size. When another size is asked for, lengths, letters and lines shrink or grow by
one factor, so that nothing is cut off.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from ihcli.errors import UsageError
from ihcli.output.figures import legend
from ihcli.output.figures.lettering import Lettering
from ihcli.output.figures.notebook_figure import NotebookFigure
from ihcli.output.figures.style import Style, Theme

MARGIN = 0.22
TITLE, BODY, NOTE = 12.0, 9.0, 7.5
_SMALLEST, _LEAST_WIDTH = 2.5, 5.4
_SAFE = 0.95  # letters that are not drawn by `encode` are hinted, and a few percent wider
_ABOVE_CAPTION = 0.1
_HEADING_LINES = 2


@dataclass(frozen=True, slots=True)
class Words:
    """What stands around the drawing."""

    heading: str
    caption: tuple[str, ...]
    """Paragraphs."""
    warning: str | None = None
    """Stands under the heading."""
    legend_items: tuple[legend.LegendItem, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything that is written: the figure's fonts must hold it."""
        return (self.heading, *self.caption, self.warning or "", *legend.texts_of(self.legend_items))


@dataclass(frozen=True, slots=True)
class _HeaderLine:
    """One line of the heading or the warning."""

    text: str
    size: float
    kind: Literal["heading", "warning"]
    step: float
    """From its upper edge to that of the next line."""


class Sheet:
    """A figure with its heading, legend and caption drawn, and a body of `width` × `height` inches left free."""

    def __init__(self, width: float, height: float, words: Words, style: Style, letters: Lettering) -> None:
        """Lay the sheet out around a body; a narrow body is centred."""
        self.theme: Theme = style.theme
        self.letters = letters
        inner = max(width, _LEAST_WIDTH)
        header = self._header(words, inner)
        rows = legend.rows_of(words.legend_items, letters, inner)
        caption = [line for s in words.caption for line in letters.wrap(letters.legible(s), NOTE, _SAFE * inner)]
        above = sum(line.step for line in header)
        of_caption = _ABOVE_CAPTION + len(caption) * letters.height(NOTE) if caption else 0.0
        below = of_caption + (legend.ABOVE + len(rows) * legend.ROW if rows else 0.0)
        self._natural = (inner + 2 * MARGIN, height + above + below + 2 * MARGIN)
        self.size = style.size or self._natural
        self.scale = self._fitting_scale()
        self._offset = tuple((s - self.scale * own) / 2 for s, own in zip(self.size, self._natural, strict=True))
        self.figure = NotebookFigure(figsize=self.size, facecolor=self.theme.ground)
        FigureCanvasAgg(self.figure)
        self.body = (MARGIN + (inner - width) / 2, MARGIN + below)
        self._draw_header(header)
        for k, row in enumerate(rows):
            for x, item in row:
                item.draw(self, MARGIN + x, MARGIN + below - legend.ABOVE - (k + 0.5) * legend.ROW)
        top = MARGIN + of_caption - _ABOVE_CAPTION
        for k, line in enumerate(caption):
            text = self.write(line, MARGIN, top - k * letters.height(NOTE), NOTE, color=self.theme.muted, va="top")
            text.set_gid("caption")

    def _fitting_scale(self) -> float:
        """The factor by which the natural size fits the size asked for; raises `UsageError` where it is too small."""
        scale = min(self.size[0] / self._natural[0], self.size[1] / self._natural[1])
        if scale * NOTE < _SMALLEST:
            least = tuple(side * _SMALLEST / NOTE for side in self._natural)
            message = (
                f"--size {self.size[0]:g}x{self.size[1]:g} inches is too small: letters would be under {_SMALLEST} "
                f"points. This figure needs at least {least[0] + 0.05:.1f}x{least[1] + 0.05:.1f}."
            )
            raise UsageError(message)
        return scale

    def axes(self, x: float, y: float, width: float, height: float, label: str) -> Axes:
        """Axes at inches (x, y) from the body's lower left corner, without frame or ticks."""
        left, bottom = self._place(self.body[0] + x, self.body[1] + y)
        span = (self.scale * width / self.size[0], self.scale * height / self.size[1])
        axes = self.figure.add_axes((left, bottom, *span), label=label, facecolor=self.theme.ground)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
        return axes

    def text(self, axes: Axes, x: float, y: float, text: str, size: float, **more: Any) -> Text:
        """Text at data coordinates of `axes`, `size` points at natural size; never read as mathematics."""
        weight = more.pop("weight", "normal")
        more = {"color": self.theme.ink, **more}
        font = self.letters.font(size * self.scale, weight)
        return axes.text(x, y, text, fontproperties=font, parse_math=False, **more)

    def write(self, text: str, x: float, y: float, size: float, **more: Any) -> Text:
        """Text at inches from the sheet's lower left corner."""
        weight = more.pop("weight", "normal")
        more = {"color": self.theme.ink, **more}
        left, bottom = self._place(x, y)
        font = self.letters.font(size * self.scale, weight)
        return self.figure.text(left, bottom, text, fontproperties=font, parse_math=False, **more)

    def across(self, x: float) -> float:
        """Inches from the sheet's left edge as a share of its width."""
        return self._place(x, 0.0)[0]

    def line(self, width: float) -> float:
        """A line width in points, scaled with the sheet."""
        return width * self.scale

    def ticks(
        self, axes: Axes, which: Literal["x", "y"], at: Sequence[float], labels: Sequence[str], size: float, **more: Any
    ) -> None:
        """Tick labels as written; `length` draws tick marks, `pad` moves the labels, the rest styles their letters."""
        axis = axes.xaxis if which == "x" else axes.yaxis
        length = more.pop("length", 0.0)
        pad = more.pop("pad", 3.0)
        axis.set_ticks(list(at))
        axis.set_ticklabels(list(labels), parse_math=False, **{"color": self.theme.ink, **more})
        axes.tick_params(
            axis=which, length=length * self.scale, width=0.6 * self.scale, pad=pad * self.scale, color=self.theme.muted
        )
        for label in axis.get_ticklabels():
            label.set_fontproperties(self.letters.font(size * self.scale))

    def _place(self, x: float, y: float) -> tuple[float, float]:
        """Inches from the sheet's lower left corner as shares of its size."""
        return (
            (self._offset[0] + self.scale * x) / self.size[0],
            (self._offset[1] + self.scale * y) / self.size[1],
        )

    def _header(self, words: Words, width: float) -> list[_HeaderLine]:
        """The lines above the body."""
        letters = self.letters
        heading = letters.wrap(letters.legible(words.heading), TITLE, _SAFE * width, "bold", lines=_HEADING_LINES)
        warning = letters.wrap(letters.legible(words.warning or ""), BODY, _SAFE * width - 0.16, "bold")
        lines = [_HeaderLine(text, TITLE, "heading", letters.height(TITLE)) for text in heading]
        lines += [_HeaderLine(text, BODY, "warning", letters.height(BODY)) for text in warning]
        if lines:
            last = lines.pop()
            lines.append(_HeaderLine(last.text, last.size, last.kind, last.step + 0.12))
        return lines

    def _draw_header(self, header: list[_HeaderLine]) -> None:
        y = self._natural[1] - MARGIN
        for line in header:
            warned = line.kind == "warning"
            x, down = (MARGIN + 0.08, 0.02) if warned else (MARGIN, 0.0)
            colour = self.theme.warning if warned else self.theme.ink
            artist = self.write(line.text, x, y - down, line.size, weight="bold", va="top", color=colour)
            artist.set_gid(line.kind)
            y -= line.step
