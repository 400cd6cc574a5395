"""Reading small input files in tests."""

from pathlib import Path

from ihcli.corpus.readers import Columns, Row, read_rows


def written(folder: Path, name: str, content: bytes | str) -> Path:
    """A file in `folder`; text is written as UTF-8 with its line ends as they are."""
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return file


def rows_of(path: Path, columns: Columns | None = None, wanted: str | None = None) -> list[Row]:
    stream = read_rows(str(path), columns, wanted)
    try:
        return list(stream)
    finally:
        stream.close()


def lines_and_texts(rows: list[Row]) -> list[tuple[int | None, str, bool]]:
    """(line, text, whether the row was read) of each row."""
    return [(row.line, row.text, row.problem is None) for row in rows]


def texts_read(rows: list[Row]) -> list[str]:
    return [row.text for row in rows if row.problem is None]


def problems(rows: list[Row]) -> dict[int, str]:
    """The problem of each bad row, by row number."""
    return {row.number: row.problem for row in rows if row.problem is not None}
