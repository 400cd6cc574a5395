"""A run: which rows are explained, which fail, and what is refused before any row."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from corpora import StandIn, go, texts, written
from explanations import make_explanation

from ihcli.corpus import iter_explanations
from ihcli.corpus.batch_run import BatchJob, describe_input
from ihcli.corpus.store_parts import list_parts
from ihcli.corpus.store_reading import ReadOnlyStore
from ihcli.errors import InputError, SameLabelError, UsageError
from ihcli.results import Explanation


def test_every_row_is_there_once_and_equal_to_what_was_explained(tmp_path: Path) -> None:
    lines = [*texts(40), "twice the same", "twice the same"]
    tally = go(written(tmp_path / "in.txt", lines), tmp_path / "run")
    assert (tally.done, tally.failed, tally.total) == (42, 0, 42)
    found = dict(iter_explanations(tmp_path / "run"))
    assert sorted(e.text for e in found.values() if isinstance(e, Explanation)) == sorted(lines)
    assert "twice-the-same~2" in found
    for explanation in found.values():
        assert isinstance(explanation, Explanation)
        expected = StandIn().one(explanation.text, None)
        assert isinstance(expected, Explanation)
        assert explanation.to_json() == expected.to_json()
        np.testing.assert_array_equal(explanation.ih, expected.ih)


def test_the_same_command_again_does_nothing(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", texts(10))
    go(source, tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run/parts").iterdir()}
    again = StandIn()
    tally = go(source, tmp_path / "run", again)
    assert (tally.done, tally.already_done) == (0, 10)
    assert again.groups == []
    assert {path: path.read_bytes() for path in (tmp_path / "run/parts").iterdir()} == before


def test_every_row_says_which_input_it_is_of(tmp_path: Path) -> None:
    for name, lines in (("a.txt", ["one", "both"]), ("b.txt", ["both", "two"])):
        go(written(tmp_path / name, lines), tmp_path / "run")
    found = {o.keyed.row.text: o.keyed.source for o in ReadOnlyStore(tmp_path / "run").outcomes()}
    assert found == {"one": str(tmp_path / "a.txt"), "both": str(tmp_path / "a.txt"), "two": str(tmp_path / "b.txt")}


@pytest.mark.skipif(sys.platform != "linux", reason="names of files that are no UTF-8")
def test_an_input_whose_name_is_no_utf8_is_explained(tmp_path: Path) -> None:
    source = tmp_path / os.fsdecode(b"caf\xe9.txt")
    source.write_text("one\n", encoding="utf-8")
    assert (go(source, tmp_path / "run").done, go(source, tmp_path / "run").already_done) == (1, 1)


def test_a_label_that_the_sample_is_predicted_as_can_be_compared_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(*_: object) -> None:
        message = "The target and the label to compare against are both 'POSITIVE'."
        raise SameLabelError(message)

    monkeypatch.setattr(StandIn, "prepare", prepare)
    source = written(tmp_path / "in.txt", ["one"])
    assert go(source, tmp_path / "run", StandIn({"target": {"against": "POSITIVE"}})).done == 1
    with pytest.raises(SameLabelError):
        go(source, tmp_path / "other", StandIn({"target": {"label": "POSITIVE", "against": "POSITIVE"}}))


def test_bad_rows_become_error_rows_with_their_line(tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(b"good one\n\n   \ncaf\xe9 bad\nthis is nan\n" + b"w " * 20 + b"\nslow one\nlast\n")
    content = source.read_bytes()
    tally = go(source, tmp_path / "run")
    assert (tally.done, tally.failed, tally.not_converged) == (8, 5, 1)
    rows = {o.keyed.row.line: o for o in ReadOnlyStore(tmp_path / "run").outcomes()}
    assert {line for line, o in rows.items() if o.status == "error"} == {2, 3, 4, 5, 6}
    for line in (2, 3, 4, 5, 6):
        assert f"line {line}" in (rows[line].message or "")
    assert "not UTF-8: byte 3 is 0xe9" in (rows[4].message or "")
    assert (rows[5].error, rows[6].error) == ("NonFiniteError", "TextTooLongError")
    assert rows[7].status == "not_converged"
    assert source.read_bytes() == content
    again = go(source, tmp_path / "run")
    assert (again.done, again.all_failed, again.all_not_converged) == (0, 5, 1)


def test_failed_rows_are_tried_again_on_request(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", ["this is nan", "fine"])
    go(source, tmp_path / "run")

    class Mended(StandIn):
        def one(self, text: str, pair: str | None) -> Explanation | Exception:
            del pair
            return make_explanation(text=text)

    tally = go(source, tmp_path / "run", Mended(), retry_failed=True)
    assert (tally.done, tally.all_failed) == (1, 0)
    reader = ReadOnlyStore(tmp_path / "run")
    assert [o.status for o in reader.outcomes()] == ["ok", "ok"]
    assert len(list_parts(tmp_path / "run")) == 2


def test_spans_are_refused(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", texts(1))
    with pytest.raises(UsageError, match=r"units.kind is 'spans'"):
        go(source, tmp_path / "run", StandIn({"units": {"kind": "spans", "spans": "x"}}))


def test_a_missing_column_is_said_before_anything_is_written(tmp_path: Path) -> None:
    source = written(tmp_path / "in.csv", ["a,b", "1,2"])
    with pytest.raises(InputError, match=r"no column 'text'; it has a, b"):
        go(source, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("content", "rows"),
    [(b"a\nb\n", 2), (b"a\nb", 2), (b"a\r\nb\r\n", 2), (b"a\rb\r", 2), (b"a\rb", 2), (b"", 0), (b"\n", 1)],
)
def test_the_number_of_rows_is_known_from_the_lines(tmp_path: Path, content: bytes, rows: int) -> None:
    (tmp_path / "in.txt").write_bytes(content)
    described, count = describe_input(BatchJob(str(tmp_path / "in.txt"), tmp_path / "run"))
    assert (count, described["bytes"]) == (rows, len(content))
    assert describe_input(BatchJob(os.devnull, tmp_path / "run", format="txt"))[1] is None
