"""Stores that somebody changed: every command ends with a message, none waits, and none writes elsewhere."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from corpora import StandIn, stored, texts
from hostile_stores import (
    CHANGED_PARTS,
    CHANGED_ROWS,
    DAMAGED_MANIFESTS,
    DAMAGED_PARTS,
    LEADING_OUT,
    ODD_NAMES,
    Change,
    named,
)
from typer.testing import CliRunner

import ihcli.pipeline
from ihcli.cli.app import app
from ihcli.corpus import iter_explanations

LINES = ["is nan", *texts(14)]
READING = {
    "jsonl": ("export", "RUN"),
    "pairs": ("export", "RUN", "--to", "pairs"),
    "folders": ("export", "RUN", "--to", "folders", "-o", "OUT/folders", "--formats", "json,csv"),
    "summarize": ("summarize", "RUN", "-o", "OUT/summary", "--figure", "none"),
    "report": ("report", "RUN", "-o", "OUT/report.html"),
    "check": ("check", "RUN", "GOOD"),
}
MERGE = ("merge", "RUN", "-o", "OUT/merged")
BATCH = ("batch", "GOOD/../in.txt", "-o", "RUN", "-q")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    stored(folder, LINES[:9])
    return stored(folder, LINES)  # a second part


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def give_up(*_: object) -> None:
        message = "it waits"
        raise AssertionError(message)

    monkeypatch.setattr(ihcli.pipeline, "Explainer", StandIn)
    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def ih(folder: Path, good: Path, arguments: tuple[str, ...]) -> tuple[int, str]:
    """Run a command on the changed store; returns its exit code and its message."""
    places = {"RUN": folder / "run", "OUT": folder / "out", "GOOD": good}
    given = [str(places[a.split("/")[0]]) + a[len(a.split("/")[0]) :] if a.split("/")[0] in places else a
             for a in arguments]  # fmt: skip
    outside = around(folder, good)
    ran = CliRunner().invoke(app, given)
    assert ran.exit_code in {0, 1, 2, 5}, (given, ran.output[-2000:])
    assert "Traceback" not in ran.output
    assert around(folder, good) == outside
    return ran.exit_code, " ".join(ran.stderr.split())


def around(folder: Path, good: Path) -> set[Path]:
    """What is outside of the folder of a test."""
    return {*folder.parent.iterdir(), *good.parent.rglob("*")}


def changed(folder: Path, good: Path, change: Change) -> Path:
    shutil.copytree(good, folder / "run")
    change(folder / "run")
    return folder / "run"


@pytest.mark.parametrize("what", CHANGED_ROWS)
def test_a_row_that_ih_does_not_write_is_named_by_every_command_that_reads_it(
    tmp_path: Path, good: Path, what: str
) -> None:
    changed(tmp_path, good, CHANGED_ROWS[what])
    for command in READING.values():
        code, message = ih(tmp_path, good, command)
        assert code == 2, (command, message)
        assert "run/parts/part-000001-" in message
        assert "Delete this part, then run the same `ih batch` command" in message
    assert ih(tmp_path, good, MERGE)[0] == 0  # parts are copied as they are
    assert ih(tmp_path, good, BATCH)[0] in {0, 5}


@pytest.mark.parametrize("what", DAMAGED_PARTS)
def test_a_part_that_cannot_be_read_is_named_and_its_rows_are_explained_again(
    tmp_path: Path, good: Path, what: str
) -> None:
    run = changed(tmp_path, good, DAMAGED_PARTS[what])
    for command in (*READING.values(), MERGE):
        code, message = ih(tmp_path, good, command)
        assert code == 2, (command, message)
        assert "the part is damaged (" in message
    code, message = ih(tmp_path, good, (*BATCH[:-1],))
    assert code == 5
    assert "wasdamagedandisrenamedtoendin.damaged;itsrowsareexplainedagain." in message.replace(" ", "")
    assert dict(iter_explanations(run)).keys() == dict(iter_explanations(good)).keys()


@pytest.mark.parametrize("what", CHANGED_PARTS)
def test_parts_that_were_removed_or_added_are_noticed(tmp_path: Path, good: Path, what: str) -> None:
    run = changed(tmp_path, good, CHANGED_PARTS[what])
    for command in (*READING.values(), MERGE):
        code, message = ih(tmp_path, good, command)
        assert code == 2, (command, message)
        assert " of its 2 parts " in message or "its parts are not the 2 that were written" in message
    assert ih(tmp_path, good, BATCH)[0] == 5
    assert dict(iter_explanations(run)).keys() == dict(iter_explanations(good)).keys()


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_file_that_is_named_like_a_part_is_refused_by_name(tmp_path: Path, good: Path, name: str) -> None:
    run = changed(tmp_path, good, lambda store: (store / "parts" / name).write_bytes(b"") and None)
    for command in (*READING.values(), MERGE, BATCH):
        code, message = ih(tmp_path, good, command)
        assert code == 2, (command, message)
        assert "is not a part of this store" in message
    assert (run / "parts" / name).exists()


@pytest.mark.parametrize("what", DAMAGED_MANIFESTS)
def test_a_damaged_manifest_is_named_and_left_as_it_is(tmp_path: Path, good: Path, what: str) -> None:
    run = changed(tmp_path, good, DAMAGED_MANIFESTS[what])
    before = (run / "manifest.json").stat()
    for name, command in READING.items():
        if name not in {"report", "check"} or (run / "manifest.json").is_file():  # else it is no store to them
            code, message = ih(tmp_path, good, command)
            assert code == 2, (command, message)
            assert "manifest.json" in message
    for command in (MERGE, BATCH):
        assert ih(tmp_path, good, command)[0] == 2
    assert (run / "manifest.json").stat().st_ino == before.st_ino


@pytest.mark.parametrize("name", LEADING_OUT)
def test_a_name_leads_no_folder_out_of_an_export(tmp_path: Path, good: Path, name: str) -> None:
    changed(tmp_path, good, named(name))
    code, message = ih(tmp_path, good, READING["folders"])
    assert code == 2
    assert "leads out of" in message
    for other in ("jsonl", "pairs", "summarize", "report", "check"):
        assert ih(tmp_path, good, READING[other])[0] in {0, 1}
    assert not Path("/ih-outside").exists()


@pytest.mark.parametrize("link", [".lock", ".holder", ".ih-planted", "parts/.ih-planted"])
def test_a_planted_link_is_not_written_through(tmp_path: Path, good: Path, link: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine", encoding="utf-8")
    run = changed(tmp_path, good, lambda _: None)
    (run / link).unlink(missing_ok=True)
    (run / link).symlink_to(victim)
    assert ih(tmp_path, good, BATCH)[0] in {2, 5}
    assert ih(tmp_path, good, READING["jsonl"])[0] == 0
    assert victim.read_text(encoding="utf-8") == "mine"
