"""What of an explanation depends on the choice of the baseline."""

import dataclasses

import numpy as np

from ihcli.removal.game import Array
from ihcli.results import Explanation, OtherBaseline

NOTABLE = 0.1
"""Entries below this share of the largest are too small for their sign to be worth a word."""
_NAMED = 3


def with_other(explanation: Explanation, other: Explanation) -> Explanation:
    """The explanation with another one of the same text beside it, unless that has the same kind of baseline."""
    kind = str(other.baseline["kind"])
    if kind in {str(explanation.baseline["kind"]), *(one.kind for one in explanation.others)}:
        return explanation
    beside = OtherBaseline(kind, other.f_baseline, other.converged, other.ig, other.ih)
    return dataclasses.replace(explanation, others=(*explanation.others, beside))


def marked(explanation: Explanation) -> Explanation:
    """The explanation with warnings of signs that turn between baselines, and of a missed tolerance."""
    if not explanation.others:
        return explanation
    kinds = ", ".join([str(explanation.baseline["kind"]), *(one.kind for one in explanation.others)])
    warnings = []
    names = [unit.text for unit in explanation.units]
    units = [names[u] for u in turning_units(explanation)]
    pairs = [f"{names[i]} · {names[j]}" for i, j in turning_pairs(explanation)]
    for what, turning in (("attributions", units), ("pairs", pairs)):
        if turning:
            more = f" and {len(turning) - _NAMED} more" if len(turning) > _NAMED else ""
            warnings.append(
                f"The sign of these {what} depends on the baseline ({kinds}): {', '.join(turning[:_NAMED])}{more}."
            )
    missed = [one.kind for one in explanation.others if not one.converged]
    if missed:
        warnings.append(f"The tolerance was not met with the baseline {', '.join(missed)}.")
    return dataclasses.replace(explanation, warnings=(*explanation.warnings, *warnings))


def turning_units(explanation: Explanation) -> list[int]:
    """Units whose attribution has both signs, each notable, among the baselines; strongest first."""
    return _turning(np.array([explanation.ig, *(one.ig for one in explanation.others)]))


def turning_pairs(explanation: Explanation) -> list[tuple[int, int]]:
    """Pairs i < j whose entry has both signs, each notable, among the baselines; strongest first."""
    rows, columns = np.triu_indices(len(explanation.units), k=1)
    matrices = np.array([explanation.ih, *(one.ih for one in explanation.others)])
    return [(int(rows[pair]), int(columns[pair])) for pair in _turning(matrices[:, rows, columns])]


def _turning(values: Array) -> list[int]:
    """The columns of (B, n) that hold a notable number of either sign, strongest first; unknown numbers are not."""
    known = np.nan_to_num(values)
    shares = known / np.maximum(np.abs(known).max(axis=1, initial=0.0, keepdims=True), np.finfo(float).tiny)
    turning = np.flatnonzero((shares > NOTABLE).any(axis=0) & (shares < -NOTABLE).any(axis=0))
    return sorted(turning.tolist(), key=lambda column: -float(np.abs(known[:, column]).mean()))
