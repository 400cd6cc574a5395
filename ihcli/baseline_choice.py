"""What of an explanation depends on the choice of the baseline."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from ihcli.removal.game import Array
from ihcli.removal.stability import stability
from ihcli.results import Explanation, OtherBaseline

NOTABLE = 0.1
"""Entries below this share of the largest are too small for their sign to be worth a word."""
_NAMED = 3


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Attributions and pairs, under the names that comparisons use."""

    attributions: Array
    matrix: Array


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
    values = np.array([explanation.ig, *(one.ig for one in explanation.others)])
    turning = np.flatnonzero(_turns(values / _largest(values)))
    return sorted(turning.tolist(), key=lambda u: -float(np.abs(values[:, u]).mean()))


def turning_pairs(explanation: Explanation) -> list[tuple[int, int]]:
    """Pairs i < j whose entry has both signs, each notable, among the baselines; strongest first."""
    rows, columns = np.triu_indices(len(explanation.units), k=1)
    values = np.array([one[rows, columns] for one in (explanation.ih, *(other.ih for other in explanation.others))])
    if not values.shape[1]:
        return []
    turning = np.flatnonzero(_turns(values / _largest(values)))
    order = sorted(turning.tolist(), key=lambda pair: -float(np.abs(values[:, pair]).mean()))
    return [(int(rows[pair]), int(columns[pair])) for pair in order]


def pair_agreement(explanation: Explanation) -> float:
    """Spearman's rank correlation of the pairs, the mean over all pairs of baselines; NaN without others."""
    if not explanation.others:
        return float("nan")
    return stability([_Numbers(explanation.ig, explanation.ih), *explanation.others]).pair_correlation


def _largest(values: Array) -> Array:
    """The largest magnitude of each baseline's numbers (B, n), as a column."""
    largest = np.nanmax(np.abs(values), axis=1, keepdims=True)
    return np.where(largest > 0, largest, 1.0)


def _turns(shares: Array) -> Array:
    """Which columns of (B, n) hold a notable number of either sign."""
    return np.asarray((np.nanmax(shares, axis=0) > NOTABLE) & (np.nanmin(shares, axis=0) < -NOTABLE))
