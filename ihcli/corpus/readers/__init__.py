"""Rows of an input file as a stream, so that a file larger than memory can be read.

A row that cannot be read (not UTF-8, not JSON, a missing column) is a row with a problem and does not end the stream.
"""

import sys
from pathlib import Path
from typing import IO

from ihcli.corpus.readers.delimited import csv_rows, tsv_rows
from ihcli.corpus.readers.lines import json_rows, text_rows
from ihcli.corpus.readers.parquet import parquet_rows
from ihcli.corpus.readers.rows import Columns, Row, RowStream
from ihcli.errors import InputError, UsageError

__all__ = ["FORMATS", "STANDARD_INPUT", "Columns", "Row", "RowStream", "format_of", "is_stream", "read_rows"]

FORMATS = ("txt", "jsonl", "csv", "tsv", "parquet")
STANDARD_INPUT = "-"
_SAME_FORMAT = {"ndjson": "jsonl", "pq": "parquet", "text": "txt", "tab": "tsv"}


def format_of(source: str, wanted: str | None = None) -> str:
    """The format `wanted`, else that of the file extension, else text; raises `UsageError` for an unknown one."""
    extension = Path(source).suffix
    kind = wanted or ("txt" if source == STANDARD_INPUT else extension.lower().removeprefix("."))
    kind = _SAME_FORMAT.get(kind, kind)
    if kind not in FORMATS:
        seen = (
            f"{source}: unknown file extension {extension!r}" if wanted is None else f"--format {wanted!r} is not known"
        )
        message = f"{seen}. Use .{', .'.join(FORMATS)}, or name the format with --format."
        raise UsageError(message)
    if kind == "parquet" and is_stream(source):
        message = f"{source}: Parquet cannot be read from a stream, since its index is at its end. Give the file."
        raise UsageError(message)
    return kind


def is_stream(source: str) -> bool:
    """Whether the input can be read only once: standard input, a pipe, a device or a socket."""
    path = Path(source)
    return source == STANDARD_INPUT or path.is_fifo() or path.is_char_device() or path.is_socket()


def read_rows(source: str, columns: Columns | None = None, wanted: str | None = None) -> RowStream:
    """The rows of a file, or of standard input (`-`); raises `InputError` or `UsageError` before the first row."""
    columns = columns or Columns()
    kind = format_of(source, wanted)
    if kind == "txt" and (columns.text or columns.pair or columns.id):
        message = f"{source}: is read as a text a line and has no columns. Leave the column options out, or --format."
        raise UsageError(message)
    if kind == "parquet":
        return parquet_rows(source, columns)
    stream = _open(source)
    rows = {"txt": text_rows, "jsonl": json_rows, "csv": csv_rows, "tsv": tsv_rows}[kind](source, stream, columns)
    return RowStream(rows, (lambda: None) if source == STANDARD_INPUT else stream.close)


def _open(source: str) -> IO[bytes]:
    if source == STANDARD_INPUT:
        return sys.stdin.buffer
    try:
        return Path(source).open("rb")
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, "strerror", None) or error
        message = f"{source}: cannot be read ({reason}). Give a file, or - for standard input."
        raise InputError(message) from error
