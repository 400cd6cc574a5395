"""The preflight: whether a model that loads can be explained faithfully, said check by check."""

import copy
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ihcli.config import BaselineSection, RunConfig
from ihcli.counting import counted
from ihcli.errors import PreflightError
from ihcli.models.adapter import PARITY, parity
from ihcli.models.classifier import LoadedClassifier
from ihcli.models.encoding import SAMPLE, EncodedText
from ihcli.models.score import Score
from ihcli.models.smoothing import SMOOTHED
from ihcli.results import Target

ROW_ERROR = 1e-3
"""Largest error of a row of second derivatives, relative to its largest entry."""
BATCHING = 1e-4
"""Largest change of f when a text is computed beside others; float32 sums in another order."""
# The large ones are for models that compute in float32 somewhere within.
_STEPS = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4)


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: what was looked at, whether it is well, and what was seen."""

    name: str
    """What was looked at."""
    ok: bool
    """Whether it is well."""
    detail: str
    """What was seen, in a sentence."""


@dataclass(frozen=True, slots=True)
class Report:
    """All findings about one model."""

    checks: tuple[Check, ...]
    """The findings, in the order in which they were made."""

    @property
    def ok(self) -> bool:
        """Whether every check is well."""
        return all(check.ok for check in self.checks)

    def require(self) -> None:
        """Raise `PreflightError` unless every check is well."""
        if not self.ok:
            raise PreflightError("\n".join(check.detail for check in self.checks if not check.ok))


def sample(classifier: LoadedClassifier) -> EncodedText:
    """The text that a model is tried on when the user gives none."""
    return classifier.encode(SAMPLE, units=RunConfig().units, truncation=True)


def inspect(
    classifier: LoadedClassifier, encoded: EncodedText | None, *, thorough: bool, derivatives: bool = True
) -> Report:
    """The cheap checks, or all of them; nothing is raised for what is found.

    Without `derivatives` discontinuities are allowed: the explanation evaluates the model and does not differentiate.
    """
    if encoded is None:
        encoded = sample(classifier)
    checks = [_parity(classifier, encoded)]
    if derivatives:
        checks += [_jumps(classifier), _kinks(classifier)]
    if thorough:
        checks += [
            _value_zeroing(classifier),
            Check("head", ok=True, detail="Every weight of the classification head came from the checkpoint."),
            _labels(classifier),
            Check("limit", ok=True, detail=f"Reads at most {classifier.max_tokens} tokens."),
            _precision(classifier),
            _attention(classifier),
            Check("tokenizer", ok=True, detail=f"{type(classifier.tokenizer).__name__} is fast and gives offsets."),
        ]
        if checks[0].ok and checks[1].ok:
            score = _score(classifier, encoded)
            checks += [_batching(classifier, encoded, score), _row(classifier, encoded, score)]
    return Report(tuple(checks))


def _parity(classifier: LoadedClassifier, encoded: EncodedText) -> Check:
    adapter = classifier.adapter
    if adapter.route is None:
        return Check("parity", ok=False, detail=adapter.reason)
    gap = parity(adapter, encoded.input_ids, encoded.extras, encoded.explained)
    way = "inputs_embeds" if adapter.route == "inputs_embeds" else "a hook on the embedding layer"
    if gap <= PARITY:
        return Check("parity", ok=True, detail=f"Embeddings through {way} give the logits of the ids to {gap:.1e}.")
    detail = (
        f"Embeddings through {way} change the logits by {gap:.1e} of the largest for this text; at most {PARITY:g} is "
        "allowed. The model reads the tokens of this text in another way too, so an explanation would be of another "
        "function."
    )
    return Check("parity", ok=False, detail=detail)


def _jumps(classifier: LoadedClassifier) -> Check:
    if not classifier.choices.jumps:
        return Check("jumps", ok=True, detail="No jumps: the input chooses nothing by an index or by rounding.")
    detail = (
        f"{classifier.info.architecture} cannot be explained: its input decides what is computed (an expert, a bucket, "
        f"a rounding; here by {', '.join(classifier.choices.jumps)}), so its score jumps between the baseline and the "
        "text, and a function that jumps has no Integrated Hessians."
    )
    return Check("jumps", ok=False, detail=detail)


def _kinks(classifier: LoadedClassifier) -> Check:
    kinks = [*classifier.kinks, *(f"comparison ({name})" for name in classifier.choices.branches)]
    if not kinks:
        return Check("kinks", ok=True, detail="No kinks: the model is smooth.")
    smoothed = [name for name in kinks if name in SMOOTHED and classifier.smoothing != "off"]
    left = [name for name in kinks if name not in smoothed]
    parts = []
    if smoothed:
        sharpness = "chosen for each text" if classifier.smoothing == "auto" else f"{classifier.smoothing:g}"
        parts.append(
            f"{_counted(smoothed)}: replaced by a softplus while an explanation runs, its sharpness {sharpness}."
        )
    if left:
        parts.append(f"{_counted(left)}: left as it is; the row gap shows what its second derivative misses.")
    return Check("kinks", ok=True, detail=" ".join(parts))


def _value_zeroing(classifier: LoadedClassifier) -> Check:
    """Which baselines the model allows; none of it makes the model fail."""
    plan = classifier.value_plan()
    if plan.refusal is not None:
        return Check("value zeroing", ok=True, detail=f"Not available: {plan.refusal}")
    switched = {
        "none": "the head reads no word's own position",
        "last": "the head reads the last word's own position, whose embedding is switched too",
        "all": "the head reads every word's own position, so embeddings are switched too",
    }[plan.reads]
    return Check("value zeroing", ok=True, detail=f"Available in {counted(len(plan.keys), 'attention')}; {switched}.")


def _counted(kinks: Sequence[str]) -> str:
    return ", ".join(f"{kinks.count(name)} {name}" for name in sorted(set(kinks)))


def _labels(classifier: LoadedClassifier) -> Check:
    listed = ", ".join(classifier.labels)
    if len(set(classifier.labels)) < len(classifier.labels):
        return Check("labels", ok=True, detail=f"{listed}: some share a name; name a target by its index.")
    return Check("labels", ok=True, detail=f"{classifier.problem.replace('_', ' ')}: {listed}.")


def _precision(classifier: LoadedClassifier) -> Check:
    found = sorted(
        {str(p.dtype).removeprefix("torch.") for p in classifier.model.parameters() if p.is_floating_point()}
    )
    ok = found == [str(classifier.dtype).removeprefix("torch.")]
    detail = f"Parameters are {', '.join(found)}." if ok else f"Parameters are {', '.join(found)}; all must be one."
    return Check("dtype", ok=ok, detail=detail)


def _attention(classifier: LoadedClassifier) -> Check:
    kind = getattr(classifier.model.config, "_attn_implementation", None) or "eager"
    ok = kind == "eager"
    detail = f"Attention is {kind}." if ok else f"Attention is {kind}; fused kernels have no second derivative."
    return Check("attention", ok=ok, detail=detail)


def _score(classifier: LoadedClassifier, encoded: EncodedText) -> Score:
    """The smoothed score of the predicted label's logit, under the one baseline that every tokenizer can have."""
    prediction = classifier.predict(encoded)
    target = Target(prediction.label, prediction.index, "logit")
    return classifier.presence(encoded, target, BaselineSection(kind="zero")).score


