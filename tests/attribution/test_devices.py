"""Every tensor of an explanation is made on the device of the model.

The default device of torch is set to `meta` while a model on the CPU is explained: a tensor that is made without a
device has no values then, and meets those of the model with an error.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from ihcli.attribution.forward import EngineChoices
from ihcli.attribution.integrated import integrated_hessians
from ihcli.cli.app import app
from ihcli.pipeline import Explainer

TEXT = "not bad"


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return Explainer({"attribution": {"tolerance": 0.1}})


@pytest.mark.parametrize("engine", ["forward", "reverse"])
@pytest.mark.parametrize("baseline", ["value-zeroing", "pad"])
def test_an_explanation_makes_its_tensors_where_the_model_is(explainer: Explainer, engine: str, baseline: str) -> None:
    section = explainer.config.baseline.model_copy(update={"kind": baseline})
    own = explainer.variant(attribution={"engine": engine}, baseline=section)
    expected = own.explain(TEXT)
    own.traces = EngineChoices()  # tracing makes tensors too
    with torch.device("meta"):
        found = own.explain(TEXT)
    np.testing.assert_allclose(found.ih, expected.ih, atol=1e-5 * np.abs(expected.ih).max())
    assert found.removal is not None
    assert found.removal.r_squared == pytest.approx(expected.removal.r_squared, abs=1e-3)


def test_a_tensor_without_a_device_would_be_noticed() -> None:
    x = torch.ones(2, dtype=torch.float64)

    def careless(points: torch.Tensor) -> torch.Tensor:
        return (points**2 * torch.tensor([1.0, 2.0], dtype=torch.float64)).sum(1)

    with torch.device("meta"), pytest.raises(RuntimeError, match="meta"):
        integrated_hessians(careless, x, torch.zeros_like(x))


# --- with a GPU: `pytest -m cuda`; IH_TEST_GPU=cpu runs the same checks without one ---

GPU = os.environ.get("IH_TEST_GPU", "cuda")
TEXTS = [("this movie was not bad", None), ("a dull film", None), ("not bad", None)]
ENGINES, BASELINES = ("forward", "reverse"), ("value-zeroing", "pad")


def on_a_gpu(test: Any) -> Any:
    """Mark a test that needs a GPU."""
    absent = GPU == "cuda" and not torch.cuda.is_available()
    return pytest.mark.cuda(pytest.mark.skipif(absent, reason="needs a GPU")(test))


def explainer_on(device: str, **sections: dict[str, Any]) -> Explainer:
    runtime = {"device": device, **sections.pop("runtime", {})}
    return Explainer({"runtime": runtime, **sections})


@on_a_gpu
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("baseline", BASELINES)
def test_second_derivatives_are_those_of_the_cpu_to_rounding(engine: str, baseline: str) -> None:
    found = []
    for device in ("cpu", GPU):
        own = explainer_on(device, baseline={"kind": baseline}, attribution={"engine": engine})
        prepared = own.prepare(TEXTS[0][0])
        path = prepared.switched.paths[0]
        t = torch.linspace(0.1, 0.9, 5, device=path.delta.device, dtype=path.delta.dtype)
        signs = torch.ones(2, path.units, device=path.delta.device, dtype=path.delta.dtype)
        with torch.enable_grad():
            evaluator = own.engine(prepared)
            second = evaluator.evaluate(path, t, order=2)
            products = evaluator.evaluate(path, t, order=2, vectors=signs)
        assert second.hessian is not None
        assert products.hessian is not None
        np.testing.assert_allclose(
            products.hessian[:, 0], second.hessian.sum(1), atol=1e-4 * np.abs(second.hessian).max(), rtol=0
        )
        found.append(second)
    cpu, gpu = found
    for name in ("value", "gradient", "hessian"):
        expected = getattr(cpu, name)
        np.testing.assert_allclose(getattr(gpu, name), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@on_a_gpu
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("memory", ["auto", "60MB"])
def test_explanations_together_are_those_of_the_cpu(engine: str, baseline: str, memory: str) -> None:
    on = {
        device: explainer_on(
            device,
            baseline={"kind": baseline},
            attribution={"engine": engine, "tolerance": 1e-3},
            runtime={"memory": memory},
        ).explain_together(TEXTS)
        for device in ("cpu", GPU)
    }
    for expected, found in zip(on["cpu"], on[GPU], strict=True):
        assert not isinstance(expected, Exception)
        assert not isinstance(found, Exception)
        assert found.converged
        scale = np.abs(expected.ih).max()
        np.testing.assert_allclose(found.ih, expected.ih, rtol=0, atol=2e-3 * scale)  # both within their tolerance
        np.testing.assert_allclose(found.ig, expected.ig, rtol=0, atol=2e-3 * scale)
        assert found.removal is not None
        assert expected.removal is not None
        assert found.removal.r_squared == pytest.approx(expected.removal.r_squared, abs=1e-2)


@on_a_gpu
def test_exact_values_of_removal_are_those_of_the_cpu() -> None:
    cpu, gpu = (
        explainer_on(device, attribution={"method": "shapley"}, baseline={"kind": "deletion"}).explain(TEXTS[0][0])
        for device in ("cpu", GPU)
    )
    np.testing.assert_allclose(gpu.ih, cpu.ih, rtol=0, atol=1e-4 * np.abs(cpu.ih).max())


@on_a_gpu
def test_the_strongest_pairs_are_those_of_the_cpu() -> None:
    text = " ".join(["the plot was not bad but the cast was never good enough to save it"] * 5)
    cpu, gpu = (explainer_on(device, attribution={"top": 3, "removal": False}).explain(text) for device in ("cpu", GPU))
    assert {pair[:2] for pair in gpu.pairs()[:3]} == {pair[:2] for pair in cpu.pairs()[:3]}


@on_a_gpu
@pytest.mark.skipif(GPU == "cpu", reason="counts the memory of a GPU")
@pytest.mark.parametrize("engine", ENGINES)
def test_memory_stays_within_its_limit(engine: str) -> None:
    limit = 200_000_000
    own = explainer_on(GPU, attribution={"engine": engine, "tolerance": 0.1}, runtime={"memory": "200MB"})
    own.explain("not bad")
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    own.explain("this movie was not bad at all, but it could have been a good deal shorter than it is")
    assert torch.cuda.max_memory_allocated() - before <= 1.1 * limit


@on_a_gpu
def test_shards_on_several_gpus_join_to_the_table_of_one(tmp_path: Path) -> None:
    source = tmp_path / "texts.txt"
    source.write_text("\n".join(text for text, _ in TEXTS) + "\n", encoding="utf-8")
    count = torch.cuda.device_count() if GPU == "cuda" else 2

    def batch(out: Path, *options: str) -> None:
        ran = CliRunner().invoke(app, ["batch", str(source), "-o", str(out), "--quiet", *options])
        assert ran.exit_code == 0, ran.output

    batch(tmp_path / "cpu", "--device", "cpu")
    shards = []
    for index in range(max(count, 2)):
        shards.append(tmp_path / f"shard{index}")
        device = f"cuda:{index % count}" if GPU == "cuda" else "cpu"
        batch(shards[-1], "--device", device, "--shard", f"{index + 1}/{max(count, 2)}")
    joined = CliRunner().invoke(app, ["merge", *map(str, shards), "-o", str(tmp_path / "joined")])
    assert joined.exit_code == 0, joined.output
    held = CliRunner().invoke(app, ["check", str(tmp_path / "cpu"), str(tmp_path / "joined")])
    assert held.exit_code == 0, held.output
