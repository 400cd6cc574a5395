"""Several integrals at once: their controllers run in step, and nodes of several paths share a forward pass.

Each controller asks for what it would ask for alone, and gets the same numbers up to rounding: rows of a batch do not
see each other.  Needed is one function that serves all paths, and paths of one shape.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ihcli.attribution import adaptive
from ihcli.attribution.adaptive import Integral, Request, Samples, Steps
from ihcli.attribution.evaluator import Engine, Evaluator
from ihcli.attribution.footprint import Footprint
from ihcli.attribution.integrated import Interactions, _combine, check_tolerance
from ihcli.attribution.path import Path
from ihcli.attribution.reverse import ReverseEngine, ScalarField, differentiable
from ihcli.errors import NonFiniteError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class JointPath(Path):
    """N nodes on paths of their own, of one shape: `baseline` and `delta` are (N, *S), `groups` (N, *P).

    `units` is the most of any path; a path with fewer has zeros beyond its own.
    """

    @classmethod
    def of(cls, paths: Sequence[Path], counts: Sequence[int]) -> "JointPath":
        """`counts[k]` nodes on path k, one after the other."""
        owner = torch.repeat_interleave(torch.arange(len(paths)), torch.tensor(counts)).to(paths[0].delta.device)
        stacked = [torch.stack([getattr(path, name) for path in paths]) for name in ("baseline", "delta", "groups")]
        baseline, delta, groups = (values[owner] for values in stacked)
        return cls(baseline, delta, groups, max(path.units for path in paths))

    def at(self, chosen: slice) -> "JointPath":
        """Some of the nodes."""
        return JointPath(self.baseline[chosen], self.delta[chosen], self.groups[chosen], self.units)

    def points(self, t: Tensor) -> Tensor:
        """γ(t), (N, *S) for t (N,), each on its own path."""
        return self.baseline + t.view(-1, *[1] * (self.delta.dim() - 1)) * self.delta

    @cached_property
    def _index(self) -> Tensor:
        flat = self.groups.flatten(1)
        return torch.where(flat < 0, self.units, flat)

    def per_unit(self, values: Tensor) -> Tensor:
        """Sums over each unit: (k·N, *S), k blocks of the N nodes, to (k·N, U)."""
        index = self._index.repeat(len(values) // len(self._index), 1)
        positions = values.flatten(1).view(*index.shape, -1).sum(-1)  # (k·N, positions)
        sums = torch.zeros(len(values), self.units + 1, dtype=values.dtype, device=values.device)
        return sums.scatter_add(1, index, positions)[:, :-1]


@dataclass(slots=True)
class _Run:
    """One controller: its steps, its evaluator, what it waits for, and what it came to."""

    steps: Steps
    evaluator: Evaluator
    request: Request | None = None
    outcome: Integral | NonFiniteError | None = None

    def advance(self, samples: Samples | None) -> None:
        """Send what was asked for, and note what is asked for next."""
        try:
            self.request = next(self.steps) if samples is None else self.steps.send(samples)
        except StopIteration as stop:
            self.request, self.outcome = None, stop.value

    @property
    def phase(self) -> tuple[int, bool]:
        """Gradients before Hessians before their verification, so that who is behind catches up."""
        assert self.request is not None  # noqa: S101  (asked of waiting runs only)
        return self.request.order, self.request.vectors is not None


def drive_together(runs: Sequence[tuple[Steps, Evaluator]]) -> list[Integral | NonFiniteError]:
    """Run controllers to their ends; the function, engine and memory of the first evaluator serve all.

    The paths have one shape.  A run that meets NaN ends with its `NonFiniteError`; the others go on.
    """
    states = [_Run(*run) for run in runs]
    for state in states:
        state.advance(None)
    while waiting := [state for state in states if state.request is not None]:
        phase = min(state.phase for state in waiting)
        _answer([state for state in waiting if state.phase == phase])
    return [state.outcome for state in states if state.outcome is not None]


def _answer(runs: Sequence[_Run]) -> None:
    """Evaluate the requests of one phase together, and send each run its own."""
    requests = [run.request for run in runs if run.request is not None]
    paths = [run.evaluator.path for run in runs]
    counts = [len(request.t) for request in requests]
    joint = JointPath.of(paths, counts)
    nodes = np.concatenate([request.t for request in requests])
    t = torch.as_tensor(nodes, dtype=joint.delta.dtype, device=joint.delta.device)
    vectors = _padded([r.vectors for r in requests], counts, joint.units)
    first = dataclasses.replace(runs[0].evaluator, path=joint, progress=None)
    size = first.plan(Request(nodes, requests[0].order, vectors))[1]
    parts = []
    for start in range(0, len(t), size):
        chosen = slice(start, start + size)
        part = dataclasses.replace(first, path=joint.at(chosen))
        some = None if vectors is None else vectors[:, chosen]
        parts.append(part.evaluate(Request(nodes[chosen], requests[0].order, some), t[chosen]))
    whole = _joined(parts)
    start = 0
    for run, path, request, count in zip(runs, paths, requests, counts, strict=True):
        rows = path.units if request.vectors is None else len(request.vectors)
        own = _cut(whole, slice(start, start + count), path.units, rows)
        start += count
        try:
            Evaluator.check(own, nodes[start - count : start])
        except NonFiniteError as error:
            run.request, run.outcome = None, error
        else:
            run.advance(own)


def _padded(vectors: Sequence[Array | None], counts: Sequence[int], units: int) -> Array | None:
    """Each run's vectors (K, U) at each of its nodes, as (most vectors, N, most units)."""
    known = [own for own in vectors if own is not None]
    if not known:
        return None
    most = max(len(own) for own in known)
    blocks = [
        np.repeat(np.pad(own, ((0, most - len(own)), (0, units - own.shape[1])))[:, None], count, axis=1)
        for own, count in zip(known, counts, strict=True)
    ]
    return np.concatenate(blocks, axis=1)


