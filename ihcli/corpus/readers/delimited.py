"""Tables of text: comma-separated values (RFC 4180) and tab-separated values."""

import csv
import re
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from ihcli.corpus.readers import rows
from ihcli.corpus.readers.lines import numbered_lines
from ihcli.corpus.readers.rows import Columns, Row, checked_row, column_positions, is_encodable, not_utf8, too_long
from ihcli.errors import InputError

Fields = list[str]
_NAMES = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}
"""Separators that tables are written with."""
_QUOTED = re.compile(rb'"([^"]|"")*"[\r\n]')


def csv_rows(source: str, stream: IO[bytes], columns: Columns) -> Generator[Row]:
    """Comma-separated values; a quoted field may hold commas, quotes and line ends."""
    with _long_fields():
        yield from _table_rows(source, _CommaRecords(numbered_lines(source, stream)), columns)


def tsv_rows(source: str, stream: IO[bytes], columns: Columns) -> Generator[Row]:
    """Tab-separated values; quotes are read where the writer of the file had to quote, see `_TabRecords`."""
    with _long_fields():
        records = _TabRecords(numbered_lines(source, stream), header=columns.header)
        yield from _table_rows(source, records, columns)


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let the CSV parser read fields as long as a line may be."""
    before = csv.field_size_limit(rows.LONGEST_LINE)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _text(line: bytes) -> str:
    """A line as text; bytes that are not UTF-8 become lone surrogates, so that the other fields stay as they are."""
    return line.decode("utf-8", "surrogateescape")


class _Lines(Iterator[str]):
    """Lines for the CSV parser, which can be taken back when a record cannot be read."""

    def __init__(self, lines: Iterator[tuple[int, bytes]]) -> None:
        self._lines = lines
        self._next: deque[tuple[int, bytes]] = deque()
        self.taken: list[tuple[int, bytes]] = []
        """The lines of the current record."""

    def __next__(self) -> str:
        number, line = self._next.popleft() if self._next else next(self._lines)
        self.taken.append((number, line))
        return _text(line)

    def begin_record(self) -> None:
        self.taken = []

    def take_back(self, count: int = 1) -> None:
        """Read the lines of the current record again, but for the first `count`."""
        self._next.extendleft(reversed(self.taken[count:]))
        del self.taken[count:]

    def too_long(self) -> str | None:
        """The problem of a line that was cut, if the record has one."""
        return next((too_long(f"line {n}") for n, line in self.taken if len(line) > rows.LONGEST_LINE + 1), None)


class _Records(Iterator[tuple[int, Fields | str]]):
    """Records with the number of their first line, or the problem of a line that cannot be read."""

    separator: str
    width: int | None = None
    """Number of columns, once the first record was read."""

    def __init__(self, lines: Iterator[tuple[int, bytes]]) -> None:
        self.lines = _Lines(lines)

    def __next__(self) -> tuple[int, Fields | str]:
        self.lines.begin_record()
        record = self._record()
        if self.width is None and isinstance(record, list):
            self.width = len(record)
        return self.lines.taken[0][0], self.lines.too_long() or record

    def _record(self) -> Fields | str:
        raise NotImplementedError

    def _parse(self) -> Fields:
        """The next record by the CSV parser, which raises `csv.Error` for quotes that are not closed correctly."""
        return next(csv.reader(self.lines, delimiter=self.separator, strict=True))

    def other_separator(self, record: Fields) -> str | None:
        """A separator of other tables in the only, unquoted field of the first record."""
        if len(record) != 1 or _QUOTED.fullmatch(self.lines.taken[0][1]):
            return None
        return next((name for name in "\t;|," if name != self.separator and name in record[0]), None)


class _CommaRecords(_Records):
    """Comma-separated values.

    A quote that is never closed would take the lines after it into its field.  So quotes must be exactly right; where
    they are not, the first line alone is a bad row, and reading continues with the second.
    """

    separator = ","

    def _record(self) -> Fields | str:
        try:
            return self._parse()
        except csv.Error as error:
            several = len(self.lines.taken) > 1
            self.lines.take_back()
            hint = " Its quote is not closed correctly: close it, or double a quote within quotes." if several else ""
            return f"line {self.lines.taken[0][0]} cannot be read as a table's row ({error}).{hint}"


class _TabRecords(_Records):
    """Tab-separated values: a line is a row and a quote is a character, unless the writer quoted its fields.

    A writer such as pandas quotes a field that holds a tab, a line end or a quote (which it doubles), or every field.
    A quoted field is recognised by that: its quotes are exactly right, they were needed or the first record is quoted
    throughout, and the record has as many fields as the table has columns.
    """

    separator = "\t"

    def __init__(self, lines: Iterator[tuple[int, bytes]], *, header: bool) -> None:
        super().__init__(lines)
        self._header = header
        self._all_quoted = False

    def _record(self) -> Fields | str:
        line = next(self.lines)
        plain = line[:-1].split("\t") if line[:-1] else []
        if not any(field.startswith('"') for field in plain):
            return plain
        self.lines.take_back(0)
        try:
            parsed = self._parse()
        except csv.Error:
            self.lines.take_back()
            return plain
        if self.width is None and (self._header or len(plain) > 1):
            self._all_quoted = all(len(field) > 1 and field[0] == field[-1] == '"' for field in plain)
        if self._all_quoted and self.width in {len(parsed), None}:
            return parsed
        needed = len(self.lines.taken) > 1 or "\t" in "".join(parsed) or '"' in "".join(parsed)
        if not needed or self.width not in {len(parsed), None}:
            self.lines.take_back()
            return plain
        if len(self.lines.taken) == 1 or any(text.count("\t") + 1 != self.width for text in self._taken_texts()):
            return parsed
        # Every line is a full row by itself, and the quote that opens in the first closes in the last.
        last = self.lines.taken[-1][0]
        self.lines.take_back()
        if self.width != 1:
            return plain
        number = self.lines.taken[0][0]
        return (
            f"line {number} opens a quote that line {last} closes, which may be one text or several. Write the table "
            "as .csv or .jsonl, or as .txt with one text in each line."
        )

    def _taken_texts(self) -> list[str]:
        return [_text(line) for _, line in self.lines.taken]


def _table_rows(source: str, records: _Records, columns: Columns) -> Generator[Row]:
    header: Fields | None = None
    if columns.header:
        _, names = next(records, (0, None))
        if names is None:
            return
        if isinstance(names, str):
            message = f"{source}: has no header that can be read: {names}"
            raise InputError(message)
        header = names
        _require_separator(source, records, names)
    positions: list[int] | None = None
    for number, (line, fields) in enumerate(records, 1):
        if isinstance(fields, str):
            yield checked_row(Row(number, line, None, "", None, fields))
            continue
        if positions is None:
            if header is None:
                _require_separator(source, records, fields)
            positions = column_positions(source, header, records.width or 0, columns)
        yield checked_row(_row(number, line, fields, positions, records.width or 0))


def _require_separator(source: str, records: _Records, first: Fields) -> None:
    """Raise `InputError` where the first record is one field that holds the separator of other tables."""
    other = records.other_separator(first)
    if other is None:
        return
    remedy = {"\t": "Give --format tsv.", ",": "Give --format csv."}.get(
        other, f"Separate the columns by {_NAMES[records.separator]}, or write .jsonl."
    )
    message = (
        f"{source}: its first line {first[0][:80]!r} is one column that holds {_NAMES[other]}; it seems to be a table "
        f"separated by {_NAMES[other]}, not by {_NAMES[records.separator]}. {remedy} If it is one column of texts, "
        "quote this field, or read a text a line with --format txt."
    )
    raise InputError(message)


def _row(number: int, line: int, fields: Fields, positions: Sequence[int], width: int) -> Row:
    """The row of a record; one with more or fewer fields than columns may be a part of a text, and is a bad row."""
    if not fields:
        return Row(number, line, None, "", None, None)
    text, pair, name = (fields[k] if 0 <= k < len(fields) else None for k in positions)
    problem = None
    bad = next((v for v in (text, pair, name) if v is not None and not is_encodable(v)), None)
    if bad is not None:
        at = next(k for k, character in enumerate(bad) if "\udc80" <= character <= "\udcff")
        problem = not_utf8(f"line {line}", ord(bad[at]) - 0xDC00, len(bad[:at].encode("utf-8")))
        pair, text = None, (text or "").encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        name = name if name is not None and is_encodable(name) else None
    elif any(fields[width:]):
        problem = f"line {line} has {len(fields)} fields for {width} columns. Quote a text that holds separators."
    elif len(fields) < width:
        problem = f"line {line} has {len(fields)} fields for {width} columns. Quote a text that holds a line end."
    return Row(number, line, name, text or "", pair if problem is None else None, problem)
