"""Keys and names of rows: what they depend on, and what leaves them as they are."""

from contextlib import closing
from pathlib import Path

import pytest
from corpora import go, texts, written

from ihcli.corpus import iter_explanations
from ihcli.corpus.readers import Columns, read_rows
from ihcli.corpus.row_keys import with_keys
from ihcli.errors import StoreError


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
