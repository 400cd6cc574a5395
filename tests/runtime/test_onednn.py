"""Products by oneDNN: their values, and where they are not used."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ihcli.runtime import onednn as products


def amd(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    file = folder / "cpuinfo"
    file.write_text("vendor_id : AuthenticAMD\n", encoding="utf-8")
    monkeypatch.setattr(products, "_CPUINFO", file)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")


def test_fast_products_are_products_and_end_with_their_block(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    amd(monkeypatch, tmp_path)
    calls: list[torch.Size] = []
    real = products._linear
    monkeypatch.setattr(products, "_linear", lambda x, w, b: calls.append(x.shape) or real(x, w, b))
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this PyTorch has no oneDNN")
    generator = torch.Generator().manual_seed(1)
    x, w, b = (torch.randn(*shape, generator=generator) for shape in ((40, 30), (20, 30), (20,)))
    strided = torch.randn(80, 30, generator=generator)[::2]

    def everything(x: torch.Tensor) -> list[np.ndarray]:
        x = x.clone().requires_grad_()
        y = torch.tanh(torch.nn.functional.linear(x, w, b)) @ w
        (first,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), x)
        others = [strided @ w.t(), x[:1] @ w.t(), torch.addmm(b, x, w.t(), beta=0.5), x[:0] @ w.t()]
        return [one.detach().double().numpy() for one in (y, first, second, *others)]

    plain = everything(x)
    with products.fast_products() as taken:
        assert taken
        calls.clear()
        fast, double = everything(x), x.double() @ w.double().t()
    assert torch.Size([40, 30]) in calls
    calls.clear()
    for one, other in zip(plain, fast, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-6 * max(1.0, np.abs(one).max(initial=0)))
    assert double.dtype == torch.float64
    everything(x)
    assert calls == []


def test_products_that_do_not_pay_or_are_not_exact_are_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    amd(monkeypatch, tmp_path)
    assert products.pays() == torch.backends.mkldnn.is_available()
    monkeypatch.setattr(products, "_linear", lambda x, w, _: (x.bfloat16() @ w.bfloat16().t()).float())
    assert not products.pays()
    monkeypatch.undo()
    monkeypatch.setattr(products, "_CPUINFO", tmp_path / "none")
    assert not products.pays()
