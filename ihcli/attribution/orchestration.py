"""Runs the integrations of one or many texts in step, so that nodes of several texts share forward passes.

Each integration requests what it would request alone, and is sent the same numbers up to rounding, because the rows of
a batch do not depend on each other. One engine serves all paths, and all paths have one shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Generic

import numpy as np
import torch

from ihcli.attribution.evaluation import Array, Asks, Engine, Evaluations, Progress, Request, T, joined
from ihcli.attribution.path import NodeBatch, Path
from ihcli.attribution.time_limit import Pace, Stopped, TimeLimit
from ihcli.errors import NonFiniteError, TimeLimitError
from ihcli.runtime.malloc import release_free_memory


@dataclass(slots=True)
class Integration(Generic[T]):
    """One integration: its steps, its path, the request it waits for, and its outcome."""

    steps: Asks[T]
    path: Path
    request: Request | None = None
    outcome: T | NonFiniteError | TimeLimitError | None = field(default=None)

    def advance(self, evaluations: Evaluations | None) -> None:
        """Send what was requested, and note what is requested next."""
        try:
            self.request = next(self.steps) if evaluations is None else self.steps.send(evaluations)
        except StopIteration as stop:
            self.request, self.outcome = None, stop.value

    def receive(self, evaluations: Evaluations) -> None:
        """Check the evaluations and go on. NaN inside the path ends only this integration."""
        assert self.request is not None  # noqa: S101  (only waiting integrations receive)
        try:
            evaluations.require_finite(np.tile(self.request.t, self.request.copies))
        except NonFiniteError as error:
            self.request, self.outcome = None, error
        else:
            self.advance(evaluations)

    def stop(self) -> None:
        """Leave the request unanswered; the integration ends with the matrix that it has or a `TimeLimitError`."""
        try:
            self.request = self.steps.throw(Stopped())
        except StopIteration as stop:
            self.request, self.outcome = None, stop.value
        except TimeLimitError as error:
            self.request, self.outcome = None, error


def run(
    integrations: Sequence[Integration[T]], engine: Engine, progress: Progress | None = None, pace: Pace | None = None
) -> list[T | NonFiniteError | TimeLimitError]:
    """Run integrations to their ends. One that meets NaN ends with a `NonFiniteError`, and the others go on.

    A request that would take longer than the time that is left is not begun, and its integrations are stopped.
    """
    pace = pace or Pace(TimeLimit(), engine.name)
    for integration in integrations:
        integration.advance(None)
    while waiting := [one for one in integrations if one.request is not None]:
        phase = min(_phase(one) for one in waiting)
        together = [one for one in waiting if _phase(one) == phase]
        try:
            _answer(together, engine, progress, pace)
        except Stopped:
            for one in together:
                one.stop()
    return [one.outcome for one in integrations if one.outcome is not None]


def _phase(integration: Integration[T]) -> tuple[int, bool, bool]:
    """Sort key, earliest phase first: gradients, search, Hessians, their verification."""
    request = integration.request
    assert request is not None  # noqa: S101
    return request.order, request.vectors is not None, request.displacements is not None


def _answer(integrations: Sequence[Integration[T]], engine: Engine, progress: Progress | None, pace: Pace) -> None:
    """Evaluate the requests of one phase together, and send each integration its own."""
    requests = [one.request for one in integrations if one.request is not None]
    own = [
        one.path if request.chosen is None else one.path.merged(request.chosen)
        for one, request in zip(integrations, requests, strict=True)
    ]
    paths, counts, nodes = [], [], []
    for path, request in zip(own, requests, strict=True):
        copies = [path] if request.displacements is None else [path.displaced(by) for by in request.displacements]
        paths += copies
        counts += [len(request.t)] * len(copies)
        nodes += [request.t] * len(copies)
    batch, first = NodeBatch.of(paths, counts), requests[0]
    whole = evaluate(
        batch,
        replace(
            first,
            t=np.concatenate(nodes),
            vectors=_padded(requests, batch.units),
            before=sum(request.before for request in requests),
            expected=sum(request.expected for request in requests),
            refines=all(request.refines for request in requests),
        ),
        engine,
        progress,
        pace,
    )
    start = 0
    for integration, path, request in zip(integrations, own, requests, strict=True):
        units, count = path.units, len(request.t) * request.copies
        rows = units if request.vectors is None else len(request.vectors)
        integration.receive(whole.of(slice(start, start + count), units, rows))
        start += count


def evaluate(
    path: Path, request: Request, engine: Engine, progress: Progress | None = None, pace: Pace | None = None
) -> Evaluations:
    """Answer one request in chunks that fit the memory; `vectors` may be (K, U) or (K, B, U).

    Raises `Stopped` before a chunk if the rest of the request does not fit the time that is left.
    """
    pace = pace or Pace(TimeLimit(), engine.name)
    t = torch.as_tensor(request.t, dtype=path.delta.dtype, device=path.delta.device)
    vectors = None if request.vectors is None else torch.as_tensor(request.vectors).to(path.delta)
    size = engine.nodes_at_once(path, request.order, None if vectors is None else len(vectors))
    if size == 1:  # one node needs all of the memory, so what the last phase left (1 GB at 508 tokens) is released
        release_free_memory()
    whole = max(request.expected, request.before + len(t))
    if request.before == 0:
        pace.announce(request, path.units, whole)
    parts: list[Evaluations] = []
    for start in range(0, len(t), size):
        nodes = slice(start, start + size)
        pace.require(request, path.units, len(t) - start)
        begun = pace.limit.clock()
        some = vectors if vectors is None or vectors.dim() == 2 else vectors[:, nodes]  # noqa: PLR2004
        parts.append(engine.evaluate(path.chosen(nodes), t[nodes], request.order, some))
        pace.note(request, path.units, len(t[nodes]), pace.limit.clock() - begun)
        if progress is not None:
            progress(request.phase, request.before + min(start + size, len(t)), whole)
    return joined(parts)


def _padded(requests: Sequence[Request], units: int) -> Array | None:
    """The vectors of all requests: (K, U) of a single one, or (most vectors, B, U) with zeros where there are none."""
    vectors = [request.vectors for request in requests if request.vectors is not None]
    if len(vectors) <= 1:
        return vectors[0] if vectors else None
    most = max(len(own) for own in vectors)
    blocks = [
        np.repeat(np.pad(own, ((0, most - len(own)), (0, units - own.shape[1])))[:, None], len(request.t), axis=1)
        for own, request in zip(vectors, requests, strict=True)
    ]
    return np.concatenate(blocks, axis=1)
