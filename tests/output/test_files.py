import json
import math
from pathlib import Path

import numpy as np
import pytest
from explanations import make_explanation

from ihcli import output
from ihcli.errors import OutputError, UsageError
from ihcli.output import write_files
from ihcli.results import Explanation


def test_the_builder_is_consistent() -> None:
    e = make_explanation(9, seed=3)
    assert np.array_equal(e.ih, e.ih.T)
    assert np.allclose(e.ih.sum(axis=1), e.ig)
    assert math.isclose(e.ih.sum(), e.f_input - e.f_baseline)
    assert all(e.text[u.start : u.end] == u.text for u in e.units)
    assert Explanation.from_dict(json.loads(e.to_json())).to_json() == e.to_json()


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
