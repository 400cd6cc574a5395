"""`ih export` as a user meets it: JSON lines, folders, one table of pairs."""

import csv
import io
import json
import os
import threading
from pathlib import Path

import pytest
from corpora import StandIn, stored
from typer.testing import CliRunner

from ihcli.cli.app import app
from ihcli.results import Explanation

TEXTS = ["not a bad film", "fine", "is nan", "fine", "a slow one"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(tmp_path_factory.mktemp("export"), TEXTS)


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
    assert "4 explanations; 1 failed row has none" in err


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
    assert "is in the store" in err
    assert sorted(store.rglob("*")) == before
    assert ih(store, "--to", "folders")[0] == 2
    (tmp_path / "none").mkdir()
    code, _, err = ih(tmp_path / "none", "-o", tmp_path / "x.jsonl")
    assert code == 2
    assert "is not the store of a batch" in err
    assert [path.name for path in tmp_path.iterdir()] == ["none"]


def test_cells_that_a_spreadsheet_would_compute_are_written_as_they_are(tmp_path: Path) -> None:
    cells = ["=1+1", "+1", "-1", "@cmd", '=HYPERLINK("x")']
    made = stored(tmp_path, [" ".join(cells)])
    _, out, _ = ih(made, "--to", "pairs")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["unit_i"] for row in rows} | {row["unit_j"] for row in rows} == set(cells)


@pytest.mark.parametrize(("to", "out"), [("jsonl", "/proc/x"), ("folders", "/proc/x"), ("pairs", "/dev/null/x/y")])
def test_a_place_that_cannot_be_written_is_refused_before_the_store_is_read(tmp_path: Path, to: str, out: str) -> None:
    code, _, err = ih(tmp_path / "no store", "--to", to, "-o", out)
    assert code == 2
    assert "cannot be written" in err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_written_into_and_a_device_stays_one(store: Path, tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    assert ih(store, "-o", pipe)[0] == 0
    reader.join()
    assert len(read[0].splitlines()) == len(TEXTS)
    assert pipe.is_fifo()
    assert ih(store, "-o", os.devnull)[0] == 0
    assert Path(os.devnull).is_char_device()