def _joined(parts: Sequence[Samples]) -> Samples:
    hessians = [part.hessian for part in parts if part.hessian is not None]
    return Samples(
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.gradient for part in parts]),
        np.concatenate([part.left for part in parts]),
        np.concatenate(hessians) if hessians else None,
    )


def _cut(whole: Samples, nodes: slice, units: int, rows: int) -> Samples:
    """The samples of one run, without the units and vectors that it does not have."""
    hessian = None if whole.hessian is None else whole.hessian[nodes, :rows, :units]
    return Samples(whole.value[nodes], whole.gradient[nodes, :units], whole.left[nodes, :units], hessian)


@dataclass(frozen=True, slots=True)
class Task:
    """One integral: x, its baselines, its groups."""

    x: Tensor
    baselines: Sequence[Tensor]
    groups: Tensor | None = None


@differentiable
def integrated_hessians_together(
    f: ScalarField,
    tasks: Sequence[Task],
    *,
    tolerance: float = 0.01,
    formulation: str = "paper",
    max_nodes: int = 512,
    memory: int | None = None,
    seed: int = 0,
    engine: Engine | None = None,
) -> list[Interactions | NonFiniteError]:
    """What `integrated_hessians` gives for each task, up to rounding; one f serves all, and all x have one shape.

    Raises `UsageError` and `DeviceError`; NaN on a path is the outcome of its task alone.
    """
    if not tasks:
        return []
    check_tolerance(tolerance, tasks[0].x.dtype)
    form = adaptive.FORMULATIONS[formulation]
    paths = [[Path.between(task.x, baseline, task.groups) for baseline in task.baselines] for task in tasks]
    footprint = Footprint.measure(f, paths[0][0], memory)
    left = torch.ones_like(paths[0][0].delta) if form.ones_left else None
    runs = []
    for own in paths:
        for index, path in enumerate(own):
            one = Evaluator(path, ReverseEngine(f), footprint, engine, left)
            steps = adaptive.integrate(path.units, form, tolerance, max_nodes, seed + index, one.refined_units)
            runs.append((steps, one))
    name = "reverse" if engine is None or form.ones_left else engine.name
    outcomes = iter(drive_together(runs))
    found: list[Interactions | NonFiniteError] = []
    for own in paths:
        integrals = [next(outcomes) for _ in own]
        error = next((one for one in integrals if isinstance(one, NonFiniteError)), None)
        good = [one for one in integrals if not isinstance(one, NonFiniteError)]
        found.append(_combine(good, form, tolerance, name, tasks[0].x.dtype) if error is None else error)
    return found
