"""Shards that become one store, and stores that must not."""

import shutil
from pathlib import Path

import pytest
from corpora import SHARDED, StandIn, shards, stored

from ihcli.corpus import iter_explanations
from ihcli.corpus.batch_run import BatchJob, run
from ihcli.corpus.merging import merge
from ihcli.corpus.store_parts import list_parts
from ihcli.corpus.store_reading import ReadOnlyStore
from ihcli.errors import OutputError, StoreError, UsageError


def rows(store: Path) -> dict[str, str]:
    return {name: found if isinstance(found, str) else found.to_json() for name, found in iter_explanations(store)}


def test_merged_shards_are_the_run_without_shards(tmp_path: Path) -> None:
    whole = stored(tmp_path, SHARDED)
    parts = shards(tmp_path)
    before = {path: path.read_bytes() for part in parts for path in part.rglob("*") if path.is_file()}
    merged = merge(parts, tmp_path / "all")
    assert (merged.rows, merged.failed, merged.missing) == (12, 1, ())
    assert rows(tmp_path / "all") == rows(whole)
    for path, content in before.items():
        if path.suffix == ".parquet" or path.name == "manifest.json":
            assert path.read_bytes() == content
    tally = run(BatchJob(str(tmp_path / "in.txt"), tmp_path / "all"), StandIn())  # type: ignore[arg-type]
    assert (tally.done, tally.already_done) == (0, 12)


def test_a_missing_shard_is_named_and_done_by_the_next_batch(tmp_path: Path) -> None:
    first, _, third = shards(tmp_path)
    assert merge([first, third], tmp_path / "all").missing == ((2, 3),)
    (tmp_path / "in.txt").write_text("\n".join(SHARDED) + "\n", encoding="utf-8")
    tally = run(BatchJob(str(tmp_path / "in.txt"), tmp_path / "all"), StandIn())  # type: ignore[arg-type]
    assert (tally.done, tally.already_done) == (4, 8)
    assert len(rows(tmp_path / "all")) == 12


def test_a_merged_store_counts_as_the_shards_that_it_is_of(tmp_path: Path) -> None:
    first, second, third = shards(tmp_path)
    assert merge([first, second], tmp_path / "two").missing == ((3, 3),)
    assert merge([tmp_path / "two", third], tmp_path / "all").missing == ()
    assert len(rows(tmp_path / "all")) == 12


def test_overlaps_are_refused_with_a_row_that_overlaps(tmp_path: Path) -> None:
    first, second, _ = shards(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(first, copy)
    with pytest.raises(StoreError, match=r"4 rows are in both .*shard1/run and .*copy, for example row \d+ \("):
        merge([first, second, copy], tmp_path / "all")
    with pytest.raises(UsageError, match="given twice"):
        merge([first, tmp_path / "shard2/../shard1/run"], tmp_path / "all")
    assert not (tmp_path / "all").exists()
    assert not list(tmp_path.glob(".all*"))


def test_different_settings_are_refused_by_name(tmp_path: Path) -> None:
    first, *_ = shards(tmp_path)
    (tmp_path / "other").mkdir()
    other = stored(tmp_path / "other", SHARDED, StandIn({"attribution": {"tolerance": 0.05}}), shard=(2, 3))
    with pytest.raises(StoreError, match=r"attribution.tolerance is 0.01 and 0.05"):
        merge([first, other], tmp_path / "all")


def test_what_stands_there_is_never_overwritten_and_what_is_damaged_not_joined(tmp_path: Path) -> None:
    first, second, _ = shards(tmp_path)
    with pytest.raises(OutputError, match="exists already"):
        merge([first], second)
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="exists already"):
        merge([first], tmp_path / "file")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"
    part = list_parts(second)[0].path
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(StoreError, match="the part is damaged"):
        merge([first, second], tmp_path / "all")
    with pytest.raises(StoreError, match="is not the store"):
        merge([first, tmp_path], tmp_path / "all")


def test_a_shard_that_is_being_written_is_not_joined(tmp_path: Path) -> None:
    first, second, _ = shards(tmp_path)

    class Nosy(StandIn):
        def one(self, text: str, pair: str | None) -> object:  # type: ignore[override]
            del text, pair
            with pytest.raises(StoreError, match="is writing this store"):
                merge([second, first], tmp_path / "all")
            raise KeyboardInterrupt

    job = BatchJob(str(tmp_path / "shard1/in.txt"), first, shard=(1, 3), retry_failed=True)
    with pytest.raises(KeyboardInterrupt):
        run(job, Nosy())  # type: ignore[arg-type]
    assert not (tmp_path / "all").exists()


def test_a_merge_that_was_killed_leaves_no_store_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ihcli.corpus.merging as module

    parts = shards(tmp_path)
    real = module.write_durably

    def killed(file: Path, content: bytes) -> None:
        if "000002" in file.name:
            raise SystemExit
        real(file, content)

    monkeypatch.setattr(module, "write_durably", killed)
    with pytest.raises(SystemExit):
        merge(parts, tmp_path / "all")
    assert not (tmp_path / "all").exists()
    monkeypatch.undo()
    assert merge(parts, tmp_path / "all").rows == 12
    assert not list(tmp_path.glob(".all*"))
    assert len(ReadOnlyStore(tmp_path / "all").index.entries) == 12


def test_a_folder_of_the_user_with_a_likely_name_is_left_alone(tmp_path: Path) -> None:
    for name in (".all.merging", ".all", ".ih-all"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.doc").write_text("mine", encoding="utf-8")
    merge(shards(tmp_path), tmp_path / "all")
    assert [(tmp_path / name / "thesis.doc").exists() for name in (".all.merging", ".all", ".ih-all")] == [True] * 3


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "all").symlink_to(tmp_path / "mine")
    with pytest.raises(OutputError, match="exists already"):
        merge(shards(tmp_path), tmp_path / "all")
    assert list((tmp_path / "mine").iterdir()) == []


def test_the_merged_folder_has_the_mode_of_any_new_folder(tmp_path: Path) -> None:
    merge(shards(tmp_path), tmp_path / "all")
    (tmp_path / "new").mkdir()
    assert (tmp_path / "all").stat().st_mode == (tmp_path / "new").stat().st_mode


def test_a_place_that_cannot_be_written_is_refused_before_a_store_is_read(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"/proc/all: cannot be written"):
        merge([tmp_path / "none"], Path("/proc/all"))
