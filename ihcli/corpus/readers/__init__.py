"""Rows of an input file as a stream: a file larger than memory is read like a small one.

A row that cannot be read (not UTF-8, no JSON, a missing column) is a row with a problem, never the end of the stream.
The input is opened for reading only.
"""

import sys
from pathlib import Path
from typing import IO

from ihcli.corpus.readers.delimited import commas, tabs
from ihcli.corpus.readers.lines import objects, texts
from ihcli.corpus.readers.parquet import parquet_rows
from ihcli.corpus.readers.rows import Columns, Row, Rows
from ihcli.errors import InputError, UsageError

__all__ = ["FORMATS", "STANDARD_INPUT", "Columns", "Row", "Rows", "format_of", "is_stream", "read_rows"]

FORMATS = ("txt", "jsonl", "csv", "tsv", "parquet")
STANDARD_INPUT = "-"


def format_of(source: str, wanted: str | None = None) -> str:
    """The format: as asked for, else by the suffix; standard input is a text a line.  Raises `UsageError`."""
    if wanted is not None:
        if wanted not in FORMATS:
            message = f"--format {wanted!r} is not known. Use {', '.join(FORMATS)}."
            raise UsageError(message)
        if wanted == "parquet" and source == STANDARD_INPUT:
            message = "Parquet cannot be read from standard input: its index stands at its end. Give the file."
            raise UsageError(message)
        return wanted
    if source == STANDARD_INPUT:
        return "txt"
    suffix = Path(source).suffix.lower().removeprefix(".")
    known = {"ndjson": "jsonl", "pq": "parquet", "text": "txt"}
    found = known.get(suffix, suffix)
    if found not in FORMATS:
        message = (
            f"{source}: the suffix {Path(source).suffix!r} says no format. Use .{', .'.join(FORMATS)}, or say which "
            "with --format."
        )
        raise UsageError(message)
    return found


def is_stream(source: str) -> bool:
    """Whether the input can be read only once, as standard input and pipes."""
    path = Path(source)
    return source == STANDARD_INPUT or path.is_fifo() or path.is_char_device() or path.is_socket()


def read_rows(source: str, columns: Columns | None = None, wanted: str | None = None) -> Rows:
    """Every row of a file, or of standard input (`-`); raises `InputError` and `UsageError` before the first row."""
    columns = columns or Columns()
    kind = format_of(source, wanted)
    if kind == "txt" and (columns.text or columns.pair or columns.id):
        message = f"{source}: is read as a text a line and has no columns. Leave the column options out, or --format."
        raise UsageError(message)
    if kind == "parquet":
        return parquet_rows(source, columns)
    stream = _opened(source)
    rows = {"txt": texts, "jsonl": objects, "csv": commas, "tsv": tabs}[kind](source, stream, columns)
    return Rows(rows, (lambda: None) if source == STANDARD_INPUT else stream.close)


def _opened(source: str) -> IO[bytes]:
    if source == STANDARD_INPUT:
        return sys.stdin.buffer
    try:
        return Path(source).open("rb")
    except OSError as error:
        message = f"{source}: cannot be read ({error.strerror or error}). Give a file, or - for standard input."
        raise InputError(message) from error
