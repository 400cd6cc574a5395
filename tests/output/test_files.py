import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from explanations import make_explanation

from ihcli import output
from ihcli.errors import OutputError, UsageError
from ihcli.output import write_files
from ihcli.results import Explanation, Unit


def rows(file: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(file.read_text(encoding="utf-8"))))


def test_the_builder_is_consistent() -> None:
    e = make_explanation(9, seed=3)
    assert np.array_equal(e.ih, e.ih.T)
    assert np.allclose(e.ih.sum(axis=1), e.ig)
    assert math.isclose(e.ih.sum(), e.f_input - e.f_baseline)
    assert all(e.text[u.start : u.end] == u.text for u in e.units)
    assert Explanation.from_dict(json.loads(e.to_json())).to_json() == e.to_json()


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


def test_a_link_that_was_planted_in_a_folder_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious", encoding="utf-8")
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("result.json", "pairs.csv"):
        (folder / name).symlink_to("../precious")
    write_files(make_explanation(2), folder, ["json", "csv"])
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "precious"
    assert Explanation.load(folder).text == make_explanation(2).text


def test_all_formats_are_written_and_the_document_last(tmp_path: Path) -> None:
    written = write_files(make_explanation(3), tmp_path / "new" / "folder", ["json", "csv", "png", "svg", "pdf"])
    assert written[-1].name == "result.json"
    assert {p.name for p in written} == {p.name for p in (tmp_path / "new" / "folder").iterdir()}
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    for suffix, magic in starts.items():
        assert (tmp_path / "new" / "folder" / f"heatmap.{suffix}").read_bytes().startswith(magic)


def test_the_same_result_gives_the_same_bytes(tmp_path: Path) -> None:
    formats = ["json", "csv", "png", "svg", "pdf"]
    first = write_files(make_explanation(4), tmp_path / "a", formats)
    second = write_files(make_explanation(4), tmp_path / "b", formats)
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.name


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'jpg' is not known. Use json, csv, png, svg, pdf"):
        write_files(make_explanation(2), tmp_path, ["json", "jpg"])
    assert not list(tmp_path.iterdir())


def test_a_failing_figure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> dict[str, bytes]:
        raise OutputError

    monkeypatch.setattr(output, "_heatmaps", fail)
    with pytest.raises(OutputError):
        write_files(make_explanation(2), tmp_path, ["json", "csv", "png"])
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot be written"):
        write_files(make_explanation(2), tmp_path / "taken", ["json"])
