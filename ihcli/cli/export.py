"""`ih export`: a store as files that other programs read."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ihcli.errors import UsageError

if TYPE_CHECKING:
    from ihcli.corpus.store import Reader
    from ihcli.results import Explanation

Kind = Literal["jsonl", "folders", "pairs"]


def export(
    run: Annotated[Path, typer.Argument(help="the store of an `ih batch`", metavar="RUN")],
    to: Annotated[
        Kind, typer.Option("--to", help="jsonl: a result a line; folders: as `ih explain`; pairs: one CSV")
    ] = "jsonl",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="file, or folder for --to folders (default: standard output)", metavar="PATH"),
    ] = None,
    formats: Annotated[
        str, typer.Option("--formats", help="files of a folder, from json,csv,png,svg,pdf", metavar="LIST")
    ] = "json,csv,png",
    no_diagonal: Annotated[bool, typer.Option("--no-diagonal", help="hide the heatmap's diagonal")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="no notes")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="with the traceback of an error")] = False,
) -> None:
    """Write a store as lines of JSON, as the folders of `ih explain`, or its pairs as one CSV.

    The rows come in the order in which they were finished. Failed rows stand in the lines of JSON with their message,
    and nowhere else.
    """
    del verbose  # the boundary reads it
    if to == "folders" and out is None:
        message = "--to folders writes a folder a text. Say where with -o DIR."
        raise UsageError(message)

    from ihcli.corpus.exporting import require_outside
    from ihcli.corpus.store import Reader

    reader = Reader(run)
    if out is not None:
        require_outside(run, out)
    count = (
        _folders(reader, out, formats, diagonal=not no_diagonal) if to == "folders" and out else _file(reader, to, out)
    )
    failed = len(reader.index.entries) - count
    if not quiet:
        without = f"; {failed} failed rows have none" if failed else ""
        typer.echo(f"{count} explanations{without}{'' if out is None else f': {out}'}", err=True)


def _file(reader: "Reader", to: Kind, out: Path | None) -> int:
    from ihcli.corpus.exporting import outcomes, whole, write_lines, write_pairs

    write = write_lines if to == "jsonl" else write_pairs
    if out is None:
        return write(outcomes(reader), sys.stdout)
    with whole(out) as stream:
        return write(outcomes(reader), stream)


def _folders(reader: "Reader", out: Path, formats: str, *, diagonal: bool) -> int:
    from ihcli.corpus.exporting import outcomes, write_folders
    from ihcli.output import write_files

    wanted = [part.strip() for part in formats.split(",")]

    def write(explanation: "Explanation", folder: Path) -> None:
        write_files(explanation, folder, wanted, diagonal=diagonal)

    return write_folders(outcomes(reader), out, write)
