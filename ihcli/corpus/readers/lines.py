"""Rows of an input file as a stream: a file larger than memory is read like a small one.

A row that cannot be read (not UTF-8, no JSON, a missing column) is a row with a problem, never the end of the stream.
The input is opened for reading only.
"""

import codecs
import csv
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import IO, Any

from ihcli.errors import InputError, UsageError

FORMATS = ("txt", "jsonl", "csv", "tsv", "parquet")
STANDARD_INPUT = "-"
LONGEST_LINE = 1 << 24
"""Bytes of one line; a longer one is no text that any model reads."""
PARQUET_ROWS = 1024
_BOM = codecs.BOM_UTF8
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


class Rows(Iterator[Row]):
    """A stream of rows; whoever does not read it to its end closes it."""

    def __init__(self, rows: Iterator[Row], close: Callable[[], None]) -> None:
        """Read the first row now, so that a missing column is an error before anything is written."""
        self._close = close
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
        self._close()


def read_rows(source: str, columns: Columns | None = None, wanted: str | None = None) -> Rows:
    """Every row of a file, or of standard input (`-`); raises `InputError` and `UsageError` before the first row."""
    columns = columns or Columns()
    kind = format_of(source, wanted)
    if kind == "txt" and (columns.text or columns.pair or columns.id):
        message = f"{source}: is read as a text a line and has no columns. Leave the column options out, or --format."
        raise UsageError(message)
    if kind == "parquet":
        return _parquet(source, columns)
    stream = _opened(source)
    rows = {"txt": _texts, "jsonl": _objects, "csv": _commas, "tsv": _tabs}[kind](source, stream, columns)
    return Rows(rows, (lambda: None) if source == STANDARD_INPUT else stream.close)


def _opened(source: str) -> IO[bytes]:
    if source == STANDARD_INPUT:
        return sys.stdin.buffer
    try:
        return Path(source).open("rb")
    except OSError as error:
        message = f"{source}: cannot be read ({error.strerror or error}). Give a file, or - for standard input."
        raise InputError(message) from error


# --- lines ------------------------------------------------------------------------------------------------------------


