r"""Formats with one row in each line: plain text, and JSON lines.

A line ends at `\n`, `\r\n` or `\r`, and nowhere else.
"""

import json
import re
from collections.abc import Generator, Iterator, Mapping
from typing import IO, Any

from ihcli.corpus.readers import rows
from ihcli.corpus.readers.rows import (
    ID_OPTION,
    PAIR_OPTION,
    TEXT_OPTION,
    Columns,
    Row,
    checked_row,
    decode,
    id_text,
    is_encodable,
    missing_column,
)
from ihcli.errors import InputError
from ihcli.text_lines import other_encoding

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# A program that translates \n to \r\n twice writes \r\r\n, which is one line end.
_LINE_END = re.compile(rb"\r?\r?\n|\r")


def numbered_lines(source: str, stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    r"""Each line with its number; its end is `\n`, or `\r` where the file has a single `\r`.

    A line of more than `LONGEST_LINE` bytes is cut, but stays longer than that.  Raises `InputError` for a file in
    UTF-16 or UTF-32.
    """
    number, rest, longest = 0, b"", rows.LONGEST_LINE
    while block := stream.readline(longest + 2):
        if block.endswith(b"\r"):  # the limit may lie within \r\n
            block += stream.readline(1)
        if number == 0 and not rest:
            block = _without_byte_order_mark(source, block)
        content, position = rest + block, 0
        for end in _LINE_END.finditer(content):
            number += 1
            yield number, content[position : end.start()] + end[0][-1:]
            position = end.end()
        rest = content[position:][: longest + 1]
    if rest:
        yield number + 1, rest + b"\n"


def _without_byte_order_mark(source: str, start: bytes) -> bytes:
    encoding = other_encoding(start)
    if encoding is not None:
        message = f"{source}: is {encoding}, and must be UTF-8. Convert it: `iconv -f {encoding} -t UTF-8`."
        raise InputError(message)
    return start.removeprefix(_BYTE_ORDER_MARK)


def text_rows(source: str, stream: IO[bytes], _: Columns) -> Generator[Row]:
    """One text in each line."""
    for number, line in numbered_lines(source, stream):
        text, problem = decode(line[:-1], f"line {number}")
        yield checked_row(Row(number, number, None, text, None, problem))


def json_rows(source: str, stream: IO[bytes], columns: Columns) -> Generator[Row]:
    """One JSON object in each line, or one JSON string where no column is named."""
    key = columns.text or "text"
    columns_checked = False
    for number, line in numbered_lines(source, stream):
        where = f"line {number}"
        content, problem = decode(line[:-1], where)
        values: Mapping[str, Any] | None = None
        if problem is None and content.strip():
            values, problem = _parse(content, where, columns)
        if problem is not None or values is None:
            yield checked_row(Row(number, number, None, content.strip(), None, problem))
            continue
        if not columns_checked:  # a key that the first object lacks is most likely a wrong option
            columns_checked = True
            for name, option in ((key, TEXT_OPTION), (columns.pair, PAIR_OPTION), (columns.id, ID_OPTION)):
                if name is not None and name not in values:
                    raise missing_column(source, name, list(values), option)
        yield checked_row(_from_object(number, values, columns, content))


def _parse(content: str, where: str, columns: Columns) -> tuple[Mapping[str, Any] | None, str | None]:
    """The object in a line, or the problem with the line."""
    key = columns.text or "text"
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        return None, f"{where} is not JSON ({error}). Each line is one object with the key {key!r}."
    if isinstance(value, str) and columns == Columns():
        return {key: value}, None
    if not isinstance(value, Mapping):
        return None, f"{where} is {type(value).__name__}, not an object with the key {key!r}."
    return value, None


def _from_object(number: int, values: Mapping[str, Any], columns: Columns, content: str) -> Row:
    key = columns.text or "text"
    name = None if columns.id is None else id_text(values.get(columns.id))
    for column in (key, columns.pair):
        value = None if column is None else values.get(column)
        if column is not None and not isinstance(value, str):
            state = "missing" if column not in values else "null" if value is None else type(value).__name__
            problem = f"line {number}: the key {column!r} is {state}; it must be text."
            return Row(number, number, name, content, None, problem)
    text, pair = str(values[key]), None if columns.pair is None else str(values[columns.pair])
    if not all(is_encodable(one) for one in (text, pair, name) if one is not None):
        problem = f"line {number}: holds a lone surrogate (\\ud800 to \\udfff), which is no character."
        return Row(number, number, name, text, None, problem)
    return Row(number, number, name, text, pair, None)