def _batching(classifier: LoadedClassifier, encoded: EncodedText, score: Score) -> Check:
    """F of one text alone against f of it beside others of the same length."""
    x = classifier.embed(encoded)
    with torch.no_grad():
        points = torch.stack([x * scale for scale in (1.0, 0.5, 0.0)])
        together = score(points)
        alone = torch.cat([score(point[None]) for point in points])
    gap = float((together - alone).abs().max() / alone.abs().max().clamp_min(1e-3))
    if gap <= BATCHING:
        return Check("batching", ok=True, detail=f"A text computed beside others gives the same to {gap:.1e}.")
    return Check("batching", ok=False, detail=f"A text computed beside others gives another score, by {gap:.1e}.")


def _row(classifier: LoadedClassifier, encoded: EncodedText, score: Score) -> Check:
    """One row of second derivatives against central differences of the gradient, on a copy in float64."""
    try:
        error = row_error(score, classifier.embed(encoded), encoded.explained)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as stopped:
        reason = str(stopped).strip().splitlines()[0]
        detail = (
            f"{classifier.info.architecture} cannot be explained: its second derivatives could not be checked in "
            f"float64, it stops there ({reason[:200]})."
        )
        return Check("second derivatives", ok=False, detail=detail)
    if error <= ROW_ERROR:
        return Check("second derivatives", ok=True, detail=f"Agree with differences of the gradient to {error:.1e}.")
    detail = (
        f"{classifier.info.architecture} cannot be explained: its second derivatives differ from differences of its "
        f"gradient by {error:.1e} of the largest, where at most {ROW_ERROR:g} is allowed. It brings a backward pass of "
        "its own that is only an approximation, or it jumps."
    )
    return Check("second derivatives", ok=False, detail=detail)


def row_error(score: Score, x: Tensor, explained: Tensor) -> float:
    """Max |H v - (∇f(x + hv) - ∇f(x - hv))/2h| relative to max |H v|, at the best of a few steps h.

    v is the embedding of the first explained token, H v comes from reverse over reverse.  The model is copied to
    float64 for it.
    """
    adapter = score.adapter
    twin = dataclasses.replace(score, adapter=dataclasses.replace(adapter, model=copy.deepcopy(adapter.model).double()))
    x = x.double()
    place = int(explained.nonzero()[0])
    direction = torch.zeros_like(x)
    direction[place] = x[place]
    point = x[None].clone().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(twin(point).sum(), point, create_graph=True)
        (exact,) = torch.autograd.grad((slope * direction).sum(), point, allow_unused=True, materialize_grads=True)
    scale = float(exact.abs().max())
    errors = []
    for step in _STEPS:
        points = torch.stack([x + step * direction, x - step * direction]).requires_grad_()
        with torch.enable_grad():
            (slopes,) = torch.autograd.grad(twin(points).sum(), points)
        difference = (slopes[0] - slopes[1]) / (2 * step)
        errors.append(float((difference - exact[0]).abs().max()))
    return min(errors) / scale if scale > 0 else min(errors)
