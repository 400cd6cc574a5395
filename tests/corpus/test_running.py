"""A run: what is explained, what fails, what a killed run leaves, and what is refused."""

import json
import os
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from corpora import StandIn, texts

from ihcli.corpus import iter_explanations
from ihcli.corpus.exporting import line_of, outcomes
from ihcli.corpus.identity import keyed
from ihcli.corpus.length_buckets import grouped
from ihcli.corpus.readers import Columns, Row, read_rows
from ihcli.corpus.records import Keyed
from ihcli.corpus.running import Job, Tally, run
from ihcli.corpus.store import Reader, parts_of
from ihcli.errors import InputError, OutputError, SameLabelError, StoreError, UsageError
from ihcli.results import Explanation


def written(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def go(source: Path, out: Path, explainer: StandIn | None = None, **more: object) -> Tally:
    return run(Job(str(source), out, **more), explainer or StandIn())  # type: ignore[arg-type]


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
    assert (tally.done, tally.skipped) == (0, 10)
    assert again.groups == []
    assert {path: path.read_bytes() for path in (tmp_path / "run/parts").iterdir()} == before


def test_rows_that_share_a_name_keep_their_keys_when_one_comes_before_them(tmp_path: Path) -> None:
    def keys(content: str, id_column: str | None) -> dict[str, str]:
        source = tmp_path / "in.csv"
        source.write_text(content, encoding="utf-8")
        with closing(read_rows(str(source), Columns("text", id=id_column))) as rows:
            return {found.row.text: found.key for found in keyed(rows, "0" * 64)}

    one = keys("id,text\n7,first\n7,second\n7,Not bad\n7,not bad\n", "id")
    two = keys("id,text\n7,new\n7,not bad!\n7,second\n7,not bad\n", "id")
    assert {text: two[text] for text in ("second", "not bad")} == {text: one[text] for text in ("second", "not bad")}
    assert len({*one.values(), *two.values()}) == 6
    assert keys("text\nNot bad\nnot bad\n", None)["not bad"] == keys("text\nnot bad\n", None)["not bad"]


def test_equal_rows_have_keys_of_their_own(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", ["same", "other", "same", "same"])
    with closing(read_rows(str(source))) as rows:
        assert len({found.key for found in keyed(rows, "0" * 64)}) == 4
    go(source, tmp_path / "run")
    written(source, ["same", "other"])
    tally = go(source, tmp_path / "run")
    assert (tally.done, tally.skipped, tally.elsewhere) == (0, 2, 2)


def test_every_row_says_which_input_it_is_of(tmp_path: Path) -> None:
    for name, lines in (("a.txt", ["one", "both"]), ("b.txt", ["both", "two"])):
        go(written(tmp_path / name, lines), tmp_path / "run")
    found = {o.keyed.row.text: o.keyed.source for o in outcomes(Reader(tmp_path / "run"))}
    assert found == {"one": str(tmp_path / "a.txt"), "both": str(tmp_path / "a.txt"), "two": str(tmp_path / "b.txt")}


@pytest.mark.skipif(sys.platform != "linux", reason="names of files that are no UTF-8")
def test_an_input_whose_name_is_no_utf8_is_explained(tmp_path: Path) -> None:
    source = tmp_path / os.fsdecode(b"caf\xe9.txt")
    source.write_text("one\n", encoding="utf-8")
    assert (go(source, tmp_path / "run").done, go(source, tmp_path / "run").skipped) == (1, 1)


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


def test_rows_put_before_others_do_not_redo_them(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", texts(10))
    go(source, tmp_path / "run")
    written(source, ["a new first line", *texts(10)])
    assert go(source, tmp_path / "run").done == 1


def test_bad_rows_become_error_rows_with_their_line(tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(b"good one\n\n   \ncaf\xe9 bad\nthis is nan\n" + b"w " * 20 + b"\nslow one\nlast\n")
    content = source.read_bytes()
    tally = go(source, tmp_path / "run")
    assert (tally.done, tally.failed, tally.not_converged) == (8, 5, 1)
    rows = {o.keyed.row.line: o for o in outcomes(Reader(tmp_path / "run"))}
    assert {line for line, o in rows.items() if o.status == "error"} == {2, 3, 4, 5, 6}
    for line in (2, 3, 4, 5, 6):
        assert f"line {line}" in (rows[line].message or "")
    assert "not UTF-8: byte 3 is 0xe9" in (rows[4].message or "")
    assert (rows[5].error, rows[6].error) == ("NonFiniteError", "TextTooLongError")
    assert rows[7].status == "not_converged"
    assert source.read_bytes() == content
    again = go(source, tmp_path / "run")
    assert (again.done, again.all_failed, again.all_not_converged) == (0, 5, 1)


def test_equal_bad_rows_are_rows_of_their_own_and_keep_their_keys(tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_bytes(b"\n\ncaf\xe9\n\ncaf\xe9\nfine\n")
    assert go(source, tmp_path / "run").failed == 5
    assert len(list(iter_explanations(tmp_path / "run"))) == 6
    source.write_bytes(b"good\n" + source.read_bytes())
    assert go(source, tmp_path / "run").done == 1


def test_failed_rows_are_tried_again_on_request(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", ["this is nan", "fine"])
    go(source, tmp_path / "run")

    class Mended(StandIn):
        def one(self, text: str, pair: str | None) -> Explanation | Exception:
            found = super().one(text.replace("nan", "xxx"), pair)
            assert isinstance(found, Explanation)
            return found

    tally = go(source, tmp_path / "run", Mended(), retry_failed=True)
    assert (tally.done, tally.all_failed) == (1, 0)
    reader = Reader(tmp_path / "run")
    assert [o.status for o in outcomes(reader)] == ["ok", "ok"]
    assert len(parts_of(tmp_path / "run")) == 2


def test_a_fault_in_a_group_falls_on_its_own_row_only(tmp_path: Path) -> None:
    class Faulty(StandIn):
        def one(self, text: str, pair: str | None) -> Explanation | Exception:
            if "3" in text:
                raise ZeroDivisionError("in the model's code")
            return super().one(text, pair)

    lines = [f"of equal length {k}" for k in range(6)]
    tally = go(written(tmp_path / "in.txt", lines), tmp_path / "run", Faulty())
    assert (tally.done, tally.failed) == (6, 1)
    assert tally.first_failure == "line 4: ZeroDivisionError: in the model's code"


def test_rows_of_equal_length_go_together(tmp_path: Path) -> None:
    explainer = StandIn()
    go(written(tmp_path / "in.txt", [f"{'w ' * (k % 2)}x {k}" for k in range(32)]), tmp_path / "run", explainer)
    assert explainer.groups == [8, 8, 8, 8]


def test_long_rows_share_smaller_groups() -> None:
    words = [*([3] * 10), *([20] * 7), *([200] * 2), None]
    rows = [Keyed(Row(n + 1, None, None, "so " * (count or 0)), str(n), str(n)) for n, count in enumerate(words)]
    groups = list(grouped(iter(rows), lambda keyed: len(keyed.row.text.split()) or None))
    sizes = sorted((words[int(group[0].key)] or 0, len(group)) for group in groups)
    assert sizes == [(0, 1), (3, 2), (3, 8), (20, 1), (20, 3), (20, 3), (200, 1), (200, 1)]
    assert sorted(int(keyed.key) for group in groups for keyed in group) == list(range(len(words)))


def test_a_torn_part_is_found_and_its_rows_redone(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", texts(100))
    go(source, tmp_path / "run")
    first, second = parts_of(tmp_path / "run")
    rows = pq.read_metadata(first.path).num_rows
    assert 64 <= rows < 64 + 8  # a group goes into one part
    whole = first.path.read_bytes()
    first.path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError, match=r"damaged: part-000001.*same `ih batch` again"):
        Reader(tmp_path / "run")
    tally = go(source, tmp_path / "run")
    assert (tally.done, tally.skipped) == (rows, 100 - rows)
    assert len(list(iter_explanations(tmp_path / "run"))) == 100
    second.path.write_bytes(b"")
    assert go(source, tmp_path / "run").done == 100 - rows


def test_parts_without_their_manifest_are_no_store(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", texts(5))
    go(source, tmp_path / "run")
    (tmp_path / "run/manifest.json").unlink()
    with pytest.raises(OutputError, match=r"holds 'parts/part-000001-.*is no store of a batch; it is left as it is"):
        go(source, tmp_path / "run")


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", texts(5))
    go(source, tmp_path / "run")
    (tmp_path / "run/parts/.writing-part-000002-00.parquet").write_bytes(b"half")
    go(source, tmp_path / "run")
    assert not list((tmp_path / "run/parts").glob(".writing-*"))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"attribution": {"tolerance": 0.05}}, r"attribution.tolerance is 0.01 there and 0.05 now"),
        ({"units": {"kind": "token"}}, r"units.kind is 'word' there and 'token' now"),
        ({"target": {"label": "POSITIVE"}}, r"target.label"),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path: Path, change: dict[str, object], named: str) -> None:
    source = written(tmp_path / "in.txt", texts(3))
    go(source, tmp_path / "run")
    with pytest.raises(StoreError, match=named):
        go(source, tmp_path / "run", StandIn(change))


def test_other_weights_are_refused_and_another_device_is_not(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", texts(3))
    go(source, tmp_path / "run")
    with pytest.raises(StoreError, match=r"model.weights_sha256"):
        go(source, tmp_path / "run", StandIn(weights="1" * 64))
    other = StandIn({"runtime": {"threads": 1}, "output": {"diagonal": False}, "model": {"name": "moved/elsewhere"}})
    assert go(source, tmp_path / "run", other).skipped == 3


def test_the_content_of_a_file_of_baselines_counts(tmp_path: Path) -> None:
    source, baselines = written(tmp_path / "in.txt", texts(3)), written(tmp_path / "base.txt", ["nothing"])
    config = {"baseline": {"kind": "texts", "file": str(baselines)}}
    go(source, tmp_path / "run", StandIn(config))
    written(baselines, ["something"])
    with pytest.raises(StoreError, match=r"baseline.file_sha256"):
        go(source, tmp_path / "run", StandIn(config))


def test_what_is_no_store_is_never_touched(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", texts(3))
    with pytest.raises(OutputError, match="is a file and no store"):
        go(source, source)
    assert source.read_text(encoding="utf-8").splitlines() == texts(3)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.doc").write_text("dear", encoding="utf-8")
    with pytest.raises(OutputError, match=r"'thesis.doc' and is no store"):
        go(source, folder)
    assert [path.name for path in folder.iterdir()] == ["thesis.doc"]
    (folder / "thesis.doc").rename(folder / "manifest.json")
    with pytest.raises(OutputError, match="is not JSON"):
        go(source, folder)
    assert (folder / "manifest.json").read_text(encoding="utf-8") == "dear"


def test_a_second_process_is_told(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", texts(3))

    class Nosy(StandIn):
        def one(self, text: str, pair: str | None) -> Explanation | Exception:
            with pytest.raises(StoreError, match=r"process \d+ on .* is writing this store"):
                go(source, tmp_path / "run")
            return super().one(text, pair)

    assert go(source, tmp_path / "run", Nosy()).failed == 0


def test_a_full_disk_stops_the_run_and_keeps_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = written(tmp_path / "in.txt", texts(200))
    import ihcli.corpus.store as module

    real, calls = module.write_durably, []

    def full(file: Path, content: bytes) -> None:
        if "part-" in file.name:
            calls.append(file)
            if len(calls) == 2:
                raise OutputError("No space left on device")
        real(file, content)

    monkeypatch.setattr(module, "write_durably", full)
    with pytest.raises(OutputError, match="No space"):
        go(source, tmp_path / "run")
    monkeypatch.undo()
    [first] = parts_of(tmp_path / "run")
    rows = pq.read_metadata(first.path).num_rows
    tally = go(source, tmp_path / "run")
    assert (tally.skipped, tally.done) == (rows, 200 - rows)


def test_shards_part_the_rows(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", texts(11))
    tallies = [go(source, tmp_path / f"run{k}", shard=(k, 3)) for k in (1, 2, 3)]
    assert [t.done for t in tallies] == [t.total for t in tallies] == [4, 4, 3]
    with pytest.raises(StoreError, match="--shard is"):
        go(source, tmp_path / "run1", shard=(2, 3))


def test_spans_are_refused(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", texts(1))
    with pytest.raises(UsageError, match=r"units.kind is 'spans'"):
        go(source, tmp_path / "run", StandIn({"units": {"kind": "spans", "spans": "x"}}))


def test_a_missing_column_is_said_before_anything_is_written(tmp_path: Path) -> None:
    source = written(tmp_path / "in.csv", ["a,b", "1,2"])
    with pytest.raises(InputError, match=r"no column 'text'; it has a, b"):
        go(source, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_manifest_says_what_was_explained(tmp_path: Path) -> None:
    source = written(tmp_path / "in.csv", ["text,key", "so it goes,k1", "so it went,k2"])
    go(source, tmp_path / "run", columns=Columns(id="key"))
    manifest = json.loads((tmp_path / "run/manifest.json").read_text(encoding="utf-8"))
    assert manifest["inputs"][0]["bytes"] == source.stat().st_size
    assert len(manifest["inputs"][0]["sha256"]) == 64
    assert manifest["config"]["attribution"]["tolerance"] == 0.01
    assert manifest["model"]["weights_sha256"] == "0" * 64
    assert {name for name, _ in iter_explanations(tmp_path / "run")} == {"k1", "k2"}


def test_a_line_of_json_is_a_result_with_its_row(tmp_path: Path) -> None:
    go(written(tmp_path / "in.txt", ["so it goes", "is nan"]), tmp_path / "run")
    good, bad = (json.loads(line_of(o)) for o in outcomes(Reader(tmp_path / "run")))
    assert Explanation.from_dict(good).text == "so it goes"
    assert (good["row"], good["status"], bad["status"], bad["error"]) == (1, "ok", "error", "NonFiniteError")
