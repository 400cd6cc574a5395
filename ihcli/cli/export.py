"""`ih export`: a store as files that other programs read."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ihcli.counting import counted
from ihcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ihcli.corpus.store_reading import ReadOnlyStore
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
) -> None:
    """Write a store as JSON lines, as the folders of `ih explain`, or its pairs as one CSV table.

    The rows are in the order in which they were finished. Failed rows are in the JSON lines only, with their message.
    Cells of CSV are written as they are, so a spreadsheet reads a cell that starts with = + - or @ as a formula.
    """
    if to == "folders" and out is None:
        message = "--to folders writes a folder a text. Say where with -o DIR."
        raise UsageError(message)

    from ihcli.corpus.exporting import require_outside
    from ihcli.corpus.store_reading import ReadOnlyStore
    from ihcli.file_writing import require_file_possible, require_folder_possible
    from ihcli.output import require_formats

    if out is not None:
        require_outside(run, out)
        (require_folder_possible if to == "folders" else require_file_possible)(out)
    wanted = [part.strip() for part in formats.split(",")]
    require_formats(wanted)
    store = ReadOnlyStore(run)
    count = (
        _export_folders(store, out, wanted, diagonal=not no_diagonal)
        if to == "folders" and out is not None
        else _export_file(store, to, out)
    )
    failed = len(store.index.entries) - count
    if not quiet:
        without = f"; {counted(failed, 'failed row has', 'failed rows have')} none" if failed else ""
        typer.echo(f"{counted(count, 'explanation')}{without}{'' if out is None else f': {out}'}", err=True)


def _export_file(store: "ReadOnlyStore", to: Kind, out: Path | None) -> int:
    from ihcli.corpus.exporting import text_file, write_json_lines, write_pairs

    write = write_json_lines if to == "jsonl" else write_pairs
    if out is None:
        return write(store.outcomes(), sys.stdout)
    with text_file(out) as stream:
        return write(store.outcomes(), stream)


def _export_folders(store: "ReadOnlyStore", out: Path, formats: "Sequence[str]", *, diagonal: bool) -> int:
    from ihcli.console import consoles, warnings_shown
    from ihcli.corpus.exporting import write_folders
    from ihcli.output import write_files

    def write(explanation: "Explanation", folder: Path) -> None:
        write_files(explanation, folder, formats, diagonal=diagonal)

    with warnings_shown(consoles()):
        return write_folders(store.outcomes(), out, write)
