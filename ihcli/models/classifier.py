"""A loaded classifier: from text to everything that an explanation needs of the model."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ihcli.attribution.estimate import Estimate
from ihcli.attribution.forward import Choice
from ihcli.config import BaselineSection, TargetSection, UnitsSection
from ihcli.errors import BaselineError
from ihcli.models import encoding, preflight, targets
from ihcli.models.adapter import Adapter
from ihcli.models.baselines import Baselines, baseline_ids
from ihcli.models.discontinuities import Choices
from ihcli.models.encoding import EncodedText
from ihcli.models.score import Score, evaluate
from ihcli.models.smoothing import LARGEST_GAP, SHARPNESS, names, observe
from ihcli.results import ModelInfo, Prediction, Surrogate, Target

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

    @property
    def beta(self) -> float | None:
        """The sharpness that was asked for; None with `off`, `auto` or a model without kinks."""
        return self.smoothing if self.kinks and isinstance(self.smoothing, float) else None

    def encode(
        self, text: str, text_pair: str | None = None, *, units: UnitsSection, truncation: bool = False
    ) -> EncodedText:
        """Tokenize a text and group its tokens into units; raises `InputError`, `TextTooLongError`, `ModelError`."""
        encoded = encoding.encode(
            self.tokenizer, text, text_pair, units,
            limit=self.max_tokens, accepted=self.adapter.accepted, truncation=truncation, device=self.device,
        )  # fmt: skip
        self.adapter.require_known(encoded.input_ids)
        return encoded

    def embed(self, encoded: EncodedText) -> Tensor:
        """The input embeddings x (T, D)."""
        return self.adapter.embed(encoded.input_ids)

    def baselines(self, encoded: EncodedText, baseline: BaselineSection) -> Baselines:
        """The baseline embeddings x', one or several; special tokens keep their own.  Raises `BaselineError`."""
        x = self.embed(encoded)
        if baseline.kind == "zero":
            return Baselines((torch.where(encoded.explained[:, None], 0.0, x),), {"kind": "zero"})
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
        return Baselines(tuple(self.adapter.embed(own) for own in ids), description)

    def predict(self, encoded: EncodedText) -> Prediction:
        """What the model says of the text, by its ids."""
        with torch.no_grad():
            logits = self.adapter.of_ids(encoded.input_ids[None], encoded.extras)[0].double()
        found = targets.probabilities(logits, self.problem)
        index = int(found.argmax())
        return Prediction(self.labels[index], index, dict(zip(_unique(self.labels), found.tolist(), strict=True)))

    def target(self, section: TargetSection, prediction: Prediction) -> Target:
        """The scalar to explain; raises `TargetError`."""
        return targets.resolve(section, prediction, self.labels, self.problem)

    def score(
        self, encoded: EncodedText, target: Target, baselines: Baselines | None = None, *, smoothed: bool = True
    ) -> Score:
        """f: (B, T, D) to (B,); its `beta` says how sharp the smoothing is, None without.

        With `auto` the sharpness is the smallest that changes f(x) - f(x') by under 1 % of it, and f(γ(t)) - f(x') at
        t = ¼, ½, ¾ by under 1 % of its largest; it needs the baselines.  Without them, or where none suffices, it is
        the sharpest.  Raises `PreflightError`.
        """
        against = None if target.against is None else targets.find_label(target.against, self.labels, "label")
        plan = self.adapter.plan(encoded.input_ids, encoded.extras)
        plain = Score(self.adapter, encoded, target, against, self.problem, plan)
        if not smoothed or not self.kinks or self.smoothing == "off":
            return plain
        x = self.embed(encoded)
        calls = observe(plain, x)
        if not any(kink is not None and kink.smoothable for kink in calls):
            return plain
        if isinstance(self.smoothing, float):
            return dataclasses.replace(plain, kinks=calls, beta=self.smoothing)
        for beta in SHARPNESS if baselines is not None else ():
            score = dataclasses.replace(plain, kinks=calls, beta=beta)
            if baselines is not None and _change(plain, score, x, baselines).small:
                return score
        return dataclasses.replace(plain, kinks=calls, beta=SHARPNESS[-1])

    def surrogate(self, encoded: EncodedText, target: Target, baselines: Baselines) -> Surrogate | None:
        """What smoothing changed; None when nothing was smoothed."""
        score = self.score(encoded, target, baselines)
        if score.beta is None:
            return None
        plain = dataclasses.replace(score, kinks=(), beta=None)
        change = _change(plain, score, self.embed(encoded), baselines)
        kinks = names([kink for kink in score.kinks if kink is not None and kink.smoothable])
        return Surrogate(score.beta, kinks, change.f_input, change.difference, change.label)

    def preflight(self, encoded: EncodedText | None = None, *, thorough: bool) -> "preflight.Report":
        """Whether this model can be explained faithfully, on a text of the user's or a sample."""
        return preflight.inspect(self, encoded, thorough=thorough)

    def cost(self, encoded: EncodedText | None = None) -> tuple[Choice, Estimate]:
        """Which engine takes the second derivatives of a text of the user's or a sample, and what explaining it costs.

        Only for a model that passed its preflight.
        """
        return preflight.cost(self, preflight.sample(self) if encoded is None else encoded)


_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class _Change:
    """What smoothing changed: f(x); f(x) - f(x'), and its size; f(γ(t)) - f(x') at worst, and its size; the label."""

    f_input: float
    difference: float
    size: float
    along: float
    excursion: float
    label: bool

    @property
    def small(self) -> bool:
        return (
            abs(self.difference) <= LARGEST_GAP * self.size
            and self.along <= LARGEST_GAP * self.excursion
            and not self.label
        )


def _change(plain: Score, smooth: Score, x: Tensor, baselines: Baselines) -> _Change:
    ends = torch.stack(baselines.embeddings)  # (K, T, D)
    points = torch.cat([ends + t * (x - ends) for t in _QUARTERS])
    before, after = (evaluate(score, points).view(len(_QUARTERS), -1) for score in (plain, smooth))  # (5, K)
    with torch.no_grad():
        label = plain.logits(x[None]).argmax() != smooth.logits(x[None]).argmax()
    was, became = before - before[0], after - after[0]
    difference = float(was[-1].mean())
    return _Change(
        f_input=float(after[-1, 0] - before[-1, 0]),
        difference=float(became[-1].mean()) - difference,
        size=abs(difference),
        along=float((became - was).abs().max()),
        excursion=float(was.abs().max()),
        label=bool(label),
    )


def _unique(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Labels as keys: those that share a name get their index."""
    return tuple(label if labels.count(label) == 1 else f"{label} ({i})" for i, label in enumerate(labels))
