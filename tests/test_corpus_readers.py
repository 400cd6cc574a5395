"""Rows of every format, whole and damaged, as a stream that never stops and never writes."""

import io
import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ihcli.corpus import readers
from ihcli.corpus.readers import Columns, Row, format_of, read_rows
from ihcli.errors import InputError, UsageError


def rows(path: Path, columns: Columns | None = None, wanted: str | None = None) -> list[Row]:
    found = read_rows(str(path), columns, wanted)
    try:
        return list(found)
    finally:
        found.close()


def written(folder: Path, name: str, content: bytes | str) -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return file


def seen(found: list[Row]) -> list[tuple[int | None, str, bool]]:
    return [(row.line, row.text, row.problem is None) for row in found]


def problems(found: list[Row]) -> dict[int, str]:
    return {row.number: row.problem for row in found if row.problem is not None}


# --- a text a line ------------------------------------------------------------------------------------------------


def test_a_text_a_line_with_any_line_end_and_mark(tmp_path: Path) -> None:
    file = written(tmp_path, "in.txt", b"\xef\xbb\xbfone\r\ntw\xc3\xb6\n\n \t\nlast\x00 \x85x")
    found = rows(file)
    assert seen(found) == [
        (1, "one", True),
        (2, "twö", True),
        (3, "", False),
        (4, " \t", False),
        (5, "last\x00 \\x85x", False),
    ]
    assert "is not UTF-8: byte 6 is 0x85" in problems(found)[5]


def test_a_line_that_no_model_reads_is_one_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "LONGEST_LINE", 100)
    file = written(tmp_path, "in.txt", b"a" * 100 + b"\n" + b"b" * 1000 + b"\nlast\n")
    found = rows(file)
    assert [row.line for row in found] == [1, 2, 3]
    assert (found[0].problem, found[2].text) == (None, "last")
    assert "line 2 is longer than" in str(found[1].problem)


def test_a_file_is_read_as_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    path.write_bytes(b"some text\n" * 200_000)
    found = read_rows(str(path))
    assert [row.number for row in itertools.islice(found, 3)] == [1, 2, 3]
    position = found._close.__self__.tell()  # type: ignore[attr-defined]
    assert position < 100_000
    found.close()


def test_standard_input_is_a_text_a_line_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    def given(content: bytes) -> None:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))

    given(b"one\ntwo")
    assert [row.text for row in read_rows("-")] == ["one", "two"]
    given(b'{"text": "one"}\n')
    assert [row.text for row in read_rows("-", None, "jsonl")] == ["one"]
    with pytest.raises(UsageError, match="cannot be read from standard input"):
        read_rows("-", None, "parquet")


@pytest.mark.parametrize(
    ("name", "kind"), [("a.TXT", "txt"), ("a.ndjson", "jsonl"), ("a.b.tsv", "tsv"), ("a.pq", "parquet"), ("-", "txt")]
)
def test_the_suffix_says_the_format(name: str, kind: str) -> None:
    assert format_of(name) == kind
    assert format_of("a.csv", kind if name != "-" else "csv") == (kind if name != "-" else "csv")
    with pytest.raises(UsageError, match="says no format"):
        format_of("a.docx")


# --- JSON lines ---------------------------------------------------------------------------------------------------


def test_objects_a_line_with_pair_and_id(tmp_path: Path) -> None:
    lines = [{"a": "first", "b": "second", "n": 7}, {"a": "x", "b": "y", "n": {"k": 1}}, {"b": "no a", "n": 1}]
    file = written(tmp_path, "in.jsonl", "\n".join(json.dumps(one) for one in lines) + "\n")
    one, two, three = rows(file, Columns("a", "b", "n"))
    assert (one.text, one.text_pair, one.id) == ("first", "second", "7")
    assert two.id == '{"k": 1}'
    assert three.problem == "line 3: the key 'a' is missing; it must be text."
    assert three.id == "1"


def test_what_is_no_object_with_a_text_is_a_bad_row(tmp_path: Path) -> None:
    bad = ['{"text": ', "[1]", '{"text": null}', '{"text": 3}', '{"text": ""}', '{"text": "\\ud800"}', "nul", ""]
    file = written(tmp_path, "in.jsonl", "\n".join(['{"text": "good"}', *bad, '{"text": "good"}']) + "\n")
    found = rows(file)
    assert [row.number for row in found if row.problem is None] == [1, 10]
    said = problems(found)
    for number, part in enumerate(
        ("is not JSON", "is list, not an object", "'text' is null", "'text' is int", "the text is empty",
         "half of a surrogate", "is not JSON", "the text is empty"), 2,
    ):  # fmt: skip
        assert part in said[number]
        assert f"line {number}" in said[number]
    deep = written(tmp_path, "deep.jsonl", '{"text": "a"}\n' + "[" * 100_000 + "\n")
    assert "is not JSON" in problems(rows(deep))[2]


