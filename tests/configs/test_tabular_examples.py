"""The example programs for functions that are no text classifiers: at reduced size, and their records."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]


def program(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "configs" / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look their annotations up
    spec.loader.exec_module(module)
    return module


PAIRS, DRUGS = program("simulated_pairs"), program("drug_synergy")


def test_the_planted_pairs_are_found_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = ["--samples", "2000", "--epochs", "30", "--explained", "8"]
    outcomes = PAIRS.main([str(tmp_path), "--kinds", "multiply", "minimum", *size])
    for one in outcomes:
        assert one.r_squared > 0.85
        assert one.auc > 0.75
        assert one.first_ten >= 0.9
        assert one.converged == 1.0
        assert len(one.strengths) == 45
        assert np.count_nonzero(one.coefficients) == 20
    assert capsys.readouterr().out.count("AUC") == 2
    assert (tmp_path / "simulated_pairs.png").stat().st_size > 10_000
    written = (tmp_path / "simulated_pairs.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["kind"] for line in written] == ["multiply", "minimum"]


def test_the_simulation_is_what_it_says() -> None:
    x, y, coefficients = PAIRS.simulate("cossum", 4000, seed=3)
    chosen = coefficients.nonzero().tolist()
    assert len(chosen) == 20
    assert all(i < j for i, j in chosen)
    assert (float(y.mean()), float(y.std())) == (pytest.approx(0, abs=1e-5), pytest.approx(1, abs=1e-5))
    again = sum(coefficients[i, j] * torch.cos(x[:, i] + x[:, j]) for i, j in chosen)
    assert torch.allclose(y, again - again.mean(), atol=1e-4)
    ranked = np.array([0.9, 0.1, 0.5, 0.5])
    assert PAIRS.auc(ranked, np.array([True, False, True, False])) == pytest.approx(3.5 / 4)


def test_the_plot_of_the_pairs_holds_their_numbers() -> None:
    outcome = PAIRS.Outcome("multiply", 0.9, 0.1, [0.1, 0.4, 0.2], [0.5, 0.0, 0.3], 0.5, 0.7, 1.0)
    above, below = PAIRS.draw([outcome]).axes
    assert [bar.get_height() for bar in above.patches] == [0.4, 0.2, 0.1]
    assert [bar.get_height() for bar in below.patches] == [0.0, 0.3, 0.5]
    colours = [bar.get_facecolor() for bar in above.patches]
    assert colours[1] == colours[2] != colours[0]


def test_the_synergies_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = DRUGS.main([str(tmp_path), "--samples", "6000", "--epochs", "20", "--explained", "6"])
    assert found.r_squared > 0.9
    assert found.correlation > 0.9
    assert found.converged == 1.0
    planted = np.array(found.planted)
    assert (np.sign(found.found) == np.sign(planted))[planted != 0].all()
    assert "correlate by" in capsys.readouterr().out
    assert (tmp_path / "drug_synergy.png").stat().st_size > 10_000
    assert len(json.loads((tmp_path / "drug_synergy.json").read_text(encoding="utf-8"))["found"]) == 28


def test_the_response_itself_has_the_synergy_that_was_planted() -> None:
    """Without a network: for s d d' the entry is -s d d'/4, for the part with the gene a ninth of its term."""
    point = DRUGS.experiments(1, 5, DRUGS.MARKED).double()
    (estimate,), (gene,), _ = DRUGS.synergies(Known(), DRUGS.MARKED, 1, 5)
    strength = DRUGS.PLANTED[DRUGS.MARKED]
    assert float(point[0, DRUGS.DRUGS + DRUGS.MARKER]) == gene
    assert estimate == pytest.approx(strength * (1 + 4 / 9 * DRUGS.SLOPE * gene), rel=0.01)
    (other,), _, _ = DRUGS.synergies(Known(), (1, 2), 1, 6)
    assert other == pytest.approx(0, abs=1e-6)


class Known:
    """The planted response in the place of a network."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return DRUGS.response(x)[:, None]  # type: ignore[no-any-return]


def recorded() -> list[dict[str, Any]]:
    lines = (ROOT / "outputs/examples/simulated_pairs.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_what_is_recorded_at_full_size() -> None:
    outcomes = recorded()
    assert [one["kind"] for one in outcomes] == list(PAIRS.KINDS)
    for one in outcomes:
        scores, planted = np.array(one["strengths"]), np.array(one["coefficients"]) > 0
        assert one["auc"] == pytest.approx(PAIRS.auc(scores, planted))
        assert one["auc"] > 0.85
        assert planted[np.argsort(-scores)[:10]].mean() == one["first_ten"] == 1.0
    drugs = json.loads((ROOT / "outputs/examples/drug_synergy.json").read_text(encoding="utf-8"))
    assert np.corrcoef(drugs["planted"], drugs["found"])[0, 1] == pytest.approx(drugs["correlation"])
    assert drugs["correlation"] > 0.99
    assert np.corrcoef(drugs["marker"], drugs["marked"])[0, 1] > 0.9
    for name in ("simulated_pairs", "drug_synergy"):
        assert (ROOT / "outputs/examples" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
