"""The published procedures are what their descriptions say, and the bench tells the truth about them."""

import json
import math
import pathlib
import statistics
from itertools import product

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from ihcli import Explainer
from ihcli.attribution import integrated_hessians
from ihcli.attribution.path import Path
from ihcli.benchmarks import engines, published, scaling
from ihcli.benchmarks.report import document, tables
from ihcli.benchmarks.side_by_side import Bench, Measurement, Reach, Text, _reaches
from ihcli.cli.app import app
from ihcli.results import Environment
from tests.studies import accuracy as study

CUBIC = torch.tensor([[1.0, 2.0], [0.5, -1.0], [2.0, 1.0]], dtype=torch.float64)


def field(z):
    """A polynomial of (B, 3, 2) with every kind of pair."""
    return z[:, 0, 0] ** 2 * z[:, 1, 1] + z[:, 1, 0] * z[:, 2, 0] * z[:, 2, 1] + z[:, 0, 1]


@pytest.fixture
def path():
    x, b = CUBIC, torch.zeros_like(CUBIC)
    b[0] = 0.3
    return Path.between(x, b, torch.tensor([0, 1, 1]))


def test_the_product_grid_is_exact_for_polynomials(path):
    exact = integrated_hessians(field, CUBIC, path.start, path.groups, tolerance=1e-6).ih
    found = published.product_grid(field, path, 4, nodes_at_once=3)
    assert found.hessians == 16
    assert found.products == 32
    assert np.abs(found.matrix - exact).max() < 1e-9


def test_the_paper_s_grid_tends_to_the_truth_as_one_over_the_root_of_its_samples(path):
    exact = integrated_hessians(field, CUBIC, path.start, path.groups, tolerance=1e-6).ih
    errors = [np.abs(published.paper(field, path, k).matrix - exact).max() for k in (100, 400, 1600)]
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.1)
    assert published.paper(field, path, 50).hessians == 49


def test_the_article_s_code_is_the_uniform_mean_with_ones_on_the_left(path):
    # row i: mean over t of Σ_d Σ_j ∂²f/∂x_id ∂x_j δ_j, here from torch's own Hessian at the same fifty points
    expected = torch.zeros(3, 2, 3, 2, dtype=torch.float64)
    for k in range(1, 51):
        point = path.start + k / 50 * path.delta
        expected += torch.autograd.functional.hessian(lambda z: field(z[None])[0], point) / 50
    tokens = torch.einsum("idje,je->ij", expected, path.delta)
    blocks = torch.stack([tokens[:1].sum(0), tokens[1:].sum(0)])
    blocks = torch.stack([blocks[:, :1].sum(1), blocks[:, 1:].sum(1)], dim=1)
    found = published.article(field, path, 50)
    assert np.abs(found.matrix - blocks.numpy()).max() < 1e-9
    assert found.products == 150
    part = published.article(field, path, 50, tokens=1)
    assert np.abs(part.matrix[0] - found.matrix[0]).max() < 1e-12
    assert not part.matrix[1].any()


def test_the_article_s_double_version_is_the_mean_over_products(path):
    alpha = np.arange(1, 6) / 5
    single = {t: published._fresh_row(field, path, t, 0).numpy() for t in set(np.outer(alpha, alpha).ravel().tolist())}
    expected = np.mean([single[t] for t in np.outer(alpha, alpha).ravel().tolist()], axis=0)
    assert np.abs(published.article_double(field, path, 5).matrix[0] - expected).max() < 1e-12


def measurement(procedure, seconds, error, effort="x"):
    return Measurement(procedure, effort, 1, 1, seconds, error, 0.5)


RUNS = [
    measurement("ours", 0.1, 0.005, "tolerance 0.1"),
    measurement("ours", 0.2, 0.002, "tolerance 0.01"),
    measurement("article", 20.0, 1.0),
    measurement("paper", 1.0, 0.2),
    measurement("paper", 4.0, 0.1),
    measurement("product-grid", 3.0, 0.05),
    measurement("product-grid", 6.0, 0.008),
]


def test_the_time_to_the_goal_says_how_it_is_known():
    reaches = {r.procedure: r for r in _reaches(RUNS)}
    assert reaches["ours"] == Reach("ours", 0.2, "measured")
    assert reaches["article"].how == "never"
    assert reaches["paper"] == Reach("paper", pytest.approx(400.0), "extrapolated")
    assert reaches["product-grid"] == Reach("product-grid", 6.0, "measured")
    assert {r.procedure: r for r in _reaches(RUNS[:-1])}["product-grid"].how == "at least"


@pytest.fixture
def bench():
    double = Measurement("article-double", "x", 1, 1, 90.0, math.nan, 0.1, share=0.1)
    text = Text("not bad", 2, 2, 0.5, (*RUNS, double), tuple(_reaches(RUNS)))
    return Bench("bundled", "Bert", "float32", 2, Environment("0", "0", "0", "0", "cpu"), (text,))


