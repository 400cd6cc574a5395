"""Keys and names of rows: what they depend on, and what leaves them as they are."""

from contextlib import closing
from pathlib import Path

import pytest
from corpora import StandIn, go, texts, written

from ihcli.corpus import iter_explanations
from ihcli.corpus.readers import Columns, read_rows
from ihcli.corpus.row_keys import with_keys
from ihcli.corpus.store_reading import ReadOnlyStore
from ihcli.errors import StoreError, UsageError


def test_rows_that_share_a_name_keep_their_keys_when_one_comes_before_them(tmp_path: Path) -> None:
    def keys(content: str, id_column: str | None) -> dict[str, str]:
        source = tmp_path / "in.csv"
        source.write_text(content, encoding="utf-8")
        with closing(read_rows(str(source), Columns("text", id=id_column))) as rows:
            return {found.row.text: found.key for found in with_keys(rows, "0" * 64)}

    one = keys("id,text\n7,first\n7,second\n7,Not bad\n7,not bad\n", "id")
    two = keys("id,text\n7,new\n7,not bad!\n7,second\n7,not bad\n", "id")
    assert {text: two[text] for text in ("second", "not bad")} == {text: one[text] for text in ("second", "not bad")}
    assert len({*one.values(), *two.values()}) == 6
    assert keys("text\nNot bad\nnot bad\n", None)["not bad"] == keys("text\nnot bad\n", None)["not bad"]


def test_equal_rows_have_keys_of_their_own(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", ["same", "other", "same", "same"])
    with closing(read_rows(str(source))) as rows:
        assert len({found.key for found in with_keys(rows, "0" * 64)}) == 4
    go(source, tmp_path / "run")
    written(source, ["same", "other"])
    tally = go(source, tmp_path / "run")
    assert (tally.done, tally.already_done, tally.elsewhere) == (0, 2, 2)


def test_rows_put_before_others_do_not_redo_them(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", texts(10))
    go(source, tmp_path / "run")
    written(source, ["a new first line", *texts(10)])
    assert go(source, tmp_path / "run").done == 1


def test_equal_bad_rows_are_rows_of_their_own_and_keep_their_keys(tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(b"\n\ncaf\xe9\n\ncaf\xe9\nfine\n")
    assert go(source, tmp_path / "run").failed == 5
    assert len(list(iter_explanations(tmp_path / "run"))) == 6
    source.write_bytes(b"good\n" + source.read_bytes())
    assert go(source, tmp_path / "run").done == 1


def test_shards_part_the_rows(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", texts(11))
    tallies = [go(source, tmp_path / f"run{k}", shard=(k, 3)) for k in (1, 2, 3)]
    assert [t.done for t in tallies] == [t.total for t in tallies] == [4, 4, 3]
    with pytest.raises(StoreError, match="--shard is"):
        go(source, tmp_path / "run1", shard=(2, 3))


# --- windows of long texts ---


IN_WINDOWS = {"text": {"windows": 4, "overlap": 0}}


def test_each_window_of_a_longer_text_is_a_row_with_a_name_and_a_key_of_its_own(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", ["one two three four five six", "not bad", "a b c d e f g h i"])
    tally = go(source, tmp_path / "run", StandIn(IN_WINDOWS))
    assert (tally.done, tally.failed, tally.total) == (6, 0, None)
    outcomes = list(ReadOnlyStore(tmp_path / "run").outcomes())
    assert len({outcome.keyed.key for outcome in outcomes}) == 6
    found = {outcome.keyed.name: outcome for outcome in outcomes}
    assert set(found) == {
        "one-two-three-four-five-six~window-1-of-2", "one-two-three-four-five-six~window-2-of-2", "not-bad",
        *(f"a-b-c-d-e-f-g-h-i~window-{k}-of-3" for k in (1, 2, 3)),
    }  # fmt: skip
    last = found["a-b-c-d-e-f-g-h-i~window-3-of-3"]
    assert (last.keyed.row.text, last.keyed.row.number) == ("i", 3)
    assert last.explanation is not None
    assert last.explanation.warnings[0].startswith("Window 3 of 3 of a text that is longer than one window: words 9")
    whole = found["not-bad"].explanation
    assert whole is not None
    assert whole.warnings == ()


def test_a_run_in_windows_is_continued(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", ["one two three four five six"])
    go(source, tmp_path / "run", StandIn(IN_WINDOWS))
    written(source, ["new", "one two three four five six"])
    tally = go(source, tmp_path / "run", StandIn(IN_WINDOWS))
    assert (tally.done, tally.already_done, tally.elsewhere) == (1, 2, 0)
    with pytest.raises(StoreError, match=r"text\.overlap"):
        go(source, tmp_path / "run", StandIn({"text": {"windows": 4, "overlap": 1}}))


def test_a_text_that_cannot_be_divided_and_a_bad_row_are_error_rows(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", ["this is undivided", "", "one two three four nan"])
    tally = go(source, tmp_path / "run", StandIn(IN_WINDOWS))
    assert (tally.done, tally.failed) == (4, 3)
    failed = {o.keyed.row.number: o.message for o in ReadOnlyStore(tmp_path / "run").outcomes() if o.message}
    assert failed[1] == "line 1: This text cannot be divided."
    assert "blank" in failed[2] or "empty" in failed[2]
    assert "NaN" in failed[3]


def test_windows_of_pairs_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text,pair\na,b\n", encoding="utf-8")
    with pytest.raises(UsageError, match="Windows and a second text exclude each other"):
        go(source, tmp_path / "run", StandIn(IN_WINDOWS), columns=Columns("text", "pair"))
