"""What an explanation will cost, from a few timed gradients, before it starts.

The time of an explanation is the time of its gradients plus a fixed overhead for each call. Both are measured on the
path itself. How many gradients and Hessians a text takes is known from earlier measurements.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch

from ihcli.attribution.cost import LEAST_UNITS, REMOVED_TEXT, hessian_cost, search_rows
from ihcli.attribution.evaluation import Engine
from ihcli.attribution.path import Path
from ihcli.attribution.screening import PROBES
from ihcli.counting import counted

TYPICAL_NODES = {False: {0.1: 15, 0.05: 19, 0.01: 27, 0.001: 47}, True: {0.1: 9, 0.05: 9, 0.01: 11, 0.001: 18}}
"""Median full Hessians a text of the bundled model at a tolerance: for paths of embeddings by
`outputs/benchmarks/study.jsonl`, for smooth paths (value zeroing) on texts of 1 to 72 words alike."""
TYPICAL_GRADIENTS = {False: 73, True: 13}
SEARCH_NODES = {False: 9, True: 3}
"""Nodes of a search, for paths of embeddings and for smooth paths."""
TYPICAL_CHOSEN = 13
"""Units of the ten strongest pairs, whose matrix is then computed."""
FEW_POSITIONS = 128
"""Positions from which single gradients are timed, if they take `LONG`: the overhead of a call is then negligible."""
LONG = 0.05
"""Seconds of a gradient beside which the overhead of a call is negligible."""
TIMED = 4
"""Gradients in the batch that is timed on shorter texts."""
CALLS = 6
"""Calls of an explanation: gradients, check points, Hessians and their verification."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The expected cost of an explanation."""

    units: int
    """Units of the text."""
    nodes: int
    """Expected Hessians."""
    products: int
    """Expected products of a Hessian with a vector."""
    seconds: float
    """Expected seconds."""
    bytes: int
    """Expected peak of memory beyond the model, in bytes."""
    engine: str
    """The engine of second derivatives: `forward` or `reverse`."""
    cheaper: Mapping[str, float] = field(default_factory=dict)
    """Options that take less time, and their expected seconds."""

    def __str__(self) -> str:
        """One line with the cost and, where an option would be cheaper, a second one that names it."""
        line = (
            f"{counted(self.units, 'unit')}: about {counted(self.nodes, 'Hessian')}, "
            f"{counted(self.products, 'product')} of a Hessian and a vector "
            f"({self.engine} engine), {self.seconds:.1f} s, {self.bytes / 1e6:.0f} MB beyond the model"
        )
        return f"{line}\n{self.advice}" if self.cheaper else line

    def with_another(self, other: "Estimate") -> "Estimate":
        """The cost of this explanation and of one with a further baseline; the two are not in memory together."""
        cheaper = {name: value + other.cheaper.get(name, other.seconds) for name, value in self.cheaper.items()}
        return replace(
            self, nodes=self.nodes + other.nodes, products=self.products + other.products,
            seconds=self.seconds + other.seconds, bytes=max(self.bytes, other.bytes), cheaper=cheaper,
        )  # fmt: skip

    @property
    def advice(self) -> str:
        """The options that would be cheaper, in one line; empty if there are none."""
        if not self.cheaper:
            return ""
        return "Cheaper: " + ", ".join(f"{flag} about {seconds:.0f} s" for flag, seconds in self.cheaper.items())


@dataclass(frozen=True, slots=True)
class Work:
    """The work of an explanation besides one matrix."""

    top: int | None = None
    """K, where only rows that can contain one of the K strongest pairs are computed."""
    removed_texts: int = 0
    """Number of texts in the check by removal."""
    preparation: float = 0.0
    """Seconds before the integral, measured."""
    sentences: int | None = None
    """Number of units with `--units sentence`."""
    then: int | None = None
    """Number of units of a second matrix, whose units the first one decides."""


NOTHING_ELSE = Work()


def estimate(
    path: Path,
    tolerance: float,
    baselines: int,
    engine: Engine,
    *,
    smooth: bool,
    work: Work = NOTHING_ELSE,
) -> Estimate:
    """Time a few gradients on the path, and scale them up to the expected work of an explanation.

    Of a long text two gradients are timed, of a short one and of a small model three calls with six gradients.
    """
    overhead, gradient = _timed(path, engine)
    positions = path.groups.numel()
    screened = work.top is not None and path.units > LEAST_UNITS

    def seconds(units: int, allowed: float, *, top: bool) -> float:
        nodes = _nodes(allowed, smooth=smooth)
        one = nodes * hessian_cost(engine.name, TYPICAL_CHOSEN + 1 if top else units, positions)
        one += SEARCH_NODES[smooth] * (1 + PROBES + search_rows(units)) if top else 0.0
        gradients = baselines * (TYPICAL_GRADIENTS[smooth] + one) + REMOVED_TEXT * work.removed_texts
        return work.preparation + gradients * gradient + CALLS * overhead

    expected = seconds(path.units, tolerance, top=screened)
    if work.then is not None:
        expected += seconds(work.then, tolerance, top=False) - work.preparation
    options = {}
    if work.sentences is not None and work.sentences < path.units:
        options["--units sentence"] = seconds(work.sentences, tolerance, top=False)
    if baselines == 1 and work.top is None and path.units > LEAST_UNITS:
        options["--top 10"] = seconds(path.units, tolerance, top=True)
    if tolerance < LOOSE:
        options[f"--tolerance {LOOSE:g}"] = seconds(path.units, LOOSE, top=screened)
    nodes, gradients = _nodes(tolerance, smooth=smooth), TYPICAL_GRADIENTS[smooth]
    units = max(path.units, work.then or 0)
    if screened:
        units, gradients = TYPICAL_CHOSEN + 1, max(gradients, SEARCH_NODES[smooth] * PROBES)
    return Estimate(
        units=path.units,
        nodes=nodes * baselines,
        products=nodes * (TYPICAL_CHOSEN + 1 if screened else path.units) * baselines,
        seconds=expected,
        bytes=_peak(path, engine, nodes, gradients, units),
        engine=engine.name,
        cheaper={name: value for name, value in options.items() if value < WORTH * expected},
    )


LOOSE = 0.05
"""The tolerance that is named as cheaper."""
WORTH = 0.8
"""The share of the expected time below which an option is named."""


def _nodes(tolerance: float, *, smooth: bool) -> int:
    typical = TYPICAL_NODES[smooth]
    return typical[min(typical, key=lambda known: abs(known / tolerance - 1))]


def _peak(path: Path, engine: Engine, nodes: int, gradients: int, units: int) -> int:
    """The estimated peak of memory in bytes: that of the larger request, with the Hessians that are kept."""
    requests = engine.peak_bytes(path, gradients, units, 0), engine.peak_bytes(path, nodes, units)
    return max(requests) + 8 * nodes * units**2


def _timed(path: Path, engine: Engine) -> tuple[float, float]:
    """The overhead of a call, and the time of a gradient, in seconds."""

    def call(nodes: int) -> float:
        t = torch.linspace(0, 1, nodes, dtype=path.delta.dtype, device=path.delta.device)
        started = time.perf_counter()
        engine.evaluate(path, t, order=1)
        return time.perf_counter() - started

    single = min(call(1), call(1))
    if path.groups.numel() >= FEW_POSITIONS and single >= LONG:
        return 0.0, single
    several = call(TIMED)
    gradient = max((several - single) / (TIMED - 1), several / TIMED / 2)  # a call is not all overhead
    return max(0.0, single - gradient), gradient
