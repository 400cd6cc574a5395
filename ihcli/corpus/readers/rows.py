"""One row of an input, and the checks that all formats share."""

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from ihcli.errors import InputError

LONGEST_LINE = 1 << 24
"""Bytes of the longest line that is read; no model reads a text that long."""
TEXT_OPTION, PAIR_OPTION, ID_OPTION = OPTIONS = ("--text-column", "--pair-column", "--id-column")
_MOST_NAMED = 12


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of text, pair and id: names, or without a header positions counted from 1."""

    text: str | None = None
    pair: str | None = None
    id: str | None = None
    header: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the input, or the reason why it cannot be read."""

    number: int
    """Position in the input, counted from 1."""
    line: int | None
    """The line on which the row starts; None for a format without lines."""
    id: str | None
    text: str
    text_pair: str | None = None
    problem: str | None = None
    """Why the row cannot be explained; None for a row that was read."""

    @property
    def place(self) -> str:
        """The row as a user finds it: `line 7`, or `row 7` in a format without lines."""
        return f"row {self.number}" if self.line is None else f"line {self.line}"


class RowStream(Iterator[Row]):
    """A stream of rows; close it when it is not read to its end."""

    def __init__(self, rows: Generator[Row], close: Callable[[], None]) -> None:
        """Read the first row at once, so that a missing column is an error before anything is written."""
        self._generator, self._close = rows, close
        try:
            self._rows = chain([first] if (first := next(rows, None)) is not None else [], rows)
        except BaseException:
            close()
            raise

    def __next__(self) -> Row:
        """The next row."""
        return next(self._rows)

    def close(self) -> None:
        """Close the file."""
        self._generator.close()
        self._close()


def checked_row(row: Row) -> Row:
    """The row with lone surrogates as escapes; a text without words becomes its problem."""
    row = replace(
        row,
        id=None if row.id is None else _escape_surrogates(row.id),
        text=_escape_surrogates(row.text),
        text_pair=None if row.text_pair is None else _escape_surrogates(row.text_pair),
    )
    if row.problem is not None:
        return row
    for what, content in (("text", row.text), ("pair's second text", row.text_pair)):
        if content is not None and not content.strip():
            state = "blank" if content else "empty"
            return replace(row, problem=f"{row.place}: the {what} is {state}. Give a text with at least one word.")
    return row


def _escape_surrogates(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def decode(content: bytes, where: str) -> tuple[str, str | None]:
    """The text of a line, and the problem with it or None."""
    if len(content) > LONGEST_LINE:
        return "", too_long(where)
    try:
        return content.decode("utf-8"), None
    except UnicodeDecodeError as error:
        return content.decode("utf-8", "backslashreplace"), not_utf8(where, content[error.start], error.start)


def too_long(where: str) -> str:
    """The problem of a line of more than `LONGEST_LINE` bytes."""
    return f"{where} is longer than {LONGEST_LINE >> 20} MB. No model reads a text that long: shorten it."


def not_utf8(where: str, value: int, position: int) -> str:
    """The problem of a line that is not UTF-8."""
    return (
        f"{where} is not UTF-8: byte {position} is 0x{value:02x}. Convert the file, for example with "
        "`iconv -f LATIN1 -t UTF-8`."
    )


def is_encodable(text: str) -> bool:
    """Whether the text has no lone surrogate."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def id_text(value: Any) -> str | None:
    """An id of any type as text."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def missing_column(source: str, wanted: str, names: Sequence[str], option: str, hint: str = "") -> InputError:
    """The error for an option that names no column of the input."""
    listed = ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")
    return InputError(f"{source}: has no column {wanted!r}; it has {listed}. Name one of them with {option}.{hint}")


def column_positions(source: str, header: Sequence[str] | None, width: int, columns: Columns) -> list[int]:
    """Positions of text, pair and id among `width` columns, -1 for a column that is not asked for.

    Raises `InputError`.
    """
    names = [str(k) for k in range(1, width + 1)] if header is None else header
    text = columns.text
    if text is None:
        if "text" not in names and len(names) != 1:
            raise missing_column(source, "text", names, TEXT_OPTION)
        text = "text" if "text" in names else names[0]
    positions = []
    for name, option in zip((text, columns.pair, columns.id), OPTIONS, strict=True):
        if name is None:
            positions.append(-1)
        elif name in names:
            if names.count(name) > 1:
                message = f"{source}: has {names.count(name)} columns {name!r}; {option} is ambiguous. Rename one."
                raise InputError(message)
            positions.append(names.index(name))
        else:
            hint = "" if header is not None or name.isdigit() else " Without a header columns are numbers from 1."
            raise missing_column(source, name, names, option, hint)
    return positions
