"""Rows of a Parquet file."""

from collections.abc import Generator, Iterator
from typing import Any

from ihcli.corpus.readers.rows import Columns, Row, RowStream, checked_row, column_positions, decode, id_text
from ihcli.errors import InputError

PARQUET_ROWS = 1024
"""Rows that are in memory at once."""


def parquet_rows(source: str, columns: Columns) -> RowStream:
    """The rows of the named columns; raises `InputError` for a file that is not Parquet or has no such text column."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(source, pre_buffer=False)  # without Arrow's threads, see `store_parts.read_rows`
    except (OSError, pa.ArrowException) as error:
        message = f"{source}: cannot be read as Parquet ({_first_line(error)}). Give a Parquet file."
        raise InputError(message) from error
    names = file.schema_arrow.names
    positions = column_positions(source, names, len(names), Columns(columns.text, columns.pair, columns.id))
    for position in positions[:2]:
        if position >= 0 and not _is_string(file.schema_arrow.field(position).type):
            kind = file.schema_arrow.field(position).type
            message = f"{source}: the column {names[position]!r} is {kind}; a column of texts must be string."
            raise InputError(message)
    return RowStream(_rows(file, [names[k] if k >= 0 else None for k in positions]), file.close)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _is_string(kind: Any) -> bool:
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _rows(file: Any, names: list[str | None]) -> Generator[Row]:
    """The rows by row group; rows of a damaged group are bad rows, so that later rows keep their numbers."""
    import pyarrow as pa

    number = 0
    for group in range(file.num_row_groups):
        end = number + file.metadata.row_group(group).num_rows
        try:
            for row in _rows_of_group(file, group, names, number):
                number = row.number
                yield row
        except (OSError, pa.ArrowException) as error:
            reason = _first_line(error)
            for lost in range(number + 1, end + 1):
                yield Row(lost, None, None, "", None, f"row {lost} is in a damaged part of the file ({reason}).")
        number = end


def _rows_of_group(file: Any, group: int, names: list[str | None], number: int) -> Iterator[Row]:
    text_name, pair_name, id_name = names
    wanted = list(dict.fromkeys(name for name in names if name is not None))
    batches = file.iter_batches(batch_size=PARQUET_ROWS, row_groups=[group], columns=wanted, use_threads=False)
    for batch in batches:
        none = [None] * len(batch)
        texts = _bytes(batch.column(text_name))
        pairs = none if pair_name is None else _bytes(batch.column(pair_name))
        ids = none if id_name is None else _ids(batch.column(id_name))
        for text, pair, name in zip(texts, pairs, ids, strict=True):
            number += 1
            yield _row(number, text, pair, name, paired=pair_name is not None)


def _bytes(column: Any) -> list[bytes | None]:
    """The bytes of a string column, which need not be UTF-8."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.large_binary()).to_pylist()  # type: ignore[no-any-return]


def _ids(column: Any) -> list[str | bytes | None]:
    """Ids of any type: strings as bytes, times and decimals as Arrow writes them, others as JSON."""
    import pyarrow as pa

    if _is_string(column.type):
        return list(_bytes(column))
    if pa.types.is_temporal(column.type) or pa.types.is_decimal(column.type):
        column = column.cast(pa.string())
    return [id_text(value) for value in column.to_pylist()]


def _row(number: int, text: bytes | None, pair: bytes | None, name: str | bytes | None, *, paired: bool) -> Row:
    where = f"row {number}"
    id_of_row, id_problem = decode(name, f"{where}'s id") if isinstance(name, bytes) else (name, None)
    if text is None or (paired and pair is None):
        return Row(number, None, id_of_row, "", None, f"{where}: the {'text' if text is None else 'pair'} is null.")
    first, problem = decode(text, where)
    second, pair_problem = (None, None) if pair is None else decode(pair, where)
    return checked_row(Row(number, None, id_of_row, first, second, problem or pair_problem or id_problem))
