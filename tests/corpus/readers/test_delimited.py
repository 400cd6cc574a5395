"""Comma-separated and tab-separated tables: quotes, separators, line ends, and records that are not whole."""

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from read_inputs import lines_and_texts, problems, rows_of, texts_read, written

from ihcli.corpus.readers import Columns
from ihcli.corpus.readers import rows as row_rules
from ihcli.errors import InputError

EVERY_TIME = settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def tsv(rows: list[list[str]], quoting: int = csv.QUOTE_MINIMAL) -> str:
    """A table as Python's csv module writes it with tabs, which is how pandas writes it."""
    stream = io.StringIO(newline="")
    csv.writer(stream, "excel-tab", quoting=quoting).writerows(rows)
    return stream.getvalue()


# --- comma-separated values ---------------------------------------------------------------------------------------


def test_a_quoted_field_may_hold_lines_and_the_row_has_the_number_of_its_first(tmp_path: Path) -> None:
    content = 'id,text,label\n1,"two\nlines, and ""quotes""",x\n2,plain,y\n\n3,,z\n4\n5,last,'
    rows = rows_of(written(tmp_path, "in.csv", content), Columns(id="id"))
    assert lines_and_texts(rows) == [
        (2, 'two\nlines, and "quotes"', True), (4, "plain", True), (5, "", False), (6, "", False), (7, "", False),
        (8, "last", True),
    ]  # fmt: skip
    assert [row.id for row in rows] == ["1", "2", None, "3", "4", "5"]


def test_a_quote_that_is_not_closed_makes_its_own_row_bad_only(tmp_path: Path) -> None:
    content = 'id,text\n1,"so bad\n2,fine\n3,"quoted, and fine"\n4,"great\n5,end\n6,"two\nlines"\n7,"open\n8,last\n'
    rows = rows_of(written(tmp_path, "in.csv", content), Columns(id="id"))
    assert [(row.line, row.id, row.text) for row in rows if row.problem is None] == [
        (3, "2", "fine"), (4, "3", "quoted, and fine"), (6, "5", "end"), (7, "6", "two\nlines"), (10, "8", "last"),
    ]  # fmt: skip
    assert {row.line for row in rows if row.problem is not None} == {2, 5, 9}
    assert "Its quote is not closed correctly" in problems(rows)[1]


def test_a_record_with_more_or_fewer_fields_than_columns_may_be_half_a_text_and_is_a_bad_row(tmp_path: Path) -> None:
    content = "text,label\nI liked it, but not much,neg\nfine,pos,,\nfine,pos\na text that\nruns on,pos\n"
    rows = rows_of(written(tmp_path, "in.csv", content))
    assert [row.problem is None for row in rows] == [False, True, True, False, True]
    assert problems(rows)[1] == "line 2 has 3 fields for 2 columns. Quote a text that holds separators."
    assert problems(rows)[4] == "line 5 has 1 field for 2 columns. Quote a text that holds a line end."
    tabs = written(tmp_path, "in.tsv", "good\t1\nso\tbad\t0\n")
    assert [row.problem is None for row in rows_of(tabs, Columns("1", header=False))] == [True, False]


def test_a_carriage_return_ends_a_line_unless_it_is_quoted(tmp_path: Path) -> None:
    commas = rows_of(written(tmp_path, "in.csv", b'text,n\rgood,1\r"a\rb",2\rlast,3'))
    assert lines_and_texts(commas) == [(2, "good", True), (3, "a\rb", True), (5, "last", True)]
    tabs = rows_of(written(tmp_path, "in.tsv", b"text\tn\rone\t1\r\n\r\nthree\t2"), Columns(id="n"))
    assert [(row.line, row.text, row.id) for row in tabs if row.problem is None] == [(2, "one", "1"), (4, "three", "2")]
    twice = rows_of(written(tmp_path, "in.csv", b"text,n\r\r\ngood,1\r\r\nlast,3\r\r\n"))
    assert lines_and_texts(twice) == [(2, "good", True), (3, "last", True)]


def test_a_header_that_cannot_be_read_or_names_a_column_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no header that can be read: line 1"):
        rows_of(written(tmp_path, "a.csv", 'text,"label\ngood,1\n'))
    with pytest.raises(InputError, match="has 2 columns 'text'; --text-column is ambiguous"):
        rows_of(written(tmp_path, "b.csv", "text,text\na,b\n"))
    with pytest.raises(InputError, match="has no column 'text'"):
        rows_of(written(tmp_path, "c.csv", "\ntext\na\n"))


