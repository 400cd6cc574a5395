"""Parquet files: kinds of strings and ids, nulls, and damaged pages."""

import datetime as dt
import decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from read_inputs import problems, rows_of, written

from ihcli.corpus.readers import Columns
from ihcli.corpus.readers import parquet as parquet_reader
from ihcli.errors import InputError


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_parquet_of_any_kind_of_string(tmp_path: Path, kind: pa.DataType) -> None:
    table = pa.table({
        "n": [5, 6, None],
        "text": pa.array(["one", "", "three"], pa.string()).cast(kind),
        "other": ["a", "b", None],
    })  # fmt: skip
    pq.write_table(table, tmp_path / "in.parquet")
    one, two, three = rows_of(tmp_path / "in.parquet", Columns(pair="other", id="n"))
    assert (one.number, one.line, one.id, one.text, one.text_pair) == (1, None, "5", "one", "a")
    assert two.problem == "row 2: the text is empty. Give a text with at least one word."
    assert three.problem == "row 3: the pair is null."
    assert len(rows_of(tmp_path / "in.parquet")) == 3


def test_parquet_that_holds_no_text_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "in.parquet")
    with pytest.raises(InputError, match=r"'text' is int64; a column of texts must be string"):
        rows_of(tmp_path / "in.parquet")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        rows_of(written(tmp_path, "no.parquet", b"not parquet"))
    with pytest.raises(InputError, match=r"no column 'body'"):
        rows_of(tmp_path / "in.parquet", Columns("body"))


def test_bytes_in_parquet_that_are_no_utf8_are_their_row_s_problem(tmp_path: Path) -> None:
    values = pa.array([b"good", b"caf\xe9"], pa.binary())
    damaged = pa.Array.from_buffers(pa.string(), 2, values.buffers())
    pq.write_table(pa.table({"text": damaged}), tmp_path / "in.parquet")
    good, bad = rows_of(tmp_path / "in.parquet")
    assert good.problem is None
    assert "row 2 is not UTF-8: byte 3 is 0xe9" in str(bad.problem)


def test_parquet_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_reader, "PARQUET_ROWS", 4)
    pq.write_table(pa.table({"text": [f"text {k}" for k in range(11)]}), tmp_path / "in.parquet", row_group_size=5)
    assert [(row.number, row.text) for row in rows_of(tmp_path / "in.parquet")] == [
        (k + 1, f"text {k}") for k in range(11)
    ]


def test_parquet_ids_of_any_type(tmp_path: Path) -> None:
    moment = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    damaged = pa.Array.from_buffers(pa.string(), 2, pa.array([b"a", b"caf\xe9"], pa.binary()).buffers())
    ids = {
        "when": pa.array([moment, None], pa.timestamp("ns", "UTC")),
        "day": pa.array([moment.date(), None]),
        "price": pa.array([decimal.Decimal("1.50"), None]),
        "raw": pa.array([b"\xff\x00", None]),
        "number": pa.array([7, None]),
        "nested": pa.array([{"k": 1}, None]),
    }
    pq.write_table(pa.table({"text": ["one", "two"], "bad": damaged, **ids}), tmp_path / "in.parquet")
    expected = {"day": "2026-01-02", "price": "1.50", "raw": "ff00", "number": "7", "nested": '{"k": 1}'}
    for name in ids:
        one, two = rows_of(tmp_path / "in.parquet", Columns(id=name))
        assert one.problem is None
        assert two.id is None
        assert one.id == expected.get(name, one.id)
        assert name != "when" or str(one.id).startswith("2026-01-02 03:04:05")
    one, two = rows_of(tmp_path / "in.parquet", Columns(id="bad"))
    assert (one.id, one.problem) == ("a", None)
    assert "row 2's id is not UTF-8" in str(two.problem)


def test_a_damaged_page_of_parquet_costs_its_own_rows_of(tmp_path: Path) -> None:
    texts = [f"text number {k} with {k * k} words" for k in range(30)]
    file = tmp_path / "in.parquet"
    pq.write_table(pa.table({"text": texts}), file, row_group_size=10, compression="zstd", use_dictionary=False)
    chunk = pq.read_metadata(file).row_group(1).column(0)
    content = bytearray(file.read_bytes())
    end = chunk.data_page_offset + chunk.total_compressed_size
    content[end - 60 : end] = bytes(60)
    file.write_bytes(content)
    found = rows_of(file)
    assert [row.number for row in found] == list(range(1, 31))
    assert [row.text for row in found if row.problem is None] == [*texts[:10], *texts[20:]]
    assert "row 11 is in a damaged part of the file" in problems(found)[11]
