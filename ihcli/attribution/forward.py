"""The fast second-order engine, where the computation can be traced: `ihcli.curvature` behind the engine's protocol."""

import logging
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from ihcli.attribution.footprint import CACHE_BYTES
from ihcli.attribution.path import Path
from ihcli.attribution.reverse import Derivatives, ScalarField
from ihcli.curvature import Program, Untraceable, trace
from ihcli.runtime.malloc import release_free_memory

MOST_SWEEPS = 2
"""A row of reverse over reverse costs 2 to 3 times one whose tangent is carried once."""
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ForwardEngine:
    """H by second-order forward accumulation over a traced computation, within `limit` bytes."""

    program: Program
    limit: int
    name: str = "forward"

    def pays(self, path: Path) -> bool:
        """Whether it is the faster engine within the limit: tangents that do not fit together are carried again."""
        return self.program.sweeps(path.units, self.limit) <= MOST_SWEEPS

    def first_order(self, path: Path, t: Tensor) -> Derivatives:
        """F (B,) and g (B, U) at t (B,), without what the model computes and its head does not read."""
        value, gradient = self.program.first_order(path.points(t))
        return Derivatives(value, path.per_unit(gradient * path.delta))

    def second_order(self, path: Path, t: Tensor) -> Derivatives:
        """F (B,), g (B, U) and H (B, U, U) at t (B,)."""
        found = self.program.second_order(path.points(t), path.delta, path.groups, path.units, limit=self.limit)
        return Derivatives(found.value, found.gradient, found.hessian)

    def nodes_at_once(self, path: Path) -> int:
        """Nodes whose tangents fit together."""
        return self.program.nodes_within(min(self.limit, CACHE_BYTES), path.units)


@dataclass(frozen=True, slots=True)
class Choice:
    """The second-order engine of one function, and why: `forward` with its program, or `reverse` with None."""

    name: Literal["forward", "reverse"]
    reason: str
    program: Program | None


def choose(f: ScalarField, x: Tensor, wanted: Literal["auto", "forward", "reverse"] = "auto") -> Choice:
    """The engine for f: (B, *S) to (B,) at inputs of the shape and type of x (*S).

    `auto` takes the forward engine where f can be traced and every operation has a rule; a debug message names what
    stands in the way.  Raises `Untraceable` where `forward` is wanted and cannot be had.
    """
    if wanted == "reverse":
        return Choice("reverse", "asked for", None)
    try:
        program = trace(f, x.unsqueeze(0))
    except Untraceable as obstacle:
        if wanted == "forward":
            raise
        LOG.debug("reverse over reverse for the whole model: %s", obstacle)
        return Choice("reverse", str(obstacle), None)
    finally:
        release_free_memory()  # what checking the program took: 1.2 GB at 508 tokens
    kinds = len(program.operations)
    return Choice("forward", f"{sum(program.operations.values())} operations of {kinds} kinds, all with rules", program)