def _lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Each line and its number, without its end; a line that is too long is cut, but stays too long."""
    number = 0
    while line := stream.readline(LONGEST_LINE + 2):
        number += 1
        if number == 1:
            line = line.removeprefix(_BOM)
        whole = line.endswith(b"\n")
        while not whole and (rest := stream.readline(LONGEST_LINE)):
            whole = rest.endswith(b"\n")
        yield number, line.removesuffix(b"\n").removesuffix(b"\r")


def _decoded(line: bytes, where: str) -> tuple[str, str | None]:
    """The text of a line, and what is wrong with it."""
    if len(line) > LONGEST_LINE:
        return "", f"{where} is longer than {LONGEST_LINE >> 20} MB. No model reads a text that long: cut it."
    try:
        return line.decode("utf-8"), None
    except UnicodeDecodeError as error:
        shown = line.decode("utf-8", "backslashreplace")
        return shown, _not_utf8(where, line[error.start], error.start)


def _not_utf8(where: str, value: int, at: int) -> str:
    return (
        f"{where} is not UTF-8: byte {at} is 0x{value:02x}. Convert the file, for example with "
        "`iconv -f LATIN1 -t UTF-8`."
    )


def _texts(_: str, stream: IO[bytes], __: Columns) -> Iterator[Row]:
    for number, line in _lines(stream):
        text, problem = _decoded(line, f"line {number}")
        yield _checked(Row(number, number, None, text, None, problem))


def _checked(row: Row) -> Row:
    """The row; a text without words is its problem."""
    if row.problem is not None:
        return row
    for what, content in (("text", row.text), ("pair's second text", row.text_pair)):
        if content is not None and not content.strip():
            state = "blank" if content else "empty"
            return replace(row, problem=f"{row.place}: the {what} is {state}. Give a text with at least one word.")
    return row


def _objects(source: str, stream: IO[bytes], columns: Columns) -> Iterator[Row]:
    key = columns.text or "text"
    for number, line in _lines(stream):
        where = f"line {number}"
        content, problem = _decoded(line, where)
        if problem is not None:
            yield Row(number, number, None, content, None, problem)
            continue
        try:
            found = json.loads(content) if content.strip() else {key: ""}
        except (ValueError, RecursionError) as error:
            problem = f"{where} is not JSON ({error}). Each line is one object with the key {key!r}."
            yield Row(number, number, None, content, None, problem)
            continue
        if isinstance(found, str) and columns == Columns():
            found = {key: found}
        if not isinstance(found, Mapping):
            problem = f"{where} is {type(found).__name__}, not an object with the key {key!r}."
            yield Row(number, number, None, content, None, problem)
            continue
        yield _from_mapping(source, number, found, columns, content)


def _from_mapping(source: str, number: int, found: Mapping[str, Any], columns: Columns, content: str) -> Row:
    key = columns.text or "text"
    name = None if columns.id is None else _scalar(found.get(columns.id))
    wanted = [key, *([columns.pair] if columns.pair else []), *([columns.id] if columns.id else [])]
    for column in wanted:
        value = found.get(column)
        if value is None or (column != columns.id and not isinstance(value, str)):
            state = "missing" if column not in found else "null" if value is None else f"{type(value).__name__}"
            if number == 1 and column not in found:  # as a rule the option is wrong, not the first line
                raise InputError(_no_column(source, column, list(found), _OPTION[wanted.index(column)]))
            problem = f"line {number}: the key {column!r} is {state}; it must be text."
            return Row(number, number, name, content, None, problem)
    texts = [found[key], found[columns.pair] if columns.pair else None]
    lone = next((t for t in texts if t is not None and not _encodable(t)), None)
    if lone is not None:
        problem = f"line {number}: holds half of a surrogate pair (\\ud800 to \\udfff), which is no character."
        return Row(number, number, name, lone.encode("utf-8", "backslashreplace").decode(), None, problem)
    return _checked(Row(number, number, name, texts[0], texts[1], None))


_OPTION = ("--text-column", "--pair-column", "--id-column")


def _scalar(value: Any) -> str | None:
    if value is None:
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _no_column(source: str, wanted: str, there: Sequence[str], option: str) -> str:
    listed = ", ".join(there[:_SHOWN]) + (", …" if len(there) > _SHOWN else "")
    return f"{source}: has no column {wanted!r}; it has {listed}. Name one of them with {option}."


# --- tables of text ---------------------------------------------------------------------------------------------------


def _commas(source: str, stream: IO[bytes], columns: Columns) -> Iterator[Row]:
    """RFC 4180: a quoted field may hold commas, quotes and line ends."""
    return _table(source, stream, columns, lambda lines: csv.reader(lines, strict=False))


def _tabs(source: str, stream: IO[bytes], columns: Columns) -> Iterator[Row]:
    """Tab-separated values as IANA registers them: a quote is a character like any other."""
    return _table(source, stream, columns, lambda lines: csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def _table(source: str, stream: IO[bytes], columns: Columns, read: Callable[[Iterator[str]], Any]) -> Iterator[Row]:
    # What is not UTF-8 comes in as lone surrogates, so that the table's shape is kept and the row can be named.
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    with _long_fields(), _lent(text):
        reader = read(text)
        header = next(reader, None) if columns.header else None
        if columns.header and header is None:
            return
        places: list[int] | None = None
        number, line = 0, reader.line_num + 1
        while True:
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                number += 1
                yield Row(number, line, None, "", None, f"line {line} cannot be read as a table's row ({error}).")
                line = reader.line_num + 1
                continue
            if places is None:
                places = _places(source, header, len(fields), columns)
            number += 1
            yield _from_fields(number, line, fields, places, header)
            line = reader.line_num + 1


@contextmanager
def _long_fields() -> Iterator[None]:
    before = csv.field_size_limit(LONGEST_LINE)
    try:
        yield
    finally:
        csv.field_size_limit(before)


@contextmanager
def _lent(text: io.TextIOWrapper) -> Iterator[None]:
    """Give the stream below back afterwards: who opened it closes it."""
    try:
        yield
    finally:
        text.detach()


def _places(source: str, header: list[str] | None, width: int, columns: Columns) -> list[int]:
    """Positions of text, pair (-1 for none) and id (-1); raises `InputError`."""
    names = [str(k) for k in range(1, width + 1)] if header is None else header
    wanted = columns.text
    if wanted is None:
        if "text" not in names and len(names) != 1:
            raise InputError(_no_column(source, "text", names, _OPTION[0]))
        wanted = "text" if "text" in names else names[0]
    found = []
    for name, option in zip((wanted, columns.pair, columns.id), _OPTION, strict=True):
        if name is None:
            found.append(-1)
        elif name in names:
            found.append(names.index(name))
        else:
            hint = "" if header is not None or name.isdigit() else " Without a header columns are numbers from 1."
            raise InputError(_no_column(source, name, names, option) + hint)
    return found


def _from_fields(number: int, line: int, fields: list[str], places: list[int], header: list[str] | None) -> Row:
    if not fields:
        return _checked(Row(number, line, None, "", None, None))
    values = [fields[place] if 0 <= place < len(fields) else None for place in places]
    text, pair, name = values
    lost = next((k for k, place in enumerate(places) if place >= len(fields)), None)
    bad = next((v for v in values if v is not None and not _encodable(v)), None)
    if bad is not None:
        at = next(k for k, character in enumerate(bad) if "\udc80" <= character <= "\udcff")
        problem = _not_utf8(f"line {line}", ord(bad[at]) - 0xDC00, len(bad[:at].encode("utf-8")))
        shown = (text or "").encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        known = name if name is not None and _encodable(name) else None
        return Row(number, line, known, shown, None, problem)
    if lost is not None:
        column = str(places[lost] + 1) if header is None else repr(header[places[lost]])
        problem = f"line {line} has {len(fields)} fields and no column {column}."
        return Row(number, line, name, text or "", None, problem)
    return _checked(Row(number, line, name, text or "", pair, None))


# --- Parquet ----------------------------------------------------------------------------------------------------------


def _parquet(source: str, columns: Columns) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(source, pre_buffer=False)  # no threads of Arrow's, as in a store
    except (OSError, pa.ArrowInvalid) as error:
        message = f"{source}: cannot be read as Parquet ({str(error).splitlines()[0]}). Give a Parquet file."
        raise InputError(message) from error
    names = file.schema_arrow.names
    places = _places(source, names, len(names), Columns(columns.text, columns.pair, columns.id))
    for place in places[:2]:
        kind = file.schema_arrow.field(place).type if place >= 0 else pa.string()
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
            message = f"{source}: the column {names[place]!r} is {kind}; a text's column must be string."
            raise InputError(message)
    return Rows(_parquet_rows(file, [names[place] if place >= 0 else None for place in places]), file.close)


def _parquet_rows(file: Any, names: list[str | None]) -> Iterator[Row]:
    number = 0
    wanted = list(dict.fromkeys(name for name in names if name is not None))
    for batch in file.iter_batches(batch_size=PARQUET_ROWS, columns=wanted, use_threads=False):
        found = [_bytes(batch.column(name)) if name is not None else [None] * len(batch) for name in names[:2]]
        ids = batch.column(names[2]).to_pylist() if names[2] is not None else [None] * len(batch)
        for text, pair, name in zip(*found, ids, strict=True):
            number += 1
            yield _from_bytes(number, text, pair, _scalar(name), paired=names[1] is not None)


def _bytes(column: Any) -> list[bytes | None]:
    """The column's bytes: a writer may have put there what is not UTF-8."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.large_binary()).to_pylist()  # type: ignore[no-any-return]


def _from_bytes(number: int, text: bytes | None, pair: bytes | None, name: str | None, *, paired: bool) -> Row:
    where = f"row {number}"
    if text is None or (paired and pair is None):
        return Row(number, None, name, "", None, f"{where}: the {'text' if text is None else 'pair'} is null.")
    words, problem = _decoded(text, where)
    second, other = (None, None) if pair is None else _decoded(pair, where)
    return _checked(Row(number, None, name, words, second, problem or other))
