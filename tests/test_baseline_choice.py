"""Several baselines in one explanation: what stands beside the first, and what is marked as depending on the choice."""

import dataclasses

import numpy as np
import pytest
from explanations import make_explanation
from typer.testing import CliRunner

from ihcli.baseline_choice import marked, with_other
from ihcli.cli.app import app
from ihcli.errors import ResultError
from ihcli.pipeline import Explainer
from ihcli.results import Explanation

TEXT = "this movie was not bad"


def beside(explanation: Explanation, kind: str, ig: list[float], entries: dict[tuple[int, int], float]) -> Explanation:
    """Another explanation of the same units by another baseline."""
    ih = np.zeros(explanation.ih.shape)
    for (i, j), value in entries.items():
        ih[i, j] = ih[j, i] = value
    return dataclasses.replace(explanation, baseline={"kind": kind}, ig=np.array(ig), ih=ih, f_baseline=0.5)


@pytest.fixture
def first() -> Explanation:
    return beside(make_explanation(3), "mask", [1.0, -0.5, 0.05], {(0, 1): 2.0, (0, 2): -1.0, (1, 2): 0.1})


def test_signs_that_turn_are_marked_where_they_are_notable(first: Explanation) -> None:
    other = beside(first, "pad", [4.0, 1.0, -0.1], {(0, 1): 5.0, (0, 2): 2.0, (1, 2): -0.4})
    both = marked(with_other(first, other))
    assert [one.kind for one in both.others] == ["pad"]
    assert both.others[0].f_baseline == 0.5
    names = [unit.text for unit in first.units]
    said = both.warnings[len(first.warnings) :]
    assert said == (
        f"The sign of these attributions depends on the baseline (mask, pad): {names[1]}.",
        f"The sign of these pairs depends on the baseline (mask, pad): {names[0]} · {names[2]}.",
    )


def test_nothing_is_marked_where_all_agree(first: Explanation) -> None:
    same = beside(first, "pad", [2.0, -1.0, 0.1], {(0, 1): 4.0, (0, 2): -2.0, (1, 2): 0.2})
    assert marked(with_other(first, same)).warnings == first.warnings
    assert marked(first) is first


def test_pairs_that_no_baseline_knows_do_not_turn(first: Explanation) -> None:
    unknown = np.where(np.eye(3) > 0, 1.0, np.nan)
    none = dataclasses.replace(first, ih=unknown)
    both = with_other(none, dataclasses.replace(none, baseline={"kind": "pad"}))
    assert marked(both).warnings == first.warnings


def test_a_baseline_that_missed_the_tolerance_is_named(first: Explanation) -> None:
    missed = dataclasses.replace(
        beside(first, "pad", [1.0, -0.5, 0.05], {(0, 1): 2.0}),
        certificate=dataclasses.replace(first.certificate, converged=False),
    )
    assert "pad" in marked(with_other(first, missed)).warnings[-1]


def test_a_kind_stands_once(first: Explanation) -> None:
    assert with_other(first, first) is first
    other = beside(first, "pad", [1, 1, 1], {})
    assert len(with_other(with_other(first, other), other).others) == 1


def test_they_are_recorded_and_read_back(first: Explanation) -> None:
    other = beside(first, "pad", [4.0, 1.0, -0.1], {(0, 1): 5.0})
    other = dataclasses.replace(other, ih=np.where(np.eye(3) > 0, 1.0, np.where(other.ih == 0, np.nan, other.ih)))
    both = with_other(first, other)
    again = Explanation.from_dict(both.to_dict())
    assert again.to_json() == both.to_json()
    assert again.others[0].ih[0, 1] == 5.0
    assert np.isnan(again.others[0].ih[0, 2])
    assert "others" not in first.to_dict()
    document = both.to_dict()
    document["others"][0]["ig"].append(1.0)
    with pytest.raises(ResultError, match="baseline pad"):
        Explanation.from_dict(document)


def test_each_is_what_an_explanation_by_that_baseline_alone_says() -> None:
    both = Explainer({"baseline": {"kind": "mask", "others": ["zero", "deletion"]}}).explain(TEXT)
    assert [one.kind for one in both.others] == ["zero", "deletion"]
    for other in both.others:
        alone = Explainer({"baseline": {"kind": other.kind}, "attribution": {"removal": False}}).explain(TEXT)
        assert other.ig == pytest.approx(alone.ig, abs=1e-6)
        assert other.ih == pytest.approx(alone.ih, abs=1e-6)
        assert other.f_baseline == pytest.approx(alone.f_baseline, abs=1e-6)


@pytest.mark.parametrize("kinds", ["mask,foo", ",mask", "mask,", "mask,text"])
def test_unknown_kinds_are_usage_errors(kinds: str) -> None:
    shown = CliRunner().invoke(app, ["explain", TEXT, "--baseline", kinds])
    assert shown.exit_code == 2
    assert "--baseline" in shown.output
    assert "value-zeroing" in shown.output


def test_units_that_depend_on_the_baseline_are_refused() -> None:
    shown = CliRunner().invoke(app, ["explain", TEXT, "--baseline", "mask,zero", "--units", "auto"])
    assert shown.exit_code == 2
    assert "units auto and several baselines exclude each other" in " ".join(shown.output.split())


def test_the_terminal_shows_a_column_a_baseline(tmp_path) -> None:
    shown = CliRunner().invoke(app, ["explain", TEXT, "--baseline", "mask, zero", "-o", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    (head,) = [line for line in shown.output.splitlines() if line.startswith("Strongest pairs")]
    assert head.split()[-1] == "zero"
