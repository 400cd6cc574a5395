import csv
import io
import json
import math

import numpy as np
import pytest

from ihcli.errors import UsageError
from ihcli.evaluation.intervals import bootstrap
from ihcli.evaluation.measuring import METRICS
from ihcli.evaluation.table import Evaluation, Source

IH, SHAP = Source("ih", "pad"), Source("shapley", "deletion")


def evaluation(texts=30):
    rng = np.random.default_rng(0)
    found = Evaluation()
    for text in range(texts):
        level = rng.normal()
        for source, shift in ((IH, 0.0), (SHAP, 0.2)):
            values = {
                "r_squared": level + shift,
                "infidelity": abs(level) + shift,
                "tau_leave_one_out": math.nan if source == SHAP else 0.5,
                "own": 1.0,
            }
            found.add(source, f"text {text}", values)
    return found


def test_cells_are_means_over_texts_with_their_intervals():
    found = evaluation()
    table = found.table()
    values = [found._values[IH][f"text {k}"]["r_squared"] for k in range(30)]
    assert table.interval(IH, "r_squared") == bootstrap(values)
    assert table.texts == {IH: 30, SHAP: 30}
    assert table.sources == (IH, SHAP)
    assert table.metrics == ("tau_leave_one_out", "infidelity", "r_squared", "own")
    assert table.interval(SHAP, "tau_leave_one_out").n == 0
    assert found.table("median").interval(IH, "r_squared").estimate == np.median(values)
    with pytest.raises(KeyError):
        table.interval(IH, "sufficiency")


def test_the_best_heeds_the_direction():
    table = evaluation().table()
    assert table.best("r_squared") == (SHAP,)
    assert table.best("infidelity") == (IH,)
    assert table.best("tau_leave_one_out") == (IH,)
    assert table.best("own") == ()


def test_differences_are_over_shared_texts():
    found = evaluation()
    found.add(IH, "only here", {"r_squared": 100.0})
    difference = found.difference(SHAP, IH, "r_squared")
    assert (difference.n, difference.estimate) == (30, pytest.approx(0.2))
    assert difference.excludes(0.0)
    assert found.difference(SHAP, IH, "tau_leave_one_out").n == 0
    with pytest.raises(UsageError, match="lime was not measured; measured were: ih · pad, shapley · deletion"):
        found.difference(Source("lime"), IH, "r_squared")


def test_texts_may_lack_metrics():
    found = Evaluation()
    found.add(IH, "a", {"r_squared": 1.0})
    found.add(IH, "b", {"infidelity": 2.0})
    table = found.table()
    assert (table.interval(IH, "r_squared").n, table.interval(IH, "infidelity").n) == (1, 1)
    assert table.texts[IH] == 2


def test_the_document_holds_everything_in_plain_types():
    table = evaluation().table()
    document = json.loads(json.dumps(table.to_dict(), allow_nan=False))
    assert document["schema"] == "ihcli.evaluation/1"
    first, second = document["rows"]
    assert (first["method"], first["baseline"], first["texts"]) == ("ih", "pad", 30)
    assert first["values"]["r_squared"]["estimate"] == table.interval(IH, "r_squared").estimate
    assert second["values"]["tau_leave_one_out"] == {"estimate": None, "low": None, "high": None, "n": 0, "level": 0.95}
    assert document["metrics"]["infidelity"]["better"] == "lower"


def test_csv_reads_back():
    table = evaluation().table()
    rows = list(csv.DictReader(io.StringIO(table.to_csv())))
    assert len(rows) == 8
    row = next(r for r in rows if r["method"] == "shapley" and r["metric"] == "r_squared")
    assert float(row["estimate"]) == table.interval(SHAP, "r_squared").estimate
    assert (row["better"], row["n"]) == ("higher", "30")
    assert next(r for r in rows if r["method"] == "shapley" and r["metric"] == "tau_leave_one_out")["estimate"] == ""


def test_markdown_marks_the_best_and_keeps_its_columns():
    found = Evaluation()
    found.add(Source("a|b\n", "x"), "t", {"r_squared": 0.5})
    found.add(Source("c"), "t", {"r_squared": 0.25, "infidelity": 1.0})
    lines = found.table().to_markdown().splitlines()
    assert lines[0] == "| | Infidelity ↓ | R² with pairs ↑ |"
    assert lines[2:] == ["| a\\|b · x | – | **0.50** |", "| c | **1.00** | 0.25 |"]


def test_a_text_measured_twice_and_infinite_values_are_refused():
    found = evaluation(2)
    with pytest.raises(UsageError, match="'text 0' was measured twice"):
        found.add(IH, "text 0", {})
    with pytest.raises(UsageError, match="own of text 'new' is infinite"):
        found.add(IH, "new", {"own": math.inf})


def test_every_metric_says_what_it_is():
    assert all(metric.title and metric.formula for metric in METRICS.values())
    assert len({metric.title for metric in METRICS.values()}) == len(METRICS)


def test_numbers_that_round_to_zero_have_no_sign_and_further_columns_have_titles():
    evaluation = Evaluation()
    for text, value in (("a", -0.001), ("b", 0.0005)):
        evaluation.add(Source("ih"), text, {"r_squared": value, "baseline_score": 1.0, "cancellation": 2.0})
    table = evaluation.table().to_markdown()
    assert "-0.00" not in table
    assert "Score of the baseline | Cancellation" in table
