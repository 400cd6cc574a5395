"""Whether a record agrees with itself: an edited or corrupted result contradicts its own certificate."""

import math

import numpy as np

from ihcli.regression.findings import Finding, Kind, Severity
from ihcli.regression.identity import ONE_SIDED
from ihcli.regression.tolerances import largest
from ihcli.results import Explanation

_ROUNDING = 1e-6
"""Share of the largest entry that float32 engines and other orders of summation may account for."""


def audit(explanation: Explanation, side: str) -> list[Finding]:
    """What is wrong with the record of `side` (baseline or run) by itself."""
    found = [_inconsistent(side, message) for message in (*_numbers(explanation), *_identities(explanation))]
    if not explanation.certificate.converged:
        certificate = explanation.certificate
        message = (
            f"The {side}'s result did not meet its tolerance {certificate.tolerance:g} (row gap "
            f"{_gap(certificate.row_gap)}, quadrature error {_gap(certificate.quadrature_error)}); raise "
            f"attribution.max_nodes or the tolerance and explain again."
        )
        found.append(Finding(Kind.NOT_CONVERGED, Severity.REGRESSION, side, message))
    return found


def _inconsistent(side: str, message: str) -> Finding:
    return Finding(Kind.INCONSISTENT, Severity.REGRESSION, side, f"The {side}'s record {message}")


def _gap(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"


def _numbers(explanation: Explanation) -> list[str]:
    """Numbers that no run writes."""
    messages = []
    scalars = {"f_input": explanation.f_input, "f_baseline": explanation.f_baseline}
    missing = [name for name, value in scalars.items() if not math.isfinite(value)]
    if not np.isfinite(explanation.ig).all():
        missing.append("ig")
    if np.isinf(explanation.ih).any() or (explanation.units and np.isnan(explanation.ih).all()):
        missing.append("ih")
    certificate = explanation.certificate
    partial = bool(np.isnan(explanation.ih).any())  # the sum of a matrix with rows that were not computed is not known
    gaps = {
        name: getattr(certificate, name) for name in ("completeness_gap", "row_gap", "asymmetry", "quadrature_error")
    }
    missing += [
        name
        for name, gap in gaps.items()
        if not (partial and name == "completeness_gap") and (gap is None or not 0 <= gap < math.inf)
    ]
    missing += [
        f"probability of {label}" for label, p in explanation.prediction.probabilities.items() if not math.isfinite(p)
    ]
    if missing:
        messages.append(f"lacks finite numbers in {', '.join(missing)}.")
    asked = (explanation.config or {}).get("attribution", {}).get("tolerance", certificate.tolerance)
    if not 0 < certificate.tolerance <= 1 or certificate.tolerance != asked:
        messages.append(f"names the tolerance {certificate.tolerance:g} where {asked!r} was asked for, of at most 1.")
    spread = explanation.ih_spread
    if spread is not None and spread.shape != explanation.ih.shape:
        messages.append(f"has ih_spread of shape {spread.shape} beside a matrix of {explanation.ih.shape}.")
    messages += _units(explanation)
    probabilities = explanation.prediction.probabilities
    if explanation.prediction.label not in probabilities:
        messages.append(f"predicts {explanation.prediction.label!r}, which is not among its probabilities.")
    elif probabilities[explanation.prediction.label] < max(probabilities.values()) - _ROUNDING:
        best = max(probabilities, key=probabilities.__getitem__)
        messages.append(f"predicts {explanation.prediction.label!r} though {best!r} has the larger probability.")
    return messages


def _units(explanation: Explanation) -> list[str]:
    """The first unit that is not what the text holds at its place."""
    sides = {"text": explanation.text, "text_pair": explanation.text_pair}
    for unit in explanation.units:
        text = sides.get(unit.side)
        if text is None or not 0 <= unit.start <= unit.end <= len(text):
            return [f"has a unit at {unit.start}–{unit.end} of {unit.side}, which is not in that text."]
        if unit.text != text[unit.start : unit.end]:
            return [f"has a unit {unit.text!r} at {unit.start}–{unit.end}, where the text holds another."]
    return []


def _identities(explanation: Explanation) -> list[str]:
    """Γ = Γᵀ, and for the paper's formulation Σ_v Γ_uv - IG_u and ΣΓ - (f(x) - f(x')) as large as recorded.

    The gaps were taken of this very matrix, so they agree to rounding: an edit that makes one smaller is one too.
    """
    certificate, matrix = explanation.certificate, explanation.ih
    scale = largest(matrix)
    slack = _ROUNDING * max(scale, largest(explanation.ig), abs(explanation.f_input), abs(explanation.f_baseline))
    messages = []
    known = ~np.isnan(matrix)
    asymmetry = certificate.asymmetry or 0.0 if explanation.quadrature.formulation == ONE_SIDED else 0.0
    if (known != known.T).any() or largest(matrix - matrix.T) > asymmetry + slack:
        messages.append("has a matrix that is not symmetric: an entry was changed after it was computed.")
    promised = certificate.tolerance * scale + slack
    worst = max(certificate.row_gap or 0.0, certificate.quadrature_error or 0.0)
    if certificate.converged and worst > promised:
        messages.append(f"calls itself converged with an error of {worst:.4g} where {promised:.4g} is allowed.")
    if explanation.quadrature.formulation != "paper":
        return messages
    complete = known.all(axis=1)
    gaps = np.abs(matrix.sum(axis=1) - explanation.ig)[complete]
    row_gap = float(gaps.max()) if gaps.size else 0.0
    checks = [("row gap", "its rows and ig", row_gap, certificate.row_gap)]
    if complete.all():
        total = abs(float(matrix.sum()) - (explanation.f_input - explanation.f_baseline))
        checks.append(("completeness gap", "its matrix and f(x) - f(x')", total, certificate.completeness_gap))
    for name, what, seen, recorded in checks:
        least = 0.0 if recorded is None or not complete.all() else recorded  # of some rows the gap may be less
        if recorded is None or not least - slack <= seen <= recorded + slack:
            messages.append(
                f"has a {name} of {seen:.4g} where its certificate says {_gap(recorded)}: "
                f"{what} do not belong together."
            )
    return messages
