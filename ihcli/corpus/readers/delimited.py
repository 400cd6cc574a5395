"""Tables of text: comma-separated values (RFC 4180) and tab-separated values."""

import csv
import re
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from typing import IO

from ihcli.corpus.readers import rows
from ihcli.corpus.readers.lines import numbered_lines
from ihcli.corpus.readers.rows import Columns, Row, checked_row, column_positions, is_encodable, not_utf8, too_long
from ihcli.counting import counted
from ihcli.errors import InputError

Fields = list[str]
_NAMES = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}
"""Separators that tables are written with."""
_QUOTED = re.compile(rb'"([^"]|"")*"[\r\n]')


def csv_rows(source: str, stream: IO[bytes], columns: Columns) -> Generator[Row]:
    """Comma-separated values; a quoted field may hold commas, quotes and line ends."""
    lines = _Lines(numbered_lines(source, stream))
    yield from _table_rows(source, lines, _comma_records(lines), columns, ",")


def tsv_rows(source: str, stream: IO[bytes], columns: Columns) -> Generator[Row]:
    """Tab-separated values; quotes are read where the writer of the file had to quote, see `_tab_records`."""
    lines = _Lines(numbered_lines(source, stream))
    yield from _table_rows(source, lines, _tab_records(lines, header=columns.header), columns, "\t")


def _text(line: bytes) -> str:
    """A line as text; bytes that are not UTF-8 become lone surrogates, so that the other fields stay as they are."""
    return line.decode("utf-8", "surrogateescape")


class _Lines(Iterator[str]):
    """Lines for the CSV parser, which can be taken back when a record cannot be read."""

    def __init__(self, lines: Iterator[tuple[int, bytes]]) -> None:
        self._lines = lines
        self._next: deque[tuple[int, bytes]] = deque()
        self.taken: list[tuple[int, bytes]] = []
        """The lines of the current record, with their numbers."""

    def __next__(self) -> str:
        number, line = self._next.popleft() if self._next else next(self._lines)
        self.taken.append((number, line))
        return _text(line)

    def take_back(self, count: int = 1) -> None:
        """Read the lines of the current record again, but for the first `count`."""
        self._next.extendleft(reversed(self.taken[count:]))
        del self.taken[count:]

    def numbered(self, record: Fields | str) -> tuple[int, Fields | str]:
        """The record with the number of its first line, or the problem of a line that was cut; the next one begins."""
        cut = next((n for n, line in self.taken if len(line) > rows.LONGEST_LINE + 1), None)
        return self.taken[0][0], record if cut is None else too_long(f"line {cut}")


Records = Iterator[tuple[int, Fields | str]]
"""Records with the number of their first line, or the problem of a line that cannot be read."""


def _comma_records(lines: _Lines) -> Records:
    """Comma-separated values.

    A quote that is never closed would take the lines after it into its field.  So quotes must be exactly right; where
    they are not, the first line alone is a bad row, and reading continues with the second.
    """
    while True:
        lines.taken = []
        try:
            record: Fields | str | None = _parse(lines, ",")
        except csv.Error as error:
            several = len(lines.taken) > 1
            lines.take_back()
            hint = " Its quote is not closed correctly: close it, or double a quote within quotes." if several else ""
            record = f"line {lines.taken[0][0]} cannot be read as a table's row ({error}).{hint}"
        if record is None:
            return
        yield lines.numbered(record)


def _parse(lines: Iterator[str], separator: str) -> Fields | None:
    """The next record, None at the end; raises `csv.Error` for quotes that are not closed correctly."""
    before = csv.field_size_limit(rows.LONGEST_LINE)
    try:
        return next(csv.reader(lines, delimiter=separator, strict=True), None)
    finally:
        csv.field_size_limit(before)


def _tab_records(lines: _Lines, *, header: bool) -> Records:
    """Tab-separated values: a line is a row and a quote is a character, unless the writer quoted its fields.

    A writer such as pandas quotes a field that holds a tab, a line end or a quote (which it doubles), or every field.
    A quoted field is recognised by that: its quotes are exactly right, they were needed or the first record is quoted
    throughout, and the record has as many fields as the table has columns.
    """
    width, all_quoted = 0, False
    while True:
        lines.taken = []
        line = next(lines, None)
        if line is None:
            return
        plain = line[:-1].split("\t") if line[:-1] else []
        if not width and (header or len(plain) > 1):
            all_quoted = all(len(field) > 1 and field[0] == field[-1] == '"' for field in plain)
        record: Fields | str = plain
        if any(field.startswith('"') for field in plain):
            record = _quoted_record(lines, plain, width, all_quoted=all_quoted)
        width = width or (len(record) if isinstance(record, list) else 0)
        yield lines.numbered(record)


