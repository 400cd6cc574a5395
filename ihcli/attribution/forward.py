"""The fast engine, where the computation can be traced: `ihcli.curvature` behind the engine's protocol."""

import logging
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from ihcli.attribution.evaluation import Evaluations, ScalarField
from ihcli.attribution.footprint import CACHE_BYTES
from ihcli.attribution.path import Path
from ihcli.attribution.reverse import ReverseEngine, to_array
from ihcli.curvature import Program, Untraceable, trace
from ihcli.runtime.malloc import release_free_memory
from ihcli.runtime.memory import memory_limit

MOST_SWEEPS = 2
"""A row of reverse over reverse costs 2 to 3 times one whose tangent is carried once."""
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ForwardEngine:
    """H by second-order forward accumulation over a traced computation, within `limit` bytes."""

    program: Program
    limit: int
    reverse: ReverseEngine
    """Takes products with vectors, and paths whose left vector is not δ, over the same program."""
    always: bool = False
    """Take it for Hessians of which reverse over reverse would be faster too."""
    name: str = "forward"
    nested_units: int = 6

    def pays(self, path: Path) -> bool:
        """Whether it is the faster engine within the limit: tangents that do not fit together are carried again."""
        return self._pays(path.units)

    def _pays(self, units: int) -> bool:
        return self.program.sweeps(units, self.limit) <= MOST_SWEEPS

    def nodes_at_once(self, path: Path, order: int, rows: int | None = None) -> int:
        """The number of nodes that fit the memory together."""
        if order == 1 or self._delegates(path, order, rows):
            return self.reverse.nodes_at_once(path, order, rows)
        return self.program.nodes_within(min(self.limit, CACHE_BYTES), path.units)

    def peak_bytes(self, path: Path, nodes: int, units: int, rows: int | None = None) -> int:
        """The estimated peak of memory of Hessians, of products with `rows` vectors, or of gradients (0), in bytes."""
        if rows is not None or path.left is not None or not (self.always or self._pays(units)):
            return self.reverse.peak_bytes(path, nodes, units, rows)
        together = min(nodes, self.program.nodes_within(min(self.limit, CACHE_BYTES), units))
        return min(self.program.bytes_per_node(units, together), self.limit)

    def evaluate(self, path: Path, t: Tensor, order: int, vectors: Tensor | None = None) -> Evaluations:
        """F, g and, to second order, H or V·H at the nodes t (B,)."""
        if self._delegates(path, order, None if vectors is None else len(vectors)):
            return self.reverse.evaluate(path, t, order, vectors)
        points, parameters = path.points(t), path.parameters_at(len(t))
        if order == 1:
            value, slope = self.program.first_order(points, parameters)
            gradient = to_array(path.per_unit(slope * path.delta))
            return Evaluations(to_array(value), gradient, gradient)
        second = self.program.second_order(
            points, path.delta, path.groups, path.units, limit=self.limit, parameters=parameters
        )
        gradient = to_array(second.gradient)
        return Evaluations(to_array(second.value), gradient, gradient, to_array(second.hessian))

    def _delegates(self, path: Path, order: int, rows: int | None) -> bool:
        if path.left is not None or rows is not None:
            return True
        return order > 1 and not (self.always or self.pays(path))


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The second-order engine of one function, and why: `forward` with its program, or `reverse` with None."""

    name: Literal["forward", "reverse"]
    """Which engine."""
    reason: str
    """Why it is this one."""
    program: Program | None
    """The traced computation; None for `reverse`."""


def choose_engine(f: ScalarField, path: Path, wanted: Literal["auto", "forward", "reverse"] = "auto") -> EngineChoice:
    """The engine for f at inputs of the shape and type of a path's.

    `auto` takes the forward engine where f can be traced and every operation has a rule; a debug message names what
    prevents it otherwise.  Raises `Untraceable` where `forward` is wanted and cannot be had.
    """
    if wanted == "reverse":
        return EngineChoice("reverse", "asked for", None)
    try:
        example = (path.start + path.delta).unsqueeze(0)
        program = trace(f, example, parameters=path.parameters_at(1))
    except Untraceable as obstacle:
        if wanted == "forward":
            raise
        LOG.debug("reverse over reverse for the whole model: %s", obstacle)
        return EngineChoice("reverse", str(obstacle), None)
    finally:
        release_free_memory()  # what tracing took: 1.6 GB at 508 tokens
    kinds = len(program.operations)
    return EngineChoice("forward", f"{sum(program.operations.values())} operations of {kinds} kinds, all with rules",
                        program)  # fmt: skip


class EngineChoices:
    """Engine choices by key, each made once; beyond `most` keys that of the longest unused one is made anew."""

    def __init__(self, most: int = 256) -> None:
        """Keep so many; a traced computation of six layers takes about 1 MB beyond the weights."""
        self.most = most
        self._kept: dict[Any, EngineChoice] = {}

    def of(self, key: Any, f: ScalarField, path: Path, wanted: Literal["auto", "forward", "reverse"]) -> EngineChoice:
        """The choice of this key, by `choose_engine` where it is not known."""
        choice = self._kept.pop(key, None) or choose_engine(f, path, wanted)
        self._kept[key] = choice  # as the last used
        if len(self._kept) > self.most:
            del self._kept[next(iter(self._kept))]
        return choice


def fastest(
    f: ScalarField,
    path: Path,
    choice: EngineChoice,
    wanted: Literal["auto", "forward", "reverse"],
    memory: int | None,
    *,
    some_units: bool = False,
) -> ForwardEngine | ReverseEngine:
    """The engine of a choice that is faster on paths like this one within `memory` bytes; `forward` is kept if wanted.

    Without a limit (None) the engine chooses its own. `some_units` says that Hessians of a few of the units will be
    requested, for which `forward` is faster where it is not for all of them.
    """
    if choice.program is None:
        return ReverseEngine(f, memory)
    products = ReverseEngine(choice.program.value, memory)  # computes only what f reads: 0.8 of the time of f
    limit = memory_limit(path.delta.device, memory)
    forward = ForwardEngine(choice.program, limit, products, always=wanted == "forward")
    return forward if forward.always or some_units or forward.pays(path) else products
