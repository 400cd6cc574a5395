"""From a module one finds its tests without searching: tests/ROOM/test_MODULE.py, or the file that is named here."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COVERED_BY = {
    "arguments.py": "models/test_in_memory.py",
    "explanation_record.py": "cli/test_explain.py",
    "several_labels.py": "models/test_several_labels.py",
    "attribution/cost.py": "attribution/test_estimate.py",  # a few numbers, in the arithmetic of the estimate
    "cli/diff.py": "cli/test_check.py",
    "cli/report.py": "output/report/test_page.py",
    "cli/settings.py": "cli/test_explain.py",
    "cli/summary_display.py": "cli/test_summarize.py",
    "corpus/readers/rows.py": "corpus/readers/test_delimited.py",
    "errors.py": "test_public_api.py",  # the classes of the public API
    "evaluation/running.py": "test_removal_check.py",
    "models/adapter.py": "models/test_contract.py",
    "models/attention.py": "models/test_value_zeroing.py",
    "models/classifier.py": "models/test_contract.py",
    "models/discontinuities.py": "models/test_smoothing.py",
    "models/encoding.py": "models/test_units.py",
    "models/preflight.py": "models/test_contract.py",
    "models/presence.py": "models/test_value_zeroing.py",
    "models/score.py": "models/test_targets.py",
    "models/transformers_output.py": "models/test_loading.py",
    "output/notebook_arcs.py": "output/test_notebook.py",
    "output/notebook_progress.py": "output/test_notebook.py",
    "output/report/colours.py": "output/report/test_page.py",
    "output/report/contents.py": "output/report/test_page.py",
    "pipeline.py": "cli/test_explain.py",
    "regression/ci.py": "regression/test_reports.py",
    "regression/comparability.py": "regression/test_compare.py",
    "regression/consistency.py": "regression/test_compare.py",
    "regression/findings.py": "regression/test_compare.py",
    "regression/junit.py": "regression/test_reports.py",
    "regression/page.py": "regression/test_reports.py",
    "regression/recorded.py": "regression/test_gate.py",
    "regression/reexplain.py": "regression/test_gate.py",
    "regression/terminal.py": "regression/test_reports.py",
    "regression/tolerances.py": "regression/test_compare.py",
    "result_files.py": "results/test_results.py",
    "results.py": "results/test_results.py",
    "sources.py": "test_removal_check.py",
}
"""Modules without a test file of their own name, and the file that tests them."""
MODULES = sorted(
    path.relative_to(ROOT / "ihcli").as_posix()
    for path in (ROOT / "ihcli").rglob("*.py")
    if path.name not in {"__init__.py", "__main__.py"}
)


def own_file(module: str) -> str:
    """The test file that bears a module's name."""
    room, _, name = module.rpartition("/")
    return f"{room}/test_{name}".lstrip("/")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_tests_where_one_looks_for_them(module: str) -> None:
    file = COVERED_BY.get(module, own_file(module))
    assert (ROOT / "tests" / file).is_file(), f"add tests/{own_file(module)}, or name the file that tests {module} here"


@pytest.mark.parametrize("module", COVERED_BY)
def test_no_exception_outlives_its_reason(module: str) -> None:
    assert module in MODULES, f"{module} is gone; remove it here"
    assert not (ROOT / "tests" / own_file(module)).exists(), f"{module} has a file of its own; remove it here"
