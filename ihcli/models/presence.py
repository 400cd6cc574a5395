"""Presence: the explained scalar F(s) as a function of one switch s_u in [0, 1] for each unit of a text.

F(1) is the score of the text, F(0) that of the baseline, where every unit is absent. How a unit is absent is the
baseline: its embeddings at s = 0 (pad, mask, unk, zero, a text), or its values zeroed in every attention.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ihcli.attribution.path import Path
from ihcli.attribution.sampling import EMBEDDINGS, VALUE_ZEROING, SamplingPlan
from ihcli.errors import BaselineError, PreflightError
from ihcli.models.encoding import EncodedText
from ihcli.models.score import Score, SwitchedScore
from ihcli.models.smoothing import LARGEST_GAP, SHARPNESS, names, observe
from ihcli.models.value_zeroing import EPSILON, ValuePlan, absence
from ihcli.results import Surrogate

PARITY = 1e-5
"""Largest difference of F(1) from the text's score, relative to the larger of it and 1."""
_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Presence:
    """F of one text under one kind of absence."""

    score: Score
    """f: the points of a path, and its parameters, to the scalar (B,)."""
    paths: tuple[Path, ...]
    """The path t·1 of F, one for each baseline."""
    plan: SamplingPlan
    """How densely such paths are sampled."""
    description: dict[str, Any]
    """What the result says of the baseline."""
    surrogate: Surrogate | None = field(default=None)
    """What smoothing kinks changed; None without smoothing."""

    def at(self, switches: Tensor) -> Tensor:
        """F at switches (B, U) of the units, the mean over the baselines, without a graph (B,) in float64."""
        found = []
        for path in self.paths:
            known = torch.cat([switches, torch.zeros_like(switches[:, :1])], dim=1)  # no unit: any value, δ is 0
            own = known[:, torch.where(path.groups < 0, path.units, path.groups)]
            factor = own.view(*own.shape, *[1] * (path.delta.dim() - path.groups.dim())).to(path.delta)
            with torch.no_grad():
                value = self.score(path.start + factor * path.delta, *path.parameters_at(len(switches)))
            found.append(value.double())
        return torch.stack(found).mean(0)


def of_embeddings(
    score: Score, x: Tensor, encoded: EncodedText, baselines: Sequence[Tensor], description: dict[str, Any]
) -> Presence:
    """Presence by embeddings: F(s) = f(x' + s δ) for each baseline x' (T, D)."""
    paths = tuple(Path.between(x, own, encoded.groups) for own in baselines)
    return Presence(score, paths, EMBEDDINGS, description)


def of_values(
    score: Score, x: Tensor, encoded: EncodedText, plan: ValuePlan, token: int | None, tokenizer: Any, kind: str
) -> Presence:
    """Presence by value vectors: each is multiplied by the switch of its token in every attention.

    With the kind `masked-attention` the weights of absent tokens go to the present ones: for corners only.

    Raises `BaselineError` where the model does not allow it.
    """
    if plan.refusal is not None:
        raise BaselineError(plan.refusal)
    kept = {f.name: getattr(score, f.name) for f in dataclasses.fields(score)}
    switched = SwitchedScore(**kept, keys=plan.keys, epsilon=0.0 if kind == "masked-attention" else EPSILON)
    present = encoded.explained.to(x)
    difference = absence(score.adapter, encoded, x, plan.reads, token)
    parameters = (x,) if difference is None else (x, difference)
    path = Path(1 - present, present, encoded.groups, len(encoded.units), parameters)
    description: dict[str, Any] = {"kind": kind}
    if difference is not None:
        description["embeddings_switched"] = plan.reads
        description["token"] = None if token is None else tokenizer.convert_ids_to_tokens(token)
    with torch.no_grad():
        ones = torch.ones_like(present)[None]
        value, expected = switched(ones, *path.parameters_at(1)), score(x[None])
    gap = float((value - expected).abs() / expected.abs().clamp_min(1.0))
    if not gap <= PARITY:
        message = (
            f"{kind} changes the score of the whole text by {gap:.1e} in this model, where {PARITY:g} is "
            "allowed. Use the baseline mask, or pad."
        )
        raise PreflightError(message)
    return Presence(switched, (path,), VALUE_ZEROING, description)


def smoothed(presence: Presence, kinks: Sequence[str], smoothing: float | str) -> Presence:
    """The presence with its kinks replaced by a softplus and what that changed; itself where there is nothing to do."""
    if not kinks or smoothing == "off":
        return presence
    path = presence.paths[0]
    calls = observe(presence.score, path.start + path.delta, *path.parameters)
    if not any(kink is not None and kink.smoothable for kink in calls):
        return presence
    plain = _along(presence.score, presence.paths)
    candidates = (smoothing,) if isinstance(smoothing, float) else SHARPNESS
    for beta in candidates:
        score = dataclasses.replace(presence.score, kinks=calls, beta=beta)
        change = _change(plain, _along(score, presence.paths), presence.score, score, path)
        if change.small or beta == candidates[-1]:
            smoothable = names([kink for kink in calls if kink is not None and kink.smoothable])
            surrogate = Surrogate(beta, smoothable, change.f_input, change.difference, change.label)
            return dataclasses.replace(presence, score=score, surrogate=surrogate)
    return presence


@dataclass(frozen=True, slots=True)
class _Change:
    """What smoothing changed: F(1); F(1) - F(0), and its size; F(t·1) - F(0) at worst, and its size; the label."""

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


def _along(score: Score, paths: Sequence[Path]) -> Tensor:
    """F at quarters of each path, (5, K), in float64."""
    columns = []
    for path in paths:
        t = torch.tensor(_QUARTERS, dtype=path.delta.dtype, device=path.delta.device)
        with torch.no_grad():
            columns.append(score(path.points(t), *path.parameters_at(len(t))).double())
    return torch.stack(columns, dim=1)


def _change(before: Tensor, after: Tensor, plain: Score, smooth: Score, path: Path) -> _Change:
    with torch.no_grad():
        end = (path.start + path.delta)[None]
        parameters = path.parameters_at(1)
        label = plain.logits(end, *parameters).argmax() != smooth.logits(end, *parameters).argmax()
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
