"""The two second-order engines on the same batch: seconds, a row in gradients of that batch, peak memory."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path as FilePath
from typing import Generic, TypeVar

import numpy as np

from ihcli.attribution.evaluation import Request
from ihcli.attribution.orchestration import evaluate
from ihcli.attribution.reverse import ReverseEngine
from ihcli.benchmarks.scaling import median_seconds, words
from ihcli.pipeline import Explainer
from ihcli.runtime.malloc import release_free_memory

BATCHES = {8: 16, 24: 8, 64: 4, 128: 2}
"""Nodes of the batch for texts of so many words."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Median seconds of a batch of `nodes`, and bytes above what the process held before (NaN where unknown)."""

    tokens: int
    units: int
    nodes: int
    gradient_seconds: float
    forward_seconds: float
    reverse_seconds: float
    forward_bytes: float
    reverse_bytes: float
    difference: float
    """Largest difference of an entry of H as a share of the largest entry."""

    @property
    def forward_row(self) -> float:
        """A row of the forward engine, with its share of everything else, in gradients of the batch."""
        return self.forward_seconds / self.units / self.gradient_seconds

    @property
    def reverse_row(self) -> float:
        """The same for reverse over reverse."""
        return self.reverse_seconds / self.units / self.gradient_seconds


def compare(explainer: Explainer) -> Iterator[Comparison]:
    """Texts of 8 to 128 words, each a unit; chunks as the memory limit asks for."""
    for tokens, nodes in BATCHES.items():
        prepared = explainer.prepare(words(tokens))
        path = prepared.switched.paths[0]
        fast, slow = explainer.engine(prepared), ReverseEngine(prepared.switched.score)
        t = np.linspace(0.1, 0.9, nodes)
        gradient = _measured(partial(evaluate, path, Request(t, order=1), fast))
        forward = _measured(partial(evaluate, path, Request(t, order=2), fast))
        backward = _measured(partial(evaluate, path, Request(t, order=2), slow))
        one, other = forward.result.hessian, backward.result.hessian
        assert one is not None  # noqa: S101  (second order was asked for)
        assert other is not None  # noqa: S101
        yield Comparison(
            tokens, path.units, nodes, gradient.seconds, forward.seconds, backward.seconds, forward.peak, backward.peak,
            float(np.abs(one - other).max() / np.abs(other).max()),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Timed(Generic[T]):
    seconds: float
    peak: float
    result: T


def _measured(run: Callable[[], T]) -> _Timed[T]:
    """Run once to warm up, which also measures the peak; then the median of a few runs."""
    peak, result = _peak(run)
    return _Timed(median_seconds(run, warm=True), peak, result)


def _peak(run: Callable[[], T]) -> tuple[float, T]:
    """The most resident bytes while `run` runs, above those before it."""
    release_free_memory()  # memory that an earlier measurement freed would hide what this one allocates
    before, most, done = _resident(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.002):
            most[0] = max(most[0], _resident() - before)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        result = run()
    finally:
        done.set()
        watcher.join()
    return most[0], result


def _resident() -> float:
    statm = FilePath("/proc/self/statm")
    return int(statm.read_text(encoding="ascii").split()[1]) * 4096.0 if statm.exists() else float("nan")