def test_columns_without_names_are_numbers(tmp_path: Path) -> None:
    file = written(tmp_path, "in.tsv", "1\tgood film\n0\tbad film\n")
    assert texts_read(rows_of(file, Columns("2", id="1", header=False))) == ["good film", "bad film"]
    with pytest.raises(InputError, match="Without a header columns are numbers from 1"):
        rows_of(file, Columns("text", header=False))
    with pytest.raises(InputError, match=r"no column 'text'; it has 1, 2"):
        rows_of(file, Columns(header=False))
    assert texts_read(rows_of(written(tmp_path, "one.csv", "review\nfine\n"))) == ["fine"]


def test_a_record_that_is_not_utf8_is_a_bad_row(tmp_path: Path) -> None:
    rows = rows_of(written(tmp_path, "in.csv", b"text,n\ngood,1\ncaf\xe9 noir,2\ngood,3\n"))
    assert [row.problem is None for row in rows] == [True, False, True]
    assert "line 3 is not UTF-8: byte 3 is 0xe9" in str(rows[1].problem)
    assert rows[1].text == "caf\\xe9 noir"


@pytest.mark.parametrize("name", ["in.csv", "in.tsv"])
def test_a_field_that_is_too_long_is_one_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(row_rules, "LONGEST_LINE", 50)
    rows = rows_of(written(tmp_path, name, "text\nfine\n" + "x" * 80 + "\nfine\n"))
    assert [row.problem is None for row in rows] == [True, False, True]
    assert "line 3 is longer than" in str(rows[1].problem)


# --- tables with another separator ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "header", "separator", "remedy"),
    [
        ("in.csv", "id;text;label", "semicolons", "Separate the columns by commas"),
        ("in.csv", "id\ttext\tlabel", "tabs", "--format tsv"),
        ("in.csv", "id|text|label", "vertical bars", "Separate the columns by commas"),
        ("in.csv", '"id";"text"', "semicolons", "Separate the columns by commas"),
        ("in.csv", '"id"\t"text"', "tabs", "--format tsv"),
        ("in.csv", '"a ""b"""|text', "vertical bars", "Separate the columns by commas"),
        ("in.csv", "sep=;", "semicolons", "Separate the columns by commas"),
        ("in.csv", "\ufeffid;text", "semicolons", "Separate the columns by commas"),
        ("in.tsv", "id,text,label", "commas", "--format csv"),
        ("in.tsv", "id;text;label", "semicolons", "Separate the columns by tabs"),
        ("in.tsv", '"id";"text"', "semicolons", "Separate the columns by tabs"),
    ],
)
def test_a_table_with_another_separator_is_refused_by_name(
    tmp_path: Path, name: str, header: str, separator: str, remedy: str
) -> None:
    body = header.replace("text", "a fine film").replace("label", "pos")
    with pytest.raises(InputError, match=rf"one column that holds {separator}; it seems to be a table.*{remedy}"):
        rows_of(written(tmp_path, name, f"{header}\n{body}\n"))


def test_without_a_header_the_first_record_tells_the_separator(tmp_path: Path) -> None:
    for name, line in (("a.csv", "1;a fine film;pos"), ("b.csv", "1\ta fine film"), ("c.tsv", "1|a fine film|pos")):
        with pytest.raises(InputError, match="it seems to be a table separated by"):
            rows_of(written(tmp_path, name, f"{line}\n{line}\n"), Columns(header=False))


def test_a_quoted_name_and_a_text_may_hold_separators(tmp_path: Path) -> None:
    quoted = written(tmp_path, "a.csv", '"text; as it is"\nfine; and good\n')
    assert texts_read(rows_of(quoted)) == ["fine; and good"]
    several = written(tmp_path, "b.csv", "text,label\nfine; and | good,pos\n")
    assert texts_read(rows_of(several)) == ["fine; and | good"]
    assert texts_read(rows_of(written(tmp_path, "c.csv", '"a; b"\n'), Columns(header=False))) == ["a; b"]
    assert texts_read(rows_of(written(tmp_path, "d.csv", "id;text\n1;a\n"), None, "txt")) == ["id;text", "1;a"]


# --- quotes in tab-separated values --------------------------------------------------------------------------------


