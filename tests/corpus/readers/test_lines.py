"""Text files and JSON lines: where lines end, and lines that cannot be read."""

import json
from pathlib import Path

import pytest
from read_inputs import lines_and_texts, problems, rows_of, texts_read, written

from ihcli.corpus.readers import Columns
from ihcli.corpus.readers import rows as row_rules
from ihcli.errors import InputError


def test_damaged_lines_are_bad_rows_with_their_line(tmp_path: Path) -> None:
    file = written(tmp_path, "in.txt", b"\xef\xbb\xbfone\r\ntw\xc3\xb6\n\n \t\nlast\x00 \x85x")
    rows = rows_of(file)
    assert lines_and_texts(rows) == [
        (1, "one", True),
        (2, "twö", True),
        (3, "", False),
        (4, " \t", False),
        (5, "last\x00 \\x85x", False),
    ]
    assert "is not UTF-8: byte 6 is 0x85" in problems(rows)[5]


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ("one\ntwo\n", ["one", "two"]),
        ("one\r\ntwo\r\n", ["one", "two"]),
        ("one\rtwo\r", ["one", "two"]),
        ("one\rtwo\r\nthree\nfour", ["one", "two", "three", "four"]),
        ("one\r\r\ntwo\r\r\n", ["one", "two"]),  # line ends that were translated twice
        ("one\vtwo\fthree\n", ["one\vtwo\fthree"]),
        ("one\u2028two\u2029three\x85four\x1cfive\n", ["one\u2028two\u2029three\x85four\x1cfive"]),
        ("only", ["only"]),
    ],
)
@pytest.mark.parametrize("name", ["in.txt", "in.jsonl"])
def test_lines_end_at_a_line_feed_a_carriage_return_or_both_and_nowhere_else(
    tmp_path: Path, content: str, texts: list[str], name: str
) -> None:
    if name == "in.jsonl":
        for text in texts:
            content = content.replace(text, json.dumps(text, ensure_ascii=False), 1)
    assert texts_read(rows_of(written(tmp_path, name, content))) == texts


@pytest.mark.parametrize("longest", [1, 2, 3, 7])
def test_the_limit_of_a_line_may_fall_within_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, longest: int
) -> None:
    monkeypatch.setattr(row_rules, "LONGEST_LINE", longest)
    for end in ("\n", "\r\n", "\r"):
        file = written(tmp_path, "in.txt", "".join("x" * k + end for k in range(1, 12)))
        rows = rows_of(file)
        assert [row.line for row in rows] == list(range(1, 12))
        assert texts_read(rows) == ["x" * k for k in range(1, longest + 1)]


def test_a_line_that_no_model_reads_is_one_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_rules, "LONGEST_LINE", 100)
    rows = rows_of(written(tmp_path, "in.txt", b"a" * 100 + b"\n" + b"b" * 1000 + b"\nlast\n"))
    assert [row.line for row in rows] == [1, 2, 3]
    assert (rows[0].problem, rows[2].text) == (None, "last")
    assert "line 2 is longer than" in str(rows[1].problem)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-be"])
@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.tsv", "a.jsonl"])
def test_other_encodings_with_their_mark_are_refused(tmp_path: Path, name: str, encoding: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    file = written(tmp_path, name, (mark + "text\ntwo bad\n").encode(encoding))
    with pytest.raises(InputError, match=f"is UTF-{encoding[4:6]}, and must be UTF-8.*iconv -f UTF-{encoding[4:6]}"):
        rows_of(file)


# --- JSON lines ---------------------------------------------------------------------------------------------------


def test_objects_with_pair_and_id(tmp_path: Path) -> None:
    lines = [{"a": "first", "b": "second", "n": 7}, {"a": "x", "b": "y", "n": {"k": 1}}, {"b": "no a", "n": 1}]
    file = written(tmp_path, "in.jsonl", "\n".join(json.dumps(one) for one in lines) + "\n")
    one, two, three = rows_of(file, Columns("a", "b", "n"))
    assert (one.text, one.text_pair, one.id) == ("first", "second", "7")
    assert two.id == '{"k": 1}'
    assert three.problem == "line 3: the key 'a' is missing; it must be text."
    assert three.id == "1"


def test_a_line_without_an_object_or_a_text_is_a_bad_row(tmp_path: Path) -> None:
    bad = {
        '{"text": ': "is not JSON",
        "[1]": "is list, not an object",
        '{"text": null}': "'text' is null",
        '{"text": 3}': "'text' is int",
        '{"text": ""}': "the text is empty",
        '{"text": "\\ud800"}': "lone surrogate",
        "nul": "is not JSON",
        "": "the text is empty",
        "9" * 5000: "is not JSON",
        "[" * 100_000: "is not JSON",
    }
    rows = rows_of(written(tmp_path, "in.jsonl", "\n".join(['{"text": "good"}', *bad, '{"text": "good"}']) + "\n"))
    assert [row.number for row in rows if row.problem is None] == [1, len(bad) + 2]
    for number, part in enumerate(bad.values(), 2):
        assert part in problems(rows)[number]
        assert f"line {number}" in problems(rows)[number]


def test_strings_are_texts_and_an_unknown_key_is_reported_at_once(tmp_path: Path) -> None:
    assert texts_read(rows_of(written(tmp_path, "a.jsonl", '"one"\n"two"\n'))) == ["one", "two"]
    with pytest.raises(InputError, match=r"no column 'body'; it has text, id. Name one of them with --text-column"):
        rows_of(written(tmp_path, "b.jsonl", '{"text": "a", "id": 1}\n'), Columns("body"))


def test_ids_that_are_null_or_no_characters(tmp_path: Path) -> None:
    content = '\n{"text": "a", "id": 1}\n{"text": "b", "id": null}\n{"text": "c"}\n{"text": "d", "id": "\\ud800"}\n'
    rows = rows_of(written(tmp_path, "in.jsonl", content), Columns(id="id"))
    assert [(row.id, row.problem is None) for row in rows] == [
        (None, False), ("1", True), (None, True), (None, True), ("\\ud800", False),
    ]  # fmt: skip
    assert "lone surrogate" in problems(rows)[5]
    json.dumps([row.id for row in rows]).encode("utf-8")


def test_the_option_of_a_missing_column_is_named(tmp_path: Path) -> None:
    file = written(tmp_path, "in.jsonl", 'no json\n{"text": "a"}\n')
    with pytest.raises(InputError, match=r"no column 'id'; it has text. Name one of them with --id-column"):
        rows_of(file, Columns(id="id"))
    with pytest.raises(InputError, match=r"no column 'b'; it has text. Name one of them with --pair-column"):
        rows_of(file, Columns(pair="b"))
