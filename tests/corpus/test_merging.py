"""Shards that become one store, and stores that must not."""

import shutil
from pathlib import Path

import pytest
from corpora import StandIn, stored
from typer.testing import CliRunner

from ihcli.cli.app import app
from ihcli.corpus import iter_explanations
from ihcli.corpus.merging import merge
from ihcli.corpus.running import Job, run
from ihcli.corpus.store import Reader, parts_of
from ihcli.errors import OutputError, StoreError, UsageError

TEXTS = [f"text number {k}" for k in range(9)] + ["is nan", "again", "again"]


def shards(folder: Path, count: int = 3) -> list[Path]:
    made = []
    for k in range(1, count + 1):
        own = folder / f"shard{k}"
        own.mkdir()
        made.append(stored(own, TEXTS, shard=(k, count)))
    return made


def rows(store: Path) -> dict[str, str]:
    return {name: found if isinstance(found, str) else found.to_json() for name, found in iter_explanations(store)}


def test_merged_shards_are_the_run_without_shards(tmp_path: Path) -> None:
    whole = stored(tmp_path, TEXTS)
    parts = shards(tmp_path)
    before = {path: path.read_bytes() for part in parts for path in part.rglob("*") if path.is_file()}
    merged = merge(parts, tmp_path / "all")
    assert (merged.rows, merged.failed, merged.missing) == (12, 1, ())
    assert rows(tmp_path / "all") == rows(whole)
    for path, content in before.items():
        if path.suffix == ".parquet" or path.name == "manifest.json":
            assert path.read_bytes() == content
    tally = run(Job(str(tmp_path / "in.txt"), tmp_path / "all"), StandIn())  # type: ignore[arg-type]
    assert (tally.done, tally.skipped) == (0, 12)


def test_a_missing_shard_is_named_and_done_by_the_next_batch(tmp_path: Path) -> None:
    first, _, third = shards(tmp_path)
    assert merge([first, third], tmp_path / "all").missing == ((2, 3),)
    (tmp_path / "in.txt").write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    tally = run(Job(str(tmp_path / "in.txt"), tmp_path / "all"), StandIn())  # type: ignore[arg-type]
    assert (tally.done, tally.skipped) == (4, 8)
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
    other = stored(tmp_path / "other", TEXTS, StandIn({"attribution": {"tolerance": 0.05}}), shard=(2, 3))
    with pytest.raises(StoreError, match=r"attribution.tolerance is 0.01 and 0.05"):
        merge([first, other], tmp_path / "all")


def test_what_stands_there_is_never_overwritten_and_what_is_damaged_not_joined(tmp_path: Path) -> None:
    first, second, _ = shards(tmp_path)
    with pytest.raises(OutputError, match="is there already"):
        merge([first], second)
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="is there already"):
        merge([first], tmp_path / "file")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"
    part = parts_of(second)[0].path
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(StoreError, match="damaged"):
        merge([first, second], tmp_path / "all")
    with pytest.raises(StoreError, match="is no store"):
        merge([first, tmp_path], tmp_path / "all")


def test_a_shard_that_is_being_written_is_not_joined(tmp_path: Path) -> None:
    first, second, _ = shards(tmp_path)

    class Nosy(StandIn):
        def one(self, text: str, pair: str | None) -> object:  # type: ignore[override]
            del text, pair
            with pytest.raises(StoreError, match="is writing this store"):
                merge([second, first], tmp_path / "all")
            raise KeyboardInterrupt

    job = Job(str(tmp_path / "shard1/in.txt"), first, shard=(1, 3), retry_failed=True)
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
    assert len(Reader(tmp_path / "all").index.entries) == 12


def test_the_command_says_what_it_joined(tmp_path: Path) -> None:
    first, second, _ = shards(tmp_path)
    ran = CliRunner().invoke(app, ["merge", str(first), str(second), "-o", str(tmp_path / "all")])
    assert ran.exit_code == 0, ran.output
    assert "8 rows from 2 stores" in ran.stderr
    assert "the shards 3/3 are not among them" in ran.stderr
    ran = CliRunner().invoke(app, ["merge", str(first), str(second), "-o", str(tmp_path / "all")])
    assert ran.exit_code == 2
