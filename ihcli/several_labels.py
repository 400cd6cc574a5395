"""Several labels of one text, explained from one traced computation."""

import copy
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from ihcli.attribution.evaluation import Progress
from ihcli.attribution.forward import fastest
from ihcli.attribution.integrated import Interactions, integrate_paths
from ihcli.attribution.time_limit import TimeLimit
from ihcli.errors import IhError
from ihcli.explanation_record import PreparedText
from ihcli.models import LoadedClassifier
from ihcli.models.score import LabelledScore
from ihcli.models.targets import ALL
from ihcli.results import Explanation, Surrogate
from ihcli.text_games import is_game

if TYPE_CHECKING:
    from ihcli.pipeline import Explainer


def explain_each(
    explainer: "Explainer",
    text: str,
    text_pair: str | None,
    labels: Sequence[int],
    progress: Progress | None,
    limit: TimeLimit,
) -> list[Explanation]:
    """Explain the labels at some indices, which share the logits of cut texts, and where they can one integration.

    Args:
        explainer: The classifier and its configuration.
        text: The text.
        text_pair: A second text, for models that read two.
        labels: Indices of the labels.
        progress: Called as (phase, nodes done, nodes of the phase).
        limit: The time that all labels share.

    Returns:
        An explanation for each label, in the order given.
    """
    deleted: dict[bytes, Any] = {} if explainer.deleted is None else explainer.deleted
    own = [of_label(explainer, index, deleted) for index in labels]
    config = explainer.config
    if _are_opposite(explainer, labels):
        return _with_the_negative(text, text_pair, own, progress, limit)
    if is_game(config) or config.baseline.others or config.target.output != "logit":
        return _apart(text, text_pair, own, progress, limit)
    return _together(text, text_pair, own, progress, limit)


def integrations(explainer: "Explainer", labels: Sequence[int]) -> int:
    """The number of matrices that the labels at some indices take: one each, or one for two opposite scores."""
    return 1 if _are_opposite(explainer, labels) else len(labels)


def of_label(explainer: "Explainer", index: int, deleted: dict[bytes, Any] | None) -> "Explainer":
    """The explainer of one label, with the logits of cut texts that all labels share."""
    names = explainer.classifier.labels
    label: str = names[index]
    if names.count(label) > 1 or label.isdecimal() or label in {"predicted", ALL}:
        label = f"index:{index}"
    other = copy.copy(explainer)
    other.deleted = deleted
    target = explainer.config.target.model_copy(update={"label": label})
    other.config = explainer.config.model_copy(update={"target": target})
    return other


def _apart(
    text: str, text_pair: str | None, own: Sequence["Explainer"], progress: Progress | None, limit: TimeLimit
) -> list[Explanation]:
    """Each label integrated by itself."""
    return [one.explain(text, text_pair, progress=progress, limit=limit) for one in own]


def _together(
    text: str, text_pair: str | None, own: Sequence["Explainer"], progress: Progress | None, limit: TimeLimit
) -> list[Explanation]:
    """The logits of all labels integrated in shared batches of one traced computation."""
    one = own[0]
    first = one.prepare(text, text_pair, one.opened(text, text_pair, progress, limit))
    prepared = [first, *(other.retarget(first) for other in own[1:])]
    score = first.switched.score
    if any(ready.switched.score.beta != score.beta for ready in prepared):  # smoothed differently
        return _apart(text, text_pair, own, progress, limit)
    tasks = [
        [
            dataclasses.replace(path, parameters=(*path.parameters, _one_hot(ready, one.classifier, path.delta)))
            for path in ready.switched.paths
        ]
        for ready in prepared
    ]
    weighted, path, wanted = LabelledScore(score), tasks[0][0], one.config.attribution.engine
    choice = one.traces.of(("labels", first.key), weighted, path, wanted)
    some = one.config.attribution.top is not None
    engine = fastest(weighted, path, choice, wanted, one.memory, some_units=some)
    removal = one.gradients_of_removal(len(first.encoded.units))
    results = integrate_paths(tasks, engine, one.options(first), progress, limit, removal)
    return [
        explainer.recorded(ready, _required(result), limit)
        for explainer, ready, result in zip(own, prepared, results, strict=True)
    ]


def _are_opposite(explainer: "Explainer", labels: Sequence[int]) -> bool:
    """Whether the scores of two labels sum to a constant: 1 for probabilities, 0 for log-odds."""
    classifier, config = explainer.classifier, explainer.config
    two = len(labels) == len(classifier.labels) == 2  # noqa: PLR2004
    one_holds = classifier.problem == "single_label" and config.target.output in {"probability", "log-odds"}
    return two and one_holds and not is_game(config) and not config.baseline.others


def _with_the_negative(
    text: str, text_pair: str | None, own: Sequence["Explainer"], progress: Progress | None, limit: TimeLimit
) -> list[Explanation]:
    """The first label integrated, and the second taken from it with the other sign, without the model."""
    one, other = own
    prepared = one.prepare(text, text_pair, one.opened(text, text_pair, progress, limit))
    paths, removal = prepared.switched.paths, one.gradients_of_removal(len(prepared.encoded.units))
    (result,) = integrate_paths([paths], one.engine(prepared), one.options(prepared), progress, limit, removal)
    result = _required(result)
    constant = 1.0 if one.config.target.output == "probability" else 0.0
    presence, target = prepared.switched, other.classifier.target(other.config.target, prepared.prediction)
    opposite = dataclasses.replace(
        prepared,
        target=target,
        presence=dataclasses.replace(
            presence, surrogate=presence.surrogate and _negative_surrogate(presence.surrogate)
        ),
    )
    return [one.recorded(prepared, result, limit), other.recorded(opposite, _negative(result, constant), limit)]


def _negative(result: Interactions, constant: float) -> Interactions:
    """The matrix of `constant` minus a score, from that of the score; gaps and errors are magnitudes and stay."""
    return dataclasses.replace(
        result,
        ig=0.0 - result.ig,
        ih=0.0 - result.ih,
        f_input=constant - result.f_input,
        f_baseline=constant - result.f_baseline,
        path=dataclasses.replace(result.path, f=constant - result.path.f),
    )


def _negative_surrogate(surrogate: Surrogate) -> Surrogate:
    """What smoothing changed, for a score of the other sign."""
    return dataclasses.replace(
        surrogate,
        f_input_change=-surrogate.f_input_change,
        difference_change=-surrogate.difference_change,
    )


def _required(result: Interactions | IhError) -> Interactions:
    """The matrix of one label; raises its error."""
    if isinstance(result, IhError):
        raise result
    return result


def _one_hot(prepared: PreparedText, classifier: LoadedClassifier, like: torch.Tensor) -> torch.Tensor:
    """1 for the label of the target, else 0, (C,)."""
    weights = like.new_zeros(len(classifier.labels))
    weights[prepared.target.index] = 1.0
    return weights
