"""Targets: which scalar of the model's output is explained."""

import difflib
import unicodedata
from collections.abc import Sequence

import torch
from torch import Tensor

from ihcli.config import TargetSection
from ihcli.errors import SameLabelError, TargetError
from ihcli.results import Prediction, Target

ALL = "all"
"""What a user names every label by."""
NAME, INDEX = "name:", "index:"
"""Prefixes by which a user says whether a number is a label's name or its index."""
_MOST_DIGITS, _MOST_LISTED = 9, 50


def probabilities(logits: Tensor, problem: str) -> Tensor:
    """The probability of each label, (…, C) to (…, C); a regressor's outputs stay as they are."""
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
            f"The output {section.output} was asked for, but this model's outputs are numbers without a probability. "
            "Use the output logit, which is the number itself."
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
    name = labels[other] if labels.count(labels[other]) == 1 else f"{INDEX}{other}"
    return Target(labels[index], index, section.output, name)


def find_label(wanted: str | int, labels: Sequence[str], what: str) -> int:
    """The index of a label that a user names, by its name or its index, however that is written.

    What is both the name of one label and the index of another is an error; `name:1` and `index:1` say which is meant.
    Names are compared after Unicode's composition, so that an accent may be typed either way.  Raises `TargetError`.
    """
    text = wanted if isinstance(wanted, str) else _digits(wanted)
    named = _named(text, labels)
    if not named and text.startswith(NAME):
        return _only(_named(text.removeprefix(NAME), labels), text, labels, what)
    if not named and text.startswith(INDEX) and text.removeprefix(INDEX).isdecimal():
        return _within(text.removeprefix(INDEX), labels, what)
    if not named and text.isdecimal():
        return _within(text, labels, what)
    index = int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else None
    if index is not None and index < len(labels) and named != [index]:
        message = (
            f"The {what} {text} could be the name of label {named[0]} or the index of the label {labels[index]!r}. "
            f"Write {NAME}{text} or {INDEX}{text}. The labels: {_listed(labels)}."
        )
        raise TargetError(message)
    return _only(named, text, labels, what)


def several(wanted: str | int | Sequence[str | int], labels: Sequence[str]) -> list[int] | None:
    """The labels that a user names together: `all`, or names with commas between; None where one label is meant.

    What is the name of one label is that label, so a comma in a name is never taken for one between names.  Raises
    `TargetError` for a label that the model lacks or that is named twice, and for `all` where a label is called so.
    """
    if isinstance(wanted, str):
        if wanted == ALL and ALL in labels:
            message = (
                f"{ALL} could be every label or the label of that name. Write {NAME}{ALL} for the label, or the labels "
                f"with commas between. The labels: {_listed(labels)}."
            )
            raise TargetError(message)
        if wanted == ALL:
            return list(range(len(labels)))
        if "," not in wanted or _named(wanted, labels) or wanted.startswith(NAME):
            return None
        wanted = [one.strip() for one in wanted.split(",")]
    elif isinstance(wanted, int):
        return None
    found = [find_label(one, labels, "label") for one in wanted]
    if not found or len(set(found)) < len(found):
        message = f"The labels {list(wanted)!r:.200} hold none, or one twice. Name each label once: {_listed(labels)}."
        raise TargetError(message)
    return found


def _digits(number: int) -> str:
    """A whole number as text; one of thousands of digits, which Python does not write, as a long one."""
    return str(min(number, 10 ** (2 * _MOST_DIGITS)))


def recorded_index(name: str, labels: Sequence[str]) -> int:
    """The index of a label in a target made by `resolve`: its name, or `index:K` where several share the name."""
    if name in labels:
        return list(labels).index(name)
    return _within(name.removeprefix(INDEX), labels, "label")


def _named(name: str, labels: Sequence[str]) -> list[int]:
    """The labels of a name; where none is written exactly so, those that are after composition (NFC)."""
    exact = [i for i, label in enumerate(labels) if label == name]
    composed = unicodedata.normalize("NFC", name)
    return exact or [i for i, label in enumerate(labels) if unicodedata.normalize("NFC", label) == composed]


def _only(named: Sequence[int], wanted: str, labels: Sequence[str], what: str) -> int:
    if len(named) == 1:
        return named[0]
    if named:
        message = (
            f"Several labels are called {wanted!r}; give the index, as {INDEX}{named[0]}. The labels: "
            f"{_listed(labels)}."
        )
        raise TargetError(message)
    close = difflib.get_close_matches(wanted.casefold(), [label.casefold() for label in labels], n=1)
    hint = next((f" Did you mean {label}?" for label in labels if close and label.casefold() == close[0]), "")
    message = f"The model has no {what} {wanted!r}.{hint} The labels: {_listed(labels)}. Give one by name or index."
    raise TargetError(message)


def _within(digits: str, labels: Sequence[str], what: str) -> int:
    if len(digits) <= _MOST_DIGITS and int(digits) < len(labels):
        return int(digits)
    shown = digits if len(digits) <= _MOST_DIGITS else f"{digits[:_MOST_DIGITS]}…"
    message = (
        f"The {what} {shown} is past the last index, {len(labels) - 1}. The labels: {_listed(labels)}. Give one of "
        "them by name or index."
    )
    raise TargetError(message)


def _listed(labels: Sequence[str]) -> str:
    listed = [f"{label} ({index})" for index, label in enumerate(labels[:_MOST_LISTED])]
    return ", ".join(listed) + (f", and {len(labels) - _MOST_LISTED} more" if len(labels) > _MOST_LISTED else "")
