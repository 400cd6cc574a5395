"""Tables of text: comma-separated (RFC 4180) and tab-separated values."""

import csv
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from ihcli.corpus.readers import rows
from ihcli.corpus.readers.lines import lines
from ihcli.corpus.readers.rows import Columns, Row, checked, encodable, not_utf8, places, too_long
from ihcli.errors import InputError

Fields = list[str]


def commas(source: str, stream: IO[bytes], columns: Columns) -> Generator[Row]:
    """RFC 4180: a quoted field may hold commas, quotes and line ends; fields are separated by commas."""
    with _long_fields():
        yield from _table(source, _records(lines(source, stream)), columns)


def tabs(source: str, stream: IO[bytes], columns: Columns) -> Generator[Row]:
    """Tab-separated values as IANA registers them: a line is a row, a quote a character like any other."""
    found = ((number, _split(line, number)) for number, line in lines(source, stream))
    yield from _table(source, found, columns)


def _split(line: bytes, number: int) -> Fields | str:
    if len(line) > rows.LONGEST_LINE:
        return too_long(f"line {number}")
    return _text(line).split("\t") if line else []


def _text(line: bytes) -> str:
    """What is not UTF-8 becomes lone surrogates, so that the table's shape is kept and the row can be named."""
    return line.decode("utf-8", "surrogateescape")


def _records(found: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, Fields | str]]:
    """Each record with its first line, or what is wrong with it.

    A quote that is never closed would take the lines after it along.  So a record must be right to the letter; where it
    is not, its first line alone is bad, and the reading goes on with the next line.
    """
    waiting = _Lines(found)
    while True:
        waiting.begin()
        try:
            fields = next(csv.reader(waiting, strict=True), None)
            if waiting.cut is not None:
                yield waiting.first, too_long(f"line {waiting.cut}")
            elif fields is None:
                return
            else:
                yield waiting.first, fields
        except csv.Error as error:
            number, several = waiting.first, waiting.again()
            hint = " A quote that it opens is not closed rightly: close it, or double a quote within quotes."
            yield number, f"line {number} cannot be read as a table's row ({error}).{hint if several else ''}"


class _Lines(Iterator[str]):
    """Lines for the CSV parser, of which those after the first can be given once more."""

    def __init__(self, found: Iterator[tuple[int, bytes]]) -> None:
        self._found = found
        self._next: deque[tuple[int, bytes]] = deque()
        self._taken: list[tuple[int, bytes]] = []
        self.cut: int | None = None
        """A line of the record that was too long to be read whole."""

    def begin(self) -> None:
        """A record begins."""
        self._taken, self.cut = [], None

    def __next__(self) -> str:
        """The next line, with an end: within quotes it belongs to the text."""
        number, line = self._next.popleft() if self._next else next(self._found)
        self._taken.append((number, line))
        if len(line) > rows.LONGEST_LINE:
            self.cut = number
        return _text(line) + "\n"

    @property
    def first(self) -> int:
        """The number of the record's first line."""
        return self._taken[0][0]

    def again(self) -> bool:
        """Give the lines after the record's first once more; whether there are any."""
        rest = self._taken[1:]
        self._next.extendleft(reversed(rest))
        return bool(rest)


def _table(source: str, records: Iterator[tuple[int, Fields | str]], columns: Columns) -> Generator[Row]:
    header: Fields | None = None
    if columns.header:
        line, names = next(records, (0, None))
        if isinstance(names, str):
            message = f"{source}: has no header that can be read: {names}"
            raise InputError(message)
        if names is None:
            return
        header = names
    at: list[int] | None = None
    width = 0
    for number, (line, fields) in enumerate(records, 1):
        if isinstance(fields, str):
            yield checked(Row(number, line, None, "", None, fields))
            continue
        if at is None:
            width = len(fields if header is None else header)
            at = places(source, header, width, columns)
        yield checked(_row(number, line, fields, at, width))


@contextmanager
def _long_fields() -> Iterator[None]:
    before = csv.field_size_limit(rows.LONGEST_LINE)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _row(number: int, line: int, fields: Fields, at: Sequence[int], width: int) -> Row:
    """The row of a record that could be read: too many fields are one that wanted quotes."""
    if not fields:
        return Row(number, line, None, "", None, None)
    text, pair, name = (fields[place] if 0 <= place < len(fields) else None for place in at)
    problem = None
    bad = next((v for v in (text, pair, name) if v is not None and not encodable(v)), None)
    if bad is not None:
        where = next(k for k, character in enumerate(bad) if "\udc80" <= character <= "\udcff")
        problem = not_utf8(f"line {line}", ord(bad[where]) - 0xDC00, len(bad[:where].encode("utf-8")))
        pair, text = None, _shown(text or "")
        name = name if name is not None and encodable(name) else None
    elif any(fields[width:]):
        problem = f"line {line} has {len(fields)} fields for {width} columns. Quote a text that holds separators."
    elif any(place >= len(fields) for place in at):
        problem = f"line {line} has {len(fields)} fields for {width} columns, and not all that are wanted."
    return Row(number, line, name, text or "", pair if problem is None else None, problem)


def _shown(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
