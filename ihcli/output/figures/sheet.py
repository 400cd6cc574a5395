"""The sheet that a figure is drawn on: everything placed in inches, header above, caption below, saved with words.

A sheet is laid out at its natural size; when another size is asked for, lengths, letters and lines all shrink or grow
by one factor, so that nothing is ever cut off.
"""

import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import quoteattr

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from ihcli.errors import UsageError
from ihcli.file_writing import write_atomically
from ihcli.output.figures.lettering import UNHINTED, Lettering
from ihcli.output.figures.style import Style, Theme

MARGIN = 0.22
TITLE, BODY, NOTE = 12.0, 9.0, 7.5
_SMALLEST, _LEAST_WIDTH = 2.5, 4.6
_SAFE = 0.95  # whoever draws the figure other than by `encode` gets hinted letters, a few percent wider
_MOST_PIXELS = 32768
FORMATS = ("png", "svg", "pdf")
_OPEN_SVG = b"<svg "


@dataclass(frozen=True, slots=True)
class Words:
    """What stands around the drawing: a heading, a warning under it when there is one, and the caption's sentences."""

    heading: str
    caption: tuple[str, ...]
    warning: str | None = None


class Sheet:
    """A figure with its header and caption drawn and a body of `width` × `height` inches left free."""

    def __init__(self, width: float, height: float, words: Words, style: Style, letters: Lettering) -> None:
        """Lay the sheet out around a body; header and caption are given some inches even where the body is narrower."""
        self.theme: Theme = style.theme
        self.letters = letters
        inner = max(width, _LEAST_WIDTH)
        header = self._header(words, inner)
        caption = [line for s in words.caption for line in letters.wrap(letters.legible(s), NOTE, _SAFE * inner)]
        self._top = sum(step for _, _, _, _, step in header)
        below = 0.1 + len(caption) * letters.height(NOTE) if caption else 0.0
        natural = (inner + 2 * MARGIN, height + self._top + below + 2 * MARGIN)
        size = style.size or natural
        self.scale = min(size[0] / natural[0], size[1] / natural[1])
        if self.scale * NOTE < _SMALLEST:
            least_size = tuple(side * _SMALLEST / NOTE for side in natural)
            message = (
                f"--size {size[0]:g}x{size[1]:g} inches is too small: letters would be under {_SMALLEST} points. This "
                f"figure needs at least {least_size[0] + 0.05:.1f}x{least_size[1] + 0.05:.1f}."
            )
            raise UsageError(message)
        self.size = size
        self._offset = tuple((side - self.scale * own) / 2 for side, own in zip(size, natural, strict=True))
        self.figure = Figure(figsize=size, facecolor=self.theme.ground)
        FigureCanvasAgg(self.figure)
        self.body = (MARGIN + (inner - width) / 2, MARGIN + below)
        self._natural = natural
        self._draw_header(header)
        top = MARGIN + below - 0.1
        for k, line in enumerate(caption):
            self.write(line, MARGIN, top - k * letters.height(NOTE), NOTE, color=self.theme.muted, va="top")

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
        """Tick labels as written, `more` going to the letters; tick marks only where `length` asks."""
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
        return (
            (self._offset[0] + self.scale * x) / self.size[0],
            (self._offset[1] + self.scale * y) / self.size[1],
        )

    def _header(self, words: Words, width: float) -> list[tuple[str, float, str, str, float]]:
        """Lines of (text, size, weight, kind, height)."""
        letters = self.letters
        lines = letters.wrap(letters.legible(words.heading), TITLE, _SAFE * width, "bold", lines=2)
        found = [(line, TITLE, "bold", "heading", letters.height(TITLE)) for line in lines]
        if words.warning is not None:
            warned = letters.wrap(letters.legible(words.warning), BODY, _SAFE * width - 0.16, "bold")
            found += [(line, BODY, "bold", "warning", letters.height(BODY)) for line in warned]
        if found:
            text, size, weight, kind, step = found[-1]
            found[-1] = (text, size, weight, kind, step + 0.12)
        return found

    def _draw_header(self, header: list[tuple[str, float, str, str, float]]) -> None:
        y = self._natural[1] - MARGIN
        for text, size, weight, kind, step in header:
            warned = kind == "warning"
            artist = self.write(
                text,
                MARGIN + (0.08 if warned else 0.0),
                y - (0.02 if warned else 0.0),
                size,
                weight=weight,
                va="top",
                color=self.theme.warning if warned else self.theme.ink,
            )
            artist.set_gid(kind)
            y -= step


def encode(figure: Figure, file_format: str, dpi: int, alternative: str) -> bytes:
    """The figure as PNG, SVG or PDF, the same bytes every time, with its alternative text in the metadata."""
    title = str(figure.get_label()) or "Integrated Hessians"
    metadata: dict[str, dict[str, Any]] = {
        "png": {"Title": title, "Description": alternative, "Software": "ih"},
        "svg": {"Title": title, "Description": alternative, "Creator": "ih", "Date": None},
        "pdf": {"Title": title, "Subject": alternative, "Creator": "ih", "CreationDate": None},
    }
    stream = io.BytesIO()
    fixed: dict[Any, Any] = {"svg.hashsalt": "ih", "svg.fonttype": "path", "pdf.fonttype": 42, "text.usetex": False}
    with mpl.rc_context({**fixed, **UNHINTED}):
        figure.savefig(
            stream, format=file_format, dpi=dpi, metadata=metadata[file_format], facecolor=figure.get_facecolor()
        )
    content = stream.getvalue()
    if file_format == "svg":
        spoken = f'role="img" aria-label={quoteattr(alternative)} '.encode()
        content = content.replace(_OPEN_SVG, _OPEN_SVG + spoken, 1)
    return content


def save(figure: Figure, path: str | os.PathLike[str], dpi: int, alternative: str) -> Path:
    """Write the figure to `path` in the format of its suffix, whole or not at all.

    Raises `UsageError` for another suffix and `OutputError` where it cannot be written.
    """
    file = Path(path)
    file_format = file.suffix.lower().removeprefix(".")
    if file_format not in FORMATS:
        message = f"{file}: a figure is written as .png, .svg or .pdf, not {file.suffix or 'without suffix'!r}."
        raise UsageError(message)
    width, height = (math.ceil(side * dpi) for side in figure.get_size_inches())
    if file_format == "png" and max(width, height) > _MOST_PIXELS:
        message = (
            f"{width}x{height} are too many pixels for a PNG, of at most {_MOST_PIXELS} a side. Lower --dpi or --size, "
            "or write a .pdf or .svg, which have no pixels."
        )
        raise UsageError(message)
    write_atomically(file, encode(figure, file_format, dpi, alternative))
    return file
