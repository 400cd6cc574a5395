"""How large a difference is allowed, from the configuration and from what the two results were certified to."""

import math

import numpy as np

from ihcli.config import CheckSection
from ihcli.results import Array, Explanation


def largest(values: Array) -> float:
    """The largest magnitude, entries that were not computed apart; 0 of nothing."""
    known = values[~np.isnan(values)]
    return float(np.abs(known).max()) if known.size else 0.0


def certified_error(explanation: Explanation) -> float:
    """How far any entry of this result may be from the truth, in units of f.

    tolerance × max|Γ| is what a converged result promises of every entry; the quadrature error is more where the
    result did not converge, and the row gap bounds IG against Γ.
    """
    certificate = explanation.certificate
    reported = (certificate.quadrature_error, certificate.row_gap)
    gaps = [float(gap) for gap in reported if gap is not None and math.isfinite(gap)]
    formulation_has_rows = explanation.quadrature.formulation == "paper"
    return max(certificate.tolerance * largest(explanation.ih), *(gaps if formulation_has_rows else gaps[:1]), 0.0)


def allowed(section: CheckSection, quantity: str, scale: float, certified: float = 0.0) -> float:
    """max(atol + rtol × scale, certified): what is certified is never a regression, however strict the settings."""
    atol: float = getattr(section, f"{quantity}_atol")
    rtol: float = getattr(section, f"{quantity}_rtol")
    return max(atol + rtol * scale, certified)
