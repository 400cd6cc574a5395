"""The document, the tables and the files of a finished run."""

import json

import pytest
from benches import RUNS, bench

from ihcli.benchmarks.figure import work_precision
from ihcli.benchmarks.report import Found, document, tables


def test_the_document_is_plain_json_and_holds_the_ratios():
    plain = document(bench())["texts"][0]
    assert plain["times_ours"] == pytest.approx(
        {"value-zeroing": 0.25, "article": 100, "article-double": 450, "paper": 2000, "product-grid": 30}
    )
    assert json.loads(json.dumps(plain, allow_nan=False))["reaches"][1]["seconds"] is None


def test_a_table_has_a_row_for_each_measurement():
    [table] = tables(bench())
    assert len(table.rows) == len(RUNS) + 1
    columns = {column.header: list(column.cells) for column in table.columns}
    assert columns["seconds"][-1] == "90*"  # scaled up from a tenth of the work
    assert columns["to 1 %"] == ["0.2", "", "", "never", "~400", "", "6", "", ""]
    assert columns["× ih"] == ["", "", "0.25", "100", "2,000", "", "30", "", "450"]


def test_a_measurement_is_written_as_a_document_and_a_picture(tmp_path):
    run = bench()
    files = Found("bench", document(run), (), work_precision(run)).write(tmp_path)
    assert [file.name for file in files] == ["bench.json", "bench.png"]
    assert json.loads(files[0].read_text(encoding="utf-8"))["schema"] == "ihcli.bench/1"
    assert files[1].read_bytes().startswith(b"\x89PNG")
