"""Results as objects of pandas, shapiq and shap: the same numbers, which those libraries can work with."""

import dataclasses
import importlib
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from ihcli import Explanation
from ihcli.errors import UsageError

mpl.use("Agg")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import shap
    import shapiq

RESULT = Explanation.load(Path(__file__).parents[2] / "outputs" / "this-movie-was-not-bad")


def with_gaps() -> Explanation:
    ih = np.array(RESULT.ih)
    ih[0, 1] = ih[1, 0] = np.nan
    return dataclasses.replace(RESULT, ih=ih)


def test_frames_hold_the_whole_result() -> None:
    units, pairs = RESULT.to_pandas()
    texts = [RESULT.text[start:end] for start, end in zip(units["start"], units["end"], strict=True)]
    assert texts == units["unit"].tolist() == [unit.text for unit in RESULT.units]
    assert units["attribution"].to_numpy() == pytest.approx(RESULT.ig, abs=0)
    rebuilt = np.diag(units["own"].to_numpy())
    rebuilt[pairs["i"], pairs["j"]] = rebuilt[pairs["j"], pairs["i"]] = pairs["interaction"]
    assert rebuilt.tolist() == RESULT.ih.tolist()
    assert pairs["interaction"].abs().is_monotonic_decreasing
    difference = units["own"].sum() + pairs["total"].sum()
    assert difference == pytest.approx(
        RESULT.f_input - RESULT.f_baseline, abs=2 * RESULT.certificate.completeness_gap + 1e-9
    )
    assert pairs.merge(units, left_on="i", right_index=True)["unit"].tolist() == pairs["first"].tolist()


def test_frames_leave_out_what_was_not_computed() -> None:
    _, pairs = with_gaps().to_pandas()
    assert len(pairs) == 9
    assert not ((pairs["i"] == 0) & (pairs["j"] == 1)).any()


def test_shapiq_reads_the_matrix_back(tmp_path: Path) -> None:
    values = RESULT.to_shapiq()
    values.save(tmp_path / "values.json")
    back = shapiq.InteractionValues.load(tmp_path / "values.json")
    for i in range(5):
        assert back[(i,)] == pytest.approx(RESULT.ih[i, i], abs=1e-12)
        for j in range(i + 1, 5):
            assert back[(i, j)] == pytest.approx(2 * RESULT.ih[i, j], abs=1e-12)
    assert sum(back.dict_values.values()) == pytest.approx(
        RESULT.f_input, abs=2 * RESULT.certificate.completeness_gap + 1e-9
    )
    strongest = max((pair for pair in back.dict_values if len(pair) == 2), key=lambda pair: abs(back[pair]))
    assert strongest == RESULT.pairs()[0][:2]


def test_shapiq_takes_whole_matrices_only() -> None:
    with pytest.raises(UsageError, match="2 of 5 rows"):
        with_gaps().to_shapiq()


def test_shap_reads_the_attributions_back() -> None:
    values = RESULT.to_shap()
    assert values.values.tolist() == RESULT.ig.tolist()
    assert float(values.base_values) + values.values.sum() == pytest.approx(RESULT.f_input, abs=1e-2)
    assert int(values.abs.argsort.values[-1]) == int(np.argmax(np.abs(RESULT.ig)))
    axes = shap.plots.bar(values, show=False)
    assert {label.get_text().split("= ")[-1] for label in axes.get_yticklabels()} >= {
        unit.text for unit in RESULT.units
    }


@pytest.mark.parametrize("name", ["pandas", "shapiq", "shap"])
def test_a_library_that_is_not_there_is_named_with_its_command(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def absent(wanted: str, *further: Any) -> Any:
        if wanted == name:
            message = f"No module named {name!r}"
            raise ImportError(message)
        return real(wanted, *further)

    monkeypatch.setattr("ihcli.output.conversions.import_module", absent)
    with pytest.raises(UsageError, match=f"pip install {name}$"):
        getattr(RESULT, f"to_{name}")()
