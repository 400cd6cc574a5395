"""Evaluations of F at nodes of the path: what an integration requests, and what an engine returns."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ihcli.attribution.path import Path
from ihcli.errors import NonFiniteError

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Progress = Callable[[str, int, int], None]
"""Called as (phase, nodes done, nodes of this phase); phases are `gradients`, `search`, `hessians`, `verification`."""
ScalarField = Callable[..., Tensor]
"""A differentiable f: (B, *S), and parameters (B, *P_k), to (B,), each row depending on its own inputs only."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """Nodes to evaluate F at."""

    t: Array
    """The nodes (B,)."""
    order: int
    """1 for the gradient, 2 for second derivatives too."""
    vectors: Array | None = None
    """With order 2: the rows V (K, U) of V·H that are wanted; None for the whole H."""
    chosen: Indices | None = None
    """Units that are told apart; all others then count as one unit more, the last. None for all of them."""
    displacements: Array | None = None
    """With order 1: (K, U) displacements of the switches from t·1. The evaluations are then (K·B), those of the first
    displacement first."""
    before: int = 0
    """Evaluations of the same phase that went before."""
    expected: int = 0
    """Evaluations that are expected in the whole phase, where it has more requests than this one."""
    refines: bool = False
    """Whether there is a matrix already, so that the integration can end without this request."""

    @property
    def phase(self) -> str:
        """The phase that progress reports."""
        if self.order == 1:
            return "gradients" if self.displacements is None else "search"
        return "hessians" if self.vectors is None else "verification"

    @property
    def copies(self) -> int:
        """How often each node is evaluated."""
        return 1 if self.displacements is None else len(self.displacements)


@dataclass(frozen=True, slots=True)
class Evaluations:
    """F and its derivatives along units at B nodes, in float64."""

    value: Array
    """F (B,)."""
    gradient: Array
    """g_u = ∂F/∂s_u (B, U)."""
    left: Array
    """Σ_{i∈u} l_i·∇_i f (B, U), with l the left vector of the path; `gradient` itself where l is δ."""
    hessian: Array | None = None
    """H (B, U, U), or V·H (B, K, U)."""

    def of(self, nodes: slice, units: int, rows: int) -> "Evaluations":
        """The evaluations of some nodes, cut to the units and rows that their path has."""
        hessian = None if self.hessian is None else self.hessian[nodes, :rows, :units]
        return Evaluations(self.value[nodes], self.gradient[nodes, :units], self.left[nodes, :units], hessian)

    def require_finite(self, t: Array) -> None:
        """Raise `NonFiniteError` that names the first node with NaN or infinity.

        A Hessian that is not finite only at the ends of the path is allowed; the integration then avoids the ends.
        """
        inside = (t > 0) & (t < 1)
        for name, values in (("output", self.value), ("gradient", self.gradient), ("Hessian", self.hessian)):
            if values is None:
                continue
            bad = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
            if name == "Hessian":
                bad &= inside
            if bad.any():
                node = float(t[int(np.argmax(bad))])
                message = (
                    f"The model's {name} is NaN or infinite on the path at t = {node:.6g} (0 is the baseline, 1 the "
                    "input). Nothing was written. Try another baseline, or float64."
                )
                raise NonFiniteError(message)


def joined(parts: Sequence[Evaluations]) -> Evaluations:
    """The evaluations of consecutive chunks of nodes."""
    hessians = [part.hessian for part in parts if part.hessian is not None]
    return Evaluations(
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.gradient for part in parts]),
        np.concatenate([part.left for part in parts]),
        np.concatenate(hessians) if hessians else None,
    )


Asks = Generator[Request, Evaluations, T]
"""A part of an integration: yields requests, is sent evaluations, returns its result."""


class Engine(Protocol):
    """Evaluates F and its derivatives at a batch of nodes."""

    @property
    def name(self) -> str:
        """`forward` or `reverse`."""

    @property
    def nested_units(self) -> int:
        """Up to how many units a whole Hessian costs no more than its verification by probes."""

    def evaluate(self, path: Path, t: Tensor, order: int, vectors: Tensor | None = None) -> Evaluations:
        """The evaluations at the nodes t (B,); `vectors` is (K, U), or (K, B, U) with rows of each node's own."""

    def nodes_at_once(self, path: Path, order: int, rows: int | None = None) -> int:
        """The number of nodes that fit the memory together; `rows` counts the vectors, None for a whole Hessian."""

    def peak_bytes(self, path: Path, nodes: int, units: int, rows: int | None = None) -> int:
        """The estimated peak of memory, in bytes, of the Hessians of so many nodes and units, a chunk at a time.

        `rows` counts the vectors of products; 0 stands for gradients alone.
        """
