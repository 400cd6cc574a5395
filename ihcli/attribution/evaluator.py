"""The driver: evaluates what the controller asks for, in chunks that fit the memory, and checks every number."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihcli.attribution import adaptive
from ihcli.attribution.adaptive import Request, Samples
from ihcli.attribution.footprint import Footprint
from ihcli.attribution.path import Path
from ihcli.attribution.reverse import Derivatives, ReverseEngine
from ihcli.errors import NonFiniteError
from ihcli.runtime.malloc import release_free_memory

Array = NDArray[np.float64]
Progress = Callable[[str, int, int], None]
"""Called as (phase, nodes done, nodes of this phase); phases are `gradients`, `hessians`, `verification`."""
T = TypeVar("T")


class Engine(Protocol):
    """Whatever gives g and the whole of H at a batch of nodes."""

    @property
    def name(self) -> str:
        """`forward` or `reverse`."""

    def first_order(self, path: Path, t: Tensor) -> Derivatives:
        """F (B,) and g (B, U) at t (B,)."""

    def second_order(self, path: Path, t: Tensor) -> Derivatives:
        """F (B,), g (B, U) and H (B, U, U) at t (B,)."""

    def nodes_at_once(self, path: Path) -> int:
        """How many nodes fit the memory together."""


@dataclass(slots=True)
class Evaluator:
    """One path of one function, its engines, and the memory they may use."""

    path: Path
    reverse: ReverseEngine
    footprint: Footprint
    engine: Engine | None = None
    """A faster engine for gradients and whole Hessians, where there is one."""
    left: Tensor | None = None
    """(*S), in place of δ on the left of the form (`article-code`)."""
    progress: Progress | None = None
    _done: dict[str, int] = field(default_factory=dict)

    @property
    def refined_units(self) -> int:
        """Up to how many units whole Hessians cost no more than their verification by probes."""
        fast = self.engine is not None and self.left is None
        return adaptive.FORWARD_REFINED_UNITS if fast else adaptive.REFINED_UNITS

    def answer(self, request: Request) -> Samples:
        """Evaluate one request, chunk by chunk; raises `NonFiniteError` that names the node."""
        t = torch.as_tensor(request.t, dtype=self.path.delta.dtype, device=self.path.delta.device)
        phase, size = self.plan(request)
        if size == 1:  # one node takes all that may be used, so what the last phase left (1 GB at 508 tokens) goes back
            release_free_memory()
        parts: list[Samples] = []
        for start in range(0, len(t), size):
            part = self.evaluate(request, t[start : start + size])
            self.check(part, request.t[start : start + size])
            parts.append(part)
            if self.progress is not None:
                self.progress(phase, min(start + size, len(t)), len(t))
        hessians = [part.hessian for part in parts if part.hessian is not None]
        return Samples(
            np.concatenate([part.value for part in parts]),
            np.concatenate([part.gradient for part in parts]),
            np.concatenate([part.left for part in parts]),
            np.concatenate(hessians) if hessians else None,
        )

    def plan(self, request: Request) -> tuple[str, int]:
        """The phase of a request, and how many of its nodes fit together."""
        if request.order == 1:
            return "gradients", self.footprint.nodes_first_order()
        if request.vectors is not None:
            return "verification", self.footprint.nodes_second_order(len(request.vectors))
        if self.engine is not None and self.left is None:
            return "hessians", self.engine.nodes_at_once(self.path)
        return "hessians", self.footprint.nodes_second_order(self.path.units)

    def evaluate(self, request: Request, t: Tensor) -> Samples:
        """One chunk, not yet checked."""
        fast = self.engine if self.left is None else None
        if request.order == 1:
            found = (
                self.reverse.first_order(self.path, t, self.left) if fast is None else fast.first_order(self.path, t)
            )
        elif request.vectors is None and fast is not None:
            found = fast.second_order(self.path, t)
        else:
            vectors = request.vectors
            rows = self.path.units if vectors is None else len(vectors)
            found = self.reverse.second_order(
                self.path, t, None if vectors is None else torch.as_tensor(vectors).to(self.path.delta), self.left,
                self.footprint.rows_second_order(rows),
            )  # fmt: skip
        gradient = _array(found.gradient)
        return Samples(
            _array(found.value),
            gradient,
            gradient if found.left is None else _array(found.left),
            None if found.hessian is None else _array(found.hessian),
        )

    @staticmethod
    def check(samples: Samples, t: Array) -> None:
        """Raise `NonFiniteError` where a number is none."""
        for name, values in (("f", samples.value), ("gradient", samples.gradient), ("Hessian", samples.hessian)):
            if values is None:
                continue
            bad = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
            if bad.any():
                node = float(t[int(np.argmax(bad))])
                message = (
                    f"The model's {name} is NaN or infinite on the path at t = {node:.6g} (0 is the baseline, 1 the "
                    "input). Nothing was written; try another baseline, or float64."
                )
                raise NonFiniteError(message)


def drive(steps: Generator[Request, Samples, T], evaluator: Evaluator) -> T:
    """Run a controller to its end."""
    try:
        request = next(steps)
        while True:
            request = steps.send(evaluator.answer(request))
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


def _array(values: Tensor) -> Array:
    return values.detach().to("cpu", torch.float64).numpy()
