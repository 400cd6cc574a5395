"""A store that is written: what is refused, what a crash leaves, and who else may write it."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from corpora import StandIn, go, stored, texts, written

from ihcli.corpus import iter_explanations
from ihcli.corpus.readers import Columns
from ihcli.corpus.store import require_store_possible
from ihcli.corpus.store_manifest import read_manifest, seal_of
from ihcli.corpus.store_parts import PartsSeal, list_parts
from ihcli.corpus.store_reading import ReadOnlyStore
from ihcli.errors import OutputError, StoreError
from ihcli.results import Explanation


def test_a_torn_part_is_found_and_its_rows_redone(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", texts(100))
    go(source, tmp_path / "run")
    first, second = list_parts(tmp_path / "run")
    rows = pq.read_metadata(first.path).num_rows
    assert 64 <= rows < 64 + 8  # a group goes into one part
    whole = first.path.read_bytes()
    first.path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError, match=r"part-000001-.*: the part is damaged .* run the same `ih batch` command"):
        ReadOnlyStore(tmp_path / "run")
    tally = go(source, tmp_path / "run")
    assert (tally.done, tally.already_done) == (rows, 100 - rows)
    assert len(list(iter_explanations(tmp_path / "run"))) == 100
    second.path.write_bytes(b"")
    assert go(source, tmp_path / "run").done == 100 - rows


def test_parts_without_their_manifest_are_no_store(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", texts(5))
    go(source, tmp_path / "run")
    (tmp_path / "run/manifest.json").unlink()
    with pytest.raises(OutputError, match=r"holds 'parts/part-000001-.*is not the store of a batch; nothing is"):
        go(source, tmp_path / "run")


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", texts(5))
    go(source, tmp_path / "run")
    (tmp_path / "run/parts/.ih-0123456789abcdef").write_bytes(b"half")
    go(source, tmp_path / "run")
    assert not list((tmp_path / "run/parts").glob(".ih-*"))


def test_what_is_no_store_is_never_touched(tmp_path: Path) -> None:
    source = written(tmp_path / "in.txt", texts(3))
    with pytest.raises(OutputError, match="is a file and not the store"):
        go(source, source)
    assert source.read_text(encoding="utf-8").splitlines() == texts(3)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.doc").write_text("dear", encoding="utf-8")
    with pytest.raises(OutputError, match=r"'thesis.doc' and is not the store"):
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
    [first] = list_parts(tmp_path / "run")
    rows = pq.read_metadata(first.path).num_rows
    tally = go(source, tmp_path / "run")
    assert (tally.already_done, tally.done) == (rows, 200 - rows)


def test_the_manifest_says_what_was_explained(tmp_path: Path) -> None:
    source = written(tmp_path / "in.csv", ["text,key", "so it goes,k1", "so it went,k2"])
    go(source, tmp_path / "run", columns=Columns(id="key"))
    manifest = json.loads((tmp_path / "run/manifest.json").read_text(encoding="utf-8"))
    assert manifest["inputs"][0]["bytes"] == source.stat().st_size
    assert len(manifest["inputs"][0]["sha256"]) == 64
    assert manifest["config"]["attribution"]["tolerance"] == 0.01
    assert manifest["model"]["weights_sha256"] == "0" * 64
    assert {name for name, _ in iter_explanations(tmp_path / "run")} == {"k1", "k2"}


def test_a_run_that_was_killed_before_it_recorded_a_part_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ihcli.corpus.store as module

    source = written(tmp_path / "in.txt", texts(10))
    real = module.write_durably

    def killed(file: Path, content: bytes) -> None:
        if "manifest" in file.name and list_parts(tmp_path / "run"):
            raise KeyboardInterrupt
        real(file, content)

    monkeypatch.setattr(module, "write_durably", killed)
    with pytest.raises(KeyboardInterrupt):
        go(source, tmp_path / "run")
    monkeypatch.undo()
    assert len(list_parts(tmp_path / "run")) == 1
    assert seal_of(read_manifest(tmp_path / "run")) == PartsSeal()
    assert len(list(iter_explanations(tmp_path / "run"))) == 10
    tally = go(source, tmp_path / "run")
    assert (tally.done, tally.already_done, tally.notes) == (0, 10, [])
    assert seal_of(read_manifest(tmp_path / "run")) == PartsSeal.of(list_parts(tmp_path / "run"))


def test_lost_parts_are_explained_again_and_told(tmp_path: Path) -> None:
    run = stored(tmp_path, texts(80))
    first, second = list_parts(run)
    rows = pq.read_metadata(first.path).num_rows
    first.path.unlink()
    tally = go(tmp_path / "in.txt", run)
    assert (tally.done, tally.already_done) == (rows, 80 - rows)
    assert tally.notes == [f"{run}: 1 of its 2 parts is missing; their rows are explained again."]
    assert go(tmp_path / "in.txt", run).notes == []
    assert [part.number for part in list_parts(run)] == [2, 3]
    list_parts(run)[-1].path.write_bytes(b"damaged")
    assert "was damaged and is renamed to end in .damaged" in go(tmp_path / "in.txt", run).notes[0]
    assert go(tmp_path / "in.txt", run).notes == []
    assert len(ReadOnlyStore(run).index.entries) == 80
    assert second.path.exists()


@pytest.mark.parametrize("place", ["/proc/nothing/here", "/dev/null", "/dev/null/run", "x" * 300])
def test_a_place_where_no_store_can_be_is_refused_before_anything_is_computed(tmp_path: Path, place: str) -> None:
    with pytest.raises(OutputError, match=r"Choose another (folder with -o|place)"):
        require_store_possible(tmp_path / place)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_the_trial_whether_a_store_can_be_made(tmp_path: Path) -> None:
    require_store_possible(tmp_path / "deep/run")
    assert list(tmp_path.iterdir()) == []
