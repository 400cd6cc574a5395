"""Several processes: the same outcomes as one, and what the death of one costs."""

import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from corpora import StandIn, texts
from loaders import die, refuse

from ihcli.config import RunConfig
from ihcli.corpus import iter_explanations
from ihcli.corpus.processes import FEW, ProcessEngine
from ihcli.corpus.running import Job, Tally, run
from ihcli.errors import DeviceError, ModelError
from ihcli.results import Explanation
from ihcli.runtime import onednn as products


class Fragile(StandIn):
    """Dies of some texts, as a process dies that the system takes its memory from."""

    def one(self, text: str, pair: str | None) -> Explanation | Exception:
        words = text.split()
        if "kill" in words or ("once" in words and not os.path.exists(words[-1])):  # noqa: PTH110
            if "once" in words:
                Path(words[-1]).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().one(text, pair)


def load(config: RunConfig, threads: int, weights: str) -> StandIn:
    torch.set_num_threads(threads)
    return Fragile(config.to_dict(), weights)


def go(tmp_path: Path, lines: list[str], loader: Any, workers: int | None = 2) -> Tally:
    source = tmp_path / "in.txt"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    explainer = StandIn()
    engine = ProcessEngine(explainer, workers, loader)  # type: ignore[arg-type]
    return run(Job(str(source), tmp_path / "run"), explainer, engine)  # type: ignore[arg-type]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_process_that_dies_loses_nothing_and_a_row_that_kills_is_one_error_row(tmp_path: Path, workers: int) -> None:
    lines = [*texts(FEW), "this must kill it", f"this one only once {tmp_path / 'mark'}", "is nan"]
    tally = go(tmp_path, lines, load, workers)
    assert (tally.done, tally.failed) == (len(lines), 2)
    found = dict(iter_explanations(tmp_path / "run"))
    errors = sorted(message for message in found.values() if isinstance(message, str))
    assert errors[0].startswith(f"NonFiniteError: line {len(lines)}")
    assert f"line {FEW + 1}: the process that explained it died 2 times (signal 9, SIGKILL)" in errors[1]
    assert sorted(e.text for e in found.values() if isinstance(e, Explanation)) == sorted([*lines[:FEW], lines[-2]])


def test_what_loading_meets_in_a_process_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not here"):
        go(tmp_path, texts(FEW), refuse)
    with pytest.raises(DeviceError, match=r"die while they load the model \(exit code 3\)"):
        go(tmp_path, texts(FEW), die, workers=2)


def test_few_rows_are_explained_here(tmp_path: Path) -> None:
    assert go(tmp_path, texts(FEW - 1), die, workers=None).done == FEW - 1


# --- products -----------------------------------------------------------------------------------------------------


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


KERNELS = """
import ctypes, json, sys
from ihcli.config import RunConfig
from ihcli.corpus.processes import keep_few_kernels, loaded
from ihcli.errors import ModelError

assert "torch" not in sys.modules  # it reads the setting once
if sys.argv[1] == "command":
    keep_few_kernels()
else:  # a worker, here one whose model is another
    try:
        loaded(RunConfig(), 1, "")
    except ModelError:
        pass

import torch
from ihcli.runtime.onednn import _linear

class Held(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks used".split()]
    _fields_ += [("free", ctypes.c_size_t), ("top", ctypes.c_size_t)]

library = ctypes.CDLL(None)
library.mallinfo2.restype = Held
w = torch.ones(384, 384)
_linear(torch.ones(2, 384), w, None)
before = library.mallinfo2().used
for rows in range(600, 1000):
    _linear(torch.ones(rows, 384), w, None)
print(json.dumps(library.mallinfo2().used - before))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc" or not products._exact(), reason="no oneDNN, or no mallinfo2")
@pytest.mark.parametrize("where", ["command", "worker"])
def test_products_of_many_sizes_do_not_fill_the_memory(where):
    environment = {k: v for k, v in os.environ.items() if not k.endswith("CACHE_CAPACITY")}
    command = [sys.executable, "-c", KERNELS, where]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) < 100e6  # 230 MB without
