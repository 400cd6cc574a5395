"""One text on its way to the result document: prepared, then recorded with its warnings and its check by removal."""

import dataclasses
import platform
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers

from ihcli import __version__, mixed_units, wording
from ihcli.attribution.integrated import Interactions
from ihcli.attribution.time_limit import TimeLimit
from ihcli.config import RunConfig
from ihcli.errors import BaselineError, InputError, ModelError
from ihcli.models import EncodedText, LoadedClassifier, Presence
from ihcli.models.deletion import DeletionGame
from ihcli.removal_check import check_by_removal
from ihcli.results import Environment, Explanation, PathProfile, Prediction, Surrogate, Target
from ihcli.text_games import GameExplanation

SURROGATE_SHARE = 0.01
"""A surrogate gap above this share of f(x) - f(x') is worth a warning."""


@dataclass(frozen=True, slots=True)
class PreparedText:
    """One text, ready to integrate."""

    encoded: EncodedText
    """Its tokens and units."""
    prediction: Prediction
    """What the model predicts for it."""
    target: Target
    """The explained scalar f."""
    presence: Presence | None
    """F of the text; None for the game of deletion, which has no switches."""

    @property
    def key(self) -> Any:
        """Equal for texts whose nodes may share forward passes."""
        presence = self.switched
        path = presence.paths[0]
        return presence.score.key, path.delta.shape, path.delta.dtype, path.delta.device

    @property
    def switched(self) -> Presence:
        """The presence of a text that has one."""
        assert self.presence is not None  # noqa: S101  (asked of texts whose baseline has switches)
        return self.presence


def recorded(
    prepared: PreparedText,
    result: Interactions | GameExplanation,
    config: RunConfig,
    classifier: LoadedClassifier,
    deleted: dict[bytes, Any],
    limit: TimeLimit | None = None,
) -> Explanation:
    """The record of one explanation, and its check by removal where there is time for it.

    Args:
        prepared: The text.
        result: What was computed for it.
        config: The configuration that it was computed under.
        classifier: The model.
        deleted: Logits of cut texts by their token ids, which the check reads and extends.
        limit: The time that the check is left out after.
    """
    encoded, presence = prepared.encoded, prepared.presence
    surrogate = None if presence is None else presence.surrogate
    certificate = dataclasses.replace(
        result.certificate,
        surrogate=surrogate,
        surrogate_gap=None if surrogate is None else abs(surrogate.difference_change),
    )
    integral = result if isinstance(result, Interactions) else None
    explanation = Explanation(
        text=encoded.text,
        text_pair=encoded.text_pair,
        model=classifier.info,
        prediction=prepared.prediction,
        target=prepared.target,
        baseline={"kind": "deletion"} if presence is None else presence.description,
        units=encoded.units,
        f_input=result.f_input,
        f_baseline=result.f_baseline,
        ig=result.ig,
        ih=result.ih,
        certificate=certificate,
        quadrature=result.quadrature,
        environment=environment(classifier.device),
        path=None if integral is None else integral.path,
        config=config.to_dict(),
        ih_spread=None if integral is None else integral.ih_spread,
        method=config.attribution.method,
    )
    found = _warnings(explanation, surrogate, truncated=encoded.truncated)
    if integral is not None and integral.stopped:
        found.insert(0, _stopped(explanation))
    if config.units.kind == "auto" and (note := mixed_units.closed_note(explanation)) is not None:
        found.append(note)
    in_time = limit is None or limit.left > 0
    if config.attribution.removal and not in_time:
        why = (
            "the explanation was ended early"
            if limit is not None and limit.interrupted
            else "no time was left (--max-seconds)"
        )
        found.append(f"The check by removal was left out: {why}.")
    warnings = (*classifier.notes, *encoded.notes, *found)
    explanation = dataclasses.replace(explanation, warnings=warnings)
    if not (config.attribution.removal and in_time):
        return explanation
    return _with_removal(explanation, DeletionGame(classifier, prepared.encoded, prepared.target, deleted))


def _with_removal(explanation: Explanation, game: DeletionGame) -> Explanation:
    """The explanation with its check by removal."""
    try:
        removal = check_by_removal(explanation, game)
    except (BaselineError, InputError, ModelError) as error:
        warning = f"The check by removal was not possible: {error}"
        return dataclasses.replace(explanation, warnings=(*explanation.warnings, warning))
    warnings = wording.contradictions(explanation, removal)
    return dataclasses.replace(explanation, removal=removal, warnings=(*explanation.warnings, *warnings))


def _warnings(explanation: Explanation, surrogate: Surrogate | None, *, truncated: bool) -> list[str]:
    warnings: list[str] = []
    difference = abs(explanation.f_input - explanation.f_baseline)
    if truncated:
        warnings.append("The text was cut to what the model reads; the prediction and the matrix are of that part.")
    if surrogate is not None:
        if abs(surrogate.difference_change) > SURROGATE_SHARE * difference:
            warnings.append(
                f"Smoothing the kinks ({', '.join(surrogate.kinks)}) changed f(x) - f(x') by "
                f"{surrogate.difference_change:.3g} of {difference:.3g}: the matrix explains the smoothed model."
            )
        if surrogate.label_changed:
            warnings.append("Smoothing the kinks changed the predicted label: the matrix explains the smoothed model.")
    if not explanation.converged:
        warnings.append("The tolerance was not met: entries may be off by more than it allows.")
        if explanation.path is not None and _turns_at_baseline(explanation.path):
            warnings.append(
                "f turns sharply right at the baseline, as where a normalisation meets a zero vector (an embedding of "
                "pad is often one). Another baseline, such as mask, makes the path smoother."
            )
    return warnings


def _stopped(explanation: Explanation) -> str:
    """What to say of a matrix whose integration was ended early."""
    error, largest = explanation.certificate.quadrature_error, float(np.nanmax(np.abs(explanation.ih)))
    rows = " Only some entries were computed, and others may be stronger." if np.isnan(explanation.ih).any() else ""
    return (
        f"Ended early, after {explanation.quadrature.nodes} Hessians: entries may be off by about {error:.3g}, "
        f"{error / largest:.2g} of the largest.{rows}"
    )


def _turns_at_baseline(path: PathProfile) -> bool:
    """Whether more than a quarter of what f does along the path happens in its first hundredth."""
    near = np.abs(path.f - path.f[np.argmin(path.t)])[path.t <= 0.01]  # noqa: PLR2004
    return bool(near.max() > np.ptp(path.f) / 4)


def environment(device: torch.device) -> Environment:
    """Versions and device of this process."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return Environment(__version__, torch.__version__, transformers.__version__, platform.python_version(), name)
