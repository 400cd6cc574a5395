"""The explained scalar as a function of embeddings, or of embeddings and one switch a token."""

from collections.abc import Hashable
from contextlib import ExitStack
from dataclasses import dataclass

from torch import Tensor

from ihcli.models.adapter import Adapter, Plan
from ihcli.models.attention import Keys, SwitchedValues
from ihcli.models.encoding import EncodedText
from ihcli.models.smoothing import Kink, Smoothing
from ihcli.models.targets import output
from ihcli.results import Target


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """f: embeddings (B, T, D) to the explained scalar (B,), twice differentiable."""

    adapter: Adapter
    """The way into the model."""
    encoded: EncodedText
    """The text."""
    target: Target
    """The explained scalar."""
    against: int | None
    """The index of the label whose output is subtracted, or None."""
    problem: str
    """`single_label`, `multi_label` or `regression`."""
    plan: Plan = ()
    """What the embedding layer is called with, where embeddings enter by a hook."""
    kinks: tuple[Kink | None, ...] = ()
    """The calls of kinked functions in order, None for those that stay."""
    beta: float | None = None
    """Sharpness of the smoothing; None where nothing is smoothed."""

    def __call__(self, points: Tensor, *parameters: Tensor) -> Tensor:
        """f at points (B, …), as (B,)."""
        return output(self.logits(points, *parameters), self.target, self.problem, self.against)

    def logits(self, points: Tensor) -> Tensor:
        """The logits (B, C) at embeddings (B, T, D)."""
        with ExitStack() as modes:
            if self.beta is not None:
                modes.enter_context(Smoothing(self.beta, self.kinks))
            return self.adapter.of_embeddings(points, self.encoded.input_ids, self.encoded.extras, self.plan)

    @property
    def key(self) -> Hashable:
        """Equal for texts that share one traced computation: the length, the target, and the constants in it."""
        constants = {name: tuple(value.tolist()) for name, value in self.encoded.extras.items()}
        ids = tuple(self.encoded.input_ids.tolist()) if self.adapter.route == "hook" else None
        return (
            type(self).__name__,
            len(self.encoded.input_ids),
            (self.target.index, self.against, self.target.output),
            tuple(sorted(constants.items())),
            ids,
            (self.beta, self.kinks if self.beta is not None else ()),
        )


@dataclass(frozen=True, slots=True, eq=False)
class LabelledScore:
    """The logits of a score weighted by its last parameter (B, C): one function, and one trace, for every label."""

    score: Score

    def __call__(self, points: Tensor, *parameters: Tensor) -> Tensor:
        """Σ_c weights_c · logit_c at points (B, …), as (B,)."""
        *further, weights = parameters
        return (self.score.logits(points, *further) * weights).sum(-1)


@dataclass(frozen=True, slots=True, eq=False)
class SwitchedScore(Score):
    """F as a function of one switch a token (B, T), with the text's embeddings (B, T, D) as a parameter.

    A second parameter, (B, T, D), is what the absence of a word takes from the embedding at its own position.
    """

    keys: tuple[Keys, ...] = ()
    epsilon: float = 1.0

    def logits(self, points: Tensor, *parameters: Tensor) -> Tensor:
        """The logits (B, C) at switches (B, T)."""
        embeddings = parameters[0]
        if len(parameters) > 1:
            embeddings = embeddings - (1 - points).unsqueeze(-1) * parameters[1]
        with SwitchedValues(points, self.keys, self.epsilon):
            return Score.logits(self, embeddings)

    @property
    def key(self) -> Hashable:
        """The key of the score, and how its switches enter."""
        return (Score.key.fget(self), self.epsilon)  # type: ignore[attr-defined]
