"""How large a difference is allowed, from the configuration and from what the two results were certified to."""

import math

import numpy as np

from ihcli.config import CheckSection
from ihcli.results import Array, Explanation


def largest(values: Array) -> float:
    """The largest magnitude of the entries that were computed; 0 if there are none."""
    known = values[~np.isnan(values)]
    return float(np.abs(known).max()) if known.size else 0.0


def certified_error(explanation: Explanation) -> float:
    """How far any entry of this result may be off, in units of f.

    A converged result promises an error of at most tolerance × max|Γ|. The quadrature error is larger where the result
    did not converge, and the row gap bounds the error of IG where the formulation has rows that sum to IG.
    """
    certificate = explanation.certificate
    gaps = [certificate.quadrature_error]
    if explanation.quadrature.formulation == "paper":
        gaps.append(certificate.row_gap)
    return max(certificate.tolerance * largest(explanation.ih), *(gap for gap in gaps if math.isfinite(gap)), 0.0)


def allowed(section: CheckSection, quantity: str, scale: float, certified: float = 0.0) -> float:
    """max(atol + rtol × scale, certified): what is certified is never a regression, however strict the settings."""
    atol: float = getattr(section, f"{quantity}_atol")
    rtol: float = getattr(section, f"{quantity}_rtol")
    return max(atol + rtol * scale, certified)
