"""The CSV files: every number in full, what was not computed empty, every unit as it stands in the text."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from explanations import make_explanation

from ihcli.output import write_files
from ihcli.output.tables import csv_line
from ihcli.results import Unit


def rows(file: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(file.read_text(encoding="utf-8"))))


def test_csv_files_hold_every_number_in_full(tmp_path: Path) -> None:
    e = make_explanation(6)
    written = write_files(e, tmp_path, ["csv"])
    assert [p.name for p in written] == ["interactions.csv", "pairs.csv", "attributions.csv"]
    table = rows(tmp_path / "interactions.csv")
    words = [u.text for u in e.units]
    assert table[0] == ["", *words]
    assert [row[0] for row in table[1:]] == words
    assert np.array_equal(np.array([[float(v) for v in row[1:]] for row in table[1:]]), e.ih)
    pairs = rows(tmp_path / "pairs.csv")
    assert pairs[0] == ["i", "j", "unit_i", "unit_j", "interaction"]
    assert len(pairs) == 1 + 15
    strengths = [abs(float(row[4])) for row in pairs[1:]]
    assert strengths == sorted(strengths, reverse=True)
    for i, j, first, second, value in pairs[1:]:
        assert int(i) < int(j)
        assert (first, second) == (words[int(i)], words[int(j)])
        assert float(value) == e.ih[int(i), int(j)]
    own = rows(tmp_path / "attributions.csv")
    assert own[0] == ["unit", "start", "end", "ig", "diagonal"]
    assert [(r[0], int(r[1]), int(r[2]), float(r[3]), float(r[4])) for r in own[1:]] == [
        (u.text, u.start, u.end, ig, d) for u, ig, d in zip(e.units, e.ig, e.ih.diagonal(), strict=True)
    ]


def test_what_was_not_computed_is_empty_or_absent_and_never_zero(tmp_path: Path) -> None:
    ih = np.array(make_explanation(4).ih)
    ih[0, 1] = ih[1, 0] = ih[2, 2] = np.nan
    write_files(make_explanation(4, ih=ih), tmp_path, ["csv", "json"])
    table = rows(tmp_path / "interactions.csv")
    assert table[1][2] == table[2][1] == table[3][3] == ""
    assert sum(cell == "" for row in table[1:] for cell in row) == 3
    assert ["0", "1"] not in [row[:2] for row in rows(tmp_path / "pairs.csv")]
    assert rows(tmp_path / "attributions.csv")[3][4] == ""
    assert json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["ih"][0][1] is None


def test_units_with_commas_quotes_and_line_breaks_come_back(tmp_path: Path) -> None:
    e = make_explanation(3)
    odd = ('a,"b"', "line\nbreak", "=1+1")
    e = replace(e, units=tuple(Unit(t, k, k + 1, (t,)) for k, t in enumerate(odd)))
    write_files(e, tmp_path, ["csv"])
    assert rows(tmp_path / "interactions.csv")[0][1:] == list(odd)


@pytest.mark.parametrize("unit", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", '=HYPERLINK("x")', "\r=1"])
def test_a_unit_that_a_spreadsheet_takes_for_a_formula_comes_back_as_it_is(tmp_path: Path, unit: str) -> None:
    e = replace(make_explanation(1), units=(Unit(unit, 0, 1, (unit,)),))
    write_files(e, tmp_path, ["csv"])
    for name, row, column in (("interactions.csv", 0, 1), ("interactions.csv", 1, 0), ("attributions.csv", 1, 0)):
        with (tmp_path / name).open(encoding="utf-8", newline="") as stream:
            assert list(csv.reader(stream))[row][column] == unit


@pytest.mark.parametrize("cell", ["plain", "a,b", 'a "b"', "a\nb", "a\rb", "a\r\nb", "", " "])
def test_a_cell_comes_back_from_its_line(cell: str) -> None:
    line = csv_line([cell, 1, 0.1])
    assert line.endswith("0.1\n")
    [found] = csv.reader(io.StringIO(line, newline=""))
    assert found == [cell, "1", "0.1"]
