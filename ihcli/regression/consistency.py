"""Whether a record agrees with itself: an edited or corrupted result contradicts its own certificate."""

import math
from collections.abc import Iterator

import numpy as np

from ihcli.regression.findings import Finding, Kind, Severity
from ihcli.regression.tolerances import largest
from ihcli.results import GAPS, Explanation, defects

ONE_SIDED = "article-code"
"""The formulation with ones in place of δ on the left: its matrix is not symmetric."""
_ROUNDING = 1e-6
"""Share of the largest entry that float32 engines and other orders of summation may account for."""


def audit(explanation: Explanation, side: str) -> list[Finding]:
    """What is wrong with the record of `side` (baseline or run) by itself."""
    findings = [
        Finding(Kind.INCONSISTENT, Severity.REGRESSION, side, f"The {side}'s record {statement}")
        for check in _CHECKS
        for statement in check(explanation)
    ]
    certificate = explanation.certificate
    if not certificate.converged:
        message = (
            f"The {side}'s result did not meet its tolerance {certificate.tolerance:g} (row gap "
            f"{certificate.row_gap:.3g}, quadrature error {certificate.quadrature_error:.3g}); raise "
            f"attribution.max_nodes or the tolerance and explain again."
        )
        findings.append(Finding(Kind.NOT_CONVERGED, Severity.REGRESSION, side, message))
    return findings


def _certificate(explanation: Explanation) -> Iterator[str]:
    """The certificate holds every number, except a sum that the matrix lacks, and the error if not converged."""
    certificate = explanation.certificate
    has_sum = explanation.quadrature.formulation == "paper" and not np.isnan(explanation.ih).any()
    excused = set() if has_sum else {"completeness_gap"}
    excused |= set() if certificate.converged else {"quadrature_error"}
    unknown = [name for name in GAPS if name not in excused and not math.isfinite(getattr(certificate, name))]
    if unknown:
        yield f"lacks finite numbers in {', '.join(unknown)}."


def _tolerance(explanation: Explanation) -> Iterator[str]:
    """The tolerance is the one of the configuration."""
    tolerance = explanation.certificate.tolerance
    asked = (explanation.config or {}).get("attribution", {}).get("tolerance", tolerance)
    if tolerance != asked:
        yield f"names the tolerance {tolerance:g} where its configuration asks for {asked!r:.40}."


def _label(explanation: Explanation) -> Iterator[str]:
    """The predicted label has the largest probability, of a regressor the largest value."""
    probabilities, label = explanation.prediction.probabilities, explanation.prediction.label
    best = max(probabilities, key=probabilities.__getitem__, default=label)
    if label in probabilities and probabilities[label] < probabilities[best] - _ROUNDING:
        larger = "value" if explanation.prediction.are_values else "probability"
        yield f"predicts {label!r} though {best!r} has the larger {larger}."


def _slack(explanation: Explanation) -> float:
    scores = abs(explanation.f_input), abs(explanation.f_baseline)
    return _ROUNDING * max(largest(explanation.ih), largest(explanation.ig), *scores)


def _symmetry(explanation: Explanation) -> Iterator[str]:
    """Γ = Γᵀ, but for the formulation that is one-sided, which is as asymmetric as recorded."""
    matrix, known = explanation.ih, ~np.isnan(explanation.ih)
    one_sided = explanation.quadrature.formulation == ONE_SIDED
    asymmetry = _known(explanation.certificate.asymmetry) if one_sided else 0.0
    if (known != known.T).any() or largest(matrix - matrix.T) > asymmetry + _slack(explanation):
        yield "has a matrix that is not symmetric: an entry was changed after it was computed."


def _convergence(explanation: Explanation) -> Iterator[str]:
    """A converged result has errors within its tolerance."""
    certificate = explanation.certificate
    promised = certificate.tolerance * largest(explanation.ih) + _slack(explanation)
    worst = max(_known(certificate.row_gap), _known(certificate.quadrature_error))
    if certificate.converged and worst > promised:
        yield f"calls itself converged with an error of {worst:.4g} where {promised:.4g} is allowed."


def _sums(explanation: Explanation) -> Iterator[str]:
    """Σ_v Γ_uv − IG_u and ΣΓ − (f(x) − f(x′)) are as large as recorded, for the formulation that has these sums.

    The gaps were taken from this very matrix, so they agree to rounding: an edit that makes one smaller is one too.
    """
    if explanation.quadrature.formulation != "paper":
        return
    matrix, certificate, slack = explanation.ih, explanation.certificate, _slack(explanation)
    complete = ~np.isnan(matrix).any(axis=1)
    partial = not complete.all()
    rows = np.abs(matrix.sum(axis=1) - explanation.ig)[complete]
    checks = [("row gap", "its rows and ig", largest(rows), certificate.row_gap)]
    if not partial:
        total = abs(float(matrix.sum()) - (explanation.f_input - explanation.f_baseline))
        checks.append(("completeness gap", "its matrix and f(x) − f(x′)", total, certificate.completeness_gap))
    for name, what, seen, recorded in checks:
        least = 0.0 if partial else recorded  # the gap of some of the rows may be smaller
        if not least - slack <= seen <= recorded + slack:
            yield (
                f"has a {name} of {seen:.4g} where its certificate says {recorded:.4g}: {what} do not belong together."
            )


def _known(value: float) -> float:
    return value if math.isfinite(value) else 0.0


_CHECKS = (defects, _certificate, _tolerance, _label, _symmetry, _convergence, _sums)
