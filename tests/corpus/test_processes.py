"""Several processes: what the death of a worker costs, how many there are, and how much memory oneDNN keeps."""

import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from corpora import StandIn, texts
from loaders import die, refuse

from ihcli.config import RunConfig
from ihcli.corpus import iter_explanations, processes
from ihcli.corpus.batch_run import BatchJob, Tally, run
from ihcli.corpus.processes import (
    FEW_ROWS,
    MOST_WORKERS_PER_CORE,
    WORKER_BYTES,
    ProcessEngine,
    plan_workers,
)
from ihcli.errors import DeviceError, ModelError, UsageError
from ihcli.results import Explanation
from ihcli.runtime import memory
from ihcli.runtime import onednn as products
from ihcli.runtime.threads import available_cores


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
    return run(BatchJob(str(source), tmp_path / "run"), explainer, engine)  # type: ignore[arg-type]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_dies_loses_nothing_and_a_row_that_kills_it_is_one_error_row(
    tmp_path: Path, workers: int
) -> None:
    lines = [*texts(FEW_ROWS), "this must kill it", f"this one only once {tmp_path / 'mark'}", "is nan"]
    tally = go(tmp_path, lines, load, workers)
    assert (tally.done, tally.failed) == (len(lines), 2)
    found = dict(iter_explanations(tmp_path / "run"))
    errors = sorted(message for message in found.values() if isinstance(message, str))
    assert errors[0].startswith(f"NonFiniteError: line {len(lines)}")
    cause = "the worker that explained it crashed 2 times (signal 9, SIGKILL), possibly out of memory. Lower --workers"
    assert f"line {FEW_ROWS + 1}: {cause}" in errors[1]
    assert sorted(e.text for e in found.values() if isinstance(e, Explanation)) == sorted(
        [*lines[:FEW_ROWS], lines[-2]]
    )


def test_an_error_of_loading_in_a_worker_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not here"):
        go(tmp_path, texts(FEW_ROWS), refuse)
    with pytest.raises(DeviceError, match=r"die while they load the model \(exit code 3\)"):
        go(tmp_path, texts(FEW_ROWS), die, workers=2)


def test_few_rows_are_explained_in_this_process(tmp_path: Path) -> None:
    assert go(tmp_path, texts(FEW_ROWS - 1), die, workers=None).done == FEW_ROWS - 1


@pytest.mark.parametrize("workers", [MOST_WORKERS_PER_CORE * available_cores() + 1, 10**6, 10**30])
def test_more_workers_than_the_machine_can_use_are_refused(workers: int) -> None:
    most = MOST_WORKERS_PER_CORE * available_cores()
    with pytest.raises(UsageError, match=rf"--workers {workers}: this machine has .* Use at most {most} workers"):
        plan_workers(StandIn(), workers)  # type: ignore[arg-type]
    assert plan_workers(StandIn(), most).workers == most  # type: ignore[arg-type]


def test_workers_share_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "available_cores", lambda: 8)
    monkeypatch.setattr(memory, "free_memory", lambda _: 3 * WORKER_BYTES)

    def plan(workers: int | None = None, **runtime: Any) -> tuple[int, int]:
        found = plan_workers(StandIn({"runtime": runtime}), workers)  # type: ignore[arg-type]
        return found.workers, found.threads

    assert plan() == (3, 2)  # as many as memory allows
    assert plan(threads=2) == (2, 1)
    assert plan(1) == (1, 8)
    assert plan(5) == (5, 1)
    assert plan(threads=100) == (3, 33)
    monkeypatch.setattr(memory, "free_memory", lambda _: 100 * WORKER_BYTES)
    assert plan() == (8, 1)


KERNELS = """
import ctypes, json, sys
from ihcli.config import RunConfig
from ihcli.corpus.processes import keep_few_kernels, load_explainer
from ihcli.errors import ModelError

assert "torch" not in sys.modules  # it reads the setting once
if sys.argv[1] == "command":
    keep_few_kernels()
else:  # a worker, here one whose model is another
    try:
        load_explainer(RunConfig(), 1, "")
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
