"""The explained scalar as a function of embeddings: what attribution sees of a model."""

from collections.abc import Hashable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from ihcli.models.adapter import Adapter, Plan
from ihcli.models.encoding import EncodedText
from ihcli.models.smoothing import Kink, Smoothing
from ihcli.models.targets import output
from ihcli.results import Target


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """f: embeddings (B, T, D) to (B,), differentiable twice.  `beta` is None where nothing is smoothed."""

    adapter: Adapter
    encoded: EncodedText
    target: Target
    against: int | None
    problem: str
    plan: Plan = ()
    kinks: tuple[Kink | None, ...] = ()
    beta: float | None = None

    def __call__(self, points: Tensor) -> Tensor:
        """F at embeddings (B, T, D), as (B,)."""
        return output(self.logits(points), self.target, self.problem, self.against)

    def logits(self, points: Tensor) -> Tensor:
        """The logits (B, C) under it."""
        smoothing = nullcontext() if self.beta is None else Smoothing(self.beta, self.kinks)
        with smoothing:
            return self.adapter.of_embeddings(points, self.encoded.input_ids, self.encoded.extras, self.plan)

    @property
    def key(self) -> Hashable:
        """Equal for texts that share one traced computation: the length, the target, and the constants in it."""
        constants = {name: tuple(value.tolist()) for name, value in self.encoded.extras.items()}
        ids = tuple(self.encoded.input_ids.tolist()) if self.adapter.route == "hook" else None
        return (
            len(self.encoded.input_ids),
            (self.target.index, self.against, self.target.output),
            tuple(sorted(constants.items())),
            ids,
            (self.beta, self.kinks if self.beta is not None else ()),
        )


def evaluate(score: Score, points: Tensor) -> Tensor:
    """F at points (B, T, D) without a graph, in float64 (B,)."""
    with torch.no_grad():
        return score(points).double()
