"""A figure as a file: PNG, SVG or PDF, the same bytes every time, with its alternative text in the metadata."""

import io
import math
import os
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import quoteattr

import matplotlib as mpl
from matplotlib.figure import Figure

from ihcli.errors import UsageError
from ihcli.file_writing import require_file_possible, write_atomically
from ihcli.output.figures.lettering import UNHINTED
from ihcli.text_safety import clean_text

FORMATS: Final = ("png", "svg", "pdf")
_MOST_PIXELS = 32768
_OPEN_SVG = b"<svg "
_FIXED: Final[dict[Any, Any]] = {
    "svg.hashsalt": "ih",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "text.usetex": False,
    **UNHINTED,
}


def encode(figure: Figure, file_format: str, dpi: int, alternative: str) -> bytes:
    """The figure as PNG, SVG or PDF. Control characters and others that no XML may hold are taken out of its words."""
    title = clean_text(str(figure.get_label())) or "Integrated Hessians"
    alternative = clean_text(alternative)
    metadata: dict[str, dict[str, Any]] = {
        "png": {"Title": title, "Description": alternative, "Software": "ih"},
        "svg": {"Title": title, "Description": alternative, "Creator": "ih", "Date": None},
        "pdf": {"Title": title, "Subject": alternative, "Creator": "ih", "CreationDate": None},
    }
    stream = io.BytesIO()
    with mpl.rc_context(_FIXED):
        figure.savefig(
            stream, format=file_format, dpi=dpi, metadata=metadata[file_format], facecolor=figure.get_facecolor()
        )
    content = stream.getvalue()
    if file_format == "svg":
        spoken = f'role="img" aria-label={quoteattr(alternative)} '.encode()
        content = content.replace(_OPEN_SVG, _OPEN_SVG + spoken, 1)
    return content


def format_of(file: Path) -> str:
    """The format of the suffix of `file`; raises `UsageError` for another suffix."""
    file_format = file.suffix.lower().removeprefix(".")
    if file_format not in FORMATS:
        message = f"{file}: a figure is written as .png, .svg or .pdf, not {file.suffix or 'without suffix'!r}."
        raise UsageError(message)
    return file_format


def require_figure_possible(file: Path) -> None:
    """Raise `UsageError` or `OutputError`, before anything is computed, where a figure cannot be written to `file`."""
    format_of(file)
    require_file_possible(file)


def save(
    figure: Figure, path: str | os.PathLike[str], dpi: int, alternative: str, *, follow_links: bool = True
) -> Path:
    """Write the figure to `path` in the format of its suffix, whole or not at all.

    A symbolic link is followed, and replaced with `follow_links` off: for names that the program chooses. Raises
    `UsageError` for another suffix and `OutputError` where it cannot be written.
    """
    file = Path(path)
    file_format = format_of(file)
    width, height = (math.ceil(side * dpi) for side in figure.get_size_inches())
    if file_format == "png" and max(width, height) > _MOST_PIXELS:
        message = (
            f"{width}x{height} are too many pixels for a PNG, of at most {_MOST_PIXELS} a side. Lower --dpi or --size, "
            "or write a .pdf or .svg, which have no pixels."
        )
        raise UsageError(message)
    write_atomically(file, encode(figure, file_format, dpi, alternative), follow_links=follow_links)
    return file
