"""Rows of a Parquet file."""

from collections.abc import Generator, Iterator
from typing import Any

from ihcli.corpus.readers.rows import Columns, Row, Rows, checked, decoded, places, scalar
from ihcli.errors import InputError

PARQUET_ROWS = 1024
"""Rows that are held at once."""


def parquet_rows(source: str, columns: Columns) -> Rows:
    """Rows of the columns asked for; raises `InputError` for what is no Parquet file or holds no such texts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(source, pre_buffer=False)  # no threads of Arrow's, as in a store
    except (OSError, pa.ArrowInvalid) as error:
        message = f"{source}: cannot be read as Parquet ({str(error).splitlines()[0]}). Give a Parquet file."
        raise InputError(message) from error
    names = file.schema_arrow.names
    at = places(source, names, len(names), Columns(columns.text, columns.pair, columns.id))
    for place in at[:2]:
        if place >= 0 and not _is_string(file.schema_arrow.field(place).type):
            kind = file.schema_arrow.field(place).type
            message = f"{source}: the column {names[place]!r} is {kind}; a text's column must be string."
            raise InputError(message)
    return Rows(_rows(file, [names[place] if place >= 0 else None for place in at]), file.close)


def _is_string(kind: Any) -> bool:
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _rows(file: Any, names: list[str | None]) -> Generator[Row]:
    """Row group by row group; what a damaged one still held becomes error rows, so that numbers stay right."""
    import pyarrow as pa

    number = 0
    for group in range(file.num_row_groups):
        end = number + file.metadata.row_group(group).num_rows
        try:
            for row in _of_group(file, group, names, number):
                number = row.number
                yield row
        except (OSError, pa.ArrowException) as error:
            said = (str(error).splitlines() or [type(error).__name__])[0]
            for lost in range(number + 1, end + 1):
                yield Row(lost, None, None, "", None, f"row {lost} lies in a damaged part of the file ({said}).")
        number = end


def _of_group(file: Any, group: int, names: list[str | None], number: int) -> Iterator[Row]:
    text_name, pair_name, id_name = names
    wanted = list(dict.fromkeys(name for name in names if name is not None))
    found = file.iter_batches(batch_size=PARQUET_ROWS, row_groups=[group], columns=wanted, use_threads=False)
    for batch in found:
        none = [None] * len(batch)
        texts = _bytes(batch.column(text_name))
        pairs = none if pair_name is None else _bytes(batch.column(pair_name))
        ids = none if id_name is None else _ids(batch.column(id_name))
        for text, pair, name in zip(texts, pairs, ids, strict=True):
            number += 1
            yield _row(number, text, pair, name, paired=pair_name is not None)


def _bytes(column: Any) -> list[bytes | None]:
    """The column's bytes: a writer may have put there what is not UTF-8."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.large_binary()).to_pylist()  # type: ignore[no-any-return]


def _ids(column: Any) -> list[str | bytes | None]:
    """Ids of any type: text as its bytes, times and decimals as Arrow writes them, the rest as JSON."""
    import pyarrow as pa

    if _is_string(column.type):
        return list(_bytes(column))
    if pa.types.is_temporal(column.type) or pa.types.is_decimal(column.type):
        column = column.cast(pa.string())
    return [scalar(value) for value in column.to_pylist()]


def _row(number: int, text: bytes | None, pair: bytes | None, name: str | bytes | None, *, paired: bool) -> Row:
    where = f"row {number}"
    called, unnamed = decoded(name, f"{where}'s id") if isinstance(name, bytes) else (name, None)
    if text is None or (paired and pair is None):
        return Row(number, None, called, "", None, f"{where}: the {'text' if text is None else 'pair'} is null.")
    words, problem = decoded(text, where)
    second, other = (None, None) if pair is None else decoded(pair, where)
    return checked(Row(number, None, called, words, second, problem or other or unnamed))
