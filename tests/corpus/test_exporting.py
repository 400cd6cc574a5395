"""What a store is written as: lines of JSON, folders, one table of pairs."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from corpora import StandIn, stored
from typer.testing import CliRunner

from ihcli.cli.app import app
from ihcli.corpus import iter_explanations
from ihcli.corpus.exporting import whole
from ihcli.corpus.readers import Columns
from ihcli.corpus.running import Job, run
from ihcli.results import Explanation

TEXTS = ["not a bad film", "fine", "is nan", "fine", "a slow one"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(tmp_path_factory.mktemp("export"), TEXTS)


READS = """
import json, os, sys
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq
from ihcli.corpus.readers import read_rows
from ihcli.corpus.store import Reader

def threads():
    return len(os.listdir("/proc/self/task"))

pq.write_table(pa.table({"text": ["one", "two"]}), sys.argv[2])
before = threads()
read = [len(list(Reader(Path(sys.argv[1])).records())), len(list(read_rows(sys.argv[2])))]
print(json.dumps({"read": read, "more": threads() - before}))
"""


def ih(*arguments: object) -> tuple[int, str, str]:
    ran = CliRunner().invoke(app, ["export", *map(str, arguments)])
    return ran.exit_code, ran.stdout, ran.stderr


def test_lines_hold_every_row_in_full(store: Path) -> None:
    code, out, err = ih(store)
    lines = {one["row"]: one for one in map(json.loads, out.splitlines())}
    assert (code, sorted(lines)) == (0, [1, 2, 3, 4, 5])
    assert [lines[k]["status"] for k in range(1, 6)] == ["ok", "ok", "error", "ok", "not_converged"]
    assert "line 3: The model's f is NaN" in lines[3]["message"]
    assert Explanation.from_dict(lines[1]).to_json() == StandIn().one(TEXTS[0], None).to_json()  # type: ignore[union-attr]
    assert "4 explanations; 1 failed rows have none" in err


def test_folders_are_those_of_ih_explain(store: Path, tmp_path: Path) -> None:
    code, out, _ = ih(store, "--to", "folders", "-o", tmp_path, "--formats", "json,csv")
    assert (code, out) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-slow-one", "fine", "fine~2", "not-a-bad-film"]
    found = tmp_path / "not-a-bad-film"
    names = ["attributions.csv", "interactions.csv", "pairs.csv", "result.json"]
    assert sorted(path.name for path in found.iterdir()) == names
    assert Explanation.load(found).to_json() == StandIn().one(TEXTS[0], None).to_json()  # type: ignore[union-attr]


def test_pairs_are_one_table_strongest_first_within_a_row(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "deep/pairs.csv"
    assert ih(store, "--to", "pairs", "-o", file)[0] == 0
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    assert len(rows) == 6 + 0 + 0 + 3  # pairs of 4, 1, 1 and 3 words; a failed row has none
    first = [row for row in rows if row["row"] == "1"]
    values = [float(row["interaction"]) for row in first]
    assert values == sorted(values, key=abs, reverse=True)
    explanation = StandIn().one(TEXTS[0], None)
    i, j = int(first[0]["i"]), int(first[0]["j"])
    assert explanation.ih[i, j] == values[0]  # type: ignore[union-attr]
    assert first[0]["unit_i"] == TEXTS[0].split()[i]


def test_a_store_is_never_written_into_and_a_broken_export_leaves_no_file(store: Path, tmp_path: Path) -> None:
    before = sorted(store.rglob("*"))
    code, _, err = ih(store, "-o", store / "all.jsonl")
    assert code == 2
    assert "lies in the store" in err
    assert sorted(store.rglob("*")) == before
    assert ih(store, "--to", "folders")[0] == 2
    code, _, err = ih(tmp_path, "-o", tmp_path / "x.jsonl")
    assert code == 2
    assert "is no store of a batch" in err
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_in_the_middle_keeps_the_file_that_was_there(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    file.write_text("old", encoding="utf-8")

    def half() -> None:
        with whole(file) as stream:
            stream.write("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == {"out.jsonl": "old"}


def test_rows_of_several_inputs_with_one_name_are_kept_apart(tmp_path: Path) -> None:
    for name, text in (("one", "so it goes"), ("two", "so it went")):
        file = tmp_path / f"{name}.csv"
        file.write_text(f"id,text\n7,{text}\n", encoding="utf-8")
        run(Job(str(file), tmp_path / "run", Columns(id="id")), StandIn())  # type: ignore[arg-type]
    found = dict(iter_explanations(tmp_path / "run"))
    assert len(found) == 2
    assert "7" in found
    assert ih(tmp_path / "run", "--to", "folders", "-o", tmp_path / "out", "--formats", "json")[0] == 0
    assert len(list((tmp_path / "out").iterdir())) == 2


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system does not list a process's threads")
def test_reading_starts_no_thread_that_could_abort_the_process_at_its_end(store: Path, tmp_path: Path) -> None:
    # One that lets go of a Python buffer while the interpreter ends aborts it, one time in three on a busy machine.
    ran = subprocess.run(
        [sys.executable, "-c", READS, store, tmp_path / "in.parquet"], capture_output=True, text=True, check=True
    )
    assert json.loads(ran.stdout) == {"read": [5, 2], "more": 0}
