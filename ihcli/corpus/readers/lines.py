"""Formats of a row a line: plain text, and JSON."""

import codecs
import json
from collections.abc import Generator, Iterator, Mapping
from typing import IO, Any

from ihcli.corpus.readers import rows
from ihcli.corpus.readers.rows import (
    ID_OPTION,
    PAIR_OPTION,
    TEXT_OPTION,
    Columns,
    Row,
    checked,
    decoded,
    encodable,
    no_column,
    scalar,
)
from ihcli.errors import InputError

_BOM = codecs.BOM_UTF8
_OTHER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # begins as UTF-16's does
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def lines(source: str, stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Each line and its number, without its end; a line that is too long is cut, but stays too long.

    Raises `InputError` for a file of UTF-16 or UTF-32, none of whose lines is what it seems.
    """
    number, longest = 0, rows.LONGEST_LINE
    while line := stream.readline(longest + 2):
        number += 1
        if number == 1:
            _require_utf8(source, line)
            line = line.removeprefix(_BOM)
        whole = line.endswith(b"\n")
        while not whole and (rest := stream.readline(longest)):
            whole = rest.endswith(b"\n")
        yield number, line.removesuffix(b"\n").rstrip(b"\r")


def _require_utf8(source: str, start: bytes) -> None:
    found = next((name for mark, name in _OTHER_MARKS.items() if start.startswith(mark)), None)
    if found is not None:
        message = f"{source}: is {found}, and must be UTF-8. Convert it: `iconv -f {found} -t UTF-8`."
        raise InputError(message)


def texts(source: str, stream: IO[bytes], _: Columns) -> Generator[Row]:
    """A text a line."""
    for number, line in lines(source, stream):
        text, problem = decoded(line, f"line {number}")
        yield checked(Row(number, number, None, text, None, problem))


def objects(source: str, stream: IO[bytes], columns: Columns) -> Generator[Row]:
    """A JSON object a line, or without columns a JSON string."""
    key = columns.text or "text"
    asked = False
    for number, line in lines(source, stream):
        where = f"line {number}"
        content, problem = decoded(line, where)
        found: Any = None
        if problem is None and content.strip():
            found, problem = _parsed(content, where, columns)
        if problem is not None or found is None:
            yield checked(Row(number, number, None, content.strip(), None, problem))
            continue
        if not asked:  # as a rule the option is wrong, not the first object
            asked = True
            for name, option in ((key, TEXT_OPTION), (columns.pair, PAIR_OPTION), (columns.id, ID_OPTION)):
                if name is not None and name not in found:
                    raise no_column(source, name, list(found), option)
        yield checked(_from_mapping(number, found, columns, content))


def _parsed(content: str, where: str, columns: Columns) -> tuple[Mapping[str, Any] | None, str | None]:
    """The object of a line, or what is wrong with it."""
    key = columns.text or "text"
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        return None, f"{where} is not JSON ({error}). Each line is one object with the key {key!r}."
    if isinstance(found, str) and columns == Columns():
        return {key: found}, None
    if not isinstance(found, Mapping):
        return None, f"{where} is {type(found).__name__}, not an object with the key {key!r}."
    return found, None


def _from_mapping(number: int, found: Mapping[str, Any], columns: Columns, content: str) -> Row:
    key = columns.text or "text"
    name = None if columns.id is None else scalar(found.get(columns.id))
    for column in (key, columns.pair):
        value = None if column is None else found.get(column)
        if column is not None and not isinstance(value, str):
            state = "missing" if column not in found else "null" if value is None else type(value).__name__
            problem = f"line {number}: the key {column!r} is {state}; it must be text."
            return Row(number, number, name, content, None, problem)
    text, pair = str(found[key]), None if columns.pair is None else str(found[columns.pair])
    if not all(encodable(one) for one in (text, pair, name) if one is not None):
        problem = f"line {number}: holds half of a surrogate pair (\\ud800 to \\udfff), which is no character."
        return Row(number, number, name, text, None, problem)
    return Row(number, number, name, text, pair, None)
