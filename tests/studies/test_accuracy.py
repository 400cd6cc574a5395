"""The study of certificates: its texts, its cases, its summary, and the table that shows it."""

import json
import pathlib
import statistics
from itertools import product

import numpy as np
import pytest
from architectures import save

from tests.studies import accuracy as study


def test_the_study_has_the_texts_it_promises():
    words = [len(text.split()) for text in study.TEXTS]
    assert len(set(study.TEXTS)) >= 20
    assert min(words) == 1
    assert max(words) == 60
    assert sum(4 <= count <= 60 for count in words) >= 17


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save(tmp_path_factory.mktemp("tiny")))


def test_the_study_goes_on_where_it_stopped(tiny, tmp_path):
    file = tmp_path / "study.jsonl"
    study.run(tiny, file, ("good",), "tiny", baselines=("value-zeroing",))
    [case] = study.read(file)
    assert (case["model"], case["baseline"], case["text"], case["units"]) == ("tiny", "value-zeroing", "good", 1)
    assert [run["tolerance"] for run in case["runs"]] == list(study.TOLERANCES)
    assert all(run["converged"] and run["error"] <= run["tolerance"] for run in case["runs"])
    file.write_text(json.dumps({**case, "units": "kept"}) + "\n", encoding="utf-8")
    study.run(tiny, file, ("good", "bad"), "tiny", baselines=("value-zeroing",))
    assert [(one["text"], one["units"]) for one in study.read(file)] == [("good", "kept"), ("bad", 1)]


def test_a_reference_that_was_kept_is_the_one_that_runs_are_compared_with(tiny, tmp_path):
    folder = tmp_path / "references"
    for name, factor in (("first", 1.0), ("again", 1.5)):
        for kept in folder.glob("*.npz"):
            with np.load(kept) as known:
                values = {key: known[key] for key in known}
            np.savez(kept, **{**values, "ih": factor * values["ih"]})
        study.run(tiny, tmp_path / name, ("good",), references=folder, baselines=("value-zeroing",))
    errors = [[run["error"] for run in study.read(tmp_path / name)[0]["runs"]] for name in ("first", "again")]
    assert max(errors[0]) <= 0.1
    assert errors[1] == pytest.approx([1 / 3] * 3, abs=0.1)


def test_the_summary_counts_what_broke_its_promise():
    run = {"tolerance": 0.01, "converged": True, "error": 0.02, "estimate": 0.005, "nodes": 30, "gradients": 65,
           "extra": 0.2, "rule": "x"}  # fmt: skip
    good = {**run, "error": 0.001, "nodes": 20}
    failed = {**run, "converged": False, "error": 0.5}
    others = [{**good, "tolerance": tolerance} for tolerance in (0.1, 0.001)]
    cases = [{"runs": [one, *others]} for one in (run, good, good, failed)]
    lines = list(study.summary(cases))
    assert "tolerance 0.01: 3 of 4 converged; true error at most 0.02, above the tolerance in 1" in lines[1]
    assert "above the estimate in 1; Hessians median 25, most 30" in lines[1]
    assert "above the tolerance in 0" in lines[0]


def test_references_belong_to_weights_baseline_and_text():
    names = {study._file(*case) for case in product(("one", "other"), ("pad", "mask"), ("bad", "not bad"))}
    assert len(names) == 8


def test_the_table_of_value_zeroing_shows_its_data() -> None:
    root = pathlib.Path(__file__).parents[2]
    cases = study.read(root / "outputs/benchmarks/study_value_zeroing.jsonl")
    page = (root / "ihcli/benchmarks/README.md").read_text(encoding="utf-8")
    assert len(cases) >= 100
    for model in {case["model"] for case in cases}:
        for tolerance in study.TOLERANCES:
            runs = [run for case in cases if case["model"] == model for run in case["runs"]]
            runs = [run for run in runs if run["tolerance"] == tolerance]
            good = [run for run in runs if run["converged"]]
            above = sum(run["error"] > tolerance for run in good)
            low = sum(run["error"] > run["estimate"] for run in runs)
            nodes, gradients = ([run[name] for run in runs] for name in ("nodes", "gradients"))
            assert (
                f"| {model} | {tolerance:g} | {len(runs)} | {len(good)} | {max(run['error'] for run in good):.2g} | "
                f"{above} | {low} | {statistics.median(nodes):g} ({max(nodes)}) | {statistics.median(gradients):g} |"
            ) in page
            assert above == 0
