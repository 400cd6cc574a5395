"""Targets: which scalar of the model's output is explained."""

import difflib
from collections.abc import Sequence

import torch
from torch import Tensor

from ihcli.config import TargetSection
from ihcli.errors import SameLabelError, TargetError
from ihcli.results import Prediction, Target


def probabilities(logits: Tensor, problem: str) -> Tensor:
    """What the model says of each label, (…, C) to (…, C); a regressor's outputs are left as they are."""
    if problem == "single_label":
        return logits.softmax(-1)
    return logits.sigmoid() if problem == "multi_label" else logits


def output(logits: Tensor, target: Target, problem: str, against: int | None) -> Tensor:
    """The explained scalar f of logits z (B, C), as (B,).

    logit: z_k.  probability: softmax(z)_k, or sigmoid(z_k) with several labels at once.  log-odds: ln p_k/(1 - p_k),
    which is z_k - ln Σ_{c≠k} exp z_c, or z_k with several labels at once.  With `against` minus that of the other.
    """
    value = _one(logits, target.index, target.output, problem)
    return value if against is None else value - _one(logits, against, target.output, problem)


def _one(logits: Tensor, index: int, kind: str, problem: str) -> Tensor:
    if kind == "logit" or (kind == "log-odds" and problem == "multi_label"):
        return logits[:, index]
    if kind == "probability":
        return probabilities(logits, problem)[:, index]
    others = [c for c in range(logits.shape[1]) if c != index]
    if len(others) == 1:
        return logits[:, index] - logits[:, others[0]]
    return logits[:, index] - torch.cat([logits[:, :index], logits[:, index + 1 :]], dim=1).logsumexp(1)


def resolve(section: TargetSection, prediction: Prediction, labels: Sequence[str], problem: str) -> Target:
    """The target that a configuration names; raises `TargetError` for a label or output that the model lacks."""
    index = prediction.index if section.label == "predicted" else find_label(section.label, labels, "label")
    if section.output != "logit" and problem == "regression":
        message = (
            f"The output {section.output} was asked for, but this model gives one number without a probability. Use "
            "the output logit, which is that number."
        )
        raise TargetError(message)
    if section.against is None:
        return Target(labels[index], index, section.output)
    other = find_label(section.against, labels, "label to compare against")
    if other == index:
        message = (
            f"The target and the label to compare against are both {labels[index]!r}, and their difference is always "
            f"zero. Choose another of: {_listed(labels)}."
        )
        raise SameLabelError(message)
    name = labels[other] if labels.count(labels[other]) == 1 else str(other)
    return Target(labels[index], index, section.output, name)


def find_label(wanted: str | int, labels: Sequence[str], what: str) -> int:
    """The index of a label given by name or index; a name wins over an index that is written as text."""
    if isinstance(wanted, str) and wanted in labels:
        if labels.count(wanted) > 1:
            message = f"Several labels are called {wanted!r}; give the index. The labels: {_listed(labels)}."
            raise TargetError(message)
        return labels.index(wanted)
    if isinstance(wanted, int) or wanted.isdecimal():
        if int(wanted) < len(labels):
            return int(wanted)
        message = (
            f"The {what} {wanted} is past the last index, {len(labels) - 1}. The labels: {_listed(labels)}. Give "
            "one of them by name or index."
        )
        raise TargetError(message)
    close = difflib.get_close_matches(wanted.casefold(), [label.casefold() for label in labels], n=1)
    hint = next((f" Did you mean {label}?" for label in labels if close and label.casefold() == close[0]), "")
    message = f"The model has no {what} {wanted!r}.{hint} The labels: {_listed(labels)}. Give one by name or index."
    raise TargetError(message)


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(f"{label} ({index})" for index, label in enumerate(labels))
