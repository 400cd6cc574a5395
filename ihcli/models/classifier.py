"""A loaded classifier: from text to everything that an explanation needs of the model."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from ihcli.config import BaselineSection, TargetSection, UnitsSection
from ihcli.errors import BaselineError
from ihcli.models import encoding, targets, value_zeroing
from ihcli.models.adapter import Adapter
from ihcli.models.baselines import baseline_ids
from ihcli.models.discontinuities import Choices
from ihcli.models.encoding import EncodedText
from ihcli.models.presence import Presence, of_embeddings, of_values, smoothed
from ihcli.models.score import Score
from ihcli.models.units import Place
from ihcli.results import ModelInfo, Prediction, Target

ProblemType = Literal["single_label", "multi_label", "regression"]


@dataclass(frozen=True, slots=True, eq=False)
class LoadedClassifier:
    """A classifier in evaluation mode, without gradients of its own; made by `load_classifier`."""

    info: ModelInfo
    labels: tuple[str, ...]
    problem: ProblemType
    max_tokens: int
    device: torch.device
    dtype: torch.dtype
    tokenizer: Any
    model: Any
    adapter: Adapter
    smoothing: float | str
    """`off`, `auto` or a sharpness."""
    kinks: tuple[str, ...]
    """Kinked operations that depend on the input, by name, as often as a sample text meets them."""
    choices: Choices
    """What a sample text lets the input choose."""
    notes: tuple[str, ...] = ()
    """What every explanation of this model must say beside its numbers."""
    _value_plans: list[value_zeroing.ValuePlan] = field(default_factory=list)
    """How value zeroing enters the model, once it is known."""

    def encode(
        self,
        text: str,
        text_pair: str | None = None,
        *,
        units: UnitsSection,
        truncation: bool = False,
        opened: Collection[Place] | None = None,
    ) -> EncodedText:
        """Tokenize a text and group its tokens into units; raises `InputError`, `TextTooLongError`, `ModelError`."""
        encoded = encoding.encode(
            self.tokenizer, text, text_pair, units,
            limit=self.max_tokens, accepted=self.adapter.accepted, truncation=truncation, device=self.device,
            opened=opened,
        )  # fmt: skip
        self.adapter.require_known(encoded.input_ids)
        encoding.require_token_types(encoded, self.model)
        return encoded

    def embed(self, encoded: EncodedText) -> Tensor:
        """The input embeddings x (T, D)."""
        return self.adapter.embed(encoded.input_ids)

    def predict(self, encoded: EncodedText) -> Prediction:
        """What the model says of the text, by its ids."""
        with torch.no_grad():
            logits = self.adapter.of_ids(encoded.input_ids[None], encoded.extras)[0].double()
        found = targets.probabilities(logits, self.problem)
        index = int(found.argmax())
        names = _unique(self.labels)
        return Prediction(names[index], index, dict(zip(names, found.tolist(), strict=True)), self.problem)

    def target(self, section: TargetSection, prediction: Prediction) -> Target:
        """The scalar to explain; raises `TargetError`."""
        return targets.resolve(section, prediction, self.labels, self.problem)

    def score(self, encoded: EncodedText, target: Target) -> Score:
        """The explained scalar as a function of embeddings (B, T, D), nothing smoothed; raises `PreflightError`."""
        against = None if target.against is None else targets.recorded_index(target.against, self.labels)
        plan = self.adapter.plan(encoded.input_ids, encoded.extras)
        return Score(self.adapter, encoded, target, against, self.problem, plan)

    def presence(self, encoded: EncodedText, target: Target, baseline: BaselineSection) -> Presence:
        """F, the explained scalar as a function of switches, for one kind of absence.

        Kinks are smoothed as the configuration says; `Presence.surrogate` says what that changed.  With `auto` the
        sharpness is the smallest that changes F(1) - F(0) by under 1 % of it, and F(t·1) - F(0) at t = ¼, ½, ¾ by under
        1 % of its largest value; where none does, it is the sharpest.  Raises `BaselineError`, `PreflightError`.
        """
        score, x = self.score(encoded, target), self.embed(encoded)
        kind = self.resolved_kind(baseline)
        if kind in {"value-zeroing", "masked-attention"}:
            presence = of_values(score, x, encoded, self.value_plan(), self.absent_token(), self.tokenizer, kind)
        elif kind == "zero":
            presence = of_embeddings(score, x, encoded, [torch.where(encoded.explained[:, None], 0.0, x)],
                                     {"kind": "zero"})  # fmt: skip
        else:
            ids, description = self._baseline_ids(encoded, baseline.model_copy(update={"kind": kind}))
            presence = of_embeddings(score, x, encoded, [self.adapter.embed(own) for own in ids], description)
        if baseline.kind == "auto":
            presence.description["chosen"] = "auto"
        return smoothed(presence, self.kinks, self.smoothing)

    def resolved_kind(self, baseline: BaselineSection) -> str:
        """The kind of baseline: with `auto` value zeroing where the model allows it, else mask, pad or zero."""
        if baseline.kind != "auto":
            return baseline.kind
        if self.value_plan().refusal is None:
            return "value-zeroing"
        for kind in ("mask", "pad"):
            if getattr(self.tokenizer, f"{kind}_token_id", None) is not None:
                return kind
        return "zero"

    def value_plan(self) -> value_zeroing.ValuePlan:
        """How value zeroing enters this model, or why it cannot; found on a sample text, once."""
        if not self._value_plans:
            sample = self.encode(encoding.SAMPLE, units=UnitsSection(), truncation=True)
            plan = value_zeroing.find_plan(self.adapter, sample, self.info.architecture, self.absent_token())
            self._value_plans.append(plan)
        return self._value_plans[0]

    def absent_token(self) -> int | None:
        """The token that says nothing: mask, else unk, else pad; None where the tokenizer has none of them."""
        rows = self.adapter.rows
        for kind in ("mask", "unk", "pad"):
            token = getattr(self.tokenizer, f"{kind}_token_id", None)
            if token is not None and (rows is None or token < rows):
                return int(token)
        return None

    def _baseline_ids(self, encoded: EncodedText, baseline: BaselineSection) -> tuple[list[Tensor], dict[str, Any]]:
        """Ids (T,) of every baseline that is made of tokens, and its description; raises `BaselineError`."""
        ids, description = baseline_ids(self.tokenizer, encoded, baseline)
        rows = self.adapter.rows
        for own in ids:
            if rows is not None and int(own.max()) >= rows:
                message = (
                    f"The baseline {baseline.kind} needs the token {int(own.max())}, and the model has embeddings for "
                    f"{rows} only: its tokenizer has tokens that the model never learnt. Choose zero, or a text."
                )
                raise BaselineError(message)
            if torch.equal(own, encoded.input_ids):
                message = (
                    f"The baseline {baseline.kind} equals the text itself, token by token, so there is nothing between "
                    "them to explain. Choose another baseline."
                )
                raise BaselineError(message)
        return ids, description


def _unique(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Labels as keys: those that share a name get their index, and all of them where that is not enough."""
    names = tuple(label if labels.count(label) == 1 else f"{label} ({i})" for i, label in enumerate(labels))
    return names if len(set(names)) == len(names) else tuple(f"{label} ({i})" for i, label in enumerate(labels))