def test_a_table_that_pandas_wrote_is_read_with_its_quotes(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    texts = ['he said "no"', "two\nlines", "a\ttab", '"so"', "plain", 'two\nlines, "quoted"', '"', "two\n\nlines"]
    table = pandas.DataFrame({"id": range(len(texts)), "text": texts, "other": texts[::-1]})
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC):
        for columns in (["id", "text", "other"], ["text", "id"], ["text", "other"]):
            table.to_csv(tmp_path / "in.tsv", sep="\t", index=False, quoting=quoting, columns=columns)
            assert [row.text for row in rows_of(tmp_path / "in.tsv")] == texts, (quoting, columns)
    table.to_csv(tmp_path / "in.tsv", sep="\t", index=False, columns=["text"], quoting=csv.QUOTE_ALL)
    assert [row.text for row in rows_of(tmp_path / "in.tsv")] == texts


LETTERS = st.text('ab ",;|', min_size=1, max_size=8).filter(lambda text: bool(text.strip()))
LINES = st.text('ab "\n', min_size=1, max_size=8).filter(lambda text: bool(text.strip()))
TABS = st.text('ab "\t', min_size=1, max_size=8).filter(lambda text: bool(text.strip()))


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("order", [("id", "text"), ("text", "id"), ("text", "id", "more")])
@EVERY_TIME
@given(texts=st.lists(st.one_of(LETTERS, LINES, TABS), min_size=1, max_size=4))
def test_quoted_tables_are_read_exactly(tmp_path: Path, texts: list[str], quoting: int, order: tuple[str, ...]) -> None:
    values = [{"id": str(k), "text": text, "more": "x"} for k, text in enumerate(texts)]
    content = tsv([list(order), *([row[name] for name in order] for row in values)], quoting)
    assert [row.text for row in rows_of(written(tmp_path, "in.tsv", content))] == texts


QUOTED_IN_FULL = re.compile(r'"(?:[^"]|"")*"')


@EVERY_TIME
@given(texts=st.lists(LETTERS, min_size=1, max_size=5))
def test_tables_without_quoting_are_read_exactly(tmp_path: Path, texts: list[str]) -> None:
    assume(not any(QUOTED_IN_FULL.fullmatch(text) and '"' in text[1:-1] for text in texts))
    content = "id\ttext\tlabel\n" + "".join(f"{k}\t{text}\tx\n" for k, text in enumerate(texts))
    assert [row.text for row in rows_of(written(tmp_path, "in.tsv", content))] == texts


def test_quotes_that_the_writer_did_not_need_are_characters(tmp_path: Path) -> None:
    rows = [
        "text\tn",
        'he said "no\t1',
        '"so"\t2',
        '"Great, but long"\t3',
        '"He left.\t4',
        'Then "why?"\t5',
        '"open\t6',
    ]
    assert texts_read(rows_of(written(tmp_path, "in.tsv", "\n".join(rows)))) == [
        'he said "no', '"so"', '"Great, but long"', '"He left.', 'Then "why?"', '"open',
    ]  # fmt: skip


def test_a_quote_takes_no_full_rows_into_its_field(tmp_path: Path) -> None:
    content = 'id\ttext\n1\t"He said no.\n2\tfine\n3\tAnd so he said"\n4\tlast\n'
    assert texts_read(rows_of(written(tmp_path, "in.tsv", content))) == [
        '"He said no.', "fine", 'And so he said"', "last",
    ]  # fmt: skip


def test_in_one_column_a_quote_over_several_lines_is_ambiguous_and_a_bad_row(tmp_path: Path) -> None:
    rows = rows_of(written(tmp_path, "in.tsv", 'text\n"first\nsecond"\nlast\n'))
    assert [row.line for row in rows if row.problem is None] == [3, 4]
    assert "line 2 opens a quote that line 3 closes, which may be one text or several" in problems(rows)[1]
    sure = rows_of(written(tmp_path, "in.tsv", '"text"\n"first\nsecond"\n"last"\n'))
    assert texts_read(sure) == ["first\nsecond", "last"]


def test_a_quote_that_is_never_closed_is_read_again_line_by_line(tmp_path: Path) -> None:
    content = "text\tn\n" + "".join(f'"never closed {k}\t{k}\n' for k in range(3000))
    assert texts_read(rows_of(written(tmp_path, "in.tsv", content))) == [f'"never closed {k}' for k in range(3000)]
