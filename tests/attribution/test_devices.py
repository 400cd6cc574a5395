"""Every tensor of an explanation is made on the device of the model.

The default device of torch is set to `meta` while a model on the CPU is explained: a tensor that is made without a
device has no values then, and meets those of the model with an error.
"""

import numpy as np
import pytest
import torch

from ihcli.attribution.integrated import integrated_hessians
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
    own.traces = {}  # tracing makes tensors too
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


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("engine", ["forward", "reverse"])
@pytest.mark.parametrize("baseline", ["value-zeroing", "pad"])
@pytest.mark.parametrize("memory", ["auto", "60MB"])
def test_a_gpu_gives_the_numbers_of_the_cpu(engine: str, baseline: str, memory: str) -> None:
    texts = [("this movie was not bad", None), ("a dull film", None), ("not bad", None)]
    on = {
        device: Explainer({
            "baseline": {"kind": baseline},
            "attribution": {"engine": engine, "tolerance": 1e-3},
            "runtime": {"device": device, "memory": memory},
        }).explain_together(texts)
        for device in ("cpu", "cuda")
    }  # fmt: skip
    for expected, found in zip(on["cpu"], on["cuda"], strict=True):
        assert not isinstance(expected, Exception)
        assert not isinstance(found, Exception)
        assert found.converged
        scale = np.abs(expected.ih).max()
        np.testing.assert_allclose(found.ih, expected.ih, rtol=0, atol=2e-3 * scale)  # both within their tolerance
        np.testing.assert_allclose(found.ig, expected.ig, rtol=0, atol=2e-3 * scale)