def _quoted_record(lines: _Lines, plain: Fields, width: int, *, all_quoted: bool) -> Fields | str:
    """The record of a line in which a field starts with a quote: parsed, `plain`, or why that is not known."""
    lines.take_back(0)
    try:
        parsed = _parse(lines, "\t") or []
    except csv.Error:
        parsed = []
    texts = [_text(line) for _, line in lines.taken]
    needed = all_quoted or len(texts) > 1 or any(sign in field for field in parsed for sign in '\t"')
    if not parsed or not needed or width not in {len(parsed), 0}:
        lines.take_back()
        return plain
    if all_quoted or len(texts) == 1 or any(text.count("\t") + 1 != width for text in texts):
        return parsed
    # Every line is a full row by itself, and the quote that opens in the first closes in the last.
    (first, _), *_, (last, _) = lines.taken
    lines.take_back()
    if width > 1:
        return plain
    return (
        f"line {first} opens a quote that line {last} closes, which may be one text or several. Write the table as .csv"
        " or .jsonl, or as .txt with one text in each line."
    )


def _table_rows(source: str, lines: _Lines, records: Records, columns: Columns, separator: str) -> Generator[Row]:
    header: Fields | None = None
    if columns.header:
        _, names = next(records, (0, None))
        if names is None:
            return
        if isinstance(names, str):
            start = _text(lines.taken[0][1])
            if any(_is_table(start, other) for other in _NAMES if other != separator):  # its quotes are right there
                _require_separator(source, lines, [start.rstrip("\r\n")], separator)
            message = f"{source}: has no header that can be read: {names}"
            raise InputError(message)
        header = names
        _require_separator(source, lines, names, separator)
    positions: list[int] | None = None
    width = 0
    for number, (line, fields) in enumerate(records, 1):
        if isinstance(fields, str):
            yield checked_row(Row(number, line, None, "", None, fields))
            continue
        if positions is None:
            if header is None:
                _require_separator(source, lines, fields, separator)
            width = len(fields if header is None else header)
            positions = column_positions(source, header, width, columns)
        yield checked_row(_row(number, line, fields, positions, width))


def _is_table(line: str, separator: str) -> bool:
    """Whether the line has several fields with this separator, and its quotes are right for that."""
    try:
        return len(_parse(iter([line]), separator) or ()) > 1
    except csv.Error:
        return False


def _require_separator(source: str, lines: _Lines, first: Fields, separator: str) -> None:
    """Raise `InputError` where the first record is one unquoted field that holds the separator of other tables."""
    if len(first) != 1 or _QUOTED.fullmatch(lines.taken[0][1]):
        return
    other = next((name for name in "\t;|," if name != separator and name in first[0]), None)
    if other is None:
        return
    remedy = {"\t": "Give --format tsv.", ",": "Give --format csv."}.get(
        other, f"Separate the columns by {_NAMES[separator]}, or write .jsonl."
    )
    message = (
        f"{source}: its first line {first[0][:80]!r} is one column that holds {_NAMES[other]}; it seems to be a table "
        f"separated by {_NAMES[other]}, not by {_NAMES[separator]}. {remedy} If it is one column of texts, quote this "
        "field, or read a text a line with --format txt."
    )
    raise InputError(message)


def _row(number: int, line: int, fields: Fields, positions: Sequence[int], width: int) -> Row:
    """The row of a record; one with more or fewer fields than columns may be a part of a text, and is a bad row."""
    if not fields:
        return Row(number, line, None, "", None, None)
    text, pair, name = (fields[k] if 0 <= k < len(fields) else None for k in positions)
    problem = None
    found = f"{counted(len(fields), 'field')} for {counted(width, 'column')}"
    bad = next((v for v in (text, pair, name) if v is not None and not is_encodable(v)), None)
    if bad is not None:
        at = next(k for k, character in enumerate(bad) if "\udc80" <= character <= "\udcff")
        problem = not_utf8(f"line {line}", ord(bad[at]) - 0xDC00, len(bad[:at].encode("utf-8")))
        pair, text = None, (text or "").encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        name = name if name is not None and is_encodable(name) else None
    elif any(fields[width:]):
        problem = f"line {line} has {found}. Quote a text that holds separators."
    elif len(fields) < width:
        problem = f"line {line} has {found}. Quote a text that holds a line end."
    return Row(number, line, name, text or "", pair if problem is None else None, problem)
