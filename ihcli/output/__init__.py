"""What is written of one explanation: JSON, CSV and figures, each file whole or not at all."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ihcli.errors import UsageError
from ihcli.file_writing import write_atomically
from ihcli.output.naming import slug
from ihcli.output.tables import attributions_csv, interactions_csv, pairs_csv
from ihcli.results import Explanation

__all__ = ["FORMATS", "earlier_files", "require_formats", "slug", "write_files"]

_DPI = 200
PICTURES = ("png", "svg", "pdf")
FORMATS = ("json", "csv", *PICTURES)
_TABLES: Mapping[str, Callable[[Explanation], str]] = {
    "interactions.csv": interactions_csv,
    "pairs.csv": pairs_csv,
    "attributions.csv": attributions_csv,
}


def write_files(
    explanation: Explanation,
    directory: Path,
    formats: Sequence[str] = ("json", "csv", "png"),
    *,
    diagonal: bool = True,
    heading: str | None = None,
) -> list[Path]:
    """Write `result.json`, the three CSV files and the heatmap, as `formats` asks; returns the paths written.

    Everything is made before the first byte is written, and `result.json` is written last: where it stands, the rest
    stands.  Raises `UsageError` for an unknown format and `OutputError` where the folder cannot be written.
    """
    require_formats(formats)
    contents: dict[str, bytes] = {}
    if "csv" in formats:
        contents.update({name: table(explanation).encode("utf-8") for name, table in _TABLES.items()})
    pictures = [name for name in PICTURES if name in formats]
    if pictures:
        contents.update(_heatmaps(explanation, pictures, diagonal=diagonal, heading=heading))
    if "json" in formats:
        contents["result.json"] = explanation.to_json().encode("utf-8")
    for name, content in contents.items():
        write_atomically(directory / name, content, follow_links=False)  # the names are not the user's
    return [directory / name for name in contents]


def require_formats(formats: Sequence[str]) -> None:
    """Raise `UsageError` for a format that `write_files` does not know."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        message = f"Format {unknown[0]!r} is not known. Use {', '.join(FORMATS)}."
        raise UsageError(message)


def earlier_files(written: Sequence[Path]) -> list[str]:
    """Names of a result's files that stand beside those just written, of an explanation before it."""
    names = ("result.json", *_TABLES, *(f"heatmap.{name}" for name in PICTURES))
    folder, new = written[0].parent, {path.name for path in written}
    return [name for name in names if name not in new and (folder / name).exists()]


def _heatmaps(
    explanation: Explanation, formats: Sequence[str], *, diagonal: bool, heading: str | None
) -> dict[str, bytes]:
    from ihcli.output import figures  # Matplotlib takes a second to load, and JSON needs none of it

    view = figures.View(diagonal=diagonal, heading=heading)
    figure = figures.draw("heatmap", [explanation], figures.Style(), view)
    alternative = figures.alternative_text("heatmap", [explanation], view)
    return {f"heatmap.{name}": figures.encode(figure, name, _DPI, alternative) for name in formats}
