"""A run that is killed at random moments and continued, and the study that does so at the size of a corpus."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from corpora import stored, texts

import ihcli
from ihcli.corpus import iter_explanations
from ihcli.corpus.readers import Columns
from ihcli.corpus.store_parts import list_parts
from ihcli.corpus.store_reading import ReadOnlyStore
from ihcli.errors import InputError
from ihcli.results import Explanation
from tests.studies import corpus as study
from tests.studies.corpus import difference, measure, run_with_kills, sample

SUPPORT = Path(__file__).parents[1] / "support"
KILLS = 3


def test_a_run_killed_at_random_moments_ends_as_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    lines = [*texts(100), "is nan", "", "the same", "the same"]
    whole = stored(tmp_path, lines)
    killed = tmp_path / "killed"
    command = [sys.executable, str(SUPPORT / "killed_run.py"), str(tmp_path / "in.txt"), str(killed)]
    done = run_with_kills(command, killed, KILLS, (0.0, 1.2), 0, tmp_path / "log")  # undisturbed it writes for 5 s
    assert len(done) == KILLS, (tmp_path / "log").read_text(encoding="utf-8")
    assert len(list_parts(killed)) > 1
    found, expected = (list(iter_explanations(store)) for store in (killed, whole))
    assert len(found) == len(expected) == len(lines)
    assert {n: f if isinstance(f, str) else f.to_json() for n, f in found} == {
        n: f if isinstance(f, str) else f.to_json() for n, f in expected
    }
    assert ReadOnlyStore(killed).index.damaged == {}
    assert [path.name for path in killed.rglob("*") if path.name.startswith(".ih-")] == []


def test_a_command_that_ends_before_it_is_killed_was_not_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit(3)"]
    assert run_with_kills(command, tmp_path / "run", 4, (30.0, 40.0), 0, tmp_path / "log") == []


def test_the_study_measures_a_run_and_then_kills_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    script = str(SUPPORT / "killed_run.py")
    monkeypatch.setattr(study, "batch_of", lambda source, store: [sys.executable, script, str(source), str(store)])
    file, out = tmp_path / "in.txt", tmp_path / "out"
    file.write_text("\n".join(texts(60)) + "\n", encoding="utf-8")
    study.main(["run", str(file), "-o", str(out), "--rows", "12"])
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["batch"]["code"]) == (12, 0), (out / "batch.log").read_text(encoding="utf-8")
    assert found["batch"]["texts_a_minute"] == pytest.approx(60 * 12 / found["batch"]["seconds"])
    study.main(["run", str(file), "-o", str(out), "--rows", "12"])  # the store is there already
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["batch"]["explained"], found["batch"]["texts_a_minute"]) == (12, 0, 0.0)
    study.main(["kills", str(file), "-o", str(out), "--rows", "12", "--kills", "1"])
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["each_once"], found["difference"]["compared"]) == (12, True, 12)
    assert found["difference"]["largest"] == 0.0
    assert json.loads((out / "kills.json").read_text(encoding="utf-8")) == found


def test_the_loop_of_another_library_attributes_the_difference_from_padding(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("not bad\n", encoding="utf-8")
    study.main(["captum", str(tmp_path / "in.txt"), str(tmp_path / "out.jsonl")])
    (row,) = map(json.loads, (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines())
    assert len(row) == 4  # with [CLS] and [SEP]
    own = ihcli.explain("not bad", {"baseline": {"kind": "pad"}, "attribution": {"removal": False}})
    assert sum(row) == pytest.approx(own.f_input - own.f_baseline, rel=0.02)
    assert row[1:3] == pytest.approx(own.ig, abs=0.02 * np.abs(own.ig).max())


def test_differences_between_stores_are_seen(tmp_path: Path) -> None:
    made = dict(iter_explanations(stored(tmp_path, ["a fine film", "is nan", "so it goes", "not bad"])))
    same = difference(made, made)
    assert (same["missing"], same["additional"], same["failed_in_one"], same["compared"]) == (0, 0, 0, 3)
    assert same["largest"] == 0.0
    other = dict(made)
    del other["so-it-goes"]
    other["new"], other["not-bad"] = made["not-bad"], "an error"
    one = made["a-fine-film"]
    assert isinstance(one, Explanation)
    moved = np.array(one.ih)
    moved[0, 1] += 0.5 * np.abs(one.ih).max()
    other["a-fine-film"] = dataclasses.replace(one, ih=moved)
    found = difference(made, other)
    assert (found["missing"], found["additional"], found["failed_in_one"], found["compared"]) == (1, 1, 1, 1)
    assert found["largest"] == pytest.approx(0.5)


def test_rows_are_sampled_evenly_from_what_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "in.tsv"
    file.write_bytes(b"".join(b"%d\ttext %d\n" % (k % 2, k) for k in range(10)) + b"1\t\n0\tcaf\xe9\n")
    assert sample(str(file), Columns("2", header=False), 5, tmp_path / "deep/sample.txt") == 5
    lines = (tmp_path / "deep/sample.txt").read_text(encoding="utf-8").splitlines()
    assert lines == ["text 0", "text 2", "text 4", "text 6", "text 8"]
    assert sample(str(file), Columns("2", header=False), 99, tmp_path / "sample.txt") == 10
    file.write_bytes(b"1\t\n")
    with pytest.raises(InputError, match="holds no text"):
        sample(str(file), Columns("2", header=False), 5, tmp_path / "sample.txt")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_the_memory_of_a_command_and_its_children_is_seen(tmp_path: Path) -> None:
    child = "held = bytearray(150 << 20); import time; time.sleep(1.5)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    found = measure([sys.executable, "-c", code], tmp_path / "log")
    assert found.code == 0
    assert found.seconds > 1.5
    assert 150 << 20 < found.peak_bytes < 400 << 20
    assert max(found.tenths) <= found.peak_bytes
