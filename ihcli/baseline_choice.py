"""What of an explanation depends on the choice of the baseline."""

import dataclasses

import numpy as np

from ihcli.removal.stability import turning, turning_pairs
from ihcli.results import Explanation, OtherBaseline

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
    attributions = np.array([explanation.ig, *(one.ig for one in explanation.others)])
    matrices = np.array([explanation.ih, *(one.ih for one in explanation.others)])
    units = [names[u] for u in turning(attributions)]
    pairs = [f"{names[i]} · {names[j]}" for i, j in turning_pairs(matrices)]
    for what, found in (("attributions", units), ("pairs", pairs)):
        if found:
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            warnings.append(
                f"The sign of these {what} depends on the baseline ({kinds}): {', '.join(found[:_NAMED])}{more}."
            )
    missed = [one.kind for one in explanation.others if not one.converged]
    if missed:
        warnings.append(f"The tolerance was not met with the baseline {', '.join(missed)}.")
    return dataclasses.replace(explanation, warnings=(*explanation.warnings, *warnings))