def test_ratios_are_of_the_time_to_the_goal_and_for_the_article_as_published(bench):
    plain = document(bench)["texts"][0]
    assert plain["times_ours"] == pytest.approx(
        {"article": 100, "article-double": 450, "paper": 2000, "product-grid": 30}
    )
    assert json.loads(json.dumps(plain, allow_nan=False))["reaches"][1]["seconds"] is None
    assert len(tables(bench)[0].rows) == len(RUNS) + 1


def test_the_figure_draws_every_measured_error(bench):
    from ihcli.benchmarks.figure import work_precision

    axes = work_precision(bench).axes[0]
    drawn = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    assert drawn["ih"] == [0.005, 0.002]
    assert drawn["Gauss–Legendre product grid"] == [0.05, 0.008]
    assert axes.get_xscale() == axes.get_yscale() == "log"


def test_an_exponent_is_a_slope():
    x = [8, 16, 32]
    assert scaling.exponent(x, [3 * v**1.5 for v in x]) == pytest.approx(1.5)


def test_engines_are_compared_on_the_same_batch(monkeypatch):
    monkeypatch.setattr(engines, "BATCHES", {3: 2})
    monkeypatch.setattr(scaling, "REPEATS", 1)
    (found,) = engines.compare(Explainer())
    assert (found.tokens, found.units, found.nodes) == (3, 3, 2)
    assert found.difference < 1e-4
    assert found.forward_row == pytest.approx(found.forward_seconds / 3 / found.gradient_seconds)


def test_the_study_has_the_texts_it_promises():
    words = [len(text.split()) for text in study.TEXTS]
    assert len(set(study.TEXTS)) >= 20
    assert min(words) == 1
    assert max(words) == 60
    assert sum(4 <= count <= 60 for count in words) >= 17


def test_the_study_goes_on_where_it_stopped_and_counts_what_broke_its_promise(tmp_path, monkeypatch):
    asked = []
    run = {"tolerance": 0.01, "converged": True, "error": 0.02, "estimate": 0.005, "nodes": 30, "gradients": 65,
           "extra": 0.2, "rule": "x"}  # fmt: skip
    runs = [run, {**run, "tolerance": 0.1}, {**run, "tolerance": 0.001, "converged": True}]
    monkeypatch.setattr(study, "_explainers", lambda _, kind: (kind, kind))
    monkeypatch.setattr(study, "_case", lambda kind, _, text, *__: asked.append((kind, text)) or {"runs": runs})
    file = tmp_path / "study.jsonl"
    study.run("m", file, ("a", "b"))
    study.run("m", file, ("a", "b", "c"))
    assert len(asked) == len(set(asked)) == 15
    lines = list(study.summary(study.read(file)))
    assert "tolerance 0.01: 15 of 15 converged; true error at most 0.02, above the tolerance in 15" in lines[1]
    assert "above the estimate in 15; Hessians median 30" in lines[1]
    assert "above the tolerance in 0" in lines[0]


def test_a_reference_that_was_kept_is_not_computed_again(tmp_path):
    single, asked = Explainer(), []

    class Double:
        def explain(self, text):
            asked.append(text)
            return single.explain(text)

        def at_tolerance(self, _):
            return single

    kept = tmp_path / "references" / "one.npz"
    first, again = (study._case(single, Double(), "bad", kept) for _ in range(2))
    assert asked == ["bad"]
    assert first == again
    assert first["runs"][1]["error"] == 0  # the reference of this test is the run itself


def test_references_belong_to_weights_baseline_and_text():
    names = {study._file(*case) for case in product(("one", "other"), ("pad", "mask"), ("bad", "not bad"))}
    assert len(names) == 8


@pytest.mark.parametrize(("arguments", "message"), [(["--budget", "0"], "--budget"), (["  "], "blank")])
def test_bad_input_is_named(arguments, message):
    result = CliRunner().invoke(app, ["bench", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr


def test_the_command_runs_every_procedure_on_a_text_of_one_s_own(tmp_path):
    result = CliRunner().invoke(
        app, ["bench", "not bad", "--budget", "0.3", "-o", str(tmp_path), "--json", "-q", "--threads", "1"]
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    (text,) = found["texts"]
    assert {m["procedure"] for m in text["measurements"]} == {
        "ours", "article", "article-double", "paper", "product-grid"
    }  # fmt: skip
    ours = [m for m in text["measurements"] if m["procedure"] == "ours"]
    assert all(m["error"] <= tolerance for m, tolerance in zip(ours, (0.1, 0.01, 0.001), strict=True))
    assert {path.name for path in tmp_path.iterdir()} == {"bench.json", "bench.png"}


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
