"""What a row is, and what every format asks of one."""

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from ihcli.errors import InputError

LONGEST_LINE = 1 << 24
"""Bytes of one line; a longer one is no text that any model reads."""
TEXT_OPTION, PAIR_OPTION, ID_OPTION = OPTIONS = ("--text-column", "--pair-column", "--id-column")
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Columns:
    """Where text, pair and id stand: names of columns, or positions from 1 without a header."""

    text: str | None = None
    pair: str | None = None
    id: str | None = None
    header: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number from 1, the line it starts on where the file has lines, its texts, or what is wrong."""

    number: int
    line: int | None
    id: str | None
    text: str
    text_pair: str | None = None
    problem: str | None = None

    @property
    def place(self) -> str:
        """The row as a user finds it."""
        return f"row {self.number}" if self.line is None else f"line {self.line}"


class Rows(Iterator[Row]):
    """A stream of rows; whoever does not read it to its end closes it."""

    def __init__(self, rows: Generator[Row], close: Callable[[], None]) -> None:
        """Read the first row now, so that a missing column is an error before anything is written."""
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


def checked(row: Row) -> Row:
    """The row, in characters that can be written; a text without words is its problem."""
    row = replace(
        row,
        id=None if row.id is None else _written(row.id),
        text=_written(row.text),
        text_pair=None if row.text_pair is None else _written(row.text_pair),
    )
    if row.problem is not None:
        return row
    for what, content in (("text", row.text), ("pair's second text", row.text_pair)):
        if content is not None and not content.strip():
            state = "blank" if content else "empty"
            return replace(row, problem=f"{row.place}: the {what} is {state}. Give a text with at least one word.")
    return row


def _written(text: str) -> str:
    """Half of a surrogate pair, which no file can hold, as its escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def decoded(content: bytes, where: str) -> tuple[str, str | None]:
    """The text of a line, and what is wrong with it."""
    if len(content) > LONGEST_LINE:
        return "", too_long(where)
    try:
        return content.decode("utf-8"), None
    except UnicodeDecodeError as error:
        shown = content.decode("utf-8", "backslashreplace")
        return shown, not_utf8(where, content[error.start], error.start)


def too_long(where: str) -> str:
    """The problem of a line beyond `LONGEST_LINE`."""
    return f"{where} is longer than {LONGEST_LINE >> 20} MB. No model reads a text that long: cut it."


def not_utf8(where: str, value: int, at: int) -> str:
    """The problem of bytes that are no UTF-8."""
    return (
        f"{where} is not UTF-8: byte {at} is 0x{value:02x}. Convert the file, for example with "
        "`iconv -f LATIN1 -t UTF-8`."
    )


def encodable(text: str) -> bool:
    """Whether it has no half of a surrogate pair."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def scalar(value: Any) -> str | None:
    """An id of any kind as text."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def no_column(source: str, wanted: str, there: Sequence[str], option: str, hint: str = "") -> InputError:
    """The error of an option that names no column."""
    listed = ", ".join(there[:_SHOWN]) + (", …" if len(there) > _SHOWN else "")
    return InputError(f"{source}: has no column {wanted!r}; it has {listed}. Name one of them with {option}.{hint}")


def places(source: str, header: Sequence[str] | None, width: int, columns: Columns) -> list[int]:
    """Positions of text, pair (-1 for none) and id (-1); raises `InputError`."""
    names = [str(k) for k in range(1, width + 1)] if header is None else header
    wanted = columns.text
    if wanted is None:
        if "text" not in names and len(names) != 1:
            raise no_column(source, "text", names, TEXT_OPTION)
        wanted = "text" if "text" in names else names[0]
    found = []
    for name, option in zip((wanted, columns.pair, columns.id), OPTIONS, strict=True):
        if name is None:
            found.append(-1)
        elif name in names:
            if names.count(name) > 1:
                message = f"{source}: has {names.count(name)} columns {name!r}, so {option} names none. Rename one."
                raise InputError(message)
            found.append(names.index(name))
        else:
            hint = "" if header is not None or name.isdigit() else " Without a header columns are numbers from 1."
            raise no_column(source, name, names, option, hint)
    return found