def test_plain_strings_are_texts_and_a_wrong_key_is_said_at_once(tmp_path: Path) -> None:
    assert [row.text for row in rows(written(tmp_path, "a.jsonl", '"one"\n"two"\n'))] == ["one", "two"]
    with pytest.raises(InputError, match=r"no column 'body'; it has text, id. Name one of them with --text-column"):
        rows(written(tmp_path, "b.jsonl", '{"text": "a", "id": 1}\n'), Columns("body"))


# --- tables -------------------------------------------------------------------------------------------------------


def test_a_quoted_field_may_hold_lines_and_the_row_keeps_its_first(tmp_path: Path) -> None:
    content = 'id,text,label\n1,"two\nlines, and ""quotes""",x\n2,plain,y\n\n3,,z\n4\n5,last,'
    found = rows(written(tmp_path, "in.csv", content), Columns(id="id"))
    assert seen(found) == [
        (2, 'two\nlines, and "quotes"', True), (4, "plain", True), (5, "", False), (6, "", False), (7, "", False),
        (8, "last", True),
    ]  # fmt: skip
    assert [row.id for row in found] == ["1", "2", None, "3", "4", "5"]
    assert problems(found)[5] == "line 7 has 1 fields and no column 'text'."


def test_tabs_know_no_quotes(tmp_path: Path) -> None:
    file = written(tmp_path, "in.tsv", 'text\tn\nhe said "no\t1\n"so"\t2\n')
    assert [row.text for row in rows(file)] == ['he said "no', '"so"']


def test_columns_without_names_are_numbers(tmp_path: Path) -> None:
    file = written(tmp_path, "in.tsv", "1\tgood film\n0\tbad film\n")
    assert [row.text for row in rows(file, Columns("2", id="1", header=False))] == ["good film", "bad film"]
    with pytest.raises(InputError, match="Without a header columns are numbers from 1"):
        rows(file, Columns("text", header=False))
    with pytest.raises(InputError, match=r"no column 'text'; it has 1, 2"):
        rows(file, Columns(header=False))
    assert [row.text for row in rows(written(tmp_path, "one.csv", "review\nfine\n"))] == ["fine"]


def test_what_is_not_utf8_in_a_table_is_its_row_s_problem(tmp_path: Path) -> None:
    file = written(tmp_path, "in.csv", b"text,n\ngood,1\ncaf\xe9 noir,2\ngood,3\n")
    found = rows(file)
    assert [row.problem is None for row in found] == [True, False, True]
    assert "line 3 is not UTF-8: byte 3 is 0xe9" in str(found[1].problem)
    assert found[1].text == "caf\\xe9 noir"


def test_a_field_beyond_all_size_is_one_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "LONGEST_LINE", 50)
    found = rows(written(tmp_path, "in.csv", "text\nfine\n" + "x" * 80 + "\nfine\n"))
    assert [row.problem is None for row in found] == [True, False, True]
    assert "line 3 cannot be read" in str(found[1].problem)


def test_empty_files_have_no_rows(tmp_path: Path) -> None:
    for name in ("a.txt", "a.jsonl", "a.csv", "a.tsv"):
        assert rows(written(tmp_path, name, b"")) == []
    assert rows(written(tmp_path, "b.csv", b"text,n\n")) == []


# --- Parquet ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_parquet_of_any_kind_of_string(tmp_path: Path, kind: pa.DataType) -> None:
    table = pa.table({
        "n": [5, 6, None],
        "text": pa.array(["one", "", "three"], pa.string()).cast(kind),
        "other": ["a", "b", None],
    })  # fmt: skip
    pq.write_table(table, tmp_path / "in.parquet")
    one, two, three = rows(tmp_path / "in.parquet", Columns(pair="other", id="n"))
    assert (one.number, one.line, one.id, one.text, one.text_pair) == (1, None, "5", "one", "a")
    assert two.problem == "row 2: the text is empty. Give a text with at least one word."
    assert three.problem == "row 3: the pair is null."
    assert len(rows(tmp_path / "in.parquet")) == 3


def test_parquet_that_holds_no_text_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "in.parquet")
    with pytest.raises(InputError, match=r"'text' is int64; a text's column must be string"):
        rows(tmp_path / "in.parquet")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        rows(written(tmp_path, "no.parquet", b"not parquet"))
    with pytest.raises(InputError, match=r"no column 'body'"):
        rows(tmp_path / "in.parquet", Columns("body"))


def test_bytes_in_parquet_that_are_no_utf8_are_their_row_s_problem(tmp_path: Path) -> None:
    values = pa.array([b"good", b"caf\xe9"], pa.binary())
    damaged = pa.Array.from_buffers(pa.string(), 2, values.buffers())
    pq.write_table(pa.table({"text": damaged}), tmp_path / "in.parquet")
    good, bad = rows(tmp_path / "in.parquet")
    assert good.problem is None
    assert "row 2 is not UTF-8: byte 3 is 0xe9" in str(bad.problem)


def test_parquet_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "PARQUET_ROWS", 4)
    pq.write_table(pa.table({"text": [f"text {k}" for k in range(11)]}), tmp_path / "in.parquet", row_group_size=5)
    assert [(row.number, row.text) for row in rows(tmp_path / "in.parquet")] == [
        (k + 1, f"text {k}") for k in range(11)
    ]
