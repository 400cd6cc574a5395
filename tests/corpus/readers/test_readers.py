"""Formats by name and extension, and inputs as streams."""

import io
import itertools
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from read_inputs import rows_of, texts_read, written

from ihcli.corpus.readers import Columns, format_of, is_stream, read_rows
from ihcli.errors import InputError, UsageError


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.TXT", "txt"), ("a.ndjson", "jsonl"), ("a.b.tsv", "tsv"), ("a.tab", "tsv"), ("a.pq", "parquet"), ("-", "txt")],
)
def test_the_extension_names_the_format_unless_it_is_given(name: str, kind: str) -> None:
    assert format_of(name) == kind
    assert format_of(name, "jsonl") == "jsonl"


@pytest.mark.parametrize("name", ["a.docx", "a", "a.csv.gz", "a."])
def test_an_unknown_extension_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"unknown file extension .*\. Use \.txt, \.jsonl, .*--format"):
        format_of(name)


def test_a_file_is_read_as_it_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, "large.txt", b"some text\n" * 200_000)
    stream = read_rows(str(path))
    assert [row.number for row in itertools.islice(stream, 3)] == [1, 2, 3]
    assert stream._close.__self__.tell() < 100_000  # type: ignore[attr-defined]
    stream.close()


def test_standard_input_is_a_text_a_line_unless_a_format_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    def given(content: bytes) -> None:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))

    given(b"one\ntwo")
    assert texts_read(list(read_rows("-"))) == ["one", "two"]
    given(b'{"text": "one"}\n')
    assert texts_read(list(read_rows("-", None, "jsonl"))) == ["one"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_parquet_from_a_stream_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.parquet")
    for source in ("-", os.devnull, str(tmp_path / "pipe.parquet")):
        with pytest.raises(UsageError, match="Parquet cannot be read from a stream"):
            read_rows(source, None, "parquet")
    with pytest.raises(UsageError, match="--format 'docx' is not known"):
        format_of("-", "docx")


def test_only_what_can_be_read_once_is_a_stream(tmp_path: Path) -> None:
    assert is_stream("-")
    assert is_stream(os.devnull)
    assert not is_stream(str(written(tmp_path, "a.txt", "one\n")))
    assert not is_stream(str(tmp_path / "none"))


def test_an_input_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.txt: cannot be read \(No such file or directory\)"):
        read_rows(str(tmp_path / "none.txt"))
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        read_rows(str(tmp_path), None, "txt")
    with pytest.raises(UsageError, match="has no columns"):
        read_rows(str(written(tmp_path, "a.txt", "one\n")), Columns("text"))


def test_empty_files_have_no_rows(tmp_path: Path) -> None:
    for name in ("a.txt", "a.jsonl", "a.csv", "a.tsv"):
        assert rows_of(written(tmp_path, name, b"")) == []
    assert rows_of(written(tmp_path, "b.csv", b"text,n\n")) == []


def test_a_table_that_is_left_early_is_closed_without_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.csv", "a.tsv"):
        stream = read_rows(str(written(tmp_path, name, "text\none\ntwo\n")))
        assert next(stream).text == "one"
        stream.close()
        del stream
    assert capsys.readouterr() == ("", "")
