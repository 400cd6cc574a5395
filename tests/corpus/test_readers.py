"""Rows of every format, whole and damaged, as a stream that never stops and never writes."""

import datetime as dt
import decimal
import io
import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ihcli.corpus.readers import Columns, Row, format_of, read_rows
from ihcli.corpus.readers import parquet as parquet_reader
from ihcli.corpus.readers import rows as row_rules
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
    monkeypatch.setattr(row_rules, "LONGEST_LINE", 100)
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


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-be"])
@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.tsv", "a.jsonl"])
def test_other_encodings_with_their_mark_are_refused_whole(tmp_path: Path, name: str, encoding: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    file = written(tmp_path, name, (mark + "text\ntwo bad\n").encode(encoding))
    with pytest.raises(InputError, match=f"is UTF-{encoding[4:6]}, and must be UTF-8.*iconv -f UTF-{encoding[4:6]}"):
        rows(file)


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


def test_ids_that_are_null_or_no_characters(tmp_path: Path) -> None:
    content = '\n{"text": "a", "id": 1}\n{"text": "b", "id": null}\n{"text": "c"}\n{"text": "d", "id": "\\ud800"}\n'
    found = rows(written(tmp_path, "in.jsonl", content), Columns(id="id"))
    assert [(row.id, row.problem is None) for row in found] == [
        (None, False), ("1", True), (None, True), (None, True), ("\\ud800", False),
    ]  # fmt: skip
    assert "half of a surrogate pair" in problems(found)[5]
    json.dumps([row.id for row in found]).encode("utf-8")


def test_the_option_of_a_missing_column_is_named(tmp_path: Path) -> None:
    file = written(tmp_path, "in.jsonl", 'no json\n{"text": "a"}\n')
    with pytest.raises(InputError, match=r"no column 'id'; it has text. Name one of them with --id-column"):
        rows(file, Columns(id="id"))
    with pytest.raises(InputError, match=r"no column 'b'; it has text. Name one of them with --pair-column"):
        rows(file, Columns(pair="b"))


# --- tables -------------------------------------------------------------------------------------------------------


def test_a_quoted_field_may_hold_lines_and_the_row_keeps_its_first(tmp_path: Path) -> None:
    content = 'id,text,label\n1,"two\nlines, and ""quotes""",x\n2,plain,y\n\n3,,z\n4\n5,last,'
    found = rows(written(tmp_path, "in.csv", content), Columns(id="id"))
    assert seen(found) == [
        (2, 'two\nlines, and "quotes"', True), (4, "plain", True), (5, "", False), (6, "", False), (7, "", False),
        (8, "last", True),
    ]  # fmt: skip
    assert [row.id for row in found] == ["1", "2", None, "3", "4", "5"]
    assert problems(found)[5] == "line 7 has 1 fields for 3 columns, and not all that are wanted."


def test_a_quote_that_is_not_closed_costs_its_own_row_only(tmp_path: Path) -> None:
    content = 'id,text\n1,"so bad\n2,fine\n3,"quoted, and fine"\n4,"great\n5,end\n6,"two\nlines"\n7,"open\n8,last\n'
    found = rows(written(tmp_path, "in.csv", content), Columns(id="id"))
    assert [(row.line, row.id, row.text) for row in found if row.problem is None] == [
        (3, "2", "fine"), (4, "3", "quoted, and fine"), (6, "5", "end"), (7, "6", "two\nlines"), (10, "8", "last"),
    ]  # fmt: skip
    assert {row.line for row in found if row.problem is not None} == {2, 5, 9}
    assert "A quote that it opens is not closed rightly" in problems(found)[1]


def test_a_text_whose_commas_are_not_quoted_is_never_cut(tmp_path: Path) -> None:
    file = written(tmp_path, "in.csv", "text,label\nI liked it, but not much,neg\nfine,pos,,\nfine,pos\nfine\n")
    found = rows(file)
    assert [row.problem is None for row in found] == [False, True, True, True]
    assert problems(found)[1] == "line 2 has 3 fields for 2 columns. Quote a text that holds separators."
    tabs = written(tmp_path, "in.tsv", "good\t1\nso\tbad\t0\n")
    assert [row.problem is None for row in rows(tabs, Columns("1", header=False))] == [True, False]


def test_a_bare_carriage_return_ends_no_line(tmp_path: Path) -> None:
    tabs = rows(written(tmp_path, "in.tsv", b"text\tn\none\rtwo\t1\r\n\r\nthree\t2"), Columns(id="n"))
    assert [(row.line, row.text, row.id) for row in tabs if row.problem is None] == [
        (2, "one\rtwo", "1"), (4, "three", "2"),
    ]  # fmt: skip
    commas = rows(written(tmp_path, "in.csv", b'text,n\r\r\ngood,1\r\r\n"a\rb",2\r\r\nlast,3\r\r\n'))
    assert seen(commas) == [(2, "good", True), (3, "a\rb", True), (4, "last", True)]


def test_a_header_that_cannot_be_read_or_names_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no header that can be read: line 1"):
        rows(written(tmp_path, "a.csv", 'text,"label\ngood,1\n'))
    with pytest.raises(InputError, match="has 2 columns 'text', so --text-column names none"):
        rows(written(tmp_path, "b.csv", "text,text\na,b\n"))


def test_a_table_that_is_left_early_is_closed_without_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.csv", "a.tsv"):
        found = read_rows(str(written(tmp_path, name, "text\none\ntwo\n")))
        assert next(found).text == "one"
        found.close()
        del found
    assert capsys.readouterr() == ("", "")


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
    monkeypatch.setattr(row_rules, "LONGEST_LINE", 50)
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
    monkeypatch.setattr(parquet_reader, "PARQUET_ROWS", 4)
    pq.write_table(pa.table({"text": [f"text {k}" for k in range(11)]}), tmp_path / "in.parquet", row_group_size=5)
    assert [(row.number, row.text) for row in rows(tmp_path / "in.parquet")] == [
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
        one, two = rows(tmp_path / "in.parquet", Columns(id=name))
        assert one.problem is None
        assert two.id is None
        assert one.id == expected.get(name, one.id)
        assert name != "when" or str(one.id).startswith("2026-01-02 03:04:05")
    one, two = rows(tmp_path / "in.parquet", Columns(id="bad"))
    assert (one.id, one.problem) == ("a", None)
    assert "row 2's id is not UTF-8" in str(two.problem)


def test_a_damaged_page_of_parquet_costs_its_own_rows(tmp_path: Path) -> None:
    texts = [f"text number {k} with {k * k} words" for k in range(30)]
    file = tmp_path / "in.parquet"
    pq.write_table(pa.table({"text": texts}), file, row_group_size=10, compression="zstd", use_dictionary=False)
    chunk = pq.read_metadata(file).row_group(1).column(0)
    content = bytearray(file.read_bytes())
    end = chunk.data_page_offset + chunk.total_compressed_size
    content[end - 60 : end] = bytes(60)
    file.write_bytes(content)
    found = rows(file)
    assert [row.number for row in found] == list(range(1, 31))
    assert [row.text for row in found if row.problem is None] == [*texts[:10], *texts[20:]]
    assert "row 11 lies in a damaged part of the file" in problems(found)[11]
